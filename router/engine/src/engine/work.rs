//! Work that nodes have: their word that they will do it, and the deadlines that a rule set for it, in service time.
//!
//! A deadline to accept runs while units wait to be picked that the node has not accepted; the one to pick runs from
//! then on, until none of them waits. Units to come have no deadline until they are there. A fact counts whenever it
//! comes: a node that accepts or picks late, but before the lapse was worked off, has done it.

use router_schemas::{
    command::fulfilment::NodeFact,
    event::{Change, Deadline, Exception, Outcome},
    id::OrderId,
    limits::TTL_MS,
    quantity::Qty,
    reply::Answer,
    rules::{Late, Reason},
};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::{Engine, Verdict, effects::Effects, lapse::Lapse, order::Order};

/// The reason of work that was taken back because its deadline lapsed.
pub const LATE: &str = "late";

/// What is asked of a node that gets work.
#[derive(Debug, Clone, Copy, Default)]
pub struct Deadlines {
    /// Service time in which it must accept, ms.
    pub accept_within: Option<i64>,
    /// Service time in which it must have picked, ms.
    pub pick_within: Option<i64>,
    /// What happens when it is late.
    pub late: Late,
}

/// What a rule asked of a node that it gave work of an order, and what of it is due.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Terms {
    pub node: u32,
    accept_within: Option<i64>,
    pick_within: Option<i64>,
    late: Late,
    accept: Due,
    pick: Due,
}

/// A deadline.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Due {
    /// It does not run.
    #[default]
    No,
    /// Service time, ms.
    At(i64),
    /// It lapsed, and was told.
    Lapsed,
}

impl Due {
    fn at(self) -> Option<i64> {
        match self {
            Due::At(at) => Some(at),
            Due::No | Due::Lapsed => None,
        }
    }

    /// Runs while `runs`, from `now` on where it did not.
    fn keep(&mut self, runs: bool, within: Option<i64>, now: i64) {
        *self = match (runs, within, *self) {
            (true, Some(within), Due::No) => Due::At(now + within),
            (true, Some(_), running) => running,
            _ => Due::No,
        };
    }
}

impl Engine {
    /// A rule gave the node work of the order: sets the service time, ms, in which it must accept and, from then on,
    /// must have picked, and what happens where it is late. The deadlines start when the order is settled.
    pub(super) fn start_work(&mut self, order: &mut Order, node: u32, asked: &Deadlines) {
        let Deadlines { accept_within, pick_within, late } = *asked;
        // More work without a deadline leaves those of what it had.
        if accept_within.is_some() || pick_within.is_some() {
            let before = order.terms.iter().position(|t| t.node == node).map(|at| order.terms.remove(at));
            let bounded = |within: i64| within.clamp(0, TTL_MS);
            let (accept_within, pick_within) = (accept_within.map(bounded), pick_within.map(bounded));
            // More work does not give more time for what it had; what was late before is not late for this.
            let running = |due: Due| if due == Due::Lapsed { Due::No } else { due };
            let (accept, pick) =
                before.map_or_else(Default::default, |t| (running(t.accept), running(t.pick)));
            order.terms.push(Terms { node, accept_within, pick_within, late, accept, pick });
        }
    }

    /// Fact: the node has seen its work and will do it.
    pub(super) fn accepted(&mut self, fact: NodeFact, effects: &mut Effects<'_>) -> Verdict {
        let node = self.index.nodes.get(&fact.node).copied();
        let known = node.filter(|_| self.state.orders.contains_key(&fact.order));
        let Some(node) = known else {
            effects.exception(Exception::Unmatched);
            return (Outcome::Applied, Answer::Done);
        };
        self.with_order(fact.order, |engine, order| {
            effects.touch_order(order.id);
            let named = |order: &Order, line: u16| {
                let name = &order.lines[usize::from(line)].name;
                fact.lines.is_empty() || fact.lines.iter().any(|l| l.line == *name)
            };
            let has_work = |f: &super::order::Fulfilment| f.node == node && f.promised().is_positive();
            let places = 0..order.fulfilments.len();
            let mine = places
                .filter(|p| has_work(&order.fulfilments[*p]) && named(order, order.fulfilments[*p].line));
            let mine: SmallVec<[usize; 8]> = mine.collect();
            if mine.is_empty() {
                effects.exception(Exception::Unmatched);
            } else if mine.iter().any(|p| !order.fulfilments[*p].accepted) {
                mine.iter().for_each(|p| order.fulfilments[*p].accepted = true);
                effects.change(Change::Accepted(fact.node.clone()));
            }
            engine.settle(order, effects);
        });
        (Outcome::Applied, Answer::Done)
    }

