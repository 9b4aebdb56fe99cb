//! Lines about the work of nodes, about nodes as a whole, and about what operations ask.

use router_schemas::{
    command::{
        Command,
        fulfilment::NodeFact,
        offer::{CancelAnswer, Decline, NodeAct, NodeRequest},
        steer::{Steer, Steering},
    },
    event::{Change, Deadline, NodeChange},
};

use super::{
    commands::{key, lines},
    words::{self, Words},
    world::World,
};

pub const VERBS: &str = "accept, hand_over, give_back, answer, halt, carry_on, evacuate, retry, reroute, assign, \
                         approve; noted, due";

/// The command of a line; `None`: it is none of these.
pub fn command(world: &mut World, verb: &str, words: &mut Words) -> Result<Option<Command>, String> {
    let command = match verb {
        "accept" | "hand_over" => {
            let (node, name) = (words.next("node")?, words.next("order")?);
            let (order, key) = (world.order_id(&name), key(words)?);
            let fact = NodeFact { order, node, key, lines: lines(words)?, ..NodeFact::default() };
            if verb == "accept" { Command::Accepted(fact) } else { Command::HandedOver(fact) }
        }
        "give_back" => {
            let (node, name) = (words.next("node")?, words.next("order")?);
            let (order, reason, key) = (world.order_id(&name), words.next("reason")?, key(words)?);
            Command::Decline(Decline { order, offer: None, node, reason, lines: lines(words)?, key })
        }
        "answer" => {
            let (node, name) = (words.next("node")?, words.next("order")?);
            let granted = words::one_of(&words.next("yes or no")?, &[("yes", true), ("no", false)])?;
            Command::CancelAnswer(CancelAnswer {
                order: world.order_id(&name),
                node,
                granted,
                key: key(words)?,
            })
        }
        "halt" | "carry_on" | "evacuate" => {
            let node = words.next("node")?;
            let act = match verb {
                "halt" => NodeAct::Pause(words.time("until")?),
                "carry_on" => NodeAct::Resume,
                _ => NodeAct::Evacuate,
            };
            Command::Node(NodeRequest { node, act, key: key(words)? })
        }
        "retry" | "reroute" | "assign" | "approve" => {
            let name = words.next("order")?;
            let (to, identity, key) = (world.assigned(&name, None), world.identity(&name), world.key(words)?);
            let act = match verb {
                "retry" => Steering::Retry { forgive: words.flag("forgive") },
                "reroute" => {
                    let (node, same_node) = (words.option("from")?, words.flag("same_node"));
                    Steering::Reroute { node, lines: lines(words)?, same_node }
                }
                "assign" => Steering::Assign { node: words.next("node")?, lines: lines(words)? },
                _ => Steering::Approve,
            };
            Command::Steer(Steer { to, identity, key, act })
        }
        _ => return Ok(None),
    };
    Ok(Some(command))
}

/// An expectation; `None`: the word is none of these.
pub fn expect(world: &World, verb: &str, words: &mut Words) -> Option<Result<(), String>> {
    match verb {
        "noted" => Some(noted(world, words)),
        "due" => Some(due(world, words)),
        _ => None,
    }
}

/// What events say of work, nodes and steering, all of it in its order.
fn noted(world: &World, words: &mut Words) -> Result<(), String> {
    let wanted = words.rest().join(" ");
    let said: Vec<String> = world.said.changes().filter_map(said).collect();
    let said = if said.is_empty() { "nothing".to_owned() } else { said.join(", ") };
    if said == wanted { Ok(()) } else { Err(format!("noted was {said}")) }
}

fn said(change: &Change) -> Option<String> {
    Some(match change {
        Change::CancelRequested(node, _) => format!("asked {node}"),
        Change::CancelAnswered(node, granted) => {
            format!("answered {node} {}", if *granted { "yes" } else { "no" })
        }
        Change::Accepted(node) => format!("accepted {node}"),
        Change::GivenBack(node, reason, lines) => {
            let lines: Vec<String> = lines.iter().map(|(line, qty)| format!(" {line}:{qty}")).collect();
            format!("given_back {node} {reason}{}", lines.concat())
        }
        Change::Late(node, deadline) => {
            let what = match deadline {
                Deadline::Accept => "accept",
                Deadline::Pick => "pick",
                Deadline::Ready => "ready",
                Deadline::CancelAnswer => "answer",
            };
            format!("late {node} {what}")
        }
        Change::Node(node, change) => {
            let what = match change {
                NodeChange::Paused(None) => "paused",
                NodeChange::Paused(Some(_)) => "paused_for_a_time",
                NodeChange::Resumed => "resumed",
                NodeChange::CoolsDown(_) => "cools_down",
                NodeChange::Evacuating => "evacuating",
            };
            format!("{what} {node}")
        }
        Change::Steered(what, actor, reason) => {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            format!("steered {what} {} {}", text(actor), text(reason))
        }
        _ => return None,
    })
}

/// When the next deadline of a line at a node is, in service time less the outages that there were.
fn due(world: &World, words: &mut Words) -> Result<(), String> {
    let (node, name, line) = (words.next("node")?, words.next("order")?, words.next("line")?);
    let wanted = match words.next("time, or none")?.as_str() {
        "none" => None,
        word => Some(words::time(word, world.now)?),
    };
    let order = world.engine.order(world.known(&name)?).ok_or("the order is not known")?;
    let found = order
        .fulfilments
        .iter()
        .find(|f| f.node == node && order.lines.get(usize::from(f.line)).is_some_and(|l| l.line == line));
    let got = found.and_then(|f| f.due);
    if got == wanted { Ok(()) } else { Err(format!("it is due at {got:?}, not {wanted:?}")) }
}
