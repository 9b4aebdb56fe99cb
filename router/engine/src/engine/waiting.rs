//! Work that is due: timers, cells to relieve, and orders that wait. At most [`ITEMS_PER_COMMAND`] items a command;
//! a `continue` carries the rest. Timers fire with ticks and continues only, the rest with every command.

use std::ops::Bound::{Excluded, Unbounded};

use router_schemas::{
    command::{Ask, Command},
    envelope::Meta,
    event::{Change, Unit},
    id::OrderId,
    limits::{ITEMS_PER_COMMAND, REMEMBER_MS},
    position::Topic,
    rules::Retry,
};

use super::{
    Engine,
    effects::Effects,
    nodes,
    order::{Order, WaitKey},
    part,
};

/// Looks at waiting orders that count as one item.
const LOOKS_AN_ITEM: usize = 4;

impl Engine {
    pub(super) fn work_off_due(&mut self, timers: bool, effects: &mut Effects<'_>) {
        let mut budget = ITEMS_PER_COMMAND;
        while timers && budget > 0 && !effects.is_full() && self.fire_timer(effects) {
            budget -= 1;
        }
        while budget > 0 && !effects.is_full() && self.void_hold(effects) {
            budget -= 1;
        }
        while budget > 0 && !effects.is_full() {
            if !self.state.oversold.is_empty() {
                self.relieve(&mut budget, effects);
            } else if !self.state.offers.leaving.is_empty() {
                self.leave(&mut budget, effects);
            } else if !self.state.offers.short.is_empty() {
                self.close_short(&mut budget, effects);
            } else if !self.state.evacuations.is_empty() {
                self.evacuate_some(&mut budget, effects);
            } else if !self.state.woken.is_empty() {
                self.mark_woken(&mut budget);
            } else if !self.state.stale.is_empty() {
                self.freshen(&mut budget, effects);
            } else if !self.state.turns.is_empty() {
                self.look(&mut budget, effects);
            } else if self.is_feed_due(timers) {
                self.feed_next(&mut budget, effects);
            } else {
                // Who gave back has had its rest.
                self.state.resting.clear();
                return;
            }
        }
    }

    /// Emits a `continue`, if something is left to do and none is on its way.
    pub(super) fn ask_to_continue(&mut self, timers: bool, effects: &mut Effects<'_>) {
        let state = &self.state;
        let left = self.is_hold_void()
            || self.is_feed_due(timers)
            || !(state.oversold.is_empty()
                && state.evacuations.is_empty()
                && state.offers.leaving.is_empty()
                && state.offers.short.is_empty()
                && state.woken.is_empty()
                && state.stale.is_empty()
                && state.turns.is_empty());
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
            || self.state.pauses.first().is_some_and(|(at, _)| *at <= now)
            || self.is_lapse_due()
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
            self.forget(at, id, effects);
            effects.end_item(&self.state);
        } else {
            return self.end_pause(effects) || self.fire_lapse(effects);
        }
        true
    }

    /// A closed order leaves memory, here and at intake.
    fn forget(&mut self, at: i64, id: OrderId, effects: &mut Effects<'_>) {
        let due = |order: &Order| order.closed_at.is_some_and(|since| since + REMEMBER_MS == at);
        let mut part = None;
        let identity = match self.state.orders.get(&id).is_some_and(|order| due(order)) {
            true => {
                self.state.holds.remove(&id);
                let order = self.state.orders.remove(&id);
                part =
                    order.as_ref().and_then(|order| order.part_of.as_ref()).map(|(part, _)| part::key(part));
                order.map(|order| order.identity)
            }
            false => self.forget_hold(at, id),
        };
        let Some(identity) = identity else { return };
        effects.forgotten(id);
        effects.change(Change::Forgotten(id));
        if let Some(part) = part {
            // Intake knows home's order only.
            self.state.parts.remove(&part);
            return;
        }
        let partition = identity.partition(self.topology.intake);
        let meta = Meta { carried: self.state.clock.hybrid, ..Meta::default() };
        let forgotten = Command::Forgotten(Ask { order: id, identity });
        effects.out.push(Topic::Intake, partition, &meta, &forgotten);
    }

    /// Looks at waiting orders whose turn it is, of all SKUs together in one order.
    fn look(&mut self, budget: &mut usize, effects: &mut Effects<'_>) {
        for n in 0..LOOKS_AN_ITEM * *budget {
            if *budget == 0 || effects.is_full() {
                return;
            }
            let Some((key, sku)) = self.state.turns.pop_first() else { return };
            let all = self.state.looks.get(&sku).is_some_and(|l| l.all);
            if all || self.state.skus[sku as usize].anything_left() {
                // Only what changes something uses the budget up; a look costs a little and is bounded as well.
                *budget -= usize::from(n % LOOKS_AN_ITEM == 0);
                self.state.looking = Some(sku);
                effects.begin_item();
                self.with_order(key.3, |engine, order| engine.retry(order, Some(sku), effects));
                effects.end_item(&self.state);
                self.state.looking = None;
                if self.next_turn(sku, key) {
                    continue;
                }
            }
            // All were looked at, or nothing is left for those that follow.
            let again = self.state.looks.remove(&sku).filter(|l| l.again);
            if let Some(look) = again {
                self.state.mark_as(sku, look.all, look.rise);
            }
        }
    }

    /// Passes the turn to the order behind `key`. False: there is none.
    fn next_turn(&mut self, sku: u32, key: WaitKey) -> bool {
        let behind = (Excluded(key), Unbounded);
        let next = self.state.skus[sku as usize].waiting.range(behind).next().copied();
        if let (Some(next), Some(look)) = (next, self.state.looks.get_mut(&sku)) {
            look.next = next;
            self.state.turns.insert((next, sku));
            return true;
        }
        false
    }

    /// Looks at a waiting order again. One that changes nothing leaves no trace.
    fn retry(&mut self, order: &mut Order, sku: Option<u32>, effects: &mut Effects<'_>) {
        if self.state.resting.contains(&order.id) {
            return;
        }
        let before = order.work();
        if let Some(sku) = sku {
            self.turn_on_hand(order, sku, effects);
        }
        match sku.and_then(|sku| self.state.looks.get(&sku)) {
            // It waits for stock alone, and that is not why it is looked at.
            Some(look) if !look.rise && self.retries_by_stock(order) => self.sort_anew(order),
            _ => self.route(order, effects),
        }
        let state = order.derive(self.payment_ok(order), self.state.clock.engine);
        if !effects.is_quiet() || state != order.state {
            self.settle(order, effects);
            effects.tell_nodes(&self.state, order, &before, false);
        }
    }

    /// Whether the order's rule set has it looked at again for more stock only.
    fn retries_by_stock(&self, order: &Order) -> bool {
        self.index.rules.of_zone(&order.zone).set.retry == Retry::Stock
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
