//! Commands on their way to the log, and answers on their way back. Commands that came together go together: one
//! place in the queue, one look-up, one wake-up for all of them.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use router_ingest::seal::Keys;
use router_log::{Appended, Isolation, Log, LogError, Ticket, Transaction};
use router_schemas::{
    command::Command,
    envelope::{self, Meta, ReplyTo},
    position::{Topic, TopicPartition},
    reply::Reply,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::telemetry::TELEMETRY;

/// Bytes of commands that are appended at once, about.
const APPEND_BYTES: usize = 1 << 20;

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
    #[error("no such zone")]
    UnknownZone,
}

type Answered = Result<Reply, SubmitError>;

/// Commands that go to the log together, in their order.
pub(crate) struct Bundle {
    group: u64,
    /// Boot and group number: the first part of every correlation.
    boot: [u8; 8],
    /// Topic, partition, and end in `bytes` of each command.
    records: Vec<(Topic, u16, usize)>,
    bytes: Vec<u8>,
    /// What it takes up until it is appended, whether or not somebody still waits for its answers.
    places: Option<Arc<OwnedSemaphorePermit>>,
    /// Told where the first record lies, and when it is on disk, instead of waiting for an answer.
    told: Option<oneshot::Sender<Result<(u64, Ticket), SubmitError>>>,
}

impl Bundle {
    /// Adds a command with what is known beside it; the answer is intake's, or with `outcome` the engine's. At most
    /// 65,536.
    pub fn push_with(&mut self, topic: Topic, partition: u16, command: &Command, outcome: bool, meta: Meta) {
        let correlation = correlation(self.boot, self.group, self.records.len());
        let reply = Some(ReplyTo { partition: 0, correlation, outcome });
        envelope::encode(None, &Meta { reply, ..meta }, command, &mut self.bytes);
        self.records.push((topic, partition, self.bytes.len()));
    }

    /// Adds a command that nobody answers.
    fn push_silent(&mut self, topic: Topic, partition: u16, command: &Command, meta: &Meta) {
        envelope::encode(None, meta, command, &mut self.bytes);
        self.records.push((topic, partition, self.bytes.len()));
    }

    /// Number of commands.
    pub fn len(&self) -> usize {
        self.records.len()
    }
}

/// Names one command of a group.
fn correlation(boot: [u8; 8], group: u64, index: usize) -> [u8; 16] {
    let mut correlation = [0; 16];
    correlation[..8].copy_from_slice(&boot);
    correlation[8..].copy_from_slice(&(group << 16 | index as u64).to_le_bytes());
    correlation
}

/// Those who wait for answers.
pub(crate) struct Pending {
    groups: Mutex<HashMap<u64, Group>>,
    places: Arc<Semaphore>,
    /// Random of this start, so that correlations of two starts never meet.
    boot: [u8; 8],
}

/// The answers of one bundle, as far as they have come.
struct Group {
    answers: Vec<Option<Answered>>,
    left: usize,
    done: oneshot::Sender<Vec<Option<Answered>>>,
    _places: Arc<OwnedSemaphorePermit>,
}

impl Pending {
    fn groups(&self) -> MutexGuard<'_, HashMap<u64, Group>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes an answer in. A group that has all of its answers comes out.
fn answer(groups: &mut HashMap<u64, Group>, number: u64, answer: Answered) -> Option<Group> {
    let (group, index) = (number >> 16, (number & 0xffff) as usize);
    let waiting = groups.get_mut(&group)?;
    let place = waiting.answers.get_mut(index).filter(|place| place.is_none())?;
    *place = Some(answer);
    waiting.left -= 1;
    if waiting.left == 0 { groups.remove(&group) } else { None }
}

/// The gateway's end of the road to the log.
pub(crate) struct Submitter {
    queue: mpsc::Sender<Bundle>,
    pending: Arc<Pending>,
    groups: AtomicU64,
    /// Commands that may wait for an answer; more are turned away, or wait to be read.
    most: usize,
}

/// The log's end, for [`append`] and [`answers`].
pub(crate) struct Ends {
    pub queue: mpsc::Receiver<Bundle>,
    pub pending: Arc<Pending>,
}

impl Submitter {
    /// A road that nothing is on, for so many commands at once. `boot`: random.
    pub fn new(boot: [u8; 8], most: usize) -> (Submitter, Ends) {
        let (queue, receiver) = mpsc::channel(most);
        let places = Arc::new(Semaphore::new(most));
        let pending = Arc::new(Pending { groups: Mutex::default(), places, boot });
        let ends = Ends { queue: receiver, pending: pending.clone() };
        (Submitter { queue, pending, groups: AtomicU64::new(0), most }, ends)
    }

