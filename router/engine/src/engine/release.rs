//! Giving back on request: what is held and allocated for an order. The order stays open and rests until a later
//! command lets it be routed.

use router_schemas::{
    command::{hold::Release, order::LineQty},
    event::{Exception, HoldCause, Outcome, Queue, Unit},
    id::OrderId,
    limits::QTY_MAX,
    quantity::Qty,
    refusal::Refusal,
    reply::Answer,
    row::HoldState,
};

use super::{Engine, Verdict, effects::Effects, order::Order, refuse};

impl Engine {
    /// Gives back holds and allocations that nobody picked.
    pub(super) fn release(&mut self, asked: Release, effects: &mut Effects<'_>) -> Verdict {
        let Some(id) = asked.to.as_ref().map(|to| to.order) else {
            return refuse(Refusal::WrongZone, "the request did not come through intake");
        };
        if let Some(verdict) = self.said_before(id, &asked.key) {
            return verdict;
        }
        let known = self.with_order(id, |engine, order| engine.release_order(order, &asked.lines, effects));
        let verdict = match known {
            Some(verdict) => verdict,
            None => self
                .release_held(id, &asked.lines, effects)
                .unwrap_or_else(|| refuse(Refusal::UnknownOrder, &asked.identity.to_string())),
        };
        self.note_said(id, asked.key, &verdict);
        verdict
    }

    /// Takes lines from a hold of an order that is not placed; no lines: all of it. `None`: there is no such hold.
    pub(super) fn release_held(
        &mut self,
        id: OrderId,
        lines: &[LineQty],
        effects: &mut Effects<'_>,
    ) -> Option<Verdict> {
        if self.state.orders.contains_key(&id) || !self.state.holds.contains_key(&id) {
            return None;
        }
        let wanted: Vec<(&str, Qty)> =
            lines.iter().map(|l| (l.line.as_str(), l.qty.unwrap_or(QTY_MAX))).collect();
        Some(match self.give_back_hold(id, &wanted, effects) {
            true => (Outcome::Applied, Answer::Done),
            false => refuse(Refusal::NoHold, ""),
        })
    }

    fn release_order(&mut self, order: &mut Order, lines: &[LineQty], effects: &mut Effects<'_>) -> Verdict {
        let wanted = match order.wanted(lines) {
            Ok(wanted) => wanted,
            Err((refusal, line)) => return refuse(refusal, &line),
        };
        let before = order.work();
        let mut taken = Qty::ZERO;
        for (place, qty) in wanted {
            let name = order.lines[place].name.clone();
            let held = self.held_of(order.id, &name).min(qty);
            if held.is_positive() {
                self.give_back_hold(order.id, &[(&name, held)], effects);
            }
            taken += held + self.take_work_back(order, place, qty - held, Unit::Open, effects);
        }
        if !taken.is_positive() {
            return refuse(Refusal::NoHold, "");
        }
        if order.lines.iter().any(|l| l.open.is_positive()) {
            order.queue.get_or_insert(Queue::Released);
            // It would have its own units back in no time.
            self.state.resting.insert(order.id);
        }
        effects.tell_nodes(&self.state, order, &before, false);
        self.settle(order, effects);
        (Outcome::Applied, effects.answer(&self.state, order))
    }

    fn held_of(&self, id: OrderId, line: &str) -> Qty {
        let Some(hold) = self.state.holds.get(&id) else { return Qty::ZERO };
        let far = hold.far().filter(|l| l.line == line).map(|l| l.qty);
        hold.lines.iter().filter(|l| l.line == line).map(|l| l.qty).chain(far).sum()
    }

    /// Money came for an order whose hold had lapsed before: what of it could not be promised any more is short. Where
    /// it was captured, these units are cancelled, and the money for them is due back.
    pub(super) fn settle_late_payment(&mut self, order: &mut Order, effects: &mut Effects<'_>) {
        let lapsed = self.state.holds.get(&order.id).is_some_and(|hold| hold.state == HoldState::Lapsed);
        if !lapsed || self.is_put_off(order) {
            return;
        }
        if let Some(hold) = self.state.holds.get_mut(&order.id) {
            // Asked once.
            hold.state = HoldState::Converted;
            effects.touch_hold(order.id);
            effects.hold_changed(order.id, HoldCause::Converted);
        }
        let short = order.open();
        if !short.is_positive() {
            return;
        }
        effects.exception(Exception::Shortfall(short));
        if order.paid > 0 {
            self.cancel_open(order, effects);
        }
    }
}
