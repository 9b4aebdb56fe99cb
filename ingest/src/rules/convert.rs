//! Between the document that people write and the form in the log, both ways. A set of the log that is written as a
//! document and read again is the same set.

use router_schemas::{
    command::order::DeliveryMode,
    geo,
    limits::MONEY_MAX,
    rules::{self as log, FilterBy},
};

use crate::json::{
    self, Action, Amounts, Assignment, Direction, Filter, OrderSort, Priorities, Sort, Span, When,
};

/// The set as it enters the log, without a version. The document is one that `check` finds no error in.
pub fn to_log(said: &json::Rules) -> log::RuleSet {
    let mut rules = 1..;
    let routing = |(at, said): (usize, &json::Routing)| log::Routing {
        id: said.id.clone().unwrap_or_else(|| format!("routing-{}", at + 1)),
        filter: order_filter(said),
        sort: said.sort.iter().map(|sort| order_sort(*sort)).collect(),
        route_when: said.route_when,
        rules: said.rules.iter().map(|said| rule(rules.next().unwrap_or(0), said)).collect(),
    };
    log::RuleSet {
        name: said.name.clone(),
        version: 0,
        zones: said.zones.clone(),
        routings: said.routings.iter().enumerate().map(routing).collect(),
        reasons: said.reasons.iter().map(reason).collect(),
        retry: match said.retry {
            json::Retry::AnyChange => log::Retry::AnyChange,
            json::Retry::Stock => log::Retry::Stock,
        },
        note: said.note.clone(),
        published: None,
    }
}

/// The set as people write it; version and place of publication are left out.
pub fn of_log(set: &log::RuleSet) -> json::Rules {
    let routing = |routing: &log::Routing| {
        let filter = &routing.filter;
        let (channel, channels) = match filter.channels.as_slice() {
            [one] => (Some(one.clone()), Vec::new()),
            several => (None, several.to_vec()),
        };
        let priority = filter.priority.map(|(min, max)| Priorities {
            min: Some(min).filter(|min| *min > 0),
            max: Some(max).filter(|max| *max < u8::MAX),
        });
        let total = filter.total.map(|(min, max)| Amounts {
            min: Some(min).filter(|min| *min > 0),
            max: Some(max).filter(|max| *max < MONEY_MAX),
        });
        json::Routing {
            id: Some(routing.id.clone()),
            channel,
            when: When { channels, modes: filter.modes.clone(), priority, total, parts: filter.parts },
            route_when: routing.route_when,
            sort: routing.sort.iter().map(|sort| order_sort_of(*sort)).collect(),
            rules: routing.rules.iter().map(rule_of).collect(),
        }
    };
    json::Rules {
        name: set.name.clone(),
        zones: set.zones.clone(),
        note: set.note.clone(),
        retry: match set.retry {
            log::Retry::AnyChange => json::Retry::AnyChange,
            log::Retry::Stock => json::Retry::Stock,
        },
        routings: set.routings.iter().map(routing).collect(),
        reasons: set.reasons.iter().map(reason_of).collect(),
    }
}

fn order_filter(said: &json::Routing) -> log::OrderFilter {
    let When { channels, modes, priority, total, parts } = &said.when;
    log::OrderFilter {
        channels: said.channel.iter().chain(channels).cloned().collect(),
        modes: modes.clone(),
        priority: priority.map(|p| (p.min.unwrap_or(0), p.max.unwrap_or(u8::MAX))),
        total: total.map(|t| (t.min.unwrap_or(0), t.max.unwrap_or(MONEY_MAX))),
        parts: *parts,
    }
}

macro_rules! same_words {
    ($to:ident, $of:ident, $said:ty, $log:ty, $($word:ident),*) => {
        fn $to(said: $said) -> $log {
            match said { $(<$said>::$word => <$log>::$word),* }
        }
        fn $of(log: $log) -> $said {
            match log { $(<$log>::$word => <$said>::$word),* }
        }
    };
}
same_words!(order_sort, order_sort_of, OrderSort, log::OrderSort, Priority, Promise, Value, Arrival);
same_words!(balance, balance_of, json::Balance, log::Balance, OnHand, Unallocated, Atp);
same_words!(late, late_of, json::Late, log::Late, Reroute, Escalate);
same_words!(effect, effect_of, json::StockEffect, log::StockEffect, None, Subtract, SubtractAtp, Zero);

fn reason(said: &json::Reason) -> log::Reason {
    let (id, cool_down) = (said.id.clone(), ms(said.cool_down));
    log::Reason { id, effect: effect(said.effect), cool_down, pause: said.pause }
}

fn reason_of(log: &log::Reason) -> json::Reason {
    let (id, cool_down) = (log.id.clone(), log.cool_down.map(Span));
    json::Reason { id, effect: effect_of(log.effect), cool_down, pause: log.pause }
}

fn ms(span: Option<Span>) -> Option<i64> {
    span.map(|span| span.0)
}

/// Whole metres of kilometres.
pub(super) fn metres(km: f64) -> u32 {
    (km * 1000.0).round() as u32
}

fn chord2(km: f64) -> i64 {
    geo::chord2_of_metres(f64::from(metres(km)))
}

