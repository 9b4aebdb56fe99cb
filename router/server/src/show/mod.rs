//! Rows and answers as JSON for people and programs outside. Personal data stays sealed. Times are RFC 3339 in UTC,
//! positions are text.

mod references;
mod rows;
mod rules;
pub(crate) mod stores;

use std::borrow::Cow;

pub(crate) use references::{Channel, Item, Node, Region, Zone, reference};
use router_schemas::{
    id::OrderId,
    position::Position,
    refusal::Code,
    reply::{Answer, Reply},
};
pub(crate) use rows::{Cell, Order, cell, order, order_at};
pub(crate) use rules::{Fees, Quota, Rules};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::Value;

/// Text without what a terminal would act on: names come from strangers.
pub(crate) fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// The word that JSON has for a value without members.
pub(crate) fn word<T: Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

/// A time, ms since 1970, as RFC 3339 in UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Time(pub i64);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(time) => serializer.collect_str(&time),
            Err(_) => serializer.serialize_none(),
        }
    }
}

impl JsonSchema for Time {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"description": "A time, RFC 3339 in UTC", "type": "string", "format": "date-time"})
    }
}

/// A position as text: topic, partition, offset.
#[derive(Clone, Serialize)]
pub(crate) struct Place(pub Position);

impl JsonSchema for Place {
    fn schema_name() -> Cow<'static, str> {
        "Position".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"description": "Where a record lies in the log: topic/partition@offset", "type": "string",
            "pattern": "^[a-z.-]+/[0-9]+@[0-9]+$", "examples": ["intake/3@1042"]})
    }
}

/// What is answered to a message that was taken.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "answer", rename_all = "snake_case")]
#[schemars(rename = "Taken")]
pub(crate) enum Taken<'a> {
    /// The order was taken.
    Accepted {
        order: OrderId,
        /// Its home zone; null while none is known.
        zone: Option<&'a str>,
        /// The record that first named it.
        position: Place,
    },
    /// The order is known with this content: this is what was answered first.
    Repeat {
        order: OrderId,
        /// Its home zone.
        zone: Option<&'a str>,
        /// The record that first named it.
        position: Place,
    },
    /// Taken, and waits for the order that it is about.
    Early { position: Place },
    /// Taken and dropped: a later version is known.
    Ignored { position: Place },
    /// On disk; nothing is decided yet.
    Appended { position: Place },
    /// A fact or a request about stock or fulfilment was applied.
    Done { position: Place },
    /// The order after its command.
    Outcome {
        order: OrderId,
        /// Its state.
        state: std::borrow::Cow<'a, str>,
        /// Nodes that have open units of it.
        nodes: &'a [String],
        /// True: answered from memory to a repeat.
        repeat: bool,
        position: Place,
    },
    /// The entry of the reference table was published.
    Published {
        /// Offset in `router.control`.
        control: u64,
        position: Place,
    },
}

/// An error: RFC 9457 with a documented code.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Problem {
    /// `refused` where a stage decided, absent where the message was not sent on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<&'static str>,
    /// Documented code, for example `E1002`.
    #[schemars(regex(pattern = "^E[0-9]{4}$"))]
    pub code: &'static str,
    /// What the code says.
    pub title: &'static str,
    /// JSON pointer to the place in the message; empty: all of it, or not of the message.
    pub pointer: String,
    /// What is wrong there.
    pub detail: String,
    /// What to do.
    pub hint: &'static str,
    /// The record that was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<Place>,
}

impl Problem {
    /// A problem of a message or a request.
    pub fn new(code: Code, pointer: &str, detail: &str) -> Problem {
        let Code { id, summary, hint } = code;
        let (pointer, detail) = (pointer.to_owned(), detail.to_owned());
        Problem { answer: None, code: id, title: summary, pointer, detail, hint, position: None }
    }
}

/// Whether the router takes messages.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Readiness {
    /// True: it does.
    pub ready: bool,
    /// Why not.
    pub reasons: Vec<String>,
    /// Identity of its log.
    pub log: String,
    /// Each stage partition.
    pub stages: std::collections::BTreeMap<String, StageStatus>,
}

/// A stage partition.
#[derive(Serialize, JsonSchema)]
pub(crate) struct StageStatus {
    /// Offset of its next record.
    pub next: u64,
    /// What it holds, by kind.
    pub gauges: std::collections::BTreeMap<&'static str, u64>,
    /// Why it does not go on; null: it does.
    pub stopped: Option<String>,
}

/// Some rows, and where to go on.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PageOf{T}")]
pub(crate) struct Page<T> {
    /// Rows, newest first for orders, by id for the rest. A page may be short, or empty, and still have a next one.
    pub rows: Vec<T>,
    /// Set: send it as `after`, with the same filters, for more.
    pub next: Option<String>,
}

/// An answer, with the position of the record that it answers; written without a tree in between.
pub(crate) struct Answered<'a>(pub &'a Reply);

impl Serialize for Answered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let place = |position: &Position| Place(position.clone());
        let position = place(&self.0.position);
        let taken = match &self.0.answer {
            Answer::Accepted(a) => {
                Taken::Accepted { order: a.order, zone: a.zone.as_deref(), position: place(&a.position) }
            }
            Answer::Repeat(a) => {
                Taken::Repeat { order: a.order, zone: a.zone.as_deref(), position: place(&a.position) }
            }
            Answer::Early => Taken::Early { position },
            Answer::Ignored => Taken::Ignored { position },
            Answer::Refused { refusal, detail } => {
                let problem = Problem::new(refusal.code(), "", detail);
                let refused = Problem { answer: Some("refused"), position: Some(position), ..problem };
                return refused.serialize(serializer);
            }
            Answer::Done => Taken::Done { position },
            Answer::Outcome(o) => {
                let (order, state, nodes, repeat) = (o.order, o.state.text(), o.nodes.as_slice(), o.repeat);
                Taken::Outcome { order, state, nodes, repeat, position }
            }
            Answer::Published(control) => Taken::Published { control: *control, position },
        };
        taken.serialize(serializer)
    }
}

/// The same as a tree.
pub(crate) fn reply(reply: &Reply) -> Value {
    json(&Answered(reply))
}

/// Types of this module have no maps with other keys than text: nothing is lost.
pub(crate) fn json(shown: &impl Serialize) -> Value {
    serde_json::to_value(shown).unwrap_or_default()
}
