//! Units of cells and of order lines, added up from what events state.

use std::collections::{BTreeMap, HashMap, HashSet};

use router_schemas::{
    command::{
        reference::Reference,
        stock::{Allowance, CellName},
    },
    event::{Change, Event, Unit},
    id::OrderId,
    quantity::Qty,
    row::{CellRow, OrderRow, Row},
};
use router_sinks::Store;

use crate::{AuditError, Report};

type Line = BTreeMap<Unit, Qty>;

#[derive(Default)]
pub(crate) struct Ledger {
    /// The events do not begin with the log: what an image holds that is seen first is where its units begin.
    trimmed: bool,
    /// What the events do not say any more was taken from the rows.
    completed: bool,
    on_hand: HashMap<CellName, Qty>,
    lines: HashMap<(OrderId, u16), Line>,
    orders: HashMap<OrderId, (u64, OrderRow)>,
    cells: HashMap<CellName, (u64, CellRow)>,
    references: HashMap<(u8, String), (u64, Reference)>,
    accepted: HashSet<OrderId>,
}

impl Ledger {
    /// Of a log whose first events are gone, or are not.
    pub fn of(trimmed: bool) -> Ledger {
        Ledger { trimmed, ..Ledger::default() }
    }

    /// Takes what the events do not say any more from the rows: what was last changed before they begin.
    pub fn complete(&mut self, store: &dyn Store) -> Result<(), AuditError> {
        let mut damaged = None;
        self.completed = true;
        store.dump(&mut |key, value| {
            let taken = match key.first() {
                Some(b'o') => postcard::from_bytes::<(u64, OrderRow)>(value).map(|(time, row)| {
                    if !self.orders.contains_key(&row.order) {
                        self.begin_order(&row);
                        self.orders.insert(row.order, (time, row));
                    }
                }),
                Some(b'c') => postcard::from_bytes::<(u64, CellRow)>(value).map(|(time, row)| {
                    if !self.cells.contains_key(&row.cell) {
                        self.on_hand.insert(row.cell.clone(), row.on_hand);
                        self.cells.insert(row.cell.clone(), (time, row));
                    }
                }),
                Some(b'r') => postcard::from_bytes::<(u64, Reference)>(value).map(|(time, entry)| {
                    let key = (entry.table() as u8, entry.key().to_owned());
                    self.references.entry(key).or_insert((time, entry));
                }),
                _ => Ok(()),
            };
            damaged = damaged.take().or(taken.err());
        })?;
        damaged.map_or(Ok(()), |error| Err(router_sinks::StoreError::from(error).into()))
    }

    /// The units of an order as an image has them.
    fn begin_order(&mut self, row: &OrderRow) {
        for (index, line) in row.lines.iter().enumerate() {
            let units = [
                (Unit::Outside, -line.ordered),
                (Unit::Open, line.open),
                (Unit::Held, line.held),
                (Unit::Backordered, line.backordered),
                (Unit::Allocated, line.allocated),
                (Unit::Away, line.away),
                (Unit::Shipped, line.shipped),
                (Unit::Cancelled, line.cancelled),
            ];
            self.lines.insert((row.order, index as u16), units.into_iter().collect());
        }
    }

    /// An order that the engine was given.
    pub fn accepted(&mut self, order: OrderId) {
        self.accepted.insert(order);
    }

    /// Takes in an event. `request`: its cause may not promise more than there is.
    pub fn event(&mut self, event: &Event, request: bool, report: &mut Report) {
        for change in &event.changes {
            match change {
                Change::Units { moves, .. } => {
                    let Some(order) = event.order else { continue };
                    for (line, from, to, qty) in moves {
                        let line = self.lines.entry((order, *line)).or_default();
                        *line.entry(*from).or_default() -= *qty;
                        *line.entry(*to).or_default() += *qty;
                    }
                }
                Change::Stock(stock) => *self.on_hand.entry(stock.cell.clone()).or_default() += stock.on_hand,
                _ => {}
            }
        }
        for row in &event.rows {
            match row {
                Row::Order(row) => {
                    if self.trimmed && row.revision > 1 && !self.orders.contains_key(&row.order) {
                        self.begin_order(row);
                    }
                    let known = self.orders.get(&row.order).is_some_and(|(time, _)| *time > event.time);
                    if !known {
                        self.orders.insert(row.order, (event.time, (**row).clone()));
                    }
                }
                Row::Cell(row) => {
                    let begins = self.trimmed && !self.cells.contains_key(&row.cell);
                    if begins {
                        self.on_hand.insert(row.cell.clone(), row.on_hand);
                    }
                    let before = self.cells.get(&row.cell).map_or(Qty::default(), |(_, row)| row.allocated);
                    let most = match row.allowance {
                        Allowance::None => Some(row.on_hand),
                        Allowance::Limited(qty) => Some(row.on_hand + qty),
                        Allowance::Unlimited => None,
                    };
                    if request
                        && !begins
                        && row.allocated > before
                        && most.is_some_and(|most| row.allocated > most)
                    {
                        let CellName { node, sku, .. } = &row.cell;
                        report.violated("E2301", || {
                            format!("{}: {} of {sku} at {node}", event.cause, row.allocated)
                        });
                    }
                    self.cells.insert(row.cell.clone(), (event.time, row.clone()));
                }
                Row::Reference(entry) => {
                    let key = (entry.table() as u8, entry.key().to_owned());
                    self.references.insert(key, (event.time, entry.clone()));
                }
            }
        }
    }

