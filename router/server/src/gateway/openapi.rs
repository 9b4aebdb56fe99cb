//! The OpenAPI document of the gateway, from its table of routes and the types of its messages and answers.

use std::collections::BTreeMap;

use router_ingest::json::REGENERATE;
use router_schemas::{limits::NAME_BYTES, refusal::Code};
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{
    access::Who,
    caller::REASON_BYTES,
    query::Parameter,
    request::{KEY_BYTES, WAIT_SECONDS},
    routes::{Answer, Body, Content, Route, routes},
};
use crate::show;

/// The document as it lies in `schemas/openapi.json` and is served.
pub(super) fn text() -> String {
    format!("{:#}\n", document())
}

fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|s| s.definitions_path = "/components/schemas".into());
    let mut generator = settings.into_generator();
    let (mut paths, mut shared) = (Map::new(), BTreeMap::new());
    for route in routes() {
        let operation = operation(&route, &mut generator, &mut shared);
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method] = operation;
    }
    generator.subschema_for::<show::Problem>();
    let mut schemas = Map::new();
    for kind in &router_ingest::json::KINDS {
        let mut schema = (kind.schema)(&mut generator).to_value();
        schema["title"] = json!(kind.name);
        schemas.insert(kind.name.into(), schema);
    }
    schemas.extend(generator.take_definitions(true));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Order router",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            "description": "Orders in, stores chosen. Amounts are integers in minor units, quantities numbers or decimal \
                strings with up to three decimals, times RFC 3339. Names hold no control characters; their lengths are \
                counted in bytes of UTF-8. Members that are not described are passed over.",
        },
        "servers": [{ "url": "/" }],
        "security": [{}, { "token": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "parameters": message_headers(),
            "responses": shared.iter().map(|(text, name)| (name.clone(), serde_json::from_str(text).unwrap_or_default()))
                .collect::<Map<_, _>>(),
            "examples": examples(),
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer",
                "description": "Needed where the router has tokens_file or token_file. A token has a role, and one of a \
                    store its nodes, one of a connector its channels: `x-roles` says which roles may call a path" } },
        },
        "x-regenerate": REGENERATE,
    })
}

/// Responses that many operations have, by their text, each with its name.
type Shared = BTreeMap<String, String>;

fn operation(route: &Route, generator: &mut SchemaGenerator, shared: &mut Shared) -> Value {
    let mut parameters: Vec<_> = route.parameters.iter().map(|parameter| in_query(parameter)).collect();
    if route.path.contains("{id}") {
        let (about, example) = match route.path.starts_with("/v1/offers") {
            true => ("Our id of the offer", "f2kq9m0g40000000000000abc"),
            false => ("Our id of the order, or the platform's name of it", "web:1001"),
        };
        parameters.push(json!({ "name": "id", "in": "path", "required": true, "description": about,
            "schema": { "type": "string", "minLength": 1 }, "example": example }));
    }
    if route.path.contains("{name}") {
        parameters
            .push(json!({ "name": "name", "in": "path", "required": true, "description": "The rule set",
            "schema": { "type": "string" }, "example": "grab" }));
    }
    if route.path.contains("{node}") {
        parameters.push(json!({ "name": "node", "in": "path", "required": true, "description": "The node",
            "schema": { "type": "string", "minLength": 1, "maxLength": NAME_BYTES }, "example": "s1" }));
    }
    if route.path.ends_with("/stream") {
        parameters.push(json!({ "name": "Last-Event-ID", "in": "header",
            "description": "The id of the last event that was heard: the stream goes on behind it",
            "schema": { "type": "string" } }));
    }
    if route.path.contains("{channel}") {
        parameters.push(json!({ "name": "channel", "in": "path", "required": true,
            "description": "The channel whose raw topic it is",
            "schema": { "type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$" }, "example": "web" }));
    }
    let mut operation = json!({ "operationId": route.id, "summary": route.about });
    let header = |name| json!({ "$ref": format!("#/components/parameters/{name}") });
    match &route.body {
        Body::None => {}
        Body::Message(kind) => {
            parameters.extend(["Idempotency-Key", "Prefer", "X-Reason"].map(header));
            let schema = json!({ "$ref": format!("#/components/schemas/{}", kind.name) });
            let event = json!({ "type": "object", "required": ["specversion", "type", "data"], "properties": {
                "specversion": { "const": "1.0" }, "type": { "const": kind.name }, "id": { "type": "string" },
                "source": { "type": "string" }, "data": schema } });
            operation["requestBody"] = json!({ "required": true, "content": {
                "application/json": { "schema": schema, "example": kind.example() },
                "application/cloudevents+json": { "schema": event, "example": { "specversion": "1.0",
                    "id": "1", "source": "/shop", "type": kind.name, "data": kind.example() } },
            } });
        }
        Body::Lines => {
            parameters.push(header("X-Reason"));
            operation["requestBody"] = json!({ "required": true, "content": { "application/x-ndjson": {
                "schema": { "type": "string" },
                "example": "{\"channel\":\"web\",\"id\":\"1002\",\"lines\":[{\"sku\":\"LATTE\",\"qty\":1}]}\n" } } });
        }
    }
    if !parameters.is_empty() {
        operation["parameters"] = json!(parameters);
    }
    match route.who {
        Who::Anyone => operation["security"] = json!([]),
        Who::Roles(roles) => {
            operation["x-roles"] = json!(roles.iter().map(|role| role.as_str()).collect::<Vec<_>>())
        }
    }
    let responses = route.answers.iter().map(|said| {
        let response = answer(route, said, generator);
        if !matches!(said.content, Content::Problems(_)) {
            return (said.status.to_string(), response);
        }
        let number = shared.len() + 1;
        let name =
            shared.entry(response.to_string()).or_insert_with(|| format!("Problem{}.{number}", said.status));
        (said.status.to_string(), json!({ "$ref": format!("#/components/responses/{name}") }))
    });
    operation["responses"] = Value::Object(responses.collect());
    operation
}

