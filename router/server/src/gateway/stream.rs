//! What a store is told, live: server-sent events.
//!
//! `GET /v1/nodes/{node}/stream`. The first event is `reconcile`: all that the store may claim and all that it has to do.
//! Then each record of `stores.assignments` for the node follows as an event of its name. An event's id says where its
//! record lies: a client that comes back with `Last-Event-ID` gets what it missed, and a new `reconcile` where that is not
//! kept any more, or is too much. An event may come twice, so each is whole: the last one wins.

use std::{
    convert::Infallible,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use axum::{
    extract::{Path, State},
    http::{HeaderMap, HeaderName, StatusCode},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::stream::{self, Stream};
use router_log::{Isolation, scan};
use router_schemas::{
    limits::NAME_BYTES,
    position::{Topic, TopicPartition},
    refusal::Code,
};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::{Failure, Gateway, NOT_FOUND, caller::Caller, fresh};
use crate::{
    feed::Told,
    router::Router,
    show::{self, stores},
};

/// Streams at one time: they leave connections for others.
const STREAMS: usize = 400;
/// Records that are looked at for a client that comes back; behind more it starts anew.
const MISSED: u64 = 100_000;
/// A sign of life, so that neither side waits for one that is gone.
const ALIVE: Duration = Duration::from_secs(15);
/// How long the rows are waited for before the first event.
const PATIENCE: Duration = Duration::from_secs(2);
/// Offers and orders of a `reconcile` at most, each.
const MOST: usize = 1_000;

pub(crate) const TOO_MANY: Code = Code::new(
    "E4020",
    "too many streams are open",
    "close some, or ask for the lists `/v1/nodes/{node}/offers` and `/work` instead",
);

static OPEN: AtomicUsize = AtomicUsize::new(0);

/// A place among the streams that are open.
struct Seat;

impl Seat {
    fn take() -> Option<Seat> {
        let take = |open| (open < STREAMS).then_some(open + 1);
        OPEN.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).ok().map(|_| Seat)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The stream of a node.
pub(super) async fn stream(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path(node): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let unknown = || Failure::new(StatusCode::NOT_FOUND, NOT_FOUND, "no such node");
    let known =
        (node.len() <= NAME_BYTES).then(|| gateway.router.runner.directory.partition(&node)).flatten();
    let commands = known.ok_or_else(unknown)?;
    let ending = || Failure::new(StatusCode::SERVICE_UNAVAILABLE, super::NO_ROOM, "the router is ending");
    let seat = Seat::take()
        .ok_or_else(|| Failure::new(StatusCode::TOO_MANY_REQUESTS, TOO_MANY, TOO_MANY.summary))?;
    let partition = commands % gateway.router.runner.topology.events;
    // Before the log is read: what comes meanwhile is heard.
    let heard = gateway.router.feed.listen().ok_or_else(ending)?;
    let last = headers.get(HeaderName::from_static("last-event-id"));
    let last = last.and_then(|id| id.to_str().ok()).and_then(|id| id.split_once('-'));
    let last = last.and_then(|(p, offset)| Some((p.parse::<u16>().ok()?, offset.parse::<u64>().ok()?)));
    let last = last.filter(|(p, _)| *p == partition).map(|(_, offset)| offset);
    let mut listener = Listener { gateway, caller, node, partition, next: 0, heard, _seat: seat };
    let first = listener.begin(last).await?;
    let events = stream::unfold((listener, first.into_iter()), next);
    Ok(Sse::new(events_only(events)).keep_alive(KeepAlive::new().interval(ALIVE)).into_response())
}

/// Streams end with the connection; none of their events is an error.
fn events_only(
    events: impl Stream<Item = Event> + Send,
) -> impl Stream<Item = Result<Event, Infallible>> + Send {
    futures_util::StreamExt::map(events, Ok)
}

/// One who listens.
struct Listener {
    gateway: Gateway,
    caller: Caller,
    node: String,
    partition: u16,
    /// Offset of the next record to pass on.
    next: u64,
    heard: Receiver<Told>,
    _seat: Seat,
}

type Ready = std::vec::IntoIter<Event>;

async fn next((mut listener, mut ready): (Listener, Ready)) -> Option<(Event, (Listener, Ready))> {
    loop {
        if let Some(event) = ready.next() {
            return Some((event, (listener, ready)));
        }
        let heard = listener.heard.recv().await;
        // A stream does not outlive its token.
        if !listener.caller.counts() {
            return None;
        }
        match heard {
            Ok(told) if told.partition != listener.partition || told.offset < listener.next => {}
            Ok(told) => {
                listener.next = told.offset + 1;
                if *told.node == *listener.node {
                    return Some((event(&told), (listener, ready)));
                }
            }
            Err(RecvError::Lagged(_)) => ready = listener.begin(None).await.ok()?.into_iter(),
            Err(RecvError::Closed) => return None,
        }
    }
}

impl Listener {
    /// What comes first: what was missed behind `last`, or everything.
    async fn begin(&mut self, last: Option<u64>) -> Result<Vec<Event>, Failure> {
        let at = TopicPartition::new(Topic::Assignments, self.partition);
        let range = self.gateway.router.log.range(&at).unwrap_or_default();
        let kept = last.map(|last| last + 1).filter(|next| range.contains(next) || *next == range.end);
        if let Some(from) = kept.filter(|from| range.end - from <= MISSED) {
            let (router, node) = (self.gateway.router.clone(), self.node.clone());
            let read =
                tokio::task::spawn_blocking(move || missed(&router, &at, from..range.end, &node)).await;
            if let Ok(Some(events)) = read {
                self.next = range.end;
                return Ok(events);
            }
        }
        self.next = range.end;
        self.reconcile(range.end).await.map(|event| vec![event])
    }

    /// All that the node may claim and has to do, as of this offset at least.
    async fn reconcile(&self, end: u64) -> Result<Event, Failure> {
        let router = &self.gateway.router;
        let (ends, started) = (router.ends(&Topic::Events), Instant::now());
        while !router.follows(&ends) && started.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let offers = router.store.offers(Some(&self.node), None, MOST).map_err(|e| fresh::no_rows(&e))?;
        let work = router.store.work(&self.node, None, MOST).map_err(|e| fresh::no_rows(&e))?;
        let whole = stores::Reconcile {
            more: offers.next.is_some() || work.next.is_some(),
            offers: offers.rows.iter().map(|row| stores::offer_to(router, row, &self.node)).collect(),
            work: work.rows.iter().map(|row| stores::work(row, &self.node)).collect(),
        };
        let id = format!("{}-{}", self.partition, end.saturating_sub(1));
        Ok(Event::default().event("reconcile").id(id).data(show::json(&whole).to_string()))
    }
}

fn event(told: &Told) -> Event {
    let id = format!("{}-{}", told.partition, told.offset);
    // JSON of ours is UTF-8 and has no line breaks.
    Event::default().event(&told.event).id(id).data(String::from_utf8_lossy(&told.payload))
}

/// The node's records of a range; `None`: they could not be read.
fn missed(
    router: &Router,
    at: &TopicPartition,
    range: std::ops::Range<u64>,
    node: &str,
) -> Option<Vec<Event>> {
    let mut events = Vec::new();
    let read = scan::<router_log::LogError>(&*router.log, at, range, Isolation::Durable, |records| {
        let told = records.iter().filter_map(|r| Told::read(at.partition, r.offset, &r.payload));
        events.extend(told.filter(|told| *told.node == *node).map(|told| event(&told)));
        Ok(())
    });
    read.ok().map(|()| events)
}
