//! A node gives work back that it has: the units are open again, the reason says what that does to the node and to its
//! stock, and the node is not asked for this order again.

use router_schemas::{
    command::order::PinKind,
    event::{Change, Exception, StockCause, Unit},
    limits::{DECLINES, NAME_BYTES},
    quantity::Qty,
    rules::{Reason, StockEffect},
};
use smallvec::SmallVec;

use super::{Engine, effects::Effects, order::Order};

/// Reasons of a rule set that names none: name, effect on stock, cool-down in ms, pause.
const REASONS: [(&str, StockEffect, Option<i64>, bool); 5] = [
    ("out_of_stock", StockEffect::Subtract, None, false),
    ("damaged", StockEffect::SubtractAtp, None, false),
    ("busy", StockEffect::None, Some(15 * 60_000), false),
    ("closed", StockEffect::None, None, true),
    ("other", StockEffect::None, None, false),
];

impl Engine {
    /// Gives units back that the node has and has not shipped: line and quantity, as much as is there; those that wait
    /// to be picked first. They are open again, but those cancelled that the node was asked for. Then what the reason
    /// says: to its stock of what it gave back, its cool-down, its pause. The order does not go there again. Who calls
    /// it routes the order, settles it and tells the nodes. Returns line and quantity of what was given back.
    pub(super) fn give_back(
        &mut self,
        order: &mut Order,
        node: u32,
        lines: &[(usize, Qty)],
        reason: &Reason,
        effects: &mut Effects<'_>,
    ) -> SmallVec<[(u16, Qty); 8]> {
        let name = self.state.node_name(node).to_owned();
        let mut given: SmallVec<[(u16, Qty); 8]> = SmallVec::new();
        let mut pinned = false;
        for (line, qty) in lines.iter().copied() {
            let back = self.open_again(order, node, line, qty, effects);
            if !back.is_positive() {
                continue;
            }
            given.push((line as u16, back));
            pinned |= is_pinned_to(order, line, &name);
        }
        if given.is_empty() {
            return given;
        }
        effects.touch_order(order.id);
        effects.change(Change::GivenBack(name.clone(), reason.id.clone(), given.to_vec()));
        if pinned {
            effects.exception(Exception::Rejected(name));
        }
        for (sku, qty) in order.needs(&given) {
            self.affect_stock(node, sku, qty, reason.effect, effects);
        }
        self.stand_back(node, reason, effects);
        remember_decline(order, node);
        given
    }

    /// What a decline does to the node's stock of a SKU, its own allocation given back.
    pub(super) fn affect_stock(
        &mut self,
        node: u32,
        sku: u32,
        declined: Qty,
        effect: StockEffect,
        effects: &mut Effects<'_>,
    ) {
        let held = &self.state.skus[sku as usize];
        let Some(there) = held.cell(node).map(|c| c.on_hand).filter(|_| !held.untracked()) else { return };
        let (on_hand, blocked) = match effect {
            StockEffect::None => return,
            StockEffect::Subtract => (-declined.min(there), Qty::ZERO),
            StockEffect::SubtractAtp => (Qty::ZERO, declined),
            StockEffect::Zero => (-there, Qty::ZERO),
        };
        if !on_hand.is_zero() || !blocked.is_zero() {
            let cause = StockCause::Adjustment;
            self.apply_stock(sku, node, cause, on_hand, blocked, Some(-declined), effects);
        }
    }

    /// The reason of that name that holds for the order; `None`: there is none.
    pub(super) fn decline_reason(&self, order: &Order, name: &str) -> Option<Reason> {
        let set = &self.index.rules.of_zone(&order.zone).set;
        if !set.reasons.is_empty() {
            return self.reason(&order.zone, name).cloned();
        }
        let built_in = REASONS.iter().find(|(id, ..)| *id == name);
        match built_in {
            Some((id, effect, cool_down, pause)) => {
                Some(Reason { id: (*id).into(), effect: *effect, cool_down: *cool_down, pause: *pause })
            }
            // Whoever has no list takes any word, and nothing follows from it.
            None => (name.len() <= NAME_BYTES).then(|| Reason { id: name.to_owned(), ..Reason::default() }),
        }
    }

    /// Whether the line must come from this node and may not be routed elsewhere.
    pub(super) fn is_bound_to(&self, order: &Order, line: usize, node: u32) -> bool {
        is_pinned_to(order, line, self.state.node_name(node)) && !self.may_leave_pin(order)
    }

    /// Whether lines go elsewhere where the node that they are pinned to will not send them.
    pub(super) fn may_leave_pin(&self, order: &Order) -> bool {
        self.state.channels.get(&order.identity.channel).is_some_and(|c| c.reroute_pinned)
    }

    /// Opens units of a line at the node, but cancels those that it was asked for. Returns how many there were.
    fn open_again(
        &mut self,
        order: &mut Order,
        node: u32,
        line: usize,
        qty: Qty,
        effects: &mut Effects<'_>,
    ) -> Qty {
        let mut left = qty.floor_zero();
        let number = line as u16;
        for unit in [Unit::Allocated, Unit::Backordered, Unit::Picked, Unit::Ready] {
            let there = order.at_node(line, node).and_then(|f| f.units(unit).copied()).unwrap_or_default();
            let part = there.min(left);
            let asked = match unit {
                Unit::Picked | Unit::Ready => self.answer_part(order, node, number, part),
                _ => Qty::ZERO,
            };
            effects.shift(&mut self.state, order, number, Some(node), (unit, Unit::Cancelled), asked);
            effects.shift(&mut self.state, order, number, Some(node), (unit, Unit::Open), part - asked);
            left -= part;
        }
        if let Some(f) = order.at_node(line, node).filter(|f| f.promised().is_zero()) {
            f.accepted = false;
        }
        qty.floor_zero() - left
    }
}

/// Whether the line must come from this node.
fn is_pinned_to(order: &Order, line: usize, node: &str) -> bool {
    order.pin_of(line).is_some_and(|(name, kind)| *kind != PinKind::Prefer && name == node)
}

/// The order does not go to this node again. One that too many declined has to be looked at.
pub fn remember_decline(order: &mut Order, node: u32) {
    order.note_part(node);
    if order.declined.contains(&node) || fault!(DeclineForgotten) {
        return;
    }
    order.declined.push(node);
    order.review |= order.declined.len() >= DECLINES;
}
