//! The lies about what is held, offered, declined and sent to other zones: each with its code, and where it is.

use router_schemas::{
    command::{
        Command,
        order::OrderMessage,
        part::{PartRef, PartReport},
        reference::Reference,
    },
    event::{Change, Event, OfferChange, OfferStep, OrderState, Unit},
    id::OrderId,
    row::{CellRow, HoldRow, OfferRow, OrderRow, PoolRow, Row},
};
use serde_json::json;

use crate::{
    day::{moved, units},
    history::{Body, History},
    table::{Lie, at, change},
};

/// As [`crate::table::LIES`].
pub(crate) const CLAIMS: &[(&str, &str, Lie)] = &[
    ("what is held of a cell's row", "E2302", |h| {
        cell(h, "reserved", |row| (row.held, row.atp) = (units(2), units(8)));
        at(h, "reserved")
    }),
    ("a hold of units that nobody moved", "E2320", |h| {
        hold(h, "reserved", |row| row.lines[0].4 = units(4));
        at(h, "reserved")
    }),
    ("a hold that is over and holds on", "E2320", |h| {
        let lines = hold(h, "reserved", |_| {}).lines;
        change(h, "hold lapsed", |event| {
            let Change::Hold(change) = &mut event.changes[0] else { panic!() };
            change.moves.clear();
        });
        hold(h, "hold lapsed", |row| row.lines = lines);
        at(h, "hold lapsed")
    }),
    ("a hold that ends at another time than it is said to", "E2320", |h| {
        hold(h, "reserved", |row| row.deadline = row.deadline.map(|at| at + 1));
        at(h, "reserved")
    }),
    ("a pool of more than is held", "E2320", |h| {
        pool(h, "reserved", |row| row.held = units(5));
        at(h, "reserved")
    }),
    ("held for an order, and not offered", "E2320", |h| {
        offer(h, "offered 4", |row| row.lines[0].1 = units(1));
        at(h, "offered 4")
    }),
    ("a hold lapses before its time", "E2321", |h| {
        hold(h, "reserved", |row| (row.expires, row.deadline) = later(row.expires));
        at(h, "hold lapsed")
    }),
    ("a hold lapses in an outage", "E2321", |h| {
        // No tick but the one that is too late: service time stood still.
        *h.line("tick before").command().1 = Command::Continue;
        at(h, "hold lapsed")
    }),
    ("an offer lapses before its time", "E2321", |h| {
        opened(h, "offered 5", |_, _, expires| *expires = later(*expires).0);
        offer(h, "offered 5", |row| (row.expires, row.deadline) = later(row.expires));
        offer(h, "offer lapsed", |row| (row.expires, row.deadline) = later(row.expires));
        at(h, "offer lapsed")
    }),
    ("a claim of an older epoch", "E2322", |h| {
        let Command::Claim(claim) = h.line("claim").command().1 else { panic!() };
        claim.epoch = 0;
        at(h, "claimed")
    }),
    ("a claim of another node", "E2322", |h| {
        let Command::Claim(claim) = h.line("claim").command().1 else { panic!() };
        claim.node = "n1".into();
        at(h, "claimed")
    }),
    ("claimed by nobody", "E2322", |h| {
        *h.line("claim").command().1 = Command::Node(Default::default());
        at(h, "claimed")
    }),
    ("a claim that comes too late", "E2322", |h| {
        let created = offer(h, "offered 4", |_| {}).created_at;
        opened(h, "offered 4", |_, _, expires| *expires = Some(created + 1));
        for label in ["offered 4", "declined", "claimed"] {
            offer(h, label, |row| row.expires = Some(created + 1));
        }
        at(h, "claimed")
    }),
    ("two winners", "E2322", |h| {
        change(h, "claimed", |event| {
            let mut again = event.changes[0].clone();
            let Change::Offer(step) = &mut again else { panic!() };
            step.what = OfferStep::Claimed("n1".into());
            event.changes.insert(1, again);
        });
        at(h, "claimed")
    }),
    ("given without a claim", "E2322", |h| {
        change(h, "claimed", |event| drop(event.changes.remove(0)));
        at(h, "claimed")
    }),
    ("an offer that goes on after its end", "E2322", |h| {
        change(h, "offer lapsed", |event| {
            let Change::Offer(step) = &event.changes[1] else { panic!() };
            let what = OfferStep::Opened(1, vec!["n1".into()], None);
            event.changes.insert(2, Change::Offer(OfferChange { epoch: 2, what, ..step.clone() }));
        });
        at(h, "offer lapsed")
    }),
    ("a row of another round", "E2322", |h| {
        offer(h, "offered 4", |row| row.round = 3);
        at(h, "offered 4")
    }),
    ("a row with a node that was never asked", "E2322", |h| {
        offer(h, "claimed", |row| {
            let entry = row.nodes[0].1;
            row.nodes.push(("n9".into(), entry));
        });
        at(h, "claimed")
    }),
    ("a row that says otherwise of a node", "E2322", |h| {
        offer(h, "declined", |row| row.nodes[0].1 = row.nodes[1].1);
        at(h, "declined")
    }),
    ("a decline is forgotten: asked again", "E2323", |h| {
        change(h, "claimed", |event| again(event, 0, &["n1", "n2"]));
        at(h, "claimed")
    }),
    ("a decline is forgotten: given work", "E2323", |h| {
        change(h, "declined", |event| event.changes.push(moved(Some("n1"), Unit::Open, Unit::Allocated, 1)));
        at(h, "declined")
    }),
    ("work is given back, and given again", "E2323", |h| {
        change(h, "asked back", |event| {
            event.changes.push(Change::GivenBack("n2".into(), "busy".into(), vec![(0, units(1))]));
            event.changes.push(moved(Some("n2"), Unit::Picked, Unit::Open, 1));
            event.changes.push(moved(Some("n2"), Unit::Open, Unit::Allocated, 1));
        });
        at(h, "asked back")
    }),
    ("the only one lapses, and is asked again", "E2323", |h| {
        change(h, "offer lapsed", |event| again(event, 1, &["n2"]));
        at(h, "offer lapsed")
    }),
    ("a part that home never sent", "E2324", |h| {
        change(h, "sent", |event| drop(event.changes.remove(2)));
        at(h, "part")
    }),
    ("home has more away than its parts", "E2324", |h| {
        order(h, "report 1 taken", |row| row.parts[0].away.clear());
        at(h, "report 1 taken")
    }),
    ("home takes a report that never came", "E2324", |h| {
        order(h, "report 2 taken", |row| row.parts[0].report = 3);
        at(h, "report 1")
    }),
    ("a report that leaves units out", "E2324", |h| {
        report(h, "report 1").lines[0].allocated = units(1);
        at(h, "report 1")
    }),
    ("a report of what the part does not have", "E2324", |h| {
        let line = &mut report(h, "report 2").lines[0];
        (line.shipped, line.allocated) = (units(1), units(1));
        at(h, "report 1")
    }),
    ("an older report comes later", "E2324", |h| {
        report(h, "report 2").report = 1;
        at(h, "report 2")
    }),
    ("a part that is two orders", "E2324", |h| {
        let of =
            |order: &OrderRow, part| Some((PartRef { order: order.order, part, attempt: 1 }, "z".into()));
        order(h, "placed 1", |row| row.part_of = of(row, 1));
        order(h, "shipped", |row| row.part_of = of(row, 2));
        at(h, "shipped")
    }),
    ("a decision by rules that were never published", "E2325", |h| {
        decision(h, "offered 4", |version, _| *version = 9);
        at(h, "offered 4")
    }),
    ("a decision that knew another control position", "E2325", |h| {
        decision(h, "offered 4", |_, control| *control -= 1);
        at(h, "offered 4")
    }),
    ("a decision by rules of another zone", "E2325", |h| {
        for line in &mut h.lines {
            match &mut line.body {
                Body::Command(_, command) => {
                    if let Command::Reference(published) = &mut **command {
                        rules(&mut published.change);
                    }
                }
                Body::Event(event) => {
                    for row in &mut event.rows {
                        if let Row::Reference(change) = row {
                            rules(change);
                        }
                    }
                }
                _ => {}
            }
        }
        at(h, "offered 4")
    }),
    ("a node is offered, and not told", "E2326", |h| {
        h.without("n1 is asked");
        at(h, "n1 is out")
    }),
    ("a node is not told that it is over", "E2326", |h| {
        h.without("n2 is out of 5");
        at(h, "n2 is asked for 5")
    }),
    ("a node is told another reason", "E2326", |h| {
        h.line("n1 is out").notice()["reason"] = json!("taken");
        at(h, "n1 is out")
    }),
    ("a node is told of an offer that it never had", "E2326", |h| {
        h.line("n2 is asked for 5").notice()["node"] = json!("n3");
        at(h, "n2 is asked for 5")
    }),
    ("a node is asked to give units back in silence", "E2326", |h| {
        h.without("told to give back");
        at(h, "asked back")
    }),
    ("a node is told to give units back, and nobody asked", "E2326", |h| {
        change(h, "asked back", |event| event.changes.clear());
        at(h, "told to give back")
    }),
    ("a hold without its row", "E2308", |h| {
        change(h, "reserved", |event| event.rows.retain(|row| !matches!(row, Row::Hold(_))));
        at(h, "reserved")
    }),
    ("an offer without its row", "E2308", |h| {
        change(h, "declined", |event| event.rows.retain(|row| !matches!(row, Row::Offer(_))));
        at(h, "declined")
    }),
    ("a node's row that nothing led to", "E2308", |h| {
        change(h, "paused", |event| event.changes.clear());
        at(h, "paused")
    }),
    ("an offered order that is said to be in fulfilment", "E2319", |h| {
        let state = OrderState::InFulfilment;
        order(h, "declined", |row| row.state = state.clone());
        change(h, "declined", |event| event.changes.push(Change::State(OrderState::Offered, state)));
        at(h, "declined")
    }),
    ("a channel's policy that nobody stated", "E2312", |h| {
        h.line("policy passed").command().0.carried -= 1;
        at(h, "policy passed")
    }),
    ("reserved under another id", "E2311", |h| {
        let Command::Reserve(reserve) = h.line("pass reserve").command().1 else { panic!() };
        reserve.to.as_mut().unwrap().order = OrderId::default();
        at(h, "pass reserve")
    }),
    ("placed under another id than was reserved for", "E2306", |h| {
        let Command::Place(OrderMessage { to, .. }) = h.line("pass 4").command().1 else { panic!() };
        to.as_mut().unwrap().order = OrderId::default();
        at(h, "pass 4")
    }),
];

