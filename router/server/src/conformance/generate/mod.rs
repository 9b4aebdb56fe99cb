//! Scenarios from a seed: small numbers, so that ties, shortages and edges are frequent. What the model finds becomes
//! what is expected, so that the result is an ordinary scenario.

mod steps;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use self::steps::steps;
use super::{
    amount::written,
    expect::Outcome,
    format::Scenario,
    found::{found, found_in_total},
    model::Model,
    read::read,
    step::Step,
    subject::{Done, Subject},
};

/// Numbers from a seed (SplitMix64).
pub struct Chance(pub u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % most
    }

    /// In so many of a hundred cases.
    fn percent(&mut self, of: u64) -> bool {
        self.below(100) < of
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }

    fn some<T: Clone>(&mut self, from: &[T], percent: u64) -> Vec<T> {
        from.iter().filter(|_| self.percent(percent)).cloned().collect()
    }

    /// Mostly whole and small.
    fn amount(&mut self, most: u64) -> String {
        let half = if self.percent(12) { 500 } else { 0 };
        written((self.below(most + 1) * 1000 + half) as i64)
    }
}

/// A scenario without expectations but one, so that it can be read.
pub fn bare(seed: u64) -> Scenario {
    let mut chance = Chance(seed);
    let c = &mut chance;
    let skus: Vec<String> =
        ["A", "B", "C"][..1 + c.below(3) as usize].iter().map(|s| s.to_string()).collect();
    let nodes: Vec<String> = (1..=1 + c.below(6)).map(|n| format!("n{n}")).collect();
    let untracked: Vec<&String> = skus.iter().skip(1).filter(|_| c.percent(10)).collect();
    let channels = ["default", "other"];
    let listed: Vec<Value> = channels
        .iter()
        .map(|id| {
            let nodes = c.some(&nodes, 80);
            let mut numbers = BTreeMap::new();
            for sku in c.some(&skus, 30) {
                numbers.insert(sku.clone(), json!({"threshold": c.amount(2), "backorder": backorder(c)}));
            }
            json!({"id": id, "nodes": nodes, "skus": numbers})
        })
        .collect();
    let all_nodes: Vec<Value> = nodes.iter().map(|id| node(c, id, &skus)).collect();
    let routings: Vec<Value> = (0..1 + c.below(2))
        .map(|n| {
            let rules: Vec<Value> =
                (0..1 + c.below(3)).map(|r| rule(c, &format!("r{n}-{r}"), &nodes)).collect();
            match n == 0 && c.percent(20) {
                true => json!({"channel": "other", "rules": rules}),
                false => json!({"rules": rules}),
            }
        })
        .collect();
    let reasons: Vec<Value> = ["none", "subtract", "subtract_atp", "zero"]
        .iter()
        .map(|effect| json!({"id": format!("is-{effect}"), "effect": effect}))
        .collect();
    let mut scenario = json!({
        "id": format!("seed-{seed}"), "kind": "allocation", "origin": "generated", "licence": "Apache-2.0",
        "adopt": true, "untracked": untracked, "nodes": all_nodes,
        "rules": {"routings": routings, "reasons": reasons},
        "steps": steps(c, &nodes, &skus), "expect": {"claims_ok": {"at_most": 1000}},
    });
    if c.percent(50) {
        scenario["channels"] = json!(listed);
    } else {
        for step in scenario["steps"].as_array_mut().into_iter().flatten() {
            let step = step.as_object_mut().expect("a step is an object");
            if step["op"] == "policy" {
                step["channel"] = json!("default");
            } else {
                step.remove("channel");
            }
        }
    }
    let text = json!([scenario]).to_string();
    let mut scenario = read(&text).unwrap_or_else(|e| panic!("{e}: {text}")).remove(0);
    answer_offers(c, &mut scenario);
    scenario
}

/// Most claims and declines are of an offer or of work that there is: chance alone finds few.
fn answer_offers(c: &mut Chance, scenario: &mut Scenario) {
    let mut model = Model::default();
    model.load(scenario).expect("the model loads everything");
    for step in &mut scenario.steps {
        let now = model.snapshot().expect("the model shows everything");
        let offers = now.offered.iter().flat_map(|(node, orders)| orders.iter().map(move |o| (o, node)));
        let mut there: Vec<(&String, &String)> = offers.collect();
        if matches!(step, Step::Decline(_)) {
            there.extend(now.allocations.iter().map(|a| (&a.order, &a.node)));
        }
        if !there.is_empty() && c.percent(80) {
            let (chosen, at) = *c.pick(&there);
            match step {
                Step::Claim(claim) => (claim.order, claim.node) = (chosen.clone(), at.clone()),
                Step::Decline(decline) => (decline.order, decline.node) = (chosen.clone(), at.clone()),
                _ => {}
            }
        }
        model.apply(step).expect("the model does everything");
    }
}

