//! A zone takes a part of another zone's order. It is an order of its own here, with an id of its own, routed by this zone's
//! rules; what finds no node goes back at once, and so does what is lost later.

use router_schemas::{
    command::{
        Assigned,
        order::OrderBody,
        part::{Part, PartCancel, PartLine, PartRef},
    },
    event::{Change, Outcome, PartChange, PartStep, Unit},
    id::OrderId,
    limits::REMEMBER_MS,
    position::Topic,
    quantity::Qty,
    refusal::Refusal,
    reply::Answer,
};

use smallvec::SmallVec;

use super::{Duty, Engine, Order, key};
use crate::engine::{Verdict, effects::Effects, lapse::Lapse, place, refuse};

impl Engine {
    /// Takes a part; one that is known leaves everything as it is.
    pub(in crate::engine) fn take_part(&mut self, part: Part, effects: &mut Effects<'_>) -> Verdict {
        let Part { part: reference, home, zone, mut message, .. } = part;
        if self.state.parts.contains_key(&key(&reference)) && !fault!(PartTakenTwice) {
            return (Outcome::Repeat, Answer::Done);
        }
        let body = match place::body(&message) {
            Ok(body) => body,
            // It holds what nobody can read: home was told nothing, and waits until it takes the part back.
            Err(verdict) => return verdict,
        };
        if let Some(stray) = self.state.strays.get_mut(&key(&reference)) {
            stray.report += 1;
            let (report, lines) = (stray.report, came_late(&body, &stray.lines));
            return self.answer_home(reference, home, report, lines, effects);
        }
        if !self.is_own(&zone) {
            let lines = came_late(&body, &[]);
            return self.answer_home(reference, home, 1, lines, effects);
        }
        let (topic, here) = (Topic::Commands, &effects.position);
        let id = OrderId::new(self.topology.log, &topic, self.partition, here.offset);
        self.state.parts.insert(key(&reference), id);
        self.convert_legs(reference.order, &zone, effects);
        message.to = Some(Assigned { order: id, zone });
        self.place_order(message, Some((reference, home)), effects)
    }

    /// Home wants units of a part back: those that nobody picked are cancelled, for others nodes are asked where home says
    /// so.
    pub(in crate::engine) fn cancel_part(
        &mut self,
        cancel: PartCancel,
        effects: &mut Effects<'_>,
    ) -> Verdict {
        let PartCancel { part, lines, home, ask, .. } = cancel;
        let Some(id) = self.state.parts.get(&key(&part)).copied() else {
            return self.cancel_stray(part, home, lines, effects);
        };
        let verdict = self.with_order(id, |engine, order| {
            let work = order.work();
            let mut news = false;
            let mut nodes: SmallVec<[u32; 4]> = SmallVec::new();
            for (name, unwanted) in lines {
                let Some(line) = order.line(&name) else { continue };
                let Some(known) = order.duty.as_mut().and_then(|d| d.lines.get_mut(line)) else { continue };
                let more = (unwanted - known.1).floor_zero();
                known.1 = known.1.max(unwanted);
                news |= more.is_positive();
                let taken = engine.take_back(order, line, more, Unit::Cancelled, effects);
                if ask {
                    engine.ask_back(order, line, more - taken, &mut nodes);
                }
            }
            let duty = order.duty.get_or_insert_default();
            // Home asks again where it was not answered, or where the answer was lost.
            duty.again = true;
            effects.touch_order(order.id);
            engine.settle_asked(order, work, &nodes, effects);
            let outcome = if news { Outcome::Applied } else { Outcome::Repeat };
            (outcome, Answer::Done)
        });
        verdict.unwrap_or_else(|| refuse(Refusal::UnknownOrder, &part.order.to_string()))
    }

    /// A cancel of what did not come: it is kept, and the part is answered by it if it comes.
    fn cancel_stray(
        &mut self,
        part: PartRef,
        home: String,
        lines: Vec<(String, Qty)>,
        effects: &mut Effects<'_>,
    ) -> Verdict {
        let stray = self.state.strays.entry(key(&part)).or_default();
        if stray.report == 0 {
            let until = self.state.clock.service() + REMEMBER_MS;
            self.state.deadlines.insert((until, Lapse::Stray(part.order, part.part, part.attempt)));
        }
        stray.report += 1;
        stray.lines = lines;
        let report = stray.report;
        let cancelled = |(line, qty): &(String, Qty)| PartLine {
            line: line.clone(),
            cancelled: *qty,
            unwanted: *qty,
            ..PartLine::default()
        };
        let lines = stray.lines.iter().map(cancelled).collect();
        self.answer_home(part, home, report, lines, effects)
    }

    /// What a part has open here that nothing is under way for goes back to home. True: something did.
    pub(in crate::engine) fn hand_back(&mut self, order: &mut Order, effects: &mut Effects<'_>) -> bool {
        let Some((part, home)) = &order.part_of else { return false };
        if order.lines.iter().all(|l| l.open.is_zero()) {
            return false;
        }
        let (part, zone) = (part.clone(), home.clone());
        for line in 0..order.lines.len() {
            let open = order.lines[line].open;
            effects.shift(&mut self.state, order, line as u16, None, (Unit::Open, Unit::Outside), open);
            let duty = order.duty.get_or_insert_default();
            duty.lines[line].0 += open;
        }
        order.queue = None;
        effects.change(Change::Part(PartChange { part, zone, what: PartStep::GivenBack }));
        true
    }
}

impl Duty {
    /// Of a part with so many lines, of which nothing was told.
    pub fn of(lines: usize) -> Box<Duty> {
        Box::new(Duty { lines: vec![(Qty::ZERO, Qty::ZERO); lines], ..Duty::default() })
    }
}

/// The state of a part that is not taken: what home did not want any more is cancelled, the rest goes back.
fn came_late(body: &OrderBody, unwanted: &[(String, Qty)]) -> Vec<PartLine> {
    let line = |line: &router_schemas::command::order::OrderLine| {
        let unwanted = unwanted.iter().find(|(name, _)| *name == line.line).map_or(Qty::ZERO, |l| l.1);
        let cancelled = Qty(unwanted.0.min(line.qty.0));
        let given_back = line.qty - cancelled;
        PartLine { line: line.line.clone(), cancelled, given_back, unwanted, ..PartLine::default() }
    };
    body.lines.iter().map(line).collect()
}
