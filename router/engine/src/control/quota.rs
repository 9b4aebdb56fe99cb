//! Numbers of whole channels, split into shares of zones. What is in force in the zones together never exceeds the
//! number: a share grows only by what is free, and what another zone is to give up is free once that zone has said how
//! much of it it keeps.

use std::collections::BTreeMap;

use router_schemas::{
    command::{part::ShareKept, reference::Quota, stock::Allowance},
    limits::QTY_MAX,
    quantity::Qty,
};
use serde::{Deserialize, Serialize};

/// Channel, SKU and bucket → the number and its shares.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Quotas(BTreeMap<(String, String, String), Split>);

#[derive(Debug, Default, Serialize, Deserialize)]
struct Split {
    asked: Quota,
    shares: BTreeMap<String, Share>,
}

/// The share of a zone.
#[derive(Debug, Default, Clone, Copy, Serialize, Deserialize)]
struct Share {
    /// What is in force there at most.
    granted: Qty,
    /// What it is to be.
    wanted: Qty,
    /// What it was told last.
    told: Qty,
    /// Control position of the last time that it was told of more: answers to earlier changes do not know it.
    raised: u64,
}

impl Quotas {
    /// Splits a number over zones; `zones`: those that get a share where no weights are stated.
    pub fn publish<'a>(&mut self, quota: &mut Quota, control: u64, zones: impl Iterator<Item = &'a String>) {
        let weights: Vec<(String, u64)> = match quota.weights.iter().any(|(_, weight)| *weight > 0) {
            true => quota.weights.iter().map(|(zone, weight)| (zone.clone(), u64::from(*weight))).collect(),
            false => zones.map(|zone| (zone.clone(), 1)).collect(),
        };
        let key = (quota.channel.clone(), quota.sku.clone(), quota.bucket.clone());
        let split = self.0.entry(key).or_default();
        split.asked = quota.clone();
        for share in split.shares.values_mut() {
            share.wanted = Qty::ZERO;
        }
        let total = quota.backorder.units();
        for (zone, part) in parts(total, &weights) {
            let wanted = if total == QTY_MAX { QTY_MAX } else { part };
            split.shares.entry(zone).or_default().wanted = wanted;
        }
        split.grant();
        quota.shares = split.tell(control);
    }

    /// Takes in what a zone keeps. What is to be published because of it, if anything: others may have more.
    pub fn kept(&mut self, said: &ShareKept, control: u64) -> Option<Quota> {
        let key = (said.channel.clone(), said.sku.clone(), said.bucket.clone());
        let split = self.0.get_mut(&key)?;
        let share = split.shares.get_mut(&said.zone).filter(|share| said.control >= share.raised)?;
        share.granted = share.granted.min(said.kept.units().max(share.told));
        split.grant().then(|| Quota { shares: split.tell(control), ..split.asked.clone() })
    }
}

impl Split {
    /// Gives what is free to zones that have less than they are to have. True: some got more.
    fn grant(&mut self) -> bool {
        let total = self.asked.backorder.units();
        let in_force: i64 = self.shares.values().map(|share| share.granted.0).sum();
        let mut free = if total == QTY_MAX { i64::MAX } else { (total.0 - in_force).max(0) };
        let mut any = false;
        for share in self.shares.values_mut() {
            let more = (share.wanted - share.granted).0.clamp(0, free);
            if more > 0 {
                share.granted += Qty(more);
                free -= more;
                any = true;
            }
        }
        any
    }

    /// What the zones are told: a rise as far as it is granted, a fall at once.
    fn tell(&mut self, control: u64) -> Vec<(String, Allowance)> {
        let tell = |(zone, share): (&String, &mut Share)| {
            let next = share.granted.min(share.wanted);
            if next > share.told {
                share.raised = control;
            }
            share.told = next;
            (zone.clone(), Allowance::of(next))
        };
        self.shares.iter_mut().map(tell).collect()
    }
}

