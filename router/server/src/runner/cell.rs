//! One stage over one partition: its state machine, the numbers it has seen and given, how far it is.

use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
};

use router_engine::{control::Control, engine::Engine};
use router_ingest::intake::Intake;
use router_log::{Log, LogError, Record};
use router_schemas::{
    envelope::{self, Origin},
    limits::EFFECT_BYTES,
    position::{Position, Topic, TopicPartition},
    snapshot::SnapshotError,
    stage::{Input, Output, Outputs, Stage, StageName, Topology},
};

use super::{
    StopReason, Stopped,
    bootstrap::LEVEL,
    ledger::{Ledger, Seen},
    snapshots::Header,
    words::Given,
};

/// The state machine of a cell.
pub(crate) enum Machine {
    Intake(Box<Intake>),
    Engine(Box<Engine>),
    Control(Box<Control>),
}

impl Machine {
    fn stage(&self) -> &dyn Stage {
        match self {
            Machine::Intake(intake) => &**intake,
            Machine::Engine(engine) => &**engine,
            Machine::Control(control) => &**control,
        }
    }

    /// Applies a record.
    pub fn apply(&mut self, input: Input<'_>, out: &mut Outputs) {
        match self {
            Machine::Intake(intake) => intake.apply(input, out),
            Machine::Engine(engine) => engine.apply(input, out),
            Machine::Control(control) => control.apply(input, out),
        }
        // Behind the change: what a panic leaves is not to be gone on with.
        #[cfg(test)]
        super::tests::break_on(&input);
    }
}

/// A stage over a partition.
pub(crate) struct Cell {
    pub stage: StageName,
    pub partition: u16,
    /// Offset of the next record to apply.
    pub next: u64,
    /// Set: it does not go on; where the reason says so, its machine is not to be trusted.
    pub stopped: Option<Stopped>,
    /// Offsets of records that an operator had passed over.
    pub skips: BTreeSet<u64>,
    /// The greatest append time applied, ms.
    time: i64,
    topology: Topology,
    machine: Machine,
    ledger: Ledger,
    /// CONTROL only: what operators said up to `next`.
    given: Given,
    letters: BTreeSet<Topic>,
}

impl Cell {
    /// A stage that has seen nothing.
    pub fn new(stage: StageName, topology: Topology, partition: u16) -> Cell {
        let machine = match stage {
            StageName::Intake => Machine::Intake(Box::new(Intake::new(topology, partition))),
            StageName::Engine => Machine::Engine(Box::new(Engine::new(topology, partition))),
            StageName::Control => Machine::Control(Box::new(Control::new(topology))),
        };
        Cell::with(stage, topology, partition, machine)
    }

    /// The cell of a snapshot.
    pub fn restore(
        stage: StageName,
        topology: Topology,
        header: Header,
        state: &[u8],
    ) -> Result<Cell, SnapshotError> {
        let partition = header.partition;
        let machine = match stage {
            StageName::Intake => Machine::Intake(Box::new(Intake::restore(topology, partition, state)?)),
            StageName::Engine => Machine::Engine(Box::new(Engine::restore(topology, partition, state)?)),
            StageName::Control => Machine::Control(Box::new(Control::restore(topology, state)?)),
        };
        let cell = Cell::with(stage, topology, partition, machine);
        Ok(Cell {
            next: header.position,
            time: header.time,
            ledger: header.ledger,
            given: header.given,
            ..cell
        })
    }

    fn with(stage: StageName, topology: Topology, partition: u16, machine: Machine) -> Cell {
        Cell {
            stage,
            partition,
            next: 0,
            stopped: None,
            skips: BTreeSet::new(),
            time: 0,
            topology,
            machine,
            ledger: Ledger::default(),
            given: Given::default(),
            letters: BTreeSet::new(),
        }
    }

    /// What its snapshot says of it.
    pub fn header(&self) -> Header {
        let counts = [self.topology.intake, self.topology.commands, 1];
        let partitions = match self.stage {
            StageName::Intake => counts[0],
            StageName::Engine => counts[1],
            StageName::Control => counts[2],
        };
        Header {
            log: self.topology.log,
            level: LEVEL,
            stage: self.stage.group().to_owned(),
            partition: self.partition,
            partitions,
            position: self.next,
            time: self.time,
            state_hash: self.state_hash(),
            ledger: self.ledger.clone(),
            given: self.given.clone(),
        }
    }

    /// The state machine, to look into it.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The state machine, to go on with it elsewhere.
    pub fn into_machine(self) -> Machine {
        self.machine
    }

