//! What is found out on copies of the engines, over the local socket: a draft of rules over real history, and the past.

use axum::{
    Json,
    extract::{Query, State, rejection::JsonRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use router_ingest::{json, rules};
use router_schemas::{id::OrderId, position::Position};
use serde_json::json;

use super::{BAD_QUERY, Gateway, NO_ROOM, guard::heavy, problem, respond};
use crate::{
    past::{self, PastError, What},
    show,
    simulate::{self, Asked, SimulateError},
};

/// What to simulate.
#[derive(serde::Deserialize)]
pub(super) struct Draft {
    rules: json::Rules,
    asked: Asked,
}

pub(super) async fn simulate(
    State(gateway): State<Gateway>,
    draft: Result<Json<Draft>, JsonRejection>,
) -> Response {
    let Ok(Json(Draft { rules, asked })) = draft else {
        let detail = "the body is {\"rules\": …, \"asked\": …}";
        return problem(StatusCode::BAD_REQUEST, BAD_QUERY, "", detail);
    };
    let errors = rules::check(&rules, None).into_iter();
    if let Some(found) = errors.into_iter().find(|found| found.severity == rules::Severity::Error) {
        return problem(StatusCode::UNPROCESSABLE_ENTITY, found.code(), &found.pointer, &found.detail);
    }
    let router = gateway.router.clone();
    let set = rules::to_log(&rules);
    let done = heavy(move || {
        simulate::simulate(&*router.log, &router.snapshots, &set, &asked)
            .map(|report| json!({ "page": simulate::page(&report), "report": report }))
    });
    match done.await {
        Some(Ok(done)) => Json(done).into_response(),
        Some(Err(error)) => {
            let status = match error {
                SimulateError::Stretch(_) => StatusCode::UNPROCESSABLE_ENTITY,
                _ => StatusCode::SERVICE_UNAVAILABLE,
            };
            told(status, &error.to_string())
        }
        None => problem(StatusCode::SERVICE_UNAVAILABLE, NO_ROOM, "", "it broke off; see the router's log"),
    }
}

/// An error whose text begins with its code.
fn told(status: StatusCode, text: &str) -> Response {
    let code =
        crate::codes::parts().into_iter().flat_map(|part| part.codes).find(|code| text.starts_with(code.id));
    let detail = code.map_or(text, |code| text[code.id.len()..].trim_start_matches([':', ' ']));
    respond(status, show::json(&show::Problem::new(code.unwrap_or(NO_ROOM), "", detail)))
}

/// Where to look back to, and at what.
#[derive(serde::Deserialize)]
pub(super) struct Past {
    at: Position,
    node: Option<String>,
    sku: Option<String>,
    order: Option<OrderId>,
}

pub(super) async fn state(State(gateway): State<Gateway>, Query(asked): Query<Past>) -> Response {
    let what = match (asked.node, asked.sku, asked.order) {
        (Some(node), None, None) => What::Node(node),
        (None, Some(sku), None) => What::Sku(sku),
        (None, None, Some(order)) => What::Order(order),
        _ => return problem(StatusCode::BAD_REQUEST, BAD_QUERY, "", "name a node, a sku or an order"),
    };
    let router = gateway.router.clone();
    let shown = heavy(move || past::state(&*router.log, &router.snapshots, &asked.at, &what));
    match shown.await {
        Some(Ok(shown)) => Json(shown).into_response(),
        Some(Err(error)) => {
            let status = match error {
                PastError::Unknown(..) => StatusCode::NOT_FOUND,
                PastError::Runner(_) => StatusCode::SERVICE_UNAVAILABLE,
            };
            told(status, &error.to_string())
        }
        None => problem(StatusCode::SERVICE_UNAVAILABLE, NO_ROOM, "", "it broke off; see the router's log"),
    }
}
