//! Rule sets as the engine goes by them: which routing owns an order (`set.rs`), whom a rule may ask (`filter.rs`), in
//! which order (`sort.rs`), how what is open is spread over them (`plan.rs`), and what is done with it (`walk.rs`).

pub mod filter;
pub mod plan;
pub mod query;
pub mod set;
pub mod share;
pub mod sort;
pub mod walk;

use std::sync::Arc;

use router_schemas::{
    command::order::PinKind,
    event::Queue,
    quantity::Qty,
    rules::{self, Rule},
};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use self::{
    plan::{Pin, Wish},
    set::Ready,
};
use super::{
    Engine,
    choose::Demand,
    effects::Effects,
    nodes::Filters,
    order::Order,
    roster::Eligible,
    shelf::{BLOCK, bits},
    state::State,
    trace,
};

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

/// What a rule is asked: units of an order that are open.
pub struct Ask<'a> {
    pub state: &'a State,
    pub order: &'a Order,
    /// Summed by SKU.
    pub demands: &'a [Demand],
    /// The same by line.
    pub wishes: &'a [Wish],
    /// The node that the order prefers.
    pub preferred: Option<u32>,
    /// That one, and those that have some of the order.
    pub used: &'a [u32],
}

impl Ask<'_> {
    /// Squared chord from the node to the order's address, where both are known.
    pub fn chord2(&self, node: u32) -> Option<i64> {
        let place = self.state.nodes[node as usize].node.place;
        self.order.to.zip(place).map(|(a, b)| a.chord2(b))
    }
}

/// Whom a rule may ask, in no order of theirs. Stock is no filter.
pub fn candidates(ask: &Ask<'_>, eligible: Eligible<'_>, rule: &Rule) -> Vec<u32> {
    let mut nodes = Vec::new();
    if !rule.filters.iter().all(|f| filter::opens(ask, f)) {
        return nodes;
    }
    let filters = Filters::of_rule(ask.state, ask.order, rule.ignore_capacity);
    let most = (0..eligible.blocks()).map(|place| eligible.block(place).count_ones());
    nodes.reserve(most.sum::<u32>() as usize);
    let of_the_moment = || rule.filters.iter().filter(|f| !set::is_standing(&f.by));
    for place in 0..eligible.blocks() {
        let block = bits(eligible.block(place)).map(|bit| (place * BLOCK + bit) as u32);
        nodes.extend(block.filter(|node| {
            eligible.passes(&filters, *node) && of_the_moment().all(|f| filter::passes_now(ask, f, *node))
        }));
    }
    nodes
}

/// What these lines want, summed by SKU.
pub fn demands(
    state: &State,
    order: &Order,
    lines: impl Iterator<Item = (u16, Qty)>,
) -> SmallVec<[Demand; 8]> {
    let mut demands: SmallVec<[Demand; 8]> = SmallVec::new();
    for (line, qty) in lines {
        let sku = order.lines[usize::from(line)].sku;
        match demands.iter_mut().find(|d| d.sku == sku) {
            Some(demand) => demand.qty += qty,
            None => demands.push(Demand { sku, qty, most: state.bound(order, sku) }),
        }
    }
    demands
}

impl Engine {
    /// Goes on at a place of the waterfall with all that is open; from the first rule where the set was replaced.
    pub(super) fn resume(&mut self, order: &mut Order, spot: &Spot, effects: &mut Effects<'_>) {
        self.go_on(order, Some(spot), effects);
    }

    /// Walks the waterfall for all that is open and not pinned hard, from a place on. Returns the queue in which a
    /// rule parked what is left.
    pub(super) fn waterfall(
        &mut self,
        order: &mut Order,
        from: Option<&Spot>,
        effects: &mut Effects<'_>,
    ) -> Option<Queue> {
        let mut queue = None;
        for (preferred, mine) in groups(self, order) {
            let preferred = preferred.and_then(|name| self.index.nodes.get(&name).copied());
            queue = self.walk(order, &mine, preferred, from, effects).or(queue);
        }
        queue
    }

    /// Whom the rule may ask now for these lines, best first; `None`: the rule set was replaced.
    pub(super) fn ranked_at(
        &mut self,
        order: &Order,
        spot: &Spot,
        lines: &[(u16, Qty)],
        effects: &mut Effects<'_>,
    ) -> Option<Vec<u32>> {
        let set = self.set_at(order, spot)?.clone();
        let at = (usize::from(spot.routing), usize::from(spot.rule));
        let preferred = lines.first().and_then(|(line, _)| preference(order, usize::from(*line)));
        let preferred = preferred.and_then(|name| self.index.nodes.get(name).copied());
        Some(self.ranked_by(order, &set, at, preferred, lines, Some(effects)))
    }

