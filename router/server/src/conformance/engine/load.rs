//! A scenario's nodes, channels and rules as the engine's own entries and facts.

use std::collections::{BTreeMap, BTreeSet};

use router_schemas::{
    command::{
        Assigned, Command,
        fulfilment::NodeFact,
        hold::{ChannelPolicy, HoldLine, Reserve},
        order::{DeliveryMode, OrderBody, OrderHead, OrderLine, OrderMessage, Pin, PinKind},
        reference::{self, Item, Published, Reference, Zone},
        stock::{Allowance, CellName, CellPolicy, Count},
    },
    geo::UnitVector,
    id::Identity,
    limits::TTL_MS,
    quantity::Qty,
};

use super::{
    EngineSubject,
    numbers::Numbers,
    rules::{declines, rule_set, text_of},
};
use crate::conformance::{
    amount::{Amount, Backorder},
    format::{Attribute, Channel, Mode, Node, Scenario, Status},
    rules,
    step::Step,
};

/// The channel of steps that name none.
pub(super) const DEFAULT: &str = "default";
/// The longest time after which something may lapse.
const MOST_SECONDS: u64 = (TTL_MS / 1000) as u64;
/// The one zone of a scenario.
pub(super) const ZONE: &str = "z";
/// The channel of orders that a cell's `allocated` stands for: it sells from all nodes.
const BEFORE: &str = "\u{1}before";

/// The group of the nodes that a channel sells from: no scenario has such a name.
fn group(channel: &str) -> String {
    format!("\u{1}{channel}")
}

impl EngineSubject {
    pub(super) fn begin(&mut self, scenario: &Scenario) -> Result<(), String> {
        self.numbers = Numbers::of(scenario);
        self.untracked = scenario.untracked.clone();
        let enabled = scenario.nodes.iter().filter(|node| node.enabled);
        self.enabled = enabled.map(|node| node.id.clone()).collect();
        self.lasts = lasts(scenario);
        if let Some(ttl) = ttls(scenario).filter(|ttl| *ttl <= self.lasts).max()
            && ttl > MOST_SECONDS
        {
            return Err(format!("something lapses after {ttl} s; the engine takes up to {MOST_SECONDS} s"));
        }
        self.channels = channels_of_orders(scenario);
        // Who waits has its turn by its id: in the order of placement, whatever was reserved before.
        for step in &scenario.steps {
            if let Step::Place(step) = step {
                step.names().iter().for_each(|order| _ = self.assigned(order));
            }
        }
        self.publish(Reference::Zone(Zone { id: ZONE.into(), partition: Some(0) }));
        let names = named_channels(scenario);
        let skus = skus(scenario);
        let mut channels = scenario.channels.clone().unwrap_or_else(|| {
            let nodes = scenario.nodes.iter().map(|node| node.id.clone()).collect();
            vec![Channel { id: "default".into(), nodes, skus: Default::default() }]
        });
        for id in names {
            if !channels.iter().any(|channel| channel.id == id) {
                // Nobody sells for it.
                channels.push(Channel { id, nodes: BTreeSet::new(), skus: Default::default() });
            }
        }
        self.publish(Reference::Channel(reference::Channel { id: BEFORE.into(), ..Default::default() }));
        for channel in &channels {
            let (id, groups) = (channel.id.clone(), vec![group(&channel.id)]);
            self.publish(Reference::Channel(reference::Channel { id, groups, ..Default::default() }));
        }
        let item = |sku, untracked| Item { sku, unit_step: Qty(1), untracked, ..Item::default() };
        for sku in skus.clone() {
            self.publish(Reference::Item(Box::new(item(sku, false))));
        }
        self.named = (channels.iter().map(|channel| channel.id.clone()).collect(), skus);
        for node in &scenario.nodes {
            let mut entry = entry(node, &channels, &self.numbers);
            let before = self.stock(node, &entry);
            entry.enabled = node.enabled;
            let most = node.capacity.map(|most| u32::try_from(most).unwrap_or(u32::MAX - 1));
            // The order that stands for what was allocated before counts for nothing.
            entry.capacity_at_once = most.map(|most| most.saturating_add(u32::from(before)));
            self.holds(node);
            self.publish(Reference::Node(Box::new(entry)));
        }
        // Now that they have what they begin with, of which no more is taken.
        for sku in scenario.untracked.iter().cloned() {
            self.publish(Reference::Item(Box::new(item(sku, true))));
        }
        for channel in &channels {
            for (sku, numbers) in &channel.skus {
                self.channel_numbers(&channel.id, sku, numbers.threshold, numbers.backorder);
            }
        }
        let (asked, reasons) = (scenario.rules.clone().unwrap_or_default(), declines(scenario));
        let rules = rule_set(asked, reasons, &self.numbers, self.lasts);
        self.publish(Reference::Rules(Box::new(rules)));
        Ok(())
    }

