//! What a scenario expects. Only what is written is checked.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::format::{Amount, Quantity};

/// What is expected after a step, or at the end. The first three are about the step itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// Done or refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// One of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Vec<Reason>>,
    /// Exactly these quantities of holds and allocations were given back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub released: Option<Vec<SkuAmount>>,
    /// Open units of the orders of this scenario.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocations: Option<Allocations>,
    /// Every unit that is neither shipped nor cancelled is allocated from on hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shippable: Option<bool>,
    /// Pairs of order and node with open allocations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fulfilments: Option<u64>,
    /// Exactly these nodes have open allocations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes_used: Option<BTreeSet<String>>,
    /// At a node, or over all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_hand: Option<Vec<NodeSkuAmount>>,
    /// At a node, or over all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocated: Option<Vec<NodeSkuAmount>>,
    /// Live holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<Vec<Held>>,
    /// ATP of nodes, or ATS of a channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub available: Option<Vec<Available>>,
    /// Exactly these nodes have an open offer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offered_to: Option<BTreeSet<String>>,
    /// The node that has claimed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub winner: Option<String>,
    /// Node → exactly these orders in its list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_offers: Option<BTreeMap<String, BTreeSet<String>>>,
    /// Claims accepted in the whole scenario, repeats not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claims_ok: Option<ClaimsOk>,
    /// Node → exactly these orders of which it has shipped anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed: Option<BTreeMap<String, BTreeSet<String>>>,
    /// Rule → orders that it allocated anything to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orders_by_rule: Option<BTreeMap<String, u64>>,
    /// Queue → orders parked there with nothing allocated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queued: Option<BTreeMap<String, u64>>,
}

/// How a step ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    #[default]
    Ok,
    Refused,
}

/// Why it was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    NoStock,
    NoCapacity,
    Taken,
    Expired,
    NotOffered,
    Invalid,
}

/// So much of a SKU.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SkuAmount {
    pub sku: String,
    pub qty: Amount,
}

/// So much of a SKU at a node, or over all nodes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeSkuAmount {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    pub sku: String,
    pub qty: Amount,
}

/// Open allocations.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allocations {
    #[serde(rename = "match")]
    pub matching: Matching,
    pub rows: Vec<AllocationRow>,
}

/// How rows are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Matching {
    /// By node, SKU and state, no others.
    Exact,
    /// By SKU and state, no others.
    Totals,
}

/// A row of open allocations.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllocationRow {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    pub sku: String,
    pub qty: Amount,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
}

/// What units are promised from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    OnHand,
    Backorder,
}

/// Live holds of an order or all, at a node or anywhere.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    pub sku: String,
    pub qty: Amount,
}

/// What is there to promise.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Available {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<BTreeSet<String>>,
    pub sku: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qty: Option<Quantity>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub can: Option<Vec<Can>>,
}

/// May this quantity be promised?
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Can {
    pub qty: Amount,
    pub ok: bool,
}

/// How many claims were accepted.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimsOk {
    Exactly(u64),
    AtMost(u64),
}

/// What a query should answer.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QueryExpect {
    /// Exactly these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<Vec<String>>,
    /// In this order, or in any.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    pub matching: Option<NodesMatch>,
    /// The best one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// Sort → node → its value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<BTreeMap<String, BTreeMap<String, Amount>>>,
}

/// How the nodes of an answer are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodesMatch {
    Ordered,
    Set,
}
