//! A node does not want an offer, or gives back what it claimed; all of it, or lines and quantities.
//!
//! Who declines some of an offer would take the rest: the offer splits. The rest stays open with all who were asked,
//! under a new epoch; what was declined is an offer of its own to the others. Lines of a group that the rule keeps
//! together go together; the reason's effect on stock is for what was named. Who declined any of an order is not asked
//! for it again: of the rest it may claim what is open now, in the round under way.
//!
//! What is given back after a claim is offered to the others in the same round, whatever `rounds` says: all of an
//! offer, under a new epoch; some of it, as an offer of its own.

use router_schemas::{
    command::{offer::Decline, order::LineQty},
    event::{OfferClosed, OfferStep, Outcome, Unit},
    id::OfferId,
    limits::{OFFERED, OFFERS, QTY_MAX},
    quantity::Qty,
    refusal::Refusal,
    row::{OfferEntry, OfferState},
    rules::{Reason, StockEffect},
};
use smallvec::SmallVec;

use super::{Offer, over::place_of};
use crate::engine::{Engine, Verdict, effects::Effects, give_back::remember_decline, order::Order, refuse};

/// Line and quantity.
type Lines = Vec<(u16, Qty)>;

/// What a node declines.
#[derive(Default)]
struct Declined {
    /// Open offers: what was named of each, and that with all that goes with it.
    open: Vec<(OfferId, Lines, Lines)>,
    /// Work that it has: what was named, and what goes with that.
    work: SmallVec<[(usize, Qty); 8]>,
    with_it: SmallVec<[(usize, Qty); 8]>,
}

impl Engine {
    pub(in crate::engine) fn decline(&mut self, decline: Decline, effects: &mut Effects<'_>) -> Verdict {
        if !self.state.orders.contains_key(&decline.order) {
            return refuse(Refusal::NotOffered, &decline.node);
        }
        let Some(node) = self.index.nodes.get(&decline.node).copied() else {
            return refuse(Refusal::UnknownNode, &decline.node);
        };
        effects.about(decline.order);
        let mut were_cancelled = None;
        let refused = self.on_offers(decline.order, effects, |engine, order, effects| {
            were_cancelled = Some(order.cancelled());
            let Some(reason) = engine.decline_reason(order, &decline.reason) else {
                return Some(refuse(Refusal::UnknownReason, &decline.reason));
            };
            match engine.declined(order, node, &decline) {
                Ok(declined) => engine.take_declined(order, node, &reason, declined, effects),
                Err(refused) => return Some(refused),
            }
            None
        });
        if let Some(refused) = refused.flatten() {
            return refused;
        }
        if let Some(before) = were_cancelled {
            self.with_order(decline.order, |engine, order| {
                if order.cancelled() > before {
                    effects.tell_answer(&engine.state, order, true);
                }
            });
        }
        let answer = effects.answer(&self.state, &self.state.orders[&decline.order]);
        (Outcome::Applied, answer)
    }

