//! TOML, JSON and the form in the log.

use proptest::prelude::*;
use router_ingest::{
    json,
    rules::{Severity, of_log, read, to_log, toml},
};
use router_schemas::{
    command::{order::DeliveryMode, reference::RouteWhen},
    geo,
    quantity::Qty,
    rules::*,
};

/// A document with every word of the language.
const WHOLE: &str = r#"
name = "grab"
zones = ["shanghai", "suzhou"]
note = "after the trial"
retry = "stock"

[[routings]]
id = "first"
channel = "web"
when = { modes = ["delivery"], priority = { max = 50 }, total = { min = 100, max = 99_999 }, parts = false }
route_when = "captured"
sort = ["value", "promise", "priority", "arrival"]

[[routings.rules]]
id = "near"
ignore_capacity = true
filters = [
    { by = "group", any = ["city", "mall"] },
    { by = "group", any = ["closing"], exclude = true },
    { by = "radius", km = 2.5 },
    { by = "zone", any = ["shanghai"] },
    { by = "delivery_mode", mode = "pickup" },
    { by = "open" },
    { by = "minimum", qty = "1.5" },
    { by = "attribute", name = "tier", has = "a" },
    { by = "all_items" },
    { by = "area", exclude = true },
]
sorts = [
    { by = "sequence" },
    { by = "distance", order = "desc" },
    { by = "coverage" },
    { by = "default_first" },
    { by = "preferred" },
    { by = "used" },
    { by = "open_first" },
    { by = "inventory_balance", of = "unallocated" },
    { by = "weeks_of_supply" },
    { by = "capacity_left" },
    { by = "decline_rate" },
    { by = "time_to_claim" },
    { by = "time_to_ship" },
    { by = "cost", table = "sf" },
    { by = "attribute", name = "tier" },
    { by = "rank_table", ranks = { s1 = 1, "s 2" = -2 } },
]
assignment = { kind = "multi", max_splits = 2, min_shipment_value = 1000, keep_groups = true, partial = true }
actions = [
    { do = "offer", nodes = 5, rounds = 3, ttl = "90s", whole = true, accept_within = "10m", late = "escalate" },
    { do = "forward", zones = ["central"] },
    { do = "backorder" },
    { do = "auto_cancel", after = "2d" },
    { do = "queue", name = "by hand" },
]

[[routings.rules]]
actions = [{ do = "offer", widen = [3, 5.5], ttl_s = 60, pick_within = 1800 }, { do = "next_rule" }]

[[routings]]
[[routings.rules]]
assignment = { kind = "fewest" }
actions = [{ do = "allocate", accept_within = "15m", pick_within = "1h", late = "escalate" }]

[[reasons]]
id = "damaged"
effect = "subtract_atp"
cool_down = "20m"
pause = true
"#;

fn set(text: &str) -> RuleSet {
    let read = read(text, None);
    assert!(read.is_good(), "{:?}", read.findings);
    to_log(&read.rules.unwrap())
}

fn circle(km: f64) -> i64 {
    geo::chord2_of_metres(km * 1000.0)
}