    /// Brings a node's cells to where they begin. True: something was allocated before.
    fn stock(&mut self, node: &Node, entry: &reference::Node) -> bool {
        let open = reference::Node { enabled: true, capacity_at_once: None, ..entry.clone() };
        self.publish(Reference::Node(Box::new(open)));
        let mut lines = Vec::new();
        for (sku, cell) in &node.stock {
            self.count(&node.id, sku, cell.on_hand.max(cell.allocated));
            if cell.allocated.0 > 0 {
                let (line, sku, qty) = (sku.clone(), sku.clone(), Qty(cell.allocated.0));
                lines.push(OrderLine { line, sku, qty, ..OrderLine::default() });
            }
        }
        let before = !lines.is_empty();
        if before {
            self.allocated_before(&node.id, lines);
        }
        for (sku, cell) in &node.stock {
            self.count(&node.id, sku, cell.on_hand);
            self.tell(&Command::CellPolicy(CellPolicy {
                cell: cell_name(&node.id, sku),
                safety_stock: Qty(cell.safety_stock.0),
                backorder: allowance(cell.backorder),
                out_of_stock: cell.status == Status::OutOfStock,
                weekly_sales: cell.weekly_sales.map(|sales| Qty(sales.0)),
            }));
        }
        before
    }

    /// An order whose units are picked already: nothing moves them.
    fn allocated_before(&mut self, node: &str, lines: Vec<OrderLine>) {
        let order = self.next_id();
        let pin = Some(Pin { node: node.into(), kind: PinKind::Hard });
        let identity = Identity { channel: BEFORE.into(), external_id: node.into(), ..Identity::default() };
        let head = OrderHead { identity, pin, ..OrderHead::default() };
        let body = body(OrderBody { priority: 100, mode: DeliveryMode::None, lines, ..OrderBody::default() });
        let to = Some(Assigned { order, zone: ZONE.into() });
        self.tell(&Command::Place(OrderMessage { to, head, body }));
        self.tell(&Command::Picked(NodeFact { order, node: node.into(), ..NodeFact::default() }));
    }

    fn count(&mut self, node: &str, sku: &str, qty: Amount) {
        self.tell(&Command::Count(Count { cell: cell_name(node, sku), qty: Qty(qty.0), ..Count::default() }));
    }

    fn holds(&mut self, node: &Node) {
        for (sku, cell) in &node.stock {
            for (nth, hold) in cell.holds.iter().enumerate().filter(|(_, hold)| !hold.expired) {
                let to = Some(self.assigned(&hold.order));
                let line = HoldLine {
                    line: format!("\u{1}{sku} at {} {nth}", node.id),
                    sku: sku.clone(),
                    buckets: Vec::new(),
                    qty: Qty(hold.qty.0),
                    node: Some(node.id.clone()),
                    zone: None,
                };
                let (identity, key) = (self.identity(&hold.order), self.fresh_key());
                self.tell(&Command::Reserve(Reserve {
                    to,
                    identity,
                    key,
                    node: None,
                    region: None,
                    lines: vec![line],
                    beyond_stock: true,
                    ttl: None,
                }));
            }
        }
    }

    pub(super) fn channel_numbers(
        &mut self,
        channel: &str,
        sku: &str,
        threshold: Amount,
        backorder: Backorder,
    ) {
        self.tell(&Command::ChannelPolicy(ChannelPolicy {
            channel: channel.into(),
            zone: ZONE.into(),
            sku: sku.into(),
            bucket: String::new(),
            threshold: Qty(threshold.0),
            backorder: allowance(backorder),
        }));
    }

    fn publish(&mut self, change: Reference) {
        let control = self.offset;
        self.tell(&Command::Reference(Published { control, change }));
    }
}

/// Seconds that the steps take.
fn lasts(scenario: &Scenario) -> u64 {
    let seconds = |step: &Step| if let Step::Advance(step) = step { step.seconds } else { 0 };
    scenario.steps.iter().map(seconds).fold(0, u64::saturating_add)
}

/// After how many seconds holds and offers lapse.
fn ttls(scenario: &Scenario) -> impl Iterator<Item = u64> {
    let of_steps = scenario.steps.iter().filter_map(|step| match step {
        Step::Reserve(step) => step.ttl_s,
        _ => None,
    });
    let rules = scenario.rules.iter().flat_map(|rules| &rules.routings).flat_map(|routing| &routing.rules);
    let of_rules = rules.flat_map(|rule| &rule.actions).filter_map(|action| match action {
        rules::Action::Offer { ttl_s, .. } => *ttl_s,
        _ => None,
    });
    of_steps.chain(of_rules)
}

