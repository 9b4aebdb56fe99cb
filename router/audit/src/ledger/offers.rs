//! Offers, step by step: one winner at most, claimed while open, in time and with the present epoch; and nobody is asked,
//! or given work, again who declined.

use std::collections::{BTreeMap, HashMap};

use router_schemas::{
    command::{Command, offer::Claim, steer::Steering},
    event::{Change, Event, OfferChange, OfferClosed, OfferStep, Unit},
    id::{OfferId, OrderId},
    position::Position,
    quantity::Qty,
    row::{OfferEntry, OfferRow, OfferState},
};

use super::{Cause, Fresh, Ledger, Touched};
use crate::{orders::NOWHERE, report::Report};

/// Offers that were made, and who said no.
#[derive(Default)]
pub(crate) struct Offers {
    of: HashMap<OfferId, Offer>,
    /// Offers ever made, and nodes that declined.
    pub ever: u64,
    pub declines: u64,
}

/// How an offer stands with a node; why it is over where a step said so.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    Open,
    Won,
    Closed(Option<OfferClosed>),
}

/// An offer as its steps say.
pub(crate) struct Offer {
    pub order: OrderId,
    pub epoch: u32,
    round: u32,
    pub state: OfferState,
    pub entries: BTreeMap<u32, Entry>,
    expires: Option<i64>,
    /// Of the last row: line, quantity.
    lines: Vec<(u16, Qty)>,
    /// Its rule asks one node only; not known before its first row.
    alone: Option<bool>,
    /// Its winner gave it back, and it was not offered again yet.
    given_back: bool,
    /// It began in what was trimmed: as its first row says.
    adopted: bool,
}

impl Offer {
    fn new(order: OrderId) -> Offer {
        Offer {
            order,
            epoch: 0,
            round: 0,
            state: OfferState::Offered,
            entries: BTreeMap::new(),
            expires: None,
            lines: Vec::new(),
            alone: None,
            given_back: false,
            adopted: false,
        }
    }

    fn winner(&self) -> Option<u32> {
        self.entries.iter().find(|(_, entry)| **entry == Entry::Won).map(|(node, _)| *node)
    }

    /// Ends it with all who have it or may claim it, but those who have it again.
    fn close_others(&mut self, again: &[u32], why: Option<OfferClosed>) {
        for (_, entry) in self.entries.iter_mut().filter(|(node, _)| !again.contains(node)) {
            match entry {
                Entry::Open => *entry = Entry::Closed(why),
                Entry::Won => *entry = Entry::Closed(Some(OfferClosed::Declined)),
                Entry::Closed(_) => {}
            }
        }
    }
}

impl Offers {
    pub fn all(&self) -> impl Iterator<Item = (&OfferId, &Offer)> {
        self.of.iter()
    }

    pub fn is_known(&self, offer: OfferId) -> bool {
        self.of.contains_key(&offer)
    }

    /// Whether nodes may claim some of these.
    pub fn any_open(&self, offers: &[OfferId]) -> bool {
        offers.iter().any(|id| self.of.get(id).is_some_and(|offer| offer.state == OfferState::Offered))
    }

    pub fn forget(&mut self, offers: &[OfferId]) {
        offers.iter().for_each(|id| drop(self.of.remove(id)));
    }
}

impl Ledger {
    /// Operations took a hand in it: who declined may be asked again, as far as they said so.
    pub(super) fn forgive(&mut self, cause: &Cause, event: &Event) {
        let steered = event.changes.iter().any(|change| matches!(change, Change::Steered(..)));
        let Some(id) = event.order.filter(|_| steered) else { return };
        let node = match &cause.said {
            Some(Command::Steer(steer)) => match &steer.act {
                Steering::Retry { forgive: false } | Steering::Reroute { .. } => return,
                Steering::Assign { node, .. } => Some(self.number(node)),
                Steering::Retry { .. } | Steering::Approve => None,
            },
            _ => None,
        };
        if let Some(order) = self.orders.get_mut(&id) {
            order.declined.retain(|declined| node.is_some_and(|node| node != *declined));
        }
    }

    /// A node will not do it: it gets none of it again.
    pub(super) fn declines(&mut self, order: OrderId, node: u32) {
        self.offers.declines += 1;
        if let Some(order) = self.orders.get_mut(&order)
            && !order.declined.contains(&node)
        {
            order.declined.push(node);
        }
    }

