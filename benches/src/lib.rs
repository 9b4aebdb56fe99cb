//! The steps that an order goes through, each by itself: what comes in is prepared, then the step is run over it.

mod market;
mod steps;

pub use steps::{Step, all};
