//! Rows that are found by something else than their name: offers and work by node, parked orders by queue; and rows of
//! how something stands. The keys by which they are found follow the latest image, whatever order images come in.

use proptest::prelude::*;
use router_schemas::{
    command::reference::{FeeTable, Reference, Table},
    event::{OfferClosed, OrderState, Queue},
    id::{OfferId, OrderId},
    position::Topic,
    quantity::Qty,
    row::{Ats, FulfilmentRow, HoldRow, HoldState, NodeRow, OfferEntry, OfferRow, OfferState, PoolRow, Row},
    rules::RuleSet,
};
use router_sinks::{Page, Store};

use crate::{LOG, dump, order, order_id, stores};

fn offer_id(number: u64) -> OfferId {
    OfferId::new(LOG, &Topic::Commands, 0, number, 0)
}

fn offer(number: u64, state: OfferState, nodes: &[(&str, OfferEntry)]) -> Row {
    let nodes = nodes.iter().map(|(node, entry)| ((*node).to_owned(), *entry)).collect();
    Row::Offer(Box::new(OfferRow { offer: offer_id(number), state, nodes, ..OfferRow::default() }))
}

fn hold(number: u64, state: HoldState, qty: i64) -> Row {
    let line = ("1".to_owned(), Some("n1".to_owned()), "k1".to_owned(), String::new(), Qty::units(qty));
    Row::Hold(HoldRow { order: order_id(number), state, lines: vec![line], ..HoldRow::default() })
}

fn node(node: &str, orders: u32) -> Row {
    Row::Node(NodeRow { node: node.into(), orders, ..NodeRow::default() })
}

fn pool(channel: &str, zone: &str, sku: &str, units: i64) -> Row {
    let (channel, zone, sku) = (channel.into(), zone.into(), sku.into());
    Row::Pool(PoolRow { channel, zone, sku, ats: Ats::Units(Qty::units(units)), ..PoolRow::default() })
}

fn parked(number: u64, queue: Queue, priority: u8, promise: Option<i64>) -> Row {
    let mut row = order(number, 1, "n1");
    row.fulfilments.clear();
    row.state = OrderState::Parked(queue);
    row.priority = priority;
    row.promise = promise.map(|to| (0, to));
    Row::Order(Box::new(row))
}

/// An order with units still to be sent at these nodes, and none at the others.
fn working(number: u64, at: &[&str], done: &[&str]) -> Row {
    let mut row = order(number, 1, "n1");
    let there = |node: &&str, allocated| FulfilmentRow {
        node: (*node).to_owned(),
        allocated: Qty::units(allocated),
        shipped: Qty::units(1 - allocated),
        ..FulfilmentRow::default()
    };
    row.fulfilments = at.iter().map(|node| there(node, 1)).chain(done.iter().map(|n| there(n, 0))).collect();
    Row::Order(Box::new(row))
}

/// How something stands after so many events.
pub(crate) fn standing(number: u64) -> Vec<Row> {
    let entry = if number.is_multiple_of(2) { OfferEntry::Open } else { OfferEntry::Won };
    vec![
        offer(number / 5, OfferState::Offered, &[("n1", entry), ("n2", OfferEntry::Open)]),
        hold(number / 5, HoldState::Held, number as i64),
        node("n1", number as u32),
        pool("web", "z", "k1", number as i64),
    ]
}

fn all<T>(mut page: impl FnMut(Option<&[u8]>) -> Page<T>) -> Vec<T> {
    let (mut rows, mut after) = (Vec::new(), None::<Vec<u8>>);
    loop {
        let Page { rows: some, next } = page(after.as_deref());
        rows.extend(some);
        match next {
            Some(next) => after = Some(next),
            None => return rows,
        }
    }
}

fn offers(store: &dyn Store, node: Option<&str>) -> Vec<OfferId> {
    all(|after| store.offers(node, after, 2).unwrap()).iter().map(|row| row.offer).collect()
}

fn work(store: &dyn Store, node: &str) -> Vec<OrderId> {
    all(|after| store.work(node, after, 2).unwrap()).iter().map(|row| row.order).collect()
}

fn queue(store: &dyn Store, queue: Option<&str>) -> Vec<u64> {
    let rows = all(|after| store.queue(queue, after, 2).unwrap());
    rows.iter().map(|row| row.order.position().unwrap().offset).collect()
}

fn opened() -> Vec<(tempfile::TempDir, Box<dyn Store>)> {
    let open = |open: crate::OpenStore| {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        (folder, store)
    };
    stores().into_iter().map(open).collect()
}

