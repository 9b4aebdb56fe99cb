//! The lies: each with its code, and where it is.

use router_schemas::{
    command::{Command, reference::Reference},
    event::{Change, OrderState, Outcome},
    id::OrderId,
    position::{Position, Topic},
    refusal::Refusal,
    reply::Answer,
    row::Row,
};
use serde_json::json;

use crate::{
    day::{cell_row, identity, order_row, units},
    history::{self, Body, History},
};

pub(crate) type Lie = fn(&mut History) -> Position;

/// Name, code, and the lie, which says where it is.
pub(crate) const LIES: &[(&str, &str, Lie)] = &[
    ("a request takes what is not there", "E2301", |h| {
        // The count found one unit only, and the rows follow the sums.
        change(h, "counted", |event| {
            let Change::Stock(stock) = &mut event.changes[0] else { panic!() };
            stock.on_hand = units(1);
            event.rows = vec![cell_row("k1", 1, 0)];
        });
        at(h, "placed 1")
    }),
    ("a retry takes what is not there", "E2301", |h| {
        change(h, "counted", |event| {
            let Change::Stock(stock) = &mut event.changes[0] else { panic!() };
            stock.on_hand = units(1);
            event.rows = vec![cell_row("k1", 1, 0)];
        });
        change(h, "placed 1", |event| (event.item, event.outcome) = (1, None));
        at(h, "placed 1")
    }),
    ("on hand of a row", "E2302", |h| {
        change(h, "received", |event| event.rows = vec![cell_row("k1", 9, 2)]);
        at(h, "received")
    }),
    ("what is promised of a row", "E2302", |h| {
        change(h, "cancelled", |event| event.rows[1] = cell_row("k1", 5, 4));
        at(h, "cancelled")
    }),
    ("what is available of a row", "E2302", |h| {
        change(h, "received", |event| {
            let Row::Cell(row) = &mut event.rows[0] else { panic!() };
            row.atp = units(7);
        });
        at(h, "received")
    }),
    ("goods leave and stay", "E2302", |h| {
        change(h, "shipped", |event| drop(event.changes.remove(0)));
        at(h, "shipped")
    }),
    ("units of a line vanish", "E2303", |h| {
        change(h, "placed 1", |event| {
            let Change::Units { moves, .. } = &mut event.changes[0] else { panic!() };
            moves[0].3 = units(3);
        });
        at(h, "placed 1")
    }),
    ("a row's line does not add up", "E2303", |h| {
        order(h, "shipped", |row| row.lines[0].ordered = units(4));
        at(h, "shipped")
    }),
    ("more is returned than was shipped", "E2303", |h| {
        order(h, "shipped", |row| row.lines[0].returned = units(3));
        at(h, "shipped")
    }),
    ("a fulfilment that nobody moved", "E2303", |h| {
        order(h, "placed 1", |row| row.fulfilments[0].picked = units(1));
        at(h, "placed 1")
    }),
    ("an accepted order has no row", "E2304", |h| {
        change(h, "placed 1", |event| event.outcome = Some(Outcome::Refused(Refusal::Level)));
        at(h, "placed 1")
    }),
    ("a parked order has no row", "E2304", |h| {
        change(h, "parked", |event| event.rows.clear());
        at(h, "parked")
    }),
    ("a command without outcome", "E2305", |h| {
        h.without("received");
        at(h, "receipt")
    }),
    ("a command of intake that led nowhere", "E2305", |h| {
        h.without("repeated");
        at(h, "again")
    }),
    ("two outcomes", "E2305", |h| h.twice("recounted")),
    ("an outcome of nothing", "E2305", |h| {
        change(h, "skipped", |event| event.cause.offset += 9);
        at(h, "skipped")
    }),
    ("an outcome out of turn", "E2305", |h| {
        let cause = h.line("counted").event().cause.clone();
        change(h, "received", |event| event.cause = cause);
        at(h, "received")
    }),
    ("one platform order, two ids", "E2306", |h| {
        let (_, command) = h.line("pass 2").command();
        let Command::Place(message) = command else { panic!() };
        message.head.identity = identity("1");
        at(h, "pass 2")
    }),
    ("a number is missing", "E2307", |h| {
        h.line("received").ahead = 1;
        at(h, "received")
    }),
    ("the time of an event", "E2308", |h| {
        change(h, "received", |event| event.time += 1);
        at(h, "received")
    }),
    ("a changed order has no row", "E2308", |h| {
        change(h, "shipped", |event| drop(event.rows.remove(0)));
        at(h, "shipped")
    }),
    ("a changed cell has no row", "E2308", |h| {
        change(h, "received", |event| event.rows.clear());
        at(h, "received")
    }),
    ("an event that does not decode", "E2309", |h| {
        let line = h.line("received");
        line.body = Body::Raw(vec![1, 2, 0, 255]);
        at(h, "received")
    }),
    ("oversold in silence", "E2310", |h| {
        change(h, "recounted", |event| drop(event.changes.remove(1)));
        at(h, "recounted")
    }),
    ("recovered, and never said", "E2310", |h| {
        change(h, "received", |event| drop(event.changes.remove(1)));
        at(h, "received")
    }),
    ("oversold, said twice", "E2310", |h| {
        change(h, "recounted", |event| {
            let again = event.changes[1].clone();
            event.changes.push(again);
        });
        at(h, "recounted")
    }),
    ("an order under another id", "E2311", |h| {
        let (_, command) = h.line("pass 1").command();
        let Command::Place(message) = command else { panic!() };
        message.to.as_mut().unwrap().order = OrderId::new(history::LOG, &Topic::Intake, 0, 77);
        at(h, "pass 1")
    }),
    ("passed on twice", "E2311", |h| h.twice("pass cancel")),
    ("passed on by nothing", "E2311", |h| {
        h.line("pass 1").command().0.carried -= 1;
        at(h, "pass 1")
    }),
    ("passed to the wrong partition", "E2311", |h| {
        // Only where zone `z` lives is wrong: everything there is right.
        for label in ["zone", "event of control"] {
            if let Body::Event(event) = &mut h.line(label).body {
                zone(&mut event.rows[0], 1);
            }
        }
        for line in h.lines.iter_mut().filter(|line| line.label == "copy of zone") {
            let Command::Reference(published) = line.command().1 else { panic!() };
            let Reference::Zone(zone) = &mut published.change else { panic!() };
            zone.partition = Some(1);
        }
        at(h, "copy of node in commands")
    }),
    ("a copy is missing", "E2312", |h| {
        // The last record of that partition: nothing behind it moves.
        let extra = h.lines.iter().find(|line| line.label == "channel").unwrap().position();
        let Command::Reference(published) = h.line("copy of channel").command().1 else { panic!() };
        published.control += 1;
        extra
    }),
    ("a copy differs", "E2312", |h| {
        let line = h.lines.iter_mut().rfind(|line| line.label == "copy of channel").unwrap();
        let Command::Reference(published) = line.command().1 else { panic!() };
        let Reference::Channel(channel) = &mut published.change else { panic!() };
        channel.groups.push("other".into());
        // The event of the publication comes behind its copies.
        let control = h.lines.iter().filter(|line| line.label == "event of control").nth(1);
        control.unwrap().position()
    }),
    ("a reply is missing", "E2313", |h| {
        h.without("reply of engine");
        at(h, "count")
    }),
    ("a reply comes twice", "E2313", |h| h.twice("reply of engine")),
    ("a reply says other than happened", "E2313", |h| {
        h.line("reply of engine").reply().answer = Answer::Early;
        at(h, "reply of engine")
    }),
    ("a repeat is answered with another order", "E2313", |h| {
        let Answer::Repeat(accepted) = &mut h.line("reply to repeat").reply().answer else { panic!() };
        accepted.order = OrderId::new(history::LOG, &Topic::Intake, 0, 77);
        at(h, "reply to repeat")
    }),
    ("a reply goes to someone else", "E2313", |h| {
        h.line("reply of engine").reply().correlation = [99; 16];
        at(h, "reply of engine")
    }),
    ("a store was never told", "E2314", |h| {
        let order = h.line("withdrawn").notice()["order"].as_str().unwrap().parse::<OrderId>().unwrap();
        h.without("withdrawn");
        order.position().unwrap()
    }),
    ("a store was told too much", "E2314", |h| {
        h.line("work 1").notice()["lines"][0]["qty"] = json!(3);
        let order = h.line("placed 1").event().order.unwrap();
        order.position().unwrap()
    }),
    ("a cancelled order, and silence", "E2315", |h| {
        h.without("told of cancel");
        let order = h.line("placed 2").event().order.unwrap();
        order.position().unwrap()
    }),
    ("confirmed twice", "E2315", |h| h.twice("confirmed 1")),
    ("an exception without alert", "E2316", |h| {
        h.without("oversold");
        at(h, "recounted")
    }),
    ("an alert without exception", "E2316", |h| {
        h.line("recovered").notice()["event"] = json!("drift");
        at(h, "recovered")
    }),
    ("no dead letter", "E2317", |h| {
        h.without("letter");
        at(h, "raw")
    }),
    ("passed over without a word", "E2318", |h| {
        let (_, command) = h.line("skip").command();
        *command = Command::Skip(Position::new(Topic::Commands, 0, 0));
        at(h, "bad")
    }),
    ("passed over, and yet it did something", "E2318", |h| {
        change(h, "skipped", |event| event.changes.push(Change::Amended(None)));
        at(h, "skipped")
    }),
    ("a state that does not follow", "E2319", |h| {
        let state = OrderState::InFulfilment;
        order(h, "shipped", |row| row.state = state);
        change(h, "shipped", |event| drop(event.changes.pop()));
        at(h, "shipped")
    }),
    ("a state from nowhere", "E2319", |h| {
        change(h, "shipped", |event| {
            event.changes[2] = Change::State(OrderState::Scheduled, OrderState::Completed);
        });
        at(h, "shipped")
    }),
    ("a closed order reopens", "E2319", |h| {
        // The last word on order 2 is another row of it, opened again, with nothing moved.
        let cause = h.line("recounted").event().cause.clone();
        let id = h.line("placed 2").event().order.unwrap();
        let row = order_row(h, &cause, id, "2", OrderState::InFulfilment, [0, 2, 0, 0]);
        change(h, "recounted", |event| {
            event.order = Some(id);
            event.changes.push(Change::State(OrderState::Cancelled, OrderState::InFulfilment));
            event.rows.push(Row::Order(Box::new(row)));
        });
        at(h, "recounted")
    }),
];

pub(crate) fn at(history: &History, label: &str) -> Position {
    let commands = |line: &&history::Line| {
        format!("{} in commands", line.label) == label && line.target.topic == Topic::Commands
    };
    let found = history.lines.iter().find(|line| line.label == label);
    found
        .or_else(|| history.lines.iter().find(commands))
        .unwrap_or_else(|| panic!("no line {label}"))
        .position()
}

pub(crate) fn change(
    history: &mut History,
    label: &str,
    change: impl FnOnce(&mut router_schemas::event::Event),
) {
    change(history.line(label).event());
}

fn order(history: &mut History, label: &str, change: impl FnOnce(&mut router_schemas::row::OrderRow)) {
    let rows = &mut history.line(label).event().rows;
    let row = rows.iter_mut().find_map(|row| if let Row::Order(row) = row { Some(row) } else { None });
    change(row.unwrap());
}

fn zone(row: &mut Row, partition: u16) {
    if let Row::Reference(Reference::Zone(zone)) = row {
        zone.partition = Some(partition);
    }
}
