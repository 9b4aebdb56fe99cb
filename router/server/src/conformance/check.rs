//! Compares what is expected with what was found. One line for each difference.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    amount::written,
    expect::{
        AllocationRow, Allocations, Available, ClaimsOk, Expect, Held, Matching, NodeSkuAmount, NodesMatch,
        QueryExpect, State,
    },
    format::{Amount, Quantity},
    subject::{Done, Ranked, Snapshot},
};
use crate::show::word;

/// About the step itself.
pub fn step(expect: &Expect, done: &Done) -> Vec<String> {
    let mut problems = Vec::new();
    if let Some(outcome) = expect.outcome
        && outcome != done.outcome
    {
        problems.push(format!("outcome: expected {}, found {}", word(&outcome), ended(done)));
    }
    if let Some(reasons) = &expect.reason
        && !done.reason.is_some_and(|r| reasons.contains(&r))
    {
        let reasons: Vec<_> = reasons.iter().map(word).collect();
        problems.push(format!("reason: expected {}, found {}", reasons.join(" or "), ended(done)));
    }
    if let Some(rows) = &expect.released {
        let mut expected: BTreeMap<&str, i64> = BTreeMap::new();
        for row in rows {
            *expected.entry(&row.sku).or_default() += row.qty.0;
        }
        let skus: BTreeSet<&str> =
            expected.keys().copied().chain(done.released.keys().map(String::as_str)).collect();
        for sku in skus {
            let wanted = expected.get(sku).copied().unwrap_or(0);
            let found = done.released.get(sku).map_or(0, |a| a.0);
            compare(&mut problems, &format!("released {sku}"), wanted, found);
        }
    }
    problems
}

/// About a query's answer.
pub fn query(expect: &QueryExpect, ranked: &[Ranked]) -> Vec<String> {
    let mut problems = Vec::new();
    let found: Vec<&str> = ranked.iter().map(|r| r.node.as_str()).collect();
    if let Some(nodes) = &expect.nodes {
        let wanted: Vec<&str> = nodes.iter().map(String::as_str).collect();
        let set = |nodes: &[&str]| nodes.iter().map(|n| n.to_string()).collect::<BTreeSet<_>>();
        let same = match expect.matching {
            Some(NodesMatch::Set) => set(&wanted) == set(&found),
            _ => wanted == found,
        };
        if !same {
            problems.push(format!("nodes: expected {}, found {}", list(&wanted), list(&found)));
        }
    }
    if let Some(first) = &expect.first
        && found.first() != Some(&first.as_str())
    {
        problems.push(format!("first: expected {first}, found {}", found.first().unwrap_or(&"nobody")));
    }
    for (sort, nodes) in expect.values.iter().flatten() {
        for (node, wanted) in nodes {
            let value = ranked.iter().find(|r| r.node == *node).and_then(|r| r.values.get(sort.as_str()));
            // Kilometres are asked for to 1 km; what is divided, to a thousandth.
            let close = match sort.as_str() {
                "distance" => 999,
                "weeks_of_supply" | "decline_rate" => 1,
                _ => 0,
            };
            if value.is_none_or(|v| (v.0 - wanted.0).abs() > close) {
                let found = value.map_or("no value".into(), ToString::to_string);
                problems.push(format!("value of {sort} of {node}: expected {wanted}, found {found}"));
            }
        }
    }
    problems
}

