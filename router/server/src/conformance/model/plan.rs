//! Plans: which node is to give what.

use std::collections::{BTreeMap, BTreeSet};

use super::{Model, NO_LIMIT};
use crate::conformance::{
    format::Amount,
    rules::{Action, Assignment, Rule},
};

/// So much of a line, at a node.
#[derive(Clone, Debug)]
pub struct Take {
    pub node: String,
    pub line: usize,
    pub qty: i64,
}

impl Model {
    /// What is neither shipped, cancelled, at a node nor offered, line by line.
    pub(super) fn open(&self, id: &str) -> Vec<i64> {
        let order = &self.orders[id];
        let mut open: Vec<i64> = order.lines.iter().map(|l| l.wanted).collect();
        for part in &order.parts {
            open[part.line] -= part.on_hand + part.backorder;
        }
        for offer in self.offers.iter().filter(|o| o.open && o.order == id) {
            for (line, qty) in &offer.lines {
                open[*line] -= qty;
            }
        }
        assert!(open.iter().all(|o| *o >= 0), "{id}: more is given than wanted");
        open
    }

    /// The node can give all of these lines, on hand.
    pub(super) fn can_fill(&self, id: &str, node: &str, lines: &[(usize, i64)]) -> bool {
        let order = &self.orders[id];
        let mut wanted: BTreeMap<&str, i64> = BTreeMap::new();
        for (line, qty) in lines {
            let line = &order.lines[*line];
            if line.node.as_deref().is_some_and(|pin| pin != node) {
                return false;
            }
            *wanted.entry(&line.sku).or_default() += qty;
        }
        wanted.iter().all(|(sku, qty)| self.atp(node, sku) >= *qty && self.bound(id, sku) >= *qty)
    }

    /// The plan of a rule; `None`: there is none that may be used.
    pub(super) fn plan(&self, id: &str, rule: &Rule, ranked: &[String]) -> Option<Vec<Take>> {
        let open = self.open(id);
        let (partial, max_splits, least, keep) = match rule.assignment.as_ref() {
            None | Some(Assignment::Single {}) => {
                let lines: Vec<_> = open.iter().copied().enumerate().filter(|(_, q)| *q > 0).collect();
                let node = ranked.iter().find(|n| self.can_fill(id, n, &lines))?;
                let take = |(line, qty)| Take { node: node.clone(), line, qty };
                return Some(lines.into_iter().map(take).collect());
            }
            Some(Assignment::Multi { partial, max_splits, min_shipment_value, keep_groups }) => {
                (*partial, *max_splits, *min_shipment_value, *keep_groups)
            }
        };
        let mut plan = self.greedy(id, &open, ranked, keep);
        let mut left = self.left_open(id, rule, ranked, &open, &plan);
        if let Some(most) = max_splits.map(|m| m as usize)
            && nodes_of(&plan).len() > most
        {
            (plan, left) = subsets(ranked, most).into_iter().find_map(|nodes| {
                let plan = self.greedy(id, &open, &nodes, keep);
                let left = self.left_open(id, rule, ranked, &open, &plan);
                left.iter().all(|l| *l == 0).then_some((plan, left))
            })?;
        }
        let some_left = left.iter().any(|l| *l > 0);
        if some_left && !partial {
            return None;
        }
        if let Some(Amount(least)) = least
            && (nodes_of(&plan).len() > 1 || some_left)
        {
            let lines = &self.orders[id].lines;
            let worth = |line: usize, qty: i64| i128::from(qty) * i128::from(lines[line].price);
            let mut values: BTreeMap<&str, i128> = BTreeMap::new();
            for take in &plan {
                *values.entry(&take.node).or_default() += worth(take.line, take.qty);
            }
            let mut values: Vec<i128> = values.into_values().collect();
            if some_left {
                values.push(left.iter().enumerate().map(|(line, qty)| worth(line, *qty)).sum());
            }
            if values.iter().any(|v| *v < i128::from(least) * 1000) {
                return None;
            }
        }
        Some(plan)
    }

    fn greedy(&self, id: &str, open: &[i64], nodes: &[String], keep: bool) -> Vec<Take> {
        let give = |node: &str, sku: &str| self.atp(node, sku);
        self.spread(id, open, nodes, keep, &give, &|sku| self.bound(id, sku))
    }

    /// What `backorder` can take of these quantities.
    pub(super) fn backorderable(&self, id: &str, left: &[i64], ranked: &[String], keep: bool) -> Vec<Take> {
        let give = |node: &str, sku: &str| self.backorder_left(node, sku);
        self.spread(id, left, ranked, keep, &give, &|_| NO_LIMIT)
    }

