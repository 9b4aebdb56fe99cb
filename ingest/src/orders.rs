//! Orders, and what is said of them.

use std::collections::BTreeSet;

use router_schemas::{
    command::{Command, fulfilment::NodeFact, order as o},
    envelope::write_postcard,
    id::{Identity, OrderId},
    limits,
    quantity::Qty,
};
use serde::Serialize;

use crate::{
    bounds::{
        At, ROOT, external, few, language, maybe_external, maybe_key, maybe_name, maybe_text, money, ms,
        name, name_or_none, names, place, positive, region, text,
    },
    decode::{Context, KEYS, LIMIT, Rejected, VALUE, reject},
    json, work,
};

pub(crate) fn identity(channel: &str, account: &str, id: &str) -> Result<Identity, Rejected> {
    name(ROOT.member("channel"), channel)?;
    name_or_none(ROOT.member("account"), account)?;
    external(ROOT.member("id"), id)?;
    Ok(Identity { channel: channel.into(), account: account.into(), external_id: id.into() })
}

fn pin(at: At<'_>, node: Option<String>, pinned: json::Pinned) -> Result<Option<o::Pin>, Rejected> {
    maybe_name(at.member("node"), node.as_ref())?;
    match node {
        Some(node) => {
            let kind = match pinned {
                json::Pinned::Hard(false) => o::PinKind::Prefer,
                json::Pinned::Hard(true) => o::PinKind::Hard,
                json::Pinned::Only(json::Only::Only) => o::PinKind::Only,
            };
            Ok(Some(o::Pin { node, kind }))
        }
        None if pinned != json::Pinned::default() => {
            Err(reject(VALUE, at.member("pinned"), "needs a node".into()))
        }
        None => Ok(None),
    }
}

/// What of an order is sealed, beside its travellers.
#[derive(Serialize)]
struct Personal<'a> {
    #[serde(flatten)]
    recipient: &'a json::Recipient,
    #[serde(skip_serializing_if = "Option::is_none")]
    gift: Option<&'a json::Gift>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invoice: Option<&'a json::Invoice>,
}

fn sealed(
    context: &Context<'_>,
    at: At<'_>,
    identity: &Identity,
    plain: &impl Serialize,
) -> Result<o::Sealed, Rejected> {
    let mut json = Vec::with_capacity(USUAL);
    // What was read as JSON is written as JSON, and a Vec takes all.
    let _ = serde_json::to_writer(&mut json, plain);
    context.keys.seal(identity, &json).map_err(|e| reject(KEYS, at, e.to_string()))
}

/// Lines of an order that is no large one.
const FEW: usize = 16;
/// Bytes that the texts of most orders take.
const USUAL: usize = 384;

