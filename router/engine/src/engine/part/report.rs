//! Home takes a report: what changed since the last one moves in the order's own ledger.

use router_schemas::{
    command::part::{PartLine, PartReport},
    event::{Change, Exception, OrderState, Outcome, PartChange, PartStep, Unit},
    quantity::Qty,
    reply::Answer,
};

use super::{Away, AwayLine, Engine, Order};
use crate::engine::{Verdict, effects::Effects};

/// What a report changed, as far as others are told of it.
#[derive(Default)]
struct News {
    promised: bool,
    shipped: bool,
    delivered: bool,
    cancelled: bool,
    given_back: bool,
    /// Given back although nobody asked for it.
    opened: bool,
    /// Wanted back, to be routed anew.
    reopened: bool,
    /// Line and units that left a zone although it had given them back.
    doubled: Vec<(usize, Qty)>,
}

impl Engine {
    /// Takes a report; one that is not the newest of its attempt changes nothing.
    pub(in crate::engine) fn part_report(
        &mut self,
        report: PartReport,
        effects: &mut Effects<'_>,
    ) -> Verdict {
        let verdict = self.with_order(report.part.order, |engine, order| {
            let is_it = |p: &Away| (p.part, p.attempt) == (report.part.part, report.part.attempt);
            let parts = order.abroad.as_ref().map_or(&[][..], |abroad| &abroad.parts);
            match parts.iter().position(is_it).filter(|place| parts[*place].report < report.report) {
                Some(place) => engine.take_report(order, place, &report, effects),
                None => (Outcome::Ignored, Answer::Done),
            }
        });
        verdict.unwrap_or((Outcome::Ignored, Answer::Done))
    }

    fn take_report(
        &mut self,
        order: &mut Order,
        place: usize,
        report: &PartReport,
        effects: &mut Effects<'_>,
    ) -> Verdict {
        effects.touch_order(order.id);
        let (work, was) = (order.work(), order.state.clone());
        let mut news = News::default();
        for said in &report.lines {
            let Some(part) = order.abroad.as_ref().map(|abroad| &abroad.parts[place]) else { continue };
            let names = |l: &AwayLine| order.lines[usize::from(l.line)].name == said.line;
            let Some(number) = part.lines.iter().position(names) else { continue };
            let mut entry = part.lines[number];
            self.take_line(order, &mut entry, said, &mut news, effects);
            if let Some(abroad) = &mut order.abroad {
                abroad.parts[place].lines[number] = entry;
            }
        }
        for (line, qty) in std::mem::take(&mut news.doubled) {
            order.recall(line, qty, Unit::Outside);
        }
        let abroad = order.abroad.get_or_insert_default();
        abroad.parts[place].report = report.report;
        let zone = abroad.parts[place].zone.clone();
        if news.opened && !abroad.visited.contains(&zone) {
            abroad.visited.push(zone.clone());
        }
        for what in [Some(PartStep::Reported), news.given_back.then_some(PartStep::GivenBack)] {
            let Some(what) = what else { continue };
            let (part, zone) = (report.part.clone(), zone.clone());
            effects.change(Change::Part(PartChange { part, zone, what }));
        }
        if news.opened || news.reopened {
            self.seek_on(order, news.opened, effects);
        }
        self.settle(order, effects);
        effects.tell_nodes(&self.state, order, &work, false);
        self.tell_customer(order, &was, &news, report.tracking.as_deref(), effects);
        (Outcome::Applied, Answer::Done)
    }

    /// What came back goes to the next zone, where there is one; else home looks again, from the first rule on. `given`:
    /// it was given back; what home wanted back begins at home.
    fn seek_on(&mut self, order: &mut Order, given: bool, effects: &mut Effects<'_>) {
        if given && !self.is_put_off(order) {
            let zones = order.abroad.as_ref().map_or(Vec::new(), |abroad| abroad.zones.clone());
            self.forward(order, 0..order.lines.len(), &zones, effects);
        }
        self.route(order, effects);
    }

    fn tell_customer(
        &mut self,
        order: &mut Order,
        was: &OrderState,
        news: &News,
        tracking: Option<&str>,
        effects: &mut Effects<'_>,
    ) {
        let mut events = Vec::new();
        if news.promised && !std::mem::replace(&mut order.confirmed, true) {
            events.push(("confirmed", None));
        }
        events.extend(news.shipped.then_some(("shipped", tracking)));
        events.extend(news.delivered.then_some(("delivered", None)));
        if news.cancelled {
            let all = order.state == OrderState::Cancelled;
            events.push((if all { "cancelled" } else { "changed" }, None));
        }
        if news.opened && order.state != *was && matches!(order.state, OrderState::Parked(_)) {
            events.push(("delayed", None));
        }
        for (event, tracking) in events {
            effects.notify(&self.state, order, event, None, tracking);
        }
        effects.refund_due(&self.state, order);
    }

