//! What a value may be, each check with the place that it names.

use std::fmt;

use router_schemas::{geo::UnitVector, limits, quantity::Qty};

use crate::{
    decode::{LIMIT, Rejected, VALUE, reject},
    json::Instant,
};

/// A place in a message. It becomes a JSON pointer only where something is wrong.
#[derive(Clone, Copy)]
pub(crate) struct At<'a>(Option<&'a At<'a>>, Step<'a>);

#[derive(Clone, Copy)]
enum Step<'a> {
    Root,
    Member(&'a str),
    Index(usize),
}

/// The whole message.
pub(crate) const ROOT: At<'static> = At(None, Step::Root);

impl<'a> At<'a> {
    pub fn member(&'a self, name: &'a str) -> At<'a> {
        At(Some(self), Step::Member(name))
    }

    pub fn index(&'a self, index: usize) -> At<'a> {
        At(Some(self), Step::Index(index))
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |parent| parent.fmt(f))?;
        match self.1 {
            Step::Root => Ok(()),
            Step::Member(name) => write!(f, "/{}", name.replace('~', "~0").replace('/', "~1")),
            Step::Index(index) => write!(f, "/{index}"),
        }
    }
}

type Checked = Result<(), Rejected>;

fn sized(at: At<'_>, text: &str, most: usize) -> Checked {
    let detail = || format!("has {} bytes, {most} are allowed", text.len());
    if text.len() > most { Err(reject(LIMIT, at, detail())) } else { Ok(()) }
}

/// Names are parts of keys, so none holds a zero byte or another control character.
fn legible(at: At<'_>, text: &str, breaks: bool) -> Checked {
    if text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return Ok(());
    }
    let wrong = |c: char| c.is_control() && !(breaks && matches!(c, '\n' | '\r' | '\t'));
    if text.chars().any(wrong) {
        return Err(reject(VALUE, at, "must not hold control characters".into()));
    }
    Ok(())
}

fn named(at: At<'_>, text: &str, most: usize) -> Checked {
    if text.is_empty() {
        return Err(reject(VALUE, at, "must not be empty".into()));
    }
    sized(at, text, most)?;
    legible(at, text, false)
}

/// A name: of a channel, node, SKU, line.
pub(crate) fn name(at: At<'_>, text: &str) -> Checked {
    named(at, text, limits::NAME_BYTES)
}

/// A name that may be absent.
pub(crate) fn maybe_name(at: At<'_>, text: Option<&String>) -> Checked {
    text.map_or(Ok(()), |text| name(at, text))
}

/// A name that may be empty.
pub(crate) fn name_or_none(at: At<'_>, text: &str) -> Checked {
    if text.is_empty() { Ok(()) } else { name(at, text) }
}

/// An id or number that others gave.
pub(crate) fn external(at: At<'_>, text: &str) -> Checked {
    named(at, text, limits::EXTERNAL_ID_BYTES)
}

/// The same, where it may be absent.
pub(crate) fn maybe_external(at: At<'_>, text: Option<&String>) -> Checked {
    text.map_or(Ok(()), |text| external(at, text))
}

/// What people read: it may be empty and have several lines.
pub(crate) fn text(at: At<'_>, text: &str) -> Checked {
    sized(at, text, limits::TEXT_BYTES)?;
    legible(at, text, true)
}

/// The same, where it may be absent.
pub(crate) fn maybe_text(at: At<'_>, said: Option<&String>) -> Checked {
    said.map_or(Ok(()), |said| text(at, said))
}

/// At most so many.
pub(crate) fn few<T>(at: At<'_>, list: &[T], most: usize) -> Checked {
    let detail = || format!("has {} entries, {most} are allowed", list.len());
    if list.len() > most { Err(reject(LIMIT, at, detail())) } else { Ok(()) }
}

/// Names, at most so many.
pub(crate) fn names(at: At<'_>, list: &[String], most: usize) -> Checked {
    few(at, list, most)?;
    list.iter().enumerate().try_for_each(|(index, text)| name(at.index(index), text))
}

/// A key of a fact.
pub(crate) fn maybe_key(key: Option<&String>) -> Checked {
    maybe_external(ROOT.member("key"), key)
}

/// A language as BCP 47 writes it.
pub(crate) fn language(at: At<'_>, text: &str) -> Checked {
    name(at, text)?;
    let mut parts = text.split('-');
    let first = parts.next().is_some_and(|p| (2..=8).contains(&p.len()) && all(p, u8::is_ascii_alphabetic));
    if first && parts.all(|p| (1..=8).contains(&p.len()) && all(p, u8::is_ascii_alphanumeric)) {
        return Ok(());
    }
    Err(reject(VALUE, at, "is no language; BCP 47 has for example zh-CN".into()))
}

/// A region's name.
pub(crate) fn region(at: At<'_>, text: &str) -> Checked {
    name(at, text)?;
    let begins = text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
    if begins && all(text, |b| b.is_ascii_alphanumeric() || b" ._-".contains(b)) {
        return Ok(());
    }
    let detail =
        "is no region: a country and the start of a postal code (DE-80), or the start of a GB/T 2260 code";
    Err(reject(VALUE, at, detail.into()))
}

fn all(text: &str, good: impl Fn(&u8) -> bool) -> bool {
    text.as_bytes().iter().all(good)
}

pub(crate) fn positive(at: At<'_>, qty: Qty) -> Result<Qty, Rejected> {
    match qty {
        q if !q.is_positive() => Err(reject(VALUE, at, "must be above zero".into())),
        q if q > limits::QTY_MAX => Err(reject(LIMIT, at, "is above a billion".into())),
        q => Ok(q),
    }
}

pub(crate) fn zero_or_more(at: At<'_>, qty: Qty) -> Result<Qty, Rejected> {
    if qty < Qty::ZERO || qty > limits::QTY_MAX {
        return Err(reject(VALUE, at, "must be from zero to a billion".into()));
    }
    Ok(qty)
}

/// An amount of money, from zero on.
pub(crate) fn money(at: At<'_>, amount: i64) -> Checked {
    match amount {
        a if a < 0 => Err(reject(VALUE, at, "must not be below zero".into())),
        a if a > limits::MONEY_MAX => Err(reject(LIMIT, at, "is too large an amount".into())),
        _ => Ok(()),
    }
}

/// Milliseconds of an instant.
pub(crate) fn ms(instant: Option<Instant>) -> Option<i64> {
    instant.map(|instant| instant.0)
}

/// A place on Earth below the member `at`.
pub(crate) fn place(
    at: At<'_>,
    latitude: Option<f64>,
    longitude: Option<f64>,
) -> Result<Option<UnitVector>, Rejected> {
    let wrong = |member: &str, detail: &str| Err(reject(VALUE, at.member(member), detail.into()));
    match (latitude, longitude) {
        (None, None) => Ok(None),
        (Some(lat), Some(lng)) => {
            // About 100 m: enough to choose a store, too coarse for a door.
            let rounded = |degrees: f64| (degrees * 1000.0).round() / 1000.0;
            match UnitVector::from_degrees(rounded(lat), rounded(lng)) {
                Some(place) => Ok(Some(place)),
                None if lat.abs() > 90.0 => wrong("latitude", "must be from -90 to 90"),
                None => wrong("longitude", "must be from -180 to 180"),
            }
        }
        (None, _) => wrong("latitude", "latitude and longitude go together"),
        (_, None) => wrong("longitude", "latitude and longitude go together"),
    }
}
