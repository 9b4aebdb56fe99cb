//! The verbs that ask a router: orders, stock, nodes, the log.

use std::{
    io::{IsTerminal, Read},
    path::PathBuf,
};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{CliError, Common, Format, client::Client};

#[derive(Subcommand)]
pub(super) enum Order {
    /// Check messages by the line without sending them.
    #[command(after_help = "Example:\n  router order lint orders.ndjson")]
    Lint(Input),
    /// Send messages by the line: orders, or CloudEvents that name their kind.
    #[command(after_help = "Example:\n  router order send orders.ndjson --data-dir ./data")]
    Send(Input),
    /// Show an order by our id, or by CHANNEL:ID.
    #[command(after_help = "Example:\n  router order show web:1001")]
    Show { id: String },
    /// List orders, newest first.
    #[command(after_help = "Example:\n  router order list --state parked:unfillable --limit 20")]
    List(List),
}

#[derive(Args)]
pub(super) struct Input {
    /// File with a message on each line; `-` reads standard input.
    file: PathBuf,
}

#[derive(Args)]
pub(super) struct List {
    #[arg(long)]
    state: Option<String>,
    #[arg(long)]
    channel: Option<String>,
    #[arg(long)]
    node: Option<String>,
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

#[derive(Subcommand)]
pub(super) enum Stock {
    /// List stock cells.
    List {
        #[arg(long)]
        node: Option<String>,
        #[arg(long)]
        sku: Option<String>,
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// State a count.
    #[command(after_help = "Example:\n  router stock count berlin-1 SKU-7 12")]
    Count { node: String, sku: String, qty: String },
}

#[derive(Subcommand)]
pub(super) enum Node {
    /// Publish entries by the line.
    #[command(
        after_help = "Example:\n  router node set zones.ndjson --table zones && router node set nodes.ndjson"
    )]
    Set {
        #[command(flatten)]
        input: Input,
        /// `zones`, `nodes`, `items`, `channels` or `regions`.
        #[arg(long, default_value = "nodes")]
        table: String,
    },
    /// List a table.
    List {
        #[arg(long, default_value = "nodes")]
        table: String,
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
}

#[derive(Subcommand)]
pub(super) enum LogVerb {
    /// Topics, partitions, and the offsets that they hold.
    Ls,
    /// Records of a topic, decoded.
    #[command(
        after_help = "Example:\n  router log cat events --partition 1 --from 100 --limit 10 --format json"
    )]
    Cat {
        topic: String,
        /// One partition only.
        #[arg(long)]
        partition: Option<u16>,
        /// First offset.
        #[arg(long)]
        from: Option<u64>,
        /// Records of each partition at most.
        #[arg(long, default_value_t = 100)]
        limit: u64,
    },
}

impl Order {
    pub(super) fn run(self, common: &Common) -> Result<(), CliError> {
        match self {
            Order::Lint(input) => lint(&input, common),
            Order::Send(input) => {
                let client = Client::connect(common)?;
                let mut bad = 0u64;
                client.post_lines("/v1/batch", &input.read()?, |line| {
                    bad += u64::from(line["status"].as_u64().is_none_or(|status| status >= 400));
                    print(common, &line);
                })?;
                if bad > 0 { Err(CliError::Found) } else { Ok(()) }
            }
            Order::Show { id } => {
                let client = Client::connect(common)?;
                client.settle();
                show(common, &client, &format!("/v1/orders/{}", encoded(&id)))
            }
            Order::List(List { state, channel, node, limit }) => {
                let asked = [("state", state), ("channel", channel), ("node", node)];
                rows(common, &Client::connect(common)?, "/v1/orders", &asked, limit)
            }
        }
    }
}

impl Stock {
    pub(super) fn run(self, common: &Common) -> Result<(), CliError> {
        let client = Client::connect(common)?;
        match self {
            Stock::List { node, sku, limit } => {
                rows(common, &client, "/v1/stock", &[("node", node), ("sku", sku)], limit)
            }
            Stock::Count { node, sku, qty } => {
                let count = json!({ "node": node, "sku": sku, "qty": qty, "source": "cli" });
                said(common, client.post("/v1/stock/counts", count.to_string().as_bytes())?)
            }
        }
    }
}

impl Node {
    pub(super) fn run(self, common: &Common) -> Result<(), CliError> {
        let client = Client::connect(common)?;
        match self {
            Node::Set { input, table } => {
                let bytes = input.read()?;
                let mut refused = false;
                for line in bytes.split(|b| *b == b'\n').filter(|l| !l.trim_ascii().is_empty()) {
                    let path = format!("/v1/{}", encoded(&table));
                    refused |= said(common, client.post(&path, line)?).is_err();
                }
                if refused { Err(CliError::Found) } else { Ok(()) }
            }
            Node::List { table, limit } => {
                rows(common, &client, &format!("/v1/{}", encoded(&table)), &[], limit)
            }
        }
    }
}

impl LogVerb {
    pub(super) fn run(self, common: &Common) -> Result<(), CliError> {
        let client = Client::connect(common)?;
        let topics = client.get("/v1/log")?.body;
        let topics = topics["rows"].as_array().cloned().unwrap_or_default();
        match self {
            LogVerb::Ls => topics.iter().for_each(|row| print(common, row)),
            LogVerb::Cat { topic, partition, from, limit } => {
                let named = |row: &&Value| {
                    let name = row["topic"].as_str().unwrap_or_default();
                    let number = row["partition"].as_u64();
                    (name == topic || name.strip_prefix("router.") == Some(&topic))
                        && partition.is_none_or(|p| number == Some(u64::from(p)))
                };
                let mut found = false;
                for row in topics.iter().filter(named) {
                    found = true;
                    cat(common, &client, row, from, limit)?;
                }
                if !found {
                    return Err(CliError::Usage(format!(
                        "no topic or partition {topic:?}; `router log ls` lists them"
                    )));
                }
            }
        }
        Ok(())
    }
}

