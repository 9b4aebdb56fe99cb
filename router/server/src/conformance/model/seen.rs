//! What is seen of the state from outside.

use std::collections::{BTreeMap, BTreeSet};

use super::{Model, NO_LIMIT, Place};
use crate::conformance::{
    format::{Amount, Quantity},
    subject::{Allocation, CellNow, HoldNow, Snapshot},
};

impl Model {
    pub(super) fn seen(&self) -> Snapshot {
        let mut seen =
            Snapshot { claims_ok: self.claims_ok, completed: self.completed.clone(), ..Snapshot::default() };
        let mut cells: BTreeSet<(String, String)> = self.cells.keys().cloned().collect();
        for (id, order) in &self.orders {
            let mut short: i64 = order.lines.iter().map(|l| l.wanted).sum();
            for part in &order.parts {
                short -= part.on_hand;
                cells.insert((part.node.clone(), order.lines[part.line].sku.clone()));
                seen.allocations.push(Allocation {
                    order: id.clone(),
                    node: part.node.clone(),
                    sku: order.lines[part.line].sku.clone(),
                    on_hand: Amount(part.on_hand),
                    backorder: Amount(part.backorder),
                });
            }
            seen.short.insert(id.clone(), Amount(short));
            let nothing = order.parts.iter().all(|p| p.on_hand + p.backorder == 0);
            if let Some(queue) = order.queue.as_ref().filter(|_| nothing && self.is_open(id)) {
                *seen.queued.entry(queue.clone()).or_default() += 1;
            }
        }
        for (node, sku) in cells {
            let (on_hand, backorder) = self.promised(&node, &sku);
            let others = self.cell(&node, &sku).map_or(0, |c| c.others);
            let atp = match self.atp(&node, &sku) {
                NO_LIMIT => Quantity::Unlimited,
                atp => Quantity::Limited(Amount(atp)),
            };
            let now = CellNow {
                on_hand: Amount(self.cell(&node, &sku).map_or(0, |c| c.on_hand)),
                allocated: Amount(others + on_hand + backorder),
                atp,
            };
            seen.cells.insert((node, sku), now);
        }
        self.see_holds_and_offers(&mut seen);
        let mut skus: BTreeSet<String> = self.cells.keys().map(|(_, sku)| sku.clone()).collect();
        skus.extend(self.channels.values().flat_map(|c| c.skus.keys().cloned()));
        skus.extend(self.untracked.iter().cloned());
        for channel in self.channels.keys() {
            for sku in &skus {
                seen.ats.insert((channel.clone(), sku.clone()), self.ats(channel, sku));
            }
        }
        seen.orders_by_rule =
            self.by_rule.iter().map(|(rule, orders)| (rule.clone(), orders.len() as u64)).collect();
        seen
    }

    fn see_holds_and_offers(&self, seen: &mut Snapshot) {
        for ((order, _), hold) in &self.holds {
            let node = match &hold.place {
                Place::Node(node) => Some(node.clone()),
                Place::Channel(_) => None,
            };
            let (order, sku, qty) = (order.clone(), hold.sku.clone(), Amount(hold.qty));
            seen.holds.push(HoldNow { order, node, sku, qty });
        }
        let mut offered: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for offer in &self.offers {
            seen.winners.extend(offer.winner.clone());
            if !offer.open {
                continue;
            }
            for node in &offer.entries {
                offered.entry(node.clone()).or_default().insert(offer.order.clone());
            }
            for (line, qty) in &offer.lines {
                let sku = self.orders[&offer.order].lines[*line].sku.clone();
                seen.holds.push(HoldNow { order: offer.order.clone(), node: None, sku, qty: Amount(*qty) });
            }
        }
        seen.offered = offered;
    }
}
