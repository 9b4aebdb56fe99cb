//! Values of what is asked about holds, offers, work, parts and legs, and of rule sets, with every member set.

use router_schemas::{
    command::{
        fulfilment::NodeFact,
        hold::{ChannelPolicy, Extend, HoldLine, Release, Reserve},
        offer::{CancelAnswer, Claim, Decline, NodeAct, NodeRequest},
        order::DeliveryMode,
        part::{Leg, LegAct, LegReport, ShareKept},
        reference::{FeeBand, FeeTable, Quota, RouteWhen},
        steer::{Steer, Steering},
        stock::Allowance,
    },
    id::OfferId,
    position::Topic,
    quantity::Qty,
    rules::{
        Action, Assignment, Balance, Filter, FilterBy, Late, Multi, Offer, OrderFilter, OrderSort,
        Publication, Reason, Retry, Routing, Rule, RuleSet, Sort, StockEffect,
    },
};

use crate::samples::{assigned, hash, identity, lines, log, node_fact, order};

pub fn offer_id() -> OfferId {
    OfferId::new(log(), &Topic::Commands, 3, 1042, 7)
}

fn hold_line() -> HoldLine {
    HoldLine {
        line: "1".into(),
        sku: "85123A".into(),
        buckets: vec!["2026-05-04".into(), "2026-05-05".into()],
        qty: Qty(2_500),
        node: Some("store-7".into()),
        zone: Some("west".into()),
    }
}

pub fn reserve() -> Reserve {
    Reserve {
        to: Some(assigned()),
        identity: identity(),
        key: hash(0x61),
        node: Some("store-7".into()),
        region: Some("CN-20".into()),
        lines: vec![hold_line()],
        beyond_stock: true,
        ttl: Some(900_000),
    }
}

pub fn extend() -> Extend {
    Extend { to: Some(assigned()), identity: identity(), key: hash(0x62), ttl: Some(600_000) }
}

pub fn release() -> Release {
    Release { to: Some(assigned()), identity: identity(), key: hash(0x63), lines: lines() }
}

pub fn steer(act: Steering) -> Steer {
    Steer { to: Some(assigned()), identity: identity(), key: hash(0x64), act }
}

pub fn reroute() -> Steering {
    Steering::Reroute { node: Some("store-7".into()), lines: lines(), same_node: true }
}

pub fn assign() -> Steering {
    Steering::Assign { node: "store-7".into(), lines: lines() }
}

pub fn channel_policy() -> ChannelPolicy {
    ChannelPolicy {
        channel: "web".into(),
        zone: "east".into(),
        sku: "85123A".into(),
        bucket: "2026-05-04".into(),
        threshold: Qty::units(3),
        backorder: Allowance::Limited(Qty::units(24)),
    }
}

pub fn claim() -> Claim {
    Claim { order: order(), offer: Some(offer_id()), node: "store-7".into(), epoch: 3, key: Some(hash(0x65)) }
}

pub fn decline() -> Decline {
    Decline {
        order: order(),
        offer: Some(offer_id()),
        node: "store-7".into(),
        reason: "damaged".into(),
        lines: lines(),
        key: Some(hash(0x66)),
    }
}

pub fn fact() -> NodeFact {
    node_fact()
}

pub fn cancel_answer() -> CancelAnswer {
    CancelAnswer { order: order(), node: "store-7".into(), granted: true, key: Some(hash(0x67)) }
}

pub fn node_request(act: NodeAct) -> NodeRequest {
    NodeRequest { node: "store-7".into(), act, key: Some(hash(0x68)) }
}

pub fn leg(act: LegAct) -> Leg {
    Leg {
        order: order(),
        identity: identity(),
        leg: 2,
        attempt: 1,
        home: "east".into(),
        zone: "west".into(),
        act,
        lines: vec![hold_line()],
        beyond_stock: true,
        ttl: Some(900_000),
    }
}

pub fn leg_report() -> LegReport {
    LegReport { order: order(), leg: 2, attempt: 1, home: "east".into(), held: true, act: LegAct::Confirm }
}

pub fn share_kept() -> ShareKept {
    ShareKept {
        channel: "web".into(),
        zone: "east".into(),
        sku: "85123A".into(),
        bucket: "2026-05-04".into(),
        control: 99,
        kept: Allowance::Limited(Qty::units(5)),
    }
}

