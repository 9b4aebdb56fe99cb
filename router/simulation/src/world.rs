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
    stores,
    trail::Trail,
};

/// Partitions are few, so that orders meet.
pub const TOPOLOGY: Topology = Topology { log: LogId([0x51; 16]), intake: 2, commands: 2, events: 2 };
/// Records between two looks at everything.
const LOOK: u64 = 10_000;
/// Rounds after which what is under way must have come to rest.
const SETTLES: u64 = 5_000;
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
    trail: Trail,
    /// Owners that were taken over and do not know it.
    stale: Vec<Owner>,
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
            trail: Trail::default(),
            stale: Vec::new(),
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

    /// Lets owners that were taken over go on writing.
    pub fn with_stale_writers(mut self) -> World {
        self.log.anyone = true;
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

    /// What led to a failure.
    pub fn trail(&self, why: &str) -> String {
        self.trail.about(why, &self.log)
    }

    /// Everything is compared: sums with rows, rows with what the engines hold, and once nothing is under way, homes with
    /// parts.
    fn look(&mut self) -> Result<(), String> {
        self.next_look = self.applied + LOOK;
        self.settle()?;
        self.ledger.check_all()?;
        self.ledger.check_parts()?;
        for owner in self.owners.values() {
            let Some(engine) = owner.engine() else { continue };
            for row in self.ledger.rows() {
                if let Some(held) = engine.order(row.order).filter(|held| held != row) {
                    return Err(format!("the last row is {row:?}, the engine holds {held:?}"));
                }
            }
            for ((zone, channel, sku, bucket), held) in self.ledger.pools() {
                let known = engine.pool(channel, zone, sku, bucket).map(|row| row.held.0);
                if stores::partition_of(zone) == owner.source.partition && known.is_some_and(|k| k != held) {
                    return Err(format!("I2: the pool {zone}/{channel}/{sku} holds {known:?}, not {held}"));
                }
            }
        }
        Ok(())
    }

    /// Serves until nothing is under way.
    fn settle(&mut self) -> Result<(), String> {
        let sources: Vec<TopicPartition> = self.owners.keys().cloned().collect();
        for _ in 0..SETTLES {
            if sources.iter().all(|source| self.log.committed(source) == self.log.end(source)) {
                return Ok(());
            }
            for source in &sources {
                self.serve(source)?;
            }
        }
        Err("the stages never come to rest".into())
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
        self.serve_stale()
    }

    /// Who was taken over goes on, and nothing of it is taken in.
    fn serve_stale(&mut self) -> Result<(), String> {
        let stale = self.chance.below(64) as usize;
        let Some(owner) = self.stale.get_mut(stale) else { return Ok(()) };
        let batch = owner.apply(&self.log, 4)?;
        if !batch.applied.is_empty() && self.log.commit(&batch) {
            return Err(format!("{}: two owners wrote", batch.source));
        }
        if self.chance.one_in(4) {
            self.stale.swap_remove(stale);
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
        let mut transaction = owner.apply(&self.log, most)?;
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
            owner = self.replaced(owner, &transaction)?;
        } else if self.chance.one_in(self.trouble.stolen) {
            count(&mut self.counts, "partitions taken over");
            let lost = owner.next;
            let epoch = self.log.own(source);
            if self.log.commit(&transaction) {
                return Err(format!("{source}: two owners wrote"));
            }
            let handed = self.chance.one_in(3);
            let mut other = self.restored(source, epoch)?;
            if handed {
                // It was handed over in order: its state is the other's start.
                let snapshot = other.snapshot();
                other = Owner::restore(other.stage, TOPOLOGY, source.partition, epoch, &snapshot)?;
            }
            let mut stale = std::mem::replace(&mut owner, other);
            stale.next = lost;
            if self.stale.len() < 4 {
                self.stale.push(stale);
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

    /// The next owner after `lost`, which had applied this batch: from then on both are the same, to the byte.
    fn replaced(&mut self, mut lost: Owner, batch: &Transaction) -> Result<Owner, String> {
        let source = lost.source.clone();
        let epoch = self.log.own(&source);
        let mut owner = self.restored(&source, epoch)?;
        if self.log.committed(&source) < lost.next {
            // The batch was lost with its owner: it is made again.
            let mut again = owner.clone_by_snapshot()?;
            let most = lost.next - again.next;
            let made = again.apply(&self.log, most)?;
            let same = made.outputs.len() == batch.outputs.len()
                && made.outputs.iter().zip(&batch.outputs).all(|(a, b)| a.payload == b.payload);
            if self.bend.is_none() && (!same || again.hash() != lost.hash()) {
                return Err(format!("{source}: an owner that came back does not decide as the lost one did"));
            }
        } else if owner.hash() != lost.hash() {
            return Err(format!("{source}: an owner that came back is not as the lost one was"));
        }
        owner.epoch = epoch;
        Ok(owner)
    }

    /// A new owner, from the newest snapshot and what the log has behind it.
    fn restored(&mut self, source: &TopicPartition, epoch: u32) -> Result<Owner, String> {
        let stage = stage_of(source);
        let committed = self.log.committed(source);
        let snapshot = self.snapshots.get(source).and_then(|kept| kept.last());
        let mut owner = match snapshot {
            Some(snapshot) => Owner::restore(stage, TOPOLOGY, source.partition, epoch, snapshot)?,
            None => Owner::new(stage, TOPOLOGY, source.partition, epoch),
        };
        while owner.next < committed {
            owner.apply(&self.log, committed - owner.next)?;
        }
        Ok(owner)
    }

    /// Takes a transaction in, and everybody hears of it.
    fn commit(&mut self, transaction: &Transaction) -> Result<(), String> {
        if !self.log.commit(transaction) {
            return Err(format!("{}: its owner may not write", transaction.source));
        }
        self.trail.note(&self.log, transaction);
        let stage = stage_of(&transaction.source);
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

fn stage_of(source: &TopicPartition) -> StageName {
    match source.topic {
        Topic::Intake => StageName::Intake,
        Topic::Control => StageName::Control,
        _ => StageName::Engine,
    }
}
