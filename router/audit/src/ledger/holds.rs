//! What is held for orders before their lines have it: moves against rows, cells and pools, and no lapse before its time.

use std::collections::{BTreeMap, HashMap};

use router_schemas::{
    event::{Event, HoldCause, HoldChange},
    id::OrderId,
    position::Position,
    quantity::Qty,
    row::{HoldRow, HoldState, PoolRow},
};

use super::{Cause, CellKey, Fresh, Ledger, Touched};
use crate::{orders::NOWHERE, report::Report};

/// Channel, zone, SKU, bucket, as numbers.
type PoolKey = (u32, u32, u32, u32);

/// Holds of orders, and what channels hold without a node.
#[derive(Default)]
pub(crate) struct Holds {
    of: HashMap<OrderId, Hold>,
    pools: HashMap<PoolKey, Qty>,
    /// Orders that ever had one.
    pub ever: u64,
}

/// What is held for an order.
#[derive(Default)]
struct Hold {
    /// By node, or without one, SKU and bucket.
    held: BTreeMap<CellKey, Qty>,
    /// As the last row says, service time, ms.
    expires: Option<i64>,
    confirming: bool,
}

impl Holds {
    /// Whether other zones have still to hold their part of it.
    pub fn is_confirming(&self, order: OrderId) -> bool {
        self.of.get(&order).is_some_and(|hold| hold.confirming)
    }

    pub fn is_known(&self, order: OrderId) -> bool {
        self.of.contains_key(&order)
    }

    /// Units that a pool holds without a node.
    pub fn count(&mut self, pool: PoolKey, by: Qty) {
        *self.pools.entry(pool).or_default() += by;
    }
}

impl Ledger {
    /// What is held of cells and pools for an order changed. `row`: what the command says of the hold in the end.
    pub(super) fn hold_moves(
        &mut self,
        cause: &Cause,
        at: &Position,
        (change, row): (&HoldChange, Option<&HoldRow>),
        fresh: &Fresh,
        touched: &mut Touched,
        report: &mut Report,
    ) {
        let id = change.order;
        touched.holds.insert(id);
        let known = !fresh.holds.contains(&id);
        if !self.holds.of.contains_key(&id) {
            self.holds.ever += 1;
        }
        let expires = self.holds.of.entry(id).or_default().expires;
        if let (HoldCause::Lapsed, true, Some(now)) = (change.cause, known, cause.service)
            && expires.is_none_or(|expires| now < expires)
        {
            report.violated("E2321", at.clone(), || {
                format!("what is held for {id} lapses at {now} ms, its time is {expires:?}")
            });
        }
        let place = row.map(|row| (self.number(&row.identity.channel), self.number(&row.zone)));
        for (node, sku, bucket, by) in &change.moves {
            let node = node.as_ref().map_or(NOWHERE, |node| self.number(node));
            let key = (node, self.number(sku), self.number(bucket));
            if known && let Some(hold) = self.holds.of.get_mut(&id) {
                *hold.held.entry(key).or_default() += *by;
                hold.held.retain(|_, qty| !qty.is_zero());
            }
            if node == NOWHERE {
                if let Some((channel, zone)) = place {
                    self.holds.count((channel, zone, key.1, key.2), *by);
                }
                continue;
            }
            touched.cells.insert(key);
            let cell = self.cells.entry(key).or_default();
            if !fresh.cells.contains(&key) {
                cell.held += *by;
            }
        }
    }

    /// A hold's row against its moves.
    pub(super) fn hold_row(
        &mut self,
        cause: &Cause,
        (at, event, row): (&Position, &Event, &HoldRow),
        fresh: &Fresh,
        report: &mut Report,
    ) {
        let mut shown = BTreeMap::<CellKey, Qty>::new();
        for (_, node, sku, bucket, qty) in &row.lines {
            let node = node.as_ref().map_or(NOWHERE, |node| self.number(node));
            *shown.entry((node, self.number(sku), self.number(bucket))).or_default() += *qty;
        }
        let hold = self.holds.of.entry(row.order).or_default();
        if fresh.holds.contains(&row.order) {
            hold.held.clone_from(&shown);
        }
        let live = matches!(row.state, HoldState::Held | HoldState::Confirming);
        let mut wrong = |said: String| {
            report.violated("E2320", at.clone(), || format!("hold of {}: {said}", row.order));
        };
        if shown != hold.held {
            wrong("the row shows other units than were moved".into());
        }
        if hold.held.values().any(|qty| *qty < Qty::ZERO) {
            wrong("less than nothing is held".into());
        }
        if !live && !shown.is_empty() {
            wrong(format!("it is over as {:?}, and units are held", row.state));
        }
        // What is held may lie wholly in other zones, which the row's legs name.
        if row.state == HoldState::Held && shown.is_empty() && row.legs.is_empty() {
            wrong("nothing is held, and it is not over".into());
        }
        if let Some(now) = cause.service
            && row.deadline != row.expires.map(|expires| expires + event.at - now)
        {
            wrong(format!("it lapses at {:?} ms, and is said to at {:?}", row.expires, row.deadline));
        }
        hold.expires = row.expires;
        hold.confirming = row.state == HoldState::Confirming;
    }

    /// A pool's row against what is held without a node.
    pub(super) fn pool_row(&mut self, at: &Position, row: &PoolRow, report: &mut Report) {
        let names = [&row.channel, &row.zone, &row.sku, &row.bucket].map(|name| self.number(name));
        let [channel, zone, sku, bucket] = names;
        let held = self.holds.pools.get(&(channel, zone, sku, bucket)).copied().unwrap_or_default();
        if held != row.held && !self.trimmed {
            report.violated("E2320", at.clone(), || {
                let PoolRow { channel, zone, sku, held: shown, .. } = row;
                format!("{channel} holds {held} of {sku} in {zone}, its row says {shown}")
            });
        }
    }

    /// What is remembered of an order no longer. What it holds has to be given back before.
    pub(super) fn forget_hold(&mut self, order: OrderId, at: &Position, report: &mut Report) {
        if let Some(hold) = self.holds.of.remove(&order)
            && !hold.held.is_empty()
        {
            report.violated("E2320", at.clone(), || format!("{order} is forgotten and holds units"));
        }
    }
}
