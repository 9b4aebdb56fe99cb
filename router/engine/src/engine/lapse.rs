//! What lapses in service time: judged by the records' own time, fired by ticks and continues only.

use router_schemas::id::OrderId;
use serde::{Deserialize, Serialize};

use super::{Engine, effects::Effects, time::due};

/// What lapses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Lapse {
    /// What is held for an order.
    Hold(OrderId),
    /// Rounds of the order's offers.
    Offer(OrderId),
    /// Deadlines of the order's work at nodes.
    Work(OrderId),
    /// The order's wait, where a rule ends it.
    Wait(OrderId),
    /// What is remembered of a part that was cancelled before it came: home's order, part, attempt.
    Stray(OrderId, u32, u32),
    /// A node's cool-down.
    CoolDown(u32),
}

impl Engine {
    /// Whether anything has lapsed that nobody worked off.
    pub(super) fn is_lapse_due(&self) -> bool {
        let now = self.state.clock.service();
        due(&self.state.deadlines, now).is_some()
    }

    /// Works off the first of what has lapsed. False: nothing has.
    pub(super) fn fire_lapse(&mut self, effects: &mut Effects<'_>) -> bool {
        let mut now = self.state.clock.service();
        if fault!(OfferLapsesEarly) {
            now += 20_000;
        }
        if fault!(WorkLateEarly) {
            now += 20_000;
        }
        if fault!(LapsesNever) {
            return false;
        }
        let Some((at, lapse)) = due(&self.state.deadlines, now) else {
            return false;
        };
        self.state.deadlines.remove(&(at, lapse));
        effects.begin_item();
        match lapse {
            Lapse::Stray(order, part, attempt) => _ = self.state.strays.remove(&(order, part, attempt)),
            Lapse::Work(order) => self.lapse_work(order, effects),
            Lapse::Wait(order) => self.lapse_wait(order, effects),
            Lapse::CoolDown(node) => self.lapse_cool_down(node, effects),
            Lapse::Hold(order) => self.lapse_hold(order, effects),
            Lapse::Offer(order) => self.lapse_offers(order, effects),
        }
        effects.end_item(&self.state);
        true
    }
}
