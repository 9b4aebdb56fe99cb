//! Answers on `router.replies`.

use serde::{Deserialize, Serialize};

use crate::{event::OrderState, id::OrderId, position::Position, refusal::Refusal};

/// An answer to one caller.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Reply {
    /// The caller's own words.
    pub correlation: [u8; 16],
    /// The record that is answered.
    pub position: Position,
    /// The answer.
    pub answer: Answer,
}

/// What is answered. INTAKE answers the first five, ENGINE `Done` and `Outcome`, CONTROL `Published`; all
/// may refuse.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Answer {
    /// Taken. The order's id, its home zone (absent: parked as `no_zone`), and the record that first named it.
    Accepted(Accepted),
    /// Known: this is what was answered first.
    Repeat(Accepted),
    /// Taken, and waits for the order it is about.
    Early,
    /// Taken and dropped: a later version is known.
    Ignored,
    /// Not taken.
    Refused {
        /// Why.
        refusal: Refusal,
        /// What exactly, for people.
        detail: String,
    },
    /// A fact or a request about stock or fulfilment was applied.
    Done,
    /// The order after its command.
    Outcome(Outcome),
    /// Reference material was published at this offset of `router.control`.
    Published(u64),
}

/// Intake's first answer to an order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Accepted {
    /// Our id of the order.
    pub order: OrderId,
    /// Its home zone; absent while none is known.
    pub zone: Option<String>,
    /// The record that first named the order.
    pub position: Position,
}

/// The order after a command, as the engine saw it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// The order.
    pub order: OrderId,
    /// Its state.
    pub state: OrderState,
    /// Nodes that have open allocations of it, in order of first allocation.
    pub nodes: Vec<String>,
    /// True: answered from memory to a repeat.
    pub repeat: bool,
}
