//! Random claims, declines, lapses, cancels and counts against a model that knows only what nodes were told: who may
//! claim what under which epoch until when, who declined, who has it. The ledger under it sees to I4 and I6.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use router_schemas::{event::Outcome, quantity::Qty, refusal::Refusal, row::OfferState};

use crate::scenario::world::World;

const NODES: [&str; 4] = ["a", "b", "c", "d"];

#[derive(Debug, Clone)]
enum Step {
    Place(i64),
    Claim { node: usize, order: usize, stale: bool },
    Decline { node: usize, order: usize },
    Cancel { order: usize, units: Option<i64> },
    Count { node: usize, units: i64 },
    Ticks(i64),
    Time(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let (node, order) = (0..NODES.len(), 0..6usize);
    prop_oneof![
        3 => (1..4i64).prop_map(Step::Place),
        6 => (node.clone(), order.clone(), prop::bool::weighted(0.15))
            .prop_map(|(node, order, stale)| Step::Claim { node, order, stale }),
        4 => (node.clone(), order.clone()).prop_map(|(node, order)| Step::Decline { node, order }),
        1 => (order, prop::option::of(1..3i64)).prop_map(|(order, units)| Step::Cancel { order, units }),
        2 => (node, 0..6i64).prop_map(|(node, units)| Step::Count { node, units }),
        3 => (1..30i64).prop_map(Step::Ticks),
        1 => (1..4i64).prop_map(Step::Time),
    ]
}

/// What a node was told of an order last.
#[derive(Clone)]
struct Heard {
    offer: String,
    epoch: u64,
    deadline: Option<i64>,
    qty: Qty,
    /// Why it is closed.
    closed: Option<String>,
}

#[derive(Default)]
struct Model {
    heard: BTreeMap<(usize, usize), Heard>,
    /// Who declined or gave back: order, node.
    declined: BTreeSet<(usize, usize)>,
    /// By order: node, and which offer.
    winners: BTreeMap<usize, (usize, String)>,
}

impl Model {
    /// Takes in what nodes were told.
    fn listen(&mut self, world: &mut World) {
        for notice in std::mem::take(&mut world.heard) {
            let text = |field: &str| notice[field].as_str().unwrap_or_default();
            let node = NODES.iter().position(|n| *n == text("node")).expect("one of the nodes");
            let order: usize = text("external_id").parse().expect("a number");
            let epoch = notice["epoch"].as_u64().expect("an epoch");
            if text("event") == "offered" {
                assert!(
                    !self.declined.contains(&(order, node)),
                    "{node} declined {order} and is asked again"
                );
                assert!(!self.winners.contains_key(&order), "{order} has a winner and is offered");
                let deadline = notice["deadline"].as_i64();
                let qty =
                    notice["lines"][0]["qty"].to_string().trim_matches('"').parse().expect("a quantity");
                let offer = text("offer").to_owned();
                self.heard.insert((order, node), Heard { offer, epoch, deadline, qty, closed: None });
            } else if let Some(heard) = self.heard.get_mut(&(order, node)) {
                heard.closed = Some(text("reason").to_owned());
            }
        }
    }

    /// How a claim must end: as the settled order of questions says.
    fn verdict(&self, world: &World, order: usize, node: usize, epoch: u64) -> &'static str {
        let Some(heard) = self.heard.get(&(order, node)) else { return "refused NotOffered" };
        match self.winners.get(&order) {
            Some((winner, _)) if *winner == node => return "repeat",
            _ if self.declined.contains(&(order, node)) => return "refused NotOffered",
            Some((_, offer)) if *offer == heard.offer => return "refused Taken",
            // It was asked for an offer before that one, and that is over.
            Some(_) => return "refused Expired",
            None => {}
        }
        let rows = world.engine.offers(world.orders[&order.to_string()]);
        let current = rows.last().filter(|r| r.state == OfferState::Offered).map(|r| u64::from(r.epoch));
        let over = heard.deadline.is_some_and(|at| at <= world.now);
        let short = heard.closed.as_deref() == Some("no_stock");
        if current != Some(epoch) || over || (heard.closed.is_some() && !short) {
            return "refused Expired";
        }
        let atp = |node: usize| {
            let cells = world.engine.cells("A");
            cells.iter().find(|c| c.cell.node == NODES[node]).map_or(Qty::ZERO, |c| c.atp)
        };
        let all: Qty = (0..NODES.len()).map(atp).sum();
        let others: Qty =
            world.ledger.rows().filter(|r| r.order != world.orders[&order.to_string()]).map(held).sum();
        if short || atp(node) < heard.qty || all - others < heard.qty { "refused NoStock" } else { "applied" }
    }
}

