//! Reads a file of scenarios: unknown keys, and what the schema says of several keys together, are errors.

use serde_json::Value;

use super::{
    expect::{Expect, Matching},
    format::Scenario,
    schema,
    step::Step,
};

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("scenario {scenario}, at {path}: {reason}")]
pub struct ReadError {
    /// Its `id`, else its place in the file.
    scenario: String,
    /// Within the scenario.
    path: String,
    reason: String,
}

/// Reads all scenarios of a file.
pub fn read(json: &str) -> Result<Vec<Scenario>, ReadError> {
    let of_file = |reason: String| ReadError { scenario: "(all)".into(), path: "$".into(), reason };
    let values: Vec<Value> = serde_json::from_str(json).map_err(|e| of_file(e.to_string()))?;
    values.into_iter().enumerate().map(|(place, value)| read_one(place, value)).collect()
}

fn read_one(place: usize, mut value: Value) -> Result<Scenario, ReadError> {
    let id = value.get("id").and_then(Value::as_str).filter(|id| !id.is_empty()).map(str::to_owned);
    let scenario = id.unwrap_or_else(|| format!("number {}", place + 1));
    let error = |path: String, reason: String| ReadError { scenario: scenario.clone(), path, reason };
    if let Some(path) = null_in(&value, "$") {
        return Err(error(path, "null is no value".into()));
    }
    if let Some((path, reason)) = schema::fault(&value) {
        return Err(error(path, reason));
    }
    schema::whole_numbers(&mut value);
    let read: Scenario = serde_path_to_error::deserialize(value)
        .map_err(|e| error(format!("$.{}", e.path()), e.inner().to_string()))?;
    match contradiction(&read) {
        Some((path, reason)) => Err(error(path, reason.into())),
        None => Ok(read),
    }
}

/// Where something is null that may not be: only the ranks of a table may.
fn null_in(value: &Value, path: &str) -> Option<String> {
    match value {
        Value::Null => Some(path.to_owned()),
        Value::Array(values) => {
            values.iter().enumerate().find_map(|(n, value)| null_in(value, &format!("{path}[{n}]")))
        }
        Value::Object(values) => values
            .iter()
            .filter(|(name, _)| *name != "ranks")
            .find_map(|(name, value)| null_in(value, &format!("{path}.{name}"))),
        _ => None,
    }
}

/// What the schema says of several keys together.
fn contradiction(scenario: &Scenario) -> Option<(String, &'static str)> {
    let at = |path: &str, reason| Some((format!("$.{path}"), reason));
    if scenario.adopt && (scenario.quirk.is_some() || scenario.expect_ours.is_some()) {
        return at("adopt", "what is adopted has neither `quirk` nor `expect_ours`");
    }
    if !scenario.adopt && scenario.quirk.is_none() {
        return at("quirk", "must say why it is not adopted");
    }
    let is_checked = |step: &Step| step.expect().is_some() || matches!(step, Step::Query(_));
    if scenario.skip.is_some() {
        if !scenario.steps.is_empty() || scenario.expect.is_some() {
            return at("skip", "what is skipped has neither steps nor `expect`");
        }
    } else if scenario.expect.is_none() && !scenario.steps.iter().any(is_checked) {
        return at("expect", "nothing is expected");
    }
    for (n, node) in scenario.nodes.iter().enumerate() {
        if node.lat.is_some() != node.lng.is_some() {
            return at(&format!("nodes[{n}]"), "`lat` and `lng` are given both or neither");
        }
    }
    let of_steps = scenario.steps.iter().enumerate();
    let of_steps = of_steps.filter_map(|(n, step)| Some((format!("steps[{n}].expect"), step.expect()?)));
    let at_end = [("expect", &scenario.expect), ("expect_ours", &scenario.expect_ours)];
    let at_end = at_end.into_iter().filter_map(|(name, expect)| Some((name.to_owned(), expect.as_ref()?)));
    for (name, expect) in of_steps.chain(at_end) {
        if let Some((part, reason)) = expect_contradiction(expect) {
            return at(&format!("{name}{part}"), reason);
        }
    }
    for (name, expect) in [("expect", &scenario.expect), ("expect_ours", &scenario.expect_ours)] {
        let about_a_step = |e: &Expect| e.outcome.is_some() || e.reason.is_some() || e.released.is_some();
        if expect.as_ref().is_some_and(about_a_step) {
            return at(name, "`outcome`, `reason` and `released` are about a step");
        }
    }
    scenario.steps.iter().enumerate().find_map(|(n, step)| {
        let reason = step_contradiction(step)?;
        Some((format!("$.steps[{n}]"), reason))
    })
}

fn expect_contradiction(expect: &Expect) -> Option<(String, &'static str)> {
    if serde_json::to_value(expect).is_ok_and(|value| value.as_object().is_some_and(|o| o.is_empty())) {
        return Some((String::new(), "nothing is expected"));
    }
    let rows = expect.allocations.iter().filter(|a| a.matching == Matching::Exact).flat_map(|a| &a.rows);
    if let Some(n) = rows.enumerate().find_map(|(n, row)| row.node.is_none().then_some(n)) {
        return Some((format!(".allocations.rows[{n}]"), "an exact row names its node"));
    }
    expect.available.iter().flatten().enumerate().find_map(|(n, row)| {
        let reason =
            match (row.channel.is_some() && row.nodes.is_some(), row.qty.is_none() && row.can.is_none()) {
                (true, _) => "`channel` and `nodes` are not given together",
                (_, true) => "neither `qty` nor `can`",
                _ => return None,
            };
        Some((format!(".available[{n}]"), reason))
    })
}

fn step_contradiction(step: &Step) -> Option<&'static str> {
    let address = match step {
        Step::Place(place) => place.address.as_ref(),
        Step::Query(query) => query.address.as_ref(),
        _ => None,
    };
    if address.is_some_and(|a| a.lat.is_some() != a.lng.is_some()) {
        return Some("`lat` and `lng` are given both or neither");
    }
    match step {
        Step::Reserve(reserve) if reserve.node.is_some() && reserve.channel.is_some() => {
            Some("`node` and `channel` are not given together")
        }
        Step::Release(of) | Step::Ship(of) | Step::Cancel(of)
            if of.lines.as_ref().is_some_and(Vec::is_empty) =>
        {
            Some("`lines` is empty")
        }
        Step::Query(query) if query.expect.nodes.is_some() != query.expect.matching.is_some() => {
            Some("`nodes` and `match` are given both or neither")
        }
        _ => None,
    }
}
