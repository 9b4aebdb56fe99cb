//! Home wants units of a part back: to cancel them, as the order shrank, or to route them anew. It asks; the zone's reports
//! say what became of it, and what had left by then has left.

use router_schemas::{
    command::{Command, part::PartCancel},
    event::{Change, PartChange, PartStep, Unit},
    quantity::Qty,
};

use super::{AwayLine, Engine, Order};
use crate::engine::effects::Effects;

impl AwayLine {
    /// What is to become of units that come back.
    fn reason(&mut self, to: Unit) -> &mut Qty {
        match to {
            Unit::Cancelled => &mut self.cancel,
            Unit::Outside => &mut self.shrink,
            _ => &mut self.reopen,
        }
    }
}

impl Order {
    /// Asks for up to `qty` units of a line from other zones, those sent last first; they are to move `to`. Returns how
    /// many were, or are being, asked for.
    pub fn recall(&mut self, line: usize, qty: Qty, to: Unit) -> Qty {
        let mut left = qty.floor_zero();
        let Some(abroad) = &mut self.abroad else { return Qty::ZERO };
        for part in abroad.parts.iter_mut().rev() {
            for entry in part.lines.iter_mut().filter(|l| usize::from(l.line) == line) {
                let known = *entry.reason(to);
                let more = Qty((entry.away - entry.recalled()).floor_zero().0.min(left.0));
                *entry.reason(to) += more;
                entry.unwanted += more;
                left -= more;
                // What is asked for already is asked for again: the word may have been lost.
                let known = Qty(known.0.min(left.0));
                left -= known;
                part.recalls |= (more + known).is_positive();
            }
        }
        qty.floor_zero() - left
    }

    /// Asks for all that is in other zones, to be routed anew.
    pub fn recall_all(&mut self) {
        for line in 0..self.lines.len() {
            let away = self.lines[line].away;
            if away.is_positive() {
                self.recall(line, away, Unit::Open);
            }
        }
    }

    /// Units of a line that are asked for, to move `to`.
    pub fn recalled(&self, line: usize, to: Unit) -> Qty {
        let mine = self.away_lines().filter(|l| usize::from(l.line) == line);
        mine.map(|l| match to {
            Unit::Cancelled => l.cancel,
            Unit::Outside => l.shrink,
            _ => l.reopen,
        })
        .sum()
    }

    /// Up to `qty` units that are asked for are to move elsewhere than was said. Returns how many.
    pub fn turn_recall(&mut self, line: usize, qty: Qty, (from, to): (Unit, Unit)) -> Qty {
        let mut left = qty.floor_zero();
        let parts = self.abroad.iter_mut().flat_map(|abroad| &mut abroad.parts);
        for entry in parts.flat_map(|p| &mut p.lines).filter(|l| usize::from(l.line) == line) {
            let part = Qty(entry.reason(from).0.min(left.0));
            *entry.reason(from) -= part;
            *entry.reason(to) += part;
            left -= part;
        }
        qty.floor_zero() - left
    }
}

impl Engine {
    /// Tells the zones what home wants back since it last told them.
    pub(in crate::engine) fn send_recalls(&mut self, order: &mut Order, effects: &mut Effects<'_>) {
        let Some(mut abroad) = order.abroad.take() else { return };
        let ask = std::mem::take(&mut abroad.ask);
        for away in abroad.parts.iter_mut().filter(|part| part.recalls) {
            away.recalls = false;
            let unwanted = away.lines.iter().filter(|l| l.unwanted.is_positive());
            let name = |l: &AwayLine| order.lines[usize::from(l.line)].name.clone();
            let lines = unwanted.map(|l| (name(l), l.unwanted)).collect();
            let part = away.reference(order.id);
            let (home, zone) = (order.zone.clone(), away.zone.clone());
            let cancel = PartCancel { part: part.clone(), home, zone, lines, ask };
            self.send(&away.zone, &Command::PartCancel(cancel), effects);
            let (zone, what) = (away.zone.clone(), PartStep::Cancelled);
            effects.change(Change::Part(PartChange { part, zone, what }));
        }
        order.abroad = Some(abroad);
    }
}
