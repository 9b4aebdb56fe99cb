//! Stores, warehouses and operations: what they publish, count, claim, decline, pick and ship, out of chance. They go by
//! what the stages last said, which may be old.

use std::collections::VecDeque;

use router_schemas::{
    command::{
        Command,
        fulfilment::NodeFact,
        hold::{ChannelPolicy, Extend, HoldLine, Release, Reserve},
        offer::{CancelAnswer, Claim, Decline, NodeAct, NodeRequest},
        order::{DeliveryMode, LineQty},
        reference::{Channel, Item, Node, Published, Reference, Region, RouteWhen, Zone},
        steer::{Steer, Steering},
        stock::{AdjustTarget, Adjustment, Allowance, Basis, CellName, CellPolicy, Count, Movement},
    },
    event::{Change, Event, OfferStep},
    geo::UnitVector,
    id::{Identity, OfferId, OrderId},
    quantity::Qty,
    row::{OfferEntry, Row},
};

use crate::{chance::Chance, ledger::Ledger, rule_sets::rule_set};

/// Where orders come from.
pub const CHANNELS: [&str; 3] = ["web", "mall", "pos"];
const ZONES: [(&str, u16); 3] = [("east", 0), ("west", 1), ("central", 1)];
const NODES: usize = 12;
const SKUS: usize = 24;
/// Why nodes decline.
pub const REASONS: [&str; 4] = ["busy", "missing", "damaged", "gone"];

/// An offer to a node, as it was told.
#[derive(Clone)]
struct Offered {
    order: OrderId,
    offer: OfferId,
    node: String,
    epoch: u32,
}

/// All of them.
pub struct Stores {
    chance: Chance,
    /// Claims that come about when their offer ends.
    timely: Vec<(i64, Claim)>,
    /// Offers of late, the newest at the end.
    offered: VecDeque<Offered>,
    sequence: u64,
}

fn name(node: u64) -> String {
    format!("n{node}")
}

/// A node's zone, by its number: the last one is the central warehouse.
fn zone_of(node: usize) -> (&'static str, u16) {
    match node {
        n if n == NODES - 1 => ZONES[2],
        n => ZONES[n % 2],
    }
}

/// The partition of a zone.
pub fn partition_of(zone: &str) -> u16 {
    ZONES.iter().find(|(id, _)| *id == zone).map_or(0, |(_, partition)| *partition)
}

impl Stores {
    /// Stores of a seed.
    pub fn new(chance: Chance) -> Stores {
        Stores { chance, timely: Vec::new(), offered: VecDeque::new(), sequence: 0 }
    }

    /// Zones, channels, nodes, items, rules.
    pub fn opening(&mut self) -> Vec<Command> {
        let mut all = Vec::new();
        for (id, partition) in ZONES {
            all.push(Reference::Zone(Zone { id: id.into(), partition: Some(partition) }));
        }
        for (id, when) in CHANNELS.iter().zip([RouteWhen::Placed, RouteWhen::Captured, RouteWhen::Placed]) {
            all.push(Reference::Channel(Channel {
                id: (*id).into(),
                default_zone: Some("east".into()),
                groups: if *id == "pos" { vec!["shop".into()] } else { Vec::new() },
                route_when: when,
                fallback: vec!["west".into(), "central".into()],
                cancel_within: Some(60_000),
                ..Channel::default()
            }));
        }
        for (id, zone) in [("CN-1", "east"), ("CN-2", "west")] {
            all.push(Reference::Region(Region { id: id.into(), zone: zone.into(), centroid: None }));
        }
        for node in 0..NODES {
            all.push(Reference::Node(Box::new(self.node_entry(node))));
        }
        for sku in 0..SKUS {
            all.push(self.item(sku));
        }
        all.push(Reference::Rules(Box::new(rule_set(&mut self.chance, "east"))));
        all.push(Reference::Rules(Box::new(rule_set(&mut self.chance, "west"))));
        all.into_iter().map(publish).collect()
    }

