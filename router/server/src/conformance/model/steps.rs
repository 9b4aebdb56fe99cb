//! What each step does.

use std::collections::BTreeMap;

use super::{Hold, Line, Model, Order, Place, offers::refused, rank::Asked};
use crate::conformance::{
    expect::{Outcome, Reason},
    format::{Amount, ChannelSku, Quantity},
    step::{self, OfCell, OfOrder, OrderLine, Query, Reserve, Step},
    subject::{Done, Ranked},
};

impl Model {
    pub(super) fn step(&mut self, step: &Step) -> Done {
        if let Some(answer) = step.key().and_then(|key| self.answers.get(key)) {
            return answer.clone();
        }
        self.released.clear();
        let before = self.atps();
        self.resting.clear();
        let mut done = match step {
            Step::Place(place) => self.place(place),
            Step::Reserve(reserve) => self.reserve(reserve),
            Step::Release(of) => {
                self.resting.insert(of.order.clone());
                self.release(of)
            }
            Step::Ship(of) => self.ship(of),
            Step::Cancel(of) => self.cancel(of),
            Step::Receive(of) | Step::Adjust(of) => self.adjust(of),
            Step::Claim(claim) => self.claim(&claim.order, &claim.node),
            Step::Decline(of) => self.decline(&of.order, &of.node, &of.reason),
            Step::Policy(policy) => self.set_policy(policy),
            Step::Advance(advance) => {
                self.advance(advance.seconds);
                Done::default()
            }
            Step::Query(query) => return self.query(query),
        };
        let released = self.released.iter().filter(|(_, qty)| **qty > 0);
        done.released = released.map(|(sku, qty)| (sku.clone(), Amount(*qty))).collect();
        self.settle(before);
        if let Some(key) = step.key() {
            self.answers.insert(key.to_owned(), done.clone());
        }
        done
    }

    fn place(&mut self, place: &step::Place) -> Done {
        let Some(count) = place.count else { return self.place_one(place, &place.order) };
        let mut last = Done::default();
        for n in 1..=count {
            let before = self.atps();
            let done = self.place_one(place, &format!("{}-{n}", place.order));
            self.settle(before);
            if last.outcome == Outcome::Ok {
                last = done;
            }
        }
        last
    }

    fn place_one(&mut self, place: &step::Place, id: &str) -> Done {
        if self.orders.contains_key(id) {
            return refused(Reason::Invalid);
        }
        let order = order_of(&place.channel, &place.address, &place.preferred_node, &place.lines);
        self.orders.insert(id.to_owned(), order);
        self.placed.push(id.to_owned());
        self.route(id);
        Done::default()
    }

    fn reserve(&mut self, reserve: &Reserve) -> Done {
        let id = &reserve.order;
        if reserve.lines.is_empty() {
            return Done::default();
        }
        if let Some(order) = self.orders.get(id) {
            let open = self.open(id);
            let has = |asked: &OrderLine| {
                let line = order.lines.iter().position(|l| l.id == asked.line && l.sku == asked.sku);
                line.is_some_and(|l| open[l] >= asked.qty.0)
            };
            if !reserve.lines.iter().all(|line| line.qty.0 == 0 || has(line)) {
                return refused(Reason::Invalid);
            }
        }
        let none = reserve.lines.iter().all(|line| line.qty.0 == 0);
        let place = match (&reserve.node, &reserve.channel) {
            (Some(node), _) if self.nodes.contains_key(node) && (self.is_enabled(node) || none) => {
                Place::Node(node.clone())
            }
            (Some(_), _) => return refused(Reason::Invalid),
            (None, channel) => Place::Channel(channel.clone().unwrap_or_else(|| "default".into())),
        };
        let before = self.holds.clone();
        let mut wanted: BTreeMap<&str, i64> = BTreeMap::new();
        let mut new = Vec::new();
        for line in &reserve.lines {
            let key = (id.clone(), line.line.clone());
            *wanted.entry(&line.sku).or_default() += line.qty.0;
            let old = self.holds.remove(&key);
            let same = old.filter(|h| h.place == place && h.qty == line.qty.0 && h.sku == line.sku);
            new.push((key, line, same));
        }
        let mut without_limit = Vec::new();
        for (sku, qty) in wanted {
            let there = match &place {
                Place::Node(_) if !self.is_tracked(sku) => Quantity::Unlimited,
                Place::Node(node) => Quantity::Limited(Amount(self.atp(node, sku))),
                Place::Channel(channel) => self.ats(channel, sku),
            };
            match there {
                Quantity::Unlimited => without_limit.push(sku.to_owned()),
                Quantity::Limited(Amount(there)) if qty > there && !reserve.allow_backorder => {
                    self.holds = before;
                    return refused(Reason::NoStock);
                }
                Quantity::Limited(_) => {}
            }
        }
        for (key, line, same) in new {
            if line.qty.0 == 0 || without_limit.contains(&line.sku) {
                continue;
            }
            let made = self.next_number();
            let expires = reserve.ttl_s.map(|ttl| self.now + ttl);
            let hold = Hold { sku: line.sku.clone(), qty: line.qty.0, place: place.clone(), expires, made };
            self.holds.insert(key, same.unwrap_or(hold));
        }
        Done::default()
    }

