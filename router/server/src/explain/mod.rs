//! The story of an order: every event about it, and for every choice of nodes all that was looked at.
//!
//! The events tell what happened. Why, they tell in short only: the full trace is made again, by the engine itself, on
//! a copy that is brought to just before the command and applies it with tracing on. Nothing is written anywhere.
//!
//! What is told is bounded: the first and the last steps of a very long story, and of a zone of very many nodes the
//! best ones; what was left out is counted.

mod again;
mod against;
mod changes;
mod command;
mod seen;
mod text;

use std::{collections::BTreeMap, sync::Arc};

use router_engine::engine::trace::Choice;
use router_log::{Isolation, Log, LogError, scan};
use router_schemas::{
    envelope,
    event::{Change, Event, OrderState, Outcome},
    id::{Identity, OfferId, OrderId},
    position::{Position, Topic, TopicPartition},
    quantity::Qty,
    refusal::Code,
};
use serde::{Serialize, Serializer};

use self::{against::Asked, seen::Seen};
use crate::{
    runner::{RunnerError, Snapshots},
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

/// Steps told at the beginning and at the end of a story.
const FIRST: usize = 50;
const LAST: usize = 450;

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
    /// The platform's name of it, where the log that is kept says so.
    pub name: Option<String>,
    /// False: the log was trimmed, earlier steps are gone.
    pub whole: bool,
    /// Set: it is a part of another zone's order.
    pub part_of: Option<PartOf>,
    /// Its parts in other zones, each an order with a story of its own.
    pub parts: Vec<PartThere>,
    /// Steps between the first and the last ones that are not told.
    pub left_out: usize,
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

/// A part of the order in another zone.
#[derive(Debug, Serialize)]
pub(crate) struct PartThere {
    /// The order there.
    pub order: OrderId,
    /// Number of the part, and of the attempt.
    pub part: u32,
    pub attempt: u32,
    pub zone: String,
    /// How it stands there in the end.
    #[serde(serialize_with = "state_text")]
    pub state: OrderState,
}

fn state_text<S: Serializer>(state: &OrderState, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&state.text())
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
    /// What the command was about: the node that asked, the entry that was published.
    pub about: Option<String>,
    /// Who asked, and why, where the record says so.
    pub actor: Option<String>,
    pub reason: Option<String>,
    pub outcome: Option<Outcome>,
    /// What changed; lines by their names.
    pub changes: Vec<Told>,
    /// The offers that changed, as they stand after it.
    pub offers: BTreeMap<OfferId, OfferThen>,
    /// When what is held for the order lapses, if nothing interrupts.
    pub held_until: Option<Time>,
    /// Nodes with a deadline of their work, in service time, which stands still while no router runs.
    pub due: BTreeMap<String, Time>,
    /// Every choice made for the order by this step, as the engine makes it again.
    pub choices: Vec<Chosen>,
    /// Where somebody asks why it was not a node: what else the step says of that.
    pub why_not: Option<String>,
    /// Set: the choices could not be made again.
    pub untraced: Option<String>,
}

/// An offer after a step.
#[derive(Debug, Serialize)]
pub(crate) struct OfferThen {
    /// Rule set and version, routing, rule.
    pub rule: String,
    pub round: u32,
    pub epoch: u32,
    /// When the round ends, if nothing interrupts; absent: never.
    pub deadline: Option<Time>,
    /// What is offered: line and quantity.
    pub lines: Vec<(String, Qty)>,
}

/// A change, with the names of the order's lines.
#[derive(Debug)]
pub(crate) struct Told {
    pub change: Change,
    pub names: Arc<[String]>,
}

/// A choice, as far as it is told.
#[derive(Debug, Serialize)]
pub(crate) struct Chosen {
    #[serde(flatten)]
    pub choice: Choice,
    /// Nodes that are not told, none of them asked or chosen.
    pub left_out: usize,
    /// Why it was not the node that somebody asks for.
    pub why_not: Option<String>,
}

impl Step {
    /// Whether the engine looked at nodes for it: then it can be made to look again.
    fn decides(&self) -> bool {
        let of_choice =
            |t: &Told| matches!(t.change, Change::Decided(_) | Change::Offer(_) | Change::State(..));
        self.changes.iter().any(of_choice)
    }
}

/// Tells the story of an order, up to and with the command at `until` where that is given; of each choice, why it was
/// not the node of `why_not`.
pub(crate) fn story(
    log: &dyn Log,
    snapshots: &Snapshots,
    order: OrderId,
    until: Option<&Position>,
    why_not: Option<&str>,
) -> Result<Story, ExplainError> {
    let (mut seen, mut events) = (Seen::default(), Vec::new());
    for partition in 0..log.partitions(&Topic::Events).unwrap_or(0) {
        let source = TopicPartition::new(Topic::Events, partition);
        let range = log.range(&source).unwrap_or_default();
        scan(log, &source, range, Isolation::Durable, |records| {
            for record in records {
                // Whatever does not decode is the audit's to report.
                let Ok((_, mut event)) = envelope::decode::<Event>(&record.payload) else { continue };
                seen.see(order, &event);
                if event.order == Some(order) {
                    // A command may write rows of many orders.
                    event.rows.retain(|row| seen::is_of(order, row));
                    events.push(event);
                }
            }
            Ok::<_, LogError>(())
        })?;
    }
    let names: Arc<[String]> = std::mem::take(&mut seen.lines).into();
    let mut steps: Vec<Step> = events.into_iter().map(|event| step(event, &names)).collect();
    if steps.is_empty() {
        return Err(ExplainError::Unknown(order));
    }
    steps.sort_by_key(|step| (step.at, step.position.topic.code(), step.position.offset, step.item));
    if let Some(until) = until {
        // The command itself may have been about another order: the story ends where that order's had got to.
        let told = |at: &Position| {
            (&at.topic, at.partition) == (&until.topic, until.partition) && at.offset <= until.offset
        };
        let last = steps.iter().rposition(|step| told(&step.position));
        let last = last.ok_or_else(|| ExplainError::Before(order, until.clone()))?;
        steps.truncate(last + 1);
    }
    if let Some(node) = why_not {
        let mut asked = Asked::default();
        steps.iter_mut().for_each(|step| step.why_not = asked.against(step, node));
    }
    let left_out = steps.len().saturating_sub(FIRST + LAST);
    if left_out > 0 {
        steps.drain(FIRST..FIRST + left_out);
    }
    for step in &mut steps {
        if let Some(cause) = command::cause(log, &step.position)? {
            (step.command, step.about) = (Some(cause.name), cause.about);
            (step.actor, step.reason) = (cause.actor, cause.reason);
        }
    }
    let whole = order.position().is_none_or(|first| {
        let source = TopicPartition::new(first.topic, first.partition);
        log.range(&source).is_some_and(|range| range.start <= first.offset)
    });
    again::trace(log, snapshots, order, &mut steps, why_not)?;
    let name = seen.identity.as_ref().map(Identity::to_string);
    let Seen { part_of, parts, .. } = seen;
    Ok(Story { order, name, whole, part_of, parts: parts.into_values().collect(), left_out, steps })
}

fn step(event: Event, names: &Arc<[String]>) -> Step {
    let (offers, held_until, due) = seen::then(&event.rows, names);
    Step {
        position: event.cause,
        item: event.item,
        at: Time(event.at),
        command: None,
        about: None,
        actor: None,
        reason: None,
        outcome: event.outcome,
        changes: event.changes.into_iter().map(|change| Told { change, names: names.clone() }).collect(),
        offers,
        held_until,
        due,
        choices: Vec::new(),
        why_not: None,
        untraced: None,
    }
}
