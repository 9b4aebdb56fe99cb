//! `router.intake`, `router.commands` and `router.control`.

use router_schemas::{
    command::{
        Ask, Command, Genesis,
        offer::NodeAct,
        order::{Cancel, Delivered, DeliveryMode, PaymentFact, PaymentState},
        part::{LegAct, Part, PartCancel, PartLine, PartReport},
        reference::{Calendar, Channel, Feed, Item, Node, Published, Reference, Region, RouteWhen, Zone},
        steer::Steering,
        stock::{AdjustTarget, Adjustment, Allowance, Basis, CellPolicy, Count, Movement},
    },
    envelope::Meta,
    position::Topic,
    quantity::Qty,
};

use crate::{
    asked, every,
    index::Entry,
    samples::{
        assigned, cell, hash, identity, lines, log, message, meta, node_fact, order, origin, part, place,
        position, small_message,
    },
};

/// One for each command; those that pass through INTAKE as it writes them.
pub fn entries() -> Vec<Entry> {
    let ask = || Ask { order: order(), identity: identity() };
    let examples = every!(Command {
        "genesis": Command::Genesis(_) => Command::Genesis(genesis()),
        "tick": Command::Tick => Command::Tick,
        "continue": Command::Continue => Command::Continue,
        "reference": Command::Reference(_) => Command::Reference(published(zone())),
        "skip": Command::Skip(_) => Command::Skip(position()),
        "accept": Command::Accept(_) => Command::Accept(position()),
        "place": Command::Place(_) => Command::Place(message(Some(assigned()))),
        "place-before-intake": Command::Place(_) => Command::Place(message(None)),
        "place-small": Command::Place(_) => Command::Place(small_message()),
        "amend": Command::Amend(_) => Command::Amend(message(Some(assigned()))),
        "cancel": Command::Cancel(_) => Command::Cancel(cancel()),
        "payment": Command::Payment(_) => Command::Payment(payment()),
        "delivered": Command::Delivered(_) => Command::Delivered(delivered()),
        "ask": Command::Ask(_) => Command::Ask(ask()),
        "forgotten": Command::Forgotten(_) => Command::Forgotten(ask()),
        "count": Command::Count(_) => Command::Count(count()),
        "receipt": Command::Receipt(_) => Command::Receipt(Movement { cell: cell(), qty: Qty::units(12), key: Some(hash(1)) }),
        "adjustment": Command::Adjustment(_) => Command::Adjustment(adjustment()),
        "cell-policy": Command::CellPolicy(_) => Command::CellPolicy(policy()),
        "picked": Command::Picked(_) => Command::Picked(node_fact()),
        "ready": Command::Ready(_) => Command::Ready(node_fact()),
        "shipped": Command::Shipped(_) => Command::Shipped(node_fact()),
        "returned": Command::Returned(_) => Command::Returned(node_fact()),
        "part": Command::Part(_) => Command::Part(part_asked()),
        "part-cancel": Command::PartCancel(_) => Command::PartCancel(part_cancel()),
        "part-report": Command::PartReport(_) => Command::PartReport(part_report()),
        "reserve": Command::Reserve(_) => Command::Reserve(asked::reserve()),
        "extend": Command::Extend(_) => Command::Extend(asked::extend()),
        "release": Command::Release(_) => Command::Release(asked::release()),
        "steer-retry": Command::Steer(_) => Command::Steer(asked::steer(Steering::Retry { forgive: true })),
        "steer-reroute": Command::Steer(_) => Command::Steer(asked::steer(asked::reroute())),
        "steer-assign": Command::Steer(_) => Command::Steer(asked::steer(asked::assign())),
        "steer-approve": Command::Steer(_) => Command::Steer(asked::steer(Steering::Approve)),
        "channel-policy": Command::ChannelPolicy(_) => Command::ChannelPolicy(asked::channel_policy()),
        "claim": Command::Claim(_) => Command::Claim(asked::claim()),
        "decline": Command::Decline(_) => Command::Decline(asked::decline()),
        "accepted": Command::Accepted(_) => Command::Accepted(asked::fact()),
        "handed-over": Command::HandedOver(_) => Command::HandedOver(asked::fact()),
        "cancel-answer": Command::CancelAnswer(_) => Command::CancelAnswer(asked::cancel_answer()),
        "node-pause": Command::Node(_) => Command::Node(asked::node_request(NodeAct::Pause(Some(1_777_889_000_000)))),
        "node-resume": Command::Node(_) => Command::Node(asked::node_request(NodeAct::Resume)),
        "node-evacuate": Command::Node(_) => Command::Node(asked::node_request(NodeAct::Evacuate)),
        "leg-hold": Command::Leg(_) => Command::Leg(asked::leg(LegAct::Hold)),
        "leg-confirm": Command::Leg(_) => Command::Leg(asked::leg(LegAct::Confirm)),
        "leg-release": Command::Leg(_) => Command::Leg(asked::leg(LegAct::Release)),
        "leg-extend": Command::Leg(_) => Command::Leg(asked::leg(LegAct::Extend)),
        "leg-report": Command::LegReport(_) => Command::LegReport(asked::leg_report()),
        "share-kept": Command::ShareKept(_) => Command::ShareKept(asked::share_kept()),
    });
    let record = |(name, command)| match command {
        // Written by owners, gateways and decoders: without origin.
        Command::Genesis(_) | Command::Tick => Entry::record(name, None, Meta::default(), command),
        command => Entry::record(name, Some(origin()), meta(), command),
    };
    examples.into_iter().map(record).collect()
}