    /// An empty bundle.
    pub fn bundle(&self) -> Bundle {
        let group = self.groups.fetch_add(1, Ordering::Relaxed);
        Bundle {
            group,
            boot: self.pending.boot,
            records: Vec::new(),
            bytes: Vec::new(),
            places: None,
            told: None,
        }
    }

    /// Sends a bundle if there is a place for it now.
    pub fn try_send(&self, bundle: Bundle) -> Result<Answers, SubmitError> {
        let places = self.pending.places.clone().try_acquire_many_owned(self.wanted(&bundle));
        self.enqueue(bundle, places.map_err(|_| SubmitError::Busy)?)
    }

    /// Sends a bundle as soon as there is a place for it.
    pub async fn send(&self, bundle: Bundle) -> Result<Answers, SubmitError> {
        let places = self.pending.places.clone().acquire_many_owned(self.wanted(&bundle)).await;
        self.enqueue(bundle, places.map_err(|_| SubmitError::Busy)?)
    }

    /// Places that a bundle takes; one that is larger than all of them together goes alone.
    fn wanted(&self, bundle: &Bundle) -> u32 {
        bundle.len().min(self.most) as u32
    }

    /// Sends a command that nobody answers: its offset, and when it is on disk.
    pub async fn append(
        &self,
        topic: Topic,
        partition: u16,
        command: &Command,
        meta: &Meta,
    ) -> Result<(u64, Ticket), SubmitError> {
        let place = self.pending.places.clone().try_acquire_owned().map_err(|_| SubmitError::Busy)?;
        let (told, appended) = oneshot::channel();
        let mut bundle = Bundle { places: Some(Arc::new(place)), told: Some(told), ..self.bundle() };
        bundle.push_silent(topic, partition, command, meta);
        self.queue.try_send(bundle).map_err(|_| SubmitError::Busy)?;
        appended.await.unwrap_or(Err(SubmitError::Late))
    }

    /// An address for the answer to a command that the caller appends itself.
    pub fn expect(&self, outcome: bool) -> Result<(ReplyTo, Answering), SubmitError> {
        let place = self.pending.places.clone().try_acquire_owned().map_err(|_| SubmitError::Busy)?;
        let group = self.groups.fetch_add(1, Ordering::Relaxed);
        let correlation = correlation(self.pending.boot, group, 0);
        let answers = self.wait_for(group, 1, Arc::new(place));
        Ok((ReplyTo { partition: 0, correlation, outcome }, Answering(answers)))
    }

    fn wait_for(&self, group: u64, count: usize, places: Arc<OwnedSemaphorePermit>) -> Answers {
        let (done, answered) = oneshot::channel();
        let waiting = Group { answers: vec![None; count], left: count, done, _places: places };
        self.pending.groups().insert(group, waiting);
        Answers { pending: self.pending.clone(), group, count, answered }
    }

    fn enqueue(&self, mut bundle: Bundle, places: OwnedSemaphorePermit) -> Result<Answers, SubmitError> {
        let places = bundle.places.insert(Arc::new(places)).clone();
        let answers = self.wait_for(bundle.group, bundle.len(), places);
        // Every bundle in the queue has its places, so there is room for it.
        self.queue.try_send(bundle).map_err(|_| SubmitError::Busy)?;
        Ok(answers)
    }

