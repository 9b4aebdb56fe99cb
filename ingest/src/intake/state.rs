//! What INTAKE knows: reference copies, the directory of orders, and what waits.

use std::collections::{BTreeMap, VecDeque};

use router_schemas::{
    command::{
        Command, Hash16,
        hold::Reserve,
        order::{OrderHead, OrderMessage, Pin, PinKind},
        reference::{Published, Reference},
    },
    envelope::{Meta, Source},
    id::{Identity, OrderId},
    limits,
};
use serde::{Deserialize, Serialize};

use super::{directory::Directory, early::Early};

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
    /// What came before its order.
    pub early: Early,
    /// Orders that no zone is known for, with all that came for them, in order; and orders whose zone is known
    /// since a short time, with what is still to be passed on.
    pub parked: BTreeMap<Identity, VecDeque<Waiting>>,
    /// Bytes of all commands in `parked`.
    pub parked_bytes: u64,
    /// Where the pass over the parked orders goes on; `None`: nothing changed that could help them.
    pub pass: Option<Identity>,
    /// Something changed behind the pass: another one follows.
    pub again: bool,
    /// A `continue` is under way.
    pub continuing: bool,
    /// Source, its incarnation and partition → last message and index taken.
    pub sources: BTreeMap<(String, u32, u16), (u64, u32)>,
}

/// An order as intake knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    pub came: Came,
}

/// How far an order has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Came {
    /// It is placed.
    Placed,
    /// Something was reserved for it, and it is not placed.
    Reserved,
    /// It was placed after something was reserved for it: engine time, ms.
    PlacedLater(i64),
}

/// A message kept until it can be passed on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Waiting {
    /// Engine time when it came, ms.
    pub at: i64,
    /// Where it lies.
    pub offset: u64,
    pub meta: Meta,
    pub said: Said,
    /// Postcard of the command.
    #[serde(with = "serde_bytes")]
    pub command: Vec<u8>,
}

/// What a message says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Said {
    pub version: Option<u64>,
    pub updated_at: Option<i64>,
    /// Its content, or the key of a fact: tells a repeat.
    pub hash: Hash16,
}

/// What is known of the place from which a message comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Seen {
    /// It was taken before.
    Before,
    New,
    /// No further source is remembered.
    TooMany,
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

impl Said {
    /// What a command about an order says.
    pub fn of(command: &Command) -> Said {
        let (version, updated_at, hash) = match command {
            Command::Place(m) | Command::Amend(m) => (m.head.version, m.head.updated_at, m.head.content),
            Command::Cancel(c) => (c.version, c.updated_at, c.content),
            Command::Payment(p) => (None, None, p.key),
            Command::Delivered(d) => (None, None, d.key),
            Command::Reserve(r) => (None, None, r.key),
            Command::Extend(e) => (None, None, e.key),
            Command::Release(r) => (None, None, r.key),
            Command::Steer(s) => (None, None, s.key),
            _ => Default::default(),
        };
        Said { version, updated_at, hash }
    }

    /// By version, else by time of update; `None` where neither can be compared.
    pub fn compare(&self, version: Option<u64>, updated_at: Option<i64>) -> Option<std::cmp::Ordering> {
        match (self.version, version) {
            (Some(mine), Some(other)) => Some(mine.cmp(&other)),
            _ => self.updated_at.zip(updated_at).map(|(mine, other)| mine.cmp(&other)),
        }
    }
}

impl Entry {
    /// Compares a message by version, else by time of update, else by content alone.
    pub fn standing(&self, said: &Said) -> Standing {
        match said.compare(self.version, self.updated_at) {
            Some(std::cmp::Ordering::Less) => Standing::Older,
            // A later version may well say what an earlier one said.
            Some(std::cmp::Ordering::Greater) => Standing::Newer,
            _ if self.seen.contains(&said.hash) => Standing::Repeat,
            Some(std::cmp::Ordering::Equal) => Standing::Conflict,
            None => Standing::Newer,
        }
    }

    /// Whether the command may go to the engine now: of an order that was only reserved a cancel takes from the hold,
    /// everything else waits for the order.
    pub fn takes(&self, command: &Command) -> bool {
        self.is_placed() || matches!(command, Command::Cancel(_))
    }

    pub fn is_placed(&self) -> bool {
        self.came != Came::Reserved
    }

    /// Whether the engine's word that it forgot the order is about what is known: what it says of a hold that ended
    /// may cross the order's own placement.
    pub fn may_go(&self, now: i64) -> bool {
        !matches!(self.came, Came::PlacedLater(at) if now < at.saturating_add(limits::REMEMBER_MS))
    }

    /// Remembers a message that was taken, forgetting the oldest content beyond the limit.
    pub fn take(&mut self, said: &Said) {
        self.version = said.version.or(self.version);
        self.updated_at = said.updated_at.or(self.updated_at);
        if self.seen.len() == limits::CONTENT_HASHES {
            self.seen.remove(0);
        }
        self.seen.push(said.hash);
    }
}

