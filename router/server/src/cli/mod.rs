//! The command line. Exit codes: 0 done, 1 a check found something or a request was refused, 2 wrong usage,
//! 69 the router cannot be reached or opened, 74 a file cannot be read or written, 78 the configuration is wrong.

mod check;
mod client;
pub(crate) mod conformance;
mod control;
mod demo;
mod dlq;
mod explain;
mod hold;
mod log;
mod named;
mod node;
mod offer;
mod order;
mod queue;
mod resting;
mod rules;
mod run;
mod simulate;
mod source;
mod state;
mod stock;
mod text;
mod token;
mod validate;
mod watch;
mod work;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use router_schemas::refusal::Code;

use crate::{
    codes,
    config::{self, Finding, Given, Settings, TraceFormat},
    router::RouterError,
};

/// The codes of the command line.
pub(crate) const CODES: &[Code] = &[
    Code {
        id: "E3002",
        summary: "a file cannot be read or written",
        hint: "check the path and its rights; see the system's reason",
    },
    Code {
        id: "E3003",
        summary: "the router of this folder does not answer",
        hint: "see what it says on standard error; end it and start it again",
    },
    Code { id: "E3004", summary: "the command line asks for something that cannot be", hint: "see --help" },
    Code {
        id: "E3005",
        summary: "the demo ended: the router did not take something",
        hint: "see the reason; report it where it is none of the machine's",
    },
    Code {
        id: "E3006",
        summary: "a router runs on this folder, and this verb looks at a log at rest",
        hint: "end the router first",
    },
    Code {
        id: "E3007",
        summary: "no router runs on this folder, and this verb needs one",
        hint: "start it: `router run`",
    },
    Code {
        id: "E3008",
        summary: "the answer of the router is none that this program understands",
        hint: "use the same version of both",
    },
    Code {
        id: "E3009",
        summary: "the folder holds something else than a router's data",
        hint: "name another folder, or an empty one",
    },
    Code {
        id: "E3010",
        summary: "the address of the gateway cannot be listened on",
        hint: "choose another address with --listen, or end what holds it",
    },
];

/// What exit codes mean, for every help.
const EXIT: &str = "Exit codes: 0 done; 1 a check found something, or a request was refused; 2 wrong usage;
69 the router cannot be reached or opened; 74 a file cannot be read or written; 78 the configuration is wrong.
Errors have codes, E1234: docs/errors.md says what each means and what to do.";

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
    flags: Flags,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Args)]
struct Flags {
    /// Folder that holds everything of this router [default: ./router-data; of the demo: a temporary one].
    #[arg(long, global = true)]
    data_dir: Option<PathBuf>,
    /// Configuration file, TOML; `router validate --example` prints one.
    #[arg(short, long, global = true, env = "ROUTER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// For people, or one JSON object a line.
    #[arg(long, global = true, value_enum, default_value = "text")]
    format: Format,
}

/// What every verb has.
struct Common {
    settings: Settings,
    /// The folder was named for this call: by the flag, or by the environment.
    folder_named: bool,
    format: Format,
}

