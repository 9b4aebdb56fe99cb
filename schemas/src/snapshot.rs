//! The form of a stage's snapshot: a format byte, then the state in postcard. States are ordered collections, so
//! equal content gives equal bytes.

use serde::{Serialize, de::DeserializeOwned};

use crate::envelope::write_postcard;

/// A snapshot could not be taken over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Written in a format of another behaviour level.
    #[error("snapshot format {0} is not known to this build")]
    Format(u8),
    /// The bytes are no state.
    #[error("the snapshot does not decode: {0}")]
    Decode(String),
}

/// Format of the snapshots that this build writes.
pub const FORMAT: u8 = 1;

/// Appends the snapshot of `state`.
pub fn write<T: Serialize>(state: &T, out: &mut Vec<u8>) {
    out.push(FORMAT);
    write_postcard(state, out);
}

/// Reads what [`write`] wrote.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, SnapshotError> {
    match bytes.split_first() {
        Some((&FORMAT, body)) => match postcard::take_from_bytes(body) {
            Ok((state, [])) => Ok(state),
            Ok((_, rest)) => Err(SnapshotError::Decode(format!("{} bytes follow the state", rest.len()))),
            Err(error) => Err(SnapshotError::Decode(error.to_string())),
        },
        Some((format, _)) => Err(SnapshotError::Format(*format)),
        None => Err(SnapshotError::Decode("it is empty".into())),
    }
}

/// XXH3-64 of a state's snapshot.
pub fn hash<T: Serialize>(state: &T) -> u64 {
    let mut bytes = Vec::new();
    write(state, &mut bytes);
    xxhash_rust::xxh3::xxh3_64(&bytes)
}