    /// Brings deadlines and their one timer up to date with the units; part of settling an order.
    pub(super) fn keep_work(&mut self, order: &mut Order, effects: &mut Effects<'_>) {
        let none = order.terms.is_empty() && order.asks.is_empty();
        if none && order.work_due.is_none() && order.wait.is_none() {
            return;
        }
        self.keep_wait(order);
        self.trim_asks(order, effects);
        let now = self.state.clock.service();
        let Order { terms, fulfilments, .. } = order;
        terms.retain_mut(|terms| {
            let mut mine = fulfilments.iter().filter(|f| f.node == terms.node && f.promised().is_positive());
            let to_pick = mine.clone().any(|f| f.allocated.is_positive());
            let to_accept = mine.clone().any(|f| f.allocated.is_positive() && !f.accepted);
            terms.accept.keep(to_accept, terms.accept_within, now);
            let accepted = terms.accept == Due::No;
            terms.pick.keep(to_pick && accepted, terms.pick_within, now);
            mine.next().is_some()
        });
        let mut first = None;
        for place in 0..order.fulfilments.len() {
            let due = due_of(order, place);
            order.fulfilments[place].due = due;
            first = first.into_iter().chain(due).min();
        }
        if first != order.work_due {
            let lapse = Lapse::Work(order.id);
            order.work_due.into_iter().for_each(|at| _ = self.state.deadlines.remove(&(at, lapse)));
            first.into_iter().for_each(|at| _ = self.state.deadlines.insert((at, lapse)));
            order.work_due = first;
        }
    }

    /// A deadline of the order's work has lapsed.
    pub(super) fn lapse_work(&mut self, id: OrderId, effects: &mut Effects<'_>) {
        let mut now = self.state.clock.service();
        if fault!(WorkLateEarly) {
            now += 20_000;
        }
        self.with_order(id, |engine, order| {
            let (before, waited) = (order.work(), order.waiting_lines());
            order.work_due = None;
            order.fulfilments.iter_mut().for_each(|f| f.due = None);
            effects.touch_order(order.id);
            let answered = engine.default_answers(order, now, effects);
            let mut late: SmallVec<[(u32, Deadline, Late); 4]> = SmallVec::new();
            for terms in &mut order.terms {
                let dues = [(&mut terms.accept, Deadline::Accept), (&mut terms.pick, Deadline::Pick)];
                for (due, deadline) in dues {
                    if due.at().is_some_and(|at| at <= now) {
                        *due = Due::Lapsed;
                        late.push((terms.node, deadline, terms.late));
                    }
                }
            }
            let mut opened = false;
            for (node, deadline, late) in late {
                opened |= engine.be_late(order, node, deadline, late, effects);
            }
            if opened {
                engine.route(order, effects);
            }
            engine.settle(order, effects);
            effects.tell_nodes(&engine.state, order, &before, false);
            effects.tell_delay(&engine.state, order, &waited);
            answered.into_iter().for_each(|granted| effects.tell_answer(&engine.state, order, granted));
            effects.refund_due(&engine.state, order);
        });
    }

    /// The node did not keep its deadline. Who must send a line and nobody else may keeps it: someone has to look. True:
    /// something was opened that is to be routed.
    fn be_late(
        &mut self,
        order: &mut Order,
        node: u32,
        deadline: Deadline,
        late: Late,
        effects: &mut Effects<'_>,
    ) -> bool {
        let name = self.state.node_name(node).to_owned();
        effects.change(Change::Late(name.clone(), deadline));
        let mut back = self.unpicked(order, node);
        if late == Late::Reroute && deadline == Deadline::Accept {
            // Lines that it accepted are not late.
            back.retain(|(line, _)| order.at_node(*line, node).is_some_and(|f| !f.accepted));
        }
        let all = back.len();
        back.retain(|(line, _)| late == Late::Reroute && !self.is_bound_to(order, *line, node));
        if back.len() < all {
            effects.exception(Exception::Escalated(name));
        }
        if back.is_empty() {
            return false;
        }
        let reason = Reason { id: LATE.into(), ..Reason::default() };
        let given = self.give_back(order, node, &back, &reason, effects);
        self.state.nodes[node as usize].score.declined(self.state.clock.engine);
        // What it had claimed is offered to the others; the rest is routed with all that is late.
        self.offer_again(order, node, &given, effects)
    }

    /// What the node has of the order and has not picked: line and quantity.
    pub(super) fn unpicked(&self, order: &Order, node: u32) -> SmallVec<[(usize, Qty); 8]> {
        let mine = order.fulfilments.iter().filter(|f| f.node == node);
        let units = mine.map(|f| (usize::from(f.line), f.allocated + f.backordered));
        units.filter(|(_, qty)| qty.is_positive()).collect()
    }
}

/// The next deadline of the units of a line at a node.
fn due_of(order: &Order, place: usize) -> Option<i64> {
    let f = &order.fulfilments[place];
    let asked = order.asks.iter().filter(|a| (a.node, a.line) == (f.node, f.line)).map(|a| a.due);
    let terms = order.terms.iter().filter(|t| t.node == f.node && f.allocated.is_positive());
    let dues = terms.flat_map(|t| {
        let accept = t.accept.at().filter(|_| !f.accepted);
        accept.into_iter().chain(t.pick.at())
    });
    asked.chain(dues).min()
}

#[cfg(test)]
mod tests;
