//! Counts, receipts, adjustments and the policy of a cell. Facts are always taken.

use router_schemas::{
    command::{
        Command,
        stock::{AdjustTarget, Adjustment, Allowance, Basis, CellName, CellPolicy, Count, Movement},
    },
    envelope::Meta,
    event::{Change, Exception, Outcome, StockCause, StockChange},
    limits::COUNTERS,
    quantity::Qty,
    refusal::Refusal,
    reply::Answer,
};

use super::{Engine, Verdict, effects::Effects, refuse, state::Counted, time::due};

/// Keys of facts that one command may forget: more than it can add.
const KEYS_PER_COMMAND: usize = 8;

impl Engine {
    /// Whether this very fact was applied before: known by its key, else by its source.
    pub(super) fn is_repeat(&mut self, meta: &Meta, command: &Command) -> bool {
        let now = self.state.clock.engine;
        for _ in 0..KEYS_PER_COMMAND {
            let Some((until, key)) = due(&self.state.fact_ages, now) else {
                break;
            };
            self.state.fact_ages.remove(&(until, key));
            self.state.facts.remove(&key);
        }
        let key = match command {
            Command::Count(f) => f.key,
            Command::Receipt(f) => f.key,
            Command::Adjustment(f) => f.key,
            Command::Picked(f) | Command::Ready(f) | Command::Shipped(f) | Command::Returned(f) => f.key,
            Command::Accepted(f) | Command::HandedOver(f) => f.key,
            Command::Payment(f) => Some(f.key),
            Command::Delivered(f) => Some(f.key),
            _ => return false,
        };
        if let Some(key) = key {
            // What is due to be forgotten counts as forgotten.
            let known = self.was_applied(key);
            self.note_applied(key);
            return known && !fault!(KeyForgotten);
        }
        let Some(source) = &meta.source else { return false };
        let seen =
            self.state.sources.entry((source.id.clone(), source.incarnation, source.partition)).or_default();
        // Stored one higher, so that the default is below the first.
        let this = (source.offset + 1, source.index + 1);
        let repeat = this <= *seen;
        *seen = this.max(*seen);
        repeat
    }

    pub(super) fn count(&mut self, fact: Count, effects: &mut Effects<'_>) -> Verdict {
        let (sku, node) = self.cell_numbers(&fact.cell);
        let cell = self.state.cell_mut(sku, node);
        let this = Counted { counter: fact.counter, sequence: fact.sequence, observed_at: fact.observed_at };
        let last = cell.counted.iter().position(|c| c.counter == this.counter);
        if last.is_some_and(|n| is_stale(&this, &cell.counted[n])) {
            return refuse(Refusal::Stale, "");
        }
        // What nobody had stated before cannot differ.
        let first = cell.counted.is_empty() && cell.on_hand.is_zero();
        match last {
            Some(n) => _ = cell.counted.remove(n),
            None if cell.counted.len() == COUNTERS => _ = cell.counted.remove(0),
            None => {}
        }
        cell.counted.push(this);
        let later = cell.recent.iter().filter(|m| fact.observed_at.is_some_and(|seen| m.at > seen));
        let (moved, promised) = later
            .fold((Qty::ZERO, Qty::ZERO), |(moved, promised), m| (moved + m.on_hand, promised + m.promised));
        let found = match fact.basis {
            Basis::OnHand => fact.qty + moved,
            Basis::Available => {
                // Promises made since are not among those that the source knew.
                let known = cell.allocated - cell.backordered - promised;
                let known = if fault!(CountWithoutAllocated) { Qty::ZERO } else { known };
                cell.known_outside |= fact.observed_at.is_some();
                fact.qty + known + moved
            }
        };
        let (delta, blocked) = (found.floor_zero() - cell.on_hand, -cell.blocked);
        if !delta.is_zero() && !first {
            effects.exception(Exception::Drift(fact.cell, delta));
            effects.alert(&self.state, sku, node, "drift", delta);
        }
        self.apply_stock(sku, node, StockCause::Count, delta, blocked, Some(fact.qty), effects);
        (Outcome::Applied, Answer::Done)
    }

