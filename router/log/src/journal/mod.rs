//! The embedded log: one journal of segments for all topics and partitions.
//!
//! A frame is a transaction. An append assigns offsets and time, and puts the frame into memory: no system call.
//! One thread writes what has gathered and syncs once a round, so that the disk sees few large writes however many
//! small appends there are. A crash loses frames from the end only, so whoever read a frame that was lost has lost
//! its own output with it. Answers and outside readers wait for the watermark.

mod check;
mod flusher;
pub(crate) mod pool;
mod reader;
mod recover;
mod segments;
mod state;

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
};

use router_schemas::position::{LogId, Topic, TopicPartition};
use tokio::sync::watch;

pub use check::Checked;

use crate::{
    Appended, Isolation, Log, LogError, LogState, Reader, Record, Ticket, Transaction, Trimmed,
    journal::{reader::JournalReader, state::State},
};

/// How a journal is opened.
#[derive(Clone)]
pub struct Options {
    /// Identity of a log that does not exist yet; `None`: do not make one.
    pub create: Option<LogId>,
    /// A segment is closed at this size, bytes.
    pub segment_bytes: u64,
    /// Frames kept in memory for readers that are close, bytes.
    pub cache_bytes: usize,
    /// New orders are refused when less than this is free, bytes, so that stages can finish what they have.
    pub reserve_bytes: u64,
    /// The clock that gives records their time, ms.
    pub clock: Arc<dyn Fn() -> i64 + Send + Sync>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            create: None,
            segment_bytes: 128 << 20,
            cache_bytes: 64 << 20,
            reserve_bytes: 64 << 20,
            clock: Arc::new(system_clock),
        }
    }
}

fn system_clock() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| d.as_millis() as i64)
}

/// The embedded log.
pub struct Journal {
    shared: Arc<Shared>,
    flusher: Mutex<Option<JoinHandle<()>>>,
    /// Held for as long as the journal is open.
    _lock: fs::File,
}

/// What appenders, readers and the flusher share.
pub(crate) struct Shared {
    pub folder: PathBuf,
    pub log: LogId,
    pub options: Options,
    pub read_only: bool,
    pub state: Mutex<State>,
    /// Something was appended.
    pub appended: Condvar,
    /// The watermark or the state of the log changed.
    pub settled: Condvar,
    /// The flusher has work.
    pub work: Condvar,
    pub watermark: watch::Sender<Ticket>,
    /// Buffers of frames.
    pub pool: Arc<pool::Pool>,
}

impl Shared {
    /// The state. A panic elsewhere cannot leave it half changed: every change is finished before the lock is
    /// given back, and what can fail is computed before.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal {
    /// Opens the journal in `folder` for reading and writing, making it where the options say so. A torn end is
    /// cut off; any other damage is refused.
    pub fn open(folder: &Path, options: Options) -> Result<Journal, LogError> {
        fs::create_dir_all(folder).map_err(LogError::io("cannot make folder", folder))?;
        let lock = recover::lock(folder, true)?;
        let recovered = recover::recover(folder, &options, false)?;
        let shared = Arc::new(recovered.into_shared(folder, options, false));
        let flusher = {
            let shared = shared.clone();
            let thread = std::thread::Builder::new().name("journal".into());
            thread
                .spawn(move || flusher::run(&shared))
                .map_err(LogError::io("cannot start a thread for", folder))?
        };
        Ok(Journal { shared, flusher: Mutex::new(Some(flusher)), _lock: lock })
    }

    /// Opens the journal for reading while no router runs on it.
    pub fn open_read_only(folder: &Path, options: Options) -> Result<Journal, LogError> {
        if !folder.is_dir() {
            return Err(LogError::Missing(folder.to_owned()));
        }
        let lock = recover::lock(folder, false)?;
        let options = Options { create: None, ..options };
        let recovered = recover::recover(folder, &options, true)?;
        let shared = Arc::new(recovered.into_shared(folder, options, true));
        Ok(Journal { shared, flusher: Mutex::new(None), _lock: lock })
    }

    /// Appends records of another log as they are: their offsets and times. The first may have any offset.
    pub fn append_replica(&self, partition: &TopicPartition, records: &[Record]) -> Result<(), LogError> {
        state::append_replica(&self.shared, partition, records)
    }

