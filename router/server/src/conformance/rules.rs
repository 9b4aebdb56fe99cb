//! The rule set of a scenario.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::format::{Amount, Mode, is_no};

/// Routings, and why a node may decline.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// The first whose channel is the order's owns it.
    pub routings: Vec<Routing>,
    /// What declines do to the node's stock.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
}

/// A waterfall of rules.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Routing {
    /// Absent: every channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// In this order.
    pub rules: Vec<Rule>,
}

/// A reason of a decline.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// Its name.
    pub id: String,
    /// What follows.
    pub effect: Effect,
}

/// What a decline does to the node's stock of each declined SKU.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Nothing.
    None,
    /// The declined quantity leaves on-hand.
    Subtract,
    /// The declined quantity leaves ATP only.
    SubtractAtp,
    /// Both are zero.
    Zero,
}

/// A rule.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name.
    pub id: String,
    /// All must let a node pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<Filter>,
    /// The first that does not tie decides.
    pub sorts: Vec<Sort>,
    /// Absent: `single`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignment: Option<Assignment>,
    /// In this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<Action>,
}

/// A filter of nodes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case", deny_unknown_fields)]
pub enum Filter {
    /// So near to the order's address.
    Radius { km: f64 },
    /// In one of the groups, or in none.
    Group {
        any: BTreeSet<String>,
        #[serde(default, skip_serializing_if = "is_no")]
        exclude: bool,
    },
    /// Serves this mode.
    DeliveryMode { mode: Mode },
    /// The attribute is this text, or its list has it.
    Attribute { name: String, has: String },
}

/// A sort of nodes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case", deny_unknown_fields)]
pub enum Sort {
    Sequence {},
    Coverage {},
    DefaultFirst {},
    Preferred {},
    WeeksOfSupply {},
    CapacityLeft {},
    DeclineRate {},
    Distance {
        #[serde(default)]
        order: Direction,
    },
    InventoryBalance {
        of: Balance,
    },
    Attribute {
        name: String,
        #[serde(default)]
        order: Direction,
    },
    RankTable {
        ranks: BTreeMap<String, Option<i64>>,
    },
}

impl Sort {
    /// The word that the format has for it.
    #[cfg(test)]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sequence {} => "sequence",
            Self::Coverage {} => "coverage",
            Self::DefaultFirst {} => "default_first",
            Self::Preferred {} => "preferred",
            Self::WeeksOfSupply {} => "weeks_of_supply",
            Self::CapacityLeft {} => "capacity_left",
            Self::DeclineRate {} => "decline_rate",
            Self::Distance { .. } => "distance",
            Self::InventoryBalance { .. } => "inventory_balance",
            Self::Attribute { .. } => "attribute",
            Self::RankTable { .. } => "rank_table",
        }
    }
}

/// Smaller or larger first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    #[default]
    Asc,
    Desc,
}

/// Which number of the cells a balance sums.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    OnHand,
    Unallocated,
    Atp,
}

/// How open units are spread.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Assignment {
    /// The first node that covers all.
    Single {},
    /// Greedy by rank.
    Multi {
        /// A plan that leaves something open is used too.
        #[serde(default, skip_serializing_if = "is_no")]
        partial: bool,
        /// Most nodes of a plan.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_splits: Option<u64>,
        /// What each part of a split or partial plan must be worth.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min_shipment_value: Option<Amount>,
        /// Lines of one group go to one node or to none.
        #[serde(default, skip_serializing_if = "is_no")]
        keep_groups: bool,
    },
}

/// What a rule does.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Allocates the plan.
    Allocate {},
    /// Backorders what is still open.
    Backorder {},
    /// Offers the order.
    Offer {
        /// To the first so many; absent: all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nodes: Option<u64>,
        /// Absent: 1.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rounds: Option<u64>,
        /// Absent: never expires.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ttl_s: Option<u64>,
    },
    /// Goes on with the next rule.
    NextRule {},
    /// Parks what is still open.
    Queue {
        /// Where.
        name: String,
    },
}
