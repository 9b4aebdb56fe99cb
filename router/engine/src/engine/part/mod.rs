//! Parts of orders in other zones. What home cannot fill goes to another zone as a part; that zone makes an order of its
//! own of it and reports the part's whole state, line by line. Home keeps the ledger. Every message goes through the log,
//! also where the other zone lives on the same partition.
//!
//! - `forward.rs`: home sends what is open.
//! - `receive.rs`: a zone takes a part, or a cancel of one, and gives back what it cannot fill.
//! - `tell.rs`: a zone reports to home.
//! - `report.rs`: home takes a report.
//! - `recall.rs`: home wants units back, and why.

mod forward;
mod recall;
mod receive;
mod report;
mod tell;

use router_schemas::{
    command::{
        Command,
        order::PinKind,
        part::{PartLine, PartRef},
    },
    envelope::Meta,
    id::OrderId,
    limits::{FORWARDS, LINES},
    position::Topic,
    quantity::Qty,
};
use serde::{Deserialize, Serialize};

use super::{Engine, effects::Effects, order::Order};

/// Lines of all parts of one order together: with it an order's row stays within its bound.
const PART_LINES: usize = 3 * LINES;

/// One attempt at a part, as a key: home's order, part, attempt.
pub type PartKey = (OrderId, u32, u32);

pub fn key(part: &PartRef) -> PartKey {
    (part.order, part.part, part.attempt)
}

/// What home knows of an order's parts in other zones.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Abroad {
    /// Every attempt, also one that ended: the other zone may still tell of it.
    pub parts: Vec<Away>,
    /// Zones that gave something back since the order was last changed: they are not asked again.
    pub visited: Vec<String>,
    /// The zones that a rule named when it last sent a part; none: the channel's fallback.
    pub zones: Vec<String>,
    /// Nodes that lines are pinned to hard, each with its zone, where that is another.
    pub pins: Vec<(String, String)>,
    /// The last part's number.
    pub last: u32,
    /// The cancel under way asks nodes that have picked. For one command only.
    #[serde(skip)]
    pub ask: bool,
}

/// One attempt at a part.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Away {
    pub part: u32,
    pub attempt: u32,
    pub zone: String,
    /// Zones that gave it back before.
    pub visited: Vec<String>,
    /// The last report taken.
    pub report: u64,
    pub lines: Vec<AwayLine>,
    /// More of it is wanted back than the zone was told. For one command only.
    #[serde(skip)]
    pub recalls: bool,
}

/// A line of a part.
#[derive(Debug, Default, Clone, Copy, Serialize, Deserialize)]
pub struct AwayLine {
    /// Its place among the order's lines.
    pub line: u16,
    /// Sent, and neither shipped, cancelled nor given back; what a zone ships beyond it leaves the rest as it is.
    pub away: Qty,
    /// What was last reported.
    pub shipped: Qty,
    pub cancelled: Qty,
    pub given_back: Qty,
    pub delivered: Qty,
    pub returned: Qty,
    /// Of what came back there, as far as the order's ledger had room for it.
    pub back: Qty,
    /// All that home ever wanted back.
    pub unwanted: Qty,
    /// Of that, what is not answered: to be cancelled, to leave the order, to be routed anew.
    pub cancel: Qty,
    pub shrink: Qty,
    pub reopen: Qty,
}

impl AwayLine {
    /// Wanted back and not answered.
    pub fn recalled(&self) -> Qty {
        self.cancel + self.shrink + self.reopen
    }
}

/// What a zone owes the home of a part that it took.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Duty {
    /// The last report's number.
    pub report: u64,
    /// What it said.
    pub told: Vec<PartLine>,
    /// Of each line: given back so far, and no longer wanted by home.
    pub lines: Vec<(Qty, Qty)>,
    /// To be told again, changed or not. For one command only.
    #[serde(skip)]
    pub again: bool,
    /// Of what left with the command under way.
    #[serde(skip)]
    pub tracking: Option<String>,
}

/// A part that was cancelled before it came.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Stray {
    /// The last report's number.
    pub report: u64,
    /// Name of the line, no longer wanted.
    pub lines: Vec<(String, Qty)>,
}

impl Order {
    /// Every line of every part.
    pub fn away_lines(&self) -> impl Iterator<Item = &AwayLine> {
        self.abroad.iter().flat_map(|abroad| &abroad.parts).flat_map(|part| &part.lines)
    }

    /// Whether any part ever had a line.
    pub fn was_away(&self, line: usize) -> bool {
        self.away_lines().any(|l| usize::from(l.line) == line)
    }

    /// Units of a line that left other zones, and of those, that came back there.
    pub fn left_abroad(&self, line: usize) -> (Qty, Qty) {
        let mine = self.away_lines().filter(|l| usize::from(l.line) == line);
        mine.fold((Qty::ZERO, Qty::ZERO), |sum, l| (sum.0 + l.shipped, sum.1 + l.back))
    }

    /// What binds a line to one node.
    fn is_bound(&self, line: usize) -> bool {
        self.pin_of(line).is_some_and(|(_, kind)| *kind != PinKind::Prefer)
    }
}

impl Abroad {
    /// Of an order with lines that are pinned to nodes of other zones; `None`: it has none.
    pub fn with_pins(pins: Vec<(String, String)>) -> Option<Box<Abroad>> {
        (!pins.is_empty()).then(|| Box::new(Abroad { pins, ..Abroad::default() }))
    }

    /// Whether one more part with so many lines may be kept; attempts that ended without a trace make room for it.
    fn make_room(&mut self, lines: usize) -> bool {
        let all = |parts: &[Away]| parts.iter().map(|p| p.lines.len()).sum::<usize>();
        while self.parts.len() >= FORWARDS || all(&self.parts) + lines > PART_LINES {
            let Some(place) = self.parts.iter().position(Away::is_over) else { return false };
            self.parts.remove(place);
        }
        true
    }

    /// The latest attempt at each part.
    pub fn present(&self) -> impl Iterator<Item = &Away> {
        let is_last = |part: &&Away| {
            self.parts.iter().all(|other| other.part != part.part || other.attempt <= part.attempt)
        };
        self.parts.iter().filter(is_last)
    }
}

impl Away {
    /// Nothing of it is there, and nothing left from there.
    fn is_over(&self) -> bool {
        self.lines.iter().all(|l| l.away.is_zero() && l.shipped.is_zero())
    }

    fn reference(&self, order: OrderId) -> PartRef {
        PartRef { order, part: self.part, attempt: self.attempt }
    }
}

impl Engine {
    /// Whether the zone is one of this partition.
    pub(super) fn is_own(&self, zone: &str) -> bool {
        self.state.zones.get(zone) == Some(&self.partition)
    }

    /// Sends a record to the partition of a zone, be it this one. False: no such zone is known.
    pub(super) fn send(&self, zone: &str, command: &Command, effects: &mut Effects<'_>) -> bool {
        let Some(partition) = self.state.zones.get(zone).copied() else { return false };
        let meta = Meta { carried: self.state.clock.hybrid, ..Meta::default() };
        effects.out.push(Topic::Commands, partition, &meta, command);
        if fault!(PartTakenTwice) {
            effects.out.push(Topic::Commands, partition, &meta, command);
        }
        true
    }
}
