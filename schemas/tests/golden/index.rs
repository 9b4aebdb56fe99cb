//! The golden files: entries of name, reading and bytes, in the order in which they were added.

use std::{
    collections::BTreeSet,
    fmt::{Debug, Write as _},
    fs,
    path::PathBuf,
};

use router_schemas::envelope::{self, Meta, Origin, RecordBody};
use serde::{Serialize, de::DeserializeOwned};

/// Adds entries that are missing, and renews readings whose bytes are the same. Never changes bytes.
const ADD: &str = "GOLDEN_ADD";
/// Writes all entries anew: only while no log of this level exists anywhere.
const CHANGE: &str = "GOLDEN_CHANGE_BYTES_OF_EXISTING_LOGS";

#[derive(Serialize)]
struct Reading<'a, T> {
    origin: Option<Origin>,
    meta: &'a Meta,
    body: &'a T,
}

type Reads = Box<dyn Fn(&[u8]) -> Result<(), String>>;

/// A value, how it is written, and the proof that it is read back.
pub struct Entry {
    pub name: String,
    /// The value for people, one line.
    pub reading: String,
    pub bytes: Vec<u8>,
    /// True: the bytes are text and stand in the file as they are.
    text: bool,
    /// Reads bytes and says how they differ from the value.
    reads: Reads,
}

impl Entry {
    /// A whole binary record.
    pub fn record<T>(name: &str, origin: Option<Origin>, meta: Meta, body: T) -> Entry
    where
        T: RecordBody + PartialEq + Debug + 'static,
    {
        let bytes = envelope::to_vec(origin.as_ref(), &meta, &body);
        // Not through `Value`: members stay in the order of the type.
        let reading = serde_json::to_string(&Reading { origin, meta: &meta, body: &body }).unwrap();
        let reads = move |bytes: &[u8]| {
            let found = envelope::origin(bytes).map_err(|e| e.to_string())?;
            same(&found, &origin)?;
            let (found_meta, found_body) = envelope::decode::<T>(bytes).map_err(|e| e.to_string())?;
            same(&found_meta, &meta)?;
            same(&found_body, &body)
        };
        Entry { name: name.into(), reading, bytes, text: false, reads: Box::new(reads) }
    }

    /// A value within a record, in postcard.
    pub fn part<T>(name: &str, value: T) -> Entry
    where
        T: Serialize + DeserializeOwned + PartialEq + Debug + 'static,
    {
        let mut bytes = Vec::new();
        envelope::write_postcard(&value, &mut bytes);
        let reading = serde_json::to_string(&value).unwrap();
        let reads = move |bytes: &[u8]| {
            let (found, rest) = postcard::take_from_bytes::<T>(bytes).map_err(|e| e.to_string())?;
            same(&rest.len(), &0)?;
            same(&found, &value)
        };
        Entry { name: name.into(), reading, bytes, text: false, reads: Box::new(reads) }
    }

    /// Bytes with a reader of their own.
    pub fn bytes(
        name: &str,
        reading: String,
        bytes: Vec<u8>,
        reads: impl Fn(&[u8]) -> Result<(), String> + 'static,
    ) -> Entry {
        Entry { name: name.into(), reading, bytes, text: false, reads: Box::new(reads) }
    }

    /// Text with a reader of its own.
    pub fn text(
        name: &str,
        reading: String,
        text: &str,
        reads: impl Fn(&str) -> Result<(), String> + 'static,
    ) -> Entry {
        let reads = move |bytes: &[u8]| reads(std::str::from_utf8(bytes).map_err(|e| e.to_string())?);
        Entry { name: name.into(), reading, bytes: text.into(), text: true, reads: Box::new(reads) }
    }

    fn block(&self) -> String {
        let Entry { name, reading, bytes, .. } = self;
        if self.text {
            return format!("\n## {name}\nvalue {reading}\ntext {}\n", String::from_utf8_lossy(bytes));
        }
        let mut hex = String::new();
        bytes.iter().for_each(|b| write!(hex, "{b:02x}").expect("a String takes all"));
        format!("\n## {name}\nvalue {reading}\nbytes {hex}\n")
    }
}

