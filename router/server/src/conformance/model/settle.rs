//! What follows from a step: oversold cells are relieved, backordered units get what has arrived, parked orders are
//! routed again where there is more to promise, and what is due lapses.

use std::collections::BTreeMap;

use super::{Model, Part, Place};
use crate::conformance::format::{Amount, Backorder};

/// Node, SKU → ATP.
pub type Atps = BTreeMap<(String, String), i64>;

enum Due {
    Hold((String, String)),
    Offer(usize),
}

impl Model {
    pub(super) fn atps(&self) -> Atps {
        self.cells.keys().map(|(node, sku)| ((node.clone(), sku.clone()), self.atp(node, sku))).collect()
    }

    /// Works off what follows since then.
    pub(super) fn settle(&mut self, mut before: Atps) {
        for _ in 0..1000 {
            self.relieve();
            self.turn_arrived();
            let now = self.atps();
            let rose = |at: &(String, String)| now[at] > before.get(at).copied().unwrap_or(0);
            let skus: Vec<&String> = now.keys().filter(|at| rose(at)).map(|(_, sku)| sku).collect();
            if skus.is_empty() {
                self.forget_empty();
                self.resting.clear();
                return;
            }
            for id in self.placed.clone() {
                let order = &self.orders[&id];
                let open = self.open(&id);
                let waits = (0..open.len()).any(|l| open[l] > 0 && skus.contains(&&order.lines[l].sku));
                if waits && (order.queue.is_some() || order.given_back) && !self.resting.contains(&id) {
                    self.route(&id);
                }
            }
            before = now;
        }
        panic!("the state does not settle");
    }

    /// The youngest orders lose what a cell has promised and does not have.
    fn relieve(&mut self) {
        for (node, sku) in self.cells.keys().cloned().collect::<Vec<_>>() {
            if self.oversold_by(&node, &sku) == 0 {
                continue;
            }
            for id in self.placed.clone().into_iter().rev() {
                let mut lost = false;
                for line in (0..self.orders[&id].lines.len()).rev() {
                    let over = self.oversold_by(&node, &sku);
                    let limit = match self.cells[&(node.clone(), sku.clone())].backorder {
                        Backorder::None => 0,
                        Backorder::Unlimited => super::NO_LIMIT,
                        Backorder::Limit(Amount(limit)) => limit,
                    };
                    let left = (limit - self.promised(&node, &sku).1).max(0);
                    let order = self.orders.get_mut(&id).unwrap();
                    if order.lines[line].sku != sku {
                        continue;
                    }
                    let Some(part) = order.parts.iter_mut().find(|p| p.node == node && p.line == line) else {
                        continue;
                    };
                    let taken = over.min(part.on_hand);
                    part.on_hand -= taken;
                    part.backorder += taken.min(left);
                    lost |= taken > 0;
                }
                if lost && self.is_open(&id) {
                    self.route(&id);
                }
            }
        }
    }

    fn turn_arrived(&mut self) {
        for (node, sku) in self.cells.keys().cloned().collect::<Vec<_>>() {
            let mut left = self.arrived(&node, &sku);
            if left == 0 {
                continue;
            }
            for id in self.placed.clone() {
                let mut bound = self.arrived_for(&id, &sku);
                let order = self.orders.get_mut(&id).unwrap();
                let lines = order.lines.clone();
                let here = |p: &&mut Part| p.node == node && lines[p.line].sku == sku;
                for part in order.parts.iter_mut().filter(here) {
                    let turned = left.min(part.backorder).min(bound);
                    bound -= turned;
                    part.backorder -= turned;
                    part.on_hand += turned;
                    left -= turned;
                }
            }
        }
    }

    fn forget_empty(&mut self) {
        for order in self.orders.values_mut() {
            order.parts.retain(|p| p.on_hand + p.backorder + p.shipped > 0);
        }
    }

    /// Time passes; what is due lapses in its order.
    pub(super) fn advance(&mut self, seconds: u64) {
        let until = self.now + seconds;
        loop {
            let holds =
                self.holds.iter().filter_map(|(k, h)| Some((h.expires?, h.made, Due::Hold(k.clone()))));
            let offers = self.offers.iter().enumerate().filter(|(_, o)| o.open);
            let offers = offers.filter_map(|(n, o)| Some((o.expires?, o.made, Due::Offer(n))));
            let due =
                holds.chain(offers).filter(|(at, ..)| *at <= until).min_by_key(|(at, made, _)| (*at, *made));
            let Some((at, _, due)) = due else { break };
            self.now = at;
            let before = self.atps();
            match due {
                Due::Hold(key) => {
                    let hold = self.holds.remove(&key).unwrap();
                    *self.released.entry(hold.sku).or_default() += hold.qty;
                    debug_assert!(matches!(hold.place, Place::Node(_) | Place::Channel(_)));
                }
                Due::Offer(offer) => self.lapse(offer),
            }
            self.settle(before);
        }
        self.now = until;
    }
}
