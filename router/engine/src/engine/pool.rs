//! What a channel may sell of a SKU in a zone: its pool. What is held without a node counts in full against every
//! channel of the zone that shares one of its nodes.
//!
//! ATS = max(0, S − T − U) + max(0, L − max(0, U − max(0, S − T))): S is what the nodes can give, T what the channel
//! keeps back, U what is held without a node, L what it may promise beyond stock. Such holds use stock above T first,
//! the limit after.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::OnceLock,
};

use router_schemas::{
    command::{hold::ChannelPolicy, stock::Allowance},
    event::Outcome,
    id::OrderId,
    quantity::Qty,
    refusal::Refusal,
    reply::Answer,
    row::{Ats, PoolRow},
};
use serde::{Deserialize, Serialize};

use super::{
    Engine, Verdict,
    effects::Effects,
    order::Order,
    refuse,
    shelf::{BLOCK, bits},
    state::State,
};

/// The pools of this partition, by number. A pool gets its number when something is first held in it or said of it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Pools {
    /// Zone → channel → number.
    names: BTreeMap<String, BTreeMap<String, u32>>,
    list: Vec<Pool>,
    /// SKU → pool and what is held there without a node, ascending by pool, none of them zero.
    held: BTreeMap<u32, Vec<(u32, Qty)>>,
    /// SKU and pool → what the channel may do; an absent one keeps nothing back and promises nothing beyond stock.
    pub policies: BTreeMap<(u32, u32), Policy>,
    /// SKU and pool where a share is to be smaller than what is used of it.
    pub shrinking: BTreeSet<(u32, u32)>,
    /// Which pools share a node. Rebuilt, never written.
    #[serde(skip)]
    shape: OnceLock<Shape>,
}

/// A channel in a zone.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Pool {
    pub zone: String,
    pub channel: String,
}

/// What a channel keeps back of a SKU, and may promise beyond stock.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    pub threshold: Qty,
    pub backorder: Allowance,
    /// The share that it is to be, where more is used.
    pub goal: Option<Goal>,
}

/// A share that control stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Goal {
    pub share: Allowance,
    pub control: u64,
}

/// What follows from the nodes and the channels, by pool.
#[derive(Debug, Default)]
struct Shape {
    /// Enabled nodes that the channel is sold from, one bit each.
    nodes: Vec<Vec<u64>>,
    /// Other pools that share a node of the zone, enabled or not; ascending.
    shared: Vec<Vec<u32>>,
}

/// What is in a pool of a SKU.
#[derive(Debug, Default, Clone, Copy)]
pub struct Reach {
    /// What the nodes can give.
    pub stock: Qty,
    pub threshold: Qty,
    /// Held without a node.
    pub held: Qty,
    /// What may be promised beyond stock.
    pub limit: Qty,
}

impl Reach {
    /// What the channel may still sell.
    pub fn left(&self) -> Qty {
        let above = (self.stock - self.threshold).floor_zero();
        (above - self.held).floor_zero() + (self.limit - self.beyond()).floor_zero()
    }

    /// Held beyond what is there.
    pub fn beyond(&self) -> Qty {
        (self.held - (self.stock - self.threshold).floor_zero()).floor_zero()
    }
}

impl Pools {
    /// What the channel of a pool may do with a SKU.
    pub fn policy(&self, sku: u32, pool: u32) -> Policy {
        self.policies.get(&(sku, pool)).copied().unwrap_or_default()
    }

    /// Nodes or channels changed.
    pub fn reshape(&mut self) {
        self.shape = OnceLock::new();
    }

    pub fn get(&self, pool: u32) -> &Pool {
        &self.list[pool as usize]
    }

    /// How many there are.
    pub fn len(&self) -> u32 {
        self.list.len() as u32
    }

    pub fn number(&self, zone: &str, channel: &str) -> Option<u32> {
        self.names.get(zone)?.get(channel).copied()
    }

    /// The number of a pool, giving one to a pool that is new.
    pub fn number_of(&mut self, zone: &str, channel: &str) -> u32 {
        if let Some(number) = self.number(zone, channel) {
            return number;
        }
        let number = self.list.len() as u32;
        self.list.push(Pool { zone: zone.to_owned(), channel: channel.to_owned() });
        self.names.entry(zone.to_owned()).or_default().insert(channel.to_owned(), number);
        self.reshape();
        number
    }

    /// Whether anything is held without a node.
    pub fn any_held(&self) -> bool {
        !self.held.is_empty()
    }

