//! The canonical JSON messages, as a stranger writes them. Unknown members never fail. Amounts are integers in
//! minor units, quantities numbers or strings with up to three decimals, times RFC 3339.

use router_schemas::{
    command::{
        order::{DeliveryMode, LineQty, PaymentState, Substitution, Totals},
        reference::RouteWhen,
        stock::{AdjustTarget, Basis},
    },
    quantity::{Currency, Qty},
};
use serde::{Deserialize, Serialize};

/// An instant, ms since 1970; RFC 3339 in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Instant(pub i64);

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = |_| serde::de::Error::custom("expected a time like 2026-05-04T10:00:00+08:00");
        text.parse::<jiff::Timestamp>().map(|t| Instant(t.as_millisecond())).map_err(wrong)
    }
}

/// `order.v1`: a new order, or an order's full new state.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[allow(missing_docs)]
pub struct Order {
    #[serde(default)]
    pub channel: String,
    #[serde(default)]
    pub account: String,
    /// The platform's id of the order.
    pub id: String,
    pub version: Option<u64>,
    pub updated_at: Option<Instant>,
    pub placed_at: Option<Instant>,
    /// The number that the customer knows.
    pub number: Option<String>,
    /// The store's running number of the day (流水号).
    pub day_sequence: Option<u32>,
    #[serde(default)]
    pub payment: Payment,
    #[serde(default)]
    pub currency: Currency,
    #[serde(default)]
    pub totals: Totals,
    pub promise: Option<Window>,
    pub not_before: Option<Instant>,
    #[serde(default)]
    pub delivery_mode: DeliveryMode,
    /// The node that must, or should, serve it.
    pub node: Option<String>,
    /// True: no other node.
    #[serde(default)]
    pub pinned: bool,
    pub recipient: Option<Recipient>,
    pub region: Option<String>,
    pub language: Option<String>,
    pub remark: Option<String>,
    pub gift: Option<String>,
    pub invoice: Option<String>,
    pub member: Option<String>,
    #[serde(default)]
    pub tags: Vec<String>,
    pub priority: Option<u8>,
    pub lines: Vec<Line>,
}

/// How far an order is paid, and how.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[allow(missing_docs)]
pub struct Payment {
    #[serde(default)]
    pub state: PaymentState,
    pub method: Option<String>,
}

/// From, to.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[allow(missing_docs)]
pub struct Window {
    pub from: Instant,
    pub to: Instant,
}

/// Who gets it. Everything but the rounded place is sealed before it reaches the log.
#[derive(Clone, Default, Deserialize, Serialize)]
#[allow(missing_docs)]
pub struct Recipient {
    pub name: Option<String>,
    pub phone: Option<String>,
    pub address: Option<String>,
    /// Degrees; rounded to 0.001 before it is kept.
    pub latitude: Option<f64>,
    pub longitude: Option<f64>,
}

impl std::fmt::Debug for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recipient(sealed)")
    }
}

/// A line of an order.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[allow(missing_docs)]
pub struct Line {
    /// Unique in the order; the line's place, from 1, where absent.
    pub id: Option<String>,
    pub sku: String,
    pub external_id: Option<String>,
    pub name: Option<String>,
    #[serde(default)]
    pub options: Vec<String>,
    pub qty: Qty,
    pub unit: Option<String>,
    #[serde(default)]
    pub unit_price: i64,
    #[serde(default)]
    pub discount: i64,
    pub group: Option<String>,
    #[serde(default)]
    pub substitution: Substitution,
    #[serde(default)]
    pub buckets: Vec<String>,
    pub node: Option<String>,
    #[serde(default)]
    pub pinned: bool,
    /// Sealed.
    #[serde(default, serialize_with = "as_text")]
    pub travellers: Vec<serde_json::Value>,
}

/// Values of any shape as their JSON text: two that differ differ in any form, also one that does not name types.
fn as_text<S: serde::Serializer>(values: &[serde_json::Value], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&serde_json::to_string(values).unwrap_or_default())
}

