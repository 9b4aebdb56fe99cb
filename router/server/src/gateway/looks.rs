//! Looks at what is sealed: each is logged before anything is shown, in a file of the data folder.

use std::{io::Write, os::unix::fs::OpenOptionsExt};

use serde_json::{Value, json};

use crate::router::Folder;

/// Appends a line to `access.ndjson`: when, what was looked at, what it is about, and who. It is on disk when this returns.
pub(super) fn note(folder: &Folder, what: &str, about: (&str, Value), actor: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.create(true).append(true).mode(0o600).open(folder.access())?;
    let at = jiff::Timestamp::now().to_string();
    let mut line = json!({ "at": at, "what": what, "actor": actor });
    line[about.0] = about.1;
    file.write_all(format!("{line}\n").as_bytes())?;
    file.sync_all()
}
