//! A day in which everything is right: a zone with one store, a few orders, a recount, a shipment, bytes that do not
//! decode, a record passed over.

use router_schemas::{
    command::{
        Assigned, Command,
        fulfilment::NodeFact,
        order::{Cancel, OrderBody, OrderHead, OrderLine, OrderMessage},
        reference::{Channel, Node, Published, Reference, Zone},
        stock::{CellName, Count, Movement},
    },
    envelope::Meta,
    event::{Change, Exception, OrderState, Outcome, Queue, StockCause, StockChange, Unit},
    id::{Identity, OrderId},
    position::{Position, Topic},
    quantity::Qty,
    refusal::Refusal,
    reply::{Accepted, Answer},
    row::{CellRow, FulfilmentRow, LineRow, OrderRow, Row},
};
use serde_json::json;

use crate::history::{Body, History, LOG, PARTITIONS};

pub fn units(n: i64) -> Qty {
    Qty::units(n)
}

fn cell(sku: &str) -> CellName {
    CellName { node: "n1".into(), sku: sku.into(), bucket: String::new() }
}

/// A cell's row: on hand, allocated.
pub fn cell_row(sku: &str, on_hand: i64, allocated: i64) -> Row {
    let atp = units((on_hand - allocated).max(0));
    let (on_hand, allocated) = (units(on_hand), units(allocated));
    Row::Cell(CellRow { cell: cell(sku), on_hand, allocated, atp, ..CellRow::default() })
}

fn stock(sku: &str, cause: StockCause, by: i64, stated: Option<i64>) -> Change {
    let (on_hand, stated) = (units(by), stated.map(units));
    Change::Stock(StockChange { cell: cell(sku), cause, on_hand, blocked: Qty::ZERO, stated })
}

pub fn identity(name: &str) -> Identity {
    Identity { channel: "web".into(), account: String::new(), external_id: name.into() }
}

/// An order's row: units open, allocated, shipped, cancelled of its one line.
pub fn order_row(
    history: &History,
    cause: &Position,
    order: OrderId,
    name: &str,
    state: OrderState,
    [open, allocated, shipped, cancelled]: [i64; 4],
) -> OrderRow {
    let at = history.at(cause);
    let line = LineRow {
        line: "1".into(),
        sku: "k1".into(),
        ordered: units(open + allocated + shipped + cancelled),
        open: units(open),
        allocated: units(allocated),
        shipped: units(shipped),
        cancelled: units(cancelled),
        ..LineRow::default()
    };
    let there = FulfilmentRow {
        node: "n1".into(),
        line: 0,
        allocated: units(allocated),
        shipped: units(shipped),
        ..FulfilmentRow::default()
    };
    let parked = state == OrderState::Parked(Queue::NoZone);
    OrderRow {
        order,
        identity: identity(name),
        zone: if parked { String::new() } else { "z".into() },
        state,
        payment: Default::default(),
        refunded: 0,
        version: None,
        created_at: at,
        changed_at: at,
        placed_at: None,
        promise: None,
        not_before: None,
        mode: Default::default(),
        to: None,
        priority: 100,
        currency: Default::default(),
        totals: Default::default(),
        revision: 1,
        lines: vec![line],
        fulfilments: if parked { Vec::new() } else { vec![there] },
        display: Vec::new(),
        part_of: None,
        parts: Vec::new(),
        declined: Vec::new(),
    }
}

pub fn message(name: &str, to: Option<Assigned>) -> OrderMessage {
    let head = OrderHead { identity: identity(name), ..OrderHead::default() };
    let line = OrderLine { line: "1".into(), sku: "k1".into(), qty: units(2), ..OrderLine::default() };
    let body = OrderBody { lines: vec![line], ..OrderBody::default() };
    OrderMessage { to, head, body: postcard::to_stdvec(&body).unwrap() }
}

pub fn to(order: OrderId) -> Option<Assigned> {
    Some(Assigned { order, zone: "z".into() })
}

