//! `router rules diff`: what differs between two rule sets, by the names of routings, rules and reasons.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use router_ingest::rules::{of_log, to_log};
use serde_json::{Value, json};

use super::{
    super::{CliError, Common, Format, source::Source, text},
    versions::Versions,
};

pub(super) fn run(common: &Common, old: &str, new: &str) -> Result<(), CliError> {
    let is_file = |name: &str| Path::new(name).is_file() || name == "-";
    // Two files are compared without a router.
    let versions = match is_file(old) && is_file(new) {
        true => None,
        false => Some(Versions::read(common, &Source::rows(common)?)?),
    };
    let document = |name: &str| match &versions {
        Some(versions) if !is_file(name) => versions.find(name).map(|version| version.document.clone()),
        _ => super::draft(common, &PathBuf::from(name)),
    };
    // By way of the log's form, what says the same in other words is the same.
    let flat = |name: &str| document(name).map(|said| flat(&json!(of_log(&to_log(&said)))));
    let (old, new) = (flat(old)?, flat(new)?);
    let mut paths: Vec<&String> = old.keys().chain(new.keys()).collect();
    paths.sort();
    paths.dedup();
    let mut same = true;
    for path in paths.into_iter().filter(|path| old.get(*path) != new.get(*path)) {
        same = false;
        let (from, to) = (old.get(path), new.get(path));
        match common.format {
            Format::Json => text::line(&json!({ "path": path, "from": from, "to": to }).to_string()),
            Format::Text => {
                let told = |sign: char, value: Option<&Value>| {
                    if let Some(value) = value {
                        text::line(&text::safe(&format!("{sign} {path} = {value}")));
                    }
                };
                told('-', from);
                told('+', to);
            }
        }
    }
    if same { Ok(()) } else { Err(CliError::Found) }
}

/// Every value by its path. What has a name stands under it, and the order of names is a value of its own; what has
/// none stands under its place, from 1.
fn flat(document: &Value) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    flatten("", document, &mut found);
    found
}

fn flatten(path: &str, value: &Value, found: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(members) if path.is_empty() || members.contains_key("id") => {
            // A name stands in the path, and in the list of names.
            for (name, value) in members.iter().filter(|(name, _)| *name != "id") {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flatten(&path, value, found);
            }
        }
        Value::Array(entries) if entries.iter().any(|entry| entry["id"].is_string()) => {
            let id = |entry: &Value| entry["id"].as_str().unwrap_or_default().to_owned();
            found.insert(path.to_owned(), json!(entries.iter().map(id).collect::<Vec<_>>()));
            for entry in entries {
                flatten(&format!("{path}[{}]", id(entry)), entry, found);
            }
        }
        Value::Array(entries) if entries.iter().any(Value::is_object) => {
            for (index, entry) in entries.iter().enumerate() {
                found.insert(format!("{path}[{}]", index + 1), entry.clone());
            }
        }
        other => drop(found.insert(path.to_owned(), other.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_name_is_compared_by_it() {
        let rule = |id: &str, km: u32| json!({ "id": id, "filters": [{ "by": "radius", "km": km }] });
        let set =
            |rules: Vec<Value>| flat(&json!({ "name": "n", "routings": [{ "id": "all", "rules": rules }] }));
        let old = set(vec![rule("near", 5), rule("far", 9)]);
        let new = set(vec![rule("far", 9), rule("near", 6)]);
        let differ: Vec<_> = new.iter().filter(|(path, value)| old.get(*path) != Some(value)).collect();
        let wanted = [
            ("routings[all].rules".to_owned(), json!(["far", "near"])),
            ("routings[all].rules[near].filters[1]".to_owned(), json!({ "by": "radius", "km": 6 })),
        ];
        assert_eq!(differ, wanted.iter().map(|(path, value)| (path, value)).collect::<Vec<_>>());
    }
}
