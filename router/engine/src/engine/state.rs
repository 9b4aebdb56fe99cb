//! What the engine knows: nodes, SKUs with their cells, orders, and the indexes over them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use router_schemas::{
    command::{
        Hash16,
        order::{DeliveryMode, PaymentState, Totals},
        reference::{Channel, Item, Node},
        stock::{Allowance, CellName},
    },
    event::{OrderState, Queue, Unit},
    geo::UnitVector,
    id::{Identity, OrderId},
    quantity::{Currency, Qty},
    reply,
    row::CellRow,
};
use serde::{Deserialize, Serialize};

use super::time::Clock;

/// The whole logical content. Collections are ordered, so that equal content has equal bytes.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    pub clock: Clock,
    /// Control position of the last copy applied.
    pub control: u64,
    pub zones: BTreeSet<String>,
    pub nodes: Vec<NodeState>,
    pub skus: Vec<SkuState>,
    pub channels: BTreeMap<String, Channel>,
    pub orders: BTreeMap<OrderId, Order>,
    /// SKUs of which something became available since the orders that wait for them were last looked at, each
    /// with the last order looked at since: a look that is cut off goes on behind it, else it would never end.
    pub dirty: BTreeMap<u32, Option<WaitKey>>,
    /// Orders that wait for a time: engine time, order.
    pub timed: BTreeSet<(i64, OrderId)>,
    /// A `continue` of ours is on its way.
    pub continuing: bool,
    /// Keys of facts, with the engine time at which they are forgotten.
    pub facts: BTreeMap<Hash16, i64>,
    pub fact_ages: BTreeSet<(i64, Hash16)>,
    /// Highest (offset, index) taken from each source.
    pub sources: BTreeMap<(String, u32, u16), (u64, u32)>,
}

/// Rebuilt from the state, never written: names to numbers.
#[derive(Debug, Default)]
pub struct Index {
    pub nodes: HashMap<String, u32>,
    pub skus: HashMap<(String, String), u32>,
}

