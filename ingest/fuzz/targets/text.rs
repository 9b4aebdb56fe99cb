//! What people and programs type: positions, ids, quantities, topics, states, times.

use std::{
    fmt::{Debug, Display},
    str::FromStr,
};

use router_ingest::json::Instant;
use router_schemas::{
    event::OrderState,
    geo::UnitVector,
    id::OrderId,
    position::{LogId, Position, Topic},
    quantity::{Currency, Qty},
};

/// Any text, as a position, an id, a quantity, a topic, a currency, a state and a JSON value of those.
pub fn text(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    parse::<Position>(text);
    parse::<Topic>(text);
    parse::<LogId>(text);
    parse::<OrderId>(text);
    parse::<Qty>(text);
    parse::<Currency>(text);
    parse::<OrderState>(text);
    if let Some(position) = text.parse::<OrderId>().ok().and_then(OrderId::position) {
        assert!(position.offset < 1 << 48);
    }
    json::<Qty>(text);
    json::<OrderId>(text);
    json::<Position>(text);
    json::<Currency>(text);
    if let Ok(Instant(at)) = serde_json::from_str::<Instant>(text) {
        // Far from where sums of times overflow.
        assert!(at.checked_mul(1_000).is_some(), "{at}");
    }
    let degrees: Vec<f64> = text.split_whitespace().filter_map(|t| t.parse().ok()).collect();
    if let [lat, lng] = degrees[..]
        && let Some(place) = UnitVector::from_degrees(lat, lng)
    {
        assert_eq!(place.chord2(place), 0);
        assert!((0..=(1 << 62) + (1 << 33)).contains(&place.chord2(UnitVector([1 << 30, 0, 0]))));
    }
}

fn parse<T: FromStr<Err: Display> + Display + Debug + PartialEq>(text: &str) {
    match text.parse::<T>() {
        Ok(value) => {
            let written = value.to_string();
            let read = written.parse::<T>().ok();
            assert_eq!(read.as_ref(), Some(&value), "{text:?} is written {written:?}");
        }
        // A text is cut, and its characters may each be shown escaped.
        Err(error) => {
            assert!(error.to_string().len() < 1_200, "the error of {} bytes is too long", text.len())
        }
    }
}

fn json<T: serde::de::DeserializeOwned + serde::Serialize + Debug + PartialEq>(text: &str) {
    let Ok(value) = serde_json::from_str::<T>(text) else { return };
    let written = serde_json::to_string(&value).expect("it can be shown");
    assert_eq!(
        serde_json::from_str::<T>(&written).ok().as_ref(),
        Some(&value),
        "{text} is written {written}"
    );
}
