//! Runs the stages over a log: each record once, in order, its outputs and the progress in one transaction.
//!
//! A stage partition is a [`cell::Cell`]. A worker thread owns some of them. After a start the cells are brought
//! to where the log says they were by applying the log again with output off; everything they wrote is in the log
//! already, in the same transaction as their progress.

mod bootstrap;
mod cell;
mod directory;
mod ledger;
mod replay;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

pub(crate) use bootstrap::bootstrap;
pub(crate) use cell::Cell;
pub(crate) use directory::Directory;
pub(crate) use replay::replay;
use router_log::{Commit, Isolation, Log, LogError, Transaction, scan};
use router_schemas::{
    command::Command,
    envelope::{self, Meta},
    limits::TICK_MS,
    position::{LogId, Position, Topic, TopicPartition},
    refusal::Code,
    stage::{Outputs, StageName, Topology},
};

/// Records applied in one transaction at most, and bytes at which no more are read.
const BATCH: (usize, usize) = (1024, 1 << 20);

/// The codes of the runner.
pub(crate) const CODES: &[Code] = &[
    code(
        "E2201",
        "a topic has another number of partitions than configured",
        "give the number it was made with",
    ),
    code("E2202", "a partition is not of this log", "put the right folder there"),
    code("E2203", "the log runs at a later behaviour level", "run a later build"),
    code(
        "E2204",
        "a stage stopped while it was brought to where it had been",
        "report it with the record named",
    ),
    code("E2205", "a thread of the stages cannot be started", "see the system's reason"),
    code("E2206", "a thread of the router cannot be started", "see the system's reason"),
    code("E2207", "the operating system gives no random bytes", "see the system's reason"),
];

const fn code(id: &'static str, summary: &'static str, hint: &'static str) -> Code {
    Code { id, summary, hint }
}

/// The runner could not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunnerError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(
        "E2201: {topic} has {present} partitions, {wanted} are configured; a log keeps its count for ever"
    )]
    Partitions { topic: Topic, present: u16, wanted: u16 },
    #[error("E2202: {partition} is no partition of this log: {reason}; put the right folder there")]
    Genesis { partition: TopicPartition, reason: String },
    #[error("E2203: the log runs at behaviour level {present}, this build knows {known}; run a later build")]
    Level { present: u32, known: u32 },
    #[error("E2204: {0}")]
    Stopped(Stopped),
    #[error("E2205: cannot start a thread: {0}")]
    Thread(std::io::Error),
}

/// Why a stage partition does not go on.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum StopReason {
    #[error("the record belongs to log {0}")]
    Foreign(LogId),
    #[error("number {expected} of {origin} is missing: {found} follows")]
    Gap { origin: TopicPartition, expected: u64, found: u64 },
    #[error("an invariant is broken: {0}")]
    Broken(String),
    #[error("the log: {0}")]
    Log(String),
}

/// A stage partition stopped at this record.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("stopped at {position}: {reason}; nothing behind it is applied. Report it with this record")]
pub(crate) struct Stopped {
    pub position: Position,
    pub reason: StopReason,
}

/// What can be seen of a stage partition from outside.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub(crate) struct CellStatus {
    /// Offset of the next record.
    pub next: u64,
    pub gauges: BTreeMap<&'static str, u64>,
    /// Set: it does not go on.
    pub stopped: Option<String>,
}

/// By stage and partition, for example `engine/3`.
pub(crate) type Status = Arc<Mutex<BTreeMap<String, CellStatus>>>;

/// The running stages.
pub(crate) struct Runner {
    pub status: Status,
    pub directory: Arc<Directory>,
    pub topology: Topology,
    stop: Arc<AtomicBool>,
    workers: Vec<JoinHandle<()>>,
}

impl Runner {
    /// Brings all cells to where they were, and starts the workers.
    pub fn start(log: &Arc<dyn Log>, partitions: u16) -> Result<Runner, RunnerError> {
        let topology = bootstrap(&**log, partitions)?;
        let mut groups = [vec![Cell::new(StageName::Control, topology, 0)], Vec::new()];
        groups[0].extend((0..topology.intake).map(|p| Cell::new(StageName::Intake, topology, p)));
        groups[1].extend((0..topology.commands).map(|p| Cell::new(StageName::Engine, topology, p)));
        let stop = Arc::new(AtomicBool::new(false));
        let status = Status::default();
        let directory = Arc::new(Directory::default());
        // Both groups recover side by side.
        let recovered = std::thread::scope(|scope| {
            let recover = |cells: Vec<Cell>| {
                let (log, directory) = (log.clone(), &directory);
                scope.spawn(move || {
                    let recovered = cells.into_iter().map(|mut cell| {
                        let end = log.committed(cell.stage.group(), &cell.source()).unwrap_or(0);
                        recover(&*log, &mut cell, end, directory).map(|()| cell)
                    });
                    recovered.collect::<Result<Vec<_>, RunnerError>>()
                })
            };
            let threads = groups.map(recover);
            threads.map(|t| t.join().expect("cells catch the panics of their stages"))
        });
        let mut workers = Vec::new();
        for cells in recovered {
            let (directory, status) = (directory.clone(), status.clone());
            let mut worker =
                Worker { log: log.clone(), cells: cells?, status, directory, stop: stop.clone() };
            worker.report();
            let name = worker.cells.first().map_or("stages", |c| c.stage.group());
            let thread = std::thread::Builder::new().name(name.into());
            workers.push(thread.spawn(move || worker.run()).map_err(RunnerError::Thread)?);
        }
        Ok(Runner { status, directory, topology, stop, workers })
    }

