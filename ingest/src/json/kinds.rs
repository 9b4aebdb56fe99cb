//! The kinds of messages: what each is called, where it is sent, and how it looks.

use schemars::{Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Value, json};

use super::*;

/// What makes the files in `schemas/` anew.
pub const REGENERATE: &str = "UPDATE_SCHEMAS=1 cargo test -p router-ingest -p router-server current";

/// A kind of message.
pub struct Kind {
    /// Its name, for example `order.v1`.
    pub name: &'static str,
    /// Where the gateway takes it.
    pub path: &'static str,
    /// A message that is taken.
    pub example: &'static str,
    /// Its schema; adds what it refers to.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
}

impl Kind {
    /// The kind with this name.
    pub fn named(name: &str) -> Option<&'static Kind> {
        KINDS.iter().find(|kind| kind.name == name)
    }

    /// The example as JSON.
    pub fn example(&self) -> Value {
        serde_json::from_str(self.example).unwrap_or_default()
    }

    /// Its JSON Schema, a document of its own.
    pub fn document(&self) -> Value {
        let mut generator = SchemaSettings::draft2020_12().into_generator();
        let mut document = (self.schema)(&mut generator).to_value();
        document["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
        document["title"] = json!(self.name);
        document["examples"] = json!([self.example()]);
        document["$defs"] = Value::Object(generator.take_definitions(true));
        document
    }
}

macro_rules! kind {
    ($name:literal, $path:literal, $type:ty, $example:literal) => {
        Kind {
            name: $name,
            path: $path,
            example: $example,
            schema: |generator| <$type as JsonSchema>::json_schema(generator),
        }
    };
}

