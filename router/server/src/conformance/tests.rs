//! Reading and running, without an engine.

use super::{read, run::Verdict, run::run};
use super::model::Model;

/// The cases that come with the format.
pub const SCENARIOS: &str = include_str!("../../tests/conformance/scenarios.json");
