//! A simulated log: partitions in memory, append times from a clock that may be wrong, and transactions that are either in
//! or not, whatever the writer hears of it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use router_schemas::position::{Topic, TopicPartition};

/// A record.
#[derive(Clone, Debug)]
pub struct Record {
    /// Append time, ms.
    pub at: i64,
    /// The bytes.
    pub payload: Arc<[u8]>,
}

/// An output of a stage, with its origin in the bytes.
#[derive(Clone, Debug)]
pub struct Written {
    /// The input record's offset.
    pub cause: u64,
    /// Where it goes.
    pub target: TopicPartition,
    /// The bytes.
    pub payload: Arc<[u8]>,
}

/// What a stage made of a batch: in together or not at all.
#[derive(Clone, Debug)]
pub struct Transaction {
    /// What was read.
    pub source: TopicPartition,
    /// Offset behind the batch.
    pub next: u64,
    /// Which owner writes: an older one is refused.
    pub epoch: u32,
    /// Offsets of the records that were applied: repeats were not.
    pub applied: Vec<u64>,
    /// What it wrote.
    pub outputs: Vec<Written>,
}

#[derive(Default)]
struct Partition {
    first: u64,
    records: VecDeque<Record>,
    /// Offset of the next record that its stage has not answered for.
    committed: u64,
    epoch: u32,
}

/// All partitions.
#[derive(Default)]
pub struct Log {
    partitions: BTreeMap<TopicPartition, Partition>,
    /// The clock of those who append, ms.
    pub clock: i64,
    /// A lie: whoever writes may.
    pub anyone: bool,
}

impl Log {
    /// An empty log at this time.
    pub fn at(clock: i64) -> Log {
        Log { clock, ..Log::default() }
    }

    /// Appends a record; its offset.
    pub fn append(&mut self, target: &TopicPartition, payload: Arc<[u8]>) -> u64 {
        let at = self.clock;
        let partition = self.partitions.entry(target.clone()).or_default();
        partition.records.push_back(Record { at, payload });
        partition.first + partition.records.len() as u64 - 1
    }

    /// Makes the next owner of a partition the only one that may commit; its number.
    pub fn own(&mut self, source: &TopicPartition) -> u32 {
        let partition = self.partitions.entry(source.clone()).or_default();
        partition.epoch += 1;
        partition.epoch
    }

    /// Takes a transaction in. False: somebody else owns the partition by now, or the batch is in already.
    pub fn commit(&mut self, transaction: &Transaction) -> bool {
        let partition = self.partitions.entry(transaction.source.clone()).or_default();
        if partition.epoch != transaction.epoch && !self.anyone || partition.committed >= transaction.next {
            return false;
        }
        partition.committed = transaction.next;
        for written in &transaction.outputs {
            if matches!(written.target.topic, Topic::Intake | Topic::Commands | Topic::Control) {
                self.append(&written.target, written.payload.clone());
            }
        }
        true
    }

    /// Offset of the next record that the partition's stage has not answered for.
    pub fn committed(&self, source: &TopicPartition) -> u64 {
        self.partitions.get(source).map_or(0, |p| p.committed)
    }

    /// All partitions.
    pub fn sources(&self) -> Vec<TopicPartition> {
        self.partitions.keys().cloned().collect()
    }

    /// Offset behind the last record.
    pub fn end(&self, source: &TopicPartition) -> u64 {
        self.partitions.get(source).map_or(0, |p| p.first + p.records.len() as u64)
    }

    /// A record; `None`: it is not there, or not any more.
    pub fn record(&self, source: &TopicPartition, offset: u64) -> Option<&Record> {
        let partition = self.partitions.get(source)?;
        partition.records.get(offset.checked_sub(partition.first)? as usize)
    }

    /// Lets go of what is below `keep`.
    pub fn trim(&mut self, source: &TopicPartition, keep: u64) {
        if let Some(partition) = self.partitions.get_mut(source) {
            while partition.first < keep.min(partition.committed) && partition.records.pop_front().is_some() {
                partition.first += 1;
            }
        }
    }
}
