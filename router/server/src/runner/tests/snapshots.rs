use super::*;

/// Enough orders for several snapshots of each partition but CONTROL's, then a clean end.
fn filled(every: u64) -> Bench {
    let mut bench = Bench::new();
    bench.settings.snapshot_every = every;
    let router = bench.start();
    furnish(&router);
    order(&router, 0..60);
    router.settle();
    // However fast they were decided, the next ones come behind a snapshot.
    let mut number = 1000;
    until("snapshots are made", || {
        let made = bench.files("engine/0").len() == 2 && !bench.files("intake/1").is_empty();
        if !made {
            order(&router, number..number + 10);
            number += 10;
        }
        made
    });
    order(&router, 60..70);
    router.settle();
    router.stop();
    bench
}

#[test]
fn a_start_from_snapshots_gives_the_state_of_the_whole_log() {
    let bench = filled(10);
    let log = bench.journal();
    let (_folder, no_snapshots) = none();
    let (short, whole) = (hashes(&log, &bench.snapshots()), hashes(&log, &no_snapshots));
    assert_eq!(short, whole);
    // Also in the middle: before a snapshot, at it, behind it.
    let older = bench.snapshots().list(StageName::Engine, 0).unwrap()[1].position;
    for upto in [older - 1, older, older + 1] {
        let [short, whole] = [&bench.snapshots(), &no_snapshots]
            .map(|s| rebuild(&log, s, StageName::Engine, 0, upto).unwrap());
        assert_eq!((short.next, short.state_hash()), (whole.next, whole.state_hash()));
        assert_eq!(short.header(), whole.header(), "numbers too");
    }
    drop(log);

    // The directory comes from CONTROL's snapshot: what made it lies before it.
    assert!(!bench.files("control/0").is_empty());
    let router = bench.start();
    assert_eq!(router.runner.directory.partition("b2"), Some(1));
    send(&router, "count.v1", r#"{"node":"b2","sku":"x","qty":77}"#);
    order(&router, 70..75);
    router.settle();
    router.stop();
    bench.audit();
    assert_eq!(bench.replay().begun, []);
}

#[test]
fn a_damaged_snapshot_gives_way_to_the_older_one() {
    let bench = filled(10);
    let (_folder, no_snapshots) = none();
    let whole = hashes(&bench.journal(), &no_snapshots);
    for name in ["engine/0", "intake/0", "intake/1", "control/0"] {
        bench.files(name).last().into_iter().for_each(|newest| flip_a_byte(newest));
    }
    assert_eq!(hashes(&bench.journal(), &bench.snapshots()), whole);
    let newest = bench.files("engine/0").pop().unwrap();
    let bytes = std::fs::read(&newest).unwrap();
    std::fs::write(&newest, &bytes[..bytes.len() / 3]).unwrap();
    assert_eq!(hashes(&bench.journal(), &bench.snapshots()), whole, "cut off");
    std::fs::write(&newest, b"").unwrap();
    let router = bench.start();
    order(&router, 70..90);
    router.settle();
    until("the damaged one is replaced", || !newest.exists() && bench.files("engine/0").len() == 2);
    router.stop();
    bench.audit();
}

#[test]
fn what_a_crash_left_of_a_snapshot_is_none() {
    let bench = filled(10);
    let newest = bench.files("engine/0").pop().unwrap();
    let half = newest.with_file_name("00000000000000000999-0.snap#1");
    std::fs::write(&half, &std::fs::read(&newest).unwrap()[..50]).unwrap();
    assert!(bench.snapshots().list(StageName::Engine, 0).unwrap().iter().all(|name| name.position != 999));
    bench.start().stop();
    assert!(!half.exists(), "a start removes it");
}

#[test]
fn a_snapshot_of_another_log_or_a_later_build_is_refused() {
    let bench = filled(10);
    let log = bench.journal();
    let snapshots = bench.snapshots();
    let topology = bootstrap::topology(&log, 0);
    let name = snapshots.list(StageName::Engine, 0).unwrap()[0];
    let other = Topology { log: LogId([9; 16]), ..topology };
    let error = snapshots.read(&other, StageName::Engine, 0, name).err().unwrap();
    assert!(error.to_string().starts_with("E2403"), "{error}");
    drop(log);

    let newest = bench.files("engine/0").pop().unwrap();
    let mut bytes = std::fs::read(&newest).unwrap();
    // Another format, written whole: older ones would not be tried.
    bytes[4] = 9;
    let body = bytes.len() - 4;
    let crc = crc32fast::hash(&bytes[..body]).to_le_bytes();
    bytes[body..].copy_from_slice(&crc);
    std::fs::write(&newest, bytes).unwrap();
    let refused = Router::start_with(&bench.path(), &bench.settings).err().unwrap();
    assert!(refused.to_string().starts_with("E2404"), "{refused}");
}

#[test]
fn snapshots_above_the_log_are_removed() {
    let bench = filled(10);
    let newest = bench.files("engine/0").pop().unwrap();
    let later = newest.with_file_name("00000000000000099999-0.snap");
    std::fs::copy(&newest, &later).unwrap();
    bench.start().stop();
    assert!(!later.exists());
}

#[test]
fn a_clean_end_keeps_what_would_make_the_next_start_long() {
    let mut bench = Bench::new();
    bench.settings.snapshot_every = 100_000;
    let router = bench.start();
    furnish(&router);
    router.settle();
    router.stop();
    assert_eq!(bench.files("engine/0"), [] as [PathBuf; 0]);
    // A tenth of it is enough at the end.
    bench.settings.snapshot_every = 100;
    let router = bench.start();
    order(&router, 0..15);
    router.settle();
    let next = status(&router, "engine/0").next;
    router.stop();
    let made = bench.snapshots().list(StageName::Engine, 0).unwrap();
    assert!(made.len() == 1 && made[0].position >= next, "{made:?}");
    bench.audit();
}

#[test]
fn no_byte_of_a_snapshot_changes_unseen() {
    let bench = filled(10);
    let file = bench.files("control/0").pop().unwrap();
    let whole = std::fs::read(&file).unwrap();
    let (snapshots, topology) = (bench.snapshots(), bootstrap::topology(&bench.journal(), 0));
    let name = snapshots.list(StageName::Control, 0).unwrap()[0];
    let code = |bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        let read = snapshots.read(&topology, StageName::Control, 0, name);
        read.err().map(|error| error.to_string()[..5].to_owned())
    };
    assert_eq!(code(&whole), None);
    for place in 0..whole.len() {
        let mut changed = whole.clone();
        changed[place] ^= 1 << (place % 8);
        assert_eq!(code(&changed).as_deref(), Some("E2402"), "byte {place}");
        assert_eq!(code(&whole[..place]).as_deref(), Some("E2402"), "cut at {place}");
    }
}
