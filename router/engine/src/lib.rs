//! The deterministic state machines of the router: [`engine::Engine`] decides about orders and stock of the
//! zones of one partition, [`control::Control`] validates and spreads reference material. Both are
//! [`router_schemas::stage::Stage`]s: a record in, records out, no clock, no randomness, no I/O.

pub mod control;
pub mod engine;
