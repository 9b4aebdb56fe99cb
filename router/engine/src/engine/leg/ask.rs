//! Home's side of a hold over several zones.

use router_schemas::{
    command::{
        Command,
        hold::{HoldLine, Reserve},
        part::{self, LegAct, LegReport},
    },
    event::{HoldCause, Outcome},
    id::OrderId,
    limits::{FORWARDS, LEG_GRACE_MS},
    quantity::Qty,
    refusal::Refusal,
    reply::Answer,
    row::HoldState,
};
use smallvec::SmallVec;

use super::{Engine, Far, Leg, Stands};
use crate::engine::{Verdict, effects::Effects};

impl Engine {
    /// Where a line is asked for in another zone: that zone, and the line; `None`: it is not, or nothing of it is wanted.
    pub(in crate::engine) fn far_line(
        &mut self,
        order: OrderId,
        asked: &Reserve,
        said: &HoldLine,
        (expires, alert): (Option<i64>, Option<i64>),
    ) -> Result<Option<(String, Far)>, (Refusal, String)> {
        let node = said.node.as_ref().or(asked.node.as_ref());
        let Some((zone, node)) = said.zone.as_ref().zip(node).filter(|_| !said.qty.is_zero()) else {
            return Ok(None);
        };
        if !self.state.zones.contains_key(zone) {
            return Err((Refusal::UnknownZone, zone.clone()));
        }
        let skus = self.line_skus(said)?;
        self.check_open(order, said, &skus)?;
        let (line, node) = (said.line.clone(), node.clone());
        Ok(Some((zone.clone(), Far { line, node, skus, qty: said.qty, expires, alert })))
    }

    /// Puts a line that is, or is not, wanted elsewhere into these legs. True: that changes them.
    pub(in crate::engine) fn put_far(
        legs: &mut Vec<Leg>,
        line: &str,
        fresh: Option<(String, Far)>,
    ) -> Result<bool, (Refusal, String)> {
        let known = legs.iter().flat_map(|leg| leg.lines.iter().map(move |far| (&leg.zone, far)));
        let same = match (known.clone().find(|(_, far)| far.line == line), &fresh) {
            (None, None) => true,
            (Some((zone, old)), Some((to, new))) => {
                zone == to && (&old.node, &old.skus, old.qty) == (&new.node, &new.skus, new.qty)
            }
            _ => false,
        };
        if same {
            return Ok(false);
        }
        legs.iter_mut().for_each(|leg| leg.lines.retain(|far| far.line != line));
        if let Some((zone, far)) = fresh {
            let place = legs.iter().position(|leg| leg.zone == zone).unwrap_or_else(|| {
                legs.push(Leg { zone, ..Leg::default() });
                legs.len() - 1
            });
            legs[place].lines.push(far);
        }
        match legs.len() > FORWARDS {
            true => Err((Refusal::Limit, "zones of a hold".into())),
            false => Ok(true),
        }
    }

    /// Asks zones for the legs that are others than before: each anew, and whole.
    pub(in crate::engine) fn ask_legs(
        &mut self,
        order: OrderId,
        legs: Vec<Leg>,
        beyond: bool,
        effects: &mut Effects<'_>,
    ) {
        let Some(hold) = self.state.holds.get_mut(&order) else { return };
        let old = std::mem::replace(&mut hold.legs, legs);
        let mut news: SmallVec<[(usize, LegAct); 4]> = SmallVec::new();
        for (number, leg) in hold.legs.iter_mut().enumerate() {
            let before = old.get(number).map_or(&[][..], |leg| &leg.lines);
            if leg.lines == before {
                continue;
            }
            if leg.lines.is_empty() {
                leg.stands = Stands::Over;
                news.push((number, LegAct::Release));
            } else {
                (leg.attempt, leg.stands, leg.beyond_stock) = (leg.attempt + 1, Stands::Asked, beyond);
                news.push((number, LegAct::Hold));
            }
        }
        for (number, act) in news {
            self.tell_leg(order, number, act, effects);
        }
    }

    /// Brings what is held elsewhere down to so much of each line. True: that is less than before.
    pub(in crate::engine) fn shrink_legs(
        &mut self,
        order: OrderId,
        mut keep: impl FnMut(&Far) -> Qty,
        effects: &mut Effects<'_>,
    ) -> bool {
        let Some(hold) = self.state.holds.get_mut(&order) else { return false };
        let mut less: SmallVec<[usize; 4]> = SmallVec::new();
        for (number, leg) in hold.legs.iter_mut().enumerate() {
            let mut changed = false;
            for far in &mut leg.lines {
                let left = far.qty.min(keep(far)).floor_zero();
                changed |= left != far.qty;
                far.qty = left;
            }
            leg.lines.retain(|far| far.qty.is_positive());
            if leg.lines.is_empty() {
                leg.stands = Stands::Over;
            }
            less.extend(changed.then_some(number));
        }
        let any = !less.is_empty();
        for number in less {
            self.tell_leg(order, number, LegAct::Release, effects);
        }
        any
    }

    /// Asks once more for what zones did not answer.
    pub(in crate::engine) fn ask_legs_again(&mut self, order: OrderId, effects: &mut Effects<'_>) {
        let legs = self.state.holds.get(&order).map_or(0, |hold| hold.legs.len());
        for number in 0..legs {
            let act = match self.state.holds[&order].legs[number].stands {
                Stands::Asked => LegAct::Hold,
                Stands::Confirmed => LegAct::Confirm,
                Stands::Held | Stands::Kept | Stands::Over => continue,
            };
            self.tell_leg(order, number, act, effects);
        }
    }

