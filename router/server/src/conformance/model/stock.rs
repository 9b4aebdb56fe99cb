//! What is there: ATP, ATS, what may be backordered.

use std::collections::BTreeSet;

use super::{Cell, Model, NO_LIMIT, Place};
use crate::conformance::format::{Amount, Backorder, Quantity};

impl Model {
    pub(super) fn is_tracked(&self, sku: &str) -> bool {
        !self.untracked.contains(sku)
    }

    pub(super) fn cell(&self, node: &str, sku: &str) -> Option<&Cell> {
        self.cells.get(&(node.to_owned(), sku.to_owned()))
    }

    pub(super) fn is_enabled(&self, node: &str) -> bool {
        self.nodes.get(node).is_some_and(|n| n.enabled)
    }

    /// Units of the scenario's orders there: on hand, backordered.
    pub(super) fn promised(&self, node: &str, sku: &str) -> (i64, i64) {
        let mut sums = (0, 0);
        for order in self.orders.values() {
            for part in order.parts.iter().filter(|p| p.node == node && order.lines[p.line].sku == sku) {
                sums.0 += part.on_hand;
                sums.1 += part.backorder;
            }
        }
        sums
    }

    fn pinned(&self, node: &str, sku: &str) -> i64 {
        let here = |place: &Place| matches!(place, Place::Node(at) if at == node);
        self.holds.values().filter(|h| h.sku == sku && here(&h.place)).map(|h| h.qty).sum()
    }

    /// On hand that nobody has, before safety stock is kept back from anyone; may be negative.
    fn free(&self, node: &str, sku: &str, cell: &Cell, allocated: i64) -> i64 {
        cell.on_hand - cell.others - allocated - self.pinned(node, sku) - cell.blocked - cell.safety
    }

    pub(super) fn atp(&self, node: &str, sku: &str) -> i64 {
        if !self.is_enabled(node) {
            return 0;
        }
        if !self.is_tracked(sku) {
            return NO_LIMIT;
        }
        self.atp_by_cell(node, sku)
    }

    /// What the numbers of the cell say, whether stock is kept of it or not.
    pub(super) fn atp_by_cell(&self, node: &str, sku: &str) -> i64 {
        match self.cell(node, sku) {
            Some(cell) if !cell.out_of_stock => {
                let (on_hand, backorder) = self.promised(node, sku);
                self.free(node, sku, cell, on_hand + backorder).max(0)
            }
            _ => 0,
        }
    }

    /// Units promised from on hand that are not there.
    pub(super) fn oversold_by(&self, node: &str, sku: &str) -> i64 {
        match self.cell(node, sku) {
            Some(cell) if self.is_tracked(sku) => {
                (cell.others + self.promised(node, sku).0 - cell.on_hand).max(0)
            }
            _ => 0,
        }
    }

    /// What may still be backordered there.
    pub(super) fn backorder_left(&self, node: &str, sku: &str) -> i64 {
        let Some(cell) = self.cell(node, sku).filter(|c| !c.out_of_stock) else { return 0 };
        let limit = match cell.backorder {
            Backorder::None => 0,
            Backorder::Unlimited => NO_LIMIT,
            Backorder::Limit(Amount(limit)) => limit,
        };
        (limit - self.promised(node, sku).1 - self.oversold_by(node, sku)).max(0)
    }

    /// Backordered units for which stock is there now.
    pub(super) fn arrived(&self, node: &str, sku: &str) -> i64 {
        let Some(cell) = self.cell(node, sku).filter(|c| !c.out_of_stock) else { return 0 };
        let (on_hand, backorder) = self.promised(node, sku);
        self.free(node, sku, cell, on_hand).max(0).min(backorder)
    }

