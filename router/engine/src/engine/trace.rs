//! The full story of a choice: every node that could have been asked, with the verdict of every filter and its
//! place in the ranking. Recomputed by replay, never written: nothing of it exists while tracing is off.

use router_schemas::{
    event::Decision,
    id::OrderId,
    quantity::Qty,
    rules::{Action, Assignment, Rule, RuleSet},
};
use serde::Serialize;

use super::{
    choose::{self, Demand, Pinned},
    nodes::{self, FILTERS, Filters},
    order::Order,
    roster::Eligible,
    rules::{Ask, filter, query::SortValue, sort},
    state::State,
};

/// Where choices are kept while somebody asks.
#[derive(Debug, Default)]
pub struct Trace {
    /// Of this order only; absent: of all.
    pub of: Option<OrderId>,
    /// In the order of the choices.
    pub choices: Vec<Choice>,
}

/// One choice of nodes for some of an order's open units: by one rule, or for a hard pin by none. A rule that found
/// nothing has one too.
#[derive(Debug, Clone, Serialize)]
pub struct Choice {
    /// The order.
    pub order: OrderId,
    /// Which item of the command it was made for, as the events number them.
    pub item: u16,
    /// What was looked for: SKU, bucket, quantity.
    pub demands: Vec<(String, String, Qty)>,
    /// The only node allowed, where a hard pin names one.
    pub pinned: Option<String>,
    /// Every node of the zone and every node with stock of a demand, best first; those left out last, by id.
    pub candidates: Vec<Considered>,
    /// What was decided, as the event states it, with the names of rule set, routing and rule. A choice that found
    /// nothing may have left no event.
    pub decision: Decision,
    /// How the rule spreads what is open: `single`, `multi` or `fewest`; empty: no rule chose.
    pub assignment: &'static str,
    /// What the rule does, from the action on that was its turn.
    pub actions: Vec<&'static str>,
    /// Set: it was about whom to offer it to, in this round.
    pub round: Option<u16>,
}

