//! What is read of an engine that was brought to a position: for looking back, and for trying rules on a copy.

use router_schemas::{command::reference::Node, id::OrderId, row::CellRow};

use super::{Engine, rows};

/// A node as it stands.
#[derive(Clone, Debug)]
pub struct NodeView {
    /// Its entry in the reference table; only the name where none was published.
    pub node: Node,
    /// False: facts named it, and no entry was published.
    pub known: bool,
    /// Orders with unshipped units here, by id.
    pub orders: Vec<OrderId>,
    /// Orders assigned since local midnight.
    pub assigned: u32,
    /// How many cells it has.
    pub cells: usize,
}

impl Engine {
    /// A node as it stands; `None`: nothing is known of it here.
    pub fn node_view(&self, name: &str) -> Option<NodeView> {
        let place = self.state.nodes.get(*self.index.nodes.get(name)? as usize)?;
        let mut orders: Vec<OrderId> = place.orders.keys().map(|(_, _, order)| *order).collect();
        orders.sort_unstable();
        Some(NodeView {
            node: place.node.clone(),
            known: place.known,
            orders,
            assigned: place.assigned,
            cells: place.skus.len(),
        })
    }

    /// The first cells of a node, by SKU as this engine came to know them.
    pub fn cells_at(&self, name: &str, most: usize) -> Vec<CellRow> {
        let Some(number) = self.index.nodes.get(name) else { return Vec::new() };
        let skus = &self.state.nodes[*number as usize].skus;
        skus.iter().filter_map(|sku| rows::cell_row(&self.state, *sku, *number)).take(most).collect()
    }
}
