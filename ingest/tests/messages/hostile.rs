//! What is not taken: each with its code and the place that it names, and never with the value.

use serde_json::{Value, json};

use super::Reader;

fn order() -> Value {
    json!({ "channel": "web", "id": "1", "recipient": { "name": "Ada" }, "totals": {}, "payment": {},
        "promise": { "from": "2026-05-04T11:00:00Z", "to": "2026-05-04T12:00:00Z" }, "gift": {}, "invoice": {},
        "lines": [{ "sku": "A", "qty": 1 }, { "sku": "B", "qty": 2, "travellers": [{ "name": "Grace" }] }] })
}

#[test]
fn each_bound_of_an_order_names_its_own_place() {
    let (reader, long, nul) = (Reader::new(), "x".repeat(2000), "a\0b");
    let strings = |count| vec!["a"; count];
    for (pointer, value, code) in [
        ("/channel", json!(""), "E1002"),
        ("/channel", json!(nul), "E1002"),
        ("/channel", json!("x".repeat(65)), "E1003"),
        ("/channel", json!(7), "E1001"),
        ("/account", json!("a\nb"), "E1002"),
        ("/id", json!(""), "E1002"),
        ("/id", json!("x".repeat(129)), "E1003"),
        ("/id", json!("a\u{85}b"), "E1002"),
        ("/version", json!(-1), "E1001"),
        ("/updated_at", json!("yesterday"), "E1001"),
        ("/placed_at", json!("1969-12-31T23:59:59Z"), "E1001"),
        ("/number", json!(""), "E1002"),
        ("/day_sequence", json!(4_294_967_296u64), "E1001"),
        ("/payment/state", json!("stolen"), "E1001"),
        ("/payment/method", json!(long), "E1003"),
        ("/currency", json!("cny"), "E1001"),
        ("/totals/goods", json!(-1), "E1002"),
        ("/totals/discount_platform", json!(-1), "E1002"),
        ("/totals/discount_seller", json!(-1), "E1002"),
        ("/totals/delivery", json!(-1), "E1002"),
        ("/totals/tax", json!(1_000_000_000_000_001i64), "E1003"),
        ("/totals/due", json!(1.5), "E1001"),
        ("/promise/to", json!("2026-05-04T10:59:59Z"), "E1002"),
        ("/not_before", json!(12), "E1001"),
        ("/delivery_mode", json!("drone"), "E1001"),
        ("/node", json!(""), "E1002"),
        ("/pinned", json!(true), "E1002"),
        ("/region", json!("-DE"), "E1002"),
        ("/region", json!("上海"), "E1002"),
        ("/language", json!("zh_CN"), "E1002"),
        ("/remark", json!(long), "E1003"),
        ("/remark", json!("a\u{7}b"), "E1002"),
        ("/recipient/name", json!(long), "E1003"),
        ("/recipient/phone", json!(nul), "E1002"),
        ("/recipient/address", json!(long), "E1003"),
        ("/gift/from", json!(long), "E1003"),
        ("/gift/text", json!(nul), "E1002"),
        ("/invoice/title", json!(long), "E1003"),
        ("/invoice/tax_id", json!(long), "E1003"),
        ("/invoice/email", json!(long), "E1003"),
        ("/member", json!(long), "E1003"),
        ("/tags", json!(strings(33)), "E1003"),
        ("/tags/1", json!(""), "E1002"),
        ("/priority", json!(256), "E1001"),
        ("/lines", json!([]), "E1002"),
        ("/lines", Value::Null, "E1001"),
        ("/lines/0/id", json!("2"), "E1002"),
        ("/lines/0/sku", json!("a\u{1f}"), "E1002"),
        ("/lines/0/external_id", json!(long), "E1003"),
        ("/lines/0/name", json!(long), "E1003"),
        ("/lines/0/options", json!(strings(33)), "E1003"),
        ("/lines/0/options/1", json!(long), "E1003"),
        ("/lines/1/qty", json!(0), "E1002"),
        ("/lines/1/qty", json!(-1), "E1002"),
        ("/lines/1/qty", json!(1_000_000_001), "E1003"),
        ("/lines/1/qty", json!("0.0001"), "E1001"),
        ("/lines/1/unit", json!(nul), "E1002"),
        ("/lines/1/unit_price", json!(-1), "E1002"),
        ("/lines/1/discount", json!(-1), "E1002"),
        ("/lines/1/group", json!(""), "E1002"),
        ("/lines/1/substitution", json!("any"), "E1001"),
        ("/lines/1/buckets", json!(strings(2)), "E1003"),
        ("/lines/1/node", json!(nul), "E1002"),
        ("/lines/1/pinned", json!(true), "E1002"),
        ("/lines/1/travellers", json!([{ "name": "a" }, { "name": "b" }, { "name": "c" }]), "E1002"),
        ("/lines/1/travellers/0/name", json!(""), "E1002"),
        ("/lines/1/travellers/0/document_type", json!(long), "E1003"),
        ("/lines/1/travellers/0/document_number", json!(""), "E1002"),
    ] {
        let mut order = order();
        set(&mut order, pointer, value.clone());
        let text = order.to_string();
        let rejected = reader.read("order.v1", &text).expect_err(&text);
        // The second of two equal ids is the one that is wrong.
        let pointer = if pointer == "/lines/0/id" { "/lines/1/id" } else { pointer };
        assert_eq!((rejected.pointer.as_str(), rejected.code), (pointer, code), "{text}: {rejected}");
    }
    let mut many = order();
    many["lines"] = json!(vec![json!({ "sku": "A", "qty": 1 }); 601]);
    assert_eq!(reader.read("order.v1", many.to_string()).unwrap_err().pointer, "/lines");
}

