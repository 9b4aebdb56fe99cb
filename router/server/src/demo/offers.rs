//! What became of offers, from the events alone.

use std::collections::{HashMap, HashSet};

use hdrhistogram::Histogram;
use router_schemas::{
    command::part::PartRef,
    event::{Change, OfferChange, OfferStep, PartStep},
    id::{OfferId, OrderId},
};
use serde::Serialize;

/// Offers and parts, counted.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Grab {
    /// Orders with something at the central warehouse.
    pub forwarded: u64,
    /// Orders that were wholly cancelled before any store had something of them.
    pub cancelled_early: u64,
    /// Orders of which something is on offer still.
    pub offered: u64,
    /// Offers made.
    pub offers: u64,
    /// Rounds of them, the first included.
    pub rounds: u64,
    /// Stores that were asked, once for each round.
    pub asked: u64,
    /// Claims that won.
    pub claims: u64,
    /// Claims that came too late, or found no stock.
    pub claims_refused: u64,
    /// Of a hundred offers so many were claimed.
    pub claimed_percent: u64,
    /// Declines of offers.
    pub declines: u64,
    /// Of those, declines of some of the lines or units.
    pub declines_by_line: u64,
    /// Rounds whose time was over.
    pub lapses: u64,
    /// Offers that nobody took: the order went on behind them.
    pub fallbacks: u64,
    /// Offers taken back, since the customer cancelled.
    pub withdrawn: u64,
    /// Claimed or assigned work that a store gave back.
    pub given_back: u64,
    /// Offers that are open still: none may be, once their time is over.
    pub open_offers: u64,
    /// Offers that two stores won in one epoch: never.
    pub two_winners: u64,
    /// From offered to claimed, ms of engine time.
    pub claim_p50_ms: u64,
    pub claim_p99_ms: u64,
    /// Parts of orders sent to the central warehouse.
    pub parts_sent: u64,
    /// Of those, given back, some of it or all.
    pub parts_given_back: u64,
}

/// Offers as their events tell.
pub(super) struct Offers {
    seen: HashMap<OfferId, Seen>,
    counts: Grab,
    /// Offers that were ever claimed.
    claimed: u64,
    claimed_ms: Histogram<u64>,
    /// Parts: home's order, part, attempt.
    given_back: HashSet<(OrderId, u32, u32)>,
}

struct Seen {
    /// When its round began, engine time, ms.
    began: i64,
    round: u32,
    open: bool,
    /// The epoch in which a store won it, and which store.
    won: Option<(u32, String)>,
}

impl Default for Offers {
    fn default() -> Self {
        let claimed_ms = Histogram::new_with_bounds(1, 3_600_000, 3).expect("bounds that the library allows");
        let (seen, given_back) = (HashMap::new(), HashSet::new());
        Offers { seen, counts: Grab::default(), claimed: 0, claimed_ms, given_back }
    }
}

impl Offers {
    /// Counts a change of an event of this engine time, ms. A claim in words, where it is one.
    pub fn note(&mut self, at: i64, change: &Change) -> Option<String> {
        match change {
            Change::Offer(change) => return self.offer(at, change),
            Change::GivenBack(..) => self.counts.given_back += 1,
            Change::Part(part) => match part.what {
                PartStep::Sent => self.counts.parts_sent += 1,
                // Both zones tell it.
                PartStep::GivenBack => {
                    let PartRef { order, part, attempt, .. } = part.part;
                    self.given_back.insert((order, part, attempt));
                }
                PartStep::Cancelled | PartStep::Reported => {}
            },
            _ => {}
        }
        None
    }

    fn offer(&mut self, at: i64, change: &OfferChange) -> Option<String> {
        let OfferChange { offer, epoch, what } = change;
        let counts = &mut self.counts;
        if let OfferStep::Opened(round, nodes, _) = what {
            let seen = self.seen.entry(*offer).or_insert_with(|| {
                counts.offers += 1;
                Seen { began: at, round: 0, open: false, won: None }
            });
            // Told anew because its lines changed, it is the same round.
            if !seen.open || seen.round != *round {
                counts.rounds += 1;
                counts.asked += nodes.len() as u64;
                counts.open_offers += u64::from(!seen.open);
                (seen.began, seen.round, seen.open) = (at, *round, true);
            }
            return None;
        }
        let seen = self.seen.get_mut(offer)?;
        match what {
            OfferStep::Claimed(node) => {
                let other = |won: &(u32, String)| won.0 == *epoch && won.1 != *node;
                counts.two_winners += u64::from(seen.won.as_ref().is_some_and(other));
                counts.claims += 1;
                self.claimed += u64::from(seen.won.is_none());
                seen.won = Some((*epoch, node.clone()));
                let took = u64::try_from(at - seen.began).unwrap_or(0);
                self.claimed_ms.saturating_record(took.max(1));
                end(seen, counts);
                return Some(format!("{node}: claimed in {took} ms, round {}", seen.round));
            }
            OfferStep::Declined(_, _, lines) => {
                counts.declines += 1;
                counts.declines_by_line += u64::from(!lines.is_empty());
            }
            OfferStep::Lapsed => counts.lapses += 1,
            OfferStep::Exhausted => {
                counts.fallbacks += 1;
                end(seen, counts);
            }
            OfferStep::Withdrawn => {
                counts.withdrawn += 1;
                end(seen, counts);
            }
            OfferStep::Opened(..) | OfferStep::Closed(..) => {}
        }
        None
    }

    /// What was counted so far.
    pub fn counts(&self) -> Grab {
        Grab {
            claimed_percent: self.claimed * 100 / self.counts.offers.max(1),
            parts_given_back: self.given_back.len() as u64,
            claim_p50_ms: self.claimed_ms.value_at_quantile(0.5),
            claim_p99_ms: self.claimed_ms.value_at_quantile(0.99),
            ..self.counts
        }
    }
}

fn end(seen: &mut Seen, counts: &mut Grab) {
    counts.open_offers -= u64::from(std::mem::take(&mut seen.open));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_winners_of_one_epoch_are_found() {
        let mut offers = Offers::default();
        let offer = OfferId::default();
        let mut note = |at, epoch, what| offers.note(at, &Change::Offer(OfferChange { offer, epoch, what }));
        let nodes = vec!["a".to_owned(), "b".to_owned()];
        note(1000, 1, OfferStep::Opened(1, nodes.clone(), None));
        note(1250, 1, OfferStep::Claimed("a".into()));
        // Given back and offered again, the next winner is no second one.
        note(2000, 2, OfferStep::Opened(1, nodes, None));
        note(2500, 2, OfferStep::Claimed("b".into()));
        let Grab { offers: made, rounds, claims, two_winners, open_offers, claimed_percent, .. } =
            offers.counts();
        assert_eq!((made, rounds, claims, two_winners, open_offers, claimed_percent), (1, 2, 2, 0, 0, 100));
        let what = OfferStep::Claimed("a".into());
        offers.note(2600, &Change::Offer(OfferChange { offer, epoch: 2, what }));
        assert_eq!(offers.counts().two_winners, 1);
    }
}
