//! What a value may be, each check with the place that it names.

use router_schemas::{geo::UnitVector, limits, quantity::Qty};

use crate::decode::{LIMIT, Rejected, VALUE, reject};

pub(crate) fn name(pointer: &str, text: &str, may_be_empty: bool) -> Result<(), Rejected> {
    bounded(pointer, text, if pointer == "/id" { limits::EXTERNAL_ID_BYTES } else { limits::NAME_BYTES })?;
    if text.is_empty() && !may_be_empty {
        return Err(reject(VALUE, pointer, "must not be empty".into()));
    }
    if text.chars().any(char::is_control) {
        return Err(reject(VALUE, pointer, "must not hold control characters".into()));
    }
    Ok(())
}

pub(crate) fn bounded(pointer: &str, text: &str, most: usize) -> Result<(), Rejected> {
    let detail = || format!("has {} bytes, {most} are allowed", text.len());
    if text.len() > most { Err(reject(LIMIT, pointer, detail())) } else { Ok(()) }
}

pub(crate) fn positive(pointer: &str, qty: Qty) -> Result<Qty, Rejected> {
    match qty {
        q if !q.is_positive() => Err(reject(VALUE, pointer, "must be above zero".into())),
        q if q > limits::QTY_MAX => Err(reject(LIMIT, pointer, "is above a billion".into())),
        q => Ok(q),
    }
}

pub(crate) fn money(pointer: &str, amount: i64) -> Result<(), Rejected> {
    let allowed = -limits::MONEY_MAX..=limits::MONEY_MAX;
    if allowed.contains(&amount) {
        Ok(())
    } else {
        Err(reject(LIMIT, pointer, "is too large an amount".into()))
    }
}

pub(crate) fn place(latitude: Option<f64>, longitude: Option<f64>) -> Result<Option<UnitVector>, Rejected> {
    match (latitude, longitude) {
        (None, None) => Ok(None),
        (Some(lat), Some(lng)) => {
            // About 100 m: enough to choose a store, too coarse for a door.
            let rounded = |degrees: f64| (degrees * 1000.0).round() / 1000.0;
            let place = UnitVector::from_degrees(rounded(lat), rounded(lng));
            place.map(Some).ok_or_else(|| reject(VALUE, "/latitude", "is no place on Earth".into()))
        }
        _ => Err(reject(VALUE, "/latitude", "latitude and longitude go together".into())),
    }
}

pub(crate) fn zero_or_more(pointer: &str, qty: Qty) -> Result<Qty, Rejected> {
    if qty < Qty::default() || qty > limits::QTY_MAX {
        return Err(reject(VALUE, pointer, "must be from zero to a billion".into()));
    }
    Ok(qty)
}
