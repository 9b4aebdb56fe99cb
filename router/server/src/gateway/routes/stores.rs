//! What stores, connectors and operations read of offers, work, queues, holds and pools, and what a node hears.

use axum::routing::{MethodRouter, get};
use schemars::JsonSchema;

use super::{Answer, Body, Content, Route, json, problems, rows};
use crate::{
    config::tokens::Role,
    gateway::{
        Gateway, NO_ROOM, NOT_FOUND,
        access::{CHANNELS, FOR_CUSTOMER, NODES, OF_NODE, READERS, Who},
        contact, letters, pickup,
        problem::{BAD_QUERY, NO_ROWS, NOT_YET},
        query::Parameter,
        stores, stream,
    },
    show::{self, stores as view},
};

/// What stores and operations read of offers, work, queues, holds and pools.
pub(super) fn stores() -> Vec<Route> {
    vec![
        list::<view::Offer>(
            "/v1/offers",
            "offers",
            "List offers, the first made first",
            &[],
            READERS,
            get(stores::all_offers),
        ),
        one::<view::Offer>("/v1/offers/{id}", "offer", "Show an offer", NODES, get(stores::offer)),
        of_node(list::<view::Offer>(
            "/v1/nodes/{node}/offers",
            "node_offers",
            "List the offers that a node may claim",
            &[],
            NODES,
            get(stores::offers),
        )),
        of_node(list::<view::Work>(
            "/v1/nodes/{node}/work",
            "node_work",
            "List what a node has to do",
            &[],
            NODES,
            get(stores::work),
        )),
        one::<view::Standing>(
            "/v1/nodes/{node}/standing",
            "node_standing",
            "Show how a node stands",
            NODES,
            get(stores::standing),
        ),
        live(),
        of_order::<view::PickupCode>(
            "/v1/orders/{id}/pickup-code",
            "pickup_code",
            "Show the code that the customer says where the order is handed over",
            FOR_CUSTOMER,
            get(pickup::code),
        ),
        contact(),
        list::<show::Order>(
            "/v1/queues",
            "queues",
            "List parked orders as they are served",
            &stores::QUEUE,
            READERS,
            get(stores::queue),
        ),
        one::<view::Hold>(
            "/v1/holds/{id}",
            "hold",
            "Show what is held for an order, by our id or by CHANNEL:ID",
            CHANNELS,
            get(stores::hold),
        ),
        list::<view::Pool>(
            "/v1/pools",
            "pools",
            "List what channels may sell",
            &stores::CHANNEL,
            CHANNELS,
            get(stores::pools),
        ),
    ]
}

fn list<T: JsonSchema>(
    path: &'static str,
    name: &str,
    about: &str,
    filters: &'static [Parameter],
    who: &'static [Role],
    serve: MethodRouter<Gateway>,
) -> Route {
    let answer = json::<show::Page<T>>(200, "A page of them");
    rows(path, &format!("list_{name}"), about, filters, answer, who, serve)
}

/// A list about a node, which may not be known.
fn of_node(mut list: Route) -> Route {
    list.answers.push(problems(404, "No such node", &[NOT_FOUND]));
    list
}

pub(super) fn one<T: JsonSchema>(
    path: &'static str,
    name: &str,
    about: &str,
    who: &'static [Role],
    serve: MethodRouter<Gateway>,
) -> Route {
    let answers = vec![
        json::<T>(200, "It"),
        problems(400, "The id is not readable", &[BAD_QUERY]),
        problems(404, "There is none", &[NOT_FOUND]),
        problems(503, "The rows cannot be read", &[NO_ROWS]),
    ];
    let (id, about) = (format!("show_{name}"), about.to_owned());
    let (parameters, body) = (vec![], Body::None);
    Route { method: "get", path, id, about, parameters, body, answers, who: Who::Roles(who), serve }
}

/// What a node is told, as it happens.
fn live() -> Route {
    let answers = vec![
        Answer {
            status: 200,
            about: "Server-sent events: `reconcile` with all offers and work first, then each record of \
                    `stores.assignments` for the node. With `Last-Event-ID` what was missed comes in place of \
                    `reconcile`",
            content: Content::Text("text/event-stream"),
        },
        problems(404, "No such node", &[NOT_FOUND]),
        problems(429, "Too many streams are open", &[stream::TOO_MANY]),
        problems(503, "The router ends, or the rows cannot be read", &[NO_ROOM, NO_ROWS]),
    ];
    Route {
        method: "get",
        path: "/v1/nodes/{node}/stream",
        id: "node_stream".into(),
        about: "Hear what a node is told, live".into(),
        parameters: vec![],
        body: Body::None,
        answers,
        who: Who::Roles(NODES),
        serve: get(stream::stream),
    }
}

/// Something of an order, which may not be known yet.
fn of_order<T: JsonSchema>(
    path: &'static str,
    name: &str,
    about: &str,
    who: &'static [Role],
    serve: MethodRouter<Gateway>,
) -> Route {
    let mut route = one::<T>(path, name, about, who, serve);
    route.answers.retain(|answer| answer.status != 404);
    route.answers.push(problems(404, "No such order, or its row is not written yet", &[NOT_FOUND, NOT_YET]));
    route
}

fn contact() -> Route {
    let about = "Show the customer's name, phone and address. A store sees them while it has work of the order; each \
                 look is logged";
    let mut route = of_order::<view::Contact>(
        "/v1/orders/{id}/contact",
        "contact",
        about,
        OF_NODE,
        get(contact::contact),
    );
    route.answers.retain(|answer| answer.status != 503);
    route.answers.push(problems(403, "The store has no work of it", &[contact::NO_WORK]));
    route.answers.push(problems(422, "What is sealed cannot be opened", &[letters::SEALED]));
    route.answers.push(problems(
        503,
        "The look cannot be logged, or the rows not be read",
        &[letters::ACCESS, NO_ROWS],
    ));
    route
}
