//! What a store is told, live: server-sent events.
//!
//! `GET /v1/nodes/{node}/stream`. The first event is `reconcile`: all that the store may claim and all that it has to do.
//! Then each record of `stores.assignments` for the node follows as an event of its name. An event's id says where the
//! stream goes on behind it, `LOG-PARTITION-OFFSET`: a client that comes back with `Last-Event-ID` gets what it missed, and
//! a new `reconcile` where that is not kept any more, is too much, or is of another log; so does one that reads too slowly.
//! An event may come twice, so each is whole: the last one wins.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Mutex, MutexGuard, PoisonError},
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
    position::{Topic, TopicPartition},
    refusal::Code,
};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::{Failure, Gateway, caller::Caller, fresh, problem::NO_ROWS};
use crate::{
    feed::Told,
    router::Router,
    show::{self, stores},
};

/// Streams at one time: they leave connections for others.
const STREAMS: usize = 400;
/// Of them, streams of one node: no store takes the place of the others.
const OF_NODE: usize = 16;
/// Records that are looked at for a client that comes back, and bytes that it gets; behind more it starts anew.
const MISSED: (u64, usize) = (100_000, 4 << 20);
/// A sign of life, so that neither side waits for one that is gone.
const ALIVE: Duration = Duration::from_secs(15);
/// How long the rows are waited for before the first event.
const PATIENCE: Duration = Duration::from_secs(10);
/// Offers and orders of a `reconcile` at most, each.
const MOST: usize = 1_000;

pub(crate) const TOO_MANY: Code = Code::new(
    "E4020",
    "too many streams are open",
    "close some, or ask for the lists `/v1/nodes/{node}/offers` and `/work` instead",
);

/// Streams that are open, by node.
static OPEN: Mutex<BTreeMap<String, usize>> = Mutex::new(BTreeMap::new());

fn open() -> MutexGuard<'static, BTreeMap<String, usize>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A place among the streams that are open.
struct Seat(String);

impl Seat {
    fn take(node: &str) -> Option<Seat> {
        let mut open = open();
        let (all, mine) = (open.values().sum::<usize>(), open.get(node).copied().unwrap_or(0));
        (all < STREAMS && mine < OF_NODE).then(|| {
            open.insert(node.to_owned(), mine + 1);
            Seat(node.to_owned())
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = open();
        match open.get_mut(&self.0) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(open.remove(&self.0)),
        }
    }
}

/// The stream of a node.
pub(super) async fn stream(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path(node): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let commands = super::stores::known(&gateway, &node)?;
    let ending = || Failure::new(StatusCode::SERVICE_UNAVAILABLE, super::NO_ROOM, "the router is ending");
    let seat = Seat::take(&node)
        .ok_or_else(|| Failure::new(StatusCode::TOO_MANY_REQUESTS, TOO_MANY, TOO_MANY.summary))?;
    let partition = commands % gateway.router.runner.topology.events;
    // Before the log is read: what comes meanwhile is heard.
    let heard = gateway.router.feed.listen().ok_or_else(ending)?;
    let log = mark(&gateway.router);
    let last = headers.get(HeaderName::from_static("last-event-id")).and_then(|id| id.to_str().ok());
    let from = last.and_then(|id| goes_on(id, &log, partition));
    let mut listener = Listener { gateway, caller, node, log, partition, next: 0, heard, _seat: seat };
    let first = listener.begin(from).await?;
    let events = stream::unfold((listener, first.into_iter()), next);
    Ok(Sse::new(events_only(events)).keep_alive(KeepAlive::new().interval(ALIVE)).into_response())
}

/// Names the log in an id: one of another log says nothing here.
fn mark(router: &Router) -> String {
    router.log.log_id().to_string().chars().take(8).collect()
}

/// The offset at which the stream goes on behind an event of this id.
fn goes_on(id: &str, log: &str, partition: u16) -> Option<u64> {
    let (of, rest) = id.split_once('-')?;
    let (p, offset) = rest.split_once('-')?;
    (of == log && p.parse() == Ok(partition)).then(|| offset.parse().ok()).flatten()
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
    log: String,
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
                    return Some((event(&listener.log, &told), (listener, ready)));
                }
            }
            Err(RecvError::Lagged(_)) => ready = listener.begin(None).await.ok()?.into_iter(),
            Err(RecvError::Closed) => return None,
        }
    }
}

