//! `router queue`: orders that wait, and what operations do with them. Also what they do with orders elsewhere.

use clap::Subcommand;
use serde_json::{Value, json};

use super::{
    CliError, Common,
    client::{Because, Client},
    named::{self, Lines, key},
    source::{Ask, Source, said},
    text::{self, members, plain, time},
};

#[derive(Subcommand)]
pub(super) enum Queue {
    /// List parked orders as they are served.
    #[command(after_help = "Examples:
  router queue ls
  router queue ls unfillable --limit 500 --format json")]
    Ls {
        /// `unfillable`, `unmapped`, `pinned`, `released`, or one that a rule names; absent: all.
        queue: Option<String>,
        /// Orders at most.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
        limit: u64,
    },
    /// Have an order, or all of a queue, routed from the first rule on; 1 where one was refused.
    #[command(after_help = "Examples:
  router queue retry web:1001 --forgive --reason 'the store called'
  router queue retry --queue by_hand --reason 'new stock'")]
    Retry {
        /// Our id, CHANNEL:ID or CHANNEL/ACCOUNT:ID.
        #[arg(required_unless_present = "queue", conflicts_with = "queue")]
        order: Option<String>,
        /// All that are in this queue now.
        #[arg(long)]
        queue: Option<String>,
        /// Nodes that declined may be asked again.
        #[arg(long)]
        forgive: bool,
        #[command(flatten)]
        because: Because,
    },
    /// Give what is open of an order to a node, whatever the rules say; its stock is checked.
    #[command(
        after_help = "Example:\n  router queue assign web:1001 --node berlin-1 --reason 'agreed by phone'"
    )]
    Assign {
        /// Our id, CHANNEL:ID or CHANNEL/ACCOUNT:ID.
        order: String,
        /// Who gets it.
        #[arg(long)]
        node: String,
        #[command(flatten)]
        lines: Lines,
        #[command(flatten)]
        because: Because,
    },
}

impl Queue {
    pub(super) fn run(self, common: &Common) -> Result<(), CliError> {
        match self {
            Queue::Ls { queue, limit } => ls(common, queue, limit),
            Queue::Retry { order: Some(order), forgive, because, .. } => {
                steer(common, &order, &because, json!({ "act": "retry", "forgive": forgive }))
            }
            Queue::Retry { queue, forgive, because, .. } => {
                all(common, queue, &because, &json!({ "act": "retry", "forgive": forgive }))
            }
            Queue::Assign { order, node, lines, because } => {
                let mut asked = json!({ "act": "assign", "node": node });
                lines.put(&mut asked);
                steer(common, &order, &because, asked)
            }
        }
    }
}

/// Asks something for an order.
pub(super) fn steer(common: &Common, order: &str, because: &Because, asked: Value) -> Result<(), CliError> {
    let client = Client::connect(common)?.because(because);
    let message = message(named::identity(common, &client, order)?, &asked, key()?);
    named::send(common, &client, "/v1/steers", &message)
}

fn message(mut identity: Value, asked: &Value, key: String) -> Value {
    for (name, value) in asked.as_object().into_iter().flatten() {
        identity[name] = value.clone();
    }
    identity["key"] = json!(key);
    identity
}

/// Asks it for each order of a queue.
fn all(common: &Common, queue: Option<String>, because: &Because, asked: &Value) -> Result<(), CliError> {
    let client = Client::connect(common)?.because(because);
    client.settle();
    // All of them first: an order that is routed leaves the queue under our hands.
    let (source, mut waiting) = (Source::Running(client), Vec::new());
    source.each(common, &Ask::Queue(queue), usize::MAX, |row| {
        waiting.push(json!({ "channel": row["channel"], "account": row["account"], "id": row["id"] }));
    })?;
    let Source::Running(client) = source else { return Ok(()) };
    let (call, mut refused) = (key()?, false);
    for (number, identity) in waiting.into_iter().enumerate() {
        let message = message(identity, asked, format!("{call}-{number}"));
        match said(common, &named::posted(&client, "/v1/steers", &message)?) {
            Ok(()) => {}
            Err(CliError::Found) => refused = true,
            Err(CliError::Refused(why)) => {
                refused = true;
                text::note(&format!("router: {}: {why}", plain(&message["id"])));
            }
            Err(other) => return Err(other),
        }
    }
    if refused { Err(CliError::Found) } else { Ok(()) }
}

fn ls(common: &Common, queue: Option<String>, limit: u64) -> Result<(), CliError> {
    let heads = ["ORDER", "CHANNEL", "ID", "STATE", "ZONE", "PRIORITY", "CREATED", "OPEN"];
    Source::list(common, &Ask::Queue(queue), limit, &heads, |row| {
        let open = |line: &Value| match plain(&line["open"]) {
            none if none == "0" || none.is_empty() => None,
            open => Some(format!("{open} {}", plain(&line["sku"]))),
        };
        let open: Vec<_> = row["lines"].as_array().into_iter().flatten().filter_map(open).collect();
        let mut cells = members(row, &["order", "channel", "id", "state", "zone", "priority"]);
        cells.extend([time(&row["created_at"]), open.join(", ")]);
        cells
    })
}
