//! Segment files, their indexes beside them, the marker of a clean end, and trimming.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use router_schemas::position::{Topic, TopicPartition};
use serde::{Deserialize, Serialize};

use super::{
    Shared, flusher,
    state::{Entry, PartitionState, Segment, State},
};
use crate::{
    LogError, Trimmed,
    frame::{self, FrameIndex, HEAD},
};

/// The index of a closed segment, so that opening need not read the segment.
#[derive(Serialize, Deserialize)]
pub(crate) struct Sidecar {
    pub last_frame: u64,
    pub last_at: i64,
    /// Name and partition count of every topic known when it was closed, in number order.
    pub topics: Vec<(String, u16)>,
    /// Topic number, partition, offset behind its last record here, entries.
    pub partitions: Vec<(u16, u16, u64, Vec<Entry>)>,
}

/// What a journal that was closed says of its end.
#[derive(Serialize, Deserialize)]
pub(crate) struct CleanEnd {
    pub segment: u32,
    pub bytes: u64,
}

pub(crate) fn path(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("{number:010}.seg"))
}

pub(crate) fn sidecar_path(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("{number:010}.idx"))
}

pub(crate) fn clean_path(folder: &Path) -> PathBuf {
    folder.join("closed")
}

/// Reads the frame at this byte of a segment, checked.
pub(crate) fn read_frame(path: &Path, file: &File, byte: u64) -> Result<(Bytes, FrameIndex), LogError> {
    let damaged = |reason: &str| LogError::Damaged { path: path.to_owned(), byte, reason: reason.to_owned() };
    let mut head = [0; HEAD];
    file.read_exact_at(&mut head, byte).map_err(LogError::io("cannot read", path))?;
    let length = frame::head(&head).map_err(damaged)?.length;
    let left = file.metadata().map_err(LogError::io("cannot read", path))?.len().saturating_sub(byte);
    if (HEAD + length) as u64 > left {
        return Err(damaged("the frame ends behind its file"));
    }
    let mut bytes = vec![0; HEAD + length];
    file.read_exact_at(&mut bytes, byte).map_err(LogError::io("cannot read", path))?;
    let (_, index) = frame::decode(&bytes).map_err(damaged)?;
    Ok((Bytes::from(bytes), index))
}

