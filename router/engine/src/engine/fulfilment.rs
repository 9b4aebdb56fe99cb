//! What a node states of the units it has: picked, ready, shipped, returned. Facts: whatever they contradict.

use router_schemas::{
    command::fulfilment::NodeFact,
    event::{Exception, Outcome, StockCause, Unit},
    limits::FULFILMENTS_MOST,
    quantity::Qty,
    reply::Answer,
};

use super::{Engine, Verdict, effects::Effects, order::Order};

/// A difference up to so many tolerances is reported as short.
const SHORT_FACTOR: i64 = 5;

/// Where units that leave a node come from, the first first.
const LEAVING: [Unit; 4] = [Unit::Ready, Unit::Picked, Unit::Allocated, Unit::Backordered];

/// What one fact does to the units of an order.
struct Step<'a> {
    node: u32,
    /// Taken from these states at the node, in this order.
    from: &'a [Unit],
    to: Unit,
    /// The customer has them as well.
    delivers: bool,
}

impl Engine {
    pub(super) fn picked(&mut self, fact: NodeFact, effects: &mut Effects<'_>) -> Verdict {
        self.node_fact(fact, &[Unit::Allocated, Unit::Backordered], (Unit::Picked, false), effects)
    }

    pub(super) fn ready(&mut self, fact: NodeFact, effects: &mut Effects<'_>) -> Verdict {
        let from = [Unit::Picked, Unit::Allocated, Unit::Backordered];
        self.node_fact(fact, &from, (Unit::Ready, false), effects)
    }

    pub(super) fn shipped(&mut self, fact: NodeFact, effects: &mut Effects<'_>) -> Verdict {
        self.node_fact(fact, &LEAVING, (Unit::Shipped, false), effects)
    }

    /// The customer collected them: shipped, and delivered at once.
    pub(super) fn handed_over(&mut self, fact: NodeFact, effects: &mut Effects<'_>) -> Verdict {
        self.node_fact(fact, &LEAVING, (Unit::Shipped, true), effects)
    }

    pub(super) fn returned(&mut self, fact: NodeFact, effects: &mut Effects<'_>) -> Verdict {
        self.node_fact(fact, &[], (Unit::Returned, false), effects)
    }

    fn node_fact(
        &mut self,
        fact: NodeFact,
        from: &[Unit],
        (to, delivers): (Unit, bool),
        effects: &mut Effects<'_>,
    ) -> Verdict {
        let known = self.state.orders.contains_key(&fact.order);
        // Goods may come back to a node that we hear of for the first time.
        let node = self.index.nodes.get(&fact.node).copied();
        let node = node.or_else(|| (known && to == Unit::Returned).then(|| self.node_number(&fact.node)));
        let (Some(node), true) = (node, known) else {
            effects.exception(Exception::Unmatched);
            return (Outcome::Applied, Answer::Done);
        };
        let step = Step { node, from, to, delivers };
        self.with_order(fact.order, |engine, order| {
            let before = order.work();
            let mut moved = Qty::ZERO;
            let since = order.fulfilments.iter().filter(|f| f.node == node).map(|f| f.since).min();
            if fact.lines.is_empty() {
                for line in 0..order.lines.len() {
                    moved += engine.move_all(order, line, &step, fact.restock, effects);
                }
                if moved.is_zero() {
                    effects.exception(Exception::Unmatched);
                }
            }
            for named in &fact.lines {
                // An amend may have left units of an older line of that name at the node.
                let lines = (0..order.lines.len()).filter(|i| order.lines[*i].name == named.line);
                let mut lines: Vec<usize> = lines.collect();
                lines.sort_by_key(|i| order.lines[*i].listed);
                let Some(last) = lines.last().copied() else {
                    effects.exception(Exception::Unmatched);
                    continue;
                };
                let Some(mut left) = named.qty else {
                    for line in lines {
                        moved += engine.move_all(order, line, &step, fact.restock, effects);
                    }
                    continue;
                };
                for line in lines.into_iter().filter(|line| *line != last) {
                    let most = engine.units_there(order, line, &step, true);
                    let part = Qty(left.0.min(most.0));
                    moved += engine.move_stated(order, line, part, &step, fact.restock, effects);
                    left -= part;
                }
                moved += engine.move_stated(order, last, left, &step, fact.restock, effects);
            }
            if to != Unit::Returned && moved.is_positive() {
                // Who does it has seen it.
                let mine = order.fulfilments.iter_mut().filter(|f| f.node == node);
                mine.for_each(|f| f.accepted |= (f.picked + f.ready).is_positive());
            }
            effects.touch_order(order.id);
            if let (Unit::Shipped, true, Some(since)) = (to, moved.is_positive(), since) {
                let (now, served) = (engine.state.clock.engine, engine.state.clock.service());
                engine.state.nodes[node as usize].score.shipped(now, served - since);
                effects.touch_node(node);
            }
            if let (Some(duty), Unit::Shipped) = (&mut order.duty, to) {
                duty.tracking.clone_from(&fact.tracking);
            }
            if to == Unit::Shipped {
                // What it shipped it knows; others may have lost work to it.
                let others = order.with_work_of(node, before.clone());
                effects.tell_nodes(&engine.state, order, &others, false);
            }
            engine.settle(order, effects);
            if to == Unit::Shipped && moved.is_positive() {
                let event = if delivers { "delivered" } else { "shipped" };
                effects.notify(&engine.state, order, event, None, fact.tracking.as_deref());
                effects.refund_due(&engine.state, order);
            }
            if to == Unit::Returned {
                effects.tell_nodes(&engine.state, order, &before, false);
            }
        });
        (Outcome::Applied, Answer::Done)
    }

