//! Quantities and money of a scenario: decimal strings with at most three decimals, kept as whole thousandths.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// Thousandths, not negative.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Amount(pub i64);

/// Thousandths, which may be negative.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Change(pub i64);

/// How much may be backordered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Backorder {
    /// Nothing.
    #[default]
    None,
    /// As much as is wanted.
    Unlimited,
    /// So many units.
    Limit(Amount),
}

/// What is there to sell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Quantity {
    /// As much as is wanted.
    Unlimited,
    /// So many units.
    Limited(Amount),
}

/// The most that is taken: a trillion units, in thousandths.
const MOST: i64 = 1_000_000_000_000_000;

/// Reads `5`, `5.5` or `0.125` as thousandths. `None`: not of this form, with trailing or leading zeros, or too large.
pub fn thousandths(text: &str) -> Option<i64> {
    let (whole, part) = match text.split_once('.') {
        Some((whole, part)) => (whole, Some(part)),
        None => (text, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || (whole.len() > 1 && whole.starts_with('0')) {
        return None;
    }
    let whole: i64 = whole.parse().ok()?;
    let part: i64 = match part {
        None => 0,
        Some(part) if digits(part) && part.len() <= 3 && !part.ends_with('0') => {
            format!("{part:0<3}").parse().ok()?
        }
        Some(_) => return None,
    };
    whole.checked_mul(1000)?.checked_add(part).filter(|number| *number <= MOST)
}

/// Writes thousandths in the form that [`thousandths`] reads.
pub fn written(thousandths: i64) -> String {
    let sign = if thousandths < 0 { "-" } else { "" };
    let (whole, part) = (thousandths.unsigned_abs() / 1000, thousandths.unsigned_abs() % 1000);
    if part == 0 {
        return format!("{sign}{whole}");
    }
    let part = format!("{part:03}");
    format!("{sign}{whole}.{}", part.trim_end_matches('0'))
}

fn not_a_decimal<E: Error>(text: &str) -> E {
    E::custom(format!(
        "{text:?} is not a decimal with at most three decimals and no trailing zeros, up to a trillion"
    ))
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        thousandths(&text).map(Amount).ok_or_else(|| not_a_decimal(&text))
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&written(self.0))
    }
}

impl<'de> Deserialize<'de> for Change {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => (-1, digits),
            None => (1, text.as_str()),
        };
        thousandths(digits).map(|n| Change(sign * n)).ok_or_else(|| not_a_decimal(&text))
    }
}

impl Serialize for Change {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&written(self.0))
    }
}

impl<'de> Deserialize<'de> for Backorder {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        match text.as_str() {
            "none" => Ok(Self::None),
            "unlimited" => Ok(Self::Unlimited),
            limit => thousandths(limit).map(|n| Self::Limit(Amount(n))).ok_or_else(|| {
                D::Error::custom(format!("{text:?} is neither `none`, `unlimited` nor a decimal"))
            }),
        }
    }
}

impl Serialize for Backorder {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => to.serialize_str("none"),
            Self::Unlimited => to.serialize_str("unlimited"),
            Self::Limit(limit) => limit.serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        if text == "unlimited" {
            return Ok(Self::Unlimited);
        }
        thousandths(&text).map(|n| Self::Limited(Amount(n))).ok_or_else(|| not_a_decimal(&text))
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.to_string())
    }
}

impl std::fmt::Display for Amount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&written(self.0))
    }
}

impl std::fmt::Display for Quantity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unlimited => f.write_str("unlimited"),
            Self::Limited(amount) => amount.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{thousandths, written};

    #[test]
    fn decimals_are_read_and_written_as_the_format_says() {
        for (text, number) in [("0", 0), ("5", 5000), ("5.5", 5500), ("0.125", 125), ("12.03", 12_030)] {
            assert_eq!(thousandths(text), Some(number), "{text}");
            assert_eq!(written(number), text);
        }
        assert_eq!(written(-1500), "-1.5");
        for wrong in
            ["", ".", "5.", ".5", "05", "5.0", "5.50", "0.1234", "+5", "-5", "1e3", "9999999999999999999"]
        {
            assert_eq!(thousandths(wrong), None, "{wrong}");
        }
    }
}
