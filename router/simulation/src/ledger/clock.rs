//! Time, written a second time from its definition.

/// Service time, written a second time from its definition: min(engine time, last tick + 30 s) − outages so far, where a
/// tick more than 30 s behind the last one adds the excess.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Clock {
    pub engine: i64,
    tick: i64,
    outages: i64,
}

impl Clock {
    pub fn note(&mut self, at: i64, tick: bool) {
        self.engine = self.engine.max(at);
        if tick {
            if self.tick > 0 {
                self.outages += (self.engine - self.tick - 30_000).max(0);
            }
            self.tick = self.engine;
        }
    }

    pub fn service(&self) -> i64 {
        let served = if self.tick == 0 { self.engine } else { self.engine.min(self.tick + 30_000) };
        served - self.outages
    }
}
