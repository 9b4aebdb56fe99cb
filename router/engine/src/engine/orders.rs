//! Placing, cancelling and paying for orders.

use router_schemas::{
    command::{
        Assigned,
        order::{Cancel, Delivered, OrderBody, OrderMessage, PaymentFact, PaymentState, Pin},
        reference::RouteWhen,
    },
    event::{Change, Exception, OrderState, Outcome, Queue, Unit, Verdict as Found},
    id::{Identity, OrderId},
    limits::REMEMBER_MS,
    quantity::Qty,
    refusal::Refusal,
    reply::Answer,
};

use super::{
    Engine, Verdict,
    choose::{self, Demand, Pinned},
    effects::{self, Effects},
    nodes, refuse,
    state::{Line, Order},
    trace,
};

impl Engine {
    /// A new order: reserve stock, choose nodes.
    pub(super) fn place(&mut self, message: OrderMessage, effects: &mut Effects<'_>) -> Verdict {
        let Some(to) = message.to else {
            return refuse(Refusal::WrongZone, "the order did not come through intake");
        };
        if let Some(known) = self.state.orders.get(&to.order) {
            return (Outcome::Repeat, Answer::Outcome(Effects::outcome(&self.state, known)));
        }
        if !self.state.zones.contains(&to.zone) {
            return refuse(Refusal::WrongZone, &to.zone);
        }
        let body: OrderBody = match postcard::from_bytes(&message.body) {
            Ok(body) => body,
            Err(error) => return refuse(Refusal::Undecodable, &error.to_string()),
        };
        if let Some(line) = body.lines.iter().find(|l| l.buckets.len() > 1) {
            return refuse(Refusal::Level, &format!("line {} asks for several buckets", line.line));
        }
        let now = self.state.clock.engine;
        let pin = |pin: Option<Pin>| pin.map(|p| (p.node, p.hard));
        let mut order = Order {
            id: to.order,
            identity: message.head.identity,
            zone: to.zone,
            version: message.head.version,
            created_at: now,
            changed_at: now,
            placed_at: message.head.placed_at,
            promise: body.promise,
            not_before: body.not_before,
            mode: body.mode,
            to: body.to,
            pin: pin(message.head.pin),
            priority: body.priority,
            payment: body.payment,
            refunded: 0,
            currency: body.currency,
            totals: body.totals,
            lines: Vec::with_capacity(body.lines.len()),
            fulfilments: Vec::new(),
            display: body.display,
            revision: 0,
            state: OrderState::Routing,
            queue: None,
            review: message.head.placed_at.is_some_and(|t| t < now - REMEMBER_MS),
            confirmed: false,
            first: None,
        };
        for (i, line) in body.lines.into_iter().enumerate() {
            let sku = self.sku_number(&line.sku, line.buckets.first().map_or("", String::as_str));
            let fresh = Line {
                name: line.line,
                sku,
                unit_price: line.unit_price,
                pin: pin(line.pin),
                ..Line::default()
            };
            order.lines.push(fresh);
            effects.shift(&mut self.state, &mut order, i as u16, None, (Unit::Outside, Unit::Open), line.qty);
        }
        if let Some(at) = order.not_before.filter(|at| *at > now) {
            self.state.timed.insert((at, order.id));
        }
        self.route(&mut order, effects);
        self.settle(&mut order, effects);
        self.tell_nodes(&order, &[], effects);
        let outcome = Effects::outcome(&self.state, &order);
        order.first = Some(outcome.clone());
        self.state.orders.insert(order.id, order);
        (Outcome::Applied, Answer::Outcome(outcome))
    }

