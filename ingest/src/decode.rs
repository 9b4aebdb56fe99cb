//! From JSON to commands. What is refused here never reaches the log; the refusal names the place and never
//! repeats a value, since values may name people.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use router_schemas::{
    command::{Command, Hash16, order as o},
    envelope::write_postcard,
    limits,
    refusal::Code,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    bounds::{At, ROOT},
    cells, holds, orders, references,
    seal::Keys,
    told, work,
};

pub use crate::work::code as pickup_code;

/// The codes of this module.
pub const CODES: &[Code] = &[JSON, VALUE, LIMIT, KIND, KEYS];
const JSON: Code = Code {
    id: "E1001",
    summary: "the message is no JSON of the expected shape",
    hint: "mend the named place; schemas/json/ has the shape of every kind of message",
};
pub(crate) const VALUE: Code =
    Code { id: "E1002", summary: "a value is not allowed", hint: "mend the named place" };
pub(crate) const LIMIT: Code = Code {
    id: "E1003",
    summary: "a limit is exceeded",
    hint: "make it smaller; schemas/json/ and schemas/src/limits.rs have the limits",
};
/// Messages of unknown or other kinds.
pub const KIND: Code = Code {
    id: "E1004",
    summary: "no such kind of message",
    hint: "kinds are order.v1, amend.v1, cancel.v1, payment.v1, delivered.v1, count.v1, receipt.v1, adjustment.v1, policy.v1, picked.v1, ready.v1, shipped.v1, returned.v1, reserve.v1, extend.v1, release.v1, channel_policy.v1, quota.v1, accepted.v1, handed_over.v1, claim.v1, decline.v1, cancel_answer.v1, node_request.v1, steer.v1, zone.v1, node.v1, item.v1, channel.v1, region.v1, fees.v1, rules.v1",
};
pub(crate) const KEYS: Code = Code {
    id: "E1005",
    summary: "personal data could not be sealed",
    hint: "nothing was taken: send it again; see the router's log",
};

/// Why a message was not taken.
#[derive(Clone, Debug, Serialize)]
pub struct Rejected {
    /// Documented code, `E1001`.
    pub code: &'static str,
    /// JSON pointer to the place; empty: the whole message.
    pub pointer: String,
    /// What is wrong there.
    pub detail: String,
    /// What to do.
    pub hint: &'static str,
}

impl Rejected {
    /// The code with its summary.
    pub fn code(&self) -> Code {
        CODES.iter().chain(crate::rules::CODES).find(|code| code.id == self.code).copied().unwrap_or(VALUE)
    }

    /// True where the message is fine and the router is not.
    pub fn is_ours(&self) -> bool {
        self.code == KEYS.id
    }
}

impl std::fmt::Display for Rejected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let place = if self.pointer.is_empty() { "/" } else { &self.pointer };
        write!(f, "{}: at {place}: {}; {}", self.code, self.detail, self.hint)
    }
}

/// How a message came.
pub struct Context<'a> {
    /// Seals and hashes.
    pub keys: &'a Keys,
    /// The road of an order.
    pub arrival: o::Arrival,
    /// Names a fact whose message has no `key`: an `Idempotency-Key`, a source position.
    pub key: Option<&'a str>,
}

impl Context<'_> {
    /// A keyed hash of the content.
    pub(crate) fn content<T: Serialize>(&self, kind: &str, value: &T) -> Hash16 {
        self.keys.hash_of(kind, |bytes| write_postcard(value, bytes))
    }

    /// What names a fact: its key, or what came with it, or its content.
    pub(crate) fn fact_key<T: Serialize>(&self, kind: &str, key: Option<&str>, value: &T) -> Hash16 {
        match key.or(self.key) {
            Some(key) => self.keys.hash(kind, key.as_bytes()),
            None => self.content(kind, value),
        }
    }
}

