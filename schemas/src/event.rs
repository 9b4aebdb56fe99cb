//! What happened: the bodies of `router.events`.
//!
//! Every command leaves exactly one event with an outcome (`item` 0). A command that also worked off due
//! items leaves one more event for each of them (`item` 1, 2, …), without outcome; what one event cannot hold
//! goes on in a further one, likewise without outcome. All events of one command carry the same hybrid time, and
//! together they write a row at most once.

use serde::{Deserialize, Serialize};

pub use crate::state::{OrderState, Queue};

use crate::{
    command::{order::PaymentState, part::PartRef, stock::CellName},
    id::{OfferId, OrderId},
    position::Position,
    quantity::Qty,
    refusal::Refusal,
    row::Row,
};

/// What one command, or one due item of it, did.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Event {
    /// The record applied.
    pub cause: Position,
    /// 0: the command itself; else the how manyth due item of it, or the rest of what did not fit.
    pub item: u16,
    /// Engine time, ms.
    pub at: i64,
    /// Hybrid time of all rows in the events of this command, µs.
    pub time: u64,
    /// The order it is about.
    pub order: Option<OrderId>,
    /// For item 0: what became of the command.
    pub outcome: Option<Outcome>,
    /// What changed, in order.
    pub changes: Vec<Change>,
    /// Whole images of the rows that changed.
    pub rows: Vec<Row>,
}

/// What became of a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Outcome {
    /// Applied.
    Applied,
    /// Known already: nothing changed.
    Repeat,
    /// An older version than the one known: nothing changed.
    Ignored,
    /// It waits for its order.
    Early,
    /// Accepted, and parked until its home zone is known.
    NoZone,
    /// Refused: nothing changed.
    Refused(Refusal),
}

/// Where a unit of an order line stands. SEMANTICS' per-unit states; `Backordered` to `Ready` are at a node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Not yet part of the order: where ordered units come from, and removed ones go to by an amend.
    Outside,
    /// Ordered, nothing done.
    Open,
    /// Kept for the order without a node.
    Held,
    /// Promised at a node beyond its stock.
    Backordered,
    /// Promised at a node from its stock.
    Allocated,
    /// Taken off the shelf.
    Picked,
    /// Waiting for carrier or customer.
    Ready,
    /// Left the node.
    Shipped,
    /// Reached the customer.
    Delivered,
    /// Came back.
    Returned,
    /// Will not be sent.
    Cancelled,
    /// In another zone.
    Away,
}

/// One change of an order or of stock.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Change {
    /// Units of an order moved between states. Lines are indexes into the order row's lines.
    Units {
        /// The node they are at, or were at.
        node: Option<String>,
        /// Line index, from, to, how many.
        moves: Vec<(u16, Unit, Unit, Qty)>,
    },
    /// A node was chosen.
    Decided(Decision),
    /// The derived state changed.
    State(OrderState, OrderState),
    /// Payment changed; amount in minor units.
    Payment(PaymentState, PaymentState, Option<i64>),
    /// The order's content was replaced by this version.
    Amended(Option<u64>),
    /// A cell's on-hand changed.
    Stock(StockChange),
    /// A contradiction that someone should look at.
    Exception(Exception),
    /// A cell that was oversold is not any more.
    Recovered(CellName),
    /// A closed order left memory.
    Forgotten(OrderId),
    /// What is held for an order without a line of its own changed.
    Hold(HoldChange),
    /// An offer opened, went on or ended.
    Offer(OfferChange),
    /// A node was paused or resumed; until when, engine time, ms.
    Node(String, NodeChange),
    /// A node was asked to give picked units back; its answer is due at this service time, ms.
    CancelRequested(String, i64),
    /// What became of that: true: given back.
    CancelAnswered(String, bool),
    /// The node will do its work.
    Accepted(String),
    /// The node gave work back: node, reason, lines and quantities.
    GivenBack(String, String, Vec<(u16, Qty)>),
    /// A deadline of the node's work lapsed.
    Late(String, Deadline),
    /// A part went to another zone, or came back.
    Part(PartChange),
    /// Operations took a hand in it: what was asked, who asked, why.
    Steered(String, Option<String>, Option<String>),
}

/// A change of what is held for an order before its lines have it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HoldChange {
    /// The order.
    pub order: OrderId,
    /// Why.
    pub cause: HoldCause,
    /// The node, where pinned; SKU; bucket; added to what is held.
    pub moves: Vec<(Option<String>, String, String, Qty)>,
}

/// Why a hold changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldCause {
    /// Reserved.
    Reserved,
    /// Lapses later.
    Extended,
    /// Given back.
    Released,
    /// Its time was over.
    Lapsed,
    /// The order took it over.
    Converted,
    /// Another zone could not hold its leg.
    Failed,
    /// All zones hold their legs.
    Confirmed,
}

