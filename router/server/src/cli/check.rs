//! `router audit` and `router replay`: what must hold is recomputed.

use std::path::PathBuf;

use clap::Args;
use router_log::{Journal, LogError};
use serde_json::json;

use super::{
    CliError, Common, Format,
    client::Client,
    source::{Resting, snapshots},
    text::{self, plain, print},
};
use crate::{
    router::{Folder, RouterError},
    runner,
};

#[derive(Args)]
pub(super) struct Replay {
    /// Folder of the new log; made, and left for you to look into.
    #[arg(long)]
    into: PathBuf,
}

/// Recomputes the invariants from the log, and compares the rows. A router that runs audits itself up to where its
/// log is now; a folder at rest is read only.
pub(super) fn audit(common: &Common) -> Result<(), CliError> {
    let report = match Client::running(common)? {
        Some(client) => client.post("/v1/audit", Vec::new())?.ok(common)?,
        None => {
            let resting = Resting::with_rows(common)?;
            let mut report = json!(router_audit::audit(&resting.log, resting.store())?);
            report["rows"] = json!("compared");
            report
        }
    };
    match common.format {
        Format::Json => print(common, &report),
        Format::Text => {
            let members = report.as_object().into_iter().flatten();
            for (name, value) in members.filter(|(_, value)| !value.is_array()) {
                text::line(&format!("{:<12} {}", name.replace('_', " "), plain(value)));
            }
            let list =
                |name: &str| report[name].as_array().into_iter().flatten().map(plain).collect::<Vec<_>>();
            text::line(&format!("{:<12} {}", "invariants", list("invariants").join(" ")));
            for said in [list("no_subject"), list("unchecked")].concat() {
                text::line(&format!("{:<12} {said}", "not checked"));
            }
            for violation in report["first"].as_array().into_iter().flatten() {
                text::line(&format!("{}: {}", plain(&violation["code"]), plain(&violation["detail"])));
            }
        }
    }
    if report["violations"] == 0 { Ok(()) } else { Err(CliError::Found) }
}

impl Replay {
    pub(super) fn run(self, common: &Common) -> Result<(), CliError> {
        if Client::running(common)?.is_some() {
            return Err(CliError::Runs(common.folder().display().to_string()));
        }
        let used = std::fs::read_dir(&self.into).is_ok_and(|mut entries| entries.next().is_some());
        if used {
            return Err(CliError::Usage(format!("{} is not empty; name a new folder", self.into.display())));
        }
        let folder = Folder(common.folder());
        let from = match Journal::open_read_only(&folder.journal(), common.settings.options()) {
            Err(LogError::Missing(_)) => Err(RouterError::from(LogError::Missing(folder.0.clone()))),
            other => other.map_err(RouterError::from),
        }?;
        let snapshots = snapshots(common)?;
        let into = Folder(self.into.clone());
        let replayed = runner::replay(&from, &snapshots, &into.journal(), &into.snapshots());
        let replayed = replayed.map_err(RouterError::from)?;
        let hashes: serde_json::Map<_, _> =
            replayed.hashes.into_iter().map(|(name, hash)| (name, json!(hash))).collect();
        print(
            common,
            &json!({ "inputs": replayed.inputs, "same": replayed.same, "gone": replayed.gone,
            "begun": replayed.begun.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
            "hashes": hashes, "difference": replayed.difference }),
        );
        if replayed.difference.is_some() { Err(CliError::Found) } else { Ok(()) }
    }
}
