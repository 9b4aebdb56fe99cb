//! Reference material taken in: zones, nodes, items, channels. What many rows or waiting orders depend on is worked
//! off in bounded steps afterwards.

use router_schemas::{
    command::reference::{Item, Node, Published, Reference},
    quantity::Qty,
};
use serde::{Deserialize, Serialize};

use super::{
    Engine,
    effects::Effects,
    nodes,
    rules::set::Sets,
    state::{NodeState, SkuState},
};

/// SKUs looked at to be marked that count as one item.
const MARKS_AN_ITEM: usize = 32;
/// Rows written again that count as one item.
const ROWS_AN_ITEM: usize = 8;

/// Whose cell rows do not tell the truth any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Stale {
    Node(u32),
    Sku(u32),
}

impl Engine {
    pub(super) fn reference(&mut self, published: Published, effects: &mut Effects<'_>) {
        match published.change {
            Reference::Zone(zone) => {
                if zone.partition == Some(self.partition) {
                    for channel in self.state.channels.keys() {
                        self.state.pools.number_of(&zone.id, channel);
                    }
                }
                let known = zone.partition.and_then(|at| self.state.zones.insert(zone.id, at));
                if known.is_none() {
                    // Orders that wait may be forwarded to it.
                    self.state.wake(None);
                }
            }
            Reference::Node(node) => self.publish_node(*node),
            Reference::Item(item) => self.publish_item(*item),
            Reference::Channel(channel) => {
                for (zone, _) in self.state.zones.iter().filter(|(_, at)| **at == self.partition) {
                    self.state.pools.number_of(zone, &channel.id);
                }
                self.state.channels.insert(channel.id.clone(), channel);
                self.state.pools.reshape();
                self.state.feed_all();
                self.index.roster.note_channel();
                self.state.wake(None);
            }
            Reference::Rules(set) => {
                let (zones, here) = (&self.state.zones, self.partition);
                self.state.rules.publish(*set, |zone| zones.get(zone) == Some(&here));
                self.index.rules = Sets::of(&self.state.rules);
                self.index.roster.note_rules();
                self.state.wake(None);
            }
            Reference::Fees(table) => {
                self.state.fees.insert(table.id.clone(), table);
                self.state.wake(None);
            }
            Reference::Quota(quota) => self.take_shares(quota, published.control, effects),
            Reference::Region(_) | Reference::BehaviourLevel(_) | Reference::Incarnation(..) => {}
        }
    }

    fn publish_node(&mut self, node: Node) {
        let number = self.node_number(&node.id);
        let held = &mut self.state.nodes[number as usize];
        let fresh = !std::mem::replace(&mut held.known, true);
        if held.node.enabled != node.enabled && !held.skus.is_empty() {
            self.state.stale.insert(Stale::Node(number), 0);
        }
        held.node = node;
        self.state.pools.reshape();
        if self.state.feed.on {
            self.state.feed_all();
        }
        if !self.state.nodes[number as usize].node.enabled {
            self.state.offers.leaving.insert(number);
        }
        self.index.roster.note_node(&self.state, number);
        nodes::note_full_day(&mut self.state, number);
        // A node that orders named before it was known lets them go on, whether it has stock or not.
        self.state.wake(if fresh { None } else { Some(number) });
    }

    fn publish_item(&mut self, item: Item) {
        self.sku_number(&item.sku, "");
        let numbers: Vec<u32> = self.index.skus.get(&item.sku).map_or(Vec::new(), |n| n.all().collect());
        for number in numbers {
            let sku = &mut self.state.skus[number as usize];
            if sku.untracked() != item.untracked && !sku.cells.is_empty() {
                self.state.stale.insert(Stale::Sku(number), 0);
            }
            sku.item = Some(item.clone());
            self.state.feed_changed(number, false);
            self.state.mark(number, true);
        }
    }

    /// Writes some rows again that do not tell the truth any more.
    pub(super) fn freshen(&mut self, budget: &mut usize, effects: &mut Effects<'_>) {
        let Some((stale, from)) = self.state.stale.pop_first() else { return };
        let most = *budget * ROWS_AN_ITEM;
        let others: Vec<u32> = match stale {
            Stale::Node(node) => {
                let skus = &self.state.nodes[node as usize].skus;
                skus[skus.partition_point(|s| *s < from)..].iter().take(most + 1).copied().collect()
            }
            Stale::Sku(sku) => {
                let cells = &self.state.skus[sku as usize].cells;
                let rest = &cells[cells.partition_point(|c| c.node < from)..];
                rest.iter().take(most + 1).map(|c| c.node).collect()
            }
        };
        for (n, other) in others.iter().enumerate() {
            if n == most || effects.is_full() {
                self.state.stale.insert(stale, *other);
                break;
            }
            *budget -= usize::from(n % ROWS_AN_ITEM == 0);
            match stale {
                Stale::Node(node) => {
                    if self.state.cell_mut(*other, node).shown {
                        effects.touch_cell(&mut self.state, *other, node);
                    }
                }
                Stale::Sku(sku) => {
                    effects.touch_cell(&mut self.state, sku, *other);
                    let known = self.state.cell_mut(sku, *other).oversold;
                    let mut before = self.state.standing(sku, *other);
                    before.over = if known { before.over } else { Qty::ZERO };
                    effects.note_availability(&mut self.state, sku, *other, before);
                }
            }
        }
    }

    /// Marks some SKUs whose waiting orders may now find a node.
    pub(super) fn mark_woken(&mut self, budget: &mut usize) {
        let Some((node, from)) = self.state.woken.pop_first() else { return };
        let most = *budget * MARKS_AN_ITEM;
        let skus: Vec<u32> = self.state.waited.range(from..).take(most + 1).copied().collect();
        for (n, number) in skus.iter().enumerate() {
            if n == most {
                self.state.woken.insert(node, *number);
                break;
            }
            *budget -= usize::from(n % MARKS_AN_ITEM == 0);
            let sku = &self.state.skus[*number as usize];
            match node {
                None => self.state.mark(*number, true),
                Some(node) if sku.untracked() || sku.cell(node).is_some() => self.state.mark(*number, false),
                Some(_) => {}
            }
        }
    }

    /// The number of a node, giving one to a name that is new.
    pub(super) fn node_number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.index.nodes.get(name) {
            return *number;
        }
        let number = self.state.nodes.len() as u32;
        let mut fresh = NodeState::default();
        fresh.node.id = name.to_owned();
        self.state.nodes.push(fresh);
        self.index.nodes.insert(name.to_owned(), number);
        number
    }

    /// The number of a SKU in a bucket, giving one to a name that is new. An item of the SKU serves all buckets.
    pub(super) fn sku_number(&mut self, name: &str, bucket: &str) -> u32 {
        let known = self.index.skus.get(name);
        if let Some(number) = known.and_then(|n| n.of(bucket)) {
            return number;
        }
        let number = self.state.skus.len() as u32;
        let sibling = known.and_then(|n| n.all().next());
        let item = sibling.and_then(|n| self.state.skus[n as usize].item.clone());
        let (name, bucket) = (name.to_owned(), bucket.to_owned());
        self.index.skus.entry(name.clone()).or_default().set(&bucket, number);
        self.state.skus.push(SkuState { name, bucket, item, ..SkuState::default() });
        number
    }
}
