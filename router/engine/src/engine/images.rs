//! What events are written from: views of the state that give the bytes of `router_schemas::event` and `::row`
//! without a copy of anything. Fields stand here in the order in which they stand there.

use router_schemas::{
    command::{
        order::{DeliveryMode, PaymentState, Totals},
        part::PartRef,
        stock::Allowance,
    },
    event::{OrderState, Outcome, Verdict},
    geo::UnitVector,
    id::{Identity, OrderId},
    position::Position,
    quantity::{Currency, Qty},
    row::Row,
};
use serde::{Serialize, Serializer};
use serde_bytes::Bytes;
use smallvec::SmallVec;

use super::{
    cancel_request::asked,
    changes::{Decided, Moved, Noted},
    offer::{NodeImage, OfferImage},
    order::Order,
    part::Away,
    state::{SkuState, State},
};

/// `event::Event`.
#[derive(Serialize)]
pub struct EventImage<'a> {
    pub cause: &'a Position,
    pub item: u16,
    pub at: i64,
    pub time: u64,
    pub order: Option<OrderId>,
    pub outcome: Option<Outcome>,
    pub changes: Changes<'a>,
    pub rows: &'a [RowImage<'a>],
}

/// The changes of an event.
#[derive(Clone, Copy)]
pub struct Changes<'a> {
    pub state: &'a State,
    pub changes: &'a [Noted],
    /// What those that moved units refer to.
    pub moves: &'a [Moved],
}

impl Serialize for Changes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Changes { state, moves, .. } = *self;
        serializer.collect_seq(self.changes.iter().map(|noted| ChangeImage { state, noted, moves }))
    }
}

/// `event::Change`.
struct ChangeImage<'a> {
    state: &'a State,
    noted: &'a Noted,
    moves: &'a [Moved],
}

impl Serialize for ChangeImage<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStructVariant;
        match self.noted {
            Noted::Units { node, moves } => {
                let mut units = serializer.serialize_struct_variant("Change", 0, "Units", 2)?;
                units.serialize_field("node", &node.map(|n| self.state.node_name(n)))?;
                units.serialize_field("moves", &self.moves[moves.clone()])?;
                units.end()
            }
            Noted::Decided(decided) => {
                let image = DecisionImage::of(self.state, decided);
                serializer.serialize_newtype_variant("Change", 1, "Decided", &image)
            }
            Noted::Other(change) => change.serialize(serializer),
        }
    }
}

/// `event::Decision`.
#[derive(Serialize)]
pub struct DecisionImage<'a> {
    control: u64,
    rule_set: &'a str,
    version: u32,
    routing: &'a str,
    rule: &'a str,
    candidates: u32,
    covering: u32,
    chosen: SmallVec<[(&'a str, Option<i64>); 4]>,
    verdict: Verdict,
}

impl<'a> DecisionImage<'a> {
    pub fn of(state: &'a State, decided: &'a Decided) -> Self {
        let (rule_set, version, routing, rule) = match &decided.by {
            Some((ready, routing, rule)) => {
                let (set, routing) = (&ready.set, &ready.set.routings[*routing]);
                (set.name.as_str(), set.version, routing.id.as_str(), routing.rules[*rule].id.as_str())
            }
            None => ("", 0, "", ""),
        };
        DecisionImage {
            control: decided.control,
            rule_set,
            version,
            routing,
            rule,
            candidates: decided.candidates,
            covering: decided.covering,
            chosen: decided.chosen.iter().map(|(node, chord2)| (state.node_name(*node), *chord2)).collect(),
            verdict: decided.verdict,
        }
    }
}

/// `row::Row`.
pub enum RowImage<'a> {
    Order(OrderImage<'a>),
    Cell(CellImage<'a>),
    Offer(OfferImage<'a>),
    Node(NodeImage<'a>),
    /// One that is written seldom.
    Whole(Row),
}

impl Serialize for RowImage<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            RowImage::Order(image) => serializer.serialize_newtype_variant("Row", 0, "Order", image),
            RowImage::Cell(image) => serializer.serialize_newtype_variant("Row", 1, "Cell", image),
            RowImage::Offer(image) => serializer.serialize_newtype_variant("Row", 3, "Offer", image),
            RowImage::Node(image) => serializer.serialize_newtype_variant("Row", 5, "Node", image),
            RowImage::Whole(row) => row.serialize(serializer),
        }
    }
}

/// `row::OrderRow`.
#[derive(Serialize)]
pub struct OrderImage<'a> {
    order: OrderId,
    identity: &'a Identity,
    zone: &'a str,
    state: &'a OrderState,
    payment: PaymentState,
    refunded: i64,
    version: Option<u64>,
    created_at: i64,
    changed_at: i64,
    placed_at: Option<i64>,
    promise: Option<(i64, i64)>,
    not_before: Option<i64>,
    mode: DeliveryMode,
    to: Option<UnitVector>,
    priority: u8,
    currency: Currency,
    totals: &'a Totals,
    revision: u32,
    lines: Lines<'a>,
    fulfilments: Fulfilments<'a>,
    display: &'a Bytes,
    part_of: &'a Option<(PartRef, String)>,
    parts: Parts<'a>,
    declined: Names<'a>,
}

