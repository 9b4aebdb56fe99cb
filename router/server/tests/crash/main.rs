//! `kill -9` at random moments under load of every kind: every acknowledged order is there exactly once, every receipt
//! counted once, nothing is oversold, sealed recipients open, the rows are those of the log, and a replay writes the
//! same bytes. `make crash KILLS=200` for more.

mod load;
#[path = "../running/mod.rs"]
mod running;

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::atomic::AtomicU64,
    time::{Duration, Instant},
};

use load::{SKUS, STORES, Sent, channel, load, order, receive};
use router_ingest::seal::Keys;
use router_log::{Isolation, Journal, Log, LogError, Options, scan};
use router_schemas::{
    command::{
        Command,
        order::{Display, OrderBody},
    },
    envelope,
    event::{Change, Event, OfferStep},
    position::{Topic, TopicPartition},
};
use running::{Running, printed, router, until};

/// Orders of one channel are offered; what a zone has not is sent to the other.
const RULES: &str = r#"{"name":"crash","zones":["z"],"reasons":[{"id":"busy"}],"routings":[
    {"id":"grab","when":{"channels":["grab"]},"rules":[
        {"id":"ask","sorts":[{"by":"distance"}],"assignment":{"kind":"multi","partial":true},
            "actions":[{"do":"offer","nodes":2,"rounds":2,"ttl":"2s"}]},
        {"id":"give","assignment":{"kind":"multi","partial":true},"actions":[{"do":"allocate"}]},
        {"id":"send","actions":[{"do":"forward"}]}]},
    {"id":"all","rules":[
        {"id":"allocate","assignment":{"kind":"multi","partial":true},
            "actions":[{"do":"allocate","accept_within":"3s"}]},
        {"id":"away","actions":[{"do":"forward"}]}]}]}"#;
const CLIENTS: u64 = 4;
/// Units of each cell before anything is sold.
const COUNTED: u64 = 150;

#[test]
fn kill_nine_loses_and_doubles_nothing() {
    let kills: u64 = std::env::var("KILLS").map_or(20, |kills| kills.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let running = Running::start(&data);
    furnish(&running);
    running.kill();

    let (numbers, began) = (AtomicU64::new(0), Instant::now());
    let mut all = Sent::default();
    for round in 0..kills {
        let running = Running::start(&data);
        settle(&running, &mut all);
        let results: Vec<_> = std::thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| load(&running, &numbers))).collect();
            // Different in every round, the same in every run.
            let pause = 20 + round.wrapping_mul(2_654_435_761) % 250;
            std::thread::sleep(Duration::from_millis(pause));
            std::process::Command::new("kill").args(["-9", &running.pid().to_string()]).status().unwrap();
            clients.into_iter().map(|client| client.join().unwrap()).collect()
        });
        running.kill();
        results.into_iter().for_each(|sent| all.add(sent));
        if (round + 1) % 10 == 0 {
            let (orders, answers, receipts) = (all.orders.len(), all.answers, all.receipts.len());
            let seconds = began.elapsed().as_secs();
            eprintln!(
                "{} of {kills} kills: {answers} answers, {orders} orders, {receipts} receipts, {seconds} s",
                round + 1
            );
        }
    }
    let running = Running::start(&data);
    settle(&running, &mut all);
    // Intake has answered; the audit counts what the engine has decided.
    let mut client = running.client();
    for number in all.orders.keys() {
        let row = format!("/v1/orders/{}:{number}", channel(*number));
        until(&row, || client.get(&row).0 == 200);
    }
    drop(client);
    running.end();
    assert!(all.orders.len() as u64 > kills, "only {} orders were taken", all.orders.len());
    // A few rounds may end before anybody had a receipt to send.
    assert!(kills < 10 || !all.receipts.is_empty(), "no receipt was taken");

    let report = printed(&router(&["audit"], &data));
    assert_eq!((&report["violations"], &report["oversold"]), (&0.into(), &0.into()), "{report}");
    assert_eq!(report["orders"].as_u64(), Some(all.orders.len() as u64), "{report}");
    compare(&data, &all);
    let opened = recipients(&data);
    assert_eq!(opened.len(), all.orders.len(), "recipients that open");
    opened.iter().for_each(|(id, name)| assert_eq!(*name, format!("N{id}")));

    assert!(kills < 10 || took_place(&data), "no offer was claimed, or no hold, no part made");

    // Rows made again from the log are the same.
    fs::remove_dir_all(data.join("rows")).unwrap();
    let again = printed(&router(&["audit"], &data));
    assert_eq!(again["violations"], 0, "{again}");
    let into = folder.path().join("again");
    let replayed = printed(&router(&["replay", "--into", into.to_str().unwrap()], &data));
    assert!(replayed["same"].as_u64().unwrap() > all.orders.len() as u64, "{replayed}");
    let orders = all.orders.len();
    eprintln!("{kills} kills: {orders} orders, each there once; {} records the same again", replayed["same"]);
}

