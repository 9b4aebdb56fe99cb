//! Random histories of work at nodes: cancels that ask, answers, give-backs, pauses, evacuations and steering, mixed
//! with everything else in any way.

use proptest::prelude::*;
use router_schemas::quantity::Qty;

use super::{properties::wild_line, scenario::world::World};

/// A line about the work of nodes.
fn work_line() -> impl Strategy<Value = String> {
    let pick = |from: &'static [&'static str]| prop::sample::select(from);
    let node = || pick(&["near", "near", "mid", "far", "ghost"]);
    let part = || (1..10usize, pick(&["A", "B", "C"]), 0..5i64);
    let named = |l: &str, q: i64| if q == 0 { String::new() } else { format!(" {l}:{q}") };
    let reason = || pick(&["other", "out_of_stock", "damaged", "busy", "closed", "nonsense"]);
    prop_oneof![
        4 => part().prop_map(move |(o, l, q)| format!("cancel {o} ask{}", named(l, q))),
        3 => (node(), 1..10usize, pick(&["yes", "no"])).prop_map(|(n, o, a)| format!("answer {n} {o} {a}")),
        3 => (node(), reason(), part())
            .prop_map(move |(n, r, (o, l, q))| format!("give_back {n} {o} {r}{}", named(l, q))),
        1 => (node(), part()).prop_map(move |(n, (o, l, q))| format!("accept {n} {o}{}", named(l, q))),
        2 => (node(), part()).prop_map(move |(n, (o, l, q))| format!("hand_over {n} {o}{}", named(l, q))),
        1 => (node(), pick(&["", " until +1h"])).prop_map(|(n, until)| format!("halt {n}{until}")),
        2 => node().prop_map(|n| format!("carry_on {n}")),
        1 => node().prop_map(|n| format!("evacuate {n}")),
        1 => (1..10usize, pick(&["", " forgive"])).prop_map(|(o, how)| format!("retry {o}{how}")),
        2 => (pick(&["", " from near"]), pick(&["", " same_node"]), part())
            .prop_map(move |(from, same, (o, l, q))| format!("reroute {o}{from}{same}{}", named(l, q))),
        2 => (node(), part()).prop_map(move |(n, (o, l, q))| format!("assign {o} {n}{}", named(l, q))),
        1 => (1..10usize).prop_map(|o| format!("approve {o}")),
        1 => Just("ticks +1m".to_owned()),
        1 => Just("ticks +6m".to_owned()),
    ]
}

/// Plays lines; one that is refused or repeated is a line too. The ledger judges every record.
fn play(world: &mut World, lines: &[String]) -> Result<(), TestCaseError> {
    for (n, line) in lines.iter().enumerate() {
        if let Err(why) = world.line(line) {
            let fine = why.starts_with("the outcome is") || why.starts_with("no order is named");
            prop_assert!(fine, "{}\n{why}", lines[..=n].join("\n"));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Units are conserved, nothing is oversold by a request, a snapshot anywhere and the rest of the log are the whole
    /// log; and once all time to answer is over, no node is asked for anything.
    #[test]
    fn work_moves_in_any_way_and_no_unit_is_lost(
        lines in prop::collection::vec(prop_oneof![work_line(), wild_line()], 1..90),
        cut in 0..120usize,
    ) {
        let mut world = World::new();
        world.play("node near at 0,1\nnode mid at 0,2\nnode far at 0,3");
        world.play("channel card route_when captured cancel_within +2m cancel_by_default reroute_pinned");
        world.play("item C tolerance 100 step 0.001\neach 1..3 count near A {n}0\ncount mid A 9\ncount near B 9\ntick");
        play(&mut world, &lines)?;
        if let Err(why) = world.ledger.agrees_with(&world.engine, true).and_then(|()| world.replay_over(cut)) {
            prop_assert!(false, "{}\n{why}", lines.join("\n"));
        }
        world.play("tick\nticks +15m\ntime +5s\ntick");
        for row in world.ledger.rows() {
            for f in &row.fulfilments {
                prop_assert!(f.asked.is_zero() && f.due.is_none(), "{}\n{f:?}", lines.join("\n"));
            }
        }
    }

    /// A cancel that asks, the answer, and what the node does with the goods, in any order: what was ordered is shipped
    /// or cancelled in the end, nothing of it is both, and shelf and order agree.
    #[test]
    fn a_cancel_may_cross_whatever_the_node_does(
        turns in prop::collection::vec(0..3usize, 16),
        asked in 1..4i64,
        answer in prop::sample::select(&["yes", "no", "silence"][..]),
        by_default in any::<bool>(),
        ships in prop::sample::select(&["", " A:1", " A:5"][..]),
    ) {
        let mut world = World::new();
        let default = if by_default { "cancel_by_default" } else { "" };
        world.play(&format!("node near at 0,1\ncount near A 9\nchannel web {default}\ntick\nplace 1 A:5"));
        let roads: [Vec<String>; 3] = [
            vec![format!("cancel 1 ask A:{asked}"), "cancel 1 ask".into()],
            vec!["pick near 1 A:3".into(), "pick near 1".into(), format!("ship near 1{ships}")],
            match answer {
                "silence" => vec![],
                answer => vec![format!("answer near 1 {answer}"), format!("answer near 1 {answer}")],
            },
        ];
        let mut roads = roads.map(|road| road.into_iter().peekable());
        let (mut played, mut turns) = (Vec::new(), turns.into_iter().cycle());
        while roads.iter_mut().any(|road| road.peek().is_some()) {
            let road = turns.next().unwrap_or_default();
            // A turn of a road that has ended is another's.
            let road = (0..3).map(|n| (road + n) % 3).find(|n| roads[*n].peek().is_some()).unwrap_or(road);
            played.extend(roads[road].next());
        }
        play(&mut world, &played)?;
        world.play("ticks +16m");
        let row = world.engine.order(world.orders["1"]).expect("a known order");
        let (line, at) = (&row.lines[0], row.fulfilments.first().cloned().unwrap_or_default());
        let history = played.join("\n");
        prop_assert!(at.asked.is_zero() && at.due.is_none(), "{history}");
        prop_assert_eq!(line.shipped + line.cancelled + line.allocated, line.ordered, "{}", history);
        let cell = &world.engine.cells("A")[0];
        prop_assert_eq!(cell.allocated, line.allocated, "{}", history);
        prop_assert_eq!(cell.on_hand, Qty::units(9) - line.shipped, "{}", history);
        let granted = answer == "yes" || answer == "silence" && by_default;
        if granted && line.shipped.is_zero() {
            // The last cancel asked for all.
            prop_assert!(line.allocated.is_zero() || answer == "yes", "{history}");
        }
        prop_assert!(world.replay().is_ok());
    }
}
