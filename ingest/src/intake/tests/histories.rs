//! Properties over random histories.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn any_command() -> impl Strategy<Value = Command> {
    let id = prop::sample::select(vec!["1", "2", "3", "4"]);
    let version = prop::option::of(1u64..5);
    (id, version, 0u8..6, 0u8..14).prop_map(|(id, version, content, kind)| {
        let mut message = raw(id, version, content);
        if content % 2 == 0 {
            message.head.region = Some("US-9".into());
        }
        match kind {
            0..3 => Command::Place(message),
            3 => Command::Place(http(id, content)),
            4..6 => Command::Amend(message),
            6 => cancel(id, version, content + 50),
            7 => paid(id, content),
            8 => delivered(id, content),
            9 => published(zone("east", 1)),
            10 => published(region("US", "east")),
            11 => published(channel("web", Some("east"))),
            12 => Command::Tick,
            _ => Command::Continue,
        }
    })
}

fn records() -> impl Strategy<Value = Vec<(Meta, Command, bool, i64)>> {
    let source = prop::option::of((1u32..3, 0u64..40));
    let reply = prop::option::of(any::<bool>());
    let one = (source, reply, any_command(), prop::bool::weighted(0.05), 0i64..400_000_000);
    let record = |(s, r, command, skipped, gap): (Option<(u32, u64)>, Option<bool>, _, _, _)| {
        let source = s.map(|(incarnation, offset)| super::source(incarnation, offset, 0));
        (Meta { source, reply: r.map(reply_to), ..Meta::default() }, command, skipped, gap)
    };
    prop::collection::vec(one.prop_map(record), 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// A restart in between changes neither what is written nor the state.
    #[test]
    fn a_snapshot_in_the_middle_gives_the_same_bytes(history in records(), cut in 0usize..60) {
        let mut whole = Run::bare();
        let mut cut_run = Run::bare();
        for (i, (meta, command, skipped, gap)) in history.iter().enumerate() {
            let payload = envelope::to_vec(None, meta, command);
            if i == cut {
                cut_run.restart();
            }
            for run in [&mut whole, &mut cut_run] {
                run.at += gap;
                run.record(&payload, *skipped);
            }
            let written = |run: &Run| run.out.iter().map(|o| (o.target.clone(), run.out.bytes(o).to_vec())).collect::<Vec<_>>();
            prop_assert_eq!(written(&whole), written(&cut_run));
        }
        prop_assert_eq!(whole.intake.state_hash(), cut_run.intake.state_hash());
        prop_assert_eq!(whole.snapshot(), cut_run.snapshot());
    }

    /// What is written keeps the rules, whatever comes: one outcome or one command of the caller's, at most one
    /// answer, an order's commands in one zone and its place before all else.
    #[test]
    fn every_record_is_decided_once(history in records()) {
        let mut run = Run::bare();
        let mut placed = BTreeMap::new();
        for (meta, command, skipped, gap) in history {
            run.at += gap;
            let known_before = run.gauge("known_orders");
            let wrote = run.record(&envelope::to_vec(None, &meta, &command), skipped);
            prop_assert!(wrote.answers().len() <= 1);
            wrote.outcome();
            for (partition, _, passed) in wrote.commands() {
                prop_assert_eq!(partition, 1);
                let (identity, to) = (passed.identity().unwrap().clone(), assigned(passed).cloned());
                match passed {
                    Command::Place(_) => prop_assert!(placed.insert(identity, to).is_none(), "placed twice"),
                    Command::Ask(ask) => prop_assert_eq!(placed[&identity].as_ref().map(|t| t.order), Some(ask.order)),
                    _ => prop_assert_eq!(placed.get(&identity), Some(&to), "{} before its order", passed.name()),
                }
            }
            prop_assert!(run.gauge("known_orders") >= known_before);
            let quiet = matches!(command, Command::Tick | Command::Continue);
            let held = wrote.commands().is_empty() && wrote.outcome().is_none();
            prop_assert!(!held || quiet && !skipped || run.gauge("no_zone") > 0, "{command:?} left no trace");
        }
    }

    /// Messages of one order, in any order and each any number of times, end in the same entry.
    #[test]
    fn early_late_and_repeated_messages_end_the_same(
        messages in Just((2u64..8).map(|v| if v % 3 == 0 { cancel("7", Some(v), v as u8) } else { amend("7", v, v as u8) })
            .chain([place("7", 1, 1)]).flat_map(|c| [c.clone(), c]).collect::<Vec<_>>()).prop_shuffle(),
        home in any::<bool>(),
    ) {
        let mut run = if home { Run::new() } else { Run::bare() };
        let mut last = Vec::new();
        for command in messages {
            last.extend(run.tell(command).commands().into_iter().map(|(.., c)| c.clone()));
        }
        if !home {
            run.publish(zone("east", 1));
            last.extend(run.publish(channel("web", Some("east"))).commands().into_iter().map(|(.., c)| c.clone()));
        }
        let entry = &run.intake.state.orders[&identity("7")];
        prop_assert_eq!((entry.version, entry.first, entry.zone.as_deref()), (Some(7), hash(1), Some("east")));
        prop_assert_eq!(entry.seen.last(), Some(&hash(7)));
        // The engine gets the order first, then versions that rise up to the last.
        let versions: Vec<_> = last.iter().map(|c| crate::intake::state::Said::of(c).version.unwrap()).collect();
        prop_assert!(matches!(last[0], Command::Place(_)) && versions.is_sorted(), "{:?}", versions);
        prop_assert_eq!(versions.last(), Some(&7));
        prop_assert_eq!(run.gauge("early") + run.gauge("no_zone"), 0);
    }
}