    /// Commands that wait for an answer.
    pub fn waiting(&self) -> usize {
        self.most - self.pending.places.available_permits()
    }
}

/// The answers of a bundle that was sent.
pub(crate) struct Answers {
    pending: Arc<Pending>,
    group: u64,
    count: usize,
    answered: oneshot::Receiver<Vec<Option<Answered>>>,
}

impl Answers {
    /// The answer of each command, in their order: what is answered is on disk.
    pub async fn wait(mut self, most: Duration) -> Vec<Answered> {
        let answers = match tokio::time::timeout(most, &mut self.answered).await {
            Ok(Ok(answers)) => answers,
            // Some may have come.
            _ => self.pending.groups().remove(&self.group).map_or(Vec::new(), |group| group.answers),
        };
        let mut answers: Vec<_> = answers.into_iter().map(|a| a.unwrap_or(Err(SubmitError::Late))).collect();
        answers.resize(self.count, Err(SubmitError::Late));
        answers
    }
}

impl Drop for Answers {
    /// Gives the places free again, however it ended.
    fn drop(&mut self) {
        self.pending.groups().remove(&self.group);
    }
}

/// A command that was sent alone.
pub(crate) struct Answering(pub Answers);

impl Answering {
    /// The answer: what is answered is on disk.
    pub async fn wait(self, most: Duration) -> Answered {
        self.0.wait(most).await.pop().unwrap_or(Err(SubmitError::Late))
    }
}

/// Hands durable replies to those who wait. `answered`: how far they were read.
pub(crate) fn answers(
    log: &dyn Log,
    from: u64,
    pending: &Pending,
    answered: &AtomicU64,
    stop: &AtomicBool,
) -> Result<(), LogError> {
    let partition = TopicPartition::new(Topic::Replies, 0);
    let mut reader = log.reader(vec![(partition, from)], Isolation::Durable)?;
    let (mut replies, mut done) = (Vec::new(), Vec::new());
    while !stop.load(Ordering::Relaxed) {
        let Some(batch) = reader.poll(4096, 1 << 20, Duration::from_millis(100))? else { continue };
        replies.extend(batch.records.iter().filter_map(|record| {
            let (_, reply) = envelope::decode::<Reply>(&record.payload).ok()?;
            let (boot, number) = reply.correlation.split_at(8);
            let number = u64::from_le_bytes(number.try_into().ok()?);
            (boot == pending.boot).then_some((number, reply))
        }));
        {
            let mut groups = pending.groups();
            done.extend(
                replies.drain(..).filter_map(|(number, reply)| answer(&mut groups, number, Ok(reply))),
            );
        }
        finish(&mut done);
        if let Some(last) = batch.records.last() {
            answered.store(last.offset + 1, Ordering::Relaxed);
        }
    }
    Ok(())
}

/// Wakes those who have all of their answers.
fn finish(done: &mut Vec<Group>) {
    for group in done.drain(..) {
        // Whoever asked may have gone.
        let _ = group.done.send(group.answers);
    }
}

/// Appends what callers sent, all that has gathered at once: one flush of new keys, one transaction. A batch is what
/// came while the last one was flushed.
pub(crate) fn append(log: &dyn Log, keys: &Keys, ends: Ends) {
    let Ends { mut queue, pending } = ends;
    let (mut gathered, mut transaction) = (Vec::new(), Transaction::default());
    while let Some(first) = queue.blocking_recv() {
        let mut bytes = first.bytes.len();
        gathered.push(first);
        while bytes < APPEND_BYTES
            && let Ok(next) = queue.try_recv()
        {
            bytes += next.bytes.len();
            gathered.push(next);
        }
        transaction.clear();
        for Bundle { records, bytes, .. } in &gathered {
            let mut start = 0;
            for (topic, partition, end) in records {
                transaction.push(topic, *partition, &bytes[start..*end]);
                start = *end;
            }
        }
        let started = Instant::now();
        let appended = keys.flush().map_err(|e| e.to_string());
        let appended = appended.and_then(|()| log.append_if_room(&transaction).map_err(|e| e.to_string()));
        TELEMETRY.appended("gateway", transaction.len(), started.elapsed());
        match appended {
            Ok(appended) => tell(&mut gathered, &appended),
            Err(reason) => turn_away(&pending, &mut gathered, &reason),
        }
        gathered.clear();
    }
}

/// Tells those who wait for the append alone.
fn tell(bundles: &mut [Bundle], appended: &Appended) {
    let mut first = 0;
    for bundle in bundles {
        if let Some((told, offset)) = bundle.told.take().zip(appended.offsets.get(first)) {
            // Whoever asked may have gone.
            let _ = told.send(Ok((*offset, appended.ticket)));
        }
        first += bundle.len();
    }
}

fn turn_away(pending: &Pending, bundles: &mut [Bundle], reason: &str) {
    tracing::warn!(%reason, "commands were turned away");
    for told in bundles.iter_mut().filter_map(|bundle| bundle.told.take()) {
        let _ = told.send(Err(SubmitError::NoRoom(reason.to_owned())));
    }
    let mut done = Vec::new();
    {
        let mut groups = pending.groups();
        for bundle in bundles {
            let numbers = (0..bundle.len() as u64).map(|index| bundle.group << 16 | index);
            let why = || Err(SubmitError::NoRoom(reason.to_owned()));
            done.extend(numbers.filter_map(|number| answer(&mut groups, number, why())));
        }
    }
    finish(&mut done);
}

#[cfg(test)]
mod tests {
    use router_schemas::{
        position::Position,
        reply::{Answer, Reply},
    };

