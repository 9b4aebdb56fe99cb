//! The deterministic state machines: [`engine::Engine`] decides on orders and stock, [`control::Control`] publishes
//! reference material. Neither knows a clock, chance, floats or the outside: the same records give the same bytes.

pub mod control;
pub mod engine;

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
pub const SNAPSHOT_FORMAT: u8 = 1;

/// Appends the snapshot of `state`.
fn write_snapshot<T: serde::Serialize>(state: &T, out: &mut Vec<u8>) {
    out.push(SNAPSHOT_FORMAT);
    router_schemas::envelope::write_postcard(state, out);
}

/// Reads what [`write_snapshot`] wrote.
fn read_snapshot<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, SnapshotError> {
    match bytes.split_first() {
        Some((&SNAPSHOT_FORMAT, body)) => {
            postcard::from_bytes(body).map_err(|e| SnapshotError::Decode(e.to_string()))
        }
        Some((format, _)) => Err(SnapshotError::Format(*format)),
        None => Err(SnapshotError::Decode("it is empty".into())),
    }
}

/// XXH3-64 of a state's snapshot: states are ordered collections, so equal content gives equal bytes.
fn hash_state<T: serde::Serialize>(state: &T) -> u64 {
    let mut bytes = Vec::new();
    write_snapshot(state, &mut bytes);
    xxhash_rust::xxh3::xxh3_64(&bytes)
}
