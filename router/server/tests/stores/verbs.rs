//! The verbs of stores and operations: what they print, what they refuse, and that reading at rest says the same.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::{
    running::{Running, router, until},
    shop::{id, line, place, refused, rows, start, verb},
};

#[test]
fn an_offer_is_claimed_worked_on_and_handed_over() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let (running, mut client) = start(data);
    place(&mut client, "web", "1", &line("1", "A", 2));
    until("no offer is listed", || !rows(&["offer", "ls", "--node", "s1"], data).is_empty());
    let offer = rows(&["offer", "ls", "--node", "s1"], data).remove(0);
    let shown = verb(&["offer", "show", offer["offer"].as_str().unwrap()], data);
    assert_eq!((&shown["order"], shown["nodes"].as_array().unwrap().len()), (&offer["order"], 2));
    assert_eq!(shown["rule"], "grab@1 web/web-first");

    assert_eq!(refused(&["offer", "claim", "web:1", "--node", "s3"], data), "E1122");
    let claimed = verb(&["offer", "claim", "web:1", "--node", "s1", "--reason", "by phone"], data);
    assert_eq!(claimed["nodes"], json!(["s1"]));
    assert_eq!(verb(&["offer", "claim", "web:1", "--node", "s1"], data)["repeat"], true);
    assert_eq!(refused(&["offer", "claim", "web:1", "--node", "s2", "--epoch", "1"], data), "E1120");

    until("no work is listed", || !rows(&["work", "ls", "--node", "s1"], data).is_empty());
    let work = rows(&["work", "ls", "--node", "s1"], data).remove(0);
    assert_eq!((&work["id"], work["lines"][0]["allocated"].as_u64()), (&json!("1"), Some(2)));
    assert!(work["deadline"].is_string(), "{work}");
    for (verb_, more) in
        [("accept", vec![]), ("pick", vec!["--line", "1:1"]), ("ready", vec!["--line", "1:1"])]
    {
        let arguments = [vec!["work", verb_, "web:1", "--node", "s1"], more].concat();
        assert_eq!(verb(&arguments, data)["answer"], "done", "{arguments:?}");
    }
    until("the work is not ready", || {
        rows(&["work", "ls", "--node", "s1"], data)[0]["lines"][0]["ready"] == 1
    });
    let (_, code) = client.get("/v1/orders/web:1/pickup-code");
    let code = code["code"].as_str().unwrap();
    let wrong = if code == "000000" { "000001" } else { "000000" };
    let hand_over = |code| ["work", "hand-over", "web:1", "--node", "s1", "--code", code];
    assert_eq!(refused(&hand_over(wrong), data), "E4021");
    assert_eq!(verb(&hand_over(code), data)["answer"], "done");
    until("the order is not completed", || client.get("/v1/orders/web:1").1["state"] == "completed");

    place(&mut client, "web", "2", &[line("1", "A", 1), line("2", "B", 1)].join(","));
    let decline = ["offer", "decline", "web:2", "--node", "s1", "--reason", "damaged", "--line", "2"];
    assert_eq!(verb(&decline, data)["answer"], "outcome");
    let ship = ["work", "ship", "web:2", "--node", "s2", "--carrier", "sf", "--tracking", "SF7"];
    assert_eq!(verb(&["offer", "claim", "web:2", "--node", "s2"], data)["answer"], "outcome");
    assert_eq!(verb(&ship, data)["answer"], "done");
    drop(running);
}

#[test]
fn what_waits_is_tried_again_assigned_and_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let (_running, mut client) = start(data);
    for number in 1..=3 {
        place(&mut client, "web", &number.to_string(), &line("1", "A", 30));
    }
    until("the queue is empty", || rows(&["queue", "ls", "by_hand"], data).len() == 3);
    assert!(rows(&["queue", "ls", "unfillable"], data).is_empty());
    let tried = rows(&["queue", "retry", "--queue", "by_hand", "--forgive", "--reason", "new stock"], data);
    assert_eq!(tried.len(), 3, "{tried:?}");
    assert_eq!(refused(&["queue", "assign", "web:1", "--node", "s1"], data), "E1118");
    client.must("/v1/stock/receipts", r#"{"node":"s1","sku":"A","qty":100,"key":"1"}"#);
    let order = id(&mut client, "web:2");
    assert_eq!(verb(&["queue", "retry", &order], data)["answer"], "outcome");

    let placed = place(&mut client, "shop", "1", &line("1", "A", 2));
    assert_eq!(placed["nodes"], json!(["s1"]));
    let moved = verb(&["order", "reroute", "shop:1", "--from", "s1", "--reason", "the customer moved"], data);
    assert_eq!(moved["nodes"], json!(["s2"]), "{moved}");
    let usage = router(&["queue", "retry"], data);
    assert_eq!(usage.status.code(), Some(2));
    let usage = router(&["order", "approve", "no name"], data);
    assert_eq!(usage.status.code(), Some(2), "{usage:?}");
}