#[test]
fn every_word_arrives_in_the_log() {
    let set = set(WHOLE);
    assert_eq!((set.name.as_str(), set.version, set.retry), ("grab", 0, Retry::Stock));
    assert_eq!(
        (set.zones.as_slice(), set.note.as_deref()),
        (&["shanghai".into(), "suzhou".into()][..], Some("after the trial"))
    );
    let first = &set.routings[0];
    let filter = OrderFilter {
        channels: vec!["web".into()],
        modes: vec![DeliveryMode::Delivery],
        priority: Some((0, 50)),
        total: Some((100, 99_999)),
        parts: Some(false),
    };
    assert_eq!((&first.filter, first.route_when), (&filter, Some(RouteWhen::Captured)));
    assert_eq!(first.sort, [OrderSort::Value, OrderSort::Promise, OrderSort::Priority, OrderSort::Arrival]);
    let near = &first.rules[0];
    assert!(near.ignore_capacity);
    let by = |exclude, by| Filter { exclude, by };
    let asked = [
        by(false, FilterBy::Group(vec!["city".into(), "mall".into()])),
        by(true, FilterBy::Group(vec!["closing".into()])),
        by(false, FilterBy::Radius { metres: 2500, chord2: circle(2.5) }),
        by(false, FilterBy::Zone(vec!["shanghai".into()])),
        by(false, FilterBy::Mode(DeliveryMode::Pickup)),
        by(false, FilterBy::Open),
        by(false, FilterBy::Minimum(Qty(1500))),
        by(false, FilterBy::Attribute("tier".into(), "a".into())),
        by(false, FilterBy::AllItems),
        by(true, FilterBy::Area),
    ];
    assert_eq!(near.filters, asked);
    let sorts = [
        Sort::Sequence,
        Sort::Distance { farther: true },
        Sort::Coverage,
        Sort::DefaultFirst,
        Sort::Preferred,
        Sort::Used,
        Sort::OpenFirst,
        Sort::InventoryBalance(Balance::Unallocated),
        Sort::WeeksOfSupply,
        Sort::CapacityLeft,
        Sort::DeclineRate,
        Sort::TimeToClaim,
        Sort::TimeToShip,
        Sort::Cost("sf".into()),
        Sort::Attribute { name: "tier".into(), descending: false },
        Sort::RankTable(vec![("s 2".into(), -2), ("s1".into(), 1)]),
    ];
    assert_eq!(near.sorts, sorts);
    let multi =
        Multi { max_splits: Some(2), min_shipment_value: Some(1000), keep_groups: true, partial: true };
    assert_eq!(near.assignment, Assignment::Multi(multi));
    let offer = Offer {
        nodes: Some(5),
        rounds: 3,
        ttl: Some(90_000),
        whole: true,
        accept_within: Some(600_000),
        late: Late::Escalate,
        ..Offer::default()
    };
    let actions = [
        Action::Offer(offer),
        Action::Forward(vec!["central".into()]),
        Action::Backorder,
        Action::AutoCancel(172_800_000),
        Action::Queue("by hand".into()),
    ];
    assert_eq!(near.actions, actions);
    // What has no name is named by its place; a number of seconds is a length of time, too.
    assert_eq!((first.rules[1].id.as_str(), set.routings[1].id.as_str()), ("rule-2", "routing-2"));
    let widening = Offer {
        rounds: 2,
        ttl: Some(60_000),
        widen: vec![circle(3.0), circle(5.5)],
        pick_within: Some(1_800_000),
        ..Offer::default()
    };
    assert_eq!(first.rules[1].actions, [Action::Offer(widening), Action::NextRule]);
    assert_eq!(
        (set.routings[1].rules[0].id.as_str(), &set.routings[1].rules[0].assignment),
        ("rule-3", &Assignment::Fewest)
    );
    let reason = Reason {
        id: "damaged".into(),
        effect: StockEffect::SubtractAtp,
        cool_down: Some(1_200_000),
        pause: true,
    };
    assert_eq!(set.reasons, [reason]);
}

#[test]
fn toml_and_json_say_the_same() {
    let document = read(WHOLE, None).rules.unwrap();
    let json = serde_json::to_string_pretty(&document).unwrap();
    assert_eq!(set(&json), set(WHOLE));
    assert_eq!(set(&toml(&document)), set(WHOLE), "{}", toml(&document));
}

/// The set that a router has before one is published.
fn default_set() -> RuleSet {
    let sorts = vec![Sort::Used, Sort::OpenFirst, Sort::Distance { farther: false }];
    let allocate = Action::Allocate { accept_within: None, pick_within: None, late: Late::Reroute };
    let rule = |id: &str, sorts: &[Sort], assignment, actions| Rule {
        id: id.into(),
        sorts: sorts.to_vec(),
        assignment,
        actions,
        ..Rule::default()
    };
    let rules = vec![
        rule("one-node", &sorts, Assignment::Single, vec![allocate.clone()]),
        rule("fewest-splits", &sorts, Assignment::Fewest, vec![allocate, Action::Backorder]),
        rule("fallback", &[], Assignment::Single, vec![Action::Forward(Vec::new())]),
    ];
    let routing = Routing { id: "all".into(), rules, ..Routing::default() };
    RuleSet { name: "default".into(), version: 1, routings: vec![routing], ..RuleSet::default() }
}

