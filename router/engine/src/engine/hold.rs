//! Holds: stock kept for an order for a time, before it is placed or paid. One hold an order; it is set line by line.
//! What is pinned stands in the cell of its node, what is not in the channel's pool (`pool.rs`).
//!
//! A hold is void from its expiry on: what has lapsed is worked off before every command, not with ticks only.

use std::collections::BTreeMap;

use router_schemas::{
    command::{Assigned, Hash16, hold::Extend},
    event::{Change, Exception, HoldCause, HoldChange, Outcome},
    id::{Identity, OrderId},
    limits::{CONTENT_HASHES, REMEMBER_MS, TTL_MS},
    quantity::Qty,
    refusal::Refusal,
    reply::Answer,
    row::{HoldRow, HoldState},
};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::{
    Engine, Verdict,
    effects::Effects,
    lapse::Lapse,
    leg::{Far, Leg, LegHere},
    order::Order,
    refuse,
    reserve::{places, times},
    state::State,
    time::due,
};

/// Moves of one change in an event.
const MOVES: usize = 500;

/// What is held for an order. Kept empty after its end, so that a repeat is answered as the first time.
#[derive(Debug, Serialize, Deserialize)]
pub struct Hold {
    pub identity: Identity,
    pub zone: String,
    pub state: HoldState,
    pub lines: Vec<Held>,
    /// What is held in other zones, by the leg's number from 1.
    pub legs: Vec<Leg>,
    /// It is itself a leg of another zone's hold.
    pub leg_of: Option<LegHere>,
    /// Engine time since when nothing is held.
    pub ended: Option<i64>,
    /// When it is looked at next, and when the first line is void; service time.
    timer: Option<i64>,
    void: Option<i64>,
    /// Keys of the last requests, and what they were refused for, the newest at the end.
    said: Vec<(Hash16, Option<Refusal>)>,
}

/// A line of a hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    pub line: String,
    /// At this node; else in the channel's pool.
    pub node: Option<u32>,
    /// The node was chosen here, as several buckets must be at one.
    pub chosen: bool,
    /// The SKU in each bucket, each with the whole quantity.
    pub skus: SmallVec<[u32; 1]>,
    pub qty: Qty,
    /// Service time at which it lapses, and at which that is told once.
    pub expires: Option<i64>,
    pub alert: Option<i64>,
}

impl Hold {
    pub fn new(to: &Assigned, identity: &Identity) -> Self {
        Hold {
            identity: identity.clone(),
            zone: to.zone.clone(),
            state: HoldState::Held,
            lines: Vec::new(),
            legs: Vec::new(),
            leg_of: None,
            ended: None,
            timer: None,
            void: None,
            said: Vec::new(),
        }
    }

    /// What it holds of a SKU at a node, or without one.
    pub fn at(&self, node: Option<u32>, sku: u32) -> Qty {
        let mine = self.lines.iter().filter(|l| l.node == node && l.skus.contains(&sku));
        mine.map(|l| l.qty).sum()
    }

    /// When its first line lapses, service time.
    pub fn expires(&self) -> Option<i64> {
        self.lines.iter().map(|l| l.expires).chain(self.far().map(|l| l.expires)).flatten().min()
    }
}

impl Engine {
    /// What is held for an order as it stands; `None`: nothing ever was.
    pub fn hold(&self, order: OrderId) -> Option<HoldRow> {
        self.state.hold_row(order)
    }

    /// A hold lapses later, or never.
    pub(super) fn extend(&mut self, asked: Extend, effects: &mut Effects<'_>) -> Verdict {
        let Some(id) = asked.to.as_ref().map(|to| to.order) else {
            return refuse(Refusal::WrongZone, "the request did not come through intake");
        };
        if let Some(verdict) = self.said_before(id, &asked.key) {
            return verdict;
        }
        let now = self.state.clock.service();
        let verdict = match self.state.holds.get_mut(&id).filter(|hold| !hold.is_over()) {
            _ if asked.ttl.is_some_and(|ttl| !(1..=TTL_MS).contains(&ttl)) => refuse(Refusal::Invalid, "ttl"),
            None => refuse(Refusal::NoHold, &asked.identity.to_string()),
            Some(hold) => {
                for line in &mut hold.lines {
                    (line.expires, line.alert) = times(now, asked.ttl);
                }
                for far in hold.legs.iter_mut().flat_map(|leg| &mut leg.lines) {
                    (far.expires, far.alert) = times(now, asked.ttl);
                }
                effects.touch_hold(id);
                effects.hold_changed(id, HoldCause::Extended);
                self.extend_legs(id, effects);
                self.schedule(id);
                (Outcome::Applied, Answer::Done)
            }
        };
        self.note_said(id, asked.key, &verdict);
        verdict
    }

