//! What is counted in one run, and how two runs compare.

use std::collections::{BTreeMap, BTreeSet};

use router_schemas::{
    event::{Change, Decision, Event, OfferStep, OrderState, Queue, Verdict},
    geo,
    id::OrderId,
    quantity::Qty,
    row::{FulfilmentRow, OrderRow},
};
use serde::Serialize;
use serde_json::{Value, json};

use super::world::World;

/// What is noted while records are applied.
#[derive(Default)]
pub(super) struct Tally {
    touched: BTreeSet<OrderId>,
    /// Orders that were decided on.
    pub decided: BTreeMap<OrderId, Last>,
    offers: u64,
    claims: u64,
    declines: u64,
    lapses: u64,
}

/// The last decision about an order, and the squared chord to each node that was ever chosen for it.
#[derive(Default)]
pub(super) struct Last {
    decision: Decision,
    chords: BTreeMap<String, Option<i64>>,
}

impl Tally {
    pub fn touch(&mut self, order: OrderId) {
        self.touched.insert(order);
    }

    pub fn note(&mut self, event: &Event) {
        for change in &event.changes {
            match change {
                Change::Decided(decision) => {
                    let Some(order) = event.order else { continue };
                    let last = self.decided.entry(order).or_default();
                    last.chords.extend(decision.chosen.iter().cloned());
                    // What found nothing more does not tell why the order is where it is.
                    let nothing = decision.chosen.is_empty() && decision.verdict == Verdict::Unfillable;
                    if !nothing || last.decision.chosen.is_empty() {
                        last.decision = decision.clone();
                    }
                }
                Change::Offer(offer) => match &offer.what {
                    OfferStep::Opened(..) => self.offers += 1,
                    OfferStep::Claimed(_) => self.claims += 1,
                    OfferStep::Declined(..) => self.declines += 1,
                    OfferStep::Lapsed => self.lapses += 1,
                    _ => {}
                },
                _ => {}
            }
        }
    }

    /// Orders that were decided on or placed in this run, and still told of.
    pub fn orders(&self, since: i64, world: &World) -> BTreeSet<OrderId> {
        let placed = |id: &&OrderId| world.order(**id).is_some_and(|row| row.created_at >= since);
        self.decided.keys().chain(self.touched.iter().filter(placed)).copied().collect()
    }
}

/// The measures of one run.
#[derive(Debug, Default, Clone, Serialize)]
pub(crate) struct Measures {
    /// Orders that both runs are measured by.
    pub orders: u64,
    /// Of those, with everything at nodes or shipped, from stock.
    pub filled_orders: u64,
    /// Units ordered and not cancelled.
    pub units: Qty,
    /// Of those, at nodes from stock or shipped.
    pub filled_units: Qty,
    /// Filled of the units.
    pub fill_rate: Option<f64>,
    /// Nodes beyond the first, for each order that has one.
    pub splits_per_order: Option<f64>,
    /// From nodes to customers, over all pairs of which both places are known.
    pub mean_distance_m: Option<f64>,
    /// Units promised beyond stock.
    pub backordered_units: Qty,
    /// Units sent to other zones and not back.
    pub away_units: Qty,
    /// Orders parked because nobody can fill them.
    pub unfillable: u64,
    /// Orders parked in other queues.
    pub parked: BTreeMap<String, u64>,
    /// Orders with an open offer.
    pub offered: u64,
    /// Rounds of offers.
    pub rounds: u64,
    pub claims: u64,
    pub declines: u64,
    pub lapses: u64,
}

