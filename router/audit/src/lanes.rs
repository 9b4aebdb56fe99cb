//! The inputs of the stages: which commands there are, at which hybrid time each was applied, and what became of it.
//!
//! Hybrid times are recomputed: per partition, max(last + 1, engine time, carried + 1) in µs, one for each record. So are
//! service times: engine time, at most 30 s behind the last tick, less the outages so far.

use std::collections::VecDeque;

use router_log::Record;
use router_schemas::{
    command::Command,
    envelope::{Meta, ReplyTo},
    event::Event,
    id::OrderId,
    limits::OUTAGE_MS,
    position::{Position, Topic},
    stage::StageName,
};

/// A command that waits for what it caused.
#[derive(Debug)]
pub(crate) struct Pending {
    /// Hybrid time, µs.
    pub time: u64,
    /// Engine time, ms.
    pub at: i64,
    /// Service time, ms; `None`: a trimmed beginning leaves it unknown.
    pub service: Option<i64>,
    pub kind: &'static str,
    /// Hash of the platform order that it names; 0: none.
    pub identity: u64,
    pub order: Option<OrderId>,
    pub reply: Option<ReplyTo>,
    /// A claim, or what operations asked for.
    pub said: Option<Box<Command>>,
    /// It came by a raw topic, where nobody waits.
    pub sourced: bool,
    /// Its outcome or its passing on was seen.
    pub done: bool,
}

/// Kinds that need no outcome.
pub(crate) fn is_quiet(kind: &str) -> bool {
    matches!(kind, "genesis" | "tick" | "continue")
}

/// Entries that are done are kept so long, for a late second outcome.
const SLACK: u64 = 4096;

/// One partition of a stage's input.
pub(crate) struct Lane {
    pub stage: StageName,
    pub partition: u16,
    /// Offset behind the last record applied.
    pub applied: u64,
    /// First offset that the log still has.
    pub first: u64,
    pub next: u64,
    engine_time: i64,
    /// Engine time of the last tick, and the outages so far, ms.
    ticked: (i64, i64),
    pub time: u64,
    /// False while a trimmed beginning leaves the hybrid time unknown.
    pub exact: bool,
    pub pending: VecDeque<Pending>,
    /// Offset of the first of them.
    pub front: u64,
    /// The last cause seen in the events.
    pub cause: Option<u64>,
    /// Events of that cause, judged together once they are all there.
    pub scope: Vec<(Position, Event)>,
}

impl Lane {
    pub fn new(stage: StageName, partition: u16, first: u64, applied: u64) -> Lane {
        Lane {
            stage,
            partition,
            applied,
            first,
            next: first,
            engine_time: 0,
            ticked: (0, 0),
            time: 0,
            exact: first == 0,
            pending: VecDeque::new(),
            front: first,
            cause: None,
            scope: Vec::new(),
        }
    }

    pub fn at(&self, offset: u64) -> Position {
        Position::new(self.stage.input(), self.partition, offset)
    }

    /// Takes in the next record; `None`: it does not decode. Of one that was skipped the time does not count: it may
    /// be what stopped the stage.
    pub fn take(&mut self, record: &Record, command: Option<&(Meta, Command)>, skipped: bool) {
        let meta = command.map(|(meta, _)| meta);
        // CONTROL reads what nobody passed on: nothing is carried to it.
        let carried = meta.filter(|_| self.stage != StageName::Control).map_or(0, |m| m.carried);
        if !skipped {
            self.engine_time = self.engine_time.max(record.at);
        }
        self.time = (self.time + 1).max(self.engine_time.max(0) as u64 * 1000).max(carried + 1);
        self.next = record.offset + 1;
        let command = command.map(|(_, command)| command);
        let service = self.serve(matches!(command, Some(Command::Tick)));
        self.pending.push_back(Pending {
            time: self.time,
            at: self.engine_time,
            service: Some(service).filter(|_| self.first == 0),
            kind: command.map_or("undecodable", Command::name),
            identity: command.and_then(Command::identity).map_or(0, |identity| identity.hash()),
            order: command.and_then(order_of),
            reply: meta.and_then(|m| m.reply),
            said: command
                .filter(|c| matches!(c, Command::Claim(_) | Command::Steer(_)))
                .cloned()
                .map(Box::new),
            sourced: meta.is_some_and(|m| m.source.is_some()),
            done: false,
        });
        if self.stage == StageName::Intake {
            self.forget_done();
        }
    }

