//! All partitions of a log side by side, each read once, in about the order in which things happened: the partition
//! whose next record is oldest comes first. What is kept of each is one small batch.

use std::{
    collections::{HashSet, VecDeque},
    ops::Range,
    time::Duration,
};

use router_log::{Isolation, Log, LogError, Reader, Record, scan};
use router_schemas::{
    command::Command,
    envelope,
    position::{Position, Topic, TopicPartition},
};

use crate::AuditError;

/// Records and bytes of one batch of one partition.
const BATCH: (usize, usize) = (1024, 1 << 20);
/// How long a read waits for records that are there: a disk that is slow, not one that has none.
const WAIT: Duration = Duration::from_secs(30);

/// One partition, read in order.
pub(crate) struct Cursor {
    pub partition: TopicPartition,
    next: u64,
    end: u64,
    reader: Box<dyn Reader>,
    batch: VecDeque<Record>,
    /// Append time of the record at the front; never goes back.
    at: i64,
}

impl Cursor {
    fn open(log: &dyn Log, partition: TopicPartition, range: Range<u64>) -> Result<Cursor, LogError> {
        let reader = log.reader(vec![(partition.clone(), range.start)], Isolation::Durable)?;
        let (next, end) = (range.start, range.end);
        let mut cursor = Cursor { partition, next, end, reader, batch: VecDeque::new(), at: i64::MIN };
        cursor.fill()?;
        Ok(cursor)
    }

    fn fill(&mut self) -> Result<(), LogError> {
        if self.batch.is_empty() && self.next < self.end {
            let Some(batch) = self.reader.poll(BATCH.0, BATCH.1, WAIT)? else {
                let place = format!("{}@{} cannot be read", self.partition, self.next);
                return Err(LogError::Failed(place));
            };
            self.batch = batch.records.into();
            self.batch.retain(|record| record.offset < self.end);
            self.next = self.batch.back().map_or(self.end, |record| record.offset + 1);
        }
        if let Some(front) = self.batch.front() {
            self.at = self.at.max(front.at);
        }
        Ok(())
    }

    /// The next record.
    pub fn pop(&mut self) -> Result<Option<Record>, AuditError> {
        let record = self.batch.pop_front();
        self.fill()?;
        Ok(record)
    }
}

/// The cursors of a log.
pub(crate) struct Reading {
    pub cursors: Vec<Cursor>,
}

impl Reading {
    pub fn open(log: &dyn Log, ranges: &[(TopicPartition, Range<u64>)]) -> Result<Reading, LogError> {
        let open = |(partition, range): &(TopicPartition, Range<u64>)| {
            Cursor::open(log, partition.clone(), range.clone())
        };
        let mut cursors = ranges.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        cursors.sort_by_key(|cursor| (rank(&cursor.partition.topic), cursor.partition.partition));
        Ok(Reading { cursors })
    }

    /// The partition whose next record is oldest; of several with the same time, inputs before outputs.
    pub fn oldest(&self) -> Option<usize> {
        let there = self.cursors.iter().enumerate().filter(|(_, cursor)| !cursor.batch.is_empty());
        there.min_by_key(|(place, cursor)| (cursor.at, *place)).map(|(place, _)| place)
    }

    pub fn place(&self, topic: &Topic, partition: u16) -> Option<usize> {
        let wanted = |c: &Cursor| c.partition.partition == partition && c.partition.topic == *topic;
        self.cursors.iter().position(wanted)
    }
}

/// Causes before what they caused.
fn rank(topic: &Topic) -> u8 {
    match topic {
        Topic::Control => 0,
        Topic::Intake => 1,
        Topic::Commands => 2,
        Topic::Events => 3,
        _ => 4,
    }
}

/// The records that operators had passed over, as `router.control` names them.
pub(crate) fn skips(
    log: &dyn Log,
    held: &[(TopicPartition, Range<u64>)],
) -> Result<HashSet<Position>, LogError> {
    let mut skips = HashSet::new();
    for (at, range) in held.iter().filter(|(at, _)| at.topic == Topic::Control) {
        scan(log, at, range.clone(), Isolation::Durable, |records| {
            for record in records {
                if let Ok((_, Command::Skip(position))) = envelope::decode::<Command>(&record.payload) {
                    skips.insert(position);
                }
            }
            Ok::<_, LogError>(())
        })?;
    }
    Ok(skips)
}
