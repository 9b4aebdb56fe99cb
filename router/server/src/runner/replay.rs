//! Runs the stages over the inputs of one log into another and compares every record they write.

use std::{collections::HashMap, path::Path};

use router_log::{Isolation, Journal, Log, LogError, Options, Transaction, scan};
use router_schemas::{
    envelope::{self, Origin},
    position::{Position, Topic, TopicPartition},
    stage::{Outputs, StageName},
};
use serde::Serialize;

use super::{Cell, RunnerError, bootstrap::topology};

/// What a replay found.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Replayed {
    /// Records of the inputs, taken over as they are.
    pub inputs: u64,
    /// Records that the stages wrote, each the same as the other log's.
    pub same: u64,
    /// Hash of each stage partition's state.
    pub hashes: Vec<(String, String)>,
    /// The first difference.
    pub difference: Option<String>,
}

/// Takes over the inputs of `from`, runs the stages over them, and writes what they write to `into`, up to the
/// first difference.
pub(crate) fn replay(from: &Journal, into: &Path) -> Result<Replayed, RunnerError> {
    let options = Options { create: Some(from.log_id()), ..Options::default() };
    let target = Journal::open(into, options)?;
    let mut replayed = Replayed::default();
    for (topic, count) in from.topics() {
        target.create_topic(&topic, count)?;
        if matches!(topic, Topic::Intake | Topic::Commands | Topic::Control) {
            for partition in 0..count {
                replayed.inputs += copy(from, &target, &TopicPartition::new(topic.clone(), partition))?;
            }
        }
    }
    let mut written = written(from)?;
    let topology = topology(from, 0);
    let cells = (0..topology.intake)
        .map(|p| (StageName::Intake, p))
        .chain([(StageName::Control, 0)])
        .chain((0..topology.commands).map(|p| (StageName::Engine, p)));
    for (stage, partition) in cells {
        let mut cell = Cell::new(stage, topology, partition);
        let end = from.committed(stage.group(), &cell.source()).unwrap_or(0);
        if let Some(difference) = run(&target, &mut cell, end, &mut written, &mut replayed.same)? {
            replayed.difference = Some(difference);
            return Ok(replayed);
        }
        replayed.hashes.push((cell.name(), format!("{:016x}", cell.state_hash())));
    }
    if let Some((key, _)) = written.iter().min_by_key(|(key, _)| (key.2, key.0.clone())) {
        let (target, source, number) = (&key.0, key.1, key.2);
        replayed.difference =
            Some(format!("{target}: number {number} of source {source:?} was not written again"));
    }
    Ok(replayed)
}

/// Target, source topic and partition, number.
type Key = (TopicPartition, (u8, u16), u64);

fn key(target: TopicPartition, origin: &Origin) -> Key {
    (target, (origin.topic, origin.partition), origin.sequence)
}

fn copy(from: &Journal, into: &Journal, partition: &TopicPartition) -> Result<u64, LogError> {
    let range = from.range(partition).unwrap_or_default();
    scan(from, partition, range.clone(), Isolation::Durable, |records| {
        into.append_replica(partition, records)
    })?;
    Ok(range.end - range.start)
}

/// Every record that a stage wrote.
fn written(log: &Journal) -> Result<HashMap<Key, (Position, bytes::Bytes)>, LogError> {
    let mut written = HashMap::new();
    for (topic, count) in log.topics() {
        for partition in 0..count {
            let at = TopicPartition::new(topic.clone(), partition);
            let range = log.range(&at).unwrap_or_default();
            scan(log, &at, range, Isolation::Durable, |records| {
                for record in records {
                    if let Ok(Some(origin)) = envelope::origin(&record.payload) {
                        let position = Position::new(topic.clone(), partition, record.offset);
                        written.insert(key(at.clone(), &origin), (position, record.payload.clone()));
                    }
                }
                Ok::<_, LogError>(())
            })?;
        }
    }
    Ok(written)
}

fn run(
    log: &Journal,
    cell: &mut Cell,
    end: u64,
    written: &mut HashMap<Key, (Position, bytes::Bytes)>,
    same: &mut u64,
) -> Result<Option<String>, RunnerError> {
    let (mut outputs, mut bytes, mut difference) = (Outputs::default(), Vec::new(), None);
    scan(log, &cell.source(), 0..end, Isolation::Appended, |records| {
        let mut transaction = Transaction::default();
        for record in records {
            if difference.is_some() {
                break;
            }
            let applied = cell.apply(record, &mut outputs, |outputs, output, origin| {
                let at = TopicPartition::new(output.target.topic.clone(), output.target.partition);
                bytes.clear();
                outputs.record(output, origin, &mut bytes);
                match written.remove(&key(at.clone(), origin)) {
                    Some((_, known)) if known == bytes => *same += 1,
                    Some((position, _)) => {
                        difference.get_or_insert_with(|| format!("{position} was written with other bytes"));
                    }
                    None => {
                        let number = origin.sequence;
                        difference
                            .get_or_insert_with(|| format!("{at}: number {number} was never written there"));
                    }
                }
                if !matches!(at.topic, Topic::Intake | Topic::Commands | Topic::Control) {
                    transaction.push(&at.topic, at.partition, &bytes);
                }
            });
            applied.map_err(RunnerError::Stopped)?;
        }
        if !transaction.is_empty() {
            log.append(&transaction)?;
        }
        Ok::<_, RunnerError>(())
    })?;
    Ok(difference)
}
