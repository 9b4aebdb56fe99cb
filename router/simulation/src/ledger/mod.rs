//! The naive model beside the stages: sums of what the events say, kept with no thought of speed, and compared with the
//! rows that the stages write. What a record touched is compared behind that record, everything now and then.

mod cells;
mod clock;
mod form;
mod holds;
mod offers;
mod parts;
mod units;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use router_schemas::{
    command::{Command, reference::Reference, stock::CellName},
    event::{Change, Event, Unit},
    id::{OfferId, OrderId},
    quantity::Qty,
    row::{CellRow, FulfilmentRow, HoldRow, OrderRow, Row},
    stage::StageName,
};

use self::{
    cells::Sum,
    clock::Clock,
    holds::{HoldSums, PoolName},
    offers::Offer,
};

/// Units by state, indexed by `Unit as usize`.
type Units = [i64; 12];

const PROMISED: [Unit; 4] = [Unit::Backordered, Unit::Allocated, Unit::Picked, Unit::Ready];
/// Time behind a deadline in which a tick must have worked it off, ms.
const LATE: i64 = 60_000;

#[derive(Default)]
struct Account {
    lines: Vec<Units>,
    at: BTreeMap<(String, u16), Units>,
    row: Option<OrderRow>,
    /// Partition that has it.
    partition: u16,
    /// Nodes that declined it, and were not forgiven.
    declined: BTreeSet<String>,
    /// Its offers.
    offers: BTreeSet<OfferId>,
}

/// What one record changed.
#[derive(Default)]
struct Touched {
    orders: BTreeSet<OrderId>,
    cells: HashSet<CellName>,
    offers: BTreeSet<OfferId>,
    holds: BTreeSet<OrderId>,
    pools: HashSet<PoolName>,
    /// Rows as they were before the record.
    orders_before: HashMap<OrderId, OrderRow>,
    holds_before: HashMap<OrderId, HoldRow>,
}

/// The sums.
#[derive(Default)]
pub struct Ledger {
    orders: HashMap<OrderId, Account>,
    cells: HashMap<CellName, (Sum, Option<CellRow>)>,
    offers: HashMap<OfferId, Offer>,
    holds: HashMap<OrderId, HoldSums>,
    /// What is held without a node, by holds and by open offers.
    pools: HashMap<PoolName, i64>,
    /// Partition and SKU.
    untracked: HashSet<(u16, String)>,
    /// Partition of each node with events.
    homes: HashMap<String, u16>,
    partition: u16,
    enabled: HashSet<String>,
    /// Hybrid time of the last event of each partition of commands, intake and control.
    times: HashMap<(u8, u16), u64>,
    /// Until when the keys of facts are remembered, engine time, by partition.
    keys: HashMap<(u16, [u8; 16]), i64>,
    /// Orders with units at nodes that are not shipped.
    open: BTreeSet<OrderId>,
    /// Orders for which something was to be held, in vain or not.
    asked: HashSet<OrderId>,
    /// Orders that are not closed and are no parts.
    unfinished: BTreeSet<OrderId>,
    /// Of each partition of commands.
    clocks: HashMap<u16, Clock>,
    touched: Touched,
    /// Orders that were forgotten.
    pub forgotten: u64,
}

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

impl Ledger {
    /// Takes in what one record led to. `command`: what it was, where it could be read.
    pub fn take(
        &mut self,
        stage: StageName,
        partition: u16,
        at: i64,
        command: Option<&Command>,
        events: &[Event],
    ) -> Result<(), String> {
        self.touched = Touched::default();
        self.one_outcome(stage, command, events)?;
        // What intake shows of orders that it parks has no moves behind it.
        if stage != StageName::Engine {
            return Ok(());
        }
        self.clocks.entry(partition).or_default().note(at, matches!(command, Some(Command::Tick)));
        self.partition = partition;
        self.one_effect(command, events)?;
        if let Some(Command::Reserve(router_schemas::command::hold::Reserve { to: Some(to), .. })) = command {
            self.asked.insert(to.order);
        }
        if let Some(Command::Reference(published)) = command {
            self.publish(&published.change);
        }
        for row in events.iter().flat_map(|event| &event.rows) {
            self.row(row);
        }
        for event in events {
            for change in &event.changes {
                self.change(event, change, command).map_err(|why| format!("{why}, by {change:?}"))?;
            }
        }
        let touched = std::mem::take(&mut self.touched);
        touched.orders.iter().try_for_each(|order| self.check_order(*order))?;
        touched.cells.iter().try_for_each(|cell| self.check_cell(cell))?;
        touched.offers.iter().try_for_each(|offer| self.check_offer(*offer))?;
        touched.holds.iter().try_for_each(|order| self.check_hold(*order))?;
        events.iter().flat_map(|event| &event.rows).try_for_each(|row| match row {
            Row::Pool(row) => self.check_pool(row),
            _ => Ok(()),
        })
    }

