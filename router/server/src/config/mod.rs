//! The configuration: defaults, then a TOML file, then the environment, then flags; what comes later wins.
//!
//! One table, [`keys::KEYS`], names every key. File, environment, flags, the example and `docs/configuration.md`
//! are all read from it. The crate `toml` gives keys and values with their places; crates that merge sources
//! (figment, config) were left aside, since they lose the line of an unknown key and end at the first fault.

mod file;
pub(crate) mod keys;
pub(crate) mod tokens;
mod values;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use router_log::Options;
use router_schemas::refusal::Code;
use serde::Serialize;
use tokens::Tokens;

use crate::runner;

/// The codes of the configuration.
pub(crate) const CODES: &[Code] = &[FILE, SYNTAX, UNKNOWN, VALUE, TOGETHER, ENTRY];
const FILE: Code = Code {
    id: "E3101",
    summary: "the configuration file cannot be read",
    hint: "check the path and its rights",
};
const SYNTAX: Code = Code {
    id: "E3102",
    summary: "the configuration file is no TOML",
    hint: "mend the named line; `router validate --example` prints a file that is right",
};
const UNKNOWN: Code =
    Code { id: "E3103", summary: "there is no such key", hint: "docs/configuration.md lists the keys" };
const VALUE: Code =
    Code { id: "E3104", summary: "a value is not allowed for its key", hint: "see docs/configuration.md" };
const TOGETHER: Code = Code {
    id: "E3105",
    summary: "settings do not go together, or a file that they name is not usable",
    hint: "see docs/configuration.md",
};

const ENTRY: Code = Code {
    id: "E3106",
    summary: "an entry of the tokens file is not right",
    hint: "see docs/configuration.md; `router token new` makes an entry that is right",
};

/// Everything that can be configured.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settings {
    /// Folder that holds everything of this router.
    pub data_dir: PathBuf,
    /// Address of the HTTP gateway.
    pub listen: SocketAddr,
    /// File with one token of the role admin.
    pub token_file: Option<PathBuf>,
    /// File with the tokens that there are, each bound to a role.
    pub tokens_file: Option<PathBuf>,
    /// Partitions of a new log; `None`: those of the log that is there, 4 for a new one.
    pub partitions: Option<u16>,
    pub log: LogSettings,
    pub snapshots: Snapshots,
    pub retention: Retention,
    pub requests: Requests,
    pub trace: Trace,
}

/// The journal, bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LogSettings {
    /// A segment is closed at this size.
    pub segment_size: u64,
    /// Frames kept in memory for readers that are close.
    pub cache: u64,
    /// New orders are refused when less than this is free on the disk.
    pub reserve: u64,
}

/// Snapshots of the stages.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Snapshots {
    /// Records of a partition from one snapshot to the next.
    pub every: u64,
    /// Snapshots kept of each partition.
    pub keep: u64,
}

/// How long what nobody needs any more is kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Retention {
    /// Events and what others are told.
    pub events: Duration,
    /// Answers to callers.
    pub replies: Duration,
}

/// Requests under way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Requests {
    /// Requests that may wait for an answer; more are turned away.
    pub waiting: usize,
}

/// What the program says of itself on standard error.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Trace {
    /// `error`, `warn`, `info`, `debug` or `trace`, or directives for each module.
    pub level: String,
    pub format: TraceFormat,
}

/// Form of what is said on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TraceFormat {
    Text,
    Json,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            data_dir: "./router-data".into(),
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            token_file: None,
            tokens_file: None,
            partitions: None,
            log: LogSettings { segment_size: 128 << 20, cache: 64 << 20, reserve: 64 << 20 },
            snapshots: Snapshots { every: 250_000, keep: 2 },
            retention: Retention {
                events: Duration::from_secs(7 * 86_400),
                replies: Duration::from_secs(60),
            },
            requests: Requests { waiting: 65_536 },
            trace: Trace { level: "warn".into(), format: TraceFormat::Text },
        }
    }
}

impl Settings {
    /// How the journal is opened; the caller adds the identity of a new log.
    pub fn options(&self) -> Options {
        let cache_bytes = usize::try_from(self.log.cache).unwrap_or(usize::MAX);
        Options { cache_bytes, reserve_bytes: self.log.reserve, ..self.stages().journal() }
    }

    /// How the stages run.
    pub fn stages(&self) -> runner::Settings {
        runner::Settings {
            partitions: self.partitions.unwrap_or(runner::Settings::default().partitions),
            snapshot_every: self.snapshots.every,
            snapshots_kept: usize::try_from(self.snapshots.keep).unwrap_or(usize::MAX),
            retention: self.retention.events,
            reply_retention: self.retention.replies,
            segment_bytes: self.log.segment_size,
            ..runner::Settings::default()
        }
    }

