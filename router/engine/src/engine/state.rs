//! What the engine knows: nodes, SKUs with their cells, orders, and the indexes over them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use router_schemas::{
    command::{
        Hash16,
        reference::{Channel, FeeTable, Item, Node},
        stock::CellName,
    },
    id::OrderId,
    quantity::Qty,
};
use serde::{Deserialize, Serialize};

pub use super::{
    cell::{Cell, Counted, Standing},
    order::Order,
};
use super::{
    feed::Feed,
    hold::Hold,
    lapse::Lapse,
    leg::LegKey,
    names::{NameHash, SkuNumbers},
    offer::{Listed, Score},
    order::{LossKey, WaitKey},
    part::{PartKey, Stray},
    pool::Pools,
    reference::Stale,
    roster::Roster,
    rules::set::{Published, Sets},
    shelf::Shelf,
    time::Clock,
};

/// The whole logical content. Collections are ordered, so that equal content has equal bytes.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    pub clock: Clock,
    /// Control position of the last copy applied.
    pub control: u64,
    /// Every zone and its partition of `router.commands`.
    pub zones: BTreeMap<String, u16>,
    pub nodes: Vec<NodeState>,
    pub skus: Vec<SkuState>,
    pub channels: BTreeMap<String, Channel>,
    /// The rule sets that zones go by.
    pub rules: Published,
    pub fees: BTreeMap<String, FeeTable>,
    /// Boxed: they are large, and the tree moves what it holds.
    pub orders: BTreeMap<OrderId, Box<Order>>,
    /// SKUs whose waiting orders are to be looked at.
    pub looks: BTreeMap<u32, Look>,
    /// The next order of each of them, so that all are served in one order.
    pub turns: BTreeSet<(WaitKey, u32)>,
    /// The SKU for which an order is being looked at.
    #[serde(skip)]
    pub looking: Option<u32>,
    /// SKUs that orders wait for.
    pub waited: BTreeSet<u32>,
    /// Nodes that may take more orders than before, each with the next SKU to mark; `None`: all nodes.
    pub woken: BTreeMap<Option<u32>, u32>,
    /// Whose cell rows do not tell the truth any more, each with the next SKU or node to write.
    pub stale: BTreeMap<Stale, u32>,
    /// Cells with more promised than is there, to be relieved, each with the last order looked at.
    pub oversold: BTreeMap<(u32, u32), Option<LossKey>>,
    /// Orders that wait for a time: engine time, order.
    pub timed: BTreeSet<(i64, OrderId)>,
    /// Nodes that have all the orders of a day: when their next day begins, node.
    pub days: BTreeSet<(i64, u32)>,
    /// Nodes that are evacuated, each with the last order that was looked at.
    pub evacuations: BTreeMap<u32, Option<LossKey>>,
    /// Nodes that are paused for a time: when it ends, node.
    pub pauses: BTreeSet<(i64, u32)>,
    /// Closed orders: when they are forgotten, order.
    pub closed: BTreeSet<(i64, OrderId)>,
    /// What lapses: service time, what.
    pub deadlines: BTreeSet<(i64, Lapse)>,
    /// What is held for orders, placed or not.
    pub holds: BTreeMap<OrderId, Hold>,
    /// Legs of other zones' holds, and the holds that they are here.
    pub legs: BTreeMap<LegKey, OrderId>,
    /// When the first line of each hold is void: service time, order.
    pub voids: BTreeSet<(i64, OrderId)>,
    /// Orders whose units were given back on request, while those are looked at that waited for them.
    pub resting: BTreeSet<OrderId>,
    /// What is held without a node, and what channels keep back and may promise.
    pub pools: Pools,
    /// What platforms are to be told of.
    pub feed: Feed,
    /// Open offers by node, and by what they need there.
    pub offers: Listed,
    /// Parts of other zones' orders, and the orders that they are here.
    pub parts: BTreeMap<PartKey, OrderId>,
    /// Parts that were cancelled before they came.
    pub strays: BTreeMap<PartKey, Stray>,
    /// A `continue` of ours is on its way.
    pub continuing: bool,
    /// Keys of facts, with the engine time at which they are forgotten.
    pub facts: BTreeMap<Hash16, i64>,
    pub fact_ages: BTreeSet<(i64, Hash16)>,
    /// Highest (offset, index) taken from each source.
    pub sources: BTreeMap<(String, u32, u16), (u64, u32)>,
    pub counts: Counts,
}

