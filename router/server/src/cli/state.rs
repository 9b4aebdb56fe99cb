//! `router state`: the past.

use clap::{Args, Subcommand};
use router_schemas::position::Position;

use super::{
    CliError, Common,
    dlq::position,
    explain::id,
    source::{Source, encoded, snapshots},
    text::print,
};
use crate::past::{self, What};

#[derive(Args)]
pub(super) struct State {
    /// Right after this command, for example commands/3@1042; its partition is the one that is looked at.
    #[arg(long, value_parser = position)]
    at: Position,
    #[command(subcommand)]
    of: Of,
}

#[derive(Subcommand)]
enum Of {
    /// A node: its entry, its orders, its cells.
    Node { id: String },
    /// The cells of a SKU.
    Sku { sku: String },
    /// An order, by our id or CHANNEL:ID.
    Order { id: String },
}

impl State {
    pub(super) fn run(self, common: &Common) -> Result<(), CliError> {
        let source = match self.of {
            // Its name stands in the rows.
            Of::Order { .. } => Source::rows(common)?,
            _ => Source::log(common)?,
        };
        let what = match self.of {
            Of::Node { id } => What::Node(id),
            Of::Sku { sku } => What::Sku(sku),
            Of::Order { id: order } => What::Order(id(common, &source, &order)?),
        };
        let shown = match &source {
            Source::Running(client) => {
                let (name, value) = match &what {
                    What::Node(node) => ("node", node.clone()),
                    What::Sku(sku) => ("sku", sku.clone()),
                    What::Order(order) => ("order", order.to_string()),
                };
                let at = encoded(&self.at.to_string());
                client.get(&format!("/v1/state?at={at}&{name}={}", encoded(&value)))?.ok(common)?
            }
            Source::Resting(resting) => past::state(&resting.log, &snapshots(common)?, &self.at, &what)?,
        };
        print(common, &shown);
        Ok(())
    }
}
