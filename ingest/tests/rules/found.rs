//! Each mistake is found, with its code, where it stands.

use std::collections::BTreeMap;

use router_ingest::rules::{CODES, Known, KnownNode, Severity, read};

/// Code, line and column of all that is found.
fn found(text: &str, known: Option<&Known>) -> Vec<(&'static str, usize, usize)> {
    let findings = read(text, known).findings;
    for finding in &findings {
        let summary = CODES.iter().find(|code| code.id == finding.code).unwrap().summary;
        assert_eq!(summary.starts_with("warning"), finding.severity == Severity::Warning, "{finding:?}");
    }
    let place = |f: &router_ingest::rules::Finding| (f.code, f.line.unwrap(), f.column.unwrap());
    findings.iter().map(place).collect()
}

/// A text without its mark ¶, and the line and column of the mark.
fn marked(text: &str) -> (String, usize, usize) {
    let (before, after) = text.split_once('¶').expect("each text has a mark");
    let line = before.matches('\n').count() + 1;
    (format!("{before}{after}"), line, before.rsplit('\n').next().unwrap().chars().count() + 1)
}

/// A set of one rule with these lines.
fn rule(lines: &str) -> String {
    format!("name = \"n\"\n[[routings]]\n[[routings.rules]]\nactions = [{{ do = \"allocate\" }}]\n{lines}\n")
}

fn actions(lines: &str) -> String {
    format!("name = \"n\"\n[[routings]]\n[[routings.rules]]\nid = \"r\"\n{lines}\n")
}

#[test]
fn what_has_not_the_shape_is_found_where_it_stands() {
    for text in [
        "name = \"n\"\nroutings = [¶\n".to_owned(),
        "name = \"n\"\nroutings = ¶5\n".to_owned(),
        "¶routings = []\n".to_owned(),
        rule("¶filter = []"),
        rule("filters = [¶{ by = \"radius\" }]"),
        rule("filters = [\n  { by = \"open\" },\n  { by = \"radius\", km = 5, ¶miles = 3 },\n]"),
        rule("filters = [{ by = ¶\"moon\" }]"),
        rule("sorts = [{ by = \"sequence\", ¶order = \"asc\" }]"),
        actions("actions = [¶{ do = \"auto_cancel\", after = \"soon\" }]"),
        "{\"name\": \"n\",\n \"routings\": [{¶\"rulez\": []}]}".to_owned(),
        "{\"name\": \"n\",\n \"routings\": [¶}".to_owned(),
        "{\"name\": \"n\", \"routings\": []} ¶x".to_owned(),
    ] {
        let (text, line, column) = marked(&text);
        let found = found(&text, None);
        assert_eq!(found.first(), Some(&("E1130", line, column)), "{text}\n{:?}", read(&text, None).findings);
        assert!(!read(&text, None).is_good());
    }
}

