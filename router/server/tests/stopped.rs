//! A stop of hours with open offers and holds, while gateways go on writing: nothing lapses by the stop, what nodes
//! claimed meanwhile is judged as if it had come just then, no unit is sold twice, and deadlines go on afterwards.

#[path = "running/mod.rs"]
mod running;

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use router_log::{Journal, Log, Options, Transaction};
use router_schemas::{
    command::{Command, offer::Claim},
    envelope::{self, Meta},
    position::Topic,
};
use running::{Client, Running, printed, router};
use serde_json::{Value, json};

const HOUR: i64 = 3_600_000;

/// To all at once, for a minute; who had nobody waits in a queue of its own.
const GRAB: &str = r#"
name = "grab"
[[routings]]
id = "all"
[[routings.rules]]
id = "ask"
sorts = [{ by = "distance" }]
actions = [{ do = "offer", ttl = "60s" }, { do = "queue", name = "nobody" }]
"#;

/// What nodes wrote at some time of the stop, by gateways whose router's stages stood still.
fn write(data: &Path, partition: u16, ahead: i64, claims: &[(&str, &str, u32)]) {
    let clock =
        Arc::new(move || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64 + ahead);
    let log = Journal::open(&data.join("journal"), Options { clock, ..Options::default() }).unwrap();
    for (order, node, epoch) in claims {
        let (order, node) = (order.parse().unwrap(), (*node).to_owned());
        let claim = Command::Claim(Claim { order, offer: None, node, epoch: *epoch, key: None });
        let mut transaction = Transaction::default();
        transaction.push(&Topic::Commands, partition, &envelope::to_vec(None, &Meta::default(), &claim));
        let appended = log.append(&transaction).unwrap();
        log.wait_durable(appended.ticket).unwrap();
    }
}

fn state(client: &mut Client, id: &str) -> Value {
    client.get(&format!("/v1/orders/web:{id}")).1["state"].clone()
}