/// How far the look at a SKU's waiting orders has come.
#[derive(Debug, Default, Clone, Copy, Serialize, Deserialize)]
pub struct Look {
    /// The order whose turn it is.
    pub next: WaitKey,
    /// Look at all, whether something is available or not: more than stock changed.
    pub all: bool,
    /// The looks themselves made something available: once more, from the start; true: from stock.
    pub again: Option<bool>,
    /// Of the SKU more can be given from stock than before.
    pub rise: bool,
}

/// Numbers kept for metrics.
#[derive(Debug, Default, Clone, Copy, Serialize, Deserialize)]
pub struct Counts {
    pub open_orders: u64,
    pub waiting_orders: u64,
    /// Orders for which something is held.
    pub holds: u64,
    pub cells: u64,
}

/// Rebuilt from the state, never written: names to numbers.
#[derive(Debug, Default)]
pub struct Index {
    pub nodes: HashMap<String, u32, NameHash>,
    pub skus: HashMap<String, SkuNumbers, NameHash>,
    pub roster: Roster,
    pub rules: Sets,
}

impl Index {
    /// The index of a state that was read; the nodes' own lists of SKUs are filled in as well.
    pub fn of(state: &mut State) -> Self {
        let mut index = Self::default();
        for (number, node) in (0u32..).zip(&state.nodes) {
            index.nodes.insert(node.node.id.clone(), number);
        }
        for (number, sku) in (0u32..).zip(&mut state.skus) {
            index.skus.entry(sku.name.clone()).or_default().set(&sku.bucket, number);
            for cell in &sku.cells {
                state.nodes[cell.node as usize].skus.push(number);
                sku.shelf.set(cell.node, cell.atp());
            }
        }
        index.roster = Roster::of(state);
        index.rules = Sets::of(&state.rules);
        index
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct NodeState {
    pub node: Node,
    /// False for a node that facts named before its reference arrived.
    pub known: bool,
    /// Orders with unshipped allocations here, who loses first at the end, each with the local midnight of the day
    /// on which it was assigned.
    pub orders: BTreeMap<LossKey, i64>,
    /// Local midnight of the day that `assigned` counts.
    pub day: i64,
    /// Orders assigned since then.
    pub assigned: u32,
    /// It gets nothing, until this engine time, ms, or until it is resumed.
    pub paused: bool,
    pub paused_until: Option<i64>,
    /// Service time until which it gets nothing, ms.
    pub cool_until: Option<i64>,
    /// Its work goes elsewhere, and it gets nothing until that is done.
    pub evacuates: bool,
    /// What it did with offers.
    pub score: Score,
    /// SKUs with a cell here, ascending. Rebuilt, never written.
    #[serde(skip)]
    pub skus: Vec<u32>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct SkuState {
    pub name: String,
    pub bucket: String,
    pub item: Option<Item>,
    /// Ascending by node.
    pub cells: Vec<Cell>,
    /// Cells that may backorder any number.
    pub boundless: u32,
    /// Orders with open or backordered units of it.
    pub waiting: BTreeSet<WaitKey>,
    /// What the cells can give, as they are told of (`effects.rs`). Rebuilt, never written.
    #[serde(skip)]
    pub shelf: Shelf,
}

/// Where the node's cell is, or would be.
fn place_of(cells: &[Cell], node: u32) -> Result<usize, usize> {
    // A SKU that is everywhere has its cells at the nodes' own numbers.
    match cells.get(node as usize) {
        Some(cell) if cell.node == node => Ok(node as usize),
        _ => cells.binary_search_by_key(&node, |c| c.node),
    }
}

impl SkuState {
    pub fn cell(&self, node: u32) -> Option<&Cell> {
        place_of(&self.cells, node).ok().map(|i| &self.cells[i])
    }

    /// Units promised from stock beyond what is there; none where stock is without limit.
    pub fn oversold_by(&self, node: u32) -> Qty {
        match self.cell(node) {
            Some(cell) if !self.untracked() => cell.oversold_by(),
            _ => Qty::ZERO,
        }
    }

    /// Whether any order could be given any of it now, or backordered units could turn on-hand.
    pub fn anything_left(&self) -> bool {
        let gives =
            |c: &Cell| c.atp().is_positive() || c.backorder_left().is_positive() || c.arrived().is_positive();
        self.untracked() || self.cells.iter().any(gives)
    }

    /// Whether so much can be filled to the last unit: takes are whole steps.
    pub fn in_whole_steps(&self, qty: Qty) -> bool {
        self.untracked() || qty.floor_to(self.step()) == qty
    }

    pub fn untracked(&self) -> bool {
        self.item.as_ref().is_some_and(|i| i.untracked)
    }

    /// Smallest quantity that can be taken.
    pub fn step(&self) -> Qty {
        self.item.as_ref().map(|i| i.unit_step).filter(|s| s.is_positive()).unwrap_or(Qty::ONE)
    }

    /// Something is known of it: a reference entry or a cell.
    pub fn known(&self) -> bool {
        self.item.is_some() || !self.cells.is_empty()
    }
}

impl State {
    /// The cell, made where there is none.
    pub fn cell_mut(&mut self, sku: u32, node: u32) -> &mut Cell {
        let place = self.cell_place(sku, node);
        &mut self.skus[sku as usize].cells[place]
    }

    /// The cell's place among those of its SKU, made where there is none.
    pub fn cell_place(&mut self, sku: u32, node: u32) -> usize {
        let SkuState { cells, shelf, .. } = &mut self.skus[sku as usize];
        place_of(cells, node).unwrap_or_else(|place| {
            cells.insert(place, Cell { node, ..Cell::default() });
            shelf.set(node, Qty::ZERO);
            self.counts.cells += 1;
            let here = &mut self.nodes[node as usize].skus;
            if let Err(place) = here.binary_search(&sku) {
                here.insert(place, sku);
            }
            place
        })
    }

    /// Has the orders that wait for a SKU looked at. `all`: whether anything is available or not.
    pub fn mark(&mut self, sku: u32, all: bool) {
        self.mark_as(sku, all, false);
    }

    /// The same, as a cell has more of the SKU to give from stock.
    pub fn mark_rise(&mut self, sku: u32) {
        self.mark_as(sku, false, true);
    }

    /// `rise`: as a cell has more of the SKU to give from stock.
    pub fn mark_as(&mut self, sku: u32, all: bool, rise: bool) {
        let Some(next) = self.skus[sku as usize].waiting.first().copied() else { return };
        let known = self.looks.get(&sku).copied();
        let all = all || known.is_some_and(|l| l.all);
        match known {
            // From the start now, it would never end.
            Some(look) if self.looking == Some(sku) => {
                let rise = rise || look.again == Some(true);
                self.looks.insert(sku, Look { all, again: Some(rise), ..look });
            }
            _ => {
                if let Some(look) = known {
                    self.turns.remove(&(look.next, sku));
                }
                self.turns.insert((next, sku));
                let rise = rise || known.is_some_and(|l| l.rise || l.again == Some(true));
                self.looks.insert(sku, Look { next, all, rise, again: None });
            }
        }
    }

    /// An order that begins to wait while others are looked at has its turn in its place.
    pub fn step_in(&mut self, sku: u32, key: WaitKey) {
        let Some(look) = self.looks.get_mut(&sku).filter(|l| l.next > key) else { return };
        if self.turns.remove(&(look.next, sku)) {
            look.next = key;
            self.turns.insert((key, sku));
        }
    }

    /// What a cell can give now.
    pub fn standing(&self, sku: u32, node: u32) -> Standing {
        let held = &self.skus[sku as usize];
        held.cell(node).map_or(Standing::default(), |cell| cell.standing(held.untracked()))
    }

    /// Has the orders looked at that wait for something that the node may have; `None`: that any node may have.
    pub fn wake(&mut self, node: Option<u32>) {
        if !self.waited.is_empty() {
            self.woken.insert(node, 0);
        }
    }

    pub fn cell_name(&self, sku: u32, node: u32) -> CellName {
        let (sku, node) = (&self.skus[sku as usize], &self.nodes[node as usize]);
        CellName { node: node.node.id.clone(), sku: sku.name.clone(), bucket: sku.bucket.clone() }
    }

    pub fn node_name(&self, node: u32) -> &str {
        &self.nodes[node as usize].node.id
    }
}
