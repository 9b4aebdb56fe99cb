//! Rows.

use std::collections::BTreeSet;

use router_ingest::json::Backorder;
use router_schemas::{
    command::order::{DeliveryMode, Display, PaymentState, Totals},
    id::OrderId,
    quantity::{Currency, Qty},
    row::{CellRow, OrderRow},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Time, rules::beyond};

/// From, to.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Interval")]
pub(crate) struct Window {
    from: Time,
    to: Time,
}

/// An order as it stands.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OrderRow")]
pub(crate) struct Order {
    order: OrderId,
    channel: String,
    account: String,
    /// The platform's id of it.
    id: String,
    /// The number that the customer knows.
    number: Option<String>,
    /// The store's running number of the day.
    day_sequence: Option<u32>,
    /// Home zone; empty while none is known.
    zone: String,
    /// Derived state; a parked order is `parked:QUEUE`.
    state: String,
    payment: PaymentState,
    payment_method: Option<String>,
    /// Minor units refunded so far.
    refunded: i64,
    /// The source's version.
    version: Option<u64>,
    /// How often it was changed; 1 for a new one.
    revision: u32,
    /// When the router decided on it first.
    created_at: Time,
    changed_at: Time,
    /// When the customer ordered.
    placed_at: Option<Time>,
    promise: Option<Window>,
    not_before: Option<Time>,
    delivery_mode: DeliveryMode,
    /// 0 first.
    priority: u8,
    currency: Currency,
    /// Minor units.
    totals: Totals,
    remark: Option<String>,
    language: Option<String>,
    member: Option<String>,
    tags: Vec<String>,
    gift: bool,
    invoice: bool,
    /// True: name, phone or address are there, sealed.
    recipient_sealed: bool,
    lines: Vec<Line>,
    fulfilments: Vec<Fulfilment>,
}

/// A line: open + held + backordered + allocated + away + shipped + cancelled = ordered.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LineRow")]
pub(crate) struct Line {
    line: String,
    sku: String,
    name: Option<String>,
    options: Vec<String>,
    unit: Option<String>,
    /// Day or seat class; empty: none.
    bucket: String,
    ordered: Qty,
    /// Nothing done.
    open: Qty,
    /// Kept without a node.
    held: Qty,
    /// Promised beyond stock.
    backordered: Qty,
    /// Promised from stock: allocated, picked or ready.
    allocated: Qty,
    /// In other zones.
    away: Qty,
    /// Left a node, delivered or returned or not.
    shipped: Qty,
    /// Of those shipped, units that left although they were cancelled.
    after_cancel: Qty,
    delivered: Qty,
    returned: Qty,
    cancelled: Qty,
    /// Minor units a unit.
    unit_price: i64,
}

/// Units of one line at one node.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Fulfilment {
    node: String,
    /// Name of the line.
    line: String,
    backordered: Qty,
    allocated: Qty,
    picked: Qty,
    ready: Qty,
    shipped: Qty,
    returned: Qty,
}

/// An order.
pub(crate) fn order(row: &OrderRow) -> Order {
    let display: Display = postcard::from_bytes(&row.display).unwrap_or_default();
    let mut shown = display.lines.into_iter();
    let line = |line: &router_schemas::row::LineRow| {
        let shown = shown.next().unwrap_or_default();
        Line {
            line: line.line.clone(),
            sku: line.sku.clone(),
            name: shown.name,
            options: shown.options,
            unit: shown.unit,
            bucket: line.bucket.clone(),
            ordered: line.ordered,
            open: line.open,
            held: line.held,
            backordered: line.backordered,
            allocated: line.allocated,
            away: line.away,
            shipped: line.shipped,
            after_cancel: line.after_cancel,
            delivered: line.delivered,
            returned: line.returned,
            cancelled: line.cancelled,
            unit_price: line.unit_price,
        }
    };
    let lines = row.lines.iter().map(line).collect();
    let fulfilments = row.fulfilments.iter().map(|f| Fulfilment {
        node: f.node.clone(),
        line: row.lines.get(usize::from(f.line)).map(|line| line.line.clone()).unwrap_or_default(),
        backordered: f.backordered,
        allocated: f.allocated,
        picked: f.picked,
        ready: f.ready,
        shipped: f.shipped,
        returned: f.returned,
    });
    Order {
        order: row.order,
        channel: row.identity.channel.clone(),
        account: row.identity.account.clone(),
        id: row.identity.external_id.clone(),
        number: display.number,
        day_sequence: display.day_sequence,
        zone: row.zone.clone(),
        state: row.state.text().into_owned(),
        payment: row.payment,
        payment_method: display.payment_method,
        refunded: row.refunded,
        version: row.version,
        revision: row.revision,
        created_at: Time(row.created_at),
        changed_at: Time(row.changed_at),
        placed_at: row.placed_at.map(Time),
        promise: row.promise.map(|(from, to)| Window { from: Time(from), to: Time(to) }),
        not_before: row.not_before.map(Time),
        delivery_mode: row.mode,
        priority: row.priority,
        currency: row.currency,
        totals: row.totals.clone(),
        remark: display.remark,
        language: display.language,
        member: display.member,
        tags: display.tags,
        gift: display.gift.is_some(),
        invoice: display.invoice.is_some(),
        recipient_sealed: display.recipient.is_some(),
        lines,
        fulfilments: fulfilments.collect(),
    }
}

/// An order as the stores of these nodes see it: without lines that are wholly at other nodes, and without what is
/// elsewhere of those that are left.
pub(crate) fn order_at(row: &OrderRow, nodes: &BTreeSet<String>) -> Order {
    let mut shown = order(row);
    let mine = |index: usize| {
        let mut at = row.fulfilments.iter().filter(|f| usize::from(f.line) == index).peekable();
        // What is nowhere may be offered to them.
        at.peek().is_none() || at.any(|f| nodes.contains(&f.node))
    };
    let mut index = 0..;
    shown.lines.retain(|_| index.next().is_some_and(mine));
    shown.fulfilments.retain(|f| nodes.contains(&f.node));
    shown.member = None;
    shown
}

/// A stock cell.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CellRow")]
pub(crate) struct Cell {
    node: String,
    sku: String,
    /// Day or seat class; empty: none.
    bucket: String,
    on_hand: Qty,
    /// Promised, backordered ones included.
    allocated: Qty,
    backordered: Qty,
    held: Qty,
    /// There, but not for sale.
    blocked: Qty,
    safety_stock: Qty,
    /// What may be backordered: a quantity, or `unlimited`.
    allowance: Backorder,
    out_of_stock: bool,
    /// What may still be promised.
    atp: Qty,
    /// Units sold a week; null: not known.
    weekly_sales: Option<Qty>,
}

pub(crate) fn cell(row: &CellRow) -> Cell {
    Cell {
        node: row.cell.node.clone(),
        sku: row.cell.sku.clone(),
        bucket: row.cell.bucket.clone(),
        on_hand: row.on_hand,
        allocated: row.allocated,
        backordered: row.backordered,
        held: row.held,
        blocked: row.blocked,
        safety_stock: row.safety_stock,
        allowance: beyond(row.allowance),
        out_of_stock: row.out_of_stock,
        atp: row.atp,
        weekly_sales: row.weekly_sales,
    }
}