    /// Moves all that the node has of a line: what is from stock; only where it has nothing else, what was to come.
    fn move_all(
        &mut self,
        order: &mut Order,
        line: usize,
        step: &Step<'_>,
        restock: bool,
        effects: &mut Effects<'_>,
    ) -> Qty {
        let from_stock = self.units_there(order, line, step, false);
        let all = if from_stock.is_zero() { self.units_there(order, line, step, true) } else { from_stock };
        let all = match step.delivers {
            true if all.is_zero() => self.on_the_way(order, line, step.node),
            _ => all,
        };
        self.move_stated(order, line, all, step, restock, effects)
    }

    /// Moves so many units of a line at the node, as stated. What the node was not to have comes from what is open,
    /// else from what was cancelled, else it is more than was ordered.
    fn move_stated(
        &mut self,
        order: &mut Order,
        line: usize,
        stated: Qty,
        step: &Step<'_>,
        restock: bool,
        effects: &mut Effects<'_>,
    ) -> Qty {
        let Step { node, from, to, delivers } = *step;
        let mut left = stated.floor_zero();
        if left.is_zero() {
            return Qty::ZERO;
        }
        let fits = order.at_node(line, node).is_some() || order.fulfilments.len() < FULFILMENTS_MOST;
        let place = Some(node);
        let number = line as u16;
        // What was told to be shipped before may be collected now.
        let on_the_way = if delivers { self.on_the_way(order, line, node) } else { Qty::ZERO };
        for unit in from {
            let there = order.at_node(line, node).and_then(|f| f.units(*unit).copied()).unwrap_or_default();
            let part = Qty(there.0.min(left.0));
            effects.shift(&mut self.state, order, number, place, (*unit, to), part);
            left -= part;
        }
        left -= on_the_way.min(left);
        if to == Unit::Returned {
            let out = order.shipped(line) - order.returned(line);
            let part = if fits { Qty(out.0.min(left.0)) } else { Qty::ZERO };
            effects.shift(&mut self.state, order, number, place, (Unit::Shipped, to), part);
            let sku = order.lines[line].sku;
            if restock && !self.state.skus[sku as usize].untracked() {
                self.apply_stock(sku, node, StockCause::Return, left, Qty::ZERO, None, effects);
            }
            left -= part;
        }
        if to == Unit::Shipped {
            left = self.close_weight(order, line, left, step, effects);
        }
        if to == Unit::Shipped && fits && left.is_positive() {
            let open = Qty(order.lines[line].open.0.min(left.0));
            effects.shift(&mut self.state, order, number, place, (Unit::Open, to), open);
            left -= open;
            left -= self.take_offered(order, line, left, node, effects);
            left -= self.take_over(order, line, left, node, effects);
            let cancelled = Qty(order.lines[line].cancelled.0.min(left.0));
            if cancelled.is_positive() {
                effects.exception(Exception::ShippedAfterCancel(cancelled));
                effects.shift(&mut self.state, order, number, place, (Unit::Cancelled, to), cancelled);
                left -= cancelled;
            }
            if left.is_positive() {
                effects.exception(Exception::OverShipped(left));
                if order.declined.contains(&node) {
                    // It had given them back: no other zone is to send them again either.
                    order.recall(line, left, Unit::Outside);
                }
                effects.shift(&mut self.state, order, number, place, (Unit::Outside, to), left);
                left = Qty::ZERO;
            }
        }
        if left.is_positive() {
            effects.exception(Exception::Unmatched);
        }
        if to == Unit::Shipped {
            let here = order.shipped(line) - order.lines[line].delivered;
            let early = order.lines[line].delivered_early.min(here.floor_zero());
            order.lines[line].delivered_early -= early;
            effects.shift(&mut self.state, order, number, None, (Unit::Shipped, Unit::Delivered), early);
        }
        if delivers {
            let moved = stated.floor_zero() - left;
            let here = (order.shipped(line) - order.lines[line].delivered).floor_zero().min(moved);
            effects.shift(&mut self.state, order, number, None, (Unit::Shipped, Unit::Delivered), here);
        }
        stated.floor_zero() - left
    }

