//! What decides whether a node may be asked: the named filters of the default rule set, its day and its hours.

use super::{order::Order, state::State};

/// What the filters ask of an order, looked up once for all nodes.
pub struct Filters<'a> {
    state: &'a State,
    order: &'a Order,
    /// Groups that the channel is sold from; empty: all nodes.
    groups: &'a [String],
}

/// A filter: its name, and whether the node passes it.
pub type Filter = (&'static str, fn(&Filters<'_>, u32) -> bool);

/// Every filter that a node must pass. The choice and its explanation read this one list.
pub const FILTERS: [Filter; 7] = [
    ("known", |f, node| f.state.nodes[node as usize].known),
    ("enabled", |f, node| f.state.nodes[node as usize].node.enabled),
    ("zone", |f, node| f.state.nodes[node as usize].node.zone == f.order.zone),
    ("delivery_mode", |f, node| f.state.nodes[node as usize].node.modes.contains(&f.order.mode)),
    ("channel_group", |f, node| {
        let of_node = &f.state.nodes[node as usize].node.groups;
        f.groups.is_empty() || f.groups.iter().any(|group| of_node.contains(group))
    }),
    ("capacity_at_once", |f, node| has_room_at_once(f.state, f.order, node)),
    ("capacity_a_day", |f, node| has_room_today(f.state, f.order, node)),
];

impl<'a> Filters<'a> {
    /// The filters for an order.
    pub fn of(state: &'a State, order: &'a Order) -> Self {
        let groups = state.channels.get(&order.identity.channel).map_or(&[][..], |c| &c.groups);
        Self { state, order, groups }
    }

    /// Whether the node may be asked at all.
    pub fn pass(&self, node: u32) -> bool {
        FILTERS.iter().all(|(_, passes)| passes(self, node))
    }
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
