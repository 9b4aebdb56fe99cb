//! Rule sets from outside: the built-in one, and what makes a set one that can be published.

use router_schemas::{
    command::reference::FeeTable,
    envelope::write_postcard,
    limits::{FORWARDS, NAME_BYTES, NODES_PER_ZONE, OFFERED, ROUNDS, RULE_PARTS, RULES, RULES_BYTES, TTL_MS},
    rules::{Action, Assignment, Filter, FilterBy, Late, Routing, Rule, RuleSet, Sort},
};

/// Name of the built-in rule set.
pub const DEFAULT: &str = "default";

/// The rule set that holds where none was published, version 1 of the name `default`: fewest splits, then open nodes,
/// then the nearest; what no node has goes to the channel's fallback zones, where it has any.
pub fn default_set() -> RuleSet {
    let sorts = vec![Sort::Used, Sort::OpenFirst, Sort::Distance { farther: false }];
    let allocate = Action::Allocate { accept_within: None, pick_within: None, late: Late::default() };
    let one_node = Rule {
        id: "one-node".into(),
        sorts: sorts.clone(),
        assignment: Assignment::Single,
        actions: vec![allocate.clone()],
        ..Rule::default()
    };
    let fewest = Rule {
        id: "fewest-splits".into(),
        sorts,
        assignment: Assignment::Fewest,
        actions: vec![allocate, Action::Backorder],
        ..Rule::default()
    };
    let fallback =
        Rule { id: "fallback".into(), actions: vec![Action::Forward(Vec::new())], ..Rule::default() };
    let routing = Routing { id: "all".into(), rules: vec![one_node, fewest, fallback], ..Routing::default() };
    RuleSet { name: DEFAULT.into(), version: 1, routings: vec![routing], ..RuleSet::default() }
}

/// The zones that a set names: those that go by it, and those that its rules name.
pub fn zones(set: &RuleSet) -> impl Iterator<Item = &String> {
    let rules = set.routings.iter().flat_map(|routing| &routing.rules);
    let filters = rules.clone().flat_map(|rule| &rule.filters).filter_map(|filter| match &filter.by {
        FilterBy::Zone(zones) => Some(zones),
        _ => None,
    });
    let actions = rules.flat_map(|rule| &rule.actions).filter_map(|action| match action {
        Action::Forward(zones) => Some(zones),
        _ => None,
    });
    set.zones.iter().chain(filters.flatten()).chain(actions.flatten())
}

/// Whether the fee table can be published: `Err` names the place and what is wrong there.
pub fn check_fees(table: &FeeTable) -> Result<(), String> {
    name("the name of the fee table", &table.id)?;
    most("bands of a fee table", table.bands.len(), RULES)?;
    match table.bands.is_sorted_by(|a, b| a.upto < b.upto) {
        true => Ok(()),
        false => Err(format!("the bands of {} must be ascending by distance", table.id)),
    }
}

/// Whether the set can be published: `Err` names the place and what is wrong there. Zones, versions and fee tables
/// are not looked at.
pub fn check(set: &RuleSet) -> Result<(), String> {
    name("the name of the set", &set.name)?;
    let mut bytes = Vec::new();
    write_postcard(set, &mut bytes);
    most("bytes of the set", bytes.len(), RULES_BYTES)?;
    most("routings", set.routings.len(), RULES)?;
    most("reasons", set.reasons.len(), RULES)?;
    unique("reason", set.reasons.iter().map(|r| &r.id))?;
    unique("routing", set.routings.iter().map(|r| &r.id))?;
    unique("rule", set.routings.iter().flat_map(|r| &r.rules).map(|r| &r.id))?;
    for reason in &set.reasons {
        span(&format!("reason {}: cool_down", reason.id), reason.cool_down)?;
    }
    for routing in &set.routings {
        most(&format!("rules of routing {}", routing.id), routing.rules.len(), RULES)?;
        let twice = |(n, sort)| routing.sort[..n].contains(sort);
        if routing.sort.iter().enumerate().any(twice) {
            return Err(format!("routing {} sorts by one thing twice", routing.id));
        }
        routing.rules.iter().try_for_each(rule)?;
    }
    Ok(())
}