    /// The legs are to lapse at another time.
    pub(in crate::engine) fn extend_legs(&mut self, order: OrderId, effects: &mut Effects<'_>) {
        let legs = self.state.holds.get(&order).map_or(0, |hold| hold.legs.len());
        for number in 0..legs {
            if !self.state.holds[&order].legs[number].lines.is_empty() {
                self.tell_leg(order, number, LegAct::Extend, effects);
            }
        }
    }

    fn tell_leg(&self, order: OrderId, number: usize, act: LegAct, effects: &mut Effects<'_>) {
        let hold = &self.state.holds[&order];
        let leg = &hold.legs[number];
        let now = self.state.clock.service();
        let until = leg
            .lines
            .iter()
            .map(|far| far.expires)
            .reduce(|one, other| one.zip(other).map(|(a, b)| a.max(b)));
        let ttl = until.flatten().map(|at| (at - now).max(0) + LEG_GRACE_MS);
        let says = matches!(act, LegAct::Hold | LegAct::Release);
        let lines = leg.lines.iter().filter(|_| says).map(|far| far.said(&self.state)).collect();
        effects.weigh_hold(leg.lines.len());
        let command = Command::Leg(part::Leg {
            order,
            identity: hold.identity.clone(),
            leg: number as u32 + 1,
            attempt: leg.attempt,
            home: hold.zone.clone(),
            zone: leg.zone.clone(),
            act,
            lines,
            beyond_stock: leg.beyond_stock,
            ttl,
        });
        match act {
            // A part of the order that goes to the zone with this command finds it held.
            LegAct::Release => effects.last.push((leg.zone.clone(), command)),
            _ => _ = self.send(&leg.zone, &command, effects),
        }
    }

    /// Sends what was to be sent behind all else.
    pub(in crate::engine) fn send_last(&mut self, effects: &mut Effects<'_>) {
        for (zone, command) in std::mem::take(&mut effects.last) {
            self.send(&zone, &command, effects);
        }
    }

    /// A zone says how a leg stands; what it says of an attempt that is over changes nothing.
    pub(in crate::engine) fn leg_report(&mut self, said: LegReport, effects: &mut Effects<'_>) -> Verdict {
        let hold = self.state.holds.get_mut(&said.order);
        let legs = hold.map_or(&mut [][..], |hold| &mut hold.legs);
        let leg = (said.leg as usize).checked_sub(1).and_then(|place| legs.get_mut(place));
        let Some(leg) = leg.filter(|leg| leg.attempt == said.attempt && !leg.lines.is_empty()) else {
            return (Outcome::Ignored, Answer::Done);
        };
        if !said.held {
            self.fail_hold(said.order, effects);
            return (Outcome::Applied, Answer::Done);
        }
        leg.stands = match (said.act, leg.stands) {
            (LegAct::Hold, Stands::Asked) => Stands::Held,
            (LegAct::Confirm, Stands::Confirmed) => Stands::Kept,
            _ => return (Outcome::Repeat, Answer::Done),
        };
        effects.touch_hold(said.order);
        self.further(said.order, effects);
        (Outcome::Applied, Answer::Done)
    }

    /// Confirms where all legs are held; where all are kept, the hold stands and its order goes on.
    pub(in crate::engine) fn further(&mut self, order: OrderId, effects: &mut Effects<'_>) {
        let Some(hold) = self.state.holds.get_mut(&order).filter(|hold| !hold.is_over()) else { return };
        let mut news: SmallVec<[usize; 4]> = SmallVec::new();
        if hold.legs.iter().all(|leg| leg.lines.is_empty() || leg.stands != Stands::Asked) {
            for (number, leg) in
                hold.legs.iter_mut().enumerate().filter(|(_, leg)| leg.stands == Stands::Held)
            {
                leg.stands = Stands::Confirmed;
                news.push(number);
            }
        }
        let stands = hold.state == HoldState::Confirming && hold.standing() == HoldState::Held;
        if stands {
            hold.state = HoldState::Held;
            effects.touch_hold(order);
            effects.hold_changed(order, HoldCause::Confirmed);
            effects.hold_notice(&self.state, order, "hold_confirmed");
        }
        for number in news {
            self.tell_leg(order, number, LegAct::Confirm, effects);
        }
        if stands {
            self.go_on_confirmed(order, effects);
        }
    }

    /// Not all could be held: nothing is.
    pub(in crate::engine) fn fail_hold(&mut self, order: OrderId, effects: &mut Effects<'_>) {
        self.shrink_legs(order, |_| Qty::ZERO, effects);
        self.set_hold(order, Vec::new(), HoldCause::Failed, effects);
        effects.hold_notice(&self.state, order, "hold_failed");
        self.go_on_confirmed(order, effects);
    }

    /// An order that waited for its hold is routed.
    pub(in crate::engine) fn go_on_confirmed(&mut self, order: OrderId, effects: &mut Effects<'_>) {
        self.with_order(order, |engine, order| {
            if order.confirming {
                let work = order.work();
                engine.route(order, effects);
                engine.settle(order, effects);
                effects.tell_nodes(&engine.state, order, &work, false);
            }
        });
    }
}
