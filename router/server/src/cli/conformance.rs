//! `router conformance`: runs files of scenarios through the engine.

use std::{collections::BTreeSet, io::Read, path::PathBuf};

use clap::Args;
use router_schemas::refusal::Code;

use super::{CliError, Format, text};
use crate::conformance::{
    self, EngineSubject,
    run::{Report, Summary, run},
};

/// The codes of the verb.
pub(crate) const CODES: &[Code] = &[Code {
    id: "E3040",
    summary: "a file of scenarios cannot be read",
    hint: "the message names the scenario and the place in it; docs/conformance.md says where the format is described",
}];

pub(super) const HELP: &str = "Examples:
  router conformance scenarios.json
  router conformance scenarios.json --only grab-first-claim-wins
  generate-scenarios | router conformance - --format json

Each scenario is run by itself, in an engine of its own; nothing is read or written beside the files.
The form of a file and what each word means: router/server/tests/conformance/FORMAT.md.";

#[derive(Args)]
pub(super) struct Conformance {
    /// Files of scenarios, JSON; `-`: standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Only the scenario of this id; may be given several times.
    #[arg(long, value_name = "ID")]
    only: Vec<String>,
}

/// A file that is no file of scenarios.
#[derive(Debug, thiserror::Error)]
#[error("E3040: {file}: {reason}")]
pub(super) struct Unreadable {
    file: String,
    reason: conformance::ReadError,
}

impl Conformance {
    pub(super) fn run(&self, format: Format) -> Result<(), CliError> {
        // All are read before any is run: a fault of the last shows at once.
        let files = self.files.iter().map(|file| Ok((file, read(file)?)));
        let files = files.collect::<Result<Vec<_>, CliError>>()?;
        let mut left: BTreeSet<&str> = self.only.iter().map(String::as_str).collect();
        let mut summary = Summary::default();
        let mut subject = EngineSubject::default();
        for (file, scenarios) in &files {
            for scenario in scenarios {
                if !self.only.is_empty() && !self.only.contains(&scenario.id) {
                    continue;
                }
                left.remove(scenario.id.as_str());
                let verdict = run(&mut subject, scenario);
                summary.count(&verdict);
                tell(format, &file.display().to_string(), Report { id: scenario.id.clone(), verdict });
            }
        }
        match format {
            Format::Text => text::line(&summary.to_string()),
            Format::Json => text::line(&serde_json::json!({ "summary": summary }).to_string()),
        }
        if let Some(id) = left.first() {
            return Err(CliError::Usage(format!("no scenario has the id {:?}", text::safe(id))));
        }
        if summary.failed > 0 { Err(CliError::Found) } else { Ok(()) }
    }
}

fn tell(format: Format, file: &str, report: Report) {
    match format {
        Format::Text => {
            for line in report.to_string().lines() {
                text::line(&text::safe(line));
            }
        }
        Format::Json => {
            let mut row = serde_json::to_value(&report).unwrap_or_default();
            row["file"] = file.into();
            text::line(&row.to_string());
        }
    }
}

fn read(file: &PathBuf) -> Result<Vec<conformance::format::Scenario>, CliError> {
    let name = file.display().to_string();
    let failed = |e| CliError::File(name.clone(), e);
    let json = match file.as_os_str() == "-" {
        true => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map(|_| text).map_err(failed)?
        }
        false => std::fs::read_to_string(file).map_err(failed)?,
    };
    conformance::read(&json).map_err(|reason| Unreadable { file: name, reason }.into())
}
