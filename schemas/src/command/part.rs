//! Parts of an order in another zone: the messages between home and the zone that fulfils. Request
//! and cancel are idempotent by (part, attempt); a report carries the part's whole state.

use serde::{Deserialize, Serialize};

use super::{hold::HoldLine, order::OrderMessage, stock::Allowance};
use crate::{
    id::{Identity, OrderId},
    quantity::Qty,
};

/// One attempt at a part. Request and cancel are idempotent by it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct PartRef {
    /// The order.
    pub order: OrderId,
    /// Number of the part within the order, from 1.
    pub part: u32,
    /// Number of the attempt, from 1.
    pub attempt: u32,
}

/// Home asks a zone to fulfil these lines.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Part {
    /// Which attempt at which part.
    pub part: PartRef,
    /// The home zone: where reports go.
    pub home: String,
    /// The zone asked.
    pub zone: String,
    /// Zones that gave it back before.
    pub visited: Vec<String>,
    /// The order with the lines of this part only.
    pub message: OrderMessage,
}

/// Home takes a part back.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PartCancel {
    /// Which attempt at which part.
    pub part: PartRef,
    /// The home zone: where reports go.
    pub home: String,
    /// The zone that has it.
    pub zone: String,
    /// Quantity per line that is no longer wanted, all cancels of this attempt together: the same again is a repeat.
    pub lines: Vec<(String, Qty)>,
    /// True: nodes that have picked are asked to give the units back. False: picked units stay.
    pub ask: bool,
}

/// The whole state of a part, per line. A higher number replaces a lower.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PartReport {
    /// Which attempt at which part.
    pub part: PartRef,
    /// The home zone.
    pub home: String,
    /// Number of the report within the attempt, from 1.
    pub report: u64,
    /// One for each line of the part.
    pub lines: Vec<PartLine>,
    /// The carrier's number, where units left with this report.
    pub tracking: Option<String>,
}

/// State of one line of a part.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct PartLine {
    /// Name of the line.
    pub line: String,
    /// Units allocated there.
    pub allocated: Qty,
    /// Units that left.
    pub shipped: Qty,
    /// Units cancelled there.
    pub cancelled: Qty,
    /// Units given back to home.
    pub given_back: Qty,
    /// Units open there: not yet allocated, or promised beyond stock.
    pub open: Qty,
    /// Of those that left, units that reached the customer.
    pub delivered: Qty,
    /// Of those that left, units that came back.
    pub returned: Qty,
    /// Units that home does not want any more, as far as the zone has heard of it: what of them it did not cancel or give
    /// back by now was too late.
    pub unwanted: Qty,
}

/// Home asks a zone to hold stock for a leg of an order's hold, or to end that. Idempotent by (order, leg, attempt).
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Leg {
    /// The order, as home knows it.
    pub order: OrderId,
    /// The platform's name of it.
    pub identity: Identity,
    /// Number of the leg within the hold, from 1.
    pub leg: u32,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// The home zone: where reports go.
    pub home: String,
    /// The zone asked.
    pub zone: String,
    /// What is asked.
    pub act: LegAct,
    /// What is to be held, of nodes of this zone; with a release, what of it stays held.
    pub lines: Vec<HoldLine>,
    /// Accepted beyond stock.
    pub beyond_stock: bool,
    /// Service time until it lapses, ms; absent: it does not.
    pub ttl: Option<i64>,
}

/// What is asked of a leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum LegAct {
    /// Hold it.
    #[default]
    Hold,
    /// All legs are held: keep it.
    Confirm,
    /// Another leg failed, or the hold ended: give it back.
    Release,
    /// It lapses at another time.
    Extend,
}

/// How a leg stands.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct LegReport {
    /// The order.
    pub order: OrderId,
    /// The leg.
    pub leg: u32,
    /// The attempt.
    pub attempt: u32,
    /// The home zone.
    pub home: String,
    /// True: held. False: it could not be held, lapsed, or was given back.
    pub held: bool,
    /// What is answered.
    pub act: LegAct,
}

/// What a zone keeps of a channel's share that was made smaller: what is in use cannot be taken away.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct ShareKept {
    /// The channel.
    pub channel: String,
    /// The zone.
    pub zone: String,
    /// The SKU.
    pub sku: String,
    /// Day or seat class; empty: none.
    pub bucket: String,
    /// Control position of the change that is answered.
    pub control: u64,
    /// What it keeps.
    pub kept: Allowance,
}
