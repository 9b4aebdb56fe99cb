//! Reference material: what the router knows of zones, nodes, items, channels and regions.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{order::DeliveryMode, stock::Allowance};
use crate::{geo::UnitVector, quantity::Qty, rules::RuleSet};

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
    /// A rule set.
    Rules(Box<RuleSet>),
    /// A carrier's fee table.
    Fees(FeeTable),
    /// A number of a whole channel, split into shares of zones.
    Quota(Quota),
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
            Reference::Rules(_) => Table::Rules,
            Reference::Fees(_) => Table::Fees,
            Reference::Quota(_) => Table::Quotas,
        }
    }

    /// The key within its table.
    pub fn key(&self) -> Cow<'_, str> {
        match self {
            Reference::Zone(zone) => zone.id.as_str().into(),
            Reference::Node(node) => node.id.as_str().into(),
            Reference::Item(item) => item.sku.as_str().into(),
            Reference::Channel(channel) => channel.id.as_str().into(),
            Reference::Region(region) => region.id.as_str().into(),
            Reference::BehaviourLevel(_) => "level".into(),
            Reference::Incarnation(source, _) => source.as_str().into(),
            // Every version stays.
            Reference::Rules(set) => format!("{}@{}", set.name, set.version).into(),
            Reference::Fees(table) => table.id.as_str().into(),
            Reference::Quota(quota) => format!("{}/{}/{}", quota.channel, quota.sku, quota.bucket).into(),
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
    /// Rule sets, every version.
    Rules,
    /// Fee tables.
    Fees,
    /// Numbers of whole channels.
    Quotas,
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
    /// Own number for the sort `sequence`, smaller first.
    pub sequence: Option<u32>,
    /// Name and values, ascending by name.
    pub attributes: Vec<(String, Vec<String>)>,
    /// Its delivery area as squared chord around it; absent: everywhere.
    pub area: Option<i64>,
}

impl Node {
    /// Whether the node serves orders of this mode.
    pub fn serves(&self, mode: DeliveryMode) -> bool {
        mode == DeliveryMode::None || self.modes.contains(&mode)
    }
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
    /// Zones that get what the home zone cannot fill, one after the other: the central warehouse's zone.
    pub fallback: Vec<String>,
    /// Service time in which a node must answer whether it gives picked units back, ms; absent: 15 minutes.
    pub cancel_within: Option<i64>,
    /// What holds where it does not: true: the units are cancelled.
    pub cancel_by_default: bool,
    /// An order with a hard pin is routed elsewhere when its node declines.
    pub reroute_pinned: bool,
    /// How its platform is told what it may sell; absent: it is not.
    pub feed: Option<Feed>,
}

/// How a platform is told what it may sell.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Feed {
    /// Engine time between two records of one pool, ms, unless it falls to zero, rises from there, or crosses `low`.
    pub every: i64,
    /// Below this it is told at once, and alerted once, with a recovery; zero: never.
    pub low: Qty,
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

/// A carrier's fees: the first band that is not farther away than the customer.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct FeeTable {
    /// Its name.
    pub id: String,
    /// By distance, ascending.
    pub bands: Vec<FeeBand>,
}

/// A band of a fee table.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct FeeBand {
    /// Up to this squared chord.
    pub upto: i64,
    /// Minor units a shipment.
    pub base: i64,
    /// Minor units a kilogram begun.
    pub per_kg: i64,
}

/// A number of a whole channel for a SKU, split into shares of zones by CONTROL. Making a share smaller takes only what
/// is unused; what a zone gives up goes to the others once it has said how much.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Quota {
    /// The channel.
    pub channel: String,
    /// The SKU.
    pub sku: String,
    /// Day or seat class; empty: none.
    pub bucket: String,
    /// Kept back in each zone.
    pub threshold: Qty,
    /// What may be reserved beyond stock in all zones together.
    pub backorder: Allowance,
    /// Zone and weight, as asked; the zones' shares are in `shares`.
    pub weights: Vec<(String, u32)>,
    /// Set by CONTROL: zone and share.
    pub shares: Vec<(String, Allowance)>,
}
