//! The orders of a measurement, for whoever measures.

pub mod orders;