/// Reads a message of this kind, for example `order.v1`. A CloudEvent in structured form names its own kind, and by
/// its source and id the fact in it where nothing else does.
pub fn message(kind: &str, bytes: &[u8], context: &Context<'_>) -> Result<Command, Rejected> {
    any(kind, bytes, context, false)
}

/// As [`message`], but a CloudEvent must be of this kind, too.
pub fn only(kind: &str, bytes: &[u8], context: &Context<'_>) -> Result<Command, Rejected> {
    any(kind, bytes, context, true)
}

fn any(kind: &str, bytes: &[u8], context: &Context<'_>, only: bool) -> Result<Command, Rejected> {
    if bytes.len() > limits::MESSAGE_BYTES {
        let detail = format!("the message has {} bytes, {} are allowed", bytes.len(), limits::MESSAGE_BYTES);
        return Err(reject(LIMIT, ROOT, detail));
    }
    if too_deep(bytes) {
        return Err(reject(LIMIT, ROOT, format!("it nests more than {} deep", limits::JSON_DEPTH)));
    }
    if !is_cloud_event(bytes) {
        return plain(kind, bytes, context);
    }
    let event: CloudEvent<'_> = read_borrowed(bytes)?;
    if event.version != "1.0" {
        return Err(reject(VALUE, ROOT.member("specversion"), "only version 1.0 is read".into()));
    }
    if only && event.kind != kind {
        return Err(reject(KIND, ROOT.member("type"), format!("only {kind} is taken here")));
    }
    let Some(data) = event.data else {
        return Err(reject(VALUE, ROOT.member("data"), "the message is missing; it has to be JSON".into()));
    };
    let name = event.source.zip(event.id).map(|(source, id)| format!("{source}\n{id}"));
    let key = context.key.or(name.as_deref());
    let inner = Context { keys: context.keys, arrival: context.arrival, key };
    plain(&event.kind, data.get().as_bytes(), &inner).map_err(|mut rejected| {
        rejected.pointer.insert_str(0, "/data");
        rejected
    })
}

/// Members that nobody reads may nest too, and whoever reads the message next may not stand it.
fn too_deep(bytes: &[u8]) -> bool {
    // Counting is cheap, and almost every message has fewer brackets than it may nest deep.
    if bytes.iter().filter(|b| matches!(b, b'[' | b'{')).count() <= limits::JSON_DEPTH {
        return false;
    }
    let (mut depth, mut text, mut escaped) = (0usize, false, false);
    bytes.iter().any(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if text => escaped = true,
            b'"' => text = !text,
            _ if text => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > limits::JSON_DEPTH
    })
}

/// Told by a member that must be there, so that the other messages are read once.
fn is_cloud_event(bytes: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Probe {
        specversion: Option<serde::de::IgnoredAny>,
    }
    // A name may be written with escapes; whatever has one is looked at too.
    (MARK.find(bytes).is_some() || ESCAPE.find(bytes).is_some())
        && serde_json::from_slice(bytes).is_ok_and(|probe: Probe| probe.specversion.is_some())
}

static MARK: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(b"\"specversion\""));
static ESCAPE: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(b"\\u"));