    /// What is declined, as far as the node has it.
    fn declined(&self, order: &Order, node: u32, decline: &Decline) -> Result<Declined, Verdict> {
        let mut left = Lines::new();
        for LineQty { line, qty } in &decline.lines {
            let place = order.line(line).ok_or_else(|| refuse(Refusal::UnknownLine, line))?;
            left.push((place as u16, qty.unwrap_or(QTY_MAX).floor_zero()));
        }
        let all = left.is_empty();
        let mut declined = Declined::default();
        let meant = |offer: &&Offer| decline.offer.is_none_or(|id| id == offer.id);
        let now = self.state.clock.service();
        for offer in order.offers.iter().filter(meant).filter(|o| o.is_open() && !o.is_void(now)) {
            if offer.entry(node).is_none_or(|e| e.state != OfferEntry::Open) {
                continue;
            }
            let named = if all { offer.lines.clone() } else { taken(&offer.lines, &mut left) };
            if !named.is_empty() {
                let whole = with_groups(order, offer, &named);
                if whole != offer.lines && offer.terms.whole {
                    return Err(refuse(Refusal::Whole, &offer.id.to_string()));
                }
                declined.open.push((offer.id, named, whole));
            }
        }
        let won: SmallVec<[&Offer; 4]> =
            order.offers.iter().filter(meant).filter(|o| o.winner == Some(node)).collect();
        if decline.offer.is_none() || !won.is_empty() {
            let there = self.work_there(order, node, decline.offer.and(won.first().copied()));
            let named = if all { there.clone() } else { taken(&there, &mut left) };
            let mut whole = named.clone();
            for offer in won {
                let mine: Lines =
                    there.iter().filter(|t| offer.lines.iter().any(|l| l.0 == t.0)).copied().collect();
                let some: Lines = named.iter().filter(|n| mine.iter().any(|m| m.0 == n.0)).copied().collect();
                if some.is_empty() || some == mine {
                    continue;
                }
                if offer.terms.whole {
                    return Err(refuse(Refusal::Whole, &offer.id.to_string()));
                }
                for (line, qty) in grouped(order, offer.keep_groups, &mine, &some) {
                    match whole.iter_mut().find(|w| w.0 == line) {
                        Some(known) => known.1 = qty.max(known.1),
                        None => whole.push((line, qty)),
                    }
                }
            }
            let of = |lines: &Lines, line: u16| lines.iter().find(|l| l.0 == line).map_or(Qty::ZERO, |l| l.1);
            declined.with_it = whole
                .iter()
                .map(|(line, qty)| (usize::from(*line), *qty - of(&named, *line)))
                .filter(|(_, qty)| qty.is_positive())
                .collect();
            declined.work = named.iter().map(|(line, qty)| (usize::from(*line), *qty)).collect();
        }
        if declined.open.is_empty() && declined.work.is_empty() {
            return Err(refuse(nothing_there(order, node, decline.offer), &decline.node));
        }
        Ok(declined)
    }

    /// What the node has of the order and has not shipped; `of`: as far as this offer gave it.
    fn work_there(&self, order: &Order, node: u32, of: Option<&Offer>) -> Lines {
        let mine = order.fulfilments.iter().filter(|f| f.node == node && f.promised().is_positive());
        let most = |line: u16| match of {
            Some(offer) => offer.lines.iter().find(|l| l.0 == line).map_or(Qty::ZERO, |l| l.1),
            None => QTY_MAX,
        };
        let lines = mine.map(|f| (f.line, f.promised().min(most(f.line))));
        lines.filter(|(_, qty)| qty.is_positive()).collect()
    }

    fn take_declined(
        &mut self,
        order: &mut Order,
        node: u32,
        reason: &Reason,
        declined: Declined,
        effects: &mut Effects<'_>,
    ) {
        let (name, now) = (self.state.node_name(node).to_owned(), self.state.clock.engine);
        let mut emptied: SmallVec<[OfferId; 4]> = SmallVec::new();
        let mut fresh: Vec<Offer> = Vec::new();
        let mut all_named = Lines::new();
        for (id, named, whole) in declined.open {
            let Some(at) = place_of(order, id) else { continue };
            all_named.extend_from_slice(&named);
            self.state.nodes[node as usize].score.declined(now);
            let all = whole == order.offers[at].lines;
            let lines = if all { Lines::new() } else { whole.clone() };
            effects.offer(order, at, OfferStep::Declined(name.clone(), reason.id.clone(), lines));
            remember_decline(order, node);
            effects.touch_order(order.id);
            effects.touch_node(node);
            if all {
                self.shut(order, at, node, OfferClosed::Declined, effects);
                emptied.push(id);
            } else {
                fresh.push(self.split_open(order, at, node, whole, effects));
                self.tell_anew(order, at, effects);
            }
        }
        let given = self.give_back(order, node, &declined.work, reason, effects);
        let plain = Reason { id: reason.id.clone(), effect: StockEffect::None, ..Reason::default() };
        let with_it = self.give_back(order, node, &declined.with_it, &plain, effects);
        for (sku, qty) in order.needs(&all_named) {
            self.affect_stock(node, sku, qty, reason.effect, effects);
        }
        if given.is_empty() {
            self.stand_back(node, reason, effects);
        }
        let given: Lines = given.into_iter().chain(with_it).collect();
        for offer in fresh {
            self.offer_part(order, offer, effects);
        }
        for id in emptied {
            if let Some(at) = place_of(order, id) {
                self.unless_asked(order, at, effects);
            }
        }
        if !given.is_empty() {
            self.state.nodes[node as usize].score.declined(now);
        }
        if self.offer_again(order, node, &given, effects) {
            self.route(order, effects);
        }
    }

