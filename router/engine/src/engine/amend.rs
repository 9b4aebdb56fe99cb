//! An amend: the order's full new state. Only differences move. Shipped and picked units stay as they are.

use std::collections::BTreeMap;

use router_schemas::{
    command::order::{
        Display, LineDisplay, OrderBody, OrderHead, OrderLine, OrderMessage, PaymentState, PinKind,
    },
    envelope::write_postcard,
    event::{Change, Exception, OrderState, Outcome, Unit},
    limits::{DISPLAY_BYTES, LINES},
    quantity::Qty,
    refusal::Refusal,
};

use super::{
    Engine, Verdict,
    effects::Effects,
    order::{Line, Order},
    payment::{later, take_payment},
    place::{self, pinned},
    refuse,
};

/// What the customer is told of, where it changed: totals, promise, mode, place, and what is left of each line.
type Seen = (i64, Option<(i64, i64)>, bool, Option<router_schemas::geo::UnitVector>, Vec<(u32, Qty)>);

impl Engine {
    pub(super) fn amend(&mut self, message: OrderMessage, effects: &mut Effects<'_>) -> Verdict {
        let body = match place::body(&message) {
            Ok(body) => body,
            Err(verdict) => return verdict,
        };
        let OrderMessage { to, head, .. } = message;
        let identity = head.identity.clone();
        self.on_order(&to, &identity, |engine, order| engine.replace(order, head, body, effects))
    }

    fn replace(
        &mut self,
        order: &mut Order,
        head: OrderHead,
        mut body: OrderBody,
        effects: &mut Effects<'_>,
    ) -> Verdict {
        if order.state == OrderState::Cancelled {
            return refuse(Refusal::Closed, &order.state.text());
        }
        let gone = |l: &Line| body.lines.iter().all(|new| new.line != l.name || !self.is_sku(l.sku, new));
        let stuck = order.lines.iter().enumerate().filter(|(i, l)| gone(l) && is_stuck(order, *i)).count();
        if body.lines.len() + stuck > LINES {
            return refuse(Refusal::Limit, "lines, with those that were picked or shipped before");
        }
        let (work, seen) = (order.work(), seen(order));
        let (address, open) = ((order.to, order.recipient), order.open());
        effects.touch_order(order.id);
        effects.change(Change::Amended(head.version));
        self.stop_waiting(order);
        self.set_priority(order, body.priority);
        let fits_as_before = self.replace_head(order, head, &body);
        let lines = std::mem::take(&mut body.lines);
        let places = self.replace_lines(order, lines, effects);
        let (shown, texts) = replace_display(order, &body, &places);
        if body.payment != order.payment
            && !matches!(
                body.payment,
                PaymentState::None | PaymentState::PartRefunded | PaymentState::Refunded
            )
            && later(body.payment) >= later(order.payment)
        {
            take_payment(order, body.payment, None, effects);
        }
        let misfits = !fits_as_before || places.iter().any(|p| p.pin_changed);
        if misfits {
            self.release_misfits(order, effects);
        }
        // What is offered is all of it, for this place: else it is offered anew.
        let later = order.not_before.is_some_and(|at| at > self.state.clock.engine);
        if misfits || later || address.0 != order.to || open != order.open() {
            self.withdraw_offers(order, effects);
        } else if texts {
            self.show_offers(order, effects);
        }
        if let Some(abroad) = &mut order.abroad {
            // It is another order now: zones that gave it back may be asked again.
            abroad.visited.clear();
            if misfits || address != (order.to, order.recipient) {
                order.recall_all();
            }
        }
        self.route(order, effects);
        self.settle(order, effects);
        effects.tell_nodes(&self.state, order, &work, texts);
        if shown || seen != self::seen(order) {
            effects.notify(&self.state, order, "changed", None, None);
        }
        effects.refund_due(&self.state, order);
        (Outcome::Applied, effects.answer(&self.state, order))
    }

    fn is_sku(&self, number: u32, line: &OrderLine) -> bool {
        let sku = &self.state.skus[number as usize];
        sku.name == line.sku && sku.bucket == line.buckets.first().map_or("", String::as_str)
    }

