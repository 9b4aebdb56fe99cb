//! The whole router in one process, over one data folder: log, keys, rows, stages, and the answers to callers.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use router_ingest::seal::{Keys, SealError};
use router_log::{Journal, Log, LogError, Options};
use router_schemas::{
    command::Command,
    position::{LogId, Topic, TopicPartition},
    stage::StageName,
};
use router_sinks::{FjallStore, Store, StoreError};

pub(crate) use crate::submit::{Answering, SubmitError};
use crate::{
    runner::{Runner, RunnerError},
    submit::{Submitter, answers, append},
};

/// Partitions of a new log.
pub(crate) const PARTITIONS: u16 = 4;

/// How far the rows stand back: they get a third of what another thread gets where all want more than there is.
const ROWS_NICE: i32 = 5;

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

/// A running router.
pub(crate) struct Router {
    pub log: Arc<dyn Log>,
    pub keys: Arc<Keys>,
    pub store: Arc<dyn Store>,
    pub runner: Runner,
    pub submitter: Submitter,
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
        let stop = Arc::new(AtomicBool::new(false));
        let (submitter, ends) = Submitter::new(boot[..8].try_into().unwrap_or_default());
        let mut threads = Vec::new();
        let mut thread = |name: &str, work: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new().name(name.into()).spawn(work).map(|t| threads.push(t))
        };
        {
            let (log, pending, stop) = (log.clone(), ends.pending.clone(), stop.clone());
            // Taken before the first request can be answered: a thread may start late.
            let from = log.range(&TopicPartition::new(Topic::Replies, 0)).map_or(0, |r| r.end);
            thread("answers", Box::new(move || ended("answers", answers(&*log, from, &pending, &stop))))?;
        }
        {
            let (log, keys) = (log.clone(), keys.clone());
            thread("append", Box::new(move || append(&*log, &keys, ends)))?;
        }
        {
            let (log, store, stop) = (log.clone(), store.clone(), stop.clone());
            let work = move || {
                yield_to_others();
                ended("rows", router_sinks::follow::follow(&*log, &*store, &stop, false));
            };
            thread("rows", Box::new(work))?;
        }
        Ok(Router { log, keys, store, runner, submitter, stop, threads })
    }

    /// Sends a command on its road; commands sent one after the other keep their order. The answer is intake's,
    /// or with `outcome` the engine's.
    pub fn send(&self, command: &Command, outcome: bool) -> Result<Answering, SubmitError> {
        let (topic, partition) = self.road(command)?;
        let mut bundle = self.submitter.bundle();
        bundle.push(topic, partition, command, outcome);
        self.submitter.try_send(bundle).map(Answering)
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
        self.submitter.waiting()
    }

    /// Ends all threads; the log is closed cleanly with the last owner.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(self.submitter);
        self.runner.stop();
        for thread in self.threads {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

/// Lets this thread have less of a busy processor than the others: rows may lag, decisions may not.
fn yield_to_others() {
    let own = rustix::thread::gettid();
    if let Err(error) = rustix::process::setpriority_process(Some(own), ROWS_NICE) {
        tracing::debug!(%error, "the rows have the priority of all");
    }
}

fn ended<E: std::fmt::Display>(thread: &str, result: Result<(), E>) {
    if let Err(error) = result {
        tracing::error!(thread, %error, "a thread ended");
    }
}
