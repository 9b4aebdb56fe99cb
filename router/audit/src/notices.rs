//! What outside readers are told: the work of stores, the word to customers, the alerts about stock.

use std::collections::HashMap;

use router_schemas::{
    command::stock::CellName,
    event::OrderState,
    id::OrderId,
    position::{Position, Topic},
    quantity::Qty,
};
use serde::Deserialize;
use xxhash_rust::xxh3::xxh3_64;

use crate::{ledger::Ledger, orders::PROMISED, report::Report};

/// A notice, as far as it is looked at.
pub(crate) enum Notice {
    Assignment(Assignment),
    Notification(Notification),
    Alert(Alert),
}

#[derive(Deserialize)]
pub(crate) struct Assignment {
    #[serde(rename = "type", default)]
    kind: String,
    event: String,
    node: String,
    order: OrderId,
    lines: Vec<AssignedLine>,
    position: Position,
}

#[derive(Deserialize)]
struct AssignedLine {
    line: String,
    qty: Qty,
    #[serde(default)]
    backordered: Qty,
}

#[derive(Deserialize)]
pub(crate) struct Notification {
    event: String,
    order: OrderId,
    state: String,
    position: Position,
}

#[derive(Deserialize)]
pub(crate) struct Alert {
    event: String,
    node: String,
    sku: String,
    #[serde(default)]
    bucket: String,
    position: Position,
}

impl Notice {
    /// The command that caused it.
    pub fn position(&self) -> &Position {
        match self {
            Notice::Assignment(a) => &a.position,
            Notice::Notification(n) => &n.position,
            Notice::Alert(a) => &a.position,
        }
    }
}

/// What was said about an order.
#[derive(Default)]
struct Heard {
    confirmed: bool,
    cancelled: bool,
    /// What nodes were last told: node, line, units in all; and where.
    work: Vec<(u32, u64, Qty)>,
}

#[derive(Default)]
pub(crate) struct Notices {
    heard: HashMap<OrderId, Heard>,
    /// Exceptions less alerts, by what they say.
    alerts: HashMap<u64, (i64, Position, String)>,
}

impl Notices {
    /// Reads a record for outside readers; `None`: not one that is looked at.
    pub fn read(&self, topic: &Topic, payload: &[u8]) -> Option<Result<Notice, String>> {
        let read = match topic {
            Topic::Assignments => match serde_json::from_slice::<Assignment>(payload) {
                // What is offered is nobody's work yet.
                Ok(said) if said.kind == "offer.v1" => return None,
                read => read.map(Notice::Assignment),
            },
            Topic::Notifications => serde_json::from_slice(payload).map(Notice::Notification),
            Topic::StockAlerts => serde_json::from_slice(payload).map(Notice::Alert),
            _ => return None,
        };
        Some(read.map_err(|error| error.to_string()))
    }

    pub fn take(&mut self, at: &Position, notice: Notice, ledger: &mut Ledger, report: &mut Report) {
        match notice {
            Notice::Assignment(said) => {
                let node = ledger.number(&said.node);
                if (said.event == "withdrawn") != said.lines.is_empty() {
                    let event = &said.event;
                    report.violated("E2314", at.clone(), || {
                        format!("{} at {}: {event}", said.order, said.node)
                    });
                }
                let heard = self.heard.entry(said.order).or_default();
                heard.work.retain(|(told, ..)| *told != node);
                heard.work.extend(
                    said.lines
                        .iter()
                        .map(|line| (node, xxh3_64(line.line.as_bytes()), line.qty + line.backordered)),
                );
            }
            Notice::Notification(said) => {
                let heard = self.heard.entry(said.order).or_default();
                heard.cancelled |= said.state == OrderState::Cancelled.text();
                if said.event == "confirmed" && std::mem::replace(&mut heard.confirmed, true) {
                    report.violated("E2315", at.clone(), || format!("{} is confirmed again", said.order));
                }
            }
            // What a channel may sell is worked out, not told by an exception.
            Notice::Alert(said) if said.node.is_empty() => {}
            Notice::Alert(said) => {
                let cell = CellName { node: said.node, sku: said.sku, bucket: said.bucket };
                self.balance(&said.event, &cell, &said.position, at, -1);
            }
        }
    }

    /// An exception for which an alert is due.
    pub fn expect(&mut self, event: &str, cell: &CellName, cause: &Position, at: &Position) {
        self.balance(event, cell, cause, at, 1);
    }

    fn balance(&mut self, event: &str, cell: &CellName, cause: &Position, at: &Position, by: i64) {
        let said = format!("{event} of {} {} at {} by {cause}", cell.sku, cell.bucket, cell.node);
        let key = xxh3_64(said.as_bytes());
        let entry = self.alerts.entry(key).or_insert((0, at.clone(), said));
        entry.0 += by;
        if entry.0 == 0 {
            self.alerts.remove(&key);
        }
    }

    pub fn close(&mut self, ledger: &Ledger, report: &mut Report) {
        let mut alerts: Vec<_> = self.alerts.drain().map(|(_, alert)| alert).collect();
        alerts.sort();
        for (balance, at, said) in alerts {
            let how = if balance > 0 { "no alert says it" } else { "no exception says it" };
            report.violated("E2316", at, || format!("{said}: {how}"));
        }
        let mut orders: Vec<_> = ledger.orders.keys().copied().collect();
        orders.sort_unstable();
        let silent = Heard::default();
        let mut unjudged = 0u64;
        for id in orders {
            let order = &ledger.orders[&id];
            let heard = self.heard.get(&id).unwrap_or(&silent);
            if order.state == Some(OrderState::Cancelled) && !heard.cancelled {
                match order.adopted {
                    true => unjudged += 1,
                    false => report
                        .violated("E2315", id.position(), || format!("{id} is cancelled, nobody was told")),
                }
            }
            if order.adopted && heard.work.is_empty() {
                unjudged += 1;
                continue;
            }
            if let Some(said) = astray(ledger, id, heard) {
                report.violated("E2314", id.position(), || format!("{id}: {said}"));
            }
        }
        if unjudged > 0 {
            report.unchecked.push(format!("what was said about {unjudged} orders may have been trimmed"));
        }
    }
}

/// Compares what nodes were told with what they have. Units that a node has shipped since may still be in its list.
fn astray(ledger: &Ledger, id: OrderId, heard: &Heard) -> Option<String> {
    use router_schemas::event::Unit::{Returned, Shipped};
    let order = &ledger.orders[&id];
    let mut places: Vec<(u32, u16)> = order.held.iter().map(|h| (h.node, h.line)).collect();
    for (node, name, _) in &heard.work {
        match order.lines.iter().position(|line| line.name == *name) {
            Some(line) => places.push((*node, line as u16)),
            None => return Some(format!("{} was told of a line that is not there", ledger.node_name(*node))),
        }
    }
    places.sort_unstable();
    places.dedup();
    places.into_iter().filter(|(node, _)| *node != crate::orders::NOWHERE).find_map(|(node, line)| {
        let name = order.lines.get(usize::from(line))?.name;
        let told: Qty = heard.work.iter().filter(|w| (w.0, w.1) == (node, name)).map(|w| w.2).sum();
        let promised = order.at(line, node, &PROMISED);
        let shipped = order.at(line, node, &[Shipped, Returned]);
        (told < promised || told > promised + shipped).then(|| {
            format!("{} was told to send {told} of line {line}, it has {promised}", ledger.node_name(node))
        })
    })
}
