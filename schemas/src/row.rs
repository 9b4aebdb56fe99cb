//! Whole images of the rows that queries read. The last one, by hybrid time, wins; a repeat is harmless.

use serde::{Deserialize, Serialize};

use crate::{
    command::{
        order::{DeliveryMode, PaymentState, Totals},
        part::PartRef,
        reference::Reference,
        stock::{Allowance, CellName},
    },
    event::{OfferClosed, OrderState},
    geo::UnitVector,
    id::{Identity, OfferId, OrderId},
    quantity::{Currency, Qty},
};

/// A row image.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Row {
    /// An order.
    Order(Box<OrderRow>),
    /// A stock cell.
    Cell(CellRow),
    /// An entry of a reference table.
    Reference(Reference),
    /// An offer.
    Offer(Box<OfferRow>),
    /// What is held for an order before it is placed, or beside its lines.
    Hold(HoldRow),
    /// How a node stands.
    Node(NodeRow),
    /// What a channel keeps back and may promise, and what it may sell now.
    Pool(PoolRow),
}

/// An order as it stands.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct OrderRow {
    /// Our id.
    pub order: OrderId,
    /// The platform's name.
    pub identity: Identity,
    /// Home zone; empty while none is known.
    pub zone: String,
    /// Derived state.
    pub state: OrderState,
    /// Payment axis.
    pub payment: PaymentState,
    /// Minor units refunded so far.
    pub refunded: i64,
    /// The source's version.
    pub version: Option<u64>,
    /// Engine time of the first command, ms.
    pub created_at: i64,
    /// Engine time of this change, ms.
    pub changed_at: i64,
    /// When the customer ordered, ms.
    pub placed_at: Option<i64>,
    /// Promise window, ms.
    pub promise: Option<(i64, i64)>,
    /// Not before, ms.
    pub not_before: Option<i64>,
    /// How the customer gets it.
    pub mode: DeliveryMode,
    /// Where it goes.
    pub to: Option<UnitVector>,
    /// 0 first.
    pub priority: u8,
    /// ISO currency.
    pub currency: Currency,
    /// Amounts.
    pub totals: Totals,
    /// How often the order was changed by us or others; 1 for a new row.
    pub revision: u32,
    /// Lines in their order; amended-away lines stay with zero.
    pub lines: Vec<LineRow>,
    /// Units at nodes, and units that left nodes.
    pub fulfilments: Vec<FulfilmentRow>,
    /// Postcard of [`crate::command::order::Display`].
    #[serde(with = "serde_bytes")]
    pub display: Vec<u8>,
    /// A part of an order whose home is another zone: which, and the home zone.
    pub part_of: Option<(PartRef, String)>,
    /// Parts of it in other zones.
    pub parts: Vec<PartRow>,
    /// Nodes that declined it and are not asked again.
    pub declined: Vec<String>,
}

/// A part of an order in another zone, as home knows it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct PartRow {
    /// Number of the part, and of its present attempt.
    pub part: u32,
    /// Number of the attempt.
    pub attempt: u32,
    /// The zone that has it.
    pub zone: String,
    /// Zones that gave it back before.
    pub visited: Vec<String>,
    /// The last report taken.
    pub report: u64,
    /// Line index, units there that are neither shipped, cancelled nor given back.
    pub away: Vec<(u16, Qty)>,
}

/// An offer as it stands.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct OfferRow {
    /// Its id.
    pub offer: OfferId,
    /// The order.
    pub order: OrderId,
    /// The platform's name of the order.
    pub identity: Identity,
    /// The zone.
    pub zone: String,
    /// The rule that made it: rule set, version, routing, rule.
    pub rule: (String, u32, String, String),
    /// Raised with every round and every give-back.
    pub epoch: u32,
    /// The round, from 1.
    pub round: u32,
    /// How it stands.
    pub state: OfferState,
    /// Engine time at which it was first made, ms.
    pub created_at: i64,
    /// Service time at which the round ends, ms; absent: never.
    pub expires: Option<i64>,
    /// Engine time at which the round ends if nothing interrupts, ms: for a countdown.
    pub deadline: Option<i64>,
    /// Line index and quantity offered.
    pub lines: Vec<(u16, Qty)>,
    /// Every node that was ever offered it, and how it stands with it.
    pub nodes: Vec<(String, OfferEntry)>,
    /// Who has it.
    pub winner: Option<String>,
}

/// How an offer stands.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    Default,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum OfferState {
    /// Nodes may claim it.
    #[default]
    Offered,
    /// A node has it.
    Claimed,
    /// No round is left.
    Exhausted,
    /// Taken back.
    Withdrawn,
}

/// How an offer stands with one node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfferEntry {
    /// It may claim.
    Open,
    /// It has it.
    Won,
    /// It is over.
    Closed(OfferClosed),
}

/// What is held for an order.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct HoldRow {
    /// The order.
    pub order: OrderId,
    /// The platform's name of it.
    pub identity: Identity,
    /// The zone.
    pub zone: String,
    /// How it stands.
    pub state: HoldState,
    /// Service time at which it lapses, ms; absent: it does not.
    pub expires: Option<i64>,
    /// Engine time at which it lapses if nothing interrupts, ms.
    pub deadline: Option<i64>,
    /// Name of the line, node where pinned, SKU, bucket, quantity.
    pub lines: Vec<(String, Option<String>, String, String, Qty)>,
    /// What is held of it in other zones.
    pub legs: Vec<LegRow>,
    /// Of which hold this one is a leg; absent: it is an order's own.
    pub leg_of: Option<LegOf>,
}

