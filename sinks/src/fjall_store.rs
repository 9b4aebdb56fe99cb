//! Rows in fjall, in the data folder: one keyspace, see [`crate::keys`].
//!
//! What is kept is a function of the rows that came, not of their order: of each row the image with the greatest
//! hybrid time, of an order the earliest time at which it was created (intake may have parked it before the engine
//! had it), of a platform's name the order that was named last.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock},
};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions};
use router_schemas::{
    command::reference::{Reference, Table},
    id::{Identity, OfferId, OrderId},
    position::LogId,
    row::{CellRow, HoldRow, NodeRow, OfferRow, OrderRow, PoolRow, Row},
};
use serde::de::DeserializeOwned;

use crate::{OrderFilter, Page, Store, StoreError, found, keys};

/// Values of so many bytes lie beside the table: orders do, cells and names do not.
const APART: u32 = 256;
/// Rows looked at for one page at most.
const SCAN: usize = 20_000;

/// The embedded store.
pub struct FjallStore {
    folder: PathBuf,
    tables: RwLock<Tables>,
}

/// The tables as opened. After a write that failed, a full disk for one, they take no other one until they are
/// opened again; they can be read all the same.
struct Tables {
    open: Option<Open>,
    failed: bool,
}

#[derive(Clone)]
struct Open {
    database: Database,
    rows: Keyspace,
}

impl Open {
    fn at(folder: &Path) -> Result<Open, StoreError> {
        let database = Database::builder(folder).open()?;
        // Tables are merged again and again as they grow: what an order says is written once, beside them.
        let apart = KvSeparationOptions::default().separation_threshold(APART);
        let options = || KeyspaceCreateOptions::default().with_kv_separation(Some(apart.clone()));
        let rows = database.keyspace("rows", options)?;
        Ok(Open { database, rows })
    }
}

/// An order as kept: hybrid time, the earliest creation that any row stated, the row.
type KeptOrder = (u64, i64, OrderRow);

impl FjallStore {
    /// Opens the store in `folder`, making it where there is none.
    pub fn open(folder: &Path) -> Result<FjallStore, StoreError> {
        let tables = Tables { open: Some(Open::at(folder)?), failed: false };
        Ok(FjallStore { folder: folder.to_owned(), tables: RwLock::new(tables) })
    }

    fn open_tables(&self) -> Result<Open, StoreError> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        Ok(tables.open.clone().ok_or(fjall::Error::Poisoned)?)
    }

    fn rows_table(&self) -> Result<Keyspace, StoreError> {
        Ok(self.open_tables()?.rows)
    }

    /// The tables for writing, opened again where a write has failed.
    fn writable(&self) -> Result<Open, StoreError> {
        if !self.tables.read().unwrap_or_else(PoisonError::into_inner).failed {
            return self.open_tables();
        }
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        // The old ones hold the folder's lock.
        tables.open = None;
        let open = Open::at(&self.folder)?;
        *tables = Tables { open: Some(open.clone()), failed: false };
        Ok(open)
    }

    fn write(&self, result: Result<(), fjall::Error>) -> Result<(), StoreError> {
        if result.is_err() {
            self.tables.write().unwrap_or_else(PoisonError::into_inner).failed = true;
        }
        Ok(result?)
    }

    fn get<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, StoreError> {
        self.rows_table()?.get(key)?.map(|bytes| Ok(postcard::from_bytes(&bytes)?)).transpose()
    }

    /// Hybrid time of a row, the first of what is kept.
    fn time(&self, key: &[u8]) -> Result<Option<u64>, StoreError> {
        let known = self.rows_table()?.get(key)?;
        Ok(known.map(|bytes| postcard::take_from_bytes(&bytes).map(|(time, _)| time)).transpose()?)
    }

    /// Rows between two keys behind `after`, until `take` has found `limit` of them.
    fn scan(
        &self,
        (from, to): (Vec<u8>, Vec<u8>),
        after: Option<&[u8]>,
        limit: usize,
        mut take: impl FnMut(&[u8], &[u8]) -> Result<bool, StoreError>,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        use std::ops::Bound::{Excluded, Included};
        let start = match after {
            Some(after) if after >= from.as_slice() && after < to.as_slice() => Excluded(after.to_vec()),
            _ => Included(from),
        };
        let (mut found, mut seen) = (0, 0);
        for item in self.rows_table()?.range((start, Excluded(to))) {
            let (key, value) = item.into_inner()?;
            found += usize::from(take(&key, &value)?);
            seen += 1;
            if found >= limit || seen >= SCAN {
                return Ok(Some(key.to_vec()));
            }
        }
        Ok(None)
    }

    /// Orders that keys of [`keys::finds_order`] name.
    fn found(
        &self,
        range: (Vec<u8>, Vec<u8>),
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Page<OrderRow>, StoreError> {
        let mut rows = Vec::new();
        let next = self.scan(range, after, limit, |key, _| {
            rows.extend(self.order(keys::found_order(key))?);
            Ok(true)
        })?;
        Ok(Page { rows, next })
    }

    /// Keeps the later of two images of an order, and the earlier of two times of creation. `stated`: the earliest
    /// that the images now coming say.
    fn put_order(
        &self,
        table: &Keyspace,
        batch: &mut fjall::OwnedWriteBatch,
        time: u64,
        stated: i64,
        row: OrderRow,
    ) -> Result<(), StoreError> {
        let (id, key) = (row.order, keys::order(row.order));
        let known = self.get::<KeptOrder>(&key)?;
        let is_new = known.is_none();
        let before = known.as_ref().map(|(_, _, row)| keys::finds_order(row));
        let kept: KeptOrder = match known {
            Some((known_time, known_created, known)) => {
                let created = known_created.min(stated);
                if known_time >= time && created == known_created {
                    return Ok(());
                }
                if created != known_created {
                    batch.remove(table, keys::newest(known_created, id));
                    batch.insert(table, keys::newest(created, id), []);
                }
                if known_time >= time { (known_time, created, known) } else { (time, created, row) }
            }
            None => {
                batch.insert(table, keys::newest(stated, id), []);
                (time, stated, row)
            }
        };
        // An order never changes its name: what it stands for is looked at once. A part has its home's name.
        if is_new
            && kept.2.part_of.is_none()
            && self.order_id(&kept.2.identity)?.is_none_or(|named| named < id)
        {
            found::name(table, batch, &kept.2.identity, id);
        }
        found::find(table, batch, before, keys::finds_order(&kept.2));
        batch.insert(table, key, postcard::to_stdvec(&kept)?);
        Ok(())
    }
}

