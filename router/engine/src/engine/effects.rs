//! Everything a command does to the world, in one place: unit movements, events, rows. What others are told is in
//! `notices.rs`.

use router_schemas::{
    envelope::Meta,
    event::{
        Change, Decision, Event, Exception, HoldCause, HoldChange, OrderState, Outcome, StockCause,
        StockChange, Unit,
    },
    id::{OfferId, OrderId},
    limits,
    position::{Position, Topic},
    quantity::Qty,
    stage::{Outputs, Topology},
};
use smallvec::SmallVec;

use super::{
    changes::{Decided, Noted, Work, insert_sorted},
    images::{Changes, EventImage, RowImage},
    nodes,
    order::{Fulfilment, Order},
    rows::{self, Touched},
    state::{Standing, State},
    trace::Choice,
};

/// Orders and cells that one command may touch while working off what is due: bounds the rows it writes.
const ORDERS_PER_COMMAND: usize = 64;
const CELLS_PER_COMMAND: usize = 1_024;
const HOLDS_PER_COMMAND: usize = 512;

/// What the command under way has done so far.
pub struct Effects<'a> {
    pub out: &'a mut Outputs,
    pub topology: Topology,
    pub position: Position,
    /// 0: the command itself; else the due item being worked off.
    item: u16,
    items: u16,
    order: Option<OrderId>,
    work: Work,
    /// Bytes of the order rows to come, by estimate.
    bytes: usize,
    /// Events with an outcome that were written.
    outcomes: usize,
    /// Offers that it made, and nodes that it told of offers.
    offers: u16,
    asked: usize,
    /// Somebody waits for the answer.
    pub awaited: bool,
    /// What each choice looked at, where somebody asks.
    pub trace: Option<Vec<Choice>>,
}

impl<'a> Effects<'a> {
    /// `work`: empty lists.
    pub fn new(out: &'a mut Outputs, topology: Topology, position: Position, work: Work) -> Self {
        Self {
            out,
            topology,
            position,
            item: 0,
            items: 0,
            order: None,
            work,
            bytes: 0,
            outcomes: 0,
            offers: 0,
            asked: 0,
            awaited: false,
            trace: None,
        }
    }

    /// Partition of the topics that follow this one.
    pub(super) fn target(&self, topic: Topic) -> (Topic, u16) {
        (topic, self.position.partition % self.topology.events)
    }

    pub fn change(&mut self, change: Change) {
        self.work.changes.push(Noted::Other(change));
    }

    pub fn exception(&mut self, exception: Exception) {
        self.change(Change::Exception(exception));
    }

    pub fn touch_order(&mut self, order: OrderId) {
        insert_sorted(&mut self.work.orders, order);
        self.order = Some(order);
    }

    /// What follows is about the order, whether its row changes or not.
    pub fn about(&mut self, order: OrderId) {
        self.order = Some(order);
    }

    /// The offer's row is written with the command.
    pub fn touch_offer(&mut self, order: OrderId, offer: OfferId) {
        insert_sorted(&mut self.work.offers, (order, offer));
        self.order = Some(order);
    }

    /// The node's row is written with the command.
    pub fn touch_node(&mut self, node: u32) {
        insert_sorted(&mut self.work.nodes, node);
    }

    /// Number of the next offer that the command makes.
    pub fn next_offer(&mut self) -> u16 {
        self.offers += 1;
        self.offers - 1
    }

    /// So many nodes were told of an offer.
    pub fn note_asked(&mut self, nodes: usize) {
        self.asked += nodes;
    }

    /// The order is a part: its home is told when the command ends.
    pub fn touch_part(&mut self, order: OrderId) {
        insert_sorted(&mut self.work.parts, order);
    }

    /// The parts that the command touched, once.
    pub fn take_parts(&mut self) -> Vec<OrderId> {
        std::mem::take(&mut self.work.parts)
    }

    /// The order left memory: it has no row to write.
    pub fn forgotten(&mut self, order: OrderId) {
        self.work.orders.retain(|touched| *touched != order);
        self.order = Some(order);
    }

    /// The cell's row is written with the command.
    pub fn touch_cell(&mut self, state: &mut State, sku: u32, node: u32) {
        state.cell_mut(sku, node).shown = true;
        insert_sorted(&mut self.work.cells, (sku, node));
    }

    /// The hold's row is written with the command.
    pub fn touch_hold(&mut self, order: OrderId) {
        insert_sorted(&mut self.work.holds, order);
        self.order = Some(order);
    }

    /// The pool's row is written with the command.
    pub fn touch_pool(&mut self, sku: u32, pool: u32) {
        insert_sorted(&mut self.work.pools, (sku, pool));
    }