    /// The partition of a command that goes straight to a zone.
    pub fn partition(&self, command: &Command) -> u16 {
        let of_node = |node: &str| node[1..].parse::<usize>().map_or(0, |n| zone_of(n).1);
        match command.zone() {
            Some(zone) => partition_of(zone),
            None => command.node().map_or(0, of_node),
        }
    }

    /// A SKU.
    pub fn sku(&mut self) -> String {
        format!("S{}", self.chance.below(SKUS as u64))
    }

    /// A node.
    pub fn node(&self, said: &mut Chance) -> String {
        name(said.below(NODES as u64))
    }

    /// A region.
    pub fn region(&self, said: &mut Chance) -> String {
        format!("CN-{}", said.within(1, 3))
    }

    fn node_entry(&mut self, node: usize) -> Node {
        let lng = node as f64 - 6.0;
        Node {
            id: name(node as u64),
            zone: zone_of(node).0.into(),
            enabled: true,
            default: node == 0,
            place: (node % 5 != 4).then(|| UnitVector::from_degrees(0.0, lng)).flatten(),
            groups: if node.is_multiple_of(3) {
                vec!["shop".into(), "grab".into()]
            } else {
                vec!["shop".into()]
            },
            modes: vec![DeliveryMode::Delivery],
            capacity_at_once: (node % 4 == 1).then_some(6),
            capacity_a_day: (node % 4 == 2).then_some(40),
            sequence: Some((node * 7 % 12) as u32),
            attributes: vec![("class".into(), vec![["a", "b", "c"][node % 3].into()])],
            ..Node::default()
        }
    }

    fn item(&mut self, sku: usize) -> Reference {
        Reference::Item(Box::new(Item {
            sku: format!("S{sku}"),
            unit_step: if sku % 6 == 5 { Qty(500) } else { Qty::ONE },
            tolerance: if sku % 6 == 5 { 50 } else { 0 },
            untracked: sku == 23,
            ..Item::default()
        }))
    }

    /// What a platform asks about a hold.
    pub fn about_hold(
        &mut self,
        identity: Identity,
        key: [u8; 16],
        of: &[(String, String, i64)],
        lines: Vec<LineQty>,
        reserve: bool,
    ) -> Command {
        let chance = &mut self.chance;
        if reserve && !chance.one_in(5) {
            let node = chance.one_in(3).then(|| name(chance.below(NODES as u64)));
            let line = |chance: &mut Chance, (line, sku, qty): &(String, String, i64)| HoldLine {
                line: line.clone(),
                sku: sku.clone(),
                buckets: Vec::new(),
                qty: Qty::units((*qty).max(1)),
                node: chance.one_in(12).then(|| name(chance.below(NODES as u64))),
                zone: None,
            };
            return Command::Reserve(Reserve {
                to: None,
                identity,
                key,
                node,
                region: None,
                lines: of.iter().map(|of| line(chance, of)).collect(),
                beyond_stock: chance.one_in(6),
                ttl: (!chance.one_in(5)).then(|| chance.within(5, 600) * 1_000),
            });
        }
        match chance.below(3) {
            0 => Command::Extend(Extend { to: None, identity, key, ttl: Some(300_000) }),
            1 => Command::Release(Release { to: None, identity, key, lines }),
            _ => {
                let node = name(chance.below(NODES as u64));
                let act = match chance.below(4) {
                    0 => Steering::Retry { forgive: chance.one_in(2) },
                    1 => Steering::Reroute {
                        node: chance.one_in(2).then_some(node),
                        lines: Vec::new(),
                        same_node: chance.one_in(2),
                    },
                    2 => Steering::Assign { node, lines },
                    _ => Steering::Approve,
                };
                Command::Steer(Steer { to: None, identity, key, act })
            }
        }
    }

