//! A deterministic simulation: INTAKE, ENGINE and CONTROL over a simulated log, with callers, crashes, owners that are
//! taken over, commits that nobody answers, wrong clocks and outages, all from one seed. A naive model beside them sums up
//! what they say, and every record is compared with it.

pub mod callers;
pub mod chance;
pub mod ledger;
pub mod log;
pub mod owner;
pub mod rule_sets;
pub mod stores;
pub mod trail;
pub mod world;
