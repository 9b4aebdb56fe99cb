//! The waterfall: rule after rule, action after action, for what is still open.

use std::collections::BTreeMap;

use super::{
    Model, Part, Spot,
    plan::{Take, keeps_groups, less},
    rank::Asked,
};
use crate::conformance::rules::{Action, Rule};

const UNFILLABLE: &str = "unfillable";

impl Model {
    /// From the first rule of its routing. Its own hold is given back before.
    pub(super) fn route(&mut self, id: &str) {
        // Not by the step that is being done: nobody asked for it.
        let released = self.released.clone();
        if self.drop_holds(id, None, i64::MAX) > 0 {
            self.resting.insert(id.to_owned());
        }
        self.released = released;
        let channel = self.orders[id].channel.clone();
        let owns = |of: &Option<String>| of.as_ref().is_none_or(|of| *of == channel);
        match self.rules.routings.iter().position(|r| owns(&r.channel)) {
            Some(routing) => self.walk(id, Spot { routing, rule: 0, action: 0 }),
            None => {
                self.clear_queue(id);
                self.park(id, UNFILLABLE);
            }
        }
    }

    /// From a place in the waterfall on.
    pub(super) fn walk(&mut self, id: &str, from: Spot) {
        self.clear_queue(id);
        let rules = self.rules.routings[from.routing].rules.clone();
        for (number, rule) in rules.iter().enumerate().skip(from.rule) {
            if !self.is_open(id) {
                return;
            }
            let first = if number == from.rule { from.action } else { 0 };
            let spot = Spot { routing: from.routing, rule: number, action: first };
            if self.run_rule(id, rule, spot) {
                return;
            }
        }
        self.park(id, UNFILLABLE);
    }

    /// Returns whether the walk ends with it.
    fn run_rule(&mut self, id: &str, rule: &Rule, spot: Spot) -> bool {
        let ranked = self.ranked_for(id, rule);
        let mut plan = self.plan(id, rule, &ranked);
        let usable = plan.is_some();
        for (number, action) in rule.actions.iter().enumerate().skip(spot.action) {
            if !self.is_open(id) {
                return true;
            }
            match action {
                Action::Allocate {} => {
                    for take in plan.replace(Vec::new()).filter(|_| usable).unwrap_or_default() {
                        self.give(id, &take, false);
                        self.counts_for(&rule.id, id);
                    }
                }
                Action::Backorder {} if usable => {
                    let left = less(&self.open(id), plan.as_deref().unwrap_or_default());
                    for take in self.backorderable(id, &left, &ranked, keeps_groups(rule)) {
                        self.give(id, &take, true);
                        self.counts_for(&rule.id, id);
                    }
                }
                Action::Backorder {} => {}
                Action::Offer { .. } => {
                    let spot = Spot { action: number, ..spot };
                    let before = self.open(id);
                    let parts = by_node(plan.as_deref().unwrap_or_default());
                    if !usable {
                        let all = self.open(id).into_iter().enumerate().filter(|(_, q)| *q > 0).collect();
                        self.make_offer(id, spot, all, &ranked);
                    }
                    for part in parts {
                        self.make_offer(id, spot, part, &ranked);
                    }
                    if self.open(id) != before {
                        plan = Some(Vec::new());
                    }
                }
                Action::NextRule {} => return false,
                Action::Queue { name } => {
                    self.park(id, name);
                    return true;
                }
            }
        }
        !self.is_open(id)
    }

    /// A rule's candidates for what is open.
    fn ranked_for(&self, id: &str, rule: &Rule) -> Vec<String> {
        let lines: Vec<_> = self.open(id).into_iter().enumerate().collect();
        self.ranked_by(id, rule, &lines)
    }

    /// A rule's candidates for these units.
    pub(super) fn ranked_by(&self, id: &str, rule: &Rule, lines: &[(usize, i64)]) -> Vec<String> {
        let order = &self.orders[id];
        let mut wanted = BTreeMap::new();
        for (line, qty) in lines.iter().filter(|(_, q)| *q > 0) {
            *wanted.entry(order.lines[*line].sku.clone()).or_default() += qty;
        }
        self.ranked(rule, &Asked { id: Some(id), order, wanted })
    }

    pub(super) fn is_open(&self, id: &str) -> bool {
        self.open(id).iter().any(|o| *o > 0)
    }

    pub(super) fn give(&mut self, id: &str, take: &Take, backorder: bool) {
        let order = self.orders.get_mut(id).unwrap();
        let part = order.parts.iter().position(|p| p.node == take.node && p.line == take.line);
        let part = part.unwrap_or_else(|| {
            let node = take.node.clone();
            order.parts.push(Part { line: take.line, node, on_hand: 0, backorder: 0, shipped: 0 });
            order.parts.len() - 1
        });
        let part = &mut order.parts[part];
        *(if backorder { &mut part.backorder } else { &mut part.on_hand }) += take.qty;
    }

    pub(super) fn counts_for(&mut self, rule: &str, id: &str) {
        self.by_rule.entry(rule.to_owned()).or_default().insert(id.to_owned());
    }

    fn clear_queue(&mut self, id: &str) {
        let order = self.orders.get_mut(id).unwrap();
        order.queue = None;
        order.given_back = false;
    }

    fn park(&mut self, id: &str, queue: &str) {
        if self.is_open(id) {
            self.orders.get_mut(id).unwrap().queue = Some(queue.to_owned());
        }
    }
}

/// The planned fulfilments, in rank order.
fn by_node(plan: &[Take]) -> Vec<Vec<(usize, i64)>> {
    let mut parts: Vec<(&str, Vec<(usize, i64)>)> = Vec::new();
    for take in plan {
        match parts.iter_mut().find(|(node, _)| *node == take.node) {
            Some((_, lines)) => lines.push((take.line, take.qty)),
            None => parts.push((&take.node, vec![(take.line, take.qty)])),
        }
    }
    parts.into_iter().map(|(_, lines)| lines).collect()
}