    /// Compares everything.
    pub fn check_all(&self) -> Result<(), String> {
        self.orders.keys().try_for_each(|order| self.check_order(*order))?;
        self.cells.keys().try_for_each(|cell| self.check_cell(cell))?;
        self.offers.keys().try_for_each(|offer| self.check_offer(*offer))?;
        self.holds.keys().try_for_each(|order| self.check_hold(*order))?;
        self.check_lapsed()?;
        self.check_held()
    }

    /// Orders as their last rows say.
    pub fn rows(&self) -> impl Iterator<Item = &OrderRow> {
        self.orders.values().filter_map(|account| account.row.as_ref())
    }

    /// The nth order with units at nodes that are not shipped, or the last one.
    pub fn open_order(&self, nth: usize) -> Option<OrderId> {
        self.open.iter().take(nth + 1).next_back().copied()
    }

    /// One of the oldest orders that are not closed, where there are more than so many.
    pub fn oldest_beyond(&self, most: usize) -> Option<&OrderRow> {
        let beyond = self.unfinished.len().checked_sub(most + 1)?;
        // Some stay, as nodes have picked them.
        let oldest = self.unfinished.iter().nth(beyond / 2)?;
        self.order(*oldest)
    }

    /// An order as its last row says.
    pub fn order(&self, id: OrderId) -> Option<&OrderRow> {
        self.orders.get(&id)?.row.as_ref()
    }

    fn service(&self, partition: u16) -> i64 {
        self.clocks.get(&partition).map_or(0, Clock::service)
    }

    fn engine_time(&self, partition: u16) -> i64 {
        self.clocks.get(&partition).map_or(0, |clock| clock.engine)
    }

    fn publish(&mut self, change: &Reference) {
        match change {
            Reference::Item(item) if item.untracked => {
                _ = self.untracked.insert((self.partition, item.sku.clone()))
            }
            Reference::Item(item) => _ = self.untracked.remove(&(self.partition, item.sku.clone())),
            Reference::Node(node) if node.enabled => _ = self.enabled.insert(node.id.clone()),
            Reference::Node(node) => _ = self.enabled.remove(&node.id),
            _ => {}
        }
    }

    fn row(&mut self, row: &Row) {
        match row {
            Row::Order(row) => {
                let account = self.orders.entry(row.order).or_default();
                account.partition = self.partition;
                account.lines.resize(row.lines.len().max(account.lines.len()), [0; 12]);
                if let Some(before) = account.row.replace((**row).clone()) {
                    self.touched.orders_before.insert(row.order, before);
                }
                let promised = |f: &FulfilmentRow| f.allocated + f.picked + f.ready + f.backordered;
                match row.fulfilments.iter().any(|f| promised(f).is_positive()) {
                    true => self.open.insert(row.order),
                    false => self.open.remove(&row.order),
                };
                match row.part_of.is_none() && !row.state.is_closed() {
                    true => self.unfinished.insert(row.order),
                    false => self.unfinished.remove(&row.order),
                };
                self.touched.orders.insert(row.order);
            }
            Row::Cell(row) => {
                self.homes.insert(row.cell.node.clone(), self.partition);
                self.cells.entry(row.cell.clone()).or_default().1 = Some(row.clone());
                self.touched.cells.insert(row.cell.clone());
            }
            Row::Offer(row) => {
                self.offers.entry(row.offer).or_default().row = Some((**row).clone());
                if let Some(account) = self.orders.get_mut(&row.order) {
                    account.offers.insert(row.offer);
                }
                self.touched.offers.insert(row.offer);
            }
            Row::Hold(row) => {
                let hold = self.holds.entry(row.order).or_default();
                hold.partition = self.partition;
                if let Some(before) = hold.row.replace(row.clone()) {
                    self.touched.holds_before.insert(row.order, before);
                }
                self.touched.holds.insert(row.order);
            }
            Row::Node(_) | Row::Pool(_) | Row::Reference(_) => {}
        }
    }