    use super::*;

    const MOST: usize = 100;

    fn reply(bundle: &Bundle) -> Reply {
        let correlation = [bundle.boot, [0; 8]].concat().try_into().unwrap();
        Reply { correlation, position: Position::new(Topic::Intake, 0, 0), answer: Answer::Early }
    }

    fn bundle(submitter: &Submitter, count: usize) -> Bundle {
        let mut bundle = submitter.bundle();
        (0..count).for_each(|_| bundle.push_with(Topic::Intake, 0, &Command::Tick, false, Meta::default()));
        bundle
    }

    /// As [`append`] leaves it.
    fn appended(bundle: Bundle) -> Bundle {
        Bundle { places: None, ..bundle }
    }

    #[tokio::test]
    async fn a_bundle_is_answered_when_all_of_it_is() {
        let (submitter, mut ends) = Submitter::new([1; 8], MOST);
        let answers = submitter.send(bundle(&submitter, 3)).await.unwrap();
        let sent = appended(ends.queue.recv().await.unwrap());
        let number = |index: u64| sent.group << 16 | index;
        for index in [2, 0] {
            assert!(answer(&mut ends.pending.groups(), number(index), Ok(reply(&sent))).is_none());
        }
        // The same again, and one that nobody sent, change nothing.
        assert!(answer(&mut ends.pending.groups(), number(0), Err(SubmitError::Busy)).is_none());
        assert!(answer(&mut ends.pending.groups(), number(3), Ok(reply(&sent))).is_none());
        assert_eq!(submitter.waiting(), 3);
        let group = answer(&mut ends.pending.groups(), number(1), Err(SubmitError::UnknownNode));
        finish(&mut group.into_iter().collect());
        let answers = answers.wait(Duration::from_secs(9)).await;
        assert_eq!(answers, [Ok(reply(&sent)), Err(SubmitError::UnknownNode), Ok(reply(&sent))]);
        assert_eq!(submitter.waiting(), 0);
    }

    #[tokio::test]
    async fn what_came_in_time_is_answered_and_places_are_given_back() {
        let (submitter, mut ends) = Submitter::new([1; 8], MOST);
        let answers = submitter.send(bundle(&submitter, 2)).await.unwrap();
        let sent = appended(ends.queue.recv().await.unwrap());
        answer(&mut ends.pending.groups(), sent.group << 16, Ok(reply(&sent)));
        assert_eq!(answers.wait(Duration::ZERO).await, [Ok(reply(&sent)), Err(SubmitError::Late)]);
        assert_eq!(submitter.waiting(), 0);
        let full = submitter.try_send(bundle(&submitter, MOST)).unwrap();
        assert_eq!(submitter.try_send(bundle(&submitter, 1)).err(), Some(SubmitError::Busy));
        drop(full);
        assert_eq!(
            submitter.waiting(),
            MOST,
            "the queue still holds them: a slow disk does not make room for more"
        );
        drop(ends.queue.recv().await);
        assert_eq!(submitter.waiting(), 0);
    }

    #[tokio::test]
    async fn a_bundle_that_is_larger_than_all_places_goes_alone() {
        let (submitter, mut ends) = Submitter::new([1; 8], 2);
        let answers = submitter.send(bundle(&submitter, 5)).await.unwrap();
        assert_eq!(submitter.try_send(bundle(&submitter, 1)).err(), Some(SubmitError::Busy));
        assert_eq!(ends.queue.recv().await.unwrap().len(), 5);
        drop(answers);
        assert!(submitter.try_send(bundle(&submitter, 1)).is_ok());
    }
}
