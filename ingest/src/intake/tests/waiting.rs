//! Messages before their order, and orders without a home zone.

use router_schemas::{command::Command, event::Outcome, limits, refusal::Refusal, reply::Answer};

use super::*;

/// Names of what was passed on.
fn names(wrote: &Wrote) -> Vec<&'static str> {
    wrote.passed().into_iter().map(|(name, _)| name).collect()
}

/// Contents and keys of what was passed on.
fn contents(wrote: &Wrote) -> Vec<u8> {
    let hash = |command: &Command| crate::intake::state::Said::of(command).hash[0];
    wrote.commands().into_iter().map(|(_, _, c)| hash(c)).collect()
}

#[test]
fn early_messages_wait_for_their_order_and_follow_it() {
    let mut run = Run::new();
    let early = [paid("7", 1), amend("7", 2, 2), cancel("7", Some(3), 3), delivered("7", 4)];
    for command in &early {
        let wrote = run.ask(true, command.clone());
        assert_eq!(wrote.answers(), [Answer::Early], "there is no outcome to wait for");
        assert_eq!((wrote.outcome(), wrote.commands().len()), (Some(Outcome::Early), 0));
        run.restart();
    }
    let wrote = run.ask(false, place("7", 1, 0));
    assert_eq!(names(&wrote), ["place", "payment", "amend", "cancel", "delivered"]);
    assert!(wrote.commands().iter().all(|(partition, meta, _)| *partition == 1 && meta.reply.is_none()));
    assert!(wrote.commands().iter().all(|(.., c)| assigned(c).unwrap().zone == "east"));
    assert_eq!(run.gauge("early"), 0);
    // From now on it is known that they came.
    assert_eq!(run.tell(amend("7", 2, 2)).outcome(), Some(Outcome::Ignored), "the cancel was later");
    assert_eq!(run.tell(cancel("7", Some(3), 3)).outcome(), Some(Outcome::Repeat));
}

#[test]
fn early_versions_follow_in_their_own_order() {
    let mut run = Run::new();
    for command in [amend("7", 5, 5), paid("7", 9), amend("7", 3, 3), amend("7", 4, 4), amend("7", 1, 1)] {
        run.tell(command);
    }
    let wrote = run.tell(place("7", 2, 2));
    assert_eq!(contents(&wrote), [2, 3, 4, 5, 9], "what is older than the order itself is dropped");
}

#[test]
fn a_repeat_of_an_early_message_takes_no_room() {
    let mut run = Run::new();
    run.tell(paid("7", 1));
    for _ in 0..2 * limits::EARLY_PER_ORDER {
        let wrote = run.ask(false, paid("7", 1));
        assert_eq!((wrote.answers(), wrote.outcome()), (vec![Answer::Early], Some(Outcome::Repeat)));
    }
    assert_eq!(run.gauge("early"), 1);
    assert_eq!(names(&run.tell(place("7", 1, 0))), ["place", "payment"]);
}

#[test]
fn an_early_amend_that_contradicts_its_order_is_a_dead_letter() {
    let mut run = Run::new();
    let offset = run.next;
    run.sent_by_source(1, amend("7", 1, 9));
    let wrote = run.sent_by_source(2, place("7", 1, 1));
    assert_eq!(names(&wrote), ["place"]);
    let letters = wrote.letters();
    assert_eq!((letters.len(), &letters[0].1.position), (1, &at(offset)));
}

#[test]
fn early_messages_are_bounded_for_each_order_and_nothing_of_a_source_is_lost() {
    let mut run = Run::new();
    for key in 0..limits::EARLY_PER_ORDER as u8 {
        assert_eq!(run.tell(paid("7", key)).outcome(), Some(Outcome::Early));
    }
    let wrote = run.ask(false, paid("7", 99));
    assert_eq!(wrote.outcome(), Some(Outcome::Refused(Refusal::TooManyEarly)));
    assert!(matches!(&wrote.answers()[..], [Answer::Refused { refusal: Refusal::TooManyEarly, .. }]));
    assert_eq!(wrote.letters().len(), 0, "the caller knows");
    let wrote = run.sent_by_source(1, paid("7", 99));
    assert_eq!(wrote.letters().len(), 1, "a source cannot be told");
    assert_eq!(run.tell(paid("8", 1)).outcome(), Some(Outcome::Early), "of another order");
    assert_eq!(run.tell(place("7", 1, 0)).commands().len(), 1 + limits::EARLY_PER_ORDER);
    assert_eq!(run.tell(place("8", 1, 0)).commands().len(), 2);
    assert_eq!(run.gauge("early"), 0);
}

