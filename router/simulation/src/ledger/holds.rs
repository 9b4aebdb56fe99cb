//! Holds and pools: what is held for orders, when it lapses, and that rows say what the changes add up to.

use std::collections::{BTreeMap, HashMap};

use router_schemas::{
    command::stock::CellName,
    event::{HoldCause, HoldChange},
    id::OrderId,
    row::{HoldRow, HoldState, PoolRow},
};

use super::{LATE, Ledger, ensure};

/// Zone, channel, SKU, bucket.
pub(super) type PoolName = (String, String, String, String);
/// Node, where pinned; SKU; bucket.
type Place = (Option<String>, String, String);

/// What is held for an order.
#[derive(Default)]
pub(super) struct HoldSums {
    pub lines: BTreeMap<Place, i64>,
    pub row: Option<HoldRow>,
    pub partition: u16,
}

impl Ledger {
    pub(super) fn hold(&mut self, change: &HoldChange) -> Result<(), String> {
        let service = self.service(self.partition);
        let hold = self.holds.entry(change.order).or_default();
        self.touched.holds.insert(change.order);
        if change.cause == HoldCause::Lapsed {
            let expires = self.touched.holds_before.get(&change.order).and_then(|row| row.expires);
            ensure(expires.is_some_and(|at| at <= service), || {
                format!("the hold of {} lapsed at {service}, it ends at {expires:?}", change.order)
            })?;
        }
        let Some(row) = &hold.row else { return Err("a hold without a row".into()) };
        let pool = (row.zone.clone(), row.identity.channel.clone());
        for (node, sku, bucket, qty) in &change.moves {
            *hold.lines.entry((node.clone(), sku.clone(), bucket.clone())).or_default() += qty.0;
            match node {
                Some(node) => {
                    let cell = CellName { node: node.clone(), sku: sku.clone(), bucket: bucket.clone() };
                    self.cells.entry(cell.clone()).or_default().0.held += qty.0;
                    self.touched.cells.insert(cell);
                }
                None => {
                    let name = (pool.0.clone(), pool.1.clone(), sku.clone(), bucket.clone());
                    *self.pools.entry(name.clone()).or_default() += qty.0;
                    self.touched.pools.insert(name);
                }
            }
        }
        hold.lines.retain(|_, qty| *qty != 0);
        Ok(())
    }

    /// That the hold's row says what its changes add up to.
    pub(super) fn check_hold(&self, order: OrderId) -> Result<(), String> {
        let Some(hold) = self.holds.get(&order) else { return Ok(()) };
        let row = hold.row.as_ref().ok_or_else(|| format!("the hold of {order} changed without a row"))?;
        let mut stated: BTreeMap<Place, i64> = BTreeMap::new();
        for (_, node, sku, bucket, qty) in &row.lines {
            *stated.entry((node.clone(), sku.clone(), bucket.clone())).or_default() += qty.0;
        }
        ensure(stated == hold.lines, || {
            format!("I2: the hold of {order} is {stated:?}, its changes add up to {:?}", hold.lines)
        })?;
        let holds = matches!(row.state, HoldState::Held | HoldState::Confirming);
        ensure(hold.lines.values().all(|qty| *qty > 0) && (holds || stated.is_empty()), || {
            format!("I2: the hold of {order} is {:?} with {stated:?}", row.state)
        })
    }

    /// That a pool's row says what holds and open offers add up to.
    pub(super) fn check_pool(&self, row: &PoolRow) -> Result<(), String> {
        let name = (row.zone.clone(), row.channel.clone(), row.sku.clone(), row.bucket.clone());
        let held = self.pools.get(&name).copied().unwrap_or_default();
        ensure(row.held.0 == held, || {
            format!("I2: the pool {name:?} holds {}, its orders {held} thousandths", row.held)
        })
    }

    /// Every held unit belongs to one live hold.
    pub(super) fn check_held(&self) -> Result<(), String> {
        let mut held: HashMap<CellName, i64> = HashMap::new();
        for ((node, sku, bucket), qty) in self.holds.values().flat_map(|hold| &hold.lines) {
            let Some(node) = node else { continue };
            let cell = CellName { node: node.clone(), sku: sku.clone(), bucket: bucket.clone() };
            *held.entry(cell).or_default() += qty;
        }
        self.cells.iter().try_for_each(|(name, (sum, _))| {
            let of_holds = held.get(name).copied().unwrap_or_default();
            ensure(sum.held == of_holds, || format!("I2: {name:?} holds {}, its orders {of_holds}", sum.held))
        })
    }

    /// No hold is kept long behind its end.
    pub(super) fn lapsed_holds(&self) -> Result<(), String> {
        for (order, hold) in &self.holds {
            let service = self.service(hold.partition);
            let expires = hold.row.as_ref().and_then(|row| row.expires);
            ensure(hold.lines.is_empty() || expires.is_none_or(|at| service <= at + LATE), || {
                format!("the hold of {order} ended at {expires:?}, and it is {service}")
            })?;
        }
        Ok(())
    }

    /// What is held without a node, by pool.
    pub fn pools(&self) -> impl Iterator<Item = (&PoolName, i64)> {
        self.pools.iter().map(|(name, held)| (name, *held))
    }
}
