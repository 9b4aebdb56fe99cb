//! The run: one record after the other, each cause before what it caused.

mod events;

use std::collections::{HashMap, HashSet};

use router_log::{Log, Record};
use router_schemas::{
    command::Command,
    envelope::{self, Meta, Origin},
    position::{LogId, Position, Topic, TopicPartition},
    stage::StageName,
};

use crate::{
    AuditError, Cut, Progress,
    lanes::{self, Beyond, Lane, beyond, is_quiet},
    ledger::Ledger,
    notices::Notices,
    reading::{Reading, skips},
    report::{Report, position},
    ties::Ties,
};

/// Records between two calls of `progress`.
const STRIDE: u64 = 8192;

pub(crate) struct Audit {
    reading: Reading,
    lanes: Vec<Lane>,
    places: HashMap<(Topic, u16), usize>,
    log: LogId,
    /// Records that an operator had passed over: neither their time nor where they come from counts.
    skips: HashSet<Position>,
    still: bool,
    trimmed: bool,
    of: u64,
    /// Last number of each source in each target.
    numbers: HashMap<(usize, u8, u16), u64>,
    pub ledger: Ledger,
    pub ties: Ties,
    notices: Notices,
    pub report: Report,
}

impl Audit {
    pub fn new(log: &dyn Log, cut: &Cut) -> Result<Audit, AuditError> {
        let trimmed: Vec<_> = cut.held.iter().filter(|(_, range)| range.start > 0).collect();
        let lanes = StageName::ALL.into_iter().flat_map(|stage| {
            let mine = cut.held.iter().filter(move |(at, _)| at.topic == stage.input());
            mine.map(move |(at, range)| {
                let applied = cut.applied.get(at).copied().unwrap_or(0);
                Lane::new(stage, at.partition, range.start, applied)
            })
        });
        let lanes: Vec<Lane> = lanes.collect();
        let places = lanes.iter().enumerate().map(|(n, lane)| ((lane.stage.input(), lane.partition), n));
        let mut report = Report::default();
        for (at, range) in &trimmed {
            let said = format!("{at}: the first {} records are trimmed", range.start);
            report.unchecked.push(said);
        }
        for (at, range) in &cut.held {
            let behind = cut.applied.get(at).map_or(0, |applied| range.end.saturating_sub(*applied));
            if behind > 0 {
                report.unchecked.push(format!("{at}: the last {behind} records are not applied yet"));
            }
        }
        let count = |topic: Topic| cut.held.iter().filter(|(at, _)| at.topic == topic).count() as u16;
        Ok(Audit {
            reading: Reading::open(log, &cut.held)?,
            places: places.collect(),
            lanes,
            log: log.log_id(),
            skips: skips(log, &cut.held)?,
            still: cut.still,
            trimmed: !trimmed.is_empty(),
            of: cut.held.iter().map(|(_, range)| range.end - range.start).sum(),
            numbers: HashMap::new(),
            ledger: Ledger::new(!trimmed.is_empty()),
            ties: Ties::new(log.log_id(), count(Topic::Intake), count(Topic::Commands), !trimmed.is_empty()),
            notices: Notices::default(),
            report,
        })
    }