/// Reference material, as asked and as copied, and operators' decisions.
pub fn control() -> Vec<Entry> {
    let examples = every!(Reference {
        "zone": Reference::Zone(_) => zone(),
        "zone-as-asked": Reference::Zone(_) => Reference::Zone(Zone { id: "west".into(), partition: None }),
        "node": Reference::Node(_) => Reference::Node(Box::new(node())),
        "node-small": Reference::Node(_) => Reference::Node(Box::new(Node { id: "n".into(), zone: "z".into(), ..Node::default() })),
        "item": Reference::Item(_) => Reference::Item(Box::new(item())),
        "channel": Reference::Channel(_) => Reference::Channel(channel()),
        "region": Reference::Region(_) => Reference::Region(Region { id: "CN-20".into(), zone: "east".into(), centroid: Some(place()) }),
        "behaviour-level": Reference::BehaviourLevel(_) => Reference::BehaviourLevel(2),
        "incarnation": Reference::Incarnation(..) => Reference::Incarnation("orders.web".into(), 3),
        "rules": Reference::Rules(_) => Reference::Rules(Box::new(asked::rule_set())),
        "fees": Reference::Fees(_) => Reference::Fees(asked::fees()),
        "quota": Reference::Quota(_) => Reference::Quota(asked::quota()),
    });
    let record = |(name, change)| Entry::record(name, None, meta(), Command::Reference(published(change)));
    let mut entries: Vec<_> = examples.into_iter().map(record).collect();
    let operator = Meta { actor: meta().actor, reason: meta().reason, ..Meta::default() };
    entries.push(Entry::record("skip", None, operator.clone(), Command::Skip(position())));
    entries.push(Entry::record("accept", None, operator, Command::Accept(position())));
    let first = Genesis { topic: Topic::Control.code(), partition: 0, partitions: 1, ..genesis() };
    entries.push(Entry::record("genesis", None, Meta::default(), Command::Genesis(first)));
    entries
}

fn genesis() -> Genesis {
    Genesis { log: log(), topic: Topic::Commands.code(), partition: 3, partitions: 16, level: 1 }
}

fn published(change: Reference) -> Published {
    Published { control: 99, change }
}

fn zone() -> Reference {
    Reference::Zone(Zone { id: "east".into(), partition: Some(3) })
}

