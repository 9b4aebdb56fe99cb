//! The naive model beside the stages: sums of what the events say, kept with no thought of speed, and compared with the
//! rows that the stages write. What a record touched is compared behind that record, everything now and then.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use router_schemas::{
    command::{
        Command,
        reference::Reference,
        stock::{Allowance, CellName},
    },
    event::{Change, Event, OfferClosed, OfferStep, OrderState, Outcome, Unit},
    id::{OfferId, OrderId},
    quantity::Qty,
    row::{
        CellRow, FulfilmentRow, HoldRow, HoldState, LineRow, OfferEntry, OfferRow, OfferState, OrderRow, Row,
    },
    stage::StageName,
};

/// Units by state, indexed by `Unit as usize`.
type Units = [i64; 12];

const PROMISED: [Unit; 4] = [Unit::Backordered, Unit::Allocated, Unit::Picked, Unit::Ready];

#[derive(Default)]
struct Account {
    lines: Vec<Units>,
    at: BTreeMap<(String, u16), Units>,
    row: Option<OrderRow>,
}

#[derive(Clone, Copy, Default, PartialEq, Debug)]
struct Sum {
    on_hand: i64,
    blocked: i64,
    allocated: i64,
    backordered: i64,
    held: i64,
}

/// Service time, written a second time from its definition: min(engine time, last tick + 30 s) − outages so far, where a
/// tick more than 30 s behind the last one adds the excess.
#[derive(Clone, Copy, Default, Debug)]
struct Clock {
    engine: i64,
    tick: i64,
    outages: i64,
}

impl Clock {
    fn note(&mut self, at: i64, tick: bool) {
        self.engine = self.engine.max(at);
        if tick {
            if self.tick > 0 {
                self.outages += (self.engine - self.tick - 30_000).max(0);
            }
            self.tick = self.engine;
        }
    }

    fn service(&self) -> i64 {
        let served = if self.tick == 0 { self.engine } else { self.engine.min(self.tick + 30_000) };
        served - self.outages
    }
}

#[derive(Default)]
struct Offer {
    /// Partition that has it, and when its round ends, service time.
    ends: (u16, Option<i64>),
    row: Option<OfferRow>,
    epoch: u32,
    open: BTreeSet<String>,
    winner: Option<String>,
}

/// Service time behind the end of an offer in which a tick must have closed it, ms.
const LATE: i64 = 60_000;

