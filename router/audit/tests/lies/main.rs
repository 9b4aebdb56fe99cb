//! A log that is right passes; the same log with one lie does not, and the lie is found where it is. Every code of
//! the audit has a lie here.

mod abroad;
mod claims;
mod day;
mod evening;
mod history;
mod table;

use std::collections::BTreeSet;

use claims::CLAIMS;
use day::{cell_row, day, units};
use evening::evening;
use history::{History, PARTITIONS};
use router_audit::{CODES, Cut, Report, Violation, audit, audit_upto};
use router_log::Log;
use router_schemas::{
    command::{Command, stock::Allowance},
    event::{Change, Exception, Outcome},
    position::{Position, Topic, TopicPartition},
    row::Row,
};
use router_sinks::{FjallStore, Store, follow};
use table::{LIES, at, change};

const WHOLE: u64 = 64 << 20;

/// A day and its evening.
fn whole_day() -> History {
    let mut history = day();
    evening(&mut history);
    history
}

fn judged(history: &History) -> Report {
    let folder = tempfile::tempdir().unwrap();
    audit(&history.write(folder.path(), WHOLE), None).unwrap()
}

fn names(report: &Report) -> Vec<String> {
    let name =
        |v: &Violation| format!("{} {:?} {}", v.code, v.position.as_ref().map(Position::to_string), v.detail);
    report.first.iter().map(name).collect()
}

#[test]
fn a_day_without_a_lie_passes() {
    let report = judged(&day());
    assert_eq!(names(&report), Vec::<String>::new());
    assert_eq!((report.orders, report.cells, report.oversold, report.undecodable), (3, 1, 0, 1));
    assert_eq!(report.skipped, [Position::new(Topic::Commands, 1, 3)]);
    assert_eq!(report.unchecked, Vec::<String>::new());
    assert_eq!(report.no_subject.len(), 2);
    let report = judged(&whole_day());
    assert_eq!(names(&report), Vec::<String>::new());
    assert_eq!((report.orders, report.cells, report.oversold), (6, 3, 0));
    assert_eq!((report.offers, report.holds, report.parts), (2, 1, 1));
    assert_eq!((report.unchecked, report.no_subject), (Vec::<String>::new(), Vec::<&str>::new()));
    assert_eq!(report.invariants.join(" "), "I1 I2 I3 I4 I5 I6 I7");
}

