//! Orders over zones: several partitions, their messages delayed and mixed in every order, crashes between. When the dust
//! has settled, no unit is lost, no order waits for nobody, and nothing goes round.

mod legs;
mod plant;

use std::collections::BTreeMap;

use proptest::prelude::*;
use router_schemas::{
    command::{
        Assigned, Command,
        fulfilment::NodeFact,
        offer::{CancelAnswer, Decline},
        order::{Cancel, Delivered, DeliveryMode, LineQty, OrderBody, OrderHead, OrderLine, OrderMessage},
        reference::{Channel, Item, Node, Reference, Zone},
        steer::{Steer, Steering},
        stock::{Allowance, CellName, CellPolicy, Count, Movement},
    },
    event::OrderState,
    geo::UnitVector,
    id::{Identity, OrderId},
    position::Topic,
    quantity::Qty,
    row::{LineRow, OrderRow},
};

use plant::{PARTITIONS, Plant, TOPOLOGY};

use super::scenario::ledger::{as_of, ensure};

/// Zones, each with its partition; two of them share one.
const ZONES: [(&str, u16); 4] = [("a", 0), ("b", 1), ("c", 2), ("d", 0)];
const SKUS: [&str; 3] = ["A", "B", "C"];

/// What happens next.
#[derive(Debug, Clone)]
enum Step {
    Apply(usize),
    Commit(usize),
    Snapshot(usize),
    Crash(usize),
    /// Zone, quantities.
    Place(usize, [i64; 3]),
    /// Order, quantities, another address.
    Amend(usize, [i64; 3], bool),
    /// Order, line, quantity; line 3: all of the order. Whether nodes that have picked are asked.
    Cancel(usize, usize, i64, bool),
    /// Order: whatever is not picked is routed anew.
    Reroute(usize),
    /// Time passes.
    Tick(usize),
    Deliver(usize),
    /// Node, SKU, quantity.
    Count(usize, usize, i64),
    Receive(usize, usize, i64),
    Backorder(usize, usize, i64),
    Pause(usize, bool),
    /// What, which of the orders and parts known, which of the nodes of its zone, line, quantity; 0: all.
    Fact(usize, usize, usize, usize, i64),
}

fn step() -> impl Strategy<Value = Step> {
    let (partition, node, sku) = (0..PARTITIONS, 0..2 * ZONES.len(), 0..SKUS.len());
    let cell = (node.clone(), sku, 0..6i64);
    let quantities = prop::array::uniform3(prop_oneof![2 => Just(0i64), 3 => 1..5i64]);
    prop_oneof![
        24 => partition.clone().prop_map(Step::Apply),
        12 => partition.clone().prop_map(Step::Commit),
        1 => partition.clone().prop_map(Step::Snapshot),
        2 => partition.prop_map(Step::Crash),
        6 => (0..ZONES.len(), quantities.clone()).prop_map(|(z, q)| Step::Place(z, q)),
        3 => (0..8usize, quantities, any::<bool>()).prop_map(|(o, q, far)| Step::Amend(o, q, far)),
        3 => (0..8usize, 0..4usize, 1..5i64, any::<bool>()).prop_map(|(o, l, q, ask)| Step::Cancel(o, l, q, ask)),
        1 => (0..8usize).prop_map(Step::Reroute),
        1 => (0..PARTITIONS).prop_map(Step::Tick),
        1 => (0..8usize).prop_map(Step::Deliver),
        4 => cell.clone().prop_map(|(n, s, q)| Step::Count(n, s, q)),
        2 => cell.clone().prop_map(|(n, s, q)| Step::Receive(n, s, q + 1)),
        1 => cell.prop_map(|(n, s, q)| Step::Backorder(n, s, q)),
        1 => (node, any::<bool>()).prop_map(|(n, on)| Step::Pause(n, on)),
        9 => (0..8usize, 0..40usize, 0..2usize, 0..3usize, 0..4i64)
            .prop_map(|(what, o, n, l, q)| Step::Fact(what, o, n, l, q)),
    ]
}

/// The zones with their nodes, and who placed what.
struct Field {
    plant: Plant,
    orders: Vec<(OrderId, usize)>,
    /// Orders and parts of which a node stated more than the order had there: what follows is not predicted.
    facts: u64,
}

