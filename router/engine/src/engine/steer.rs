//! What operations ask for one order: route it again, take units back, give them to a node, let it go on.

use router_schemas::{
    command::{
        order::LineQty,
        steer::{Steer, Steering},
    },
    envelope::Meta,
    event::{Change, Outcome, Unit},
    limits::{FULFILMENTS, QTY_MAX},
    quantity::Qty,
    refusal::Refusal,
};
use smallvec::SmallVec;

use super::{
    Engine, Verdict,
    effects::Effects,
    give_back::remember_decline,
    nodes::Filters,
    order::{Order, Wanted},
    refuse,
};

impl Engine {
    pub(super) fn steer(&mut self, meta: &Meta, steer: Steer, effects: &mut Effects<'_>) -> Verdict {
        self.on_order(&steer.to, &steer.identity, |engine, order| {
            let (before, waited) = (order.work(), order.waiting_lines());
            // What is refused changes nothing: offers are taken back once it is certain that it is done.
            let (what, done) = match &steer.act {
                Steering::Retry { forgive } => ("retry", engine.retry_order(order, *forgive, effects)),
                Steering::Reroute { node, lines, same_node } => {
                    ("reroute", engine.reroute(order, node.as_deref(), lines, *same_node, effects))
                }
                Steering::Assign { node, lines } => ("assign", engine.assign_to(order, node, lines, effects)),
                Steering::Approve => ("approve", approve(order)),
            };
            if let Err((refusal, detail)) = done {
                return refuse(refusal, &detail);
            }
            effects.touch_order(order.id);
            effects.change(Change::Steered(what.to_owned(), meta.actor.clone(), meta.reason.clone()));
            if what != "assign" {
                // It goes on from the first rule, whatever it waited for.
                order.queue = None;
                order.abroad.iter_mut().for_each(|abroad| abroad.visited.clear());
                engine.route(order, effects);
            }
            engine.settle(order, effects);
            effects.tell_nodes(&engine.state, order, &before, false);
            effects.tell_delay(&engine.state, order, &waited);
            (Outcome::Applied, effects.answer(&engine.state, order))
        })
    }

    fn retry_order(
        &mut self,
        order: &mut Order,
        forgive: bool,
        effects: &mut Effects<'_>,
    ) -> Result<(), (Refusal, String)> {
        let forgives = forgive && !order.declined.is_empty();
        if !forgives && order.lines.iter().all(|l| (l.open + l.held).is_zero()) {
            return Err((Refusal::Closed, order.state.text().into_owned()));
        }
        self.withdraw_offers(order, effects);
        if forgive {
            order.declined.clear();
        }
        Ok(())
    }

    /// Opens what is not picked, at one node or at all; what is offered is taken back, where no node is named.
    fn reroute(
        &mut self,
        order: &mut Order,
        from: Option<&str>,
        lines: &[LineQty],
        same_node: bool,
        effects: &mut Effects<'_>,
    ) -> Result<(), (Refusal, String)> {
        let from = match from {
            None => None,
            Some(name) => match self.index.nodes.get(name) {
                Some(node) => Some(*node),
                None => return Err((Refusal::UnknownNode, name.to_owned())),
            },
        };
        let (mut moved, mut recalled) = (SmallVec::<[u32; 4]>::new(), Qty::ZERO);
        let wanted = order.wanted(lines)?;
        let withdrawn = from.is_none() && self.withdraw_offers(order, effects);
        for (line, mut left) in wanted.iter().copied() {
            for unit in [Unit::Backordered, Unit::Allocated] {
                for place in (0..order.fulfilments.len()).rev() {
                    let f = &mut order.fulfilments[place];
                    let node = f.node;
                    if usize::from(f.line) != line || from.is_some_and(|from| from != node) {
                        continue;
                    }
                    let part = f.units(unit).copied().unwrap_or_default().min(left);
                    let step = (unit, Unit::Open);
                    effects.shift(&mut self.state, order, line as u16, Some(node), step, part);
                    left -= part;
                    if part.is_positive() && !moved.contains(&node) {
                        moved.push(node);
                    }
                }
            }
            if from.is_none() {
                recalled += order.recall(line, left, Unit::Open);
            }
        }
        if moved.is_empty() && recalled.is_zero() && !withdrawn {
            let here = |f: &super::order::Fulfilment| {
                from.is_none_or(|from| from == f.node)
                    && wanted.iter().any(|(line, _)| *line == usize::from(f.line))
            };
            let picked = order.fulfilments.iter().any(|f| here(f) && (f.picked + f.ready).is_positive());
            let refusal = if picked { Refusal::Picked } else { Refusal::Closed };
            return Err((refusal, order.state.text().into_owned()));
        }
        if !same_node {
            moved.iter().for_each(|node| remember_decline(order, *node));
        }
        Ok(())
    }

