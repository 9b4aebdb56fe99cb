//! Work that is due: orders whose time has come, and orders that wait for stock. At most
//! [`ITEMS_PER_COMMAND`] a command; a `continue` carries the rest.

use std::ops::Bound::{Excluded, Unbounded};

use router_schemas::{
    command::Command, envelope::Meta, event::Unit, limits::ITEMS_PER_COMMAND, position::Topic, quantity::Qty,
};

use super::{Engine, effects::Effects};

/// Orders that one command may touch while working off what is due: bounds the rows it writes.
const ORDERS_PER_COMMAND: usize = 64;
/// Looks at waiting orders that count as one item.
const LOOKS_AN_ITEM: usize = 4;

impl Engine {
    pub(super) fn work_off_due(&mut self, effects: &mut Effects<'_>) {
        let mut budget = ITEMS_PER_COMMAND;
        while budget > 0 && effects.touched() < ORDERS_PER_COMMAND {
            let now = self.state.clock.engine;
            if let Some((at, id)) = self.state.timed.first().copied().filter(|(at, _)| *at <= now) {
                self.state.timed.remove(&(at, id));
                budget -= 1;
                effects.begin_item();
                self.with_order(id, |engine, order| {
                    let before = order.work();
                    engine.route(order, effects);
                    engine.settle(order, effects);
                    engine.tell_nodes(order, &before, effects);
                });
                effects.end_item(&self.state);
                continue;
            }
            let Some((sku, seen)) = self.state.dirty.pop_first() else { return };
            let rest = (seen.map_or(Unbounded, Excluded), Unbounded);
            let waiting = self.state.skus[sku as usize].waiting.range(rest);
            let waiting: Vec<_> = waiting.take(LOOKS_AN_ITEM * budget + 1).copied().collect();
            let mut last = seen;
            for (n, key) in waiting.iter().enumerate() {
                if budget == 0 || effects.touched() >= ORDERS_PER_COMMAND {
                    self.state.dirty.insert(sku, last);
                    return;
                }
                last = Some(*key);
                let id = &key.2;
                // Only what changes something uses the budget up; a look costs a little and is bounded as well.
                budget -= usize::from(n % LOOKS_AN_ITEM == 0);
                effects.begin_item();
                self.with_order(*id, |engine, order| {
                    let before = order.work();
                    engine.turn_on_hand(order, sku, effects);
                    engine.route(order, effects);
                    if !effects.is_quiet() {
                        engine.settle(order, effects);
                        engine.tell_nodes(order, &before, effects);
                    }
                });
                effects.end_item(&self.state);
            }
            // Their own release of stock may have marked it again: what waits has been looked at.
            self.state.dirty.remove(&sku);
        }
    }

    /// Emits a `continue`, if something is left to do and none is on its way.
    pub(super) fn ask_to_continue(&mut self, effects: &mut Effects<'_>) {
        let due = self.state.timed.first().is_some_and(|(at, _)| *at <= self.state.clock.engine);
        if (due || !self.state.dirty.is_empty()) && !self.state.continuing {
            self.state.continuing = true;
            effects.out.push(Topic::Commands, self.partition, &Meta::default(), &Command::Continue);
        }
    }

    /// Backordered units of the order for which stock has come are allocated.
    fn turn_on_hand(&mut self, order: &mut super::state::Order, sku: u32, effects: &mut Effects<'_>) {
        for place in 0..order.fulfilments.len() {
            let (node, line, backordered) = {
                let f = &order.fulfilments[place];
                (f.node, f.line, f.backordered)
            };
            if order.lines[usize::from(line)].sku != sku || !backordered.is_positive() {
                continue;
            }
            let Some(cell) = self.state.skus[sku as usize].cell(node) else { continue };
            let there = (cell.on_hand - (cell.allocated - cell.backordered)).floor_zero();
            let part = Qty(there.0.min(backordered.0));
            effects.shift(
                &mut self.state,
                order,
                line,
                Some(node),
                (Unit::Backordered, Unit::Allocated),
                part,
            );
        }
    }
}