    /// Whom a rule may ask for these lines, best first. `effects`: where to tell what was looked at.
    fn ranked_by(
        &mut self,
        order: &Order,
        set: &Arc<Ready>,
        at: (usize, usize),
        preferred: Option<u32>,
        lines: &[(u16, Qty)],
        effects: Option<&mut Effects<'_>>,
    ) -> Vec<u32> {
        let eligible = self.index.roster.eligible_for(&self.state, order, set, at);
        let rule = &set.set.routings[at.0].rules[at.1];
        let demands = demands(&self.state, order, lines.iter().copied());
        let mut used = order.open_nodes();
        used.extend(preferred);
        let ask = Ask { state: &self.state, order, demands: &demands, wishes: &[], preferred, used: &used };
        let ranked = sort::rank(&ask, rule, candidates(&ask, eligible, rule));
        if let Some(effects) = effects {
            effects.explain(order.id, || trace::look_by(&ask, rule, &ranked).of(&set.set, at));
        }
        ranked
    }

    /// Whether the node could give all of that to the order now: its pins, its stock, and what is held for others.
    /// `demands`: [`demands`] of these lines.
    pub(super) fn can_fill(
        &self,
        order: &Order,
        node: u32,
        lines: &[(u16, Qty)],
        demands: &[Demand],
    ) -> bool {
        lines.iter().all(|(line, _)| self.pin(order, usize::from(*line)).allows(node))
            && demands.iter().all(|d| d.fits(&self.state, node))
    }

    /// The rule at a place; `None`: the rule set was replaced.
    pub(super) fn rule_at(&self, order: &Order, spot: &Spot) -> Option<&Rule> {
        let set = &self.set_at(order, spot)?.set;
        set.routings.get(usize::from(spot.routing))?.rules.get(usize::from(spot.rule))
    }

    /// A reason to decline of the zone's rule set.
    pub(super) fn reason(&self, zone: &str, id: &str) -> Option<&rules::Reason> {
        self.index.rules.of_zone(zone).reason(id)
    }

    /// The order's rule set, where it is still the one of the place and the same routing owns the order.
    fn set_at(&self, order: &Order, spot: &Spot) -> Option<&Arc<Ready>> {
        let ready = self.index.rules.of_zone(&order.zone);
        let same = (ready.set.name == spot.set && ready.set.version == spot.version)
            && ready.routing_of(order) == Some(usize::from(spot.routing));
        Some(ready).filter(|_| same)
    }

    /// Where a line may be taken.
    fn pin(&self, order: &Order, line: usize) -> Pin {
        let here = |name: &String| Pin::At(self.index.nodes.get(name).copied());
        match order.pin_of(line) {
            Some((name, PinKind::Hard | PinKind::Only)) if !self.may_leave(order, name) => here(name),
            _ => Pin::Anywhere,
        }
    }
}

impl Engine {
    /// Whether the waterfall leaves the line alone: it is pinned hard, and may not leave a node that declined.
    pub(super) fn is_hard(&self, order: &Order, line: usize) -> bool {
        let Some((name, PinKind::Hard)) = order.pin_of(line) else { return false };
        !self.may_leave(order, name)
    }

    /// Whether lines that are pinned to the node may go elsewhere: it declined, and the channel allows it.
    fn may_leave(&self, order: &Order, name: &str) -> bool {
        let declined = || self.index.nodes.get(name).is_some_and(|node| order.declined.contains(node));
        self.may_leave_pin(order) && declined()
    }
}

/// The node that a line prefers: its own, else the order's.
fn preference(order: &Order, line: usize) -> Option<&str> {
    let prefers = |pin: &Option<(String, PinKind)>| pin.as_ref().is_some_and(|p| p.1 == PinKind::Prefer);
    let pin = [&order.lines[line].pin, &order.pin].into_iter().find(|pin| prefers(pin))?;
    pin.as_ref().map(|(name, _)| name.as_str())
}

/// A preferred node, and the lines that prefer it.
type Group = (Option<String>, SmallVec<[usize; 8]>);

/// The open lines that are planned together: those that prefer the same node; all lines of a group with its first.
/// Who prefers none comes last, so that the rest goes with what the others use.
fn groups(engine: &Engine, order: &Order) -> SmallVec<[Group; 1]> {
    let open = |i: &usize| order.lines[*i].open.is_positive() && !engine.is_hard(order, *i);
    let mut groups: SmallVec<[Group; 1]> = SmallVec::new();
    for line in (0..order.lines.len()).filter(open) {
        let of = order.lines[line].group.as_ref();
        let first = of.and_then(|of| {
            (0..line).filter(open).find(|other| order.lines[*other].group.as_ref() == Some(of))
        });
        let prefers = preference(order, first.unwrap_or(line));
        match groups.iter_mut().find(|(known, _)| known.as_deref() == prefers) {
            Some((_, lines)) => lines.push(line),
            None => groups.push((prefers.map(str::to_owned), SmallVec::from_slice(&[line]))),
        }
    }
    groups.sort_by(|(a, _), (b, _)| a.is_none().cmp(&b.is_none()).then_with(|| a.cmp(b)));
    groups
}
