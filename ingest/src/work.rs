//! What is said of offers, of the work of nodes, and of nodes; what operations ask.

use router_schemas::command::{Command, Hash16, offer, steer};
use serde::Deserialize;

use crate::{
    bounds::{ROOT, maybe_key, ms, name},
    decode::{Context, Rejected, VALUE, reject},
    json,
    orders::{self, identity, line_qtys},
};

pub(crate) fn claim(said: json::Claim, context: &Context<'_>) -> Result<Command, Rejected> {
    name(ROOT.member("node"), &said.node)?;
    let key = key("claim.v1", said.key, context)?;
    let json::Claim { order, offer, node, epoch, .. } = said;
    Ok(Command::Claim(offer::Claim { order, offer, node, epoch, key }))
}

pub(crate) fn decline(said: json::Decline, context: &Context<'_>) -> Result<Command, Rejected> {
    name(ROOT.member("node"), &said.node)?;
    name(ROOT.member("reason"), &said.reason)?;
    let key = key("decline.v1", said.key, context)?;
    let lines = line_qtys(said.lines)?;
    let json::Decline { order, offer, node, reason, .. } = said;
    Ok(Command::Decline(offer::Decline { order, offer, node, reason, lines, key }))
}

pub(crate) fn handed_over(said: json::HandedOver, context: &Context<'_>) -> Result<Command, Rejected> {
    let json::HandedOver { order, node, lines, occurred_at, key, code } = said;
    if code.is_some_and(|code| code.len() != 6 || !code.bytes().all(|b| b.is_ascii_digit())) {
        return Err(reject(VALUE, ROOT.member("code"), "expected six digits".into()));
    }
    // The code is no part of the fact: with it or without, it is the same.
    let fact = json::AtNode { order, node, lines, occurred_at, key };
    orders::at_node(fact, context, "handed_over.v1").map(Command::HandedOver)
}

/// The pick-up code in a `handed_over.v1` message that was read: it is checked where it comes in, and goes no further.
pub fn code(bytes: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Said {
        code: Option<String>,
    }
    #[derive(Deserialize)]
    struct Event {
        specversion: Option<serde::de::IgnoredAny>,
        data: Option<Said>,
    }
    let event: Option<Event> = serde_json::from_slice(bytes).ok();
    match event.filter(|event| event.specversion.is_some()) {
        Some(event) => event.data?.code,
        None => serde_json::from_slice::<Said>(bytes).ok()?.code,
    }
}

pub(crate) fn cancel_answer(said: json::CancelAnswer, context: &Context<'_>) -> Result<Command, Rejected> {
    name(ROOT.member("node"), &said.node)?;
    let key = key("cancel_answer.v1", said.key, context)?;
    let json::CancelAnswer { order, node, granted, .. } = said;
    Ok(Command::CancelAnswer(offer::CancelAnswer { order, node, granted, key }))
}

pub(crate) fn node_request(said: json::NodeRequest, context: &Context<'_>) -> Result<Command, Rejected> {
    name(ROOT.member("node"), &said.node)?;
    let act = match (said.act, ms(said.until)) {
        (json::NodeAct::Pause, until) => offer::NodeAct::Pause(until),
        (_, Some(_)) => return Err(reject(VALUE, ROOT.member("until"), "only a pause ends".into())),
        (json::NodeAct::Resume, None) => offer::NodeAct::Resume,
        (json::NodeAct::Evacuate, None) => offer::NodeAct::Evacuate,
    };
    let key = key("node_request.v1", said.key, context)?;
    Ok(Command::Node(offer::NodeRequest { node: said.node, act, key }))
}

pub(crate) fn steer(said: json::Steer, context: &Context<'_>) -> Result<Command, Rejected> {
    let identity = identity(&said.channel, &said.account, &said.id)?;
    said.node.as_ref().map_or(Ok(()), |node| name(ROOT.member("node"), node))?;
    let (takes_units, retries) = (
        matches!(said.act, json::SteerAct::Assign | json::SteerAct::Reroute),
        said.act == json::SteerAct::Retry,
    );
    let means_nothing = [
        ("node", said.node.is_some() && !takes_units),
        ("lines", said.lines.is_some() && !takes_units),
        ("forgive", said.forgive && !retries),
        ("same_node", said.same_node && said.act != json::SteerAct::Reroute),
    ];
    if let Some((member, _)) = means_nothing.into_iter().find(|(_, wrong)| *wrong) {
        return Err(reject(VALUE, ROOT.member(member), "means nothing for this act".into()));
    }
    let (node, lines) = (said.node, line_qtys(said.lines)?);
    let act = match said.act {
        json::SteerAct::Retry => steer::Steering::Retry { forgive: said.forgive },
        json::SteerAct::Reroute => steer::Steering::Reroute { node, lines, same_node: said.same_node },
        json::SteerAct::Assign => match node {
            Some(node) => steer::Steering::Assign { node, lines },
            None => return Err(reject(VALUE, ROOT.member("node"), "needs a node".into())),
        },
        json::SteerAct::Approve => steer::Steering::Approve,
    };
    // The same may be asked again tomorrow, so its content does not name it.
    let detail = "a request needs a key, so that a repeat is known: `key`, or an Idempotency-Key header";
    let key = key("steer.v1", said.key, context)?;
    let key = key.ok_or_else(|| reject(VALUE, ROOT.member("key"), detail.into()))?;
    Ok(Command::Steer(steer::Steer { to: None, identity, key, act }))
}

/// The key that is given. What has none may be said again.
pub(crate) fn key(
    kind: &str,
    key: Option<String>,
    context: &Context<'_>,
) -> Result<Option<Hash16>, Rejected> {
    maybe_key(key.as_ref())?;
    Ok(key.as_deref().or(context.key).map(|key| context.keys.hash(kind, key.as_bytes())))
}
