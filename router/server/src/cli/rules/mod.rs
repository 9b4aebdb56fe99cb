//! `router rules`: rule sets as people write them.

mod diff;
mod lint;
mod versions;

use std::{io::Read, path::PathBuf, time::Duration};

use clap::Subcommand;
use router_ingest::{json, rules};
use serde_json::json;

use self::versions::{Version, Versions};
use super::{
    CliError, Common, Format,
    client::Client,
    source::{Source, refusal},
    text::{self, Table, plain, print, safe, time},
};

#[derive(Subcommand)]
pub(super) enum Rules {
    /// Check a rule set, TOML or JSON, also against the nodes, groups and zones that the router knows; 1 where it
    /// cannot be published.
    #[command(after_help = "Examples:
  router rules lint rules.toml --data-dir ./data
  router rules lint rules.toml --offline --strict
  router rules lint rules.json --format json

Errors stand in the way of publishing; warnings tell of what is never reached or matches nothing.")]
    Lint {
        /// The rule set; `-` reads standard input.
        file: PathBuf,
        /// Compare no names with what a router knows.
        #[arg(long)]
        offline: bool,
        /// 1 where there are warnings, too.
        #[arg(long)]
        strict: bool,
    },
    /// Show a rule set as TOML: its last version, or any; without a name, the one that zones go by.
    #[command(after_help = "Examples:
  router rules show
  router rules show --zone shanghai
  router rules show grab > rules.toml
  router rules show grab@3 --format json
  router rules show default")]
    Show {
        /// NAME, or NAME@VERSION.
        name: Option<String>,
        /// Without a name: what this zone goes by; absent: what zones without a rule set of their own go by.
        #[arg(long, conflicts_with = "name")]
        zone: Option<String>,
    },
    /// Compare two rule sets; 1 where they differ.
    #[command(after_help = "Examples:
  router rules diff grab@2 grab@3
  router rules diff default rules.toml")]
    Diff {
        /// A file, NAME or NAME@VERSION.
        old: String,
        /// A file, NAME or NAME@VERSION.
        new: String,
    },
    /// Publish a rule set: it becomes the next version of its name, and its zones go by it from then on.
    #[command(after_help = "Examples:
  router rules publish rules.toml
  router rules publish rules.toml --zone shanghai --zone suzhou --reason 'wider circles'
Try it first: `router rules lint`, `router simulate --rules rules.toml`.")]
    Publish {
        /// The rule set; `-` reads standard input.
        file: PathBuf,
        /// Zones that go by it, in place of those in the file.
        #[arg(long)]
        zone: Vec<String>,
        /// What this version is for, in place of the note in the file.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Publish an earlier version again, as the next one; its zones go by it from then on.
    #[command(after_help = "Example:\n  router rules rollback grab@2 --reason 'too many lapses'")]
    Rollback {
        /// NAME@VERSION.
        name: String,
        /// Why.
        #[arg(long)]
        reason: Option<String>,
    },
    /// List the versions of all rule sets, or of one, the oldest first.
    #[command(after_help = "Examples:\n  router rules history\n  router rules history grab --format json")]
    History {
        /// Of this name only.
        name: Option<String>,
    },
}

impl Rules {
    pub(super) fn run(self, common: &Common) -> Result<(), CliError> {
        match self {
            Rules::Lint { file, offline, strict } => lint::run(common, &file, offline, strict),
            Rules::Show { name, zone } => show(common, name.as_deref(), zone.as_deref()),
            Rules::Diff { old, new } => diff::run(common, &old, &new),
            Rules::Publish { file, zone, reason } => {
                let text = read(&file)?;
                let source = Source::Running(Client::connect(common)?);
                let known = lint::known(common, &source)?;
                let read = rules::read(&text, Some(&known));
                if !read.is_good() {
                    lint::tell(common, &file.display().to_string(), &read.findings);
                    return Err(CliError::Found);
                }
                // A rule set that passes may still hardly do what it should.
                if common.format == Format::Text {
                    lint::tell(common, &file.display().to_string(), &read.findings);
                }
                let Some(mut document) = read.rules else { return Err(CliError::Found) };
                if !zone.is_empty() {
                    document.zones = zone;
                }
                document.note = reason.or(document.note);
                publish(common, &source, &document)
            }
            Rules::Rollback { name, reason } => {
                let (_, version) = crate::rules::named(&name);
                let Some(version) = version else {
                    return Err(CliError::Usage(format!(
                        "{name} names no version: `router rules history` lists them; take for example {name}@1"
                    )));
                };
                let source = Source::Running(Client::connect(common)?);
                let found = Versions::read(common, &source)?.find(&name)?.clone();
                let note = reason.unwrap_or_else(|| format!("back to version {version}"));
                publish(common, &source, &json::Rules { note: Some(note), ..found.document })
            }
            Rules::History { name } => history(common, name.as_deref()),
        }
    }
}

/// Bytes of a file at most: the largest rule set is far smaller.
const MOST: u64 = 1 << 20;

/// The text of a file. What is no UTF-8 is none of TOML or JSON either, and will be said so where it stands.
pub(super) fn read(file: &PathBuf) -> Result<String, CliError> {
    let failed = |e| CliError::File(file.display().to_string(), e);
    let mut bytes = Vec::new();
    if file.as_os_str() == "-" {
        std::io::stdin().take(MOST + 1).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        let opened = std::fs::File::open(file).map_err(failed)?;
        opened.take(MOST + 1).read_to_end(&mut bytes).map_err(failed)?;
    }
    if bytes.len() as u64 > MOST {
        return Err(CliError::Usage(format!(
            "{} has more than {MOST} bytes: no rule set is so long",
            file.display()
        )));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads a rule set to be tried: one that could be published.
pub(super) fn draft(common: &Common, file: &PathBuf) -> Result<json::Rules, CliError> {
    let read = rules::read(&read(file)?, None);
    if !read.is_good() {
        lint::tell(common, &file.display().to_string(), &read.findings);
        return Err(CliError::Found);
    }
    read.rules.ok_or(CliError::Found)
}

fn show(common: &Common, name: Option<&str>, zone: Option<&str>) -> Result<(), CliError> {
    let source = Source::rows(common)?;
    let versions = Versions::read(common, &source)?;
    let found = match name {
        Some(name) => versions.find(name)?,
        None => versions.current(zone),
    };
    match common.format {
        Format::Json => print(common, &found.row),
        Format::Text => {
            text::line(&format!("# {}", heading(found)));
            text::line(rules::toml(&found.document).trim_end());
        }
    }
    Ok(())
}

fn heading(version: &Version) -> String {
    let name = format!("{}@{}", safe(&version.document.name), version.version);
    match version.control {
        Some(_) => {
            format!("{name}, published {} ({})", time(&version.row["at"]), plain(&version.row["position"]))
        }
        None => format!("{name}, built in"),
    }
}

fn history(common: &Common, name: Option<&str>) -> Result<(), CliError> {
    let source = Source::rows(common)?;
    let versions = Versions::read(common, &source)?;
    let asked = |version: &&Version| name.is_none_or(|name| name == version.document.name);
    let shown: Vec<&Version> = versions.all().filter(asked).collect();
    if let (Some(name), true) = (name, shown.is_empty()) {
        return Err(versions::unknown(name));
    }
    if common.format == Format::Json {
        shown.iter().for_each(|version| print(common, &version.row));
        return Ok(());
    }
    let mut table =
        Table::new(&["NAME", "VERSION", "PUBLISHED", "ZONES", "GOES BY IT", "ROUTINGS", "RULES", "NOTE"]);
    for version in shown {
        let document = &version.document;
        let zones =
            if document.zones.is_empty() { "(all others)".into() } else { safe(&document.zones.join(", ")) };
        let goes: Vec<_> = versions.zones_of(version);
        table.row(vec![
            safe(&document.name),
            version.version.to_string(),
            if version.control.is_some() { time(&version.row["at"]) } else { "built in".into() },
            zones,
            safe(&goes.join(", ")),
            document.routings.len().to_string(),
            document.routings.iter().map(|routing| routing.rules.len()).sum::<usize>().to_string(),
            safe(document.note.as_deref().unwrap_or_default()),
        ]);
    }
    table.print(0);
    Ok(())
}

/// Publishes a rule set, and says which version it became.
fn publish(common: &Common, source: &Source, document: &json::Rules) -> Result<(), CliError> {
    let Source::Running(client) = source else {
        return Err(CliError::Rests(common.folder().display().to_string()));
    };
    let answer = client.post("/v1/rules", json!(document).to_string().into_bytes())?;
    if answer.status >= 400 {
        return Err(refusal(common, &answer));
    }
    // The answer tells where; the number of the version is in the row that follows.
    let mut version = None;
    for _ in 0..200 {
        let versions = Versions::read(common, source)?;
        version = versions.all().find(|found| found.control == answer.body["control"].as_u64()).cloned();
        if version.is_some() || answer.body["control"].is_null() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    match (common.format, version) {
        (Format::Text, Some(version)) => text::line(&heading(&version)),
        (_, version) => {
            let number = version.map(|version| version.version);
            let mut said = answer.body;
            said["name"] = json!(document.name);
            said["version"] = json!(number);
            print(common, &said);
        }
    }
    Ok(())
}
