//! Candidates and their rank.

use std::{cmp::Ordering, collections::BTreeMap};

use super::{Model, Order};
use crate::conformance::{
    format::{Amount, Attribute, Node},
    rules::{Balance, Direction, Filter, Rule, Sort},
    step::Address,
};

/// What a sort says of a node.
#[derive(Clone, Debug)]
enum Value {
    /// Compared as fractions.
    Ratio(i128, i128),
    Text(String),
    Km(f64),
}

impl Value {
    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Ratio(a, b), Self::Ratio(c, d)) => (a * d).cmp(&(c * b)),
            (Self::Km(a), Self::Km(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
            _ => Ordering::Equal,
        }
    }
}

/// Whose candidates are asked for, and for how much of what.
pub struct Asked<'a> {
    pub id: Option<&'a str>,
    pub order: &'a Order,
    pub wanted: BTreeMap<String, i64>,
}

impl Model {
    /// Those that a rule may ask, best first.
    pub(super) fn ranked(&self, rule: &Rule, asked: &Asked<'_>) -> Vec<String> {
        let mut nodes: Vec<&Node> = Vec::new();
        for id in self.nodes_of(&asked.order.channel) {
            let Some(node) = self.nodes.get(&id) else { continue };
            let passes = rule.filters.iter().all(|f| passes(f, node, asked.order.address.as_ref()));
            let full = node.capacity.is_some_and(|c| self.assigned(&id, asked.id) >= c);
            if node.enabled && passes && !full && !asked.order.declined.contains(&id) {
                nodes.push(node);
            }
        }
        nodes.sort_by(|a, b| self.compare(rule, asked, a, b));
        nodes.iter().map(|n| n.id.clone()).collect()
    }

    fn compare(&self, rule: &Rule, asked: &Asked<'_>, a: &Node, b: &Node) -> Ordering {
        for sort in &rule.sorts {
            let order = match (self.value(sort, asked, a), self.value(sort, asked, b)) {
                (Some(x), Some(y)) if larger_first(sort) => y.compare(&x),
                (Some(x), Some(y)) => x.compare(&y),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => Ordering::Equal,
            };
            if order != Ordering::Equal {
                return order;
            }
        }
        b.default.cmp(&a.default).then(a.id.as_bytes().cmp(b.id.as_bytes()))
    }

    /// Orders but this one that have unshipped units there.
    pub(super) fn assigned(&self, node: &str, but: Option<&str>) -> u64 {
        let there = |order: &Order| order.parts.iter().any(|p| p.node == node && p.on_hand + p.backorder > 0);
        self.orders.iter().filter(|(id, order)| Some(id.as_str()) != but && there(order)).count() as u64
    }

    fn value(&self, sort: &Sort, asked: &Asked<'_>, node: &Node) -> Option<Value> {
        let cell = |sku: &String| self.cell(&node.id, sku);
        let whole = |n: i64| Some(Value::Ratio(n.into(), 1));
        let thousand = |n: i128| Some(Value::Ratio(n * 1000, 1));
        match sort {
            Sort::Sequence {} => thousand(node.sequence?.into()),
            Sort::Coverage {} => {
                let covered =
                    asked.wanted.iter().filter(|(sku, qty)| self.atp(&node.id, sku) >= **qty).count();
                whole(covered as i64 * 1000)
            }
            Sort::DefaultFirst {} => whole(i64::from(!node.default) * 1000),
            Sort::Preferred {} => whole(i64::from(asked.order.preferred.as_ref() != Some(&node.id)) * 1000),
            Sort::WeeksOfSupply {} => {
                let mut least: Option<Value> = None;
                for sku in asked.wanted.keys() {
                    let sales = cell(sku)?.weekly_sales.filter(|s| *s > 0)?;
                    let weeks = Value::Ratio(i128::from(cell(sku)?.on_hand) * 1000, sales.into());
                    if least.as_ref().is_none_or(|l| weeks.compare(l) == Ordering::Less) {
                        least = Some(weeks);
                    }
                }
                least
            }
            Sort::CapacityLeft {} => match node.capacity {
                None => whole(super::NO_LIMIT),
                Some(c) => thousand(i128::from(c) - i128::from(self.assigned(&node.id, asked.id))),
            },
            Sort::DeclineRate {} => match self.score.get(&node.id) {
                Some((declines, offers)) if *offers > 0 => {
                    Some(Value::Ratio(i128::from(*declines) * 1000, (*offers).into()))
                }
                _ => whole(0),
            },
            Sort::Distance { .. } => distance(node, asked.order.address.as_ref()).map(Value::Km),
            Sort::InventoryBalance { of } => whole(
                asked
                    .wanted
                    .keys()
                    .map(|sku| match (of, cell(sku)) {
                        (_, None) => 0,
                        (Balance::OnHand, Some(cell)) => cell.on_hand,
                        (Balance::Unallocated, Some(cell)) => {
                            let (on_hand, backorder) = self.promised(&node.id, sku);
                            cell.on_hand - cell.others - on_hand - backorder
                        }
                        (Balance::Atp, Some(_)) => self.atp_by_cell(&node.id, sku),
                    })
                    .sum(),
            ),
            Sort::Attribute { name, .. } => match node.attributes.get(name)? {
                Attribute::Text(text) => Some(Value::Text(text.clone())),
                Attribute::List(_) => None,
            },
            Sort::RankTable { ranks } => thousand((*ranks.get(&node.id)?)?.into()),
        }
    }

    /// The values of a node that are numbers, in thousandths.
    pub(super) fn values(
        &self,
        rule: &Rule,
        asked: &Asked<'_>,
        node: &str,
    ) -> BTreeMap<&'static str, Amount> {
        let mut values = BTreeMap::new();
        for sort in &rule.sorts {
            let number = match self.value(sort, asked, &self.nodes[node]) {
                Some(Value::Ratio(n, d)) if n != super::NO_LIMIT.into() => {
                    let Ok(number) = i64::try_from(n.div_euclid(d)) else { continue };
                    number
                }
                Some(Value::Km(km)) => (km * 1000.0).floor() as i64,
                _ => continue,
            };
            values.entry(sort.name()).or_insert(Amount(number));
        }
        values
    }
}

fn larger_first(sort: &Sort) -> bool {
    match sort {
        Sort::Coverage {}
        | Sort::WeeksOfSupply {}
        | Sort::CapacityLeft {}
        | Sort::InventoryBalance { .. } => true,
        Sort::Distance { order } | Sort::Attribute { order, .. } => *order == Direction::Desc,
        _ => false,
    }
}

fn passes(filter: &Filter, node: &Node, address: Option<&Address>) -> bool {
    match filter {
        Filter::Radius { km } => distance(node, address).is_some_and(|d| d <= *km),
        Filter::Group { any, exclude } => node.groups.intersection(any).next().is_some() != *exclude,
        Filter::DeliveryMode { mode } => node.modes.contains(mode),
        Filter::Attribute { name, has } => match node.attributes.get(name) {
            Some(Attribute::Text(text)) => text == has,
            Some(Attribute::List(list)) => list.contains(has),
            None => false,
        },
    }
}

/// Kilometres on the great circle.
fn distance(node: &Node, address: Option<&Address>) -> Option<f64> {
    let address = address?;
    let (a, b) = (node.lat?.to_radians(), address.lat?.to_radians());
    let across = (address.lng? - node.lng?).to_radians();
    let h = ((b - a) / 2.0).sin().powi(2) + a.cos() * b.cos() * (across / 2.0).sin().powi(2);
    Some(2.0 * 6371.0 * h.sqrt().asin())
}
