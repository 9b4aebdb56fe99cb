//! Robots in place of the people at the stores: they hear what stores are told and answer with the same messages as any
//! store would. What they do is drawn from a seed by order, store and epoch; when, is up to the machine.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use router_log::{Batch, LogError};
use router_schemas::{
    id::{OfferId, OrderId},
    position::Topic,
    quantity::Qty,
    reply::Answer,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{runtime::Handle, sync::Semaphore};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{DemoError, WAIT, lock, send, tail::Tail};
use crate::router::Router;

/// Messages of robots under way at most.
const IN_FLIGHT: usize = 256;
/// Robots that think or wait at most; then the next notice waits.
const BUSY: u64 = 20_000;
/// An offer that went to a store of the person's too is left alone for so long.
const COURTESY: Duration = Duration::from_secs(20);

/// How robots are.
#[derive(Clone, Debug)]
pub(crate) struct Robots {
    /// Of a hundred offers to a store so many are claimed, and so many declined; the rest is let lapse.
    pub claim: u8,
    pub decline: u8,
    /// Of a hundred pieces of work so many are gone on with.
    pub work: u8,
    /// Mean time that a robot thinks.
    pub think: Duration,
    pub seed: u64,
    /// Stores that are left to the person.
    pub yours: Vec<String>,
}

/// All robots.
pub(super) struct Crew {
    robots: Robots,
    router: Arc<Router>,
    told: Tail,
    known: Mutex<Known>,
    /// Notices that are not done with.
    pending: AtomicU64,
    places: Semaphore,
    refused: AtomicU64,
    failed: Mutex<Option<DemoError>>,
}

/// What stores know.
#[derive(Default)]
struct Known {
    /// Offers that a store may claim, by the epoch.
    offers: HashMap<(OfferId, String), u32>,
    /// Offers that a store of the person's may claim, by the epoch.
    yours: HashMap<OfferId, u32>,
    /// Work that a store has: the lines of which it has something on its shelves.
    work: HashMap<(OrderId, String), Vec<String>>,
}

/// A record of `stores.assignments`, as far as robots read it.
#[derive(Deserialize)]
struct Notice {
    event: String,
    node: String,
    order: OrderId,
    offer: Option<OfferId>,
    #[serde(default)]
    epoch: u32,
    external_id: String,
    lines: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    line: String,
    qty: Qty,
}

/// A notice that is being done with.
struct Errand {
    crew: Arc<Crew>,
    notice: Notice,
}

impl Drop for Errand {
    fn drop(&mut self) {
        self.crew.pending.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Crew {
    /// Robots that hear what stores are told from now on.
    pub fn new(router: Arc<Router>, robots: Robots) -> Arc<Crew> {
        Arc::new(Crew {
            told: Tail::at_end(&*router.log, Topic::Assignments),
            robots,
            router,
            known: Mutex::default(),
            pending: AtomicU64::new(0),
            places: Semaphore::new(IN_FLIGHT),
            refused: AtomicU64::new(0),
            failed: Mutex::new(None),
        })
    }

    /// Hears and acts until told to stop. Blocks.
    pub fn follow(self: &Arc<Crew>, runtime: &Handle) -> Result<(), LogError> {
        let log = self.router.log.clone();
        self.told.follow(&*log, |batch| self.hear(runtime, batch))
    }

    /// Has them end.
    pub fn stop(&self) {
        self.told.stop();
    }

    /// Whether all that stores were told is done with.
    pub fn is_idle(&self) -> bool {
        self.told.is_at_end(&*self.router.log) && self.pending.load(Ordering::SeqCst) == 0
    }

    /// Claims that were refused.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// What went wrong, once.
    pub fn failure(&self) -> Option<DemoError> {
        lock(&self.failed).take()
    }

    fn hear(self: &Arc<Crew>, runtime: &Handle, batch: &Batch) {
        for record in &batch.records {
            let Ok(notice) = serde_json::from_slice::<Notice>(&record.payload) else { continue };
            if !self.learn(&notice) {
                continue;
            }
            while self.pending.load(Ordering::SeqCst) >= BUSY && !self.told.stops() {
                std::thread::sleep(Duration::from_millis(5));
            }
            self.pending.fetch_add(1, Ordering::SeqCst);
            let errand = Errand { crew: self.clone(), notice };
            runtime.spawn(async move {
                let done = match errand.notice.event.as_str() {
                    "offered" => errand.answer().await,
                    _ => errand.work().await,
                };
                if let Err(error) = done {
                    lock(&errand.crew.failed).get_or_insert(error);
                }
            });
        }
    }

    /// Remembers what a store was told. True: a robot has something to do.
    fn learn(&self, notice: &Notice) -> bool {
        let Notice { event, node, order, epoch, .. } = notice;
        let yours = self.robots.yours.contains(node);
        let work = (*order, node.clone());
        let mut known = lock(&self.known);
        match (event.as_str(), notice.offer) {
            ("offered", Some(offer)) if yours => {
                known.yours.insert(offer, *epoch);
                false
            }
            ("offered", Some(offer)) => known.offers.insert((offer, node.clone()), *epoch) != Some(*epoch),
            ("closed", Some(offer)) => {
                known.offers.remove(&(offer, node.clone()));
                if yours {
                    known.yours.remove(&offer);
                }
                false
            }
            ("assigned", _) if !yours => known.work.insert(work, notice.on_shelves()).is_none(),
            ("changed", _) => {
                known.work.entry(work).and_modify(|lines| *lines = notice.on_shelves());
                false
            }
            ("withdrawn", _) => {
                known.work.remove(&work);
                false
            }
            _ => false,
        }
    }

    /// A message as any caller's. The answer; a refusal is one.
    async fn say(&self, kind: &'static str, body: &Value) -> Result<Answer, DemoError> {
        let failed = |why: String| DemoError { what: kind.into(), why };
        let _place = self.places.acquire().await.map_err(|e| failed(e.to_string()))?;
        let answering = send(&self.router, kind, body).await?;
        let reply = answering.wait(WAIT).await.map_err(|e| failed(e.to_string()))?;
        Ok(reply.answer)
    }
}

impl Notice {
    /// What is to come is on no shelf.
    fn on_shelves(&self) -> Vec<String> {
        self.lines.iter().filter(|l| l.qty.is_positive()).map(|l| l.line.clone()).collect()
    }
}

impl Errand {
    fn draw(&self, about: &str, sides: u64) -> u64 {
        let Notice { external_id, node, epoch, .. } = &self.notice;
        let words = format!("{about}\0{external_id}\0{node}\0{epoch}");
        xxh3_64_with_seed(words.as_bytes(), self.crew.robots.seed) % sides
    }

    /// From a fifth of the mean to nearly twice as long.
    async fn think(&self, about: &str) {
        let part = 20 + u32::try_from(self.draw(about, 161)).unwrap_or(80);
        tokio::time::sleep(self.crew.robots.think * part / 100).await;
    }

    /// Claims, declines or lets lapse.
    async fn answer(&self) -> Result<(), DemoError> {
        let (Robots { claim, decline, .. }, Notice { order, node, epoch, .. }) =
            (&self.crew.robots, &self.notice);
        let Some(offer) = self.notice.offer else { return Ok(()) };
        let roll = self.draw("answer", 100);
        let (claims, declines) = (roll < u64::from(*claim), roll < u64::from(*claim) + u64::from(*decline));
        if !declines {
            return Ok(());
        }
        self.think("think").await;
        if lock(&self.crew.known).yours.get(&offer) == Some(epoch) {
            tokio::time::sleep(COURTESY).await;
        }
        let key = (offer, node.clone());
        {
            let mut known = lock(&self.crew.known);
            if known.offers.get(&key) != Some(epoch) {
                // It went to another, or ended.
                return Ok(());
            }
            known.offers.remove(&key);
        }
        if claims {
            let body = json!({ "order": order, "offer": offer, "node": node, "epoch": epoch });
            let answer = self.crew.say("claim.v1", &body).await?;
            let refused = matches!(answer, Answer::Refused { .. });
            self.crew.refused.fetch_add(u64::from(refused), Ordering::Relaxed);
            return Ok(());
        }
        let reason = ["busy", "not-found", "damaged"][self.draw("reason", 3) as usize];
        let mut body = json!({ "order": order, "offer": offer, "node": node, "reason": reason });
        // Of a shop that looks for the goods some line is missing, not all of it.
        if reason != "busy" && self.notice.lines.len() > 1 {
            let line = &self.notice.lines[self.draw("line", self.notice.lines.len() as u64) as usize];
            body["lines"] = json!([{ "line": line.line, "qty": line.qty }]);
        }
        // Meanwhile it may have gone to another: that is an answer too.
        self.crew.say("decline.v1", &body).await.map(|_| ())
    }

    /// Goes on with work: some of it stays where it is, some is only accepted, picked or ready, most is shipped.
    async fn work(&self) -> Result<(), DemoError> {
        let Notice { order, node, .. } = &self.notice;
        let key = (*order, node.clone());
        let (goes_on, last) =
            (self.draw("work", 100) < u64::from(self.crew.robots.work), self.draw("last", 8) as usize);
        let gives_back = self.draw("back", 40) == 0;
        let mut steps = vec!["accepted.v1", "picked.v1", "ready.v1", "shipped.v1"];
        steps.truncate(if goes_on { last.clamp(1, 4) } else { 0 });
        if goes_on && gives_back {
            steps = vec!["accepted.v1", "decline.v1"];
        }
        for kind in steps {
            self.think(kind).await;
            let lines = lock(&self.crew.known).work.get(&key).cloned().unwrap_or_default();
            if lines.is_empty() {
                break;
            }
            let lines: Vec<_> = lines.into_iter().map(|line| json!({ "line": line })).collect();
            let mut body = json!({ "order": order, "node": node, "lines": lines });
            if kind == "decline.v1" {
                body["reason"] = "not-found".into();
            }
            // What was cancelled meanwhile is refused, which is an answer too.
            self.crew.say(kind, &body).await?;
        }
        lock(&self.crew.known).work.remove(&key);
        Ok(())
    }
}
