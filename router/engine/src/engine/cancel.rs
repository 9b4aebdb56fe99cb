//! Cancelling an order or some of it. Picked units stay: the node would have to be asked.

use router_schemas::{
    command::order::{Cancel, LineQty},
    event::{OrderState, Outcome, Unit},
    limits::QTY_MAX,
    quantity::Qty,
    refusal::Refusal,
    reply::Answer,
};

use super::{Engine, Verdict, effects::Effects, order::Order, refuse};

impl Engine {
    pub(super) fn cancel(&mut self, cancel: Cancel, effects: &mut Effects<'_>) -> Verdict {
        self.on_order(&cancel.to, &cancel.identity, |engine, order| {
            let wanted: Result<Vec<(usize, Qty)>, String> = match cancel.lines.is_empty() {
                true => Ok((0..order.lines.len()).map(|i| (i, QTY_MAX)).collect()),
                false => {
                    let find = |l: &LineQty| {
                        order.line(&l.line).map(|i| (i, l.qty.unwrap_or(QTY_MAX))).ok_or(l.line.clone())
                    };
                    cancel.lines.iter().map(find).collect()
                }
            };
            let wanted = match wanted {
                Ok(wanted) => wanted,
                Err(line) => return refuse(Refusal::UnknownLine, &line),
            };
            let before = order.work();
            let mut taken = Qty::ZERO;
            for (line, qty) in &wanted {
                taken += engine.take_back(order, *line, *qty, Unit::Cancelled, effects);
            }
            if !taken.is_positive() {
                let picked = |f: &super::order::Fulfilment| {
                    (f.picked + f.ready).is_positive() && wanted.iter().any(|w| w.0 == usize::from(f.line))
                };
                return match order.fulfilments.iter().any(picked) {
                    true => refuse(Refusal::Picked, ""),
                    false => refuse(Refusal::Closed, &order.state.text()),
                };
            }
            effects.tell_nodes(&engine.state, order, &before, false);
            engine.settle(order, effects);
            let event = if order.state == OrderState::Cancelled { "cancelled" } else { "changed" };
            effects.notify(&engine.state, order, event, None, None);
            effects.refund_due(&engine.state, order);
            (Outcome::Applied, Answer::Outcome(Effects::outcome(&engine.state, order)))
        })
    }

    /// Takes up to `qty` units of a line that nobody picked out of work, and moves them `to`: open units first,
    /// then backordered, then allocated ones in reverse plan order. Returns how many there were.
    pub(super) fn take_back(
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
        for unit in [Unit::Backordered, Unit::Held, Unit::Allocated] {
            if unit == Unit::Held && left.is_positive() && order.lines[line].held.is_positive() {
                self.withdraw_line(order, line, left, effects);
                let part = order.lines[line].open.min(left);
                effects.shift(&mut self.state, order, line as u16, None, (Unit::Open, to), part);
                left -= part;
            }
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
        }
        qty.floor_zero() - left
    }
}
