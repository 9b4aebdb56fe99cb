//! An evening in which everything is right: something is held and lapses, orders are offered, declined, claimed and lapse,
//! one goes to another zone as a part, a node is asked to give units back and is paused.

use router_schemas::{
    command::{
        Command,
        fulfilment::NodeFact,
        hold::{ChannelPolicy, Reserve},
        offer::{Claim, Decline, NodeAct, NodeRequest},
        order::Cancel,
        reference::{Node, Reference, Zone},
        stock::{CellName, Count},
    },
    envelope::Meta,
    event::{
        Change, Decision, HoldCause, HoldChange, NodeChange, OfferChange, OfferClosed, OfferStep, OrderState,
        Outcome, Queue, StockCause, StockChange, Unit, Verdict,
    },
    id::{OfferId, OrderId},
    position::{Position, Topic},
    quantity::Qty,
    row::{
        Ats, CellRow, FulfilmentRow, HoldRow, HoldState, NodeRow, OfferEntry, OfferRow, OfferState, OrderRow,
        PoolRow, Row,
    },
    rules::{Action, Offer, Routing, Rule, RuleSet},
};
use serde_json::{Value, json};

use crate::{
    abroad,
    day::{applied, identity, message, moved, order_row, passed, placed, publish, to, units},
    history::{Body, History, LOG, PARTITIONS},
};

/// ms that an offer and a hold last.
const TTL: i64 = 10_000;

pub fn cell(node: &str, sku: &str, [on_hand, allocated, held]: [i64; 3]) -> Row {
    let cell = CellName { node: node.into(), sku: sku.into(), bucket: String::new() };
    let [on_hand, allocated, held] = [on_hand, allocated, held].map(units);
    Row::Cell(CellRow {
        cell,
        on_hand,
        allocated,
        held,
        atp: on_hand - allocated - held,
        ..CellRow::default()
    })
}

fn counted(h: &mut History, partition: u16, node: &str, sku: &str, qty: i64) {
    let cell_name = CellName { node: node.into(), sku: sku.into(), bucket: String::new() };
    let count = Command::Count(Count { cell: cell_name.clone(), qty: units(qty), ..Count::default() });
    let cause = h.then().input("count 2", Topic::Commands, partition, Meta::default(), count);
    let change = StockChange {
        cell: cell_name,
        cause: StockCause::Count,
        on_hand: units(qty),
        blocked: Qty::ZERO,
        stated: Some(units(qty)),
    };
    h.then();
    applied(h, "counted 2", &cause, vec![Change::Stock(change)], vec![cell(node, sku, [qty, 0, 0])]);
}

/// An order's row with one line of a SKU; what it has of it is up to `shape`.
pub fn row(
    h: &History,
    cause: &Position,
    (order, name, sku): (OrderId, &str, &str),
    state: OrderState,
    shape: impl FnOnce(&mut OrderRow),
) -> Row {
    let mut row = order_row(h, cause, order, name, state, [0; 4]);
    row.fulfilments.clear();
    row.lines[0].sku = sku.into();
    row.lines[0].ordered = units(2);
    shape(&mut row);
    Row::Order(Box::new(row))
}

pub fn at_node(row: &mut OrderRow, node: &str, shape: impl FnOnce(&mut FulfilmentRow)) {
    let mut there = FulfilmentRow { node: node.into(), ..FulfilmentRow::default() };
    shape(&mut there);
    row.fulfilments.push(there);
}

fn offer_notice(
    h: &mut History,
    label: &'static str,
    cause: &Position,
    row: &OfferRow,
    node: &str,
    why: Value,
) {
    let event = if why.is_null() { "offered" } else { "closed" };
    let mut said = json!({ "type": "offer.v1", "event": event, "node": node, "order": row.order,
        "offer": row.offer, "epoch": row.epoch, "round": row.round });
    if !why.is_null() {
        said["reason"] = why;
    }
    h.notice(label, Topic::Assignments, cause, said);
}

pub fn work(order: OrderId, event: &str, node: &str, qty: i64) -> Value {
    let lines = json!([{ "line": "1", "sku": "k", "qty": qty }]);
    json!({ "type": "assignment.v1", "event": event, "node": node, "order": order, "channel": "web", "lines": lines })
}

fn step(row: &OfferRow, what: OfferStep) -> Change {
    Change::Offer(OfferChange { offer: row.offer, epoch: row.epoch, what })
}

