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

/// Whether the node gets nothing new: paused, or cooling down after a decline.
pub fn is_resting(state: &State, node: u32) -> bool {
    let held = &state.nodes[node as usize];
    held.paused || held.cool_until.is_some_and(|until| until > state.clock.service())
}

impl Engine {
    /// What is held for the order in advance is given back, before it is routed.
    pub(super) fn take_over_hold(&mut self, _order: &mut Order, _effects: &mut Effects<'_>) {}

    /// Sends what is open to other zones; none named: the channel's fallback zones. True: something went.
    pub(super) fn forward(
        &mut self,
        _order: &mut Order,
        _zones: &[String],
        _effects: &mut Effects<'_>,
    ) -> bool {
        false
    }

    /// The node has to keep deadlines from now on.
    pub(super) fn start_work(&mut self, _order: &mut Order, _node: u32, _terms: &Terms) {}

    /// What stays open is cancelled after so much service time, ms.
    pub(super) fn auto_cancel(&mut self, _order: &mut Order, _after: i64) {}
}