/// The channel of each order that a step places, else of those that one reserves for.
fn channels_of_orders(scenario: &Scenario) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let name = |channel: &Option<String>| channel.clone().unwrap_or_else(|| DEFAULT.into());
    for step in &scenario.steps {
        if let Step::Place(step) = step {
            for order in step.names() {
                all.entry(order).or_insert_with(|| name(&step.channel));
            }
        }
    }
    for step in &scenario.steps {
        if let Step::Reserve(step) = step
            && step.node.is_none()
        {
            all.entry(step.order.clone()).or_insert_with(|| name(&step.channel));
        }
    }
    all
}

pub(super) fn cell_name(node: &str, sku: &str) -> CellName {
    CellName { node: node.into(), sku: sku.into(), bucket: String::new() }
}

pub(super) fn body(body: OrderBody) -> Vec<u8> {
    postcard::to_stdvec(&body).unwrap_or_default()
}

pub(super) fn place(lat: Option<f64>, lng: Option<f64>) -> Option<UnitVector> {
    UnitVector::from_degrees(lat?, lng?)
}

fn allowance(backorder: Backorder) -> Allowance {
    match backorder {
        Backorder::None => Allowance::None,
        Backorder::Unlimited => Allowance::Unlimited,
        Backorder::Limit(Amount(limit)) => Allowance::Limited(Qty(limit)),
    }
}

fn entry(node: &Node, channels: &[Channel], numbers: &Numbers) -> reference::Node {
    let of_channels = channels.iter().filter(|c| c.nodes.contains(&node.id)).map(|c| group(&c.id));
    let mut attributes = Vec::new();
    for (name, attribute) in &node.attributes {
        match attribute {
            Attribute::Text(text) => {
                attributes.push((name.clone(), vec![text.clone()]));
                attributes.push((text_of(name), vec![text.clone()]));
            }
            Attribute::List(list) => attributes.push((name.clone(), list.iter().cloned().collect())),
        }
    }
    let mode = |mode: &Mode| match mode {
        Mode::Delivery => DeliveryMode::Delivery,
        Mode::Pickup => DeliveryMode::Pickup,
    };
    reference::Node {
        id: node.id.clone(),
        zone: ZONE.into(),
        enabled: true,
        default: node.default,
        place: place(node.lat, node.lng),
        groups: node.groups.iter().cloned().chain(of_channels).collect(),
        modes: node.modes.iter().map(mode).collect(),
        sequence: node.sequence.map(|n| numbers.place(n)),
        attributes,
        ..reference::Node::default()
    }
}

/// Every SKU that a scenario names.
fn skus(scenario: &Scenario) -> BTreeSet<String> {
    let mut all = scenario.untracked.clone();
    all.extend(scenario.nodes.iter().flat_map(|node| node.stock.keys().cloned()));
    all.extend(scenario.channels.iter().flatten().flat_map(|channel| channel.skus.keys().cloned()));
    for step in &scenario.steps {
        match step {
            Step::Place(step) => all.extend(step.lines.iter().map(|line| line.sku.clone())),
            Step::Reserve(step) => all.extend(step.lines.iter().map(|line| line.sku.clone())),
            Step::Query(step) => all.extend(step.lines.iter().map(|line| line.sku.clone())),
            Step::Receive(step) | Step::Adjust(step) => _ = all.insert(step.sku.clone()),
            Step::Policy(step) => _ = all.insert(step.sku.clone()),
            _ => {}
        }
    }
    all
}

/// Every channel that steps and expectations name.
fn named_channels(scenario: &Scenario) -> BTreeSet<String> {
    let mut all = BTreeSet::from([DEFAULT.to_owned()]);
    let of_steps = scenario.steps.iter().filter_map(Step::expect);
    let expects = of_steps.chain(&scenario.expect).chain(&scenario.expect_ours);
    all.extend(expects.flat_map(|e| e.available.iter().flatten()).filter_map(|row| row.channel.clone()));
    for step in &scenario.steps {
        let channel = match step {
            Step::Place(step) => step.channel.clone(),
            Step::Reserve(step) => step.channel.clone(),
            Step::Query(step) => step.channel.clone(),
            Step::Policy(step) => Some(step.channel.clone()),
            _ => None,
        };
        all.extend(channel);
    }
    all
}
