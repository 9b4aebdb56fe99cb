//! The deterministic state machines: [`engine::Engine`] decides on orders and stock, [`control::Control`] publishes
//! reference material. Neither knows a clock, chance, floats or the outside: the same records give the same bytes.

#[macro_use]
#[cfg_attr(not(feature = "faults"), allow(unused_macros))]
pub mod faults;

pub mod control;
pub mod engine;
pub mod rules;
