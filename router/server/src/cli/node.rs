//! `router node`: reference tables.

use clap::Subcommand;
use router_ingest::json::Instant;
use serde_json::{Value, json};

use super::{
    CliError, Common,
    client::{Because, Client},
    named::{self, instant},
    order::Input,
    source::{Ask, Source, encoded, said},
    text::{self, members},
};
use crate::show;

#[derive(Subcommand)]
pub(super) enum Node {
    /// Publish entries by the line; 1 where one was refused.
    #[command(
        after_help = "Example:\n  router node set zones.ndjson --table zones && router node set nodes.ndjson"
    )]
    Set {
        #[command(flatten)]
        input: Input,
        /// `zones`, `nodes`, `items`, `channels`, `regions`, `fees` or `quotas`.
        #[arg(long, default_value = "nodes", value_parser = TABLES)]
        table: String,
        #[command(flatten)]
        because: Because,
    },
    /// List a table.
    #[command(after_help = "Examples:\n  router node list\n  router node list --table zones --format json")]
    List {
        /// `zones`, `nodes`, `items`, `channels`, `regions`, `fees` or `quotas`.
        #[arg(long, default_value = "nodes", value_parser = TABLES)]
        table: String,
        /// Entries at most.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
        limit: u64,
    },
    /// Show a node.
    #[command(after_help = "Example:\n  router node show berlin-1")]
    Show { id: String },
    /// Show how a node stands: paused or not, its load, how it answers offers.
    #[command(after_help = "Example:\n  router node standing berlin-1")]
    Standing { id: String },
    /// Give a node no more work for a while: its open offers are withdrawn, what it has stays with it.
    #[command(after_help = "Examples:
  router node pause berlin-1
  router node pause berlin-1 --until 2026-05-04T13:00:00+02:00 --reason 'no power'")]
    Pause {
        id: String,
        /// When it takes part again by itself: RFC 3339; absent: when it is resumed.
        #[arg(long, value_name = "TIME", value_parser = instant)]
        until: Option<Instant>,
        #[command(flatten)]
        because: Because,
    },
    /// Let a paused node take part again.
    #[command(after_help = "Example:\n  router node resume berlin-1")]
    Resume {
        id: String,
        #[command(flatten)]
        because: Because,
    },
    /// Have all work of a node that is not picked routed elsewhere.
    #[command(after_help = "Example:\n  router node evacuate berlin-1 --reason 'a burst pipe'")]
    Evacuate {
        id: String,
        #[command(flatten)]
        because: Because,
    },
    /// Publish a node's entry as it is, enabled.
    #[command(after_help = "Example:\n  router node enable berlin-1")]
    Enable {
        id: String,
        #[command(flatten)]
        because: Because,
    },
    /// Publish a node's entry as it is, disabled: it is no candidate until it is enabled.
    #[command(after_help = "Example:\n  router node disable berlin-1")]
    Disable {
        id: String,
        #[command(flatten)]
        because: Because,
    },
}

const TABLES: [&str; 7] = ["zones", "nodes", "items", "channels", "regions", "fees", "quotas"];

impl Node {
    pub(super) fn run(self, common: &Common) -> Result<(), CliError> {
        match self {
            Node::Set { input, table, because } => {
                input.open()?;
                set(common, &input, &table, &because)
            }
            Node::List { table, limit } => list(common, &table, limit),
            Node::Show { id } => {
                let node = find(common, &Source::rows(common)?, &id)?;
                text::print(common, &node);
                Ok(())
            }
            Node::Standing { id } => {
                let answer = Source::rows(common)?.ask(&Ask::Standing(id), None, 1)?;
                said(common, &answer)
            }
            Node::Pause { id, until, because } => {
                let mut message = json!({ "node": id, "act": "pause" });
                named::put(&mut message, "until", until.map(|until| show::json(&show::Time(until.0))));
                request(common, &because, &message)
            }
            Node::Resume { id, because } => {
                request(common, &because, &json!({ "node": id, "act": "resume" }))
            }
            Node::Evacuate { id, because } => {
                request(common, &because, &json!({ "node": id, "act": "evacuate" }))
            }
            Node::Enable { id, because } => switch(common, &id, "enable", &because),
            Node::Disable { id, because } => switch(common, &id, "disable", &because),
        }
    }
}

fn set(common: &Common, input: &Input, table: &str, because: &Because) -> Result<(), CliError> {
    let client = Client::connect(common)?.because(because);
    let path = format!("/v1/{}", encoded(table));
    let mut refused = false;
    input.each(|number, line| {
        let answer = client.post(&path, line.to_vec())?;
        match said(common, &answer) {
            Ok(()) => {}
            Err(CliError::Refused(why)) => {
                refused = true;
                text::note(&format!("router: line {number}: {why}"));
            }
            Err(CliError::Found) => refused = true,
            Err(other) => return Err(other),
        }
        Ok(())
    })?;
    if refused { Err(CliError::Found) } else { Ok(()) }
}

fn list(common: &Common, table: &str, limit: u64) -> Result<(), CliError> {
    let ask = Ask::References(table.to_owned());
    if table != "nodes" {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        return Source::rows(common)?.each(common, &ask, limit, |row| text::print(common, row));
    }
    let names =
        ["id", "zone", "name", "enabled", "default", "modes", "groups", "capacity_at_once", "capacity_a_day"];
    let heads = ["NODE", "ZONE", "NAME", "ENABLED", "DEFAULT", "MODES", "GROUPS", "AT ONCE", "A DAY"];
    Source::list(common, &ask, limit, &heads, |row| members(row, &names))
}

fn find(common: &Common, source: &Source, id: &str) -> Result<Value, CliError> {
    let mut found = None;
    source.each(common, &Ask::References("nodes".into()), usize::MAX, |row| {
        if row["id"] == json!(id) {
            found = Some(row.clone());
        }
    })?;
    found.ok_or_else(|| CliError::Refused(format!("E4004: no node {id:?}; `router node list` lists them")))
}

/// Asks something about a node.
fn request(common: &Common, because: &Because, message: &Value) -> Result<(), CliError> {
    let client = Client::connect(common)?.because(because);
    named::send(common, &client, "/v1/nodes/requests", message)
}

/// Publishes the node as it is, enabled or not.
fn switch(common: &Common, id: &str, to: &str, because: &Because) -> Result<(), CliError> {
    let client = Client::connect(common)?.because(because);
    client.settle();
    said(common, &client.post(&format!("/v1/local/nodes/{}/{to}", encoded(id)), Vec::new())?)
}
