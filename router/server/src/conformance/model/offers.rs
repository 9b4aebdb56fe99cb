//! Offers: rounds, claims, declines, lapses.

use super::{Cell, Model, Offer, Spot, plan::Take};
use crate::conformance::{
    expect::{Outcome, Reason},
    rules::{Action, Effect},
    subject::Done,
};

pub fn refused(reason: Reason) -> Done {
    Done { outcome: Outcome::Refused, reason: Some(reason), ..Done::default() }
}

impl Model {
    /// Offers units of an order, if anyone can fill them in any round.
    pub(super) fn make_offer(&mut self, id: &str, spot: Spot, lines: Vec<(usize, i64)>, ranked: &[String]) {
        let made = self.next_number();
        self.offers.push(Offer {
            order: id.to_owned(),
            spot,
            lines,
            round: 0,
            open: false,
            entries: Default::default(),
            known: Default::default(),
            winner: None,
            expires: None,
            made,
        });
        let offer = self.offers.len() - 1;
        if !self.open_round(offer, 1, Some(ranked)) && !self.later_round(offer) {
            self.offers.pop();
        }
    }

    /// Its action's numbers: nodes, rounds, seconds.
    fn terms(&self, offer: usize) -> (Option<u64>, u64, Option<u64>) {
        let Spot { routing, rule, action } = self.offers[offer].spot;
        match &self.rules.routings[routing].rules[rule].actions[action] {
            Action::Offer { nodes, rounds, ttl_s } => (*nodes, rounds.unwrap_or(1), *ttl_s),
            other => panic!("{other:?} makes no offers"),
        }
    }

    /// Returns whether anyone was offered it. The first round goes by the rank that the rule has made already.
    fn open_round(&mut self, offer: usize, round: u64, ranked: Option<&[String]>) -> bool {
        let (nodes, _, ttl) = self.terms(offer);
        let (id, lines, spot) = {
            let offer = &self.offers[offer];
            (offer.order.clone(), offer.lines.clone(), offer.spot)
        };
        // While it is looked for takers, its own units are not held against it.
        let ranked = match ranked {
            Some(ranked) => ranked.to_vec(),
            None => {
                let rule = self.rules.routings[spot.routing].rules[spot.rule].clone();
                self.ranked_by(&id, &rule, &lines)
            }
        };
        let mut takers: Vec<String> = ranked.into_iter().filter(|n| self.can_fill(&id, n, &lines)).collect();
        takers.truncate(nodes.map_or(usize::MAX, |n| (n * round) as usize));
        self.offers[offer].round = round;
        if takers.is_empty() {
            return false;
        }
        for node in &takers {
            self.score.entry(node.clone()).or_default().1 += 1;
        }
        let made = self.next_number();
        let now = self.now;
        let offer = &mut self.offers[offer];
        offer.open = true;
        offer.winner = None;
        offer.known.extend(takers.iter().cloned());
        offer.entries = takers.into_iter().collect();
        offer.expires = ttl.map(|ttl| now + ttl);
        offer.made = made;
        true
    }

    /// The next round that anyone can fill. Returns whether there is one.
    fn later_round(&mut self, offer: usize) -> bool {
        let rounds = self.terms(offer).1;
        (self.offers[offer].round + 1..=rounds).any(|round| self.open_round(offer, round, None))
    }

    /// The round has ended without a winner.
    fn end_round(&mut self, offer: usize) {
        if !self.later_round(offer) {
            self.exhaust(offer);
        }
    }

    fn exhaust(&mut self, offer: usize) {
        let ended = &mut self.offers[offer];
        ended.open = false;
        ended.entries.clear();
        let (id, spot) = (ended.order.clone(), ended.spot);
        self.walk(&id, Spot { action: spot.action + 1, ..spot });
    }

    pub(super) fn lapse(&mut self, offer: usize) {
        if self.terms(offer).0 == Some(1) {
            let nodes = self.offers[offer].entries.clone();
            let id = self.offers[offer].order.clone();
            for node in nodes {
                self.score.entry(node.clone()).or_default().0 += 1;
                let order = self.orders.get_mut(&id).unwrap();
                if order.declined.insert(node.clone()) {
                    order.late.insert(node);
                }
            }
        }
        self.offers[offer].entries.clear();
        self.end_round(offer);
    }

    /// The last offer that the node has of the order, else the last that it had.
    fn offer_known_to(&self, id: &str, node: &str) -> Option<usize> {
        let of = |n: &usize| self.offers[*n].order == id;
        let all: Vec<usize> = (0..self.offers.len()).filter(of).collect();
        let open = all.iter().rfind(|n| self.offers[**n].open && self.offers[**n].entries.contains(node));
        open.or_else(|| all.iter().rfind(|n| self.offers[**n].known.contains(node))).copied()
    }

    pub(super) fn claim(&mut self, id: &str, node: &str) -> Done {
        let Some(number) = self.offer_known_to(id, node) else { return refused(Reason::NotOffered) };
        let offer = &self.offers[number];
        if offer.winner.as_deref() == Some(node) {
            return Done::default();
        }
        if self.said_no(id, node) {
            return refused(Reason::NotOffered);
        }
        if offer.winner.is_some() {
            return refused(Reason::Taken);
        }
        if !offer.open || !offer.entries.contains(node) {
            return refused(Reason::Expired);
        }
        let lines = offer.lines.clone();
        if !self.can_fill(id, node, &lines) {
            self.offers[number].entries.remove(node);
            if self.offers[number].entries.is_empty() {
                self.end_round(number);
            }
            return refused(Reason::NoStock);
        }
        let full = |limit| self.assigned(node, Some(id)) >= limit;
        if self.nodes[node].capacity.is_some_and(full) {
            return refused(Reason::NoCapacity);
        }
        let offer = &mut self.offers[number];
        offer.open = false;
        offer.entries.clear();
        offer.winner = Some(node.to_owned());
        let spot = offer.spot;
        for (line, qty) in lines {
            self.give(id, &Take { node: node.to_owned(), line, qty }, false);
        }
        let rule = self.rules.routings[spot.routing].rules[spot.rule].id.clone();
        self.counts_for(&rule, id);
        self.claims_ok += 1;
        Done::default()
    }

