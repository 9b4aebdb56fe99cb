//! Rule sets as people write them: read from TOML or JSON, checked, and turned into the form in the log and back.

mod convert;
mod known;
mod lint;
mod places;
mod text;

use router_schemas::refusal::Code;
use serde::Serialize;

pub use convert::{km, of_log, to_log};
pub use known::{Known, KnownNode};
pub use text::toml;

use self::places::{Places, place, step};
use crate::json;

/// The codes of this module.
pub const CODES: &[Code] = &[SHAPE, LIMIT, VALUE, TWICE, CONTRADICTION, UNREACHED, NOTHING, ZONE, IDLE];
const SHAPE: Code = Code {
    id: "E1130",
    summary: "this is no rule set",
    hint: "see schemas/json/rules.v1.schema.json and deploy/rules.toml",
};
const LIMIT: Code = Code {
    id: "E1131",
    summary: "a limit of rule sets is exceeded",
    hint: "make it smaller; schemas/src/limits.rs has the limits",
};
const VALUE: Code = Code { id: "E1132", summary: "a value of a rule set is not allowed", hint: "mend it" };
const TWICE: Code = Code {
    id: "E1133",
    summary: "two things of a rule set have one name",
    hint: "give each a name of its own",
};
const CONTRADICTION: Code =
    Code { id: "E1134", summary: "a rule contradicts itself", hint: "leave one of the two out" };
const UNREACHED: Code = Code {
    id: "E1135",
    summary: "warning: a part of a rule set is never reached",
    hint: "move it before what comes first, or leave it out",
};
const NOTHING: Code = Code {
    id: "E1136",
    summary: "warning: a name of a rule set is not known, so it matches nothing",
    hint: "check the spelling; publish what it names first",
};
const ZONE: Code = Code {
    id: "E1137",
    summary: "a rule set names a zone that does not exist",
    hint: "check the spelling; `router node list --table zones` lists them",
};
const IDLE: Code = Code {
    id: "E1138",
    summary: "warning: a part of a rule set has no effect",
    hint: "complete it, or leave it out",
};

/// Whether a finding stands in the way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It cannot be published so.
    Error,
    /// It can, and hardly does what its author meant.
    Warning,
}

/// Something that is wrong with a rule set.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// Whether it stands in the way.
    pub severity: Severity,
    /// Documented code, `E1131`.
    pub code: &'static str,
    /// JSON pointer to the place in the document.
    pub pointer: String,
    /// Line of the text, from 1; absent: no text was read.
    pub line: Option<usize>,
    /// Column, in characters, from 1.
    pub column: Option<usize>,
    /// What is wrong there.
    pub detail: String,
    /// What to do.
    pub hint: &'static str,
}

impl Finding {
    fn new(code: Code, pointer: String, detail: String) -> Finding {
        let warning = [UNREACHED, NOTHING, IDLE].iter().any(|warning| warning.id == code.id);
        let severity = if warning { Severity::Warning } else { Severity::Error };
        Finding { severity, code: code.id, pointer, line: None, column: None, detail, hint: code.hint }
    }

    /// Its code with summary and hint.
    pub fn code(&self) -> Code {
        CODES.iter().find(|code| code.id == self.code).copied().unwrap_or(VALUE)
    }
}

/// In which form a document is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// TOML.
    Toml,
    /// JSON.
    Json,
}

impl Form {
    /// JSON where the text begins as an object of JSON does; no TOML begins so.
    pub fn of(text: &str) -> Form {
        if text.trim_start().starts_with('{') { Form::Json } else { Form::Toml }
    }
}

/// A text that was read and checked.
pub struct Read {
    /// The document; absent: it has not the shape of one.
    pub rules: Option<json::Rules>,
    /// What is wrong, in the order of the text.
    pub findings: Vec<Finding>,
}

impl Read {
    /// True where nothing stands in the way of publishing it.
    pub fn is_good(&self) -> bool {
        self.rules.is_some() && self.findings.iter().all(|finding| finding.severity != Severity::Error)
    }
}

