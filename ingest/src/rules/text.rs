//! A rule set as TOML, laid out as people would: a section for each routing, rule and reason, everything else in a
//! line.

use serde_json::{Map, Value};

use crate::json;

/// The document as TOML; it reads as the same document again.
pub fn toml(rules: &json::Rules) -> String {
    let value = serde_json::to_value(rules).unwrap_or_default();
    let mut text = String::new();
    if let Value::Object(members) = value {
        section("", &members, &mut text);
    }
    text
}

/// Members in the order in which people read them; others follow by name.
const ORDER: &str = "name id by kind do zones note retry channel channels when modes priority total min max parts \
    route_when sort ignore_capacity filters sorts assignment actions any km mode qty has nodes widen rounds ttl exclude";

/// Lists that get a section for each entry.
const SECTIONS: [&str; 3] = ["routings", "rules", "reasons"];

fn section(path: &str, members: &Map<String, Value>, text: &mut String) {
    let members = || ordered(members);
    let is_section = |name: &str, value: &Value| {
        SECTIONS.contains(&name) && value.as_array().is_some_and(|list| list.iter().all(Value::is_object))
    };
    // TOML wants plain members before sections. One that is empty has no section: it is written as a list.
    for (name, value) in members() {
        let empty = value.as_array().is_some_and(Vec::is_empty);
        if empty || !is_section(name, value) {
            text.push_str(&format!("{} = ", key(name)));
            match value {
                // One entry a line, where there are several that are no plain values.
                Value::Array(list) if list.len() > 1 && list.iter().all(Value::is_object) => {
                    text.push_str("[\n");
                    for entry in list {
                        text.push_str("    ");
                        inline(entry, text);
                        text.push_str(",\n");
                    }
                    text.push(']');
                }
                other => inline(other, text),
            }
            text.push('\n');
        }
    }
    for (name, value) in members() {
        let entries = value.as_array().filter(|_| is_section(name, value));
        for entry in entries.into_iter().flatten().filter_map(Value::as_object) {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            text.push_str(&format!("\n[[{path}]]\n"));
            section(&path, entry, text);
        }
    }
}

/// What a table holds; a null says what an absent member says.
fn ordered(members: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> + Clone {
    let mut members: Vec<_> = members.iter().filter(|(_, value)| !value.is_null()).collect();
    members.sort_by_key(|(name, _)| ORDER.split(' ').position(|known| known == *name).unwrap_or(usize::MAX));
    members.into_iter()
}

fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    if bare { name.to_owned() } else { string(name) }
}

fn inline(value: &Value, text: &mut String) {
    match value {
        Value::Object(members) => {
            let members = ordered(members);
            text.push('{');
            for (index, (name, value)) in members.clone().enumerate() {
                text.push_str(if index == 0 { " " } else { ", " });
                text.push_str(&format!("{} = ", key(name)));
                inline(value, text);
            }
            text.push_str(if members.count() == 0 { "}" } else { " }" });
        }
        Value::Array(list) => {
            text.push('[');
            for (index, entry) in list.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { ", " });
                inline(entry, text);
            }
            text.push(']');
        }
        Value::String(said) => text.push_str(&string(said)),
        other => text.push_str(&other.to_string()),
    }
}

/// A basic string. Its escapes are those of JSON; only DEL has to be escaped as well.
fn string(said: &str) -> String {
    serde_json::to_string(said).unwrap_or_default().replace('\u{7f}', "\\u007F")
}