fn node() -> Node {
    Node {
        id: "store-7".into(),
        zone: "east".into(),
        name: "静安店".into(),
        enabled: true,
        default: true,
        place: Some(place()),
        groups: vec!["flagship".into(), "24h".into()],
        modes: vec![DeliveryMode::Delivery, DeliveryMode::Pickup],
        capacity_at_once: Some(40),
        capacity_a_day: Some(600),
        calendar: Some(Calendar {
            time_zone: "Asia/Shanghai".into(),
            open: vec![(1_777_850_000_000, 1_777_890_000_000), (1_777_936_400_000, 1_777_976_400_000)],
            midnights: vec![1_777_824_000_000, 1_777_910_400_000],
        }),
        sequence: Some(12),
        attributes: vec![("class".into(), vec!["a".into(), "cold".into()])],
        area: Some(2_838_012),
    }
}

fn item() -> Item {
    Item {
        sku: "85123A".into(),
        names: vec![(String::new(), "White hanging heart".into()), ("zh-CN".into(), "白色挂心".into())],
        barcode: Some("5012345678900".into()),
        unit_step: Qty(100),
        weight_g: Some(250),
        volume_cm3: Some(900),
        category: Some("decor".into()),
        brand: Some("Heart & Co".into()),
        handling: vec!["fragile".into()],
        untracked: true,
        tolerance: 50,
    }
}

fn channel() -> Channel {
    Channel {
        id: "web".into(),
        default_zone: Some("east".into()),
        groups: vec!["flagship".into()],
        route_when: RouteWhen::Captured,
        fallback: vec!["central".into()],
        cancel_within: Some(900_000),
        cancel_by_default: true,
        reroute_pinned: true,
        feed: Some(Feed { every: 60_000, low: Qty(2_500) }),
    }
}

fn cancel() -> Cancel {
    Cancel {
        to: Some(assigned()),
        identity: identity(),
        version: Some(5),
        updated_at: Some(1_777_889_000_000),
        content: hash(0x42),
        lines: lines(),
        ask: true,
    }
}

fn payment() -> PaymentFact {
    PaymentFact {
        to: Some(assigned()),
        identity: identity(),
        key: hash(0x43),
        state: PaymentState::PartRefunded,
        amount: Some(1_250),
        occurred_at: Some(1_777_889_100_000),
    }
}

fn delivered() -> Delivered {
    Delivered {
        to: Some(assigned()),
        identity: identity(),
        key: hash(0x44),
        lines: lines(),
        occurred_at: Some(1_777_889_200_000),
    }
}

fn count() -> Count {
    Count {
        cell: cell(),
        qty: Qty(12_500),
        basis: Basis::Available,
        counter: "wms".into(),
        sequence: Some(77),
        observed_at: Some(1_777_889_300_000),
        key: Some(hash(2)),
    }
}

fn adjustment() -> Adjustment {
    Adjustment { cell: cell(), target: AdjustTarget::Blocked, delta: Qty(-1_500), key: Some(hash(3)) }
}

fn policy() -> CellPolicy {
    CellPolicy {
        cell: cell(),
        safety_stock: Qty::units(2),
        backorder: Allowance::Limited(Qty::units(24)),
        out_of_stock: true,
        weekly_sales: Some(Qty(14_500)),
    }
}

fn part_asked() -> Part {
    Part {
        part: part(),
        home: "east".into(),
        zone: "central".into(),
        visited: vec!["west".into()],
        message: message(Some(assigned())),
    }
}

fn part_cancel() -> PartCancel {
    PartCancel {
        part: part(),
        home: "east".into(),
        zone: "central".into(),
        lines: vec![("1".into(), Qty(5_300))],
        ask: true,
    }
}

fn part_report() -> PartReport {
    let line = PartLine {
        line: "1".into(),
        allocated: Qty(2_300),
        shipped: Qty::ONE,
        cancelled: Qty::ONE,
        given_back: Qty::ONE,
        open: Qty(500),
        delivered: Qty(750),
        returned: Qty(250),
        unwanted: Qty::units(2),
    };
    PartReport {
        part: part(),
        home: "east".into(),
        report: 3,
        lines: vec![line],
        tracking: Some("SF1042".into()),
    }
}
