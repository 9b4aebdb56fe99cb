//! Records that come late, twice, or where they do not belong: parts behind their cancel, a record that nobody can
//! read, one that was skipped, and questions about orders.

use router_schemas::{
    command::{
        Ask, Assigned, Command,
        order::{OrderBody, OrderHead, OrderLine, OrderMessage},
        part::{Part, PartCancel, PartLine, PartRef, PartReport},
        reference::{Reference, Zone},
    },
    envelope::{self, Meta, Source},
    event::Outcome,
    id::{Identity, OrderId},
    limits::REMEMBER_MS,
    position::{Position, Topic},
    quantity::Qty,
    refusal::Refusal,
    stage::{Input, Outputs, Stage},
};

use super::run::{Run, TOPOLOGY, events, receipt};

/// A part of another zone's order: so much of one line.
fn part(order: OrderId, zone: &str, units: i64) -> Part {
    let line =
        OrderLine { line: "1".into(), sku: "A".into(), qty: Qty::units(units), ..OrderLine::default() };
    let body = OrderBody { lines: vec![line], ..OrderBody::default() };
    let identity = Identity { channel: "web".into(), account: String::new(), external_id: "1".into() };
    let head = OrderHead { identity, ..OrderHead::default() };
    let to = Some(Assigned { order, zone: zone.to_owned() });
    let message = OrderMessage { to, head, body: postcard::to_allocvec(&body).unwrap() };
    let part = PartRef { order, part: 1, attempt: 1 };
    Part { part, home: "home".into(), zone: zone.to_owned(), visited: Vec::new(), message }
}

fn cancel(order: OrderId, zone: &str, units: i64) -> PartCancel {
    let lines = vec![("1".to_owned(), Qty::units(units))];
    PartCancel {
        part: PartRef { order, part: 1, attempt: 1 },
        home: "home".into(),
        zone: zone.into(),
        lines,
        ask: false,
    }
}

/// What home is told.
fn report(out: &Outputs) -> PartReport {
    let of_home = out.iter().filter(|output| output.target.topic == Topic::Commands);
    let read = of_home.filter_map(|output| {
        let (_, rest): (Meta, _) = postcard::take_from_bytes(out.bytes(output)).unwrap();
        match postcard::from_bytes::<Command>(rest) {
            Ok(Command::PartReport(report)) => Some(report),
            _ => None,
        }
    });
    let mut reports: Vec<_> = read.collect();
    assert_eq!(reports.len(), 1, "home is told once");
    reports.remove(0)
}

fn outcome(out: &Outputs) -> Option<Outcome> {
    events(out).into_iter().find_map(|event| event.outcome)
}

fn with_home() -> Run {
    let mut run = Run::new();
    run.publish(Reference::Zone(Zone { id: "home".into(), partition: Some(0) }));
    run.count("near", "A", 5);
    run
}

#[test]
fn a_part_behind_its_cancel_is_answered_by_it() {
    let (mut run, order) = (with_home(), OrderId::new(TOPOLOGY.log, &Topic::Intake, 0, 7));
    let told = report(&run.step(&Command::PartCancel(cancel(order, "z", 2)), false));
    let line = |cancelled, given_back, unwanted| PartLine {
        line: "1".into(),
        cancelled: Qty::units(cancelled),
        given_back: Qty::units(given_back),
        unwanted: Qty::units(unwanted),
        ..PartLine::default()
    };
    assert_eq!((told.report, told.lines), (1, vec![line(2, 0, 2)]));
    // It comes with more than was cancelled: the rest goes back, and nothing of it is sold here.
    let told = report(&run.step(&Command::Part(part(order, "z", 3)), false));
    assert_eq!((told.report, told.lines), (2, vec![line(2, 1, 2)]));
    let told = report(&run.step(&Command::Part(part(order, "z", 3)), false));
    assert_eq!(
        (told.report, &told.lines),
        (3, &vec![line(2, 1, 2)]),
        "the same again, under a higher number"
    );
    assert_eq!(run.engine.cells("A")[0].allocated, Qty::ZERO);

    // Long after, it is forgotten: what comes under its number is new.
    // Service time has to go by: ticks, none far behind the one before.
    let step = 20_000;
    let mut at = 1_000_000;
    while at < REMEMBER_MS + 2_000_000 {
        at += step;
        let payload = envelope::to_vec(None, &Meta::default(), &Command::Tick);
        let input = Input { offset: run.offset, at, skipped: false, payload: &payload };
        run.engine.apply(input, &mut Outputs::default());
        run.offset += 1;
    }
    let out = run.step(&Command::Part(part(order, "z", 3)), false);
    assert_eq!(outcome(&out), Some(Outcome::Applied));
    assert_eq!(run.engine.cells("A")[0].allocated, Qty::units(3));
    let again = run.step(&Command::Part(part(order, "z", 3)), false);
    assert_eq!(outcome(&again), Some(Outcome::Repeat), "a part that is known stays as it is");
}

