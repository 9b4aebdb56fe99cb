//! Every path × every role × what is the caller's own and what is another's. A path of the document without a row here
//! fails the test.

mod table;

use std::{collections::BTreeSet, fs, path::Path};

use table::{AGENT, CONNECTOR, NONE, ROLES, ROWS, Row, SKIP, STORE};

use crate::{
    exchange::{Answer, Http},
    running::Running,
};

/// The token of a role.
pub(crate) fn token(role: &str) -> String {
    format!("the token of the role {role}").replace(' ', "-")
}

/// The header with the token of a role.
pub(crate) fn bearer(role: &str) -> String {
    format!("authorization: Bearer {}\r\ncontent-type: application/json\r\n", token(role))
}

/// An entry of the tokens file for a role.
pub(crate) fn entry(role: &str, bound: &str) -> String {
    use sha2::{Digest, Sha256};
    let hash: String = Sha256::digest(token(role).as_bytes()).iter().map(|b| format!("{b:02x}")).collect();
    format!("[[token]]\nname = \"{role}-1\"\nrole = \"{role}\"\nsha256 = \"{hash}\"\n{bound}\n")
}

/// A router with a token for each role, two channels, and a store with an order of each.
pub(crate) fn guarded(folder: &Path) -> (Running, Http) {
    let file = folder.join("tokens.toml");
    fs::write(&file, ROLES.iter().map(|(role, bound)| entry(role, bound)).collect::<String>()).unwrap();
    let data = folder.join("data");
    let running = Running::start_with(&data, &["--tokens-file", file.to_str().unwrap()]);
    let mut http = Http::connect(&running.address);
    for (path, body) in [
        ("/v1/zones", r#"{"id":"z"}"#),
        ("/v1/channels", r#"{"id":"web","default_zone":"z"}"#),
        ("/v1/channels", r#"{"id":"shop","default_zone":"z"}"#),
        ("/v1/nodes", r#"{"id":"s1","zone":"z"}"#),
        ("/v1/nodes", r#"{"id":"s2","zone":"z"}"#),
        ("/v1/items", r#"{"sku":"A"}"#),
        ("/v1/items", r#"{"sku":"B"}"#),
        ("/v1/regions", r#"{"id":"1","zone":"z"}"#),
        ("/v1/stock/counts", r#"{"node":"s1","sku":"A","qty":1000}"#),
        ("/v1/stock/counts", r#"{"node":"s2","sku":"B","qty":1000}"#),
        ("/v1/orders", r#"{"channel":"web","id":"1","lines":[{"sku":"A","qty":1}]}"#),
        ("/v1/orders", r#"{"channel":"shop","id":"2","lines":[{"sku":"B","qty":1}]}"#),
        ("/v1/orders", r#"{"channel":"web","id":"work","lines":[{"sku":"A","qty":1}]}"#),
        ("/v1/orders", r#"{"channel":"shop","id":"work","lines":[{"sku":"B","qty":1}]}"#),
        ("/v1/orders", r#"{"channel":"shop","id":"parked","lines":[{"sku":"C","qty":1}]}"#),
    ] {
        let headers = format!("{}prefer: wait=30\r\n", bearer("admin"));
        let answer = ask(&mut http, "POST", path, &headers, body);
        assert!(answer.status < 300, "{path} {body}: {answer:?}");
    }
    (running, http)
}

/// As asked; a router whose engine is behind is asked again.
fn ask(http: &mut Http, method: &str, path: &str, headers: &str, body: &str) -> Answer {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    loop {
        let answer = http.send(method, path, headers, body.as_bytes());
        if answer.status != 429 || std::time::Instant::now() > deadline {
            return answer;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

/// What the router says to this, in the words of the table.
fn asked(running: &Running, http: &mut Http, method: &str, path: &str, headers: &str, body: &str) -> u16 {
    if path.ends_with("/stream") {
        // It has no end.
        return Http::connect(&running.address).head(path, headers);
    }
    let answer = ask(http, &method.to_uppercase(), path, headers, body);
    if answer.header("content-type") == Some("application/x-ndjson") {
        let line: serde_json::Value = serde_json::from_str(answer.text.lines().next().unwrap()).unwrap();
        return line["status"].as_u64().unwrap() as u16;
    }
    if matches!(answer.status, 401 | 403) {
        let codes: &[&str] = if answer.status == 401 { &["E4006"] } else { &["E4016", "E4017"] };
        assert!(codes.contains(&answer.code().as_str()), "{path}: {answer:?}");
    }
    let list = serde_json::from_str::<serde_json::Value>(&answer.text).ok();
    let rows = list.as_ref().and_then(|list| list["rows"].as_array());
    if answer.status == 200 && rows.is_some_and(Vec::is_empty) { NONE } else { answer.status }
}

#[test]
fn every_path_answers_every_role_as_the_table_says() {
    let folder = tempfile::tempdir().unwrap();
    let (running, mut http) = guarded(folder.path());
    let document = http.get("/v1/openapi.json").json();
    let mut said = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        said.extend(methods.as_object().unwrap().keys().map(|method| (method.clone(), path.clone())));
    }
    let rows: BTreeSet<_> = ROWS.iter().map(|row| (row.method.to_owned(), row.path.to_owned())).collect();
    assert_eq!(said, rows, "the paths of the document are those of the table");

    let mut orders = Vec::new();
    for name in ["web:1", "shop:2", "web:work", "shop:work"] {
        let order = ask(&mut http, "GET", &format!("/v1/orders/{name}"), &bearer("admin"), "").json();
        orders.push((format!("@{name}"), order["order"].as_str().unwrap().to_owned()));
    }
    let (mut number, mut wrong) = (1000, Vec::new());
    for Row { method, path, own, other } in ROWS {
        for (whose, (asked_for, body, wanted)) in [("own", own), ("other", other)] {
            for ((role, _), wanted) in ROLES.iter().zip(wanted) {
                number += 1;
                let filled = |text: &str| {
                    let text = text.replace("@n", &number.to_string());
                    orders.iter().fold(text, |text, (name, id)| text.replace(name, id))
                };
                let (asked_for, body) = (filled(asked_for), filled(body));
                let mut got = |headers: &str| asked(&running, &mut http, method, &asked_for, headers, &body);
                let open = matches!(
                    *path,
                    "/livez"
                        | "/readyz"
                        | "/metrics"
                        | "/v1/openapi.json"
                        | "/openapi.json"
                        | "/v1/asyncapi.json"
                );
                for nobody in ["", "authorization: Bearer the-token-of-nobody\r\n"] {
                    let (got, wanted) = (got(nobody), if open { 200 } else { 401 });
                    if got != wanted {
                        wrong.push(format!("{method} {asked_for} without a token: {got}, not {wanted}"));
                    }
                }
                if *wanted == SKIP {
                    continue;
                }
                let got = got(&bearer(role));
                if got != *wanted {
                    wrong.push(format!(
                        "{method} {asked_for} ({whose}) {body} as {role}: {got}, not {wanted}"
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!((ROLES[CONNECTOR].0, ROLES[STORE].0, ROLES[AGENT].0), ("connector", "store", "agent"));
}

/// Whoever may not know of a thing gets, to the byte, what is said of one that is not there.
#[test]
fn what_is_hidden_looks_like_what_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let (_running, mut http) = guarded(folder.path());
    for (role, hidden, missing) in [
        ("store", "/v1/orders/shop:2", "/v1/orders/shop:none"),
        ("connector", "/v1/orders/shop:2", "/v1/orders/shop:none"),
        ("connector", "/v1/holds/shop:2", "/v1/holds/shop:none"),
        ("store", "/v1/nodes/s2/work", "/v1/nodes/nowhere/work"),
        ("store", "/v1/nodes/s2/stream", "/v1/nodes/nowhere/stream"),
        ("store", "/v1/stock?node=s2", "/v1/stock?node=nowhere"),
    ] {
        let (hidden, missing) = (
            ask(&mut http, "GET", hidden, &bearer(role), ""),
            ask(&mut http, "GET", missing, &bearer(role), ""),
        );
        assert_eq!((hidden.status, &hidden.text), (missing.status, &missing.text), "{role}");
    }
    let mut counted = |node: &str| {
        let body = format!(r#"{{"node":"{node}","sku":"B","qty":1}}"#);
        let answer = ask(&mut http, "POST", "/v1/stock/counts", &bearer("store"), &body);
        (answer.status, answer.text)
    };
    let hidden = counted("s2");
    assert_eq!((hidden.0, &hidden), (403, &counted("nowhere")));
}

#[test]
fn a_store_sees_its_part_of_an_order() {
    let folder = tempfile::tempdir().unwrap();
    let (_running, mut http) = guarded(folder.path());
    let both = r#"{"channel":"web","id":"both","member":"M-1","lines":[{"id":"a","sku":"A","qty":1},{"id":"b","sku":"B","qty":1}]}"#;
    let headers = format!("{}prefer: wait=30\r\n", bearer("admin"));
    let outcome = ask(&mut http, "POST", "/v1/orders", &headers, both).json();
    assert_eq!(outcome["nodes"], serde_json::json!(["s1", "s2"]), "{outcome}");
    let nodes = |order: &serde_json::Value| {
        let rows = order["fulfilments"].as_array().unwrap().clone();
        rows.into_iter().map(|row| row["node"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let whole = ask(&mut http, "GET", "/v1/orders/web:both", &bearer("viewer"), "").json();
    assert_eq!((whole["lines"].as_array().unwrap().len(), nodes(&whole).len()), (2, 2));
    let alone = ask(&mut http, "GET", "/v1/orders/web:both", &bearer("store"), "").json();
    assert_eq!((nodes(&alone), &alone["member"]), (vec!["s1".to_owned()], &serde_json::Value::Null));
    let lines = alone["lines"].as_array().unwrap();
    assert_eq!((lines.len(), &lines[0]["line"]), (1, &serde_json::json!("a")));
    let listed = ask(&mut http, "GET", "/v1/orders?external_id=both", &bearer("store"), "").json();
    assert_eq!(listed["rows"][0], alone);
    for (path, role, name) in [("/v1/nodes", "store", "s1"), ("/v1/channels", "connector", "web")] {
        let page = ask(&mut http, "GET", path, &bearer(role), "").json();
        let rows = page["rows"].as_array().unwrap();
        assert_eq!((rows.len(), &rows[0]["id"]), (1, &serde_json::json!(name)), "{path}");
    }
}