impl Listener {
    /// What comes first: what was missed from this offset on, or everything.
    async fn begin(&mut self, from: Option<u64>) -> Result<Vec<Event>, Failure> {
        let at = TopicPartition::new(Topic::Assignments, self.partition);
        let range = self.gateway.router.log.range(&at).unwrap_or_default();
        let kept = from.filter(|from| range.contains(from) || *from == range.end);
        if let Some(from) = kept.filter(|from| range.end - from <= MISSED.0) {
            let (router, node, log) = (self.gateway.router.clone(), self.node.clone(), self.log.clone());
            let read =
                tokio::task::spawn_blocking(move || missed(&router, &at, from..range.end, (&node, &log)))
                    .await;
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
        if !router.follows(&ends) {
            // What happened before this offset would be missing, and is not told again.
            let detail = "the rows are behind; come back in a moment";
            return Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, NO_ROWS, detail));
        }
        let offers = router.store.offers(Some(&self.node), None, MOST).map_err(|e| fresh::no_rows(&e))?;
        let work = router.store.work(&self.node, None, MOST).map_err(|e| fresh::no_rows(&e))?;
        let whole = stores::Reconcile {
            more: offers.next.is_some() || work.next.is_some(),
            offers: offers.rows.iter().map(|row| stores::offer_to(&*router.store, row, &self.node)).collect(),
            work: work.rows.iter().map(|row| stores::work(row, &self.node)).collect(),
        };
        let id = format!("{}-{}-{end}", self.log, self.partition);
        Ok(Event::default().event("reconcile").id(id).data(show::json(&whole).to_string()))
    }
}

fn event(log: &str, told: &Told) -> Event {
    let id = format!("{log}-{}-{}", told.partition, told.offset + 1);
    // JSON of ours is UTF-8 and has no line breaks.
    Event::default().event(&told.event).id(id).data(String::from_utf8_lossy(&told.payload))
}

/// The node's records of a range; `None`: they could not be read, or are too much.
fn missed(
    router: &Router,
    at: &TopicPartition,
    range: std::ops::Range<u64>,
    (node, log): (&str, &str),
) -> Option<Vec<Event>> {
    let (mut events, mut bytes) = (Vec::new(), 0);
    let read = scan::<router_log::LogError>(&*router.log, at, range, Isolation::Durable, |records| {
        let told = records.iter().filter_map(|r| Told::read(at.partition, r.offset, &r.payload));
        for told in told.filter(|told| *told.node == *node) {
            bytes += told.payload.len();
            if bytes <= MISSED.1 {
                events.push(event(log, &told));
            }
        }
        Ok(())
    });
    read.ok().filter(|()| bytes <= MISSED.1).map(|()| events)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_where_the_stream_goes_on() {
        assert_eq!(goes_on("0a1b2c3d-3-0", "0a1b2c3d", 3), Some(0));
        for id in [
            "",
            "0a1b2c3d",
            "0a1b2c3d-3",
            "0a1b2c3d-3-x",
            "0a1b2c3d-2-7",
            "0a1b2c3e-3-7",
            "3-7",
            "0a1b2c3d-3--1",
        ] {
            assert_eq!(goes_on(id, "0a1b2c3d", 3), None, "{id}");
        }
    }

    #[test]
    fn a_node_has_some_streams_and_no_more() {
        let seats: Vec<_> = (0..OF_NODE).map(|_| Seat::take("a").unwrap()).collect();
        assert!(Seat::take("a").is_none());
        assert!(Seat::take("b").is_some());
        drop(seats);
        assert!(Seat::take("a").is_some());
        assert!(!open().contains_key("a") && !open().contains_key("b"));
    }
}