#[test]
fn early_messages_are_bounded_for_each_channel_and_altogether() {
    let mut run = Run::new();
    let of = |channel: &str, id: usize, bytes: usize| {
        let mut message = raw(&id.to_string(), None, 1);
        message.head.identity.channel = channel.into();
        message.body = vec![0; bytes];
        Command::Amend(message)
    };
    for id in 0..limits::EARLY_PER_CHANNEL {
        assert_eq!(run.tell(of("web", id, 10)).outcome(), Some(Outcome::Early));
    }
    assert_eq!(run.tell(of("web", 1 << 20, 10)).outcome(), Some(Outcome::Refused(Refusal::TooManyEarly)));
    let fits = limits::EARLY_BYTES as usize / (200 << 10) - 8;
    for id in 0..fits {
        assert_eq!(run.tell(of(&format!("c{id}"), id, 200 << 10)).outcome(), Some(Outcome::Early), "{id}");
    }
    let refused = (0..10).filter(|id| {
        run.tell(of("app", *id, 200 << 10)).outcome() == Some(Outcome::Refused(Refusal::TooManyEarly))
    });
    assert!(refused.count() >= 2, "whatever the channel");
}

#[test]
fn early_messages_expire_after_seven_days_in_bounded_steps() {
    let mut run = Run::new();
    let start = run.at;
    let many = limits::ITEMS_PER_COMMAND + 40;
    for id in 0..many {
        run.at = start + id as i64;
        run.tell(paid(&id.to_string(), 1));
    }
    run.at = start + limits::EARLY_MS - 1;
    run.tell(paid("0", 2));
    run.at = start + limits::EARLY_MS;
    let wrote = run.tell(Command::Tick);
    assert_eq!((wrote.0.len(), run.gauge("early")), (0, many as u64 + 1), "seven days are not over");
    run.at = start + limits::EARLY_MS + many as i64;
    // An event of another command lets nothing expire.
    assert_eq!(run.tell(place("x", 1, 1)).exceptions(), 0);
    run.at = start + limits::EARLY_MS + many as i64;
    let wrote = run.tell(Command::Tick);
    assert_eq!(wrote.outcome(), Some(Outcome::Applied));
    assert_eq!(
        (wrote.exceptions(), wrote.letters().len()),
        (limits::ITEMS_PER_COMMAND, limits::ITEMS_PER_COMMAND)
    );
    assert!(wrote.goes_on());
    let items: Vec<_> = wrote.events().iter().map(|e| e.item).collect();
    assert_eq!(items, (0..=limits::ITEMS_PER_COMMAND as u16).collect::<Vec<_>>());
    assert!(!run.tell(Command::Tick).goes_on(), "one continue at a time, and that tick did the rest");
    assert_eq!(run.gauge("early"), 1, "the younger message of the first order waits on");
    assert_eq!(run.tell(Command::Continue).0.len(), 0);
    let letter = wrote.letters()[3].1.clone();
    let (_, command) = envelope::decode::<Command>(&letter.bytes).unwrap();
    assert_eq!((command, letter.code.as_str()), (paid("3", 1), "E1103"));
    assert_eq!(names(&run.tell(place("0", 1, 0))), ["place", "payment"]);
}

/// SEMANTICS, case q: nobody reads for hours, and the records of those hours are read in one go afterwards.
#[test]
fn an_outage_of_hours_changes_neither_order_nor_result() {
    let hours = |run: &mut Run| {
        let mut all = Vec::new();
        for command in [
            paid("7", 1),
            amend("7", 3, 3),
            amend("7", 2, 2),
            Command::Tick,
            cancel("8", Some(2), 8),
            place("7", 1, 0),
            place("8", 1, 0),
            place("9", 1, 0),
            paid("9", 1),
        ] {
            all.extend(run.tell(command).passed());
        }
        all
    };
    let mut steady = Run::new();
    let mut after = Run::new();
    after.tell(paid("before", 1));
    steady.tell(paid("before", 1));
    // Hours later, with the clock of the broker an hour ahead for a moment.
    after.at += 2 * 3_600_000;
    let resumed = after.at;
    after.at += 3_600_000;
    after.tell(Command::Tick);
    after.at = resumed;
    assert_eq!(hours(&mut after), hours(&mut steady));
    assert_eq!(after.gauge("early"), 1);
    assert_eq!(names(&after.tell(place("before", 1, 0))), ["place", "payment"]);
}

