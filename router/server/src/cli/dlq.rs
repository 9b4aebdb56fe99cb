//! `router dlq`: dead letters.

use std::path::PathBuf;

use clap::Subcommand;
use router_ingest::seal::Keys;
use router_schemas::{limits, position::Position};
use serde_json::Value;

use super::{
    CliError, Common, Format,
    client::{Because, Client, Response, actor},
    source::{Source, encoded, said},
    text::{self, Table, bold, dim, plain, print, time},
};
use crate::{
    gateway::letters,
    router::{Folder, RouterError},
};

#[derive(Subcommand)]
pub(super) enum Dlq {
    /// List letters that nobody has resolved, the oldest first.
    #[command(after_help = "Examples:
  router dlq ls
  router dlq ls --source orders.web --all --format json")]
    Ls {
        /// Of this source only, for example orders.web.
        #[arg(long)]
        source: Option<String>,
        /// Resolved ones too.
        #[arg(long)]
        all: bool,
        /// Letters at most.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
        limit: u64,
    },
    /// Show a letter with its bytes. Sealed bytes are opened, and that you looked is logged.
    #[command(after_help = "Example:\n  router dlq show dlq.orders.web/0@7")]
    Show {
        /// Where the letter lies, as `dlq ls` shows it.
        #[arg(value_parser = position)]
        position: Position,
    },
    /// Send a letter again, as it is or as corrected, and mark it resolved. Again, it changes nothing.
    #[command(after_help = "Examples:
  router dlq replay dlq.orders.web/0@7
  router dlq replay dlq.orders.web/0@7 --with corrected.json")]
    Replay {
        /// Where the letter lies, as `dlq ls` shows it.
        #[arg(value_parser = position)]
        position: Position,
        /// The message as it should have been: an order, or a CloudEvent that names its kind.
        #[arg(long, value_name = "FILE")]
        with: Option<PathBuf>,
        #[command(flatten)]
        because: Because,
    },
}

pub(super) fn position(text: &str) -> Result<Position, String> {
    text.parse()
        .map_err(|_| "a position is written TOPIC/PARTITION@OFFSET, for example dlq.orders.web/0@7".into())
}

impl Dlq {
    pub(super) fn run(self, common: &Common) -> Result<(), CliError> {
        match self {
            Dlq::Ls { source, all, limit } => ls(common, source, all, limit),
            Dlq::Show { position } => show(common, &position),
            Dlq::Replay { position, with, because } => replay(common, &position, with, &because),
        }
    }
}

fn ls(common: &Common, source: Option<String>, all: bool, limit: u64) -> Result<(), CliError> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let (rows, count) = match Source::log(common)? {
        Source::Running(client) => {
            let of = source.map(|source| format!("&source={}", encoded(&source))).unwrap_or_default();
            let answer = client.get(&format!("/v1/dlq?all={all}&limit={limit}{of}"))?.ok(common)?;
            let count = answer["count"].as_u64().unwrap_or(0);
            (answer["rows"].as_array().cloned().unwrap_or_default(), count as usize)
        }
        Source::Resting(resting) => {
            letters::list(&resting.log, source.as_deref(), all, limit).map_err(RouterError::from)?
        }
    };
    if common.format == Format::Json {
        rows.iter().for_each(|row| print(common, row));
        return Ok(());
    }
    let mut table = Table::new(&["LETTER", "FROM", "TIME", "CODE", "AT", "DETAIL", "STATE"]);
    for row in &rows {
        let state = if row["resolved"] == Value::Bool(true) { "resolved" } else { "" };
        let names = ["position", "source", "at", "code", "pointer", "detail"];
        let cell = |name: &str| if name == "at" { time(&row[name]) } else { plain(&row[name]) };
        let mut cells: Vec<_> = names.into_iter().map(cell).collect();
        cells.push(state.into());
        table.row(cells);
    }
    table.print(0);
    if count > rows.len() {
        text::note(&format!("{} more; see them with --limit {count}", count - rows.len()));
    }
    Ok(())
}

fn show(common: &Common, position: &Position) -> Result<(), CliError> {
    let answer = match Source::log(common)? {
        Source::Running(client) => client.get(&path(position))?,
        Source::Resting(resting) => {
            let folder = Folder(common.folder());
            let keys = Keys::open(&folder.keys()).map_err(RouterError::from)?;
            match letters::show(&resting.log, &keys, &folder, position, &actor()) {
                Ok(body) => Response { status: 200, body },
                Err(problem) => Response { status: problem.status.as_u16(), body: problem.body },
            }
        }
    };
    let letter = &answer.ok(common)?;
    if common.format == Format::Json {
        print(common, letter);
        return Ok(());
    }
    text::line(&format!("{}  from {}", bold(&plain(&letter["position"])), plain(&letter["source"])));
    for name in ["code", "pointer", "detail", "at", "resolved", "actor", "reason"] {
        let value = if name == "at" { time(&letter[name]) } else { plain(&letter[name]) };
        if !value.is_empty() {
            text::line(&format!("  {} {value}", dim(&format!("{name:<9}"))));
        }
    }
    let shown = ["text", "hex", "canonical"].into_iter().find(|name| !letter[*name].is_null());
    if let Some(name) = shown {
        text::line(&format!("  {}", dim(&format!("{name}:"))));
        match &letter[name] {
            Value::String(bytes) => text::line(&text::safe(bytes)),
            // Control characters are escaped in JSON.
            message => text::line(&format!("{message:#}")),
        }
    }
    text::note(&format!("router: {}", plain(&letter["logged"])));
    Ok(())
}

fn replay(
    common: &Common,
    position: &Position,
    with: Option<PathBuf>,
    because: &Because,
) -> Result<(), CliError> {
    let corrected = match with {
        None => Vec::new(),
        Some(path) => {
            let failed = |e| CliError::File(path.display().to_string(), e);
            let size = std::fs::metadata(&path).map_err(failed)?.len();
            if size > limits::MESSAGE_BYTES as u64 {
                let most = limits::MESSAGE_BYTES;
                return Err(CliError::Usage(format!(
                    "{} has {size} bytes, {most} are allowed",
                    path.display()
                )));
            }
            let bytes = std::fs::read(&path).map_err(failed)?;
            if bytes.trim_ascii().is_empty() {
                return Err(CliError::Usage(format!("{} is empty", path.display())));
            }
            bytes
        }
    };
    let client = Client::connect(common)?.because(because);
    let answer = client.post(&format!("{}/replay", path(position)), corrected)?;
    said(common, &answer)
}

fn path(position: &Position) -> String {
    let Position { topic, partition, offset } = position;
    format!("/v1/dlq/{}/{partition}/{offset}", encoded(&topic.name()))
}
