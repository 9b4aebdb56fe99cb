//! How a rule spreads what is open over its ranked nodes: `single`, and `multi` with pinned lines, kept groups, a most
//! of nodes and a least value of shipments. What is on hand is used up everywhere before anything is backordered.

use router_schemas::{limits::SUBSETS, quantity::Qty, rules::Multi};
use smallvec::SmallVec;

use super::Ask;

/// Of a wish so much goes to a node.
#[derive(Debug, Clone, Copy)]
pub struct Take {
    pub line: u16,
    pub node: u32,
    pub qty: Qty,
}

pub type Takes = SmallVec<[Take; 8]>;

/// What a rule can do with what is open.
#[derive(Debug, Default)]
pub struct Shares {
    /// From stock, by node in rank order.
    pub now: Takes,
    /// Beyond stock.
    pub later: Takes,
}

/// Where a line may be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pin {
    Anywhere,
    /// At this node only; `None`: at one that nobody knows.
    At(Option<u32>),
}

impl Pin {
    pub fn allows(self, node: u32) -> bool {
        match self {
            Pin::Anywhere => true,
            Pin::At(only) => only == Some(node),
        }
    }
}

/// The open units of a line.
#[derive(Debug)]
pub struct Wish {
    pub line: u16,
    /// Which of the demands.
    pub demand: usize,
    pub qty: Qty,
    /// Minor units a unit.
    pub price: i64,
    pub pin: Pin,
    /// Number of its group; lines of one have the same.
    pub group: Option<u16>,
}

/// The first node that has everything.
pub fn single(ask: &Ask<'_>, ranked: &[u32]) -> Option<Shares> {
    let covers = |node: &&u32| {
        ask.wishes.iter().all(|w| w.pin.allows(**node))
            && ask.demands.iter().all(|d| d.fits(ask.state, **node))
    };
    let node = *ranked.iter().find(covers)?;
    let now = ask.wishes.iter().map(|w| Take { line: w.line, node, qty: w.qty }).collect();
    Some(Shares { now, later: Takes::new() })
}

/// Greedy by rank; `None`: no plan, or one that may not be used. `backorders`: what cells allow beyond stock counts as
/// found.
pub fn multi(ask: &Ask<'_>, rule: &Multi, ranked: &[u32], backorders: bool) -> Option<Shares> {
    let spread = Spread::new(ask, rule.keep_groups);
    let mut fill = spread.start();
    for node in ranked {
        if fill.is_done() {
            break;
        }
        spread.take_at(*node, &mut fill);
    }
    if rule.max_splits.is_some_and(|most| fill.nodes > usize::from(most)) {
        fill = spread.search(ranked, usize::from(rule.max_splits?), backorders)?;
    }
    let now = std::mem::take(&mut fill.takes);
    if backorders {
        spread.backorder(ranked, &mut fill);
    }
    if !(fill.is_done() || rule.partial) {
        return None;
    }
    let shares = Shares { now, later: fill.takes };
    rule.min_shipment_value
        .is_none_or(|least| spread.is_worth(&shares.now, &fill.left, least))
        .then_some(shares)
}

/// As few nodes as can be found where lines are pinned: the pinned nodes first, for they are used in any case, then
/// greedy by rank.
pub fn pinned_first(ask: &Ask<'_>, ranked: &[u32], backorders: bool) -> Option<Shares> {
    let pinned = |node: &u32| ask.wishes.iter().any(|w| w.pin == Pin::At(Some(*node)));
    let (mut nodes, others): (Vec<u32>, Vec<u32>) = ranked.iter().partition(|node| pinned(node));
    nodes.extend(others);
    multi(ask, &Multi { partial: true, ..Multi::default() }, &nodes, backorders)
}

/// What goes to a node as one: a line, or the lines of a kept group.
struct Unit {
    /// Places among the wishes.
    wishes: SmallVec<[usize; 2]>,
    kept: bool,
}

/// Spreads wishes over nodes.
struct Spread<'a> {
    ask: &'a Ask<'a>,
    /// As a node serves them where none is pinned to it: kept groups first, each in the order of its first line.
    units: Vec<Unit>,
}

/// How far a plan has come.
#[derive(Clone)]
struct Fill {
    /// Of each wish.
    left: Vec<Qty>,
    /// Of each demand: what all nodes together may still give.
    most: SmallVec<[Qty; 8]>,
    takes: Takes,
    /// Nodes that gave something.
    nodes: usize,
}