fn later(expires: Option<i64>) -> (Option<i64>, Option<i64>) {
    let later = expires.map(|at| at + 60_000);
    (later, later)
}

/// The offer of an event's change is opened again for these nodes.
fn again(event: &mut Event, place: usize, nodes: &[&str]) {
    let Change::Offer(step) = &event.changes[place] else { panic!("no offer") };
    let nodes = nodes.iter().map(|node| (*node).to_owned()).collect();
    let step = OfferChange { epoch: 2, what: OfferStep::Opened(1, nodes, None), ..step.clone() };
    event.changes.insert(place, Change::Offer(step));
}

fn row<T: Clone>(
    h: &mut History,
    label: &str,
    find: fn(&mut Row) -> Option<&mut T>,
    change: impl FnOnce(&mut T),
) -> T {
    let found = h.line(label).event().rows.iter_mut().find_map(find).expect("a row of the kind");
    change(found);
    found.clone()
}

fn cell(h: &mut History, label: &str, change: impl FnOnce(&mut CellRow)) -> CellRow {
    row(h, label, |row| if let Row::Cell(row) = row { Some(row) } else { None }, change)
}

fn hold(h: &mut History, label: &str, change: impl FnOnce(&mut HoldRow)) -> HoldRow {
    row(h, label, |row| if let Row::Hold(row) = row { Some(row) } else { None }, change)
}

