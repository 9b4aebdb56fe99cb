//! What stands before the handlers: token, time, and answers where there is no handler.

use std::time::{Duration, Instant};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::sync::Semaphore;
use tower_http::timeout::TimeoutBody;

use super::{
    Gateway, NOT_FOUND, problem,
    problem::{METHOD, TOKEN},
};
use crate::telemetry::{self, TELEMETRY};

/// Questions that read much of the log, or hold a second copy of a partition's state, at one time; more wait.
static HEAVY: Semaphore = Semaphore::const_new(2);

/// Runs such a question where no other one waits for it. `None`: it broke off.
pub(super) async fn heavy<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    // Kept by the work, not by who asked: whoever goes away does not make room.
    let place = HEAVY.acquire().await.ok()?;
    let done = tokio::task::spawn_blocking(move || {
        let _place = place;
        work()
    });
    done.await.ok()
}

/// The longest gap in a body that comes.
const GAP: Duration = Duration::from_secs(20);

pub(super) async fn authorise(State(gateway): State<Gateway>, request: Request, next: Next) -> Response {
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

/// Notes how long an answer took.
pub(super) async fn measure(State(route): State<&'static str>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = match *request.method() {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::HEAD => "HEAD",
        _ => "other",
    };
    let response = next.run(request).await;
    let status =
        ["1xx", "2xx", "3xx", "4xx", "5xx"][usize::from(response.status().as_u16() / 100 - 1).min(4)];
    let labels = telemetry::Request { route, method, status };
    TELEMETRY.requests.get_or_create(&labels).observe(started.elapsed().as_secs_f64());
    response
}

/// Ends a body that stops coming.
pub(super) async fn slow_bodies(request: Request, next: Next) -> Response {
    next.run(request.map(|body| Body::new(TimeoutBody::new(GAP, body)))).await
}

pub(super) async fn no_path() -> Response {
    problem(StatusCode::NOT_FOUND, NOT_FOUND, "", "no such path")
}

/// The router adds `Allow`.
pub(super) async fn no_method(method: Method) -> Response {
    match method {
        Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        _ => problem(StatusCode::METHOD_NOT_ALLOWED, METHOD, "", METHOD.summary),
    }
}
