//! `POST /v1/raw/{channel}`: messages as a connector publishes them to `orders.<channel>`, by the line. A later
//! version of an order is an amendment. What cannot be read is not refused: it is kept as a dead letter, and the line
//! of the answer says so.

use axum::{
    body::{Body, Bytes},
    extract::{Path, Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use router_ingest::{
    decode::{self, Context, Rejected},
    lines::{self, TooLong},
};
use router_log::{Log, LogState, Ticket};
use router_schemas::{
    command::order::Arrival,
    envelope::{self, Meta, Source},
    limits,
    position::{Position, Topic},
    refusal::{Code, Refusal},
    reply::Answer,
};
use schemars::json_schema;
use serde_json::{Value, json};
use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    Gateway, WAIT,
    caller::Caller,
    letters::{self, CHANNEL, LONG, MANY},
    pickup, problem,
    problem::{BAD_QUERY, TOKEN},
    problem_body,
    query::Parameter,
};
use crate::{
    router::{Answering, SubmitError},
    show,
};

/// Lines of one request that are under way at once: the rest of the body waits.
const UNDER_WAY: usize = 1024;

/// The parameters of the path.
pub(super) static PARAMETERS: [Parameter; 2] = [
    Parameter {
        name: "partition",
        about: "Partition of the raw topic that the lines lay in",
        schema: || json_schema!({"type": "integer", "minimum": 0, "maximum": u16::MAX, "default": 0}),
    },
    Parameter {
        name: "offset",
        about: "Offset of the first line in the raw topic; a line that was sent before is then dropped",
        schema: || json_schema!({"type": "integer", "minimum": 0, "maximum": i64::MAX}),
    },
];

/// Where the lines lay in the raw topic, where a connector says so: then a line that was sent before is dropped.
#[derive(serde::Deserialize)]
pub(super) struct From {
    #[serde(default)]
    partition: u16,
    /// Offset of the first line; each further line, empty ones too, has the next.
    offset: Option<u64>,
}

/// One request's way through the lines.
struct Lines {
    gateway: Gateway,
    caller: Caller,
    channel: String,
    from: From,
    /// Of the line being looked at, from 1.
    number: u64,
    letters: usize,
    answers: mpsc::Sender<JoinHandle<Value>>,
}

/// Messages by the line. A line of the answer for each, in their order.
pub(super) async fn raw(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path(channel): Path<String>,
    from: Result<Query<From>, QueryRejection>,
    body: Body,
) -> Response {
    let Ok(Query(from)) = from else {
        return problem(StatusCode::BAD_REQUEST, BAD_QUERY, "", "partition and offset are numbers");
    };
    let topic: Result<Topic, _> = format!("orders.{channel}").parse();
    if topic.is_err() || channel.len() > limits::NAME_BYTES {
        let detail = "a channel of a raw topic has letters, digits, dots, dashes and underscores only";
        return problem(StatusCode::BAD_REQUEST, BAD_QUERY, "", detail);
    }
    // Made here, and not by the stage that has the first letter for it: stages refuse nothing.
    if let Err(failure) = letters::make_topic(&*gateway.router.log, &format!("orders.{channel}")) {
        return failure.into_response();
    }
    let (answers, mut to_answer) = mpsc::channel::<JoinHandle<Value>>(UNDER_WAY);
    let lines = Lines { gateway, caller, channel, from, number: 0, letters: 0, answers };
    tokio::spawn(lines.read(body));
    let (sender, receiver) = mpsc::channel::<Result<Bytes, std::io::Error>>(16);
    tokio::spawn(async move {
        while let Some(answer) = to_answer.recv().await {
            let line = answer.await.unwrap_or_else(|_| json!({ "status": 500 }));
            if sender.send(Ok(Bytes::from(format!("{line}\n")))).await.is_err() {
                return;
            }
        }
    });
    let stream = futures_util::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|line| (line, receiver))
    });
    ([("content-type", "application/x-ndjson")], Body::from_stream(stream)).into_response()
}

