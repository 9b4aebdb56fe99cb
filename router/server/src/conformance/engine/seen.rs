//! What the engine's events and rows say, as far as scenarios ask for it.

use std::collections::{BTreeMap, BTreeSet};

use router_schemas::{
    event::{Change, Event, HoldCause, OfferStep, Queue, Unit},
    id::{OfferId, OrderId},
    row::{Ats, CellRow, HoldRow, HoldState, OfferEntry, OfferRow, OfferState, OrderRow, Row},
};

use super::{EngineSubject, load::ZONE};
use crate::conformance::{
    amount::{Amount, Quantity},
    subject::{Allocation, CellNow, HoldNow, Snapshot},
};

/// Rows as last written, and what only events tell.
#[derive(Default)]
pub(super) struct Seen {
    orders: BTreeMap<OrderId, OrderRow>,
    cells: BTreeMap<(String, String), CellRow>,
    offers: BTreeMap<OfferId, OfferRow>,
    holds: BTreeMap<OrderId, HoldRow>,
    /// What each node was ever offered of an order: which offers, with which epochs, the last one at the end.
    known: BTreeMap<(OrderId, String), Vec<(OfferId, u32)>>,
    winners: BTreeMap<OfferId, String>,
    claims: u64,
    by_rule: BTreeMap<String, BTreeSet<OrderId>>,
}

impl Seen {
    pub fn take(&mut self, event: &Event) {
        for row in &event.rows {
            match row {
                Row::Order(row) => _ = self.orders.insert(row.order, (**row).clone()),
                Row::Cell(row) => {
                    let name = (row.cell.node.clone(), row.cell.sku.clone());
                    self.cells.insert(name, row.clone());
                }
                Row::Offer(row) => _ = self.offers.insert(row.offer, (**row).clone()),
                Row::Hold(row) => _ = self.holds.insert(row.order, row.clone()),
                Row::Node(_) | Row::Pool(_) | Row::Reference(_) => {}
            }
        }
        let Some(order) = event.order else { return };
        let mut rule: Option<String> = None;
        for change in &event.changes {
            match change {
                Change::Decided(decision) => rule = Some(decision.rule.clone()),
                Change::Offer(change) => match &change.what {
                    OfferStep::Opened(_, nodes, _) => {
                        self.winners.remove(&change.offer);
                        for node in nodes {
                            let known = self.known.entry((order, node.clone())).or_default();
                            known.retain(|(offer, _)| *offer != change.offer);
                            known.push((change.offer, change.epoch));
                        }
                    }
                    OfferStep::Claimed(node) => {
                        self.claims += 1;
                        self.winners.insert(change.offer, node.clone());
                        rule = self.offers.get(&change.offer).map(|row| row.rule.3.clone());
                    }
                    _ => {}
                },
                Change::GivenBack(node, ..) => self.winners.retain(|offer, winner| {
                    winner != node || self.offers.get(offer).is_none_or(|row| row.order != order)
                }),
                Change::Units { node: Some(_), moves } => {
                    let given = |(_, from, to, _): &(u16, Unit, Unit, _)| {
                        matches!(from, Unit::Open | Unit::Held)
                            && matches!(to, Unit::Allocated | Unit::Backordered)
                    };
                    if let Some(rule) = rule.as_ref().filter(|_| moves.iter().any(given)) {
                        self.by_rule.entry(rule.clone()).or_default().insert(order);
                    }
                }
                _ => {}
            }
        }
    }

    /// The last offer of the order that the node may claim, else the last that it heard of; and the epoch that it knows.
    pub fn last_offer(&self, order: OrderId, node: &str) -> (Option<OfferId>, u32) {
        let Some(known) = self.known.get(&(order, node.to_owned())) else { return (None, 0) };
        let is_open = |offer: &OfferId| {
            let nodes = self.offers.get(offer).filter(|row| row.state == OfferState::Offered);
            let mut nodes = nodes.into_iter().flat_map(|row| &row.nodes);
            nodes.any(|(at, entry)| at == node && *entry == OfferEntry::Open)
        };
        let open = known.iter().filter(|(offer, _)| is_open(offer)).max_by_key(|(offer, _)| *offer);
        match open.or(known.last()) {
            Some((offer, epoch)) => (Some(*offer), *epoch),
            None => (None, 0),
        }
    }

    /// Engine time at which the next hold or offer lapses.
    pub fn next_lapse(&self) -> Option<i64> {
        let holds = self.holds.values().filter(|row| is_live(row)).filter_map(|row| row.deadline);
        let open = self.offers.values().filter(|row| row.state == OfferState::Offered);
        holds.chain(open.filter_map(|row| row.deadline)).min()
    }

    /// What a record itself gave back of holds and allocations, by SKU.
    pub fn given_back(&self, events: &[Event]) -> BTreeMap<String, Amount> {
        let mut sums: BTreeMap<String, i64> = BTreeMap::new();
        for event in events.iter().filter(|event| event.item == 0) {
            let lines = event.order.and_then(|id| self.orders.get(&id)).map_or(&[][..], |row| &row.lines);
            for change in &event.changes {
                match change {
                    Change::Units { node: Some(_), moves } => {
                        let there = [Unit::Backordered, Unit::Allocated, Unit::Picked, Unit::Ready];
                        let gone = [Unit::Open, Unit::Held, Unit::Cancelled];
                        let moves = moves.iter().filter(|m| there.contains(&m.1) && gone.contains(&m.2));
                        for (line, _, _, qty) in moves {
                            if let Some(line) = lines.get(usize::from(*line)) {
                                *sums.entry(line.sku.clone()).or_default() += qty.0;
                            }
                        }
                    }
                    Change::Hold(hold) if hold.cause == HoldCause::Released => {
                        for (_, sku, _, qty) in &hold.moves {
                            *sums.entry(sku.clone()).or_default() -= qty.0;
                        }
                    }
                    _ => {}
                }
            }
        }
        sums.into_iter().filter(|(_, qty)| *qty > 0).map(|(sku, qty)| (sku, Amount(qty))).collect()
    }
}