/// A change of an offer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OfferChange {
    /// The offer.
    pub offer: OfferId,
    /// Its epoch.
    pub epoch: u32,
    /// What happened.
    pub what: OfferStep,
}

/// What happened to an offer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum OfferStep {
    /// A round began: its number, the nodes, when it ends (service time, ms).
    Opened(u32, Vec<String>, Option<i64>),
    /// It is over for one node.
    Closed(String, OfferClosed),
    /// A node has it.
    Claimed(String),
    /// A node does not want it: why, and which lines; none: all.
    Declined(String, String, Vec<(u16, Qty)>),
    /// The round's time is over.
    Lapsed,
    /// No round is left.
    Exhausted,
    /// Taken back: the order changed, was cancelled, or someone took a hand in it.
    Withdrawn,
}

/// Why an offer is over for a node.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum OfferClosed {
    /// Another node has it.
    Taken,
    /// The node cannot fill it any more.
    NoStock,
    /// Its time is over.
    Expired,
    /// Taken back.
    Withdrawn,
    /// The node declined.
    Declined,
}

/// A change of a node's standing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum NodeChange {
    /// Paused, until this engine time or until it is resumed.
    Paused(Option<i64>),
    /// Takes part again.
    Resumed,
    /// Gets nothing new until this service time, ms.
    CoolsDown(i64),
    /// All its work that is not picked goes elsewhere; until that is done it gets nothing new.
    Evacuating,
}

/// Deadlines of work at a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deadline {
    /// To accept.
    Accept,
    /// To have picked.
    Pick,
    /// To be ready.
    Ready,
    /// To answer whether it gives picked units back.
    CancelAnswer,
}

/// A change of a part of the order in another zone.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PartChange {
    /// Which attempt at which part.
    pub part: PartRef,
    /// The other zone.
    pub zone: String,
    /// What happened.
    pub what: PartStep,
}

/// What happened to a part.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartStep {
    /// Home sent it.
    Sent,
    /// Home takes some or all of it back.
    Cancelled,
    /// The other zone reported.
    Reported,
    /// The other zone gave some or all of it back.
    GivenBack,
}

/// Why a node, or none, was chosen. The full trace is recomputed by replay.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Decision {
    /// Control position that the decision knew.
    pub control: u64,
    /// Rule set and version.
    pub rule_set: String,
    /// Version of the rule set.
    pub version: u32,
    /// Routing within the set.
    pub routing: String,
    /// Rule within the routing.
    pub rule: String,
    /// Nodes that could be asked.
    pub candidates: u32,
    /// Nodes that alone could fill everything open.
    pub covering: u32,
    /// The nodes chosen, in rank order, and the squared chord to each (`geo`).
    pub chosen: Vec<(String, Option<i64>)>,
    /// What was done.
    pub verdict: Verdict,
}

/// How a decision ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// One node has everything.
    Whole,
    /// Several nodes together have everything.
    Split,
    /// Some of it was found.
    Partial,
    /// Some or all was promised beyond stock.
    Backordered,
    /// Nothing was found.
    #[default]
    Unfillable,
}

/// A change of a cell's numbers that is not an order's.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct StockChange {
    /// The cell.
    pub cell: CellName,
    /// Why.
    pub cause: StockCause,
    /// Added to on-hand.
    pub on_hand: Qty,
    /// Added to blocked.
    pub blocked: Qty,
    /// What the source stated, where that differs in kind from what was applied.
    pub stated: Option<Qty>,
}

/// Why a cell's numbers changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StockCause {
    /// Counted.
    Count,
    /// Received.
    Receipt,
    /// Corrected.
    Adjustment,
    /// Shipped to a customer.
    Shipment,
    /// Came back from a customer.
    Return,
}

/// A contradiction, visible until someone or something resolves it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Exception {
    /// More is promised at the cell than it has.
    Oversold(CellName, Qty),
    /// A count differed from what we had by so much.
    Drift(CellName, Qty),
    /// Units left although they were cancelled.
    ShippedAfterCancel(Qty),
    /// More left than was ordered.
    OverShipped(Qty),
    /// Money came for a cancelled order, or more units were cancelled than paid back: minor units.
    RefundDue(i64),
    /// A shipment within tolerance closed the line with a difference.
    CatchWeight(Qty),
    /// A fact named an order that is not known here, or a line, node or units that the order does not have.
    Unmatched,
    /// An amend wanted so many units gone that were picked or shipped already: they stay.
    TooLate(Qty),
    /// Of an item with a tolerance so much less left than was planned, beyond the tolerance: the node still has it.
    Short(Qty),
    /// Money came after the hold had lapsed and the stock was gone: so many units short.
    Shortfall(Qty),
    /// A node is late with its work and keeps it.
    Escalated(String),
    /// A hard-pinned node will not send it: the platform is to be told.
    Rejected(String),
    /// A hold is about to lapse: when, service time, ms.
    HoldLapses(i64),
}
