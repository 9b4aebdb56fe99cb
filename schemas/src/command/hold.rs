//! Holds: stock kept for an order for a time, before it is placed or paid. Through intake, by order identity.

use serde::{Deserialize, Serialize};

use super::{Assigned, Hash16, order::LineQty, stock::Allowance};
use crate::{id::Identity, quantity::Qty};

/// Request: sets the order's hold, line by line, to these quantities, all or nothing. The same again changes nothing.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Reserve {
    /// Set by INTAKE.
    pub to: Option<Assigned>,
    /// The platform's name of the order, which may not be placed yet.
    pub identity: Identity,
    /// Names this request: the same again is a repeat.
    pub key: Hash16,
    /// Pinned: at this node only, against its ATP. Absent: anywhere in the channel's pool, against its ATS.
    pub node: Option<String>,
    /// As of an order: key for region → zone.
    pub region: Option<String>,
    /// At least one.
    pub lines: Vec<HoldLine>,
    /// Accepted beyond stock, and all of it is held.
    pub beyond_stock: bool,
    /// Service time until it lapses, ms; absent: it does not.
    pub ttl: Option<i64>,
}

/// A line of a hold.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct HoldLine {
    /// Name of the line.
    pub line: String,
    /// The SKU.
    pub sku: String,
    /// Days or seat classes, each with the whole quantity; empty: none. Several are at one node, all or nothing.
    pub buckets: Vec<String>,
    /// How much; zero takes the line out of the hold.
    pub qty: Qty,
    /// A node of its own, which may be in another zone: then the hold is confirmed when all zones have confirmed.
    pub node: Option<String>,
    /// Set by INTAKE: the zone of the node, where that is not the home zone.
    pub zone: Option<String>,
}

/// Request: a hold lapses later.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Extend {
    /// Set by INTAKE.
    pub to: Option<Assigned>,
    /// The platform's name of the order.
    pub identity: Identity,
    /// Names this request: the same again is a repeat.
    pub key: Hash16,
    /// Service time from now until it lapses, ms; absent: it does not.
    pub ttl: Option<i64>,
}

/// Request: gives back holds and allocations of the order; what was allocated is open again and waits until someone
/// has it routed.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Release {
    /// Set by INTAKE.
    pub to: Option<Assigned>,
    /// The platform's name of the order.
    pub identity: Identity,
    /// Names this request: the same again is a repeat.
    pub key: Hash16,
    /// Lines and quantities; empty: all that is held or allocated and not picked.
    pub lines: Vec<LineQty>,
}

/// Request: what a channel keeps back and may promise beyond stock of a SKU in a zone.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct ChannelPolicy {
    /// The channel.
    pub channel: String,
    /// The zone.
    pub zone: String,
    /// The SKU.
    pub sku: String,
    /// Day or seat class; empty: none.
    pub bucket: String,
    /// Kept back from `reserve` and from what platforms are told.
    pub threshold: Qty,
    /// What may be reserved beyond stock.
    pub backorder: Allowance,
}
