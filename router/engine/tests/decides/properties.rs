//! Random histories against the naive model, and against their own log. A history is written in the lines of the
//! scenarios, so that one that fails can be kept as one.

use proptest::prelude::*;
use router_schemas::quantity::Qty;

use super::{
    model::{Model, NODES, PROMISED, SKUS},
    scenario::world::World,
};

/// Lines that an order may have: a name, and the SKU.
const LINES: [(&str, usize); 4] = [("A", 0), ("B", 1), ("C", 2), ("more", 0)];

/// Numbers choose nodes, SKUs, orders and lines; what they choose need not exist.
#[derive(Debug, Clone)]
enum Step {
    Count(usize, usize, i64),
    Receive(usize, usize, i64),
    Adjust(usize, usize, i64),
    Block(usize, usize, i64),
    Policy(usize, usize, i64, i64),
    Pause(usize, bool),
    Place(u8, [i64; 4]),
    Amend(usize, [i64; 4]),
    Cancel(usize, usize, i64),
    Go(usize, usize, usize, usize, i64),
    Return(usize, usize, usize, i64, bool),
}

fn step() -> impl Strategy<Value = Step> {
    let (node, sku, order, line) = (0..3usize, 0..3usize, 0..12usize, 0..4usize);
    let lines = || prop::array::uniform4(prop_oneof![2 => Just(0), 3 => 1..6i64]);
    let cell = move || (node.clone(), sku.clone());
    let of = move || (order.clone(), line.clone());
    prop_oneof![
        2 => (cell(), 0..12i64).prop_map(|((n, s), q)| Step::Count(n, s, q)),
        3 => (cell(), 1..7i64).prop_map(|((n, s), q)| Step::Receive(n, s, q)),
        1 => (cell(), -4..4i64).prop_map(|((n, s), q)| Step::Adjust(n, s, q)),
        1 => (cell(), -2..3i64).prop_map(|((n, s), q)| Step::Block(n, s, q)),
        1 => (cell(), 0..3i64, 0..4i64).prop_map(|((n, s), a, b)| Step::Policy(n, s, a, b)),
        1 => (0..3usize, any::<bool>()).prop_map(|(n, p)| Step::Pause(n, p)),
        6 => (prop_oneof![Just(100u8), Just(100), Just(10)], lines()).prop_map(|(p, l)| Step::Place(p, l)),
        3 => (0..12usize, lines()).prop_map(|(o, l)| Step::Amend(o, l)),
        2 => (of(), 1..5i64).prop_map(|((o, l), q)| Step::Cancel(o, l, q)),
        4 => (of(), 0..3usize, 0..3usize, 1..5i64).prop_map(|((o, l), n, to, q)| Step::Go(o, l, n, to, q)),
        1 => (of(), 0..3usize, 1..4i64, any::<bool>())
            .prop_map(|((o, l), n, q, shelf)| Step::Return(o, l, n, q, shelf)),
    ]
}

/// The model, the engine beside it, and the lines played so far.
struct Pair {
    world: World,
    model: Model,
    lines: Vec<String>,
}

impl Pair {
    fn new() -> Pair {
        let mut pair = Pair { world: World::new(), model: Model::default(), lines: Vec::new() };
        for (n, node) in NODES.iter().enumerate() {
            pair.play(format!("node {node} at 0,{}", n + 1));
        }
        for node in NODES {
            for sku in SKUS {
                pair.play(format!("count {node} {sku} 0"));
                pair.model.cell(node, sku);
            }
        }
        pair
    }

    fn play(&mut self, line: String) {
        let played = self.world.line(&line);
        self.lines.push(line);
        assert!(played.is_ok(), "{}\n{}", self.lines.join("\n"), played.unwrap_err());
    }

