//! Keys of the embedded tables. The first byte is the kind: `a` pools, `c` cells by node, SKU and bucket, `f` offers by
//! id, `g` open offers by node, `h` holds by order, `i` platform names, `k` orders by a node that works on them, `l` the
//! log that the rows are of, `n` orders by time, newest first, `o` orders by id, `p` positions, `q` parked orders by
//! queue, `r` reference tables, `s` cells by SKU and node, `w` how nodes stand.
//!
//! A name within a key ends with a zero byte, and a zero byte of its own is followed by 255, which no UTF-8 text
//! has: so no two lists of names give the same key, and all keys that begin with a name lie between that name and
//! that name with 255 behind it.

use std::collections::BTreeSet;

use router_schemas::{
    command::{reference::Table, stock::CellName},
    event::OrderState,
    id::{Identity, OfferId, OrderId},
    row::{FulfilmentRow, OfferEntry, OfferRow, OrderRow, Row},
};

pub(crate) const LOG: &[u8] = b"l";

/// Bounds of all keys that begin with these whole names: from, to (exclusive).
pub(crate) fn within(kind: u8, names: &[&str]) -> (Vec<u8>, Vec<u8>) {
    let from = named(kind, names);
    let to = if names.is_empty() { vec![kind + 1] } else { [from.as_slice(), &[255]].concat() };
    (from, to)
}

fn named(kind: u8, names: &[&str]) -> Vec<u8> {
    let length = names.iter().map(|name| name.len() + 1).sum::<usize>();
    let mut key = Vec::with_capacity(1 + length);
    key.push(kind);
    for name in names {
        let mut parts = name.as_bytes().split(|byte| *byte == 0);
        key.extend_from_slice(parts.next().unwrap_or_default());
        for part in parts {
            key.extend_from_slice(&[0, 255]);
            key.extend_from_slice(part);
        }
        key.push(0);
    }
    key
}

pub(crate) fn row(row: &Row) -> Vec<u8> {
    match row {
        Row::Order(order) => self::order(order.order),
        Row::Cell(row) => cell(&row.cell),
        Row::Reference(entry) => reference(entry.table(), &entry.key()),
        Row::Offer(row) => offer(row.offer),
        Row::Hold(row) => hold(row.order),
        Row::Node(row) => node(&row.node),
        Row::Pool(row) => named(b'a', &[&row.channel, &row.zone, &row.sku, &row.bucket]),
    }
}

pub(crate) fn reference(table: Table, key: &str) -> Vec<u8> {
    [&[b'r', table as u8], key.as_bytes()].concat()
}

pub(crate) fn offer(id: OfferId) -> Vec<u8> {
    [b"f".as_slice(), &id.to_bits().to_be_bytes()].concat()
}

pub(crate) fn hold(order: OrderId) -> Vec<u8> {
    [b"h".as_slice(), &order.to_bits().to_be_bytes()].concat()
}

pub(crate) fn node(node: &str) -> Vec<u8> {
    named(b'w', &[node])
}

/// Where an offer is found by the nodes that may claim it.
pub(crate) fn finds_offer(row: &OfferRow) -> BTreeSet<Vec<u8>> {
    let open = row.nodes.iter().filter(|(_, entry)| *entry == OfferEntry::Open);
    open.map(|(node, _)| [named(b'g', &[node]).as_slice(), &row.offer.to_bits().to_be_bytes()].concat())
        .collect()
}

/// Where an order is found by the nodes that work on it, and by its queue: there in the order in which it is served.
pub(crate) fn finds_order(row: &OrderRow) -> BTreeSet<Vec<u8>> {
    let id = row.order.to_bits().to_be_bytes();
    let work = |f: &&FulfilmentRow| f.promised().is_positive();
    let mut keys: BTreeSet<Vec<u8>> = row
        .fulfilments
        .iter()
        .filter(work)
        .map(|f| [named(b'k', &[&f.node]).as_slice(), &id].concat())
        .collect();
    if let OrderState::Parked(queue) = &row.state {
        let promise = row.promise.map_or(i64::MAX, |(_, to)| to).max(0).to_be_bytes();
        keys.insert([named(b'q', &[queue.as_str()]).as_slice(), &[row.priority], &promise, &id].concat());
    }
    keys
}

/// The order of a key of [`finds_order`].
pub(crate) fn found_order(key: &[u8]) -> OrderId {
    OrderId::from_bits(key.last_chunk::<16>().map_or(0, |bytes| u128::from_be_bytes(*bytes)))
}

/// The row's key of a key of [`finds_offer`].
pub(crate) fn found_offer(key: &[u8]) -> Vec<u8> {
    [b"f".as_slice(), key.last_chunk::<16>().map_or(&[][..], |bytes| bytes)].concat()
}

pub(crate) fn cell(CellName { node, sku, bucket }: &CellName) -> Vec<u8> {
    named(b'c', &[node, sku, bucket])
}

pub(crate) fn cell_by_sku(CellName { node, sku, bucket }: &CellName) -> Vec<u8> {
    named(b's', &[sku, node, bucket])
}

pub(crate) fn order(id: OrderId) -> Vec<u8> {
    [b"o".as_slice(), &id.to_bits().to_be_bytes()].concat()
}

/// Later orders first; of those of one millisecond, the one named last.
pub(crate) fn newest(created_at: i64, id: OrderId) -> Vec<u8> {
    let time = !(created_at.max(0) as u64);
    [b"n".as_slice(), &time.to_be_bytes(), &(!id.to_bits()).to_be_bytes()].concat()
}

pub(crate) fn order_of_newest(key: &[u8]) -> OrderId {
    OrderId::from_bits(!key.last_chunk::<16>().map_or(0, |bytes| u128::from_be_bytes(*bytes)))
}

pub(crate) fn identity(Identity { channel, account, external_id }: &Identity) -> Vec<u8> {
    named(b'i', &[channel, account, external_id])
}

pub(crate) fn position(partition: u16) -> Vec<u8> {
    [b"p".as_slice(), &partition.to_be_bytes()].concat()
}
