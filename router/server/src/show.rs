//! Rows and answers as JSON for people and programs outside. Personal data stays sealed.

use router_schemas::{
    command::{order::Display, reference::Reference, stock::Allowance},
    id::OrderId,
    position::Position,
    reply::{Accepted, Answer, Reply},
    row::{CellRow, OrderRow},
};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

/// An answer, with the position of the record that it answers.
pub(crate) fn reply(reply: &Reply) -> Value {
    let position = &reply.position;
    match &reply.answer {
        Answer::Accepted(a) => {
            json!({ "answer": "accepted", "order": a.order, "zone": a.zone, "position": a.position })
        }
        Answer::Repeat(a) => {
            json!({ "answer": "repeat", "order": a.order, "zone": a.zone, "position": a.position })
        }
        Answer::Early => json!({ "answer": "early", "position": position }),
        Answer::Ignored => json!({ "answer": "ignored", "position": position }),
        Answer::Refused { refusal, detail } => {
            let code = refusal.code();
            json!({ "answer": "refused", "code": code.id, "pointer": "", "position": position,
                    "detail": format!("{}: {detail}", code.summary), "hint": code.hint })
        }
        Answer::Done => json!({ "answer": "done", "position": position }),
        Answer::Outcome(o) => json!({ "answer": "outcome", "order": o.order, "state": o.state.as_str(),
            "nodes": o.nodes, "repeat": o.repeat, "position": position }),
        Answer::Published(control) => json!({ "answer": "published", "control": control }),
    }
}

/// An answer as [`reply`] shows it, written without a tree in between where there are many of its kind.
pub(crate) struct Answered<'a>(pub &'a Reply);

impl Serialize for Answered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// Members in alphabetical order, as the tree has them.
        #[derive(Serialize)]
        struct Taken<'a> {
            answer: &'static str,
            order: OrderId,
            position: &'a Position,
            zone: Option<&'a str>,
        }
        let taken = |answer, a: &Accepted, serializer: S| {
            let zone = a.zone.as_deref();
            Taken { answer, order: a.order, position: &a.position, zone }.serialize(serializer)
        };
        match &self.0.answer {
            Answer::Accepted(a) => taken("accepted", a, serializer),
            Answer::Repeat(a) => taken("repeat", a, serializer),
            _ => reply(self.0).serialize(serializer),
        }
    }
}

/// An order.
pub(crate) fn order(row: &OrderRow) -> Value {
    let display: Display = postcard::from_bytes(&row.display).unwrap_or_default();
    let lines: Vec<_> = row
        .lines
        .iter()
        .enumerate()
        .map(|(index, line)| {
            let shown = display.lines.get(index);
            let mut value = json!({ "name": shown.and_then(|l| l.name.as_deref()) });
            merge(&mut value, serde_json::to_value(line).unwrap_or_default());
            value
        })
        .collect();
    json!({
        "order": row.order, "channel": row.identity.channel, "account": row.identity.account,
        "id": row.identity.external_id, "number": display.number, "zone": row.zone, "state": row.state.as_str(),
        "payment": row.payment, "refunded": row.refunded, "version": row.version, "revision": row.revision,
        "created_at": row.created_at, "changed_at": row.changed_at, "placed_at": row.placed_at,
        "promise": row.promise, "not_before": row.not_before, "delivery_mode": row.mode,
        "priority": row.priority, "currency": row.currency, "totals": row.totals, "remark": display.remark,
        "language": display.language, "tags": display.tags, "recipient_sealed": display.recipient.is_some(),
        "lines": lines, "fulfilments": row.fulfilments,
    })
}

/// A stock cell.
pub(crate) fn cell(row: &CellRow) -> Value {
    let mut value = serde_json::to_value(&row.cell).unwrap_or_default();
    let allowance = match row.allowance {
        Allowance::None => json!(0),
        Allowance::Limited(qty) => json!(qty),
        Allowance::Unlimited => json!("unlimited"),
    };
    merge(
        &mut value,
        json!({ "on_hand": row.on_hand, "allocated": row.allocated, "backordered": row.backordered,
        "held": row.held, "blocked": row.blocked, "safety_stock": row.safety_stock, "allowance": allowance,
        "out_of_stock": row.out_of_stock, "atp": row.atp }),
    );
    value
}

/// An entry of a reference table.
pub(crate) fn reference(entry: &Reference) -> Value {
    let value = match entry {
        Reference::Zone(zone) => serde_json::to_value(zone),
        Reference::Node(node) => serde_json::to_value(node),
        Reference::Item(item) => serde_json::to_value(item),
        Reference::Channel(channel) => serde_json::to_value(channel),
        Reference::Region(region) => serde_json::to_value(region),
        Reference::BehaviourLevel(level) => Ok(json!({ "level": level })),
        Reference::Incarnation(source, number) => Ok(json!({ "source": source, "incarnation": number })),
    };
    value.unwrap_or_default()
}

fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}

#[cfg(test)]
mod tests {
    use router_schemas::position::{LogId, Topic};

    use super::*;

    #[test]
    fn an_answer_reads_the_same_in_both_forms() {
        let position = Position::new(Topic::Intake, 3, 17);
        let order = OrderId::new(LogId([7; 16]), &Topic::Intake, 3, 17);
        let accepted = |zone| Accepted { order, zone, position: position.clone() };
        let answers =
            [Answer::Accepted(accepted(Some("z\"".into()))), Answer::Repeat(accepted(None)), Answer::Early];
        for answer in answers {
            let said = Reply { correlation: [0; 16], position: position.clone(), answer };
            assert_eq!(serde_json::to_string(&Answered(&said)).unwrap(), reply(&said).to_string());
        }
    }
}