/// The whole evening, after a day.
pub fn evening(h: &mut History) {
    publish(h, "zone 2", "copy of zone 2", Reference::Zone(Zone { id: "y".into(), partition: Some(1) }));
    for (node, zone) in [("n2", "z"), ("n3", "y")] {
        let node = Node { id: node.into(), zone: zone.into(), enabled: true, ..Node::default() };
        publish(h, "node 2", "copy of node 2", Reference::Node(Box::new(node)));
    }
    let rule = |id: &str, nodes| {
        let offer = Offer { nodes, rounds: 1, ttl: Some(TTL), ..Offer::default() };
        Rule { id: id.into(), actions: vec![Action::Offer(offer)], ..Rule::default() }
    };
    let rules = vec![rule("ask", None), rule("ask one", Some(1))];
    let routings = vec![Routing { id: "all".into(), rules, ..Routing::default() }];
    let set =
        RuleSet { name: "grab".into(), version: 1, zones: vec!["z".into()], routings, ..RuleSet::default() };
    publish(h, "rules", "copy of rules", Reference::Rules(Box::new(set)));
    counted(h, 0, "n2", "k2", 10);
    counted(h, 1, "n3", "k3", 5);
    h.then().input("tick before", Topic::Commands, 0, Meta::default(), Command::Tick);

    let four = held(h);
    let offer = offered(h, four);
    claimed(h, four, offer);
    asked_back(h, four);
    lapsed(h);
    abroad::part(h);

    let pause = NodeRequest { node: "n2".into(), act: NodeAct::Pause(None), key: None };
    let pause = h.then().input("pause", Topic::Commands, 0, Meta::default(), Command::Node(pause));
    h.then();
    let change = Change::Node("n2".into(), NodeChange::Paused(None));
    let node = Row::Node(NodeRow { node: "n2".into(), paused: true, orders: 1, ..NodeRow::default() });
    applied(h, "paused", &pause, vec![change], vec![node]);

    // What a channel keeps back, stated to control, which knows where the zone lives.
    let policy = ChannelPolicy { channel: "web".into(), zone: "z".into(), ..ChannelPolicy::default() };
    let policy = || Command::ChannelPolicy(policy.clone());
    let said = h.then().input("policy", Topic::Control, 0, Meta::default(), policy());
    h.then();
    let meta = Meta { carried: h.time(&said), ..Meta::default() };
    let body = Body::Command(Meta::default(), Box::new(policy()));
    let copy = h.sent("policy passed", Topic::Commands, 0, Some((Topic::Control, 0)), meta, body);
    applied(h, "policy known", &said, Vec::new(), Vec::new());
    h.then();
    applied(h, "policy applied", &copy, Vec::new(), Vec::new());
}

/// Two lines are reserved, one at a node and one in the pool, and lapse.
fn held(h: &mut History) -> OrderId {
    h.wait(2);
    let partition = identity("4").partition(PARTITIONS);
    let reserve = Reserve { identity: identity("4"), ..Reserve::default() };
    let asked = Command::Reserve(reserve.clone());
    let cause = h.then().input("reserve", Topic::Intake, partition, Meta::default(), asked);
    let order = OrderId::new(LOG, &Topic::Intake, partition, cause.offset);
    h.then();
    let cause = passed(h, "pass reserve", &cause, Command::Reserve(Reserve { to: to(order), ..reserve }));
    h.then();
    let held = |cause, by: i64| {
        let none = String::new;
        let moves = vec![
            (Some("n2".into()), "k2".into(), none(), units(3 * by)),
            (None, "k2".into(), none(), units(by)),
        ];
        Change::Hold(HoldChange { order, cause, moves })
    };
    let (expires, none) = (Some(h.at(&cause) + TTL), String::new);
    let lines = vec![
        ("1".into(), Some("n2".into()), "k2".into(), none(), units(3)),
        ("2".into(), None, "k2".into(), none(), units(1)),
    ];
    let hold = HoldRow {
        order,
        identity: identity("4"),
        zone: "z".into(),
        state: HoldState::Held,
        expires,
        deadline: expires,
        lines,
        legs: Vec::new(),
        leg_of: None,
    };
    let pool = |held: i64| {
        let [channel, zone, sku] = ["web", "z", "k2"].map(str::to_owned);
        Row::Pool(PoolRow {
            channel,
            zone,
            sku,
            held: units(held),
            ats: Ats::Units(units(6)),
            ..PoolRow::default()
        })
    };
    let rows = vec![Row::Hold(hold.clone()), cell("n2", "k2", [10, 0, 3]), pool(1)];
    applied(h, "reserved", &cause, vec![held(HoldCause::Reserved, 1)], rows);

    h.wait(TTL / 1000 + 1);
    let tick = h.then().input("tick of hold", Topic::Commands, 0, Meta::default(), Command::Tick);
    h.then();
    let over = HoldRow { state: HoldState::Lapsed, expires: None, deadline: None, lines: Vec::new(), ..hold };
    let rows = vec![Row::Hold(over), cell("n2", "k2", [10, 0, 0]), pool(0)];
    due(h, "hold lapsed", &tick, order, vec![held(HoldCause::Lapsed, -1)], rows);
    order
}