#[test]
fn mistakes_are_found_where_they_stand() {
    let long = "x".repeat(65);
    for (code, text) in [
        ("E1132", rule("filters = [{ by = \"radius\", ¶km = 0 }]")),
        ("E1132", rule("filters = [{ by = \"radius\", ¶km = 30000 }]")),
        ("E1132", rule("filters = [{ by = \"radius\", ¶km = nan }]")),
        ("E1132", rule("filters = [{ by = \"group\", ¶any = [] }]")),
        ("E1131", rule(&format!("filters = [{{ by = \"group\", any = [¶\"{long}\"] }}]"))),
        ("E1132", rule("filters = [{ by = \"minimum\", ¶qty = 0 }]")),
        (
            "E1134",
            rule(
                "filters = [\n{ by = \"group\", any = [\"a\"] },\n¶{ by = \"group\", any = [\"b\", \"a\"], exclude = true }]",
            ),
        ),
        (
            "E1134",
            rule("filters = [\n{ by = \"radius\", km = 9, exclude = true },\n¶{ by = \"radius\", km = 5 }]"),
        ),
        ("E1134", rule("filters = [\n{ by = \"open\" },\n¶{ by = \"open\", exclude = true }]")),
        ("E1138", rule("filters = [\n{ by = \"open\" },\n¶{ by = \"open\" }]")),
        ("E1138", rule("sorts = [{ by = \"coverage\" }, ¶{ by = \"coverage\" }]")),
        ("E1138", rule("sorts = [{ by = \"rank_table\", ¶ranks = {} }]")),
        ("E1132", rule("assignment = { kind = \"multi\", ¶max_splits = 0 }")),
        ("E1132", rule("assignment = { kind = \"multi\", ¶min_shipment_value = -1 }")),
        ("E1138", "name = \"n\"\n[[routings]]\n¶[[routings.rules]]\nactions = []\n".to_owned()),
        ("E1135", actions("actions = [{ do = \"queue\", name = \"q\" }, ¶{ do = \"backorder\" }]")),
        ("E1135", actions("actions = [{ do = \"next_rule\" }, ¶{ do = \"allocate\" }]")),
        ("E1132", actions("actions = [{ do = \"offer\", ¶rounds = 0 }]")),
        ("E1132", actions("actions = [{ do = \"offer\", ¶nodes = 201 }]")),
        ("E1131", actions("actions = [{ do = \"offer\", ¶ttl = \"401d\" }]")),
        ("E1132", actions("actions = [{ do = \"offer\", ¶ttl = \"0s\" }]")),
        ("E1132", actions("actions = [{ do = \"offer\", widen = [5, ¶3] }]")),
        ("E1134", actions("actions = [{ do = \"offer\", ¶nodes = 2, widen = [5] }]")),
        ("E1138", actions("actions = [{ do = \"offer\", ¶rounds = 1, widen = [3, 5] }]")),
        ("E1138", actions("actions = [{ do = \"allocate\", ¶late = \"escalate\" }]")),
        (
            "E1135",
            actions(
                "actions = [{ do = \"queue\", name = \"q\" }]\n¶[[routings.rules]]\nactions = [{ do = \"allocate\" }]",
            ),
        ),
        ("E1133", rule("¶[[routings.rules]]\nid = \"rule-1\"\nactions = [{ do = \"backorder\" }]")),
        (
            "E1133",
            rule(
                "[[routings]]\nchannel = \"c\"\n¶[[routings.rules]]\nid = \"rule-1\"\nactions = [{ do = \"backorder\" }]",
            ),
        ),
        ("E1134", rule("[[routings]]\nchannel = \"c\"\nsort = [\"value\", ¶\"value\"]\nrules = []")),
        ("E1133", rule("[[reasons]]\nid = \"a\"\n¶[[reasons]]\nid = \"a\"")),
        ("E1131", rule("[[reasons]]\nid = \"a\"\n¶cool_down = \"500d\"")),
        ("E1133", rule("¶[[routings]]\nid = \"routing-1\"\nchannel = \"c\"\nrules = []")),
        ("E1132", "¶name = \"a@b\"\nroutings = []".to_owned()),
        ("E1132", "¶name = \"\"\nroutings = []".to_owned()),
    ] {
        let (text, line, column) = marked(&text);
        let (found, wanted) = (found(&text, None), (code, line, column));
        assert!(found.contains(&wanted), "{wanted:?} in {found:?} of\n{text}");
    }
}

