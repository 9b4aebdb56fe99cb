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
    let faults = ["duplicates", "lost", "oversold", "audit"].map(number);
    assert_eq!(faults, [0; 4], "{report}");
    let verdicts = ["allocated", "split", "backordered", "unfillable"].map(number);
    assert_eq!(verdicts.iter().sum::<u64>(), 300, "{report}");
    assert!(verdicts[0] > 0 && verdicts[1] > 0 && number("cancelled") > 0, "{report}");

    let refused = router(&["demo", "--orders", "1", "--exit"], &data);
    assert_eq!(refused.status.code(), Some(2), "a folder with a log is left alone");
    let again = folder.path().join("again");
    let replayed = printed(&router(&["replay", "--into", again.to_str().unwrap()], &data));
    assert!(replayed["difference"].is_null() && replayed["same"].as_u64().unwrap() > 1000, "{replayed}");
}
