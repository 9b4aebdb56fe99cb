//! Facts of a node about an order's units that it has.

use serde::{Deserialize, Serialize};

use super::{Hash16, order::LineQty};
use crate::id::OrderId;

/// Fact: units of an order at a node were picked, made ready, shipped or came back.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct NodeFact {
    /// The order.
    pub order: OrderId,
    /// The node that states it.
    pub node: String,
    /// Lines and quantities; empty: all that the node has of the order.
    pub lines: Vec<LineQty>,
    /// Names this fact: the same again is a repeat.
    pub key: Option<Hash16>,
    /// Who carries it.
    pub carrier: Option<String>,
    /// The carrier's number.
    pub tracking: Option<String>,
    /// Of returned units: put them back on the shelf.
    pub restock: bool,
    /// When, ms.
    pub occurred_at: Option<i64>,
}
