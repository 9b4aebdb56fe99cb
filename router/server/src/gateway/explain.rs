//! The story of an order over the local socket: it shows what each store had, so it is not for everyone.

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use router_schemas::{id::OrderId, position::Position};
use serde_json::json;

use super::{Gateway, NO_ROOM, NOT_FOUND, guard::heavy, problem};
use crate::explain::{ExplainError, page, story};

#[derive(serde::Deserialize)]
pub(super) struct Asked {
    at: Option<Position>,
    why_not: Option<String>,
}

pub(super) async fn explain(
    State(gateway): State<Gateway>,
    Path(order): Path<String>,
    Query(asked): Query<Asked>,
) -> Response {
    let Ok(order) = order.parse::<OrderId>() else {
        return problem(StatusCode::NOT_FOUND, NOT_FOUND, "", "no such order");
    };
    let router = gateway.router.clone();
    let told = heavy(move || {
        story(&*router.log, &router.snapshots, order, asked.at.as_ref(), asked.why_not.as_deref())
            .map(|story| json!({ "page": page(&story, asked.why_not.as_deref()), "story": story }))
    });
    match told.await {
        Some(Ok(told)) => Json(told).into_response(),
        Some(Err(error @ (ExplainError::Unknown(_) | ExplainError::Before(..)))) => {
            problem(StatusCode::NOT_FOUND, NOT_FOUND, "", &error.to_string())
        }
        Some(Err(error)) => problem(StatusCode::SERVICE_UNAVAILABLE, NO_ROOM, "", &error.to_string()),
        None => problem(StatusCode::SERVICE_UNAVAILABLE, NO_ROOM, "", "it broke off; see the router's log"),
    }
}
