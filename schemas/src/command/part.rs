//! Parts of an order in another zone: the messages between home and the zone that fulfils. Level 1 of the
//! engine forwards nothing and answers them as refused; their form is fixed here because logs outlive levels.

use serde::{Deserialize, Serialize};

use super::order::OrderMessage;
use crate::{id::OrderId, quantity::Qty};

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
    /// The zone that has it.
    pub zone: String,
    /// Quantity per line that is no longer wanted.
    pub lines: Vec<(String, Qty)>,
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
}