    /// A node gave work back.
    pub(super) fn gave_back(&mut self, event: &Event, node: &str) {
        let node = self.number(node);
        let Some(id) = event.order else { return };
        self.declines(id, node);
        let offers = self.orders.get(&id).map_or(&[][..], |order| &order.offers);
        for id in offers {
            if let Some(offer) = self.offers.of.get_mut(id).filter(|offer| offer.winner() == Some(node)) {
                offer.given_back = true;
            }
        }
    }

    /// Units of an order that a node gets: none of what it declined, and of what is offered only what it claimed.
    pub(super) fn given(
        &mut self,
        fact: bool,
        (at, event): (&Position, &Event),
        (id, node): (OrderId, u32),
        moves: &[(u16, Unit, Unit, Qty)],
        report: &mut Report,
    ) {
        let Some(order) = self.orders.get(&id) else { return };
        for (line, from, to, qty) in moves {
            for (unit, by) in [(from, -*qty), (to, *qty)] {
                if let (Unit::Held, Some(line)) = (unit, order.lines.get(usize::from(*line))) {
                    self.holds.count((order.place.0, order.place.1, line.sku, line.bucket), by);
                }
            }
        }
        let gets = |of: &[Unit]| {
            let to = [Unit::Allocated, Unit::Backordered];
            node != NOWHERE && moves.iter().any(|(_, from, after, _)| of.contains(from) && to.contains(after))
        };
        if gets(&[Unit::Open, Unit::Outside]) && order.declined.contains(&node) && !fact {
            let name = self.node_name(node);
            report.violated("E2323", at.clone(), || format!("{name} declined {id}, and gets some of it"));
        }
        let claims = |change: &Change| match change {
            Change::Offer(OfferChange { what: OfferStep::Claimed(who), .. }) => who == self.node_name(node),
            _ => false,
        };
        if gets(&[Unit::Held]) && !event.changes.iter().any(claims) {
            let name = self.node_name(node);
            report
                .violated("E2322", at.clone(), || format!("{name} gets what of {id} is offered, unclaimed"));
        }
    }

    /// A step of an offer.
    pub(super) fn offer_step(
        &mut self,
        cause: &Cause,
        (at, event, change): (&Position, &Event, &OfferChange),
        fresh: &Fresh,
        touched: &mut Touched,
        report: &mut Report,
    ) {
        let OfferChange { offer: id, epoch, what } = change;
        touched.offers.insert(*id);
        if fresh.offers.contains(id) {
            return;
        }
        let Some(of) = event.order else {
            return report.violated("E2322", at.clone(), || format!("{id} is an offer of no order"));
        };
        if let OfferStep::Opened(round, nodes, expires) = what {
            let nodes: Vec<u32> = nodes.iter().map(|node| self.number(node)).collect();
            return self.opened(at, (of, *id), (*epoch, *round, *expires), &nodes, report);
        }
        let wrong = |report: &mut Report, said: String| {
            report.violated("E2322", at.clone(), || format!("{id}: {said}"));
        };
        let node = match what {
            OfferStep::Closed(node, _) | OfferStep::Claimed(node) | OfferStep::Declined(node, ..) => node,
            _ => "",
        };
        let node = if node.is_empty() { NOWHERE } else { self.number(node) };
        let Some(offer) = self.offers.of.get_mut(id) else {
            return wrong(report, "it was never opened".into());
        };
        if offer.epoch != *epoch {
            wrong(report, format!("it has epoch {}, the change names {epoch}", offer.epoch));
        }
        let entry = offer.entries.get(&node).copied();
        let is_open = offer.state == OfferState::Offered;
        if node != NOWHERE && (entry != Some(Entry::Open) || !is_open) {
            wrong(report, "the node may not claim it any more, or never could".into());
        }
        let mut declined = Vec::new();
        match what {
            OfferStep::Closed(_, why) => {
                offer.entries.insert(node, Entry::Closed(Some(*why)));
            }
            OfferStep::Claimed(name) => {
                if let Some(said) = unfounded(cause, name, *epoch) {
                    wrong(report, said.into());
                }
                if let (Some(now), Some(expires)) = (cause.service, offer.expires)
                    && now >= expires
                {
                    wrong(report, format!("claimed at {now} ms, its time was over at {expires}"));
                }
                if offer.winner().is_some() {
                    wrong(report, "it has two winners".into());
                }
                offer.state = OfferState::Claimed;
                offer.entries.insert(node, Entry::Won);
                offer.close_others(&[node], Some(OfferClosed::Taken));
            }
            OfferStep::Declined(_, _, lines) => {
                declined.push(node);
                if lines.is_empty() {
                    offer.entries.insert(node, Entry::Closed(Some(OfferClosed::Declined)));
                }
            }
            OfferStep::Lapsed => {
                if let Some(now) = cause.service
                    && (!is_open || offer.expires.is_none_or(|expires| now < expires))
                {
                    let expires = offer.expires;
                    report.violated("E2321", at.clone(), || {
                        format!("{id} lapses at {now} ms, its time is {expires:?}")
                    });
                }
                if offer.alone == Some(true) {
                    let open = offer.entries.iter_mut().filter(|(_, entry)| **entry == Entry::Open);
                    declined.extend(open.map(|(node, entry)| {
                        *entry = Entry::Closed(None);
                        *node
                    }));
                }
            }
            OfferStep::Exhausted | OfferStep::Withdrawn => {
                if !is_open && !offer.given_back {
                    wrong(report, "it ends, and had ended before".into());
                }
                offer.state = match what {
                    OfferStep::Withdrawn => OfferState::Withdrawn,
                    _ => OfferState::Exhausted,
                };
                offer.given_back = false;
                offer.close_others(&[], None);
            }
            OfferStep::Opened(..) => {}
        }
        declined.into_iter().for_each(|node| self.declines(of, node));
    }

