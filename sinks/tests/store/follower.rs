//! The follower: rows are those of the durable events, rebuilt the same, and a store that fails is tried again.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use router_log::{Journal, Log, Options, Transaction};
use router_schemas::{
    command::reference::{Reference, Table},
    envelope::{self, Meta},
    event::Event,
    id::{Identity, OfferId, OrderId},
    position::{LogId, Position, Topic, TopicPartition},
    row::{CellRow, HoldRow, NodeRow, OfferRow, OrderRow, PoolRow, Row},
};
use router_sinks::{
    OrderFilter, Page, Store, StoreError,
    follow::{FollowError, Health, follow, follow_on},
};

use crate::{LOG, cell, dump, found::standing, order, stores, zone};

fn log(folder: &std::path::Path) -> Journal {
    let options = Options { create: Some(LOG), reserve_bytes: 0, ..Options::default() };
    let log = Journal::open(folder, options).unwrap();
    log.create_topic(&Topic::Events, 2).unwrap();
    log
}

fn say(log: &Journal, number: u64, rows: Vec<Row>) {
    let cause = Position::new(Topic::Commands, 0, number);
    let event =
        Event { cause, item: 0, at: 0, time: number, order: None, outcome: None, changes: Vec::new(), rows };
    let mut transaction = Transaction::default();
    transaction.push(&Topic::Events, (number % 2) as u16, &envelope::to_vec(None, &Meta::default(), &event));
    let ticket = log.append(&transaction).unwrap().ticket;
    log.wait_durable(ticket).unwrap();
}

fn story(log: &Journal, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let order = Row::Order(Box::new(order(number / 3, number as i64, "n1")));
        let mut rows = vec![order, cell("n1", "k1", "", number as i64), zone("z", number as u16)];
        rows.extend(standing(number));
        say(log, number, rows);
    }
}

#[test]
fn rows_rebuilt_are_the_same() {
    for open in stores() {
        let folder = tempfile::tempdir().unwrap();
        let (log, stop) = (log(&folder.path().join("log")), AtomicBool::new(false));
        let store = open(&folder.path().join("rows"));
        // In two goes, as a router that was stopped between.
        story(&log, 1..40);
        follow(&log, &*store, &stop, true).unwrap();
        story(&log, 40..90);
        follow(&log, &*store, &stop, true).unwrap();
        for partition in 0..2 {
            let end = log.range(&TopicPartition::new(Topic::Events, partition)).unwrap().end;
            assert_eq!(store.position(partition).unwrap(), end);
        }
        let rebuilt = open(&folder.path().join("again"));
        follow(&log, &*rebuilt, &stop, true).unwrap();
        assert_eq!(dump(&*rebuilt), dump(&*store));
    }
}

#[test]
fn rows_of_another_log_or_ahead_of_it_are_refused() {
    for open in stores() {
        let folder = tempfile::tempdir().unwrap();
        let (log, stop) = (log(&folder.path().join("log")), AtomicBool::new(false));
        story(&log, 1..5);
        let ahead = open(&folder.path().join("ahead"));
        ahead.apply(1, 77, Vec::new()).unwrap();
        let refused = follow(&log, &*ahead, &stop, true);
        assert!(matches!(refused, Err(FollowError::Ahead(_, 77, 2))), "{refused:?}");
        let other = open(&folder.path().join("other"));
        other.bind(LogId([8; 16])).unwrap();
        let refused = follow(&log, &*other, &stop, true);
        assert!(matches!(refused, Err(FollowError::Store(StoreError::OtherLog { .. }))), "{refused:?}");
    }
}

/// A store that refuses to write so many times.
struct Failing {
    store: Box<dyn Store>,
    failures: AtomicU32,
}

impl Store for Failing {
    fn bind(&self, log: LogId) -> Result<(), StoreError> {
        self.store.bind(log)
    }
    fn apply(&self, partition: u16, next: u64, rows: Vec<(u64, Row)>) -> Result<(), StoreError> {
        let left = self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        match left {
            Ok(_) => Err(StoreError::Row(postcard::Error::SerializeBufferFull)),
            Err(_) => self.store.apply(partition, next, rows),
        }
    }
    fn position(&self, partition: u16) -> Result<u64, StoreError> {
        self.store.position(partition)
    }
    fn order(&self, id: OrderId) -> Result<Option<OrderRow>, StoreError> {
        self.store.order(id)
    }
    fn order_id(&self, identity: &Identity) -> Result<Option<OrderId>, StoreError> {
        self.store.order_id(identity)
    }
    fn orders(
        &self,
        f: &OrderFilter,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Page<OrderRow>, StoreError> {
        self.store.orders(f, after, limit)
    }
    fn cells(
        &self,
        node: Option<&str>,
        sku: Option<&str>,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Page<CellRow>, StoreError> {
        self.store.cells(node, sku, after, limit)
    }
    fn references(
        &self,
        t: Table,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Page<Reference>, StoreError> {
        self.store.references(t, after, limit)
    }
    fn reference(&self, t: Table, key: &str) -> Result<Option<Reference>, StoreError> {
        self.store.reference(t, key)
    }
    fn offer(&self, id: OfferId) -> Result<Option<OfferRow>, StoreError> {
        self.store.offer(id)
    }
    fn offers(
        &self,
        node: Option<&str>,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Page<OfferRow>, StoreError> {
        self.store.offers(node, after, limit)
    }
    fn work(&self, node: &str, after: Option<&[u8]>, limit: usize) -> Result<Page<OrderRow>, StoreError> {
        self.store.work(node, after, limit)
    }
    fn queue(
        &self,
        queue: Option<&str>,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Page<OrderRow>, StoreError> {
        self.store.queue(queue, after, limit)
    }
    fn hold(&self, order: OrderId) -> Result<Option<HoldRow>, StoreError> {
        self.store.hold(order)
    }
    fn node(&self, node: &str) -> Result<Option<NodeRow>, StoreError> {
        self.store.node(node)
    }
    fn pools(
        &self,
        channel: Option<&str>,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Page<PoolRow>, StoreError> {
        self.store.pools(channel, after, limit)
    }
    fn rows(&self, each: &mut dyn FnMut(u64, Row)) -> Result<(), StoreError> {
        self.store.rows(each)
    }
    fn dump(&self, each: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), StoreError> {
        self.store.dump(each)
    }
}

#[test]
fn a_store_that_fails_is_tried_again_and_said_to_fail() {
    for open in stores() {
        let folder = tempfile::tempdir().unwrap();
        let log = Arc::new(log(&folder.path().join("log")));
        story(&log, 1..40);
        let failing = Failing { store: open(&folder.path().join("rows")), failures: AtomicU32::new(3) };
        let (store, health) = (Arc::new(failing), Arc::new(Health::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = {
            let (log, store, stop, health) = (log.clone(), store.clone(), stop.clone(), health.clone());
            std::thread::spawn(move || follow_on(&*log, &*store, &stop, &health))
        };
        let mut said = None;
        while store.position(0).unwrap() < 19 || store.position(1).unwrap() < 20 {
            said = said.or(health.trouble());
            // The log goes on all the while.
            story(&log, 40..41);
            std::thread::yield_now();
        }
        assert!(said.is_some_and(|said| said.contains("E2102")), "nobody was told");
        // Well again as soon as it has caught up.
        while health.trouble().is_some() {
            std::thread::yield_now();
        }
        stop.store(true, Ordering::Relaxed);
        thread.join().unwrap();
    }
}