/// A scenario whose expectations are what the model finds.
pub fn scenario(seed: u64) -> Scenario {
    let mut scenario = bare(seed);
    expect_what_the_model_finds(&mut scenario);
    scenario
}

fn node(c: &mut Chance, id: &str, skus: &[String]) -> Value {
    let mut stock = BTreeMap::new();
    for sku in c.some(skus, 80) {
        let mut cell = json!({"on_hand": c.amount(5)});
        for (key, most, percent) in [("safety_stock", 2, 15), ("allocated", 2, 10), ("weekly_sales", 3, 60)] {
            if c.percent(percent) {
                cell[key] = json!(c.amount(most));
            }
        }
        if c.percent(8) {
            cell["status"] = json!("out_of_stock");
        }
        if c.percent(25) {
            cell["backorder"] = backorder(c);
        }
        if c.percent(20) {
            let order = *c.pick(&["someone", "o1"]);
            cell["holds"] = json!([{"order": order, "qty": c.amount(2), "expired": c.percent(25)}]);
        }
        stock.insert(sku.clone(), cell);
    }
    let mut node = json!({"id": id, "stock": stock});
    if c.percent(75) {
        node["sequence"] = json!(*c.pick(&[0, 1, 2, u64::MAX]));
    }
    if c.percent(75) {
        // Whole degrees apart on the equator: no two distances are near to each other, or to a radius.
        (node["lat"], node["lng"]) = (json!(0.0), json!(c.below(4) as f64));
    }
    if c.percent(20) {
        node["capacity"] = json!(c.below(3));
    }
    node["enabled"] = json!(!c.percent(8));
    node["default"] = json!(c.percent(15));
    node["groups"] = json!(["g1", "g2"].iter().filter(|_| c.percent(50)).collect::<Vec<_>>());
    if c.percent(20) {
        node["modes"] = json!(["delivery", "pickup"].iter().filter(|_| c.percent(60)).collect::<Vec<_>>());
    }
    if c.percent(60) {
        let skills = ["x", "y"].iter().filter(|_| c.percent(50)).collect::<Vec<_>>();
        node["attributes"] = json!({"city": *c.pick(&["a", "b", "B"]), "skills": skills});
    }
    node
}

fn backorder(c: &mut Chance) -> Value {
    match c.below(3) {
        0 => json!("none"),
        1 => json!("unlimited"),
        _ => json!(c.amount(3)),
    }
}

fn rule(c: &mut Chance, id: &str, nodes: &[String]) -> Value {
    let filters: Vec<Value> = (0..c.below(6).saturating_sub(3)).map(|_| filter(c)).collect();
    let sorts: Vec<Value> = (0..c.below(4)).map(|_| sort(c, nodes)).collect();
    let mut assignment = json!({"kind": "single"});
    if c.percent(75) {
        assignment = json!({"kind": "multi", "partial": c.percent(50), "keep_groups": c.percent(30)});
        if c.percent(25) {
            assignment["max_splits"] = json!(1 + c.below(3));
        }
        if c.percent(20) {
            assignment["min_shipment_value"] = json!(c.amount(6));
        }
    }
    let mut actions: Vec<Value> = Vec::new();
    for _ in 0..1 + c.below(3) {
        actions.push(match c.below(10) {
            0..=2 => json!({"do": "allocate"}),
            3..=4 => json!({"do": "backorder"}),
            5..=7 => {
                let mut offer = json!({"do": "offer"});
                for (key, from, most, percent) in
                    [("nodes", 1, 2, 60), ("rounds", 1, 3, 50), ("ttl_s", 10, 20, 60)]
                {
                    if c.percent(percent) {
                        offer[key] = json!(from + c.below(most));
                    }
                }
                offer
            }
            8 => json!({"do": "next_rule"}),
            _ => json!({"do": "queue", "name": *c.pick(&["later", "unfillable"])}),
        });
    }
    json!({"id": id, "filters": filters, "sorts": sorts, "assignment": assignment, "actions": actions})
}

fn filter(c: &mut Chance) -> Value {
    match c.below(5) {
        0 => json!({"by": "radius", "km": *c.pick(&[60, 120, 250])}),
        1 => json!({"by": "group", "any": ["g1"], "exclude": c.percent(40)}),
        2 => json!({"by": "delivery_mode", "mode": *c.pick(&["delivery", "delivery", "pickup"])}),
        3 => json!({"by": "attribute", "name": "city", "has": "a"}),
        _ => json!({"by": "attribute", "name": "skills", "has": "x"}),
    }
}

