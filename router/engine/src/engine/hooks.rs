//! Steps of a rule that other pieces do, and what they are asked for.

use router_schemas::rules::Late;

use super::{Engine, effects::Effects, order::Order, state::State};

/// What is asked of a node that gets work.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terms {
    /// Service time in which it must accept, ms.
    pub accept_within: Option<i64>,
    /// Service time in which it must have picked, ms.
    pub pick_within: Option<i64>,
    /// What happens when it is late.
    pub late: Late,
}

/// Whether the node gets nothing new: paused, evacuated, or cooling down after a decline.
pub fn is_resting(state: &State, node: u32) -> bool {
    !state.nodes[node as usize].takes_part()
}

impl Engine {
    /// Sends what is open to other zones; none named: the channel's fallback zones. True: something went.
    pub(super) fn forward(
        &mut self,
        _order: &mut Order,
        _zones: &[String],
        _effects: &mut Effects<'_>,
    ) -> bool {
        false
    }
}
