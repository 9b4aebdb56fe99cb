//! Reference material: what the router knows of zones, nodes, items, channels and regions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::order::DeliveryMode;
use crate::{geo::UnitVector, quantity::Qty};

/// A change of reference material.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Published {
    /// Offset of the change in `router.control`, stamped by CONTROL on its copies; 0 as asked.
    pub control: u64,
    /// The change.
    pub change: Reference,
}

/// One entry of a reference table; it replaces the entry of the same key whole.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Reference {
    /// A zone.
    Zone(Zone),
    /// A node.
    Node(Box<Node>),
    /// An item.
    Item(Box<Item>),
    /// A channel.
    Channel(Channel),
    /// A region.
    Region(Region),
    /// Raises the behaviour level.
    BehaviourLevel(u32),
    /// A raw topic was recreated: its source starts a new incarnation.
    Incarnation(String, u32),
}

impl Reference {
    /// The table this entry belongs to.
    pub fn table(&self) -> Table {
        match self {
            Reference::Zone(_) => Table::Zones,
            Reference::Node(_) => Table::Nodes,
            Reference::Item(_) => Table::Items,
            Reference::Channel(_) => Table::Channels,
            Reference::Region(_) => Table::Regions,
            Reference::BehaviourLevel(_) => Table::Levels,
            Reference::Incarnation(..) => Table::Incarnations,
        }
    }

    /// The key within its table.
    pub fn key(&self) -> &str {
        match self {
            Reference::Zone(zone) => &zone.id,
            Reference::Node(node) => &node.id,
            Reference::Item(item) => &item.sku,
            Reference::Channel(channel) => &channel.id,
            Reference::Region(region) => &region.id,
            Reference::BehaviourLevel(_) => "level",
            Reference::Incarnation(source, _) => source,
        }
    }
}

/// The reference tables.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Table {
    /// Zones.
    Zones,
    /// Nodes.
    Nodes,
    /// Items.
    Items,
    /// Channels.
    Channels,
    /// Regions.
    Regions,
    /// Behaviour level.
    Levels,
    /// Incarnations of raw topics.
    Incarnations,
}

/// A zone: owns its nodes for ever, lives on one partition for ever.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Zone {
    /// Its name.
    pub id: String,
    /// Its partition of `router.commands`; absent as asked, then CONTROL gives it the one with fewest zones.
    pub partition: Option<u16>,
}

/// A node: store or warehouse.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Node {
    /// Its name.
    pub id: String,
    /// The zone that owns it, for ever.
    pub zone: String,
    /// For people.
    pub name: String,
    /// A disabled node is never a candidate and counts nothing.
    pub enabled: bool,
    /// Wins the last tie.
    pub default: bool,
    /// Where it is.
    pub place: Option<UnitVector>,
    /// Named sets it belongs to.
    pub groups: Vec<String>,
    /// Delivery modes it serves.
    pub modes: Vec<DeliveryMode>,
    /// Orders with unshipped allocations at one time; absent: any number.
    pub capacity_at_once: Option<u32>,
    /// Orders assigned since local midnight; absent: any number.
    pub capacity_a_day: Option<u32>,
    /// When it is open; absent: always.
    pub calendar: Option<Calendar>,
}

/// Opening hours compiled to UTC. Beyond the last interval the node counts as always open, so that a calendar
/// that nobody renewed does not stop a shop.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Calendar {
    /// Name of the time zone, for people.
    pub time_zone: String,
    /// From, to (exclusive), ms, ascending and apart.
    pub open: Vec<(i64, i64)>,
    /// Local midnights, ms, ascending: where a day's capacity starts anew.
    pub midnights: Vec<i64>,
}

/// An item: what a SKU is.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Item {
    /// The SKU.
    pub sku: String,
    /// Language and text, the first one is the default.
    pub names: Vec<(String, String)>,
    /// Barcode.
    pub barcode: Option<String>,
    /// Smallest quantity that can be taken; zero: [`Qty::ONE`].
    pub unit_step: Qty,
    /// Grams a unit.
    pub weight_g: Option<u32>,
    /// Cubic centimetres a unit.
    pub volume_cm3: Option<u32>,
    /// Category.
    pub category: Option<String>,
    /// Brand.
    pub brand: Option<String>,
    /// Special handling: cold, fragile.
    pub handling: Vec<String>,
    /// Everywhere without limit: a service.
    pub untracked: bool,
    /// Catch weight: shipping this much less or more, in thousandths of the quantity, still closes the line.
    pub tolerance: u16,
}

/// A channel: where orders come from.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Channel {
    /// Its name.
    pub id: String,
    /// Home zone of orders that no node and no region places.
    pub default_zone: Option<String>,
    /// Sold only from nodes of one of these groups; empty: from all.
    pub groups: Vec<String>,
    /// What the payment must be before the order is routed.
    pub route_when: RouteWhen,
}

/// What the payment must be before an order is routed. Payment on delivery, points and zero totals pass.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RouteWhen {
    /// Anything.
    #[default]
    Placed,
    /// Authorised or captured.
    Authorised,
    /// Captured.
    Captured,
}

/// A region: which zone serves it. The entry with the longest key that an order's region starts with wins.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Region {
    /// `CC`, `CC-prefix` of the postal code, or a prefix of a GB/T 2260 code.
    pub id: String,
    /// The zone.
    pub zone: String,
    /// Stands in for an order's coordinates where it has none.
    pub centroid: Option<UnitVector>,
}
