//! The rows of offers and of nodes, written from where they lie: as `images.rs` does for orders and cells.

use router_schemas::{
    id::{Identity, OfferId, OrderId},
    quantity::Qty,
    row::{OfferEntry, OfferState},
};
use serde::{Serialize, Serializer};

use super::{Entry, Offer};
use crate::engine::{order::Order, state::State};

/// `row::OfferRow`.
#[derive(Serialize)]
pub struct OfferImage<'a> {
    offer: OfferId,
    order: OrderId,
    identity: &'a Identity,
    zone: &'a str,
    rule: &'a (String, u32, String, String),
    epoch: u32,
    round: u32,
    state: OfferState,
    created_at: i64,
    expires: Option<i64>,
    deadline: Option<i64>,
    lines: &'a [(u16, Qty)],
    nodes: Entries<'a>,
    winner: Option<&'a str>,
}

impl<'a> OfferImage<'a> {
    pub fn of(state: &'a State, order: &'a Order, offer: &'a Offer) -> Self {
        OfferImage {
            offer: offer.id,
            order: order.id,
            identity: &order.identity,
            zone: &order.zone,
            rule: &offer.rule,
            epoch: offer.epoch,
            round: u32::from(offer.round),
            state: offer.state,
            created_at: offer.created_at,
            expires: offer.expires,
            deadline: offer.deadline,
            lines: &offer.lines,
            nodes: Entries { state, of: &offer.entries },
            winner: offer.winner.map(|node| state.node_name(node)),
        }
    }
}

struct Entries<'a> {
    state: &'a State,
    of: &'a [Entry],
}

impl Serialize for Entries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let entry = |e: &Entry| -> (&str, OfferEntry) { (self.state.node_name(e.node), e.state) };
        serializer.collect_seq(self.of.iter().map(entry))
    }
}

/// `row::NodeRow`. Written when a node is paused or resumed, declines, claims, or lapses alone: the numbers of offers,
/// of lapses among others and of its orders are those of that moment.
#[derive(Serialize)]
pub struct NodeImage<'a> {
    node: &'a str,
    paused: bool,
    paused_until: Option<i64>,
    cool_until: Option<i64>,
    orders: u32,
    assigned: u32,
    offers: u64,
    declines: u64,
    lapses: u64,
    claim_ms: Option<i64>,
    ship_ms: Option<i64>,
}

impl<'a> NodeImage<'a> {
    pub fn of(state: &'a State, node: u32) -> Self {
        let held = &state.nodes[node as usize];
        NodeImage {
            node: &held.node.id,
            paused: held.paused,
            paused_until: held.paused_until,
            cool_until: held.cool_until,
            orders: held.orders.len() as u32,
            assigned: held.assigned,
            offers: held.score.offers,
            declines: held.score.declines,
            lapses: held.score.lapses,
            claim_ms: held.score.mean_claim(),
            ship_ms: held.score.mean_ship(),
        }
    }
}
