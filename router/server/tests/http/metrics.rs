//! Measurements, read line by line as the format says.

use std::collections::{BTreeMap, BTreeSet};

use crate::{furnished, order};

#[test]
fn measurements_are_well_formed_and_count() {
    let (_folder, _running, mut http) = furnished();
    for number in 0..5 {
        http.post("/v1/orders", &order(&number.to_string()));
    }
    http.post("/v1/orders", "{}");
    let answer = http.get("/metrics");
    assert!(
        answer.header("content-type").unwrap().starts_with("application/openmetrics-text; version=1.0.0")
    );
    assert!(answer.text.ends_with("# EOF\n"));
    let (mut types, mut helps, mut values) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
    for line in answer.text.lines().filter(|line| *line != "# EOF") {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(types.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} twice");
        } else if let Some(rest) = line.strip_prefix("# HELP ") {
            helps.insert(rest.split_once(' ').unwrap().0.to_owned());
        } else if !line.starts_with("# UNIT ") {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
            assert!(values.insert(series.to_owned(), value).is_none(), "{series} twice");
            let name = series.split('{').next().unwrap();
            let family =
                ["_total", "_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            let family = family.filter(|family| types.contains_key(*family)).unwrap_or(name);
            assert!(types.contains_key(family) && helps.contains(family), "{line} has no TYPE or HELP");
        }
    }
    for (name, kind) in [
        ("router_http_request_duration_seconds", "histogram"),
        ("router_decode_duration_seconds", "histogram"),
        ("router_append_duration_seconds", "histogram"),
        ("router_append_batch_records", "histogram"),
        ("router_turned_away", "counter"),
        ("router_stage_position", "gauge"),
        ("router_rows_lag_events", "gauge"),
    ] {
        assert_eq!(types.get(name).map(String::as_str), Some(kind), "{name}");
    }
    let labels = |status: &str| format!(r#"{{route="/v1/orders",method="POST",status="{status}"}}"#);
    let count =
        |status: &str| values.get(&format!("router_http_request_duration_seconds_count{}", labels(status)));
    assert_eq!((count("2xx"), count("4xx")), (Some(&5.0), Some(&1.0)), "{}", answer.text);
    assert_eq!(values.get(r#"router_turned_away_total{kind="E1001"}"#), Some(&1.0));
    assert_eq!(values.get(r#"router_turned_away_total{kind="E4002"}"#), Some(&0.0));
    // Buckets of one series only grow, and the last one is the count.
    let buckets: Vec<_> = answer
        .text
        .lines()
        .filter(|line| line.starts_with("router_decode_duration_seconds_bucket"))
        .collect();
    let numbers: Vec<f64> =
        buckets.iter().map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap()).collect();
    assert!(numbers.len() > 10 && numbers.is_sorted(), "{buckets:?}");
    assert_eq!(numbers.last(), values.get("router_decode_duration_seconds_count"));
}
