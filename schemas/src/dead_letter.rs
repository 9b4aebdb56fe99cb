//! What could not be read, with its bytes.

use serde::{Deserialize, Serialize};

use crate::{command::Hash16, position::Position};

/// A message that could not be taken. Its bytes are sealed where a key is known, since raw messages name people.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Where it lay.
    pub position: Position,
    /// Documented error code.
    pub code: String,
    /// JSON pointer to the place, empty for the whole.
    pub pointer: String,
    /// What is wrong there, for people; never the value itself.
    pub detail: String,
    /// Names the data key of the bytes; all zero: the bytes are as they came.
    pub key: Hash16,
    /// The message.
    #[serde(with = "serde_bytes")]
    pub bytes: Vec<u8>,
    /// What became of it: written again with `true` once replayed.
    pub resolved: bool,
}
