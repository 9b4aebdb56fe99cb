//! The thread that makes snapshots and lets go of what the log need not keep. It follows on its own, from the
//! newest snapshot through the log, so that no stage ever waits for it, and gives way to them.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use router_log::Log;
use router_schemas::{
    position::TopicPartition,
    stage::{StageName, Topology},
};

use super::{
    Cell, RunnerError, Settings,
    recover::History,
    snapshots::{Snapshots, SnapshotsError},
    trim::{self, Followers},
};

/// Between two looks at how long the tails are.
const LOOK: Duration = Duration::from_millis(100);
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
    pub stop: Arc<AtomicBool>,
}

impl Upkeep {
    pub fn run(self) {
        // Of this thread only. Where the system refuses, the pauses are left.
        if let Err(error) = rustix::process::nice(19) {
            tracing::debug!(%error, "snapshots are made at full priority");
        }
        let mut failed = BTreeMap::<(&str, u16), Instant>::new();
        let mut trimmed = Instant::now();
        while !self.stopping() {
            let mut made = false;
            for (stage, partition) in super::cells(&self.topology) {
                let name = (stage.group(), partition);
                if failed.get(&name).is_some_and(|at| at.elapsed() < RETRY) {
                    continue;
                }
                match self.look(stage, partition) {
                    Ok(new) => made |= new,
                    Err(RunnerError::Ending) => return,
                    Err(error) => {
                        tracing::error!(stage = name.0, partition, %error, "no snapshot could be made");
                        failed.insert(name, Instant::now());
                    }
                }
            }
            if made || trimmed.elapsed() >= self.settings.trim_every {
                trimmed = Instant::now();
                self.trim();
            }
            std::thread::park_timeout(LOOK);
        }
    }

    /// Makes a snapshot of a partition whose tail is long. True: made.
    fn look(&self, stage: StageName, partition: u16) -> Result<bool, RunnerError> {
        let source = TopicPartition::new(stage.input(), partition);
        let committed = self.log.committed(stage.group(), &source).unwrap_or(0);
        // Listed only where it may matter: most looks find a short tail.
        if committed < self.settings.snapshot_every {
            return Ok(false);
        }
        let newest = self.snapshots.list(stage, partition)?.first().copied().unwrap_or(0);
        if committed.saturating_sub(newest) < self.settings.snapshot_every {
            return Ok(false);
        }
        // What a snapshot holds must be on disk: a crash may not bring the log back to before it.
        self.log.wait_durable(self.log.last())?;
        let Upkeep { log, snapshots, topology, .. } = self;
        let history = History { log: &**log, snapshots, topology: *topology };
        let base = history.newest(stage, partition, committed)?;
        let given = history.words()?;
        let (mut cell, from) = match base {
            Some(snapshot) => {
                let (hash, from) = (snapshot.header.state_hash, snapshot.header.position);
                let cell = history.restore(stage, snapshot)?;
                if cell.state_hash() != hash {
                    let place = format!("{}/{partition}@{from}", stage.group());
                    let reason = "the state read from it is not the one that was written".into();
                    return Err(SnapshotsError::Damaged { place, reason }.into());
                }
                (cell, from)
            }
            None => (Cell::new(stage, *topology, partition), 0),
        };
        cell.skips = given.skips(&source);
        history.advance(&mut cell, committed, &mut |_| self.give_way())?;
        write(&self.snapshots, topology, &cell, from, self.settings.snapshots_kept, &mut || {
            std::thread::sleep(PAUSE);
        })?;
        Ok(true)
    }

    fn give_way(&self) -> Result<(), RunnerError> {
        if self.stopping() {
            return Err(RunnerError::Ending);
        }
        std::thread::sleep(PAUSE);
        Ok(())
    }

    fn trim(&self) {
        let Upkeep { log, snapshots, topology, settings, followers, .. } = self;
        match trim::trim(&**log, snapshots, topology, settings, followers) {
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

/// Writes a snapshot of the cell, reads it back, and removes those that are not to be kept: the oldest, and those
/// between `base` and this one, which were found damaged.
pub(super) fn write(
    snapshots: &Snapshots,
    topology: &Topology,
    cell: &Cell,
    base: u64,
    kept: usize,
    pause: &mut dyn FnMut(),
) -> Result<(), RunnerError> {
    let header = snapshots.write(cell, pause)?;
    snapshots.read(topology, cell.stage, cell.partition, header.position)?;
    tracing::info!(stage = cell.name(), position = header.position, "a snapshot was made");
    let mut good = 0;
    for position in snapshots.list(cell.stage, cell.partition)? {
        let damaged = position > base && position < header.position;
        good += usize::from(!damaged);
        if damaged || good > kept.max(1) {
            snapshots.remove(cell.stage, cell.partition, position)?;
        }
    }
    Ok(())
}
