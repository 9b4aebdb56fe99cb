//! What is said of an order by its platform's name, of a stock cell, and by a node of an order.

use router_schemas::{
    command::{
        order::{LineQty, PaymentState},
        stock::{AdjustTarget, Basis},
    },
    id::OrderId,
    limits::{EXTERNAL_ID_BYTES, LINES, MONEY_MAX, NAME_BYTES},
    quantity::Qty,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Instant;

/// `cancel.v1`: cancel the order, or some of it.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub struct Cancel {
    /// The channel it came by.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub channel: String,
    /// The seller's account at the channel.
    #[serde(default)]
    #[schemars(length(max = NAME_BYTES))]
    pub account: String,
    /// The platform's id of the order.
    #[schemars(length(min = 1, max = EXTERNAL_ID_BYTES))]
    pub id: String,
    /// The source's version.
    pub version: Option<u64>,
    /// Stands in for the version.
    pub updated_at: Option<Instant>,
    /// Lines and quantities; absent: all that can be.
    #[schemars(length(min = 1, max = LINES))]
    pub lines: Option<Vec<LineQty>>,
    /// True: nodes that have picked are asked to give the units back. False: picked units stay.
    #[serde(default)]
    pub ask: bool,
    /// Names this cancel: the same again is a repeat. The content does where it is absent.
    #[schemars(length(min = 1, max = EXTERNAL_ID_BYTES))]
    pub key: Option<String>,
}

/// `payment.v1`: the payment's state changed.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub struct PaymentFact {
    /// The channel it came by.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub channel: String,
    /// The seller's account at the channel.
    #[serde(default)]
    #[schemars(length(max = NAME_BYTES))]
    pub account: String,
    /// The platform's id of the order.
    #[schemars(length(min = 1, max = EXTERNAL_ID_BYTES))]
    pub id: String,
    /// What happened.
    pub state: PaymentState,
    /// Minor units; absent: all.
    #[schemars(range(min = 0, max = MONEY_MAX))]
    pub amount: Option<i64>,
    /// When.
    pub occurred_at: Option<Instant>,
    /// Names this fact: the same again is a repeat. The content does where it is absent.
    #[schemars(length(min = 1, max = EXTERNAL_ID_BYTES))]
    pub key: Option<String>,
}

/// `delivered.v1`: goods reached the customer.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub struct Delivered {
    /// The channel it came by.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub channel: String,
    /// The seller's account at the channel.
    #[serde(default)]
    #[schemars(length(max = NAME_BYTES))]
    pub account: String,
    /// The platform's id of the order.
    #[schemars(length(min = 1, max = EXTERNAL_ID_BYTES))]
    pub id: String,
    /// Lines and quantities; absent: all that is shipped.
    #[schemars(length(min = 1, max = LINES))]
    pub lines: Option<Vec<LineQty>>,
    /// When.
    pub occurred_at: Option<Instant>,
    /// Names this fact: the same again is a repeat. The content does where it is absent.
    #[schemars(length(min = 1, max = EXTERNAL_ID_BYTES))]
    pub key: Option<String>,
}

/// `count.v1`: someone counted.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub struct Count {
    /// Where.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub node: String,
    /// What.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub sku: String,
    /// Day or seat class; empty: none.
    #[serde(default)]
    #[schemars(length(max = NAME_BYTES))]
    pub bucket: String,
    /// The number found, zero or more.
    pub qty: Qty,
    /// What the number includes.
    #[serde(default)]
    pub basis: Basis,
    /// Who counts: sequences of one source are compared with each other only.
    #[serde(default)]
    #[schemars(length(max = NAME_BYTES))]
    pub source: String,
    /// The source's running number: one not above the last is stale.
    pub sequence: Option<u64>,
    /// When it was seen.
    pub observed_at: Option<Instant>,
    /// Names this fact: the same again is a repeat.
    #[schemars(length(min = 1, max = EXTERNAL_ID_BYTES))]
    pub key: Option<String>,
}

/// `receipt.v1`: goods arrived. It needs a key, here or as `Idempotency-Key`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub struct Receipt {
    /// Where.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub node: String,
    /// What.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub sku: String,
    /// Day or seat class; empty: none.
    #[serde(default)]
    #[schemars(length(max = NAME_BYTES))]
    pub bucket: String,
    /// How much, above zero.
    pub qty: Qty,
    /// Names this fact: the same again is a repeat.
    #[schemars(length(min = 1, max = EXTERNAL_ID_BYTES))]
    pub key: Option<String>,
}

