//! The engine through its records: what it decides, and that it decides it again.

mod faults;
mod grab;
mod holdings;
mod late;
mod model;
mod properties;
mod rules;
mod run;
mod scenario;
mod work;
mod zones;
