//! One order as its moves say: units per line, node and state; and the state that follows from them.

use router_schemas::{
    command::{order::PaymentState, reference::RouteWhen},
    event::{OrderState, Queue, Unit},
    limits::REMEMBER_MS,
    quantity::Qty,
    row::{FulfilmentRow, LineRow, OrderRow},
};

/// No node: units that are nowhere in particular.
pub(crate) const NOWHERE: u32 = u32::MAX;

/// Units of a line in one state at one node.
#[derive(Clone, Copy)]
pub(crate) struct Held {
    pub node: u32,
    pub line: u16,
    pub unit: Unit,
    pub qty: Qty,
}

/// A line's name and its cell's SKU and bucket.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Line {
    pub name: u64,
    pub sku: u32,
    pub bucket: u32,
}

/// What is known of an order.
pub(crate) struct Order {
    pub lines: Vec<Line>,
    pub held: Vec<Held>,
    /// The state that ENGINE last gave it; absent while only INTAKE had it.
    pub state: Option<OrderState>,
    pub payment: PaymentState,
    /// Hybrid time and hash of the last row.
    pub stamp: (u64, u64),
    /// Its beginning was trimmed: what came before its first row is taken from that.
    pub adopted: bool,
    /// Its last row is of a closed order.
    pub closed: bool,
}

impl Order {
    pub fn new() -> Order {
        Order {
            lines: Vec::new(),
            held: Vec::new(),
            state: None,
            payment: PaymentState::None,
            stamp: (0, 0),
            adopted: false,
            closed: false,
        }
    }

    pub fn shift(&mut self, line: u16, node: u32, (from, to): (Unit, Unit), qty: Qty) {
        self.add(line, node, from, -qty);
        self.add(line, node, to, qty);
    }

    fn add(&mut self, line: u16, node: u32, unit: Unit, qty: Qty) {
        let node = if is_at_node(unit) { node } else { NOWHERE };
        match self.held.iter().position(|h| (h.node, h.line, h.unit) == (node, line, unit)) {
            Some(place) => {
                self.held[place].qty += qty;
                if self.held[place].qty.is_zero() {
                    self.held.swap_remove(place);
                }
            }
            None => self.held.push(Held { node, line, unit, qty }),
        }
    }

    /// Takes what a row says as the beginning.
    pub fn adopt(&mut self, row: &OrderRow, number: &mut dyn FnMut(&str) -> u32) {
        self.adopted = true;
        for (line, shown) in (0u16..).zip(&row.lines) {
            let plain = [
                (Unit::Outside, -shown.ordered),
                (Unit::Open, shown.open),
                (Unit::Held, shown.held),
                (Unit::Away, shown.away),
                (Unit::Cancelled, shown.cancelled),
                (Unit::Delivered, shown.delivered),
                (Unit::Shipped, -shown.delivered),
            ];
            plain.iter().filter(|(_, q)| !q.is_zero()).for_each(|(u, q)| self.add(line, NOWHERE, *u, *q));
        }
        for at in &row.fulfilments {
            let node = number(&at.node);
            let there = [
                (Unit::Backordered, at.backordered),
                (Unit::Allocated, at.allocated),
                (Unit::Picked, at.picked),
                (Unit::Ready, at.ready),
                (Unit::Shipped, at.shipped - at.returned),
                (Unit::Returned, at.returned),
            ];
            there.iter().filter(|(_, q)| !q.is_zero()).for_each(|(u, q)| self.add(at.line, node, *u, *q));
        }
        // What left no node of home left other zones.
        for (line, shown) in (0u16..).zip(&row.lines) {
            let here = row.fulfilments.iter().filter(|f| f.line == line);
            let (left, back) = here
                .fold((shown.shipped, shown.returned), |rest, f| (rest.0 - f.shipped, rest.1 - f.returned));
            let abroad = [(Unit::Shipped, left - back), (Unit::Returned, back)];
            abroad.iter().filter(|(_, q)| !q.is_zero()).for_each(|(u, q)| self.add(line, NOWHERE, *u, *q));
        }
    }

    /// Units of a line in these states, at all nodes.
    fn sum(&self, line: u16, units: &[Unit]) -> Qty {
        self.held.iter().filter(|h| h.line == line && units.contains(&h.unit)).map(|h| h.qty).sum()
    }

    /// Units of a line at a node in these states.
    pub fn at(&self, line: u16, node: u32, units: &[Unit]) -> Qty {
        let mine = |h: &&Held| (h.line, h.node) == (line, node) && units.contains(&h.unit);
        self.held.iter().filter(mine).map(|h| h.qty).sum()
    }

