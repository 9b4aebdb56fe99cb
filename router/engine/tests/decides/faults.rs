//! Faults that a review found, each shown once.

use router_schemas::{
    command::{
        Assigned, Command,
        order::{DeliveryMode, OrderBody, OrderHead, OrderLine, OrderMessage},
        reference::{Node, Reference},
        stock::Count,
    },
    event::OrderState,
    geo::UnitVector,
    id::OrderId,
    position::Topic,
    quantity::Qty,
    stage::Outputs,
};

use super::run::*;
use router_schemas::command::order::{PaymentFact, PaymentState, Totals};

impl Run {
    fn pay(&mut self, order: OrderId, n: u8, state: PaymentState) -> Outputs {
        let to = Some(Assigned { order, zone: "z".into() });
        self.step(&Command::Payment(PaymentFact { to, key: [n; 16], state, ..PaymentFact::default() }), false)
    }
}

/// A small receipt with 1,100 waiting orders came never to rest.
#[test]
fn a_continue_comes_to_an_end() {
    let mut run = Run::new();
    run.count("near", "a", 0);
    for _ in 0..1_100 {
        run.place(&[("a", 1)]);
    }
    let mut go = asks_to_continue(&run.step(&receipt("near", "a", 5), false));
    let mut n = 0;
    while go && n < 500 {
        go = asks_to_continue(&run.step(&Command::Continue, false));
        n += 1;
    }
    assert!(!go, "still continuing after {n} continues");
}

/// A late authorisation does not undo a capture.
#[test]
fn a_late_authorisation_leaves_the_capture() {
    let mut run = Run::new();
    run.count("near", "a", 5);
    let order = run.place(&[("a", 1)]);
    run.pay(order, 1, PaymentState::Captured);
    run.pay(order, 2, PaymentState::Authorised);
    assert_eq!(run.row(order).payment, PaymentState::Captured);
}

/// Goods wholly discounted: nothing to pay, so nothing to wait for.
#[test]
fn a_gift_paid_by_discount_is_routed() {
    let mut run = Run::new();
    run.publish(Reference::Channel(router_schemas::command::reference::Channel {
        id: String::new(),
        route_when: router_schemas::command::reference::RouteWhen::Captured,
        ..Default::default()
    }));
    run.count("near", "a", 5);
    let order = OrderId::new(TOPOLOGY.log, &Topic::Intake, 0, run.offset);
    let line = OrderLine { line: "1".into(), sku: "a".into(), qty: Qty::ONE, ..OrderLine::default() };
    let body = OrderBody {
        totals: Totals { goods: 100, discount_seller: 100, ..Totals::default() },
        lines: vec![line],
        ..OrderBody::default()
    };
    let body = postcard::to_stdvec(&body).unwrap();
    run.apply(&Command::Place(OrderMessage {
        to: Some(Assigned { order, zone: "z".into() }),
        head: OrderHead::default(),
        body,
    }));
    assert_eq!(run.row(order).state, OrderState::InFulfilment);
}

/// A skipped continue.
#[test]
fn a_skipped_continue_is_asked_for_again() {
    let mut run = Run::new();
    run.count("near", "a", 0);
    for _ in 0..900 {
        run.place(&[("a", 1)]);
    }
    assert!(asks_to_continue(&run.step(&receipt("near", "a", 900), false)));
    let skipped = run.step(&Command::Continue, true);
    let again = asks_to_continue(&skipped) || asks_to_continue(&run.step(&Command::Tick, false));
    assert!(again, "no continue is under way and none is asked for");
}

#[test]
fn a_skipped_record_leaves_only_its_outcome() {
    let mut run = Run::new();
    run.count("near", "a", 0);
    let order = run.place(&[("a", 1)]);
    run.step(&receipt("near", "a", 1), false);
    let out = run.step(&Command::Count(Count { cell: cell("near", "a"), ..Count::default() }), true);
    assert!(
        texts(&out, Topic::Assignments).is_empty() && events(&out).iter().all(|e| e.rows.is_empty()),
        "{:?}",
        run.row(order).state
    );
}

/// A store is told once.
#[test]
fn a_waiting_order_is_assigned_once() {
    let mut run = Run::new();
    run.count("near", "a", 0);
    run.place(&[("a", 1)]);
    run.step(&receipt("near", "a", 1), false);
    let told = texts(&run.step(&Command::Continue, false), Topic::Assignments);
    assert_eq!(told.len(), 1, "{told:#?}");
}

/// A store is told at all.
#[test]
fn a_store_that_gets_work_by_a_payment_is_told() {
    let mut run = Run::new();
    let node = Node { id: "near".into(), zone: "z".into(), enabled: true, ..Node::default() };
    let place = UnitVector::from_degrees(0.0, 1.0);
    let modes = vec![DeliveryMode::Delivery];
    run.publish(Reference::Node(Box::new(Node { capacity_at_once: Some(1), place, modes, ..node })));
    for sku in ["a", "b"] {
        run.count("near", sku, 5);
    }
    run.count("mid", "a", 5);
    let first = run.place(&[("b", 1)]);
    let second = run.place(&[("a", 1), ("b", 1)]);
    assert_eq!(run.nodes(second), at(&[("mid", 1)]));
    run.ship(first, "near");
    let out = run.pay(second, 1, PaymentState::Captured);
    assert_eq!(run.nodes(second), at(&[("mid", 1), ("near", 1)]));
    assert!(
        texts(&out, Topic::Assignments).iter().any(|t| t.contains("\"near\"")),
        "{:#?}",
        texts(&out, Topic::Assignments)
    );
}

/// The first count of a cell is no drift.
#[test]
fn the_first_count_is_no_drift() {
    let mut run = Run::new();
    let out = run.step(
        &Command::Count(Count { cell: cell("near", "a"), qty: Qty::units(5), ..Count::default() }),
        false,
    );
    assert!(texts(&out, Topic::StockAlerts).is_empty());
}
