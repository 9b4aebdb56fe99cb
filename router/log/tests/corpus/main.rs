//! Every input of the fuzz corpus through its target, and the golden journal damaged in many ways.

#[path = "../../fuzz/targets/mod.rs"]
mod targets;

use std::{fs, path::PathBuf};

#[test]
fn the_corpus_of_journals_holds() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/journal");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 5);
    for file in files {
        // Printed where the target panics.
        println!("{}", file.display());
        let whole = fs::read(&file).unwrap();
        targets::journal(&whole);
        if file.file_name().unwrap().to_string_lossy().starts_with("golden") {
            damaged(&whole);
        }
    }
}

/// Cut, and with single bytes changed under a checksum that fits.
fn damaged(whole: &[u8]) {
    (0..whole.len()).step_by(13).for_each(|end| targets::journal(&whole[..end]));
    for byte in 1..whole.len() {
        let mut changed = whole.to_vec();
        changed[0] |= 1;
        changed[byte] = changed[byte].wrapping_add(1 << (byte % 8));
        targets::journal(&changed);
    }
}