pub(crate) fn order(order: json::Order, context: &Context<'_>) -> Result<o::OrderMessage, Rejected> {
    let identity = identity(&order.channel, &order.account, &order.id)?;
    let hash = context.content("order", &order);
    check(&order)?;
    let recipient = order.recipient.unwrap_or_default();
    let to = place(ROOT.member("recipient"), recipient.latitude, recipient.longitude)?;
    let named = recipient.name.is_some() || recipient.phone.is_some() || recipient.address.is_some();
    let (gift, invoice) = (order.gift.as_ref(), order.invoice.as_ref());
    let personal = match named || gift.is_some() || invoice.is_some() {
        true => {
            let personal = Personal { recipient: &recipient, gift, invoice };
            Some(sealed(context, ROOT.member("recipient"), &identity, &personal)?)
        }
        false => None,
    };
    // Of a few lines, comparing all costs less than a set does.
    let mut ids = (order.lines.len() > FEW).then(BTreeSet::new);
    let mut lines = Vec::<o::OrderLine>::with_capacity(order.lines.len());
    let mut shown = Vec::with_capacity(order.lines.len());
    for (index, said) in order.lines.into_iter().enumerate() {
        let all = ROOT.member("lines");
        let at = all.index(index);
        let (line, display) = line(at, index, said, &identity, context)?;
        let twice = match &mut ids {
            Some(ids) => !ids.insert(line.line.clone()),
            None => lines.iter().any(|other| other.line == line.line),
        };
        if twice {
            return Err(reject(VALUE, at.member("id"), "another line has this id".into()));
        }
        lines.push(line);
        shown.push(display);
    }
    let mut display = Vec::with_capacity(USUAL);
    let people = o::Display {
        number: order.number,
        day_sequence: order.day_sequence,
        payment_method: order.payment.method,
        language: order.language,
        remark: order.remark,
        gift: gift.map(|_| String::new()),
        invoice: invoice.map(|_| String::new()),
        member: order.member,
        tags: order.tags,
        recipient: personal,
        lines: shown,
    };
    write_postcard(&people, &mut display);
    if display.len() > limits::DISPLAY_BYTES {
        return Err(reject(LIMIT, ROOT, format!("texts take more than {} bytes", limits::DISPLAY_BYTES)));
    }
    let body = o::OrderBody {
        payment: order.payment.state,
        currency: order.currency,
        totals: order.totals,
        promise: order.promise.map(|p| (p.from.0, p.to.0)),
        not_before: ms(order.not_before),
        mode: order.delivery_mode,
        to,
        recipient: named.then(|| context.content("recipient", &recipient)),
        priority: order.priority.unwrap_or(100),
        lines,
        display,
    };
    let mut bytes = Vec::with_capacity(2 * USUAL);
    write_postcard(&body, &mut bytes);
    let head = o::OrderHead {
        elsewhere: bound_to(&body.lines),
        identity,
        version: order.version,
        updated_at: ms(order.updated_at),
        content: hash,
        placed_at: ms(order.placed_at),
        pin: pin(ROOT, order.node, order.pinned)?,
        region: order.region,
        arrival: context.arrival,
    };
    Ok(o::OrderMessage { to: None, head, body: bytes })
}

/// The members of an order beside its name and lines.
fn check(order: &json::Order) -> Result<(), Rejected> {
    maybe_external(ROOT.member("number"), order.number.as_ref())?;
    maybe_name(ROOT.member("payment").member("method"), order.payment.method.as_ref())?;
    let (at, totals) = (ROOT.member("totals"), &order.totals);
    money(at.member("goods"), totals.goods)?;
    money(at.member("discount_platform"), totals.discount_platform)?;
    money(at.member("discount_seller"), totals.discount_seller)?;
    money(at.member("delivery"), totals.delivery)?;
    money(at.member("tax"), totals.tax)?;
    money(at.member("due"), totals.due)?;
    if order.promise.as_ref().is_some_and(|promise| promise.from > promise.to) {
        return Err(reject(VALUE, ROOT.member("promise").member("to"), "ends before it begins".into()));
    }
    order.region.as_ref().map_or(Ok(()), |said| region(ROOT.member("region"), said))?;
    order.language.as_ref().map_or(Ok(()), |said| language(ROOT.member("language"), said))?;
    maybe_text(ROOT.member("remark"), order.remark.as_ref())?;
    maybe_external(ROOT.member("member"), order.member.as_ref())?;
    names(ROOT.member("tags"), &order.tags, limits::TAGS)?;
    if let Some(recipient) = &order.recipient {
        let at = ROOT.member("recipient");
        maybe_text(at.member("name"), recipient.name.as_ref())?;
        maybe_text(at.member("phone"), recipient.phone.as_ref())?;
        maybe_text(at.member("address"), recipient.address.as_ref())?;
    }
    if let Some(gift) = &order.gift {
        let at = ROOT.member("gift");
        maybe_text(at.member("from"), gift.from.as_ref())?;
        maybe_text(at.member("text"), gift.text.as_ref())?;
    }
    if let Some(invoice) = &order.invoice {
        let at = ROOT.member("invoice");
        maybe_text(at.member("title"), invoice.title.as_ref())?;
        maybe_text(at.member("tax_id"), invoice.tax_id.as_ref())?;
        maybe_text(at.member("email"), invoice.email.as_ref())?;
    }
    if order.lines.is_empty() {
        return Err(reject(VALUE, ROOT.member("lines"), "an order has at least one line".into()));
    }
    few(ROOT.member("lines"), &order.lines, limits::LINES)
}

