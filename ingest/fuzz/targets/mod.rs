//! What must hold whatever a stranger sends. Each function takes one input and panics where a property fails;
//! `make fuzz` searches for such inputs, and the test `corpus` sends every kept input through them.
#![allow(dead_code)] // each fuzz target takes one function of these

mod lines;
mod message;
mod record;
mod text;

pub use lines::lines;
pub use message::message;
pub use record::{body, record};
pub use text::text;

/// Takes one input.
pub type Target = fn(&[u8]);

/// Every target by the name of its folder in `corpus/`.
pub const ALL: [(&str, Target); 5] =
    [("lines", lines), ("message", message), ("record", record), ("body", body), ("text", text)];