    /// Plays the step in both; what the model knows to contradict is lowered to what does not.
    fn step(&mut self, step: &Step) {
        match *step {
            Step::Count(n, s, q) => {
                let (node, sku) = (NODES[n], SKUS[s]);
                let least = self.model.allocated(node, sku) - self.model.backordered(node, sku);
                let qty = q.max(least);
                let cell = self.model.cell(node, sku);
                (cell.on_hand, cell.blocked) = (qty, 0);
                self.play(format!("count {node} {sku} {qty}"));
            }
            Step::Receive(n, s, q) => {
                self.model.cell(NODES[n], SKUS[s]).on_hand += q;
                self.play(format!("receive {} {} {q}", NODES[n], SKUS[s]));
            }
            Step::Adjust(n, s, q) => {
                let (node, sku) = (NODES[n], SKUS[s]);
                let least = self.model.allocated(node, sku) - self.model.backordered(node, sku);
                let cell = self.model.cell(node, sku);
                let q = q.max(least - cell.on_hand);
                cell.on_hand += q;
                self.play(format!("adjust {node} {sku} {q}"));
            }
            Step::Block(n, s, q) => {
                let cell = self.model.cell(NODES[n], SKUS[s]);
                cell.blocked = (cell.blocked + q).max(0);
                self.play(format!("block {} {} {q}", NODES[n], SKUS[s]));
            }
            Step::Policy(n, s, safety, allowance) => {
                let cell = self.model.cell(NODES[n], SKUS[s]);
                (cell.safety, cell.allowance) = (safety, allowance);
                self.play(format!("policy {} {} safety {safety} backorder {allowance}", NODES[n], SKUS[s]));
            }
            Step::Pause(n, pause) => {
                self.model.paused.retain(|node| node != NODES[n]);
                self.model.paused.extend(pause.then(|| NODES[n].to_owned()));
                self.play(format!("{} {}", if pause { "pause" } else { "resume" }, NODES[n]));
            }
            Step::Place(priority, quantities) => {
                let lines = lines(&quantities);
                if !lines.is_empty() {
                    self.model.place(priority, &lines);
                    let number = self.model.orders.len();
                    self.play(format!("place {number} {} priority {priority}", written(&lines)));
                }
            }
            Step::Amend(o, quantities) => self.amend(o, lines(&quantities)),
            Step::Cancel(o, l, q) => {
                if o < self.model.orders.len() && self.model.has(o, LINES[l].0) {
                    let taken = self.model.cancel(o, LINES[l].0, q);
                    if taken > 0 {
                        self.play(format!("cancel {} {}:{q}", o + 1, LINES[l].0));
                    }
                }
            }
            Step::Go(o, l, n, to, q) => self.go(o, LINES[l].0, NODES[n], to, q),
            Step::Return(o, l, n, q, shelf) => {
                let (line, sku, node) = (LINES[l].0, SKUS[LINES[l].1], NODES[n]);
                let left = self.model.of(o, line, node, "shipped") - self.model.of(o, line, node, "returned");
                let qty = q.min(left);
                if qty > 0 {
                    *self.model.units.entry((o, line.into(), node.into(), "returned")).or_default() += qty;
                    self.model.cell(node, sku).on_hand += if shelf { qty } else { 0 };
                    let restock = if shelf { " restock" } else { "" };
                    self.play(format!("return {node} {} {line}:{qty}{restock}", o + 1));
                }
            }
        }
        self.model.wake();
    }

    fn amend(&mut self, o: usize, lines: Vec<(String, String, i64)>) {
        let Some(order) = self.model.orders.get(o) else { return };
        if lines.is_empty() {
            return;
        }
        let line = format!("amend {} {} priority {}", o + 1, written(&lines), order.priority);
        if self.model.state(o) == "cancelled" {
            // What is cancelled as a whole has ended.
            return self.play(format!("{line} -> refused Closed"));
        }
        self.model.amend(o, &lines);
        self.play(line);
    }

