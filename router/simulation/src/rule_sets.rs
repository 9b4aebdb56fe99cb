//! Rule sets out of chance.

use router_schemas::rules::{
    Action, Assignment, Balance, Filter, FilterBy, Late, Multi, Offer, Reason, Retry, Routing, Rule, RuleSet,
    Sort, StockEffect,
};

use crate::{chance::Chance, stores::REASONS};

/// A rule set out of chance: offers first, then direct work, then other zones, then a queue.
pub fn rule_set(chance: &mut Chance, zone: &str) -> RuleSet {
    let sorts = |chance: &mut Chance| {
        let all = [
            Sort::Sequence,
            Sort::Distance { farther: false },
            Sort::Coverage,
            Sort::Preferred,
            Sort::InventoryBalance(Balance::Atp),
            Sort::CapacityLeft,
            Sort::DeclineRate,
            Sort::TimeToClaim,
            Sort::Attribute { name: "class".into(), descending: true },
        ];
        (0..2).map(|_| chance.pick(&all).clone()).collect::<Vec<_>>()
    };
    let multi = Multi {
        max_splits: chance.one_in(2).then_some(2),
        min_shipment_value: chance.one_in(4).then_some(500),
        keep_groups: chance.one_in(2),
        partial: chance.one_in(2),
    };
    let assignment = |chance: &mut Chance| match chance.below(3) {
        0 => Assignment::Single,
        1 => Assignment::Multi(multi),
        _ => Assignment::Fewest,
    };
    let offer = Offer {
        nodes: (!chance.one_in(4)).then(|| chance.within(1, 3) as u16),
        rounds: chance.within(1, 3) as u16,
        ttl: (!chance.one_in(6)).then(|| chance.within(5, 90) * 1_000),
        whole: chance.one_in(3),
        accept_within: chance.one_in(3).then_some(60_000),
        pick_within: chance.one_in(3).then_some(300_000),
        ..Offer::default()
    };
    let grab = Rule {
        id: "grab".into(),
        filters: vec![Filter { exclude: false, by: FilterBy::Group(vec!["grab".into()]) }],
        sorts: sorts(chance),
        assignment: assignment(chance),
        ignore_capacity: chance.one_in(4),
        actions: vec![Action::Offer(offer)],
    };
    let within = |chance: &mut Chance| chance.one_in(3).then(|| chance.within(30, 900) * 1_000);
    let direct = Rule {
        id: "direct".into(),
        filters: Vec::new(),
        sorts: sorts(chance),
        assignment: assignment(chance),
        ignore_capacity: false,
        actions: vec![
            Action::Allocate {
                accept_within: within(chance),
                pick_within: within(chance),
                late: if chance.one_in(3) { Late::Escalate } else { Late::Reroute },
            },
            Action::Backorder,
        ],
    };
    let last = Rule {
        id: "last".into(),
        actions: vec![Action::Forward(Vec::new()), Action::AutoCancel(chance.within(1, 72) * 3_600_000)],
        ..Rule::default()
    };
    let mut rules = vec![direct, last];
    if !chance.one_in(4) {
        rules.insert(0, grab);
    }
    if chance.one_in(4) {
        let actions = vec![Action::Queue("by-hand".into())];
        rules.push(Rule { id: "by-hand".into(), actions, ..Rule::default() });
    }
    let effects = [StockEffect::None, StockEffect::Subtract, StockEffect::SubtractAtp, StockEffect::Zero];
    let reasons = REASONS.iter().zip(effects).map(|(id, effect)| Reason {
        id: (*id).into(),
        effect,
        cool_down: (*id == "busy").then_some(60_000),
        pause: false,
    });
    RuleSet {
        name: "trial".into(),
        version: 0,
        zones: vec![zone.into()],
        routings: vec![Routing { id: "all".into(), rules, ..Routing::default() }],
        reasons: reasons.collect(),
        retry: if chance.one_in(5) { Retry::Stock } else { Retry::AnyChange },
        ..RuleSet::default()
    }
}