    /// What is held of a SKU in this pool alone.
    pub fn held(&self, pool: u32, sku: u32) -> Qty {
        let of_sku = self.held.get(&sku).map_or(&[][..], Vec::as_slice);
        of_sku.binary_search_by_key(&pool, |(p, _)| *p).map_or(Qty::ZERO, |place| of_sku[place].1)
    }
}

impl State {
    /// Adds to what is held without a node for orders of this zone and channel. Who frees some of it has orders looked
    /// at that may use it: a hold all that wait, an offer those that wanted more than was free (`offer/over.rs`).
    pub fn hold_unpinned(&mut self, zone: &str, channel: &str, sku: u32, delta: Qty) {
        let pool = self.pools.number_of(zone, channel);
        let of_sku = self.pools.held.entry(sku).or_default();
        match of_sku.binary_search_by_key(&pool, |(p, _)| *p) {
            Ok(place) => {
                of_sku[place].1 += delta;
                if of_sku[place].1.is_zero() {
                    of_sku.remove(place);
                }
            }
            Err(place) => of_sku.insert(place, (pool, delta)),
        }
        if of_sku.is_empty() {
            self.pools.held.remove(&sku);
        }
        self.feed_changed(sku, true);
    }

    /// Of a SKU, what is held without a node for others than this order, as far as it counts against the order's pool.
    pub fn unpinned_of_others(&self, order: &Order, sku: u32) -> Qty {
        if !self.pools.any_held() {
            return Qty::ZERO;
        }
        let all = self.unpinned_against(&order.zone, &order.identity.channel, sku);
        let offered: Qty = order.lines.iter().filter(|l| l.sku == sku).map(|l| l.held).sum();
        (all - offered - self.own_unpinned(order.id, sku)).floor_zero()
    }

    /// What is held of a SKU without a node by the hold of this order.
    pub fn own_unpinned(&self, order: OrderId, sku: u32) -> Qty {
        self.holds.get(&order).map_or(Qty::ZERO, |hold| hold.at(None, sku))
    }

    /// What is held of a SKU without a node, as far as it counts against this pool.
    fn unpinned_against(&self, zone: &str, channel: &str, sku: u32) -> Qty {
        let Some(of_sku) = self.pools.held.get(&sku) else { return Qty::ZERO };
        let mine = self.pools.number(zone, channel);
        let counts = |other: u32| match mine {
            Some(pool) => pool == other || self.shape().shared[pool as usize].binary_search(&other).is_ok(),
            None => {
                let other = self.pools.get(other);
                other.zone == zone && self.share_a_node(&other.channel, channel, zone)
            }
        };
        of_sku.iter().filter(|(other, _)| counts(*other)).map(|(_, qty)| *qty).sum()
    }

    /// Whether two channels are sold from one node of the zone at least.
    fn share_a_node(&self, one: &str, other: &str, zone: &str) -> bool {
        one == other
            || self.nodes.iter().any(|n| {
                n.node.zone == zone && self.sells(one, &n.node.groups) && self.sells(other, &n.node.groups)
            })
    }

    /// Whether the channel is sold from a node of these groups.
    fn sells(&self, channel: &str, of_node: &[String]) -> bool {
        let groups = self.channels.get(channel).map_or(&[][..], |c| &c.groups);
        groups.is_empty() || groups.iter().any(|g| of_node.contains(g))
    }

    fn shape(&self) -> &Shape {
        self.pools.shape.get_or_init(|| {
            let pools = self.pools.list.len();
            let mut shape = Shape { nodes: vec![Vec::new(); pools], shared: vec![Vec::new(); pools] };
            let mut here = Vec::new();
            for (number, node) in self.nodes.iter().enumerate() {
                let Some(of_zone) = self.pools.names.get(&node.node.zone) else { continue };
                here.clear();
                let sold = of_zone.iter().filter(|(channel, _)| self.sells(channel, &node.node.groups));
                here.extend(sold.map(|(_, pool)| *pool));
                for pool in &here {
                    if node.known && node.node.enabled {
                        let words = &mut shape.nodes[*pool as usize];
                        words.resize(words.len().max(number / BLOCK + 1), 0);
                        words[number / BLOCK] |= 1 << (number % BLOCK);
                    }
                    let shared = &mut shape.shared[*pool as usize];
                    for other in here.iter().filter(|other| *other != pool) {
                        if let Err(place) = shared.binary_search(other) {
                            shared.insert(place, *other);
                        }
                    }
                }
            }
            shape
        })
    }

    /// The enabled nodes that a pool is sold from.
    pub fn pool_nodes(&self, pool: u32) -> impl Iterator<Item = u32> {
        let words = self.shape().nodes[pool as usize].iter().enumerate();
        words.flat_map(|(place, word)| bits(*word).map(move |bit| (place * BLOCK + bit) as u32))
    }

