use super::*;

/// What no stage of this log ever sends: numbered behind a gap, or of another log.
fn strange(log: LogId) -> Vec<u8> {
    let origin = Origin { log, topic: Topic::Settlement.code(), partition: 3, sequence: 5 };
    envelope::to_vec(Some(&origin), &Meta::default(), &Command::Tick)
}

fn tick() -> Vec<u8> {
    envelope::to_vec(None, &Meta::default(), &Command::Tick)
}

fn breaking() -> Vec<u8> {
    let reason = Some(String::from_utf8(BREAKING.to_vec()).unwrap());
    envelope::to_vec(None, &Meta { reason, ..Meta::default() }, &Command::Tick)
}

#[test]
fn a_skipped_record_lets_its_partition_go_on() {
    let mut bench = Bench::new();
    bench.settings.snapshot_every = 10;
    let router = bench.start();
    furnish(&router);
    order(&router, 0..20);
    let log = router.log.clone();
    for (topic, name, payload) in [
        (Topic::Commands, "engine/0", strange(log.log_id())),
        (Topic::Commands, "engine/0", strange(LogId([9; 16]))),
        (Topic::Commands, "engine/0", breaking()),
        (Topic::Intake, "intake/0", breaking()),
        (Topic::Control, "control/0", breaking()),
    ] {
        let position = append(&*log, topic.clone(), 0, &payload);
        until("it stops", || status(&router, name).stopped_at.as_ref() == Some(&position));
        let behind = Position { offset: position.offset + 1, ..position.clone() };
        let refused = [
            router.skip(&Position { offset: 1_000_000, ..position.clone() }, "no such", None),
            router.skip(&Position { topic: Topic::Events, ..position.clone() }, "not read", None),
            router.skip(&Position { offset: 0, ..position.clone() }, "not there", None),
            router.accept(&position, "not ahead", None),
        ];
        let codes = refused.map(|r| r.unwrap_err().to_string()[..5].to_owned());
        assert_eq!(codes, ["E2208", "E2208", "E2209", "E2210"]);
        append(&*log, topic, 0, &tick());
        let word = router.skip(&position, "a test", Some("tester")).unwrap();
        assert_eq!(word.topic, Topic::Control);
        until("it goes on", || status(&router, name).next > behind.offset);
        assert_eq!(status(&router, name).stopped, None);
        assert_eq!(outcomes(&*log, &position), [Outcome::Refused(Refusal::Skipped)], "{position}");
        assert!(router.skip(&position, "again", None).is_err(), "it is not stopped there any more");
    }
    order(&router, 20..25);
    router.settle();
    router.stop();
    drop(log);
    let (_folder, no_snapshots) = none();
    assert_eq!(hashes(&bench.journal(), &bench.snapshots()), hashes(&bench.journal(), &no_snapshots));
    bench.replay();
    let report = bench.audit();
    assert_eq!(report.skipped.len(), 5, "{report:?}");
}

#[test]
fn a_stop_lasts_over_a_restart_and_a_skip_after_it_works() {
    let bench = Bench::new();
    let router = bench.start();
    furnish(&router);
    let position = append(&*router.log, Topic::Commands, 1, &breaking());
    until("it stops", || status(&router, "engine/1").stopped.is_some());
    bench.pass(5_000);
    assert!(router.runner.lag(1) >= Duration::from_secs(5), "what waits there grows old");
    until("the other one waits for nothing", || router.runner.lag(0) == Duration::ZERO);
    // Others go on meanwhile, and nothing is appended for the one that does not.
    order(&router, 0..5);
    router.stop();
    let router = bench.start();
    until("it stops again", || status(&router, "engine/1").stopped_at.as_ref() == Some(&position));
    router.skip(&position, "a test", None).unwrap();
    until("it goes on", || status(&router, "engine/1").stopped.is_none());
    send(&router, "count.v1", r#"{"node":"b2","sku":"x","qty":7}"#);
    router.settle();
    router.stop();
    bench.replay();
    bench.audit();
}

#[test]
fn a_record_ahead_of_the_clock_waits_for_it_or_for_a_word() {
    const HOUR: i64 = 3_600_000;
    let bench = Bench::new();
    let router = bench.start();
    furnish(&router);
    router.settle();
    let ahead = |ms: i64| {
        AHEAD.set(ms);
        let position = append(&*router.log, Topic::Commands, 0, &tick());
        AHEAD.set(0);
        until("it stops", || status(&router, "engine/0").stopped_at.as_ref() == Some(&position));
        let reason = status(&router, "engine/0").stopped.unwrap();
        assert!(reason.contains("ahead of this machine's clock") && reason.contains("accept"), "{reason}");
        position
    };
    let goes_on = || until("it goes on", || status(&router, "engine/0").stopped.is_none());

    // The clock gets there.
    ahead(HOUR);
    let waiting = append(&*router.log, Topic::Commands, 0, &tick());
    assert!(status(&router, "engine/0").next < waiting.offset);
    bench.pass(HOUR - 20_000);
    goes_on();
    router.settle();

    // A word, which holds for what follows closely, and for nothing further ahead.
    let accepted = ahead(2 * HOUR);
    assert!(router.runner.lag(0) < Duration::from_secs(1), "its own time is to come");
    let word = router.accept(&accepted, "the broker's clock was wrong", Some("tester")).unwrap();
    assert_eq!((word.topic.clone(), word.partition), (Topic::Control, 0));
    goes_on();
    AHEAD.set(2 * HOUR + 10_000);
    let close = append(&*router.log, Topic::Commands, 0, &tick());
    AHEAD.set(0);
    until("it is applied", || status(&router, "engine/0").next > close.offset);
    let far = ahead(3 * HOUR);

    // A skip of a record ahead leaves no time behind: what follows is judged by its own.
    router.skip(&far, "never mind", None).unwrap();
    goes_on();
    until("it is passed over", || status(&router, "engine/0").next > far.offset);
    assert_eq!(outcomes(&*router.log, &far), [Outcome::Refused(Refusal::Skipped)]);
    let last = all(&*router.log, Topic::Events, 0).pop().unwrap();
    let last = envelope::decode::<Event>(&last.payload).unwrap().1;
    assert!(last.at < bench.time.load(Ordering::Relaxed) + 2 * HOUR + 30_000, "{last:?}");
    order(&router, 0..5);
    router.settle();
    router.stop();
    bench.replay();
    bench.audit();
}

#[test]
fn what_is_stopped_gets_no_ticks() {
    let bench = Bench::new();
    let router = bench.start();
    furnish(&router);
    append(&*router.log, Topic::Commands, 1, &breaking());
    until("it stops", || status(&router, "engine/1").stopped.is_some());
    let at = |partition| TopicPartition::new(Topic::Commands, partition);
    let ends = || [0, 1].map(|p| router.log.range(&at(p)).unwrap().end);
    let before = ends();
    until("the others get theirs", || ends()[0] > before[0]);
    assert_eq!(ends()[1], before[1]);
    router.stop();
}