    pub fn read(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<(), AuditError> {
        while let Some(place) = self.reading.oldest() {
            self.step(place)?;
            if self.report.records.is_multiple_of(STRIDE) {
                progress(Progress { done: self.report.records, of: self.of });
            }
        }
        progress(Progress { done: self.report.records, of: self.of });
        Ok(())
    }

    /// The next record of one partition.
    fn step(&mut self, place: usize) -> Result<(), AuditError> {
        let Some(record) = self.reading.cursors[place].pop()? else { return Ok(()) };
        let partition = self.reading.cursors[place].partition.clone();
        self.report.records += 1;
        let Some(origin) = self.origin(place, &partition, &record) else { return Ok(()) };
        match &partition.topic {
            topic if lanes::stage_of(topic).is_some() => self.command(&partition, &record, origin),
            Topic::Events => self.event(&partition, &record, origin),
            Topic::Replies => {
                let at = position(&partition, record.offset);
                match envelope::decode(&record.payload) {
                    Ok((_, reply)) => self.told(
                        &at,
                        origin,
                        |reply: &router_schemas::reply::Reply| &reply.position,
                        &reply,
                        |audit| {
                            audit.ties.reply(&at, partition.partition, &reply, &mut audit.report);
                        },
                    ),
                    Err(error) => self.unreadable(at, &error.to_string()),
                }
                Ok(())
            }
            Topic::DeadLetter(_) => {
                let at = position(&partition, record.offset);
                match envelope::decode(&record.payload) {
                    Ok((_, letter)) if origin.is_some() => {
                        self.told(
                            &at,
                            origin,
                            |l: &router_schemas::dead_letter::DeadLetter| &l.position,
                            &letter,
                            |audit| {
                                audit.ties.letter(&letter);
                            },
                        );
                    }
                    Ok(_) => {}
                    Err(error) => self.unreadable(at, &error.to_string()),
                }
                Ok(())
            }
            topic => {
                let at = position(&partition, record.offset);
                match self.notices.read(topic, &record.payload) {
                    Some(Ok(notice)) => {
                        let Audit { notices, ledger, report, .. } = self;
                        let lane =
                            self.places.get(&(notice.position().topic.clone(), notice.position().partition));
                        let lane = lane.map(|lane| &self.lanes[*lane]);
                        match beyond(lane, notice.position(), self.still) {
                            Beyond::No => notices.take(&at, notice, ledger, report),
                            Beyond::Cut => {}
                            Beyond::Lie => report
                                .violated("E2305", at, || format!("{} was never applied", notice.position())),
                        }
                    }
                    Some(Err(error)) => self.unreadable(at, &error),
                    None => {}
                }
                Ok(())
            }
        }
    }

    fn unreadable(&mut self, at: Position, error: &str) {
        self.report.violated("E2309", at, || error.to_owned());
    }

    /// Something that a stage said about a command: only where the command was applied.
    fn told<T>(
        &mut self,
        at: &Position,
        origin: Option<Origin>,
        about: impl Fn(&T) -> &Position,
        said: &T,
        then: impl FnOnce(&mut Audit),
    ) {
        let about = about(said);
        let source = origin.as_ref().map(|o| (o.source_topic(), o.partition));
        if source.is_some_and(|source| source != (Some(about.topic.clone()), about.partition)) {
            let said = format!("it is about {about}, which another stage partition applied");
            return self.report.violated("E2305", at.clone(), || said);
        }
        let lane = self.places.get(&(about.topic.clone(), about.partition)).map(|l| &self.lanes[*l]);
        match beyond(lane, about, self.still) {
            Beyond::No => then(self),
            Beyond::Cut => {}
            Beyond::Lie => {
                self.report.violated("E2305", at.clone(), || format!("{about} was never applied"));
            }
        }
    }

    /// The origin of a record, its number checked. `None`: the record is not to be looked at further.
    fn origin(&mut self, place: usize, at: &TopicPartition, record: &Record) -> Option<Option<Origin>> {
        let origin = match envelope::origin(&record.payload) {
            Ok(origin) => origin,
            // A stranger's bytes on an input: the stage has to refuse them.
            Err(_) if lanes::stage_of(&at.topic).is_some() => return Some(None),
            Err(error) => {
                self.unreadable(position(at, record.offset), &error.to_string());
                return None;
            }
        };
        let Some(origin) = origin else { return Some(None) };
        let here = position(at, record.offset);
        let skipped = self.skips.contains(&here);
        if origin.log != self.log && skipped {
            return Some(None);
        }
        if origin.log != self.log {
            self.report.violated("E2307", here, || format!("the record comes from log {}", origin.log));
            return None;
        }
        let last = self.numbers.insert((place, origin.topic, origin.partition), origin.sequence);
        let (source, found) = (origin.source_topic(), origin.sequence);
        let of = || source.as_ref().map_or("no topic".into(), |t| format!("{t}/{}", origin.partition));
        match last {
            _ if skipped => {}
            Some(last) if found != last + 1 => {
                self.report.violated("E2307", here, || format!("of {}: number {last}, then {found}", of()));
            }
            None if found != 1 && !self.trimmed => {
                self.report.violated("E2307", here, || format!("of {}: begins with number {found}", of()));
            }
            _ => {}
        }
        Some(Some(origin))
    }

    /// A record of a stage's input.
    fn command(
        &mut self,
        partition: &TopicPartition,
        record: &Record,
        origin: Option<Origin>,
    ) -> Result<(), AuditError> {
        let Some(place) = self.places.get(&(partition.topic.clone(), partition.partition)).copied() else {
            return Ok(());
        };
        let at = position(partition, record.offset);
        let decoded = envelope::decode::<Command>(&record.payload).ok();
        let skipped = self.skips.contains(&at);
        if let (Some(origin), Some((meta, command))) = (&origin, &decoded) {
            match origin.source_topic() {
                Some(Topic::Intake) if partition.topic == Topic::Commands => {
                    self.passed(&at, origin.partition, meta, command)?;
                }
                Some(Topic::Control) => self.ties.copy(&at, meta, command, &mut self.report),
                Some(Topic::Commands) if partition.topic == Topic::Commands => {
                    self.ledger.parts.record(&at, command, &mut self.report);
                }
                _ => {}
            }
        }
        let lane = &mut self.lanes[place];
        if record.offset >= lane.applied {
            return Ok(());
        }
        lane.take(record, decoded.as_ref(), skipped);
        let counted = decoded.as_ref().is_none_or(|(_, command)| !is_quiet(command.name()));
        self.report.commands += u64::from(counted);
        let time = lane.time;
        match decoded {
            Some((_, Command::Reference(published))) if partition.topic == Topic::Commands && !skipped => {
                self.ledger.reference(partition.partition, time, &published);
            }
            Some((_, Command::Place(message))) if partition.topic == Topic::Commands => {
                if let Some(to) = &message.to {
                    self.report.orders += 1;
                    self.ties.same_order(&message.head.identity, to.order, true, &at, &mut self.report);
                }
            }
            Some((_, Command::Skip(position))) if partition.topic == Topic::Control => {
                self.ties.skip(&position);
                self.report.skips(position);
            }
            _ => {}
        }
        Ok(())
    }

    /// A record that intake passed on.
    fn passed(&mut self, at: &Position, from: u16, meta: &Meta, command: &Command) -> Result<(), AuditError> {
        let Some(place) = self.places.get(&(Topic::Intake, from)).copied() else { return Ok(()) };
        while self.lanes[place].time < meta.carried && self.lanes[place].next < self.lanes[place].applied {
            let before = self.lanes[place].next;
            self.advance(place)?;
            if self.lanes[place].next == before {
                break;
            }
        }
        let lane = &mut self.lanes[place];
        if meta.carried > lane.time && !self.still {
            return Ok(());
        }
        self.ties.pass(at, lane, meta, command, &mut self.report);
        Ok(())
    }

    /// Reads the next record of a stage's input, before its turn.
    fn advance(&mut self, lane: usize) -> Result<(), AuditError> {
        let (topic, partition) = (self.lanes[lane].stage.input(), self.lanes[lane].partition);
        match self.reading.place(&topic, partition) {
            Some(place) => self.step(place),
            None => Ok(()),
        }
    }

    /// All is read: what still waits for its counterpart has none.
    pub fn close(&mut self) {
        for place in 0..self.lanes.len() {
            self.judge(place);
            let lane = &mut self.lanes[place];
            let applied = lane.applied;
            for (offset, pending) in lane.pass(applied) {
                if !pending.done && !is_quiet(pending.kind) {
                    let how = match lane.stage {
                        StageName::Intake => "has no outcome and was not passed on",
                        _ => "has no outcome",
                    };
                    self.report.violated("E2305", lane.at(offset), || format!("the {} {how}", pending.kind));
                }
            }
        }
        let all = self.still && !self.trimmed;
        let Audit { ties, ledger, notices, report, log, .. } = self;
        ties.close(report);
        notices.close(ledger, report);
        ledger.parts.close(*log, all, &ledger.orders, report);
        ledger.close(report);
    }
}
