//! Row images, and how large they and the rest of an event are.

use router_schemas::{
    envelope::write_postcard,
    event::{Change, Exception, OfferStep},
    id::OrderId,
    limits::EVENT_BYTES,
    row::{CellRow, NodeRow, OfferRow, OrderRow, Row},
};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    changes::Noted,
    hold::Hold,
    images::{CellImage, Changes, OrderImage, RowImage},
    offer::{NodeImage, Offer, OfferImage},
    order::Order,
    part::Away,
    state::State,
};

/// A row that a command touched.
#[derive(Clone, Copy)]
pub enum Touched<'a> {
    Order(&'a Order),
    Cell(u32, u32),
    Hold(OrderId),
    /// SKU and pool.
    Pool(u32, u32),
    Offer(&'a Order, &'a Offer),
    Node(u32),
}

impl Touched<'_> {
    /// Its image; `None`: there is no such cell.
    pub fn image<'a>(&'a self, state: &'a State) -> Option<RowImage<'a>> {
        match *self {
            Touched::Order(order) => Some(RowImage::Order(OrderImage::of(state, order))),
            Touched::Cell(sku, node) => CellImage::of(state, sku, node).map(RowImage::Cell),
            Touched::Hold(order) => state.hold_row(order).map(|row| RowImage::Whole(Row::Hold(row))),
            Touched::Pool(sku, pool) => Some(RowImage::Whole(Row::Pool(state.pool_row(sku, pool)))),
            Touched::Offer(order, offer) => Some(RowImage::Offer(OfferImage::of(state, order, offer))),
            Touched::Node(node) => Some(RowImage::Node(NodeImage::of(state, node))),
        }
    }
}

/// The row of an order.
pub fn order_row(state: &State, order: &Order) -> OrderRow {
    read(&OrderImage::of(state, order))
}

/// The row of a cell; `None`: there is no such cell.
pub fn cell_row(state: &State, sku: u32, node: u32) -> Option<CellRow> {
    CellImage::of(state, sku, node).map(|image| read(&image))
}

/// The row of an offer.
pub fn offer_row(state: &State, order: &Order, offer: &Offer) -> OfferRow {
    read(&OfferImage::of(state, order, offer))
}

/// The row of a node.
pub fn node_row(state: &State, node: u32) -> NodeRow {
    read(&NodeImage::of(state, node))
}

/// What an image says, as a value of its own.
pub fn read<T: DeserializeOwned>(image: &impl Serialize) -> T {
    let mut bytes = Vec::new();
    write_postcard(image, &mut bytes);
    postcard::from_bytes(&bytes).expect("an image has the form of what it is one of")
}

/// How many of the changes, and then of the rows, one event can hold.
pub fn fitting(changes: Changes<'_>, rows: &[Touched<'_>]) -> (usize, usize) {
    let mut bytes = 0;
    let mut fits = |weight: usize| {
        bytes += weight;
        // One alone always fits: `limits` see to that.
        bytes <= EVENT_BYTES || bytes == weight
    };
    let Changes { state, .. } = changes;
    match changes.changes.iter().position(|c| !fits(change_weight(state, c))) {
        Some(at) => (at, 0),
        None => {
            let cut = rows.iter().position(|r| !fits(row_weight(state, r)));
            (changes.changes.len(), cut.unwrap_or(rows.len()))
        }
    }
}

/// Bytes of numbers and marks beside the names: more than any of these takes.
const CELL_BYTES: usize = 110;
const LINE_BYTES: usize = 96;
const FULFILMENT_BYTES: usize = 56;
const ORDER_BYTES: usize = 700;
/// Bytes of four names and numbers.
pub const HELD_BYTES: usize = 4 * 66 + 20;
const OFFER_BYTES: usize = 700;
const NODE_BYTES: usize = 140;
/// Of an entry of an offer, of one of its lines.
const ENTRY_BYTES: usize = 6;
const PART_BYTES: usize = 32;
const AWAY_BYTES: usize = 13;

/// An estimate of the bytes of an order's row, above what it takes; its lines' names are taken as long as may be
/// only where there are few.
pub fn order_weight(order: &Order) -> usize {
    let lines: usize = order.lines.iter().map(|l| l.name.len() + 96 + LINE_BYTES).sum();
    let others = parts_weight(order) + order.declined.len() * (32 + 2);
    ORDER_BYTES + others + order.display.len() + lines + order.fulfilments.len() * (FULFILMENT_BYTES + 32)
}

