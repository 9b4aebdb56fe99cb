//! Ids made from positions, and the identity by which a platform knows an order.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::position::{LogId, Position, Topic};

const CROCKFORD: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Characters of an id without its letter: 104 bits, five a character.
const DIGITS: usize = 21;

/// Our id of an order: `o` and 21 characters of Crockford base32 of the first 32 bits of the log id, topic
/// code (8 bits), partition (16) and offset (48) of the record that first named the order to us.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct OrderId(u128);

impl OrderId {
    /// The id of the order that the record at this place first named.
    pub fn new(log: LogId, topic: &Topic, partition: u16, offset: u64) -> Self {
        let [a, b, c, d, ..] = log.0;
        let prefix = u128::from(u32::from_be_bytes([a, b, c, d]));
        let place = u128::from(topic.code()) << 64
            | u128::from(partition) << 48
            | u128::from(offset) & 0xffff_ffff_ffff;
        Self(prefix << 72 | place)
    }

    /// The place of the record that first named the order; `None` for an id nobody made.
    pub fn position(self) -> Option<Position> {
        let topic = Topic::from_code((self.0 >> 64) as u8)?;
        Some(Position::new(topic, (self.0 >> 48) as u16, (self.0 & 0xffff_ffff_ffff) as u64))
    }

    /// The id as a number, for use as a key that sorts by place.
    pub fn to_bits(self) -> u128 {
        self.0
    }

    /// The id with these bits.
    pub fn from_bits(bits: u128) -> Self {
        Self(bits & ((1 << 104) - 1))
    }
}

/// Our id of an offer: `f` and the creating command as in an order's id, with the number of the offer within it (16 bits)
/// behind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct OfferId(u128);

/// Characters of an offer's id without its letter: 120 bits.
const OFFER_DIGITS: usize = 24;

impl OfferId {
    /// The id of the `index`th offer that the command at this place made.
    pub fn new(log: LogId, topic: &Topic, partition: u16, offset: u64, index: u16) -> Self {
        Self(OrderId::new(log, topic, partition, offset).0 << 16 | u128::from(index))
    }

    /// The id as a number, for use as a key that sorts by place.
    pub fn to_bits(self) -> u128 {
        self.0
    }
}

impl fmt::Display for OfferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        spell(f, b'f', self.0, OFFER_DIGITS)
    }
}

impl fmt::Debug for OfferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for OfferId {
    type Err = OfferIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bits = read('f', text, OFFER_DIGITS).filter(|b| b >> 120 == 0);
        bits.map(Self).ok_or_else(|| OfferIdError(text.chars().take(64).collect()))
    }
}

impl Serialize for OfferId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for OfferId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
        } else {
            Ok(Self(u128::deserialize(deserializer)? & ((1 << 120) - 1)))
        }
    }
}

impl schemars::JsonSchema for OfferId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "OfferId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"description": "Our id of an offer", "type": "string", "pattern": "^[fF][0-9A-Za-z]{24}$"})
    }
}

/// The text is no offer id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no offer id; an offer id is the letter f and 24 characters")]
pub struct OfferIdError(pub String);

/// Writes a letter and `digits` characters of Crockford base32.
fn spell(f: &mut fmt::Formatter<'_>, letter: u8, bits: u128, digits: usize) -> fmt::Result {
    let mut text = [letter; OFFER_DIGITS + 1];
    for (i, digit) in text[1..=digits].iter_mut().enumerate() {
        *digit = CROCKFORD[(bits >> (5 * (digits - 1 - i)) & 31) as usize];
    }
    f.write_str(std::str::from_utf8(&text[..=digits]).expect("the alphabet is ASCII"))
}

/// The bits of what [`spell`] wrote, in either case; as Crockford asks, `i` and `l` read as 1, `o` as 0.
fn read(letter: char, text: &str, digits: usize) -> Option<u128> {
    let rest = text.strip_prefix([letter, letter.to_ascii_uppercase()]).filter(|d| d.len() == digits)?;
    rest.bytes().try_fold(0u128, |bits, byte| {
        let digit = match byte.to_ascii_lowercase() {
            b'i' | b'l' => 1,
            b'o' => 0,
            other => CROCKFORD.iter().position(|c| *c == other)? as u128,
        };
        Some(bits << 5 | digit)
    })
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        spell(f, b'o', self.0, DIGITS)
    }
}

