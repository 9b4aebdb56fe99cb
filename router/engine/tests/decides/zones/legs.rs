//! Holds over zones: whatever crosses on the way, at rest a hold is whole or gone, and no zone holds what its home does not
//! know of.

use std::collections::BTreeMap;

use proptest::prelude::*;
use router_schemas::{
    command::{
        Command,
        hold::{Extend, HoldLine, Release, Reserve},
        order::{LineQty, OrderBody, OrderLine, Pin, PinKind},
        reference::{Reference, RouteWhen},
    },
    event::OrderState,
    id::OrderId,
    position::Topic,
    quantity::Qty,
    row::{HoldRow, HoldState},
};

use super::{Channel, Field, PARTITIONS, SKUS, TOPOLOGY, ZONES, ensure, node};

const ORDERS: usize = 5;

/// What happens next.
#[derive(Debug, Clone)]
enum Step {
    /// What happens to orders and zones anyhow.
    Any(super::Step),
    /// Order; for each line its node, and how much; seconds; beyond stock.
    Reserve(usize, [(usize, i64); 3], Option<i64>, bool),
    Extend(usize, Option<i64>),
    /// Order, line; 3 and above: all.
    Release(usize, usize),
    /// Order, quantities; each line bound to this node, where there is one.
    Place(usize, [i64; 3], [Option<usize>; 3]),
    /// A word between zones comes again; two in a partition come the other way round.
    Repeat(usize),
    Swap(usize),
    /// Orders are routed when they are paid for, or at once.
    Paid(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let node = || 0..2 * ZONES.len();
    let line = || (node(), 0..3i64);
    let ttl = || prop::option::of(1..3_000i64);
    prop_oneof![
        6 => super::step().prop_map(Step::Any),
        12 => (0..PARTITIONS).prop_map(|p| Step::Any(super::Step::Apply(p))),
        8 => (0..PARTITIONS).prop_map(|p| Step::Any(super::Step::Commit(p))),
        4 => (0..ORDERS, [line(), line(), line()], ttl(), prop::bool::weighted(0.1))
            .prop_map(|(o, l, t, b)| Step::Reserve(o, l, t, b)),
        1 => (0..ORDERS, ttl()).prop_map(|(o, t)| Step::Extend(o, t)),
        3 => (0..ORDERS, 0..6usize).prop_map(|(o, l)| Step::Release(o, l)),
        1 => (0..ORDERS, prop::array::uniform3(0..3i64), prop::array::uniform3(prop::option::of(node())))
            .prop_map(|(o, q, n)| Step::Place(o, q, n)),
        8 => (0..64usize).prop_map(Step::Repeat),
        2 => (0..PARTITIONS).prop_map(Step::Swap),
        1 => any::<bool>().prop_map(Step::Paid),
    ]
}

/// A field with orders that have their ids, and were not placed.
fn field() -> Field {
    let mut field = Field::new();
    for order in 0..ORDERS {
        let id = OrderId::new(TOPOLOGY.log, &Topic::Intake, 0, order as u64);
        field.orders.push((id, order % ZONES.len()));
    }
    field
}

impl Field {
    /// As intake says it.
    fn elsewhere(&self, order: usize, number: usize) -> Option<String> {
        let home = ZONES[self.orders[order].1].0;
        Some(node(number).1.to_owned()).filter(|zone| zone != home)
    }

    fn go(&mut self, step: &Step) {
        match step {
            Step::Any(step) => self.step(step),
            Step::Reserve(order, lines, seconds, beyond_stock) => {
                let said = |(sku, (number, qty)): (&str, &(usize, i64))| HoldLine {
                    line: sku.into(),
                    sku: sku.into(),
                    qty: Qty::units(*qty),
                    node: Some(node(*number).0),
                    zone: self.elsewhere(*order, *number),
                    ..HoldLine::default()
                };
                let lines = SKUS.into_iter().zip(lines).map(said).collect();
                let (partition, to) = self.assigned(*order);
                let (identity, key) = (self.identity(*order), self.key());
                let (ttl, beyond_stock) = (seconds.map(|s| s * 1_000), *beyond_stock);
                let (node, region) = (None, None);
                let asked = Reserve { to, identity, key, node, region, lines, beyond_stock, ttl };
                self.plant.tell(partition, &Command::Reserve(asked));
            }
            Step::Extend(order, seconds) => {
                let (partition, to) = self.assigned(*order);
                let (identity, key) = (self.identity(*order), self.key());
                let ttl = seconds.map(|s| s * 1_000);
                self.plant.tell(partition, &Command::Extend(Extend { to, identity, key, ttl }));
            }
            Step::Release(order, line) => {
                let (partition, to) = self.assigned(*order);
                let (identity, key) = (self.identity(*order), self.key());
                let named = |sku: &&str| LineQty { line: sku.to_string(), qty: None };
                let lines = SKUS.get(*line).iter().map(|sku| named(sku)).collect();
                self.plant.tell(partition, &Command::Release(Release { to, identity, key, lines }));
            }
            Step::Place(order, quantities, nodes) if quantities.iter().any(|qty| *qty > 0) => {
                let (partition, mut message) = self.message(*order, *quantities, false);
                let mut body: OrderBody = postcard::from_bytes(&message.body).expect("a body of ours");
                let bind = |line: &mut OrderLine| {
                    let place = SKUS.iter().position(|sku| *sku == line.sku)?;
                    let number = nodes[place]?;
                    line.pin = Some(Pin { node: node(number).0, kind: PinKind::Hard });
                    Some((node(number).0, self.elsewhere(*order, number)?))
                };
                message.head.elsewhere = body.lines.iter_mut().filter_map(bind).collect();
                message.body = postcard::to_stdvec(&body).expect("a body encodes");
                self.plant.tell(partition, &Command::Place(message));
            }
            Step::Place(..) => {}
            Step::Repeat(number) => self.plant.repeat(*number),
            Step::Swap(partition) => self.plant.swap(*partition),
            Step::Paid(first) => {
                let route_when = if *first { RouteWhen::Captured } else { RouteWhen::Placed };
                let fallback = ["b", "nowhere", "a", "d", "c"].map(String::from).to_vec();
                let channel = Channel { id: "web".into(), fallback, route_when, ..Channel::default() };
                self.plant.publish(Reference::Channel(channel));
            }
        }
    }