impl Index {
    pub fn of(state: &State) -> Self {
        let numbered = |n: usize| n as u32;
        Self {
            nodes: state
                .nodes
                .iter()
                .enumerate()
                .map(|(n, node)| (node.node.id.clone(), numbered(n)))
                .collect(),
            skus: state
                .skus
                .iter()
                .enumerate()
                .map(|(n, sku)| ((sku.name.clone(), sku.bucket.clone()), numbered(n)))
                .collect(),
        }
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct NodeState {
    pub node: Node,
    /// False for a node that facts named before its reference arrived.
    pub known: bool,
    /// Orders with unshipped allocations here.
    pub orders: BTreeSet<OrderId>,
    /// Local midnight of the day that `assigned` counts.
    pub day: i64,
    /// Orders assigned since then.
    pub assigned: u32,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct SkuState {
    pub name: String,
    pub bucket: String,
    pub item: Option<Item>,
    /// Ascending by node.
    pub cells: Vec<Cell>,
    /// Orders with open or backordered units of it.
    pub waiting: BTreeSet<WaitKey>,
}

/// The order in which waiting orders are served: priority, promise end, then who came first.
pub type WaitKey = (u8, i64, OrderId);

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Cell {
    pub node: u32,
    pub on_hand: Qty,
    /// Backordered, allocated, picked and ready units.
    pub allocated: Qty,
    pub backordered: Qty,
    pub blocked: Qty,
    pub safety_stock: Qty,
    pub allowance: Allowance,
    pub out_of_stock: bool,
    /// An oversold alert is open.
    pub oversold: bool,
    /// Counter, sequence and observation time of the last count.
    pub counted: Option<(String, Option<u64>, Option<i64>)>,
}

impl Cell {
    /// Available to promise, at an enabled node.
    pub fn atp(&self) -> Qty {
        if self.out_of_stock {
            return Qty::ZERO;
        }
        (self.on_hand - self.allocated - self.blocked - self.safety_stock).floor_zero()
    }

    /// Units promised from stock beyond what is there.
    pub fn oversold_by(&self) -> Qty {
        (self.allocated - self.backordered - self.on_hand).floor_zero()
    }

    /// Units that may still be backordered.
    pub fn backorder_left(&self) -> Qty {
        match self.allowance {
            Allowance::None => Qty::ZERO,
            Allowance::Limited(limit) => (limit - self.backordered).floor_zero(),
            Allowance::Unlimited => router_schemas::limits::QTY_MAX,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Order {
    pub id: OrderId,
    pub identity: Identity,
    pub zone: String,
    pub version: Option<u64>,
    pub created_at: i64,
    pub changed_at: i64,
    pub placed_at: Option<i64>,
    pub promise: Option<(i64, i64)>,
    pub not_before: Option<i64>,
    pub mode: DeliveryMode,
    pub to: Option<UnitVector>,
    pub pin: Option<(String, bool)>,
    pub priority: u8,
    pub payment: PaymentState,
    pub refunded: i64,
    pub currency: Currency,
    pub totals: Totals,
    pub lines: Vec<Line>,
    pub fulfilments: Vec<Fulfilment>,
    #[serde(with = "serde_bytes")]
    pub display: Vec<u8>,
    pub revision: u32,
    pub state: OrderState,
    /// Why it waits, where it does.
    pub queue: Option<Queue>,
    /// Somebody has to look first: placed longer ago than orders are remembered.
    pub review: bool,
    /// The customer was told that it is confirmed.
    pub confirmed: bool,
    pub first: Option<reply::Outcome>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Line {
    pub name: String,
    pub sku: u32,
    pub ordered: Qty,
    pub open: Qty,
    pub cancelled: Qty,
    pub delivered: Qty,
    pub unit_price: i64,
    pub pin: Option<(String, bool)>,
}

/// Units of one line at one node.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Fulfilment {
    pub node: u32,
    pub line: u16,
    pub backordered: Qty,
    pub allocated: Qty,
    pub picked: Qty,
    pub ready: Qty,
    pub shipped: Qty,
    pub returned: Qty,
}

impl Fulfilment {
    /// The units in one state here; `None` for states that are not a node's.
    pub fn units(&mut self, unit: Unit) -> Option<&mut Qty> {
        match unit {
            Unit::Backordered => Some(&mut self.backordered),
            Unit::Allocated => Some(&mut self.allocated),
            Unit::Picked => Some(&mut self.picked),
            Unit::Ready => Some(&mut self.ready),
            Unit::Shipped => Some(&mut self.shipped),
            Unit::Returned => Some(&mut self.returned),
            _ => None,
        }
    }

    /// Units promised here and not gone.
    pub fn promised(&self) -> Qty {
        self.backordered + self.allocated + self.picked + self.ready
    }
}

impl Order {
    pub fn wait_key(&self) -> WaitKey {
        (self.priority, self.promise.map_or(i64::MAX, |p| p.1), self.id)
    }

    /// The units of a line that are at nodes or left them.
    pub fn at_nodes(&self, line: usize) -> impl Iterator<Item = &Fulfilment> {
        self.fulfilments.iter().filter(move |f| usize::from(f.line) == line)
    }

    pub fn line(&self, name: &str) -> Option<usize> {
        self.lines.iter().position(|l| l.name == name)
    }

    /// What each node has to do: node, line, units from stock, units to come.
    pub fn work(&self) -> Vec<(u32, u16, Qty, Qty)> {
        let promised = self.fulfilments.iter().filter(|f| f.promised().is_positive());
        promised.map(|f| (f.node, f.line, f.promised() - f.backordered, f.backordered)).collect()
    }

    /// What is to be paid, minor units.
    pub fn total(&self) -> i64 {
        let t = &self.totals;
        t.goods + t.delivery + t.tax - t.discount_platform - t.discount_seller
    }

    /// Nodes with open allocations, in order of first allocation.
    pub fn open_nodes(&self) -> Vec<u32> {
        let mut nodes = Vec::new();
        for fulfilment in self.fulfilments.iter().filter(|f| f.promised().is_positive()) {
            if !nodes.contains(&fulfilment.node) {
                nodes.push(fulfilment.node);
            }
        }
        nodes
    }

    /// The state that follows from units, queue and payment, by the documented precedence.
    pub fn derive(&self, payment_ok: bool, now: i64) -> OrderState {
        let open = self.lines.iter().any(|l| l.open.is_positive());
        let promised = self.fulfilments.iter().any(|f| f.promised().is_positive());
        let shipped = self.fulfilments.iter().any(|f| f.shipped.is_positive());
        if open && self.review {
            OrderState::Review
        } else if open && self.not_before.is_some_and(|t| t > now) {
            OrderState::Scheduled
        } else if open && !payment_ok {
            OrderState::AwaitingPayment
        } else if let (true, Some(queue)) = (open, self.queue) {
            OrderState::Parked(queue)
        } else if open {
            OrderState::Routing
        } else if promised {
            OrderState::InFulfilment
        } else if shipped {
            OrderState::Completed
        } else {
            OrderState::Cancelled
        }
    }
}

impl SkuState {
    pub fn cell(&self, node: u32) -> Option<&Cell> {
        self.cells.binary_search_by_key(&node, |c| c.node).ok().map(|i| &self.cells[i])
    }

    pub fn cell_mut(&mut self, node: u32) -> &mut Cell {
        let place = match self.cells.binary_search_by_key(&node, |c| c.node) {
            Ok(place) => place,
            Err(place) => {
                self.cells.insert(place, Cell { node, ..Cell::default() });
                place
            }
        };
        &mut self.cells[place]
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
    pub fn cell_name(&self, sku: u32, node: u32) -> CellName {
        let (sku, node) = (&self.skus[sku as usize], &self.nodes[node as usize]);
        CellName { node: node.node.id.clone(), sku: sku.name.clone(), bucket: sku.bucket.clone() }
    }

    pub fn cell_row(&self, sku: u32, node: u32) -> CellRow {
        let cell = self.skus[sku as usize].cell(node).cloned().unwrap_or_default();
        let enabled = self.nodes[node as usize].node.enabled;
        CellRow {
            cell: self.cell_name(sku, node),
            on_hand: cell.on_hand,
            allocated: cell.allocated,
            backordered: cell.backordered,
            held: Qty::ZERO,
            blocked: cell.blocked,
            safety_stock: cell.safety_stock,
            allowance: cell.allowance,
            out_of_stock: cell.out_of_stock,
            atp: if enabled { cell.atp() } else { Qty::ZERO },
        }
    }
}
