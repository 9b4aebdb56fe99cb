//! A scenario's rules as the engine's rule set.

use std::collections::BTreeSet;

use router_schemas::{command::order::DeliveryMode, geo::chord2_of_metres, rules as log};

use super::numbers::Numbers;
use crate::conformance::{
    format::{Mode, Scenario},
    rules::{self, Rules},
    step::Step,
};

/// Every reason that steps name.
pub(super) fn declines(scenario: &Scenario) -> BTreeSet<String> {
    let reason = |step: &Step| if let Step::Decline(step) = step { Some(step.reason.clone()) } else { None };
    scenario.steps.iter().filter_map(reason).collect()
}

/// An attribute that is one text has it under this name as well: lists have no order.
pub(super) fn text_of(attribute: &str) -> String {
    format!("\u{1}{attribute}")
}

/// `lasts`: seconds that the scenario takes: what lapses after that never does.
pub(super) fn rule_set(rules: Rules, named: BTreeSet<String>, numbers: &Numbers, lasts: u64) -> log::RuleSet {
    let effect = |effect| match effect {
        rules::Effect::None => log::StockEffect::None,
        rules::Effect::Subtract => log::StockEffect::Subtract,
        rules::Effect::SubtractAtp => log::StockEffect::SubtractAtp,
        rules::Effect::Zero => log::StockEffect::Zero,
    };
    let reason = |id: String, effect| log::Reason { id, effect, cool_down: None, pause: false };
    let mut reasons: Vec<_> = rules.reasons.into_iter().map(|r| reason(r.id, effect(r.effect))).collect();
    for id in named {
        // What is not listed has no effect.
        if !reasons.iter().any(|known| known.id == id) {
            reasons.push(reason(id, log::StockEffect::None));
        }
    }
    let routing = |(n, routing): (usize, rules::Routing)| log::Routing {
        id: format!("routing-{}", n + 1),
        filter: log::OrderFilter { channels: routing.channel.into_iter().collect(), ..Default::default() },
        rules: routing.rules.into_iter().map(|r| rule(r, numbers, lasts)).collect(),
        ..log::Routing::default()
    };
    log::RuleSet {
        name: "scenario".into(),
        version: 1,
        zones: Vec::new(),
        routings: rules.routings.into_iter().enumerate().map(routing).collect(),
        reasons,
        retry: log::Retry::Stock,
        note: None,
        published: None,
    }
}

fn rule(rule: rules::Rule, numbers: &Numbers, lasts: u64) -> log::Rule {
    log::Rule {
        id: rule.id,
        filters: rule.filters.into_iter().map(filter).collect(),
        sorts: rule.sorts.into_iter().map(|s| sort(s, numbers)).collect(),
        assignment: rule.assignment.map_or(log::Assignment::Single, assignment),
        ignore_capacity: false,
        actions: rule.actions.into_iter().map(|a| action(a, lasts)).collect(),
    }
}

fn filter(filter: rules::Filter) -> log::Filter {
    use log::FilterBy;
    let (exclude, by) = match filter {
        rules::Filter::Radius { km } => {
            let metres = km * 1000.0;
            (false, FilterBy::Radius { metres: metres as u32, chord2: chord2_of_metres(metres) })
        }
        rules::Filter::Group { any, exclude } => (exclude, FilterBy::Group(any.into_iter().collect())),
        rules::Filter::DeliveryMode { mode: Mode::Delivery } => {
            (false, FilterBy::Mode(DeliveryMode::Delivery))
        }
        rules::Filter::DeliveryMode { mode: Mode::Pickup } => (false, FilterBy::Mode(DeliveryMode::Pickup)),
        rules::Filter::Attribute { name, has } => (false, FilterBy::Attribute(name, has)),
    };
    log::Filter { exclude, by }
}

fn sort(sort: rules::Sort, numbers: &Numbers) -> log::Sort {
    use log::Sort;
    let descending = |order| order == rules::Direction::Desc;
    match sort {
        rules::Sort::Sequence {} => Sort::Sequence,
        rules::Sort::Coverage {} => Sort::Coverage,
        rules::Sort::DefaultFirst {} => Sort::DefaultFirst,
        rules::Sort::Preferred {} => Sort::Preferred,
        rules::Sort::WeeksOfSupply {} => Sort::WeeksOfSupply,
        rules::Sort::CapacityLeft {} => Sort::CapacityLeft,
        rules::Sort::DeclineRate {} => Sort::DeclineRate,
        rules::Sort::Distance { order } => Sort::Distance { farther: descending(order) },
        rules::Sort::InventoryBalance { of } => Sort::InventoryBalance(match of {
            rules::Balance::OnHand => log::Balance::OnHand,
            rules::Balance::Unallocated => log::Balance::Unallocated,
            rules::Balance::Atp => log::Balance::Atp,
        }),
        rules::Sort::Attribute { name, order } => {
            Sort::Attribute { name: text_of(&name), descending: descending(order) }
        }
        rules::Sort::RankTable { ranks } => {
            let place = |rank: i64| i64::from(numbers.place(rank));
            Sort::RankTable(ranks.into_iter().filter_map(|(node, rank)| Some((node, place(rank?)))).collect())
        }
    }
}

fn assignment(assignment: rules::Assignment) -> log::Assignment {
    match assignment {
        rules::Assignment::Single {} => log::Assignment::Single,
        rules::Assignment::Multi { partial, max_splits, min_shipment_value, keep_groups } => {
            log::Assignment::Multi(log::Multi {
                max_splits: max_splits.map(|most| u16::try_from(most).unwrap_or(u16::MAX)),
                min_shipment_value: min_shipment_value.map(|value| value.0),
                keep_groups,
                partial,
            })
        }
    }
}

/// Milliseconds until something lapses; `None`: not within the scenario.
pub(super) fn within(lasts: u64, seconds: Option<u64>) -> Option<i64> {
    seconds.filter(|seconds| *seconds <= lasts).map(|seconds| (seconds as i64).saturating_mul(1000))
}

fn action(action: rules::Action, lasts: u64) -> log::Action {
    use log::Action;
    match action {
        rules::Action::Allocate {} => {
            Action::Allocate { accept_within: None, pick_within: None, late: log::Late::Reroute }
        }
        rules::Action::Backorder {} => Action::Backorder,
        rules::Action::NextRule {} => Action::NextRule,
        rules::Action::Queue { name } => Action::Queue(name),
        rules::Action::Offer { nodes, rounds, ttl_s } => Action::Offer(log::Offer {
            nodes: nodes.map(|nodes| u16::try_from(nodes).unwrap_or(u16::MAX)),
            rounds: u16::try_from(rounds.unwrap_or(1)).unwrap_or(u16::MAX),
            ttl: within(lasts, ttl_s),
            ..log::Offer::default()
        }),
    }
}
