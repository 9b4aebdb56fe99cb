//! Engine time, service time, outages and hybrid time. All are functions of the records applied.

use std::collections::BTreeSet;

use router_schemas::limits::OUTAGE_MS;
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// Engine time: the greatest append time applied so far, ms. Never goes back.
    pub engine: i64,
    /// Engine time of the last tick.
    pub last_tick: i64,
    /// Time without an owner so far, ms: ticks more than [`OUTAGE_MS`] apart add the excess.
    pub outages: i64,
    /// Hybrid time of the last command, µs.
    pub hybrid: u64,
}

/// The first of what waits for a time, where that has come.
pub fn due<T: Copy + Ord>(waits: &BTreeSet<(i64, T)>, now: i64) -> Option<(i64, T)> {
    waits.first().copied().filter(|(at, _)| *at <= now)
}

impl Clock {
    /// Takes the next record's time in. `carried`: hybrid time of the stage that passed the record on.
    pub fn advance(&mut self, at: i64, carried: u64, tick: bool) {
        self.engine = self.engine.max(at);
        if tick {
            let gap = self.engine - self.last_tick;
            if self.last_tick > 0 && gap > OUTAGE_MS && !fault!(OutageCounted) {
                self.outages += gap - OUTAGE_MS;
            }
            self.last_tick = self.engine;
        }
        if fault!(TimeGoesBack) && self.hybrid % 1_000 == 3 {
            self.hybrid -= 2;
            return;
        }
        self.hybrid = (self.hybrid + 1).max(self.engine.max(0) as u64 * 1000).max(carried + 1);
    }
}

impl Clock {
    /// Service time of the last record, ms: engine time without the time in which nobody served. Never goes back, and
    /// stands still from [`OUTAGE_MS`] after a tick until the next one, so that what was written into an outage
    /// finds nothing lapsed. Before the first tick it is engine time. What lapses is kept in it (`lapse.rs`).
    pub fn service(&self) -> i64 {
        if fault!(LapsesByEngineTime) {
            return self.engine;
        }
        let served = match self.last_tick {
            0 => self.engine,
            tick => self.engine.min(tick + OUTAGE_MS),
        };
        served - self.outages
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever comes when: service time never goes back, never runs ahead of engine time, and between two
        /// records gains at most what engine time gains.
        #[test]
        fn service_time_goes_on_evenly(records in prop::collection::vec((-5_000i64..120_000, any::<bool>()), 1..60)) {
            let mut clock = Clock::default();
            let mut at = 1_000_000;
            for (gap, tick) in records {
                at += gap;
                let (engine, service) = (clock.engine, clock.service());
                clock.advance(at, 0, tick);
                prop_assert!(clock.service() >= service && clock.service() <= clock.engine);
                prop_assert!(engine == 0 || clock.service() - service <= clock.engine - engine);
            }
        }
    }

    #[test]
    fn an_outage_lapses_nothing() {
        let mut clock = Clock::default();
        clock.advance(1_000_000, 0, true);
        let deadline = clock.service() + 60_000;
        // Two hours without an owner: gateways go on writing, and the backlog is applied before the next tick.
        for minute in 1..120 {
            clock.advance(1_000_000 + minute * 60_000, 0, false);
            assert_eq!(clock.service(), 1_030_000);
        }
        clock.advance(1_000_000 + 7_200_000, 0, true);
        assert_eq!(clock.service(), 1_030_000, "the tick after it does not jump");
        assert!(clock.service() < deadline);
        for tick in 1..=6 {
            clock.advance(1_000_000 + 7_200_000 + tick * 5_000, 0, true);
        }
        assert_eq!(clock.service(), deadline, "from there on it goes on");
    }

    #[test]
    fn an_outage_is_counted_beyond_its_grace() {
        let mut clock = Clock::default();
        (0..10).for_each(|n| clock.advance(1_000_000 + n * 5_000, 0, true));
        assert_eq!(clock.outages, 0);
        // Two hours without an owner; gateways go on writing.
        clock.advance(1_045_000 + 7_200_000, 0, false);
        clock.advance(1_045_000 + 7_201_000, 0, true);
        assert_eq!(clock.outages, 7_201_000 - OUTAGE_MS);
    }

    #[test]
    fn no_time_goes_back() {
        let mut clock = Clock::default();
        clock.advance(5_000_000, 0, true);
        let (engine, hybrid) = (clock.engine, clock.hybrid);
        clock.advance(1_000_000, 0, true);
        assert_eq!(clock.engine, engine);
        assert!(clock.hybrid > hybrid);
        clock.advance(1_000_000, hybrid + 500, false);
        assert_eq!(clock.hybrid, hybrid + 501);
    }
}
