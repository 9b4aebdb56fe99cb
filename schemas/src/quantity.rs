//! Quantities in thousandths of a unit, and money in minor units.

use std::{
    fmt,
    iter::Sum,
    ops::{Add, AddAssign, Neg, Sub, SubAssign},
    str::FromStr,
};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A quantity in thousandths of a unit, so that 2.5 kg is 2500. Arithmetic stays far from overflow because
/// [`crate::limits::QTY_MAX`] bounds every quantity that enters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Qty(pub i64);

impl Qty {
    /// Nothing.
    pub const ZERO: Qty = Qty(0);
    /// One unit.
    pub const ONE: Qty = Qty(1000);

    /// This many whole units.
    pub const fn units(units: i64) -> Self {
        Qty(units * 1000)
    }

    /// True for zero.
    pub fn is_zero(&self) -> bool {
        self.0 == 0
    }

    /// True for more than zero.
    pub fn is_positive(self) -> bool {
        self.0 > 0
    }

    /// At least zero.
    pub fn floor_zero(self) -> Self {
        Qty(self.0.max(0))
    }

    /// The greatest multiple of `step` that is not above this quantity; a step of zero or less changes nothing.
    pub fn floor_to(self, step: Qty) -> Self {
        if step.0 > 0 { Qty(self.0.div_euclid(step.0) * step.0) } else { self }
    }
}

impl fmt::Display for Qty {
    /// A decimal without trailing zeros: `2.5`, `-3`, `0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0.unsigned_abs() / 1000, self.0.unsigned_abs() % 1000);
        let sign = if self.0 < 0 { "-" } else { "" };
        if part == 0 {
            return f.pad(&format!("{sign}{whole}"));
        }
        f.pad(format!("{sign}{whole}.{part:03}").trim_end_matches('0'))
    }
}

impl fmt::Debug for Qty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Qty {
    type Err = QtyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || QtyError(text.chars().take(40).collect());
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
        let numeric = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        if !numeric(whole) || !numeric(part) || part.len() > 3 || whole.len() > 15 {
            return Err(wrong());
        }
        let whole: i64 = whole.parse().map_err(|_| wrong())?;
        let scale = 10i64.pow(3 - part.len() as u32);
        let part: i64 = part.parse().map_err(|_| wrong())?;
        let thousandths = whole * 1000 + part * scale;
        Ok(Qty(if negative { -thousandths } else { thousandths }))
    }
}

impl Add for Qty {
    type Output = Qty;
    fn add(self, other: Qty) -> Qty {
        Qty(self.0 + other.0)
    }
}

impl Sub for Qty {
    type Output = Qty;
    fn sub(self, other: Qty) -> Qty {
        Qty(self.0 - other.0)
    }
}

impl Neg for Qty {
    type Output = Qty;
    fn neg(self) -> Qty {
        Qty(-self.0)
    }
}

impl AddAssign for Qty {
    fn add_assign(&mut self, other: Qty) {
        self.0 += other.0;
    }
}

impl SubAssign for Qty {
    fn sub_assign(&mut self, other: Qty) {
        self.0 -= other.0;
    }
}

impl Sum for Qty {
    fn sum<I: Iterator<Item = Qty>>(items: I) -> Qty {
        items.fold(Qty::ZERO, Add::add)
    }
}

impl Serialize for Qty {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serializer.is_human_readable() {
            true if self.0 % 1000 == 0 => serializer.serialize_i64(self.0 / 1000),
            true => serializer.collect_str(self),
            false => serializer.serialize_i64(self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Qty {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return i64::deserialize(deserializer).map(Qty);
        }
        deserializer.deserialize_any(QtyVisitor)
    }
}

struct QtyVisitor;

impl serde::de::Visitor<'_> for QtyVisitor {
    type Value = Qty;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a quantity: a number or a decimal string with at most three decimals")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Qty, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_i64<E: serde::de::Error>(self, units: i64) -> Result<Qty, E> {
        units.checked_mul(1000).map(Qty).ok_or_else(|| E::custom(QtyError(units.to_string())))
    }

    fn visit_u64<E: serde::de::Error>(self, units: u64) -> Result<Qty, E> {
        i64::try_from(units)
            .map_err(|_| E::custom(QtyError(units.to_string())))
            .and_then(|u| self.visit_i64(u))
    }

    // JSON numbers with a point arrive as f64. This runs at the edge, before the log: the shortest text that
    // reads back as the same number is the text the sender meant.
    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Qty, E> {
        format!("{number}").parse().map_err(E::custom)
    }
}

impl JsonSchema for Qty {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Units, with at most three decimals: a number, or a decimal string",
            "anyOf": [{"type": "number"}, {"type": "string", "pattern": "^-?[0-9]{1,15}(\\.[0-9]{1,3})?$"}]
        })
    }
}

/// The text is no quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no quantity; write a decimal with at most three decimals, for example 2 or \"2.5\"")]
pub struct QtyError(pub String);

/// An ISO 4217 currency code, three capital letters. Amounts beside it are i64 minor units (cents, fen).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// The code as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("?")
    }
}

impl Default for Currency {
    /// ISO 4217's code for "no currency": three times X.
    fn default() -> Self {
        Currency([b'X'; 3])
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Currency {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match <[u8; 3]>::try_from(text.as_bytes()) {
            Ok(code) if code.iter().all(u8::is_ascii_uppercase) => Ok(Currency(code)),
            _ => Err(format!(
                "{:?} is no ISO 4217 currency code; three capital letters, for example CNY",
                &text.chars().take(16).collect::<String>()
            )),
        }
    }
}

impl Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(self.as_str())
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            std::borrow::Cow::<'_, str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
        } else {
            <[u8; 3]>::deserialize(deserializer).map(Currency)
        }
    }
}

impl JsonSchema for Currency {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Currency".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"description": "ISO 4217 code", "type": "string", "pattern": "^[A-Z]{3}$"})
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn quantities_read_back_as_written(thousandths in -1_000_000_000_000i64..1_000_000_000_000) {
            let qty = Qty(thousandths);
            prop_assert_eq!(qty.to_string().parse::<Qty>(), Ok(qty));
            let json = serde_json::to_string(&qty).unwrap();
            prop_assert_eq!(serde_json::from_str::<Qty>(&json).unwrap(), qty);
        }
    }

    #[test]
    fn quantities_are_exact_or_refused() {
        for (text, thousandths) in
            [("5.3", 5300), ("0.001", 1), ("-2", -2000), ("\"2.50\"", 2500), ("1e2", 100_000)]
        {
            assert_eq!(serde_json::from_str::<Qty>(text).unwrap(), Qty(thousandths), "{text}");
        }
        for text in [
            "0.0001",
            "\"\"",
            "\"1.\"",
            "\".5\"",
            "\"1,5\"",
            "true",
            "1e300",
            "9223372036854775807",
            "\"+1\"",
        ] {
            assert!(serde_json::from_str::<Qty>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn floors_to_a_step() {
        assert_eq!(Qty(5300).floor_to(Qty::ONE), Qty::units(5));
        assert_eq!(Qty(-1).floor_to(Qty::ONE), Qty::units(-1));
        assert_eq!(Qty(5300).floor_to(Qty::ZERO), Qty(5300));
    }
}