/// Compares, and shows both where they differ.
pub fn same<T: PartialEq + Debug>(found: &T, expected: &T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("reads as {found:?}, not as {expected:?}")) }
}

/// An entry as stored.
struct Stored {
    name: String,
    reading: String,
    bytes: Vec<u8>,
}

pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/level-1")
}

pub fn path(file: &str) -> PathBuf {
    folder().join(format!("{file}.golden"))
}

/// Compares a file with its entries, adding to it where the environment asks for it. A line for each difference.
pub fn check(file: &str, entries: &[Entry]) -> Vec<String> {
    let mut failures = Vec::new();
    let mut names = BTreeSet::new();
    entries.iter().filter(|e| !names.insert(&e.name)).for_each(|e| {
        failures.push(format!("{file}/{}: two entries have this name", e.name));
    });
    let asked = |name: &str| std::env::var_os(name).is_some_and(|v| v == "1");
    let mut stored = read(file);
    if asked(CHANGE) {
        stored.clear();
        write(file, &[], entries);
    } else if asked(ADD) {
        write(file, &stored, entries);
    }
    if asked(CHANGE) || asked(ADD) {
        stored = read(file);
    }
    for entry in entries {
        let Some(kept) = stored.iter().find(|s| s.name == entry.name) else {
            failures.push(format!("{file}/{}: has no golden entry; {ADD}=1 adds it", entry.name));
            continue;
        };
        if kept.bytes != entry.bytes {
            failures
                .push(format!("{file}/{}: the value is written with other bytes than before", entry.name));
        } else if kept.reading != entry.reading {
            failures.push(format!("{file}/{}: same bytes, other reading; {ADD}=1 renews it", entry.name));
        }
        if let Err(reason) = (entry.reads)(&kept.bytes) {
            failures.push(format!("{file}/{}: the stored bytes: {reason}", entry.name));
        }
    }
    for kept in stored.iter().filter(|s| !names.contains(&s.name)) {
        failures.push(format!("{file}/{}: the entry has no value in the test any more", kept.name));
    }
    failures
}

fn read(file: &str) -> Vec<Stored> {
    let text = match fs::read_to_string(path(file)) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(e) => panic!("{}: {e}", path(file).display()),
    };
    let mut stored: Vec<Stored> = Vec::new();
    for line in text.lines() {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        if word == "##" {
            stored.push(Stored { name: rest.into(), reading: String::new(), bytes: Vec::new() });
            continue;
        }
        let Some(last) = stored.last_mut() else { continue };
        match word {
            "value" => last.reading = rest.into(),
            "text" => last.bytes = rest.into(),
            "bytes" => last.bytes = unhex(rest).unwrap_or_else(|| panic!("{file}/{}: no hex", last.name)),
            _ => {}
        }
    }
    stored
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// Stored entries keep their place and bytes; entries that are missing come behind them.
fn write(file: &str, stored: &[Stored], entries: &[Entry]) {
    let old = fs::read_to_string(path(file)).unwrap_or_default();
    let mut text =
        format!("# {file} at behaviour level 1; see ../README.md. Entries are only ever appended.\n");
    let known = |name: &str| entries.iter().find(|e| e.name == name);
    for kept in stored {
        match known(&kept.name).filter(|entry| entry.bytes == kept.bytes) {
            Some(entry) => text += &entry.block(),
            // Other bytes, or no value any more: it stays as it is, and the check fails.
            None => {
                let head = format!("\n## {}\n", kept.name);
                let rest = old.split_once(&head).map_or("", |(_, rest)| rest);
                text += &head;
                text += rest.split_once("\n\n").map_or(rest.trim_end(), |(block, _)| block);
                text.push('\n');
            }
        }
    }
    for entry in entries.iter().filter(|e| stored.iter().all(|s| s.name != e.name)) {
        text += &entry.block();
    }
    fs::write(path(file), text).unwrap();
}
