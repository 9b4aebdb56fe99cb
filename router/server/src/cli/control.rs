//! `router skip` and `router accept`: an operator's word about a record that a stage stopped at.

use clap::Args;
use router_schemas::position::Position;
use serde_json::json;

use super::{CliError, Common, client::Client, dlq::position, source::said};

#[derive(Args)]
pub(super) struct Decision {
    /// The record, as /readyz and standard error name it: TOPIC/PARTITION@OFFSET.
    #[arg(value_parser = position)]
    position: Position,
    /// Why; kept in the log.
    #[arg(long)]
    reason: String,
}

impl Decision {
    pub(super) fn skip(&self, common: &Common) -> Result<(), CliError> {
        self.say(common, "/v1/skip")
    }

    pub(super) fn accept(&self, common: &Common) -> Result<(), CliError> {
        self.say(common, "/v1/accept")
    }

    fn say(&self, common: &Common, path: &str) -> Result<(), CliError> {
        if self.reason.trim().is_empty() {
            return Err(CliError::Usage("--reason must say why: it is kept in the log".into()));
        }
        let asked = json!({ "position": self.position, "reason": self.reason });
        let client = Client::connect(common)?;
        said(common, &client.post(path, asked.to_string().into_bytes())?)
    }
}
