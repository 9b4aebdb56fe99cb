//! From JSON to commands. What is refused here never reaches the log; the refusal names the place and never
//! repeats a value, since values may name people.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use router_schemas::{
    command::{
        Command, Hash16,
        fulfilment::NodeFact,
        order as o,
        reference::{self, Published, Reference},
    },
    envelope::write_postcard,
    id::Identity,
    limits,
    refusal::Code,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    bounds::{bounded, money, name, place, positive},
    cells, json,
    seal::Keys,
};

/// The codes of this module.
pub const CODES: &[Code] = &[JSON, VALUE, LIMIT, KIND, KEYS];
const JSON: Code = Code {
    id: "E1001",
    summary: "the message is no JSON of the expected shape",
    hint: "mend the named place; ingest/src/json.rs shows the shape",
};
pub(crate) const VALUE: Code =
    Code { id: "E1002", summary: "a value is not allowed", hint: "mend the named place" };
pub(crate) const LIMIT: Code =
    Code { id: "E1003", summary: "a limit is exceeded", hint: "see schemas/src/limits.rs" };
const KIND: Code = Code {
    id: "E1004",
    summary: "no such kind of message",
    hint: "kinds are order.v1, amend.v1, cancel.v1, payment.v1, delivered.v1, count.v1, receipt.v1, adjustment.v1, policy.v1, picked.v1, ready.v1, shipped.v1, returned.v1, zone.v1, node.v1, item.v1, channel.v1, region.v1",
};
const KEYS: Code = Code {
    id: "E1005",
    summary: "personal data could not be sealed",
    hint: "nothing was taken: send it again; see the router's log",
};

/// Why a message was not taken.
#[derive(Clone, Debug, Serialize)]
pub struct Rejected {
    /// Documented code, `E1001`.
    pub code: &'static str,
    /// JSON pointer to the place; empty: the whole message.
    pub pointer: String,
    /// What is wrong there.
    pub detail: String,
    /// What to do.
    pub hint: &'static str,
}

impl std::fmt::Display for Rejected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let place = if self.pointer.is_empty() { "/" } else { &self.pointer };
        write!(f, "{}: at {place}: {}; {}", self.code, self.detail, self.hint)
    }
}

/// How a message came.
pub struct Context<'a> {
    /// Seals and hashes.
    pub keys: &'a Keys,
    /// The road of an order.
    pub arrival: o::Arrival,
    /// Names a fact whose message has no `key`: an `Idempotency-Key`, a source position.
    pub key: Option<&'a str>,
}

/// Reads a message of this kind, for example `order.v1`. A CloudEvent in structured form names its own kind.
pub fn message(kind: &str, bytes: &[u8], context: &Context<'_>) -> Result<Command, Rejected> {
    if bytes.len() > limits::MESSAGE_BYTES {
        let detail = format!("the message has {} bytes, {} are allowed", bytes.len(), limits::MESSAGE_BYTES);
        return Err(reject(LIMIT, "", detail));
    }
    match cloud_event(bytes) {
        Some(event) => plain(&event.kind, event.data.get().as_bytes(), context),
        None => plain(kind, bytes, context),
    }
}

/// A CloudEvent in structured form. Told by a member that must be there, so that the other messages are read once.
fn cloud_event(bytes: &[u8]) -> Option<CloudEvent<'_>> {
    // A name may be written with escapes; whatever has one is looked at too.
    if MARK.find(bytes).is_none() && ESCAPE.find(bytes).is_none() {
        return None;
    }
    serde_json::from_slice(bytes).ok()
}

static MARK: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(b"\"specversion\""));
static ESCAPE: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(b"\\u"));

/// A message without an envelope: an event within an event is none.
fn plain(kind: &str, bytes: &[u8], context: &Context<'_>) -> Result<Command, Rejected> {
    match kind {
        "order.v1" => order(read(bytes)?, context).map(Command::Place),
        "amend.v1" => order(read(bytes)?, context).map(Command::Amend),
        "cancel.v1" | "payment.v1" | "delivered.v1" => about(kind, read(bytes)?, context),
        "count.v1" | "receipt.v1" | "adjustment.v1" => cells::cell(kind, read(bytes)?, context),
        "policy.v1" => cells::policy(read(bytes)?),
        "picked.v1" | "ready.v1" | "shipped.v1" | "returned.v1" => at_node(kind, read(bytes)?, context),
        "zone.v1" | "node.v1" | "item.v1" | "channel.v1" | "region.v1" => {
            let change = entry(kind, bytes)?;
            name("/id", change.key(), false)?;
            Ok(Command::Reference(Published { control: 0, change }))
        }
        _ => Err(reject(KIND, "", "the kind of the message is not known".into())),
    }
}

