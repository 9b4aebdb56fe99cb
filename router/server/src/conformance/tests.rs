//! Reading, running, checking and generating, without an engine.

use super::{
    EngineSubject,
    format::{Amount, Scenario},
    generate,
    model::Model,
    read,
    run::{Report, Summary, Verdict, run},
    shrink,
    step::Step,
    subject::{Done, Snapshot, Subject},
};

/// The cases that come with the format.
pub const SCENARIOS: &str = include_str!("../../tests/conformance/scenarios.json");

/// The model, but it forgets what is kept back as safety stock.
struct Careless(Model);

impl Subject for Careless {
    fn load(&mut self, scenario: &Scenario) -> Result<(), String> {
        let mut scenario = scenario.clone();
        for cell in scenario.nodes.iter_mut().flat_map(|n| n.stock.values_mut()) {
            cell.safety_stock = Amount(0);
        }
        self.0.load(&scenario)
    }

    fn apply(&mut self, step: &Step) -> Result<Done, String> {
        self.0.apply(step)
    }

    fn snapshot(&mut self) -> Result<Snapshot, String> {
        self.0.snapshot()
    }
}

fn of(json: &str) -> Result<Vec<Scenario>, String> {
    read(json).map_err(|e| e.to_string())
}

#[test]
fn errors_name_the_scenario_and_the_place() {
    let scenario = |more: &str| {
        format!(
            r#"[{{"id":"s1","kind":"rank","origin":"o","licence":"l","adopt":true,"nodes":[],"steps":[]{more}}}]"#
        )
    };
    assert!(of(&scenario(r#","expect":{"shippable":true}"#)).is_ok());
    for (more, words) in [
        ("", ["s1", "$.expect", "nothing is expected"]),
        (r#","expect":{"shipable":true}"#, ["s1", "$.expect.shipable", "unknown field"]),
        (r#","expect":{"outcome":"ok"}"#, ["s1", "$.expect", "about a step"]),
        (r#","expect":{"shippable":null}"#, ["s1", "$.expect.shippable", "null"]),
        (r#","expect":{"held":[{"sku":"A","qty":"1.50"}]}"#, ["s1", "$.expect.held[0].qty", "1.50"]),
        (r#","skip":"why","expect":{"shippable":true}"#, ["s1", "$.skip", "neither steps"]),
        (r#","quirk":"why","expect":{"shippable":true}"#, ["s1", "$.adopt", "neither `quirk`"]),
        (r#","expect":{"offered_to":["a","a"]}"#, ["s1", "$.expect.offered_to", "twice"]),
        (r#","expect":{"winner":""}"#, ["s1", "$.expect.winner", "80 characters"]),
        (r#","expect":{}"#, ["s1", "$.expect", "nothing is expected"]),
        (r#","expect":{"available":[{"sku":"A"}]}"#, ["s1", "$.expect.available[0]", "neither"]),
    ] {
        let error = of(&scenario(more)).unwrap_err();
        assert!(words.iter().all(|word| error.contains(word)), "{more}: {error}");
    }
}

#[test]
fn verdicts_follow_skip_adopt_and_expect_ours() {
    let with = |head: &str, expect: &str| {
        let json = format!(
            r#"[{{"id":"s1","kind":"rank","origin":"o","licence":"l",{head},
            "nodes":[{{"id":"n","stock":{{"A":{{"on_hand":"2"}}}}}}],"steps":[
            {{"op":"reserve","order":"o1","lines":[{{"line":"1","sku":"A","qty":"1"}}],"expect":{{"outcome":"refused"}}}}
            ],{expect}}}]"#
        );
        run(&mut Model::default(), &read(&json).unwrap()[0])
    };
    let held = r#""expect":{"held":[{"sku":"A","qty":"1"}]}"#;
    let ours = r#""expect":{"held":[{"sku":"A","qty":"9"}]},"expect_ours":{"held":[{"sku":"A","qty":"1"}]}"#;
    let failed = vec!["step 1: outcome: expected refused, found ok".to_owned()];
    assert_eq!(with(r#""adopt":true"#, held), Verdict::Failed(failed));
    assert_eq!(with(r#""adopt":false,"quirk":"q""#, held), Verdict::NotAdopted("q".into()));
    assert_eq!(with(r#""adopt":false,"quirk":"q""#, ours), Verdict::Passed);
}

#[test]
fn reports_are_lines_for_people_and_objects_for_programs() {
    let report = Report { id: "s1".into(), verdict: Verdict::Failed(vec!["a".into(), "b".into()]) };
    assert_eq!(report.to_string(), "failed       s1\n  a\n  b");
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(json, r#"{"id":"s1","verdict":"failed","detail":["a","b"]}"#);
    let mut summary = Summary::default();
    [Verdict::Passed, report.verdict].iter().for_each(|v| summary.count(v));
    assert_eq!(summary.to_string(), "2 scenarios: 1 passed, 1 failed, 0 skipped, 0 not adopted");
}

#[test]
fn generated_scenarios_are_ordinary_files_that_the_model_passes() {
    let mut claims = 0;
    for seed in 0..400 {
        let scenario = generate::scenario(seed);
        let json = serde_json::to_string(&[&scenario]).unwrap();
        let again = read(&json).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        assert_eq!(run(&mut Model::default(), &again[0]), Verdict::Passed, "seed {seed}");
        claims += usize::from(json.contains(r#""winner""#));
    }
    assert!(claims > 25, "only {claims} have a winner");
}

#[test]
fn a_difference_is_found_and_made_small() {
    let mut careless = Careless(Model::default());
    let found = (0..200)
        .map(generate::scenario)
        .find(|s| shrink::difference(&mut careless, &mut s.clone()).is_some());
    let smallest = shrink::shrink(&mut careless, &found.expect("safety stock matters somewhere"));
    assert_eq!((smallest.nodes.len(), smallest.steps.len()), (1, 1));
    let told =
        std::panic::catch_unwind(|| shrink::assert_like_the_model(&mut Careless(Model::default()), 0..200));
    assert!(told.is_err());
    shrink::assert_like_the_model(&mut Model::default(), 0..200);
}

#[test]
fn the_engine_passes_every_scenario_that_comes_with_the_format() {
    let mut failed = Vec::new();
    for scenario in &read(SCENARIOS).unwrap() {
        if let Verdict::Failed(problems) = run(&mut EngineSubject::default(), scenario) {
            failed.push(format!("{}: {problems:#?}", scenario.id));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// Seeds of the long run: `ROUTER_CONFORMANCE_SEEDS=100000 cargo test -p router-server --bin router like_the_model`.
#[test]
fn the_engine_does_like_the_model() {
    let most = std::env::var("ROUTER_CONFORMANCE_SEEDS").ok().and_then(|most| most.parse().ok());
    shrink::assert_like_the_model(&mut EngineSubject::default(), 0..most.unwrap_or(300));
}
