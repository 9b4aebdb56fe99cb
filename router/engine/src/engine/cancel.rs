//! Cancelling an order or some of it: by request, or because it waited too long. Nodes that have picked units are asked
//! for them where the request says so (`cancel_request.rs`).

use router_schemas::{
    command::order::Cancel,
    event::{OrderState, Outcome, Unit},
    id::OrderId,
    limits::{QTY_MAX, TTL_MS},
    quantity::Qty,
    refusal::Refusal,
};
use smallvec::SmallVec;

use super::{Engine, Verdict, effects::Effects, lapse::Lapse, order::Order, refuse};

impl Engine {
    pub(super) fn cancel(&mut self, cancel: Cancel, effects: &mut Effects<'_>) -> Verdict {
        let held = cancel.to.as_ref().map(|to| to.order);
        if let Some(verdict) = held.and_then(|id| self.release_held(id, &cancel.lines, effects)) {
            return verdict;
        }
        self.on_order(&cancel.to, &cancel.identity, |engine, order| {
            let wanted = match order.wanted(&cancel.lines) {
                Ok(wanted) => wanted,
                Err((refusal, line)) => return refuse(refusal, &line),
            };
            let before = order.work();
            let known = order.cancelled();
            let (mut taken, mut asked) = (Qty::ZERO, false);
            if let Some(abroad) = &mut order.abroad {
                abroad.ask = cancel.ask;
            }
            let mut nodes: SmallVec<[u32; 4]> = SmallVec::new();
            for (line, qty) in &wanted {
                let part = engine.take_back(order, *line, *qty, Unit::Cancelled, effects);
                taken += part;
                // A further cancel of what nodes are asked for asks them as well.
                let being_asked = order.asks.iter().any(|a| usize::from(a.line) == *line);
                if cancel.ask || being_asked {
                    let more = engine.ask_back(order, *line, *qty - part, &mut nodes);
                    asked |= more.is_positive() || being_asked && *qty == QTY_MAX;
                }
            }
            if !taken.is_positive() && !asked {
                order.abroad.iter_mut().for_each(|abroad| abroad.ask = false);
                let picked = |f: &super::order::Fulfilment| {
                    (f.picked + f.ready).is_positive() && wanted.iter().any(|w| w.0 == usize::from(f.line))
                };
                return match order.fulfilments.iter().any(picked) {
                    true => refuse(Refusal::Picked, ""),
                    false => refuse(Refusal::Closed, &order.state.text()),
                };
            }
            effects.touch_order(order.id);
            engine.settle_asked(order, before, &nodes, effects);
            // What other zones are asked for is cancelled when they say so.
            if order.cancelled() > known {
                effects.tell_cancelled(&engine.state, order);
            }
            (Outcome::Applied, effects.answer(&engine.state, order))
        })
    }

    /// A rule cancels what is open after so much service time, ms. Routing it again does not begin the time anew.
    pub(super) fn auto_cancel(&mut self, order: &mut Order, after: i64) {
        if order.wait.is_none() {
            let at = self.state.clock.service() + after.clamp(0, TTL_MS);
            order.wait = Some(at);
            self.state.deadlines.insert((at, Lapse::Wait(order.id)));
        }
    }

    /// Part of settling an order: one that does not wait any more is not cancelled for it. What was still offered when
    /// its time was over is cancelled as soon as it is open again.
    pub(super) fn keep_wait(&mut self, order: &mut Order) {
        let Some(at) = order.wait else { return };
        if order.lines.iter().all(|l| (l.open + l.held).is_zero()) {
            self.state.deadlines.remove(&(at, Lapse::Wait(order.id)));
            order.wait = None;
        } else if order.lines.iter().any(|l| l.open.is_positive()) {
            self.state.deadlines.insert((at, Lapse::Wait(order.id)));
        }
    }

