//! The whole router in one process, over one data folder: log, keys, rows, stages, and the answers to callers.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use router_ingest::seal::{Keys, SealError};
use router_log::{Journal, Log, LogError, Options};
use router_schemas::{
    command::{Command, order::PinKind},
    envelope::Meta,
    position::{LogId, Position, Topic, TopicPartition},
    stage::StageName,
};
use router_sinks::{Store, StoreError, follow::FollowError};

pub(crate) use crate::submit::{Answering, SubmitError};
use crate::{
    config,
    feed::Feed,
    rows,
    runner::{Runner, RunnerError, Settings, Snapshots, SnapshotsError, WordError},
    submit::{Submitter, answers, append},
    trial,
};

/// Partitions of a new log.
const PARTITIONS: u16 = 4;

/// Between two looks at how far stages and rows are.
const SETTLING: Duration = Duration::from_millis(2);
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
    Rows(#[from] FollowError),
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

/// A running router.
pub(crate) struct Router {
    pub log: Arc<dyn Log>,
    pub keys: Arc<Keys>,
    pub store: Arc<dyn Store>,
    pub snapshots: Arc<Snapshots>,
    pub runner: Runner,
    /// Where all of it lies.
    pub folder: Folder,
    /// Why rows are not written, where they are not.
    pub rows: Arc<router_sinks::follow::Health>,
    pub submitter: Submitter,
    /// What stores are told, for who listens.
    pub feed: Arc<Feed>,
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
        // One clock for the records and for what is ahead of it.
        let clock = options.clock.clone();
        let log: Arc<dyn Log> = Arc::new(Journal::open(&folder.journal(), options)?);
        // Keys are made before the first topic is.
        let kept = ["master.key", "table"].iter().all(|part| folder.keys().join(part).exists());
        if log.partitions(&Topic::Intake).is_some() && !kept {
            return Err(RouterError::Keyless(folder.keys()));
        }
        let keys = Arc::new(Keys::open(&folder.keys())?);
        let store: Arc<dyn Store> = Arc::new(rows::open(&folder.rows(), &*log)?);
        let health = Arc::<router_sinks::follow::Health>::default();
        let snapshots = Arc::new(Snapshots::local(&folder.snapshots())?);
        // Taken before the first request can be answered: a thread may start late.
        let from = log.range(&TopicPartition::new(Topic::Replies, 0)).map_or(0, |r| r.end);
        let answered = Arc::new(AtomicU64::new(from));
        let (rows, replies) = (store.clone(), answered.clone());
        // What the log has stands where nobody says otherwise.
        let partitions = partitions.or(log.partitions(&Topic::Intake)).unwrap_or(PARTITIONS);
        let settings = &Settings { partitions, clock, ..settings.clone() };
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
        let stop = Arc::new(AtomicBool::new(false));
        let (submitter, ends) = Submitter::new(boot[..8].try_into().unwrap_or_default(), most_waiting);
        let mut threads = Vec::new();
        let mut thread = |name: &str, work: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new().name(name.into()).spawn(work).map(|t| threads.push(t))
        };
        {
            let (log, pending, stop) = (log.clone(), ends.pending.clone(), stop.clone());
            let work = move || ended("answers", answers(&*log, from, &pending, &answered, &stop));
            thread("answers", Box::new(work))?;
        }
        {
            let (log, keys) = (log.clone(), keys.clone());
            thread("append", Box::new(move || append(&*log, &keys, ends)))?;
        }
        {
            let (log, store, stop, health) = (log.clone(), store.clone(), stop.clone(), health.clone());
            let work = move || {
                yield_to_others();
                router_sinks::follow::follow_on(&*log, &*store, &stop, &health);
            };
            thread("rows", Box::new(work))?;
        }
        let feed = Arc::<Feed>::default();
        {
            let (log, stop, feed) = (log.clone(), stop.clone(), feed.clone());
            thread("feed", Box::new(move || ended("feed", feed.follow(&*log, &stop))))?;
        }
        let rows = health;
        Ok(Router { feed, log, keys, store, snapshots, runner, folder, rows, submitter, stop, threads })
    }

    /// As [`Router::send_with`], with nothing beside it.
    #[cfg(test)]
    pub fn send(&self, command: &Command, outcome: bool) -> Result<Answering, SubmitError> {
        self.send_with(command, outcome, Meta::default())
    }

    /// Sends a command on its road, with what is known beside it; commands sent one after the other keep their order.
    /// The answer is intake's, or with `outcome` the engine's.
    pub fn send_with(&self, command: &Command, outcome: bool, meta: Meta) -> Result<Answering, SubmitError> {
        let (topic, partition) = self.road(command)?;
        let mut bundle = self.submitter.bundle();
        bundle.push_with(topic, partition, command, outcome, meta);
        self.submitter.try_send(bundle).map(Answering)
    }

    /// Sends a command that nobody waits for, with what is known beside it. Its position, as soon as it is on disk.
    pub async fn append(
        &self,
        command: &Command,
        meta: Meta,
        most: Duration,
    ) -> Result<Position, SubmitError> {
        let (topic, partition) = self.road(command)?;
        let durable = async {
            let (offset, ticket) = self.submitter.append(topic.clone(), partition, command, &meta).await?;
            let waited = self.log.durable().wait_for(|durable| *durable >= ticket).await.map(|_| ());
            waited.map_err(|_| SubmitError::Late)?;
            Ok(Position::new(topic, partition, offset))
        };
        tokio::time::timeout(most, durable).await.unwrap_or(Err(SubmitError::Late))
    }

    /// How far the engine is behind where this command would go: the partition of the node that it is about, else the
    /// least lag of all, since intake has not said yet where an order goes.
    pub fn lag_of(&self, command: &Command) -> Duration {
        let pinned = match command {
            Command::Place(m) | Command::Amend(m) => {
                m.head.pin.as_ref().filter(|pin| pin.kind != PinKind::Prefer)
            }
            _ => None,
        };
        let node = pinned.map(|pin| pin.node.as_str()).or(command.node());
        match node.and_then(|node| self.runner.directory.partition(node)) {
            Some(partition) => self.runner.lag(partition),
            None if command.identity().is_none() => Duration::ZERO,
            None => {
                let all = (0..self.runner.topology.commands).map(|partition| self.runner.lag(partition));
                all.min().unwrap_or_default()
            }
        }
    }

    /// Topic and partition that a command goes to.
    pub fn road(&self, command: &Command) -> Result<(Topic, u16), SubmitError> {
        if let Some(identity) = command.identity() {
            return Ok((Topic::Intake, identity.partition(self.runner.topology.intake)));
        }
        if let Some(zone) = command.zone() {
            let partition = self.runner.directory.zone(zone);
            return partition.map(|p| (Topic::Commands, p)).ok_or(SubmitError::UnknownZone);
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
        let shown = || self.follows(&self.ends(&Topic::Events));
        while !(self.stopped() || !self.behind(&self.inputs()) && (shown() || self.rows.trouble().is_some()))
        {
            std::thread::sleep(SETTLING);
        }
    }

    /// Waits until all that is in the log now is applied, and what that led to: a round for each stage. Unlike
    /// [`Router::settle`] it ends under load too.
    pub fn catch_up(&self) {
        for _ in StageName::ALL {
            let now = self.inputs();
            while self.behind(&now) && !self.stopped() {
                std::thread::sleep(SETTLING);
            }
        }
    }

    /// Ends of all partitions of a topic.
    pub fn ends(&self, topic: &Topic) -> Vec<u64> {
        ends(&*self.log, topic)
    }

    /// Whether the rows show all events before these ends.
    pub fn follows(&self, events: &[u64]) -> bool {
        (0..).zip(events).all(|(p, end)| self.store.position(p).is_ok_and(|next| next >= *end))
    }

    /// Ends of what the stages read.
    fn inputs(&self) -> [(StageName, Vec<u64>); 3] {
        StageName::ALL.map(|stage| (stage, self.ends(&stage.input())))
    }

    /// Whether a stage has still to apply something before these ends.
    fn behind(&self, inputs: &[(StageName, Vec<u64>)]) -> bool {
        inputs.iter().any(|(stage, ends)| {
            (0..).zip(ends).any(|(p, end)| {
                let partition = TopicPartition::new(stage.input(), p);
                self.log.committed(stage.group(), &partition).unwrap_or(0) < *end
            })
        })
    }

    fn stopped(&self) -> bool {
        let status = self.runner.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.values().any(|cell| cell.stopped.is_some())
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

    /// What does not go on although it should: a thread that ended by itself.
    pub fn ended(&self) -> Option<String> {
        let ended = self.threads.iter().find(|thread| thread.is_finished())?;
        let name = ended.thread().name().unwrap_or_default();
        Some(format!("E2213: the thread {name:?} ended; see the router's log, and start the router again"))
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

/// Ends of all partitions of a topic; none where there is no such topic.
pub(crate) fn ends(log: &dyn Log, topic: &Topic) -> Vec<u64> {
    let end = |p| log.range(&TopicPartition::new(topic.clone(), p)).map_or(0, |range| range.end);
    (0..log.partitions(topic).unwrap_or(0)).map(end).collect()
}

fn ended<E: std::fmt::Display>(thread: &str, result: Result<(), E>) {
    if let Err(error) = result {
        tracing::error!(thread, %error, "a thread ended");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_ended_by_itself_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let router = Router::start_with(folder.path(), &Settings::default()).unwrap();
        assert_eq!(router.ended(), None);
        router.stop.store(true, Ordering::Relaxed);
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        while router.ended().is_none() {
            assert!(std::time::Instant::now() < deadline, "nobody says that the threads are gone");
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(router.ended().is_some_and(|text| text.contains("E2213")));
        router.stop();
    }
}
