//! The rule sets that zones go by: as they were published, and made ready for use.

use std::{collections::BTreeMap, sync::Arc};

use router_schemas::{
    command::reference::RouteWhen,
    rules::{Action, Filter, FilterBy, OrderFilter, OrderSort, Reason, Rule, RuleSet, Sort},
};
use serde::{Deserialize, Serialize};

use crate::engine::order::{Order, SORTS};

/// Name and version of a rule set.
type Version = (String, u32);

/// The published sets that a zone of this partition goes by.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Published {
    sets: BTreeMap<Version, RuleSet>,
    /// Zone, or nothing for all that have none of their own.
    current: BTreeMap<String, Version>,
}

impl Published {
    /// Takes a set in. `owned`: whether a zone is of this partition.
    pub fn publish(&mut self, set: RuleSet, owned: impl Fn(&str) -> bool) {
        let version = (set.name.clone(), set.version);
        let zones = set.zones.iter().filter(|zone| owned(zone)).cloned();
        let all = set.zones.is_empty().then(String::new);
        self.current.extend(zones.chain(all).map(|zone| (zone, version.clone())));
        self.sets.insert(version, set);
        let current = &self.current;
        self.sets.retain(|version, _| current.values().any(|used| used == version));
    }
}

/// Every zone's set, ready for use. Rebuilt, never written.
#[derive(Debug)]
pub struct Sets {
    built_in: Arc<Ready>,
    zones: BTreeMap<String, Arc<Ready>>,
}

impl Default for Sets {
    fn default() -> Self {
        Self { built_in: Arc::new(Ready::of(crate::rules::default_set())), zones: BTreeMap::new() }
    }
}

impl Sets {
    /// The sets of a state.
    pub fn of(published: &Published) -> Self {
        let ready: BTreeMap<&Version, Arc<Ready>> =
            published.sets.iter().map(|(v, set)| (v, Arc::new(Ready::of(set.clone())))).collect();
        let zones = published.current.iter().filter_map(|(z, v)| Some((z.clone(), ready.get(v)?.clone())));
        Self { zones: zones.collect(), ..Self::default() }
    }

    /// The set that a zone goes by.
    pub fn of_zone(&self, zone: &str) -> &Arc<Ready> {
        if self.zones.is_empty() {
            return &self.built_in;
        }
        self.zones.get(zone).or_else(|| self.zones.get("")).unwrap_or(&self.built_in)
    }

    /// The built-in one.
    pub fn built_in(&self) -> &Arc<Ready> {
        &self.built_in
    }
}

/// A rule set, with what is known of its rules without an order.
#[derive(Debug)]
pub struct Ready {
    pub set: RuleSet,
    /// As the routings and rules of the set.
    pub rules: Vec<Vec<Marks>>,
}

/// What is known of a rule without an order.
#[derive(Debug, Clone, Copy)]
pub struct Marks {
    /// It asks all nodes and ranks them as the built-in set does: the bitmaps answer it (`whole.rs`).
    pub plain: bool,
    /// Some filters depend on reference material only: their verdicts are kept (`roster.rs`).
    pub standing: bool,
    /// It promises beyond stock.
    pub backorders: bool,
}

impl Marks {
    fn of(rule: &Rule) -> Self {
        let plain = [Sort::Used, Sort::OpenFirst, Sort::Distance { farther: false }];
        Marks {
            plain: rule.filters.is_empty() && rule.sorts == plain && !rule.ignore_capacity,
            standing: rule.filters.iter().any(|f| is_standing(&f.by)),
            backorders: rule.actions.contains(&Action::Backorder),
        }
    }
}

impl Ready {
    fn of(set: RuleSet) -> Self {
        let rules = set.routings.iter().map(|r| r.rules.iter().map(Marks::of).collect()).collect();
        Self { set, rules }
    }

    /// The place of the routing that owns the order; `None`: none does.
    pub fn routing_of(&self, order: &Order) -> Option<usize> {
        self.set.routings.iter().position(|routing| owns(&routing.filter, order))
    }

    /// What the payment must be before the order is routed, where its routing says so.
    pub fn route_when(&self, order: &Order) -> Option<RouteWhen> {
        self.set.routings[self.routing_of(order)?].route_when
    }

    /// How the order is served among those that wait, before priority, promise and arrival.
    pub fn sort_of(&self, order: &Order) -> [i64; SORTS] {
        let mut keys = [0; SORTS];
        let Some(routing) = self.routing_of(order) else { return keys };
        for (key, sort) in keys.iter_mut().zip(&self.set.routings[routing].sort) {
            *key = match sort {
                OrderSort::Priority => i64::from(order.priority),
                OrderSort::Promise => order.promise.map_or(i64::MAX, |p| p.1),
                OrderSort::Value => -order.total(),
                OrderSort::Arrival => order.created_at,
            };
        }
        keys
    }

    /// The reason of that name.
    pub fn reason(&self, id: &str) -> Option<&Reason> {
        self.set.reasons.iter().find(|reason| reason.id == id)
    }
}

/// Whether a routing with this filter owns the order.
fn owns(filter: &OrderFilter, order: &Order) -> bool {
    let OrderFilter { channels, modes, priority, total, parts } = filter;
    (channels.is_empty() || channels.contains(&order.identity.channel))
        && (modes.is_empty() || modes.contains(&order.mode))
        && priority.is_none_or(|(from, to)| (from..=to).contains(&order.priority))
        && total.is_none_or(|(from, to)| (from..=to).contains(&order.total()))
        && parts.is_none_or(|parts| order.part_of.is_some() == parts)
}

/// Whether a filter's verdict changes with reference material only.
pub fn is_standing(by: &FilterBy) -> bool {
    matches!(by, FilterBy::Group(_) | FilterBy::Mode(_) | FilterBy::Attribute(..))
}

/// The standing filters of a rule.
pub fn standing(rule: &Rule) -> impl Iterator<Item = &Filter> {
    rule.filters.iter().filter(|f| is_standing(&f.by))
}
