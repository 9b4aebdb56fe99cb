//! The deterministic state machines ENGINE and CONTROL.
