//! The engine through its records, as the runner drives it: what it decides, and that it decides it again.

use proptest::prelude::*;
use router_engine::engine::Engine;
use router_schemas::{
    command::{
        Assigned, Command,
        fulfilment::NodeFact,
        order::{Cancel, DeliveryMode, LineQty, OrderBody, OrderHead, OrderLine, OrderMessage},
        reference::{Node, Published, Reference, Zone},
        stock::{Allowance, CellName, CellPolicy, Count, Movement},
    },
    envelope::{self, Meta},
    event::{Event, OrderState, Outcome, Queue},
    geo::UnitVector,
    id::OrderId,
    position::{LogId, Topic},
    quantity::Qty,
    row::OrderRow,
    stage::{Input, Outputs, Stage, Topology},
};

const TOPOLOGY: Topology = Topology { log: LogId([3; 16]), intake: 1, commands: 1, events: 1 };

struct Run {
    engine: Engine,
    offset: u64,
    days: i64,
    written: Vec<Vec<u8>>,
}

impl Run {
    /// Three stores in a row to the east: `near`, `mid`, `far`.
    fn new() -> Run {
        let mut run = Run { engine: Engine::new(TOPOLOGY, 0), offset: 0, days: 0, written: Vec::new() };
        run.publish(Reference::Zone(Zone { id: "z".into(), partition: Some(0) }));
        for (name, lng) in [("near", 1.0), ("mid", 2.0), ("far", 3.0)] {
            let place = UnitVector::from_degrees(0.0, lng);
            let modes = vec![DeliveryMode::Delivery];
            let node =
                Node { id: name.into(), zone: "z".into(), enabled: true, place, modes, ..Node::default() };
            run.publish(Reference::Node(Box::new(node)));
        }
        run
    }

    fn publish(&mut self, change: Reference) {
        self.apply(&Command::Reference(Published { control: self.offset, change }));
    }

    /// Applies the command, and the `continue` commands that it asks for.
    fn apply(&mut self, command: &Command) -> Outcome {
        let (outcome, go_on) = self.apply_one(command);
        if go_on {
            self.apply(&Command::Continue);
        }
        outcome
    }

    /// Applies the command alone: its outcome, and whether it asks to continue.
    fn apply_one(&mut self, command: &Command) -> (Outcome, bool) {
        let payload = envelope::to_vec(None, &Meta::default(), command);
        let mut out = Outputs::default();
        let at = self.days * 86_400_000 + 1_000_000 + self.offset as i64;
        self.engine.apply(Input { offset: self.offset, at, skipped: false, payload: &payload }, &mut out);
        self.offset += 1;
        let mut outcomes = Vec::new();
        let mut go_on = false;
        for output in out.iter() {
            self.written.push(out.bytes(output).to_vec());
            go_on |= output.target.topic == Topic::Commands;
            if output.target.topic == Topic::Events {
                let (_, rest): (Meta, _) = postcard::take_from_bytes(out.bytes(output)).unwrap();
                outcomes.extend(postcard::from_bytes::<Event>(rest).unwrap().outcome);
            }
        }
        assert!(outcomes.len() <= 1, "a command leaves one outcome");
        (outcomes.pop().unwrap_or(Outcome::Applied), go_on)
    }

    fn count(&mut self, node: &str, sku: &str, units: i64) {
        let cell = CellName { node: node.into(), sku: sku.into(), bucket: String::new() };
        self.apply(&Command::Count(Count { cell, qty: Qty::units(units), ..Count::default() }));
    }

    fn receive(&mut self, node: &str, sku: &str, units: i64) {
        let cell = CellName { node: node.into(), sku: sku.into(), bucket: String::new() };
        self.apply(&Command::Receipt(Movement { cell, qty: Qty::units(units), key: None }));
    }

    fn place(&mut self, lines: &[(&str, i64)]) -> OrderId {
        let order = OrderId::new(TOPOLOGY.log, &Topic::Intake, 0, self.offset);
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
        let to = Some(Assigned { order, zone: "z".into() });
        let body = postcard::to_stdvec(&body).unwrap();
        self.apply(&Command::Place(OrderMessage { to, head: OrderHead::default(), body }));
        order
    }

    fn cancel(&mut self, order: OrderId, lines: Vec<LineQty>) -> Outcome {
        let to = Some(Assigned { order, zone: "z".into() });
        self.apply(&Command::Cancel(Cancel { to, lines, ..Cancel::default() }))
    }

    fn ship(&mut self, order: OrderId, node: &str) {
        self.apply(&Command::Shipped(NodeFact { order, node: node.into(), ..NodeFact::default() }));
    }

