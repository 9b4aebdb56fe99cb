//! What must hold whatever lies in a journal's folder: it opens or is refused with a code and a place, and what
//! opened reads from its first record to its last.

use std::{cell::RefCell, fs, path::Path, time::Duration};

use router_log::{CODES, Isolation, Journal, Log, LogError, Options};
use router_schemas::position::TopicPartition;

thread_local! {
    static FOLDER: RefCell<Option<tempfile::TempDir>> = const { RefCell::new(None) };
}

/// The first byte says what the rest is: bit 0, checksums are made right first, since damage that they find is
/// never looked at; bit 1, the file is the index of a closed segment, else a segment.
pub fn journal(input: &[u8]) {
    let Some((how, bytes)) = input.split_first() else { return };
    let (repair, index) = (how & 1 == 1, how & 2 == 2);
    FOLDER.with_borrow_mut(|folder| {
        let folder = folder.get_or_insert_with(|| tempfile::tempdir().expect("a folder")).path();
        if index {
            let mut bytes = bytes.to_vec();
            if repair && let Some((crc, body)) = bytes.split_at_mut_checked(4) {
                crc.copy_from_slice(&crc32fast::hash(body).to_le_bytes());
            }
            put(folder, &first_segment(), Some(&bytes), Some(&second_segment()));
        } else {
            let mut bytes = bytes.to_vec();
            if repair {
                make_right(&mut bytes);
            }
            put(folder, &bytes, None, None);
        }
        open(folder, !index);
    });
}

fn put(folder: &Path, first: &[u8], index: Option<&[u8]>, second: Option<&[u8]>) {
    let file = |name: &str, bytes: Option<&[u8]>| {
        let path = folder.join(name);
        match bytes {
            Some(bytes) => fs::write(path, bytes).expect("a file"),
            None => drop(fs::remove_file(path)),
        }
    };
    file("lock", Some(b""));
    file("closed", None);
    file("0000000001.seg", Some(first));
    file("0000000001.idx", index);
    file("0000000002.seg", second);
}

/// `dense`: the segments themselves were read, so offsets follow each other.
fn open(folder: &Path, dense: bool) {
    let log = match Journal::open_read_only(folder, Options { cache_bytes: 0, ..Options::default() }) {
        Ok(log) => log,
        Err(error) => return refused(&error),
    };
    for (topic, partitions) in log.topics() {
        // Some of many: a topic may have as many as there are numbers.
        for number in (0..partitions).take(4).chain(partitions.checked_sub(1)) {
            let partition = TopicPartition::new(topic.clone(), number);
            let range = log.range(&partition).expect("a partition that the log names");
            log.committed("engine", &partition);
            if range.is_empty() {
                continue;
            }
            let mut reader =
                log.reader(vec![(partition, range.start)], Isolation::Durable).expect("a reader");
            let mut next = range.start;
            let mut bytes = 0;
            while next < range.end {
                match reader.poll(100, 1 << 16, Duration::ZERO) {
                    Ok(Some(batch)) => {
                        let in_order =
                            batch.records.iter().zip(next..).all(|(record, offset)| record.offset == offset);
                        assert!(in_order || !dense, "records follow each other");
                        bytes += batch.records.iter().map(|r| r.payload.len() as u64).sum::<u64>();
                        next += batch.records.len() as u64;
                    }
                    Ok(None) => break,
                    Err(error) => {
                        refused(&error);
                        break;
                    }
                }
            }
            let on_disk = fs::metadata(folder.join("0000000001.seg")).map_or(0, |m| m.len());
            assert!(bytes <= 8 * on_disk + (1 << 20), "{bytes} bytes read of a file of {on_disk}");
        }
    }
    if let Err(error) = log.verify() {
        refused(&error);
    }
}

fn refused(error: &LogError) {
    let text = error.to_string();
    assert!(CODES.iter().any(|code| text.starts_with(code.id)), "{text} has a documented code");
    assert!(text.len() < 1_000, "an error of {} bytes", text.len());
}

/// Walks the frames as their lengths say, and makes each checksum fit.
fn make_right(bytes: &mut [u8]) {
    let mut byte = 0;
    while let Some(frame) = bytes.get_mut(byte..).filter(|f| f.len() >= 32) {
        let length = u32::from_le_bytes([frame[4], frame[5], frame[6], frame[7]]) as usize;
        let Some(end) = length.checked_add(32).filter(|end| *end <= frame.len()) else { return };
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&frame[4..8]);
        hasher.update(&frame[12..end]);
        frame[8..12].copy_from_slice(&hasher.finalize().to_le_bytes());
        byte += end;
    }
}

/// A closed segment: what an index is beside.
fn first_segment() -> Vec<u8> {
    golden("0000000001.seg")
}

/// The segment behind it: only then the index is read.
fn second_segment() -> Vec<u8> {
    golden("0000000002.seg")
}

/// A file of the golden journal.
fn golden(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut mine = false;
    for line in include_str!("../../golden/level-1/journal.golden").lines() {
        if let Some(entry) = line.strip_prefix("## ") {
            mine = entry.split('@').next() == Some(name);
        } else if let Some(hex) = line.strip_prefix("bytes ").filter(|_| mine) {
            let pairs = hex.as_bytes().chunks(2).filter_map(|p| std::str::from_utf8(p).ok());
            bytes.extend(pairs.filter_map(|pair| u8::from_str_radix(pair, 16).ok()));
        }
    }
    bytes
}
