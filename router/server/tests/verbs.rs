//! The verbs of the built program on good and on hostile input: exit codes, one JSON object a line, a log that
//! reading leaves alone, and a dead letter's whole way.

#[path = "running/mod.rs"]
mod running;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use running::{Running, code, lines, printed, router, text, until, write};
use serde_json::Value;

/// A router with a store, stock, and a channel.
fn furnished(data: &Path) -> Running {
    let running = Running::start(data);
    let mut client = running.client();
    client.must("/v1/zones", r#"{"id":"z"}"#);
    client.must("/v1/channels", r#"{"id":"web","default_zone":"z"}"#);
    client.must("/v1/nodes", r#"{"id":"s","zone":"z"}"#);
    client.must("/v1/stock/counts", r#"{"node":"s","sku":"a","qty":1000}"#);
    running
}

fn order(id: u64, name: &str) -> String {
    format!(
        r#"{{"channel":"web","id":"{id}","recipient":{{"name":"{name}"}},"lines":[{{"sku":"a","qty":1}}]}}"#
    )
}

/// Names and bytes of all files under a folder.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path))
        } else {
            found.push((path.clone(), fs::read(&path).unwrap()))
        }
    }
    found.sort();
    found
}

fn holds(folder: &Path, text: &str) -> bool {
    files(folder).iter().any(|(_, bytes)| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
}

#[test]
fn what_cannot_be_done_has_its_exit_code_and_its_error_code() {
    let folder = tempfile::tempdir().unwrap();
    let (none, other) = (folder.path().join("none"), folder.path().join("other"));
    fs::create_dir(&other).unwrap();
    write(&other, "letters.txt", "of another program");
    let (empty, bad) = (write(folder.path(), "empty", ""), write(folder.path(), "bad.toml", "lisen = 1\n"));
    let binary = write(folder.path(), "binary", [0u8, 159, 146, 150, b'\n', 255, b'\n']);
    let long = write(folder.path(), "long", "x".repeat(300 * 1024));
    let open = "0.0.0.0:0";
    for (arguments, data, exit, said) in [
        (vec!["order", "list"], &none, 69, "E2011"),
        (vec!["order", "send", &empty], &none, 69, "E2011"),
        (vec!["order", "send", "missing"], &none, 74, "E3002"),
        (vec!["order", "lint", &empty], &none, 0, ""),
        (vec!["order", "lint", &binary], &none, 1, ""),
        (vec!["order", "lint", &long], &none, 1, ""),
        (vec!["order", "list", "--limit", "0"], &none, 2, "--limit"),
        (vec!["log", "ls"], &other, 69, "E2011"),
        (vec!["dlq", "ls"], &none, 69, "E2011"),
        (vec!["dlq", "show", "nonsense"], &none, 2, "TOPIC/PARTITION@OFFSET"),
        (vec!["skip", "commands/0@1", "--reason", " "], &none, 2, "E3004"),
        (vec!["audit"], &none, 69, "E2011"),
        (vec!["replay", "--into", "x"], &none, 69, "E2011"),
        (vec!["run"], &other, 69, "E3009"),
        (vec!["run", "--listen", open], &none, 78, "E3105"),
        (vec!["run", "-c", &bad], &none, 78, "did you mean listen?"),
        (vec!["run", "--set", "log.cash=1"], &none, 78, "did you mean log.cache?"),
        (vec!["error", "nonsense"], &none, 2, "E3004"),
        (vec!["no-such-verb"], &none, 2, ""),
    ] {
        let output = router(&arguments, data);
        let (status, stderr) = code(&output);
        assert!(status == Some(exit) && stderr.contains(said), "{arguments:?}: {status:?} {stderr}");
        lines(&output);
    }
    assert!(!none.exists(), "asking makes no folder");
    assert_eq!(files(&other).len(), 1, "another program's folder is left alone");
}

#[test]
fn the_example_validates_and_findings_are_one_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let example = router(&["validate", "--example"], folder.path());
    let file = write(folder.path(), "router.toml", &example.stdout);
    assert_eq!(printed(&router(&["validate", "-c", &file], folder.path()))["valid"], true);
    let bad = write(folder.path(), "bad.toml", "partitions = 0\n[log]\ncach = 1\n");
    let output = router(&["validate", "-c", &bad], folder.path());
    let found: Vec<_> = lines(&output).iter().map(|f| (f["code"].clone(), f["line"].clone())).collect();
    assert_eq!(output.status.code(), Some(78));
    assert_eq!(found, [("E3104".into(), 1.into()), ("E3103".into(), 3.into())]);
}

#[test]
fn verbs_say_the_same_of_a_router_and_of_its_folder_at_rest() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let running = furnished(&data);
    let many: String = (0..500).map(|id| order(id, "Ada") + "\n").collect();
    let file = write(folder.path(), "orders", format!("{many}{{}}\n"));
    let sent = router(&["order", "send", &file], &data);
    assert_eq!(code(&sent).0, Some(1), "one line is wrong");
    let statuses: Vec<_> = lines(&sent).iter().map(|line| line["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses.len(), 501);
    assert!(statuses[..500].iter().all(|status| *status == 201) && statuses[500] == 422, "{statuses:?}");

    let audited = printed(&router(&["audit"], &data));
    assert_eq!((&audited["violations"], &audited["orders"]), (&0.into(), &500.into()), "{audited}");
    let refused = router(&["replay", "--into", "x"], &data);
    assert!(code(&refused).0 == Some(69) && code(&refused).1.contains("E3006"), "{refused:?}");
    let skipped = router(&["skip", "commands/0@1", "--reason", "a test"], &data);
    assert!(code(&skipped).0 == Some(1) && lines(&skipped)[0]["code"] == "E2209", "{skipped:?}");
    let stranger = router(&["run", "--listen", "127.0.0.1:0"], &data);
    assert!(code(&stranger).0 == Some(69) && code(&stranger).1.contains("E2001"), "{stranger:?}");

    // One zone, one partition: the rows of the last order come last.
    let mut client = running.client();
    until("the last order has a row", || client.get("/v1/orders/web:499").0 == 200);
    drop(client);
    let asked: [&[&str]; 7] = [
        &["order", "list", "--limit", "1000"],
        &["order", "show", "web:7"],
        &["stock", "list"],
        &["node", "list"],
        &["node", "show", "s"],
        &["log", "cat", "stores.assignments", "--limit", "600"],
        &["log", "cat", "events/0@1"],
    ];
    let running_says: Vec<_> = asked.map(|arguments| lines(&router(arguments, &data))).into();
    assert_eq!((running_says[0].len(), running_says[5].len(), running_says[6].len()), (500, 500, 1));
    running.end();
    let before = files(&data.join("journal"));
    let resting_says: Vec<_> = asked.map(|arguments| lines(&router(arguments, &data))).into();
    assert_eq!(running_says, resting_says);
    let audited = printed(&router(&["audit"], &data));
    assert_eq!(audited["violations"], 0, "{audited}");
    let follow = router(&["log", "cat", "events", "--follow"], &data);
    assert!(code(&follow).0 == Some(69) && code(&follow).1.contains("E3007"), "{follow:?}");
    for (position, said) in [("events/0@99999", "E2007"), ("events/99", "E3004"), ("nowhere", "E3004")] {
        let output = router(&["log", "cat", position], &data);
        assert!(code(&output).1.contains(said), "{position}: {output:?}");
    }
    assert!(files(&data.join("journal")) == before, "a verb that reads wrote into the log");

    let paused = printed(&router(&["node", "disable", "s"], &data));
    assert_eq!(paused["answer"], "published", "{paused}");
    assert_eq!(lines(&router(&["node", "show", "s"], &data))[0]["enabled"], false);
}

#[test]
fn a_file_is_sent_from_a_pipe_and_shown_as_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let running = furnished(&data);
    let mut child = Command::new(env!("CARGO_BIN_EXE_router"))
        .args(["order", "send", "-", "--data-dir"])
        .arg(&data)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let message = r#"{"channel":"web","id":"1","remark":"two\nlines","lines":[{"sku":"a","qty":1}]}"#;
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), message.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let mut client = running.client();
    until("the order has a row", || client.get("/v1/orders/web:1").0 == 200);
    let shown = Command::new(env!("CARGO_BIN_EXE_router"))
        .args(["order", "show", "web:1", "--data-dir"])
        .arg(&data)
        .output()
        .unwrap();
    let text = String::from_utf8(shown.stdout).unwrap();
    assert!(text.contains("two") && !text.contains("two\nlines"), "{text:?}");
    assert!(text.lines().count() > 5, "a page, not a line: {text}");
}

