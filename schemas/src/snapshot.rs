//! The form of a stage's snapshot: a format byte, then the state in postcard. States are ordered collections, so
//! equal content gives equal bytes.

use std::io;

use serde::{Serialize, de::DeserializeOwned};
use xxhash_rust::xxh3::Xxh3;

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

/// Writes the same bytes as [`write`], without holding them all.
pub fn write_to<T: Serialize>(state: &T, out: &mut dyn io::Write) -> io::Result<()> {
    out.write_all(&[FORMAT])?;
    postcard::to_io(state, out).map(|_| ()).map_err(io::Error::other)
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
    let mut hasher = io::BufWriter::with_capacity(16 << 10, Hashed(Xxh3::new()));
    write_to(state, &mut hasher).and_then(|()| io::Write::flush(&mut hasher)).expect("a hash takes all");
    hasher.get_ref().0.digest()
}

/// Hashes what is written to it.
struct Hashed(Xxh3);

impl io::Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_streamed_form_is_the_same() {
        let state: Vec<(u64, String)> = (0..5_000).map(|n| (n * n, "x".repeat(n as usize % 40))).collect();
        let (mut whole, mut streamed) = (Vec::new(), Vec::new());
        write(&state, &mut whole);
        write_to(&state, &mut streamed).unwrap();
        assert_eq!(whole, streamed);
        assert_eq!(hash(&state), xxhash_rust::xxh3::xxh3_64(&whole));
        assert_eq!(read::<Vec<(u64, String)>>(&whole).unwrap(), state);
    }
}
