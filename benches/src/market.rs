//! A small world for the steps: keys, stages that know zones and nodes and stock, and orders as every step gets them.
//! What the engine's own steps get is in `engine.rs`.

use router_engine::engine::Engine;
use router_ingest::{
    decode::{self, Context},
    intake::Intake,
    seal::Keys,
};
use router_loadtest::orders::Orders;
use router_schemas::{
    command::{
        Command,
        order::Arrival,
        stock::{CellName, Count},
    },
    envelope::{self, Meta, Origin, ReplyTo},
    position::{LogId, Topic},
    quantity::Qty,
    stage::{Input, Outputs, Stage, Topology},
};

const TOPOLOGY: Topology = Topology { log: LogId([7; 16]), intake: 1, commands: 1, events: 1 };
/// Time of the first record, ms.
const START: i64 = 1_750_000_000_000;

pub(crate) struct Market {
    pub keys: Keys,
    pub orders: Orders,
    pub intake: Intake,
    pub engine: Engine,
    outputs: Outputs,
    muted: Outputs,
    /// Number of the next order.
    number: u64,
    /// Offsets of the next records of intake and engine.
    offsets: (u64, u64),
    _folder: tempfile::TempDir,
}

impl Market {
    /// One zone of so many nodes, each of which has all of so many SKUs.
    pub fn new(nodes: u32, skus: u32) -> Market {
        let folder = tempfile::tempdir().expect("the temporary folder takes files");
        let mut market = Market {
            keys: Keys::open(folder.path()).expect("a new folder takes keys"),
            orders: Orders::new(1, 1, skus),
            intake: Intake::new(TOPOLOGY, 0),
            engine: Engine::new(TOPOLOGY, 0),
            outputs: Outputs::default(),
            muted: Outputs::muted(),
            number: 0,
            offsets: (0, 0),
            _folder: folder,
        };
        market.know("zone.v1", r#"{"id":"zone-0000","partition":0}"#);
        market.know("channel.v1", r#"{"id":"load","default_zone":"zone-0000"}"#);
        for node in 0..nodes {
            let (latitude, longitude) =
                (20.0 + f64::from(node % 97) / 97.0, 100.0 + f64::from(node % 89) / 89.0);
            market.know("node.v1", &format!(
                r#"{{"id":"node-{node:05}","zone":"zone-0000","latitude":{latitude:.4},"longitude":{longitude:.4}}}"#
            ));
        }
        for sku in 0..skus {
            for node in 0..nodes {
                let cell = CellName {
                    node: format!("node-{node:05}"),
                    sku: format!("sku-{sku:06}"),
                    bucket: String::new(),
                };
                let qty = Qty::units(500_000_000);
                let count = Count { cell, qty, counter: "c".into(), sequence: Some(1), ..Count::default() };
                market.engine(&record(&Command::Count(count)));
            }
        }
        market
    }

    /// Lets both stages know what a message says.
    fn know(&mut self, kind: &str, message: &str) {
        let command = self.decode(kind, message.as_bytes());
        let record = record(&command);
        if matches!(command, Command::Reference(_)) {
            self.after_intake(&record);
        }
        self.after_engine(&record);
    }

    pub fn decode(&self, kind: &str, bytes: &[u8]) -> Command {
        let context = Context { keys: &self.keys, arrival: Arrival::Http, key: None };
        decode::message(kind, bytes, &context).expect("messages made here are good")
    }

    /// Orders as callers send them.
    pub fn messages(&mut self, count: usize) -> Vec<Vec<u8>> {
        let made = (0..count).map(|_| {
            let mut bytes = Vec::new();
            self.orders.write(self.number, &mut bytes);
            self.number += 1;
            bytes
        });
        made.collect()
    }

    /// Orders as intake reads them.
    pub fn for_intake(&mut self, count: usize) -> Vec<Vec<u8>> {
        let messages = self.messages(count);
        messages.iter().map(|message| record(&self.decode("order.v1", message))).collect()
    }

    /// Orders as the engine reads them.
    pub fn for_engine(&mut self, count: usize) -> Vec<Vec<u8>> {
        let records = self.for_intake(count);
        records
            .iter()
            .flat_map(|record| self.after_intake(record))
            .filter(|(topic, _)| *topic == Topic::Commands)
            .map(|(_, r)| r)
            .collect()
    }

    /// Events of orders that the engine decides.
    pub fn events(&mut self, count: usize) -> Vec<Vec<u8>> {
        let records = self.for_engine(count);
        records
            .iter()
            .flat_map(|record| self.after_engine(record))
            .filter(|(topic, _)| *topic == Topic::Events)
            .map(|(_, r)| r)
            .collect()
    }

    /// What intake writes.
    pub fn after_intake(&mut self, record: &[u8]) -> Vec<(Topic, Vec<u8>)> {
        self.intake(record);
        written(&self.outputs)
    }

    /// What the engine writes.
    pub fn after_engine(&mut self, record: &[u8]) -> Vec<(Topic, Vec<u8>)> {
        self.engine(record);
        written(&self.outputs)
    }

    /// Intake alone.
    pub fn intake(&mut self, payload: &[u8]) {
        self.outputs.clear();
        let offset = self.offsets.0;
        self.offsets.0 += 1;
        self.intake.apply(
            Input { offset, at: START + offset as i64 / 100, skipped: false, payload },
            &mut self.outputs,
        );
    }

    /// The engine alone.
    pub fn engine(&mut self, payload: &[u8]) {
        self.outputs.clear();
        let input = self.next(payload);
        self.engine.apply(input, &mut self.outputs);
    }

    /// The engine alone, without what it writes.
    pub fn decide(&mut self, payload: &[u8]) {
        let input = self.next(payload);
        self.engine.apply(input, &mut self.muted);
    }

    fn next<'a>(&mut self, payload: &'a [u8]) -> Input<'a> {
        let offset = self.offsets.1;
        self.offsets.1 += 1;
        Input { offset, at: START + offset as i64 / 100, skipped: false, payload }
    }
}

/// A record whose sender waits for the answer.
pub(crate) fn record(command: &Command) -> Vec<u8> {
    let reply = Some(ReplyTo { partition: 0, correlation: [1; 16], outcome: false });
    envelope::to_vec(None, &Meta { reply, ..Meta::default() }, command)
}

fn written(outputs: &Outputs) -> Vec<(Topic, Vec<u8>)> {
    let all = outputs.iter().map(|output| {
        let origin = Origin { log: TOPOLOGY.log, topic: 1, partition: 0, sequence: 1 };
        let mut bytes = Vec::new();
        outputs.record(output, &origin, &mut bytes);
        (output.target.topic.clone(), bytes)
    });
    all.collect()
}
