//! Parts of orders in other zones: what home sends, what the other zone reports, and the ledgers of both.

use std::collections::{BTreeMap, HashMap};

use router_schemas::{
    command::{
        Command,
        order::OrderBody,
        part::{PartLine, PartRef, PartReport},
    },
    event::{PartChange, PartStep, Unit},
    id::OrderId,
    position::{LogId, Position, Topic},
    quantity::Qty,
    row::OrderRow,
};

use crate::{
    orders::{Order, PROMISED},
    report::Report,
};

/// Home's order, part, attempt.
type Key = (OrderId, u32, u32);

fn key(part: &PartRef) -> Key {
    (part.order, part.part, part.attempt)
}

/// All parts and legs that were seen.
#[derive(Default)]
pub(crate) struct Parts {
    of: BTreeMap<Key, Part>,
    own: HashMap<OrderId, Key>,
    legs: BTreeMap<Key, Leg>,
}

/// A leg of a hold in another zone: whether it was asked for, and where the first report of it lies.
#[derive(Default)]
struct Leg {
    asked: bool,
    reported: Option<Position>,
}

/// One attempt at a part.
#[derive(Default)]
struct Part {
    /// The record that home sent.
    sent: Option<Sent>,
    /// Sendings and cancels as home's events say, less those in the log; where the last of either is.
    sendings: (i64, Option<Position>),
    cancels: (i64, Option<Position>),
    report: Option<PartReport>,
    reported: Option<Position>,
    /// The order that the other zone made of it.
    own: Option<OrderId>,
    /// As home's last row says: the last report taken, line and units away.
    home: Option<(u64, Vec<(String, Qty)>)>,
}

struct Sent {
    at: Position,
    zone: String,
    /// Name of the line and quantity.
    lines: Vec<(String, Qty)>,
}

impl Parts {
    /// How many attempts at parts there were.
    pub fn count(&self) -> u64 {
        self.of.len() as u64
    }

    /// A record that one engine sent another.
    pub fn record(&mut self, at: &Position, command: &Command, report: &mut Report) {
        match command {
            Command::Part(part) => {
                let body = postcard::from_bytes::<OrderBody>(&part.message.body).unwrap_or_default();
                let lines = body.lines.into_iter().map(|line| (line.line, line.qty)).collect();
                let known = self.of.entry(key(&part.part)).or_default();
                known.sendings = (known.sendings.0 - 1, Some(at.clone()));
                let sent = Sent { at: at.clone(), zone: part.zone.clone(), lines };
                if known.sent.replace(sent).is_some() {
                    report.violated("E2324", at.clone(), || {
                        format!("{} is sent twice", name(&key(&part.part)))
                    });
                }
            }
            Command::PartCancel(cancel) => {
                let known = self.of.entry(key(&cancel.part)).or_default();
                known.cancels = (known.cancels.0 - 1, Some(at.clone()));
            }
            Command::PartReport(said) => self.reported(at, said, report),
            Command::Leg(leg) => {
                self.legs.entry((leg.order, leg.leg, leg.attempt)).or_default().asked = true;
            }
            Command::LegReport(said) => {
                let leg = self.legs.entry((said.order, said.leg, said.attempt)).or_default();
                leg.reported.get_or_insert(at.clone());
            }
            // What is left of a command's own work.
            Command::Continue => {}
            _ => report.violated("E2324", at.clone(), || format!("engines send no {}", command.name())),
        }
    }

    fn reported(&mut self, at: &Position, said: &PartReport, report: &mut Report) {
        let key = key(&said.part);
        let known = self.of.entry(key).or_default();
        let mut wrong =
            |said: String| report.violated("E2324", at.clone(), || format!("{}: {said}", name(&key)));
        let last = known.report.as_ref().map_or(0, |last| last.report);
        if said.report <= last {
            wrong(format!("report {} comes after {last}", said.report));
        }
        if let Some(sent) = &known.sent {
            for line in &said.lines {
                let Some((_, qty)) = sent.lines.iter().find(|(name, _)| *name == line.line) else {
                    wrong(format!("line {} was not sent", line.line));
                    continue;
                };
                // One that was cancelled before it came is answered by the cancel alone.
                let early = line.cancelled <= *qty && whole(line) == line.cancelled;
                let beyond = line.shipped.is_positive() && whole(line) > *qty;
                if whole(line) != *qty && !early && !beyond {
                    wrong(format!("line {}: {} of {qty} are accounted for", line.line, whole(line)));
                }
            }
        }
        known.report = Some(said.clone());
        known.reported.get_or_insert(at.clone());
    }

    /// What home's events say of a part.
    pub fn change(&mut self, at: &Position, change: &PartChange) {
        let known = self.of.entry(key(&change.part)).or_default();
        match change.what {
            PartStep::Sent => known.sendings = (known.sendings.0 + 1, Some(at.clone())),
            PartStep::Cancelled => known.cancels = (known.cancels.0 + 1, Some(at.clone())),
            PartStep::Reported | PartStep::GivenBack => {}
        }
    }

