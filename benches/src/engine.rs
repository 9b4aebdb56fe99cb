//! What the engine does with one command of each kind: as it stands in the log, without what it writes, and the mere
//! reading of it. Deciding alone is the second less the third.

use std::hint::black_box;

use router_schemas::{
    command::{
        Assigned, Command,
        hold::{HoldLine, Reserve},
        offer::{Claim, Decline},
        order::{OrderBody, OrderLine},
        reference::{Published, Reference},
    },
    envelope,
    id::{OfferId, OrderId},
    position::Topic,
    rules::{Action, Assignment, Offer, Reason, Routing, Rule, RuleSet, Sort},
};
use serde::Deserialize;

use crate::{
    market::{Market, record},
    steps::{Named, Over, Step, named},
};

/// Nodes of a zone.
const NODES: [u32; 3] = [10, 200, 10_000];
/// The zone in which deciding and reading are told apart.
const ZONE: u32 = 200;
/// Nodes that are asked at once.
const ASKED: u16 = 5;

/// Makes so many records of one kind.
type Make = fn(&mut Market, usize) -> Vec<Vec<u8>>;

/// Every kind. True: its orders are offered, not allocated.
const KINDS: [(&str, bool, Make); 6] = [
    ("place", false, Market::for_engine),
    ("offer", true, Market::for_engine),
    ("claim", true, claims),
    ("decline", true, declines),
    ("cancel", false, cancels),
    ("reserve", false, reserves),
];

/// Every step of the engine.
pub(crate) fn all(cells: u32) -> Vec<Named> {
    let mut steps = Vec::new();
    for (kind, offers, make) in KINDS {
        for nodes in NODES {
            steps.push(named(format!("{kind}_{nodes}_nodes"), move || {
                Over::new(market(nodes, cells, offers), make, |market, record| market.engine(record))
            }));
        }
        let muted = move || -> Box<dyn Step> {
            Over::new(market(ZONE, cells, offers), make, |market, record| market.decide(record))
        };
        steps.push(named(format!("{kind}_{ZONE}_nodes_unwritten"), muted));
        steps.push(named(format!("{kind}_read"), move || {
            Over::new(market(ZONE, cells, offers), make, |_, record| read(record))
        }));
    }
    steps
}

/// What the engine reads of a record.
fn read(record: &[u8]) {
    let (meta, command) = envelope::decode::<Command>(record).expect("records made here decode");
    if let Command::Place(message) = &command {
        let body: OrderBody = postcard::from_bytes(&message.body).expect("bodies made here decode");
        black_box(body);
    }
    black_box((meta, command));
}

fn market(nodes: u32, cells: u32, offers: bool) -> Market {
    let mut market = Market::new(nodes, (cells / nodes).max(3));
    if offers {
        let change = Reference::Rules(Box::new(offering()));
        market.engine(&record(&Command::Reference(Published { control: 1, change })));
    }
    market
}

/// Everything is offered to the nearest nodes that have all of it.
fn offering() -> RuleSet {
    let offer = Offer { nodes: Some(ASKED), rounds: 2, ttl: Some(3_600_000), ..Offer::default() };
    let rule = Rule {
        id: "grab".into(),
        sorts: vec![Sort::Used, Sort::OpenFirst, Sort::Distance { farther: false }],
        assignment: Assignment::Single,
        actions: vec![Action::Offer(offer)],
        ..Rule::default()
    };
    RuleSet {
        name: "offers".into(),
        version: 1,
        routings: vec![Routing { id: "all".into(), rules: vec![rule], ..Routing::default() }],
        reasons: vec![Reason { id: "busy".into(), ..Reason::default() }],
        ..RuleSet::default()
    }
}

/// What a node hears of an offer.
#[derive(Deserialize)]
struct Heard {
    event: String,
    node: String,
    order: OrderId,
    offer: OfferId,
    epoch: u32,
}

/// The best node of each of so many new orders that are offered.
fn heard(market: &mut Market, count: usize) -> Vec<Heard> {
    let records = market.for_engine(count);
    let mut heard = Vec::new();
    for record in records {
        let told = market.after_engine(&record).into_iter().find(|(topic, _)| *topic == Topic::Assignments);
        let (_, text) = told.expect("an order is offered");
        let first: Heard = serde_json::from_slice(&text).expect("notices are JSON");
        assert_eq!(first.event, "offered");
        heard.push(first);
    }
    heard
}

fn claims(market: &mut Market, count: usize) -> Vec<Vec<u8>> {
    let claim = |heard: Heard| {
        let Heard { node, order, offer, epoch, .. } = heard;
        record(&Command::Claim(Claim { order, offer: Some(offer), node, epoch, key: None }))
    };
    heard(market, count).into_iter().map(claim).collect()
}

fn declines(market: &mut Market, count: usize) -> Vec<Vec<u8>> {
    let decline = |heard: Heard| {
        let Heard { node, order, offer, .. } = heard;
        let reason = "busy".into();
        record(&Command::Decline(Decline { order, offer: Some(offer), node, reason, ..Decline::default() }))
    };
    heard(market, count).into_iter().map(decline).collect()
}

fn cancels(market: &mut Market, count: usize) -> Vec<Vec<u8>> {
    let placed = market.for_engine(count);
    placed.iter().for_each(|record| market.engine(record));
    let cancels = placed.iter().map(|record| {
        let (meta, command) = envelope::decode::<Command>(record).expect("records made here decode");
        let Command::Place(message) = command else { unreachable!("only orders were made") };
        let id = &message.head.identity.external_id;
        let Command::Cancel(mut cancel) =
            market.decode("cancel.v1", format!(r#"{{"channel":"load","id":"{id}"}}"#).as_bytes())
        else {
            unreachable!("a cancel is a cancel")
        };
        cancel.to = message.to;
        envelope::to_vec(None, &meta, &Command::Cancel(cancel))
    });
    cancels.collect()
}

/// What carts of three lines reserve, of the same SKUs as orders.
fn reserves(market: &mut Market, count: usize) -> Vec<Vec<u8>> {
    let orders = market.for_engine(count);
    let reserve = |payload: &Vec<u8>| {
        let (_, command) = envelope::decode::<Command>(payload).expect("records made here decode");
        let Command::Place(message) = command else { unreachable!("only orders were made") };
        let body: OrderBody = postcard::from_bytes(&message.body).expect("bodies made here decode");
        let line = |l: OrderLine| HoldLine { line: l.line, sku: l.sku, qty: l.qty, ..HoldLine::default() };
        let Assigned { order, zone } = message.to.expect("intake assigned it");
        let key = order.to_string().as_bytes()[6..].try_into().expect("an id has 22 characters");
        record(&Command::Reserve(Reserve {
            to: Some(Assigned { order, zone }),
            identity: message.head.identity,
            key,
            lines: body.lines.into_iter().map(line).collect(),
            ttl: Some(900_000),
            ..Reserve::default()
        }))
    };
    orders.iter().map(reserve).collect()
}
