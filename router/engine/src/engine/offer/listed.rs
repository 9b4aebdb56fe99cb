//! Which offers are open at which node, and what they need there: so that a node that is paused, or stock that is
//! gone, closes what it has to without a look at anything else.

use std::collections::BTreeSet;

use router_schemas::{
    id::{OfferId, OrderId},
    quantity::Qty,
};
use serde::{Deserialize, Serialize};

use super::Needs;
use crate::engine::state::SkuState;

/// Open entries of all offers, and what is to be looked at because of them.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Listed {
    /// Node, order, offer.
    at: BTreeSet<(u32, OrderId, OfferId)>,
    /// SKU, node, quantity, order, offer; not of SKUs without stock-keeping.
    needs: BTreeSet<(u32, u32, Qty, OrderId, OfferId)>,
    /// Cells that can give less than some offer needs of them.
    pub short: BTreeSet<(u32, u32)>,
    /// Nodes that take part no more, whose offers are to be closed.
    pub leaving: BTreeSet<u32>,
}

impl Listed {
    /// The node may claim the offer.
    pub fn open(&mut self, skus: &[SkuState], node: u32, (order, offer): (OrderId, OfferId), needs: &Needs) {
        self.at.insert((node, order, offer));
        for (sku, qty) in needs.iter().filter(|(sku, _)| !skus[*sku as usize].untracked()) {
            self.needs.insert((*sku, node, *qty, order, offer));
        }
    }

    /// It may not any more. `needs`: as when it was opened.
    pub fn close(&mut self, node: u32, (order, offer): (OrderId, OfferId), needs: &Needs) {
        self.at.remove(&(node, order, offer));
        for (sku, qty) in needs {
            self.needs.remove(&(*sku, node, *qty, order, offer));
        }
    }

    /// A cell can give less than before.
    pub fn note_less(&mut self, sku: u32, node: u32, atp: Qty) {
        if !self.needs.is_empty() && self.first_short(sku, node, atp).is_some() {
            self.short.insert((sku, node));
        }
    }

    /// The first offer open at the cell that needs more than this.
    pub fn first_short(&self, sku: u32, node: u32, atp: Qty) -> Option<(OrderId, OfferId)> {
        let above = (sku, node, atp + Qty(1), OrderId::default(), OfferId::default());
        let found = self.needs.range(above..).next().filter(|n| (n.0, n.1) == (sku, node))?;
        Some((found.3, found.4))
    }

    /// The first offer open at the node.
    pub fn first_at(&self, node: u32) -> Option<(OrderId, OfferId)> {
        let from = (node, OrderId::default(), OfferId::default());
        let found = self.at.range(from..).next().filter(|o| o.0 == node)?;
        Some((found.1, found.2))
    }
}
