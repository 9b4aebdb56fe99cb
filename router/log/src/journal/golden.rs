//! The journal's files at level 1, against `router/log/golden/level-1/journal.golden`: what was written once must be
//! read for ever, and the same transactions must be written the same. `schemas/golden/README.md` says how entries
//! are added.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::PathBuf};

use router_schemas::position::LogId;

use super::*;
use crate::{Commit, frame};

/// Makes the file where there is none.
const ADD: &str = "GOLDEN_ADD";
/// Writes it anew: only while no log of this level exists anywhere.
const CHANGE: &str = "GOLDEN_CHANGE_BYTES_OF_EXISTING_LOGS";

fn options() -> Options {
    Options {
        create: Some(LogId(std::array::from_fn(|i| 0xa0 + i as u8))),
        segment_bytes: 700,
        cache_bytes: 1_000,
        reserve_bytes: 0,
        clock: Arc::new(|| 1_777_888_999_000),
    }
}

fn at(topic: Topic, partition: u16) -> TopicPartition {
    TopicPartition::new(topic, partition)
}

fn letters() -> Topic {
    Topic::DeadLetter("orders.web".into())
}

/// Transactions of every form: topics, records of several partitions, progress, a replica, an empty record; over
/// two segments, closed cleanly.
fn write(folder: &Path) {
    let log = Journal::open(folder, options()).unwrap();
    for (topic, partitions) in [(Topic::Commands, 2), (Topic::Events, 1), (letters(), 1)] {
        log.create_topic(&topic, partitions).unwrap();
    }
    let replica = (5..7).map(|offset| Record {
        offset,
        at: 1_700_000_000_000 + offset as i64,
        payload: format!("replica {offset}").into(),
    });
    log.append_replica(&at(Topic::Commands, 1), &replica.collect::<Vec<_>>()).unwrap();
    for n in 0..6u64 {
        let mut transaction = Transaction::default();
        transaction.push(&Topic::Commands, 0, format!("command {n}").as_bytes());
        transaction.push(&Topic::Events, 0, b"");
        transaction.push(&Topic::Events, 0, &[n as u8; 20]);
        if n == 3 {
            transaction.push(&letters(), 0, b"letter");
        }
        transaction.commit(Commit { group: "engine".into(), source: at(Topic::Commands, 0), next: n });
        let appended = log.append(&transaction).unwrap();
        log.wait_durable(appended.ticket).unwrap();
    }
}

/// The files of a journal, each cut into its frames: name, reading, bytes.
fn entries(folder: &Path) -> Vec<(String, String, Vec<u8>)> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names.retain(|name| name != "lock");
    let mut entries = Vec::new();
    for name in names {
        let bytes = fs::read(folder.join(&name)).unwrap();
        let mut byte = 0;
        while name.ends_with(".seg") && byte < bytes.len() {
            let (head, index) = frame::decode(&bytes[byte..]).unwrap();
            let reading = format!("frame {}, at {}, {index:?}", head.number, head.at);
            let end = byte + frame::HEAD + head.length;
            entries.push((format!("{name}@{byte}"), reading, bytes[byte..end].to_vec()));
            byte = end;
        }
        if name.ends_with(".idx") {
            let sidecar = segments::read_checked::<segments::Sidecar>(&folder.join(&name)).unwrap();
            let segments::Sidecar { last_frame, last_at, topics, partitions } = sidecar;
            let reading = format!("last frame {last_frame} at {last_at}, {topics:?}, {partitions:?}");
            entries.push((format!("{name}@0"), reading, bytes));
        } else if byte == 0 {
            entries.push((format!("{name}@0"), "where the journal ended".into(), bytes));
        }
    }
    entries
}

fn text(folder: &Path) -> String {
    let mut text = "# The files of a journal at level 1; see schemas/golden/README.md\n".to_owned();
    for (name, reading, bytes) in entries(folder) {
        let hex = bytes.iter().fold(String::new(), |mut hex, b| {
            write!(hex, "{b:02x}").expect("a String takes all");
            hex
        });
        write!(text, "\n## {name}\nvalue {reading}\nbytes {hex}\n").expect("a String takes all");
    }
    text
}

fn golden() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/level-1/journal.golden")
}

