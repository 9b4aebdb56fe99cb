//! The words of a line: what is known by its key, what by its place, and what nobody knows.

use router_schemas::{geo::UnitVector, quantity::Qty};

/// Words of a line that were not used yet. What is asked for is noted, so that a wrong word can be answered with
/// the right ones.
pub struct Words {
    words: Vec<String>,
    allowed: Vec<&'static str>,
    now: i64,
}

impl Words {
    pub fn new(text: &str, now: i64) -> Self {
        Self { words: text.split_whitespace().map(str::to_owned).collect(), allowed: Vec::new(), now }
    }

    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The next word by its place.
    pub fn next(&mut self, what: &'static str) -> Result<String, String> {
        if self.words.is_empty() {
            return Err(format!("here a {what} is missing"));
        }
        Ok(self.words.remove(0))
    }

    pub fn next_qty(&mut self) -> Result<Qty, String> {
        qty(&self.next("quantity")?)
    }

    /// Whether the word is there.
    pub fn flag(&mut self, key: &'static str) -> bool {
        self.allowed.push(key);
        let place = self.words.iter().position(|word| word == key);
        place.map(|place| self.words.remove(place)).is_some()
    }

    /// The word behind `key`.
    pub fn option(&mut self, key: &'static str) -> Result<Option<String>, String> {
        self.allowed.push(key);
        let Some(place) = self.words.iter().position(|word| word == key) else { return Ok(None) };
        self.words.remove(place);
        if place == self.words.len() {
            return Err(format!("behind `{key}` something is missing"));
        }
        Ok(Some(self.words.remove(place)))
    }

    /// The word behind `key`, read by `read`.
    pub fn read<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, String> {
        self.option(key)?.map(|word| read(&word)).transpose()
    }

    pub fn number<T: std::str::FromStr>(&mut self, key: &'static str) -> Result<Option<T>, String> {
        self.read(key, number)
    }

    pub fn qty(&mut self, key: &'static str) -> Result<Option<Qty>, String> {
        self.read(key, qty)
    }

    pub fn time(&mut self, key: &'static str) -> Result<Option<i64>, String> {
        let now = self.now;
        self.read(key, |word| time(word, now))
    }

    pub fn span(&mut self, key: &'static str) -> Result<Option<(i64, i64)>, String> {
        let now = self.now;
        self.read(key, |word| span(word, now))
    }

    pub fn times(&mut self, key: &'static str) -> Result<Vec<i64>, String> {
        self.list(key)?.iter().map(|word| time(word, self.now)).collect()
    }

    pub fn spans(&mut self, key: &'static str) -> Result<Vec<(i64, i64)>, String> {
        self.list(key)?.iter().map(|word| span(word, self.now)).collect()
    }

    /// The words behind `key`, apart by commas.
    pub fn list(&mut self, key: &'static str) -> Result<Vec<String>, String> {
        let list = self.option(key)?.unwrap_or_default();
        Ok(list.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect())
    }

    /// All that is left, for a command that ends in a list.
    pub fn rest(&mut self) -> Vec<String> {
        std::mem::take(&mut self.words)
    }

    /// Nothing may be left.
    pub fn end(self) -> Result<(), String> {
        match self.words.first() {
            None => Ok(()),
            Some(word) if self.allowed.is_empty() => Err(format!("`{word}` is one word too many")),
            Some(word) => Err(format!("`{word}` is not known here; allowed: {}", self.allowed.join(", "))),
        }
    }
}

pub fn number<T: std::str::FromStr>(word: &str) -> Result<T, String> {
    word.parse().map_err(|_| format!("`{word}` is no number"))
}

pub fn qty(word: &str) -> Result<Qty, String> {
    word.strip_prefix('+').unwrap_or(word).parse().map_err(|error| format!("{error}"))
}

/// `LAT,LNG` in degrees.
pub fn place(word: &str) -> Result<UnitVector, String> {
    let degrees = word.split_once(',').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    let place = degrees.and_then(|(lat, lng)| UnitVector::from_degrees(lat, lng));
    place.ok_or_else(|| format!("`{word}` is no place; write LAT,LNG in degrees, for example 0,1.5"))
}

/// A SKU and its bucket.
pub fn sku(word: &str) -> (String, String) {
    let (sku, bucket) = word.split_once('@').unwrap_or((word, ""));
    (sku.to_owned(), bucket.to_owned())
}

/// One of several words.
pub fn one_of<T: Clone>(word: &str, known: &[(&str, T)]) -> Result<T, String> {
    let found = known.iter().find(|(name, _)| *name == word).map(|(_, value)| value.clone());
    let names = || known.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    found.ok_or_else(|| format!("`{word}` is not known here; allowed: {}", names()))
}

pub fn span(word: &str, now: i64) -> Result<(i64, i64), String> {
    let (from, to) = word.split_once("..").ok_or_else(|| format!("`{word}` is no span; write FROM..TO"))?;
    Ok((time(from, now)?, time(to, now)?))
}

/// A time in ms: from now, or in UTC.
pub fn time(word: &str, now: i64) -> Result<i64, String> {
    let wrong = || format!("`{word}` is no time; for example +2h30m, -1d or 2026-03-29T01:00");
    if let Some(rest) = word.strip_prefix(['+', '-']) {
        let sign = if word.starts_with('-') { -1 } else { 1 };
        return Ok(now + sign * length(rest).ok_or_else(wrong)?);
    }
    utc(word).ok_or_else(wrong)
}

/// `2d12h30m5s` in ms.
fn length(word: &str) -> Option<i64> {
    let (mut total, mut digits) = (0, String::new());
    for letter in word.chars() {
        if letter.is_ascii_digit() {
            digits.push(letter);
            continue;
        }
        let unit = match letter {
            'd' => 86_400_000,
            'h' => 3_600_000,
            'm' => 60_000,
            's' => 1_000,
            _ => return None,
        };
        total += digits.parse::<i64>().ok()? * unit;
        digits.clear();
    }
    digits.is_empty().then_some(total)
}

/// `YYYY-MM-DDTHH:MM` of UTC in ms.
fn utc(word: &str) -> Option<i64> {
    let (date, clock) = word.split_once('T')?;
    let date: Vec<i64> = date.split('-').map(|n| n.parse().ok()).collect::<Option<_>>()?;
    let clock: Vec<i64> = clock.split(':').map(|n| n.parse().ok()).collect::<Option<_>>()?;
    let ([year, month, day], [hour, minute]) = (date[..].try_into().ok()?, clock[..].try_into().ok()?);
    // Days of the proleptic Gregorian calendar, the year beginning in March.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    Some(((days * 24 + hour) * 60 + minute) * 60_000)
}

#[test]
fn times_are_read() {
    assert_eq!(time("1970-01-01T00:00", 0), Ok(0));
    assert_eq!(time("2026-03-01T08:00", 0), Ok(1_772_352_000_000));
    assert_eq!(time("2024-02-29T23:59", 0), Ok(1_709_251_140_000));
    assert_eq!(time("-1h30m", 10_000_000), Ok(4_600_000));
    assert!(time("tomorrow", 0).is_err() && time("+5", 0).is_err() && time("2026-03-01", 0).is_err());
}
