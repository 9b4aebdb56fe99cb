//! The changes of a step, for people and for programs: lines by their names.

use std::fmt::Write;

use router_schemas::{
    event::{
        Change, Deadline, Exception, HoldCause, HoldChange, NodeChange, OfferChange, OfferClosed, OfferStep,
        PartChange, PartStep, StockCause, Unit,
    },
    quantity::Qty,
};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::{
    Step, Told,
    text::{plain, time, verdict, word},
};
use crate::show::Time;

/// Nodes that a line names.
const NAMED: usize = 12;

impl Told {
    fn line(&self, line: u16) -> String {
        let name = self.names.get(usize::from(line)).filter(|name| !name.is_empty());
        name.cloned().unwrap_or_else(|| (line + 1).to_string())
    }

    fn lines(&self, lines: &[(u16, Qty)]) -> String {
        let lines: Vec<_> =
            lines.iter().map(|(l, qty)| format!("{qty} of {}", plain(&self.line(*l)))).collect();
        if lines.is_empty() { "all of it".into() } else { lines.join(", ") }
    }
}

impl Serialize for Told {
    /// As the event has it, but with the names of lines in place of their indexes.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut shown = json!(self.change);
        let named = |list: &mut Value| {
            for entry in list.as_array_mut().into_iter().flatten() {
                let index = entry[0].as_u64().and_then(|line| u16::try_from(line).ok());
                if let Some(index) = index {
                    entry[0] = self.line(index).into();
                }
            }
        };
        let list = match &self.change {
            Change::Units { .. } => shown.pointer_mut("/Units/moves"),
            Change::GivenBack(..) => shown.pointer_mut("/GivenBack/2"),
            Change::Offer(_) => shown.pointer_mut("/Offer/what/Declined/2"),
            _ => None,
        };
        list.into_iter().for_each(named);
        shown.serialize(serializer)
    }
}

/// Writes a change on lines of its own.
pub(super) fn change(told: &Told, step: &Step, page: &mut String) {
    let line = |page: &mut String, text: String| _ = writeln!(page, "    {text}");
    match &told.change {
        Change::Units { node, moves } => {
            let place = node.as_ref().map(|node| format!(" at {}", plain(node))).unwrap_or_default();
            for (index, from, to, qty) in moves {
                // What comes into the order, and what leaves it, was not there before or is not there after.
                let from = if *from == Unit::Outside { "ordered".to_owned() } else { word(from) };
                let to = if *to == Unit::Outside { "no longer ordered".to_owned() } else { word(to) };
                line(page, format!("line {}: {qty} {from} -> {to}{place}", plain(&told.line(*index))));
            }
        }
        Change::Hold(change) => hold(change, step, page),
        Change::Offer(change) => line(page, offer(told, change, step)),
        other => line(page, text(told, other)),
    }
}

