//! Recomputes from the log alone what must hold, and compares log, rows and topics. Shares the vocabulary with the
//! engine and none of its code: units are added up from the moves that events state, not from its state.
//!
//! Each partition is read once, all side by side ([`reading`]). What is kept is what is still waiting for its
//! counterpart (a command for its outcome, an exception for its alert), and for each order and cell the sums. A log
//! whose beginning was trimmed is judged from the first row of each order and cell on, and the report says so.

mod audit;
mod lanes;
mod ledger;
mod notices;
mod orders;
mod parts;
mod reading;
mod report;
mod rows;
mod ties;

use std::{collections::BTreeMap, ops::Range};

use router_log::{Log, LogError};
use router_schemas::{position::TopicPartition, stage::StageName};
use router_sinks::{Store, StoreError};

pub use report::{CODES, Report, Violation};

/// The audit could not be made.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The rows.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How far an audit goes: the commands that were applied at some moment, and what they caused.
#[derive(Clone, Debug)]
pub struct Cut {
    /// Offset behind the last record that each stage partition had applied.
    applied: BTreeMap<TopicPartition, u64>,
    /// What each partition held.
    held: Vec<(TopicPartition, Range<u64>)>,
    /// Nothing moved while this was noted: what no applied command caused has no business to be there.
    still: bool,
}

impl Cut {
    /// Now. While a router runs, what comes later is left out.
    pub fn now(log: &dyn Log) -> Cut {
        let mut applied = applied(log);
        for _ in 0..8 {
            let held = held(log);
            let after = self::applied(log);
            if after == applied {
                return Cut { applied, held, still: true };
            }
            applied = after;
        }
        Cut { applied, held: held(log), still: false }
    }
}

fn applied(log: &dyn Log) -> BTreeMap<TopicPartition, u64> {
    let stages = StageName::ALL.into_iter().flat_map(|stage| {
        let count = log.partitions(&stage.input()).unwrap_or(0);
        (0..count).map(move |partition| (stage, TopicPartition::new(stage.input(), partition)))
    });
    stages
        .map(|(stage, partition)| {
            let next = log.committed(stage.group(), &partition).unwrap_or(0);
            (partition, next)
        })
        .collect()
}

fn held(log: &dyn Log) -> Vec<(TopicPartition, Range<u64>)> {
    let partitions = log.topics().into_iter().flat_map(|(topic, count)| {
        (0..count).map(move |partition| TopicPartition::new(topic.clone(), partition))
    });
    partitions
        .map(|partition| {
            let range = log.range(&partition).unwrap_or_default();
            (partition, range)
        })
        .collect()
}

/// How far a running audit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Records read.
    pub done: u64,
    /// Records to read.
    pub of: u64,
}

/// Reads the whole log and, where given, compares the rows, which must have followed all of its events.
pub fn audit(log: &dyn Log, store: Option<&dyn Store>) -> Result<Report, AuditError> {
    audit_upto(log, store, &Cut::now(log), &mut |_| {})
}

/// As [`audit`], up to a cut, while a router may go on. Rows that are newer than the cut are left out, and said to
/// be. `progress` is called every few thousand records.
pub fn audit_upto(
    log: &dyn Log,
    store: Option<&dyn Store>,
    cut: &Cut,
    progress: &mut dyn FnMut(Progress),
) -> Result<Report, AuditError> {
    let mut audit = audit::Audit::new(log, cut)?;
    audit.read(progress)?;
    audit.close();
    if let Some(store) = store {
        rows::compare(&audit.ledger, store, cut, &mut audit.report)?;
    }
    Ok(audit.report)
}
