//! What tests of the built program set: `ROUTER_TRIAL=ahead_ms=7200000,segment_bytes=100000`.
//!
//! Hours must pass between two starts without anybody waiting for them, and a log must have several segments without
//! gigabytes. Both are properties of the journal, so they are given to it and to nothing else: it is the only clock
//! from which the stages take their time. A release build does not look at the variable at all, so that nobody can
//! bend the time of a router that works.

use std::{sync::Arc, time::SystemTime};

use router_log::Options;

/// The journal's options, bent as a test asks.
pub(crate) fn bend(mut options: Options) -> Options {
    if !cfg!(debug_assertions) {
        return options;
    }
    let Ok(text) = std::env::var("ROUTER_TRIAL") else { return options };
    for (name, value) in text.split(',').filter_map(|pair| pair.split_once('=')) {
        match (name, value.parse::<i64>()) {
            ("ahead_ms", Ok(ahead)) => {
                options.clock = Arc::new(move || {
                    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
                    now.map_or(0, |now| now.as_millis() as i64) + ahead
                });
            }
            ("segment_bytes", Ok(bytes)) => options.segment_bytes = bytes.max(0) as u64,
            _ => tracing::warn!(name, value, "ROUTER_TRIAL says something unknown"),
        }
    }
    options
}
