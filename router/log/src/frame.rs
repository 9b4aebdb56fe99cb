//! Frames: one transaction as bytes.
//!
//! ```text
//! magic "ORJ1" (4) | length of the rest after the head (u32) | CRC-32 of all that follows (u32)
//! frame number (u64) | append time, ms (i64) | length of the index (u32)
//! index: postcard of FrameIndex | records: each length (u32), own time (i64, where the group says so), bytes
//! ```
//! All numbers little endian.

use std::sync::Arc;

use bytes::Bytes;
use router_schemas::position::LogId;
use serde::{Deserialize, Serialize};

use crate::{
    Commit, Record,
    journal::pool::{Buffer, Pool},
};

pub(crate) const MAGIC: [u8; 4] = *b"ORJ1";
/// Bytes up to the index.
pub(crate) const HEAD: usize = 32;

/// What a frame holds.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct FrameIndex {
    pub groups: Vec<Group>,
    pub commits: Vec<Commit>,
    /// Topics made by this frame: number, name, partitions.
    pub topics: Vec<(u16, String, u16)>,
    /// Set in the first frame of a segment.
    pub segment: Option<SegmentHead>,
}

/// Records of one partition within a frame.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Group {
    pub topic: u16,
    pub partition: u16,
    pub base: u64,
    pub count: u32,
    /// Start within the records area.
    pub start: u32,
    /// Records carry times of their own: copied from another log.
    pub timed: bool,
}

/// All that recovery needs from before the segment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SegmentHead {
    pub log: LogId,
    /// Number, name and next offset of each partition.
    pub topics: Vec<(u16, String, Vec<u64>)>,
    pub commits: Vec<Commit>,
}

/// A frame's fixed head.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    pub length: usize,
    pub number: u64,
    pub at: i64,
    index: usize,
}

/// A frame whose records are in place while its head and index are not known: what is long is done before the
/// log is locked.
pub(crate) struct Draft {
    buffer: Buffer,
    /// Bytes left free for head and index.
    gap: usize,
    /// CRC of the records.
    records: crc32fast::Hasher,
}

impl Draft {
    /// Takes a copy of the records. `room`: bytes that the index will need, as far as is known.
    pub fn new<'a>(pool: &Arc<Pool>, room: usize, areas: impl Iterator<Item = &'a [u8]> + Clone) -> Draft {
        let gap = HEAD + room;
        let mut buffer = pool.take(gap + areas.clone().map(<[u8]>::len).sum::<usize>());
        buffer.bytes.resize(gap, 0);
        areas.for_each(|area| buffer.bytes.extend_from_slice(area));
        let mut records = crc32fast::Hasher::new();
        records.update(&buffer.bytes[gap..]);
        Draft { buffer, gap, records }
    }

    /// The whole frame.
    pub fn finish(mut self, number: u64, at: i64, index: &FrameIndex) -> Bytes {
        let mut front = Vec::with_capacity(self.gap);
        front.extend_from_slice(&MAGIC);
        front.extend_from_slice(&[0; 8]);
        front.extend_from_slice(&number.to_le_bytes());
        front.extend_from_slice(&at.to_le_bytes());
        front.extend_from_slice(&[0; 4]);
        let mut front =
            postcard::to_extend(index, front).expect("an index has known lengths and a Vec takes all");
        let index_length = (front.len() - HEAD) as u32;
        front[28..32].copy_from_slice(&index_length.to_le_bytes());
        let length = (front.len() - HEAD + self.buffer.bytes.len() - self.gap) as u32;
        front[4..8].copy_from_slice(&length.to_le_bytes());
        let mut crc = crc32fast::Hasher::new();
        crc.update(&front[4..8]);
        crc.update(&front[12..]);
        crc.combine(&self.records);
        front[8..12].copy_from_slice(&crc.finalize().to_le_bytes());
        let Some(start) = self.gap.checked_sub(front.len()) else {
            // The index is longer than was thought: the records move.
            front.extend_from_slice(&self.buffer.bytes[self.gap..]);
            return Bytes::from(front);
        };
        self.buffer.bytes[start..self.gap].copy_from_slice(&front);
        Bytes::from_owner(self.buffer).slice(start..)
    }
}

/// CRC over the length and everything behind the CRC's own place.
fn checksum(frame: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&frame[4..8]);
    hasher.update(&frame[12..]);
    hasher.finalize()
}

/// Reads the head at the start of `bytes`; the error says how it shows that there is no frame.
pub(crate) fn head(bytes: &[u8]) -> Result<Head, &'static str> {
    let number =
        |range: std::ops::Range<usize>| bytes[range].iter().rev().fold(0u64, |n, b| n << 8 | u64::from(*b));
    if bytes.len() < HEAD {
        return Err("less than a head is left");
    }
    if bytes[..4] != MAGIC {
        return Err("no frame begins here");
    }
    let head = Head {
        length: number(4..8) as usize,
        number: number(12..20),
        at: number(20..28) as i64,
        index: number(28..32) as usize,
    };
    if head.index > head.length { Err("the index is longer than its frame") } else { Ok(head) }
}

/// Checks and reads a whole frame.
pub(crate) fn decode(frame: &[u8]) -> Result<(Head, FrameIndex), &'static str> {
    let found = head(frame)?;
    let frame = frame.get(..HEAD + found.length).ok_or("the frame ends early")?;
    if checksum(frame).to_le_bytes() != frame[8..12] {
        return Err("the checksum does not fit");
    }
    let index = index(frame, &found)?;
    Ok((found, index))
}

/// The index of a frame that was checked before.
pub(crate) fn index(frame: &[u8], head: &Head) -> Result<FrameIndex, &'static str> {
    let bytes = frame.get(HEAD..HEAD + head.index).ok_or("the index ends early")?;
    postcard::from_bytes(bytes).map_err(|_| "the index does not decode")
}

/// Appends the records of `group` from `offset` on, until `records` or `bytes` are used up.
pub(crate) fn read_group(
    frame: &Bytes,
    head: &Head,
    group: &Group,
    offset: u64,
    budget: &mut Budget,
    out: &mut Vec<Record>,
) -> Result<(), &'static str> {
    let mut at_byte = HEAD + head.index + group.start as usize;
    let take = |from: usize, count: usize| frame.get(from..from + count).ok_or("a record ends early");
    for next in group.base..group.base.saturating_add(u64::from(group.count)) {
        let length = u32::from_le_bytes(take(at_byte, 4)?.try_into().expect("four bytes")) as usize;
        at_byte += 4;
        let mut at = head.at;
        if group.timed {
            at = i64::from_le_bytes(take(at_byte, 8)?.try_into().expect("eight bytes"));
            at_byte += 8;
        }
        take(at_byte, length)?;
        if next >= offset {
            if budget.spent() {
                return Ok(());
            }
            budget.spend(length);
            out.push(Record { offset: next, at, payload: frame.slice(at_byte..at_byte + length) });
        }
        at_byte += length;
    }
    Ok(())
}

/// How much a poll may still return.
pub(crate) struct Budget {
    pub records: usize,
    pub bytes: usize,
}

impl Budget {
    pub fn spent(&self) -> bool {
        self.records == 0 || self.bytes == 0
    }

    fn spend(&mut self, bytes: usize) {
        self.records -= 1;
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}