#[test]
fn offers_are_found_by_the_nodes_that_may_claim_them() {
    use OfferEntry::{Closed, Open, Won};
    for (_folder, store) in opened() {
        let put = |time, row| store.apply(0, 0, vec![(time, row)]).unwrap();
        for number in [3, 1, 2] {
            put(10, offer(number, OfferState::Offered, &[("a", Open), ("b", Open)]));
        }
        let ids = [1, 2, 3].map(offer_id);
        assert_eq!(offers(&*store, Some("a")), ids, "the first made first");
        assert_eq!((offers(&*store, None), offers(&*store, Some("c"))), (ids.to_vec(), vec![]));
        // Another round: `a` is out, `c` may claim it now.
        put(
            20,
            offer(2, OfferState::Offered, &[("a", Closed(OfferClosed::Expired)), ("b", Open), ("c", Open)]),
        );
        assert_eq!(offers(&*store, Some("a")), [ids[0], ids[2]]);
        assert_eq!((offers(&*store, Some("b")).len(), offers(&*store, Some("c"))), (3, vec![ids[1]]));
        // An older image that comes late changes nothing, and a repeat neither.
        put(15, offer(2, OfferState::Offered, &[("a", Open), ("d", Open)]));
        put(20, offer(2, OfferState::Offered, &[("a", Open), ("d", Open)]));
        assert_eq!(offers(&*store, Some("a")), [ids[0], ids[2]]);
        assert_eq!(offers(&*store, Some("d")), []);
        put(30, offer(2, OfferState::Claimed, &[("b", Won), ("c", Closed(OfferClosed::Taken))]));
        assert_eq!((offers(&*store, Some("b")), offers(&*store, Some("c"))), (vec![ids[0], ids[2]], vec![]));
        assert_eq!(store.offer(ids[1]).unwrap().unwrap().state, OfferState::Claimed);
        assert_eq!((offers(&*store, None).len(), store.offer(offer_id(9)).unwrap()), (3, None));
    }
}

#[test]
fn work_is_found_by_the_nodes_that_have_it() {
    for (_folder, store) in opened() {
        let put = |time, row| store.apply(0, 0, vec![(time, row)]).unwrap();
        (0..5).rev().for_each(|number| put(10, working(number, &["a", "a\0"], &["b"])));
        let ids: Vec<OrderId> = (0..5).map(order_id).collect();
        assert_eq!((work(&*store, "a"), work(&*store, "a\0")), (ids.clone(), ids.clone()));
        assert_eq!((work(&*store, "b"), work(&*store, "")), (vec![], vec![]), "what was shipped is no work");
        put(20, working(2, &["b"], &["a"]));
        put(15, working(2, &["a", "c"], &[]));
        assert_eq!(work(&*store, "a"), [ids[0], ids[1], ids[3], ids[4]]);
        assert_eq!((work(&*store, "b"), work(&*store, "c")), (vec![ids[2]], vec![]));
    }
}

#[test]
fn a_queue_is_read_in_the_order_in_which_it_is_served() {
    let (by_hand, plain) = (|| Queue::Named("by-hand".into()), Queue::Unfillable);
    for (_folder, store) in opened() {
        let put = |time, row| store.apply(0, 0, vec![(time, row)]).unwrap();
        put(1, parked(0, by_hand(), 100, None));
        put(1, parked(1, by_hand(), 100, Some(50)));
        put(1, parked(2, by_hand(), 7, None));
        put(1, parked(3, by_hand(), 100, Some(9)));
        put(1, parked(4, by_hand(), 100, Some(50)));
        put(1, parked(5, plain.clone(), 0, None));
        assert_eq!(queue(&*store, Some("by-hand")), [2, 3, 1, 4, 0]);
        assert_eq!(queue(&*store, Some("unfillable")), [5]);
        assert_eq!(queue(&*store, None), [2, 3, 1, 4, 0, 5]);
        assert!(queue(&*store, Some("by")).is_empty());
        // It goes on, is parked elsewhere, comes back, is more urgent than before.
        put(2, parked(1, plain.clone(), 100, Some(50)));
        put(2, working(3, &["a"], &[]));
        put(2, parked(0, by_hand(), 3, None));
        put(1, parked(3, by_hand(), 100, Some(9)));
        assert_eq!(queue(&*store, Some("by-hand")), [0, 2, 4]);
        assert_eq!(queue(&*store, Some("unfillable")), [5, 1]);
    }
}

