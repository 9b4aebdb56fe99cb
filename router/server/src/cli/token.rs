//! `router token`: makes tokens. The program keeps none: a token is shown once, and the tokens file has its hash.

use std::{
    collections::BTreeSet,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{Args, Subcommand, builder::PossibleValuesParser};
use serde_json::json;

use super::{CliError, Format, text};
use crate::{
    config::tokens::{self, Holder, Role},
    router::RouterError,
};

#[derive(Subcommand)]
pub(super) enum Token {
    /// Make a token, show it once, and show the entry of the tokens file for it.
    #[command(after_help = "Examples:
  router token new --name till-7 --role store --node S1 --node S2
  router token new --name web-shop --role connector --channel web --append /etc/router/tokens.toml
  router token new --name night-audit --role auditor --expires 2027-01-01T00:00:00Z")]
    New(New),
}

#[derive(Args)]
pub(super) struct New {
    /// Who has it: the actor of what is sent with it.
    #[arg(long)]
    name: String,
    /// What it may do.
    #[arg(long, value_parser = PossibleValuesParser::new(Role::ALL.map(Role::as_str)))]
    role: String,
    /// Of the role store: a node that it is for.
    #[arg(long = "node", value_name = "NODE")]
    nodes: Vec<String>,
    /// Of the role connector: a channel that it is for.
    #[arg(long = "channel", value_name = "CHANNEL")]
    channels: Vec<String>,
    /// Until when it counts: RFC 3339.
    #[arg(long, value_name = "TIME")]
    expires: Option<jiff::Timestamp>,
    /// Add the entry to this tokens file; where there is none, it is made for its owner alone.
    #[arg(long, value_name = "FILE")]
    append: Option<PathBuf>,
}

impl Token {
    pub(super) fn run(self, format: Format) -> Result<(), CliError> {
        let Token::New(new) = self;
        new.run(format)
    }
}

impl New {
    fn run(self, format: Format) -> Result<(), CliError> {
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(|e| CliError::Router(RouterError::Random(e)))?;
        let digits: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let token = format!("router_{digits}");
        let names = |names: Vec<String>| Arc::new(names.into_iter().collect::<BTreeSet<_>>());
        let Some(role) = Role::named(&self.role) else {
            return Err(CliError::Usage("there is no such role".into()));
        };
        let holder = Holder {
            name: self.name,
            role,
            nodes: names(self.nodes),
            channels: names(self.channels),
            expires: self.expires.map(jiff::Timestamp::as_millisecond),
        };
        let entry = tokens::entry(&holder, &tokens::hash(token.as_bytes()));
        let findings = tokens::check("", entry.clone());
        if let Some(finding) = findings.first() {
            return Err(CliError::Usage(format!("{}: {}", finding.key, finding.detail)));
        }
        if let Some(path) = &self.append {
            append(path, &entry)?;
        }
        match format {
            Format::Json => {
                let file = self.append.map(|path| path.display().to_string());
                text::line(&json!({ "token": token, "entry": entry, "appended_to": file }).to_string());
            }
            Format::Text => {
                text::line(&token);
                match &self.append {
                    Some(path) => text::note(&format!("router: its entry was added to {}", path.display())),
                    None => text::line(&format!("\n{}", entry.trim_end())),
                }
                text::note("router: the token is shown this once: keep it where only its holder reads it");
            }
        }
        Ok(())
    }
}

/// Adds the entry to a file that is right with it.
fn append(path: &Path, entry: &str) -> Result<(), CliError> {
    let failed = |e| CliError::File(path.display().to_string(), e);
    let before = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(e) => return Err(failed(e)),
    };
    let gap = match before.as_str() {
        "" => "",
        text if text.ends_with('\n') => "\n",
        _ => "\n\n",
    };
    let addition = format!("{gap}{entry}");
    let findings = tokens::check(&path.display().to_string(), format!("{before}{addition}"));
    if !findings.is_empty() {
        return Err(CliError::Configuration(findings));
    }
    let mut file = std::fs::OpenOptions::new();
    let mut file = file.create(true).append(true).mode(0o600).open(path).map_err(failed)?;
    file.write_all(addition.as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)
}