#[derive(serde::Deserialize)]
struct CloudEvent<'a> {
    #[serde(rename = "specversion")]
    _version: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow)]
    data: &'a serde_json::value::RawValue,
}

pub(crate) fn reject(code: Code, pointer: &str, detail: String) -> Rejected {
    Rejected { code: code.id, pointer: pointer.into(), detail, hint: code.hint }
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Rejected> {
    // Keeping the place of an error costs as much again as reading: it is looked for once there is one.
    if let Ok(value) = serde_json::from_slice(bytes) {
        return Ok(value);
    }
    let mut from = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut from).map_err(|error| {
        let pointer = error.path().iter().fold(String::new(), |pointer, segment| match segment {
            serde_path_to_error::Segment::Seq { index } => format!("{pointer}/{index}"),
            serde_path_to_error::Segment::Map { key } => format!("{pointer}/{key}"),
            _ => pointer,
        });
        let text = error.inner().to_string();
        // What serde says of a wrong value repeats it, in front of what was expected.
        let detail = match text.find("expected") {
            Some(start) => text[start..].to_owned(),
            None if text.starts_with("missing field") || text.starts_with("EOF") => text,
            None => {
                format!("not readable at line {} column {}", error.inner().line(), error.inner().column())
            }
        };
        reject(JSON, &pointer, detail)
    })?;
    from.end().map_err(|e| reject(JSON, "", format!("something follows at column {}", e.column())))?;
    Ok(value)
}

fn identity(channel: &str, account: &str, id: &str) -> Result<Identity, Rejected> {
    name("/channel", channel, false)?;
    name("/account", account, true)?;
    name("/id", id, false)?;
    Ok(Identity { channel: channel.into(), account: account.into(), external_id: id.into() })
}

fn content<T: Serialize>(context: &Context<'_>, kind: &str, value: &T) -> Hash16 {
    context.keys.hash_of(kind, |bytes| write_postcard(value, bytes))
}

fn fact_key<T: Serialize>(context: &Context<'_>, kind: &str, key: Option<&str>, value: &T) -> Hash16 {
    match key.or(context.key) {
        Some(key) => context.keys.hash(kind, key.as_bytes()),
        None => content(context, kind, value),
    }
}

fn pin(node: Option<String>, hard: bool) -> Option<o::Pin> {
    node.map(|node| o::Pin { node, hard })
}

