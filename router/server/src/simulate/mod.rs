//! What if: real history through the engine twice, on copies: as it was, and with a draft in place of the rules.
//!
//! Each partition's engine is brought to where the history begins. One copy applies the records as they are. Another
//! one is given the draft first, as publishing gives it; then it applies the same records, but for those that engines
//! wrote themselves (they write their own), rule sets that were published later, and what stores did, which is given
//! to [`robots`]. Nothing is written into the log or the folder.

mod robots;
mod tally;
#[cfg(test)]
mod tests;
mod text;
mod world;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use router_engine::engine::Engine;
use router_log::{Isolation, Log, LogError, Record, scan};
use router_schemas::{
    command::{
        Command,
        reference::{Published, Reference},
    },
    envelope,
    position::{Position, Topic, TopicPartition},
    refusal::Code,
    rules::RuleSet,
    snapshot::SnapshotError,
    stage::{Input, Stage, StageName},
};
use serde::Serialize;

use self::{robots::Robots, world::World};
use crate::runner::{Machine, RunnerError, Snapshots, earliest, rebuild};

pub(crate) use tally::{Changed, Measures, Side};
pub(crate) use text::page;

/// The codes of this module.
pub(crate) const CODES: &[Code] = &[
    Code {
        id: "E3030",
        summary: "there is no such stretch of history",
        hint: "positions are commands/PARTITION@OFFSET, both of one partition; `router log ls` shows what is kept",
    },
    Code {
        id: "E3031",
        summary: "the simulated engine broke off",
        hint: "report it with the rule set: an engine must never break",
    },
];

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SimulateError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Runner(#[from] RunnerError),
    #[error("E3030: {0}; positions are commands/PARTITION@OFFSET; `router log ls` shows what is kept")]
    Stretch(String),
    #[error("E3031: the simulated engine broke off at {0}; report it with the rule set")]
    Broken(Position),
    #[error("E3031: a copy of the engine cannot be made: {0}")]
    Copy(#[from] SnapshotError),
}

/// Which part of history.
#[derive(Debug, serde::Deserialize, Serialize)]
pub(crate) struct Asked {
    /// The first command, of one partition.
    pub from: Option<Position>,
    /// The last command, of the same partition.
    pub to: Option<Position>,
    /// So many last commands of each partition.
    pub last: Option<u64>,
    /// Time after which robots claim an offer, ms; absent: never.
    pub claim_after: Option<i64>,
}

/// How two runs compare.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Name of the draft.
    pub rules: String,
    /// What was run: from, to (the first command that was not).
    pub stretches: Vec<(Position, Position)>,
    /// Commands of the log.
    pub commands: u64,
    pub as_it_was: Measures,
    pub draft: Measures,
    /// What stores did that was done by other nodes, and what was left out.
    pub moved: u64,
    pub ignored: u64,
    /// Claims that robots made.
    pub robot_claims: u64,
    /// Messages to partitions that took no part: parts of orders sent there stay away.
    pub not_followed: u64,
    /// Orders whose nodes differ.
    pub changed: Vec<Changed>,
}

/// Runs history twice. Blocks for as long as that takes, and holds up to two copies of the partitions' states.
pub(crate) fn simulate(
    log: &dyn Log,
    snapshots: &Snapshots,
    draft: &RuleSet,
    asked: &Asked,
) -> Result<Report, SimulateError> {
    let stretches = stretches(log, snapshots, asked)?;
    let (mut real, mut copies, mut skips) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
    let topology = crate::runner::topology(log, 0);
    for (partition, range) in &stretches {
        let cell = rebuild(log, snapshots, StageName::Engine, *partition, range.start)?;
        skips.extend(cell.skips.iter().map(|offset| (*partition, *offset)));
        if let Machine::Engine(engine) = cell.into_machine() {
            let mut state = Vec::new();
            engine.snapshot(&mut state);
            copies.insert(*partition, Box::new(Engine::restore(topology, *partition, &state)?));
            real.insert(*partition, engine);
        }
    }
    let input = |partition: u16, record: &Record| {
        (record.offset, record.at, skips.contains(&(partition, record.offset)))
    };
    let (mut was, mut other) = (World::new(topology, real), World::new(topology, copies));
    let (mut commands, mut since) = (0, None);
    each(log, &stretches, |partition, record| {
        since.get_or_insert(record.at);
        commands += 1;
        let (offset, at, skipped) = input(partition, record);
        was.replay(partition, Input { offset, at, skipped, payload: &record.payload })
    })?;
    let mut robots = Robots::new(asked.claim_after);
    let mut given = BTreeSet::new();
    each(log, &stretches, |partition, record| {
        robots.claim(&mut other, record.at)?;
        if given.insert(partition) {
            give(&mut other, partition, record, draft)?;
        }
        let (offset, at, skipped) = input(partition, record);
        let whole = Input { offset, at, skipped, payload: &record.payload };
        let own = envelope::origin(&record.payload).ok().flatten();
        match envelope::decode::<Command>(&record.payload) {
            // The copies write what engines write to each other on their own.
            _ if own.is_some_and(|origin| origin.source_topic() == Some(Topic::Commands)) => {}
            Ok((_, Command::Reference(Published { change: Reference::Rules(_), .. }))) => {}
            Ok((_, Command::Reference(Published { change: Reference::Zone(zone), .. }))) if !skipped => {
                other.feed(partition, whole)?;
                // A rule set is for zones that are known; this one is new.
                if draft.zones.contains(&zone.id) {
                    give(&mut other, partition, record, draft)?;
                }
            }
            Ok((_, command)) if !skipped => match robots.instead(&other, partition, command) {
                None => drop(other.feed(partition, whole)?),
                Some(said) => {
                    for command in said {
                        other.say(partition, at, &command)?;
                    }
                }
            },
            _ => drop(other.feed(partition, whole)?),
        }
        robots.look(&mut other, at);
        robots.claim(&mut other, at)
    })?;
    let since = since.unwrap_or(i64::MAX);
    let mut orders = was.tally.orders(since, &was);
    orders.extend(other.tally.orders(since, &other));
    let position = |partition, offset| Position::new(Topic::Commands, partition, offset);
    Ok(Report {
        rules: draft.name.clone(),
        stretches: stretches
            .iter()
            .map(|(p, range)| (position(*p, range.start), position(*p, range.end)))
            .collect(),
        commands,
        as_it_was: Measures::of(&was, &orders),
        draft: Measures::of(&other, &orders),
        moved: robots.moved,
        ignored: robots.ignored,
        robot_claims: robots.claims,
        not_followed: other.lost,
        changed: tally::changed(&was, &other, &orders),
    })
}

