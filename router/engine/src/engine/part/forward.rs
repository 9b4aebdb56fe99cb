//! Home sends what it cannot fill to the next zone.

use router_schemas::{
    command::{
        Command,
        order::{
            Arrival, Display, OrderBody, OrderHead, OrderLine, OrderMessage, Pin, PinKind, Substitution,
            Totals,
        },
        part::Part,
    },
    envelope::write_postcard,
    event::{Change, PartChange, PartStep, Unit},
    limits::FORWARDS,
};

use super::{Away, AwayLine, Engine, Order};
use crate::engine::{effects::Effects, state::State};

impl Engine {
    /// Sends what is open of these lines, ascending, to the first of the zones that did not give any of it back; no
    /// zones: the channel's fallback. What is bound to a node stays.
    pub(in crate::engine) fn forward(
        &mut self,
        order: &mut Order,
        of: impl Iterator<Item = usize>,
        zones: &[String],
        effects: &mut Effects<'_>,
    ) {
        if order.part_of.is_some() {
            return;
        }
        let mut lines: Vec<usize> = Vec::new();
        for place in of.filter(|place| order.lines[*place].open.is_positive()) {
            // Reports name lines: of two with one name the other goes with the next part.
            let is_named = |known: &usize| order.lines[*known].name == order.lines[place].name;
            if !order.is_bound(place) && !lines.iter().any(is_named) {
                lines.push(place);
            }
        }
        if lines.is_empty() {
            return;
        }
        let Some(zone) = self.next_zone(order, zones) else { return };
        let abroad = order.abroad.get_or_insert_default();
        if abroad.make_room(lines.len()) {
            abroad.zones = zones.to_vec();
            self.send_part(order, zone, &lines, effects);
        }
    }

    /// Sends lines that are bound to nodes of another zone there, unless it gave something back. True: all of them went.
    pub(in crate::engine) fn forward_bound(
        &mut self,
        order: &mut Order,
        zone: String,
        lines: &[usize],
        effects: &mut Effects<'_>,
    ) -> bool {
        let mut some: Vec<usize> = Vec::new();
        for place in lines {
            // Reports name lines.
            if some.iter().all(|known| order.lines[*known].name != order.lines[*place].name) {
                some.push(*place);
            }
        }
        let abroad = order.abroad.get_or_insert_default();
        if abroad.visited.contains(&zone) || !abroad.make_room(some.len()) {
            return false;
        }
        self.send_part(order, zone, &some, effects);
        some.len() == lines.len()
    }

    /// The zone of a node, where that is another than the order's and home may send something there.
    pub(in crate::engine) fn zone_elsewhere<'a>(&'a self, order: &'a Order, node: &str) -> Option<&'a str> {
        let known = self.index.nodes.get(node).map(|n| &self.state.nodes[*n as usize]).filter(|n| n.known);
        let told = || {
            let pins = order.abroad.as_ref().map_or(&[][..], |abroad| &abroad.pins);
            pins.iter().find(|(name, _)| name == node).map(|(_, zone)| zone)
        };
        let zone = known.map(|n| &n.node.zone).or_else(told)?;
        let other = *zone != order.zone && order.part_of.is_none() && self.state.zones.contains_key(zone);
        other.then_some(zone)
    }

    /// The first zone to be asked: known, another one, and not visited.
    fn next_zone(&self, order: &Order, zones: &[String]) -> Option<String> {
        let fallback = || self.state.channels.get(&order.identity.channel).map_or(&[][..], |c| &c.fallback);
        let zones = if zones.is_empty() { fallback() } else { zones };
        let visited = order.abroad.as_ref().map_or(&[][..], |abroad| &abroad.visited);
        let mut asked = zones.iter().take(FORWARDS);
        let fits = |zone: &&String| {
            **zone != order.zone && self.state.zones.contains_key(*zone) && !visited.contains(zone)
        };
        asked.find(fits).cloned()
    }

    fn send_part(&mut self, order: &mut Order, zone: String, lines: &[usize], effects: &mut Effects<'_>) {
        let message = message(order, lines, &self.state);
        let abroad = order.abroad.get_or_insert_default();
        // A part that came back whole goes on under its number.
        let again = abroad.present().find(|part| part.is_over()).map(|part| (part.part, part.attempt + 1));
        let (part, attempt) = again.unwrap_or_else(|| {
            abroad.last += 1;
            (abroad.last, 1)
        });
        let visited = abroad.visited.clone();
        let mut away = Away { part, attempt, zone, visited, ..Away::default() };
        for place in lines {
            let (line, open) = (*place as u16, order.lines[*place].open);
            effects.shift(&mut self.state, order, line, None, (Unit::Open, Unit::Away), open);
            away.lines.push(AwayLine { line, away: open, ..AwayLine::default() });
        }
        let sent = Part {
            part: away.reference(order.id),
            home: order.zone.clone(),
            zone: away.zone.clone(),
            visited: away.visited.clone(),
            message,
        };
        effects.change(Change::Part(PartChange {
            part: sent.part.clone(),
            zone: sent.zone.clone(),
            what: PartStep::Sent,
        }));
        order.abroad.get_or_insert_default().parts.push(away);
        // The message is as large as the order's row.
        effects.weigh(order);
        let zone = sent.zone.clone();
        self.send(&zone, &Command::Part(sent), effects);
    }
}

/// The order with these lines only, and of them what is open. Home keeps the payment's side: the part has no total.
fn message(order: &Order, lines: &[usize], state: &State) -> OrderMessage {
    let preferred = |pin: &Option<(String, PinKind)>| {
        let pin = pin.as_ref().filter(|(_, kind)| *kind == PinKind::Prefer);
        pin.map(|(node, kind)| Pin { node: node.clone(), kind: *kind })
    };
    let line = |place: &usize| {
        let line = &order.lines[*place];
        let bound = order.pin_of(*place).filter(|(_, kind)| *kind == PinKind::Hard);
        let bound = bound.map(|(node, kind)| Pin { node: node.clone(), kind: *kind });
        let sku = &state.skus[line.sku as usize];
        OrderLine {
            line: line.name.clone(),
            sku: sku.name.clone(),
            qty: line.open,
            unit_price: line.unit_price,
            discount: 0,
            group: line.group.clone(),
            pin: bound.or_else(|| preferred(&line.pin)),
            substitution: Substitution::None,
            buckets: Some(sku.bucket.clone()).filter(|b| !b.is_empty()).into_iter().collect(),
        }
    };
    let mut display: Display = postcard::from_bytes(&order.display).unwrap_or_default();
    display.lines = lines.iter().map(|i| display.lines.get(*i).cloned().unwrap_or_default()).collect();
    let mut shown = Vec::new();
    write_postcard(&display, &mut shown);
    let body = OrderBody {
        payment: order.payment,
        currency: order.currency,
        totals: Totals::default(),
        promise: order.promise,
        not_before: None,
        mode: order.mode,
        to: order.to,
        recipient: order.recipient,
        priority: order.priority,
        lines: lines.iter().map(line).collect(),
        display: shown,
    };
    let mut bytes = Vec::new();
    write_postcard(&body, &mut bytes);
    let head = OrderHead {
        identity: order.identity.clone(),
        version: order.version,
        updated_at: None,
        content: [0; 16],
        placed_at: order.placed_at,
        pin: preferred(&order.pin),
        region: None,
        arrival: Arrival::default(),
        elsewhere: Vec::new(),
    };
    OrderMessage { to: None, head, body: bytes }
}