    fn take_line(
        &mut self,
        order: &mut Order,
        entry: &mut AwayLine,
        said: &PartLine,
        news: &mut News,
        effects: &mut Effects<'_>,
    ) {
        news.promised |= (said.allocated + said.shipped).is_positive();
        self.take_shipped(order, entry, said, news, effects);
        let (asked, before) = (entry.reopen, order.lines[usize::from(entry.line)].open);
        let cancelled = (said.cancelled - entry.cancelled).floor_zero();
        self.take_back_away(order, entry, cancelled, Unit::Cancelled, news, effects);
        let mut given_back = (said.given_back - entry.given_back).floor_zero();
        if fault!(PartGivenBackForgotten) {
            given_back = Qty::ZERO;
        }
        news.given_back |= given_back.is_positive();
        self.take_back_away(order, entry, given_back, Unit::Open, news, effects);
        let opened = order.lines[usize::from(entry.line)].open - before;
        news.opened |= opened > asked - entry.reopen;
        news.reopened |= asked > entry.reopen;
        let came = (said.returned - entry.returned).floor_zero();
        let line = usize::from(entry.line);
        let out = order.shipped(line) + said.shipped - entry.shipped - order.returned(line);
        let back = Qty(came.0.min(out.floor_zero().0));
        effects.shift(&mut self.state, order, entry.line, None, (Unit::Shipped, Unit::Returned), back);
        entry.back += back;
        (entry.shipped, entry.cancelled, entry.given_back) = (said.shipped, said.cancelled, said.given_back);
        (entry.delivered, entry.returned) = (said.delivered, said.returned);
        if said.unwanted >= entry.unwanted {
            // Answered: what of it was neither cancelled nor given back had left.
            let late = entry.cancel + entry.shrink;
            if late.is_positive() {
                effects.exception(Exception::TooLate(late));
            }
            (entry.cancel, entry.shrink, entry.reopen) = (Qty::ZERO, Qty::ZERO, Qty::ZERO);
        }
    }

    fn take_shipped(
        &mut self,
        order: &mut Order,
        entry: &mut AwayLine,
        said: &PartLine,
        news: &mut News,
        effects: &mut Effects<'_>,
    ) {
        let line = usize::from(entry.line);
        let shipped = (said.shipped - entry.shipped).floor_zero();
        news.shipped |= shipped.is_positive();
        // Units that the zone had cancelled and that left it all the same were away no more.
        let undone = Qty((entry.cancelled - said.cancelled).floor_zero().0.min(shipped.0));
        // What is there no more, and was neither cancelled nor given back, left. Anything else that left, the zone had
        // not been sent, or not any more.
        let cancelled = (said.cancelled - entry.cancelled).floor_zero();
        let given_back = (said.given_back - entry.given_back).floor_zero();
        let gone = (entry.away - said.allocated - said.open - cancelled - given_back).floor_zero();
        let away = Qty((shipped - undone).0.min(gone.0));
        effects.shift(&mut self.state, order, entry.line, None, (Unit::Away, Unit::Shipped), away);
        entry.away -= away;
        self.ship_beyond(order, line, undone, effects);
        let beyond = shipped - undone - away;
        let doubled = Qty(entry.given_back.0.min(beyond.0));
        // It had given them back: nobody else is to send them again.
        let here = self.take_back_here(order, line, doubled, Unit::Open, effects);
        effects.shift(&mut self.state, order, entry.line, None, (Unit::Open, Unit::Shipped), here);
        news.doubled.push((line, doubled - here));
        self.ship_beyond(order, line, beyond - here, effects);
        let (out, of_line) = (order.shipped(line) + shipped, &mut order.lines[line]);
        let early = Qty(of_line.delivered_early.0.min((out - of_line.delivered).floor_zero().0));
        of_line.delivered_early -= early;
        let delivered = (said.delivered - entry.delivered).floor_zero();
        let left = (out - of_line.delivered - early).floor_zero();
        let delivered = Qty(delivered.0.min(left.0));
        news.delivered |= delivered.is_positive();
        let step = (Unit::Shipped, Unit::Delivered);
        effects.shift(&mut self.state, order, entry.line, None, step, early + delivered);
    }

    /// Units left another zone that were not away any more: they were cancelled, or are more than was ordered.
    fn ship_beyond(&mut self, order: &mut Order, line: usize, mut qty: Qty, effects: &mut Effects<'_>) {
        let number = line as u16;
        let cancelled = Qty(order.lines[line].cancelled.0.min(qty.0));
        if cancelled.is_positive() {
            effects.exception(Exception::ShippedAfterCancel(cancelled));
            effects.shift(&mut self.state, order, number, None, (Unit::Cancelled, Unit::Shipped), cancelled);
            qty -= cancelled;
        }
        if qty.is_positive() {
            effects.exception(Exception::OverShipped(qty));
            effects.shift(&mut self.state, order, number, None, (Unit::Outside, Unit::Shipped), qty);
        }
    }

    /// Units of a part are there no more: they go where home wanted those that it asked for, the rest to `else_to`.
    fn take_back_away(
        &mut self,
        order: &mut Order,
        entry: &mut AwayLine,
        qty: Qty,
        else_to: Unit,
        news: &mut News,
        effects: &mut Effects<'_>,
    ) {
        let mut left = Qty(qty.0.min(entry.away.0));
        entry.away -= left;
        for (reason, to) in [
            (&mut entry.cancel, Unit::Cancelled),
            (&mut entry.shrink, Unit::Outside),
            (&mut entry.reopen, Unit::Open),
        ] {
            let part = Qty(reason.0.min(left.0));
            *reason -= part;
            left -= part;
            news.cancelled |= part.is_positive() && to != Unit::Open;
            effects.shift(&mut self.state, order, entry.line, None, (Unit::Away, to), part);
        }
        // Nodes that were asked answer later; goods by weight close with what was shipped.
        news.cancelled |= left.is_positive() && else_to == Unit::Cancelled && !news.shipped;
        effects.shift(&mut self.state, order, entry.line, None, (Unit::Away, else_to), left);
    }
}
