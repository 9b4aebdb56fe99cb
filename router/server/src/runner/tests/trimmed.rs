use router_log::Trimmed;
use router_schemas::{dead_letter::DeadLetter, position::TopicPartition};

use super::{trim::Bounds, *};

/// With nothing kept longer than it must be.
fn bench() -> Bench {
    let mut bench = Bench::new();
    bench.settings.snapshot_every = 20;
    bench.settings.retention = Duration::ZERO;
    bench.settings.reply_retention = Duration::ZERO;
    bench
}

/// Trims as the running router does, at a moment of the test's choice.
fn trim_now(bench: &Bench, router: &Router) -> Trimmed {
    let store = router.store.clone();
    let rows: Followers =
        vec![Box::new(move |at| (at.topic == Topic::Events).then(|| store.position(at.partition).unwrap()))];
    trim_with(bench, router, &rows)
}

fn trim_with(bench: &Bench, router: &Router, followers: &Followers) -> Trimmed {
    let (log, topology, snapshots) = (&*router.log, &router.runner.topology, &bench.snapshots());
    Bounds { log, snapshots, topology, settings: &bench.settings, followers }.trim().unwrap()
}

fn start_of(log: &dyn Log, topic: Topic, partition: u16) -> u64 {
    log.range(&TopicPartition::new(topic, partition)).unwrap().start
}

/// True where a replay would skip the record.
fn is_known(bench: &Bench, skipped: &Position) -> bool {
    let (log, snapshots) = (bench.journal(), bench.snapshots());
    let topology = bootstrap::topology(&log, 0);
    let given = recover::History { log: &log, snapshots: &snapshots, topology }.words().unwrap();
    given.is_skipped(skipped)
}

