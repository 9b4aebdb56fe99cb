//! Runs the stages over the inputs of one log into another and compares every record they write.
//!
//! From the start of the log; where that was trimmed, each partition from its oldest good snapshot.

use std::{collections::HashMap, path::Path};

use router_log::{Commit, Isolation, Journal, Log, LogError, Options, Transaction, scan};
use router_schemas::{
    envelope::{self, Origin},
    position::{Position, TopicPartition},
    stage::{Outputs, StageName},
};
use serde::Serialize;

use super::{Cell, RunnerError, Snapshots, bootstrap::topology, cells, recover::History, words::Given};

/// What a replay found.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Replayed {
    /// Records of the inputs, taken over as they are.
    pub inputs: u64,
    /// Records that the stages wrote, each the same as the other log's.
    pub same: u64,
    /// Records that the stages wrote and the other log does not keep any more.
    pub gone: u64,
    /// Stage partitions that began at a snapshot, and where.
    pub begun: Vec<(String, u64)>,
    /// Hash of each stage partition's state.
    pub hashes: Vec<(String, String)>,
    /// The first difference.
    pub difference: Option<String>,
}

/// Takes over the inputs of `from`, runs the stages over them, and writes what they write to a new log in the folder
/// `into`, with its snapshots beside it, up to the first difference.
pub(crate) fn replay(
    from: &Journal,
    snapshots: &Snapshots,
    into: &Path,
    into_snapshots: &Path,
) -> Result<Replayed, RunnerError> {
    let options = Options { create: Some(from.log_id()), ..Options::default() };
    let target = Journal::open(into, options)?;
    let history = History { log: from, snapshots, topology: topology(from, 0) };
    let given = history.words()?;
    for (topic, count) in from.topics() {
        target.create_topic(&topic, count)?;
    }
    let mut replayed = Replayed::default();
    let mut written = Written::of(from)?;
    for (stage, partition) in cells(&history.topology) {
        let source = TopicPartition::new(stage.input(), partition);
        let range = from.range(&source).unwrap_or_default();
        let end = from.committed(stage.group(), &source).unwrap_or(0);
        let trimmed = Some(()).filter(|()| range.start > 0);
        let mut cell = match trimmed.map(|()| history.oldest(stage, partition, end)).transpose()?.flatten() {
            Some(snapshot) => {
                let cell = history.restore(stage, snapshot)?;
                // The new log begins here too: only this brings it to a position.
                Snapshots::local(into_snapshots)?.write(&cell, 0, &mut |_| {})?;
                replayed.begun.push((cell.name(), cell.next));
                cell
            }
            None => Cell::new(stage, history.topology, partition),
        };
        cell.skips = given.skips(&source);
        written.forget(&cell);
        replayed.inputs += copy(from, &target, &source, cell.next..range.end)?;
        let difference = run(&target, &mut cell, end, &mut written, &mut replayed)?;
        if difference.is_some() {
            replayed.difference = difference;
            return Ok(replayed);
        }
        replayed.hashes.push((cell.name(), format!("{:016x}", cell.state_hash())));
    }
    replayed.difference = written.left(&given);
    Ok(replayed)
}

fn copy(
    from: &Journal,
    into: &Journal,
    partition: &TopicPartition,
    range: std::ops::Range<u64>,
) -> Result<u64, LogError> {
    scan(from, partition, range.clone(), Isolation::Durable, |records| {
        into.append_replica(partition, records)
    })?;
    Ok(range.end.saturating_sub(range.start))
}

/// Target, source topic and partition, number.
type Key = (TopicPartition, (u8, u16), u64);

fn key(target: TopicPartition, origin: &Origin) -> Key {
    (target, (origin.topic, origin.partition), origin.sequence)
}

/// Every record that a stage wrote to a log.
#[derive(Default)]
struct Written {
    records: HashMap<Key, (Position, bytes::Bytes)>,
    /// The first number of each source that is kept, in targets that were trimmed; `None`: none is.
    first: HashMap<TopicPartition, HashMap<(u8, u16), u64>>,
}