    /// At rest every hold is whole or gone, and cells hold what holds have there.
    fn check_holds(&self) -> Result<(), String> {
        let mut held: BTreeMap<(String, String), Qty> = BTreeMap::new();
        for row in self.plant.holds.values() {
            let partition = ZONES.iter().find(|zone| zone.0 == row.zone).expect("a zone of these").1;
            let now =
                self.plant.hold(partition, row.order).map(|now| HoldRow { deadline: row.deadline, ..now });
            ensure(now.as_ref() == Some(row), || {
                format!("the last row was {row:?}, the engine has {now:?}")
            })?;
            ensure(row.state != HoldState::Confirming, || format!("it waits for nobody: {row:?}"))?;
            for (_, node, sku, _, qty) in &row.lines {
                let node = node.clone().expect("all of these are pinned");
                *held.entry((node, sku.clone())).or_default() += *qty;
            }
            for leg in &row.legs {
                let there = self.leg(row.order, leg.leg);
                let same = there.is_some_and(|there| {
                    let has = |(line, node, sku, bucket, qty): &(String, String, String, String, Qty)| {
                        (line.clone(), Some(node.clone()), sku.clone(), bucket.clone(), *qty)
                    };
                    let mut wanted: Vec<_> = leg.lines.iter().map(has).collect();
                    let mut lines = there.lines.clone();
                    wanted.sort();
                    lines.sort();
                    let attempt = there.leg_of.as_ref().is_some_and(|of| of.attempt == leg.attempt);
                    there.zone == leg.zone && there.state == HoldState::Held && attempt && lines == wanted
                });
                ensure(same && leg.confirmed, || format!("home has {row:#?}\nthe zone {there:#?}"))?;
            }
            if let (Some(of), false) = (&row.leg_of, row.lines.is_empty()) {
                let home = self.plant.holds.get(&of.order);
                let known = home.is_some_and(|home| home.legs.iter().any(|leg| leg.leg == of.leg));
                ensure(known, || format!("its home knows nothing of it: {row:#?}\n{home:#?}"))?;
            }
        }
        for cell in SKUS.iter().flat_map(|sku| self.plant.cells(sku)) {
            let name = (cell.cell.node.clone(), cell.cell.sku.clone());
            let of_holds = held.get(&name).copied().unwrap_or_default();
            ensure(of_holds == cell.held, || format!("I2: {cell:?}, holds have {of_holds}"))?;
        }
        let waits = |row: &&router_schemas::row::OrderRow| row.state == OrderState::Confirming;
        let waiting = self.plant.rows.values().find(waits);
        ensure(waiting.is_none(), || format!("it waits for a hold: {waiting:?}"))
    }

    fn leg(&self, order: OrderId, leg: u32) -> Option<&HoldRow> {
        let is_it = |row: &&HoldRow| row.leg_of.as_ref().is_some_and(|of| (of.order, of.leg) == (order, leg));
        self.plant.holds.values().find(is_it)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    /// Reserved, extended, released, placed, lapsed and crashed in any order, with messages that cross.
    #[test]
    fn no_hold_over_zones_is_kept_in_part(steps in prop::collection::vec(step(), 1..160)) {
        let mut field = field();
        for (number, step) in steps.iter().enumerate() {
            field.go(step);
            if number % 40 == 39 {
                field.plant.rest();
                if let Err(why) = field.check_holds().and_then(|()| field.check()) {
                    prop_assert!(false, "{why}");
                }
            }
        }
        field.plant.rest();
        if let Err(why) = field.check_holds().and_then(|()| field.check()) {
            prop_assert!(false, "{why}");
        }
        (0..ORDERS).for_each(|order| field.go(&Step::Release(order, SKUS.len())));
        field.plant.rest();
        for cell in SKUS.iter().flat_map(|sku| field.plant.cells(sku)) {
            prop_assert!(cell.held.is_zero(), "held for ever: {cell:?}");
        }
        (0..PARTITIONS).for_each(|number| field.plant.crash(number));
        field.plant.rest();
        prop_assert!(field.check_holds().is_ok() && field.check().is_ok());
    }
}

/// Every word that was ever said between the zones comes once more, when the hold that it was about is another one.
#[test]
fn a_word_of_an_attempt_that_is_over_changes_nothing() {
    let mut field = field();
    let reserve = Step::Reserve(0, [(3, 2), (0, 0), (0, 0)], None, false);
    for step in [&reserve, &Step::Release(0, SKUS.len()), &reserve] {
        field.go(step);
        field.plant.rest();
    }
    let held = |field: &Field| field.plant.holds[&field.orders[0].0].state;
    assert_eq!(held(&field), HoldState::Held);
    for number in 0..12 {
        field.plant.repeat(number);
        field.plant.rest();
        field.check_holds().unwrap_or_else(|why| panic!("word {number}: {why}"));
    }
    assert_eq!(held(&field), HoldState::Held);
}
