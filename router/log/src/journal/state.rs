//! What the journal knows in memory, and appending to it.

use std::collections::VecDeque;

use bytes::Bytes;
use router_schemas::position::{Topic, TopicPartition};

use super::Shared;
use crate::{
    Appended, Commit, LogError, LogState, Record, Ticket, Transaction,
    frame::{Draft, FrameIndex, Group, SegmentHead},
};

/// Bytes that may wait for the disk before appends wait too.
const PENDING_BYTES: usize = 64 << 20;

pub(crate) struct State {
    pub topics: Vec<TopicState>,
    pub commits: Vec<Commit>,
    /// Segments on disk, oldest first; the last one is being written.
    pub segments: VecDeque<Segment>,
    /// The newest frames, the pending ones among them.
    pub cache: VecDeque<Cached>,
    pub cached_bytes: usize,
    pub pending: VecDeque<Pending>,
    pub pending_bytes: usize,
    pub next_frame: u64,
    /// Number of the last frame on disk.
    pub durable: u64,
    pub log_state: LogState,
    /// Less than the reserve is free.
    pub scarce: Option<String>,
    pub closing: bool,
}

pub(crate) struct TopicState {
    pub topic: Topic,
    pub partitions: Vec<PartitionState>,
}

#[derive(Default)]
pub(crate) struct PartitionState {
    pub first: u64,
    pub next: u64,
    /// Which frames hold records of it, in order.
    pub entries: VecDeque<Entry>,
}

/// A frame that holds records of a partition.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Entry {
    /// Offset of its first record there.
    pub base: u64,
    pub frame: u64,
    pub segment: u32,
    pub byte: u32,
}

pub(crate) struct Segment {
    pub number: u32,
    pub bytes: u64,
    /// Number of its first frame; 0: it was there when the journal was opened.
    pub first_frame: u64,
    /// Time of its last frame.
    pub last_at: i64,
}

pub(crate) struct Cached {
    pub number: u64,
    pub bytes: Bytes,
}

/// A frame on its way to the disk.
pub(crate) struct Pending {
    pub number: u64,
    pub segment: u32,
    pub bytes: Bytes,
}

impl State {
    pub fn topic(&self, topic: &Topic) -> Option<&TopicState> {
        self.topics.iter().find(|t| t.topic == *topic)
    }

    pub fn partition(&self, at: &TopicPartition) -> Option<&PartitionState> {
        self.topic(&at.topic)?.partitions.get(usize::from(at.partition))
    }

    /// The frame with this number, if it is in memory.
    pub fn cached(&self, number: u64) -> Option<&Bytes> {
        let first = self.cache.front()?.number;
        self.cache.get(usize::try_from(number.checked_sub(first)?).ok()?).map(|c| &c.bytes)
    }

    fn target(&self, at: &TopicPartition) -> Result<(usize, usize), LogError> {
        let missing = || LogError::NoPartition(at.clone());
        let topic = self.topics.iter().position(|t| t.topic == at.topic).ok_or_else(missing)?;
        let partition = usize::from(at.partition);
        if partition < self.topics[topic].partitions.len() { Ok((topic, partition)) } else { Err(missing()) }
    }

    /// Everything that recovery has to know from before a segment.
    fn segment_head(&self, shared: &Shared) -> SegmentHead {
        let next = |t: &TopicState| t.partitions.iter().map(|p| p.next).collect();
        let topics =
            self.topics.iter().enumerate().map(|(i, t)| (i as u16, t.topic.name(), next(t))).collect();
        SegmentHead { log: shared.log, topics, commits: self.commits.clone() }
    }

    /// Takes a finished frame: into the cache, the index and the queue for the disk.
    fn admit(&mut self, shared: &Shared, at: i64, index: &FrameIndex, draft: Draft) -> Ticket {
        let full = self.segments.back().is_none_or(|s| s.bytes >= shared.options.segment_bytes);
        if full && index.segment.is_none() {
            let number = self.segments.back().map_or(1, |s| s.number + 1);
            self.segments.push_back(Segment { number, bytes: 0, first_frame: self.next_frame, last_at: at });
            let head = FrameIndex { segment: Some(self.segment_head(shared)), ..FrameIndex::default() };
            self.admit(shared, at, &head, Draft::new(&shared.pool, 0, std::iter::empty()));
        }
        let bytes = draft.finish(self.next_frame, at, index);
        let number = self.next_frame;
        self.next_frame += 1;
        let segment = self.segments.back_mut().expect("a segment was pushed above where there was none");
        let entry = Entry { base: 0, frame: number, segment: segment.number, byte: segment.bytes as u32 };
        segment.bytes += bytes.len() as u64;
        segment.last_at = segment.last_at.max(at);
        for group in &index.groups {
            let partition =
                &mut self.topics[usize::from(group.topic)].partitions[usize::from(group.partition)];
            partition.entries.push_back(Entry { base: group.base, ..entry });
            partition.next = group.base + u64::from(group.count);
        }
        self.note_commits(&index.commits);
        self.pending_bytes += bytes.len();
        self.cached_bytes += bytes.len();
        self.pending.push_back(Pending { number, segment: entry.segment, bytes: bytes.clone() });
        self.cache.push_back(Cached { number, bytes });
        Ticket(number)
    }

    /// Takes progress in: the last one of a group in a partition stands.
    pub fn note_commits(&mut self, commits: &[Commit]) {
        for commit in commits {
            match self.commits.iter_mut().find(|c| c.group == commit.group && c.source == commit.source) {
                Some(known) => known.next = commit.next,
                None => self.commits.push(commit.clone()),
            }
        }
    }

