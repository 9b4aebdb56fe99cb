//! Keys of the embedded tables. The first byte is the kind: `c` cells by node, SKU and bucket, `i` platform names,
//! `l` the log that the rows are of, `n` orders by time, newest first, `o` orders by id, `p` positions, `r` reference
//! tables, `s` cells by SKU and node.
//!
//! A name within a key ends with a zero byte, and a zero byte of its own is followed by 255, which no UTF-8 text
//! has: so no two lists of names give the same key, and all keys that begin with a name lie between that name and
//! that name with 255 behind it.

use router_schemas::{
    command::stock::CellName,
    id::{Identity, OrderId},
    row::Row,
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
        Row::Reference(reference) => [&[b'r', reference.table() as u8], reference.key().as_bytes()].concat(),
        Row::Offer(row) => [b"f".as_slice(), &row.offer.to_bits().to_be_bytes()].concat(),
        Row::Hold(row) => [b"h".as_slice(), &row.order.to_bits().to_be_bytes()].concat(),
        Row::Node(row) => named(b'n', &[&row.node]),
        Row::Pool(row) => named(b'p', &[&row.channel, &row.zone, &row.sku, &row.bucket]),
    }
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
