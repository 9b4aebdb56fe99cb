//! What the log and its readers do: sources read again, forgotten orders, skipped and damaged records.

use router_schemas::{
    command::Ask, command::Command, event::Outcome, limits, refusal::Refusal, reply::Answer,
};

use super::*;

fn from(source: Source, command: Command) -> (Meta, Command) {
    (Meta { source: Some(source), ..Meta::default() }, command)
}

#[test]
fn what_a_source_sends_again_is_dropped() {
    let mut run = Run::new();
    // Offset, index: above the last one or dropped.
    for (offset, index, taken) in
        [(5, 0, true), (5, 0, false), (5, 1, true), (4, 9, false), (6, 0, true), (5, 2, false), (9, 0, true)]
    {
        let (meta, command) = from(source(1, offset, index), paid("7", offset as u8 * 10 + index as u8));
        let before = run.gauge("early");
        let wrote = run.tell_with(meta, command);
        let expected = if taken { Outcome::Early } else { Outcome::Repeat };
        assert_eq!(wrote.outcome(), Some(expected), "{offset} {index}");
        assert_eq!(run.gauge("early"), before + u64::from(taken));
        run.restart();
    }
    // Another partition of the topic, another source, a later incarnation: numbers of their own.
    for other in [
        Source { partition: 1, ..source(1, 1, 0) },
        Source { id: "dlq.orders.web".into(), ..source(1, 1, 0) },
        source(2, 1, 0),
    ] {
        let (meta, command) = from(other, delivered(&run.next.to_string(), 1));
        assert_eq!(run.tell_with(meta.clone(), command.clone()).outcome(), Some(Outcome::Early));
        assert_eq!(run.tell_with(meta, command).outcome(), Some(Outcome::Repeat));
    }
}

#[test]
fn a_new_incarnation_forgets_all_but_the_one_before() {
    let mut run = Run::new();
    for incarnation in 1..=3 {
        let (meta, command) = from(source(incarnation, 5, 0), paid("7", incarnation as u8));
        run.tell_with(meta, command);
    }
    run.publish(Reference::Incarnation("orders.app".into(), 9));
    run.publish(Reference::Incarnation("orders.web".into(), 3));
    let kept: Vec<_> = run.intake.state.sources.keys().map(|(_, incarnation, _)| *incarnation).collect();
    assert_eq!(kept, [2, 3], "messages of the incarnation before may still be on their way");
    let (meta, command) = from(source(2, 5, 0), paid("7", 2));
    assert_eq!(run.tell_with(meta, command).outcome(), Some(Outcome::Repeat));
}

#[test]
fn who_names_ever_new_partitions_is_stopped() {
    let mut run = Run::new();
    for number in 0..limits::SOURCES {
        let key = ("orders.web".into(), (number >> 16) as u32, number as u16);
        run.intake.state.sources.insert(key, (5, 0));
    }
    let with =
        |offset| Meta { reply: Some(reply_to(false)), source: Some(source(1, offset, 0)), ..Meta::default() };
    let known = run.intake.state.sources.len();
    // Those that are remembered go on.
    assert_ne!(run.tell_with(with(6), place("7", 1, 1)).outcome(), Some(Outcome::Refused(Refusal::Limit)));
    let other = Meta { source: Some(Source { incarnation: 99, ..source(1, 1, 0) }), ..with(1) };
    assert_eq!(run.tell_with(other, place("8", 1, 1)).outcome(), Some(Outcome::Refused(Refusal::Limit)));
    assert_eq!(run.intake.state.sources.len(), known);
}

#[test]
fn a_forgotten_order_leaves_if_it_is_the_same_one() {
    let mut run = Run::new();
    let first = run.next;
    run.tell(place("7", 1, 1));
    let forgotten = |offset| Command::Forgotten(Ask { order: id_at(offset), identity: identity("7") });
    assert_eq!(run.tell(forgotten(first + 40)).outcome(), Some(Outcome::Applied));
    assert_eq!(run.gauge("known_orders"), 1, "another order of that name");
    assert_eq!(run.tell(forgotten(first)).outcome(), Some(Outcome::Applied));
    assert_eq!(run.gauge("known_orders"), 0);
    // The name is free: a new order, with a new id.
    let second = run.next;
    assert_eq!(run.ask(false, place("7", 1, 1)).accepted().order, id_at(second));
    run.tell(forgotten(first));
    assert_eq!(run.gauge("known_orders"), 1, "a late repeat of the first forgetting");
}

