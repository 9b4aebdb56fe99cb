//! I4 and I6 from outside: what events say of offers, compared with their rows and with what the engine answers.

use std::collections::{BTreeMap, BTreeSet};

use router_engine::engine::Engine;
use router_schemas::{
    event::{Event, OfferChange, OfferStep},
    id::{OfferId, OrderId},
    row::{OfferEntry, OfferRow, OfferState},
};

/// Who may claim an offer, and under which epoch.
struct Open {
    order: OrderId,
    epoch: u32,
    nodes: BTreeSet<String>,
}

#[derive(Default)]
pub struct Offers {
    open: BTreeMap<OfferId, Open>,
    rounds: BTreeMap<OfferId, u32>,
    won: BTreeMap<OfferId, String>,
    /// Who declined an order, or gave it back.
    declined: BTreeSet<(OrderId, String)>,
    /// Who declined some of an order, and may have this offer of it in the round under way.
    parts: BTreeSet<(OfferId, String)>,
    rows: BTreeMap<OfferId, OfferRow>,
    /// What the last record named.
    fresh: BTreeSet<OfferId>,
}

impl Offers {
    /// The next record begins.
    pub fn begin(&mut self) {
        self.fresh.clear();
    }

    pub fn row(&mut self, row: &OfferRow) {
        self.rows.insert(row.offer, row.clone());
        self.fresh.insert(row.offer);
    }

    /// Operations took a hand in the order: who declined may be asked again.
    pub fn steered(&mut self, order: Option<OrderId>) {
        self.declined.retain(|(declined, _)| Some(*declined) != order);
    }

    pub fn given_back(&mut self, order: OrderId, node: &str) {
        self.declined.insert((order, node.to_owned()));
        // What it may claim already stays, in the round under way.
        let open = self.open.iter().filter(|(_, o)| o.order == order && o.nodes.contains(node));
        self.parts.extend(open.map(|(id, _)| (*id, node.to_owned())));
    }

    pub fn change(&mut self, event: &Event, change: &OfferChange) -> Result<(), String> {
        let order = event.order.ok_or("an offer changes in an event about no order")?;
        let id = change.offer;
        self.fresh.insert(id);
        match &change.what {
            OfferStep::Opened(round, nodes, _) => {
                if let Some(winner) = self.won.remove(&id)
                    && !self.declined.contains(&(order, winner.clone()))
                {
                    return Err(format!("I4: opened again although {winner} has it"));
                }
                let before = self.open.get(&id).map_or(0, |o| o.epoch);
                if change.epoch <= before {
                    return Err(format!("I4: epoch {} after {before}", change.epoch));
                }
                let same = self.rounds.insert(id, *round) == Some(*round);
                for node in nodes {
                    let part = same && self.parts.contains(&(id, node.clone()));
                    if self.declined.contains(&(order, node.clone())) && !part {
                        return Err(format!("I6: {node} declined and is asked again"));
                    }
                }
                let nodes = nodes.iter().cloned().collect();
                self.open.insert(id, Open { order, epoch: change.epoch, nodes });
            }
            OfferStep::Closed(node, _) => {
                self.leave(id, node)?;
            }
            OfferStep::Claimed(node) => {
                let Open { epoch, nodes: open, .. } =
                    self.open.remove(&id).ok_or("I4: claimed, and not open")?;
                if epoch != change.epoch || !open.contains(node) {
                    return Err(format!(
                        "I4: {node} claims epoch {}, open is {epoch} with {open:?}",
                        change.epoch
                    ));
                }
                if let Some(before) = self.won.insert(id, node.clone()) {
                    return Err(format!("I4: {before} had it"));
                }
            }
            OfferStep::Declined(node, _, lines) => {
                if lines.is_empty() {
                    self.leave(id, node)?;
                }
                self.given_back(order, node);
            }
            OfferStep::Lapsed => {}
            OfferStep::Exhausted | OfferStep::Withdrawn => {
                self.open.remove(&id);
                self.won.remove(&id);
            }
        }
        Ok(())
    }

    fn leave(&mut self, id: OfferId, node: &str) -> Result<(), String> {
        let open = self.open.get_mut(&id).ok_or("closed for a node, and not open")?;
        match open.nodes.remove(node) {
            true => Ok(()),
            false => Err(format!("closed for {node}, which was not asked")),
        }
    }

    /// What the engine answers is what the last row of it said, and what the changes add up to: of all, or of what was
    /// named by the last record.
    pub fn agree_with(&self, engine: &Engine, all: bool) -> Result<(), String> {
        for (id, row) in self.rows.iter().filter(|(id, _)| all || self.fresh.contains(id)) {
            // Those that are over leave, the oldest first.
            let now = engine.offers(row.order).into_iter().find(|now| now.offer == *id);
            if now.as_ref().is_some_and(|now| now != row) {
                return Err(format!("the last row was {row:?}, the engine has {now:?}"));
            }
            let open: BTreeSet<String> =
                row.nodes.iter().filter(|(_, e)| *e == OfferEntry::Open).map(|(n, _)| n.clone()).collect();
            let summed = self.open.get(id).map(|o| o.nodes.clone()).unwrap_or_default();
            let stated = row.state == OfferState::Offered;
            if open != summed
                || stated != self.open.contains_key(id)
                || row.winner.as_ref() != self.won.get(id)
            {
                return Err(format!(
                    "I4: the row is {row:?}, the changes add up to {summed:?}, {:?}",
                    self.won.get(id)
                ));
            }
        }
        match self.fresh.iter().find(|id| !self.rows.contains_key(id)) {
            Some(id) => Err(format!("offer {id} changed without a row")),
            None => Ok(()),
        }
    }
}
