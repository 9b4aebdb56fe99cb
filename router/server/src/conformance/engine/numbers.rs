//! Sequences and ranks of a scenario may be any numbers. The engine has their places among all of them, from the
//! smallest, and answers of the engine are read back.

use std::collections::BTreeSet;

use router_engine::engine::{Candidate, SortValue};
use router_schemas::geo::metres;

use crate::conformance::{amount::Amount, format::Scenario, rules::Sort, subject::Ranked};

/// All sequences and ranks of a scenario, ascending.
#[derive(Default)]
pub(super) struct Numbers(Vec<i128>);

impl Numbers {
    pub fn of(scenario: &Scenario) -> Self {
        let mut all: BTreeSet<i128> =
            scenario.nodes.iter().filter_map(|node| node.sequence).map(i128::from).collect();
        let rules =
            scenario.rules.iter().flat_map(|rules| &rules.routings).flat_map(|routing| &routing.rules);
        for sort in rules.flat_map(|rule| &rule.sorts) {
            if let Sort::RankTable { ranks } = sort {
                all.extend(ranks.values().flatten().map(|rank| i128::from(*rank)));
            }
        }
        Self(all.into_iter().collect())
    }

    /// The place of a number that the scenario has.
    pub fn place(&self, number: impl Into<i128>) -> u32 {
        let number = number.into();
        self.0.partition_point(|known| *known < number) as u32
    }

    /// What the engine says of a candidate, in thousandths.
    pub fn ranked(&self, candidate: Candidate) -> Ranked {
        let mut ranked = Ranked { node: candidate.node, ..Ranked::default() };
        for (sort, value) in candidate.values {
            let number: Option<i128> = match (sort, value) {
                (_, None | Some(SortValue::Text(_))) => None,
                ("sequence" | "rank_table", Some(SortValue::Number(place))) => {
                    usize::try_from(place).ok().and_then(|place| self.0.get(place)).map(|n| n * 1000)
                }
                ("distance", Some(SortValue::Number(chord2))) => Some(metres(chord2).floor() as i128),
                ("capacity_left", Some(SortValue::Number(i64::MAX))) => None,
                ("inventory_balance", Some(SortValue::Number(thousandths))) => Some(thousandths.into()),
                (_, Some(SortValue::Number(number))) => Some(i128::from(number) * 1000),
                (_, Some(SortValue::Ratio(over, under))) => {
                    Some((i128::from(over) * 1000).div_euclid(i128::from(under)))
                }
            };
            if let Some(number) = number.and_then(|number| i64::try_from(number).ok()) {
                ranked.values.entry(sort).or_insert(Amount(number));
            }
        }
        ranked
    }
}
