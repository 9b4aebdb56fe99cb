//! Dead letters: what could not be read is kept, can be looked at, and sent again.
//!
//! The bytes are sealed under a data key of their own, since raw messages name people. A letter and its later copies
//! (resolved, or written again) share position and key; the newest copy says what became of it.

use std::collections::HashMap;

use axum::{
    Json,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use router_ingest::{
    decode::Rejected,
    seal::{Keys, SealError},
};
use router_log::{Appended, Isolation, Log, LogError, Transaction, scan};
use router_schemas::{
    command::{Command, Hash16, order::Sealed},
    dead_letter::DeadLetter,
    envelope::{self, Meta},
    id::Identity,
    limits,
    position::{Position, Topic, TopicPartition},
    refusal::Code,
};
use serde_json::{Value, json};

use super::{Failure, Gateway, NO_ROOM, guard::heavy, looks, problem_body, respond};
use crate::{
    router::{Folder, SubmitError},
    show::Time,
};

/// The codes of dead letters.
pub(crate) const CODES: &[Code] = &[CHANNEL, LONG, MANY, NO_LETTER, UNREADABLE, ACCESS, SEALED, SOURCES];
pub(super) const CHANNEL: Code = Code {
    id: "E4050",
    summary: "the message names another channel than the topic that it came by",
    hint: "send it to its own channel's topic, or mend /channel",
};
pub(super) const LONG: Code = Code {
    id: "E4051",
    summary: "a line is too long to be kept; it and all behind it were not read",
    hint: "send it by other lines; see schemas/src/limits.rs",
};
pub(super) const MANY: Code = Code {
    id: "E4052",
    summary: "too many lines, or too many that cannot be read, in one request; the rest was not read",
    hint: "mend what is wrong with the source, then send the rest in another request",
};
const NO_LETTER: Code = Code {
    id: "E4053",
    summary: "there is no dead letter at this position",
    hint: "`router dlq ls --all` lists them",
};
pub(super) const UNREADABLE: Code = Code {
    id: "E4054",
    summary: "the letter is no message that could be sent again as it is",
    hint: "give the corrected message: `router dlq replay POSITION --with FILE`",
};
pub(super) const ACCESS: Code = Code {
    id: "E4055",
    summary: "the look at sealed bytes cannot be logged, so they are not shown",
    hint: "make the data folder writable; see access.ndjson in it",
};
pub(super) const SEALED: Code = Code {
    id: "E4056",
    summary: "what is sealed cannot be opened, or what came not be sealed",
    hint: "see the reason; a key that was erased is gone for ever",
};

pub(super) const SOURCES: Code = Code {
    id: "E4057",
    summary: "messages came by as many channels as are kept apart",
    hint: "check the channel in the path; a log keeps the channels that it has seen",
};

/// Why something about a letter was not done.
pub(crate) struct Problem {
    pub status: StatusCode,
    pub body: Value,
}

impl Problem {
    pub fn new(status: StatusCode, code: Code, pointer: &str, detail: &str) -> Problem {
        Problem { status, body: problem_body(code, pointer, detail) }
    }

    fn log(error: &LogError) -> Problem {
        // The text of the log's errors begins with their code.
        let text = error.to_string();
        let (code, detail) = text.split_once(' ').unwrap_or(("E2002", text.as_str()));
        let body = json!({ "code": code, "pointer": "", "detail": detail, "hint": "see docs/errors.md" });
        Problem { status: StatusCode::SERVICE_UNAVAILABLE, body }
    }
}

impl From<SealError> for Problem {
    fn from(error: SealError) -> Problem {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, SEALED, "", &error.to_string())
    }
}

/// A letter as the log has it: its newest copy.
pub(crate) struct Found {
    pub position: Position,
    pub at: i64,
    pub meta: Meta,
    pub letter: DeadLetter,
}

/// What identifies a letter and its copies.
type Key = (Position, Hash16);

fn key(letter: &DeadLetter) -> Key {
    (letter.position.clone(), letter.key)
}

/// Makes a letter of a message that came by `source` and cannot be read.
pub(super) fn letter(
    keys: &Keys,
    source: &str,
    position: Position,
    rejected: &Rejected,
    bytes: &[u8],
) -> Result<DeadLetter, SealError> {
    let content = keys.hash("dead letter", bytes);
    let external_id = content.iter().map(|b| format!("{b:02x}")).collect();
    // A key for each content: the same message again is the same letter, and erasing it erases all copies.
    let identity = Identity { channel: format!("dlq.{source}"), account: String::new(), external_id };
    let sealed = keys.seal(&identity, bytes)?;
    Ok(DeadLetter {
        position,
        code: rejected.code.into(),
        pointer: rejected.pointer.clone(),
        detail: rejected.detail.clone(),
        key: sealed.key,
        bytes: sealed.bytes,
        resolved: false,
    })
}

