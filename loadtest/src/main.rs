//! `router-loadtest`: sends orders to a router over its HTTP API, as callers do, and measures it.
//!
//! It starts the router on a fresh folder (or takes the address of one), furnishes it, sends orders, waits until
//! every order is decided and shown in the rows, and has the log audited. Closed loop at maximum, or open loop at a
//! rate: there the latency counts from when an order was due, so that a router that stalls cannot hide it.

mod after;
mod batch;
mod compare;
mod connection;
mod furnish;
mod post;
mod process;
mod report;
mod run;

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use clap::{Parser, ValueEnum};

/// How orders are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// Streams of lines, `POST /v1/batch`.
    Batch,
    /// One order a request on keep-alive connections.
    Post,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

/// Sends orders to a router and measures it.
#[derive(Clone, Debug, Parser)]
#[command(after_help = "Examples:\n  router-loadtest --mode batch --orders 1000000\n  \
    router-loadtest --mode post --connections 256 --rate 8000 --seconds 20\n  \
    router-loadtest --compare before.json after.json")]
pub(crate) struct Asked {
    /// How orders are sent.
    #[arg(long, value_enum, default_value = "batch")]
    pub mode: Mode,
    /// Orders at most.
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub orders: u64,
    /// Seconds of sending at most.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub seconds: u64,
    /// Connections; 2 for batch, 256 for post where absent.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub connections: Option<u16>,
    /// Orders a second, open loop; absent: as fast as it goes, closed loop.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub rate: Option<u64>,
    /// A running router on loopback; absent: one is started on a fresh folder.
    #[arg(long)]
    pub address: Option<SocketAddr>,
    /// The program to start; absent: `router` beside this one.
    #[arg(long)]
    pub router: Option<PathBuf>,
    /// Folder of the router that is started, which must not exist; absent: one in the system's temporary folder,
    /// removed at the end.
    #[arg(long)]
    pub data_dir: Option<PathBuf>,
    /// Orders are made from this.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Zones, each on a partition of its own as far as those go.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub zones: u16,
    /// Nodes of all zones together.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub nodes: u32,
    /// SKUs; every node has every one, so that cells are nodes × SKUs.
    #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(u32).range(3..=1_000_000))]
    pub skus: u32,
    /// Start the router once more at the end, and time it: after an end, and after `kill -9`.
    #[arg(long)]
    pub restart: bool,
    /// Leave the audit out.
    #[arg(long)]
    pub no_audit: bool,
    /// How results are printed.
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
    /// Compare two results that were printed as JSON.
    #[arg(long, num_args = 2, value_names = ["BEFORE", "AFTER"])]
    pub compare: Option<Vec<PathBuf>>,
}

/// The measurement could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error("{0}: {1}")]
    Io(String, std::io::Error),
    #[error("{0}")]
    Wrong(String),
}

impl LoadError {
    /// For `map_err`: what was being done.
    pub fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> LoadError {
        let doing = doing.into();
        |error| LoadError::Io(doing, error)
    }
}

fn main() -> ExitCode {
    let asked = Asked::parse();
    let done = match &asked.compare {
        Some(files) => compare::compare(&files[0], &files[1]),
        None => run::run(&asked),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("router-loadtest: {error}");
            ExitCode::FAILURE
        }
    }
}
