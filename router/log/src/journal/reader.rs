//! Reading: from memory where the frame is still there, else from its file, checked.

use std::{
    collections::HashMap,
    fs::File,
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use router_schemas::position::TopicPartition;

use super::{Shared, segments, state::Entry};
use crate::{
    Batch, Isolation, LogError, LogState, Reader,
    frame::{self, Budget},
};

pub(crate) struct JournalReader {
    shared: Arc<Shared>,
    cursors: Vec<(TopicPartition, u64)>,
    turn: usize,
    isolation: Isolation,
    files: HashMap<u32, File>,
}

/// Frames to read, found under the lock and read outside of it.
struct Found {
    cursor: usize,
    offset: u64,
    frames: Vec<(Entry, Option<Bytes>)>,
    topic: u16,
}

impl JournalReader {
    pub fn new(shared: Arc<Shared>, cursors: Vec<(TopicPartition, u64)>, isolation: Isolation) -> Self {
        Self { shared, cursors, turn: 0, isolation, files: HashMap::new() }
    }

    /// Looks for a partition with news, waiting until `timeout` is over.
    fn find(&mut self, records: usize, timeout: Duration) -> Result<Option<Found>, LogError> {
        let deadline = Instant::now() + timeout;
        let shared = self.shared.clone();
        let mut state = shared.lock();
        loop {
            let visible = match self.isolation {
                Isolation::Appended => u64::MAX,
                Isolation::Durable => state.durable,
            };
            for step in 0..self.cursors.len() {
                let cursor = (self.turn + step) % self.cursors.len();
                let (at, offset) = &self.cursors[cursor];
                let topic = state.topics.iter().position(|t| t.topic == at.topic);
                let Some((topic, partition)) =
                    topic.and_then(|t| Some((t, state.topics[t].partitions.get(usize::from(at.partition))?)))
                else {
                    return Err(LogError::NoPartition(at.clone()));
                };
                if *offset < partition.first || *offset > partition.next {
                    let (first, next) = (partition.first, partition.next);
                    return Err(LogError::OutOfRange { partition: at.clone(), offset: *offset, first, next });
                }
                let from = partition.entries.partition_point(|e| e.base <= *offset).saturating_sub(1);
                let wanted =
                    |e: &&Entry| e.frame <= visible && e.base < offset.saturating_add(records as u64);
                let entries = partition.entries.range(from..).take_while(wanted);
                let frames: Vec<_> = match *offset < partition.next {
                    true => entries.map(|e| (*e, state.cached(e.frame).cloned())).collect(),
                    false => Vec::new(),
                };
                if !frames.is_empty() {
                    self.turn = (cursor + 1) % self.cursors.len();
                    return Ok(Some(Found { cursor, offset: *offset, frames, topic: topic as u16 }));
                }
            }
            if let LogState::Failed(reason) = &state.log_state {
                return Err(LogError::Failed(reason.clone()));
            }
            let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|d| !d.is_zero()) else {
                return Ok(None);
            };
            let news = match self.isolation {
                Isolation::Appended => &shared.appended,
                Isolation::Durable => &shared.settled,
            };
            state = news.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn load(&mut self, entry: &Entry) -> Result<Bytes, LogError> {
        let path = segments::path(&self.shared.folder, entry.segment);
        let file = match self.files.entry(entry.segment) {
            std::collections::hash_map::Entry::Occupied(open) => open.into_mut(),
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(File::open(&path).map_err(LogError::io("cannot open", &path))?)
            }
        };
        let (bytes, _) = segments::read_frame(&path, file, u64::from(entry.byte))?;
        Ok(bytes)
    }
}

impl Reader for JournalReader {
    fn poll(&mut self, records: usize, bytes: usize, timeout: Duration) -> Result<Option<Batch>, LogError> {
        let Some(found) = self.find(records, timeout)? else { return Ok(None) };
        let source = self.cursors[found.cursor].0.clone();
        let mut budget = Budget { records, bytes };
        let mut out = Vec::with_capacity(records.min(1024));
        for (entry, cached) in found.frames {
            let bytes = match cached {
                Some(bytes) => bytes,
                None => self.load(&entry)?,
            };
            let read = frame::head(&bytes).and_then(|head| {
                let index = frame::index(&bytes, &head)?;
                let mine = |g: &&frame::Group| g.topic == found.topic && g.partition == source.partition;
                let group =
                    index.groups.iter().find(mine).ok_or("the index names a frame without the partition")?;
                frame::read_group(&bytes, &head, group, found.offset, &mut budget, &mut out)
            });
            read.map_err(|reason| LogError::Damaged {
                path: segments::path(&self.shared.folder, entry.segment),
                byte: u64::from(entry.byte),
                reason: reason.to_owned(),
            })?;
            if budget.spent() {
                break;
            }
        }
        // Files are kept open for the stretch being read only.
        if self.files.len() > 4 {
            self.files.clear();
        }
        let Some(last) = out.last() else { return Ok(None) };
        self.cursors[found.cursor].1 = last.offset + 1;
        Ok(Some(Batch { source, records: out }))
    }

    fn seek(&mut self, partition: &TopicPartition, offset: u64) {
        if let Some(cursor) = self.cursors.iter_mut().find(|(at, _)| at == partition) {
            cursor.1 = offset;
        }
    }
}
