//! Rows of a store against the last row images in the events, both ways.

use std::collections::HashMap;

use router_schemas::{
    id::OrderId,
    position::{Position, Topic},
    row::Row,
};
use router_sinks::Store;

use crate::{
    AuditError, Cut,
    ledger::{CellKey, Ledger, StandingKey, stamp},
    report::Report,
};

/// Compares every row. Rows newer than the cut are left out.
pub(crate) fn compare(
    ledger: &Ledger,
    store: &dyn Store,
    cut: &Cut,
    report: &mut Report,
) -> Result<(), AuditError> {
    let mut behind = false;
    for (partition, range) in cut.held.iter().filter(|(at, _)| at.topic == Topic::Events) {
        let position = store.position(partition.partition)?;
        let at = Position::new(Topic::Events, partition.partition, position);
        if cut.still && position > range.end {
            report
                .violated("E2308", at, || format!("rows follow {position} events, there are {}", range.end));
        } else if position < range.end {
            behind = true;
            report.unchecked.push(format!("{partition}: rows follow {position} of {} events", range.end));
        }
    }
    let trimmed = cut.held.iter().any(|(_, range)| range.start > 0);
    let mut seen = (0usize, 0usize, 0usize, 0usize);
    let mut unknown = 0u64;
    let cells: HashMap<_, _> =
        ledger.cells.iter().map(|(key, cell)| (cell_key(ledger, *key), cell.stamp)).collect();
    store.rows(&mut |time, row| {
        let (known, name) = match &row {
            Row::Order(order) => {
                let known = ledger.orders.get(&order.order).map(|o| o.stamp);
                let known = known.or_else(|| ledger.forgotten.get(&order.order).copied());
                seen.0 += usize::from(known.is_some());
                (known, order.order.to_string())
            }
            Row::Cell(cell) => {
                let key = (cell.cell.node.clone(), cell.cell.sku.clone(), cell.cell.bucket.clone());
                let known = cells.get(&key).copied().filter(|(time, _)| *time > 0);
                seen.1 += usize::from(known.is_some());
                (known, format!("{} at {}", key.1, key.0))
            }
            Row::Reference(entry) => {
                let known = ledger.references.get(&(entry.table() as u8, entry.key().into_owned())).copied();
                seen.2 += usize::from(known.is_some());
                (known, format!("{:?} {}", entry.table(), entry.key()))
            }
            Row::Offer(_) | Row::Hold(_) | Row::Node(_) | Row::Pool(_) => {
                let key = StandingKey::of(&row).expect("one of those that stand");
                let known = ledger.standing.get(&key).copied();
                seen.3 += usize::from(known.is_some());
                (known, key.name())
            }
        };
        match known {
            Some(known) if known == stamp(time, &row) => {}
            Some((known, _)) if (time > known && !cut.still) || (time < known && behind) => {}
            Some((known, _)) if known != time => report.violated("E2308", place(&row), || {
                format!("the row of {name} is of {time} µs, its last event of {known} µs")
            }),
            Some(_) => report.violated("E2308", place(&row), || format!("the row of {name} differs")),
            None if trimmed || !cut.still => unknown += 1,
            None => report
                .violated("E2308", place(&row), || format!("the row of {name} is nowhere in the events")),
        }
    })?;
    let orders = ledger.orders.values().filter(|o| o.stamp.0 > 0).count() + ledger.forgotten.len();
    let cells = cells.values().filter(|(time, _)| *time > 0).count();
    let due = (orders, cells, ledger.references.len(), ledger.standing.len());
    if seen != due && !behind {
        report.violated("E2308", None, || {
            format!(
                "of orders, cells, references and how things stand {due:?} rows are due, {seen:?} are there"
            )
        });
    }
    if unknown > 0 {
        report.unchecked.push(format!("{unknown} rows are of events that are trimmed or came later"));
    }
    Ok(())
}

fn cell_key(ledger: &Ledger, key: CellKey) -> (String, String, String) {
    let cell = ledger.cell_name(key);
    (cell.node, cell.sku, cell.bucket)
}

fn place(row: &Row) -> Option<Position> {
    match row {
        Row::Order(order) => OrderId::position(order.order),
        Row::Hold(hold) => OrderId::position(hold.order),
        Row::Offer(offer) => OrderId::position(offer.order),
        _ => None,
    }
}