impl Lines {
    async fn read(mut self, body: Body) {
        let mut chunks = body.into_data_stream();
        let mut lines = lines::Lines::new(limits::LETTER_BYTES);
        loop {
            let chunk = chunks.next().await;
            let ended = chunk.is_none();
            // A body that breaks off: its last, half line is not taken for a message.
            let Ok(chunk) = chunk.unwrap_or_else(|| Ok(Bytes::from_static(b"\n"))) else { return };
            lines.push(&chunk);
            loop {
                match lines.next_line() {
                    Ok(Some((number, line))) => {
                        self.number = number;
                        if !self.line(line).await {
                            return;
                        }
                    }
                    Ok(None) => break,
                    Err(TooLong { line }) => {
                        self.number = line;
                        self.stop(StatusCode::PAYLOAD_TOO_LARGE, LONG).await;
                        return;
                    }
                }
            }
            if ended {
                return;
            }
        }
    }

    /// Takes one line; false: no more are read.
    async fn line(&mut self, line: &[u8]) -> bool {
        if line.iter().all(u8::is_ascii_whitespace) {
            return true;
        }
        if !self.caller.counts() {
            return self.stop(StatusCode::UNAUTHORIZED, TOKEN).await;
        }
        if self.number > limits::RAW_LINES || self.letters >= limits::RAW_LETTERS {
            return self.stop(StatusCode::PAYLOAD_TOO_LARGE, MANY).await;
        }
        let Ok(place) = self.answers.clone().reserve_owned().await else { return false };
        if let LogState::NoRoom(reason) | LogState::Failed(reason) = self.gateway.router.log.state() {
            // Before anything is sealed: a key that nobody needs takes room as well.
            let (status, answer) = super::write::failure(&SubmitError::NoRoom(reason));
            let line = json!({ "line": self.number, "status": status.as_u16(), "answer": answer });
            place.send(tokio::spawn(async move { line }));
            return true;
        }
        let number = self.number;
        let answered = move |status: StatusCode, answer: Value| json!({ "line": number, "status": status.as_u16(), "answer": answer });
        match self.send(line) {
            Ok(Ok(answering)) => {
                let topic = format!("dlq.orders.{}", self.channel);
                place.send(tokio::spawn(async move {
                    let (status, answer) = answer(answering, &topic).await;
                    answered(status, answer)
                }));
            }
            Ok(Err(error)) => {
                let (status, answer) = super::write::failure(&error);
                place.send(tokio::spawn(async move { answered(status, answer) }));
            }
            Err(rejected) => {
                self.letters += 1;
                let (gateway, position) = (self.gateway.clone(), self.position());
                let actor = self.caller.name().to_owned();
                let (source, line) = (format!("orders.{}", self.channel), line.to_vec());
                // Appended before the next line is read, so that letters lie in the order of their lines.
                let kept = tokio::task::spawn_blocking(move || {
                    keep(&gateway, actor, &source, position, &rejected, &line)
                });
                let (kept, log) = (kept.await, self.gateway.router.log.clone());
                place.send(tokio::spawn(async move {
                    let durable = match kept.unwrap_or(Err(SubmitError::Late)) {
                        Ok((ticket, answer)) => durable(&*log, ticket).await.map(|()| answer),
                        Err(error) => Err(error),
                    };
                    let (status, answer) = match durable {
                        Ok(answer) => (StatusCode::ACCEPTED, answer),
                        Err(error) => super::write::failure(&error),
                    };
                    answered(status, answer)
                }));
            }
        }
        true
    }

    /// Where the line lies in the raw topic; without a word of the connector, its number in the request.
    fn position(&self) -> Position {
        let topic = Topic::Raw(self.channel.as_str().into());
        let offset = self.from.offset.map_or(self.number, |first| first.saturating_add(self.number - 1));
        Position::new(topic, self.from.partition, offset)
    }