impl State {
    /// Takes a copy of reference material in, and has the parked orders looked at where it could help one.
    pub fn publish(&mut self, published: &Published) {
        let changed = match &published.change {
            Reference::Zone(zone) => {
                let partition = zone.partition.unwrap_or(0);
                self.zones.insert(zone.id.clone(), partition) != Some(partition)
            }
            Reference::Node(node) => {
                self.nodes.insert(node.id.clone(), node.zone.clone()).as_ref() != Some(&node.zone)
            }
            Reference::Region(region) => {
                self.regions.insert(region.id.clone(), region.zone.clone()).as_ref() != Some(&region.zone)
            }
            Reference::Channel(channel) => {
                let zone = &channel.default_zone;
                self.channels.insert(channel.id.clone(), zone.clone()).as_ref() != Some(zone)
            }
            Reference::Incarnation(source, number) => {
                // Messages of the incarnation before may still be on their way; those before it cannot.
                self.sources.retain(|(id, n, _), _| id != source || n.saturating_add(1) >= *number);
                false
            }
            Reference::Item(_) | Reference::BehaviourLevel(_) => false,
            Reference::Rules(_) | Reference::Fees(_) | Reference::Quota(_) => false,
        };
        if changed && !self.parked.is_empty() {
            self.again = self.pass.is_some();
            self.pass.get_or_insert_default();
        }
    }

    /// The home zone of an order of which something is reserved first: that of the node, else as of an order.
    pub fn home_of_hold(&self, reserve: &Reserve) -> Option<String> {
        let node = reserve.node.as_ref().or(reserve.lines.iter().find_map(|line| line.node.as_ref()));
        let pin = node.map(|node| Pin { node: node.clone(), kind: PinKind::Hard });
        let (identity, region) = (reserve.identity.clone(), reserve.region.clone());
        self.home(&OrderHead { identity, pin, region, ..OrderHead::default() })
    }

    /// The home zone of an order: that of the node it is pinned to, else of the longest region that its region
    /// starts with, else the channel's default.
    pub fn home(&self, head: &OrderHead) -> Option<String> {
        let pin = head.pin.as_ref().filter(|pin| pin.kind != PinKind::Prefer);
        let pinned = pin.and_then(|pin| self.nodes.get(&pin.node));
        let region = || {
            let name = head.region.as_deref()?;
            // From the longest prefix down; no region has a longer name than this.
            let ends =
                (1..=name.len().min(limits::NAME_BYTES)).rev().filter(|end| name.is_char_boundary(*end));
            ends.filter_map(|end| self.regions.get(&name[..end])).next()
        };
        let channel = || self.channels.get(&head.identity.channel)?.as_ref();
        pinned.or_else(region).or_else(channel).filter(|zone| self.zones.contains_key(*zone)).cloned()
    }

    /// Says of nodes that a command names in which zones they are, as far as these are others than the home zone.
    pub fn name_zones(&self, command: &mut Command, home: &str) {
        let zone_of = |node: &String| self.nodes.get(node).filter(|zone| *zone != home);
        match command {
            Command::Reserve(reserve) => {
                for line in &mut reserve.lines {
                    let node = line.node.as_ref().or(reserve.node.as_ref());
                    line.zone = node.and_then(zone_of).cloned();
                }
            }
            Command::Place(OrderMessage { head, .. }) | Command::Amend(OrderMessage { head, .. }) => {
                let bound = head.pin.as_ref().filter(|pin| pin.kind == PinKind::Hard);
                if head.elsewhere.is_empty() && bound.is_none() {
                    return;
                }
                head.elsewhere.extend(bound.map(|pin| (pin.node.clone(), String::new())));
                head.elsewhere.retain_mut(|(node, zone)| {
                    zone.clear();
                    zone.push_str(zone_of(node).map_or("", String::as_str));
                    !zone.is_empty()
                });
            }
            _ => {}
        }
    }

    /// Whether this message of a source was taken before; remembers it otherwise, where there is room for its source.
    pub fn note_source(&mut self, source: &Source) -> Seen {
        let key = (source.id.clone(), source.incarnation, source.partition);
        let place = (source.offset, source.index);
        match self.sources.get(&key) {
            Some(last) if *last >= place => return Seen::Before,
            None if self.sources.len() >= limits::SOURCES => return Seen::TooMany,
            _ => {}
        }
        self.sources.insert(key, place);
        Seen::New
    }

    /// True where messages of a known order have to wait: for its zone, or for those before them.
    pub fn held_back(&self, identity: &Identity) -> bool {
        self.parked.contains_key(identity)
    }

    /// True where a message of so many bytes may be parked.
    pub fn room_to_park(&self, identity: &Identity, bytes: usize) -> bool {
        self.parked.get(identity).map_or(0, VecDeque::len) < limits::PARKED_PER_ORDER
            && self.parked_bytes.saturating_add(bytes as u64) <= limits::PARKED_BYTES
    }

    /// Parks a message behind those that are there.
    pub fn park(&mut self, identity: &Identity, waiting: Waiting) {
        self.parked_bytes += waiting.command.len() as u64;
        self.parked.entry(identity.clone()).or_default().push_back(waiting);
    }

    /// Takes out the first message parked for an order.
    pub fn unpark(&mut self, identity: &Identity) -> Option<Waiting> {
        let queue = self.parked.get_mut(identity)?;
        let first = queue.pop_front();
        if queue.is_empty() {
            self.parked.remove(identity);
        }
        self.parked_bytes -= first.as_ref().map_or(0, |w| w.command.len() as u64);
        first
    }
}
