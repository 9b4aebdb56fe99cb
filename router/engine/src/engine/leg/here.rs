//! A zone holds a leg of a hold whose home is another zone.

use router_schemas::{
    command::{
        Assigned, Command,
        hold::Reserve,
        part::{Leg, LegAct, LegReport},
    },
    event::{HoldCause, Outcome},
    id::OrderId,
    position::Topic,
    quantity::Qty,
    refusal::Refusal,
    reply::Answer,
    row::LegOf,
};

use super::{Engine, LegHere, Stands};
use crate::engine::{
    Verdict,
    effects::Effects,
    hold::{Held, Hold},
    refuse,
};

impl Engine {
    /// Does with a leg what home asks; the same again, or of an attempt before the last, changes nothing.
    pub(in crate::engine) fn take_leg(&mut self, leg: Leg, effects: &mut Effects<'_>) -> Verdict {
        if !self.is_own(&leg.zone) {
            self.report_leg(&of(&leg), leg.act, false, effects);
            return refuse(Refusal::WrongZone, &leg.zone);
        }
        let id = self.leg_here(&leg, effects);
        let Some(here) = self.state.holds.get_mut(&id).and_then(|hold| hold.leg_of.as_mut()) else {
            return refuse(Refusal::Invalid, "no leg");
        };
        if leg.attempt < here.of.attempt {
            return (Outcome::Ignored, Answer::Done);
        }
        let first = leg.attempt > here.of.attempt;
        here.of.attempt = leg.attempt;
        let stands = here.stands;
        match leg.act {
            LegAct::Hold if first => self.hold_leg(id, leg, effects),
            LegAct::Hold => {
                self.report_leg(&of(&leg), LegAct::Hold, stands != Stands::Over, effects);
                return (Outcome::Repeat, Answer::Done);
            }
            LegAct::Release if !first && stands == Stands::Over => return (Outcome::Repeat, Answer::Done),
            LegAct::Release => self.release_leg(id, &leg, first, effects),
            LegAct::Confirm | LegAct::Extend if first || stands == Stands::Over => {
                // It is over, or never came.
                self.end_leg(id, HoldCause::Released, effects);
                self.report_leg(&of(&leg), leg.act, false, effects);
            }
            LegAct::Confirm if stands == Stands::Kept => {
                self.report_leg(&of(&leg), LegAct::Confirm, true, effects);
                return (Outcome::Repeat, Answer::Done);
            }
            LegAct::Confirm => {
                self.keep_leg(id, Stands::Kept, leg.ttl, HoldCause::Confirmed, effects);
                self.report_leg(&of(&leg), LegAct::Confirm, true, effects);
            }
            LegAct::Extend => self.keep_leg(id, stands, leg.ttl, HoldCause::Extended, effects),
        }
        (Outcome::Applied, Answer::Done)
    }

    /// The hold that a leg is here, an empty one where it is new.
    fn leg_here(&mut self, leg: &Leg, effects: &Effects<'_>) -> OrderId {
        let key = (leg.order, leg.leg);
        if let Some(known) = self.state.legs.get(&key) {
            return *known;
        }
        let (topic, here) = (Topic::Commands, &effects.position);
        let id = OrderId::new(self.topology.log, &topic, self.partition, here.offset);
        let to = Assigned { order: id, zone: leg.zone.clone() };
        let mut hold = Hold::new(&to, &leg.identity);
        let of = LegOf { attempt: 0, ..of(leg) };
        hold.leg_of = Some(LegHere { of, stands: Stands::Over });
        self.state.legs.insert(key, id);
        self.state.holds.insert(id, hold);
        self.state.counts.holds += 1;
        self.end_hold(id);
        id
    }