fn rule(rule: &Rule) -> Result<(), String> {
    let at = |what: &str| format!("rule {}: {what}", rule.id);
    most(&at("filters"), rule.filters.len(), RULE_PARTS)?;
    most(&at("sorts"), rule.sorts.len(), RULE_PARTS)?;
    most(&at("actions"), rule.actions.len(), RULE_PARTS)?;
    for Filter { by, .. } in &rule.filters {
        match by {
            FilterBy::Radius { chord2, .. } if *chord2 < 0 => return Err(at("a radius below zero")),
            FilterBy::Minimum(least) if !least.is_positive() => {
                return Err(at("a minimum must be above zero"));
            }
            _ => {}
        }
    }
    for sort in &rule.sorts {
        if let Sort::RankTable(ranks) = sort {
            most(&at("nodes of a rank table"), ranks.len(), NODES_PER_ZONE)?;
            if !ranks.is_sorted_by(|a, b| a.0 < b.0) {
                return Err(at("a rank table names each node once, ascending"));
            }
        }
    }
    if let Assignment::Multi(multi) = &rule.assignment {
        if multi.max_splits == Some(0) {
            return Err(at("max_splits must be 1 at least"));
        }
        if multi.min_shipment_value.is_some_and(|value| value < 0) {
            return Err(at("min_shipment_value must not be below zero"));
        }
    }
    rule.actions.iter().try_for_each(|a| action(a).map_err(|why| at(&why)))
}

fn action(action: &Action) -> Result<(), String> {
    match action {
        Action::Allocate { accept_within, pick_within, .. } => {
            span("accept_within", *accept_within)?;
            span("pick_within", *pick_within)
        }
        Action::Offer(offer) => {
            span("ttl", offer.ttl)?;
            span("accept_within", offer.accept_within)?;
            span("pick_within", offer.pick_within)?;
            most("nodes of a round", offer.nodes.map_or(1, usize::from), OFFERED)?;
            most("rounds", usize::from(offer.rounds), usize::from(ROUNDS))?;
            most("circles of widen", offer.widen.len(), usize::from(ROUNDS))?;
            match offer {
                _ if offer.rounds == 0 => Err("an offer has a round at least".into()),
                _ if offer.nodes == Some(0) => Err("an offer goes to a node at least".into()),
                _ => Ok(()),
            }
        }
        Action::Queue(queue) => name("a queue's name", queue),
        Action::Forward(zones) => most("zones to forward to", zones.len(), FORWARDS),
        Action::AutoCancel(after) => span("auto_cancel", Some(*after)),
        Action::NextRule | Action::Backorder => Ok(()),
    }
}

fn name(what: &str, name: &str) -> Result<(), String> {
    match name.len() {
        0 => Err(format!("{what} is empty")),
        bytes if bytes > NAME_BYTES => Err(format!("{what} has {bytes} bytes; at most {NAME_BYTES}")),
        _ => Ok(()),
    }
}

fn most(what: &str, found: usize, most: usize) -> Result<(), String> {
    if found <= most { Ok(()) } else { Err(format!("{found} {what}; at most {most}")) }
}

fn span(what: &str, ms: Option<i64>) -> Result<(), String> {
    match ms {
        Some(ms) if !(1..=TTL_MS).contains(&ms) => {
            Err(format!("{what} of {ms} ms; above zero and at most {TTL_MS}"))
        }
        _ => Ok(()),
    }
}

/// Names of one kind: none is missing, too long or there twice.
fn unique<'a>(kind: &str, names: impl Iterator<Item = &'a String>) -> Result<(), String> {
    let mut names: Vec<&String> = names.collect();
    names.sort_unstable();
    names.iter().try_for_each(|n| name(&format!("the name of a {kind}"), n))?;
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("two of {kind} {}", pair[0])),
        None => Ok(()),
    }
}
