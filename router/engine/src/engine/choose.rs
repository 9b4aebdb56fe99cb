//! As few nodes as can be found, over the ranked nodes of a rule.
//!
//! The node that covers everything open, where there is one (`whole.rs`); else the first pair, by rank, of the 64 best
//! nodes that covers everything; else greedy: the node that covers most lines whole, then most units, then rank, again
//! and again. What no node has is backordered where a cell allows it and the rule says so.
//!
//! Most orders end at the first step, so it costs least. The rest looks at every node that may be asked (`field.rs`).

use std::cmp::Ordering;

use router_schemas::quantity::Qty;
use smallvec::SmallVec;

use super::{
    field::Field,
    nodes::{Filters, is_open},
    roster::Eligible,
    state::{Order, State},
};

/// Pairs are tried among so many nodes, those that cover most.
const PAIR_NODES: usize = 64;

/// So much of a SKU for the order.
pub struct Demand {
    pub sku: u32,
    pub qty: Qty,
    /// What all nodes together may give of it from stock: the rest is held for others.
    pub most: Qty,
}

impl Demand {
    /// Whether it can be filled to the last unit, by who has enough.
    pub fn can_be_whole(&self, state: &State) -> bool {
        self.qty <= self.most && state.skus[self.sku as usize].in_whole_steps(self.qty)
    }

    /// Whether the node alone could fill it now.
    pub fn fits(&self, state: &State, node: u32) -> bool {
        self.can_be_whole(state) && state.has(self.sku, node) >= self.qty
    }
}

/// What goes where: node, SKU, quantity, whether beyond stock.
pub type Found = SmallVec<[(u32, u32, Qty, bool); 8]>;

/// Nodes that the order or what it has already names.
#[derive(Clone, Copy)]
pub struct Pinned<'a> {
    /// Nowhere else: a hard pin.
    pub only: Option<u32>,
    /// Preferred: used already, or pinned softly.
    pub first: &'a [u32],
}

/// Where a node stands for the built-in sorts: lower is better. Not preferred, closed, distance, not the zone's
/// default; then the id.
pub type Rank<'a> = (bool, bool, i64, bool, &'a str);

/// Spreads these demands, which no node covers alone, over the nodes that may be asked, by the built-in sorts.
pub fn spread(
    state: &State,
    eligible: Eligible<'_>,
    order: &Order,
    demands: &[Demand],
    pinned: &Pinned<'_>,
    backorders: bool,
) -> Found {
    let filters = Filters::of(state, order);
    let may = |node: u32| pinned.only.is_none_or(|only| only == node) && eligible.passes(&filters, node);
    let field = Field::of(state, may, demands, pinned.only);
    let ranked = ranked_slots(&field, |slot| rank(state, order, pinned, field.node(*slot)));
    search(state, &field, demands, ranked, backorders)
}

/// The same over nodes that a rule has ranked, with the node that covers everything first.
pub fn fewest(state: &State, ranked: &[u32], demands: &[Demand], backorders: bool) -> Found {
    if let Some(node) = ranked.iter().find(|node| demands.iter().all(|d| d.fits(state, **node))) {
        return demands.iter().map(|d| (*node, d.sku, d.qty, false)).collect();
    }
    let mut places = vec![usize::MAX; state.nodes.len()];
    ranked.iter().enumerate().for_each(|(place, node)| places[*node as usize] = place);
    let field = Field::of(state, |node| places[node as usize] != usize::MAX, demands, None);
    let mut slots: Vec<usize> = (0..field.len()).collect();
    slots.sort_unstable_by_key(|slot| places[field.node(*slot) as usize]);
    search(state, &field, demands, slots, backorders)
}

fn search(state: &State, field: &Field, demands: &[Demand], ranked: Vec<usize>, backorders: bool) -> Found {
    let mut search = Search::new(state, field, demands);
    search.spread(ranked, backorders);
    search.found
}

/// Every node that the choice may ask, best first by the built-in sorts: for who explains it.
pub fn ranked(
    state: &State,
    eligible: Eligible<'_>,
    order: &Order,
    demands: &[Demand],
    pinned: &Pinned<'_>,
) -> Vec<u32> {
    let filters = Filters::of(state, order);
    let may = |node: u32| pinned.only.is_none_or(|only| only == node) && eligible.passes(&filters, node);
    let field = Field::of(state, may, demands, pinned.only);
    let slots = ranked_slots(&field, |slot| rank(state, order, pinned, field.node(*slot)));
    slots.into_iter().map(|slot| field.node(slot)).collect()
}

/// What of a SKU the node could give now, in whole steps.
pub fn available(state: &State, sku: u32, node: u32, wanted: Qty) -> Qty {
    let held = &state.skus[sku as usize];
    if held.untracked() {
        return wanted;
    }
    held.cell(node).map_or(Qty::ZERO, |c| Qty(c.atp().0.min(wanted.0)).floor_to(held.step()))
}

pub fn rank<'a>(state: &'a State, order: &Order, pinned: &Pinned<'_>, node: u32) -> Rank<'a> {
    let place = &state.nodes[node as usize].node;
    let distance = order.to.zip(place.place).map_or(i64::MAX, |(a, b)| a.chord2(b));
    (!pinned.first.contains(&node), !is_open(state, node), distance, !place.default, &place.id)
}