/// About the state.
pub fn state(expect: &Expect, now: &Snapshot) -> Vec<String> {
    let mut problems = Vec::new();
    if let Some(expected) = &expect.allocations {
        allocations(expected, now, &mut problems);
    }
    if let Some(expected) = expect.shippable {
        let short: Vec<String> = now
            .short
            .iter()
            .filter(|(_, q)| q.0 > 0)
            .map(|(order, qty)| format!("{qty} of {order}"))
            .collect();
        if expected && !short.is_empty() {
            problems.push(format!("shippable: expected yes, found not from on hand: {}", short.join(", ")));
        } else if !expected && short.is_empty() {
            problems.push("shippable: expected no, found everything allocated from on hand".into());
        }
    }
    let open = now.allocations.iter().filter(|a| a.on_hand.0 + a.backorder.0 > 0);
    let pairs: BTreeSet<(&str, &str)> = open.map(|a| (a.order.as_str(), a.node.as_str())).collect();
    if let Some(expected) = expect.fulfilments
        && expected != pairs.len() as u64
    {
        problems.push(format!("fulfilments: expected {expected}, found {}", pairs.len()));
    }
    if let Some(expected) = &expect.nodes_used {
        let found: BTreeSet<String> = pairs.iter().map(|(_, node)| node.to_string()).collect();
        same_set(&mut problems, "nodes_used", expected, &found);
    }
    for row in expect.on_hand.iter().flatten() {
        cell_row("on_hand", row, now, |cell| cell.on_hand.0, &mut problems);
    }
    for row in expect.allocated.iter().flatten() {
        cell_row("allocated", row, now, |cell| cell.allocated.0, &mut problems);
    }
    for row in expect.held.iter().flatten() {
        held(row, now, &mut problems);
    }
    for row in expect.available.iter().flatten() {
        available(row, now, &mut problems);
    }
    let nobody = BTreeSet::new();
    if let Some(expected) = &expect.offered_to {
        let found: BTreeSet<String> = now
            .offered
            .iter()
            .filter(|(_, orders)| !orders.is_empty())
            .map(|(node, _)| node.clone())
            .collect();
        same_set(&mut problems, "offered_to", expected, &found);
    }
    if let Some(expected) = &expect.winner {
        same_set(&mut problems, "winner", &BTreeSet::from([expected.clone()]), &now.winners);
    }
    for (node, expected) in expect.open_offers.iter().flatten() {
        let found = now.offered.get(node).unwrap_or(&nobody);
        same_set(&mut problems, &format!("open_offers of {node}"), expected, found);
    }
    match expect.claims_ok {
        Some(ClaimsOk::Exactly(n)) if n != now.claims_ok => {
            problems.push(format!("claims_ok: expected exactly {n}, found {}", now.claims_ok));
        }
        Some(ClaimsOk::AtMost(n)) if n < now.claims_ok => {
            problems.push(format!("claims_ok: expected at most {n}, found {}", now.claims_ok));
        }
        _ => {}
    }
    for (node, expected) in expect.completed.iter().flatten() {
        let found = now.completed.get(node).unwrap_or(&nobody);
        same_set(&mut problems, &format!("completed of {node}"), expected, found);
    }
    for (name, expected, found) in [
        ("orders_by_rule", &expect.orders_by_rule, &now.orders_by_rule),
        ("queued", &expect.queued, &now.queued),
    ] {
        for (of, expected) in expected.iter().flatten() {
            let found = found.get(of).copied().unwrap_or(0);
            if *expected != found {
                problems.push(format!("{name} of {of}: expected {expected}, found {found}"));
            }
        }
    }
    problems
}

/// Rows are summed by what they name. What no row names must not be there.
fn allocations(expected: &Allocations, now: &Snapshot, problems: &mut Vec<String>) {
    let exact = expected.matching == Matching::Exact;
    let place = |node: Option<&str>, sku: &str| match node.filter(|_| exact) {
        Some(node) => format!("{sku} at {node}"),
        None => sku.to_owned(),
    };
    let mut found: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for row in &now.allocations {
        let sums = found.entry(place(Some(&row.node), &row.sku)).or_default();
        sums.0 += row.on_hand.0;
        sums.1 += row.backorder.0;
    }
    let mut wanted: BTreeMap<String, Vec<&AllocationRow>> = BTreeMap::new();
    for row in &expected.rows {
        wanted.entry(place(row.node.as_deref(), &row.sku)).or_default().push(row);
    }
    let places: BTreeSet<String> = found.keys().chain(wanted.keys()).cloned().collect();
    for place in places {
        let (on_hand, backorder) = found.get(&place).copied().unwrap_or_default();
        let rows = wanted.get(&place).map(Vec::as_slice).unwrap_or_default();
        let sum = |state| rows.iter().filter(|r| r.state == state).map(|r| r.qty.0).sum::<i64>();
        let name = |what: &str| format!("allocations of {place}{what}");
        if rows.iter().any(|r| r.state.is_none()) {
            let all = sum(None) + sum(Some(State::OnHand)) + sum(Some(State::Backorder));
            compare(problems, &name(""), all, on_hand + backorder);
        } else {
            compare(problems, &name(", on hand"), sum(Some(State::OnHand)), on_hand);
            compare(problems, &name(", backordered"), sum(Some(State::Backorder)), backorder);
        }
    }
}