    /// Reads every byte of every segment. The number of frames, or the first damage.
    pub fn verify(&self) -> Result<u64, LogError> {
        let (mut checked, durable) = (Checked::default(), self.shared.lock().durable);
        while check::piece(&self.shared, &mut checked, true, durable)? {}
        Ok(checked.frames())
    }
}

impl Drop for Journal {
    /// Writes what is pending and marks the end, so that a later loss of acknowledged records is seen.
    fn drop(&mut self) {
        let flusher = self.flusher.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(flusher) = flusher {
            self.shared.lock().closing = true;
            self.shared.work.notify_all();
            // A flusher that panicked has said so on standard error; there is nobody left to tell.
            let _ = flusher.join();
        }
    }
}

impl Log for Journal {
    fn log_id(&self) -> LogId {
        self.shared.log
    }

    fn topics(&self) -> Vec<(Topic, u16)> {
        let state = self.shared.lock();
        let mut topics: Vec<_> =
            state.topics.iter().map(|t| (t.topic.clone(), t.partitions.len() as u16)).collect();
        topics.sort();
        topics
    }

    fn partitions(&self, topic: &Topic) -> Option<u16> {
        self.shared.lock().topic(topic).map(|t| t.partitions.len() as u16)
    }

    fn create_topic(&self, topic: &Topic, partitions: u16) -> Result<(), LogError> {
        state::create_topic(&self.shared, topic, partitions)
    }

    fn append(&self, transaction: &Transaction) -> Result<Appended, LogError> {
        state::append(&self.shared, transaction, true)
    }

    fn append_if_room(&self, transaction: &Transaction) -> Result<Appended, LogError> {
        state::append(&self.shared, transaction, false)
    }

    fn reader(
        &self,
        from: Vec<(TopicPartition, u64)>,
        isolation: Isolation,
    ) -> Result<Box<dyn Reader>, LogError> {
        for (partition, _) in &from {
            self.range(partition).ok_or_else(|| LogError::NoPartition(partition.clone()))?;
        }
        Ok(Box::new(JournalReader::new(self.shared.clone(), from, isolation)))
    }

    fn range(&self, partition: &TopicPartition) -> Option<Range<u64>> {
        let state = self.shared.lock();
        let found = state.partition(partition)?;
        Some(found.first..found.next)
    }

    fn committed(&self, group: &str, partition: &TopicPartition) -> Option<u64> {
        let state = self.shared.lock();
        state.commits.iter().find(|c| &*c.group == group && c.source == *partition).map(|c| c.next)
    }

    fn last(&self) -> Ticket {
        Ticket(self.shared.lock().next_frame - 1)
    }

    fn wait_durable(&self, ticket: Ticket) -> Result<(), LogError> {
        let mut state = self.shared.lock();
        while state.durable < ticket.0 {
            if let LogState::Failed(reason) = &state.log_state {
                return Err(LogError::Failed(reason.clone()));
            }
            state = self.shared.settled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    fn durable(&self) -> watch::Receiver<Ticket> {
        self.shared.watermark.subscribe()
    }

    fn trim(
        &self,
        keep: &dyn Fn(&TopicPartition) -> u64,
        retain_after: &dyn Fn(&Topic) -> i64,
    ) -> Result<Trimmed, LogError> {
        segments::trim(&self.shared, keep, retain_after)
    }

    fn trimmable(
        &self,
        keep: &dyn Fn(&TopicPartition) -> u64,
        retain_after: &dyn Fn(&Topic) -> i64,
    ) -> Vec<(TopicPartition, u64)> {
        segments::trimmable(&self.shared.lock(), keep, retain_after)
    }

    fn check_next(&self, checked: &mut Checked) -> Result<bool, LogError> {
        let durable = self.shared.lock().durable;
        check::piece(&self.shared, checked, false, durable)
    }

    fn state(&self) -> LogState {
        let state = self.shared.lock();
        match (&state.log_state, &state.scarce) {
            // What is left is for the stages: nothing new is taken.
            (LogState::Running, Some(reason)) => LogState::NoRoom(reason.clone()),
            (state, _) => state.clone(),
        }
    }
}

#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;
