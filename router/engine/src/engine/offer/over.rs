//! How offers end: their time is over, no round is left, they are taken back, a node is out.

use router_schemas::{
    event::{OfferClosed, OfferStep, Unit},
    id::{OfferId, OrderId},
    quantity::Qty,
    row::{OfferEntry, OfferState},
    rules::Retry,
};
use smallvec::SmallVec;

use super::Offer;
use crate::engine::{
    Engine,
    effects::Effects,
    give_back::remember_decline,
    order::{Order, WaitKey},
};

/// Orders that are asked whether what was held is of use to them; who waits behind them has its turn with the next
/// change.
const WAITING_ASKED: usize = 256;

impl Engine {
    /// The time of some of the order's offers is over. A lapse among several nodes excludes nobody and scores little;
    /// where the rule asks one node, it counts as a decline.
    pub(in crate::engine) fn lapse_offers(&mut self, id: OrderId, effects: &mut Effects<'_>) {
        let mut now = self.state.clock.service();
        if fault!(OfferLapsesEarly) {
            now += 20_000;
        }
        self.on_offers(id, effects, |engine, order, effects| {
            let due = order.offers.iter().filter(|o| o.is_open() && o.is_void(now)).map(|o| o.id);
            for id in due.collect::<SmallVec<[OfferId; 8]>>() {
                if let Some(at) = place_of(order, id) {
                    engine.lapse_offer(order, at, effects);
                }
            }
        });
    }

    fn lapse_offer(&mut self, order: &mut Order, at: usize, effects: &mut Effects<'_>) {
        let alone = order.offers[at].terms.nodes == Some(1);
        effects.offer(order, at, OfferStep::Lapsed);
        let now = self.state.clock.engine;
        for node in order.offers[at].open_nodes() {
            self.state.nodes[node as usize].score.lapsed(now, alone);
            if alone {
                remember_decline(order, node);
                effects.touch_order(order.id);
                effects.touch_node(node);
            }
        }
        self.next_round(order, at, OfferClosed::Expired, effects);
    }

    /// Takes back all that is offered of the order; its units are open again, and are routed when it is settled. False:
    /// nothing was offered.
    pub(in crate::engine) fn withdraw_offers(
        &mut self,
        order: &mut Order,
        effects: &mut Effects<'_>,
    ) -> bool {
        let open = open_places(order);
        for at in &open {
            self.end_offer(order, *at, OfferState::Withdrawn, OfferClosed::Withdrawn, effects);
        }
        if !open.is_empty() {
            order.queue = None;
        }
        !open.is_empty()
    }

    /// Takes back offers that cover units of the line, the last made first, until so many of it are open; what is not
    /// cancelled of them is routed when the order is settled.
    pub(in crate::engine) fn withdraw_line(
        &mut self,
        order: &mut Order,
        line: usize,
        qty: Qty,
        effects: &mut Effects<'_>,
    ) {
        for at in open_places(order).into_iter().rev() {
            let covers = order.offers[at].lines.iter().any(|(l, _)| usize::from(*l) == line);
            if covers && order.lines[line].open < qty {
                self.end_offer(order, at, OfferState::Withdrawn, OfferClosed::Withdrawn, effects);
                order.queue = None;
            }
        }
    }

    /// Ends an open offer without a winner: its units are open again.
    pub(super) fn end_offer(
        &mut self,
        order: &mut Order,
        at: usize,
        state: OfferState,
        why: OfferClosed,
        effects: &mut Effects<'_>,
    ) {
        let step = match state {
            OfferState::Withdrawn => OfferStep::Withdrawn,
            _ => OfferStep::Exhausted,
        };
        effects.offer(order, at, step);
        for node in order.offers[at].open_nodes() {
            self.shut(order, at, node, why, effects);
        }
        let before = order.offers[at].expires;
        order.offers[at].state = state;
        self.keep_timer(order, at, before);
        for (sku, qty) in order.needs(&order.offers[at].lines) {
            self.note_freed(order, sku, qty);
        }
        for (line, qty) in order.offers[at].lines.clone() {
            if fault!(HeldKept) {
                continue;
            }
            effects.shift(&mut self.state, order, line, None, (Unit::Held, Unit::Open), qty);
            self.count_held(order, line, -qty);
        }
    }

    /// Units are about to be held no more: has orders looked at that wait for the SKU, where one of them wants more than
    /// was free. Else those that nobody claims would wake one another for ever.
    pub(super) fn note_freed(&mut self, order: &Order, sku: u32, qty: Qty) {
        let waiting = &self.state.skus[sku as usize].waiting;
        if waiting.is_empty() {
            return;
        }
        let Some(most) = self.state.most_of(order, sku) else { return };
        let free = most - qty;
        let wants = |key: &WaitKey| {
            let lines = self.state.orders.get(&key.3).map_or(&[][..], |o| &o.lines);
            lines.iter().filter(|l| l.sku == sku).map(|l| l.open).sum::<Qty>() > free
        };
        if waiting.iter().take(WAITING_ASKED).any(wants) {
            self.state.mark(sku, true);
        }
    }