pub fn moved(node: Option<&str>, from: Unit, to: Unit, qty: i64) -> Change {
    Change::Units { node: node.map(str::to_owned), moves: vec![(0, from, to, units(qty))] }
}

pub fn applied(
    history: &mut History,
    label: &'static str,
    cause: &Position,
    changes: Vec<Change>,
    rows: Vec<Row>,
) {
    history.event(label, cause, None, Outcome::Applied, changes, rows);
}

/// A publication, its copies, and what the stages make of them.
pub fn publish(history: &mut History, label: &'static str, copy: &'static str, change: Reference) {
    let caller = history.caller(false);
    let meta = Meta { reply: Some(caller), ..Meta::default() };
    let published = Published { control: 0, change: change.clone() };
    let cause = history.then().input(label, Topic::Control, 0, meta, Command::Reference(published));
    let (carried, control) = (history.time(&cause), cause.offset);
    history.then();
    let mut copies = Vec::new();
    for topic in [Topic::Intake, Topic::Commands] {
        let partitions = match &change {
            Reference::Node(node) if topic == Topic::Commands => {
                let home = u16::from(node.zone != "z");
                home..home + 1
            }
            Reference::Rules(_) if topic == Topic::Intake => 0..0,
            _ => 0..PARTITIONS,
        };
        for partition in partitions {
            let meta = Meta { carried, ..Meta::default() };
            let published = Published { control, change: change.clone() };
            let body = Body::Command(meta.clone(), Box::new(Command::Reference(published)));
            copies.push(history.sent(copy, topic.clone(), partition, Some((Topic::Control, 0)), meta, body));
        }
    }
    history.reply("reply of control", &cause, caller, Answer::Published(control));
    history.event(
        "event of control",
        &cause,
        None,
        Outcome::Applied,
        Vec::new(),
        vec![Row::Reference(change)],
    );
    history.then();
    copies.iter().for_each(|copy| applied(history, "copy applied", copy, Vec::new(), Vec::new()));
}

/// An order comes to intake; its id and where.
pub fn placed(history: &mut History, label: &'static str, name: &str) -> (OrderId, Position, Accepted) {
    let caller = history.caller(false);
    let meta = Meta { reply: Some(caller), ..Meta::default() };
    let partition = identity(name).partition(PARTITIONS);
    let cause =
        history.then().input(label, Topic::Intake, partition, meta, Command::Place(message(name, None)));
    let order = OrderId::new(LOG, &Topic::Intake, partition, cause.offset);
    let accepted = Accepted { order, zone: Some("z".into()), position: cause.clone() };
    history.then();
    history.reply("reply of intake", &cause, caller, Answer::Accepted(accepted.clone()));
    (order, cause, accepted)
}

/// Intake passes a command on.
pub fn passed(history: &mut History, label: &'static str, cause: &Position, command: Command) -> Position {
    let meta = Meta { carried: history.time(cause), ..Meta::default() };
    let body = Body::Command(Meta::default(), Box::new(command));
    history.sent(label, Topic::Commands, 0, Some((Topic::Intake, cause.partition)), meta, body)
}

fn assignment(order: OrderId, event: &str, qty: i64) -> serde_json::Value {
    let lines = if qty > 0 { json!([{ "line": "1", "sku": "k1", "qty": qty }]) } else { json!([]) };
    json!({ "type": "assignment.v1", "event": event, "node": "n1", "order": order, "channel": "web", "lines": lines })
}

fn told(order: OrderId, event: &str, state: &str) -> serde_json::Value {
    json!({ "type": "notification.v1", "event": event, "order": order, "channel": "web", "state": state })
}

fn alert(event: &str, qty: i64) -> serde_json::Value {
    json!({ "type": "stock_alert.v1", "event": event, "node": "n1", "sku": "k1", "qty": qty })
}

