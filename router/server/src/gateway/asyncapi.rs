//! The AsyncAPI document: what others may hear on the topics for them, from the types of the notices.

use axum::response::{IntoResponse, Response};
use router_ingest::json::REGENERATE;
use router_schemas::notice::{Assignment, Availability, Notification, OfferNotice, StockAlert};
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

/// A topic for others.
struct Channel {
    topic: &'static str,
    about: &'static str,
    /// What a record is about: of one such thing the records stay in order, and the last one wins.
    key: &'static str,
    messages: &'static [Message],
}

/// A kind of record.
struct Message {
    name: &'static str,
    about: &'static str,
    schema: fn(&mut SchemaGenerator) -> Schema,
    /// Without `origin`.
    example: &'static str,
}

fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    T::json_schema(generator)
}

const CHANNELS: &[Channel] = &[
    Channel {
        topic: "stores.assignments",
        about: "What stores are offered and have to do. No customer's name, phone or address is in it: whoever has the \
                work reads them at `GET /v1/orders/{id}/contact`. `GET /v1/nodes/{node}/stream` has the records of one \
                node as server-sent events",
        key: "order and node",
        messages: &[
            Message {
                name: "offer.v1",
                about: "An offer to a store, whole: `epoch` and `offer` go into its claim. `closed`: it may not claim any more",
                schema: schema::<OfferNotice<'static>>,
                example: r#"{"type": "offer.v1", "event": "offered", "node": "s1", "order": "o2kq9m0g4000000000000a",
                "offer": "f2kq9m0g40000000000000abc", "epoch": 1, "round": 1, "deadline": 1777860060000,
                "distance_m": 1300, "channel": "web", "external_id": "1001", "number": "A-17", "day_sequence": 17,
                "mode": "delivery", "remark": "no bag, please", "lines": [{"line": "1", "sku": "LATTE",
                "name": "Latte", "options": ["hot", "large"], "qty": 2}], "position": "commands/3@1040",
                "at": 1777860000000}"#,
            },
            Message {
                name: "assignment.v1",
                about: "Work of a store: its whole state for the order. `withdrawn`: it has none any more",
                schema: schema::<Assignment<'static>>,
                example: r#"{"type": "assignment.v1", "event": "assigned", "node": "s1", "order": "o2kq9m0g4000000000000a",
                "channel": "web", "external_id": "1001", "number": "A-17", "day_sequence": 17, "mode": "delivery",
                "remark": "no bag, please", "lines": [{"line": "1", "sku": "LATTE", "name": "Latte",
                "options": ["hot", "large"], "qty": 2}], "deadline": 1777860300000, "position": "commands/3@1042",
                "at": 1777860000000}"#,
            },
        ],
    },
    Channel {
        topic: "customers.notifications",
        about: "What happened to a customer's order, for whoever tells them",
        key: "order",
        messages: &[Message {
            name: "notification.v1",
            about: "Something that the customer is to hear, once: it is no state, each one counts",
            schema: schema::<Notification<'static>>,
            example: r#"{"type": "notification.v1", "event": "shipped", "order": "o2kq9m0g4000000000000a",
                "channel": "web", "external_id": "1001", "language": "zh-CN", "state": "completed",
                "tracking": "SF1234567890", "position": "commands/3@1051", "at": 1777861000000}"#,
        }],
    },
    Channel {
        topic: "stock.alerts",
        about: "Stock that someone should look at; each once, and once more when it is over",
        key: "node, SKU and bucket; of a pool channel, SKU and bucket",
        messages: &[Message {
            name: "stock_alert.v1",
            about: "`oversold` and `low` stand until `recovered` and `low_recovered`; a `drift` has no end",
            schema: schema::<StockAlert<'static>>,
            example: r#"{"type": "stock_alert.v1", "event": "oversold", "node": "s1", "sku": "LATTE", "qty": 2,
                "position": "commands/3@1060", "at": 1777862000000}"#,
        }],
    },
    Channel {
        topic: "channels.availability",
        about: "What channels may sell, throttled: for display and to stop selling in time, never a check. A platform sums \
                over the zones",
        key: "channel, zone, SKU and bucket",
        messages: &[Message {
            name: "availability.v1",
            about: "What a channel may sell of a SKU in a zone, whole",
            schema: schema::<Availability<'static>>,
            example: r#"{"type": "availability.v1", "channel": "web", "zone": "shanghai", "sku": "LATTE",
                "available": 38, "low": false, "position": "commands/3@1061", "at": 1777862000000}"#,
        }],
    },
];