fn order(order: json::Order, context: &Context<'_>) -> Result<o::OrderMessage, Rejected> {
    let identity = identity(&order.channel, &order.account, &order.id)?;
    let hash = content(context, "order", &order);
    let totals = [order.totals.goods, order.totals.delivery, order.totals.tax, order.totals.due];
    totals.iter().try_for_each(|amount| money("/totals", *amount))?;
    if order.lines.is_empty() {
        return Err(reject(VALUE, "/lines", "an order has at least one line".into()));
    }
    if order.lines.len() > limits::LINES || order.tags.len() > limits::TAGS {
        return Err(reject(
            LIMIT,
            "/lines",
            format!("at most {} lines, {} tags", limits::LINES, limits::TAGS),
        ));
    }
    for text in
        [&order.remark, &order.gift, &order.invoice, &order.member, &order.number].into_iter().flatten()
    {
        bounded("/remark", text, limits::TEXT_BYTES)?;
    }
    let sealed = |plain: &[u8]| {
        context.keys.seal(&identity, plain).map_err(|e| reject(KEYS, "/recipient", e.to_string()))
    };
    let recipient = order.recipient.unwrap_or_default();
    let to = place(recipient.latitude, recipient.longitude)?;
    let plain = serde_json::to_vec(&recipient).unwrap_or_default();
    bounded("/recipient", std::str::from_utf8(&plain).unwrap_or_default(), 4 * limits::TEXT_BYTES)?;
    let named = recipient.name.is_some() || recipient.phone.is_some() || recipient.address.is_some();
    let mut names = std::collections::BTreeSet::new();
    let (mut lines, mut shown) = (Vec::new(), Vec::new());
    for (index, line) in order.lines.into_iter().enumerate() {
        let at = |member: &str| format!("/lines/{index}/{member}");
        let id = line.id.unwrap_or_else(|| (index + 1).to_string());
        name(&at("id"), &id, false)?;
        name(&at("sku"), &line.sku, false)?;
        money(&at("unit_price"), line.unit_price)?;
        money(&at("discount"), line.discount)?;
        let texts = line.name.iter().chain(&line.external_id).chain(&line.unit).chain(&line.options);
        texts.into_iter().try_for_each(|text| bounded(&at("name"), text, limits::TEXT_BYTES))?;
        if line.buckets.len() > 1 || line.options.len() > limits::OPTIONS {
            return Err(reject(LIMIT, &at("buckets"), "at most one bucket and 32 options".into()));
        }
        if line.travellers.len() > limits::TRAVELLERS {
            return Err(reject(LIMIT, &at("travellers"), "too many travellers".into()));
        }
        if !names.insert(id.clone()) {
            return Err(reject(VALUE, &at("id"), "another line has this id".into()));
        }
        let travellers = match line.travellers.as_slice() {
            [] => None,
            some => Some(sealed(&serde_json::to_vec(some).unwrap_or_default())?),
        };
        lines.push(o::OrderLine {
            line: id,
            sku: line.sku,
            qty: positive(&at("qty"), line.qty)?,
            unit_price: line.unit_price,
            discount: line.discount,
            group: line.group,
            pin: pin(line.node, line.pinned),
            substitution: line.substitution,
            buckets: line.buckets,
        });
        let (external_id, options) = (line.external_id, line.options);
        shown.push(o::LineDisplay { external_id, name: line.name, options, unit: line.unit, travellers });
    }
    let mut display = Vec::new();
    let people = o::Display {
        number: order.number,
        day_sequence: order.day_sequence,
        payment_method: order.payment.method,
        language: order.language,
        remark: order.remark,
        gift: order.gift,
        invoice: order.invoice,
        member: order.member,
        tags: order.tags,
        recipient: if named { Some(sealed(&plain)?) } else { None },
        lines: shown,
    };
    write_postcard(&people, &mut display);
    if display.len() > limits::DISPLAY_BYTES {
        return Err(reject(LIMIT, "", format!("texts take more than {} bytes", limits::DISPLAY_BYTES)));
    }
    let body = o::OrderBody {
        payment: order.payment.state,
        currency: order.currency,
        totals: order.totals,
        promise: order.promise.map(|p| (p.from.0, p.to.0)),
        not_before: order.not_before.map(|t| t.0),
        mode: order.delivery_mode,
        to,
        recipient: named.then(|| context.keys.hash("recipient", &plain)),
        priority: order.priority.unwrap_or(100),
        lines,
        display,
    };
    let mut bytes = Vec::new();
    write_postcard(&body, &mut bytes);
    let head = o::OrderHead {
        identity,
        version: order.version,
        updated_at: order.updated_at.map(|t| t.0),
        content: hash,
        placed_at: order.placed_at.map(|t| t.0),
        pin: pin(order.node, order.pinned),
        region: order.region,
        arrival: context.arrival,
    };
    Ok(o::OrderMessage { to: None, head, body: bytes })
}

fn line_qtys(lines: Vec<o::LineQty>) -> Result<Vec<o::LineQty>, Rejected> {
    if lines.len() > limits::LINES {
        return Err(reject(LIMIT, "/lines", format!("at most {} lines", limits::LINES)));
    }
    for (index, line) in lines.iter().enumerate() {
        name(&format!("/lines/{index}/line"), &line.line, false)?;
        line.qty.map(|qty| positive(&format!("/lines/{index}/qty"), qty)).transpose()?;
    }
    Ok(lines)
}

