//! A file of scenarios, as `router/server/tests/conformance/FORMAT.md` describes it and the schema beside it allows.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use super::{
    amount::{Amount, Backorder, Change, Quantity},
    expect::Expect,
    rules::Rules,
    step::Step,
};

/// One case.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name, for people and for `--only`.
    pub id: String,
    /// What it is about, for people.
    pub kind: Kind,
    /// Where it was taken from.
    pub origin: String,
    /// Licence of the origin.
    pub licence: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// What the converter chose, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversion: Option<String>,
    /// Its expectations are ours too.
    pub adopt: bool,
    /// Why they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quirk: Option<String>,
    /// Why it is not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip: Option<String>,
    /// SKUs whose stock is not kept.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub untracked: BTreeSet<String>,
    /// All nodes, with their stock.
    pub nodes: Vec<Node>,
    /// Absent: one, `default`, with all nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<Vec<Channel>>,
    /// Absent: an empty rule set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<Rules>,
    /// Done in this order.
    pub steps: Vec<Step>,
    /// Checked after the last step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expect>,
    /// Checked after the last step in place of every other expectation, where it is not adopted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect_ours: Option<Expect>,
}

/// What a scenario is about. No runner looks at it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Allocation,
    Availability,
    Candidates,
    Grab,
    PackageSplit,
    Rank,
    Rejection,
    Reservation,
    SplitThreshold,
    Waterfall,
}

/// A node.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Its name.
    pub id: String,
    /// Custom sequence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// A disabled one is never a candidate and counts nothing.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub enabled: bool,
    /// The default node.
    #[serde(default, skip_serializing_if = "is_no")]
    pub default: bool,
    /// Degrees; both or neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lat: Option<f64>,
    /// Degrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lng: Option<f64>,
    /// Orders it may have assigned at one time; absent: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u64>,
    /// Node groups.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<String>,
    /// Delivery modes it serves.
    #[serde(default = "only_delivery")]
    pub modes: BTreeSet<Mode>,
    /// Name → text, or list of texts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Attribute>,
    /// SKU → cell. No cell: the node does not have the SKU at all.
    pub stock: BTreeMap<String, Cell>,
}

/// A delivery mode.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    Delivery,
    Pickup,
}

/// The value of an attribute.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Attribute {
    Text(String),
    List(BTreeSet<String>),
}

/// What a node has of a SKU.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// Units there.
    pub on_hand: Amount,
    /// Out of stock: nothing is taken.
    #[serde(default, skip_serializing_if = "is_in_stock")]
    pub status: Status,
    /// Subtracted from ATP.
    #[serde(default)]
    pub safety_stock: Amount,
    /// What may be backordered here.
    #[serde(default)]
    pub backorder: Backorder,
    /// Already allocated to other orders.
    #[serde(default)]
    pub allocated: Amount,
    /// Absent: unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weekly_sales: Option<Amount>,
    /// Holds pinned to this node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<CellHold>,
}

/// Whether a cell may be sold from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    #[default]
    InStock,
    OutOfStock,
}

/// A hold that a cell begins with.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellHold {
    /// Whose.
    pub order: String,
    /// How much.
    pub qty: Amount,
    /// It counts nothing.
    #[serde(default, skip_serializing_if = "is_no")]
    pub expired: bool,
}

/// A channel.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// Its name.
    pub id: String,
    /// The nodes it sells from.
    pub nodes: BTreeSet<String>,
    /// SKU → its numbers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub skus: BTreeMap<String, ChannelSku>,
}

/// What a channel keeps back and may promise beyond stock.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelSku {
    /// Kept back.
    #[serde(default)]
    pub threshold: Amount,
    /// Promised beyond stock.
    #[serde(default)]
    pub backorder: Backorder,
}

fn yes() -> bool {
    true
}

fn is_yes(flag: &bool) -> bool {
    *flag
}

/// For flags that are written only where they are set.
pub(super) fn is_no(flag: &bool) -> bool {
    !*flag
}

fn is_in_stock(status: &Status) -> bool {
    *status == Status::InStock
}

fn only_delivery() -> BTreeSet<Mode> {
    BTreeSet::from([Mode::Delivery])
}