/// How a record compares with the one of the same origin.
enum Compared {
    Same,
    Gone,
    Different(String),
}

impl Written {
    fn of(log: &Journal) -> Result<Written, LogError> {
        let mut written = Written::default();
        for (topic, count) in log.topics() {
            for partition in 0..count {
                let at = TopicPartition::new(topic.clone(), partition);
                let range = log.range(&at).unwrap_or_default();
                let mut first = HashMap::new();
                let trimmed = range.start > 0;
                scan(log, &at, range, Isolation::Durable, |records| {
                    for record in records {
                        if let Ok(Some(origin)) = envelope::origin(&record.payload) {
                            let position = Position::new(topic.clone(), partition, record.offset);
                            let source = (origin.topic, origin.partition);
                            first.entry(source).or_insert(origin.sequence);
                            // What comes again was dropped by whoever read it.
                            let known = written.records.entry(key(at.clone(), &origin));
                            known.or_insert((position, record.payload.clone()));
                        }
                    }
                    Ok::<_, LogError>(())
                })?;
                if trimmed {
                    written.first.insert(at, first);
                }
            }
        }
        Ok(written)
    }

    /// Leaves out what a cell wrote before the position that it begins at.
    fn forget(&mut self, cell: &Cell) {
        if cell.next > 0 {
            let own = (cell.stage.input().code(), cell.partition);
            self.records
                .retain(|(target, source, number), _| *source != own || *number > cell.written(target));
        }
    }

    fn compare(&mut self, at: TopicPartition, origin: &Origin, bytes: &[u8]) -> Compared {
        let (source, number) = ((origin.topic, origin.partition), origin.sequence);
        match self.records.remove(&key(at.clone(), origin)) {
            Some((_, known)) if known == bytes => Compared::Same,
            Some((position, _)) => Compared::Different(format!("{position} was written with other bytes")),
            None => match self.first.get(&at).map(|first| first.get(&source)) {
                Some(first) if first.is_none_or(|first| number < *first) => Compared::Gone,
                _ => Compared::Different(format!("{at}: number {number} was never written there")),
            },
        }
    }

    /// What was not written again, but for what operators had skipped: that may be of no stage at all.
    fn left(&self, given: &Given) -> Option<String> {
        let left = self.records.iter().filter(|(_, (position, _))| !given.is_skipped(position));
        let ((target, source, number), _) = left.min_by_key(|(key, _)| (key.2, key.0.clone()))?;
        Some(format!("{target}: number {number} of source {source:?} was not written again"))
    }
}

fn run(
    log: &Journal,
    cell: &mut Cell,
    end: u64,
    written: &mut Written,
    replayed: &mut Replayed,
) -> Result<Option<String>, RunnerError> {
    let (mut outputs, mut bytes, mut difference) = (Outputs::default(), Vec::new(), None);
    scan(log, &cell.source(), cell.next..end, Isolation::Appended, |records| {
        let mut transaction = Transaction::default();
        for record in records {
            if difference.is_some() {
                break;
            }
            let applied = cell.apply(record, &mut outputs, |outputs, output, origin| {
                let at = TopicPartition::new(output.target.topic.clone(), output.target.partition);
                bytes.clear();
                outputs.record(output, origin, &mut bytes);
                match written.compare(at.clone(), origin, &bytes) {
                    Compared::Same => replayed.same += 1,
                    Compared::Gone => replayed.gone += 1,
                    Compared::Different(how) => drop(difference.get_or_insert(how)),
                }
                if StageName::ALL.iter().all(|stage| stage.input() != at.topic) {
                    transaction.push(&at.topic, at.partition, &bytes);
                }
            });
            applied.map_err(RunnerError::Stopped)?;
        }
        transaction.commit(Commit {
            group: cell.stage.group().into(),
            source: cell.source(),
            next: cell.next,
        });
        log.append(&transaction)?;
        Ok::<_, RunnerError>(())
    })?;
    Ok(difference)
}
