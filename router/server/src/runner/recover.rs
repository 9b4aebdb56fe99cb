//! Bringing a stage partition to a position: the newest snapshot at or below it, then the log up to it, output off.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use router_log::{Isolation, Log, LogError, scan};
use router_schemas::{
    position::{Topic, TopicPartition},
    stage::{Outputs, StageName, Topology},
};

use super::{
    Cell, RunnerError, bootstrap,
    cell::Machine,
    directory::Directory,
    snapshots::{Name, Snapshot, Snapshots, SnapshotsError},
    words::Given,
};

/// Time after which a long replay says how far it is.
const PROGRESS: Duration = Duration::from_secs(5);

/// Records asked of the log at once: a reader that asks for many keeps others from it.
const STRETCH: u64 = 1024;

/// The log and its snapshots, to bring cells to positions.
#[derive(Clone, Copy)]
pub(crate) struct History<'a> {
    pub log: &'a dyn Log,
    pub snapshots: &'a Snapshots,
    pub topology: Topology,
}

/// The cell as it was before it applied the record at `upto`: for explanation and looking back. Blocks for as long
/// as the replay takes; not to be called where async tasks run.
pub(crate) fn rebuild(
    log: &dyn Log,
    snapshots: &Snapshots,
    stage: StageName,
    partition: u16,
    upto: u64,
) -> Result<Cell, RunnerError> {
    let source = TopicPartition::new(stage.input(), partition);
    let range = log.range(&source).ok_or_else(|| LogError::NoPartition(source.clone()))?;
    if upto > range.end {
        let (first, next) = (range.start, range.end);
        return Err(LogError::OutOfRange { partition: source, offset: upto, first, next }.into());
    }
    let history = History { log, snapshots, topology: bootstrap::topology(log, 0) };
    let given = history.words()?;
    history.cell(stage, partition, upto, &given, &mut |_| Ok(()))
}

/// The first offset that a cell can be brought to: where the log begins, or the oldest good snapshot where it was
/// trimmed.
pub(crate) fn earliest(
    log: &dyn Log,
    snapshots: &Snapshots,
    stage: StageName,
    partition: u16,
) -> Result<u64, RunnerError> {
    let history = History { log, snapshots, topology: bootstrap::topology(log, 0) };
    let range = log.range(&TopicPartition::new(stage.input(), partition)).unwrap_or_default();
    if range.start == 0 {
        return Ok(0);
    }
    let oldest = history.oldest(stage, partition, range.end)?;
    Ok(oldest.map_or(range.end, |snapshot| snapshot.header.position))
}