    /// Gives open units to a node, all or none.
    fn assign_to(
        &mut self,
        order: &mut Order,
        name: &str,
        lines: &[LineQty],
        effects: &mut Effects<'_>,
    ) -> Result<(), (Refusal, String)> {
        let known = |n: &u32| self.state.nodes[*n as usize].known;
        let Some(node) = self.index.nodes.get(name).copied().filter(known) else {
            return Err((Refusal::UnknownNode, name.to_owned()));
        };
        if self.state.nodes[node as usize].node.zone != order.zone {
            return Err((Refusal::WrongZone, name.to_owned()));
        }
        let mut takes: Wanted = SmallVec::new();
        let mut fresh = 0;
        for (line, qty) in order.wanted(lines)? {
            let there: Qty = takes.iter().filter(|(known, _)| *known == line).map(|(_, qty)| *qty).sum();
            let open = order.lines[line].open + order.lines[line].held - there;
            if qty != QTY_MAX && qty > open {
                return Err((Refusal::Closed, order.lines[line].name.clone()));
            }
            if open.is_positive() {
                takes.push((line, qty.min(open)));
                fresh += usize::from(order.at_node(line, node).is_none());
            }
        }
        if takes.is_empty() {
            return Err((Refusal::Closed, order.state.text().into_owned()));
        }
        if order.fulfilments.len() + fresh > FULFILMENTS {
            return Err((Refusal::Limit, "lines at nodes".into()));
        }
        for place in 0..takes.len() {
            let sku = order.lines[takes[place].0].sku;
            let same = takes.iter().filter(|(line, _)| order.lines[*line].sku == sku);
            let qty: Qty = same.map(|(_, qty)| *qty).sum();
            if !self.can_assign(order, node, sku, qty) {
                return Err((Refusal::NoStock, self.state.skus[sku as usize].name.clone()));
            }
        }
        self.withdraw_offers(order, effects);
        order.declined.retain(|declined| *declined != node);
        self.take_over_hold(order, effects);
        for (line, qty) in takes {
            let step = (Unit::Open, Unit::Allocated);
            effects.shift(&mut self.state, order, line as u16, Some(node), step, qty);
        }
        Ok(())
    }

    /// Whether the node can give so much of a SKU, and others who hold it without a node do not need it.
    fn can_assign(&self, order: &Order, node: u32, sku: u32, qty: Qty) -> bool {
        let held = &self.state.skus[sku as usize];
        if held.untracked() {
            return true;
        }
        let enabled = self.state.nodes[node as usize].node.enabled;
        // What is held for the order there is its own.
        let own = self.state.holds.get(&order.id).map_or(Qty::ZERO, |hold| hold.at(Some(node), sku));
        if !enabled || !held.in_whole_steps(qty) || held.cell(node).is_none_or(|c| c.atp() + own < qty) {
            return false;
        }
        let others = self.state.unpinned_of_others(order, sku);
        if others.is_zero() {
            return true;
        }
        let filters = Filters::of(&self.state, order);
        let pool = held.cells.iter().filter(|c| c.node == node || filters.of_pool(c.node));
        pool.map(|c| c.atp()).sum::<Qty>() + own - others >= qty
    }
}

/// It was looked at. Nodes that declined it are asked again where it waited for having asked too many.
fn approve(order: &mut Order) -> Result<(), (Refusal, String)> {
    if !std::mem::take(&mut order.review) {
        return Err((Refusal::Invalid, "the order is not in review".into()));
    }
    if order.declined.len() >= router_schemas::limits::DECLINES {
        order.declined.clear();
    }
    Ok(())
}
