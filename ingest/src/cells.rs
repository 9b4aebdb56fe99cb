//! What is said of stock cells: counts, receipts, adjustments, policies.

use router_schemas::{
    command::{Command, Hash16, stock},
    quantity::Qty,
};

use crate::{
    bounds::{At, ROOT, maybe_key, ms, name, name_or_none, positive, zero_or_more},
    decode::{Context, Rejected, VALUE, reject},
    json,
};

pub(crate) fn count(said: json::Count, context: &Context<'_>) -> Result<Command, Rejected> {
    let cell = cell(said.node, said.sku, said.bucket)?;
    name_or_none(ROOT.member("source"), &said.source)?;
    Ok(Command::Count(stock::Count {
        cell,
        qty: zero_or_more(ROOT.member("qty"), said.qty)?,
        basis: said.basis,
        counter: said.source,
        sequence: said.sequence,
        observed_at: ms(said.observed_at),
        key: key("count.v1", said.key, context)?,
    }))
}

pub(crate) fn receipt(said: json::Receipt, context: &Context<'_>) -> Result<Command, Rejected> {
    let cell = cell(said.node, said.sku, said.bucket)?;
    let qty = positive(ROOT.member("qty"), said.qty)?;
    let key = needed(key("receipt.v1", said.key, context)?)?;
    Ok(Command::Receipt(stock::Movement { cell, qty, key }))
}

pub(crate) fn adjustment(said: json::Adjustment, context: &Context<'_>) -> Result<Command, Rejected> {
    let cell = cell(said.node, said.sku, said.bucket)?;
    let at = ROOT.member("delta");
    if said.delta.is_zero() {
        return Err(reject(VALUE, at, "must not be zero".into()));
    }
    positive(at, if said.delta < Qty::ZERO { -said.delta } else { said.delta })?;
    let key = needed(key("adjustment.v1", said.key, context)?)?;
    Ok(Command::Adjustment(stock::Adjustment { cell, target: said.target, delta: said.delta, key }))
}

pub(crate) fn policy(said: json::Policy) -> Result<Command, Rejected> {
    let cell = cell(said.node, said.sku, said.bucket)?;
    let safety_stock = zero_or_more(ROOT.member("safety_stock"), said.safety_stock)?;
    let backorder = allowance(ROOT.member("backorder"), said.backorder)?;
    let out_of_stock = said.out_of_stock;
    Ok(Command::CellPolicy(stock::CellPolicy {
        cell,
        safety_stock,
        backorder,
        out_of_stock,
        weekly_sales: None,
    }))
}

/// What may be promised beyond stock.
pub(crate) fn allowance(at: At<'_>, said: json::Backorder) -> Result<stock::Allowance, Rejected> {
    Ok(match said {
        json::Backorder::Unlimited(_) => stock::Allowance::Unlimited,
        json::Backorder::Limited(qty) if qty.is_zero() => stock::Allowance::None,
        json::Backorder::Limited(qty) => stock::Allowance::Limited(zero_or_more(at, qty)?),
    })
}

fn cell(node: String, sku: String, bucket: String) -> Result<stock::CellName, Rejected> {
    name(ROOT.member("node"), &node)?;
    name(ROOT.member("sku"), &sku)?;
    name_or_none(ROOT.member("bucket"), &bucket)?;
    Ok(stock::CellName { node, sku, bucket })
}

fn key(kind: &str, key: Option<String>, context: &Context<'_>) -> Result<Option<Hash16>, Rejected> {
    maybe_key(key.as_ref())?;
    Ok(key.as_deref().or(context.key).map(|key| context.keys.hash(kind, key.as_bytes())))
}

/// A change that came twice would count twice.
fn needed(key: Option<Hash16>) -> Result<Option<Hash16>, Rejected> {
    let detail = "a change needs a key, so that a repeat is known: `key`, or an Idempotency-Key header";
    key.map(Some).ok_or_else(|| reject(VALUE, ROOT.member("key"), detail.into()))
}
