//! What the log can let go of: inputs below the oldest snapshot kept, outputs past their retention, and nothing that
//! a follower has still to read. Dead letters that nobody resolved are written again at the end first.

use std::collections::HashMap;

use router_log::{Isolation, Log, LogError, Transaction, Trimmed, scan};
use router_schemas::{
    command::Hash16,
    dead_letter::DeadLetter,
    envelope::{self, Meta},
    position::{Position, Topic, TopicPartition},
    stage::Topology,
};

use super::{RunnerError, Settings, snapshots::Snapshots};

/// Who reads what stages write: each says the first offset that it still needs of a partition; `None`: it does not
/// read there.
pub(crate) type Followers = Vec<Box<dyn Fn(&TopicPartition) -> Option<u64> + Send>>;

pub(super) fn trim(
    log: &dyn Log,
    snapshots: &Snapshots,
    topology: &Topology,
    settings: &Settings,
    followers: &Followers,
) -> Result<Trimmed, RunnerError> {
    let mut keep = HashMap::new();
    for (topic, count) in log.topics() {
        for partition in 0..count {
            let at = TopicPartition::new(topic.clone(), partition);
            let needed = followers.iter().filter_map(|follower| follower(&at)).min();
            keep.insert(at, needed.unwrap_or(u64::MAX));
        }
    }
    for (stage, partition) in super::cells(topology) {
        let positions = snapshots.list(stage, partition)?;
        // With fewer than are to be kept the log's start is the way back from a damaged one.
        let oldest = positions.last().filter(|_| positions.len() >= settings.snapshots_kept.max(1));
        let at = TopicPartition::new(stage.input(), partition);
        let followed = keep.get(&at).copied().unwrap_or(u64::MAX);
        keep.insert(at, oldest.copied().unwrap_or(0).min(followed));
    }
    let now = (settings.clock)();
    let before = |age: std::time::Duration| now.saturating_sub(age.as_millis() as i64);
    let retain = |topic: &Topic| match topic {
        Topic::Intake | Topic::Commands | Topic::Control => i64::MAX,
        Topic::Replies => before(settings.reply_retention),
        _ => before(settings.retention),
    };
    let trimmable = log.trimmable(&|at| keep.get(at).copied().unwrap_or(0), &retain);
    for (at, first) in trimmable.iter().filter(|(at, _)| matches!(at.topic, Topic::DeadLetter(_))) {
        rewrite(log, at, *first)?;
        // No further than was looked at.
        keep.insert(at.clone(), *first);
    }
    Ok(log.trim(&|at| keep.get(at).copied().unwrap_or(0), &retain)?)
}

/// Writes the dead letters below `first` again that are not resolved and not there behind it: the same letter, at
/// the end, without an origin, since no stage writes it.
fn rewrite(log: &dyn Log, at: &TopicPartition, first: u64) -> Result<(), LogError> {
    let range = log.range(at).unwrap_or_default();
    // By where the message lay and the key of its bytes, which name a letter: lines of two uploads may share a
    // place. What is behind `first` replaces what is below.
    let mut open = HashMap::<(Position, Hash16), (u64, Meta, DeadLetter)>::new();
    scan(log, at, range, Isolation::Appended, |records| {
        for record in records {
            match envelope::decode::<DeadLetter>(&record.payload) {
                Ok((_, letter)) if letter.resolved || record.offset >= first => {
                    open.remove(&(letter.position, letter.key));
                }
                Ok((meta, letter)) => {
                    open.insert((letter.position.clone(), letter.key), (record.offset, meta, letter));
                }
                Err(error) => {
                    let position = Position::new(at.topic.clone(), at.partition, record.offset);
                    tracing::error!(%position, %error, "a dead letter does not decode");
                }
            }
        }
        Ok::<_, LogError>(())
    })?;
    let mut letters: Vec<_> = open.into_values().collect();
    letters.sort_by_key(|(offset, ..)| *offset);
    let mut transaction = Transaction::default();
    for (_, meta, letter) in &letters {
        let meta = Meta { reply: None, ..meta.clone() };
        transaction.push(&at.topic, at.partition, &envelope::to_vec(None, &meta, letter));
    }
    if transaction.is_empty() {
        return Ok(());
    }
    tracing::info!(letters = letters.len(), topic = %at.topic, "unresolved dead letters are kept");
    let appended = log.append(&transaction)?;
    log.wait_durable(appended.ticket)
}
