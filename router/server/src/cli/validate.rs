//! `router validate`.

use clap::Args;

use super::{CliError, Format, environment, text};
use crate::config::{self, Given, keys};

#[derive(Args)]
pub(super) struct Validate {
    /// Print a file with every key at its default, and what it means.
    #[arg(long)]
    example: bool,
    /// As given to `run`: a key of the configuration and its value.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl Validate {
    pub(super) fn run(&self, given: &mut Given, format: Format) -> Result<(), CliError> {
        if self.example {
            text::line(keys::example().trim_end());
            return Ok(());
        }
        give(&self.set, given)?;
        match config::check(given, environment()) {
            Ok(_) => {
                let checked = given.file.as_ref().map(|file| file.display().to_string());
                match format {
                    Format::Json => {
                        text::line(&serde_json::json!({ "valid": true, "file": checked }).to_string())
                    }
                    Format::Text => {
                        text::line(&format!("{}: valid", checked.as_deref().unwrap_or("without a file")))
                    }
                }
                Ok(())
            }
            Err(findings) if format == Format::Json => {
                for finding in &findings {
                    text::line(&serde_json::to_string(finding).unwrap_or_default());
                }
                Err(CliError::Configuration(Vec::new()))
            }
            Err(findings) => Err(CliError::Configuration(findings)),
        }
    }
}

/// Takes `--set KEY=VALUE` in.
pub(super) fn give(set: &[String], given: &mut Given) -> Result<(), CliError> {
    for pair in set {
        let Some((key, value)) = pair.split_once('=') else {
            return Err(CliError::Usage("--set takes KEY=VALUE, for example --set log.cache=1GiB".into()));
        };
        given.set(key.trim(), value.to_owned(), "--set");
    }
    Ok(())
}