/// Knows the zone, but neither region nor channel.
fn without_home() -> Run {
    let mut run = Run::bare();
    run.publish(zone("east", 1));
    run
}

#[test]
fn an_order_without_a_zone_is_accepted_shown_and_parked() {
    let mut run = without_home();
    let wrote = run.ask(true, Command::Place(http("7", 1)));
    assert_eq!(wrote.accepted().zone, None, "who waits for an outcome is told that there is none yet");
    assert_eq!((wrote.outcome(), wrote.commands().len()), (Some(Outcome::NoZone), 0));
    let events = wrote.events();
    assert!(matches!(&events[0].rows[..], [router_schemas::row::Row::Order(row)]
        if row.state.text() == "parked:no_zone" && row.order == wrote.accepted().order && row.lines.len() == 1));
    // A repeat too; a conflict is one here as well.
    let again = run.ask(true, Command::Place(http("7", 1)));
    assert!(matches!(&again.answers()[..], [Answer::Repeat(a)] if a.zone.is_none()));
    let other = run.ask(true, Command::Place(http("7", 2)));
    assert_eq!(other.outcome(), Some(Outcome::Refused(Refusal::Conflict)));
}

#[test]
fn a_parked_order_goes_on_with_all_behind_it_when_its_zone_is_known() {
    let releases: [fn(&mut Run) -> Wrote; 3] = [
        |run| run.publish(channel("web", Some("east"))),
        |run| run.publish(region("US", "east")),
        |run| run.publish(node("n", "east")),
    ];
    for release in releases {
        let mut run = without_home();
        run.tell(paid("7", 1));
        let mut message = raw("7", Some(1), 0);
        (message.head.region, message.head.pin) = (Some("US-94107".into()), pin("n", true));
        run.ask(true, Command::Place(message));
        for command in [amend("7", 3, 3), amend("7", 2, 2), cancel("7", Some(4), 4), delivered("7", 5)] {
            let wrote = run.ask(true, command);
            assert_eq!(wrote.commands().len(), 0);
        }
        run.publish(channel("app", Some("east")));
        assert_eq!(run.gauge("no_zone"), 1, "nothing that helps");
        run.restart();
        let wrote = release(&mut run);
        assert_eq!(names(&wrote), ["place", "payment", "amend", "cancel", "delivered"]);
        assert!(wrote.passed().iter().all(|(_, zone)| zone == "east"));
        assert!(wrote.commands().iter().all(|(_, meta, _)| meta.reply.is_none()), "all have their answer");
        assert!(!wrote.goes_on());
        assert_eq!(run.gauge("no_zone"), 0);
        assert_eq!(names(&run.tell(paid("7", 6))), ["payment"], "nothing waits any more");
    }
}

#[test]
fn an_order_waits_for_a_zone_that_its_region_names_and_nobody_published() {
    let mut run = without_home();
    run.publish(channel("web", Some("north")));
    run.tell(place("7", 1, 1));
    assert_eq!(run.gauge("no_zone"), 1);
    assert_eq!(run.publish(zone("north", 2)).passed(), [("place", "north".to_owned())]);
}

#[test]
fn many_parked_orders_go_on_in_bounded_steps() {
    let mut run = without_home();
    let orders = 4 * limits::ITEMS_PER_COMMAND + 30;
    for id in 0..orders {
        run.tell(place(&format!("{id:05}"), 1, 0));
    }
    for key in 0..20 {
        run.tell(paid("00255", key));
    }
    let mut passed = Vec::new();
    let mut note = |wrote: &Wrote| {
        assert!(wrote.commands().len() <= limits::ITEMS_PER_COMMAND);
        passed.extend(wrote.commands().into_iter().map(|(.., c)| c.identity().unwrap().external_id.clone()));
        wrote.goes_on()
    };
    let mut steps = 0;
    let mut goes_on = note(&run.publish(channel("web", Some("east"))));
    while goes_on {
        steps += 1;
        run.restart();
        // What comes meanwhile keeps its place; other publications start no second chain of steps.
        let late = run.ask(true, paid("00255", 100 + steps));
        assert!(!note(&late) && late.answers().is_empty());
        assert!(!note(&run.publish(node(&format!("n{steps}"), "elsewhere"))));
        goes_on = note(&run.tell(Command::Continue));
    }
    assert!(steps >= 1);
    assert_eq!(run.gauge("no_zone"), 0);
    let places = passed.iter().collect::<std::collections::BTreeSet<_>>();
    assert_eq!(places.len(), orders, "each once");
    assert_eq!(passed.len() - orders, 20 + steps as usize, "and all that waited behind");
}

