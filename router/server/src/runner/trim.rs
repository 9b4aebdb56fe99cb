//! What the log can let go of: inputs below the oldest snapshot kept, outputs past their retention, and nothing that
//! a follower has still to read. Dead letters that nobody resolved are written again at the end first.

use std::{collections::HashMap, ops::Range};

use router_log::{Isolation, Log, LogError, Transaction, Trimmed, scan};
use router_schemas::{
    command::Hash16,
    dead_letter::DeadLetter,
    envelope::{self, Meta},
    position::{Position, Topic, TopicPartition},
    stage::{StageName, Topology},
};

use super::{RunnerError, Settings, snapshots::Snapshots};

/// Who reads what stages write: each says the first offset that it still needs of a partition; `None`: it does not
/// read there.
pub(crate) type Followers = Vec<Box<dyn Fn(&TopicPartition) -> Option<u64> + Send>>;

/// What there is to look at.
#[derive(Clone, Copy)]
pub(super) struct Bounds<'a> {
    pub log: &'a dyn Log,
    pub snapshots: &'a Snapshots,
    pub topology: &'a Topology,
    pub settings: &'a Settings,
    pub followers: &'a Followers,
}

/// The first offset that has to be kept of each partition.
type Keep = HashMap<TopicPartition, u64>;

impl Bounds<'_> {
    /// Removes what nobody needs.
    pub fn trim(&self) -> Result<Trimmed, RunnerError> {
        let mut keep = self.followed();
        for (stage, partition) in super::cells(self.topology) {
            let at = TopicPartition::new(stage.input(), partition);
            lower(&mut keep, at, self.oldest(stage, partition)?);
        }
        let letters = |(at, _): &&(TopicPartition, u64)| matches!(at.topic, Topic::DeadLetter(_));
        for (at, first) in self.trimmable(&keep).iter().filter(letters) {
            rewrite(self.log, at, *first)?;
            // No further than was looked at.
            lower(&mut keep, at.clone(), *first);
        }
        let retain = self.retain();
        Ok(self.log.trim(&|at| keep.get(at).copied().unwrap_or(0), &retain)?)
    }

    /// The stage partitions whose snapshots are so old that they keep a segment which nobody else needs.
    pub fn in_the_way(&self) -> Result<Vec<(StageName, u16)>, RunnerError> {
        let mut keep = self.followed();
        for (stage, partition) in super::cells(self.topology) {
            let at = TopicPartition::new(stage.input(), partition);
            let committed = self.log.committed(stage.group(), &at).unwrap_or(0);
            lower(&mut keep, at, committed);
        }
        let (trimmable, mut found) = (self.trimmable(&keep), Vec::new());
        for (stage, partition) in super::cells(self.topology) {
            let lost =
                trimmable.iter().find(|(at, _)| at.topic == stage.input() && at.partition == partition);
            if let Some((_, first)) = lost
                && self.oldest(stage, partition)? < *first
            {
                found.push((stage, partition));
            }
        }
        Ok(found)
    }

    /// From where on a stage partition needs its input: with fewer snapshots than are to be kept, from the log's
    /// start, which is the way back from a damaged one.
    fn oldest(&self, stage: StageName, partition: u16) -> Result<u64, RunnerError> {
        let names = self.snapshots.list(stage, partition)?;
        let oldest = names.last().filter(|_| names.len() >= self.settings.snapshots_kept.max(1));
        Ok(oldest.map_or(0, |name| name.position))
    }

    /// What followers still need.
    fn followed(&self) -> Keep {
        let partitions = self.log.topics().into_iter().flat_map(|(topic, count)| {
            (0..count).map(move |partition| TopicPartition::new(topic.clone(), partition))
        });
        let needed = |at: &TopicPartition| self.followers.iter().filter_map(|follower| follower(at)).min();
        partitions.map(|at| (at.clone(), needed(&at).unwrap_or(u64::MAX))).collect()
    }

    fn trimmable(&self, keep: &Keep) -> Vec<(TopicPartition, u64)> {
        self.log.trimmable(&|at| keep.get(at).copied().unwrap_or(0), &self.retain())
    }

    fn retain(&self) -> impl Fn(&Topic) -> i64 + use<> {
        let now = (self.settings.clock)();
        let before = |age: std::time::Duration| now.saturating_sub(age.as_millis() as i64);
        let (outputs, replies) = (before(self.settings.retention), before(self.settings.reply_retention));
        move |topic| match topic {
            Topic::Intake | Topic::Commands | Topic::Control => i64::MAX,
            Topic::Replies => replies,
            _ => outputs,
        }
    }
}

fn lower(keep: &mut Keep, at: TopicPartition, to: u64) {
    keep.entry(at).and_modify(|kept| *kept = to.min(*kept)).or_insert(to);
}

/// Bytes of letters that are written again in one transaction, about.
const REWRITTEN: usize = 1 << 20;

/// Writes the dead letters below `first` again that are not resolved and not there behind it: the same letter, at
/// the end, without an origin, since no stage writes it. The letters themselves are never all in memory.
fn rewrite(log: &dyn Log, at: &TopicPartition, first: u64) -> Result<(), LogError> {
    let range = log.range(at).unwrap_or_default();
    // By where the message lay and the key of its bytes, which name a letter: lines of two uploads may share a
    // place. What is behind `first` replaces what is below.
    let mut open = HashMap::<(Position, Hash16), u64>::new();
    let start = range.start;
    letters(log, at, range, |offset, _, letter| {
        let key = (letter.position, letter.key);
        match letter.resolved || offset >= first {
            true => drop(open.remove(&key)),
            false => drop(open.insert(key, offset)),
        }
        Ok(())
    })?;
    if open.is_empty() {
        return Ok(());
    }
    tracing::info!(letters = open.len(), topic = %at.topic, "unresolved dead letters are kept");
    let (mut transaction, mut last) = (Transaction::default(), None);
    letters(log, at, start..first, |offset, meta, letter| {
        if open.get(&(letter.position.clone(), letter.key)) == Some(&offset) {
            let meta = Meta { reply: None, ..meta };
            transaction.push(&at.topic, at.partition, &envelope::to_vec(None, &meta, &letter));
        }
        if transaction.bytes() >= REWRITTEN {
            last = Some(log.append(&transaction)?.ticket);
            transaction.clear();
        }
        Ok(())
    })?;
    if !transaction.is_empty() {
        last = Some(log.append(&transaction)?.ticket);
    }
    last.map_or(Ok(()), |ticket| log.wait_durable(ticket))
}

/// Hands the letters of a range to `take`, with their offsets.
fn letters(
    log: &dyn Log,
    at: &TopicPartition,
    range: Range<u64>,
    mut take: impl FnMut(u64, Meta, DeadLetter) -> Result<(), LogError>,
) -> Result<(), LogError> {
    scan(log, at, range, Isolation::Appended, |records| {
        for record in records {
            match envelope::decode::<DeadLetter>(&record.payload) {
                Ok((meta, letter)) => take(record.offset, meta, letter)?,
                Err(error) => {
                    let position = Position::new(at.topic.clone(), at.partition, record.offset);
                    tracing::error!(%position, %error, "a dead letter does not decode");
                }
            }
        }
        Ok(())
    })
}
