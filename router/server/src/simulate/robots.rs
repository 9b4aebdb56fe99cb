//! Stores of a history that never was. What real stores did names orders and nodes that other rules may not have
//! brought together, so it cannot be applied as it was.
//!
//! - What a node says of work that it has here too is applied as it was, for the lines that it has.
//! - Work that other nodes have here is done by them, when the real one did it: picked, ready, shipped, returned.
//! - A claim counts where the node has an open offer here; a decline where it has an offer or the work. Others are left out.
//! - An offer that nobody claimed for a stated time is claimed by its best node that can have it.

use std::collections::{BTreeMap, BTreeSet};

use router_schemas::{
    command::{Command, fulfilment::NodeFact, offer::Claim, order::LineQty},
    event::OrderState,
    id::{OfferId, OrderId},
    quantity::Qty,
    row::{FulfilmentRow, OfferEntry, OrderRow},
};

use super::{
    SimulateError,
    world::{Open, World},
};

/// The robots, and what they did.
pub(super) struct Robots {
    /// Time after which an offer is claimed, ms; absent: never.
    claim_after: Option<i64>,
    /// When which round of which offer is claimed.
    due: BTreeSet<(i64, OrderId, OfferId, u32)>,
    /// Rounds of offers whose claim is planned.
    planned: BTreeSet<(OrderId, OfferId, u32)>,
    /// Claims that they made and that were taken.
    pub claims: u64,
    /// Facts that another node stated in place of the real one.
    pub moved: u64,
    /// Facts, claims and declines that were left out.
    pub ignored: u64,
}

impl Robots {
    pub fn new(claim_after: Option<i64>) -> Robots {
        let (due, planned) = (BTreeSet::new(), BTreeSet::new());
        Robots { claim_after, due, planned, claims: 0, moved: 0, ignored: 0 }
    }

    /// Plans claims of the offers that changed.
    pub fn look(&mut self, world: &mut World, at: i64) {
        let changed = std::mem::take(&mut world.changed);
        let Some(after) = self.claim_after else { return };
        for (order, offer) in changed {
            if let Some(open) = world.offers.get(&(order, offer)) {
                let epoch = open.row.epoch;
                // Planned once a round, when it began.
                if self.planned.insert((order, offer, epoch)) {
                    self.due.insert((at.saturating_add(after), order, offer, epoch));
                }
            }
        }
    }

    /// Makes the claims that are due up to a time.
    pub fn claim(&mut self, world: &mut World, upto: i64) -> Result<(), SimulateError> {
        while let Some((at, order, offer, epoch)) = self.due.first().copied().filter(|due| due.0 <= upto) {
            self.due.pop_first();
            self.planned.remove(&(order, offer, epoch));
            let Some(open) = world.offers.get(&(order, offer)).filter(|open| open.row.epoch == epoch) else {
                continue;
            };
            let partition = open.partition;
            let nodes: Vec<String> = open_nodes(&open.row.nodes).map(str::to_owned).collect();
            // The first that the engine lets have it: the rest may be full, or have nothing left.
            for node in nodes {
                let claim = Claim { order, offer: Some(offer), node, epoch, key: None };
                world.say(partition, at, &Command::Claim(claim))?;
                if !world.offers.contains_key(&(order, offer)) {
                    self.claims += 1;
                    break;
                }
            }
            self.look(world, at);
        }
        Ok(())
    }

    /// What of a record of the log is said here: itself, itself in the name of others, or nothing. `None`: it is
    /// applied as it is.
    pub fn instead(&mut self, world: &World, partition: u16, command: Command) -> Option<Vec<Command>> {
        let said = match command {
            Command::Accepted(fact) => {
                self.fact(world, partition, fact, Command::Accepted, |f| match f.accepted {
                    true => Qty::ZERO,
                    false => f.promised(),
                })
            }
            Command::Picked(fact) => {
                self.fact(world, partition, fact, Command::Picked, |f| f.allocated + f.backordered)
            }
            Command::Ready(fact) => {
                self.fact(world, partition, fact, Command::Ready, |f| f.allocated + f.picked)
            }
            Command::Shipped(fact) => {
                self.fact(world, partition, fact, Command::Shipped, |f| f.allocated + f.picked + f.ready)
            }
            Command::HandedOver(fact) => {
                self.fact(world, partition, fact, Command::HandedOver, |f| f.allocated + f.picked + f.ready)
            }
            Command::Returned(fact) => {
                self.fact(world, partition, fact, Command::Returned, |f| f.shipped - f.returned)
            }
            Command::Claim(mut claim) => match offer_to(world, claim.order, &claim.node) {
                Some(open) => {
                    (claim.offer, claim.epoch) = (Some(open.row.offer), open.row.epoch);
                    vec![Command::Claim(claim)]
                }
                // Offers that were open when the stretch began are the engine's to judge.
                None if was_offered(world, partition, claim.order) => vec![Command::Claim(claim)],
                None => self.leave_out(),
            },
            Command::Decline(mut decline) => {
                // Real ids of offers are none of this history.
                decline.offer = None;
                let (order, node) = (decline.order, decline.node.as_str());
                let counts = offer_to(world, order, node).is_some()
                    || works(world, partition, order, node)
                    || was_offered(world, partition, order);
                if counts { vec![Command::Decline(decline)] } else { self.leave_out() }
            }
            Command::CancelAnswer(answer) => match works(world, partition, answer.order, &answer.node) {
                true => vec![Command::CancelAnswer(answer)],
                false => self.leave_out(),
            },
            _ => return None,
        };
        Some(said)
    }