fn sort(c: &mut Chance, nodes: &[String]) -> Value {
    let words = [
        "sequence",
        "coverage",
        "default_first",
        "preferred",
        "weeks_of_supply",
        "capacity_left",
        "decline_rate",
    ];
    let order = *c.pick(&["asc", "desc"]);
    match c.below(11) {
        n @ 0..=6 => json!({"by": words[n as usize]}),
        7 => json!({"by": "distance", "order": order}),
        8 => json!({"by": "inventory_balance", "of": *c.pick(&["on_hand", "unallocated", "atp"])}),
        9 => json!({"by": "attribute", "name": "city", "order": order}),
        _ => {
            let rank = |c: &mut Chance| {
                if c.percent(20) { json!(null) } else { json!(*c.pick(&[-7, 0, 2, i64::MAX])) }
            };
            let ranks: BTreeMap<String, Value> =
                c.some(nodes, 85).into_iter().map(|n| (n, rank(c))).collect();
            json!({"by": "rank_table", "ranks": ranks})
        }
    }
}

fn order_lines(c: &mut Chance, nodes: &[String], skus: &[String], least: u64) -> Value {
    let most = if c.percent(3) { 0 } else { 1 + c.below(3) };
    let lines = (1..=most).map(|n| {
        let least = if c.percent(4) { 0 } else { least * 1000 };
        let part = if c.percent(8) { 125 } else { 0 };
        let qty = written((least + c.below(4) * 1000 + part) as i64);
        let mut line = json!({"line": n.to_string(), "sku": c.pick(skus), "qty": qty});
        if c.percent(60) {
            line["price"] = json!(c.amount(4));
        }
        if c.percent(12) {
            line["node"] = if c.percent(4) { json!("nowhere") } else { json!(c.pick(nodes)) };
        }
        if c.percent(30) {
            line["group"] = json!("g");
        }
        line
    });
    json!(lines.collect::<Vec<_>>())
}

/// Runs the model, and writes down what it finds.
pub fn expect_what_the_model_finds(scenario: &mut Scenario) {
    let mut model = Model::default();
    model.load(scenario).expect("the model loads everything");
    for step in &mut scenario.steps {
        let done = model.apply(step).expect("the model does everything");
        let now = model.snapshot().expect("the model shows everything");
        let mut expect = found(&now);
        expect.outcome = Some(done.outcome);
        let reasons = done.reason.filter(|_| matches!(step, Step::Claim(_)));
        expect.reason = reasons.map(|reason| vec![reason]);
        match step {
            Step::Query(query) => {
                query.expect.nodes = Some(done.ranked.iter().map(|r| r.node.clone()).collect());
                query.expect.first = done.ranked.first().map(|r| r.node.clone());
                query.expect.values = values(&done);
            }
            Step::Release(of) | Step::Cancel(of) => {
                expect.released = Some(released(&done));
                // Where there is nothing to take, either answer may be given.
                expect.outcome = None;
                of.expect = Some(expect);
            }
            Step::Decline(of) => {
                expect.released = (done.outcome == Outcome::Ok).then(|| released(&done));
                of.expect = Some(expect);
            }
            Step::Ship(of) => {
                expect.outcome = None;
                of.expect = Some(expect);
            }
            Step::Place(of) => of.expect = Some(expect),
            Step::Reserve(of) => of.expect = Some(expect),
            Step::Receive(of) | Step::Adjust(of) => of.expect = Some(expect),
            Step::Claim(of) => of.expect = Some(expect),
            Step::Policy(of) => of.expect = Some(expect),
            Step::Advance(of) => of.expect = Some(expect),
        }
    }
    scenario.expect = Some(found_in_total(&model.snapshot().expect("the model shows everything")));
}

fn released(done: &Done) -> Vec<super::expect::SkuAmount> {
    done.released.iter().map(|(sku, qty)| super::expect::SkuAmount { sku: sku.clone(), qty: *qty }).collect()
}

/// Values that are not negative: the format has no others.
fn values(done: &Done) -> Option<BTreeMap<String, BTreeMap<String, super::format::Amount>>> {
    let mut values: BTreeMap<String, BTreeMap<String, super::format::Amount>> = BTreeMap::new();
    for ranked in &done.ranked {
        for (sort, value) in ranked.values.iter().filter(|(_, v)| v.0 >= 0) {
            values.entry((*sort).to_owned()).or_default().insert(ranked.node.clone(), *value);
        }
    }
    Some(values).filter(|v| !v.is_empty())
}
