//! How old the oldest command is that an engine partition has not applied: one load for whoever asks.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

/// A worker that has not looked at the log for this long has something else to wait for, ms.
const LOOKS: i64 = 1_000;

/// Lags of the partitions of `router.commands`.
pub(crate) struct Lags {
    /// Append time of the oldest command that waits, ms; 0: none does.
    oldest: Vec<AtomicI64>,
    /// When the worker last looked at the log, ms; 0: not yet.
    looked: AtomicI64,
}

impl Lags {
    pub fn new(partitions: u16) -> Lags {
        Lags { oldest: (0..partitions).map(|_| AtomicI64::new(0)).collect(), looked: AtomicI64::new(0) }
    }

    /// The worker looks at the log.
    pub fn looked(&self, now: i64) {
        self.looked.store(now, Ordering::Relaxed);
    }

    /// The oldest command that waits in a partition was appended then; 0: none waits.
    pub fn waits(&self, partition: u16, since: i64) {
        if let Some(oldest) = self.oldest.get(usize::from(partition)) {
            oldest.store(since, Ordering::Relaxed);
        }
    }

    /// Age of the oldest command that waits in a partition.
    pub fn of(&self, partition: u16, now: i64) -> Duration {
        let oldest = self.oldest.get(usize::from(partition)).map_or(0, |o| o.load(Ordering::Relaxed));
        let looked = self.looked.load(Ordering::Relaxed);
        let age = |since: i64| if since > 0 { (now - since).max(0) } else { 0 };
        let held_up = Some(age(looked)).filter(|age| *age > LOOKS).unwrap_or(0);
        Duration::from_millis(age(oldest).max(held_up) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_is_the_age_of_what_waits_or_of_a_worker_that_hangs() {
        let lags = Lags::new(2);
        assert_eq!(lags.of(0, 5_000), Duration::ZERO);
        lags.looked(5_000);
        lags.waits(1, 3_000);
        assert_eq!([lags.of(0, 5_100), lags.of(1, 5_100)], [0, 2_100].map(Duration::from_millis));
        lags.waits(1, 0);
        assert_eq!(lags.of(1, 5_100), Duration::ZERO);
        assert_eq!(lags.of(0, 9_000), Duration::from_secs(4), "nobody looks any more");
    }
}
