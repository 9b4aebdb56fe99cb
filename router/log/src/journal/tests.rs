use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use proptest::prelude::*;

use super::*;
use crate::Commit;

fn options() -> Options {
    let time = AtomicI64::new(1_000);
    Options {
        create: Some(LogId([7; 16])),
        segment_bytes: 2_000,
        cache_bytes: 1_000,
        reserve_bytes: 0,
        clock: Arc::new(move || time.fetch_add(1, Ordering::Relaxed)),
    }
}

fn at(topic: &Topic, partition: u16) -> TopicPartition {
    TopicPartition::new(topic.clone(), partition)
}

fn read_all(log: &dyn Log, partition: &TopicPartition, isolation: Isolation) -> Vec<(u64, Vec<u8>)> {
    let from = log.range(partition).unwrap().start;
    let mut reader = log.reader(vec![(partition.clone(), from)], isolation).unwrap();
    let mut all = Vec::new();
    while let Some(batch) = reader.poll(7, 1_000, Duration::ZERO).unwrap() {
        all.extend(batch.records.iter().map(|r| (r.offset, r.payload.to_vec())));
    }
    all
}

fn put(log: &dyn Log, partition: u16, payloads: &[&[u8]], next: u64) -> Appended {
    let mut transaction = Transaction::default();
    for payload in payloads {
        transaction.push(&Topic::Commands, partition, payload);
        transaction.push(&Topic::Events, 0, payload);
    }
    transaction.commit(Commit { group: "engine".into(), source: at(&Topic::Commands, partition), next });
    log.append(&transaction).unwrap()
}

fn settle(log: &Journal) {
    let last = log.shared.lock().next_frame - 1;
    log.wait_durable(Ticket(last)).unwrap();
}

fn fresh(folder: &Path) -> Journal {
    let log = Journal::open(folder, options()).unwrap();
    log.create_topic(&Topic::Commands, 2).unwrap();
    log.create_topic(&Topic::Events, 1).unwrap();
    log
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Against a map of vectors: random transactions, reopened now and then, read back whole at the end.
    #[test]
    fn holds_what_was_appended(steps in prop::collection::vec((0u16..2, prop::collection::vec(0usize..300, 1..5), prop::bool::weighted(0.1)), 1..60)) {
        let folder = tempfile::tempdir().unwrap();
        let mut log = fresh(folder.path());
        let mut model: BTreeMap<TopicPartition, Vec<Vec<u8>>> = BTreeMap::new();
        for (i, (partition, sizes, reopen)) in steps.iter().enumerate() {
            let payloads: Vec<Vec<u8>> = sizes.iter().map(|s| vec![i as u8; *s]).collect();
            let slices: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
            let appended = put(&log, *partition, &slices, i as u64);
            let own = model.entry(at(&Topic::Commands, *partition)).or_default();
            prop_assert_eq!(appended.offsets[0], own.len() as u64);
            own.extend(payloads.clone());
            model.entry(at(&Topic::Events, 0)).or_default().extend(payloads);
            if *reopen {
                drop(log);
                log = Journal::open(folder.path(), options()).unwrap();
            }
            prop_assert_eq!(log.committed("engine", &at(&Topic::Commands, *partition)), Some(i as u64));
        }
        settle(&log);
        for (partition, expected) in &model {
            for isolation in [Isolation::Appended, Isolation::Durable] {
                let found = read_all(&log, partition, isolation);
                prop_assert!(found.iter().enumerate().all(|(i, (offset, _))| *offset == i as u64));
                prop_assert_eq!(&found.into_iter().map(|(_, payload)| payload).collect::<Vec<_>>(), expected);
            }
        }
    }
}

#[test]
fn a_torn_end_loses_whole_transactions_from_the_end_only() {
    let folder = tempfile::tempdir().unwrap();
    let log = fresh(folder.path());
    (0..6u8).for_each(|i| drop(put(&log, 0, &[&[i; 40], &[i; 10]], u64::from(i))));
    drop(log);
    std::fs::remove_file(folder.path().join("closed")).unwrap();
    let segment = folder.path().join("0000000001.seg");
    let whole = std::fs::read(&segment).unwrap();
    for end in (0..whole.len()).step_by(3) {
        std::fs::write(&segment, &whole[..end]).unwrap();
        let log = Journal::open(folder.path(), options()).unwrap();
        let (mine, events) = match log.partitions(&Topic::Events) {
            Some(_) => (
                read_all(&log, &at(&Topic::Commands, 0), Isolation::Appended),
                read_all(&log, &at(&Topic::Events, 0), Isolation::Appended),
            ),
            None => Default::default(),
        };
        assert_eq!(mine, events, "cut at {end}: the two halves of a transaction live or die together");
        assert_eq!(mine.len() % 2, 0);
        let commit =
            log.partitions(&Topic::Events).and_then(|_| log.committed("engine", &at(&Topic::Commands, 0)));
        assert_eq!(commit, (mine.len() as u64 / 2).checked_sub(1));
        drop(log);
        std::fs::remove_file(folder.path().join("closed")).ok();
        for extra in std::fs::read_dir(folder.path()).unwrap().flatten() {
            if extra.path() != segment && extra.path().extension().is_some() {
                std::fs::remove_file(extra.path()).unwrap();
            }
        }
    }
}

