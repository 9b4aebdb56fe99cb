//! The binary form of a record: a fixed head, then [`Meta`], then the body, both in postcard.
//!
//! ```text
//! byte 0     format of records (1), fixed by the behaviour level
//! byte 1     kind of body: 1 command, 2 event, 3 reply, 4 dead letter
//! byte 2     1 if an origin follows, else 0
//! 27 bytes   origin: log id (16), source topic code (1), source partition (u16 LE), sequence (u64 LE)
//! ...        postcard of Meta, postcard of the body
//! ```
//!
//! Records for outside readers (assignments, notifications, alerts) are JSON objects; their first member,
//! `origin`, carries the same four things.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    command::Command,
    dead_letter::DeadLetter,
    event::Event,
    position::{LogId, Topic},
    reply::Reply,
};

/// The record format that this build writes.
pub const FORMAT: u8 = 1;
/// Bytes of an encoded origin.
const ORIGIN_BYTES: usize = 27;
/// Bytes before the origin.
const HEAD_BYTES: usize = 3;

/// Which stage partition wrote a record, and as its how manyth to this target.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Origin {
    /// The log of the source.
    pub log: LogId,
    /// Code of the source topic.
    pub topic: u8,
    /// Partition of the source topic.
    pub partition: u16,
    /// Dense from 1 per source partition and target topic-partition.
    pub sequence: u64,
}

impl Origin {
    /// The source topic, if the code is one of ours.
    pub fn source_topic(&self) -> Option<Topic> {
        Topic::from_code(self.topic)
    }
}

/// Where a message lay before it was decoded.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Source {
    /// Name of the source, for example `orders.web`, or `dlq.orders.web` for a replayed dead letter.
    pub id: String,
    /// Raised when the raw topic was recreated.
    pub incarnation: u32,
    /// Partition of the raw topic.
    pub partition: u16,
    /// Offset in the raw topic.
    pub offset: u64,
    /// Index within the message, for messages that carry several commands.
    pub index: u32,
}

/// Who waits for an answer, and for which.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReplyTo {
    /// Partition of `router.replies` that the caller reads: its gateway's number.
    pub partition: u16,
    /// Opaque to us; new for each request.
    pub correlation: [u8; 16],
    /// True: wait for the engine's outcome; false: intake's decision is enough.
    pub outcome: bool,
}

/// What every record of ours may carry beside its body.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Meta {
    /// Where the message was before it was decoded.
    pub source: Option<Source>,
    /// Who waits for an answer.
    pub reply: Option<ReplyTo>,
    /// Hybrid time of the stage that passed this on, µs; 0: none.
    pub carried: u64,
    /// Who asked: a person, a token's name, a program.
    pub actor: Option<String>,
    /// Why, in the words of who asked.
    pub reason: Option<String>,
}

/// The body of a record.
#[derive(Clone, PartialEq, Debug)]
pub enum Body {
    /// On `router.intake`, `.commands`, `.control`.
    Command(Box<Command>),
    /// On `router.events`.
    Event(Box<Event>),
    /// On `router.replies`.
    Reply(Reply),
    /// On `dlq.<source>`.
    DeadLetter(DeadLetter),
}

/// A type that can be the body of a binary record.
pub trait RecordBody: Serialize + DeserializeOwned {
    /// Byte 1 of the record.
    const KIND: u8;
}

impl RecordBody for Command {
    const KIND: u8 = 1;
}
impl RecordBody for Event {
    const KIND: u8 = 2;
}
impl RecordBody for Reply {
    const KIND: u8 = 3;
}
impl RecordBody for DeadLetter {
    const KIND: u8 = 4;
}

/// Appends the record to `out`.
pub fn encode<T: RecordBody>(origin: Option<&Origin>, meta: &Meta, body: &T, out: &mut Vec<u8>) {
    write_head(T::KIND, origin, out);
    write_postcard(meta, out);
    write_postcard(body, out);
}

/// Appends the record whose meta and body are encoded already.
pub fn write_record(kind: u8, origin: &Origin, meta_and_body: &[u8], out: &mut Vec<u8>) {
    write_head(kind, Some(origin), out);
    out.extend_from_slice(meta_and_body);
}

fn write_head(kind: u8, origin: Option<&Origin>, out: &mut Vec<u8>) {
    out.extend_from_slice(&[FORMAT, kind, u8::from(origin.is_some())]);
    if let Some(origin) = origin {
        out.extend_from_slice(&origin.log.0);
        out.push(origin.topic);
        out.extend_from_slice(&origin.partition.to_le_bytes());
        out.extend_from_slice(&origin.sequence.to_le_bytes());
    }
}

/// The record as bytes of its own.
pub fn to_vec<T: RecordBody>(origin: Option<&Origin>, meta: &Meta, body: &T) -> Vec<u8> {
    let mut out = Vec::new();
    encode(origin, meta, body, &mut out);
    out
}

