//! Forms that others read or compute: JSON notices, heads of records, ids and positions as text, the partitioner,
//! the head of snapshots.

use std::{
    fmt::{Debug, Display},
    str::FromStr,
};

use router_schemas::{
    command::order::DeliveryMode,
    envelope::{self, Meta},
    event::OfferClosed,
    id::{Identity, OrderId},
    notice::{AssignedLine, Assignment, Availability, Notification, OfferNotice, StockAlert},
    position::{LogId, Position, Topic},
    quantity::Qty,
    snapshot,
};
use serde_json::json;

use crate::{
    asked::offer_id,
    index::{Entry, same},
    parts,
    samples::{log, meta, order, origin, position},
};

/// `stores.assignments`, `customers.notifications`, `stock.alerts`, `channels.availability`, with their origin first.
pub fn notices() -> Vec<Entry> {
    let options = ["red"];
    let line = |options| AssignedLine {
        line: "1",
        sku: "85123A",
        name: Some("White hanging heart"),
        options,
        qty: Qty(5_300),
        backordered: Qty::units(2),
        asked: Qty::units(1),
    };
    let bare =
        AssignedLine { name: None, options: &[], backordered: Qty::ZERO, asked: Qty::ZERO, ..line(&options) };
    let assignment = Assignment {
        kind: "assignment.v1",
        event: "assigned",
        node: "store-7",
        order: order(),
        channel: "web",
        external_id: "SO-2026-0007",
        number: Some("W-1042"),
        day_sequence: Some(17),
        mode: DeliveryMode::Pickup,
        remark: Some("不要香菜"),
        lines: vec![line(&options), bare.clone()],
        deadline: Some(1_777_889_060_000),
        position: position(),
        at: 1_777_888_999_000,
    };
    let small = Assignment {
        number: None,
        day_sequence: None,
        remark: None,
        lines: vec![bare],
        deadline: None,
        ..assignment.clone()
    };
    let notification = Notification {
        kind: "notification.v1",
        event: "shipped",
        order: order(),
        channel: "web",
        external_id: "SO-2026-0007",
        language: Some("zh-CN"),
        state: "completed",
        amount: Some(1_250),
        tracking: Some("SF1042"),
        position: position(),
        at: 1_777_888_999_000,
    };
    let short = Notification { language: None, amount: None, tracking: None, ..notification.clone() };
    let alert = StockAlert {
        kind: "stock_alert.v1",
        event: "oversold",
        node: "store-7",
        channel: None,
        sku: "85123A",
        bucket: "2026-05-04",
        qty: Qty(2_500),
        position: position(),
        at: 1_777_888_999_000,
    };
    let no_bucket = StockAlert { bucket: "", ..alert.clone() };
    let of_pool = StockAlert { event: "low", node: "", channel: Some("web"), ..alert.clone() };
    let offer = OfferNotice {
        kind: "offer.v1",
        event: "offered",
        reason: None,
        node: "store-7",
        order: order(),
        offer: offer_id(),
        epoch: 3,
        round: 2,
        deadline: Some(1_777_889_060_000),
        distance_m: Some(2_400),
        channel: "web",
        external_id: "SO-2026-0007",
        number: Some("W-1042"),
        day_sequence: Some(17),
        mode: DeliveryMode::Delivery,
        remark: Some("不要香菜"),
        lines: vec![line(&options)],
        position: position(),
        at: 1_777_888_999_000,
    };
    let over = OfferNotice {
        event: "closed",
        reason: Some(OfferClosed::NoStock),
        deadline: None,
        distance_m: None,
        number: None,
        day_sequence: None,
        remark: None,
        lines: Vec::new(),
        ..offer.clone()
    };
    let availability = Availability {
        kind: "availability.v1",
        channel: "web",
        zone: "east",
        sku: "85123A",
        bucket: "2026-05-04",
        available: Some(Qty(2_500)),
        low: true,
        position: position(),
        at: 1_777_888_999_000,
    };
    let unlimited = Availability { bucket: "", available: None, low: false, ..availability.clone() };
    vec![
        notice("assignment", &assignment),
        notice("assignment-small", &small),
        notice("notification", &notification),
        notice("notification-small", &short),
        notice("stock-alert", &alert),
        notice("stock-alert-no-bucket", &no_bucket),
        notice("nothing", &json!({})),
        notice("stock-alert-of-pool", &of_pool),
        notice("offer", &offer),
        notice("offer-closed", &over),
        notice("availability", &availability),
        notice("availability-unlimited", &unlimited),
    ]
}

fn notice(name: &str, object: &impl serde::Serialize) -> Entry {
    let plain = serde_json::to_vec(object).unwrap();
    let expected: serde_json::Value = serde_json::from_slice(&plain).unwrap();
    let mut bytes = Vec::new();
    envelope::encode_json(&origin(), &plain, &mut bytes);
    let reading = String::from_utf8(plain).unwrap();
    let reads = move |text: &str| {
        same(&envelope::origin(text.as_bytes()).map_err(|e| e.to_string())?, &Some(origin()))?;
        let mut found: serde_json::Value = serde_json::from_str(text).map_err(|e| e.to_string())?;
        found.as_object_mut().and_then(|o| o.remove("origin"));
        same(&found, &expected)
    };
    Entry::text(name, reading, std::str::from_utf8(&bytes).unwrap(), reads)
}

