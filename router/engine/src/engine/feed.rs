//! What platforms are told of availability, so that they stop selling in time: a record for each pool whose ATS
//! changed. At once where nothing is left, where something is again, and where it crosses the channel's low mark; else
//! at most once in the channel's interval. Worked off in bounded steps, and only for channels that ask for it.

use std::collections::{BTreeMap, BTreeSet};

use router_schemas::{
    notice::{Availability, StockAlert},
    position::Topic,
    quantity::Qty,
    row::Ats,
};
use serde::{Deserialize, Serialize};

use super::{Engine, effects::Effects, state::State, time::due};

/// Pools looked at that count as one item.
const POOLS_AN_ITEM: usize = 8;

/// What is still to be told, and what was.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Feed {
    /// A channel asks for it.
    pub on: bool,
    /// SKUs whose pools changed: to be looked at at once, or with the next tick.
    urgent: BTreeSet<u32>,
    changed: BTreeSet<u32>,
    /// SKUs that were told of a short time ago: engine time, SKU.
    later: BTreeSet<(i64, u32)>,
    /// All are to be looked at: the next one.
    all: Option<u32>,
    /// SKU and pool.
    told: BTreeMap<(u32, u32), Told>,
}

/// What was told last.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Told {
    ats: Ats,
    /// Engine time.
    at: i64,
    /// An alert is open.
    low: bool,
}

impl State {
    /// What a pool of a SKU may sell has changed, or may have.
    pub fn feed_changed(&mut self, sku: u32, at_once: bool) {
        if self.feed.on {
            let list = if at_once { &mut self.feed.urgent } else { &mut self.feed.changed };
            list.insert(sku);
        }
    }

    /// Nodes or channels changed: every pool may have.
    pub fn feed_all(&mut self) {
        self.feed.on = self.channels.values().any(|c| c.feed.is_some());
        self.feed.all = self.feed.on.then_some(0);
    }
}

impl Engine {
    /// Whether a pool is to be looked at. `timers`: those as well that may wait for a tick.
    pub(super) fn is_feed_due(&self, timers: bool) -> bool {
        let Feed { urgent, changed, later, all, .. } = &self.state.feed;
        let now = self.state.clock.engine;
        !urgent.is_empty() || timers && (!changed.is_empty() || all.is_some() || due(later, now).is_some())
    }

    /// Looks at the pools of the next SKU.
    pub(super) fn feed_next(&mut self, budget: &mut usize, effects: &mut Effects<'_>) {
        let now = self.state.clock.engine;
        let skus = self.state.skus.len() as u32;
        let feed = &mut self.state.feed;
        let sku = if let Some(sku) = feed.urgent.pop_first().or_else(|| feed.changed.pop_first()) {
            sku
        } else if let Some((at, sku)) = due(&feed.later, now) {
            feed.later.remove(&(at, sku));
            sku
        } else {
            let next = feed.all.take().filter(|next| *next < skus);
            feed.all = next.map(|next| next + 1);
            match next {
                Some(sku) => sku,
                None => return,
            }
        };
        let pools = self.state.pools.len();
        *budget = budget.saturating_sub(1 + pools as usize / POOLS_AN_ITEM);
        for pool in 0..pools {
            self.tell_pool(sku, pool, effects);
        }
    }

    fn tell_pool(&mut self, sku: u32, pool: u32, effects: &mut Effects<'_>) {
        let now = self.state.clock.engine;
        let channel = &self.state.pools.get(pool).channel;
        let Some(feed) = self.state.channels.get(channel).and_then(|c| c.feed) else { return };
        let ats = self.state.ats(pool, sku);
        let known = self.state.feed.told.get(&(sku, pool)).copied();
        let last = known.map_or(Ats::default(), |told| told.ats);
        if ats == last {
            return;
        }
        let (was_low, is_low) = (is_below(last, feed.low), is_below(ats, feed.low));
        let none = Ats::default();
        let at_once = last == none || ats == none || was_low != is_low;
        if let Some(told) = known.filter(|told| !at_once && now < told.at + feed.every) {
            self.state.feed.later.insert((told.at + feed.every, sku));
            return;
        }
        let (named, of_sku) = (self.state.pools.get(pool), &self.state.skus[sku as usize]);
        let (topic, partition) = effects.target(Topic::Availability);
        let record = Availability {
            kind: "availability.v1",
            channel: &named.channel,
            zone: &named.zone,
            sku: &of_sku.name,
            bucket: &of_sku.bucket,
            available: match ats {
                Ats::Units(qty) => Some(qty),
                Ats::Unlimited => None,
            },
            low: is_low,
            position: effects.position.clone(),
            at: now,
        };
        effects.out.push_json(topic, partition, &record);
        // An alert needs something that fell: what never was there is no news.
        let low = match known {
            Some(told) if is_low != told.low => {
                let (topic, partition) = effects.target(Topic::StockAlerts);
                let alert = StockAlert {
                    kind: "stock_alert.v1",
                    event: if is_low { "low" } else { "low_recovered" },
                    node: "",
                    channel: Some(&named.channel),
                    sku: &of_sku.name,
                    bucket: &of_sku.bucket,
                    qty: match ats {
                        Ats::Units(qty) => qty,
                        Ats::Unlimited => Qty::ZERO,
                    },
                    position: effects.position.clone(),
                    at: now,
                };
                effects.out.push_json(topic, partition, &alert);
                is_low
            }
            Some(told) => told.low,
            None => false,
        };
        effects.touch_pool(sku, pool);
        self.state.feed.told.insert((sku, pool), Told { ats, at: now, low });
    }
}

/// Whether it is below the channel's low mark.
fn is_below(ats: Ats, low: Qty) -> bool {
    matches!(ats, Ats::Units(qty) if qty < low)
}
