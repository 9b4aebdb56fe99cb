//! What no caller should send: always a problem body, never a crash.

use serde_json::{Value, json};

use crate::{exchange::Http, furnished, order};

#[test]
fn every_path_of_the_document_is_served_and_no_other_method() {
    let (_folder, _running, mut http) = furnished();
    let document = http.get("/v1/openapi.json").json();
    assert_eq!(document, http.get("/openapi.json").json());
    for (path, operations) in document["paths"].as_object().unwrap() {
        let path = path.replace("{id}", "web:1");
        let has = |method: &str| operations.get(method).is_some();
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE"] {
            let answer = http.send(method, &path, "content-type: application/json\r\n", b"{}");
            let served = has(&method.to_lowercase());
            assert_eq!(answer.status != 405, served, "{method} {path}: {answer:?}");
            if served {
                let documented = operations[&method.to_lowercase()]["responses"].as_object().unwrap();
                assert!(documented.contains_key(&answer.status.to_string()), "{method} {path}: {answer:?}");
            } else {
                assert_eq!(answer.code(), "E4008", "{method} {path}");
                let allowed = answer.header("allow").unwrap_or_default();
                assert_eq!(
                    (allowed.contains("GET"), allowed.contains("POST")),
                    (has("get"), has("post")),
                    "{path}"
                );
            }
        }
        let options = http.send("OPTIONS", &path, "", b"");
        assert_eq!((options.status, options.header("allow").is_some()), (204, true), "{path}: {options:?}");
        if has("get") {
            let (whole, head) = (http.get(&path), http.send("HEAD", &path, "", b""));
            assert_eq!((head.status, head.text.as_str()), (whole.status, ""), "{path}");
        }
    }
    for path in [
        "/",
        "/v1",
        "/v1/orders/a/b",
        "/v1/stock/unknown",
        "/v1/levels",
        "/v1/log",
        "/v2/orders",
        "/v1/orders/",
    ] {
        let answer = http.get(path);
        assert_eq!((answer.status, answer.code().as_str()), (404, "E4004"), "{path}");
    }
}