fn line(
    at: At<'_>,
    index: usize,
    line: json::Line,
    identity: &Identity,
    context: &Context<'_>,
) -> Result<(o::OrderLine, o::LineDisplay), Rejected> {
    let id = line.id.unwrap_or_else(|| (index + 1).to_string());
    name(at.member("id"), &id)?;
    name(at.member("sku"), &line.sku)?;
    let qty = positive(at.member("qty"), line.qty)?;
    money(at.member("unit_price"), line.unit_price)?;
    money(at.member("discount"), line.discount)?;
    maybe_external(at.member("external_id"), line.external_id.as_ref())?;
    maybe_text(at.member("name"), line.name.as_ref())?;
    maybe_name(at.member("unit"), line.unit.as_ref())?;
    maybe_name(at.member("group"), line.group.as_ref())?;
    few(at.member("options"), &line.options, limits::OPTIONS)?;
    for (index, option) in line.options.iter().enumerate() {
        text(at.member("options").index(index), option)?;
    }
    names(at.member("buckets"), &line.buckets, 1)?;
    let travellers = match line.travellers.as_slice() {
        [] => None,
        some => {
            check_travellers(at.member("travellers"), some, qty)?;
            Some(sealed(context, at.member("travellers"), identity, &some)?)
        }
    };
    let pin = pin(at, line.node, line.pinned)?;
    let (sku, unit_price, discount, group) = (line.sku, line.unit_price, line.discount, line.group);
    let (substitution, buckets, options) = (line.substitution, line.buckets, line.options);
    let ordered =
        o::OrderLine { line: id, sku, qty, unit_price, discount, group, pin, substitution, buckets };
    let (external_id, name, unit) = (line.external_id, line.name, line.unit);
    Ok((ordered, o::LineDisplay { external_id, name, options, unit, travellers }))
}

/// The nodes that lines are bound to: intake knows their zones.
fn bound_to(lines: &[o::OrderLine]) -> Vec<(String, String)> {
    let bound = |line: &o::OrderLine| line.pin.as_ref().filter(|p| p.kind == o::PinKind::Hard).cloned();
    let mut nodes: Vec<_> = lines.iter().filter_map(bound).map(|pin| (pin.node, String::new())).collect();
    nodes.sort_unstable();
    nodes.dedup();
    nodes
}

fn check_travellers(at: At<'_>, travellers: &[json::Traveller], qty: Qty) -> Result<(), Rejected> {
    few(at, travellers, limits::TRAVELLERS)?;
    if Qty::units(travellers.len() as i64) > qty {
        return Err(reject(VALUE, at, "there are more travellers than units".into()));
    }
    for (index, traveller) in travellers.iter().enumerate() {
        let at = at.index(index);
        if traveller.name.is_empty() {
            return Err(reject(VALUE, at.member("name"), "must not be empty".into()));
        }
        text(at.member("name"), &traveller.name)?;
        maybe_name(at.member("document_type"), traveller.document_type.as_ref())?;
        maybe_external(at.member("document_number"), traveller.document_number.as_ref())?;
    }
    Ok(())
}

/// An empty list is refused: who made one by mistake would name everything.
pub(crate) fn line_qtys(lines: Option<Vec<o::LineQty>>) -> Result<Vec<o::LineQty>, Rejected> {
    let at = ROOT.member("lines");
    let Some(lines) = lines else { return Ok(Vec::new()) };
    if lines.is_empty() {
        return Err(reject(VALUE, at, "must not be empty; leave it out to name everything".into()));
    }
    few(at, &lines, limits::LINES)?;
    for (index, line) in lines.iter().enumerate() {
        let at = at.index(index);
        name(at.member("line"), &line.line)?;
        line.qty.map(|qty| positive(at.member("qty"), qty)).transpose()?;
    }
    Ok(lines)
}