impl Store for FjallStore {
    fn bind(&self, log: LogId) -> Result<(), StoreError> {
        match self.get::<LogId>(keys::LOG)? {
            Some(known) if known == log => Ok(()),
            Some(known) => Err(StoreError::OtherLog { known, log }),
            None => self.write(self.writable()?.rows.insert(keys::LOG, postcard::to_stdvec(&log)?)),
        }
    }

    fn apply(&self, partition: u16, next: u64, rows: Vec<(u64, Row)>) -> Result<(), StoreError> {
        // Of several images of one row only the last is written; orders keep their earliest creation as well.
        let (mut latest, mut orders) = (BTreeMap::new(), BTreeMap::<OrderId, Vec<(u64, OrderRow)>>::new());
        for (time, row) in rows {
            match row {
                Row::Order(order) => orders.entry(order.order).or_default().push((time, *order)),
                row => match latest.entry(keys::row(&row)) {
                    std::collections::btree_map::Entry::Occupied(mut held) => {
                        let known: &mut (u64, Row) = held.get_mut();
                        if known.0 < time {
                            *known = (time, row);
                        }
                    }
                    std::collections::btree_map::Entry::Vacant(free) => {
                        free.insert((time, row));
                    }
                },
            }
        }
        let Open { database, rows: table } = self.writable()?;
        let mut batch = database.batch();
        for (key, (time, row)) in latest {
            let known = self.time(&key)?;
            if known.is_some_and(|known| known >= time) {
                continue;
            }
            let bytes = match &row {
                Row::Cell(cell) => {
                    if known.is_none() {
                        batch.insert(&table, keys::cell_by_sku(&cell.cell), key.clone());
                    }
                    postcard::to_stdvec(&(time, cell))?
                }
                Row::Reference(reference) => postcard::to_stdvec(&(time, reference))?,
                Row::Offer(row) => {
                    let before = self.get::<(u64, OfferRow)>(&key)?.map(|(_, row)| keys::finds_offer(&row));
                    found::find(&table, &mut batch, before, keys::finds_offer(row));
                    postcard::to_stdvec(&(time, row))?
                }
                Row::Hold(row) => {
                    // Who reserves before there is an order knows it by its name only.
                    if known.is_none() && self.order_id(&row.identity)?.is_none_or(|named| named < row.order)
                    {
                        found::name(&table, &mut batch, &row.identity, row.order);
                    }
                    postcard::to_stdvec(&(time, row))?
                }
                Row::Node(row) => postcard::to_stdvec(&(time, row))?,
                Row::Pool(row) => postcard::to_stdvec(&(time, row))?,
                Row::Order(_) => continue,
            };
            batch.insert(&table, key, bytes);
        }
        for images in orders.into_values() {
            let stated = images.iter().map(|(_, row)| row.created_at).min();
            let last = images.into_iter().max_by_key(|(time, _)| *time);
            if let (Some(stated), Some((time, row))) = (stated, last) {
                self.put_order(&table, &mut batch, time, stated, row)?;
            }
        }
        if self.position(partition)? < next {
            batch.insert(&table, keys::position(partition), postcard::to_stdvec(&next)?);
        }
        self.write(batch.commit())
    }

    fn position(&self, partition: u16) -> Result<u64, StoreError> {
        Ok(self.get(&keys::position(partition))?.unwrap_or(0))
    }

    fn order(&self, id: OrderId) -> Result<Option<OrderRow>, StoreError> {
        Ok(self.get::<KeptOrder>(&keys::order(id))?.map(|(_, _, row)| row))
    }

