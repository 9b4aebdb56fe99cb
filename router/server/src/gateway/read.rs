//! What changes nothing: rows, health, metrics.

use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError},
};

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
};
use router_log::LogState;
use router_schemas::{
    command::reference::Table,
    event::OrderState,
    id::{Identity, OrderId},
    position::{Topic, TopicPartition},
    row::OrderRow,
};
use router_sinks::{OrderFilter, StoreError};
use schemars::json_schema;
use serde::Serialize;

use super::{
    Failure, Gateway,
    caller::Caller,
    fresh, openapi,
    problem::BAD_QUERY,
    query::{Asked, Parameter},
};
use crate::{
    rules, show,
    telemetry::{self, TELEMETRY},
};

/// Which orders.
pub(super) const ORDERS: [Parameter; 8] = [
    Parameter {
        name: "state",
        about: "Derived state",
        schema: || json_schema!({"type": "string", "enum": OrderState::ALL.map(|state| state.to_string())}),
    },
    text("channel", "The channel it came by"),
    text("external_id", "The platform's id of it"),
    text("zone", "Home zone"),
    text("node", "A node that has, or had, units of it"),
    text("sku", "A SKU on one of its lines"),
    time("from", "First decided on from this time on: RFC 3339, or milliseconds since 1970"),
    time("to", "First decided on before this time"),
];

/// Which stock cells.
pub(super) const STOCK: [Parameter; 2] = [text("node", "Where"), text("sku", "What")];

const fn text(name: &'static str, about: &'static str) -> Parameter {
    Parameter { name, about, schema: || json_schema!({"type": "string", "maxLength": 128}) }
}

const fn time(name: &'static str, about: &'static str) -> Parameter {
    let schema = || {
        json_schema!({"anyOf": [{"type": "string", "format": "date-time"},
            {"type": "integer", "minimum": 0, "maximum": i64::MAX}]})
    };
    Parameter { name, about, schema }
}

