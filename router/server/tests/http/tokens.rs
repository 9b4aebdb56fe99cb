//! Tokens come and go while the router runs, and what is sent with them says who and why.

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};

use crate::{
    exchange::Http,
    roles::{bearer, entry, guarded},
    running::{self, Running, until},
};

fn status(http: &mut Http, role: &str) -> u16 {
    http.send("GET", "/v1/zones", &bearer(role), b"").status
}

fn metric(http: &mut Http, name: &str) -> String {
    let text = http.get("/metrics").text;
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap_or_default().to_owned()
}

#[test]
fn tokens_are_revoked_while_the_router_runs_and_a_broken_file_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (running, mut http) = guarded(folder.path());
    let file = folder.path().join("tokens.toml");
    assert_eq!((status(&mut http, "viewer"), status(&mut http, "agent")), (200, 200));
    assert_eq!(
        (metric(&mut http, "router_tokens"), metric(&mut http, "router_tokens_broken")),
        ("7".into(), "0".into())
    );

    fs::write(&file, entry("viewer", "") + &entry("admin", "")).unwrap();
    until("a token counts that was taken away", || status(&mut http, "agent") == 401);
    assert_eq!(status(&mut http, "viewer"), 200);

    fs::write(&file, "[[token]]\nname = \"x\"\n").unwrap();
    until("nobody says that the file is broken", || metric(&mut http, "router_tokens_broken") == "1");
    assert_eq!((status(&mut http, "viewer"), http.get("/readyz").status), (200, 200));

    fs::write(&file, entry("admin", "")).unwrap();
    let hung_up = Command::new("kill").args(["-HUP", &running.pid().to_string()]).status().unwrap();
    assert!(hung_up.success());
    until("the file is not read again", || status(&mut http, "viewer") == 401);
    assert_eq!((status(&mut http, "admin"), metric(&mut http, "router_tokens_broken")), (200, "0".into()));

    fs::write(&file, entry("admin", "expires = 2001-01-01T00:00:00Z")).unwrap();
    until("a token counts whose time is over", || status(&mut http, "admin") == 401);
    running.end();
}

#[test]
fn a_stream_ends_with_its_token() {
    let folder = tempfile::tempdir().unwrap();
    let (running, mut http) = guarded(folder.path());
    let mut stream = Http::connect(&running.address);
    assert_eq!(stream.head("/v1/nodes/s1/stream", &bearer("store")), 200);
    fs::write(folder.path().join("tokens.toml"), entry("admin", "")).unwrap();
    until("a token counts that was taken away", || status(&mut http, "store") == 401);
    let order = r#"{"channel":"web","id":"told","lines":[{"sku":"A","qty":1}]}"#;
    assert_eq!(http.send("POST", "/v1/orders", &bearer("admin"), order.as_bytes()).status, 201);
    let told = stream.rest("event: assigned");
    assert!(told.contains("event: reconcile") && !told.contains("event: assigned"), "{told}");
}

/// Records of a topic, as `router log cat` shows them.
fn records(data: &Path, topic: &str) -> Vec<Value> {
    let mut rows = Vec::new();
    for partition in 0..4 {
        let partition = partition.to_string();
        let arguments = ["log", "cat", topic, "--partition", &partition, "--limit", "1000"];
        let output = running::router(&arguments, data);
        let text = String::from_utf8(output.stdout).unwrap();
        rows.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
    }
    rows
}

fn said(records: &[Value]) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    records.iter().map(|record| (text(&record["actor"]), text(&record["reason"]))).collect()
}