/// Kilometres of a squared chord, to the metre.
pub fn km(chord2: i64) -> f64 {
    geo::metres(chord2).round() / 1000.0
}

/// `place`: among all rules of the set, from 1.
fn rule(place: usize, said: &json::Rule) -> log::Rule {
    log::Rule {
        id: said.id.clone().unwrap_or_else(|| format!("rule-{place}")),
        filters: said.filters.iter().map(filter).collect(),
        sorts: said.sorts.iter().map(sort).collect(),
        assignment: match said.assignment {
            Assignment::Single {} => log::Assignment::Single,
            Assignment::Multi { max_splits, min_shipment_value, keep_groups, partial } => {
                log::Assignment::Multi(log::Multi { max_splits, min_shipment_value, keep_groups, partial })
            }
            Assignment::Fewest {} => log::Assignment::Fewest,
        },
        ignore_capacity: said.ignore_capacity,
        actions: said.actions.iter().map(action).collect(),
    }
}

fn rule_of(log: &log::Rule) -> json::Rule {
    json::Rule {
        id: Some(log.id.clone()),
        filters: log.filters.iter().map(filter_of).collect(),
        sorts: log.sorts.iter().map(sort_of).collect(),
        assignment: match log.assignment {
            log::Assignment::Single => Assignment::Single {},
            log::Assignment::Multi(log::Multi { max_splits, min_shipment_value, keep_groups, partial }) => {
                Assignment::Multi { max_splits, min_shipment_value, keep_groups, partial }
            }
            log::Assignment::Fewest => Assignment::Fewest {},
        },
        ignore_capacity: log.ignore_capacity,
        actions: log.actions.iter().map(action_of).collect(),
    }
}

fn filter(said: &Filter) -> log::Filter {
    let (exclude, by) = match said {
        Filter::Group { any, exclude } => (*exclude, FilterBy::Group(any.clone())),
        Filter::Radius { km, exclude } => {
            (*exclude, FilterBy::Radius { metres: metres(*km), chord2: chord2(*km) })
        }
        Filter::Zone { any, exclude } => (*exclude, FilterBy::Zone(any.clone())),
        Filter::DeliveryMode { mode, exclude } => (*exclude, FilterBy::Mode(*mode)),
        Filter::Open { exclude } => (*exclude, FilterBy::Open),
        Filter::Minimum { qty, exclude } => (*exclude, FilterBy::Minimum(*qty)),
        Filter::Attribute { name, has, exclude } => {
            (*exclude, FilterBy::Attribute(name.clone(), has.clone()))
        }
        Filter::AllItems { exclude } => (*exclude, FilterBy::AllItems),
        Filter::Area { exclude } => (*exclude, FilterBy::Area),
    };
    log::Filter { exclude, by }
}

fn filter_of(log: &log::Filter) -> Filter {
    let exclude = log.exclude;
    match &log.by {
        FilterBy::Group(any) => Filter::Group { any: any.clone(), exclude },
        FilterBy::Radius { metres, .. } => Filter::Radius { km: f64::from(*metres) / 1000.0, exclude },
        FilterBy::Zone(any) => Filter::Zone { any: any.clone(), exclude },
        FilterBy::Mode(mode) => Filter::DeliveryMode { mode: *mode, exclude },
        FilterBy::Open => Filter::Open { exclude },
        FilterBy::Minimum(qty) => Filter::Minimum { qty: *qty, exclude },
        FilterBy::Attribute(name, has) => Filter::Attribute { name: name.clone(), has: has.clone(), exclude },
        FilterBy::AllItems => Filter::AllItems { exclude },
        FilterBy::Area => Filter::Area { exclude },
    }
}

fn sort(said: &Sort) -> log::Sort {
    let farther = |order: &Direction| *order == Direction::Desc;
    match said {
        Sort::Sequence {} => log::Sort::Sequence,
        Sort::Distance { order } => log::Sort::Distance { farther: farther(order) },
        Sort::Coverage {} => log::Sort::Coverage,
        Sort::DefaultFirst {} => log::Sort::DefaultFirst,
        Sort::Preferred {} => log::Sort::Preferred,
        Sort::Used {} => log::Sort::Used,
        Sort::OpenFirst {} => log::Sort::OpenFirst,
        Sort::InventoryBalance { of } => log::Sort::InventoryBalance(balance(*of)),
        Sort::WeeksOfSupply {} => log::Sort::WeeksOfSupply,
        Sort::CapacityLeft {} => log::Sort::CapacityLeft,
        Sort::DeclineRate {} => log::Sort::DeclineRate,
        Sort::TimeToClaim {} => log::Sort::TimeToClaim,
        Sort::TimeToShip {} => log::Sort::TimeToShip,
        Sort::Cost { table } => log::Sort::Cost(table.clone()),
        Sort::Attribute { name, order } => {
            log::Sort::Attribute { name: name.clone(), descending: farther(order) }
        }
        // Ascending by node, as the map is.
        Sort::RankTable { ranks } => log::Sort::RankTable(
            ranks.iter().filter_map(|(node, rank)| Some((node.clone(), (*rank)?))).collect(),
        ),
    }
}