fn held(row: &router_schemas::row::OrderRow) -> Qty {
    row.lines.iter().map(|l| l.held).sum()
}

fn say(world: &mut World, model: &mut Model, line: &str) -> Result<(), String> {
    world.line(line).map_err(|why| format!("{line}: {why}"))?;
    model.listen(world);
    // What is held is what is offered.
    for row in world.ledger.rows() {
        let offers = world.engine.offers(row.order);
        let open = offers.iter().filter(|o| o.state == OfferState::Offered).flat_map(|o| &o.lines);
        let offered: Qty = open.map(|l| l.1).sum();
        if held(row) != offered {
            return Err(format!(
                "{line}: {} held, {offered} offered of {}",
                held(row),
                row.identity.external_id
            ));
        }
    }
    Ok(())
}

fn go(nodes: u16, rounds: u16, stocks: &[i64], steps: &[Step]) -> Result<(), String> {
    let (mut world, mut model, mut placed) = (World::new(), Model::default(), 0);
    for (n, (node, units)) in NODES.iter().zip(stocks).enumerate() {
        world.play(&format!("node {node} at 0,{}\ncount {node} A {units}", n + 1));
    }
    world.play(&format!("grab nodes {nodes} rounds {rounds} ttl 60\ntick"));
    for step in steps {
        let line = match step {
            Step::Place(units) => {
                placed += 1;
                format!("place {placed} A:{units}")
            }
            Step::Claim { order, .. } | Step::Decline { order, .. } | Step::Cancel { order, .. }
                if *order >= placed =>
            {
                continue;
            }
            Step::Claim { node, order, stale } => {
                let (order, said) = (order + 1, model.heard.get(&(order + 1, *node)).map_or(0, |h| h.epoch));
                let epoch = if *stale { said.saturating_sub(1) } else { said };
                let verdict = model.verdict(&world, order, *node, epoch);
                if verdict == "applied" {
                    let offer = model.heard[&(order, *node)].offer.clone();
                    model.winners.insert(order, (*node, offer));
                }
                format!("claim {} {order} epoch {epoch} -> {verdict}", NODES[*node])
            }
            Step::Decline { node, order } => {
                let order = order + 1;
                let mine = model.winners.get(&order).is_some_and(|(winner, _)| winner == node);
                let has = world.engine.order(world.orders[&order.to_string()]).is_some_and(|row| {
                    row.fulfilments.iter().any(|f| f.node == NODES[*node] && f.allocated.is_positive())
                });
                let open = model
                    .heard
                    .get(&(order, *node))
                    .is_some_and(|h| h.closed.is_none() && h.deadline.is_none_or(|at| at > world.now));
                let open = open && !model.winners.contains_key(&order);
                if (mine && has) || (open && !mine) {
                    model.declined.insert((order, *node));
                    model.winners.remove(&order);
                    model.heard.get_mut(&(order, *node)).expect("asked").closed = Some("declined".into());
                    format!("decline {} {order} no", NODES[*node])
                } else {
                    let refused = decline_refused(&model, order, *node, mine);
                    format!("decline {} {order} no -> refused {refused}", NODES[*node])
                }
            }
            Step::Cancel { order, units } => {
                let name = (order + 1).to_string();
                let row = world.engine.order(world.orders[&name]).expect("placed");
                let left = row.lines[0].open + row.lines[0].held + row.lines[0].allocated;
                if left.is_zero() {
                    continue;
                }
                units.map_or(format!("cancel {name}"), |units| format!("cancel {name} A:{units}"))
            }
            Step::Count { node, units } => {
                // Never below what is promised: relief is proven elsewhere.
                let cells = world.engine.cells("A");
                let promised =
                    cells.iter().find(|c| c.cell.node == NODES[*node]).map_or(Qty::ZERO, |c| c.allocated);
                format!("count {} A {}", NODES[*node], Qty::units(*units).max(promised))
            }
            Step::Ticks(seconds) => format!("ticks +{seconds}s"),
            Step::Time(seconds) => format!("time +{seconds}s"),
        };
        say(&mut world, &mut model, &line)?;
    }
    // Once all is cancelled nothing is held: one order may have all that there is.
    for order in 1..=placed {
        let row = world.engine.order(world.orders[&order.to_string()]).expect("placed");
        if !row.state.is_closed() {
            say(&mut world, &mut model, &format!("cancel {order}"))?;
        }
    }
    for (n, node) in NODES.iter().enumerate() {
        say(&mut world, &mut model, &format!("count {node} A {}", if n == 0 { 9 } else { 0 }))?;
    }
    say(&mut world, &mut model, &format!("place {} A:9 -> offered nowhere", placed + 1))?;
    world.replay()
}

