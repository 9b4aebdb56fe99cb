//! What others are told, as JSON: `stores.assignments`, `customers.notifications`, `stock.alerts`. Each
//! record is one object with `origin` first (`envelope::encode_json`), then the fields here.

use serde::Serialize;

use crate::{
    event::OfferClosed,
    id::{OfferId, OrderId},
    position::Position,
    quantity::Qty,
};

/// Work given to a store, or taken back: `stores.assignments`, keyed by order.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Assignment<'a> {
    /// `assignment.v1`.
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// `assigned`, `changed` (the lines are the whole new state) or `withdrawn`.
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
    /// The command that caused it.
    pub position: Position,
    /// Engine time, ms.
    pub at: i64,
}

/// A line of an assignment.
#[derive(Clone, PartialEq, Debug, Serialize)]
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
}

/// An offer to a store, or the end of one: `stores.assignments`, keyed by order.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct OfferNotice<'a> {
    /// `offer.v1`.
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// `offered` (the lines are the whole offer; again with a new epoch: it replaces the one before) or `closed`.
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
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Notification<'a> {
    /// `notification.v1`.
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// `confirmed`, `delayed`, `changed`, `shipped`, `delivered`, `cancelled` or `refund_due`.
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
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct StockAlert<'a> {
    /// `stock_alert.v1`.
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// `oversold`, `drift` or `recovered`.
    pub event: &'a str,
    /// The node.
    pub node: &'a str,
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
