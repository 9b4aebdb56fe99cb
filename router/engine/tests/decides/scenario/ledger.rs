//! I1 to I7 from outside: sums over the events, compared with the row images and with what the engine
//! answers. Nothing here knows how the engine decides.

use std::collections::{BTreeMap, BTreeSet};

use router_engine::engine::Engine;
use router_schemas::{
    command::{
        Command,
        reference::Reference,
        stock::{Allowance, CellName},
    },
    event::{Change, Event, OfferStep, Unit},
    id::OrderId,
    quantity::Qty,
    row::{CellRow, HoldRow, LineRow, OrderRow, Row},
};

use super::offer_book::Offers;

/// Node, SKU, bucket.
type Cell = (String, String, String);
type Units = BTreeMap<Unit, i64>;
/// By node, where pinned, SKU and bucket.
type HeldSums = BTreeMap<(Option<String>, String, String), i64>;

#[derive(Default)]
pub struct Ledger {
    cells: BTreeMap<Cell, CellSum>,
    orders: BTreeMap<OrderId, OrderSum>,
    untracked: BTreeSet<String>,
    enabled: BTreeMap<String, bool>,
    order_rows: BTreeMap<OrderId, OrderRow>,
    cell_rows: BTreeMap<Cell, CellRow>,
    offers: Offers,
    /// What is held for each order, by node and SKU, as changes add up.
    holds: BTreeMap<OrderId, HeldSums>,
    hold_rows: BTreeMap<OrderId, HoldRow>,
    forgotten: BTreeSet<OrderId>,
    /// Who gave work of an order back, and operations did not say otherwise since.
    gave_back: BTreeSet<(OrderId, String)>,
    time: u64,
    /// What the last record named.
    fresh: (BTreeSet<OrderId>, BTreeSet<Cell>),
}

#[derive(Default)]
struct CellSum {
    on_hand: i64,
    blocked: i64,
    allocated: i64,
    backordered: i64,
    held: i64,
}

#[derive(Default)]
struct OrderSum {
    /// SKU, bucket, and units by state; what comes from outside counts as ordered.
    lines: Vec<(String, String, Units)>,
    at: BTreeMap<(String, u16), Units>,
}

fn cell(name: &CellName) -> Cell {
    (name.node.clone(), name.sku.clone(), name.bucket.clone())
}

fn count(units: &Units, unit: Unit) -> i64 {
    units.get(&unit).copied().unwrap_or(0)
}

/// What the engine has of an order, with deadlines as they were when the row was written: they are said in the time of
/// records, which the time that the service runs follows only while it runs.
pub fn as_of(now: Option<OrderRow>, row: &OrderRow) -> Option<OrderRow> {
    now.map(|mut now| {
        for (now, said) in now.fulfilments.iter_mut().zip(&row.fulfilments) {
            if now.deadline.is_some() && said.deadline.is_some() {
                now.deadline = said.deadline;
            }
        }
        now
    })
}

pub fn ensure(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}

impl Ledger {
    /// Takes in what one record did.
    pub fn record(&mut self, command: &Command, skipped: bool, events: &[Event]) -> Result<(), String> {
        self.fresh = Default::default();
        self.offers.begin();
        self.form(command, skipped, events)?;
        if let (Command::Reference(published), false) = (command, skipped) {
            match &published.change {
                Reference::Node(node) => _ = self.enabled.insert(node.id.clone(), node.enabled),
                Reference::Item(item) if item.untracked => _ = self.untracked.insert(item.sku.clone()),
                _ => {}
            }
        }
        let mut held = BTreeSet::new();
        // Rows close a record, and name the lines that its moves are about.
        for row in events.iter().flat_map(|event| &event.rows) {
            match row {
                Row::Order(row) => {
                    let sum = self.orders.entry(row.order).or_default();
                    for line in row.lines.iter().skip(sum.lines.len()) {
                        sum.lines.push((line.sku.clone(), line.bucket.clone(), Units::new()));
                    }
                    self.order_rows.insert(row.order, (**row).clone());
                    self.fresh.0.insert(row.order);
                }
                Row::Cell(row) => {
                    self.cell_rows.insert(cell(&row.cell), row.clone());
                    self.fresh.1.insert(cell(&row.cell));
                }
                Row::Reference(_) => {}
                Row::Hold(row) => {
                    self.hold_rows.insert(row.order, row.clone());
                    held.insert(row.order);
                }
                Row::Offer(row) => self.offers.row(row),
                Row::Node(_) | Row::Pool(_) => {}
            }
        }
        for event in events {
            // Operations took a hand in it, which holds for all of the event.
            if event.changes.iter().any(|change| matches!(change, Change::Steered(..))) {
                self.gave_back.retain(|(order, _)| Some(*order) != event.order);
                self.offers.steered(event.order);
            }
            for change in &event.changes {
                self.change(event, change).map_err(|why| format!("{why}, by {change:?}"))?;
            }
        }
        held.iter().try_for_each(|order| self.check_hold(*order))?;
        for order in self.fresh.0.clone() {
            self.check_order(order)?;
        }
        self.fresh.1.clone().iter().try_for_each(|cell| self.check_cell(cell))
    }

