//! The default rule set: fewest splits, then open stores, then the nearest.
//!
//! 1. `one-node`: the node that covers everything open. Open ones first, then the nearest, the default node, the id.
//! 2. `fewest-splits`: the first pair, by rank, of the 64 best nodes that covers everything; else greedy: the node
//!    that covers most lines whole, then most units, then rank, again and again.
//! 3. What no node has is backordered where a cell allows it, else stays open: `unfillable`.

use router_schemas::{
    event::{Decision, Verdict},
    quantity::Qty,
};

use super::{
    nodes::{eligible, is_open},
    state::{Order, State},
};

/// Pairs are tried among so many nodes, those that cover most.
const PAIR_NODES: usize = 64;

/// So much of a SKU for the order: SKU, quantity, lines that want it.
pub struct Demand {
    pub sku: u32,
    pub qty: Qty,
}

/// What was found: node, SKU, quantity, whether beyond stock.
#[derive(Default)]
pub struct Plan {
    pub takes: Vec<(u32, u32, Qty, bool)>,
    pub decision: Decision,
}

/// Nodes that the order or what it has already names.
#[derive(Clone, Copy)]
pub struct Pinned<'a> {
    /// Nowhere else: a hard pin.
    pub only: Option<u32>,
    /// Preferred: used already, or pinned softly.
    pub first: &'a [u32],
}

/// A node that could be asked, and its rank: lower is better.
pub struct Candidate {
    pub node: u32,
    rank: (bool, bool, i64, bool),
    covered: usize,
    units: Qty,
}

/// Chooses nodes for these demands.
pub fn choose(state: &State, order: &Order, demands: &[Demand], pinned: &Pinned<'_>) -> Plan {
    let mut left: Vec<Qty> = demands.iter().map(|d| d.qty).collect();
    let ranked = ranked(state, order, demands, pinned);
    let mut plan = Plan::default();
    plan.decision.control = state.control;
    plan.decision.rule_set = "default".into();
    plan.decision.version = 1;
    plan.decision.routing = "all".into();
    plan.decision.candidates = ranked.len() as u32;
    plan.decision.covering = ranked.iter().filter(|c| c.covered == demands.len()).count() as u32;

    if let Some(whole) = ranked.iter().find(|c| c.covered == demands.len()) {
        plan.decision.rule = "one-node".into();
        take(state, whole.node, demands, &mut left, &mut plan);
    } else {
        plan.decision.rule = "fewest-splits".into();
        match pair(state, demands, &ranked) {
            Some((a, b)) => {
                take(state, a, demands, &mut left, &mut plan);
                take(state, b, demands, &mut left, &mut plan);
            }
            None => greedy(state, demands, &ranked, &mut left, &mut plan),
        }
    }
    let nodes = plan.decision.chosen.len();
    let found = left.iter().all(Qty::is_zero);
    backorder(state, demands, &ranked, &mut left, &mut plan);
    plan.decision.verdict = match (found, nodes, plan.takes.iter().any(|t| t.3), plan.takes.is_empty()) {
        (true, 1, ..) => Verdict::Whole,
        (true, ..) => Verdict::Split,
        (false, _, true, _) => Verdict::Backordered,
        (false, _, false, false) => Verdict::Partial,
        (false, _, false, true) => Verdict::Unfillable,
    };
    plan
}

fn id(state: &State, node: u32) -> &str {
    &state.nodes[node as usize].node.id
}

/// What of a SKU the node could give now, in whole steps.
pub fn available(state: &State, sku: u32, node: u32, wanted: Qty) -> Qty {
    let held = &state.skus[sku as usize];
    if held.untracked() {
        return wanted;
    }
    held.cell(node).map_or(Qty::ZERO, |c| Qty(c.atp().0.min(wanted.0)).floor_to(held.step()))
}

/// The nodes that a choice asks: the pinned one, else those that have a cell of a demand. Ascending.
pub fn asked(state: &State, demands: &[Demand], only: Option<u32>) -> Vec<u32> {
    let mut nodes: Vec<u32> = match only {
        Some(node) => vec![node],
        None if demands.iter().any(|d| state.skus[d.sku as usize].untracked()) => {
            (0..state.nodes.len() as u32).collect()
        }
        None => {
            demands.iter().flat_map(|d| state.skus[d.sku as usize].cells.iter().map(|c| c.node)).collect()
        }
    };
    nodes.sort_unstable();
    nodes.dedup();
    nodes
}

