//! Units of cells and of order lines, added up from what events state, and compared with each row image.

mod events;
mod holds;
mod images;
mod offers;
mod rules;
mod standing;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use router_schemas::{
    command::{
        Command,
        reference::{Published, Reference, RouteWhen},
        stock::{Allowance, CellName},
    },
    event::{Event, OrderState},
    id::{OfferId, OrderId},
    position::Position,
    quantity::Qty,
    row::{OrderRow, Row},
    stage::StageName,
};
use xxhash_rust::xxh3::xxh3_64;

use self::{holds::Holds, offers::Offers, rules::Rules, standing::Nodes};
use crate::{
    notices::Notices,
    orders::{Line, Order},
    parts::Parts,
    report::Report,
};

pub(crate) use self::{
    offers::Entry,
    standing::{StandingKey, stamp},
};

/// The command whose events are judged.
pub(crate) struct Cause {
    pub stage: StageName,
    pub partition: u16,
    pub kind: &'static str,
    /// Service time, ms; `None`: not known.
    pub service: Option<i64>,
    /// A claim, or what operations asked for.
    pub said: Option<Command>,
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
    held: Qty,
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
    pub trimmed: bool,
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
    pub holds: Holds,
    pub offers: Offers,
    pub parts: Parts,
    rules: Rules,
    nodes: Nodes,
    /// When rows of offers, holds, nodes and pools were last written, and their hashes.
    pub standing: HashMap<StandingKey, (u64, u64)>,
    /// Orders that left memory: only their rows are compared.
    pub forgotten: HashMap<OrderId, (u64, u64)>,
}

/// What one command touched.
#[derive(Default)]
struct Touched {
    orders: BTreeSet<OrderId>,
    moved: BTreeSet<OrderId>,
    cells: BTreeSet<CellKey>,
    holds: BTreeSet<OrderId>,
    offers: BTreeSet<OfferId>,
}

/// What a command names first, of which the beginning was trimmed.
#[derive(Default)]
struct Fresh {
    orders: BTreeSet<OrderId>,
    cells: BTreeSet<CellKey>,
    holds: BTreeSet<OrderId>,
    offers: BTreeSet<OfferId>,
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
            holds: Holds::default(),
            offers: Offers::default(),
            parts: Parts::default(),
            rules: Rules::default(),
            nodes: Nodes::default(),
            standing: HashMap::new(),
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
    pub fn reference(&mut self, partition: u16, time: u64, published: &Published) {
        self.rules.publish(partition, time, published);
        match &published.change {
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
                    row @ (Row::Offer(_) | Row::Hold(_) | Row::Node(_) | Row::Pool(_)) => {
                        let key = StandingKey::of(row).expect("one of those that stand");
                        let before = self.standing.insert(key, stamp(event.time, row));
                        before.is_some_and(|(time, _)| time >= event.time)
                    }
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
        let mut fresh = self.fresh(scope);
        if !matches!(cause.kind, "place" | "part") {
            let unknown = rows.0.keys().filter(|id| self.trimmed && !self.orders.contains_key(id));
            fresh.orders.extend(unknown);
        }
        fresh.cells.extend(rows.1.keys().filter(|key| self.trimmed && !self.cells.contains_key(key)));
        let shown: BTreeMap<OrderId, &OrderRow> =
            rows.0.iter().map(|(id, (_, _, row))| (*id, *row)).collect();
        for (id, row) in &shown {
            let lines = row.lines.iter().map(|line| Line {
                name: xxh3_64(line.line.as_bytes()),
                sku: self.number(&line.sku),
                bucket: self.number(&line.bucket),
            });
            let lines: Vec<Line> = lines.collect();
            let place = (self.number(&row.identity.channel), self.number(&row.zone));
            let order = self.orders.entry(*id).or_insert_with(Order::new);
            (order.lines, order.place, order.is_part) = (lines, place, row.part_of.is_some());
        }
        for (at, event) in scope {
            self.event(cause, (at, event), scope, &fresh, &mut touched, notices, report);
        }
        for (id, (_, _, row)) in rows.0.iter().filter(|(id, _)| fresh.orders.contains(id)) {
            self.adopt_order(*id, row);
        }
        self.standing_rows(cause, scope, &fresh, &touched, report);
        for (id, (at, event, row)) in &rows.0 {
            self.parts.row(at, row, report);
            self.order_row(cause, at, event, row, touched.moved.contains(id), report);
        }
        let (at, _) = scope.last().expect("judged with at least one event");
        for id in touched.orders.iter().filter(|id| !rows.0.contains_key(id)) {
            report.violated("E2308", at.clone(), || format!("{id} changed and its row was not written"));
        }
        for key in touched.cells.iter().chain(rows.1.keys()).copied().collect::<BTreeSet<_>>() {
            match rows.1.get(&key) {
                Some((at, event, row)) => {
                    self.cell_row(key, fresh.cells.contains(&key), at, event, row, report)
                }
                None if self.cells[&key].tracked && !self.untracked.contains(&key.1) => {
                    let CellName { node, sku, .. } = self.cell_name(key);
                    let said = format!("{sku} at {node} changed and its row was not written");
                    report.violated("E2308", at.clone(), || said);
                }
                None => {}
            }
        }
        for id in &touched.orders {
            self.held_is_offered(*id, at, report);
        }
        self.placed(cause, scope, &shown, report);
    }

    /// Counts what left memory.
    fn forget(&mut self, order: OrderId, at: &Position, report: &mut Report) {
        self.forget_hold(order, at, report);
        let Some(known) = self.orders.remove(&order) else { return };
        self.offers.forget(&known.offers);
        if !known.state.as_ref().is_none_or(OrderState::is_closed) {
            report.violated("E2319", at.clone(), || format!("{order} is forgotten and not closed"));
        }
        self.forgotten.insert(order, known.stamp);
    }

    pub fn close(&mut self, report: &mut Report) {
        report.cells = self.cells.values().filter(|cell| cell.tracked).count() as u64;
        report.offers = self.offers.ever;
        report.holds = self.holds.ever;
        report.parts = self.parts.count();
        if self.offers.ever == 0 {
            report.no_subject.push("I4: no offers in this log");
        }
        if self.offers.declines == 0 {
            report.no_subject.push("I6: no node declined in this log");
        }
        report.invariants = vec!["I1", "I2", "I3", "I4", "I5", "I6", "I7"];
        let without = |name: &&str| report.no_subject.iter().any(|said| said.starts_with(*name));
        let without: Vec<&str> = report.invariants.iter().copied().filter(|name| without(name)).collect();
        report.invariants.retain(|name| !without.contains(name));
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

/// Hash of a row as a store keeps it.
pub(crate) fn hash<T: serde::Serialize>(stamped: &T) -> u64 {
    xxh3_64(&postcard::to_stdvec(stamped).expect("rows that were decoded encode again"))
}
