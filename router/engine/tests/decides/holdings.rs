//! Holds against a naive model: what is held where, what may be sold, and which requests are refused. The ledger of the
//! scenarios recomputes I1 to I3 and what is held after every record beside it.

use std::collections::BTreeMap;

use proptest::prelude::*;
use router_schemas::row::Ats;

use super::scenario::world::World;

const NODES: [&str; 2] = ["near", "mid"];

#[derive(Debug, Clone)]
enum Step {
    /// Order, line, place (near, mid, the pool), units, seconds, beyond stock.
    Reserve(usize, usize, usize, i64, Option<i64>, bool),
    Release(usize, Option<(usize, i64)>),
    Extend(usize, Option<i64>),
    Place(usize, i64),
    Receive(usize, i64),
    /// Seconds, with ticks or without.
    Time(i64, bool),
    Policy(usize, i64, i64),
}

fn step() -> impl Strategy<Value = Step> {
    let ttl = prop::option::of(1i64..20);
    prop_oneof![
        6 => (0usize..5, 0usize..2, 0usize..3, 0i64..5, ttl.clone(), prop::bool::weighted(0.1))
            .prop_map(|(o, l, p, q, t, b)| Step::Reserve(o, l, p, q, t, b)),
        2 => (0usize..5, prop::option::of((0usize..2, 1i64..3))).prop_map(|(o, l)| Step::Release(o, l)),
        1 => (0usize..5, ttl).prop_map(|(o, t)| Step::Extend(o, t)),
        2 => (0usize..5, 1i64..5).prop_map(|(o, q)| Step::Place(o, q)),
        2 => (0usize..2, 1i64..5).prop_map(|(n, q)| Step::Receive(n, q)),
        3 => (1i64..9, any::<bool>()).prop_map(|(s, t)| Step::Time(s, t)),
        1 => (0usize..2, 0i64..3, 0i64..3).prop_map(|(c, t, b)| Step::Policy(c, t, b)),
    ]
}

/// A line: its node, units, when it is void.
type Line = (Option<usize>, i64, Option<i64>);

#[derive(Default)]
struct Model {
    lines: BTreeMap<(usize, usize), Line>,
    placed: [bool; 5],
    policies: [(i64, i64); 2],
}

/// Orders of even numbers come by `web`, which is sold from `near`; the others by `app`, which is sold from both.
fn channel(order: usize) -> usize {
    order % 2
}

impl Model {
    fn purge(&mut self, now: i64) {
        self.lines.retain(|_, (_, qty, expires)| *qty > 0 && expires.is_none_or(|at| at > now));
    }

    fn held(&self, node: Option<usize>) -> i64 {
        self.lines.values().filter(|line| line.0 == node).map(|line| line.1).sum()
    }

    /// What the cells can give, less the pinned holds.
    fn atp(&self, world: &World) -> [i64; 2] {
        [0, 1].map(|n| {
            let cell = world.engine.cells("A").into_iter().find(|c| c.cell.node == NODES[n]).unwrap();
            (cell.on_hand.0 / 1000 - cell.allocated.0 / 1000 - self.held(Some(n))).max(0)
        })
    }

    fn ats(&self, world: &World, channel: usize, moved: [i64; 2]) -> i64 {
        let (atp, (threshold, limit)) = (self.atp(world), self.policies[channel]);
        let nodes = if channel == 0 { 1 } else { 2 };
        let stock: i64 = (0..nodes).map(|n| atp[n] - moved[n]).sum::<i64>().max(0);
        let (above, held) = ((stock - threshold).max(0), self.held(None));
        (above - held).max(0) + (limit - (held - above).max(0)).max(0)
    }
}