    /// Compares a line of the row with the moves: what differs.
    pub fn line_differs(&self, index: u16, row: &LineRow) -> Option<String> {
        let pairs = [
            ("ordered", row.ordered, -self.sum(index, &[Unit::Outside])),
            ("open", row.open, self.sum(index, &[Unit::Open])),
            ("held", row.held, self.sum(index, &[Unit::Held])),
            ("backordered", row.backordered, self.sum(index, &[Unit::Backordered])),
            ("allocated", row.allocated, self.sum(index, &[Unit::Allocated, Unit::Picked, Unit::Ready])),
            ("away", row.away, self.sum(index, &[Unit::Away])),
            ("shipped", row.shipped, self.sum(index, &[Unit::Shipped, Unit::Delivered, Unit::Returned])),
            ("cancelled", row.cancelled, self.sum(index, &[Unit::Cancelled])),
            ("delivered", row.delivered, self.sum(index, &[Unit::Delivered])),
            ("returned", row.returned, self.sum(index, &[Unit::Returned])),
        ];
        if let Some((name, shown, moved)) = pairs.iter().find(|(_, shown, moved)| shown != moved) {
            return Some(format!("line {}: {name} {shown}, moved {moved}", row.line));
        }
        let whole: Qty = pairs[1..8].iter().map(|(_, shown, _)| *shown).sum();
        if whole != row.ordered {
            return Some(format!("line {}: {whole} of {}", row.line, row.ordered));
        }
        (row.returned > row.shipped || row.delivered > row.shipped || row.after_cancel > row.shipped)
            .then(|| format!("line {}: more came back, arrived or left too late than was shipped", row.line))
    }

    /// Compares a fulfilment of the row with the moves.
    pub fn fulfilment_differs(&self, node: u32, row: &FulfilmentRow) -> bool {
        let at = |units: &[Unit]| self.at(row.line, node, units);
        [
            (row.backordered, at(&[Unit::Backordered])),
            (row.allocated, at(&[Unit::Allocated])),
            (row.picked, at(&[Unit::Picked])),
            (row.ready, at(&[Unit::Ready])),
            (row.shipped, at(&[Unit::Shipped, Unit::Returned])),
            (row.returned, at(&[Unit::Returned])),
        ]
        .iter()
        .any(|(shown, moved)| shown != moved)
    }

    /// A state that holds less than nothing. What was shipped may be counted as delivered elsewhere.
    pub fn negative(&self) -> Option<&Held> {
        self.held.iter().find(|h| h.qty < Qty::ZERO && !matches!(h.unit, Unit::Outside | Unit::Shipped))
    }
}

fn is_at_node(unit: Unit) -> bool {
    use Unit::{Allocated, Backordered, Picked, Ready, Returned, Shipped};
    matches!(unit, Backordered | Allocated | Picked | Ready | Shipped | Returned)
}

/// Units that a node has still to send.
pub(crate) const PROMISED: [Unit; 4] = [Unit::Backordered, Unit::Allocated, Unit::Picked, Unit::Ready];

/// Whether the state of a row follows from its units, its payment and the time, by the documented precedence:
/// review, scheduled, awaiting payment, routing, parked, in fulfilment, shipped after cancel, completed, cancelled. `route_when`: what the
/// channel asks of the payment; `None`: not known.
pub(crate) fn follows(row: &OrderRow, route_when: Option<RouteWhen>) -> bool {
    let any = |of: fn(&LineRow) -> Qty| row.lines.iter().any(|line| of(line).is_positive());
    let open = any(|l| l.open);
    if !open {
        let state = if any(|l| l.held) {
            OrderState::Confirming
        } else if any(|l| l.backordered + l.allocated + l.away) {
            OrderState::InFulfilment
        } else if any(|l| l.after_cancel - l.returned) {
            OrderState::ShippedAfterCancel
        } else if any(|l| l.shipped) {
            OrderState::Completed
        } else {
            OrderState::Cancelled
        };
        return row.state == state;
    }
    let old = row.placed_at.is_some_and(|placed| placed < row.created_at - REMEMBER_MS);
    // Operations may ask for a review of any order.
    if old || row.state == OrderState::Review {
        return row.state == OrderState::Review;
    }
    if row.not_before.is_some_and(|from| from > row.changed_at) {
        return row.state == OrderState::Scheduled;
    }
    match paid(row, route_when) {
        Some(false) => row.state == OrderState::AwaitingPayment,
        paid => match &row.state {
            OrderState::Routing => true,
            OrderState::Parked(queue) => *queue != Queue::NoZone,
            OrderState::AwaitingPayment => paid.is_none(),
            _ => false,
        },
    }
}

/// Whether the payment lets the order be routed; `None`: not known.
fn paid(row: &OrderRow, route_when: Option<RouteWhen>) -> Option<bool> {
    let t = &row.totals;
    let total = t.goods + t.delivery + t.tax - t.discount_platform - t.discount_seller;
    if total <= 0 || matches!(row.payment, PaymentState::OnDelivery | PaymentState::Points) {
        return Some(true);
    }
    match (route_when?, row.payment) {
        (RouteWhen::Placed, _) | (_, PaymentState::Captured) => Some(true),
        // Money that came and went again: the rules may read it either way.
        (_, PaymentState::PartRefunded | PaymentState::Refunded) => None,
        (when, payment) => Some(when == RouteWhen::Authorised && payment == PaymentState::Authorised),
    }
}