    /// After a node gave back work: what it had claimed of that is offered to the others, in the same round. Who calls
    /// it settles the order. True: some of it was not claimed, and is to be routed.
    pub(in crate::engine) fn offer_again(
        &mut self,
        order: &mut Order,
        node: u32,
        given: &[(u16, Qty)],
        effects: &mut Effects<'_>,
    ) -> bool {
        if given.is_empty() {
            return false;
        }
        effects.touch_node(node);
        let mut left: Lines = given.to_vec();
        let won = order.offers.iter().filter(|o| o.winner == Some(node)).map(|o| o.id);
        for id in won.collect::<SmallVec<[OfferId; 4]>>() {
            let Some(at) = place_of(order, id) else { continue };
            let mut back = taken(&order.offers[at].lines, &mut left);
            // Some of it may have been cancelled on the way.
            back.iter_mut().for_each(|(line, qty)| *qty = order.lines[usize::from(*line)].open.min(*qty));
            back.retain(|(_, qty)| qty.is_positive());
            let rest = less(&order.offers[at].lines, &back);
            let there = |(line, _): &(u16, Qty)| {
                order.at_nodes(usize::from(*line)).any(|f| f.node == node && !f.is_empty())
            };
            if rest.iter().any(there) {
                order.offers[at].lines = rest;
                effects.touch_offer(order.id, id);
                if !back.is_empty() {
                    let part = self.part_of(order, at, node, back, effects);
                    self.offer_part(order, part, effects);
                }
                continue;
            }
            let offer = &mut order.offers[at];
            (offer.winner, offer.first, offer.state) = (None, None, OfferState::Exhausted);
            if let Some(entry) = offer.entries.iter_mut().find(|e| e.node == node) {
                entry.state = OfferEntry::Closed(OfferClosed::Declined);
            }
            let round = offer.round;
            if back.is_empty() {
                offer.state = OfferState::Withdrawn;
                effects.offer(order, at, OfferStep::Withdrawn);
                continue;
            }
            offer.lines = back;
            if !self.go_round(order, at, round, OfferClosed::Expired, effects) {
                effects.offer(order, at, OfferStep::Exhausted);
                let behind = order.offers[at].behind.clone();
                self.resume(order, &behind, effects);
            }
        }
        left.iter().any(|(_, qty)| qty.is_positive())
    }

    /// Takes lines out of an open offer that the node declined of it: they are open again.
    fn split_open(
        &mut self,
        order: &mut Order,
        at: usize,
        node: u32,
        lines: Lines,
        effects: &mut Effects<'_>,
    ) -> Offer {
        let (id, before) = (order.offers[at].id, order.needs(&order.offers[at].lines));
        let nodes = order.offers[at].open_nodes();
        nodes.iter().for_each(|node| self.state.offers.close(*node, (order.id, id), &before));
        for (sku, qty) in order.needs(&lines) {
            self.note_freed(order, sku, qty);
        }
        for (line, qty) in &lines {
            effects.shift(&mut self.state, order, *line, None, (Unit::Held, Unit::Open), *qty);
            self.count_held(order, *line, -*qty);
        }
        let part = self.part_of(order, at, node, lines, effects);
        order.offers[at].lines = less(&order.offers[at].lines, &part.lines);
        let after = order.needs(&order.offers[at].lines);
        nodes.iter().for_each(|node| self.state.offers.open(&self.state.skus, *node, (order.id, id), &after));
        part
    }

