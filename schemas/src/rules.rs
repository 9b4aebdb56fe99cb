//! Rule sets: who may be asked for an order, in which order, how units are spread, and what is done.
//!
//! `RuleSet(version) → Routing[] {filter, sort, route_when} → Rule[] {filters, sorts, assignment, actions}`. The first
//! routing that matches owns the order; its rules are a waterfall for what is still open. What no rule takes is
//! parked in the queue `unfillable`. A published version never changes; every decision names the one it was made by.
//!
//! This is the form in the log: radii are squared chords (`geo`), times milliseconds. The document that people write
//! is read by the program `router` (`router rules lint`).

use serde::{Deserialize, Serialize};

use crate::{
    command::{order::DeliveryMode, reference::RouteWhen},
    quantity::Qty,
};

/// A rule set, as published for some zones.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct RuleSet {
    /// Its name.
    pub name: String,
    /// Number of the version within its name, from 1; 0 as asked, then CONTROL gives the next one.
    pub version: u32,
    /// The zones that go by it from now on; empty: all that have none of their own.
    pub zones: Vec<String>,
    /// The first that matches owns an order.
    pub routings: Vec<Routing>,
    /// Why a node may decline, and what follows.
    pub reasons: Vec<Reason>,
    /// When orders that wait are looked at again.
    pub retry: Retry,
}

/// When orders that wait are looked at again. A rise of the ATP of a SKU that they wait for always counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Retry {
    /// And when a node has room again, opens or changes, when unpinned holds or offers of others end, when rules or
    /// reference material change.
    #[default]
    AnyChange,
    /// Then only.
    Stock,
}

/// A routing: for which orders, and the waterfall for them.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Routing {
    /// Its name, unique in its set.
    pub id: String,
    /// Which orders it owns.
    pub filter: OrderFilter,
    /// How orders of it that wait are served, before priority, promise and arrival.
    pub sort: Vec<OrderSort>,
    /// What the payment must be; absent: as the channel says.
    pub route_when: Option<RouteWhen>,
    /// Tried in their order, for what is still open.
    pub rules: Vec<Rule>,
}

/// Which orders a routing owns: all that is given must hold.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct OrderFilter {
    /// One of these channels; empty: any.
    pub channels: Vec<String>,
    /// One of these modes; empty: any.
    pub modes: Vec<DeliveryMode>,
    /// Priority at least and at most.
    pub priority: Option<(u8, u8)>,
    /// Total of the order at least and at most, minor units.
    pub total: Option<(i64, i64)>,
    /// Parts of orders whose home is another zone: only them, or never them; absent: both.
    pub parts: Option<bool>,
}

/// How waiting orders are served.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum OrderSort {
    /// Priority, 0 first.
    Priority,
    /// End of the promise, earliest first; none last.
    Promise,
    /// Total, largest first.
    Value,
    /// Arrival.
    Arrival,
}

/// One rule of a waterfall.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Rule {
    /// Its name, unique in its set.
    pub id: String,
    /// All must let a node pass.
    pub filters: Vec<Filter>,
    /// Lexicographic: the first that does not tie decides; then the default node, then the id by bytes.
    pub sorts: Vec<Sort>,
    /// How open units are spread over the ranked nodes.
    pub assignment: Assignment,
    /// A full node may be asked all the same.
    pub ignore_capacity: bool,
    /// In their order.
    pub actions: Vec<Action>,
}

/// A filter of nodes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Filter {
    /// True: who would pass does not.
    pub exclude: bool,
    /// What is asked.
    pub by: FilterBy,
}

/// What a filter asks of a node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum FilterBy {
    /// In one of these groups.
    Group(Vec<String>),
    /// Within this distance of the order's address; where a place is not known: no.
    Radius {
        /// For people.
        metres: u32,
        /// The radius as squared chord.
        chord2: i64,
    },
    /// The zone that runs the rule is one of these: else the rule has no candidates.
    Zone(Vec<String>),
    /// Serves this mode, whatever the order's own; the order's own is always asked for.
    Mode(DeliveryMode),
    /// Open now.
    Open,
    /// Of each open SKU that it has, at least so much, and of one at least.
    Minimum(Qty),
    /// The attribute is this text, or its list has it.
    Attribute(String, String),
    /// All that is open is available at the channel's nodes together: else the rule has no candidates.
    AllItems,
    /// The order's address lies within the node's own delivery area; a node without one: yes.
    Area,
}

