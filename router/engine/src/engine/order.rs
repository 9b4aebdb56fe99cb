//! An order as the engine holds it: its lines, its units at nodes, and what follows from them.

use router_schemas::{
    command::{
        Hash16,
        order::{DeliveryMode, LineQty, PaymentState, PinKind, Totals},
        part::PartRef,
    },
    event::{OrderState, Queue, Unit},
    geo::UnitVector,
    id::{Identity, OrderId},
    limits::QTY_MAX,
    quantity::{Currency, Qty},
    refusal::Refusal,
    reply,
};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::{
    cancel_request::CancelAsk,
    offer::Offer,
    part::{Abroad, Duty},
    work::Terms,
};

/// Most things that a routing can sort its waiting orders by.
pub const SORTS: usize = 4;
/// The order in which waiting orders are served: what their routing sorts by, priority, promise end, then who came
/// first.
pub type WaitKey = ([i64; SORTS], u8, i64, OrderId);
/// The order in which orders keep what they were promised: priority, then who came first. The last loses first.
pub type LossKey = (u8, i64, OrderId);

/// Lines and how much of each.
pub type Wanted = SmallVec<[(usize, Qty); 8]>;

/// What a node has to do: node, line, units from stock, units to come.
pub type Work = (u32, u16, Qty, Qty);

#[derive(Debug, Serialize, Deserialize)]
pub struct Order {
    pub id: OrderId,
    pub identity: Identity,
    pub zone: String,
    pub version: Option<u64>,
    pub created_at: i64,
    pub changed_at: i64,
    /// Since when it is closed.
    pub closed_at: Option<i64>,
    pub placed_at: Option<i64>,
    pub promise: Option<(i64, i64)>,
    pub not_before: Option<i64>,
    pub mode: DeliveryMode,
    pub to: Option<UnitVector>,
    pub pin: Option<(String, PinKind)>,
    pub priority: u8,
    pub payment: PaymentState,
    /// Minor units: captured, refunded, and told to be refunded.
    pub paid: i64,
    pub refunded: i64,
    pub refund_due: i64,
    /// The greatest total that it had, minor units.
    pub billed: i64,
    pub currency: Currency,
    pub totals: Totals,
    pub lines: Vec<Line>,
    pub fulfilments: Vec<Fulfilment>,
    /// Keyed hash of the recipient.
    pub recipient: Option<Hash16>,
    #[serde(with = "serde_bytes")]
    pub display: Vec<u8>,
    pub revision: u32,
    pub state: OrderState,
    /// Why it waits, where it does.
    pub queue: Option<Queue>,
    /// It is among the orders that wait for its SKUs.
    pub waits: bool,
    /// What its routing sorts it by among those.
    pub sort: [i64; SORTS],
    /// Somebody has to look first: placed longer ago than orders are remembered.
    pub review: bool,
    /// Its hold waits for other zones.
    pub confirming: bool,
    /// The customer was told that it is confirmed.
    pub confirmed: bool,
    pub first: Option<reply::Outcome>,
    /// A part of an order whose home is another zone: which, and the home zone.
    pub part_of: Option<(PartRef, String)>,
    /// Nodes that declined it, in the order in which they did.
    pub declined: Vec<u32>,
    /// Parts of it in other zones, where there ever was one.
    pub abroad: Option<Box<Abroad>>,
    /// For a part: what its home is owed.
    pub duty: Option<Box<Duty>>,
    /// What rules asked of nodes that have work of it.
    pub terms: Vec<Terms>,
    /// Picked units that nodes were asked to give back.
    pub asks: Vec<CancelAsk>,
    /// Service time of the first deadline of its work, which is among those of the state.
    pub work_due: Option<i64>,
    /// Service time at which what is open is cancelled, where a rule says so.
    pub wait: Option<i64>,
    /// Its offers, open or over.
    pub offers: Vec<Offer>,
    /// The last epoch that one of them was given.
    pub epochs: u32,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Line {
    pub name: String,
    pub sku: u32,
    /// What the source last ordered, whatever was cancelled or sent beyond it since.
    pub asked: Qty,
    pub ordered: Qty,
    pub open: Qty,
    /// In open offers.
    pub held: Qty,
    /// In other zones.
    pub away: Qty,
    pub cancelled: Qty,
    pub delivered: Qty,
    /// Told to be delivered before they were told to be shipped.
    pub delivered_early: Qty,
    /// Units that were shipped although they were cancelled.
    pub after_cancel: Qty,
    pub unit_price: i64,
    pub discount: i64,
    /// Lines of one group go together where the rule keeps groups.
    pub group: Option<String>,
    pub pin: Option<(String, PinKind)>,
    /// Among the lines as the source last stated them.
    pub listed: bool,
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
    /// The node will do it.
    pub accepted: bool,
    /// Service time of its next deadline, ms.
    pub due: Option<i64>,
    /// Service time at which the node first had some of it, ms.
    pub since: i64,
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

    pub fn is_empty(&self) -> bool {
        self.promised().is_zero() && self.shipped.is_zero() && self.returned.is_zero()
    }
}

impl Order {
    pub fn wait_key(&self) -> WaitKey {
        (self.sort, self.priority, self.promise.map_or(i64::MAX, |p| p.1), self.id)
    }

