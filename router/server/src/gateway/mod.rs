//! The gateway: HTTP in front of a running router. [`routes`] has every path with what is said of it.

mod access;
mod asyncapi;
mod batch;
mod caller;
mod contact;
mod copies;
#[cfg(test)]
mod document;
mod explain;
mod fresh;
mod guard;
pub(crate) mod letters;
pub(crate) mod local;
mod looks;
mod openapi;
mod pickup;
mod problem;
mod query;
mod raw;
mod read;
mod request;
mod resend;
mod routes;
mod serve;
mod stores;
mod stream;
mod words;
mod write;

use std::{sync::Arc, time::Duration};

pub(crate) use access::{Access, follow};
use axum::{
    middleware::{from_fn, from_fn_with_state},
    routing::{get, post},
};
pub(crate) use problem::{BAD_QUERY, CODES, NOT_FOUND};
use problem::{BUSY, Failure, LATE, NO_ROOM, TOO_LARGE, problem, problem_body, respond};
pub(crate) use serve::serve;
pub(crate) use write::is_conflict;

use crate::{
    router::Router,
    telemetry::{Kind, TELEMETRY},
};

/// How long a caller waits at most, unless it says less.
const WAIT: Duration = Duration::from_secs(10);

/// What every handler has.
#[derive(Clone)]
pub(crate) struct Gateway {
    pub router: Arc<Router>,
    /// How it is known who calls.
    pub access: Arc<Access>,
}

/// The gateway as an axum application.
pub(crate) fn app(gateway: Gateway) -> axum::Router {
    // Whatever never happened is there as zero, so that its first time shows as a rise.
    for code in CODES {
        drop(TELEMETRY.turned_away.get_or_create(&Kind { kind: code.id }));
    }
    let mut app = axum::Router::new();
    for route in routes::routes() {
        let mut serve = route.serve;
        if let access::Who::Roles(roles) = route.who {
            let door = guard::Door { access: gateway.access.clone(), path: route.path, roles };
            serve = serve.layer(from_fn_with_state(door, guard::authorise));
        }
        app = app.route(route.path, serve.layer(from_fn_with_state(route.path, guard::measure)));
    }
    app.fallback(guard::no_path)
        .method_not_allowed_fallback(guard::no_method)
        .layer(from_fn(guard::slow_bodies))
        .with_state(gateway)
}

/// The gateway for the command line on the same machine: the same, and the log.
pub(crate) fn local(gateway: Gateway) -> axum::Router {
    let log = axum::Router::new()
        .route("/v1/log", get(local::topics))
        .route("/v1/log/{topic}/{partition}", get(local::records))
        .route("/v1/audit", post(local::audit))
        .route("/v1/explain/{order}", get(explain::explain))
        .route("/v1/simulate", post(copies::simulate))
        .route("/v1/state", get(copies::state))
        .route("/v1/skip", post(words::skip))
        .route("/v1/accept", post(words::accept))
        .route("/v1/local/nodes/{id}/{to}", post(local::switch))
        .route("/v1/dlq", get(letters::ls))
        .route("/v1/dlq/{source}/{partition}/{offset}", get(letters::one))
        .route("/v1/dlq/{source}/{partition}/{offset}/replay", post(resend::again))
        .layer(from_fn_with_state(gateway.access.clone(), guard::introduce))
        .with_state(gateway.clone());
    app(gateway).merge(log)
}
