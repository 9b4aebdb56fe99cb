//! What nodes and operations say of work, and what of it is not taken.

use router_ingest::decode::pickup_code;
use router_schemas::{
    command::{Command, offer::NodeAct, order::LineQty, steer::Steering},
    quantity::Qty,
};

use super::Reader;

const ORDER: &str = "o2kq9m0g4000000000000a";

/// A message of a node about the order.
fn of_node(rest: &str) -> String {
    format!(r#"{{"order":"{ORDER}","node":"s1"{rest}}}"#)
}

fn steer(rest: &str) -> String {
    format!(r#"{{"channel":"web","id":"7"{rest}}}"#)
}

#[test]
fn what_a_node_says_of_its_work_arrives_whole() {
    let reader = Reader::new();
    let offer = "f2kq9m0g40000000000000abc";
    let text = of_node(&format!(r#","offer":"{offer}","epoch":3,"key":"k""#));
    let Ok(Command::Claim(claim)) = reader.read("claim.v1", &text) else { panic!("{text}") };
    let named = claim.offer.map(|offer| offer.to_string());
    assert_eq!((claim.order.to_string().as_str(), named.as_deref()), (ORDER, Some(offer)));
    assert_eq!((claim.node.as_str(), claim.epoch, claim.key.is_some()), ("s1", 3, true));
    let text = of_node(r#","reason":"damaged","lines":[{"line":"1","qty":"0.5"},{"line":"2"}]"#);
    let Ok(Command::Decline(decline)) = reader.read("decline.v1", &text) else { panic!("{text}") };
    let lines = [("1", Some(Qty(500))), ("2", None)].map(|(line, qty)| LineQty { line: line.into(), qty });
    assert_eq!((decline.reason.as_str(), decline.lines), ("damaged", lines.to_vec()));
    assert_eq!((decline.offer, decline.key), (None, None), "without a key it may be said again");
    let text = of_node(r#","granted":true"#);
    let Ok(Command::CancelAnswer(answer)) = reader.read("cancel_answer.v1", &text) else { panic!("{text}") };
    assert!(answer.granted && answer.key.is_none());
    let Ok(Command::Accepted(fact)) = reader.read("accepted.v1", of_node("")) else { panic!("accepted") };
    assert_eq!((fact.node.as_str(), fact.key), ("s1", None));
    let handed = |rest: &str| match reader.read("handed_over.v1", of_node(rest)) {
        Ok(Command::HandedOver(fact)) => fact.key,
        other => panic!("{other:?}"),
    };
    assert_eq!(handed(""), handed(""), "its content names it, as that of a shipment does");
    assert_ne!(handed(""), handed(r#","lines":[{"line":"1"}]"#));
    assert_eq!(handed(""), handed(r#","code":"000017""#), "the code is no part of it");
    let event = |data: &str| format!(r#"{{"specversion":"1.0","type":"handed_over.v1","data":{data}}}"#);
    for (message, code) in [
        (of_node(""), None),
        (of_node(r#","code":"000017""#), Some("000017")),
        (event(&of_node(r#","code":"000017""#)), Some("000017")),
        (event(&of_node(r#","c\u006fde":"000017""#)), Some("000017")),
        (event(&of_node("")), None),
    ] {
        assert!(reader.read("handed_over.v1", &message).is_ok(), "{message}");
        assert_eq!(pickup_code(message.as_bytes()).as_deref(), code, "{message}");
    }
    let cancel = |rest: &str| match reader.read("cancel.v1", steer(rest)) {
        Ok(Command::Cancel(cancel)) => cancel.ask,
        other => panic!("{other:?}"),
    };
    assert_eq!((cancel(""), cancel(r#","ask":true"#)), (false, true));
}

#[test]
fn what_is_asked_about_a_node_and_an_order_arrives_whole() {
    let reader = Reader::new();
    let act = |rest: &str| match reader.read("node_request.v1", format!(r#"{{"node":"s1"{rest}}}"#)) {
        Ok(Command::Node(request)) => request.act,
        other => panic!("{rest}: {other:?}"),
    };
    assert_eq!(act(r#","act":"pause""#), NodeAct::Pause(None));
    let until = r#","act":"pause","until":"2026-05-04T10:00:00Z""#;
    assert_eq!(act(until), NodeAct::Pause(Some(1_777_888_800_000)));
    assert_eq!(act(r#","act":"resume""#), NodeAct::Resume);
    assert_eq!(act(r#","act":"evacuate""#), NodeAct::Evacuate);
    let act = |rest: &str| match reader.read("steer.v1", steer(&format!(r#"{rest},"key":"k""#))) {
        Ok(Command::Steer(steer)) => steer.act,
        other => panic!("{rest}: {other:?}"),
    };
    let (node, line) = ("s1".to_owned(), LineQty { line: "1".into(), qty: None });
    assert_eq!(act(r#","act":"retry","forgive":true"#), Steering::Retry { forgive: true });
    let moved = Steering::Reroute { node: Some(node.clone()), lines: vec![line.clone()], same_node: true };
    assert_eq!(act(r#","act":"reroute","node":"s1","lines":[{"line":"1"}],"same_node":true"#), moved);
    let given = Steering::Assign { node, lines: vec![] };
    assert_eq!(act(r#","act":"assign","node":"s1""#), given);
    assert_eq!(act(r#","act":"approve""#), Steering::Approve);
}

#[test]
fn what_contradicts_itself_names_its_place() {
    let reader = Reader::new();
    let long = format!("\"{}\"", "x".repeat(65));
    for (kind, text, pointer) in [
        ("claim.v1", of_node(""), "/epoch"),
        ("claim.v1", of_node(r#","epoch":1,"offer":"f1""#), "/offer"),
        ("decline.v1", of_node(""), "/reason"),
        ("decline.v1", of_node(&format!(r#","reason":{long}"#)), "/reason"),
        ("decline.v1", of_node(r#","reason":"other","lines":[]"#), "/lines"),
        ("cancel_answer.v1", of_node(""), "/granted"),
        ("accepted.v1", of_node(r#","lines":[{"line":"1","qty":0}]"#), "/lines/0/qty"),
        ("handed_over.v1", of_node(r#","key":"""#), "/key"),
        ("handed_over.v1", of_node(r#","code":"12345""#), "/code"),
        ("handed_over.v1", of_node(r#","code":"12345x""#), "/code"),
        ("handed_over.v1", of_node(r#","code":123456"#), "/code"),
        ("node_request.v1", r#"{"node":"s1","act":"burn"}"#.into(), "/act"),
        ("node_request.v1", r#"{"node":"","act":"pause"}"#.into(), "/node"),
        (
            "node_request.v1",
            r#"{"node":"s1","act":"resume","until":"2026-05-04T10:00:00Z"}"#.into(),
            "/until",
        ),
        ("steer.v1", steer(r#","act":"approve""#), "/key"),
        ("steer.v1", steer(r#","act":"assign","key":"k""#), "/node"),
        ("steer.v1", steer(r#","act":"retry","node":"s1","key":"k""#), "/node"),
        ("steer.v1", steer(r#","act":"approve","forgive":true,"key":"k""#), "/forgive"),
        ("steer.v1", steer(r#","act":"assign","node":"s1","same_node":true,"key":"k""#), "/same_node"),
        ("steer.v1", steer(r#","act":"approve","lines":[{"line":"1"}],"key":"k""#), "/lines"),
    ] {
        let rejected = reader.read(kind, &text).unwrap_err();
        assert_eq!(rejected.pointer, pointer, "{kind} {text}: {rejected}");
    }
    // A key that comes with the message serves as well.
    assert!(reader.read_with(Some("k"), "steer.v1", steer(r#","act":"approve""#)).is_ok());
}