    pub fn loss_key(&self) -> LossKey {
        (self.priority, self.created_at, self.id)
    }

    /// The pin that holds for a line: its own, else the order's.
    pub fn pin_of(&self, line: usize) -> Option<&(String, PinKind)> {
        self.lines[line].pin.as_ref().or(self.pin.as_ref())
    }

    /// Units of all lines that nobody was found for yet.
    pub fn open(&self) -> Qty {
        self.lines.iter().map(|l| l.open).sum()
    }

    /// Units of all lines that will not be sent.
    pub fn cancelled(&self) -> Qty {
        self.lines.iter().map(|l| l.cancelled).sum()
    }

    /// The lines that are named, each with its quantity; none named: all of them. No quantity: all. Else why not.
    pub fn wanted(&self, lines: &[LineQty]) -> Result<Wanted, (Refusal, String)> {
        if lines.is_empty() {
            return Ok((0..self.lines.len()).map(|line| (line, QTY_MAX)).collect());
        }
        let find = |l: &LineQty| match self.line(&l.line) {
            Some(line) => Ok((line, l.qty.map_or(QTY_MAX, Qty::floor_zero))),
            None => Err((Refusal::UnknownLine, l.line.clone())),
        };
        lines.iter().map(find).collect()
    }

    /// The units of a line that are at nodes or left them.
    pub fn at_nodes(&self, line: usize) -> impl Iterator<Item = &Fulfilment> {
        self.fulfilments.iter().filter(move |f| usize::from(f.line) == line)
    }

    /// The units of a line at a node.
    pub fn at_node(&mut self, line: usize, node: u32) -> Option<&mut Fulfilment> {
        self.fulfilments.iter_mut().find(|f| f.node == node && usize::from(f.line) == line)
    }

    /// The line of that name; where an amend replaced one, the newer.
    pub fn line(&self, name: &str) -> Option<usize> {
        let listed = self.lines.iter().position(|l| l.listed && l.name == name);
        listed.or_else(|| self.lines.iter().rposition(|l| l.name == name))
    }

    /// What each node has to do: node, line, units from stock, units to come.
    pub fn work(&self) -> SmallVec<[Work; 8]> {
        let promised = self.fulfilments.iter().filter(|f| f.promised().is_positive());
        promised.map(|f| (f.node, f.line, f.promised() - f.backordered, f.backordered)).collect()
    }

    /// What nodes were told last, as if this one had been told already what it has now.
    pub fn with_work_of(&self, node: u32, mut told: SmallVec<[Work; 8]>) -> SmallVec<[Work; 8]> {
        told.retain(|work| work.0 != node);
        told.extend(self.work().into_iter().filter(|work| work.0 == node));
        told
    }

    /// What is to be paid, minor units.
    pub fn total(&self) -> i64 {
        let t = &self.totals;
        t.goods + t.delivery + t.tax - t.discount_platform - t.discount_seller
    }

    /// Whether anything of it is wanted or was sent.
    fn is_live(&self) -> bool {
        self.lines.iter().any(|l| l.ordered > l.cancelled)
    }

