//! Messages by the line, any number of them, read and answered while they come.
//!
//! Lines that are there together go to the log together and are answered together. What is under way is bounded: a
//! caller that sends faster than the router decides, or does not read its answers, is read no further.

use std::io::Write;

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use router_ingest::{
    decode::{self, Context},
    lines::{Lines, TooLong},
};
use router_log::LogState;
use router_schemas::{
    command::{Command, order::Arrival},
    limits,
    position::Topic,
};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::mpsc;

use super::{
    Failure, Gateway, TOO_LARGE, WAIT,
    caller::Caller,
    pickup, problem_body,
    write::{failure, rejection, status},
};
use crate::{
    router::{Router, SubmitError},
    show,
    submit::Answers,
};

/// Lines that go together at most: short enough that other requests need not wait for them.
const LINES: usize = 64;
/// Units of lines under way on a connection.
const UNITS: usize = 64;

/// Lines that go together.
struct Unit {
    lines: Vec<Line>,
    answers: Option<Answers>,
}

/// A line that was read.
struct Line {
    number: u64,
    read: Read,
}

enum Read {
    /// Sent; `true`: a new order.
    Sent(bool),
    /// Not sent: its answer.
    Refused(StatusCode, Value),
}

/// Messages by the line: each a CloudEvent in structured form, or an order. A line of the answer for each, in their
/// order.
pub(super) async fn batch(State(gateway): State<Gateway>, caller: Caller, body: Body) -> Response {
    let (units, to_answer) = mpsc::channel(UNITS);
    tokio::spawn(read(gateway, caller, body, units));
    let answers = futures_util::stream::unfold(to_answer, |mut to_answer: mpsc::Receiver<Unit>| async move {
        let unit = to_answer.recv().await?;
        Some((Ok::<_, std::convert::Infallible>(answered(unit).await), to_answer))
    });
    ([("content-type", "application/x-ndjson")], Body::from_stream(answers)).into_response()
}

async fn read(gateway: Gateway, caller: Caller, body: Body, units: mpsc::Sender<Unit>) {
    let mut chunks = body.into_data_stream();
    let mut cut = Lines::new(limits::MESSAGE_BYTES);
    loop {
        let chunk = chunks.next().await;
        let ended = chunk.is_none();
        // A body that breaks off ends here: what was read whole is taken.
        let Ok(chunk) = chunk.unwrap_or_else(|| Ok(Bytes::from_static(b"\n"))) else { return };
        cut.push(&chunk);
        loop {
            // At most as many as the channel holds are under way: the rest of the body waits.
            let Ok(place) = units.reserve().await else { return };
            let (unit, more) = unit(&gateway, &caller, &mut cut).await;
            if !unit.lines.is_empty() {
                place.send(unit);
            }
            match more {
                More::Here => {}
                More::ToCome => break,
                More::Never => return,
            }
            // Reading many lines is work: others come to their turn between.
            tokio::task::yield_now().await;
        }
        if ended {
            return;
        }
    }
}

/// Where the next line is.
enum More {
    Here,
    ToCome,
    /// Behind one that is too long.
    Never,
}

/// Reads the next lines, as many as go together, and sends what can be sent.
async fn unit(gateway: &Gateway, caller: &Caller, cut: &mut Lines) -> (Unit, More) {
    let router = &gateway.router;
    // Before anything is sealed: a key that nobody needs takes room as well.
    let no_room = match router.log.state() {
        LogState::NoRoom(reason) | LogState::Failed(reason) => Some(reason),
        LogState::Running => None,
    };
    let (mut lines, mut bundle) = (Vec::with_capacity(LINES), router.submitter.bundle());
    let mut more = More::Here;
    while lines.len() < LINES {
        let (number, line) = match cut.next_line() {
            Ok(Some(next)) => next,
            Ok(None) => {
                more = More::ToCome;
                break;
            }
            Err(TooLong { line: number }) => {
                let said = "the line is too long; it and all behind it were not read";
                let read = Read::Refused(StatusCode::PAYLOAD_TOO_LARGE, problem_body(TOO_LARGE, "", said));
                lines.push(Line { number, read });
                more = More::Never;
                break;
            }
        };
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        if let Some(reason) = &no_room {
            let (status, answer) = failure(&SubmitError::NoRoom(reason.clone()));
            lines.push(Line { number, read: Read::Refused(status, answer) });
            continue;
        }
        let context = Context { keys: &router.keys, arrival: Arrival::Http, key: None };
        let read = match decode::message("order.v1", line, &context) {
            Ok(command) => match may(router, caller, &command, line).await {
                Ok((topic, partition)) => {
                    bundle.push_with(topic, partition, &command, false, caller.meta(&command));
                    Read::Sent(matches!(command, Command::Place(_)))
                }
                Err((status, answer)) => Read::Refused(status, answer),
            },
            Err(rejected) => Read::Refused(StatusCode::UNPROCESSABLE_ENTITY, rejection(&rejected)),
        };
        lines.push(Line { number, read });
    }
    if bundle.len() == 0 {
        return (Unit { lines, answers: None }, more);
    }
    let answers = match router.submitter.send(bundle).await {
        Ok(answers) => Some(answers),
        Err(error) => {
            for line in lines.iter_mut().filter(|line| matches!(line.read, Read::Sent(_))) {
                let (status, answer) = failure(&error);
                line.read = Read::Refused(status, answer);
            }
            None
        }
    };
    (Unit { lines, answers }, more)
}

/// Where a command goes that the caller may send.
async fn may(
    router: &Router,
    caller: &Caller,
    command: &Command,
    line: &[u8],
) -> Result<(Topic, u16), (StatusCode, Value)> {
    let refused =
        |failure: Failure| (failure.status, problem_body(failure.code, &failure.pointer, &failure.detail));
    caller.command(command).map_err(refused)?;
    caller.touches(router, command).await.map_err(refused)?;
    pickup::check(router, caller, command, line).await.map_err(refused)?;
    router.road(command).map_err(|error| failure(&error))
}

/// A line of the answer; its members stand in alphabetical order.
#[derive(Serialize)]
struct LineAnswer<T> {
    answer: T,
    line: u64,
    status: u16,
}

/// The lines of the answer to a unit.
async fn answered(unit: Unit) -> Bytes {
    let answers = match unit.answers {
        Some(answers) => answers.wait(WAIT).await,
        None => Vec::new(),
    };
    let (mut answers, mut out) = (answers.iter(), Vec::with_capacity(192 * unit.lines.len()));
    for Line { number, read } in unit.lines {
        match read {
            Read::Refused(status, answer) => write(&mut out, number, status, &answer),
            Read::Sent(place) => match answers.next() {
                Some(Ok(reply)) => write(&mut out, number, status(reply, place), &show::Answered(reply)),
                Some(Err(error)) => {
                    let (status, answer) = failure(error);
                    write(&mut out, number, status, &answer);
                }
                None => write(&mut out, number, StatusCode::INTERNAL_SERVER_ERROR, &Value::Null),
            },
        }
    }
    Bytes::from(out)
}

fn write<T: Serialize>(out: &mut Vec<u8>, line: u64, status: StatusCode, answer: &T) {
    let answer = LineAnswer { answer, line, status: status.as_u16() };
    // Answers serialise, and a Vec takes all.
    let _ = serde_json::to_writer(&mut *out, &answer);
    let _ = out.write_all(b"\n");
}
