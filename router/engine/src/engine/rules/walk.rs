//! The walk through a waterfall: rule by rule, for what is still open.

use std::sync::Arc;

use router_schemas::{
    event::{Queue, Unit, Verdict},
    limits::FULFILMENTS,
    quantity::Qty,
    rules::{Action, Assignment, Offer, Rule},
};
use smallvec::SmallVec;

use super::{
    Ask, Asked, Part, Spot, candidates, demands,
    plan::{self, Pin, Shares, Take, Takes, Wish},
    set::Ready,
    sort,
};
use crate::engine::{
    Engine,
    changes::{By, Decided},
    choose::{self, Demand, Pinned},
    effects::Effects,
    hooks::Terms,
    order::Order,
    trace,
    whole::{self, Found},
};

/// A walk for some lines of an order.
struct Walk<'a> {
    set: Arc<Ready>,
    routing: usize,
    lines: &'a [usize],
    preferred: Option<u32>,
    /// What the last rule's look at single nodes found, while nothing has moved since.
    seen: Option<Found>,
    /// What the last rule decided that found nothing.
    nothing: Option<Decided>,
    /// Some rule found something.
    found: bool,
}

/// What a rule can do for the lines.
#[derive(Default)]
pub(in crate::engine) struct Planned {
    /// `None`: no plan, or one that may not be used.
    pub shares: Option<Shares>,
    /// Nodes that may be asked, and those that cover everything.
    pub candidates: u32,
    pub covering: u32,
    /// The former, best first, where somebody asked for them.
    ranked: Option<Vec<u32>>,
    /// Something needs more lines at nodes than an order may have, and was left out.
    pub cut: bool,
}

impl Walk<'_> {
    fn rules(&self) -> &[Rule] {
        &self.set.set.routings[self.routing].rules
    }

    fn by(&self, rule: usize) -> By {
        Some((self.set.clone(), self.routing, rule))
    }

    fn spot(&self, rule: usize, action: usize) -> Spot {
        Spot {
            set: self.set.set.name.clone(),
            version: self.set.set.version,
            routing: self.routing as u16,
            rule: rule as u16,
            action: action as u16,
        }
    }

    /// What of the lines is open.
    fn open<'a>(&'a self, order: &'a Order) -> impl Iterator<Item = (u16, Qty)> + 'a {
        let lines = self.lines.iter().map(|line| (*line as u16, order.lines[*line].open));
        lines.filter(|(_, open)| open.is_positive())
    }

    fn is_done(&self, order: &Order) -> bool {
        self.open(order).next().is_none()
    }
}

impl Engine {
    /// Walks the rules of the order's routing for the open units of these lines. Returns the queue in which a rule
    /// parked what is left.
    pub(super) fn walk(
        &mut self,
        order: &mut Order,
        lines: &[usize],
        preferred: Option<u32>,
        from: Option<&Spot>,
        effects: &mut Effects<'_>,
    ) -> Option<Queue> {
        let set = self.index.rules.of_zone(&order.zone).clone();
        let routing = set.routing_of(order)?;
        let mut walk = Walk { set, routing, lines, preferred, seen: None, nothing: None, found: false };
        let (first, behind) = match from.filter(|spot| self.set_at(order, spot).is_some()) {
            Some(spot) => (usize::from(spot.rule), usize::from(spot.action)),
            None => (0, 0),
        };
        let mut queue = None;
        for rule in first..walk.rules().len() {
            if queue.is_some() || walk.is_done(order) {
                break;
            }
            let done = if rule == first { behind } else { 0 };
            queue = self.follow(order, &mut walk, rule, done, effects);
        }
        // A retry that finds nothing leaves no trace.
        if let Some(nothing) = walk.nothing.take().filter(|_| !walk.found)
            && order.queue.is_none()
            && !walk.is_done(order)
        {
            effects.touch_order(order.id);
            effects.decided(nothing);
        }
        queue
    }