impl<'a> OrderImage<'a> {
    pub fn of(state: &'a State, order: &'a Order) -> Self {
        OrderImage {
            order: order.id,
            identity: &order.identity,
            zone: &order.zone,
            state: &order.state,
            payment: order.payment,
            refunded: order.refunded,
            version: order.version,
            created_at: order.created_at,
            changed_at: order.changed_at,
            placed_at: order.placed_at,
            promise: order.promise,
            not_before: order.not_before,
            mode: order.mode,
            to: order.to,
            priority: order.priority,
            currency: order.currency,
            totals: &order.totals,
            revision: order.revision,
            lines: Lines { state, order },
            fulfilments: Fulfilments { state, order },
            display: Bytes::new(&order.display),
            part_of: &order.part_of,
            parts: Parts(order),
            declined: Names { state, of: &order.declined },
        }
    }
}

/// The present attempt at each part.
struct Parts<'a>(&'a Order);

impl Serialize for Parts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let present: SmallVec<[PartImage<'_>; 4]> =
            self.0.abroad.iter().flat_map(|abroad| abroad.present()).map(PartImage::of).collect();
        present.serialize(serializer)
    }
}

/// `row::PartRow`.
#[derive(Serialize)]
struct PartImage<'a> {
    part: u32,
    attempt: u32,
    zone: &'a str,
    visited: &'a [String],
    report: u64,
    away: SmallVec<[(u16, Qty); 8]>,
}

impl<'a> PartImage<'a> {
    fn of(part: &'a Away) -> Self {
        let away = part.lines.iter().filter(|l| l.away.is_positive()).map(|l| (l.line, l.away)).collect();
        let Away { part: number, attempt, zone, visited, report, .. } = part;
        PartImage { part: *number, attempt: *attempt, zone, visited, report: *report, away }
    }
}

/// Names of nodes.
struct Names<'a> {
    state: &'a State,
    of: &'a [u32],
}

impl Serialize for Names<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.of.iter().map(|node| self.state.node_name(*node)))
    }
}

struct Lines<'a> {
    state: &'a State,
    order: &'a Order,
}