#[test]
fn the_default_reads_well() {
    let text = toml(&of_log(&default_set()));
    let wanted = r#"name = "default"

[[routings]]
id = "all"

[[routings.rules]]
id = "one-node"
sorts = [
    { by = "used" },
    { by = "open_first" },
    { by = "distance" },
]
assignment = { kind = "single" }
actions = [{ do = "allocate" }]

[[routings.rules]]
id = "fewest-splits"
sorts = [
    { by = "used" },
    { by = "open_first" },
    { by = "distance" },
]
assignment = { kind = "fewest" }
actions = [
    { do = "allocate" },
    { do = "backorder" },
]

[[routings.rules]]
id = "fallback"
assignment = { kind = "single" }
actions = [{ do = "forward" }]
"#;
    assert_eq!(text, wanted);
    assert_eq!(set(&text), RuleSet { version: 0, ..default_set() });
}

#[test]
fn a_set_of_no_routings_is_written_and_read() {
    let none = RuleSet { name: "none".into(), ..RuleSet::default() };
    assert_eq!(set(&toml(&of_log(&none))), none);
}

#[test]
fn the_sample_in_the_repository_is_clean() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/rules.toml");
    let found = read(&std::fs::read_to_string(path).unwrap(), None);
    assert!(found.is_good() && found.findings.is_empty(), "{:?}", found.findings);
}

#[test]
fn rules_of_other_tests_of_routing_are_nearly_documents() {
    // As the format of outside scenarios writes them, with a name.
    let text = r#"{"name": "n", "routings": [{"channel": "web", "rules": [{"id": "rule-1",
        "filters": [{"by": "group", "any": ["g"], "exclude": true}, {"by": "radius", "km": 0.5}],
        "sorts": [{"by": "rank_table", "ranks": {"a": 1, "b": null}}],
        "assignment": {"kind": "multi", "partial": true},
        "actions": [{"do": "offer", "nodes": 2, "rounds": 2, "ttl_s": 60}, {"do": "allocate"}]}]}],
        "reasons": [{"id": "x", "effect": "zero"}]}"#;
    let set = set(text);
    let rule = &set.routings[0].rules[0];
    assert_eq!(rule.sorts, [Sort::RankTable(vec![("a".into(), 1)])]);
    assert!(matches!(&rule.actions[0], Action::Offer(offer) if offer.ttl == Some(60_000)));
}

proptest! {
    /// Whatever the log may hold is written as a document that reads as the same again.
    #[test]
    fn of_the_log_and_back(
        metres in 1u32..20_000_000,
        circles in prop::collection::btree_set(1u32..20_000_000, 0..5),
        rounds in 1u16..50,
        span in prop::option::of(1i64..34_560_000_000),
        text in "[ -~é樱]{1,20}",
        priority in prop::option::of((0u8..=255, 0u8..=255).prop_map(|(a, b)| (a.min(b), a.max(b)))),
        channels in prop::collection::btree_set("[a-c]", 0..3),
    ) {
        let chord2 = |metres: u32| geo::chord2_of_metres(f64::from(metres));
        let offer = Offer { rounds, ttl: span, widen: circles.into_iter().map(chord2).collect(), ..Offer::default() };
        let rule = Rule {
            id: text.clone(),
            filters: vec![
                Filter { exclude: false, by: FilterBy::Radius { metres, chord2: chord2(metres) } },
                Filter { exclude: true, by: FilterBy::Attribute(text.clone(), text.clone()) },
            ],
            sorts: vec![Sort::RankTable(vec![(text.clone(), i64::from(metres))])],
            actions: vec![Action::Offer(offer), Action::AutoCancel(span.unwrap_or(1))],
            ..Rule::default()
        };
        let channels = channels.into_iter().collect();
        let filter = OrderFilter { channels, priority, total: Some((0, 5)), ..OrderFilter::default() };
        let routing = Routing { id: text.clone(), filter, rules: vec![rule], ..Routing::default() };
        let set = RuleSet { name: text.replace('@', "-"), routings: vec![routing], ..RuleSet::default() };
        let document = of_log(&set);
        let errors = |text: &str| {
            let found = read(text, None);
            let errors: Vec<_> = found.findings.into_iter().filter(|f| f.severity == Severity::Error).collect();
            (found.rules.map(|rules: json::Rules| to_log(&rules)), errors.is_empty())
        };
        for text in [toml(&document), serde_json::to_string(&document).unwrap()] {
            let (read, _) = errors(&text);
            prop_assert_eq!(read.as_ref(), Some(&set), "{}", text);
        }
    }
}
