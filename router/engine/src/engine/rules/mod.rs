//! Stand-in.

use router_schemas::{
    event::{Queue, Unit},
    quantity::Qty,
    rules::{Action, Assignment, Late, Reason},
};
use serde::{Deserialize, Serialize};

use smallvec::SmallVec;

use super::{Engine, choose, effects::Effects, nodes::Filters, order::Order};

pub type Part = SmallVec<[(u16, Qty); 4]>;

pub struct Asked<'a> {
    pub behind: Spot,
    pub offer: &'a router_schemas::rules::Offer,
    pub parts: Vec<Part>,
    pub ranked: &'a [u32],
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spot {
    pub set: String,
    pub version: u32,
    pub routing: u16,
    pub rule: u16,
    pub action: u16,
}

impl Engine {
    fn ranked_stand_in(&self, order: &Order) -> Vec<u32> {
        let filters = Filters::of(&self.state, order);
        let mut nodes: Vec<u32> = (0..self.state.nodes.len() as u32)
            .filter(|n| filters.pass_standing(*n) && filters.pass_now(*n))
            .filter(|n| !order.declined.contains(n) && self.may_claim(*n))
            .filter(|n| {
                self.state.nodes[*n as usize].cool_until.is_none_or(|t| t <= self.state.clock.service())
            })
            .collect();
        let pinned = choose::Pinned { only: None, first: &[] };
        nodes.sort_by_key(|n| choose::rank(&self.state, order, &pinned, *n));
        nodes
    }

    pub(super) fn ranked_at(
        &mut self,
        order: &Order,
        spot: &Spot,
        _lines: &[(u16, Qty)],
    ) -> Option<Vec<u32>> {
        let set = self.state.rule_set.as_ref()?;
        (set.version == spot.version).then(|| self.ranked_stand_in(order))
    }

    pub(super) fn resume(&mut self, order: &mut Order, spot: &Spot, effects: &mut Effects<'_>) {
        let current = self.state.rule_set.as_ref().is_some_and(|s| s.version == spot.version);
        let from = if current { (spot.rule, spot.action) } else { (0, 0) };
        self.walk(order, from, effects);
    }

    pub(super) fn walk(&mut self, order: &mut Order, from: (u16, u16), effects: &mut Effects<'_>) {
        let set = self.state.rule_set.clone().unwrap_or_default();
        let routing = &set.routings[0];
        let mut from = from;
        for (n, rule) in routing.rules.iter().enumerate().skip(usize::from(from.0)) {
            let ranked = self.ranked_stand_in(order);
            let open: Vec<(u16, Qty)> = (0u16..)
                .zip(&order.lines)
                .filter(|(_, l)| l.open.is_positive())
                .map(|(n, l)| (n, l.open))
                .collect();
            let mut plan = Vec::new();
            let whole = ranked.iter().find(|n| self.can_fill(order, **n, &open));
            if let Some(node) = whole {
                plan.extend(open.iter().map(|(l, q)| (*l, *node, *q)));
            } else if matches!(rule.assignment, Assignment::Multi(_)) {
                let mut left = open.clone();
                for node in &ranked {
                    let mut used: Vec<(u32, Qty)> = Vec::new();
                    for (line, qty) in &mut left {
                        let sku = order.lines[usize::from(*line)].sku;
                        let taken: Qty = used.iter().filter(|u| u.0 == sku).map(|u| u.1).sum();
                        let there = choose::available(&self.state, sku, *node, *qty + taken) - taken;
                        let bound =
                            self.state.pool_atp(order, sku) - self.state.unpinned_of_others(order, sku);
                        let all: Qty = plan
                            .iter()
                            .filter(|p: &&(u16, u32, Qty)| order.lines[usize::from(p.0)].sku == sku)
                            .map(|p| p.2)
                            .sum();
                        let part = there.min(bound - all).floor_zero();
                        used.push((sku, part));
                        if part.is_positive() {
                            plan.push((*line, *node, part));
                            *qty -= part;
                        }
                    }
                }
            }
            let skip = std::mem::take(&mut from.1);
            from.0 = 0;
            for (a, action) in rule.actions.iter().enumerate().skip(usize::from(skip)) {
                if order.lines.iter().all(|l| l.open.is_zero()) {
                    return;
                }
                match action {
                    Action::Offer(terms) => {
                        let mut parts: Vec<(u32, Part)> = Vec::new();
                        for (line, node, qty) in plan.iter().copied() {
                            match parts.iter().position(|p| p.0 == node) {
                                Some(place) => parts[place].1.push((line, qty)),
                                None => parts.push((node, SmallVec::from_slice(&[(line, qty)]))),
                            }
                        }
                        if parts.is_empty() {
                            parts.push((0, open.iter().copied().collect()));
                        }
                        let asked = Asked {
                            behind: Spot {
                                set: set.name.clone(),
                                version: set.version,
                                routing: 0,
                                rule: n as u16,
                                action: a as u16 + 1,
                            },
                            offer: terms,
                            parts: parts.into_iter().map(|p| p.1).collect(),
                            ranked: &ranked,
                        };
                        self.open_offers(order, &asked, effects);
                    }
                    Action::Allocate { .. } => {
                        for (line, node, qty) in &plan {
                            let step = (Unit::Open, Unit::Allocated);
                            effects.shift(&mut self.state, order, *line, Some(*node), step, *qty);
                        }
                    }
                    Action::Queue(name) => {
                        order.queue = Some(Queue::Named(name.clone()));
                        return;
                    }
                    _ => {}
                }
            }
        }
        order.queue = Some(Queue::Unfillable);
    }

