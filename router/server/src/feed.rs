//! What stores are told, as it reaches the disk: read once for all who listen.

use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use router_log::{Isolation, Log, LogError};
use router_schemas::position::{Topic, TopicPartition};
use serde::Deserialize;
use tokio::sync::broadcast;

/// Records kept for a listener that is behind; one that is further behind starts anew.
const KEPT: usize = 1024;
/// Records and bytes of one look.
const LOOK: (usize, usize) = (1024, 1 << 20);
/// How long a look waits for something new.
const PATIENCE: Duration = Duration::from_millis(200);

/// One record of `stores.assignments`.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// Where it lies.
    pub partition: u16,
    /// Its offset there.
    pub offset: u64,
    /// The node that is told.
    pub node: Arc<str>,
    /// What happened: `offered`, `assigned`, …
    pub event: Arc<str>,
    /// The record: a JSON object.
    pub payload: Bytes,
}

impl Told {
    /// Reads a record; `None`: it is not of this form.
    pub fn read(partition: u16, offset: u64, payload: &Bytes) -> Option<Told> {
        #[derive(Deserialize)]
        struct Head<'a> {
            node: std::borrow::Cow<'a, str>,
            event: std::borrow::Cow<'a, str>,
        }
        let head: Head<'_> = serde_json::from_slice(payload).ok()?;
        let (node, event) = (head.node.as_ref().into(), head.event.as_ref().into());
        // A copy: what is kept for those who are behind does not keep all that was read with it.
        Some(Told { partition, offset, node, event, payload: Bytes::copy_from_slice(payload) })
    }
}

/// Passes records on to all who listen.
pub(crate) struct Feed(RwLock<Option<broadcast::Sender<Told>>>);

impl Default for Feed {
    fn default() -> Self {
        Feed(RwLock::new(Some(broadcast::channel(KEPT).0)))
    }
}

impl Feed {
    /// Listens from now on; `None`: the router ends.
    pub fn listen(&self) -> Option<broadcast::Receiver<Told>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(broadcast::Sender::subscribe)
    }

    /// Ends all streams.
    pub fn close(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Whether anybody listens.
    fn is_heard(&self) -> bool {
        let sender = self.0.read().unwrap_or_else(PoisonError::into_inner);
        sender.as_ref().is_some_and(|sender| sender.receiver_count() > 0)
    }

    fn send(&self, told: Told) {
        if let Some(sender) = self.0.read().unwrap_or_else(PoisonError::into_inner).as_ref() {
            // Nobody listens just now: nothing is lost, they read the log from where they are.
            let _ = sender.send(told);
        }
    }

    /// Follows the log until `stop`. While nobody listens it only keeps its place.
    pub fn follow(&self, log: &dyn Log, stop: &AtomicBool) -> Result<(), LogError> {
        let partitions = log.partitions(&Topic::Assignments).unwrap_or(0);
        let end = |at: &TopicPartition| log.range(at).map_or(0, |range| range.end);
        let from = (0..partitions).map(|p| TopicPartition::new(Topic::Assignments, p));
        let from: Vec<_> = from.map(|at| (at.clone(), end(&at))).collect();
        let mut reader = log.reader(from, Isolation::Durable)?;
        while !stop.load(Ordering::Relaxed) {
            let Some(batch) = reader.poll(LOOK.0, LOOK.1, PATIENCE)? else { continue };
            if !self.is_heard() {
                continue;
            }
            let partition = batch.source.partition;
            for record in &batch.records {
                if let Some(told) = Told::read(partition, record.offset, &record.payload) {
                    self.send(told);
                }
            }
        }
        Ok(())
    }
}