#[test]
fn a_dead_letter_is_kept_sealed_shown_and_sent_again_once() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let running = furnished(&data);
    let bad = r#"{"channel":"web","id":"7","recipient":{"name":"Grace Hopper"},"lines":[{"sku":"a","qty":"Grace"}]}"#;
    let versions =
        [1, 1, 2].map(|version| order(8, "Ada").replace("\"id\"", &format!("\"version\":{version},\"id\"")));
    let [first, mut conflict, later] = versions;
    conflict = conflict.replace("\"qty\":1", "\"qty\":9");
    let body = [bad, &first, &conflict, &later, "Grace, not JSON"].join("\n");
    let answers = raw(&running, "/v1/raw/web?offset=100", &body);
    let kinds: Vec<_> = answers.iter().map(|line| line["answer"]["answer"].as_str().unwrap_or("?")).collect();
    assert_eq!(kinds, ["dead_letter", "accepted", "dead_letter", "accepted", "dead_letter"], "{answers:?}");
    assert!(
        answers.iter().all(|line| line["status"].as_u64().unwrap() < 300),
        "nothing is refused: {answers:?}"
    );
    assert_eq!(answers[0]["answer"]["source"], "orders.web/0@100");

    let listed = lines(&router(&["dlq", "ls", "--source", "orders.web"], &data));
    let codes: Vec<_> = listed.iter().map(|row| row["code"].as_str().unwrap()).collect();
    assert_eq!(codes.iter().filter(|code| **code == "E1001").count(), 2, "{listed:?}");
    assert!(codes.contains(&"E1101"), "the conflict that intake put aside: {listed:?}");
    let letter = answers[0]["answer"]["letter"].as_str().unwrap();

    let shown = printed(&router(&["dlq", "show", letter], &data));
    assert_eq!((shown["text"].as_str(), &shown["pointer"]), (Some(bad), &"/lines/0/qty".into()), "{shown}");
    let access = fs::read_to_string(data.join("access.ndjson")).unwrap();
    assert!(access.contains(letter) && access.lines().count() == 1, "the look is logged: {access}");

    let refused = router(&["dlq", "replay", letter], &data);
    let problem = &lines(&refused)[0];
    assert_eq!((code(&refused).0, &problem["code"]), (Some(1), &"E1001".into()), "{problem}");
    assert_eq!(problem["pointer"], "/lines/0/qty");
    let corrected = write(folder.path(), "corrected", order(7, "Grace Hopper"));
    let sent = printed(&router(&["dlq", "replay", letter, "--with", &corrected], &data));
    assert_eq!(sent["answer"], "accepted", "{sent}");
    let end = |topic: &str| {
        let rows = lines(&router(&["log", "ls"], &data));
        rows.iter().filter(|row| row["topic"] == topic).map(|row| row["to"].as_u64().unwrap()).sum::<u64>()
    };
    let (letters, orders) = (end("dlq.orders.web"), lines(&router(&["order", "list"], &data)).len());
    let again = printed(&router(&["dlq", "replay", letter, "--with", &corrected], &data));
    assert_eq!(again["answer"], "repeat", "{again}");
    assert_eq!((end("dlq.orders.web"), lines(&router(&["order", "list"], &data)).len()), (letters, orders));
    let open = lines(&router(&["dlq", "ls"], &data));
    assert!(
        open.iter().all(|row| row["position"] != letter && row["source"] != "orders.web/0@100"),
        "{open:?}"
    );
    assert_eq!(lines(&router(&["dlq", "ls", "--all"], &data)).len(), open.len() + 1);
    let nothing = router(&["dlq", "show", "dlq.orders.web/0@9999"], &data);
    assert!(code(&nothing).0 == Some(1) && lines(&nothing)[0]["code"] == "E4053", "{nothing:?}");

    // What a connector sends again is known by its place.
    let repeated = raw(&running, "/v1/raw/web?offset=100", &body);
    assert_eq!(repeated[1]["answer"]["answer"], "repeat", "{repeated:?}");
    let order = printed(&router(&["order", "show", "web:7"], &data));
    assert_eq!(
        (&order["lines"][0]["ordered"], &order["recipient_sealed"]),
        (&1.into(), &true.into()),
        "{order}"
    );
    running.end();
    assert!(
        !holds(&data.join("journal"), "Grace") && !holds(&data.join("rows"), "Grace"),
        "a name lies in the open"
    );
    let report = printed(&router(&["audit"], &data));
    assert_eq!(report["violations"], 0, "{report}");
    let into = folder.path().join("again");
    let replayed = printed(&router(&["replay", "--into", into.to_str().unwrap()], &data));
    assert!(replayed["difference"].is_null(), "{replayed}");
}

