//! Everything a command does to the world, in one place: unit movements, events, rows, notices, replies.

use std::collections::BTreeSet;

use router_schemas::{
    command::order::Display,
    envelope::Meta,
    event::{Change, Decision, Event, Exception, OrderState, Outcome, StockCause, StockChange, Unit},
    id::OrderId,
    notice::{AssignedLine, Assignment, Notification, StockAlert},
    position::{Position, Topic},
    quantity::Qty,
    reply::{self, Answer, Reply},
    row::{FulfilmentRow, LineRow, OrderRow, Row},
    stage::{Outputs, Topology},
};

use super::{
    state::{Fulfilment, Order, State},
    trace::Choice,
};

/// What the command under way has done so far.
pub struct Effects<'a> {
    pub out: &'a mut Outputs,
    pub topology: Topology,
    pub position: Position,
    /// 0: the command itself; else the due item being worked off.
    item: u16,
    items: u16,
    order: Option<OrderId>,
    changes: Vec<Change>,
    orders: BTreeSet<OrderId>,
    cells: BTreeSet<(u32, u32)>,
    /// What each choice looked at, where somebody asks.
    pub trace: Option<Vec<Choice>>,
}

impl<'a> Effects<'a> {
    pub fn new(out: &'a mut Outputs, topology: Topology, position: Position) -> Self {
        let (orders, cells) = (BTreeSet::new(), BTreeSet::new());
        Self {
            out,
            topology,
            position,
            item: 0,
            items: 0,
            order: None,
            changes: Vec::new(),
            orders,
            cells,
            trace: None,
        }
    }

    /// Partition of the topics that follow this one.
    fn target(&self, topic: Topic) -> (Topic, u16) {
        (topic, self.position.partition % self.topology.events)
    }

    pub fn change(&mut self, change: Change) {
        self.changes.push(change);
    }

    pub fn touch_order(&mut self, order: OrderId) {
        self.orders.insert(order);
        self.order = Some(order);
    }

    pub fn touch_cell(&mut self, sku: u32, node: u32) {
        self.cells.insert((sku, node));
    }

    /// True while nothing has changed since the last event.
    pub fn is_quiet(&self) -> bool {
        self.changes.is_empty()
    }

    /// Orders touched so far: bounds the rows that the command will write.
    pub fn touched(&self) -> usize {
        self.orders.len()
    }

    pub fn touched_orders(&self) -> impl Iterator<Item = &OrderId> {
        self.orders.iter()
    }