/// What is due at a tick: no outcome.
fn due(
    h: &mut History,
    label: &'static str,
    cause: &Position,
    order: OrderId,
    changes: Vec<Change>,
    rows: Vec<Row>,
) {
    h.event(label, cause, Some(order), Outcome::Applied, changes, rows);
    let event = h.line(label).event();
    (event.item, event.outcome) = (1, None);
}

/// An order comes that is offered to some nodes.
fn offer(
    h: &mut History,
    label: &'static str,
    cause: &Position,
    (order, name): (OrderId, &str),
    rule: &str,
    nodes: &[&str],
) -> OfferRow {
    let control = h.lines.iter().find(|line| line.label == "rules").map_or(0, |line| line.offset);
    let expires = Some(h.at(cause) + TTL);
    let offer = OfferRow {
        offer: OfferId::new(LOG, &Topic::Commands, 0, cause.offset, 0),
        order,
        identity: identity(name),
        zone: "z".into(),
        rule: ("grab".into(), 1, "all".into(), rule.into()),
        epoch: 1,
        round: 1,
        state: OfferState::Offered,
        created_at: h.at(cause),
        expires,
        deadline: expires,
        lines: vec![(0, units(2))],
        nodes: nodes.iter().map(|node| ((*node).to_owned(), OfferEntry::Open)).collect(),
        winner: None,
    };
    let decision = Decision {
        control,
        rule_set: "grab".into(),
        version: 1,
        routing: "all".into(),
        rule: rule.into(),
        verdict: Verdict::Whole,
        ..Decision::default()
    };
    let names = nodes.iter().map(|node| (*node).to_owned()).collect();
    let changes = vec![
        moved(None, Unit::Outside, Unit::Open, 2),
        Change::Decided(decision),
        moved(None, Unit::Open, Unit::Held, 2),
        step(&offer, OfferStep::Opened(1, names, expires)),
        Change::State(OrderState::Routing, OrderState::Offered),
    ];
    let of = row(h, cause, (order, name, "k2"), OrderState::Offered, |row| row.lines[0].held = units(2));
    h.event(
        label,
        cause,
        Some(order),
        Outcome::Applied,
        changes,
        vec![of, Row::Offer(Box::new(offer.clone()))],
    );
    offer
}

/// The order for which something was held comes, and is offered to both nodes; one declines.
fn offered(h: &mut History, order: OrderId) -> OfferRow {
    let partition = identity("4").partition(PARTITIONS);
    let place = Command::Place(message("4", None));
    let cause = h.then().input("place 4", Topic::Intake, partition, Meta::default(), place);
    h.then();
    let cause = passed(h, "pass 4", &cause, Command::Place(message("4", to(order))));
    h.then();
    let mut offer = offer(h, "offered 4", &cause, (order, "4"), "ask", &["n1", "n2"]);
    offer_notice(h, "n1 is asked", &cause, &offer, "n1", Value::Null);
    offer_notice(h, "n2 is asked", &cause, &offer, "n2", Value::Null);

    let decline = Decline {
        order,
        offer: Some(offer.offer),
        node: "n1".into(),
        reason: "busy".into(),
        ..Decline::default()
    };
    let cause = h.then().input("decline", Topic::Commands, 0, Meta::default(), Command::Decline(decline));
    h.then();
    offer.nodes[0].1 = OfferEntry::Closed(OfferClosed::Declined);
    let change = step(&offer, OfferStep::Declined("n1".into(), "busy".into(), Vec::new()));
    let of = row(h, &cause, (order, "4", "k2"), OrderState::Offered, |row| {
        row.lines[0].held = units(2);
        row.declined = vec!["n1".into()];
    });
    let rows = vec![of, Row::Offer(Box::new(offer.clone()))];
    h.event("declined", &cause, Some(order), Outcome::Applied, vec![change], rows);
    offer_notice(h, "n1 is out", &cause, &offer, "n1", json!("declined"));
    offer
}

