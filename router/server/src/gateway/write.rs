//! What changes something: each message becomes a command, and the answer is the one of the stage that decided.

use std::time::{Duration, Instant};

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use router_ingest::{
    decode::{self, Context, Rejected},
    json::Kind,
};
use router_log::LogState;
use router_schemas::{
    command::{Command, order::Arrival},
    limits,
    refusal::Refusal,
    reply::{Answer, Reply},
};
use serde_json::{Value, json};

use super::{
    BUSY, Failure, Gateway, LATE, NO_ROOM, TOO_LARGE, WAIT,
    problem::BEHIND,
    problem_body,
    request::{Headers, Prefer},
    respond,
};
use crate::{
    router::{Answering, SubmitError},
    show,
    telemetry::TELEMETRY,
};

/// Behind more than this, the engine gets nothing new.
const BEHIND_MOST: Duration = Duration::from_secs(1);

/// One message of the kind that the path takes.
pub(super) async fn message(kind: &'static Kind, gateway: Gateway, request: Request) -> Response {
    match taken(kind, &gateway, request).await {
        Ok(response) => response,
        Err(failure) => failure.into_response(),
    }
}

async fn taken(kind: &'static Kind, gateway: &Gateway, request: Request) -> Result<Response, Failure> {
    let (head, body) = request.into_parts();
    let headers = Headers::read(&head.headers)?;
    if headers.kind.as_deref().is_some_and(|given| given != kind.name) {
        let detail = format!("ce-type: only {} is taken here", kind.name);
        return Err(Failure::new(StatusCode::UNPROCESSABLE_ENTITY, decode::KIND, detail));
    }
    let bytes = super::request::body(&head.headers, body).await?;
    let router = &gateway.router;
    // Before anything is sealed: a key that nobody needs takes room as well.
    if let LogState::NoRoom(reason) | LogState::Failed(reason) = router.log.state() {
        return Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, NO_ROOM, reason));
    }
    let started = Instant::now();
    let context = Context { keys: &router.keys, arrival: Arrival::Http, key: headers.key.as_deref() };
    let read = decode::only(kind.name, &bytes, &context);
    TELEMETRY.decode.observe(started.elapsed().as_secs_f64());
    let command = read.map_err(|rejected| not_taken(&rejected))?;
    let lag = router.lag_of(&command);
    if lag > BEHIND_MOST {
        return Err(Failure::new(StatusCode::TOO_MANY_REQUESTS, BEHIND, BEHIND.summary));
    }
    let Prefer { wait, respond_async } = headers.prefer;
    let (status, answer) = if respond_async {
        match router.append(&command, WAIT).await {
            Ok(position) => {
                let appended = show::Taken::Appended { position: show::Place(position) };
                (StatusCode::ACCEPTED, show::json(&appended))
            }
            Err(error) => failure(&error),
        }
    } else {
        let sent = router.send(&command, wait.is_some()).map_err(|error| failure(&error));
        answered(sent.map(|answering| (command, answering)), wait.unwrap_or(WAIT)).await
    };
    let order = answer["order"].as_str().filter(|_| status == StatusCode::CREATED);
    let location = order.map(|order| format!("/v1/orders/{order}"));
    let mut response = respond(status, answer);
    // Both are plain ASCII.
    for (name, value) in [("location", location), ("preference-applied", headers.prefer.applied())] {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

fn not_taken(rejected: &Rejected) -> Failure {
    let status = match rejected.is_ours() {
        true => StatusCode::SERVICE_UNAVAILABLE,
        false => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let (pointer, detail) = (rejected.pointer.clone(), rejected.detail.clone());
    Failure { status, code: rejected.code(), pointer, detail }
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
    problem_body(rejected.code(), &rejected.pointer, &rejected.detail)
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
    let (mut buffer, mut number) = (Vec::new(), 0u64);
    loop {
        let chunk = chunks.next().await;
        let ended = chunk.is_none();
        let Ok(chunk) = chunk.unwrap_or_else(|| Ok(Bytes::from_static(b"\n"))) else { return };
        buffer.extend_from_slice(&chunk);
        let mut start = 0;
        while let Some(length) = buffer[start..].iter().position(|b| *b == b'\n') {
            let line = buffer[start..start + length].to_vec();
            start += length + 1;
            number += 1;
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
        buffer.drain(..start);
        if buffer.len() > limits::MESSAGE_BYTES {
            let answer =
                problem_body(TOO_LARGE, "", "the line is too long; it and all behind it were not read");
            let detail = json!({ "line": number + 1, "status": 413, "answer": answer });
            let _ = lines.send(tokio::spawn(async move { detail })).await;
            return;
        }
        if ended {
            return;
        }
    }
}