    fn said_no(&self, id: &str, node: &str) -> bool {
        let order = &self.orders[id];
        order.declined.contains(node) && !order.late.contains(node)
    }

    pub(super) fn decline(&mut self, id: &str, node: &str, reason: &str) -> Done {
        if !self.orders.contains_key(id) {
            return refused(Reason::NotOffered);
        }
        let of = |n: &usize| self.offers[*n].order == id;
        let all: Vec<usize> = (0..self.offers.len()).filter(of).collect();
        let offered: Vec<usize> = all
            .iter()
            .copied()
            .filter(|n| self.offers[*n].open && self.offers[*n].entries.contains(node))
            .collect();
        let has = |m: &Self| m.orders[id].parts.iter().any(|p| p.node == node && p.on_hand + p.backorder > 0);
        if offered.is_empty() && !has(self) {
            return match self.offer_known_to(id, node) {
                _ if self.said_no(id, node) => refused(Reason::NotOffered),
                None => refused(Reason::NotOffered),
                Some(n) if self.offers[n].winner.as_deref().is_some_and(|w| w != node) => {
                    refused(Reason::Taken)
                }
                Some(_) => refused(Reason::Expired),
            };
        }
        let order = self.orders.get_mut(id).unwrap();
        order.declined.insert(node.to_owned());
        order.late.remove(node);
        self.score.entry(node.to_owned()).or_default().0 += 1;
        let mut declined: Vec<(usize, i64)> = Vec::new();
        for number in &offered {
            self.offers[*number].entries.remove(node);
            declined.extend(self.offers[*number].lines.iter().copied());
        }
        let given_back = self.give_back(id, node);
        declined.extend(given_back.iter().copied());
        self.apply_effect(id, node, reason, &declined);
        // What was claimed is offered again, in the same round; what was not is routed.
        let mut assigned: i64 = given_back.iter().map(|(_, qty)| qty).sum();
        for number in all {
            if self.offers[number].winner.as_deref() != Some(node) {
                continue;
            }
            self.offers[number].winner = None;
            let offer = &mut self.offers[number];
            let back =
                |line: usize| given_back.iter().filter(|(l, _)| *l == line).map(|(_, q)| *q).sum::<i64>();
            offer.lines =
                offer.lines.iter().map(|(l, q)| (*l, (*q).min(back(*l)))).filter(|(_, q)| *q > 0).collect();
            if offer.lines.is_empty() {
                continue;
            }
            let round = offer.round;
            assigned -= offer.lines.iter().map(|(_, qty)| qty).sum::<i64>();
            if !self.open_round(number, round, None) {
                self.end_round(number);
            }
        }
        for number in offered {
            if self.offers[number].open && self.offers[number].entries.is_empty() {
                self.end_round(number);
            }
        }
        if assigned > 0 && self.is_open(id) {
            self.route(id);
        }
        Done::default()
    }

    /// Takes back all unshipped units that a node has of an order. Returns them by line.
    fn give_back(&mut self, id: &str, node: &str) -> Vec<(usize, i64)> {
        let order = self.orders.get_mut(id).unwrap();
        let mut back = Vec::new();
        for part in order.parts.iter_mut().filter(|p| p.node == node && p.on_hand + p.backorder > 0) {
            let qty = part.on_hand + part.backorder;
            *self.released.entry(order.lines[part.line].sku.clone()).or_default() += qty;
            back.push((part.line, qty));
            (part.on_hand, part.backorder) = (0, 0);
        }
        back
    }

    fn apply_effect(&mut self, id: &str, node: &str, reason: &str, declined: &[(usize, i64)]) {
        let effect = self.rules.reasons.iter().find(|r| r.id == reason).map_or(Effect::None, |r| r.effect);
        let lines = self.orders[id].lines.clone();
        for (line, qty) in declined {
            let sku = &lines[*line].sku;
            if !self.is_tracked(sku) {
                continue;
            }
            let Some(cell) = self.cells.get_mut(&(node.to_owned(), sku.clone())) else { continue };
            let cell: &mut Cell = cell;
            match effect {
                Effect::None => {}
                Effect::Subtract => cell.on_hand = (cell.on_hand - qty).max(0),
                Effect::SubtractAtp => cell.blocked += qty,
                Effect::Zero => cell.on_hand = 0,
            }
        }
    }

    /// Closes open offers that have some of the line, the last made first, until so many units of it are open.
    pub(super) fn withdraw(&mut self, id: &str, line: usize, least: i64) {
        for number in (0..self.offers.len()).rev() {
            let offer = &self.offers[number];
            let has = offer.open && offer.order == id && offer.lines.iter().any(|(l, _)| *l == line);
            if has && self.open(id)[line] < least {
                self.offers[number].open = false;
                self.offers[number].entries.clear();
            }
        }
    }
}