fn claimed(h: &mut History, order: OrderId, mut offer: OfferRow) {
    let claim = Claim { order, offer: None, node: "n2".into(), epoch: 1, key: None };
    let cause = h.then().input("claim", Topic::Commands, 0, Meta::default(), Command::Claim(claim));
    h.then();
    (offer.state, offer.winner, offer.nodes[1].1) = (OfferState::Claimed, Some("n2".into()), OfferEntry::Won);
    let changes = vec![
        step(&offer, OfferStep::Claimed("n2".into())),
        moved(Some("n2"), Unit::Held, Unit::Allocated, 2),
        Change::State(OrderState::Offered, OrderState::InFulfilment),
    ];
    let of = row(h, &cause, (order, "4", "k2"), OrderState::InFulfilment, |row| {
        row.lines[0].allocated = units(2);
        at_node(row, "n2", |there| there.allocated = units(2));
    });
    let rows = vec![of, cell("n2", "k2", [10, 2, 0]), Row::Offer(Box::new(offer))];
    h.event("claimed", &cause, Some(order), Outcome::Applied, changes, rows);
    h.notice("work 4", Topic::Assignments, &cause, work(order, "assigned", "n2", 2));
}

/// The node picks, the customer cancels: the node is asked.
fn asked_back(h: &mut History, order: OrderId) {
    let picked = Command::Picked(NodeFact { order, node: "n2".into(), ..NodeFact::default() });
    let cause = h.then().input("pick", Topic::Commands, 0, Meta::default(), picked);
    h.then();
    let of = |h: &History, cause: &Position| {
        row(h, cause, (order, "4", "k2"), OrderState::InFulfilment, |row| {
            row.lines[0].allocated = units(2);
            at_node(row, "n2", |there| there.picked = units(2));
        })
    };
    let rows = vec![of(h, &cause), cell("n2", "k2", [10, 2, 0])];
    let change = moved(Some("n2"), Unit::Allocated, Unit::Picked, 2);
    h.event("picked", &cause, Some(order), Outcome::Applied, vec![change], rows);

    let cancel = Cancel { identity: identity("4"), ..Cancel::default() };
    let partition = identity("4").partition(PARTITIONS);
    let said = Command::Cancel(cancel.clone());
    let cause = h.then().input("cancel 4", Topic::Intake, partition, Meta::default(), said);
    h.then();
    let cause = passed(h, "pass cancel 4", &cause, Command::Cancel(Cancel { to: to(order), ..cancel }));
    h.then();
    let change = Change::CancelRequested("n2".into(), h.at(&cause) + TTL);
    let rows = vec![of(h, &cause)];
    h.event("asked back", &cause, Some(order), Outcome::Applied, vec![change], rows);
    h.notice("told to give back", Topic::Assignments, &cause, work(order, "cancel_requested", "n2", 2));
}

/// An offer to one node lapses, and nobody else is there.
fn lapsed(h: &mut History) {
    let (order, cause, _) = placed(h, "place 5", "5");
    let cause = passed(h, "pass 5", &cause, Command::Place(message("5", to(order))));
    h.then();
    let mut offer = offer(h, "offered 5", &cause, (order, "5"), "ask one", &["n2"]);
    offer_notice(h, "n2 is asked for 5", &cause, &offer, "n2", Value::Null);
    h.wait(TTL / 1000);
    let tick = h.then().input("tick of offer", Topic::Commands, 0, Meta::default(), Command::Tick);
    h.then();
    (offer.state, offer.nodes[0].1) = (OfferState::Exhausted, OfferEntry::Closed(OfferClosed::Expired));
    let parked = OrderState::Parked(Queue::Unfillable);
    let changes = vec![
        step(&offer, OfferStep::Lapsed),
        step(&offer, OfferStep::Exhausted),
        moved(None, Unit::Held, Unit::Open, 2),
        Change::State(OrderState::Offered, parked.clone()),
    ];
    let of = row(h, &tick, (order, "5", "k2"), parked, |row| row.lines[0].open = units(2));
    due(h, "offer lapsed", &tick, order, changes, vec![of, Row::Offer(Box::new(offer.clone()))]);
    offer_notice(h, "n2 is out of 5", &tick, &offer, "n2", json!("expired"));
}
