//! The canonical JSON messages, as a stranger writes them. Unknown members never fail. Amounts are integers in
//! minor units, quantities numbers or strings with up to three decimals, times RFC 3339.
//!
//! The comments on types and members are the descriptions in `schemas/json/`, which is made from them.

mod facts;
mod holds;
mod kinds;
mod order;
mod reference;
mod work;

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

pub use facts::*;
pub use holds::*;
pub use kinds::{KINDS, Kind, REGENERATE};
pub use order::*;
pub use reference::*;
pub use work::*;

/// An instant, ms since 1970; RFC 3339 in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Instant(pub i64);

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'_, str>::deserialize(deserializer)?;
        let wrong = "expected a time from 1970 on, like 2026-05-04T10:00:00+08:00";
        let time = text.parse::<jiff::Timestamp>().map_err(|_| Error::custom(wrong))?;
        let at = time.as_millisecond();
        if at < 0 { Err(Error::custom(wrong)) } else { Ok(Instant(at)) }
    }
}

impl JsonSchema for Instant {
    fn schema_name() -> Cow<'static, str> {
        "Instant".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"description": "A time from 1970 on, RFC 3339", "type": "string", "format": "date-time"})
    }
}

/// Minutes from local midnight, at most 24:00; `HH:MM` in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LocalTime(pub i32);

impl<'de> Deserialize<'de> for LocalTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'_, str>::deserialize(deserializer)?;
        let number = |digits: &str| {
            let plain = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit());
            if plain { digits.parse::<i32>().ok() } else { None }
        };
        let read = text.split_once(':').and_then(|(hours, minutes)| Some((number(hours)?, number(minutes)?)));
        match read {
            Some((hours, minutes)) if minutes < 60 && hours * 60 + minutes <= 1440 => {
                Ok(LocalTime(hours * 60 + minutes))
            }
            _ => Err(Error::custom("expected a local time from 00:00 to 24:00")),
        }
    }
}

impl JsonSchema for LocalTime {
    fn schema_name() -> Cow<'static, str> {
        "LocalTime".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"description": "A local time, HH:MM", "type": "string",
            "pattern": "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"})
    }
}

/// A day of the calendar; `YYYY-MM-DD` in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LocalDate(pub jiff::civil::Date);

impl Serialize for LocalDate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for LocalDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'_, str>::deserialize(deserializer)?;
        let date = if text.len() == 10 { text.parse().ok() } else { None };
        date.map(LocalDate).ok_or_else(|| Error::custom("expected a date like 2026-10-01"))
    }
}

impl JsonSchema for LocalDate {
    fn schema_name() -> Cow<'static, str> {
        "LocalDate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"description": "A local date", "type": "string", "format": "date"})
    }
}
