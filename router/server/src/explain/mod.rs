//! The story of an order: every event about it, and for every choice of nodes all that was looked at.
//!
//! The events tell what happened. Why, they tell in short only: the full trace is made again, by the engine itself, on
//! a copy that is brought to just before the command and applies it with tracing on. Nothing is written anywhere.

mod text;

use std::collections::BTreeMap;

use router_engine::engine::trace::Choice;
use router_log::{Isolation, Log, LogError, Record, scan};
use router_schemas::{
    command::Command,
    envelope,
    event::{Change, Event, Outcome},
    id::OrderId,
    position::{Position, Topic, TopicPartition},
    refusal::Code,
    row::Row,
    stage::{Input, Outputs, StageName},
};
use serde::Serialize;

use crate::{
    runner::{Cell, Machine, RunnerError, Snapshots, rebuild},
    show::Time,
};

pub(crate) use text::page;

/// The codes of this module.
pub(crate) const CODES: &[Code] = &[
    Code {
        id: "E3020",
        summary: "nothing is known of the order in the part of the log that is kept",
        hint: "check the id; `router order list` shows what is known",
    },
    Code {
        id: "E3021",
        summary: "nothing had happened to the order up to the command of --at",
        hint: "take a position of the story; without --at all of it is told",
    },
];

/// Why there is no story.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExplainError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Runner(#[from] RunnerError),
    #[error("E3020: the log says nothing of {0}; check the id; `router order list` shows what is known")]
    Unknown(OrderId),
    #[error(
        "E3021: nothing had happened to {0} up to {1}; take a position of the story; without --at all of it is told"
    )]
    Before(OrderId, Position),
}

/// What happened to an order, oldest first.
#[derive(Debug, Serialize)]
pub(crate) struct Story {
    pub order: OrderId,
    /// False: the log was trimmed, earlier steps are gone.
    pub whole: bool,
    /// Set: it is a part of another zone's order.
    pub part_of: Option<PartOf>,
    pub steps: Vec<Step>,
}

/// Whose part an order is.
#[derive(Debug, Serialize)]
pub(crate) struct PartOf {
    /// The order at home.
    pub order: OrderId,
    /// Number of the part, and of the attempt.
    pub part: u32,
    pub attempt: u32,
    /// The home zone.
    pub zone: String,
}

/// One event about the order.
#[derive(Debug, Serialize)]
pub(crate) struct Step {
    /// The command that caused it.
    pub position: Position,
    /// 0: the command was about the order; else it is work that the command found due.
    pub item: u16,
    /// Engine time.
    pub at: Time,
    /// The command's name; absent: its record was trimmed.
    pub command: Option<&'static str>,
    /// Who asked, and why, where the record says so.
    pub actor: Option<String>,
    pub reason: Option<String>,
    pub outcome: Option<Outcome>,
    pub changes: Vec<Change>,
    /// Every choice made for the order by this step, as the engine makes it again.
    pub choices: Vec<Choice>,
    /// Set: the choices could not be made again.
    pub untraced: Option<String>,
}

impl Step {
    fn decides(&self) -> bool {
        self.changes.iter().any(|change| matches!(change, Change::Decided(_) | Change::Offer(_)))
    }
}

/// Tells the story of an order, up to and with the command at `until` where that is given.
pub(crate) fn story(
    log: &dyn Log,
    snapshots: &Snapshots,
    order: OrderId,
    until: Option<&Position>,
) -> Result<Story, ExplainError> {
    let mut story = Story { order, whole: true, part_of: None, steps: Vec::new() };
    for partition in 0..log.partitions(&Topic::Events).unwrap_or(0) {
        let source = TopicPartition::new(Topic::Events, partition);
        let range = log.range(&source).unwrap_or_default();
        scan(log, &source, range, Isolation::Durable, |records| {
            for event in records.iter().filter_map(|record| about(order, record)) {
                story.part_of = story.part_of.take().or_else(|| part_of(order, &event));
                story.steps.push(step(event));
            }
            Ok::<_, LogError>(())
        })?;
    }
    if story.steps.is_empty() {
        return Err(ExplainError::Unknown(order));
    }
    story.steps.sort_by_key(|step| (step.at, step.position.topic.code(), step.position.offset, step.item));
    if let Some(until) = until {
        // The command itself may have been about another order: the story ends where that order's had got to.
        let told = |at: &Position| {
            (&at.topic, at.partition) == (&until.topic, until.partition) && at.offset <= until.offset
        };
        let last = story.steps.iter().rposition(|step| told(&step.position));
        let last = last.ok_or_else(|| ExplainError::Before(order, until.clone()))?;
        story.steps.truncate(last + 1);
    }
    for step in &mut story.steps {
        if let Some((name, actor, reason)) = cause(log, &step.position)? {
            (step.command, step.actor, step.reason) = (Some(name), actor, reason);
        }
    }
    story.whole = order.position().is_none_or(|first| {
        let source = TopicPartition::new(first.topic, first.partition);
        log.range(&source).is_some_and(|range| range.start <= first.offset)
    });
    trace(log, snapshots, &mut story)?;
    Ok(story)
}