#[test]
fn a_skipped_record_leaves_its_outcome_and_its_reply() {
    let mut run = Run::new();
    run.tell(place("8", 1, 1));
    let waits = Meta { reply: Some(reply_to(true)), source: Some(source(1, 5, 0)), ..Meta::default() };
    for command in
        [place("7", 1, 1), amend("8", 2, 2), paid("9", 1), published(zone("north", 2)), Command::Tick]
    {
        let before = (run.gauge("known_orders"), run.gauge("early"), run.intake.state.sources.len());
        let wrote = run.record(&envelope::to_vec(None, &waits, &command), true);
        assert_eq!(wrote.outcome(), Some(Outcome::Refused(Refusal::Skipped)));
        assert!(matches!(&wrote.answers()[..], [Answer::Refused { refusal: Refusal::Skipped, .. }]));
        assert_eq!(wrote.0.len(), 2, "nothing else");
        assert_eq!((run.gauge("known_orders"), run.gauge("early"), run.intake.state.sources.len()), before);
    }
    let wrote = run.record(b"no record", true);
    assert_eq!((wrote.outcome(), wrote.0.len()), (Some(Outcome::Refused(Refusal::Skipped)), 1));
}

#[test]
fn what_does_not_decode_is_a_dead_letter_with_its_bytes() {
    let mut run = Run::new();
    let whole = envelope::to_vec(None, &Meta::default(), &place("7", 1, 1));
    let long = vec![1; 2 * limits::EFFECT_BYTES];
    for bytes in [&b""[..], b"{}", &whole[..whole.len() - 1], &long] {
        let offset = run.next;
        let wrote = run.record(bytes, false);
        assert_eq!(wrote.outcome(), Some(Outcome::Refused(Refusal::Undecodable)));
        let letters = wrote.letters();
        let [(topic, letter)] = &letters[..] else { panic!("one letter") };
        assert_eq!((topic.as_str(), &letter.position), ("dlq.intake", &at(offset)));
        assert!(bytes.starts_with(&letter.bytes) && letter.bytes.len() >= bytes.len().min(400_000));
        assert_eq!(letter.bytes.len() < bytes.len(), letter.detail.contains("the first"));
        assert!(run.out.iter().all(|o| run.out.bytes(o).len() <= limits::EFFECT_BYTES));
    }
}

#[test]
fn commands_of_the_other_road_are_refused() {
    let mut run = Run::new();
    for command in
        [Command::Count(Default::default()), Command::Shipped(Default::default()), Command::Skip(at(1))]
    {
        let wrote = run.ask(false, command);
        assert_eq!(wrote.outcome(), Some(Outcome::Refused(Refusal::WrongZone)));
        assert_eq!((wrote.answers().len(), wrote.commands().len()), (1, 0));
    }
}

#[test]
fn time_never_goes_back() {
    let mut run = Run::new();
    let mut last = 0;
    // A broker's clock an hour ahead that comes back, and records of stages that were ahead.
    for (at, carried) in
        [(10_000_000, 0), (13_600_000, 0), (10_005_000, 0), (10_010_000, 99_000_000_000), (1, 0)]
    {
        run.at = at;
        let wrote = run.tell_with(Meta { carried, ..Meta::default() }, paid("7", last as u8));
        let event = wrote.events()[0].clone();
        assert!(event.time > last && event.time > carried && event.at >= at);
        last = event.time;
    }
    run.at = i64::MAX;
    run.tell_with(Meta { carried: u64::MAX, ..Meta::default() }, Command::Tick);
    run.tell(Command::Tick);
}

#[test]
fn whoever_waits_for_a_message_read_again_is_answered() {
    let mut run = Run::new();
    let meta = |offset, outcome| Meta {
        source: Some(source(1, offset, 0)),
        reply: Some(reply_to(outcome)),
        ..Meta::default()
    };
    run.tell_with(meta(5, false), place("7", 1, 1));
    let wrote = run.tell_with(meta(5, false), place("7", 1, 1));
    assert!(matches!(&wrote.answers()[..], [Answer::Repeat(_)]));
    assert_eq!(run.tell_with(meta(5, true), place("7", 1, 1)).passed(), [("ask", String::new())]);
    assert_eq!(run.tell_with(meta(4, false), paid("9", 1)).answers(), [Answer::Ignored]);
}

#[test]
fn letters_go_to_the_topic_of_their_source() {
    for (id, expected) in [
        (Some("orders.web"), "dlq.orders.web"),
        (Some("dlq.orders.web"), "dlq.orders.web"),
        (Some("dlq.orders.web/0@7"), "dlq.orders.web"),
        (Some("no topic / name"), "dlq.intake"),
        (None, "dlq.orders.web"),
    ] {
        let mut run = Run::new();
        run.tell(place("7", 1, 1));
        let source = id.map(|id| Source { id: id.into(), ..source(1, 1, 0) });
        let wrote = run.tell_with(Meta { source, ..Meta::default() }, place("7", 1, 2));
        assert_eq!(wrote.letters()[0].0, expected, "{id:?}");
    }
}
