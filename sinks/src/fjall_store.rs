//! Rows in fjall, in the data folder.
//!
//! One keyspace; the first byte of a key is its kind: `c` cells (node, SKU, bucket, each ended by a zero byte),
//! `i` platform names, `n` orders by time, newest first, `o` orders by id, `p` positions, `r` reference tables.

use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use router_schemas::{
    command::{
        reference::{Reference, Table},
        stock::CellName,
    },
    id::{Identity, OrderId},
    row::{CellRow, OrderRow, Row},
};
use serde::de::DeserializeOwned;

use crate::{OrderFilter, Page, Store, StoreError};

/// Rows looked at for one page at most.
const SCAN: usize = 20_000;

/// The embedded store.
pub struct FjallStore {
    database: Database,
    rows: Keyspace,
}

impl FjallStore {
    /// Opens the store in `folder`, making it where there is none.
    pub fn open(folder: &Path) -> Result<FjallStore, StoreError> {
        let database = Database::builder(folder).open()?;
        let rows = database.keyspace("rows", KeyspaceCreateOptions::default)?;
        Ok(FjallStore { database, rows })
    }

    fn get<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<(u64, T)>, StoreError> {
        self.rows.get(key)?.map(|bytes| Ok(postcard::from_bytes(&bytes)?)).transpose()
    }

    /// Rows with this prefix behind `after`, as long as `take` says to go on.
    fn scan(
        &self,
        prefix: Vec<u8>,
        after: Option<&[u8]>,
        limit: usize,
        mut take: impl FnMut(&[u8], &[u8]) -> Result<bool, StoreError>,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        use std::ops::Bound::{Excluded, Included};
        // The last byte of a prefix is never 255: kinds are letters, and names end with zero.
        let mut end = prefix.clone();
        if let Some(last) = end.last_mut() {
            *last += 1;
        }
        let start = match after {
            Some(after) if after.starts_with(&prefix) => Excluded(after.to_vec()),
            _ => Included(prefix),
        };
        let (mut found, mut seen) = (0, 0);
        for item in self.rows.range((start, Excluded(end))) {
            let (key, value) = item.into_inner()?;
            found += usize::from(take(&key, &value)?);
            seen += 1;
            if found >= limit || seen >= SCAN {
                return Ok(Some(key.to_vec()));
            }
        }
        Ok(None)
    }
}

impl Store for FjallStore {
    fn apply(&self, partition: u16, next: u64, rows: Vec<(u64, Row)>) -> Result<(), StoreError> {
        let mut batch = self.database.batch();
        // Of several images of one row only the last is written.
        let mut latest = std::collections::BTreeMap::new();
        for (time, row) in rows {
            latest.insert(key(&row), (time, row));
        }
        for (key, (time, row)) in latest {
            // All images of a cell are in one partition of events, which is followed in its order, and how far it is
            // followed is written with them: what comes now is the latest. An order has images of two stages.
            let known = if matches!(row, Row::Cell(_)) { None } else { self.rows.get(&key)? };
            let known: Option<u64> =
                known.map(|b| postcard::take_from_bytes(&b).map(|(t, _)| t)).transpose()?;
            if known.is_some_and(|known| known >= time) {
                continue;
            }
            let bytes = match &row {
                Row::Order(order) => {
                    if known.is_none() {
                        batch.insert(&self.rows, newest_key(order), []);
                        batch.insert(
                            &self.rows,
                            identity_key(&order.identity),
                            order.order.to_bits().to_be_bytes(),
                        );
                    }
                    postcard::to_stdvec(&(time, order))?
                }
                Row::Cell(cell) => postcard::to_stdvec(&(time, cell))?,
                Row::Reference(reference) => postcard::to_stdvec(&(time, reference))?,
            };
            batch.insert(&self.rows, key, bytes);
        }
        batch.insert(&self.rows, position_key(partition), postcard::to_stdvec(&next)?);
        Ok(batch.commit()?)
    }

