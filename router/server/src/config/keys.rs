//! Every key: its name, meaning, how it is read and shown.

use super::{
    Finding, Place, Settings, TraceFormat, UNKNOWN, VALUE,
    values::{number, shown_size, shown_time, size_within, time},
};

/// What a value may be written as in TOML.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    /// A string.
    Text,
    /// An integer.
    Number,
    /// A string such as `128MiB`, or an integer of bytes.
    Size,
}

/// A key of the configuration.
pub(crate) struct Key {
    /// Its name, with the section before it.
    pub name: &'static str,
    /// What it means, one line.
    pub meaning: &'static str,
    pub form: Form,
    /// Reads a value; the error says what is expected and never what was there.
    pub set: fn(&mut Settings, &str) -> Result<(), String>,
    /// The value as text; `None`: not set.
    pub get: fn(&Settings) -> Option<String>,
}

/// Bounds of sizes: bytes of a segment are counted in 32 bits, and it may grow by a transaction beyond its size.
const SEGMENT: (u64, u64) = (64 << 10, 1 << 30);
const MEMORY: (u64, u64) = (1 << 20, 1 << 40);

/// Every key, in the order of the example.
pub(crate) const KEYS: &[Key] = &[
    Key {
        name: "data_dir",
        meaning: "Folder that holds everything of this router: log, keys, rows",
        form: Form::Text,
        set: |s, text| filled(text).map(|path| s.data_dir = path.into()),
        get: |s| Some(s.data_dir.display().to_string()),
    },
    Key {
        name: "listen",
        meaning: "Address of the HTTP gateway; other than loopback needs tokens_file or token_file",
        form: Form::Text,
        set: |s, text| {
            let address = text.trim().parse();
            address.map(|a| s.listen = a).map_err(|_| "expected an address such as 127.0.0.1:8080".into())
        },
        get: |s| Some(s.listen.to_string()),
    },
    Key {
        name: "token_file",
        meaning: "File that holds one token of the role admin, at least 16 characters",
        form: Form::Text,
        set: |s, text| filled(text).map(|path| s.token_file = Some(path.into())),
        get: |s| s.token_file.as_ref().map(|path| path.display().to_string()),
    },
    Key {
        name: "tokens_file",
        meaning: "File that says which tokens there are, each bound to a role; read again when it changes",
        form: Form::Text,
        set: |s, text| filled(text).map(|path| s.tokens_file = Some(path.into())),
        get: |s| s.tokens_file.as_ref().map(|path| path.display().to_string()),
    },
    Key {
        name: "partitions",
        meaning: "Partitions of a new log, fixed by its first start; not set: 4, or those that the log has",
        form: Form::Number,
        set: |s, text| number(text, 1, 256).map(|n| s.partitions = Some(n as u16)),
        get: |s| s.partitions.map(|n| n.to_string()),
    },
    Key {
        name: "log.segment_size",
        meaning: "Size at which a file of the log is closed",
        form: Form::Size,
        set: |s, text| size_within(text, SEGMENT.0, SEGMENT.1).map(|n| s.log.segment_size = n),
        get: |s| Some(shown_size(s.log.segment_size)),
    },
    Key {
        name: "log.cache",
        meaning: "Memory for what was appended last, so that readers which are close do not read files",
        form: Form::Size,
        set: |s, text| size_within(text, MEMORY.0, MEMORY.1).map(|n| s.log.cache = n),
        get: |s| Some(shown_size(s.log.cache)),
    },
    Key {
        name: "log.reserve",
        meaning: "New orders are refused when less than this is free on the disk",
        form: Form::Size,
        set: |s, text| size_within(text, MEMORY.0, MEMORY.1).map(|n| s.log.reserve = n),
        get: |s| Some(shown_size(s.log.reserve)),
    },
    Key {
        name: "snapshots.every",
        meaning: "Records of a partition from one snapshot to the next",
        form: Form::Number,
        set: |s, text| number(text, 1, u64::MAX / 2).map(|n| s.snapshots.every = n),
        get: |s| Some(s.snapshots.every.to_string()),
    },
    Key {
        name: "snapshots.keep",
        meaning: "Snapshots kept of each partition; the log is kept back to the oldest",
        form: Form::Number,
        set: |s, text| number(text, 1, 1000).map(|n| s.snapshots.keep = n),
        get: |s| Some(s.snapshots.keep.to_string()),
    },
    Key {
        name: "retention.events",
        meaning: "How long events, assignments, notifications, alerts and resolved dead letters are kept",
        form: Form::Text,
        set: |s, text| time(text).map(|t| s.retention.events = t),
        get: |s| Some(shown_time(s.retention.events)),
    },
    Key {
        name: "retention.replies",
        meaning: "How long answers to callers are kept",
        form: Form::Text,
        set: |s, text| time(text).map(|t| s.retention.replies = t),
        get: |s| Some(shown_time(s.retention.replies)),
    },
    Key {
        name: "requests.waiting",
        meaning: "Requests that may wait for an answer; more are turned away with 429",
        form: Form::Number,
        set: |s, text| number(text, 1, 1 << 20).map(|n| s.requests.waiting = n as usize),
        get: |s| Some(s.requests.waiting.to_string()),
    },
    Key {
        name: "trace.level",
        meaning: "What the program says on standard error: error, warn, info, debug, trace, or directives for each module",
        form: Form::Text,
        set: |s, text| {
            let read = filled(text)?.parse::<tracing_subscriber::EnvFilter>();
            read.map_err(|_| "expected error, warn, info, debug or trace".to_owned())?;
            s.trace.level = text.trim().to_owned();
            Ok(())
        },
        get: |s| Some(s.trace.level.clone()),
    },
    Key {
        name: "trace.format",
        meaning: "Form of that: text, or json (one object a line)",
        form: Form::Text,
        set: |s, text| {
            s.trace.format = match text.trim() {
                "text" => TraceFormat::Text,
                "json" => TraceFormat::Json,
                _ => return Err("expected text or json".into()),
            };
            Ok(())
        },
        get: |s| {
            let text = match s.trace.format {
                TraceFormat::Text => "text",
                TraceFormat::Json => "json",
            };
            Some(text.into())
        },
    },
];