/// The origin of a record, without decoding the rest. Works on JSON records of ours too.
pub fn origin(payload: &[u8]) -> Result<Option<Origin>, CodecError> {
    match payload {
        [b'{', ..] => json_origin(payload),
        [FORMAT, _, 0, ..] => Ok(None),
        [FORMAT, _, 1, rest @ ..] if rest.len() >= ORIGIN_BYTES => {
            let number = |range: std::ops::Range<usize>| {
                rest[range].iter().rev().fold(0u64, |n, byte| n << 8 | u64::from(*byte))
            };
            let mut log = [0; 16];
            log.copy_from_slice(&rest[..16]);
            Ok(Some(Origin {
                log: LogId(log),
                topic: rest[16],
                partition: number(17..19) as u16,
                sequence: number(19..27),
            }))
        }
        [format, ..] if *format != FORMAT => Err(CodecError::Format(*format)),
        [FORMAT, _, other, ..] if *other > 1 => Err(CodecError::Head(*other)),
        _ => Err(CodecError::Short(payload.len())),
    }
}

/// Reads meta and body of a record that must hold a `T`.
pub fn decode<T: RecordBody>(payload: &[u8]) -> Result<(Meta, T), CodecError> {
    match payload {
        [FORMAT, kind, has_origin, ..] if *kind == T::KIND => {
            let start = match has_origin {
                0 => HEAD_BYTES,
                1 => HEAD_BYTES + ORIGIN_BYTES,
                other => return Err(CodecError::Head(*other)),
            };
            let rest = payload.get(start..).ok_or(CodecError::Short(payload.len()))?;
            let (meta, rest) = postcard::take_from_bytes(rest).map_err(CodecError::Postcard)?;
            let (body, rest) = postcard::take_from_bytes(rest).map_err(CodecError::Postcard)?;
            if rest.is_empty() { Ok((meta, body)) } else { Err(CodecError::Trailing(rest.len())) }
        }
        [FORMAT, kind, _, ..] => Err(CodecError::Kind(*kind)),
        [format, ..] if *format != FORMAT => Err(CodecError::Format(*format)),
        _ => Err(CodecError::Short(payload.len())),
    }
}

/// Reads a record of any kind.
pub fn decode_any(payload: &[u8]) -> Result<(Meta, Body), CodecError> {
    match payload.get(1) {
        Some(_) if payload[0] != FORMAT => Err(CodecError::Format(payload[0])),
        Some(&Command::KIND) => decode(payload).map(|(meta, body)| (meta, Body::Command(Box::new(body)))),
        Some(&Event::KIND) => decode(payload).map(|(meta, body)| (meta, Body::Event(Box::new(body)))),
        Some(&Reply::KIND) => decode(payload).map(|(meta, body)| (meta, Body::Reply(body))),
        Some(&DeadLetter::KIND) => decode(payload).map(|(meta, body)| (meta, Body::DeadLetter(body))),
        Some(kind) => Err(CodecError::Kind(*kind)),
        None => Err(CodecError::Short(payload.len())),
    }
}

/// Appends a JSON record: `object`, the text of a JSON object, with `origin` as its first member.
pub fn encode_json(origin: &Origin, object: &[u8], out: &mut Vec<u8>) {
    use std::io::Write;
    // Writing to a Vec cannot fail.
    let _ = write!(
        out,
        r#"{{"origin":{{"log":"{}","topic":{},"partition":{},"sequence":{}}}"#,
        origin.log, origin.topic, origin.partition, origin.sequence
    );
    match object {
        b"{}" => out.push(b'}'),
        _ => {
            out.push(b',');
            out.extend_from_slice(object.get(1..).unwrap_or(b"}"));
        }
    }
}

fn json_origin(payload: &[u8]) -> Result<Option<Origin>, CodecError> {
    #[derive(Deserialize)]
    struct Fields {
        log: String,
        topic: u8,
        partition: u16,
        sequence: u64,
    }
    #[derive(Deserialize)]
    struct Head {
        origin: Option<Fields>,
    }
    let head: Head = serde_json::from_slice(payload).map_err(|e| CodecError::Json(e.to_string()))?;
    let Some(fields) = head.origin else { return Ok(None) };
    let log = fields.log.parse().map_err(|_| CodecError::Json("origin.log is no log id".into()))?;
    Ok(Some(Origin { log, topic: fields.topic, partition: fields.partition, sequence: fields.sequence }))
}

/// Appends the postcard form of `value`.
pub fn write_postcard<T: Serialize>(value: &T, out: &mut Vec<u8>) {
    // Our types have known lengths and no maps, and a Vec takes all: postcard has nothing left to refuse.
    *out = postcard::to_extend(value, std::mem::take(out)).expect("types of this crate always encode");
}

/// Why bytes are no record of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The record ends within its head.
    #[error("the record of {0} bytes ends before its body")]
    Short(usize),
    /// Written by another behaviour level.
    #[error(
        "record format {0} is not known to this build, which reads format {FORMAT}; run a build that does"
    )]
    Format(u8),
    /// Another kind of body than the topic should hold.
    #[error("a record of kind {0} does not belong here")]
    Kind(u8),
    /// Neither with origin nor without.
    #[error("byte 2 of the record is {0}, not 0 or 1: it is damaged, or of a later behaviour level")]
    Head(u8),
    /// The body does not decode.
    #[error("the record does not decode ({0}): it is damaged, or of a later behaviour level")]
    Postcard(postcard::Error),
    /// Bytes behind the body.
    #[error("{0} bytes follow the body of the record: it is damaged, or of a later behaviour level")]
    Trailing(usize),
    /// A JSON record that is no JSON of ours.
    #[error("the record is no JSON of ours: {0}")]
    Json(String),
}