    /// Units of a line that were offered, and that the node shipped without a claim: nobody else is to send them. What
    /// is left of those offers is routed anew. Returns how many there were.
    fn take_offered(
        &mut self,
        order: &mut Order,
        line: usize,
        qty: Qty,
        node: u32,
        effects: &mut Effects<'_>,
    ) -> Qty {
        if !qty.is_positive() || order.lines[line].held.is_zero() {
            return Qty::ZERO;
        }
        self.withdraw_line(order, line, qty, effects);
        let part = order.lines[line].open.min(qty);
        effects.shift(&mut self.state, order, line as u16, Some(node), (Unit::Open, Unit::Shipped), part);
        part
    }

    /// A node that lost its work of the order has shipped it all the same: nobody else is to send these units again.
    /// Returns how many were taken from others who had not picked them.
    fn take_over(
        &mut self,
        order: &mut Order,
        line: usize,
        qty: Qty,
        node: u32,
        effects: &mut Effects<'_>,
    ) -> Qty {
        if !order.declined.contains(&node) || !qty.is_positive() {
            return Qty::ZERO;
        }
        let taken = self.take_back_here(order, line, qty, Unit::Open, effects);
        let step = (Unit::Open, Unit::Shipped);
        effects.shift(&mut self.state, order, line as u16, Some(node), step, taken);
        taken
    }

    /// Units of a line that the node shipped and that nobody has received.
    fn on_the_way(&self, order: &mut Order, line: usize, node: u32) -> Qty {
        let here = order.at_node(line, node).map_or(Qty::ZERO, |f| f.shipped);
        (order.shipped(line) - order.lines[line].delivered).floor_zero().min(here)
    }

    /// The units of a line that the step can take at the node. `all`: those promised beyond stock as well.
    fn units_there(&self, order: &mut Order, line: usize, step: &Step<'_>, all: bool) -> Qty {
        if step.to == Unit::Returned {
            // Without a quantity: what this node shipped, less what came back anywhere.
            let here = order.at_node(line, step.node).map_or(Qty::ZERO, |f| f.shipped);
            let out = order.shipped(line) - order.returned(line);
            return Qty(here.0.min(out.0));
        }
        let wanted = step.from.iter().filter(|u| all || **u != Unit::Backordered);
        let Some(f) = order.at_node(line, step.node) else { return Qty::ZERO };
        wanted.filter_map(|u| f.units(*u).copied()).sum()
    }

    /// Goods sold by weight: a difference within the item's tolerance closes what the node had of the line. `extra`:
    /// shipped beyond that. Returns how much of it is still to be explained.
    fn close_weight(
        &mut self,
        order: &mut Order,
        line: usize,
        extra: Qty,
        step: &Step<'_>,
        effects: &mut Effects<'_>,
    ) -> Qty {
        let sku = &self.state.skus[order.lines[line].sku as usize];
        let tolerance = sku.item.as_ref().map_or(0, |i| i64::from(i.tolerance));
        if tolerance == 0 {
            return extra;
        }
        let from = [Unit::Ready, Unit::Picked, Unit::Allocated];
        let stock = Step { from: &from, ..*step };
        let rest = self.units_there(order, line, &stock, true);
        let shipped = order.at_node(line, step.node).map_or(Qty::ZERO, |f| f.shipped);
        let within = |difference: Qty, planned: Qty| {
            i128::from(difference.0) * 1000 <= i128::from(planned.0) * i128::from(tolerance)
        };
        if rest.is_positive() && !within(rest, shipped + rest) {
            // Far less is another parcel to come; a little less is a scale that nobody expected.
            if within(Qty(rest.0 / SHORT_FACTOR), shipped + rest) {
                effects.exception(Exception::Short(rest));
            }
        } else if rest.is_positive() {
            effects.exception(Exception::CatchWeight(-rest));
            for unit in from {
                let part = order.at_node(line, step.node).and_then(|f| f.units(unit).copied());
                let moves = (unit, Unit::Cancelled);
                let part = part.unwrap_or_default();
                effects.shift(&mut self.state, order, line as u16, Some(step.node), moves, part);
            }
        } else if extra.is_positive() && shipped.is_positive() && within(extra, shipped) {
            effects.exception(Exception::CatchWeight(extra));
            let moves = (Unit::Outside, Unit::Shipped);
            effects.shift(&mut self.state, order, line as u16, Some(step.node), moves, extra);
            return Qty::ZERO;
        }
        extra
    }
}