    /// Holds the leg, whole: all of its lines or none.
    fn hold_leg(&mut self, id: OrderId, leg: Leg, effects: &mut Effects<'_>) {
        let of = of(&leg);
        let expires = leg.ttl.map(|ttl| self.state.clock.service() + ttl);
        let Leg { zone, identity, lines, beyond_stock, .. } = leg;
        let asked = Reserve { identity, lines, beyond_stock, ..Reserve::default() };
        let wanted = self.wanted(id, &zone, &asked).and_then(|mut wanted| {
            wanted.lines.retain(|held| asked.lines.iter().any(|said| said.line == held.line));
            self.check(id, &zone, &asked, &wanted.lines)?;
            Ok(wanted.lines)
        });
        let held = wanted.is_ok();
        match wanted {
            Ok(mut lines) => {
                lines.iter_mut().for_each(|held| (held.expires, held.alert) = (expires, None));
                self.stand(id, Stands::Held);
                self.set_hold(id, lines, HoldCause::Reserved, effects);
            }
            Err(_) => self.end_leg(id, HoldCause::Failed, effects),
        }
        self.report_leg(&of, LegAct::Hold, held, effects);
    }

    /// Keeps what is held, until another time.
    fn keep_leg(
        &mut self,
        id: OrderId,
        stands: Stands,
        ttl: Option<i64>,
        cause: HoldCause,
        effects: &mut Effects<'_>,
    ) {
        self.stand(id, stands);
        let expires = ttl.map(|ttl| self.state.clock.service() + ttl);
        let mut lines = self.state.holds.get(&id).map_or(Vec::new(), |hold| hold.lines.clone());
        lines.iter_mut().for_each(|held| held.expires = expires);
        self.set_hold(id, lines, cause, effects);
    }

    /// Gives back all but the lines that home names.
    fn release_leg(&mut self, id: OrderId, leg: &Leg, first: bool, effects: &mut Effects<'_>) {
        let left = |held: &Held| {
            let kept = leg.lines.iter().find(|said| said.line == held.line).filter(|_| !first);
            let qty = held.qty.min(kept.map_or(Qty::ZERO, |said| said.qty)).floor_zero();
            Held { qty, ..held.clone() }
        };
        let mut lines: Vec<Held> = self.state.holds[&id].lines.iter().map(left).collect();
        lines.retain(|held| held.qty.is_positive());
        // What nobody has to hold, as there is no end of it, has no lines.
        if leg.lines.is_empty() || first {
            self.stand(id, Stands::Over);
        }
        self.set_hold(id, lines, HoldCause::Released, effects);
    }

    fn end_leg(&mut self, id: OrderId, cause: HoldCause, effects: &mut Effects<'_>) {
        self.stand(id, Stands::Over);
        self.set_hold(id, Vec::new(), cause, effects);
    }

    fn stand(&mut self, id: OrderId, stands: Stands) {
        if let Some(here) = self.state.holds.get_mut(&id).and_then(|hold| hold.leg_of.as_mut()) {
            here.stands = stands;
        }
    }

    /// Lines of a leg lapsed here: it is over, and home is told.
    pub(in crate::engine) fn lapse_leg(&mut self, id: OrderId, effects: &mut Effects<'_>) {
        let Some(hold) = self.state.holds.get(&id) else { return };
        let Some(here) = hold.leg_of.clone() else { return };
        match hold.lines.is_empty() {
            true => self.stand(id, Stands::Over),
            false => self.end_leg(id, HoldCause::Lapsed, effects),
        }
        self.report_leg(&here.of, LegAct::Hold, false, effects);
    }

    /// A part of the order comes to the zone: it may have what was held for the order here.
    pub(in crate::engine) fn convert_legs(&mut self, order: OrderId, zone: &str, effects: &mut Effects<'_>) {
        let legs: Vec<OrderId> =
            self.state.legs.range((order, 0)..=(order, u32::MAX)).map(|(_, id)| *id).collect();
        for id in legs {
            if self.state.holds.get(&id).is_some_and(|hold| hold.zone == zone && !hold.lines.is_empty()) {
                self.end_leg(id, HoldCause::Converted, effects);
            }
        }
    }

    fn report_leg(&self, of: &LegOf, act: LegAct, held: bool, effects: &mut Effects<'_>) {
        let LegOf { order, leg, attempt, home } = of.clone();
        let report = LegReport { order, leg, attempt, home, held, act };
        self.send(&of.home, &Command::LegReport(report), effects);
    }
}

fn of(leg: &Leg) -> LegOf {
    LegOf { order: leg.order, leg: leg.leg, attempt: leg.attempt, home: leg.home.clone() }
}
