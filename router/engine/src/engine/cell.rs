//! The cell: what a node has of a SKU and bucket, and what of it is promised.

use router_schemas::{command::stock::Allowance, limits, quantity::Qty};
use serde::{Deserialize, Serialize};

/// What a cell can give: from stock, beyond it; and what it was promised too much.
#[derive(Debug, Default, Clone, Copy)]
pub struct Standing {
    pub atp: Qty,
    pub beyond: Qty,
    pub over: Qty,
}

/// What a node has of a SKU and bucket.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Cell {
    pub node: u32,
    pub on_hand: Qty,
    /// Backordered, allocated, picked and ready units.
    pub allocated: Qty,
    pub backordered: Qty,
    /// Held for orders at this node.
    pub held: Qty,
    pub blocked: Qty,
    pub safety_stock: Qty,
    pub allowance: Allowance,
    pub out_of_stock: bool,
    /// An oversold alert is open.
    pub oversold: bool,
    /// The last count of each counter, the latest at the end.
    pub counted: Vec<Counted>,
    /// It has a row: what is promised of a service alone needs none.
    pub shown: bool,
    /// A counter states what is available: promises are remembered as movements are.
    pub known_outside: bool,
    /// The last movements, the latest at the end.
    pub recent: Vec<Movement>,
    /// Units sold a week, where known.
    pub weekly_sales: Option<Qty>,
}

/// A count that was taken.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Counted {
    pub counter: String,
    pub sequence: Option<u64>,
    pub observed_at: Option<i64>,
}

/// What changed a cell: engine time, added to on-hand, added to what is promised from stock.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Movement {
    pub at: i64,
    pub on_hand: Qty,
    pub promised: Qty,
}

impl Cell {
    /// Available to promise, at an enabled node.
    pub fn atp(&self) -> Qty {
        if self.out_of_stock {
            return Qty::ZERO;
        }
        let (mut held, mut safety) = (self.held, self.safety_stock);
        if fault!(AtpWithoutHeld) {
            held = Qty::ZERO;
        }
        if fault!(AtpWithoutSafetyStock) {
            safety = Qty::ZERO;
        }
        let one = if fault!(OversellsByOne) { Qty::ONE } else { Qty::ZERO };
        (self.on_hand - self.allocated - held - self.blocked - safety + one).floor_zero()
    }

    /// What it can give now, and was promised too much. `untracked`: its SKU is without stock-keeping.
    pub fn standing(&self, untracked: bool) -> Standing {
        let over = if untracked { Qty::ZERO } else { self.oversold_by() };
        Standing { atp: self.atp(), beyond: self.backorder_left(), over }
    }

    /// Units promised from stock beyond what is there.
    pub fn oversold_by(&self) -> Qty {
        (self.allocated - self.backordered - self.on_hand).floor_zero()
    }

    /// Units that may still be backordered; what is oversold uses the allowance up as well.
    pub fn backorder_left(&self) -> Qty {
        if self.out_of_stock {
            return Qty::ZERO;
        }
        (self.backorder_limit() - self.backordered - self.oversold_by()).floor_zero()
    }

    /// Units that may be promised beyond stock, used up or not.
    pub fn backorder_limit(&self) -> Qty {
        self.allowance.units()
    }

    /// Backordered units for which stock is there that may be sold.
    pub fn arrived(&self) -> Qty {
        self.unpromised().min(self.backordered)
    }

    /// What may be sold and is promised to nobody from stock.
    pub fn unpromised(&self) -> Qty {
        if self.out_of_stock {
            return Qty::ZERO;
        }
        let promised = self.allocated - self.backordered + self.held;
        (self.on_hand - promised - self.blocked - self.safety_stock).floor_zero()
    }

    /// Remembers a movement.
    pub fn remember(&mut self, at: i64, on_hand: Qty, promised: Qty) {
        self.recent.retain(|m| m.at > at - limits::RECENT_MS);
        if self.recent.len() == limits::RECENT_MOVEMENTS {
            self.recent.remove(0);
        }
        self.recent.push(Movement { at, on_hand, promised });
    }
}