impl Measures {
    pub(super) fn of(world: &World, orders: &BTreeSet<OrderId>) -> Measures {
        let tally = &world.tally;
        let mut all = Measures {
            rounds: tally.offers,
            claims: tally.claims,
            declines: tally.declines,
            lapses: tally.lapses,
            ..Measures::default()
        };
        let (mut with_nodes, mut splits, mut metres, mut pairs) = (0u64, 0u64, 0.0, 0u64);
        for row in orders.iter().filter_map(|order| world.order(*order)) {
            all.orders += 1;
            let sum = |of: fn(&router_schemas::row::LineRow) -> Qty| row.lines.iter().map(of).sum::<Qty>();
            let (units, filled) = (sum(|l| l.ordered - l.cancelled), sum(|l| l.allocated + l.shipped));
            all.units += units;
            all.filled_units += filled;
            all.filled_orders += u64::from(units.is_positive() && filled >= units);
            all.backordered_units += sum(|l| l.backordered);
            all.away_units += sum(|l| l.away);
            match &row.state {
                OrderState::Offered => all.offered += 1,
                OrderState::Parked(Queue::Unfillable) => all.unfillable += 1,
                OrderState::Parked(_) => *all.parked.entry(row.state.to_string()).or_default() += 1,
                _ => {}
            }
            let nodes = nodes(&row);
            if !nodes.is_empty() {
                with_nodes += 1;
                splits += nodes.len() as u64 - 1;
            }
            let chords = tally.decided.get(&row.order).map(|last| &last.chords);
            for chord2 in nodes.iter().filter_map(|node| *chords?.get(*node)?) {
                metres += geo::metres(chord2);
                pairs += 1;
            }
        }
        let share = |of: f64, whole: f64| (whole > 0.0).then(|| rounded(of / whole));
        all.fill_rate = share(all.filled_units.0 as f64, all.units.0 as f64);
        all.splits_per_order = share(splits as f64, with_nodes as f64);
        all.mean_distance_m = share(metres, pairs as f64).map(f64::round);
        all
    }
}

fn rounded(number: f64) -> f64 {
    (number * 10_000.0).round() / 10_000.0
}

/// Nodes that have, or shipped, units of an order, by name.
fn nodes(row: &OrderRow) -> BTreeSet<&str> {
    let has = |f: &&FulfilmentRow| (f.promised() + f.shipped).is_positive();
    row.fulfilments.iter().filter(has).map(|f| f.node.as_str()).collect()
}

/// An order whose nodes differ.
#[derive(Debug, Serialize)]
pub(crate) struct Changed {
    pub order: OrderId,
    /// The platform's name of it.
    pub identity: String,
    pub was: Side,
    pub draft: Side,
}

/// An order in one run.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Side {
    pub nodes: Vec<String>,
    pub state: String,
    /// The last decision: rule set, version, routing, rule, verdict, counts, nodes with metres.
    pub reason: Option<Value>,
}

impl Side {
    fn of(world: &World, row: Option<&OrderRow>, order: OrderId) -> Side {
        let reason = world.tally.decided.get(&order).map(|last| {
            let Decision { rule_set, version, routing, rule, verdict, candidates, covering, chosen, .. } =
                &last.decision;
            let metres = |chord2: &Option<i64>| chord2.map(|chord2| geo::metres(chord2).round());
            let chosen: Vec<_> =
                chosen.iter().map(|(node, chord2)| json!({ "node": node, "metres": metres(chord2) })).collect();
            json!({ "rule_set": rule_set, "version": version, "routing": routing, "rule": rule, "verdict": verdict,
                "candidates": candidates, "covering": covering, "chosen": chosen })
        });
        let nodes = row.map(|row| nodes(row).into_iter().map(str::to_owned).collect()).unwrap_or_default();
        Side { nodes, state: row.map(|row| row.state.to_string()).unwrap_or_default(), reason }
    }
}

/// Orders whose nodes differ, oldest first.
pub(super) fn changed(was: &World, draft: &World, orders: &BTreeSet<OrderId>) -> Vec<Changed> {
    let compare = |order: &OrderId| {
        let (before, after) = (was.order(*order), draft.order(*order));
        let of = |world, row: &Option<OrderRow>| Side::of(world, row.as_ref(), *order);
        let (was, draft) = (of(was, &before), of(draft, &after));
        let identity = before.or(after).map(|row| row.identity.to_string()).unwrap_or_default();
        (was.nodes != draft.nodes).then_some(Changed { order: *order, identity, was, draft })
    };
    orders.iter().filter_map(compare).collect()
}