    fn change(&mut self, event: &Event, change: &Change, command: Option<&Command>) -> Result<(), String> {
        match change {
            Change::Units { node, moves } => {
                let order = event.order.ok_or("units of no order move")?;
                moves.iter().try_for_each(|step| self.step(order, node.as_deref(), *step, event, command))
            }
            Change::Stock(change) => self.stock(change, event, command),
            Change::Hold(change) => self.hold(change),
            Change::Offer(change) => self.offer(change, event, command),
            Change::GivenBack(node, ..) => {
                let account = event.order.and_then(|order| self.orders.get_mut(&order));
                account.map(|account| account.declined.insert(node.clone()));
                Ok(())
            }
            Change::Steered(..) => {
                self.forgive(event, command);
                Ok(())
            }
            Change::Late(node, _) => self.late(node, event),
            Change::Forgotten(order) => self.forget(*order),
            _ => Ok(()),
        }
    }

    fn forget(&mut self, order: OrderId) -> Result<(), String> {
        let hold = self.holds.remove(&order);
        self.touched.holds.remove(&order);
        let still = hold.as_ref().is_some_and(|hold| hold.lines.values().any(|qty| *qty != 0));
        ensure(!still, || "an order with a hold is forgotten".into())?;
        let Some(account) = self.orders.remove(&order) else {
            return ensure(self.asked.remove(&order), || "an order is forgotten that nobody knew".into());
        };
        self.touched.orders.remove(&order);
        self.open.remove(&order);
        self.unfinished.remove(&order);
        self.asked.remove(&order);
        self.forgotten += 1;
        for offer in account.offers {
            let gone = self.offers.remove(&offer).is_none_or(|offer| offer.open.is_empty());
            self.touched.offers.remove(&offer);
            ensure(gone, || "an order with an open offer is forgotten".into())?;
        }
        let promised = account.at.values().any(|u| PROMISED.iter().any(|p| u[*p as usize] != 0));
        ensure(!promised, || "an order with promised units is forgotten".into())
    }

    /// Nothing is long behind its deadline.
    fn check_lapsed(&self) -> Result<(), String> {
        self.lapsed_offers()?;
        self.lapsed_holds()?;
        for account in self.orders.values() {
            let Some(row) = &account.row else { continue };
            let service = self.service(account.partition);
            let due = row.fulfilments.iter().filter_map(|f| f.due).min();
            ensure(due.is_none_or(|due| service <= due + LATE), || {
                format!("{}: work was due at {due:?}, and it is {service}", row.order)
            })?;
            let now = self.engine_time(account.partition);
            let scheduled = row.state == router_schemas::event::OrderState::Scheduled;
            let slept = row.not_before.filter(|at| scheduled && now > at + LATE);
            ensure(slept.is_none(), || format!("{} waits for {slept:?}, and it is {now}", row.order))?;
        }
        Ok(())
    }
}

/// Whether the node is given work as operations ask, whatever it said before.
fn assigns(command: Option<&Command>) -> bool {
    use router_schemas::command::steer::Steering;
    matches!(command, Some(Command::Steer(steer)) if matches!(steer.act, Steering::Assign { .. }))
}

/// Facts are taken, whatever they contradict.
fn is_fact(command: Option<&Command>) -> bool {
    matches!(
        command,
        Some(
            Command::Picked(_)
                | Command::Ready(_)
                | Command::Shipped(_)
                | Command::Returned(_)
                | Command::HandedOver(_)
                | Command::Delivered(_)
                | Command::PartReport(_)
        )
    )
}

fn positive(qty: Qty) -> Result<(), String> {
    ensure(qty.is_positive(), || format!("{qty} units move"))
}