    fn go(&mut self, o: usize, line: &'static str, node: &str, to: usize, q: i64) {
        let (verb, to, from): (_, _, &[&'static str]) = match to {
            0 => ("pick", "picked", &["allocated"]),
            1 => ("ready", "ready", &["picked", "allocated"]),
            _ => ("ship", "shipped", &["ready", "picked", "allocated"]),
        };
        let there: i64 = from.iter().map(|state| self.model.of(o, line, node, state)).sum();
        let qty = q.min(there);
        if qty > 0 {
            self.model.go(o, line, node, from, to, qty);
            self.play(format!("{verb} {node} {} {line}:{qty}", o + 1));
        }
    }

    /// The engine knows what the model knows.
    fn compare(&self) {
        let say = |what: String| format!("{}\n{what}", self.lines.join("\n"));
        for sku in SKUS {
            for cell in self.world.engine.cells(sku) {
                let node = cell.cell.node.as_str();
                let seen = &self.model.cells[&(node.to_owned(), sku.to_owned())];
                let wanted = [
                    seen.on_hand,
                    self.model.allocated(node, sku),
                    self.model.backordered(node, sku),
                    seen.blocked,
                    self.model.atp(node, sku),
                ];
                let got = [cell.on_hand, cell.allocated, cell.backordered, cell.blocked, cell.atp];
                assert_eq!(
                    got,
                    wanted.map(Qty::units),
                    "{}",
                    say(format!("{node} {sku}: on hand, allocated, ..."))
                );
            }
        }
        for (number, order) in self.model.orders.iter().enumerate() {
            let name = (number + 1).to_string();
            let row = self.world.engine.order(self.world.orders[&name]).expect("a known order");
            for (line, _) in &order.lines {
                let got = row.lines.iter().find(|l| l.line == *line).expect("a known line");
                let got =
                    [got.open, got.backordered, got.allocated, got.shipped, got.returned, got.cancelled];
                let of = |state| self.model.line(number, line, state);
                let allocated: i64 = PROMISED[1..].iter().map(|state| of(state)).sum();
                let wanted = [
                    of("open"),
                    of("backordered"),
                    allocated,
                    of("shipped"),
                    of("returned"),
                    of("cancelled"),
                ];
                let what = || say(format!("order {name} {line}: open, backordered, allocated, ..."));
                assert_eq!(got, wanted.map(Qty::units), "{}", what());
            }
            for f in &row.fulfilments {
                let line = &row.lines[usize::from(f.line)].line;
                let got = [f.backordered, f.allocated, f.picked, f.ready, f.shipped, f.returned];
                let states = PROMISED.iter().chain(&["shipped", "returned"]);
                let wanted: Vec<Qty> =
                    states.map(|state| Qty::units(self.model.of(number, line, &f.node, state))).collect();
                assert_eq!(got[..], wanted[..], "{}", say(format!("order {name} {line} at {}", f.node)));
            }
            assert_eq!(&*row.state.text(), self.model.state(number), "{}", say(format!("order {name}")));
        }
    }
}

fn lines(quantities: &[i64; 4]) -> Vec<(String, String, i64)> {
    let lines = LINES.iter().zip(quantities).filter(|(_, qty)| **qty > 0);
    lines.map(|((name, sku), qty)| (name.to_string(), SKUS[*sku].to_string(), *qty)).collect()
}

fn written(lines: &[(String, String, i64)]) -> String {
    lines.iter().map(|(name, sku, qty)| format!("{name}={sku}:{qty}")).collect::<Vec<_>>().join(" ")
}

/// A line of a history in which facts contradict: nothing is predicted of it, all invariants hold.
pub fn wild_line() -> impl Strategy<Value = String> {
    let pick = |from: &'static [&'static str]| prop::sample::select(from);
    let (node, sku, line) =
        (pick(&["near", "mid", "far", "ghost"]), pick(&SKUS), pick(&["A", "B", "C", "Z"]));
    let (order, qty) = (1..10usize, 0..7i64);
    let cell = (node.clone(), sku, qty.clone());
    let part = (order.clone(), line, qty);
    prop_oneof![
        4 => cell.clone().prop_map(|(n, s, q)| format!("count {n} {s} {q}")),
        3 => cell.clone().prop_map(|(n, s, q)| format!("receive {n} {s} {}", q + 1)),
        2 => cell.clone().prop_map(|(n, s, q)| format!("adjust {n} {s} {}", q - 5)),
        1 => cell.clone().prop_map(|(n, s, q)| format!("block {n} {s} {}", q - 3)),
        1 => cell.clone().prop_map(|(n, s, q)| format!("count {n} {s} {q} basis available by till sequence {q}")),
        1 => cell.clone().prop_map(|(n, s, q)| format!("count {n} {s} {q} by eye seen -{q}h")),
        1 => (0..3usize, cell).prop_map(|(n, (_, s, q))| {
            format!("policy {} {s} safety {} backorder {q}{}", NODES[n], q % 3, if q == 6 { " out_of_stock" } else { "" })
        }),
        8 => (order.clone(), part.clone(), part.clone(), 0..6usize).prop_map(|(o, (_, a, q), (_, b, p), extra)| {
            let extra = ["", " priority 5", " not_before +2h", " total 100 channel card", " mode pickup", " pin mid"][extra];
            let second = if a == b { String::new() } else { format!(" {b}:{}", p + 1) };
            format!("place {o} {a}:{}{second}{extra}", q + 1)
        }),
        3 => (order.clone(), part.clone(), part.clone()).prop_map(|(o, (_, a, q), (_, b, p))| {
            let second = if a == b { String::new() } else { format!(" {b}:{}", p + 1) };
            format!("amend {o} {a}:{}{second}", q + 1)
        }),
        3 => part.clone().prop_map(|(o, l, q)| match q {
            0 => format!("cancel {o}"),
            _ => format!("cancel {o} {l}:{q}"),
        }),
        8 => (pick(&["pick", "ready", "ship", "ship", "return"]), node.clone(), part.clone()).prop_map(|(v, n, (o, l, q))| {
            let restock = if v == "return" && q % 2 == 0 { " restock" } else { "" };
            if q == 0 { format!("{v} {n} {o}{restock}") } else { format!("{v} {n} {o} {l}:{q}{restock}") }
        }),
        2 => (order.clone(), pick(&["authorised", "captured", "failed", "part_refunded amount 30", "refunded"]))
            .prop_map(|(o, s)| format!("pay {o} {s}")),
        1 => part.prop_map(|(o, l, q)| if q == 0 { format!("deliver {o}") } else { format!("deliver {o} {l}:{q}") }),
        1 => (0..3usize, any::<bool>()).prop_map(|(n, p)| format!("{} {}", if p { "pause" } else { "resume" }, NODES[n])),
        1 => (0..3usize, 1..4u8).prop_map(|(n, c)| format!("node {} at 0,{} capacity {c} a_day {}", NODES[n], n + 1, c + 1)),
        1 => (1..40u8).prop_map(|h| format!("time +{h}h")),
        1 => Just("tick".to_owned()),
        1 => Just("time +91d".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// What the engine decides is what the plainest reading of the rules decides.
    #[test]
    fn the_engine_decides_as_the_model_does(steps in prop::collection::vec(step(), 1..60)) {
        let mut pair = Pair::new();
        for step in &steps {
            pair.step(step);
            pair.compare();
        }
        prop_assert!(pair.world.replay().is_ok());
    }

    /// Whatever facts say: units are conserved, no request oversells, states are legal (the ledger sees to it with
    /// every record), and a snapshot anywhere and the rest of the log are the whole log.
    #[test]
    fn no_history_breaks_an_invariant(lines in prop::collection::vec(wild_line(), 1..90), cut in 0..120usize) {
        let mut world = World::new();
        world.play("node near at 0,1\nnode mid at 0,2\nnode far at 0,3\nchannel card route_when captured");
        world.play("item C tolerance 100 step 0.001");
        for (n, line) in lines.iter().enumerate() {
            if let Err(why) = world.line(line) {
                // A line that is refused or repeated is a line too.
                prop_assert!(why.starts_with("the outcome is"), "{}\n{why}", lines[..=n].join("\n"));
            }
        }
        if let Err(why) = world.ledger.agrees_with(&world.engine, true).and_then(|()| world.replay_over(cut)) {
            prop_assert!(false, "{}\n{why}", lines.join("\n"));
        }
    }

    /// Facts of one order by two roads, each road in its order and each fact perhaps told twice, mixed in any way:
    /// the order ends the same.
    #[test]
    fn the_roads_may_mix_in_any_way(turns in prop::collection::vec(any::<(bool, bool)>(), 24), split in 1..3i64) {
        let by_intake = ["pay 1 authorised key a", "pay 1 captured key b", "deliver 1 A:2 key c", "deliver 1 A:3 key d",
            "pay 1 part_refunded amount 30 key e"].map(str::to_owned);
        let by_node = [
            format!("pick near 1 A:{split} key f"),
            "ready near 1 key g".into(),
            format!("ship near 1 A:{split} key h"),
            "ship near 1 key i".into(),
            "return near 1 A:1 restock key j".into(),
        ];
        let end = |turns: &[(bool, bool)]| -> Result<_, String> {
            let mut world = World::new();
            world.play("node near at 0,1\ncount near A 9\nplace 1 A:5 total 100");
            let mut roads = [by_intake.iter().peekable(), by_node.iter().peekable()];
            let mut turns = turns.iter();
            while roads.iter_mut().any(|road| road.peek().is_some()) {
                let (first, twice) = turns.next().copied().unwrap_or((true, false));
                let road = usize::from(!first);
                let road = if roads[road].peek().is_some() { road } else { 1 - road };
                let Some(line) = roads[road].next() else { break };
                world.line(line)?;
                if twice {
                    world.line(&format!("{line} -> repeat"))?;
                }
            }
            world.replay()?;
            let mut row = world.engine.order(world.known("1")?).ok_or("a known order")?;
            (row.revision, row.changed_at) = (0, 0);
            Ok((row, world.engine.cells("A")))
        };
        let plain = end(&[]).map_err(TestCaseError::fail)?;
        let mixed = end(&turns).map_err(TestCaseError::fail)?;
        prop_assert_eq!(plain, mixed);
    }
}

/// The work that a large receipt leaves over survives a snapshot, wherever it is taken.
#[test]
fn work_left_over_survives_a_snapshot_anywhere() {
    let mut world = World::new();
    world.play("node near at 0,1\ncount near A 0\neach 1..80 place w{n} A:1\nreceive near A 70");
    let records = world.records();
    assert!(world.said.steps > 1, "nothing was left over");
    (records - world.said.steps..=records).for_each(|cut| world.replay_over(cut).unwrap());
}
