//! What a store may know of a customer, and how a customer shows that the order is theirs.

use serde_json::Value;

use crate::{
    exchange::{Answer, Http},
    roles::{bearer, guarded},
    running,
};

fn send(http: &mut Http, role: &str, path: &str, body: &str) -> Answer {
    http.send("POST", path, &format!("{}prefer: wait=30\r\n", bearer(role)), body.as_bytes())
}

fn get(http: &mut Http, role: &str, path: &str) -> Answer {
    http.send("GET", path, &bearer(role), b"")
}

/// An order at s1 with a recipient; its id.
fn ordered(http: &mut Http, id: &str) -> String {
    let body = format!(
        r#"{{"channel":"web","id":"{id}","recipient":{{"name":"Ada Lovelace","phone":"+44 20 555","address":"1 High St"}},
            "gift":{{"from":"Grace","text":"Enjoy"}},"lines":[{{"id":"1","sku":"A","qty":2}}]}}"#
    );
    assert_eq!(send(http, "connector", "/v1/orders", &body).status, 201);
    get(http, "admin", &format!("/v1/orders/web:{id}")).json()["order"].as_str().unwrap().to_owned()
}

fn looks(folder: &std::path::Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("data/access.ndjson")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_store_reads_the_contact_while_it_has_the_work_and_each_look_is_logged() {
    let folder = tempfile::tempdir().unwrap();
    let (_running, mut http) = guarded(folder.path());
    let order = ordered(&mut http, "c1");
    let path = format!("/v1/orders/{order}/contact");
    assert!(looks(folder.path()).is_empty());
    let contact = get(&mut http, "store", &path);
    assert_eq!(contact.status, 200, "{contact:?}");
    let contact = contact.json();
    assert_eq!(
        ["name", "phone", "address"].map(|name| contact[name].as_str().unwrap()),
        ["Ada Lovelace", "+44 20 555", "1 High St"]
    );
    assert_eq!(contact["gift"]["from"], "Grace");
    let logged = looks(folder.path());
    assert_eq!(logged.len(), 1);
    assert_eq!(
        ["what", "order", "actor"].map(|name| logged[0][name].as_str().unwrap()),
        ["contact opened", order.as_str(), "store-1"]
    );
    assert!(logged[0]["at"].is_string());

    // Of others nothing, and no look.
    assert_eq!(get(&mut http, "store", "/v1/orders/shop:2/contact").status, 404);
    assert_eq!(get(&mut http, "viewer", &path).code(), "E4016");
    assert_eq!(get(&mut http, "connector", &path).code(), "E4016");
    assert_eq!(looks(folder.path()).len(), 1);

    let shipped = format!(r#"{{"order":"{order}","node":"s1"}}"#);
    assert_eq!(send(&mut http, "store", "/v1/fulfilments/shipped", &shipped).status, 200);
    let over = || get(&mut Http::connect(&_running.address), "store", &path);
    // The row follows the answer a little later.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while over().status == 200 {
        assert!(std::time::Instant::now() < deadline, "the store has no work and reads the contact");
    }
    assert_eq!((over().status, over().code().as_str()), (403, "E4023"));
    let before = looks(folder.path()).len();
    assert_eq!(get(&mut http, "operations", &path).status, 200);
    assert_eq!(looks(folder.path()).len(), before + 1);

    // What cannot be logged is not shown.
    let access = folder.path().join("data/access.ndjson");
    std::fs::remove_file(&access).unwrap();
    std::fs::create_dir(&access).unwrap();
    let refused = get(&mut http, "operations", &path);
    assert_eq!((refused.status, refused.code().as_str()), (503, "E4055"));
    assert!(!refused.text.contains("Ada"));
}

#[test]
fn a_hand_over_takes_the_orders_code_and_no_other_and_the_log_has_none() {
    let folder = tempfile::tempdir().unwrap();
    let (_running, mut http) = guarded(folder.path());
    let (order, other) = (ordered(&mut http, "p1"), ordered(&mut http, "p2"));
    let code = |http: &mut Http, order: &str| {
        let answer = get(http, "connector", &format!("/v1/orders/{order}/pickup-code"));
        answer.json()["code"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
    };
    let (mine, others) = (code(&mut http, &order), code(&mut http, &other));
    assert_eq!((mine.len(), &code(&mut http, "web:p1")), (6, &mine));
    assert_eq!(get(&mut http, "store", &format!("/v1/orders/{order}/pickup-code")).code(), "E4016");

    let body = |order: &str, rest: &str| format!(r#"{{"order":"{order}","node":"s1"{rest}}}"#);
    let path = "/v1/fulfilments/handed_over";
    let wrong: String = mine.chars().map(|c| if c == '9' { '0' } else { (c as u8 + 1) as char }).collect();
    let with = |code: &str| format!(r#","code":"{code}","lines":[{{"line":"1","qty":1}}]"#);
    for tried in 1..=5 {
        let answer = match tried {
            // By the line, and as an event: the same check.
            2 => {
                let event = format!(
                    r#"{{"specversion":"1.0","type":"handed_over.v1","id":"{tried}","source":"/till","data":{}}}"#,
                    body(&order, &with(&wrong))
                );
                let answer = send(&mut http, "store", "/v1/batch", &event).json();
                assert_eq!(
                    (answer["status"].as_u64(), answer["answer"]["code"].as_str()),
                    (Some(422), Some("E4021"))
                );
                continue;
            }
            _ => send(&mut http, "store", path, &body(&order, &with(&wrong))),
        };
        assert_eq!(
            (answer.status, answer.code().as_str(), answer.json()["pointer"].as_str()),
            (422, "E4021", Some("/code"))
        );
    }
    let locked = send(&mut http, "store", path, &body(&order, &with(&mine)));
    assert_eq!(
        (locked.status, locked.code().as_str(), locked.header("retry-after")),
        (429, "E4022", Some("600"))
    );
    let row = get(&mut http, "admin", &format!("/v1/orders/{order}")).json();
    assert_eq!(row["fulfilments"][0]["shipped"], 0, "nothing was handed over: {row}");

    // Another order's tries are its own; its code is taken, and then all is handed over on the store's word.
    assert_eq!(send(&mut http, "store", path, &body(&other, &with(&others))).status, 200);
    assert_eq!(send(&mut http, "store", path, &body(&other, "")).status, 200);
    let state = |http: &mut Http| get(http, "admin", &format!("/v1/orders/{other}")).json()["state"].clone();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while state(&mut http) != "completed" {
        assert!(std::time::Instant::now() < deadline, "{}", state(&mut http));
    }
    let hidden = send(&mut http, "store", path, &body("o000000000000000000000", &with(&mine)));
    assert_eq!((hidden.status, hidden.code().as_str()), (422, "E1103"));

    let data = folder.path().join("data");
    let mut said = 0;
    for partition in ["0", "1", "2", "3"] {
        let output =
            running::router(&["log", "cat", "commands", "--partition", partition, "--limit", "1000"], &data);
        for line in
            String::from_utf8(output.stdout).unwrap().lines().filter(|line| line.contains("handed_over"))
        {
            said += 1;
            assert!(!line.contains("code") && !line.contains(&format!("\"{others}\"")), "{line}");
        }
    }
    assert_eq!(said, 2);
}

/// A connector's raw topic carries what a connector may send, whatever kind an event names.
#[test]
fn a_raw_topic_is_no_way_round_the_roles() {
    let folder = tempfile::tempdir().unwrap();
    let (_running, mut http) = guarded(folder.path());
    let event = |kind: &str, data: &str| {
        format!(r#"{{"specversion":"1.0","type":"{kind}","id":"{kind}","source":"/web","data":{data}}}"#)
    };
    for (role, kind, data, code) in [
        ("connector", "node.v1", r#"{"id":"s9","zone":"z"}"#, "E4016"),
        ("connector", "count.v1", r#"{"node":"s1","sku":"A","qty":0}"#, "E4016"),
        ("connector", "steer.v1", r#"{"channel":"web","id":"1","act":"approve","key":"1"}"#, "E4016"),
        (
            "admin",
            "handed_over.v1",
            r#"{"order":"o000000000000000000000","node":"s1","code":"123456"}"#,
            "E4021",
        ),
    ] {
        let answer = send(&mut http, role, "/v1/raw/web", &event(kind, data));
        let line: Value = serde_json::from_str(answer.text.lines().next().unwrap()).unwrap();
        assert_eq!(
            (line["status"].as_u64(), line["answer"]["code"].as_str()),
            (Some(202), Some(code)),
            "{line}"
        );
    }
    assert!(!get(&mut http, "admin", "/v1/nodes").text.contains("s9"));
}
