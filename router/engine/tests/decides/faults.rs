//! Faults that a review found, each shown once.

use router_schemas::{
    command::{
        Assigned, Command,
        order::{DeliveryMode, OrderBody, OrderHead, OrderLine, OrderMessage},
        reference::{Node, Reference},
        stock::Count,
    },
    envelope::{self, Meta},
    event::{Change, OrderState},
    geo::UnitVector,
    id::OrderId,
    position::Topic,
    quantity::Qty,
    stage::{Input, Outputs, Stage},
};

use super::run::*;
use router_schemas::command::{
    fulfilment::NodeFact,
    order::{LineQty, PaymentFact, PaymentState, Totals},
    reference::{Channel, RouteWhen},
    stock::{Allowance, CellPolicy},
};
use router_schemas::event::Exception;

mod bounds;
mod changes;
mod facts;

impl Run {
    /// The command that places such an order, not applied.
    fn placement(&self, lines: &[(&str, i64)]) -> Command {
        let line = |(i, (sku, units)): (usize, &(&str, i64))| OrderLine {
            line: (i + 1).to_string(),
            sku: sku.to_string(),
            qty: Qty::units(*units),
            ..OrderLine::default()
        };
        let body = OrderBody {
            to: UnitVector::from_degrees(0.0, 0.0),
            priority: 100,
            lines: lines.iter().enumerate().map(line).collect(),
            ..OrderBody::default()
        };
        self.message(body)
    }

    /// An order of which so much is to be paid.
    fn place_paid(&mut self, lines: &[(&str, i64)], goods: i64) -> OrderId {
        let Command::Place(mut message) = self.placement(lines) else { unreachable!() };
        let mut body: OrderBody = postcard::from_bytes(&message.body).unwrap();
        body.totals.goods = goods;
        body.lines.iter_mut().for_each(|l| l.unit_price = 10);
        message.body = postcard::to_stdvec(&body).unwrap();
        let order = message.to.as_ref().unwrap().order;
        self.apply(&Command::Place(message));
        order
    }

    /// A node with more or less than the three have.
    fn node(&mut self, name: &str, change: impl FnOnce(&mut Node)) {
        let lng = [("near", 1.0), ("mid", 2.0), ("far", 3.0)].into_iter().find(|n| n.0 == name);
        let place = lng.and_then(|(_, lng)| UnitVector::from_degrees(0.0, lng));
        let modes = vec![DeliveryMode::Delivery];
        let mut node =
            Node { id: name.into(), zone: "z".into(), enabled: true, place, modes, ..Node::default() };
        change(&mut node);
        self.publish(Reference::Node(Box::new(node)));
    }

    fn allow(&mut self, node: &str, sku: &str, backorder: Allowance) {
        let policy = CellPolicy { cell: cell(node, sku), backorder, ..CellPolicy::default() };
        self.apply(&Command::CellPolicy(policy));
    }

    /// A tick and the `continue` commands that it asks for.
    fn tick(&mut self) {
        self.apply(&Command::Tick);
    }

    /// What a node states of line 1, in thousandths.
    fn fact(
        &mut self,
        order: OrderId,
        node: &str,
        qty: i64,
        kind: fn(NodeFact) -> Command,
    ) -> Vec<Exception> {
        let lines = vec![LineQty { line: "1".into(), qty: Some(Qty(qty)) }];
        let fact = NodeFact { order, node: node.into(), lines, restock: true, ..NodeFact::default() };
        exceptions(&self.step(&kind(fact), false))
    }

    /// On-hand and allocated units of a cell.
    fn stock(&self, node: &str, sku: &str) -> (i64, i64) {
        let cell = self.engine.cells(sku).into_iter().find(|c| c.cell.node == node).unwrap();
        (cell.on_hand.0 / 1000, cell.allocated.0 / 1000)
    }

    fn message(&self, body: OrderBody) -> Command {
        let order = OrderId::new(TOPOLOGY.log, &Topic::Intake, 0, self.offset);
        let to = Some(Assigned { order, zone: "z".into() });
        let body = postcard::to_stdvec(&body).unwrap();
        Command::Place(OrderMessage { to, head: OrderHead::default(), body })
    }

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
    run.publish(Reference::Channel(Channel { route_when: RouteWhen::Captured, ..Channel::default() }));
    run.count("near", "a", 5);
    let order = run.place_paid(&[("a", 1)], 100);
    assert_eq!(run.nodes(order), at(&[]));
    let out = run.pay(order, 1, PaymentState::Captured);
    assert_eq!(run.nodes(order), at(&[("near", 1)]));
    assert_eq!(texts(&out, Topic::Assignments).len(), 1);
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

/// A choice is explained by the very code that made it, and looking changes nothing.
#[test]
fn a_trace_tells_what_was_looked_at_and_changes_nothing() {
    let (mut run, mut traced) = (Run::new(), Run::new());
    for run in [&mut run, &mut traced] {
        let modes = vec![DeliveryMode::Pickup];
        let odd = Node { id: "odd".into(), zone: "z".into(), enabled: true, modes, ..Node::default() };
        run.publish(Reference::Node(Box::new(odd)));
        run.count("mid", "a", 5);
        run.count("far", "a", 5);
        run.count("odd", "a", 5);
    }
    let command = run.placement(&[("a", 2)]);
    let out = run.step(&command, false);
    let payload = envelope::to_vec(None, &Meta::default(), &command);
    let input = Input {
        offset: traced.offset,
        at: 1_000_000 + traced.offset as i64,
        skipped: false,
        payload: &payload,
    };
    let mut written = Outputs::default();
    let choices = traced.engine.apply_traced(input, &mut written, None);
    let bytes = |out: &Outputs| out.iter().map(|o| out.bytes(o).to_vec()).collect::<Vec<_>>();
    assert_eq!(bytes(&out), bytes(&written));
    assert_eq!(run.engine.state_hash(), traced.engine.state_hash());
    let [choice] = choices.as_slice() else { panic!("{choices:#?}") };
    let decided = events(&out)[0].changes.iter().find_map(|c| match c {
        Change::Decided(d) => Some(d.clone()),
        _ => None,
    });
    assert_eq!(Some(&choice.decision), decided.as_ref());
    let seen: Vec<_> = choice.candidates.iter().map(|c| (c.node.as_str(), c.rank, c.taken)).collect();
    assert_eq!(
        seen,
        [("mid", Some(1), true), ("far", Some(2), false), ("near", None, false), ("odd", None, false)]
    );
    let failed = |n: usize| {
        let filters = choice.candidates[n].filters.iter();
        filters.filter(|(_, passed)| !passed).map(|(name, _)| *name).collect::<Vec<_>>()
    };
    assert_eq!((failed(2), failed(3)), (vec!["stocked"], vec!["delivery_mode"]));
    assert_eq!(choice.candidates[3].stock, [Qty::units(2)]);
}

fn exceptions(out: &Outputs) -> Vec<Exception> {
    let changes = events(out).into_iter().flat_map(|e| e.changes);
    let exception = |change| match change {
        Change::Exception(exception) => Some(exception),
        _ => None,
    };
    changes.filter_map(exception).collect()
}
