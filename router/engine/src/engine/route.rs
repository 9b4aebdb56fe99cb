//! Routing of what is open in an order, and what follows from any change of its units.

use std::collections::BTreeMap;

use router_schemas::{
    command::{
        Assigned,
        order::{PaymentState, PinKind},
        reference::RouteWhen,
    },
    event::{Exception, OrderState, Outcome, Queue, Unit, Verdict as Found},
    id::{Identity, OrderId},
    limits::REMEMBER_MS,
    refusal::Refusal,
    reply::Answer,
};
use smallvec::SmallVec;

use super::{
    Engine, Verdict,
    choose::Pinned,
    effects::{self, Effects},
    nodes,
    order::Order,
    refuse,
    rules::{self, Spot, plan::Shares},
    trace,
    work::Deadlines,
};

impl Engine {
    /// Whether the payment lets the order be routed.
    pub(super) fn payment_ok(&self, order: &Order) -> bool {
        let of_channel = || self.state.channels.get(&order.identity.channel).map(|c| c.route_when);
        let of_routing = self.index.rules.of_zone(&order.zone).route_when(order);
        let when = of_routing.or_else(of_channel).unwrap_or(RouteWhen::Placed);
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

    /// Whether nothing of the order is routed yet: somebody has to look first, other zones have to confirm, or its time or
    /// its money has to come.
    pub(super) fn is_put_off(&self, order: &Order) -> bool {
        order.review
            || order.confirming
            || order.not_before.is_some_and(|t| t > self.state.clock.engine)
            || !self.payment_ok(order)
    }

    /// Routes what is open, where nothing forbids it. Who calls it settles the order and tells the nodes.
    pub(super) fn route(&mut self, order: &mut Order, effects: &mut Effects<'_>) {
        self.go_on(order, None, effects);
    }

    /// Routes what is open, from a place of the waterfall on where one is given.
    pub(super) fn go_on(&mut self, order: &mut Order, from: Option<&Spot>, effects: &mut Effects<'_>) {
        self.sort_anew(order);
        order.confirming = self.is_confirming(order.id);
        if self.is_put_off(order) || order.lines.iter().all(|l| l.open.is_zero()) {
            return;
        }
        self.take_over_hold(order, effects);
        if !self.is_mapped(order) {
            order.queue = Some(Queue::Unmapped);
            return;
        }
        // Hard pins first, so that the rest goes with what they must use.
        let pinned_short = self.route_pinned(order, effects);
        let named = self.waterfall(order, from, effects);
        let short = if pinned_short { Queue::Pinned } else { Queue::Unfillable };
        order.queue = Some(named.unwrap_or(short));
    }

    /// Routes what is pinned hard: no rule is asked. True: some of it did not find stock.
    fn route_pinned(&mut self, order: &mut Order, effects: &mut Effects<'_>) -> bool {
        let hard = |line: usize| self.is_hard(order, line) && order.lines[line].open.is_positive();
        let mut pins: SmallVec<[String; 1]> = (0..order.lines.len())
            .filter(|line| hard(*line))
            .filter_map(|line| order.pin_of(line).map(|(name, _)| name.clone()))
            .collect();
        pins.sort_unstable();
        pins.dedup();
        let mut short = false;
        let mut away: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for pin in pins {
            let mine: SmallVec<[usize; 8]> = (0..order.lines.len())
                .filter(|line| order.lines[*line].open.is_positive() && self.is_hard(order, *line))
                .filter(|line| order.pin_of(*line).is_some_and(|(name, _)| *name == pin))
                .collect();
            if let Some(zone) = self.zone_elsewhere(order, &pin) {
                away.entry(zone.to_owned()).or_default().extend(mine);
                continue;
            }
            let Some(node) = self.index.nodes.get(&pin).copied() else { continue };
            if order.declined.contains(&node) {
                short = true;
                continue;
            }
            short |= !self.route_to(order, &mine, node, effects);
        }
        for (zone, lines) in away {
            short |= !self.forward_bound(order, zone, &lines, effects);
        }
        short
    }

    /// Routes the open units of these lines to the only node that they may go to. True: all of them found stock.
    fn route_to(&mut self, order: &mut Order, mine: &[usize], node: u32, effects: &mut Effects<'_>) -> bool {
        let lines = mine.iter().map(|line| (*line as u16, order.lines[*line].open));
        let wanted = lines.clone().map(|(_, open)| open).sum();
        let demands = rules::demands(&self.state, order, lines);
        let mut first = order.open_nodes();
        first.push(node);
        let pinned = Pinned { only: Some(node), first: &first };
        effects.explain(order.id, || {
            let eligible = self.index.roster.eligible(&self.state, order);
            trace::look(&self.state, eligible, order, &demands, &pinned)
        });
        if let Some(opens) = nodes::next_opening(&self.state, node) {
            self.state.timed.insert((opens, order.id));
            return false;
        }
        let (mut planned, found) = self.plan_plain(order, mine, &demands, &pinned, Some(true), None);
        // It is told by the names of the built-in set: one node, or what it has and what comes later.
        let rule = usize::from(found.best.is_none());
        let by = Some((self.index.rules.built_in().clone(), 0, rule));
        let Shares { now, later } = planned.shares.take().unwrap_or_default();
        let decided = self.decision(order, by, &planned, (&now, &later), wanted);
        effects.explained(order.id, || decided.decision(&self.state));
        let whole = decided.verdict == Found::Whole;
        // A retry that finds nothing leaves no trace.
        if now.is_empty() && later.is_empty() && order.queue.is_some() {
            return whole;
        }
        effects.touch_order(order.id);
        effects.decided(decided);
        self.take(order, &now, Unit::Allocated, effects);
        self.take(order, &later, Unit::Backordered, effects);
        if !now.is_empty() {
            self.start_work(order, node, &Deadlines::default());
        }
        whole
    }

    /// Whether all is known that the order names: hard pins, and the SKUs of open lines.
    fn is_mapped(&self, order: &Order) -> bool {
        let known =
            |name: &String| self.index.nodes.get(name).is_some_and(|n| self.state.nodes[*n as usize].known);
        let mut pins = order.lines.iter().filter_map(|l| l.pin.as_ref()).chain(&order.pin);
        pins.all(|(node, kind)| {
            *kind != PinKind::Hard || known(node) || self.zone_elsewhere(order, node).is_some()
        }) && order.lines.iter().all(|l| l.open.is_zero() || self.state.skus[l.sku as usize].known())
    }

    /// Brings everything derived from the units up to date: state, waiting, what the customer is told.
    pub(super) fn settle(&mut self, order: &mut Order, effects: &mut Effects<'_>) {
        order.fulfilments.retain(|f| !f.is_empty());
        self.trim_hold(order, effects);
        order.confirming = self.is_confirming(order.id);
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
                    if self.retries_by_stock(order) && self.has_arrived(order, sku) {
                        self.state.mark(sku, false);
                    }
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

    /// Whether the order has units of a SKU backordered where there are some.
    fn has_arrived(&self, order: &Order, sku: u32) -> bool {
        let backordered = order.fulfilments.iter().filter(|f| f.backordered.is_positive());
        let mut of_sku = backordered.filter(|f| order.lines[usize::from(f.line)].sku == sku);
        let held = &self.state.skus[sku as usize];
        of_sku.any(|f| held.cell(f.node).is_some_and(|cell| cell.arrived().is_positive()))
    }

    /// Files the order anew among those that wait, where its routing sorts it otherwise than before.
    pub(super) fn sort_anew(&mut self, order: &mut Order) {
        let sort = self.index.rules.of_zone(&order.zone).sort_of(order);
        if sort != order.sort {
            let waited = order.waits;
            self.stop_waiting(order);
            order.sort = sort;
            if waited {
                self.keep_waiting(order);
            }
        }
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
