//! The log as people read it: on the local socket only, since it shows what each platform sent.

use std::time::Duration;

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use router_log::{Isolation, Log};
use router_schemas::{
    command::{Command, order::OrderBody},
    envelope::{self, Body},
    position::{Position, Topic, TopicPartition},
};
use serde_json::{Value, json};

use super::{Gateway, NOT_FOUND, problem};

pub(super) async fn topics(State(gateway): State<Gateway>) -> Response {
    let log = &gateway.router.log;
    let rows: Vec<_> = log.topics().into_iter().flat_map(|(topic, count)| {
        (0..count).filter_map(move |partition| {
            let range = log.range(&TopicPartition::new(topic.clone(), partition))?;
            Some(json!({ "topic": topic.name(), "partition": partition, "from": range.start, "to": range.end }))
        })
    }).collect();
    Json(json!({ "rows": rows })).into_response()
}

#[derive(serde::Deserialize)]
pub(super) struct Asked {
    from: Option<u64>,
    limit: Option<usize>,
}

pub(super) async fn records(
    State(gateway): State<Gateway>,
    Path((topic, partition)): Path<(String, u16)>,
    Query(asked): Query<Asked>,
) -> Response {
    let log = gateway.router.log.clone();
    let read = tokio::task::spawn_blocking(move || read(&*log, &topic, partition, &asked)).await;
    match read {
        Ok(Some(rows)) => Json(json!({ "rows": rows })).into_response(),
        _ => problem(
            StatusCode::NOT_FOUND,
            NOT_FOUND,
            "",
            "no such topic or partition, or its records are gone",
        ),
    }
}

fn read(log: &dyn Log, topic: &str, partition: u16, asked: &Asked) -> Option<Vec<Value>> {
    let topic: Topic = topic.parse().ok()?;
    let source = TopicPartition::new(topic.clone(), partition);
    let range = log.range(&source)?;
    let (from, limit) = (asked.from.unwrap_or(range.start), asked.limit.unwrap_or(100).min(1000));
    if from >= range.end {
        return Some(Vec::new());
    }
    let mut reader = log.reader(vec![(source, from)], Isolation::Durable).ok()?;
    let mut rows = Vec::new();
    while rows.len() < limit {
        let Some(batch) = reader.poll(limit - rows.len(), 1 << 20, Duration::from_millis(20)).ok()? else {
            break;
        };
        rows.extend(batch.records.iter().map(|record| {
            let position = Position::new(topic.clone(), partition, record.offset);
            let mut row = record_json(&record.payload);
            if let Value::Object(row) = &mut row {
                row.insert("position".into(), json!(position));
                row.insert("at".into(), json!(record.at));
            }
            row
        }));
    }
    Some(rows)
}

/// A record as JSON: what an outside reader gets as it is, ours decoded.
fn record_json(payload: &[u8]) -> Value {
    if let Ok(value @ Value::Object(_)) = serde_json::from_slice(payload) {
        return json!({ "notice": value });
    }
    let origin = envelope::origin(payload).ok().flatten();
    let origin = origin.map(|o| json!({ "topic": o.source_topic().map(|t| t.name()), "partition": o.partition, "sequence": o.sequence }));
    match envelope::decode_any(payload) {
        Ok((meta, body)) => {
            let (kind, body) = match body {
                Body::Command(command) => ("command", command_json(&command)),
                Body::Event(event) => ("event", event_json(&event)),
                Body::Reply(reply) => ("reply", crate::show::reply(&reply)),
                Body::DeadLetter(letter) => (
                    "dead_letter",
                    json!({ "source": letter.position, "code": letter.code,
                    "pointer": letter.pointer, "detail": letter.detail, "bytes": letter.bytes.len() }),
                ),
            };
            json!({ "origin": origin, "actor": meta.actor, "reason": meta.reason, kind: body })
        }
        Err(error) => json!({ "undecodable": error.to_string() }),
    }
}

fn command_json(command: &Command) -> Value {
    let name = command.name();
    match command {
        Command::Place(m) | Command::Amend(m) => {
            let body: Option<OrderBody> = postcard::from_bytes(&m.body).ok();
            let mut body = serde_json::to_value(body).unwrap_or_default();
            if let Value::Object(members) = &mut body {
                members.remove("display");
            }
            json!({ "kind": name, "to": m.to, "head": m.head, "body": body })
        }
        other => json!({ "kind": name, "command": other }),
    }
}

fn event_json(event: &router_schemas::event::Event) -> Value {
    json!({ "cause": event.cause, "item": event.item, "at": event.at, "order": event.order,
        "outcome": event.outcome, "changes": event.changes, "rows": event.rows.len() })
}