fn cat(common: &Common, client: &Client, row: &Value, from: Option<u64>, limit: u64) -> Result<(), CliError> {
    let (mut next, mut left) = (from.or(row["from"].as_u64()).unwrap_or(0), limit);
    let (topic, partition) = (row["topic"].as_str().unwrap_or_default(), &row["partition"]);
    while left > 0 {
        let path = format!("/v1/log/{}/{partition}?from={next}&limit={}", encoded(topic), left.min(500));
        let answer = client.get(&path)?.body;
        let records = answer["rows"].as_array().cloned().unwrap_or_default();
        if records.is_empty() {
            break;
        }
        next += records.len() as u64;
        left = left.saturating_sub(records.len() as u64);
        records.iter().for_each(|record| print(common, record));
    }
    Ok(())
}

impl Input {
    fn read(&self) -> Result<Vec<u8>, CliError> {
        let failed = |e| CliError::File(self.file.display().to_string(), e);
        if self.file.as_os_str() != "-" {
            return std::fs::read(&self.file).map_err(failed);
        }
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map_err(failed)?;
        Ok(bytes)
    }
}

fn lint(input: &Input, common: &Common) -> Result<(), CliError> {
    use router_ingest::{decode, seal::Keys};
    // Keys of its own: nothing that is checked is kept.
    let folder = std::env::temp_dir().join(format!("router-lint-{}", std::process::id()));
    let keys = Keys::open(&folder).map_err(|e| CliError::Router(e.into()));
    let checked = keys.and_then(|keys| {
        let context = decode::Context {
            keys: &keys,
            arrival: router_schemas::command::order::Arrival::Http,
            key: None,
        };
        let bytes = input.read()?;
        let (mut good, mut bad) = (0u64, 0u64);
        for (number, line) in
            bytes.split(|b| *b == b'\n').enumerate().filter(|(_, l)| !l.trim_ascii().is_empty())
        {
            match decode::message("order.v1", line, &context) {
                Ok(_) => good += 1,
                Err(rejected) => {
                    bad += 1;
                    let mut row = serde_json::to_value(&rejected).unwrap_or_default();
                    row["line"] = json!(number + 1);
                    print(common, &row);
                }
            }
        }
        print(common, &json!({ "good": good, "bad": bad }));
        if bad > 0 { Err(CliError::Found) } else { Ok(()) }
    });
    let _ = std::fs::remove_dir_all(folder);
    checked
}

fn rows(
    common: &Common,
    client: &Client,
    path: &str,
    asked: &[(&str, Option<String>)],
    limit: usize,
) -> Result<(), CliError> {
    client.settle();
    let (mut left, mut after) = (limit, None::<String>);
    while left > 0 {
        let mut query = format!("limit={}", left.min(500));
        for (name, value) in asked.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
            query.push_str(&format!("&{name}={}", encoded(value)));
        }
        if let Some(after) = &after {
            query.push_str(&format!("&after={after}"));
        }
        let answer = client.get(&format!("{path}?{query}"))?;
        if answer.status != 200 {
            return said(common, answer);
        }
        let page = answer.body["rows"].as_array().cloned().unwrap_or_default();
        left = left.saturating_sub(page.len());
        page.iter().for_each(|row| print(common, row));
        after = answer.body["next"].as_str().map(str::to_owned);
        if after.is_none() {
            break;
        }
    }
    Ok(())
}

fn show(common: &Common, client: &Client, path: &str) -> Result<(), CliError> {
    said(common, client.get(path)?)
}

fn said(common: &Common, answer: super::client::Response) -> Result<(), CliError> {
    print(common, &answer.body);
    if answer.status < 400 { Ok(()) } else { Err(CliError::Found) }
}

/// A row: one line of JSON, or its members, those of nested objects under their path.
pub(super) fn print(common: &Common, row: &Value) {
    use std::io::Write;
    let text = match common.format {
        Format::Json => row.to_string(),
        Format::Text => {
            let mut text = String::new();
            flatten("", row, &mut text, std::io::stdout().is_terminal());
            text
        }
    };
    // A reader that went away, as `head` does, ends us.
    if writeln!(std::io::stdout(), "{text}").is_err() {
        std::process::exit(0);
    }
}

fn flatten(path: &str, value: &Value, text: &mut String, colour: bool) {
    match value {
        Value::Null => {}
        Value::Object(members) => {
            for (name, value) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flatten(&path, value, text, colour);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (index, item) in items.iter().enumerate() {
                text.push_str("\n   ");
                flatten(&format!("{path}[{index}]"), item, text, colour);
            }
        }
        Value::Array(items) if items.is_empty() => {}
        plain => {
            let plain = plain.as_str().map_or_else(|| plain.to_string(), str::to_owned);
            let gap = if text.is_empty() { "" } else { "  " };
            let plain: String = plain.chars().filter(|c| !c.is_control()).collect();
            text.push_str(&if colour {
                format!("{gap}\x1b[2m{path}=\x1b[0m{plain}")
            } else {
                format!("{gap}{path}={plain}")
            });
        }
    }
}

/// Percent-encodes what is not plainly legal in a path or query.
fn encoded(text: &str) -> String {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"-._~:".contains(&b);
    text.bytes().map(|b| if legal(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
