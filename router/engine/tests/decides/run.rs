//! An engine with three stores, driven record by record as the runner would.

use router_engine::engine::Engine;
use router_schemas::{
    command::{
        Assigned, Command,
        fulfilment::NodeFact,
        order::{Cancel, DeliveryMode, LineQty, OrderBody, OrderHead, OrderLine, OrderMessage},
        reference::{Node, Published, Reference, Zone},
        stock::{CellName, Count, Movement},
    },
    envelope::{self, Meta},
    event::{Event, Outcome},
    geo::UnitVector,
    id::OrderId,
    position::{LogId, Topic},
    quantity::Qty,
    row::OrderRow,
    stage::{Input, Outputs, Stage, Topology},
};

pub const TOPOLOGY: Topology = Topology { log: LogId([3; 16]), intake: 1, commands: 1, events: 1 };

pub struct Run {
    pub engine: Engine,
    pub offset: u64,
    pub days: i64,
    pub written: Vec<Vec<u8>>,
}

impl Run {
    /// Three stores in a row to the east: `near`, `mid`, `far`.
    pub fn new() -> Run {
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

    pub fn publish(&mut self, change: Reference) {
        self.apply(&Command::Reference(Published { control: self.offset, change }));
    }

    /// Applies the command, and the `continue` commands that it asks for.
    pub fn apply(&mut self, command: &Command) -> Outcome {
        let (outcome, go_on) = self.apply_one(command);
        if go_on {
            self.apply(&Command::Continue);
        }
        outcome
    }

    /// Applies the command alone: its outcome, and whether it asks to continue.
    pub fn apply_one(&mut self, command: &Command) -> (Outcome, bool) {
        let out = self.step(command, false);
        let mut outcomes: Vec<_> = events(&out).into_iter().filter_map(|e| e.outcome).collect();
        assert!(outcomes.len() <= 1, "a command leaves one outcome");
        (outcomes.pop().unwrap_or(Outcome::Applied), asks_to_continue(&out))
    }

    /// Applies the command alone, or passes it over: all that it wrote.
    pub fn step(&mut self, command: &Command, skipped: bool) -> Outputs {
        let payload = envelope::to_vec(None, &Meta::default(), command);
        let mut out = Outputs::default();
        let at = self.days * 86_400_000 + 1_000_000 + self.offset as i64;
        self.engine.apply(Input { offset: self.offset, at, skipped, payload: &payload }, &mut out);
        self.offset += 1;
        self.written.extend(out.iter().map(|output| out.bytes(output).to_vec()));
        out
    }

    pub fn count(&mut self, node: &str, sku: &str, units: i64) {
        let cell = CellName { node: node.into(), sku: sku.into(), bucket: String::new() };
        self.apply(&Command::Count(Count { cell, qty: Qty::units(units), ..Count::default() }));
    }

    pub fn receive(&mut self, node: &str, sku: &str, units: i64) {
        self.apply(&receipt(node, sku, units));
    }

    pub fn place(&mut self, lines: &[(&str, i64)]) -> OrderId {
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

    pub fn cancel(&mut self, order: OrderId, lines: Vec<LineQty>) -> Outcome {
        let to = Some(Assigned { order, zone: "z".into() });
        self.apply(&Command::Cancel(Cancel { to, lines, ..Cancel::default() }))
    }

    pub fn ship(&mut self, order: OrderId, node: &str) {
        self.apply(&Command::Shipped(NodeFact { order, node: node.into(), ..NodeFact::default() }));
    }

    pub fn row(&self, order: OrderId) -> OrderRow {
        self.engine.order(order).unwrap()
    }

    pub fn nodes(&self, order: OrderId) -> Vec<(String, i64)> {
        let row = self.row(order);
        row.fulfilments.iter().map(|f| (f.node.clone(), (f.allocated + f.backordered).0 / 1000)).collect()
    }
}

pub fn at(list: &[(&str, i64)]) -> Vec<(String, i64)> {
    list.iter().map(|(n, q)| (n.to_string(), *q)).collect()
}

pub fn cell(node: &str, sku: &str) -> CellName {
    CellName { node: node.into(), sku: sku.into(), bucket: String::new() }
}

pub fn receipt(node: &str, sku: &str, units: i64) -> Command {
    Command::Receipt(Movement { cell: cell(node, sku), qty: Qty::units(units), key: None })
}

pub fn asks_to_continue(out: &Outputs) -> bool {
    out.iter().any(|o| o.target.topic == Topic::Commands)
}

pub fn events(out: &Outputs) -> Vec<Event> {
    let read = |bytes| {
        let (_, rest): (Meta, _) = postcard::take_from_bytes(bytes).unwrap();
        postcard::from_bytes(rest).unwrap()
    };
    out.iter().filter(|o| o.target.topic == Topic::Events).map(|o| read(out.bytes(o))).collect()
}

/// The notices written to a topic.
pub fn texts(out: &Outputs, topic: Topic) -> Vec<String> {
    let mine = out.iter().filter(|o| o.target.topic == topic);
    mine.map(|o| String::from_utf8_lossy(out.bytes(o)).into_owned()).collect()
}
