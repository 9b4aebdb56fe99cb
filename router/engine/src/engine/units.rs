//! Units move: between the states of a line, at nodes and in their cells. The only place where they do.

use router_schemas::{
    event::{Change, StockCause, StockChange, Unit},
    quantity::Qty,
};

use super::{
    changes::{Noted, insert_sorted},
    effects::Effects,
    nodes,
    order::{Fulfilment, Order},
    state::State,
};

impl Effects<'_> {
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
                Unit::Held => entry.held += delta,
                Unit::Away => entry.away += delta,
                Unit::Cancelled => entry.cancelled += delta,
                Unit::Delivered => entry.delivered += delta,
                _ => {}
            }
        }
        if (from, to) == (Unit::Cancelled, Unit::Shipped) {
            entry.after_cancel += qty;
        }
        if let Some(node) = node {
            let place = order.fulfilments.iter().position(|f| f.node == node && f.line == line);
            let place = place.unwrap_or_else(|| {
                let since = state.clock.service();
                order.fulfilments.push(Fulfilment { node, line, since, ..Fulfilment::default() });
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
            self.shift_node(state, order, node, to);
        }
        self.touch_order(order.id);
        self.work.moves.push((line, from, to, qty));
        let all = self.work.moves.len();
        match self.work.changes.last_mut() {
            Some(Noted::Units { node: there, moves }) if *there == node => moves.end = all,
            _ => self.work.changes.push(Noted::Units { node, moves: all - 1..all }),
        }
    }

    fn shift_cell(&mut self, state: &mut State, sku: u32, node: u32, from: Unit, to: Unit, qty: Qty) {
        let promised =
            |u: Unit| matches!(u, Unit::Backordered | Unit::Allocated | Unit::Picked | Unit::Ready);
        let now = state.clock.engine;
        let place = state.cell_place(sku, node);
        let held = &mut state.skus[sku as usize];
        let untracked = held.untracked();
        let cell = &mut held.cells[place];
        let before = cell.standing(untracked);
        let count = |is: bool| Qty(if is { qty.0 } else { 0 });
        let allocated = count(promised(to)) - count(promised(from));
        let backordered = count(to == Unit::Backordered) - count(from == Unit::Backordered);
        if !(fault!(CancelKeepsCell) && to == Unit::Cancelled) {
            cell.allocated += allocated;
        }
        cell.backordered += backordered;
        let most = cell.on_hand + cell.backorder_limit();
        let sound =
            crate::faults::is_any() || untracked || !allocated.is_positive() || cell.allocated <= most;
        assert!(
            sound,
            "I1 broken by {}: {} at {}",
            self.position, held.name, state.nodes[node as usize].node.id
        );
        // A fact is taken: what was not there cannot leave twice.
        let left = if to == Unit::Shipped && !untracked { qty.0.min(cell.on_hand.0.max(0)) } else { 0 };
        if !fault!(ShipmentKeepsStock) {
            cell.on_hand -= Qty(left);
        }
        let from_stock = if cell.known_outside { allocated - backordered } else { Qty::ZERO };
        if left != 0 || !from_stock.is_zero() {
            cell.remember(now, Qty(-left), from_stock);
        }
        cell.shown |= !untracked;
        if cell.shown {
            insert_sorted(&mut self.work.cells, (sku, node));
        }
        if to == Unit::Shipped && !untracked {
            let (cell, stated) = (state.cell_name(sku, node), Some(-qty));
            let (on_hand, blocked) = (Qty(-left), Qty::ZERO);
            let cause = StockCause::Shipment;
            self.change(Change::Stock(StockChange { cell, cause, on_hand, blocked, stated }));
        }
        self.note_availability_at(state, (sku, node, place), before);
    }

    /// Keeps the node's open orders and its day's count.
    fn shift_node(&mut self, state: &mut State, order: &Order, node: u32, to: Unit) {
        let open = order.fulfilments.iter().any(|f| f.node == node && f.promised().is_positive());
        let today = nodes::midnight(state, node);
        let at_node = &mut state.nodes[node as usize];
        if at_node.day != today {
            (at_node.day, at_node.assigned) = (today, 0);
        }
        let full = at_node.node.capacity_at_once.is_some_and(|c| at_node.orders.len() >= c as usize)
            || at_node.node.capacity_a_day.is_some_and(|c| at_node.assigned >= c);
        let key = order.loss_key();
        let known = at_node.orders.get(&key).copied();
        if open && known.is_none() {
            at_node.orders.insert(key, today);
            at_node.assigned += 1;
            nodes::note_full_day(state, node);
        } else if let Some(day) = known.filter(|_| !open) {
            at_node.orders.remove(&key);
            if to != Unit::Shipped && day == today {
                // Given back: it does not count against the day.
                at_node.assigned = at_node.assigned.saturating_sub(1);
            }
            if full {
                state.wake(Some(node));
            }
        }
    }
}
