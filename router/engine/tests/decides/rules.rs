//! Rule sets on their way into the log, and what is told of a walk through them.

use router_engine::{
    control::Control,
    engine::SortValue,
    rules::{DEFAULT, check, default_set},
};
use router_schemas::{
    command::{
        Command,
        reference::{FeeBand, FeeTable, Published, Reference, Zone},
    },
    envelope::{self, Meta},
    event::{Event, Outcome, Verdict},
    position::Topic,
    refusal::Refusal,
    row::Row,
    rules::{Action, Assignment, Filter, FilterBy, Late, Multi, Offer, Routing, Rule, RuleSet, Sort},
    stage::{Input, Outputs, Stage},
};

use crate::run::{Run, TOPOLOGY, events, receipt};

/// A set with one rule.
fn set(name: &str, rule: Rule) -> RuleSet {
    let routing = Routing { id: "all".into(), rules: vec![rule], ..Routing::default() };
    RuleSet { name: name.into(), routings: vec![routing], ..RuleSet::default() }
}

fn rule(actions: Vec<Action>) -> Rule {
    Rule { id: "r".into(), actions, ..Rule::default() }
}

fn allocate() -> Action {
    Action::Allocate { accept_within: None, pick_within: None, late: Late::default() }
}

/// What CONTROL makes of a change: its outcome, the row, and how many partitions have a copy.
fn publish(control: &mut Control, offset: u64, change: Reference) -> (Outcome, Option<Reference>, usize) {
    let command = Command::Reference(Published { control: 0, change });
    let payload = envelope::to_vec(None, &Meta::default(), &command);
    let mut out = Outputs::default();
    control.apply(Input { offset, at: 1_000_000, skipped: false, payload: &payload }, &mut out);
    let event: Event = events(&out).pop().expect("a command leaves an event");
    let row = event.rows.into_iter().find_map(|row| match row {
        Row::Reference(reference) => Some(reference),
        _ => None,
    });
    let copies = out.iter().filter(|o| o.target.topic == Topic::Commands).count();
    (event.outcome.expect("a command has an outcome"), row, copies)
}

#[test]
fn control_numbers_the_versions_of_each_name() {
    let mut control = Control::new(TOPOLOGY);
    let mut offset = 0;
    let mut rules = |set: RuleSet| {
        offset += 1;
        let (outcome, row, copies) = publish(&mut control, offset, Reference::Rules(Box::new(set)));
        match row {
            Some(Reference::Rules(set)) => (outcome, set.version, copies),
            _ => (outcome, 0, copies),
        }
    };
    assert_eq!(rules(set("a", rule(Vec::new()))), (Outcome::Applied, 1, 1));
    assert_eq!(rules(set("a", rule(Vec::new()))), (Outcome::Applied, 2, 1));
    assert_eq!(rules(set("b", rule(Vec::new()))), (Outcome::Applied, 1, 1));
    // The built-in one is version 1.
    assert_eq!(rules(set(DEFAULT, rule(Vec::new()))), (Outcome::Applied, 2, 1));
    let third = RuleSet { version: 3, ..set("a", rule(Vec::new())) };
    assert_eq!(rules(third.clone()), (Outcome::Applied, 3, 1));
    assert_eq!(rules(third), (Outcome::Refused(Refusal::Invalid), 0, 0), "a version never changes");
}

#[test]
fn control_refuses_zones_that_nobody_knows() {
    let mut control = Control::new(TOPOLOGY);
    let unknown = (Outcome::Refused(Refusal::UnknownZone), None, 0);
    let mut rules = |set: RuleSet| publish(&mut control, 1, Reference::Rules(Box::new(set)));
    assert_eq!(rules(RuleSet { zones: vec!["y".into()], ..set("a", rule(Vec::new())) }), unknown);
    assert_eq!(rules(set("a", rule(vec![Action::Forward(vec!["y".into()])]))), unknown);
    let by = FilterBy::Zone(vec!["y".into()]);
    let filters = vec![Filter { exclude: true, by }];
    assert_eq!(rules(set("a", Rule { filters, ..rule(Vec::new()) })), unknown);
    publish(&mut control, 2, Reference::Zone(Zone { id: "y".into(), partition: None }));
    let named = RuleSet { zones: vec!["y".into()], ..set("a", rule(Vec::new())) };
    assert_eq!(publish(&mut control, 3, Reference::Rules(Box::new(named))).0, Outcome::Applied);
}

