//! Picked units that the customer wants gone: the node is asked to give them back, by a deadline in service time. What
//! holds where it does not answer is the channel's. Units that were shipped meanwhile were shipped.

use router_schemas::{
    command::offer::CancelAnswer,
    event::{Change, Deadline, OrderState, Outcome, Unit},
    limits::TTL_MS,
    quantity::Qty,
    refusal::Refusal,
};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::{
    Engine, Verdict,
    effects::Effects,
    order::{Order, Work},
    refuse,
};

/// Service time in which a node must answer where the channel does not say, ms.
const WITHIN: i64 = 15 * 60_000;

/// Picked and ready units of a line that a node was asked to give back.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CancelAsk {
    pub node: u32,
    pub line: u16,
    pub qty: Qty,
    /// Service time at which its answer is due, ms.
    pub due: i64,
}

impl Engine {
    /// Asks nodes for up to `qty` picked units of a line that nobody asked for before, the last of the plan first.
    /// Adds the nodes to `nodes`. Returns how many are asked for.
    pub(super) fn ask_back(
        &mut self,
        order: &mut Order,
        line: usize,
        qty: Qty,
        nodes: &mut SmallVec<[u32; 4]>,
    ) -> Qty {
        let within = self.state.channels.get(&order.identity.channel).and_then(|c| c.cancel_within);
        let due = self.state.clock.service() + within.unwrap_or(WITHIN).clamp(0, TTL_MS);
        let (mut left, line) = (qty.floor_zero(), line as u16);
        for place in (0..order.fulfilments.len()).rev() {
            let f = &order.fulfilments[place];
            if f.line != line {
                continue;
            }
            let node = f.node;
            let part = (f.picked + f.ready - asked(order, node, line)).floor_zero().min(left);
            if !part.is_positive() {
                continue;
            }
            left -= part;
            // A node that is being asked already answers all at once, and no later for it.
            let due = order.asks.iter().filter(|a| a.node == node).map(|a| a.due).fold(due, i64::min);
            match order.asks.iter_mut().find(|a| (a.node, a.line) == (node, line)) {
                Some(ask) => ask.qty += part,
                None => order.asks.push(CancelAsk { node, line, qty: part, due }),
            }
            if !nodes.contains(&node) {
                nodes.push(node);
            }
        }
        qty.floor_zero() - left
    }

    /// Settles an order of which units were taken back, and for others of which these nodes are asked. `before`: what
    /// nodes had of it; who is asked is told all of it at once.
    pub(super) fn settle_asked(
        &mut self,
        order: &mut Order,
        mut before: SmallVec<[Work; 8]>,
        nodes: &[u32],
        effects: &mut Effects<'_>,
    ) {
        for node in nodes {
            let due = order.asks.iter().filter(|a| a.node == *node).map(|a| a.due).min();
            let name = self.state.node_name(*node).to_owned();
            effects.change(Change::CancelRequested(name, due.unwrap_or_default()));
        }
        self.settle(order, effects);
        for node in nodes {
            before = order.with_work_of(*node, before);
        }
        effects.tell_nodes(&self.state, order, &before, false);
        for node in nodes {
            effects.assign(&self.state, order, *node, "cancel_requested");
        }
    }

    /// Request: the node's answer. At and after its deadline the channel's default holds.
    pub(super) fn cancel_answer(&mut self, answer: CancelAnswer, effects: &mut Effects<'_>) -> Verdict {
        let Some(node) = self.index.nodes.get(&answer.node).copied() else {
            return refuse(Refusal::UnknownNode, &answer.node);
        };
        let now = self.state.clock.service();
        let verdict = self.with_order(answer.order, |engine, order| {
            match order.asks.iter().filter(|a| a.node == node).map(|a| a.due).min() {
                None => return refuse(Refusal::Closed, "the node is not asked for anything of it"),
                Some(due) if due <= now => return refuse(Refusal::Expired, "the time to answer is over"),
                Some(_) => {}
            }
            let before = order.work();
            effects.touch_order(order.id);
            engine.answer(order, node, answer.granted, effects);
            engine.settle(order, effects);
            effects.tell_nodes(&engine.state, order, &before, false);
            effects.tell_answer(&engine.state, order, answer.granted);
            (Outcome::Applied, effects.answer(&engine.state, order))
        });
        verdict.unwrap_or_else(|| refuse(Refusal::UnknownOrder, &answer.order.to_string()))
    }