#[test]
fn a_part_for_a_zone_that_is_not_here_goes_back() {
    let (mut run, order) = (with_home(), OrderId::new(TOPOLOGY.log, &Topic::Intake, 0, 7));
    let told = report(&run.step(&Command::Part(part(order, "elsewhere", 3)), false));
    assert_eq!((told.report, told.lines[0].given_back), (1, Qty::units(3)));
    assert_eq!(run.engine.cells("A")[0].allocated, Qty::ZERO);
}

#[test]
fn a_record_that_nobody_can_read_is_kept_aside_and_changes_nothing() {
    let mut run = with_home();
    let order = run.place(&[("A", 1)]);
    let before = run.row(order);
    for (skipped, refusal, letters) in [(false, Refusal::Undecodable, 1), (true, Refusal::Skipped, 0)] {
        let mut out = Outputs::default();
        let input = Input { offset: run.offset, at: 1_000_000, skipped, payload: b"what is this" };
        run.engine.apply(input, &mut out);
        run.offset += 1;
        assert_eq!(outcome(&out), Some(Outcome::Refused(refusal)));
        let aside = |topic: &Topic| matches!(topic, Topic::DeadLetter(of) if **of == *"commands");
        assert_eq!(out.iter().filter(|output| aside(&output.target.topic)).count(), letters);
    }
    // One that can be read and is skipped leaves no more.
    let out = run.step(&receipt("near", "A", 5), true);
    assert_eq!(outcome(&out), Some(Outcome::Refused(Refusal::Skipped)));
    assert_eq!(run.row(order), before);
    assert_eq!(run.engine.cells("A")[0].on_hand, Qty::units(5));
}

#[test]
fn who_asks_is_told_what_was_answered_first_and_nobody_else_is() {
    let mut run = with_home();
    let order = run.place(&[("A", 1)]);
    let identity = run.row(order).identity;
    let known = run.step(&Command::Ask(Ask { order, identity: identity.clone() }), false);
    assert_eq!(outcome(&known), Some(Outcome::Applied));
    let unknown = OrderId::new(TOPOLOGY.log, &Topic::Intake, 0, 999);
    let none = run.step(&Command::Ask(Ask { order: unknown, identity }), false);
    assert_eq!(outcome(&none), Some(Outcome::Refused(Refusal::UnknownOrder)));
}

#[test]
fn what_is_not_for_a_zone_is_refused() {
    let mut run = with_home();
    let stray = Position::new(Topic::Commands, 0, 1);
    for command in [Command::Skip(stray.clone()), Command::Accept(stray)] {
        let out = run.step(&command, false);
        assert_eq!(outcome(&out), Some(Outcome::Refused(Refusal::WrongZone)));
    }
}

#[test]
fn a_node_and_its_cells_are_shown() {
    let run = with_home();
    let view = run.engine.node_view("near").unwrap();
    assert_eq!((view.node.id.as_str(), view.known, view.cells), ("near", true, 1));
    assert_eq!(run.engine.cells_at("near", 10).len(), 1);
    assert!(run.engine.node_view("mars").is_none() && run.engine.cells_at("mars", 10).is_empty());
    let mut written = Vec::new();
    run.engine.snapshot_to(&mut written).unwrap();
    let mut whole = Vec::new();
    run.engine.snapshot(&mut whole);
    assert_eq!(written, whole, "a snapshot is the same, piece by piece or at once");
}

#[test]
fn a_fact_without_a_key_counts_once_by_its_place_in_its_source() {
    let mut run = with_home();
    let mut on_hand = |id: &str, incarnation: u32, offset: u64, index: u32| {
        let source = Source { id: id.into(), incarnation, partition: 0, offset, index };
        let meta = Meta { source: Some(source), ..Meta::default() };
        let payload = envelope::to_vec(None, &meta, &receipt("near", "A", 1));
        let input = Input { offset: run.offset, at: 1_000_000, skipped: false, payload: &payload };
        run.engine.apply(input, &mut Outputs::default());
        run.offset += 1;
        run.engine.cells("A")[0].on_hand
    };
    assert_eq!(on_hand("tills", 0, 0, 0), Qty::units(6));
    assert_eq!(on_hand("tills", 0, 0, 0), Qty::units(6), "the same record again");
    assert_eq!(on_hand("tills", 0, 0, 1), Qty::units(7), "the second fact of the record");
    assert_eq!(on_hand("tills", 0, 9, 0), Qty::units(8));
    assert_eq!(on_hand("tills", 0, 3, 0), Qty::units(8), "one from before");
    assert_eq!(on_hand("tills", 1, 0, 0), Qty::units(9), "the topic was made anew");
    assert_eq!(on_hand("office", 0, 0, 0), Qty::units(10), "another source");
}