pub(super) async fn order(
    State(gateway): State<Gateway>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Failure> {
    let row = find(&gateway, id, &caller).await?;
    Ok(Json(shown(&row, &caller)).into_response())
}

/// The order that a path names, if the caller may see it.
pub(super) async fn find(
    gateway: &Gateway,
    id: Result<Path<String>, PathRejection>,
    caller: &Caller,
) -> Result<OrderRow, Failure> {
    let Ok(Path(id)) = id else {
        return Err(Failure::new(StatusCode::BAD_REQUEST, BAD_QUERY, "the id is no UTF-8"));
    };
    let router = &gateway.router;
    match id.parse::<OrderId>() {
        Ok(id) => fresh::by_id(router, id, caller).await,
        Err(_) => {
            let identity = Identity::parse(&id).ok_or_else(fresh::no_such)?;
            fresh::by_name(router, &identity, caller).await
        }
    }
}

/// What the caller sees of an order.
fn shown(row: &OrderRow, caller: &Caller) -> show::Order {
    match caller.nodes() {
        Some(nodes) => show::order_at(row, nodes),
        None => show::order(row),
    }
}

pub(super) async fn orders(
    State(gateway): State<Gateway>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, Failure> {
    let asked = Asked::read(&uri, &ORDERS)?;
    let owned = |name: &str| asked.text(name).map(str::to_owned);
    let states = OrderState::ALL.map(|state| state.to_string()).join(", ");
    let filter = OrderFilter {
        state: asked.read_as("state", &format!("one of {states}"), |text| text.parse().ok())?,
        channel: owned("channel"),
        external_id: owned("external_id"),
        zone: owned("zone"),
        node: owned("node"),
        sku: owned("sku"),
        from: asked.time("from")?,
        to: asked.time("to")?,
        seen: caller.seen(&gateway.router)?,
    };
    let (after, limit) = asked.page()?;
    page(&asked, gateway.router.store.orders(&filter, after.as_deref(), limit), |row| shown(row, &caller))
}

pub(super) async fn stock(
    State(gateway): State<Gateway>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, Failure> {
    let asked = Asked::read(&uri, &STOCK)?;
    let (after, limit) = asked.page()?;
    let node = asked.text("node").or(only(caller.nodes()));
    let cells = gateway.router.store.cells(node, asked.text("sku"), after.as_deref(), limit);
    page(&asked, only_of(cells, |row| caller.has_node(&row.cell.node)), show::cell)
}

/// The one name there is.
pub(super) fn only(names: Option<&Arc<BTreeSet<String>>>) -> Option<&str> {
    names.filter(|names| names.len() == 1).and_then(|names| names.first()).map(String::as_str)
}

/// Rows that the caller may see. A page may be short of the others.
pub(super) fn only_of<T>(
    page: Result<router_sinks::Page<T>, StoreError>,
    sees: impl Fn(&T) -> bool,
) -> Result<router_sinks::Page<T>, StoreError> {
    page.map(|mut page| {
        page.rows.retain(sees);
        page
    })
}

pub(super) async fn references(
    table: Table,
    gateway: Gateway,
    caller: Caller,
    uri: Uri,
) -> Result<Response, Failure> {
    let asked = Asked::read(&uri, &[])?;
    let (after, limit) = asked.page()?;
    let entries = gateway.router.store.references(table, after.as_deref(), limit);
    page(&asked, only_of(entries, |entry| caller.sees_entry(entry)), show::reference)
}

pub(super) async fn rules(
    State(gateway): State<Gateway>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Response, Failure> {
    let Ok(Path(name)) = name else {
        return Err(Failure::new(StatusCode::BAD_REQUEST, BAD_QUERY, "the name is no UTF-8"));
    };
    let found = rules::find(&*gateway.router.store, &name).map_err(|error| fresh::no_rows(&error))?;
    match found {
        Some(set) => Ok(Json(show::Rules::of(&set)).into_response()),
        None => Err(Failure::new(StatusCode::NOT_FOUND, super::NOT_FOUND, "no such rule set")),
    }
}

pub(super) fn page<T, S: Serialize>(
    asked: &Asked,
    page: Result<router_sinks::Page<T>, StoreError>,
    show: impl Fn(&T) -> S,
) -> Result<Response, Failure> {
    let page = page.map_err(|error| fresh::no_rows(&error))?;
    let rows = page.rows.iter().map(&show).collect();
    let next = page.next.map(|key| asked.token(&key));
    Ok(Json(show::Page { rows, next }).into_response())
}

pub(super) async fn live() -> &'static str {
    "ok\n"
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
    reasons.extend(gateway.router.ended());
    reasons.extend(gateway.router.rows.trouble());
    reasons.extend(gateway.router.runner.damage.get().cloned());
    let code = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let stages = status.into_iter().map(|(name, cell)| {
        (name, show::StageStatus { next: cell.next, gauges: cell.gauges, stopped: cell.stopped })
    });
    let log = gateway.router.log.log_id().to_string();
    let body = show::Readiness { ready: reasons.is_empty(), reasons, log, stages: stages.collect() };
    (code, Json(body)).into_response()
}

pub(super) async fn metrics(State(gateway): State<Gateway>) -> Response {
    let router = &gateway.router;
    let status = router.runner.status.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    for (name, cell) in &status {
        let (stage, partition) = name.split_once('/').unwrap_or((name, "0"));
        let (stage, partition) = (stage.to_owned(), partition.to_owned());
        for (kind, value) in &cell.gauges {
            let items = telemetry::Items { stage: stage.clone(), partition: partition.clone(), kind };
            TELEMETRY.items.get_or_create(&items).set(number(*value));
        }
        let labels = telemetry::Cell { stage, partition };
        TELEMETRY.positions.get_or_create(&labels).set(number(cell.next));
        TELEMETRY.stopped.get_or_create(&labels).set(i64::from(cell.stopped.is_some()));
    }
    for partition in 0..router.runner.topology.events {
        let end = router.log.range(&TopicPartition::new(Topic::Events, partition)).map_or(0, |r| r.end);
        let lag = router.store.position(partition).map_or(end, |position| end.saturating_sub(position));
        let labels = telemetry::Partition { partition: partition.to_string() };
        TELEMETRY.rows_lag.get_or_create(&labels).set(number(lag));
    }
    TELEMETRY.waiting.set(number(router.waiting() as u64));
    ([("content-type", telemetry::CONTENT_TYPE)], TELEMETRY.text()).into_response()
}

/// The document, made once.
pub(super) async fn document() -> Response {
    use std::sync::LazyLock;
    static TEXT: LazyLock<String> = LazyLock::new(openapi::text);
    ([("content-type", "application/json")], TEXT.as_str()).into_response()
}
