//! Every input of the fuzz corpus through its target, and the golden records damaged in many ways: the properties
//! of `ingest/fuzz/targets` hold for all of them, on every machine that runs the tests.

#[path = "../../fuzz/targets/mod.rs"]
mod targets;

use std::{fs, path::PathBuf};

fn folder(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Files of a folder, sorted by name.
fn files(folder: &PathBuf) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn replay(name: &str) {
    let (_, target) = targets::ALL.iter().find(|(known, _)| *known == name).unwrap();
    let files = files(&folder("fuzz/corpus").join(name));
    assert!(files.len() >= 10, "the corpus of {name} is there");
    for file in files {
        // Printed where a target panics.
        println!("{}", file.display());
        target(&fs::read(&file).unwrap());
    }
}

#[test]
fn the_corpus_of_lines_holds() {
    replay("lines");
}

#[test]
fn the_corpus_of_messages_holds() {
    replay("message");
}

#[test]
fn the_corpus_of_records_holds() {
    replay("record");
}

#[test]
fn the_corpus_of_bodies_holds() {
    replay("body");
}

#[test]
fn the_corpus_of_texts_holds() {
    replay("text");
}

#[test]
fn every_corpus_has_a_target() {
    for folder in files(&folder("fuzz/corpus")) {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(targets::ALL.iter().any(|(known, _)| *known == name), "{name} belongs to no target");
    }
}

/// Golden records cut, lengthened and with single bytes changed.
#[test]
fn damaged_golden_records_hold() {
    let mut seen = 0;
    for file in files(&folder("../schemas/golden/level-1")) {
        let text = fs::read_to_string(&file).unwrap();
        for hex in text.lines().filter_map(|line| line.strip_prefix("bytes ")) {
            let pairs = hex.as_bytes().chunks(2).map(|p| std::str::from_utf8(p).unwrap());
            let bytes: Vec<u8> = pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
            for target in [targets::record, targets::body] {
                target(&bytes);
                (0..bytes.len()).step_by(3).for_each(|end| target(&bytes[..end]));
                target(&[&bytes[..], &[0]].concat());
                for byte in 0..bytes.len() {
                    for change in [0x01, 0x80, 0xff] {
                        let mut changed = bytes.clone();
                        changed[byte] ^= change;
                        target(&changed);
                    }
                }
            }
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen} golden entries");
}