    /// Ends the workers after their current batch.
    pub fn stop(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for worker in self.workers.drain(..) {
            // A worker that panicked has said so; there is nothing left to end.
            let _ = worker.join();
        }
    }
}

/// Applies the log up to `end` with output off.
pub(crate) fn recover(
    log: &dyn Log,
    cell: &mut Cell,
    end: u64,
    directory: &Directory,
) -> Result<(), RunnerError> {
    let mut outputs = Outputs::default();
    scan(log, &cell.source(), cell.next..end, Isolation::Appended, |records| {
        records.iter().try_for_each(|record| {
            let stage = cell.stage;
            let note = |outputs: &Outputs, output: &_, _: &_| directory.note(stage, outputs, output);
            cell.apply(record, &mut outputs, note).map_err(RunnerError::Stopped)
        })
    })
}

struct Worker {
    log: Arc<dyn Log>,
    cells: Vec<Cell>,
    status: Status,
    directory: Arc<Directory>,
    stop: Arc<AtomicBool>,
}

impl Worker {
    fn run(&mut self) {
        if let Err(error) = self.work() {
            tracing::error!(%error, "a worker ended");
            for cell in &mut self.cells {
                cell.stopped.get_or_insert_with(|| error.to_string());
            }
            self.report();
        }
    }

    fn work(&mut self) -> Result<(), LogError> {
        let from = self.cells.iter().map(|c| (c.source(), c.next)).collect();
        let mut reader = self.log.reader(from, Isolation::Appended)?;
        let (mut outputs, mut transaction) = (Outputs::default(), Transaction::default());
        let (mut ticked, mut reported) = (None::<Instant>, Instant::now());
        while !self.stop.load(Ordering::Relaxed) {
            if ticked.is_none_or(|at| at.elapsed() >= Duration::from_millis(TICK_MS as u64)) {
                ticked = Some(Instant::now());
                self.tick()?;
            }
            if reported.elapsed() > Duration::from_millis(500) {
                reported = Instant::now();
                self.report();
            }
            let Some(batch) = reader.poll(BATCH.0, BATCH.1, Duration::from_millis(50))? else { continue };
            let Some(cell) = self.cells.iter_mut().find(|c| c.source() == batch.source) else { continue };
            if cell.stopped.is_some() {
                continue;
            }
            transaction.clear();
            let (stage, directory) = (cell.stage, &self.directory);
            for record in &batch.records {
                let applied = cell.apply(record, &mut outputs, |outputs, output, origin| {
                    directory.note(stage, outputs, output);
                    let target = &output.target;
                    transaction.push_with(&target.topic, target.partition, |out| {
                        outputs.record(output, origin, out)
                    });
                });
                if let Err(stopped) = applied {
                    tracing::error!(%stopped, "a stage partition stopped");
                    cell.stopped = Some(stopped.to_string());
                    break;
                }
            }
            let group = Arc::from(cell.stage.group());
            transaction.commit(Commit { group, source: cell.source(), next: cell.next });
            cell.new_letters(&*self.log)?;
            self.log.append(&transaction)?;
        }
        Ok(())
    }

    fn tick(&self) -> Result<(), LogError> {
        let mut transaction = Transaction::default();
        let tick = envelope::to_vec(None, &Meta::default(), &Command::Tick);
        for cell in self.cells.iter().filter(|c| c.stopped.is_none() && c.stage != StageName::Control) {
            transaction.push(&cell.stage.input(), cell.partition, &tick);
        }
        if !transaction.is_empty() {
            self.log.append(&transaction)?;
        }
        Ok(())
    }

    fn report(&self) {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        for cell in &self.cells {
            let (next, gauges, stopped) = (cell.next, cell.gauges(), cell.stopped.clone());
            status.insert(cell.name(), CellStatus { next, gauges, stopped });
        }
    }
}