pub fn fees() -> FeeTable {
    FeeTable { id: "sf".into(), bands: vec![FeeBand { upto: 123_456_789, base: 1_200, per_kg: 200 }] }
}

pub fn quota() -> Quota {
    Quota {
        channel: "web".into(),
        sku: "85123A".into(),
        bucket: "2026-05-04".into(),
        threshold: Qty::units(2),
        backorder: Allowance::Limited(Qty::units(10)),
        weights: vec![("east".into(), 3), ("west".into(), 1)],
        shares: vec![("east".into(), Allowance::Limited(Qty(7_500)))],
    }
}

/// Every filter, sort, assignment and action at least once.
pub fn rule_set() -> RuleSet {
    let filter = |exclude, by| Filter { exclude, by };
    let multi =
        Multi { max_splits: Some(3), min_shipment_value: Some(5_000), keep_groups: true, partial: true };
    let offer = Offer {
        nodes: Some(3),
        rounds: 2,
        ttl: Some(60_000),
        widen: vec![123_456, 234_567],
        whole: true,
        accept_within: Some(120_000),
        pick_within: Some(900_000),
        late: Late::Escalate,
    };
    let first = Rule {
        id: "grab".into(),
        filters: vec![
            filter(true, FilterBy::Group(vec!["outlet".into()])),
            filter(false, FilterBy::Radius { metres: 10_000, chord2: 2_838_012 }),
            filter(false, FilterBy::Zone(vec!["east".into()])),
            filter(false, FilterBy::Mode(DeliveryMode::Pickup)),
            filter(false, FilterBy::Open),
            filter(false, FilterBy::Minimum(Qty::units(2))),
            filter(false, FilterBy::Attribute("cold".into(), "yes".into())),
            filter(false, FilterBy::AllItems),
            filter(false, FilterBy::Area),
        ],
        sorts: vec![
            Sort::Sequence,
            Sort::Distance { farther: true },
            Sort::Coverage,
            Sort::DefaultFirst,
            Sort::Preferred,
            Sort::OpenFirst,
            Sort::InventoryBalance(Balance::OnHand),
            Sort::InventoryBalance(Balance::Unallocated),
            Sort::InventoryBalance(Balance::Atp),
            Sort::WeeksOfSupply,
            Sort::CapacityLeft,
            Sort::DeclineRate,
            Sort::TimeToClaim,
            Sort::TimeToShip,
            Sort::Cost("sf".into()),
            Sort::Attribute { name: "class".into(), descending: true },
            Sort::RankTable(vec![("store-7".into(), -1)]),
            Sort::Used,
        ],
        assignment: Assignment::Multi(multi),
        ignore_capacity: true,
        actions: vec![
            Action::Offer(offer),
            Action::Allocate { accept_within: Some(60_000), pick_within: Some(600_000), late: Late::Reroute },
            Action::Backorder,
            Action::NextRule,
        ],
    };
    let last = Rule {
        id: "rest".into(),
        filters: Vec::new(),
        sorts: Vec::new(),
        assignment: Assignment::Fewest,
        ignore_capacity: false,
        actions: vec![
            Action::Forward(vec!["central".into()]),
            Action::AutoCancel(86_400_000),
            Action::Queue("by-hand".into()),
        ],
    };
    let single = Rule {
        id: "one".into(),
        filters: Vec::new(),
        sorts: vec![Sort::Distance { farther: false }],
        assignment: Assignment::Single,
        ignore_capacity: false,
        actions: Vec::new(),
    };
    RuleSet {
        name: "spring".into(),
        version: 4,
        zones: vec!["east".into()],
        routings: vec![Routing {
            id: "web".into(),
            filter: OrderFilter {
                channels: vec!["web".into()],
                modes: vec![DeliveryMode::Delivery],
                priority: Some((0, 99)),
                total: Some((100, 10_000)),
                parts: Some(false),
            },
            sort: vec![OrderSort::Priority, OrderSort::Promise, OrderSort::Value, OrderSort::Arrival],
            route_when: Some(RouteWhen::Captured),
            rules: vec![first, single, last],
        }],
        reasons: [StockEffect::None, StockEffect::Subtract, StockEffect::SubtractAtp, StockEffect::Zero]
            .map(|effect| Reason { id: "damaged".into(), effect, cool_down: Some(600_000), pause: true })
            .into(),
        retry: Retry::Stock,
        note: Some("for the sale".into()),
        published: Some(Publication { control: 99, at: 1_777_888_000_000 }),
    }
}
