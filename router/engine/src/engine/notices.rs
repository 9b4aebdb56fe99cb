//! What a command tells others: stores, customers, those who watch stock, and who waits for an answer.

use router_schemas::{
    envelope::Meta,
    event::Exception,
    id::OrderId,
    limits,
    notice::{AssignedLine, Assignment, Notification, StockAlert},
    position::Topic,
    quantity::Qty,
    reply::{self, Answer, Reply},
};
use smallvec::SmallVec;

use super::{
    cancel_request::asked,
    effects::Effects,
    order::{Fulfilment, Order, Work},
    shown::{self, Shown},
    state::State,
};

/// So much of a line, as a node is told of it.
pub(super) fn assigned_line<'a>(
    state: &'a State,
    order: &'a Order,
    number: u16,
    qty: Qty,
    display: &'a Shown<'_>,
) -> AssignedLine<'a> {
    let line = &order.lines[usize::from(number)];
    let shown = display.lines.get(usize::from(number));
    AssignedLine {
        line: &line.name,
        sku: &state.skus[line.sku as usize].name,
        name: shown.and_then(|s| s.name),
        options: shown.map_or(&[], |s| s.options.as_slice()),
        qty,
        backordered: Qty::ZERO,
        asked: Qty::ZERO,
    }
}

impl Effects<'_> {
    /// Tells every node whose work for the order changed, and those that lost all of it. `before`: [`Order::work`]
    /// as they were last told. `all`: also those whose work is the same, as what they see of it changed.
    pub fn tell_nodes(&mut self, state: &State, order: &Order, before: &[Work], all: bool) {
        let now = order.work();
        let mut nodes: SmallVec<[u32; 8]> = SmallVec::new();
        for (node, ..) in now.iter().chain(before) {
            if !nodes.contains(node) {
                nodes.push(*node);
            }
        }
        for node in nodes {
            let old = || before.iter().filter(|w| w.0 == node);
            let new = || now.iter().filter(|w| w.0 == node);
            let event = match (old().next().is_none(), new().next().is_none()) {
                _ if old().eq(new()) && !all => continue,
                (true, _) => "assigned",
                (_, true) => "withdrawn",
                _ => "changed",
            };
            self.assign(state, order, node, event);
        }
    }

    /// Tells the customer where something waits that did not. `waited`: [`Order::waiting_lines`] as they were.
    pub fn tell_delay(&mut self, state: &State, order: &Order, waited: &[bool]) {
        let waits = order.waiting_lines();
        if waits.iter().zip(waited).any(|(now, before)| *now && !before) {
            self.notify(state, order, "delayed", None, None);
        }
    }

    /// Tells the customer what is to be paid back, if something is.
    pub fn refund_due(&mut self, state: &State, order: &mut Order) {
        let due = order.refund_left();
        if due > 0 {
            order.refund_due = order.refund_due.max(order.refunded) + due;
            self.exception(Exception::RefundDue(due));
            self.notify(state, order, "refund_due", Some(due), None);
        }
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
        // The customer hears from home.
        if order.part_of.is_some() {
            return;
        }
        let language = shown::language(&order.display);
        let (topic, partition) = self.target(Topic::Notifications);
        let notice = Notification {
            kind: "notification.v1",
            event,
            order: order.id,
            channel: &order.identity.channel,
            external_id: &order.identity.external_id,
            language,
            state: &order.state.text(),
            amount,
            tracking,
            position: self.position.clone(),
            at: state.clock.engine,
        };
        self.out.push_json(topic, partition, &notice);
    }

    /// Tells who reserved what became of it, or is about to.
    pub fn hold_notice(&mut self, state: &State, order: OrderId, event: &str) {
        let Some(hold) = state.holds.get(&order) else { return };
        let placed = state.orders.get(&order);
        let (topic, partition) = self.target(Topic::Notifications);
        let notice = Notification {
            kind: "notification.v1",
            event,
            order,
            channel: &hold.identity.channel,
            external_id: &hold.identity.external_id,
            language: placed.and_then(|order| shown::language(&order.display)),
            state: &placed.map_or("held".into(), |order| order.state.text()),
            amount: None,
            tracking: None,
            position: self.position.clone(),
            at: state.clock.engine,
        };
        self.out.push_json(topic, partition, &notice);
    }

    /// Tells the node what it now has to do for the order, whole.
    pub fn assign(&mut self, state: &State, order: &Order, node: u32, event: &str) {
        let display = Shown::of(&order.display);
        self.push_fitting(&display, |effects, display| {
            effects.push_assignment(state, order, node, event, display);
        });
    }

    /// Pushes a notice with what people see of an order. Where JSON blows the texts up, the store sees lines and SKUs,
    /// and the order's row has the rest.
    pub(super) fn push_fitting(&mut self, display: &Shown<'_>, push: impl Fn(&mut Self, &Shown<'_>)) {
        let before = self.out.len();
        push(self, display);
        if self.out.iter().last().is_some_and(|o| self.out.bytes(o).len() > limits::EVENT_BYTES) {
            self.out.truncate(before);
            push(self, &Shown::default());
        }
    }

    fn push_assignment(&mut self, state: &State, order: &Order, node: u32, event: &str, display: &Shown<'_>) {
        let mine =
            order.fulfilments.iter().filter(|f: &&Fulfilment| f.node == node && f.promised().is_positive());
        let lines = mine.map(|f| AssignedLine {
            backordered: f.backordered,
            asked: asked(order, node, f.line),
            ..assigned_line(state, order, f.line, f.promised() - f.backordered, display)
        });
        let dues = order.fulfilments.iter().filter(|f| f.node == node).filter_map(|f| f.due);
        let to_engine_time = state.clock.engine - state.clock.service();
        let (topic, partition) = self.target(Topic::Assignments);
        let assignment = Assignment {
            kind: "assignment.v1",
            event,
            node: &state.nodes[node as usize].node.id,
            order: order.id,
            channel: &order.identity.channel,
            external_id: &order.identity.external_id,
            number: display.number,
            day_sequence: display.day_sequence,
            mode: order.mode,
            remark: display.remark,
            lines: lines.collect(),
            deadline: dues.min().map(|due| due + to_engine_time),
            position: self.position.clone(),
            at: state.clock.engine,
        };
        self.out.push_json(topic, partition, &assignment);
    }

    pub fn alert(&mut self, state: &State, sku: u32, node: u32, event: &str, qty: Qty) {
        let (sku, node) = (&state.skus[sku as usize], &state.nodes[node as usize].node);
        let (topic, partition) = self.target(Topic::StockAlerts);
        let alert = StockAlert {
            kind: "stock_alert.v1",
            event,
            node: &node.id,
            channel: None,
            sku: &sku.name,
            bucket: &sku.bucket,
            qty,
            position: self.position.clone(),
            at: state.clock.engine,
        };
        self.out.push_json(topic, partition, &alert);
    }

    /// Answers the caller, if one waits.
    pub fn reply(&mut self, meta: &Meta, answer: Answer) {
        if let Some(to) = meta.reply {
            let reply = Reply { correlation: to.correlation, position: self.position.clone(), answer };
            self.out.push(Topic::Replies, to.partition, &Meta::default(), &reply);
        }
    }

    /// The answer to a request about an order, as it now stands.
    pub fn answer(&self, state: &State, order: &Order) -> Answer {
        match self.awaited {
            true => Answer::Outcome(Self::outcome(state, order)),
            // Nobody hears it.
            false => Answer::Done,
        }
    }

    /// The order's answer to who waits for its outcome.
    pub fn outcome(state: &State, order: &Order) -> reply::Outcome {
        let nodes = order.open_nodes().iter().map(|n| state.nodes[*n as usize].node.id.clone()).collect();
        reply::Outcome { order: order.id, state: order.state.clone(), nodes, repeat: false }
    }
}
