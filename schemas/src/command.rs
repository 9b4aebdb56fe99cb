//! All that can be asked or stated: the bodies of `router.intake`, `router.commands` and `router.control`.
//!
//! Variants and fields are only ever appended: postcard numbers them by their order, and a log keeps them for
//! ever. The golden files of this crate fail when bytes change.

pub mod fulfilment;
pub mod hold;
pub mod offer;
pub mod order;
pub mod part;
pub mod reference;
pub mod steer;
pub mod stock;

use serde::{Deserialize, Serialize};

use crate::{
    id::{Identity, OrderId},
    position::{LogId, Position},
};

/// A command. *Requests* may be refused, *facts* may not (`docs/semantics.md`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Command {
    /// First record of every partition.
    Genesis(Genesis),
    /// Time passes; appended by the owner of the partition every 5 s.
    Tick,
    /// Due items remain; appended by the stage to its own partition.
    Continue,
    /// Reference material: to CONTROL as asked, from CONTROL as copied to the partitions concerned.
    Reference(reference::Published),
    /// An operator's word that the record at this position is to be passed over. On `router.control` only.
    Skip(Position),
    /// An operator's word that the record at this position is fine although its time is ahead.
    Accept(Position),

    /// Request: a new order, or on a raw topic the full new state of a known one.
    Place(order::OrderMessage),
    /// Request: the order's full new state.
    Amend(order::OrderMessage),
    /// Request: cancel the order or some of it.
    Cancel(order::Cancel),
    /// Fact: the payment's state changed.
    Payment(order::PaymentFact),
    /// Fact: goods reached the customer.
    Delivered(order::Delivered),
    /// A repeat whose caller waits for the outcome: passed by INTAKE to the order's home zone.
    Ask(Ask),
    /// ENGINE to INTAKE: the order was forgotten, drop its directory entry.
    Forgotten(Ask),

    /// Fact: a count.
    Count(stock::Count),
    /// Fact: goods arrived.
    Receipt(stock::Movement),
    /// Fact: a correction, or goods blocked and unblocked.
    Adjustment(stock::Adjustment),
    /// Request: safety stock, backorder allowance and status of a cell.
    CellPolicy(stock::CellPolicy),

    /// Fact: a node took units off the shelf.
    Picked(fulfilment::NodeFact),
    /// Fact: units wait for the carrier or the customer.
    Ready(fulfilment::NodeFact),
    /// Fact: units left the node.
    Shipped(fulfilment::NodeFact),
    /// Fact: units came back to a node.
    Returned(fulfilment::NodeFact),

    /// One zone asks another to fulfil a part of an order.
    Part(part::Part),
    /// The home zone takes a part back.
    PartCancel(part::PartCancel),
    /// The other zone reports the part's whole state.
    PartReport(part::PartReport),

    /// Request: keep stock for an order for a time.
    Reserve(hold::Reserve),
    /// Request: the order's hold lapses later.
    Extend(hold::Extend),
    /// Request: give back what is held and allocated for an order.
    Release(hold::Release),
    /// Request: operations takes a hand in an order's way.
    Steer(steer::Steer),
    /// Request: what a channel keeps back and may promise beyond stock.
    ChannelPolicy(hold::ChannelPolicy),

    /// Request: a node wants the order it was offered.
    Claim(offer::Claim),
    /// Request: a node does not want an offer, or gives work back.
    Decline(offer::Decline),
    /// Fact: a node has seen its work and will do it.
    Accepted(fulfilment::NodeFact),
    /// Fact: the customer collected the units at the node.
    HandedOver(fulfilment::NodeFact),
    /// Request: a node's answer where it was asked to give picked units back.
    CancelAnswer(offer::CancelAnswer),
    /// Request: about a node as a whole.
    Node(offer::NodeRequest),

    /// Home asks a zone to hold stock for a leg of an order, or to end that.
    Leg(part::Leg),
    /// The other zone reports how a leg stands.
    LegReport(part::LegReport),
    /// A zone tells control what it keeps of a channel's share that was made smaller.
    ShareKept(part::ShareKept),
}

