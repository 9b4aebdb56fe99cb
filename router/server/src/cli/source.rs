//! Questions that change nothing: asked of the router that runs on the folder, else read from the folder at rest.
//! At rest the log is opened for reading only and nothing is appended to it; the rows, which are made of it, are
//! brought to its end first.

use std::{sync::atomic::AtomicBool, time::Duration};

use router_log::{Isolation, Journal, Log, LogError, scan};
use router_schemas::{command::Command, envelope, position::TopicPartition, refusal::Code, stage::StageName};
use router_sinks::{FjallStore, Page, Store, StoreError, follow};
use serde_json::{Value, json};

use super::{
    CliError, Common, Format,
    client::{Client, Response},
    resting, text,
};
use crate::{
    gateway::{BAD_QUERY, NOT_FOUND, local},
    router::{Folder, RouterError},
    runner::Snapshots,
    show,
};

/// Rows of one page.
pub(super) const PAGE: usize = 500;

/// Who answers.
pub(super) enum Source {
    Running(Client),
    Resting(Resting),
}

/// A folder on which no router runs.
pub(super) struct Resting {
    pub log: Journal,
    store: Option<FjallStore>,
}

/// A question about rows.
pub(super) enum Ask {
    /// An order by our id, or by CHANNEL:ID or CHANNEL/ACCOUNT:ID.
    Order(String),
    Orders {
        state: Option<String>,
        channel: Option<String>,
        node: Option<String>,
    },
    Cells {
        node: Option<String>,
        sku: Option<String>,
    },
    References(String),
    /// Offers that a node may claim; without a node all that there were.
    Offers(Option<String>),
    Offer(String),
    /// What a node has to do.
    Work(String),
    /// How a node stands.
    Standing(String),
    /// Parked orders, of a queue or of all.
    Queue(Option<String>),
    /// What is held for an order.
    Hold(String),
    /// Pools, of a channel or of all.
    Pools(Option<String>),
}

impl Source {
    /// The router of this folder, or the folder at rest with its log and its rows.
    pub fn rows(common: &Common) -> Result<Source, CliError> {
        Ok(match Client::running(common)? {
            Some(client) => Source::Running(client),
            None => Source::Resting(Resting::with_rows(common)?),
        })
    }

    /// The router of this folder, or the folder at rest with its log only.
    pub fn log(common: &Common) -> Result<Source, CliError> {
        Ok(match Client::running(common)? {
            Some(client) => Source::Running(client),
            None => Source::Resting(Resting::open(common)?),
        })
    }

    /// A page of rows behind `after`, or the one row asked for.
    pub fn ask(&self, ask: &Ask, after: Option<&str>, limit: usize) -> Result<Response, CliError> {
        match self {
            Source::Running(client) => client.get(&path(ask, after, limit)),
            Source::Resting(resting) => resting.answer(ask, after, limit),
        }
    }

