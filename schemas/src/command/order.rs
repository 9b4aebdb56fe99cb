//! Commands about orders, through intake.

use serde::{Deserialize, Serialize};

use super::{Assigned, Hash16};
use crate::{
    geo::UnitVector,
    id::Identity,
    quantity::{Currency, Qty},
};

/// A new order or an order's full new state.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct OrderMessage {
    /// Set by INTAKE.
    pub to: Option<Assigned>,
    /// What INTAKE reads.
    pub head: OrderHead,
    /// Postcard of [`OrderBody`]: what ENGINE reads. INTAKE passes it on unread.
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
}

/// The part of an order that intake decides on.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct OrderHead {
    /// The platform's name of the order.
    pub identity: Identity,
    /// The source's version; a later one replaces an earlier one.
    pub version: Option<u64>,
    /// Stands in for the version where there is none, ms.
    pub updated_at: Option<i64>,
    /// Keyed hash of the plain content, so that a repeat is known and secrets are not.
    pub content: Hash16,
    /// When the customer ordered, ms.
    pub placed_at: Option<i64>,
    /// The node that the whole order names.
    pub pin: Option<Pin>,
    /// `CC` or `CC-prefix` (country, postal code) or a GB/T 2260 code: key for region → zone.
    pub region: Option<String>,
    /// How it came: decides what the same id with other content means.
    pub arrival: Arrival,
    /// Nodes that lines are bound to, each with its zone: INTAKE sets it, and keeps those of other zones than the home
    /// zone.
    pub elsewhere: Vec<(String, String)>,
}

/// A node named by the order or by a line.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Pin {
    /// The node.
    pub node: String,
    /// How much it binds.
    pub kind: PinKind,
}

/// How much a pin binds.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum PinKind {
    /// There first.
    #[default]
    Prefer,
    /// Nowhere else, and no rule is asked.
    Hard,
    /// Nowhere else, where the rules let it be asked.
    Only,
}

/// The road by which an order message came.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Arrival {
    /// HTTP: same id, other content is a conflict.
    #[default]
    Http,
    /// A raw topic: same id, later version is an amend.
    Raw,
}

/// The part of an order that the engine decides on.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct OrderBody {
    /// State of the payment as the order states it.
    pub payment: PaymentState,
    /// ISO currency of all amounts.
    pub currency: Currency,
    /// Amounts of the whole order.
    pub totals: Totals,
    /// When the customer was promised it, ms: from, to.
    pub promise: Option<(i64, i64)>,
    /// Not to be routed before, ms.
    pub not_before: Option<i64>,
    /// How the customer gets it.
    pub mode: DeliveryMode,
    /// Where it goes, rounded.
    pub to: Option<UnitVector>,
    /// Keyed hash of the recipient.
    pub recipient: Option<Hash16>,
    /// 0 first, 255 last; 100 where the source says nothing.
    pub priority: u8,
    /// At least one.
    pub lines: Vec<OrderLine>,
    /// Postcard of [`Display`]: what people see and nothing decides on.
    #[serde(with = "serde_bytes")]
    pub display: Vec<u8>,
}

/// A line, as far as the engine decides on it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct OrderLine {
    /// Name of the line, unique in its order.
    pub line: String,
    /// What is ordered.
    pub sku: String,
    /// How much, above zero.
    pub qty: Qty,
    /// Minor units a unit.
    pub unit_price: i64,
    /// Minor units off the line.
    pub discount: i64,
    /// Lines of one group go together where the rule keeps groups.
    pub group: Option<String>,
    /// The node that this line names.
    pub pin: Option<Pin>,
    /// What the store may do when it has none.
    pub substitution: Substitution,
    /// Day or seat class; at most one at behaviour level 1.
    pub buckets: Vec<String>,
}

/// What a store may do when it has none of a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Substitution {
    /// Leave it out.
    #[default]
    None,
    /// Ask the customer.
    Ask,
    /// Choose something like it.
    Similar,
}

/// Amounts of an order in minor units; in JSON, what is absent is zero.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Totals {
    /// Goods before discounts.
    #[schemars(range(min = 0, max = crate::limits::MONEY_MAX))]
    pub goods: i64,
    /// Discount borne by the platform.
    #[schemars(range(min = 0, max = crate::limits::MONEY_MAX))]
    pub discount_platform: i64,
    /// Discount borne by the seller.
    #[schemars(range(min = 0, max = crate::limits::MONEY_MAX))]
    pub discount_seller: i64,
    /// Delivery fee.
    #[schemars(range(min = 0, max = crate::limits::MONEY_MAX))]
    pub delivery: i64,
    /// Tax.
    #[schemars(range(min = 0, max = crate::limits::MONEY_MAX))]
    pub tax: i64,
    /// To be collected at the door.
    #[schemars(range(min = 0, max = crate::limits::MONEY_MAX))]
    pub due: i64,
}