fn node(number: usize) -> (String, &'static str, u16) {
    let (zone, partition) = ZONES[number / 2];
    (format!("{zone}{}", number % 2), zone, partition)
}

fn entry(number: usize, enabled: bool) -> Reference {
    let (id, zone, _) = node(number);
    let place = UnitVector::from_degrees(0.0, number as f64);
    let modes = vec![DeliveryMode::Delivery];
    Reference::Node(Box::new(Node { id, zone: zone.into(), enabled, place, modes, ..Node::default() }))
}

fn cell(number: usize, sku: usize) -> CellName {
    CellName { node: node(number).0, sku: SKUS[sku].into(), bucket: String::new() }
}

impl Field {
    fn new() -> Field {
        let mut plant = Plant::new();
        for (id, partition) in ZONES {
            plant.publish(Reference::Zone(Zone { id: id.into(), partition: Some(partition) }));
        }
        // Every zone forwards to every other, to itself and to one that is not there.
        let fallback = ["b", "nowhere", "a", "d", "c"].map(String::from).to_vec();
        plant.publish(Reference::Channel(Channel { id: "web".into(), fallback, ..Channel::default() }));
        (0..2 * ZONES.len()).for_each(|number| plant.publish(entry(number, true)));
        for sku in SKUS {
            plant.publish(Reference::Item(Box::new(Item { sku: sku.into(), ..Item::default() })));
        }
        let mut field = Field { plant, orders: Vec::new(), facts: 0 };
        // Home has little, the others some: most orders leave it.
        for number in 0..2 * ZONES.len() {
            (0..SKUS.len())
                .for_each(|sku| field.step(&Step::Count(number, sku, ((number + sku) % 4) as i64)));
        }
        field.plant.rest();
        field
    }

    fn identity(&self, order: usize) -> Identity {
        Identity { channel: "web".into(), account: String::new(), external_id: order.to_string() }
    }

    fn assigned(&self, order: usize) -> (u16, Option<Assigned>) {
        let (id, zone) = self.orders[order];
        (ZONES[zone].1, Some(Assigned { order: id, zone: ZONES[zone].0.into() }))
    }

    fn message(&self, order: usize, quantities: [i64; 3], far: bool) -> (u16, OrderMessage) {
        let line = |(sku, qty): (&str, i64)| OrderLine {
            line: sku.into(),
            sku: sku.into(),
            qty: Qty::units(qty),
            ..OrderLine::default()
        };
        let lines = SKUS.into_iter().zip(quantities).filter(|(_, qty)| *qty > 0).map(line).collect();
        let to = UnitVector::from_degrees(0.0, if far { 5.0 } else { 0.0 });
        let body = OrderBody { to, priority: 100, lines, ..OrderBody::default() };
        let (partition, to) = self.assigned(order);
        let head = OrderHead { identity: self.identity(order), ..OrderHead::default() };
        (partition, OrderMessage { to, head, body: postcard::to_stdvec(&body).unwrap() })
    }

