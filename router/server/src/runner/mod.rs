//! Runs the stages over a log: each record once, in order, its outputs and the progress in one transaction.
//!
//! A stage partition is a [`cell::Cell`]. A [`worker`] thread owns some of them. After a start the cells are brought
//! to where the log says they were from snapshots and the log behind them, with output off; everything they wrote is
//! in the log already, in the same transaction as their progress. [`upkeep`] makes the snapshots.

mod bootstrap;
mod cell;
mod directory;
mod error;
mod lag;
mod ledger;
mod recover;
mod replay;
mod settings;
mod snapshots;
#[cfg(test)]
mod tests;
mod trim;
mod upkeep;
mod words;
mod worker;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, atomic::Ordering},
    thread::JoinHandle,
    time::Duration,
};

pub(crate) use bootstrap::{bootstrap, topology};
pub(crate) use cell::{Cell, Machine};
pub(crate) use directory::Directory;
pub(crate) use error::CODES;
pub(crate) use error::{RunnerError, StopReason, Stopped, WordError};
pub(crate) use recover::{earliest, rebuild};
pub(crate) use replay::replay;
use router_log::{Log, Transaction};
use router_schemas::{
    command::Command,
    envelope::{self, Meta},
    position::{Position, Topic, TopicPartition},
    stage::{StageName, Topology},
};
pub(crate) use settings::Settings;
pub(crate) use snapshots::{Snapshots, SnapshotsError};
pub(crate) use trim::Followers;

use self::{
    lag::Lags,
    recover::History,
    upkeep::Upkeep,
    words::{Word, Words},
    worker::{Shared, Worker},
};

/// What can be seen of a stage partition from outside.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub(crate) struct CellStatus {
    /// Offset of the next record.
    pub next: u64,
    pub gauges: BTreeMap<&'static str, u64>,
    /// Set: it does not go on.
    pub stopped: Option<String>,
    /// The record that it is stopped at.
    pub stopped_at: Option<Position>,
}

/// By stage and partition, for example `engine/3`.
pub(crate) type Status = Arc<Mutex<BTreeMap<String, CellStatus>>>;

/// Every stage partition of a log.
fn cells(topology: &Topology) -> Vec<(StageName, u16)> {
    let intake = (0..topology.intake).map(|p| (StageName::Intake, p));
    let engine = (0..topology.commands).map(|p| (StageName::Engine, p));
    // The engines take longest: they begin first.
    engine.chain(intake).chain([(StageName::Control, 0)]).collect()
}

/// The running stages.
pub(crate) struct Runner {
    pub status: Status,
    pub directory: Arc<Directory>,
    pub topology: Topology,
    /// What is damaged in the log where no stage has to read it; empty as long as nothing was found.
    pub damage: Arc<OnceLock<String>>,
    shared: Shared,
    workers: Vec<JoinHandle<Vec<Cell>>>,
    upkeep: Option<JoinHandle<()>>,
}

impl Runner {
    /// Brings all cells to where they were, and starts the workers. `followers` read what the stages write.
    pub fn start(
        log: &Arc<dyn Log>,
        snapshots: &Arc<Snapshots>,
        settings: &Settings,
        followers: Followers,
    ) -> Result<Runner, RunnerError> {
        let topology = bootstrap(&**log, settings.partitions)?;
        snapshots.sweep()?;
        let history = History { log: &**log, snapshots, topology };
        let given = history.words()?;
        check_followers(&**log, &followers)?;
        let directory = Arc::new(Directory::default());
        let recovered = history.recover(&cells(&topology), &given, &directory)?;
        let shared = Shared {
            log: log.clone(),
            snapshots: snapshots.clone(),
            words: Arc::new(Words::new(given)),
            lags: Arc::new(Lags::new(topology.commands)),
            status: Status::default(),
            directory: directory.clone(),
            settings: settings.clone(),
            stop: Arc::default(),
        };
        let (engines, others) = recovered.into_iter().partition(|cell| cell.stage == StageName::Engine);
        let mut workers = Vec::new();
        for (name, cells) in [("intake", others), ("engine", engines)] {
            let worker = Worker::new(shared.clone(), cells);
            let thread = std::thread::Builder::new().name(name.into());
            workers.push(thread.spawn(move || worker.run()).map_err(RunnerError::Thread)?);
        }
        let damage = Arc::<OnceLock<String>>::default();
        let upkeep = settings.upkeep.then(|| {
            let upkeep = Upkeep {
                log: log.clone(),
                snapshots: snapshots.clone(),
                topology,
                settings: settings.clone(),
                followers,
                damage: damage.clone(),
                stop: shared.stop.clone(),
            };
            std::thread::Builder::new().name("upkeep".into()).spawn(move || upkeep.run())
        });
        let upkeep = upkeep.transpose().map_err(RunnerError::Thread)?;
        let status = shared.status.clone();
        Ok(Runner { status, directory, topology, damage, shared, workers, upkeep })
    }