    /// The lines named, with their quantities; absent: all of everything.
    fn named(of: &OfOrder, order: &Order) -> Vec<(usize, i64)> {
        match &of.lines {
            None => (0..order.lines.len()).map(|l| (l, i64::MAX)).collect(),
            Some(lines) => {
                let place = |name: &str| order.lines.iter().position(|l| l.id == name);
                lines.iter().filter_map(|l| Some((place(&l.line)?, l.qty.0))).collect()
            }
        }
    }

    /// Of an order that is only reserved, or of the hold of one that is placed.
    fn release_holds(&mut self, of: &OfOrder) -> BTreeMap<String, i64> {
        match &of.lines {
            None => {
                self.drop_holds(&of.order, None, i64::MAX);
                BTreeMap::new()
            }
            Some(lines) => lines
                .iter()
                .map(|l| (l.line.clone(), self.drop_holds(&of.order, Some(&l.line), l.qty.0)))
                .collect(),
        }
    }

    fn is_known(&self, id: &str) -> bool {
        self.orders.contains_key(id) || self.holds.keys().any(|(order, _)| order == id)
    }

    fn release(&mut self, of: &OfOrder) -> Done {
        if !self.is_known(&of.order) {
            return refused(Reason::Invalid);
        }
        let dropped = self.release_holds(of);
        let Some(order) = self.orders.get(&of.order).cloned() else { return Done::default() };
        for (line, qty) in Self::named(of, &order) {
            let left = qty - dropped.get(&order.lines[line].id).copied().unwrap_or(0);
            let taken = self.take_promised(&of.order, line, left, true);
            self.take_promised(&of.order, line, left - taken, false);
        }
        if self.is_open(&of.order) {
            self.orders.get_mut(&of.order).unwrap().given_back = true;
        }
        Done::default()
    }

    /// Takes units of a line back from nodes, the last one first: backordered ones, or those on hand.
    fn take_promised(&mut self, id: &str, line: usize, most: i64, backordered: bool) -> i64 {
        let order = self.orders.get_mut(id).unwrap();
        let mut left = most;
        for part in order.parts.iter_mut().rev().filter(|p| p.line == line) {
            let from = if backordered { &mut part.backorder } else { &mut part.on_hand };
            let taken = left.min(*from);
            *from -= taken;
            left -= taken;
        }
        *self.released.entry(order.lines[line].sku.clone()).or_default() += most - left;
        most - left
    }

