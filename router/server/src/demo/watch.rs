//! Follows `router.events` and keeps what a person would look at.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use router_log::{Isolation, Log, LogError};
use router_schemas::{
    envelope,
    event::{Change, Decision, Event, Verdict},
    geo,
    id::OrderId,
    position::{Topic, TopicPartition},
    row::Row,
};

/// Decisions that are kept for the picture.
const LAST: usize = 6;

/// What was seen so far.
#[derive(Default)]
pub(super) struct Watch {
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    verdicts: HashMap<OrderId, Verdict>,
    counts: Counts,
    last: VecDeque<String>,
}

/// Orders by their last decision.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    pub allocated: u64,
    pub split: u64,
    pub backordered: u64,
    pub unfillable: u64,
    /// Row images written.
    pub rows: u64,
}

impl Watch {
    /// Follows the events from these offsets on, until told to stop.
    pub fn follow(
        &self,
        log: &dyn Log,
        from: Vec<(TopicPartition, u64)>,
        stop: &AtomicBool,
    ) -> Result<(), LogError> {
        let mut reader = log.reader(from, Isolation::Durable)?;
        loop {
            let ending = stop.load(Ordering::Relaxed);
            let Some(batch) = reader.poll(4096, 1 << 20, Duration::from_millis(50))? else {
                if ending {
                    return Ok(());
                }
                continue;
            };
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            for record in &batch.records {
                if let Ok((_, event)) = envelope::decode::<Event>(&record.payload) {
                    seen.note(&event);
                }
            }
        }
    }

    pub fn counts(&self) -> Counts {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).counts
    }

    /// The last decisions, in words.
    pub fn last(&self) -> Vec<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).last.iter().cloned().collect()
    }
}

/// The ends of `router.events` now.
pub(super) fn ends(log: &dyn Log) -> Vec<(TopicPartition, u64)> {
    let count = log.partitions(&Topic::Events).unwrap_or(0);
    let end = |p| {
        let partition = TopicPartition::new(Topic::Events, p);
        let end = log.range(&partition).map_or(0, |range| range.end);
        (partition, end)
    };
    (0..count).map(end).collect()
}

impl Counts {
    fn of(&mut self, verdict: Verdict) -> &mut u64 {
        match verdict {
            Verdict::Whole => &mut self.allocated,
            Verdict::Split => &mut self.split,
            Verdict::Backordered => &mut self.backordered,
            Verdict::Partial | Verdict::Unfillable => &mut self.unfillable,
        }
    }
}

impl Seen {
    fn note(&mut self, event: &Event) {
        self.counts.rows += event.rows.len() as u64;
        let Some(order) = event.order else { return };
        for change in &event.changes {
            let Change::Decided(decision) = change else { continue };
            if let Some(before) = self.verdicts.insert(order, decision.verdict) {
                *self.counts.of(before) -= 1;
            }
            *self.counts.of(decision.verdict) += 1;
            let name = event.rows.iter().find_map(|row| match row {
                Row::Order(row) if row.order == order => Some(row.identity.external_id.as_str()),
                _ => None,
            });
            if self.last.len() == LAST {
                self.last.pop_front();
            }
            self.last.push_back(said(name.unwrap_or("?"), decision));
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
