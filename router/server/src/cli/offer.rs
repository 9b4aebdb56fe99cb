//! `router offer`: what stores are offered.

use clap::Subcommand;
use serde_json::{Value, json};

use super::{
    CliError, Common, Format,
    client::{Because, Client},
    named::{self, Lines, key},
    source::{Ask, Source, encoded},
    text::{self, Table, bold, dim, members, plain, time},
};

#[derive(Subcommand)]
pub(super) enum Offer {
    /// List the offers that a node may claim; without a node all that there were, the first made first.
    #[command(after_help = "Examples:
  router offer ls --node berlin-1
  router offer ls --format json")]
    Ls {
        /// The node.
        #[arg(long)]
        node: Option<String>,
        /// Offers at most.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
        limit: u64,
    },
    /// Show an offer.
    #[command(after_help = "Example:\n  router offer show f2kq9m0g40000000000000abc")]
    Show { id: String },
    /// Claim an order for a node that it is offered to. The winner that asks again gets the first answer.
    #[command(after_help = "Examples:
  router offer claim web:1001 --node berlin-1
  router offer claim web:1001 --node berlin-1 --epoch 2 --reason 'by phone'")]
    Claim {
        /// Our id, CHANNEL:ID or CHANNEL/ACCOUNT:ID.
        order: String,
        /// Who claims.
        #[arg(long)]
        node: String,
        /// The epoch of the offer as the node was told [default: that of the open offer].
        #[arg(long)]
        epoch: Option<u32>,
        #[command(flatten)]
        because: Because,
    },
    /// Decline for a node what it is offered, or give back work that it has and has not shipped.
    #[command(after_help = "Examples:
  router offer decline web:1001 --node berlin-1 --reason closed
  router offer decline web:1001 --node berlin-1 --reason damaged --line 2:1 --line 3")]
    Decline {
        /// Our id, CHANNEL:ID or CHANNEL/ACCOUNT:ID.
        order: String,
        /// Who declines.
        #[arg(long)]
        node: String,
        /// Why: one of the rule set's reasons.
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        lines: Lines,
    },
}

impl Offer {
    pub(super) fn run(self, common: &Common) -> Result<(), CliError> {
        match self {
            Offer::Ls { node, limit } => ls(common, node, limit),
            Offer::Show { id } => show(common, id),
            Offer::Claim { order, node, epoch, because } => {
                let client = Client::connect(common)?.because(&because);
                let order = named::order(common, &client, &order)?;
                let epoch = match epoch {
                    Some(epoch) => epoch,
                    None => epoch_of(common, &client, &order, &node)?,
                };
                let claim = json!({ "order": order, "node": node, "epoch": epoch });
                named::send(common, &client, "/v1/offers/claims", &claim)
            }
            Offer::Decline { order, node, reason, lines } => {
                let client = Client::connect(common)?;
                let order = named::order(common, &client, &order)?;
                let mut decline = json!({ "order": order, "node": node, "reason": reason, "key": key()? });
                lines.put(&mut decline);
                named::send(common, &client, "/v1/offers/declines", &decline)
            }
        }
    }
}

/// The epoch of the order's offer to the node. Without one the engine says how things stand.
fn epoch_of(common: &Common, client: &Client, order: &str, node: &str) -> Result<u32, CliError> {
    client.settle();
    let mut after = String::new();
    loop {
        let answer =
            client.get(&format!("/v1/nodes/{}/offers?limit=500{after}", encoded(node)))?.ok(common)?;
        let rows = answer["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
        if let Some(offer) = rows.iter().find(|row| row["order"] == order) {
            return Ok(offer["epoch"].as_u64().unwrap_or(0) as u32);
        }
        match answer["next"].as_str() {
            Some(next) => after = format!("&after={}", encoded(next)),
            None => return Ok(0),
        }
    }
}

fn ls(common: &Common, node: Option<String>, limit: u64) -> Result<(), CliError> {
    let heads = ["OFFER", "ORDER", "NUMBER", "STATE", "EPOCH", "ROUND", "UNTIL", "METRES", "LINES"];
    Source::list(common, &Ask::Offers(node), limit, &heads, |row| {
        let mut cells = members(row, &["offer", "order", "number", "state", "epoch", "round"]);
        cells.extend([time(&row["deadline"]), plain(&row["metres"]), lines(row)]);
        cells
    })
}

/// Lines in short: `2 LATTE, 0.5 CHERRY`.
pub(super) fn lines(row: &Value) -> String {
    let units = ["qty", "allocated", "backordered", "picked", "ready"];
    let line = |line: &Value| {
        let qty = units.into_iter().map(|name| plain(&line[name])).find(|qty| !qty.is_empty() && qty != "0");
        format!("{} {}", qty.unwrap_or_default(), plain(&line["sku"]))
    };
    row["lines"].as_array().into_iter().flatten().map(line).collect::<Vec<_>>().join(", ")
}

fn show(common: &Common, id: String) -> Result<(), CliError> {
    let row = &Source::rows(common)?.ask(&Ask::Offer(id), None, 1)?.ok(common)?;
    if common.format == Format::Json {
        text::print(common, row);
        return Ok(());
    }
    text::line(&format!("{}  of {}", bold(&plain(&row["offer"])), plain(&row["order"])));
    for name in ["state", "epoch", "round", "rule", "winner", "created_at", "deadline", "number", "remark"] {
        let value =
            if name.ends_with("_at") || name == "deadline" { time(&row[name]) } else { plain(&row[name]) };
        if !value.is_empty() {
            text::line(&format!("  {} {value}", dim(&format!("{name:<11}"))));
        }
    }
    let lines = Table::of(&row["lines"], &["line", "sku", "name", "qty"], &["LINE", "SKU", "NAME", "QTY"]);
    for table in [lines, Table::of(&row["nodes"], &["node", "state"], &["NODE", "STATE"])] {
        text::line("");
        table.print(2);
    }
    Ok(())
}