/// Two units of an order are allocated at the store, which then has `on_hand` and has promised `promised`.
fn allocate(
    history: &mut History,
    [event, work, word]: [&'static str; 3],
    cause: &Position,
    (order, name): (OrderId, &str),
    (on_hand, promised): (i64, i64),
) {
    let state = OrderState::InFulfilment;
    let row = order_row(history, cause, order, name, state.clone(), [0, 2, 0, 0]);
    let changes = vec![
        moved(None, Unit::Outside, Unit::Open, 2),
        moved(Some("n1"), Unit::Open, Unit::Allocated, 2),
        Change::State(OrderState::Routing, state),
    ];
    let rows = vec![Row::Order(Box::new(row)), cell_row("k1", on_hand, promised)];
    history.event(event, cause, Some(order), Outcome::Applied, changes, rows);
    history.notice(work, Topic::Assignments, cause, assignment(order, "assigned", 2));
    history.notice(word, Topic::Notifications, cause, told(order, "confirmed", "in_fulfilment"));
}

/// The whole day.
pub fn day() -> History {
    let mut h = History::default();
    publish(&mut h, "zone", "copy of zone", Reference::Zone(Zone { id: "z".into(), partition: Some(0) }));
    let channel = Channel { id: "web".into(), default_zone: Some("z".into()), ..Channel::default() };
    publish(&mut h, "channel", "copy of channel", Reference::Channel(channel));
    let node = Node { id: "n1".into(), zone: "z".into(), enabled: true, ..Node::default() };
    publish(&mut h, "node", "copy of node", Reference::Node(Box::new(node)));

    let count = Command::Count(Count { cell: cell("k1"), qty: units(5), ..Count::default() });
    let caller = h.caller(false);
    let counted =
        h.then().input("count", Topic::Commands, 0, Meta { reply: Some(caller), ..Meta::default() }, count);
    h.then();
    applied(
        &mut h,
        "counted",
        &counted,
        vec![stock("k1", StockCause::Count, 5, Some(5))],
        vec![cell_row("k1", 5, 0)],
    );
    h.reply("reply of engine", &counted, caller, Answer::Done);

    let (one, cause, accepted) = placed(&mut h, "place 1", "1");
    let place = passed(&mut h, "pass 1", &cause, Command::Place(message("1", to(one))));
    h.then();
    allocate(&mut h, ["placed 1", "work 1", "confirmed 1"], &place, (one, "1"), (5, 2));

    // The same again: the same answer.
    let caller = h.caller(false);
    let meta = Meta { reply: Some(caller), ..Meta::default() };
    let again = Command::Place(message("1", None));
    let again = h.then().input("again", Topic::Intake, cause.partition, meta, again);
    h.then();
    h.reply("reply to repeat", &again, caller, Answer::Repeat(accepted));
    h.event("repeated", &again, Some(one), Outcome::Repeat, Vec::new(), Vec::new());

    // A cancel that comes before its order.
    let partition = identity("2").partition(PARTITIONS);
    let cancel = Cancel { identity: identity("2"), ..Cancel::default() };
    let early =
        h.then().input("early", Topic::Intake, partition, Meta::default(), Command::Cancel(cancel.clone()));
    h.then().event("kept", &early, None, Outcome::Early, Vec::new(), Vec::new());
    let (two, cause, ..) = placed(&mut h, "place 2", "2");
    let place = passed(&mut h, "pass 2", &cause, Command::Place(message("2", to(two))));
    let cancel = passed(&mut h, "pass cancel", &cause, Command::Cancel(Cancel { to: to(two), ..cancel }));
    h.then();
    allocate(&mut h, ["placed 2", "work 2", "confirmed 2"], &place, (two, "2"), (5, 4));
    let changes = vec![
        moved(Some("n1"), Unit::Allocated, Unit::Cancelled, 2),
        Change::State(OrderState::InFulfilment, OrderState::Cancelled),
    ];
    let row = order_row(&h, &cancel, two, "2", OrderState::Cancelled, [0, 0, 0, 2]);
    let rows = vec![Row::Order(Box::new(row)), cell_row("k1", 5, 2)];
    h.event("cancelled", &cancel, Some(two), Outcome::Applied, changes, rows);
    h.notice("withdrawn", Topic::Assignments, &cancel, assignment(two, "withdrawn", 0));
    h.notice("told of cancel", Topic::Notifications, &cancel, told(two, "cancelled", "cancelled"));

    // A recount leaves the cell oversold; a receipt heals it.
    let count = Command::Count(Count { cell: cell("k1"), qty: units(1), ..Count::default() });
    let count = h.then().input("recount", Topic::Commands, 0, Meta::default(), count);
    h.then();
    let changes = vec![
        stock("k1", StockCause::Count, -4, Some(1)),
        Change::Exception(Exception::Oversold(cell("k1"), units(1))),
        Change::Exception(Exception::Drift(cell("k1"), units(-4))),
    ];
    applied(&mut h, "recounted", &count, changes, vec![cell_row("k1", 1, 2)]);
    h.notice("oversold", Topic::StockAlerts, &count, alert("oversold", 1));
    h.notice("drift", Topic::StockAlerts, &count, alert("drift", -4));
    let receipt = Command::Receipt(Movement { cell: cell("k1"), qty: units(3), key: None });
    let receipt = h.then().input("receipt", Topic::Commands, 0, Meta::default(), receipt);
    h.then();
    let changes = vec![stock("k1", StockCause::Receipt, 3, None), Change::Recovered(cell("k1"))];
    applied(&mut h, "received", &receipt, changes, vec![cell_row("k1", 4, 2)]);
    h.notice("recovered", Topic::StockAlerts, &receipt, alert("recovered", 0));

    let shipped = Command::Shipped(NodeFact { order: one, node: "n1".into(), ..NodeFact::default() });
    let shipped = h.then().input("ship", Topic::Commands, 0, Meta::default(), shipped);
    h.then();
    let changes = vec![
        stock("k1", StockCause::Shipment, -2, Some(-2)),
        moved(Some("n1"), Unit::Allocated, Unit::Shipped, 2),
        Change::State(OrderState::InFulfilment, OrderState::Completed),
    ];
    let row = order_row(&h, &shipped, one, "1", OrderState::Completed, [0, 0, 2, 0]);
    let rows = vec![Row::Order(Box::new(row)), cell_row("k1", 2, 0)];
    h.event("shipped", &shipped, Some(one), Outcome::Applied, changes, rows);
    h.notice("told of shipment", Topic::Notifications, &shipped, told(one, "shipped", "completed"));

    // An order that no zone is known for.
    let partition = identity("3").partition(PARTITIONS);
    let lost = Command::Place(message("3", None));
    let lost = h.then().input("place 3", Topic::Intake, partition, Meta::default(), lost);
    let three = OrderId::new(LOG, &Topic::Intake, partition, lost.offset);
    h.then();
    let row = order_row(&h, &lost, three, "3", OrderState::Parked(Queue::NoZone), [2, 0, 0, 0]);
    h.event("parked", &lost, Some(three), Outcome::NoZone, Vec::new(), vec![Row::Order(Box::new(row))]);

    // Bytes that do not decode, and a record that an operator passes over.
    let raw = Body::Raw(vec![9, 9, 9]);
    let raw = h.then().sent("raw", Topic::Commands, 1, None, Meta::default(), raw);
    h.then().event("refused", &raw, None, Outcome::Refused(Refusal::Undecodable), Vec::new(), Vec::new());
    h.letter("letter", &raw);
    let receipt = Command::Receipt(Movement { cell: cell("k9"), qty: units(1), key: None });
    let bad = h.then().input("bad", Topic::Commands, 1, Meta::default(), receipt);
    h.passed_over(&bad);
    let skip = h.then().input("skip", Topic::Control, 0, Meta::default(), Command::Skip(bad.clone()));
    h.then().event("skip taken", &skip, None, Outcome::Applied, Vec::new(), Vec::new());
    h.event("skipped", &bad, None, Outcome::Refused(Refusal::Skipped), Vec::new(), Vec::new());
    h.then().input("tick", Topic::Commands, 0, Meta::default(), Command::Tick);
    h
}
