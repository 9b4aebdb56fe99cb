//! `router audit` and `router replay`: the checks of a data folder at rest.

use std::path::PathBuf;

use clap::Args;
use router_log::{Journal, Options};
use serde_json::json;

use super::{CliError, Common, ask::print};
use crate::{
    router::{Folder, Router},
    runner,
};

#[derive(Args)]
pub(super) struct Replay {
    /// Folder of the new log; made, and left for you to look into.
    #[arg(long)]
    into: PathBuf,
}

/// Recomputes the invariants from the log, and compares the rows.
pub(super) fn audit(common: &Common) -> Result<(), CliError> {
    at_rest(common)?;
    let router = Router::start(&common.folder())?;
    router.settle();
    let report = router_audit::audit(&*router.log, Some(&*router.store));
    router.stop();
    let report = report.map_err(|e| CliError::Usage(e.to_string()))?;
    print(common, &serde_json::to_value(&report).unwrap_or_default());
    if report.violations > 0 { Err(CliError::Found) } else { Ok(()) }
}

impl Replay {
    pub(super) fn run(self, common: &Common) -> Result<(), CliError> {
        at_rest(common)?;
        let used = std::fs::read_dir(&self.into).is_ok_and(|mut entries| entries.next().is_some());
        if used {
            return Err(CliError::Usage(format!("{} is not empty; name a new folder", self.into.display())));
        }
        let folder = Folder(common.folder());
        let from = Journal::open_read_only(&folder.journal(), Options::default())
            .map_err(crate::router::RouterError::from)?;
        let snapshots =
            runner::Snapshots::local(&folder.snapshots()).map_err(crate::router::RouterError::from)?;
        let into = Folder(self.into.clone());
        let replayed = runner::replay(&from, &snapshots, &into.journal(), &into.snapshots())
            .map_err(crate::router::RouterError::from)?;
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

/// A router that runs moves on while it is looked at.
fn at_rest(common: &Common) -> Result<(), CliError> {
    let folder = common.folder();
    let place = folder.display();
    let socket = Folder(folder.clone()).socket();
    if std::os::unix::net::UnixStream::connect(&socket).is_ok() {
        return Err(CliError::Usage(format!(
            "a router runs on {place}; end it first: this looks at a log at rest"
        )));
    }
    if !Folder(common.folder()).journal().is_dir() {
        return Err(CliError::Usage(format!("{place} holds no log; give --data-dir")));
    }
    Ok(())
}
