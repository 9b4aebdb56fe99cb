//! What is held without a node: by zone, channel and SKU. It counts in full against every channel of the zone that
//! shares one of its nodes.

use std::collections::BTreeMap;

use router_schemas::quantity::Qty;
use serde::{Deserialize, Serialize};

use super::{order::Order, state::State};

/// Zone and channel → SKU → what is held.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Unpinned(BTreeMap<(String, String), BTreeMap<u32, Qty>>);

impl State {
    /// Adds to what is held without a node for orders of this zone and channel.
    pub fn hold_unpinned(&mut self, zone: &str, channel: &str, sku: u32, delta: Qty) {
        let pool = self.unpinned.0.entry((zone.to_owned(), channel.to_owned())).or_default();
        let held = pool.entry(sku).or_default();
        *held += delta;
        if held.is_zero() {
            pool.remove(&sku);
        }
        if pool.is_empty() {
            self.unpinned.0.remove(&(zone.to_owned(), channel.to_owned()));
        }
    }

    /// Of a SKU, what is held without a node for others than this order, as far as it counts against the order's pool.
    pub fn unpinned_of_others(&self, order: &Order, sku: u32) -> Qty {
        if self.unpinned.0.is_empty() {
            return Qty::ZERO;
        }
        let of_zone = self.unpinned.0.iter().filter(|((zone, _), _)| *zone == order.zone);
        let shared = of_zone
            .filter(|((_, channel), _)| self.share_a_node(channel, &order.identity.channel, &order.zone));
        let all: Qty = shared.filter_map(|(_, pool)| pool.get(&sku)).copied().sum();
        let own: Qty = order.lines.iter().filter(|l| l.sku == sku).map(|l| l.held).sum();
        (all - own).floor_zero()
    }

    /// Whether two channels are sold from one node of the zone at least.
    fn share_a_node(&self, one: &str, other: &str, zone: &str) -> bool {
        if one == other {
            return true;
        }
        let groups = |channel: &str| self.channels.get(channel).map_or(&[][..], |c| &c.groups);
        let (one, other) = (groups(one), groups(other));
        let sold = |groups: &[String], of_node: &[String]| {
            groups.is_empty() || groups.iter().any(|g| of_node.contains(g))
        };
        let mut nodes = self.nodes.iter().filter(|n| n.node.zone == zone);
        nodes.any(|n| sold(one, &n.node.groups) && sold(other, &n.node.groups))
    }
}
