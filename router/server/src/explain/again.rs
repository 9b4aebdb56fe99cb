//! Choices made again: the engine is brought to just before each command on a copy, and applies it with tracing on.

use std::collections::BTreeMap;

use router_engine::engine::trace::Choice;
use router_log::{Isolation, Log, scan};
use router_schemas::{
    id::OrderId,
    position::Topic,
    stage::{Input, Outputs, StageName},
};

use super::{Chosen, Step, against};
use crate::runner::{Cell, Machine, RunnerError, Snapshots, rebuild};

/// Nodes that all choices of a story tell; a choice behind them tells its best ones.
const NODES: usize = 20_000;
/// Nodes that each choice may tell.
const BEST: usize = 20;

/// Makes the choices of all deciding steps again: each engine partition is replayed once, from the newest snapshot
/// before its first decision to its last.
pub(super) fn trace(
    log: &dyn Log,
    snapshots: &Snapshots,
    order: OrderId,
    steps: &mut [Step],
    why_not: Option<&str>,
) -> Result<(), RunnerError> {
    let mut wanted: BTreeMap<u16, Vec<u64>> = BTreeMap::new();
    for step in steps.iter().filter(|step| step.decides() && step.position.topic == Topic::Commands) {
        wanted.entry(step.position.partition).or_default().push(step.position.offset);
    }
    let mut room = NODES;
    for (partition, mut offsets) in wanted {
        offsets.sort_unstable();
        offsets.dedup();
        let mut choices = BTreeMap::new();
        let made = again(log, snapshots, (partition, order), &offsets, |offset, made| {
            let made = made.into_iter().map(|choice| told(choice, &mut room, why_not));
            choices.insert(offset, made.collect::<Vec<_>>());
        });
        // A trimmed start leaves the story without its reasons; it is still the story.
        let failed = match made {
            Ok(()) => None,
            Err(RunnerError::Uncovered { .. }) => {
                Some("no snapshot is old enough, and the log before it was trimmed".to_owned())
            }
            Err(error) => return Err(error),
        };
        let mine = |s: &&mut Step| s.position.topic == Topic::Commands && s.position.partition == partition;
        for step in steps.iter_mut().filter(mine).filter(|step| step.decides()) {
            match choices.get_mut(&step.position.offset) {
                // Several steps of one command (its own, and due items): each takes its own choices.
                Some(made) => step.choices.extend(made.extract_if(.., |made| made.choice.item == step.item)),
                None => step.untraced.clone_from(&failed),
            }
        }
    }
    Ok(())
}

/// Answers why not, and leaves nodes out where there is no room for all.
fn told(mut choice: Choice, room: &mut usize, why_not: Option<&str>) -> Chosen {
    let why_not = why_not.map(|node| against::of_choice(&choice, node));
    let all = choice.candidates.len();
    if all > *room {
        let mut best = BEST;
        choice.candidates.retain(|c| {
            let stays = best > 0 || c.taken || c.asked;
            best = best.saturating_sub(1);
            stays
        });
    }
    *room = room.saturating_sub(choice.candidates.len());
    Chosen { left_out: all - choice.candidates.len(), choice, why_not }
}

/// Applies the engine partition's records up to the last of `offsets`, those named with tracing on.
fn again(
    log: &dyn Log,
    snapshots: &Snapshots,
    (partition, order): (u16, OrderId),
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
                Machine::Engine(engine) if named => made = engine.apply_traced(input, out, Some(order)),
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
