//! A worker: one thread that owns some cells, feeds them, and brings what they write and how far they are to the
//! log in one transaction.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use router_log::{Batch, Commit, Isolation, Log, LogError, Reader, Transaction};
use router_schemas::{
    command::Command,
    envelope::{self, Meta},
    limits::{AHEAD_MS, TICK_MS},
    position::Position,
    stage::{Outputs, StageName},
};

use super::{
    Cell, CellStatus, Directory, RunnerError, Settings, Status, StopReason, Stopped,
    cell::message,
    lag::Lags,
    rebuild,
    snapshots::Snapshots,
    words::{Word, Words},
};

/// Records applied in one transaction at most, and bytes at which no more are read: a batch is what came while the
/// last one was applied, up to this.
const BATCH: (usize, usize) = (1024, 1 << 20);
/// Bytes written by one transaction at which it is closed, however much its input holds.
const WRITTEN: usize = 4 << 20;

/// What all workers share.
#[derive(Clone)]
pub(super) struct Shared {
    pub log: Arc<dyn Log>,
    pub snapshots: Arc<Snapshots>,
    pub words: Arc<Words>,
    pub lags: Arc<Lags>,
    pub status: Status,
    pub directory: Arc<Directory>,
    pub settings: Settings,
    pub stop: Arc<AtomicBool>,
}

/// A cell and what concerns it at run time only.
struct Seat {
    cell: Cell,
    /// Offset of the last tick given to it.
    ticked: Option<u64>,
    /// Time of the record that is ahead, ms.
    ahead: i64,
    /// Up to this time, ms, an operator found records fine that are ahead of the clock.
    accepted: i64,
    /// Its successor, being made from snapshot and log.
    rebuilding: Option<JoinHandle<Result<Cell, RunnerError>>>,
}

pub(super) struct Worker {
    shared: Shared,
    seats: Vec<Seat>,
}

impl Worker {
    pub fn new(shared: Shared, cells: Vec<Cell>) -> Worker {
        let seat = |cell| Seat { cell, ticked: None, ahead: 0, accepted: i64::MIN / 2, rebuilding: None };
        let worker = Worker { shared, seats: cells.into_iter().map(seat).collect() };
        worker.report();
        worker
    }

    /// Works until it is told to stop, and gives the cells back.
    pub fn run(mut self) -> Vec<Cell> {
        // A panic of a stage is caught where it is applied; whatever else panics must not leave partitions that look
        // as if they went on.
        let worked = catch_unwind(AssertUnwindSafe(|| self.work()));
        let error = match worked {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(panic) => Some(format!("a panic: {}", message(&*panic))),
        };
        if let Some(error) = error {
            tracing::error!(%error, "a worker ended");
            for Seat { cell, .. } in &mut self.seats {
                let position = Position::new(cell.stage.input(), cell.partition, cell.next);
                let reason = StopReason::Log(error.clone());
                cell.stopped.get_or_insert(Stopped { position, reason });
            }
            self.report();
        }
        self.seats.into_iter().map(|seat| seat.cell).collect()
    }

    fn work(&mut self) -> Result<(), LogError> {
        let from = self.seats.iter().map(|s| (s.cell.source(), s.cell.next)).collect();
        let mut reader = self.shared.log.reader(from, Isolation::Appended)?;
        let (mut outputs, mut transaction) = (Outputs::default(), Transaction::default());
        let (mut ticked, mut reported) = (None::<Instant>, Instant::now());
        let engines = self.seats.iter().any(|s| s.cell.stage == StageName::Engine);
        while !self.shared.stop.load(Ordering::Relaxed) {
            if engines {
                self.shared.lags.looked((self.shared.settings.clock)());
            }
            if ticked.is_none_or(|at| at.elapsed() >= Duration::from_millis(TICK_MS as u64)) {
                ticked = Some(Instant::now());
                self.tick()?;
            }
            if reported.elapsed() > Duration::from_millis(500) {
                reported = Instant::now();
                self.report();
            }
            if self.wake(&mut *reader) {
                self.report();
            }
            let Some(batch) = reader.poll(BATCH.0, BATCH.1, Duration::from_millis(50))? else { continue };
            let Some(seat) = self.seats.iter().position(|s| s.cell.source() == batch.source) else {
                continue;
            };
            if self.seats[seat].cell.stage == StageName::Control {
                self.shared.words.note(&batch.records);
            }
            if self.seats[seat].cell.stopped.is_some() {
                continue;
            }
            self.apply(seat, &batch, &mut outputs, &mut transaction)?;
            let cell = &self.seats[seat].cell;
            if let Some(stopped) = &cell.stopped {
                tracing::error!(%stopped, "a stage partition stopped");
                self.shared.words.stopped(stopped);
                self.report();
            } else if batch.records.last().is_some_and(|last| last.offset >= cell.next) {
                reader.seek(&batch.source, cell.next);
            }
        }
        Ok(())
    }

