//! The last records, kept as bytes, so that a failure can be told with what led to it.

use std::{
    collections::{BTreeSet, VecDeque},
    fmt::Write as _,
    sync::Arc,
};

use router_schemas::{
    command::Command,
    envelope::decode,
    event::Event,
    position::{Topic, TopicPartition},
    row::Row,
};

use crate::log::{Log, Record, Transaction};

/// Records that are kept.
const KEPT: usize = 20_000;
/// Records that are told of a failure.
const TOLD: usize = 25;

struct Step {
    source: TopicPartition,
    offset: u64,
    record: Record,
    events: Vec<Arc<[u8]>>,
}

/// The last records.
#[derive(Default)]
pub struct Trail {
    steps: VecDeque<Step>,
}

impl Trail {
    /// Notes a batch that is taken in.
    pub fn note(&mut self, log: &Log, transaction: &Transaction) {
        let mut outputs = transaction.outputs.iter().peekable();
        for offset in &transaction.applied {
            let mut events = Vec::new();
            while let Some(written) = outputs.next_if(|written| written.cause <= *offset) {
                if written.target.topic == Topic::Events {
                    events.push(written.payload.clone());
                }
            }
            let Some(record) = log.record(&transaction.source, *offset).cloned() else { continue };
            if self.steps.len() == KEPT {
                self.steps.pop_front();
            }
            self.steps.push_back(Step {
                source: transaction.source.clone(),
                offset: *offset,
                record,
                events,
            });
        }
    }

    /// What led to a failure: the last records about the order or the cell that it names, and those that come next.
    pub fn about(&self, why: &str, log: &Log) -> String {
        let mut names: BTreeSet<String> = why
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|word| word.len() > 20 && word.starts_with('o'))
            .map(str::to_owned)
            .collect();
        let cell = why.find("CellName {").and_then(|at| why[at..].split('}').next());
        names.extend(cell.map(|cell| format!("{cell}}}")));
        if names.is_empty() {
            names.extend(self.steps.back().map(|step| format!("{}@{}", step.source, step.offset)));
        }
        // Commands name an order by its identity.
        for step in &self.steps {
            for event in &step.events {
                let Ok((_, event)) = decode::<Event>(event) else { continue };
                for row in &event.rows {
                    let (order, identity) = match row {
                        Row::Order(row) => (row.order, &row.identity),
                        Row::Hold(row) => (row.order, &row.identity),
                        _ => continue,
                    };
                    if names.contains(&order.to_string()) {
                        names.insert(format!("external_id: {:?}", identity.external_id));
                    }
                }
            }
        }
        let mut told = VecDeque::new();
        for step in &self.steps {
            let mut text = format!("{}@{} at {}: ", step.source, step.offset, step.record.at);
            text += &command(&step.record);
            for event in &step.events {
                _ = match decode::<Event>(event) {
                    Ok((_, event)) => write!(text, "\n    {event:?}"),
                    Err(error) => write!(text, "\n    an event that cannot be read: {error}"),
                };
            }
            if names.iter().any(|name| text.contains(name.as_str())) {
                if told.len() == TOLD {
                    told.pop_front();
                }
                told.push_back(text);
            }
        }
        let mut text = String::new();
        for step in told {
            _ = writeln!(text, "{step}\n");
        }
        for source in log.sources() {
            let next = log.committed(&source);
            for offset in next..next + 8 {
                if let Some(record) = log.record(&source, offset) {
                    _ = writeln!(text, "next: {source}@{offset} at {}: {}", record.at, command(record));
                }
            }
        }
        text
    }
}

fn command(record: &Record) -> String {
    match decode::<Command>(&record.payload) {
        Ok((_, command)) => short(&format!("{command:?}")),
        Err(error) => format!("not readable: {error}"),
    }
}

fn short(text: &str) -> String {
    text.chars().take(1_200).collect()
}
