//! The deterministic state machines: [`engine::Engine`] decides on orders and stock, [`control::Control`] publishes
//! reference material. Neither knows a clock, chance, floats or the outside: the same records give the same bytes.

pub mod control;
pub mod engine;
pub mod rules;
