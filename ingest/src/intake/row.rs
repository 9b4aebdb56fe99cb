//! What queries see of an order before the engine has it.

use router_schemas::{
    command::order::{OrderBody, OrderMessage},
    event::{OrderState, Queue},
    id::OrderId,
    row::{LineRow, OrderRow, Row},
};

/// The row of an order that no zone is known for; the engine never sees it, so intake shows it.
pub(super) fn parked_row(order: OrderId, message: &OrderMessage, now: i64) -> Option<Row> {
    let body: OrderBody = postcard::from_bytes(&message.body).ok()?;
    let lines = body.lines.into_iter().map(|line| LineRow {
        bucket: line.buckets.into_iter().next().unwrap_or_default(),
        line: line.line,
        sku: line.sku,
        ordered: line.qty,
        open: line.qty,
        unit_price: line.unit_price,
        ..LineRow::default()
    });
    Some(Row::Order(Box::new(OrderRow {
        order,
        identity: message.head.identity.clone(),
        zone: String::new(),
        state: OrderState::Parked(Queue::NoZone),
        payment: body.payment,
        refunded: 0,
        version: message.head.version,
        created_at: now,
        changed_at: now,
        placed_at: message.head.placed_at,
        promise: body.promise,
        not_before: body.not_before,
        mode: body.mode,
        to: body.to,
        priority: body.priority,
        currency: body.currency,
        totals: body.totals,
        revision: 1,
        lines: lines.collect(),
        fulfilments: Vec::new(),
        display: body.display,
        part_of: None,
        parts: Vec::new(),
        declined: Vec::new(),
    })))
}
