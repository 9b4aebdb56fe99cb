//! The steps that an order goes through, each by itself: what comes in is prepared, then the step is run over it.

mod engine;
mod market;
mod steps;

pub use steps::{Step, all};

/// Stock cells of the engine's markets: a million, or as many as `ROUTER_BENCH_CELLS` says.
pub fn cells() -> u32 {
    std::env::var("ROUTER_BENCH_CELLS").ok().and_then(|cells| cells.parse().ok()).unwrap_or(1_000_000)
}