    /// What a store, a warehouse or operations says.
    pub fn act(&mut self, now: i64, ledger: &Ledger) -> Option<Command> {
        if let Some(due) = self.timely.iter().position(|(at, _)| *at <= now) {
            return Some(Command::Claim(self.timely.swap_remove(due).1));
        }
        let chance = &mut self.chance;
        match chance.below(20) {
            0..5 => self.about_offer(),
            5..12 => self.about_work(ledger),
            12..19 => Some(self.about_stock()),
            _ => Some(self.about_rules()),
        }
    }

    fn about_offer(&mut self) -> Option<Command> {
        let late = self.offered.len().checked_sub(1)?;
        let chance = &mut self.chance;
        let far = if chance.one_in(5) { late as u64 + 1 } else { (late as u64 + 1).min(6) };
        let back = chance.below(far);
        let mut to = self.offered[late - back as usize].clone();
        let key = chance.one_in(2).then(|| hash(chance));
        if chance.one_in(12) {
            to.node = name(chance.below(NODES as u64));
        }
        if chance.one_in(12) {
            to.epoch = to.epoch.saturating_sub(1);
        }
        let offer = (!chance.one_in(4)).then_some(to.offer);
        Some(match chance.below(5) {
            0..3 => Command::Claim(Claim { order: to.order, offer, node: to.node, epoch: to.epoch, key }),
            _ => Command::Decline(Decline {
                order: to.order,
                offer,
                node: to.node,
                reason: (*chance.pick(&REASONS)).into(),
                lines: part(chance),
                key,
            }),
        })
    }

    fn about_work(&mut self, ledger: &Ledger) -> Option<Command> {
        let chance = &mut self.chance;
        let order = ledger.open_order(chance.below(40) as usize)?;
        let row = ledger.order(order)?;
        let open: Vec<_> =
            row.fulfilments.iter().filter(|f| (f.allocated + f.picked + f.ready).is_positive()).collect();
        let node = if open.is_empty() {
            row.fulfilments.first()?.node.clone()
        } else {
            chance.pick(&open).node.clone()
        };
        let lines = match chance.one_in(4) {
            true => row.lines.iter().take(1).map(|l| LineQty { line: l.line.clone(), qty: None }).collect(),
            false => Vec::new(),
        };
        let key = chance.one_in(2).then(|| hash(chance));
        let fact = NodeFact {
            order,
            node: node.clone(),
            lines,
            key,
            restock: chance.one_in(2),
            ..NodeFact::default()
        };
        Some(match chance.below(12) {
            0..2 => Command::Picked(fact),
            2 => Command::Ready(fact),
            3..8 => Command::Shipped(fact),
            8 => Command::Returned(fact),
            9 => Command::Accepted(fact),
            10 => Command::CancelAnswer(CancelAnswer { order, node, granted: chance.one_in(2), key }),
            _ => match chance.one_in(4) {
                true => Command::HandedOver(fact),
                false => {
                    let reason = (*chance.pick(&REASONS)).into();
                    Command::Decline(Decline { order, offer: None, node, reason, lines: fact.lines, key })
                }
            },
        })
    }