    /// An offer of some lines of another, which the node declined.
    fn part_of(&self, order: &Order, at: usize, node: u32, lines: Lines, effects: &mut Effects<'_>) -> Offer {
        let whole = &order.offers[at];
        let entry = super::Entry { node, state: OfferEntry::Closed(OfferClosed::Declined), part: false };
        Offer {
            id: self.offer_id(effects),
            rule: whole.rule.clone(),
            behind: whole.behind.clone(),
            terms: whole.terms.clone(),
            state: OfferState::Exhausted,
            epoch: 0,
            lines,
            entries: vec![entry],
            winner: None,
            first: None,
            created_at: self.state.clock.engine,
            expires: None,
            deadline: None,
            ..*whole
        }
    }

    /// Offers open units as the offer says; where nobody can be asked, the order goes on behind its action.
    fn offer_part(&mut self, order: &mut Order, mut offer: Offer, effects: &mut Effects<'_>) {
        // An offer before it that nobody could be asked for let the order go on, with all that was open.
        offer.lines.iter_mut().for_each(|(line, qty)| *qty = order.lines[usize::from(*line)].open.min(*qty));
        offer.lines.retain(|(_, qty)| qty.is_positive());
        if offer.lines.is_empty() {
            return;
        }
        let open = order.offers.iter().filter(|o| o.is_open()).count();
        let (round, behind) = (offer.round, offer.behind.clone());
        let ranked = if open < OFFERS { self.ranked_at(order, &behind, &offer.lines, effects) } else { None };
        let begun = ranked.is_some_and(|ranked| {
            let most = (OFFERED / (open + 1)).max(1);
            self.begin_offer(order, offer, round, most, &ranked, effects)
        });
        if !begun {
            self.resume(order, &behind, effects);
        }
    }
}

/// Why a decline finds nothing: as a claim would be answered.
fn nothing_there(order: &Order, node: u32, offer: Option<OfferId>) -> Refusal {
    let Some(at) = order.offer_to(node, offer, None) else { return Refusal::NotOffered };
    let offer = &order.offers[at];
    let declined = OfferEntry::Closed(OfferClosed::Declined);
    match offer.entry(node) {
        Some(entry) if entry.state == declined => Refusal::NotOffered,
        _ if offer.winner.is_some_and(|winner| winner != node) => Refusal::Taken,
        _ => Refusal::Expired,
    }
}

/// Of these lines, what is still to be taken of those asked for.
fn taken(lines: &[(u16, Qty)], left: &mut [(u16, Qty)]) -> Lines {
    let mut found = Lines::new();
    for (line, qty) in lines {
        let mut part = Qty::ZERO;
        for (_, left) in left.iter_mut().filter(|(l, _)| l == line) {
            let more = (*qty - part).min(*left);
            part += more;
            *left -= more;
        }
        if part.is_positive() {
            found.push((*line, part));
        }
    }
    found
}

/// What is left of lines without these.
fn less(lines: &[(u16, Qty)], gone: &[(u16, Qty)]) -> Lines {
    let of = |line: u16| gone.iter().filter(|l| l.0 == line).map(|l| l.1).sum::<Qty>();
    let rest = lines.iter().map(|(line, qty)| (*line, *qty - of(*line)));
    rest.filter(|(_, qty)| qty.is_positive()).collect()
}

/// Named lines of an offer, with all lines of their groups where the rule keeps groups.
fn with_groups(order: &Order, offer: &Offer, named: &[(u16, Qty)]) -> Lines {
    grouped(order, offer.keep_groups, &offer.lines, named)
}

/// Of all these lines those named, and where groups are kept, those of their groups whole.
fn grouped(order: &Order, keep: bool, all: &[(u16, Qty)], named: &[(u16, Qty)]) -> Lines {
    let group = |line: u16| order.lines[usize::from(line)].group.as_ref().filter(|_| keep);
    let goes = |line: u16| group(line).is_some_and(|g| named.iter().any(|n| group(n.0) == Some(g)));
    let part = |line: u16| named.iter().find(|n| n.0 == line).map_or(Qty::ZERO, |n| n.1);
    let lines = all.iter().map(|(line, qty)| (*line, if goes(*line) { *qty } else { part(*line) }));
    lines.filter(|(_, qty)| qty.is_positive()).collect()
}
