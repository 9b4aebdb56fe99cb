//! What stores are told of offers, and what they are asked to give back: each said by a change, and each change said.

use std::collections::HashMap;

use router_schemas::{
    event::{OfferChange, OfferClosed, OfferStep},
    id::{OfferId, OrderId},
    position::Position,
};
use serde::Deserialize;
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    ledger::{Entry, Ledger},
    report::Report,
};

/// `offer.v1`, as far as it is looked at.
#[derive(Deserialize)]
pub(crate) struct OfferSaid {
    event: String,
    #[serde(default)]
    reason: Option<OfferClosed>,
    node: String,
    order: OrderId,
    offer: OfferId,
    epoch: u32,
    pub position: Position,
}

/// What a store was told of an offer, and was to be told.
#[derive(Default)]
struct Told {
    /// Rounds, and changes of what is offered, that name the store; and how often it was told.
    due: u32,
    offered: u32,
    last: Option<Last>,
}

struct Last {
    /// Why it is over, where it is.
    closed: Option<OfferClosed>,
    epoch: u32,
    at: Position,
}

/// What was said of offers, and of requests to give units back.
#[derive(Default)]
pub(crate) struct Offered {
    /// Offer and hash of the store's name.
    told: HashMap<(OfferId, u64), Told>,
    /// By what it says: whether a change said so, whether the store was told, where, and what.
    asked: HashMap<u64, (bool, bool, Position, String)>,
}

fn name(node: &str) -> u64 {
    xxh3_64(node.as_bytes())
}

impl Offered {
    /// A step that stores are told of.
    pub fn step(&mut self, change: &OfferChange) {
        if let OfferStep::Opened(_, nodes, _) = &change.what {
            for node in nodes {
                self.told.entry((change.offer, name(node))).or_default().due += 1;
            }
        }
    }

    /// A notice.
    pub fn take(&mut self, at: &Position, said: &OfferSaid, report: &mut Report) {
        let told = self.told.entry((said.offer, name(&said.node))).or_default();
        let is_offered = said.event == "offered";
        if is_offered == said.reason.is_some() || !(is_offered || said.event == "closed") {
            let OfferSaid { event, node, order, .. } = said;
            report.violated("E2326", at.clone(), || format!("{order} at {node}: {event}, and why"));
        }
        told.offered += u32::from(is_offered);
        told.last = Some(Last { closed: said.reason, epoch: said.epoch, at: at.clone() });
    }

    /// A store is asked to give units back: as a change says, or as it was told.
    pub fn ask(&mut self, order: OrderId, node: &str, cause: &Position, at: &Position, told: bool) {
        let said = format!("{node} is asked to give units of {order} back by {cause}");
        let known = self.asked.entry(name(&said)).or_insert((false, false, at.clone(), said));
        known.0 |= !told;
        known.1 |= told;
    }

    pub fn close(&mut self, ledger: &Ledger, report: &mut Report) {
        if ledger.trimmed {
            return;
        }
        let asked = self.asked.drain().map(|(_, asked)| asked);
        let mut asked: Vec<_> = asked.filter(|(due, told, ..)| due != told).collect();
        asked.sort_by(|a, b| a.2.cmp(&b.2));
        for (due, _, at, said) in asked {
            let how = if due { "nobody told it" } else { "no change says it" };
            report.violated("E2326", at, || format!("{said}: {how}"));
        }
        let unmade = self.told.iter().filter(|(_, told)| told.due == 0);
        let mut unmade: Vec<_> =
            unmade.filter_map(|(key, told)| Some((told.last.as_ref()?, key.0))).collect();
        unmade.sort_by(|a, b| a.0.at.cmp(&b.0.at));
        for (last, offer) in unmade {
            report.violated("E2326", last.at.clone(), || format!("{offer} was never made to the store"));
        }
        let mut offers: Vec<_> = ledger.offers.all().collect();
        offers.sort_by_key(|(id, _)| **id);
        for (id, offer) in offers.into_iter().filter(|(_, offer)| Ledger::is_whole(offer)) {
            for (node, entry) in &offer.entries {
                let node = ledger.node_name(*node);
                let told = self.told.get(&(*id, name(node)));
                if let Some(said) =
                    told.map_or(Some("it was never told of it"), |t| t.differs(*entry, offer.epoch))
                {
                    let at = told.and_then(|told| told.last.as_ref()).map(|last| last.at.clone());
                    report.violated("E2326", at.or(offer.order.position()), || {
                        format!("{id} at {node}: {said}")
                    });
                }
            }
        }
    }
}

impl Told {
    fn differs(&self, entry: Entry, epoch: u32) -> Option<&'static str> {
        let Some(last) = &self.last else { return Some("it was never told of it") };
        if self.offered < self.due {
            return Some("it was not told of every round");
        }
        match (entry, last.closed) {
            (Entry::Open, None) if last.epoch != epoch => Some("it knows another epoch"),
            (Entry::Open, Some(_)) => Some("it was told that it is over, and it is not"),
            (Entry::Won, Some(_)) => Some("it was told that it is over, and has it"),
            // Who gives back what it had is not told what it said itself.
            (Entry::Closed(Some(OfferClosed::Declined)), None) => None,
            (Entry::Closed(_), None) => Some("it was not told that it is over"),
            (Entry::Closed(Some(why)), Some(told)) if why != told => Some("it was told another reason"),
            _ => None,
        }
    }
}