    /// The last number that it gave to a target.
    pub fn written(&self, target: &TopicPartition) -> u64 {
        self.ledger.written(target)
    }

    /// Writes the stage's state, in slices.
    pub fn write_state(&self, out: &mut dyn std::io::Write) -> std::io::Result<()> {
        self.machine.stage().snapshot_to(out)
    }

    /// The partition that it reads.
    pub fn source(&self) -> TopicPartition {
        TopicPartition::new(self.stage.input(), self.partition)
    }

    /// As people see it.
    pub fn name(&self) -> String {
        format!("{}/{}", self.stage.group(), self.partition)
    }

    /// The stage's own numbers.
    pub fn gauges(&self) -> BTreeMap<&'static str, u64> {
        self.machine.stage().gauges().into_iter().collect()
    }

    /// Hash of the stage's state.
    pub fn state_hash(&self) -> u64 {
        self.machine.stage().state_hash()
    }

    /// Applies the next record and hands each output with its origin to `take`. After an error the cell has not
    /// moved; where the reason is a broken invariant, it is good for nothing more.
    pub fn apply(
        &mut self,
        record: &Record,
        outputs: &mut Outputs,
        take: impl FnMut(&Outputs, &Output, &Origin),
    ) -> Result<(), Stopped> {
        self.apply_by(record, outputs, Machine::apply, take)
    }

    /// As [`Cell::apply`], with a way of one's own to have the machine apply the record: with a trace, for example.
    pub fn apply_by(
        &mut self,
        record: &Record,
        outputs: &mut Outputs,
        by: impl FnOnce(&mut Machine, Input<'_>, &mut Outputs),
        mut take: impl FnMut(&Outputs, &Output, &Origin),
    ) -> Result<(), Stopped> {
        let position = Position::new(self.stage.input(), self.partition, record.offset);
        let stop = |reason| Stopped { position: position.clone(), reason };
        if record.offset != self.next {
            let reason = format!("offset {} follows, {} was expected", record.offset, self.next);
            return Err(stop(StopReason::Log(reason)));
        }
        let skipped = !self.skips.is_empty() && self.skips.contains(&record.offset);
        // What has no readable head is for the stage to refuse.
        let mut origin = envelope::origin(&record.payload).ok().flatten();
        if let Some(found) = &origin {
            match self.ledger.judge(self.topology.log, found) {
                Ok(Seen::New) => {}
                Ok(Seen::Repeat) => {
                    self.next += 1;
                    return Ok(());
                }
                // The gap is passed over with the record: the numbers go on from it.
                Err(StopReason::Gap { .. }) if skipped => {}
                Err(StopReason::Foreign(_)) if skipped => origin = None,
                Err(reason) => return Err(stop(reason)),
            }
        }
        outputs.clear();
        // What is passed over leaves no time either: it may be one that is far ahead.
        let at = if skipped { self.time } else { record.at };
        let input = Input { offset: record.offset, at, skipped, payload: &record.payload };
        let machine = &mut self.machine;
        // The caller gives the cell up on an error, so nobody sees the machine half changed.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| by(machine, input, outputs))) {
            return Err(stop(StopReason::Broken(message(&*panic))));
        }
        if let Some(bytes) = outputs.iter().map(|o| outputs.bytes(o).len()).find(|b| *b > EFFECT_BYTES) {
            let reason =
                format!("a record of {bytes} bytes was written, the largest allowed has {EFFECT_BYTES}");
            return Err(stop(StopReason::Broken(reason)));
        }
        if let Some(origin) = &origin {
            self.ledger.mark(origin);
        }
        if self.stage == StageName::Control {
            self.given.note(record);
        }
        self.time = self.time.max(at);
        self.next += 1;
        for output in outputs.iter() {
            let Topology { log, .. } = self.topology;
            let Output { target, .. } = output;
            if matches!(target.topic, Topic::DeadLetter(_)) {
                self.letters.insert(target.topic.clone());
            }
            let sequence = self.ledger.number(&target.topic, target.partition);
            let topic = self.stage.input().code();
            take(outputs, output, &Origin { log, topic, partition: self.partition, sequence });
        }
        Ok(())
    }

    /// Makes the dead-letter topics that were written to for the first time.
    pub fn new_letters(&mut self, log: &dyn Log) -> Result<(), LogError> {
        std::mem::take(&mut self.letters).iter().try_for_each(|topic| log.create_topic(topic, 1))
    }
}

/// What a panic said.
pub(super) fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".into())
}
