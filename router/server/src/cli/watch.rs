//! `router watch`: what a node is told, as it happens.

use std::{thread::sleep, time::Duration};

use clap::Args;
use serde_json::{Value, json};

use super::{
    CliError, Common, Format,
    client::{Client, Heard},
    offer,
    source::{encoded, refusal},
    text::{self, bold, dim, plain},
};

/// Between two tries to reach a router that went away.
const PAUSE: Duration = Duration::from_millis(500);

#[derive(Args)]
pub(super) struct Watch {
    /// The node.
    node: String,
    /// End after so many events.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Go on behind the event with this id, where it is still kept.
    #[arg(long, value_name = "ID")]
    from: Option<String>,
}

impl Watch {
    /// Prints each event until the count is reached, or for ever: a stream that breaks off goes on where it was.
    pub(super) fn run(self, common: &Common) -> Result<(), CliError> {
        let path = format!("/v1/nodes/{}/stream", encoded(&self.node));
        let (mut left, mut last) = (self.count, self.from);
        let mut client = Client::running(common)?;
        if client.is_none() {
            return Err(CliError::Rests(common.folder().display().to_string()));
        }
        loop {
            if let Some(client) = &client {
                let heard = client.listen(&path, last.clone().as_deref(), |heard| {
                    print(common, &heard);
                    last = heard.id.or(last.take());
                    left = left.map(|left| left - 1);
                    left != Some(0)
                });
                match heard {
                    _ if left == Some(0) => return Ok(()),
                    Ok(Some(answer)) if answer.status != 503 => return Err(refusal(common, &answer)),
                    Ok(_) | Err(CliError::Unreachable(..)) => {
                        text::note("router: the stream ended; it goes on when the router is there");
                    }
                    Err(other) => return Err(other),
                }
            }
            sleep(PAUSE);
            client = Client::running(common)?;
        }
    }
}

fn print(common: &Common, heard: &Heard) {
    if common.format == Format::Json {
        let row = json!({ "event": heard.event, "id": heard.id, "data": heard.data });
        return text::line(&row.to_string());
    }
    let data = &heard.data;
    if heard.event == "reconcile" {
        let list = |name: &str| data[name].as_array().map(Vec::as_slice).unwrap_or_default();
        let (offers, work) = (list("offers"), list("work"));
        text::line(&format!("{}  {} offers, {} orders to do", bold("reconcile"), offers.len(), work.len()));
        offers.iter().for_each(|row| text::line(&format!("  offered   {}", order(row))));
        work.iter().for_each(|row| text::line(&format!("  to do     {}", order(row))));
        return;
    }
    let at = data["at"].as_i64().and_then(|at| jiff::Timestamp::from_millisecond(at).ok());
    let at = at.map_or_else(String::new, |at| format!("{at:.3}"));
    let until = data["deadline"].as_i64().and_then(|at| jiff::Timestamp::from_millisecond(at).ok());
    let until = until.map_or_else(String::new, |until| format!("  until {until:.3}"));
    let reason = plain(&data["reason"]);
    let event = format!("{:<11}", text::safe(&heard.event));
    text::line(format!("{} {} {}{until}  {reason}", dim(&at), bold(&event), order(data)).trim_end());
}

fn order(row: &Value) -> String {
    let number = ["day_sequence", "number"].map(|name| plain(&row[name]));
    let number = number.into_iter().find(|number| !number.is_empty());
    let number = number.map_or_else(String::new, |number| format!("  no. {number}"));
    format!("{}{number}  {}", plain(&row["order"]), offer::lines(row))
}
