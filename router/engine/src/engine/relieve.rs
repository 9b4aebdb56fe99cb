//! Orders that a fact left with a promise of units that are not there. Nobody picked them yet: they become
//! backordered where the cell allows it, else they are routed again. Who has the lowest priority loses first, of
//! those the youngest.

use router_schemas::{event::Unit, quantity::Qty};

use super::{Engine, effects::Effects, order::Order};

/// Looks at orders of the node that count as one item.
const LOOKS_AN_ITEM: usize = 4;

impl Engine {
    /// Relieves one cell, as far as the budget goes.
    pub(super) fn relieve(&mut self, budget: &mut usize, effects: &mut Effects<'_>) {
        let Some(((sku, node), after)) = self.state.oversold.pop_first() else { return };
        let orders = &self.state.nodes[node as usize].orders;
        let most = *budget * LOOKS_AN_ITEM + 1;
        let losers: Vec<_> = match after {
            Some(after) => orders.range(..after).rev().take(most).map(|(key, _)| *key).collect(),
            None => orders.keys().rev().take(most).copied().collect(),
        };
        let mut after = after;
        for (n, key) in losers.iter().enumerate() {
            if !self.state.skus[sku as usize].oversold_by(node).is_positive() {
                break;
            }
            if *budget == 0 || effects.is_full() {
                self.state.oversold.insert((sku, node), after);
                return;
            }
            after = Some(*key);
            *budget -= usize::from(n % LOOKS_AN_ITEM == 0);
            effects.begin_item();
            self.with_order(key.2, |engine, order| engine.lose(order, sku, node, effects));
            effects.end_item(&self.state);
        }
        // What is still too much was picked: the alert stays.
        self.state.oversold.remove(&(sku, node));
    }

    /// Takes from the order what the cell does not have, and routes it again.
    fn lose(&mut self, order: &mut Order, sku: u32, node: u32, effects: &mut Effects<'_>) {
        let before = order.work();
        let mut lost = false;
        for line in (0..order.lines.len()).rev().filter(|l| order.lines[*l].sku == sku).collect::<Vec<_>>() {
            let held = &self.state.skus[sku as usize];
            let allocated = order.at_node(line, node).map_or(Qty::ZERO, |f| f.allocated);
            let step = held.step();
            // Whole steps: half a piece cannot be promised.
            let over = Qty(held.oversold_by(node).0 + step.0 - 1).floor_to(step);
            let part = over.min(allocated);
            if !part.is_positive() {
                continue;
            }
            lost = true;
            let left =
                held.cell(node).map_or(Qty::ZERO, |c| (c.backorder_limit() - c.backordered).floor_zero());
            let later = left.min(part).floor_to(step);
            let number = line as u16;
            let (wait, go) = ((Unit::Allocated, Unit::Backordered), (Unit::Allocated, Unit::Open));
            effects.shift(&mut self.state, order, number, Some(node), wait, later);
            effects.shift(&mut self.state, order, number, Some(node), go, part - later);
        }
        if !lost {
            return;
        }
        self.route(order, effects);
        self.settle(order, effects);
        effects.tell_nodes(&self.state, order, &before, false);
        let waits = order.waiting_lines().contains(&true);
        let event = if waits { "delayed" } else { "changed" };
        effects.notify(&self.state, order, event, None, None);
    }
}