    /// A round began, or those who may claim it were told of a change.
    fn opened(
        &mut self,
        at: &Position,
        (of, id): (OrderId, OfferId),
        (epoch, round, expires): (u32, u32, Option<i64>),
        nodes: &[u32],
        report: &mut Report,
    ) {
        let Some(order) = self.orders.get_mut(&of) else { return };
        let mut wrong = |code, said: String| report.violated(code, at.clone(), || format!("{id}: {said}"));
        if epoch <= order.epochs {
            wrong("E2322", format!("epoch {epoch} is not above {}", order.epochs));
        }
        order.epochs = order.epochs.max(epoch);
        if !self.offers.of.contains_key(&id) {
            order.offers.push(id);
            self.offers.ever += 1;
        }
        let is_new = !self.offers.of.contains_key(&id);
        let offer = self.offers.of.entry(id).or_insert_with(|| Offer::new(of));
        if offer.order != of {
            wrong("E2322", format!("it is of {} and of {of}", offer.order));
        }
        if !is_new && offer.state != OfferState::Offered && !offer.given_back {
            wrong("E2322", "it is offered again, and had ended".into());
        }
        if nodes.is_empty() || round < offer.round {
            wrong("E2322", format!("round {round} for {} nodes", nodes.len()));
        }
        for node in nodes.iter().filter(|node| order.declined.contains(node)) {
            // What it may claim already stays with who declined a part, in the round under way.
            if offer.entries.get(node) != Some(&Entry::Open) || round != offer.round {
                let name = &self.names[*node as usize];
                wrong("E2323", format!("{name} declined {of}, and is asked again"));
            }
        }
        offer.close_others(nodes, None);
        offer.entries.extend(nodes.iter().map(|node| (*node, Entry::Open)));
        (offer.epoch, offer.round, offer.expires) = (epoch, round, expires);
        (offer.state, offer.given_back) = (OfferState::Offered, false);
    }

