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
    /// Not enough stock.
    NoStock,
    /// The node has all the orders that it takes.
    NoCapacity,
    /// Another node has won the offer.
    Taken,
    /// The offer was withdrawn, its epoch is over, or its time is.
    Expired,
    /// The node was not offered the order, or it declined.
    NotOffered,
    /// It contradicts itself, or names what cannot be used so.
    Invalid,
    /// The rule set has no such reason.
    UnknownReason,
    /// Offered as a whole: it cannot be declined in part.
    Whole,
    /// The order has nothing held.
    NoHold,
}

impl Refusal {
    /// Every refusal, in code order.
    pub const ALL: [Refusal; 26] = [
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
        Refusal::NoStock,
        Refusal::NoCapacity,
        Refusal::Taken,
        Refusal::Expired,
        Refusal::NotOffered,
        Refusal::Invalid,
        Refusal::UnknownReason,
        Refusal::Whole,
        Refusal::NoHold,
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
            Refusal::NoStock => ("E1118", "not enough stock", "ask for less, or elsewhere; nothing was kept"),
            Refusal::NoCapacity => (
                "E1119",
                "the node has all the orders that it takes",
                "finish some work, or have its capacity raised; the offer stays open",
            ),
            Refusal::Taken => {
                ("E1120", "another node has won the offer", "nothing to do: the order is the other node's")
            }
            Refusal::Expired => (
                "E1121",
                "the offer is over: withdrawn, offered anew, or past its time",
                "read the list of open offers again",
            ),
            Refusal::NotOffered => (
                "E1122",
                "the node has no offer of this order, or declined it",
                "read the list of open offers again",
            ),
            Refusal::Invalid => ("E1123", "the request contradicts itself", "see the detail"),
            Refusal::UnknownReason => {
                ("E1124", "the rule set has no such reason", "`router rules show` lists the reasons")
            }
            Refusal::Whole => (
                "E1125",
                "offered as a whole: it cannot be declined in part",
                "decline all of it, or claim it",
            ),
            Refusal::NoHold => ("E1126", "nothing is held for the order", "reserve first; holds lapse"),
        };
        Code { id, summary, hint }
    }
}
