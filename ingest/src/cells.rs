//! What is said of stock cells: counts, receipts, adjustments, policies.

use router_schemas::{
    command::{Command, stock},
    quantity::Qty,
};

use crate::{
    bounds::{name, positive, zero_or_more},
    decode::{Context, Rejected, VALUE, reject},
    json,
};

pub(crate) fn cell(kind: &str, said: json::Stock, context: &Context<'_>) -> Result<Command, Rejected> {
    let cell = cell_name(said.node, said.sku, said.bucket)?;
    name("/source", &said.source, true)?;
    let key = said.key.as_deref().or(context.key).map(|key| context.keys.hash(kind, key.as_bytes()));
    let needed = |pointer: &str, qty: Option<Qty>| {
        qty.ok_or_else(|| reject(VALUE, pointer, "is needed for this kind of message".into()))
    };
    Ok(match kind {
        "count.v1" => {
            let qty = zero_or_more("/qty", needed("/qty", said.qty)?)?;
            let observed_at = said.observed_at.map(|t| t.0);
            let (basis, counter, sequence) = (said.basis, said.source, said.sequence);
            Command::Count(stock::Count { cell, qty, basis, counter, sequence, observed_at, key })
        }
        _ if key.is_none() => {
            let detail =
                "a change needs a key, so that a repeat is known: `key`, or an Idempotency-Key header";
            return Err(reject(VALUE, "/key", detail.into()));
        }
        "receipt.v1" => {
            let qty = positive("/qty", needed("/qty", said.qty)?)?;
            Command::Receipt(stock::Movement { cell, qty, key })
        }
        _ => {
            let delta = needed("/delta", said.delta)?;
            positive("/delta", if delta < Qty::default() { -delta } else { delta })?;
            Command::Adjustment(stock::Adjustment { cell, target: said.target, delta, key })
        }
    })
}

fn cell_name(node: String, sku: String, bucket: String) -> Result<stock::CellName, Rejected> {
    name("/node", &node, false)?;
    name("/sku", &sku, false)?;
    name("/bucket", &bucket, true)?;
    Ok(stock::CellName { node, sku, bucket })
}

pub(crate) fn policy(said: json::Policy) -> Result<Command, Rejected> {
    let cell = cell_name(said.node, said.sku, said.bucket)?;
    let safety_stock = zero_or_more("/safety_stock", said.safety_stock)?;
    let backorder = match said.backorder {
        json::Backorder::Unlimited(_) => stock::Allowance::Unlimited,
        json::Backorder::Limited(qty) if qty == Qty::default() => stock::Allowance::None,
        json::Backorder::Limited(qty) => stock::Allowance::Limited(zero_or_more("/backorder", qty)?),
    };
    let out_of_stock = said.out_of_stock;
    Ok(Command::CellPolicy(stock::CellPolicy { cell, safety_stock, backorder, out_of_stock }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rest: &str) -> Result<stock::CellPolicy, String> {
        let text = format!(r#"{{"node":"n","sku":"s"{rest}}}"#);
        let said = serde_json::from_str(&text).map_err(|e| e.to_string())?;
        match policy(said) {
            Ok(Command::CellPolicy(policy)) => Ok(policy),
            Ok(other) => panic!("a policy became a {}", other.name()),
            Err(rejected) => Err(rejected.pointer),
        }
    }

    #[test]
    fn a_policy_says_none_some_or_unlimited() {
        for (rest, wanted) in [
            ("", stock::Allowance::None),
            (r#","backorder":0"#, stock::Allowance::None),
            (r#","backorder":"2.5""#, stock::Allowance::Limited(Qty(2500))),
            (r#","backorder":"unlimited""#, stock::Allowance::Unlimited),
        ] {
            assert_eq!(read(rest).unwrap().backorder, wanted, "{rest}");
        }
        assert_eq!(read(r#","backorder":-1"#).unwrap_err(), "/backorder");
        assert_eq!(read(r#","safety_stock":-1"#).unwrap_err(), "/safety_stock");
        assert!(read(r#","backorder":"lots""#).unwrap_err().contains("expected a quantity"));
    }
}
