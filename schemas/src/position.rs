//! Where a record lies: topics, positions, and the identity of a log.
//!
//! A position is written `commands/3@1042`: the topic without the prefix `router.`, the partition, the offset.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// Identity of one log, drawn once when its genesis records are written. All ids made from positions begin
/// with its first 32 bits, so that ids of two logs never meet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct LogId(pub [u8; 16]);

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for LogId {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || PositionError(text.chars().take(64).collect());
        if text.len() != 32 || !text.is_ascii() {
            return Err(wrong());
        }
        let mut id = [0; 16];
        for (byte, pair) in id.iter_mut().zip(text.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| wrong())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
        }
        Ok(Self(id))
    }
}

/// A topic of the log. Those with a fixed name carry a code that stands in ids and origins; the raw topics
/// and the dead-letter topics are named by what feeds them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Topic {
    /// `router.intake`: order commands before their order is known, read by INTAKE.
    Intake,
    /// `router.commands`: what ENGINE applies.
    Commands,
    /// `router.control`: reference material and operators' decisions, one partition, read by CONTROL.
    Control,
    /// `router.events`: outcomes, changes and row images.
    Events,
    /// `router.replies`: answers to callers who wait.
    Replies,
    /// `stores.assignments`: work for stores, JSON.
    Assignments,
    /// `customers.notifications`: what customers are told, JSON.
    Notifications,
    /// `stock.alerts`: oversold, drift and recovery, JSON.
    StockAlerts,
    /// `settlement.entries`.
    Settlement,
    /// `channels.availability`: what platforms may sell, JSON.
    Availability,
    /// `orders.<channel>`: a platform's own messages.
    Raw(Arc<str>),
    /// `dlq.<source>`: what cannot be read.
    DeadLetter(Arc<str>),
}

impl Topic {
    /// The topics with a fixed name, in code order.
    pub const FIXED: [Topic; 10] = [
        Topic::Intake,
        Topic::Commands,
        Topic::Control,
        Topic::Events,
        Topic::Replies,
        Topic::Assignments,
        Topic::Notifications,
        Topic::StockAlerts,
        Topic::Settlement,
        Topic::Availability,
    ];

    /// The code that stands for the topic in ids and origins: 1 to 10, 0 for a topic without a fixed name.
    pub fn code(&self) -> u8 {
        match self {
            Topic::Intake => 1,
            Topic::Commands => 2,
            Topic::Control => 3,
            Topic::Events => 4,
            Topic::Replies => 5,
            Topic::Assignments => 6,
            Topic::Notifications => 7,
            Topic::StockAlerts => 8,
            Topic::Settlement => 9,
            Topic::Availability => 10,
            Topic::Raw(_) | Topic::DeadLetter(_) => 0,
        }
    }

    /// The fixed topic with this code.
    pub fn from_code(code: u8) -> Option<Topic> {
        Self::FIXED.get(usize::from(code).checked_sub(1)?).cloned()
    }

    /// The topic name as a broker knows it.
    pub fn name(&self) -> String {
        match self {
            Topic::Raw(channel) => format!("orders.{channel}"),
            Topic::DeadLetter(source) => format!("dlq.{source}"),
            fixed => fixed.fixed_name().unwrap_or_default().to_owned(),
        }
    }

    /// The name of a topic that has a fixed one.
    fn fixed_name(&self) -> Option<&'static str> {
        Some(match self {
            Topic::Intake => "router.intake",
            Topic::Commands => "router.commands",
            Topic::Control => "router.control",
            Topic::Events => "router.events",
            Topic::Replies => "router.replies",
            Topic::Assignments => "stores.assignments",
            Topic::Notifications => "customers.notifications",
            Topic::StockAlerts => "stock.alerts",
            Topic::Settlement => "settlement.entries",
            Topic::Availability => "channels.availability",
            Topic::Raw(_) | Topic::DeadLetter(_) => return None,
        })
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fixed_name() {
            Some(name) => f.write_str(name.strip_prefix("router.").unwrap_or(name)),
            None => f.write_str(&self.name()),
        }
    }
}

impl FromStr for Topic {
    type Err = PositionError;

