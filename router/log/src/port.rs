//! The port: what the router asks of a log. Kafka's terms where Kafka has one.

use std::{ops::Range, sync::Arc, time::Duration};

use bytes::Bytes;
use router_schemas::position::{LogId, Topic, TopicPartition};

use crate::{Checked, LogError};

/// A record as read.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its offset.
    pub offset: u64,
    /// Append time given by the log, ms since 1970.
    pub at: i64,
    /// The bytes.
    pub payload: Bytes,
}

/// Records of one partition, offsets ascending without gaps.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Where they lie.
    pub source: TopicPartition,
    /// The records, at least one.
    pub records: Vec<Record>,
}

/// How far a reader has come, written in the transaction of what it made of it.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Commit {
    /// Name of the stage or follower.
    pub group: Arc<str>,
    /// What it reads.
    pub source: TopicPartition,
    /// Offset of the next record to read.
    pub next: u64,
}

/// When a transaction is on disk: as soon as the watermark has reached its ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Ticket(pub u64);

/// What an append was given.
#[derive(Clone, Debug, Default)]
pub struct Appended {
    /// When it is on disk.
    pub ticket: Ticket,
    /// Append time of its records, ms.
    pub at: i64,
    /// The offset of each record, in the order in which they were pushed.
    pub offsets: Vec<u64>,
}

/// What a reader may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// All that is appended: for stages, whose outputs can only be on disk together with their inputs.
    Appended,
    /// What is on disk: for answers and everything outside.
    Durable,
}

/// Whether the log takes records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogState {
    /// It does.
    Running,
    /// The disk is full: stages wait, new orders are refused.
    NoRoom(String),
    /// A write failed for good.
    Failed(String),
}

/// Records and progress that become visible together or not at all. Reused: nothing is allocated per record.
#[derive(Debug, Default)]
pub struct Transaction {
    pub(crate) targets: Vec<TopicPartition>,
    /// What goes to each target, as it will lie in the log; more than targets where more were used before.
    areas: Vec<Area>,
    /// Target of each record, and its number there.
    pub(crate) records: Vec<(u32, u32)>,
    pub(crate) commits: Vec<Commit>,
}

/// The records of one target: each its length (u32 LE), then its bytes.
#[derive(Debug, Default)]
pub(crate) struct Area {
    pub bytes: Vec<u8>,
    pub count: u32,
}

impl Transaction {
    /// Adds a record.
    pub fn push(&mut self, topic: &Topic, partition: u16, payload: &[u8]) {
        self.push_with(topic, partition, |out| out.extend_from_slice(payload));
    }

    /// Adds the record that `write` appends to the buffer, which holds other records already.
    pub fn push_with(&mut self, topic: &Topic, partition: u16, write: impl FnOnce(&mut Vec<u8>)) {
        let known = self.targets.iter().position(|t| t.partition == partition && t.topic == *topic);
        let target = known.unwrap_or_else(|| {
            self.targets.push(TopicPartition::new(topic.clone(), partition));
            if self.areas.len() < self.targets.len() {
                self.areas.push(Area::default());
            }
            self.targets.len() - 1
        });
        let area = &mut self.areas[target];
        let start = area.bytes.len();
        area.bytes.extend_from_slice(&[0; 4]);
        write(&mut area.bytes);
        let length = (area.bytes.len() - start - 4) as u32;
        area.bytes[start..start + 4].copy_from_slice(&length.to_le_bytes());
        self.records.push((target as u32, area.count));
        area.count += 1;
    }

    /// Adds progress.
    pub fn commit(&mut self, commit: Commit) {
        self.commits.push(commit);
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// True where there is neither record nor progress.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.commits.is_empty()
    }

    /// Bytes of all records, their lengths included.
    pub fn bytes(&self) -> usize {
        self.areas().iter().map(|area| area.bytes.len()).sum()
    }

    /// What goes to each target.
    pub(crate) fn areas(&self) -> &[Area] {
        &self.areas[..self.targets.len()]
    }

    /// Empties it for the next use.
    pub fn clear(&mut self) {
        for area in &mut self.areas[..self.targets.len()] {
            area.bytes.clear();
            area.count = 0;
        }
        self.targets.clear();
        self.records.clear();
        self.commits.clear();
    }
}

/// What trimming removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trimmed {
    /// Files removed.
    pub segments: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// An ordered log of topics and partitions.
