//! Work that is due: timers, cells to relieve, and orders that wait. At most [`ITEMS_PER_COMMAND`] items a command;
//! a `continue` carries the rest. Timers fire with ticks and continues only, the rest with every command.

use std::ops::Bound::{Excluded, Unbounded};

use router_schemas::{
    command::{Ask, Command},
    envelope::Meta,
    event::{Change, Unit},
    id::OrderId,
    limits::ITEMS_PER_COMMAND,
    position::Topic,
};

use super::{Engine, effects::Effects, nodes, order::Order, state::Look};

/// Looks at waiting orders that count as one item.
const LOOKS_AN_ITEM: usize = 4;

impl Engine {
    pub(super) fn work_off_due(&mut self, timers: bool, effects: &mut Effects<'_>) {
        let mut budget = ITEMS_PER_COMMAND;
        while timers && budget > 0 && !effects.is_full() && self.fire_timer(effects) {
            budget -= 1;
        }
        while budget > 0 && !effects.is_full() {
            if !self.state.oversold.is_empty() {
                self.relieve(&mut budget, effects);
            } else if !self.state.woken.is_empty() {
                self.mark_woken(&mut budget);
            } else if !self.state.stale.is_empty() {
                self.freshen(&mut budget, effects);
            } else if let Some((sku, look)) = self.state.dirty.pop_first() {
                self.look(sku, look, &mut budget, effects);
            } else {
                return;
            }
        }
    }

    /// Emits a `continue`, if something is left to do and none is on its way.
    pub(super) fn ask_to_continue(&mut self, timers: bool, effects: &mut Effects<'_>) {
        let state = &self.state;
        let left = !(state.oversold.is_empty()
            && state.woken.is_empty()
            && state.stale.is_empty()
            && state.dirty.is_empty());
        if (left || (timers && self.is_timer_due())) && !self.state.continuing {
            self.state.continuing = true;
            effects.out.push(Topic::Commands, self.partition, &Meta::default(), &Command::Continue);
        }
    }

    fn is_timer_due(&self) -> bool {
        let now = self.state.clock.engine;
        self.state.timed.first().is_some_and(|(at, _)| *at <= now)
            || self.state.days.first().is_some_and(|(at, _)| *at <= now)
            || self.state.closed.first().is_some_and(|(at, _)| *at <= now)
    }

    /// Fires one timer that is due. False: none is.
    fn fire_timer(&mut self, effects: &mut Effects<'_>) -> bool {
        let now = self.state.clock.engine;
        if let Some((at, id)) = self.state.timed.first().copied().filter(|(at, _)| *at <= now) {
            self.state.timed.remove(&(at, id));
            effects.begin_item();
            self.with_order(id, |engine, order| engine.retry(order, None, effects));
            effects.end_item(&self.state);
        } else if let Some((at, node)) = self.state.days.first().copied().filter(|(at, _)| *at <= now) {
            self.state.days.remove(&(at, node));
            nodes::note_full_day(&mut self.state, node);
            self.state.wake(Some(node));
        } else if let Some((at, id)) = self.state.closed.first().copied().filter(|(at, _)| *at <= now) {
            self.state.closed.remove(&(at, id));
            effects.begin_item();
            self.forget(id, effects);
            effects.end_item(&self.state);
        } else {
            return false;
        }
        true
    }

    /// A closed order leaves memory, here and at intake.
    fn forget(&mut self, id: OrderId, effects: &mut Effects<'_>) {
        let Some(order) = self.state.orders.remove(&id) else { return };
        effects.forgotten(id);
        effects.change(Change::Forgotten(id));
        let partition = order.identity.partition(self.topology.intake);
        let meta = Meta { carried: self.state.clock.hybrid, ..Meta::default() };
        let forgotten = Command::Forgotten(Ask { order: id, identity: order.identity });
        effects.out.push(Topic::Intake, partition, &meta, &forgotten);
    }

    /// Looks at the orders that wait for a SKU, from where the last look ended.
    fn look(&mut self, sku: u32, look: Look, budget: &mut usize, effects: &mut Effects<'_>) {
        let rest = (look.after.map_or(Unbounded, Excluded), Unbounded);
        let waiting = self.state.skus[sku as usize].waiting.range(rest);
        let waiting: Vec<_> = waiting.take(LOOKS_AN_ITEM * *budget + 1).copied().collect();
        let mut after = look.after;
        for (n, key) in waiting.iter().enumerate() {
            if *budget == 0 || effects.is_full() {
                self.state.dirty.insert(sku, Look { after, all: look.all });
                return;
            }
            if !look.all && !self.state.skus[sku as usize].anything_left() {
                break;
            }
            after = Some(*key);
            // Only what changes something uses the budget up; a look costs a little and is bounded as well.
            *budget -= usize::from(n % LOOKS_AN_ITEM == 0);
            effects.begin_item();
            self.with_order(key.2, |engine, order| engine.retry(order, Some(sku), effects));
            effects.end_item(&self.state);
        }
        // Their own release of stock may have marked it again: what waits has been looked at.
        self.state.dirty.remove(&sku);
    }

    /// Looks at a waiting order again. One that changes nothing leaves no trace.
    fn retry(&mut self, order: &mut Order, sku: Option<u32>, effects: &mut Effects<'_>) {
        let before = order.work();
        if let Some(sku) = sku {
            self.turn_on_hand(order, sku, effects);
        }
        self.route(order, effects);
        let state = order.derive(self.payment_ok(order), self.state.clock.engine);
        if !effects.is_quiet() || state != order.state {
            self.settle(order, effects);
            effects.tell_nodes(&self.state, order, &before, false);
        }
    }

    /// Backordered units of the order for which stock has come are allocated.
    fn turn_on_hand(&mut self, order: &mut Order, sku: u32, effects: &mut Effects<'_>) {
        for place in 0..order.fulfilments.len() {
            let (node, line, backordered) = {
                let f = &order.fulfilments[place];
                (f.node, f.line, f.backordered)
            };
            if order.lines[usize::from(line)].sku != sku || !backordered.is_positive() {
                continue;
            }
            let held = &self.state.skus[sku as usize];
            let Some(cell) = held.cell(node) else { continue };
            let there = if held.untracked() { backordered } else { cell.arrived() };
            let part = there.min(backordered);
            let step = (Unit::Backordered, Unit::Allocated);
            effects.shift(&mut self.state, order, line, Some(node), step, part);
        }
    }
}