fn sort_of(log: &log::Sort) -> Sort {
    let order = |descending: bool| if descending { Direction::Desc } else { Direction::Asc };
    match log {
        log::Sort::Sequence => Sort::Sequence {},
        log::Sort::Distance { farther } => Sort::Distance { order: order(*farther) },
        log::Sort::Coverage => Sort::Coverage {},
        log::Sort::DefaultFirst => Sort::DefaultFirst {},
        log::Sort::Preferred => Sort::Preferred {},
        log::Sort::Used => Sort::Used {},
        log::Sort::OpenFirst => Sort::OpenFirst {},
        log::Sort::InventoryBalance(of) => Sort::InventoryBalance { of: balance_of(*of) },
        log::Sort::WeeksOfSupply => Sort::WeeksOfSupply {},
        log::Sort::CapacityLeft => Sort::CapacityLeft {},
        log::Sort::DeclineRate => Sort::DeclineRate {},
        log::Sort::TimeToClaim => Sort::TimeToClaim {},
        log::Sort::TimeToShip => Sort::TimeToShip {},
        log::Sort::Cost(table) => Sort::Cost { table: table.clone() },
        log::Sort::Attribute { name, descending } => {
            Sort::Attribute { name: name.clone(), order: order(*descending) }
        }
        log::Sort::RankTable(ranks) => {
            Sort::RankTable { ranks: ranks.iter().map(|(node, rank)| (node.clone(), Some(*rank))).collect() }
        }
    }
}

/// Rounds where the document names none.
fn default_rounds(circles: usize) -> u16 {
    u16::try_from(circles.max(1)).unwrap_or(u16::MAX)
}

fn action(said: &Action) -> log::Action {
    match said {
        Action::Allocate { accept_within, pick_within, late: on_late } => log::Action::Allocate {
            accept_within: ms(*accept_within),
            pick_within: ms(*pick_within),
            late: late(*on_late),
        },
        Action::Offer { nodes, rounds, ttl, widen, whole, accept_within, pick_within, late: on_late } => {
            log::Action::Offer(log::Offer {
                nodes: *nodes,
                rounds: rounds.unwrap_or_else(|| default_rounds(widen.len())),
                ttl: ms(*ttl),
                widen: widen.iter().map(|km| chord2(*km)).collect(),
                whole: *whole,
                accept_within: ms(*accept_within),
                pick_within: ms(*pick_within),
                late: late(*on_late),
            })
        }
        Action::NextRule {} => log::Action::NextRule,
        Action::Forward { zones } => log::Action::Forward(zones.clone()),
        Action::Backorder {} => log::Action::Backorder,
        Action::Queue { name } => log::Action::Queue(name.clone()),
        Action::AutoCancel { after } => log::Action::AutoCancel(after.0),
    }
}

fn action_of(log: &log::Action) -> Action {
    match log {
        log::Action::Allocate { accept_within, pick_within, late } => Action::Allocate {
            accept_within: accept_within.map(Span),
            pick_within: pick_within.map(Span),
            late: late_of(*late),
        },
        log::Action::Offer(offer) => Action::Offer {
            nodes: offer.nodes,
            rounds: Some(offer.rounds).filter(|rounds| *rounds != default_rounds(offer.widen.len())),
            ttl: offer.ttl.map(Span),
            widen: offer.widen.iter().map(|circle| km(*circle)).collect(),
            whole: offer.whole,
            accept_within: offer.accept_within.map(Span),
            pick_within: offer.pick_within.map(Span),
            late: late_of(offer.late),
        },
        log::Action::NextRule => Action::NextRule {},
        log::Action::Forward(zones) => Action::Forward { zones: zones.clone() },
        log::Action::Backorder => Action::Backorder {},
        log::Action::Queue(name) => Action::Queue { name: name.clone() },
        log::Action::AutoCancel(after) => Action::AutoCancel { after: Span(*after) },
    }
}

/// True where every order that `later` owns is owned by `earlier` already.
pub(super) fn covers(earlier: &json::Routing, later: &json::Routing) -> bool {
    let (earlier, later) = (order_filter(earlier), order_filter(later));
    let within =
        |a: &[String], b: &[String]| a.is_empty() || (!b.is_empty() && b.iter().all(|x| a.contains(x)));
    let modes = |filter: &log::OrderFilter| match filter.modes.as_slice() {
        [] => vec![DeliveryMode::Delivery, DeliveryMode::Pickup],
        some => some.to_vec(),
    };
    let (all, total) = ((0, u8::MAX), (i64::MIN, i64::MAX));
    let (p, q) = (earlier.priority.unwrap_or(all), later.priority.unwrap_or(all));
    let (t, u) = (earlier.total.unwrap_or(total), later.total.unwrap_or(total));
    within(&earlier.channels, &later.channels)
        && modes(&later).iter().all(|mode| modes(&earlier).contains(mode))
        && p.0 <= q.0
        && q.1 <= p.1
        && t.0 <= u.0
        && u.1 <= t.1
        && (earlier.parts.is_none() || earlier.parts == later.parts)
}