    pub(super) fn cancel(&mut self, cancel: Cancel, effects: &mut Effects<'_>) -> Verdict {
        self.on_order(&cancel.to, &cancel.identity, |engine, order| {
            let wanted: Result<Vec<(usize, Qty)>, String> = match cancel.lines.is_empty() {
                true => Ok((0..order.lines.len()).map(|i| (i, router_schemas::limits::QTY_MAX)).collect()),
                false => {
                    let limit = router_schemas::limits::QTY_MAX;
                    let find = |l: &router_schemas::command::order::LineQty| {
                        order.line(&l.line).map(|i| (i, l.qty.unwrap_or(limit))).ok_or(l.line.clone())
                    };
                    cancel.lines.iter().map(find).collect()
                }
            };
            match wanted {
                Err(line) => refuse(Refusal::UnknownLine, &line),
                Ok(wanted) => {
                    let before = order.work();
                    let taken: Qty = wanted
                        .into_iter()
                        .map(|(line, qty)| engine.cancel_units(order, line, qty, effects))
                        .sum();
                    if taken.is_positive() {
                        engine.tell_nodes(order, &before, effects);
                        engine.settle(order, effects);
                        let event =
                            if order.state == OrderState::Cancelled { "cancelled" } else { "changed" };
                        effects.notify(&engine.state, order, event, None, None);
                        (Outcome::Applied, Answer::Outcome(Effects::outcome(&engine.state, order)))
                    } else if order.fulfilments.iter().any(|f| (f.picked + f.ready).is_positive()) {
                        refuse(Refusal::Picked, "")
                    } else {
                        refuse(Refusal::Closed, order.state.as_str())
                    }
                }
            }
        })
    }

    /// Cancels up to `qty` of a line: open units first, then backordered, then allocated ones in reverse plan
    /// order. Picked units are left. Returns how many were cancelled.
    fn cancel_units(&mut self, order: &mut Order, line: usize, qty: Qty, effects: &mut Effects<'_>) -> Qty {
        let mut left = qty.floor_zero();
        let open = Qty(left.0.min(order.lines[line].open.0));
        effects.shift(&mut self.state, order, line as u16, None, (Unit::Open, Unit::Cancelled), open);
        left -= open;
        for unit in [Unit::Backordered, Unit::Allocated] {
            for place in (0..order.fulfilments.len()).rev() {
                let fulfilment = &mut order.fulfilments[place];
                if usize::from(fulfilment.line) != line {
                    continue;
                }
                let node = fulfilment.node;
                let part = fulfilment.units(unit).map_or(0, |u| u.0.min(left.0));
                effects.shift(
                    &mut self.state,
                    order,
                    line as u16,
                    Some(node),
                    (unit, Unit::Cancelled),
                    Qty(part),
                );
                left -= Qty(part);
            }
        }
        qty.floor_zero() - left
    }

    pub(super) fn payment(&mut self, fact: PaymentFact, effects: &mut Effects<'_>) -> Verdict {
        self.on_order(&fact.to, &fact.identity, |engine, order| {
            let before = order.payment;
            let (total, work) = (order.total(), order.work());
            let next = match fact.state {
                // A late fact does not undo a later one.
                PaymentState::None
                | PaymentState::Failed
                | PaymentState::Authorised
                | PaymentState::Captured
                    if later(before) > later(fact.state) =>
                {
                    before
                }
                PaymentState::Refunded | PaymentState::PartRefunded => {
                    order.refunded += fact.amount.unwrap_or(total - order.refunded).max(0);
                    if order.refunded >= total { PaymentState::Refunded } else { PaymentState::PartRefunded }
                }
                other => other,
            };
            order.payment = next;
            effects.touch_order(order.id);
            effects.change(Change::Payment(before, next, fact.amount));
            let paid = next != before && matches!(next, PaymentState::Authorised | PaymentState::Captured);
            if paid && order.state == OrderState::Cancelled {
                let due = fact.amount.unwrap_or(total);
                effects.change(Change::Exception(Exception::RefundDue(due)));
                effects.notify(&engine.state, order, "refund_due", Some(due), None);
            }
            engine.route(order, effects);
            engine.settle(order, effects);
            engine.tell_nodes(order, &work, effects);
            (Outcome::Applied, Answer::Outcome(Effects::outcome(&engine.state, order)))
        })
    }

