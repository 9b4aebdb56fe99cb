//! Every path: who serves it, and what the OpenAPI document says of it. The application and the document are both made
//! from this table, so neither has a path that the other has not.

use axum::{
    extract::{DefaultBodyLimit, Request, State},
    http::Uri,
    middleware::from_fn,
    routing::{MethodRouter, get, post},
};
use router_ingest::{
    decode,
    json::{KINDS, Kind},
};
use router_schemas::{
    command::reference::Table,
    refusal::{Code, Refusal},
};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::{
    BUSY, Gateway, LATE, NO_ROOM, NOT_FOUND, TOO_LARGE,
    access::{ALL, CHANNELS, NODES, OF_CHANNEL, READERS, WRITERS, Who, roles_of},
    asyncapi, batch,
    caller::Caller,
    letters::SOURCES,
    pickup,
    problem::{BAD_HEADER, BAD_QUERY, BEHIND, CUT, MEDIA, NO_ROWS, NOT_YET, ROLE, SCOPE, SLOW, TOKEN},
    query::{PAGE, Parameter},
    raw, read, request, write,
};
use crate::{config::tokens::Role, show, telemetry};

/// A path with one method.
pub(super) struct Route {
    pub method: &'static str,
    pub path: &'static str,
    /// Name of the operation.
    pub id: String,
    pub about: String,
    /// Of the query.
    pub parameters: Vec<&'static Parameter>,
    pub body: Body,
    pub answers: Vec<Answer>,
    /// Who may call it. A store is bound to its `{node}` in the path, a connector to its `{channel}`; elsewhere the
    /// handler asks its [`super::caller::Caller`].
    pub who: Who,
    pub serve: MethodRouter<Gateway>,
}

mod refusals;
mod stores;

