//! What is in a message arrives in its command, and personal data in sealed form only.

use router_schemas::{
    command::{
        Command,
        order::{Display, OrderBody, OrderMessage, PinKind},
        reference::Reference,
    },
    envelope::{self, Meta},
    quantity::Qty,
};

use super::Reader;

fn order(reader: &Reader, text: &str) -> (OrderMessage, OrderBody, Display) {
    let Ok(Command::Place(message)) = reader.read("order.v1", text) else { panic!("{text} was not taken") };
    let body: OrderBody = postcard::from_bytes(&message.body).unwrap();
    let display = postcard::from_bytes(&body.display).unwrap();
    (message, body, display)
}

const ORDER: &str = r#"{"channel":"web","account":"a","id":"7","version":3,"updated_at":"2026-05-04T10:00:00Z",
    "placed_at":"2026-05-04T09:59:59.5Z","number":"N7","day_sequence":7,"unknown":{"deep":[1,{}]},
    "payment":{"state":"on_delivery","method":"cash"},"currency":"CNY",
    "totals":{"goods":100,"discount_platform":5,"discount_seller":6,"delivery":7,"tax":8,"due":104},
    "promise":{"from":"2026-05-04T11:00:00Z","to":"2026-05-04T11:00:00Z"},"not_before":"2026-05-04T10:30:00Z",
    "delivery_mode":"pickup","node":"s1","pinned":true,"region":"310104","language":"zh-CN","remark":"line\nbreak",
    "recipient":{"name":"Ada Lovelace","phone":"555-0100","address":"1 High Street","latitude":31.19456,"longitude":121.4},
    "gift":{"from":"Grace Hopper","text":"For you"},"invoice":{"title":"Engines Ltd","tax_id":"T-1"},"member":"M1",
    "tags":["new","vip"],"priority":3,"lines":[{"id":"x","sku":"LATTE","external_id":"e1","name":"Latte","options":["hot"],
    "qty":2,"unit":"cup","unit_price":50,"discount":1,"group":"g","substitution":"ask","buckets":["2026-05-04"],"node":"s2",
    "travellers":[{"name":"Charles Babbage","document_type":"passport","document_number":"P-1871"}]},{"sku":"B","qty":"0.5"}]}"#;

#[test]
fn an_order_arrives_whole() {
    let reader = Reader::new();
    let (message, body, display) = order(&reader, ORDER);
    let head = message.head;
    assert_eq!(head.identity.to_string(), "web/a:7");
    assert_eq!(
        (head.version, head.updated_at, head.placed_at),
        (Some(3), Some(1_777_888_800_000), Some(1_777_888_799_500))
    );
    assert_eq!(head.pin.map(|pin| (pin.node, pin.kind)), Some(("s1".into(), PinKind::Hard)));
    assert_eq!(head.region.as_deref(), Some("310104"));
    let totals = &body.totals;
    assert_eq!((totals.goods, totals.discount_platform, totals.discount_seller), (100, 5, 6));
    assert_eq!((totals.delivery, totals.tax, totals.due), (7, 8, 104));
    assert_eq!(body.promise, Some((1_777_892_400_000, 1_777_892_400_000)));
    assert_eq!((body.not_before, body.priority, body.currency.as_str()), (Some(1_777_890_600_000), 3, "CNY"));
    let line = &body.lines[0];
    assert_eq!((line.line.as_str(), line.sku.as_str(), line.qty), ("x", "LATTE", Qty::units(2)));
    assert_eq!((line.unit_price, line.discount, line.group.as_deref()), (50, 1, Some("g")));
    assert_eq!(line.pin.as_ref().map(|pin| (pin.node.as_str(), pin.kind)), Some(("s2", PinKind::Prefer)));
    assert_eq!(line.buckets, ["2026-05-04"]);
    assert_eq!((body.lines[1].line.as_str(), body.lines[1].qty), ("2", Qty(500)));
    assert_eq!((display.number.as_deref(), display.day_sequence), (Some("N7"), Some(7)));
    assert_eq!((display.payment_method.as_deref(), display.member.as_deref()), (Some("cash"), Some("M1")));
    assert_eq!(
        (display.language.as_deref(), display.remark.as_deref()),
        (Some("zh-CN"), Some("line\nbreak"))
    );
    assert_eq!(display.tags, ["new", "vip"]);
    let shown = &display.lines[0];
    assert_eq!((shown.external_id.as_deref(), shown.unit.as_deref()), (Some("e1"), Some("cup")));
    assert_eq!(
        (shown.name.as_deref(), shown.options.as_slice()),
        (Some("Latte"), ["hot".to_owned()].as_slice())
    );
}