impl fmt::Debug for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for OrderId {
    type Err = OrderIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bits = read('o', text, DIGITS).filter(|b| b >> 104 == 0);
        bits.map(Self).ok_or_else(|| OrderIdError(text.chars().take(64).collect()))
    }
}

impl Serialize for OrderId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for OrderId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
        } else {
            Ok(Self::from_bits(u128::deserialize(deserializer)?))
        }
    }
}

impl schemars::JsonSchema for OrderId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "OrderId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"description": "Our id of an order", "type": "string", "pattern": "^[oO][0-9A-Za-z]{21}$"})
    }
}

/// The text is no order id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no order id; an order id is the letter o and 21 characters, for example o2kq9m0g4000000000000a"
)]
pub struct OrderIdError(pub String);

/// The name under which a platform knows an order.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Identity {
    /// The channel it came by, for example `web`.
    pub channel: String,
    /// The seller's account at the channel; empty if there is one only.
    pub account: String,
    /// The order's id there.
    pub external_id: String,
}

impl Identity {
    /// The 64-bit hash that chooses the intake partition: XXH3-64, seed 0, over channel, account and
    /// external id as raw UTF-8, each with its length as u32 little endian before it.
    pub fn hash(&self) -> u64 {
        let mut bytes = [0u8; 512];
        let mut end = 0;
        for part in [&self.channel, &self.account, &self.external_id] {
            let Some(space) = bytes.get_mut(end..end + 4 + part.len()) else { return self.hash_long() };
            space[..4].copy_from_slice(&(part.len() as u32).to_le_bytes());
            space[4..].copy_from_slice(part.as_bytes());
            end += 4 + part.len();
        }
        xxh3_64(&bytes[..end])
    }

    fn hash_long(&self) -> u64 {
        let mut bytes = Vec::new();
        for part in [&self.channel, &self.account, &self.external_id] {
            bytes.extend_from_slice(&(part.len() as u32).to_le_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        xxh3_64(&bytes)
    }

    /// The intake partition of this identity among `count`.
    pub fn partition(&self, count: u16) -> u16 {
        (self.hash() % u64::from(count.max(1))) as u16
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.account.as_str() {
            "" => write!(f, "{}:{}", self.channel, self.external_id),
            account => write!(f, "{}/{account}:{}", self.channel, self.external_id),
        }
    }
}

impl Identity {
    /// Reads what [`Display`](fmt::Display) writes: `CHANNEL:ID` or `CHANNEL/ACCOUNT:ID`. `None`: it names no channel.
    pub fn parse(text: &str) -> Option<Identity> {
        let (place, external_id) = text.split_once(':')?;
        let (channel, account) = place.split_once('/').unwrap_or((place, ""));
        let (channel, account) = (channel.to_owned(), account.to_owned());
        Some(Identity { channel, account, external_id: external_id.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_id_reads_back_and_names_its_place(log: [u8; 16], partition: u16, offset in 0u64..1 << 48) {
            let id = OrderId::new(LogId(log), &Topic::Intake, partition, offset);
            prop_assert_eq!(id.to_string().parse::<OrderId>(), Ok(id));
            prop_assert_eq!(id.position(), Some(Position::new(Topic::Intake, partition, offset)));
        }
    }

    #[test]
    fn an_identity_reads_back_as_written() {
        for text in ["web:1001", "web/shop-2:1001", "web:a:b/c"] {
            assert_eq!(Identity::parse(text).map(|identity| identity.to_string()).as_deref(), Some(text));
        }
        assert_eq!(Identity::parse("1001"), None);
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in ["", "o", "x000000000000000000000", "o00000000000000000000u", "ozzzzzzzzzzzzzzzzzzzzz"] {
            assert!(text.parse::<OrderId>().is_err(), "{text}");
        }
    }

    #[test]
    fn parts_of_an_identity_do_not_run_together() {
        let identity = |channel: &str, account: &str, external_id: &str| Identity {
            channel: channel.into(),
            account: account.into(),
            external_id: external_id.into(),
        };
        assert_ne!(identity("ab", "c", "d").hash(), identity("a", "bc", "d").hash());
        assert_eq!(
            identity("a", "b", &"x".repeat(900)).hash(),
            identity("a", "b", &"x".repeat(900)).hash_long()
        );
        assert_eq!(identity("web", "", "1").hash(), identity("web", "", "1").hash_long());
    }
}
