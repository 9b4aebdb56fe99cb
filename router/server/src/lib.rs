//! The program router: configuration, verbs, wiring, demo.
