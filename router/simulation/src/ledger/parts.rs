//! Parts, once the dust has settled: what home has away is what the other zones have of it.

use std::collections::HashMap;

use router_schemas::{id::OrderId, quantity::Qty, row::OrderRow};

use super::{Ledger, ensure};

impl Ledger {
    /// Compares homes with parts. Only while nothing is under way.
    pub fn check_parts(&self) -> Result<(), String> {
        let mut parts: HashMap<(OrderId, u32, u32), &OrderRow> = HashMap::new();
        for row in self.rows() {
            let Some((part, _)) = &row.part_of else { continue };
            let known = parts.insert((part.order, part.part, part.attempt), row);
            ensure(known.is_none(), || format!("a part is there twice: {} of {part:?}", row.order))?;
        }
        for home in self.rows() {
            for part in &home.parts {
                let there = parts.remove(&(home.order, part.part, part.attempt));
                for (number, line) in home.lines.iter().enumerate() {
                    let away = part.away.iter().filter(|(l, _)| usize::from(*l) == number);
                    let away: Qty = away.map(|(_, qty)| *qty).sum();
                    let known = part.away.iter().any(|(l, _)| usize::from(*l) == number);
                    let live = there.map_or(Qty::ZERO, |there| live(there, &line.line));
                    // Of two lines of one name, one is with this part.
                    let same = home.lines.iter().filter(|l| l.line == line.line).count() > 1;
                    ensure(away == live || same && !known, || {
                        format!(
                            "home has {away} of line {} away, the part {live}: {home:?}, {there:?}",
                            line.line
                        )
                    })?;
                }
            }
            for (number, line) in home.lines.iter().enumerate() {
                let away = home.parts.iter().flat_map(|part| &part.away);
                let away: Qty = away.filter(|(l, _)| usize::from(*l) == number).map(|(_, qty)| *qty).sum();
                ensure(away == line.away, || {
                    format!("{}: {away} of {} are with parts", home.order, line.away)
                })?;
            }
        }
        let lost = parts.values().find(|row| row.lines.iter().any(|l| live(row, &l.line).is_positive()));
        ensure(lost.is_none(), || format!("a part that home does not know of: {lost:?}"))
    }
}

fn live(row: &OrderRow, name: &str) -> Qty {
    let lines = row.lines.iter().filter(|line| line.line == name);
    lines.map(|line| line.open + line.held + line.backordered + line.allocated).sum()
}