/// Numbers of the segments in the folder, ascending.
pub(crate) fn list(folder: &Path) -> Result<Vec<u32>, LogError> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder).map_err(LogError::io("cannot list", folder))? {
        let name = entry.map_err(LogError::io("cannot list", folder))?.file_name();
        if let Some(number) = name.to_str().and_then(|n| n.strip_suffix(".seg")) {
            numbers.extend(number.parse::<u32>().ok());
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Writes the index of a segment that is complete.
pub(crate) fn write_sidecar(shared: &Shared, number: u32) -> io::Result<()> {
    let sidecar = {
        let state = shared.lock();
        let Some(place) = state.segments.iter().position(|s| s.number == number) else { return Ok(()) };
        let mut partitions = Vec::new();
        let mut last_frame = 0;
        for (t, topic) in state.topics.iter().enumerate() {
            for (p, partition) in topic.partitions.iter().enumerate() {
                let from = partition.entries.partition_point(|e| e.segment < number);
                let to = partition.entries.partition_point(|e| e.segment <= number);
                if from == to {
                    continue;
                }
                let entries: Vec<Entry> = partition.entries.range(from..to).copied().collect();
                let next = partition.entries.get(to).map_or(partition.next, |e| e.base);
                last_frame = entries.last().map_or(last_frame, |e| last_frame.max(e.frame));
                partitions.push((t as u16, p as u16, next, entries));
            }
        }
        let topics = state.topics.iter().map(|t| (t.topic.name(), t.partitions.len() as u16)).collect();
        Sidecar { last_frame, last_at: state.segments[place].last_at, topics, partitions }
    };
    write_checked(&sidecar_path(&shared.folder, number), &sidecar)
}

/// Reads a file written by [`write_checked`]; `None` where it is missing or damaged.
pub(crate) fn read_checked<T: serde::de::DeserializeOwned>(path: &Path) -> Option<T> {
    let bytes = fs::read(path).ok()?;
    let (crc, body) = bytes.split_at_checked(4)?;
    (crc32fast::hash(body).to_le_bytes() == crc).then(|| postcard::from_bytes(body).ok())?
}

/// Writes CRC and body to a new file, then gives it its name: it is there whole or not at all.
fn write_checked<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let body = postcard::to_stdvec(value).map_err(io::Error::other)?;
    let fresh = path.with_extension("new");
    let mut file = File::create(&fresh)?;
    file.write_all(&crc32fast::hash(&body).to_le_bytes())?;
    file.write_all(&body)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// Notes where the journal ends, when everything is on disk.
pub(crate) fn mark_clean(shared: &Shared) -> io::Result<()> {
    let end = {
        let state = shared.lock();
        let Some(last) = state.segments.back() else { return Ok(()) };
        CleanEnd { segment: last.number, bytes: last.bytes }
    };
    write_checked(&clean_path(&shared.folder), &end)
}

/// The offset behind the last record that a partition has in segments up to this one.
fn behind(partition: &PartitionState, segment: u32) -> u64 {
    let count = partition.entries.partition_point(|e| e.segment <= segment);
    partition.entries.get(count).map_or(partition.next, |e| e.base)
}

/// True where nobody needs the segment, and all before it. `next`: the one behind it.
fn is_done(
    state: &State,
    segment: &Segment,
    next: &Segment,
    keep: &dyn Fn(&TopicPartition) -> u64,
    retain_after: &dyn Fn(&Topic) -> i64,
) -> bool {
    // The first frame of the next one repeats what recovery has to know: it must be on disk.
    let written = next.first_frame <= state.durable;
    let needed = state.topics.iter().any(|topic| {
        topic.partitions.iter().enumerate().any(|(p, partition)| {
            let at = TopicPartition::new(topic.topic.clone(), p as u16);
            let holds = partition.entries.front().is_some_and(|e| e.segment <= segment.number);
            holds
                && (keep(&at) < behind(partition, segment.number)
                    || retain_after(&topic.topic) <= segment.last_at)
        })
    });
    written && !needed
}

/// See [`crate::Log::trimmable`].
pub(crate) fn trimmable(
    state: &State,
    keep: &dyn Fn(&TopicPartition) -> u64,
    retain_after: &dyn Fn(&Topic) -> i64,
) -> Vec<(TopicPartition, u64)> {
    let pairs = state.segments.iter().zip(state.segments.iter().skip(1));
    let done = pairs.take_while(|(segment, next)| is_done(state, segment, next, keep, retain_after));
    let Some((last, _)) = done.last() else { return Vec::new() };
    let mut lost = Vec::new();
    for topic in &state.topics {
        for (p, partition) in topic.partitions.iter().enumerate() {
            if partition.entries.front().is_some_and(|e| e.segment <= last.number) {
                let at = TopicPartition::new(topic.topic.clone(), p as u16);
                lost.push((at, behind(partition, last.number)));
            }
        }
    }
    lost
}

/// Removes the oldest segments that nobody needs; see [`crate::Log::trim`].
pub(crate) fn trim(
    shared: &Shared,
    keep: &dyn Fn(&TopicPartition) -> u64,
    retain_after: &dyn Fn(&Topic) -> i64,
) -> Result<Trimmed, LogError> {
    flusher::refresh_room(shared);
    let mut trimmed = Trimmed::default();
    loop {
        let mut state = shared.lock();
        let pair = state.segments.front().zip(state.segments.get(1));
        let Some((oldest, _)) =
            pair.filter(|(oldest, next)| is_done(&state, oldest, next, keep, retain_after))
        else {
            return Ok(trimmed);
        };
        let (number, bytes) = (oldest.number, oldest.bytes);
        for topic in &mut state.topics {
            for partition in &mut topic.partitions {
                let count = partition.entries.partition_point(|e| e.segment <= number);
                partition.entries.drain(..count);
                partition.first = partition.entries.front().map_or(partition.next, |e| e.base);
            }
        }
        state.segments.pop_front();
        drop(state);
        for file in [sidecar_path(&shared.folder, number), path(&shared.folder, number)] {
            match fs::remove_file(&file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(LogError::Io { step: "cannot remove", path: file, source: error });
                }
                _ => {}
            }
        }
        trimmed.segments += 1;
        trimmed.bytes += bytes;
    }
}