fn in_query(parameter: &Parameter) -> Value {
    json!({ "name": parameter.name, "in": "query", "description": parameter.about, "schema": (parameter.schema)() })
}

fn message_headers() -> Value {
    json!({
        "Idempotency-Key": { "name": "Idempotency-Key", "in": "header",
            "description": "Names the fact in the message where it has no `key`: the same again is a repeat",
            "schema": { "type": "string", "minLength": 1, "maxLength": KEY_BYTES, "pattern": "^[!-~]+$" } },
        "Prefer": { "name": "Prefer", "in": "header",
            "description": format!("`wait=N`: answer with the engine's outcome, within N seconds (1 to {WAIT_SECONDS}). \
                `respond-async`: answer as soon as the message is on disk."),
            "schema": { "type": "string", "enum": ["wait=5", "respond-async"] } },
        "X-Reason": { "name": "X-Reason", "in": "header",
            "description": "Why it is sent, kept in the log beside it: UTF-8, or percent-encoded",
            "schema": { "type": "string", "maxLength": REASON_BYTES, "pattern": "^[ !#$&-;=?-Z_a-z~]*$" } },
    })
}

fn answer(route: &Route, answer: &Answer, generator: &mut SchemaGenerator) -> Value {
    let mut response = json!({ "description": answer.about });
    response["content"] = match &answer.content {
        Content::Json(schema) => json!({ "application/json": { "schema": schema(generator) } }),
        // Said of each event.
        Content::Text(media @ "text/event-stream") => {
            let text = || json!({ "type": "string" });
            json!({ *media: { "schema": { "type": "object", "required": ["event", "data"],
                "properties": { "event": text(), "id": text(), "data": text() } } } })
        }
        Content::Text(media) => json!({ *media: { "schema": { "type": "string" } } }),
        Content::Problems(codes) => {
            let example = |code: &Code| {
                (code.id.to_owned(), json!({ "$ref": format!("#/components/examples/{}", code.id) }))
            };
            let examples: Map<_, _> = codes.iter().map(example).collect();
            json!({ "application/problem+json": {
                "schema": generator.subschema_for::<show::Problem>(), "examples": examples } })
        }
    };
    let header = |about: &str, schema: Value| json!({ "description": about, "schema": schema });
    let mut headers = Map::new();
    if answer.status == 201 {
        let schema = json!({ "type": "string", "pattern": "^/v1/orders/o[0-9a-z]{21}$" });
        headers.insert("Location".into(), header("Where the order is", schema));
    }
    if matches!(answer.status, 429 | 503) && matches!(answer.content, Content::Problems(_)) {
        headers.insert("Retry-After".into(), header("Seconds", json!({ "type": "integer" })));
    }
    if answer.status < 300 && matches!(route.body, Body::Message(_)) {
        let about = "What was done of Prefer";
        headers.insert("Preference-Applied".into(), header(about, json!({ "type": "string" })));
    }
    if !headers.is_empty() {
        response["headers"] = Value::Object(headers);
    }
    response
}

/// Examples of the problems of all answers, each once.
fn examples() -> Map<String, Value> {
    let codes =
        routes().into_iter().flat_map(|route| route.answers).flat_map(|answer| match answer.content {
            Content::Problems(codes) => codes,
            _ => Vec::new(),
        });
    let example = |code: Code| {
        let problem = show::Problem::new(code, "", code.summary);
        (code.id.to_owned(), json!({ "summary": code.summary, "value": show::json(&problem) }))
    };
    codes.map(example).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn document_is_current() {
        crate::gateway::document::is_current("schemas/openapi.json", &text(), "the gateway says");
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_name_is_there_once() {
        let document = document();
        crate::gateway::document::references_lead_somewhere(&document);
        let mut ids = std::collections::BTreeSet::new();
        for route in routes() {
            assert!(ids.insert(route.id.clone()), "two operations are called {}", route.id);
        }
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let twice = schemas.keys().filter(|name| name.ends_with('2')).collect::<Vec<_>>();
        assert!(twice.is_empty(), "two types of one name: {twice:?}");
    }
}
