//! Recomputes the invariants from the log and the rows, by code of its own.