#[test]
fn every_lie_is_found_where_it_is() {
    let mut missed = Vec::new();
    for (name, code, lie) in LIES.iter().chain(CLAIMS) {
        let mut history = whole_day();
        let place = lie(&mut history);
        let report = judged(&history);
        let found = report.first.iter().any(|v| v.code == *code && v.position.as_ref() == Some(&place));
        if !found {
            missed.push(format!("{name}: {code} at {place} is not in {:#?}", names(&report)));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn every_code_has_a_lie() {
    let told: BTreeSet<_> = LIES.iter().chain(CLAIMS).map(|(_, code, _)| *code).collect();
    let codes: BTreeSet<_> = CODES.iter().map(|code| code.id).collect();
    assert_eq!(told, codes);
}

#[test]
fn an_allowance_lets_a_request_promise_more() {
    let mut history = day();
    for label in ["counted", "placed 1"] {
        for row in &mut history.line(label).event().rows {
            if let Row::Cell(row) = row {
                row.allowance = Allowance::Unlimited;
            }
        }
    }
    change(&mut history, "counted", |event| {
        let Change::Stock(stock) = &mut event.changes[0] else { panic!() };
        stock.on_hand = units(1);
    });
    let report = judged(&history);
    assert!(report.first.iter().all(|v| v.code != "E2301"), "{:#?}", names(&report));
}

#[test]
fn rows_are_compared_both_ways() {
    let history = whole_day();
    let folder = tempfile::tempdir().unwrap();
    let log = history.write(&folder.path().join("log"), WHOLE);
    let stop = std::sync::atomic::AtomicBool::new(false);
    let open = |name: &str| FjallStore::open(&folder.path().join(name)).unwrap();
    let store = open("rows");
    follow::follow(&log, &store, &stop, true).unwrap();
    assert_eq!(names(&audit(&log, Some(&store)).unwrap()), Vec::<String>::new());

    let mut rows = Vec::new();
    store.rows(&mut |time, row| rows.push((time, row))).unwrap();
    let ends = |store: &FjallStore| {
        for partition in 0..PARTITIONS {
            let end = log.range(&TopicPartition::new(Topic::Events, partition)).unwrap().end;
            store.apply(partition, end, Vec::new()).unwrap();
        }
    };
    let without = |kind: fn(&Row) -> bool| rows.iter().filter(|(_, row)| !kind(row)).cloned().collect();
    let lies: [(&str, Vec<(u64, Row)>); 8] = [
        ("a hold is missing", without(|row| matches!(row, Row::Hold(_)))),
        ("an offer is missing", without(|row| matches!(row, Row::Offer(_)))),
        ("a node is missing", without(|row| matches!(row, Row::Node(_)))),
        ("a pool is missing", without(|row| matches!(row, Row::Pool(_)))),
        ("one is missing", rows[1..].to_vec()),
        ("one is of nothing", [rows.clone(), vec![(5, cell_row("k7", 1, 0))]].concat()),
        ("one differs", {
            let mut rows = rows.clone();
            rows.iter_mut().for_each(|(_, row)| {
                if let Row::Cell(row) = row {
                    row.blocked = units(1);
                }
            });
            rows
        }),
        ("one is of another time", rows.iter().map(|(time, row)| (time + 1, row.clone())).collect()),
    ];
    for (name, rows) in lies {
        let store = open(name);
        ends(&store);
        store.apply(0, 0, rows).unwrap();
        let report = audit(&log, Some(&store)).unwrap();
        assert!(
            report.violations > 0 && report.first.iter().all(|v| v.code == "E2308"),
            "{name}: {report:?}"
        );
    }
}

#[test]
fn what_was_not_applied_yet_is_said_and_not_judged() {
    let mut history = day();
    let receipt = Command::Receipt(router_schemas::command::stock::Movement::default());
    history.then().input("late", Topic::Commands, 0, Default::default(), receipt);
    history.unapplied.insert(TopicPartition::new(Topic::Commands, 0), 1);
    let report = judged(&history);
    assert_eq!(names(&report), Vec::<String>::new());
    assert!(report.unchecked[0].contains("not applied yet"), "{:?}", report.unchecked);
}

#[test]
fn a_cut_leaves_out_what_came_later() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = day();
    let log = history.write(&folder.path().join("a"), WHOLE);
    let (cut, before) = (Cut::now(&log), audit(&log, None).unwrap());
    // The same log, and the lies of a moment later.
    let receipt = Command::Receipt(router_schemas::command::stock::Movement::default());
    let late = history.then().input("late", Topic::Commands, 0, Default::default(), receipt);
    history.event(
        "late event",
        &late,
        None,
        Outcome::Early,
        vec![Change::Exception(Exception::Unmatched)],
        vec![],
    );
    let log = history.write(&folder.path().join("b"), WHOLE);
    let mut last = None;
    let report = audit_upto(&log, None, &cut, &mut |progress| last = Some(progress)).unwrap();
    assert_eq!((report.records, report.violations), (before.records, 0), "{:?}", names(&report));
    assert_eq!(last.map(|p| (p.done, p.of)), Some((before.records, before.records)));
}

#[test]
fn a_trimmed_log_is_judged_from_what_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = day();
    // A lie late in the day is still found.
    change(&mut history, "shipped", |event| event.rows[1] = cell_row("k1", 3, 0));
    let lie = at(&history, "shipped");
    let log = history.write(folder.path(), 600);
    let keep = at(&history, "early");
    let trimmed = log
        .trim(
            &|partition| {
                let known = partition.topic == keep.topic && partition.partition == keep.partition;
                if known { keep.offset } else { u64::MAX }
            },
            &|_| i64::MAX,
        )
        .unwrap();
    assert!(trimmed.segments > 2, "{trimmed:?}");
    let report = audit(&log, None).unwrap();
    let found: Vec<_> = report.first.iter().map(|v| (v.code, v.position.clone())).collect();
    assert_eq!(found, [("E2302", Some(lie))], "{:#?}", names(&report));
    let said = report.unchecked.join("; ");
    assert!(said.contains("are trimmed") && said.contains("judged from their first row on"), "{said}");
}
