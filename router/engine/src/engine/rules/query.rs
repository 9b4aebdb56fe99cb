//! Who could be asked for an order, as if it were placed: for those who look, not for those who decide.

use router_schemas::{
    command::{
        Assigned,
        order::{OrderMessage, PinKind},
    },
    event::Outcome,
    id::OrderId,
    quantity::Qty,
    refusal::Refusal,
    rules::Sort,
};
use serde::Serialize;

use super::{Ask, candidates, demands, sort};
use crate::engine::{Engine, place, state::SkuState};

/// What a sort says of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SortValue {
    /// A number; of distances the squared chord (`geo`), of stock thousandths of a unit, of room for orders without
    /// limit [`i64::MAX`]. Where something is first: 0 for what is first, 1 for the others.
    Number(i64),
    /// The first over the second.
    Ratio(i64, i64),
    /// A text.
    Text(String),
}

impl From<sort::Value<'_>> for SortValue {
    fn from(value: sort::Value<'_>) -> Self {
        match value {
            sort::Value::Number(number) => SortValue::Number(number),
            sort::Value::Ratio(over, under) => SortValue::Ratio(over, under),
            sort::Value::Text(text) => SortValue::Text(text.to_owned()),
        }
    }
}

/// A node that could be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Candidate {
    /// The node.
    pub node: String,
    /// What each sort of the rule says of it, in their order; `None`: it abstains.
    pub values: Vec<(&'static str, Option<SortValue>)>,
}

impl Engine {
    /// The candidates of an order of this zone by the first rule of its routing, best first, as if it were placed now.
    /// Stock is no filter, what is pinned is not looked at, and nothing changes. Empty where no routing owns it. Refused
    /// where the message does not decode or is beyond a limit.
    pub fn candidates(&mut self, zone: &str, message: OrderMessage) -> Result<Vec<Candidate>, Refusal> {
        let body = place::body(&message).map_err(|(outcome, _)| match outcome {
            Outcome::Refused(refusal) => refusal,
            _ => Refusal::Invalid,
        })?;
        let to = Assigned { order: OrderId::default(), zone: zone.to_owned() };
        let (mut order, lines) = place::fresh(to, message.head, body, self.state.clock.engine);
        let known = self.state.skus.len();
        for line in lines {
            let bucket = line.buckets.first().map_or("", String::as_str);
            let number = self.index.skus.get(&line.sku).and_then(|n| n.of(bucket));
            let sku = number.unwrap_or_else(|| {
                // One that nobody knows: it has no cells. It is gone again below.
                self.state.skus.push(SkuState { name: line.sku.clone(), ..SkuState::default() });
                self.state.skus.len() as u32 - 1
            });
            let qty = line.qty;
            let mut line = place::fresh_line(line, sku);
            (line.ordered, line.open) = (qty, qty);
            order.lines.push(line);
        }
        let preferred = order.pin.as_ref().filter(|p| p.1 == PinKind::Prefer);
        let preferred = preferred.and_then(|(name, _)| self.index.nodes.get(name).copied());
        let set = self.index.rules.of_zone(zone).clone();
        let routing = set.routing_of(&order).filter(|r| !set.rules[*r].is_empty());
        let mut found = Vec::new();
        if let Some(routing) = routing {
            let rule = &set.set.routings[routing].rules[0];
            let eligible = self.index.roster.eligible_for(&self.state, &order, &set, (routing, 0));
            let open = order.lines.iter().enumerate().map(|(n, l)| (n as u16, l.open));
            let demands =
                demands(&self.state, &order, open.filter(|(_, open): &(u16, Qty)| open.is_positive()));
            let used: Vec<u32> = preferred.into_iter().collect();
            let ask = Ask {
                state: &self.state,
                order: &order,
                demands: &demands,
                wishes: &[],
                preferred,
                used: &used,
            };
            let nodes = candidates(&ask, eligible, rule);
            let candidate = |node: u32| Candidate {
                node: self.state.node_name(node).to_owned(),
                values: values(&rule.sorts, sort::key(&ask, rule, node)),
            };
            found = sort::rank(&ask, rule, nodes).into_iter().map(candidate).collect();
        }
        self.state.skus.truncate(known);
        Ok(found)
    }
}

fn values(sorts: &[Sort], key: sort::Key<'_>) -> Vec<(&'static str, Option<SortValue>)> {
    sorts.iter().zip(key).map(|(sort, value)| (sort::name(sort), value.map(SortValue::from))).collect()
}