/// The parts of a number by weights: whole units, or thousandths where it has some; what is left over goes to the
/// largest remainders, then by name.
fn parts(total: Qty, weights: &[(String, u64)]) -> Vec<(String, Qty)> {
    let unit = if total.0 % Qty::ONE.0 == 0 { Qty::ONE.0 } else { 1 };
    let units = i128::from(total.0 / unit);
    let sum: i128 = weights.iter().map(|(_, weight)| i128::from(*weight)).sum::<i128>().max(1);
    let mut parts: Vec<(String, i128, i128)> = weights
        .iter()
        .map(|(zone, weight)| {
            let share = units * i128::from(*weight);
            (zone.clone(), share / sum, share % sum)
        })
        .collect();
    let given: i128 = parts.iter().map(|(_, part, _)| part).sum();
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by_key(|n| (-parts[*n].2, parts[*n].0.clone()));
    let left = if weights.is_empty() { 0 } else { (units - given).max(0) as usize };
    for n in order.into_iter().take(left) {
        parts[n].1 += 1;
    }
    parts.into_iter().map(|(zone, part, _)| (zone, Qty(part as i64 * unit))).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ZONES: [&str; 4] = ["east", "north", "south", "west"];

    /// What happens to a number of a channel.
    #[derive(Debug, Clone, Copy)]
    enum Step {
        Publish(i64, [u32; 4]),
        /// The next copy reaches a zone.
        Copy(usize),
        /// The zone uses so much of its limit, as far as it has it.
        Use(usize, i64),
        /// The next answer reaches control.
        Answer,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0i64..50, prop::array::uniform4(0u32..5)).prop_map(|(n, w)| Step::Publish(n, w)),
            (0usize..4).prop_map(Step::Copy),
            (0usize..4, 0i64..30).prop_map(|(z, n)| Step::Use(z, n)),
            Just(Step::Answer),
            (0usize..4).prop_map(Step::Copy),
        ]
    }

    /// A zone as `engine/share.rs` keeps it.
    #[derive(Default)]
    struct Zone {
        limit: Qty,
        used: Qty,
        inbox: std::collections::VecDeque<(u64, Qty)>,
    }

    proptest! {
        /// Whatever arrives when: what is in force together never exceeds the number, or what was in force when the
        /// number fell; and once all has arrived and nothing is used every zone has its part.
        #[test]
        fn what_is_in_force_never_exceeds_the_number(steps in prop::collection::vec(step(), 1..80)) {
            let (mut quotas, mut control, mut most) = (Quotas::default(), 0u64, Qty::ZERO);
            let mut zones: Vec<Zone> = (0..4).map(|_| Zone::default()).collect();
            let mut answers = std::collections::VecDeque::new();
            let mut total = Qty::ZERO;
            let names: Vec<String> = ZONES.iter().map(|z| (*z).to_owned()).collect();
            let send = |zones: &mut Vec<Zone>, control, quota: &Quota| {
                for (zone, share) in &quota.shares {
                    let n = ZONES.iter().position(|z| z == zone).unwrap();
                    zones[n].inbox.push_back((control, share.units()));
                }
            };
            let take = |zone: &mut Zone, n: usize, answers: &mut std::collections::VecDeque<ShareKept>| {
                let Some((control, share)) = zone.inbox.pop_front() else { return };
                let smaller = share < zone.limit;
                zone.limit = if smaller { share.max(zone.used.min(zone.limit)) } else { share };
                let kept = Allowance::of(zone.limit);
                answers.push_back(ShareKept { zone: ZONES[n].into(), control, kept, ..ShareKept::default() });
            };
            let drain = [Step::Copy(0), Step::Copy(1), Step::Copy(2), Step::Copy(3), Step::Answer].repeat(60);
            let count = steps.len();
            for (n, step) in steps.into_iter().chain(drain).enumerate() {
                if n == count {
                    zones.iter_mut().for_each(|z| z.used = Qty::ZERO);
                }
                control += 1;
                match step {
                    Step::Publish(number, weights) => {
                        total = Qty::units(number);
                        let weights = names.iter().cloned().zip(weights).collect();
                        let mut quota = Quota { backorder: Allowance::of(total), weights, ..Quota::default() };
                        quotas.publish(&mut quota, control, names.iter());
                        send(&mut zones, control, &quota);
                        let in_force: Qty = quotas.0.values().flat_map(|s| s.shares.values()).map(|s| s.granted).sum();
                        most = total.max(in_force);
                    }
                    Step::Copy(z) => take(&mut zones[z], z, &mut answers),
                    Step::Use(z, units) => zones[z].used = Qty::units(units).min(zones[z].limit),
                    Step::Answer => {
                        if let Some(said) = answers.pop_front()
                            && let Some(quota) = quotas.kept(&said, control)
                        {
                            send(&mut zones, control, &quota);
                        }
                    }
                }
                let in_force: Qty = zones.iter().map(|z| z.limit).sum();
                prop_assert!(in_force <= most, "{in_force} of {most}");
            }
            let granted: Qty = quotas.0.values().flat_map(|s| s.shares.values()).map(|s| s.granted).sum();
            prop_assert!(granted >= total || quotas.0.is_empty());
        }

        #[test]
        fn parts_add_up(total in 0i64..100_000, weights in prop::collection::vec(0u64..9, 1..8)) {
            prop_assume!(weights.iter().any(|w| *w > 0));
            let weights: Vec<(String, u64)> =
                weights.into_iter().enumerate().map(|(n, w)| (n.to_string(), w)).collect();
            let parts = parts(Qty(total), &weights);
            prop_assert_eq!(parts.iter().map(|p| p.1).sum::<Qty>(), Qty(total));
            for ((_, weight), (_, part)) in weights.iter().zip(&parts) {
                prop_assert!(*weight > 0 || part.is_zero());
            }
        }
    }
}
