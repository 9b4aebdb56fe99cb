//! Row images, and how large they and the rest of an event are.

use router_schemas::{
    event::{Change, Event, Exception},
    limits::EVENT_BYTES,
    quantity::Qty,
    row::{FulfilmentRow, LineRow, OrderRow, Row},
};

use super::{order::Order, state::State};

/// The row image of an order.
pub fn order_row(state: &State, order: &Order) -> OrderRow {
    let mut sums = vec![[Qty::ZERO; 4]; order.lines.len()];
    for f in &order.fulfilments {
        let parts = [f.backordered, f.allocated + f.picked + f.ready, f.shipped, f.returned];
        for (sum, part) in sums[usize::from(f.line)].iter_mut().zip(parts) {
            *sum += part;
        }
    }
    let lines = order.lines.iter().enumerate().map(|(i, line)| {
        let sku = &state.skus[line.sku as usize];
        let [backordered, allocated, shipped, returned] = sums[i];
        LineRow {
            line: line.name.clone(),
            sku: sku.name.clone(),
            bucket: sku.bucket.clone(),
            ordered: line.ordered,
            open: line.open,
            held: Qty::ZERO,
            backordered,
            allocated,
            away: Qty::ZERO,
            shipped,
            delivered: line.delivered,
            returned,
            cancelled: line.cancelled,
            unit_price: line.unit_price,
            after_cancel: line.after_cancel,
        }
    });
    let fulfilments = order.fulfilments.iter().map(|f| FulfilmentRow {
        node: state.nodes[f.node as usize].node.id.clone(),
        line: f.line,
        backordered: f.backordered,
        allocated: f.allocated,
        picked: f.picked,
        ready: f.ready,
        shipped: f.shipped,
        returned: f.returned,
    });
    OrderRow {
        order: order.id,
        identity: order.identity.clone(),
        zone: order.zone.clone(),
        state: order.state.clone(),
        payment: order.payment,
        refunded: order.refunded,
        version: order.version,
        created_at: order.created_at,
        changed_at: order.changed_at,
        placed_at: order.placed_at,
        promise: order.promise,
        not_before: order.not_before,
        mode: order.mode,
        to: order.to,
        priority: order.priority,
        currency: order.currency,
        totals: order.totals.clone(),
        revision: order.revision,
        lines: lines.collect(),
        fulfilments: fulfilments.collect(),
        display: order.display.clone(),
    }
}

/// Cuts off what the event cannot hold: changes and rows for a further one, empty where all fits.
pub fn split(event: &mut Event) -> (Vec<Change>, Vec<Row>) {
    let mut bytes = 0;
    let mut fits = |weight: usize| {
        bytes += weight;
        // One alone always fits: `limits` see to that.
        bytes <= EVENT_BYTES || bytes == weight
    };
    let changes = event.changes.iter().position(|c| !fits(change_weight(c)));
    let rest = changes.map_or(Vec::new(), |at| event.changes.split_off(at));
    let rows = match changes {
        Some(_) => Some(0),
        None => event.rows.iter().position(|r| !fits(row_weight(r))),
    };
    (rest, rows.map_or(Vec::new(), |at| event.rows.split_off(at)))
}

/// Bytes of numbers and marks beside the names: more than any of these takes.
const CELL_BYTES: usize = 110;
const LINE_BYTES: usize = 96;
const FULFILMENT_BYTES: usize = 52;
const ORDER_BYTES: usize = 700;

/// An estimate of the bytes of an order's row, above what it takes; its lines' names are taken as long as may be
/// only where there are few.
pub fn order_weight(order: &Order) -> usize {
    let lines: usize = order.lines.iter().map(|l| l.name.len() + 96 + LINE_BYTES).sum();
    ORDER_BYTES + order.display.len() + lines + order.fulfilments.len() * (FULFILMENT_BYTES + 32)
}

fn row_weight(row: &Row) -> usize {
    match row {
        Row::Order(row) => {
            let line = |l: &LineRow| l.line.len() + l.sku.len() + l.bucket.len() + LINE_BYTES;
            let lines: usize = row.lines.iter().map(line).sum();
            let at = |f: &FulfilmentRow| f.node.len() + FULFILMENT_BYTES;
            let fulfilments: usize = row.fulfilments.iter().map(at).sum();
            ORDER_BYTES + row.display.len() + lines + fulfilments
        }
        Row::Cell(row) => row.cell.node.len() + row.cell.sku.len() + row.cell.bucket.len() + CELL_BYTES,
        Row::Reference(_) => ORDER_BYTES,
    }
}

fn change_weight(change: &Change) -> usize {
    match change {
        Change::Units { node, moves } => 16 + node.as_ref().map_or(0, String::len) + moves.len() * 16,
        Change::Decided(decision) => {
            128 + decision.chosen.iter().map(|(node, _)| node.len() + 14).sum::<usize>()
        }
        Change::Stock(stock) => {
            stock.cell.node.len() + stock.cell.sku.len() + stock.cell.bucket.len() + CELL_BYTES
        }
        Change::Exception(Exception::Oversold(cell, _) | Exception::Drift(cell, _))
        | Change::Recovered(cell) => cell.node.len() + cell.sku.len() + cell.bucket.len() + 32,
        _ => 64,
    }
}
