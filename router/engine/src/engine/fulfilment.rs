//! What a node states of the units it has: picked, ready, shipped, returned.

use router_schemas::{
    command::fulfilment::NodeFact,
    event::{Change, Exception, Outcome, StockCause, Unit},
    quantity::Qty,
    reply::Answer,
};

use super::{Engine, Verdict, effects::Effects, state::Order};

impl Engine {
    pub(super) fn picked(&mut self, fact: NodeFact, effects: &mut Effects<'_>) -> Verdict {
        self.node_fact(fact, &[Unit::Allocated], Unit::Picked, effects)
    }

    pub(super) fn ready(&mut self, fact: NodeFact, effects: &mut Effects<'_>) -> Verdict {
        self.node_fact(fact, &[Unit::Picked, Unit::Allocated], Unit::Ready, effects)
    }

    pub(super) fn shipped(&mut self, fact: NodeFact, effects: &mut Effects<'_>) -> Verdict {
        self.node_fact(fact, &[Unit::Ready, Unit::Picked, Unit::Allocated], Unit::Shipped, effects)
    }

    pub(super) fn returned(&mut self, fact: NodeFact, effects: &mut Effects<'_>) -> Verdict {
        self.node_fact(fact, &[Unit::Shipped], Unit::Returned, effects)
    }

    /// Moves units at the node towards `to`, taking them from the states in `from`, in that order. What the
    /// fact states beyond that is a visible exception.
    fn node_fact(&mut self, fact: NodeFact, from: &[Unit], to: Unit, effects: &mut Effects<'_>) -> Verdict {
        let node = self.index.nodes.get(&fact.node).copied();
        let (Some(node), Some(mut order)) = (node, self.state.orders.remove(&fact.order)) else {
            effects.change(Change::Exception(Exception::Unmatched));
            return (Outcome::Applied, Answer::Done);
        };
        let before = order.work();
        let mut moved = Qty::ZERO;
        for line in 0..order.lines.len() {
            let named = fact.lines.iter().find(|l| l.line == order.lines[line].name);
            if !fact.lines.is_empty() && named.is_none() {
                continue;
            }
            let stated = named.and_then(|l| l.qty);
            let mut left = stated.unwrap_or(router_schemas::limits::QTY_MAX);
            for unit in from {
                let part = self.units_there(&mut order, line, node, *unit).0.min(left.0);
                effects.shift(&mut self.state, &mut order, line as u16, Some(node), (*unit, to), Qty(part));
                left -= Qty(part);
                moved += Qty(part);
                let sku = order.lines[line].sku;
                if to == Unit::Returned
                    && fact.restock
                    && part > 0
                    && !self.state.skus[sku as usize].untracked()
                {
                    self.apply_stock(sku, node, StockCause::Return, Qty(part), Qty::ZERO, None, effects);
                }
            }
            if stated.is_some() && left.is_positive() {
                let cancelled = order.lines[line].cancelled.is_positive();
                effects.change(Change::Exception(match to {
                    Unit::Shipped if cancelled => Exception::ShippedAfterCancel(left),
                    Unit::Shipped => Exception::OverShipped(left),
                    _ => Exception::Unmatched,
                }));
            }
        }
        if fact.lines.iter().any(|l| order.line(&l.line).is_none())
            || (moved.is_zero() && fact.lines.is_empty())
        {
            effects.change(Change::Exception(Exception::Unmatched));
        }
        effects.touch_order(order.id);
        self.settle(&mut order, effects);
        if to == Unit::Shipped && moved.is_positive() {
            effects.notify(&self.state, &order, "shipped", None, fact.tracking.as_deref());
        } else if to == Unit::Returned {
            self.tell_nodes(&order, &before, effects);
        }
        self.state.orders.insert(order.id, order);
        (Outcome::Applied, Answer::Done)
    }

    fn units_there(&self, order: &mut Order, line: usize, node: u32, unit: Unit) -> Qty {
        let found = order.fulfilments.iter_mut().find(|f| f.node == node && usize::from(f.line) == line);
        found.map_or(Qty::ZERO, |f| {
            let returned = if unit == Unit::Shipped { f.returned } else { Qty::ZERO };
            f.units(unit).map_or(Qty::ZERO, |u| *u) - returned
        })
    }
}
