//! The steps of a scenario.

use serde::{Deserialize, Serialize};

use super::format::{Amount, Backorder, Change, Expect, is_no};

/// One thing that is done.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Step {
    /// A new order, or several alike.
    Place(Place),
    /// Sets an order's hold.
    Reserve(Reserve),
    /// Gives back holds and allocations.
    Release(OfOrder),
    /// What is allocated leaves.
    Ship(OfOrder),
    /// Cancels what is not shipped.
    Cancel(OfOrder),
    /// More on hand.
    Receive(OfCell),
    /// More or less on hand.
    Adjust(OfCell),
    /// A node wants an order.
    Claim(Claim),
    /// A node does not want an order.
    Decline(Decline),
    /// Numbers of a channel.
    Policy(Policy),
    /// Time passes.
    Advance(Advance),
    /// Who would be asked.
    Query(Query),
}

impl Step {
    /// Its idempotency key.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Place(step) => step.key.as_deref(),
            Self::Reserve(step) => step.key.as_deref(),
            Self::Release(step) | Self::Ship(step) | Self::Cancel(step) => step.key.as_deref(),
            Self::Receive(step) | Self::Adjust(step) => step.key.as_deref(),
            Self::Claim(step) => step.key.as_deref(),
            Self::Decline(step) => step.key.as_deref(),
            Self::Policy(_) | Self::Advance(_) | Self::Query(_) => None,
        }
    }

    /// What is expected after it; a query's answer is expected with the query.
    pub fn expect(&self) -> Option<&Expect> {
        match self {
            Self::Place(step) => step.expect.as_ref(),
            Self::Reserve(step) => step.expect.as_ref(),
            Self::Release(step) | Self::Ship(step) | Self::Cancel(step) => step.expect.as_ref(),
            Self::Receive(step) | Self::Adjust(step) => step.expect.as_ref(),
            Self::Claim(step) => step.expect.as_ref(),
            Self::Decline(step) => step.expect.as_ref(),
            Self::Policy(step) => step.expect.as_ref(),
            Self::Advance(step) => step.expect.as_ref(),
            Self::Query(_) => None,
        }
    }
}

/// A new order, or several alike.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Its name.
    pub order: String,
    /// So many, `o-1` … `o-n`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Absent: `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// Where it goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// For the sort `preferred`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_node: Option<String>,
    /// What is ordered.
    pub lines: Vec<OrderLine>,
    /// Idempotency key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Checked after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expect>,
}

impl Place {
    /// The orders that it places.
    pub fn names(&self) -> Vec<String> {
        match self.count {
            None => vec![self.order.clone()],
            Some(count) => (1..=count).map(|n| format!("{}-{n}", self.order)).collect(),
        }
    }
}

/// An address.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// Degrees; both or neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lat: Option<f64>,
    /// Degrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lng: Option<f64>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// A line of an order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderLine {
    /// Its name.
    pub line: String,
    /// What.
    pub sku: String,
    /// How much.
    pub qty: Amount,
    /// Of a unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Amount>,
    /// Only there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Its group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// Sets an order's hold, line by line.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reserve {
    /// Whose.
    pub order: String,
    /// Not pinned: in this channel's nodes; absent with `node` too: `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// Pinned there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Accepted beyond stock.
    #[serde(default, skip_serializing_if = "is_no")]
    pub allow_backorder: bool,
    /// Lapses after so long; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_s: Option<u64>,
    /// All or none.
    pub lines: Vec<OrderLine>,
    /// Idempotency key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Checked after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expect>,
}

/// `release`, `ship` and `cancel`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfOrder {
    /// Which.
    pub order: String,
    /// Absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<Vec<LineAmount>>,
    /// Idempotency key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Checked after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expect>,
}

/// So much of a line.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineAmount {
    /// Its name.
    pub line: String,
    /// How much.
    pub qty: Amount,
}

/// `receive` and `adjust`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfCell {
    /// Where.
    pub node: String,
    /// What.
    pub sku: String,
    /// How much more.
    pub qty: Change,
    /// Idempotency key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Checked after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expect>,
}

/// A node claims with the epoch of the last offer that it knows of.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// Which order.
    pub order: String,
    /// Who.
    pub node: String,
    /// Idempotency key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Checked after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expect>,
}

/// A node declines an offer, or gives back what it has.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decline {
    /// Which order.
    pub order: String,
    /// Who.
    pub node: String,
    /// Why.
    pub reason: String,
    /// Idempotency key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Checked after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expect>,
}

/// Sets a channel's numbers for a SKU.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Which.
    pub channel: String,
    /// Of what.
    pub sku: String,
    /// Kept back.
    pub threshold: Amount,
    /// Promised beyond stock.
    pub backorder: Backorder,
    /// Checked after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expect>,
}

/// Time passes, without an outage.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Advance {
    /// So long.
    pub seconds: u64,
    /// Checked after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expect>,
}

/// Candidates by the first routing and rule, ranked, as if such an order were placed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// What is asked.
    pub what: What,
    /// Absent: `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// Where it would go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// For the sort `preferred`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_node: Option<String>,
    /// What would be ordered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<OrderLine>,
    /// The answer.
    pub expect: super::expect::QueryExpect,
}

/// What a query asks.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    Candidates,
}
