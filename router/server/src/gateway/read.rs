//! What changes nothing: rows, health, metrics.

use std::{collections::HashMap, fmt::Write, sync::PoisonError};

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use router_log::LogState;
use router_schemas::{
    command::reference::Table,
    id::{Identity, OrderId},
    position::{Topic, TopicPartition},
};
use router_sinks::{OrderFilter, StoreError};
use serde_json::{Value, json};

use super::{BAD_QUERY, Gateway, NO_ROOM, NOT_FOUND, problem};
use crate::show;

type Parameters = Query<HashMap<String, String>>;

/// Rows of a page at most, and where the caller says nothing.
const LIMIT: (usize, usize) = (500, 50);

pub(super) async fn order(State(gateway): State<Gateway>, Path(id): Path<String>) -> Response {
    let found = match id.parse::<OrderId>() {
        Ok(id) => gateway.router.store.order(id),
        // A platform's name of the order: CHANNEL:ID or CHANNEL/ACCOUNT:ID.
        Err(_) => match id.split_once(':') {
            Some((place, external_id)) => {
                let (channel, account) = place.split_once('/').unwrap_or((place, ""));
                let (channel, account) = (channel.to_owned(), account.to_owned());
                let identity = Identity { channel, account, external_id: external_id.to_owned() };
                let id = gateway.router.store.order_id(&identity);
                id.and_then(|id| id.map_or(Ok(None), |id| gateway.router.store.order(id)))
            }
            None => Ok(None),
        },
    };
    match found {
        Ok(Some(row)) => Json(show::order(&row)).into_response(),
        Ok(None) => {
            problem(StatusCode::NOT_FOUND, NOT_FOUND, "", "no such order, or its row is not written yet")
        }
        Err(error) => failed(&error),
    }
}

pub(super) async fn orders(State(gateway): State<Gateway>, Query(asked): Parameters) -> Response {
    let filter = match filter(&asked) {
        Ok(filter) => filter,
        Err(name) => return bad(name),
    };
    let (after, limit) = match page(&asked) {
        Ok(page) => page,
        Err(name) => return bad(name),
    };
    answer(gateway.router.store.orders(&filter, after.as_deref(), limit), show::order)
}

pub(super) async fn stock(State(gateway): State<Gateway>, Query(asked): Parameters) -> Response {
    let (after, limit) = match page(&asked) {
        Ok(page) => page,
        Err(name) => return bad(name),
    };
    let text = |name: &str| asked.get(name).map(String::as_str);
    answer(gateway.router.store.cells(text("node"), text("sku"), after.as_deref(), limit), show::cell)
}

pub(super) async fn references(
    State(gateway): State<Gateway>,
    Path(table): Path<String>,
    Query(asked): Parameters,
) -> Response {
    let Ok(table) = serde_json::from_value::<Table>(Value::String(table)) else {
        return problem(StatusCode::NOT_FOUND, NOT_FOUND, "", "no such path");
    };
    let (after, limit) = match page(&asked) {
        Ok(page) => page,
        Err(name) => return bad(name),
    };
    answer(gateway.router.store.references(table, after.as_deref(), limit), show::reference)
}

fn answer<T>(page: Result<router_sinks::Page<T>, StoreError>, show: fn(&T) -> Value) -> Response {
    match page {
        Ok(page) => {
            let rows: Vec<_> = page.rows.iter().map(show).collect();
            let next = page.next.map(|key| key.iter().map(|b| format!("{b:02x}")).collect::<String>());
            Json(json!({ "rows": rows, "next": next })).into_response()
        }
        Err(error) => failed(&error),
    }
}

fn failed(error: &StoreError) -> Response {
    tracing::error!(%error, "rows cannot be read");
    problem(StatusCode::SERVICE_UNAVAILABLE, NO_ROOM, "", "the rows cannot be read; see the router's log")
}

fn bad(name: &str) -> Response {
    problem(StatusCode::BAD_REQUEST, BAD_QUERY, "", &format!("the parameter {name} is not readable"))
}

fn page(asked: &HashMap<String, String>) -> Result<(Option<Vec<u8>>, usize), &'static str> {
    let limit = match asked.get("limit") {
        Some(text) => text.parse::<usize>().map_err(|_| "limit")?.clamp(1, LIMIT.0),
        None => LIMIT.1,
    };
    let bytes = |text: &String| -> Option<Vec<u8>> {
        let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
        pairs.map(|pair| pair.filter(|p| p.len() == 2).and_then(|p| u8::from_str_radix(p, 16).ok())).collect()
    };
    let after = asked.get("after").map(|text| bytes(text).ok_or("after")).transpose()?;
    Ok((after, limit))
}

fn filter(asked: &HashMap<String, String>) -> Result<OrderFilter, &'static str> {
    let number = |name: &'static str| asked.get(name).map(|t| t.parse().map_err(|_| name)).transpose();
    Ok(OrderFilter {
        state: asked.get("state").map(|t| t.parse().map_err(|_| "state")).transpose()?,
        channel: asked.get("channel").cloned(),
        node: asked.get("node").cloned(),
        from: number("from")?,
        to: number("to")?,
    })
}

pub(super) async fn ready(State(gateway): State<Gateway>) -> Response {
    let mut reasons = Vec::new();
    match gateway.router.log.state() {
        LogState::Running => {}
        LogState::NoRoom(reason) | LogState::Failed(reason) => reasons.push(reason),
    }
    let status = gateway.router.runner.status.lock().unwrap_or_else(PoisonError::into_inner).clone();
    reasons
        .extend(status.iter().filter_map(|(name, cell)| Some(format!("{name}: {}", cell.stopped.as_ref()?))));
    reasons.extend(gateway.router.rows.trouble());
    let code = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({ "ready": reasons.is_empty(), "reasons": reasons, "log": gateway.router.log.log_id().to_string(), "stages": status });
    (code, Json(body)).into_response()
}

pub(super) async fn metrics(State(gateway): State<Gateway>) -> Response {
    let router = &gateway.router;
    let mut text = String::new();
    let status = router.runner.status.lock().unwrap_or_else(PoisonError::into_inner).clone();
    // Writing to a String cannot fail.
    for (name, cell) in &status {
        let _ = writeln!(text, "router_applied_total{{stage=\"{name}\"}} {}", cell.next);
        let _ = writeln!(text, "router_stopped{{stage=\"{name}\"}} {}", u8::from(cell.stopped.is_some()));
        for (gauge, value) in &cell.gauges {
            let _ = writeln!(text, "router_{gauge}{{stage=\"{name}\"}} {value}");
        }
    }
    for partition in 0..router.runner.topology.events {
        let end = router.log.range(&TopicPartition::new(Topic::Events, partition)).map_or(0, |r| r.end);
        let lag = router.store.position(partition).map_or(end, |position| end.saturating_sub(position));
        let _ = writeln!(text, "router_rows_lag_events{{partition=\"{partition}\"}} {lag}");
    }
    let _ = writeln!(text, "router_requests_waiting {}", router.waiting());
    ([("content-type", "text/plain; version=0.0.4")], text).into_response()
}
