//! What a store sees: its offers, its work, and how it stands. Of an order only what is the store's own; of the customer
//! nothing, and where the goods go only as a distance.

use router_ingest::json::{Gift, Invoice};
use router_schemas::{
    command::{
        order::{DeliveryMode, Display},
        reference::{Reference, Table},
    },
    geo,
    id::{OfferId, OrderId},
    quantity::Qty,
    row::{HoldRow, HoldState, NodeRow, OfferEntry, OfferRow, OfferState, OrderRow, PoolRow},
};
use router_sinks::Store;
use schemars::JsonSchema;
use serde::Serialize;

use super::Time;

/// All that a store may claim and has to do.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Reconcile {
    pub offers: Vec<Offer>,
    pub work: Vec<Work>,
    /// There is more than is listed here: ask for the lists.
    pub more: bool,
}

/// An offer, as a store that may claim it sees it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OfferRow")]
pub(crate) struct Offer {
    offer: OfferId,
    order: OrderId,
    channel: String,
    /// The number that the customer knows.
    number: Option<String>,
    day_sequence: Option<u32>,
    delivery_mode: Option<DeliveryMode>,
    remark: Option<String>,
    /// To be sent with a claim.
    epoch: u32,
    round: u32,
    /// `offered`, `claimed`, `exhausted` or `withdrawn`.
    state: OfferState,
    created_at: Time,
    /// When the round ends; absent: it does not.
    deadline: Option<Time>,
    /// To the customer, rounded up to the next 100 m.
    metres: Option<u64>,
    lines: Vec<OfferedLine>,
    /// How each node stands with it; a store sees itself only.
    nodes: Vec<OfferedTo>,
    /// Who has it; a store sees itself only.
    winner: Option<String>,
    /// The rule that made it: `SET@VERSION ROUTING/RULE`.
    rule: String,
}

/// A line of an offer.
#[derive(Serialize, JsonSchema)]
pub(crate) struct OfferedLine {
    line: String,
    sku: String,
    name: Option<String>,
    options: Vec<String>,
    qty: Qty,
}

/// A node of an offer.
#[derive(Serialize, JsonSchema)]
pub(crate) struct OfferedTo {
    node: String,
    /// `open`, `won`, or why it is over: `taken`, `no_stock`, `expired`, `withdrawn`, `declined`.
    state: &'static str,
}

/// An offer as operations see it.
pub(crate) fn offer(store: &dyn Store, row: &OfferRow) -> Offer {
    let order = store.order(row.order).ok().flatten();
    let display = order.as_ref().map(display).unwrap_or_default();
    let line = |(line, qty): &(u16, Qty)| {
        let index = usize::from(*line);
        let of_order = order.as_ref().and_then(|order| order.lines.get(index));
        let shown = display.lines.get(index);
        OfferedLine {
            line: of_order.map(|l| l.line.clone()).unwrap_or_default(),
            sku: of_order.map(|l| l.sku.clone()).unwrap_or_default(),
            name: shown.and_then(|l| l.name.clone()),
            options: shown.map(|l| l.options.clone()).unwrap_or_default(),
            qty: *qty,
        }
    };
    let (set, version, routing, rule) = &row.rule;
    Offer {
        offer: row.offer,
        order: row.order,
        channel: row.identity.channel.clone(),
        number: display.number.clone(),
        day_sequence: display.day_sequence,
        delivery_mode: order.as_ref().map(|order| order.mode),
        remark: display.remark.clone(),
        epoch: row.epoch,
        round: row.round,
        state: row.state,
        created_at: Time(row.created_at),
        deadline: row.deadline.map(Time),
        metres: None,
        lines: row.lines.iter().map(line).collect(),
        nodes: row
            .nodes
            .iter()
            .map(|(node, entry)| OfferedTo { node: node.clone(), state: entry_text(*entry) })
            .collect(),
        winner: row.winner.clone(),
        rule: format!("{set}@{version} {routing}/{rule}"),
    }
}

/// An offer as this node sees it.
pub(crate) fn offer_to(store: &dyn Store, row: &OfferRow, node: &str) -> Offer {
    let mut offer = offer(store, row);
    offer.nodes.retain(|to| to.node == node);
    offer.winner = offer.winner.filter(|winner| winner == node);
    let to = store.order(row.order).ok().flatten().and_then(|order| order.to);
    let place = match store.reference(Table::Nodes, node) {
        Ok(Some(Reference::Node(node))) => node.place,
        _ => None,
    };
    let metres = to.zip(place).map(|(to, place)| geo::metres(to.chord2(place)));
    offer.metres = metres.map(|metres| (metres / 100.0).ceil() as u64 * 100);
    offer
}

fn entry_text(entry: OfferEntry) -> &'static str {
    use router_schemas::event::OfferClosed;
    match entry {
        OfferEntry::Open => "open",
        OfferEntry::Won => "won",
        OfferEntry::Closed(OfferClosed::Taken) => "taken",
        OfferEntry::Closed(OfferClosed::NoStock) => "no_stock",
        OfferEntry::Closed(OfferClosed::Expired) => "expired",
        OfferEntry::Closed(OfferClosed::Withdrawn) => "withdrawn",
        OfferEntry::Closed(OfferClosed::Declined) => "declined",
    }
}

/// What a node has to do for an order.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Work {
    order: OrderId,
    channel: String,
    /// The platform's id of it.
    id: String,
    number: Option<String>,
    day_sequence: Option<u32>,
    delivery_mode: DeliveryMode,
    remark: Option<String>,
    /// 0 first.
    priority: u8,
    /// When the customer was promised it.
    promise: Option<(Time, Time)>,
    /// When the next of it is due: to be accepted, picked, or answered; absent: nothing is.
    deadline: Option<Time>,
    lines: Vec<WorkLine>,
}