    /// Follows one rule, without the actions that are done.
    fn follow(
        &mut self,
        order: &mut Order,
        walk: &mut Walk<'_>,
        at: usize,
        done: usize,
        effects: &mut Effects<'_>,
    ) -> Option<Queue> {
        let set = walk.set.clone();
        let rule = &set.set.routings[walk.routing].rules[at];
        let actions = rule.actions.get(done..).unwrap_or_default();
        let allocates = actions.iter().any(|a| matches!(a, Action::Allocate { .. }));
        let backorders = actions.contains(&Action::Backorder);
        let mut planned = Planned::default();
        let mut decided = None;
        if allocates || backorders || actions.iter().any(|a| matches!(a, Action::Offer(_))) {
            planned = self.plan(order, walk, at, effects);
            let shares = planned.shares.as_ref();
            let now = shares.filter(|_| allocates).map_or(&[][..], |s| &s.now);
            let later = shares.filter(|_| backorders).map_or(&[][..], |s| &s.later);
            let wanted = walk.open(order).map(|(_, open)| open).sum();
            let decision = self.decision(order, walk.by(at), &planned, (now, later), wanted);
            effects.explained(|| decision.decision(&self.state));
            match (now.is_empty() && later.is_empty(), allocates || backorders) {
                (true, true) => walk.nothing = Some(decision),
                (true, false) => {}
                (false, _) => decided = Some(decision),
            }
        }
        for (nth, action) in actions.iter().enumerate() {
            if walk.is_done(order) {
                return None;
            }
            match action {
                Action::Allocate { .. } => {
                    self.allocate(order, walk, &mut planned, action, &mut decided, effects);
                }
                Action::Backorder => {
                    // On hand goes first, whatever comes first in the rule.
                    let allocate = actions[nth..].iter().find(|a| matches!(a, Action::Allocate { .. }));
                    if let Some(allocate) = allocate {
                        self.allocate(order, walk, &mut planned, allocate, &mut decided, effects);
                    }
                    let later = planned.shares.as_mut().map(|s| std::mem::take(&mut s.later));
                    let later = later.unwrap_or_default();
                    self.carry_out(order, walk, &later, Unit::Backordered, &mut decided, effects);
                }
                Action::Offer(offer) => {
                    let behind = walk.spot(at, done + nth + 1);
                    self.offer(order, walk, &mut planned, behind, offer, effects);
                }
                Action::Forward(zones) => {
                    walk.seen = None;
                    self.forward(order, zones, effects);
                }
                Action::AutoCancel(after) => self.auto_cancel(order, *after),
                Action::Queue(name) => return Some(Queue::Named(name.clone())),
                Action::NextRule => return None,
            }
        }
        None
    }

    /// What the rule at a place can do for what is open of the lines.
    fn plan(&mut self, order: &Order, walk: &mut Walk<'_>, at: usize, effects: &mut Effects<'_>) -> Planned {
        let set = walk.set.clone();
        let (rule, marks) = (&set.set.routings[walk.routing].rules[at], set.rules[walk.routing][at]);
        let demands = demands(&self.state, order, walk.open(order));
        let mut used = order.open_nodes();
        used.extend(walk.preferred);
        let pinned = walk.lines.iter().any(|line| self.pin(order, *line) != Pin::Anywhere);
        if marks.plain && !pinned && !matches!(rule.assignment, Assignment::Multi(_)) {
            let first = Pinned { only: None, first: &used };
            effects.explain(|| {
                let eligible = self.index.roster.eligible(&self.state, order);
                trace::look(&self.state, eligible, order, &demands, &first)
            });
            let spreads = rule.assignment == Assignment::Fewest;
            let beyond = spreads.then_some(marks.backorders);
            let seen = walk.seen.take();
            let (planned, found) = self.plan_plain(order, walk.lines, &demands, &first, beyond, seen);
            walk.seen = Some(found);
            return planned;
        }
        let wishes = self.wishes(order, walk, &demands);
        let eligible = self.index.roster.eligible_for(&self.state, order, &set, (walk.routing, at));
        let ask = Ask {
            state: &self.state,
            order,
            demands: &demands,
            wishes: &wishes,
            preferred: walk.preferred,
            used: &used,
        };
        let ranked = sort::rank(&ask, rule, candidates(&ask, eligible, rule));
        effects.explain(|| trace::look_by(&ask, rule, &ranked));
        let mut shares = match &rule.assignment {
            Assignment::Single => plan::single(&ask, &ranked),
            Assignment::Multi(multi) => plan::multi(&ask, multi, &ranked, marks.backorders),
            Assignment::Fewest if pinned => plan::pinned_first(&ask, &ranked, marks.backorders),
            Assignment::Fewest => {
                let found = choose::fewest(&self.state, &ranked, &demands, marks.backorders);
                Some(spread(order, walk.lines, &found).0)
            }
        };
        let covers = |n: &&u32| demands.iter().all(|d| ask.state.has(d.sku, **n) >= d.qty);
        Planned {
            cut: shares.as_mut().is_some_and(|shares| fit(order, shares)),
            candidates: ranked.len() as u32,
            covering: ranked.iter().filter(covers).count() as u32,
            shares,
            ranked: Some(ranked),
        }
    }

