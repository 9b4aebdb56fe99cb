use super::*;
use crate::bounds::ROOT;

fn compiled(text: &str, now: &str) -> Result<Calendar, Rejected> {
    let said = serde_json::from_str(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    compile(ROOT.member("calendar"), &said, now.parse().unwrap())
}

/// The intervals that begin on the UTC days from `from` to `to`, as text.
fn shown(calendar: &Calendar, from: &str, to: &str) -> Vec<String> {
    let text = |at: i64| Timestamp::from_millisecond(at).unwrap().strftime("%m-%d %H:%M").to_string();
    // The days come again after a year.
    let end = calendar.midnights[300];
    let all = calendar.open.iter().filter(|i| i.0 < end).map(|(from, to)| (text(*from), text(*to)));
    all.filter(|(a, _)| (from..=to).contains(&&a[..5])).map(|(a, b)| format!("{a} to {b}")).collect()
}

const LATE: &str = r#""monday":[{"from":"22:00","to":"03:00"}],"sunday":[{"from":"22:00","to":"03:00"}]"#;

#[test]
fn hours_follow_daylight_saving() {
    // Berlin goes from +1 to +2 in the night to 29 March 2026, and back in the night to 25 October.
    let week = r#"{"time_zone":"Europe/Berlin","weekly":{"saturday":[{"from":"09:00","to":"18:00"}],
        "sunday":[{"from":"09:00","to":"18:00"}]}}"#;
    let calendar = compiled(week, "2026-03-20T00:00:00Z").unwrap();
    assert_eq!(
        shown(&calendar, "03-28", "03-29"),
        ["03-28 08:00 to 03-28 17:00", "03-29 07:00 to 03-29 16:00"]
    );
    assert_eq!(
        shown(&calendar, "10-24", "10-25"),
        ["10-24 07:00 to 10-24 16:00", "10-25 08:00 to 10-25 17:00"]
    );
    let length = |day: usize| (calendar.midnights[day + 1] - calendar.midnights[day]) / 3_600_000;
    assert_eq!((length(8), length(9), length(10)), (24, 23, 24), "the days before, of and after the change");
}

#[test]
fn hours_may_go_over_midnight() {
    let week = format!(r#"{{"time_zone":"Asia/Shanghai","weekly":{{{LATE}}}}}"#);
    // Monday, 4 May 2026, 01:00 in Shanghai: what began on Sunday is still open.
    let calendar = compiled(&week, "2026-05-03T17:00:00Z").unwrap();
    assert_eq!(
        shown(&calendar, "05-03", "05-04"),
        ["05-03 14:00 to 05-03 19:00", "05-04 14:00 to 05-04 19:00"]
    );
    // An hour after it closed, it is gone.
    let calendar = compiled(&week, "2026-05-03T20:00:00Z").unwrap();
    assert_eq!(shown(&calendar, "05-03", "05-04"), ["05-04 14:00 to 05-04 19:00"]);
    // New York has no 02:30 on 8 March 2026: it closes an hour late by the clock, after as many hours.
    let week = r#"{"time_zone":"America/New_York","weekly":{"saturday":[{"from":"22:00","to":"02:30"}]}}"#;
    let calendar = compiled(week, "2026-03-07T00:00:00Z").unwrap();
    assert_eq!(shown(&calendar, "03-07", "03-09"), ["03-08 03:00 to 03-08 07:30"]);
}

#[test]
fn a_midnight_that_is_skipped_is_the_first_instant_of_its_day() {
    // Cairo goes from 00:00 to 01:00 on Friday, 24 April 2026.
    let week = r#"{"time_zone":"Africa/Cairo","weekly":{"friday":[{"from":"00:00","to":"24:00"}]}}"#;
    let calendar = compiled(week, "2026-04-23T12:00:00Z").unwrap();
    assert_eq!(calendar.midnights[1], "2026-04-23T22:00:00Z".parse::<Timestamp>().unwrap().as_millisecond());
    assert_eq!(shown(&calendar, "04-23", "04-24"), ["04-23 22:00 to 04-24 21:00"]);
}

#[test]
fn exceptions_replace_a_day_and_neighbours_grow_together() {
    let all = r#"[{"from":"00:00","to":"24:00"}]"#;
    let week = format!(
        r#"{{"time_zone":"UTC","weekly":{{"monday":{all},"tuesday":{all},"wednesday":[{{"from":"09:00","to":"12:00"}},
            {{"from":"11:00","to":"15:00"}}]}},"exceptions":[{{"date":"2026-05-12"}},
            {{"date":"2026-05-14","open":[{{"from":"10:00","to":"11:00"}}]}}]}}"#
    );
    let calendar = compiled(&week, "2026-05-04T00:00:00Z").unwrap();
    assert_eq!(
        shown(&calendar, "05-04", "05-06"),
        ["05-04 00:00 to 05-06 00:00", "05-06 09:00 to 05-06 15:00"]
    );
    let second = ["05-11 00:00 to 05-12 00:00", "05-13 09:00 to 05-13 15:00", "05-14 10:00 to 05-14 11:00"];
    assert_eq!(shown(&calendar, "05-11", "05-14"), second);
}

