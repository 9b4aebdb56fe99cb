//! Values with every member set, so that a new member does not compile here before it has a golden entry.

use router_schemas::{
    command::{
        Assigned, Hash16,
        fulfilment::NodeFact,
        order::{
            Arrival, DeliveryMode, Display, LineDisplay, LineQty, OrderBody, OrderHead, OrderLine,
            OrderMessage, PaymentState, Pin, PinKind, Sealed, Substitution, Totals,
        },
        part::PartRef,
        stock::CellName,
    },
    envelope::{Meta, Origin, ReplyTo, Source, write_postcard},
    geo::UnitVector,
    id::{Identity, OrderId},
    position::{LogId, Position, Topic},
    quantity::Qty,
};

/// 16 bytes that differ from each other.
pub fn hash(first: u8) -> Hash16 {
    std::array::from_fn(|i| first.wrapping_add(i as u8))
}

pub fn log() -> LogId {
    LogId(hash(0xa0))
}

pub fn order() -> OrderId {
    OrderId::new(log(), &Topic::Intake, 3, 1042)
}

pub fn position() -> Position {
    Position::new(Topic::Commands, 3, 1042)
}

pub fn identity() -> Identity {
    Identity { channel: "web".into(), account: "flagship".into(), external_id: "SO-2026-0007".into() }
}

pub fn assigned() -> Assigned {
    Assigned { order: order(), zone: "east".into() }
}

pub fn cell() -> CellName {
    CellName { node: "store-7".into(), sku: "85123A".into(), bucket: "2026-05-04".into() }
}

pub fn sealed(first: u8) -> Sealed {
    Sealed { key: hash(first), bytes: (0..40).map(|i| first ^ i).collect() }
}

pub fn origin() -> Origin {
    Origin { log: log(), topic: Topic::Intake.code(), partition: 0x0102, sequence: 0x0304_0506_0708 }
}

pub fn meta() -> Meta {
    Meta {
        source: Some(Source {
            id: "orders.web".into(),
            incarnation: 2,
            partition: 5,
            offset: 987_654_321,
            index: 3,
        }),
        reply: Some(ReplyTo { partition: 63, correlation: hash(0x10), outcome: true }),
        carried: 1_777_888_999_000_123,
        actor: Some("ops@example".into()),
        reason: Some("stock count of the year".into()),
    }
}

pub fn display() -> Display {
    Display {
        number: Some("W-1042".into()),
        day_sequence: Some(17),
        payment_method: Some("wechat".into()),
        language: Some("zh-CN".into()),
        remark: Some("不要香菜".into()),
        gift: Some("from Lin".into()),
        invoice: Some("company invoice".into()),
        member: Some("M-9".into()),
        tags: vec!["rush".into(), "vip".into()],
        recipient: Some(sealed(0x51)),
        lines: vec![LineDisplay {
            external_id: Some("oi-1".into()),
            name: Some("White hanging heart".into()),
            options: vec!["red".into()],
            unit: Some("kg".into()),
            travellers: Some(sealed(0x71)),
        }],
    }
}

pub fn body() -> OrderBody {
    let mut shown = Vec::new();
    write_postcard(&display(), &mut shown);
    OrderBody {
        payment: PaymentState::Authorised,
        currency: "CNY".parse().unwrap(),
        totals: totals(),
        promise: Some((1_777_900_000_000, 1_777_903_600_000)),
        not_before: Some(1_777_890_000_000),
        mode: DeliveryMode::Pickup,
        to: Some(place()),
        recipient: Some(hash(0x31)),
        priority: 7,
        lines: vec![
            OrderLine {
                line: "1".into(),
                sku: "85123A".into(),
                qty: Qty(5_300),
                unit_price: 2_550,
                discount: 100,
                group: Some("menu".into()),
                pin: Some(Pin { node: "store-7".into(), kind: PinKind::Hard }),
                substitution: Substitution::Similar,
                buckets: vec!["2026-05-04".into()],
            },
            OrderLine { line: "2".into(), sku: "71053".into(), qty: Qty::ONE, ..OrderLine::default() },
        ],
        display: shown,
    }
}

pub fn totals() -> Totals {
    Totals { goods: 13_515, discount_platform: 50, discount_seller: 50, delivery: 600, tax: 812, due: 14_015 }
}

pub fn place() -> UnitVector {
    UnitVector([-536_870_912, 715_827_883, 602_000_001])
}

pub fn message(to: Option<Assigned>) -> OrderMessage {
    let mut bytes = Vec::new();
    write_postcard(&body(), &mut bytes);
    OrderMessage {
        to,
        head: OrderHead {
            identity: identity(),
            version: Some(4),
            updated_at: Some(1_777_888_000_000),
            content: hash(0x41),
            placed_at: Some(1_777_887_000_000),
            pin: Some(Pin { node: "store-7".into(), kind: PinKind::Prefer }),
            region: Some("CN-200040".into()),
            arrival: Arrival::Raw,
            elsewhere: vec![("store-9".into(), "west".into())],
        },
        body: bytes,
    }
}

/// What has to be said, and nothing more.
pub fn small_message() -> OrderMessage {
    let line = OrderLine { line: "1".into(), sku: "A".into(), qty: Qty::ONE, ..OrderLine::default() };
    let body = OrderBody { priority: 100, lines: vec![line], ..OrderBody::default() };
    let mut bytes = Vec::new();
    write_postcard(&body, &mut bytes);
    let identity = Identity { channel: "web".into(), account: String::new(), external_id: "1".into() };
    OrderMessage { to: None, head: OrderHead { identity, ..OrderHead::default() }, body: bytes }
}

pub fn lines() -> Vec<LineQty> {
    vec![LineQty { line: "1".into(), qty: Some(Qty(2_500)) }, LineQty { line: "2".into(), qty: None }]
}

pub fn node_fact() -> NodeFact {
    NodeFact {
        order: order(),
        node: "store-7".into(),
        lines: lines(),
        key: Some(hash(0x61)),
        carrier: Some("SF".into()),
        tracking: Some("SF1042".into()),
        restock: true,
        occurred_at: Some(1_777_888_500_000),
    }
}

pub fn part() -> PartRef {
    PartRef { order: order(), part: 2, attempt: 1 }
}
