//! Amend, cancel and what is paid back; promises that cannot be kept; forgetting.

use router_schemas::{
    command::{order::Delivered, reference::Item, stock::Basis},
    event::Outcome,
    limits::REMEMBER_MS,
};

use super::*;

impl Run {
    /// The order's full new state, with the same prices.
    fn amend(
        &mut self,
        order: OrderId,
        lines: &[(&str, &str, i64)],
        change: impl FnOnce(&mut OrderBody),
    ) -> Outputs {
        let line = |(line, sku, units): &(&str, &str, i64)| OrderLine {
            line: (*line).into(),
            sku: (*sku).into(),
            qty: Qty::units(*units),
            unit_price: 10,
            ..OrderLine::default()
        };
        let mut body = OrderBody {
            to: UnitVector::from_degrees(0.0, 0.0),
            priority: 100,
            lines: lines.iter().map(line).collect(),
            ..OrderBody::default()
        };
        body.totals.goods = lines.iter().map(|l| l.2 * 10).sum();
        change(&mut body);
        let to = Some(Assigned { order, zone: "z".into() });
        let body = postcard::to_stdvec(&body).unwrap();
        self.step(&Command::Amend(OrderMessage { to, head: OrderHead::default(), body }), false)
    }

    fn deliver(&mut self, order: OrderId, key: u8) {
        let to = Some(Assigned { order, zone: "z".into() });
        self.step(&Command::Delivered(Delivered { to, key: [key; 16], ..Delivered::default() }), false);
    }

    fn part(&mut self, order: OrderId, line: &str, units: i64) -> Outcome {
        self.cancel(order, vec![LineQty { line: line.into(), qty: Some(Qty::units(units)) }])
    }

    fn counted(&mut self, node: &str, sku: &str, units: i64, change: impl FnOnce(&mut Count)) {
        let mut count = Count { cell: cell(node, sku), qty: Qty::units(units), ..Count::default() };
        change(&mut count);
        self.apply(&Command::Count(count));
    }
}

fn due(out: &Outputs) -> Vec<i64> {
    let refunds = exceptions(out).into_iter().filter_map(|e| match e {
        Exception::RefundDue(amount) => Some(amount),
        _ => None,
    });
    refunds.collect()
}

#[test]
fn an_amend_moves_the_difference_only() {
    let mut run = Run::new();
    run.count("mid", "a", 9);
    let order = run.place(&[("a", 3)]);
    run.count("near", "a", 9);
    let out = run.amend(order, &[("1", "a", 5), ("2", "a", 1)], |_| {});
    assert_eq!(run.nodes(order), at(&[("mid", 5), ("mid", 1)]), "where it is already");
    assert!(texts(&out, Topic::Assignments)[0].contains("\"changed\""));
    run.fact(order, "mid", 2_000, Command::Picked);
    let out = run.amend(order, &[("1", "a", 1)], |_| {});
    assert_eq!(exceptions(&out), [Exception::TooLate(Qty::ONE)], "picked units stay");
    assert_eq!(run.stock("mid", "a"), (9, 2));
    let row = run.row(order);
    assert_eq!((row.lines[0].ordered, row.lines[1].ordered), (Qty::units(2), Qty::ZERO));
}

#[test]
fn what_we_cancelled_is_not_revived() {
    let mut run = Run::new();
    run.count("near", "a", 9);
    let order = run.place(&[("a", 5)]);
    run.part(order, "1", 2);
    run.amend(order, &[("1", "a", 5)], |_| {});
    assert_eq!(run.nodes(order), at(&[("near", 3)]), "the old quantity again");
    run.amend(order, &[("1", "a", 6)], |_| {});
    assert_eq!(run.nodes(order), at(&[("near", 4)]), "one more than before");
    run.amend(order, &[("1", "a", 4)], |_| {});
    assert_eq!(run.nodes(order), at(&[("near", 4)]), "what was cancelled makes up for it");
    run.cancel(order, Vec::new());
    let out = run.amend(order, &[("1", "a", 9)], |_| {});
    assert!(matches!(events(&out)[0].outcome, Some(Outcome::Refused(_))), "closed");
}