    fn position(&self, partition: u16) -> Result<u64, StoreError> {
        let bytes = self.rows.get(position_key(partition))?;
        Ok(bytes.map(|b| postcard::from_bytes(&b)).transpose()?.unwrap_or(0))
    }

    fn order(&self, id: OrderId) -> Result<Option<OrderRow>, StoreError> {
        Ok(self.get(&order_key(id))?.map(|(_, row)| row))
    }

    fn order_id(&self, identity: &Identity) -> Result<Option<OrderId>, StoreError> {
        let bytes = self.rows.get(identity_key(identity))?;
        let bits = bytes.and_then(|b| <[u8; 16]>::try_from(&*b).ok()).map(u128::from_be_bytes);
        Ok(bits.map(OrderId::from_bits))
    }

    fn orders(
        &self,
        filter: &OrderFilter,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Page<OrderRow>, StoreError> {
        let mut rows = Vec::new();
        let next = self.scan(b"n".to_vec(), after, limit, |key, _| {
            let bits = key.last_chunk::<16>().map_or(0, |b| u128::from_be_bytes(*b));
            let row = self.order(OrderId::from_bits(!bits))?;
            let row = row.filter(|row| filter.takes(row));
            let found = row.is_some();
            rows.extend(row);
            Ok(found)
        })?;
        Ok(Page { rows, next })
    }

    fn cells(
        &self,
        node: Option<&str>,
        sku: Option<&str>,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Page<CellRow>, StoreError> {
        let prefix = match (node, sku) {
            (Some(node), Some(sku)) => [b"c", node.as_bytes(), b"\0", sku.as_bytes(), b"\0"].concat(),
            (Some(node), None) => [b"c", node.as_bytes(), b"\0"].concat(),
            _ => b"c".to_vec(),
        };
        let mut rows = Vec::new();
        let next = self.scan(prefix, after, limit, |_, value| {
            let (_, row): (u64, CellRow) = postcard::from_bytes(value)?;
            let found = sku.is_none_or(|sku| row.cell.sku == sku);
            rows.extend(found.then_some(row));
            Ok(found)
        })?;
        Ok(Page { rows, next })
    }

    fn references(
        &self,
        table: Table,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Page<Reference>, StoreError> {
        let mut rows = Vec::new();
        let next = self.scan(vec![b'r', table as u8], after, limit, |_, value| {
            let (_, row): (u64, Reference) = postcard::from_bytes(value)?;
            rows.push(row);
            Ok(true)
        })?;
        Ok(Page { rows, next })
    }

    fn dump(&self, each: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), StoreError> {
        for item in self.rows.iter() {
            let (key, value) = item.into_inner()?;
            each(&key, &value);
        }
        Ok(())
    }
}

fn key(row: &Row) -> Vec<u8> {
    match row {
        Row::Order(order) => order_key(order.order),
        Row::Cell(CellRow { cell: CellName { node, sku, bucket }, .. }) => {
            [b"c", node.as_bytes(), b"\0", sku.as_bytes(), b"\0", bucket.as_bytes(), b"\0"].concat()
        }
        Row::Reference(reference) => [&[b'r', reference.table() as u8], reference.key().as_bytes()].concat(),
    }
}

fn order_key(id: OrderId) -> Vec<u8> {
    [b"o".as_slice(), &id.to_bits().to_be_bytes()].concat()
}

fn newest_key(row: &OrderRow) -> Vec<u8> {
    let time = !(row.created_at.max(0) as u64);
    [b"n".as_slice(), &time.to_be_bytes(), &(!row.order.to_bits()).to_be_bytes()].concat()
}

fn identity_key(identity: &Identity) -> Vec<u8> {
    let Identity { channel, account, external_id } = identity;
    [b"i", channel.as_bytes(), b"\0", account.as_bytes(), b"\0", external_id.as_bytes()].concat()
}

fn position_key(partition: u16) -> Vec<u8> {
    [b"p".as_slice(), &partition.to_be_bytes()].concat()
}