/// A sort of nodes. One that has no value for a node abstains: the node ranks after those with a value.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Sort {
    /// The node's own number, smaller first.
    Sequence,
    /// Nearer first, or farther.
    Distance {
        /// Farther first.
        farther: bool,
    },
    /// More of the order's SKUs covered whole first.
    Coverage,
    /// The zone's default node first.
    DefaultFirst,
    /// The node that the order prefers first.
    Preferred,
    /// Open ones first.
    OpenFirst,
    /// More stock of the order's SKUs first.
    InventoryBalance(Balance),
    /// More weeks of sales on hand first: the smallest of the order's SKUs.
    WeeksOfSupply,
    /// More room for orders first; without limit first of all.
    CapacityLeft,
    /// Fewer declines for each offer first.
    DeclineRate,
    /// Faster to claim first.
    TimeToClaim,
    /// Faster to ship first.
    TimeToShip,
    /// Cheaper by this fee table first.
    Cost(String),
    /// By the bytes of an attribute.
    Attribute {
        /// Name of the attribute.
        name: String,
        /// Larger first.
        descending: bool,
    },
    /// By a table: node, number; smaller first. Ascending by node.
    RankTable(Vec<(String, i64)>),
    /// A node that the order prefers, or that has some of it already, first: fewer shipments.
    Used,
}

/// Which number of the cells a balance sums.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Balance {
    /// On-hand.
    OnHand,
    /// On-hand less allocated; holds are not subtracted.
    Unallocated,
    /// ATP.
    Atp,
}

/// How open units are spread.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Assignment {
    /// The first node whose ATP covers all.
    #[default]
    Single,
    /// Greedy by rank.
    Multi(Multi),
    /// As few nodes as can be found: a pair, else greedily who covers most lines, then most units, then rank; what
    /// cannot be had stays open.
    Fewest,
}

/// A greedy plan by rank.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Multi {
    /// Most nodes of a plan.
    pub max_splits: Option<u16>,
    /// Minor units that every shipment of a split or partial plan, and what is left open, must be worth.
    pub min_shipment_value: Option<i64>,
    /// Lines of one group go to one node or none.
    pub keep_groups: bool,
    /// A plan that leaves something open is used too.
    pub partial: bool,
}

/// What a rule does with its plan.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Action {
    /// Gives the plan's nodes the work.
    Allocate {
        /// Service time in which a node must accept, ms.
        accept_within: Option<i64>,
        /// Service time in which a node must have picked, ms.
        pick_within: Option<i64>,
        /// What a deadline that lapses does.
        late: Late,
    },
    /// Offers the plan to nodes; the first claim has it.
    Offer(Offer),
    /// Goes on with the next rule.
    NextRule,
    /// Sends what is open to these zones, one after the other; empty: the channel's fallback zones.
    Forward(Vec<String>),
    /// Promises beyond stock what is still open, in rank order, as much as each cell allows.
    Backorder,
    /// Parks what is still open there.
    Queue(String),
    /// Cancels what is still open after so much service time, ms.
    AutoCancel(i64),
}

/// What happens to allocated work whose deadline lapses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Late {
    /// It is taken back and routed again without this node, as a decline.
    #[default]
    Reroute,
    /// It stays; an exception asks for someone to look.
    Escalate,
}

/// An offer to nodes.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Offer {
    /// Round r goes to the first r × so many candidates; absent: to all.
    pub nodes: Option<u16>,
    /// Rounds, from 1.
    pub rounds: u16,
    /// Service time that each round lasts, ms; absent: it never expires.
    pub ttl: Option<i64>,
    /// Squared chord of each round's circle, in place of `nodes`: round r goes to candidates within the r-th.
    pub widen: Vec<i64>,
    /// All or nothing: a decline may not name some of the lines.
    pub whole: bool,
    /// As of an allocation, for what was claimed.
    pub accept_within: Option<i64>,
    /// As of an allocation, for what was claimed.
    pub pick_within: Option<i64>,
    /// As of an allocation, for what was claimed.
    pub late: Late,
}

/// Why a node may decline.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Reason {
    /// Its name.
    pub id: String,
    /// What it does to the node's stock of the declined SKUs, once the node's own allocation is given back.
    pub effect: StockEffect,
    /// The node gets no offers for so long, ms of service time.
    pub cool_down: Option<i64>,
    /// The node is paused until someone resumes it.
    pub pause: bool,
}

/// What a decline does to the node's stock.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum StockEffect {
    /// Nothing.
    #[default]
    None,
    /// The declined quantity leaves on-hand.
    Subtract,
    /// The declined quantity is blocked: it leaves ATP only.
    SubtractAtp,
    /// On-hand is zero.
    Zero,
}