#[test]
fn another_sku_mode_or_text_is_told_and_the_rest_stays() {
    let mut run = Run::new();
    run.node("mid", |n| n.modes.push(DeliveryMode::Pickup));
    for sku in ["a", "b"] {
        run.count("near", sku, 9);
        run.count("mid", sku, 9);
    }
    let order = run.place(&[("a", 2)]);
    run.amend(order, &[("1", "b", 2)], |_| {});
    assert_eq!((run.stock("near", "a"), run.stock("near", "b")), ((9, 0), (9, 2)));
    run.fact(order, "near", 1_000, Command::Picked);
    let out = run.amend(order, &[("1", "b", 2)], |b| b.mode = DeliveryMode::Pickup);
    assert_eq!((run.stock("near", "b"), run.stock("mid", "b")), ((9, 1), (9, 1)));
    assert_eq!(texts(&out, Topic::Assignments).len(), 2);
    let out = run.amend(order, &[("1", "b", 2)], |b| b.mode = DeliveryMode::Pickup);
    assert!(texts(&out, Topic::Assignments).is_empty() && texts(&out, Topic::Notifications).is_empty());
    let display =
        router_schemas::command::order::Display { remark: Some("bell".into()), ..Default::default() };
    let out = run.amend(order, &[("1", "b", 2)], |b| {
        b.mode = DeliveryMode::Pickup;
        b.display = postcard::to_stdvec(&display).unwrap();
    });
    let told = texts(&out, Topic::Assignments);
    assert!(told.len() == 2 && told.iter().all(|t| t.contains("bell")), "{told:#?}");
}

#[test]
fn a_waiting_order_is_served_by_its_new_priority() {
    let mut run = Run::new();
    run.count("near", "a", 0);
    let (first, second) = (run.place(&[("a", 1)]), run.place(&[("a", 1)]));
    run.amend(second, &[("1", "a", 1)], |b| b.priority = 1);
    run.receive("near", "a", 1);
    assert_eq!((run.nodes(first), run.nodes(second)), (at(&[]), at(&[("near", 1)])));
    run.amend(second, &[("1", "a", 1)], |b| b.priority = 200);
    run.receive("near", "a", 1);
    run.count("near", "a", 1);
    assert_eq!((run.nodes(first), run.nodes(second)), (at(&[("near", 1)]), at(&[])), "and loses by it");
}

#[test]
fn amends_without_end_find_a_limit() {
    let mut run = Run::new();
    run.count("near", "a", 9);
    let order = run.place(&[("a", 1)]);
    for n in 0..700 {
        let name = format!("l{n}");
        run.amend(order, &[(name.as_str(), "a", 1)], |_| {});
    }
    let row = run.row(order);
    run.amend(order, &[("l690", "a", 2)], |_| {});
    assert_eq!(run.row(order).lines.len(), row.lines.len(), "a line that comes back is the same line");
    run.amend(order, &[("l699", "a", 1)], |_| {});
    assert!(row.lines.len() <= router_schemas::limits::LINES);
    assert_eq!(run.stock("near", "a"), (9, 1));
}

