//! Holds: stock kept for an order for a time, before it is placed or paid. One hold an order; it is set line by line.
//! What is pinned stands in the cell of its node, what is not in the channel's pool (`pool.rs`).
//!
//! A hold is void from its expiry on: what has lapsed is worked off before every command, not with ticks only.

use std::collections::BTreeMap;

use router_schemas::{
    command::{
        Assigned, Hash16,
        hold::{Extend, HoldLine, Reserve},
    },
    event::{Change, Exception, HoldCause, HoldChange, Outcome},
    id::{Identity, OrderId},
    limits::{BUCKETS, CONTENT_HASHES, HOLD_CELLS, HOLD_LINES, QTY_MAX, REMEMBER_MS, TTL_MS},
    quantity::Qty,
    refusal::Refusal,
    reply::Answer,
    row::{HoldRow, HoldState},
};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::{Engine, Verdict, effects::Effects, lapse::Lapse, order::Order, refuse, state::State};

/// Who holds is told that it ends a tenth of its time before, but at least so long before, where half of its time is
/// longer.
const ALERT_MS: i64 = 60_000;
/// Moves of one change in an event.
const MOVES: usize = 500;

/// What is held for an order. Kept empty after its end, so that a repeat is answered as the first time.
#[derive(Debug, Serialize, Deserialize)]
pub struct Hold {
    pub identity: Identity,
    pub zone: String,
    pub state: HoldState,
    pub lines: Vec<Held>,
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
    alert: Option<i64>,
}

/// What is held where: node or pool, SKU.
type Places = BTreeMap<(Option<u32>, u32), Qty>;

impl Hold {
    fn new(to: &Assigned, identity: &Identity) -> Self {
        Hold {
            identity: identity.clone(),
            zone: to.zone.clone(),
            state: HoldState::Held,
            lines: Vec::new(),
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
        self.lines.iter().filter_map(|l| l.expires).min()
    }
}

fn places(lines: &[Held]) -> Places {
    let mut places = Places::new();
    for line in lines {
        for sku in &line.skus {
            *places.entry((line.node, *sku)).or_default() += line.qty;
        }
    }
    places
}

impl Engine {
    /// What is held for an order as it stands; `None`: nothing ever was.
    pub fn hold(&self, order: OrderId) -> Option<HoldRow> {
        self.state.hold_row(order)
    }

    /// Sets an order's hold, line by line: all of the lines or none.
    pub(super) fn reserve(&mut self, asked: Reserve, effects: &mut Effects<'_>) -> Verdict {
        let Some(to) = &asked.to else {
            return refuse(Refusal::WrongZone, "the request did not come through intake");
        };
        if !self.state.zones.contains(&to.zone) {
            return refuse(Refusal::WrongZone, &to.zone);
        }
        if let Some(verdict) = self.said_before(to.order, &asked.key) {
            return verdict;
        }
        let (order, zone) = (to.order, to.zone.clone());
        self.state.holds.entry(order).or_insert_with(|| Hold::new(to, &asked.identity));
        self.end_hold(order);
        let said = self.wanted(order, &zone, &asked).and_then(|(lines, changed)| {
            if changed {
                self.check(order, &zone, &asked, &lines)?;
            }
            Ok((lines, changed))
        });
        let verdict = match said {
            Ok((lines, true)) => {
                self.set_hold(order, lines, HoldCause::Reserved, effects);
                (Outcome::Applied, Answer::Done)
            }
            Ok((_, false)) => (Outcome::Applied, Answer::Done),
            Err((refusal, detail)) => refuse(refusal, &detail),
        };
        self.note_said(order, asked.key, &verdict);
        verdict
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
        let verdict = match self.state.holds.get_mut(&id).filter(|hold| !hold.lines.is_empty()) {
            _ if asked.ttl.is_some_and(|ttl| !(1..=TTL_MS).contains(&ttl)) => refuse(Refusal::Invalid, "ttl"),
            None => refuse(Refusal::NoHold, &asked.identity.to_string()),
            Some(hold) => {
                for line in &mut hold.lines {
                    (line.expires, line.alert) = times(now, asked.ttl);
                }
                effects.touch_hold(id);
                effects.change(Change::Hold(HoldChange {
                    order: id,
                    cause: HoldCause::Extended,
                    moves: Vec::new(),
                }));
                self.schedule(id);
                (Outcome::Applied, Answer::Done)
            }
        };
        self.note_said(id, asked.key, &verdict);
        verdict
    }

