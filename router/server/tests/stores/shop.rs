//! A router whose stores grab what comes by the channel `web`, and get what comes by `shop`.

use std::path::Path;

use router_log::{Journal, Log, Options, Transaction};
use router_schemas::{
    command::{
        Command,
        reference::{Published, Reference},
    },
    envelope::{self, Meta},
    position::Topic,
    rules::{Action, Assignment, Offer, OrderFilter, Reason, Routing, Rule, RuleSet, StockEffect},
};

use crate::running::{Client, Running, printed, router};

const HOUR: i64 = 3_600_000;

fn rules() -> RuleSet {
    let of = |channel: &str| OrderFilter { channels: vec![channel.into()], ..OrderFilter::default() };
    let offer =
        Offer { nodes: Some(3), rounds: 1, ttl: Some(HOUR), accept_within: Some(HOUR), ..Offer::default() };
    let allocate =
        Action::Allocate { accept_within: Some(HOUR), pick_within: Some(HOUR), late: Default::default() };
    let rule = |id: &str, assignment, actions| Rule {
        id: format!("{id}-first"),
        assignment,
        actions,
        ..Rule::default()
    };
    let routing =
        |id: &str, rule| Routing { id: id.into(), filter: of(id), rules: vec![rule], ..Routing::default() };
    let reason = |id: &str, effect| Reason { id: id.into(), effect, ..Reason::default() };
    RuleSet {
        name: "grab".into(),
        version: 1,
        routings: vec![
            routing(
                "web",
                rule("web", Assignment::Single, vec![Action::Offer(offer), Action::Queue("by_hand".into())]),
            ),
            routing("shop", rule("shop", Assignment::Fewest, vec![allocate, Action::Backorder])),
        ],
        reasons: vec![reason("busy", StockEffect::None), reason("damaged", StockEffect::Subtract)],
        ..RuleSet::default()
    }
}

/// Starts it, with three stores of which `s3` has no stock.
pub fn start(data: &Path) -> (Running, Client) {
    let running = Running::start(data);
    let mut client = running.client();
    for (path, body) in [
        ("/v1/zones", r#"{"id":"z"}"#),
        ("/v1/channels", r#"{"id":"web","default_zone":"z","feed":{"every_s":1,"low":3}}"#),
        ("/v1/channels", r#"{"id":"shop","default_zone":"z"}"#),
        ("/v1/nodes", r#"{"id":"s1","zone":"z","latitude":31.20,"longitude":121.43}"#),
        ("/v1/nodes", r#"{"id":"s2","zone":"z","latitude":31.25,"longitude":121.43}"#),
        ("/v1/nodes", r#"{"id":"s3","zone":"z"}"#),
        ("/v1/stock/counts", r#"{"node":"s1","sku":"A","qty":20}"#),
        ("/v1/stock/counts", r#"{"node":"s2","sku":"A","qty":20}"#),
        ("/v1/stock/counts", r#"{"node":"s1","sku":"B","qty":4}"#),
        ("/v1/stock/counts", r#"{"node":"s2","sku":"B","qty":4}"#),
    ] {
        client.must(path, body);
    }
    running.end();
    publish(data);
    let running = Running::start(data);
    let mut client = running.client();
    // Control has passed the rules on before it answers this.
    client.must("/v1/zones", r#"{"id":"z"}"#);
    (running, client)
}

/// Publishes the rules, as control takes them.
fn publish(data: &Path) {
    let log = Journal::open(&data.join("journal"), Options::default()).unwrap();
    let command = Command::Reference(Published { control: 0, change: Reference::Rules(Box::new(rules())) });
    let mut transaction = Transaction::default();
    transaction.push(&Topic::Control, 0, &envelope::to_vec(None, &Meta::default(), &command));
    let appended = log.append(&transaction).unwrap();
    log.wait_durable(appended.ticket).unwrap();
}

/// Places an order and waits for the engine's word.
pub fn place(client: &mut Client, channel: &str, id: &str, lines: &str) -> serde_json::Value {
    let body = format!(
        r#"{{"channel":"{channel}","id":"{id}","number":"N-{id}","day_sequence":7,"remark":"ring twice",
            "language":"zh-CN","recipient":{{"name":"Ada Lovelace","latitude":31.21,"longitude":121.43}},
            "lines":[{lines}]}}"#
    );
    let (status, answer) = client.ask("POST", "/v1/orders", "prefer: wait=30\r\n", &body).unwrap();
    assert_eq!(status, 201, "{answer}");
    answer
}

/// A line of an order.
pub fn line(id: &str, sku: &str, qty: u32) -> String {
    format!(
        r#"{{"id":"{id}","sku":"{sku}","name":"Item {sku}","options":["large"],"qty":{qty},"unit_price":100}}"#
    )
}

/// Our id of an order.
pub fn id(client: &mut Client, name: &str) -> String {
    let (status, row) = client.get(&format!("/v1/orders/{name}"));
    assert_eq!(status, 200, "{row}");
    row["order"].as_str().unwrap().to_owned()
}

/// What a verb printed, which must have ended well.
pub fn verb(arguments: &[&str], data: &Path) -> serde_json::Value {
    printed(&router(arguments, data))
}

/// The code of a verb that was refused.
pub fn refused(arguments: &[&str], data: &Path) -> String {
    let output = router(arguments, data);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let problem: serde_json::Value = serde_json::from_str(text.lines().last().unwrap_or_default()).unwrap();
    problem["code"].as_str().unwrap().to_owned()
}

/// All that a verb printed, by the line.
pub fn rows(arguments: &[&str], data: &Path) -> Vec<serde_json::Value> {
    let output = router(arguments, data);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
