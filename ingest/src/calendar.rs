//! Opening hours in local time, compiled to UTC before they reach the log: nothing behind the edge knows time zones.

use std::collections::BTreeMap;

use jiff::{
    Timestamp, ToSpan,
    civil::{Date, Weekday},
    tz::TimeZone,
};
use router_schemas::{command::reference::Calendar, limits::OPEN_INTERVALS};

use crate::{
    bounds::{At, few, name},
    decode::{Rejected, VALUE, reject},
    json::{self, EXCEPTIONS, HOURS_A_DAY, Hours},
};

/// Days that are compiled.
const DAYS: i64 = 400;
const DAY: i32 = 1440;

/// Intervals and local midnights from the day of `now` on. Intervals that are over are left out.
pub(crate) fn compile(at: At<'_>, said: &json::Calendar, now: Timestamp) -> Result<Calendar, Rejected> {
    let zone = time_zone(at.member("time_zone"), &said.time_zone)?;
    let exceptions = check(at, said)?;
    let out_of_range = |_| reject(VALUE, at, "the clock is beyond all calendars".into());
    let today = zone.to_datetime(now).date();
    let (mut open, mut midnights) = (Vec::<(i64, i64)>::new(), Vec::new());
    let mut horizon = i64::MAX;
    // From yesterday on: its last hours may reach into today.
    for day in -1..=DAYS {
        let date = today.checked_add(day.days()).map_err(out_of_range)?;
        let hours = exceptions.get(&date).copied().unwrap_or_else(|| weekday(&said.weekly, date.weekday()));
        let midnight = instant(&zone, date, 0).map_err(out_of_range)?;
        if day >= 0 {
            midnights.push(midnight);
            horizon = midnight;
        }
        // One interval is left for the end.
        if day == DAYS || open.len() + hours.len() >= OPEN_INTERVALS {
            break;
        }
        for Hours { from, to } in hours {
            let over = if to.0 <= from.0 { DAY } else { 0 };
            let from = instant(&zone, date, from.0).map_err(out_of_range)?;
            let to = instant(&zone, date, to.0 + over).map_err(out_of_range)?;
            // A gap of the clock may swallow all of it.
            if from < to && to > now.as_millisecond() {
                open.push((from, to));
            }
        }
    }
    open.sort_unstable();
    let mut merged = Vec::<(i64, i64)>::with_capacity(open.len());
    for (from, to) in open {
        match merged.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => merged.push((from, to)),
        }
    }
    // Behind its last interval a node counts as always open: the last one must not lie before the horizon.
    if merged.last().is_none_or(|last| last.1 < horizon) {
        merged.push((horizon, horizon + 1));
    }
    Ok(Calendar { time_zone: said.time_zone.clone(), open: merged, midnights })
}

/// Only names that are the same everywhere: no POSIX rules, none of this machine's own.
fn time_zone(at: At<'_>, text: &str) -> Result<TimeZone, Rejected> {
    name(at, text)?;
    let found =
        if text.starts_with("posix") || text.starts_with("right") { None } else { TimeZone::get(text).ok() };
    found
        .ok_or_else(|| reject(VALUE, at, "is no time zone of the IANA database; Asia/Shanghai is one".into()))
}

fn check<'a>(at: At<'_>, said: &'a json::Calendar) -> Result<BTreeMap<Date, &'a [Hours]>, Rejected> {
    let weekly = at.member("weekly");
    let days: [(&str, &[Hours]); 7] = [
        ("monday", &said.weekly.monday),
        ("tuesday", &said.weekly.tuesday),
        ("wednesday", &said.weekly.wednesday),
        ("thursday", &said.weekly.thursday),
        ("friday", &said.weekly.friday),
        ("saturday", &said.weekly.saturday),
        ("sunday", &said.weekly.sunday),
    ];
    for (day, hours) in days {
        check_hours(weekly.member(day), hours)?;
    }
    let at = at.member("exceptions");
    few(at, &said.exceptions, EXCEPTIONS)?;
    let mut exceptions = BTreeMap::new();
    for (index, exception) in said.exceptions.iter().enumerate() {
        let at = at.index(index);
        check_hours(at.member("open"), &exception.open)?;
        if exceptions.insert(exception.date.0, exception.open.as_slice()).is_some() {
            return Err(reject(VALUE, at.member("date"), "another exception has this date".into()));
        }
    }
    Ok(exceptions)
}

fn check_hours(at: At<'_>, hours: &[Hours]) -> Result<(), Rejected> {
    few(at, hours, HOURS_A_DAY)?;
    for (index, Hours { from, to }) in hours.iter().enumerate() {
        let at = at.index(index);
        if from.0 == DAY {
            return Err(reject(VALUE, at.member("from"), "24:00 is an end only".into()));
        }
        if from == to {
            let detail = "is when it opens, too; the whole day is 00:00 to 24:00";
            return Err(reject(VALUE, at.member("to"), detail.into()));
        }
    }
    Ok(())
}

fn weekday(weekly: &json::Weekly, day: Weekday) -> &[Hours] {
    match day {
        Weekday::Monday => &weekly.monday,
        Weekday::Tuesday => &weekly.tuesday,
        Weekday::Wednesday => &weekly.wednesday,
        Weekday::Thursday => &weekly.thursday,
        Weekday::Friday => &weekly.friday,
        Weekday::Saturday => &weekly.saturday,
        Weekday::Sunday => &weekly.sunday,
    }
}

/// Of a local time that is skipped, the instant as far behind the gap as it lies in it; of one that comes twice, the first.
fn instant(zone: &TimeZone, date: Date, minutes: i32) -> Result<i64, jiff::Error> {
    let date = date.checked_add(i64::from(minutes / DAY).days())?;
    let minutes = minutes % DAY;
    let time = date.at((minutes / 60) as i8, (minutes % 60) as i8, 0, 0);
    Ok(zone.to_ambiguous_timestamp(time).compatible()?.as_millisecond())
}

#[cfg(test)]
mod tests;