#[test]
fn what_left_after_its_cancel_is_shown_with_its_times_and_is_no_violation() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let running = furnished(&data);
    let mut client = running.client();
    let placed = client.must("/v1/orders", &order(1, "Ada"));
    let id = placed["order"].as_str().unwrap();
    client.must("/v1/cancels", r#"{"channel":"web","id":"1"}"#);
    let shipped = format!(r#"{{"order":"{id}","node":"s","lines":[{{"line":"1","qty":1}}]}}"#);
    client.must("/v1/fulfilments/shipped", &shipped);
    running.end();
    let listed = lines(&router(&["order", "list", "--state", "shipped_after_cancel"], &data));
    assert_eq!((listed.len(), &listed[0]["lines"][0]["after_cancel"]), (1, &1.into()), "{listed:?}");
    let created = listed[0]["created_at"].as_str().unwrap();
    let page = text(&["order", "show", "web:1"], &data);
    assert!(page.contains("after_cancel") && page.contains(&created[..19]), "{page}");
    let table = text(&["order", "list"], &data);
    assert!(table.contains("CREATED") && table.contains(&created[..19]), "{table}");

    let records = lines(&router(&["log", "cat", "events", "--all"], &data));
    let at = |value: &Value| value.as_str().is_some_and(|text| text.ends_with('Z'));
    assert!(records.iter().all(|r| at(&r["at"]) && at(&r["event"]["at"])), "{records:?}");
    let catted = text(&["log", "cat", "events", "--all"], &data);
    assert!(catted.contains(&created[..19]), "{catted}");

    let story = text(&["explain", id], &data);
    assert!(story.contains("1 ordered -> open") && story.contains(&created[..19]), "{story}");
    let before = (0..4).map(|partition| {
        let at = format!("commands/{partition}@0");
        code(&router(&["explain", id, "--at", &at], &data))
    });
    assert!(before.into_iter().all(|(code, said)| code == Some(1) && said.contains("E3021")));
    let report = printed(&router(&["audit"], &data));
    assert_eq!(report["violations"], 0, "{report}");
}

/// Posts lines and reads the lines of the answer.
fn raw(running: &Running, path: &str, body: &str) -> Vec<Value> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(&running.address).unwrap();
    let head = format!("POST {path} HTTP/1.0\r\nhost: r\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(head.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (_, lines) = text.split_once("\r\n\r\n").unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {text}"))).collect()
}
