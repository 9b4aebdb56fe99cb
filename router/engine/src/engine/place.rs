//! A new order.

use router_schemas::{
    command::{
        Assigned,
        order::{OrderBody, OrderHead, OrderLine, OrderMessage, PaymentState, Pin, PinKind},
        part::PartRef,
    },
    event::{OrderState, Outcome, Unit},
    limits::{self, LINES, REMEMBER_MS},
    quantity::Qty,
    refusal::Refusal,
    reply::Answer,
};

use super::{
    Engine, Verdict,
    effects::Effects,
    order::{Line, Order, SORTS},
    part::{Abroad, Duty},
    refuse,
};

/// A pin as it is kept: the node, and how much it binds.
pub fn pinned(pin: Option<Pin>) -> Option<(String, PinKind)> {
    pin.map(|p| (p.node, p.kind))
}

/// The body of an order message, within the limits.
pub fn body(message: &OrderMessage) -> Result<OrderBody, Verdict> {
    let body: OrderBody = match postcard::from_bytes(&message.body) {
        Ok(body) => body,
        Err(error) => return Err(refuse(Refusal::Undecodable, &error.to_string())),
    };
    if let Some(line) = body.lines.iter().find(|l| l.buckets.len() > 1) {
        return Err(refuse(Refusal::Level, &format!("line {} asks for several buckets", line.line)));
    }
    if body.lines.len() > limits::LINES || body.display.len() > limits::DISPLAY_BYTES {
        return Err(refuse(Refusal::Limit, "lines, or bytes of texts"));
    }
    Ok(body)
}

/// The order of a message, without its lines; and these.
pub fn fresh(to: Assigned, head: OrderHead, body: OrderBody, now: i64) -> (Box<Order>, Vec<OrderLine>) {
    let order = Box::new(Order {
        id: to.order,
        identity: head.identity,
        zone: to.zone,
        version: head.version,
        created_at: now,
        changed_at: now,
        closed_at: None,
        placed_at: head.placed_at,
        promise: body.promise,
        not_before: body.not_before,
        mode: body.mode,
        to: body.to,
        pin: pinned(head.pin),
        priority: body.priority,
        payment: body.payment,
        paid: 0,
        refunded: 0,
        refund_due: 0,
        billed: 0,
        currency: body.currency,
        totals: body.totals,
        lines: Vec::with_capacity(body.lines.len()),
        fulfilments: Vec::new(),
        recipient: body.recipient,
        display: body.display,
        revision: 0,
        state: OrderState::Routing,
        queue: None,
        waits: false,
        sort: [0; SORTS],
        review: head.placed_at.is_some_and(|t| t < now - REMEMBER_MS),
        confirming: false,
        confirmed: false,
        first: None,
        part_of: None,
        declined: Vec::new(),
        terms: Vec::new(),
        asks: Vec::new(),
        work_due: None,
        wait: None,
        offers: Vec::new(),
        epochs: 0,
        abroad: Abroad::with_pins(head.elsewhere),
        duty: None,
    });
    (order, body.lines)
}

/// A line as the source states it, with nothing ordered yet.
pub fn fresh_line(line: OrderLine, sku: u32) -> Line {
    Line {
        name: line.line,
        sku,
        asked: line.qty,
        unit_price: line.unit_price,
        discount: line.discount,
        group: line.group,
        pin: pinned(line.pin),
        listed: true,
        ..Line::default()
    }
}

impl Engine {
    /// A new order: reserve stock, choose nodes.
    pub(super) fn place(&mut self, message: OrderMessage, effects: &mut Effects<'_>) -> Verdict {
        self.place_order(message, None, effects)
    }

    /// A new order, or a part of one whose home is another zone.
    pub(super) fn place_order(
        &mut self,
        mut message: OrderMessage,
        part_of: Option<(PartRef, String)>,
        effects: &mut Effects<'_>,
    ) -> Verdict {
        let Some(to) = message.to.take() else {
            return refuse(Refusal::WrongZone, "the order did not come through intake");
        };
        if let Some(known) = self.state.orders.get(&to.order) {
            return (Outcome::Repeat, Answer::Outcome(Effects::outcome(&self.state, known)));
        }
        if !self.is_own(&to.zone) {
            return refuse(Refusal::WrongZone, &to.zone);
        }
        let body = match body(&message) {
            Ok(body) => body,
            Err(verdict) => return verdict,
        };
        let now = self.state.clock.engine;
        let of_other = part_of.is_some();
        let (mut order, lines) = fresh(to, message.head, body, now);
        if of_other {
            // Home has looked at its part.
            order.review = false;
            order.duty = Some(Duty::of(lines.len()));
            order.part_of = part_of;
        }
        order.billed = order.total();
        if matches!(
            order.payment,
            PaymentState::Captured | PaymentState::PartRefunded | PaymentState::Refunded
        ) {
            order.paid = order.total();
        }
        for line in lines {
            self.add_line(&mut order, line, effects);
        }
        if let Some(at) = order.not_before.filter(|at| *at > now) {
            self.state.timed.insert((at, order.id));
        }
        self.state.counts.open_orders += 1;
        self.route(&mut order, effects);
        self.settle(&mut order, effects);
        effects.tell_nodes(&self.state, &order, &[], false);
        let answer = effects.answer(&self.state, &order);
        order.first = Some(Effects::outcome(&self.state, &order));
        self.state.orders.insert(order.id, order);
        (Outcome::Applied, answer)
    }
    /// Adds a line with all its units open, in the place of one that is gone where there is no room for more. Returns
    /// its place.
    pub(super) fn add_line(
        &mut self,
        order: &mut Order,
        line: OrderLine,
        effects: &mut Effects<'_>,
    ) -> usize {
        let sku = self.sku_number(&line.sku, line.buckets.first().map_or("", String::as_str));
        let asked: Qty = line.qty;
        let is_free = |(i, l): (usize, &Line)| {
            let gone = !l.listed && l.ordered.is_zero() && order.at_nodes(i).all(|f| f.is_empty());
            gone && !order.was_away(i)
        };
        let free = match order.lines.len() < LINES {
            true => None,
            false => order.lines.iter().enumerate().position(is_free),
        };
        let fresh = fresh_line(line, sku);
        let place = free.unwrap_or(order.lines.len());
        match free {
            Some(place) => {
                order.fulfilments.retain(|f| usize::from(f.line) != place);
                order.lines[place] = fresh;
            }
            None => order.lines.push(fresh),
        }
        effects.shift(&mut self.state, order, place as u16, None, (Unit::Outside, Unit::Open), asked);
        place
    }
}