    /// A hold changed in nothing but how it stands.
    pub fn hold_changed(&mut self, order: OrderId, cause: HoldCause) {
        self.change(Change::Hold(HoldChange { order, cause, moves: Vec::new() }));
    }

    /// Holds units at a node for an order, or gives them back: below zero.
    pub fn hold_cell(&mut self, state: &mut State, sku: u32, node: u32, delta: Qty) {
        let before = state.standing(sku, node);
        let cell = state.cell_mut(sku, node);
        cell.held += delta;
        assert!(cell.held.0 >= 0, "I2 broken by {}: held", self.position);
        self.touch_cell(state, sku, node);
        self.note_availability(state, sku, node, before);
    }

    /// Counts the row that the order will need.
    pub fn weigh(&mut self, order: &Order) {
        self.bytes += rows::order_weight(order);
    }

    /// Counts what is told of a hold: so many moves of it.
    pub fn weigh_hold(&mut self, moves: usize) {
        self.bytes += moves * rows::HELD_BYTES;
    }

    /// Whether the command has no room left for further due items.
    pub fn is_full(&self) -> bool {
        self.work.orders.len() >= ORDERS_PER_COMMAND
            || self.bytes >= limits::ROWS_BYTES
            || self.work.cells.len() >= CELLS_PER_COMMAND
            || self.work.holds.len() + self.work.pools.len() >= HOLDS_PER_COMMAND
            || self.asked >= limits::OFFERED
    }

    /// True while nothing has changed since the last event.
    pub fn is_quiet(&self) -> bool {
        self.work.changes.is_empty()
    }

    pub fn touched_orders(&self) -> impl Iterator<Item = &OrderId> {
        self.work.orders.iter()
    }

    pub fn touched_offers(&self) -> impl Iterator<Item = &(OrderId, OfferId)> {
        self.work.offers.iter()
    }

    pub fn touched_cells(&self) -> impl Iterator<Item = &(u32, u32)> {
        self.work.cells.iter()
    }

    /// Moves units of a line between states, in the order, in its cell and in the event alike. The only place
    /// where units move.
    pub fn shift(
        &mut self,
        state: &mut State,
        order: &mut Order,
        line: u16,
        node: Option<u32>,
        (from, to): (Unit, Unit),
        qty: Qty,
    ) {
        if qty.is_zero() {
            return;
        }
        let entry = &mut order.lines[usize::from(line)];
        let sku = entry.sku;
        for (unit, sign) in [(from, -1), (to, 1)] {
            let delta = Qty(qty.0 * sign);
            match unit {
                Unit::Outside => entry.ordered -= delta,
                Unit::Open => entry.open += delta,
                Unit::Held => entry.held += delta,
                Unit::Away => entry.away += delta,
                Unit::Cancelled => entry.cancelled += delta,
                Unit::Delivered => entry.delivered += delta,
                _ => {}
            }
        }
        if (from, to) == (Unit::Cancelled, Unit::Shipped) {
            entry.after_cancel += qty;
        }
        if let Some(node) = node {
            let place = order.fulfilments.iter().position(|f| f.node == node && f.line == line);
            let place = place.unwrap_or_else(|| {
                let since = state.clock.service();
                order.fulfilments.push(Fulfilment { node, line, since, ..Fulfilment::default() });
                order.fulfilments.len() - 1
            });
            let fulfilment = &mut order.fulfilments[place];
            // Delivered and returned units stay counted as shipped.
            let stays = matches!(to, Unit::Delivered | Unit::Returned);
            if let Some(units) = fulfilment.units(from).filter(|_| !stays) {
                *units -= qty;
            }
            if let Some(units) = fulfilment.units(to) {
                *units += qty;
            }
            self.shift_cell(state, sku, node, from, to, qty);
            self.shift_node(state, order, node, to);
        }
        self.touch_order(order.id);
        self.work.moves.push((line, from, to, qty));
        let all = self.work.moves.len();
        match self.work.changes.last_mut() {
            Some(Noted::Units { node: there, moves }) if *there == node => moves.end = all,
            _ => self.work.changes.push(Noted::Units { node, moves: all - 1..all }),
        }
    }