/// A line of a node's work.
#[derive(Serialize, JsonSchema)]
pub(crate) struct WorkLine {
    line: String,
    sku: String,
    name: Option<String>,
    options: Vec<String>,
    /// Day or seat class; empty: none.
    bucket: String,
    /// From stock, not picked.
    allocated: Qty,
    /// To come.
    backordered: Qty,
    picked: Qty,
    ready: Qty,
    /// Of those picked and ready, units that the node was asked to give back.
    asked: Qty,
    /// The node said that it will do it.
    accepted: bool,
}

/// What of an order is this node's work.
pub(crate) fn work(row: &OrderRow, node: &str) -> Work {
    let display = display(row);
    let mine = row.fulfilments.iter().filter(|f| f.node == node);
    let deadline = mine.clone().filter_map(|f| f.deadline).min().map(Time);
    let lines = mine.filter_map(|f| {
        let line = row.lines.get(usize::from(f.line))?;
        let shown = display.lines.get(usize::from(f.line));
        Some(WorkLine {
            line: line.line.clone(),
            sku: line.sku.clone(),
            name: shown.and_then(|l| l.name.clone()),
            options: shown.map(|l| l.options.clone()).unwrap_or_default(),
            bucket: line.bucket.clone(),
            allocated: f.allocated,
            backordered: f.backordered,
            picked: f.picked,
            ready: f.ready,
            asked: f.asked,
            accepted: f.accepted,
        })
    });
    Work {
        order: row.order,
        channel: row.identity.channel.clone(),
        id: row.identity.external_id.clone(),
        number: display.number.clone(),
        day_sequence: display.day_sequence,
        delivery_mode: row.mode,
        remark: display.remark.clone(),
        priority: row.priority,
        promise: row.promise.map(|(from, to)| (Time(from), Time(to))),
        deadline,
        lines: lines.collect(),
    }
}

fn display(row: &OrderRow) -> Display {
    postcard::from_bytes(&row.display).unwrap_or_default()
}

/// What is held for an order.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "HoldRow")]
pub(crate) struct Hold {
    order: OrderId,
    channel: String,
    account: String,
    /// The platform's id of the order.
    id: String,
    zone: String,
    state: HoldState,
    /// When it lapses if nothing interrupts.
    deadline: Option<Time>,
    lines: Vec<HoldLine>,
}

/// A line of a hold.
#[derive(Serialize, JsonSchema)]
pub(crate) struct HoldLine {
    line: String,
    /// Absent: anywhere.
    node: Option<String>,
    sku: String,
    /// Day or seat class; empty: none.
    bucket: String,
    qty: Qty,
}

pub(crate) fn hold(row: &HoldRow) -> Hold {
    let far = row.legs.iter().flat_map(|leg| leg.lines.iter().cloned());
    let far = far.map(|(line, node, sku, bucket, qty)| (line, Some(node), sku, bucket, qty));
    let lines = row.lines.iter().cloned().chain(far);
    Hold {
        order: row.order,
        channel: row.identity.channel.clone(),
        account: row.identity.account.clone(),
        id: row.identity.external_id.clone(),
        zone: row.zone.clone(),
        state: row.state,
        deadline: row.deadline.map(Time),
        lines: lines
            .map(|(line, node, sku, bucket, qty)| HoldLine { line, node, sku, bucket, qty })
            .collect(),
    }
}

/// The customer of an order, for whoever brings it.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Contact {
    pub order: OrderId,
    pub name: Option<String>,
    pub phone: Option<String>,
    pub address: Option<String>,
    pub gift: Option<Gift>,
    pub invoice: Option<Invoice>,
}

/// What the customer says where the order is handed over.
#[derive(Serialize, JsonSchema)]
pub(crate) struct PickupCode {
    pub order: OrderId,
    /// Six digits.
    #[schemars(regex(pattern = "^[0-9]{6}$"))]
    pub code: String,
}

/// How a node stands.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Standing {
    node: String,
    /// Gets no offers and no work.
    paused: bool,
    /// When it takes part again by itself.
    paused_until: Option<Time>,
    /// Orders with unshipped units here.
    orders: u32,
    /// Orders assigned since local midnight.
    assigned: u32,
    /// Offers, declines and lapses that count, in thousandths; older ones count less.
    offers: u64,
    declines: u64,
    lapses: u64,
    /// Mean time to claim and to ship, seconds.
    claim_s: Option<i64>,
    ship_s: Option<i64>,
}

pub(crate) fn standing(row: &NodeRow) -> Standing {
    Standing {
        node: row.node.clone(),
        paused: row.paused,
        paused_until: row.paused_until.map(Time),
        orders: row.orders,
        assigned: row.assigned,
        offers: row.offers,
        declines: row.declines,
        lapses: row.lapses,
        claim_s: row.claim_ms.map(|ms| ms / 1000),
        ship_s: row.ship_ms.map(|ms| ms / 1000),
    }
}

/// What a channel may sell of a SKU in a zone.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PoolRow")]
pub(crate) struct Pool {
    channel: String,
    zone: String,
    sku: String,
    /// Day or seat class; empty: none.
    bucket: String,
    /// Kept back.
    threshold: Qty,
    /// Held without a node.
    held: Qty,
    /// Absent: any number.
    available: Option<Qty>,
}

pub(crate) fn pool(row: &PoolRow) -> Pool {
    use router_schemas::row::Ats;
    Pool {
        channel: row.channel.clone(),
        zone: row.zone.clone(),
        sku: row.sku.clone(),
        bucket: row.bucket.clone(),
        threshold: row.threshold,
        held: row.held,
        available: match row.ats {
            Ats::Units(qty) => Some(qty),
            Ats::Unlimited => None,
        },
    }
}
