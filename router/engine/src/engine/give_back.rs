//! A node gives work back that it has: the units are open again, the reason says what that does to the node and to its
//! stock, and the node is not asked for this order again.

use router_schemas::{
    command::{
        offer::Decline,
        order::{LineQty, PinKind},
    },
    event::{Change, Exception, Outcome, StockCause, Unit},
    limits::DECLINES,
    quantity::Qty,
    refusal::Refusal,
    reply::Answer,
    rules::{Reason, StockEffect},
};
use smallvec::SmallVec;

use super::{Engine, Verdict, effects::Effects, order::Order, refuse};

/// Reasons of a rule set that names none: name, effect on stock, cool-down in ms, pause.
const REASONS: [(&str, StockEffect, Option<i64>, bool); 5] = [
    ("out_of_stock", StockEffect::Subtract, None, false),
    ("damaged", StockEffect::SubtractAtp, None, false),
    ("busy", StockEffect::None, Some(15 * 60_000), false),
    ("closed", StockEffect::None, None, true),
    ("other", StockEffect::None, None, false),
];

impl Engine {
    /// Request: the node gives back work that it has and has not shipped.
    pub(super) fn decline_work(&mut self, decline: Decline, effects: &mut Effects<'_>) -> Verdict {
        let Some(node) = self.index.nodes.get(&decline.node).copied() else {
            return refuse(Refusal::UnknownNode, &decline.node);
        };
        let verdict = self.with_order(decline.order, |engine, order| {
            let Some(reason) = engine.reason(order, &decline.reason) else {
                return refuse(Refusal::UnknownReason, &decline.reason);
            };
            let lines = match engine.lines_there(order, node, &decline.lines) {
                Ok(lines) => lines,
                Err(line) => return refuse(Refusal::UnknownLine, &line),
            };
            if lines.is_empty() {
                return refuse(Refusal::NotOffered, &decline.node);
            }
            let (before, waited) = (order.work(), order.waiting_lines());
            let cancelled = |order: &Order| -> Qty { order.lines.iter().map(|l| l.cancelled).sum() };
            let were_cancelled = cancelled(order);
            effects.touch_order(order.id);
            engine.give_back(order, node, &lines, &reason, effects);
            engine.route(order, effects);
            engine.settle(order, effects);
            effects.tell_nodes(&engine.state, order, &before, false);
            effects.tell_delay(&engine.state, order, &waited);
            if cancelled(order) > were_cancelled {
                effects.tell_answer(&engine.state, order, true);
            }
            (Outcome::Applied, Answer::Outcome(Effects::outcome(&engine.state, order)))
        });
        verdict.unwrap_or_else(|| refuse(Refusal::UnknownOrder, &decline.order.to_string()))
    }

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
        let mut stock: SmallVec<[(u32, Qty); 8]> = SmallVec::new();
        let mut pinned = false;
        for (line, qty) in lines.iter().copied() {
            let back = self.open_again(order, node, line, qty, effects);
            if !back.is_positive() {
                continue;
            }
            given.push((line as u16, back));
            pinned |= is_pinned_to(order, line, &name);
            let sku = order.lines[line].sku;
            match stock.iter_mut().find(|(known, _)| *known == sku) {
                Some((_, qty)) => *qty += back,
                None => stock.push((sku, back)),
            }
        }
        if given.is_empty() {
            return given;
        }
        effects.touch_order(order.id);
        effects.change(Change::GivenBack(name.clone(), reason.id.clone(), given.to_vec()));
        if pinned {
            effects.exception(Exception::Rejected(name));
        }
        for (sku, qty) in stock {
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
    pub(super) fn reason(&self, _order: &Order, name: &str) -> Option<Reason> {
        let found = REASONS.iter().find(|(id, ..)| *id == name)?;
        let (id, effect, cool_down, pause) = *found;
        Some(Reason { id: id.into(), effect, cool_down, pause })
    }

    /// Whether the line must come from this node and may not be routed elsewhere.
    pub(super) fn is_bound_to(&self, order: &Order, line: usize, node: u32) -> bool {
        is_pinned_to(order, line, self.state.node_name(node)) && !self.may_leave_pin(order)
    }

    /// Whether lines go elsewhere where the node that they are pinned to will not send them.
    pub(super) fn may_leave_pin(&self, order: &Order) -> bool {
        self.state.channels.get(&order.identity.channel).is_some_and(|c| c.reroute_pinned)
    }

    /// Named lines as far as the node has units of them that did not leave; none named: all. `Err`: no such line.
    fn lines_there(
        &self,
        order: &Order,
        node: u32,
        named: &[LineQty],
    ) -> Result<SmallVec<[(usize, Qty); 8]>, String> {
        let there = |line: usize| -> Qty {
            order.at_nodes(line).filter(|f| f.node == node).map(|f| f.promised()).sum()
        };
        let mut found: SmallVec<[(usize, Qty); 8]> = SmallVec::new();
        if named.is_empty() {
            let all = (0..order.lines.len()).map(|line| (line, there(line)));
            found.extend(all.filter(|(_, qty)| qty.is_positive()));
            return Ok(found);
        }
        for LineQty { line: name, qty } in named {
            // An amend may have left units of an older line of that name at the node.
            let mut lines: SmallVec<[usize; 2]> =
                (0..order.lines.len()).filter(|i| order.lines[*i].name == *name).collect();
            if lines.is_empty() {
                return Err(name.clone());
            }
            lines.sort_by_key(|i| order.lines[*i].listed);
            let mut left = qty.map(Qty::floor_zero);
            for line in lines {
                let part = left.map_or(there(line), |left| left.min(there(line)));
                left = left.map(|left| left - part);
                if part.is_positive() {
                    found.push((line, part));
                }
            }
        }
        Ok(found)
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
    let pin = order.lines[line].pin.as_ref().or(order.pin.as_ref());
    pin.is_some_and(|(name, kind)| *kind != PinKind::Prefer && name == node)
}

/// The order does not go to this node again. One that too many declined has to be looked at.
pub fn remember_decline(order: &mut Order, node: u32) {
    if order.declined.contains(&node) {
        return;
    }
    order.declined.push(node);
    order.review |= order.declined.len() >= DECLINES;
}
