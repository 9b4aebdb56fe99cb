//! Keeps a store behind the events of a log. The store may be slow or fail: routing does not wait for it, and the
//! follower tries again until it is there.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use router_log::{Isolation, Log, LogError};
use router_schemas::{
    envelope,
    event::Event,
    position::{Topic, TopicPartition},
};

use crate::{Store, StoreError};

/// Following ended.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An event that does not decode.
    #[error("E2103: the event at {0} does not decode: {1}; no rows are written from there on")]
    Event(String, envelope::CodecError),
    /// Rows of events that this log does not have.
    #[error(
        "E2105: rows follow {0} up to {1}, the log ends at {2}; `router run` makes them again where the log has its \
         start, else put the folder `rows` back from the backup that the log is from"
    )]
    Ahead(TopicPartition, u64, u64),
}

/// How long to wait after the first failure, and at most. The wait doubles from one to the other.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));
/// How long a pause goes on after it was told to stop, at most.
const BREATH: Duration = Duration::from_millis(50);

/// Why rows are not written at the moment.
#[derive(Debug, Default)]
pub struct Health(Mutex<Option<String>>);

impl Health {
    /// The reason; `None`: they are.
    pub fn trouble(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn say(&self, trouble: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

/// Follows until `stop` is set, whatever fails: it says so in `health`, waits, and goes on where the store is.
pub fn follow_on(log: &dyn Log, store: &dyn Store, stop: &AtomicBool, health: &Health) {
    let mut pause = PAUSE.0;
    while !stop.load(Ordering::Relaxed) {
        let result = follow_while(log, store, stop, false, &mut || {
            health.say(None);
            pause = PAUSE.0;
        });
        let Err(error) = result else { return };
        tracing::error!(%error, "rows are not written; trying again");
        health.say(Some(format!("rows: {error}")));
        let mut left = pause;
        while !left.is_zero() && !stop.load(Ordering::Relaxed) {
            let step = left.min(BREATH);
            std::thread::sleep(step);
            left -= step;
        }
        pause = (pause * 2).min(PAUSE.1);
    }
}

/// Writes the rows of all events that are on disk, and of those to come, until `stop` is set. With `to_end` it
/// ends by itself where nothing is left.
pub fn follow(log: &dyn Log, store: &dyn Store, stop: &AtomicBool, to_end: bool) -> Result<(), FollowError> {
    follow_while(log, store, stop, to_end, &mut || {})
}

/// Where following goes on in each partition of the events. Rows that are not of this log, or of more than it has, are
/// an error.
pub fn begin(log: &dyn Log, store: &dyn Store) -> Result<Vec<(TopicPartition, u64)>, FollowError> {
    store.bind(log.log_id())?;
    let partitions = log.partitions(&Topic::Events).unwrap_or(0);
    let mut from = Vec::new();
    for partition in 0..partitions {
        let (at, mut position) = (TopicPartition::new(Topic::Events, partition), store.position(partition)?);
        let range = log.range(&at).unwrap_or_default();
        if position > range.end {
            return Err(FollowError::Ahead(at, position, range.end));
        }
        if position < range.start {
            let missing = range.start - position;
            tracing::warn!(partition = %at, missing, "events were trimmed before rows were made of them");
            position = range.start;
        }
        from.push((at, position));
    }
    Ok(from)
}

/// `well` is called whenever the store took something, or has nothing to take.
fn follow_while(
    log: &dyn Log,
    store: &dyn Store,
    stop: &AtomicBool,
    to_end: bool,
    well: &mut dyn FnMut(),
) -> Result<(), FollowError> {
    let from = begin(log, store)?;
    let mut reader = log.reader(from, Isolation::Durable)?;
    while !stop.load(Ordering::Relaxed) {
        let wait = Duration::from_millis(if to_end { 0 } else { 100 });
        let Some(batch) = reader.poll(4096, 4 << 20, wait)? else {
            if to_end {
                break;
            }
            well();
            continue;
        };
        let (mut rows, mut next) = (Vec::new(), 0);
        for record in &batch.records {
            let (_, event): (_, Event) = envelope::decode(&record.payload)
                .map_err(|e| FollowError::Event(format!("{}@{}", batch.source, record.offset), e))?;
            rows.extend(event.rows.into_iter().map(|row| (event.time, row)));
            next = record.offset + 1;
        }
        store.apply(batch.source.partition, next, rows)?;
        well();
    }
    Ok(())
}
