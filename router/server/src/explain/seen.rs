//! What the rows in the log say of an order: its names, and its parts.

use std::collections::BTreeMap;

use router_schemas::{
    event::Event,
    id::{Identity, OfferId, OrderId},
    row::{OfferRow, OfferState, Row},
};

use super::{OfferThen, PartOf, PartThere};
use crate::show::Time;

/// What was seen of an order.
#[derive(Default)]
pub(super) struct Seen {
    pub identity: Option<Identity>,
    /// Names of its lines: lines are added only, and keep their places.
    pub lines: Vec<String>,
    pub part_of: Option<PartOf>,
    /// By their ids.
    pub parts: BTreeMap<OrderId, PartThere>,
}

impl Seen {
    pub(super) fn see(&mut self, order: OrderId, event: &Event) {
        for row in &event.rows {
            match row {
                Row::Order(row) if row.order == order => {
                    self.identity = Some(row.identity.clone());
                    if row.lines.len() > self.lines.len() {
                        self.lines = row.lines.iter().map(|line| line.line.clone()).collect();
                    }
                    self.part_of = row.part_of.as_ref().map(|(part, zone)| PartOf {
                        order: part.order,
                        part: part.part,
                        attempt: part.attempt,
                        zone: zone.clone(),
                    });
                }
                Row::Order(row) => {
                    let Some((part, _)) = row.part_of.as_ref().filter(|p| p.0.order == order) else {
                        continue;
                    };
                    let there = PartThere {
                        order: row.order,
                        part: part.part,
                        attempt: part.attempt,
                        zone: row.zone.clone(),
                        state: row.state.clone(),
                    };
                    self.parts.insert(row.order, there);
                }
                Row::Hold(row) if row.order == order => {
                    self.identity.get_or_insert_with(|| row.identity.clone());
                }
                _ => {}
            }
        }
    }
}

/// Whether the row says something of the order itself.
pub(super) fn is_of(order: OrderId, row: &Row) -> bool {
    match row {
        Row::Order(row) => row.order == order,
        Row::Offer(row) => row.order == order,
        Row::Hold(row) => row.order == order,
        _ => false,
    }
}

/// Offers, when the hold lapses, and deadlines of work.
type Then = (BTreeMap<OfferId, OfferThen>, Option<Time>, BTreeMap<String, Time>);

/// How the order stands after an event, as its rows say.
pub(super) fn then(rows: &[Row], names: &[String]) -> Then {
    let (mut offers, mut held_until, mut due) = Then::default();
    for row in rows {
        match row {
            Row::Offer(row) => _ = offers.insert(row.offer, offer(row, names)),
            Row::Hold(row) => held_until = row.deadline.map(Time),
            Row::Order(row) => {
                let work = row.fulfilments.iter().filter_map(|f| Some((&f.node, f.due?)));
                for (node, at) in work {
                    let first = due.entry(node.clone()).or_insert(Time(at));
                    *first = (*first).min(Time(at));
                }
            }
            _ => {}
        }
    }
    (offers, held_until, due)
}

fn offer(row: &OfferRow, names: &[String]) -> OfferThen {
    let (set, version, routing, rule) = &row.rule;
    let line = |line: u16| names.get(usize::from(line)).cloned().unwrap_or_else(|| (line + 1).to_string());
    OfferThen {
        rule: format!("{set}@{version} {routing}/{rule}"),
        round: row.round,
        epoch: row.epoch,
        deadline: row.deadline.filter(|_| row.state == OfferState::Offered).map(Time),
        lines: row.lines.iter().map(|(index, qty)| (line(*index), *qty)).collect(),
    }
}
