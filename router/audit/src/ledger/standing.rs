//! Rows of how offers, holds, nodes and pools stand: when each was last written, and what is said of nodes.

use std::collections::HashMap;

use router_schemas::{
    event::{Change, Event, NodeChange},
    id::{OfferId, OrderId},
    position::Position,
    row::{NodeRow, Row},
};

use super::{Cause, Fresh, Ledger, Touched, hash};
use crate::report::Report;

/// A row that is neither an order's, a cell's nor reference material.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum StandingKey {
    Offer(OfferId),
    Hold(OrderId),
    Node(String),
    Pool(String, String, String, String),
}

impl StandingKey {
    pub fn of(row: &Row) -> Option<StandingKey> {
        Some(match row {
            Row::Offer(row) => StandingKey::Offer(row.offer),
            Row::Hold(row) => StandingKey::Hold(row.order),
            Row::Node(row) => StandingKey::Node(row.node.clone()),
            Row::Pool(row) => {
                let [channel, zone, sku, bucket] =
                    [&row.channel, &row.zone, &row.sku, &row.bucket].map(String::clone);
                StandingKey::Pool(channel, zone, sku, bucket)
            }
            Row::Order(_) | Row::Cell(_) | Row::Reference(_) => return None,
        })
    }

    pub fn name(&self) -> String {
        match self {
            StandingKey::Offer(offer) => offer.to_string(),
            StandingKey::Hold(order) => format!("the hold of {order}"),
            StandingKey::Node(node) => node.clone(),
            StandingKey::Pool(channel, zone, sku, bucket) => {
                format!("{sku} {bucket} of {channel} in {zone}")
            }
        }
    }
}

/// Hybrid time and hash of a row as a store keeps it.
pub(crate) fn stamp(time: u64, row: &Row) -> (u64, u64) {
    let hash = match row {
        Row::Order(row) => hash(&(time, row)),
        Row::Cell(row) => hash(&(time, row)),
        Row::Reference(row) => hash(&(time, row)),
        Row::Offer(row) => hash(&(time, row)),
        Row::Hold(row) => hash(&(time, row)),
        Row::Node(row) => hash(&(time, row)),
        Row::Pool(row) => hash(&(time, row)),
    };
    (time, hash)
}

/// How nodes stand, as changes say.
#[derive(Default)]
pub(crate) struct Nodes(HashMap<u32, Stands>);

#[derive(Default)]
struct Stands {
    /// Until when, where it is.
    paused: Option<Option<i64>>,
    /// The last time until which it cools down.
    cools: Option<i64>,
}

impl Ledger {
    /// Offers and holds that a command names first, where their beginning may be trimmed.
    pub(super) fn fresh(&self, scope: &[(Position, Event)]) -> Fresh {
        let mut fresh = Fresh::default();
        for change in scope.iter().filter(|_| self.trimmed).flat_map(|(_, event)| &event.changes) {
            match change {
                Change::Hold(change) if !self.holds.is_known(change.order) => {
                    fresh.holds.insert(change.order);
                }
                Change::Offer(change) if !self.offers.is_known(change.offer) => {
                    fresh.offers.insert(change.offer);
                }
                _ => {}
            }
        }
        for row in scope.iter().filter(|_| self.trimmed).flat_map(|(_, event)| &event.rows) {
            match row {
                Row::Hold(row) if !self.holds.is_known(row.order) => _ = fresh.holds.insert(row.order),
                Row::Offer(row) if !self.offers.is_known(row.offer) => _ = fresh.offers.insert(row.offer),
                _ => {}
            }
        }
        fresh
    }

    /// Rows of offers, holds, nodes and pools against what led to them.
    pub(super) fn standing_rows(
        &mut self,
        cause: &Cause,
        scope: &[(Position, Event)],
        fresh: &Fresh,
        touched: &Touched,
        report: &mut Report,
    ) {
        let (mut holds, mut offers) = (touched.holds.clone(), touched.offers.clone());
        for (at, event) in scope {
            for row in &event.rows {
                match row {
                    Row::Offer(row) => {
                        offers.remove(&row.offer);
                        self.offer_row(at, row, fresh, report);
                    }
                    Row::Hold(row) => {
                        holds.remove(&row.order);
                        self.hold_row(cause, (at, event, row), fresh, report);
                    }
                    Row::Node(row) => self.node_row(event.at, at, row, report),
                    Row::Pool(row) => self.pool_row(at, row, report),
                    Row::Order(_) | Row::Cell(_) | Row::Reference(_) => {}
                }
            }
        }
        let Some((at, _)) = scope.last() else { return };
        let unwritten = holds.iter().map(|id| StandingKey::Hold(*id).name());
        for name in unwritten.chain(offers.iter().map(|id| StandingKey::Offer(*id).name())) {
            report.violated("E2308", at.clone(), || format!("{name} changed and its row was not written"));
        }
    }

    pub(super) fn node_stands(&mut self, node: &str, change: NodeChange) {
        let number = self.number(node);
        let stands = self.nodes.0.entry(number).or_default();
        match change {
            NodeChange::Paused(until) => stands.paused = Some(until),
            NodeChange::Resumed => *stands = Stands::default(),
            NodeChange::CoolsDown(until) => stands.cools = Some(until),
            NodeChange::Evacuating => {}
        }
    }

    /// A node's row against what was said of it. `now`: engine time, ms.
    pub(super) fn node_row(&mut self, now: i64, at: &Position, row: &NodeRow, report: &mut Report) {
        let number = self.number(&row.node);
        let stands = self.nodes.0.entry(number).or_default();
        // A pause ends by itself, which is said only where nothing else keeps the node from taking part.
        let over = stands.paused.flatten().is_some_and(|until| until <= now);
        let wrong = match (row.paused, stands.paused) {
            (true, Some(until)) => row.paused_until != until,
            (true, None) => true,
            (false, Some(_)) => !over,
            (false, None) => row.paused_until.is_some(),
        };
        let cools = row.cool_until.is_some() && row.cool_until != stands.cools;
        if (wrong || cools) && !self.trimmed {
            let node = &row.node;
            report.violated("E2308", at.clone(), || format!("the row of {node} is not what was said of it"));
        }
    }
}
