//! What must hold after every command, asserted for what it touched: I2 to I6. I1 is asserted where
//! units are promised (`units.rs`), I7 where events are written (`effects.rs`). A broken one stops the partition.

use router_schemas::{event::OrderState, quantity::Qty};
use smallvec::SmallVec;

use super::{Engine, effects::Effects, order::Order};

impl Engine {
    pub(super) fn check_touched(&self, effects: &Effects<'_>) {
        if crate::faults::is_any() {
            return;
        }
        for id in effects.touched_orders() {
            let Some(order) = self.state.orders.get(id) else { continue };
            let wrong = self.unsound(order);
            assert!(wrong.is_none(), "{} broken by {}: order {id}", wrong.unwrap_or(""), effects.position);
        }
        let mut last = None;
        for (id, _) in effects.touched_offers() {
            // Those of a touched order were looked at with it; those of another are looked at once.
            if effects.touches(id) || last.replace(*id) == Some(*id) {
                continue;
            }
            let Some(order) = self.state.orders.get(id) else { continue };
            let wrong = self.unsound_offers(order);
            assert!(wrong.is_none(), "{} broken by {}: order {id}", wrong.unwrap_or(""), effects.position);
        }
        for (sku, node) in effects.touched_cells() {
            let Some(cell) = self.state.skus[*sku as usize].cell(*node) else { continue };
            let sound = cell.on_hand.0 >= 0 && cell.backordered.0 >= 0 && cell.allocated >= cell.backordered;
            assert!(sound, "I2 broken by {}: {:?}", effects.position, self.state.cell_name(*sku, *node));
            let shelved = self.state.skus[*sku as usize].shelf.atp(*node) == Some(cell.atp());
            assert!(shelved, "the shelf is not the cell's: {:?}", self.state.cell_name(*sku, *node));
        }
    }

    /// The invariant that the order breaks.
    fn unsound(&self, order: &Order) -> Option<&'static str> {
        let mut sums: SmallVec<[(Qty, Qty, Qty); 8]> =
            SmallVec::from_elem((Qty::ZERO, Qty::ZERO, Qty::ZERO), order.lines.len());
        for f in &order.fulfilments {
            let sum = &mut sums[usize::from(f.line)];
            sum.0 += f.promised();
            sum.1 += f.shipped;
            sum.2 += f.returned;
            let units = [f.backordered, f.allocated, f.picked, f.ready, f.shipped, f.returned];
            if units.iter().any(|q| q.0 < 0) {
                return Some("I3");
            }
        }
        let mut away: SmallVec<[Qty; 8]> = SmallVec::from_elem(Qty::ZERO, order.lines.len());
        for l in order.away_lines() {
            let (place, sum) = (usize::from(l.line), &mut sums[usize::from(l.line)]);
            away[place] += l.away;
            (sum.1, sum.2) = (sum.1 + l.shipped, sum.2 + l.back);
            if l.away.0 < 0 {
                return Some("I3");
            }
        }
        for ((line, (promised, shipped, returned)), away) in order.lines.iter().zip(sums).zip(away) {
            let nowhere = line.open + line.held + line.away + line.cancelled;
            let whole = nowhere + promised + shipped == line.ordered && line.away == away;
            let parts = [line.open, line.held, line.cancelled, line.delivered];
            let positive = parts.iter().all(|q| q.0 >= 0);
            if !whole || !positive || returned > shipped || line.delivered > shipped {
                return Some("I3");
            }
        }
        if let Some(broken) = self.unsound_offers(order) {
            return Some(broken);
        }
        // It moves on by itself, it ended, or it waits where it is looked at.
        let documented = match &order.state {
            OrderState::Parked(_) => order.waits,
            OrderState::Scheduled => {
                order.not_before.is_some_and(|at| self.state.timed.contains(&(at, order.id)))
            }
            OrderState::Offered => order.has_open_offers(),
            OrderState::Confirming => self.is_confirming(order.id),
            OrderState::Routing => false,
            closed if closed.is_closed() => order.closed_at.is_some(),
            _ => true,
        };
        (!documented).then_some("I5")
    }
}