/// What had no answer is sent again: it may be there or not, but once.
fn settle(running: &Running, all: &mut Sent) {
    let mut client = running.client();
    for number in std::mem::take(&mut all.unsure) {
        let answer = client.must("/v1/orders", &order(number));
        all.orders.insert(number, answer["order"].as_str().unwrap().to_owned());
    }
    for number in std::mem::take(&mut all.unsure_receipts) {
        let (status, answer) = receive(&mut client, number).expect("the connection holds");
        assert_eq!(status, 200, "receipt {number}: {answer}");
        all.receipts.push(number);
    }
}

/// Every order under the id that was answered, every receipt counted once.
fn compare(data: &Path, all: &Sent) {
    let running = Running::start(data);
    let mut client = running.client();
    for (number, id) in &all.orders {
        let (status, row) = client.get(&format!("/v1/orders/{}:{number}", channel(*number)));
        assert_eq!((status, row["order"].as_str()), (200, Some(id.as_str())), "order {number}");
        let again = client.must("/v1/orders", &order(*number));
        assert_eq!((again["answer"].as_str(), again["order"].as_str()), (Some("repeat"), Some(id.as_str())));
    }
    let mut expected = BTreeMap::new();
    for number in &all.receipts {
        *expected
            .entry((format!("s{}", number % STORES), format!("k{}", number % SKUS)))
            .or_insert(COUNTED) += 1;
    }
    let (_, page) = client.get("/v1/stock?limit=500");
    for row in page["rows"].as_array().unwrap() {
        let text = |name: &str| row[name].as_str().unwrap().to_owned();
        let wanted = expected.get(&(text("node"), text("sku"))).copied().unwrap_or(COUNTED);
        assert_eq!(row["on_hand"].as_u64(), Some(wanted), "{row}");
    }
    drop(client);
    running.end();
}

/// Whether the log tells of holds, claims and parts: else the load does not do what it is for.
fn took_place(data: &Path) -> bool {
    let log = Journal::open_read_only(&data.join("journal"), Options::default()).unwrap();
    let (mut holds, mut claims, mut parts) = (0u32, 0u32, 0u32);
    for partition in 0..log.partitions(&Topic::Events).unwrap() {
        let at = TopicPartition::new(Topic::Events, partition);
        let range = log.range(&at).unwrap();
        let read = scan(&log, &at, range, Isolation::Durable, |records| {
            for record in records {
                let Ok((_, event)) = envelope::decode::<Event>(&record.payload) else { continue };
                for change in &event.changes {
                    match change {
                        Change::Hold(_) => holds += 1,
                        Change::Offer(change) => {
                            claims += u32::from(matches!(change.what, OfferStep::Claimed(_)))
                        }
                        Change::Part(_) => parts += 1,
                        _ => {}
                    }
                }
            }
            Ok::<_, LogError>(())
        });
        read.unwrap();
    }
    eprintln!("{holds} changes of holds, {claims} claims, {parts} steps of parts");
    holds > 0 && claims > 0 && parts > 0
}

/// The names of all recipients in the log, opened with their keys, by the platform's id.
fn recipients(data: &Path) -> BTreeMap<String, String> {
    let log = Journal::open_read_only(&data.join("journal"), Options::default()).unwrap();
    let keys = Keys::open(&data.join("keys")).unwrap();
    let mut found = BTreeMap::new();
    for partition in 0..log.partitions(&Topic::Intake).unwrap() {
        let at = TopicPartition::new(Topic::Intake, partition);
        let range = log.range(&at).unwrap();
        let read = scan(&log, &at, range, Isolation::Durable, |records| {
            for record in records {
                let Ok((_, Command::Place(message))) = envelope::decode(&record.payload) else { continue };
                let body: OrderBody = postcard::from_bytes(&message.body).unwrap();
                let display: Display = postcard::from_bytes(&body.display).unwrap();
                let plain = keys.open_sealed(&display.recipient.unwrap()).unwrap();
                let plain: serde_json::Value = serde_json::from_slice(&plain).unwrap();
                found.insert(message.head.identity.external_id, plain["name"].as_str().unwrap().to_owned());
            }
            Ok::<_, LogError>(())
        });
        read.unwrap();
    }
    found
}

fn furnish(running: &Running) {
    let mut client = running.client();
    for zone in ["z", "y"] {
        client.must("/v1/zones", &format!(r#"{{"id":"{zone}"}}"#));
    }
    for channel in ["web", "grab"] {
        client.must("/v1/channels", &format!(r#"{{"id":"{channel}","default_zone":"z","fallback":["y"]}}"#));
    }
    client.must("/v1/rules", RULES);
    client.must("/v1/nodes", r#"{"id":"y0","zone":"y","latitude":51,"longitude":0}"#);
    client.must("/v1/stock/counts", &format!(r#"{{"node":"y0","sku":"rare","qty":{COUNTED}}}"#));
    for store in 0..STORES {
        client.must(
            "/v1/nodes",
            &format!(r#"{{"id":"s{store}","zone":"z","latitude":50,"longitude":{store}}}"#),
        );
        for sku in 0..SKUS {
            let count = format!(r#"{{"node":"s{store}","sku":"k{sku}","qty":{COUNTED}}}"#);
            client.must("/v1/stock/counts", &count);
        }
    }
}
