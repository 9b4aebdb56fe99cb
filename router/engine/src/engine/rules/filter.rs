//! What a rule's filters ask. Those of reference material are kept as bits (`roster.rs`), the rest is asked for each
//! order.

use router_schemas::{
    quantity::Qty,
    rules::{Filter, FilterBy},
};

use super::Ask;
use crate::engine::{
    nodes::{self, Filters},
    order::Order,
    state::State,
};

/// The filter's name, as rules write it.
pub fn name(by: &FilterBy) -> &'static str {
    match by {
        FilterBy::Group(_) => "group",
        FilterBy::Radius { .. } => "radius",
        FilterBy::Zone(_) => "zone_of_rule",
        FilterBy::Mode(_) => "mode",
        FilterBy::Open => "open",
        FilterBy::Minimum(_) => "minimum",
        FilterBy::Attribute(..) => "attribute",
        FilterBy::AllItems => "all_items",
        FilterBy::Area => "area",
    }
}

/// Whether the node passes a standing filter.
pub fn stands(state: &State, filter: &Filter, node: u32) -> bool {
    let node = &state.nodes[node as usize].node;
    let passes = match &filter.by {
        FilterBy::Group(groups) => groups.iter().any(|group| node.groups.contains(group)),
        FilterBy::Mode(mode) => node.modes.contains(mode),
        FilterBy::Attribute(name, value) => {
            node.attributes.iter().any(|(known, values)| known == name && values.contains(value))
        }
        _ => return true,
    };
    passes != filter.exclude
}

/// Whether the rule has any candidates at all for what is asked: filters that no node changes.
pub fn opens(ask: &Ask<'_>, filter: &Filter) -> bool {
    let passes = match &filter.by {
        FilterBy::Zone(zones) => zones.contains(&ask.order.zone),
        FilterBy::AllItems => all_items(ask),
        _ => return true,
    };
    passes != filter.exclude
}

/// Whether the node passes a filter of the moment.
pub fn passes_now(ask: &Ask<'_>, filter: &Filter, node: u32) -> bool {
    let passes = match &filter.by {
        FilterBy::Radius { chord2, .. } => ask.chord2(node).is_some_and(|chord| chord <= *chord2),
        FilterBy::Open => nodes::is_open(ask.state, node),
        FilterBy::Minimum(least) => has_minimum(ask, *least, node),
        FilterBy::Area => {
            let area = ask.state.nodes[node as usize].node.area;
            area.is_none_or(|area| ask.chord2(node).is_some_and(|chord| chord <= area))
        }
        _ => return true,
    };
    passes != filter.exclude
}

/// Of each SKU that the node has, so much at least, and of one at least.
fn has_minimum(ask: &Ask<'_>, least: Qty, node: u32) -> bool {
    let has = ask.demands.iter().map(|d| ask.state.has(d.sku, node)).filter(|has| has.is_positive());
    let (enough, all) = has.fold((0, 0), |(enough, all), has| (enough + usize::from(has >= least), all + 1));
    enough == all && all > 0
}

fn all_items(ask: &Ask<'_>) -> bool {
    let most = |sku| ask.state.most_of(ask.order, sku);
    ask.demands.iter().all(|d| most(d.sku).is_none_or(|most| most >= d.qty))
}

impl State {
    /// What of a SKU the node could give now.
    pub fn has(&self, sku: u32, node: u32) -> Qty {
        let held = &self.skus[sku as usize];
        match held.cell(node) {
            _ if held.untracked() => Qty(i64::MAX),
            Some(cell) => cell.atp(),
            None => Qty::ZERO,
        }
    }

    /// What of a SKU an order may be given by its channel's nodes together: what they have, without what is held for
    /// others. `None`: any quantity, it is without stock-keeping.
    pub fn most_of(&self, order: &Order, sku: u32) -> Option<Qty> {
        let held = &self.skus[sku as usize];
        if held.untracked() {
            return None;
        }
        let pool = Filters::standing(self, &order.zone, order.mode, &order.identity.channel);
        let cells = held.cells.iter().filter(|c| pool.of_pool(c.node));
        let all: Qty = cells.map(|c| c.atp()).sum();
        Some((all - self.unpinned_of_others(order, sku)).floor_zero())
    }

    /// Most units of a SKU that may turn from backordered to on hand for the order: what lies there and is promised to
    /// nobody from stock, without what is held for others.
    pub fn arrived_for(&self, order: &Order, sku: u32) -> Qty {
        let others = self.unpinned_of_others(order, sku);
        if others.is_zero() {
            return Qty(i64::MAX);
        }
        let pool = Filters::standing(self, &order.zone, order.mode, &order.identity.channel);
        let cells = self.skus[sku as usize].cells.iter().filter(|c| pool.of_pool(c.node));
        (cells.map(|c| c.unpromised()).sum::<Qty>() - others).floor_zero()
    }

    /// As [`State::most_of`], where anything is held for others; else no bound but what each node has.
    pub fn bound(&self, order: &Order, sku: u32) -> Qty {
        match self.unpinned_of_others(order, sku) {
            none if none.is_zero() => Qty(i64::MAX),
            _ => self.most_of(order, sku).unwrap_or(Qty(i64::MAX)),
        }
    }
}
