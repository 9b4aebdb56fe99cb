//! Operators' words, and where they are waited for.
//!
//! A word is a `Skip` or an `Accept` on `router.control`. Stages see them before anything behind them is applied: all
//! of them are read at a start, and CONTROL's worker reads them while it runs, whether CONTROL itself is stopped or
//! not. A skip holds for exactly the record it names, in every replay; it is only taken while a partition is stopped
//! there, so no record is applied both ways.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use router_log::{LogError, Record};
use router_schemas::{
    command::Command,
    envelope,
    position::{Position, TopicPartition},
};
use serde::{Deserialize, Serialize};

use super::{StopReason, Stopped, WordError};

/// What operators said, kept in CONTROL's snapshot: trimming never loses a word.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Given {
    skipped: BTreeSet<Position>,
    accepted: BTreeSet<Position>,
}

impl Given {
    /// Takes in a record of `router.control`.
    pub fn note(&mut self, record: &Record) {
        match envelope::decode(&record.payload) {
            Ok((_, Command::Skip(position))) => drop(self.skipped.insert(position)),
            Ok((_, Command::Accept(position))) => drop(self.accepted.insert(position)),
            _ => {}
        }
    }

    /// True where the record is to be passed over.
    pub fn is_skipped(&self, position: &Position) -> bool {
        self.skipped.contains(position)
    }

    /// Offsets of the records that a partition passes over.
    pub fn skips(&self, source: &TopicPartition) -> BTreeSet<u64> {
        let mine = |p: &&Position| p.topic == source.topic && p.partition == source.partition;
        self.skipped.iter().filter(mine).map(|p| p.offset).collect()
    }
}

/// What may be said of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Word {
    /// It is to be passed over.
    Skip,
    /// Its time is fine.
    Accept,
}

/// Words and stops, shared by the workers and by who speaks.
#[derive(Default)]
pub(crate) struct Words {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    given: Given,
    stopped: BTreeMap<TopicPartition, Stopped>,
}

impl Words {
    /// With what was said before.
    pub fn new(given: Given) -> Words {
        Words { inner: Mutex::new(Inner { given, ..Inner::default() }) }
    }

    /// Takes in records of `router.control`.
    pub fn note(&self, records: &[Record]) {
        let mut inner = self.lock();
        records.iter().for_each(|record| inner.given.note(record));
    }

    /// A partition does not go on.
    pub fn stopped(&self, stopped: &Stopped) {
        let Position { topic, partition, .. } = stopped.position.clone();
        self.lock().stopped.insert(TopicPartition::new(topic, partition), stopped.clone());
    }

    /// A partition that was stopped asks whether it may go on: `None`, not yet. With `by_itself` it may in any
    /// case; a word that came first stands. Once it goes on, no word about the record is taken any more.
    pub fn resume(&self, stopped: &Stopped, by_itself: bool) -> Option<Word> {
        let mut inner = self.lock();
        let position = &stopped.position;
        let word = if inner.given.skipped.contains(position) {
            Word::Skip
        } else if matches!(stopped.reason, StopReason::Ahead(_))
            && (by_itself || inner.given.accepted.contains(position))
        {
            Word::Accept
        } else {
            return None;
        };
        inner.stopped.remove(&TopicPartition::new(position.topic.clone(), position.partition));
        Some(word)
    }

    /// Says a word of the record at which a partition is stopped; `append` brings it to `router.control`.
    pub fn say<T>(
        &self,
        word: Word,
        position: &Position,
        append: impl FnOnce() -> Result<T, LogError>,
    ) -> Result<T, WordError> {
        // Held while appending: the partition cannot go on by itself in between.
        let mut inner = self.lock();
        let source = TopicPartition::new(position.topic.clone(), position.partition);
        let stopped = inner.stopped.get(&source).filter(|stopped| stopped.position == *position);
        match (word, stopped.map(|stopped| &stopped.reason)) {
            (_, None | Some(StopReason::Log(_))) => return Err(WordError::NotStopped(position.clone())),
            (Word::Skip, Some(_)) | (Word::Accept, Some(StopReason::Ahead(_))) => {}
            (Word::Accept, Some(_)) => return Err(WordError::NotAhead(position.clone())),
        }
        let appended = append()?;
        match word {
            Word::Skip => inner.given.skipped.insert(position.clone()),
            Word::Accept => inner.given.accepted.insert(position.clone()),
        };
        Ok(appended)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