    pub fn touched_cells(&self) -> impl Iterator<Item = &(u32, u32)> {
        self.cells.iter()
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
                Unit::Cancelled => entry.cancelled += delta,
                Unit::Delivered => entry.delivered += delta,
                _ => {}
            }
        }
        if let Some(node) = node {
            let place = order.fulfilments.iter().position(|f| f.node == node && f.line == line);
            let place = place.unwrap_or_else(|| {
                order.fulfilments.push(Fulfilment { node, line, ..Fulfilment::default() });
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
            let open = order.fulfilments.iter().any(|f| f.node == node && f.promised().is_positive());
            let today = super::nodes::midnight(state, node);
            let at_node = &mut state.nodes[node as usize];
            if at_node.day != today {
                (at_node.day, at_node.assigned) = (today, 0);
            }
            if open && at_node.orders.insert(order.id) {
                at_node.assigned += 1;
            } else if !open && at_node.orders.remove(&order.id) && to != Unit::Shipped {
                // Given back: it does not count against the day.
                at_node.assigned = at_node.assigned.saturating_sub(1);
            }
        }
        self.touch_order(order.id);
        let name = node.map(|n| state.nodes[n as usize].node.id.clone());
        match self.changes.last_mut() {
            Some(Change::Units { node, moves }) if *node == name => moves.push((line, from, to, qty)),
            _ => self.changes.push(Change::Units { node: name, moves: vec![(line, from, to, qty)] }),
        }
    }

    fn shift_cell(&mut self, state: &mut State, sku: u32, node: u32, from: Unit, to: Unit, qty: Qty) {
        let held = &mut state.skus[sku as usize];
        if held.untracked() {
            return;
        }
        let promised =
            |u: Unit| matches!(u, Unit::Backordered | Unit::Allocated | Unit::Picked | Unit::Ready);
        let cell = held.cell_mut(node);
        let before = cell.atp();
        let count = |is: bool| Qty(if is { qty.0 } else { 0 });
        cell.allocated += count(promised(to)) - count(promised(from));
        cell.backordered += count(to == Unit::Backordered) - count(from == Unit::Backordered);
        if to == Unit::Shipped {
            // A fact is taken: what was not there cannot leave twice.
            let applied = qty.0.min(cell.on_hand.0.max(0));
            cell.on_hand -= Qty(applied);
            let (cell, stated) = (state.cell_name(sku, node), Some(-qty));
            let on_hand = Qty(-applied);
            let cause = StockCause::Shipment;
            self.changes.push(Change::Stock(StockChange {
                cell,
                cause,
                on_hand,
                blocked: Qty::ZERO,
                stated,
            }));
        }
        self.cells.insert((sku, node));
        self.note_availability(state, sku, node, before);
    }

    /// After a cell changed: alerts once when it is oversold, and once when it is not any more; and marks the SKU
    /// where more became available, so that waiting orders are looked at.
    pub fn note_availability(&mut self, state: &mut State, sku: u32, node: u32, before: Qty) {
        let cell = state.skus[sku as usize].cell_mut(node);
        let (atp, over) = (cell.atp(), cell.oversold_by());
        let covers = cell.backordered.is_positive() && cell.on_hand > cell.allocated - cell.backordered;
        let news = over.is_positive() != cell.oversold;
        cell.oversold = over.is_positive();
        if atp > before || covers || over.is_positive() {
            state.dirty.insert(sku, None);
        }
        if news {
            let name = state.cell_name(sku, node);
            let event = if over.is_positive() { "oversold" } else { "recovered" };
            self.alert(state, sku, node, event, over);
            self.changes.push(match over.is_positive() {
                true => Change::Exception(Exception::Oversold(name, over)),
                false => Change::Recovered(name),
            });
        }
    }

    pub fn alert(&mut self, state: &State, sku: u32, node: u32, event: &str, qty: Qty) {
        let (sku, node) = (&state.skus[sku as usize], &state.nodes[node as usize].node);
        let (topic, partition) = self.target(Topic::StockAlerts);
        let alert = StockAlert {
            kind: "stock_alert.v1",
            event,
            node: &node.id,
            sku: &sku.name,
            bucket: &sku.bucket,
            qty,
            position: self.position.clone(),
            at: state.clock.engine,
        };
        self.out.push_json(topic, partition, &alert);
    }

    pub fn decided(&mut self, decision: Decision) {
        self.changes.push(Change::Decided(decision));
    }

    /// Tells the customer what became of the order.
    pub fn notify(
        &mut self,
        state: &State,
        order: &Order,
        event: &str,
        amount: Option<i64>,
        tracking: Option<&str>,
    ) {
        let display = display(order);
        let (topic, partition) = self.target(Topic::Notifications);
        let notice = Notification {
            kind: "notification.v1",
            event,
            order: order.id,
            channel: &order.identity.channel,
            external_id: &order.identity.external_id,
            language: display.language.as_deref(),
            state: order.state.as_str(),
            amount,
            tracking,
            position: self.position.clone(),
            at: state.clock.engine,
        };
        self.out.push_json(topic, partition, &notice);
    }

    /// Tells the node what it now has to do for the order, whole.
    pub fn assign(&mut self, state: &State, order: &Order, node: u32, event: &str) {
        let display = display(order);
        let mine = order.fulfilments.iter().filter(|f| f.node == node && f.promised().is_positive());
        let lines = mine.map(|f| {
            let line = &order.lines[usize::from(f.line)];
            let shown = display.lines.get(usize::from(f.line));
            AssignedLine {
                line: &line.name,
                sku: &state.skus[line.sku as usize].name,
                name: shown.and_then(|s| s.name.as_deref()),
                options: shown.map_or(&[], |s| s.options.as_slice()),
                qty: f.promised() - f.backordered,
                backordered: f.backordered,
            }
        });
        let (topic, partition) = self.target(Topic::Assignments);
        let assignment = Assignment {
            kind: "assignment.v1",
            event,
            node: &state.nodes[node as usize].node.id,
            order: order.id,
            channel: &order.identity.channel,
            external_id: &order.identity.external_id,
            number: display.number.as_deref(),
            day_sequence: display.day_sequence,
            mode: order.mode,
            remark: display.remark.as_deref(),
            lines: lines.collect(),
            position: self.position.clone(),
            at: state.clock.engine,
        };
        self.out.push_json(topic, partition, &assignment);
    }

    /// Answers the caller, if one waits.
    pub fn reply(&mut self, meta: &Meta, answer: Answer) {
        if let Some(to) = meta.reply {
            let reply = Reply { correlation: to.correlation, position: self.position.clone(), answer };
            self.out.push(Topic::Replies, to.partition, &Meta::default(), &reply);
        }
    }

    /// The order's answer to who waits for its outcome.
    pub fn outcome(state: &State, order: &Order) -> reply::Outcome {
        let nodes = order.open_nodes().iter().map(|n| state.nodes[*n as usize].node.id.clone()).collect();
        reply::Outcome { order: order.id, state: order.state.clone(), nodes, repeat: false }
    }

    /// Begins the next due item; what follows belongs to it.
    pub fn begin_item(&mut self) {
        self.items += 1;
        self.item = self.items;
    }

    /// Ends a due item: its event, unless nothing changed.
    pub fn end_item(&mut self, state: &State) {
        if !self.is_quiet() {
            self.write(state, None, Vec::new());
        }
        self.item = 0;
        self.order = None;
    }

    /// Ends the command: its event with the outcome and the rows of all that the command and its items touched.
    pub fn finish(
        mut self,
        state: &State,
        outcome: Option<Outcome>,
        orders: &dyn Fn(OrderId) -> Option<OrderRow>,
    ) {
        if outcome.is_none() && self.is_quiet() && self.orders.is_empty() && self.cells.is_empty() {
            return;
        }
        self.item = 0;
        let touched = self.orders.iter().filter_map(|id| orders(*id));
        let mut rows: Vec<Row> = touched.map(|row| Row::Order(Box::new(row))).collect();
        rows.extend(self.cells.iter().map(|(sku, node)| Row::Cell(state.cell_row(*sku, *node))));
        self.write(state, Some(outcome.unwrap_or(Outcome::Applied)), rows);
    }

    fn write(&mut self, state: &State, outcome: Option<Outcome>, rows: Vec<Row>) {
        let event = Event {
            cause: self.position.clone(),
            item: self.item,
            at: state.clock.engine,
            time: state.clock.hybrid,
            order: self.order,
            outcome,
            changes: std::mem::take(&mut self.changes),
            rows,
        };
        let (topic, partition) = self.target(Topic::Events);
        self.out.push(topic, partition, &Meta::default(), &event);
    }
}