fn text(told: &Told, change: &Change) -> String {
    match change {
        Change::Decided(decision) => {
            let chosen: Vec<_> = decision.chosen.iter().map(|(node, _)| plain(node)).collect();
            let chosen = if chosen.is_empty() { "none".to_owned() } else { some(&chosen) };
            let (set, version, routing, rule) = (
                plain(&decision.rule_set),
                decision.version,
                plain(&decision.routing),
                plain(&decision.rule),
            );
            let (candidates, covering) = (decision.candidates, decision.covering);
            format!(
                "decided: {}: {chosen}  (rule {rule} of routing {routing}, {set}@{version}; {candidates} could be asked, {covering} could fill it alone)",
                verdict(decision.verdict),
            )
        }
        Change::State(from, to) => format!("state: {} -> {}", plain(&from.text()), plain(&to.text())),
        Change::Payment(from, to, amount) => {
            let amount = amount.map(|a| format!(" ({a} minor units)")).unwrap_or_default();
            format!("payment: {} -> {}{amount}", word(from), word(to))
        }
        Change::Amended(version) => {
            let version = version.map(|v| format!(" to version {v}")).unwrap_or_default();
            format!("amended{version}")
        }
        Change::Stock(stock) => {
            let cause = match stock.cause {
                StockCause::Count => "counted",
                StockCause::Receipt => "received",
                StockCause::Adjustment => "adjusted",
                StockCause::Shipment => "shipped",
                StockCause::Return => "returned",
            };
            let sign = if stock.on_hand > Qty::ZERO { "+" } else { "" };
            let blocked = match stock.blocked {
                none if none.is_zero() => String::new(),
                some => format!(", {some} more of it blocked"),
            };
            let (sku, node) = (plain(&stock.cell.sku), plain(&stock.cell.node));
            format!("stock of {sku} at {node}: {sign}{} {cause}{blocked}", stock.on_hand)
        }
        Change::Exception(exception) => format!("exception: {}", self::exception(exception)),
        Change::Recovered(cell) => {
            format!("{} at {} is not oversold any more", plain(&cell.sku), plain(&cell.node))
        }
        Change::Forgotten(_) => "it is closed for long enough: it left memory".into(),
        Change::Node(node, change) => format!("{} {}", plain(node), standing(*change)),
        Change::CancelRequested(node, by) => {
            let by = time(Time(*by));
            format!(
                "{} was asked to give picked units back, its answer is due by {by} in service time",
                plain(node)
            )
        }
        Change::CancelAnswered(node, true) => format!("{} gives the picked units back", plain(node)),
        Change::CancelAnswered(node, false) => format!("{} sends the picked units", plain(node)),
        Change::Accepted(node) => format!("{} accepted the work", plain(node)),
        Change::GivenBack(node, reason, lines) => {
            format!("{} gave back {}, reason {}", plain(node), told.lines(lines), plain(reason))
        }
        Change::Late(node, deadline) => {
            let what = match deadline {
                Deadline::Accept => "to accept",
                Deadline::Pick => "to have picked",
                Deadline::Ready => "to be ready",
                Deadline::CancelAnswer => "to answer whether it gives units back",
            };
            format!("{} is late {what}", plain(node))
        }
        Change::Part(PartChange { part, zone, what }) => {
            let what = match what {
                PartStep::Sent => "sent to zone",
                PartStep::Cancelled => "wanted back from zone",
                PartStep::Reported => "reported by zone",
                PartStep::GivenBack => "given back by zone",
            };
            format!("part {}, attempt {}: {what} {}", part.part, part.attempt, plain(zone))
        }
        Change::Steered(what, who, why) => {
            let said = |word: &str, text: &Option<String>| {
                text.as_ref().map(|text| format!(", {word} {}", plain(text))).unwrap_or_default()
            };
            format!("operations: {}{}{}", plain(what), said("by", who), said("because", why))
        }
        Change::Units { .. } | Change::Hold(_) | Change::Offer(_) => String::new(),
    }
}

fn hold(change: &HoldChange, step: &Step, page: &mut String) {
    let what = match change.cause {
        HoldCause::Reserved => "reserved",
        HoldCause::Extended => "the hold is extended",
        HoldCause::Released => "the hold is released",
        HoldCause::Lapsed => "the hold's time was over",
        HoldCause::Converted => "the order takes over what was held for it",
        HoldCause::Confirmed => "every zone holds its leg",
        HoldCause::Failed => "another zone could not hold its leg",
    };
    let until = step.held_until.filter(|_| matches!(change.cause, HoldCause::Reserved | HoldCause::Extended));
    let until = until.map(|at| format!(", until {} if nothing interrupts", time(at))).unwrap_or_default();
    let _ = writeln!(page, "    {what}{until}");
    for (node, sku, bucket, qty) in &change.moves {
        let place =
            node.as_ref().map_or_else(|| " anywhere".to_owned(), |node| format!(" at {}", plain(node)));
        let bucket = if bucket.is_empty() { String::new() } else { format!(" on {}", plain(bucket)) };
        let sign = if *qty > Qty::ZERO { "+" } else { "" };
        let _ = writeln!(page, "    held: {sign}{qty} {}{bucket}{place}", plain(sku));
    }
}