    /// Service time of the record that was just taken in.
    fn serve(&mut self, tick: bool) -> i64 {
        let (last, outages) = self.ticked;
        if tick {
            let beyond = (self.engine_time - last - OUTAGE_MS).max(0);
            self.ticked = (self.engine_time, if last > 0 { outages + beyond } else { outages });
        }
        let (last, outages) = self.ticked;
        let served = if last > 0 { self.engine_time.min(last + OUTAGE_MS) } else { self.engine_time };
        served - outages
    }

    fn forget_done(&mut self) {
        while self.front + SLACK < self.next
            && self.pending.front().is_some_and(|p| p.done || is_quiet(p.kind))
        {
            self.pending.pop_front();
            self.front += 1;
        }
    }

    pub fn entry(&mut self, offset: u64) -> Option<&mut Pending> {
        let place = offset.checked_sub(self.front)?;
        self.pending.get_mut(place as usize)
    }

    /// Offset of the command that was applied at this hybrid time.
    pub fn at_time(&self, time: u64) -> Option<u64> {
        let place = self.pending.partition_point(|p| p.time < time);
        let found = self.pending.get(place).filter(|p| p.time == time)?;
        debug_assert!(found.time == time);
        Some(self.front + place as u64)
    }

    /// The events say what time it was: from here on it is known.
    pub fn learn(&mut self, offset: u64, time: u64) {
        self.exact = true;
        let Some(place) = offset.checked_sub(self.front) else { return };
        let mut last = time;
        for (n, pending) in self.pending.iter_mut().skip(place as usize).enumerate() {
            // What those carried that came since is in their time already.
            pending.time = if n == 0 { time } else { pending.time.max(last + 1) };
            last = pending.time;
        }
        self.time = self.time.max(last);
    }

    /// Removes what lies before an offset and hands it out.
    pub fn pass(&mut self, offset: u64) -> Vec<(u64, Pending)> {
        let mut passed = Vec::new();
        while self.front < offset {
            let Some(pending) = self.pending.pop_front() else { break };
            passed.push((self.front, pending));
            self.front += 1;
        }
        passed
    }
}

fn order_of(command: &Command) -> Option<OrderId> {
    match command {
        Command::Place(m) | Command::Amend(m) => m.to.as_ref().map(|to| to.order),
        Command::Cancel(c) => c.to.as_ref().map(|to| to.order),
        Command::Payment(p) => p.to.as_ref().map(|to| to.order),
        Command::Delivered(d) => d.to.as_ref().map(|to| to.order),
        Command::Ask(a) | Command::Forgotten(a) => Some(a.order),
        Command::Picked(f) | Command::Ready(f) | Command::Shipped(f) | Command::Returned(f) => Some(f.order),
        Command::Accepted(f) | Command::HandedOver(f) => Some(f.order),
        Command::Reserve(r) => r.to.as_ref().map(|to| to.order),
        Command::Extend(e) => e.to.as_ref().map(|to| to.order),
        Command::Release(r) => r.to.as_ref().map(|to| to.order),
        Command::Steer(s) => s.to.as_ref().map(|to| to.order),
        Command::Claim(c) => Some(c.order),
        Command::Decline(d) => Some(d.order),
        Command::CancelAnswer(a) => Some(a.order),
        _ => None,
    }
}

/// The stage that reads a topic.
pub(crate) fn stage_of(topic: &Topic) -> Option<StageName> {
    StageName::ALL.into_iter().find(|stage| stage.input() == *topic)
}

/// Whether a command lies behind what was applied.
pub(crate) enum Beyond {
    No,
    /// Later than the cut.
    Cut,
    /// The log was still, and nothing had applied it.
    Lie,
}

pub(crate) fn beyond(lane: Option<&Lane>, about: &Position, still: bool) -> Beyond {
    match lane {
        Some(lane) if about.offset < lane.applied => Beyond::No,
        Some(_) if !still => Beyond::Cut,
        _ => Beyond::Lie,
    }
}
