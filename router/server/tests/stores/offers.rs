//! Offers over HTTP: what stores hear, and what is answered to whom.

use serde_json::{Value, json};

use crate::{
    hear::{Hear, Heard},
    running::{Client, until},
    shop::{id, line, place, start},
};

fn claim(client: &mut Client, order: &str, node: &str, epoch: u64, key: &str) -> (u16, Value) {
    let body = json!({ "order": order, "node": node, "epoch": epoch, "key": key });
    client.post("/v1/offers/claims", &body.to_string()).unwrap()
}

fn offer_of(client: &mut Client, node: &str) -> Value {
    let (status, page) = client.get(&format!("/v1/nodes/{node}/offers"));
    assert_eq!(status, 200, "{page}");
    page["rows"][0].clone()
}

#[test]
fn the_first_claim_wins_and_everyone_else_is_told_why_not() {
    let folder = tempfile::tempdir().unwrap();
    let (_running, mut client) = start(folder.path());
    assert_eq!(place(&mut client, "web", "1", &line("1", "A", 2))["state"], "offered");
    until("no offer is listed", || !offer_of(&mut client, "s1").is_null());
    let (order, offer) = (id(&mut client, "web:1"), offer_of(&mut client, "s1"));
    let epoch = offer["epoch"].as_u64().unwrap();
    let refused = |(status, answer): (u16, Value)| {
        assert_eq!((status, answer["answer"].as_str()), (409, Some("refused")), "{answer}");
        assert!(answer["hint"].is_string() && answer["position"].is_string());
        answer["code"].as_str().unwrap().to_owned()
    };
    assert_eq!(refused(claim(&mut client, &order, "s1", epoch + 1, "old")), "E1121");
    assert_eq!(
        refused(claim(&mut client, &order, "s3", epoch, "k3")),
        "E1122",
        "s3 has no stock, and no offer"
    );
    let (status, first) = claim(&mut client, &order, "s1", epoch, "k1");
    assert_eq!((status, &first["repeat"], &first["nodes"]), (200, &json!(false), &json!(["s1"])));
    // The answer was lost, and another till of the store asks again.
    for key in ["k1", "another till"] {
        let (status, again) = claim(&mut client, &order, "s1", epoch, key);
        assert_eq!((status, &again["repeat"]), (200, &json!(true)), "{again}");
        assert_eq!(["order", "state", "nodes"].map(|name| again[name] == first[name]), [true; 3]);
    }
    assert_eq!(refused(claim(&mut client, &order, "s2", epoch, "k2")), "E1120");
    assert_eq!(refused(claim(&mut client, "o000000000000000000000", "s2", epoch, "k2")), "E1122");

    let decline = |node: &str, reason: &str, more: &str| {
        format!(r#"{{"order":"{order}","node":"{node}","reason":"{reason}"{more}}}"#)
    };
    let path = "/v1/offers/declines";
    let (status, answer) = client.post(path, &decline("s1", "no such reason", "")).unwrap();
    assert_eq!((status, answer["code"].as_str()), (422, Some("E1124")));
    let (status, answer) = client.post(path, &decline("s1", "busy", r#","lines":[{"line":"9"}]"#)).unwrap();
    assert_eq!((status, answer["code"].as_str()), (422, Some("E1104")));
    assert_eq!(refused(client.post(path, &decline("s3", "busy", "")).unwrap()), "E1122");
    // What was given back is offered again, and not to who gave it back.
    let (status, answer) = client.post(path, &decline("s1", "busy", "")).unwrap();
    assert_eq!((status, answer["state"].as_str()), (200, Some("offered")), "{answer}");
    until("nothing is offered again", || {
        offer_of(&mut client, "s2")["epoch"].as_u64().is_some_and(|e| e > epoch)
    });
    assert_eq!(refused(claim(&mut client, &order, "s1", epoch, "k1")), "E1122");
}

fn told(heard: &Heard) -> (String, String) {
    (heard.event.clone(), heard.order().to_owned())
}

#[test]
fn stores_hear_offers_open_and_close_live() {
    let folder = tempfile::tempdir().unwrap();
    let (running, mut client) = start(folder.path());
    let mut streams = ["s1", "s2"].map(|node| Hear::open(&running.address, node, "").unwrap());
    streams.iter_mut().for_each(|stream| assert_eq!(stream.next().unwrap().event, "reconcile"));
    let [mut s1, mut s2] = streams;
    let pair = |event: &str, id: &str| (event.to_owned(), id.to_owned());

    place(&mut client, "web", "1", &line("1", "A", 2));
    let (first, second) = (s1.next().unwrap(), s2.next().unwrap());
    assert_eq!((told(&first), told(&second)), (pair("offered", "1"), pair("offered", "1")));
    let offer = &first.data;
    assert_eq!(["number", "remark"].map(|name| offer[name].as_str().unwrap()), ["N-1", "ring twice"]);
    assert_eq!((offer["day_sequence"].as_u64(), offer["node"].as_str()), (Some(7), Some("s1")));
    let shown = &offer["lines"][0];
    assert_eq!(
        (shown["name"].as_str(), &shown["options"], &shown["qty"]),
        (Some("Item A"), &json!(["large"]), &json!(2))
    );
    assert!(offer["deadline"].as_i64() > offer["at"].as_i64(), "{offer}");
    assert!(offer["distance_m"].as_u64().is_some_and(|m| (1_000..1_500).contains(&m)), "{offer}");
    assert!(!offer.to_string().contains("Ada"), "the customer's name");

    // What is open stands in the first event of whoever comes now.
    let anew = Hear::open(&running.address, "s1", "").unwrap().next().unwrap();
    let listed = &anew.data["offers"][0];
    assert_eq!((&listed["offer"], &listed["epoch"]), (&offer["offer"], &offer["epoch"]));
    assert!(listed["deadline"].is_string() && listed["nodes"].as_array().unwrap().len() == 1);

    let order = id(&mut client, "web:1");
    let (status, _) = claim(&mut client, &order, "s2", offer["epoch"].as_u64().unwrap(), "k");
    assert_eq!(status, 200);
    let closed = s1.next().unwrap();
    assert_eq!((told(&closed), closed.data["reason"].as_str()), (pair("closed", "1"), Some("taken")));
    let assigned = s2.until("assigned");
    assert_eq!((assigned.order(), assigned.data["lines"][0]["qty"].as_u64()), ("1", Some(2)));
    assert!(assigned.data["deadline"].is_i64(), "when it is to be accepted: {}", assigned.data);
    let todo = Hear::open(&running.address, "s2", "").unwrap().next().unwrap();
    assert!(todo.data["work"][0]["deadline"].is_string(), "{}", todo.data);

    // The customer thinks better of it: what is open closes, what is assigned is withdrawn.
    place(&mut client, "web", "2", &line("1", "A", 1));
    let behind = s1.until("offered").id;
    client.must("/v1/cancels", r#"{"channel":"web","id":"2"}"#);
    client.must("/v1/cancels", r#"{"channel":"web","id":"1"}"#);
    let closed = s1.until("closed");
    assert_eq!((closed.order(), closed.data["reason"].as_str()), ("2", Some("withdrawn")));
    assert_eq!(s2.until("withdrawn").order(), "1");
    let missed = Hear::behind(&running.address, "s1", &behind).next().unwrap();
    assert_eq!(told(&missed), pair("closed", "2"));
}