fn ranked_slots<'a>(field: &Field, rank: impl Fn(&usize) -> Rank<'a>) -> Vec<usize> {
    let mut ranks: Vec<(Rank<'a>, usize)> = (0..field.len()).map(|slot| (rank(&slot), slot)).collect();
    ranks.sort_unstable();
    ranks.into_iter().map(|(_, slot)| slot).collect()
}

/// A plan in the making.
struct Search<'a> {
    state: &'a State,
    field: &'a Field,
    demands: &'a [Demand],
    left: Vec<Qty>,
    /// Of each demand: what all nodes together may still give.
    most: Vec<Qty>,
    found: Found,
}

impl<'a> Search<'a> {
    fn new(state: &'a State, field: &'a Field, demands: &'a [Demand]) -> Self {
        let left = demands.iter().map(|d| d.qty).collect();
        let most = demands.iter().map(|d| d.most).collect();
        Search { state, field, demands, left, most, found: Found::new() }
    }

    /// Over several nodes: a pair, else greedily; then beyond stock. `ranked`: all slots, best first.
    fn spread(&mut self, ranked: Vec<usize>, backorders: bool) {
        let mut stocked: Vec<usize> = ranked.clone();
        stocked.retain(|slot| self.field.units(*slot).is_positive());
        match self.pair(&stocked) {
            Some((a, b)) => {
                self.take(a);
                self.take(b);
            }
            None => self.greedy(stocked),
        }
        if backorders && self.left.iter().any(|left| left.is_positive()) {
            self.backorder(&ranked);
        }
    }

    /// Of a demand, what the slot could give of what is left.
    fn part(&self, slot: usize, demand: usize) -> Qty {
        let left = self.left[demand];
        let has = self.field.has(slot, demand).min(self.most[demand]);
        if has >= left && left == self.demands[demand].qty {
            return left;
        }
        let sku = &self.state.skus[self.demands[demand].sku as usize];
        // Of a SKU without stock-keeping there is always enough, in any quantity.
        if sku.untracked() { left } else { Qty(has.0.min(left.floor_to(sku.step()).0)) }
    }

    /// Takes from the node what it has of what is left. False: nothing.
    fn take(&mut self, slot: usize) -> bool {
        let (before, node) = (self.found.len(), self.field.node(slot));
        for (nth, demand) in self.demands.iter().enumerate() {
            let part = self.part(slot, nth);
            if part.is_positive() {
                self.found.push((node, demand.sku, part, false));
                self.left[nth] -= part;
                self.most[nth] -= part;
            }
        }
        self.found.len() > before
    }

    /// The first pair by rank that covers everything. `ranked`: slots with stock, best first.
    fn pair(&self, ranked: &[usize]) -> Option<(usize, usize)> {
        if !self.demands.iter().all(|d| d.can_be_whole(self.state)) {
            return None;
        }
        let best = self.covering_most(ranked);
        let mut missing = Vec::with_capacity(self.demands.len());
        for (nth, a) in best.iter().enumerate() {
            missing.clear();
            missing.extend(self.demands.iter().enumerate().filter_map(|(d, demand)| {
                let rest = demand.qty - self.field.has(*a, d);
                rest.is_positive().then_some((d, rest))
            }));
            let fills = |b: &&usize| missing.iter().all(|(d, rest)| self.field.has(**b, *d) >= *rest);
            if let Some(b) = best[nth + 1..].iter().find(fills) {
                return Some((*a, *b));
            }
        }
        None
    }

    /// The slots that cover most lines whole, then most units, then rank best: at most [`PAIR_NODES`], by rank.
    fn covering_most(&self, ranked: &[usize]) -> Vec<usize> {
        if ranked.len() <= PAIR_NODES {
            return ranked.to_vec();
        }
        let worth = |slot: usize| (self.field.covered(slot, self.demands), self.field.units(slot));
        let mut most: Vec<_> = ranked.iter().enumerate().map(|(n, slot)| (worth(*slot), n)).collect();
        let better = |a: &((usize, Qty), usize), b: &((usize, Qty), usize)| -> Ordering {
            b.0.cmp(&a.0).then(a.1.cmp(&b.1))
        };
        most.select_nth_unstable_by(PAIR_NODES - 1, better);
        let mut places: Vec<usize> = most[..PAIR_NODES].iter().map(|(_, n)| *n).collect();
        places.sort_unstable();
        places.into_iter().map(|n| ranked[n]).collect()
    }

    fn greedy(&mut self, mut rest: Vec<usize>) {
        while self.left.iter().any(|left| left.is_positive()) {
            let worth = |slot: usize| {
                let open = self.left.iter().enumerate().filter(|(_, left)| left.is_positive());
                open.fold((0, 0), |(covered, units), (d, left)| {
                    let part = self.part(slot, d);
                    (covered + usize::from(part == *left), units + part.0)
                })
            };
            // max_by_key keeps the last of equals: from the back, the best rank wins.
            let best = rest.iter().enumerate().rev().max_by_key(|(_, slot)| worth(**slot));
            let Some(place) = best.map(|(place, _)| place) else { break };
            let slot = rest.remove(place);
            if !self.take(slot) {
                break;
            }
        }
    }

    /// Promises beyond stock what is left, in rank order, as much as each cell allows.
    fn backorder(&mut self, ranked: &[usize]) {
        for (nth, demand) in self.demands.iter().enumerate() {
            let sku = &self.state.skus[demand.sku as usize];
            for slot in ranked {
                if !self.left[nth].is_positive() {
                    break;
                }
                let node = self.field.node(*slot);
                let Some(cell) = sku.cell(node).filter(|c| !c.out_of_stock) else { continue };
                let part = Qty(cell.backorder_left().0.min(self.left[nth].0)).floor_to(sku.step());
                if part.is_positive() {
                    self.found.push((node, demand.sku, part, true));
                    self.left[nth] -= part;
                }
            }
        }
    }
}