pub trait Log: Send + Sync + 'static {
    /// Identity of this log.
    fn log_id(&self) -> LogId;

    /// Topics and their partition counts, in name order.
    fn topics(&self) -> Vec<(Topic, u16)>;

    /// Partition count of a topic; `None`: no such topic.
    fn partitions(&self, topic: &Topic) -> Option<u16>;

    /// Makes a topic. The same again changes nothing; another count is refused.
    fn create_topic(&self, topic: &Topic, partitions: u16) -> Result<(), LogError>;

    /// Appends a transaction, waiting while the log is behind or has no room. Readers with
    /// [`Isolation::Appended`] see it at once.
    fn append(&self, transaction: &Transaction) -> Result<Appended, LogError>;

    /// As [`Log::append`], but [`LogError::NoRoom`] at once where the disk is full or almost: for new orders.
    fn append_if_room(&self, transaction: &Transaction) -> Result<Appended, LogError>;

    /// A reader of these partitions from these offsets on.
    fn reader(
        &self,
        from: Vec<(TopicPartition, u64)>,
        isolation: Isolation,
    ) -> Result<Box<dyn Reader>, LogError>;

    /// First offset kept and next offset to be written.
    fn range(&self, partition: &TopicPartition) -> Option<Range<u64>>;

    /// Progress of a group in a partition.
    fn committed(&self, group: &str, partition: &TopicPartition) -> Option<u64>;

    /// The ticket of the last transaction appended.
    fn last(&self) -> Ticket;

    /// Waits until the transaction with this ticket is on disk.
    fn wait_durable(&self, ticket: Ticket) -> Result<(), LogError>;

    /// The watermark of what is on disk, for async waiters.
    fn durable(&self) -> tokio::sync::watch::Receiver<Ticket>;

    /// Removes the oldest files none of whose records is needed: below `keep` in its partition, and appended
    /// before `retain_after` for its topic, ms. Neither may ask the log.
    fn trim(
        &self,
        keep: &dyn Fn(&TopicPartition) -> u64,
        retain_after: &dyn Fn(&Topic) -> i64,
    ) -> Result<Trimmed, LogError>;

    /// What [`Log::trim`] would remove now: the first offset that would be kept of each partition that loses some.
    fn trimmable(
        &self,
        keep: &dyn Fn(&TopicPartition) -> u64,
        retain_after: &dyn Fn(&Topic) -> i64,
    ) -> Vec<(TopicPartition, u64)>;

    /// Reads the next piece, about a megabyte, of what nobody writes to any more, and checks that it is what was
    /// written. False: all of it was read. Damage is an error that names file and byte. For a thread that has time.
    fn check_next(&self, checked: &mut Checked) -> Result<bool, LogError>;

    /// Whether it takes records.
    fn state(&self) -> LogState;
}

/// Reads some partitions in order.
pub trait Reader: Send {
    /// The next records of one of its partitions, round robin: at most so many records, and no more once so
    /// many bytes are reached. Waits at most `timeout`; `None`: nothing new.
    fn poll(&mut self, records: usize, bytes: usize, timeout: Duration) -> Result<Option<Batch>, LogError>;

    /// Goes on from this offset in that partition.
    fn seek(&mut self, partition: &TopicPartition, offset: u64);
}

/// Hands the records of a range to `take`, batch by batch, each once and in order. All of them must be there: a
/// range that cannot be read to its end is an error, never a shorter range.
pub fn scan<E: From<LogError>>(
    log: &dyn Log,
    partition: &TopicPartition,
    range: Range<u64>,
    isolation: Isolation,
    mut take: impl FnMut(&[Record]) -> Result<(), E>,
) -> Result<(), E> {
    let mut next = range.start;
    if next >= range.end {
        return Ok(());
    }
    let mut reader = log.reader(vec![(partition.clone(), next)], isolation)?;
    while next < range.end {
        let Some(mut batch) = reader.poll(SCAN.0, SCAN.1, SCAN_WAIT)? else {
            let place = format!("{partition}@{next} cannot be read, {} were said to be there", range.end);
            return Err(LogError::Failed(place).into());
        };
        batch.records.retain(|record| record.offset < range.end);
        next = batch.records.last().map_or(range.end, |record| record.offset + 1);
        take(&batch.records)?;
    }
    Ok(())
}

/// Records and bytes of one batch of a scan.
const SCAN: (usize, usize) = (4096, 4 << 20);
/// How long a scan waits for records that are there: a disk that is slow, not one that has none.
const SCAN_WAIT: Duration = Duration::from_secs(30);
