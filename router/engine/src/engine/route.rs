//! Routing of what is open in an order, and what follows from any change of its units.

use router_schemas::{
    command::{
        Assigned,
        order::{PaymentState, PinKind},
        reference::RouteWhen,
    },
    event::{Exception, OrderState, Outcome, Queue, Unit, Verdict as Found},
    id::{Identity, OrderId},
    limits::{FULFILMENTS, REMEMBER_MS},
    quantity::Qty,
    refusal::Refusal,
    reply::Answer,
};
use smallvec::SmallVec;

use super::{
    Engine, Verdict,
    choose::{self, Demand, Pinned},
    effects::{self, Effects},
    nodes,
    order::Order,
    refuse, trace,
};

/// Units of a line that go to a node.
struct Move {
    line: u16,
    node: u32,
    to: Unit,
    qty: Qty,
}

type Moves = SmallVec<[Move; 8]>;

impl Engine {
    /// Whether the payment lets the order be routed.
    pub(super) fn payment_ok(&self, order: &Order) -> bool {
        let when =
            self.state.channels.get(&order.identity.channel).map_or(RouteWhen::Placed, |c| c.route_when);
        let passes = matches!(order.payment, PaymentState::OnDelivery | PaymentState::Points);
        match when {
            _ if order.total() <= 0 || passes => true,
            RouteWhen::Placed => true,
            RouteWhen::Authorised => {
                let paid = [PaymentState::Authorised, PaymentState::Captured, PaymentState::PartRefunded];
                paid.contains(&order.payment)
            }
            // What went back in part was captured before.
            RouteWhen::Captured => {
                matches!(order.payment, PaymentState::Captured | PaymentState::PartRefunded)
            }
        }
    }

    /// Routes what is open, where nothing forbids it. Who calls it settles the order and tells the nodes.
    pub(super) fn route(&mut self, order: &mut Order, effects: &mut Effects<'_>) {
        let waits = order.review
            || order.not_before.is_some_and(|t| t > self.state.clock.engine)
            || !self.payment_ok(order);
        if waits || order.lines.iter().all(|l| l.open.is_zero()) {
            return;
        }
        if !self.is_mapped(order) {
            order.queue = Some(Queue::Unmapped);
            return;
        }
        let mut pinned_short = false;
        let mut pins: SmallVec<[_; 4]> =
            order.lines.iter().map(|l| l.pin.clone().or_else(|| order.pin.clone())).collect();
        // Hard pins first, so that the rest goes with what they must use.
        let binds = |p: &Option<(String, PinKind)>| p.as_ref().is_some_and(|p| p.1 != PinKind::Prefer);
        pins.sort_unstable_by_key(|p| (!binds(p), p.is_none(), p.clone()));
        pins.dedup();
        for pin in pins {
            let mine: SmallVec<[usize; 8]> = (0..order.lines.len())
                .filter(|i| order.lines[*i].open.is_positive())
                .filter(|i| order.lines[*i].pin.as_ref().or(order.pin.as_ref()) == pin.as_ref())
                .collect();
            if mine.is_empty() {
                continue;
            }
            let node = pin.as_ref().and_then(|(name, _)| self.index.nodes.get(name).copied());
            let only = node.filter(|_| binds(&pin));
            let refused = only.is_some_and(|only| order.declined.contains(&only));
            if refused && !self.may_leave_pin(order) {
                pinned_short = true;
                continue;
            }
            let only = only.filter(|_| !refused);
            let mut first = order.open_nodes();
            first.extend(node);
            let whole = self.route_lines(order, &mine, &Pinned { only, first: &first }, effects);
            pinned_short |= only.is_some() && !whole;
        }
        order.queue = Some(if pinned_short { Queue::Pinned } else { Queue::Unfillable });
        self.forward(order, &[], effects);
    }