/// Why a decline of nothing is refused.
fn decline_refused(model: &Model, order: usize, node: usize, mine: bool) -> &'static str {
    match model.heard.get(&(order, node)) {
        None => "NotOffered",
        Some(_) if mine => "Expired",
        Some(_) if model.declined.contains(&(order, node)) => "NotOffered",
        Some(heard) if model.winners.get(&order).is_some_and(|(_, offer)| *offer == heard.offer) => "Taken",
        Some(_) => "Expired",
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn offers_go_as_a_naive_model_says(
        nodes in 1..4u16,
        rounds in 1..4u16,
        stocks in prop::collection::vec(0..8i64, 4),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let gone = go(nodes, rounds, &stocks, &steps);
        prop_assert!(gone.is_ok(), "{}", gone.unwrap_err());
    }

    #[test]
    fn offers_that_split_hold_what_they_offer(
        terms in prop::sample::select(vec![
            "multi", "multi partial then short", "multi keep_groups nodes 2 rounds 3", "multi nodes 1 rounds 2 then allocate",
            "multi whole", "nodes 2 rounds 2 then short",
        ]),
        steps in prop::collection::vec((0..11u8, 0..NODES.len(), 0..6usize, 0..4usize), 1..60),
    ) {
        let gone = split(terms, &steps);
        prop_assert!(gone.is_ok(), "{terms}: {}", gone.unwrap_err());
    }
}

