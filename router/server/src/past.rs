//! A node, a SKU or an order as it was right after a command: the engine brought there on a copy.

use router_engine::engine::Engine;
use router_log::Log;
use router_schemas::{
    command::reference::Reference,
    id::OrderId,
    position::{Position, Topic},
    refusal::Code,
    stage::StageName,
};
use serde_json::{Value, json};

use crate::{
    runner::{Machine, RunnerError, Snapshots, rebuild},
    show,
};

/// The codes of this module.
pub(crate) const CODES: &[Code] = &[Code {
    id: "E3032",
    summary: "nothing of that name was known at that position",
    hint: "check the name and the partition: each zone lives on one, and commands/P@N names it",
}];

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PastError {
    #[error(transparent)]
    Runner(#[from] RunnerError),
    #[error(
        "E3032: nothing was known of {0} at {1}; check the name and the partition: each zone lives on one"
    )]
    Unknown(String, Position),
}

/// What to show.
#[derive(Debug)]
pub(crate) enum What {
    Node(String),
    Sku(String),
    Order(OrderId),
}

/// Cells of a node that are shown.
const CELLS: usize = 1000;

/// Shows it as it was right after the command at a position of `router.commands`. Blocks for as long as the replay
/// takes.
pub(crate) fn state(
    log: &dyn Log,
    snapshots: &Snapshots,
    at: &Position,
    what: &What,
) -> Result<Value, PastError> {
    let name = match what {
        What::Node(node) => format!("the node {node:?}"),
        What::Sku(sku) => format!("the SKU {sku:?}"),
        What::Order(order) => format!("the order {order}"),
    };
    let unknown = || PastError::Unknown(name.clone(), at.clone());
    if at.topic != Topic::Commands {
        return Err(unknown());
    }
    let cell = rebuild(log, snapshots, StageName::Engine, at.partition, at.offset.saturating_add(1))?;
    let Machine::Engine(engine) = cell.machine() else { return Err(unknown()) };
    let shown = match what {
        What::Node(node) => self::node(engine, node),
        What::Sku(sku) => {
            let cells: Vec<_> = engine.cells(sku).iter().map(|row| show::json(&show::cell(row))).collect();
            (!cells.is_empty()).then(|| json!({ "sku": sku, "cells": cells }))
        }
        What::Order(order) => engine.order(*order).map(|row| show::json(&show::order(&row))),
    };
    let mut shown = shown.ok_or_else(unknown)?;
    shown["at"] = json!(at);
    Ok(shown)
}

fn node(engine: &Engine, name: &str) -> Option<Value> {
    let view = engine.node_view(name)?;
    let cells = engine.cells_at(name, CELLS);
    let cells: Vec<_> = cells.iter().map(|row| show::json(&show::cell(row))).collect();
    let mut shown = match view.known {
        true => show::reference(&Reference::Node(Box::new(view.node))),
        // Facts named it, and nobody published it.
        false => json!({ "id": name }),
    };
    shown["orders"] = json!(view.orders);
    shown["assigned_today"] = json!(view.assigned);
    if let Some(row) = engine.node(name) {
        shown["standing"] = show::json(&show::stores::standing(&row));
    }
    shown["cells_known"] = json!(view.cells);
    shown["cells"] = json!(cells);
    Some(shown)
}