    fn shift_cell(&mut self, state: &mut State, sku: u32, node: u32, from: Unit, to: Unit, qty: Qty) {
        let promised =
            |u: Unit| matches!(u, Unit::Backordered | Unit::Allocated | Unit::Picked | Unit::Ready);
        let now = state.clock.engine;
        let place = state.cell_place(sku, node);
        let held = &mut state.skus[sku as usize];
        let untracked = held.untracked();
        let cell = &mut held.cells[place];
        let before = cell.standing(untracked);
        let count = |is: bool| Qty(if is { qty.0 } else { 0 });
        let allocated = count(promised(to)) - count(promised(from));
        let backordered = count(to == Unit::Backordered) - count(from == Unit::Backordered);
        cell.allocated += allocated;
        cell.backordered += backordered;
        let most = cell.on_hand + cell.backorder_limit();
        let sound = untracked || !allocated.is_positive() || cell.allocated <= most;
        assert!(
            sound,
            "I1 broken by {}: {} at {}",
            self.position, held.name, state.nodes[node as usize].node.id
        );
        // A fact is taken: what was not there cannot leave twice.
        let left = if to == Unit::Shipped && !untracked { qty.0.min(cell.on_hand.0.max(0)) } else { 0 };
        cell.on_hand -= Qty(left);
        let from_stock = if cell.known_outside { allocated - backordered } else { Qty::ZERO };
        if left != 0 || !from_stock.is_zero() {
            cell.remember(now, Qty(-left), from_stock);
        }
        cell.shown |= !untracked;
        if cell.shown {
            insert_sorted(&mut self.work.cells, (sku, node));
        }
        if to == Unit::Shipped && !untracked {
            let (cell, stated) = (state.cell_name(sku, node), Some(-qty));
            let (on_hand, blocked) = (Qty(-left), Qty::ZERO);
            let cause = StockCause::Shipment;
            self.change(Change::Stock(StockChange { cell, cause, on_hand, blocked, stated }));
        }
        self.note_availability_at(state, (sku, node, place), before);
    }

    /// Keeps the node's open orders and its day's count.
    fn shift_node(&mut self, state: &mut State, order: &Order, node: u32, to: Unit) {
        let open = order.fulfilments.iter().any(|f| f.node == node && f.promised().is_positive());
        let today = nodes::midnight(state, node);
        let at_node = &mut state.nodes[node as usize];
        if at_node.day != today {
            (at_node.day, at_node.assigned) = (today, 0);
        }
        let full = at_node.node.capacity_at_once.is_some_and(|c| at_node.orders.len() >= c as usize)
            || at_node.node.capacity_a_day.is_some_and(|c| at_node.assigned >= c);
        let key = order.loss_key();
        let known = at_node.orders.get(&key).copied();
        if open && known.is_none() {
            at_node.orders.insert(key, today);
            at_node.assigned += 1;
            nodes::note_full_day(state, node);
        } else if let Some(day) = known.filter(|_| !open) {
            at_node.orders.remove(&key);
            if to != Unit::Shipped && day == today {
                // Given back: it does not count against the day.
                at_node.assigned = at_node.assigned.saturating_sub(1);
            }
            if full {
                state.wake(Some(node));
            }
        }
    }

    /// After a cell changed: alerts once when it is oversold, and once when it is not any more; has orders looked at
    /// that wait for what became available, and orders relieved that were promised what is not there. `before`: what
    /// the cell could give.
    pub fn note_availability(&mut self, state: &mut State, sku: u32, node: u32, before: Standing) {
        let place = state.cell_place(sku, node);
        self.note_availability_at(state, (sku, node, place), before);
    }

    /// As [`Effects::note_availability`], for a cell whose place among those of its SKU is known.
    fn note_availability_at(
        &mut self,
        state: &mut State,
        (sku, node, place): (u32, u32, usize),
        before: Standing,
    ) {
        let held = &mut state.skus[sku as usize];
        let untracked = held.untracked();
        let cell = &mut held.cells[place];
        let now = cell.standing(untracked);
        let now_over = now.over;
        let news = now_over.is_positive() != cell.oversold;
        cell.oversold = now_over.is_positive();
        let more = now.atp > before.atp || now.beyond > before.beyond || cell.arrived().is_positive();
        if now.atp != before.atp {
            held.shelf.set(node, now.atp);
            // A platform is told at once where nothing is left, or something is again.
            state.feed_changed(sku, now.atp.is_zero() || before.atp.is_zero());
        }
        if now.atp < before.atp {
            state.offers.note_less(sku, node, now.atp);
        }
        if now.atp > before.atp {
            state.mark_rise(sku);
        } else if more {
            state.mark(sku, false);
        }
        if now_over > before.over {
            state.oversold.insert((sku, node), None);
        }
        if news {
            let name = state.cell_name(sku, node);
            let event = if now_over.is_positive() { "oversold" } else { "recovered" };
            self.alert(state, sku, node, event, now_over);
            self.change(match now_over.is_positive() {
                true => Change::Exception(Exception::Oversold(name, now_over)),
                false => Change::Recovered(name),
            });
        }
    }

