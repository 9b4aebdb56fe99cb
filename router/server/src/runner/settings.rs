//! What can be set of the stages and of what the log keeps.

use std::{sync::Arc, time::Duration};

/// How the stages run, and how long the log keeps what they wrote.
#[derive(Clone)]
pub(crate) struct Settings {
    /// Partitions of a new log.
    pub partitions: u16,
    /// Whether snapshots are made and the log is trimmed at all.
    pub upkeep: bool,
    /// A snapshot is made when a partition has this many records behind its last one.
    pub snapshot_every: u64,
    /// Snapshots kept of each partition; the log is kept from the oldest one on. At least 1.
    pub snapshots_kept: usize,
    /// Outputs are kept this long.
    pub retention: Duration,
    /// Answers to callers are kept this long.
    pub reply_retention: Duration,
    /// Time between two looks at what the log can let go of.
    pub trim_every: Duration,
    /// A segment of the journal is closed at this size, bytes.
    pub segment_bytes: u64,
    /// This machine's clock, ms: of the journal, and for records that are ahead of it.
    pub clock: Arc<dyn Fn() -> i64 + Send + Sync>,
}

impl Default for Settings {
    fn default() -> Self {
        let options = router_log::Options::default();
        Self {
            partitions: 4,
            upkeep: true,
            snapshot_every: 250_000,
            snapshots_kept: 2,
            retention: Duration::from_secs(7 * 86_400),
            reply_retention: Duration::from_secs(60),
            trim_every: Duration::from_secs(60),
            segment_bytes: options.segment_bytes,
            clock: options.clock,
        }
    }
}

impl Settings {
    /// A tail of this many records is worth a snapshot when the router ends: replaying it would be felt at the
    /// next start.
    pub(super) fn worth_at_end(&self) -> u64 {
        (self.snapshot_every / 10).max(1)
    }

    /// How the journal is opened.
    pub fn journal(&self) -> router_log::Options {
        router_log::Options {
            segment_bytes: self.segment_bytes,
            clock: self.clock.clone(),
            ..router_log::Options::default()
        }
    }
}
