//! No event is larger than it may be, and no command does more than a bounded piece of work.

use router_schemas::{
    command::order::{Display, LineDisplay},
    limits::{EFFECT_BYTES, FULFILMENTS},
    row::Row,
};

use super::*;

impl Run {
    /// Applies the command and all that follows, and looks at every record.
    fn bounded(&mut self, command: &Command) -> Vec<Row> {
        let (mut command, mut rows) = (command.clone(), Vec::new());
        for _ in 0..10_000 {
            let out = self.step(&command, false);
            for output in out.iter() {
                let bytes = out.bytes(output).len();
                assert!(bytes < EFFECT_BYTES - 1024, "{} takes {bytes} bytes", command.name());
            }
            let events = events(&out);
            assert!(events.iter().filter(|e| e.outcome.is_some()).count() <= 1);
            rows.extend(events.into_iter().flat_map(|e| e.rows));
            if !asks_to_continue(&out) {
                return rows;
            }
            command = Command::Continue;
        }
        panic!("it never ends");
    }

    fn shown(&self, lines: &[(&str, i64)], display: &Display) -> Command {
        let Command::Place(mut message) = self.placement(lines) else { unreachable!() };
        let mut body: OrderBody = postcard::from_bytes(&message.body).unwrap();
        body.display = postcard::to_stdvec(display).unwrap();
        message.body = postcard::to_stdvec(&body).unwrap();
        Command::Place(message)
    }
}

#[test]
fn a_node_with_many_cells_is_paused() {
    let mut run = Run::new();
    for n in 0..8_000 {
        let sku = format!("{n:060}");
        run.step(
            &Command::Count(Count { cell: cell("near", &sku), qty: Qty::ONE, ..Count::default() }),
            false,
        );
    }
    let node = Node { id: "near".into(), zone: "z".into(), ..Node::default() };
    let change =
        router_schemas::command::reference::Published { control: 1, change: Reference::Node(Box::new(node)) };
    let rows = run.bounded(&Command::Reference(change));
    let paused = rows.iter().filter(|r| matches!(r, Row::Cell(c) if c.atp.is_zero())).count();
    assert_eq!(paused, 8_000);
}

#[test]
fn waiting_orders_with_much_to_show_are_served() {
    let mut run = Run::new();
    let display = Display { remark: Some("x".repeat(120_000)), ..Display::default() };
    for _ in 0..64 {
        let command = run.shown(&[("a", 1)], &display);
        run.bounded(&command);
    }
    run.bounded(&receipt("near", "a", 64));
    assert_eq!(run.stock("near", "a"), (64, 64));
}

#[test]
fn texts_that_json_blows_up_are_left_out() {
    let mut run = Run::new();
    run.count("near", "a", 5);
    let line = LineDisplay { name: Some("\u{1}".repeat(120_000)), ..LineDisplay::default() };
    let command = run.shown(&[("a", 1)], &Display { lines: vec![line], ..Display::default() });
    run.bounded(&command);
    assert_eq!(run.stock("near", "a"), (5, 1));
}

#[test]
fn an_order_spread_over_many_nodes_ends_somewhere() {
    let mut run = Run::new();
    for n in 0..4 {
        let name = format!("{n:0>64}");
        run.node(&name, |_| {});
        for sku in 0..600 {
            let cell = cell(&name, &format!("{sku:0>64}"));
            run.step(&Command::Count(Count { cell, qty: Qty::ONE, ..Count::default() }), false);
        }
    }
    let skus: Vec<String> = (0..600).map(|n| format!("{n:0>64}")).collect();
    let lines: Vec<(&str, i64)> = skus.iter().map(|s| (s.as_str(), 4)).collect();
    let display = Display { remark: Some("x".repeat(130_000)), ..Display::default() };
    let command = run.shown(&lines, &display);
    let Command::Place(message) = &command else { unreachable!() };
    let order = message.to.as_ref().unwrap().order;
    run.bounded(&command);
    let row = run.row(order);
    assert_eq!(row.fulfilments.len(), FULFILMENTS);
    let open: Qty = row.lines.iter().map(|l| l.open).sum();
    assert_eq!(open, Qty::units(2_400 - FULFILMENTS as i64));
    let before = run.row(order).revision;
    run.receive(&"0".repeat(64), &"0".repeat(64), 1);
    assert_eq!(run.row(order).revision, before, "a look that changes nothing leaves no trace");
}

#[test]
fn the_numbers_that_are_kept_are_those_that_are_there() {
    let mut run = Run::new();
    run.count("near", "a", 1);
    let order = run.place(&[("a", 1)]);
    run.place(&[("a", 1)]);
    let gauges = |run: &Run| {
        let gauges: std::collections::BTreeMap<_, _> = run.engine.gauges().into_iter().collect();
        ["open_orders", "waiting_orders", "cells"].map(|name| gauges[name])
    };
    assert_eq!(gauges(&run), [2, 1, 1]);
    run.cancel(order, Vec::new());
    assert_eq!(gauges(&run), [1, 0, 1]);
}