fn pool(h: &mut History, label: &str, change: impl FnOnce(&mut PoolRow)) -> PoolRow {
    row(h, label, |row| if let Row::Pool(row) = row { Some(row) } else { None }, change)
}

fn offer(h: &mut History, label: &str, change: impl FnOnce(&mut OfferRow)) -> OfferRow {
    row(h, label, |row| if let Row::Offer(row) = row { Some(&mut **row) } else { None }, change)
}

fn order(h: &mut History, label: &str, change: impl FnOnce(&mut OrderRow)) -> OrderRow {
    row(h, label, |row| if let Row::Order(row) = row { Some(&mut **row) } else { None }, change)
}

fn opened(h: &mut History, label: &str, alter: impl FnOnce(&mut u32, &mut Vec<String>, &mut Option<i64>)) {
    let changes = &mut h.line(label).event().changes;
    let found = changes.iter_mut().find_map(|change| match change {
        Change::Offer(OfferChange { what: OfferStep::Opened(round, nodes, expires), .. }) => {
            Some((round, nodes, expires))
        }
        _ => None,
    });
    let (round, nodes, expires) = found.expect("an offer that opens");
    alter(round, nodes, expires);
}

fn decision(h: &mut History, label: &str, alter: impl FnOnce(&mut u32, &mut u64)) {
    let changes = &mut h.line(label).event().changes;
    let found = changes.iter_mut().find_map(|change| match change {
        Change::Decided(decision) => Some(decision),
        _ => None,
    });
    let decision = found.expect("a decision");
    alter(&mut decision.version, &mut decision.control);
}

fn report<'a>(h: &'a mut History, label: &str) -> &'a mut PartReport {
    let Command::PartReport(report) = h.line(label).command().1 else { panic!("no report") };
    report
}

/// The rule set is published for another zone.
fn rules(change: &mut Reference) {
    if let Reference::Rules(set) = change {
        set.zones = vec!["y".into()];
    }
}