    /// Brings what is held to these lines.
    pub(super) fn set_hold(
        &mut self,
        order: OrderId,
        lines: Vec<Held>,
        cause: HoldCause,
        effects: &mut Effects<'_>,
    ) {
        let Some(hold) = self.state.holds.get_mut(&order) else { return };
        let mut deltas = places(&lines);
        for (place, qty) in places(&hold.lines) {
            *deltas.entry(place).or_default() -= qty;
        }
        hold.lines = lines;
        let (zone, channel) = (hold.zone.clone(), hold.identity.channel.clone());
        let mut moves = Vec::new();
        for ((node, sku), delta) in deltas {
            if delta.is_zero() {
                continue;
            }
            match node {
                Some(node) => effects.hold_cell(&mut self.state, sku, node, delta),
                None => {
                    let kept = fault!(UnpinnedHoldKept) && cause == HoldCause::Released;
                    if !kept {
                        self.state.hold_unpinned(&zone, &channel, sku, delta);
                    }
                    if delta < Qty::ZERO {
                        self.state.mark(sku, false);
                    }
                    let pool = self.state.pools.number_of(&zone, &channel);
                    effects.touch_pool(sku, pool);
                }
            }
            let of_sku = &self.state.skus[sku as usize];
            let node = node.map(|n| self.state.node_name(n).to_owned());
            moves.push((node, of_sku.name.clone(), of_sku.bucket.clone(), delta));
        }
        let moves_count = moves.len();
        for some in moves.chunks(MOVES) {
            effects.change(Change::Hold(HoldChange { order, cause, moves: some.to_vec() }));
        }
        if moves.is_empty() {
            effects.hold_changed(order, cause);
        }
        effects.touch_hold(order);
        effects.weigh_hold(moves_count);
        let Some(hold) = self.state.holds.get_mut(&order) else { return };
        hold.state = match cause {
            // That all zones have confirmed is told below.
            _ if !hold.is_over() && hold.state == HoldState::Confirming && hold.leg_of.is_none() => {
                hold.state
            }
            _ if !hold.is_over() => hold.standing(),
            HoldCause::Lapsed => HoldState::Lapsed,
            HoldCause::Converted => HoldState::Converted,
            HoldCause::Failed => HoldState::Failed,
            HoldCause::Reserved | HoldCause::Extended | HoldCause::Released | HoldCause::Confirmed => {
                HoldState::Released
            }
        };
        self.end_hold(order);
        self.schedule(order);
        self.further(order, effects);
    }

    /// Notes since when nothing is held, or that something is again.
    pub(super) fn end_hold(&mut self, order: OrderId) {
        let now = self.state.clock.engine;
        let Some(hold) = self.state.holds.get_mut(&order) else { return };
        match (hold.is_over(), hold.ended) {
            (true, None) => {
                hold.ended = Some(now);
                self.state.counts.holds -= 1;
                self.state.closed.insert((now + REMEMBER_MS, order));
            }
            (false, Some(since)) => {
                hold.ended = None;
                self.state.counts.holds += 1;
                self.state.closed.remove(&(since + REMEMBER_MS, order));
            }
            _ => {}
        }
    }

    /// Keeps when the hold is looked at next.
    fn schedule(&mut self, order: OrderId) {
        let Some(hold) = self.state.holds.get_mut(&order) else { return };
        let far = hold.far().map(|l| l.alert.or(l.expires));
        let timer = hold.lines.iter().map(|l| l.alert.or(l.expires)).chain(far).flatten().min();
        let old = std::mem::replace(&mut hold.timer, timer);
        let void = hold.expires();
        let voided = std::mem::replace(&mut hold.void, void);
        if let Some(at) = old {
            self.state.deadlines.remove(&(at, Lapse::Hold(order)));
        }
        if let Some(at) = voided {
            self.state.voids.remove(&(at, order));
        }
        self.state.deadlines.extend(timer.map(|at| (at, Lapse::Hold(order))));
        self.state.voids.extend(void.map(|at| (at, order)));
    }