/// An estimate of the bytes of an offer's row; names of nodes are taken half as long as may be.
pub fn offer_weight(offer: &Offer) -> usize {
    OFFER_BYTES + offer.entries.len() * (ENTRY_BYTES + 32) + offer.lines.len() * 2 * ENTRY_BYTES
}

fn parts_weight(order: &Order) -> usize {
    let names = |part: &Away| part.zone.len() + part.visited.iter().map(|z| z.len() + 2).sum::<usize>();
    let parts = order.abroad.iter().flat_map(|abroad| &abroad.parts);
    parts.map(|part| PART_BYTES + names(part) + part.lines.len() * AWAY_BYTES).sum()
}

fn row_weight(state: &State, row: &Touched<'_>) -> usize {
    match row {
        Touched::Order(order) => {
            let lines = order.lines.iter().map(|l| {
                let sku = &state.skus[l.sku as usize];
                l.name.len() + sku.name.len() + sku.bucket.len() + LINE_BYTES
            });
            let fulfilments =
                order.fulfilments.iter().map(|f| state.node_name(f.node).len() + FULFILMENT_BYTES);
            let declined = order.declined.iter().map(|node| state.node_name(*node).len() + 2).sum::<usize>();
            let texts = order.display.len() + parts_weight(order) + declined;
            ORDER_BYTES + texts + lines.sum::<usize>() + fulfilments.sum::<usize>()
        }
        Touched::Cell(sku, node) => {
            let sku = &state.skus[*sku as usize];
            state.node_name(*node).len() + sku.name.len() + sku.bucket.len() + CELL_BYTES
        }
        Touched::Hold(order) => {
            let cells = state.holds.get(order).map_or(0, |hold| Hold::size(&hold.lines, &hold.legs).1);
            ORDER_BYTES + cells * HELD_BYTES
        }
        Touched::Pool(..) => HELD_BYTES + CELL_BYTES,
        Touched::Offer(_, offer) => {
            let entries = offer.entries.iter().map(|e| state.node_name(e.node).len() + ENTRY_BYTES);
            OFFER_BYTES + entries.sum::<usize>() + offer.lines.len() * 2 * ENTRY_BYTES
        }
        Touched::Node(node) => state.node_name(*node).len() + NODE_BYTES,
    }
}

fn change_weight(state: &State, change: &Noted) -> usize {
    match change {
        Noted::Units { node, moves } => 16 + node.map_or(0, |n| state.node_name(n).len()) + moves.len() * 16,
        Noted::Decided(decided) => {
            320 + decided.chosen.iter().map(|(node, _)| state.node_name(*node).len() + 14).sum::<usize>()
        }
        Noted::Other(Change::Stock(stock)) => {
            stock.cell.node.len() + stock.cell.sku.len() + stock.cell.bucket.len() + CELL_BYTES
        }
        Noted::Other(
            Change::Exception(Exception::Oversold(cell, _) | Exception::Drift(cell, _))
            | Change::Recovered(cell),
        ) => cell.node.len() + cell.sku.len() + cell.bucket.len() + 32,
        Noted::Other(Change::Hold(hold)) => 64 + hold.moves.len() * HELD_BYTES,
        Noted::Other(Change::Offer(change)) => match &change.what {
            OfferStep::Opened(_, nodes, _) => 64 + nodes.iter().map(|n| n.len() + 2).sum::<usize>(),
            OfferStep::Declined(node, reason, lines) => 64 + node.len() + reason.len() + lines.len() * 12,
            _ => 128,
        },
        Noted::Other(Change::GivenBack(node, reason, lines)) => {
            64 + node.len() + reason.len() + lines.len() * 12
        }
        Noted::Other(Change::Part(part)) => part.zone.len() + 64,
        // One name, or who asked for something and why.
        Noted::Other(Change::Steered(what, actor, reason)) => {
            let texts = [actor, reason].map(|text| text.as_ref().map_or(0, String::len));
            64 + what.len() + texts.iter().sum::<usize>()
        }
        Noted::Other(_) => 128,
    }
}
