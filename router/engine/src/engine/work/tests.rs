//! Deadlines and waits as rules set them, played record by record with a tick every five seconds.

use crate::engine::work::Deadlines;
use router_schemas::{
    command::{
        Assigned, Command,
        fulfilment::NodeFact,
        order::{LineQty, OrderBody, OrderHead, OrderLine, OrderMessage, Pin, PinKind},
        reference::{Node, Published, Reference, Zone},
        steer::{Steer, Steering},
        stock::{CellName, Count},
    },
    envelope::{self, Meta},
    event::{Change, Deadline, Event, Exception},
    id::OrderId,
    limits::TICK_MS,
    position::{LogId, Position, Topic},
    quantity::Qty,
    row::{FulfilmentRow, OrderRow},
    rules::Late,
    stage::{Input, Outputs, Stage, Topology},
};

use crate::engine::{Engine, changes::Work, effects::Effects, order::Order};

const TOPOLOGY: Topology = Topology { log: LogId([3; 16]), intake: 1, commands: 1, events: 1 };
const MINUTE: i64 = 60_000;

struct Play {
    engine: Engine,
    now: i64,
    offset: u64,
    /// Of the last command and all that followed it.
    changes: Vec<Change>,
    order: OrderId,
}

impl Play {
    /// Stores `near` and `mid` with ten of A each, the nearer first, and an order of three.
    fn new(pin: Option<&str>) -> Play {
        let order = OrderId::new(TOPOLOGY.log, &Topic::Intake, 0, 1);
        let engine = Engine::new(TOPOLOGY, 0);
        let mut play = Play { engine, now: 1_000_000_000, offset: 0, changes: Vec::new(), order };
        let publish = |change| Command::Reference(Published { control: 0, change });
        play.apply(&publish(Reference::Zone(Zone { id: "z".into(), partition: Some(0) })));
        for (sequence, id) in ["near", "mid"].into_iter().enumerate() {
            let node = Node {
                id: id.into(),
                zone: "z".into(),
                enabled: true,
                default: sequence == 0,
                modes: vec![Default::default()],
                ..Node::default()
            };
            play.apply(&publish(Reference::Node(Box::new(node))));
            let cell = CellName { node: id.into(), sku: "A".into(), bucket: String::new() };
            play.apply(&Command::Count(Count { cell, qty: Qty::units(10), ..Count::default() }));
        }
        let line = |line: &str, units| OrderLine {
            line: line.into(),
            sku: "A".into(),
            qty: Qty::units(units),
            ..OrderLine::default()
        };
        let body = OrderBody { lines: vec![line("1", 2), line("2", 1)], ..OrderBody::default() };
        let body = postcard::to_stdvec(&body).unwrap();
        let pin = pin.map(|node| Pin { node: node.into(), kind: PinKind::Hard });
        let head = OrderHead { pin, ..OrderHead::default() };
        let to = Some(Assigned { order, zone: "z".into() });
        play.apply(&Command::Tick);
        play.apply(&Command::Place(OrderMessage { to, head, body }));
        play
    }

    fn apply(&mut self, command: &Command) {
        self.changes.clear();
        self.step(command);
    }

    fn step(&mut self, command: &Command) {
        let payload = envelope::to_vec(None, &Meta::default(), command);
        let mut out = Outputs::default();
        let input = Input { offset: self.offset, at: self.now, skipped: false, payload: &payload };
        self.engine.apply(input, &mut out);
        self.read(&out);
    }

    fn read(&mut self, out: &Outputs) {
        self.offset += 1;
        for output in out.iter().filter(|o| o.target.topic == Topic::Events) {
            let (_, rest): (Meta, &[u8]) = postcard::take_from_bytes(out.bytes(output)).unwrap();
            self.changes.extend(postcard::from_bytes::<Event>(rest).unwrap().changes);
        }
        if out.iter().any(|o| o.target.topic == Topic::Commands) {
            self.step(&Command::Continue);
        }
    }

    /// What a rule does with the order, settled as by a command.
    fn rule(&mut self, act: impl FnOnce(&mut Engine, &mut Order)) {
        let mut out = Outputs::default();
        let position = Position::new(Topic::Commands, 0, self.offset);
        let mut effects = Effects::new(&mut out, TOPOLOGY, position, Work::default());
        self.engine.with_order(self.order, |engine, order| {
            act(engine, order);
            engine.settle(order, &mut effects);
        });
        effects.finish(&self.engine.state, None);
        self.changes.clear();
        self.read(&out);
    }

    fn start(&mut self, accept: Option<i64>, pick: Option<i64>, late: Late) {
        self.rule(|engine, order| {
            engine.start_work(order, 0, &Deadlines { accept_within: accept, pick_within: pick, late })
        });
    }

