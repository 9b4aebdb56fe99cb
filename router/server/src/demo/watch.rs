//! Follows `router.events` and keeps what a person would look at.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Mutex,
};

use router_log::{Log, LogError};
use router_schemas::{
    envelope,
    event::{Change, Decision, Event, Verdict},
    geo,
    id::OrderId,
    position::Topic,
    quantity::Qty,
    row::{OrderRow, Row},
};

use super::{
    lock,
    offers::{Grab, Offers},
    tail::Tail,
};

/// Decisions that are kept for the picture.
const LAST: usize = 6;

/// What was seen so far.
pub(super) struct Watch {
    seen: Mutex<Seen>,
    tail: Tail,
}

#[derive(Default)]
struct Seen {
    /// Orders by how they stand, since offers decide too; else by their last decision.
    by_rows: bool,
    standings: HashMap<OrderId, Standing>,
    counts: Counts,
    offers: Offers,
    last: VecDeque<String>,
}

/// How an order stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Decided(Verdict),
    /// Something of it is at the central warehouse, all the rest at stores.
    Forwarded,
    /// Something of it is on offer.
    Offered,
    /// Cancelled before any store had something of it.
    Gone,
}

/// Orders by how they stand.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    pub allocated: u64,
    pub split: u64,
    pub backordered: u64,
    pub unfillable: u64,
    pub forwarded: u64,
    pub offered: u64,
    pub gone: u64,
    /// Row images written.
    pub rows: u64,
}

impl Watch {
    /// A watch of the events from now on.
    pub fn from_now(log: &dyn Log, by_rows: bool) -> Watch {
        let seen = Mutex::new(Seen { by_rows, ..Seen::default() });
        Watch { seen, tail: Tail::at_end(log, Topic::Events) }
    }

    /// Follows the events until told to stop. Blocks.
    pub fn follow(&self, log: &dyn Log) -> Result<(), LogError> {
        self.tail.follow(log, |batch| {
            let mut seen = lock(&self.seen);
            for record in &batch.records {
                if let Ok((_, event)) = envelope::decode::<Event>(&record.payload) {
                    seen.note(&event);
                }
            }
        })
    }

    /// Has the follower end.
    pub fn stop(&self) {
        self.tail.stop();
    }

    /// Whether all events that there are were seen.
    pub fn is_at_end(&self, log: &dyn Log) -> bool {
        self.tail.is_at_end(log)
    }

    pub fn counts(&self) -> Counts {
        lock(&self.seen).counts
    }

    /// What became of offers.
    pub fn grab(&self) -> Grab {
        let seen = lock(&self.seen);
        let Counts { forwarded, offered, gone, .. } = seen.counts;
        Grab { forwarded, offered, cancelled_early: gone, ..seen.offers.counts() }
    }

    /// The last decisions, in words.
    pub fn last(&self) -> Vec<String> {
        lock(&self.seen).last.iter().cloned().collect()
    }
}

impl Counts {
    fn of(&mut self, standing: Standing) -> &mut u64 {
        match standing {
            Standing::Decided(Verdict::Whole) => &mut self.allocated,
            Standing::Decided(Verdict::Split) => &mut self.split,
            Standing::Decided(Verdict::Backordered) => &mut self.backordered,
            Standing::Decided(Verdict::Partial | Verdict::Unfillable) => &mut self.unfillable,
            Standing::Forwarded => &mut self.forwarded,
            Standing::Offered => &mut self.offered,
            Standing::Gone => &mut self.gone,
        }
    }
}

impl Seen {
    fn note(&mut self, event: &Event) {
        self.counts.rows += event.rows.len() as u64;
        if self.by_rows {
            for row in &event.rows {
                let Row::Order(row) = row else { continue };
                if row.part_of.is_none() {
                    let known = self.standings.get(&row.order).copied();
                    self.stands(row.order, standing(row, known));
                }
            }
        }
        let name = |row: &Row| match row {
            Row::Order(row) if Some(row.order) == event.order => Some(row.identity.external_id.clone()),
            Row::Offer(row) if Some(row.order) == event.order => Some(row.identity.external_id.clone()),
            _ => None,
        };
        // A due item's rows may stand in another event; then it has no name here, and is only counted.
        let name = event.rows.iter().find_map(name);
        for change in &event.changes {
            if let (Some(claim), Some(name)) = (self.offers.note(event.at, change), &name) {
                self.tell(format!("{name:>10} → {claim}"));
            }
            let (Change::Decided(decision), Some(order)) = (change, event.order) else { continue };
            if !self.by_rows {
                self.stands(order, Standing::Decided(decision.verdict));
            }
            if let Some(name) = &name {
                self.tell(said(name, decision));
            }
        }
    }

    fn stands(&mut self, order: OrderId, standing: Standing) {
        if let Some(before) = self.standings.insert(order, standing) {
            *self.counts.of(before) -= 1;
        }
        *self.counts.of(standing) += 1;
    }

    fn tell(&mut self, words: String) {
        if self.last.len() == LAST {
            self.last.pop_front();
        }
        self.last.push_back(words);
    }
}

/// How an order stands by its row. What is cancelled as a whole stands as before, if a store had something of it.
fn standing(row: &OrderRow, before: Option<Standing>) -> Standing {
    let sum = |of: fn(&router_schemas::row::LineRow) -> Qty| row.lines.iter().map(of).sum::<Qty>();
    let (open, held, away) = (sum(|l| l.open), sum(|l| l.held), sum(|l| l.away));
    let shipped_here: Qty = row.fulfilments.iter().map(|f| f.shipped).sum();
    let nodes: HashSet<&str> = row.fulfilments.iter().map(|f| f.node.as_str()).collect();
    let elsewhere = away.is_positive() || sum(|l| l.shipped) > shipped_here;
    if held.is_positive() {
        Standing::Offered
    } else if sum(|l| l.backordered).is_positive() {
        Standing::Decided(Verdict::Backordered)
    } else if open.is_positive() {
        Standing::Decided(Verdict::Unfillable)
    } else if elsewhere {
        Standing::Forwarded
    } else {
        match (nodes.len(), before) {
            (0, Some(before)) if before != Standing::Offered => before,
            (0, _) => Standing::Gone,
            (1, _) => Standing::Decided(Verdict::Whole),
            _ => Standing::Decided(Verdict::Split),
        }
    }
}

/// A decision in words.
fn said(order: &str, decision: &Decision) -> String {
    let Decision { candidates, covering, chosen, verdict, rule, .. } = decision;
    let places: Vec<_> = chosen.iter().take(2).map(|(node, chord2)| place(node, *chord2)).collect();
    let more = if chosen.len() > 2 { format!(" and {} more", chosen.len() - 2) } else { String::new() };
    let places = format!("{}{more}", places.join(" + "));
    let verdict = match verdict {
        Verdict::Whole => format!("{places}: {rule}, nearest of {covering} that have everything"),
        Verdict::Split => format!("{places}: {rule}, none of {candidates} has everything"),
        Verdict::Partial => format!("{places}: the rest is nowhere among {candidates}"),
        Verdict::Backordered => format!("{places}: some of it is promised beyond stock"),
        Verdict::Unfillable => format!("nowhere: none of {candidates} stores has any of it"),
    };
    format!("{order:>10} → {verdict}")
}

fn place(node: &str, chord2: Option<i64>) -> String {
    match chord2 {
        Some(chord2) => format!("{node} ({:.1} km)", geo::metres(chord2) / 1000.0),
        None => node.to_owned(),
    }
}