#[test]
fn every_command_says_who_sent_it_and_why() {
    let folder = tempfile::tempdir().unwrap();
    let (running, mut http) = guarded(folder.path());
    let data = folder.path().join("data");
    let count = br#"{"node":"s1","sku":"A","qty":77}"#;
    let order = |id: &str| format!(r#"{{"channel":"web","id":"{id}","lines":[{{"sku":"A","qty":1}}]}}"#);
    let mut send = |role: &str, path: &str, reason: &str, body: &[u8]| {
        let headers = format!("{}x-reason: {reason}\r\nprefer: wait=30\r\n", bearer(role));
        http.send("POST", path, &headers, body)
    };
    assert_eq!(send("store", "/v1/stock/counts", "counted%20by%20Zo%C3%AB", count).status, 200);
    assert_eq!(send("store", "/v1/stock/counts", "counted again by Zoë", count).status, 200);
    assert_eq!(send("connector", "/v1/orders", "a phone call", order("why").as_bytes()).status, 201);
    assert_eq!(send("connector", "/v1/batch", "a file", order("by-line").as_bytes()).status, 200);
    assert_eq!(send("connector", "/v1/raw/web", "a topic", order("raw").as_bytes()).status, 200);
    let at_once = format!("{}x-reason: at once\r\nprefer: respond-async\r\n", bearer("connector"));
    for wrong in ["%ff", "%00", &"x".repeat(501)] {
        let answer = send("store", "/v1/stock/counts", wrong, count);
        assert_eq!((answer.status, answer.code().as_str()), (400, "E4010"), "{wrong}");
    }
    assert_eq!(http.send("POST", "/v1/orders", &at_once, order("async").as_bytes()).status, 202);
    let counted = running::router(&["stock", "count", "s1", "A", "78", "--reason", "shelf, 2nd look"], &data);
    assert!(counted.status.success(), "{counted:?}");

    let commands = said(&records(&data, "commands"));
    let has = |said: &[(String, String)], actor: &str, reason: &str| {
        said.iter().any(|(a, r)| a.contains(actor) && r == reason)
    };
    assert!(has(&commands, "store-1", "counted by Zoë"), "{commands:?}");
    assert!(has(&commands, "store-1", "counted again by Zoë"), "{commands:?}");
    assert!(has(&commands, "uid ", "shelf, 2nd look"), "{commands:?}");
    assert!(has(&commands, "connector-1", "a phone call"), "passed on by intake: {commands:?}");
    let intake = said(&records(&data, "intake"));
    for reason in ["a phone call", "a file", "a topic", "at once"] {
        assert!(has(&intake, "connector-1", reason), "{reason}: {intake:?}");
    }
    let story = running::printed(&running::router(&["explain", "web:why"], &data));
    let steps = story["steps"].as_array().or(story["story"]["steps"].as_array()).unwrap();
    let step = steps.iter().find(|step| step["actor"] == json!("connector-1")).expect("a step says who");
    assert_eq!(step["reason"], json!("a phone call"));
    drop(running);
}

#[test]
fn a_token_is_made_shown_once_and_kept_as_its_hash() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.toml");
    let path = file.to_str().unwrap();
    let new = |arguments: &[&str]| {
        let arguments = [&["token", "new"], arguments].concat();
        running::router(&arguments, folder.path())
    };
    let made =
        running::printed(&new(&["--name", "till 7", "--role", "store", "--node", "s1", "--append", path]));
    let other = running::printed(&new(&["--name", "boss", "--role", "admin", "--append", path]));
    let token = |made: &Value| made["token"].as_str().unwrap().to_owned();
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("till 7") && !text.contains(&token(&made)) && token(&made) != token(&other));
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    for wrong in [
        &["--name", "x", "--role", "store"][..],
        &["--name", "x", "--role", "admin", "--node", "s1"],
        &["--name", "x", "--role", "king"],
        &["--name", "", "--role", "admin"],
    ] {
        assert_eq!(new(wrong).status.code(), Some(2), "{wrong:?}");
    }
    let data = folder.path().join("data");
    let running = Running::start_with(&data, &["--tokens-file", path]);
    let mut http = Http::connect(&running.address);
    let mut as_of = |made: &Value, path: &str| {
        http.send("GET", path, &format!("authorization: Bearer {}\r\n", token(made)), b"").status
    };
    assert_eq!((as_of(&made, "/v1/regions"), as_of(&other, "/v1/regions")), (403, 200));
    running.end();

    let valid = |text: &str| {
        fs::write(&file, text).unwrap();
        let output = running::router(&["validate", "--set", &format!("tokens_file={path}")], &data);
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(valid(&text).0, Some(0));
    let (code, said) = valid(&text.replace("\"store\"", "\"stork\""));
    assert!(code == Some(78) && said.contains("E3106") && said.contains("token.role"), "{said}");
}
