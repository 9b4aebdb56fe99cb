//! The demo: real invoices played at real store places against a running router, through the same decoder and log
//! as any caller's, then compared with what the router answered.

mod picture;
mod story;
mod watch;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use router_audit::Report;
use router_ingest::decode::{self, Context};
use router_schemas::{
    command::order::Arrival,
    envelope::Meta,
    id::{Identity, OrderId},
    reply::{Answer, Reply},
};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::Semaphore;

use self::{
    picture::{Frame, Picture},
    story::{Message, Play, Story},
    watch::{Watch, ends},
};
use crate::router::{Answering, Router, SubmitError};

/// Orders under way at most.
const IN_FLIGHT: usize = 1024;
/// How long an answer may take: a demo on a slow disk is slow, not wrong.
const WAIT: Duration = Duration::from_secs(60);

/// The demo could not be played.
#[derive(Debug, thiserror::Error)]
#[error("E3005: the router did not take {what}: {why}")]
pub(crate) struct DemoError {
    what: String,
    why: String,
}

/// What the demo prints in the end. Orders are counted once, by the last decision about them.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Outcome {
    /// Orders that were sent and acknowledged, repeats left out.
    pub orders: u64,
    /// One store has everything.
    pub allocated: u64,
    /// Several stores together have everything.
    pub split: u64,
    /// Some of it is promised beyond stock.
    pub backordered: u64,
    /// Some or all of it is nowhere.
    pub unfillable: u64,
    /// Cancels that were applied.
    pub cancelled: u64,
    /// Orders that were sent again.
    pub repeats: u64,
    /// Repeats that were answered with another order than the first time.
    pub duplicates: u64,
    /// Acknowledged orders without a row under their id.
    pub lost: u64,
    /// Cells with more promised than there is, by the audit; absent where it was not run.
    pub oversold: Option<u64>,
    /// Violations that the audit found; absent where it was not run.
    pub audit: Option<u64>,
    /// From sent (with a rate: from when it was to be sent) to the store chosen and on disk, µs.
    pub p50_us: u64,
    pub p99_us: u64,
    /// Orders decided, and row images in the tables, each second.
    pub orders_per_s: u64,
    pub rows_per_s: u64,
}

impl Outcome {
    /// True where nothing was lost, doubled, oversold or found.
    pub fn is_clean(&self) -> bool {
        self.duplicates == 0
            && self.lost == 0
            && self.oversold.unwrap_or(0) == 0
            && self.audit.unwrap_or(0) == 0
    }

    /// Takes in what the audit of the folder found.
    pub fn audited(&mut self, report: &Report) {
        self.audit = Some(report.violations);
        self.oversold = Some(report.oversold);
    }
}

/// What players share.
struct Stage {
    router: Arc<Router>,
    latency: Mutex<Histogram<u64>>,
    acknowledged: Mutex<Vec<(String, OrderId)>>,
    again: Mutex<Vec<(String, OrderId)>>,
    cancelled: AtomicU64,
    failed: Mutex<Option<DemoError>>,
}