    pub(super) fn receipt(&mut self, fact: Movement, effects: &mut Effects<'_>) -> Verdict {
        let (sku, node) = self.cell_numbers(&fact.cell);
        self.apply_stock(sku, node, StockCause::Receipt, fact.qty, Qty::ZERO, None, effects);
        (Outcome::Applied, Answer::Done)
    }

    pub(super) fn adjust(&mut self, fact: Adjustment, effects: &mut Effects<'_>) -> Verdict {
        let (sku, node) = self.cell_numbers(&fact.cell);
        let cell = self.state.cell_mut(sku, node);
        let applied = |now: Qty| Qty(fact.delta.0.max(-now.0));
        let (on_hand, blocked) = match fact.target {
            AdjustTarget::OnHand => (applied(cell.on_hand), Qty::ZERO),
            AdjustTarget::Blocked => (Qty::ZERO, applied(cell.blocked)),
        };
        self.apply_stock(sku, node, StockCause::Adjustment, on_hand, blocked, Some(fact.delta), effects);
        (Outcome::Applied, Answer::Done)
    }

    pub(super) fn cell_policy(&mut self, policy: CellPolicy, effects: &mut Effects<'_>) -> Verdict {
        if self.index.nodes.get(&policy.cell.node).is_none_or(|n| !self.state.nodes[*n as usize].known) {
            return refuse(Refusal::UnknownNode, &policy.cell.node);
        }
        let (sku, node) = self.cell_numbers(&policy.cell);
        let before = self.state.standing(sku, node);
        let is = |allowance: Allowance| u32::from(allowance == Allowance::Unlimited);
        let cell = self.state.cell_mut(sku, node);
        let (was, now) = (is(cell.allowance), is(policy.backorder));
        (cell.safety_stock, cell.allowance, cell.out_of_stock) =
            (policy.safety_stock, policy.backorder, policy.out_of_stock);
        cell.weekly_sales = policy.weekly_sales;
        let of_sku = &mut self.state.skus[sku as usize];
        of_sku.boundless = of_sku.boundless + now - was;
        self.state.feed_changed(sku, false);
        effects.touch_cell(&mut self.state, sku, node);
        effects.note_availability(&mut self.state, sku, node, before);
        self.state.mark(sku, false);
        (Outcome::Applied, Answer::Done)
    }

    #[allow(clippy::too_many_arguments, reason = "one call for each fact, all of it the fact's own")]
    pub(super) fn apply_stock(
        &mut self,
        sku: u32,
        node: u32,
        cause: StockCause,
        on_hand: Qty,
        blocked: Qty,
        stated: Option<Qty>,
        effects: &mut Effects<'_>,
    ) {
        let before = self.state.standing(sku, node);
        let now = self.state.clock.engine;
        let cell = self.state.cell_mut(sku, node);
        cell.on_hand += on_hand;
        cell.blocked += blocked;
        // A count states what was, it moves nothing.
        if cause != StockCause::Count && !on_hand.is_zero() {
            cell.remember(now, on_hand, Qty::ZERO);
        }
        effects.touch_cell(&mut self.state, sku, node);
        let cell = self.state.cell_name(sku, node);
        effects.change(Change::Stock(StockChange { cell, cause, on_hand, blocked, stated }));
        effects.note_availability(&mut self.state, sku, node, before);
    }

    fn cell_numbers(&mut self, cell: &CellName) -> (u32, u32) {
        (self.sku_number(&cell.sku, &cell.bucket), self.node_number(&cell.node))
    }
}

/// Whether a count is older than the last one of the same counter.
fn is_stale(this: &Counted, last: &Counted) -> bool {
    match (this.sequence.zip(last.sequence), this.observed_at.zip(last.observed_at)) {
        (Some((new, old)), _) => new <= old,
        (None, Some((new, old))) => new < old,
        (None, None) => false,
    }
}
