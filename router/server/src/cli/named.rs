//! What arguments of verbs name: orders, by our id or by the platform's name of them, and lines with quantities.

use clap::Args;
use router_ingest::json::Instant;
use router_schemas::id::{Identity, OrderId};
use serde_json::{Value, json};

use super::{
    CliError, Common,
    client::{Client, Response},
    source::{encoded, said},
};
use crate::router::RouterError;

/// Which lines, and how many units of each.
#[derive(Args)]
pub(super) struct Lines {
    /// A line, and how many units of it; absent: everything. May be given several times.
    #[arg(long = "line", value_name = "NAME[:QTY]", value_parser = line)]
    lines: Vec<Value>,
}

fn line(text: &str) -> Result<Value, String> {
    match counted(text) {
        Some((name, qty)) => Ok(json!({ "line": name, "qty": qty })),
        None if text.is_empty() => Err("a line has a name".into()),
        None => Ok(json!({ "line": text })),
    }
}

/// A name and the number behind its last colon; `None`: there is no number, since a line may be called `a:b`.
pub(super) fn counted(text: &str) -> Option<(&str, &str)> {
    let is_number = |qty: &str| qty.starts_with(|c: char| c.is_ascii_digit()) && qty.parse::<f64>().is_ok();
    text.rsplit_once(':').filter(|(_, qty)| is_number(qty))
}

impl Lines {
    /// Puts them into a message.
    pub(super) fn put(self, message: &mut Value) {
        if !self.lines.is_empty() {
            message["lines"] = Value::Array(self.lines);
        }
    }
}

/// Puts a member into a message where there is one.
pub(super) fn put(message: &mut Value, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        message[name] = value.into();
    }
}

/// Names a request of this call: no other has the same.
pub(super) fn key() -> Result<String, CliError> {
    let mut random = [0; 12];
    getrandom::fill(&mut random).map_err(|e| CliError::Router(RouterError::Random(e)))?;
    let digits: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("cli-{digits}"))
}

/// A point in time: RFC 3339.
pub(super) fn instant(text: &str) -> Result<Instant, String> {
    serde_json::from_value(json!(text)).map_err(|e| e.to_string())
}

/// A time that passes, in seconds: `90s`, `15m`, `12h`, `7d`.
pub(super) fn seconds(text: &str) -> Result<i64, String> {
    let wrong = || "a time is written 90s, 15m, 12h or 7d".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let factor = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number: i64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    number.checked_mul(factor).filter(|seconds| *seconds > 0).ok_or_else(wrong)
}

/// Our id of the order that is named.
pub(super) fn order(common: &Common, client: &Client, text: &str) -> Result<String, CliError> {
    if text.parse::<OrderId>().is_ok() {
        return Ok(text.to_owned());
    }
    let row = row(common, client, text)?;
    row["order"].as_str().map(str::to_owned).ok_or_else(|| CliError::Answer("an order without its id".into()))
}

/// The platform's name of the order that is named, as the members of a message.
pub(super) fn identity(common: &Common, client: &Client, text: &str) -> Result<Value, CliError> {
    if text.parse::<OrderId>().is_ok() {
        let row = row(common, client, text)?;
        return Ok(json!({ "channel": row["channel"], "account": row["account"], "id": row["id"] }));
    }
    let Some(Identity { channel, account, external_id }) = Identity::parse(text) else {
        return Err(CliError::Usage(format!(
            "{text:?} names no order: write our id, CHANNEL:ID or CHANNEL/ACCOUNT:ID"
        )));
    };
    Ok(json!({ "channel": channel, "account": account, "id": external_id }))
}

fn row(common: &Common, client: &Client, text: &str) -> Result<Value, CliError> {
    client.settle();
    client.get(&format!("/v1/orders/{}", encoded(text)))?.ok(common)
}

/// Sends a message and prints its answer.
pub(super) fn send(common: &Common, client: &Client, path: &str, message: &Value) -> Result<(), CliError> {
    said(common, &posted(client, path, message)?)
}

/// Sends a message; the answer is the engine's.
pub(super) fn posted(client: &Client, path: &str, message: &Value) -> Result<Response, CliError> {
    client.post(path, message.to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_times_are_read_as_they_are_written() {
        for (text, wanted) in [
            ("1", json!({ "line": "1" })),
            ("1:2", json!({ "line": "1", "qty": "2" })),
            ("a:b", json!({ "line": "a:b" })),
            ("a:b:0.5", json!({ "line": "a:b", "qty": "0.5" })),
            ("a:inf", json!({ "line": "a:inf" })),
        ] {
            assert_eq!(line(text), Ok(wanted), "{text}");
        }
        assert!(line("").is_err());
        assert_eq!((seconds("15m"), seconds("7d")), (Ok(900), Ok(604_800)));
        for wrong in ["", "m", "15", "0s", "-1m", "9999999999999999d", "1.5h", "1é"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
