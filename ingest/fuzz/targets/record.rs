//! Binary records and the blocks within them: what reads, is written and read again the same.

use std::fmt::Debug;

use router_schemas::{
    command::order::{Display, OrderBody, Sealed},
    envelope::{self, Body, Meta, Origin, RecordBody},
    reply::Reply,
    row::Row,
};
use serde::{Serialize, de::DeserializeOwned};

/// A record of any kind, as the log, a snapshot or another build may hand it over.
pub fn record(input: &[u8]) {
    let origin = envelope::origin(input);
    match envelope::decode_any(input) {
        Ok((meta, body)) => {
            let origin = *origin.as_ref().expect("a record that reads has a head that reads");
            match body {
                Body::Command(command) => again(origin, &meta, &*command, input.len()),
                Body::Event(event) => again(origin, &meta, &*event, input.len()),
                Body::Reply(reply) => again(origin, &meta, &reply, input.len()),
                Body::DeadLetter(letter) => again(origin, &meta, &letter, input.len()),
            }
        }
        Err(error) => bounded(&error.to_string()),
    }
    if let Ok(Some(origin)) = origin {
        origin.source_topic();
    }
}

fn again<T: RecordBody + PartialEq + Debug>(origin: Option<Origin>, meta: &Meta, body: &T, length: usize) {
    let bytes = envelope::to_vec(origin.as_ref(), meta, body);
    // A topic may be written without its prefix; nothing else grows.
    assert!(bytes.len() <= 2 * length + 64, "{length} bytes became {}", bytes.len());
    assert_eq!(envelope::origin(&bytes), Ok(origin));
    let (read_meta, read_body) = envelope::decode::<T>(&bytes).expect("what was read is written readably");
    assert_eq!(&read_meta, meta);
    assert_eq!(&read_body, body);
    assert_eq!(envelope::to_vec(origin.as_ref(), &read_meta, &read_body), bytes);
}

/// The blocks that are encoded apart: an order's body, what people see of it, sealed bytes, rows.
pub fn body(input: &[u8]) {
    block::<OrderBody>(input);
    block::<Display>(input);
    block::<Sealed>(input);
    block::<Row>(input);
    block::<Reply>(input);
    let _ = router_schemas::snapshot::read::<Vec<(String, u64)>>(input).map_err(|e| bounded(&e.to_string()));
}

fn block<T: Serialize + DeserializeOwned + PartialEq + Debug>(input: &[u8]) {
    let Ok(value) = postcard::from_bytes::<T>(input) else { return };
    let mut bytes = Vec::new();
    envelope::write_postcard(&value, &mut bytes);
    assert!(bytes.len() <= 2 * input.len() + 64, "{} bytes became {}", input.len(), bytes.len());
    assert_eq!(postcard::from_bytes::<T>(&bytes).as_ref(), Ok(&value));
    // What operators see of it.
    serde_json::to_string(&value).expect("blocks can be shown");
}

fn bounded(text: &str) {
    assert!(!text.is_empty() && text.len() < 400, "an error of {} bytes", text.len());
}
