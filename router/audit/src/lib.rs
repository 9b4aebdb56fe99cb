//! Recomputes from the log alone what must hold, and compares log, rows and topics. Shares the vocabulary with the
//! engine and none of its code: units are added up from the moves that events state, not from its state.

mod ledger;

use std::collections::{HashMap, HashSet};

use ledger::Ledger;
use router_log::{Isolation, Log, LogError, Record, scan};
use router_schemas::{
    command::Command,
    envelope,
    event::{Event, Outcome},
    id::{Identity, OrderId},
    position::{LogId, Position, Topic, TopicPartition},
    refusal::{Code, Refusal},
    stage::StageName,
};
use router_sinks::{Store, StoreError};
use serde::Serialize;

/// What a violation means.
pub const CODES: &[Code] = &[
    code("E2301", "I1: a request promised more than a cell has"),
    code("E2302", "I2: units of a cell are not conserved"),
    code("E2303", "I3: units of an order line are not conserved"),
    code("E2304", "I5: an accepted order has no state"),
    code("E2305", "I7: a command has no outcome, or more than one"),
    code("E2306", "one platform order has two ids, or two orders one id"),
    code("E2307", "the numbers of a source are not dense in a target"),
    code("E2308", "rows differ from what the events say"),
    code("E2309", "a record does not decode"),
];

const fn code(id: &'static str, summary: &'static str) -> Code {
    Code { id, summary, hint: "keep the data folder as it is and report it" }
}

/// The audit could not be made.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The rows.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Something that must hold and does not.
#[derive(Clone, Debug, Serialize)]
pub struct Violation {
    /// Documented code.
    pub code: &'static str,
    /// What exactly.
    pub detail: String,
}

/// What was looked at, and what was found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Records read.
    pub records: u64,
    /// Commands of the stages' inputs, those of time and genesis left out.
    pub commands: u64,
    /// Orders accepted.
    pub orders: u64,
    /// Stock cells.
    pub cells: u64,
    /// Cells where a fact left more promised than there is; visible, and no violation.
    pub oversold: u64,
    /// Records that an operator had passed over.
    pub skipped: Vec<Position>,
    /// Number of violations; the first hundred are listed.
    pub violations: u64,
    /// The first of them.
    pub first: Vec<Violation>,
}

impl Report {
    fn violated(&mut self, code: &'static str, detail: impl FnOnce() -> String) {
        self.violations += 1;
        if self.first.len() < 100 {
            self.first.push(Violation { code, detail: detail() });
        }
    }
}

/// Reads the whole log and, where given, compares the rows. The log must be at rest, with all of it applied.
pub fn audit(log: &dyn Log, store: Option<&dyn Store>) -> Result<Report, AuditError> {
    let mut report = Report::default();
    let trimmed =
        partitions(log, &Topic::Events).iter().any(|at| log.range(at).is_some_and(|range| range.start > 0));
    let mut audit = Audit { log: log.log_id(), ledger: Ledger::of(trimmed), ..Audit::default() };
    for stage in StageName::ALL {
        for partition in partitions(log, &stage.input()) {
            let applied = log.committed(stage.group(), &partition).unwrap_or(0);
            each(log, &partition, |record| {
                report.records += 1;
                if record.offset < applied {
                    audit.command(&partition, record, &mut report);
                }
            })?;
        }
    }
    for partition in partitions(log, &Topic::Events) {
        each(log, &partition, |record| {
            report.records += 1;
            audit.event(&partition, record, &mut report);
        })?;
    }
    let others = [Topic::Replies, Topic::Assignments, Topic::Notifications, Topic::StockAlerts];
    for partition in others.iter().flat_map(|topic| partitions(log, topic)) {
        each(log, &partition, |record| {
            report.records += 1;
            audit.origin(&partition, record, &mut report);
        })?;
    }
    if let Some(store) = store.filter(|_| trimmed) {
        audit.ledger.complete(store)?;
    }
    audit.close(&mut report);
    if let Some(store) = store {
        audit.ledger.compare(store, &mut report)?;
    }
    Ok(report)
}

fn partitions(log: &dyn Log, topic: &Topic) -> Vec<TopicPartition> {
    let count = log.partitions(topic).unwrap_or(0);
    (0..count).map(|partition| TopicPartition::new(topic.clone(), partition)).collect()
}

fn each(log: &dyn Log, partition: &TopicPartition, mut take: impl FnMut(&Record)) -> Result<(), LogError> {
    let range = log.range(partition).unwrap_or_default();
    scan(log, partition, range, Isolation::Durable, |records| {
        records.iter().for_each(&mut take);
        Ok(())
    })
}

