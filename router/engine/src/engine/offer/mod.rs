//! Offers: work that nodes may grab. The first claim has it.
//!
//! An offer covers what a plan gives one node; a plan over several nodes makes several. While it is open its units are
//! held without a node (`pool.rs`), so others cannot plan with them. It goes round by round (`open.rs`) to nodes that
//! can fill it, until one claims it (`claim.rs`), no round is left, or it is taken back (`over.rs`). Nodes may decline
//! it or a part of it, and give back what they claimed (`decline.rs`). Where an offer is over without a winner, its
//! units are open again and the order goes on at the action behind the one that made the offer.
//!
//! Every round, and every change of what is offered, has an epoch of its own, dense within the order: a claim names
//! the epoch that its node was told, so that what was said of an older one can never win.

mod claim;
mod decline;
mod image;
mod listed;
mod open;
mod over;
mod score;
mod told;

use router_schemas::{
    event::OfferClosed,
    id::OfferId,
    limits::{OFFERED, OFFERS},
    quantity::Qty,
    reply,
    row::{OfferEntry, OfferState},
    rules,
};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

pub use self::{
    image::{NodeImage, OfferImage},
    listed::Listed,
    score::Score,
};
use super::{Engine, lapse::Lapse, order::Order, rules::Spot};

/// Entries of an offer that are kept: those of a round, and as many that are over.
const ENTRIES: usize = 2 * OFFERED;
/// Offers of an order that are kept: the open ones, and as many that are over.
const KEPT: usize = 2 * OFFERS;

/// What one offer needs of each SKU: lines of one SKU are summed.
pub type Needs = SmallVec<[(u32, Qty); 8]>;

/// An offer, open or over.
#[derive(Debug, Serialize, Deserialize)]
pub struct Offer {
    pub id: OfferId,
    /// Rule set, version, routing and rule that made it.
    pub rule: (String, u32, String, String),
    /// The action behind the one that made it.
    pub behind: Spot,
    pub terms: rules::Offer,
    /// The rule asks full nodes too.
    pub ignore_capacity: bool,
    /// The rule keeps lines of one group together.
    pub keep_groups: bool,
    pub state: OfferState,
    pub epoch: u32,
    /// From 1.
    pub round: u16,
    /// Line and quantity.
    pub lines: Vec<(u16, Qty)>,
    /// Nodes that were offered it, in the order in which they first were.
    pub entries: Vec<Entry>,
    pub winner: Option<u32>,
    /// What the winner was answered.
    pub first: Option<reply::Outcome>,
    /// Engine time at which it was made, ms.
    pub created_at: i64,
    /// Service time at which the round began, ms.
    pub began_at: i64,
    /// Service time at which the round ends, ms.
    pub expires: Option<i64>,
    /// Engine time at which it ends if nothing interrupts, as nodes were told, ms.
    pub deadline: Option<i64>,
}

/// How an offer stands with a node.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Entry {
    pub node: u32,
    pub state: OfferEntry,
    /// It declined some of the order since it was asked; this it may claim in the round under way.
    pub part: bool,
}

impl Offer {
    pub fn is_open(&self) -> bool {
        self.state == OfferState::Offered
    }

    pub fn entry(&self, node: u32) -> Option<&Entry> {
        self.entries.iter().find(|e| e.node == node)
    }

    /// Nodes that may claim it.
    pub fn open_nodes(&self) -> SmallVec<[u32; 8]> {
        self.entries.iter().filter(|e| e.state == OfferEntry::Open).map(|e| e.node).collect()
    }

    /// Whether its time is over at this service time, worked off or not.
    pub fn is_void(&self, now: i64) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }

    /// Makes room where more nodes were offered it than are kept: those go that were asked first and are out.
    fn trim(&mut self) {
        let mut over = self.entries.len().saturating_sub(ENTRIES);
        let out = |e: &Entry| matches!(e.state, OfferEntry::Closed(why) if why != OfferClosed::Declined);
        self.entries.retain(|e| {
            let goes = over > 0 && out(e);
            over -= usize::from(goes);
            !goes
        });
    }
}

impl Order {
    /// Whether nodes may still claim some of it.
    pub fn has_open_offers(&self) -> bool {
        self.offers.iter().any(Offer::is_open)
    }

    /// What an offer needs of each SKU.
    pub fn needs(&self, lines: &[(u16, Qty)]) -> Needs {
        let mut needs = Needs::new();
        for (line, qty) in lines {
            let sku = self.lines[usize::from(*line)].sku;
            match needs.iter_mut().find(|n| n.0 == sku) {
                Some(need) => need.1 += *qty,
                None => needs.push((sku, *qty)),
            }
        }
        needs
    }

    /// The node declined some of the order: what it may claim already stays, in the round under way.
    pub fn note_part(&mut self, node: u32) {
        let entries = self.offers.iter_mut().filter(|o| o.is_open()).flat_map(|o| &mut o.entries);
        entries.filter(|e| e.node == node).for_each(|e| e.part = true);
    }

    /// Keeps an offer, in the place of the oldest that is over where there are too many.
    fn keep_offer(&mut self, offer: Offer) -> usize {
        if self.offers.len() >= KEPT {
            let exhausted = self.offers.iter().position(|o| !o.is_open() && o.winner.is_none());
            let over = exhausted.or_else(|| self.offers.iter().position(|o| !o.is_open()));
            over.map(|place| self.offers.remove(place));
        }
        self.offers.push(offer);
        self.offers.len() - 1
    }
}

impl Engine {
    /// The invariant that the order's offers break: I3 as far as units are held in them, I4, I5 as to what ends them, I6.
    pub(in crate::engine) fn unsound_offers(&self, order: &Order) -> Option<&'static str> {
        for (place, line) in order.lines.iter().enumerate().filter(|(_, l)| !l.held.is_zero()) {
            let open = order.offers.iter().filter(|o| o.is_open()).flat_map(|o| &o.lines);
            let held: Qty = open.filter(|(l, _)| usize::from(*l) == place).map(|l| l.1).sum();
            if held != line.held {
                return Some("I3");
            }
        }
        for offer in &order.offers {
            let count = |state: OfferEntry| offer.entries.iter().filter(|e| e.state == state).count();
            let (open, won) = (count(OfferEntry::Open), count(OfferEntry::Won));
            let sound = match offer.state {
                OfferState::Offered => open > 0 && won == 0 && offer.winner.is_none(),
                OfferState::Claimed => {
                    let winner = offer.winner.and_then(|winner| offer.entry(winner));
                    open == 0 && won == 1 && winner.is_some_and(|e| e.state == OfferEntry::Won)
                }
                OfferState::Exhausted | OfferState::Withdrawn => {
                    open == 0 && won == 0 && offer.winner.is_none()
                }
            };
            if !sound || offer.epoch > order.epochs {
                return Some("I4");
            }
            let ends = |at: i64| self.state.deadlines.contains(&(at, Lapse::Offer(order.id)));
            if offer.is_open() && offer.expires.is_some_and(|at| !ends(at)) {
                return Some("I5");
            }
            let again =
                |e: &Entry| e.state == OfferEntry::Open && !e.part && order.declined.contains(&e.node);
            if offer.entries.iter().any(again) {
                return Some("I6");
            }
        }
        None
    }
}
