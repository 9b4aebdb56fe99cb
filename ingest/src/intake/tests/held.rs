//! Reservations before and beside their orders.

use router_schemas::{
    command::{
        Ask,
        hold::{Extend, HoldLine, Release, Reserve},
        steer::{Steer, Steering},
    },
    limits::{EARLY_MS, REMEMBER_MS},
    refusal::Refusal,
};

use super::*;

fn reserve(id: &str, key: u8) -> Reserve {
    let line = HoldLine { line: "1".into(), sku: "A".into(), qty: Qty::ONE, ..HoldLine::default() };
    Reserve { identity: identity(id), key: hash(key), lines: vec![line], ..Reserve::default() }
}

fn extend(id: &str, key: u8) -> Command {
    Command::Extend(Extend { identity: identity(id), key: hash(key), ..Extend::default() })
}

fn release(id: &str, key: u8) -> Command {
    Command::Release(Release { identity: identity(id), key: hash(key), ..Release::default() })
}

fn steer(id: &str, key: u8) -> Command {
    let act = Steering::Retry { forgive: false };
    Command::Steer(Steer { identity: identity(id), key: hash(key), act, ..Steer::default() })
}

fn forgotten(id: &str, order: OrderId) -> Command {
    Command::Forgotten(Ask { order, identity: identity(id) })
}

#[test]
fn a_reserve_gives_the_order_its_id_and_zone() {
    let mut run = Run::new();
    run.publish(region("31", "west"));
    let offset = run.next;
    let accepted = run.ask(false, Command::Reserve(reserve("1", 1))).accepted();
    assert_eq!((accepted.order, accepted.zone.as_deref()), (id_at(offset), Some("east")));
    // The node of the hold or of a line, else the region, else the channel's zone.
    let west = |run: &mut Run, reserve: Reserve| {
        let wrote = run.tell(Command::Reserve(reserve));
        assert_eq!(wrote.passed(), [("reserve", "west".into())]);
        assert_eq!(wrote.commands()[0].0, 3);
    };
    west(&mut run, Reserve { node: Some("n-west".into()), ..reserve("2", 2) });
    west(&mut run, Reserve { region: Some("3101".into()), ..reserve("3", 3) });
    let mut pinned = reserve("4", 4);
    pinned.lines[0].node = Some("n-west".into());
    west(&mut run, pinned);
    // The order that follows keeps id and zone, whatever it says itself, and is an order for the engine.
    let mut order = http("2", 9);
    order.head.region = Some("99".into());
    run.restart();
    let wrote = run.ask(false, Command::Place(order.clone()));
    assert_eq!(wrote.passed(), [("place", "west".into())]);
    assert_eq!(wrote.accepted().order, id_at(offset + 1));
    // From then on it is an order like any other.
    assert_eq!(run.tell(Command::Place(order)).outcome(), Some(Outcome::Repeat));
    let wrote = run.ask(false, Command::Place(http("2", 8)));
    assert!(matches!(wrote.answers()[..], [Answer::Refused { refusal: Refusal::Conflict, .. }]));
    assert_eq!(run.gauge("known_orders"), 4);
}

#[test]
fn nodes_of_other_zones_are_named_with_them() {
    let mut run = Run::new();
    let node = |line: &str, node: &str| HoldLine {
        line: line.into(),
        node: Some(node.into()),
        ..reserve("1", 1).lines.remove(0)
    };
    let lines = vec![node("1", "n-east"), node("2", "n-west"), node("3", "n-nowhere")];
    let wrote = run.tell(Command::Reserve(Reserve { lines, ..reserve("1", 1) }));
    let zones = wrote.commands().into_iter().find_map(|(_, _, command)| match command {
        Command::Reserve(reserve) => Some(reserve.lines.iter().map(|l| l.zone.clone()).collect::<Vec<_>>()),
        _ => None,
    });
    assert_eq!(zones, Some(vec![None, Some("west".to_owned()), None]));
    // Lines of an order that are bound to nodes; a zone that a stranger names counts for nothing.
    let mut order = http("1", 9);
    order.head.elsewhere = [("n-east", ""), ("n-west", "north"), ("n-nowhere", "west")]
        .map(|(n, z)| (n.into(), z.into()))
        .to_vec();
    let wrote = run.tell(Command::Place(order));
    let bound = wrote.commands().into_iter().find_map(|(_, _, command)| match command {
        Command::Place(message) => Some(message.head.elsewhere.clone()),
        _ => None,
    });
    assert_eq!(bound, Some(vec![("n-west".to_owned(), "west".to_owned())]));
}

