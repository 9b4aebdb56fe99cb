//! The whole router in one process, over one data folder: log, keys, rows, stages, and the answers to callers.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use router_ingest::seal::{Keys, SealError};
use router_log::{Isolation, Journal, Log, LogError, Options, Ticket, Transaction};
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
    runner::{Runner, RunnerError},
    telemetry::TELEMETRY,
};

/// Partitions of a new log.
pub(crate) const PARTITIONS: u16 = 4;
/// Requests that may wait for an answer; more are turned away.
const WAITING: usize = 65_536;

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
    #[error("E2206: cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
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
    appended: Option<oneshot::Sender<Result<(u64, Ticket), SubmitError>>>,
}

/// A running router.
pub(crate) struct Router {
    pub log: Arc<dyn Log>,
    pub keys: Arc<Keys>,
    pub store: Arc<dyn Store>,
    pub runner: Runner,
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

    /// Where the command line asks a running router.
    pub fn socket(&self) -> PathBuf {
        self.0.join("router.sock")
    }

    /// Master key and data keys.
    pub fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }
}

impl Router {
    /// Opens the folder, making what is missing, brings the stages to where they were, and goes on.
    pub fn start(folder: &Path) -> Result<Router, RouterError> {
        let folder = Folder(folder.to_owned());
        let mut random = [0; 24];
        getrandom::fill(&mut random).map_err(RouterError::Random)?;
        let [mut id, mut boot] = [[0; 16], [0; 16]];
        id.copy_from_slice(&random[..16]);
        boot[..8].copy_from_slice(&random[16..]);
        let options = Options { create: Some(LogId(id)), ..Options::default() };
        let log: Arc<dyn Log> = Arc::new(Journal::open(&folder.journal(), options)?);
        let keys = Arc::new(Keys::open(&folder.keys())?);
        let store: Arc<dyn Store> = Arc::new(FjallStore::open(&folder.rows())?);
        let runner = Runner::start(&log, PARTITIONS)?;
        let (pending, stop) = (Pending::default(), Arc::new(AtomicBool::new(false)));
        let (submissions, queue) = mpsc::channel(WAITING);
        let mut threads = Vec::new();
        let mut thread = |name: &str, work: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new().name(name.into()).spawn(work).map(|t| threads.push(t))
        };
        {
            let (log, pending, stop) = (log.clone(), pending.clone(), stop.clone());
            // Taken before the first request can be answered: a thread may start late.
            let from = log.range(&TopicPartition::new(Topic::Replies, 0)).map_or(0, |r| r.end);
            thread("answers", Box::new(move || ended("answers", answers(&*log, from, &pending, &stop))))?;
        }
        {
            let (log, keys, pending) = (log.clone(), keys.clone(), pending.clone());
            thread("append", Box::new(move || append(&*log, &keys, &pending, queue)))?;
        }
        {
            let (log, store, stop) = (log.clone(), store.clone(), stop.clone());
            let work = move || ended("rows", router_sinks::follow::follow(&*log, &*store, &stop, false));
            thread("rows", Box::new(work))?;
        }
        let boot = boot[..8].try_into().unwrap_or_default();
        let requests = AtomicU64::new(0);
        Ok(Router { log, keys, store, runner, pending, submissions, boot, requests, stop, threads })
    }

    /// Sends a command on its road; commands sent one after the other keep their order. The answer is intake's,
    /// or with `outcome` the engine's.
    pub fn send(&self, command: &Command, outcome: bool) -> Result<Answering, SubmitError> {
        let (topic, partition) = self.road(command)?;
        let correlation = self.correlation();
        let (answer, answered) = oneshot::channel();
        {
            let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            if pending.len() >= WAITING {
                return Err(SubmitError::Busy);
            }
            pending.insert(correlation, answer);
        }
        let answering = Answering { pending: self.pending.clone(), correlation, answered };
        let reply = Some(ReplyTo { partition: 0, correlation, outcome });
        let payload = envelope::to_vec(None, &Meta { reply, ..Meta::default() }, command);
        let submission = Submission { topic, partition, correlation, payload, appended: None };
        self.submissions.try_send(submission).map_err(|_| SubmitError::Busy)?;
        Ok(answering)
    }

    /// Sends a command that nobody waits for. Its position, as soon as it is on disk.
    pub async fn append(&self, command: &Command, most: Duration) -> Result<Position, SubmitError> {
        let (topic, partition) = self.road(command)?;
        let (appended, told) = oneshot::channel();
        let payload = envelope::to_vec(None, &Meta::default(), command);
        let correlation = self.correlation();
        let submission =
            Submission { topic: topic.clone(), partition, correlation, payload, appended: Some(appended) };
        self.submissions.try_send(submission).map_err(|_| SubmitError::Busy)?;
        let durable = async {
            let (offset, ticket) = told.await.map_err(|_| SubmitError::Late)??;
            let waited = self.log.durable().wait_for(|durable| *durable >= ticket).await.map(|_| ());
            waited.map_err(|_| SubmitError::Late)?;
            Ok(Position::new(topic, partition, offset))
        };
        tokio::time::timeout(most, durable).await.unwrap_or(Err(SubmitError::Late))
    }

    /// How far the engine is behind where this command would go.
    pub fn lag_of(&self, _command: &Command) -> Duration {
        Duration::ZERO
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
        while !(stopped() || applied() && shown()) {
            std::thread::sleep(Duration::from_millis(2));
        }
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
fn answers(log: &dyn Log, from: u64, pending: &Pending, stop: &AtomicBool) -> Result<(), LogError> {
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
        let started = Instant::now();
        let appended = keys.flush().map_err(|e| e.to_string());
        let appended = appended.and_then(|()| log.append_if_room(&transaction).map_err(|e| e.to_string()));
        TELEMETRY.appended("gateway", gathered.len(), started.elapsed());
        match appended {
            Ok(appended) => {
                for (submission, offset) in gathered.iter_mut().zip(appended.offsets) {
                    if let Some(told) = submission.appended.take() {
                        // Whoever asked may have gone.
                        let _ = told.send(Ok((offset, appended.ticket)));
                    }
                }
            }
            Err(reason) => {
                tracing::warn!(%reason, "commands were turned away");
                let mut pending = pending.lock().unwrap_or_else(PoisonError::into_inner);
                for submission in &mut gathered {
                    if let Some(told) = submission.appended.take() {
                        let _ = told.send(Err(SubmitError::NoRoom(reason.clone())));
                    } else if let Some(waiting) = pending.remove(&submission.correlation) {
                        let _ = waiting.send(Err(SubmitError::NoRoom(reason.clone())));
                    }
                }
            }
        }
        gathered.clear();
    }
}
