//! What changes something: each message becomes a command, and the answer is the one of the stage that decided.

use std::time::Duration;

use axum::{
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, Uri},
    response::Response,
};
use router_ingest::decode::{self, Context, Rejected};
use router_schemas::{
    command::{Command, order::Arrival},
    refusal::Refusal,
    reply::{Answer, Reply},
};
use serde_json::Value;

use super::{BUSY, Gateway, LATE, NO_ROOM, NOT_FOUND, TOO_LARGE, WAIT, problem, problem_body, respond};
use crate::{
    router::{Answering, SubmitError},
    show,
};

type Payload = Result<Bytes, BytesRejection>;

/// What each path takes.
const KINDS: [(&str, &str); 18] = [
    ("/v1/orders", "order.v1"),
    ("/v1/amends", "amend.v1"),
    ("/v1/cancels", "cancel.v1"),
    ("/v1/payments", "payment.v1"),
    ("/v1/deliveries", "delivered.v1"),
    ("/v1/stock/counts", "count.v1"),
    ("/v1/stock/receipts", "receipt.v1"),
    ("/v1/stock/adjustments", "adjustment.v1"),
    ("/v1/stock/policies", "policy.v1"),
    ("/v1/fulfilments/picked", "picked.v1"),
    ("/v1/fulfilments/ready", "ready.v1"),
    ("/v1/fulfilments/shipped", "shipped.v1"),
    ("/v1/fulfilments/returned", "returned.v1"),
    ("/v1/zones", "zone.v1"),
    ("/v1/nodes", "node.v1"),
    ("/v1/items", "item.v1"),
    ("/v1/channels", "channel.v1"),
    ("/v1/regions", "region.v1"),
];

/// One message; its path, or the CloudEvent around it, says its kind.
pub(super) async fn message(
    State(gateway): State<Gateway>,
    uri: Uri,
    headers: HeaderMap,
    body: Payload,
) -> Response {
    let Some((_, kind)) = KINDS.iter().find(|(path, _)| *path == uri.path()) else {
        return problem(StatusCode::NOT_FOUND, NOT_FOUND, "", "no such path");
    };
    let Ok(body) = body else {
        return problem(StatusCode::PAYLOAD_TOO_LARGE, TOO_LARGE, "", TOO_LARGE.summary);
    };
    let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    let binary = header("ce-type").filter(|_| header("ce-specversion").is_some());
    let prefer = Prefer::read(header("prefer").unwrap_or(""));
    let kind = binary.unwrap_or(kind);
    let sent = send(&gateway, kind, &body, header("idempotency-key"), prefer.outcome.is_some());
    let (status, answer) = answered(sent, prefer.outcome.unwrap_or(WAIT)).await;
    respond(status, answer)
}

/// What the caller would like: `Prefer: wait=N`.
struct Prefer {
    outcome: Option<Duration>,
}

impl Prefer {
    fn read(text: &str) -> Prefer {
        let wait = text.split([',', ';']).find_map(|part| part.trim().strip_prefix("wait="));
        let seconds = wait.and_then(|seconds| seconds.parse::<u64>().ok());
        Prefer { outcome: seconds.map(|s| Duration::from_secs(s.clamp(1, 60))) }
    }
}

/// A message that was sent, or its answer where it could not be.
type Sent = Result<(Command, Answering), (StatusCode, Value)>;

/// Reads a message and sends it; what cannot be sent has its answer at once.
fn send(gateway: &Gateway, kind: &str, body: &[u8], key: Option<&str>, outcome: bool) -> Sent {
    let context = Context { keys: &gateway.router.keys, arrival: Arrival::Http, key };
    let command = decode::message(kind, body, &context)
        .map_err(|rejected| (StatusCode::UNPROCESSABLE_ENTITY, rejection(&rejected)))?;
    let answering = gateway.router.send(&command, outcome).map_err(|error| failure(&error))?;
    Ok((command, answering))
}

async fn answered(sent: Sent, most: Duration) -> (StatusCode, Value) {
    let (command, answering) = match sent {
        Ok(sent) => sent,
        Err(refused) => return refused,
    };
    match answering.wait(most).await {
        Ok(reply) => (status(&reply, matches!(command, Command::Place(_))), show::reply(&reply)),
        Err(error) => failure(&error),
    }
}

pub(super) fn failure(error: &SubmitError) -> (StatusCode, Value) {
    let (status, code) = match error {
        SubmitError::Busy => (StatusCode::TOO_MANY_REQUESTS, BUSY),
        SubmitError::NoRoom(_) => (StatusCode::SERVICE_UNAVAILABLE, NO_ROOM),
        SubmitError::Late => (StatusCode::GATEWAY_TIMEOUT, LATE),
        SubmitError::UnknownNode => (StatusCode::UNPROCESSABLE_ENTITY, Refusal::UnknownNode.code()),
    };
    (status, problem_body(code, "", &error.to_string()))
}

pub(super) fn rejection(rejected: &Rejected) -> Value {
    serde_json::to_value(rejected).unwrap_or_default()
}

/// The status of an answer; `place`: to a new order.
pub(super) fn status(reply: &Reply, place: bool) -> StatusCode {
    match &reply.answer {
        Answer::Accepted(_) if place => StatusCode::CREATED,
        Answer::Outcome(outcome) if !outcome.repeat && place => StatusCode::CREATED,
        Answer::Early => StatusCode::ACCEPTED,
        Answer::Refused { refusal: Refusal::Conflict, .. } => StatusCode::CONFLICT,
        Answer::Refused { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::OK,
    }
}
