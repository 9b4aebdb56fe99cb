//! What a command did, as it is noted while it goes on: numbers for names, lists side by side. `images.rs` makes
//! events of it.

use std::{ops::Range, sync::Arc};

use router_schemas::{
    event::{Change, Decision, Unit, Verdict},
    quantity::Qty,
};
use smallvec::SmallVec;

use super::{images::DecisionImage, rules::set::Ready, state::State};

/// Line, from, to, how many.
pub type Moved = (u16, Unit, Unit, Qty);

/// One change.
#[derive(Debug)]
pub enum Noted {
    /// Units of an order moved; `moves`: which of [`Work::moves`].
    Units { node: Option<u32>, moves: Range<usize> },
    /// A node was chosen.
    Decided(Decided),
    /// Anything else.
    Other(Change),
}

/// The rule that decided: its set, places of the routing and the rule there.
pub type By = Option<(Arc<Ready>, usize, usize)>;

/// Why a node, or none, was chosen: what of an `event::Decision` is not the same for all.
#[derive(Debug, Clone, Default)]
pub struct Decided {
    /// Control position that it knew.
    pub control: u64,
    pub by: By,
    pub candidates: u32,
    pub covering: u32,
    /// In rank order, with the squared chord to each.
    pub chosen: SmallVec<[(u32, Option<i64>); 4]>,
    pub verdict: Verdict,
}

impl Decided {
    /// As events state it.
    pub fn decision(&self, state: &State) -> Decision {
        super::rows::read(&DecisionImage::of(state, self))
    }
}

/// Lists of a command, kept from one to the next so that nothing is allocated for them.
#[derive(Debug, Default)]
pub struct Work {
    pub changes: Vec<Noted>,
    pub moves: Vec<Moved>,
    /// Touched, ascending.
    pub orders: Vec<router_schemas::id::OrderId>,
    /// Touched parts, whose homes are to be told.
    pub parts: Vec<router_schemas::id::OrderId>,
    /// Touched: SKU and node, ascending.
    pub cells: Vec<(u32, u32)>,
    /// Holds touched, ascending.
    pub holds: Vec<router_schemas::id::OrderId>,
    /// Touched: SKU and pool, ascending.
    pub pools: Vec<(u32, u32)>,
    /// Touched: offers by their order, ascending.
    pub offers: Vec<(router_schemas::id::OrderId, router_schemas::id::OfferId)>,
    /// Touched nodes, ascending.
    pub nodes: Vec<u32>,
    /// Each change of what a cell could give: SKU, node, what it was before, in order.
    pub gave: Vec<(u32, u32, router_schemas::quantity::Qty)>,
}

impl Work {
    /// Forgets the changes: they are written.
    pub fn forget_changes(&mut self) {
        self.changes.clear();
        self.moves.clear();
    }

    /// Whether no row is to be written.
    pub fn is_untouched(&self) -> bool {
        let held =
            self.holds.is_empty() && self.pools.is_empty() && self.offers.is_empty() && self.nodes.is_empty();
        self.orders.is_empty() && self.cells.is_empty() && held
    }

    /// Empty lists, with the room that they had.
    pub fn emptied(mut self) -> Self {
        self.forget_changes();
        self.orders.clear();
        self.parts.clear();
        self.cells.clear();
        self.holds.clear();
        self.pools.clear();
        self.offers.clear();
        self.nodes.clear();
        self.gave.clear();
        self
    }
}

/// Puts `item` in its place, once.
pub fn insert_sorted<T: Ord>(list: &mut Vec<T>, item: T) {
    // Work goes over orders and cells in their order, mostly.
    if list.last().is_none_or(|last| *last < item) {
        list.push(item);
    } else if let Err(place) = list.binary_search(&item) {
        list.insert(place, item);
    }
}
