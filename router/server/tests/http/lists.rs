//! Lists: filters, pages, and what is said of a question that is not right.

use serde_json::json;

use crate::{exchange::Http, furnished, order, running::until};

fn ids(http: &mut Http, query: &str) -> Vec<String> {
    let (mut ids, mut after) = (Vec::new(), String::new());
    loop {
        let answer = http.get(&format!("/v1/orders?limit=2{query}{after}"));
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        let body = answer.json();
        let rows = body["rows"].as_array().unwrap();
        assert!(rows.len() <= 2);
        ids.extend(rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()));
        match body["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return ids,
        }
    }
}

#[test]
fn orders_are_found_by_what_they_are() {
    let (_folder, _running, mut http) = furnished();
    assert_eq!(http.post("/v1/channels", r#"{"id":"shop","default_zone":"z"}"#).status, 200);
    let orders = [
        order("1"),
        order("2").replace("\"A\"", "\"B\""),
        order("3").replace("web", "shop"),
        order("4").replace("\"A\"", "\"NONE\""),
        order("5"),
    ];
    for body in &orders {
        let json = "content-type: application/json\r\nprefer: wait=20\r\n";
        assert_eq!(http.send("POST", "/v1/orders", json, body.as_bytes()).status, 201);
    }
    let last = http.get("/v1/orders/web:5").json();
    assert_eq!(ids(&mut http, ""), ["5", "4", "3", "2", "1"], "newest first");
    // Which queue it waits in is the engine's to say.
    let parked = http.get("/v1/orders/web:4").json()["state"].as_str().unwrap().to_owned();
    assert!(parked.starts_with("parked:"), "{parked}");
    assert_eq!(ids(&mut http, &format!("&state={parked}")), ["4"]);
    assert_eq!(ids(&mut http, "&state=in_fulfilment&channel=web"), ["5", "2", "1"]);
    assert_eq!(ids(&mut http, "&channel=shop"), ["3"]);
    assert_eq!(ids(&mut http, "&sku=B"), ["2"]);
    assert_eq!(ids(&mut http, "&node=s1"), ["5", "3", "2", "1"]);
    assert_eq!(ids(&mut http, "&node=s2"), [""; 0]);
    assert_eq!(ids(&mut http, "&zone=z&external_id=1"), ["1"]);
    assert_eq!(ids(&mut http, "&zone=y"), [""; 0]);
    let at = last["created_at"].as_str().unwrap();
    assert!(ids(&mut http, &format!("&from={at}")).contains(&"5".to_owned()));
    assert!(!ids(&mut http, &format!("&to={at}")).contains(&"5".to_owned()));
    assert_eq!(ids(&mut http, "&from=2000-01-01T00:00:00%2B08:00&to=4102444800000").len(), 5);
    assert_eq!(ids(&mut http, "&to=946684800000"), [""; 0]);
}

#[test]
fn stock_is_found_by_node_and_sku() {
    let (_folder, _running, mut http) = furnished();
    let mut skus = |query: &str| -> Vec<String> {
        let rows = http.get(&format!("/v1/stock{query}")).json()["rows"].clone();
        rows.as_array().unwrap().iter().map(|row| row["sku"].as_str().unwrap().to_owned()).collect()
    };
    until("two cells", || skus("").len() == 2);
    assert_eq!(skus("?node=s1"), ["A", "B"]);
    assert_eq!(skus("?sku=B"), ["B"]);
    assert_eq!(skus("?node=s1&sku=A"), ["A"]);
    assert_eq!(skus("?node=s"), [""; 0]);
}

#[test]
fn a_wrong_question_says_what_was_meant() {
    let (_folder, _running, mut http) = furnished();
    for number in 0..3 {
        http.post("/v1/orders", &order(&number.to_string()));
        http.get(&format!("/v1/orders/web:{number}"));
    }
    let next = http.get("/v1/orders?limit=1&channel=web").json()["next"].as_str().unwrap().to_owned();
    let token = |text: &str| format!("/v1/orders?limit=1&channel=web&after={text}");
    assert_eq!(http.get(&token(&next)).status, 200);
    let changed = format!("{}{}", if next.starts_with('0') { "1" } else { "0" }, &next[1..]);
    for (path, said) in [
        ("/v1/orders?stat=routing".to_owned(), "did you mean state?"),
        ("/v1/orders?zzz=1".into(), "known are state, channel"),
        ("/v1/stock?state=routing".into(), "unknown parameter"),
        ("/v1/nodes?node=1".into(), "unknown parameter"),
        ("/v1/orders?state=lost".into(), "parked:unfillable"),
        ("/v1/orders?limit=0".into(), "from 1 to 500"),
        ("/v1/orders?limit=501".into(), "from 1 to 500"),
        ("/v1/orders?limit=ten".into(), "from 1 to 500"),
        ("/v1/orders?limit=1&limit=2".into(), "twice"),
        ("/v1/orders?from=yesterday".into(), "RFC 3339"),
        ("/v1/orders?from=-1".into(), "RFC 3339"),
        (format!("/v1/orders?channel={}", "x".repeat(2000)), "1024 bytes"),
        (token("xyz"), "`next` of an answer"),
        (token(&changed), "`next` of an answer"),
        (token(&next[..15]), "`next` of an answer"),
        (format!("/v1/orders?limit=1&after={next}"), "`next` of an answer"),
        (format!("/v1/stock?after={next}"), "`next` of an answer"),
    ] {
        let answer = http.get(&path);
        assert_eq!((answer.status, answer.code().as_str()), (400, "E4005"), "{path}");
        let detail = answer.json()["detail"].clone();
        assert!(detail.as_str().unwrap().contains(said), "{path}: {detail}");
    }
    assert_eq!(http.get("/v1/zones").json()["rows"], json!([{ "id": "z", "partition": 0 }]));
}