    fn step(&mut self, step: &Step) {
        let known = |order: usize| order < self.orders.len();
        match *step {
            Step::Apply(p) => _ = self.plant.apply(p),
            Step::Commit(p) => _ = self.plant.commit(p),
            Step::Snapshot(p) => self.plant.snapshot(p),
            Step::Crash(p) => self.plant.crash(p),
            Step::Place(zone, quantities) if quantities.iter().any(|q| *q > 0) => {
                let id = OrderId::new(TOPOLOGY.log, &Topic::Intake, 0, self.orders.len() as u64);
                self.orders.push((id, zone));
                let (partition, message) = self.message(self.orders.len() - 1, quantities, false);
                self.plant.tell(partition, &Command::Place(message));
            }
            Step::Amend(order, quantities, far) if known(order) && quantities.iter().any(|q| *q > 0) => {
                let (partition, message) = self.message(order, quantities, far);
                self.plant.tell(partition, &Command::Amend(message));
            }
            Step::Tick(p) => self.plant.tick(p as u16),
            Step::Reroute(order) if known(order) => {
                let (partition, to) = self.assigned(order);
                let (identity, key) = (self.identity(order), self.key());
                let act = Steering::Reroute { node: None, lines: Vec::new(), same_node: true };
                self.plant.tell(partition, &Command::Steer(Steer { to, identity, key, act }));
            }
            Step::Cancel(order, line, qty, ask) if known(order) => {
                let name = |sku: &&str| LineQty { line: sku.to_string(), qty: Some(Qty::units(qty)) };
                let lines = SKUS.get(line).iter().map(|sku| name(sku)).collect();
                let (partition, to) = self.assigned(order);
                let identity = self.identity(order);
                self.plant.tell(
                    partition,
                    &Command::Cancel(Cancel { to, identity, lines, ask, ..Cancel::default() }),
                );
            }
            Step::Deliver(order) if known(order) => {
                let (partition, to) = self.assigned(order);
                let (identity, key) = (self.identity(order), self.key());
                self.plant.tell(
                    partition,
                    &Command::Delivered(Delivered { to, identity, key, ..Delivered::default() }),
                );
            }
            Step::Count(n, s, qty) => {
                let count = Count { cell: cell(n, s), qty: Qty::units(qty), ..Count::default() };
                self.plant.tell(node(n).2, &Command::Count(count));
            }
            Step::Receive(n, s, qty) => {
                let movement = Movement { cell: cell(n, s), qty: Qty::units(qty), key: None };
                self.plant.tell(node(n).2, &Command::Receipt(movement));
            }
            Step::Backorder(n, s, qty) => {
                let backorder = Allowance::Limited(Qty::units(qty));
                let policy = CellPolicy { cell: cell(n, s), backorder, ..CellPolicy::default() };
                self.plant.tell(node(n).2, &Command::CellPolicy(policy));
            }
            Step::Pause(n, on) => self.plant.publish(entry(n, on)),
            Step::Fact(what, order, n, line, qty) => self.fact(what, order, n, line, qty),
            _ => {}
        }
    }

    fn key(&mut self) -> [u8; 16] {
        self.facts += 1;
        u128::from(self.facts).to_be_bytes()
    }

    /// A node states what it did with an order that it may or may not have.
    fn fact(&mut self, what: usize, order: usize, n: usize, line: usize, qty: i64) {
        let Some(row) = self.plant.rows.values().nth(order % self.plant.rows.len().max(1)) else { return };
        let (id, zone) = (row.order, row.zone.clone());
        let Some((node, partition)) =
            (0..2 * ZONES.len()).map(node).filter(|node| node.1 == zone).nth(n).map(|node| (node.0, node.2))
        else {
            return;
        };
        let lines = match qty {
            0 => Vec::new(),
            qty => vec![LineQty { line: SKUS[line].into(), qty: Some(Qty::units(qty)) }],
        };
        let key = Some(self.key());
        let restock = what == 3 && line == 0;
        let fact = NodeFact { order: id, node, lines, key, restock, ..NodeFact::default() };
        let command = match what {
            0 => Command::Picked(fact),
            1 => Command::Ready(fact),
            2 => Command::Shipped(fact),
            3 => Command::Returned(fact),
            4 => Command::HandedOver(fact),
            5 => Command::Accepted(fact),
            6 => {
                let NodeFact { order, node, lines, key, .. } = fact;
                let reason = ["other", "out_of_stock", "busy"][line].into();
                Command::Decline(Decline { order, node, reason, lines, key, offer: None })
            }
            _ => {
                let NodeFact { order, node, key, .. } = fact;
                Command::CancelAnswer(CancelAnswer { order, node, granted: line > 0, key })
            }
        };
        self.plant.tell(partition, &command);
    }

    /// What must be when everything has come to rest.
    fn check(&self) -> Result<(), String> {
        let rows: Vec<OrderRow> = self.plant.rows.values().cloned().collect();
        let mut parts: BTreeMap<OrderId, Vec<&OrderRow>> = BTreeMap::new();
        for row in &rows {
            let partition = ZONES.iter().find(|zone| zone.0 == row.zone).expect("a zone of these").1;
            let now = as_of(self.plant.row(partition, row.order), row);
            ensure(now.as_ref() == Some(row), || {
                format!("the last row was {row:?}, the engine has {now:?}")
            })?;
            if let Some((part, home)) = &row.part_of {
                parts.entry(part.order).or_default().push(row);
                ensure(*home != row.zone, || format!("a part of {home} in its own zone: {row:?}"))?;
                let parked = matches!(row.state, OrderState::Parked(_) | OrderState::Routing);
                ensure(!parked, || format!("a part waits where nobody looks: {row:?}"))?;
            }
            for line in &row.lines {
                let all = [line.open, line.held, line.backordered, line.allocated, line.away, line.shipped];
                let whole = all.into_iter().sum::<Qty>() + line.cancelled == line.ordered;
                ensure(whole && line.returned <= line.shipped && line.delivered <= line.shipped, || {
                    format!("I3: {line:?}")
                })?;
            }
        }
        for row in rows.iter().filter(|row| row.part_of.is_none()) {
            let none = Vec::new();
            check_parts(row, parts.get(&row.order).unwrap_or(&none))?;
        }
        self.check_cells(&rows)
    }