    /// Compares sums with the last rows.
    pub fn close(&self, report: &mut Report) {
        let mut promised = HashMap::<(&str, &str, &str), Qty>::new();
        for (order, (_, row)) in &self.orders {
            for (index, line) in row.lines.iter().enumerate() {
                let stated = Line::new();
                let units = self.lines.get(&(*order, index as u16)).unwrap_or(&stated);
                let sum = |of: &[Unit]| of.iter().filter_map(|unit| units.get(unit).copied()).sum::<Qty>();
                let in_engine = !row.zone.is_empty();
                let pairs = [
                    ("ordered", line.ordered, -sum(&[Unit::Outside])),
                    ("open", line.open, sum(&[Unit::Open])),
                    ("held", line.held, sum(&[Unit::Held])),
                    ("backordered", line.backordered, sum(&[Unit::Backordered])),
                    ("allocated", line.allocated, sum(&[Unit::Allocated, Unit::Picked, Unit::Ready])),
                    ("away", line.away, sum(&[Unit::Away])),
                    ("shipped", line.shipped, sum(&[Unit::Shipped, Unit::Delivered, Unit::Returned])),
                    ("cancelled", line.cancelled, sum(&[Unit::Cancelled])),
                ];
                for (name, row, moved) in
                    pairs.into_iter().filter(|(_, row, moved)| in_engine && row != moved)
                {
                    report.violated("E2303", || {
                        format!("{order} line {}: {name} {row}, moved {moved}", line.line)
                    });
                }
                let whole: Qty = pairs[1..].iter().map(|(_, row, _)| *row).sum();
                if whole != line.ordered {
                    report.violated("E2303", || {
                        format!("{order} line {}: {whole} of {}", line.line, line.ordered)
                    });
                }
            }
            for at in &row.fulfilments {
                let line = &row.lines[usize::from(at.line)];
                let units = at.backordered + at.allocated + at.picked + at.ready;
                *promised.entry((&at.node, &line.sku, &line.bucket)).or_default() += units;
            }
        }
        for (cell, (_, row)) in &self.cells {
            let CellName { node, sku, bucket } = cell;
            let orders = promised.remove(&(node.as_str(), sku.as_str(), bucket.as_str())).unwrap_or_default();
            let known = !self.trimmed || self.completed;
            if known && orders != row.allocated {
                report.violated("E2302", || {
                    format!("{sku} at {node}: {} promised, orders have {orders}", row.allocated)
                });
            }
            let stated = self.on_hand.get(cell).copied().unwrap_or_default();
            if stated != row.on_hand {
                report.violated("E2302", || {
                    format!("{sku} at {node}: {} on hand, changes say {stated}", row.on_hand)
                });
            }
            report.oversold += u64::from(row.allocated - row.backordered > row.on_hand);
        }
        report.cells = self.cells.len() as u64;
        for order in self.accepted.iter().filter(|order| !self.orders.contains_key(order)) {
            report.violated("E2304", || format!("{order} has no row"));
        }
    }

    /// Compares the rows of a store with what the events say.
    pub fn compare(&self, store: &dyn Store, report: &mut Report) -> Result<(), AuditError> {
        let mut expected = HashMap::<Vec<u8>, Vec<u8>>::new();
        let mut put = |kind: u8, key: &[u8], bytes: Result<Vec<u8>, postcard::Error>| {
            let bytes = bytes.expect("rows that were decoded encode again");
            expected.insert([&[kind], key].concat(), bytes);
        };
        for (order, stamped) in &self.orders {
            put(b'o', &order.to_bits().to_be_bytes(), postcard::to_stdvec(stamped));
        }
        for (cell, stamped) in &self.cells {
            let CellName { node, sku, bucket } = cell;
            put(b'c', format!("{node}\0{sku}\0{bucket}\0").as_bytes(), postcard::to_stdvec(stamped));
        }
        for ((table, key), stamped) in &self.references {
            put(b'r', &[&[*table], key.as_bytes()].concat(), postcard::to_stdvec(stamped));
        }
        store.dump(&mut |key, value| {
            if !matches!(key.first(), Some(b'o' | b'c' | b'r')) {
                return;
            }
            match expected.remove(key) {
                Some(bytes) if bytes == value => {}
                Some(_) => report.violated("E2308", || format!("the row {} differs", key.escape_ascii())),
                None => report
                    .violated("E2308", || format!("the row {} is nowhere in the events", key.escape_ascii())),
            }
        })?;
        for key in expected.keys() {
            report.violated("E2308", || format!("the row {} is missing", key.escape_ascii()));
        }
        Ok(())
    }
}
