//! What must hold whatever a stranger sends. Each function takes one input and panics where a property fails;
//! `make fuzz` searches for such inputs, and the test `corpus` sends every kept input through them.
#![allow(dead_code)] // each fuzz target takes one function of these

mod message;
mod record;
mod text;

pub use message::message;
pub use record::{body, record};
pub use text::text;

/// Every target by the name of its folder in `corpus/`.
pub const ALL: [(&str, fn(&[u8])); 4] =
    [("message", message), ("record", record), ("body", body), ("text", text)];
