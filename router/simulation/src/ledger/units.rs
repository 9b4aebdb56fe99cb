//! Units of orders: I1, I3, I5, and that rows say what the moves add up to.

use router_schemas::{
    command::{
        Command,
        stock::{Allowance, CellName},
    },
    event::{Event, OrderState, Unit},
    id::OrderId,
    quantity::Qty,
    row::{LineRow, OfferState},
};

use super::{Ledger, PROMISED, Units, assigns, ensure, is_fact, positive};

impl Ledger {
    pub(super) fn step(
        &mut self,
        order: OrderId,
        node: Option<&str>,
        (line, from, to, qty): (u16, Unit, Unit, Qty),
        event: &Event,
        command: Option<&Command>,
    ) -> Result<(), String> {
        positive(qty)?;
        let request = !is_fact(command) || event.item > 0;
        self.touched.orders.insert(order);
        let account = self.orders.get_mut(&order).ok_or("units of an order without a row move")?;
        // What was delivered or came back counts as shipped as well.
        let stays = matches!(to, Unit::Delivered | Unit::Returned);
        let shift = |units: &mut Units| {
            units[from as usize] -= if stays { 0 } else { qty.0 };
            units[to as usize] += qty.0;
        };
        let units = account.lines.get_mut(usize::from(line)).ok_or("a line without a row moves")?;
        shift(units);
        let row = account.row.as_ref().ok_or("units of an order without a row move")?;
        let stated = row.lines.get(usize::from(line)).ok_or("a line without a row moves")?;
        let held = i64::from(to == Unit::Held) - i64::from(from == Unit::Held);
        if held != 0 {
            let (zone, channel) = (row.zone.clone(), row.identity.channel.clone());
            let name = (zone, channel, stated.sku.clone(), stated.bucket.clone());
            *self.pools.entry(name).or_default() += held * qty.0;
        }
        let Some(node) = node else { return Ok(()) };
        let promises = matches!(to, Unit::Allocated | Unit::Backordered) && from == Unit::Open;
        let again = promises && request && account.declined.contains(node) && !assigns(command);
        ensure(!again, || format!("I6: {node} declined, and gets it all the same"))?;
        shift(account.at.entry((node.to_owned(), line)).or_insert([0; 12]));
        let row = account.row.as_ref().and_then(|row| row.lines.get(usize::from(line)));
        let row = row.ok_or("a line without a row moves")?;
        let name = CellName { node: node.to_owned(), sku: row.sku.clone(), bucket: row.bucket.clone() };
        let (sum, row) = self.cells.entry(name.clone()).or_default();
        for (unit, sign) in [(from, -1), (to, 1)] {
            sum.allocated += if PROMISED.contains(&unit) { sign * qty.0 } else { 0 };
            sum.backordered += if unit == Unit::Backordered { sign * qty.0 } else { 0 };
        }
        if self.untracked.contains(&(self.partition, name.sku.clone())) {
            return Ok(());
        }
        self.touched.cells.insert(name.clone());
        let (safety, allowance) =
            row.as_ref().map_or((0, Allowance::None), |r| (r.safety_stock.0, r.allowance));
        let (sum, grew) = (*sum, !PROMISED.contains(&from) && PROMISED.contains(&to));
        match to {
            Unit::Allocated if grew && request => {
                let needed = sum.allocated + sum.held + sum.blocked + safety;
                ensure(needed <= sum.on_hand, || format!("I1: {needed} of {} at {name:?}", sum.on_hand))
            }
            Unit::Backordered if request => {
                let within = match allowance {
                    Allowance::None => false,
                    Allowance::Limited(limit) => sum.backordered <= limit.0,
                    Allowance::Unlimited => true,
                };
                ensure(within, || format!("I1: {} backordered at {name:?}", sum.backordered))
            }
            _ => Ok(()),
        }
    }

    /// I3, I5, and that the row says what the moves add up to.
    pub(super) fn check_order(&self, order: OrderId) -> Result<(), String> {
        let Some(account) = self.orders.get(&order) else { return Ok(()) };
        let row = account.row.as_ref().ok_or_else(|| format!("{order} moves without a row"))?;
        for (number, (line, units)) in row.lines.iter().zip(&account.lines).enumerate() {
            let of = |unit: Unit| Qty(units[unit as usize]);
            let wanted = LineRow {
                ordered: Qty(-units[Unit::Outside as usize]),
                open: of(Unit::Open),
                held: of(Unit::Held),
                backordered: of(Unit::Backordered),
                allocated: of(Unit::Allocated) + of(Unit::Picked) + of(Unit::Ready),
                away: of(Unit::Away),
                shipped: of(Unit::Shipped),
                delivered: of(Unit::Delivered),
                returned: of(Unit::Returned),
                cancelled: of(Unit::Cancelled),
                ..line.clone()
            };
            ensure(wanted == *line, || {
                format!("{order}: the row says {line:?}, the moves add up to {wanted:?}")
            })?;
            let parts = [line.open, line.held, line.backordered, line.allocated, line.away, line.shipped];
            let whole = parts.into_iter().sum::<Qty>() + line.cancelled == line.ordered;
            let sound = parts.iter().chain([&line.cancelled]).all(|qty| qty.0 >= 0);
            let after = line.returned <= line.shipped && line.delivered <= line.shipped;
            ensure(whole && sound && after, || format!("I3: {order}: {line:?}"))?;
            for ((node, _), at) in account.at.iter().filter(|((_, n), _)| usize::from(*n) == number) {
                let found = row.fulfilments.iter().find(|f| f.node == *node && usize::from(f.line) == number);
                let stated = found.map_or([0; 6], |f| {
                    [f.backordered, f.allocated, f.picked, f.ready, f.shipped, f.returned].map(|qty| qty.0)
                });
                let [b, a, p, r] = PROMISED;
                let summed = [b, a, p, r, Unit::Shipped, Unit::Returned].map(|unit| at[unit as usize]);
                ensure(stated == summed, || {
                    format!("{order} at {node}: the row says {stated:?}, the moves {summed:?}")
                })?;
            }
        }
        let any = |field: fn(&LineRow) -> Qty| row.lines.iter().any(|line| field(line).is_positive());
        let (open, held, away) = (any(|l| l.open), any(|l| l.held), any(|l| l.away));
        let promised = any(|l| l.allocated + l.backordered);
        let closed = !open && !held && !away && !promised;
        let legal = match &row.state {
            OrderState::Offered => held,
            OrderState::InFulfilment => !open && !held && (promised || away),
            OrderState::Completed | OrderState::ShippedAfterCancel => closed && any(|l| l.shipped),
            OrderState::Cancelled => closed && !any(|l| l.shipped),
            OrderState::Confirming => open || held,
            _ => open,
        };
        ensure(legal, || format!("I5: {order} is {} with {:?}", row.state, row.lines))?;
        let offers = account.offers.iter().filter_map(|id| self.offers.get(id)?.row.as_ref());
        let offered: Vec<_> =
            offers.filter(|o| o.state == OfferState::Offered).flat_map(|o| &o.lines).collect();
        for (number, line) in row.lines.iter().enumerate() {
            let held = offered.iter().filter(|(l, _)| usize::from(*l) == number).map(|(_, qty)| *qty);
            let held: Qty = held.sum();
            ensure(held == line.held, || {
                format!("I3: {order} holds {} of line {}, its offers {held}", line.held, line.line)
            })?;
        }
        let missing = account.declined.iter().find(|node| !row.declined.contains(node));
        ensure(missing.is_none(), || format!("I6: {order}: {missing:?} declined, and that is forgotten"))
    }
}
