//! `kill -9` at random moments under load: every acknowledged order is there exactly once, nothing is oversold, the
//! rows are those of the log, and a replay writes the same bytes. `KILLS=200 cargo test --test crash` for more.

#[path = "../running/mod.rs"]
mod running;

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use running::{Running, printed, router};

const CLIENTS: u64 = 4;
const STORES: u64 = 3;
const SKUS: u64 = 5;

#[test]
fn kill_nine_loses_and_doubles_nothing() {
    let kills: u64 = std::env::var("KILLS").map_or(20, |kills| kills.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let running = Running::start(&data);
    furnish(&running);
    running.kill();

    let numbers = AtomicU64::new(0);
    let mut acknowledged = BTreeMap::new();
    let mut unsure: Vec<u64> = Vec::new();
    for round in 0..kills {
        let running = Running::start(&data);
        // What had no answer is sent again first: it may be there or not, but once.
        let mut client = running.client();
        for number in unsure.drain(..) {
            let answer = client.must("/v1/orders", &order(number));
            acknowledged.insert(number, answer["order"].as_str().unwrap().to_owned());
        }
        let results: Vec<_> = std::thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| load(&running, &numbers))).collect();
            // Different in every round, the same in every run.
            let pause = 20 + round.wrapping_mul(2_654_435_761) % 250;
            std::thread::sleep(Duration::from_millis(pause));
            std::process::Command::new("kill").args(["-9", &running.pid().to_string()]).status().unwrap();
            clients.into_iter().map(|client| client.join().unwrap()).collect()
        });
        running.kill();
        for (taken, lost) in results {
            acknowledged.extend(taken);
            unsure.extend(lost);
        }
    }
    assert!(acknowledged.len() as u64 > kills, "only {} orders were taken", acknowledged.len());

    let report = printed(&router(&["audit"], &data));
    assert_eq!(report["violations"], 0, "{report}");
    assert_eq!(report["oversold"], 0, "{report}");
    let running = Running::start(&data);
    let mut client = running.client();
    for (number, id) in &acknowledged {
        let (status, row) = client.get(&format!("/v1/orders/web:{number}"));
        assert_eq!((status, row["order"].as_str()), (200, Some(id.as_str())), "order {number}");
        let again = client.must("/v1/orders", &order(*number));
        assert_eq!((again["answer"].as_str(), again["order"].as_str()), (Some("repeat"), Some(id.as_str())));
    }
    drop(client);
    running.end();
    let replayed =
        printed(&router(&["replay", "--into", folder.path().join("again").to_str().unwrap()], &data));
    assert!(replayed["same"].as_u64().unwrap() > acknowledged.len() as u64, "{replayed}");
}

fn furnish(running: &Running) {
    let mut client = running.client();
    client.must("/v1/zones", r#"{"id":"z"}"#);
    client.must("/v1/channels", r#"{"id":"web","default_zone":"z"}"#);
    for store in 0..STORES {
        client.must(
            "/v1/nodes",
            &format!(r#"{{"id":"s{store}","zone":"z","latitude":50,"longitude":{store}}}"#),
        );
        for sku in 0..SKUS {
            let count = format!(r#"{{"node":"s{store}","sku":"k{sku}","qty":150}}"#);
            client.must("/v1/stock/counts", &count);
        }
    }
}

fn order(number: u64) -> String {
    let (a, b) = (number % SKUS, (number + 1) % SKUS);
    format!(
        r#"{{"channel":"web","id":"{number}","recipient":{{"name":"N{number}","latitude":50,"longitude":{}}},
            "lines":[{{"sku":"k{a}","qty":1}},{{"sku":"k{b}","qty":2}}]}}"#,
        number % STORES
    )
}

/// Sends orders until the connection breaks: those that were answered, and those that were not.
fn load(running: &Running, numbers: &AtomicU64) -> (Vec<(u64, String)>, Vec<u64>) {
    let mut client = running.client();
    let mut taken = Vec::new();
    loop {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        match client.post("/v1/orders", &order(number)) {
            Some((201, answer)) => {
                taken.push((number, answer["order"].as_str().unwrap().to_owned()));
                if number % 7 == 3 {
                    // Unanswered or not: a cancel of a known order changes no promise of the test.
                    let _ = client.post("/v1/cancels", &format!(r#"{{"channel":"web","id":"{number}"}}"#));
                }
            }
            Some((status, answer)) => panic!("order {number}: {status} {answer}"),
            None => return (taken, vec![number]),
        }
    }
}