    /// I7: one outcome a command. And the form: items dense, time onward, a row once.
    fn form(&mut self, command: &Command, skipped: bool, events: &[Event]) -> Result<(), String> {
        let outcomes = events.iter().filter(|event| event.outcome.is_some()).count();
        let silent = matches!(command, Command::Genesis(_) | Command::Tick | Command::Continue) && !skipped;
        ensure(outcomes == 1 || silent && outcomes == 0, || {
            format!("I7: {outcomes} outcomes of one command")
        })?;
        let items: BTreeSet<u16> = events.iter().map(|event| event.item).collect();
        let told = events.iter().all(|event| event.outcome.is_none() || event.item == 0);
        ensure(items.len() == events.len() && told, || "items of one command are counted twice".into())?;
        for event in events {
            let once = event.time == events[0].time && event.time > self.time;
            ensure(once, || format!("hybrid time {} after {}", event.time, self.time))?;
        }
        self.time = events.first().map_or(self.time, |event| event.time);
        let mut rows: Vec<String> = Vec::new();
        for row in events.iter().flat_map(|event| &event.rows) {
            let key = match row {
                Row::Order(row) => row.order.to_string(),
                Row::Cell(row) => format!("{:?}", row.cell),
                Row::Reference(entry) => format!("{:?}/{}", entry.table(), entry.key()),
                Row::Offer(row) => row.offer.to_string(),
                Row::Hold(row) => format!("hold of {}", row.order),
                Row::Node(row) => format!("node {}", row.node),
                Row::Pool(row) => {
                    format!("pool {} {} {} {}", row.channel, row.zone, row.sku, row.bucket)
                }
            };
            ensure(!rows.contains(&key), || format!("the row {key} is written twice"))?;
            rows.push(key);
        }
        Ok(())
    }

