//! `router log`: topics, and records of any of them.

use std::time::Duration;

use clap::Subcommand;
use router_schemas::position::{Position, Topic, TopicPartition};
use serde_json::Value;

use super::{
    CliError, Common, Format,
    source::Source,
    text::{self, Table, bold, dim, plain, print, time},
};

#[derive(Subcommand)]
pub(super) enum LogVerb {
    /// Topics, partitions, and the offsets that they hold.
    #[command(after_help = "Example:\n  router log ls --format json")]
    Ls,
    /// Records of a topic, decoded, one a line; or of one position.
    #[command(after_help = "Examples:
  router log cat events --partition 1 --from 100 --limit 10 --format json
  router log cat commands/3@1042
  router log cat dlq.orders.web --all
  router log cat stores.assignments --follow")]
    Cat(Cat),
}

#[derive(clap::Args)]
pub(super) struct Cat {
    /// A topic (`events`, `stores.assignments`, `dlq.orders.web`), one partition of it (`events/1`), or a position
    /// (`events/1@42`).
    #[arg(value_name = "TOPIC")]
    place: String,
    /// One partition only.
    #[arg(long)]
    partition: Option<u16>,
    /// First offset; the oldest that is kept where nothing is said.
    #[arg(long)]
    from: Option<u64>,
    /// Records of each partition at most [default: 100; 1 of a position; no limit with --follow].
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "all")]
    limit: Option<u64>,
    /// All that there is.
    #[arg(long)]
    all: bool,
    /// Go on with what comes, from now on or from --from, until Ctrl-C.
    #[arg(long)]
    follow: bool,
}

/// Where to read, and how much.
struct Cursor {
    partition: TopicPartition,
    next: u64,
    left: u64,
}

/// Pause between two looks for what is new.
const LOOK: Duration = Duration::from_millis(200);

impl LogVerb {
    pub(super) fn run(self, common: &Common) -> Result<(), CliError> {
        let source = Source::log(common)?;
        match self {
            LogVerb::Ls => ls(common, &source.ranges()?),
            LogVerb::Cat(cat) => return cat.run(common, &source),
        }
        Ok(())
    }
}

fn ls(common: &Common, rows: &[Value]) {
    if common.format == Format::Json {
        return rows.iter().for_each(|row| print(common, row));
    }
    let mut table = Table::new(&["TOPIC", "PARTITION", "FROM", "TO", "RECORDS"]);
    for row in rows {
        let number = |name: &str| row[name].as_u64().unwrap_or(0);
        let records = number("to").saturating_sub(number("from")).to_string();
        let mut cells: Vec<_> = ["topic", "partition", "from", "to"].map(|name| plain(&row[name])).into();
        cells.push(records);
        table.row(cells);
    }
    table.print(0);
}

impl Cat {
    fn run(&self, common: &Common, source: &Source) -> Result<(), CliError> {
        if self.follow && matches!(source, Source::Resting(_)) {
            return Err(CliError::Rests(common.folder().display().to_string()));
        }
        let mut cursors = self.cursors(&source.ranges()?)?;
        loop {
            let mut news = false;
            for cursor in &mut cursors {
                // To the end of a partition before the next, or with --follow a piece of each in turn.
                while cursor.left > 0 {
                    let limit = cursor.left.min(500) as usize;
                    let records = source.records(common, &cursor.partition, cursor.next, limit)?;
                    let Some(last) = records.last() else { break };
                    cursor.next = offset(last).map_or(cursor.next + records.len() as u64, |last| last + 1);
                    cursor.left = cursor.left.saturating_sub(records.len() as u64);
                    news = true;
                    for record in &records {
                        match common.format {
                            Format::Json => print(common, record),
                            Format::Text => text::line(&line(record)),
                        }
                    }
                    if self.follow {
                        break;
                    }
                }
            }
            if !self.follow || cursors.iter().all(|cursor| cursor.left == 0) {
                return Ok(());
            }
            if !news {
                std::thread::sleep(LOOK);
            }
        }
    }

    /// The partitions that were asked for, and where to begin in each.
    fn cursors(&self, ranges: &[Value]) -> Result<Vec<Cursor>, CliError> {
        let wrong = |detail: String| CliError::Usage(format!("{detail}; `router log ls` lists them"));
        let position: Option<Position> = self.place.parse().ok();
        let (topic, partition) = match (&position, self.place.rsplit_once('/')) {
            (Some(position), _) => (position.topic.clone(), Some(position.partition)),
            (None, Some((topic, partition))) => {
                let read = topic.parse::<Topic>().ok().zip(partition.parse().ok());
                let no = || wrong(format!("{:?} is no topic, partition or position", self.place));
                let (topic, partition) = read.ok_or_else(no)?;
                (topic, Some(partition))
            }
            (None, None) => {
                let no = |_| wrong(format!("{:?} is no topic, partition or position", self.place));
                (self.place.parse::<Topic>().map_err(no)?, None)
            }
        };
        let partition = partition.or(self.partition);
        let mut cursors = Vec::new();
        for row in ranges.iter().filter(|row| row["topic"] == topic.name().as_str()) {
            let number = |name: &str| row[name].as_u64().unwrap_or(0);
            let of = number("partition") as u16;
            if partition.is_some_and(|partition| partition != of) {
                continue;
            }
            let asked = position.as_ref().map(|position| position.offset).or(self.from);
            let first = if self.follow { number("to") } else { number("from") };
            let next = asked.unwrap_or(first);
            if asked.is_some_and(|asked| asked < number("from"))
                || position.is_some() && !self.follow && next >= number("to")
            {
                let (from, to) = (number("from"), number("to"));
                let detail = format!("E2007: {topic}/{of} holds offsets from {from} to before {to}");
                return Err(CliError::Refused(detail));
            }
            let usual = match (&position, self.follow || self.all) {
                (_, true) => u64::MAX,
                (Some(_), false) => 1,
                (None, false) => 100,
            };
            let left = self.limit.unwrap_or(usual);
            cursors.push(Cursor { partition: TopicPartition::new(topic.clone(), of), next, left });
        }
        if cursors.is_empty() {
            return Err(wrong(format!("the log has no such topic or partition: {}", self.place)));
        }
        Ok(cursors)
    }
}