#[test]
fn nodes_pause_and_are_evacuated() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let (running, mut client) = start(data);
    let until_then = ["node", "pause", "s1", "--until", "2999-01-01T00:00:00Z", "--reason", "no power"];
    assert_eq!(verb(&until_then, data)["answer"], "done");
    let standing = || verb(&["node", "standing", "s1"], data);
    until("the node is not paused", || standing()["paused"] == true);
    assert_eq!(standing()["paused_until"], "2999-01-01T00:00:00Z");
    assert_eq!(place(&mut client, "shop", "1", &line("1", "A", 2))["nodes"], json!(["s2"]));
    assert_eq!(verb(&["node", "resume", "s1"], data)["answer"], "done");
    until("the node is paused", || standing()["paused"] == false);
    assert_eq!(verb(&["node", "evacuate", "s2", "--reason", "a burst pipe"], data)["answer"], "done");
    until("the work stays", || client.get("/v1/orders/shop:1").1["fulfilments"][0]["node"] == "s1");
    assert_eq!(verb(&["node", "disable", "s2"], data)["answer"], "published");
    until("the node is enabled", || rows(&["node", "show", "s2"], data)[0]["enabled"] == false);
    assert_eq!(verb(&["node", "enable", "s2"], data)["answer"], "published");
    assert_eq!(refused(&["node", "pause", "nowhere"], data), "E1107");
    assert_eq!(router(&["node", "pause", "s1", "--until", "tomorrow"], data).status.code(), Some(2));
    let output = router(&["log", "cat", "commands", "--partition", "0", "--limit", "1000"], data);
    let said: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let because = said.iter().any(|row| row["reason"] == "no power" && row["command"]["kind"] == "node");
    assert!(because || said.is_empty(), "{said:?}");
    drop(running);
}

#[test]
fn stock_is_held_shown_and_given_back() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let (running, mut client) = start(data);
    let reserve = ["hold", "reserve", "web:cart", "--line", "1=A:2", "--line", "2=B", "--ttl", "15m"];
    assert_eq!(verb(&reserve, data)["answer"], "done");
    until("nothing is held", || router(&["hold", "show", "web:cart"], data).status.success());
    let held = verb(&["hold", "show", "web:cart"], data);
    assert_eq!((&held["state"], held["lines"].as_array().unwrap().len()), (&json!("held"), 2), "{held}");
    let first = held["deadline"].as_str().unwrap().to_owned();
    assert_eq!(verb(&["hold", "extend", "web:cart", "--ttl", "1h"], data)["answer"], "done");
    until("it lapses as before", || verb(&["hold", "show", "web:cart"], data)["deadline"] != first.as_str());
    let too_much = ["hold", "reserve", "web:other", "--line", "1=A:1000"];
    assert_eq!(refused(&too_much, data), "E1118");
    let body = r#"{"channel":"web","id":"other","lines":[{"line":"1","sku":"A","qty":1000}],"key":"k"}"#;
    assert_eq!(client.post("/v1/reservations", body).unwrap().0, 409);
    until("no pool", || !rows(&["pool", "ls", "--channel", "web"], data).is_empty());
    let pool =
        |data| rows(&["pool", "ls", "--channel", "web"], data).into_iter().find(|row| row["sku"] == "A");
    assert_eq!(pool(data).unwrap()["held"], 2);
    assert_eq!(
        verb(&["hold", "release", "web:cart", "--reason", "changed their mind"], data)["answer"],
        "done"
    );
    until("it is held", || verb(&["hold", "show", "web:cart"], data)["state"] == "released");
    assert_eq!(verb(&["hold", "release", "web:none"], data)["answer"], "early", "it waits for its order");
    drop(running);
}

#[test]
fn a_folder_at_rest_answers_as_the_router_does() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let (running, mut client) = start(data);
    for number in 1..=3 {
        place(&mut client, "web", &number.to_string(), &line("1", "A", 1));
    }
    place(&mut client, "web", "big", &line("1", "A", 300));
    place(&mut client, "shop", "1", &line("1", "A", 1));
    verb(&["hold", "reserve", "web:cart", "--line", "1=A:2", "--node", "s1"], data);
    until("rows are behind", || router(&["hold", "show", "web:cart"], data).status.success());
    until("rows are behind", || rows(&["offer", "ls"], data).len() == 3);
    let offer = rows(&["offer", "ls"], data)[1]["offer"].as_str().unwrap().to_owned();
    let asked: [&[&str]; 9] = [
        &["offer", "ls"],
        &["offer", "ls", "--node", "s1"],
        &["offer", "show", &offer],
        &["work", "ls", "--node", "s1"],
        &["queue", "ls"],
        &["queue", "ls", "by_hand"],
        &["hold", "show", "web:cart"],
        &["pool", "ls"],
        &["node", "standing", "s1"],
    ];
    let running_says: Vec<_> = asked.map(|arguments| rows(arguments, data)).into();
    assert!(running_says.iter().all(|rows| !rows.is_empty()), "{running_says:?}");
    running.end();
    let resting_says: Vec<_> = asked.map(|arguments| rows(arguments, data)).into();
    assert_eq!(running_says, resting_says);
    assert_eq!(refused(&["work", "ls", "--node", "nowhere"], data), "E4004");
    assert_eq!(refused(&["offer", "show", "nonsense"], data), "E4005");
    let output = router(&["watch", "s1"], data);
    assert!(output.status.code() == Some(69) && String::from_utf8_lossy(&output.stderr).contains("E3007"));
}

#[test]
fn a_watch_goes_on_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let (running, _) = start(data);
    let first = rows(&["watch", "s1", "--count", "1"], data);
    assert_eq!((first.len(), first[0]["event"].as_str()), (1, Some("reconcile")));
    let mut watch = Command::new(env!("CARGO_BIN_EXE_router"))
        .args(["watch", "s1", "--count", "2", "--format", "json", "--data-dir"])
        .arg(data)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut heard = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    assert_eq!(heard()["event"], "reconcile");
    running.end();
    let running = Running::start(data);
    place(&mut running.client(), "shop", "1", &line("1", "A", 1));
    assert_eq!(heard()["data"]["external_id"], "1");
    assert!(watch.wait().unwrap().success());
    let missed = rows(&["watch", "s1", "--count", "1", "--from", first[0]["id"].as_str().unwrap()], data);
    assert_eq!(missed[0]["data"]["external_id"], "1");
    assert_eq!(refused(&["watch", "nowhere"], data), "E4004");
}