    /// Routes the open units of these lines, which have the same pin. True: all of them found stock.
    fn route_lines(
        &mut self,
        order: &mut Order,
        mine: &[usize],
        pinned: &Pinned<'_>,
        effects: &mut Effects<'_>,
    ) -> bool {
        let mut demands: SmallVec<[Demand; 8]> = SmallVec::new();
        for line in mine.iter().map(|i| &order.lines[*i]) {
            match demands.iter_mut().find(|d| d.sku == line.sku) {
                Some(demand) => demand.qty += line.open,
                None => demands.push(Demand { sku: line.sku, qty: line.open }),
            }
        }
        if let Some(trace) = &mut effects.trace {
            let eligible = self.index.roster.eligible(&self.state, order);
            trace.push(trace::look(&self.state, eligible, order, &demands, pinned));
        }
        if let Some(opens) = pinned.only.and_then(|node| nodes::next_opening(&self.state, node)) {
            self.state.timed.insert((opens, order.id));
            return false;
        }
        let eligible = self.index.roster.eligible(&self.state, order);
        let mut plan = choose::choose(&self.state, eligible, order, &demands, pinned);
        let (moves, cut) = spread(order, mine, &plan.takes);
        if cut {
            // What does not fit stays open.
            plan.decided.verdict = if moves.is_empty() { Found::Unfillable } else { Found::Partial };
        }
        for (node, chord2) in &mut plan.decided.chosen {
            let place = self.state.nodes[*node as usize].node.place;
            *chord2 = order.to.zip(place).map(|(a, b)| a.chord2(b));
        }
        if let Some(choice) = effects.trace.as_mut().and_then(|t| t.last_mut()) {
            choice.close(&plan.decided.decision(&self.state));
        }
        let whole = plan.decided.verdict == Found::Whole;
        // A retry that finds nothing leaves no trace.
        if moves.is_empty() && order.queue.is_some() {
            return whole;
        }
        effects.touch_order(order.id);
        effects.decided(plan.decided);
        for Move { line, node, to, qty } in moves {
            effects.shift(&mut self.state, order, line, Some(node), (Unit::Open, to), qty);
        }
        whole
    }

    /// Whether all is known that the order names: hard pins, and the SKUs of open lines.
    fn is_mapped(&self, order: &Order) -> bool {
        let known =
            |name: &String| self.index.nodes.get(name).is_some_and(|n| self.state.nodes[*n as usize].known);
        let mut pins = order.lines.iter().filter_map(|l| l.pin.as_ref()).chain(&order.pin);
        pins.all(|(node, kind)| *kind == PinKind::Prefer || known(node))
            && order.lines.iter().all(|l| l.open.is_zero() || self.state.skus[l.sku as usize].known())
    }

    /// Brings everything derived from the units up to date: state, waiting, what the customer is told.
    pub(super) fn settle(&mut self, order: &mut Order, effects: &mut Effects<'_>) {
        order.fulfilments.retain(|f| !f.is_empty());
        if order.lines.iter().all(|l| l.open.is_zero()) {
            order.queue = None;
        }
        let now = self.state.clock.engine;
        let mut next = order.derive(self.payment_ok(order), now);
        if next == OrderState::Routing {
            // Its time has come, or something was opened, and nobody has looked yet.
            let before = order.work();
            self.route(order, effects);
            self.keep_work(order, effects);
            effects.tell_nodes(&self.state, order, &before, false);
            next = order.derive(self.payment_ok(order), now);
        }
        if order.abroad.is_some() {
            self.send_recalls(order, effects);
        }
        if order.part_of.is_some() {
            effects.touch_part(order.id);
            if self.hand_back(order, effects) {
                next = order.derive(self.payment_ok(order), now);
            }
        }
        self.keep_work(order, effects);
        order.changed_at = now;
        order.revision += 1;
        effects::restate(effects, order, next);
        effects.touch_order(order.id);
        effects.weigh(order);
        match (order.state.is_closed(), order.closed_at) {
            (true, None) => {
                order.closed_at = Some(now);
                self.state.closed.insert((now + REMEMBER_MS, order.id));
                self.state.counts.open_orders -= 1;
            }
            (false, Some(since)) => {
                order.closed_at = None;
                self.state.closed.remove(&(since + REMEMBER_MS, order.id));
                self.state.counts.open_orders += 1;
            }
            _ => {}
        }
        self.keep_waiting(order);
        let promised = order.fulfilments.iter().any(|f| (f.allocated + f.shipped).is_positive());
        if promised && !order.confirmed {
            order.confirmed = true;
            effects.notify(&self.state, order, "confirmed", None, None);
        } else if order.revision == 1 && matches!(order.state, OrderState::Parked(_)) {
            effects.notify(&self.state, order, "delayed", None, None);
        }
    }