#[test]
fn what_is_to_be_kept_arrives_whole() {
    let reader = Reader::new();
    let text = r#"{"channel":"web","id":"7","region":"3101","ttl_s":900,"key":"k","lines":[
        {"line":"1","sku":"A","qty":"1.5","node":"s1"},{"line":"2","sku":"R","qty":1,"buckets":["a","b"]}]}"#;
    let Ok(Command::Reserve(said)) = reader.read("reserve.v1", text) else { panic!("{text} was not taken") };
    assert_eq!(
        (said.identity.to_string().as_str(), said.ttl, said.beyond_stock),
        ("web:7", Some(900_000), false)
    );
    assert_eq!((said.region.as_deref(), said.node), (Some("3101"), None));
    assert_eq!((said.lines[0].qty, said.lines[0].node.as_deref()), (Qty(1500), Some("s1")));
    assert_eq!(said.lines[1].buckets, ["a", "b"]);
    let again = reader.read("reserve.v1", text.replace("900", "60").as_str());
    assert!(matches!(again, Ok(Command::Reserve(other)) if other.key == said.key), "the key names it");
    for (kind, text) in [
        ("reserve.v1", text.replace(r#""key":"k","#, "")),
        ("reserve.v1", text.replace(r#""ttl_s":900"#, r#""ttl_s":0"#)),
        ("reserve.v1", text.replace(r#""line":"2""#, r#""line":"1""#)),
        ("reserve.v1", r#"{"channel":"web","id":"7","key":"k","lines":[]}"#.into()),
        ("extend.v1", r#"{"channel":"web","id":"7"}"#.into()),
        ("release.v1", r#"{"channel":"web","id":"7","key":"k","lines":[]}"#.into()),
        ("channel_policy.v1", r#"{"channel":"web","zone":"z","sku":"A","threshold":-1}"#.into()),
        (
            "quota.v1",
            r#"{"channel":"web","sku":"A","weights":[{"zone":"z","weight":1},{"zone":"z","weight":2}]}"#
                .into(),
        ),
        ("channel.v1", r#"{"id":"web","feed":{"every_s":0}}"#.into()),
    ] {
        assert!(reader.read(kind, &text).is_err(), "{kind} {text}");
    }
}

#[test]
fn what_names_people_is_sealed() {
    let reader = Reader::new();
    let (message, _, display) = order(&reader, ORDER);
    let bytes = envelope::to_vec(None, &Meta::default(), &Command::Place(message));
    for person in [
        "Ada",
        "Lovelace",
        "555-0100",
        "High Street",
        "Grace",
        "For you",
        "Engines",
        "T-1",
        "Babbage",
        "P-1871",
    ] {
        assert!(
            !bytes.windows(person.len()).any(|w| w == person.as_bytes()),
            "{person} lies open in the log"
        );
    }
    let open = |sealed| String::from_utf8(reader.keys.open_sealed(&sealed).unwrap()).unwrap();
    let personal = open(display.recipient.unwrap());
    assert!(
        ["Ada Lovelace", "Grace Hopper", "Engines Ltd"].iter().all(|p| personal.contains(p)),
        "{personal}"
    );
    assert!(open(display.lines[0].travellers.clone().unwrap()).contains("P-1871"));
    assert_eq!((display.gift.as_deref(), display.invoice.as_deref()), (Some(""), Some("")));
}

#[test]
fn the_recipient_is_known_again_whatever_else_differs() {
    let reader = Reader::new();
    let of = |text: &str| order(&reader, text).1.recipient;
    assert_eq!(of(ORDER), of(&ORDER.replace("\"id\":\"7\"", "\"id\":\"8\"").replace("Grace", "Ida")));
    assert_ne!(of(ORDER), of(&ORDER.replace("Lovelace", "Byron")));
}

#[test]
fn content_is_the_same_however_it_is_written() {
    let reader = Reader::new();
    let content = |text: &str| order(&reader, text).0.head.content;
    let [plain, shuffled, other] = [
        r#"{"channel":"web","id":"1","lines":[{"sku":"A","qty":2}]}"#,
        r#" {"lines":[{"qty":"2.0","sku":"A"}], "id":"1","new":1,"channel":"web"}"#,
        r#"{"channel":"web","id":"1","lines":[{"sku":"A","qty":3}]}"#,
    ];
    assert_eq!(content(plain), content(shuffled));
    assert_ne!(content(plain), content(other));
}

#[test]
fn an_item_keeps_all_its_names_the_default_first() {
    let text = r#"{"sku":"C","name":"Cherries","names":{"zh-CN":"樱桃","de":"Kirschen"},"barcode":"69","unit_step":"0.1",
        "weight_g":1000,"volume_cm3":5,"category":"fruit","brand":"b","handling":["cold"],"untracked":true,"tolerance":50}"#;
    let Ok(Command::Reference(published)) = Reader::new().read("item.v1", text) else { panic!("not taken") };
    let Reference::Item(item) = published.change else { panic!("no item") };
    let names: Vec<_> = item.names.iter().map(|(l, n)| (l.as_str(), n.as_str())).collect();
    assert_eq!(names, [("", "Cherries"), ("de", "Kirschen"), ("zh-CN", "樱桃")]);
    assert_eq!(
        (item.unit_step, item.weight_g, item.volume_cm3, item.tolerance),
        (Qty(100), Some(1000), Some(5), 50)
    );
    assert_eq!((item.category.as_deref(), item.brand.as_deref()), (Some("fruit"), Some("b")));
    assert_eq!((item.handling.as_slice(), item.untracked), (["cold".to_owned()].as_slice(), true));
}

#[test]
fn a_cloud_event_names_its_kind_and_its_fact() {
    let reader = Reader::new();
    let event = |id: &str, kind: &str, data: &str| {
        format!(r#"{{"specversion":"1.0","id":"{id}","source":"/pos","type":"{kind}","data":{data}}}"#)
    };
    let zone = event("1", "zone.v1", r#"{"id":"z"}"#);
    let escaped = zone.replace("specversion", r"s\u0070ecversion");
    for text in [zone.as_str(), &escaped] {
        assert!(matches!(reader.read("order.v1", text), Ok(Command::Reference(_))), "{text}");
    }
    let change = |id: &str| event(id, "receipt.v1", r#"{"node":"n","sku":"s","qty":1}"#);
    let key = |outer: Option<&str>, text: &str| match reader.read_with(outer, "order.v1", text) {
        Ok(Command::Receipt(movement)) => movement.key.unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(key(None, &change("1")), key(None, &change("1")));
    assert_ne!(key(None, &change("1")), key(None, &change("2")));
    assert_eq!(
        key(Some("k"), &change("1")),
        key(Some("k"), &change("2")),
        "what comes with it names it first"
    );
    for (text, pointer, detail) in [
        (event("1", "order.v1", &zone), "/data/channel", "is missing"),
        (zone.replace("1.0", "0.3"), "/specversion", "1.0"),
        (zone.replace("\"data\"", "\"data_base64\""), "/data", "is missing"),
        (zone.replace("\"type\"", "\"kind\""), "/type", "is missing"),
        (zone.replace("{\"id\":\"z\"}", "{\"id\":\"\"}"), "/data/id", "empty"),
    ] {
        let rejected = reader.read("order.v1", &text).unwrap_err();
        assert_eq!(rejected.pointer, pointer, "{text}");
        assert!(rejected.detail.contains(detail), "{rejected}");
    }
}

#[test]
fn a_policy_says_none_some_or_unlimited() {
    use router_schemas::command::stock::Allowance;
    let reader = Reader::new();
    let read = |rest: &str| match reader.read("policy.v1", format!(r#"{{"node":"n","sku":"s"{rest}}}"#)) {
        Ok(Command::CellPolicy(policy)) => policy.backorder,
        other => panic!("{rest}: {other:?}"),
    };
    for (rest, wanted) in [
        ("", Allowance::None),
        (r#","backorder":0"#, Allowance::None),
        (r#","backorder":"2.5""#, Allowance::Limited(Qty(2500))),
        (r#","backorder":"unlimited""#, Allowance::Unlimited),
    ] {
        assert_eq!(read(rest), wanted, "{rest}");
    }
}

#[test]
fn a_pin_binds_in_three_ways() {
    let reader = Reader::new();
    for (said, kind) in [("false", PinKind::Prefer), ("true", PinKind::Hard), ("\"only\"", PinKind::Only)] {
        let text = format!(
            r#"{{"channel":"web","id":"1","node":"n","pinned":{said},"lines":[{{"sku":"A","qty":1,"node":"m","pinned":{said}}}]}}"#
        );
        let (message, body, _) = order(&reader, &text);
        assert_eq!(message.head.pin.map(|pin| pin.kind), Some(kind), "{said}");
        assert_eq!(body.lines[0].pin.as_ref().map(|pin| pin.kind), Some(kind), "{said}");
    }
    for wrong in [r#""pinned":"only""#, r#""pinned":true"#, r#""node":"n","pinned":"must""#] {
        let text = format!(r#"{{"channel":"web","id":"1",{wrong},"lines":[{{"sku":"A","qty":1}}]}}"#);
        assert_eq!(reader.read("order.v1", &text).unwrap_err().pointer, "/pinned", "{wrong}");
    }
}

#[test]
fn references_keep_what_rules_ask_for() {
    use router_schemas::{command::stock::Allowance, geo::chord2_of_metres};
    let reader = Reader::new();
    let read = |kind: &str, text: &str| match reader.read(kind, text) {
        Ok(Command::Reference(published)) => published.change,
        other => panic!("{kind}: {other:?}"),
    };
    let node = read(
        "node.v1",
        r#"{"id":"n","zone":"z","sequence":7,"attributes":{"tier":"a","roads":["x","y"]},"area_km":2.5}"#,
    );
    let Reference::Node(node) = node else { panic!("no node") };
    assert_eq!((node.sequence, node.area), (Some(7), Some(chord2_of_metres(2500.0))));
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    assert_eq!(node.attributes, [("roads".into(), words(&["x", "y"])), ("tier".into(), words(&["a"]))]);
    let channel = read(
        "channel.v1",
        r#"{"id":"c","fallback":["a","b"],"cancel_within":"10m","cancel_by_default":true,"reroute_pinned":true}"#,
    );
    let Reference::Channel(channel) = channel else { panic!("no channel") };
    assert_eq!((channel.fallback, channel.cancel_within), (words(&["a", "b"]), Some(600_000)));
    assert!(channel.cancel_by_default && channel.reroute_pinned);
    let fees = read("fees.v1", r#"{"id":"f","bands":[{"km":3,"base":600},{"km":9,"base":900,"per_kg":50}]}"#);
    let Reference::Fees(fees) = fees else { panic!("no fees") };
    let bands: Vec<_> = fees.bands.iter().map(|band| (band.upto, band.base, band.per_kg)).collect();
    assert_eq!(bands, [(chord2_of_metres(3000.0), 600, 0), (chord2_of_metres(9000.0), 900, 50)]);
    let quota = read(
        "quota.v1",
        r#"{"channel":"c","sku":"s","threshold":1,"backorder":9,"weights":[{"zone":"b","weight":2},{"zone":"a","weight":1}]}"#,
    );
    let Reference::Quota(quota) = quota else { panic!("no quota") };
    assert_eq!((quota.threshold, quota.backorder), (Qty::units(1), Allowance::Limited(Qty::units(9))));
    assert_eq!(quota.weights, [("b".into(), 2), ("a".into(), 1)]);
    let policy = reader.read("policy.v1", r#"{"node":"n","sku":"s","weekly_sales":"1.5"}"#);
    assert!(matches!(policy, Ok(Command::CellPolicy(policy)) if policy.weekly_sales == Some(Qty(1500))));
    for (kind, text, pointer) in [
        ("node.v1", r#"{"id":"n","zone":"z","area_km":0}"#, "/area_km"),
        ("node.v1", r#"{"id":"n","zone":"z","attributes":{"":"a"}}"#, "/attributes"),
        ("channel.v1", r#"{"id":"c","cancel_within":"500d"}"#, "/cancel_within"),
        ("fees.v1", r#"{"id":"f","bands":[{"km":3,"base":1},{"km":3,"base":1}]}"#, "/bands/1/km"),
        (
            "quota.v1",
            r#"{"channel":"c","sku":"s","weights":[{"zone":"a","weight":1},{"zone":"a","weight":2}]}"#,
            "/weights/1/zone",
        ),
        ("policy.v1", r#"{"node":"n","sku":"s","weekly_sales":-1}"#, "/weekly_sales"),
        (
            "rules.v1",
            r#"{"name":"n","routings":[{"rules":[{"filters":[{"by":"radius","km":0}]}]}]}"#,
            "/routings/0/rules/0/filters/0/km",
        ),
    ] {
        let refused = reader.read(kind, text).unwrap_err();
        assert_eq!(refused.pointer, pointer, "{text}: {refused}");
    }
}
