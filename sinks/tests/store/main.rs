//! What every store has to do, whichever it is, and what the follower makes of one that fails.

mod contract;
mod follower;
mod found;

use std::path::Path;

use router_schemas::{
    command::{
        reference::{Reference, Zone},
        stock::CellName,
    },
    event::OrderState,
    id::{Identity, OrderId},
    position::{LogId, Topic},
    quantity::Qty,
    row::{CellRow, FulfilmentRow, OrderRow, Row},
};
use router_sinks::{FjallStore, Store};

pub(crate) const LOG: LogId = LogId([7; 16]);

/// Opens a store in a folder.
pub(crate) type OpenStore = fn(&Path) -> Box<dyn Store>;

/// The stores that must keep the contract.
pub(crate) fn stores() -> Vec<OpenStore> {
    vec![|folder| Box::new(FjallStore::open(folder).unwrap())]
}

pub(crate) fn order_id(offset: u64) -> OrderId {
    OrderId::new(LOG, &Topic::Intake, 0, offset)
}

/// Row of an order of that number, created at that time, at that node.
pub(crate) fn order(number: u64, created_at: i64, node: &str) -> OrderRow {
    let identity =
        Identity { channel: "web".into(), account: String::new(), external_id: number.to_string() };
    OrderRow {
        order: order_id(number),
        identity,
        zone: "z".into(),
        state: OrderState::InFulfilment,
        payment: Default::default(),
        refunded: 0,
        version: None,
        created_at,
        changed_at: created_at,
        placed_at: None,
        promise: None,
        not_before: None,
        mode: Default::default(),
        to: None,
        priority: 100,
        currency: Default::default(),
        totals: Default::default(),
        revision: 1,
        lines: Vec::new(),
        fulfilments: vec![FulfilmentRow { node: node.into(), ..FulfilmentRow::default() }],
        display: Vec::new(),
        part_of: None,
        parts: Vec::new(),
        declined: Vec::new(),
    }
}

pub(crate) fn cell(node: &str, sku: &str, bucket: &str, on_hand: i64) -> Row {
    let cell = CellName { node: node.into(), sku: sku.into(), bucket: bucket.into() };
    Row::Cell(CellRow { cell, on_hand: Qty::units(on_hand), ..CellRow::default() })
}

pub(crate) fn zone(id: &str, partition: u16) -> Row {
    Row::Reference(Reference::Zone(Zone { id: id.into(), partition: Some(partition) }))
}

pub(crate) fn dump(store: &dyn Store) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut all = Vec::new();
    store.dump(&mut |key, value| all.push((key.to_vec(), value.to_vec()))).unwrap();
    all
}
