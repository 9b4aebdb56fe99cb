//! What decides whether a node may be asked: the named filters of the default rule set, its day and its hours.

use router_schemas::command::order::DeliveryMode;

use super::{
    order::{LossKey, Order},
    state::State,
};

/// What the filters ask of an order, looked up once for all nodes.
pub struct Filters<'a> {
    state: &'a State,
    zone: &'a str,
    mode: DeliveryMode,
    /// Groups that the channel is sold from; empty: all nodes.
    groups: &'a [String],
    /// The order among those of a node.
    key: LossKey,
    /// Nodes that declined the order.
    declined: &'a [u32],
    /// Full nodes pass.
    ignore_capacity: bool,
}

/// A filter that a node must pass.
pub struct Filter {
    pub name: &'static str,
    /// Its verdict changes with nodes and channels only: it is kept (`roster.rs`).
    pub standing: bool,
    pub passes: fn(&Filters<'_>, u32) -> bool,
}

const fn standing(name: &'static str, passes: fn(&Filters<'_>, u32) -> bool) -> Filter {
    Filter { name, standing: true, passes }
}

const fn of_the_moment(name: &'static str, passes: fn(&Filters<'_>, u32) -> bool) -> Filter {
    Filter { name, standing: false, passes }
}

/// Every filter that a node must pass, whatever a rule says. The choice and its explanation read this one list. Those
/// of the moment pass every node that has no capacity, does not rest and did not decline.
pub const FILTERS: [Filter; 9] = [
    standing("known", |f, node| f.state.nodes[node as usize].known),
    standing("enabled", |f, node| f.state.nodes[node as usize].node.enabled),
    standing("zone", |f, node| f.state.nodes[node as usize].node.zone == f.zone),
    standing("delivery_mode", |f, node| f.state.nodes[node as usize].node.serves(f.mode)),
    standing("channel_group", |f, node| {
        let of_node = &f.state.nodes[node as usize].node.groups;
        f.groups.is_empty() || f.groups.iter().any(|group| of_node.contains(group))
    }),
    of_the_moment("capacity_at_once", |f, node| f.ignore_capacity || has_room_at_once(f.state, &f.key, node)),
    of_the_moment("capacity_a_day", |f, node| f.ignore_capacity || has_room_today(f.state, &f.key, node)),
    of_the_moment("resting", |f, node| !is_resting(f.state, node)),
    of_the_moment("declined", |f, node| !f.declined().contains(&node)),
];

impl<'a> Filters<'a> {
    /// The filters for an order.
    pub fn of(state: &'a State, order: &'a Order) -> Self {
        let key = order.loss_key();
        let standing = Self::standing(state, &order.zone, order.mode, &order.identity.channel);
        Self { key, declined: &order.declined, ..standing }
    }

    /// The same, for a rule that asks full nodes too where `ignore_capacity`.
    pub fn of_rule(state: &'a State, order: &'a Order, ignore_capacity: bool) -> Self {
        Self { ignore_capacity, ..Self::of(state, order) }
    }

    /// The filters for all orders of a kind: good for those that are [`Filter::standing`].
    pub fn standing(state: &'a State, zone: &'a str, mode: DeliveryMode, channel: &str) -> Self {
        let groups = state.channels.get(channel).map_or(&[][..], |c| &c.groups);
        let key = LossKey::default();
        Self { state, zone, mode, groups, key, declined: &[], ignore_capacity: false }
    }

    /// Whether the node passes the standing filters.
    pub fn pass_standing(&self, node: u32) -> bool {
        FILTERS.iter().filter(|f| f.standing).all(|f| (f.passes)(self, node))
    }

    /// Whether the node is one of the channel's in the zone, whatever way it delivers.
    pub fn of_pool(&self, node: u32) -> bool {
        let is_mode = |f: &&Filter| f.name == "delivery_mode";
        FILTERS.iter().filter(|f| f.standing && !is_mode(f)).all(|f| (f.passes)(self, node))
    }

    /// Nodes that declined the order.
    pub fn declined(&self) -> &'a [u32] {
        if fault!(AskWhoDeclined) { &[] } else { self.declined }
    }

    /// Whether the node passes the filters of the moment.
    pub fn pass_now(&self, node: u32) -> bool {
        FILTERS.iter().filter(|f| !f.standing).all(|f| (f.passes)(self, node))
    }
}

/// Orders assigned to the node since its local midnight.
pub fn assigned(state: &State, node: u32) -> u32 {
    let place = &state.nodes[node as usize];
    if midnight(state, node) == place.day { place.assigned } else { 0 }
}

/// Whether the node may take the order, as far as its capacity goes.
pub fn has_room(state: &State, order: &Order, node: u32) -> bool {
    let key = order.loss_key();
    has_room_at_once(state, &key, node) && has_room_today(state, &key, node)
}

fn has_room_at_once(state: &State, key: &LossKey, node: u32) -> bool {
    let place = &state.nodes[node as usize];
    let full = place.node.capacity_at_once.is_some_and(|c| place.orders.len() >= c as usize);
    !full || place.orders.contains_key(key)
}

fn has_room_today(state: &State, key: &LossKey, node: u32) -> bool {
    !is_full_today(state, node) || state.nodes[node as usize].orders.contains_key(key)
}

/// Whether the node has all the orders that it takes a day.
pub fn is_full_today(state: &State, node: u32) -> bool {
    let place = &state.nodes[node as usize];
    let Some(most) = place.node.capacity_a_day else { return false };
    assigned(state, node) >= most
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

/// Whether the node gets nothing new: paused, evacuated, or cooling down after a decline.
pub fn is_resting(state: &State, node: u32) -> bool {
    !state.nodes[node as usize].takes_part()
}
