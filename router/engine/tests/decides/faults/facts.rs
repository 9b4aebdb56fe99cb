//! Facts that contradict are taken, and timers fire when they should.

use router_schemas::{
    command::{
        Genesis,
        order::{Delivered, Pin, PinKind},
        reference::{Calendar, Item},
    },
    event::{Outcome, Queue},
    id::Identity,
    row::Row,
};

use super::*;

const DAY: i64 = 86_400_000;

#[test]
fn shipped_after_cancel_is_taken_and_comes_back() {
    let mut run = Run::new();
    run.count("near", "a", 5);
    let order = run.place(&[("a", 3)]);
    run.cancel(order, Vec::new());
    let told = run.fact(order, "near", 2_000, Command::Shipped);
    assert_eq!(told, [Exception::ShippedAfterCancel(Qty::units(2))]);
    assert_eq!(run.stock("near", "a"), (3, 0));
    let row = run.row(order);
    assert_eq!((row.state, row.lines[0].after_cancel), (OrderState::ShippedAfterCancel, Qty::units(2)));
    assert_eq!((row.lines[0].shipped, row.lines[0].cancelled), (Qty::units(2), Qty::ONE));
    run.fact(order, "near", 2_000, Command::Returned);
    assert_eq!(run.row(order).state, OrderState::Completed);
    assert_eq!(run.stock("near", "a"), (5, 0));
}

#[test]
fn more_shipped_than_ordered_makes_the_order_grow() {
    let mut run = Run::new();
    run.count("near", "a", 5);
    let order = run.place(&[("a", 2)]);
    let told = run.fact(order, "near", 3_000, Command::Shipped);
    assert_eq!(told, [Exception::OverShipped(Qty::ONE)]);
    assert_eq!(run.row(order).lines[0].ordered, Qty::units(3));
    assert_eq!(run.stock("near", "a"), (2, 0));
}

#[test]
fn backordered_units_that_a_node_ships_are_shipped() {
    let mut run = Run::new();
    run.count("near", "a", 1);
    run.allow("near", "a", Allowance::Unlimited);
    let order = run.place(&[("a", 2)]);
    assert_eq!(run.row(order).lines[0].backordered, Qty::ONE);
    let told = run.fact(order, "near", 2_000, Command::Shipped);
    assert_eq!(told, []);
    assert_eq!(run.row(order).state, OrderState::Completed);
    assert_eq!(run.stock("near", "a"), (0, 0));
}

#[test]
fn capacity_that_becomes_free_wakes_who_waits() {
    let mut run = Run::new();
    run.node("near", |n| n.capacity_at_once = Some(1));
    run.count("near", "a", 5);
    let (first, second) = (run.place(&[("a", 1)]), run.place(&[("a", 1)]));
    assert_eq!(run.nodes(second), at(&[]));
    run.ship(first, "near");
    assert_eq!(run.nodes(second), at(&[("near", 1)]));
}

#[test]
fn a_new_day_wakes_who_waits() {
    let mut run = Run::new();
    run.node("near", |n| n.capacity_a_day = Some(1));
    run.count("near", "a", 5);
    let (_, second) = (run.place(&[("a", 1)]), run.place(&[("a", 1)]));
    run.tick();
    assert_eq!(run.nodes(second), at(&[]));
    run.days = 1;
    run.tick();
    assert_eq!(run.nodes(second), at(&[("near", 1)]));
}

#[test]
fn a_service_goes_on_when_a_node_for_it_is_enabled() {
    let mut run = Run::new();
    for node in ["near", "mid", "far"] {
        run.node(node, |n| n.enabled = false);
    }
    run.publish(Reference::Item(Box::new(Item { sku: "s".into(), untracked: true, ..Item::default() })));
    let order = run.place(&[("s", 1)]);
    assert_eq!(run.row(order).state, OrderState::Parked(Queue::Unfillable));
    run.node("mid", |_| {});
    assert_eq!(run.nodes(order), at(&[("mid", 1)]));
    let rows = events(&run.step(&run.placement(&[("s", 1)]), false)).into_iter().flat_map(|e| e.rows);
    assert_eq!(rows.filter(|r| matches!(r, Row::Cell(_))).count(), 0, "nothing of it is counted");
    // What was promised without limit is owed as well once it is counted.
    run.publish(Reference::Item(Box::new(Item { sku: "s".into(), ..Item::default() })));
    assert_eq!(run.stock("mid", "s").0, 0);
    run.ship(order, "mid");
    assert_eq!(run.stock("mid", "s"), (0, 0));
}

