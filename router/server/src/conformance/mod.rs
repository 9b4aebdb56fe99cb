//! Scenarios in the format of `router/server/tests/conformance/FORMAT.md`: read, run against a [`subject::Subject`],
//! checked.

pub mod amount;
pub mod check;
mod engine;
pub mod expect;
pub mod format;
#[cfg(test)]
mod found;
#[cfg(test)]
mod generate;
#[cfg(test)]
mod model;
mod read;
pub mod rules;
pub mod run;
mod schema;
pub mod step;
pub mod subject;

pub use self::{
    engine::EngineSubject,
    read::{ReadError, read},
};

#[cfg(test)]
mod shrink;
#[cfg(test)]
mod tests;
