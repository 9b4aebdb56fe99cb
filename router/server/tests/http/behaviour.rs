//! What each answer means.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use serde_json::json;

use crate::{exchange::Http, furnished, order};

#[test]
fn an_order_is_created_once_and_said_again() {
    let (_folder, _running, mut http) = furnished();
    let first = http.post("/v1/orders", &order("1"));
    let body = first.json();
    assert_eq!((first.status, &body["answer"]), (201, &json!("accepted")));
    assert!(body["position"].as_str().unwrap().starts_with("intake/"), "{body}");
    let location = first.header("location").unwrap().to_owned();
    assert_eq!(location, format!("/v1/orders/{}", body["order"].as_str().unwrap()));
    // Read at once: the row may still be on its way.
    let shown = http.get(&location);
    assert_eq!((shown.status, &shown.json()["id"]), (200, &json!("1")), "{shown:?}");
    assert!(shown.json()["created_at"].as_str().unwrap().ends_with('Z'), "{shown:?}");

    let again = http.post("/v1/orders", &order("1"));
    let repeat = again.json();
    assert_eq!((again.status, &repeat["answer"], &repeat["order"]), (200, &json!("repeat"), &body["order"]));
    assert_eq!((again.header("location"), &repeat["position"]), (None, &body["position"]));

    let other = http.post("/v1/orders", &order("1").replace("\"qty\":1", "\"qty\":2"));
    assert_eq!((other.status, other.code().as_str()), (409, "E1101"));
    assert_eq!(other.json()["answer"], "refused");
}

#[test]
fn rows_are_there_for_whoever_was_answered() {
    let (_folder, _running, mut http) = furnished();
    for number in 0..200 {
        let answer = http.post("/v1/orders", &order(&number.to_string()));
        let by_id = answer.header("location").unwrap().to_owned();
        let path = if number % 2 == 0 { by_id } else { format!("/v1/orders/web:{number}") };
        assert_eq!(http.get(&path).status, 200, "{path}");
    }
    let known = http.get("/v1/orders/web:1").json()["order"].as_str().unwrap().to_owned();
    let foreign = known.replacen(&known[1..4], if &known[1..4] == "zzz" { "yyy" } else { "zzz" }, 1);
    for unknown in ["web:unknown", "nonsense", &foreign, "o00000000000000000000u"] {
        let answer = http.get(&format!("/v1/orders/{unknown}"));
        assert_eq!((answer.status, answer.code().as_str()), (404, "E4004"), "{unknown}");
    }
}

#[test]
fn a_caller_may_wait_for_the_outcome_or_for_nothing() {
    let (_folder, _running, mut http) = furnished();
    let json = "content-type: application/json\r\n";
    let mut post = |prefer: &str, body: &str| {
        http.send("POST", "/v1/orders", &format!("{json}prefer: {prefer}\r\n"), body.as_bytes())
    };
    let waited = post("wait=20", &order("1"));
    let outcome = waited.json();
    assert_eq!(
        (waited.status, &outcome["answer"], &outcome["nodes"]),
        (201, &json!("outcome"), &json!(["s1"]))
    );
    assert_eq!(waited.header("preference-applied"), Some("wait=20"));
    assert!(waited.header("location").is_some());
    let again = post("wait=20", &order("1"));
    assert_eq!((again.status, &again.json()["repeat"]), (200, &json!(true)));

    let taken = post("respond-async", &order("2"));
    let body = taken.json();
    assert_eq!((taken.status, &body["answer"]), (202, &json!("appended")));
    assert_eq!(taken.header("preference-applied"), Some("respond-async"));
    assert!(body["position"].as_str().unwrap().starts_with("intake/"), "{body}");
    let shown = http.get("/v1/orders/web:2");
    assert_eq!(shown.status, 200, "what is on disk is decided: {shown:?}");
}

#[test]
fn a_fact_before_its_order_waits() {
    let (_folder, _running, mut http) = furnished();
    let early = http.post("/v1/cancels", r#"{"channel":"web","id":"1"}"#);
    assert_eq!((early.status, &early.json()["answer"]), (202, &json!("early")));
    assert_eq!(http.post("/v1/orders", &order("1")).status, 201);
}

#[test]
fn a_change_of_stock_needs_a_key_and_counts_once() {
    let (_folder, _running, mut http) = furnished();
    let receipt = r#"{"node":"s1","sku":"C","qty":5}"#;
    let refused = http.post("/v1/stock/receipts", receipt);
    assert_eq!((refused.status, &refused.json()["pointer"]), (422, &json!("/key")));
    let mut send = |key: &str, more: &str| {
        let headers = format!("content-type: application/json\r\n{key}{more}");
        http.send("POST", "/v1/stock/receipts", &headers, receipt.as_bytes()).status
    };
    assert_eq!([send("idempotency-key: k1\r\n", ""), send("idempotency-key: k1\r\n", "")], [200, 200]);
    // A CloudEvent in binary form names the fact by its source and id.
    let event = "ce-specversion: 1.0\r\nce-type: receipt.v1\r\nce-source: /pos\r\n";
    for id in ["1", "1", "2"] {
        assert_eq!(send(event, &format!("ce-id: {id}\r\n")), 200);
    }
    let event = r#"{"specversion":"1.0","type":"receipt.v1","source":"/pos","id":"3","data":DATA}"#;
    let event = event.replace("DATA", receipt);
    let headers = "content-type: application/cloudevents+json; charset=UTF-8\r\n";
    assert_eq!(http.send("POST", "/v1/stock/receipts", headers, event.as_bytes()).status, 200);
    let on_hand = || http.get("/v1/stock?node=s1&sku=C").json()["rows"][0]["on_hand"].as_i64();
    await_that("on hand is 20", on_hand, Some(20));
}

/// Asks until the answer is there; a router that never gives it fails the test.
fn await_that<T: PartialEq + std::fmt::Debug>(what: &str, mut ask: impl FnMut() -> T, wanted: T) {
    let mut last = None;
    for _ in 0..2000 {
        let answer = ask();
        if answer == wanted {
            return;
        }
        last = Some(answer);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    panic!("{what}: {last:?}");
}

#[test]
fn hours_come_in_local_time() {
    let (_folder, _running, mut http) = furnished();
    let node = r#"{"id":"s3","zone":"z","latitude":31.2304,"longitude":121.4737,"calendar":{"time_zone":"Asia/Shanghai",
        "weekly":{"monday":[{"from":"22:00","to":"02:00"}]},"exceptions":[{"date":"2030-01-01"}]}}"#;
    assert_eq!(http.post("/v1/nodes", node).status, 200);
    let mut shown =
        || http.get("/v1/nodes").json()["rows"].as_array().unwrap().iter().find(|n| n["id"] == "s3").cloned();
    await_that("the node is listed", || shown().is_some(), true);
    let node = shown().unwrap();
    assert_eq!((node["latitude"].as_f64(), node["longitude"].as_f64()), (Some(31.23), Some(121.474)));
    assert_eq!(node["calendar"]["time_zone"], "Asia/Shanghai");
    assert!(node["calendar"]["intervals"].as_u64().unwrap() > 50, "{node}");
}

