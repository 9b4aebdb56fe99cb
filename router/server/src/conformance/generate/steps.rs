//! The steps of a generated scenario.

use serde_json::{Value, json};

use super::{Chance, backorder, order_lines};

/// An order that was placed, how many lines it has, and its channel: it has one for ever.
type Placed = Vec<(String, u64, &'static str)>;

pub(super) fn steps(c: &mut Chance, nodes: &[String], skus: &[String]) -> Vec<Value> {
    let mut steps: Vec<Value> = Vec::new();
    let mut placed = Placed::new();
    let few = c.percent(60);
    for n in 0..4 + c.below(if few { 8 } else { 16 }) {
        let channel = if c.percent(3) { "nobody's" } else { *c.pick(&["default", "default", "other"]) };
        let near = json!({"lat": 0.0, "lng": 0.3});
        let mut step = if placed.is_empty() || c.percent(if few { 22 } else { 35 }) {
            let order = format!("o{n}");
            if c.percent(20) {
                steps.push(reserve(c, nodes, skus, &order, channel));
            }
            let mut place = json!({"op": "place", "order": order, "channel": channel});
            place["lines"] = order_lines(c, nodes, skus, 1);
            let lines = place["lines"].as_array().map_or(0, Vec::len) as u64;
            if c.percent(70) {
                place["address"] = near;
            }
            if c.percent(30) {
                place["preferred_node"] = json!(c.pick(nodes));
            }
            match c.percent(8) {
                true => {
                    let count = 1 + c.below(3);
                    place["count"] = json!(count);
                    placed.extend((1..=count).map(|nth| (format!("{order}-{nth}"), lines, channel)));
                }
                false => placed.push((order, lines, channel)),
            }
            place
        } else {
            let (order, lines, channel) = c.pick(&placed).clone();
            other_step(c, (nodes, skus), &order, lines, channel)
        };
        if c.percent(6) && !["policy", "advance", "query"].iter().any(|op| step["op"] == *op) {
            let op = step["op"].as_str().unwrap_or_default();
            step["key"] = json!(format!("{op}-{}", c.below(3)));
            if c.percent(50) {
                steps.push(step.clone());
            }
        }
        steps.push(step);
    }
    steps
}

fn reserve(c: &mut Chance, nodes: &[String], skus: &[String], order: &str, channel: &str) -> Value {
    let mut reserve = json!({"op": "reserve", "order": order, "lines": order_lines(c, nodes, skus, 0)});
    if c.percent(50) {
        reserve["node"] = json!(c.pick(nodes));
    } else {
        reserve["channel"] = json!(channel);
    }
    if c.percent(50) {
        reserve["ttl_s"] = json!(10 + c.below(30));
    }
    if c.percent(20) {
        reserve["allow_backorder"] = json!(true);
    }
    for line in reserve["lines"].as_array_mut().into_iter().flatten() {
        let line = line.as_object_mut().expect("a line is an object");
        ["price", "node", "group"].iter().for_each(|key| drop(line.remove(*key)));
    }
    reserve
}

fn other_step(
    c: &mut Chance,
    (nodes, skus): (&[String], &[String]),
    order: &str,
    lines: u64,
    channel: &str,
) -> Value {
    let some = |c: &mut Chance, op: &str| {
        let mut step = json!({"op": op, "order": order});
        if c.percent(60) && lines > 0 {
            let named: Vec<u64> = (1..=lines).filter(|_| c.percent(60)).collect();
            let line = |line: &u64| json!({"line": line.to_string(), "qty": c.amount(5)});
            let named: Vec<Value> = named.iter().map(line).collect();
            if !named.is_empty() {
                step["lines"] = json!(named);
            }
        }
        step
    };
    let (node, sku) = (c.pick(nodes).clone(), c.pick(skus).clone());
    match c.below(21) {
        0..=4 => json!({"op": "claim", "order": order, "node": node}),
        5..=7 => {
            let effect = *c.pick(&["none", "subtract", "subtract_atp", "zero", "unheard-of"]);
            json!({"op": "decline", "order": order, "node": node, "reason": format!("is-{effect}")})
        }
        8..=9 => some(c, "cancel"),
        10 => some(c, "release"),
        11..=12 => some(c, "ship"),
        13 => json!({"op": "receive", "node": node, "sku": sku, "qty": c.amount(4)}),
        14 => {
            let sign = if c.percent(60) { "-" } else { "" };
            json!({"op": "adjust", "node": node, "sku": sku, "qty": format!("{sign}{}", c.amount(4))})
        }
        15 => {
            let (threshold, backorder) = (c.amount(2), backorder(c));
            json!({"op": "policy", "channel": channel, "sku": sku, "threshold": threshold, "backorder": backorder})
        }
        16..=17 => {
            let most = if c.percent(30) { 100 } else { 20 };
            json!({"op": "advance", "seconds": 5 + c.below(most)})
        }
        18 => reserve(c, nodes, skus, order, channel),
        _ => json!({"op": "query", "what": "candidates", "channel": channel,
            "address": {"lat": 0.0, "lng": 0.3}, "lines": order_lines(c, nodes, skus, 1),
            "expect": {"nodes": [], "match": "ordered"}}),
    }
}