#[test]
fn a_pinned_order_goes_on_when_its_node_opens() {
    let mut run = Run::new();
    let open = vec![(DAY, DAY + 3_600_000)];
    run.node("near", |n| n.calendar = Some(Calendar { open, ..Calendar::default() }));
    run.count("near", "a", 5);
    let Command::Place(mut message) = run.placement(&[("a", 1)]) else { unreachable!() };
    message.head.pin = Some(Pin { node: "near".into(), kind: PinKind::Hard });
    let order = message.to.as_ref().unwrap().order;
    run.apply(&Command::Place(message));
    assert_eq!(run.row(order).state, OrderState::Parked(Queue::Pinned));
    run.tick();
    assert_eq!(run.row(order).state, OrderState::Parked(Queue::Pinned));
    run.days = 1;
    run.tick();
    assert_eq!(run.nodes(order), at(&[("near", 1)]));
}

#[test]
fn facts_about_unknown_orders_are_taken() {
    let mut run = Run::new();
    let payment = Command::Payment(PaymentFact { key: [9; 16], ..PaymentFact::default() });
    let delivered = Command::Delivered(Delivered { key: [8; 16], ..Delivered::default() });
    for command in [payment, delivered] {
        let out = run.step(&command, false);
        assert_eq!(events(&out)[0].outcome, Some(Outcome::Applied));
        assert_eq!(exceptions(&out), [Exception::Unmatched]);
    }
}

#[test]
fn what_one_node_shipped_another_takes_back() {
    let mut run = Run::new();
    run.count("near", "a", 5);
    let order = run.place(&[("a", 2)]);
    run.ship(order, "near");
    assert_eq!(run.fact(order, "far", 1_000, Command::Returned), []);
    assert_eq!(run.row(order).lines[0].returned, Qty::ONE);
    assert_eq!((run.stock("near", "a"), run.stock("far", "a")), ((3, 0), (1, 0)));
    assert_eq!(run.fact(order, "far", 2_000, Command::Returned), [Exception::Unmatched]);
}

#[test]
fn a_scheduled_order_goes_on_with_a_tick() {
    let mut run = Run::new();
    run.count("near", "a", 5);
    let Command::Place(mut message) = run.placement(&[("a", 1)]) else { unreachable!() };
    let mut body: OrderBody = postcard::from_bytes(&message.body).unwrap();
    body.not_before = Some(DAY);
    message.body = postcard::to_stdvec(&body).unwrap();
    let order = message.to.as_ref().unwrap().order;
    run.apply(&Command::Place(message));
    run.days = 1;
    run.count("far", "b", 1);
    assert_eq!(run.row(order).state, OrderState::Scheduled);
    run.tick();
    assert_eq!(run.row(order).state, OrderState::InFulfilment);
}

#[test]
fn a_foreign_genesis_breaks_the_partition() {
    let genesis = |log, level| {
        Command::Genesis(Genesis { log, topic: Topic::Commands.code(), partition: 0, partitions: 1, level })
    };
    Run::new().step(&genesis(TOPOLOGY.log, 1), false);
    for wrong in [genesis(router_schemas::position::LogId([4; 16]), 1), genesis(TOPOLOGY.log, 2)] {
        let applied = std::panic::catch_unwind(|| Run::new().step(&wrong, false));
        assert!(applied.is_err(), "{wrong:?}");
    }
}

#[test]
fn a_late_fact_about_nobody_names_no_one() {
    let mut run = Run::new();
    let to = Some(Assigned { order: OrderId::from_bits(7), zone: "z".into() });
    let identity = Identity { channel: "web".into(), ..Identity::default() };
    let out = run.step(&Command::Payment(PaymentFact { to, identity, ..PaymentFact::default() }), false);
    assert_eq!(exceptions(&out), [Exception::Unmatched]);
}
