//! Each step as the engine's commands.

use std::collections::BTreeMap;

use router_schemas::{
    command::{
        Command,
        fulfilment::NodeFact,
        hold::{HoldLine, Release, Reserve},
        offer::{Claim, Decline},
        order::{Cancel, DeliveryMode, LineQty, OrderBody, OrderHead, OrderLine, OrderMessage, Pin, PinKind},
        stock::{AdjustTarget, Adjustment},
    },
    id::{Identity, OrderId},
    quantity::Qty,
    refusal::Refusal,
};

use super::{
    EngineSubject,
    load::{self, ZONE, body, cell_name},
    rules::within,
};
use crate::conformance::{
    amount::Amount,
    expect::{Outcome, Reason},
    step::{self, OfCell, OfOrder, Step},
    subject::Done,
};

/// Ticks come so often, which is no outage, ms.
const TICK: i64 = 20_000;

impl EngineSubject {
    pub(super) fn step(&mut self, step: &Step) -> Done {
        if let Some(answer) = step.key().and_then(|key| self.answers.get(key)) {
            return answer.clone();
        }
        let done = match step {
            Step::Place(place) => self.place_all(place),
            Step::Reserve(reserve) => self.reserve(reserve),
            Step::Release(of) => self.release(of),
            Step::Ship(of) => self.ship(of),
            Step::Cancel(of) => self.cancel(of),
            Step::Receive(of) | Step::Adjust(of) => self.adjust(of),
            Step::Claim(claim) => self.claim(claim),
            Step::Decline(decline) => self.decline(decline),
            Step::Policy(policy) => {
                let step::Policy { channel, sku, threshold, backorder, .. } = policy;
                self.channel_numbers(channel, sku, *threshold, *backorder);
                Done::default()
            }
            Step::Advance(advance) => Done { released: self.advance(advance.seconds), ..Done::default() },
            Step::Query(query) => self.query(query),
        };
        if let Some(key) = step.key() {
            self.answers.insert(key.to_owned(), done.clone());
        }
        done
    }

    fn place_all(&mut self, place: &step::Place) -> Done {
        let mut last = Done::default();
        for name in place.names() {
            let done = self.place_one(place, &name);
            if last.outcome == Outcome::Ok {
                last = done;
            }
        }
        last
    }

    fn place_one(&mut self, place: &step::Place, name: &str) -> Done {
        if !self.placed.insert(name.to_owned()) {
            return refused(Refusal::Conflict);
        }
        let (address, preferred) = (place.address.as_ref(), place.preferred_node.as_deref());
        let message = message(self.identity(name), address, preferred, &place.lines);
        let to = Some(self.assigned(name));
        let done = self.done(&Command::Place(OrderMessage { to, ..message }));
        if done.outcome == Outcome::Refused {
            self.placed.remove(name);
        }
        done
    }

    fn reserve(&mut self, reserve: &step::Reserve) -> Done {
        if reserve.lines.is_empty() {
            // The engine takes no such request.
            return Done::default();
        }
        let line = |line: &step::OrderLine| HoldLine {
            line: line.line.clone(),
            sku: line.sku.clone(),
            buckets: Vec::new(),
            qty: Qty(line.qty.0),
            node: None,
            zone: None,
        };
        let command = Command::Reserve(Reserve {
            to: Some(self.assigned(&reserve.order)),
            identity: self.identity(&reserve.order),
            key: self.fresh_key(),
            node: reserve.node.clone(),
            region: None,
            lines: reserve.lines.iter().map(line).collect(),
            beyond_stock: reserve.allow_backorder,
            ttl: within(self.lasts, reserve.ttl_s),
        });
        self.done(&command)
    }

    fn release(&mut self, of: &OfOrder) -> Done {
        let (to, key) = (Some(self.assigned(&of.order)), self.fresh_key());
        let (identity, lines) = (self.identity(&of.order), named(of));
        self.done(&Command::Release(Release { to, identity, key, lines }))
    }

    fn cancel(&mut self, of: &OfOrder) -> Done {
        let (to, content) = (Some(self.assigned(&of.order)), self.fresh_key());
        let (identity, lines) = (self.identity(&of.order), named(of));
        self.done(&Command::Cancel(Cancel { to, identity, content, lines, ..Cancel::default() }))
    }

    /// What is allocated on hand leaves, node by node in the order of the plan.
    fn ship(&mut self, of: &OfOrder) -> Done {
        let Some(row) = self.orders.get(&of.order).and_then(|id| self.engine.order(*id)) else {
            return refused(Refusal::UnknownOrder);
        };
        let mut left: BTreeMap<usize, i64> = match &of.lines {
            None => (0..row.lines.len()).map(|line| (line, i64::MAX)).collect(),
            Some(lines) => {
                let place = |name: &str| row.lines.iter().position(|line| line.line == name);
                let mut left = BTreeMap::new();
                for (place, qty) in lines.iter().filter_map(|line| Some((place(&line.line)?, line.qty.0))) {
                    *left.entry(place).or_default() += qty;
                }
                left
            }
        };
        let mut facts: Vec<(String, Vec<LineQty>)> = Vec::new();
        for f in &row.fulfilments {
            let line = usize::from(f.line);
            let Some(left) = left.get_mut(&line) else { continue };
            let part = (*left).min((f.allocated + f.picked + f.ready).0);
            if part <= 0 {
                continue;
            }
            *left -= part;
            let shipped = LineQty { line: row.lines[line].line.clone(), qty: Some(Qty(part)) };
            match facts.iter_mut().find(|(node, _)| *node == f.node) {
                Some((_, lines)) => lines.push(shipped),
                None => facts.push((f.node.clone(), vec![shipped])),
            }
        }
        for (node, lines) in facts {
            self.tell(&Command::Shipped(NodeFact { order: row.order, node, lines, ..NodeFact::default() }));
        }
        Done::default()
    }

