//! Units of cells and of order lines, added up from what events state, and compared with each row image.

mod images;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use router_schemas::{
    command::{
        reference::{Reference, RouteWhen},
        stock::{Allowance, CellName},
    },
    event::{Change, Event, Exception, OrderState, StockCause, StockChange},
    id::OrderId,
    position::Position,
    quantity::Qty,
    row::{OrderRow, Row},
    stage::StageName,
};
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    notices::Notices,
    orders::{Line, NOWHERE, Order, PROMISED},
    report::Report,
};

/// The command whose events are judged.
pub(crate) struct Cause {
    pub stage: StageName,
    pub partition: u16,
    pub kind: &'static str,
}

/// Node, SKU, bucket, as numbers.
pub(crate) type CellKey = (u32, u32, u32);

/// A cell as the events say.
#[derive(Clone, Default)]
pub(crate) struct Cell {
    on_hand: Qty,
    blocked: Qty,
    allocated: Qty,
    backordered: Qty,
    allowance: Allowance,
    /// An exception said so, and none since that it is over.
    oversold: bool,
    /// It has a row, or a change of stock: the SKU is tracked here.
    tracked: bool,
    pub stamp: (u64, u64),
}

impl Cell {
    fn over(&self) -> Qty {
        (self.allocated - self.backordered - self.on_hand).floor_zero()
    }
}

pub(crate) struct Ledger {
    trimmed: bool,
    numbers: HashMap<Box<str>, u32>,
    names: Vec<Box<str>>,
    pub orders: HashMap<OrderId, Order>,
    pub cells: HashMap<CellKey, Cell>,
    /// Table and key → hybrid time and hash.
    pub references: HashMap<(u8, String), (u64, u64)>,
    /// Partition and channel → from which hybrid time on it asks what of the payment.
    channels: HashMap<(u16, String), Vec<(u64, RouteWhen)>>,
    untracked: HashSet<u32>,
    adopted: (u64, u64),
    /// Orders that left memory: only their rows are compared.
    pub forgotten: HashMap<OrderId, (u64, u64)>,
}

/// What one command touched.
#[derive(Default)]
struct Touched {
    orders: BTreeSet<OrderId>,
    moved: BTreeSet<OrderId>,
    cells: BTreeSet<CellKey>,
}

impl Ledger {
    pub fn new(trimmed: bool) -> Ledger {
        Ledger {
            trimmed,
            numbers: HashMap::new(),
            names: Vec::new(),
            orders: HashMap::new(),
            cells: HashMap::new(),
            references: HashMap::new(),
            channels: HashMap::new(),
            untracked: HashSet::new(),
            adopted: (0, 0),
            forgotten: HashMap::new(),
        }
    }