/// Meta and origin, present and absent, around the smallest body.
pub fn envelope() -> Vec<Entry> {
    let tick = || router_schemas::command::Command::Tick;
    let bare = Meta::default();
    let meta_of = |choose: fn(Meta) -> Meta| choose(meta());
    vec![
        Entry::record("nothing", None, bare.clone(), tick()),
        Entry::record("origin", Some(origin()), bare.clone(), tick()),
        Entry::record("meta", None, meta(), tick()),
        Entry::record("origin-and-meta", Some(origin()), meta(), tick()),
        Entry::record("meta-source", None, meta_of(|m| Meta { source: m.source, ..Meta::default() }), tick()),
        Entry::record("meta-reply", None, meta_of(|m| Meta { reply: m.reply, ..Meta::default() }), tick()),
        Entry::record(
            "meta-carried",
            None,
            meta_of(|m| Meta { carried: m.carried, ..Meta::default() }),
            tick(),
        ),
        Entry::record("meta-actor", None, meta_of(|m| Meta { actor: m.actor, ..Meta::default() }), tick()),
        Entry::record("meta-reason", None, meta_of(|m| Meta { reason: m.reason, ..Meta::default() }), tick()),
        Entry::record("meta-carried-most", None, Meta { carried: u64::MAX, ..Meta::default() }, tick()),
    ]
}

/// Ids, positions, quantities and states as people and platforms write them.
pub fn entries() -> Vec<Entry> {
    let mut entries = vec![
        text("order-id", order()),
        text("order-id-first", OrderId::new(LogId([0; 16]), &Topic::Intake, 0, 0)),
        text("order-id-last", OrderId::new(LogId([255; 16]), &Topic::Commands, u16::MAX, (1 << 48) - 1)),
        text("log-id", log()),
        text("quantity", Qty(2_500)),
        text("quantity-negative", Qty(-1)),
        text("quantity-whole", Qty::units(12)),
        text("position-last", Position::new(Topic::Intake, u16::MAX, u64::MAX)),
        text("position-raw", Position::new(Topic::Raw("web".into()), 1, 7)),
        text("position-dead-letter", Position::new(Topic::DeadLetter("orders.web".into()), 0, 7)),
    ];
    for (name, state) in parts::states() {
        entries.push(text(name, state));
    }
    for (name, queue) in parts::queues() {
        let spelled = queue.as_str().to_owned();
        let reads = {
            let spelled = spelled.clone();
            move |text: &str| same(&text, &spelled.as_str())
        };
        entries.push(Entry::text(name, format!("{queue:?}"), &spelled, reads));
    }
    for topic in Topic::FIXED {
        let (name, code) = (format!("topic-{}", topic.code()), topic.code());
        let reads = move |text: &str| same(&text.parse::<Topic>().map(|t| t.code()).ok(), &Some(code));
        entries.push(Entry::text(&name, format!("topic code {code}"), &topic.name(), reads));
    }
    entries
}

fn text<T: Display + Debug + FromStr + PartialEq + 'static>(name: &str, value: T) -> Entry {
    let (written, reading) = (value.to_string(), format!("{value:?}"));
    let reads = move |text: &str| same(&text.parse().ok().as_ref(), &Some(&value));
    Entry::text(name, reading, &written, reads)
}

/// The partitioner is a contract with every producer: identity → hash, and its partition among 4 and 16.
pub fn partitions() -> Vec<Entry> {
    let long = "9".repeat(128);
    let identities = [
        ("", "", ""),
        ("web", "", "1"),
        ("web", "", "2"),
        ("web", "flagship", "SO-2026-0007"),
        ("web", "flagship", "SO-2026-0008"),
        ("a", "bc", "d"),
        ("ab", "c", "d"),
        ("meituan", "静安店", "订单-42"),
        ("shopify", "shop.example", "gid://shopify/Order/5012345678901"),
        ("csv", "", "with \"quotes\" and / slashes"),
        ("jd", "", &long),
        (&long, &long, &long.repeat(4)),
    ];
    let line = |(number, (channel, account, external_id)): (usize, (&str, &str, &str))| {
        let identity =
            Identity { channel: channel.into(), account: account.into(), external_id: external_id.into() };
        let form = |identity: &Identity| {
            let (of_4, of_16) = (identity.partition(4), identity.partition(16));
            format!("xxh3 {:016x}, partition {of_4} of 4, {of_16} of 16", identity.hash())
        };
        let reading = json!([channel, account, external_id]).to_string();
        let name = format!("identity-{number}");
        Entry::text(&name, reading, &form(&identity), move |text| same(&text, &form(&identity).as_str()))
    };
    (1..).zip(identities).map(line).collect()
}

/// The head of a snapshot: its format byte, then the state.
pub fn snapshot() -> Vec<Entry> {
    let state = (7u64, vec![("east".to_owned(), 3u16)]);
    let mut bytes = Vec::new();
    snapshot::write(&state, &mut bytes);
    let hash = snapshot::hash(&state);
    let reading = format!("format {}, then (7, [(\"east\", 3)])", snapshot::FORMAT);
    let expected = state.clone();
    let reads = move |bytes: &[u8]| same(&snapshot::read(bytes).map_err(|e| e.to_string())?, &expected);
    let hashed = move |text: &str| same(&text, &format!("{hash:016x}").as_str());
    vec![
        Entry::bytes("head", reading, bytes, reads),
        Entry::text("hash", "XXH3-64 of the snapshot above".into(), &format!("{hash:016x}"), hashed),
    ]
}
