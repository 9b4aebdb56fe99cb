//! Parameters of a query: known ones, once each, and pages that are gone through in order.

use std::collections::BTreeMap;

use axum::http::{StatusCode, Uri};
use schemars::{Schema, json_schema};
use xxhash_rust::xxh3::xxh3_64;

use super::{Failure, problem::BAD_QUERY};

/// Rows of a page at most, and where the caller says nothing.
pub(super) const ROWS: (usize, usize) = (500, 50);
/// Bytes of a parameter's value.
const VALUE_BYTES: usize = 1024;

/// A parameter that a path knows.
pub(super) struct Parameter {
    pub name: &'static str,
    pub about: &'static str,
    pub schema: fn() -> Schema,
}

/// The parameters of every list.
pub(super) const PAGE: [Parameter; 2] = [
    Parameter {
        name: "limit",
        about: "Rows of the page at most",
        schema: || json_schema!({"type": "integer", "minimum": 1, "maximum": ROWS.0, "default": ROWS.1}),
    },
    Parameter {
        name: "after",
        about: "`next` of the page before, with the same filters",
        schema: || json_schema!({"type": "string", "maxLength": VALUE_BYTES}),
    },
];

/// What was asked for.
pub(super) struct Asked {
    given: BTreeMap<String, String>,
    /// Stands for the path and all filters.
    question: u64,
}

fn bad(detail: String) -> Failure {
    Failure::new(StatusCode::BAD_REQUEST, BAD_QUERY, detail)
}

impl Asked {
    /// Reads the query; `filters` and those of a page are known.
    pub fn read(uri: &Uri, filters: &[Parameter]) -> Result<Asked, Failure> {
        let mut given = BTreeMap::new();
        let known = || filters.iter().chain(&PAGE).map(|parameter| parameter.name);
        for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            if !known().any(|known| known == name) {
                let near = known().map(|known| (strsim::jaro_winkler(known, &name), known));
                let near = near.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(score, _)| *score > 0.75);
                let list = known().collect::<Vec<_>>().join(", ");
                return Err(bad(match near {
                    Some((_, near)) => format!("unknown parameter; did you mean {near}?"),
                    None => format!("unknown parameter; known are {list}"),
                }));
            }
            if value.len() > VALUE_BYTES {
                return Err(bad(format!("the parameter {name} has more than {VALUE_BYTES} bytes")));
            }
            if given.insert(name.clone().into_owned(), value.into_owned()).is_some() {
                return Err(bad(format!("the parameter {name} is there twice")));
            }
        }
        let paging = PAGE.map(|parameter| parameter.name);
        let mut question = uri.path().to_owned();
        for (name, value) in given.iter().filter(|(name, _)| !paging.contains(&name.as_str())) {
            question.push_str(&format!("\0{name}\0{value}"));
        }
        Ok(Asked { given, question: xxh3_64(question.as_bytes()) })
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.given.get(name).map(String::as_str)
    }

    /// A parameter read by `read`; `wanted` says what it should have been.
    pub fn read_as<T>(
        &self,
        name: &str,
        wanted: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, Failure> {
        let wrong = || bad(format!("the parameter {name} is not readable; it should be {wanted}"));
        self.text(name).map(|text| read(text).ok_or_else(wrong)).transpose()
    }

    /// A time: RFC 3339, or milliseconds since 1970.
    pub fn time(&self, name: &str) -> Result<Option<i64>, Failure> {
        self.read_as(name, "RFC 3339 or milliseconds since 1970; + is written %2B", |text| {
            let rfc = || text.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_millisecond);
            text.parse().or_else(|_| rfc()).ok().filter(|at| *at >= 0)
        })
    }

    /// Key behind which the page begins, and its rows at most.
    pub fn page(&self) -> Result<(Option<Vec<u8>>, usize), Failure> {
        let wanted = format!("a number from 1 to {}", ROWS.0);
        let within = |rows: &usize| (1..=ROWS.0).contains(rows);
        let limit = self.read_as("limit", &wanted, |text| text.parse().ok().filter(within))?;
        let token = |text: &str| {
            let bytes = bytes(text)?;
            let (question, key) = bytes.split_first_chunk::<8>()?;
            (*question == self.question.to_be_bytes()).then(|| key.to_vec())
        };
        let after = self.read_as("after", "`next` of an answer to the same question", token)?;
        Ok((after, limit.unwrap_or(ROWS.1)))
    }

    /// The token that goes on behind `key`.
    pub fn token(&self, key: &[u8]) -> String {
        self.question.to_be_bytes().iter().chain(key).map(|byte| format!("{byte:02x}")).collect()
    }
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| if let [a, b] = pair { Some(digit(*a)? << 4 | digit(*b)?) } else { None }).collect()
}