#[test]
fn without_a_zone_nothing_is_reserved() {
    let mut run = Run::bare();
    let wrote = run.ask(true, Command::Reserve(reserve("1", 1)));
    assert!(matches!(wrote.answers()[..], [Answer::Refused { refusal: Refusal::UnknownZone, .. }]));
    assert_eq!((wrote.commands().len(), run.gauge("known_orders")), (0, 0));
}

#[test]
fn a_repeat_is_known_by_its_key() {
    let mut run = Run::new();
    run.tell(Command::Reserve(reserve("1", 1)));
    assert_eq!(run.tell(Command::Reserve(reserve("1", 2))).passed().len(), 1, "another key, another request");
    for command in [Command::Reserve(reserve("1", 1)), Command::Reserve(reserve("1", 2))] {
        let wrote = run.ask(false, command.clone());
        assert_eq!((wrote.outcome(), wrote.commands().len()), (Some(Outcome::Repeat), 0));
        assert!(matches!(wrote.answers()[..], [Answer::Repeat(_)]));
        // Who waits for the outcome has it from the engine, which knows the key.
        let wrote = run.ask(true, command);
        assert_eq!(wrote.passed(), [("reserve", "east".into())]);
        assert!(wrote.commands()[0].1.reply.is_some());
    }
    assert_eq!(run.tell(extend("1", 3)).passed(), [("extend", "east".into())]);
    assert_eq!(run.tell(extend("1", 3)).outcome(), Some(Outcome::Repeat));
    assert_eq!(run.tell(release("1", 4)).passed(), [("release", "east".into())]);
    assert_eq!(run.tell(release("1", 4)).outcome(), Some(Outcome::Repeat));
}

#[test]
fn what_is_about_the_order_waits_for_the_order() {
    let mut run = Run::new();
    assert_eq!(run.tell(extend("1", 1)).outcome(), Some(Outcome::Early));
    assert_eq!(run.tell(paid("1", 2)).outcome(), Some(Outcome::Early));
    let wrote = run.tell(Command::Reserve(reserve("1", 3)));
    assert_eq!(wrote.passed(), [("reserve", "east".into()), ("extend", "east".into())]);
    assert_eq!(run.tell(steer("1", 4)).outcome(), Some(Outcome::Early));
    assert_eq!(run.tell(amend("1", 2, 5)).outcome(), Some(Outcome::Early));
    // A cancel takes from what is reserved.
    assert_eq!(run.tell(cancel("1", None, 6)).passed(), [("cancel", "east".into())]);
    run.restart();
    let wrote = run.tell(place("1", 1, 7));
    let passed: Vec<&str> = wrote.passed().iter().map(|(name, _)| *name).collect();
    assert_eq!(passed, ["place", "payment", "steer", "amend"]);
    assert_eq!(run.tell(steer("1", 4)).outcome(), Some(Outcome::Repeat));
    assert_eq!(run.gauge("early"), 0);
}

#[test]
fn what_never_had_an_order_is_forgotten() {
    let mut run = Run::new();
    let offset = run.next;
    run.tell(Command::Reserve(reserve("1", 1)));
    run.tell(Command::Reserve(reserve("2", 2)));
    run.tell(forgotten("1", id_at(offset)));
    assert_eq!(run.gauge("known_orders"), 1);
    // The word about the hold crosses the order: that stays.
    run.tell(place("2", 1, 3));
    run.tell(forgotten("2", id_at(offset + 1)));
    assert_eq!(run.gauge("known_orders"), 1);
    run.at += REMEMBER_MS;
    run.tell(forgotten("2", id_at(offset + 1)));
    assert_eq!(run.gauge("known_orders"), 0);
    // What came early for it goes its own way.
    run.tell(extend("3", 4));
    run.at += EARLY_MS + 2_000;
    assert_eq!(run.tell(Command::Tick).exceptions(), 1);
    assert_eq!(run.gauge("early"), 0);
}
