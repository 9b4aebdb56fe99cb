//! `router explain` on the built program: the story of orders that were reserved, offered, declined, claimed, given
//! back, steered and sent to another zone; and why it was not a node.

#[path = "running/mod.rs"]
mod running;

use std::{path::Path, time::Duration};

use running::{Client, Running, printed, router, text};
use serde_json::{Value, json};

/// Asks the nearest first, then the next two, then sends it away.
const GRAB: &str = r#"
name = "grab"
zones = ["z"]
[[routings]]
id = "all"
[[routings.rules]]
id = "ask"
filters = [{ by = "radius", km = 200 }]
sorts = [{ by = "distance" }, { by = "decline_rate" }]
actions = [{ do = "offer", nodes = 1, rounds = 2, ttl = "10m", accept_within = "5m" }]
[[routings.rules]]
id = "give"
sorts = [{ by = "sequence" }]
actions = [{ do = "allocate" }]
[[routings.rules]]
id = "send"
actions = [{ do = "forward" }]
[[reasons]]
id = "busy"
"#;

/// Nodes of zone z to the north of the customer, and one of zone c.
const NODES: [(&str, &str, f64, u32); 6] = [
    ("near", "z", 31.3, 5),
    ("mid", "z", 31.6, 5),
    ("far", "z", 31.9, 5),
    ("shut", "z", 31.25, 5),
    ("abroad", "z", 39.0, 5),
    ("central", "c", 31.0, 500),
];

fn furnished(folder: &Path, data: &Path) -> Running {
    let running = Running::start(data);
    let mut client = running.client();
    for zone in ["z", "c"] {
        client.must("/v1/zones", &json!({ "id": zone }).to_string());
    }
    let channel = json!({ "id": "web", "default_zone": "z", "fallback": ["c"] });
    client.must("/v1/channels", &channel.to_string());
    for (node, zone, latitude, qty) in NODES {
        let body = json!({ "id": node, "zone": zone, "latitude": latitude, "longitude": 121.4 });
        client.must("/v1/nodes", &body.to_string());
        client.must("/v1/stock/counts", &json!({ "node": node, "sku": "tea", "qty": qty }).to_string());
    }
    let pause = json!({ "node": "shut", "act": "pause", "key": "pause-shut" });
    client.must("/v1/nodes/requests", &pause.to_string());
    let rules = folder.join("grab.toml");
    std::fs::write(&rules, GRAB).unwrap();
    printed(&router(&["rules", "publish", rules.to_str().unwrap()], data));
    drop(client);
    running
}

/// Sends until it is taken: what was published is on its way to the zone.
fn place(client: &mut Client, id: &str, qty: u32) -> String {
    let body = json!({ "channel": "web", "id": id, "recipient": { "latitude": 31.2, "longitude": 121.4 },
        "lines": [{ "id": "the tea", "sku": "tea", "qty": qty }] });
    let (status, answer) =
        client.ask("POST", "/v1/orders", "prefer: wait=20\r\n", &body.to_string()).unwrap();
    assert!(status < 300, "{status} {answer}");
    answer["order"].as_str().unwrap().to_owned()
}

/// Asks until the rows say so: they follow the log.
fn until(client: &mut Client, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    loop {
        let (_, answer) = client.get(path);
        if holds(&answer) {
            return answer;
        }
        assert!(std::time::Instant::now() < deadline, "{path}: {answer}");
    }
}

/// Each of these is in the text, in this order.
fn tells(text: &str, wanted: &[&str]) {
    let mut rest = text;
    for part in wanted {
        let at = rest.find(part).unwrap_or_else(|| panic!("{part:?} is not told, or not there:\n{text}"));
        rest = &rest[at + part.len()..];
    }
}

