//! `router stock`.

use clap::Subcommand;
use serde_json::json;

use super::{
    CliError, Common,
    client::{Because, Client},
    source::{Ask, Source, said},
    text::members,
};

#[derive(Subcommand)]
pub(super) enum Stock {
    /// List stock cells.
    #[command(after_help = "Examples:
  router stock list --node berlin-1
  router stock list --sku SKU-7 --format json")]
    List {
        /// Of this node.
        #[arg(long)]
        node: Option<String>,
        /// Of this SKU.
        #[arg(long)]
        sku: Option<String>,
        /// Cells at most.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
        limit: u64,
    },
    /// State a count.
    #[command(after_help = "Example:\n  router stock count berlin-1 SKU-7 12")]
    Count {
        node: String,
        sku: String,
        /// Units there, with at most three decimals.
        #[arg(allow_hyphen_values = true)]
        qty: String,
        #[command(flatten)]
        because: Because,
    },
}

impl Stock {
    pub(super) fn run(self, common: &Common) -> Result<(), CliError> {
        match self {
            Stock::List { node, sku, limit } => list(common, &Ask::Cells { node, sku }, limit),
            Stock::Count { node, sku, qty, because } => {
                let client = Client::connect(common)?.because(&because);
                let count = json!({ "node": node, "sku": sku, "qty": qty, "source": "cli" });
                said(common, &client.post("/v1/stock/counts", count.to_string().into_bytes())?)
            }
        }
    }
}

fn list(common: &Common, ask: &Ask, limit: u64) -> Result<(), CliError> {
    let names = [
        "node",
        "sku",
        "bucket",
        "on_hand",
        "allocated",
        "backordered",
        "held",
        "blocked",
        "safety_stock",
        "allowance",
        "atp",
    ];
    let heads = [
        "NODE",
        "SKU",
        "BUCKET",
        "ON HAND",
        "ALLOCATED",
        "BACKORDERED",
        "HELD",
        "BLOCKED",
        "SAFETY",
        "ALLOWANCE",
        "ATP",
    ];
    Source::list(common, ask, limit, &heads, |row| {
        let mut cells = members(row, &names);
        if row["out_of_stock"] == json!(true) {
            cells[10] = "0 (out of stock)".into();
        }
        cells
    })
}
