//! I2 and I3, asserted after every command for what it touched. A broken one stops the partition.

use router_schemas::quantity::Qty;

use super::{Engine, effects::Effects};

impl Engine {
    pub(super) fn check_touched(&self, effects: &Effects<'_>) {
        for id in effects.touched_orders() {
            let Some(order) = self.state.orders.get(id) else { continue };
            for (i, line) in order.lines.iter().enumerate() {
                let at_nodes: Qty = order.at_nodes(i).map(|f| f.promised() + f.shipped).sum();
                let whole = line.open + line.cancelled + at_nodes == line.ordered;
                let positive = [line.open, line.cancelled, line.delivered].iter().all(|q| q.0 >= 0)
                    && order.at_nodes(i).all(|f| {
                        [f.backordered, f.allocated, f.picked, f.ready, f.shipped, f.returned]
                            .iter()
                            .all(|q| q.0 >= 0)
                    });
                assert!(
                    whole && positive,
                    "I3 broken by {}: order {id} line {}",
                    effects.position,
                    line.name
                );
            }
        }
        for (sku, node) in effects.touched_cells() {
            let Some(cell) = self.state.skus[*sku as usize].cell(*node) else { continue };
            let sound = cell.on_hand.0 >= 0 && cell.backordered.0 >= 0 && cell.allocated >= cell.backordered;
            assert!(sound, "I2 broken by {}: {:?}", effects.position, self.state.cell_name(*sku, *node));
        }
    }
}
