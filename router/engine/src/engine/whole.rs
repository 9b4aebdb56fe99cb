//! The first step of a choice: the node that alone covers everything open. Goes over nodes 64 at a time: who may be
//! asked and who has a cell are words of bits, what each can give lies side by side, and only nodes that cover
//! everything are ranked.

use smallvec::SmallVec;

use router_schemas::quantity::Qty;

use super::{
    choose::{self, Demand, Pinned},
    nodes::{self, Filters},
    order::Order,
    roster::{Eligible, Spot},
    shelf::{BLOCK, Block, bits},
    state::{SkuState, State},
};

/// What was found.
#[derive(Default, Clone, Copy)]
pub struct Found {
    /// Nodes that may be asked.
    pub candidates: u32,
    /// Of those, nodes that cover everything.
    pub covering: u32,
    /// The best of those.
    pub best: Option<u32>,
}

/// Counts who may be asked and who covers everything, and finds the best of them.
pub fn find(
    state: &State,
    eligible: Eligible<'_>,
    order: &Order,
    demands: &[Demand],
    pinned: &Pinned<'_>,
) -> Found {
    let wanted: SmallVec<[Wanted<'_>; 8]> = demands.iter().map(|d| Wanted::of(state, d)).collect();
    let (untracked, can_be_whole) =
        (wanted.iter().any(|w| w.sku.untracked()), wanted.iter().all(|w| w.can_be_whole));
    let filters = Filters::of(state, order);
    let spots = eligible.spots;
    let mut best = Best { state, spots, order, pinned, node: None, marks: u8::MAX, distance: i64::MAX };
    let mut found = Found::default();
    let mut blocks: SmallVec<[(&Block, Qty); 8]> = SmallVec::new();
    for place in 0..eligible.blocks() {
        let may = eligible.block(place) & only_bit(pinned, place).unwrap_or(!0);
        if may == 0 {
            continue;
        }
        // A hard pin is asked whether it has anything or not.
        let (mut asked, mut all) = (if untracked || pinned.only.is_some() { may } else { 0 }, may);
        blocks.clear();
        for want in wanted.iter().filter(|w| !w.sku.untracked()) {
            let block = want.sku.shelf.block(place);
            let cells = block.map_or(0, Block::cells);
            (asked, all) = (asked | cells & may, all & cells);
            blocks.extend(block.map(|b| (b, want.qty)));
        }
        for bit in bits(asked & eligible.limited(place)) {
            if !filters.pass_now((place * BLOCK + bit) as u32) {
                asked &= !(1 << bit);
            }
        }
        for node in filters.declined().iter().filter(|n| **n as usize / BLOCK == place) {
            asked &= !(1 << (*node as usize % BLOCK));
        }
        found.candidates += asked.count_ones();
        if !can_be_whole {
            continue;
        }
        let covers = blocks.iter().fold(asked & all, |left, (block, qty)| block.giving(left, *qty));
        found.covering += covers.count_ones();
        bits(covers).for_each(|bit| best.offer((place * BLOCK + bit) as u32));
    }
    found.best = best.node;
    found
}

/// The bit of the only node allowed, where there is one.
fn only_bit(pinned: &Pinned<'_>, place: usize) -> Option<u64> {
    let only = pinned.only? as usize;
    Some(if only / BLOCK == place { 1 << (only % BLOCK) } else { 0 })
}

/// A demand, with what is looked up once.
struct Wanted<'a> {
    sku: &'a SkuState,
    qty: Qty,
    /// It can be filled to the last unit.
    can_be_whole: bool,
}

impl<'a> Wanted<'a> {
    fn of(state: &'a State, demand: &Demand) -> Self {
        let (sku, qty) = (&state.skus[demand.sku as usize], demand.qty);
        Wanted { sku, qty, can_be_whole: sku.in_whole_steps(qty) && qty <= demand.most }
    }
}

/// The best node so far, by [`choose::rank`]: what is cheap to compare comes first there too.
struct Best<'a> {
    state: &'a State,
    spots: &'a [Spot],
    order: &'a Order,
    pinned: &'a Pinned<'a>,
    node: Option<u32>,
    /// Lower is better: not preferred, then closed.
    marks: u8,
    distance: i64,
}

impl Best<'_> {
    #[inline]
    fn offer(&mut self, node: u32) {
        let spot = &self.spots[node as usize];
        let distance = match (self.order.to, spot.place) {
            (Some(to), Some(place)) => to.chord2(place),
            _ => i64::MAX,
        };
        // Nearly all end here: farther, and no better in anything that counts more.
        let plain = self.pinned.first.is_empty() && self.marks == PLAIN;
        if plain && distance > self.distance {
            return;
        }
        let preferred = self.pinned.first.contains(&node);
        let closed = spot.hours && !nodes::is_open(self.state, node);
        let marks = u8::from(!preferred) << 1 | u8::from(closed);
        let better = match self.node {
            Some(other) if (marks, distance) == (self.marks, self.distance) => {
                let rank = |node| choose::rank(self.state, self.order, self.pinned, node);
                rank(node) < rank(other)
            }
            Some(_) => (marks, distance) < (self.marks, self.distance),
            None => true,
        };
        if better {
            (self.node, self.marks, self.distance) = (Some(node), marks, distance);
        }
    }
}

/// The marks of a node that is open, where none is preferred: no better ones are possible.
const PLAIN: u8 = 2;
