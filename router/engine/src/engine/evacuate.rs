//! Evacuating a node: all its work that is not picked goes elsewhere, order by order in bounded steps. Until the last
//! one has gone it gets nothing new.

use std::ops::Bound::{Excluded, Unbounded};

use router_schemas::{event::NodeChange, rules::Reason};

use super::{
    Engine,
    effects::Effects,
    order::{LossKey, Order},
};

/// The reason of work that was taken back because its node was evacuated.
pub const EVACUATED: &str = "evacuated";

impl Engine {
    /// Has the node's orders gone through, who keeps what longest first.
    pub(super) fn evacuate(&mut self, node: u32, effects: &mut Effects<'_>) {
        self.state.nodes[node as usize].evacuates = true;
        self.state.evacuations.insert(node, None);
        self.stands(node, NodeChange::Evacuating, effects);
    }

    /// Takes some orders from the first node that is evacuated, as far as the budget goes.
    pub(super) fn evacuate_some(&mut self, budget: &mut usize, effects: &mut Effects<'_>) {
        let Some((node, mut after)) = self.state.evacuations.pop_first() else { return };
        let from = after.map_or(Unbounded, Excluded);
        let orders = self.state.nodes[node as usize].orders.range::<LossKey, _>((from, Unbounded));
        let next: Vec<LossKey> = orders.take(*budget).map(|(key, _)| *key).collect();
        let all = next.len() < *budget;
        for key in next {
            if effects.is_full() {
                self.state.evacuations.insert(node, after);
                return;
            }
            *budget -= 1;
            after = Some(key);
            effects.begin_item();
            self.with_order(key.2, |engine, order| engine.vacate(order, node, effects));
            effects.end_item(&self.state);
        }
        if !all {
            self.state.evacuations.insert(node, after);
            return;
        }
        effects.begin_item();
        self.state.nodes[node as usize].evacuates = false;
        if self.state.nodes[node as usize].takes_part() {
            self.stands(node, NodeChange::Resumed, effects);
        }
        effects.end_item(&self.state);
        *budget = budget.saturating_sub(1);
    }

    /// The order's work at the node that is not picked goes elsewhere.
    fn vacate(&mut self, order: &mut Order, node: u32, effects: &mut Effects<'_>) {
        let lines = self.unpicked(order, node);
        if lines.is_empty() {
            return;
        }
        let (before, waited) = (order.work(), order.waiting_lines());
        effects.touch_order(order.id);
        let reason = Reason { id: EVACUATED.into(), ..Reason::default() };
        let given = self.give_back(order, node, &lines, &reason, effects);
        if self.offer_again(order, node, &given, effects) {
            self.route(order, effects);
        }
        self.settle(order, effects);
        effects.tell_nodes(&self.state, order, &before, false);
        effects.tell_delay(&self.state, order, &waited);
    }
}
