//! The demo: real invoices played at real store places against a running router, through the same decoder and log
//! as any caller's, then compared with what the router answered.

mod offers;
mod outcome;
mod picture;
mod robots;
mod story;
mod tail;
mod watch;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use router_ingest::{
    decode::{self, Context},
    json::Span,
};
use router_schemas::{
    command::order::Arrival,
    envelope::Meta,
    id::{Identity, OrderId},
    reply::{Answer, Reply},
};
use serde_json::Value;
use tokio::sync::Semaphore;

use self::{
    offers::Grab,
    picture::{Frame, Picture},
    robots::Crew,
    story::{Message, Play, Setting, Story},
    watch::Watch,
};
pub(crate) use self::{outcome::Outcome, robots::Robots, story::grabbing_stores};
use crate::router::{Answering, Router, SubmitError};

/// Orders under way at most.
const IN_FLIGHT: usize = 1024;
/// How long an answer may take: a demo on a slow disk is slow, not wrong.
const WAIT: Duration = Duration::from_secs(60);
/// Offers end by then, their own time left out: what is due is worked off with a tick, and robots are slow.
const LONGEST: Duration = Duration::from_secs(120);

/// The demo could not be played.
#[derive(Debug, thiserror::Error)]
#[error("E3005: the router did not take {what}: {why}")]
pub(crate) struct DemoError {
    what: String,
    why: String,
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

/// What is played.
pub(crate) struct Program {
    pub orders: u64,
    /// Orders a second; absent: as fast as they go.
    pub rate: Option<u32>,
    /// Stores grab, and robots stand in for their people; absent: all work is assigned.
    pub grab: Option<Offering>,
}

/// How orders are offered.
pub(crate) struct Offering {
    pub robots: Robots,
    /// How long a round lasts.
    pub ttl: Span,
}

/// What runs beside the play; ends with it.
struct Beside {
    watch: Arc<Watch>,
    crew: Option<Arc<Crew>>,
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.watch.stop();
        self.crew.iter().for_each(|crew| crew.stop());
    }
}

