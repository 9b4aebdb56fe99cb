//! Messages of strangers, by HTTP or from a raw topic: the first line of the input is the kind, the rest the message.

use std::cell::RefCell;

use router_ingest::{
    decode::{self, CODES, Context, Rejected},
    seal::Keys,
};
use router_schemas::{
    command::{
        Command,
        order::{Arrival, Display, OrderBody},
    },
    envelope::{self, Meta},
};
use serde_json::Value;

/// A text that no code of ours contains, behind words on which error texts of libraries turn.
const SECRET: &str = ", expected `Zq7Kx9Vw` is no name";
/// The part of it to look for.
const MARK: &str = "Zq7Kx9Vw";

struct Store {
    keys: Keys,
    _folder: tempfile::TempDir,
    uses: u32,
}

thread_local! {
    static STORE: RefCell<Option<Store>> = const { RefCell::new(None) };
}

/// With keys in a folder of their own, made anew before they grow large.
fn with_keys<R>(run: impl FnOnce(&Keys) -> R) -> R {
    STORE.with_borrow_mut(|store| {
        if store.as_ref().is_none_or(|s| s.uses > 20_000) {
            // The old one first, so that two never share the memory.
            *store = None;
            let folder = tempfile::tempdir().expect("a folder for keys");
            let keys = Keys::open(folder.path()).expect("keys in a fresh folder");
            *store = Some(Store { keys, _folder: folder, uses: 0 });
        }
        let store = store.as_mut().expect("made above");
        store.uses += 1;
        run(&store.keys)
    })
}

/// Reads a message as it is, and with every text in it marked.
pub fn message(input: &[u8]) {
    let end = input.iter().position(|b| *b == b'\n').unwrap_or(input.len());
    let kind = std::str::from_utf8(&input[..end]).unwrap_or("order.v1");
    let message = input.get(end + 1..).unwrap_or_default();
    with_keys(|keys| {
        let document = serde_json::from_slice::<Value>(message).ok();
        for (arrival, key) in [(Arrival::Http, None), (Arrival::Raw, Some("key"))] {
            let context = Context { keys, arrival, key };
            check(keys, kind, message, document.as_ref(), &context);
        }
        let Some(document) = document else { return };
        let context = Context { keys, arrival: Arrival::Http, key: None };
        // Personal texts reach the log sealed or not at all, and no error repeats them.
        let mut personal = document.clone();
        mark_people(&mut personal);
        let bytes = personal.to_string().into_bytes();
        let read = check(keys, kind, &bytes, Some(&personal), &context);
        if let Some(record) = read {
            assert!(!contains(&record, MARK), "personal data is in the record");
        }
        // No error repeats any text of the message.
        let mut marked = document;
        mark_all(&mut marked);
        check(keys, kind, &marked.to_string().into_bytes(), Some(&marked), &context);
    });
}

/// Reads a message and checks what came of it; the record, where it was taken.
fn check(
    keys: &Keys,
    kind: &str,
    bytes: &[u8],
    document: Option<&Value>,
    context: &Context<'_>,
) -> Option<Vec<u8>> {
    match decode::message(kind, bytes, context) {
        Ok(command) => {
            let record = envelope::to_vec(None, &Meta::default(), &command);
            assert!(
                record.len() <= 4 * bytes.len() + 65_536,
                "{} bytes became {}",
                bytes.len(),
                record.len()
            );
            assert_eq!(envelope::decode::<Command>(&record).map(|(_, c)| c).as_ref(), Ok(&command));
            if let Command::Place(message) | Command::Amend(message) = &command {
                let body: OrderBody = postcard::from_bytes(&message.body).expect("a body of ours");
                let display: Display = postcard::from_bytes(&body.display).expect("a display of ours");
                assert_eq!(body.lines.len(), display.lines.len());
                let travellers = display.lines.iter().flat_map(|line| &line.travellers);
                for sealed in display.recipient.iter().chain(travellers) {
                    keys.open_sealed(sealed).expect("sealed under a key that is here");
                }
            }
            Some(record)
        }
        Err(rejected) => {
            explain(&rejected, document);
            None
        }
    }
}

fn explain(rejected: &Rejected, document: Option<&Value>) {
    assert!(CODES.iter().any(|code| code.id == rejected.code), "{} is documented", rejected.code);
    let told = rejected.to_string();
    assert!(!told.contains(MARK), "an error repeats what was sent: {told}");
    assert!(told.len() < 4_096, "an error of {} bytes", told.len());
    let pointer = rejected.pointer.as_str();
    // A member that is missing has no place of its own: its owner has.
    let owner = pointer.rsplit_once('/').map_or("", |(owner, _)| owner);
    let there = |document: &Value| document.pointer(pointer).or_else(|| document.pointer(owner)).is_some();
    // Of what is no JSON, only that much was read as came before the fault.
    assert!(document.is_none_or(there), "{told}: names no place of the message");
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|w| w == text.as_bytes())
}

/// Marks what names people: the recipient, travellers; in a CloudEvent those of its message.
fn mark_people(value: &mut Value) {
    let Value::Object(members) = value else { return };
    if let Some(data) = members.get_mut("data") {
        mark_people(data);
    }
    if let Some(Value::Object(recipient)) = members.get_mut("recipient") {
        let names = |(name, _): &(&String, &mut Value)| ["name", "phone", "address"].contains(&name.as_str());
        recipient.iter_mut().filter(names).for_each(|(_, value)| mark_all(value));
    }
    let lines = members.get_mut("lines").and_then(Value::as_array_mut);
    let travellers = lines.into_iter().flatten().filter_map(|line| line.get_mut("travellers"));
    travellers.for_each(mark_all);
}

/// Marks every text, but not the names of members.
fn mark_all(value: &mut Value) {
    match value {
        Value::String(text) => text.push_str(SECRET),
        Value::Array(values) => values.iter_mut().for_each(mark_all),
        Value::Object(members) => members.values_mut().for_each(mark_all),
        _ => {}
    }
}
