//! Events: each belongs to a command that its stage applied, and all that one command did is judged together.

use router_log::Record;
use router_schemas::{
    envelope::{self, Origin},
    event::{Change, Event, Outcome},
    position::{Position, TopicPartition},
    refusal::Refusal,
    stage::StageName,
};

use super::{Audit, Beyond, beyond};
use crate::{AuditError, lanes::is_quiet, ledger::Cause, report::position};

impl Audit {
    pub(super) fn event(
        &mut self,
        partition: &TopicPartition,
        record: &Record,
        origin: Option<Origin>,
    ) -> Result<(), AuditError> {
        let at = position(partition, record.offset);
        let event: Event = match envelope::decode(&record.payload) {
            Ok((_, event)) => event,
            Err(error) => {
                self.unreadable(at, &error.to_string());
                return Ok(());
            }
        };
        let cause = event.cause.clone();
        let source = origin.map(|o| (o.source_topic(), o.partition));
        let place = self.places.get(&(cause.topic.clone(), cause.partition)).copied();
        let place = place.filter(|_| source == Some((Some(cause.topic.clone()), cause.partition)));
        let Some(place) = place else {
            self.report.violated("E2305", at, || format!("no stage that wrote this applied {cause}"));
            return Ok(());
        };
        match beyond(Some(&self.lanes[place]), &cause, self.still) {
            Beyond::No => {}
            Beyond::Cut => return Ok(()),
            Beyond::Lie => {
                self.report.violated("E2305", at, || format!("{cause} was never applied"));
                return Ok(());
            }
        }
        while self.lanes[place].next <= cause.offset {
            let before = self.lanes[place].next;
            self.advance(place)?;
            if self.lanes[place].next == before {
                break;
            }
        }
        if self.lanes[place].cause.is_some_and(|last| last > cause.offset) {
            self.report.violated("E2305", at, || format!("{cause} is behind what was applied later"));
            return Ok(());
        }
        if self.lanes[place].cause != Some(cause.offset) {
            self.judge(place);
            self.lanes[place].cause = Some(cause.offset);
            self.pass_over(place, cause.offset);
        }
        self.outcome(place, &at, &event);
        for change in &event.changes {
            if let Change::Forgotten(order) = change {
                self.ties.forget(*order);
            }
        }
        self.lanes[place].scope.push((at, event));
        Ok(())
    }

    /// What lies before an offset, and has no outcome yet, has none.
    fn pass_over(&mut self, place: usize, offset: u64) {
        let lane = &mut self.lanes[place];
        if lane.stage == StageName::Intake {
            return;
        }
        for (offset, pending) in lane.pass(offset) {
            if !pending.done && !is_quiet(pending.kind) {
                let said = format!("the {} has no outcome", pending.kind);
                self.report.violated("E2305", lane.at(offset), || said);
            }
        }
    }

    fn outcome(&mut self, place: usize, at: &Position, event: &Event) {
        let lane = &mut self.lanes[place];
        let (offset, stage, first, exact) = (event.cause.offset, lane.stage, lane.first, lane.exact);
        if !exact {
            lane.learn(offset, event.time);
        }
        let Some(entry) = lane.entry(offset) else {
            if offset >= first && event.outcome.is_some() {
                self.report.violated("E2305", at.clone(), || format!("{} has two outcomes", event.cause));
            }
            return;
        };
        if exact && (entry.time, entry.at) != (event.time, event.at) {
            let said = format!(
                "{} was applied at {} ms, hybrid {} µs, and the event says {} and {}",
                event.cause, entry.at, entry.time, event.at, event.time
            );
            self.report.violated("E2308", at.clone(), || said);
        }
        let Some(outcome) = event.outcome else { return };
        if std::mem::replace(&mut entry.done, true) {
            let said = format!("{} has two outcomes, or was passed on and has one", event.cause);
            return self.report.violated("E2305", at.clone(), || said);
        }
        if entry.kind == "undecodable" {
            self.report.undecodable += 1;
            if !matches!(outcome, Outcome::Refused(Refusal::Undecodable | Refusal::Skipped)) {
                let said = format!("{} does not decode, and its outcome is {outcome:?}", event.cause);
                self.report.violated("E2305", at.clone(), || said);
            }
        }
        self.ties.outcome(stage, at, entry, event, outcome, &mut self.report);
    }

    /// Judges what one command did, all its events together.
    pub(super) fn judge(&mut self, place: usize) {
        let lane = &mut self.lanes[place];
        let scope = std::mem::take(&mut lane.scope);
        let Some((_, event)) = scope.first() else { return };
        let (stage, partition) = (lane.stage, lane.partition);
        let entry = lane.entry(event.cause.offset);
        let cause = Cause {
            stage,
            partition,
            kind: entry.as_ref().map_or("", |entry| entry.kind),
            service: entry.as_ref().and_then(|entry| entry.service),
            said: entry.and_then(|entry| entry.said.take()).map(|said| *said),
        };
        if stage == StageName::Control {
            self.ties.published(&scope, &mut self.report);
        }
        self.ledger.judge(&cause, &scope, &mut self.notices, &mut self.report);
    }
}