fn filled(text: &str) -> Result<&str, String> {
    if text.trim().is_empty() { Err("must not be empty".into()) } else { Ok(text) }
}

/// The variable of the environment that sets a key: `log.cache` is `ROUTER_LOG__CACHE`.
pub(crate) fn variable(name: &str) -> String {
    format!("ROUTER_{}", name.replace('.', "__").to_uppercase())
}

/// The key that a variable sets. Variables that are none of ours are left alone: a platform may set names such as
/// `ROUTER_PORT` for every program; one with a section is meant for us.
pub(super) fn of_variable(variable: &str) -> Option<String> {
    let rest = variable.strip_prefix("ROUTER_")?;
    let name = rest.to_lowercase().replace("__", ".");
    (rest.contains("__") || KEYS.iter().any(|key| key.name == name)).then_some(name)
}

/// Sets a key from text; what is wrong becomes a finding.
pub(super) fn set(
    settings: &mut Settings,
    name: &str,
    text: &str,
    place: Place,
    findings: &mut Vec<Finding>,
) {
    match KEYS.iter().find(|key| key.name == name) {
        Some(key) => {
            if let Err(detail) = (key.set)(settings, text) {
                findings.push(Finding::new(VALUE, place, name, detail));
            }
        }
        None => findings.push(unknown(name, place)),
    }
}

/// There is no such key; perhaps another was meant.
pub(super) fn unknown(name: &str, place: Place) -> Finding {
    let mut finding = Finding::new(UNKNOWN, place, name, "there is no such key".into());
    if let Some(meant) = meant(name, KEYS.iter().map(|key| key.name)) {
        finding.hint = format!("did you mean {meant}?");
    }
    finding
}

/// The name that was most likely meant: like it as a whole, or in its last part.
pub(super) fn meant<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    let likeness = |known: &str| {
        // One slip of the fingers is a likeness that short names do not show otherwise.
        let slip = if strsim::osa_distance(name, known) <= 1 { 0.9 } else { 0.0 };
        let whole = strsim::jaro_winkler(name, known).max(slip);
        whole.max(strsim::jaro_winkler(&last(name), &last(known)) - 0.05)
    };
    let best = known.map(|known| (likeness(known), known)).max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(likeness, _)| *likeness > 0.75).map(|(_, known)| known)
}

/// A file with every key at its default, and what it means. It is right as it stands.
pub(crate) fn example() -> String {
    let settings = Settings::default();
    let mut text = String::from(
        "# Configuration of the order router: every key at its default.\n\
         # Check it with: router validate -c FILE. Use it with: router run -c FILE, or ROUTER_CONFIG=FILE.\n\
         # Variables of the environment win over this file (ROUTER_LISTEN, ROUTER_LOG__CACHE), flags over both.\n",
    );
    let mut section = "";
    for key in KEYS {
        let (of, name) = key.name.split_once('.').unwrap_or(("", key.name));
        if of != section {
            section = of;
            text.push_str(&format!("\n[{section}]\n"));
        } else if section.is_empty() {
            text.push('\n');
        }
        text.push_str(&format!("# {}. {}\n", key.meaning, variable(key.name)));
        match (key.get)(&settings) {
            Some(value) if key.form == Form::Number => text.push_str(&format!("{name} = {value}\n")),
            Some(value) => text.push_str(&format!("{name} = {value:?}\n")),
            None if key.form == Form::Number => text.push_str(&format!("# {name} = 4\n")),
            None => text.push_str(&format!("# {name} = \"/etc/router/{name}\"\n")),
        }
    }
    text
}

/// The rows of the table in `docs/configuration.md`.
#[cfg(test)]
pub(super) fn documented() -> String {
    let settings = Settings::default();
    let row = |key: &Key| {
        let default = (key.get)(&settings).map_or_else(|| "not set".to_owned(), |value| format!("`{value}`"));
        format!("| `{}` | {default} | `{}` | {} |\n", key.name, variable(key.name), key.meaning)
    };
    KEYS.iter().map(row).collect()
}
