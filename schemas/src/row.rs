//! Whole images of the rows that queries read. The last one, by hybrid time, wins; a repeat is harmless.

use serde::{Deserialize, Serialize};

use crate::{
    command::{
        order::{DeliveryMode, PaymentState, Totals},
        reference::Reference,
        stock::{Allowance, CellName},
    },
    event::OrderState,
    geo::UnitVector,
    id::{Identity, OrderId},
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
}
