//! The field of a choice: the nodes that may be asked, and what each could give of each demand, as one table.

use router_schemas::quantity::Qty;

use super::{choose::Demand, state::State};

/// Not looked at yet, and left out by a filter.
const UNSEEN: u32 = u32::MAX;
const LEFT_OUT: u32 = u32::MAX - 1;

/// Nodes that pass every filter, each a row of the table. Their order says nothing.
pub struct Field {
    nodes: Vec<u32>,
    /// What each could give of each demand, row by row, in whole steps and at most what is wanted.
    has: Vec<Qty>,
    demands: usize,
}

impl Field {
    /// The nodes that `may` be asked and have a cell of a demand, or all where one demand is for a SKU without
    /// stock-keeping. `only`: a hard pin, asked whether it has anything or not.
    pub fn of(state: &State, may: impl Fn(u32) -> bool, demands: &[Demand], only: Option<u32>) -> Field {
        let mut rows = Rows {
            may,
            slots: vec![UNSEEN; state.nodes.len()],
            field: Field { nodes: Vec::new(), has: Vec::new(), demands: demands.len() },
        };
        if let Some(node) = only {
            rows.slot(node);
        }
        for (nth, demand) in demands.iter().enumerate() {
            let sku = &state.skus[demand.sku as usize];
            if sku.untracked() {
                (0..state.nodes.len() as u32).for_each(|node| rows.note(node, nth, demand.qty));
                continue;
            }
            let step = sku.step();
            let in_steps = demand.qty.floor_to(step);
            for cell in &sku.cells {
                let atp = cell.atp();
                // Division only where something, but not all, is there.
                let has = match atp {
                    _ if atp >= demand.qty => in_steps,
                    _ if atp.is_zero() => Qty::ZERO,
                    _ => atp.floor_to(step),
                };
                rows.note(cell.node, nth, has);
            }
        }
        rows.field
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The node of a row.
    pub fn node(&self, slot: usize) -> u32 {
        self.nodes[slot]
    }

    /// What the row's node could give of a demand.
    pub fn has(&self, slot: usize, demand: usize) -> Qty {
        self.has[slot * self.demands + demand]
    }

    /// Demands that the row's node fills alone.
    pub fn covered(&self, slot: usize, demands: &[Demand]) -> usize {
        self.row(slot).iter().zip(demands).filter(|(has, demand)| **has == demand.qty).count()
    }

    /// Units of all demands that the row's node could give.
    pub fn units(&self, slot: usize) -> Qty {
        self.row(slot).iter().copied().sum()
    }

    fn row(&self, slot: usize) -> &[Qty] {
        &self.has[slot * self.demands..(slot + 1) * self.demands]
    }
}

/// A field in the making.
struct Rows<F> {
    may: F,
    /// Row of each node of the partition.
    slots: Vec<u32>,
    field: Field,
}

impl<F: Fn(u32) -> bool> Rows<F> {
    fn note(&mut self, node: u32, demand: usize, has: Qty) {
        if let Some(slot) = self.slot(node) {
            self.field.has[slot * self.field.demands + demand] = has;
        }
    }

    /// The node's row, made where it has none and every filter lets it pass.
    fn slot(&mut self, node: u32) -> Option<usize> {
        let slot = &mut self.slots[node as usize];
        match *slot {
            LEFT_OUT => None,
            UNSEEN => {
                if !(self.may)(node) {
                    *slot = LEFT_OUT;
                    return None;
                }
                *slot = self.field.nodes.len() as u32;
                self.field.nodes.push(node);
                self.field.has.resize(self.field.has.len() + self.field.demands, Qty::ZERO);
                Some(*slot as usize)
            }
            row => Some(row as usize),
        }
    }
}
