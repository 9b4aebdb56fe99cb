//! What a rule can do for the open units of some lines: its plan, and what is told of it.

use router_schemas::{event::Verdict, limits::FULFILMENTS, quantity::Qty, rules::Assignment};
use smallvec::SmallVec;

use super::{
    Ask, candidates, demands,
    plan::{self, Pin, Shares, Take, Takes, Wish},
    sort,
    walk::Walk,
};
use crate::engine::{
    Engine,
    changes::{By, Decided},
    choose::{self, Demand, Pinned},
    effects::Effects,
    order::Order,
    trace,
    whole::{self, Found},
};

/// What a rule can do for the lines.
#[derive(Default)]
pub struct Planned {
    /// `None`: no plan, or one that may not be used.
    pub shares: Option<Shares>,
    /// Nodes that may be asked, and those that cover everything.
    pub candidates: u32,
    pub covering: u32,
    /// The former, best first, where somebody asked for them.
    pub ranked: Option<Vec<u32>>,
    /// Something needs more lines at nodes than an order may have, and was left out.
    pub cut: bool,
}

impl Engine {
    /// What the rule at a place can do for what is open of the lines.
    pub(super) fn plan(
        &mut self,
        order: &Order,
        walk: &mut Walk<'_>,
        at: usize,
        effects: &mut Effects<'_>,
    ) -> Planned {
        let set = walk.set.clone();
        let (rule, marks) = (&set.set.routings[walk.routing].rules[at], set.rules[walk.routing][at]);
        let demands = demands(&self.state, order, walk.open(order));
        let mut used = order.open_nodes();
        used.extend(walk.preferred);
        let pinned = walk.lines.iter().any(|line| self.pin(order, *line) != Pin::Anywhere);
        if marks.plain && !pinned && !matches!(rule.assignment, Assignment::Multi(_)) {
            let first = Pinned { only: None, first: &used };
            effects.explain(order.id, || {
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
        effects.explain(order.id, || trace::look_by(&ask, rule, &ranked));
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
