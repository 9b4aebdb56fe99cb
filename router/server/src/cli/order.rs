//! `router order`: check, send, show, list.

use std::{
    fs::File,
    io::{BufRead, BufReader, IsTerminal, Read, Write},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use clap::{Args, Subcommand};
use router_ingest::{decode, seal::Keys};
use router_schemas::{command::order::Arrival, limits};
use serde_json::{Value, json};

use super::{
    CliError, Common, Format,
    client::{Because, Client},
    named::{Lines, put},
    queue::steer,
    source::{Ask, Source},
    text::{self, Table, bold, dim, plain, time},
};
use crate::router::RouterError;

#[derive(Subcommand)]
pub(super) enum Order {
    /// Check messages by the line without sending them; 1 where one is wrong.
    #[command(after_help = "Examples:
  router order lint orders.ndjson
  zcat orders.ndjson.gz | router order lint -")]
    Lint(Input),
    /// Send messages by the line: orders, or CloudEvents that name their kind. Results come as they are known.
    #[command(after_help = "Examples:
  router order send orders.ndjson --data-dir ./data
  router order send orders.ndjson --format json > answers.ndjson")]
    Send {
        #[command(flatten)]
        input: Input,
        #[command(flatten)]
        because: Because,
    },
    /// Show an order by our id, or by CHANNEL:ID or CHANNEL/ACCOUNT:ID.
    #[command(after_help = "Example:\n  router order show web:1001")]
    Show { id: String },
    /// List orders, newest first.
    #[command(after_help = "Example:\n  router order list --state parked:unfillable --limit 20")]
    List(List),
    /// Take units that are not picked back from nodes, and have them routed again.
    #[command(after_help = "Examples:
  router order reroute web:1001 --reason 'the customer moved'
  router order reroute web:1001 --from berlin-1 --line 2:1 --reason damaged")]
    Reroute(Reroute),
    /// Let an order go on that someone has looked at.
    #[command(after_help = "Example:\n  router order approve web:1001 --reason 'the address is right'")]
    Approve {
        /// Our id, CHANNEL:ID or CHANNEL/ACCOUNT:ID.
        id: String,
        #[command(flatten)]
        because: Because,
    },
}

#[derive(Args)]
pub(super) struct Reroute {
    /// Our id, CHANNEL:ID or CHANNEL/ACCOUNT:ID.
    id: String,
    /// From this node only.
    #[arg(long, value_name = "NODE")]
    from: Option<String>,
    #[command(flatten)]
    lines: Lines,
    /// The node may get it again.
    #[arg(long)]
    same_node: bool,
    #[command(flatten)]
    because: Because,
}

#[derive(Args)]
pub(super) struct Input {
    /// File with a message on each line; `-` reads standard input.
    file: PathBuf,
}

#[derive(Args)]
pub(super) struct List {
    /// For example routing, parked:unfillable, in_fulfilment, completed, cancelled, shipped_after_cancel.
    #[arg(long)]
    state: Option<String>,
    /// The channel that they came by.
    #[arg(long)]
    channel: Option<String>,
    /// A node that has, or had, units of them.
    #[arg(long)]
    node: Option<String>,
    /// Orders at most.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
}

impl Order {
    pub(super) fn run(self, common: &Common) -> Result<(), CliError> {
        match self {
            Order::Lint(input) => lint(&input, common),
            Order::Send { input, because } => send(&input, &because, common),
            Order::Show { id } => {
                let source = Source::rows(common)?;
                let order = source.ask(&Ask::Order(id), None, 1)?.ok(common)?;
                match common.format {
                    Format::Json => text::print(common, &order),
                    Format::Text => page(&order),
                }
                Ok(())
            }
            Order::List(List { state, channel, node, limit }) => {
                list(common, &Ask::Orders { state, channel, node }, limit)
            }
            Order::Reroute(Reroute { id, from, lines, same_node, because }) => {
                let mut asked = json!({ "act": "reroute", "same_node": same_node });
                put(&mut asked, "node", from);
                lines.put(&mut asked);
                steer(common, &id, &because, asked)
            }
            Order::Approve { id, because } => steer(common, &id, &because, json!({ "act": "approve" })),
        }
    }
}

impl Input {
    /// Opens the input, and its size where it is known.
    pub(super) fn open(&self) -> Result<(Box<dyn Read + Send>, Option<u64>), CliError> {
        let failed = |e| CliError::File(self.file.display().to_string(), e);
        if self.file.as_os_str() == "-" {
            return Ok((Box::new(std::io::stdin()), None));
        }
        let file = File::open(&self.file).map_err(failed)?;
        let about = file.metadata().map_err(failed)?;
        if about.is_dir() {
            return Err(failed(std::io::Error::from(std::io::ErrorKind::IsADirectory)));
        }
        let size = about.is_file().then_some(about.len());
        Ok((Box::new(file), size))
    }

    /// Hands each line that is not empty to `take`, with its number from 1. Of a line that is far longer than a
    /// message may be, the rest is passed over.
    pub(super) fn each(
        &self,
        mut take: impl FnMut(u64, &[u8]) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        let failed = |e| CliError::File(self.file.display().to_string(), e);
        let mut from = BufReader::new(self.open()?.0);
        let (mut line, mut number) = (Vec::new(), 0);
        loop {
            line.clear();
            let most = 64 * limits::MESSAGE_BYTES as u64;
            if (&mut from).take(most).read_until(b'\n', &mut line).map_err(failed)? == 0 {
                return Ok(());
            }
            number += 1;
            if line.last() == Some(&b'\n') {
                line.pop();
            } else if line.len() as u64 == most {
                from.skip_until(b'\n').map_err(failed)?;
            }
            if !line.trim_ascii().is_empty() {
                take(number, &line)?;
            }
        }
    }
}

fn lint(input: &Input, common: &Common) -> Result<(), CliError> {
    // Keys of its own: nothing that is checked is kept.
    let folder = std::env::temp_dir().join(format!("router-lint-{}", std::process::id()));
    let checked = Keys::open(&folder).map_err(|e| CliError::Router(RouterError::from(e))).and_then(|keys| {
        let context = decode::Context { keys: &keys, arrival: Arrival::Http, key: None };
        let (mut good, mut bad) = (0u64, 0u64);
        input.each(|number, line| {
            match decode::message("order.v1", line, &context) {
                Ok(_) => good += 1,
                Err(rejected) => {
                    bad += 1;
                    match common.format {
                        Format::Text => text::line(&format!("line {number}: {rejected}")),
                        Format::Json => {
                            let mut row = serde_json::to_value(&rejected).unwrap_or_default();
                            row["line"] = json!(number);
                            text::print(common, &row);
                        }
                    }
                }
            }
            Ok(())
        })?;
        text::print(common, &json!({ "good": good, "bad": bad }));
        if bad > 0 { Err(CliError::Found) } else { Ok(()) }
    });
    let _ = std::fs::remove_dir_all(folder);
    checked
}

fn send(input: &Input, because: &Because, common: &Common) -> Result<(), CliError> {
    // A file that is not there is said before a router is started for it.
    let (body, size) = input.open()?;
    let client = Client::connect(common)?.because(because);
    let sent = Arc::new(AtomicU64::new(0));
    let mut progress = Progress { sent: sent.clone(), size, answers: 0, bad: 0, drawn: None };
    client.post_lines("/v1/batch", Counted { body, sent }, |line| {
        progress.answer(common, &line);
    })?;
    progress.end();
    let (answers, bad) = (progress.answers, progress.bad);
    if common.format == Format::Text {
        text::note(&format!("{answers} lines answered, {} taken, {bad} not", answers - bad));
    }
    if bad > 0 { Err(CliError::Found) } else { Ok(()) }
}

/// Counts what is read, for the progress.
struct Counted {
    body: Box<dyn Read + Send>,
    sent: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.body.read(buffer)?;
        self.sent.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}

/// How far a file is sent, on a terminal only, beside the results.
struct Progress {
    sent: Arc<AtomicU64>,
    size: Option<u64>,
    answers: u64,
    bad: u64,
    drawn: Option<Instant>,
}

impl Progress {
    fn answer(&mut self, common: &Common, line: &Value) {
        self.answers += 1;
        self.bad += u64::from(line["status"].as_u64().is_none_or(|status| status >= 400));
        match common.format {
            Format::Json => text::print(common, line),
            Format::Text => {
                self.wipe();
                text::line(&result(line));
            }
        }
        self.draw();
    }

    fn draw(&mut self) {
        let due = self.drawn.is_none_or(|at| at.elapsed() > Duration::from_millis(200));
        if !due || !std::io::stderr().is_terminal() {
            return;
        }
        self.drawn = Some(Instant::now());
        let sent = self.sent.load(Ordering::Relaxed);
        let share = match self.size.filter(|size| *size > 0) {
            Some(size) => format!("{} %", sent.min(size) * 100 / size),
            None => format!("{} KiB", sent / 1024),
        };
        eprint!("\r\x1b[Ksent {share}, {} answered, {} not taken", self.answers, self.bad);
        let _ = std::io::stderr().flush();
    }

    /// Takes the progress off the line that a result is printed on.
    fn wipe(&mut self) {
        if self.drawn.is_some() && std::io::stdout().is_terminal() && std::io::stderr().is_terminal() {
            eprint!("\r\x1b[K");
            self.drawn = None;
        }
    }

    fn end(&mut self) {
        if self.drawn.take().is_some() {
            eprint!("\r\x1b[K");
        }
    }
}

/// A line of the answer to a batch, for people.
fn result(line: &Value) -> String {
    let answer = &line["answer"];
    let head = format!("line {}  {}", plain(&line["line"]), plain(&line["status"]));
    if let Some(code) = answer["code"].as_str() {
        let pointer = plain(&answer["pointer"]);
        let at = if pointer.is_empty() { String::new() } else { format!(" at {pointer}") };
        return format!("{head}  {code}{at}: {}", plain(&answer["detail"]));
    }
    let parts = ["answer", "order", "zone", "state", "position"].map(|name| plain(&answer[name]));
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    format!("{head}  {}", parts.join("  "))
}

fn list(common: &Common, ask: &Ask, limit: u64) -> Result<(), CliError> {
    let heads = ["ORDER", "NAME", "STATE", "ZONE", "NODES", "LINES", "CREATED"];
    Source::list(common, ask, limit, &heads, |row| {
        vec![
            plain(&row["order"]),
            name(row),
            plain(&row["state"]),
            plain(&row["zone"]),
            some(&nodes(row)),
            row["lines"].as_array().map_or(0, Vec::len).to_string(),
            time(&row["created_at"]),
        ]
    })
}

/// The platform's name of the order.
fn name(row: &Value) -> String {
    let account = plain(&row["account"]);
    let account = if account.is_empty() { account } else { format!("/{account}") };
    format!("{}{account}:{}", plain(&row["channel"]), plain(&row["id"]))
}

fn nodes(row: &Value) -> Vec<String> {
    let mut nodes: Vec<String> = Vec::new();
    for fulfilment in row["fulfilments"].as_array().into_iter().flatten() {
        let node = plain(&fulfilment["node"]);
        if !nodes.contains(&node) {
            nodes.push(node);
        }
    }
    nodes
}

/// The first few: a large order may be spread over so many nodes that no terminal has room for them.
fn some(nodes: &[String]) -> String {
    let (shown, more) = nodes.split_at(nodes.len().min(3));
    let shown = shown.join(", ");
    if more.is_empty() { shown } else { format!("{shown} and {} more", more.len()) }
}

/// An order as a page.
fn page(row: &Value) {
    text::line(&format!("{}  {}", bold(&plain(&row["order"])), name(row)));
    let pair = |name: &str, value: String| {
        if !value.is_empty() {
            text::line(&format!("  {} {value}", dim(&format!("{name:<11}"))));
        }
    };
    pair("state", plain(&row["state"]));
    pair("zone", plain(&row["zone"]));
    pair("number", plain(&row["number"]));
    pair("payment", format!("{} {}", plain(&row["payment"]), refunded(row)).trim().to_owned());
    pair("totals", totals(row));
    pair("delivery", plain(&row["delivery_mode"]));
    pair("placed", time(&row["placed_at"]));
    if row["promise"].is_object() {
        pair("promised", ["from", "to"].map(|end| time(&row["promise"][end])).join(" to "));
    }
    pair("not before", time(&row["not_before"]));
    pair("created", time(&row["created_at"]));
    pair("changed", format!("{} (revision {})", time(&row["changed_at"]), plain(&row["revision"])));
    pair("version", plain(&row["version"]));
    pair("remark", plain(&row["remark"]));
    pair("tags", plain(&row["tags"]));
    if row["recipient_sealed"] == json!(true) {
        pair("recipient", "sealed".into());
    }
    let units = [
        "ordered",
        "open",
        "held",
        "backordered",
        "allocated",
        "away",
        "shipped",
        "after_cancel",
        "delivered",
        "returned",
        "cancelled",
    ];
    table(row, "lines", &["LINE", "SKU", "NAME"], &["line", "sku", "name"], &units);
    let units = ["backordered", "allocated", "picked", "ready", "shipped", "returned"];
    table(row, "fulfilments", &["NODE", "LINE"], &["node", "line"], &units);
}

/// The lines, or what nodes have of them: a column for each state that has units.
fn table(row: &Value, member: &str, heads: &[&'static str], names: &[&str], units: &[&'static str]) {
    let rows = row[member].as_array().map(Vec::as_slice).unwrap_or_default();
    if rows.is_empty() {
        return;
    }
    let heads: Vec<&'static str> = heads.iter().chain(units).copied().collect();
    let mut table = Table::new(&heads);
    for item in rows {
        let mut cells: Vec<String> = names.iter().map(|name| plain(&item[*name])).collect();
        cells.extend(units.iter().map(|unit| match plain(&item[*unit]) {
            zero if zero == "0" => String::new(),
            units => units,
        }));
        table.row(cells);
    }
    text::line("");
    table.print(2);
}

/// Amounts in minor units; those of zero say nothing.
fn totals(row: &Value) -> String {
    let amounts = row["totals"].as_object().into_iter().flatten();
    let amounts = amounts.filter(|(_, amount)| amount.as_i64() != Some(0));
    let amounts: Vec<_> =
        amounts.map(|(name, amount)| format!("{} {}", name.replace('_', " "), plain(amount))).collect();
    if amounts.is_empty() {
        String::new()
    } else {
        format!("{} {}", amounts.join(", "), plain(&row["currency"]))
    }
}

fn refunded(row: &Value) -> String {
    match row["refunded"].as_i64() {
        None | Some(0) => String::new(),
        Some(amount) => format!("({amount} refunded)"),
    }
}
