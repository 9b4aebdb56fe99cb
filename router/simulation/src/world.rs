//! The world of a run: stages with their owners, a log, callers, a clock, and what goes wrong.

use std::{collections::BTreeMap, sync::Arc};

use router_schemas::{
    command::{Command, Genesis},
    envelope::{self, Meta, decode},
    event::Event,
    position::{LogId, Topic, TopicPartition},
    reply::Reply,
    stage::{StageName, Topology},
};

use crate::{
    callers::Callers,
    chance::Chance,
    ledger::Ledger,
    log::{Log, Transaction, Written},
    owner::{Owner, Snapshot},
};

/// Partitions are few, so that orders meet.
pub const TOPOLOGY: Topology = Topology { log: LogId([0x51; 16]), intake: 2, commands: 2, events: 2 };
/// Steps between two looks at everything.
const LOOK: u64 = 10_000;
/// When the world begins: 2026-03-01T08:00Z.
const BEGINNING: i64 = 1_772_352_000_000;

/// What goes wrong on purpose outside of the stages; each is once in so many chances.
#[derive(Clone, Copy, Debug)]
pub struct Trouble {
    /// Batches whose writer ends before or behind its commit.
    pub crash: u64,
    /// Batches that another owner takes over.
    pub stolen: u64,
    /// Batches whose commit is not answered.
    pub unknown: u64,
    /// Steps before the clock jumps, or nobody serves for hours.
    pub jump: u64,
}

impl Default for Trouble {
    fn default() -> Self {
        Trouble { crash: 400, stolen: 500, unknown: 60, jump: 3_000 }
    }
}

/// A lie told on purpose, to see that it is found: what it does to the outputs of a record.
pub type Bend = Box<dyn FnMut(&mut Chance, &mut Vec<Written>)>;

/// All of it.
pub struct World {
    chance: Chance,
    log: Log,
    owners: BTreeMap<TopicPartition, Owner>,
    snapshots: BTreeMap<TopicPartition, Vec<Snapshot>>,
    ticks: BTreeMap<TopicPartition, i64>,
    ledger: Ledger,
    callers: Callers,
    trouble: Trouble,
    bend: Option<Bend>,
    next_look: u64,
    /// Records that the stages applied for good.
    pub applied: u64,
    /// What happened, for the report.
    pub counts: BTreeMap<&'static str, u64>,
}

impl World {
    /// The world of a seed.
    pub fn new(seed: u64, trouble: Trouble) -> World {
        let mut chance = Chance::new(seed);
        let callers = Callers::new(chance.fork());
        let mut world = World {
            chance,
            log: Log::at(BEGINNING),
            owners: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            ticks: BTreeMap::new(),
            ledger: Ledger::default(),
            callers,
            trouble,
            bend: None,
            next_look: LOOK,
            applied: 0,
            counts: BTreeMap::new(),
        };
        let counts = [
            (StageName::Control, 1),
            (StageName::Intake, TOPOLOGY.intake),
            (StageName::Engine, TOPOLOGY.commands),
        ];
        for (stage, count) in counts {
            for partition in 0..count {
                let source = TopicPartition::new(stage.input(), partition);
                let genesis = Command::Genesis(Genesis {
                    log: TOPOLOGY.log,
                    topic: stage.input().code(),
                    partition,
                    partitions: count,
                    level: 1,
                });
                world.append(&source, &Meta::default(), &genesis);
                let epoch = world.log.own(&source);
                world.owners.insert(source.clone(), Owner::new(stage, TOPOLOGY, partition, epoch));
                world.tick(&source);
            }
        }
        for command in world.callers.opening() {
            world.append(&TopicPartition::new(Topic::Control, 0), &Meta::default(), &command);
        }
        world
    }

    /// Has the outputs of records bent before they are written.
    pub fn bent(mut self, bend: Bend) -> World {
        self.bend = Some(bend);
        self
    }

    /// Goes on until so many records were applied. An error says what is wrong.
    pub fn run(&mut self, records: u64, progress: &mut dyn FnMut(u64)) -> Result<(), String> {
        while self.applied < records {
            self.step()?;
            if self.applied >= self.next_look {
                self.look()?;
                progress(self.applied);
            }
        }
        self.look()
    }