    /// All rows up to a limit, each handed to `take`.
    pub fn each(
        &self,
        common: &Common,
        ask: &Ask,
        limit: usize,
        mut take: impl FnMut(&Value),
    ) -> Result<(), CliError> {
        let (mut left, mut after) = (limit, None::<String>);
        while left > 0 {
            let answer = self.ask(ask, after.as_deref(), left.min(PAGE))?.ok(common)?;
            let page = answer["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
            left = left.saturating_sub(page.len());
            page.iter().for_each(&mut take);
            after = answer["next"].as_str().map(str::to_owned);
            if after.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Prints the rows that are asked for, so many at most: by the line as they are, or in a table whose cells are made
    /// of each.
    pub fn list(
        common: &Common,
        ask: &Ask,
        limit: u64,
        heads: &[&'static str],
        cells: impl Fn(&Value) -> Vec<String>,
    ) -> Result<(), CliError> {
        let source = Source::rows(common)?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        if common.format == Format::Json {
            return source.each(common, ask, limit, |row| text::print(common, row));
        }
        let mut table = text::Table::new(heads);
        source.each(common, ask, limit, |row| table.row(cells(row)))?;
        table.print(0);
        Ok(())
    }

    /// Topics, partitions, and the offsets that they hold.
    pub fn ranges(&self) -> Result<Vec<Value>, CliError> {
        match self {
            Source::Running(client) => {
                let answer = client.get("/v1/log")?;
                Ok(answer.body["rows"].as_array().cloned().unwrap_or_default())
            }
            Source::Resting(resting) => Ok(local::ranges(&resting.log)),
        }
    }

    /// Records from an offset on, decoded.
    pub fn records(
        &self,
        common: &Common,
        partition: &TopicPartition,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Value>, CliError> {
        match self {
            Source::Running(client) => {
                let topic = encoded(&partition.topic.name());
                let path = format!("/v1/log/{topic}/{}?from={from}&limit={limit}", partition.partition);
                let answer = client.get(&path)?.ok(common)?;
                Ok(answer["rows"].as_array().cloned().unwrap_or_default())
            }
            Source::Resting(resting) => {
                Ok(local::read(&resting.log, partition, Some(from), limit).map_err(RouterError::from)?)
            }
        }
    }
}

impl Resting {
    /// Opens the log for reading only.
    pub fn open(common: &Common) -> Result<Resting, CliError> {
        let folder = Folder(common.folder());
        let log = Journal::open_read_only(&folder.journal(), common.settings.options());
        let log = log.map_err(|e| match e {
            // The folder that was asked for, not the one within.
            LogError::Missing(_) => LogError::Missing(folder.0),
            other => other,
        });
        Ok(Resting { log: log.map_err(RouterError::from)?, store: None })
    }

    /// Opens log and rows, and brings the rows to the end of the log. Says where commands are not applied yet.
    pub fn with_rows(common: &Common) -> Result<Resting, CliError> {
        let resting = Resting::open(common)?;
        let store = open_rows(&Folder(common.folder()))?;
        let followed = follow::follow(&resting.log, &store, &AtomicBool::new(false), true);
        followed.map_err(|e| CliError::Refused(e.to_string()))?;
        let waiting = waiting(&resting.log).map_err(RouterError::from)?;
        if waiting > 0 {
            text::note(&format!(
                "router: {waiting} commands of the log are not applied yet, so rows may be behind; `router run` \
                 applies them"
            ));
        }
        Ok(Resting { store: Some(store), ..resting })
    }

    /// The rows; there where it was opened with them.
    pub fn store(&self) -> Option<&dyn Store> {
        self.store.as_ref().map(|store| store as &dyn Store)
    }

    fn answer(&self, ask: &Ask, after: Option<&str>, limit: usize) -> Result<Response, CliError> {
        let Some(store) = &self.store else { return Ok(missing("the rows were not opened")) };
        let after = after.map(bytes);
        resting::answer(store, ask, after.as_deref(), limit).map_err(|e| CliError::Router(e.into()))
    }
}

/// Two questions at once wait for each other: the tables have one owner at a time.
fn open_rows(folder: &Folder) -> Result<FjallStore, CliError> {
    let mut tries = 200;
    loop {
        let error = match FjallStore::open(&folder.rows()) {
            Ok(store) => return Ok(store),
            Err(error) => error,
        };
        let text = error.to_string();
        if matches!(error, StoreError::InUse) && tries > 0 {
            tries -= 1;
            std::thread::sleep(Duration::from_millis(50));
            continue;
        }
        // To bring rows to the end of the log is to write them; that is no damage.
        if text.contains("PermissionDenied") || text.contains("ReadOnlyFilesystem") {
            let place =
                format!("{} (rows are written to be brought to the log's end)", folder.rows().display());
            return Err(CliError::File(place, std::io::ErrorKind::PermissionDenied.into()));
        }
        return Err(RouterError::from(error).into());
    }
}

/// Commands behind the progress of their stages, those of time left out.
fn waiting(log: &dyn Log) -> Result<u64, LogError> {
    let mut count = 0;
    for stage in StageName::ALL {
        for p in 0..log.partitions(&stage.input()).unwrap_or(0) {
            let partition = TopicPartition::new(stage.input(), p);
            let range = log.range(&partition).unwrap_or_default();
            let applied = log.committed(stage.group(), &partition).unwrap_or(0).max(range.start);
            scan(log, &partition, applied..range.end, Isolation::Durable, |records| {
                let timed =
                    |command| matches!(command, Command::Genesis(_) | Command::Tick | Command::Continue);
                let commands = records.iter().map(|record| envelope::decode::<Command>(&record.payload));
                count += commands.filter(|c| !matches!(c, Ok((_, c)) if timed(c.clone()))).count() as u64;
                Ok::<_, LogError>(())
            })?;
        }
    }
    Ok(count)
}

pub(super) fn page<T>(page: Page<T>, show: impl Fn(&T) -> Value) -> Value {
    let rows: Vec<_> = page.rows.iter().map(&show).collect();
    let next = page.next.map(|key| key.iter().map(|b| format!("{b:02x}")).collect::<String>());
    json!({ "rows": rows, "next": next })
}

fn bytes(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2).filter_map(|pair| std::str::from_utf8(pair).ok());
    pairs.filter_map(|pair| u8::from_str_radix(pair, 16).ok()).collect()
}

pub(super) fn missing(detail: &str) -> Response {
    problem(404, NOT_FOUND, detail)
}

pub(super) fn unreadable(parameter: &str) -> Response {
    problem(400, BAD_QUERY, &format!("the parameter {parameter} is not readable"))
}

/// As a router that runs answers.
fn problem(status: u16, code: Code, detail: &str) -> Response {
    Response { status, body: show::json(&show::Problem::new(code, "", detail)) }
}

fn path(ask: &Ask, after: Option<&str>, limit: usize) -> String {
    let (path, asked): (String, Vec<(&str, &Option<String>)>) = match ask {
        Ask::Order(id) => return format!("/v1/orders/{}", encoded(id)),
        Ask::Orders { state, channel, node } => {
            ("/v1/orders".into(), vec![("state", state), ("channel", channel), ("node", node)])
        }
        Ask::Cells { node, sku } => ("/v1/stock".into(), vec![("node", node), ("sku", sku)]),
        Ask::References(table) => (format!("/v1/{}", encoded(table)), Vec::new()),
        Ask::Offer(id) => return format!("/v1/offers/{}", encoded(id)),
        Ask::Standing(node) => return format!("/v1/nodes/{}/standing", encoded(node)),
        Ask::Hold(order) => return format!("/v1/holds/{}", encoded(order)),
        Ask::Offers(None) => ("/v1/offers".into(), Vec::new()),
        Ask::Offers(Some(node)) => (format!("/v1/nodes/{}/offers", encoded(node)), Vec::new()),
        Ask::Work(node) => (format!("/v1/nodes/{}/work", encoded(node)), Vec::new()),
        Ask::Queue(queue) => ("/v1/queues".into(), vec![("queue", queue)]),
        Ask::Pools(channel) => ("/v1/pools".into(), vec![("channel", channel)]),
    };
    let mut path = format!("{path}?limit={limit}");
    for (name, value) in asked {
        if let Some(value) = value {
            path.push_str(&format!("&{name}={}", encoded(value)));
        }
    }
    if let Some(after) = after {
        path.push_str(&format!("&after={}", encoded(after)));
    }
    path
}

/// Percent-encodes what is not plainly legal in a path or query.
pub(super) fn encoded(text: &str) -> String {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"-._~:".contains(&b);
    text.bytes().map(|b| if legal(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// The snapshots of a router at rest.
pub(super) fn snapshots(common: &Common) -> Result<Snapshots, CliError> {
    Ok(Snapshots::local(&Folder(common.folder()).snapshots()).map_err(RouterError::from)?)
}

impl Response {
    /// The body of an answer, where it is what was asked for.
    pub fn ok(self, common: &Common) -> Result<Value, CliError> {
        match self.status {
            200 => Ok(self.body),
            _ => Err(refusal(common, &self)),
        }
    }
}

/// What a refusal is to the one who asked: the whole of it as JSON, or a line on standard error.
pub(super) fn refusal(common: &Common, answer: &Response) -> CliError {
    if common.format == Format::Json {
        text::print(common, &answer.body);
        return CliError::Found;
    }
    let part = |name: &str| text::plain(&answer.body[name]);
    let at = match part("pointer") {
        pointer if pointer.is_empty() => String::new(),
        pointer => format!(" at {pointer}:"),
    };
    let hint = match part("hint") {
        hint if hint.is_empty() => String::new(),
        hint => format!("; {hint}"),
    };
    CliError::Refused(format!("{}:{at} {}{hint}", part("code"), part("detail")))
}

/// Prints an answer that was taken; what was refused is an error.
pub(super) fn said(common: &Common, answer: &Response) -> Result<(), CliError> {
    if answer.status >= 400 {
        return Err(refusal(common, answer));
    }
    text::print(common, &answer.body);
    Ok(())
}