    /// Drops the oldest cached frames beyond the budget, never one that is not on disk.
    pub fn shrink_cache(&mut self, budget: usize) {
        while self.cached_bytes > budget && self.cache.front().is_some_and(|c| c.number <= self.durable) {
            if let Some(dropped) = self.cache.pop_front() {
                self.cached_bytes -= dropped.bytes.len();
            }
        }
    }
}

/// Appends a transaction; `patient`: waits while there is no room.
pub(crate) fn append(
    shared: &Shared,
    transaction: &Transaction,
    patient: bool,
) -> Result<Appended, LogError> {
    let mut groups = arrange(transaction);
    let areas = transaction.areas().iter().map(|area| area.bytes.as_slice());
    let draft = Draft::new(&shared.pool, index_room(&groups, &transaction.commits), areas);
    let mut state = shared.lock();
    if shared.read_only {
        return Err(LogError::ReadOnly);
    }
    loop {
        match &state.log_state {
            LogState::Failed(reason) => return Err(LogError::Failed(reason.clone())),
            LogState::NoRoom(reason) if !patient => return Err(LogError::NoRoom(reason.clone())),
            _ => {}
        }
        if let (Some(reason), false) = (&state.scarce, patient) {
            return Err(LogError::NoRoom(reason.clone()));
        }
        if state.pending_bytes < PENDING_BYTES {
            break;
        }
        state = shared.settled.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
    }
    for (group, target) in groups.iter_mut().zip(&transaction.targets) {
        let (topic, partition) = state.target(target)?;
        (group.topic, group.partition) = (topic as u16, partition as u16);
        group.base = state.topics[topic].partitions[partition].next;
    }
    let offsets = transaction
        .records
        .iter()
        .map(|(target, nth)| groups[*target as usize].base + u64::from(*nth))
        .collect();
    let at = (shared.options.clock)();
    let index = FrameIndex { groups, commits: transaction.commits.clone(), ..FrameIndex::default() };
    let ticket = state.admit(shared, at, &index, draft);
    drop(state);
    shared.work.notify_one();
    shared.appended.notify_all();
    Ok(Appended { ticket, at, offsets })
}

/// The groups of a transaction, before their places are known.
fn arrange(transaction: &Transaction) -> Vec<Group> {
    let mut start = 0;
    let groups = transaction.areas().iter().map(|area| {
        let group = Group { topic: 0, partition: 0, base: 0, count: area.count, start, timed: false };
        start += area.bytes.len() as u32;
        group
    });
    groups.collect()
}

/// Bytes that an index with these groups and commits takes at most.
fn index_room(groups: &[Group], commits: &[Commit]) -> usize {
    let commits: usize = commits.iter().map(|c| c.group.len() + NAME_ROOM + 32).sum();
    32 * (groups.len() + 1) + commits
}

/// Bytes of a topic's name as far as it is not a long one.
const NAME_ROOM: usize = 64;

pub(crate) fn append_replica(
    shared: &Shared,
    to: &TopicPartition,
    records: &[Record],
) -> Result<(), LogError> {
    let Some(first) = records.first() else { return Ok(()) };
    let mut state = shared.lock();
    let (topic, partition) = state.target(to)?;
    let held = &mut state.topics[topic].partitions[partition];
    if held.entries.is_empty() && held.next == 0 {
        (held.first, held.next) = (first.offset, first.offset);
    }
    if held.next != first.offset {
        let (first_kept, next) = (held.first, held.next);
        return Err(LogError::OutOfRange {
            partition: to.clone(),
            offset: first.offset,
            first: first_kept,
            next,
        });
    }
    let mut area = Vec::new();
    for record in records {
        area.extend_from_slice(&(record.payload.len() as u32).to_le_bytes());
        area.extend_from_slice(&record.at.to_le_bytes());
        area.extend_from_slice(&record.payload);
    }
    let group = Group {
        topic: topic as u16,
        partition: to.partition,
        base: first.offset,
        count: records.len() as u32,
        start: 0,
        timed: true,
    };
    let at = records.last().map_or(0, |r| r.at);
    let index = FrameIndex { groups: vec![group], ..FrameIndex::default() };
    let draft = Draft::new(&shared.pool, index_room(&index.groups, &[]), std::iter::once(area.as_slice()));
    state.admit(shared, at, &index, draft);
    drop(state);
    shared.work.notify_one();
    shared.appended.notify_all();
    Ok(())
}

pub(crate) fn create_topic(shared: &Shared, topic: &Topic, partitions: u16) -> Result<(), LogError> {
    let mut state = shared.lock();
    if let Some(known) = state.topic(topic) {
        let present = known.partitions.len() as u16;
        return match present == partitions {
            true => Ok(()),
            false => Err(LogError::PartitionCount { topic: topic.clone(), present, wanted: partitions }),
        };
    }
    if shared.read_only {
        return Err(LogError::ReadOnly);
    }
    let at = (shared.options.clock)();
    let index = FrameIndex {
        topics: vec![(state.topics.len() as u16, topic.name(), partitions)],
        ..FrameIndex::default()
    };
    state.admit(shared, at, &index, Draft::new(&shared.pool, 0, std::iter::empty()));
    let partitions = (0..partitions).map(|_| PartitionState::default()).collect();
    state.topics.push(TopicState { topic: topic.clone(), partitions });
    drop(state);
    shared.work.notify_one();
    Ok(())
}