    /// Everything is compared: sums with rows, rows with what the engines hold.
    fn look(&mut self) -> Result<(), String> {
        self.next_look = self.applied + LOOK;
        self.ledger.check_all()?;
        for owner in self.owners.values().filter(|owner| owner.next == self.log.committed(&owner.source)) {
            let Some(engine) = owner.engine() else { continue };
            for row in self.ledger.rows() {
                if let Some(held) = engine.order(row.order) {
                    let same = held == *row;
                    if !same {
                        return Err(format!("the last row is {row:?}, the engine holds {held:?}"));
                    }
                }
            }
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), String> {
        self.log.clock += self.chance.within(0, 300);
        let sources: Vec<TopicPartition> = self.owners.keys().cloned().collect();
        for source in &sources {
            if self.log.clock - self.ticks[source] >= 5_000 {
                self.tick(source);
            }
        }
        if self.chance.one_in(self.trouble.jump) {
            self.jump();
        }
        for (target, meta, command) in self.callers.act(self.log.clock, &self.ledger) {
            self.append(&target, &meta, &command);
        }
        for _ in 0..3 {
            let source = self.chance.pick(&sources).clone();
            self.serve(&source)?;
        }
        Ok(())
    }

    /// The clock of the log is wrong for a while, or nobody serves for hours while callers write on.
    fn jump(&mut self) {
        match self.chance.below(4) {
            0 => {
                *self.counts.entry("clock behind").or_default() += 1;
                self.log.clock -= self.chance.within(1_000, 20_000);
            }
            1 => {
                *self.counts.entry("days pass").or_default() += 1;
                self.log.clock += self.chance.within(1, 60) * 86_400_000;
            }
            _ => {
                *self.counts.entry("outages").or_default() += 1;
                for _ in 0..self.chance.within(5, 60) {
                    self.log.clock += self.chance.within(1_000, 300_000);
                    for (target, meta, command) in self.callers.act(self.log.clock, &self.ledger) {
                        self.append(&target, &meta, &command);
                    }
                }
                // Whoever takes over ticks at once, behind the backlog.
                for source in self.owners.keys().cloned().collect::<Vec<_>>() {
                    self.tick(&source);
                }
            }
        }
    }

    fn tick(&mut self, source: &TopicPartition) {
        self.append(source, &Meta::default(), &Command::Tick);
        self.ticks.insert(source.clone(), self.log.clock);
    }

    fn append(&mut self, target: &TopicPartition, meta: &Meta, command: &Command) {
        let payload = envelope::to_vec(None, meta, command);
        self.log.append(target, payload.into());
    }

    /// A batch of a partition, with whatever becomes of it.
    fn serve(&mut self, source: &TopicPartition) -> Result<(), String> {
        if self.log.committed(source) == self.log.end(source) {
            return Ok(());
        }
        let most = 1 + self.chance.below(8);
        let Some(mut owner) = self.owners.remove(source) else { return Ok(()) };
        let mut transaction = owner.apply(&self.log, most);
        if let Some(bend) = &mut self.bend {
            bend(&mut self.chance, &mut transaction.outputs);
        }
        let count = |counts: &mut BTreeMap<_, u64>, what| *counts.entry(what).or_default() += 1;
        if self.chance.one_in(self.trouble.crash) {
            let inside = self.chance.one_in(2);
            count(
                &mut self.counts,
                if inside { "crashes behind a commit" } else { "crashes before a commit" },
            );
            if inside {
                self.commit(&transaction)?;
            }
            owner = self.restored(source);
        } else if self.chance.one_in(self.trouble.stolen) {
            count(&mut self.counts, "partitions taken over");
            owner = self.restored(source);
            if self.log.commit(&transaction) {
                return Err(format!("{source}: two owners wrote"));
            }
        } else if self.chance.one_in(self.trouble.unknown) {
            count(&mut self.counts, "commits without an answer");
            if self.chance.one_in(2) {
                // It went in: the stable offset says so, and nothing is sent again.
                self.commit(&transaction)?;
            }
            if self.log.committed(source) < transaction.next {
                self.commit(&transaction)?;
            }
        } else {
            self.commit(&transaction)?;
        }
        if self.chance.one_in(700) && owner.next == self.log.committed(source) {
            let kept = self.snapshots.entry(source.clone()).or_default();
            kept.push(owner.snapshot());
            if kept.len() > 2 {
                kept.remove(0);
                let oldest = kept[0].next;
                self.log.trim(source, oldest);
            }
        }
        self.owners.insert(source.clone(), owner);
        Ok(())
    }

    /// A new owner, from the newest snapshot and what the log has behind it.
    fn restored(&mut self, source: &TopicPartition) -> Owner {
        let stage = match source.topic {
            Topic::Intake => StageName::Intake,
            Topic::Control => StageName::Control,
            _ => StageName::Engine,
        };
        let epoch = self.log.own(source);
        let committed = self.log.committed(source);
        let snapshot = self.snapshots.get(source).and_then(|kept| kept.last());
        let mut owner = match snapshot {
            Some(snapshot) => Owner::restore(stage, TOPOLOGY, source.partition, epoch, snapshot),
            None => Owner::new(stage, TOPOLOGY, source.partition, epoch),
        };
        while owner.next < committed {
            owner.apply(&self.log, committed - owner.next);
        }
        owner
    }

    /// Takes a transaction in, and everybody hears of it.
    fn commit(&mut self, transaction: &Transaction) -> Result<(), String> {
        if !self.log.commit(transaction) {
            return Err(format!("{}: its owner may not write", transaction.source));
        }
        let stage = match transaction.source.topic {
            Topic::Intake => StageName::Intake,
            Topic::Control => StageName::Control,
            _ => StageName::Engine,
        };
        let mut outputs = transaction.outputs.iter().peekable();
        for offset in &transaction.applied {
            let mut events = Vec::new();
            while let Some(written) = outputs.next_if(|written| written.cause <= *offset) {
                self.hear(written, &mut events)?;
            }
            let record = self.log.record(&transaction.source, *offset).ok_or("a record is gone")?;
            let (at, command) = (record.at, decode::<Command>(&record.payload).ok().map(|(_, c)| c));
            let partition = transaction.source.partition;
            let place = || format!("{}@{offset}", transaction.source);
            self.ledger
                .take(stage, partition, at, command.as_ref(), &events)
                .map_err(|why| format!("{}: {why}", place()))?;
            self.callers.saw(command.as_ref(), &events).map_err(|why| format!("{}: {why}", place()))?;
            self.applied += 1;
        }
        Ok(())
    }

    fn hear(&mut self, written: &Written, events: &mut Vec<Event>) -> Result<(), String> {
        let payload: &Arc<[u8]> = &written.payload;
        match written.target.topic {
            Topic::Events => {
                let (_, event) = decode::<Event>(payload).map_err(|e| format!("an event: {e}"))?;
                events.push(event);
            }
            Topic::Replies => {
                let (_, reply) = decode::<Reply>(payload).map_err(|e| format!("a reply: {e}"))?;
                self.callers.answered(&reply)?;
            }
            _ => {}
        }
        Ok(())
    }
}