    /// Applies records until there are no more, enough was written, or one cannot be applied.
    fn apply(
        &mut self,
        seat: usize,
        batch: &Batch,
        outputs: &mut Outputs,
        transaction: &mut Transaction,
    ) -> Result<(), LogError> {
        let Shared { log, lags, directory, settings, .. } = &self.shared;
        let Seat { cell, ahead, accepted, .. } = &mut self.seats[seat];
        let (stage, now) = (cell.stage, (settings.clock)());
        let engine = stage == StageName::Engine;
        let mut oldest = batch.records.first().map_or(0, |r| r.at);
        if engine {
            lags.waits(cell.partition, oldest);
        }
        transaction.clear();
        for record in &batch.records {
            if transaction.bytes() >= WRITTEN {
                break;
            }
            oldest = record.at;
            if record.at > now + AHEAD_MS && !cell.skips.contains(&record.offset) {
                if record.at > accepted.saturating_add(AHEAD_MS) {
                    *ahead = record.at;
                    let position = Position::new(stage.input(), cell.partition, record.offset);
                    cell.stopped = Some(Stopped { position, reason: StopReason::Ahead(record.at - now) });
                    break;
                }
                // What an operator accepted is a stretch of time, not one record of many.
                *accepted = record.at.max(*accepted);
            }
            let applied = cell.apply(record, outputs, |outputs, output, origin| {
                directory.note(stage, outputs, output);
                let target = &output.target;
                transaction
                    .push_with(&target.topic, target.partition, |out| outputs.record(output, origin, out));
            });
            if let Err(stopped) = applied {
                cell.stopped = Some(stopped);
                break;
            }
        }
        transaction.commit(Commit {
            group: Arc::from(stage.group()),
            source: cell.source(),
            next: cell.next,
        });
        cell.new_letters(&**log)?;
        log.append(transaction)?;
        if engine {
            let more = log.range(&batch.source).is_some_and(|range| range.end > cell.next);
            lags.waits(cell.partition, if more { oldest } else { 0 });
        }
        Ok(())
    }

    /// Lets go on what was stopped and may: an operator spoke, or the clock is there. True: something changed.
    fn wake(&mut self, reader: &mut dyn Reader) -> bool {
        let mut changed = false;
        let now = (self.shared.settings.clock)();
        for seat in self.seats.iter_mut().filter(|s| s.cell.stopped.is_some()) {
            if let Some(rebuilding) = seat.rebuilding.take_if(|r| r.is_finished()) {
                changed = true;
                match rebuilding.join() {
                    Ok(Ok(cell)) => seat.cell = cell,
                    Ok(Err(error)) => seat.lost(&error.to_string()),
                    Err(_) => seat.lost("a panic"),
                }
            } else if seat.rebuilding.is_none()
                && let Some(stopped) = &seat.cell.stopped
                && let Some(word) = self.shared.words.resume(stopped, seat.ahead <= now + AHEAD_MS)
            {
                changed = true;
                let (position, broken) = (stopped.position.clone(), stopped.reason.is_broken());
                tracing::warn!(%position, ?word, "a stage partition goes on");
                match word {
                    Word::Skip => drop(seat.cell.skips.insert(position.offset)),
                    Word::Accept => seat.accepted = seat.accepted.max(seat.ahead),
                }
                if broken {
                    seat.rebuild(&self.shared);
                } else {
                    seat.cell.stopped = None;
                }
            }
            if seat.cell.stopped.is_none() {
                reader.seek(&seat.cell.source(), seat.cell.next);
            }
        }
        changed
    }

    /// Gives every partition that goes on its tick. One that has not come to its last tick gets none: a stage that
    /// is behind counts as an outage, and blames nobody for the time it lost.
    fn tick(&mut self) -> Result<(), LogError> {
        let mut transaction = Transaction::default();
        let tick = envelope::to_vec(None, &Meta::default(), &Command::Tick);
        let mut due: Vec<_> = self.seats.iter_mut().filter(|seat| seat.wants_tick()).collect();
        for Seat { cell, .. } in &due {
            transaction.push(&cell.stage.input(), cell.partition, &tick);
        }
        if !transaction.is_empty() {
            let appended = self.shared.log.append(&transaction)?;
            due.iter_mut().zip(appended.offsets).for_each(|(seat, offset)| seat.ticked = Some(offset));
        }
        Ok(())
    }

    fn report(&self) {
        let mut status = self.shared.status.lock().unwrap_or_else(PoisonError::into_inner);
        for Seat { cell, .. } in &self.seats {
            let stopped_at = cell.stopped.as_ref().map(|stopped| stopped.position.clone());
            let stopped = cell.stopped.as_ref().map(Stopped::to_string);
            status.insert(
                cell.name(),
                CellStatus { next: cell.next, gauges: cell.gauges(), stopped, stopped_at },
            );
        }
    }
}

impl Seat {
    fn wants_tick(&self) -> bool {
        let Seat { cell, ticked, .. } = self;
        cell.stopped.is_none()
            && cell.stage != StageName::Control
            && ticked.is_none_or(|offset| offset < cell.next)
    }

    /// Makes the cell anew: what a panic left is not to be trusted. Others go on meanwhile.
    fn rebuild(&mut self, shared: &Shared) {
        let (log, snapshots) = (shared.log.clone(), shared.snapshots.clone());
        let (stage, partition, next) = (self.cell.stage, self.cell.partition, self.cell.next);
        let thread = std::thread::Builder::new().name("rebuild".into());
        match thread.spawn(move || rebuild(&*log, &snapshots, stage, partition, next)) {
            Ok(rebuilding) => self.rebuilding = Some(rebuilding),
            Err(error) => self.lost(&error.to_string()),
        }
    }

    /// It stays stopped until the next start.
    fn lost(&mut self, error: &str) {
        tracing::error!(stage = self.cell.name(), error, "a stage partition could not be made anew");
        if let Some(stopped) = &mut self.cell.stopped {
            stopped.reason =
                StopReason::Log(format!("it could not be made anew: {error}; restart the router"));
        }
    }
}
