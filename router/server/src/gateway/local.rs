//! The log as people read it: on the local socket only, since it shows what each platform sent.

use std::time::Duration;

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use router_log::{Isolation, Log, LogError};
use router_schemas::{
    command::{
        Command,
        order::OrderBody,
        reference::{Node, Published, Reference, Table},
    },
    envelope::{self, Body},
    position::{Position, Topic, TopicPartition},
};
use serde_json::{Value, json};

use super::{Gateway, NO_ROOM, NOT_FOUND, caller::Caller, guard::heavy, problem, respond};
use crate::{router::Router, show::Time};

pub(super) async fn topics(State(gateway): State<Gateway>) -> Response {
    Json(json!({ "rows": ranges(&*gateway.router.log) })).into_response()
}

/// Topics, partitions, and the offsets that they hold.
pub(crate) fn ranges(log: &dyn Log) -> Vec<Value> {
    let of = |(topic, count): (Topic, u16)| {
        (0..count).filter_map(move |partition| {
            let range = log.range(&TopicPartition::new(topic.clone(), partition))?;
            Some(json!({ "topic": topic.name(), "partition": partition, "from": range.start, "to": range.end }))
        })
    };
    log.topics().into_iter().flat_map(of).collect()
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
    let gone = || {
        problem(StatusCode::NOT_FOUND, NOT_FOUND, "", "no such topic or partition, or its records are gone")
    };
    let Ok(topic) = topic.parse() else { return gone() };
    let partition = TopicPartition::new(topic, partition);
    let limit = asked.limit.unwrap_or(100);
    let read = heavy(move || read(&*log, &partition, asked.from, limit)).await;
    match read {
        Some(Ok(rows)) => Json(json!({ "rows": rows })).into_response(),
        _ => gone(),
    }
}

/// Bytes of records that are shown at once, about.
const SHOWN: usize = 8 << 20;

/// Records from an offset on, decoded; 1000 at most, and no more once they are many bytes.
pub(crate) fn read(
    log: &dyn Log,
    partition: &TopicPartition,
    from: Option<u64>,
    limit: usize,
) -> Result<Vec<Value>, LogError> {
    let range = log.range(partition).ok_or_else(|| LogError::NoPartition(partition.clone()))?;
    let (from, limit) = (from.unwrap_or(range.start), limit.min(1000));
    if from >= range.end {
        return Ok(Vec::new());
    }
    let mut reader = log.reader(vec![(partition.clone(), from)], Isolation::Durable)?;
    let (mut rows, mut bytes) = (Vec::new(), 0);
    while rows.len() < limit && bytes < SHOWN {
        let Some(batch) = reader.poll(limit - rows.len(), 1 << 20, Duration::from_millis(20))? else {
            break;
        };
        bytes += batch.records.iter().map(|record| record.payload.len()).sum::<usize>();
        rows.extend(batch.records.iter().map(|record| {
            let position = Position::new(partition.topic.clone(), partition.partition, record.offset);
            let mut row = json!({ "position": position, "at": Time(record.at) });
            if let (Value::Object(row), Value::Object(record)) = (&mut row, record_json(&record.payload)) {
                row.extend(record);
            }
            row
        }));
    }
    Ok(rows)
}

/// Audits the log up to where it is now, all of that applied, while the router goes on.
pub(super) async fn audit(State(gateway): State<Gateway>) -> Response {
    match heavy(move || audited(&gateway.router)).await {
        Some(Ok(report)) => Json(report).into_response(),
        Some(Err(error)) => problem(StatusCode::SERVICE_UNAVAILABLE, NO_ROOM, "", &error.to_string()),
        None => {
            problem(StatusCode::SERVICE_UNAVAILABLE, NO_ROOM, "", "the audit broke off; see the router's log")
        }
    }
}

fn audited(router: &Router) -> Result<Value, router_audit::AuditError> {
    router.catch_up();
    let cut = router_audit::Cut::now(&*router.log);
    let events = router.ends(&Topic::Events);
    let followed = || router.follows(&events);
    while !followed() && router.rows.trouble().is_none() {
        std::thread::sleep(Duration::from_millis(2));
    }
    let store = followed().then_some(&*router.store);
    let report = router_audit::audit_upto(&*router.log, store, &cut, &mut |_| {})?;
    let mut report = serde_json::to_value(report).unwrap_or_default();
    report["rows"] =
        json!(if store.is_some() { "compared" } else { "not compared: they cannot be written now" });
    Ok(report)
}

/// Enables or disables a node: publishes it as it is, with what only the log knows of it, enabled or not.
pub(super) async fn switch(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path((id, to)): Path<(String, String)>,
) -> Response {
    let enabled = match to.as_str() {
        "disable" => false,
        "enable" => true,
        _ => return problem(StatusCode::NOT_FOUND, NOT_FOUND, "", "no such path"),
    };
    let router = gateway.router.clone();
    let found = tokio::task::spawn_blocking(move || node(&router, &id)).await;
    let Ok(Ok(found)) = found else {
        return problem(StatusCode::SERVICE_UNAVAILABLE, NO_ROOM, "", "the rows cannot be read");
    };
    let Some(mut node) = found else {
        return problem(StatusCode::NOT_FOUND, NOT_FOUND, "", "no such node; `router node list` lists them");
    };
    node.enabled = enabled;
    let command = Command::Reference(Published { control: 0, change: Reference::Node(node) });
    let answer = match gateway.router.send_with(&command, false, caller.meta(&command)) {
        Ok(answering) => answering.wait(super::WAIT).await,
        Err(error) => Err(error),
    };
    match answer {
        Ok(reply) => {
            let refused = matches!(reply.answer, router_schemas::reply::Answer::Refused { .. });
            let status = if refused { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
            respond(status, crate::show::reply(&reply))
        }
        Err(error) => {
            let (status, body) = super::write::failure(&error);
            respond(status, body)
        }
    }
}

fn node(router: &Router, id: &str) -> Result<Option<Box<Node>>, router_sinks::StoreError> {
    let entry = router.store.reference(Table::Nodes, id)?;
    Ok(entry.and_then(|entry| if let Reference::Node(node) = entry { Some(node) } else { None }))
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
                    "pointer": letter.pointer, "detail": letter.detail, "bytes": letter.bytes.len(),
                    "resolved": letter.resolved }),
                ),
            };
            json!({ "origin": origin, "actor": meta.actor, "reason": meta.reason, kind: body })
        }
        Err(error) => json!({ "undecodable": error.to_string() }),
    }
}

pub(super) fn command_json(command: &Command) -> Value {
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
    json!({ "cause": event.cause, "item": event.item, "at": Time(event.at), "order": event.order,
        "outcome": event.outcome, "changes": event.changes, "rows": event.rows.len() })
}