    fn about_stock(&mut self) -> Command {
        self.sequence += 1;
        let sequence = self.sequence;
        let chance = &mut self.chance;
        let sku = format!("S{}", chance.below(SKUS as u64));
        let cell = CellName { node: name(chance.below(NODES as u64)), sku, bucket: String::new() };
        let key = chance.one_in(2).then(|| hash(chance));
        match chance.below(20) {
            0..3 => Command::Count(Count {
                cell,
                qty: Qty::units(chance.within(0, 12)),
                counter: "wms".into(),
                sequence: Some(sequence - chance.below(3).min(sequence - 1)),
                basis: if chance.one_in(4) { Basis::Available } else { Basis::OnHand },
                key,
                ..Count::default()
            }),
            3..14 => Command::Receipt(Movement { cell, qty: Qty::units(chance.within(2, 12)), key }),
            14..17 => {
                let target = *chance.pick(&[AdjustTarget::OnHand, AdjustTarget::Blocked]);
                Command::Adjustment(Adjustment { cell, target, delta: Qty::units(chance.within(-3, 3)), key })
            }
            17 => Command::CellPolicy(CellPolicy {
                cell,
                safety_stock: Qty::units(chance.within(0, 2)),
                backorder: match chance.below(3) {
                    0 => Allowance::None,
                    1 => Allowance::Limited(Qty::units(chance.within(1, 5))),
                    _ => Allowance::Unlimited,
                },
                out_of_stock: chance.one_in(10),
                weekly_sales: chance.one_in(2).then(|| Qty::units(chance.within(0, 9))),
            }),
            18 => Command::ChannelPolicy(ChannelPolicy {
                channel: (*chance.pick(&CHANNELS)).into(),
                zone: chance.pick(&ZONES).0.into(),
                sku: cell.sku,
                bucket: String::new(),
                threshold: Qty::units(chance.within(0, 3)),
                backorder: Allowance::Limited(Qty::units(chance.within(0, 4))),
            }),
            _ => {
                let act = match chance.below(4) {
                    0 => NodeAct::Pause(None),
                    1 => NodeAct::Evacuate,
                    _ => NodeAct::Resume,
                };
                Command::Node(NodeRequest { node: cell.node, act, key })
            }
        }
    }

    fn about_rules(&mut self) -> Command {
        publish(match self.chance.below(4) {
            0 => {
                let zone = self.chance.pick(&ZONES).0;
                Reference::Rules(Box::new(rule_set(&mut self.chance, zone)))
            }
            1 => {
                let node = self.chance.below(NODES as u64) as usize;
                let mut entry = self.node_entry(node);
                entry.enabled = !self.chance.one_in(4);
                Reference::Node(Box::new(entry))
            }
            2 => {
                let sku = self.chance.below(SKUS as u64) as usize;
                self.item(sku)
            }
            _ => Reference::Region(Region { id: "CN-3".into(), zone: "west".into(), centroid: None }),
        })
    }

    /// What the stages told.
    pub fn saw(&mut self, _: Option<&Command>, events: &[Event]) -> Result<(), String> {
        for event in events {
            for row in &event.rows {
                let Row::Offer(row) = row else { continue };
                let node = row.nodes.iter().find(|(_, entry)| *entry == OfferEntry::Open);
                let (Some((node, _)), Some(ends)) = (node, row.deadline) else { continue };
                if self.timely.len() < 20 && self.chance.one_in(4) {
                    let (order, offer, node, epoch) = (row.order, Some(row.offer), node.clone(), row.epoch);
                    let claim = Claim { order, offer, node, epoch, key: None };
                    self.timely.push((ends + self.chance.within(-500, 4_000), claim));
                }
            }
            for change in &event.changes {
                let (Change::Offer(change), Some(order)) = (change, event.order) else { continue };
                let OfferStep::Opened(_, nodes, _) = &change.what else { continue };
                for node in nodes {
                    let (offer, node, epoch) = (change.offer, node.clone(), change.epoch);
                    self.offered.push_back(Offered { order, offer, node, epoch });
                }
            }
        }
        while self.offered.len() > 60 {
            self.offered.pop_front();
        }
        Ok(())
    }
}

fn publish(change: Reference) -> Command {
    Command::Reference(Published { control: 0, change })
}

fn hash(chance: &mut Chance) -> [u8; 16] {
    let mut hash = [0; 16];
    hash[..8].copy_from_slice(&chance.number().to_le_bytes());
    hash
}

fn part(chance: &mut Chance) -> Vec<LineQty> {
    match chance.one_in(4) {
        true => vec![LineQty { line: "0".into(), qty: Some(Qty::units(1)) }],
        false => Vec::new(),
    }
}
