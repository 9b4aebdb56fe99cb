//! The form of what a record leads to: I7, time, keys, and that a refusal changes nothing.

use std::collections::{BTreeSet, HashSet};

use router_schemas::{
    command::Command,
    event::{Event, Outcome},
    limits::KEY_MS,
    row::Row,
    stage::StageName,
};

use super::{Ledger, ensure};

impl Ledger {
    /// I7, and the form: items are dense, time goes on, a row is written once.
    pub(super) fn one_outcome(
        &mut self,
        stage: StageName,
        command: Option<&Command>,
        events: &[Event],
    ) -> Result<(), String> {
        let outcomes = events.iter().filter(|event| event.outcome.is_some()).count();
        // What intake passes on, the engine answers.
        let silent = stage == StageName::Intake
            || matches!(command, Some(Command::Genesis(_) | Command::Tick | Command::Continue));
        ensure(outcomes == 1 || silent && outcomes == 0, || {
            format!("I7: {outcomes} outcomes of {command:?}")
        })?;
        let Some(first) = events.first() else { return Ok(()) };
        let place = (first.cause.topic.code(), first.cause.partition);
        let last = self.times.entry(place).or_default();
        let onward = events.iter().all(|event| event.time == first.time) && first.time > *last;
        ensure(onward, || format!("hybrid time {} behind {last}", first.time))?;
        *last = first.time;
        let items: BTreeSet<u16> = events.iter().map(|event| event.item).collect();
        ensure(items.len() == events.len(), || "an item is told twice".into())?;
        let mut rows = HashSet::new();
        for row in events.iter().flat_map(|event| &event.rows) {
            let key = match row {
                Row::Order(row) => row.order.to_string(),
                Row::Cell(row) => format!("{:?}", row.cell),
                Row::Offer(row) => row.offer.to_string(),
                Row::Hold(row) => format!("hold of {}", row.order),
                Row::Node(row) => format!("node {}", row.node),
                Row::Pool(row) => format!("pool {}/{}/{}/{}", row.channel, row.zone, row.sku, row.bucket),
                Row::Reference(entry) => format!("{:?}/{}", entry.table(), entry.key()),
            };
            ensure(!rows.contains(&key), || format!("the row {key} is written twice"))?;
            rows.insert(key);
        }
        Ok(())
    }

    /// A fact counts once by its key; what is refused or a repeat changes nothing.
    pub(super) fn one_effect(&mut self, command: Option<&Command>, events: &[Event]) -> Result<(), String> {
        let Some(event) = events.iter().find(|event| event.outcome.is_some()) else { return Ok(()) };
        if let Some(key) = command.and_then(fact_key) {
            let now = self.engine_time(self.partition);
            let until = self.keys.insert((self.partition, key), now + KEY_MS);
            let known = until.is_some_and(|until| until > now);
            ensure(known == (event.outcome == Some(Outcome::Repeat)), || {
                format!("I7: a fact whose key is known: {known}; it is {:?}", event.outcome)
            })?;
        }
        // A claim that finds no stock closes what the node was offered.
        let quiet = match event.outcome {
            Some(Outcome::Refused(_)) => !matches!(command, Some(Command::Claim(_))),
            Some(Outcome::Repeat) => true,
            _ => false,
        };
        ensure(!quiet || event.changes.is_empty(), || {
            format!("it is {:?} and changes something: {:?}", event.outcome, event.changes)
        })
    }
}

fn fact_key(command: &Command) -> Option<[u8; 16]> {
    match command {
        Command::Count(fact) => fact.key,
        Command::Receipt(fact) => fact.key,
        Command::Adjustment(fact) => fact.key,
        Command::Picked(fact) | Command::Ready(fact) | Command::Shipped(fact) => fact.key,
        Command::Returned(fact) | Command::Accepted(fact) | Command::HandedOver(fact) => fact.key,
        Command::Payment(fact) => Some(fact.key),
        Command::Delivered(fact) => Some(fact.key),
        _ => None,
    }
}