impl History<'_> {
    /// The newest good snapshot at or below `upto` from which the log goes on; `None`: the log has its start.
    pub fn newest(
        &self,
        stage: StageName,
        partition: u16,
        upto: u64,
    ) -> Result<Option<Snapshot>, RunnerError> {
        let names = self.snapshots.list(stage, partition)?;
        self.first_good(stage, partition, upto, names.into_iter())
    }

    /// The oldest good snapshot from which the log goes on.
    pub fn oldest(
        &self,
        stage: StageName,
        partition: u16,
        upto: u64,
    ) -> Result<Option<Snapshot>, RunnerError> {
        let names = self.snapshots.list(stage, partition)?;
        self.first_good(stage, partition, upto, names.into_iter().rev())
    }

    fn first_good(
        &self,
        stage: StageName,
        partition: u16,
        upto: u64,
        names: impl Iterator<Item = Name>,
    ) -> Result<Option<Snapshot>, RunnerError> {
        let source = TopicPartition::new(stage.input(), partition);
        let first = self.log.range(&source).map_or(0, |range| range.start);
        for name in names.filter(|name| (first..=upto).contains(&name.position)) {
            match self.snapshots.read(&self.topology, stage, partition, name) {
                Ok(snapshot) => {
                    self.check_count(&snapshot)?;
                    return Ok(Some(snapshot));
                }
                Err(error @ SnapshotsError::Damaged { .. }) => {
                    tracing::error!(%error, "a snapshot is passed over");
                }
                Err(error) => return Err(error.into()),
            }
        }
        if first > 0 { Err(RunnerError::Uncovered { stage, partition, first, upto }) } else { Ok(None) }
    }

    /// The snapshot stands for the genesis record.
    fn check_count(&self, snapshot: &Snapshot) -> Result<(), RunnerError> {
        let (topic, wanted) = match snapshot.header.stage.as_str() {
            "intake" => (Topic::Intake, self.topology.intake),
            "control" => (Topic::Control, 1),
            // Zones keep their partition for ever; CONTROL's table names it.
            _ => return Ok(()),
        };
        match snapshot.header.partitions {
            present if present == wanted => Ok(()),
            present => Err(RunnerError::Partitions { topic, present, wanted }),
        }
    }

    /// All that operators ever said: of CONTROL's snapshot, and behind it.
    pub fn words(&self) -> Result<Given, RunnerError> {
        let source = TopicPartition::new(Topic::Control, 0);
        let committed = self.log.committed(StageName::Control.group(), &source).unwrap_or(0);
        let snapshot = self.newest(StageName::Control, 0, committed)?;
        let (mut given, from) = snapshot.map(|s| (s.header.given, s.header.position)).unwrap_or_default();
        let end = self.log.range(&source).map_or(0, |range| range.end);
        scan(self.log, &source, from..end, Isolation::Appended, |records| {
            records.iter().for_each(|record| given.note(record));
            Ok::<_, LogError>(())
        })?;
        Ok(given)
    }

    /// A cell as it was before `upto`; `step` is told after each batch.
    pub fn cell(
        &self,
        stage: StageName,
        partition: u16,
        upto: u64,
        given: &Given,
        step: &mut dyn FnMut(&Cell) -> Result<(), RunnerError>,
    ) -> Result<Cell, RunnerError> {
        let mut cell = match self.newest(stage, partition, upto)? {
            Some(snapshot) => self.restore(stage, snapshot)?,
            None => Cell::new(stage, self.topology, partition),
        };
        cell.skips = given.skips(&cell.source());
        self.advance(&mut cell, upto, step)?;
        Ok(cell)
    }

    /// The cell of a snapshot. A state that does not decode although its checksum fits was written so: it is not
    /// damaged, and an older one would not help.
    pub fn restore(&self, stage: StageName, snapshot: Snapshot) -> Result<Cell, RunnerError> {
        let Snapshot { header, .. } = &snapshot;
        let place = format!("{}/{}@{}", header.stage, header.partition, header.position);
        let restored = Cell::restore(stage, self.topology, header.clone(), snapshot.state());
        restored.map_err(|e| SnapshotsError::Unknown { place, what: e.to_string() }.into())
    }

    /// Applies the log up to `upto` with output off.
    pub fn advance(
        &self,
        cell: &mut Cell,
        upto: u64,
        step: &mut dyn FnMut(&Cell) -> Result<(), RunnerError>,
    ) -> Result<(), RunnerError> {
        let (mut outputs, from, mut said) = (Outputs::default(), cell.next, Instant::now());
        while cell.next < upto {
            let until = upto.min(cell.next + STRETCH);
            scan(self.log, &cell.source(), cell.next..until, Isolation::Appended, |records| {
                let mut apply = |record| cell.apply(record, &mut outputs, |_, _, _| {});
                records.iter().try_for_each(&mut apply).map_err(RunnerError::Stopped)
            })?;
            if said.elapsed() > PROGRESS {
                said = Instant::now();
                let name = cell.name();
                tracing::info!(stage = name, applied = cell.next - from, of = upto - from, "catching up");
            }
            step(cell)?;
        }
        Ok(())
    }

    /// Brings all cells to where the log says they were, several at a time.
    pub fn recover(
        &self,
        cells: &[(StageName, u16)],
        given: &Given,
        directory: &Directory,
    ) -> Result<Vec<Cell>, RunnerError> {
        let (turn, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
        let threads = std::thread::available_parallelism().map_or(2, usize::from).min(cells.len());
        let work = || {
            let mut done = Vec::new();
            while let Some((stage, partition)) = cells.get(turn.fetch_add(1, Ordering::Relaxed)) {
                let source = TopicPartition::new(stage.input(), *partition);
                let upto = self.log.committed(stage.group(), &source).unwrap_or(0);
                self.drop_later(*stage, *partition, upto)?;
                let mut step = |_: &Cell| match failed.load(Ordering::Relaxed) {
                    true => Err(RunnerError::Ending),
                    false => Ok(()),
                };
                let cell = self.cell(*stage, *partition, upto, given, &mut step);
                let cell = cell.inspect_err(|_| failed.store(true, Ordering::Relaxed))?;
                if let Machine::Control(control) = cell.machine() {
                    directory.fill(control);
                }
                done.push(cell);
            }
            Ok(done)
        };
        let results: Vec<Result<Vec<Cell>, RunnerError>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            let joined =
                threads.into_iter().map(|t| t.join().expect("cells catch the panics of their stages"));
            joined.collect()
        });
        let (mut recovered, mut first) = (Vec::new(), None);
        for result in results {
            match result {
                Ok(cells) => recovered.extend(cells),
                // The others only ended because of the first one.
                Err(RunnerError::Ending) => {}
                Err(error) => first = first.or(Some(error)),
            }
        }
        match first {
            Some(error) => Err(error),
            None => Ok(recovered),
        }
    }

    /// Removes snapshots above the committed position: the log was put back from an older backup and takes another
    /// way from here, so they would be of a past that never was.
    fn drop_later(&self, stage: StageName, partition: u16, committed: u64) -> Result<(), RunnerError> {
        let later = self.snapshots.list(stage, partition)?.into_iter().filter(|n| n.position > committed);
        for name in later {
            let stage_name = stage.group();
            tracing::error!(stage_name, partition, %name, committed, "a snapshot above the log is removed");
            self.snapshots.remove(stage, partition, name)?;
        }
        Ok(())
    }
}