/// What a story answers for a node, one for each decision and for each step that says something.
fn answers(data: &Path, order: &str, node: &str) -> Vec<String> {
    let story = printed(&router(&["explain", order, "--why-not", node], data));
    let steps = story["steps"].as_array().unwrap();
    let of_choices = steps.iter().flat_map(|step| step["choices"].as_array().unwrap());
    of_choices.map(|choice| choice["why_not"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn offers_are_told_round_by_round() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let running = furnished(folder.path(), &data);
    let mut client = running.client();
    let reserve = json!({ "channel": "web", "id": "1", "ttl_s": 900, "key": "cart-1",
        "lines": [{ "line": "the tea", "sku": "tea", "qty": 2 }] });
    client.must("/v1/reservations", &reserve.to_string());
    let order = place(&mut client, "1", 2);
    let is = |state: &'static str| move |row: &Value| row["state"] == state;
    until(&mut client, "/v1/orders/web:1", is("offered"));
    let decline = json!({ "order": order, "node": "near", "reason": "busy", "key": "d1" });
    client.must("/v1/offers/declines", &decline.to_string());
    let (status, late) = client
        .post("/v1/offers/claims", &json!({ "order": order, "node": "near", "epoch": 1 }).to_string())
        .unwrap();
    assert_eq!((status, &late["code"]), (409, &json!("E1122")), "{late}");
    client.must("/v1/offers/claims", &json!({ "order": order, "node": "mid", "epoch": 2 }).to_string());
    client.must("/v1/fulfilments/accepted", &json!({ "order": order, "node": "mid" }).to_string());
    let give_back = json!({ "order": order, "node": "mid", "reason": "busy", "key": "d2",
        "lines": [{ "line": "the tea", "qty": 1 }] });
    client.must("/v1/offers/declines", &give_back.to_string());
    let steer = json!({ "channel": "web", "id": "1", "act": "assign", "node": "abroad", "key": "t1" });
    until(&mut client, "/v1/orders/web:1", |row| row["lines"][0]["allocated"] == 1);
    let (status, steered) = client.post("/v1/steers", &steer.to_string()).unwrap();
    assert!(status < 300, "{steered}");
    until(&mut client, "/v1/orders/web:1", |row| row["lines"][0]["allocated"] == 2);

    let page = text(&["explain", "web:1", "--why-not", "far"], &data);
    tells(
        &page,
        &[
            "web:1\n",
            "reserve",
            "reserved, until 2",
            "held: +2 tea anywhere",
            "the order takes over what was held for it",
            "offered: 2 of the tea, round 1, epoch 1, to near, until 2",
            "(rule grab@1 all/ask)",
            "rule ask of routing all, grab@1 (offer), looked for 2 tea: asked in round 1: 1",
            "rank    node  distance  decline_rate  hours  fills  has",
            "near   11.1 km         0.0 %",
            "left out by resting",
            "why not far: it is ranked 3rd of 3; round 1 went to near",
            "decline by near, reason busy",
            "near declined all of it, reason busy",
            "round 2, epoch 2, to mid, far",
            "why not far: it was asked in round 2, as the 2nd of 2",
            "claim by near, epoch 1: refused, E1122",
            "claim by mid, epoch 2",
            "mid claimed it, epoch 2",
            "line the tea: 2 held -> allocated at mid",
            "mid has until 2",
            "why not far: mid claimed it first; it was asked too",
            "mid accepted the work",
            "mid gave back 1 of the tea, reason busy",
            "round 2, epoch 3, to far",
            "steer",
            "the offer is taken back",
            "allocated at abroad",
            "operations: assign",
        ],
    );
    assert!(!page.contains("line 1"), "lines have names: {page}");
    assert_eq!(
        answers(&data, &order, "near")[..2],
        ["it was asked in round 1, as the 1st of 3", "it declined the order before"]
    );
    let resting = "it is resting: paused, giving its work back, or cooling down after a decline";
    assert_eq!(answers(&data, &order, "shut")[..2], [resting, resting]);
    assert_eq!(answers(&data, &order, "abroad")[0], "left out by the filter radius");
    assert_eq!(
        answers(&data, &order, "central")[0],
        "it is no node of the order's zone, and has none of what was looked for"
    );

    let story = printed(&router(&["explain", &order], &data));
    let first = story["steps"].as_array().unwrap().iter().find(|s| s["choices"][0]["round"] == 1).unwrap();
    let choice = &first["choices"][0];
    assert_eq!(
        (&choice["assignment"], &choice["actions"]),
        (&json!("single"), &json!(["offer"])),
        "{choice}"
    );
    let near = &choice["candidates"][0];
    assert_eq!((&near["node"], &near["rank"], &near["asked"]), (&json!("near"), &json!(1), &json!(true)));
    assert!(near["sorts"][0][1]["number"].as_i64().is_some_and(|chord2| chord2 > 0), "{near}");
    let named = |step: &Value| {
        step["changes"].as_array().unwrap().iter().any(|c| c["Units"]["moves"][0][0] == "the tea")
    };
    assert!(story["steps"].as_array().unwrap().iter().any(named), "{story}");
    // Up to the decline only, by a router that runs and from a folder at rest.
    let declined = story["steps"].as_array().unwrap().iter().find(|s| s["command"] == "decline").unwrap();
    let at = declined["position"].as_str().unwrap().to_owned();
    let before = text(&["explain", "web:1", "--at", &at], &data);
    assert!(before.contains("near declined") && !before.contains("claimed"), "{before}");
    drop(client);
    running.end();
    assert_eq!(
        text(&["explain", "web:1", "--why-not", "far"], &data),
        page,
        "a folder at rest says the same"
    );
}

#[test]
fn parts_and_rules_that_had_nobody_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let running = furnished(folder.path(), &data);
    let mut client = running.client();
    let order = place(&mut client, "1", 40);
    until(&mut client, "/v1/orders/web:1", |row| row["lines"][0]["away"] == 40);
    let page = text(&["explain", "web:1", "--why-not", "near"], &data);
    let none = "of the 3 nodes that may be asked none has all of it: near fills 0 of 1";
    tells(
        &page,
        &[
            "its part 1, attempt 1, is order ",
            " of zone c, in_fulfilment in the end: `router explain ",
            "part 1, attempt 1: sent to zone c",
            &format!("rule ask of routing all, grab@1 (offer), looked for 40 tea: nobody: {none}"),
            &format!("why not near: it is ranked 1st of 3, and nobody was chosen: {none}"),
            "rule give of routing all, grab@1 (allocate), looked for 40 tea: nobody: of the 4 nodes",
        ],
    );
    let story = printed(&router(&["explain", &order], &data));
    let part = story["parts"][0]["order"].as_str().unwrap().to_owned();
    assert_eq!(story["parts"][0]["zone"], "c", "{story}");
    let there = text(&["explain", &part, "--why-not", "near"], &data);
    tells(
        &there,
        &[
            &format!("part 1, attempt 1, of order {order} of zone z: `router explain {order}`"),
            "default@1",
            "one node has everything",
            "why not near: ",
        ],
    );

    let shown = |node: &str| {
        let cause = story["steps"].as_array().unwrap().iter().find(|s| s["command"] == "place");
        let at = cause.unwrap()["position"].as_str().unwrap().to_owned();
        let at = if at.starts_with("commands/") { at } else { panic!("{at}") };
        printed(&router(&["state", "--at", &at, "node", node], &data))
    };
    assert_eq!(shown("shut")["standing"]["paused"], true);
    assert_eq!(shown("near")["standing"]["paused"], false);
    drop(client);
    running.end();
}