/// A message without an envelope: an event within an event is none.
fn plain(kind: &str, bytes: &[u8], context: &Context<'_>) -> Result<Command, Rejected> {
    match kind {
        "order.v1" => orders::order(read(bytes)?, context).map(Command::Place),
        "amend.v1" => orders::order(read(bytes)?, context).map(Command::Amend),
        "cancel.v1" => orders::cancel(read(bytes)?, context),
        "payment.v1" => orders::payment(read(bytes)?, context),
        "delivered.v1" => orders::delivered(read(bytes)?, context),
        "count.v1" => cells::count(read(bytes)?, context),
        "receipt.v1" => cells::receipt(read(bytes)?, context),
        "adjustment.v1" => cells::adjustment(read(bytes)?, context),
        "policy.v1" => cells::policy(read(bytes)?),
        "picked.v1" => orders::at_node(read(bytes)?, context, kind).map(Command::Picked),
        "ready.v1" => orders::at_node(read(bytes)?, context, kind).map(Command::Ready),
        "shipped.v1" => orders::shipped(read(bytes)?, context),
        "returned.v1" => orders::returned(read(bytes)?, context),
        "accepted.v1" => orders::accepted(read(bytes)?, context),
        "handed_over.v1" => work::handed_over(read(bytes)?, context),
        "claim.v1" => work::claim(read(bytes)?, context),
        "decline.v1" => work::decline(read(bytes)?, context),
        "cancel_answer.v1" => work::cancel_answer(read(bytes)?, context),
        "node_request.v1" => work::node_request(read(bytes)?, context),
        "steer.v1" => work::steer(read(bytes)?, context),
        "reserve.v1" => holds::reserve(read(bytes)?, context),
        "extend.v1" => holds::extend(read(bytes)?, context),
        "release.v1" => holds::release(read(bytes)?, context),
        "channel_policy.v1" => holds::channel_policy(read(bytes)?),
        "quota.v1" => holds::quota(read(bytes)?),
        "zone.v1" => references::zone(read(bytes)?),
        "node.v1" => references::node(read(bytes)?, jiff::Timestamp::now()),
        "item.v1" => references::item(read(bytes)?),
        "channel.v1" => references::channel(read(bytes)?),
        "region.v1" => references::region_entry(read(bytes)?),
        "fees.v1" => references::fees(read(bytes)?),
        "rules.v1" => references::rules(&read(bytes)?),
        _ => Err(reject(KIND, ROOT, "the kind of the message is not known".into())),
    }
}

#[derive(Deserialize)]
struct CloudEvent<'a> {
    #[serde(rename = "specversion")]
    version: String,
    #[serde(rename = "type")]
    kind: String,
    source: Option<String>,
    id: Option<String>,
    #[serde(borrow)]
    data: Option<&'a serde_json::value::RawValue>,
}

pub(crate) fn reject(code: Code, at: At<'_>, detail: String) -> Rejected {
    Rejected { code: code.id, pointer: at.to_string(), detail, hint: code.hint }
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Rejected> {
    read_borrowed(bytes)
}

fn read_borrowed<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Rejected> {
    // Keeping the place of an error costs as much again as reading: it is looked for once there is one.
    if let Ok(value) = serde_json::from_slice(bytes) {
        return Ok(value);
    }
    let mut from = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut from).map_err(|error| shape(&error))?;
    from.end().map_err(|e| reject(JSON, ROOT, format!("something follows at column {}", e.column())))?;
    Ok(value)
}

/// What serde says of a wrong value repeats the value, in front of what was expected: only what follows is told.
fn shape(error: &serde_path_to_error::Error<serde_json::Error>) -> Rejected {
    let mut pointer = error.path().iter().fold(String::new(), |pointer, segment| match segment {
        serde_path_to_error::Segment::Seq { index } => format!("{pointer}/{index}"),
        serde_path_to_error::Segment::Map { key } => {
            format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
        }
        _ => pointer,
    });
    let inner = error.inner();
    let text = inner.to_string();
    let place = format!("at line {} column {}", inner.line(), inner.column());
    let member = |start: &str| text.strip_prefix(start).and_then(|rest| rest.split('`').next());
    let detail = if let Some(member) = member("missing field `") {
        pointer = format!("{pointer}/{member}");
        "is missing".to_owned()
    } else if let Some(member) = member("duplicate field `") {
        pointer = format!("{pointer}/{member}");
        "is there twice".to_owned()
    } else if inner.is_eof() {
        format!("the message ends too early, {place}")
    } else if let Some(told) = told::expected(&text).filter(|_| inner.is_data()) {
        told.to_owned()
    } else {
        format!("not readable {place}")
    };
    reject_at(pointer, detail)
}

fn reject_at(pointer: String, detail: String) -> Rejected {
    Rejected { code: JSON.id, pointer, detail, hint: JSON.hint }
}