#[test]
fn a_node_that_is_closed_stays_closed_until_the_horizon() {
    let calendar = compiled(r#"{"time_zone":"UTC"}"#, "2026-05-04T10:00:00Z").unwrap();
    assert_eq!(calendar.midnights.len() as i64, DAYS + 1);
    let horizon = *calendar.midnights.last().unwrap();
    assert_eq!(calendar.open, [(horizon, horizon + 1)]);
}

#[test]
fn the_most_hours_fit_the_limit() {
    let two = r#"[{"from":"08:00","to":"12:00"},{"from":"13:00","to":"20:00"}]"#;
    let days = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let weekly: Vec<_> = days.iter().map(|day| format!(r#""{day}":{two}"#)).collect();
    let week = format!(r#"{{"time_zone":"Asia/Tokyo","weekly":{{{}}}}}"#, weekly.join(","));
    let calendar = compiled(&week, "2026-05-04T00:00:00Z").unwrap();
    assert!(
        calendar.open.len() <= OPEN_INTERVALS && calendar.open.len() > 2 * 398,
        "{}",
        calendar.open.len()
    );
    assert!(calendar.open.windows(2).all(|pair| pair[0].1 < pair[1].0), "ascending and apart");
    assert!(calendar.midnights.windows(2).all(|pair| pair[0] < pair[1]));
    let end = calendar.open.last().unwrap().1;
    assert!(*calendar.midnights.last().unwrap() <= end, "no closed time is forgotten");
}

#[test]
fn what_is_no_calendar_names_its_place() {
    for (text, pointer) in [
        (r#"{"time_zone":"Asia/Peking"}"#, "/calendar/time_zone"),
        (r#"{"time_zone":""}"#, "/calendar/time_zone"),
        (r#"{"time_zone":"../../etc/passwd"}"#, "/calendar/time_zone"),
        (
            r#"{"time_zone":"UTC","weekly":{"friday":[{"from":"24:00","to":"02:00"}]}}"#,
            "/calendar/weekly/friday/0/from",
        ),
        (
            r#"{"time_zone":"UTC","weekly":{"friday":[{"from":"09:00","to":"09:00"}]}}"#,
            "/calendar/weekly/friday/0/to",
        ),
        (
            r#"{"time_zone":"UTC","exceptions":[{"date":"2026-10-01"},{"date":"2026-10-01"}]}"#,
            "/calendar/exceptions/1/date",
        ),
    ] {
        assert_eq!(compiled(text, "2026-05-04T00:00:00Z").unwrap_err().pointer, pointer, "{text}");
    }
    for text in ["\"25:00\"", "\"9:00\"", "\"09:60\"", "\"24:01\"", "\"+9:00\"", "540", "\"\""] {
        assert!(serde_json::from_str::<json::LocalTime>(text).is_err(), "{text}");
    }
    for text in ["\"2026-02-30\"", "\"2026-1-1\"", "\"20260101\"", "\"tomorrow\""] {
        assert!(serde_json::from_str::<json::LocalDate>(text).is_err(), "{text}");
    }
}
