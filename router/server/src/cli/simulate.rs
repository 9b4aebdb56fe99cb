//! `router simulate`: a draft of rules over real history.

use std::path::PathBuf;

use clap::Args;
use router_ingest::{json::Span, rules};
use router_schemas::position::Position;
use serde_json::json;

use super::{
    CliError, Common, Format,
    dlq::position,
    rules::draft,
    source::{Source, snapshots},
    text::{self, print},
};
use crate::simulate::{self, Asked};

/// What the help says of it.
pub(super) const HELP: &str = "Examples:
  router simulate --rules draft.toml --last 100000
  router simulate --rules draft.toml --from commands/3@1042 --to commands/3@99000 --format json

The engine itself runs real history twice on copies: as it was, and with the draft published where it begins. Both
runs are measured by the same orders: those that either decided on. Nothing is written into the log or the folder.

What stores did names orders that the draft may have given to others. So, in the run of the draft:
- What a store says of work that it has there too (accepted, picked, ready, shipped, returned) is applied, for the
  lines that it has there.
- Work that other stores have there is done by them, when the real store did it.
- A claim counts where the store has an open offer there, a decline where it has the offer or the work.
- An offer that nobody has claimed after --claim-after is claimed by its best store that can have it.
Everything else is applied as it was: orders, payments, counts, receipts, pauses, what operations asked for. So a
count may state stock that the real store had shipped, and another one ships here. Rule sets that were published
later are left out. Without --from or --last, all history that is kept is run; with --from or --to, one partition,
and parts of orders that it sends elsewhere stay away.";

#[derive(Args)]
pub(super) struct Simulate {
    /// The rule set to try, TOML or JSON; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    rules: PathBuf,
    /// The first command, for example commands/3@1042.
    #[arg(long, value_parser = position, conflicts_with = "last")]
    from: Option<Position>,
    /// The last command, of the same partition.
    #[arg(long, value_parser = position, conflicts_with = "last")]
    to: Option<Position>,
    /// So many last commands of each partition.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    last: Option<u64>,
    /// Time after which an offer is claimed where no real claim came, or `never`.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = claims)]
    claim_after: Claims,
}

/// When robots claim.
#[derive(Clone, Copy)]
struct Claims(Option<i64>);

fn claims(text: &str) -> Result<Claims, &'static str> {
    match text {
        "never" => Ok(Claims(None)),
        text => text.parse().map(|span: Span| Claims(Some(span.0))),
    }
}

impl Simulate {
    /// Runs it: a router that runs does so beside its work; a folder at rest is read only.
    pub(super) fn run(self, common: &Common) -> Result<(), CliError> {
        let document = draft(common, &self.rules)?;
        let Simulate { from, to, last, claim_after, .. } = self;
        let asked = Asked { from, to, last, claim_after: claim_after.0 };
        let (report, page) = match Source::log(common)? {
            Source::Running(client) => {
                let body = json!({ "rules": document, "asked": asked });
                let mut answer = client.post("/v1/simulate", body.to_string().into_bytes())?.ok(common)?;
                let page = answer["page"].as_str().unwrap_or_default().to_owned();
                (answer["report"].take(), page)
            }
            Source::Resting(resting) => {
                let set = rules::to_log(&document);
                let report = simulate::simulate(&resting.log, &snapshots(common)?, &set, &asked)?;
                (json!(report), simulate::page(&report))
            }
        };
        match common.format {
            Format::Json => print(common, &report),
            Format::Text => text::line(page.trim_end()),
        }
        Ok(())
    }
}
