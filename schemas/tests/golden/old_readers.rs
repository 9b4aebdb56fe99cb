//! A build reads records of a later level or damaged ones: it says so, and never panics or takes half of them.

use router_schemas::{
    envelope::{self, Body, CodecError, Meta},
    position::{Position, Topic},
    refusal::Refusal,
};

use crate::{files, index::Entry, samples};

/// The binary records of all topics.
fn records() -> Vec<Entry> {
    let records = ["commands", "control", "events", "replies", "dead-letters", "envelope"];
    files().into_iter().filter(|(file, _)| records.contains(file)).flat_map(|(_, entries)| entries).collect()
}

#[test]
fn bytes_behind_a_record_are_refused() {
    for entry in records() {
        for extra in [&[0][..], &[1, 2, 3], &[255; 40]] {
            let longer = [&entry.bytes, extra].concat();
            let error = envelope::decode_any(&longer).unwrap_err();
            assert_eq!(error, CodecError::Trailing(extra.len()), "{}", entry.name);
            assert!(error.to_string().contains("later behaviour level"), "{error}");
        }
    }
}

#[test]
fn a_record_that_ends_early_is_refused() {
    for entry in records() {
        for end in 0..entry.bytes.len() {
            let error = envelope::decode_any(&entry.bytes[..end]).unwrap_err();
            assert!(!error.to_string().is_empty(), "{} cut at {end}", entry.name);
            // The head alone may still be whole.
            let _ = envelope::origin(&entry.bytes[..end]);
        }
    }
}

#[test]
fn variants_of_a_later_level_are_refused() {
    // Each record is the head without origin, Meta of five absent members, then the body: its first byte is
    // the number of its variant.
    let body_at = 3 + 5;
    let bare = |entry: &Entry| -> Vec<u8> {
        let (_, body) = envelope::decode_any(&entry.bytes).unwrap();
        match body {
            Body::Command(command) => envelope::to_vec(None, &Meta::default(), &*command),
            Body::Event(event) => envelope::to_vec(None, &Meta::default(), &*event),
            Body::Reply(reply) => envelope::to_vec(None, &Meta::default(), &reply),
            Body::DeadLetter(letter) => envelope::to_vec(None, &Meta::default(), &letter),
        }
    };
    for entry in crate::commands::entries() {
        let mut bytes = bare(&entry);
        for unknown in [100, 127] {
            bytes[body_at] = unknown;
            let error = envelope::decode_any(&bytes).unwrap_err();
            assert!(matches!(error, CodecError::Postcard(_)), "{}: {error}", entry.name);
            assert!(error.to_string().contains("later behaviour level"), "{error}");
        }
    }
    // The outcome of an event: behind cause, item, at, time and the absent order.
    let cause = Position::new(Topic::Commands, 3, 4);
    let event = router_schemas::event::Event {
        cause,
        item: 0,
        at: 0,
        time: 0,
        order: None,
        outcome: Some(router_schemas::event::Outcome::Refused(Refusal::Conflict)),
        changes: Vec::new(),
        rows: Vec::new(),
    };
    let mut bytes = envelope::to_vec(None, &Meta::default(), &event);
    let refusal = bytes.len() - 3;
    assert_eq!(bytes[refusal - 1..], [5, 0, 0, 0], "outcome 5, refusal 0, no changes, no rows");
    bytes[refusal] = 99;
    assert!(matches!(envelope::decode_any(&bytes), Err(CodecError::Postcard(_))));
}

#[test]
fn heads_of_a_later_format_are_refused() {
    let record =
        envelope::to_vec(Some(&samples::origin()), &Meta::default(), &router_schemas::command::Command::Tick);
    for (byte, value, expected) in [
        (0, 2, CodecError::Format(2)),
        (0, 0, CodecError::Format(0)),
        (1, 9, CodecError::Kind(9)),
        (2, 2, CodecError::Head(2)),
    ] {
        let mut bytes = record.clone();
        bytes[byte] = value;
        assert_eq!(envelope::decode_any(&bytes), Err(expected.clone()), "byte {byte}");
        if byte != 1 {
            assert_eq!(envelope::origin(&bytes), Err(expected));
        }
    }
    assert!(router_schemas::snapshot::read::<u8>(&[2, 0]).unwrap_err().to_string().contains("format 2"));
    assert!(router_schemas::snapshot::read::<u8>(&[1, 0, 0]).unwrap_err().to_string().contains("follow"));
}