/// What holds gave back as their time was over.
pub(super) fn lapsed(event: &Event) -> impl Iterator<Item = (String, i64)> + '_ {
    let holds = event.changes.iter().filter_map(|change| match change {
        Change::Hold(hold) if hold.cause == HoldCause::Lapsed => Some(&hold.moves),
        _ => None,
    });
    holds.flatten().map(|(_, sku, _, qty)| (sku.clone(), -qty.0))
}

fn is_live(row: &HoldRow) -> bool {
    matches!(row.state, HoldState::Held | HoldState::Confirming)
}

impl EngineSubject {
    pub(super) fn look(&mut self) -> Snapshot {
        let seen = &self.seen;
        let names: BTreeMap<OrderId, &String> = self.orders.iter().map(|(name, id)| (*id, name)).collect();
        let mut now = Snapshot { claims_ok: seen.claims, ..Snapshot::default() };
        for (id, row) in &seen.orders {
            let Some(name) = names.get(id).filter(|name| self.placed.contains(**name)) else { continue };
            let queue = self.engine.queue(*id).filter(|queue| **queue != Queue::Released);
            order(&mut now, name, row, queue.map(Queue::as_str));
        }
        let (mut channels, mut skus) = (self.named.0.clone(), self.named.1.clone());
        for ((node, sku), row) in &seen.cells {
            skus.insert(sku.clone());
            let enabled = self.enabled.contains(node);
            let atp = match self.untracked.contains(sku) && enabled {
                true => Quantity::Unlimited,
                false => Quantity::Limited(Amount(row.atp.0)),
            };
            let cell = CellNow { on_hand: Amount(row.on_hand.0), allocated: Amount(row.allocated.0), atp };
            now.cells.insert((node.clone(), sku.clone()), cell);
        }
        // What has no stock needs no cell.
        for at in &now.allocations {
            let key = (at.node.clone(), at.sku.clone());
            if self.untracked.contains(&at.sku) && !seen.cells.contains_key(&key) {
                let none = CellNow { on_hand: Amount(0), allocated: Amount(0), atp: Quantity::Unlimited };
                now.cells.entry(key).or_insert(none).allocated.0 += at.on_hand.0 + at.backorder.0;
            }
        }
        for (id, row) in &seen.holds {
            let Some(name) = names.get(id).filter(|_| is_live(row)) else { continue };
            for (_, node, sku, _, qty) in &row.lines {
                let (node, sku, qty) = (node.clone(), sku.clone(), Amount(qty.0));
                now.holds.push(HoldNow { order: (*name).clone(), node, sku, qty });
            }
        }
        for row in seen.offers.values().filter(|row| row.state == OfferState::Offered) {
            let (Some(name), Some(order)) = (names.get(&row.order), seen.orders.get(&row.order)) else {
                continue;
            };
            for (node, _) in row.nodes.iter().filter(|(_, entry)| *entry == OfferEntry::Open) {
                now.offered.entry(node.clone()).or_default().insert((*name).clone());
            }
            for (line, qty) in &row.lines {
                let Some(line) = order.lines.get(usize::from(*line)) else { continue };
                let (sku, qty) = (line.sku.clone(), Amount(qty.0));
                now.holds.push(HoldNow { order: (*name).clone(), node: None, sku, qty });
            }
        }
        now.winners = seen.winners.values().cloned().collect();
        for (rule, orders) in &seen.by_rule {
            let ours = orders.iter().filter(|id| names.contains_key(id)).count() as u64;
            now.orders_by_rule.extend((ours > 0).then(|| (rule.clone(), ours)));
        }
        channels.insert("default".into());
        for channel in &channels {
            for sku in &skus {
                let ats = match self.engine.pool(channel, ZONE, sku, "").map(|pool| pool.ats) {
                    Some(Ats::Unlimited) => Quantity::Unlimited,
                    Some(Ats::Units(qty)) => Quantity::Limited(Amount(qty.0)),
                    None => Quantity::Limited(Amount(0)),
                };
                now.ats.insert((channel.clone(), sku.clone()), ats);
            }
        }
        now
    }
}

fn order(now: &mut Snapshot, name: &str, row: &OrderRow, queue: Option<&str>) {
    let mut short: i64 = 0;
    for line in &row.lines {
        short += (line.open + line.held + line.backordered + line.away).0;
    }
    now.short.insert(name.to_owned(), Amount(short));
    let mut nothing = true;
    for f in &row.fulfilments {
        let Some(line) = row.lines.get(usize::from(f.line)) else { continue };
        let on_hand = f.allocated + f.picked + f.ready;
        nothing &= (on_hand + f.backordered).is_zero();
        now.allocations.push(Allocation {
            order: name.to_owned(),
            node: f.node.clone(),
            sku: line.sku.clone(),
            on_hand: Amount(on_hand.0),
            backorder: Amount(f.backordered.0),
        });
        if f.shipped.is_positive() {
            now.completed.entry(f.node.clone()).or_default().insert(name.to_owned());
        }
    }
    let open = row.lines.iter().any(|line| line.open.is_positive());
    if let Some(queue) = queue.filter(|_| open && nothing) {
        *now.queued.entry(queue.to_owned()).or_default() += 1;
    }
}
