//! The walk through a waterfall: rule by rule, for what is still open.

use std::sync::Arc;

use router_schemas::{
    event::{Queue, Unit},
    quantity::Qty,
    rules::{Action, Offer, Rule},
};
use smallvec::SmallVec;

use super::{Asked, Part, Spot, plan::Take, set::Ready, share::Planned};
use crate::engine::{
    Engine,
    changes::{By, Decided},
    effects::Effects,
    order::Order,
    whole::Found,
    work::Deadlines,
};

/// A walk for some lines of an order.
pub struct Walk<'a> {
    pub set: Arc<Ready>,
    pub routing: usize,
    pub lines: &'a [usize],
    pub preferred: Option<u32>,
    /// What the last rule's look at single nodes found, while nothing has moved since.
    pub seen: Option<Found>,
    /// What the last rule decided that found nothing.
    nothing: Option<Decided>,
    /// Some rule found something.
    found: bool,
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
    pub fn open<'a>(&'a self, order: &'a Order) -> impl Iterator<Item = (u16, Qty)> + 'a {
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
            effects.explained(order.id, || decision.decision(&self.state));
            effects.explained_more(order.id, |choice| choice.by_rule(rule, actions));
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
                    // On hand goes first, where the rule allocates it as well before it goes on.
                    let ends = |a: &&Action| {
                        matches!(
                            a,
                            Action::Offer(_) | Action::NextRule | Action::Queue(_) | Action::Forward(_)
                        )
                    };
                    let mut next = actions[nth..].iter().take_while(|a| !ends(a));
                    if let Some(allocate) = next.find(|a| matches!(a, Action::Allocate { .. })) {
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
                    self.forward(order, walk.lines.iter().copied(), zones, effects);
                }
                Action::AutoCancel(after) => self.auto_cancel(order, *after),
                Action::Queue(name) if name == Queue::Unfillable.as_str() => return Some(Queue::Unfillable),
                Action::Queue(name) => return Some(Queue::Named(name.clone())),
                Action::NextRule => return None,
            }
        }
        None
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
            if fault!(RetryLosesUnits) && order.queue.is_some() {
                order.lines[usize::from(*line)].open -= part;
                continue;
            }
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
                self.start_work(order, take.node, &Deadlines { accept_within, pick_within, late });
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
            self.ranked_by(order, &walk.set, at, walk.preferred, &lines, None)
        });
        walk.seen = None;
        let asked = Asked { behind, offer, parts, ranked: &ranked };
        let open = |walk: &Walk<'_>, order: &Order| walk.open(order).map(|(_, open)| open).sum::<Qty>();
        let before = open(walk, order);
        self.open_offers(order, &asked, effects);
        planned.ranked = Some(ranked);
        // The plan is used up.
        if let Some(shares) = planned.shares.as_mut().filter(|_| open(walk, order) < before) {
            shares.now.clear();
        }
    }
}
