//! What is asked to be kept for orders, and what channels may promise.

use router_schemas::{
    command::order::LineQty,
    limits::{BUCKETS, EXTERNAL_ID_BYTES, HOLD_LINES, LINES, NAME_BYTES},
    quantity::Qty,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Backorder;

/// Seconds in 400 days, the longest time to live.
const TTL_S: u32 = 400 * 86_400;

/// `reserve.v1`: sets what is kept for an order, line by line, all of the lines or none. It needs a key, here or as
/// `Idempotency-Key`: the same line again may mean another time to live.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub struct Reserve {
    /// The channel it came by.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub channel: String,
    /// The seller's account at the channel.
    #[serde(default)]
    #[schemars(length(max = NAME_BYTES))]
    pub account: String,
    /// The platform's id of the order, which may not be placed yet.
    #[schemars(length(min = 1, max = EXTERNAL_ID_BYTES))]
    pub id: String,
    /// At this node only; absent: anywhere in the channel's pool.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub node: Option<String>,
    /// As of an order: `CC`, `CC-` and the postal code, or a GB/T 2260 code.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub region: Option<String>,
    /// What is kept.
    #[schemars(length(min = 1, max = HOLD_LINES))]
    pub lines: Vec<ReserveLine>,
    /// True: accepted beyond stock, and all of it is kept.
    #[serde(default)]
    pub beyond_stock: bool,
    /// Seconds until it lapses; absent: it does not.
    #[schemars(range(min = 1, max = TTL_S))]
    pub ttl_s: Option<u32>,
    /// Names this request: the same again is a repeat.
    #[schemars(length(min = 1, max = EXTERNAL_ID_BYTES))]
    pub key: Option<String>,
}

/// A line of `reserve.v1`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub struct ReserveLine {
    /// Name of the line.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub line: String,
    /// The SKU.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub sku: String,
    /// Days or seat classes, each with the whole quantity, all at one node; empty: none.
    #[serde(default)]
    #[schemars(length(max = BUCKETS), inner(length(min = 1, max = NAME_BYTES)))]
    pub buckets: Vec<String>,
    /// How much; zero takes the line out.
    pub qty: Qty,
    /// A node of its own.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub node: Option<String>,
}

/// `extend.v1`: what is kept for the order lapses later. It needs a key, here or as `Idempotency-Key`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub struct Extend {
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
    /// Seconds from now until it lapses; absent: it does not.
    #[schemars(range(min = 1, max = TTL_S))]
    pub ttl_s: Option<u32>,
    /// Names this request: the same again is a repeat.
    #[schemars(length(min = 1, max = EXTERNAL_ID_BYTES))]
    pub key: Option<String>,
}

/// `release.v1`: gives back what is kept and allocated for the order, which stays open. It needs a key, here or as
/// `Idempotency-Key`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub struct Release {
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
    /// Lines and quantities; absent: all that is kept or allocated and not picked.
    #[schemars(length(min = 1, max = LINES))]
    pub lines: Option<Vec<LineQty>>,
    /// Names this request: the same again is a repeat.
    #[schemars(length(min = 1, max = EXTERNAL_ID_BYTES))]
    pub key: Option<String>,
}

/// `channel_policy.v1`: what a channel keeps back and may promise beyond stock of a SKU in a zone, whole: what is absent
/// is none.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub struct ChannelPolicy {
    /// The channel.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub channel: String,
    /// The zone.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub zone: String,
    /// The SKU.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub sku: String,
    /// Day or seat class; empty: none.
    #[serde(default)]
    #[schemars(length(max = NAME_BYTES))]
    pub bucket: String,
    /// Kept back from `reserve` and from what platforms are told, zero or more.
    #[serde(default)]
    pub threshold: Qty,
    /// What may be reserved beyond stock.
    #[serde(default)]
    pub backorder: Backorder,
}

/// `quota.v1`: a number of a whole channel for a SKU, split into shares of zones.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub struct Quota {
    /// The channel.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub channel: String,
    /// The SKU.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub sku: String,
    /// Day or seat class; empty: none.
    #[serde(default)]
    #[schemars(length(max = NAME_BYTES))]
    pub bucket: String,
    /// Kept back in each zone, zero or more.
    #[serde(default)]
    pub threshold: Qty,
    /// What may be reserved beyond stock in all zones together.
    #[serde(default)]
    pub backorder: Backorder,
    /// Zones and their weights; empty: all zones alike.
    #[serde(default)]
    #[schemars(length(max = ZONES))]
    pub weights: Vec<QuotaWeight>,
}

/// The most zones of one quota.
pub const ZONES: usize = 1_000;

/// How much of a quota a zone gets, against the others.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub struct QuotaWeight {
    /// The zone.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub zone: String,
    /// Its weight.
    pub weight: u32,
}
