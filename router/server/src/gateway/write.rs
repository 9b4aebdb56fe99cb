//! What changes something: each message becomes a command, and the answer is the one of the stage that decided.

use std::time::{Duration, Instant};

use axum::{
    extract::{FromRequestParts, Request},
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
    refusal::Refusal,
    reply::{Answer, Reply},
};
use serde_json::Value;

use super::{
    BUSY, Failure, Gateway, LATE, NO_ROOM, WAIT,
    caller::Caller,
    pickup,
    problem::BEHIND,
    problem_body,
    request::{Headers, Prefer},
    respond,
};
use crate::{router::SubmitError, show, telemetry::TELEMETRY};

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
    let (mut head, body) = request.into_parts();
    let caller = Caller::from_request_parts(&mut head, &()).await?;
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
    caller.command(&command)?;
    caller.touches(router, &command).await?;
    pickup::check(router, &caller, &command, &bytes).await?;
    let meta = caller.meta(&command);
    let lag = router.lag_of(&command);
    if lag > BEHIND_MOST {
        return Err(Failure::new(StatusCode::TOO_MANY_REQUESTS, BEHIND, BEHIND.summary));
    }
    let Prefer { wait, respond_async } = headers.prefer;
    let (status, answer) = if respond_async {
        match router.append(&command, meta, WAIT).await {
            Ok(position) => {
                let appended = show::Taken::Appended { position: show::Place(position) };
                (StatusCode::ACCEPTED, show::json(&appended))
            }
            Err(error) => failure(&error),
        }
    } else {
        let place = matches!(command, Command::Place(_));
        // Of these only the engine knows what became of them.
        let decides = matches!(
            command,
            Command::Reserve(_) | Command::Extend(_) | Command::Release(_) | Command::Steer(_)
        );
        match router.send_with(&command, wait.is_some() || decides, meta) {
            Ok(answering) => match answering.wait(wait.unwrap_or(WAIT)).await {
                Ok(reply) => (status(&reply, place), show::reply(&reply)),
                Err(error) => failure(&error),
            },
            Err(error) => failure(&error),
        }
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

pub(super) fn failure(error: &SubmitError) -> (StatusCode, Value) {
    let (status, code) = match error {
        SubmitError::Busy => (StatusCode::TOO_MANY_REQUESTS, BUSY),
        SubmitError::NoRoom(_) => (StatusCode::SERVICE_UNAVAILABLE, NO_ROOM),
        SubmitError::Late => (StatusCode::GATEWAY_TIMEOUT, LATE),
        SubmitError::UnknownNode => (StatusCode::UNPROCESSABLE_ENTITY, Refusal::UnknownNode.code()),
        SubmitError::UnknownZone => (StatusCode::UNPROCESSABLE_ENTITY, Refusal::UnknownZone.code()),
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
        Answer::Refused { refusal, .. } if is_conflict(*refusal) => StatusCode::CONFLICT,
        Answer::Refused { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::OK,
    }
}

/// The message is right, and how things stand is against it: mending the message does not help.
pub(crate) fn is_conflict(refusal: Refusal) -> bool {
    use Refusal::{Conflict, Expired, NoCapacity, NoHold, NoStock, NotOffered, Taken};
    matches!(refusal, Conflict | NoStock | NoCapacity | Taken | Expired | NotOffered | NoHold)
}
