//! Every kind of expectation, from a state that was found.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    expect::{
        AllocationRow, Allocations, Available, Can, ClaimsOk, Expect, Held, Matching, NodeSkuAmount, State,
    },
    format::{Amount, Quantity},
    subject::Snapshot,
};

/// Every kind of expectation about a state.
pub fn found(now: &Snapshot) -> Expect {
    let mut expect = Expect { claims_ok: Some(ClaimsOk::Exactly(now.claims_ok)), ..Expect::default() };
    let mut rows: BTreeMap<(String, String, State), i64> = BTreeMap::new();
    for a in &now.allocations {
        *rows.entry((a.node.clone(), a.sku.clone(), State::OnHand)).or_default() += a.on_hand.0;
        *rows.entry((a.node.clone(), a.sku.clone(), State::Backorder)).or_default() += a.backorder.0;
    }
    let open: Vec<_> = now.allocations.iter().filter(|a| a.on_hand.0 + a.backorder.0 > 0).collect();
    let rows = rows.into_iter().filter(|(_, qty)| *qty > 0).map(|((node, sku, state), qty)| AllocationRow {
        node: Some(node),
        sku,
        qty: Amount(qty),
        state: Some(state),
    });
    expect.allocations = Some(Allocations { matching: Matching::Exact, rows: rows.collect() });
    expect.shippable = Some(now.short.values().all(|q| q.0 == 0));
    let pairs: BTreeSet<_> = open.iter().map(|a| (&a.order, &a.node)).collect();
    expect.fulfilments = Some(pairs.len() as u64);
    expect.nodes_used = Some(open.iter().map(|a| a.node.clone()).collect());
    let cell = |(node, sku): &(String, String), qty| NodeSkuAmount {
        node: Some(node.clone()),
        sku: sku.clone(),
        qty,
    };
    expect.on_hand = Some(now.cells.iter().map(|(at, c)| cell(at, c.on_hand)).collect());
    expect.allocated = Some(now.cells.iter().map(|(at, c)| cell(at, c.allocated)).collect());
    let mut held: BTreeMap<(String, Option<String>, String), i64> = BTreeMap::new();
    for hold in &now.holds {
        // Without a node all of the order's count.
        *held.entry((hold.order.clone(), None, hold.sku.clone())).or_default() += hold.qty.0;
        if hold.node.is_some() {
            *held.entry((hold.order.clone(), hold.node.clone(), hold.sku.clone())).or_default() += hold.qty.0;
        }
    }
    let held = held.into_iter().map(|((order, node, sku), qty)| Held {
        order: Some(order),
        node,
        sku,
        qty: Amount(qty),
    });
    expect.held = Some(held.collect());
    let can = |qty, ok| Can { qty: Amount(qty), ok };
    let channels = now.ats.iter().map(|((channel, sku), qty)| Available {
        channel: Some(channel.clone()),
        sku: sku.clone(),
        qty: Some(*qty),
        can: match qty {
            Quantity::Limited(Amount(qty)) => Some(vec![can(*qty, true), can(*qty + 1, false)]),
            Quantity::Unlimited => Some(vec![can(1_000_000_000, true)]),
        },
        ..Available::default()
    });
    let cells = now.cells.iter().filter(|(_, c)| c.atp != Quantity::Unlimited);
    let cells = cells.map(|((node, sku), c)| Available {
        nodes: Some(BTreeSet::from([node.clone()])),
        sku: sku.clone(),
        qty: Some(c.atp),
        ..Available::default()
    });
    expect.available = Some(channels.chain(cells).collect());
    let offered = now.offered.iter().filter(|(_, orders)| !orders.is_empty());
    expect.offered_to = Some(offered.map(|(node, _)| node.clone()).collect());
    expect.open_offers = Some(now.offered.clone());
    expect.winner = now.winners.iter().next().filter(|_| now.winners.len() == 1).cloned();
    expect.completed = Some(now.completed.clone());
    expect.orders_by_rule = Some(now.orders_by_rule.clone());
    expect.queued = Some(now.queued.clone());
    expect
}

/// As [`found`], with the sums over all nodes only.
pub fn found_in_total(now: &Snapshot) -> Expect {
    let claims_ok = Some(ClaimsOk::AtMost(now.claims_ok));
    let expect = found(now);
    let rows = expect.allocations.map(|allocations| allocations.rows).unwrap_or_default();
    let allocations = Some(Allocations { matching: Matching::Totals, rows });
    Expect { claims_ok, allocations, ..expect }
}
