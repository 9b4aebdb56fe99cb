//! The whole router in one process, over one data folder: log, keys, rows, stages, and the answers to callers.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use router_ingest::seal::{Keys, SealError};
use router_log::{Isolation, Journal, Log, LogError, Options, Transaction};
use router_schemas::{
    command::Command,
    envelope::{self, Meta, ReplyTo},
    position::{LogId, Position, Topic, TopicPartition},
    reply::Reply,
    stage::StageName,
};
use router_sinks::{FjallStore, Store, StoreError};
use tokio::sync::{mpsc, oneshot};

use crate::{
    config,
    runner::{Runner, RunnerError, Settings, Snapshots, SnapshotsError, WordError},
    trial,
};

/// Partitions of a new log.
const PARTITIONS: u16 = 4;

/// The router could not start or go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RouterError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Keys(#[from] SealError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Runner(#[from] RunnerError),
    #[error(transparent)]
    Snapshots(#[from] SnapshotsError),
    #[error("E2206: cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
    #[error(
        "E2212: {0} has no keys, and the log has orders sealed with them; put the folder back from where it is, or \
         from a backup: with new keys no recipient could be read and no repeat be known"
    )]
    Keyless(PathBuf),
    #[error("E2207: the operating system gives no random bytes: {0}")]
    Random(getrandom::Error),
}

/// Why a command was not taken.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum SubmitError {
    #[error("too many requests wait for an answer")]
    Busy,
    #[error("{0}")]
    NoRoom(String),
    #[error("no answer came in time; the command may have been taken, sending it again is safe")]
    Late,
    #[error("no such node")]
    UnknownNode,
}

type Pending = Arc<Mutex<HashMap<[u8; 16], oneshot::Sender<Result<Reply, SubmitError>>>>>;

/// A command on its way to the log.
struct Submission {
    topic: Topic,
    partition: u16,
    correlation: [u8; 16],
    payload: Vec<u8>,
}

/// A running router.
pub(crate) struct Router {
    pub log: Arc<dyn Log>,
    pub keys: Arc<Keys>,
    pub store: Arc<dyn Store>,
    #[allow(dead_code, reason = "asked by the verbs and routes of operators")]
    pub snapshots: Arc<Snapshots>,
    pub runner: Runner,
    /// Where all of it lies.
    pub folder: Folder,
    /// Requests that may wait for an answer; more are turned away.
    most_waiting: usize,
    /// Why rows are not written, where they are not.
    pub rows: Arc<router_sinks::follow::Health>,
    pending: Pending,
    submissions: mpsc::Sender<Submission>,
    /// Random of this start, so that correlations of two starts never meet.
    boot: [u8; 8],
    requests: AtomicU64,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// Where things lie in a data folder.
pub(crate) struct Folder(pub PathBuf);

impl Folder {
    /// The segments of the log.
    pub fn journal(&self) -> PathBuf {
        self.0.join("journal")
    }

    /// The rows.
    pub fn rows(&self) -> PathBuf {
        self.0.join("rows")
    }

    /// Snapshots of the stages.
    pub fn snapshots(&self) -> PathBuf {
        self.0.join("snapshots")
    }

    /// Where the command line asks a running router.
    pub fn socket(&self) -> PathBuf {
        self.0.join("router.sock")
    }

    /// Who looked at sealed bytes, by the line.
    pub fn access(&self) -> PathBuf {
        self.0.join("access.ndjson")
    }

    /// Master key and data keys.
    pub fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }
}

impl Router {
    /// Opens the folder, making what is missing, brings the stages to where they were, and goes on.
    pub fn start(settings: &config::Settings) -> Result<Router, RouterError> {
        let (options, waiting) = (settings.options(), settings.requests.waiting);
        Router::begin(&settings.data_dir, settings.partitions, options, waiting, &settings.stages())
    }

    /// As [`Router::start`], for one question: makes no snapshots and lets go of nothing.
    pub fn start_to_ask(settings: &config::Settings) -> Result<Router, RouterError> {
        let (options, waiting) = (settings.options(), settings.requests.waiting);
        let stages = Settings { upkeep: false, ..settings.stages() };
        Router::begin(&settings.data_dir, settings.partitions, options, waiting, &stages)
    }

    /// As [`Router::start`], with the settings of the stages alone.
    #[cfg(test)]
    pub fn start_with(folder: &Path, settings: &Settings) -> Result<Router, RouterError> {
        let waiting = config::Settings::default().requests.waiting;
        Router::begin(folder, Some(settings.partitions), settings.journal(), waiting, settings)
    }