    /// A plan by the built-in sorts, through the bitmaps. `spreads`: over several nodes where no single one will do, and
    /// whether what is missing is backordered. `seen`: what the look at single nodes has found already.
    pub(in crate::engine) fn plan_plain(
        &mut self,
        order: &Order,
        lines: &[usize],
        demands: &[Demand],
        pinned: &Pinned<'_>,
        spreads: Option<bool>,
        seen: Option<Found>,
    ) -> (Planned, Found) {
        let eligible = self.index.roster.eligible(&self.state, order);
        let found = seen.unwrap_or_else(|| whole::find(&self.state, eligible, order, demands, pinned));
        let takes = match (found.best, spreads) {
            (Some(node), _) => Some(demands.iter().map(|d| (node, d.sku, d.qty, false)).collect()),
            (None, Some(backorders)) => {
                Some(choose::spread(&self.state, eligible, order, demands, pinned, backorders))
            }
            (None, None) => None,
        };
        let (shares, cut) = match takes {
            Some(takes) => {
                let (shares, cut) = spread(order, lines, &takes);
                (Some(shares), cut)
            }
            None => (None, false),
        };
        let Found { candidates, covering, .. } = found;
        (Planned { shares, candidates, covering, ranked: None, cut }, found)
    }

    /// The open units of the lines, one by one.
    fn wishes(&self, order: &Order, walk: &Walk<'_>, demands: &[Demand]) -> Vec<Wish> {
        let wish = |(line, qty): (u16, Qty)| {
            let entry = &order.lines[usize::from(line)];
            let of = |l: &usize| order.lines[*l].group.is_some() && order.lines[*l].group == entry.group;
            Wish {
                line,
                demand: demands.iter().position(|d| d.sku == entry.sku).unwrap_or_default(),
                qty,
                price: entry.unit_price,
                pin: self.pin(order, usize::from(line)),
                // Named by the first of its lines.
                group: walk.lines.iter().find(|l| of(l)).map(|first| *first as u16),
            }
        };
        walk.open(order).map(wish).collect()
    }

    /// Why these takes, or none.
    pub(in crate::engine) fn decision(
        &self,
        order: &Order,
        by: By,
        planned: &Planned,
        (now, later): (&[Take], &[Take]),
        wanted: Qty,
    ) -> Decided {
        let mut chosen: SmallVec<[(u32, Option<i64>); 4]> = SmallVec::new();
        for take in now.iter().chain(later) {
            if chosen.iter().all(|(node, _)| *node != take.node) {
                let place = self.state.nodes[take.node as usize].node.place;
                chosen.push((take.node, order.to.zip(place).map(|(a, b)| a.chord2(b))));
            }
        }
        let all = later.is_empty() && now.iter().map(|t| t.qty).sum::<Qty>() == wanted;
        let verdict = match (chosen.len(), planned.cut) {
            (0, _) => Verdict::Unfillable,
            (_, true) => Verdict::Partial,
            _ if !later.is_empty() => Verdict::Backordered,
            (1, _) if all => Verdict::Whole,
            _ if all => Verdict::Split,
            _ => Verdict::Partial,
        };
        let Planned { candidates, covering, .. } = *planned;
        Decided { control: self.state.control, by, candidates, covering, chosen, verdict }
    }

    /// Moves what a plan takes, as far as it is still open; the decision is told before the first move.
    fn carry_out(
        &mut self,
        order: &mut Order,
        walk: &mut Walk<'_>,
        takes: &[Take],
        to: Unit,
        decided: &mut Option<Decided>,
        effects: &mut Effects<'_>,
    ) {
        if takes.is_empty() {
            return;
        }
        (walk.seen, walk.found) = (None, true);
        effects.touch_order(order.id);
        decided.take().into_iter().for_each(|decided| effects.decided(decided));
        self.take(order, takes, to, effects);
    }

    /// Moves open units to nodes.
    pub(in crate::engine) fn take(
        &mut self,
        order: &mut Order,
        takes: &[Take],
        to: Unit,
        effects: &mut Effects<'_>,
    ) {
        for Take { line, node, qty } in takes {
            let part = (*qty).min(order.lines[usize::from(*line)].open);
            effects.shift(&mut self.state, order, *line, Some(*node), (Unit::Open, to), part);
        }
    }

