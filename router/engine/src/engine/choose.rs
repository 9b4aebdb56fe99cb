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

use super::state::{Order, State};

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

/// A node that could be asked, and its rank: lower is better.
struct Candidate {
    node: u32,
    rank: (bool, bool, i64, bool),
    covered: usize,
    units: Qty,
}

/// Chooses nodes for these demands. `only`: a hard pin. `first`: nodes to prefer.
pub fn choose(state: &State, order: &Order, demands: &[Demand], only: Option<u32>, first: &[u32]) -> Plan {
    let mut left: Vec<Qty> = demands.iter().map(|d| d.qty).collect();
    let mut ranked = candidates(state, order, demands, only, first);
    let mut plan = Plan::default();
    plan.decision.control = state.control;
    plan.decision.rule_set = "default".into();
    plan.decision.version = 1;
    plan.decision.routing = "all".into();
    plan.decision.candidates = ranked.len() as u32;
    plan.decision.covering = ranked.iter().filter(|c| c.covered == demands.len()).count() as u32;
    ranked
        .sort_unstable_by(|a, b| a.rank.cmp(&b.rank).then_with(|| id(state, a.node).cmp(id(state, b.node))));

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
fn available(state: &State, sku: u32, node: u32, wanted: Qty) -> Qty {
    let held = &state.skus[sku as usize];
    if held.untracked() {
        return wanted;
    }
    held.cell(node).map_or(Qty::ZERO, |c| Qty(c.atp().0.min(wanted.0)).floor_to(held.step()))
}

/// Whether the node may be asked at all for this order.
pub fn eligible(state: &State, order: &Order, node: u32) -> bool {
    let place = &state.nodes[node as usize];
    let groups = state.channels.get(&order.identity.channel).map(|c| &c.groups);
    let in_pool = groups.is_none_or(|g| g.is_empty() || g.iter().any(|g| place.node.groups.contains(g)));
    let has_room = place.orders.contains(&order.id)
        || (place.node.capacity_at_once.is_none_or(|c| place.orders.len() < c as usize)
            && place.node.capacity_a_day.is_none_or(|c| assigned_today(state, node) < c));
    place.known
        && place.node.enabled
        && place.node.zone == order.zone
        && place.node.modes.contains(&order.mode)
        && in_pool
        && has_room
}

fn assigned_today(state: &State, node: u32) -> u32 {
    let place = &state.nodes[node as usize];
    if midnight(state, node) == place.day { place.assigned } else { 0 }
}

/// The last local midnight of the node, ms; UTC's where it has no calendar, or none that reaches so far.
pub fn midnight(state: &State, node: u32) -> i64 {
    let now = state.clock.engine;
    let calendar = state.nodes[node as usize].node.calendar.as_ref();
    let local =
        calendar.and_then(|c| c.midnights[..c.midnights.partition_point(|m| *m <= now)].last().copied());
    local.unwrap_or(now - now.rem_euclid(86_400_000))
}

/// Whether the node is open now.
pub fn is_open(state: &State, node: u32) -> bool {
    let Some(calendar) = &state.nodes[node as usize].node.calendar else { return true };
    let next = calendar.open.partition_point(|(_, to)| *to <= state.clock.engine);
    calendar.open.get(next).is_none_or(|(from, _)| *from <= state.clock.engine)
}

fn candidates(
    state: &State,
    order: &Order,
    demands: &[Demand],
    only: Option<u32>,
    first: &[u32],
) -> Vec<Candidate> {
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
    nodes.retain(|node| eligible(state, order, *node));
    let candidate = |node| {
        let place = &state.nodes[node as usize].node;
        let distance = order.to.zip(place.place).map_or(i64::MAX, |(a, b)| a.chord2(b));
        let takes = demands.iter().map(|d| (available(state, d.sku, node, d.qty), d.qty));
        let (covered, units) =
            takes.fold((0, Qty::ZERO), |(n, sum), (a, wanted)| (n + usize::from(a == wanted), sum + a));
        let rank = (!first.contains(&node), !is_open(state, node), distance, !place.default);
        Candidate { node, rank, covered, units }
    };
    nodes.into_iter().map(candidate).collect()
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