#[test]
fn a_captured_order_is_paid_back_by_shares() {
    let mut run = Run::new();
    run.count("near", "a", 9);
    let order = run.place_paid(&[("a", 3)], 30);
    run.pay(order, 1, PaymentState::Captured);
    let to = Some(Assigned { order, zone: "z".into() });
    let part = |units| vec![LineQty { line: "1".into(), qty: Some(Qty::units(units)) }];
    let cancel = |lines| {
        let (to, lines) = (to.clone(), lines);
        Command::Cancel(router_schemas::command::order::Cancel { to, lines, ..Default::default() })
    };
    assert_eq!(due(&run.step(&cancel(part(1)), false)), [10]);
    let back = PaymentFact {
        to: to.clone(),
        key: [7; 16],
        state: PaymentState::PartRefunded,
        amount: Some(10),
        ..PaymentFact::default()
    };
    assert!(due(&run.step(&Command::Payment(back), false)).is_empty(), "that is what was due");
    assert_eq!(due(&run.step(&cancel(Vec::new()), false)), [20], "never more than was paid");
    let late = run.place_paid(&[("a", 1)], 10);
    run.cancel(late, Vec::new());
    assert_eq!(due(&run.pay(late, 9, PaymentState::Captured)), [10], "paid after cancel");
}

#[test]
fn who_was_promised_too_much_is_routed_again() {
    let mut run = Run::new();
    run.count("near", "a", 4);
    let orders: Vec<_> = (0..4).map(|_| run.place(&[("a", 1)])).collect();
    run.count("mid", "a", 1);
    run.allow("near", "a", Allowance::Limited(Qty::ONE));
    run.fact(orders[3], "near", 1_000, Command::Picked);
    let count = Command::Count(Count { cell: cell("near", "a"), qty: Qty::ONE, ..Count::default() });
    let out = run.step(&count, false);
    assert!(asks_to_continue(&out), "the oversold cell is seen first");
    let out = run.step(&Command::Continue, false);
    // The picked one stays; the youngest of the rest is backordered, the next finds another node, the first waits.
    assert_eq!(run.row(orders[3]).fulfilments[0].picked, Qty::ONE);
    assert_eq!(run.row(orders[2]).lines[0].backordered, Qty::ONE);
    assert_eq!(run.nodes(orders[1]), at(&[("mid", 1)]));
    assert_eq!(run.row(orders[0]).lines[0].open, Qty::ONE);
    assert_eq!(texts(&out, Topic::Notifications).len(), 3);
    assert_eq!(texts(&out, Topic::StockAlerts).len(), 1, "recovered");
    assert!(!asks_to_continue(&out));
    run.receive("near", "a", 2);
    assert_eq!(run.row(orders[2]).lines[0].allocated, Qty::ONE);
    assert_eq!(run.row(orders[0]).lines[0].allocated, Qty::ONE);
}

#[test]
fn a_great_loss_is_worked_off_in_steps() {
    let mut run = Run::new();
    run.count("near", "a", 300);
    let orders: Vec<_> = (0..300).map(|_| run.place(&[("a", 1)])).collect();
    let before = run.offset;
    run.count("near", "a", 0);
    assert!(run.offset - before > 3);
    assert!(orders.iter().all(|o| run.row(*o).lines[0].open == Qty::ONE));
    assert_eq!(run.stock("near", "a"), (0, 0));
}

#[test]
fn goods_by_weight_close_within_the_tolerance() {
    let mut run = Run::new();
    let item = Item { sku: "w".into(), unit_step: Qty(1), tolerance: 50, ..Item::default() };
    run.publish(Reference::Item(Box::new(item)));
    run.count("near", "w", 50);
    let orders: Vec<_> = (0..4).map(|_| run.place(&[("w", 10)])).collect();
    let told: Vec<_> = [9_500, 10_500, 9_000, 10_501]
        .iter()
        .zip(&orders)
        .map(|(qty, order)| run.fact(*order, "near", *qty, Command::Shipped))
        .collect();
    let weight = |thousandths| Exception::CatchWeight(Qty(thousandths));
    assert_eq!(told[..2], [vec![weight(-500)], vec![weight(500)]]);
    assert_eq!(told[2..], [vec![Exception::Short(Qty(1_000))], vec![Exception::OverShipped(Qty(501))]]);
    let states: Vec<_> = orders.iter().map(|o| run.row(*o).state).collect();
    assert_eq!(states[2], OrderState::InFulfilment);
    assert!([0, 1, 3].iter().all(|n| states[*n] == OrderState::Completed));
    assert_eq!(run.engine.cells("w")[0].allocated, Qty(1_000));
}