    /// Ticks for so long; the changes of all of them.
    fn ticks(&mut self, length: i64) {
        self.changes.clear();
        for _ in 0..length / TICK_MS {
            self.now += TICK_MS;
            self.step(&Command::Tick);
        }
    }

    fn fact(&self, lines: &[&str]) -> NodeFact {
        let lines = lines.iter().map(|line| LineQty { line: (*line).into(), qty: None }).collect();
        NodeFact { order: self.order, node: "near".into(), lines, ..NodeFact::default() }
    }

    fn row(&self) -> OrderRow {
        self.engine.order(self.order).unwrap()
    }

    /// Units that are promised at a node.
    fn at(&self, node: &str) -> Qty {
        let of = |f: &FulfilmentRow| f.allocated + f.picked + f.ready;
        self.row().fulfilments.iter().filter(|f| f.node == node).map(of).sum()
    }

    fn due(&self) -> Vec<Option<i64>> {
        self.row().fulfilments.iter().map(|f| f.due).collect()
    }

    fn late(&self) -> Vec<Deadline> {
        let late = self.changes.iter().filter_map(|c| match c {
            Change::Late(_, deadline) => Some(*deadline),
            _ => None,
        });
        late.collect()
    }

    fn escalated(&self) -> usize {
        let is = |c: &&Change| matches!(c, Change::Exception(Exception::Escalated(_)));
        self.changes.iter().filter(is).count()
    }

    /// A snapshot knows all of it.
    fn restored(mut self) -> Play {
        let mut snapshot = Vec::new();
        self.engine.snapshot(&mut snapshot);
        self.engine = Engine::restore(TOPOLOGY, 0, &snapshot).unwrap();
        self
    }
}

#[test]
fn who_does_not_accept_in_time_loses_the_work() {
    let mut play = Play::new(None);
    play.start(Some(2 * MINUTE), Some(10 * MINUTE), Late::Reroute);
    assert_eq!(play.due(), [Some(play.now + 2 * MINUTE); 2]);
    play.ticks(2 * MINUTE - TICK_MS);
    assert_eq!((play.late(), play.at("near")), (vec![], Qty::units(3)));
    let mut play = play.restored();
    play.ticks(TICK_MS);
    assert_eq!(play.late(), [Deadline::Accept]);
    assert_eq!((play.at("near"), play.at("mid")), (Qty::ZERO, Qty::units(3)));
    assert_eq!((play.row().declined, play.due()), (vec!["near".to_owned()], vec![None, None]));
    play.ticks(20 * MINUTE);
    assert!(play.changes.is_empty(), "{:?}", play.changes);
}

#[test]
fn more_work_gives_no_more_time() {
    let mut play = Play::new(None);
    play.start(Some(2 * MINUTE), None, Late::Reroute);
    play.ticks(MINUTE);
    play.start(Some(2 * MINUTE), None, Late::Reroute);
    play.ticks(MINUTE);
    assert_eq!((play.late(), play.at("mid")), (vec![Deadline::Accept], Qty::units(3)));
}

#[test]
fn what_was_accepted_stays_and_is_then_to_be_picked() {
    let mut play = Play::new(None);
    play.start(Some(2 * MINUTE), Some(10 * MINUTE), Late::Reroute);
    play.ticks(MINUTE);
    play.apply(&Command::Accepted(play.fact(&["1"])));
    play.ticks(MINUTE);
    assert_eq!((play.at("near"), play.at("mid")), (Qty::units(2), Qty::units(1)), "line 2 was not accepted");
    assert_eq!(play.due()[0], Some(play.now + 10 * MINUTE), "picking begins with the last word on accepting");
    play.ticks(10 * MINUTE);
    assert_eq!(play.late(), [Deadline::Pick]);
    assert_eq!((play.at("near"), play.at("mid")), (Qty::ZERO, Qty::units(3)));
}

#[test]
fn picking_part_of_it_keeps_that_part() {
    let mut play = Play::new(None);
    play.start(None, Some(10 * MINUTE), Late::Reroute);
    play.ticks(5 * MINUTE);
    play.apply(&Command::Picked(play.fact(&["1"])));
    play.ticks(5 * MINUTE);
    assert_eq!((play.at("near"), play.at("mid")), (Qty::units(2), Qty::units(1)));
    assert!(play.due().iter().all(Option::is_none), "{:?}", play.due());
}