impl Fill {
    fn is_done(&self) -> bool {
        self.left.iter().all(Qty::is_zero)
    }
}

impl<'a> Spread<'a> {
    fn new(ask: &'a Ask<'a>, keep_groups: bool) -> Self {
        let mut units: Vec<Unit> = Vec::with_capacity(ask.wishes.len());
        for (at, wish) in ask.wishes.iter().enumerate() {
            let group = wish.group.filter(|_| keep_groups);
            let same = |u: &&mut Unit| u.kept && ask.wishes[u.wishes[0]].group == group;
            match units.iter_mut().find(same).filter(|_| group.is_some()) {
                Some(unit) => unit.wishes.push(at),
                None => units.push(Unit { wishes: SmallVec::from_slice(&[at]), kept: group.is_some() }),
            }
        }
        units.sort_by_key(|unit| !unit.kept);
        Spread { ask, units }
    }

    fn start(&self) -> Fill {
        Fill {
            left: self.ask.wishes.iter().map(|w| w.qty).collect(),
            most: self.ask.demands.iter().map(|d| d.most).collect(),
            takes: Takes::new(),
            nodes: 0,
        }
    }

    /// Takes from the node's stock what it can.
    fn take_at(&self, node: u32, fill: &mut Fill) {
        let Ask { state, demands, .. } = self.ask;
        let has: SmallVec<[Qty; 8]> = demands.iter().map(|d| state.has(d.sku, node)).collect();
        let mut most = std::mem::take(&mut fill.most);
        let before = fill.takes.len();
        self.serve(node, has, &mut most, fill);
        fill.most = most;
        fill.nodes += usize::from(fill.takes.len() > before);
    }

    /// Promises beyond stock what is left, node by node in rank order.
    fn backorder(&self, ranked: &[u32], fill: &mut Fill) {
        let Ask { state, demands, .. } = self.ask;
        for node in ranked {
            if fill.is_done() {
                break;
            }
            let left =
                |sku: u32| state.skus[sku as usize].cell(*node).map_or(Qty::ZERO, |c| c.backorder_left());
            let has = demands.iter().map(|d| left(d.sku)).collect();
            // What may be sold from stock is no bound on what comes later.
            self.serve(*node, has, &mut SmallVec::from_elem(Qty(i64::MAX), demands.len()), fill);
        }
    }

    /// Gives from `has`, within `most`, first to what is pinned to the node, then kept groups, then the others.
    fn serve(&self, node: u32, mut has: SmallVec<[Qty; 8]>, most: &mut SmallVec<[Qty; 8]>, fill: &mut Fill) {
        if has.iter().all(Qty::is_zero) {
            return;
        }
        let wishes = &self.ask.wishes;
        let is_pinned = |u: &&Unit| u.wishes.iter().any(|w| wishes[*w].pin == Pin::At(Some(node)));
        let mut pinned: SmallVec<[&Unit; 8]> = self.units.iter().filter(is_pinned).collect();
        pinned.sort_by_key(|unit| unit.wishes[0]);
        let others = self.units.iter().filter(|u| !is_pinned(u));
        for unit in pinned.into_iter().chain(others) {
            self.give(unit, node, &mut has, most, fill);
        }
    }

    fn give(&self, unit: &Unit, node: u32, has: &mut [Qty], most: &mut [Qty], fill: &mut Fill) {
        let wishes = &self.ask.wishes;
        if unit.kept {
            let mut wanted: SmallVec<[(usize, Qty); 8]> = SmallVec::new();
            for wish in &unit.wishes {
                match wanted.iter_mut().find(|(demand, _)| *demand == wishes[*wish].demand) {
                    Some((_, qty)) => *qty += fill.left[*wish],
                    None => wanted.push((wishes[*wish].demand, fill.left[*wish])),
                }
            }
            let fits = |(demand, qty): &(usize, Qty)| {
                *qty <= has[*demand] && *qty <= most[*demand] && self.part(*demand, *qty, *qty) == *qty
            };
            if !wanted.iter().all(fits) || !unit.wishes.iter().all(|w| wishes[*w].pin.allows(node)) {
                return;
            }
        }
        for at in &unit.wishes {
            let wish = &wishes[*at];
            if !wish.pin.allows(node) {
                continue;
            }
            let there = has[wish.demand].min(most[wish.demand]);
            let part = match unit.kept {
                true => fill.left[*at],
                false => self.part(wish.demand, there, fill.left[*at]),
            };
            if part.is_positive() {
                fill.takes.push(Take { line: wish.line, node, qty: part });
                fill.left[*at] -= part;
                has[wish.demand] -= part;
                most[wish.demand] -= part;
            }
        }
    }

