//! What is asked of a system under test. The runner and every check know only this.
//!
//! An adapter to the engine implements [`Subject`]: it turns nodes, rules and steps into the engine's commands, feeds
//! them one after the other, and reads the answers and the rows.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    expect::{Outcome, Reason},
    format::{Amount, Quantity, Scenario},
    step::Step,
};

/// A system that scenarios are run against.
pub trait Subject {
    /// Starts empty, and loads the nodes, channels and rules. An error says what cannot be loaded.
    fn load(&mut self, scenario: &Scenario) -> Result<(), String>;
    /// Does one step, with everything that follows from it (retries, lapses). An error says what cannot be done at all; a
    /// refusal is no error.
    fn apply(&mut self, step: &Step) -> Result<Done, String>;
    /// The state now.
    fn snapshot(&mut self) -> Result<Snapshot, String>;
}

/// How a step ended.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Done {
    /// Done or refused. Of a `place` with `count`: refused if one was.
    pub outcome: Outcome,
    /// Why it was refused.
    pub reason: Option<Reason>,
    /// Units of holds and allocations that the step itself gave back, by SKU. Zeros may be left out.
    pub released: BTreeMap<String, Amount>,
    /// The answer of a query, best first.
    pub ranked: Vec<Ranked>,
}

/// A candidate.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Ranked {
    /// Name of the node.
    pub node: String,
    /// Word of the sort → its value in thousandths, rounded down: kilometres, weeks, declines an offer, or the number
    /// itself. Left out where the sort abstains or has no number.
    pub values: BTreeMap<&'static str, Amount>,
}

/// The state, as far as scenarios ask for it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Snapshot {
    /// Units of the scenario's orders that are allocated or backordered, neither shipped nor cancelled.
    pub allocations: Vec<Allocation>,
    /// Order → units neither shipped nor cancelled nor allocated from on hand: open, offered, backordered. Orders without
    /// may be left out.
    pub short: BTreeMap<String, Amount>,
    /// Node, SKU → cell, disabled nodes too.
    pub cells: BTreeMap<(String, String), CellNow>,
    /// Live holds; an open offer is an unpinned one.
    pub holds: Vec<HoldNow>,
    /// Channel, SKU → ATS. What is left out is 0.
    pub ats: BTreeMap<(String, String), Quantity>,
    /// Node → orders of which it has an open offer.
    pub offered: BTreeMap<String, BTreeSet<String>>,
    /// Nodes that have claimed an order and not given it back.
    pub winners: BTreeSet<String>,
    /// Claims accepted in the whole scenario, repeats not counted.
    pub claims_ok: u64,
    /// Node → orders of which it has shipped anything.
    pub completed: BTreeMap<String, BTreeSet<String>>,
    /// Rule → number of orders that it ever allocated anything to.
    pub orders_by_rule: BTreeMap<String, u64>,
    /// Queue → orders parked there with nothing allocated.
    pub queued: BTreeMap<String, u64>,
}

/// Open units of an order at a node.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Allocation {
    pub order: String,
    pub node: String,
    pub sku: String,
    pub on_hand: Amount,
    pub backorder: Amount,
}

/// A cell.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct CellNow {
    /// Units there.
    pub on_hand: Amount,
    /// On hand and backordered, and what the cell began with.
    pub allocated: Amount,
    /// ATP; `Unlimited` where stock is not kept.
    pub atp: Quantity,
}

/// A hold.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct HoldNow {
    pub order: String,
    /// Absent: not pinned.
    pub node: Option<String>,
    pub sku: String,
    pub qty: Amount,
}
