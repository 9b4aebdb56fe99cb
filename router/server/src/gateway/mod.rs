//! The gateway: HTTP in front of a running router.

mod batch;
mod local;
mod read;
mod write;

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use router_schemas::{limits, refusal::Code};
use serde_json::{Value, json};

use crate::router::Router;

/// How long a caller waits at most, unless it says less.
const WAIT: Duration = Duration::from_secs(10);

const BUSY: Code = Code {
    id: "E4001",
    summary: "too many requests wait for an answer",
    hint: "send it again after a second",
};
const LATE: Code = Code {
    id: "E4002",
    summary: "no answer came in time; the command may have been taken",
    hint: "send the same again: a repeat is safe",
};
const NO_ROOM: Code =
    Code { id: "E4003", summary: "the log takes nothing now", hint: "make room on the disk; see /readyz" };
const NOT_FOUND: Code =
    Code { id: "E4004", summary: "there is no such thing", hint: "check the id or the path" };
const BAD_QUERY: Code =
    Code { id: "E4005", summary: "a parameter of the query is not readable", hint: "see the README" };
const TOKEN: Code =
    Code { id: "E4006", summary: "the token is missing or wrong", hint: "send Authorization: Bearer TOKEN" };
const TOO_LARGE: Code = Code {
    id: "E4007",
    summary: "the body is too large or not readable",
    hint: "send less; see schemas/src/limits.rs",
};

/// What every handler has.
#[derive(Clone)]
pub(crate) struct Gateway {
    pub router: Arc<Router>,
    /// Asked of every request but those for health, where set.
    pub token: Option<Arc<str>>,
}

/// The gateway as an axum application.
pub(crate) fn app(gateway: Gateway) -> axum::Router {
    let whole = limits::MESSAGE_BYTES + 1024;
    axum::Router::new()
        .route("/v1/orders", post(write::message).get(read::orders))
        .route("/v1/orders/{id}", get(read::order))
        .route("/v1/amends", post(write::message))
        .route("/v1/cancels", post(write::message))
        .route("/v1/payments", post(write::message))
        .route("/v1/deliveries", post(write::message))
        .route("/v1/stock", get(read::stock))
        .route("/v1/stock/{kind}", post(write::message))
        .route("/v1/fulfilments/{kind}", post(write::message))
        .route("/v1/batch", post(batch::batch).layer(DefaultBodyLimit::disable()))
        .route("/v1/{table}", get(read::references).post(write::message))
        .layer(DefaultBodyLimit::max(whole))
        .layer(middleware::from_fn_with_state(gateway.clone(), authorise))
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(read::ready))
        .route("/metrics", get(read::metrics))
        .fallback(|| async { problem(StatusCode::NOT_FOUND, NOT_FOUND, "", "no such path") })
        .with_state(gateway)
}

/// The gateway for the command line on the same machine: the same, and the log.
pub(crate) fn local(gateway: Gateway) -> axum::Router {
    let log = axum::Router::new()
        .route("/v1/log", get(local::topics))
        .route("/v1/log/{topic}/{partition}", get(local::records))
        .with_state(gateway.clone());
    app(gateway).merge(log)
}

async fn authorise(State(gateway): State<Gateway>, request: Request, next: Next) -> Response {
    if let Some(token) = &gateway.token {
        let given =
            request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
        if !same(given, format!("Bearer {token}").as_bytes()) {
            return problem(StatusCode::UNAUTHORIZED, TOKEN, "", TOKEN.summary);
        }
    }
    next.run(request).await
}

/// Compares without telling by its time where the first difference is.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |different, (a, b)| different | (a ^ b)) == 0
}

/// An error as callers see it: code, JSON pointer, detail, hint.
fn problem(status: StatusCode, code: Code, pointer: &str, detail: &str) -> Response {
    respond(status, problem_body(code, pointer, detail))
}

fn problem_body(code: Code, pointer: &str, detail: &str) -> Value {
    json!({ "code": code.id, "pointer": pointer, "detail": detail, "hint": code.hint })
}

/// An answer; one that turns the caller away says when to come back.
fn respond(status: StatusCode, body: Value) -> Response {
    let mut response = (status, Json(body)).into_response();
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}
