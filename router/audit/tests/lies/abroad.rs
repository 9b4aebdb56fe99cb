//! An order of the evening that goes to another zone as a part, and the messages between the zones.

use router_schemas::{
    command::{
        Command,
        fulfilment::NodeFact,
        part::{Part, PartLine, PartRef, PartReport},
        stock::CellName,
    },
    envelope::Meta,
    event::{Change, OrderState, Outcome, PartChange, PartStep, StockCause, StockChange, Unit},
    id::OrderId,
    position::{Position, Topic},
    quantity::Qty,
    row::PartRow,
};

use crate::{
    day::{message, moved, passed, placed, to, units},
    evening::{at_node, cell, row, work},
    history::{Body, History, LOG},
};

/// An order goes to another zone, which ships it.
pub fn part(h: &mut History) {
    let (home, cause, _) = placed(h, "place 6", "6");
    let cause = passed(h, "pass 6", &cause, Command::Place(message("6", to(home))));
    h.then();
    let part = PartRef { order: home, part: 1, attempt: 1 };
    let news = |what| Change::Part(PartChange { part: part.clone(), zone: "y".into(), what });
    let of = |h: &History, cause: &Position, state, report, away: i64, shipped: i64| {
        row(h, cause, (home, "6", "k1"), state, |row| {
            (row.lines[0].away, row.lines[0].shipped) = (units(away), units(shipped));
            let away = if away > 0 { vec![(0, units(away))] } else { Vec::new() };
            row.parts =
                vec![PartRow { part: 1, attempt: 1, zone: "y".into(), report, away, ..PartRow::default() }];
        })
    };
    let (working, done) = (OrderState::InFulfilment, OrderState::Completed);
    let changes = vec![
        moved(None, Unit::Outside, Unit::Open, 2),
        moved(None, Unit::Open, Unit::Away, 2),
        news(PartStep::Sent),
        Change::State(OrderState::Routing, working.clone()),
    ];
    let rows = vec![of(h, &cause, working.clone(), 0, 2, 0)];
    h.event("sent", &cause, Some(home), Outcome::Applied, changes, rows);
    let sent = Part {
        part: part.clone(),
        home: "z".into(),
        zone: "y".into(),
        visited: Vec::new(),
        message: message("6", None),
    };
    let cause = between(h, "part", &cause, 1, Command::Part(sent));
    let own = OrderId::new(LOG, &Topic::Commands, 1, cause.offset);
    let there = |h: &History, cause: &Position, state, allocated: i64, shipped: i64| {
        row(h, cause, (own, "6", "k3"), state, |row| {
            row.zone = "y".into();
            row.part_of = Some((part.clone(), "z".into()));
            (row.lines[0].allocated, row.lines[0].shipped) = (units(allocated), units(shipped));
            at_node(row, "n3", |f| (f.allocated, f.shipped) = (units(allocated), units(shipped)));
        })
    };
    let report = |number, allocated: i64, shipped: i64| {
        let [allocated, shipped] = [allocated, shipped].map(units);
        let lines = vec![PartLine { line: "1".into(), allocated, shipped, ..PartLine::default() }];
        Command::PartReport(PartReport {
            part: part.clone(),
            home: "z".into(),
            report: number,
            lines,
            tracking: None,
        })
    };
    h.then();
    let changes = vec![
        moved(None, Unit::Outside, Unit::Open, 2),
        moved(Some("n3"), Unit::Open, Unit::Allocated, 2),
        Change::State(OrderState::Routing, working.clone()),
    ];
    let rows = vec![there(h, &cause, working.clone(), 2, 0), cell("n3", "k3", [5, 2, 0])];
    h.event("part taken", &cause, Some(own), Outcome::Applied, changes, rows);
    h.notice("work of part", Topic::Assignments, &cause, work(own, "assigned", "n3", 2));
    let told = between(h, "report 1", &cause, 0, report(1, 2, 0));
    h.then();
    let rows = vec![of(h, &told, working.clone(), 1, 2, 0)];
    h.event("report 1 taken", &told, Some(home), Outcome::Applied, vec![news(PartStep::Reported)], rows);

    let shipped = Command::Shipped(NodeFact { order: own, node: "n3".into(), ..NodeFact::default() });
    let cause = h.then().input("ship part", Topic::Commands, 1, Meta::default(), shipped);
    h.then();
    let left = StockChange {
        cell: CellName { node: "n3".into(), sku: "k3".into(), bucket: String::new() },
        cause: StockCause::Shipment,
        on_hand: units(-2),
        blocked: Qty::ZERO,
        stated: Some(units(-2)),
    };
    let changes = vec![
        Change::Stock(left),
        moved(Some("n3"), Unit::Allocated, Unit::Shipped, 2),
        Change::State(working.clone(), done.clone()),
    ];
    let rows = vec![there(h, &cause, done.clone(), 0, 2), cell("n3", "k3", [3, 0, 0])];
    h.event("part shipped", &cause, Some(own), Outcome::Applied, changes, rows);
    let told = between(h, "report 2", &cause, 0, report(2, 0, 2));
    h.then();
    let changes = vec![
        moved(None, Unit::Away, Unit::Shipped, 2),
        news(PartStep::Reported),
        Change::State(working, done.clone()),
    ];
    let rows = vec![of(h, &told, done, 2, 0, 2)];
    h.event("report 2 taken", &told, Some(home), Outcome::Applied, changes, rows);
}

/// What one engine sends another because of a command.
fn between(
    h: &mut History,
    label: &'static str,
    cause: &Position,
    partition: u16,
    command: Command,
) -> Position {
    let meta = Meta { carried: h.time(cause), ..Meta::default() };
    let body = Body::Command(Meta::default(), Box::new(command));
    h.sent(label, Topic::Commands, partition, Some((Topic::Commands, cause.partition)), meta, body)
}