/// Those of them that pass every filter, best first.
pub fn ranked(state: &State, order: &Order, demands: &[Demand], pinned: &Pinned<'_>) -> Vec<Candidate> {
    let mut nodes = asked(state, demands, pinned.only);
    nodes.retain(|node| eligible(state, order, *node));
    let candidate = |node| {
        let place = &state.nodes[node as usize].node;
        let distance = order.to.zip(place.place).map_or(i64::MAX, |(a, b)| a.chord2(b));
        let takes = demands.iter().map(|d| (available(state, d.sku, node, d.qty), d.qty));
        let (covered, units) =
            takes.fold((0, Qty::ZERO), |(n, sum), (a, wanted)| (n + usize::from(a == wanted), sum + a));
        let rank = (!pinned.first.contains(&node), !is_open(state, node), distance, !place.default);
        Candidate { node, rank, covered, units }
    };
    let mut ranked: Vec<Candidate> = nodes.into_iter().map(candidate).collect();
    ranked
        .sort_unstable_by(|a, b| a.rank.cmp(&b.rank).then_with(|| id(state, a.node).cmp(id(state, b.node))));
    ranked
}

/// Takes from the node what it has of what is left.
fn take(state: &State, node: u32, demands: &[Demand], left: &mut [Qty], plan: &mut Plan) -> bool {
    let before = plan.takes.len();
    for (demand, left) in demands.iter().zip(left) {
        let part = available(state, demand.sku, node, *left);
        if part.is_positive() {
            plan.takes.push((node, demand.sku, part, false));
            *left -= part;
        }
    }
    let some = plan.takes.len() > before;
    if some {
        plan.decision.chosen.push((id(state, node).to_owned(), None));
    }
    some
}

/// The first pair by rank that covers everything.
fn pair(state: &State, demands: &[Demand], ranked: &[Candidate]) -> Option<(u32, u32)> {
    let mut best: Vec<&Candidate> = ranked.iter().filter(|c| c.units.is_positive()).collect();
    if best.len() > PAIR_NODES {
        // Stable: among equals the better rank stays in front.
        best.sort_by_key(|c| (std::cmp::Reverse(c.covered), -c.units.0));
        best.truncate(PAIR_NODES);
        best.sort_by(|a, b| a.rank.cmp(&b.rank).then_with(|| id(state, a.node).cmp(id(state, b.node))));
    }
    let covers = |a: u32, b: u32| {
        demands.iter().all(|d| {
            let one = available(state, d.sku, a, d.qty);
            one + available(state, d.sku, b, d.qty - one) == d.qty
        })
    };
    best.iter()
        .enumerate()
        .find_map(|(i, a)| best[i + 1..].iter().find(|b| covers(a.node, b.node)).map(|b| (a.node, b.node)))
}

fn greedy(state: &State, demands: &[Demand], ranked: &[Candidate], left: &mut [Qty], plan: &mut Plan) {
    let mut rest: Vec<u32> = ranked.iter().filter(|c| c.units.is_positive()).map(|c| c.node).collect();
    while left.iter().any(|l| l.is_positive()) {
        let worth = |node: u32| {
            demands.iter().zip(left.iter()).filter(|(_, l)| l.is_positive()).fold(
                (0, 0),
                |(covered, units), (d, l)| {
                    let part = available(state, d.sku, node, *l);
                    (covered + usize::from(part == *l), units + part.0)
                },
            )
        };
        // max_by_key keeps the last of equals: from the back, the best rank wins.
        let Some((place, node)) = rest.iter().copied().enumerate().rev().max_by_key(|(_, n)| worth(*n))
        else {
            break;
        };
        rest.remove(place);
        if !take(state, node, demands, left, plan) {
            break;
        }
    }
}

/// Promises beyond stock what is left, in rank order, as much as each cell allows.
fn backorder(state: &State, demands: &[Demand], ranked: &[Candidate], left: &mut [Qty], plan: &mut Plan) {
    for (demand, left) in demands.iter().zip(left) {
        let sku = &state.skus[demand.sku as usize];
        for candidate in ranked {
            let Some(cell) = sku.cell(candidate.node).filter(|c| !c.out_of_stock) else { continue };
            let part = Qty(cell.backorder_left().0.min(left.0)).floor_to(sku.step());
            if part.is_positive() {
                plan.takes.push((candidate.node, demand.sku, part, true));
                *left -= part;
                let name = id(state, candidate.node);
                if plan.decision.chosen.iter().all(|(n, _)| n != name) {
                    plan.decision.chosen.push((name.to_owned(), None));
                }
            }
        }
    }
}