    fn leave_out(&mut self) -> Vec<Command> {
        self.ignored += 1;
        Vec::new()
    }

    /// `units`: of those at a node, which the fact can be about.
    fn fact(
        &mut self,
        world: &World,
        partition: u16,
        fact: NodeFact,
        kind: fn(NodeFact) -> Command,
        units: fn(&FulfilmentRow) -> Qty,
    ) -> Vec<Command> {
        let Some(row) = world.order_at(partition, fact.order) else { return self.leave_out() };
        let has = at_nodes(&row, units);
        if let Some(own) = has.get(&fact.node) {
            let lines = common(own, &fact.lines);
            if fact.lines.is_empty() || !lines.is_empty() {
                return vec![kind(NodeFact { lines, ..fact })];
            }
        }
        // Units of a line that several others have are stated by each, up to what was stated.
        let stated = |(node, own): (&String, &BTreeMap<String, Qty>)| {
            let lines = common(own, &fact.lines);
            let some = fact.lines.is_empty() || !lines.is_empty();
            some.then(|| kind(NodeFact { node: node.clone(), lines, key: None, ..fact.clone() }))
        };
        let others: Vec<Command> = has.iter().filter_map(stated).collect();
        if others.is_empty() {
            return self.leave_out();
        }
        self.moved += 1;
        others
    }
}

/// True where the order has an open offer of before the stretch: no row told of it.
fn was_offered(world: &World, partition: u16, order: OrderId) -> bool {
    let row = world.order_at(partition, order);
    row.is_some_and(|row| row.state == OrderState::Offered) && offers_of(world, order).next().is_none()
}

/// An order's open offers.
fn offers_of(world: &World, order: OrderId) -> impl Iterator<Item = &Open> {
    let from = world.offers.range((order, OfferId::default())..);
    from.take_while(move |((of, _), _)| *of == order).map(|(_, open)| open)
}

fn open_nodes(entries: &[(String, OfferEntry)]) -> impl Iterator<Item = &str> {
    entries.iter().filter(|(_, entry)| *entry == OfferEntry::Open).map(|(node, _)| node.as_str())
}

/// An open offer of the order that the node may claim.
fn offer_to<'w>(world: &'w World, order: OrderId, node: &str) -> Option<&'w Open> {
    offers_of(world, order).find(|open| open_nodes(&open.row.nodes).any(|n| n == node))
}

/// Whether the node has units of the order that it has not shipped.
fn works(world: &World, partition: u16, order: OrderId, node: &str) -> bool {
    let row = world.order_at(partition, order);
    row.is_some_and(|row| row.fulfilments.iter().any(|f| f.node == node && f.promised().is_positive()))
}

/// Node → line → units.
fn at_nodes(row: &OrderRow, units: fn(&FulfilmentRow) -> Qty) -> BTreeMap<String, BTreeMap<String, Qty>> {
    let mut has: BTreeMap<String, BTreeMap<String, Qty>> = BTreeMap::new();
    for at in &row.fulfilments {
        let (qty, line) = (units(at), row.lines.get(usize::from(at.line)));
        if let (true, Some(line)) = (qty.is_positive(), line) {
            *has.entry(at.node.clone()).or_default().entry(line.line.clone()).or_default() += qty;
        }
    }
    has
}

/// Of the lines that a fact states, what a node has of them; nothing stated: nothing, which means all.
fn common(own: &BTreeMap<String, Qty>, stated: &[LineQty]) -> Vec<LineQty> {
    let lines = stated.iter().filter_map(|said| {
        let has = *own.get(&said.line)?;
        Some(LineQty { line: said.line.clone(), qty: Some(said.qty.map_or(has, |qty| qty.min(has))) })
    });
    lines.collect()
}