#[test]
fn a_routing_behind_one_that_owns_all_its_orders_is_never_reached() {
    let text = |first: &str, second: &str| {
        let routing = |when: &str| {
            format!("[[routings]]\n{when}\n[[routings.rules]]\nactions = [{{ do = \"allocate\" }}]\n")
        };
        format!("name = \"n\"\n{}{}", routing(first), routing(second))
    };
    for (first, second, reached) in [
        ("", "channel = \"web\"", false),
        ("channel = \"web\"", "", true),
        ("when.channels = [\"a\", \"b\"]", "channel = \"b\"", false),
        ("channel = \"b\"", "when.channels = [\"a\", \"b\"]", true),
        ("when.modes = [\"pickup\", \"delivery\"]", "", false),
        ("when.modes = [\"pickup\"]", "when.modes = [\"delivery\"]", true),
        ("when.priority.max = 50", "when.priority = { min = 10, max = 50 }", false),
        ("when.priority.max = 50", "when.priority = { min = 10 }", true),
        ("when.total.min = 10", "when.total.min = 20", false),
        ("when.total.min = 10", "when.total.max = 20", true),
        ("when.parts = true", "when.parts = false", true),
        ("when.parts = true", "when.parts = true", false),
    ] {
        let found = found(&text(first, second), None);
        let wanted = (!reached).then_some(("E1135", 6, 1));
        assert_eq!(found.first().copied(), wanted, "{first} / {second}");
    }
}

#[test]
fn names_are_compared_with_what_the_router_knows() {
    let attributes = BTreeMap::from([("tier".to_owned(), vec!["a".to_owned()])]);
    let node = KnownNode { groups: vec!["city".into()], attributes };
    let known = Known {
        zones: ["z".to_owned()].into(),
        channels: ["web".to_owned()].into(),
        fees: ["sf".to_owned()].into(),
        nodes: BTreeMap::from([("s1".to_owned(), node)]),
    };
    for (code, text, from, to) in [
        ("E1136", "filters = [{ by = \"group\", any = [¶\"city\"] }]", "city", "town"),
        ("E1137", "filters = [{ by = \"zone\", any = [¶\"z\"] }]", "\"z\"", "\"y\""),
        ("E1136", "filters = [{ by = \"attribute\", name = \"tier\", ¶has = \"a\" }]", "\"a\"", "\"b\""),
        ("E1136", "filters = [{ by = \"attribute\", ¶name = \"tier\", has = \"a\" }]", "tier", "teir"),
        ("E1136", "sorts = [{ by = \"attribute\", ¶name = \"tier\" }]", "tier", "teir"),
        ("E1136", "sorts = [{ by = \"cost\", ¶table = \"sf\" }]", "sf", "fs"),
        ("E1136", "sorts = [{ by = \"rank_table\", ranks = { ¶s1 = 1 } }]", "s1", "s2"),
        ("E1136", "[[routings]]\n¶channel = \"web\"\nrules = []", "web", "wep"),
    ] {
        let (good, line, column) = marked(&rule(text));
        let wanted = (code, line, column);
        assert!(!found(&good, Some(&known)).contains(&wanted), "{text}");
        let bad = good.replace(from, to);
        let with = found(&bad, Some(&known));
        assert!(with.contains(&wanted), "{wanted:?} in {with:?} of\n{bad}");
        assert!(!found(&bad, None).contains(&wanted), "without tables nothing is said of names");
    }
    let forwards = actions("actions = [{ do = \"forward\", zones = [\"z\", ¶\"nowhere\"] }]");
    let (text, line, column) = marked(&forwards);
    assert_eq!(found(&text, Some(&known)), [("E1137", line, column)]);
}

#[test]
fn what_is_too_large_is_said() {
    let rules = |n: usize| "[[routings.rules]]\nactions = [{ do = \"allocate\" }]\n".repeat(n);
    let set = |n: usize| format!("name = \"n\"\n[[routings]]\n{}", rules(n));
    assert_eq!(found(&set(200), None), []);
    assert!(found(&set(201), None).iter().any(|found| found.0 == "E1131"));
    let ranks = |n: usize| {
        let all: Vec<_> = (0..n).map(|node| format!("\"a-rather-long-name-{node:05}\" = {node}")).collect();
        rule(&format!("sorts = [{{ by = \"rank_table\", ranks = {{ {} }} }}]", all.join(", ")))
    };
    assert_eq!(found(&ranks(6000), None), []);
    let found = found(&ranks(8000), None);
    assert!(found.iter().any(|found| found.0 == "E1131"), "{found:?}");
}