#[derive(Default)]
struct Audit {
    log: LogId,
    /// What is wrong with records that stages read; nothing, where an operator had them skipped.
    suspects: Vec<(Position, &'static str, String)>,
    skipped: HashSet<Position>,
    ledger: Ledger,
    /// Commands that must have an outcome, and whether they are requests.
    waiting: HashMap<Position, bool>,
    /// Commands that intake may pass on instead.
    passable: HashSet<Position>,
    answered: HashSet<Position>,
    /// Last number of each source in each target.
    numbers: HashMap<(TopicPartition, u8, u16), u64>,
    /// Orders that intake gave to the engine.
    placed: HashMap<Identity, OrderId>,
    ids: HashMap<OrderId, Identity>,
}

impl Audit {
    /// What is wrong with the origin of a record, if anything.
    fn strange_origin(
        &mut self,
        partition: &TopicPartition,
        record: &Record,
    ) -> Option<(&'static str, String)> {
        let origin = match envelope::origin(&record.payload) {
            Ok(origin) => origin?,
            Err(e) => return Some(("E2309", e.to_string())),
        };
        if origin.log != self.log {
            return Some(("E2307", format!("it is of log {}", origin.log)));
        }
        let key = (partition.clone(), origin.topic, origin.partition);
        let last = self.numbers.insert(key, origin.sequence);
        // What was trimmed may have held the first ones.
        let gap = last.filter(|last| origin.sequence != last + 1)?;
        Some(("E2307", format!("{gap}, then {}", origin.sequence)))
    }

    fn origin(&mut self, partition: &TopicPartition, record: &Record, report: &mut Report) {
        if let Some((code, what)) = self.strange_origin(partition, record) {
            report.violated(code, || format!("{partition}@{}: {what}", record.offset));
        }
    }

    fn command(&mut self, partition: &TopicPartition, record: &Record, report: &mut Report) {
        let position = Position::new(partition.topic.clone(), partition.partition, record.offset);
        let decoded = envelope::decode::<Command>(&record.payload);
        // What does not decode has an outcome that says so.
        if let (Ok(_), Some((code, what))) = (&decoded, self.strange_origin(partition, record)) {
            self.suspects.push((position.clone(), code, what));
        }
        let Ok((_, command)) = decoded else {
            report.commands += 1;
            self.waiting.insert(position, false);
            return;
        };
        if matches!(command, Command::Genesis(_) | Command::Tick | Command::Continue) {
            return;
        }
        report.commands += 1;
        if partition.topic == Topic::Intake {
            self.passable.insert(position.clone());
        }
        if let (Topic::Commands, Command::Place(message)) = (&partition.topic, &command)
            && let Some(to) = &message.to
        {
            report.orders += 1;
            self.same_order(&message.head.identity, to.order, &position, report);
        }
        let request = matches!(command, Command::Place(_) | Command::Amend(_) | Command::Part(_));
        self.waiting.insert(position, request);
    }

    /// One platform order has one id, and the other way about.
    fn same_order(&mut self, identity: &Identity, order: OrderId, at: &Position, report: &mut Report) {
        if let Some(other) = self.placed.insert(identity.clone(), order) {
            report.violated("E2306", || format!("{at}: {identity} was placed as {other} and as {order}"));
        }
        if let Some(other) = self.ids.insert(order, identity.clone()) {
            report.violated("E2306", || format!("{at}: {order} is {other} and {identity}"));
        }
        self.ledger.accepted(order);
    }

    fn event(&mut self, partition: &TopicPartition, record: &Record, report: &mut Report) {
        self.origin(partition, record, report);
        let event: Event = match envelope::decode(&record.payload) {
            Ok((_, event)) => event,
            Err(e) => return report.violated("E2309", || format!("{partition}@{}: {e}", record.offset)),
        };
        if event.outcome.is_some() && !self.answered.insert(event.cause.clone()) {
            report.violated("E2305", || format!("{} has two outcomes", event.cause));
        }
        if event.outcome == Some(Outcome::Refused(Refusal::Skipped))
            && self.skipped.insert(event.cause.clone())
        {
            report.skipped.push(event.cause.clone());
        }
        let request = self.waiting.get(&event.cause).copied().unwrap_or(false);
        self.ledger.event(&event, request, report);
    }

    fn close(&mut self, report: &mut Report) {
        for (position, code, what) in self.suspects.iter().filter(|(p, ..)| !self.skipped.contains(p)) {
            report.violated(code, || format!("{position}: {what}"));
        }
        for position in self.waiting.keys() {
            let passed = self.passable.contains(position);
            if !passed && !self.answered.contains(position) {
                report.violated("E2305", || format!("{position} has no outcome"));
            }
        }
        self.ledger.close(report);
    }
}
