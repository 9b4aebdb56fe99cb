//! What it decides, case by case.

use router_engine::engine::Engine;
use router_schemas::{
    command::{
        Command,
        order::{DeliveryMode, LineQty},
        reference::{Node, Reference},
        stock::{Allowance, CellName, CellPolicy, Movement},
    },
    event::{OrderState, Outcome, Queue},
    quantity::Qty,
    stage::Stage,
};

use super::run::*;

#[test]
fn the_nearest_node_that_has_everything_wins() {
    let mut run = Run::new();
    for (node, sku, units) in
        [("near", "a", 9), ("mid", "a", 9), ("mid", "b", 9), ("far", "a", 9), ("far", "b", 9)]
    {
        run.count(node, sku, units);
    }
    let one = run.place(&[("a", 2)]);
    let both = run.place(&[("a", 2), ("b", 1)]);
    assert_eq!(run.nodes(one), at(&[("near", 2)]));
    assert_eq!(run.nodes(both), at(&[("mid", 2), ("mid", 1)]));
    assert_eq!(run.row(both).state, OrderState::InFulfilment);
}

#[test]
fn two_nodes_are_better_than_three() {
    let mut run = Run::new();
    for (node, units) in [("near", 1), ("mid", 3), ("far", 4)] {
        run.count(node, "a", units);
    }
    let order = run.place(&[("a", 7)]);
    assert_eq!(run.nodes(order), at(&[("mid", 3), ("far", 4)]));
}

#[test]
fn what_is_missing_waits_and_goes_on_when_stock_comes() {
    let mut run = Run::new();
    run.count("near", "a", 1);
    let first = run.place(&[("a", 3)]);
    let second = run.place(&[("a", 1)]);
    assert_eq!(run.row(first).state, OrderState::Parked(Queue::Unfillable));
    assert_eq!(run.nodes(second), at(&[]));
    run.receive("far", "a", 2);
    assert_eq!(run.row(first).state, OrderState::InFulfilment, "who came first is served first");
    assert_eq!(run.row(second).state, OrderState::Parked(Queue::Unfillable));
    run.receive("near", "a", 1);
    assert_eq!(run.row(second).state, OrderState::InFulfilment);
}

#[test]
fn a_receipt_frees_many_orders_in_bounded_steps() {
    let mut run = Run::new();
    run.count("near", "a", 0);
    let orders: Vec<_> = (0..1_000).map(|_| run.place(&[("a", 1)])).collect();
    let before = run.offset;
    run.receive("near", "a", 600);
    assert!(run.offset - before > 3, "the work was split over several commands");
    let served = orders.iter().filter(|o| run.row(**o).state == OrderState::InFulfilment).count();
    assert_eq!(served, 600);
    assert!(
        orders[..600].iter().all(|o| run.row(*o).state == OrderState::InFulfilment),
        "in order of arrival"
    );
}

#[test]
fn work_left_over_survives_a_snapshot() {
    let mut run = Run::new();
    run.count("near", "a", 0);
    let orders: Vec<_> = (0..300).map(|_| run.place(&[("a", 1)])).collect();
    let cell = CellName { node: "near".into(), sku: "a".into(), bucket: String::new() };
    let receipt = Command::Receipt(Movement { cell, qty: Qty::units(300), key: None });
    assert!(run.apply_one(&receipt).1, "what became possible is carried by a continue");
    assert!(!run.apply_one(&Command::Tick).1, "one continue is under way, not two");
    let mut snapshot = Vec::new();
    run.engine.snapshot(&mut snapshot);
    run.engine = Engine::restore(TOPOLOGY, 0, &snapshot).unwrap();
    run.apply(&Command::Continue);
    assert!(orders.iter().all(|o| run.row(*o).state == OrderState::InFulfilment));
}

#[test]
fn a_full_node_is_no_candidate_until_the_next_day() {
    let mut run = Run::new();
    run.count("near", "a", 9);
    let modes = vec![DeliveryMode::Delivery];
    let node = Node { id: "near".into(), zone: "z".into(), enabled: true, modes, ..Node::default() };
    run.publish(Reference::Node(Box::new(Node { capacity_a_day: Some(2), ..node })));
    let orders = [run.place(&[("a", 1)]), run.place(&[("a", 1)]), run.place(&[("a", 1)])];
    run.ship(orders[0], "near");
    assert_eq!(run.nodes(orders[2]), at(&[]), "what was shipped still counts");
    run.cancel(orders[1], Vec::new());
    assert_eq!(run.nodes(orders[2]), at(&[("near", 1)]), "what was given back does not");
    let late = run.place(&[("a", 1)]);
    assert_eq!(run.nodes(late), at(&[]));
    run.days = 1;
    run.receive("near", "a", 1);
    assert_eq!(run.nodes(late), at(&[("near", 1)]));
}

#[test]
fn an_unknown_sku_is_parked_as_unmapped_until_it_is_known() {
    let mut run = Run::new();
    let order = run.place(&[("new", 1)]);
    assert_eq!(run.row(order).state, OrderState::Parked(Queue::Unmapped));
    run.receive("mid", "new", 1);
    assert_eq!(run.nodes(order), at(&[("mid", 1)]));
}

#[test]
fn a_cancel_gives_back_what_did_not_leave() {
    let mut run = Run::new();
    run.count("near", "a", 5);
    let order = run.place(&[("a", 5)]);
    let part = vec![LineQty { line: "1".into(), qty: Some(Qty::units(2)) }];
    assert_eq!(run.cancel(order, part), Outcome::Applied);
    assert_eq!(run.engine.cells("a")[0].atp, Qty::units(2));
    run.ship(order, "near");
    assert_eq!(run.row(order).state, OrderState::Completed);
    assert!(matches!(run.cancel(order, Vec::new()), Outcome::Refused(_)));
    let cell = &run.engine.cells("a")[0];
    assert_eq!((cell.on_hand, cell.allocated), (Qty::units(2), Qty::ZERO));
}

#[test]
fn backorders_turn_on_hand_in_order() {
    let mut run = Run::new();
    run.count("near", "a", 0);
    let cell = CellName { node: "near".into(), sku: "a".into(), bucket: String::new() };
    let backorder = Allowance::Limited(Qty::units(3));
    run.apply(&Command::CellPolicy(CellPolicy { cell, backorder, ..CellPolicy::default() }));
    let (first, second) = (run.place(&[("a", 2)]), run.place(&[("a", 2)]));
    assert_eq!(run.row(second).lines[0].backordered, Qty::ONE, "the allowance is used up");
    run.receive("near", "a", 2);
    assert_eq!(run.row(first).lines[0].allocated, Qty::units(2));
    assert_eq!(
        run.row(second).lines[0].backordered,
        Qty::units(2),
        "what the first gave back of it serves the second"
    );
}

#[test]
fn a_repeat_changes_nothing() {
    let mut run = Run::new();
    let cell = CellName { node: "near".into(), sku: "a".into(), bucket: String::new() };
    let receipt = Command::Receipt(Movement { cell, qty: Qty::ONE, key: Some([1; 16]) });
    assert_eq!(run.apply(&receipt), Outcome::Applied);
    assert_eq!(run.apply(&receipt), Outcome::Repeat);
    assert_eq!(run.engine.cells("a")[0].on_hand, Qty::ONE);
}
