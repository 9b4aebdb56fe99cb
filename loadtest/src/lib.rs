//! Open-loop load over the public API.