/// Sets a member, or adds an entry behind the last of a list.
fn set(value: &mut Value, pointer: &str, to: Value) {
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    let filled = ["/tags", "/lines/0/options"].contains(&parent);
    if filled {
        set(value, parent, json!(["a", to]));
        return;
    }
    match value.pointer_mut(parent).unwrap_or_else(|| panic!("{parent}")) {
        Value::Object(members) => drop(members.insert(member.into(), to)),
        other => panic!("{parent} is {other}"),
    }
}

#[test]
fn each_bound_of_the_other_messages_names_its_own_place() {
    let reader = Reader::new();
    let fact = r#""order":"o2kq9m0g4000000000000a","node":"n""#;
    for (kind, text, pointer) in [
        ("cancel.v1", r#"{"id":"1"}"#.to_owned(), "/channel"),
        ("cancel.v1", r#"{"channel":"w","id":"1","lines":[]}"#.into(), "/lines"),
        ("cancel.v1", r#"{"channel":"w","id":"1","lines":[{"line":""}]}"#.into(), "/lines/0/line"),
        ("cancel.v1", r#"{"channel":"w","id":"1","lines":[{"line":"1","qty":0}]}"#.into(), "/lines/0/qty"),
        ("cancel.v1", r#"{"channel":"w","id":"1","key":""}"#.into(), "/key"),
        ("payment.v1", r#"{"channel":"w","id":"1"}"#.into(), "/state"),
        ("payment.v1", r#"{"channel":"w","id":"1","state":"captured","amount":-1}"#.into(), "/amount"),
        ("delivered.v1", r#"{"channel":"w","id":"1","occurred_at":1}"#.into(), "/occurred_at"),
        ("count.v1", r#"{"node":"n","sku":"s"}"#.into(), "/qty"),
        ("count.v1", r#"{"node":"n","sku":"s","qty":-1}"#.into(), "/qty"),
        ("count.v1", r#"{"node":"n","sku":"s\u0000t","qty":1}"#.into(), "/sku"),
        ("count.v1", r#"{"node":"n","sku":"s","bucket":"\u0000","qty":1}"#.into(), "/bucket"),
        ("count.v1", r#"{"node":"n","sku":"s","qty":1,"source":"\u0001"}"#.into(), "/source"),
        ("receipt.v1", r#"{"node":"n","sku":"s","qty":1}"#.into(), "/key"),
        ("receipt.v1", r#"{"node":"n","sku":"s","qty":0,"key":"k"}"#.into(), "/qty"),
        ("adjustment.v1", r#"{"node":"n","sku":"s","delta":0,"key":"k"}"#.into(), "/delta"),
        ("adjustment.v1", r#"{"node":"n","sku":"s","delta":-1000000001,"key":"k"}"#.into(), "/delta"),
        ("policy.v1", r#"{"node":"n","sku":"s","backorder":-1}"#.into(), "/backorder"),
        ("policy.v1", r#"{"node":"n","sku":"s","backorder":"lots"}"#.into(), "/backorder"),
        ("policy.v1", r#"{"node":"n","sku":"s","safety_stock":-1}"#.into(), "/safety_stock"),
        ("picked.v1", r#"{"order":"7","node":"n"}"#.into(), "/order"),
        ("picked.v1", format!(r#"{{{fact},"lines":[]}}"#), "/lines"),
        ("shipped.v1", format!(r#"{{{fact},"carrier":""}}"#), "/carrier"),
        ("shipped.v1", format!(r#"{{{fact},"tracking":"\u0000"}}"#), "/tracking"),
        ("returned.v1", format!(r#"{{{fact},"restock":"yes"}}"#), "/restock"),
        ("zone.v1", r#"{"id":"a\u0000"}"#.into(), "/id"),
        ("zone.v1", r#"{"id":"z","partition":70000}"#.into(), "/partition"),
        ("node.v1", r#"{"id":"n","zone":""}"#.into(), "/zone"),
        ("node.v1", r#"{"id":"n","zone":"z","modes":[]}"#.into(), "/modes"),
        ("node.v1", r#"{"id":"n","zone":"z","groups":["\u0000"]}"#.into(), "/groups/0"),
        ("node.v1", r#"{"id":"n","zone":"z","latitude":91,"longitude":0}"#.into(), "/latitude"),
        ("node.v1", r#"{"id":"n","zone":"z","latitude":0,"longitude":181}"#.into(), "/longitude"),
        ("node.v1", r#"{"id":"n","zone":"z","latitude":0}"#.into(), "/longitude"),
        (
            "node.v1",
            r#"{"id":"n","zone":"z","calendar":{"time_zone":"Mars/Base"}}"#.into(),
            "/calendar/time_zone",
        ),
        ("item.v1", r#"{"sku":""}"#.into(), "/sku"),
        ("item.v1", r#"{"sku":"s","unit_step":0}"#.into(), "/unit_step"),
        ("item.v1", r#"{"sku":"s","names":{"x":"y"}}"#.into(), "/names"),
        ("item.v1", r#"{"sku":"s","names":{"de":"y","de":"z"}}"#.into(), "/names"),
        ("item.v1", r#"{"sku":"s","names":{"a~/b":1}}"#.into(), "/names/a~0~1b"),
        ("item.v1", r#"{"sku":"s","tolerance":1001}"#.into(), "/tolerance"),
        ("channel.v1", r#"{"id":"c","groups":[""]}"#.into(), "/groups/0"),
        ("channel.v1", r#"{"id":"c","default_zone":""}"#.into(), "/default_zone"),
        ("region.v1", r#"{"id":"D/E","zone":"z"}"#.into(), "/id"),
        ("region.v1", r#"{"id":"DE","zone":""}"#.into(), "/zone"),
    ] {
        let rejected = reader.read(kind, &text).expect_err(&text);
        assert_eq!(rejected.pointer, pointer, "{kind} {text}: {rejected}");
    }
}

#[test]
fn what_is_no_message_is_told_without_its_values() {
    let reader = Reader::new();
    let with = |rest: &str| format!(r#"{{"channel":"web","id":"1","lines":[{{"sku":"A","qty":1}}]{rest}}}"#);
    let depth = |levels: usize| with(&format!(r#","unknown":{}1{}"#, "[".repeat(levels), "]".repeat(levels)));
    for (text, code, pointer) in [
        (String::new(), "E1001", ""),
        ("null".into(), "E1001", ""),
        ("[]".into(), "E1001", ""),
        ("{".into(), "E1001", ""),
        ("{} {}".into(), "E1001", "/channel"),
        (with("") + "secret", "E1001", ""),
        (with(r#","remark":"secret","remark":"secret""#), "E1001", "/remark"),
        (with(r#","remark":"secret\ud800""#), "E1001", "/remark"),
        (with(r#","priority":1e400"#), "E1001", "/priority"),
        (with(r#","version":18446744073709551616"#), "E1001", "/version"),
        (with(r#","recipient":{"name":"secret","latitude":1e400}"#), "E1001", "/recipient/latitude"),
        (with(r#","recipient":{"name":["secret"]}"#), "E1001", "/recipient/name"),
        (with(r#","currency":"secret is no secret""#), "E1001", "/currency"),
        (with(r#","version":"expected secret""#), "E1001", "/version"),
        (with(r#","delivery_mode":"secret""#), "E1001", "/delivery_mode"),
        (with(r#","totals":"secret""#), "E1001", "/totals"),
        (depth(64), "E1003", ""),
        ("[".repeat(200_000), "E1003", ""),
        (" ".repeat(300_000), "E1003", ""),
    ] {
        let shown = &text[..text.len().min(200)];
        let rejected = reader.read("order.v1", &text).expect_err(shown);
        assert_eq!((rejected.code, rejected.pointer.as_str()), (code, pointer), "{shown}: {rejected}");
        assert!(!rejected.to_string().contains("secret"), "{rejected}");
    }
    for text in [depth(63), with(&format!(r#","unknown":"{}""#, "[".repeat(500))), with(r#","u":1,"u":2"#)] {
        reader.read("order.v1", &text).unwrap();
    }
    assert!(reader.read("order.v1", b"{\"channel\":\"\xff\"}").is_err());
}