/// Every kind.
pub const KINDS: [Kind; 32] = [
    kind!(
        "order.v1",
        "/v1/orders",
        Order,
        r#"{"channel": "web", "id": "1001", "placed_at": "2026-05-04T10:00:00+08:00",
        "number": "A-17", "day_sequence": 17, "payment": {"state": "captured", "method": "alipay"}, "currency": "CNY",
        "totals": {"goods": 5600, "discount_platform": 300, "discount_seller": 200, "delivery": 500, "due": 0},
        "promise": {"from": "2026-05-04T11:00:00+08:00", "to": "2026-05-04T11:30:00+08:00"}, "region": "310104",
        "recipient": {"name": "Ada", "phone": "+86 10 5555 0100", "address": "1 High Street", "latitude": 31.19,
        "longitude": 121.43}, "language": "zh-CN", "remark": "no bag, please", "member": "M-7", "tags": ["new"],
        "gift": {"from": "Grace", "text": "Enjoy"}, "invoice": {"title": "Analytical Engines", "tax_id": "91310000"},
        "lines": [{"id": "1", "sku": "LATTE", "name": "Latte", "options": ["hot", "large"], "qty": 2, "unit_price": 2300},
        {"id": "2", "sku": "CHERRY", "name": "Cherries", "qty": "0.5", "unit": "kg", "unit_price": 2000,
        "substitution": "ask"}]}"#
    ),
    kind!(
        "amend.v1",
        "/v1/amends",
        Order,
        r#"{"channel": "web", "id": "1001", "version": 2, "currency": "CNY",
        "lines": [{"id": "1", "sku": "LATTE", "qty": 1, "unit_price": 2300}]}"#
    ),
    kind!(
        "cancel.v1",
        "/v1/cancels",
        Cancel,
        r#"{"channel": "web", "id": "1001", "lines": [{"line": "1", "qty": 1}]}"#
    ),
    kind!(
        "payment.v1",
        "/v1/payments",
        PaymentFact,
        r#"{"channel": "web", "id": "1001", "state": "captured", "amount": 5600,
        "occurred_at": "2026-05-04T10:01:00+08:00", "key": "pay-88"}"#
    ),
    kind!(
        "delivered.v1",
        "/v1/deliveries",
        Delivered,
        r#"{"channel": "web", "id": "1001", "occurred_at": "2026-05-04T11:20:00+08:00"}"#
    ),
    kind!(
        "count.v1",
        "/v1/stock/counts",
        Count,
        r#"{"node": "s1", "sku": "LATTE", "qty": 40, "source": "pos", "sequence": 812}"#
    ),
    kind!(
        "receipt.v1",
        "/v1/stock/receipts",
        Receipt,
        r#"{"node": "s1", "sku": "CHERRY", "qty": "12.5", "key": "delivery-55/3"}"#
    ),
    kind!(
        "adjustment.v1",
        "/v1/stock/adjustments",
        Adjustment,
        r#"{"node": "s1", "sku": "CHERRY", "delta": "-0.25", "key": "waste-9"}"#
    ),
    kind!(
        "policy.v1",
        "/v1/stock/policies",
        Policy,
        r#"{"node": "s1", "sku": "LATTE", "safety_stock": 2, "backorder": 10, "weekly_sales": 84}"#
    ),
    kind!(
        "picked.v1",
        "/v1/fulfilments/picked",
        AtNode,
        r#"{"order": "o2kq9m0g4000000000000a", "node": "s1", "lines": [{"line": "1", "qty": 2}]}"#
    ),
    kind!(
        "ready.v1",
        "/v1/fulfilments/ready",
        AtNode,
        r#"{"order": "o2kq9m0g4000000000000a", "node": "s1"}"#
    ),
    kind!(
        "shipped.v1",
        "/v1/fulfilments/shipped",
        Shipped,
        r#"{"order": "o2kq9m0g4000000000000a", "node": "s1", "carrier": "sf",
        "tracking": "SF1234567890"}"#
    ),
    kind!(
        "returned.v1",
        "/v1/fulfilments/returned",
        Returned,
        r#"{"order": "o2kq9m0g4000000000000a", "node": "s1",
        "lines": [{"line": "1", "qty": 1}], "restock": true}"#
    ),
    kind!(
        "accepted.v1",
        "/v1/fulfilments/accepted",
        AtNode,
        r#"{"order": "o2kq9m0g4000000000000a", "node": "s1"}"#
    ),
    kind!(
        "handed_over.v1",
        "/v1/fulfilments/handed_over",
        HandedOver,
        r#"{"order": "o2kq9m0g4000000000000a", "node": "s1", "lines": [{"line": "1", "qty": 2}], "code": "504213"}"#
    ),
    kind!(
        "claim.v1",
        "/v1/offers/claims",
        Claim,
        r#"{"order": "o2kq9m0g4000000000000a", "node": "s1", "epoch": 1}"#
    ),
    kind!(
        "decline.v1",
        "/v1/offers/declines",
        Decline,
        r#"{"order": "o2kq9m0g4000000000000a", "node": "s1", "reason": "out_of_stock",
        "lines": [{"line": "2", "qty": 1}], "key": "s1-4711"}"#
    ),
    kind!(
        "cancel_answer.v1",
        "/v1/fulfilments/cancel_answers",
        CancelAnswer,
        r#"{"order": "o2kq9m0g4000000000000a", "node": "s1", "granted": true}"#
    ),
    kind!(
        "node_request.v1",
        "/v1/nodes/requests",
        NodeRequest,
        r#"{"node": "s1", "act": "pause", "until": "2026-05-04T13:00:00+08:00"}"#
    ),
    kind!(
        "steer.v1",
        "/v1/steers",
        Steer,
        r#"{"channel": "web", "id": "1001", "act": "reroute", "node": "s1", "lines": [{"line": "1", "qty": 1}],
        "key": "ticket-88"}"#
    ),
    kind!(
        "reserve.v1",
        "/v1/reservations",
        Reserve,
        r#"{"channel": "web", "id": "1001", "ttl_s": 900, "key": "cart-7/1",
        "lines": [{"line": "1", "sku": "LATTE", "qty": 2},
        {"line": "2", "sku": "ROOM", "buckets": ["2026-10-01", "2026-10-02"], "qty": 1, "node": "s1"}]}"#
    ),
    kind!(
        "extend.v1",
        "/v1/reservations/extensions",
        Extend,
        r#"{"channel": "web", "id": "1001", "ttl_s": 900, "key": "cart-7/2"}"#
    ),
    kind!(
        "release.v1",
        "/v1/releases",
        Release,
        r#"{"channel": "web", "id": "1001", "lines": [{"line": "1", "qty": 1}], "key": "cart-7/3"}"#
    ),
    kind!(
        "channel_policy.v1",
        "/v1/stock/channel_policies",
        ChannelPolicy,
        r#"{"channel": "web", "zone": "shanghai", "sku": "LATTE", "threshold": 2, "backorder": 10}"#
    ),
    kind!(
        "quota.v1",
        "/v1/quotas",
        Quota,
        r#"{"channel": "web", "sku": "LATTE", "backorder": 100,
        "weights": [{"zone": "shanghai", "weight": 3}, {"zone": "beijing", "weight": 1}]}"#
    ),
    kind!("zone.v1", "/v1/zones", Zone, r#"{"id": "shanghai"}"#),
    kind!(
        "node.v1",
        "/v1/nodes",
        Node,
        r#"{"id": "s1", "zone": "shanghai", "name": "Xujiahui", "latitude": 31.19, "longitude": 121.43,
        "groups": ["coffee"], "capacity_at_once": 40, "sequence": 3, "attributes": {"tier": "a", "roads": ["A2", "A4"]},
        "area_km": 8, "calendar": {"time_zone": "Asia/Shanghai",
        "weekly": {"monday": [{"from": "07:00", "to": "22:00"}], "friday": [{"from": "07:00", "to": "02:00"}]},
        "exceptions": [{"date": "2026-10-01"}, {"date": "2026-12-31", "open": [{"from": "09:00", "to": "24:00"}]}]}}"#
    ),
    kind!(
        "item.v1",
        "/v1/items",
        Item,
        r#"{"sku": "CHERRY", "name": "Cherries", "names": {"zh-CN": "樱桃"}, "barcode": "6901234567892",
        "unit_step": "0.1", "weight_g": 1000, "category": "fruit", "handling": ["cold"], "tolerance": 50}"#
    ),
    kind!(
        "channel.v1",
        "/v1/channels",
        Channel,
        r#"{"id": "web", "default_zone": "shanghai", "route_when": "authorised", "fallback": ["central"],
        "cancel_within": "10m", "cancel_by_default": true}"#
    ),
    kind!(
        "region.v1",
        "/v1/regions",
        Region,
        r#"{"id": "3101", "zone": "shanghai", "latitude": 31.23, "longitude": 121.47}"#
    ),
    kind!(
        "fees.v1",
        "/v1/fees",
        Fees,
        r#"{"id": "sf", "bands": [{"km": 3, "base": 600}, {"km": 20, "base": 1200, "per_kg": 200}]}"#
    ),
    kind!(
        "rules.v1",
        "/v1/rules",
        Rules,
        r#"{"name": "grab", "zones": ["shanghai"], "note": "stores near by are asked first", "routings": [{"id": "all",
        "rules": [{"id": "near", "filters": [{"by": "radius", "km": 5}, {"by": "open"}], "sorts": [{"by": "distance"}],
        "assignment": {"kind": "single"}, "actions": [{"do": "offer", "nodes": 5, "rounds": 2, "ttl": "60s"}]},
        {"id": "any", "sorts": [{"by": "distance"}], "assignment": {"kind": "fewest"},
        "actions": [{"do": "allocate", "accept_within": "15m"}, {"do": "backorder"}]}]}],
        "reasons": [{"id": "damaged", "effect": "subtract"}, {"id": "busy", "cool_down": "15m"}]}"#
    ),
];