fn about(kind: &str, about: json::About, context: &Context<'_>) -> Result<Command, Rejected> {
    let identity = identity(&about.channel, &about.account, &about.id)?;
    let key = fact_key(context, kind, about.key.as_deref(), &about);
    let (version, updated_at) = (about.version, about.updated_at.map(|t| t.0));
    let (lines, occurred_at) = (line_qtys(about.lines)?, about.occurred_at.map(|t| t.0));
    about.amount.map_or(Ok(()), |amount| money("/amount", amount))?;
    let (state, amount) = (about.state, about.amount);
    Ok(match kind {
        "cancel.v1" => {
            Command::Cancel(o::Cancel { to: None, identity, version, updated_at, content: key, lines })
        }
        "payment.v1" => {
            Command::Payment(o::PaymentFact { to: None, identity, key, state, amount, occurred_at })
        }
        _ => Command::Delivered(o::Delivered { to: None, identity, key, lines, occurred_at }),
    })
}

fn at_node(kind: &str, said: json::AtNode, context: &Context<'_>) -> Result<Command, Rejected> {
    name("/node", &said.node, false)?;
    let key = Some(fact_key(context, kind, said.key.as_deref(), &said));
    for text in said.carrier.iter().chain(&said.tracking) {
        bounded("/tracking", text, limits::EXTERNAL_ID_BYTES)?;
    }
    let fact = NodeFact {
        order: said.order,
        lines: line_qtys(said.lines)?,
        node: said.node,
        key,
        carrier: said.carrier,
        tracking: said.tracking,
        restock: said.restock,
        occurred_at: said.occurred_at.map(|t| t.0),
    };
    Ok(match kind {
        "picked.v1" => Command::Picked(fact),
        "ready.v1" => Command::Ready(fact),
        "shipped.v1" => Command::Shipped(fact),
        _ => Command::Returned(fact),
    })
}

fn entry(kind: &str, bytes: &[u8]) -> Result<Reference, Rejected> {
    Ok(match kind {
        "zone.v1" => {
            let json::Zone { id, partition } = read(bytes)?;
            Reference::Zone(reference::Zone { id, partition })
        }
        "channel.v1" => {
            let json::Channel { id, default_zone, groups, route_when } = read(bytes)?;
            Reference::Channel(reference::Channel { id, default_zone, groups, route_when })
        }
        "region.v1" => {
            let json::Region { id, zone, latitude, longitude } = read(bytes)?;
            Reference::Region(reference::Region { id, zone, centroid: place(latitude, longitude)? })
        }
        "node.v1" => {
            let node: json::Node = read(bytes)?;
            name("/zone", &node.zone, false)?;
            bounded("/name", &node.name, limits::TEXT_BYTES)?;
            Reference::Node(Box::new(reference::Node {
                place: place(node.latitude, node.longitude)?,
                id: node.id,
                zone: node.zone,
                name: node.name,
                enabled: node.enabled,
                default: node.default,
                groups: node.groups,
                modes: node.modes,
                capacity_at_once: node.capacity_at_once,
                capacity_a_day: node.capacity_a_day,
                calendar: None,
            }))
        }
        _ => {
            let item: json::Item = read(bytes)?;
            let names = item.name.map(|name| (String::new(), name)).into_iter().collect();
            let unit_step = item.unit_step.unwrap_or_default();
            let (barcode, untracked) = (item.barcode, item.untracked);
            let sku = item.sku;
            Reference::Item(Box::new(reference::Item {
                sku,
                names,
                barcode,
                unit_step,
                untracked,
                ..Default::default()
            }))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_opened_once() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::open(folder.path()).unwrap();
        let context = Context { keys: &keys, arrival: o::Arrival::Http, key: None };
        let event = |data: &str| format!(r#"{{"specversion":"1.0","type":"zone.v1","data":{data}}}"#);
        let zone = event(r#"{"id":"z"}"#);
        let escaped = zone.replace("specversion", r"s\u0070ecversion");
        for text in [zone.as_str(), &escaped] {
            assert!(
                matches!(message("order.v1", text.as_bytes(), &context), Ok(Command::Reference(_))),
                "{text}"
            );
        }
        let refused = message("order.v1", event(&zone).as_bytes(), &context).unwrap_err();
        assert_eq!((refused.code, refused.detail.contains("`id`")), ("E1001", true), "{refused}");
    }
}
