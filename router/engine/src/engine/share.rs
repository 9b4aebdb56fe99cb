//! A zone's share of what a channel may promise beyond stock in all zones together. A share that is made smaller takes
//! only what is unused: the zone says what it keeps, and again when it could give up more (`control/quota.rs`).

use router_schemas::{
    command::{Command, part::ShareKept, reference::Quota, stock::Allowance},
    envelope::Meta,
    limits::ITEMS_PER_COMMAND,
    position::Topic,
};

use super::{
    Engine,
    effects::Effects,
    pool::{Goal, Policy},
};

impl Engine {
    /// Takes the shares of this partition's zones over.
    pub(super) fn take_shares(&mut self, quota: Quota, control: u64, effects: &mut Effects<'_>) {
        for (zone, share) in &quota.shares {
            if !self.is_own(zone) {
                continue;
            }
            let sku = self.sku_number(&quota.sku, &quota.bucket);
            let pool = self.state.pools.number_of(zone, &quota.channel);
            let goal = Goal { share: *share, control };
            let known = self.state.pools.policy(sku, pool);
            let policy = Policy { threshold: quota.threshold, ..known };
            self.near(sku, pool, policy, goal, true, effects);
        }
    }

    /// Gives up what is not used any more of shares that are to be smaller.
    pub(super) fn give_up_shares(&mut self, effects: &mut Effects<'_>) {
        let all: Vec<(u32, u32)> =
            self.state.pools.shrinking.iter().take(ITEMS_PER_COMMAND).copied().collect();
        for (sku, pool) in all {
            let Some(policy) = self.state.pools.policies.get(&(sku, pool)).copied() else { continue };
            if let Some(goal) = policy.goal {
                self.near(sku, pool, policy, goal, false, effects);
            }
        }
    }

    /// Brings what may be promised as near to the share as what is used allows. `answer`: control is told in any
    /// case.
    fn near(
        &mut self,
        sku: u32,
        pool: u32,
        policy: Policy,
        goal: Goal,
        answer: bool,
        effects: &mut Effects<'_>,
    ) {
        let (before, share) = (policy.backorder.units(), goal.share.units());
        let used = self.state.beyond(pool, sku, policy.threshold);
        let kept = if share < before { share.max(used.min(before)) } else { share };
        let backorder = Allowance::of(kept);
        let goal = (kept > share).then_some(goal);
        match goal {
            Some(_) => _ = self.state.pools.shrinking.insert((sku, pool)),
            None => _ = self.state.pools.shrinking.remove(&(sku, pool)),
        }
        let next = Policy { backorder, goal, ..policy };
        if self.state.pools.policy(sku, pool) != next {
            self.set_policy(sku, pool, next, effects);
        }
        if answer || kept < before && share < before {
            let of_sku = &self.state.skus[sku as usize];
            let named = self.state.pools.get(pool);
            let meta = Meta { carried: self.state.clock.hybrid, ..Meta::default() };
            let command = Command::ShareKept(ShareKept {
                channel: named.channel.clone(),
                zone: named.zone.clone(),
                sku: of_sku.name.clone(),
                bucket: of_sku.bucket.clone(),
                control: goal.map_or(self.state.control, |goal| goal.control),
                kept: backorder,
            });
            effects.out.push(Topic::Control, 0, &meta, &command);
        }
    }
}
