//! Follows a topic from where it ends now, and knows how far it has come.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use router_log::{Batch, Isolation, Log, LogError};
use router_schemas::position::{Topic, TopicPartition};

use super::lock;
use crate::router::ends;

/// How long a look waits for something new.
const PATIENCE: Duration = Duration::from_millis(50);

/// A topic that is followed.
pub(super) struct Tail {
    topic: Topic,
    /// The next offset of each partition.
    next: Mutex<Vec<u64>>,
    stop: AtomicBool,
}

impl Tail {
    /// From the ends of the topic on.
    pub fn at_end(log: &dyn Log, topic: Topic) -> Tail {
        let next = ends(log, &topic);
        Tail { topic, next: Mutex::new(next), stop: AtomicBool::new(false) }
    }

    /// Follows until told to stop; what is there by then is still taken. Blocks.
    pub fn follow(&self, log: &dyn Log, mut take: impl FnMut(&Batch)) -> Result<(), LogError> {
        let from = lock(&self.next).clone();
        let from = (0..).zip(from).map(|(p, next)| (TopicPartition::new(self.topic.clone(), p), next));
        let mut reader = log.reader(from.collect(), Isolation::Durable)?;
        loop {
            let ending = self.stops();
            let Some(batch) = reader.poll(4096, 1 << 20, PATIENCE)? else {
                if ending {
                    return Ok(());
                }
                continue;
            };
            take(&batch);
            if let Some(last) = batch.records.last() {
                let mut next = lock(&self.next);
                next[usize::from(batch.source.partition)] = last.offset + 1;
            }
        }
    }

    /// Has the follower end.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether it was told to.
    pub fn stops(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Whether all that the log has now was taken.
    pub fn is_at_end(&self, log: &dyn Log) -> bool {
        let ends = ends(log, &self.topic);
        *lock(&self.next) == ends
    }
}