    fn order_id(&self, identity: &Identity) -> Result<Option<OrderId>, StoreError> {
        let bytes = self.rows_table()?.get(keys::identity(identity))?;
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
        let next = self.scan(keys::within(b'n', &[]), after, limit, |key, _| {
            let row = self.order(keys::order_of_newest(key))?;
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
        let mut rows = Vec::new();
        let next = match (node, sku) {
            (None, Some(sku)) => self.scan(keys::within(b's', &[sku]), after, limit, |_, value| {
                let cell: Option<(u64, CellRow)> = self.get(value)?;
                rows.extend(cell.map(|(_, row)| row));
                Ok(true)
            })?,
            _ => {
                let names: Vec<&str> = node.into_iter().chain(sku).collect();
                self.scan(keys::within(b'c', &names), after, limit, |_, value| {
                    let (_, row): (u64, CellRow) = postcard::from_bytes(value)?;
                    rows.push(row);
                    Ok(true)
                })?
            }
        };
        Ok(Page { rows, next })
    }

    fn references(
        &self,
        table: Table,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Page<Reference>, StoreError> {
        let mut rows = Vec::new();
        let range = (vec![b'r', table as u8], vec![b'r', table as u8 + 1]);
        let next = self.scan(range, after, limit, |_, value| {
            let (_, row): (u64, Reference) = postcard::from_bytes(value)?;
            rows.push(row);
            Ok(true)
        })?;
        Ok(Page { rows, next })
    }

    fn reference(&self, table: Table, key: &str) -> Result<Option<Reference>, StoreError> {
        Ok(self.get::<(u64, Reference)>(&keys::reference(table, key))?.map(|(_, entry)| entry))
    }

    fn offer(&self, id: OfferId) -> Result<Option<OfferRow>, StoreError> {
        Ok(self.get::<(u64, OfferRow)>(&keys::offer(id))?.map(|(_, row)| row))
    }

    fn offers(
        &self,
        node: Option<&str>,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Page<OfferRow>, StoreError> {
        let mut rows = Vec::new();
        let range = node.map_or_else(|| keys::within(b'f', &[]), |node| keys::within(b'g', &[node]));
        let next = self.scan(range, after, limit, |key, _| {
            let row: Option<(u64, OfferRow)> = self.get(&keys::found_offer(key))?;
            rows.extend(row.map(|(_, row)| row));
            Ok(true)
        })?;
        Ok(Page { rows, next })
    }

    fn work(&self, node: &str, after: Option<&[u8]>, limit: usize) -> Result<Page<OrderRow>, StoreError> {
        self.found(keys::within(b'k', &[node]), after, limit)
    }

    fn queue(
        &self,
        queue: Option<&str>,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Page<OrderRow>, StoreError> {
        let names: Vec<&str> = queue.into_iter().collect();
        self.found(keys::within(b'q', &names), after, limit)
    }

    fn hold(&self, order: OrderId) -> Result<Option<HoldRow>, StoreError> {
        Ok(self.get::<(u64, HoldRow)>(&keys::hold(order))?.map(|(_, row)| row))
    }

    fn node(&self, node: &str) -> Result<Option<NodeRow>, StoreError> {
        Ok(self.get::<(u64, NodeRow)>(&keys::node(node))?.map(|(_, row)| row))
    }

    fn pools(
        &self,
        channel: Option<&str>,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Page<PoolRow>, StoreError> {
        let (mut rows, names) = (Vec::new(), Vec::from_iter(channel));
        let next = self.scan(keys::within(b'a', &names), after, limit, |_, value| {
            let (_, row): (u64, PoolRow) = postcard::from_bytes(value)?;
            rows.push(row);
            Ok(true)
        })?;
        Ok(Page { rows, next })
    }

    fn rows(&self, each: &mut dyn FnMut(u64, Row)) -> Result<(), StoreError> {
        for item in self.rows_table()?.iter() {
            let (key, value) = item.into_inner()?;
            match key.first() {
                Some(b'o') => {
                    let (time, _, row): KeptOrder = postcard::from_bytes(&value)?;
                    each(time, Row::Order(Box::new(row)));
                }
                Some(b'c') => {
                    let (time, row) = postcard::from_bytes(&value)?;
                    each(time, Row::Cell(row));
                }
                Some(b'r') => {
                    let (time, row) = postcard::from_bytes(&value)?;
                    each(time, Row::Reference(row));
                }
                Some(b'f') => {
                    let (time, row) = postcard::from_bytes(&value)?;
                    each(time, Row::Offer(row));
                }
                Some(b'h') => {
                    let (time, row) = postcard::from_bytes(&value)?;
                    each(time, Row::Hold(row));
                }
                Some(b'w') => {
                    let (time, row) = postcard::from_bytes(&value)?;
                    each(time, Row::Node(row));
                }
                Some(b'a') => {
                    let (time, row) = postcard::from_bytes(&value)?;
                    each(time, Row::Pool(row));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn dump(&self, each: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), StoreError> {
        for item in self.rows_table()?.iter() {
            let (key, value) = item.into_inner()?;
            each(&key, &value);
        }
        Ok(())
    }
}
