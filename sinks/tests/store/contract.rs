//! The contract of the Store port.

use proptest::prelude::*;
use router_schemas::{
    command::reference::Table,
    event::OrderState,
    id::OrderId,
    position::LogId,
    row::{CellRow, Row},
};
use router_sinks::{OrderFilter, Page, StoreError};

use crate::{LOG, cell, dump, order, order_id, stores, zone};

/// Some images of a few rows, of which some have several, with their hybrid times.
fn images() -> Vec<(u64, Row)> {
    let mut images = Vec::new();
    for number in 0..4u64 {
        // Intake parks it, the engine creates it later, and changes it.
        for (time, created) in [(10, 100), (20, 105), (30, 105)] {
            let mut row = order(number, created + number as i64, "n1");
            row.revision = time as u32;
            images.push((time + number, Row::Order(Box::new(row))));
        }
    }
    for time in 1..5 {
        images.push((time, cell("n1", "k1", "", time as i64)));
        images.push((time, zone("z", time as u16)));
    }
    // The same name was used again for a later order.
    let mut again = order(9, 300, "n2");
    again.identity.external_id = "0".into();
    images.push((50, Row::Order(Box::new(again))));
    images
}

fn applied(images: &[(u64, Row)], sizes: usize) -> Vec<Vec<(Vec<u8>, Vec<u8>)>> {
    stores()
        .into_iter()
        .map(|open| {
            let folder = tempfile::tempdir().unwrap();
            let store = open(folder.path());
            store.bind(LOG).unwrap();
            for (n, chunk) in images.chunks(sizes).enumerate() {
                store.apply(0, (n as u64 + 1) * sizes as u64, chunk.to_vec()).unwrap();
            }
            store.apply(0, 1000, Vec::new()).unwrap();
            dump(&*store)
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_order_and_any_repeat_end_the_same(
        shuffled in Just(images()).prop_shuffle(),
        repeated in proptest::collection::vec(0usize..21, 0..12),
        sizes in 1usize..9,
    ) {
        let expected = applied(&images(), 3);
        let mut shuffled = shuffled;
        for place in repeated {
            let again = shuffled[place % shuffled.len()].clone();
            shuffled.push(again);
        }
        prop_assert_eq!(applied(&shuffled, sizes), expected);
    }
}

fn pages<T>(mut page: impl FnMut(Option<&[u8]>) -> Page<T>) -> Vec<T> {
    let (mut all, mut after) = (Vec::new(), None::<Vec<u8>>);
    loop {
        let Page { rows, next } = page(after.as_deref());
        all.extend(rows);
        match next {
            Some(next) => {
                assert!(after.as_ref().is_none_or(|after| *after < next), "a page that does not go on");
                after = Some(next);
            }
            None => return all,
        }
    }
}

#[test]
fn orders_come_newest_first_and_keep_their_places_while_pages_are_read() {
    for open in stores() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        let put = |number: u64, created, time| {
            let node = if number.is_multiple_of(3) { "a" } else { "b" };
            store.apply(0, 0, vec![(time, Row::Order(Box::new(order(number, created, node))))]).unwrap();
        };
        (0..40).for_each(|number| put(number, 1000 + number as i64 / 2, 1));
        let mut writes = 40;
        let found = pages(|after| {
            let page = store.orders(&OrderFilter::default(), after, 7).unwrap();
            // New orders come in front, and known ones change: what follows stays as it is.
            put(writes, 5000, 1);
            put(writes % 40, 9000, 100 + writes);
            writes += 1;
            page
        });
        let numbers: Vec<_> = found.iter().map(|row| row.order.position().unwrap().offset).collect();
        assert_eq!(numbers, (0..40).rev().collect::<Vec<_>>());

        let asked = |filter: OrderFilter| -> Vec<OrderId> {
            pages(|after| store.orders(&filter, after, 5).unwrap()).iter().map(|row| row.order).collect()
        };
        let at_a = asked(OrderFilter { node: Some("a".into()), to: Some(5000), ..OrderFilter::default() });
        assert!(at_a.len() > 5 && at_a.contains(&order_id(30)) && !at_a.contains(&order_id(31)), "{at_a:?}");
        let cancelled = OrderFilter { state: Some(OrderState::Cancelled), ..OrderFilter::default() };
        assert!(asked(cancelled).is_empty());
        assert!(asked(OrderFilter { channel: Some("shop".into()), ..OrderFilter::default() }).is_empty());
    }
}

#[test]
fn names_with_zero_bytes_stay_apart() {
    for open in stores() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        let names = ["", "a", "a\0", "a\0b", "\0", "b\0a", "ab", "ä"];
        let mut count = 0;
        for node in names {
            for sku in names {
                for bucket in ["", "\0", "x"] {
                    count += 1;
                    store.apply(0, 0, vec![(1, cell(node, sku, bucket, count))]).unwrap();
                }
            }
        }
        let all = |node: Option<&str>, sku: Option<&str>| -> Vec<CellRow> {
            pages(|after| store.cells(node, sku, after, 4).unwrap())
        };
        assert_eq!(all(None, None).len(), count as usize);
        for name in names {
            let at_node = all(Some(name), None);
            assert!(at_node.len() == 24 && at_node.iter().all(|row| row.cell.node == name), "{name:?}");
            let of_sku = all(None, Some(name));
            assert!(of_sku.len() == 24 && of_sku.iter().all(|row| row.cell.sku == name), "{name:?}");
            let both = all(Some("a"), Some(name));
            assert!(
                both.len() == 3 && both.iter().all(|r| r.cell.node == "a" && r.cell.sku == name),
                "{name:?}"
            );
        }
        let named = |channel: &str, account: &str, id: &str| {
            let mut row = order(1, 1, "n");
            (row.identity.channel, row.identity.account) = (channel.into(), account.into());
            row.identity.external_id = id.into();
            row
        };
        let (mut one, mut two) = (named("a", "b\0", "c"), named("a", "b", "\0c"));
        (one.order, two.order) = (order_id(1), order_id(2));
        let rows = [&one, &two].map(|row| (1, Row::Order(Box::new(row.clone()))));
        store.apply(0, 0, rows.to_vec()).unwrap();
        assert_eq!(store.order_id(&one.identity).unwrap(), Some(one.order));
        assert_eq!(store.order_id(&two.identity).unwrap(), Some(two.order));
    }
}