    /// Most units that may turn on hand for the order: others have some of what is there held without a node.
    pub(super) fn arrived_for(&self, order: &str, sku: &str) -> i64 {
        let channel = &self.orders[order].channel;
        let others = self.unpinned(channel, sku, Some(order));
        if others == 0 {
            return NO_LIMIT;
        }
        let there = |node: &String| {
            let cell = self.cell(node, sku).filter(|c| !c.out_of_stock && self.is_enabled(node));
            cell.map_or(0, |cell| self.free(node, sku, cell, self.promised(node, sku).0).max(0))
        };
        (self.nodes_of(channel).iter().map(there).sum::<i64>() - others).max(0)
    }

    fn share_a_node(&self, one: &str, other: &str) -> bool {
        let nodes = |id: &str| self.channels.get(id).map(|c| c.nodes.clone()).unwrap_or_default();
        one == other || nodes(one).intersection(&nodes(other)).next().is_some()
    }

    /// Unpinned holds and open offers that count against a channel, but those of `order`.
    pub(super) fn unpinned(&self, channel: &str, sku: &str, but: Option<&str>) -> i64 {
        let mut sum = 0;
        for ((order, _), hold) in &self.holds {
            if let Place::Channel(of) = &hold.place
                && hold.sku == sku
                && Some(order.as_str()) != but
                && self.share_a_node(channel, of)
            {
                sum += hold.qty;
            }
        }
        for offer in self.offers.iter().filter(|o| o.open && Some(o.order.as_str()) != but) {
            let order = &self.orders[&offer.order];
            if self.share_a_node(channel, &order.channel) {
                sum += offer
                    .lines
                    .iter()
                    .filter(|(l, _)| order.lines[*l].sku == sku)
                    .map(|(_, q)| q)
                    .sum::<i64>();
            }
        }
        sum
    }

    pub(super) fn nodes_of(&self, channel: &str) -> BTreeSet<String> {
        self.channels.get(channel).map(|c| c.nodes.clone()).unwrap_or_default()
    }

    fn atp_of(&self, channel: &str, sku: &str) -> i64 {
        self.nodes_of(channel).iter().map(|n| self.atp(n, sku)).sum()
    }

    /// Most that the order may be promised of the SKU.
    pub(super) fn bound(&self, order: &str, sku: &str) -> i64 {
        if !self.is_tracked(sku) {
            return NO_LIMIT;
        }
        let channel = &self.orders[order].channel;
        (self.atp_of(channel, sku) - self.unpinned(channel, sku, Some(order))).max(0)
    }

    pub(super) fn ats(&self, channel: &str, sku: &str) -> Quantity {
        let policy = self.policy(channel, sku);
        let without_limit = |node: &String| {
            let cell = self.cell(node, sku).filter(|c| !c.out_of_stock);
            self.is_enabled(node) && cell.is_some_and(|c| c.backorder == Backorder::Unlimited)
        };
        let limit = match policy.backorder {
            Backorder::Unlimited => return Quantity::Unlimited,
            Backorder::None => 0,
            Backorder::Limit(Amount(limit)) => limit,
        };
        let nodes = self.nodes_of(channel);
        if nodes.iter().any(without_limit)
            || (!self.is_tracked(sku) && nodes.iter().any(|n| self.is_enabled(n)))
        {
            return Quantity::Unlimited;
        }
        let above = (self.atp_of(channel, sku) - policy.threshold.0).max(0);
        let held = self.unpinned(channel, sku, None);
        let beyond = (held - above).max(0);
        Quantity::Limited(Amount((above - held).max(0) + (limit - beyond).max(0)))
    }

    /// Gives back the holds of an order, as far as `lines` (name, quantity) say; absent: all.
    pub(super) fn drop_holds(&mut self, order: &str, lines: Option<&str>, most: i64) -> i64 {
        let mut left = most;
        let keys: Vec<_> =
            self.holds.keys().filter(|(o, l)| o == order && lines.is_none_or(|x| x == l)).cloned().collect();
        for key in keys {
            let hold = self.holds.get_mut(&key).unwrap();
            let part = hold.qty.min(left);
            hold.qty -= part;
            left -= part;
            *self.released.entry(hold.sku.clone()).or_default() += part;
            if hold.qty == 0 {
                self.holds.remove(&key);
            }
        }
        most - left
    }
}