/// What is sent.
pub(super) enum Body {
    None,
    Message(&'static Kind),
    Lines,
}

/// What may be answered.
pub(super) struct Answer {
    pub status: u16,
    pub about: &'static str,
    pub content: Content,
}

/// What an answer holds.
pub(super) enum Content {
    Json(fn(&mut SchemaGenerator) -> Schema),
    Text(&'static str),
    Problems(Vec<Code>),
}

fn json<T: JsonSchema>(status: u16, about: &'static str) -> Answer {
    Answer { status, about, content: Content::Json(|generator| generator.subschema_for::<T>()) }
}

fn problems(status: u16, about: &'static str, codes: &[Code]) -> Answer {
    Answer { status, about, content: Content::Problems(codes.to_vec()) }
}

fn codes_of(refusals: &[Refusal]) -> Vec<Code> {
    refusals.iter().map(|refusal| refusal.code()).collect()
}

/// All of them, each with what the guard answers.
pub(super) fn routes() -> Vec<Route> {
    let mut routes = table();
    for route in routes.iter_mut().filter(|route| route.who != Who::Anyone) {
        route.answers.push(problems(401, "A token is asked for", &[TOKEN]));
        let own = route.answers.iter().position(|answer| answer.status == 403);
        let own = own.map(|at| route.answers.remove(at).content);
        let more = if let Some(Content::Problems(codes)) = own { codes } else { Vec::new() };
        let codes: Vec<_> = [ROLE, SCOPE].into_iter().chain(more).collect();
        route.answers.push(problems(403, "The token is not for this", &codes));
        route.answers.sort_by_key(|answer| answer.status);
    }
    routes
}

fn table() -> Vec<Route> {
    let mut routes: Vec<_> = KINDS.iter().map(message).collect();
    routes.extend([batch(), raw(), order(), orders(), stock()]);
    routes.push(entries::<show::Zone>(Table::Zones, "/v1/zones", "zones"));
    routes.push(entries::<show::Node>(Table::Nodes, "/v1/nodes", "nodes"));
    routes.push(entries::<show::Item>(Table::Items, "/v1/items", "items"));
    routes.push(entries::<show::Channel>(Table::Channels, "/v1/channels", "channels"));
    routes.push(entries::<show::Region>(Table::Regions, "/v1/regions", "regions"));
    routes.push(entries::<show::Fees>(Table::Fees, "/v1/fees", "fees"));
    routes.push(entries::<show::Quota>(Table::Quotas, "/v1/quotas", "quotas"));
    routes.push(entries::<show::Rules>(Table::Rules, "/v1/rules", "rules"));
    routes.push(stores::one::<show::Rules>(
        "/v1/rules/{name}",
        "rules",
        "Show a rule set: NAME for its last version, NAME@VERSION for any. `default` is built in",
        READERS,
        get(read::rules),
    ));
    routes.extend(stores::stores());
    let text = |about, media| vec![Answer { status: 200, about, content: Content::Text(media) }];
    let ready = vec![json::<show::Readiness>(200, "It does"), json::<show::Readiness>(503, "It does not")];
    let live = text("It is", "text/plain; charset=utf-8");
    routes.push(open("/livez", "live", "Whether the process is there", live, get(read::live)));
    routes.push(open("/readyz", "ready", "Whether the router takes messages", ready, get(read::ready)));
    let metrics = text("All of them", telemetry::CONTENT_TYPE);
    routes.push(open("/metrics", "metrics", "Measurements, as OpenMetrics", metrics, get(read::metrics)));
    for (path, id) in [("/v1/openapi.json", "document"), ("/openapi.json", "document_at_root")] {
        let answers = vec![json::<serde_json::Map<String, serde_json::Value>>(200, "OpenAPI 3.1")];
        routes.push(open(path, id, "This document", answers, get(read::document)));
    }
    let answers = vec![json::<serde_json::Map<String, serde_json::Value>>(200, "AsyncAPI 3.0")];
    let about = "What the router tells on topics";
    routes.push(open("/v1/asyncapi.json", "events", about, answers, get(asyncapi::served)));
    routes
}

fn open(
    path: &'static str,
    id: &str,
    about: &str,
    answers: Vec<Answer>,
    serve: MethodRouter<Gateway>,
) -> Route {
    let (id, about) = (id.to_owned(), about.to_owned());
    Route {
        method: "get",
        path,
        id,
        about,
        parameters: vec![],
        body: Body::None,
        answers,
        who: Who::Anyone,
        serve,
    }
}

fn message(kind: &'static Kind) -> Route {
    let name = kind.name.trim_end_matches(".v1");
    let codes = |id: &str| decode::CODES.iter().find(|code| code.id == id).copied().into_iter();
    let order = kind.path == "/v1/orders";
    let refused = codes_of(&refusals::of(kind.path));
    let against = codes_of(&refusals::conflicts(kind.path));
    let hands_over = kind.path == "/v1/fulfilments/handed_over";
    let code = hands_over.then_some(pickup::WRONG);
    let later: Vec<_> = [BUSY, BEHIND].into_iter().chain(hands_over.then_some(pickup::TRIES)).collect();
    let unreadable = ["E1001", "E1002", "E1003", "E1004"].into_iter().flat_map(codes);
    let lint = router_ingest::rules::CODES.iter().filter(|_| kind.path == "/v1/rules").copied();
    let refused: Vec<_> = unreadable.chain(lint).chain(refused).chain(code).collect();
    let unavailable: Vec<_> = [NO_ROOM, NO_ROWS].into_iter().chain(codes("E1005")).collect();
    let mut answers = vec![
        json::<show::Taken<'static>>(200, "Taken; of an order: a repeat, with the first answer"),
        json::<show::Taken<'static>>(
            202,
            "On disk, and not decided yet: asked for, or it waits for its order",
        ),
        problems(400, "A header or the body is broken", &[BAD_HEADER, CUT]),
        problems(408, "The body came too slowly", &[SLOW]),
        problems(413, "The body is too large", &[TOO_LARGE]),
        problems(415, "The body is no plain JSON", &[MEDIA]),
        problems(422, "The message is not taken, with the place in it", &refused),
        problems(429, "Come back after the seconds of Retry-After", &later),
        problems(503, "Nothing is taken now", &unavailable),
        problems(504, "No answer came in time; a repeat is safe", &[LATE]),
    ];
    if order {
        answers.push(json::<show::Taken<'static>>(201, "A new order; Location names it"));
    }
    if !against.is_empty() {
        answers.push(problems(409, "The message is right, and how things stand is against it", &against));
    }
    let serve =
        post(move |State(gateway): State<Gateway>, request: Request| write::message(kind, gateway, request));
    let (id, about) = (format!("send_{name}"), format!("Send a message of the kind `{}`", kind.name));
    let (parameters, body) = (vec![], Body::Message(kind));
    Route {
        method: "post",
        path: kind.path,
        id,
        about,
        parameters,
        body,
        answers,
        who: Who::Roles(roles_of(kind.path)),
        serve,
    }
}

fn batch() -> Route {
    let answers = vec![
        Answer {
            status: 200,
            about: "A line for each message, in their order: {line, status, answer}",
            content: Content::Text("application/x-ndjson"),
        },
        problems(400, "A header is broken", &[BAD_HEADER]),
        problems(415, "The body is in no form that is read", &[MEDIA]),
    ];
    Route {
        method: "post",
        path: "/v1/batch",
        id: "send_lines".into(),
        about: "Send messages by the line, any number: orders, or CloudEvents that name their kind".into(),
        parameters: vec![],
        body: Body::Lines,
        answers,
        who: Who::Roles(WRITERS),
        serve: post(batch::batch).layer(DefaultBodyLimit::disable()).layer(from_fn(request::lines)),
    }
}

fn raw() -> Route {
    let answers = vec![
        Answer {
            status: 200,
            about: "A line for each message, in their order: {line, status, answer}. What cannot be read is kept as a \
                    dead letter, and its line says where",
            content: Content::Text("application/x-ndjson"),
        },
        problems(400, "The channel, a parameter or a header is not readable", &[BAD_QUERY, BAD_HEADER]),
        problems(415, "The body is in no form that is read", &[MEDIA]),
        problems(429, "Too many channels are kept apart already", &[SOURCES]),
        problems(503, "Nothing is taken now", &[NO_ROOM]),
    ];
    Route {
        method: "post",
        path: "/v1/raw/{channel}",
        id: "send_raw".into(),
        about: "Send messages as a connector publishes them to the channel's raw topic, by the line".into(),
        parameters: raw::PARAMETERS.iter().collect(),
        body: Body::Lines,
        answers,
        who: Who::Roles(OF_CHANNEL),
        serve: post(raw::raw).layer(DefaultBodyLimit::disable()).layer(from_fn(request::lines)),
    }
}

fn rows(
    path: &'static str,
    id: &str,
    about: &str,
    filters: &'static [Parameter],
    answer: Answer,
    who: &'static [Role],
    serve: MethodRouter<Gateway>,
) -> Route {
    let who = Who::Roles(who);
    let answers = vec![
        answer,
        problems(400, "A parameter is unknown or not readable", &[BAD_QUERY]),
        problems(503, "The rows cannot be read", &[NO_ROWS]),
    ];
    let parameters = filters.iter().chain(&PAGE).collect();
    let (id, about, body) = (id.to_owned(), about.to_owned(), Body::None);
    Route { method: "get", path, id, about, parameters, body, answers, who, serve }
}

fn orders() -> Route {
    let answer = json::<show::Page<show::Order>>(200, "Orders, newest first");
    rows("/v1/orders", "list_orders", "List orders", &read::ORDERS, answer, ALL, get(read::orders))
}

fn stock() -> Route {
    let answer = json::<show::Page<show::Cell>>(200, "Stock cells");
    rows("/v1/stock", "list_stock", "List stock cells", &read::STOCK, answer, NODES, get(read::stock))
}

fn entries<T: JsonSchema>(table: Table, path: &'static str, name: &str) -> Route {
    let serve = get(move |State(gateway): State<Gateway>, caller: Caller, uri: Uri| {
        read::references(table, gateway, caller, uri)
    });
    let who = match table {
        Table::Zones | Table::Items => ALL,
        Table::Nodes => NODES,
        Table::Channels => CHANNELS,
        _ => READERS,
    };
    let answer = json::<show::Page<T>>(200, "Entries of the table");
    rows(path, &format!("list_{name}"), &format!("List {name}"), &[], answer, who, serve)
}

fn order() -> Route {
    let answers = vec![
        json::<show::Order>(200, "The order"),
        problems(400, "The id is not readable", &[BAD_QUERY]),
        problems(404, "No such order, or its row is not written yet", &[NOT_FOUND, NOT_YET]),
        problems(503, "The rows cannot be read", &[NO_ROWS]),
    ];
    Route {
        method: "get",
        path: "/v1/orders/{id}",
        id: "show_order".into(),
        about: "Show an order by our id, by CHANNEL:ID or by CHANNEL%2FACCOUNT:ID".into(),
        parameters: vec![],
        body: Body::None,
        answers,
        who: Who::Roles(ALL),
        serve: get(read::order),
    }
}