/// Plays so many orders, at so many a second or as fast as they go.
pub(crate) async fn play(
    router: Arc<Router>,
    orders: u64,
    rate: Option<u32>,
    place: &str,
) -> Result<Outcome, DemoError> {
    let story = story::story(orders);
    let Story { stores, zones, .. } = story;
    let head =
        format!("router demo: {orders} real orders, {stores} stores in {zones} zones, data in {place}");
    eprintln!("{head}");
    eprintln!("demo: loading {} stock cells", story.stock.iter().filter(|m| m.kind == "count.v1").count());
    for group in &story.tables {
        load(&router, group).await?;
    }
    load(&router, &story.stock).await?;

    let (watch, stop) = (Arc::new(Watch::default()), Arc::new(AtomicBool::new(false)));
    let watching = {
        let (router, watch, stop) = (router.clone(), watch.clone(), stop.clone());
        let from = ends(&*router.log);
        tokio::task::spawn_blocking(move || watch.follow(&*router.log, from, &stop))
    };
    let histogram = Histogram::new_with_bounds(1, 600_000_000, 3).expect("bounds that the library allows");
    let stage = Arc::new(Stage {
        router: router.clone(),
        latency: Mutex::new(histogram),
        acknowledged: Mutex::default(),
        again: Mutex::default(),
        cancelled: AtomicU64::new(0),
        failed: Mutex::new(None),
    });
    let begun = Instant::now();
    let playing = tokio::spawn(perform(stage.clone(), story.play, rate));
    let mut picture = Picture::new();
    while !playing.is_finished() {
        if picture.due() {
            picture.draw(&frame(&stage, &watch, &head, orders));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let decided = begun.elapsed();
    if let Some(error) = lock(&stage.failed).take() {
        return Err(error);
    }
    let settled = router.clone();
    // Joining fails only where the task panicked, which was said.
    let _ = tokio::task::spawn_blocking(move || settled.settle()).await;
    let shown = begun.elapsed();
    stop.store(true, Ordering::Relaxed);
    let _ = watching.await;
    picture.draw(&frame(&stage, &watch, &head, orders));
    outcome(&stage, &watch, decided, shown)
}

fn frame(stage: &Stage, watch: &Watch, head: &str, of: u64) -> Frame {
    let latency = lock(&stage.latency);
    Frame {
        head: head.to_owned(),
        done: lock(&stage.acknowledged).len() as u64,
        of,
        counts: watch.counts(),
        cancelled: stage.cancelled.load(Ordering::Relaxed),
        p50_us: latency.value_at_quantile(0.5),
        p99_us: latency.value_at_quantile(0.99),
        last: watch.last(),
    }
}

/// Sends what the router has to know first, and waits until all of it is known.
async fn load(router: &Router, messages: &[Message]) -> Result<(), DemoError> {
    for chunk in messages.chunks(IN_FLIGHT) {
        let mut answers = Vec::with_capacity(chunk.len());
        for message in chunk {
            answers.push((message.kind, send(router, message.kind, &message.body, true).await?));
        }
        for (kind, answering) in answers {
            let answer = answering.wait(WAIT).await;
            taken(kind, answer)?;
        }
    }
    Ok(())
}

/// Reads and sends a message as any caller's; while the router is busy, it waits.
async fn send(router: &Router, kind: &str, body: &Value, outcome: bool) -> Result<Answering, DemoError> {
    let failed = |why: String| DemoError { what: kind.to_owned(), why };
    let context = Context { keys: &router.keys, arrival: Arrival::Http, key: None };
    let command = decode::message(kind, body.to_string().as_bytes(), &context);
    let command = command.map_err(|e| failed(e.to_string()))?;
    let meta = Meta { actor: Some("demo".into()), ..Meta::default() };
    loop {
        match router.send_with(&command, outcome, meta.clone()) {
            Ok(answering) => return Ok(answering),
            Err(SubmitError::Busy) => tokio::time::sleep(Duration::from_millis(1)).await,
            Err(error) => return Err(failed(error.to_string())),
        }
    }
}

fn taken(kind: &str, answer: Result<Reply, SubmitError>) -> Result<Answer, DemoError> {
    let failed = |why| DemoError { what: kind.to_owned(), why };
    match answer.map_err(|e| failed(e.to_string()))?.answer {
        Answer::Refused { refusal, detail } => {
            let code = refusal.code();
            Err(failed(format!("{} {}: {detail}", code.id, code.summary)))
        }
        answer => Ok(answer),
    }
}

/// Sends everything in its order; answers are awaited beside it.
async fn perform(stage: Arc<Stage>, play: Vec<Play>, rate: Option<u32>) {
    let places = Arc::new(Semaphore::new(IN_FLIGHT));
    let (begun, mut sent) = (Instant::now(), 0u32);
    for step in play {
        if lock(&stage.failed).is_some() {
            break;
        }
        let due = match rate {
            Some(rate) => {
                let due = begun + Duration::from_secs_f64(f64::from(sent) / f64::from(rate));
                tokio::time::sleep_until(due.into()).await;
                Some(due)
            }
            None => None,
        };
        let Ok(place) = places.clone().acquire_owned().await else { break };
        // As fast as it goes, an order's time begins when it is its turn; with a rate, when it was due.
        let from = due.unwrap_or_else(Instant::now);
        let (kind, body) = match &step {
            Play::Order { body, .. } => ("order.v1", body),
            Play::Cancel(body) => ("cancel.v1", body),
        };
        sent += u32::from(matches!(step, Play::Order { .. }));
        match send(&stage.router, kind, body, true).await {
            Ok(answering) => {
                let stage = stage.clone();
                tokio::spawn(async move {
                    let answer = answering.wait(WAIT).await;
                    let elapsed = from.elapsed();
                    drop(place);
                    if let Err(error) = stage.note(step, answer, elapsed) {
                        lock(&stage.failed).get_or_insert(error);
                    }
                });
            }
            Err(error) => {
                lock(&stage.failed).get_or_insert(error);
            }
        }
    }
    // All places free: all answers are in.
    let _ = places.acquire_many(IN_FLIGHT as u32).await;
}

impl Stage {
    fn note(
        &self,
        step: Play,
        answer: Result<Reply, SubmitError>,
        elapsed: Duration,
    ) -> Result<(), DemoError> {
        match step {
            Play::Order { id, again, .. } => {
                let order = match taken("order.v1", answer)? {
                    Answer::Outcome(outcome) => outcome.order,
                    Answer::Accepted(accepted) | Answer::Repeat(accepted) => accepted.order,
                    other => {
                        let why = format!("it answered {other:?}");
                        return Err(DemoError { what: format!("order {id}"), why });
                    }
                };
                if again {
                    lock(&self.again).push((id, order));
                } else {
                    lock(&self.acknowledged).push((id, order));
                    lock(&self.latency).saturating_record(elapsed.as_micros() as u64);
                }
            }
            // What was cancelled or shipped meanwhile is refused, which is an answer too.
            Play::Cancel(_) => match answer.map(|reply| reply.answer) {
                Ok(Answer::Refused { .. }) => {}
                Ok(_) => {
                    self.cancelled.fetch_add(1, Ordering::Relaxed);
                }
                Err(e) => return Err(DemoError { what: "cancel.v1".into(), why: e.to_string() }),
            },
        }
        Ok(())
    }
}

fn outcome(stage: &Stage, watch: &Watch, decided: Duration, shown: Duration) -> Result<Outcome, DemoError> {
    let acknowledged = lock(&stage.acknowledged);
    let again = lock(&stage.again);
    let first: std::collections::HashMap<_, _> = acknowledged.iter().cloned().collect();
    let mut lost = 0;
    for (id, order) in acknowledged.iter() {
        let identity =
            Identity { channel: story::CHANNEL.into(), account: String::new(), external_id: id.clone() };
        let found = stage.router.store.order_id(&identity);
        let row = found.and_then(|found| match found {
            Some(found) if found == *order => stage.router.store.order(*order),
            _ => Ok(None),
        });
        let row = row.map_err(|e| DemoError { what: format!("a look at order {id}"), why: e.to_string() })?;
        lost += u64::from(row.is_none());
    }
    let (counts, latency) = (watch.counts(), lock(&stage.latency));
    let a_second = |n: u64, time: Duration| (n as f64 / time.as_secs_f64().max(0.001)) as u64;
    Ok(Outcome {
        orders: acknowledged.len() as u64,
        allocated: counts.allocated,
        split: counts.split,
        backordered: counts.backordered,
        unfillable: counts.unfillable,
        cancelled: stage.cancelled.load(Ordering::Relaxed),
        repeats: again.len() as u64,
        duplicates: again.iter().filter(|(id, order)| first.get(id) != Some(order)).count() as u64,
        lost,
        oversold: None,
        audit: None,
        p50_us: latency.value_at_quantile(0.5),
        p99_us: latency.value_at_quantile(0.99),
        orders_per_s: a_second(acknowledged.len() as u64, decided),
        rows_per_s: a_second(counts.rows, shown),
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
