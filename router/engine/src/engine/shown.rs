//! What people see of an order, read where it lies: `command::order::Display` without a copy. Encoded by us before the
//! log; an order without is shown by its ids.

use serde::Deserialize;

/// What a store is shown.
#[derive(Default)]
pub struct Shown<'a> {
    pub number: Option<&'a str>,
    pub day_sequence: Option<u32>,
    pub remark: Option<&'a str>,
    pub lines: Vec<ShownLine<'a>>,
}

/// What a store is shown of a line.
#[derive(Deserialize)]
pub struct ShownLine<'a> {
    _external_id: Option<&'a str>,
    pub name: Option<&'a str>,
    #[serde(borrow)]
    pub options: Vec<&'a str>,
    _unit: Option<&'a str>,
    #[serde(borrow)]
    _travellers: Option<Sealed<'a>>,
}

/// `Display` up to what the customer's notice needs.
#[derive(Deserialize)]
struct Head<'a> {
    number: Option<&'a str>,
    day_sequence: Option<u32>,
    _payment_method: Option<&'a str>,
    language: Option<&'a str>,
}

/// The rest of `Display`.
#[derive(Deserialize)]
struct Rest<'a> {
    remark: Option<&'a str>,
    _gift: Option<&'a str>,
    _invoice: Option<&'a str>,
    _member: Option<&'a str>,
    #[serde(borrow)]
    _tags: Vec<&'a str>,
    #[serde(borrow)]
    _recipient: Option<Sealed<'a>>,
    #[serde(borrow)]
    lines: Vec<ShownLine<'a>>,
}

#[derive(Deserialize)]
struct Sealed<'a> {
    _key: [u8; 16],
    _bytes: &'a [u8],
}

impl<'a> Shown<'a> {
    pub fn of(display: &'a [u8]) -> Self {
        let Ok((Head { number, day_sequence, .. }, rest)) = postcard::take_from_bytes::<Head<'a>>(display)
        else {
            return Self::default();
        };
        let Ok(Rest { remark, lines, .. }) = postcard::from_bytes::<Rest<'a>>(rest) else {
            return Self::default();
        };
        Shown { number, day_sequence, remark, lines }
    }
}

/// The customer's language.
pub fn language(display: &[u8]) -> Option<&str> {
    postcard::take_from_bytes::<Head<'_>>(display).ok().and_then(|(head, _)| head.language)
}
