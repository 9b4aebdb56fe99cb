//! The command line. Exit codes: 0 done, 1 a check found something or a request was refused, 2 wrong usage,
//! 69 the router cannot be reached or opened, 74 a file cannot be read or written.

mod ask;
mod check;
mod client;
mod demo;
mod run;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Order router: reserves stock, chooses the store, tells everyone, loses nothing.
#[derive(Parser)]
#[command(
    name = "router",
    version,
    arg_required_else_help = true,
    after_help = "Examples:
  router demo
  router run --data-dir ./data
  router node set nodes.ndjson --data-dir ./data
  router order send orders.ndjson --data-dir ./data
  router order show web:1001 --data-dir ./data
  router log cat events --limit 5 --format json"
)]
struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Args, Clone)]
struct Common {
    /// Folder that holds everything of this router [default: ./router-data; of the demo: a temporary one].
    #[arg(long, global = true, env = "ROUTER_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// For people, or one line of JSON a row.
    #[arg(long, global = true, value_enum, default_value = "text")]
    format: Format,
}

impl Common {
    fn folder(&self) -> PathBuf {
        self.data_dir.clone().unwrap_or_else(|| PathBuf::from("./router-data"))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

#[derive(Subcommand)]
enum Verb {
    /// Run the router until it is told to end.
    #[command(after_help = "Example:\n  router run --data-dir ./data --listen 127.0.0.1:8080")]
    Run(run::Run),
    /// Play real orders at real store places, and watch.
    #[command(after_help = "Examples:
  router demo
  router demo --orders 20000 --rate max --exit --format json")]
    Demo(demo::Demo),
    /// Check, send, show and list orders.
    #[command(subcommand)]
    Order(ask::Order),
    /// Show and change stock.
    #[command(subcommand)]
    Stock(ask::Stock),
    /// Publish and list nodes; `--table` for zones, items, channels, regions.
    #[command(subcommand)]
    Node(ask::Node),
    /// Look into the log.
    #[command(subcommand)]
    Log(ask::LogVerb),
    /// Recompute the invariants from the log, and compare log, rows and topics; 1 where something is wrong.
    #[command(after_help = "Example:\n  router audit --data-dir ./data --format json")]
    Audit,
    /// Run the stages over a log's inputs again and compare every byte they write; 1 at the first difference.
    #[command(after_help = "Example:\n  router replay --data-dir ./data --into ./again")]
    Replay(check::Replay),
}

/// Why a verb ended without doing what it was asked to.
#[derive(Debug, thiserror::Error)]
enum CliError {
    /// A check found something, or a request was refused; it was printed already.
    #[error("")]
    Found,
    #[error("E3002: {0}: {1}; check the path and its rights")]
    File(String, std::io::Error),
    #[error("E3003: the router does not answer: {0}")]
    Unreachable(String),
    #[error("{0}")]
    Router(#[from] crate::router::RouterError),
    #[error("E3004: {0}")]
    Usage(String),
}

impl CliError {
    fn exit_code(&self) -> u8 {
        match self {
            CliError::Found => 1,
            CliError::Usage(_) => 2,
            CliError::Unreachable(_) | CliError::Router(_) => 69,
            CliError::File(..) => 74,
        }
    }
}

/// Runs what the command line asks for.
pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_env("ROUTER_LOG").unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let common = &arguments.common;
    let done = match arguments.verb {
        Verb::Run(run) => run.run(common),
        Verb::Demo(demo) => demo.run(common),
        Verb::Order(order) => order.run(common),
        Verb::Stock(stock) => stock.run(common),
        Verb::Node(node) => node.run(common),
        Verb::Log(log) => log.run(common),
        Verb::Audit => check::audit(common),
        Verb::Replay(replay) => replay.run(common),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let text = error.to_string();
            if !text.is_empty() {
                eprintln!("router: {text}");
            }
            ExitCode::from(error.exit_code())
        }
    }
}
