//! One rule of a rule set: filters, sorts, assignment, actions.

use std::collections::BTreeMap;

use router_schemas::{
    command::order::DeliveryMode,
    limits::{FORWARDS, MONEY_MAX, NAME_BYTES, OFFERED, ROUNDS, RULE_PARTS, RULES},
    quantity::Qty,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules::{Span, is_default};

/// One rule of a waterfall.
#[derive(Clone, PartialEq, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name, unique in its set; absent: `rule-` and its place among all rules of the set, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub id: Option<String>,
    /// All must let a node pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = RULE_PARTS))]
    pub filters: Vec<Filter>,
    /// The first that does not tie decides; then the default node, then the id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = RULE_PARTS))]
    pub sorts: Vec<Sort>,
    /// How open units are spread over the ranked nodes.
    #[serde(default)]
    pub assignment: Assignment,
    /// A full node may be asked all the same.
    #[serde(default, skip_serializing_if = "is_default")]
    pub ignore_capacity: bool,
    /// In their order.
    #[serde(default)]
    #[schemars(length(max = RULE_PARTS))]
    pub actions: Vec<Action>,
}

/// A filter of nodes. `exclude`: who would pass does not.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(tag = "by", rename_all = "snake_case", deny_unknown_fields)]
pub enum Filter {
    /// In one of these groups.
    Group {
        /// The groups.
        #[schemars(length(min = 1, max = RULES), inner(length(min = 1, max = NAME_BYTES)))]
        any: Vec<String>,
        /// In none of them.
        #[serde(default, skip_serializing_if = "is_default")]
        exclude: bool,
    },
    /// Within this distance of the order's address; where a place is not known: no.
    Radius {
        /// Kilometres.
        #[schemars(range(min = 0.001, max = 20015))]
        km: f64,
        /// Farther away.
        #[serde(default, skip_serializing_if = "is_default")]
        exclude: bool,
    },
    /// The zone that runs the rule is one of these: else the rule has no candidates.
    Zone {
        /// The zones.
        #[schemars(length(min = 1, max = RULES), inner(length(min = 1, max = NAME_BYTES)))]
        any: Vec<String>,
        /// None of them.
        #[serde(default, skip_serializing_if = "is_default")]
        exclude: bool,
    },
    /// Serves this mode, whatever the order's own; the order's own is always asked for.
    DeliveryMode {
        /// The mode.
        mode: DeliveryMode,
        /// Does not.
        #[serde(default, skip_serializing_if = "is_default")]
        exclude: bool,
    },
    /// Open now.
    Open {
        /// Closed now.
        #[serde(default, skip_serializing_if = "is_default")]
        exclude: bool,
    },
    /// Of each open SKU that it has, at least so much, and of one at least.
    Minimum {
        /// How much.
        qty: Qty,
        /// Not so.
        #[serde(default, skip_serializing_if = "is_default")]
        exclude: bool,
    },
    /// The node's attribute is this text, or its list has it.
    Attribute {
        /// Name of the attribute.
        #[schemars(length(min = 1, max = NAME_BYTES))]
        name: String,
        /// The text.
        #[schemars(length(min = 1, max = NAME_BYTES))]
        has: String,
        /// Not so.
        #[serde(default, skip_serializing_if = "is_default")]
        exclude: bool,
    },
    /// All that is open is available at the channel's nodes together: else the rule has no candidates.
    AllItems {
        /// It is not.
        #[serde(default, skip_serializing_if = "is_default")]
        exclude: bool,
    },
    /// The order's address lies within the node's own delivery area; a node without one: yes.
    Area {
        /// It does not.
        #[serde(default, skip_serializing_if = "is_default")]
        exclude: bool,
    },
}

