//! Stand-in.

use router_schemas::{
    command::offer::NodeAct,
    event::{Change, NodeChange, StockCause, Unit},
    limits::DECLINES,
    quantity::Qty,
    rules::{Reason, StockEffect},
};
use smallvec::SmallVec;

use super::{Engine, Verdict, effects::Effects, order::Order, refuse};

impl Engine {
    pub(super) fn give_back(
        &mut self,
        order: &mut Order,
        node: u32,
        lines: &[(usize, Qty)],
        reason: &Reason,
        effects: &mut Effects<'_>,
    ) -> SmallVec<[(u16, Qty); 8]> {
        let mut given = SmallVec::new();
        for (line, qty) in lines.iter().copied() {
            let mut left = qty;
            for unit in [Unit::Allocated, Unit::Backordered, Unit::Picked, Unit::Ready] {
                let there =
                    order.at_node(line, node).and_then(|f| f.units(unit).copied()).unwrap_or_default();
                let part = there.min(left);
                effects.shift(&mut self.state, order, line as u16, Some(node), (unit, Unit::Open), part);
                left -= part;
            }
            if left < qty {
                given.push((line as u16, qty - left));
            }
        }
        if given.is_empty() {
            return given;
        }
        effects.touch_order(order.id);
        effects.change(Change::GivenBack(
            self.state.node_name(node).to_owned(),
            reason.id.clone(),
            given.to_vec(),
        ));
        for (sku, qty) in order.needs(&given) {
            self.affect_stock(node, sku, qty, reason.effect, effects);
        }
        self.stand_back(node, reason, effects);
        remember_decline(order, node);
        given
    }

    pub(super) fn affect_stock(
        &mut self,
        node: u32,
        sku: u32,
        declined: Qty,
        effect: StockEffect,
        effects: &mut Effects<'_>,
    ) {
        let held = &self.state.skus[sku as usize];
        let (untracked, cell) = (held.untracked(), held.cell(node));
        let there = cell.map_or(Qty::ZERO, |c| c.on_hand);
        let (on_hand, blocked) = match effect {
            StockEffect::None => return,
            StockEffect::Subtract => (-declined.min(there), Qty::ZERO),
            StockEffect::SubtractAtp => (Qty::ZERO, declined),
            StockEffect::Zero => (-there, -cell.map_or(Qty::ZERO, |c| c.blocked)),
        };
        if !untracked && !(on_hand.is_zero() && blocked.is_zero()) {
            let cause = StockCause::Adjustment;
            self.apply_stock(sku, node, cause, on_hand, blocked, Some(-declined), effects);
        }
    }

    pub(super) fn stand_back(&mut self, node: u32, reason: &Reason, effects: &mut Effects<'_>) {
        if let Some(within) = reason.cool_down {
            self.state.nodes[node as usize].cool_until = Some(self.state.clock.service() + within);
            self.index.roster.note_node(&self.state, node);
        }
        if reason.pause {
            self.pause_node(node, None, effects);
        }
    }

    pub(super) fn pause_node(&mut self, node: u32, until: Option<i64>, effects: &mut Effects<'_>) {
        let held = &mut self.state.nodes[node as usize];
        (held.paused, held.paused_until) = (true, until);
        effects.change(Change::Node(self.state.node_name(node).to_owned(), NodeChange::Paused(until)));
        effects.touch_node(node);
        self.index.roster.note_node(&self.state, node);
        self.state.offers.leaving.insert(node);
    }

    pub(super) fn node_request(
        &mut self,
        request: router_schemas::command::offer::NodeRequest,
        effects: &mut Effects<'_>,
    ) -> Verdict {
        let Some(node) = self.index.nodes.get(&request.node).copied() else {
            return refuse(router_schemas::refusal::Refusal::UnknownNode, &request.node);
        };
        match request.act {
            NodeAct::Pause(until) => self.pause_node(node, until, effects),
            _ => self.state.nodes[node as usize].paused = false,
        }
        (router_schemas::event::Outcome::Applied, router_schemas::reply::Answer::Done)
    }
}

pub fn remember_decline(order: &mut Order, node: u32) {
    if !order.declined.contains(&node) {
        order.declined.push(node);
        order.review |= order.declined.len() >= DECLINES;
    }
}