    /// I2: what cells have promised is what orders have of them.
    fn check_cells(&self, rows: &[OrderRow]) -> Result<(), String> {
        let mut promised: BTreeMap<(String, String), Qty> = BTreeMap::new();
        for row in rows {
            for f in &row.fulfilments {
                let sku = row.lines[usize::from(f.line)].sku.clone();
                *promised.entry((f.node.clone(), sku)).or_default() +=
                    f.backordered + f.allocated + f.picked + f.ready;
            }
        }
        for cell in SKUS.iter().flat_map(|sku| self.plant.cells(sku)) {
            let has =
                promised.get(&(cell.cell.node.clone(), cell.cell.sku.clone())).copied().unwrap_or_default();
            ensure(has == cell.allocated, || format!("I2: {cell:?}, its orders have {has}"))?;
        }
        Ok(())
    }
}

/// Home's ledger says what the zones have.
fn check_parts(home: &OrderRow, parts: &[&OrderRow]) -> Result<(), String> {
    let say = || format!("home {home:#?}\nparts {parts:#?}");
    ensure(home.state != OrderState::Routing, say)?;
    for (number, line) in home.lines.iter().enumerate() {
        let there = |field: fn(&LineRow) -> Qty| -> Qty {
            parts.iter().flat_map(|p| &p.lines).filter(|l| l.line == line.line).map(field).sum()
        };
        let stated: Qty =
            home.parts.iter().flat_map(|p| &p.away).filter(|l| usize::from(l.0) == number).map(|l| l.1).sum();
        let work = there(|l| l.open + l.held + l.backordered + l.allocated);
        ensure(line.away == work, || format!("{}: away, and {work} is there\n{}", line.line, say()))?;
        ensure(stated <= line.away, || format!("{}: {stated} stated\n{}", line.line, say()))?;
        let here: Qty =
            home.fulfilments.iter().filter(|f| usize::from(f.line) == number).map(|f| f.shipped).sum();
        let left = here + there(|l| l.shipped);
        ensure(line.shipped == left, || format!("{}: {left} left\n{}", line.line, say()))?;
    }
    let away = home.lines.iter().any(|l| l.away.is_positive());
    ensure(!(away && home.state.is_closed()), || format!("closed, and some is away\n{}", say()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever crosses on the way, and whoever crashes: home's ledger says in the end what the zones have, every order
    /// is in one legal state, and a cancel of everything leaves only what nodes have picked.
    #[test]
    fn no_order_is_lost_between_zones(steps in prop::collection::vec(step(), 1..240)) {
        let mut field = Field::new();
        steps.iter().for_each(|step| field.step(step));
        field.plant.rest();
        if let Err(why) = field.check() {
            prop_assert!(false, "{why}");
        }
        (0..field.orders.len()).for_each(|order| field.step(&Step::Cancel(order, SKUS.len(), 0, false)));
        field.plant.rest();
        if let Err(why) = field.check() {
            prop_assert!(false, "{why}");
        }
        for row in field.plant.rows.values() {
            let undone = |l: &LineRow| (l.open + l.held + l.backordered).is_positive();
            prop_assert!(!row.lines.iter().any(undone), "cancelled, and some is left: {row:#?}");
            let waits = row.fulfilments.iter().any(|f| f.allocated.is_positive());
            prop_assert!(!waits, "cancelled, and a node still has it: {row:#?}");
        }
        (0..PARTITIONS).for_each(|number| field.plant.crash(number));
        field.plant.rest();
        prop_assert!(field.check().is_ok());
    }
}