    /// Of what is there, so much of what is left as can be taken in whole steps.
    fn part(&self, demand: usize, there: Qty, left: Qty) -> Qty {
        let sku = &self.ask.state.skus[self.ask.demands[demand].sku as usize];
        let part = there.min(left);
        if sku.untracked() { part } else { part.floor_to(sku.step()) }
    }

    /// The first subset of the nodes over which greedy leaves nothing open: smaller ones first, those of one size by
    /// rank.
    fn search(&self, ranked: &[u32], most: usize, backorders: bool) -> Option<Fill> {
        let gives = |node: &&u32| {
            let mut fill = self.start();
            self.take_at(**node, &mut fill);
            fill.nodes > 0
        };
        // Where the rest may come later, one that has nothing is a plan as well.
        let useful: Vec<u32> = ranked.iter().filter(|node| backorders || gives(node)).copied().collect();
        // So many nodes, however they are chosen, must be able to give enough: else no subset of that size is tried.
        let reaches: Vec<Vec<Qty>> = self.ask.demands.iter().map(|d| self.reach(&useful, d.sku)).collect();
        let reaches = |size: usize| {
            let mut each = self.ask.demands.iter().zip(&reaches);
            backorders || each.all(|(demand, reach)| reach[size - 1] >= demand.qty)
        };
        let mut tries = SUBSETS;
        (1..=most.min(useful.len())).filter(|size| reaches(*size)).find_map(|size| {
            let full = |fill: &Fill| {
                let mut fill = fill.clone();
                if backorders && !fill.is_done() {
                    self.backorder(ranked, &mut fill);
                }
                fill.is_done()
            };
            self.subset(&useful, size, &self.start(), &full, &mut tries)
        })
    }

    /// What the richest node has of a SKU, the two richest together, and so on.
    fn reach(&self, nodes: &[u32], sku: u32) -> Vec<Qty> {
        let mut has: Vec<Qty> = nodes.iter().map(|node| self.ask.state.has(sku, *node)).collect();
        has.sort_unstable_by(|a, b| b.cmp(a));
        let mut sum = Qty::ZERO;
        has.iter_mut().for_each(|has| {
            sum = Qty(sum.0.saturating_add(has.0));
            *has = sum;
        });
        has
    }

    /// Subsets of so many of the nodes, each taken up at the price of one try.
    fn subset(
        &self,
        nodes: &[u32],
        size: usize,
        so_far: &Fill,
        full: &impl Fn(&Fill) -> bool,
        tries: &mut u32,
    ) -> Option<Fill> {
        for (nth, node) in nodes.iter().enumerate().take((nodes.len() + 1).saturating_sub(size)) {
            *tries = tries.checked_sub(1)?;
            let mut fill = so_far.clone();
            self.take_at(*node, &mut fill);
            let found = match size {
                1 => Some(fill).filter(full),
                _ => self.subset(&nodes[nth + 1..], size - 1, &fill, full, tries),
            };
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// Whether each node's shipment, and what is left open, is worth so much; a plan of one shipment that leaves
    /// nothing open always is. Minor units.
    fn is_worth(&self, now: &[Take], left: &[Qty], least: i64) -> bool {
        let wishes = &self.ask.wishes;
        let price = |line: u16| wishes.iter().find(|w| w.line == line).map_or(0, |w| i128::from(w.price));
        let mut shipments: SmallVec<[(u32, i128); 8]> = SmallVec::new();
        for take in now {
            let value = i128::from(take.qty.0) * price(take.line);
            match shipments.iter_mut().find(|(node, _)| *node == take.node) {
                Some((_, sum)) => *sum += value,
                None => shipments.push((take.node, value)),
            }
        }
        let open = left.iter().any(|left| left.is_positive());
        let rest: i128 =
            left.iter().zip(wishes.iter()).map(|(left, w)| i128::from(left.0) * i128::from(w.price)).sum();
        let least = i128::from(least) * 1000;
        (shipments.len() <= 1 && !open)
            || (shipments.iter().all(|(_, value)| *value >= least) && (!open || rest >= least))
    }
}
