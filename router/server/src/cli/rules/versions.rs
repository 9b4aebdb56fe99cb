//! All versions of all rule sets, as the rows have them, and which zone goes by which.

use std::collections::BTreeMap;

use router_engine::rules::default_set;
use router_ingest::json;
use router_schemas::position::Position;
use serde_json::Value;

use super::super::{
    CliError, Common,
    source::{Ask, Source},
};
use crate::{rules, show};

/// A version of a rule set.
#[derive(Clone)]
pub(super) struct Version {
    pub version: u32,
    /// Offset in `router.control`; absent: built in.
    pub control: Option<u64>,
    pub document: json::Rules,
    /// As the router shows it.
    pub row: Value,
}

/// All of them.
pub(super) struct Versions {
    /// By name and version.
    all: BTreeMap<(String, u32), Version>,
}

impl Versions {
    /// Those that were published, and the one that is built in.
    pub fn read(common: &Common, source: &Source) -> Result<Versions, CliError> {
        let mut all = BTreeMap::new();
        let mut wrong = None;
        let mut take = |row: &Value| match version(row) {
            Some(version) => drop(all.insert((version.document.name.clone(), version.version), version)),
            None => wrong = Some(row["name"].to_string()),
        };
        take(&show::json(&show::Rules::of(&default_set())));
        source.each(common, &Ask::References("rules".into()), usize::MAX, take)?;
        match wrong {
            Some(name) => Err(CliError::Answer(format!("the rule set {name}"))),
            None => Ok(Versions { all }),
        }
    }

    pub fn all(&self) -> impl Iterator<Item = &Version> {
        self.all.values()
    }

    /// By `NAME`, the last version, or `NAME@VERSION`.
    pub fn find(&self, text: &str) -> Result<&Version, CliError> {
        let (name, number) = rules::named(text);
        let range = (name.to_owned(), number.unwrap_or(0))..=(name.to_owned(), number.unwrap_or(u32::MAX));
        self.all.range(range).next_back().map(|(_, version)| version).ok_or_else(|| unknown(text))
    }

    /// What a zone goes by: the last one published for it, else the last one published for all, else what is
    /// built in.
    pub fn current(&self, zone: Option<&str>) -> &Version {
        let last = |fits: &dyn Fn(&[String]) -> bool| {
            self.all().filter(|version| fits(&version.document.zones)).max_by_key(|version| version.control)
        };
        let own = zone.and_then(|zone| last(&|zones| zones.iter().any(|z| z == zone)));
        own.or_else(|| last(&<[String]>::is_empty)).expect("the one that is built in is for all")
    }

    /// Zones that go by a version now, of those that any rule set names; `*` for all others.
    pub fn zones_of(&self, version: &Version) -> Vec<String> {
        let mut named: Vec<&String> = self.all().flat_map(|version| &version.document.zones).collect();
        named.sort();
        named.dedup();
        let is = |current: &Version| std::ptr::eq(current, version);
        let others = is(self.current(None)).then(|| "*".to_owned());
        let zones = named.into_iter().filter(|zone| is(self.current(Some(zone)))).cloned();
        zones.chain(others).collect()
    }
}

fn version(row: &Value) -> Option<Version> {
    let position = row["position"].as_str().map(str::parse::<Position>);
    Some(Version {
        version: u32::try_from(row["version"].as_u64()?).ok()?,
        control: position.transpose().ok()?.map(|position| position.offset),
        document: serde_json::from_value(row["document"].clone()).ok()?,
        row: row.clone(),
    })
}

pub(super) fn unknown(name: &str) -> CliError {
    CliError::Refused(format!("E4004: no rule set {name:?}; `router rules history` lists them"))
}
