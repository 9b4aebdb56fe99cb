//! Robots over an engine that gave the work to another node than real history did.

use std::collections::BTreeMap;

use router_engine::engine::Engine;
use router_schemas::{
    command::{
        Assigned, Command,
        fulfilment::NodeFact,
        offer::{Claim, Decline},
        order::{LineQty, OrderBody, OrderHead, OrderLine, OrderMessage},
        reference::{self, Published, Reference},
        stock::{CellName, Count},
    },
    event::OrderState,
    id::{Identity, OrderId},
    position::{LogId, Topic},
    quantity::Qty,
    stage::Topology,
};

use super::{robots::Robots, world::World};

const LOG: LogId = LogId([7; 16]);

/// A zone with the nodes `a` and `b`; all stock is at `b`.
fn world() -> World {
    let topology = Topology { log: LOG, intake: 1, commands: 1, events: 1 };
    let engines = BTreeMap::from([(0, Box::new(Engine::new(topology, 0)))]);
    let mut world = World::new(topology, engines);
    let node = |id: &str| {
        let modes = vec![Default::default()];
        Reference::Node(Box::new(reference::Node {
            id: id.into(),
            zone: "z".into(),
            enabled: true,
            modes,
            ..Default::default()
        }))
    };
    let channel = reference::Channel { id: "web".into(), ..Default::default() };
    let zone = reference::Zone { id: "z".into(), partition: Some(0) };
    for change in [Reference::Zone(zone), Reference::Channel(channel), node("a"), node("b")] {
        world.say(0, 1, &Command::Reference(Published { control: 1, change })).unwrap();
    }
    for sku in ["x", "y"] {
        let cell = CellName { node: "b".into(), sku: sku.into(), bucket: String::new() };
        world.say(0, 2, &Command::Count(Count { cell, qty: Qty::units(10), ..Default::default() })).unwrap();
    }
    world
}

/// An order of 2 x and 3 y.
fn place(world: &mut World) -> OrderId {
    let identity = Identity { channel: "web".into(), account: String::new(), external_id: "1".into() };
    let order = OrderId::new(LOG, &Topic::Intake, 0, 1);
    let line = |line: &str, sku: &str, qty| OrderLine {
        line: line.into(),
        sku: sku.into(),
        qty: Qty::units(qty),
        ..Default::default()
    };
    let body = OrderBody { lines: vec![line("1", "x", 2), line("2", "y", 3)], ..Default::default() };
    let message = OrderMessage {
        to: Some(Assigned { order, zone: "z".into() }),
        head: OrderHead { identity, ..Default::default() },
        body: postcard::to_stdvec(&body).unwrap(),
    };
    world.say(0, 3, &Command::Place(message)).unwrap();
    order
}

fn fact(order: OrderId, node: &str, lines: &[(&str, i64)]) -> NodeFact {
    let line = |(line, qty): &(&str, i64)| LineQty { line: (*line).into(), qty: Some(Qty::units(*qty)) };
    NodeFact { order, node: node.into(), lines: lines.iter().map(line).collect(), ..Default::default() }
}

/// Node, and the lines that it states.
type Said = (String, Vec<(String, Option<Qty>)>);

fn said(commands: Option<Vec<Command>>) -> Vec<Said> {
    let one = |command| match command {
        Command::Shipped(fact) | Command::Picked(fact) => {
            (fact.node, fact.lines.into_iter().map(|line| (line.line, line.qty)).collect::<Vec<_>>())
        }
        other => panic!("{other:?}"),
    };
    commands.expect("facts of nodes are looked at").into_iter().map(one).collect()
}

#[test]
fn work_is_done_by_who_has_it() {
    let mut world = world();
    let order = place(&mut world);
    assert_eq!(world.order(order).unwrap().state, OrderState::InFulfilment);
    let mut robots = Robots::new(None);
    let mut instead = |command| said(robots.instead(&world, 0, command));
    let lines = |lines: &[(&str, i64)]| -> Vec<_> {
        lines.iter().map(|(line, qty)| ((*line).to_owned(), Some(Qty::units(*qty)))).collect()
    };
    // By `b`, which has it: as it was, up to what it has.
    assert_eq!(instead(Command::Shipped(fact(order, "b", &[]))), [("b".into(), vec![])]);
    assert_eq!(
        instead(Command::Shipped(fact(order, "b", &[("1", 1), ("2", 9), ("3", 1)]))),
        [("b".into(), lines(&[("1", 1), ("2", 3)]))]
    );
    // By `a`, which has nothing here: `b` does it.
    assert_eq!(instead(Command::Picked(fact(order, "a", &[]))), [("b".into(), vec![])]);
    assert_eq!(instead(Command::Shipped(fact(order, "a", &[("2", 1)]))), [("b".into(), lines(&[("2", 1)]))]);
    assert_eq!(instead(Command::Shipped(fact(order, "a", &[("3", 1)]))), []);
    assert_eq!(instead(Command::Shipped(fact(OrderId::default(), "b", &[]))), [], "no such order here");
    let declined =
        |node: &str| Decline { order, node: node.into(), reason: "r".into(), ..Default::default() };
    assert_eq!(robots.instead(&world, 0, Command::Decline(declined("a"))), Some(vec![]));
    assert_eq!(
        robots.instead(&world, 0, Command::Decline(declined("b"))),
        Some(vec![Command::Decline(declined("b"))])
    );
    let claim = Claim { order, node: "b".into(), ..Default::default() };
    assert_eq!(robots.instead(&world, 0, Command::Claim(claim)), Some(vec![]), "nothing is offered");
    assert_eq!(robots.instead(&world, 0, Command::Tick), None);
    assert_eq!((robots.moved, robots.ignored), (2, 4));

    // Done, it is done: there is nothing left to be stated by anyone.
    for command in robots.instead(&world, 0, Command::Shipped(fact(order, "a", &[]))).unwrap() {
        world.say(0, 9, &command).unwrap();
    }
    assert_eq!(world.order(order).unwrap().state, OrderState::Completed);
    assert_eq!(robots.instead(&world, 0, Command::Shipped(fact(order, "b", &[]))), Some(vec![]));
}
