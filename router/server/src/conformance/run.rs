//! Runs scenarios against a subject, and tells how each went.

use serde::Serialize;

use super::{check, format::Scenario, step::Step, subject::Subject};

/// How a scenario went.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(tag = "verdict", content = "detail", rename_all = "snake_case")]
pub enum Verdict {
    /// Everything that it expects was found.
    Passed,
    /// What was not, one line each.
    Failed(Vec<String>),
    /// Not run, and why.
    Skipped(String),
    /// Its expectations are not ours, and why.
    NotAdopted(String),
}

/// A scenario and how it went.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Report {
    /// Its name.
    pub id: String,
    /// How it went.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// How many scenarios went how.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Summary {
    pub scenarios: usize,
    pub passed: usize,
    pub failed: usize,
    pub skipped: usize,
    pub not_adopted: usize,
}

impl Summary {
    /// Counts a verdict.
    pub fn count(&mut self, verdict: &Verdict) {
        self.scenarios += 1;
        match verdict {
            Verdict::Passed => self.passed += 1,
            Verdict::Failed(_) => self.failed += 1,
            Verdict::Skipped(_) => self.skipped += 1,
            Verdict::NotAdopted(_) => self.not_adopted += 1,
        }
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { scenarios, passed, failed, skipped, not_adopted } = self;
        let word = if *scenarios == 1 { "scenario" } else { "scenarios" };
        write!(
            f,
            "{scenarios} {word}: {passed} passed, {failed} failed, {skipped} skipped, {not_adopted} not adopted"
        )
    }
}

impl std::fmt::Display for Report {
    /// For people: a line, and one more for each problem.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.verdict {
            Verdict::Passed => write!(f, "passed       {}", self.id),
            Verdict::Skipped(why) => write!(f, "skipped      {}: {why}", self.id),
            Verdict::NotAdopted(why) => write!(f, "not adopted  {}: {why}", self.id),
            Verdict::Failed(problems) => {
                write!(f, "failed       {}", self.id)?;
                problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
            }
        }
    }
}

/// Runs a scenario.
pub fn run(subject: &mut dyn Subject, scenario: &Scenario) -> Verdict {
    if let Some(reason) = &scenario.skip {
        return Verdict::Skipped(reason.clone());
    }
    let ours = match (scenario.adopt, &scenario.expect_ours) {
        (true, _) => None,
        (false, Some(ours)) => Some(ours),
        (false, None) => return Verdict::NotAdopted(scenario.quirk.clone().unwrap_or_default()),
    };
    let mut problems = Vec::new();
    let done = steps(subject, scenario, ours.is_none(), &mut problems).and_then(|()| {
        if let Some(expect) = ours.or(scenario.expect.as_ref()) {
            let found = check::state(expect, &subject.snapshot()?);
            problems.extend(found.into_iter().map(|p| format!("at the end: {p}")));
        }
        Ok(())
    });
    if let Err(cannot) = done {
        problems.push(cannot);
    }
    if problems.is_empty() { Verdict::Passed } else { Verdict::Failed(problems) }
}

fn steps(
    subject: &mut dyn Subject,
    scenario: &Scenario,
    checked: bool,
    problems: &mut Vec<String>,
) -> Result<(), String> {
    subject.load(scenario).map_err(|e| format!("cannot be loaded: {e}"))?;
    for (number, step) in scenario.steps.iter().enumerate() {
        let name = format!("step {}", number + 1);
        let done = subject.apply(step).map_err(|e| format!("{name} cannot be done: {e}"))?;
        if !checked {
            continue;
        }
        let mut found = Vec::new();
        if let Some(expect) = step.expect() {
            found.extend(check::step(expect, &done));
            found.extend(check::state(expect, &subject.snapshot()?));
        }
        if let Step::Query(query) = step {
            found.extend(check::query(&query.expect, &done.ranked));
        }
        problems.extend(found.into_iter().map(|p| format!("{name}: {p}")));
    }
    Ok(())
}