    /// Allocates what the plan has from stock, once.
    fn allocate(
        &mut self,
        order: &mut Order,
        walk: &mut Walk<'_>,
        planned: &mut Planned,
        action: &Action,
        decided: &mut Option<Decided>,
        effects: &mut Effects<'_>,
    ) {
        let Action::Allocate { accept_within, pick_within, late } = *action else { return };
        let now = planned.shares.as_mut().map(|s| std::mem::take(&mut s.now)).unwrap_or_default();
        self.carry_out(order, walk, &now, Unit::Allocated, decided, effects);
        for (nth, take) in now.iter().enumerate() {
            if now[..nth].iter().all(|before| before.node != take.node) {
                self.start_work(order, take.node, &Terms { accept_within, pick_within, late });
            }
        }
    }

    /// Offers each node's part of the plan; without a plan, all that is open.
    fn offer(
        &mut self,
        order: &mut Order,
        walk: &mut Walk<'_>,
        planned: &mut Planned,
        behind: Spot,
        offer: &Offer,
        effects: &mut Effects<'_>,
    ) {
        let mut parts: Vec<(u32, Part)> = Vec::new();
        match &planned.shares {
            Some(shares) => {
                for take in &shares.now {
                    let qty = take.qty.min(order.lines[usize::from(take.line)].open);
                    match parts.iter_mut().find(|(node, _)| *node == take.node) {
                        Some((_, part)) => part.push((take.line, qty)),
                        None => parts.push((take.node, SmallVec::from_slice(&[(take.line, qty)]))),
                    }
                }
            }
            None => parts.push((0, walk.open(order).collect())),
        }
        let mut parts: Vec<Part> = parts.into_iter().map(|(_, part)| part).collect();
        parts.iter_mut().for_each(|part| part.retain(|(_, qty)| qty.is_positive()));
        parts.retain(|part| !part.is_empty());
        if parts.is_empty() {
            return;
        }
        let at = (walk.routing, usize::from(behind.rule));
        let ranked = planned.ranked.take().unwrap_or_else(|| {
            let lines: Part = walk.open(order).collect();
            self.ranked_by(order, &walk.set, at, walk.preferred, &lines)
        });
        walk.seen = None;
        let asked = Asked { behind, offer, parts, ranked: &ranked };
        let opened = self.open_offers(order, &asked, effects);
        planned.ranked = Some(ranked);
        if let Some(shares) = planned.shares.as_mut().filter(|_| opened) {
            shares.now.clear();
        }
    }
}

/// Leaves out what needs more lines at nodes than an order may have. True: something was.
fn fit(order: &Order, shares: &mut Shares) -> bool {
    let mut room = FULFILMENTS.saturating_sub(order.fulfilments.len());
    let mut known: Vec<(u32, u16)> = order.fulfilments.iter().map(|f| (f.node, f.line)).collect();
    known.sort_unstable();
    let mut cut = false;
    for takes in [&mut shares.now, &mut shares.later] {
        takes.retain(|take| {
            let at = known.binary_search(&(take.node, take.line));
            let fits = at.is_ok() || room > 0;
            if let (Err(at), true) = (at, fits) {
                known.insert(at, (take.node, take.line));
                room -= 1;
            }
            cut |= !fits;
            fits
        });
    }
    cut
}

/// Gives what was found to the lines, in their order. True: some of it needs more lines at nodes than an order may
/// have, and was left out.
fn spread(order: &Order, mine: &[usize], found: &choose::Found) -> (Shares, bool) {
    let mut left: SmallVec<[Qty; 8]> = mine.iter().map(|i| order.lines[*i].open).collect();
    let mut room = FULFILMENTS.saturating_sub(order.fulfilments.len());
    let (mut shares, mut cut) = (Shares::default(), false);
    for (node, sku, mut qty, beyond) in found.iter().copied() {
        for (i, left) in mine.iter().zip(&mut left) {
            if order.lines[*i].sku != sku || !qty.is_positive() || !left.is_positive() {
                continue;
            }
            let line = *i as u16;
            let same = |t: &Take| t.node == node && t.line == line;
            let there = order.fulfilments.iter().any(|f| f.node == node && f.line == line)
                || shares.now.iter().chain(&shares.later).any(same);
            if !there && room == 0 {
                cut = true;
                continue;
            }
            room -= usize::from(!there);
            let part = Qty(qty.0.min(left.0));
            let takes: &mut Takes = if beyond { &mut shares.later } else { &mut shares.now };
            takes.push(Take { line, node, qty: part });
            qty -= part;
            *left -= part;
        }
    }
    (shares, cut)
}