    /// The tokens that callers may send; `None`: nobody needs one. The files are read here, so that no token ever lies
    /// about in a structure that can be printed.
    pub fn tokens(&self) -> Result<Option<Tokens>, Vec<Finding>> {
        let together = |key: &str, detail: String| Finding::new(TOGETHER, Place::Settings, key, detail);
        if self.token_file.is_none() && self.tokens_file.is_none() {
            if self.listen.ip().is_loopback() {
                return Ok(None);
            }
            let detail = format!("{} is not loopback: set tokens_file, or listen on 127.0.0.1", self.listen);
            return Err(vec![together("listen", detail)]);
        }
        let (mut tokens, mut findings) = (Tokens::default(), Vec::new());
        if let Some(path) = &self.tokens_file {
            tokens::read(path, &mut tokens, &mut findings);
        }
        if let Some(path) = &self.token_file {
            let place = path.display();
            match std::fs::read_to_string(path).map(|text| tokens.add_admin(text.trim())) {
                Ok(true) => {}
                Ok(false) => {
                    let detail = format!(
                        "the token in {place} has less than {} characters; make a longer one",
                        tokens::SHORTEST
                    );
                    findings.push(together("token_file", detail));
                }
                Err(e) => {
                    let detail = format!("{place}: {e}; check the path and its rights");
                    findings.push(together("token_file", detail));
                }
            }
        }
        if findings.is_empty() { Ok(Some(tokens)) } else { Err(findings) }
    }
}

/// Where a setting was given.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Place {
    /// File, line and column, from 1.
    File(String, usize, usize),
    /// A variable of the environment.
    Environment(String),
    /// A flag of the command line.
    Flag(String),
    /// Several together.
    Settings,
}

/// Something that is wrong with the configuration.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Finding {
    /// Documented code.
    pub code: &'static str,
    /// Where, for people: `router.toml:3:5`, `ROUTER_LISTEN`, `--listen`.
    pub place: String,
    /// The file, where it stands in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Column from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// The key; empty where there is none.
    pub key: String,
    /// What is wrong. Never the value: a secret may have been put in the wrong place.
    pub detail: String,
    /// What to do.
    pub hint: String,
}

impl Finding {
    fn new(code: Code, place: Place, key: &str, detail: String) -> Finding {
        let (file, line, column) = match &place {
            Place::File(file, line, column) => (Some(file.clone()), Some(*line), Some(*column)),
            _ => (None, None, None),
        };
        let place = match place {
            Place::File(file, line, column) => format!("{file}:{line}:{column}"),
            Place::Environment(name) | Place::Flag(name) => name,
            Place::Settings => String::new(),
        };
        let (key, hint) = (key.to_owned(), code.hint.to_owned());
        Finding { code: code.id, place, file, line, column, key, detail, hint }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Finding { code, place, key, detail, hint, .. } = self;
        let at = match (place.is_empty(), key.is_empty()) {
            (true, true) => String::new(),
            (true, false) => format!(" {key}:"),
            (false, true) => format!(" {place}:"),
            (false, false) if place.ends_with(key.as_str()) => format!(" {place}:"),
            (false, false) => format!(" {place}: {key}:"),
        };
        write!(f, "{code}:{at} {detail}; {hint}")
    }
}

/// What the command line gives.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    /// The configuration file.
    pub file: Option<PathBuf>,
    /// Keys and values of flags, as text, with the flag's name.
    pub flags: Vec<(String, String, String)>,
}

impl Given {
    /// Adds a key's value as a flag gives it.
    pub fn set(&mut self, key: &str, value: String, flag: &str) {
        self.flags.push((key.to_owned(), value, flag.to_owned()));
    }
}

/// Puts the settings together: the file, then `environment`, then flags. All that is wrong is found at once.
pub(crate) fn load(
    given: &Given,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Settings, Vec<Finding>> {
    let (mut settings, mut findings) = (Settings::default(), Vec::new());
    if let Some(path) = &given.file {
        file::read(path, &mut settings, &mut findings);
    }
    let mut environment: Vec<_> = environment.into_iter().collect();
    environment.sort();
    for (variable, text) in environment {
        let Some(name) = keys::of_variable(&variable) else { continue };
        keys::set(&mut settings, &name, &text, Place::Environment(variable), &mut findings);
    }
    for (key, text, flag) in &given.flags {
        keys::set(&mut settings, key, text, Place::Flag(flag.clone()), &mut findings);
    }
    // In a file, by line; the sort keeps the order of the sources.
    findings.sort_by_key(|finding: &Finding| {
        finding.line.map_or((usize::MAX, 0), |l| (l, finding.column.unwrap_or(0)))
    });
    if findings.is_empty() { Ok(settings) } else { Err(findings) }
}

/// As [`load`], and what can only be said of all settings together, with the files that they name.
pub(crate) fn check(
    given: &Given,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Settings, Vec<Finding>> {
    let settings = load(given, environment)?;
    settings.tokens()?;
    Ok(settings)
}

#[cfg(test)]
mod tests;
