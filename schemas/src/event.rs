//! What happened: the bodies of `router.events`.
//!
//! Every command leaves exactly one event with an outcome (`item` 0). A command that also worked off due
//! items leaves one more event for each of them (`item` 1, 2, …), without outcome; what one event cannot hold
//! goes on in a further one, likewise without outcome. All events of one command carry the same hybrid time, and
//! together they write a row at most once.

use serde::{Deserialize, Serialize};

use crate::{
    command::{order::PaymentState, stock::CellName},
    id::OrderId,
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
}

/// The derived state of an order, by this precedence: the first that holds.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum OrderState {
    /// Someone has to look first.
    Review,
    /// Waits for its time.
    Scheduled,
    /// Waits for its payment.
    AwaitingPayment,
    /// Holds over several zones are being confirmed.
    Confirming,
    /// About to be routed.
    Routing,
    /// Offered to stores.
    Offered,
    /// Waits in a queue: `unfillable`, `unmapped`, `no_zone`, `closed`.
    Parked(Queue),
    /// Nodes work on it.
    InFulfilment,
    /// Everything was shipped.
    Completed,
    /// Nothing was shipped and nothing will be.
    Cancelled,
    /// Units left although they were cancelled, and have not come back. Comes where `Completed` would.
    ShippedAfterCancel,
}

/// The queues that an order may be parked in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Queue {
    /// No node has it.
    Unfillable,
    /// It names a node or a SKU that is not known.
    Unmapped,
    /// No zone is known for it.
    NoZone,
    /// Its pinned node is closed or full.
    Pinned,
}

impl Queue {
    /// As people write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Queue::Unfillable => "unfillable",
            Queue::Unmapped => "unmapped",
            Queue::NoZone => "no_zone",
            Queue::Pinned => "pinned",
        }
    }
}

impl OrderState {
    /// As people and queries write it; a parked order is `parked:QUEUE`.
    pub fn as_str(&self) -> &'static str {
        match self {
            OrderState::Review => "review",
            OrderState::Scheduled => "scheduled",
            OrderState::AwaitingPayment => "awaiting_payment",
            OrderState::Confirming => "confirming",
            OrderState::Routing => "routing",
            OrderState::Offered => "offered",
            OrderState::Parked(Queue::Unfillable) => "parked:unfillable",
            OrderState::Parked(Queue::Unmapped) => "parked:unmapped",
            OrderState::Parked(Queue::NoZone) => "parked:no_zone",
            OrderState::Parked(Queue::Pinned) => "parked:pinned",
            OrderState::InFulfilment => "in_fulfilment",
            OrderState::Completed => "completed",
            OrderState::Cancelled => "cancelled",
            OrderState::ShippedAfterCancel => "shipped_after_cancel",
        }
    }

    /// Every state.
    pub const ALL: [OrderState; 14] = [
        OrderState::Review,
        OrderState::Scheduled,
        OrderState::AwaitingPayment,
        OrderState::Confirming,
        OrderState::Routing,
        OrderState::Offered,
        OrderState::Parked(Queue::Unfillable),
        OrderState::Parked(Queue::Unmapped),
        OrderState::Parked(Queue::NoZone),
        OrderState::Parked(Queue::Pinned),
        OrderState::InFulfilment,
        OrderState::Completed,
        OrderState::Cancelled,
        OrderState::ShippedAfterCancel,
    ];

    /// True where nothing more will happen by itself.
    pub fn is_closed(&self) -> bool {
        matches!(self, OrderState::Completed | OrderState::Cancelled | OrderState::ShippedAfterCancel)
    }
}

impl std::fmt::Display for OrderState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for OrderState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|s| s.as_str() == text).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|s| s.as_str()).collect();
            let text: String = text.chars().take(40).collect();
            format!("{text:?} is no order state; one of {}", known.join(", "))
        })
    }
}