    pub(super) fn delivered(&mut self, fact: Delivered, effects: &mut Effects<'_>) -> Verdict {
        self.on_order(&fact.to, &fact.identity, |engine, order| {
            let named = |name: &str| fact.lines.is_empty() || fact.lines.iter().any(|l| l.line == name);
            for line in 0..order.lines.len() {
                let shipped: Qty = order.at_nodes(line).map(|f| f.shipped - f.returned).sum();
                let stated = fact.lines.iter().find(|l| l.line == order.lines[line].name).and_then(|l| l.qty);
                let part = (shipped - order.lines[line].delivered).floor_zero();
                if named(&order.lines[line].name) {
                    let part = Qty(stated.unwrap_or(part).0.min(part.0));
                    effects.shift(
                        &mut engine.state,
                        order,
                        line as u16,
                        None,
                        (Unit::Shipped, Unit::Delivered),
                        part,
                    );
                }
            }
            engine.settle(order, effects);
            effects.touch_order(order.id);
            effects.notify(&engine.state, order, "delivered", None, None);
            (Outcome::Applied, Answer::Outcome(Effects::outcome(&engine.state, order)))
        })
    }

    /// Whether the payment lets the order be routed.
    fn payment_ok(&self, order: &Order) -> bool {
        let when =
            self.state.channels.get(&order.identity.channel).map_or(RouteWhen::Placed, |c| c.route_when);
        match when {
            _ if order.total() <= 0
                || matches!(order.payment, PaymentState::OnDelivery | PaymentState::Points) =>
            {
                true
            }
            RouteWhen::Placed => true,
            RouteWhen::Authorised => {
                matches!(order.payment, PaymentState::Authorised | PaymentState::Captured)
            }
            RouteWhen::Captured => order.payment == PaymentState::Captured,
        }
    }

    /// Routes what is open, where nothing forbids it. Who calls it tells the nodes.
    pub(super) fn route(&mut self, order: &mut Order, effects: &mut Effects<'_>) {
        let waits = order.review
            || order.not_before.is_some_and(|t| t > self.state.clock.engine)
            || !self.payment_ok(order);
        if waits || order.lines.iter().all(|l| l.open.is_zero()) {
            return;
        }
        let unmapped = |this: &Self, name: &str| {
            this.index.nodes.get(name).is_none_or(|n| !this.state.nodes[*n as usize].known)
        };
        let known = order
            .lines
            .iter()
            .filter_map(|l| l.pin.as_ref())
            .chain(&order.pin)
            .all(|(n, hard)| !hard || !unmapped(self, n))
            && order.lines.iter().all(|l| l.open.is_zero() || self.state.skus[l.sku as usize].known());
        if !known {
            order.queue = Some(Queue::Unmapped);
            return;
        }
        let used = order.open_nodes();
        let mut pinned_short = false;
        let groups: Vec<Option<(String, bool)>> = {
            let mut groups: Vec<_> =
                order.lines.iter().map(|l| l.pin.clone().or_else(|| order.pin.clone())).collect();
            groups.sort_unstable_by(|a, b| b.cmp(a));
            groups.dedup();
            groups
        };
        for pin in groups {
            let mine: Vec<usize> = (0..order.lines.len())
                .filter(|i| order.lines[*i].open.is_positive())
                .filter(|i| order.lines[*i].pin.as_ref().or(order.pin.as_ref()) == pin.as_ref())
                .collect();
            let mut demands: Vec<Demand> = Vec::new();
            for i in &mine {
                let line = &order.lines[*i];
                match demands.iter_mut().find(|d| d.sku == line.sku) {
                    Some(demand) => demand.qty += line.open,
                    None => demands.push(Demand { sku: line.sku, qty: line.open }),
                }
            }
            if demands.is_empty() {
                continue;
            }
            let node = pin.as_ref().and_then(|(name, _)| self.index.nodes.get(name).copied());
            let only = node.filter(|_| pin.as_ref().is_some_and(|p| p.1));
            let mut first = used.clone();
            first.extend(node);
            let pinned = Pinned { only, first: &first };
            if let Some(trace) = &mut effects.trace {
                trace.push(trace::look(&self.state, order, &demands, &pinned));
            }
            if only.is_some_and(|n| !nodes::is_open(&self.state, n)) {
                pinned_short = true;
                continue;
            }
            let mut plan = choose::choose(&self.state, order, &demands, &pinned);
            for (name, chord2) in &mut plan.decision.chosen {
                let place = self.index.nodes.get(name).and_then(|n| self.state.nodes[*n as usize].node.place);
                *chord2 = order.to.zip(place).map(|(a, b)| a.chord2(b));
            }
            if let Some(choice) = effects.trace.as_mut().and_then(|t| t.last_mut()) {
                choice.close(&plan.decision);
            }
            pinned_short |= only.is_some() && plan.decision.verdict != Found::Whole;
            // A retry that finds nothing leaves no trace.
            if plan.takes.is_empty() && order.queue.is_some() {
                continue;
            }
            effects.touch_order(order.id);
            effects.decided(plan.decision);
            for (node, sku, mut qty, beyond) in plan.takes {
                let to = if beyond { Unit::Backordered } else { Unit::Allocated };
                for i in &mine {
                    if order.lines[*i].sku == sku && qty.is_positive() {
                        let part = Qty(qty.0.min(order.lines[*i].open.0));
                        effects.shift(&mut self.state, order, *i as u16, Some(node), (Unit::Open, to), part);
                        qty -= part;
                    }
                }
            }
        }
        order.queue = Some(if pinned_short { Queue::Pinned } else { Queue::Unfillable });
    }

