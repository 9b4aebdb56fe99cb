//! What stores and operations read, from the rows of a folder at rest, in the form in which a router that runs answers.

use router_schemas::{
    command::reference::Table,
    id::{Identity, OfferId, OrderId},
    row::{NodeRow, OrderRow},
};
use router_sinks::{OrderFilter, Store, StoreError};
use serde_json::json;

use super::{
    client::Response,
    source::{Ask, missing, page, unreadable},
};
use crate::show::{self, stores};

/// The answer.
pub(super) fn answer(
    store: &dyn Store,
    ask: &Ask,
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Response, StoreError> {
    let node = match ask {
        Ask::Offers(node) => node.as_ref(),
        Ask::Work(node) | Ask::Standing(node) => Some(node),
        _ => None,
    };
    if let Some(node) = node
        && store.reference(Table::Nodes, node)?.is_none()
    {
        return Ok(missing("no such node"));
    }
    let body = match ask {
        Ask::Offers(Some(node)) => page(store.offers(Some(node), after, limit)?, |row| {
            show::json(&stores::offer_to(store, row, node))
        }),
        Ask::Offers(None) => {
            page(store.offers(None, after, limit)?, |row| show::json(&stores::offer(store, row)))
        }
        Ask::Offer(id) => match id.parse::<OfferId>() {
            Err(_) => return Ok(unreadable("id")),
            Ok(id) => match store.offer(id)? {
                Some(row) => show::json(&stores::offer(store, &row)),
                None => return Ok(missing("no such offer")),
            },
        },
        Ask::Work(node) => page(store.work(node, after, limit)?, |row| show::json(&stores::work(row, node))),
        Ask::Standing(node) => {
            let row = store.node(node)?;
            show::json(&stores::standing(
                &row.unwrap_or_else(|| NodeRow { node: node.clone(), ..NodeRow::default() }),
            ))
        }
        Ask::Queue(queue) => {
            page(store.queue(queue.as_deref(), after, limit)?, |row| show::json(&show::order(row)))
        }
        Ask::Pools(channel) => {
            page(store.pools(channel.as_deref(), after, limit)?, |row| show::json(&stores::pool(row)))
        }
        Ask::Hold(order) => {
            let order = match (order.parse::<OrderId>(), Identity::parse(order)) {
                (Ok(order), _) => Some(order),
                (_, Some(identity)) => store.order_id(&identity)?,
                _ => return Ok(unreadable("id")),
            };
            match order.map(|order| store.hold(order)).transpose()?.flatten() {
                Some(row) => show::json(&stores::hold(&row)),
                None => return Ok(missing("nothing is or was held for this order")),
            }
        }
        Ask::Order(id) => match find(store, id)? {
            Some(row) => show::json(&show::order(&row)),
            None => return Ok(missing("no such order")),
        },
        Ask::Orders { state, channel, node } => {
            let Ok(state) = state.as_deref().map(str::parse).transpose() else {
                return Ok(unreadable("state"));
            };
            let (channel, node) = (channel.clone(), node.clone());
            let filter = OrderFilter { state, channel, node, ..OrderFilter::default() };
            page(store.orders(&filter, after, limit)?, |row| show::json(&show::order(row)))
        }
        Ask::Cells { node, sku } => {
            page(store.cells(node.as_deref(), sku.as_deref(), after, limit)?, |row| {
                show::json(&show::cell(row))
            })
        }
        Ask::References(table) => match serde_json::from_value::<Table>(json!(table)) {
            Ok(table) => page(store.references(table, after, limit)?, show::reference),
            Err(_) => return Ok(missing("no such table: zones, nodes, items, channels, regions")),
        },
    };
    Ok(Response { status: 200, body })
}

fn find(store: &dyn Store, id: &str) -> Result<Option<OrderRow>, StoreError> {
    if let Ok(id) = id.parse::<OrderId>() {
        return store.order(id);
    }
    let Some(identity) = Identity::parse(id) else { return Ok(None) };
    store.order_id(&identity)?.map_or(Ok(None), |id| store.order(id))
}
