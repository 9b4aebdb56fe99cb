//! Rule sets as the engine goes by them: which routing owns an order, whom a rule may ask, in which order, and how
//! what is open is spread over them.

use router_schemas::{quantity::Qty, rules};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::{Engine, effects::Effects, order::Order};

/// A place in a rule set: where a walk through a waterfall goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spot {
    /// Name of the set.
    pub set: String,
    /// Its version.
    pub version: u32,
    /// Place of the routing in the set.
    pub routing: u16,
    /// Place of the rule in the routing.
    pub rule: u16,
    /// Place of the action that comes next.
    pub action: u16,
}

/// Lines, and how much of each.
pub type Part = SmallVec<[(u16, Qty); 4]>;

/// What a rule offers to nodes.
pub struct Asked<'a> {
    /// Where the walk goes on when the offers have ended without a winner.
    pub behind: Spot,
    pub offer: &'a rules::Offer,
    /// Each is an offer of its own: the parts of a plan, best node first, else all that is open.
    pub parts: Vec<Part>,
    /// Whom the rule may ask, best first. Stock is no filter.
    pub ranked: &'a [u32],
}

impl Engine {
    /// Goes on at a place of the waterfall with all that is open; from the first rule where the set was replaced.
    pub(super) fn resume(&mut self, order: &mut Order, _spot: &Spot, effects: &mut Effects<'_>) {
        self.route(order, effects);
    }

    /// Whom the rule may ask now for these lines, best first; `None`: the rule set was replaced.
    pub(super) fn ranked_at(
        &mut self,
        _order: &Order,
        _spot: &Spot,
        _lines: &[(u16, Qty)],
    ) -> Option<Vec<u32>> {
        None
    }

    /// Whether the node has all of that, for this order.
    pub(super) fn can_fill(&self, _order: &Order, _node: u32, _lines: &[(u16, Qty)]) -> bool {
        false
    }

    /// The rule at a place; `None`: the rule set was replaced.
    pub(super) fn rule_at(&self, _order: &Order, _spot: &Spot) -> Option<&rules::Rule> {
        None
    }

    /// A reason to decline of the zone's rule set.
    pub(super) fn reason(&self, _zone: &str, _id: &str) -> Option<&rules::Reason> {
        None
    }
}