/// A node as the choice saw it.
#[derive(Debug, Clone, Serialize)]
pub struct Considered {
    /// The node.
    pub node: String,
    /// Each filter and whether the node passed it; one that it did not pass leaves it out.
    pub filters: Vec<(&'static str, bool)>,
    /// Each sort of the rule and what it says of the node; absent: it abstains, or the node is left out.
    pub sorts: Vec<(&'static str, Option<SortValue>)>,
    /// Open at that moment: a closed one ranks after open ones.
    pub open_now: bool,
    /// Squared chord to the customer (`geo`); absent: one of the places is not known.
    pub chord2: Option<i64>,
    /// Used for the order already, or preferred by a pin.
    pub preferred: bool,
    /// The zone's default node: wins the last tie but the id.
    pub default: bool,
    /// What it could give of each demand, in whole steps.
    pub stock: Vec<Qty>,
    /// Demands that it could fill alone.
    pub covers: u32,
    /// Place in the ranking, from 1; absent: left out by a filter.
    pub rank: Option<u32>,
    /// Chosen.
    pub taken: bool,
    /// It may claim it from now on.
    pub asked: bool,
}

/// Looks at what a choice by the built-in sorts looks at, before anything moves.
pub fn look(
    state: &State,
    eligible: Eligible<'_>,
    order: &Order,
    demands: &[Demand],
    pinned: &Pinned<'_>,
) -> Choice {
    let asked = asked(state, demands);
    let ranked = choose::ranked(state, eligible, order, demands, pinned);
    let filters_of_order = Filters::of(state, order);
    let mut all: Vec<u32> = (0..state.nodes.len() as u32)
        .filter(|n| state.nodes[*n as usize].node.zone == order.zone)
        .chain(asked.iter().copied())
        .chain(pinned.only)
        .collect();
    all.sort_unstable();
    all.dedup();
    let consider = |node: u32| {
        let place = &state.nodes[node as usize].node;
        let mut filters = Vec::with_capacity(FILTERS.len() + 2);
        filters.push(("pin", pinned.only.is_none_or(|only| only == node)));
        filters.push(("stocked", pinned.only.is_some() || asked.binary_search(&node).is_ok()));
        filters.extend(FILTERS.iter().map(|f| (f.name, (f.passes)(&filters_of_order, node))));
        let (used, open) = (pinned.first.contains(&node), nodes::is_open(state, node));
        let chord2 = order.to.zip(place.place).map(|(a, b)| a.chord2(b));
        let number = |n: i64| Some(SortValue::Number(n));
        let sorts = [
            ("used", number(i64::from(!used))),
            ("open_first", number(i64::from(!open))),
            ("distance", chord2.and_then(number)),
        ];
        let rank = rank_of(&ranked, node);
        let sorts = sorts.into_iter().map(|(name, value)| (name, value.filter(|_| rank.is_some()))).collect();
        considered(state, order, demands, (node, filters, sorts, rank), used)
    };
    let candidates = sorted(all.into_iter().map(consider).collect());
    choice(state, order, demands, pinned.only, candidates)
}

/// Looks at what a rule looks at: every node of the zone, and where the rule ranks it.
pub fn look_by(ask: &Ask<'_>, rule: &Rule, ranked: &[u32]) -> Choice {
    let Ask { state, order, demands, .. } = *ask;
    let filters_of_order = Filters::of_rule(state, order, rule.ignore_capacity);
    let consider = |node: u32| {
        let mut filters: Vec<(&'static str, bool)> =
            FILTERS.iter().map(|f| (f.name, (f.passes)(&filters_of_order, node))).collect();
        filters.extend(rule.filters.iter().map(|f| {
            let passes =
                filter::stands(state, f, node) && filter::opens(ask, f) && filter::passes_now(ask, f, node);
            (filter::name(&f.by), passes)
        }));
        let rank = rank_of(ranked, node);
        let values = match rank {
            Some(_) => sort::key(ask, rule, node),
            None => rule.sorts.iter().map(|_| None).collect(),
        };
        let sorts = rule.sorts.iter().zip(values);
        let sorts = sorts.map(|(sort, value)| (sort::name(sort), value.map(SortValue::from))).collect();
        considered(state, order, demands, (node, filters, sorts, rank), ask.used.contains(&node))
    };
    let mine = |node: &u32| state.nodes[*node as usize].node.zone == order.zone;
    let all = (0..state.nodes.len() as u32).filter(mine);
    let candidates = sorted(all.map(consider).collect());
    choice(state, order, demands, None, candidates)
}

/// Node, filters, sorts and rank.
type Judged = (u32, Vec<(&'static str, bool)>, Vec<(&'static str, Option<SortValue>)>, Option<u32>);

fn rank_of(ranked: &[u32], node: u32) -> Option<u32> {
    ranked.iter().position(|ranked| *ranked == node).map(|at| at as u32 + 1)
}

fn considered(
    state: &State,
    order: &Order,
    demands: &[Demand],
    (node, filters, sorts, rank): Judged,
    preferred: bool,
) -> Considered {
    let place = &state.nodes[node as usize].node;
    let stock: Vec<Qty> = demands.iter().map(|d| choose::available(state, d.sku, node, d.qty)).collect();
    Considered {
        node: place.id.clone(),
        filters,
        sorts,
        open_now: nodes::is_open(state, node),
        chord2: order.to.zip(place.place).map(|(a, b)| a.chord2(b)),
        preferred,
        default: place.default,
        covers: stock.iter().zip(demands).filter(|(has, d)| **has == d.qty).count() as u32,
        stock,
        rank,
        taken: false,
        asked: false,
    }
}

/// Best first; those left out last, by id.
fn sorted(mut candidates: Vec<Considered>) -> Vec<Considered> {
    candidates.sort_by(|a, b| {
        let place = |c: &Considered| c.rank.unwrap_or(u32::MAX);
        place(a).cmp(&place(b)).then_with(|| a.node.cmp(&b.node))
    });
    candidates
}

fn choice(
    state: &State,
    order: &Order,
    demands: &[Demand],
    only: Option<u32>,
    candidates: Vec<Considered>,
) -> Choice {
    let name = |d: &Demand| {
        let sku = &state.skus[d.sku as usize];
        (sku.name.clone(), sku.bucket.clone(), d.qty)
    };
    Choice {
        order: order.id,
        item: 0,
        demands: demands.iter().map(name).collect(),
        pinned: only.map(|n| state.nodes[n as usize].node.id.clone()),
        candidates,
        decision: Decision::default(),
        assignment: "",
        actions: Vec::new(),
        round: None,
    }
}

/// The nodes that have a cell of a demand; all, where one is for a SKU without stock-keeping. Ascending.
fn asked(state: &State, demands: &[Demand]) -> Vec<u32> {
    let all = demands.iter().any(|d| state.skus[d.sku as usize].untracked());
    let cells = demands.iter().flat_map(|d| state.skus[d.sku as usize].cells.iter().map(|c| c.node));
    let mut nodes: Vec<u32> = if all { (0..state.nodes.len() as u32).collect() } else { cells.collect() };
    nodes.sort_unstable();
    nodes.dedup();
    nodes
}

impl Choice {
    /// Notes what was decided.
    pub(super) fn close(&mut self, decision: &Decision) {
        self.decision = decision.clone();
        for candidate in &mut self.candidates {
            candidate.taken = decision.chosen.iter().any(|(name, _)| *name == candidate.node);
        }
    }

    /// Notes how the rule goes about it.
    pub(super) fn by_rule(&mut self, rule: &Rule, actions: &[Action]) {
        self.assignment = match rule.assignment {
            Assignment::Single => "single",
            Assignment::Multi(_) => "multi",
            Assignment::Fewest => "fewest",
        };
        self.actions = actions.iter().map(action).collect();
    }

    /// Names the rule set and its rule at a place, where the choice is no plan and leaves no decision of its own.
    pub(super) fn of(mut self, set: &RuleSet, (routing, rule): (usize, usize)) -> Self {
        let routing = &set.routings[routing];
        let rule = &routing.rules[rule];
        self.by_rule(rule, &rule.actions);
        self.decision = Decision {
            rule_set: set.name.clone(),
            version: set.version,
            routing: routing.id.clone(),
            rule: rule.id.clone(),
            candidates: self.candidates.iter().filter(|c| c.rank.is_some()).count() as u32,
            covering: self.candidates.iter().filter(|c| c.covers == self.demands.len() as u32).count() as u32,
            ..Decision::default()
        };
        self
    }

    /// Notes whom a round of an offer goes to. A plan over several nodes may have several offers.
    pub(super) fn offered(&mut self, round: u16, asks: impl Fn(&str) -> bool) {
        self.round = Some(round);
        for candidate in &mut self.candidates {
            candidate.asked |= asks(&candidate.node);
        }
    }
}

/// The action's name, as rules write it.
fn action(action: &Action) -> &'static str {
    match action {
        Action::Allocate { .. } => "allocate",
        Action::Offer(_) => "offer",
        Action::NextRule => "next_rule",
        Action::Forward(_) => "forward",
        Action::Backorder => "backorder",
        Action::Queue(_) => "queue",
        Action::AutoCancel(_) => "auto_cancel",
    }
}