/// Makes the topic for letters about what comes by `source`. Who names ever new sources is stopped: each costs every
/// segment of the log some bytes, and every append some time.
pub(super) fn make_topic(log: &dyn Log, source: &str) -> Result<(), Failure> {
    let topic = Topic::DeadLetter(source.into());
    if log.partitions(&topic).is_some() {
        return Ok(());
    }
    if log.topics().len() >= limits::TOPICS {
        return Err(Failure::new(StatusCode::TOO_MANY_REQUESTS, SOURCES, SOURCES.summary));
    }
    let made = log.create_topic(&topic, 1);
    made.map_err(|e| Failure::new(StatusCode::SERVICE_UNAVAILABLE, NO_ROOM, e.to_string()))
}

/// Appends records together, their keys first. Their offsets, and when they are on disk.
pub(super) fn append(
    log: &dyn Log,
    keys: &Keys,
    records: &[(Topic, u16, Vec<u8>)],
) -> Result<Appended, SubmitError> {
    let no_room = |e: &dyn std::fmt::Display| SubmitError::NoRoom(e.to_string());
    keys.flush().map_err(|e| no_room(&e))?;
    let mut transaction = Transaction::default();
    for (topic, partition, payload) in records {
        if matches!(topic, Topic::DeadLetter(_)) {
            log.create_topic(topic, 1).map_err(|e| no_room(&e))?;
        }
        transaction.push(topic, *partition, payload);
    }
    log.append_if_room(&transaction).map_err(|e| no_room(&e))
}

/// As [`append`], and waits until they are on disk.
pub(super) fn append_durably(
    log: &dyn Log,
    keys: &Keys,
    records: &[(Topic, u16, Vec<u8>)],
) -> Result<Appended, SubmitError> {
    let appended = append(log, keys, records)?;
    log.wait_durable(appended.ticket).map_err(|e| SubmitError::NoRoom(e.to_string()))?;
    Ok(appended)
}

fn topics(log: &dyn Log, source: Option<&str>) -> Vec<TopicPartition> {
    let mine = |topic: &Topic| match topic {
        Topic::DeadLetter(name) => source.is_none_or(|source| **name == *source || topic.name() == source),
        _ => false,
    };
    let topics = log.topics().into_iter().filter(|(topic, _)| mine(topic));
    topics.flat_map(|(topic, count)| (0..count).map(move |p| TopicPartition::new(topic.clone(), p))).collect()
}

/// Hands the letters of a partition to `take`, from an offset on.
fn each(
    log: &dyn Log,
    partition: &TopicPartition,
    from: u64,
    mut take: impl FnMut(Found),
) -> Result<(), LogError> {
    let range = log.range(partition).unwrap_or_default();
    let range = range.start.max(from)..range.end;
    scan(log, partition, range, Isolation::Durable, |records| {
        for record in records {
            let Ok((meta, letter)) = envelope::decode::<DeadLetter>(&record.payload) else { continue };
            let position = Position::new(partition.topic.clone(), partition.partition, record.offset);
            take(Found { position, at: record.at, meta, letter });
        }
        Ok(())
    })
}

/// Letters of a source, or of all; those that are resolved only with `all`. The oldest first, `limit` at most, and
/// how many there are.
pub(crate) fn list(
    log: &dyn Log,
    source: Option<&str>,
    all: bool,
    limit: usize,
) -> Result<(Vec<Value>, usize), LogError> {
    let mut rows = Vec::new();
    for partition in topics(log, source) {
        // The newest copy of each; a row is small, the bytes of a letter are not kept.
        let mut newest: HashMap<Key, (u64, bool, Value)> = HashMap::new();
        each(log, &partition, 0, |found| {
            let row = summary(&found);
            newest.insert(key(&found.letter), (found.position.offset, found.letter.resolved, row));
        })?;
        let mut newest: Vec<_> = newest.into_values().filter(|(_, resolved, _)| all || !resolved).collect();
        newest.sort_by_key(|(offset, ..)| *offset);
        rows.extend(newest.into_iter().map(|(_, _, row)| row));
    }
    let count = rows.len();
    rows.truncate(limit);
    Ok((rows, count))
}

/// A letter without its bytes.
pub(crate) fn summary(found: &Found) -> Value {
    let Found { position, at, meta, letter } = found;
    json!({ "position": position, "at": Time(*at), "source": letter.position, "code": letter.code,
        "pointer": letter.pointer, "detail": letter.detail, "sealed": letter.key != Hash16::default(),
        "bytes": letter.bytes.len(), "resolved": letter.resolved, "actor": meta.actor, "reason": meta.reason })
}