/// How the customer gets the goods.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryMode {
    /// Brought to the address.
    #[default]
    Delivery,
    /// Collected at a node.
    Pickup,
    /// Nothing is brought or collected, or it does not matter how: tickets, rooms, services. Every node serves it.
    None,
}

/// The payment axis of an order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PaymentState {
    /// Nothing yet.
    #[default]
    None,
    /// The money is reserved.
    Authorised,
    /// The money is ours.
    Captured,
    /// Some of it went back.
    PartRefunded,
    /// All of it went back.
    Refunded,
    /// The payment did not work.
    Failed,
    /// Collected at the door.
    OnDelivery,
    /// Paid with points.
    Points,
}

/// What people see of an order.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Display {
    /// The number the customer knows.
    pub number: Option<String>,
    /// The store's running number of the day (流水号).
    pub day_sequence: Option<u32>,
    /// How it is paid.
    pub payment_method: Option<String>,
    /// BCP 47, for example `zh-CN`.
    pub language: Option<String>,
    /// The customer's remark.
    pub remark: Option<String>,
    /// Set for a gift. Sender and text name people: they are sealed with the recipient, and this text is empty.
    pub gift: Option<String>,
    /// Set where an invoice is asked for; sealed with the recipient, and this text is empty.
    pub invoice: Option<String>,
    /// The seller's member number.
    pub member: Option<String>,
    /// Free words.
    pub tags: Vec<String>,
    /// Name, phone and address of the recipient, sealed.
    pub recipient: Option<Sealed>,
    /// One for each line, in their order.
    pub lines: Vec<LineDisplay>,
}

/// What people see of a line.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct LineDisplay {
    /// The platform's id of the line's item.
    pub external_id: Option<String>,
    /// The item as the customer saw it.
    pub name: Option<String>,
    /// Chosen options.
    pub options: Vec<String>,
    /// Unit of the quantity, for example `kg`.
    pub unit: Option<String>,
    /// Names and documents of travellers or visitors, sealed, one a unit.
    pub travellers: Option<Sealed>,
}

/// Bytes that only the holder of the data key can read.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Sealed {
    /// Names the data key: 16-byte keyed hash of the order's identity.
    pub key: Hash16,
    /// Nonce and ciphertext.
    #[serde(with = "serde_bytes")]
    pub bytes: Vec<u8>,
}

/// Request: cancel.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Cancel {
    /// Set by INTAKE.
    pub to: Option<Assigned>,
    /// The platform's name of the order.
    pub identity: Identity,
    /// The source's version.
    pub version: Option<u64>,
    /// Stands in for the version, ms.
    pub updated_at: Option<i64>,
    /// Hash of the content: the same cancel again is a repeat.
    pub content: Hash16,
    /// Lines and quantities; empty: all that can be.
    pub lines: Vec<LineQty>,
    /// True: nodes that have picked are asked to give the units back. False: picked units stay.
    pub ask: bool,
}

/// So much of a line.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LineQty {
    /// Name of the line.
    #[schemars(length(min = 1, max = crate::limits::NAME_BYTES))]
    pub line: String,
    /// How much; absent: all.
    pub qty: Option<Qty>,
}

/// Fact: the payment.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct PaymentFact {
    /// Set by INTAKE.
    pub to: Option<Assigned>,
    /// The platform's name of the order.
    pub identity: Identity,
    /// Names this fact: the same again is a repeat.
    pub key: Hash16,
    /// What happened.
    pub state: PaymentState,
    /// Minor units; absent: all.
    pub amount: Option<i64>,
    /// When, ms.
    pub occurred_at: Option<i64>,
}

/// Fact: delivered.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Delivered {
    /// Set by INTAKE.
    pub to: Option<Assigned>,
    /// The platform's name of the order.
    pub identity: Identity,
    /// Names this fact: the same again is a repeat.
    pub key: Hash16,
    /// Lines and quantities; empty: all that is shipped.
    pub lines: Vec<LineQty>,
    /// When, ms.
    pub occurred_at: Option<i64>,
}
