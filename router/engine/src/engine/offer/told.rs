//! What nodes are told of offers: `stores.assignments`, next to the work that they have.

use router_schemas::{event::OfferClosed, notice::OfferNotice, position::Topic};

use crate::engine::{effects::Effects, notices::assigned_line, order::Order, shown::Shown, state::State};

/// Bytes of what people see of an order, from which on offers show lines and SKUs only: many nodes are told at once. The
/// one that has it is shown all.
pub(super) const SHOWN_BYTES: usize = 16 * 1024;
/// Distances are told in steps of so many metres.
const STEP_M: i64 = 100;

impl Effects<'_> {
    /// Tells nodes of an offer, with all that they need to decide.
    pub(super) fn tell_offered(&mut self, state: &State, order: &Order, at: usize, nodes: &[u32]) {
        let small = order.display.len() <= SHOWN_BYTES;
        let display = if small { Shown::of(&order.display) } else { Shown::default() };
        for node in nodes {
            self.tell_offer(state, order, at, (*node, "offered", None), &display);
        }
    }

    /// Tells a node that an offer is over for it, and why.
    pub(super) fn tell_closed(
        &mut self,
        state: &State,
        order: &Order,
        at: usize,
        node: u32,
        why: OfferClosed,
    ) {
        self.tell_offer(state, order, at, (node, "closed", Some(why)), &Shown::default());
    }

    fn tell_offer(
        &mut self,
        state: &State,
        order: &Order,
        at: usize,
        (node, event, why): (u32, &str, Option<OfferClosed>),
        display: &Shown<'_>,
    ) {
        self.push_fitting(display, |effects, display| {
            effects.push_offer(state, order, at, (node, event, why), display);
        });
    }

    fn push_offer(
        &mut self,
        state: &State,
        order: &Order,
        at: usize,
        (node, event, why): (u32, &str, Option<OfferClosed>),
        display: &Shown<'_>,
    ) {
        let offer = &order.offers[at];
        let offered = offer.lines.iter().filter(|_| why.is_none());
        let lines = offered.map(|(number, qty)| assigned_line(state, order, *number, *qty, display));
        let held = &state.nodes[node as usize].node;
        let notice = OfferNotice {
            kind: "offer.v1",
            event,
            reason: why,
            node: &held.id,
            order: order.id,
            offer: offer.id,
            epoch: offer.epoch,
            round: u32::from(offer.round),
            deadline: offer.deadline.filter(|_| why.is_none()),
            distance_m: order.to.zip(held.place).filter(|_| why.is_none()).map(|(a, b)| metres(a.chord2(b))),
            channel: &order.identity.channel,
            external_id: &order.identity.external_id,
            number: display.number,
            day_sequence: display.day_sequence,
            mode: order.mode,
            remark: display.remark,
            lines: lines.collect(),
            position: self.position.clone(),
            at: state.clock.engine,
        };
        let (topic, partition) = self.target(Topic::Assignments);
        self.out.push_json(topic, partition, &notice);
    }
}

/// Metres of a squared chord, up to the next step: the chord itself, which at 1,000 km is 1 km short of the way over
/// the ground.
fn metres(chord2: i64) -> u32 {
    /// The earth's mean radius in centimetres.
    const EARTH_CM: i64 = 637_100_880;
    let chord = i128::from(chord2.isqrt());
    let metres = (chord * i128::from(EARTH_CM) / 100) >> 30;
    let steps = (metres as i64 + STEP_M - 1) / STEP_M;
    (steps * STEP_M) as u32
}

#[cfg(test)]
mod tests {
    use router_schemas::geo::chord2_of_metres;

    use super::*;

    #[test]
    fn distances_are_told_in_steps() {
        for (way, told) in [(0.0, 0), (30.0, 100), (2_340.0, 2_400), (111_195.0, 111_200)] {
            assert_eq!(metres(chord2_of_metres(way)), told, "{way}");
        }
    }
}