#[test]
fn a_closed_order_is_forgotten_by_ticks() {
    let mut run = Run::new();
    run.count("near", "a", 500);
    let orders: Vec<_> = (0..300).map(|_| run.place(&[("a", 1)])).collect();
    orders.iter().for_each(|o| run.ship(*o, "near"));
    run.days = REMEMBER_MS / 86_400_000;
    run.count("far", "b", 1);
    assert!(run.engine.order(orders[0]).is_some(), "not by any command");
    run.days += 1;
    let out = run.step(&Command::Tick, false);
    assert!(asks_to_continue(&out), "in bounded steps");
    let to_intake = out.iter().filter(|o| o.target.topic == Topic::Intake).count();
    let forgotten = events(&out).into_iter().flat_map(|e| e.changes);
    let forgotten = forgotten.filter(|c| matches!(c, Change::Forgotten(_))).count();
    assert_eq!((to_intake, forgotten), (256, 256));
    run.apply(&Command::Continue);
    assert!(orders.iter().all(|o| run.engine.order(*o).is_none()));
    assert_eq!(exceptions(&run.pay(orders[0], 1, PaymentState::Captured)), [Exception::Unmatched]);
}

#[test]
fn what_moved_after_a_count_was_taken_is_added_to_it() {
    let mut run = Run::new();
    run.count("near", "a", 10);
    run.days = 1;
    let order = run.place(&[("a", 3)]);
    run.ship(order, "near");
    run.receive("near", "a", 4);
    run.counted("near", "a", 12, |c| c.observed_at = Some(86_500_000));
    assert_eq!(run.stock("near", "a"), (13, 0), "shipped and received after the look");
    run.counted("near", "a", 11, |c| c.observed_at = Some(80_000_000));
    assert_eq!(run.stock("near", "a"), (13, 0), "stale");
    run.days = 2;
    run.counted("near", "a", 11, |c| c.observed_at = Some(180_000_000));
    assert_eq!(run.stock("near", "a"), (11, 0));
    // What is available, as seen before an order that the counter does not know yet.
    let known = |c: &mut Count| (c.basis, c.observed_at) = (Basis::Available, Some(181_000_000));
    run.counted("near", "a", 11, known);
    run.days = 3;
    run.place(&[("a", 2)]);
    let later = |c: &mut Count| (c.basis, c.observed_at) = (Basis::Available, Some(182_000_000));
    run.counted("near", "a", 11, later);
    assert_eq!(run.stock("near", "a"), (11, 2));
}

/// What is delivered early and amended away stopped the partition.
#[test]
fn an_early_delivery_of_what_is_amended_away_is_harmless() {
    let mut run = Run::new();
    let order = run.place(&[("a", 1)]);
    run.deliver(order, 1);
    run.amend(order, &[("2", "b", 1)], |_| {});
    run.deliver(order, 2);
    run.count("near", "b", 1);
    run.ship(order, "near");
    assert_eq!(run.row(order).lines[1].delivered, Qty::ONE, "the early one is applied with the shipment");
}

/// An amended order had lost its turn to who came later.
#[test]
fn an_amended_order_keeps_its_turn() {
    let mut run = Run::new();
    run.count("near", "a", 1);
    let (first, second) = (run.place(&[("a", 2)]), run.place(&[("a", 1)]));
    run.allow("near", "a", Allowance::Limited(Qty::units(2)));
    assert_eq!(run.row(second).lines[0].backordered, Qty::ONE);
    let out = run.amend(first, &[("more", "a", 1)], |_| {});
    assert!(asks_to_continue(&out));
    run.apply(&Command::Continue);
    assert_eq!(run.row(first).lines[1].allocated, Qty::ONE);
    assert_eq!(run.row(second).lines[0].backordered, Qty::ONE);
}
