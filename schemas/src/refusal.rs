//! Why a request was refused: one code for each reason, stable for ever, listed in `docs/errors.md`.

use serde::{Deserialize, Serialize};

/// A documented error code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Code {
    /// `E` and four digits.
    pub id: &'static str,
    /// One line: what is wrong.
    pub summary: &'static str,
    /// One line: what to do.
    pub hint: &'static str,
}

impl Code {
    /// For tables of codes.
    pub const fn new(id: &'static str, summary: &'static str, hint: &'static str) -> Code {
        Code { id, summary, hint }
    }
}

/// A typed refusal. New ones are appended: logs keep them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Refusal {
    /// The id is known with other content.
    Conflict,
    /// A later version of the order is known.
    Older,
    /// No such order here.
    UnknownOrder,
    /// The order has no such line.
    UnknownLine,
    /// Nothing is left that could be changed or cancelled.
    Closed,
    /// The units were picked: the node has to be asked.
    Picked,
    /// No such node.
    UnknownNode,
    /// No such zone.
    UnknownZone,
    /// The node belongs to another zone for ever, or the zone to another partition.
    Moved,
    /// A later count of this cell is known.
    Stale,
    /// Too many early messages wait for this order or channel.
    TooManyEarly,
    /// A limit was exceeded.
    Limit,
    /// Not part of the behaviour level that this log runs at.
    Level,
    /// The record does not decode.
    Undecodable,
    /// An operator skipped the record.
    Skipped,
    /// This partition does not own the zone.
    WrongZone,
    /// No partition of that number.
    NoPartition,
}

impl Refusal {
    /// Every refusal, in code order.
    pub const ALL: [Refusal; 17] = [
        Refusal::Conflict,
        Refusal::Older,
        Refusal::UnknownOrder,
        Refusal::UnknownLine,
        Refusal::Closed,
        Refusal::Picked,
        Refusal::UnknownNode,
        Refusal::UnknownZone,
        Refusal::Moved,
        Refusal::Stale,
        Refusal::TooManyEarly,
        Refusal::Limit,
        Refusal::Level,
        Refusal::Undecodable,
        Refusal::Skipped,
        Refusal::WrongZone,
        Refusal::NoPartition,
    ];

    /// Its documented code.
    pub fn code(self) -> Code {
        let (id, summary, hint) = match self {
            Refusal::Conflict => (
                "E1101",
                "the order id is known with other content",
                "send changes as an amend, or use a new id",
            ),
            Refusal::Older => {
                ("E1102", "a later version of the order is known", "nothing to do: the later version stands")
            }
            Refusal::UnknownOrder => {
                ("E1103", "no such order", "check the id; `router order list` shows what is known")
            }
            Refusal::UnknownLine => ("E1104", "the order has no such line", "name lines as the order does"),
            Refusal::Closed => (
                "E1105",
                "nothing of the order is left to change or cancel",
                "see the order's state; returns are a fact of their own",
            ),
            Refusal::Picked => {
                ("E1106", "the units are picked already", "ask the node to give them back first")
            }
            Refusal::UnknownNode => ("E1107", "no such node", "publish the node first"),
            Refusal::UnknownZone => ("E1108", "no such zone", "publish the zone first"),
            Refusal::Moved => (
                "E1109",
                "a node keeps its zone and a zone its partition for ever",
                "make a new node or zone under another name",
            ),
            Refusal::Stale => {
                ("E1110", "a later count of this cell is known", "nothing to do: the later count stands")
            }
            Refusal::TooManyEarly => (
                "E1111",
                "too many messages wait for orders that have not come",
                "send the orders, or send this again later",
            ),
            Refusal::Limit => ("E1112", "a limit is exceeded", "see schemas/src/limits.rs"),
            Refusal::Level => (
                "E1113",
                "not part of this log's behaviour level",
                "raise the level when all members have it",
            ),
            Refusal::Undecodable => {
                ("E1114", "the record does not decode", "see the dead letter with `router dlq show`")
            }
            Refusal::Skipped => {
                ("E1115", "an operator skipped the record", "see the reason with `router log cat control`")
            }
            Refusal::WrongZone => {
                ("E1116", "this partition does not own the zone", "send it to the zone's partition")
            }
            Refusal::NoPartition => {
                ("E1117", "there is no such partition", "choose one below the partition count")
            }
        };
        Code { id, summary, hint }
    }
}