    /// The hold as it would be, and whether anything of it is new.
    fn wanted(
        &mut self,
        order: OrderId,
        zone: &str,
        asked: &Reserve,
    ) -> Result<(Vec<Held>, bool), (Refusal, String)> {
        let invalid = |why: &str| Err((Refusal::Invalid, why.to_owned()));
        if asked.lines.is_empty() || asked.ttl.is_some_and(|ttl| !(1..=TTL_MS).contains(&ttl)) {
            return invalid("no lines, or a time that is none");
        }
        if asked.lines.len() > HOLD_LINES || asked.lines.iter().any(|l| l.buckets.len() > BUCKETS) {
            return Err((Refusal::Limit, "lines or buckets of a hold".into()));
        }
        let times = times(self.state.clock.service(), asked.ttl);
        let mut lines = self.state.holds[&order].lines.clone();
        let mut changed = false;
        for (n, said) in asked.lines.iter().enumerate() {
            if asked.lines[..n].iter().any(|l| l.line == said.line) {
                return invalid("a line is named twice");
            }
            if said.qty < Qty::ZERO || said.qty > QTY_MAX {
                return invalid("a quantity");
            }
            let place = lines.iter().position(|l| l.line == said.line);
            let fresh = self.held_line(order, zone, asked, said, times)?;
            if self.is_same(place.map(|p| &lines[p]), fresh.as_ref()) {
                continue;
            }
            changed = true;
            match (place, fresh) {
                (Some(place), Some(fresh)) => lines[place] = fresh,
                (Some(place), None) => _ = lines.remove(place),
                (None, Some(fresh)) => lines.push(fresh),
                (None, None) => {}
            }
        }
        if lines.len() > HOLD_LINES || lines.iter().map(|l| l.skus.len()).sum::<usize>() > HOLD_CELLS {
            return Err((Refusal::Limit, "lines and buckets of a hold".into()));
        }
        Ok((lines, changed))
    }

    /// A line as it would be held; `None`: nothing is to be held for it.
    fn held_line(
        &mut self,
        order: OrderId,
        zone: &str,
        asked: &Reserve,
        said: &HoldLine,
        (expires, alert): (Option<i64>, Option<i64>),
    ) -> Result<Option<Held>, (Refusal, String)> {
        let mut buckets: Vec<&str> = said.buckets.iter().map(String::as_str).collect();
        buckets.sort_unstable();
        if buckets.windows(2).any(|two| two[0] == two[1]) {
            return Err((Refusal::Invalid, format!("line {} names a bucket twice", said.line)));
        }
        if buckets.is_empty() {
            buckets.push("");
        }
        let skus: SmallVec<[u32; 1]> = buckets.iter().map(|b| self.sku_number(&said.sku, b)).collect();
        let node = match said.node.as_ref().or(asked.node.as_ref()) {
            Some(name) => {
                let known = self.index.nodes.get(name).copied();
                let here = |n: &u32| {
                    let node = &self.state.nodes[*n as usize];
                    node.known && node.node.zone == zone
                };
                Some(known.filter(here).ok_or_else(|| (Refusal::Invalid, format!("no node {name} here")))?)
            }
            None => None,
        };
        if let Some(placed) = self.state.orders.get(&order).filter(|_| !said.qty.is_zero()) {
            // Of an order that is there only what is open can be held.
            let found = placed.line(&said.line).map(|place| &placed.lines[place]);
            if !found.is_some_and(|l| skus[..] == [l.sku] && l.open >= said.qty) {
                return Err((Refusal::Invalid, format!("line {} has not so much open", said.line)));
            }
        }
        let pool = self.state.pools.number_of(zone, &asked.identity.channel);
        let boundless = match node {
            Some(_) => self.state.skus[skus[0] as usize].untracked(),
            None => skus.iter().all(|sku| self.state.reach(pool, *sku).is_none()),
        };
        if boundless || said.qty.is_zero() {
            return Ok(None);
        }
        let mut held =
            Held { line: said.line.clone(), node, chosen: false, skus, qty: said.qty, expires, alert };
        if node.is_none() && held.skus.len() > 1 {
            held.chosen = true;
            let own = self.state.holds[&order].lines.iter().find(|l| l.line == held.line);
            held.node = match own.filter(|l| l.chosen && l.skus == held.skus) {
                Some(own) => own.node,
                None => self.node_for(order, pool, &held, asked.beyond_stock),
            };
            if held.node.is_none() {
                return Err((Refusal::NoStock, format!("no node has line {} in all its buckets", held.line)));
            }
        }
        Ok(Some(held))
    }