#[test]
fn a_batch_answers_line_by_line() {
    let (_folder, _running, mut http) = furnished();
    let event = r#"{"specversion":"1.0","type":"count.v1","data":{"node":"s1","sku":"D","qty":3}}"#;
    let lines =
        [&order("1"), "", "not json", &order("1"), event, r#"{"channel":"web"}"#, &order("2")].join("\n");
    let answer = http.send("POST", "/v1/batch", "content-type: application/x-ndjson\r\n", lines.as_bytes());
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/x-ndjson")));
    let rows: Vec<serde_json::Value> =
        answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> =
        rows.iter().map(|row| (row["line"].as_u64().unwrap(), row["status"].as_u64().unwrap())).collect();
    assert_eq!(told, [(1, 201), (3, 422), (4, 200), (5, 200), (6, 422), (7, 201)]);
    assert_eq!(rows[4]["answer"]["pointer"], "/id");
    assert_eq!(rows[1]["answer"]["code"], "E1001");
}

const SECRET: &str = "a-long-enough-secret";

/// Ends with the test.
struct Child(std::process::Child);

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A router that asks for the token in `file`, and its address.
fn with_token(data: &Path, file: &Path) -> (Child, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_router"));
    command.args(["run", "--listen", "127.0.0.1:0", "--token-file"]).arg(file).arg("--data-dir").arg(data);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let ready = lines.find_map(|line| Some(line.split_once("ready on http://")?.1.to_owned()));
    let address = ready.expect("the router ended before it was ready").split(',').next().unwrap().to_owned();
    std::thread::spawn(move || lines.for_each(|line| eprintln!("{line}")));
    (Child(child), address)
}

#[test]
fn a_token_is_asked_for_where_there_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, format!("{SECRET}\n")).unwrap();
    let data = folder.path().join("data");
    let (_running, address) = with_token(&data, &file);
    let mut http = Http::connect(&address);
    let mut status = |path: &str, headers: &str| {
        let answer = http.send("GET", path, headers, b"");
        if answer.status == 401 {
            assert_eq!(
                (answer.code().as_str(), answer.header("www-authenticate")),
                ("E4006", Some("Bearer"))
            );
            assert!(!answer.text.contains(SECRET));
        }
        answer.status
    };
    let right = format!("authorization: Bearer {SECRET}\r\n");
    assert_eq!(status("/v1/orders", &right), 200);
    let wrong = [
        String::new(),
        "authorization: Bearer wrong\r\n".into(),
        format!("authorization: Bearer {SECRET}x\r\n"),
        format!("authorization: {SECRET}\r\n"),
        format!("authorization: bearer{SECRET}\r\n"),
    ];
    for headers in wrong {
        assert_eq!(status("/v1/orders", &headers), 401, "{headers}");
        assert_eq!(status("/v1/stock", &headers), 401, "{headers}");
    }
    for open in ["/livez", "/readyz", "/metrics", "/openapi.json", "/v1/openapi.json"] {
        assert_eq!(status(open, ""), 200, "{open}");
    }
    let posted = http.post("/v1/orders", &order("1"));
    assert_eq!(posted.status, 401);
}

#[test]
fn without_a_token_only_this_machine_is_listened_to() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_router"));
        command.arg("run").args(arguments).arg("--data-dir").arg(folder.path().join("data"));
        let output = command.stdin(Stdio::null()).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (status, said) = run(&["--listen", "0.0.0.0:0"]);
    assert!(status != Some(0) && said.contains("loopback"), "{status:?} {said}");
    let short = folder.path().join("short");
    std::fs::write(&short, "tooshort").unwrap();
    let (status, said) = run(&["--listen", "0.0.0.0:0", "--token-file", short.to_str().unwrap()]);
    assert!(status != Some(0) && said.contains("16 characters") && !said.contains("tooshort"), "{said}");
}