    /// The order waited too long: what is open of it is cancelled. What is offered may still be taken.
    pub(super) fn lapse_wait(&mut self, id: OrderId, effects: &mut Effects<'_>) {
        self.with_order(id, |engine, order| {
            order.wait = order.wait.filter(|_| order.has_open_offers());
            let before = order.work();
            engine.cancel_open(order, effects);
            if effects.is_quiet() {
                return;
            }
            engine.settle(order, effects);
            effects.tell_nodes(&engine.state, order, &before, false);
            effects.tell_cancelled(&engine.state, order);
        });
    }

    /// Cancels what is open of the order.
    pub(super) fn cancel_open(&mut self, order: &mut Order, effects: &mut Effects<'_>) {
        for line in 0..order.lines.len() {
            let open = order.lines[line].open;
            effects.shift(&mut self.state, order, line as u16, None, (Unit::Open, Unit::Cancelled), open);
        }
    }

    /// As [`Engine::take_back_here`]; the rest is asked for in other zones, and moves when they answer. Returns how many
    /// there were, those asked for included.
    pub(super) fn take_back(
        &mut self,
        order: &mut Order,
        line: usize,
        qty: Qty,
        to: Unit,
        effects: &mut Effects<'_>,
    ) -> Qty {
        let here = self.take_back_here(order, line, qty, to, effects);
        here + order.recall(line, qty.floor_zero() - here, to)
    }

    /// Takes up to `qty` units of a line that nobody picked out of work, and moves them `to`: open units first,
    /// then backordered, then allocated ones in reverse plan order. Returns how many there were.
    pub(super) fn take_back_here(
        &mut self,
        order: &mut Order,
        line: usize,
        qty: Qty,
        to: Unit,
        effects: &mut Effects<'_>,
    ) -> Qty {
        let mut left = qty.floor_zero();
        let open = Qty(left.0.min(order.lines[line].open.0));
        effects.shift(&mut self.state, order, line as u16, None, (Unit::Open, to), open);
        left -= open;
        left -= self.take_units(order, line, (Unit::Backordered, to), left, effects);
        if left.is_positive() && order.lines[line].held.is_positive() {
            self.withdraw_line(order, line, left, effects);
            let part = order.lines[line].open.min(left);
            effects.shift(&mut self.state, order, line as u16, None, (Unit::Open, to), part);
            left -= part;
        }
        left -= self.take_units(order, line, (Unit::Allocated, to), left, effects);
        qty.floor_zero() - left
    }

    /// As [`Engine::take_back`], of units at nodes only.
    pub(super) fn take_work_back(
        &mut self,
        order: &mut Order,
        line: usize,
        qty: Qty,
        to: Unit,
        effects: &mut Effects<'_>,
    ) -> Qty {
        let later = self.take_units(order, line, (Unit::Backordered, to), qty.floor_zero(), effects);
        later + self.take_units(order, line, (Unit::Allocated, to), qty.floor_zero() - later, effects)
    }

    /// Takes units of a line in one state at nodes, the last of the plan first. Returns how many there were.
    fn take_units(
        &mut self,
        order: &mut Order,
        line: usize,
        (unit, to): (Unit, Unit),
        qty: Qty,
        effects: &mut Effects<'_>,
    ) -> Qty {
        let mut left = qty;
        for place in (0..order.fulfilments.len()).rev() {
            let fulfilment = &mut order.fulfilments[place];
            if usize::from(fulfilment.line) != line || !left.is_positive() {
                continue;
            }
            let node = fulfilment.node;
            let part = Qty(fulfilment.units(unit).map_or(0, |u| u.0.min(left.0)));
            effects.shift(&mut self.state, order, line as u16, Some(node), (unit, to), part);
            left -= part;
        }
        qty - left
    }
}

impl Effects<'_> {
    /// Tells the customer that all or some of the order was cancelled, and what is to be paid back.
    fn tell_cancelled(&mut self, state: &super::state::State, order: &mut Order) {
        let event = if order.state == OrderState::Cancelled { "cancelled" } else { "changed" };
        self.notify(state, order, event, None, None);
        self.refund_due(state, order);
    }
}