    /// The nodes keep their orders by priority.
    fn set_priority(&mut self, order: &mut Order, priority: u8) {
        let old = order.loss_key();
        order.priority = priority;
        let new = order.loss_key();
        for node in order.open_nodes() {
            let orders = &mut self.state.nodes[node as usize].orders;
            if let Some(day) = orders.remove(&old) {
                orders.insert(new, day);
            }
        }
    }

    /// True: what is allocated passes as before.
    fn replace_head(&mut self, order: &mut Order, head: OrderHead, body: &OrderBody) -> bool {
        let pin = pinned(head.pin);
        let as_before = order.mode == body.mode && order.pin == pin;
        if !head.elsewhere.is_empty() || order.abroad.is_some() {
            order.abroad.get_or_insert_default().pins = head.elsewhere;
        }
        order.version = head.version.or(order.version);
        order.placed_at = head.placed_at.or(order.placed_at);
        (order.promise, order.not_before) = (body.promise, body.not_before);
        (order.mode, order.to, order.pin) = (body.mode, body.to, pin);
        (order.currency, order.totals) = (body.currency, body.totals.clone());
        order.billed = order.billed.max(order.total());
        if let Some(at) = order.not_before.filter(|at| *at > self.state.clock.engine) {
            self.state.timed.insert((at, order.id));
        }
        as_before
    }

    /// Brings the lines to what is stated. Returns where each stated line is now.
    fn replace_lines(
        &mut self,
        order: &mut Order,
        lines: Vec<OrderLine>,
        effects: &mut Effects<'_>,
    ) -> Vec<Place> {
        let mut known: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (i, line) in order.lines.iter().enumerate() {
            known.entry(&line.name).or_default().push(i);
        }
        // A line that was left out before and comes back is the same line again.
        let found: Vec<Option<usize>> = lines
            .iter()
            .map(|l| {
                let same = known.get(l.line.as_str()).into_iter().flatten().copied();
                same.filter(|i| self.is_sku(order.lines[*i].sku, l)).max_by_key(|i| order.lines[*i].listed)
            })
            .collect();
        let mut stays = vec![false; order.lines.len()];
        found.iter().flatten().for_each(|i| stays[*i] = true);
        for (i, _) in stays.iter().enumerate().filter(|(_, stays)| !**stays) {
            if !order.lines[i].listed {
                continue;
            }
            self.set_quantity(order, i, Qty::ZERO, effects);
            order.lines[i].listed = false;
        }
        let mut places = Vec::with_capacity(lines.len());
        for (line, found) in lines.into_iter().zip(found) {
            let Some(i) = found else {
                let index = self.add_line(order, line, effects);
                places.push(Place { index, pin_changed: false });
                continue;
            };
            self.set_quantity(order, i, line.qty, effects);
            let (entry, pin) = (&mut order.lines[i], pinned(line.pin));
            let pin_changed = entry.pin != pin;
            (entry.unit_price, entry.discount, entry.pin) = (line.unit_price, line.discount, pin);
            entry.group = line.group;
            entry.listed = true;
            places.push(Place { index: i, pin_changed });
        }
        places
    }

    /// Brings a line to the quantity that the source wants now. What was cancelled since it last said so comes back
    /// only where it wants more than then, and makes up for what it wants less.
    fn set_quantity(&mut self, order: &mut Order, line: usize, qty: Qty, effects: &mut Effects<'_>) {
        let entry = &mut order.lines[line];
        let (asked, number) = (std::mem::replace(&mut entry.asked, qty), line as u16);
        // What other zones were asked for as the order shrank is on its way out of it.
        let ordered = entry.ordered - order.recalled(line, Unit::Outside);
        if qty > asked {
            let more = (qty - asked.max(ordered)).floor_zero();
            let more = more - order.turn_recall(line, more, (Unit::Outside, Unit::Open));
            effects.shift(&mut self.state, order, number, None, (Unit::Outside, Unit::Open), more);
        } else if qty < asked {
            let less = (ordered - qty).floor_zero();
            let cancelled = less.min(order.lines[line].cancelled);
            let step = (Unit::Cancelled, Unit::Outside);
            effects.shift(&mut self.state, order, number, None, step, cancelled);
            let less = less - order.turn_recall(line, less - cancelled, (Unit::Cancelled, Unit::Outside));
            let taken = self.take_back(order, line, less - cancelled, Unit::Outside, effects);
            let late = less - cancelled - taken;
            if late.is_positive() {
                effects.exception(Exception::TooLate(late));
            }
        }
    }

