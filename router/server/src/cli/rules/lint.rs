//! `router rules lint`: findings with line and column, as compilers tell them.

use std::{collections::BTreeMap, path::PathBuf};

use router_ingest::rules::{self, Finding, Known, KnownNode, Severity};
use serde_json::{Value, json};

use super::super::{
    CliError, Common, Format,
    source::{Ask, Source},
    text,
};
use crate::router::RouterError;

pub(super) fn run(common: &Common, file: &PathBuf, offline: bool, strict: bool) -> Result<(), CliError> {
    let text = super::read(file)?;
    let known = if offline { None } else { tables(common)? };
    let read = rules::read(&text, known.as_ref());
    let name = file.display().to_string();
    tell(common, &name, &read.findings);
    let count = |severity| read.findings.iter().filter(|finding| finding.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    match common.format {
        Format::Json => {
            let said =
                json!({ "file": name, "errors": errors, "warnings": warnings, "compared": known.is_some() });
            text::line(&said.to_string());
        }
        Format::Text => {
            let compared = if known.is_some() { "" } else { " (names were compared with nothing)" };
            text::line(&format!("{name}: {errors} errors, {warnings} warnings{compared}"));
        }
    }
    if errors > 0 || (strict && warnings > 0) { Err(CliError::Found) } else { Ok(()) }
}

/// Prints findings: as text on standard error, where a compiler tells them.
pub(super) fn tell(common: &Common, file: &str, findings: &[Finding]) {
    for finding in findings {
        match common.format {
            Format::Json => {
                let mut said = json!(finding);
                said["file"] = json!(file);
                text::line(&said.to_string());
            }
            Format::Text => {
                let place = [finding.line, finding.column].into_iter().flatten();
                let place: String = place.map(|number| format!(":{number}")).collect();
                let severity = match finding.severity {
                    Severity::Error => "error",
                    Severity::Warning => "warning",
                };
                let Finding { code, detail, hint, .. } = finding;
                text::note(&text::safe(&format!("{file}{place}: {severity} {code}: {detail}; {hint}")));
            }
        }
    }
}

/// The tables of the router of this folder; none where the folder was not named and is none of a router.
fn tables(common: &Common) -> Result<Option<Known>, CliError> {
    match Source::rows(common) {
        Ok(source) => known(common, &source).map(Some),
        Err(CliError::Router(RouterError::Log(router_log::LogError::Missing(_)))) if !common.folder_named => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// What the reference tables have.
pub(super) fn known(common: &Common, source: &Source) -> Result<Known, CliError> {
    let mut known = Known::default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let each = |table: &str, take: &mut dyn FnMut(&Value)| {
        source.each(common, &Ask::References(table.into()), usize::MAX, |row| take(row))
    };
    each("zones", &mut |row| known.zones.extend([text(&row["id"])]))?;
    each("channels", &mut |row| known.channels.extend([text(&row["id"])]))?;
    each("fees", &mut |row| known.fees.extend([text(&row["id"])]))?;
    each("nodes", &mut |row| {
        let texts = |value: &Value| value.as_array().into_iter().flatten().map(text).collect::<Vec<_>>();
        let attributes = row["attributes"].as_object().into_iter().flatten();
        let attributes: BTreeMap<_, _> =
            attributes.map(|(name, values)| (name.clone(), texts(values))).collect();
        known.nodes.insert(text(&row["id"]), KnownNode { groups: texts(&row["groups"]), attributes });
    })?;
    Ok(known)
}