/// The golden files, in a folder of their own.
fn restored() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut file = String::new();
    for line in fs::read_to_string(golden()).unwrap().lines() {
        if let Some(name) = line.strip_prefix("## ") {
            file = name.split('@').next().unwrap().to_owned();
        } else if let Some(hex) = line.strip_prefix("bytes ") {
            let pairs = hex.as_bytes().chunks(2).map(|p| std::str::from_utf8(p).unwrap());
            let bytes = pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap());
            files.entry(file.clone()).or_default().extend(bytes);
        }
    }
    files.iter().for_each(|(name, bytes)| fs::write(folder.path().join(name), bytes).unwrap());
    fs::write(folder.path().join("lock"), "").unwrap();
    folder
}

fn read(log: &Journal, partition: TopicPartition) -> Vec<(u64, i64, Vec<u8>)> {
    let range = log.range(&partition).unwrap();
    let mut all = Vec::new();
    crate::scan::<LogError>(log, &partition, range, Isolation::Durable, |records| {
        all.extend(records.iter().map(|r| (r.offset, r.at, r.payload.to_vec())));
        Ok(())
    })
    .unwrap();
    all
}

fn check(log: &Journal) {
    assert_eq!(log.log_id(), options().create.unwrap());
    assert_eq!(log.topics(), [(Topic::Commands, 2), (Topic::Events, 1), (letters(), 1)]);
    let now = 1_777_888_999_000;
    let commands: Vec<_> = (0..6).map(|n| (n, now, format!("command {n}").into_bytes())).collect();
    assert_eq!(read(log, at(Topic::Commands, 0)), commands);
    let replica = |n: u64| (n, 1_700_000_000_000 + n as i64, format!("replica {n}").into_bytes());
    assert_eq!(read(log, at(Topic::Commands, 1)), [replica(5), replica(6)]);
    let event = |n: u64| (n, now, if n.is_multiple_of(2) { Vec::new() } else { vec![n as u8 / 2; 20] });
    assert_eq!(read(log, at(Topic::Events, 0)), (0..12).map(event).collect::<Vec<_>>());
    assert_eq!(read(log, at(letters(), 0)), [(0, now, b"letter".to_vec())]);
    assert_eq!(log.committed("engine", &at(Topic::Commands, 0)), Some(5));
    assert!(log.verify().unwrap() >= 10);
}

#[test]
fn golden_transactions_are_written_as_at_level_1() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let written = text(folder.path());
    let asked = |name: &str| std::env::var_os(name).is_some_and(|v| v == "1");
    if asked(CHANGE) || asked(ADD) && !golden().exists() {
        fs::create_dir_all(golden().parent().unwrap()).unwrap();
        fs::write(golden(), &written).unwrap();
    }
    let stored = fs::read_to_string(golden()).unwrap();
    for (mine, kept) in written.lines().zip(stored.lines()) {
        assert_eq!(mine, kept);
    }
    assert_eq!(written.lines().count(), stored.lines().count());
    assert!(written.contains("0000000002.seg@0"), "two segments");
}

#[test]
fn golden_journals_open_and_read_the_same() {
    let folder = restored();
    check(&Journal::open_read_only(folder.path(), Options { create: None, ..options() }).unwrap());
    // Without the index of the closed segment, frame by frame.
    fs::remove_file(folder.path().join("0000000001.idx")).unwrap();
    check(&Journal::open_read_only(folder.path(), Options { create: None, ..options() }).unwrap());
    // And it goes on.
    let log = Journal::open(folder.path(), Options { create: None, ..options() }).unwrap();
    check(&log);
    let mut transaction = Transaction::default();
    transaction.push(&Topic::Commands, 0, b"next");
    assert_eq!(log.append(&transaction).unwrap().offsets, [6]);
}

#[test]
fn golden_frames_with_one_byte_changed_are_refused() {
    let folder = restored();
    let segment = fs::read(folder.path().join("0000000002.seg")).unwrap();
    let (head, _) = frame::decode(&segment).unwrap();
    for byte in 0..frame::HEAD + head.length {
        let mut bytes = segment.clone();
        bytes[byte] ^= 0x10;
        assert!(frame::decode(&bytes).is_err(), "byte {byte}");
    }
    for end in 0..frame::HEAD + head.length {
        assert!(frame::decode(&segment[..end]).is_err(), "cut at {end}");
    }
}