    fn left_open(&self, id: &str, rule: &Rule, ranked: &[String], open: &[i64], plan: &[Take]) -> Vec<i64> {
        let mut left = less(open, plan);
        if rule.actions.contains(&Action::Backorder {}) {
            let later = self.backorderable(id, &left, ranked, keeps_groups(rule));
            left = less(&left, &later);
        }
        left
    }

    /// Node after node, unit after unit: as much as each can give.
    fn spread(
        &self,
        id: &str,
        wanted: &[i64],
        nodes: &[String],
        keep: bool,
        give: &dyn Fn(&str, &str) -> i64,
        bound: &dyn Fn(&str) -> i64,
    ) -> Vec<Take> {
        let order = &self.orders[id];
        let mut left = wanted.to_vec();
        let mut bounds: BTreeMap<&str, i64> = BTreeMap::new();
        for line in &order.lines {
            bounds.insert(&line.sku, bound(&line.sku));
        }
        let mut takes = Vec::new();
        for node in nodes {
            let mut here: BTreeMap<&str, i64> = BTreeMap::new();
            for line in &order.lines {
                here.insert(&line.sku, give(node, &line.sku));
            }
            for unit in self.units(id, node, keep) {
                let lines: Vec<usize> = unit.into_iter().filter(|l| left[*l] > 0).collect();
                if lines.iter().any(|l| order.lines[*l].node.as_ref().is_some_and(|pin| pin != node)) {
                    continue;
                }
                let grouped = keep && lines.iter().any(|l| order.lines[*l].group.is_some());
                if grouped {
                    let mut needs: BTreeMap<&str, i64> = BTreeMap::new();
                    for line in &lines {
                        *needs.entry(&order.lines[*line].sku).or_default() += left[*line];
                    }
                    if needs.iter().any(|(sku, need)| *need > here[sku].min(bounds[sku])) {
                        continue;
                    }
                }
                for line in lines {
                    let sku = order.lines[line].sku.as_str();
                    let qty = left[line].min(here[sku]).min(bounds[sku]);
                    if qty > 0 {
                        left[line] -= qty;
                        *here.get_mut(sku).unwrap() -= qty;
                        *bounds.get_mut(sku).unwrap() -= qty;
                        takes.push(Take { node: node.clone(), line, qty });
                    }
                }
            }
        }
        takes
    }

    /// Lines that go together, in the order in which a node serves them: pinned to it, kept groups, others.
    fn units(&self, id: &str, node: &str, keep: bool) -> Vec<Vec<usize>> {
        let lines = &self.orders[id].lines;
        let mut units: Vec<Vec<usize>> = Vec::new();
        for (n, line) in lines.iter().enumerate() {
            let group = line.group.as_ref().filter(|_| keep);
            let same = |u: &Vec<usize>| group.is_some() && lines[u[0]].group.as_ref() == group;
            match units.iter().position(same) {
                Some(place) => units[place].push(n),
                None => units.push(vec![n]),
            }
        }
        let class = |unit: &Vec<usize>| {
            if unit.iter().any(|l| lines[*l].node.as_deref() == Some(node)) {
                0
            } else if keep && lines[unit[0]].group.is_some() {
                1
            } else {
                2
            }
        };
        units.sort_by_key(class);
        units
    }
}

pub fn keeps_groups(rule: &Rule) -> bool {
    matches!(rule.assignment, Some(Assignment::Multi { keep_groups: true, .. }))
}

/// What is left of these quantities.
pub fn less(open: &[i64], takes: &[Take]) -> Vec<i64> {
    let mut left = open.to_vec();
    for take in takes {
        left[take.line] -= take.qty;
    }
    left
}

fn nodes_of(plan: &[Take]) -> BTreeSet<&str> {
    plan.iter().map(|t| t.node.as_str()).collect()
}

/// Subsets of up to so many, smaller ones first, those of one size in lexicographic order of place.
fn subsets(ranked: &[String], most: usize) -> Vec<Vec<String>> {
    let mut sets = Vec::new();
    let mut of_size: Vec<Vec<usize>> = vec![Vec::new()];
    for _ in 0..most {
        let mut next = Vec::new();
        for set in &of_size {
            let from = set.last().map_or(0, |l| l + 1);
            for n in from..ranked.len() {
                let mut larger = set.clone();
                larger.push(n);
                next.push(larger);
            }
        }
        sets.extend(next.iter().map(|set| set.iter().map(|n| ranked[*n].clone()).collect()));
        of_size = next;
    }
    sets
}