/// `adjustment.v1`: a correction, or goods blocked and unblocked. It needs a key, here or as `Idempotency-Key`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub struct Adjustment {
    /// Where.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub node: String,
    /// What.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub sku: String,
    /// Day or seat class; empty: none.
    #[serde(default)]
    #[schemars(length(max = NAME_BYTES))]
    pub bucket: String,
    /// Added to the number; below zero takes away. Not zero.
    pub delta: Qty,
    /// Which number of the cell.
    #[serde(default)]
    pub target: AdjustTarget,
    /// Names this fact: the same again is a repeat.
    #[schemars(length(min = 1, max = EXTERNAL_ID_BYTES))]
    pub key: Option<String>,
}

/// `policy.v1`: how a cell may be used, whole: what is absent is none.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub struct Policy {
    /// Where.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub node: String,
    /// What.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub sku: String,
    /// Day or seat class; empty: none.
    #[serde(default)]
    #[schemars(length(max = NAME_BYTES))]
    pub bucket: String,
    /// Kept back, zero or more.
    #[serde(default)]
    pub safety_stock: Qty,
    /// Units that may be promised beyond stock.
    #[serde(default)]
    pub backorder: Backorder,
    /// True: nothing is available here, whatever the count says.
    #[serde(default)]
    pub out_of_stock: bool,
    /// Units sold a week, for the sort `weeks_of_supply`; absent: not known.
    pub weekly_sales: Option<Qty>,
}

/// A quantity, or `"unlimited"`.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(untagged, expecting = "expected a quantity or \"unlimited\"")]
pub enum Backorder {
    /// Any number.
    Unlimited(Unlimited),
    /// So many units.
    Limited(Qty),
}

/// The word `unlimited`.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unlimited {
    /// Any number.
    Unlimited,
}

impl Default for Backorder {
    fn default() -> Self {
        Backorder::Limited(Qty::default())
    }
}

/// `picked.v1`: units are off the shelf; `ready.v1`: they wait for the carrier or the customer; `accepted.v1`: the node
/// will send them.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub struct AtNode {
    /// Our id of the order.
    pub order: OrderId,
    /// The node that states it.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub node: String,
    /// Lines and quantities; absent: all that the node has of the order.
    #[schemars(length(min = 1, max = LINES))]
    pub lines: Option<Vec<LineQty>>,
    /// When.
    pub occurred_at: Option<Instant>,
    /// Names this fact: the same again is a repeat. The content does where it is absent.
    #[schemars(length(min = 1, max = EXTERNAL_ID_BYTES))]
    pub key: Option<String>,
}

/// `shipped.v1`: units left the node.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub struct Shipped {
    /// Our id of the order.
    pub order: OrderId,
    /// The node that states it.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub node: String,
    /// Lines and quantities; absent: all that the node has of the order.
    #[schemars(length(min = 1, max = LINES))]
    pub lines: Option<Vec<LineQty>>,
    /// Who carries it.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub carrier: Option<String>,
    /// The carrier's number.
    #[schemars(length(min = 1, max = EXTERNAL_ID_BYTES))]
    pub tracking: Option<String>,
    /// When.
    pub occurred_at: Option<Instant>,
    /// Names this fact: the same again is a repeat. The content does where it is absent.
    #[schemars(length(min = 1, max = EXTERNAL_ID_BYTES))]
    pub key: Option<String>,
}

/// `returned.v1`: units came back to a node.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub struct Returned {
    /// Our id of the order.
    pub order: OrderId,
    /// The node that has them.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub node: String,
    /// Lines and quantities; absent: all that the node shipped.
    #[schemars(length(min = 1, max = LINES))]
    pub lines: Option<Vec<LineQty>>,
    /// True: they go back on the shelf.
    #[serde(default)]
    pub restock: bool,
    /// When.
    pub occurred_at: Option<Instant>,
    /// Names this fact: the same again is a repeat. The content does where it is absent.
    #[schemars(length(min = 1, max = EXTERNAL_ID_BYTES))]
    pub key: Option<String>,
}