    /// Reads and sends a line. The outer error: it cannot be read; the inner: it cannot be taken now.
    fn send(&self, line: &[u8]) -> Result<Result<Answering, SubmitError>, Rejected> {
        let router = &self.gateway.router;
        let Position { topic, partition, offset } = self.position();
        let known = self.from.offset.is_some();
        // Its place in the topic names a fact that has no key of its own.
        let name = known.then(|| format!("{topic}/{partition}@{offset}"));
        let context = Context { keys: &router.keys, arrival: Arrival::Raw, key: name.as_deref() };
        let command = decode::message("order.v1", line, &context)?;
        if command.identity().is_some_and(|identity| identity.channel != self.channel) {
            let Code { id, summary, hint } = CHANNEL;
            return Err(Rejected { code: id, pointer: "/channel".into(), detail: summary.into(), hint });
        }
        // An event names its own kind: a connector sends those of its role only.
        self.caller.command(&command).map_err(|failure| {
            let Code { id, hint, .. } = failure.code;
            Rejected { code: id, pointer: failure.pointer, detail: failure.detail, hint }
        })?;
        pickup::not_here(&command, line)?;
        let source = known.then(|| Source { id: topic.name(), incarnation: 0, partition, offset, index: 0 });
        Ok(router.send_with(&command, false, Meta { source, ..self.caller.meta(&command) }))
    }

    /// Says that no more is read.
    async fn stop(&self, status: StatusCode, code: Code) -> bool {
        let answer = problem_body(code, "", code.summary);
        let line = json!({ "line": self.number, "status": status.as_u16(), "answer": answer });
        // Whoever asked may have gone.
        let _ = self.answers.send(tokio::spawn(async move { line })).await;
        false
    }
}

async fn answer(answering: Answering, letters: &str) -> (StatusCode, Value) {
    match answering.wait(WAIT).await {
        Ok(reply) => {
            let mut value = show::reply(&reply);
            let status = match &reply.answer {
                Answer::Accepted(_) => StatusCode::CREATED,
                Answer::Early => StatusCode::ACCEPTED,
                // INTAKE wrote the letter.
                Answer::Refused { refusal: Refusal::Conflict, .. } => {
                    value["answer"] = json!("dead_letter");
                    value["topic"] = json!(letters);
                    StatusCode::ACCEPTED
                }
                Answer::Refused { .. } => StatusCode::UNPROCESSABLE_ENTITY,
                _ => StatusCode::OK,
            };
            (status, value)
        }
        Err(error) => super::write::failure(&error),
    }
}

/// Waits until what has this ticket is on disk, without a thread of its own.
async fn durable(log: &dyn Log, ticket: Ticket) -> Result<(), SubmitError> {
    let mut watermark = log.durable();
    match tokio::time::timeout(WAIT, watermark.wait_for(|durable| *durable >= ticket)).await {
        Ok(Ok(_)) => Ok(()),
        _ => Err(SubmitError::Late),
    }
}

/// Keeps what cannot be read: the answer to its line, good once the ticket is on disk.
fn keep(
    gateway: &Gateway,
    actor: String,
    source: &str,
    position: Position,
    rejected: &Rejected,
    line: &[u8],
) -> Result<(Ticket, Value), SubmitError> {
    let router = &gateway.router;
    let letter = letters::letter(&router.keys, source, position, rejected, line);
    let letter = letter.map_err(|e| SubmitError::NoRoom(e.to_string()))?;
    let topic = Topic::DeadLetter(source.into());
    let payload = envelope::to_vec(None, &Meta { actor: Some(actor), ..Meta::default() }, &letter);
    let appended = letters::append(&*router.log, &router.keys, &[(topic.clone(), 0, payload)])?;
    let at = appended.offsets.first().map(|offset| Position::new(topic, 0, *offset));
    let answer = json!({ "answer": "dead_letter", "letter": at, "source": letter.position,
        "code": letter.code, "pointer": letter.pointer, "detail": letter.detail, "hint": rejected.hint });
    Ok((appended.ticket, answer))
}