    fn begin(
        folder: &Path,
        partitions: Option<u16>,
        options: Options,
        most_waiting: usize,
        settings: &Settings,
    ) -> Result<Router, RouterError> {
        let folder = Folder(folder.to_owned());
        let mut random = [0; 24];
        getrandom::fill(&mut random).map_err(RouterError::Random)?;
        let [mut id, mut boot] = [[0; 16], [0; 16]];
        id.copy_from_slice(&random[..16]);
        boot[..8].copy_from_slice(&random[16..]);
        let options = Options { create: Some(LogId(id)), ..trial::bend(options) };
        let log: Arc<dyn Log> = Arc::new(Journal::open(&folder.journal(), options)?);
        // Keys are made before the first topic is.
        let kept = ["master.key", "table"].iter().all(|part| folder.keys().join(part).exists());
        if log.partitions(&Topic::Intake).is_some() && !kept {
            return Err(RouterError::Keyless(folder.keys()));
        }
        let keys = Arc::new(Keys::open(&folder.keys())?);
        let store: Arc<dyn Store> = Arc::new(FjallStore::open(&folder.rows())?);
        let health = Arc::<router_sinks::follow::Health>::default();
        let snapshots = Arc::new(Snapshots::local(&folder.snapshots())?);
        // Taken before the first request can be answered: a thread may start late.
        let from = log.range(&TopicPartition::new(Topic::Replies, 0)).map_or(0, |r| r.end);
        let answered = Arc::new(AtomicU64::new(from));
        let (rows, replies) = (store.clone(), answered.clone());
        // What the log has stands where nobody says otherwise.
        let partitions = partitions.or(log.partitions(&Topic::Intake)).unwrap_or(PARTITIONS);
        let settings = &Settings { partitions, ..settings.clone() };
        let runner = Runner::start(
            &log,
            &snapshots,
            settings,
            vec![
                Box::new(move |at| {
                    (at.topic == Topic::Events).then(|| rows.position(at.partition).unwrap_or(0))
                }),
                Box::new(move |at| {
                    (at.topic == Topic::Replies && at.partition == 0).then(|| replies.load(Ordering::Relaxed))
                }),
            ],
        )?;
        let (pending, stop) = (Pending::default(), Arc::new(AtomicBool::new(false)));
        let (submissions, queue) = mpsc::channel(most_waiting);
        let mut threads = Vec::new();
        let mut thread = |name: &str, work: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new().name(name.into()).spawn(work).map(|t| threads.push(t))
        };
        {
            let (log, pending, stop) = (log.clone(), pending.clone(), stop.clone());
            let work = move || ended("answers", answers(&*log, from, &pending, &answered, &stop));
            thread("answers", Box::new(work))?;
        }
        {
            let (log, keys, pending) = (log.clone(), keys.clone(), pending.clone());
            thread("append", Box::new(move || append(&*log, &keys, &pending, queue)))?;
        }
        {
            let (log, store, stop, health) = (log.clone(), store.clone(), stop.clone(), health.clone());
            let work = move || router_sinks::follow::follow_on(&*log, &*store, &stop, &health);
            thread("rows", Box::new(work))?;
        }
        let boot = boot[..8].try_into().unwrap_or_default();
        let requests = AtomicU64::new(0);
        Ok(Router {
            log,
            keys,
            store,
            snapshots,
            runner,
            rows: health,
            folder,
            most_waiting,
            pending,
            submissions,
            boot,
            requests,
            stop,
            threads,
        })
    }

    /// Sends a command on its road; commands sent one after the other keep their order. The answer is intake's,
    /// or with `outcome` the engine's.
    pub fn send(&self, command: &Command, outcome: bool) -> Result<Answering, SubmitError> {
        self.send_with(command, outcome, Meta::default())
    }

    /// As [`Router::send`], with what is known of the command beside it.
    pub fn send_with(&self, command: &Command, outcome: bool, meta: Meta) -> Result<Answering, SubmitError> {
        let (topic, partition) = self.road(command)?;
        let (reply, answering) = self.expect(outcome)?;
        let payload = envelope::to_vec(None, &Meta { reply: Some(reply), ..meta }, command);
        let submission = Submission { topic, partition, correlation: reply.correlation, payload };
        self.submissions.try_send(submission).map_err(|_| SubmitError::Busy)?;
        Ok(answering)
    }

    /// An address for the answer to a command that the caller appends itself.
    pub fn expect(&self, outcome: bool) -> Result<(ReplyTo, Answering), SubmitError> {
        let correlation = self.correlation();
        let (answer, answered) = oneshot::channel();
        {
            let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            if pending.len() >= self.most_waiting {
                return Err(SubmitError::Busy);
            }
            pending.insert(correlation, answer);
        }
        let answering = Answering { pending: self.pending.clone(), correlation, answered };
        Ok((ReplyTo { partition: 0, correlation, outcome }, answering))
    }

    /// Topic and partition that a command goes to.
    pub fn road(&self, command: &Command) -> Result<(Topic, u16), SubmitError> {
        if let Some(identity) = command.identity() {
            return Ok((Topic::Intake, identity.partition(self.runner.topology.intake)));
        }
        match command.node() {
            Some(node) => {
                let partition = self.runner.directory.partition(node);
                partition.map(|p| (Topic::Commands, p)).ok_or(SubmitError::UnknownNode)
            }
            None => Ok((Topic::Control, 0)),
        }
    }

    /// Waits until the stages have applied, and the rows show, all that is in the log now.
    pub fn settle(&self) {
        let end = |topic: Topic, partition| {
            self.log.range(&TopicPartition::new(topic, partition)).map_or(0, |range| range.end)
        };
        let applied = || {
            StageName::ALL.into_iter().all(|stage| {
                let topic = stage.input();
                let count = self.log.partitions(&topic).unwrap_or(0);
                (0..count).all(|p| {
                    let committed = self.log.committed(stage.group(), &TopicPartition::new(topic.clone(), p));
                    committed.unwrap_or(0) >= end(topic.clone(), p)
                })
            })
        };
        let shown = || {
            (0..self.runner.topology.events)
                .all(|p| self.store.position(p).is_ok_and(|position| position >= end(Topic::Events, p)))
        };
        let stopped = || {
            let status = self.runner.status.lock().unwrap_or_else(PoisonError::into_inner);
            status.values().any(|cell| cell.stopped.is_some())
        };
        while !(stopped() || applied() && (shown() || self.rows.trouble().is_some())) {
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Passes over the record at which a stage partition is stopped; it leaves its outcome `skipped` and its reply,
    /// nothing else, and the partition goes on by itself. `reason` and `actor` are kept with the word. Blocks until
    /// the word is on disk and returns its place on `router.control`.
    pub fn skip(
        &self,
        position: &Position,
        reason: &str,
        actor: Option<&str>,
    ) -> Result<Position, WordError> {
        self.runner.skip(position, reason, actor)
    }

    /// Takes the record at which a stage partition is stopped because its time is ahead of this machine's clock, and
    /// what follows it within half a minute. Blocks and returns as [`Router::skip`] does.
    pub fn accept(
        &self,
        position: &Position,
        reason: &str,
        actor: Option<&str>,
    ) -> Result<Position, WordError> {
        self.runner.accept(position, reason, actor)
    }

    /// Requests that wait for an answer.
    pub fn waiting(&self) -> usize {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Ends all threads; the log is closed cleanly with the last owner.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(self.submissions);
        self.runner.stop();
        for thread in self.threads {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }

    fn correlation(&self) -> [u8; 16] {
        let mut correlation = [0; 16];
        correlation[..8].copy_from_slice(&self.boot);
        correlation[8..].copy_from_slice(&self.requests.fetch_add(1, Ordering::Relaxed).to_le_bytes());
        correlation
    }
}

/// A command that was sent.
pub(crate) struct Answering {
    pending: Pending,
    correlation: [u8; 16],
    answered: oneshot::Receiver<Result<Reply, SubmitError>>,
}

impl Answering {
    /// The answer: what is answered is on disk.
    pub async fn wait(mut self, most: Duration) -> Result<Reply, SubmitError> {
        match tokio::time::timeout(most, &mut self.answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(SubmitError::Late),
        }
    }
}

impl Drop for Answering {
    /// Gives the place free again, however it ended.
    fn drop(&mut self) {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.correlation);
    }
}

fn ended<E: std::fmt::Display>(thread: &str, result: Result<(), E>) {
    if let Err(error) = result {
        tracing::error!(thread, %error, "a thread ended");
    }
}

/// Hands durable replies to those who wait.
fn answers(
    log: &dyn Log,
    from: u64,
    pending: &Pending,
    answered: &AtomicU64,
    stop: &AtomicBool,
) -> Result<(), LogError> {
    let partition = TopicPartition::new(Topic::Replies, 0);
    let mut reader = log.reader(vec![(partition, from)], Isolation::Durable)?;
    while !stop.load(Ordering::Relaxed) {
        let Some(batch) = reader.poll(4096, 1 << 20, Duration::from_millis(100))? else { continue };
        for record in &batch.records {
            let Ok((_, reply)) = envelope::decode::<Reply>(&record.payload) else { continue };
            let waiting = pending.lock().unwrap_or_else(PoisonError::into_inner).remove(&reply.correlation);
            if let Some(waiting) = waiting {
                // Whoever asked may have gone.
                let _ = waiting.send(Ok(reply));
            }
            answered.store(record.offset + 1, Ordering::Relaxed);
        }
    }
    Ok(())
}

/// Appends what callers sent, all that has gathered at once: one flush of new keys, one transaction.
fn append(log: &dyn Log, keys: &Keys, pending: &Pending, mut queue: mpsc::Receiver<Submission>) {
    let (mut gathered, mut transaction) = (Vec::new(), Transaction::default());
    while queue.blocking_recv_many(&mut gathered, 1024) > 0 {
        transaction.clear();
        for submission in &gathered {
            transaction.push(&submission.topic, submission.partition, &submission.payload);
        }
        let appended = keys.flush().map_err(|e| e.to_string());
        let appended = appended.and_then(|()| log.append_if_room(&transaction).map_err(|e| e.to_string()));
        if let Err(reason) = appended {
            tracing::warn!(%reason, "commands were turned away");
            let mut pending = pending.lock().unwrap_or_else(PoisonError::into_inner);
            for correlation in gathered.iter().map(|s| s.correlation) {
                if let Some(waiting) = pending.remove(&correlation) {
                    let _ = waiting.send(Err(SubmitError::NoRoom(reason.clone())));
                }
            }
        }
        gathered.clear();
    }
}