    /// Whether a pool is sold from the node.
    pub fn pool_has(&self, pool: u32, node: u32) -> bool {
        let word = self.shape().nodes[pool as usize].get(node as usize / BLOCK).copied().unwrap_or(0);
        word >> (node as usize % BLOCK) & 1 == 1
    }

    /// What is in a pool of a SKU; `None`: any number may be sold.
    pub fn reach(&self, pool: u32, sku: u32) -> Option<Reach> {
        let of_sku = &self.skus[sku as usize];
        let policy = self.pools.policy(sku, pool);
        let words = &self.shape().nodes[pool as usize];
        // What has no stock is wherever a node is.
        let service = || of_sku.untracked() && words.iter().any(|word| *word != 0);
        let boundless = policy.backorder == Allowance::Unlimited || service();
        let beyond = || {
            let mut cells = of_sku.cells.iter();
            cells.any(|c| {
                c.allowance == Allowance::Unlimited && !c.out_of_stock && self.pool_has(pool, c.node)
            })
        };
        if boundless || of_sku.boundless > 0 && beyond() {
            return None;
        }
        let Pool { zone, channel } = self.pools.get(pool);
        let limit = match policy.backorder {
            Allowance::Limited(limit) => limit,
            _ => Qty::ZERO,
        };
        let (stock, threshold) = (of_sku.shelf.sum(words), policy.threshold);
        Some(Reach { stock, threshold, held: self.unpinned_against(zone, channel, sku), limit })
    }

    /// What is held of a SKU in a pool beyond what is there above this threshold.
    pub fn beyond(&self, pool: u32, sku: u32, threshold: Qty) -> Qty {
        let Pool { zone, channel } = self.pools.get(pool);
        let stock = self.skus[sku as usize].shelf.sum(&self.shape().nodes[pool as usize]);
        let held = self.unpinned_against(zone, channel, sku);
        Reach { stock, threshold, held, limit: Qty::ZERO }.beyond()
    }

    /// What a pool may sell of a SKU now.
    pub fn ats(&self, pool: u32, sku: u32) -> Ats {
        self.reach(pool, sku).map_or(Ats::Unlimited, |reach| Ats::Units(reach.left()))
    }

    /// The row of a pool.
    pub fn pool_row(&self, sku: u32, pool: u32) -> PoolRow {
        let Pool { zone, channel } = self.pools.get(pool);
        let Policy { threshold, backorder, .. } = self.pools.policy(sku, pool);
        let of_sku = &self.skus[sku as usize];
        PoolRow {
            channel: channel.clone(),
            zone: zone.clone(),
            sku: of_sku.name.clone(),
            bucket: of_sku.bucket.clone(),
            threshold,
            backorder,
            held: self.pools.held(pool, sku),
            ats: self.ats(pool, sku),
        }
    }
}

impl Engine {
    /// A channel's pool of a SKU as it stands; `None`: nothing was said of the SKU here, or of the channel in the zone.
    pub fn pool(&self, channel: &str, zone: &str, sku: &str, bucket: &str) -> Option<PoolRow> {
        let sku = self.index.skus.get(sku)?.of(bucket)?;
        Some(self.state.pool_row(sku, self.state.pools.number(zone, channel)?))
    }

    /// What a channel keeps back and may promise beyond stock.
    pub(super) fn channel_policy(&mut self, said: ChannelPolicy, effects: &mut Effects<'_>) -> Verdict {
        if !self.is_own(&said.zone) {
            return refuse(Refusal::WrongZone, &said.zone);
        }
        let sku = self.sku_number(&said.sku, &said.bucket);
        let pool = self.state.pools.number_of(&said.zone, &said.channel);
        let policy = Policy { threshold: said.threshold.floor_zero(), backorder: said.backorder, goal: None };
        self.state.pools.shrinking.remove(&(sku, pool));
        self.set_policy(sku, pool, policy, effects);
        (Outcome::Applied, Answer::Done)
    }

    /// Takes a policy over, and writes the pool's row.
    pub(super) fn set_policy(&mut self, sku: u32, pool: u32, policy: Policy, effects: &mut Effects<'_>) {
        match policy == Policy::default() {
            true => _ = self.state.pools.policies.remove(&(sku, pool)),
            false => _ = self.state.pools.policies.insert((sku, pool), policy),
        }
        effects.touch_pool(sku, pool);
        self.state.feed_changed(sku, true);
    }
}
