//! Operators' words about a record that a stage stopped at: on the local socket only.

use axum::{
    Json,
    extract::{State, rejection::JsonRejection},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use router_schemas::position::Position;
use serde_json::json;

use super::{Gateway, TOO_LARGE, letters::actor, problem, respond};
use crate::{router::Router, runner::WordError};

#[derive(serde::Deserialize)]
pub(super) struct Said {
    position: Position,
    reason: String,
}

type Word = fn(&Router, &Position, &str, Option<&str>) -> Result<Position, WordError>;

pub(super) async fn skip(
    State(gateway): State<Gateway>,
    headers: HeaderMap,
    said: Result<Json<Said>, JsonRejection>,
) -> Response {
    say(gateway, &headers, said, Router::skip).await
}

pub(super) async fn accept(
    State(gateway): State<Gateway>,
    headers: HeaderMap,
    said: Result<Json<Said>, JsonRejection>,
) -> Response {
    say(gateway, &headers, said, Router::accept).await
}

async fn say(
    gateway: Gateway,
    headers: &HeaderMap,
    said: Result<Json<Said>, JsonRejection>,
    word: Word,
) -> Response {
    let Ok(Json(Said { position, reason })) = said else {
        let detail = "the body is {\"position\": …, \"reason\": …}";
        return problem(StatusCode::UNPROCESSABLE_ENTITY, TOO_LARGE, "", detail);
    };
    let actor = actor(headers);
    let place = position.clone();
    let done =
        tokio::task::spawn_blocking(move || word(&gateway.router, &position, &reason, Some(&actor))).await;
    match done {
        Ok(Ok(control)) => {
            respond(StatusCode::OK, json!({ "answer": "done", "position": place, "control": control }))
        }
        Ok(Err(error)) => {
            let status = match error {
                WordError::Log(_) => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::CONFLICT,
            };
            // The text begins with the code.
            let text = error.to_string();
            let (code, detail) = text.split_once([':', ' ']).unwrap_or(("E2204", &text));
            let body = json!({ "code": code, "pointer": "", "detail": detail.trim(), "hint": "" });
            respond(status, body)
        }
        Err(_) => respond(
            StatusCode::INTERNAL_SERVER_ERROR,
            json!({ "code": "E2204", "detail": "see the router's log" }),
        ),
    }
}
