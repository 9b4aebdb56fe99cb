//! First orders, repeats, conflicts and versions.

use router_schemas::{command::Command, event::Outcome, refusal::Refusal, reply::Answer};

use super::*;

#[test]
fn a_first_order_gets_the_id_of_its_record_and_goes_to_its_zone() {
    let mut run = Run::new();
    let offset = run.next;
    let wrote = run.ask(false, Command::Place(http("7", 1)));
    let accepted = wrote.accepted();
    assert_eq!((accepted.order, accepted.zone.as_deref()), (id_at(offset), Some("east")));
    assert_eq!(accepted.position, at(offset));
    let [(partition, meta, command)] = wrote.commands()[..] else { panic!("one command") };
    assert_eq!(partition, 1, "the zone's partition");
    assert_eq!(assigned(command), Some(&Assigned { order: id_at(offset), zone: "east".into() }));
    assert_eq!(meta.reply, None, "intake has answered");
    assert!(meta.carried >= (run.at - 1_000) as u64 * 1_000, "rows of the engine come after rows of intake");
    assert_eq!(wrote.outcome(), None, "the outcome is the engine's");
}

#[test]
fn who_waits_for_the_outcome_is_answered_by_the_engine() {
    let mut run = Run::new();
    let wrote = run.ask(true, Command::Place(http("7", 1)));
    assert_eq!(wrote.answers(), []);
    assert_eq!(wrote.commands()[0].1.reply, Some(reply_to(true)));
    // So is a repeat that waits; the engine knows the first outcome.
    let wrote = run.ask(true, Command::Place(http("7", 1)));
    assert_eq!((wrote.answers(), wrote.commands()[0].1.reply), (vec![], Some(reply_to(true))));
    assert_eq!(wrote.passed(), [("ask", String::new())]);
}

#[test]
fn the_home_zone_is_that_of_the_hard_pin_else_of_the_region_else_of_the_channel() {
    let cases = [
        (None, None, "east"),
        (pin("n-west", true), None, "west"),
        (pin("n-west", true), Some("GB"), "west"),
        // A node that is only preferred, or unknown, decides nothing.
        (pin("n-west", false), None, "east"),
        (pin("n-nowhere", true), Some("US-9"), "west"),
        // The longest region that the order's begins with.
        (None, Some("US-94107"), "east"),
        (None, Some("US-9"), "west"),
        (None, Some("US"), "west"),
        (None, Some("U"), "east"),
        (None, Some("上海-200040"), "west"),
        (None, Some("上"), "east"),
    ];
    for (pin, named, expected) in cases {
        let mut run = Run::new();
        run.publish(region("US", "west"));
        run.publish(region("US-941", "east"));
        run.publish(region("上海", "west"));
        let mut message = http("7", 1);
        message.head.pin = pin.clone();
        message.head.region = named.map(Into::into);
        let wrote = run.tell(Command::Place(message));
        assert_eq!(wrote.passed(), [("place", expected.to_owned())], "{pin:?} {named:?}");
    }
    // A region as long as a message costs no more than one as long as a name.
    let mut run = Run::new();
    run.publish(region("x", "west"));
    let mut message = http("7", 1);
    message.head.region = Some("x".repeat(200_000));
    assert_eq!(run.tell(Command::Place(message)).passed(), [("place", "west".to_owned())]);
}

#[test]
fn a_repeat_gets_the_first_answer_again() {
    let mut run = Run::new();
    let first = run.ask(false, Command::Place(http("7", 1))).accepted();
    run.tell(amend("7", 2, 2));
    for _ in 0..3 {
        let wrote = run.ask(false, Command::Place(http("7", 1)));
        assert_eq!(wrote.answers(), [Answer::Repeat(first.clone())]);
        assert_eq!((wrote.commands().len(), wrote.outcome()), (0, Some(Outcome::Repeat)));
        run.restart();
    }
}

#[test]
fn the_same_id_with_other_content_is_a_conflict_by_http() {
    let mut run = Run::new();
    run.tell(Command::Place(http("7", 1)));
    let wrote = run.ask(false, Command::Place(http("7", 2)));
    assert!(matches!(&wrote.answers()[..], [Answer::Refused { refusal: Refusal::Conflict, .. }]));
    assert_eq!(wrote.outcome(), Some(Outcome::Refused(Refusal::Conflict)));
    assert_eq!((wrote.commands().len(), wrote.letters().len()), (0, 0), "the caller knows");
}

