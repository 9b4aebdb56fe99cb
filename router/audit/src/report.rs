//! What an audit says.

use router_schemas::{
    position::{Position, TopicPartition},
    refusal::Code,
};
use serde::Serialize;

/// What a violation means.
pub const CODES: &[Code] = &[
    code("E2301", "I1: a request or a retry promised more than a cell has"),
    code("E2302", "I2: units of a cell are not conserved"),
    code("E2303", "I3: units of an order line are not conserved"),
    code("E2304", "I5: an accepted order has no state"),
    code("E2305", "I7: a command has no outcome, or more than one"),
    code("E2306", "one platform order has two ids, or two orders one id"),
    code("E2307", "the numbers of a source are not dense in a target"),
    code("E2308", "rows differ from what the events say"),
    code("E2309", "a record that a stage wrote does not decode"),
    code("E2310", "I1: a cell is oversold and nobody is told, or is told again"),
    code("E2311", "a record that intake passed on does not agree with its command"),
    code("E2312", "a publication of control and its copies differ"),
    code("E2313", "I7: a reply is missing, doubled, or not what became of its command"),
    code("E2314", "a store was told other work than the order's row shows"),
    code("E2315", "a customer was not told of a cancelled order, or twice of a confirmed one"),
    code("E2316", "stock alerts differ from the exceptions in the events"),
    code("E2317", "a dead letter is missing, or has no refused command"),
    code("E2318", "a record was passed over without an operator's word, or did something all the same"),
    code("E2319", "I5: the state of an order does not follow from its units, or it reopened without cause"),
    code(
        "E2320",
        "I2: units are held that belong to no live hold or open offer, or a hold's row differs from its moves",
    ),
    code("E2321", "a hold or an offer lapsed before its service time"),
    code(
        "E2322",
        "I4: an offer was claimed out of turn, has two winners, or stands otherwise than its steps say",
    ),
    code("E2323", "I6: a node that declined was asked, or given work, again"),
    code("E2324", "I3: a part in another zone and its home do not agree"),
    code("E2325", "a decision names a rule set that its zone did not go by"),
    code(
        "E2326",
        "a store was told otherwise of an offer, or of a request to give units back, than happened",
    ),
];

const fn code(id: &'static str, summary: &'static str) -> Code {
    Code::new(id, summary, "keep the data folder as it is and report it")
}

/// Violations and notes of one kind that are listed; all are counted.
const LISTED: usize = 100;

/// Something that must hold and does not.
#[derive(Clone, Debug, Serialize)]
pub struct Violation {
    /// Documented code.
    pub code: &'static str,
    /// The record at which it shows; absent where it shows in no one record.
    pub position: Option<Position>,
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
    /// Offers ever made.
    pub offers: u64,
    /// Orders for which something was ever held.
    pub holds: u64,
    /// Attempts at parts in other zones.
    pub parts: u64,
    /// Records that operators passed over; the first hundred.
    pub skipped: Vec<Position>,
    /// Commands that did not decode and have their dead letter and outcome.
    pub undecodable: u64,
    /// Invariants that were recomputed and had a subject in this log: `I1` and so on.
    pub invariants: Vec<&'static str>,
    /// Invariants without a subject in this log.
    pub no_subject: Vec<&'static str>,
    /// What could not be checked, and why: one sentence each.
    pub unchecked: Vec<String>,
    /// Number of violations; the first hundred are listed.
    pub violations: u64,
    /// The first of them.
    pub first: Vec<Violation>,
}

impl Report {
    pub(crate) fn violated(
        &mut self,
        code: &'static str,
        position: impl Into<Option<Position>>,
        detail: impl FnOnce() -> String,
    ) {
        self.violations += 1;
        if self.first.len() < LISTED {
            self.first.push(Violation { code, position: position.into(), detail: detail() });
        }
    }

    pub(crate) fn skips(&mut self, position: Position) {
        if self.skipped.len() < LISTED {
            self.skipped.push(position);
        }
    }
}

/// A position written in a small form.
pub(crate) fn position(partition: &TopicPartition, offset: u64) -> Position {
    Position::new(partition.topic.clone(), partition.partition, offset)
}