    /// Keeps what a choice looks at, where somebody asks.
    pub fn explain(&mut self, look: impl FnOnce() -> Choice) {
        if let Some(trace) = &mut self.trace {
            trace.push(Choice { item: self.item, ..look() });
        }
    }

    /// Keeps what the last choice decided, where somebody asks.
    pub fn explained(&mut self, decision: impl FnOnce() -> Decision) {
        if let Some(choice) = self.trace.as_mut().and_then(|trace| trace.last_mut()) {
            choice.close(&decision());
        }
    }

    pub fn decided(&mut self, decided: Decided) {
        self.work.changes.push(Noted::Decided(decided));
    }

    /// Begins the next due item; what follows belongs to it.
    pub fn begin_item(&mut self) {
        self.items += 1;
        self.item = self.items;
    }

    /// Ends a due item: its event, unless nothing changed.
    pub fn end_item(&mut self, state: &State) {
        if self.is_quiet() {
            // The next one may have the number, and nobody is told of this one's choices.
            let item = self.item;
            self.trace.iter_mut().for_each(|trace| trace.retain(|choice| choice.item != item));
            self.items -= 1;
        } else {
            self.write(state, None, &[]);
        }
        self.item = 0;
        self.order = None;
    }

    /// Ends the command: its event with the outcome and the rows of all that the command and its items touched.
    /// `outcome`: `None` for what leaves none unless it changed something.
    /// Returns the lists that it was given, empty.
    pub fn finish(mut self, state: &State, outcome: Option<Outcome>) -> Work {
        let expected = outcome.is_some();
        let idle = self.is_quiet() && self.work.is_untouched();
        if outcome.is_none() && idle {
            return self.work.emptied();
        }
        self.item = 0;
        let orders = self.work.orders.iter().filter_map(|id| state.orders.get(id).map(Box::as_ref));
        let cells = self.work.cells.iter().map(|(sku, node)| Touched::Cell(*sku, *node));
        let holds = self.work.holds.iter().map(|order| Touched::Hold(*order));
        let pools = self.work.pools.iter().map(|(sku, pool)| Touched::Pool(*sku, *pool));
        let offers = self.work.offers.iter().filter_map(|(order, offer)| {
            let order = state.orders.get(order)?;
            let offer = order.offers.iter().find(|o| o.id == *offer)?;
            Some(Touched::Offer(order, offer))
        });
        let nodes = self.work.nodes.iter().map(|node| Touched::Node(*node));
        let rare = offers.chain(nodes).chain(holds).chain(pools);
        let rows: SmallVec<[Touched<'_>; 16]> = orders.map(Touched::Order).chain(cells).chain(rare).collect();
        self.write(state, Some(outcome.unwrap_or(Outcome::Applied)), &rows);
        assert!(
            self.outcomes == 1 || !expected,
            "I7 broken by {}: {} outcomes",
            self.position,
            self.outcomes
        );
        self.work.emptied()
    }

    /// Writes an event; what it cannot hold goes into further ones.
    fn write(&mut self, state: &State, mut outcome: Option<Outcome>, mut rows: &[Touched<'_>]) {
        self.outcomes += usize::from(outcome.is_some());
        let (topic, partition) = self.target(Topic::Events);
        let mut item = self.item;
        let mut from = 0;
        loop {
            let changes = Changes { state, changes: &self.work.changes[from..], moves: &self.work.moves };
            let (fit, fit_rows) = rows::fitting(changes, rows);
            let images: SmallVec<[RowImage<'_>; 4]> =
                rows[..fit_rows].iter().filter_map(|row| row.image(state)).collect();
            let event = EventImage {
                cause: &self.position,
                item,
                at: state.clock.engine,
                time: state.clock.hybrid,
                order: self.order,
                outcome,
                changes: Changes { changes: &changes.changes[..fit], ..changes },
                rows: &images,
            };
            self.out.push_image::<Event>(topic.clone(), partition, &Meta::default(), &event);
            (from, rows) = (from + fit, &rows[fit_rows..]);
            if from == self.work.changes.len() && rows.is_empty() {
                break;
            }
            self.items += 1;
            (item, outcome) = (self.items, None);
        }
        self.work.forget_changes();
    }
}

/// The change of the derived state, if it changed.
pub fn restate(effects: &mut Effects<'_>, order: &mut Order, next: OrderState) {
    if order.state != next {
        effects.change(Change::State(order.state.clone(), next.clone()));
        order.state = next;
    }
}