/// `cancel.v1`, `payment.v1` and `delivered.v1`: what is said of an order by its platform's name.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[allow(missing_docs)]
pub struct About {
    #[serde(default)]
    pub channel: String,
    #[serde(default)]
    pub account: String,
    pub id: String,
    pub version: Option<u64>,
    pub updated_at: Option<Instant>,
    /// Of a cancel and a delivery; empty: all.
    #[serde(default)]
    pub lines: Vec<LineQty>,
    /// Of a payment.
    #[serde(default)]
    pub state: PaymentState,
    /// Of a payment, minor units.
    pub amount: Option<i64>,
    pub occurred_at: Option<Instant>,
    /// Names this fact; the content does where it is absent.
    pub key: Option<String>,
}

/// `count.v1`, `receipt.v1`, `adjustment.v1`: what is said of a cell.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[allow(missing_docs)]
pub struct Stock {
    pub node: String,
    pub sku: String,
    #[serde(default)]
    pub bucket: String,
    /// Of a count and a receipt.
    pub qty: Option<Qty>,
    /// Of an adjustment; may be negative.
    pub delta: Option<Qty>,
    #[serde(default)]
    pub target: AdjustTarget,
    #[serde(default)]
    pub basis: Basis,
    /// Who counts.
    #[serde(default)]
    pub source: String,
    pub sequence: Option<u64>,
    pub observed_at: Option<Instant>,
    pub key: Option<String>,
}

/// `policy.v1`: how a cell may be used, whole: what is absent is none.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[allow(missing_docs)]
pub struct Policy {
    pub node: String,
    pub sku: String,
    #[serde(default)]
    pub bucket: String,
    #[serde(default)]
    pub safety_stock: Qty,
    /// Units that may be promised beyond stock: a quantity, or `"unlimited"`.
    #[serde(default)]
    pub backorder: Backorder,
    #[serde(default)]
    pub out_of_stock: bool,
}

/// A quantity, or `"unlimited"`.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(untagged, expecting = "expected a quantity or \"unlimited\"")]
#[allow(missing_docs)]
pub enum Backorder {
    Unlimited(Unlimited),
    Limited(Qty),
}

/// The word `unlimited`.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Unlimited {
    Unlimited,
}

impl Default for Backorder {
    fn default() -> Self {
        Backorder::Limited(Qty::default())
    }
}

/// `picked.v1`, `ready.v1`, `shipped.v1`, `returned.v1`: what a node says of an order.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[allow(missing_docs)]
pub struct AtNode {
    /// Our id of the order.
    pub order: router_schemas::id::OrderId,
    pub node: String,
    #[serde(default)]
    pub lines: Vec<LineQty>,
    pub carrier: Option<String>,
    pub tracking: Option<String>,
    #[serde(default)]
    pub restock: bool,
    pub occurred_at: Option<Instant>,
    pub key: Option<String>,
}

/// `zone.v1`, `channel.v1`, `region.v1`, `item.v1` and `node.v1` entries.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[allow(missing_docs)]
pub struct Zone {
    pub id: String,
    pub partition: Option<u16>,
}

/// A channel.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[allow(missing_docs)]
pub struct Channel {
    pub id: String,
    pub default_zone: Option<String>,
    #[serde(default)]
    pub groups: Vec<String>,
    #[serde(default)]
    pub route_when: RouteWhen,
}

/// A region and the zone that serves it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[allow(missing_docs)]
pub struct Region {
    pub id: String,
    pub zone: String,
    pub latitude: Option<f64>,
    pub longitude: Option<f64>,
}

/// A node. Without `open` it is always open.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[allow(missing_docs)]
pub struct Node {
    pub id: String,
    pub zone: String,
    #[serde(default)]
    pub name: String,
    #[serde(default = "yes")]
    pub enabled: bool,
    #[serde(default)]
    pub default: bool,
    pub latitude: Option<f64>,
    pub longitude: Option<f64>,
    #[serde(default)]
    pub groups: Vec<String>,
    #[serde(default = "both_modes")]
    pub modes: Vec<DeliveryMode>,
    pub capacity_at_once: Option<u32>,
    pub capacity_a_day: Option<u32>,
}

/// An item.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[allow(missing_docs)]
pub struct Item {
    pub sku: String,
    /// The default name.
    pub name: Option<String>,
    pub barcode: Option<String>,
    pub unit_step: Option<Qty>,
    #[serde(default)]
    pub untracked: bool,
}

fn yes() -> bool {
    true
}

fn both_modes() -> Vec<DeliveryMode> {
    vec![DeliveryMode::Delivery, DeliveryMode::Pickup]
}
