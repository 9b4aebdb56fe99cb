//! The full story of a choice: every node that could have been asked, with the verdict of every filter and its
//! place in the ranking. Recomputed by replay, never written: nothing of it exists while tracing is off.

use router_schemas::{event::Decision, id::OrderId, quantity::Qty};
use serde::Serialize;

use super::{
    choose::{self, Demand, Pinned},
    nodes::{self, FILTERS, Filters},
    order::Order,
    roster::Eligible,
    state::State,
};

/// One choice of nodes for some of an order's open units.
#[derive(Debug, Clone, Serialize)]
pub struct Choice {
    /// The order.
    pub order: OrderId,
    /// What was looked for: SKU, bucket, quantity.
    pub demands: Vec<(String, String, Qty)>,
    /// The only node allowed, where a hard pin names one.
    pub pinned: Option<String>,
    /// Every node of the zone and every node with stock of a demand, best first; those left out last, by id.
    pub candidates: Vec<Considered>,
    /// What was decided, as the event states it. A choice that found nothing again leaves no event.
    pub decision: Decision,
}

/// A node as the choice saw it.
#[derive(Debug, Clone, Serialize)]
pub struct Considered {
    /// The node.
    pub node: String,
    /// Each filter and whether the node passed it; one that it did not pass leaves it out.
    pub filters: Vec<(&'static str, bool)>,
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
}

/// Looks at what a choice looks at, before anything moves.
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
        let stock: Vec<Qty> = demands.iter().map(|d| choose::available(state, d.sku, node, d.qty)).collect();
        Considered {
            node: place.id.clone(),
            filters,
            open_now: nodes::is_open(state, node),
            chord2: order.to.zip(place.place).map(|(a, b)| a.chord2(b)),
            preferred: pinned.first.contains(&node),
            default: place.default,
            covers: stock.iter().zip(demands).filter(|(has, d)| **has == d.qty).count() as u32,
            stock,
            rank: ranked.iter().position(|ranked| *ranked == node).map(|r| r as u32 + 1),
            taken: false,
        }
    };
    let mut candidates: Vec<Considered> = all.into_iter().map(consider).collect();
    candidates.sort_by(|a, b| {
        let place = |c: &Considered| c.rank.unwrap_or(u32::MAX);
        place(a).cmp(&place(b)).then_with(|| a.node.cmp(&b.node))
    });
    let name = |d: &Demand| {
        let sku = &state.skus[d.sku as usize];
        (sku.name.clone(), sku.bucket.clone(), d.qty)
    };
    Choice {
        order: order.id,
        demands: demands.iter().map(name).collect(),
        pinned: pinned.only.map(|n| state.nodes[n as usize].node.id.clone()),
        candidates,
        decision: Decision::default(),
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
}
