//! The customer's name, phone and address: for a store while it has work of the order, and for operations. Each look is
//! logged first; without that nothing is shown.

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use router_ingest::json::{Gift, Invoice, Recipient};
use router_schemas::{
    command::order::Display,
    refusal::Code,
    row::{FulfilmentRow, OrderRow},
};
use serde::Deserialize;
use serde_json::json;

use super::{
    Failure, Gateway,
    caller::Caller,
    letters::{ACCESS, SEALED},
    looks, read,
};
use crate::{router::Router, show::stores::Contact};

pub(crate) const NO_WORK: Code = Code::new(
    "E4023",
    "the store has no work of this order",
    "the contact is shown while the store has units of the order that it has not shipped",
);

/// What was sealed with an order.
#[derive(Default, Deserialize)]
struct Personal {
    #[serde(flatten)]
    recipient: Recipient,
    gift: Option<Gift>,
    invoice: Option<Invoice>,
}

pub(super) async fn contact(
    State(gateway): State<Gateway>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Failure> {
    let row = read::find(&gateway, id, &caller).await?;
    let work = |f: &FulfilmentRow| {
        let units = [f.allocated, f.backordered, f.picked, f.ready];
        caller.has_node(&f.node) && units.iter().any(|units| units.is_positive())
    };
    if caller.nodes().is_some() && !row.fulfilments.iter().any(work) {
        return Err(Failure::new(StatusCode::FORBIDDEN, NO_WORK, NO_WORK.summary));
    }
    let actor = caller.name().to_owned();
    let opened = tokio::task::spawn_blocking(move || opened(&gateway.router, &row, &actor)).await;
    let broken =
        |_| Failure::new(StatusCode::SERVICE_UNAVAILABLE, ACCESS, "it broke off; see the router's log");
    Ok(Json(opened.map_err(broken)??).into_response())
}

fn opened(router: &Router, row: &OrderRow, actor: &str) -> Result<Contact, Failure> {
    looks::note(&router.folder, "contact opened", ("order", json!(row.order)), actor)
        .map_err(|e| Failure::new(StatusCode::SERVICE_UNAVAILABLE, ACCESS, e.to_string()))?;
    let display: Display = postcard::from_bytes(&row.display).unwrap_or_default();
    let sealed = |detail: String| Failure::new(StatusCode::UNPROCESSABLE_ENTITY, SEALED, detail);
    let personal = match &display.recipient {
        Some(recipient) => {
            let bytes = router.keys.open_sealed(recipient).map_err(|e| sealed(e.to_string()))?;
            serde_json::from_slice(&bytes).map_err(|_| sealed("what was sealed is not readable".into()))?
        }
        None => Personal::default(),
    };
    let Personal { recipient: Recipient { name, phone, address, .. }, gift, invoice } = personal;
    Ok(Contact { order: row.order, name, phone, address, gift, invoice })
}
