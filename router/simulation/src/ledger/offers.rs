//! Offers: I4, I6, their time, and that rows say what the steps add up to.

use std::collections::BTreeSet;

use router_schemas::{
    command::{Command, steer::Steering},
    event::{Event, OfferChange, OfferStep},
    id::OfferId,
    limits::DECLINES,
    row::{OfferEntry, OfferRow, OfferState},
};

use super::{LATE, Ledger, ensure};

#[derive(Default)]
pub(super) struct Offer {
    /// Partition that has it, and when its round ends, service time.
    ends: (u16, Option<i64>),
    pub row: Option<OfferRow>,
    epoch: u32,
    round: u32,
    pub open: BTreeSet<String>,
    winner: Option<String>,
}

impl Ledger {
    pub(super) fn offer(
        &mut self,
        change: &OfferChange,
        event: &Event,
        command: Option<&Command>,
    ) -> Result<(), String> {
        let partition = event.cause.partition;
        let service = self.service(partition);
        let offer = self.offers.entry(change.offer).or_default();
        self.touched.offers.insert(change.offer);
        ensure(change.epoch >= offer.epoch, || format!("{} goes back in its epoch", change.offer))?;
        let account = event.order.and_then(|order| self.orders.get_mut(&order));
        let account = account.ok_or("an offer of no order")?;
        match &change.what {
            OfferStep::Opened(round, nodes, ends) => {
                // Of what a node declined some of, it may claim the rest in the round under way.
                let again = |node: &&String| {
                    let rest = *round == offer.round && offer.open.contains(*node);
                    account.declined.contains(*node) && !rest
                };
                let again = nodes.iter().find(again);
                ensure(again.is_none(), || format!("I6: {again:?} declined, and is asked again"))?;
                offer.ends = (partition, *ends);
                ensure(change.epoch > offer.epoch, || "a round has the epoch of the one before".into())?;
                (offer.winner, offer.round) = (None, *round);
                offer.open = nodes.iter().cloned().collect();
            }
            OfferStep::Closed(node, _) => _ = offer.open.remove(node),
            OfferStep::Declined(node, _, lines) => {
                account.declined.insert(node.clone());
                if lines.is_empty() {
                    offer.open.remove(node);
                }
            }
            OfferStep::Claimed(node) => {
                let Some(Command::Claim(claim)) = command else {
                    return Err("a claim that nobody made".into());
                };
                ensure(claim.epoch == offer.epoch && claim.node == *node, || {
                    format!("I4: epoch {} is claimed, it is {}", claim.epoch, offer.epoch)
                })?;
                let in_time = offer.ends.1.is_none_or(|ends| service < ends);
                ensure(in_time, || format!("claimed at {service}, it ended at {:?}", offer.ends.1))?;
                ensure(offer.winner.is_none(), || "I4: two winners".into())?;
                ensure(offer.open.contains(node), || "I4: a node claims what it was not offered".into())?;
                offer.winner = Some(node.clone());
                offer.open.clear();
            }
            OfferStep::Lapsed => {
                let over = offer.ends.1.is_some_and(|ends| service >= ends);
                ensure(over, || format!("lapsed at {service}, it ends at {:?}", offer.ends.1))?;
                offer.open.clear();
            }
            OfferStep::Exhausted | OfferStep::Withdrawn => {
                offer.open.clear();
                offer.winner = None;
            }
        }
        offer.epoch = change.epoch;
        Ok(())
    }

    /// Operations have nodes asked again.
    pub(super) fn forgive(&mut self, event: &Event, command: Option<&Command>) {
        let account = event.order.and_then(|order| self.orders.get_mut(&order));
        let (Some(account), Some(Command::Steer(steer))) = (account, command) else { return };
        match &steer.act {
            Steering::Retry { forgive: true } => account.declined.clear(),
            Steering::Approve if account.declined.len() >= DECLINES => account.declined.clear(),
            Steering::Assign { node, .. } => _ = account.declined.remove(node),
            _ => {}
        }
    }

    /// Work is late at its deadline, not before.
    pub(super) fn late(&self, node: &str, event: &Event) -> Result<(), String> {
        let order = event.order.ok_or("work of no order is late")?;
        let service = self.service(event.cause.partition);
        let before = self.touched.orders_before.get(&order);
        let due = before.iter().flat_map(|row| &row.fulfilments).filter(|f| f.node == node);
        let due = due.filter_map(|f| f.due).min();
        ensure(due.is_some_and(|due| due <= service), || format!("late at {service}, due at {due:?}"))
    }

    /// I4, and that the row says what the steps add up to.
    pub(super) fn check_offer(&self, id: OfferId) -> Result<(), String> {
        let Some(offer) = self.offers.get(&id) else { return Ok(()) };
        let row = offer.row.as_ref().ok_or_else(|| format!("{id} changed without a row"))?;
        let open = row.nodes.iter().filter(|(_, entry)| *entry == OfferEntry::Open);
        let open: BTreeSet<String> = open.map(|(node, _)| node.clone()).collect();
        ensure(open == offer.open, || {
            format!("{id} of {}: open to {open:?}, by its steps to {:?}", row.order, offer.open)
        })?;
        ensure(row.winner == offer.winner, || {
            format!("{id} of {}: won by {:?}, by its steps {:?}", row.order, row.winner, offer.winner)
        })?;
        ensure(row.epoch == offer.epoch, || {
            format!("{id} of {}: epoch {}, by its steps {}", row.order, row.epoch, offer.epoch)
        })?;
        let won = row.nodes.iter().filter(|(_, entry)| *entry == OfferEntry::Won).count();
        let legal = match row.state {
            OfferState::Offered => won == 0 && !open.is_empty(),
            OfferState::Claimed => won == 1 && open.is_empty(),
            OfferState::Exhausted | OfferState::Withdrawn => won == 0 && open.is_empty(),
        };
        ensure(legal, || format!("I4: {id} of {} is {:?} with {:?}", row.order, row.state, row.nodes))
    }

    /// No offer is open long behind its end.
    pub(super) fn lapsed_offers(&self) -> Result<(), String> {
        self.offers.iter().filter(|(_, offer)| !offer.open.is_empty()).try_for_each(|(id, offer)| {
            let service = self.service(offer.ends.0);
            let late = offer.ends.1.is_some_and(|ends| service > ends + LATE);
            ensure(!late, || format!("{id} is open at {service}, it ended at {:?}", offer.ends.1))
        })
    }
}
