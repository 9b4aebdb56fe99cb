//! A store whose disk is full fails, says so, and goes on by itself when there is room. In a program of its own: it
//! starts others, which would hold the locks of what is open in this one.

use std::{
    io::Write,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use router_log::{Journal, Log, Options, Transaction};
use router_schemas::{
    command::stock::CellName,
    envelope::{self, Meta},
    event::Event,
    position::{LogId, Position, Topic, TopicPartition},
    row::{CellRow, Row},
};
use router_sinks::{
    FjallStore, Store,
    follow::{Health, follow_on},
};

fn say(log: &Journal, numbers: std::ops::Range<u64>) {
    let mut transaction = Transaction::default();
    for number in numbers {
        let cell = CellName { node: "n".into(), sku: format!("{number:0500}"), bucket: String::new() };
        let rows = vec![Row::Cell(CellRow { cell, ..CellRow::default() })];
        let cause = Position::new(Topic::Commands, 0, number);
        let event = Event {
            cause,
            item: 0,
            at: 0,
            time: number,
            order: None,
            outcome: None,
            changes: Vec::new(),
            rows,
        };
        transaction.push(&Topic::Events, 0, &envelope::to_vec(None, &Meta::default(), &event));
    }
    let ticket = log.append(&transaction).unwrap().ticket;
    log.wait_durable(ticket).unwrap();
}

fn until(what: &str, mut is: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is() {
        assert!(Instant::now() < deadline, "{what}: not within a minute");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_store_without_room_goes_on_when_there_is_some() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=96m", "none"]).arg(&disk).status();
    assert!(mounted.is_ok_and(|s| s.success()), "this test mounts a small tmpfs: run it as root");
    let options = Options { create: Some(LogId([7; 16])), reserve_bytes: 0, ..Options::default() };
    let log = Arc::new(Journal::open(&folder.path().join("log"), options).unwrap());
    log.create_topic(&Topic::Events, 1).unwrap();
    let store = Arc::new(FjallStore::open(&disk.join("rows")).unwrap());
    let (stop, health) = (Arc::new(AtomicBool::new(false)), Arc::new(Health::default()));
    let thread = {
        let (log, store, stop, health) = (log.clone(), store.clone(), stop.clone(), health.clone());
        std::thread::spawn(move || follow_on(&*log, &*store, &stop, &health))
    };
    say(&log, 0..10);
    until("rows are written", || store.position(0).unwrap() == 10);
    let mut filler = std::fs::File::create(disk.join("filler")).unwrap();
    while filler.write(&[7; 4096]).is_ok_and(|written| written > 0) {}
    let mut sent = 10;
    until("it fails", || {
        // No more than fits once there is room.
        if store.position(0).unwrap() == sent {
            say(&log, sent..sent + 500);
            sent += 500;
        }
        health.trouble().is_some()
    });
    // What is there can be read.
    assert!(health.trouble().unwrap().contains("E2101"));
    drop(filler);
    std::fs::remove_file(disk.join("filler")).unwrap();
    let end = log.range(&TopicPartition::new(Topic::Events, 0)).unwrap().end;
    until("it goes on", || store.position(0).is_ok_and(|position| position == end));
    until("it is well", || health.trouble().is_none());
    stop.store(true, Ordering::Relaxed);
    thread.join().unwrap();
    let mut rows = 0;
    store.rows(&mut |_, _| rows += 1).unwrap();
    assert_eq!(rows, end);
    drop(store);
    assert!(Command::new("umount").arg("-l").arg(&disk).status().unwrap().success());
}
