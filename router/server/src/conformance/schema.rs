//! What the schema asks of single values: lengths of names, ranges of numbers, lists without repeats. Keys that are unknown
//! or missing are found where a file is read.

use serde_json::Value;

/// Most characters of a name.
const NAME: usize = 80;
/// Objects whose keys are names that the scenario gives.
const FREE: [&str; 9] = [
    "attributes",
    "stock",
    "skus",
    "ranks",
    "values",
    "orders_by_rule",
    "queued",
    "open_offers",
    "completed",
];
/// Names, where they are text.
const NAMES: [&str; 14] = [
    "id",
    "order",
    "node",
    "sku",
    "line",
    "channel",
    "group",
    "key",
    "name",
    "has",
    "reason",
    "preferred_node",
    "first",
    "winner",
];
/// Texts that are not empty.
const TEXTS: [&str; 3] = ["origin", "licence", "skip"];
/// Lists that are not empty.
const LISTS: [&str; 6] = ["routings", "rules", "actions", "can", "reason", "values"];
/// Numbers from 1.
const COUNTS: [&str; 6] = ["nodes", "rounds", "ttl_s", "max_splits", "count", "seconds"];

/// The first value that the schema does not allow: where, and why.
pub fn fault(value: &Value) -> Option<(String, String)> {
    look(value, "$", None)
}

/// `key`: the name of the member, where the format gives it.
fn look(value: &Value, path: &str, key: Option<&str>) -> Option<(String, String)> {
    if let Some(why) = key.and_then(|key| wrong(key, value)).or_else(|| repeats(value)) {
        return Some((path.to_owned(), why));
    }
    match value {
        Value::Array(values) => {
            values.iter().enumerate().find_map(|(n, value)| look(value, &format!("{path}[{n}]"), None))
        }
        Value::Object(members) => {
            let free = key.is_some_and(|key| FREE.contains(&key));
            let deeper = key == Some("values");
            members.iter().find_map(|(name, value)| {
                let path = format!("{path}.{name}");
                match value {
                    // Sort, then node.
                    Value::Object(_) if deeper => None,
                    _ if free => look(value, &path, None),
                    _ => look(value, &path, Some(name)),
                }
            })
        }
        _ => None,
    }
}

fn wrong(key: &str, value: &Value) -> Option<String> {
    match value {
        Value::String(text) if NAMES.contains(&key) => {
            let length = text.chars().count();
            (length == 0 || length > NAME)
                .then(|| format!("a name has 1 to {NAME} characters, this one {length}"))
        }
        Value::String(text) if TEXTS.contains(&key) => text.is_empty().then(|| "is empty".into()),
        Value::Array(values) if LISTS.contains(&key) => values.is_empty().then(|| "is empty".into()),
        Value::Number(number) => {
            let number = number.as_f64()?;
            let (from, to) = match key {
                "lat" => (-90.0, 90.0),
                "lng" => (-180.0, 180.0),
                _ if COUNTS.contains(&key) => (1.0, f64::INFINITY),
                "km" if number <= 0.0 => return Some("is not above 0".into()),
                _ => return None,
            };
            let within = (from..=to).contains(&number);
            (!within).then(|| format!("is not within {from} to {to}"))
        }
        _ => None,
    }
}

fn repeats(value: &Value) -> Option<String> {
    let values = value.as_array()?;
    let texts: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
    let again = (1..texts.len()).find(|n| texts[..*n].contains(&texts[*n]))?;
    Some(format!("{:?} stands in it twice", texts[again]))
}

/// Whole numbers that are written with a fraction of zero, as JSON allows, without it.
pub fn whole_numbers(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(whole_numbers),
        Value::Object(members) => members.values_mut().for_each(whole_numbers),
        Value::Number(number) if number.is_f64() => {
            let whole = number.as_f64().filter(|n| n.fract() == 0.0);
            if let Some(whole) = whole {
                // Beyond that nothing is told apart any more.
                *value = Value::from(whole as i64);
            }
        }
        _ => {}
    }
}