#[test]
fn each_wrong_request_has_its_code() {
    let (_folder, _running, mut http) = furnished();
    let (good, json) = (order("x"), "content-type: application/json\r\n");
    let large = format!(r#"{{"channel":"web","id":"1","x":"{}"}}"#, "x".repeat(300_000));
    let with = |more: &str| format!("{json}{more}\r\n");
    let event = |kind: &str| {
        format!(r#"{{"specversion":"1.0","type":"{kind}","data":{{"channel":"web","id":"1","lines":[]}}}}"#)
    };
    for (headers, body, status, code) in [
        ("content-type: text/plain\r\n".to_owned(), good.clone(), 415, "E4009"),
        ("content-type: application/x-www-form-urlencoded\r\n".into(), good.clone(), 415, "E4009"),
        ("content-type: application/json; charset=gbk\r\n".into(), good.clone(), 415, "E4009"),
        ("content-type: \r\n".into(), good.clone(), 415, "E4009"),
        (with("content-encoding: gzip"), good.clone(), 415, "E4009"),
        (with("idempotency-key: "), good.clone(), 400, "E4010"),
        (with(&format!("idempotency-key: {}", "k".repeat(256))), good.clone(), 400, "E4010"),
        (with("idempotency-key: a\r\nidempotency-key: b"), good.clone(), 400, "E4010"),
        (with("idempotency-key: \u{e9}"), good.clone(), 400, "E4010"),
        (with("ce-specversion: 0.3\r\nce-type: order.v1"), good.clone(), 400, "E4010"),
        (with("ce-specversion: 1.0"), good.clone(), 400, "E4010"),
        (with("ce-specversion: 1.0\r\nce-type: cancel.v1"), good.clone(), 422, "E1004"),
        (json.into(), event("zone.v1"), 422, "E1004"),
        (json.into(), event("order.v1"), 422, "E1002"),
        (json.into(), large, 413, "E4007"),
        (json.into(), String::new(), 422, "E1001"),
        (json.into(), "\"".into(), 422, "E1001"),
        (json.into(), "[".repeat(100_000), 422, "E1003"),
        (json.into(), good.replace("web", "w\\u0000b"), 422, "E1002"),
        (json.into(), good.replace("\"qty\":1", "\"qty\":1e400"), 422, "E1001"),
        (json.into(), good.replace("\"qty\":1", "\"qty\":-0.5"), 422, "E1002"),
        (json.into(), good.replace("\"id\":\"x\"", "\"id\":\"\\ud800\""), 422, "E1001"),
        (json.into(), good.replace("\"id\":\"x\"", "\"id\":\"x\",\"id\":\"y\""), 422, "E1001"),
    ] {
        let mut fresh = http_like(&http);
        let answer = fresh.send("POST", "/v1/orders", &headers, body.as_bytes());
        let shown = &body[..body.len().min(100)];
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{headers}{shown}");
    }
    for (path, body, code) in [
        ("/v1/stock/counts", r#"{"node":"nowhere","sku":"A","qty":1}"#, "E1107"),
        ("/v1/nodes", r#"{"id":"s9","zone":"nowhere"}"#, "E1108"),
        ("/v1/nodes", r#"{"id":"s9","zone":"z","calendar":{"time_zone":"Mars/Base"}}"#, "E1002"),
    ] {
        let answer = http.post(path, body);
        assert_eq!((answer.status, answer.code().as_str()), (422, code), "{path} {body}: {answer:?}");
    }
    // No content type at all is taken for JSON.
    assert_eq!(http.send("POST", "/v1/orders", "", good.as_bytes()).status, 201);
    let chunked = "transfer-encoding: chunked\r\ncontent-type: application/json\r\n";
    let mut fresh = http_like(&http);
    fresh.write(format!("POST /v1/orders HTTP/1.1\r\nhost: r\r\n{chunked}\r\n").as_bytes());
    for _ in 0..30 {
        fresh.write(format!("2710\r\n{}\r\n", " ".repeat(10_000)).as_bytes());
    }
    fresh.write(b"0\r\n\r\n");
    let answer = fresh.read(true);
    assert_eq!((answer.status, answer.code().as_str()), (413, "E4007"));
}

/// A connection of its own: a body that was not read ends the one it came on.
fn http_like(http: &Http) -> Http {
    Http::connect(&http.peer())
}

#[test]
fn heads_that_are_no_http_are_turned_away() {
    let (_folder, running, mut http) = furnished();
    for bytes in [
        b"\0\0\0\0\r\n\r\n".to_vec(),
        b"GET /v1/orders HTTP/9.9\r\n\r\n".to_vec(),
        b"POST /v1/orders HTTP/1.1\r\nhost: r\r\ncontent-length: -1\r\n\r\n".to_vec(),
        b"POST /v1/orders HTTP/1.1\r\nhost: r\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}".to_vec(),
        format!("GET /{} HTTP/1.1\r\nhost: r\r\n\r\n", "x".repeat(100_000)).into_bytes(),
        format!("GET / HTTP/1.1\r\nhost: r\r\n{}\r\n", "x: y\r\n".repeat(200)).into_bytes(),
    ] {
        let mut fresh = Http::connect(&running.address);
        fresh.write(&bytes);
        let answer = fresh.read(true);
        assert!((400..500).contains(&answer.status), "{answer:?}");
        assert!(fresh.closed());
    }
    let answer = http.get("/v1/orders/%ff%fe");
    assert_eq!((answer.status, answer.code().as_str()), (400, "E4005"));
    assert_eq!(http.get("/livez").status, 200);
}

#[test]
fn who_sends_slowly_is_let_go() {
    let (_folder, running, _http) = furnished();
    let mut body = Http::connect(&running.address);
    body.write(b"POST /v1/orders HTTP/1.1\r\nhost: r\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{");
    let mut head = Http::connect(&running.address);
    head.write(b"POST /v1/orders HTTP/1.1\r\nhos");
    let answer = body.read(true);
    assert_eq!((answer.status, answer.code().as_str()), (408, "E4011"));
    assert!(body.closed() && head.closed());
}

#[test]
fn unknown_members_and_their_depth_do_not_matter_within_bounds() {
    let (_folder, _running, mut http) = furnished();
    let mut body: Value = serde_json::from_str(&order("deep")).unwrap();
    body["extra"] = json!({ "a": [[[[{ "b": "\u{0}" }]]]] });
    assert_eq!(http.post("/v1/orders", &body.to_string()).status, 201);
}

#[test]
fn who_names_ever_new_channels_is_stopped() {
    let (_folder, _running, mut http) = furnished();
    let refused = (0..2_000).find(|number| {
        let answer = http.post(&format!("/v1/raw/c{number}"), "no message\n");
        if answer.status == 429 {
            assert_eq!(answer.code(), "E4057");
        }
        answer.status != 200
    });
    assert!(refused.is_some_and(|number| number > 900), "{refused:?}");
    // Channels that were there before go on, and so do orders.
    assert!(http.post("/v1/raw/c0", "no message\n").text.contains("dead_letter"));
    assert_eq!(http.post("/v1/orders", &order("after")).status, 201);
}