    pub fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.names.len() as u32;
        self.names.push(name.into());
        self.numbers.insert(name.into(), number);
        number
    }

    fn key(&mut self, cell: &CellName) -> CellKey {
        (self.number(&cell.node), self.number(&cell.sku), self.number(&cell.bucket))
    }

    pub fn cell_name(&self, key: CellKey) -> CellName {
        let name = |number: u32| self.names[number as usize].to_string();
        CellName { node: name(key.0), sku: name(key.1), bucket: name(key.2) }
    }

    pub fn node_name(&self, node: u32) -> &str {
        self.names.get(node as usize).map_or("no node", |name| name)
    }

    /// A copy of reference material that an engine applied.
    pub fn reference(&mut self, partition: u16, time: u64, change: &Reference) {
        match change {
            Reference::Channel(channel) => {
                let history = self.channels.entry((partition, channel.id.clone())).or_default();
                history.push((time, channel.route_when));
            }
            Reference::Item(item) if item.untracked => {
                let number = self.number(&item.sku);
                self.untracked.insert(number);
            }
            _ => {}
        }
    }

    fn route_when(&self, partition: u16, row: &OrderRow, time: u64) -> Option<RouteWhen> {
        let history = self.channels.get(&(partition, row.identity.channel.clone()));
        let last = history.and_then(|h| h.iter().rev().find(|(from, _)| *from <= time));
        match last {
            Some((_, route_when)) => Some(*route_when),
            None => (!self.trimmed).then_some(RouteWhen::Placed),
        }
    }

    /// Takes in all that one command did, and compares its rows with the sums.
    pub fn judge(
        &mut self,
        cause: &Cause,
        scope: &[(Position, Event)],
        notices: &mut Notices,
        report: &mut Report,
    ) {
        let mut rows = (BTreeMap::new(), BTreeMap::new());
        for (at, event) in scope {
            for row in &event.rows {
                let twice = match row {
                    Row::Order(row) => rows.0.insert(row.order, (at, event, &**row)).is_some(),
                    Row::Cell(row) => rows.1.insert(self.key(&row.cell), (at, event, row)).is_some(),
                    Row::Reference(entry) => {
                        let stamp = (event.time, hash(&(event.time, entry)));
                        let key = (entry.table() as u8, entry.key().into_owned());
                        self.references.insert(key, stamp).is_some_and(|(time, _)| time >= event.time)
                    }
                    Row::Offer(_) | Row::Hold(_) | Row::Node(_) | Row::Pool(_) => false,
                };
                if twice {
                    report.violated("E2308", at.clone(), || format!("{} writes a row twice", event.cause));
                }
            }
        }
        if cause.stage != StageName::Engine {
            rows.0.values().for_each(|(at, event, row)| self.parked(at, event, row, report));
            return;
        }
        let mut touched = Touched::default();
        let adopted: BTreeSet<OrderId> = match self.trimmed && cause.kind != "place" {
            true => rows.0.keys().filter(|id| !self.orders.contains_key(id)).copied().collect(),
            false => BTreeSet::new(),
        };
        let fresh: BTreeSet<CellKey> = match self.trimmed {
            true => rows.1.keys().filter(|key| !self.cells.contains_key(key)).copied().collect(),
            false => BTreeSet::new(),
        };
        let shown: BTreeMap<OrderId, &OrderRow> =
            rows.0.iter().map(|(id, (_, _, row))| (*id, *row)).collect();
        for (id, row) in &shown {
            let lines = row.lines.iter().map(|line| Line {
                name: xxh3_64(line.line.as_bytes()),
                sku: self.number(&line.sku),
                bucket: self.number(&line.bucket),
            });
            let lines: Vec<Line> = lines.collect();
            let order = self.orders.entry(*id).or_insert_with(Order::new);
            order.lines = lines;
        }
        for (at, event) in scope {
            self.event(cause, at, event, &adopted, &fresh, &mut touched, notices, report);
        }
        for (id, (at, event, row)) in &rows.0 {
            if adopted.contains(id) {
                self.adopt_order(*id, row);
            }
            self.order_row(cause, at, event, row, touched.moved.contains(id), report);
        }
        let (at, _) = scope.last().expect("judged with at least one event");
        for id in touched.orders.iter().filter(|id| !rows.0.contains_key(id)) {
            report.violated("E2308", at.clone(), || format!("{id} changed and its row was not written"));
        }
        for key in touched.cells.iter().chain(rows.1.keys()).copied().collect::<BTreeSet<_>>() {
            match rows.1.get(&key) {
                Some((at, event, row)) => self.cell_row(key, fresh.contains(&key), at, event, row, report),
                None if self.cells[&key].tracked && !self.untracked.contains(&key.1) => {
                    let CellName { node, sku, .. } = self.cell_name(key);
                    let said = format!("{sku} at {node} changed and its row was not written");
                    report.violated("E2308", at.clone(), || said);
                }
                None => {}
            }
        }
        self.placed(cause, scope, &shown, report);
    }

    /// Counts what left memory.
    fn forget(&mut self, order: OrderId, at: &Position, report: &mut Report) {
        let Some(known) = self.orders.remove(&order) else { return };
        if !known.state.as_ref().is_none_or(OrderState::is_closed) {
            report.violated("E2319", at.clone(), || format!("{order} is forgotten and not closed"));
        }
        self.forgotten.insert(order, known.stamp);
    }

    #[allow(clippy::too_many_arguments, reason = "one event within its command, all of it the command's own")]
    fn event(
        &mut self,
        cause: &Cause,
        at: &Position,
        event: &Event,
        adopted: &BTreeSet<OrderId>,
        fresh: &BTreeSet<CellKey>,
        touched: &mut Touched,
        notices: &mut Notices,
        report: &mut Report,
    ) {
        // A node states what it did; whatever else raises a promise is our own decision.
        let fact = event.item == 0 && matches!(cause.kind, "picked" | "ready" | "shipped" | "returned");
        let (mut before, mut left) = (BTreeMap::new(), BTreeMap::<CellKey, Qty>::new());
        for change in &event.changes {
            match change {
                Change::Units { node, moves } => {
                    let Some(id) = event.order else {
                        report.violated("E2303", at.clone(), || "units of no order were moved".into());
                        continue;
                    };
                    touched.orders.insert(id);
                    touched.moved.insert(id);
                    let node = node.as_ref().map_or(NOWHERE, |node| self.number(node));
                    for (line, from, to, qty) in moves {
                        let order = self.orders.entry(id).or_insert_with(Order::new);
                        if !adopted.contains(&id) {
                            order.shift(*line, node, (*from, *to), *qty);
                        }
                        let Some(place) = order.lines.get(usize::from(*line)).filter(|_| node != NOWHERE)
                        else {
                            continue;
                        };
                        let key = (node, place.sku, place.bucket);
                        touched.cells.insert(key);
                        let cell = self.cells.entry(key).or_default();
                        before.entry(key).or_insert(cell.allocated);
                        if !fresh.contains(&key) {
                            let count = |yes: bool| if yes { *qty } else { Qty::ZERO };
                            let back = router_schemas::event::Unit::Backordered;
                            cell.allocated += count(PROMISED.contains(to)) - count(PROMISED.contains(from));
                            cell.backordered += count(*to == back) - count(*from == back);
                        }
                        if *to == router_schemas::event::Unit::Shipped {
                            *left.entry(key).or_default() += *qty;
                        }
                    }
                }
                Change::Stock(stock) => {
                    let key = self.key(&stock.cell);
                    touched.cells.insert(key);
                    let cell = self.cells.entry(key).or_default();
                    cell.tracked = true;
                    if !fresh.contains(&key) {
                        cell.on_hand += stock.on_hand;
                        cell.blocked += stock.blocked;
                    }
                    if stock.cause == StockCause::Shipment {
                        *left.entry(key).or_default() += stock.stated.unwrap_or(stock.on_hand);
                    }
                    if let Some(said) = impossible(stock) {
                        report.violated("E2302", at.clone(), || said.into());
                    }
                }
                Change::State(from, to) => self.restated(at, event, (from, to), report),
                Change::Exception(exception) => {
                    let (name, cell) = match exception {
                        Exception::Oversold(cell, _) => ("oversold", cell),
                        Exception::Drift(cell, _) => ("drift", cell),
                        _ => continue,
                    };
                    notices.expect(name, cell, &event.cause, at);
                    if name == "oversold" {
                        self.said(at, cell, true, report);
                    }
                }
                Change::Recovered(cell) => {
                    notices.expect("recovered", cell, &event.cause, at);
                    self.said(at, cell, false, report);
                }
                Change::Forgotten(order) => self.forget(*order, at, report),
                Change::Decided(_)
                | Change::Payment(..)
                | Change::Amended(_)
                | Change::Hold(_)
                | Change::Offer(_)
                | Change::Node(..)
                | Change::CancelRequested(..)
                | Change::CancelAnswered(..)
                | Change::Accepted(_)
                | Change::GivenBack(..)
                | Change::Late(..)
                | Change::Part(_)
                | Change::Steered(..) => {}
            }
        }
        for (key, before) in before {
            let cell = &self.cells[&key];
            let most = match cell.allowance {
                Allowance::None => Some(cell.on_hand),
                Allowance::Limited(qty) => Some(cell.on_hand + qty),
                Allowance::Unlimited => None,
            };
            let judged = !fact && cell.tracked && !fresh.contains(&key) && !self.untracked.contains(&key.1);
            if judged && cell.allocated > before && most.is_some_and(|most| cell.allocated > most) {
                let (allocated, CellName { node, sku, .. }) = (cell.allocated, self.cell_name(key));
                report.violated("E2301", at.clone(), || {
                    format!("{}: {allocated} of {sku} at {node}, before {before}", event.cause)
                });
            }
        }
        for (key, left) in left {
            let tracked = self.cells[&key].tracked && !self.untracked.contains(&key.1);
            if left.is_positive() && tracked {
                let CellName { node, sku, .. } = self.cell_name(key);
                report.violated("E2302", at.clone(), || {
                    format!("{left} of {sku} left {node} and are still there")
                });
            }
        }
    }

    fn restated(
        &mut self,
        at: &Position,
        event: &Event,
        to: (&OrderState, &OrderState),
        report: &mut Report,
    ) {
        let Some(order) = event.order.and_then(|id| self.orders.get_mut(&id)) else { return };
        // A new order is about to be routed.
        let known = order.state.clone().unwrap_or(OrderState::Routing);
        if known != *to.0 && !(self.trimmed && order.state.is_none()) {
            report
                .violated("E2319", at.clone(), || format!("{}: from {}, it was {known}", event.cause, to.0));
        }
        order.state = Some(to.1.clone());
    }

    /// An exception says that a cell is oversold, or not any more.
    fn said(&mut self, at: &Position, cell: &CellName, oversold: bool, report: &mut Report) {
        let key = self.key(cell);
        let trimmed = self.trimmed;
        let held = self.cells.entry(key).or_default();
        if std::mem::replace(&mut held.oversold, oversold) == oversold && !trimmed {
            let said = if oversold { "oversold" } else { "recovered" };
            report.violated("E2310", at.clone(), || format!("{} at {} is {said} again", cell.sku, cell.node));
        }
    }

    pub fn close(&mut self, report: &mut Report) {
        report.cells = self.cells.values().filter(|cell| cell.tracked).count() as u64;
        report.oversold =
            self.cells.values().filter(|cell| cell.tracked && cell.over().is_positive()).count() as u64;
        let (orders, cells) = self.adopted;
        if orders + cells > 0 {
            report.unchecked.push(format!(
                "{orders} orders and {cells} cells began in what was trimmed: judged from their first row on"
            ));
        }
        if !self.untracked.is_empty() {
            let said = format!("{} SKUs are not tracked: their cells are not added up", self.untracked.len());
            report.unchecked.push(said);
        }
    }
}

/// What a change of stock may not say.
fn impossible(stock: &StockChange) -> Option<&'static str> {
    match stock.cause {
        StockCause::Receipt if stock.on_hand < Qty::ZERO => Some("a receipt takes away"),
        StockCause::Shipment if stock.on_hand.is_positive() => Some("a shipment adds"),
        StockCause::Return if stock.on_hand < Qty::ZERO => Some("a return takes away"),
        _ => None,
    }
}

/// Hash of a row as a store keeps it.
pub(crate) fn hash<T: serde::Serialize>(stamped: &T) -> u64 {
    xxh3_64(&postcard::to_stdvec(stamped).expect("rows that were decoded encode again"))
}