    /// Works off the first hold that is void. False: none is.
    pub(super) fn void_hold(&mut self, effects: &mut Effects<'_>) -> bool {
        let Some((_, order)) = due(&self.state.voids, self.state.clock.service()) else { return false };
        effects.begin_item();
        self.lapse_hold(order, effects);
        effects.end_item(&self.state);
        true
    }

    /// Whether a hold is void that nobody worked off.
    pub(super) fn is_hold_void(&self) -> bool {
        due(&self.state.voids, self.state.clock.service()).is_some()
    }

    /// Lapses the lines whose time is over, and tells once of those whose time is about to be.
    pub(super) fn lapse_hold(&mut self, order: OrderId, effects: &mut Effects<'_>) {
        let mut now = self.state.clock.service();
        if fault!(HoldLapsesEarly) {
            now += 20_000;
        }
        let Some(hold) = self.state.holds.get_mut(&order) else { return };
        // The entry that led here may be gone already.
        hold.timer = None;
        let is_over = |at: Option<i64>| at.is_some_and(|at| at <= now);
        let mut soon = None;
        let far = hold.legs.iter_mut().flat_map(|leg| &mut leg.lines).map(|l| (&mut l.alert, l.expires));
        let here = hold.lines.iter_mut().map(|l| (&mut l.alert, l.expires));
        for (alert, expires) in here.chain(far).filter(|(alert, _)| is_over(**alert)) {
            *alert = None;
            if !is_over(expires) {
                soon = soon.min(expires).or(expires);
            }
        }
        let left: Vec<Held> = hold.lines.iter().filter(|l| !is_over(l.expires)).cloned().collect();
        let lapsed = left.len() < hold.lines.len() || hold.far().any(|l| is_over(l.expires));
        let confirming = hold.state == HoldState::Confirming && hold.leg_of.is_none();
        if let Some(at) = soon {
            effects.touch_hold(order);
            effects.exception(Exception::HoldLapses(at));
            effects.hold_notice(&self.state, order, "hold_lapses");
        }
        match lapsed {
            // Not all of it was held in time.
            true if confirming => self.fail_hold(order, effects),
            true => {
                let keep = |far: &Far| if is_over(far.expires) { Qty::ZERO } else { far.qty };
                self.shrink_legs(order, keep, effects);
                self.set_hold(order, left, HoldCause::Lapsed, effects);
                self.lapse_leg(order, effects);
            }
            false => self.schedule(order),
        }
    }

    /// The order's own hold is given back before it is routed: it has what it needs at once, or others may have it.
    pub(super) fn take_over_hold(&mut self, order: &Order, effects: &mut Effects<'_>) {
        if self.state.pools.any_held() {
            // Looked up by number from here on.
            self.state.pools.number_of(&order.zone, &order.identity.channel);
        }
        if self.state.holds.get(&order.id).is_some_and(|hold| !hold.is_over()) {
            // Zones that get parts of it have them held until then.
            self.shrink_legs(order.id, |_| Qty::ZERO, effects);
            self.set_hold(order.id, Vec::new(), HoldCause::Converted, effects);
            // It is being routed: what it gives back is no reason to do it again.
            self.state.resting.insert(order.id);
        }
    }

    /// Of an order that waits no more is held than is open of it.
    pub(super) fn trim_hold(&mut self, order: &Order, effects: &mut Effects<'_>) {
        let Some(hold) = self.state.holds.get(&order.id).filter(|hold| !hold.is_over()) else { return };
        let mut lines = hold.lines.clone();
        let mut open: BTreeMap<u32, Qty> = BTreeMap::new();
        for line in &order.lines {
            *open.entry(line.sku).or_default() += line.open;
        }
        let mut fit = |skus: &[u32], qty: Qty| {
            let fits = skus.iter().map(|sku| open.get(sku).copied().unwrap_or_default()).min();
            let qty = qty.min(fits.unwrap_or_default());
            for sku in skus {
                *open.entry(*sku).or_default() -= qty;
            }
            qty
        };
        for line in &mut lines {
            line.qty = fit(&line.skus, line.qty);
        }
        lines.retain(|line| line.qty.is_positive());
        let less = lines != hold.lines;
        if self.shrink_legs(order.id, |far| fit(&far.skus, far.qty), effects) || less {
            self.set_hold(order.id, lines, HoldCause::Released, effects);
        }
    }