#[test]
fn control_refuses_fees_in_no_order() {
    let mut control = Control::new(TOPOLOGY);
    let band = |upto| FeeBand { upto, base: 1, per_kg: 0 };
    let table = |bands| Reference::Fees(FeeTable { id: "post".into(), bands });
    assert_eq!(publish(&mut control, 1, table(vec![band(1), band(2)])).0, Outcome::Applied);
    let refused = publish(&mut control, 2, table(vec![band(2), band(2)])).0;
    assert_eq!(refused, Outcome::Refused(Refusal::Invalid));
}

#[test]
fn what_cannot_be_followed_says_where() {
    assert_eq!(check(&default_set()), Ok(()));
    let wrong = |rule: Rule, said: &str| {
        let why = check(&set("a", rule)).expect_err(said);
        assert!(why.contains("rule r") && why.contains(said), "{why}");
    };
    let multi = |multi| Rule { assignment: Assignment::Multi(multi), ..rule(Vec::new()) };
    wrong(multi(Multi { max_splits: Some(0), ..Multi::default() }), "max_splits");
    wrong(multi(Multi { min_shipment_value: Some(-1), ..Multi::default() }), "min_shipment_value");
    wrong(rule(vec![Action::Queue(String::new())]), "queue");
    wrong(rule(vec![Action::AutoCancel(0)]), "auto_cancel");
    wrong(rule(vec![Action::Offer(Offer::default())]), "round");
    wrong(rule(vec![Action::Offer(Offer { rounds: 1, nodes: Some(201), ..Offer::default() })]), "nodes");
    wrong(rule(vec![Action::NextRule; 17]), "actions");
    let ranks = vec![("b".to_owned(), 1), ("a".to_owned(), 2)];
    wrong(Rule { sorts: vec![Sort::RankTable(ranks)], ..rule(Vec::new()) }, "ascending");
    let twice = Routing { id: "all".into(), rules: vec![rule(Vec::new()); 2], ..Routing::default() };
    let why = check(&RuleSet { name: "a".into(), routings: vec![twice], ..RuleSet::default() });
    assert!(why.is_err_and(|why| why.contains("two of rule r")));
    assert!(check(&set("", rule(Vec::new()))).is_err());
    let large = Rule { sorts: vec![Sort::Cost("x".repeat(200 * 1024))], ..rule(Vec::new()) };
    assert!(check(&set("a", large)).is_err_and(|why| why.contains("bytes")));
}

#[test]
fn every_rule_that_was_tried_is_told() {
    let mut run = Run::new();
    let filters = vec![Filter { exclude: true, by: FilterBy::Open }];
    let closed = Rule { id: "closed".into(), filters, actions: vec![allocate()], ..Rule::default() };
    let sorts = vec![Sort::Distance { farther: true }, Sort::Sequence];
    let far = Rule { id: "far".into(), sorts, actions: vec![allocate()], ..Rule::default() };
    let rules = vec![closed, far];
    let routing = Routing { id: "all".into(), rules, ..Routing::default() };
    let set = RuleSet { name: "mine".into(), version: 7, routings: vec![routing], ..RuleSet::default() };
    run.publish(Reference::Rules(Box::new(set)));
    let order = run.place(&[("A", 2)]);
    let payload = envelope::to_vec(None, &Meta::default(), &receipt("far", "A", 2));
    let mut out = Outputs::default();
    let mut told = Vec::new();
    for payload in [payload, envelope::to_vec(None, &Meta::default(), &Command::Continue)] {
        let input = Input { offset: run.offset, at: 2_000_000, skipped: false, payload: &payload };
        told.extend(run.engine.apply_traced(input, &mut out, None));
        run.offset += 1;
    }
    let decisions: Vec<_> = told.iter().map(|c| (c.decision.rule.as_str(), c.decision.verdict)).collect();
    assert_eq!(decisions, [("closed", Verdict::Unfillable), ("far", Verdict::Whole)]);
    assert!(told.iter().all(|c| c.order == order && c.item == 1));
    assert!(told.iter().all(|c| (c.decision.rule_set.as_str(), c.decision.version) == ("mine", 7)));
    let left_out = |c: &router_engine::engine::trace::Considered| {
        c.rank.is_none() && c.filters.contains(&("open", false)) && c.sorts.is_empty()
    };
    assert!(told[0].candidates.len() == 3 && told[0].candidates.iter().all(left_out));
    let first = &told[1].candidates[0];
    assert_eq!((first.node.as_str(), first.rank, first.taken), ("far", Some(1), true));
    let [(distance, Some(SortValue::Number(chord2))), sequence] = &first.sorts[..] else {
        panic!("two sorts")
    };
    assert_eq!((*distance, Some(*chord2), sequence), ("distance", first.chord2, &("sequence", None)));
    assert!(told[1].candidates[1..].iter().all(|c| !c.taken && c.rank.is_some()));
    assert_eq!(run.nodes(order), [("far".to_owned(), 2)]);
}