/// A sort of nodes. One that has no value for a node ranks it after those with a value.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(tag = "by", rename_all = "snake_case", deny_unknown_fields)]
pub enum Sort {
    /// The node's own number, smaller first.
    Sequence {},
    /// Nearer first.
    Distance {
        /// `desc`: farther first.
        #[serde(default, skip_serializing_if = "is_default")]
        order: Direction,
    },
    /// More of the order's SKUs covered whole first.
    Coverage {},
    /// The zone's default node first.
    DefaultFirst {},
    /// The node that the order prefers first.
    Preferred {},
    /// A node that the order prefers, or that has some of it already, first: fewer shipments.
    Used {},
    /// Open ones first.
    OpenFirst {},
    /// More stock of the order's SKUs first.
    InventoryBalance {
        /// Which number.
        of: Balance,
    },
    /// More weeks of sales on hand first: the smallest of the order's SKUs.
    WeeksOfSupply {},
    /// More room for orders first; without limit first of all.
    CapacityLeft {},
    /// Fewer declines for each offer first.
    DeclineRate {},
    /// Faster to claim first.
    TimeToClaim {},
    /// Faster to ship first.
    TimeToShip {},
    /// Cheaper by this fee table first.
    Cost {
        /// The fee table.
        #[schemars(length(min = 1, max = NAME_BYTES))]
        table: String,
    },
    /// By the bytes of an attribute.
    Attribute {
        /// Name of the attribute.
        #[schemars(length(min = 1, max = NAME_BYTES))]
        name: String,
        /// `desc`: larger first.
        #[serde(default, skip_serializing_if = "is_default")]
        order: Direction,
    },
    /// By a table: smaller first.
    RankTable {
        /// Node and number; null: as if it were not there.
        ranks: BTreeMap<String, Option<i64>>,
    },
}

/// Which end is first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Smaller first.
    #[default]
    Asc,
    /// Larger first.
    Desc,
}

/// Which number of the cells a balance sums.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// On-hand.
    OnHand,
    /// On-hand less allocated; holds are not subtracted.
    Unallocated,
    /// What is available to promise.
    Atp,
}

/// How open units are spread.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Assignment {
    /// The first node that has all.
    Single {},
    /// From one node after the other by rank, what each has.
    Multi {
        /// Most nodes of a plan.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(range(min = 1))]
        max_splits: Option<u16>,
        /// Minor units that every shipment of a split or partial plan, and what is left open, must be worth.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(range(min = 0, max = MONEY_MAX))]
        min_shipment_value: Option<i64>,
        /// Lines of one group go to one node or none.
        #[serde(default, skip_serializing_if = "is_default")]
        keep_groups: bool,
        /// A plan that leaves something open is used too.
        #[serde(default, skip_serializing_if = "is_default")]
        partial: bool,
    },
    /// As few nodes as can be found; what cannot be had stays open.
    Fewest {},
}

impl Default for Assignment {
    fn default() -> Self {
        Assignment::Single {}
    }
}

/// What a rule does with its plan.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Gives the plan's nodes the work.
    Allocate {
        /// Time in which a node must accept.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        accept_within: Option<Span>,
        /// Time in which a node must have picked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pick_within: Option<Span>,
        /// What a deadline that lapses does.
        #[serde(default, skip_serializing_if = "is_default")]
        late: Late,
    },
    /// Offers the plan to nodes; the first claim has it.
    Offer {
        /// Round r goes to the first r × so many candidates; absent: to all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(range(min = 1, max = OFFERED))]
        nodes: Option<u16>,
        /// Rounds; absent: one, or one for each circle of `widen`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(range(min = 1, max = ROUNDS))]
        rounds: Option<u16>,
        /// Time that each round lasts; absent: it never expires.
        #[serde(default, alias = "ttl_s", skip_serializing_if = "Option::is_none")]
        ttl: Option<Span>,
        /// Kilometres of each round's circle, in place of `nodes`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[schemars(length(max = ROUNDS), inner(range(min = 0.001, max = 20015)))]
        widen: Vec<f64>,
        /// All or nothing: a decline may not name some of the lines.
        #[serde(default, skip_serializing_if = "is_default")]
        whole: bool,
        /// As of `allocate`, for what was claimed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        accept_within: Option<Span>,
        /// As of `allocate`, for what was claimed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pick_within: Option<Span>,
        /// As of `allocate`, for what was claimed.
        #[serde(default, skip_serializing_if = "is_default")]
        late: Late,
    },
    /// Goes on with the next rule.
    NextRule {},
    /// Sends what is open to other zones, one after the other.
    Forward {
        /// The zones; absent: the channel's fallback zones.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[schemars(length(max = FORWARDS), inner(length(min = 1, max = NAME_BYTES)))]
        zones: Vec<String>,
    },
    /// Promises beyond stock what is still open, in rank order, as much as each cell allows.
    Backorder {},
    /// Parks what is still open there; nothing behind it is done.
    Queue {
        /// Name of the queue.
        #[schemars(length(min = 1, max = NAME_BYTES))]
        name: String,
    },
    /// Cancels what is still open after so much time.
    AutoCancel {
        /// How long.
        after: Span,
    },
}

/// What happens to work whose deadline lapses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Late {
    /// It is taken back and routed again without this node, as a decline.
    #[default]
    Reroute,
    /// It stays; someone is asked to look.
    Escalate,
}