    pub(super) fn can_fill(&self, order: &Order, node: u32, lines: &[(u16, Qty)]) -> bool {
        let needs = order.needs(lines);
        let name = self.state.node_name(node);
        let binds_elsewhere = |line: &(u16, Qty)| {
            let pin = order.lines[usize::from(line.0)].pin.as_ref().or(order.pin.as_ref());
            pin.is_some_and(|(there, kind)| {
                *kind != router_schemas::command::order::PinKind::Prefer && there != name
            })
        };
        !lines.iter().any(binds_elsewhere)
            && needs.iter().all(|(sku, qty)| choose::available(&self.state, *sku, node, *qty) == *qty)
            && needs.iter().all(|(sku, qty)| {
                let others = self.state.unpinned_of_others(order, *sku);
                let bound = others.is_positive() && !self.state.skus[*sku as usize].untracked();
                !bound || self.state.pool_atp(order, *sku) >= *qty + others
            })
    }

    pub(super) fn closes_short(&self, _node: u32) -> bool {
        self.state.rule_set.as_ref().is_none_or(|s| s.retry == router_schemas::rules::Retry::AnyChange)
    }

    pub(super) fn made_by(
        &self,
        _order: &Order,
        spot: &Spot,
    ) -> Option<((String, u32, String, String), bool, bool)> {
        let set = self.state.rule_set.as_ref()?;
        let rule = &set.routings[0].rules[usize::from(spot.rule)];
        let groups = matches!(rule.assignment, Assignment::Multi(m) if m.keep_groups);
        Some(((set.name.clone(), set.version, "all".into(), rule.id.clone()), rule.ignore_capacity, groups))
    }

    pub(super) fn start_work(&mut self, _: &mut Order, _: u32, _: Option<i64>, _: Option<i64>, _: Late) {}

    pub(super) fn reason_of(&self, _order: &Order, name: &str) -> Option<Reason> {
        let reasons = self.state.rule_set.as_ref().map_or(&[][..], |s| &s.reasons);
        match reasons.is_empty() {
            true => Some(Reason { id: name.to_owned(), ..Reason::default() }),
            false => reasons.iter().find(|r| r.id == name).cloned(),
        }
    }
}