    fn cancel(&mut self, of: &OfOrder) -> Done {
        if !self.is_known(&of.order) {
            return refused(Reason::Invalid);
        }
        let id = of.order.as_str();
        let Some(order) = self.orders.get(id).cloned() else {
            self.release_holds(of);
            return Done::default();
        };
        let mut withdrawn = false;
        for (line, qty) in Self::named(of, &order) {
            let mut left = qty.min(self.orders[id].lines[line].wanted);
            let open = self.open(id)[line].min(left);
            self.orders.get_mut(id).unwrap().lines[line].wanted -= open;
            left -= open;
            let taken = self.take_promised(id, line, left, true);
            self.orders.get_mut(id).unwrap().lines[line].wanted -= taken;
            left -= taken;
            let offers = self.offers.iter().filter(|o| o.open && o.order == id);
            let offered = offers.flat_map(|o| &o.lines).any(|(l, _)| *l == line);
            if left > 0 && offered {
                self.withdraw(id, line, left);
                withdrawn = true;
                let open = self.open(id)[line].min(left);
                self.orders.get_mut(id).unwrap().lines[line].wanted -= open;
                left -= open;
            }
            let taken = self.take_promised(id, line, left, false);
            self.orders.get_mut(id).unwrap().lines[line].wanted -= taken;
            self.trim_hold(id, line);
        }
        if withdrawn && self.is_open(id) {
            self.route(id);
        }
        Done::default()
    }

    /// A line has nothing held beyond what is open of it.
    fn trim_hold(&mut self, id: &str, line: usize) {
        let name = self.orders[id].lines[line].id.clone();
        let held = self.holds.get(&(id.to_owned(), name.clone())).map_or(0, |h| h.qty);
        let beyond = (held - self.open(id)[line]).max(0);
        self.drop_holds(id, Some(&name), beyond);
    }

    fn ship(&mut self, of: &OfOrder) -> Done {
        let Some(order) = self.orders.get_mut(&of.order) else { return refused(Reason::Invalid) };
        for (line, qty) in Self::named(of, order) {
            let mut left = qty;
            let sku = order.lines[line].sku.clone();
            for part in order.parts.iter_mut().filter(|p| p.line == line) {
                let shipped = left.min(part.on_hand);
                if shipped == 0 {
                    continue;
                }
                left -= shipped;
                part.on_hand -= shipped;
                part.shipped += shipped;
                order.lines[line].wanted -= shipped;
                if let Some(cell) = self.cells.get_mut(&(part.node.clone(), sku.clone()))
                    && !self.untracked.contains(&sku)
                {
                    cell.on_hand = (cell.on_hand - shipped).max(0);
                }
                self.completed.entry(part.node.clone()).or_default().insert(of.order.clone());
            }
        }
        Done::default()
    }

    fn adjust(&mut self, of: &OfCell) -> Done {
        let cell = self.cells.entry((of.node.clone(), of.sku.clone())).or_default();
        cell.on_hand = (cell.on_hand + of.qty.0).max(0);
        Done::default()
    }

    fn set_policy(&mut self, policy: &step::Policy) -> Done {
        let channel = self.channels.entry(policy.channel.clone()).or_default();
        let numbers = ChannelSku { threshold: policy.threshold, backorder: policy.backorder };
        channel.skus.insert(policy.sku.clone(), numbers);
        Done::default()
    }

    fn query(&self, query: &Query) -> Done {
        let order = order_of(&query.channel, &query.address, &query.preferred_node, &query.lines);
        let owns = |of: &Option<String>| of.as_ref().is_none_or(|of| *of == order.channel);
        let rule = self.rules.routings.iter().find(|r| owns(&r.channel)).and_then(|r| r.rules.first());
        let Some(rule) = rule else { return Done::default() };
        let mut wanted = BTreeMap::new();
        for line in order.lines.iter().filter(|l| l.wanted > 0) {
            *wanted.entry(line.sku.clone()).or_default() += line.wanted;
        }
        let asked = Asked { id: None, order: &order, wanted };
        let ranked = self.ranked(rule, &asked);
        let ranked = ranked.into_iter().map(|node| Ranked { values: self.values(rule, &asked, &node), node });
        Done { ranked: ranked.collect(), ..Done::default() }
    }
}

fn order_of(
    channel: &Option<String>,
    address: &Option<step::Address>,
    preferred: &Option<String>,
    lines: &[OrderLine],
) -> Order {
    let line = |l: &OrderLine| Line {
        id: l.line.clone(),
        sku: l.sku.clone(),
        price: l.price.unwrap_or_default().0,
        node: l.node.clone(),
        group: l.group.clone(),
        wanted: l.qty.0,
    };
    Order {
        channel: channel.clone().unwrap_or_else(|| "default".into()),
        address: address.clone(),
        preferred: preferred.clone(),
        lines: lines.iter().map(line).collect(),
        ..Order::default()
    }
}
