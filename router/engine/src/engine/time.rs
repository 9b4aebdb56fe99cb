//! Engine time, outages and hybrid time. All three are functions of the records applied.

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

impl Clock {
    /// Takes the next record's time in. `carried`: hybrid time of the stage that passed the record on.
    pub fn advance(&mut self, at: i64, carried: u64, tick: bool) {
        self.engine = self.engine.max(at);
        if tick {
            let gap = self.engine - self.last_tick;
            if self.last_tick > 0 && gap > OUTAGE_MS {
                self.outages += gap - OUTAGE_MS;
            }
            self.last_tick = self.engine;
        }
        self.hybrid = (self.hybrid + 1).max(self.engine.max(0) as u64 * 1000).max(carried + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
