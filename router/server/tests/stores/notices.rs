//! Every record that others hear, of a run in which much happens, is as the AsyncAPI document says.

use std::{collections::BTreeSet, path::Path};

use serde_json::Value;

use crate::{
    running::{Client, router, until},
    shop::{id, line, place, start},
};

/// What of `value` is not as the schema says. Members that it does not describe are wrong too.
fn wrong(document: &Value, schema: &Value, value: &Value, place: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut say = |what: String| found.push(format!("{place}: {what}"));
    if let Some(to) = schema["$ref"].as_str() {
        return wrong(document, document.pointer(to.trim_start_matches('#')).unwrap(), value, place);
    }
    if let Some(all) = schema["allOf"].as_array() {
        return all.iter().flat_map(|one| wrong(document, one, value, place)).collect();
    }
    for any in ["anyOf", "oneOf"] {
        if let Some(any) = schema[any].as_array() {
            let fits = any.iter().any(|one| wrong(document, one, value, place).is_empty());
            return if fits { found } else { vec![format!("{place}: {value} is none of {any:?}")] };
        }
    }
    let is = |name: &str| match name {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other} is no type"),
    };
    let types = match &schema["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(some) => some.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !types.is_empty() && !types.iter().any(|name| is(name)) {
        say(format!("{value} is no {types:?}"));
    }
    if !schema["const"].is_null() && schema["const"] != *value {
        say(format!("{value} is not {}", schema["const"]));
    }
    if schema["enum"].as_array().is_some_and(|some| !some.contains(value)) {
        say(format!("{value} is none of {}", schema["enum"]));
    }
    if let (Some(least), Some(number)) = (schema["minimum"].as_f64(), value.as_f64())
        && number < least
    {
        say(format!("{value} is below {least}"));
    }
    for (number, item) in value.as_array().into_iter().flatten().enumerate() {
        found.extend(wrong(document, &schema["items"], item, &format!("{place}/{number}")));
    }
    if let Some(members) = value.as_object() {
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !members.contains_key(name) {
                found.push(format!("{place}: {name} is missing"));
            }
        }
        for (name, member) in members {
            match schema["properties"].get(name) {
                Some(schema) => found.extend(wrong(document, schema, member, &format!("{place}/{name}"))),
                None => found.push(format!("{place}: {name} is not described")),
            }
        }
    }
    found
}

/// Much of what can happen.
fn day(client: &mut Client) {
    // Offered, claimed, given back, offered again, claimed, handed over.
    place(client, "web", "grab", &[line("1", "A", 2), line("2", "B", 1)].join(","));
    let order = id(client, "web:grab");
    let say = |client: &mut Client, path: &str, node: &str, more: &str| {
        let body = format!(r#"{{"order":"{order}","node":"{node}"{more}}}"#);
        client.must(path, &body);
    };
    say(client, "/v1/offers/claims", "s1", r#","epoch":1"#);
    say(client, "/v1/offers/declines", "s1", r#","reason":"damaged","lines":[{"line":"2"}]"#);
    say(client, "/v1/fulfilments/accepted", "s1", "");
    say(client, "/v1/fulfilments/picked", "s1", "");
    client.must("/v1/cancels", r#"{"channel":"web","id":"grab","ask":true,"lines":[{"line":"1","qty":1}]}"#);
    say(client, "/v1/fulfilments/cancel_answers", "s1", r#","granted":false"#);
    say(client, "/v1/fulfilments/handed_over", "s1", "");
    client.must("/v1/deliveries", r#"{"channel":"web","id":"grab"}"#);
    // Withdrawn while it is offered.
    place(client, "web", "gone", &line("1", "A", 1));
    client.must("/v1/cancels", r#"{"channel":"web","id":"gone"}"#);
    // Assigned, changed, shipped, paid back, cancelled.
    place(client, "shop", "1", &[line("1", "A", 3), line("2", "A", 1)].join(","));
    client.must("/v1/payments", r#"{"channel":"shop","id":"1","state":"captured","amount":400}"#);
    client.must("/v1/cancels", r#"{"channel":"shop","id":"1","lines":[{"line":"1","qty":1}]}"#);
    client.must("/v1/cancels", r#"{"channel":"shop","id":"1"}"#);
    place(client, "shop", "2", &line("1", "A", 1));
    let shipped =
        format!(r#"{{"order":"{}","node":"s1","carrier":"sf","tracking":"SF1"}}"#, id(client, "shop:2"));
    client.must("/v1/fulfilments/shipped", &shipped);
    // Counted below what is promised, and right again.
    place(client, "shop", "3", &line("1", "B", 4));
    client.must("/v1/stock/counts", r#"{"node":"s1","sku":"B","qty":0}"#);
    client.must("/v1/stock/counts", r#"{"node":"s2","sku":"B","qty":0}"#);
    client.must("/v1/stock/counts", r#"{"node":"s1","sku":"B","qty":9}"#);
    client.must("/v1/stock/counts", r#"{"node":"s2","sku":"B","qty":9}"#);
}

fn records(data: &Path, topic: &str) -> Vec<Value> {
    let mut records = Vec::new();
    for partition in ["0", "1", "2", "3"] {
        let output = router(&["log", "cat", topic, "--partition", partition, "--limit", "1000"], data);
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        records
            .extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["notice"].clone()));
    }
    records
}

#[test]
fn every_record_is_as_the_document_says() {
    let folder = tempfile::tempdir().unwrap();
    let (_running, mut client) = start(folder.path());
    let (status, document) = client.get("/v1/asyncapi.json");
    assert_eq!(status, 200);
    day(&mut client);
    let mut seen = BTreeSet::new();
    for (topic, channel) in document["channels"].as_object().unwrap() {
        // What a tick tells comes with it.
        until(topic, || !records(folder.path(), topic).is_empty());
        for record in records(folder.path(), topic) {
            let kind = record["type"].as_str().unwrap_or_else(|| panic!("{topic}: {record}"));
            assert!(channel["messages"].get(kind).is_some(), "{topic} has {kind}");
            let schema = &document["components"]["schemas"][kind];
            let wrong = wrong(&document, schema, &record, kind);
            assert!(wrong.is_empty(), "{}\n{record}", wrong.join("\n"));
            seen.insert(format!("{kind} {}", record["event"].as_str().unwrap_or("")));
        }
    }
    for wanted in [
        "assignment.v1 assigned",
        "assignment.v1 cancel_requested",
        "assignment.v1 changed",
        "assignment.v1 withdrawn",
        "availability.v1 ",
        "notification.v1 cancelled",
        "notification.v1 confirmed",
        "notification.v1 shipped",
        "offer.v1 closed",
        "offer.v1 offered",
        "stock_alert.v1 oversold",
        "stock_alert.v1 recovered",
    ] {
        assert!(seen.contains(wanted), "{wanted} did not happen: {seen:?}");
    }
    for message in document["components"]["messages"].as_object().unwrap().values() {
        let example = &message["examples"][0]["payload"];
        let schema = &document["components"]["schemas"][message["name"].as_str().unwrap()];
        assert_eq!(wrong(&document, schema, example, "example"), Vec::<String>::new());
    }
}
