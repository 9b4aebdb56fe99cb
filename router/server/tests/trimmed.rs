//! `kill -9` at random moments while snapshots are written and the log is trimmed behind them: every acknowledged
//! order is there exactly once, nothing half-written is taken for a snapshot, and what is left of the log replays.

#[path = "running/mod.rs"]
mod running;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use running::{Running, printed, router};

/// Snapshots all the time, and nothing kept longer than it must be.
const EAGER: [&str; 8] = [
    "--set",
    "snapshots.every=40",
    "--set",
    "retention.events=0s",
    "--set",
    "retention.replies=0s",
    "--set",
    "log.segment_size=64KiB",
];

#[test]
fn kill_nine_while_snapshots_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let running = Running::start_with(&data, &EAGER);
    let mut client = running.client();
    for zone in ["a", "b"] {
        client.must("/v1/zones", &format!(r#"{{"id":"{zone}"}}"#));
        client
            .must("/v1/nodes", &format!(r#"{{"id":"{zone}1","zone":"{zone}","latitude":50,"longitude":1}}"#));
        client.must("/v1/stock/counts", &format!(r#"{{"node":"{zone}1","sku":"x","qty":100000}}"#));
        client.must("/v1/channels", &format!(r#"{{"id":"{zone}","default_zone":"{zone}"}}"#));
    }
    drop(client);
    running.kill();
    let (numbers, mut taken, mut unsure) = (AtomicU64::new(0), BTreeMap::new(), Vec::new());
    for round in 0..12u64 {
        let running = Running::start_with(&data, &EAGER);
        let mut client = running.client();
        for number in unsure.drain(..) {
            taken.insert(number, client.must("/v1/orders", &order(number))["order"].clone());
        }
        let results: Vec<_> = std::thread::scope(|scope| {
            let load = || {
                let (mut client, mut taken) = (running.client(), Vec::new());
                loop {
                    let number = numbers.fetch_add(1, Ordering::Relaxed);
                    match client.post("/v1/orders", &order(number)) {
                        Some((201, answer)) => taken.push((number, answer["order"].clone())),
                        Some((status, answer)) => panic!("order {number}: {status} {answer}"),
                        None => return (taken, number),
                    }
                }
            };
            let clients = [scope.spawn(load), scope.spawn(load), scope.spawn(load)];
            // Different in every round, the same in every run.
            std::thread::sleep(Duration::from_millis(150 + round.wrapping_mul(2_654_435_761) % 250));
            std::process::Command::new("kill").args(["-9", &running.pid().to_string()]).status().unwrap();
            clients.into_iter().map(|client| client.join().unwrap()).collect()
        });
        running.kill();
        for (orders, lost) in results {
            taken.extend(orders);
            unsure.push(lost);
        }
    }
    let running = Running::start_with(&data, &EAGER);
    let mut client = running.client();
    for (number, id) in &taken {
        let again = client.must("/v1/orders", &order(*number));
        assert_eq!((again["answer"].as_str(), &again["order"]), (Some("repeat"), id), "order {number}");
    }
    // Snapshots give way to everything else: on a busy machine the log may be whole yet.
    let begun = Instant::now();
    while !(is_trimmed(&data, "router.commands") && is_trimmed(&data, "router.events")) {
        assert!(begun.elapsed() < Duration::from_secs(120), "the log is never trimmed");
        (0..50).for_each(|_| {
            client.must("/v1/orders", &order(numbers.fetch_add(1, Ordering::Relaxed)));
        });
    }
    drop(client);
    running.end();
    assert_eq!(half_written(&data), [] as [PathBuf; 0], "a start removes what is half written");

    let report = printed(&router(&["audit"], &data));
    assert_eq!((&report["violations"], &report["oversold"]), (&0.into(), &0.into()), "{report}");
    let again = folder.path().join("again");
    let replayed = printed(&router(&["replay", "--into", again.to_str().unwrap()], &data));
    assert!(replayed["difference"].is_null() && replayed["same"].as_u64().unwrap() > 0, "{replayed}");
    assert!(!replayed["begun"].as_object().unwrap().is_empty(), "{replayed}");
}

fn order(number: u64) -> String {
    let channel = if number.is_multiple_of(2) { "a" } else { "b" };
    format!(
        r#"{{"channel":"{channel}","id":"{number}","recipient":{{"name":"N","latitude":50,"longitude":1}},
            "lines":[{{"sku":"x","qty":1}}]}}"#
    )
}

/// What a crash left of snapshots that were being written.
fn half_written(data: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![data.join("snapshots")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                path if path.extension().is_none_or(|e| e != "snap") => found.push(path),
                _ => {}
            }
        }
    }
    found
}

/// True where records of the topic are gone.
fn is_trimmed(data: &Path, topic: &str) -> bool {
    let listed = router(&["log", "ls"], data);
    let text = String::from_utf8_lossy(&listed.stdout);
    let rows = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    rows.into_iter().any(|row| row["topic"] == topic && row["from"].as_u64().is_some_and(|from| from > 0))
}