impl Common {
    fn folder(&self) -> PathBuf {
        self.settings.data_dir.clone()
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
    #[command(after_help = "Examples:
  router run --data-dir ./data --listen 127.0.0.1:8080
  router run -c router.toml --set log.cache=1GiB")]
    Run(run::Run),
    /// Play real orders at real store places, and watch.
    #[command(after_help = "Examples:
  router demo
  router demo --orders 20000 --rate max --exit --format json")]
    Demo(demo::Demo),
    /// Check the configuration; 78 where something is wrong.
    #[command(after_help = "Examples:
  router validate -c router.toml
  router validate --example > router.toml")]
    Validate(validate::Validate),
    /// Make tokens for callers of the gateway.
    #[command(subcommand)]
    Token(token::Token),
    /// Check, send, show, list and steer orders.
    #[command(subcommand)]
    Order(order::Order),
    /// Show and change stock.
    #[command(subcommand)]
    Stock(stock::Stock),
    /// Publish, show and pause nodes; `--table` for zones, items, channels, regions.
    #[command(subcommand)]
    Node(node::Node),
    /// Check, show, compare and publish rule sets.
    #[command(subcommand)]
    Rules(rules::Rules),
    /// List, claim and decline what stores are offered.
    #[command(subcommand)]
    Offer(offer::Offer),
    /// List what nodes have to do, and say what they did: accepted, picked, ready, shipped, handed over.
    #[command(subcommand)]
    Work(work::Work),
    /// List orders that wait, have them tried again, or give them to a node.
    #[command(subcommand)]
    Queue(queue::Queue),
    /// Keep stock for an order for a time.
    #[command(subcommand)]
    Hold(hold::Hold),
    /// List what channels may sell.
    #[command(subcommand)]
    Pool(hold::Pool),
    /// Print what a node is told, as it happens.
    #[command(after_help = "Examples:
  router watch berlin-1
  router watch berlin-1 --count 1 --format json")]
    Watch(watch::Watch),
    /// Look into the log.
    #[command(subcommand)]
    Log(log::LogVerb),
    /// Look at dead letters, and send them again.
    #[command(subcommand)]
    Dlq(dlq::Dlq),
    /// Pass over a record that a stage stopped at; it leaves the outcome `skipped` and nothing else.
    #[command(after_help = "Example:\n  router skip commands/3@1042 --reason 'breaks I2, see ticket 7'")]
    Skip(control::Decision),
    /// Take a record whose time runs ahead of the clock, so that its partition goes on.
    #[command(after_help = "Example:\n  router accept commands/3@1042 --reason 'the clock was wrong'")]
    Accept(control::Decision),
    /// Tell the story of an order: what happened, and for every choice which stores were looked at and why.
    #[command(after_help = "Examples:
  router explain web:1001
  router explain web:1001 --why-not berlin-2
  router explain web:1001 --at commands/3@1042 --format json")]
    Explain(explain::Explain),
    /// Try a rule set over real history, on a copy, and compare with what happened. Nothing is written.
    #[command(after_help = simulate::HELP)]
    Simulate(simulate::Simulate),
    /// Show a node, a SKU or an order as it was right after a command.
    #[command(after_help = "Examples:
  router state --at commands/3@1042 order web:1001
  router state --at commands/3@1042 node berlin-1
  router state --at commands/3@1042 sku SKU-7 --format json

The engine is brought there on a copy: the newest snapshot before it, then the log. Nothing is written.")]
    State(state::State),
    /// Recompute the invariants from the log, and compare log, rows and topics; 1 where something is wrong.
    #[command(after_help = "Examples:
  router audit --data-dir ./data
  router audit --format json      # while a router runs: up to where its log is now")]
    Audit,
    /// Run the stages over a log's inputs again and compare every byte they write; 1 at the first difference.
    #[command(after_help = "Example:\n  router replay --data-dir ./data --into ./again")]
    Replay(check::Replay),
    /// Run scenarios in the conformance format through the engine; 1 where one fails.
    #[command(after_help = conformance::HELP)]
    Conformance(conformance::Conformance),
    /// Say what an error code means, and what to do.
    #[command(after_help = "Example:\n  router error E1101")]
    Error {
        /// `E` and four digits; without one, all of them.
        code: Option<String>,
    },
}

/// Why a verb ended without doing what it was asked to.
#[derive(Debug, thiserror::Error)]
enum CliError {
    /// A check found something, or a request was refused; it was printed already.
    #[error("")]
    Found,
    /// Ended by Ctrl-C before it was done; whoever pressed it knows.
    #[error("")]
    Interrupted,
    #[error("E3002: {0}: {1}; check the path and its rights")]
    File(String, std::io::Error),
    #[error("E3003: the router does not answer at {0}: {1}")]
    Unreachable(String, String),
    #[error("E3004: {0}")]
    Usage(String),
    #[error(transparent)]
    Conformance(#[from] conformance::Unreadable),
    #[error(transparent)]
    Demo(#[from] crate::demo::DemoError),
    #[error(transparent)]
    Explain(#[from] crate::explain::ExplainError),
    #[error(transparent)]
    Simulate(#[from] crate::simulate::SimulateError),
    #[error(transparent)]
    Past(#[from] crate::past::PastError),
    #[error("E3006: a router runs on {0}; end it first: this looks at a log at rest")]
    Runs(String),
    #[error("E3007: no router runs on {0}; start it first: `router run`")]
    Rests(String),
    /// A request was refused as a whole; code and reason.
    #[error("{0}")]
    Refused(String),
    #[error("E3008: the answer of the router is not understood: {0}; use the same version of both")]
    Answer(String),
    #[error("E3010: cannot listen on {0}: {1}; choose another address with --listen")]
    Listen(std::net::SocketAddr, std::io::Error),
    #[error("E3009: {0}; name another folder, or an empty one")]
    Foreign(String),
    #[error(transparent)]
    Router(#[from] RouterError),
    #[error(transparent)]
    Audit(#[from] router_audit::AuditError),
    #[error("{}", .0.iter().map(Finding::to_string).collect::<Vec<_>>().join("\nrouter: "))]
    Configuration(Vec<Finding>),
}

impl CliError {
    fn exit_code(&self) -> u8 {
        use router_log::LogError::Io;
        match self {
            CliError::Found | CliError::Demo(_) | CliError::Refused(_) => 1,
            CliError::Explain(
                crate::explain::ExplainError::Unknown(_) | crate::explain::ExplainError::Before(..),
            ) => 1,
            CliError::Explain(_) => 69,
            CliError::Simulate(crate::simulate::SimulateError::Stretch(_)) => 1,
            CliError::Past(crate::past::PastError::Unknown(..)) => 1,
            CliError::Usage(_) => 2,
            CliError::Interrupted => 130,
            CliError::File(..) | CliError::Conformance(_) | CliError::Router(RouterError::Log(Io { .. })) => {
                74
            }
            CliError::Configuration(_) => 78,
            _ => 69,
        }
    }
}

/// Runs what the command line asks for.
pub(crate) fn main() -> ExitCode {
    let matches = with_exit_codes(Arguments::command()).get_matches();
    let arguments = match Arguments::from_arg_matches(&matches) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    match perform(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let text = error.to_string();
            if !text.is_empty() {
                text::note(&format!("router: {text}"));
            }
            ExitCode::from(error.exit_code())
        }
    }
}

/// Every `--help` ends with what exit codes mean.
fn with_exit_codes(command: clap::Command) -> clap::Command {
    let before = command.get_after_help().map(|text| format!("{text}\n\n")).unwrap_or_default();
    command.after_long_help(format!("{before}{EXIT}")).mut_subcommands(with_exit_codes)
}

fn perform(Arguments { flags, verb }: Arguments) -> Result<(), CliError> {
    let folder_named = flags.data_dir.is_some() || std::env::var_os("ROUTER_DATA_DIR").is_some();
    let mut given = Given { file: flags.config, flags: Vec::new() };
    if let Some(folder) = flags.data_dir {
        given.set("data_dir", folder.display().to_string(), "--data-dir");
    }
    let verb = match verb {
        Verb::Token(token) => return token.run(flags.format),
        verb => verb,
    };
    match &verb {
        Verb::Run(run) => run.give(&mut given)?,
        Verb::Error { code } => return error(code.as_deref(), flags.format),
        Verb::Conformance(conformance) => return conformance.run(flags.format),
        Verb::Validate(validate) => return validate.run(&mut given, flags.format),
        _ => {}
    }
    let settings = config::load(&given, environment()).map_err(CliError::Configuration)?;
    trace(&settings);
    let common = &Common { settings, folder_named, format: flags.format };
    match verb {
        Verb::Run(run) => run.run(common),
        Verb::Demo(demo) => demo.run(common),
        Verb::Validate(_) | Verb::Error { .. } | Verb::Token(_) | Verb::Conformance(_) => Ok(()),
        Verb::Order(order) => order.run(common),
        Verb::Stock(stock) => stock.run(common),
        Verb::Node(node) => node.run(common),
        Verb::Rules(rules) => rules.run(common),
        Verb::Offer(offer) => offer.run(common),
        Verb::Work(work) => work.run(common),
        Verb::Queue(queue) => queue.run(common),
        Verb::Hold(hold) => hold.run(common),
        Verb::Pool(pool) => pool.run(common),
        Verb::Watch(watch) => watch.run(common),
        Verb::Log(log) => log.run(common),
        Verb::Dlq(dlq) => dlq.run(common),
        Verb::Skip(decision) => decision.skip(common),
        Verb::Accept(decision) => decision.accept(common),
        Verb::Explain(explain) => explain.run(common),
        Verb::Simulate(simulate) => simulate.run(common),
        Verb::State(state) => state.run(common),
        Verb::Audit => check::audit(common),
        Verb::Replay(replay) => replay.run(common),
    }
}

fn error(asked: Option<&str>, format: Format) -> Result<(), CliError> {
    let codes = codes::parts().into_iter().flat_map(|part| part.codes);
    let asked_for = |code: &Code| asked.is_none_or(|asked| code.id.eq_ignore_ascii_case(asked));
    let codes: Vec<_> = codes.filter(asked_for).collect();
    if codes.is_empty() {
        return Err(CliError::Usage("there is no such code; docs/errors.md lists them".into()));
    }
    for Code { id, summary, hint } in codes {
        match format {
            Format::Text => text::line(&format!("{id}  {summary}; {hint}")),
            Format::Json => {
                let row = serde_json::json!({ "code": id, "summary": summary, "hint": hint });
                text::line(&row.to_string());
            }
        }
    }
    Ok(())
}

/// The variables that are text; others are none of ours.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

fn trace(settings: &Settings) {
    let filter = tracing_subscriber::EnvFilter::new(&settings.trace.level);
    let said = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match settings.trace.format {
        TraceFormat::Text => said.with_ansi(text::colour(&std::io::stderr())).init(),
        TraceFormat::Json => said.json().init(),
    }
}
