//! Follows a topic from where it ends now, and knows how far it has come.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use router_log::{Batch, Isolation, Log, LogError};
use router_schemas::position::{Topic, TopicPartition};

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
        let from = self.next.lock().unwrap_or_else(PoisonError::into_inner).clone();
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
                let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
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
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) == ends
    }
}

fn ends(log: &dyn Log, topic: &Topic) -> Vec<u64> {
    let count = log.partitions(topic).unwrap_or(0);
    let end = |p| log.range(&TopicPartition::new(topic.clone(), p)).map_or(0, |range| range.end);
    (0..count).map(end).collect()
}
