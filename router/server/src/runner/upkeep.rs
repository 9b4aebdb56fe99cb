//! The thread that makes snapshots and lets go of what the log need not keep. It follows on its own, from the
//! newest snapshot through the log, so that no stage ever waits for it, and gives way to them. After a start it also
//! reads once all that the log holds: a start reads little of it, and damage is to be known while backups are young.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use router_log::{Checked, Log};
use router_schemas::{
    position::TopicPartition,
    stage::{StageName, Topology},
};

use super::{
    Cell, RunnerError, Settings,
    recover::History,
    snapshots::{Name, Snapshots, SnapshotsError},
    trim::{self, Followers},
};

/// Between two looks at how long the tails are.
const LOOK: Duration = Duration::from_millis(100);
/// Between two pieces of the log that are checked.
const CHECK: Duration = Duration::from_millis(20);
/// After a snapshot that failed.
const RETRY: Duration = Duration::from_secs(60);
/// After each slice and each stretch of records: a moment in which the stages have the processor to themselves.
const PAUSE: Duration = Duration::from_millis(1);

pub(super) struct Upkeep {
    pub log: Arc<dyn Log>,
    pub snapshots: Arc<Snapshots>,
    pub topology: Topology,
    pub settings: Settings,
    pub followers: Followers,
    /// Says what is damaged in the log, as soon as it is found.
    pub damage: Arc<OnceLock<String>>,
    pub stop: Arc<AtomicBool>,
}

impl Upkeep {
    pub fn run(self) {
        // Of this thread only. Where the system refuses, the pauses are left. Tests wait for it, on machines that are busy.
        if let Err(error) = rustix::process::nice(if cfg!(test) { 0 } else { 19 }) {
            tracing::debug!(%error, "snapshots are made at full priority");
        }
        let (mut trimmed, mut checked) = (Instant::now(), Some(Checked::default()));
        let mut partitions: Vec<_> = super::cells(&self.topology).into_iter().map(Partition::new).collect();
        while !self.stopping() {
            let mut made = false;
            for partition in &mut partitions {
                match self.is_long(partition) {
                    Ok(true) => made |= self.renew(partition),
                    Ok(false) => {}
                    Err(error) => partition.failed(&error),
                }
            }
            if made || trimmed.elapsed() >= self.settings.trim_every {
                self.trim(&mut partitions);
                trimmed = Instant::now();
            }
            checked = checked.and_then(|checked| self.check(checked));
            std::thread::park_timeout(if checked.is_some() { CHECK } else { LOOK });
        }
    }

    /// Checks the next piece of the log; `None`: there is no more to check.
    fn check(&self, mut checked: Checked) -> Option<Checked> {
        match self.log.check_next(&mut checked) {
            Ok(true) => return Some(checked),
            Ok(false) => tracing::info!(frames = checked.frames(), "the log was checked, and is whole"),
            Err(error) => {
                tracing::error!(%error, "the log was checked");
                // The first one: nothing is checked behind it.
                let _ = self.damage.set(error.to_string());
            }
        }
        None
    }

    /// True where the tail of a partition is long enough for a snapshot.
    fn is_long(&self, partition: &mut Partition) -> Result<bool, RunnerError> {
        let newest = match partition.newest {
            Some(position) => position,
            // Listing may cost money where the store is a service: only this thread makes snapshots now.
            None => {
                let names = self.snapshots.list(partition.stage, partition.number)?;
                *partition.newest.insert(names.first().map_or(0, |name| name.position))
            }
        };
        let tail = self.committed(partition).saturating_sub(newest);
        Ok(tail >= self.settings.snapshot_every)
    }

    fn committed(&self, partition: &Partition) -> u64 {
        let source = TopicPartition::new(partition.stage.input(), partition.number);
        self.log.committed(partition.stage.group(), &source).unwrap_or(0)
    }

    /// Makes a snapshot of a partition at its committed position. False: it could not, and said so.
    fn renew(&self, partition: &mut Partition) -> bool {
        if self.stopping() || partition.failed.is_some_and(|at| at.elapsed() < RETRY) {
            return false;
        }
        match self.snapshot(partition) {
            Ok(position) => {
                partition.newest = Some(position);
                partition.failed = None;
                true
            }
            Err(RunnerError::Ending) => false,
            Err(error) => {
                partition.failed(&error);
                false
            }
        }
    }