#[test]
fn a_page_ends_early_rather_than_look_at_everything() {
    for open in stores() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        let rows = (0..45_000u64).map(|n| (1, Row::Order(Box::new(order(n, n as i64, "a")))));
        store.apply(0, 0, rows.collect()).unwrap();
        let rare = OrderFilter { node: Some("nowhere".into()), ..OrderFilter::default() };
        let (mut after, mut asked) = (None::<Vec<u8>>, 0);
        loop {
            let page = store.orders(&rare, after.as_deref(), 10).unwrap();
            assert!(page.rows.is_empty());
            asked += 1;
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        assert!(asked > 1, "one page looked at all");
    }
}

#[test]
fn a_store_that_is_opened_again_is_whole() {
    for open in stores() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        store.bind(LOG).unwrap();
        store.apply(0, 7, images()).unwrap();
        store.apply(1, 3, vec![(9, zone("y", 1))]).unwrap();
        // Behind what is known: it never goes back.
        store.apply(0, 5, images()).unwrap();
        let before = dump(&*store);
        // As after a crash: nothing was closed.
        std::mem::forget(store);
        let copy = tempfile::tempdir().unwrap();
        let from = folder.path().join(".");
        let copied =
            std::process::Command::new("cp").arg("-a").args([&from]).arg(copy.path()).status().unwrap();
        assert!(copied.success());
        let again = open(copy.path());
        assert_eq!(dump(&*again), before);
        assert_eq!(
            (again.position(0).unwrap(), again.position(1).unwrap(), again.position(2).unwrap()),
            (7, 3, 0)
        );
        assert_eq!(again.references(Table::Zones, None, 10).unwrap().rows.len(), 2);
        let other = LogId([8; 16]);
        assert!(matches!(again.bind(other), Err(StoreError::OtherLog { known: LOG, log }) if log == other));
        again.bind(LOG).unwrap();
    }
}

#[test]
fn rows_come_out_with_the_times_they_came_with() {
    for open in stores() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        store.apply(0, 1, images()).unwrap();
        let mut found = Vec::new();
        store.rows(&mut |time, row| found.push((time, row))).unwrap();
        assert_eq!(found.len(), 7);
        assert!(found.iter().all(|image| images().contains(image)), "{found:?}");
    }
}