#[test]
fn how_things_stand_is_the_latest_image() {
    for (_folder, store) in opened() {
        let put = |time, row| store.apply(0, 0, vec![(time, row)]).unwrap();
        put(10, hold(1, HoldState::Held, 2));
        put(30, hold(1, HoldState::Lapsed, 0));
        put(20, hold(1, HoldState::Held, 5));
        let found = store.hold(order_id(1)).unwrap().unwrap();
        assert_eq!((found.state, store.hold(order_id(2)).unwrap()), (HoldState::Lapsed, None));
        put(10, node("a", 1));
        put(10, node("a\0", 2));
        put(5, node("a", 7));
        let orders = |name: &str| store.node(name).unwrap().map(|row| row.orders);
        assert_eq!((orders("a"), orders("a\0"), orders("")), (Some(1), Some(2), None));
        for (n, (channel, zone)) in
            [("web", "z"), ("web", "y"), ("we", "bz"), ("app", "z")].iter().enumerate()
        {
            put(10, pool(channel, zone, "k1", n as i64));
        }
        put(20, pool("web", "z", "k1", 9));
        put(15, pool("web", "z", "k1", 8));
        let pools = |channel: Option<&str>| -> Vec<(String, String, Ats)> {
            let rows = all(|after| store.pools(channel, after, 1).unwrap());
            rows.into_iter().map(|row| (row.channel, row.zone, row.ats)).collect()
        };
        let units = |n| Ats::Units(Qty::units(n));
        let web = [("web".into(), "y".into(), units(1)), ("web".into(), "z".into(), units(9))];
        assert_eq!((pools(Some("web")), pools(None).len(), pools(Some("w"))), (web.to_vec(), 4, vec![]));
    }
}

#[test]
fn one_entry_of_a_table_is_found_by_its_key() {
    for (_folder, store) in opened() {
        let set = |version, rows: &[&str]| {
            let zones = rows.iter().map(|zone| (*zone).to_owned()).collect();
            Row::Reference(Reference::Rules(Box::new(RuleSet {
                name: "spring".into(),
                version,
                zones,
                ..RuleSet::default()
            })))
        };
        let fees = Row::Reference(Reference::Fees(FeeTable { id: "spring@1".into(), ..FeeTable::default() }));
        store.apply(0, 0, vec![(1, set(1, &["z"])), (2, set(2, &["y"])), (3, fees)]).unwrap();
        let zones = |key: &str| match store.reference(Table::Rules, key).unwrap() {
            Some(Reference::Rules(set)) => Some(set.zones.join(" ")),
            None => None,
            other => panic!("{other:?}"),
        };
        assert_eq!((zones("spring@1"), zones("spring@2")), (Some("z".into()), Some("y".into())));
        assert_eq!((zones("spring"), zones("spring@3")), (None, None));
        assert!(matches!(store.reference(Table::Fees, "spring@1").unwrap(), Some(Reference::Fees(_))));
        assert!(store.reference(Table::Zones, "spring@1").unwrap().is_none());
    }
}

/// Some images of a few rows that are found by keys of their own, with their hybrid times.
fn images() -> Vec<(u64, Row)> {
    use OfferEntry::{Closed, Open, Won};
    let taken = Closed(OfferClosed::Taken);
    vec![
        (1, offer(1, OfferState::Offered, &[("a", Open), ("b", Open)])),
        (2, offer(1, OfferState::Offered, &[("a", Closed(OfferClosed::Declined)), ("b", Open)])),
        (3, offer(1, OfferState::Claimed, &[("a", taken), ("b", Won)])),
        (1, offer(2, OfferState::Offered, &[("a", Open)])),
        (1, parked(1, Queue::Unfillable, 100, None)),
        (2, parked(1, Queue::Named("by-hand".into()), 100, None)),
        (3, working(1, &["a"], &[])),
        (4, working(1, &["b"], &["a"])),
        (2, parked(2, Queue::Unfillable, 1, Some(7))),
        (1, working(2, &["a"], &[])),
        (1, hold(1, HoldState::Held, 1)),
        (2, hold(1, HoldState::Converted, 0)),
        (1, node("a", 1)),
        (2, node("a", 2)),
        (1, pool("web", "z", "k1", 1)),
        (2, pool("web", "z", "k1", 2)),
    ]
}

fn applied(images: &[(u64, Row)], sizes: usize) -> Vec<Vec<(Vec<u8>, Vec<u8>)>> {
    let apply = |(_folder, store): (tempfile::TempDir, Box<dyn Store>)| {
        images.chunks(sizes).for_each(|some| store.apply(0, 0, some.to_vec()).unwrap());
        dump(&*store)
    };
    opened().into_iter().map(apply).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    /// Keys that are left behind, or are missing, would show in the dump.
    #[test]
    fn whatever_comes_first_the_same_is_found(
        shuffled in Just(images()).prop_shuffle(),
        again in proptest::collection::vec(0usize..16, 0..8),
        sizes in 1usize..7,
    ) {
        let expected = applied(&images(), 16);
        let mut shuffled = shuffled;
        again.into_iter().for_each(|place| shuffled.push(shuffled[place].clone()));
        prop_assert_eq!(applied(&shuffled, sizes), expected);
    }
}