#[test]
fn a_late_word_counts_until_the_lapse_is_worked_off() {
    let mut play = Play::new(None);
    play.start(Some(2 * MINUTE), None, Late::Reroute);
    play.ticks(2 * MINUTE - TICK_MS);
    play.now += TICK_MS + 1_000;
    play.apply(&Command::Accepted(play.fact(&[])));
    play.ticks(10 * MINUTE);
    assert_eq!((play.late(), play.at("near")), (vec![], Qty::units(3)));
    // And behind it: what the node states is a fact all the same.
    let mut play = Play::new(None);
    play.start(Some(2 * MINUTE), None, Late::Reroute);
    play.ticks(2 * MINUTE);
    play.apply(&Command::Shipped(play.fact(&["1"])));
    let row = play.row();
    assert_eq!(row.lines[0].shipped, Qty::ZERO, "a shipment that names no quantity moves what is there");
    let all = |line: &str| LineQty { line: line.into(), qty: Some(Qty::units(1)) };
    let fact = NodeFact { lines: vec![all("2")], ..play.fact(&[]) };
    play.apply(&Command::Shipped(fact));
    assert_eq!(play.row().lines[1].shipped, Qty::units(1), "one that does is taken");
}

#[test]
fn where_the_rule_says_so_it_stays_and_someone_is_told_once() {
    let mut play = Play::new(None);
    play.start(Some(2 * MINUTE), Some(10 * MINUTE), Late::Escalate);
    play.ticks(2 * MINUTE);
    assert_eq!((play.late(), play.escalated()), (vec![Deadline::Accept], 1));
    play.ticks(60 * MINUTE);
    assert_eq!((play.late(), play.at("near")), (vec![], Qty::units(3)));
    play.apply(&Command::Accepted(play.fact(&[])));
    play.ticks(10 * MINUTE);
    assert_eq!((play.late(), play.escalated()), (vec![Deadline::Pick], 1));
    assert_eq!(play.at("near"), Qty::units(3));
}

#[test]
fn who_alone_may_send_it_keeps_it() {
    let mut play = Play::new(Some("near"));
    play.start(Some(2 * MINUTE), None, Late::Reroute);
    play.ticks(2 * MINUTE);
    assert_eq!((play.late(), play.escalated(), play.at("near")), (vec![Deadline::Accept], 1, Qty::units(3)));
}

#[test]
fn no_deadline_runs_while_nobody_serves() {
    let mut play = Play::new(None);
    // One outage before it was set, one while it runs.
    play.now += 60 * MINUTE;
    play.apply(&Command::Tick);
    play.ticks(MINUTE);
    play.start(Some(2 * MINUTE), None, Late::Reroute);
    play.now += 120 * MINUTE;
    play.apply(&Command::Tick);
    play.ticks(MINUTE + TICK_MS);
    assert_eq!((play.late(), play.at("near")), (vec![], Qty::units(3)));
    play.ticks(MINUTE);
    assert_eq!(play.late(), [Deadline::Accept]);
}

#[test]
fn what_is_left_open_too_long_is_cancelled() {
    let mut play = Play::new(Some("ghost"));
    assert_eq!(&*play.row().state.text(), "parked:unmapped");
    play.rule(|engine, order| engine.auto_cancel(order, 30 * MINUTE));
    play.ticks(20 * MINUTE);
    play.rule(|engine, order| engine.auto_cancel(order, 30 * MINUTE));
    play.ticks(10 * MINUTE - TICK_MS);
    assert_eq!(&*play.row().state.text(), "parked:unmapped");
    let mut play = play.restored();
    play.ticks(TICK_MS);
    assert_eq!(&*play.row().state.text(), "cancelled", "a second look does not begin the time anew");
    assert_eq!(play.engine.state.deadlines.len(), 0);
}

#[test]
fn what_is_not_open_any_more_is_not_cancelled() {
    let mut play = Play::new(None);
    play.rule(|engine, order| {
        engine.auto_cancel(order, 30 * MINUTE);
        assert_eq!(engine.state.deadlines.len(), 1);
    });
    assert_eq!(play.engine.state.deadlines.len(), 0);
    play.ticks(40 * MINUTE);
    assert_eq!((&*play.row().state.text(), play.at("near")), ("in_fulfilment", Qty::units(3)));
}

/// Operations may give an order what a node has, but not what others hold without a node.
#[test]
fn what_others_hold_is_not_given_by_hand() {
    let mut play = Play::new(Some("ghost"));
    play.engine.state.hold_unpinned("z", "", 0, Qty::units(18));
    let assign = |play: &mut Play, key| {
        let to = Some(Assigned { order: play.order, zone: "z".into() });
        let act = Steering::Assign { node: "near".into(), lines: Vec::new() };
        play.apply(&Command::Steer(Steer { to, act, key: [key; 16], ..Steer::default() }));
        play.at("near")
    };
    assert_eq!(assign(&mut play, 1), Qty::ZERO, "18 of 20 are held for others");
    play.engine.state.hold_unpinned("z", "", 0, Qty::units(-1));
    assert_eq!(assign(&mut play, 2), Qty::units(3));
}
