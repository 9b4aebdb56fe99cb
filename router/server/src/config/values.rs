//! How values are written: sizes, times, addresses.

use std::time::Duration;

/// Bytes: a number, or one with `KiB`, `MiB` or `GiB`.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let wrong = || "expected a size such as 128MiB, or a number of bytes".to_owned();
    let text = text.trim();
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30)];
    let (number, shift) =
        units.iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, *shift))).unwrap_or((text, 0));
    let number: u64 = number.trim().parse().map_err(|_| wrong())?;
    number.checked_mul(1 << shift).ok_or_else(wrong)
}

/// Bytes as people write them.
pub(super) fn shown_size(bytes: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let unit = units.iter().find(|(_, shift)| bytes >= 1 << shift && bytes.is_multiple_of(1 << shift));
    unit.map_or_else(|| bytes.to_string(), |(unit, shift)| format!("{}{unit}", bytes >> shift))
}

/// A time such as `7d`, `12h` or `1m 30s`; days have 24 hours.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    let wrong = || "expected a time such as 7d, 12h or 90s".to_owned();
    let span: jiff::Span = text.trim().parse().map_err(|_| wrong())?;
    let time = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    Duration::try_from(time).map_err(|_| wrong())
}

/// A time as people write it.
pub(super) fn shown_time(time: Duration) -> String {
    let seconds = time.as_secs();
    let units = [("d", 86_400), ("h", 3600), ("m", 60)];
    let unit = units.iter().find(|(_, length)| seconds >= *length && seconds.is_multiple_of(*length));
    unit.map_or_else(|| format!("{seconds}s"), |(unit, length)| format!("{}{unit}", seconds / length))
}

/// A number within these bounds.
pub(super) fn number(text: &str, least: u64, most: u64) -> Result<u64, String> {
    let number: Option<u64> = text.trim().parse().ok();
    let within = number.filter(|number| (least..=most).contains(number));
    within.ok_or_else(|| format!("expected a number from {least} to {most}"))
}

/// A number of bytes within these bounds.
pub(super) fn size_within(text: &str, least: u64, most: u64) -> Result<u64, String> {
    let bytes = size(text)?;
    match (least..=most).contains(&bytes) {
        true => Ok(bytes),
        false => Err(format!("expected a size from {} to {}", shown_size(least), shown_size(most))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_read_back_as_shown() {
        for text in ["128MiB", "1GiB", "3KiB", "1000"] {
            assert_eq!(shown_size(size(text).unwrap()), text);
        }
        for text in ["7d", "12h", "90s", "5m", "0s"] {
            assert_eq!(shown_time(time(text).unwrap()), text);
        }
        assert_eq!(time("1m 30s").unwrap(), Duration::from_secs(90));
        for text in ["", "-1", "MiB", "1TiB", "99999999999GiB", "1.5MiB"] {
            assert!(size(text).is_err(), "{text}");
        }
        for text in ["", "7", "-7d", "soon"] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