/// The event of a record, if it is about the order.
fn about(order: OrderId, record: &Record) -> Option<Event> {
    // Whatever does not decode is the audit's to report.
    let (_, event) = envelope::decode::<Event>(&record.payload).ok()?;
    (event.order == Some(order)).then_some(event)
}

/// Whose part the order is, where its row says so.
fn part_of(order: OrderId, event: &Event) -> Option<PartOf> {
    event.rows.iter().find_map(|row| match row {
        Row::Order(row) if row.order == order => row.part_of.as_ref().map(|(part, zone)| PartOf {
            order: part.order,
            part: part.part,
            attempt: part.attempt,
            zone: zone.clone(),
        }),
        _ => None,
    })
}

fn step(event: Event) -> Step {
    Step {
        position: event.cause,
        item: event.item,
        at: Time(event.at),
        command: None,
        actor: None,
        reason: None,
        outcome: event.outcome,
        changes: event.changes,
        choices: Vec::new(),
        untraced: None,
    }
}

/// Name, actor and reason of the command at a position; `None`: it was trimmed.
type Cause = (&'static str, Option<String>, Option<String>);

fn cause(log: &dyn Log, position: &Position) -> Result<Option<Cause>, LogError> {
    let source = TopicPartition::new(position.topic.clone(), position.partition);
    if log.range(&source).is_none_or(|range| !range.contains(&position.offset)) {
        return Ok(None);
    }
    let mut found = None;
    scan(log, &source, position.offset..position.offset + 1, Isolation::Durable, |records| {
        let decoded = records.first().and_then(|r| envelope::decode::<Command>(&r.payload).ok());
        found = decoded.map(|(meta, command)| (command.name(), meta.actor, meta.reason));
        Ok::<_, LogError>(())
    })?;
    Ok(found)
}

/// Makes the choices of all deciding steps again: each engine partition is replayed once, from the newest snapshot
/// before its first decision to its last.
fn trace(log: &dyn Log, snapshots: &Snapshots, story: &mut Story) -> Result<(), ExplainError> {
    let mut wanted: BTreeMap<u16, Vec<u64>> = BTreeMap::new();
    for step in story.steps.iter().filter(|step| step.decides() && step.position.topic == Topic::Commands) {
        wanted.entry(step.position.partition).or_default().push(step.position.offset);
    }
    for (partition, mut offsets) in wanted {
        offsets.sort_unstable();
        offsets.dedup();
        let mut choices = BTreeMap::new();
        let made = again(log, snapshots, partition, &offsets, |offset, made| {
            let mine: Vec<_> = made.into_iter().filter(|choice| choice.order == story.order).collect();
            choices.insert(offset, mine);
        });
        // A trimmed start leaves the story without its reasons; it is still the story.
        let failed = match made {
            Ok(()) => None,
            Err(RunnerError::Uncovered { .. }) => {
                Some("no snapshot is old enough, and the log before it was trimmed".to_owned())
            }
            Err(error) => return Err(error.into()),
        };
        for step in story.steps.iter_mut().filter(|s| s.decides() && s.position.partition == partition) {
            match choices.get_mut(&step.position.offset) {
                // Several steps of one command (its own, and due items): each takes its own choices.
                Some(made) => step.choices.extend(made.extract_if(.., |choice| choice.item == step.item)),
                None => step.untraced.clone_from(&failed),
            }
        }
    }
    Ok(())
}

/// Applies the engine partition's records up to the last of `offsets`, those named with tracing on.
fn again(
    log: &dyn Log,
    snapshots: &Snapshots,
    partition: u16,
    offsets: &[u64],
    mut take: impl FnMut(u64, Vec<Choice>),
) -> Result<(), RunnerError> {
    let (Some(first), Some(last)) = (offsets.first(), offsets.last()) else { return Ok(()) };
    let mut cell: Cell = rebuild(log, snapshots, StageName::Engine, partition, *first)?;
    let mut outputs = Outputs::default();
    scan(log, &cell.source(), *first..last + 1, Isolation::Durable, |records| {
        for record in records {
            let named = offsets.binary_search(&record.offset).is_ok();
            let mut made = Vec::new();
            let by = |machine: &mut Machine, input: Input<'_>, out: &mut Outputs| match machine {
                Machine::Engine(engine) if named => made = engine.apply_traced(input, out),
                other => other.apply(input, out),
            };
            cell.apply_by(record, &mut outputs, by, |_, _, _| {}).map_err(RunnerError::Stopped)?;
            if named {
                take(record.offset, made);
            }
        }
        Ok::<_, RunnerError>(())
    })
}
