//! The demo, as its user runs it: it ends by itself with nothing lost, doubled or oversold, and a replay of its
//! folder writes the same bytes.

#[path = "running/mod.rs"]
mod running;

use running::{printed, router};

#[test]
fn the_demo_is_clean_and_replays() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let played = router(&["demo", "--orders", "300", "--rate", "max", "--exit"], &data);
    let report = printed(&played);
    let number = |name: &str| report[name].as_u64().unwrap_or_else(|| panic!("{name} in {report}"));
    assert_eq!((number("orders"), number("repeats")), (300, 6), "{report}");
    let faults = ["duplicates", "lost", "oversold", "audit", "two_winners", "open_offers"].map(number);
    assert_eq!(faults, [0; 6], "{report}");
    let standings =
        ["allocated", "split", "backordered", "unfillable", "forwarded", "cancelled_early", "offered"];
    assert_eq!(standings.map(number).iter().sum::<u64>(), 300, "{report}");
    let happened = ["allocated", "split", "cancelled", "offers", "claims", "declines", "parts_sent"];
    assert!(happened.iter().all(|name| number(name) > 0), "{report}");
    assert!(number("rounds") >= number("offers") && number("claims") < number("asked"), "{report}");

    let rules = router(&["rules", "show", "demo-grab"], &data);
    assert!(String::from_utf8_lossy(&rules.stdout).contains("fewest-splits"), "{rules:?}");
    let refused = router(&["demo", "--orders", "1", "--exit"], &data);
    assert_eq!(refused.status.code(), Some(2), "a folder with a log is left alone");
    let again = folder.path().join("again");
    let replayed = printed(&router(&["replay", "--into", again.to_str().unwrap()], &data));
    assert!(replayed["difference"].is_null() && replayed["same"].as_u64().unwrap() > 1000, "{replayed}");
}

#[test]
fn what_nobody_claims_lapses_twice_and_is_assigned() {
    let folder = tempfile::tempdir().unwrap();
    let asked = "demo --orders 40 --rate max --exit --claim 0 --decline 0 --ttl 1s";
    let asked: Vec<&str> = asked.split(' ').collect();
    let report = printed(&router(&asked, &folder.path().join("data")));
    let number = |name: &str| report[name].as_u64().unwrap_or_else(|| panic!("{name} in {report}"));
    let faults = ["duplicates", "lost", "oversold", "audit", "two_winners", "open_offers", "offered"];
    assert_eq!(faults.map(number), [0; 7], "{report}");
    assert_eq!((number("claims"), number("declines")), (0, 0), "{report}");
    // An offer that its customer cancelled ends before its time.
    assert!(number("lapses") > 0 && number("lapses") + number("withdrawn") >= number("rounds"), "{report}");
    assert_eq!(number("fallbacks") + number("withdrawn"), number("offers"), "{report}");
}

#[test]
fn where_no_store_grabs_all_is_assigned() {
    let folder = tempfile::tempdir().unwrap();
    let asked = ["demo", "--orders", "100", "--rate", "max", "--exit", "--no-grab"];
    let report = printed(&router(&asked, &folder.path().join("data")));
    let number = |name: &str| report[name].as_u64().unwrap_or_else(|| panic!("{name} in {report}"));
    assert_eq!(["duplicates", "lost", "oversold", "audit"].map(number), [0; 4], "{report}");
    let verdicts = ["allocated", "split", "backordered", "unfillable"].map(number);
    assert_eq!(verdicts.iter().sum::<u64>(), 100, "{report}");
    assert!(report["offers"].is_null(), "{report}");
}

#[test]
fn what_cannot_be_meant_is_refused_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let wrong = ["--claim 60 --decline 50", "--claim 101", "--store nowhere", "--ttl 1ms", "--think 2h"];
    for wrong in wrong {
        let asked: Vec<&str> = ["demo", "--exit"].into_iter().chain(wrong.split(' ')).collect();
        let refused = router(&asked, &data);
        assert_eq!(refused.status.code(), Some(2), "{wrong}: {refused:?}");
        assert!(!data.exists(), "{wrong}");
    }
}
