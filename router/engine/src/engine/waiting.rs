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
    time::due,
};

/// Looks at waiting orders that count as one item.
const LOOKS_AN_ITEM: usize = 4;

/// Works off some of one kind of what is due, as far as the budget goes.
type Step = fn(&mut Engine, &mut usize, &mut Effects<'_>);

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
            let Some(step) = self.next_step(timers) else {
                // Who gave back has had its rest.
                self.state.resting.clear();
                return;
            };
            step(self, &mut budget, effects);
        }
    }

    /// What is worked off next, besides timers and holds that are void; `None`: nothing is left.
    fn next_step(&self, timers: bool) -> Option<Step> {
        let state = &self.state;
        let step: Step = if !state.oversold.is_empty() {
            Self::relieve
        } else if !state.offers.leaving.is_empty() {
            Self::leave
        } else if !state.offers.short.is_empty() {
            Self::close_short
        } else if !state.evacuations.is_empty() {
            Self::evacuate_some
        } else if !state.woken.is_empty() {
            |engine, budget, _| engine.mark_woken(budget)
        } else if !state.stale.is_empty() {
            Self::freshen
        } else if !state.turns.is_empty() {
            Self::look
        } else if self.is_feed_due(timers) {
            Self::feed_next
        } else {
            return None;
        };
        Some(step)
    }

    /// Where a cell can give more now than before the command, has orders looked at that wait for that alone: what came
    /// and went within the command is no reason to.
    pub(super) fn note_rises(&mut self, effects: &mut Effects<'_>) {
        let mut gave = std::mem::take(&mut effects.work.gave);
        gave.sort_by_key(|(sku, node, _)| (*sku, *node));
        gave.dedup_by_key(|(sku, node, _)| (*sku, *node));
        for (sku, node, before) in gave.drain(..) {
            let at = &self.state.nodes[node as usize];
            let by_stock = self.index.rules.of_zone(&at.node.zone).set.retry == Retry::Stock;
            if by_stock && at.known && at.node.enabled && self.state.standing(sku, node).atp > before {
                self.state.mark_rise(sku);
            }
        }
        effects.work.gave = gave;
    }

    /// Emits a `continue`, if something is left to do and none is on its way.
    pub(super) fn ask_to_continue(&mut self, timers: bool, effects: &mut Effects<'_>) {
        let left = self.is_hold_void() || self.next_step(timers).is_some();
        if (left || (timers && self.is_timer_due())) && !self.state.continuing {
            self.state.continuing = true;
            effects.out.push(Topic::Commands, self.partition, &Meta::default(), &Command::Continue);
        }
    }

    fn is_timer_due(&self) -> bool {
        let now = self.state.clock.engine;
        due(&self.state.timed, now).is_some()
            || due(&self.state.days, now).is_some()
            || due(&self.state.closed, now).is_some()
            || due(&self.state.pauses, now).is_some()
            || self.is_lapse_due()
    }

    /// Fires one timer that is due. False: none is.
    fn fire_timer(&mut self, effects: &mut Effects<'_>) -> bool {
        let now = self.state.clock.engine;
        if let Some((at, id)) = due(&self.state.timed, now) {
            self.state.timed.remove(&(at, id));
            effects.begin_item();
            self.with_order(id, |engine, order| engine.retry(order, None, effects));
            effects.end_item(&self.state);
        } else if let Some((at, node)) = due(&self.state.days, now) {
            self.state.days.remove(&(at, node));
            nodes::note_full_day(&mut self.state, node);
            self.state.wake(Some(node));
        } else if let Some((at, id)) = due(&self.state.closed, now) {
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
        let is_leg = self.state.holds.get(&id).is_some_and(|hold| hold.leg_of.is_some());
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
        if is_leg {
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
            let look = self.state.looks.remove(&sku);
            if let Some((all, rise)) = look.and_then(|look| Some((look.all, look.again?))) {
                self.state.mark_as(sku, all, rise);
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
        // It rests while others are served; its own time comes all the same.
        let rests = sku.is_some() && self.state.resting.contains(&order.id);
        let before = order.work();
        if let Some(sku) = sku {
            self.turn_on_hand(order, sku, effects);
        }
        match sku.and_then(|sku| self.state.looks.get(&sku)) {
            _ if rests => {}
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
    pub(super) fn retries_by_stock(&self, order: &Order) -> bool {
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
            let part = there.min(backordered).min(self.state.arrived_for(order, sku));
            let step = (Unit::Backordered, Unit::Allocated);
            effects.shift(&mut self.state, order, line, Some(node), step, part);
        }
    }
}
