//! What INTAKE knows: reference copies, the directory of orders, and what waits.

use std::collections::BTreeMap;

use router_schemas::{
    command::{
        Hash16,
        order::OrderHead,
        reference::{Published, Reference},
    },
    envelope::{Meta, Source},
    id::{Identity, OrderId},
    limits,
};
use serde::{Deserialize, Serialize};

use super::directory::Directory;

/// The whole state of one partition. Ordered collections only: equal content gives equal bytes.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct State {
    pub engine_time: i64,
    pub hybrid: u64,
    /// Zone → its partition of `router.commands`.
    pub zones: BTreeMap<String, u16>,
    /// Node → its zone.
    pub nodes: BTreeMap<String, String>,
    /// Region → its zone.
    pub regions: BTreeMap<String, String>,
    /// Channel → default home zone.
    pub channels: BTreeMap<String, Option<String>>,
    /// Every order known.
    pub orders: Directory,
    /// What came before its order, oldest first.
    pub early: BTreeMap<Identity, Vec<Waiting>>,
    /// How many of them each channel has.
    pub early_of_channel: BTreeMap<String, u32>,
    /// Orders that no zone is known for, with all that came for them, in order.
    pub parked: BTreeMap<Identity, Vec<Waiting>>,
    /// Where the next pass over the parked orders goes on; `None`: nothing changed that could help them.
    pub retry_from: Option<Identity>,
    /// Source, its incarnation and partition → last message and index taken.
    pub sources: BTreeMap<(String, u32, u16), (u64, u32)>,
}

/// An order as intake knows it.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Entry {
    pub order: OrderId,
    /// Home zone, for ever once known.
    pub zone: Option<String>,
    pub version: Option<u64>,
    pub updated_at: Option<i64>,
    /// Content of the first message.
    pub first: Hash16,
    /// Content of what came last, the newest at the end.
    pub seen: Vec<Hash16>,
}

/// A message kept until it can be passed on.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Waiting {
    /// Engine time when it came, ms.
    pub at: i64,
    pub meta: Meta,
    /// Postcard of the command.
    #[serde(with = "serde_bytes")]
    pub command: Vec<u8>,
}

/// How a message of a known order stands to what is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    /// Seen before.
    Repeat,
    /// A later version is known.
    Older,
    /// The same version, other content.
    Conflict,
    /// New.
    Newer,
}

impl Entry {
    /// Compares a message by version, else by time of update, else by content alone.
    pub fn standing(&self, version: Option<u64>, updated_at: Option<i64>, content: &Hash16) -> Standing {
        let order = match (self.version, version) {
            (Some(known), Some(version)) => Some(version.cmp(&known)),
            _ => self.updated_at.zip(updated_at).map(|(known, at)| at.cmp(&known)),
        };
        match order {
            Some(std::cmp::Ordering::Less) => Standing::Older,
            _ if self.seen.contains(content) => Standing::Repeat,
            Some(std::cmp::Ordering::Equal) => Standing::Conflict,
            Some(std::cmp::Ordering::Greater) | None => Standing::Newer,
        }
    }

    /// Remembers a message that was taken.
    pub fn take(&mut self, version: Option<u64>, updated_at: Option<i64>, content: Hash16) {
        self.version = version.or(self.version);
        self.updated_at = updated_at.or(self.updated_at);
        self.remember(content);
    }

    /// Remembers content, forgetting the oldest beyond the limit.
    pub fn remember(&mut self, content: Hash16) {
        if self.seen.len() == limits::CONTENT_HASHES {
            self.seen.remove(0);
        }
        self.seen.push(content);
    }
}

impl State {
    /// Takes a copy of reference material in. True: parked orders may be able to go on.
    pub fn publish(&mut self, published: &Published) -> bool {
        match &published.change {
            Reference::Zone(zone) => {
                self.zones.insert(zone.id.clone(), zone.partition.unwrap_or(0));
            }
            Reference::Node(node) => {
                self.nodes.insert(node.id.clone(), node.zone.clone());
            }
            Reference::Region(region) => {
                self.regions.insert(region.id.clone(), region.zone.clone());
            }
            Reference::Channel(channel) => {
                self.channels.insert(channel.id.clone(), channel.default_zone.clone());
            }
            Reference::Item(_) | Reference::BehaviourLevel(_) | Reference::Incarnation(..) => return false,
        }
        true
    }

    /// The home zone of an order: that of the node it names, else of the longest region that its region starts
    /// with, else the channel's default.
    pub fn home(&self, head: &OrderHead) -> Option<String> {
        let pinned = head.pin.as_ref().and_then(|pin| self.nodes.get(&pin.node));
        let region = || {
            let name = head.region.as_deref()?;
            // From the longest prefix down; names are at most NAME_BYTES long.
            let ends = (1..=name.len()).rev().filter(|end| name.is_char_boundary(*end));
            ends.filter_map(|end| self.regions.get(&name[..end])).next()
        };
        let channel = || self.channels.get(&head.identity.channel)?.as_ref();
        pinned.or_else(region).or_else(channel).filter(|zone| self.zones.contains_key(*zone)).cloned()
    }

    /// True where this message of a source was taken before; remembers it otherwise.
    pub fn known_source(&mut self, source: &Source) -> bool {
        let key = (source.id.clone(), source.incarnation, source.partition);
        let place = (source.offset, source.index);
        if self.sources.get(&key).is_some_and(|last| *last >= place) {
            return true;
        }
        self.sources.insert(key, place);
        false
    }

    /// Keeps a message until its order comes. False: there are too many.
    pub fn keep_early(&mut self, identity: &Identity, waiting: Waiting) -> bool {
        let of_channel = self.early_of_channel.get(&identity.channel).copied().unwrap_or(0);
        let of_order = self.early.get(identity).map_or(0, Vec::len);
        if of_order >= limits::EARLY_PER_ORDER || of_channel as usize >= limits::EARLY_PER_CHANNEL {
            return false;
        }
        self.early_of_channel.insert(identity.channel.clone(), of_channel + 1);
        self.early.entry(identity.clone()).or_default().push(waiting);
        true
    }

    /// Takes out what waited for an order.
    pub fn take_early(&mut self, identity: &Identity) -> Vec<Waiting> {
        let waiting = self.early.remove(identity).unwrap_or_default();
        if !waiting.is_empty() {
            let left = self.early_of_channel.get(&identity.channel).copied().unwrap_or(0);
            match left.saturating_sub(waiting.len() as u32) {
                0 => self.early_of_channel.remove(&identity.channel),
                left => self.early_of_channel.insert(identity.channel.clone(), left),
            };
        }
        waiting
    }
}
