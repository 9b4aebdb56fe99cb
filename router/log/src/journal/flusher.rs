//! The thread that brings frames to the disk: one write and one sync a round.

use std::{
    fs::File,
    io::{self, IoSlice, Seek, SeekFrom, Write},
    sync::PoisonError,
    time::Duration,
};

use super::{Shared, segments};
use crate::{LogState, Ticket, journal::state::Pending};

/// Bytes of one round at most, so that a waiter never waits for more than that.
const ROUND_BYTES: usize = 16 << 20;
/// Slices that the system takes in one write.
const SLICES: usize = 1024;
const RETRY: Duration = Duration::from_millis(200);

/// Runs until the journal is closed and everything is on disk, or until a write fails for good.
pub(crate) fn run(shared: &Shared) {
    let mut open = None;
    loop {
        let round = match next_round(shared) {
            Some(round) => round,
            None => break,
        };
        if let Err(error) = write_round(shared, &mut open, &round) {
            fail(shared, &error);
            return;
        }
        let mut state = shared.lock();
        for frame in &round {
            state.pending_bytes -= frame.bytes.len();
            state.durable = frame.number;
        }
        let ticket = Ticket(state.durable);
        state.shrink_cache(shared.options.cache_bytes);
        drop(state);
        shared.watermark.send_replace(ticket);
        shared.settled.notify_all();
    }
    if let Err(error) = segments::mark_clean(shared) {
        tracing::warn!(%error, "the journal could not be marked as closed");
    }
}

fn next_round(shared: &Shared) -> Option<Vec<Pending>> {
    let mut state = shared.lock();
    while state.pending.is_empty() {
        if state.closing {
            return None;
        }
        state = shared.work.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
    let mut round = Vec::new();
    let mut bytes = 0;
    while let Some(frame) = state.pending.pop_front() {
        bytes += frame.bytes.len();
        round.push(frame);
        if bytes >= ROUND_BYTES {
            break;
        }
    }
    Some(round)
}

/// The segment being written.
struct Open {
    number: u32,
    file: File,
    end: u64,
}

fn write_round(shared: &Shared, open: &mut Option<Open>, round: &[Pending]) -> io::Result<()> {
    let mut rest = round;
    while let Some(first) = rest.first() {
        let count = rest.iter().take_while(|f| f.segment == first.segment).count();
        let (now, later) = rest.split_at(count);
        if open.as_ref().is_none_or(|o| o.number != first.segment) {
            if let Some(done) = open.take() {
                with_room(shared, || segments::write_sidecar(shared, done.number))?;
            }
            *open = Some(with_room(shared, || open_segment(shared, first.segment))?);
        }
        let target = open.as_mut().expect("opened above");
        let bytes: usize = now.iter().map(|f| f.bytes.len()).sum();
        with_room(shared, || {
            // A write that ran out of room may have left a part: the next try starts at the same place.
            target.file.seek(SeekFrom::Start(target.end))?;
            write_frames(&mut target.file, now).inspect_err(|_| {
                // Should the cut fail as well, the next try overwrites the part, and recovery cuts it.
                let _ = target.file.set_len(target.end);
            })?;
            rustix::fs::fdatasync(&target.file).map_err(io::Error::from)
        })?;
        target.end += bytes as u64;
        rest = later;
    }
    look_at_room(shared);
    Ok(())
}

/// Writes frames one behind the other, without a copy of them.
fn write_frames(file: &mut File, frames: &[Pending]) -> io::Result<()> {
    for some in frames.chunks(SLICES) {
        let mut slices: Vec<_> = some.iter().map(|f| IoSlice::new(&f.bytes)).collect();
        let mut rest = slices.as_mut_slice();
        while !rest.is_empty() {
            match file.write_vectored(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => IoSlice::advance_slices(&mut rest, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

fn open_segment(shared: &Shared, number: u32) -> io::Result<Open> {
    let path = segments::path(&shared.folder, number);
    let file = File::options().create(true).truncate(false).read(true).write(true).open(path)?;
    File::open(&shared.folder)?.sync_all()?;
    let end = file.metadata()?.len();
    Ok(Open { number, file, end })
}

/// Tries until there is room; any other error is final. A sync that failed for another reason is never tried
/// again: the system may have dropped the pages.
fn with_room<T>(shared: &Shared, mut step: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match step() {
            Ok(done) => {
                let mut state = shared.lock();
                if matches!(state.log_state, LogState::NoRoom(_)) {
                    tracing::info!("the journal has room again");
                    state.log_state = LogState::Running;
                }
                return Ok(done);
            }
            Err(error) if is_full(&error) => {
                let mut state = shared.lock();
                if matches!(state.log_state, LogState::Running) {
                    tracing::error!(%error, folder = %shared.folder.display(), "the journal has no room");
                    state.log_state = LogState::NoRoom(format!("{}: {error}", shared.folder.display()));
                    shared.settled.notify_all();
                }
                // Nobody was told that what still waits is on disk: closing need not wait for room.
                if state.closing {
                    return Err(error);
                }
                drop(state);
                std::thread::sleep(RETRY);
            }
            Err(error) => return Err(error),
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Notes whether less than the reserve is free.
fn look_at_room(shared: &Shared) {
    let Ok(found) = rustix::fs::statvfs(&shared.folder) else { return };
    let free = found.f_bavail * found.f_frsize;
    let scarce = (free < shared.options.reserve_bytes)
        .then(|| format!("{}: only {} MiB are free", shared.folder.display(), free >> 20));
    shared.lock().scarce = scarce;
}

/// Looks again while nothing is written, so that orders are taken as soon as there is room.
pub(crate) fn refresh_room(shared: &Shared) {
    if shared.lock().scarce.is_some() {
        look_at_room(shared);
    }
}

fn fail(shared: &Shared, error: &io::Error) {
    tracing::error!(%error, folder = %shared.folder.display(), "the journal stopped");
    shared.lock().log_state = LogState::Failed(format!("{}: {error}", shared.folder.display()));
    shared.settled.notify_all();
    shared.appended.notify_all();
    shared.watermark.send_modify(|_| {});
}
