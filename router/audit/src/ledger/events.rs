//! One event within its command: each change is added up.

use std::collections::BTreeMap;

use router_schemas::{
    command::stock::{Allowance, CellName},
    event::{Change, Event, Exception, OrderState, StockCause, StockChange},
    id::OrderId,
    position::Position,
    quantity::Qty,
    row::{HoldRow, Row},
};

use super::{Cause, CellKey, Fresh, Ledger, Touched};
use crate::{
    notices::Notices,
    orders::{NOWHERE, Order, PROMISED},
    report::Report,
};

impl Ledger {
    #[allow(clippy::too_many_arguments, reason = "one event within its command, all of it the command's own")]
    pub(super) fn event(
        &mut self,
        cause: &Cause,
        (at, event): (&Position, &Event),
        scope: &[(Position, Event)],
        fresh: &Fresh,
        touched: &mut Touched,
        notices: &mut Notices,
        report: &mut Report,
    ) {
        // A node states what it did; whatever else raises a promise is our own decision.
        let facts = ["picked", "ready", "shipped", "handed_over", "returned"];
        let fact = event.item == 0 && facts.contains(&cause.kind);
        self.forgive(cause, event);
        let (mut before, mut left) = (BTreeMap::new(), BTreeMap::<CellKey, Qty>::new());
        for change in &event.changes {
            match change {
                Change::Units { node, moves } => {
                    let Some(id) = event.order else {
                        report.violated("E2303", at.clone(), || "units of no order were moved".into());
                        continue;
                    };
                    touched.orders.insert(id);
                    touched.moved.insert(id);
                    let node = node.as_ref().map_or(NOWHERE, |node| self.number(node));
                    self.given(fact, (at, event), (id, node), moves, report);
                    for (line, from, to, qty) in moves {
                        let order = self.orders.entry(id).or_insert_with(Order::new);
                        if !fresh.orders.contains(&id) {
                            order.shift(*line, node, (*from, *to), *qty);
                        }
                        let Some(place) = order.lines.get(usize::from(*line)).filter(|_| node != NOWHERE)
                        else {
                            continue;
                        };
                        let key = (node, place.sku, place.bucket);
                        touched.cells.insert(key);
                        let cell = self.cells.entry(key).or_default();
                        before.entry(key).or_insert(cell.allocated);
                        if !fresh.cells.contains(&key) {
                            let count = |yes: bool| if yes { *qty } else { Qty::ZERO };
                            let back = router_schemas::event::Unit::Backordered;
                            cell.allocated += count(PROMISED.contains(to)) - count(PROMISED.contains(from));
                            cell.backordered += count(*to == back) - count(*from == back);
                        }
                        if *to == router_schemas::event::Unit::Shipped {
                            *left.entry(key).or_default() += *qty;
                        }
                    }
                }
                Change::Stock(stock) => {
                    let key = self.key(&stock.cell);
                    touched.cells.insert(key);
                    let cell = self.cells.entry(key).or_default();
                    cell.tracked = true;
                    if !fresh.cells.contains(&key) {
                        cell.on_hand += stock.on_hand;
                        cell.blocked += stock.blocked;
                    }
                    if stock.cause == StockCause::Shipment {
                        *left.entry(key).or_default() += stock.stated.unwrap_or(stock.on_hand);
                    }
                    if let Some(said) = impossible(stock) {
                        report.violated("E2302", at.clone(), || said.into());
                    }
                }
                Change::State(from, to) => self.restated(at, event, (from, to), report),
                Change::Exception(exception) => {
                    let (name, cell) = match exception {
                        Exception::Oversold(cell, _) => ("oversold", cell),
                        Exception::Drift(cell, _) => ("drift", cell),
                        Exception::CatchWeight(by) => {
                            let order = event.order.and_then(|id| self.orders.get_mut(&id));
                            order.into_iter().for_each(|order| order.slack += Qty(by.0.abs()));
                            continue;
                        }
                        _ => continue,
                    };
                    notices.expect(name, cell, &event.cause, at);
                    if name == "oversold" {
                        self.said(at, cell, true, report);
                    }
                }
                Change::Recovered(cell) => {
                    notices.expect("recovered", cell, &event.cause, at);
                    self.said(at, cell, false, report);
                }
                Change::Forgotten(order) => self.forget(*order, at, report),
                Change::Decided(decision) => self.decided(cause, (at, event, decision), report),
                Change::Hold(change) => {
                    let row = hold_of(scope, change.order);
                    self.hold_moves(cause, at, (change, row), fresh, touched, report);
                }
                Change::Offer(change) => {
                    self.offer_step(cause, (at, event, change), fresh, touched, report);
                    notices.offered(change);
                }
                Change::Node(node, change) => self.node_stands(node, *change),
                Change::GivenBack(node, ..) => self.gave_back(event, node),
                Change::Part(change) => self.parts.change(at, change),
                Change::CancelRequested(node, _) => notices.asked(event, node, at),
                Change::Payment(..)
                | Change::Amended(_)
                | Change::CancelAnswered(..)
                | Change::Accepted(_)
                | Change::Late(..)
                | Change::Steered(..) => {}
            }
        }
        for (key, before) in before {
            let cell = &self.cells[&key];
            let most = match cell.allowance {
                Allowance::None => Some(cell.on_hand),
                Allowance::Limited(qty) => Some(cell.on_hand + qty),
                Allowance::Unlimited => None,
            };
            let judged =
                !fact && cell.tracked && !fresh.cells.contains(&key) && !self.untracked.contains(&key.1);
            if judged && cell.allocated > before && most.is_some_and(|most| cell.allocated > most) {
                let (allocated, CellName { node, sku, .. }) = (cell.allocated, self.cell_name(key));
                report.violated("E2301", at.clone(), || {
                    format!("{}: {allocated} of {sku} at {node}, before {before}", event.cause)
                });
            }
        }
        for (key, left) in left {
            let tracked = self.cells[&key].tracked && !self.untracked.contains(&key.1);
            if left.is_positive() && tracked {
                let CellName { node, sku, .. } = self.cell_name(key);
                report.violated("E2302", at.clone(), || {
                    format!("{left} of {sku} left {node} and are still there")
                });
            }
        }
    }