    /// What of the total is still owed, minor units: each cancelled unit takes its share of the total without the
    /// delivery fee; with the last unit the delivery fee goes too. Shares are rounded down.
    pub fn owed(&self) -> i64 {
        if !self.is_live() {
            return 0;
        }
        let value = |l: &Line, qty: Qty| match l.asked.0 {
            0 => 0,
            asked => {
                let whole = i128::from(l.unit_price) * i128::from(asked) / 1000 - i128::from(l.discount);
                whole.max(0) * i128::from(qty.0.min(asked)) / i128::from(asked)
            }
        };
        let all: i128 = self.lines.iter().map(|l| value(l, l.asked)).sum();
        let gone: i128 = self.lines.iter().map(|l| value(l, l.cancelled)).sum();
        // Both to 62 bits at most, so that the product fits.
        let shift = (128 - all.leading_zeros()).saturating_sub(62);
        let goods = i128::from(self.total() - self.totals.delivery);
        let share = match all >> shift {
            0 => 0,
            all => goods * (gone >> shift) / all,
        };
        (i128::from(self.total()) - share).max(0) as i64
    }

    /// What is to go back to the customer and was not yet told, minor units.
    pub fn refund_left(&self) -> i64 {
        let due = match self.is_live() {
            true => self.paid.min(self.billed) - self.owed(),
            false => self.paid,
        };
        (due - self.refund_due.max(self.refunded)).max(0)
    }

    /// Nodes with open allocations, in order of first allocation.
    pub fn open_nodes(&self) -> SmallVec<[u32; 4]> {
        let mut nodes = SmallVec::new();
        for fulfilment in self.fulfilments.iter().filter(|f| f.promised().is_positive()) {
            if !nodes.contains(&fulfilment.node) {
                nodes.push(fulfilment.node);
            }
        }
        nodes
    }

    /// Which lines have units that wait: open, or promised beyond stock.
    pub fn waiting_lines(&self) -> SmallVec<[bool; 16]> {
        let mut waits: SmallVec<[bool; 16]> = self.lines.iter().map(|l| l.open.is_positive()).collect();
        for f in self.fulfilments.iter().filter(|f| f.backordered.is_positive()) {
            waits[usize::from(f.line)] = true;
        }
        waits
    }

    /// Units that left nodes, those of other zones included.
    pub fn shipped(&self, line: usize) -> Qty {
        self.at_nodes(line).map(|f| f.shipped).sum::<Qty>() + self.left_abroad(line).0
    }

    /// Of those, units that came back to a node.
    pub fn returned(&self, line: usize) -> Qty {
        self.at_nodes(line).map(|f| f.returned).sum::<Qty>() + self.left_abroad(line).1
    }

    /// The state that follows from units, queue and payment, by the documented precedence.
    pub fn derive(&self, payment_ok: bool, now: i64) -> OrderState {
        let open = self.lines.iter().any(|l| l.open.is_positive());
        let away = self.lines.iter().any(|l| l.away.is_positive());
        let promised = away || self.fulfilments.iter().any(|f| f.promised().is_positive());
        let shipped = self.fulfilments.iter().any(|f| f.shipped.is_positive())
            || self.away_lines().any(|l| l.shipped.is_positive());
        let stray =
            |(i, l): (usize, &Line)| l.after_cancel.is_positive() && l.after_cancel > self.returned(i);
        if open && self.review {
            OrderState::Review
        } else if open && self.not_before.is_some_and(|t| t > now) {
            OrderState::Scheduled
        } else if open && !payment_ok {
            OrderState::AwaitingPayment
        } else if open && self.confirming {
            OrderState::Confirming
        } else if open && self.queue.is_none() {
            OrderState::Routing
        } else if self.has_open_offers() {
            OrderState::Offered
        } else if let (true, Some(queue)) = (open, &self.queue) {
            OrderState::Parked(queue.clone())
        } else if promised {
            OrderState::InFulfilment
        } else if self.lines.iter().enumerate().any(stray) {
            OrderState::ShippedAfterCancel
        } else if shipped {
            OrderState::Completed
        } else {
            OrderState::Cancelled
        }
    }
}
