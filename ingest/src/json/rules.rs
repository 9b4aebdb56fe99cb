//! Rule sets, as people write them. Unlike in other messages an unknown member is an error: a rule that does not say
//! what its author meant would choose wrong stores.
//!
//! Money is a whole number of minor units of the order's own currency, as in every message. Distances are kilometres.
//! Durations are texts like `90s`, `5m`, `2h`, `3d`; a plain number is seconds.

use std::{borrow::Cow, fmt};

use router_schemas::{
    command::{order::DeliveryMode, reference::RouteWhen},
    limits::{MONEY_MAX, NAME_BYTES, RULE_PARTS, RULES, TEXT_BYTES},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::rule::Rule;

/// `rules.v1`: a rule set. Published, it becomes the next version of its name; a version never changes.
#[derive(Clone, PartialEq, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// Its name.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub name: String,
    /// The zones that go by it; absent: all that have none of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = RULES), inner(length(min = 1, max = NAME_BYTES)))]
    pub zones: Vec<String>,
    /// What this version is for, or why it was published; for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = TEXT_BYTES))]
    pub note: Option<String>,
    /// When orders that wait are looked at again.
    #[serde(default, skip_serializing_if = "is_default")]
    pub retry: Retry,
    /// The first that matches owns an order.
    #[schemars(length(max = RULES))]
    pub routings: Vec<Routing>,
    /// Why a node may decline, and what follows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = RULES))]
    pub reasons: Vec<Reason>,
}

/// When orders that wait are looked at again. More stock of what they wait for always counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// And when a node has room again, opens or changes, when holds or offers of others end, when rules change.
    #[default]
    AnyChange,
    /// Then only.
    Stock,
}

/// A routing: for which orders, and the waterfall for them.
#[derive(Clone, PartialEq, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Routing {
    /// Its name, unique in its set; absent: `routing-` and its place, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub id: Option<String>,
    /// It owns orders of this channel only: short for `when = { channels = […] }`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub channel: Option<String>,
    /// Which orders it owns; absent: all.
    #[serde(default, skip_serializing_if = "is_default")]
    pub when: When,
    /// What the payment must be; absent: as the channel says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route_when: Option<RouteWhen>,
    /// How orders of it that wait are served, before priority, promise and arrival.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = RULE_PARTS))]
    pub sort: Vec<OrderSort>,
    /// Tried in their order, for what is still open.
    #[schemars(length(max = RULES))]
    pub rules: Vec<Rule>,
}

/// Which orders a routing owns: all that is given must hold.
#[derive(Clone, PartialEq, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct When {
    /// One of these channels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = RULES), inner(length(min = 1, max = NAME_BYTES)))]
    pub channels: Vec<String>,
    /// One of these delivery modes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2))]
    pub modes: Vec<DeliveryMode>,
    /// The order's priority, 0 first, 255 last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priorities>,
    /// The order's total, minor units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<Amounts>,
    /// True: parts of orders whose home is another zone only; false: never such parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<bool>,
}

/// Priorities, both ends included.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Priorities {
    /// At least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<u8>,
    /// At most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u8>,
}

/// Amounts, both ends included.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Amounts {
    /// At least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = MONEY_MAX))]
    pub min: Option<i64>,
    /// At most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = MONEY_MAX))]
    pub max: Option<i64>,
}

/// How waiting orders are served.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrderSort {
    /// Priority, 0 first.
    Priority,
    /// End of the promise, earliest first; none last.
    Promise,
    /// Total, largest first.
    Value,
    /// Arrival.
    Arrival,
}

/// Why a node may decline.
#[derive(Clone, PartialEq, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// Its name.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub id: String,
    /// What it does to the node's stock of what was declined.
    #[serde(default)]
    pub effect: StockEffect,
    /// The node gets no offers for so long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cool_down: Option<Span>,
    /// The node is paused until someone resumes it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub pause: bool,
}

/// What a decline does to the node's stock.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StockEffect {
    /// Nothing.
    #[default]
    None,
    /// The declined quantity leaves on-hand.
    Subtract,
    /// The declined quantity is blocked: it is there and not for sale.
    SubtractAtp,
    /// Nothing is there.
    Zero,
}

/// A length of time in ms; a text like `90s`, `5m`, `2h`, `3d`, or a number of seconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Span(pub i64);

/// Units of a length of time, the largest first.
const UNITS: [(&str, i64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Zero is a whole number of days too, and reads better so.
        let unit = UNITS.iter().find(|(_, ms)| self.0 != 0 && self.0 % ms == 0);
        let (name, ms) = unit.copied().unwrap_or(("s", 1000));
        write!(f, "{}{name}", self.0 / ms)
    }
}

impl std::str::FromStr for Span {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Span, Self::Err> {
        let wrong = "expected a length of time like \"30s\", \"5m\", \"2h\" or \"3d\"";
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let (_, ms) = UNITS.iter().find(|(name, _)| *name == unit).ok_or(wrong)?;
        let number = number.parse::<i64>().map_err(|_| wrong)?;
        number.checked_mul(*ms).map(Span).ok_or(wrong)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Span;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a length of time like \"30s\", \"5m\", \"2h\", or a number of seconds")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Span, E> {
                let ms = if seconds < 0 { None } else { seconds.checked_mul(1000) };
                ms.map(Span).ok_or_else(|| E::custom("expected a number of seconds from 0 on"))
            }

            fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Span, E> {
                self.visit_i64(i64::try_from(seconds).unwrap_or(-1))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"description": "A length of time, at most 400 days: a text like 30s, 5m, 2h, 3d, or a number of seconds",
            "anyOf": [{"type": "string", "pattern": "^[0-9]{1,14}(ms|s|m|h|d)$"}, {"type": "integer", "minimum": 0}]})
    }
}

/// Left out where it says nothing.
pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::Span;

    #[test]
    fn spans_are_written_in_the_largest_unit_and_read_again() {
        for (text, ms) in [
            ("30s", 30_000),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("3d", 259_200_000),
            ("1500ms", 1500),
            ("90m", 5_400_000),
            ("0s", 0),
        ] {
            assert_eq!(text.parse(), Ok(Span(ms)), "{text}");
            assert_eq!(Span(ms).to_string(), text);
        }
        for wrong in ["", "5", "m", "-5m", "5 m", "5.5m", "5M", "99999999999999999999d", "９m"] {
            assert!(wrong.parse::<Span>().is_err(), "{wrong}");
        }
    }
}