    /// Tells every node whose work for the order changed, and those that lost all of it.
    /// `before`: [`Order::work`] as they were last told.
    pub(super) fn tell_nodes(
        &self,
        order: &Order,
        before: &[(u32, u16, Qty, Qty)],
        effects: &mut Effects<'_>,
    ) {
        let now = order.work();
        let mut nodes: Vec<u32> = now.iter().chain(before).map(|w| w.0).collect();
        let mut seen = std::collections::BTreeSet::new();
        nodes.retain(|node| seen.insert(*node));
        for node in nodes {
            let of = |work: &[(u32, u16, Qty, Qty)]| -> Vec<_> {
                work.iter().filter(|w| w.0 == node).copied().collect()
            };
            let event = match (of(before), of(&now)) {
                (old, new) if old == new => continue,
                (old, _) if old.is_empty() => "assigned",
                (_, new) if new.is_empty() => "withdrawn",
                _ => "changed",
            };
            effects.assign(&self.state, order, node, event);
        }
    }

    /// Brings everything derived from the units up to date: state, waiting, what the customer is told.
    pub(super) fn settle(&mut self, order: &mut Order, effects: &mut Effects<'_>) {
        if order.lines.iter().all(|l| l.open.is_zero()) {
            order.queue = None;
        }
        let next = order.derive(self.payment_ok(order), self.state.clock.engine);
        order.changed_at = self.state.clock.engine;
        order.revision += 1;
        effects::restate(effects, order, next);
        effects.touch_order(order.id);
        let key = order.wait_key();
        for i in 0..order.lines.len() {
            let sku = order.lines[i].sku;
            let waits = order.lines.iter().enumerate().any(|(j, l)| {
                l.sku == sku
                    && (l.open.is_positive() || order.at_nodes(j).any(|f| f.backordered.is_positive()))
            });
            let waiting = &mut self.state.skus[sku as usize].waiting;
            if waits {
                waiting.insert(key);
            } else {
                waiting.remove(&key);
            }
        }
        let promised = order.fulfilments.iter().any(|f| (f.allocated + f.shipped).is_positive());
        if promised && !order.confirmed {
            order.confirmed = true;
            effects.notify(&self.state, order, "confirmed", None, None);
        } else if order.revision == 1 && matches!(order.state, OrderState::Parked(_)) {
            effects.notify(&self.state, order, "delayed", None, None);
        }
    }

    /// Lets `change` work on the order that intake assigned; unknown ones are refused.
    fn on_order(
        &mut self,
        to: &Option<Assigned>,
        identity: &Identity,
        change: impl FnOnce(&mut Self, &mut Order) -> Verdict,
    ) -> Verdict {
        let verdict = to.as_ref().and_then(|to| self.with_order(to.order, change));
        verdict.unwrap_or_else(|| refuse(Refusal::UnknownOrder, &identity.to_string()))
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

/// How far a payment has come: what ranks lower is a late fact.
fn later(state: PaymentState) -> u8 {
    match state {
        PaymentState::None => 0,
        PaymentState::Failed | PaymentState::Authorised => 1,
        PaymentState::OnDelivery | PaymentState::Points | PaymentState::Captured => 2,
        PaymentState::PartRefunded => 3,
        PaymentState::Refunded => 4,
    }
}
