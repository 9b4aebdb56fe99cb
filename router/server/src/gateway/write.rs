//! What changes something: each message becomes a command, and the answer is the one of the stage that decided.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use router_ingest::{
    decode::{self, Context, Rejected},
    lines::{Lines, TooLong},
};
use router_log::LogState;
use router_schemas::{
    command::{Command, order::Arrival},
    limits,
    refusal::Refusal,
    reply::{Answer, Reply},
};
use serde_json::{Value, json};

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
    // Before anything is sealed: a key that nobody needs takes room as well.
    if let LogState::NoRoom(reason) | LogState::Failed(reason) = gateway.router.log.state() {
        return Err(failure(&SubmitError::NoRoom(reason)));
    }
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
        Ok(reply) => (status(&reply, &command), show::reply(&reply)),
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

fn rejection(rejected: &Rejected) -> Value {
    serde_json::to_value(rejected).unwrap_or_default()
}

fn status(reply: &Reply, command: &Command) -> StatusCode {
    match &reply.answer {
        Answer::Accepted(_) if matches!(command, Command::Place(_)) => StatusCode::CREATED,
        Answer::Outcome(outcome) if !outcome.repeat && matches!(command, Command::Place(_)) => {
            StatusCode::CREATED
        }
        Answer::Early => StatusCode::ACCEPTED,
        Answer::Refused { refusal: Refusal::Conflict, .. } => StatusCode::CONFLICT,
        Answer::Refused { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::OK,
    }
}

/// Messages by the line, any number of them: each a CloudEvent in structured form, or an order. A line of the
/// answer for each, in their order.
pub(super) async fn batch(State(gateway): State<Gateway>, body: Body) -> Response {
    let (lines, mut to_answer) = tokio::sync::mpsc::channel::<tokio::task::JoinHandle<Value>>(1024);
    tokio::spawn(read_lines(gateway, body, lines));
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(16);
    tokio::spawn(async move {
        while let Some(answer) = to_answer.recv().await {
            let line = answer.await.unwrap_or_else(|_| json!({ "status": 500 }));
            if sender.send(Ok(Bytes::from(format!("{line}\n")))).await.is_err() {
                return;
            }
        }
    });
    let answers = futures_util::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|line| (line, receiver))
    });
    ([("content-type", "application/x-ndjson")], Body::from_stream(answers)).into_response()
}

async fn read_lines(
    gateway: Gateway,
    body: Body,
    lines: tokio::sync::mpsc::Sender<tokio::task::JoinHandle<Value>>,
) {
    use futures_util::StreamExt;
    let mut chunks = body.into_data_stream();
    let mut cut = Lines::new(limits::MESSAGE_BYTES);
    loop {
        let chunk = chunks.next().await;
        let ended = chunk.is_none();
        let Ok(chunk) = chunk.unwrap_or_else(|| Ok(Bytes::from_static(b"\n"))) else { return };
        cut.push(&chunk);
        loop {
            let (number, line) = match cut.next_line() {
                Ok(Some((number, line))) => (number, line.to_vec()),
                Ok(None) => break,
                Err(too_long) => return refuse_rest(too_long, &lines).await,
            };
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            // At most as many as the channel holds are under way: the rest of the body waits.
            let Ok(place) = lines.reserve().await else { return };
            let sent = send(&gateway, "order.v1", &line, None, false);
            place.send(tokio::spawn(async move {
                let (status, answer) = answered(sent, WAIT).await;
                json!({ "line": number, "status": status.as_u16(), "answer": answer })
            }));
        }
        if ended {
            return;
        }
    }
}

async fn refuse_rest(too_long: TooLong, lines: &tokio::sync::mpsc::Sender<tokio::task::JoinHandle<Value>>) {
    let answer = problem_body(TOO_LARGE, "", "the line is too long; it and all behind it were not read");
    let told = json!({ "line": too_long.line, "status": 413, "answer": answer });
    // A caller that is gone asks for nothing more.
    let _ = lines.send(tokio::spawn(async move { told })).await;
}