fn run(steps: &[Step]) {
    let mut world = World::new();
    world.play(
        "node near at 0,1 groups G\nnode mid at 0,2\nchannel web groups G\nchannel app\ntick\n\
         count near A 3\ncount mid A 2",
    );
    let (mut model, mut unticked) = (Model::default(), 0);
    for step in steps {
        let (mut now, before) = (world.now, world.records());
        match step {
            Step::Time(seconds, ticks) if *ticks || unticked + seconds > 25 => {
                world.play(&format!("ticks +{seconds}s"));
                unticked = 0;
            }
            Step::Time(seconds, _) => {
                unticked += seconds;
                // The next command finds what is void by then.
                world.play(&format!("time +{seconds}s"));
                let lines = model.lines.len();
                model.purge(world.now);
                // What lapses goes to waiting orders before the next command is looked at, and the model asks the cells
                // before it.
                if model.lines.len() < lines && model.placed.contains(&true) {
                    world.play("tick");
                    unticked = 0;
                }
                continue;
            }
            _ => {}
        }
        now = now.max(world.now);
        model.purge(now);
        match step.clone() {
            Step::Time(..) => {}
            Step::Reserve(order, line, place, qty, ttl, beyond) if !model.placed[order] => {
                let node = Some(place).filter(|p| *p < 2);
                let old = model.lines.get(&(order, line)).copied();
                let same = old.map_or(qty == 0, |old| (old.0, old.1) == (node, qty));
                let mine = |at: Option<usize>| -> i64 {
                    model.lines.iter().filter(|((o, _), l)| *o == order && l.0 == at).map(|(_, l)| l.1).sum()
                };
                let others: i64 = mine(node) - old.filter(|old| old.0 == node).map_or(0, |old| old.1);
                let left = match node {
                    Some(n) => model.atp(&world)[n],
                    None => {
                        // The line's own pinned units are free for the pool.
                        let mut moved = [0, 0];
                        if let Some((Some(n), units, _)) = old {
                            moved[n] = -units;
                        }
                        model.ats(&world, channel(order), moved)
                    }
                };
                let wanted = others + qty;
                let fits = beyond || wanted <= mine(node) || wanted <= left + mine(node);
                let at = node.map_or(String::new(), |n| format!(" node {}", NODES[n]));
                let ttl_word = ttl.map_or(String::new(), |s| format!(" ttl +{s}s"));
                let flag = if beyond { " beyond" } else { "" };
                let name = ["web", "app"][channel(order)];
                let then = if same || fits { "applied" } else { "refused NoStock" };
                world.play(&format!(
                    "reserve {order} l{line}=A:{qty}{at} channel {name}{ttl_word}{flag} -> {then}"
                ));
                if !same && fits {
                    let expires = ttl.map(|s| world.now + s * 1000);
                    model.lines.insert((order, line), (node, qty, expires));
                }
            }
            Step::Reserve(..) => {}
            Step::Release(order, lines) if !model.placed[order] => {
                let words = lines.map_or(String::new(), |(line, qty)| format!(" l{line}:{qty}"));
                let mut any = false;
                for ((_, name), line) in model.lines.iter_mut().filter(|((o, _), _)| *o == order) {
                    let part = match lines {
                        None => line.1,
                        Some((wanted, qty)) if wanted == *name => qty.min(line.1),
                        Some(_) => 0,
                    };
                    line.1 -= part;
                    any |= part > 0;
                }
                let known = world.known(&order.to_string()).is_ok_and(|id| world.engine.hold(id).is_some());
                let then = match (any, known) {
                    (true, _) => "applied",
                    (false, true) => "refused NoHold",
                    (false, false) => "refused UnknownOrder",
                };
                world.play(&format!("release {order}{words} -> {then}"));
            }
            Step::Release(..) => {}
            Step::Extend(order, ttl) => {
                let mine = model.lines.iter_mut().filter(|((o, _), _)| *o == order);
                let mut any = false;
                for (_, line) in mine {
                    line.2 = ttl.map(|s| now + s * 1000);
                    any = true;
                }
                let then = if any { "applied" } else { "refused NoHold" };
                let words = ttl.map_or(String::new(), |s| format!(" ttl +{s}s"));
                world.play(&format!("extend {order}{words} -> {then}"));
            }
            Step::Place(order, qty) if !model.placed[order] => {
                model.placed[order] = true;
                model.lines.retain(|(o, _), _| *o != order);
                world.play(&format!("place {order} A:{qty} channel {}", ["web", "app"][channel(order)]));
            }
            Step::Place(..) => {}
            Step::Receive(node, qty) => world.play(&format!("receive {} A {qty}", NODES[node])),
            Step::Policy(channel, threshold, limit) => {
                model.policies[channel] = (threshold, limit);
                let name = ["web", "app"][channel];
                world.play(&format!("channel_policy {name} A threshold {threshold} backorder {limit}"));
            }
        }
        model.purge(now);
        if world.records() > before {
            agree(&model, &world, step);
        }
    }
    world.replay().unwrap();
}

fn agree(model: &Model, world: &World, step: &Step) {
    let atp = model.atp(world);
    for cell in world.engine.cells("A") {
        let n = NODES.iter().position(|node| *node == cell.cell.node).unwrap();
        assert_eq!(cell.held.0, model.held(Some(n)) * 1000, "held at {} after {step:?}", NODES[n]);
        assert_eq!(cell.atp.0, atp[n] * 1000, "ATP of {} after {step:?}", NODES[n]);
    }
    for (channel, name) in ["web", "app"].into_iter().enumerate() {
        let row = world.engine.pool(name, "z", "A", "").unwrap();
        let wanted = model.ats(world, channel, [0, 0]);
        assert!(
            matches!(row.ats, Ats::Units(qty) if qty.0 == wanted * 1000),
            "{row:?}, not {wanted}, {step:?}"
        );
    }
    for order in 0..5usize {
        let Ok(id) = world.known(&order.to_string()) else { continue };
        let held: i64 = world.engine.hold(id).map_or(0, |row| row.lines.iter().map(|l| l.4.0).sum());
        let wanted: i64 = model.lines.iter().filter(|((o, _), _)| *o == order).map(|(_, l)| l.1).sum();
        assert_eq!(held, wanted * 1000, "held for {order} after {step:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn holds_are_kept_as_a_naive_model_keeps_them(steps in prop::collection::vec(step(), 1..40)) {
        run(&steps);
    }
}
