//! The TOML file: keys and values with their places.

use std::path::Path;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    FILE, Finding, Place, SYNTAX, Settings, VALUE,
    keys::{self, Form, KEYS},
};

/// Bytes of a configuration file at most.
const MOST: u64 = 1 << 20;

/// A TOML file that was read.
pub(super) struct Source {
    name: String,
    text: String,
}

impl Source {
    /// Reads a file of `most` bytes at most; why it cannot be read becomes a finding.
    pub fn open(path: &Path, most: u64, findings: &mut Vec<Finding>) -> Option<Source> {
        let name = path.display().to_string();
        let mut unreadable = |detail: String| {
            findings.push(Finding::new(FILE, Place::Flag(name.clone()), "", detail));
            None
        };
        match std::fs::metadata(path) {
            Ok(about) if about.len() > most => return unreadable(format!("has more than {most} bytes")),
            Ok(about) if about.is_dir() => return unreadable("is a folder".into()),
            _ => {}
        }
        match std::fs::read(path).map(String::from_utf8) {
            Ok(Ok(text)) => Some(Source { name, text }),
            Ok(Err(error)) => {
                unreadable(format!("is no UTF-8 text at byte {}", error.utf8_error().valid_up_to()))
            }
            Err(error) => unreadable(error.to_string()),
        }
    }

    /// A text that lies in no file yet.
    pub fn of(name: &str, text: String) -> Source {
        Source { name: name.to_owned(), text }
    }

    /// Line and column of a byte.
    pub fn place(&self, byte: usize) -> Place {
        let before = self.text.get(..byte).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Place::File(self.name.clone(), line, column)
    }

    /// Its tables; `None` where it is no TOML, which becomes findings.
    pub fn table(&self, findings: &mut Vec<Finding>) -> Option<Spanned<DeTable<'_>>> {
        let (table, errors) = DeTable::parse_recoverable(&self.text);
        let right = errors.is_empty();
        for error in errors {
            let at = self.place(error.span().map_or(0, |span| span.start));
            findings.push(Finding::new(SYNTAX, at, "", error.message().to_owned()));
        }
        right.then_some(table)
    }
}

/// Takes the file's keys into `settings`; what is wrong becomes findings.
pub(super) fn read(path: &Path, settings: &mut Settings, findings: &mut Vec<Finding>) {
    let Some(source) = Source::open(path, MOST, findings) else { return };
    if let Some(table) = source.table(findings) {
        take("", table.get_ref(), settings, findings, &|byte| source.place(byte));
    }
}

fn take(
    section: &str,
    table: &DeTable<'_>,
    settings: &mut Settings,
    findings: &mut Vec<Finding>,
    place: &dyn Fn(usize) -> Place,
) {
    for (key, value) in table.iter() {
        let name = if section.is_empty() {
            key.get_ref().to_string()
        } else {
            format!("{section}.{}", key.get_ref())
        };
        let (at, value_at) = (place(key.span().start), place(value.span().start));
        if let DeValue::Table(inner) = value.get_ref() {
            let prefix = format!("{name}.");
            let sections = KEYS.iter().filter_map(|key| key.name.split_once('.')).map(|(section, _)| section);
            if KEYS.iter().any(|key| key.name.starts_with(&prefix)) {
                take(&name, inner, settings, findings, place);
            } else if KEYS.iter().any(|key| key.name == name) {
                findings.push(Finding::new(VALUE, at, &name, "this is a value, not a section".into()));
            } else {
                let mut finding = keys::unknown(&name, at);
                if let Some(meant) = keys::meant(&name, sections) {
                    finding.hint = format!("did you mean [{meant}]?");
                }
                findings.push(finding);
            }
            continue;
        }
        let Some(known) = KEYS.iter().find(|key| key.name == name) else {
            findings.push(keys::unknown(&name, at));
            continue;
        };
        let text = match (known.form, value.get_ref()) {
            (Form::Text | Form::Size, DeValue::String(text)) => text.to_string(),
            (Form::Number | Form::Size, DeValue::Integer(number)) if number.radix() == 10 => {
                number.as_str().replace('_', "")
            }
            (form, _) => {
                let expected = match form {
                    Form::Text => "expected a text in quotation marks",
                    Form::Number => "expected a decimal number without quotation marks",
                    Form::Size => "expected a size such as \"128MiB\"",
                };
                findings.push(Finding::new(VALUE, value_at, &name, expected.into()));
                continue;
            }
        };
        keys::set(settings, &name, &text, value_at, findings);
    }
}
