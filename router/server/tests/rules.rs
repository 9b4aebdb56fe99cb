//! Rule sets on the built program: checked where they stand, published, shown, compared and taken back; a draft tried
//! over what really happened; and the past, which stays as it was.

#[path = "running/mod.rs"]
mod running;

use std::{fs, path::Path};

use running::{Client, Running, code, lines, printed, router, text, until, write};
use serde_json::{Value, json};

/// Two stores and a customer's channel: `near` has little, `far` has much.
fn furnished(data: &Path) -> Running {
    let running = Running::start(data);
    let mut client = running.client();
    client.must("/v1/zones", r#"{"id":"z"}"#);
    client.must("/v1/channels", r#"{"id":"web","default_zone":"z"}"#);
    client.must(
        "/v1/nodes",
        r#"{"id":"near","zone":"z","latitude":31.2,"longitude":121.4,"groups":["city"],"sequence":2}"#,
    );
    client.must(
        "/v1/nodes",
        r#"{"id":"far","zone":"z","latitude":31.9,"longitude":121.4,"sequence":1,"attributes":{"tier":"a"}}"#,
    );
    client.must("/v1/stock/counts", r#"{"node":"near","sku":"a","qty":100}"#);
    client.must("/v1/stock/counts", r#"{"node":"far","sku":"a","qty":100}"#);
    running
}

fn order(client: &mut Client, id: u64, qty: u64) -> Value {
    let body = format!(
        r#"{{"channel":"web","id":"{id}","recipient":{{"latitude":31.21,"longitude":121.41}},"lines":[{{"sku":"a","qty":{qty}}}]}}"#
    );
    let (status, answer) = client.ask("POST", "/v1/orders", "prefer: wait=20\r\n", &body).unwrap();
    assert!(status < 300, "{status} {answer}");
    answer
}

const GRAB: &str = r#"name = "grab"
note = "first"
[[routings]]
id = "all"
[[routings.rules]]
id = "one"
filters = [{ by = "radius", km = 500 }]
sorts = [{ by = "sequence" }]
actions = [{ do = "allocate" }]
"#;

#[test]
fn what_rules_ask_for_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let running = furnished(&folder.path().join("data"));
    let mut client = running.client();
    client.must("/v1/stock/policies", r#"{"node":"near","sku":"a","weekly_sales":"1.5"}"#);
    client.must("/v1/fees", r#"{"id":"sf","bands":[{"km":3.5,"base":600,"per_kg":50}]}"#);
    client.must(
        "/v1/quotas",
        r#"{"channel":"web","sku":"a","backorder":9,"weights":[{"zone":"z","weight":1}]}"#,
    );
    client.must("/v1/nodes", r#"{"id":"late","zone":"z","area_km":2.5,"attributes":{"roads":["x","y"]}}"#);
    client.must("/v1/channels", r#"{"id":"web","default_zone":"z","fallback":["z"],"cancel_within":"10m"}"#);
    let wanted = [
        ("/v1/stock?node=near", "/rows/0/weekly_sales", json!("1.5")),
        ("/v1/fees", "/rows/0/bands/0", json!({ "km": 3.5, "base": 600, "per_kg": 50 })),
        ("/v1/quotas", "/rows/0/weights", json!({ "z": 1 })),
        ("/v1/nodes", "/rows/1/area_km", json!(2.5)),
        ("/v1/nodes", "/rows/1/attributes/roads", json!(["x", "y"])),
        ("/v1/nodes", "/rows/0/attributes/tier", json!(["a"])),
        ("/v1/nodes", "/rows/2/sequence", json!(2)),
        ("/v1/channels", "/rows/0/fallback", json!(["z"])),
        ("/v1/channels", "/rows/0/cancel_within", json!("10m")),
    ];
    for (path, pointer, value) in wanted {
        // Rows follow what was published.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        loop {
            let (_, page) = client.get(path);
            if page.pointer(pointer) == Some(&value) {
                break;
            }
            assert!(std::time::Instant::now() < deadline, "{path} {pointer}: {page}");
        }
    }
}

#[test]
fn findings_have_their_place_and_errors_are_not_published() {
    let folder = tempfile::tempdir().unwrap();
    let (data, none) = (folder.path().join("data"), folder.path().join("none"));
    let typo = GRAB.replace("radius\", km = 500", "group\", any = [\"town\"]");
    let broken = typo.replace("\"allocate\"", "\"alocate\"");
    let (good, typo, broken) = (
        write(folder.path(), "good.toml", GRAB),
        write(folder.path(), "typo.toml", &typo),
        write(folder.path(), "broken.toml", &broken),
    );
    let lint = |file: &str, more: &[&str], data: &Path| {
        let output = router(&[&["rules", "lint", file], more].concat(), data);
        let found: Vec<_> = lines(&output).iter().filter(|l| l["code"].is_string()).cloned().collect();
        (output.status.code(), found)
    };
    assert_eq!(lint(&good, &["--offline"], &none).0, Some(0));
    assert_eq!(lint(&typo, &["--offline", "--strict"], &none).0, Some(0), "no names are known");
    let (exit, found) = lint(&broken, &["--offline"], &none);
    let place = |found: &Value| (found["code"].clone(), found["line"].clone(), found["column"].clone());
    assert_eq!(
        (exit, found.len(), place(&found[0])),
        (Some(1), 1, ("E1130".into(), 9.into(), 19.into())),
        "{found:?}"
    );
    assert_eq!(lint(&good, &[], &none).0, Some(69), "a named folder must be there");

    let running = furnished(&data);
    let mut client = running.client();
    until("two nodes", || client.get("/v1/nodes").1["rows"].as_array().is_some_and(|rows| rows.len() == 2));
    let (exit, found) = lint(&typo, &[], &data);
    assert_eq!((exit, place(&found[0])), (Some(0), ("E1136".into(), 7.into(), 35.into())), "{found:?}");
    assert_eq!(lint(&typo, &["--strict"], &data).0, Some(1));
    assert_eq!(lint(&good, &["--strict"], &data), (Some(0), vec![]));
    let refused = router(&["rules", "publish", &broken], &data);
    assert_eq!(code(&refused).0, Some(1), "{refused:?}");
    let body = json!({ "name": "x", "routings": [{ "rules": [{ "assignment": { "kind": "multi", "max_splits": 0 } }] }] });
    let (status, problem) = client.post("/v1/rules", &body.to_string()).unwrap();
    assert_eq!((status, &problem["code"]), (422, &json!("E1132")), "{problem}");
    assert_eq!(problem["pointer"], "/routings/0/rules/0/assignment/max_splits");
    assert_eq!(client.get("/v1/rules").1["rows"], json!([]), "nothing was published");
    drop(client);
    running.end();
    // A folder at rest has its tables, too.
    assert_eq!(lint(&typo, &["--strict"], &data).0, Some(1));
}

#[test]
fn versions_follow_each_other_and_stay() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let running = furnished(&data);
    let first = write(folder.path(), "first.toml", GRAB);
    let second = write(folder.path(), "second.toml", GRAB.replace("500", "50"));
    let publish = |arguments: &[&str]| printed(&router(&[&["rules", "publish"], arguments].concat(), &data));
    let said = publish(&[&first]);
    assert_eq!((&said["name"], &said["version"]), (&json!("grab"), &json!(1)), "{said}");
    let said = publish(&[&second, "--zone", "z", "--reason", "nearer"]);
    assert_eq!(said["version"], 2, "{said}");

    let shown = text(&["rules", "show", "grab@1"], &data);
    assert!(shown.starts_with("# grab@1, published 2") && shown.contains("km = 500"), "{shown}");
    let again = write(folder.path(), "again.toml", &shown);
    let same = router(&["rules", "diff", &again, "grab@1"], &data);
    assert_eq!((same.status.code(), lines(&same)), (Some(0), vec![]), "what is shown reads as the same");
    let differ = router(&["rules", "diff", "grab@1", "grab@2"], &data);
    let paths: Vec<_> = lines(&differ).iter().map(|d| d["path"].as_str().unwrap().to_owned()).collect();
    assert_eq!(differ.status.code(), Some(1));
    assert_eq!(paths, ["note", "routings[all].rules[one].filters[1]", "zones"]);

    let current = |zone: &[&str]| printed(&router(&[&["rules", "show"], zone].concat(), &data));
    assert_eq!((&current(&["--zone", "z"])["version"], &current(&[])["version"]), (&json!(2), &json!(1)));
    let said = printed(&router(&["rules", "rollback", "grab@1"], &data));
    assert_eq!(said["version"], 3, "{said}");
    assert_eq!(current(&[])["document"]["note"], "back to version 1");
    assert_eq!(current(&["--zone", "z"])["version"], 2, "the first one was for all others");

    let history = |data: &Path| lines(&router(&["rules", "history"], data));
    let versions: Vec<_> =
        history(&data).iter().map(|row| (row["name"].clone(), row["version"].clone())).collect();
    let wanted = [("default", 1), ("grab", 1), ("grab", 2), ("grab", 3)].map(|(n, v)| (json!(n), json!(v)));
    assert_eq!(versions, wanted);
    assert!(text(&["rules", "history", "grab"], &data).contains("nearer"));
    let mut client = running.client();
    assert_eq!(client.get("/v1/rules/grab").1["version"], 3);
    assert_eq!(client.get("/v1/rules/grab@2").1["document"]["zones"], json!(["z"]));
    assert_eq!(client.get("/v1/rules/default").1["document"]["routings"][0]["id"], "all");
    assert_eq!(client.get("/v1/rules/none").0, 404);
    assert_eq!(client.get("/v1/rules/grab@9").0, 404);
    let refused = router(&["rules", "show", "none"], &data);
    assert!(code(&refused).0 == Some(1) && code(&refused).1.contains("E4004"), "{refused:?}");
    let before = history(&data);
    drop(client);
    running.end();
    assert_eq!(history(&data), before, "a folder at rest says the same");
}

#[test]
fn the_default_as_a_draft_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let running = furnished(&data);
    let mut client = running.client();
    for id in 0..30 {
        let answer = order(&mut client, id, 7);
        if id % 3 == 0 && answer["nodes"] != json!([]) {
            let (order, node) = (&answer["order"], &answer["nodes"][0]);
            client.must("/v1/fulfilments/shipped", &json!({ "order": order, "node": node }).to_string());
        }
    }
    let default = write(folder.path(), "default.toml", text(&["rules", "show", "default"], &data));
    let report = printed(&router(&["simulate", "--rules", &default], &data));
    assert_eq!(report["changed"], json!([]), "{report}");
    assert_eq!(report["as_it_was"], report["draft"], "{report}");
    assert_eq!(report["as_it_was"]["orders"], 30);
    assert_eq!((&report["moved"], &report["ignored"]), (&json!(0), &json!(0)));
    // 200 units are there: 28 orders of 7 are filled, one has 4 of 7.
    assert_eq!(
        (&report["as_it_was"]["filled_orders"], &report["as_it_was"]["filled_units"]),
        (&json!(28), &json!(200))
    );
    drop(client);
    running.end();
    assert_eq!(
        printed(&router(&["simulate", "--rules", &default], &data)),
        report,
        "a folder at rest says the same"
    );
    for (arguments, exit, said) in [
        (vec!["--from", "intake/0@1"], 1, "E3030"),
        (vec!["--from", "commands/0@1", "--to", "commands/1@1"], 1, "E3030"),
        (vec!["--from", "commands/0@999999"], 1, "E3030"),
        (vec!["--last", "0"], 2, "--last"),
    ] {
        let output = router(&[&["simulate", "--rules", &default], &arguments[..]].concat(), &data);
        assert!(code(&output).0 == Some(exit) && code(&output).1.contains(said), "{arguments:?}: {output:?}");
    }
}

#[test]
fn a_draft_is_tried_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let running = furnished(&data);
    let mut client = running.client();
    let mut last = Value::Null;
    for id in 0..12 {
        last = order(&mut client, id, 2);
        assert_eq!(last["nodes"], json!(["near"]), "the nearest, as long as it has enough");
        if id % 4 == 0 {
            let fact = json!({ "order": last["order"], "node": "near" });
            client.must("/v1/fulfilments/shipped", &fact.to_string());
        }
    }
    // By their own numbers: `far` is the first.
    let draft = write(folder.path(), "draft.toml", GRAB);
    let report = printed(&router(&["simulate", "--rules", &draft], &data));
    let changed = report["changed"].as_array().unwrap();
    assert_eq!(changed.len(), 12, "{report}");
    for order in changed {
        assert_eq!((&order["was"]["nodes"], &order["draft"]["nodes"]), (&json!(["near"]), &json!(["far"])));
        let rule = |side: &str| order[side]["reason"]["rule"].clone();
        assert_eq!((rule("was"), rule("draft")), (json!("one-node"), json!("one")));
    }
    // What `near` shipped is shipped by `far`.
    assert_eq!((&report["moved"], &report["ignored"]), (&json!(3), &json!(0)));
    assert_eq!(changed.iter().filter(|order| order["draft"]["state"] == "completed").count(), 3, "{report}");
    let metres = |run: &str| report[run]["mean_distance_m"].as_f64().unwrap();
    assert!(metres("as_it_was") < 2_000.0 && (70_000.0..90_000.0).contains(&metres("draft")), "{report}");
    assert_eq!(
        (&report["as_it_was"]["fill_rate"], &report["draft"]["fill_rate"]),
        (&json!(1.0), &json!(1.0))
    );
    let page = text(&["simulate", "--rules", &draft], &data);
    assert!(page.contains("12 orders at other nodes") && page.contains("rule one of grab@draft"), "{page}");
    // For one zone only, from one order on only.
    let zone =
        write(folder.path(), "zone.toml", GRAB.replace("[[routings]]", "zones = [\"z\"]\n[[routings]]"));
    let of = |arguments: &[&str]| {
        let report = printed(&router(&[&["simulate", "--rules", &zone], arguments].concat(), &data));
        report["changed"].as_array().unwrap().len()
    };
    assert_eq!(of(&[]), 12);
    let elsewhere =
        write(folder.path(), "other.toml", GRAB.replace("[[routings]]", "zones = [\"y\"]\n[[routings]]"));
    assert_eq!(printed(&router(&["simulate", "--rules", &elsewhere], &data))["changed"], json!([]));
    let at = last["position"].as_str().unwrap();
    assert_eq!((of(&["--from", at]), of(&["--from", at, "--to", at])), (1, 1));
    // With what is tried in force, the default is a draft like any other.
    printed(&router(&["rules", "publish", &draft], &data));
    assert_eq!(order(&mut client, 99, 1)["nodes"], json!(["far"]));
    let default = write(folder.path(), "default.toml", text(&["rules", "show", "default"], &data));
    let back = printed(&router(&["simulate", "--rules", &default], &data));
    assert_eq!(back["changed"].as_array().unwrap().len(), 1, "{back}");
    assert_eq!(back["changed"][0]["was"]["reason"]["version"], 1);

    drop(client);
    running.end();
    let journal = |folder: &Path| {
        let mut files: Vec<_> =
            fs::read_dir(folder.join("journal")).unwrap().map(|e| e.unwrap().path()).collect();
        files.sort();
        files.into_iter().map(|path| (fs::read(&path).unwrap(), path)).collect::<Vec<_>>()
    };
    let before = journal(&data);
    let resting = printed(&router(&["simulate", "--rules", &default], &data));
    assert_eq!(resting["changed"], back["changed"]);
    assert!(journal(&data) == before, "a simulation wrote into the log");
}

#[test]
fn offers_of_a_draft_are_claimed_by_robots() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let running = furnished(&data);
    let mut client = running.client();
    for id in 0..8 {
        let placed = order(&mut client, id, 2);
        if id % 4 == 0 {
            let fact = json!({ "order": placed["order"], "node": "near" });
            client.must("/v1/fulfilments/shipped", &fact.to_string());
        }
    }
    let offer = "{ do = \"offer\", nodes = 2, ttl = \"60s\" }";
    let draft = write(folder.path(), "offers.toml", GRAB.replace("{ do = \"allocate\" }", offer));
    let run = |after: &str| {
        let run = printed(&router(&["simulate", "--rules", &draft, "--claim-after", after], &data));
        let of = |name: &str| run["draft"][name].clone();
        let nodes = run["changed"].as_array().unwrap().iter().map(|order| order["draft"]["nodes"].clone());
        (nodes.collect::<Vec<_>>(), [of("claims"), of("offered"), of("filled_orders")], run)
    };
    let (nodes, counts, run_at_once) = run("0s");
    assert_eq!(counts, [json!(8), json!(0), json!(8)], "{run_at_once}");
    assert_eq!(nodes, vec![json!(["far"]); 8], "the best one by its number");
    assert_eq!((&run_at_once["robot_claims"], &run_at_once["moved"]), (&json!(8), &json!(2)));
    let (nodes, counts, never) = run("never");
    assert_eq!(counts, [json!(0), json!(8), json!(0)], "{never}");
    assert_eq!(
        (nodes, &never["ignored"]),
        (vec![json!([]); 8], &json!(2)),
        "nobody has what would be shipped"
    );
}

#[test]
fn the_past_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let running = furnished(&data);
    let mut client = running.client();
    let placed = order(&mut client, 1, 7);
    let at = placed["position"].as_str().unwrap().to_owned();
    let node = placed["nodes"][0].as_str().unwrap();
    let shipped = client
        .must("/v1/fulfilments/shipped", &json!({ "order": placed["order"], "node": node }).to_string());
    let later = shipped["position"].as_str().unwrap().to_owned();
    let state = |at: &str, of: &[&str]| printed(&router(&[&["state", "--at", at], of].concat(), &data));
    until("the order has a row", || client.get("/v1/orders/web:1").0 == 200);
    let check = || {
        assert_eq!(state(&at, &["order", "web:1"])["state"], "in_fulfilment");
        assert_eq!(state(&later, &["order", "web:1"])["state"], "completed");
        let cell = |at: &str| {
            let sku = state(at, &["sku", "a"]);
            let cells = sku["cells"].as_array().unwrap();
            cells
                .iter()
                .find(|cell| cell["node"] == node)
                .map(|cell| (cell["on_hand"].clone(), cell["atp"].clone()))
        };
        assert_eq!(cell(&at), Some((json!(100), json!(93))));
        assert_eq!(cell(&later), Some((json!(93), json!(93))));
        let then = state(&at, &["node", node]);
        assert_eq!((&then["orders"], &then["zone"]), (&json!([placed["order"]]), &json!("z")), "{then}");
        assert_eq!(state(&later, &["node", node])["orders"], json!([]));
        let unknown = router(&["state", "--at", &at, "node", "nowhere"], &data);
        assert!(code(&unknown).0 == Some(1), "{unknown:?}");
        let output = router(&["state", "--at", "commands/0@999999", "node", node], &data);
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(said.matches("E2007").count(), 1, "the code once: {said}");
        assert!(said.contains("commands/0@"), "{said}");
    };
    check();
    drop(client);
    running.end();
    check();
}
