//! What is asked to be held, and whether it can be: all of the lines or none.

use std::collections::BTreeMap;

use router_schemas::{
    command::hold::{HoldLine, Reserve},
    event::{HoldCause, Outcome},
    id::OrderId,
    limits::{BUCKETS, HOLD_CELLS, HOLD_LINES, QTY_MAX, TTL_MS},
    quantity::Qty,
    refusal::Refusal,
    reply::Answer,
};
use smallvec::SmallVec;

use super::{
    Engine, Verdict,
    effects::Effects,
    hold::{Held, Hold},
    leg::Leg,
    refuse,
};

/// Who holds is told that it ends a tenth of its time before, but at least so long before, where half of its time is
/// longer.
const ALERT_MS: i64 = 60_000;

/// A hold as it would be.
pub struct Wanted {
    pub lines: Vec<Held>,
    /// Those in other zones.
    pub legs: Vec<Leg>,
    pub changed: bool,
}

/// What is held where: node or pool, SKU.
pub type Places = BTreeMap<(Option<u32>, u32), Qty>;

pub fn places(lines: &[Held]) -> Places {
    let mut places = Places::new();
    for line in lines {
        for sku in &line.skus {
            *places.entry((line.node, *sku)).or_default() += line.qty;
        }
    }
    places
}

impl Engine {
    /// Sets an order's hold, line by line: all of the lines or none.
    pub(super) fn reserve(&mut self, asked: Reserve, effects: &mut Effects<'_>) -> Verdict {
        let Some(to) = &asked.to else {
            return refuse(Refusal::WrongZone, "the request did not come through intake");
        };
        if !self.is_own(&to.zone) {
            return refuse(Refusal::WrongZone, &to.zone);
        }
        if let Some(verdict) = self.said_before(to.order, &asked.key) {
            return verdict;
        }
        let (order, zone) = (to.order, to.zone.clone());
        self.state.counts.holds += u64::from(!self.state.holds.contains_key(&order));
        self.state.holds.entry(order).or_insert_with(|| Hold::new(to, &asked.identity));
        self.end_hold(order);
        let said = self.wanted(order, &zone, &asked).and_then(|wanted| {
            if wanted.changed {
                self.check(order, &zone, &asked, &wanted.lines)?;
            }
            Ok(wanted)
        });
        let verdict = match said {
            Ok(wanted) if wanted.changed => {
                self.ask_legs(order, wanted.legs, asked.beyond_stock, effects);
                self.set_hold(order, wanted.lines, HoldCause::Reserved, effects);
                match self.is_confirming(order) {
                    true => _ = self.with_order(order, |engine, order| engine.settle(order, effects)),
                    false => self.go_on_confirmed(order, effects),
                }
                (Outcome::Applied, Answer::Done)
            }
            Ok(_) => {
                // A zone's word may have been lost.
                self.ask_legs_again(order, effects);
                (Outcome::Applied, Answer::Done)
            }
            Err((refusal, detail)) => {
                if fault!(RefusedReserveHolds) {
                    effects.hold_changed(order, HoldCause::Reserved);
                    effects.touch_hold(order);
                }
                refuse(refusal, &detail)
            }
        };
        self.note_said(order, asked.key, &verdict);
        verdict
    }

    /// The hold as it would be, and whether anything of it is new.
    pub(super) fn wanted(
        &mut self,
        order: OrderId,
        zone: &str,
        asked: &Reserve,
    ) -> Result<Wanted, (Refusal, String)> {
        let invalid = |why: &str| Err((Refusal::Invalid, why.to_owned()));
        if asked.lines.is_empty() || asked.ttl.is_some_and(|ttl| !(1..=TTL_MS).contains(&ttl)) {
            return invalid("no lines, or a time that is none");
        }
        if asked.lines.len() > HOLD_LINES || asked.lines.iter().any(|l| l.buckets.len() > BUCKETS) {
            return Err((Refusal::Limit, "lines or buckets of a hold".into()));
        }
        let times = times(self.state.clock.service(), asked.ttl);
        let hold = &self.state.holds[&order];
        let (mut lines, mut legs) = (hold.lines.clone(), hold.legs.clone());
        let mut changed = false;
        for (n, said) in asked.lines.iter().enumerate() {
            if asked.lines[..n].iter().any(|l| l.line == said.line) {
                return invalid("a line is named twice");
            }
            if said.qty < Qty::ZERO || said.qty > QTY_MAX {
                return invalid("a quantity");
            }
            let place = lines.iter().position(|l| l.line == said.line);
            let far = self.far_line(order, asked, said, times)?;
            let fresh = match said.zone {
                None => self.held_line(order, zone, asked, said, times)?,
                Some(_) => None,
            };
            changed |= Self::put_far(&mut legs, &said.line, far)?;
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
        let size = Hold::size(&lines, &legs);
        if size.0 > HOLD_LINES || size.1 > HOLD_CELLS {
            return Err((Refusal::Limit, "lines and buckets of a hold".into()));
        }
        Ok(Wanted { lines, legs, changed })
    }

    /// The SKU of a line in each of its buckets.
    pub(super) fn line_skus(&mut self, said: &HoldLine) -> Result<SmallVec<[u32; 1]>, (Refusal, String)> {
        let mut buckets: Vec<&str> = said.buckets.iter().map(String::as_str).collect();
        buckets.sort_unstable();
        if buckets.windows(2).any(|two| two[0] == two[1]) {
            return Err((Refusal::Invalid, format!("line {} names a bucket twice", said.line)));
        }
        if buckets.is_empty() {
            buckets.push("");
        }
        Ok(buckets.iter().map(|b| self.sku_number(&said.sku, b)).collect())
    }

    /// Of an order that is there only what is open can be held.
    pub(super) fn check_open(
        &self,
        order: OrderId,
        said: &HoldLine,
        skus: &[u32],
    ) -> Result<(), (Refusal, String)> {
        let Some(placed) = self.state.orders.get(&order).filter(|_| !said.qty.is_zero()) else {
            return Ok(());
        };
        let found = placed.line(&said.line).map(|place| &placed.lines[place]);
        match found.is_some_and(|l| *skus == [l.sku] && l.open >= said.qty) {
            true => Ok(()),
            false => Err((Refusal::Invalid, format!("line {} has not so much open", said.line))),
        }
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
        let skus = self.line_skus(said)?;
        let node = match said.node.as_ref().or(asked.node.as_ref()) {
            Some(name) => {
                let known = self.index.nodes.get(name).copied();
                let here = |n: &u32| {
                    let node = &self.state.nodes[*n as usize];
                    node.known && node.node.zone == zone
                };
                let node =
                    known.filter(here).ok_or_else(|| (Refusal::Invalid, format!("no node {name} here")))?;
                if !self.state.nodes[node as usize].node.enabled && said.qty.is_positive() {
                    return Err((Refusal::NoStock, format!("node {name} is disabled")));
                }
                Some(node)
            }
            None => None,
        };
        self.check_open(order, said, &skus)?;
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
    pub(super) fn check(
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
}

/// When what is reserved now lapses, and when that is told, service time.
pub fn times(now: i64, ttl: Option<i64>) -> (Option<i64>, Option<i64>) {
    let expires = ttl.map(|ttl| now + ttl);
    let alert = ttl.map(|ttl| now + ttl - (ttl / 10).max(ALERT_MS).min(ttl / 2));
    (expires, alert)
}
