//! What a node did with what it was offered: the numbers behind the sorts `decline_rate`, `time_to_claim` and
//! `time_to_ship`. Old ones count less: all are halved every [`HALF_LIFE_MS`] of engine time. Until then they are
//! exact counts.

use serde::{Deserialize, Serialize};

/// Engine time after which what was done counts half: 14 days.
pub const HALF_LIFE_MS: i64 = 14 * 86_400_000;
/// One, in the unit of the counts.
const ONE: u64 = 1000;
/// What a lapse counts where others were asked as well: they may have been faster.
const LAPSE_AMONG_OTHERS: u64 = 100;

/// Counts in thousandths.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Score {
    /// Engine time of the first count, moved on with every halving.
    since: i64,
    pub offers: u64,
    /// Give-backs and lapses of offers to one node included.
    pub declines: u64,
    pub lapses: u64,
    pub claims: u64,
    /// Service time from the beginning of the round, summed, ms.
    pub claim_ms: u64,
    pub ships: u64,
    /// Summed, ms.
    pub ship_ms: u64,
}

impl Score {
    pub fn offered(&mut self, now: i64) {
        self.decay(now);
        self.offers += ONE;
    }

    pub fn declined(&mut self, now: i64) {
        self.decay(now);
        self.declines += ONE;
    }

    /// `alone`: the rule asks one node, so nobody else could have been faster.
    pub fn lapsed(&mut self, now: i64, alone: bool) {
        self.decay(now);
        self.lapses += if alone { ONE } else { LAPSE_AMONG_OTHERS };
        self.declines += if alone { ONE } else { 0 };
    }

    /// It claimed after so much service time.
    pub fn claimed(&mut self, now: i64, ms: i64) {
        self.decay(now);
        self.claims += ONE;
        self.claim_ms += ms.max(0) as u64;
    }

    /// It shipped after so much time.
    pub fn shipped(&mut self, now: i64, ms: i64) {
        self.decay(now);
        self.ships += ONE;
        self.ship_ms += ms.max(0) as u64;
    }

    /// Declines and offers; the rate is their quotient, 0 where nothing was offered.
    pub fn decline_rate(&self) -> (u64, u64) {
        (self.declines, self.offers)
    }

    /// Mean time to claim, ms; `None`: it never did.
    pub fn mean_claim(&self) -> Option<i64> {
        mean(self.claim_ms, self.claims)
    }

    /// Mean time to ship, ms; `None`: it never did.
    pub fn mean_ship(&self) -> Option<i64> {
        mean(self.ship_ms, self.ships)
    }

    fn decay(&mut self, now: i64) {
        if self.since == 0 {
            self.since = now;
        }
        let halvings = (now - self.since) / HALF_LIFE_MS;
        if halvings <= 0 {
            return;
        }
        self.since += halvings * HALF_LIFE_MS;
        let numbers = [
            &mut self.offers,
            &mut self.declines,
            &mut self.lapses,
            &mut self.claims,
            &mut self.claim_ms,
            &mut self.ships,
            &mut self.ship_ms,
        ];
        for number in numbers {
            *number = number.checked_shr(halvings.min(64) as u32).unwrap_or(0);
        }
    }
}

fn mean(ms: u64, count: u64) -> Option<i64> {
    let whole = u128::from(ms) * u128::from(ONE);
    whole.checked_div(u128::from(count)).map(|ms| ms as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_exact_until_they_are_halved() {
        let (mut score, start) = (Score::default(), 1_772_352_000_000);
        (0..3).for_each(|_| score.offered(start));
        score.declined(start + HALF_LIFE_MS - 1);
        assert_eq!(score.decline_rate(), (1000, 3000));
        score.lapsed(start + 1, true);
        assert_eq!((score.decline_rate(), score.lapses), ((2000, 3000), 1000));
        score.lapsed(start + HALF_LIFE_MS, false);
        assert_eq!((score.decline_rate(), score.lapses), ((1000, 1500), 600));
        score.offered(start + 100 * HALF_LIFE_MS);
        assert_eq!(score.decline_rate(), (0, 1000), "what was long ago is forgotten");
    }

    #[test]
    fn times_are_means() {
        let (mut score, start) = (Score::default(), 1_000_000);
        assert_eq!(score.mean_claim(), None);
        score.claimed(start, 4000);
        score.claimed(start, 6000);
        assert_eq!(score.mean_claim(), Some(5000));
        score.claimed(start + HALF_LIFE_MS, 8000);
        assert_eq!(score.mean_claim(), Some(6500), "the last counts as much as both before");
        score.shipped(start, 7000);
        assert_eq!(score.mean_ship(), Some(7000));
    }
}