    /// Gives back of a hold; no lines: all of it. True: there was something.
    pub(super) fn give_back_hold(
        &mut self,
        order: OrderId,
        wanted: &[(&str, Qty)],
        effects: &mut Effects<'_>,
    ) -> bool {
        let Some(hold) = self.state.holds.get(&order).filter(|hold| !hold.is_over()) else { return false };
        let left = |name: &str, qty: Qty| {
            let asked = wanted.iter().find(|(line, _)| *line == name).map(|(_, qty)| *qty);
            (qty - asked.unwrap_or(if wanted.is_empty() { qty } else { Qty::ZERO })).floor_zero()
        };
        let mut lines = hold.lines.clone();
        lines.iter_mut().for_each(|line| line.qty = left(&line.line, line.qty));
        lines.retain(|line| line.qty.is_positive());
        let less = lines != hold.lines;
        if !self.shrink_legs(order, |far| left(&far.line, far.qty), effects) && !less {
            return false;
        }
        self.set_hold(order, lines, HoldCause::Released, effects);
        true
    }

    /// What ended long ago leaves memory; intake forgets an order that never came. Returns whose it was; `None`: it
    /// stays, or its order is here.
    pub(super) fn forget_hold(&mut self, at: i64, order: OrderId) -> Option<Identity> {
        let ended = self.state.holds.get(&order).and_then(|hold| hold.ended);
        ended.filter(|since| since + REMEMBER_MS == at)?;
        let hold = self.state.holds.remove(&order)?;
        if let Some(here) = hold.leg_of {
            self.state.legs.remove(&(here.of.order, here.of.leg));
            return Some(hold.identity);
        }
        (!self.state.orders.contains_key(&order)).then_some(hold.identity)
    }

    /// The first answer to a request, where its key is known.
    pub(super) fn said_before(&self, order: OrderId, key: &Hash16) -> Option<Verdict> {
        let hold = self.state.holds.get(&order).filter(|_| *key != Hash16::default())?;
        let (_, refused) = hold.said.iter().find(|(said, _)| said == key)?;
        let answer = match refused {
            Some(refusal) => Answer::Refused { refusal: *refusal, detail: String::new() },
            None => Answer::Done,
        };
        Some((Outcome::Repeat, answer))
    }

    /// Remembers the answer to a request about an order that has, or had, a hold.
    pub(super) fn note_said(&mut self, order: OrderId, key: Hash16, verdict: &Verdict) {
        let Some(hold) = self.state.holds.get_mut(&order).filter(|_| key != Hash16::default()) else {
            return;
        };
        if hold.said.len() == CONTENT_HASHES {
            hold.said.remove(0);
        }
        let refused = match &verdict.1 {
            Answer::Refused { refusal, .. } => Some(*refusal),
            _ => None,
        };
        hold.said.push((key, refused));
    }
}

impl State {
    /// The row of an order's hold.
    pub fn hold_row(&self, order: OrderId) -> Option<HoldRow> {
        let hold = self.holds.get(&order)?;
        let expires = hold.expires();
        let lines = hold.lines.iter().flat_map(|line| {
            line.skus.iter().map(|sku| {
                let of_sku = &self.skus[*sku as usize];
                let node = line.node.map(|n| self.node_name(n).to_owned());
                (line.line.clone(), node, of_sku.name.clone(), of_sku.bucket.clone(), line.qty)
            })
        });
        Some(HoldRow {
            order,
            identity: hold.identity.clone(),
            zone: hold.zone.clone(),
            state: hold.state,
            expires,
            deadline: expires.map(|at| at + self.clock.engine - self.clock.service()),
            lines: lines.collect(),
            legs: self.leg_rows(hold),
            leg_of: hold.leg_of.as_ref().map(|here| here.of.clone()),
        })
    }
}