    fn change(&mut self, event: &Event, change: &Change) -> Result<(), String> {
        match change {
            Change::Units { node, moves } => {
                let order = event.order.ok_or("units move in an event about no order")?;
                let again = node.as_ref().is_some_and(|node| self.gave_back.contains(&(order, node.clone())));
                // The rest of what it was offered stays with who declined a part, and may be claimed.
                let claims = event.changes.iter().any(|change| match change {
                    Change::Offer(offer) => {
                        matches!(&offer.what, OfferStep::Claimed(who) if node.as_ref() == Some(who))
                    }
                    _ => false,
                });
                let given = moves.iter().any(|(_, from, to, _)| {
                    let comes = matches!(from, Unit::Open | Unit::Outside) || *from == Unit::Held && !claims;
                    comes && matches!(to, Unit::Allocated | Unit::Backordered)
                });
                let wrong = || format!("I6: {node:?} gave work of {order} back and gets some again");
                ensure(!(again && given), wrong)?;
                moves.iter().try_for_each(|step| self.step(order, node.as_deref(), *step))
            }
            Change::Stock(change) => {
                let sum = self.cells.entry(cell(&change.cell)).or_default();
                sum.on_hand += change.on_hand.0;
                sum.blocked += change.blocked.0;
                self.fresh.1.insert(cell(&change.cell));
                Ok(())
            }
            Change::Forgotten(order) if !self.orders.contains_key(order) => {
                let hold = self.hold_rows.remove(order).ok_or("an order is forgotten that nobody knew")?;
                self.holds.remove(order);
                ensure(hold.lines.is_empty(), || "a hold is forgotten that holds".into())
            }
            Change::Hold(change) => {
                for (node, sku, bucket, qty) in &change.moves {
                    let of_order = self.holds.entry(change.order).or_default();
                    *of_order.entry((node.clone(), sku.clone(), bucket.clone())).or_default() += qty.0;
                    if let Some(node) = node {
                        let name = (node.clone(), sku.clone(), bucket.clone());
                        self.cells.entry(name.clone()).or_default().held += qty.0;
                        self.fresh.1.insert(name);
                    }
                }
                Ok(())
            }
            Change::Forgotten(order) => {
                self.holds.remove(order);
                self.hold_rows.remove(order);
                let sum = self.orders.remove(order).ok_or("an order is forgotten that nobody knew")?;
                self.order_rows.remove(order);
                self.fresh.0.remove(order);
                self.forgotten.insert(*order);
                let promised = |units: &Units| PROMISED.iter().any(|unit| count(units, *unit) > 0);
                ensure(!sum.at.values().any(promised), || "an order with promised units is forgotten".into())
            }
            Change::Offer(change) => self.offers.change(event, change),
            Change::GivenBack(node, ..) => {
                let order = event.order.ok_or("work is given back in an event about no order")?;
                self.offers.given_back(order, node);
                self.gave_back.insert((order, node.clone()));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn step(
        &mut self,
        order: OrderId,
        node: Option<&str>,
        (line, from, to, qty): (u16, Unit, Unit, Qty),
    ) -> Result<(), String> {
        ensure(qty.is_positive(), || format!("{qty} units move"))?;
        self.fresh.0.insert(order);
        let sum = self.orders.get_mut(&order).ok_or("units of an order without a row move")?;
        let (sku, bucket, units) =
            sum.lines.get_mut(usize::from(line)).ok_or("a line without a row moves")?;
        // What was delivered or came back counts as shipped as well.
        let stays = matches!(to, Unit::Delivered | Unit::Returned);
        let shift = |units: &mut Units| {
            if !stays {
                *units.entry(from).or_default() -= qty.0;
            }
            *units.entry(to).or_default() += qty.0;
        };
        shift(units);
        let Some(node) = node else { return Ok(()) };
        let name = (node.to_owned(), sku.clone(), bucket.clone());
        let untracked = self.untracked.contains(sku);
        shift(sum.at.entry((node.to_owned(), line)).or_default());
        let cell = self.cells.entry(name.clone()).or_default();
        for (unit, sign) in [(from, -1), (to, 1)] {
            cell.allocated += if PROMISED.contains(&unit) { sign * qty.0 } else { 0 };
            cell.backordered += if unit == Unit::Backordered { sign * qty.0 } else { 0 };
        }
        let row = self.cell_rows.get(&name);
        let (safety, allowance) = row.map_or((0, Allowance::None), |row| (row.safety_stock.0, row.allowance));
        if untracked {
            return Ok(());
        }
        self.fresh.1.insert(name.clone());
        match (from, to) {
            (Unit::Backordered, Unit::Allocated) => {
                let needed = cell.allocated - cell.backordered + cell.held + cell.blocked + safety;
                ensure(needed <= cell.on_hand, || format!("I1: {needed} of {} at {name:?}", cell.on_hand))
            }
            (Unit::Open | Unit::Held | Unit::Outside, Unit::Allocated) => {
                let needed = cell.allocated + cell.held + cell.blocked + safety;
                ensure(needed <= cell.on_hand, || format!("I1: {needed} of {} at {name:?}", cell.on_hand))
            }
            (_, Unit::Backordered) => {
                let within = match allowance {
                    Allowance::None => false,
                    Allowance::Limited(limit) => cell.backordered <= limit.0,
                    Allowance::Unlimited => true,
                };
                ensure(within, || format!("I1: {} backordered at {name:?}", cell.backordered))
            }
            _ => Ok(()),
        }
    }

    /// I3, and that the row says what the moves add up to.
    fn check_order(&self, order: OrderId) -> Result<(), String> {
        let (sum, row) = (&self.orders[&order], &self.order_rows[&order]);
        for (number, (line, (sku, bucket, units))) in row.lines.iter().zip(&sum.lines).enumerate() {
            let of = |unit| count(units, unit);
            let ordered = Qty(-of(Unit::Outside));
            let wanted = LineRow {
                line: line.line.clone(),
                sku: sku.clone(),
                bucket: bucket.clone(),
                ordered,
                open: Qty(of(Unit::Open)),
                held: Qty(of(Unit::Held)),
                backordered: Qty(of(Unit::Backordered)),
                allocated: Qty(of(Unit::Allocated) + of(Unit::Picked) + of(Unit::Ready)),
                away: Qty(of(Unit::Away)),
                shipped: Qty(of(Unit::Shipped)),
                delivered: Qty(of(Unit::Delivered)),
                returned: Qty(of(Unit::Returned)),
                cancelled: Qty(of(Unit::Cancelled)),
                ..line.clone()
            };
            ensure(wanted == *line, || format!("the row says {line:?}, the moves add up to {wanted:?}"))?;
            let parts = [line.open, line.held, line.backordered, line.allocated, line.away, line.shipped];
            let whole = parts.into_iter().sum::<Qty>() + line.cancelled == line.ordered;
            let sound = parts.iter().chain([&line.cancelled]).all(|qty| qty.0 >= 0);
            let after = line.returned <= line.shipped && line.delivered <= line.shipped;
            ensure(whole && sound && after, || format!("I3: {line:?}"))?;
            for ((node, _), at) in sum.at.iter().filter(|((_, n), _)| usize::from(*n) == number) {
                let found = row.fulfilments.iter().find(|f| f.node == *node && usize::from(f.line) == number);
                let stated = found.map_or([Qty::ZERO; 6], |f| {
                    [f.backordered, f.allocated, f.picked, f.ready, f.shipped, f.returned]
                });
                let [b, a, p, r] = PROMISED;
                let summed = [b, a, p, r, Unit::Shipped, Unit::Returned].map(|unit| Qty(count(at, unit)));
                ensure(stated == summed, || {
                    format!("at {node} the row says {stated:?}, the moves {summed:?}")
                })?;
            }
        }
        self.check_state(row)
    }

    /// What a hold's row says is what its changes add up to.
    fn check_hold(&self, order: OrderId) -> Result<(), String> {
        let row = &self.hold_rows[&order];
        let mut stated = HeldSums::new();
        for (_, node, sku, bucket, qty) in &row.lines {
            *stated.entry((node.clone(), sku.clone(), bucket.clone())).or_default() += qty.0;
        }
        let summed = self.holds.get(&order).cloned().unwrap_or_default();
        let summed: HeldSums = summed.into_iter().filter(|(_, qty)| *qty != 0).collect();
        ensure(stated == summed, || format!("the hold is {stated:?}, its changes add up to {summed:?}"))
    }

    /// I5: the state is the one that the units allow.
    fn check_state(&self, row: &OrderRow) -> Result<(), String> {
        let any = |field: fn(&LineRow) -> Qty| row.lines.iter().any(|line| field(line).is_positive());
        let (open, promised) = (any(|l| l.open), any(|l| l.allocated + l.backordered + l.away));
        let legal = match &*row.state.text() {
            "offered" => any(|l| l.held),
            "in_fulfilment" => !open && promised,
            "completed" | "shipped_after_cancel" => !open && !promised && any(|l| l.shipped),
            "cancelled" => !open && !promised && !any(|l| l.shipped),
            _ => open,
        };
        ensure(legal, || format!("I5: {} with {:?}", row.state, row.lines))
    }

    /// I2, and that the row says what the changes add up to.
    fn check_cell(&self, name: &Cell) -> Result<(), String> {
        let Some(row) = self.cell_rows.get(name) else {
            return Err(format!("{name:?} changed without a row"));
        };
        let empty = CellSum::default();
        let sum = self.cells.get(name).unwrap_or(&empty);
        let stated = [row.on_hand, row.blocked, row.allocated, row.backordered, row.held].map(|qty| qty.0);
        let summed = [sum.on_hand, sum.blocked, sum.allocated, sum.backordered, sum.held];
        ensure(stated == summed, || {
            format!("I2: {name:?} has {stated:?}, its changes add up to {summed:?}")
        })?;
        ensure(summed.iter().all(|n| *n >= 0), || format!("I2: {name:?} has {summed:?}"))?;
        let usable = self.enabled.get(&name.0).copied().unwrap_or(false) && !row.out_of_stock;
        let left = sum.on_hand - sum.allocated - sum.held - sum.blocked - row.safety_stock.0;
        // A SKU without limit has no numbers of its own.
        let usable = usable && !self.untracked.contains(&name.1);
        let atp = if usable { left.max(0) } else { 0 };
        ensure(row.atp.0 == atp, || format!("ATP of {name:?} is {}, not {}", row.atp, Qty(atp)))
    }

    /// What the engine answers is what the last row of it said: of all, or of what the last record named.
    pub fn agrees_with(&self, engine: &Engine, all: bool) -> Result<(), String> {
        for (id, row) in self.order_rows.iter().filter(|(id, _)| all || self.fresh.0.contains(id)) {
            let now = as_of(engine.order(*id), row);
            ensure(now.as_ref() == Some(row), || {
                format!("the last row was {row:?}, the engine has {now:?}")
            })?;
        }
        self.offers.agree_with(engine, all)?;
        for id in &self.forgotten {
            ensure(engine.order(*id).is_none(), || format!("{id} was forgotten and is known"))?;
        }
        for (id, row) in &self.hold_rows {
            let now = engine.hold(*id).map(|now| HoldRow { deadline: row.deadline, ..now });
            ensure(now.as_ref() == Some(row), || {
                format!("the last row was {row:?}, the engine has {now:?}")
            })?;
        }
        for (name, row) in self.cell_rows.iter().filter(|(name, _)| all || self.fresh.1.contains(*name)) {
            let now = engine.cells(&name.1).into_iter().find(|now| now.cell == row.cell);
            ensure(now.as_ref() == Some(row), || {
                format!("the last row was {row:?}, the engine has {now:?}")
            })?;
        }
        Ok(())
    }

    pub fn forgot(&self, order: OrderId) -> bool {
        self.forgotten.contains(&order)
    }

    pub fn rows(&self) -> impl Iterator<Item = &OrderRow> {
        self.order_rows.values()
    }
}

const PROMISED: [Unit; 4] = [Unit::Backordered, Unit::Allocated, Unit::Picked, Unit::Ready];
