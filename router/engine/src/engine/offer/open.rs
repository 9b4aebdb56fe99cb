//! Opening offers, and their rounds. Round r goes to the first r × `nodes` candidates that can fill it, ranked anew, or
//! to those within the r-th radius; all of them get the new epoch. At most [`OFFERED`] nodes are asked for one order at
//! one time: further candidates are left out, the best ranked are not. Its open offers share that number evenly.

use router_schemas::{
    event::{OfferChange, OfferClosed, OfferStep, Unit},
    id::OfferId,
    limits::{FULFILMENTS, OFFERED, OFFERS, TTL_MS},
    quantity::Qty,
    row::{OfferEntry, OfferState},
    rules::Assignment,
};

use super::{Entry, Needs, Offer, told::SHOWN_BYTES};
use crate::engine::{
    Engine,
    effects::Effects,
    lapse::Lapse,
    order::Order,
    rules::{Asked, demands},
    state::State,
};

/// Bytes of notices that one round may come to, by a careful estimate: an offer of very many lines asks fewer nodes.
const TOLD_BYTES: usize = 4 << 20;

impl Engine {
    /// Opens an offer for each part of the order.
    pub(in crate::engine) fn open_offers(
        &mut self,
        order: &mut Order,
        asked: &Asked<'_>,
        effects: &mut Effects<'_>,
    ) {
        let before = order.offers.iter().filter(|o| o.is_open()).count();
        // Of very many, the rest stays open.
        let parts = &asked.parts[..asked.parts.len().min(OFFERS.saturating_sub(before))];
        let most = (OFFERED / (before + parts.len()).max(1)).max(1);
        for part in parts {
            self.open_offer(order, asked, part.to_vec(), most, effects);
        }
    }

    fn open_offer(
        &mut self,
        order: &mut Order,
        asked: &Asked<'_>,
        lines: Vec<(u16, Qty)>,
        most: usize,
        effects: &mut Effects<'_>,
    ) {
        let reserved: usize = order.offers.iter().filter(|o| o.is_open()).map(|o| o.lines.len()).sum();
        if order.fulfilments.len() + reserved + lines.len() > FULFILMENTS {
            return;
        }
        let Some(rule) = self.rule_at(order, &asked.behind) else { return };
        let keep_groups = matches!(&rule.assignment, Assignment::Multi(multi) if multi.keep_groups);
        let (rule, ignore_capacity) = (rule.id.clone(), rule.ignore_capacity);
        let set = &self.index.rules.of_zone(&order.zone).set;
        let routing = set.routings[usize::from(asked.behind.routing)].id.clone();
        let rule = (set.name.clone(), set.version, routing, rule);
        let mut terms = asked.offer.clone();
        terms.rounds = terms.rounds.max(1);
        let offer = Offer {
            id: self.offer_id(effects),
            rule,
            behind: asked.behind.clone(),
            terms,
            ignore_capacity,
            keep_groups,
            // Until its first round begins.
            state: OfferState::Exhausted,
            epoch: 0,
            round: 0,
            lines,
            entries: Vec::new(),
            winner: None,
            first: None,
            created_at: self.state.clock.engine,
            began_at: 0,
            expires: None,
            deadline: None,
        };
        self.begin_offer(order, offer, 1, most, asked.ranked, effects);
    }

    /// Begins a new offer at this round or the next that has somebody to ask. False: none has, and there is no offer.
    pub(super) fn begin_offer(
        &mut self,
        order: &mut Order,
        offer: Offer,
        round: u16,
        most: usize,
        ranked: &[u32],
        effects: &mut Effects<'_>,
    ) -> bool {
        let Some((round, asked)) = self.recipients(order, &offer, round, most, ranked) else { return false };
        let at = order.keep_offer(offer);
        self.begin_round(order, at, round, &asked, OfferClosed::Expired, effects);
        true
    }

    pub(super) fn offer_id(&self, effects: &mut Effects<'_>) -> OfferId {
        let place = &effects.position;
        let (log, topic) = (self.topology.log, place.topic.clone());
        OfferId::new(log, &topic, place.partition, place.offset, effects.next_offer())
    }