    /// Opens what is promised at nodes that the order does not fit any more, and not picked yet.
    fn release_misfits(&mut self, order: &mut Order, effects: &mut Effects<'_>) {
        for place in 0..order.fulfilments.len() {
            let (node, line) = (order.fulfilments[place].node, order.fulfilments[place].line);
            let held = &self.state.nodes[node as usize].node;
            let pin = order.pin_of(usize::from(line));
            if held.serves(order.mode)
                && pin.is_none_or(|(name, kind)| *kind == PinKind::Prefer || *name == held.id)
            {
                continue;
            }
            for unit in [Unit::Backordered, Unit::Allocated] {
                let part = order.fulfilments[place].units(unit).copied().unwrap_or_default();
                effects.shift(&mut self.state, order, line, Some(node), (unit, Unit::Open), part);
            }
        }
    }
}

/// Where a stated line is among the order's lines.
struct Place {
    index: usize,
    pin_changed: bool,
}

/// Whether units of the line were picked or shipped: it stays, whatever an amend says.
fn is_stuck(order: &Order, line: usize) -> bool {
    order.was_away(line)
        || order.at_nodes(line).any(|f| (f.picked + f.ready + f.shipped + f.returned).is_positive())
}

fn seen(order: &Order) -> Seen {
    let left = order.lines.iter().map(|l| (l.sku, l.ordered - l.cancelled)).filter(|l| l.1.is_positive());
    let pickup = order.mode == router_schemas::command::order::DeliveryMode::Pickup;
    (order.total(), order.promise, pickup, order.to, left.collect())
}

/// Takes over what people see, its lines brought into the order of ours. Returns whether anything of it changed, and
/// whether anything that stores see.
fn replace_display(order: &mut Order, body: &OrderBody, places: &[Place]) -> (bool, bool) {
    let mut old: Display = postcard::from_bytes(&order.display).unwrap_or_default();
    let mut new: Display = postcard::from_bytes(&body.display).unwrap_or_default();
    let mut lines = vec![LineDisplay::default(); order.lines.len()];
    for (line, texts) in lines.iter_mut().zip(&old.lines) {
        *line = texts.clone();
    }
    let mut stated = vec![false; lines.len()];
    for (place, texts) in places.iter().zip(std::mem::take(&mut new.lines)) {
        lines[place.index] = texts;
        stated[place.index] = true;
    }
    new.lines = lines;
    let encode = |display: &Display| {
        let mut bytes = Vec::new();
        write_postcard(display, &mut bytes);
        bytes
    };
    order.display = encode(&new);
    if order.display.len() > DISPLAY_BYTES {
        // Lines that are gone are shown by their names.
        let gone = new.lines.iter_mut().zip(&stated).filter(|(_, stated)| !**stated);
        gone.for_each(|(line, _)| *line = LineDisplay::default());
        order.display = encode(&new);
    }
    // Sealed anew each time, whatever it says.
    for display in [&mut old, &mut new] {
        display.recipient = None;
        display.lines.iter_mut().for_each(|l| l.travellers = None);
        display.lines.resize(order.lines.len(), LineDisplay::default());
    }
    let recipient = std::mem::replace(&mut order.recipient, body.recipient);
    let for_stores = |d: &Display| {
        let lines = d.lines.iter().map(|l| (l.name.clone(), l.options.clone()));
        (d.number.clone(), d.day_sequence, d.remark.clone(), lines.collect::<Vec<_>>())
    };
    (old != new || recipient != order.recipient, for_stores(&old) != for_stores(&new))
}