    /// The node of a pool that has a line in all its buckets: the default one first, then by name.
    fn node_for(&self, order: OrderId, pool: u32, line: &Held, beyond: bool) -> Option<u32> {
        let own = |node, sku| self.state.holds[&order].at(Some(node), sku);
        let has = |node: u32, sku: u32| {
            self.state.skus[sku as usize].shelf.atp(node).unwrap_or_default() + own(node, sku) >= line.qty
        };
        let name = |n: &u32| {
            let node = &self.state.nodes[*n as usize].node;
            (!node.default, node.id.as_str())
        };
        let all = || self.state.pool_nodes(pool);
        let whole = all().filter(|node| line.skus.iter().all(|sku| has(*node, *sku))).min_by_key(name);
        whole.or_else(|| all().min_by_key(name).filter(|_| beyond))
    }

    /// True where nothing is new: the same quantity at the same place.
    fn is_same(&self, old: Option<&Held>, new: Option<&Held>) -> bool {
        match (old, new) {
            (None, None) => true,
            (Some(old), Some(new)) => {
                old.qty == new.qty && old.skus == new.skus && (old.node, old.chosen) == (new.node, new.chosen)
            }
            _ => false,
        }
    }

    /// Whether the lines can be held. Where no more is asked than the order holds there already, they can.
    fn check(
        &self,
        order: OrderId,
        zone: &str,
        asked: &Reserve,
        lines: &[Held],
    ) -> Result<(), (Refusal, String)> {
        if asked.beyond_stock {
            return Ok(());
        }
        let (old, new) = (places(&self.state.holds[&order].lines), places(lines));
        let pool = self.state.pools.number(zone, &asked.identity.channel);
        for ((node, sku), wanted) in &new {
            let own = old.get(&(*node, *sku)).copied().unwrap_or_default();
            if *wanted <= own {
                continue;
            }
            let of_sku = &self.state.skus[*sku as usize];
            let left = match (node, pool) {
                (Some(node), _) if !self.state.nodes[*node as usize].node.enabled => Qty::ZERO,
                (Some(node), _) => of_sku.shelf.atp(*node).unwrap_or_default(),
                (None, None) => Qty::ZERO,
                (None, Some(pool)) => match self.state.reach(pool, *sku) {
                    None => continue,
                    Some(mut reach) => {
                        // What this very request moves to nodes of the pool, or from there.
                        let moves = |of: &Places| -> Qty {
                            let here = of.iter().filter(|((node, s), _)| {
                                s == sku && node.is_some_and(|node| self.state.pool_has(pool, node))
                            });
                            here.map(|(_, qty)| *qty).sum()
                        };
                        reach.stock = (reach.stock + moves(&old) - moves(&new)).floor_zero();
                        reach.left()
                    }
                },
            };
            if *wanted > left + own {
                let detail = format!("{} of {} {}", left + own, of_sku.name, of_sku.bucket);
                return Err((Refusal::NoStock, detail.trim_end().to_owned()));
            }
        }
        Ok(())
    }

    /// Brings what is held to these lines.
    fn set_hold(&mut self, order: OrderId, lines: Vec<Held>, cause: HoldCause, effects: &mut Effects<'_>) {
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
                    self.state.hold_unpinned(&zone, &channel, sku, delta);
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
            effects.change(Change::Hold(HoldChange { order, cause, moves }));
        }
        effects.touch_hold(order);
        effects.weigh_hold(moves_count);
        let Some(hold) = self.state.holds.get_mut(&order) else { return };
        hold.state = match cause {
            _ if !hold.lines.is_empty() => HoldState::Held,
            HoldCause::Lapsed => HoldState::Lapsed,
            HoldCause::Converted => HoldState::Converted,
            HoldCause::Failed => HoldState::Failed,
            HoldCause::Reserved | HoldCause::Extended | HoldCause::Released => HoldState::Released,
        };
        self.end_hold(order);
        self.schedule(order);
    }

    /// Notes since when nothing is held, or that something is again.
    fn end_hold(&mut self, order: OrderId) {
        let now = self.state.clock.engine;
        let Some(hold) = self.state.holds.get_mut(&order) else { return };
        match (hold.lines.is_empty(), hold.ended) {
            (true, None) => {
                hold.ended = Some(now);
                self.state.closed.insert((now + REMEMBER_MS, order));
            }
            (false, Some(since)) => {
                hold.ended = None;
                self.state.closed.remove(&(since + REMEMBER_MS, order));
            }
            _ => {}
        }
    }

    /// Keeps when the hold is looked at next.
    fn schedule(&mut self, order: OrderId) {
        let Some(hold) = self.state.holds.get_mut(&order) else { return };
        let timer = hold.lines.iter().filter_map(|l| l.alert.or(l.expires)).min();
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
        if !self.is_hold_void() {
            return false;
        }
        let Some((_, order)) = self.state.voids.first().copied() else { return false };
        effects.begin_item();
        self.lapse_hold(order, effects);
        effects.end_item(&self.state);
        true
    }

