//! The bytes of every kind of record at behaviour level 1, against the files in `schemas/golden/level-1`. Logs keep
//! records for ever: what was written once must be read for ever, and the same value must be written the same.
//! `schemas/golden/README.md` says how entries are added.

mod asked;
mod commands;
mod events;
mod index;
mod old_readers;
mod parts;
mod samples;
mod standing;
mod texts;

use index::{Entry, check};

/// Examples of an enum, at least one for each variant: the compiler reminds of a variant that has none.
macro_rules! every {
    ($type:ty { $($name:literal: $pattern:pat => $value:expr,)+ }) => {{
        #[allow(unreachable_patterns, dead_code)]
        fn reminder(value: &$type) {
            match value { $($pattern => {})+ }
        }
        let examples: Vec<(&'static str, $type)> = vec![$(($name, $value)),+];
        let mut place = examples.iter();
        $(assert!(matches!(place.next(), Some((_, $pattern))), "{} is no example of its pattern", $name);)+
        examples
    }};
}
pub(crate) use every;

/// Every file of the level with its entries.
fn files() -> Vec<(&'static str, Vec<Entry>)> {
    vec![
        ("commands", commands::entries()),
        ("control", commands::control()),
        ("events", events::entries()),
        ("replies", events::replies()),
        ("dead-letters", events::dead_letters()),
        ("notices", texts::notices()),
        ("envelope", texts::envelope()),
        ("parts", parts::entries()),
        ("texts", texts::entries()),
        ("partitions", texts::partitions()),
        ("snapshot", texts::snapshot()),
    ]
}

#[test]
fn every_record_is_written_and_read_as_at_level_1() {
    let failures: Vec<String> = files().iter().flat_map(|(file, entries)| check(file, entries)).collect();
    assert!(failures.is_empty(), "\n{}\nschemas/golden/README.md says what to do", failures.join("\n"));
}

#[test]
fn every_file_of_the_level_is_checked() {
    let known: Vec<_> = files().iter().map(|(name, _)| index::path(name)).collect();
    for file in std::fs::read_dir(index::folder()).unwrap() {
        let path = file.unwrap().path();
        assert!(known.contains(&path), "{} belongs to no test", path.display());
    }
}