fn offset(record: &Value) -> Option<u64> {
    record["position"].as_str()?.rsplit_once('@')?.1.parse().ok()
}

/// A record for people: where, when, what, and the essentials.
fn line(record: &Value) -> String {
    let (kind, essentials) = if let Some(command) = record["command"].as_object() {
        let about = &record["command"];
        let inner = ["command", "head"].into_iter().map(|name| &about[name]).find(|inner| !inner.is_null());
        let text = inner.map_or_else(String::new, essentials);
        (
            plain(&command["kind"]),
            with(text, [("zone", &about["to"]["zone"]), ("order", &about["to"]["order"])]),
        )
    } else if let Some(event) = record.get("event").filter(|event| event.is_object()) {
        let changes = event["changes"].as_array().map(Vec::as_slice).unwrap_or_default();
        let changes: Vec<String> = changes.iter().map(change).collect();
        let head = [("order", &event["order"]), ("outcome", &event["outcome"]), ("of", &event["cause"])];
        (String::from("event"), with(changes.join("; "), head))
    } else if let Some(reply) = record.get("reply") {
        let names = ["order", "zone", "state", "code", "detail", "position"];
        ("reply".into(), with(plain(&reply["answer"]), names.map(|name| (name, &reply[name]))))
    } else if let Some(letter) = record.get("dead_letter") {
        let names = ["source", "code", "pointer", "detail", "resolved"];
        ("dead letter".into(), with(String::new(), names.map(|name| (name, &letter[name]))))
    } else if let Some(notice) = record.get("notice") {
        let names = ["event", "node", "order", "channel", "external_id", "sku", "qty", "state"];
        let kind = plain(&notice["type"]);
        let lines = notice["lines"].as_array().map(Vec::as_slice).unwrap_or_default();
        let lines: Vec<_> =
            lines.iter().map(|l| format!("{} {}", plain(&l["qty"]), plain(&l["sku"]))).collect();
        (kind, with(lines.join(", "), names.map(|name| (name, &notice[name]))))
    } else {
        ("undecodable".into(), plain(&record["undecodable"]))
    };
    let (position, at) = (plain(&record["position"]), time(&record["at"]));
    let by = with(String::new(), [("by", &record["actor"]), ("because", &record["reason"])]);
    let text = format!("{}  {}  {}  {essentials} {by}", bold(&position), dim(&at), bold(&kind));
    text.trim_end().to_owned()
}

/// The named values that are there, then `rest`.
fn with<const N: usize>(rest: String, named: [(&str, &Value); N]) -> String {
    let mut parts = Vec::new();
    for (name, value) in named {
        let value = plain(value);
        if !value.is_empty() {
            parts.push(format!("{}{value}", dim(&format!("{name}="))));
        }
    }
    parts.push(rest);
    parts.join(" ").trim_end().to_owned()
}

/// What a command is about, however its kind calls it.
fn essentials(value: &Value) -> String {
    // A command is an object with one member, named by its kind; or its kind alone, which is said already.
    let value = match value.as_object() {
        Some(members) if members.len() == 1 => members.values().next().unwrap_or(value),
        Some(_) => value,
        None => return String::new(),
    };
    let mut parts = Vec::new();
    let mut add = |name: &str, value: &Value| {
        let value = plain(value);
        if !value.is_empty() {
            parts.push(format!("{}{value}", dim(&format!("{name}="))));
        }
    };
    let identity = &value["identity"];
    if identity.is_object() {
        let names = ["channel", "account", "external_id"].map(|name| plain(&identity[name]));
        add(
            "name",
            &Value::String(names.into_iter().filter(|n| !n.is_empty()).collect::<Vec<_>>().join(":")),
        );
    }
    for name in ["node", "sku", "bucket"] {
        add(name, &value["cell"][name]);
    }
    for name in [
        "order",
        "id",
        "node",
        "sku",
        "zone",
        "qty",
        "delta",
        "version",
        "state",
        "lines",
        "change",
        "log",
        "partition",
        "level",
    ] {
        add(name, &value[name]);
    }
    if value.is_string() {
        add("position", value);
    }
    parts.join(" ")
}

fn change(change: &Value) -> String {
    let Some((name, value)) = change.as_object().and_then(|members| members.iter().next()) else {
        return plain(change);
    };
    match name.as_str() {
        "Decided" => {
            let chosen = value["chosen"].as_array().map(Vec::as_slice).unwrap_or_default();
            let chosen: Vec<_> = chosen.iter().map(|c| plain(&c[0])).collect();
            format!("{} {} by {}", plain(&value["verdict"]), chosen.join("+"), plain(&value["rule"]))
        }
        "State" => format!("{} → {}", plain(&value[0]), plain(&value[1])),
        "Units" => {
            let moves = value["moves"].as_array().map(Vec::as_slice).unwrap_or_default();
            let moves: Vec<_> =
                moves.iter().map(|m| format!("{} {}→{}", plain(&m[3]), plain(&m[1]), plain(&m[2]))).collect();
            format!("{} at {}", moves.join(", "), plain(&value["node"]))
        }
        _ => format!("{} {}", name.to_lowercase(), plain(value)),
    }
}
