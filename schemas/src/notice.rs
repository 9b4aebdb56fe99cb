//! What others are told, as JSON: `stores.assignments`, `customers.notifications`, `stock.alerts`, `channels.availability`. Each
//! record is one object with `origin` first (`envelope::encode_json`), then the fields here.

use serde::Serialize;

use crate::{
    event::OfferClosed,
    id::{OfferId, OrderId},
    position::Position,
    quantity::Qty,
};

/// Work given to a store, or taken back: `stores.assignments`, keyed by order.
#[derive(Clone, PartialEq, Debug, Serialize, schemars::JsonSchema)]
pub struct Assignment<'a> {
    /// `assignment.v1`.
    #[serde(rename = "type")]
    #[schemars(extend("const" = "assignment.v1"))]
    pub kind: &'a str,
    /// `assigned`, `changed` (the lines are the whole new state), `withdrawn`, or `cancel_requested`: the node has until
    /// `deadline` to say whether it gives the units `asked` back.
    #[schemars(extend("enum" = ["assigned", "changed", "withdrawn", "cancel_requested"]))]
    pub event: &'a str,
    /// The store.
    pub node: &'a str,
    /// The order.
    pub order: OrderId,
    /// The channel.
    pub channel: &'a str,
    /// The platform's order id.
    pub external_id: &'a str,
    /// The number the customer knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<&'a str>,
    /// The store's running number of the day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day_sequence: Option<u32>,
    /// `delivery` or `pickup`.
    pub mode: crate::command::order::DeliveryMode,
    /// The customer's remark.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remark: Option<&'a str>,
    /// What the store is to send, whole: the last record wins.
    pub lines: Vec<AssignedLine<'a>>,
    /// Engine time of the next deadline of it, ms, if nothing interrupts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<i64>,
    /// The command that caused it.
    pub position: Position,
    /// Engine time, ms.
    pub at: i64,
}

/// A line of an assignment.
#[derive(Clone, PartialEq, Debug, Serialize, schemars::JsonSchema)]
pub struct AssignedLine<'a> {
    /// Name of the line.
    pub line: &'a str,
    /// The SKU.
    pub sku: &'a str,
    /// The item as the customer saw it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    /// Chosen options.
    #[serde(skip_serializing_if = "<[&str]>::is_empty")]
    pub options: &'a [&'a str],
    /// Units from stock.
    pub qty: Qty,
    /// Units to come.
    #[serde(skip_serializing_if = "Qty::is_zero")]
    pub backordered: Qty,
    /// Of those from stock, units that the store was asked to give back.
    #[serde(skip_serializing_if = "Qty::is_zero")]
    pub asked: Qty,
}

/// An offer to a store, or the end of one: `stores.assignments`, keyed by order.
#[derive(Clone, PartialEq, Debug, Serialize, schemars::JsonSchema)]
pub struct OfferNotice<'a> {
    /// `offer.v1`.
    #[serde(rename = "type")]
    #[schemars(extend("const" = "offer.v1"))]
    pub kind: &'a str,
    /// `offered` (the lines are the whole offer; again with a new epoch: it replaces the one before) or `closed`.
    #[schemars(extend("enum" = ["offered", "closed"]))]
    pub event: &'a str,
    /// Why it is closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<OfferClosed>,
    /// The store.
    pub node: &'a str,
    /// The order.
    pub order: OrderId,
    /// The offer.
    pub offer: OfferId,
    /// To be named by a claim.
    pub epoch: u32,
    /// The round, from 1.
    pub round: u32,
    /// Engine time, ms, at which it ends if nothing interrupts; absent: it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<i64>,
    /// Metres to the customer as the crow flies, in steps of 100; absent: not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distance_m: Option<u32>,
    /// The channel.
    pub channel: &'a str,
    /// The platform's order id.
    pub external_id: &'a str,
    /// The number the customer knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<&'a str>,
    /// The store's running number of the day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day_sequence: Option<u32>,
    /// `delivery` or `pickup`.
    pub mode: crate::command::order::DeliveryMode,
    /// The customer's remark.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remark: Option<&'a str>,
    /// What the store would send; none where it is closed.
    pub lines: Vec<AssignedLine<'a>>,
    /// The command that caused it.
    pub position: Position,
    /// Engine time, ms.
    pub at: i64,
}

/// What happened to a customer's order: `customers.notifications`, keyed by order.
#[derive(Clone, PartialEq, Debug, Serialize, schemars::JsonSchema)]
pub struct Notification<'a> {
    /// `notification.v1`.
    #[serde(rename = "type")]
    #[schemars(extend("const" = "notification.v1"))]
    pub kind: &'a str,
    /// `confirmed`, `delayed`, `changed`, `shipped`, `delivered`, `cancelled`, `cancel_denied` (a store that has picked
    /// the goods will send them) `refund_due`, `hold_lapses`, or
    /// of a hold over several zones `hold_confirmed` or `hold_failed`.
    #[schemars(extend("enum" = ["confirmed", "delayed", "changed", "shipped", "delivered", "cancelled", "cancel_denied", "refund_due", "hold_lapses", "hold_confirmed", "hold_failed"]))]
    pub event: &'a str,
    /// The order.
    pub order: OrderId,
    /// The channel.
    pub channel: &'a str,
    /// The platform's order id.
    pub external_id: &'a str,
    /// The customer's language, BCP 47.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<&'a str>,
    /// The order's state.
    pub state: &'a str,
    /// Minor units, for `refund_due`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<i64>,
    /// The carrier's number, for `shipped`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracking: Option<&'a str>,
    /// The command that caused it.
    pub position: Position,
    /// Engine time, ms.
    pub at: i64,
}

/// Something about stock that someone should look at: `stock.alerts`, keyed by cell.
#[derive(Clone, PartialEq, Debug, Serialize, schemars::JsonSchema)]
pub struct StockAlert<'a> {
    /// `stock_alert.v1`.
    #[serde(rename = "type")]
    #[schemars(extend("const" = "stock_alert.v1"))]
    pub kind: &'a str,
    /// `oversold`, `drift` or `recovered`; of a channel's pool `low` or `low_recovered`.
    #[schemars(extend("enum" = ["oversold", "drift", "recovered", "low", "low_recovered"]))]
    pub event: &'a str,
    /// The node; empty where it is about a channel's pool.
    pub node: &'a str,
    /// The channel, where it is about its pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<&'a str>,
    /// The SKU.
    pub sku: &'a str,
    /// The bucket; absent: none.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub bucket: &'a str,
    /// By how much.
    pub qty: Qty,
    /// The command that caused it.
    pub position: Position,
    /// Engine time, ms.
    pub at: i64,
}

/// What a channel may sell of a SKU in a zone: `channels.availability`, keyed by SKU. A platform sums over the zones, for
/// display only.
#[derive(Clone, PartialEq, Debug, Serialize, schemars::JsonSchema)]
pub struct Availability<'a> {
    /// `availability.v1`.
    #[serde(rename = "type")]
    #[schemars(extend("const" = "availability.v1"))]
    pub kind: &'a str,
    /// The channel.
    pub channel: &'a str,
    /// The zone.
    pub zone: &'a str,
    /// The SKU.
    pub sku: &'a str,
    /// The bucket; absent: none.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub bucket: &'a str,
    /// Units; null: any number.
    pub available: Option<Qty>,
    /// Below the channel's low mark.
    pub low: bool,
    /// The command that caused it.
    pub position: Position,
    /// Engine time, ms.
    pub at: i64,
}
