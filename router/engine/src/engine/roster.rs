//! Which nodes may be asked, as far as only reference material decides: kept for each zone, channel and delivery
//! mode as one bit a node, and made from the same list of filters that explains a choice.

use std::{collections::BTreeMap, sync::Arc};

use router_schemas::{command::order::DeliveryMode, geo::UnitVector, rules::Rule};

use super::{
    nodes::{Filters, is_resting},
    order::Order,
    rules::{
        filter,
        set::{Ready, standing},
    },
    shelf::{BLOCK, bits},
    state::State,
};

/// What choices ask of nodes, side by side. Rebuilt, never written.
#[derive(Debug, Default)]
pub struct Roster {
    zones: BTreeMap<String, Vec<Listed>>,
    spots: Vec<Spot>,
    /// Nodes that have a capacity or rest, one bit each: these are asked again for each order.
    limited: Vec<u64>,
}

/// The nodes that pass the standing filters.
#[derive(Debug)]
struct Listed {
    /// Empty for a channel that is not known.
    channel: String,
    mode: DeliveryMode,
    /// One bit a node.
    nodes: Vec<u64>,
    /// Of those, who passes the standing filters of a rule.
    rules: Vec<Asked>,
}

/// The nodes that pass the standing filters of a rule.
#[derive(Debug)]
struct Asked {
    set: Arc<Ready>,
    routing: usize,
    rule: usize,
    /// One bit a node.
    nodes: Vec<u64>,
}

/// What a node is ranked by.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spot {
    pub place: Option<UnitVector>,
    /// It has opening hours.
    pub hours: bool,
    /// The zone's default node.
    pub default: bool,
}

/// What a choice for one order goes by.
#[derive(Clone, Copy)]
pub struct Eligible<'a> {
    nodes: &'a [u64],
    limited: &'a [u64],
    pub spots: &'a [Spot],
}

impl Roster {
    /// The roster of a state that was read.
    pub fn of(state: &State) -> Self {
        let mut roster = Self::default();
        (0..state.nodes.len() as u32).for_each(|node| roster.note_node(state, node));
        roster
    }

    /// A node was published.
    pub fn note_node(&mut self, state: &State, node: u32) {
        let (held, at) = (&state.nodes[node as usize].node, node as usize);
        if self.spots.len() < state.nodes.len() {
            self.spots.resize(state.nodes.len(), Spot::default());
        }
        self.spots[at] = Spot { place: held.place, hours: held.calendar.is_some(), default: held.default };
        let limited = held.capacity_at_once.is_some() || held.capacity_a_day.is_some();
        set_bit(&mut self.limited, at, limited || is_resting(state, node));
        for (zone, listed) in &mut self.zones {
            for list in listed {
                let filters = Filters::standing(state, zone, list.mode, &list.channel);
                let passes = filters.pass_standing(node);
                set_bit(&mut list.nodes, at, passes);
                for asked in &mut list.rules {
                    let rule = &asked.set.set.routings[asked.routing].rules[asked.rule];
                    set_bit(&mut asked.nodes, at, passes && stand(state, rule, node));
                }
            }
        }
    }

    /// Rule sets were published.
    pub fn note_rules(&mut self) {
        self.zones.values_mut().flatten().for_each(|list| list.rules.clear());
    }

    /// A channel was published.
    pub fn note_channel(&mut self) {
        self.zones.clear();
    }

    /// What choices for this order go by, whatever a rule says.
    pub fn eligible(&mut self, state: &State, order: &Order) -> Eligible<'_> {
        let listed = listed(&mut self.zones, state, order);
        Eligible { nodes: &listed.nodes, limited: &self.limited, spots: &self.spots }
    }

    /// What the choice of a rule for this order goes by.
    pub fn eligible_for(
        &mut self,
        state: &State,
        order: &Order,
        set: &Arc<Ready>,
        (routing, rule): (usize, usize),
    ) -> Eligible<'_> {
        if !set.rules[routing][rule].standing {
            return self.eligible(state, order);
        }
        let listed = listed(&mut self.zones, state, order);
        let is = |a: &Asked| (a.routing, a.rule) == (routing, rule) && Arc::ptr_eq(&a.set, set);
        let place = listed.rules.iter().position(is).unwrap_or_else(|| {
            let asked = &set.set.routings[routing].rules[rule];
            let mut nodes = Vec::new();
            for (place, word) in listed.nodes.iter().enumerate() {
                for bit in bits(*word) {
                    let node = place * BLOCK + bit;
                    set_bit(&mut nodes, node, stand(state, asked, node as u32));
                }
            }
            listed.rules.push(Asked { set: set.clone(), routing, rule, nodes });
            listed.rules.len() - 1
        });
        Eligible { nodes: &listed.rules[place].nodes, limited: &self.limited, spots: &self.spots }
    }
}

/// The nodes for orders of this kind.
fn listed<'a>(zones: &'a mut BTreeMap<String, Vec<Listed>>, state: &State, order: &Order) -> &'a mut Listed {
    let channel = match state.channels.contains_key(&order.identity.channel) {
        true => order.identity.channel.as_str(),
        false => "",
    };
    if !zones.contains_key(&order.zone) {
        zones.insert(order.zone.clone(), Vec::new());
    }
    let listed = zones.get_mut(&order.zone).expect("it was put there");
    let is = |l: &Listed| l.mode == order.mode && l.channel == channel;
    let place = listed.iter().position(is).unwrap_or_else(|| {
        listed.push(list(state, order, channel));
        listed.len() - 1
    });
    &mut listed[place]
}

/// Whether the node passes the standing filters of a rule.
fn stand(state: &State, rule: &Rule, node: u32) -> bool {
    standing(rule).all(|filter| filter::stands(state, filter, node))
}

impl Eligible<'_> {
    /// The nodes of a block that pass the standing filters, one bit each.
    pub fn block(&self, place: usize) -> u64 {
        self.nodes.get(place).copied().unwrap_or(0)
    }

    /// Those nodes of a block that have a capacity or rest.
    pub fn limited(&self, place: usize) -> u64 {
        self.limited.get(place).copied().unwrap_or(0)
    }

    /// Places of the blocks that have any node to ask.
    pub fn blocks(&self) -> usize {
        self.nodes.len()
    }

    /// Whether the node passes every filter.
    pub fn passes(&self, filters: &Filters<'_>, node: u32) -> bool {
        let (place, bit) = (node as usize / BLOCK, node as usize % BLOCK);
        let is = |word: u64| word >> bit & 1 == 1;
        is(self.block(place))
            && (!is(self.limited(place)) || filters.pass_now(node))
            && !filters.declined().contains(&node)
    }
}

fn list(state: &State, order: &Order, channel: &str) -> Listed {
    let filters = Filters::standing(state, &order.zone, order.mode, channel);
    let mut nodes = Vec::new();
    for node in 0..state.nodes.len() {
        if filters.pass_standing(node as u32) {
            set_bit(&mut nodes, node, true);
        }
    }
    Listed { channel: channel.to_owned(), mode: order.mode, nodes, rules: Vec::new() }
}

fn set_bit(words: &mut Vec<u64>, at: usize, to: bool) {
    let (place, bit) = (at / BLOCK, at % BLOCK);
    if words.len() <= place {
        words.resize(place + 1, 0);
    }
    words[place] = words[place] & !(1 << bit) | u64::from(to) << bit;
}