    fn adjust(&mut self, of: &OfCell) -> Done {
        let (cell, delta) = (cell_name(&of.node, &of.sku), Qty(of.qty.0));
        let target = AdjustTarget::OnHand;
        self.done(&Command::Adjustment(Adjustment { cell, target, delta, key: None }))
    }

    fn claim(&mut self, claim: &step::Claim) -> Done {
        let Some(order) = self.of_placed(&claim.order) else { return refused(Refusal::NotOffered) };
        let (offer, epoch) = self.seen.last_offer(order, &claim.node);
        let node = claim.node.clone();
        self.done(&Command::Claim(Claim { order, offer, node, epoch, key: None }))
    }

    fn decline(&mut self, decline: &step::Decline) -> Done {
        let Some(order) = self.of_placed(&decline.order) else { return refused(Refusal::NotOffered) };
        let (node, reason) = (decline.node.clone(), decline.reason.clone());
        let (offer, lines) = (None, Vec::new());
        self.done(&Command::Decline(Decline { order, offer, node, reason, lines, key: None }))
    }

    /// The order of that name, where it is placed: of no other is anything offered.
    fn of_placed(&self, name: &str) -> Option<OrderId> {
        self.orders.get(name).copied().filter(|_| self.placed.contains(name))
    }

    /// Tells the engine, and says how it went.
    fn done(&mut self, command: &Command) -> Done {
        let told = self.tell(command);
        let released = self.seen.given_back(&told.events);
        Done { released, ..told.refused.map_or_else(Done::default, refused) }
    }

    /// Time passes, tick by tick, up to each moment at which something lapses. Where nothing does any more, it is of no
    /// consequence.
    fn advance(&mut self, seconds: u64) -> BTreeMap<String, Amount> {
        let until = self.now.saturating_add(i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000));
        let mut lapsed: BTreeMap<String, i64> = BTreeMap::new();
        while let Some(due) = self.seen.next_lapse().filter(|_| self.now < until) {
            let to = if due > self.now { due.min(until) } else { until };
            self.now = to.min(self.now + TICK);
            let told = self.tell(&Command::Tick);
            for (sku, qty) in told.lapsed {
                *lapsed.entry(sku).or_default() += qty;
            }
        }
        lapsed.into_iter().map(|(sku, qty)| (sku, Amount(qty))).collect()
    }

    fn query(&mut self, query: &step::Query) -> Done {
        let channel = query.channel.as_deref().unwrap_or(load::DEFAULT);
        let identity = Identity { channel: channel.into(), ..Identity::default() };
        let (address, preferred) = (query.address.as_ref(), query.preferred_node.as_deref());
        let message = message(identity, address, preferred, &query.lines);
        let candidates = self.engine.candidates(ZONE, message).unwrap_or_default();
        let ranked = candidates.into_iter().map(|candidate| self.numbers.ranked(candidate)).collect();
        Done { ranked, ..Done::default() }
    }
}

fn message(
    identity: Identity,
    address: Option<&step::Address>,
    preferred: Option<&str>,
    lines: &[step::OrderLine],
) -> OrderMessage {
    let pin = |node: &str, kind| Pin { node: node.to_owned(), kind };
    // A further line of the same name is one of its own; steps mean the first.
    let name = |place: usize, name: &str| match lines[..place].iter().any(|line| line.line == name) {
        true => format!("{name}\u{1}{place}"),
        false => name.to_owned(),
    };
    let line = |(place, line): (usize, &step::OrderLine)| OrderLine {
        line: name(place, &line.line),
        sku: line.sku.clone(),
        qty: Qty(line.qty.0),
        unit_price: line.price.map_or(0, |price| price.0),
        group: line.group.clone(),
        pin: line.node.as_deref().map(|node| pin(node, PinKind::Only)),
        ..OrderLine::default()
    };
    let head =
        OrderHead { identity, pin: preferred.map(|node| pin(node, PinKind::Prefer)), ..OrderHead::default() };
    let order = OrderBody {
        mode: DeliveryMode::None,
        to: address.and_then(|address| load::place(address.lat, address.lng)),
        priority: 100,
        lines: lines.iter().enumerate().map(line).collect(),
        ..OrderBody::default()
    };
    OrderMessage { to: None, head, body: body(order) }
}

fn named(of: &OfOrder) -> Vec<LineQty> {
    let line = |line: &step::LineAmount| LineQty { line: line.line.clone(), qty: Some(Qty(line.qty.0)) };
    of.lines.iter().flatten().map(line).collect()
}

fn refused(refusal: Refusal) -> Done {
    let reason = match refusal {
        Refusal::NoStock => Reason::NoStock,
        Refusal::NoCapacity => Reason::NoCapacity,
        Refusal::Taken => Reason::Taken,
        Refusal::Expired => Reason::Expired,
        Refusal::NotOffered | Refusal::UnknownNode => Reason::NotOffered,
        _ => Reason::Invalid,
    };
    Done { outcome: Outcome::Refused, reason: Some(reason), ..Done::default() }
}