    fn restated(
        &mut self,
        at: &Position,
        event: &Event,
        to: (&OrderState, &OrderState),
        report: &mut Report,
    ) {
        let Some(order) = event.order.and_then(|id| self.orders.get_mut(&id)) else { return };
        // A new order is about to be routed.
        let known = order.state.clone().unwrap_or(OrderState::Routing);
        if known != *to.0 && !(self.trimmed && order.state.is_none()) {
            report
                .violated("E2319", at.clone(), || format!("{}: from {}, it was {known}", event.cause, to.0));
        }
        order.state = Some(to.1.clone());
    }

    /// An exception says that a cell is oversold, or not any more.
    fn said(&mut self, at: &Position, cell: &CellName, oversold: bool, report: &mut Report) {
        let key = self.key(cell);
        let trimmed = self.trimmed;
        let held = self.cells.entry(key).or_default();
        if std::mem::replace(&mut held.oversold, oversold) == oversold && !trimmed {
            let said = if oversold { "oversold" } else { "recovered" };
            report.violated("E2310", at.clone(), || format!("{} at {} is {said} again", cell.sku, cell.node));
        }
    }
}

/// What the events of a command say of an order's hold in the end.
fn hold_of(scope: &[(Position, Event)], order: OrderId) -> Option<&HoldRow> {
    scope.iter().flat_map(|(_, event)| &event.rows).find_map(|row| match row {
        Row::Hold(row) if row.order == order => Some(row),
        _ => None,
    })
}

/// What a change of stock may not say.
fn impossible(stock: &StockChange) -> Option<&'static str> {
    match stock.cause {
        StockCause::Receipt if stock.on_hand < Qty::ZERO => Some("a receipt takes away"),
        StockCause::Shipment if stock.on_hand.is_positive() => Some("a shipment adds"),
        StockCause::Return if stock.on_hand < Qty::ZERO => Some("a return takes away"),
        _ => None,
    }
}