const DELIVERY: &str = "At least once: whoever reads starts where it left off, and sees some records again after it or the \
    router broke off. `position` and `origin.sequence` tell a repeat: the sequence is dense from 1 for each source \
    partition and partition of the topic. Records of one partition are in order; all that is said of one thing by its zone \
    lies in one partition. The last record of a thing wins where it is said to be whole.";

/// The document as it lies in `schemas/asyncapi.json` and is served.
pub(super) fn text() -> String {
    format!("{:#}\n", document())
}

fn document() -> Value {
    let settings =
        SchemaSettings::draft07().for_serialize().with(|s| s.definitions_path = "/components/schemas".into());
    let mut generator = settings.into_generator();
    let (mut channels, mut operations) = (Map::new(), Map::new());
    let (mut messages, mut schemas) = (Map::new(), Map::new());
    for channel in CHANNELS {
        let mut refs = Map::new();
        for message in channel.messages {
            let mut payload = (message.schema)(&mut generator).to_value();
            payload["properties"]["origin"] = json!({ "$ref": "#/components/schemas/Origin" });
            if let Value::Array(required) = &mut payload["required"] {
                required.push(json!("origin"));
            }
            payload.as_object_mut().map(|payload| payload.remove("$schema"));
            schemas.insert(message.name.into(), payload);
            messages.insert(message.name.into(), of(message));
            refs.insert(
                message.name.into(),
                json!({ "$ref": format!("#/components/messages/{}", message.name) }),
            );
        }
        let name = channel.topic;
        let about = format!("{}. In order, and the last one wins, by {}.", channel.about, channel.key);
        channels.insert(
            name.into(),
            json!({ "address": name, "description": about, "messages": refs, "x-key": channel.key }),
        );
        let to =
            |message: &Message| json!({ "$ref": format!("#/channels/{name}/messages/{}", message.name) });
        let heard: Vec<_> = channel.messages.iter().map(to).collect();
        operations.insert(
            format!("tell_{}", name.replace('.', "_")),
            json!({ "action": "send", "channel": { "$ref": format!("#/channels/{name}") }, "messages": heard }),
        );
    }
    schemas.insert("Origin".into(), origin());
    schemas.extend(generator.take_definitions(true));
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Order router",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0" },
            "description": format!("What the router tells others, as JSON on topics of its log. {DELIVERY} Times are \
                milliseconds since 1970 of the engine's clock, quantities numbers or decimal strings with up to three \
                decimals. New members may come: pass over what you do not know."),
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": { "messages": messages, "schemas": schemas },
        "x-regenerate": REGENERATE,
    })
}

fn of(message: &Message) -> Value {
    let mut example: Value = serde_json::from_str(message.example).unwrap_or_default();
    example["origin"] =
        json!({ "log": "9f2c4e6a8b0d1f3e5c7a9b8d6f4e2c1a", "topic": 2, "partition": 3, "sequence": 77 });
    json!({ "name": message.name, "contentType": "application/json", "summary": message.about,
        "payload": { "$ref": format!("#/components/schemas/{}", message.name) },
        "examples": [{ "payload": example }] })
}

/// What stands first in every record (`router_schemas::envelope::encode_json`).
fn origin() -> Value {
    let number =
        |about: &str, least: u64| json!({ "description": about, "type": "integer", "minimum": least });
    json!({ "description": "Where the record comes from: tells a repeat and a gap", "type": "object",
        "required": ["log", "topic", "partition", "sequence"],
        "properties": {
            "log": { "description": "Identity of the log", "type": "string", "pattern": "^[0-9a-f]{32}$" },
            "topic": number("Code of the source topic", 1),
            "partition": number("Source partition", 0),
            "sequence": number("Dense from 1, for each source partition and partition of this topic", 1),
        } })
}

/// The document, made once.
pub(super) async fn served() -> Response {
    use std::sync::LazyLock;
    static TEXT: LazyLock<String> = LazyLock::new(text);
    ([("content-type", "application/json")], TEXT.as_str()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_current() {
        crate::gateway::document::is_current("schemas/asyncapi.json", &text(), "the notices say");
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_example_is_there() {
        let document = document();
        crate::gateway::document::references_lead_somewhere(&document);
        for message in CHANNELS.iter().flat_map(|channel| channel.messages) {
            let example: Value = serde_json::from_str(message.example).unwrap();
            assert_eq!(example["type"], message.name);
        }
    }
}