    fn row(&self, order: OrderId) -> OrderRow {
        self.engine.order(order).unwrap()
    }

    fn nodes(&self, order: OrderId) -> Vec<(String, i64)> {
        let row = self.row(order);
        row.fulfilments.iter().map(|f| (f.node.clone(), (f.allocated + f.backordered).0 / 1000)).collect()
    }
}

fn at(list: &[(&str, i64)]) -> Vec<(String, i64)> {
    list.iter().map(|(n, q)| (n.to_string(), *q)).collect()
}

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

#[derive(Debug, Clone)]
enum Step {
    Count(usize, usize, i64),
    Receive(usize, usize, i64),
    Place(Vec<(usize, i64)>),
    Cancel(usize, i64),
    Ship(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..3usize, 0..3usize, 0..12i64).prop_map(|(n, s, q)| Step::Count(n, s, q)),
        (0..3usize, 0..3usize, 1..6i64).prop_map(|(n, s, q)| Step::Receive(n, s, q)),
        prop::collection::vec((0..3usize, 1..6i64), 1..4).prop_map(Step::Place),
        (0..20usize, 0..5i64).prop_map(|(o, q)| Step::Cancel(o, q)),
        (0..20usize, 0..3usize).prop_map(|(o, n)| Step::Ship(o, n)),
    ]
}

fn drive(run: &mut Run, orders: &mut Vec<OrderId>, step: &Step) {
    let (nodes, skus) = (["near", "mid", "far"], ["a", "b", "c"]);
    match step {
        Step::Count(n, s, q) => run.count(nodes[*n], skus[*s], *q),
        Step::Receive(n, s, q) => run.receive(nodes[*n], skus[*s], *q),
        Step::Place(lines) => {
            let lines: Vec<_> = lines.iter().map(|(s, q)| (skus[*s], *q)).collect();
            let order = run.place(&lines);
            orders.push(order);
        }
        Step::Cancel(o, q) if *o < orders.len() => {
            let part = LineQty { line: "1".into(), qty: Some(Qty::units(*q)) };
            run.cancel(orders[*o], if *q == 0 { Vec::new() } else { vec![part] });
        }
        Step::Ship(o, n) if *o < orders.len() => run.ship(orders[*o], nodes[*n]),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// I1 to I3 from outside, and: a snapshot anywhere and the rest of the log give the same bytes and hash.
    #[test]
    fn units_are_conserved_and_history_repeats(steps in prop::collection::vec(step(), 1..60), cut in 0..60usize) {
        let (mut run, mut orders) = (Run::new(), Vec::new());
        let mut resumed: Option<(Run, Vec<OrderId>, usize)> = None;
        for (i, step) in steps.iter().enumerate() {
            if i == cut {
                let mut snapshot = Vec::new();
                run.engine.snapshot(&mut snapshot);
                let engine = Engine::restore(TOPOLOGY, 0, &snapshot).unwrap();
                prop_assert_eq!(engine.state_hash(), run.engine.state_hash());
                let again = Run { engine, offset: run.offset, days: run.days, written: Vec::new() };
                resumed = Some((again, orders.clone(), run.written.len()));
            }
            let counted = matches!(step, Step::Count(..));
            let before: Vec<_> = ["a", "b", "c"].iter().flat_map(|s| run.engine.cells(s)).collect();
            drive(&mut run, &mut orders, step);
            if let Some((again, known, _)) = &mut resumed {
                drive(again, known, step);
            }
            for sku in ["a", "b", "c"] {
                for cell in run.engine.cells(sku) {
                    let mine = orders.iter().flat_map(|o| run.row(*o).fulfilments.into_iter().map(move |f| (*o, f)));
                    let promised: Qty = mine
                        .filter(|(o, f)| f.node == cell.cell.node && run.row(*o).lines[usize::from(f.line)].sku == sku)
                        .map(|(_, f)| f.allocated + f.backordered + f.picked + f.ready)
                        .sum();
                    prop_assert_eq!(promised, cell.allocated);
                    let was_over = before.iter().any(|b| b.cell == cell.cell && b.allocated > b.on_hand);
                    prop_assert!(counted || was_over || cell.allocated <= cell.on_hand, "oversold by a request");
                }
            }
            for order in &orders {
                for line in run.row(*order).lines {
                    let sum = line.open + line.backordered + line.allocated + line.shipped + line.cancelled;
                    prop_assert_eq!(sum, line.ordered);
                }
            }
        }
        if let Some((again, _, written)) = resumed {
            prop_assert_eq!(again.engine.state_hash(), run.engine.state_hash());
            prop_assert_eq!(&again.written[..], &run.written[written..]);
        }
    }
}