    /// The next round, where one is left and has somebody to ask; else the offer is exhausted, and the order goes on
    /// behind the action that made it. `why`: what those are told who are not asked again.
    pub(super) fn next_round(
        &mut self,
        order: &mut Order,
        at: usize,
        why: OfferClosed,
        effects: &mut Effects<'_>,
    ) {
        let from = order.offers[at].round + 1;
        if !self.go_round(order, at, from, why, effects) {
            self.end_offer(order, at, OfferState::Exhausted, why, effects);
            let behind = order.offers[at].behind.clone();
            self.resume(order, &behind, effects);
        }
    }

    /// Begins this round or a later one. False: none has anybody to ask.
    pub(super) fn go_round(
        &mut self,
        order: &mut Order,
        at: usize,
        from: u16,
        why: OfferClosed,
        effects: &mut Effects<'_>,
    ) -> bool {
        let offer = &order.offers[at];
        if from > offer.terms.rounds.max(offer.round) {
            return false;
        }
        let others = order.offers.iter().enumerate().filter(|(n, o)| *n != at && o.is_open()).count();
        let most = (OFFERED / (others + 1)).max(1);
        let (behind, lines) = (offer.behind.clone(), offer.lines.clone());
        let Some(ranked) = self.ranked_at(order, &behind, &lines, effects) else { return false };
        let Some((round, asked)) = self.recipients(order, &order.offers[at], from, most, &ranked) else {
            return false;
        };
        self.begin_round(order, at, round, &asked, why, effects);
        true
    }

    /// The first round from this one on that somebody can be asked in, and who.
    fn recipients(
        &self,
        order: &Order,
        offer: &Offer,
        from: u16,
        most: usize,
        ranked: &[u32],
    ) -> Option<(u16, Vec<u32>)> {
        let most = most.min((TOLD_BYTES / notice_weight(&self.state, order, offer)).max(1));
        let out = |node: u32| {
            let declined = OfferEntry::Closed(OfferClosed::Declined);
            let out =
                order.declined.contains(&node) || offer.entry(node).is_some_and(|e| e.state == declined);
            out && !fault!(AskWhoDeclined)
        };
        let demands = demands(&self.state, order, offer.lines.iter().copied());
        let able = |node: &u32| !out(*node) && self.can_fill(order, *node, &offer.lines, &demands);
        let terms = &offer.terms;
        if terms.widen.is_empty() {
            let first = terms.nodes.map_or(most, |n| most.min(usize::from(from) * usize::from(n.max(1))));
            let asked: Vec<u32> = ranked.iter().copied().filter(able).take(first).collect();
            return (!asked.is_empty()).then_some((from, asked));
        }
        let able: Vec<u32> = ranked.iter().copied().filter(able).collect();
        (from..=terms.rounds.max(from)).find_map(|round| {
            let widest = terms.widen.len() - 1;
            let radius = terms.widen[widest.min(usize::from(round) - 1)];
            let within = |node: &u32| {
                let place = self.state.nodes[*node as usize].node.place;
                order.to.zip(place).is_some_and(|(a, b)| a.chord2(b) <= radius)
            };
            let asked: Vec<u32> = able.iter().copied().filter(within).take(most).collect();
            (!asked.is_empty()).then_some((round, asked))
        })
    }

    /// Begins a round of an offer, new, open, or given back.
    fn begin_round(
        &mut self,
        order: &mut Order,
        at: usize,
        round: u16,
        asked: &[u32],
        why: OfferClosed,
        effects: &mut Effects<'_>,
    ) {
        let was_open = order.offers[at].is_open();
        let before = order.offers[at].expires.filter(|_| was_open);
        let gone = order.offers[at].open_nodes().into_iter().filter(|node| !asked.contains(node));
        for node in gone.collect::<Vec<_>>() {
            self.shut(order, at, node, why, effects);
        }
        if !was_open {
            self.hold_offer(order, at, effects);
        }
        order.epochs += 1;
        let (now, served) = (self.state.clock.engine, self.state.clock.service());
        let offer = &mut order.offers[at];
        (offer.state, offer.winner, offer.first) = (OfferState::Offered, None, None);
        (offer.epoch, offer.round, offer.began_at) = (order.epochs, round, served);
        let ttl = offer.terms.ttl.map(|ttl| ttl.clamp(0, TTL_MS));
        (offer.expires, offer.deadline) = (ttl.map(|t| served + t), ttl.map(|t| now + t));
        let names = asked.iter().map(|node| self.state.node_name(*node).to_owned()).collect();
        let what = OfferStep::Opened(u32::from(round), names, offer.expires);
        effects.offer(order, at, what);
        let asks = |name: &str| asked.iter().any(|node| self.state.node_name(*node) == name);
        effects.explained_more(order.id, |choice| choice.offered(round, asks));
        self.keep_timer(order, at, before);
        let needs = order.needs(&order.offers[at].lines);
        for node in asked.iter().copied() {
            self.ask(order, at, node, &needs);
            self.state.nodes[node as usize].score.offered(now);
        }
        effects.tell_offered(&self.state, order, at, asked);
        effects.note_asked(asked.len());
        order.offers[at].trim();
    }

