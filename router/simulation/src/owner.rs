//! The owner of a stage partition: applies records, numbers what it writes, makes snapshots, and comes back from one. Its
//! rules are those of the program's runner, written a second time: a repeat by its origin is dropped, a gap is an error.

use std::{collections::BTreeMap, sync::Arc};

use router_engine::{control::Control, engine::Engine};
use router_ingest::intake::Intake;
use router_schemas::{
    envelope::{self, Origin},
    position::TopicPartition,
    stage::{Input, Outputs, Stage, StageName, Topology},
};

use crate::log::{Log, Transaction, Written};

/// The state machine.
enum Machine {
    Intake(Box<Intake>),
    Engine(Box<Engine>),
    Control(Box<Control>),
}

impl Machine {
    fn stage(&mut self) -> &mut dyn Stage {
        match self {
            Machine::Intake(stage) => &mut **stage,
            Machine::Engine(stage) => &mut **stage,
            Machine::Control(stage) => &mut **stage,
        }
    }
}

/// Numbers given and seen.
#[derive(Clone, Debug, Default)]
struct Numbers {
    seen: BTreeMap<(u8, u16), u64>,
    given: BTreeMap<TopicPartition, u64>,
}

/// A stage as it was behind some record.
#[derive(Clone)]
pub struct Snapshot {
    /// Offset of the next record.
    pub next: u64,
    state: Arc<[u8]>,
    numbers: Numbers,
    hash: u64,
}

/// One who applies the records of a partition.
pub struct Owner {
    /// The stage.
    pub stage: StageName,
    /// What it reads.
    pub source: TopicPartition,
    /// Offset of the next record to apply.
    pub next: u64,
    /// Its right to commit.
    pub epoch: u32,
    topology: Topology,
    machine: Machine,
    numbers: Numbers,
}

impl Owner {
    /// An owner that has seen nothing.
    pub fn new(stage: StageName, topology: Topology, partition: u16, epoch: u32) -> Owner {
        let machine = match stage {
            StageName::Intake => Machine::Intake(Box::new(Intake::new(topology, partition))),
            StageName::Engine => Machine::Engine(Box::new(Engine::new(topology, partition))),
            StageName::Control => Machine::Control(Box::new(Control::new(topology))),
        };
        let source = TopicPartition::new(stage.input(), partition);
        Owner { stage, source, next: 0, epoch, topology, machine, numbers: Numbers::default() }
    }

    /// The owner as of a snapshot.
    pub fn restore(
        stage: StageName,
        topology: Topology,
        partition: u16,
        epoch: u32,
        snapshot: &Snapshot,
    ) -> Result<Owner, String> {
        let state = &snapshot.state;
        let said = "a snapshot of ours reads back";
        let machine = match stage {
            StageName::Intake => {
                Machine::Intake(Box::new(Intake::restore(topology, partition, state).expect(said)))
            }
            StageName::Engine => {
                Machine::Engine(Box::new(Engine::restore(topology, partition, state).expect(said)))
            }
            StageName::Control => Machine::Control(Box::new(Control::restore(topology, state).expect(said))),
        };
        let source = TopicPartition::new(stage.input(), partition);
        let mut owner = Owner {
            stage,
            source,
            next: snapshot.next,
            epoch,
            topology,
            machine,
            numbers: snapshot.numbers.clone(),
        };
        match owner.hash() == snapshot.hash {
            true => Ok(owner),
            false => Err(format!("{}: a snapshot gives another state", owner.source)),
        }
    }

    /// The whole state, as of the record before `next`.
    pub fn snapshot(&mut self) -> Snapshot {
        let mut state = Vec::new();
        self.machine.stage().snapshot(&mut state);
        Snapshot { next: self.next, state: state.into(), numbers: self.numbers.clone(), hash: self.hash() }
    }

    /// Another owner of the same right, by way of a snapshot.
    pub fn clone_by_snapshot(&mut self) -> Result<Owner, String> {
        let snapshot = self.snapshot();
        Owner::restore(self.stage, self.topology, self.source.partition, self.epoch, &snapshot)
    }

    /// Hash of the state.
    pub fn hash(&mut self) -> u64 {
        self.machine.stage().state_hash()
    }

    /// The engine, where it is one.
    pub fn engine(&self) -> Option<&Engine> {
        match &self.machine {
            Machine::Engine(engine) => Some(engine),
            _ => None,
        }
    }

    /// Applies up to `most` records.
    pub fn apply(&mut self, log: &Log, most: u64) -> Result<Transaction, String> {
        let mut transaction = Transaction {
            source: self.source.clone(),
            next: self.next,
            epoch: self.epoch,
            applied: Vec::new(),
            outputs: Vec::new(),
        };
        let mut outputs = Outputs::default();
        for _ in 0..most {
            let Some(record) = log.record(&self.source, self.next).cloned() else { break };
            let offset = self.next;
            self.next += 1;
            if self.is_repeat(&record.payload)? {
                continue;
            }
            transaction.applied.push(offset);
            outputs.clear();
            let input = Input { offset, at: record.at, skipped: false, payload: &record.payload };
            self.machine.stage().apply(input, &mut outputs);
            for output in outputs.iter() {
                let target = TopicPartition::new(output.target.topic.clone(), output.target.partition);
                let number = self.numbers.given.entry(target.clone()).or_default();
                *number += 1;
                let origin = Origin {
                    log: self.topology.log,
                    topic: self.source.topic.code(),
                    partition: self.source.partition,
                    sequence: *number,
                };
                let mut payload = Vec::new();
                outputs.record(output, &origin, &mut payload);
                transaction.outputs.push(Written { cause: offset, target, payload: payload.into() });
            }
        }
        transaction.next = self.next;
        Ok(transaction)
    }

    /// Whether a record was applied before, by its origin. A gap is a lost record.
    fn is_repeat(&mut self, payload: &[u8]) -> Result<bool, String> {
        let Some(origin) = envelope::origin(payload).ok().flatten() else { return Ok(false) };
        let last = self.numbers.seen.entry((origin.topic, origin.partition)).or_default();
        if origin.sequence > *last + 1 {
            let (source, next) = (&self.source, *last + 1);
            return Err(format!(
                "{source}: record {next} of {}/{} is missing",
                origin.topic, origin.partition
            ));
        }
        let repeat = origin.sequence <= *last;
        *last = origin.sequence.max(*last);
        Ok(repeat)
    }
}