/// The sums.
#[derive(Default)]
pub struct Ledger {
    orders: HashMap<OrderId, Account>,
    cells: HashMap<CellName, (Sum, Option<CellRow>)>,
    offers: HashMap<OfferId, Offer>,
    holds: HashMap<OrderId, HoldRow>,
    /// Partition and SKU.
    untracked: HashSet<(u16, String)>,
    /// Partition of each node with events.
    homes: HashMap<String, u16>,
    partition: u16,
    enabled: HashSet<String>,
    /// Hybrid time of the last event of each partition of commands, intake and control.
    times: HashMap<(u8, u16), u64>,
    /// Orders with units at nodes that are not shipped.
    open: BTreeSet<OrderId>,
    /// Of each partition of commands.
    clocks: HashMap<u16, Clock>,
    touched: (BTreeSet<OrderId>, HashSet<CellName>, BTreeSet<OfferId>),
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
        self.touched = Default::default();
        self.one_outcome(stage, command, events)?;
        if stage == StageName::Engine {
            self.clocks.entry(partition).or_default().note(at, matches!(command, Some(Command::Tick)));
        }
        self.partition = partition;
        if let Some(Command::Reference(published)) = command.filter(|_| stage == StageName::Engine) {
            self.publish(&published.change);
        }
        // What intake shows of orders that it parks has no moves behind it.
        if stage != StageName::Engine {
            return Ok(());
        }
        for row in events.iter().flat_map(|event| &event.rows) {
            self.row(row);
        }
        for event in events {
            for change in &event.changes {
                self.change(event, change, command).map_err(|why| format!("{why}, by {change:?}"))?;
            }
        }
        self.touched.0.iter().try_for_each(|order| self.check_order(*order))?;
        self.touched.1.iter().try_for_each(|cell| self.check_cell(cell))?;
        self.touched.2.iter().try_for_each(|offer| self.check_offer(*offer))
    }

    /// Compares everything.
    pub fn check_all(&self) -> Result<(), String> {
        self.orders.keys().try_for_each(|order| self.check_order(*order))?;
        self.cells.keys().try_for_each(|cell| self.check_cell(cell))?;
        self.offers.keys().try_for_each(|offer| self.check_offer(*offer))?;
        self.check_lapsed()?;
        self.check_held()
    }

    /// No offer is open long behind its end.
    fn check_lapsed(&self) -> Result<(), String> {
        self.offers.iter().filter(|(_, offer)| !offer.open.is_empty()).try_for_each(|(id, offer)| {
            let service = self.clocks.get(&offer.ends.0).map_or(0, Clock::service);
            let late = offer.ends.1.is_some_and(|ends| service > ends + LATE);
            ensure(!late, || format!("{id} is open at {service}, it ended at {:?}", offer.ends.1))
        })
    }

    /// Orders as their last rows say.
    pub fn rows(&self) -> impl Iterator<Item = &OrderRow> {
        self.orders.values().filter_map(|account| account.row.as_ref())
    }

    /// The nth order with units at nodes that are not shipped, or the last one.
    pub fn open_order(&self, nth: usize) -> Option<OrderId> {
        self.open.iter().take(nth + 1).next_back().copied()
    }

    /// An order as its last row says.
    pub fn order(&self, id: OrderId) -> Option<&OrderRow> {
        self.orders.get(&id)?.row.as_ref()
    }

    /// Cells as their last rows say.
    pub fn cell_rows(&self) -> impl Iterator<Item = &CellRow> {
        self.cells.values().filter_map(|(_, row)| row.as_ref())
    }

    /// Offers as their last rows say.
    pub fn offer_rows(&self) -> impl Iterator<Item = &OfferRow> {
        self.offers.values().filter_map(|offer| offer.row.as_ref())
    }

    /// What was touched by the last record.
    pub fn touched_orders(&self) -> impl Iterator<Item = &OrderId> {
        self.touched.0.iter()
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

    /// I7, and the form: items are dense, time goes on, a row is written once.
    fn one_outcome(
        &mut self,
        stage: StageName,
        command: Option<&Command>,
        events: &[Event],
    ) -> Result<(), String> {
        let outcomes = events.iter().filter(|event| event.outcome.is_some()).count();
        // What intake passes on, the engine answers.
        let silent = stage == StageName::Intake
            || matches!(command, Some(Command::Genesis(_) | Command::Tick | Command::Continue));
        ensure(outcomes == 1 || silent && outcomes == 0, || {
            format!("I7: {outcomes} outcomes of {command:?}")
        })?;
        let Some(first) = events.first() else { return Ok(()) };
        let place = (first.cause.topic.code(), first.cause.partition);
        let last = self.times.entry(place).or_default();
        let onward = events.iter().all(|event| event.time == first.time) && first.time > *last;
        ensure(onward, || format!("hybrid time {} behind {last}", first.time))?;
        *last = first.time;
        let items: BTreeSet<u16> = events.iter().map(|event| event.item).collect();
        ensure(items.len() == events.len(), || "an item is counted twice".into())?;
        let mut rows = HashSet::new();
        for row in events.iter().flat_map(|event| &event.rows) {
            let key = match row {
                Row::Order(row) => row.order.to_string(),
                Row::Cell(row) => format!("{:?}", row.cell),
                Row::Offer(row) => row.offer.to_string(),
                Row::Hold(row) => format!("hold of {}", row.order),
                Row::Node(row) => format!("node {}", row.node),
                Row::Pool(row) => format!("pool {}/{}/{}/{}", row.channel, row.zone, row.sku, row.bucket),
                Row::Reference(entry) => format!("{:?}/{}", entry.table(), entry.key()),
            };
            ensure(rows.insert(key.clone()), || format!("the row {key} is written twice"))?;
        }
        Ok(())
    }

    fn row(&mut self, row: &Row) {
        match row {
            Row::Order(row) => {
                let account = self.orders.entry(row.order).or_default();
                account.lines.resize(row.lines.len().max(account.lines.len()), [0; 12]);
                account.row = Some((**row).clone());
                let promised = |f: &FulfilmentRow| f.allocated + f.picked + f.ready + f.backordered;
                match row.fulfilments.iter().any(|f| promised(f).is_positive()) {
                    true => self.open.insert(row.order),
                    false => self.open.remove(&row.order),
                };
                self.touched.0.insert(row.order);
            }
            Row::Cell(row) => {
                self.homes.insert(row.cell.node.clone(), self.partition);
                self.cells.entry(row.cell.clone()).or_default().1 = Some(row.clone());
                self.touched.1.insert(row.cell.clone());
            }
            Row::Offer(row) => {
                self.offers.entry(row.offer).or_default().row = Some((**row).clone());
                self.touched.2.insert(row.offer);
            }
            Row::Hold(row) => _ = self.holds.insert(row.order, row.clone()),
            Row::Node(_) | Row::Pool(_) | Row::Reference(_) => {}
        }
    }

    fn change(&mut self, event: &Event, change: &Change, command: Option<&Command>) -> Result<(), String> {
        match change {
            Change::Units { node, moves } => {
                let order = event.order.ok_or("units of no order move")?;
                let request = !is_fact(command) || event.item > 0;
                moves.iter().try_for_each(|step| self.step(order, node.as_deref(), *step, request))
            }
            Change::Stock(change) => {
                let sum = &mut self.cells.entry(change.cell.clone()).or_default().0;
                sum.on_hand += change.on_hand.0;
                sum.blocked += change.blocked.0;
                self.touched.1.insert(change.cell.clone());
                Ok(())
            }
            Change::Hold(change) => {
                for (node, sku, bucket, qty) in &change.moves {
                    let Some(node) = node else { continue };
                    let cell = CellName { node: node.clone(), sku: sku.clone(), bucket: bucket.clone() };
                    self.cells.entry(cell.clone()).or_default().0.held += qty.0;
                    self.touched.1.insert(cell);
                }
                Ok(())
            }
            Change::Offer(change) => {
                let partition = event.cause.partition;
                let service = self.clocks.get(&partition).map_or(0, Clock::service);
                let offer = self.offers.entry(change.offer).or_default();
                self.touched.2.insert(change.offer);
                ensure(change.epoch >= offer.epoch, || format!("{} goes back in its epoch", change.offer))?;
                match &change.what {
                    OfferStep::Opened(_, nodes, ends) => {
                        offer.ends = (partition, *ends);
                        ensure(
                            change.epoch > offer.epoch || offer.row.is_none() || offer.epoch == 0,
                            || "a round has the epoch of the one before".into(),
                        )?;
                        ensure(offer.winner.is_none() || change.epoch > offer.epoch, || {
                            "I4: offered again with a winner".into()
                        })?;
                        offer.winner = None;
                        offer.open = nodes.iter().cloned().collect();
                    }
                    OfferStep::Closed(node, _) => _ = offer.open.remove(node),
                    OfferStep::Declined(node, _, lines) if lines.is_empty() => _ = offer.open.remove(node),
                    OfferStep::Declined(..) => {}
                    OfferStep::Claimed(node) => {
                        let in_time = offer.ends.1.is_none_or(|ends| service < ends);
                        ensure(in_time, || format!("claimed at {service}, it ended at {:?}", offer.ends.1))?;
                        ensure(offer.winner.is_none(), || "I4: two winners".into())?;
                        ensure(offer.open.contains(node), || {
                            "I4: a node claims what it was not offered".into()
                        })?;
                        offer.winner = Some(node.clone());
                        offer.open.clear();
                    }
                    OfferStep::Lapsed => {
                        let over = offer.ends.1.is_some_and(|ends| service >= ends);
                        ensure(over, || format!("lapsed at {service}, it ends at {:?}", offer.ends.1))?;
                        offer.open.clear();
                    }
                    OfferStep::Exhausted | OfferStep::Withdrawn => {
                        offer.open.clear();
                        offer.winner = None;
                    }
                }
                offer.epoch = change.epoch;
                Ok(())
            }
            Change::Forgotten(order) => {
                let account = self.orders.remove(order).ok_or("an order is forgotten that nobody knew")?;
                self.touched.0.remove(order);
                self.open.remove(order);
                self.forgotten += 1;
                let promised = account.at.values().any(|u| PROMISED.iter().any(|p| u[*p as usize] != 0));
                let offers: Vec<OfferId> = self
                    .offers
                    .iter()
                    .filter(|(_, offer)| offer.row.as_ref().is_some_and(|row| row.order == *order))
                    .map(|(id, _)| *id)
                    .collect();
                for offer in offers {
                    let gone = self.offers.remove(&offer).is_none_or(|offer| offer.open.is_empty());
                    self.touched.2.remove(&offer);
                    ensure(gone, || "an order with an open offer is forgotten".into())?;
                }
                self.holds.remove(order);
                ensure(!promised, || "an order with promised units is forgotten".into())
            }
            _ => Ok(()),
        }
    }

    fn step(
        &mut self,
        order: OrderId,
        node: Option<&str>,
        (line, from, to, qty): (u16, Unit, Unit, Qty),
        request: bool,
    ) -> Result<(), String> {
        ensure(qty.is_positive(), || format!("{qty} units move"))?;
        self.touched.0.insert(order);
        let account = self.orders.get_mut(&order).ok_or("units of an order without a row move")?;
        // What was delivered or came back counts as shipped as well.
        let stays = matches!(to, Unit::Delivered | Unit::Returned);
        let shift = |units: &mut Units| {
            units[from as usize] -= if stays { 0 } else { qty.0 };
            units[to as usize] += qty.0;
        };
        let units = account.lines.get_mut(usize::from(line)).ok_or("a line without a row moves")?;
        shift(units);
        let Some(node) = node else { return Ok(()) };
        shift(account.at.entry((node.to_owned(), line)).or_insert([0; 12]));
        let row = account.row.as_ref().and_then(|row| row.lines.get(usize::from(line)));
        let row = row.ok_or("a line without a row moves")?;
        let name = CellName { node: node.to_owned(), sku: row.sku.clone(), bucket: row.bucket.clone() };
        let (sum, row) = self.cells.entry(name.clone()).or_default();
        for (unit, sign) in [(from, -1), (to, 1)] {
            sum.allocated += if PROMISED.contains(&unit) { sign * qty.0 } else { 0 };
            sum.backordered += if unit == Unit::Backordered { sign * qty.0 } else { 0 };
        }
        if self.untracked.contains(&(self.partition, name.sku.clone())) {
            return Ok(());
        }
        self.touched.1.insert(name.clone());
        let (safety, allowance) =
            row.as_ref().map_or((0, Allowance::None), |r| (r.safety_stock.0, r.allowance));
        let (sum, grew) = (*sum, !PROMISED.contains(&from) && PROMISED.contains(&to));
        match to {
            Unit::Allocated if grew && request => {
                let needed = sum.allocated + sum.held + sum.blocked + safety;
                ensure(needed <= sum.on_hand, || format!("I1: {needed} of {} at {name:?}", sum.on_hand))
            }
            Unit::Backordered if request => {
                let within = match allowance {
                    Allowance::None => false,
                    Allowance::Limited(limit) => sum.backordered <= limit.0,
                    Allowance::Unlimited => true,
                };
                ensure(within, || format!("I1: {} backordered at {name:?}", sum.backordered))
            }
            _ => Ok(()),
        }
    }

    /// I3, I5, and that the row says what the moves add up to.
    fn check_order(&self, order: OrderId) -> Result<(), String> {
        let Some(account) = self.orders.get(&order) else { return Ok(()) };
        let row = account.row.as_ref().ok_or_else(|| format!("{order} moves without a row"))?;
        for (number, (line, units)) in row.lines.iter().zip(&account.lines).enumerate() {
            let of = |unit: Unit| Qty(units[unit as usize]);
            let wanted = LineRow {
                ordered: Qty(-units[Unit::Outside as usize]),
                open: of(Unit::Open),
                held: of(Unit::Held),
                backordered: of(Unit::Backordered),
                allocated: of(Unit::Allocated) + of(Unit::Picked) + of(Unit::Ready),
                away: of(Unit::Away),
                shipped: of(Unit::Shipped),
                delivered: of(Unit::Delivered),
                returned: of(Unit::Returned),
                cancelled: of(Unit::Cancelled),
                ..line.clone()
            };
            ensure(wanted == *line, || {
                format!("{order}: the row says {line:?}, the moves add up to {wanted:?}")
            })?;
            let parts = [line.open, line.held, line.backordered, line.allocated, line.away, line.shipped];
            let whole = parts.into_iter().sum::<Qty>() + line.cancelled == line.ordered;
            let sound = parts.iter().chain([&line.cancelled]).all(|qty| qty.0 >= 0);
            let after = line.returned <= line.shipped && line.delivered <= line.shipped;
            ensure(whole && sound && after, || format!("I3: {order}: {line:?}"))?;
            for ((node, _), at) in account.at.iter().filter(|((_, n), _)| usize::from(*n) == number) {
                let found = row.fulfilments.iter().find(|f| f.node == *node && usize::from(f.line) == number);
                let stated = found.map_or([0; 6], |f| {
                    [f.backordered, f.allocated, f.picked, f.ready, f.shipped, f.returned].map(|qty| qty.0)
                });
                let [b, a, p, r] = PROMISED;
                let summed = [b, a, p, r, Unit::Shipped, Unit::Returned].map(|unit| at[unit as usize]);
                ensure(stated == summed, || {
                    format!("{order} at {node}: the row says {stated:?}, the moves {summed:?}")
                })?;
            }
        }
        let any = |field: fn(&LineRow) -> Qty| row.lines.iter().any(|line| field(line).is_positive());
        let (open, held, away) = (any(|l| l.open), any(|l| l.held), any(|l| l.away));
        let promised = any(|l| l.allocated + l.backordered);
        let closed = !open && !held && !away && !promised;
        let legal = match &row.state {
            OrderState::Offered => held,
            OrderState::InFulfilment => !open && !held && (promised || away),
            OrderState::Completed | OrderState::ShippedAfterCancel => closed && any(|l| l.shipped),
            OrderState::Cancelled => closed && !any(|l| l.shipped),
            OrderState::Confirming => open || held,
            _ => open,
        };
        ensure(legal, || format!("I5: {order} is {} with {:?}", row.state, row.lines))
    }

    /// I2, and that the row says what the changes add up to.
    fn check_cell(&self, name: &CellName) -> Result<(), String> {
        let Some((sum, row)) = self.cells.get(name) else { return Ok(()) };
        let home = self.homes.get(&name.node).copied().unwrap_or(self.partition);
        if self.untracked.contains(&(home, name.sku.clone())) {
            return Ok(());
        }
        let row = row.as_ref().ok_or_else(|| format!("{name:?} changed without a row"))?;
        let stated = Sum {
            on_hand: row.on_hand.0,
            blocked: row.blocked.0,
            allocated: row.allocated.0,
            backordered: row.backordered.0,
            held: row.held.0,
        };
        ensure(stated == *sum, || format!("I2: {name:?} has {stated:?}, its changes add up to {sum:?}"))?;
        let Sum { on_hand, blocked, allocated, backordered, held } = *sum;
        ensure([on_hand, blocked, allocated, backordered, held].iter().all(|n| *n >= 0), || {
            format!("I2: {name:?} has {sum:?}")
        })?;
        let usable = self.enabled.contains(&name.node) && !row.out_of_stock;
        let left = on_hand - allocated - held - blocked - row.safety_stock.0;
        let atp = if usable { left.max(0) } else { 0 };
        ensure(row.atp.0 == atp, || format!("ATP of {name:?} is {}, not {}", row.atp, Qty(atp)))
    }

    /// I4, and that the row says what the steps add up to.
    fn check_offer(&self, id: OfferId) -> Result<(), String> {
        let Some(offer) = self.offers.get(&id) else { return Ok(()) };
        let row = offer.row.as_ref().ok_or_else(|| format!("{id} changed without a row"))?;
        let open: BTreeSet<String> = row
            .nodes
            .iter()
            .filter(|(_, entry)| *entry == OfferEntry::Open)
            .map(|(node, _)| node.clone())
            .collect();
        ensure(open == offer.open, || format!("{id}: open to {open:?}, by its steps to {:?}", offer.open))?;
        ensure(row.winner == offer.winner, || {
            format!("{id}: won by {:?}, by its steps {:?}", row.winner, offer.winner)
        })?;
        ensure(row.epoch == offer.epoch, || {
            format!("{id}: epoch {}, by its steps {}", row.epoch, offer.epoch)
        })?;
        let won = row.nodes.iter().filter(|(_, entry)| *entry == OfferEntry::Won).count();
        let legal = match row.state {
            OfferState::Offered => won == 0 && !open.is_empty(),
            OfferState::Claimed => won == 1 && open.is_empty(),
            OfferState::Exhausted | OfferState::Withdrawn => won == 0 && open.is_empty(),
        };
        ensure(legal, || format!("I4: {id} is {:?} with {:?}", row.state, row.nodes))?;
        let declined = row.nodes.iter().filter(|(_, e)| *e == OfferEntry::Closed(OfferClosed::Declined));
        let Some(order) = self.order(row.order) else { return Ok(()) };
        for (node, _) in declined {
            let known = order.declined.contains(node) || order.state.is_closed();
            ensure(known || !open.contains(node), || format!("I6: {node} declined {id} and has it again"))?;
        }
        Ok(())
    }

    /// Every held unit belongs to one live hold.
    fn check_held(&self) -> Result<(), String> {
        let mut held: HashMap<CellName, i64> = HashMap::new();
        for hold in self.holds.values().filter(|h| matches!(h.state, HoldState::Held | HoldState::Confirming))
        {
            for (_, node, sku, bucket, qty) in &hold.lines {
                let Some(node) = node else { continue };
                let cell = CellName { node: node.clone(), sku: sku.clone(), bucket: bucket.clone() };
                *held.entry(cell).or_default() += qty.0;
            }
        }
        self.cells.iter().try_for_each(|(name, (sum, _))| {
            let of_holds = held.get(name).copied().unwrap_or_default();
            ensure(sum.held == of_holds, || format!("I2: {name:?} holds {}, its orders {of_holds}", sum.held))
        })
    }
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

/// Whether a record was refused.
pub fn is_refused(events: &[Event]) -> bool {
    events.iter().any(|event| matches!(event.outcome, Some(Outcome::Refused(_))))
}