fn until(client: &mut Client, id: &str, wanted: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let found = state(client, id);
        if found == wanted {
            return;
        }
        assert!(Instant::now() < deadline, "{id} is {found}, not {wanted}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What became of the claims of an order, in their order.
fn claims(data: &Path, id: &str) -> Vec<Value> {
    let story = printed(&router(&["explain", &format!("web:{id}")], data));
    let steps = story["steps"].as_array().unwrap().iter();
    steps.filter(|s| s["command"] == "claim" && s["item"] == 0).map(|s| s["outcome"].clone()).collect()
}

#[test]
fn nothing_lapses_or_is_sold_twice_while_no_router_runs() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let running = Running::start(&data);
    let mut client = running.client();
    client.must("/v1/zones", r#"{"id":"z"}"#);
    client.must("/v1/channels", r#"{"id":"web","default_zone":"z"}"#);
    // Five units, for four orders and one that is only reserved.
    for (node, latitude, qty) in [("near", 31.3, 2), ("far", 31.6, 3)] {
        let body = json!({ "id": node, "zone": "z", "latitude": latitude, "longitude": 121.4 });
        client.must("/v1/nodes", &body.to_string());
        client.must("/v1/stock/counts", &json!({ "node": node, "sku": "tea", "qty": qty }).to_string());
    }
    let rules = folder.path().join("grab.toml");
    std::fs::write(&rules, GRAB).unwrap();
    printed(&router(&["rules", "publish", rules.to_str().unwrap()], &data));
    let reserve = |id: &str| {
        json!({ "channel": "web", "id": id, "ttl_s": 60, "key": id,
            "lines": [{ "line": "1", "sku": "tea", "qty": 1 }] })
        .to_string()
    };
    // What was published is on its way to the zone.
    let (status, answer) =
        client.ask("POST", "/v1/reservations", "prefer: wait=20\r\n", &reserve("held")).unwrap();
    assert!(status < 300, "{status} {answer}");
    // Rows follow the answer.
    let deadline = Instant::now() + Duration::from_secs(20);
    let held = loop {
        let (_, row) = client.get("/v1/holds/web:held");
        if let Some(order) = row["order"].as_str() {
            break order.to_owned();
        }
        assert!(Instant::now() < deadline, "{row}");
    };
    let order = |id: &str| {
        json!({ "channel": "web", "id": id, "recipient": { "latitude": 31.2, "longitude": 121.4 },
            "lines": [{ "id": "1", "sku": "tea", "qty": 1 }] })
        .to_string()
    };
    let mut orders = Vec::new();
    for id in ["1", "2", "3", "4"] {
        let (_, answer) = client.ask("POST", "/v1/orders", "prefer: wait=20\r\n", &order(id)).unwrap();
        orders.push(answer["order"].as_str().unwrap().to_owned());
        until(&mut client, id, "offered");
    }
    drop(client);
    running.kill();
    let story = printed(&router(&["explain", "web:1"], &data));
    let place = story["steps"].as_array().unwrap().iter().find(|s| s["command"] == "place").unwrap();
    let partition = place["position"].as_str().unwrap();
    let partition = partition.split(['/', '@']).nth(1).unwrap().parse().unwrap();

    // An hour after the last tick: no offer is over, whatever the clock on the wall says.
    let (first, second, third) = (&*orders[0], &*orders[1], &*orders[2]);
    let said = [
        (first, "near", 1),
        (first, "far", 1),
        (second, "near", 1),
        (third, "near", 1), // it has none left
        (third, "far", 9),  // nobody was told of such an epoch
        (third, "far", 1),
        (first, "near", 1), // its answer was lost
    ];
    write(&data, partition, HOUR, &said);

    let running = Running::start_on_trial(&data, &[], &format!("ahead_ms={}", 2 * HOUR));
    let mut client = running.client();
    for (id, node) in [("1", "near"), ("2", "near"), ("3", "far")] {
        until(&mut client, id, "in_fulfilment");
        let (_, row) = client.get(&format!("/v1/orders/web:{id}"));
        assert_eq!(row["fulfilments"][0]["node"], node, "{row}");
    }
    let refused = |why: &str| json!({ "Refused": why });
    assert_eq!(claims(&data, "1"), [json!("Applied"), refused("Taken"), json!("Repeat")]);
    assert_eq!(claims(&data, "2"), [json!("Applied")]);
    assert_eq!(claims(&data, "3"), [refused("NoStock"), refused("Expired"), json!("Applied")]);
    // What nobody claimed is offered yet, and what is held is held: there is nothing left for anybody else.
    assert_eq!(state(&mut client, "4"), "offered");
    let (status, answer) =
        client.ask("POST", "/v1/reservations", "prefer: wait=20\r\n", &reserve("more")).unwrap();
    assert_eq!((status, answer["answer"].as_str()), (409, Some("refused")), "{answer}");
    drop(client);
    running.kill();

    // Short stops are service time: the round and the hold come to their ends.
    let mut ahead = 2 * HOUR;
    loop {
        ahead += 25_000;
        let running = Running::start_on_trial(&data, &[], &format!("ahead_ms={ahead}"));
        let mut client = running.client();
        let over = state(&mut client, "4") == "parked:nobody";
        let (_, hold) = client.get(&format!("/v1/holds/{held}"));
        if over && hold["state"] == "lapsed" {
            break;
        }
        assert!(ahead < 2 * HOUR + 500_000, "{hold}, and the order is {}", state(&mut client, "4"));
        // A tick tells the engine the time.
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(7) && state(&mut client, "4") == "offered" {}
        drop(client);
        running.kill();
    }
    let report = printed(&router(&["audit"], &data));
    assert_eq!((&report["violations"], &report["oversold"]), (&json!(0), &json!(0)), "{report}");
    let again = folder.path().join("again");
    let replayed = printed(&router(&["replay", "--into", again.to_str().unwrap()], &data));
    assert!(replayed["difference"].is_null() && replayed["same"].as_u64().unwrap() > 10, "{replayed}");
}