#[test]
fn on_a_raw_topic_a_later_version_amends_and_an_older_one_is_ignored() {
    let mut run = Run::new();
    run.sent_by_source(1, place("7", 4, 1));
    let later = run.sent_by_source(2, place("7", 6, 2));
    assert_eq!(later.passed(), [("amend", "east".to_owned())]);
    let older = run.sent_by_source(3, place("7", 5, 3));
    assert_eq!((older.commands().len(), older.outcome()), (0, Some(Outcome::Ignored)));
    let again = run.sent_by_source(4, place("7", 6, 2));
    assert_eq!((again.commands().len(), again.outcome()), (0, Some(Outcome::Repeat)));
    // A later version that says what an earlier one said is an amend all the same.
    let back = run.sent_by_source(5, place("7", 7, 1));
    assert_eq!(back.passed(), [("amend", "east".to_owned())]);
}

#[test]
fn on_a_raw_topic_the_same_version_with_other_content_is_a_dead_letter() {
    let mut run = Run::new();
    run.sent_by_source(1, place("7", 4, 1));
    let meta = Meta { source: Some(source(1, 2, 0)), ..Meta::default() };
    let record = envelope::to_vec(None, &meta, &place("7", 4, 2));
    let offset = run.next;
    for command in ["place", "amend"] {
        let record = match command {
            "place" => record.clone(),
            _ => envelope::to_vec(
                None,
                &Meta { source: Some(source(1, 3, 0)), ..Meta::default() },
                &amend("7", 4, 3),
            ),
        };
        let place = at(run.next);
        let wrote = run.record(&record, false);
        let letters = wrote.letters();
        let [(topic, letter)] = &letters[..] else { panic!("one letter") };
        assert_eq!(topic, "dlq.orders.web");
        assert_eq!((&letter.position, letter.code.as_str(), &letter.bytes), (&place, "E1101", &record));
        assert_eq!(wrote.outcome(), Some(Outcome::Refused(Refusal::Conflict)));
        assert_eq!(wrote.commands().len(), 0);
    }
    assert_eq!(run.next, offset + 2);
}

#[test]
fn versions_are_compared_by_number_else_by_time_else_by_content() {
    // Known: version, time. Then: version, time, content, expected.
    let passed = None;
    let cases = [
        ((Some(3), Some(100)), (Some(2), Some(200), 9), Some(Outcome::Ignored)),
        ((Some(3), Some(100)), (Some(4), Some(50), 9), passed),
        ((Some(3), Some(100)), (None, Some(99), 9), Some(Outcome::Ignored)),
        ((Some(3), Some(100)), (None, Some(101), 9), passed),
        ((None, Some(100)), (Some(1), Some(99), 9), Some(Outcome::Ignored)),
        ((None, Some(100)), (None, Some(100), 9), Some(Outcome::Refused(Refusal::Conflict))),
        ((None, Some(100)), (None, Some(100), 1), Some(Outcome::Repeat)),
        ((Some(3), None), (None, None, 1), Some(Outcome::Repeat)),
        ((Some(3), None), (None, None, 9), passed),
        ((None, None), (None, None, 1), Some(Outcome::Repeat)),
        ((None, None), (None, None, 9), passed),
        ((None, None), (Some(1), None, 9), passed),
    ];
    for (known, (version, updated_at, content), expected) in cases {
        let mut run = Run::new();
        let mut first = raw("7", known.0, 1);
        first.head.updated_at = known.1;
        run.tell(Command::Place(first));
        let mut second = raw("7", version, content);
        second.head.updated_at = updated_at;
        let wrote = run.tell(Command::Amend(second));
        assert_eq!(wrote.outcome(), expected, "{known:?} then {version:?} {updated_at:?} {content}");
        assert_eq!(wrote.passed().len(), usize::from(expected.is_none()));
    }
}

#[test]
fn sixteen_contents_are_remembered() {
    let mut run = Run::new();
    let say = |content| Command::Amend(raw("7", None, content));
    run.tell(Command::Place(raw("7", None, 0)));
    for content in 1..=16 {
        assert_eq!(run.tell(say(content)).outcome(), None);
    }
    for content in 1..=16 {
        assert_eq!(run.tell(say(content)).outcome(), Some(Outcome::Repeat), "{content}");
    }
    assert_eq!(run.tell(say(0)).outcome(), None, "the seventeenth was forgotten");
}

#[test]
fn a_cancel_goes_to_the_home_zone_and_its_repeat_is_known() {
    let mut run = Run::new();
    run.tell(place("7", 1, 1));
    for (command, expected) in [
        (cancel("7", Some(1), 8), None), // names the version that it cancels
        (cancel("7", Some(1), 8), Some(Outcome::Repeat)),
        (cancel("7", Some(0), 9), Some(Outcome::Ignored)),
        (cancel("7", None, 10), None),
        (paid("7", 1), None),
        (paid("7", 1), None), // the engine knows the keys of facts
        (delivered("7", 2), None),
    ] {
        let wrote = run.tell(command.clone());
        assert_eq!(wrote.outcome(), expected, "{command:?}");
        if expected.is_none() {
            assert_eq!(wrote.passed(), [(command.name(), "east".to_owned())]);
        }
    }
}