/// Reads a document and checks it, against reference tables where those are known.
pub fn read(text: &str, known: Option<&Known>) -> Read {
    let form = Form::of(text);
    let places = || match form {
        Form::Toml => Places::toml(text),
        Form::Json => Places::json(text),
    };
    let parsed = match form {
        Form::Toml => from_toml(text),
        Form::Json => from_json(text),
    };
    match parsed {
        Err(mut findings) => {
            let places = places();
            findings.iter_mut().for_each(|finding| settle(finding, &places));
            Read { rules: None, findings }
        }
        Ok(rules) => {
            let mut findings = check(&rules, known);
            if !findings.is_empty() {
                let places = places();
                findings.iter_mut().for_each(|finding| settle(finding, &places));
                findings.sort_by_key(|finding| (finding.line, finding.column));
            }
            Read { rules: Some(rules), findings }
        }
    }
}

/// Checks a document that was read already.
pub fn check(rules: &json::Rules, known: Option<&Known>) -> Vec<Finding> {
    lint::lint(rules, known)
}

/// What a parser tells of the place, or what the pointer says: whichever is further in.
fn settle(finding: &mut Finding, places: &Places<'_>) {
    let place = places.of(&finding.pointer);
    let (line, column) = finding.line.zip(finding.column).map_or(place, |told| told.max(place));
    (finding.line, finding.column) = (Some(line), Some(column));
}

fn shape(pointer: String, detail: &str, at: Option<(usize, usize)>) -> Finding {
    // What serde says of a member names the member: the place is that one where it is there.
    let named = |start: &str| detail.strip_prefix(start)?.split('`').next().map(str::to_owned);
    let pointer = match named("unknown field `") {
        Some(member) if !pointer.ends_with(&format!("/{member}")) => step(&pointer, &member),
        _ => pointer,
    };
    let at =
        if detail.starts_with("unknown field") || detail.starts_with("missing field") { None } else { at };
    let mut finding = Finding::new(SHAPE, pointer, detail.to_owned());
    (finding.line, finding.column) = at.unzip();
    finding
}

fn from_toml(text: &str) -> Result<json::Rules, Vec<Finding>> {
    let (_, errors) = toml::de::DeTable::parse_recoverable(text);
    let at = |error: &toml::de::Error| error.span().map(|span| place(text, span.start));
    if !errors.is_empty() {
        let finding =
            |error: &toml::de::Error| shape(String::new(), error.message(), at(error).or(Some((1, 1))));
        return Err(errors.iter().map(finding).collect());
    }
    let whole = |error: &toml::de::Error| vec![shape(String::new(), error.message(), at(error))];
    let from = toml::Deserializer::parse(text).map_err(|error| whole(&error))?;
    serde_path_to_error::deserialize(from).map_err(|error| {
        let inner = error.inner();
        vec![shape(pointer(error.path()), inner.message(), at(inner))]
    })
}

fn from_json(text: &str) -> Result<json::Rules, Vec<Finding>> {
    let mut from = serde_json::Deserializer::from_str(text);
    let at = |error: &serde_json::Error| {
        // It tells the column in bytes.
        let start: usize = text.split_inclusive('\n').take(error.line().max(1) - 1).map(str::len).sum();
        place(text, start + error.column().max(1) - 1)
    };
    let detail = |error: &serde_json::Error| {
        let said = error.to_string();
        said.rsplit_once(" at line ").map_or(said.clone(), |(detail, _)| detail.to_owned())
    };
    let rules = serde_path_to_error::deserialize(&mut from).map_err(|error| {
        let inner = error.inner();
        let place = (!inner.is_data()).then(|| at(inner));
        vec![shape(pointer(error.path()), &detail(inner), place)]
    })?;
    from.end().map_err(|error| vec![shape(String::new(), &detail(&error), Some(at(&error)))])?;
    Ok(rules)
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    path.iter().fold(String::new(), |pointer, segment| match segment {
        serde_path_to_error::Segment::Seq { index } => format!("{pointer}/{index}"),
        serde_path_to_error::Segment::Map { key } => step(&pointer, key),
        _ => pointer,
    })
}
