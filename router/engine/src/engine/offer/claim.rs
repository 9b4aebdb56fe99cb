//! A node claims an offer. It is judged by its own record's service time, so that a backlog makes no claim late, in this
//! order: the present winner is answered as at first; who was never offered it or declined gets `NotOffered`; another
//! has it: `Taken`; it is over, has a newer epoch, or its time is up: `Expired`; the node or the pool has not enough:
//! `NoStock`, and the node is out; the node is full: `NoCapacity`, and it may try again.

use router_schemas::{
    command::offer::Claim,
    event::{OfferClosed, OfferStep, Outcome, Unit},
    id::OfferId,
    refusal::Refusal,
    reply::{self, Answer},
    row::{OfferEntry, OfferState},
};

use super::over::place_of;
use crate::engine::{
    Engine, Verdict, effects::Effects, nodes, order::Order, refuse, rules::demands, work::Deadlines,
};

impl Engine {
    pub(in crate::engine) fn claim(&mut self, claim: Claim, effects: &mut Effects<'_>) -> Verdict {
        if !self.state.orders.contains_key(&claim.order) {
            return refuse(Refusal::NotOffered, &claim.node);
        }
        let Some(node) = self.index.nodes.get(&claim.node).copied() else {
            return refuse(Refusal::NotOffered, &claim.node);
        };
        effects.about(claim.order);
        let judged = self.on_offers(claim.order, effects, |engine, order, effects| {
            engine.judge(order, node, &claim, effects)
        });
        let won = match judged {
            Some(Ok(won)) => won,
            Some(Err(verdict)) => return verdict,
            None => return refuse(Refusal::NotOffered, &claim.node),
        };
        let order = self.state.orders.get_mut(&claim.order).expect("it was judged");
        let Some(at) = place_of(order, won) else {
            return refuse(Refusal::NotOffered, &claim.node);
        };
        if let Some(first) = order.offers[at].first.clone() {
            return (Outcome::Repeat, Answer::Outcome(reply::Outcome { repeat: true, ..first }));
        }
        let order = &self.state.orders[&claim.order];
        let (answer, first) = (effects.answer(&self.state, order), Effects::outcome(&self.state, order));
        let order = self.state.orders.get_mut(&claim.order).expect("it was judged");
        order.offers[at].first = Some(first);
        (Outcome::Applied, answer)
    }

    /// The offer that the node has now, newly or again.
    fn judge(
        &mut self,
        order: &mut Order,
        node: u32,
        claim: &Claim,
        effects: &mut Effects<'_>,
    ) -> Result<OfferId, Verdict> {
        let no = |refusal| Err(refuse(refusal, &claim.node));
        let Some(at) = order.offer_to(node, claim.offer, Some(claim.epoch)) else {
            return no(Refusal::NotOffered);
        };
        let offer = &order.offers[at];
        if offer.winner == Some(node) {
            return Ok(offer.id);
        }
        let entry = offer.entry(node).map(|e| e.state);
        if entry.is_none_or(|e| e == OfferEntry::Closed(OfferClosed::Declined)) {
            return no(Refusal::NotOffered);
        }
        if offer.winner.is_some() && fault!(TwoWinners) {
            let name = claim.node.clone();
            effects.offer(order, at, OfferStep::Claimed(name));
            return Ok(order.offers[at].id);
        }
        if offer.winner.is_some() {
            return no(Refusal::Taken);
        }
        let short = OfferEntry::Closed(OfferClosed::NoStock);
        let asked = entry == Some(OfferEntry::Open) || entry == Some(short);
        let void =
            offer.is_void(self.state.clock.service()) && !fault!(ClaimAtExpiry) || !self.may_claim(node);
        if !offer.is_open() || offer.epoch != claim.epoch && !fault!(ClaimOldEpoch) || void || !asked {
            return no(Refusal::Expired);
        }
        let demands = demands(&self.state, order, offer.lines.iter().copied());
        let fills = self.can_fill(order, node, &offer.lines, &demands);
        if entry == Some(short) || !fills {
            if entry == Some(OfferEntry::Open) {
                self.shut_out(order, at, node, OfferClosed::NoStock, effects);
            }
            return no(Refusal::NoStock);
        }
        if !offer.ignore_capacity && !nodes::has_room(&self.state, order, node) {
            return no(Refusal::NoCapacity);
        }
        self.win(order, at, node, effects);
        Ok(order.offers[at].id)
    }

    /// The node has the offer: its units are allocated there, and all others are told that it is taken.
    fn win(&mut self, order: &mut Order, at: usize, node: u32, effects: &mut Effects<'_>) {
        let (now, served) = (self.state.clock.engine, self.state.clock.service());
        let name = self.state.node_name(node).to_owned();
        effects.offer(order, at, OfferStep::Claimed(name));
        for other in order.offers[at].open_nodes().into_iter().filter(|n| *n != node) {
            self.shut(order, at, other, OfferClosed::Taken, effects);
        }
        let needs = order.needs(&order.offers[at].lines);
        let offer = &mut order.offers[at];
        (offer.state, offer.winner, offer.first) = (OfferState::Claimed, Some(node), None);
        if let Some(entry) = offer.entries.iter_mut().find(|e| e.node == node) {
            entry.state = OfferEntry::Won;
        }
        self.state.offers.close(node, (order.id, offer.id), &needs);
        self.state.nodes[node as usize].score.claimed(now, served - offer.began_at);
        effects.touch_node(node);
        let (before, lines, terms) = (offer.expires, offer.lines.clone(), offer.terms.clone());
        self.keep_timer(order, at, before);
        for (line, qty) in lines {
            effects.shift(&mut self.state, order, line, Some(node), (Unit::Held, Unit::Allocated), qty);
            self.count_held(order, line, -qty);
        }
        let (accept_within, pick_within) = (terms.accept_within, terms.pick_within);
        self.start_work(order, node, &Deadlines { accept_within, pick_within, late: terms.late });
    }
}

impl Order {
    /// The offer that a node speaks of: the one named; else the one with this epoch, where it may claim or has it; else
    /// the last that it has; else the one with this epoch, where another has it; else the last that it may claim or ever
    /// was offered.
    pub(super) fn offer_to(&self, node: u32, named: Option<OfferId>, epoch: Option<u32>) -> Option<usize> {
        let mine = |place: &usize| self.offers[*place].entry(node).is_some();
        let places = || (0..self.offers.len()).rev().filter(mine);
        if let Some(id) = named {
            return places().find(|place| self.offers[*place].id == id);
        }
        let has = |place: &usize| self.offers[*place].winner == Some(node);
        let open =
            |place: &usize| self.offers[*place].entry(node).is_some_and(|e| e.state == OfferEntry::Open);
        let this = |place: &usize| Some(self.offers[*place].epoch) == epoch;
        places()
            .find(|place| this(place) && (has(place) || open(place)))
            .or_else(|| places().find(has))
            .or_else(|| places().find(|place| this(place) && self.offers[*place].winner.is_some()))
            .or_else(|| places().find(open))
            .or_else(|| places().next())
    }
}
