//! Keeps a store behind the events of a log.

use std::{
    sync::atomic::{AtomicBool, Ordering},
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
    #[error("E2103: the event at {0} does not decode: {1}")]
    Event(String, envelope::CodecError),
}

/// Writes the rows of all events that are on disk, and of those to come, until `stop` is set. With `to_end` it
/// ends by itself where nothing is left.
pub fn follow(log: &dyn Log, store: &dyn Store, stop: &AtomicBool, to_end: bool) -> Result<(), FollowError> {
    let partitions = log.partitions(&Topic::Events).unwrap_or(0);
    let mut from = Vec::new();
    for partition in 0..partitions {
        from.push((TopicPartition::new(Topic::Events, partition), store.position(partition)?));
    }
    let mut reader = log.reader(from, Isolation::Durable)?;
    while !stop.load(Ordering::Relaxed) {
        let wait = Duration::from_millis(if to_end { 0 } else { 100 });
        let Some(batch) = reader.poll(4096, 4 << 20, wait)? else {
            if to_end {
                break;
            }
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
    }
    Ok(())
}
