//! Cells: I2, what counts state, and that rows say what the changes add up to.

use router_schemas::{
    command::{
        Command,
        stock::{Basis, CellName},
    },
    event::{Event, StockCause, StockChange},
    quantity::Qty,
};

use super::{Ledger, ensure};

#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub(super) struct Sum {
    pub on_hand: i64,
    pub blocked: i64,
    pub allocated: i64,
    pub backordered: i64,
    pub held: i64,
}

impl Ledger {
    pub(super) fn stock(
        &mut self,
        change: &StockChange,
        event: &Event,
        command: Option<&Command>,
    ) -> Result<(), String> {
        let sum = &mut self.cells.entry(change.cell.clone()).or_default().0;
        let before = *sum;
        sum.on_hand += change.on_hand.0;
        sum.blocked += change.blocked.0;
        let (on_hand, blocked) = (sum.on_hand, sum.blocked);
        self.touched.cells.insert(change.cell.clone());
        match command {
            Some(Command::Count(count)) if change.cause == StockCause::Count && event.item == 0 => {
                let known = match count.basis {
                    Basis::OnHand => 0,
                    Basis::Available => before.allocated - before.backordered,
                };
                let found = (count.qty.0 + known).max(0);
                ensure(count.observed_at.is_some() || on_hand == found && blocked == 0, || {
                    format!("a count leaves {on_hand} and {blocked} blocked, not {found}")
                })
            }
            Some(Command::Receipt(receipt)) if event.item == 0 => {
                ensure(change.on_hand == receipt.qty, || {
                    format!("{} came, {} were told", change.on_hand, receipt.qty)
                })
            }
            _ => Ok(()),
        }
    }

    /// I2, and that the row says what the changes add up to.
    pub(super) fn check_cell(&self, name: &CellName) -> Result<(), String> {
        let Some((sum, row)) = self.cells.get(name) else { return Ok(()) };
        let home = self.homes.get(&name.node).copied().unwrap_or(self.partition);
        if self.untracked.contains(&(home, name.sku.clone())) {
            return Ok(());
        }
        let row = row.as_ref().ok_or_else(|| format!("{name:?} changed without a row"))?;
        let stated = Sum {
            on_hand: row.on_hand.0,
            blocked: row.blocked.0,
            allocated: row.allocated.0,
            backordered: row.backordered.0,
            held: row.held.0,
        };
        ensure(stated == *sum, || format!("I2: {name:?} has {stated:?}, its changes add up to {sum:?}"))?;
        let Sum { on_hand, blocked, allocated, backordered, held } = *sum;
        ensure([on_hand, blocked, allocated, backordered, held].iter().all(|n| *n >= 0), || {
            format!("I2: {name:?} has {sum:?}")
        })?;
        let usable = self.enabled.contains(&name.node) && !row.out_of_stock;
        let left = on_hand - allocated - held - blocked - row.safety_stock.0;
        let atp = if usable { left.max(0) } else { 0 };
        ensure(row.atp.0 == atp, || format!("ATP of {name:?} is {}, not {}", row.atp, Qty(atp)))
    }
}
