//! What stands before the handlers: token, time, and answers where there is no handler.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{Method, StatusCode},
    middleware::Next,
    response::{IntoResponse, Response},
};
use percent_encoding::percent_decode_str;
use tokio::sync::Semaphore;
use tower_http::timeout::TimeoutBody;

use super::{Access, Failure, NOT_FOUND, caller::Caller, problem, problem::METHOD};
use crate::{
    config::tokens::Role,
    telemetry::{self, TELEMETRY},
};

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

/// What stands before a path.
#[derive(Clone)]
pub(super) struct Door {
    pub access: Arc<Access>,
    /// The path with its names in braces.
    pub path: &'static str,
    pub roles: &'static [Role],
}

/// Lets those in who may call the path, and tells the handler who it is.
pub(super) async fn authorise(State(door): State<Door>, mut request: Request, next: Next) -> Response {
    match door.admit(&request) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(failure) => failure.into_response(),
    }
}

impl Door {
    fn admit(&self, request: &Request) -> Result<Caller, Failure> {
        let caller = Caller::of(&self.access, request.method(), request.headers())?;
        caller.role(self.roles)?;
        // A node that is not the caller's is answered like one that is not there.
        if self.named("{node}", request).is_some_and(|node| !caller.has_node(&node)) {
            return Err(Failure::new(StatusCode::NOT_FOUND, NOT_FOUND, "no such node"));
        }
        if let Some(channel) = self.named("{channel}", request) {
            caller.channel(&channel)?;
        }
        Ok(caller)
    }

    /// What the request has in place of a name in the path.
    fn named(&self, name: &str, request: &Request) -> Option<String> {
        let at = self.path.split('/').position(|part| part == name)?;
        let part = request.uri().path().split('/').nth(at)?;
        Some(percent_decode_str(part).decode_utf8_lossy().into_owned())
    }
}

/// Tells the handlers of the socket who calls.
pub(super) async fn introduce(
    State(access): State<Arc<Access>>,
    mut request: Request,
    next: Next,
) -> Response {
    match Caller::of(&access, request.method(), request.headers()) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(failure) => failure.into_response(),
    }
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