    /// What is offered changed: those who may claim it are told, with a new epoch.
    pub(super) fn tell_anew(&mut self, order: &mut Order, at: usize, effects: &mut Effects<'_>) {
        order.epochs += 1;
        let offer = &mut order.offers[at];
        offer.epoch = order.epochs;
        let nodes = offer.open_nodes();
        let names = nodes.iter().map(|node| self.state.node_name(*node).to_owned()).collect();
        let what = OfferStep::Opened(u32::from(offer.round), names, offer.expires);
        effects.offer(order, at, what);
        effects.tell_offered(&self.state, order, at, &nodes);
        effects.note_asked(nodes.len());
    }

    /// What people see of the order changed: those who may claim it see it, and nothing else changes.
    pub(in crate::engine) fn show_offers(&self, order: &Order, effects: &mut Effects<'_>) {
        for (at, offer) in order.offers.iter().enumerate().filter(|(_, o)| o.is_open()) {
            effects.tell_offered(&self.state, order, at, &offer.open_nodes());
        }
    }

    /// The node may claim the offer.
    fn ask(&mut self, order: &mut Order, at: usize, node: u32, needs: &Needs) {
        let offer = &mut order.offers[at];
        let fresh = Entry { node, state: OfferEntry::Open, part: false };
        match offer.entries.iter_mut().find(|e| e.node == node) {
            Some(entry) => *entry = fresh,
            None => offer.entries.push(fresh),
        }
        self.state.offers.open(&self.state.skus, node, (order.id, offer.id), needs);
    }

    /// Holds what the offer covers, without a node.
    fn hold_offer(&mut self, order: &mut Order, at: usize, effects: &mut Effects<'_>) {
        for (line, qty) in order.offers[at].lines.clone() {
            effects.shift(&mut self.state, order, line, None, (Unit::Open, Unit::Held), qty);
            self.count_held(order, line, qty);
        }
    }

    /// Counts units of a line as held without a node, or no more.
    pub(super) fn count_held(&mut self, order: &Order, line: u16, delta: Qty) {
        let sku = order.lines[usize::from(line)].sku;
        self.state.hold_unpinned(&order.zone, &order.identity.channel, sku, delta);
    }

    /// Brings the order's timer up to date after an offer changed that ended at `before`, where it was open.
    pub(super) fn keep_timer(&mut self, order: &Order, at: usize, before: Option<i64>) {
        let lapse = Lapse::Offer(order.id);
        let needed = |at: i64| order.offers.iter().any(|o| o.is_open() && o.expires == Some(at));
        if let Some(before) = before.filter(|at| !needed(*at)) {
            self.state.deadlines.remove(&(before, lapse));
        }
        let offer = &order.offers[at];
        if let Some(expires) = offer.expires.filter(|_| offer.is_open()) {
            self.state.deadlines.insert((expires, lapse));
        }
    }
}

/// Bytes of a notice of the offer, at most.
fn notice_weight(state: &State, order: &Order, offer: &Offer) -> usize {
    let lines = offer.lines.iter().map(|(line, _)| {
        let line = &order.lines[usize::from(*line)];
        line.name.len() + state.skus[line.sku as usize].name.len() + 64
    });
    1024 + lines.sum::<usize>() + order.display.len().min(SHOWN_BYTES)
}

impl Effects<'_> {
    /// Notes what happened to an offer.
    pub(super) fn offer(&mut self, order: &Order, at: usize, what: OfferStep) {
        let offer = &order.offers[at];
        self.touch_offer(order.id, offer.id);
        self.weigh_offer(offer);
        let (offer, epoch) = (offer.id, offer.epoch);
        self.change(router_schemas::event::Change::Offer(OfferChange { offer, epoch, what }));
    }
}