    /// Age of the oldest command that waits in a partition of `router.commands`; cheap enough for every request.
    pub fn lag(&self, partition: u16) -> Duration {
        self.shared.lags.of(partition, (self.shared.settings.clock)())
    }

    /// Passes over the record at which a stage partition is stopped, in every replay; it leaves its outcome and its
    /// reply, nothing else. The partition goes on by itself. Returns the place of the operator's word, which is on
    /// disk.
    pub fn skip(
        &self,
        position: &Position,
        reason: &str,
        actor: Option<&str>,
    ) -> Result<Position, WordError> {
        self.say(Word::Skip, position, reason, actor)
    }

    /// Takes the record at which a stage partition is stopped for being ahead of the clock, and what follows it
    /// closely. Returns the place of the operator's word, which is on disk.
    pub fn accept(
        &self,
        position: &Position,
        reason: &str,
        actor: Option<&str>,
    ) -> Result<Position, WordError> {
        self.say(Word::Accept, position, reason, actor)
    }

    fn say(
        &self,
        word: Word,
        position: &Position,
        reason: &str,
        actor: Option<&str>,
    ) -> Result<Position, WordError> {
        let log = &self.shared.log;
        let stage = StageName::ALL.into_iter().find(|stage| stage.input() == position.topic);
        let range = log.range(&TopicPartition::new(position.topic.clone(), position.partition));
        if stage.is_none() || !range.is_some_and(|range| range.contains(&position.offset)) {
            return Err(WordError::Unknown(position.clone()));
        }
        let command = match word {
            Word::Skip => Command::Skip(position.clone()),
            Word::Accept => Command::Accept(position.clone()),
        };
        let meta = Meta {
            actor: actor.map(str::to_owned),
            reason: Some(reason.to_owned()).filter(|reason| !reason.is_empty()),
            ..Meta::default()
        };
        let mut transaction = Transaction::default();
        transaction.push(&Topic::Control, 0, &envelope::to_vec(None, &meta, &command));
        let appended = self.shared.words.say(word, position, || log.append(&transaction))?;
        log.wait_durable(appended.ticket)?;
        Ok(Position::new(Topic::Control, 0, appended.offsets.first().copied().unwrap_or_default()))
    }

    /// Ends the workers after their current batch. What would make the next start long gets its snapshot now.
    pub fn stop(mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(upkeep) = self.upkeep.take() {
            upkeep.thread().unpark();
            // A thread that panicked has said so; there is nothing left to end.
            let _ = upkeep.join();
        }
        for worker in self.workers.drain(..) {
            for cell in worker.join().unwrap_or_default() {
                if let Err(error) = self.shared.keep(&self.topology, &cell) {
                    tracing::error!(stage = cell.name(), %error, "no snapshot could be made");
                }
            }
        }
    }
}

/// What a follower still needs must be there: it would miss records without a word.
fn check_followers(log: &dyn Log, followers: &Followers) -> Result<(), RunnerError> {
    for (topic, count) in log.topics() {
        for partition in (0..count).map(|p| TopicPartition::new(topic.clone(), p)) {
            let first = log.range(&partition).map_or(0, |range| range.start);
            let needed = followers.iter().filter_map(|follower| follower(&partition)).min();
            if let Some(needed) = needed.filter(|needed| *needed < first) {
                return Err(RunnerError::Behind { partition, needed, first });
            }
        }
    }
    Ok(())
}

impl Shared {
    /// Makes a snapshot of a cell at rest, where its tail is long.
    fn keep(&self, topology: &Topology, cell: &Cell) -> Result<(), RunnerError> {
        let whole = cell.stopped.as_ref().is_none_or(|stopped| !stopped.reason.is_broken());
        let newest = self.snapshots.list(cell.stage, cell.partition)?.first().copied();
        let tail = cell.next.saturating_sub(newest.map_or(0, |name| name.position));
        if !self.settings.upkeep || !whole || tail < self.settings.worth_at_end() {
            return Ok(());
        }
        self.log.wait_durable(self.log.last())?;
        let kept = self.settings.snapshots_kept;
        upkeep::write(&self.snapshots, topology, cell, newest, kept, &mut |_| {})
    }
}