pub(crate) fn cancel(said: json::Cancel, context: &Context<'_>) -> Result<Command, Rejected> {
    let identity = identity(&said.channel, &said.account, &said.id)?;
    maybe_key(said.key.as_ref())?;
    let content = context.fact_key("cancel.v1", said.key.as_deref(), &said);
    let (version, updated_at, lines) = (said.version, ms(said.updated_at), line_qtys(said.lines)?);
    let ask = said.ask;
    Ok(Command::Cancel(o::Cancel { to: None, identity, version, updated_at, content, lines, ask }))
}

pub(crate) fn payment(said: json::PaymentFact, context: &Context<'_>) -> Result<Command, Rejected> {
    let identity = identity(&said.channel, &said.account, &said.id)?;
    maybe_key(said.key.as_ref())?;
    let key = context.fact_key("payment.v1", said.key.as_deref(), &said);
    said.amount.map_or(Ok(()), |amount| money(ROOT.member("amount"), amount))?;
    let (state, amount, occurred_at) = (said.state, said.amount, ms(said.occurred_at));
    Ok(Command::Payment(o::PaymentFact { to: None, identity, key, state, amount, occurred_at }))
}

pub(crate) fn delivered(said: json::Delivered, context: &Context<'_>) -> Result<Command, Rejected> {
    let identity = identity(&said.channel, &said.account, &said.id)?;
    maybe_key(said.key.as_ref())?;
    let key = context.fact_key("delivered.v1", said.key.as_deref(), &said);
    let (lines, occurred_at) = (line_qtys(said.lines)?, ms(said.occurred_at));
    Ok(Command::Delivered(o::Delivered { to: None, identity, key, lines, occurred_at }))
}

/// What all facts of a node have.
fn node_fact(
    order: OrderId,
    node: String,
    lines: Option<Vec<o::LineQty>>,
    occurred_at: Option<json::Instant>,
) -> Result<NodeFact, Rejected> {
    name(ROOT.member("node"), &node)?;
    let (lines, occurred_at) = (line_qtys(lines)?, ms(occurred_at));
    Ok(NodeFact { order, node, lines, occurred_at, ..NodeFact::default() })
}

pub(crate) fn at_node(said: json::AtNode, context: &Context<'_>, kind: &str) -> Result<NodeFact, Rejected> {
    maybe_key(said.key.as_ref())?;
    let key = Some(context.fact_key(kind, said.key.as_deref(), &said));
    Ok(NodeFact { key, ..node_fact(said.order, said.node, said.lines, said.occurred_at)? })
}

/// As [`at_node`], for what a node may say again: its content does not name it.
pub(crate) fn accepted(said: json::AtNode, context: &Context<'_>) -> Result<Command, Rejected> {
    let key = work::key("accepted.v1", said.key, context)?;
    let fact = node_fact(said.order, said.node, said.lines, said.occurred_at)?;
    Ok(Command::Accepted(NodeFact { key, ..fact }))
}

pub(crate) fn shipped(said: json::Shipped, context: &Context<'_>) -> Result<Command, Rejected> {
    maybe_key(said.key.as_ref())?;
    let key = Some(context.fact_key("shipped.v1", said.key.as_deref(), &said));
    maybe_name(ROOT.member("carrier"), said.carrier.as_ref())?;
    maybe_external(ROOT.member("tracking"), said.tracking.as_ref())?;
    let (carrier, tracking) = (said.carrier, said.tracking);
    let fact = node_fact(said.order, said.node, said.lines, said.occurred_at)?;
    Ok(Command::Shipped(NodeFact { key, carrier, tracking, ..fact }))
}

pub(crate) fn returned(said: json::Returned, context: &Context<'_>) -> Result<Command, Rejected> {
    maybe_key(said.key.as_ref())?;
    let key = Some(context.fact_key("returned.v1", said.key.as_deref(), &said));
    let fact = node_fact(said.order, said.node, said.lines, said.occurred_at)?;
    Ok(Command::Returned(NodeFact { key, restock: said.restock, ..fact }))
}