/// A leg of a hold, as its home knows it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct LegRow {
    /// Its number within the hold, from 1.
    pub leg: u32,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// The other zone.
    pub zone: String,
    /// The zone keeps it until home says otherwise.
    pub confirmed: bool,
    /// Name of the line, node, SKU, bucket, quantity.
    pub lines: Vec<(String, String, String, String, Qty)>,
}

/// Which leg of which order a hold is.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct LegOf {
    /// The order, as home knows it.
    pub order: OrderId,
    /// Number of the leg within the order's hold.
    pub leg: u32,
    /// Number of the attempt.
    pub attempt: u32,
    /// The home zone.
    pub home: String,
}

/// How a hold stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HoldState {
    /// Waits for legs in other zones.
    Confirming,
    /// Held.
    #[default]
    Held,
    /// The order has it.
    Converted,
    /// Given back on request.
    Released,
    /// Its time was over.
    Lapsed,
    /// Another zone could not hold its leg.
    Failed,
}

/// How a node stands: what operations did to it, and what it did with offers and work.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct NodeRow {
    /// The node.
    pub node: String,
    /// Gets no offers and no work.
    pub paused: bool,
    /// Engine time at which it takes part again by itself, ms.
    pub paused_until: Option<i64>,
    /// Service time until which it gets no offers, ms.
    pub cool_until: Option<i64>,
    /// Orders with unshipped units here.
    pub orders: u32,
    /// Orders assigned since local midnight.
    pub assigned: u32,
    /// Offers, declines and lapses, in thousandths, decayed.
    pub offers: u64,
    /// Declines, give-backs included, in thousandths, decayed.
    pub declines: u64,
    /// Lapses, in thousandths, decayed.
    pub lapses: u64,
    /// Mean time to claim, ms, decayed; absent: nothing claimed yet.
    pub claim_ms: Option<i64>,
    /// Mean time to ship, ms, decayed; absent: nothing shipped yet.
    pub ship_ms: Option<i64>,
}

/// A channel's pool of a SKU in a zone.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct PoolRow {
    /// The channel.
    pub channel: String,
    /// The zone.
    pub zone: String,
    /// The SKU.
    pub sku: String,
    /// The bucket; empty: none.
    pub bucket: String,
    /// Kept back.
    pub threshold: Qty,
    /// What may be reserved beyond stock.
    pub backorder: Allowance,
    /// Held without a node.
    pub held: Qty,
    /// What the channel may sell now; unlimited where it, or an enabled node's cell, backorders without limit.
    pub ats: Ats,
}

/// What a channel may sell.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Ats {
    /// So many units.
    Units(Qty),
    /// Any number.
    Unlimited,
}

impl Default for Ats {
    fn default() -> Self {
        Ats::Units(Qty::ZERO)
    }
}

/// A line's ledger. I3: open + held + backordered + allocated + away + shipped + cancelled = ordered, where
/// allocated counts picked and ready, shipped counts delivered and returned.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct LineRow {
    /// Name of the line.
    pub line: String,
    /// The SKU.
    pub sku: String,
    /// The bucket; empty: none.
    pub bucket: String,
    /// Ordered now; grows with what was shipped beyond it.
    pub ordered: Qty,
    /// Nothing done.
    pub open: Qty,
    /// Kept without a node.
    pub held: Qty,
    /// Promised beyond stock.
    pub backordered: Qty,
    /// Promised from stock: allocated, picked or ready.
    pub allocated: Qty,
    /// In other zones.
    pub away: Qty,
    /// Left a node, delivered or returned or not.
    pub shipped: Qty,
    /// Of those, delivered.
    pub delivered: Qty,
    /// Of those, returned.
    pub returned: Qty,
    /// Will not be sent.
    pub cancelled: Qty,
    /// Minor units a unit.
    pub unit_price: i64,
    /// Of those shipped, units that left although they were cancelled.
    pub after_cancel: Qty,
}

/// Units of one line at one node.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct FulfilmentRow {
    /// The node.
    pub node: String,
    /// Index of the line.
    pub line: u16,
    /// Promised beyond stock.
    pub backordered: Qty,
    /// Promised from stock, not yet picked.
    pub allocated: Qty,
    /// Picked, not ready.
    pub picked: Qty,
    /// Ready, not shipped.
    pub ready: Qty,
    /// Shipped, delivered or returned or not.
    pub shipped: Qty,
    /// Returned to this node, whichever node shipped them.
    pub returned: Qty,
    /// The node will do it.
    pub accepted: bool,
    /// Service time of its next deadline, ms.
    pub due: Option<i64>,
    /// Of those picked and ready, units that the node was asked to give back.
    pub asked: Qty,
    /// Engine time of its next deadline if nothing interrupts, ms: for a countdown.
    pub deadline: Option<i64>,
}

impl FulfilmentRow {
    /// Units promised here and not gone.
    pub fn promised(&self) -> Qty {
        self.backordered + self.allocated + self.picked + self.ready
    }
}

/// A cell as it stands.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct CellRow {
    /// Which cell.
    pub cell: CellName,
    /// Units there.
    pub on_hand: Qty,
    /// Promised, backordered ones included.
    pub allocated: Qty,
    /// Of those, beyond stock.
    pub backordered: Qty,
    /// Held for orders at this node.
    pub held: Qty,
    /// There, but not for sale.
    pub blocked: Qty,
    /// Subtracted from what is available.
    pub safety_stock: Qty,
    /// What may be backordered.
    pub allowance: Allowance,
    /// Nothing is available whatever the numbers say.
    pub out_of_stock: bool,
    /// What may still be promised: max(0, on_hand − allocated − held − blocked − safety_stock), 0 for a
    /// disabled node and where out of stock.
    pub atp: Qty,
    /// Units sold a week, where known.
    pub weekly_sales: Option<Qty>,
}
