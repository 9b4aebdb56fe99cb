//! A disk that is full. In a program of its own: it starts other programs, and between fork and exec those hold the
//! locks of every journal that is open in this one, which tests that run beside it would see.

use std::{path::Path, process::Command, time::Duration};

use router_log::{Commit, Isolation, Journal, Log, LogError, LogState, Options, Ticket, Transaction, scan};
use router_schemas::position::{LogId, Topic, TopicPartition};

#[test]
fn a_full_disk_loses_nothing_and_heals() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_str().unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "none", place]).status();
    assert!(mounted.is_ok_and(|s| s.success()), "this test mounts a small tmpfs: run it as root");
    {
        let partition = TopicPartition::new(Topic::Commands, 0);
        let log = fresh(folder.path());
        let filler = folder.path().join("filler");
        std::fs::write(&filler, vec![0; 900_000]).unwrap();
        let (mut expected, mut last) = (0u64, Ticket::default());
        while log.state() == LogState::Running && expected < 4_000 {
            let mut transaction = Transaction::default();
            transaction.push(&Topic::Commands, 0, &[1; 500]);
            transaction.push(&Topic::Events, 0, &[1; 500]);
            transaction.commit(Commit { group: "engine".into(), source: partition.clone(), next: expected });
            last = log.append(&transaction).unwrap().ticket;
            expected += 1;
            std::thread::sleep(Duration::from_micros(200));
        }
        assert!(matches!(log.state(), LogState::NoRoom(_)));
        assert!(matches!(log.append_if_room(&Transaction::default()), Err(LogError::NoRoom(_))));
        std::fs::remove_file(filler).unwrap();
        log.wait_durable(last).unwrap();
        assert_eq!(log.state(), LogState::Running);
        let (range, mut found) = (log.range(&partition).unwrap(), 0);
        scan(&log, &partition, range, Isolation::Durable, |records| {
            found += records.len() as u64;
            Ok::<_, LogError>(())
        })
        .unwrap();
        assert_eq!(found, expected);
        log.verify().unwrap();
    }
    assert!(Command::new("umount").arg(place).status().unwrap().success());
}

fn fresh(folder: &Path) -> Journal {
    let small = Options { segment_bytes: 2_000, cache_bytes: 1_000, reserve_bytes: 0, ..Options::default() };
    let log = Journal::open(folder, Options { create: Some(LogId([7; 16])), ..small }).unwrap();
    log.create_topic(&Topic::Commands, 2).unwrap();
    log.create_topic(&Topic::Events, 1).unwrap();
    log
}