impl Command {
    /// The command's name as people and metrics see it.
    pub fn name(&self) -> &'static str {
        match self {
            Command::Genesis(_) => "genesis",
            Command::Tick => "tick",
            Command::Continue => "continue",
            Command::Reference(_) => "reference",
            Command::Skip(_) => "skip",
            Command::Accept(_) => "accept",
            Command::Place(_) => "place",
            Command::Amend(_) => "amend",
            Command::Cancel(_) => "cancel",
            Command::Payment(_) => "payment",
            Command::Delivered(_) => "delivered",
            Command::Ask(_) => "ask",
            Command::Forgotten(_) => "forgotten",
            Command::Count(_) => "count",
            Command::Receipt(_) => "receipt",
            Command::Adjustment(_) => "adjustment",
            Command::CellPolicy(_) => "cell_policy",
            Command::Picked(_) => "picked",
            Command::Ready(_) => "ready",
            Command::Shipped(_) => "shipped",
            Command::Returned(_) => "returned",
            Command::Part(_) => "part",
            Command::PartCancel(_) => "part_cancel",
            Command::PartReport(_) => "part_report",
            Command::Reserve(_) => "reserve",
            Command::Extend(_) => "extend",
            Command::Release(_) => "release",
            Command::Steer(_) => "steer",
            Command::ChannelPolicy(_) => "channel_policy",
            Command::Claim(_) => "claim",
            Command::Decline(_) => "decline",
            Command::Accepted(_) => "accepted",
            Command::HandedOver(_) => "handed_over",
            Command::CancelAnswer(_) => "cancel_answer",
            Command::Node(_) => "node",
            Command::Leg(_) => "leg",
            Command::LegReport(_) => "leg_report",
            Command::ShareKept(_) => "share_kept",
        }
    }

    /// The platform's name of the order this is about, where the command goes through intake.
    pub fn identity(&self) -> Option<&Identity> {
        match self {
            Command::Place(m) | Command::Amend(m) => Some(&m.head.identity),
            Command::Cancel(c) => Some(&c.identity),
            Command::Payment(p) => Some(&p.identity),
            Command::Delivered(d) => Some(&d.identity),
            Command::Ask(a) | Command::Forgotten(a) => Some(&a.identity),
            Command::Reserve(r) => Some(&r.identity),
            Command::Extend(e) => Some(&e.identity),
            Command::Release(r) => Some(&r.identity),
            Command::Steer(s) => Some(&s.identity),
            _ => None,
        }
    }

    /// The zone that a direct command names itself.
    pub fn zone(&self) -> Option<&str> {
        match self {
            Command::ChannelPolicy(p) => Some(&p.zone),
            _ => None,
        }
    }

    /// The node a direct command is about.
    pub fn node(&self) -> Option<&str> {
        match self {
            Command::Count(c) => Some(&c.cell.node),
            Command::Receipt(m) => Some(&m.cell.node),
            Command::Adjustment(a) => Some(&a.cell.node),
            Command::CellPolicy(p) => Some(&p.cell.node),
            Command::Picked(f) | Command::Ready(f) | Command::Shipped(f) | Command::Returned(f) => {
                Some(&f.node)
            }
            Command::Accepted(f) | Command::HandedOver(f) => Some(&f.node),
            Command::Claim(c) => Some(&c.node),
            Command::Decline(d) => Some(&d.node),
            Command::CancelAnswer(a) => Some(&a.node),
            Command::Node(n) => Some(&n.node),
            _ => None,
        }
    }
}

/// The first record of a partition: what its log is, so that nobody reads another's by accident.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Genesis {
    /// The log this partition belongs to.
    pub log: LogId,
    /// Code of the topic.
    pub topic: u8,
    /// This partition.
    pub partition: u16,
    /// Partitions of the topic when this was written.
    pub partitions: u16,
    /// Behaviour level: record format, snapshot format and semantics.
    pub level: u32,
}

/// Names an order that intake knows.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ask {
    /// The order's id.
    pub order: OrderId,
    /// The platform's name of it.
    pub identity: Identity,
}

/// Where intake sends a command: set by INTAKE, absent before.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Assigned {
    /// The order's id.
    pub order: OrderId,
    /// Its home zone.
    pub zone: String,
}

/// 16 bytes that stand for content or for a key.
pub type Hash16 = [u8; 16];
