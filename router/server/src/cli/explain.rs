//! `router explain`: the story of an order, and why each choice was made.

use clap::Args;
use router_schemas::{id::OrderId, position::Position};
use serde_json::json;

use super::{
    CliError, Common, Format,
    dlq::position,
    source::{Ask, Source, encoded, refusal, snapshots},
    text::{self, print},
};
use crate::explain;

#[derive(Args)]
pub(super) struct Explain {
    /// Our id of the order, or CHANNEL:ID.
    order: String,
    /// Up to and with this command, for example commands/3@1042.
    #[arg(long, value_parser = position)]
    at: Option<Position>,
    /// Say for every choice why it was not this node.
    #[arg(long, value_name = "NODE")]
    why_not: Option<String>,
}

impl Explain {
    /// Tells the story: a router that runs makes the choices again beside its work; a folder at rest is read only.
    pub(super) fn run(self, common: &Common) -> Result<(), CliError> {
        let source = Source::rows(common)?;
        let order = id(common, &source, &self.order)?;
        let (story, page) = match &source {
            Source::Running(client) => {
                let asked = [("at", self.at.map(|at| at.to_string())), ("why_not", self.why_not)];
                let asked = asked.into_iter().filter_map(|(n, v)| Some(format!("{n}={}", encoded(&v?))));
                let asked = asked.collect::<Vec<_>>().join("&");
                let mut answer = client.get(&format!("/v1/explain/{order}?{asked}"))?.ok(common)?;
                let page = answer["page"].as_str().unwrap_or_default().to_owned();
                (answer["story"].take(), page)
            }
            Source::Resting(resting) => {
                let story = explain::story(
                    &resting.log,
                    &snapshots(common)?,
                    order,
                    self.at.as_ref(),
                    self.why_not.as_deref(),
                )?;
                (json!(story), explain::page(&story, self.why_not.as_deref()))
            }
        };
        match common.format {
            Format::Json => print(common, &story),
            Format::Text => text::line(page.trim_end()),
        }
        Ok(())
    }
}

/// Our id of an order: as given, else as the rows know it.
pub(super) fn id(common: &Common, source: &Source, order: &str) -> Result<OrderId, CliError> {
    if let Ok(id) = order.parse() {
        return Ok(id);
    }
    let answer = source.ask(&Ask::Order(order.to_owned()), None, 1)?;
    let id = answer.body["order"].as_str().and_then(|id| id.parse().ok());
    id.ok_or_else(|| refusal(common, &answer))
}
