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
    stage::{Input, Output, Outputs, Stage, StageName, Topology},
};

use super::{
    StopReason, Stopped,
    ledger::{Ledger, Seen},
};

/// A stage over a partition.
pub(crate) struct Cell {
    pub stage: StageName,
    pub partition: u16,
    /// Offset of the next record to apply.
    pub next: u64,
    /// Set: it does not go on, and its machine is not to be trusted.
    pub stopped: Option<String>,
    topology: Topology,
    machine: Box<dyn Stage>,
    ledger: Ledger,
    letters: BTreeSet<Topic>,
}

impl Cell {
    /// A stage that has seen nothing.
    pub fn new(stage: StageName, topology: Topology, partition: u16) -> Cell {
        let machine: Box<dyn Stage> = match stage {
            StageName::Intake => Box::new(Intake::new(topology, partition)),
            StageName::Engine => Box::new(Engine::new(topology, partition)),
            StageName::Control => Box::new(Control::new(topology)),
        };
        let (ledger, letters) = (Ledger::default(), BTreeSet::new());
        Cell { stage, partition, next: 0, stopped: None, topology, machine, ledger, letters }
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
        self.machine.gauges().into_iter().collect()
    }

    /// Hash of the stage's state.
    pub fn state_hash(&self) -> u64 {
        self.machine.state_hash()
    }

    /// Applies the next record and hands each output with its origin to `take`. After an error the cell is good
    /// for nothing more.
    pub fn apply(
        &mut self,
        record: &Record,
        outputs: &mut Outputs,
        mut take: impl FnMut(&Outputs, &Output, &Origin),
    ) -> Result<(), Stopped> {
        let position = Position::new(self.stage.input(), self.partition, record.offset);
        let stop = |reason| Stopped { position: position.clone(), reason };
        if record.offset != self.next {
            let reason = format!("offset {} follows, {} was expected", record.offset, self.next);
            return Err(stop(StopReason::Log(reason)));
        }
        // What has no readable head is for the stage to refuse.
        let origin = envelope::origin(&record.payload).ok().flatten();
        if let Some(origin) = &origin {
            match self.ledger.judge(self.topology.log, origin) {
                Ok(Seen::New) => {}
                Ok(Seen::Repeat) => {
                    self.next += 1;
                    return Ok(());
                }
                Err(reason) => return Err(stop(reason)),
            }
        }
        outputs.clear();
        let input = Input { offset: record.offset, at: record.at, skipped: false, payload: &record.payload };
        let machine = &mut *self.machine;
        // The caller gives the cell up on an error, so nobody sees the machine half changed.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| machine.apply(input, outputs))) {
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

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".into())
}
