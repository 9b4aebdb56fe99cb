//! The rule sets that the zones of a partition go by: every decision names one that was published before it.

use std::collections::HashMap;

use router_schemas::{
    command::reference::{Published, Reference},
    event::{Decision, Event},
    position::Position,
    rules::{Action, RuleSet},
};

use super::{Cause, Ledger};
use crate::report::Report;

/// The name of the built-in set, which is version 1.
const BUILT_IN: &str = "default";

/// Copies of publications that the engines applied.
#[derive(Default)]
pub(crate) struct Rules {
    /// Partition → hybrid time, name, version, zones.
    sets: HashMap<u16, Vec<Set>>,
    /// Partition → hybrid time and control position.
    controls: HashMap<u16, Vec<(u64, u64)>>,
    /// Name, version, routing, rule → whether its offers ask one node each; absent: it makes none, or both kinds.
    alone: HashMap<(String, u32, String, String), bool>,
}

struct Set {
    from: u64,
    control: u64,
    name: String,
    version: u32,
    zones: Vec<String>,
    /// A routing asks for the payment in its own way.
    by_payment: bool,
}

impl Rules {
    /// A copy that the engine of a partition applied.
    pub fn publish(&mut self, partition: u16, time: u64, published: &Published) {
        self.controls.entry(partition).or_default().push((time, published.control));
        let Reference::Rules(set) = &published.change else { return };
        self.note_offers(set);
        self.sets.entry(partition).or_default().push(Set {
            from: time,
            control: published.control,
            name: set.name.clone(),
            version: set.version,
            zones: set.zones.clone(),
            by_payment: set.routings.iter().any(|routing| routing.route_when.is_some()),
        });
    }

    fn note_offers(&mut self, set: &RuleSet) {
        for routing in &set.routings {
            for rule in &routing.rules {
                let ones = rule.actions.iter().filter_map(|action| match action {
                    Action::Offer(offer) => Some(offer.nodes == Some(1)),
                    _ => None,
                });
                let ones: Vec<bool> = ones.collect();
                if let Some(first) = ones.first().filter(|first| ones.iter().all(|one| one == *first)) {
                    let key = (set.name.clone(), set.version, routing.id.clone(), rule.id.clone());
                    self.alone.insert(key, *first);
                }
            }
        }
    }

    /// Whether the offers of a rule ask one node each; `None`: not known.
    pub fn asks_one(&self, rule: &(String, u32, String, String)) -> Option<bool> {
        self.alone.get(rule).copied()
    }

    /// Whether a rule set may ask for the payment otherwise than the channel does.
    pub fn ask_for_payment(&self, partition: u16) -> bool {
        self.sets.get(&partition).is_some_and(|sets| sets.iter().any(|set| set.by_payment))
    }
}

impl Ledger {
    /// A decision names a rule set that the zone goes by, and the control position that its engine knew.
    pub(super) fn decided(
        &mut self,
        cause: &Cause,
        (at, event, decision): (&Position, &Event, &Decision),
        report: &mut Report,
    ) {
        let Decision { control, rule_set, version, .. } = decision;
        let mut wrong = |said: String| report.violated("E2325", at.clone(), || said);
        // What is due is worked off before the command itself: a publication may have come to it or not.
        let applied = |from: u64| from <= event.time;
        let controls = self.rules.controls.get(&cause.partition).map_or(&[][..], Vec::as_slice);
        let last = controls.iter().rev().filter(|(from, _)| applied(*from)).map(|(_, control)| *control);
        let known: Vec<u64> = last.take(2).collect();
        let knows = known.first() == Some(control) || known.get(1) == Some(control) || known.is_empty();
        if !knows && !self.trimmed {
            wrong(format!("it knew control/0@{control}, the last one was {}", known[0]));
        }
        let built_in = (rule_set.as_str(), *version) == (BUILT_IN, 1) || rule_set.is_empty();
        if built_in || self.trimmed {
            return;
        }
        let zone = event.order.and_then(|id| self.orders.get(&id)).map(|order| order.place.1);
        let zone = zone.and_then(|zone| self.names.get(zone as usize));
        let sets = self.rules.sets.get(&cause.partition).map_or(&[][..], Vec::as_slice);
        let named = sets.iter().filter(|set| set.name == *rule_set && set.version == *version);
        let fits = |set: &&Set| {
            applied(set.from)
                && set.control <= *control
                && (set.zones.is_empty() || zone.is_none_or(|zone| set.zones.iter().any(|z| **z == **zone)))
        };
        if !named.clone().any(|set| fits(&set)) {
            wrong(match named.count() {
                0 => format!("{rule_set} {version} was never published here"),
                _ => format!("{rule_set} {version} is not what the zone went by at control/0@{control}"),
            });
        }
    }
}