    /// The row of an order that has parts, or is one.
    pub fn row(&mut self, at: &Position, row: &OrderRow, report: &mut Report) {
        let mut wrong =
            |said: String| report.violated("E2324", at.clone(), || format!("{}: {said}", row.order));
        if let Some((part, _)) = &row.part_of {
            let key = key(part);
            if *self.own.entry(row.order).or_insert(key) != key {
                wrong("it is a part of two orders".into());
            }
            let own = *self.of.entry(key).or_default().own.get_or_insert(row.order);
            if own != row.order {
                wrong(format!("{} is {own} already", name(&key)));
            }
        }
        let mut away = BTreeMap::<u16, Qty>::new();
        for part in &row.parts {
            let mut lines = Vec::new();
            for (line, qty) in &part.away {
                *away.entry(*line).or_default() += *qty;
                let of = row.lines.get(usize::from(*line));
                lines.push((of.map_or(String::new(), |of| of.line.clone()), *qty));
            }
            let known = self.of.entry((row.order, part.part, part.attempt)).or_default();
            let last = known.home.as_ref().map_or(0, |(last, _)| *last);
            if part.report < last {
                wrong(format!("part {}: report {} was taken after {last}", part.part, part.report));
            }
            known.home = Some((part.report, lines));
        }
        for (index, line) in (0u16..).zip(&row.lines) {
            let there = away.get(&index).copied().unwrap_or_default();
            if there != line.away {
                wrong(format!("line {}: {} are away, its parts have {there}", line.line, line.away));
            }
        }
    }

    /// All is read. `all`: nothing was left out of it.
    pub fn close(&self, log: LogId, all: bool, orders: &HashMap<OrderId, Order>, report: &mut Report) {
        for (key, part) in self.of.iter().filter(|_| all) {
            let mut wrong = |at: Option<&Position>, said: String| {
                report.violated("E2324", at.cloned(), || format!("{}: {said}", name(key)));
            };
            for ((balance, at), what) in [(&part.sendings, "sent"), (&part.cancels, "cancelled")] {
                match balance {
                    0 => {}
                    1.. => wrong(at.as_ref(), format!("it is said to be {what}, and no record says it")),
                    _ => wrong(at.as_ref(), format!("it is {what}, and home never said so")),
                }
            }
            let unasked = part.sent.is_none() && part.cancels.1.is_none();
            if unasked && part.report.is_some() {
                wrong(part.reported.as_ref(), "it is reported, and was never sent".into());
            }
            let at = part.sent.as_ref().map(|sent| &sent.at);
            let born = |at: &Position| OrderId::new(log, &Topic::Commands, at.partition, at.offset);
            if let Some(own) = part.own
                && at.map(born) != Some(own)
            {
                let zone = part.sent.as_ref().map_or("another zone", |sent| &sent.zone);
                wrong(at, format!("{own} of {zone} was not made of what home sent"));
            }
            if let Some(said) = part.differs() {
                wrong(part.reported.as_ref().or(at), said);
            }
            if let (Some(own), Some(last)) = (part.own.and_then(|own| orders.get(&own)), &part.report)
                && let Some(said) = untrue(own, last)
            {
                wrong(part.reported.as_ref().or(at), said);
            }
        }
        for (key, leg) in self.legs.iter().filter(|(_, leg)| all && !leg.asked) {
            let (order, number, _) = key;
            report.violated("E2324", leg.reported.clone(), || {
                format!("leg {number} of {order} is reported, and was never asked for")
            });
        }
    }
}

impl Part {
    /// How home's row differs from what was sent and the last report, where home took that.
    fn differs(&self) -> Option<String> {
        let (taken, away) = self.home.as_ref()?;
        let sent = self.sent.as_ref()?;
        let last = self.report.as_ref().map_or(0, |report| report.report);
        if *taken > last {
            return Some(format!("home took report {taken}, the last one was {last}"));
        }
        if *taken < last {
            return None;
        }
        let said = |line: &str| self.report.iter().flat_map(|r| &r.lines).find(|l| l.line == line);
        sent.lines.iter().find_map(|(line, qty)| {
            let known: Qty = away.iter().filter(|(name, _)| name == line).map(|(_, qty)| *qty).sum();
            let left = match said(line) {
                Some(said) => {
                    (*qty - said.shipped - said.cancelled - said.given_back).floor_zero().max(still(said))
                }
                None => *qty,
            };
            (known != left).then(|| format!("line {line}: home has {known} away, the zone has {left}"))
        })
    }
}

/// Units that the other zone has still to send.
fn still(line: &PartLine) -> Qty {
    line.allocated + line.open
}

fn whole(line: &PartLine) -> Qty {
    still(line) + line.shipped + line.cancelled + line.given_back
}

/// How the last report differs from the order that the other zone made of the part.
fn untrue(own: &Order, last: &PartReport) -> Option<String> {
    use xxhash_rust::xxh3::xxh3_64;
    last.lines.iter().find_map(|said| {
        let name = xxh3_64(said.line.as_bytes());
        let sum = |units: &[Unit]| -> Qty {
            let mine = own.held.iter().filter(|h| {
                own.lines.get(usize::from(h.line)).is_some_and(|line| line.name == name)
                    && units.contains(&h.unit)
            });
            mine.map(|h| h.qty).sum()
        };
        let pairs = [
            ("still to be sent", still(said), sum(&PROMISED) + sum(&[Unit::Open, Unit::Held])),
            ("shipped", said.shipped, sum(&[Unit::Shipped, Unit::Delivered, Unit::Returned])),
            ("cancelled", said.cancelled, sum(&[Unit::Cancelled])),
        ];
        let wrong = pairs.iter().find(|(_, told, there)| told != there)?;
        let (what, told, there) = wrong;
        Some(format!("line {}: {told} {what} as reported, {there} there", said.line))
    })
}

fn name((order, part, attempt): &Key) -> String {
    format!("part {part} of {order}, attempt {attempt}")
}
