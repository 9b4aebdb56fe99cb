//! `router work`: what nodes have to do, and what they say of it.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    CliError, Common,
    client::{Because, Client},
    named::{self, Lines, put},
    offer,
    source::{Ask, Source},
    text::{members, time},
};

#[derive(Subcommand)]
pub(super) enum Work {
    /// List what a node has to do.
    #[command(after_help = "Examples:
  router work ls --node berlin-1
  router work ls --node berlin-1 --format json")]
    Ls {
        /// The node.
        #[arg(long)]
        node: String,
        /// Orders at most.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
        limit: u64,
    },
    /// The node will do it.
    #[command(after_help = "Example:\n  router work accept web:1001 --node berlin-1")]
    Accept(At),
    /// Units are off the shelf.
    #[command(after_help = "Examples:
  router work pick web:1001 --node berlin-1
  router work pick web:1001 --node berlin-1 --line 1 --line 2:0.5")]
    Pick(At),
    /// Units wait for the carrier or the customer.
    #[command(after_help = "Example:\n  router work ready web:1001 --node berlin-1")]
    Ready(At),
    /// Units left the node.
    #[command(after_help = "Example:
  router work ship web:1001 --node berlin-1 --carrier dhl --tracking 00340434161094042557")]
    Ship {
        #[command(flatten)]
        at: At,
        /// Who carries it.
        #[arg(long)]
        carrier: Option<String>,
        /// The carrier's number.
        #[arg(long)]
        tracking: Option<String>,
    },
    /// The customer collected the units at the node.
    #[command(after_help = "Example:\n  router work hand-over web:1001 --node berlin-1 --code 504213")]
    HandOver {
        #[command(flatten)]
        at: At,
        /// The pick-up code that the customer said: a wrong one is refused.
        #[arg(long)]
        code: Option<String>,
    },
    /// Answer for a node that was asked to give picked units back.
    #[command(after_help = "Example:\n  router work answer-cancel web:1001 --node berlin-1 --grant")]
    AnswerCancel {
        /// Our id, CHANNEL:ID or CHANNEL/ACCOUNT:ID.
        order: String,
        /// Who answers.
        #[arg(long)]
        node: String,
        #[command(flatten)]
        word: Word,
        #[command(flatten)]
        because: Because,
    },
}

#[derive(Args)]
pub(super) struct At {
    /// Our id, CHANNEL:ID or CHANNEL/ACCOUNT:ID.
    order: String,
    /// The node that has the units.
    #[arg(long)]
    node: String,
    #[command(flatten)]
    lines: Lines,
    #[command(flatten)]
    because: Because,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(super) struct Word {
    /// The units are put back and cancelled.
    #[arg(long)]
    grant: bool,
    /// They will be sent.
    #[arg(long)]
    deny: bool,
}

impl Work {
    pub(super) fn run(self, common: &Common) -> Result<(), CliError> {
        let none = json!({});
        match self {
            Work::Ls { node, limit } => ls(common, node, limit),
            Work::Accept(at) => at.state(common, "accepted", none),
            Work::Pick(at) => at.state(common, "picked", none),
            Work::Ready(at) => at.state(common, "ready", none),
            Work::Ship { at, carrier, tracking } => {
                let mut more = none;
                put(&mut more, "carrier", carrier);
                put(&mut more, "tracking", tracking);
                at.state(common, "shipped", more)
            }
            Work::HandOver { at, code } => {
                let mut more = none;
                put(&mut more, "code", code);
                at.state(common, "handed_over", more)
            }
            Work::AnswerCancel { order, node, word, because } => {
                let client = Client::connect(common)?.because(&because);
                let order = named::order(common, &client, &order)?;
                let answer = json!({ "order": order, "node": node, "granted": word.grant });
                named::send(common, &client, "/v1/fulfilments/cancel_answers", &answer)
            }
        }
    }
}

impl At {
    /// Sends the fact, with these further members.
    fn state(self, common: &Common, what: &str, mut fact: Value) -> Result<(), CliError> {
        let client = Client::connect(common)?.because(&self.because);
        fact["order"] = json!(named::order(common, &client, &self.order)?);
        fact["node"] = json!(self.node);
        self.lines.put(&mut fact);
        named::send(common, &client, &format!("/v1/fulfilments/{what}"), &fact)
    }
}

fn ls(common: &Common, node: String, limit: u64) -> Result<(), CliError> {
    let heads = ["ORDER", "NUMBER", "DAY", "MODE", "PROMISED", "DUE", "ACCEPTED", "LINES"];
    Source::list(common, &Ask::Work(node), limit, &heads, |row| {
        let lines = || row["lines"].as_array().into_iter().flatten();
        let accepted = if lines().all(|line| line["accepted"] == json!(true)) { "yes" } else { "" };
        let mut cells = members(row, &["order", "number", "day_sequence", "delivery_mode"]);
        let promised = time(&row["promise"][1]);
        cells.extend([promised, time(&row["deadline"]), accepted.to_owned(), offer::lines(row)]);
        cells
    })
}