/// Plays a program and hands what came of it to `stay`. Robots go on for as long as that takes.
pub(crate) async fn play<T>(
    router: Arc<Router>,
    program: &Program,
    place: &str,
    stay: impl AsyncFnOnce(Outcome) -> T,
) -> Result<T, DemoError> {
    let Program { orders, rate, grab } = program;
    let setting = Setting { partitions: router.runner.topology.commands, ttl: grab.as_ref().map(|g| g.ttl) };
    let wanted = *orders;
    let story = tokio::task::spawn_blocking(move || story::story(wanted, setting, making(wanted)));
    let story = story.await.map_err(|e| DemoError { what: "its own orders".into(), why: e.to_string() })?;
    let Story { stores, zones, .. } = &story;
    let mut head =
        format!("router demo: {orders} real orders, {stores} stores in {zones} zones, data in {place}");
    if let Some(Offering { robots, ttl }) = grab {
        let Robots { claim, decline, .. } = robots;
        head += &format!(
            "\n{} stores grab: of 100 offers to a store {claim} are claimed, {decline} declined; a round lasts {ttl}",
            grabbing_stores().len()
        );
    }
    eprintln!("{head}");
    let crew = grab.as_ref().map(|offering| Crew::new(router.clone(), offering.robots.clone()));
    let watch = Arc::new(Watch::from_now(&*router.log, crew.is_some()));
    eprintln!("demo: loading {} stock cells", story.stock.iter().filter(|m| m.kind == "count.v1").count());
    for group in &story.tables {
        load(&router, group).await?;
    }
    load(&router, &story.stock).await?;

    let beside = Beside { watch: watch.clone(), crew: crew.clone() };
    tokio::task::spawn_blocking({
        let (router, watch) = (router.clone(), watch.clone());
        // The log says where it fails; what is not seen stands in no figure.
        move || watch.follow(&*router.log).map_err(|error| eprintln!("router: {error}"))
    });
    if let Some(crew) = crew.clone() {
        let runtime = tokio::runtime::Handle::current();
        tokio::task::spawn_blocking(move || {
            crew.follow(&runtime).map_err(|error| eprintln!("router: {error}"))
        });
    }
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
    let playing = tokio::spawn(perform(stage.clone(), story.play, *rate));
    let mut picture = Picture::new();
    let draw = |picture: &mut Picture| picture.draw(&frame(&stage, &beside, &head, *orders));
    while !playing.is_finished() {
        if picture.due() {
            draw(&mut picture);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let decided = begun.elapsed();
    if let Some(error) = lock(&stage.failed).take() {
        return Err(error);
    }
    settle(&router).await;
    let shown = begun.elapsed();
    while !watch.is_at_end(&*router.log) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let rows = watch.counts().rows;
    if let Some(Offering { ttl, .. }) = grab {
        let most = Duration::from_millis(u64::try_from(ttl.0).unwrap_or(0)) * 2 + LONGEST;
        let until = Instant::now() + most;
        while !beside.is_quiet(&router).await && Instant::now() < until {
            if picture.due() {
                draw(&mut picture);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if let Some(error) = crew.iter().find_map(|crew| crew.failure()) {
            return Err(error);
        }
    }
    draw(&mut picture);
    let mut outcome = outcome(&stage, &beside, decided)?;
    outcome.rows_per_s = a_second(rows, shown);
    Ok(stay(outcome).await)
}

/// Says now and then how many orders are made: of very many that takes long.
fn making(orders: u64) -> impl FnMut(u64) {
    let mut said = None;
    move |made| {
        let last = said.get_or_insert_with(Instant::now);
        if last.elapsed() >= Duration::from_secs(1) {
            *last = Instant::now();
            eprintln!("demo: {made} of {orders} orders are made");
        }
    }
}

async fn settle(router: &Arc<Router>) {
    let router = router.clone();
    // Joining fails only where the task panicked, which was said.
    let _ = tokio::task::spawn_blocking(move || router.settle()).await;
}

impl Beside {
    /// Whether no offer is open, and all that was told to stores is done with and seen.
    async fn is_quiet(&self, router: &Arc<Router>) -> bool {
        let done = || {
            let idle = self.crew.as_ref().is_none_or(|crew| crew.is_idle());
            idle && self.watch.is_at_end(&*router.log) && self.watch.grab().open_offers == 0
        };
        if !done() {
            return false;
        }
        // What robots said last may have led to more.
        settle(router).await;
        done()
    }

    fn grab(&self) -> Option<Grab> {
        let crew = self.crew.as_ref()?;
        Some(Grab { claims_refused: crew.refused(), ..self.watch.grab() })
    }
}

fn frame(stage: &Stage, beside: &Beside, head: &str, of: u64) -> Frame {
    let latency = lock(&stage.latency);
    Frame {
        head: head.to_owned(),
        done: lock(&stage.acknowledged).len() as u64,
        of,
        counts: beside.watch.counts(),
        grab: beside.grab(),
        cancelled: stage.cancelled.load(Ordering::Relaxed),
        p50_us: latency.value_at_quantile(0.5),
        p99_us: latency.value_at_quantile(0.99),
        last: beside.watch.last(),
    }
}

/// Sends what the router has to know first, and waits until all of it is known.
async fn load(router: &Router, messages: &[Message]) -> Result<(), DemoError> {
    for chunk in messages.chunks(IN_FLIGHT) {
        let mut answers = Vec::with_capacity(chunk.len());
        for message in chunk {
            answers.push((message.kind, send(router, message.kind, &message.body).await?));
        }
        for (kind, answering) in answers {
            let answer = answering.wait(WAIT).await;
            taken(kind, answer)?;
        }
    }
    Ok(())
}

/// Reads and sends a message as any caller's, for the engine's answer; while the router is busy, it waits.
async fn send(router: &Router, kind: &str, body: &Value) -> Result<Answering, DemoError> {
    let failed = |why: String| DemoError { what: kind.to_owned(), why };
    let context = Context { keys: &router.keys, arrival: Arrival::Http, key: None };
    let command = decode::message(kind, body.to_string().as_bytes(), &context);
    let command = command.map_err(|e| failed(e.to_string()))?;
    let meta = Meta { actor: Some("demo".into()), ..Meta::default() };
    loop {
        match router.send_with(&command, true, meta.clone()) {
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
        match send(&stage.router, kind, body).await {
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

fn outcome(stage: &Stage, beside: &Beside, decided: Duration) -> Result<Outcome, DemoError> {
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
    let (counts, latency) = (beside.watch.counts(), lock(&stage.latency));
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
        rows_per_s: 0,
        grab: beside.grab(),
    })
}

fn a_second(n: u64, time: Duration) -> u64 {
    (n as f64 / time.as_secs_f64().max(0.001)) as u64
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