    fn snapshot(&self, partition: &Partition) -> Result<u64, RunnerError> {
        let (stage, number) = (partition.stage, partition.number);
        let Upkeep { log, snapshots, topology, .. } = self;
        let committed = self.committed(partition);
        // What a snapshot holds must be on disk: a crash may not bring the log back to before it.
        log.wait_durable(log.last())?;
        let history = History { log: &**log, snapshots, topology: *topology };
        let given = history.words()?;
        let (mut cell, base) = match history.newest(stage, number, committed)? {
            Some(snapshot) => {
                let (hash, name) = (snapshot.header.state_hash, snapshot.name);
                let cell = history.restore(stage, snapshot)?;
                if cell.state_hash() != hash {
                    let place = format!("{}/{number}/{name}", stage.group());
                    let reason = "the state read from it is not the one that was written".into();
                    return Err(SnapshotsError::Damaged { place, reason }.into());
                }
                (cell, Some(name))
            }
            None => (Cell::new(stage, *topology, number), None),
        };
        cell.skips = given.skips(&cell.source());
        history.advance(&mut cell, committed, &mut |_| self.give_way())?;
        // The disk is the stages' for as long as it was ours.
        let mut pause = |took: Duration| std::thread::sleep(took.max(PAUSE));
        write(snapshots, topology, &cell, base, self.settings.snapshots_kept, &mut pause)?;
        Ok(committed)
    }

    fn give_way(&self) -> Result<(), RunnerError> {
        if self.stopping() {
            return Err(RunnerError::Ending);
        }
        std::thread::sleep(PAUSE);
        Ok(())
    }

    /// Lets go of what nobody needs. A partition that rests would keep the log for ever: where its snapshots are all
    /// that keeps a segment, it gets a new one.
    fn trim(&self, partitions: &mut [Partition]) {
        let Upkeep { log, snapshots, topology, settings, followers, .. } = self;
        let bounds = trim::Bounds { log: &**log, snapshots, topology, settings, followers };
        let trimmed = bounds.in_the_way().and_then(|cells| {
            for partition in partitions.iter_mut().filter(|p| cells.contains(&(p.stage, p.number))) {
                self.renew(partition);
            }
            bounds.trim()
        });
        match trimmed {
            Ok(trimmed) if trimmed.segments > 0 => {
                tracing::info!(segments = trimmed.segments, bytes = trimmed.bytes, "the log was trimmed");
            }
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "the log could not be trimmed"),
        }
    }

    fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// What is known of a partition's snapshots.
struct Partition {
    stage: StageName,
    number: u16,
    /// Position of the newest one; `None`: not looked at yet.
    newest: Option<u64>,
    failed: Option<Instant>,
}

impl Partition {
    fn new((stage, number): (StageName, u16)) -> Partition {
        Partition { stage, number, newest: None, failed: None }
    }

    fn failed(&mut self, error: &RunnerError) {
        tracing::error!(stage = self.stage.group(), partition = self.number, %error, "no snapshot could be made");
        self.failed = Some(Instant::now());
    }
}

/// Writes a snapshot of the cell, reads it back, and removes those that are not to be kept: the oldest, and those
/// between `base`, from which the cell was made, and this one: they were found damaged.
pub(super) fn write(
    snapshots: &Snapshots,
    topology: &Topology,
    cell: &Cell,
    base: Option<Name>,
    kept: usize,
    pause: &mut dyn FnMut(Duration),
) -> Result<(), RunnerError> {
    let known = snapshots.list(cell.stage, cell.partition)?;
    let same = known.iter().filter(|name| name.position == cell.next).map(|name| name.copy + 1);
    let written = snapshots.write(cell, same.max().unwrap_or(0), pause)?;
    snapshots.read(topology, cell.stage, cell.partition, written)?;
    tracing::info!(stage = cell.name(), name = %written, "a snapshot was made");
    let mut good = 1;
    for name in known {
        let damaged = base.is_none_or(|base| name > base);
        good += usize::from(!damaged);
        if damaged || good > kept.max(1) {
            snapshots.remove(cell.stage, cell.partition, name)?;
        }
    }
    Ok(())
}