fn display(order: &Order) -> Display {
    // Sealed by us before the log; an order without is shown by its ids.
    postcard::from_bytes(&order.display).unwrap_or_default()
}

/// The row image of an order.
pub fn order_row(state: &State, order: &Order) -> OrderRow {
    let lines = order.lines.iter().enumerate().map(|(i, line)| {
        let sku = &state.skus[line.sku as usize];
        let sum = |units: fn(&Fulfilment) -> Qty| order.at_nodes(i).map(units).sum::<Qty>();
        LineRow {
            line: line.name.clone(),
            sku: sku.name.clone(),
            bucket: sku.bucket.clone(),
            ordered: line.ordered,
            open: line.open,
            held: Qty::ZERO,
            backordered: sum(|f| f.backordered),
            allocated: sum(|f| f.allocated + f.picked + f.ready),
            away: Qty::ZERO,
            shipped: sum(|f| f.shipped),
            delivered: line.delivered,
            returned: sum(|f| f.returned),
            cancelled: line.cancelled,
            unit_price: line.unit_price,
        }
    });
    let fulfilments = order.fulfilments.iter().map(|f| FulfilmentRow {
        node: state.nodes[f.node as usize].node.id.clone(),
        line: f.line,
        backordered: f.backordered,
        allocated: f.allocated,
        picked: f.picked,
        ready: f.ready,
        shipped: f.shipped,
        returned: f.returned,
    });
    OrderRow {
        order: order.id,
        identity: order.identity.clone(),
        zone: order.zone.clone(),
        state: order.state.clone(),
        payment: order.payment,
        refunded: order.refunded,
        version: order.version,
        created_at: order.created_at,
        changed_at: order.changed_at,
        placed_at: order.placed_at,
        promise: order.promise,
        not_before: order.not_before,
        mode: order.mode,
        to: order.to,
        priority: order.priority,
        currency: order.currency,
        totals: order.totals.clone(),
        revision: order.revision,
        lines: lines.collect(),
        fulfilments: fulfilments.collect(),
        display: order.display.clone(),
    }
}

/// The change of the derived state, if it changed.
pub fn restate(effects: &mut Effects<'_>, order: &mut Order, next: OrderState) {
    if order.state != next {
        effects.change(Change::State(order.state.clone(), next.clone()));
        order.state = next;
    }
}