#[test]
fn publications_without_an_effect_start_nothing_and_a_lost_continue_stops_nothing() {
    let mut run = without_home();
    let orders = limits::ITEMS_PER_COMMAND + 10;
    (0..orders).for_each(|id| drop(run.tell(place(&format!("{id:05}"), 1, 0))));
    assert!(!run.publish(zone("east", 1)).goes_on(), "said before");
    assert!(run.publish(node("n", "east")).goes_on());
    assert!(!run.publish(node("m", "east")).goes_on(), "one is under way");
    // An operator skips it: the next tick goes on.
    let skipped = envelope::to_vec(None, &Meta::default(), &Command::Continue);
    run.record(&skipped, true);
    let mut wrote = run.tell(Command::Tick);
    for _ in 0..4 {
        assert_eq!(wrote.commands().len(), 0);
        if !wrote.goes_on() {
            break;
        }
        wrote = run.tell(Command::Continue);
    }
    assert!(!wrote.goes_on() && run.intake.state.pass.is_none());
    assert_eq!(run.gauge("no_zone"), orders as u64);
}

#[test]
fn what_is_parked_is_bounded() {
    let mut run = without_home();
    run.tell(place("7", 1, 0));
    for key in 1..limits::PARKED_PER_ORDER as u8 {
        assert_eq!(run.tell(paid("7", key)).outcome(), Some(Outcome::NoZone));
    }
    let wrote = run.ask(false, amend("7", 2, 2));
    assert_eq!((wrote.outcome(), wrote.answers().len()), (Some(Outcome::Refused(Refusal::Limit)), 1));
    let wrote = run.sent_by_source(1, amend("7", 2, 2));
    assert_eq!(wrote.letters().len(), 1, "a source cannot be told");
    // Refused is not seen: sent again later, it is taken.
    assert_eq!(run.publish(channel("web", Some("east"))).commands().len(), limits::PARKED_PER_ORDER);
    assert_eq!(names(&run.tell(amend("7", 2, 2))), ["amend"]);
    // By bytes, whatever the number: the last that fits is taken, and its room is free once it went on.
    let mut run = without_home();
    let taken =
        limits::PARKED_BYTES - envelope::to_vec(None, &Meta::default(), &place("1", 1, 0)).len() as u64;
    run.intake.state.parked_bytes = taken;
    assert_eq!(run.tell(place("1", 1, 0)).outcome(), Some(Outcome::NoZone));
    assert_eq!(run.tell(place("2", 1, 0)).outcome(), Some(Outcome::Refused(Refusal::Limit)));
    assert_eq!(run.gauge("known_orders"), 1);
    run.publish(channel("web", Some("east")));
    assert_eq!(run.intake.state.parked_bytes, taken);
}

#[test]
fn orders_that_came_leave_nothing_behind_that_expires() {
    let mut run = Run::new();
    for id in 0..3 {
        run.tell(paid(&id.to_string(), 1));
    }
    run.tell(place("0", 1, 0));
    run.at += limits::EARLY_MS + 1;
    let wrote = run.tell(Command::Tick);
    assert_eq!((wrote.exceptions(), wrote.letters().len(), run.gauge("early")), (2, 2, 0));
    assert!(!wrote.goes_on());
}

#[test]
fn what_is_published_behind_a_pass_helps_orders_that_the_pass_has_left() {
    let mut run = without_home();
    for id in 0..limits::ITEMS_PER_COMMAND + 10 {
        let mut message = raw(&format!("{id:05}"), Some(1), 0);
        message.head.region = (id == 0).then(|| "US".into());
        run.tell(Command::Place(message));
    }
    assert!(run.publish(region("GB", "east")).goes_on());
    let wrote = run.publish(region("US", "east"));
    let mut passed = wrote.passed().len();
    for _ in 0..3 {
        passed += run.tell(Command::Continue).passed().len();
    }
    assert_eq!(passed, 1);
    assert!(run.intake.state.pass.is_none());
}
