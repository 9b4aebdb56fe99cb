//! The engine through its records: what it decides, and that it decides it again.

mod faults;
mod holdings;
mod model;
mod properties;
mod run;
mod scenario;
mod work;