/// The newest copy of the letter at this position.
pub(crate) fn find(log: &dyn Log, position: &Position) -> Result<Found, Problem> {
    let none = || {
        let detail = format!("{position}: {}", NO_LETTER.summary);
        Problem::new(StatusCode::NOT_FOUND, NO_LETTER, "", &detail)
    };
    let partition = TopicPartition::new(position.topic.clone(), position.partition);
    if !matches!(position.topic, Topic::DeadLetter(_)) || log.range(&partition).is_none() {
        return Err(none());
    }
    // Later copies lie behind it.
    let mut newest: Option<Found> = None;
    each(log, &partition, position.offset, |found| {
        let asked = found.position.offset == position.offset;
        if asked || newest.as_ref().is_some_and(|known| key(&known.letter) == key(&found.letter)) {
            newest = Some(found);
        }
    })
    .map_err(|e| Problem::log(&e))?;
    newest.ok_or_else(none)
}

/// The letter with its bytes opened. The look is logged first; without that nothing is shown.
pub(crate) fn show(
    log: &dyn Log,
    keys: &Keys,
    folder: &Folder,
    position: &Position,
    actor: &str,
) -> Result<Value, Problem> {
    let found = find(log, position)?;
    looks::note(folder, "dead letter opened", ("position", json!(found.position)), actor)
        .map_err(|e| Problem::new(StatusCode::SERVICE_UNAVAILABLE, ACCESS, "", &e.to_string()))?;
    let bytes = open(keys, &found.letter)?;
    let mut value = summary(&found);
    let (name, shown) = match canonical(&found.letter, &bytes) {
        Some(command) => ("canonical", super::local::command_json(&command)),
        None => match String::from_utf8(bytes) {
            Ok(text) => ("text", json!(text)),
            Err(e) => {
                let hex: String = e.as_bytes().iter().map(|b| format!("{b:02x}")).collect();
                ("hex", json!(hex))
            }
        },
    };
    value[name] = shown;
    value["logged"] = json!("this look was logged in access.ndjson of the data folder");
    Ok(value)
}

pub(super) fn open(keys: &Keys, letter: &DeadLetter) -> Result<Vec<u8>, SealError> {
    match letter.key == Hash16::default() {
        true => Ok(letter.bytes.clone()),
        false => keys.open_sealed(&Sealed { key: letter.key, bytes: letter.bytes.clone() }),
    }
}

/// The command that a stage put aside as it had it: recipients sealed, not the platform's bytes.
pub(super) fn canonical(letter: &DeadLetter, bytes: &[u8]) -> Option<Command> {
    let ours = letter.key == Hash16::default();
    ours.then(|| envelope::decode::<Command>(bytes).ok()).flatten().map(|(_, command)| command)
}

#[derive(serde::Deserialize)]
pub(super) struct Asked {
    source: Option<String>,
    #[serde(default)]
    all: bool,
    limit: Option<usize>,
}

pub(super) async fn ls(State(gateway): State<Gateway>, Query(asked): Query<Asked>) -> Response {
    let listed = move || {
        let limit = asked.limit.unwrap_or(100);
        list(&*gateway.router.log, asked.source.as_deref(), asked.all, limit).map_err(|e| Problem::log(&e))
    };
    answer(heavy(listed).await, |(rows, count)| json!({ "rows": rows, "count": count }))
}

pub(super) async fn one(
    State(gateway): State<Gateway>,
    Path((source, partition, offset)): Path<(String, u16, u64)>,
    headers: HeaderMap,
) -> Response {
    let actor = actor(&headers);
    let shown = move || {
        let router = &gateway.router;
        let position = named(&source, partition, offset)?;
        show(&*router.log, &router.keys, &router.folder, &position, &actor)
    };
    answer(heavy(shown).await, |value| value)
}

pub(super) fn named(source: &str, partition: u16, offset: u64) -> Result<Position, Problem> {
    let topic = source.parse::<Topic>().ok().filter(|topic| matches!(topic, Topic::DeadLetter(_)));
    let none = || Problem::new(StatusCode::NOT_FOUND, NO_LETTER, "", NO_LETTER.summary);
    topic.map(|topic| Position::new(topic, partition, offset)).ok_or_else(none)
}

/// Who asks, in the caller's own words: the socket is its owner's alone.
pub(super) fn actor(headers: &HeaderMap) -> String {
    let said = headers.get("router-actor").and_then(|v| v.to_str().ok()).unwrap_or("local");
    said.chars().take(64).collect()
}

fn answer<T>(done: Option<Result<T, Problem>>, shown: impl FnOnce(T) -> Value) -> Response {
    match done {
        Some(Ok(found)) => Json(shown(found)).into_response(),
        Some(Err(problem)) => respond(problem.status, problem.body),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