    /// An offer's row against its steps.
    pub(super) fn offer_row(&mut self, at: &Position, row: &OfferRow, fresh: &Fresh, report: &mut Report) {
        let alone = self.rules.asks_one(&row.rule);
        let shown: BTreeMap<u32, OfferEntry> =
            row.nodes.iter().map(|(node, entry)| (self.number(node), *entry)).collect();
        let winner = row.winner.as_ref().map(|winner| self.number(winner));
        if fresh.offers.contains(&row.offer) {
            self.adopt_offer(row, &shown);
        }
        let declined = self.orders.get(&row.order).map_or(&[][..], |order| &order.declined);
        let Some(offer) = self.offers.of.get_mut(&row.offer) else {
            return report.violated("E2322", at.clone(), || format!("{} was never opened", row.offer));
        };
        (offer.lines, offer.alone) = (row.lines.clone(), alone);
        let stands = (offer.order, offer.epoch, offer.round, offer.state, offer.expires, offer.winner());
        let mut wrong =
            |said: &str| report.violated("E2322", at.clone(), || format!("{}: {said}", row.offer));
        if stands != (row.order, row.epoch, row.round, row.state, row.expires, winner) {
            wrong("the row stands otherwise than its steps say");
        }
        for (node, entry) in &offer.entries {
            let agrees = match (entry, shown.get(node)) {
                (Entry::Open, shown) => shown == Some(&OfferEntry::Open),
                (Entry::Won, shown) => shown == Some(&OfferEntry::Won),
                // Of very many nodes those that are out are left away in the end.
                (Entry::Closed(why), None) => *why != Some(OfferClosed::Declined),
                (Entry::Closed(None), Some(shown)) => matches!(shown, OfferEntry::Closed(_)),
                (Entry::Closed(Some(why)), Some(shown)) => *shown == OfferEntry::Closed(*why),
            };
            if !agrees {
                wrong("the row says otherwise of a node than its steps");
            }
        }
        // A part that was declined is an offer of its own, of which who declined it gets none.
        let known = |(node, entry): (&u32, &OfferEntry)| {
            let out = *entry == OfferEntry::Closed(OfferClosed::Declined) && declined.contains(node);
            out || offer.entries.contains_key(node)
        };
        if !shown.iter().all(known) {
            wrong("the row names a node that was never asked");
        }
        for (node, entry) in shown {
            if let (OfferEntry::Closed(why), Some(known @ Entry::Closed(None))) =
                (entry, offer.entries.get_mut(&node))
            {
                *known = Entry::Closed(Some(why));
            }
        }
    }

    fn adopt_offer(&mut self, row: &OfferRow, shown: &BTreeMap<u32, OfferEntry>) {
        let mut offer = Offer::new(row.order);
        let entry = |entry: &OfferEntry| match entry {
            OfferEntry::Open => Entry::Open,
            OfferEntry::Won => Entry::Won,
            OfferEntry::Closed(why) => Entry::Closed(Some(*why)),
        };
        offer.entries = shown.iter().map(|(node, shown)| (*node, entry(shown))).collect();
        (offer.epoch, offer.round, offer.state) = (row.epoch, row.round, row.state);
        (offer.expires, offer.adopted) = (row.expires, true);
        self.offers.of.insert(row.offer, offer);
        if let Some(order) = self.orders.get_mut(&row.order) {
            order.offers.push(row.offer);
            order.epochs = order.epochs.max(row.epoch);
        }
    }

    /// Units held of an order are those that its open offers cover.
    pub(super) fn held_is_offered(&self, id: OrderId, at: &Position, report: &mut Report) {
        let Some(order) = self.orders.get(&id) else { return };
        let open = order.offers.iter().filter_map(|id| self.offers.of.get(id));
        let mut sums = BTreeMap::<u16, Qty>::new();
        for (line, qty) in open.filter(|o| o.state == OfferState::Offered).flat_map(|o| &o.lines) {
            *sums.entry(*line).or_default() += *qty;
        }
        for held in order.held.iter().filter(|h| h.unit == Unit::Held) {
            *sums.entry(held.line).or_default() -= held.qty;
        }
        if let Some((line, by)) = sums.into_iter().find(|(_, by)| !by.is_zero()) {
            report.violated("E2320", at.clone(), || {
                format!("{id}: of line {line}, {by} more are offered than held")
            });
        }
    }

    /// Whether the steps of an offer are all known.
    pub fn is_whole(offer: &Offer) -> bool {
        !offer.adopted
    }
}

/// Why a claim has no ground in its command.
fn unfounded(cause: &Cause, node: &str, epoch: u32) -> Option<&'static str> {
    match &cause.said {
        Some(Command::Claim(Claim { node: who, epoch: named, .. })) if cause.kind == "claim" => match () {
            () if who != node => Some("another node claimed it"),
            () if *named != epoch => Some("the claim names another epoch"),
            () => None,
        },
        _ if cause.kind == "claim" => None,
        _ => Some("no claim gave it to the node"),
    }
}