    /// Whether a hold is void that nobody worked off.
    pub(super) fn is_hold_void(&self) -> bool {
        self.state.voids.first().is_some_and(|(at, _)| *at <= self.state.clock.service())
    }

    /// Lapses the lines whose time is over, and tells once of those whose time is about to be.
    pub(super) fn lapse_hold(&mut self, order: OrderId, effects: &mut Effects<'_>) {
        let now = self.state.clock.service();
        let Some(hold) = self.state.holds.get_mut(&order) else { return };
        // The entry that led here may be gone already.
        hold.timer = None;
        let is_over = |l: &Held| l.expires.is_some_and(|at| at <= now);
        let mut soon = None;
        for line in hold.lines.iter_mut().filter(|l| l.alert.is_some_and(|at| at <= now)) {
            line.alert = None;
            if !is_over(line) {
                soon = soon.min(line.expires).or(line.expires);
            }
        }
        let left: Vec<Held> = hold.lines.iter().filter(|l| !is_over(l)).cloned().collect();
        let lapsed = left.len() < hold.lines.len();
        if let Some(at) = soon {
            effects.touch_hold(order);
            effects.exception(Exception::HoldLapses(at));
            effects.hold_lapses(&self.state, order);
        }
        match lapsed {
            true => self.set_hold(order, left, HoldCause::Lapsed, effects),
            false => self.schedule(order),
        }
    }

    /// The order's own hold is given back before it is routed: it has what it needs at once, or others may have it.
    pub(super) fn take_over_hold(&mut self, order: &Order, effects: &mut Effects<'_>) {
        if self.state.pools.any_held() {
            // Looked up by number from here on.
            self.state.pools.number_of(&order.zone, &order.identity.channel);
        }
        if self.state.holds.get(&order.id).is_some_and(|hold| !hold.lines.is_empty()) {
            self.set_hold(order.id, Vec::new(), HoldCause::Converted, effects);
        }
    }

    /// Of an order that waits no more is held than is open of it.
    pub(super) fn trim_hold(&mut self, order: &Order, effects: &mut Effects<'_>) {
        let Some(hold) = self.state.holds.get(&order.id).filter(|hold| !hold.lines.is_empty()) else {
            return;
        };
        let mut lines = hold.lines.clone();
        let mut open: BTreeMap<u32, Qty> = BTreeMap::new();
        for line in &order.lines {
            *open.entry(line.sku).or_default() += line.open;
        }
        for line in &mut lines {
            let fits = line.skus.iter().map(|sku| open.get(sku).copied().unwrap_or_default()).min();
            line.qty = line.qty.min(fits.unwrap_or_default());
            for sku in &line.skus {
                *open.entry(*sku).or_default() -= line.qty;
            }
        }
        lines.retain(|line| line.qty.is_positive());
        if lines != hold.lines {
            self.set_hold(order.id, lines, HoldCause::Released, effects);
        }
    }

    /// Gives back of a hold; no lines: all of it. Returns whether there was anything, or the line that it has not.
    pub(super) fn give_back_hold(
        &mut self,
        order: OrderId,
        wanted: &[(&str, Qty)],
        effects: &mut Effects<'_>,
    ) -> bool {
        let Some(hold) = self.state.holds.get(&order).filter(|hold| !hold.lines.is_empty()) else {
            return false;
        };
        let mut lines = hold.lines.clone();
        for line in &mut lines {
            let asked = wanted.iter().find(|(name, _)| *name == line.line).map(|(_, qty)| *qty);
            let part = asked.unwrap_or(if wanted.is_empty() { line.qty } else { Qty::ZERO });
            line.qty = (line.qty - part).floor_zero();
        }
        lines.retain(|line| line.qty.is_positive());
        if lines == hold.lines {
            return false;
        }
        self.set_hold(order, lines, HoldCause::Released, effects);
        true
    }

    /// What ended long ago leaves memory; intake forgets an order that never came. True: it was such a hold.
    pub(super) fn forget_hold(&mut self, at: i64, order: OrderId) -> Option<Identity> {
        let ended = self.state.holds.get(&order).and_then(|hold| hold.ended);
        ended.filter(|since| since + REMEMBER_MS == at)?;
        let hold = self.state.holds.remove(&order)?;
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

/// When what is reserved now lapses, and when that is told, service time.
fn times(now: i64, ttl: Option<i64>) -> (Option<i64>, Option<i64>) {
    let expires = ttl.map(|ttl| now + ttl);
    let alert = ttl.map(|ttl| now + ttl - (ttl / 10).max(ALERT_MS).min(ttl / 2));
    (expires, alert)
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
        })
    }
}
