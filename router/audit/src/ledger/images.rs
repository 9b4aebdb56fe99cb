//! Row images against the sums.

use std::collections::BTreeMap;

use router_schemas::{
    event::{Event, OrderState, Outcome, Queue},
    id::OrderId,
    position::Position,
    quantity::Qty,
    refusal::Refusal,
    row::{CellRow, OrderRow},
};

use super::{Cause, CellKey, Ledger, hash};
use crate::{
    orders::{self, NOWHERE, Order},
    report::Report,
};

impl Ledger {
    pub(super) fn placed(
        &mut self,
        cause: &Cause,
        scope: &[(Position, Event)],
        shown: &BTreeMap<OrderId, &OrderRow>,
        report: &mut Report,
    ) {
        let Some((at, event)) = scope.iter().find(|(_, e)| e.outcome.is_some() && cause.kind == "place")
        else {
            return;
        };
        let refused = matches!(event.outcome, Some(Outcome::Refused(refusal))
            if refusal != Refusal::Skipped);
        let missing = event.outcome == Some(Outcome::Applied)
            && event.order.is_none_or(|order| !shown.contains_key(&order));
        if missing || refused {
            let said = format!("{}: the order was accepted, and has no row", event.cause);
            report.violated("E2304", at.clone(), || said);
        }
    }

    /// The row of an order that only intake knows.
    pub(super) fn parked(&mut self, at: &Position, event: &Event, row: &OrderRow, report: &mut Report) {
        let whole = row.lines.iter().all(|l| l.open == l.ordered) && row.fulfilments.is_empty();
        if row.state != OrderState::Parked(Queue::NoZone) || !whole || !row.zone.is_empty() {
            report
                .violated("E2319", at.clone(), || format!("{} waits at intake as {}", row.order, row.state));
        }
        let order = self.orders.entry(row.order).or_insert_with(Order::new);
        if order.stamp.0 < event.time {
            order.stamp = (event.time, hash(&(event.time, row)));
        }
    }

    pub(super) fn adopt_order(&mut self, id: OrderId, row: &OrderRow) {
        self.adopted.0 += 1;
        let mut order = self.orders.remove(&id).unwrap_or_else(Order::new);
        order.held.clear();
        order.adopt(row, &mut |name| self.number(name));
        order.state = Some(row.state.clone());
        self.orders.insert(id, order);
    }

    pub(super) fn order_row(
        &mut self,
        cause: &Cause,
        at: &Position,
        event: &Event,
        row: &OrderRow,
        moved: bool,
        report: &mut Report,
    ) {
        let id = row.order;
        let route_when = self.route_when(cause.partition, row, event.time);
        let route_when = route_when.filter(|_| !self.rules.ask_for_payment(cause.partition));
        let confirming = self.holds.is_confirming(id);
        let nodes: Vec<u32> = row.fulfilments.iter().map(|f| self.number(&f.node)).collect();
        let settled = row.changed_at == event.at;
        let Some(order) = self.orders.get_mut(&id) else { return };
        let offered = self.offers.any_open(&order.offers);
        let mut wrong = |code, said: String| report.violated(code, at.clone(), || format!("{id}: {said}"));
        for (index, line) in (0u16..).zip(&row.lines) {
            if let Some(said) = order.line_differs(index, line) {
                wrong("E2303", said);
            }
        }
        for (fulfilment, node) in row.fulfilments.iter().zip(&nodes) {
            if order.fulfilment_differs(*node, fulfilment) {
                wrong(
                    "E2303",
                    format!("what {} has of line {} was not moved there", fulfilment.node, fulfilment.line),
                );
            }
        }
        let shown = |h: &orders::Held| {
            row.fulfilments.iter().zip(&nodes).any(|(f, node)| (f.line, *node) == (h.line, h.node))
        };
        if order.held.iter().any(|h| h.node != NOWHERE && !shown(h)) {
            wrong("E2303", "units are at a node that the row does not name".into());
        }
        if order.negative().is_some() {
            wrong("E2303", "a state holds less than nothing".into());
        }
        let last = order.state.replace(row.state.clone());
        let known = last.unwrap_or(OrderState::Routing);
        if known != row.state {
            wrong("E2319", format!("the row says {}, the changes {known}", row.state));
        }
        if settled && !orders::follows(row, route_when, offered, confirming) {
            wrong("E2319", format!("{} does not follow from its units, payment and time", row.state));
        }
        if order.closed && !row.state.is_closed() && !moved {
            wrong("E2319", format!("{} again, and nothing of it moved", row.state));
        }
        order.closed = row.state.is_closed();
        if order.stamp.0 >= event.time {
            wrong("E2308", "an older row comes later".into());
        }
        order.payment = row.payment;
        order.stamp = (event.time, hash(&(event.time, row)));
    }

    pub(super) fn cell_row(
        &mut self,
        key: CellKey,
        fresh: bool,
        at: &Position,
        event: &Event,
        row: &CellRow,
        report: &mut Report,
    ) {
        let untracked = self.untracked.contains(&key.1);
        let held = self.cells.entry(key).or_default();
        held.tracked = true;
        held.allowance = row.allowance;
        held.stamp = (event.time, hash(&(event.time, row)));
        if fresh {
            self.adopted.1 += 1;
            (held.on_hand, held.blocked) = (row.on_hand, row.blocked);
            (held.allocated, held.backordered) = (row.allocated, row.backordered);
            held.held = row.held;
            held.oversold = held.over().is_positive();
            return;
        }
        let pairs = [
            ("on hand", row.on_hand, held.on_hand),
            ("blocked", row.blocked, held.blocked),
            ("promised", row.allocated, held.allocated),
            ("backordered", row.backordered, held.backordered),
            ("held", row.held, held.held),
        ];
        let mut said = pairs
            .iter()
            .find(|(_, shown, sum)| shown != sum)
            .map(|(name, shown, sum)| format!("{name} {shown}, changes and orders say {sum}"));
        let atp = (row.on_hand - row.allocated - row.held - row.blocked - row.safety_stock).floor_zero();
        // Nothing is available at a node that is disabled.
        let possible = if row.out_of_stock { [Qty::ZERO; 2] } else { [atp, Qty::ZERO] };
        if said.is_none() && !possible.contains(&row.atp) {
            said = Some(format!("{} available, it should be {}", row.atp, possible[0]));
        }
        if said.is_none() && (row.on_hand < Qty::ZERO || row.blocked < Qty::ZERO) {
            said = Some("less than nothing is there".into());
        }
        let (over, flagged) = (held.over(), held.oversold);
        if let Some(said) = said.filter(|_| !untracked) {
            report.violated("E2302", at.clone(), || format!("{} at {}: {said}", row.cell.sku, row.cell.node));
        }
        if over.is_positive() != flagged && !untracked {
            let said =
                if flagged { "is said to be oversold and is not" } else { "is oversold and nobody is told" };
            report.violated("E2310", at.clone(), || format!("{} at {} {said}", row.cell.sku, row.cell.node));
        }
    }
}
