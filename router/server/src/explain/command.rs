//! The commands of a story: their names, and what each was about.

use router_log::{Isolation, Log, LogError, scan};
use router_schemas::{
    command::{
        Command,
        offer::{CancelAnswer, Claim, Decline, NodeAct},
        reference::Reference,
    },
    envelope,
    position::{Position, TopicPartition},
};

use super::text::word;

/// A command, as its record says.
pub(super) struct Cause {
    pub name: &'static str,
    pub about: Option<String>,
    pub actor: Option<String>,
    pub reason: Option<String>,
}

/// The command at a position; `None`: it was trimmed.
pub(super) fn cause(log: &dyn Log, position: &Position) -> Result<Option<Cause>, LogError> {
    let source = TopicPartition::new(position.topic.clone(), position.partition);
    if log.range(&source).is_none_or(|range| !range.contains(&position.offset)) {
        return Ok(None);
    }
    let mut found = None;
    scan(log, &source, position.offset..position.offset + 1, Isolation::Durable, |records| {
        let decoded = records.first().and_then(|r| envelope::decode::<Command>(&r.payload).ok());
        found = decoded.map(|(meta, command)| Cause {
            name: command.name(),
            about: about(&command),
            actor: meta.actor,
            reason: meta.reason,
        });
        Ok::<_, LogError>(())
    })?;
    Ok(found)
}

fn about(command: &Command) -> Option<String> {
    let text = match command {
        Command::Claim(Claim { node, epoch, .. }) => format!("by {node}, epoch {epoch}"),
        Command::Decline(Decline { node, reason, .. }) => format!("by {node}, reason {reason}"),
        Command::CancelAnswer(CancelAnswer { node, granted, .. }) => match granted {
            true => format!("by {node}: it gives the units back"),
            false => format!("by {node}: it sends them"),
        },
        Command::Picked(fact)
        | Command::Ready(fact)
        | Command::Shipped(fact)
        | Command::Returned(fact)
        | Command::Accepted(fact)
        | Command::HandedOver(fact) => format!("at {}", fact.node),
        Command::Node(request) => match request.act {
            NodeAct::Pause(_) => format!("{} pauses", request.node),
            NodeAct::Resume => format!("{} takes part again", request.node),
            NodeAct::Evacuate => format!("{} gives all its work back", request.node),
        },
        Command::Count(fact) => format!("of {} at {}", fact.cell.sku, fact.cell.node),
        Command::Receipt(fact) => format!("of {} at {}", fact.cell.sku, fact.cell.node),
        Command::Adjustment(fact) => format!("of {} at {}", fact.cell.sku, fact.cell.node),
        Command::CellPolicy(policy) => format!("of {} at {}", policy.cell.sku, policy.cell.node),
        Command::Part(part) => format!("part {} of order {}", part.part.part, part.part.order),
        Command::PartCancel(cancel) => format!("part {} of order {}", cancel.part.part, cancel.part.order),
        Command::PartReport(report) => format!("part {} of order {}", report.part.part, report.part.order),
        Command::Reference(published) => match &published.change {
            Reference::Rules(set) => format!("the rule set {}, version {}", set.name, set.version),
            other => format!("{}: {}", word(&other.table()), other.key()),
        },
        _ => return None,
    };
    Some(text)
}