fn offer(told: &Told, change: &OfferChange, step: &Step) -> String {
    let then = step.offers.get(&change.offer);
    match &change.what {
        OfferStep::Opened(round, nodes, expires) => {
            let nodes: Vec<_> = nodes.iter().map(|node| plain(node)).collect();
            let lines = then.map(|offer| {
                let lines: Vec<_> =
                    offer.lines.iter().map(|(l, qty)| format!("{qty} of {}", plain(l))).collect();
                format!("{}, ", lines.join(", "))
            });
            let until = match (then.and_then(|offer| offer.deadline), expires) {
                (Some(at), _) => format!(", until {} if nothing interrupts", time(at)),
                (None, Some(_)) => String::new(),
                (None, None) => ", without an end".into(),
            };
            let rule = then.map(|offer| format!("  (rule {})", plain(&offer.rule))).unwrap_or_default();
            let (lines, epoch) = (lines.unwrap_or_default(), change.epoch);
            format!("offered: {lines}round {round}, epoch {epoch}, to {}{until}{rule}", some(&nodes))
        }
        OfferStep::Closed(node, why) => format!("the offer is over for {}: {}", plain(node), closed(*why)),
        OfferStep::Claimed(node) => format!("{} claimed it, epoch {}", plain(node), change.epoch),
        OfferStep::Declined(node, reason, lines) => {
            format!("{} declined {}, reason {}", plain(node), told.lines(lines), plain(reason))
        }
        OfferStep::Lapsed => "the round's time is over".into(),
        OfferStep::Exhausted => "the offer is over: no round is left that anybody can be asked in".into(),
        OfferStep::Withdrawn => "the offer is taken back".into(),
    }
}

fn closed(why: OfferClosed) -> &'static str {
    match why {
        OfferClosed::Taken => "another node has it",
        OfferClosed::NoStock => "it cannot fill it any more",
        OfferClosed::Expired => "its time is over",
        OfferClosed::Withdrawn => "it was taken back",
        OfferClosed::Declined => "it declined",
    }
}

fn standing(change: NodeChange) -> String {
    match change {
        NodeChange::Paused(None) => "is paused until someone resumes it".into(),
        NodeChange::Paused(Some(until)) => format!("is paused until {}", time(Time(until))),
        NodeChange::Resumed => "takes part again".into(),
        NodeChange::CoolsDown(until) => {
            format!("cools down: nothing new until {} in service time", time(Time(until)))
        }
        NodeChange::Evacuating => "gives all its work back".into(),
    }
}

fn exception(exception: &Exception) -> String {
    match exception {
        Exception::Oversold(cell, qty) => {
            format!("{} at {} is oversold by {qty}", plain(&cell.sku), plain(&cell.node))
        }
        Exception::Drift(cell, qty) => {
            format!("the count of {} at {} differs by {qty}", plain(&cell.sku), plain(&cell.node))
        }
        Exception::ShippedAfterCancel(qty) => format!("{qty} shipped although cancelled"),
        Exception::OverShipped(qty) => format!("{qty} more shipped than ordered"),
        Exception::RefundDue(amount) => format!("{amount} minor units are to be paid back"),
        Exception::CatchWeight(qty) => format!("shipped with a difference of {qty}, within tolerance"),
        Exception::Unmatched => "it names something that the order does not have".into(),
        Exception::TooLate(qty) => format!("{qty} should go, and is picked or shipped already"),
        Exception::Short(qty) => format!("{qty} less was shipped than planned; the node still has it"),
        Exception::Shortfall(qty) => {
            format!("money came after the hold had lapsed: {qty} are not there any more")
        }
        Exception::Escalated(node) => {
            format!("{} is late and keeps the work: someone has to look", plain(node))
        }
        Exception::Rejected(node) => format!("{} will not send it, and it is pinned there", plain(node)),
        Exception::HoldLapses(at) => {
            format!("what is held for it is about to lapse, at {} in service time", time(Time(*at)))
        }
    }
}

/// The first few of many names.
fn some(names: &[String]) -> String {
    let (shown, more) = names.split_at(names.len().min(NAMED));
    match more.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