impl Serialize for Lines<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sums: SmallVec<[[Qty; 4]; 8]> = SmallVec::from_elem([Qty::ZERO; 4], self.order.lines.len());
        for f in &self.order.fulfilments {
            let parts = [f.backordered, f.allocated + f.picked + f.ready, f.shipped, f.returned];
            for (sum, part) in sums[usize::from(f.line)].iter_mut().zip(parts) {
                *sum += part;
            }
        }
        for l in self.order.away_lines() {
            let [.., shipped, returned] = &mut sums[usize::from(l.line)];
            (*shipped, *returned) = (*shipped + l.shipped, *returned + l.back);
        }
        serializer.collect_seq(self.order.lines.iter().zip(sums).map(|(line, sums)| {
            let SkuState { name, bucket, .. } = &self.state.skus[line.sku as usize];
            let [backordered, allocated, shipped, returned] = sums;
            LineImage {
                line: &line.name,
                sku: name,
                bucket,
                ordered: line.ordered,
                open: line.open,
                held: line.held,
                backordered,
                allocated,
                away: line.away,
                shipped,
                delivered: line.delivered,
                returned,
                cancelled: line.cancelled,
                unit_price: line.unit_price,
                after_cancel: line.after_cancel,
            }
        }))
    }
}

/// `row::LineRow`.
#[derive(Serialize)]
struct LineImage<'a> {
    line: &'a str,
    sku: &'a str,
    bucket: &'a str,
    ordered: Qty,
    open: Qty,
    held: Qty,
    backordered: Qty,
    allocated: Qty,
    away: Qty,
    shipped: Qty,
    delivered: Qty,
    returned: Qty,
    cancelled: Qty,
    unit_price: i64,
    after_cancel: Qty,
}

struct Fulfilments<'a> {
    state: &'a State,
    order: &'a Order,
}

impl Serialize for Fulfilments<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.order.fulfilments.iter().map(|f| FulfilmentImage {
            node: self.state.node_name(f.node),
            line: f.line,
            backordered: f.backordered,
            allocated: f.allocated,
            picked: f.picked,
            ready: f.ready,
            shipped: f.shipped,
            returned: f.returned,
            accepted: f.accepted,
            due: f.due,
            asked: asked(self.order, f.node, f.line),
            deadline: f.due.map(|due| due + self.state.clock.engine - self.state.clock.service()),
        }))
    }
}

/// `row::FulfilmentRow`.
#[derive(Serialize)]
struct FulfilmentImage<'a> {
    node: &'a str,
    line: u16,
    backordered: Qty,
    allocated: Qty,
    picked: Qty,
    ready: Qty,
    shipped: Qty,
    returned: Qty,
    accepted: bool,
    due: Option<i64>,
    asked: Qty,
    deadline: Option<i64>,
}

/// `command::stock::CellName`.
#[derive(Serialize)]
struct CellNameImage<'a> {
    node: &'a str,
    sku: &'a str,
    bucket: &'a str,
}

/// `row::CellRow`.
#[derive(Serialize)]
pub struct CellImage<'a> {
    cell: CellNameImage<'a>,
    on_hand: Qty,
    allocated: Qty,
    backordered: Qty,
    held: Qty,
    blocked: Qty,
    safety_stock: Qty,
    allowance: Allowance,
    out_of_stock: bool,
    atp: Qty,
    weekly_sales: Option<Qty>,
}

impl<'a> CellImage<'a> {
    /// `None`: there is no such cell.
    pub fn of(state: &'a State, sku: u32, node: u32) -> Option<Self> {
        let (held, place) = (&state.skus[sku as usize], &state.nodes[node as usize].node);
        let cell = held.cell(node)?;
        Some(CellImage {
            cell: CellNameImage { node: &place.id, sku: &held.name, bucket: &held.bucket },
            on_hand: cell.on_hand,
            allocated: cell.allocated,
            backordered: cell.backordered,
            held: cell.held,
            blocked: cell.blocked,
            safety_stock: cell.safety_stock,
            // A service is everywhere without limit.
            allowance: if held.untracked() { Allowance::Unlimited } else { cell.allowance },
            out_of_stock: cell.out_of_stock,
            atp: if place.enabled { cell.atp() } else { Qty::ZERO },
            weekly_sales: cell.weekly_sales,
        })
    }
}
