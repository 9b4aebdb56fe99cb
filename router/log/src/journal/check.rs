//! Reading again what lies on disk, piece by piece, to find damage before somebody needs what was there.

use std::{fs::File, io, path::Path};

use super::{Shared, segments};
use crate::{LogError, frame::HEAD};

/// Bytes that one piece reads, about.
const PIECE: u64 = 1 << 20;

/// How far a check has come. Begins at the oldest segment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Checked {
    /// The segment being read.
    segment: u32,
    /// Where its next frame begins.
    byte: u64,
    /// Number of the last frame that was read.
    frame: u64,
    /// Frames read.
    frames: u64,
}

impl Checked {
    /// Frames that were read and found whole.
    pub fn frames(&self) -> u64 {
        self.frames
    }
}

/// Reads the next piece: of the segments that are closed, or with `open` up to `durable` of the one being written as
/// well. False: nothing is left.
pub(super) fn piece(
    shared: &Shared,
    checked: &mut Checked,
    open: bool,
    durable: u64,
) -> Result<bool, LogError> {
    let found = {
        let state = shared.lock();
        let last = state.segments.back().map_or(0, |s| s.number);
        let wanted = state.segments.iter().find(|s| s.number >= checked.segment);
        wanted.filter(|s| open || s.number != last).map(|s| (s.number, s.bytes))
    };
    let Some((number, end)) = found.filter(|_| checked.frame == 0 || checked.frame < durable) else {
        return Ok(false);
    };
    if number != checked.segment {
        // Of what was trimmed meanwhile nothing is missed.
        let frame = if checked.segment + 1 == number { checked.frame } else { 0 };
        *checked = Checked { segment: number, byte: 0, frame, ..*checked };
    }
    let path = segments::path(&shared.folder, number);
    match read(&path, end, checked, durable) {
        Err(_) if shared.lock().segments.front().is_none_or(|oldest| oldest.number > number) => Ok(true),
        Err(error) => Err(error),
        Ok(()) if checked.byte >= end => {
            *checked = Checked { segment: number + 1, byte: 0, ..*checked };
            Ok(true)
        }
        Ok(()) => Ok(true),
    }
}

fn read(path: &Path, end: u64, checked: &mut Checked, durable: u64) -> Result<(), LogError> {
    let file = File::open(path).map_err(LogError::io("cannot open", path))?;
    let until = end.min(checked.byte + PIECE);
    while checked.byte < until && checked.frame < durable {
        let byte = checked.byte;
        let damaged =
            |reason: &str| LogError::Damaged { path: path.to_owned(), byte, reason: reason.to_owned() };
        let (bytes, _) = segments::read_frame(path, &file, byte).map_err(|error| match error {
            LogError::Io { source, .. } if source.kind() == io::ErrorKind::UnexpectedEof => {
                damaged("the segment ends early")
            }
            error => error,
        })?;
        let head = crate::frame::head(&bytes).map_err(damaged)?;
        if checked.frame != 0 && head.number != checked.frame + 1 {
            return Err(damaged("frames are missing before it"));
        }
        checked.byte += (HEAD + head.length) as u64;
        checked.frame = head.number;
        checked.frames += 1;
    }
    Ok(())
}