/// Two lines, several offers, declines in part: what a node may claim is not foretold, but what is held is what is
/// offered, nobody has what another has, and nobody is asked again (the ledger).
fn split(terms: &str, steps: &[(u8, usize, usize, usize)]) -> Result<(), String> {
    let (mut world, mut placed) = (World::new(), 0);
    for (n, node) in NODES.iter().enumerate() {
        world.play(&format!(
            "node {node} at 0,{}\ncount {node} A {}\ncount {node} B {}",
            n + 1,
            n + 2,
            5 - n
        ));
    }
    world.play(&format!(
        "grab {terms} ttl 60 reasons gone:subtract,none:zero,hurt:subtract_atp,busy:20\ntick"
    ));
    for (kind, node, order, more) in steps.iter().copied() {
        let (name, order) = (NODES[node], order % placed.max(1) + 1);
        let lines = ["", "A", "B", "A:1"][more % 4];
        let line = match kind {
            0 => {
                placed += 1;
                format!("place {placed} A:{}/g B:{}/g C=A:1", more + 1, node + 1)
            }
            _ if placed == 0 => continue,
            1 | 2 => format!("claim {name} {order}"),
            3 => format!("claim {name} {order} of {}", more + 1),
            4 | 5 => format!("decline {name} {order} {} {lines}", ["gone", "none", "hurt", "busy"][more % 4]),
            6 => format!("cancel {order} {lines}"),
            7 => format!("amend {order} A:{} B:{}", more + 1, node + 1),
            8 => format!("ship {name} {order}"),
            9 => format!("halt {name} until +20s"),
            _ => format!("ticks +{}s", 10 * (more + 1)),
        };
        let said = world.line(&line);
        // Whatever the outcome: the engine and the ledger agree.
        if let Err(why) = said.as_ref().map_err(String::as_str)
            && !why.starts_with("the outcome is")
            && !why.starts_with("order ")
        {
            return Err(format!("{line}: {why}"));
        }
        for row in world.ledger.rows() {
            for (place, held) in row.lines.iter().map(|l| l.held).enumerate() {
                let offers = world.engine.offers(row.order);
                let open = offers.iter().filter(|o| o.state == OfferState::Offered).flat_map(|o| &o.lines);
                let offered: Qty = open.filter(|l| usize::from(l.0) == place).map(|l| l.1).sum();
                if held != offered {
                    return Err(format!("{line}: {held} held, {offered} offered"));
                }
            }
        }
    }
    world.replay()
}

/// The six answers all come up in such histories: a model that predicts one of them never would prove nothing.
#[test]
fn a_claim_is_refused_for_each_reason() {
    let mut world = World::new();
    world.play("node a at 0,1 capacity 1\nnode b at 0,2\nnode c at 0,3\ncount a A 9\ncount b A 9\ngrab nodes 2 ttl 60\ntick");
    world.play("place 1 A:1\nplace 2 A:1\nclaim a 1\nclaim a 2 -> refused NoCapacity");
    let refused = world.said.outcome;
    assert_eq!(refused, Some(Outcome::Refused(Refusal::NoCapacity)));
    world.play(
        "claim c 2 -> refused NotOffered\nclaim b 1 -> refused Taken\nclaim b 2 epoch 7 -> refused Expired",
    );
    world.play("alone count b A 0\nclaim b 2 -> refused NoStock\nclaim a 1 -> repeat");
}

/// What a store is told of an offer: all that it needs to decide and to claim, and nothing of whom it is for.
#[test]
fn a_notice_shows_how_far_it_is_and_not_to_whom() {
    let mut world = World::new();
    world.play("node a at 0,1\nnode b\ncount a A 9\ncount b A 9\ngrab nodes 2 ttl 60\ntick\nplace 1 A:2");
    let at = world.now;
    let [near, nowhere] = &world.said.offers[..] else { panic!("{:?}", world.said.offers) };
    assert_eq!(near["deadline"], at + 60_000);
    assert_eq!((&near["epoch"], &near["round"], &near["event"]), (&1.into(), &1.into(), &"offered".into()));
    // One degree, 111,195 m, in steps of a hundred.
    assert_eq!(near["distance_m"], 111_200);
    assert!(nowhere.get("distance_m").is_none(), "its place is not known");
    let offer = world.engine.offers(world.orders["1"])[0].offer.to_string();
    assert_eq!(near["offer"], offer);
    let told: Vec<&str> = near.as_object().expect("an object").keys().map(String::as_str).collect();
    let known = [
        "at",
        "channel",
        "deadline",
        "distance_m",
        "epoch",
        "event",
        "external_id",
        "lines",
        "mode",
        "node",
        "offer",
        "order",
        "origin",
        "position",
        "round",
        "type",
    ];
    assert!(told.iter().all(|key| known.contains(key)), "{told:?}");
    world.play("claim a 1");
    let [closed] = &world.said.offers[..] else { panic!("{:?}", world.said.offers) };
    assert_eq!((&closed["event"], &closed["reason"]), (&"closed".into(), &"taken".into()));
    assert!(closed.get("deadline").is_none() && closed["lines"] == serde_json::json!([]));
}
