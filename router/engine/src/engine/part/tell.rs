//! A zone tells home how a part stands: whole, line by line, and only where it changed.

use router_schemas::{
    command::{
        Command,
        part::{PartLine, PartRef, PartReport},
    },
    event::Outcome,
    quantity::Qty,
    refusal::Refusal,
    reply::Answer,
};

use super::{Engine, Order};
use crate::engine::{Verdict, effects::Effects, refuse};

impl Engine {
    /// Tells home of every part that the command touched, once.
    pub(in crate::engine) fn tell_homes(&mut self, effects: &mut Effects<'_>) {
        for id in effects.take_parts() {
            self.with_order(id, |engine, order| engine.tell_home(order, effects));
        }
    }

    fn tell_home(&mut self, order: &mut Order, effects: &mut Effects<'_>) {
        let Some(mut duty) = order.duty.take() else { return };
        let lines: Vec<PartLine> =
            (0..order.lines.len()).map(|line| state_of(order, line, &duty.lines)).collect();
        let tracking = duty.tracking.take();
        let again = std::mem::take(&mut duty.again);
        if again || lines != duty.told {
            duty.report += 1;
            duty.told.clone_from(&lines);
            if let Some((part, home)) = &order.part_of {
                let (part, home) = (part.clone(), home.clone());
                self.send_report(PartReport { part, home, report: duty.report, lines, tracking }, effects);
            }
        }
        order.duty = Some(duty);
    }

    /// Answers for a part that is no order here.
    pub(super) fn answer_home(
        &mut self,
        part: PartRef,
        home: String,
        report: u64,
        lines: Vec<PartLine>,
        effects: &mut Effects<'_>,
    ) -> Verdict {
        let zone = home.clone();
        match self.send_report(PartReport { part, home, report, lines, tracking: None }, effects) {
            true => (Outcome::Applied, Answer::Done),
            false => refuse(Refusal::UnknownZone, &zone),
        }
    }

    fn send_report(&self, report: PartReport, effects: &mut Effects<'_>) -> bool {
        let home = report.home.clone();
        self.send(&home, &Command::PartReport(report), effects)
    }
}

fn state_of(order: &Order, line: usize, owed: &[(Qty, Qty)]) -> PartLine {
    let entry = &order.lines[line];
    let backordered: Qty = order.at_nodes(line).map(|f| f.backordered).sum();
    let promised: Qty = order.at_nodes(line).map(|f| f.promised()).sum();
    let (given_back, unwanted) = owed.get(line).copied().unwrap_or_default();
    PartLine {
        line: entry.name.clone(),
        allocated: promised - backordered,
        shipped: order.shipped(line),
        cancelled: entry.cancelled,
        given_back,
        open: entry.open + entry.held + backordered,
        delivered: entry.delivered,
        returned: order.returned(line),
        unwanted,
    }
}