    /// What holds for nodes whose time to answer is over. `None`: there is no such node.
    pub(super) fn default_answers(
        &mut self,
        order: &mut Order,
        now: i64,
        effects: &mut Effects<'_>,
    ) -> Option<bool> {
        let granted = self.state.channels.get(&order.identity.channel).is_some_and(|c| c.cancel_by_default);
        let mut nodes: SmallVec<[u32; 4]> =
            order.asks.iter().filter(|a| a.due <= now).map(|a| a.node).collect();
        nodes.sort_unstable();
        nodes.dedup();
        for node in &nodes {
            effects.change(Change::Late(self.state.node_name(*node).to_owned(), Deadline::CancelAnswer));
            self.answer(order, *node, granted, effects);
        }
        (!nodes.is_empty()).then_some(granted)
    }

    /// Ends what the node was asked for: its units are cancelled, or stay.
    fn answer(&mut self, order: &mut Order, node: u32, granted: bool, effects: &mut Effects<'_>) {
        effects.change(Change::CancelAnswered(self.state.node_name(node).to_owned(), granted));
        let asks = std::mem::take(&mut order.asks);
        let (mine, others) = asks.into_iter().partition(|a| a.node == node);
        order.asks = others;
        for ask in mine {
            let mut left = if granted { ask.qty } else { Qty::ZERO };
            for unit in [Unit::Picked, Unit::Ready] {
                let f = order.at_node(usize::from(ask.line), node);
                let part = f.and_then(|f| f.units(unit).copied()).unwrap_or_default().min(left);
                let step = (unit, Unit::Cancelled);
                effects.shift(&mut self.state, order, ask.line, Some(node), step, part);
                left -= part;
            }
        }
    }

    /// Of units that the node gives back, those that it was asked for: they are asked for no more.
    pub(super) fn answer_part(&mut self, order: &mut Order, node: u32, line: u16, back: Qty) -> Qty {
        let ask = order.asks.iter_mut().find(|a| (a.node, a.line) == (node, line));
        let Some(ask) = ask else { return Qty::ZERO };
        let part = ask.qty.min(back);
        ask.qty -= part;
        part
    }

    /// Nobody is asked for units that are not there any more: they left, or were given back.
    pub(super) fn trim_asks(&mut self, order: &mut Order, effects: &mut Effects<'_>) {
        if order.asks.is_empty() {
            return;
        }
        let mut asks = std::mem::take(&mut order.asks);
        let mut done: SmallVec<[(u32, bool); 4]> = SmallVec::new();
        asks.retain_mut(|ask| {
            let f = order.at_node(usize::from(ask.line), ask.node);
            let there = f.map_or(Qty::ZERO, |f| f.picked + f.ready);
            let given = ask.qty.is_zero();
            ask.qty = ask.qty.min(there);
            if ask.qty.is_zero() {
                done.push((ask.node, given));
            }
            ask.qty.is_positive()
        });
        order.asks = asks;
        done.retain(|(node, _)| order.asks.iter().all(|a| a.node != *node));
        done.sort_unstable();
        done.dedup_by_key(|(node, _)| *node);
        for (node, given) in done {
            effects.change(Change::CancelAnswered(self.state.node_name(node).to_owned(), given));
        }
    }
}

/// What a node was asked for of a line.
pub fn asked(order: &Order, node: u32, line: u16) -> Qty {
    order.asks.iter().filter(|a| (a.node, a.line) == (node, line)).map(|a| a.qty).sum()
}

impl Effects<'_> {
    /// Tells the customer what became of a cancel that a node was asked about.
    pub fn tell_answer(&mut self, state: &super::state::State, order: &mut Order, granted: bool) {
        let event = match (granted, order.state == OrderState::Cancelled) {
            (true, true) => "cancelled",
            (true, false) => "changed",
            (false, _) => "cancel_denied",
        };
        self.notify(state, order, event, None, None);
        self.refund_due(state, order);
    }
}
