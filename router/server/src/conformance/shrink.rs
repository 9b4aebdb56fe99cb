//! Makes a scenario smaller for as long as it still shows a difference.

use super::{
    format::Scenario,
    generate::expect_what_the_model_finds,
    run::{Verdict, run},
    step::Step,
    subject::Subject,
};

/// What the subject does otherwise than the model, in a scenario whose expectations are made anew.
pub fn difference(subject: &mut dyn Subject, scenario: &mut Scenario) -> Option<Vec<String>> {
    expect_what_the_model_finds(scenario);
    match run(subject, scenario) {
        Verdict::Failed(problems) => Some(problems),
        _ => None,
    }
}

/// The smallest that is found by leaving out one thing after the other: steps, nodes, cells, lines, rules, sorts,
/// filters, actions.
pub fn shrink(subject: &mut dyn Subject, scenario: &Scenario) -> Scenario {
    let mut smallest = scenario.clone();
    'again: loop {
        for mut smaller in without_one(&smallest) {
            if difference(subject, &mut smaller).is_some() {
                smallest = smaller;
                continue 'again;
            }
        }
        return smallest;
    }
}

fn without_one(scenario: &Scenario) -> Vec<Scenario> {
    let mut all = Vec::new();
    let mut add = |change: &dyn Fn(&mut Scenario)| {
        let mut smaller = scenario.clone();
        change(&mut smaller);
        all.push(smaller);
    };
    // Behind the first difference nothing is needed: from the end.
    for n in (0..scenario.steps.len()).rev() {
        add(&|s| drop(s.steps.remove(n)));
    }
    for n in 0..scenario.nodes.len() {
        add(&|s| {
            let gone = s.nodes.remove(n);
            for channel in s.channels.iter_mut().flatten() {
                channel.nodes.remove(&gone.id);
            }
        });
        for sku in scenario.nodes[n].stock.keys() {
            add(&|s| drop(s.nodes[n].stock.remove(sku)));
        }
    }
    for (n, step) in scenario.steps.iter().enumerate() {
        if let Step::Place(place) = step {
            for line in 0..place.lines.len() {
                add(&|s| {
                    if let Step::Place(place) = &mut s.steps[n] {
                        place.lines.remove(line);
                    }
                });
            }
        }
    }
    for (r, routing) in scenario.rules.iter().flat_map(|r| &r.routings).enumerate() {
        for (n, rule) in routing.rules.iter().enumerate() {
            if routing.rules.len() > 1 {
                add(&|s| drop(rules_of(s, r).remove(n)));
            }
            for place in 0..rule.sorts.len() {
                add(&|s| drop(rules_of(s, r)[n].sorts.remove(place)));
            }
            for place in 0..rule.filters.len() {
                add(&|s| drop(rules_of(s, r)[n].filters.remove(place)));
            }
            for place in 0..rule.actions.len() {
                add(&|s| drop(rules_of(s, r)[n].actions.remove(place)));
            }
        }
    }
    all.retain(|s| !s.steps.is_empty());
    all
}

fn rules_of(scenario: &mut Scenario, routing: usize) -> &mut Vec<super::rules::Rule> {
    &mut scenario.rules.as_mut().expect("a scenario with routings has rules").routings[routing].rules
}

/// For the engine's subject. Panics with the smallest scenario on which the subject differs from the model, of the seeds given.
pub fn assert_like_the_model(subject: &mut dyn Subject, seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let mut scenario = super::generate::scenario(seed);
        if difference(subject, &mut scenario).is_none() {
            continue;
        }
        let mut smallest = shrink(subject, &scenario);
        let problems = difference(subject, &mut smallest).unwrap_or_default();
        let json = serde_json::to_string_pretty(&[&smallest]).expect("a scenario is JSON");
        panic!("seed {seed}: {}\n{json}", problems.join("\n"));
    }
}