    /// Reads a topic name, with or without the prefix `router.`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is = |name: &str| name == text || name.strip_prefix("router.") == Some(text);
        if let Some(fixed) = Self::FIXED.iter().find(|t| t.fixed_name().is_some_and(is)) {
            return Ok(fixed.clone());
        }
        let bounded = |rest: &str| {
            let legal = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
            (!rest.is_empty() && rest.len() <= 200 && rest.bytes().all(legal)).then(|| Arc::from(rest))
        };
        let named = match (text.strip_prefix("orders."), text.strip_prefix("dlq.")) {
            (Some(rest), _) => bounded(rest).map(Topic::Raw),
            (_, Some(rest)) => bounded(rest).map(Topic::DeadLetter),
            _ => None,
        };
        named.ok_or_else(|| PositionError(text.chars().take(64).collect()))
    }
}

impl Serialize for Topic {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.fixed_name() {
            Some(name) => serializer.serialize_str(name),
            None => serializer.serialize_str(&self.name()),
        }
    }
}

impl<'de> Deserialize<'de> for Topic {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TopicVisitor)
    }
}

/// Reads a name where it lies, without a copy: positions are in every reply and every event.
struct TopicVisitor;

impl serde::de::Visitor<'_> for TopicVisitor {
    type Value = Topic;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a topic")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Topic, E> {
        text.parse().map_err(E::custom)
    }
}

/// One partition of a topic.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct TopicPartition {
    /// The topic.
    pub topic: Topic,
    /// The partition, from 0.
    pub partition: u16,
}

impl TopicPartition {
    /// That partition of that topic.
    pub fn new(topic: Topic, partition: u16) -> Self {
        Self { topic, partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}

/// Where one record lies within its log.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Position {
    /// The topic.
    pub topic: Topic,
    /// The partition, from 0.
    pub partition: u16,
    /// The offset, from 0.
    pub offset: u64,
}

impl Position {
    /// That offset in that partition of that topic.
    pub fn new(topic: Topic, partition: u16, offset: u64) -> Self {
        Self { topic, partition, offset }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}", self.topic, self.partition, self.offset)
    }
}

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || PositionError(text.chars().take(64).collect());
        let (place, offset) = text.rsplit_once('@').ok_or_else(wrong)?;
        let (topic, partition) = place.rsplit_once('/').ok_or_else(wrong)?;
        Ok(Self {
            topic: topic.parse().map_err(|_| wrong())?,
            partition: partition.parse().map_err(|_| wrong())?,
            offset: offset.parse().map_err(|_| wrong())?,
        })
    }
}

impl Serialize for Position {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            (&self.topic, self.partition, self.offset).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
        } else {
            let (topic, partition, offset) = <(Topic, u16, u64)>::deserialize(deserializer)?;
            Ok(Self { topic, partition, offset })
        }
    }
}

impl schemars::JsonSchema for Position {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Position".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"description": "Where a record lies in the log: topic/partition@offset",
            "type": "string", "pattern": "^[A-Za-z0-9._-]+/[0-9]+@[0-9]+$"})
    }
}

/// The text is no topic or position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no topic or position; a position is written TOPIC/PARTITION@OFFSET, for example commands/3@1042"
)]
pub struct PositionError(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_read_back_as_written() {
        for text in
            ["commands/3@1042", "intake/0@0", "orders.web/1@7", "dlq.orders.web/0@18446744073709551615"]
        {
            assert_eq!(text.parse::<Position>().unwrap().to_string(), text);
        }
        assert_eq!("router.commands/3@1".parse::<Position>().unwrap().to_string(), "commands/3@1");
    }

    #[test]
    fn what_is_no_position_is_refused() {
        for text in [
            "",
            "commands",
            "commands/3",
            "commands@3",
            "nowhere/1@2",
            "commands/-1@2",
            "orders./1@2",
            "orders.a b/1@2",
        ] {
            assert!(text.parse::<Position>().is_err(), "{text}");
        }
    }

    #[test]
    fn codes_and_topics_are_one_to_one() {
        for topic in Topic::FIXED {
            assert_eq!(Topic::from_code(topic.code()), Some(topic));
        }
        assert_eq!(Topic::from_code(0), None);
        assert_eq!(Topic::from_code(u8::MAX), None);
    }
}
