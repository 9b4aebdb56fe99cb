//! Everything a command does to the world, in one place: what it touched and changed, events, rows. Units move in
//! `units.rs`; what others are told is in `notices.rs`.

use router_schemas::{
    command::Command,
    envelope::Meta,
    event::{Change, Decision, Event, Exception, HoldCause, HoldChange, OrderState, Outcome},
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
    offer::Offer,
    order::Order,
    rows::{self, Touched},
    state::{Standing, State},
    trace::{Choice, Trace},
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
    pub work: Work,
    /// Bytes of the order rows to come, by estimate.
    bytes: usize,
    /// Events with an outcome that were written.
    outcomes: usize,
    /// Offers that it made, and nodes that it told of offers.
    offers: u16,
    asked: usize,
    /// What is sent to zones behind all else.
    pub last: Vec<(String, Command)>,
    /// Somebody waits for the answer.
    pub awaited: bool,
    /// What each choice looked at, where somebody asks.
    pub trace: Option<Trace>,
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
            last: Vec::new(),
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
        assert!(cell.held.0 >= 0 || crate::faults::is_any(), "I2 broken by {}: held", self.position);
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

    /// Counts the row that the offer will need.
    pub fn weigh_offer(&mut self, offer: &Offer) {
        self.bytes += rows::offer_weight(offer);
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

    /// Whether the order's own row is written with the command.
    pub fn touches(&self, order: &OrderId) -> bool {
        self.work.orders.binary_search(order).is_ok()
    }

    pub fn touched_offers(&self) -> impl Iterator<Item = &(OrderId, OfferId)> {
        self.work.offers.iter()
    }

    pub fn touched_cells(&self) -> impl Iterator<Item = &(u32, u32)> {
        self.work.cells.iter()
    }

    /// After a cell changed: alerts once when it is oversold, and once when it is not any more; has orders looked at
    /// that wait for what became available, and orders relieved that were promised what is not there. `before`: what
    /// the cell could give.
    pub fn note_availability(&mut self, state: &mut State, sku: u32, node: u32, before: Standing) {
        let place = state.cell_place(sku, node);
        self.note_availability_at(state, (sku, node, place), before);
    }

    /// As [`Effects::note_availability`], for a cell whose place among those of its SKU is known.
    pub(super) fn note_availability_at(
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
            if !untracked {
                self.work.gave.push((sku, node, before.atp));
            }
        }
        if now.atp < before.atp {
            state.offers.note_less(sku, node, now.atp);
        }
        if more {
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
    pub fn explain(&mut self, order: OrderId, look: impl FnOnce() -> Choice) {
        let asked = self.trace.as_mut().filter(|trace| trace.of.is_none_or(|of| of == order));
        if let Some(trace) = asked {
            trace.choices.push(Choice { item: self.item, ..look() });
        }
    }

    /// Keeps what the last choice for the order decided, where somebody asks.
    pub fn explained(&mut self, order: OrderId, decision: impl FnOnce() -> Decision) {
        self.explained_more(order, |choice| choice.close(&decision()));
    }

    /// Adds to what is kept of the last choice for the order, where somebody asks.
    pub fn explained_more(&mut self, order: OrderId, add: impl FnOnce(&mut Choice)) {
        let last = self.trace.as_mut().and_then(|trace| trace.choices.last_mut());
        last.filter(|choice| choice.order == order && choice.item == self.item).map(add);
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
            self.trace.iter_mut().for_each(|trace| trace.choices.retain(|choice| choice.item != item));
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
            self.outcomes == 1 || !expected || crate::faults::is_any(),
            "I7 broken by {}: {} outcomes",
            self.position,
            self.outcomes
        );
        self.work.emptied()
    }

    /// Writes an event; what it cannot hold goes into further ones.
    fn write(&mut self, state: &State, mut outcome: Option<Outcome>, mut rows: &[Touched<'_>]) {
        if fault!(OutcomeLeftOut) && state.clock.hybrid % 64 == 1 {
            outcome = None;
        }
        if fault!(RowLeftOut) && state.clock.hybrid % 64 == 1 && !rows.is_empty() {
            rows = &rows[..rows.len() - 1];
        }
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