    /// The node may not claim the offer any more, and is told.
    pub(super) fn shut(
        &mut self,
        order: &mut Order,
        at: usize,
        node: u32,
        why: OfferClosed,
        effects: &mut Effects<'_>,
    ) {
        let needs = order.needs(&order.offers[at].lines);
        let Order { id, offers, .. } = order;
        let offer = &mut offers[at];
        if let Some(entry) = offer.entries.iter_mut().find(|e| e.node == node) {
            entry.state = OfferEntry::Closed(why);
        }
        self.state.offers.close(node, (*id, offer.id), &needs);
        effects.touch_offer(*id, offer.id);
        effects.tell_closed(&self.state, order, at, node, why);
    }

    /// As [`Engine::shut`], for a node alone: it stands in the event as well. Where nobody else may claim the offer, its
    /// next round begins.
    pub(super) fn shut_out(
        &mut self,
        order: &mut Order,
        at: usize,
        node: u32,
        why: OfferClosed,
        effects: &mut Effects<'_>,
    ) {
        let name = self.state.node_name(node).to_owned();
        effects.offer(order, at, OfferStep::Closed(name, why));
        self.shut(order, at, node, why, effects);
        self.unless_asked(order, at, effects);
    }

    /// Begins the next round of an open offer that nobody may claim any more.
    pub(super) fn unless_asked(&mut self, order: &mut Order, at: usize, effects: &mut Effects<'_>) {
        let offer = &order.offers[at];
        if offer.is_open() && offer.open_nodes().is_empty() {
            self.next_round(order, at, OfferClosed::Expired, effects);
        }
    }

    /// Closes offers at a node that was paused or disabled, as far as the budget goes.
    pub(in crate::engine) fn leave(&mut self, budget: &mut usize, effects: &mut Effects<'_>) {
        let Some(node) = self.state.offers.leaving.first().copied() else { return };
        while let Some((id, offer)) = self.state.offers.first_at(node).filter(|_| !self.may_claim(node)) {
            if *budget == 0 || effects.is_full() {
                return;
            }
            *budget -= 1;
            self.close_at(id, offer, node, OfferClosed::Withdrawn, effects);
        }
        self.state.offers.leaving.remove(&node);
    }

    /// Closes offers that a cell cannot fill any more, as far as the budget goes.
    pub(in crate::engine) fn close_short(&mut self, budget: &mut usize, effects: &mut Effects<'_>) {
        let Some((sku, node)) = self.state.offers.short.first().copied() else { return };
        while self.closes_short(node) && !self.state.skus[sku as usize].untracked() {
            let atp = self.state.standing(sku, node).atp;
            let Some((id, offer)) = self.state.offers.first_short(sku, node, atp) else { break };
            if *budget == 0 || effects.is_full() {
                return;
            }
            *budget -= 1;
            self.close_at(id, offer, node, OfferClosed::NoStock, effects);
        }
        self.state.offers.short.remove(&(sku, node));
    }

    /// Whether the node may claim what it was offered. One that cools down may: it only gets nothing new.
    pub(in crate::engine) fn may_claim(&self, node: u32) -> bool {
        let held = &self.state.nodes[node as usize];
        held.known && held.node.enabled && !held.paused && !held.evacuates
    }

    /// Whether nodes are told as soon as they cannot fill what they were offered: not where the rule set retries on
    /// stock alone.
    fn closes_short(&self, node: u32) -> bool {
        let set = self.index.rules.of_zone(&self.state.nodes[node as usize].node.zone);
        set.set.retry == Retry::AnyChange
    }

    fn close_at(
        &mut self,
        id: OrderId,
        offer: OfferId,
        node: u32,
        why: OfferClosed,
        effects: &mut Effects<'_>,
    ) {
        effects.begin_item();
        self.on_offers(id, effects, |engine, order, effects| {
            let at = place_of(order, offer).expect("what is listed is there");
            engine.shut_out(order, at, node, why, effects);
        });
        effects.end_item(&self.state);
    }

    /// Lets `change` work on the offers of the order, and brings the order up to date with what it did. `None`: no such
    /// order.
    pub(super) fn on_offers<T>(
        &mut self,
        id: OrderId,
        effects: &mut Effects<'_>,
        change: impl FnOnce(&mut Self, &mut Order, &mut Effects<'_>) -> T,
    ) -> Option<T> {
        self.with_order(id, |engine, order| {
            let (before, held, waited) = (order.work(), held(order), order.waiting_lines());
            let result = change(engine, order, effects);
            let moved = before != order.work() || held != self::held(order);
            if moved {
                // Who wins is told how long it has.
                engine.keep_work(order, effects);
                effects.tell_nodes(&engine.state, order, &before, false);
                engine.settle(order, effects);
                effects.tell_delay(&engine.state, order, &waited);
            }
            result
        })
    }
}

/// Where the open offers are.
pub(super) fn open_places(order: &Order) -> SmallVec<[usize; 8]> {
    order.offers.iter().enumerate().filter(|(_, o): &(usize, &Offer)| o.is_open()).map(|(n, _)| n).collect()
}

/// Where the offer is; `None`: it is not kept any more.
pub(super) fn place_of(order: &Order, id: OfferId) -> Option<usize> {
    order.offers.iter().position(|o| o.id == id)
}

/// Units of each line that are held or open.
fn held(order: &Order) -> SmallVec<[(Qty, Qty); 16]> {
    order.lines.iter().map(|l| (l.held, l.open)).collect()
}
