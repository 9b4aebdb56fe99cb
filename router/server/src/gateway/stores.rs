//! What stores and operations read: offers, work, how nodes stand, queues, holds, pools.

use axum::{
    Json,
    extract::{Path, State},
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
};
use router_schemas::{
    id::{Identity, OfferId, OrderId},
    limits::NAME_BYTES,
};
use schemars::json_schema;

use super::{
    Failure, Gateway, NOT_FOUND,
    caller::Caller,
    fresh,
    problem::BAD_QUERY,
    query::{Asked, Parameter},
    read,
};
use crate::show::{self, stores};

/// Which parked orders.
pub(super) const QUEUE: [Parameter; 1] = [Parameter {
    name: "queue",
    about: "One queue: `unfillable`, `unmapped`, `pinned`, `released`, or one that a rule names",
    schema: || json_schema!({"type": "string", "maxLength": NAME_BYTES}),
}];
/// Which pools.
pub(super) const CHANNEL: [Parameter; 1] = [Parameter {
    name: "channel",
    about: "One channel",
    schema: || json_schema!({"type": "string", "maxLength": NAME_BYTES}),
}];

fn unknown(what: &str) -> Failure {
    Failure::new(StatusCode::NOT_FOUND, NOT_FOUND, what)
}

/// The partition of commands of a node that the router knows.
pub(super) fn known(gateway: &Gateway, node: &str) -> Result<u16, Failure> {
    let partition = (node.len() <= NAME_BYTES).then(|| gateway.router.runner.directory.partition(node));
    partition.flatten().ok_or_else(|| unknown("no such node"))
}

/// Offers that a node may claim.
pub(super) async fn offers(
    State(gateway): State<Gateway>,
    Path(node): Path<String>,
    uri: Uri,
) -> Result<Response, Failure> {
    known(&gateway, &node)?;
    let asked = Asked::read(&uri, &[])?;
    let (after, limit) = asked.page()?;
    let rows = gateway.router.store.offers(Some(&node), after.as_deref(), limit);
    read::page(&asked, rows, |row| stores::offer_to(&*gateway.router.store, row, &node))
}

/// All offers that there were, the first made first.
pub(super) async fn all_offers(State(gateway): State<Gateway>, uri: Uri) -> Result<Response, Failure> {
    let asked = Asked::read(&uri, &[])?;
    let (after, limit) = asked.page()?;
    let rows = gateway.router.store.offers(None, after.as_deref(), limit);
    read::page(&asked, rows, |row| stores::offer(&*gateway.router.store, row))
}

/// One offer.
pub(super) async fn offer(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let bad =
        |e: router_schemas::id::OfferIdError| Failure::new(StatusCode::BAD_REQUEST, BAD_QUERY, e.to_string());
    let id: OfferId = id.parse().map_err(bad)?;
    let row = gateway.router.store.offer(id).map_err(|e| fresh::no_rows(&e))?;
    let row = row.ok_or_else(|| unknown("no such offer"))?;
    let Some(nodes) = caller.nodes() else {
        return Ok(Json(stores::offer(&*gateway.router.store, &row)).into_response());
    };
    // A store sees what its node was offered; others' offers it does not know of.
    let node = row.nodes.iter().map(|(node, _)| node).find(|node| nodes.contains(*node));
    let node = node.ok_or_else(|| unknown("no such offer"))?;
    Ok(Json(stores::offer_to(&*gateway.router.store, &row, node)).into_response())
}

/// What a node has to do.
pub(super) async fn work(
    State(gateway): State<Gateway>,
    Path(node): Path<String>,
    uri: Uri,
) -> Result<Response, Failure> {
    known(&gateway, &node)?;
    let asked = Asked::read(&uri, &[])?;
    let (after, limit) = asked.page()?;
    let rows = gateway.router.store.work(&node, after.as_deref(), limit);
    read::page(&asked, rows, |row| stores::work(row, &node))
}

/// How a node stands.
pub(super) async fn standing(
    State(gateway): State<Gateway>,
    Path(node): Path<String>,
) -> Result<Response, Failure> {
    known(&gateway, &node)?;
    let row = gateway.router.store.node(&node).map_err(|e| fresh::no_rows(&e))?;
    let row = row.unwrap_or_else(|| router_schemas::row::NodeRow { node, ..Default::default() });
    Ok(Json(stores::standing(&row)).into_response())
}

/// Parked orders, in the order in which they are served.
pub(super) async fn queue(State(gateway): State<Gateway>, uri: Uri) -> Result<Response, Failure> {
    let asked = Asked::read(&uri, &QUEUE)?;
    let (after, limit) = asked.page()?;
    let rows = gateway.router.store.queue(asked.text("queue"), after.as_deref(), limit);
    read::page(&asked, rows, show::order)
}

/// What is held for an order, by our id or by the platform's name of it.
pub(super) async fn hold(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let store = &gateway.router.store;
    let order = match id.parse::<OrderId>() {
        Ok(order) => Some(order),
        Err(error) => {
            let bad = || Failure::new(StatusCode::BAD_REQUEST, BAD_QUERY, error.to_string());
            let identity = Identity::parse(&id).ok_or_else(bad)?;
            store.order_id(&identity).map_err(|e| fresh::no_rows(&e))?
        }
    };
    let row = order.map(|order| store.hold(order)).transpose().map_err(|e| fresh::no_rows(&e))?.flatten();
    let row = row.filter(|row| caller.has_channel(&row.identity.channel));
    let row = row.ok_or_else(|| unknown("nothing is or was held for this order"))?;
    Ok(Json(stores::hold(&row)).into_response())
}

/// What channels may sell.
pub(super) async fn pools(
    State(gateway): State<Gateway>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, Failure> {
    let asked = Asked::read(&uri, &CHANNEL)?;
    let (after, limit) = asked.page()?;
    let channel = asked.text("channel").or(read::only(caller.channels()));
    let rows = gateway.router.store.pools(channel, after.as_deref(), limit);
    read::page(&asked, read::only_of(rows, |row| caller.has_channel(&row.channel)), stores::pool)
}