#[test]
fn damage_is_refused_with_its_place() {
    for (byte_from_end, clean, expected) in
        [(5, false, None), (5, true, Some("E2004")), (400, false, Some("E2003"))]
    {
        let folder = tempfile::tempdir().unwrap();
        let log = fresh(folder.path());
        (0..6u8).for_each(|i| drop(put(&log, 0, &[&[i; 40]], u64::from(i))));
        drop(log);
        if !clean {
            std::fs::remove_file(folder.path().join("closed")).unwrap();
        }
        let segment = folder.path().join("0000000001.seg");
        let mut bytes = std::fs::read(&segment).unwrap();
        let byte = bytes.len() - byte_from_end;
        bytes[byte] ^= 1;
        std::fs::write(&segment, &bytes).unwrap();
        let opened = Journal::open(folder.path(), options());
        assert_eq!(opened.err().map(|e| e.to_string()[..5].to_owned()).as_deref(), expected);
    }
}

#[test]
fn damage_in_a_closed_segment_is_refused_when_read() {
    let folder = tempfile::tempdir().unwrap();
    let log = fresh(folder.path());
    (0..60u8).for_each(|i| drop(put(&log, 0, &[&[i; 100]], u64::from(i))));
    drop(log);
    let segment = folder.path().join("0000000002.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&segment, &bytes).unwrap();
    let log = Journal::open(folder.path(), options()).unwrap();
    let mut reader = log.reader(vec![(at(&Topic::Commands, 0), 0)], Isolation::Appended).unwrap();
    let error =
        std::iter::repeat_with(|| reader.poll(10, 1 << 20, Duration::ZERO)).find_map(Result::err).unwrap();
    assert!(
        error.to_string().starts_with("E2003") && error.to_string().contains("0000000002.seg"),
        "{error}"
    );
    assert!(matches!(log.verify(), Err(LogError::Damaged { .. })));
}

#[test]
fn a_missing_or_damaged_index_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let log = fresh(folder.path());
    (0..60u8).for_each(|i| drop(put(&log, 0, &[&[i; 100]], u64::from(i))));
    let expected = read_all(&log, &at(&Topic::Events, 0), Isolation::Appended);
    drop(log);
    std::fs::remove_file(folder.path().join("0000000001.idx")).unwrap();
    std::fs::write(folder.path().join("0000000002.idx"), b"nonsense").unwrap();
    let log = Journal::open(folder.path(), options()).unwrap();
    assert_eq!(read_all(&log, &at(&Topic::Events, 0), Isolation::Appended), expected);
    assert!(log.verify().unwrap() > 60);
}

#[test]
fn one_process_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let log = fresh(folder.path());
    for second in [Journal::open(folder.path(), options()), Journal::open_read_only(folder.path(), options())]
    {
        let error = second.err().unwrap().to_string();
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
    }
    drop(log);
    let reading = Journal::open_read_only(folder.path(), options()).unwrap();
    let also = Journal::open_read_only(folder.path(), options()).unwrap();
    assert!(matches!(reading.append(&Transaction::default()), Err(LogError::ReadOnly)));
    assert!(Journal::open(folder.path(), options()).is_err());
    drop((reading, also));
}

#[test]
fn trimming_removes_what_nobody_needs() {
    let folder = tempfile::tempdir().unwrap();
    let log = fresh(folder.path());
    (0..60u8).for_each(|i| drop(put(&log, 0, &[&[i; 100]], u64::from(i))));
    settle(&log);
    assert_eq!(log.last(), *log.durable().borrow());
    let keep_all = log.trim(&|_| 0, &|_| i64::MAX).unwrap();
    assert_eq!(keep_all, Trimmed::default());
    let retained = log.trim(&|_| u64::MAX, &|_| 0).unwrap();
    assert_eq!(retained, Trimmed::default());
    let said = log.trimmable(&|_| 30, &|_| i64::MAX);
    assert_eq!(log.range(&at(&Topic::Commands, 0)).unwrap().start, 0, "saying so removes nothing");
    let trimmed = log.trim(&|_| 30, &|_| i64::MAX).unwrap();
    assert!(trimmed.segments > 0);
    assert_eq!(said.len(), 2, "the partition without records loses none");
    for (partition, first) in said {
        assert_eq!(log.range(&partition).unwrap().start, first, "{partition}");
    }
    let start = log.range(&at(&Topic::Commands, 0)).unwrap().start;
    assert!((1..=30).contains(&start), "{start}");
    let expected = read_all(&log, &at(&Topic::Events, 0), Isolation::Appended);
    assert_eq!(expected.len() as u64, 60 - log.range(&at(&Topic::Events, 0)).unwrap().start);
    drop(log);
    let log = Journal::open(folder.path(), options()).unwrap();
    assert_eq!(read_all(&log, &at(&Topic::Events, 0), Isolation::Appended), expected);
    assert_eq!(log.committed("engine", &at(&Topic::Commands, 0)), Some(59));
}

#[test]
fn a_replica_keeps_offsets_and_times() {
    let folder = tempfile::tempdir().unwrap();
    let log = fresh(folder.path());
    let records: Vec<_> =
        (5..9).map(|n| Record { offset: n, at: n as i64 * 10, payload: vec![n as u8; 3].into() }).collect();
    log.append_replica(&at(&Topic::Commands, 1), &records).unwrap();
    assert!(log.append_replica(&at(&Topic::Commands, 1), &records).is_err());
    drop(log);
    let log = Journal::open(folder.path(), options()).unwrap();
    let mut reader = log.reader(vec![(at(&Topic::Commands, 1), 5)], Isolation::Durable).unwrap();
    assert_eq!(reader.poll(10, 1000, Duration::ZERO).unwrap().unwrap().records, records);
}