/// Orders and reference material until every input partition lost its start.
fn until_trimmed(bench: &Bench, router: &Router, next: &mut u32) {
    let log = &*router.log;
    until("everything is trimmed", || {
        order(router, *next..*next + 20);
        *next += 20;
        for n in 0..10 {
            send(router, "item.v1", &format!(r#"{{"sku":"s{n}"}}"#));
        }
        send(router, "count.v1", r#"{"node":"b1","sku":"x","qty":500}"#);
        router.settle();
        trim_now(bench, router);
        cells(&router.runner.topology).iter().all(|(stage, p)| start_of(log, stage.input(), *p) > 0)
    });
}

#[test]
fn a_trimmed_log_goes_on_replays_and_is_audited() {
    let bench = bench();
    let router = bench.start();
    furnish(&router);
    let skipped = {
        let reason = Some(String::from_utf8(BREAKING.to_vec()).unwrap());
        let breaking = envelope::to_vec(None, &Meta { reason, ..Meta::default() }, &Command::Tick);
        append(&*router.log, Topic::Intake, 0, &breaking)
    };
    until("it stops", || status(&router, "intake/0").stopped_at.as_ref() == Some(&skipped));
    let word = router.skip(&skipped, "a test", None).unwrap();
    until("it goes on", || status(&router, "intake/0").stopped.is_none());
    let mut next = 0;
    until_trimmed(&bench, &router, &mut next);
    until("the word itself is gone", || {
        until_trimmed(&bench, &router, &mut next);
        start_of(&*router.log, Topic::Control, 0) > word.offset
    });
    // Never below the oldest snapshot.
    for (stage, partition) in cells(&router.runner.topology) {
        let oldest = bench.snapshots().list(stage, partition).unwrap().last().unwrap().position;
        assert!(start_of(&*router.log, stage.input(), partition) <= oldest);
    }
    router.stop();

    assert!(is_known(&bench, &skipped), "no word is ever lost");
    let replayed = bench.replay();
    assert_eq!(replayed.begun.len(), 5, "{replayed:?}");
    let router = bench.start();
    order(&router, 0..3);
    // Snapshots of what was itself restored.
    let end = router.log.range(&TopicPartition::new(Topic::Control, 0)).unwrap().end;
    until("its snapshots are new ones", || {
        until_trimmed(&bench, &router, &mut next);
        start_of(&*router.log, Topic::Control, 0) > end
    });
    router.stop();
    assert!(is_known(&bench, &skipped), "nor by those who restored it");
    bench.replay();
    bench.audit();

    // Rows that were lost cannot be made of what is left.
    let (rows, aside) = (bench.place().rows(), bench.path().join("aside"));
    std::fs::rename(&rows, &aside).unwrap();
    let refused = Router::start_with(&bench.path(), &bench.settings).err().unwrap().to_string();
    assert!(refused.starts_with("E2211"), "{refused}");
    std::fs::remove_dir_all(&rows).unwrap();
    std::fs::rename(&aside, &rows).unwrap();

    // Without its snapshots it is refused, and says what to do.
    std::fs::remove_dir_all(bench.place().snapshots()).unwrap();
    let refused = Router::start_with(&bench.path(), &bench.settings).err().unwrap().to_string();
    assert!(refused.starts_with("E2401") && refused.contains("from a backup"), "{refused}");
}

#[test]
fn the_replay_of_a_trimmed_log_is_a_router_of_its_own() {
    let bench = bench();
    let router = bench.start();
    furnish(&router);
    until_trimmed(&bench, &router, &mut 0);
    router.stop();
    let into = tempfile::tempdir().unwrap();
    let again = Folder(into.path().to_owned());
    let replayed =
        replay(&bench.journal(), &bench.snapshots(), &again.journal(), &again.snapshots()).unwrap();
    assert_eq!(replayed.difference, None);
    let log = Journal::open_read_only(&again.journal(), Options::default()).unwrap();
    let copies = Snapshots::local(&again.snapshots()).unwrap();
    assert_eq!(hashes(&log, &copies), hashes(&bench.journal(), &bench.snapshots()));
    drop(log);
    // The keys are no part of the log: who moves to the copy takes them along.
    std::fs::rename(bench.place().keys(), again.keys()).unwrap();
    Router::start_with(into.path(), &bench.settings).unwrap().stop();
}

#[test]
fn what_someone_needs_is_not_trimmed() {
    let mut bench = bench();
    let router = bench.start();
    furnish(&router);
    order(&router, 0..60);
    router.settle();
    until("snapshots are made", || bench.files("engine/0").len() == 2);
    // Everything may go but what a follower has not read.
    let lazy: Followers = vec![Box::new(|at| (at.topic == Topic::Events).then_some(0))];
    assert_eq!(trim_with(&bench, &router, &lazy), Trimmed::default());
    // Or what is to be kept for its time.
    bench.settings.retention = Duration::from_secs(3600);
    assert_eq!(trim_now(&bench, &router), Trimmed::default());
    bench.settings.retention = Duration::ZERO;
    // Or what only one snapshot stands for.
    bench.settings.snapshots_kept = 3;
    assert_eq!(trim_now(&bench, &router), Trimmed::default());
    router.stop();
}

#[test]
fn a_dead_letter_outlives_its_segment_until_it_is_resolved() {
    let bench = bench();
    let router = bench.start();
    furnish(&router);
    let log = &*router.log;
    let [open, resolved] =
        [[1, 1, 0, 0xff], [1, 1, 0, 0xfe]].map(|bytes| append(log, Topic::Commands, 0, &bytes));
    let topic = Topic::DeadLetter("commands".into());
    let letters = || -> Vec<(u64, DeadLetter)> {
        let records = all(log, topic.clone(), 0).into_iter();
        records.map(|r| (r.offset, envelope::decode(&r.payload).unwrap().1)).collect()
    };
    until("both are there", || log.partitions(&topic).is_some() && letters().len() == 2);
    let (_, letter) = letters().into_iter().find(|(_, letter)| letter.position == resolved).unwrap();
    let letter = DeadLetter { resolved: true, ..letter };
    append(log, topic.clone(), 0, &envelope::to_vec(None, &Meta::default(), &letter));
    let mut next = 0;
    until("they would be gone", || {
        until_trimmed(&bench, &router, &mut next);
        start_of(log, topic.clone(), 0) > 2
    });
    let left = letters();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(
        (&left[0].1.position, left[0].1.resolved, &left[0].1.bytes[..]),
        (&open, false, &[1, 1, 0, 0xff][..])
    );
    let again = left[0].0;
    until("and again", || {
        until_trimmed(&bench, &router, &mut next);
        start_of(log, topic.clone(), 0) > again
    });
    assert_eq!(letters().iter().map(|(_, letter)| &letter.position).collect::<Vec<_>>(), [&open]);
    router.settle();
    router.stop();
    bench.replay();
    bench.audit();
}

#[test]
fn a_partition_that_rests_does_not_keep_the_log() {
    let mut bench = bench();
    bench.settings.trim_every = Duration::from_millis(50);
    let router = bench.start();
    furnish(&router);
    let log = &*router.log;
    let (mut next, control) = (0, TopicPartition::new(Topic::Control, 0));
    // CONTROL gets no more records, and never as many as a snapshot needs.
    let end = log.range(&control).unwrap().end;
    assert!(end < bench.settings.snapshot_every);
    until("its genesis record is trimmed", || {
        order(&router, next..next + 20);
        next += 20;
        start_of(log, Topic::Control, 0) > 0
    });
    let names = bench.snapshots().list(StageName::Control, 0).unwrap();
    assert_eq!(names.iter().map(|name| (name.position, name.copy)).collect::<Vec<_>>(), [(end, 1), (end, 0)]);
    router.settle();
    router.stop();
    flip_a_byte(bench.files("control/0").last().unwrap());
    let router = bench.start();
    assert_eq!(router.runner.directory.partition("b1"), Some(1));
    router.stop();
    bench.replay();
    bench.audit();
}