/// Publishes the draft to a partition, as CONTROL's copy would.
fn give(world: &mut World, partition: u16, record: &Record, draft: &RuleSet) -> Result<(), SimulateError> {
    let change = Reference::Rules(Box::new(draft.clone()));
    let command = Command::Reference(Published { control: record.offset, change });
    world.say(partition, record.at, &command).map(drop)
}

type Stretch = (u16, std::ops::Range<u64>);

/// The stretches that were asked for, each with something in it.
fn stretches(log: &dyn Log, snapshots: &Snapshots, asked: &Asked) -> Result<Vec<Stretch>, SimulateError> {
    let wrong = |what: &str| SimulateError::Stretch(what.to_owned());
    let named: Vec<&Position> = asked.from.iter().chain(&asked.to).collect();
    if named.iter().any(|position| position.topic != Topic::Commands) {
        return Err(wrong("history is of the topic commands"));
    }
    if named.windows(2).any(|pair| pair[0].partition != pair[1].partition) {
        return Err(wrong("both ends are of one partition"));
    }
    let mut stretches = Vec::new();
    for partition in 0..log.partitions(&Topic::Commands).unwrap_or(0) {
        if named.first().is_some_and(|position| position.partition != partition) {
            continue;
        }
        let range = log.range(&TopicPartition::new(Topic::Commands, partition)).unwrap_or_default();
        let first = earliest(log, snapshots, StageName::Engine, partition)?;
        let from = match (&asked.from, asked.last) {
            (Some(from), _) if from.offset < first => {
                return Err(wrong(&format!("what is kept begins at commands/{partition}@{first}")));
            }
            (Some(from), _) => from.offset,
            (None, Some(last)) => range.end.saturating_sub(last).max(first),
            (None, None) => first,
        };
        let to = asked.to.as_ref().map_or(range.end, |to| range.end.min(to.offset.saturating_add(1)));
        if from < to {
            stretches.push((partition, from..to));
        }
    }
    if stretches.is_empty() { Err(wrong("there is nothing between the two ends")) } else { Ok(stretches) }
}

/// Records asked of the log at once.
const CHUNK: u64 = 1024;

/// Hands over the records of all stretches, the oldest first.
fn each(
    log: &dyn Log,
    stretches: &[Stretch],
    mut take: impl FnMut(u16, &Record) -> Result<(), SimulateError>,
) -> Result<(), SimulateError> {
    let mut open: Vec<(u16, std::ops::Range<u64>, VecDeque<Record>)> =
        stretches.iter().map(|(partition, range)| (*partition, range.clone(), VecDeque::new())).collect();
    loop {
        for (partition, range, buffer) in &mut open {
            if buffer.is_empty() && !range.is_empty() {
                let until = range.end.min(range.start + CHUNK);
                let source = TopicPartition::new(Topic::Commands, *partition);
                scan(log, &source, range.start..until, Isolation::Durable, |records| {
                    buffer.extend(records.iter().cloned());
                    Ok::<_, LogError>(())
                })?;
                range.start = until;
            }
        }
        let oldest = open.iter_mut().filter(|(.., buffer)| !buffer.is_empty());
        let Some((partition, _, buffer)) = oldest.min_by_key(|(p, _, buffer)| (buffer[0].at, *p)) else {
            return Ok(());
        };
        if let Some(record) = buffer.pop_front() {
            take(*partition, &record)?;
        }
    }
}