    /// Keeps the order among those that wait for the SKUs of which it has open or backordered units.
    fn keep_waiting(&mut self, order: &mut Order) {
        let waits = order.waiting_lines();
        let any = waits.contains(&true);
        if !any && !order.waits {
            return;
        }
        let key = order.wait_key();
        let mut skus: SmallVec<[(u32, bool); 8]> = order.lines.iter().map(|l| l.sku).zip(waits).collect();
        skus.sort_unstable_by_key(|(sku, waits)| (*sku, !waits));
        skus.dedup_by_key(|(sku, _)| *sku);
        for (sku, waits) in skus {
            let waiting = &mut self.state.skus[sku as usize].waiting;
            if waits {
                if waiting.insert(key) {
                    self.state.waited.insert(sku);
                    self.state.step_in(sku, key);
                }
            } else if waiting.remove(&key) && waiting.is_empty() {
                self.state.waited.remove(&sku);
            }
        }
        match (any, order.waits) {
            (true, false) => self.state.counts.waiting_orders += 1,
            (false, true) => self.state.counts.waiting_orders -= 1,
            _ => {}
        }
        order.waits = any;
    }

    /// Takes the order out from those that wait, before what they are sorted by or its SKUs change.
    pub(super) fn stop_waiting(&mut self, order: &mut Order) {
        if !std::mem::take(&mut order.waits) {
            return;
        }
        self.state.counts.waiting_orders -= 1;
        let key = order.wait_key();
        for line in &order.lines {
            let waiting = &mut self.state.skus[line.sku as usize].waiting;
            if waiting.remove(&key) && waiting.is_empty() {
                self.state.waited.remove(&line.sku);
            }
        }
    }

    /// Lets `change` work on the order that intake assigned; a request about an unknown one is refused.
    pub(super) fn on_order(
        &mut self,
        to: &Option<Assigned>,
        identity: &Identity,
        change: impl FnOnce(&mut Self, &mut Order) -> Verdict,
    ) -> Verdict {
        let verdict = to.as_ref().and_then(|to| self.with_order(to.order, change));
        verdict.unwrap_or_else(|| refuse(Refusal::UnknownOrder, &identity.to_string()))
    }

    /// As [`Engine::on_order`], for a fact: it is taken, and one about an unknown order is an exception.
    pub(super) fn on_fact(
        &mut self,
        to: &Option<Assigned>,
        effects: &mut Effects<'_>,
        change: impl FnOnce(&mut Self, &mut Order, &mut Effects<'_>) -> Verdict,
    ) -> Verdict {
        let order = to.as_ref().map(|to| to.order).filter(|id| self.state.orders.contains_key(id));
        let verdict =
            order.and_then(|id| self.with_order(id, |engine, order| change(engine, order, effects)));
        verdict.unwrap_or_else(|| {
            effects.exception(Exception::Unmatched);
            (Outcome::Applied, Answer::Done)
        })
    }

    /// Takes the order out, lets `change` work on it, and puts it back. `None`: no such order.
    pub(super) fn with_order<T>(
        &mut self,
        id: OrderId,
        change: impl FnOnce(&mut Self, &mut Order) -> T,
    ) -> Option<T> {
        let mut order = self.state.orders.remove(&id)?;
        let changed = change(self, &mut order);
        self.state.orders.insert(id, order);
        Some(changed)
    }
}

/// Gives what was found to the lines, in their order. True: some of it needs more lines at nodes than an order may
/// have, and was left out.
fn spread(order: &Order, mine: &[usize], takes: &[(u32, u32, Qty, bool)]) -> (Moves, bool) {
    let mut left: SmallVec<[Qty; 8]> = mine.iter().map(|i| order.lines[*i].open).collect();
    let mut room = FULFILMENTS.saturating_sub(order.fulfilments.len());
    let (mut moves, mut cut) = (Moves::new(), false);
    for (node, sku, mut qty, beyond) in takes.iter().copied() {
        let to = if beyond { Unit::Backordered } else { Unit::Allocated };
        for (i, left) in mine.iter().zip(&mut left) {
            if order.lines[*i].sku != sku || !qty.is_positive() || !left.is_positive() {
                continue;
            }
            let line = *i as u16;
            let there = order.fulfilments.iter().any(|f| f.node == node && f.line == line)
                || moves.iter().any(|m| m.node == node && m.line == line);
            if !there && room == 0 {
                cut = true;
                continue;
            }
            room -= usize::from(!there);
            let part = Qty(qty.0.min(left.0));
            moves.push(Move { line, node, to, qty: part });
            qty -= part;
            *left -= part;
        }
    }
    (moves, cut)
}
