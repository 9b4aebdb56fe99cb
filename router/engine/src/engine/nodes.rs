//! What decides whether a node may be asked: the named filters of the default rule set, its day and its hours.

use super::{order::Order, state::State};

/// A filter: its name, and whether the node passes it for the order.
pub type Filter = (&'static str, fn(&State, &Order, u32) -> bool);

/// Every filter that a node must pass. The choice and its explanation read this one list.
pub const FILTERS: [Filter; 7] = [
    ("known", |state, _, node| state.nodes[node as usize].known),
    ("enabled", |state, _, node| state.nodes[node as usize].node.enabled),
    ("zone", |state, order, node| state.nodes[node as usize].node.zone == order.zone),
    ("delivery_mode", |state, order, node| state.nodes[node as usize].node.modes.contains(&order.mode)),
    ("channel_group", in_pool),
    ("capacity_at_once", has_room_at_once),
    ("capacity_a_day", has_room_today),
];

/// Whether the node may be asked at all for this order.
pub fn eligible(state: &State, order: &Order, node: u32) -> bool {
    FILTERS.iter().all(|(_, passes)| passes(state, order, node))
}

fn in_pool(state: &State, order: &Order, node: u32) -> bool {
    let groups = state.channels.get(&order.identity.channel).map(|c| &c.groups);
    groups
        .is_none_or(|g| g.is_empty() || g.iter().any(|g| state.nodes[node as usize].node.groups.contains(g)))
}

fn has_room_at_once(state: &State, order: &Order, node: u32) -> bool {
    let place = &state.nodes[node as usize];
    let full = place.node.capacity_at_once.is_some_and(|c| place.orders.len() >= c as usize);
    !full || place.orders.contains_key(&order.loss_key())
}

fn has_room_today(state: &State, order: &Order, node: u32) -> bool {
    !is_full_today(state, node) || state.nodes[node as usize].orders.contains_key(&order.loss_key())
}

/// Whether the node has all the orders that it takes a day.
pub fn is_full_today(state: &State, node: u32) -> bool {
    let place = &state.nodes[node as usize];
    let Some(most) = place.node.capacity_a_day else { return false };
    let assigned = if midnight(state, node) == place.day { place.assigned } else { 0 };
    assigned >= most
}

/// The last local midnight of the node, ms; UTC's where it has no calendar, or none that reaches so far.
pub fn midnight(state: &State, node: u32) -> i64 {
    let now = state.clock.engine;
    let calendar = state.nodes[node as usize].node.calendar.as_ref();
    let local =
        calendar.and_then(|c| c.midnights[..c.midnights.partition_point(|m| *m <= now)].last().copied());
    local.unwrap_or(now - now.rem_euclid(86_400_000))
}

/// Whether the node is open now.
pub fn is_open(state: &State, node: u32) -> bool {
    let Some(calendar) = &state.nodes[node as usize].node.calendar else { return true };
    let next = calendar.open.partition_point(|(_, to)| *to <= state.clock.engine);
    calendar.open.get(next).is_none_or(|(from, _)| *from <= state.clock.engine)
}

/// When the node opens next, ms; `None`: it is open, or its calendar says nothing.
pub fn next_opening(state: &State, node: u32) -> Option<i64> {
    let calendar = state.nodes[node as usize].node.calendar.as_ref()?;
    let next = calendar.open.partition_point(|(_, to)| *to <= state.clock.engine);
    calendar.open.get(next).map(|(from, _)| *from).filter(|from| *from > state.clock.engine)
}

/// Where the node has all its orders of the day: sees to it that who waits is looked at when the next begins.
pub fn note_full_day(state: &mut State, node: u32) {
    if is_full_today(state, node) {
        let now = state.clock.engine;
        let calendar = state.nodes[node as usize].node.calendar.as_ref();
        let local =
            calendar.and_then(|c| c.midnights.get(c.midnights.partition_point(|m| *m <= now)).copied());
        let next = local.unwrap_or(now - now.rem_euclid(86_400_000) + 86_400_000);
        state.days.insert((next, node));
    }
}
