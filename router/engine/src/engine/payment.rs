//! Payment, the second axis of an order, and delivery. Both are facts.

use router_schemas::{
    command::order::{Delivered, PaymentFact, PaymentState},
    event::{Change, Exception, Outcome, Unit},
    limits::MONEY_MAX,
    quantity::Qty,
};

use super::{Engine, Verdict, effects::Effects, order::Order};

impl Engine {
    pub(super) fn payment(&mut self, fact: PaymentFact, effects: &mut Effects<'_>) -> Verdict {
        self.on_fact(&fact.to, effects, |engine, order, effects| {
            let work = order.work();
            effects.touch_order(order.id);
            let waited = !engine.payment_ok(order);
            take_payment(order, fact.state, fact.amount, effects);
            engine.route(order, effects);
            if waited {
                engine.settle_late_payment(order, effects);
            }
            engine.settle(order, effects);
            effects.tell_nodes(&engine.state, order, &work, false);
            effects.refund_due(&engine.state, order);
            (Outcome::Applied, effects.answer(&engine.state, order))
        })
    }

    pub(super) fn delivered(&mut self, fact: Delivered, effects: &mut Effects<'_>) -> Verdict {
        self.on_fact(&fact.to, effects, |engine, order, effects| {
            let nothing_shipped = (0..order.lines.len()).all(|line| order.shipped(line).is_zero());
            for line in 0..order.lines.len() {
                let left = (order.shipped(line) - order.lines[line].delivered).floor_zero();
                let name = &order.lines[line].name;
                let named = fact.lines.iter().find(|l| l.line == *name);
                if named.is_none() && !fact.lines.is_empty() {
                    continue;
                }
                // The two roads keep no order: a delivery may be told before the shipment. Then it waits for it.
                let entry = &order.lines[line];
                let to_come = entry.ordered - entry.cancelled - order.shipped(line) - entry.delivered_early;
                let to_come = to_come.floor_zero();
                let all = if nothing_shipped { to_come } else { left };
                let stated = named.and_then(|l| l.qty).unwrap_or(all);
                let part = Qty(stated.0.min(left.0));
                let step = (Unit::Shipped, Unit::Delivered);
                effects.shift(&mut engine.state, order, line as u16, None, step, part);
                let early = (stated - left).floor_zero();
                order.lines[line].delivered_early += early.min(to_come);
                if early > to_come {
                    effects.exception(Exception::Unmatched);
                }
            }
            if fact.lines.iter().any(|l| order.line(&l.line).is_none()) {
                effects.exception(Exception::Unmatched);
            }
            engine.settle(order, effects);
            effects.notify(&engine.state, order, "delivered", None, None);
            (Outcome::Applied, effects.answer(&engine.state, order))
        })
    }
}

/// Takes a payment in. What is late does not undo what is later.
pub fn take_payment(order: &mut Order, stated: PaymentState, amount: Option<i64>, effects: &mut Effects<'_>) {
    let before = order.payment;
    let amount = amount.map(|a| a.clamp(0, MONEY_MAX));
    let next = match stated {
        PaymentState::Refunded | PaymentState::PartRefunded => {
            let whole = if order.paid > 0 { order.paid } else { order.total() };
            let back = amount.unwrap_or(whole - order.refunded).max(0);
            order.refunded = order.refunded.saturating_add(back);
            if order.refunded >= whole { PaymentState::Refunded } else { PaymentState::PartRefunded }
        }
        stated if later(before) > later(stated) => before,
        stated => stated,
    };
    if stated == PaymentState::Captured {
        // The same capture may be told twice under two keys: the greatest amount counts.
        order.paid = order.paid.max(amount.unwrap_or(order.total()));
    }
    order.payment = next;
    effects.change(Change::Payment(before, next, amount));
}

/// How far a payment has come: what ranks lower is a late fact.
pub fn later(state: PaymentState) -> u8 {
    match state {
        PaymentState::None => 0,
        PaymentState::Failed | PaymentState::Authorised => 1,
        PaymentState::OnDelivery | PaymentState::Points | PaymentState::Captured => 2,
        PaymentState::PartRefunded => 3,
        PaymentState::Refunded => 4,
    }
}