fn cell_row(
    name: &str,
    row: &NodeSkuAmount,
    now: &Snapshot,
    number: impl Fn(&super::subject::CellNow) -> i64,
    problems: &mut Vec<String>,
) {
    let here = |node: &str, sku: &str| sku == row.sku && row.node.as_ref().is_none_or(|n| n == node);
    let found =
        now.cells.iter().filter(|((node, sku), _)| here(node, sku)).map(|(_, cell)| number(cell)).sum();
    let at = row.node.as_deref().unwrap_or("all nodes");
    compare(problems, &format!("{name} of {} at {at}", row.sku), row.qty.0, found);
}

fn held(row: &Held, now: &Snapshot, problems: &mut Vec<String>) {
    let of = |h: &&super::subject::HoldNow| {
        h.sku == row.sku
            && row.order.as_ref().is_none_or(|order| *order == h.order)
            && row.node.as_ref().is_none_or(|node| Some(node) == h.node.as_ref())
    };
    let found = now.holds.iter().filter(of).map(|h| h.qty.0).sum();
    let order = row.order.as_deref().unwrap_or("all orders");
    let at = row.node.as_deref().unwrap_or("all places");
    compare(problems, &format!("held of {} for {order} at {at}", row.sku), row.qty.0, found);
}

fn available(row: &Available, now: &Snapshot, problems: &mut Vec<String>) {
    let (found, place) = match &row.nodes {
        Some(nodes) => {
            let cells = nodes.iter().filter_map(|node| now.cells.get(&(node.clone(), row.sku.clone())));
            let sum = |sum: Quantity, next: Quantity| match (sum, next) {
                (Quantity::Limited(a), Quantity::Limited(b)) => Quantity::Limited(Amount(a.0 + b.0)),
                _ => Quantity::Unlimited,
            };
            let found = cells.map(|c| c.atp).fold(Quantity::Limited(Amount(0)), sum);
            (found, nodes.iter().cloned().collect::<Vec<_>>().join(", "))
        }
        None => {
            let channel = row.channel.clone().unwrap_or_else(|| "default".into());
            let found = now.ats.get(&(channel.clone(), row.sku.clone())).copied();
            (found.unwrap_or(Quantity::Limited(Amount(0))), channel)
        }
    };
    let name = format!("available of {} in {place}", row.sku);
    if let Some(expected) = row.qty
        && expected != found
    {
        problems.push(format!("{name}: expected {expected}, found {found}"));
    }
    for can in row.can.iter().flatten() {
        let may = match found {
            Quantity::Unlimited => true,
            Quantity::Limited(there) => there >= can.qty,
        };
        if may != can.ok {
            let word = if can.ok { "may" } else { "may not" };
            problems.push(format!("{name}: expected that {} {word} be promised, found {found}", can.qty));
        }
    }
}

fn compare(problems: &mut Vec<String>, name: &str, expected: i64, found: i64) {
    if expected != found {
        problems.push(format!("{name}: expected {}, found {}", written(expected), written(found)));
    }
}

fn same_set(problems: &mut Vec<String>, name: &str, expected: &BTreeSet<String>, found: &BTreeSet<String>) {
    if expected != found {
        let words = |set: &BTreeSet<String>| list(&set.iter().map(String::as_str).collect::<Vec<_>>());
        problems.push(format!("{name}: expected {}, found {}", words(expected), words(found)));
    }
}

fn list(words: &[&str]) -> String {
    if words.is_empty() { "nobody".into() } else { words.join(", ") }
}

fn ended(done: &Done) -> String {
    match &done.reason {
        Some(reason) => format!("{} ({})", word(&done.outcome), word(reason)),
        None => word(&done.outcome),
    }
}
