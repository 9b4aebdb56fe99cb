//! Random histories: units are conserved, and the same records give the same bytes.

use proptest::prelude::*;
use router_engine::engine::Engine;
use router_schemas::{command::order::LineQty, id::OrderId, quantity::Qty, stage::Stage};

use super::run::*;

#[derive(Debug, Clone)]
enum Step {
    Count(usize, usize, i64),
    Receive(usize, usize, i64),
    Place(Vec<(usize, i64)>),
    Cancel(usize, i64),
    Ship(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..3usize, 0..3usize, 0..12i64).prop_map(|(n, s, q)| Step::Count(n, s, q)),
        (0..3usize, 0..3usize, 1..6i64).prop_map(|(n, s, q)| Step::Receive(n, s, q)),
        prop::collection::vec((0..3usize, 1..6i64), 1..4).prop_map(Step::Place),
        (0..20usize, 0..5i64).prop_map(|(o, q)| Step::Cancel(o, q)),
        (0..20usize, 0..3usize).prop_map(|(o, n)| Step::Ship(o, n)),
    ]
}

fn drive(run: &mut Run, orders: &mut Vec<OrderId>, step: &Step) {
    let (nodes, skus) = (["near", "mid", "far"], ["a", "b", "c"]);
    match step {
        Step::Count(n, s, q) => run.count(nodes[*n], skus[*s], *q),
        Step::Receive(n, s, q) => run.receive(nodes[*n], skus[*s], *q),
        Step::Place(lines) => {
            let lines: Vec<_> = lines.iter().map(|(s, q)| (skus[*s], *q)).collect();
            let order = run.place(&lines);
            orders.push(order);
        }
        Step::Cancel(o, q) if *o < orders.len() => {
            let part = LineQty { line: "1".into(), qty: Some(Qty::units(*q)) };
            run.cancel(orders[*o], if *q == 0 { Vec::new() } else { vec![part] });
        }
        Step::Ship(o, n) if *o < orders.len() => run.ship(orders[*o], nodes[*n]),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// I1 to I3 from outside, and: a snapshot anywhere and the rest of the log give the same bytes and hash.
    #[test]
    fn units_are_conserved_and_history_repeats(steps in prop::collection::vec(step(), 1..60), cut in 0..60usize) {
        let (mut run, mut orders) = (Run::new(), Vec::new());
        let mut resumed: Option<(Run, Vec<OrderId>, usize)> = None;
        for (i, step) in steps.iter().enumerate() {
            if i == cut {
                let mut snapshot = Vec::new();
                run.engine.snapshot(&mut snapshot);
                let engine = Engine::restore(TOPOLOGY, 0, &snapshot).unwrap();
                prop_assert_eq!(engine.state_hash(), run.engine.state_hash());
                let again = Run { engine, offset: run.offset, days: run.days, written: Vec::new() };
                resumed = Some((again, orders.clone(), run.written.len()));
            }
            let counted = matches!(step, Step::Count(..));
            let before: Vec<_> = ["a", "b", "c"].iter().flat_map(|s| run.engine.cells(s)).collect();
            drive(&mut run, &mut orders, step);
            if let Some((again, known, _)) = &mut resumed {
                drive(again, known, step);
            }
            for sku in ["a", "b", "c"] {
                for cell in run.engine.cells(sku) {
                    let mine = orders.iter().flat_map(|o| run.row(*o).fulfilments.into_iter().map(move |f| (*o, f)));
                    let promised: Qty = mine
                        .filter(|(o, f)| f.node == cell.cell.node && run.row(*o).lines[usize::from(f.line)].sku == sku)
                        .map(|(_, f)| f.allocated + f.backordered + f.picked + f.ready)
                        .sum();
                    prop_assert_eq!(promised, cell.allocated);
                    let was_over = before.iter().any(|b| b.cell == cell.cell && b.allocated > b.on_hand);
                    prop_assert!(counted || was_over || cell.allocated <= cell.on_hand, "oversold by a request");
                }
            }
            for order in &orders {
                for line in run.row(*order).lines {
                    let sum = line.open + line.backordered + line.allocated + line.shipped + line.cancelled;
                    prop_assert_eq!(sum, line.ordered);
                }
            }
        }
        if let Some((again, _, written)) = resumed {
            prop_assert_eq!(again.engine.state_hash(), run.engine.state_hash());
            prop_assert_eq!(&again.written[..], &run.written[written..]);
        }
    }
}
