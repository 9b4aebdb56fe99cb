//! What stores and operations read, from the rows of a folder at rest, in the form in which a router that runs answers.

use router_schemas::{
    command::reference::Table,
    id::{Identity, OfferId, OrderId},
    row::NodeRow,
};
use router_sinks::{Store, StoreError};

use super::{
    client::Response,
    source::{Ask, missing, page, unreadable},
};
use crate::show::{self, stores};

/// The answer, where the question is one of these.
pub(super) fn answer(
    store: &dyn Store,
    ask: &Ask,
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Option<Response>, StoreError> {
    let node = match ask {
        Ask::Offers(node) => node.as_ref(),
        Ask::Work(node) | Ask::Standing(node) => Some(node),
        _ => None,
    };
    if let Some(node) = node
        && store.reference(Table::Nodes, node)?.is_none()
    {
        return Ok(Some(missing("no such node")));
    }
    let body = match ask {
        Ask::Offers(Some(node)) => page(store.offers(Some(node), after, limit)?, |row| {
            show::json(&stores::offer_to(store, row, node))
        }),
        Ask::Offers(None) => {
            page(store.offers(None, after, limit)?, |row| show::json(&stores::offer(store, row)))
        }
        Ask::Offer(id) => match id.parse::<OfferId>() {
            Err(_) => return Ok(Some(unreadable("id"))),
            Ok(id) => match store.offer(id)? {
                Some(row) => show::json(&stores::offer(store, &row)),
                None => return Ok(Some(missing("no such offer"))),
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
                _ => return Ok(Some(unreadable("id"))),
            };
            match order.map(|order| store.hold(order)).transpose()?.flatten() {
                Some(row) => show::json(&stores::hold(&row)),
                None => return Ok(Some(missing("nothing is or was held for this order"))),
            }
        }
        _ => return Ok(None),
    };
    Ok(Some(Response { status: 200, body }))
}
