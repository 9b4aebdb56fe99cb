//! The whole router over a folder, with a clock that stands still, small segments and early snapshots.

mod snapshots;
mod trimmed;
mod words;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use router_ingest::decode::{self, Context};
use router_log::{Isolation, Journal, Log, LogError, Options, Record, Transaction, scan};
use router_schemas::{
    command::{Command, order::Arrival},
    envelope::{self, Meta, Origin},
    event::{Event, Outcome},
    position::{LogId, Position, Topic, TopicPartition},
    refusal::Refusal,
    reply::Reply,
    stage::{Input, StageName},
};

use super::*;
use crate::router::{Folder, Router};

/// A payload that holds this breaks an invariant of whatever stage applies it.
const BREAKING: &[u8] = b"this breaks an invariant";

thread_local! {
    /// How far the clock of this thread is ahead, ms: an append takes the time of its own thread.
    static AHEAD: std::cell::Cell<i64> = const { std::cell::Cell::new(0) };
}

/// Stands in the way of every stage in tests: no input from outside is known to break one.
pub(super) fn break_on(input: &Input<'_>) {
    let breaking = input.payload.windows(BREAKING.len()).any(|part| part == BREAKING);
    assert!(input.skipped || !breaking, "broken by a test");
}

/// A folder, its settings, and its clock.
struct Bench {
    folder: tempfile::TempDir,
    time: Arc<AtomicI64>,
    settings: Settings,
}

impl Bench {
    fn new() -> Bench {
        let time = Arc::new(AtomicI64::new(1_700_000_000_000));
        let clock = time.clone();
        let settings = Settings {
            partitions: 2,
            snapshot_every: u64::MAX / 2,
            segment_bytes: 30_000,
            trim_every: Duration::from_secs(3600),
            clock: Arc::new(move || clock.fetch_add(1, Ordering::Relaxed) + AHEAD.get()),
            ..Settings::default()
        };
        Bench { folder: tempfile::tempdir().unwrap(), time, settings }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn place(&self) -> Folder {
        Folder(self.path())
    }

    fn pass(&self, ms: i64) {
        self.time.fetch_add(ms, Ordering::Relaxed);
    }

    fn start(&self) -> Router {
        Router::start_with(&self.path(), &self.settings).unwrap()
    }

    fn snapshots(&self) -> Snapshots {
        Snapshots::local(&self.place().snapshots()).unwrap()
    }

    fn journal(&self) -> Journal {
        Journal::open_read_only(&self.place().journal(), Options::default()).unwrap()
    }

    /// The files of a partition's snapshots, the oldest first.
    fn files(&self, name: &str) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.place().snapshots().join(name)) else { return Vec::new() };
        let mut files: Vec<_> = entries.map(|e| e.unwrap().path()).collect();
        files.sort();
        files
    }

    /// Replays the folder at rest, which must give the same bytes.
    fn replay(&self) -> super::replay::Replayed {
        let into = tempfile::tempdir().unwrap();
        let again = Folder(into.path().join("again"));
        let replayed =
            replay(&self.journal(), &self.snapshots(), &again.journal(), &again.snapshots()).unwrap();
        assert_eq!(replayed.difference, None, "{replayed:?}");
        assert!(replayed.same > 0, "{replayed:?}");
        replayed
    }

    /// Audits the folder, which must be clean.
    fn audit(&self) -> router_audit::Report {
        let router = self.start();
        router.settle();
        let report = router_audit::audit(&*router.log, Some(&*router.store)).unwrap();
        router.stop();
        assert_eq!(report.violations, 0, "{report:?}");
        report
    }
}

/// Sends a message and waits for the answer.
fn send(router: &Router, kind: &str, body: &str) -> Reply {
    let context = Context { keys: &router.keys, arrival: Arrival::Http, key: None };
    let command =
        decode::message(kind, body.as_bytes(), &context).unwrap_or_else(|e| panic!("{body}: {e:?}"));
    let answering = router.send(&command, false).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(answering.wait(Duration::from_secs(30))).unwrap()
}

/// A zone on each partition, two nodes each with stock.
fn furnish(router: &Router) {
    for zone in ["a", "b"] {
        send(router, "zone.v1", &format!(r#"{{"id":"{zone}"}}"#));
    }
    send(router, "channel.v1", r#"{"id":"web","default_zone":"a"}"#);
    for (node, zone) in [("a1", "a"), ("a2", "a"), ("b1", "b"), ("b2", "b")] {
        send(router, "node.v1", &format!(r#"{{"id":"{node}","zone":"{zone}","latitude":50,"longitude":1}}"#));
        for sku in ["x", "y"] {
            send(router, "count.v1", &format!(r#"{{"node":"{node}","sku":"{sku}","qty":1000}}"#));
        }
    }
}

/// Orders with these numbers, every seventh cancelled again.
fn order(router: &Router, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let body = format!(
            r#"{{"channel":"web","id":"{number}","recipient":{{"name":"N","latitude":50,"longitude":1}},
                "lines":[{{"sku":"x","qty":1}},{{"sku":"y","qty":2}}]}}"#
        );
        send(router, "order.v1", &body);
        if number % 7 == 3 {
            send(router, "cancel.v1", &format!(r#"{{"channel":"web","id":"{number}"}}"#));
        }
    }
}

/// Waits until it holds.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(30), "in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn append(log: &dyn Log, topic: Topic, partition: u16, payload: &[u8]) -> Position {
    let mut transaction = Transaction::default();
    transaction.push(&topic, partition, payload);
    let offset = log.append(&transaction).unwrap().offsets[0];
    Position::new(topic, partition, offset)
}

fn all(log: &dyn Log, topic: Topic, partition: u16) -> Vec<Record> {
    let at = TopicPartition::new(topic, partition);
    let mut records = Vec::new();
    scan(log, &at, log.range(&at).unwrap(), Isolation::Appended, |batch| {
        records.extend_from_slice(batch);
        Ok::<_, LogError>(())
    })
    .unwrap();
    records
}

/// The outcomes of the record at this position.
fn outcomes(log: &dyn Log, cause: &Position) -> Vec<Outcome> {
    let events = all(log, Topic::Events, cause.partition).into_iter();
    let events = events.map(|r| envelope::decode::<Event>(&r.payload).unwrap().1);
    events.filter(|event| event.cause == *cause).filter_map(|event| event.outcome).collect()
}

fn status(router: &Router, name: &str) -> CellStatus {
    router.runner.status.lock().unwrap_or_else(PoisonError::into_inner)[name].clone()
}

/// Hash of each partition's state at its committed position.
fn hashes(log: &dyn Log, snapshots: &Snapshots) -> Vec<(String, u64, u64)> {
    let topology = bootstrap::topology(log, 0);
    let cells = cells(&topology).into_iter().map(|(stage, partition)| {
        let source = TopicPartition::new(stage.input(), partition);
        let upto = log.committed(stage.group(), &source).unwrap();
        let cell = rebuild(log, snapshots, stage, partition, upto).unwrap();
        (cell.name(), cell.next, cell.state_hash())
    });
    cells.collect()
}

/// Snapshots that there are none of.
fn none() -> (tempfile::TempDir, Snapshots) {
    let folder = tempfile::tempdir().unwrap();
    let snapshots = Snapshots::local(folder.path()).unwrap();
    (folder, snapshots)
}

fn flip_a_byte(file: &Path) {
    let mut bytes = std::fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(file, bytes).unwrap();
}
