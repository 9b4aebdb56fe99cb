//! What is asked to be kept for orders, and what channels may promise.

use router_schemas::{
    command::{
        Command, Hash16, hold,
        reference::{Published, Quota, Reference},
        stock::Allowance,
    },
    limits,
};

use crate::{
    bounds::{At, ROOT, few, maybe_key, maybe_name, name, name_or_none, names, region, zero_or_more},
    cells::allowance,
    decode::{Context, LIMIT, Rejected, VALUE, reject},
    json, orders,
};

pub(crate) fn reserve(said: json::Reserve, context: &Context<'_>) -> Result<Command, Rejected> {
    let identity = orders::identity(&said.channel, &said.account, &said.id)?;
    let key = needed("reserve.v1", said.key.as_ref(), context)?;
    maybe_name(ROOT.member("node"), said.node.as_ref())?;
    said.region.as_ref().map_or(Ok(()), |code| region(ROOT.member("region"), code))?;
    let at = ROOT.member("lines");
    if said.lines.is_empty() {
        return Err(reject(VALUE, at, "must not be empty".into()));
    }
    few(at, &said.lines, limits::HOLD_LINES)?;
    let all: usize = said.lines.iter().map(|line| line.buckets.len().max(1)).sum();
    if all > limits::HOLD_CELLS {
        let detail = format!("{all} lines and buckets, {} are allowed", limits::HOLD_CELLS);
        return Err(reject(LIMIT, at, detail));
    }
    let mut lines: Vec<hold::HoldLine> = Vec::with_capacity(said.lines.len());
    for (index, line) in said.lines.into_iter().enumerate() {
        let at = at.index(index);
        name(at.member("line"), &line.line)?;
        if lines.iter().any(|known| known.line == line.line) {
            return Err(reject(VALUE, at.member("line"), "is the name of another line".into()));
        }
        name(at.member("sku"), &line.sku)?;
        names(at.member("buckets"), &line.buckets, limits::BUCKETS)?;
        maybe_name(at.member("node"), line.node.as_ref())?;
        let qty = zero_or_more(at.member("qty"), line.qty)?;
        let json::ReserveLine { line, sku, buckets, node, .. } = line;
        lines.push(hold::HoldLine { line, sku, buckets, qty, node, zone: None });
    }
    let (to, node, region, beyond_stock) = (None, said.node, said.region, said.beyond_stock);
    let ttl = ttl(said.ttl_s)?;
    Ok(Command::Reserve(hold::Reserve { to, identity, key, node, region, lines, beyond_stock, ttl }))
}

pub(crate) fn extend(said: json::Extend, context: &Context<'_>) -> Result<Command, Rejected> {
    let identity = orders::identity(&said.channel, &said.account, &said.id)?;
    let key = needed("extend.v1", said.key.as_ref(), context)?;
    Ok(Command::Extend(hold::Extend { to: None, identity, key, ttl: ttl(said.ttl_s)? }))
}

pub(crate) fn release(said: json::Release, context: &Context<'_>) -> Result<Command, Rejected> {
    let identity = orders::identity(&said.channel, &said.account, &said.id)?;
    let key = needed("release.v1", said.key.as_ref(), context)?;
    Ok(Command::Release(hold::Release { to: None, identity, key, lines: orders::line_qtys(said.lines)? }))
}

pub(crate) fn channel_policy(said: json::ChannelPolicy) -> Result<Command, Rejected> {
    for (member, text) in [("channel", &said.channel), ("zone", &said.zone), ("sku", &said.sku)] {
        name(ROOT.member(member), text)?;
    }
    name_or_none(ROOT.member("bucket"), &said.bucket)?;
    let threshold = zero_or_more(ROOT.member("threshold"), said.threshold)?;
    let backorder: Allowance = allowance(ROOT.member("backorder"), said.backorder)?;
    let json::ChannelPolicy { channel, zone, sku, bucket, .. } = said;
    Ok(Command::ChannelPolicy(hold::ChannelPolicy { channel, zone, sku, bucket, threshold, backorder }))
}

pub(crate) fn quota(said: json::Quota) -> Result<Command, Rejected> {
    name(ROOT.member("channel"), &said.channel)?;
    name(ROOT.member("sku"), &said.sku)?;
    name_or_none(ROOT.member("bucket"), &said.bucket)?;
    let threshold = zero_or_more(ROOT.member("threshold"), said.threshold)?;
    let backorder = allowance(ROOT.member("backorder"), said.backorder)?;
    let at = ROOT.member("weights");
    few(at, &said.weights, json::ZONES)?;
    let mut weights: Vec<(String, u32)> = Vec::with_capacity(said.weights.len());
    for (index, json::QuotaWeight { zone, weight }) in said.weights.into_iter().enumerate() {
        let at = at.index(index);
        name(at.member("zone"), &zone)?;
        if weights.iter().any(|(known, _)| *known == zone) {
            return Err(reject(VALUE, at.member("zone"), "is there twice".into()));
        }
        weights.push((zone, weight));
    }
    let json::Quota { channel, sku, bucket, .. } = said;
    let change =
        Reference::Quota(Quota { channel, sku, bucket, threshold, backorder, weights, shares: Vec::new() });
    Ok(Command::Reference(Published { control: 0, change }))
}

fn ttl(seconds: Option<u32>) -> Result<Option<i64>, Rejected> {
    let ttl = seconds.map(|seconds| i64::from(seconds) * 1_000);
    match ttl {
        Some(ttl) if !(1..=limits::TTL_MS).contains(&ttl) => {
            let at: At<'_> = ROOT.member("ttl_s");
            Err(reject(VALUE, at, format!("must be from 1 to {}", limits::TTL_MS / 1_000)))
        }
        ttl => Ok(ttl),
    }
}

/// What came twice would count twice: content alone does not tell a repeat from a wish for more time.
fn needed(kind: &str, key: Option<&String>, context: &Context<'_>) -> Result<Hash16, Rejected> {
    maybe_key(key)?;
    let found = key.map(String::as_str).or(context.key);
    let detail =
        "a request about a hold needs a key, so that a repeat is known: `key`, or an Idempotency-Key header";
    found
        .map(|key| context.keys.hash(kind, key.as_bytes()))
        .ok_or_else(|| reject(VALUE, ROOT.member("key"), detail.into()))
}
