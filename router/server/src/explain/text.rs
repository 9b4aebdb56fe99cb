//! A story as a page that a person reads.

use std::borrow::Cow;

use std::fmt::Write;

use router_engine::engine::trace::{Choice, Considered};
use router_schemas::{
    event::{Change, Exception, OrderState, Outcome, PartChange, PartStep, StockCause, Unit, Verdict},
    geo,
    quantity::Qty,
};

use super::{Step, Story};

/// Nodes of one choice that are shown, best first; the JSON form has all.
const NODES: usize = 12;

/// The story as text; with `why_not`, each choice also says why it was not that node.
pub(crate) fn page(story: &Story, why_not: Option<&str>) -> String {
    let mut page = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(page, "order {}", story.order);
    if let Some(part) = &story.part_of {
        let (number, attempt, zone) = (part.part, part.attempt, plain(&part.zone));
        let _ = writeln!(page, "part {number}, attempt {attempt}, of order {} of zone {zone}", part.order);
    }
    if !story.whole {
        let _ = writeln!(page, "(the log before this was trimmed)");
    }
    for step in &story.steps {
        head(step, &mut page);
        step.changes.iter().for_each(|change| self::change(change, &mut page));
        if let Some(why) = &step.untraced {
            let _ = writeln!(page, "    why exactly cannot be told again: {why}");
        }
        for choice in &step.choices {
            self::choice(choice, &mut page);
            if let Some(node) = why_not {
                let _ = writeln!(page, "    why not {node}: {}", against(choice, node));
            }
        }
    }
    page
}

fn head(step: &Step, page: &mut String) {
    let at = jiff::Timestamp::from_millisecond(step.at.0)
        .map_or_else(|_| step.at.0.to_string(), |t| format!("{t:.3}"));
    let _ = write!(page, "\n{at}  {}  {}", step.position, step.command.unwrap_or("(record trimmed)"));
    if step.item > 0 {
        let _ = write!(page, ", work that was due ({})", step.item);
    }
    match &step.outcome {
        Some(Outcome::Refused(refusal)) => {
            let code = refusal.code();
            let _ = write!(page, ": refused, {} {}", code.id, code.summary);
        }
        Some(Outcome::Applied) | None => {}
        Some(other) => {
            let _ = write!(page, ": {}", format!("{other:?}").to_lowercase());
        }
    }
    let said = [("by", &step.actor), ("because", &step.reason)];
    for (word, text) in said.into_iter().filter_map(|(word, text)| Some((word, text.as_ref()?))) {
        let _ = write!(page, ", {word} {}", plain(text));
    }
    page.push('\n');
}

fn change(change: &Change, page: &mut String) {
    let _ = match change {
        Change::Units { node, moves } => {
            let place = node.as_ref().map(|node| format!(" at {}", plain(node))).unwrap_or_default();
            moves.iter().try_for_each(|(line, from, to, qty)| {
                // What comes into the order, and what leaves it, was not there before or is not there after.
                let from = if *from == Unit::Outside { "ordered".to_owned() } else { unit(*from) };
                let to = if *to == Unit::Outside { "no longer ordered".to_owned() } else { unit(*to) };
                // The line by its place in the order: the log's moves do not repeat its name.
                writeln!(page, "    line {}: {qty} {from} -> {to}{place}", line + 1)
            })
        }
        Change::Decided(decision) => {
            let chosen: Vec<_> = decision.chosen.iter().map(|(node, _)| plain(node)).collect();
            let chosen = if chosen.is_empty() { "none".to_owned() } else { chosen.join(", ") };
            writeln!(
                page,
                "    decided: {}: {chosen}  (rule {} of {} {}, {} could be asked, {} could fill it alone)",
                verdict(decision.verdict),
                plain(&decision.rule),
                plain(&decision.rule_set),
                decision.version,
                decision.candidates,
                decision.covering
            )
        }
        Change::State(from, to) => writeln!(page, "    state: {} -> {}", state(from), state(to)),
        Change::Payment(from, to, amount) => {
            let amount = amount.map(|a| format!(" ({a} minor units)")).unwrap_or_default();
            writeln!(page, "    payment: {} -> {}{amount}", word(from), word(to))
        }
        Change::Amended(version) => {
            let version = version.map(|v| format!(" to version {v}")).unwrap_or_default();
            writeln!(page, "    amended{version}")
        }
        Change::Stock(stock) => {
            let cause = match stock.cause {
                StockCause::Count => "counted",
                StockCause::Receipt => "received",
                StockCause::Adjustment => "adjusted",
                StockCause::Shipment => "shipped",
                StockCause::Return => "returned",
            };
            writeln!(
                page,
                "    stock of {} at {}: {}{} {cause}",
                plain(&stock.cell.sku),
                plain(&stock.cell.node),
                if stock.on_hand > Qty::ZERO { "+" } else { "" },
                stock.on_hand
            )
        }
        Change::Exception(exception) => writeln!(page, "    exception: {}", self::exception(exception)),
        Change::Recovered(cell) => {
            writeln!(page, "    {} at {} is not oversold any more", plain(&cell.sku), plain(&cell.node))
        }
        Change::Part(PartChange { part, zone, what }) => {
            let what = match what {
                PartStep::Sent => "sent to",
                PartStep::Cancelled => "wanted back from",
                PartStep::Reported => "reported by",
                PartStep::GivenBack => "given back, zone",
            };
            let (number, attempt) = (part.part, part.attempt);
            writeln!(page, "    part {number}, attempt {attempt}: {what} {}", plain(zone))
        }
        other => writeln!(page, "    {}", plain(&format!("{other:?}"))),
    };
}

fn choice(choice: &Choice, page: &mut String) {
    let demand = |(sku, bucket, qty): &(String, String, Qty)| match bucket.as_str() {
        "" => format!("{qty} {}", plain(sku)),
        bucket => format!("{qty} {} on {}", plain(sku), plain(bucket)),
    };
    let demands: Vec<_> = choice.demands.iter().map(demand).collect();
    let decision = &choice.decision;
    let _ = match decision.rule.as_str() {
        "" => writeln!(page, "    looked for {}", demands.join(", ")),
        rule => writeln!(
            page,
            "    looked for {}  (rule {} of {} {}: {})",
            demands.join(", "),
            plain(rule),
            plain(&decision.rule_set),
            decision.version,
            verdict(decision.verdict)
        ),
    };
    if let Some(node) = &choice.pinned {
        let _ = writeln!(page, "    nowhere but {}: it is pinned there", plain(node));
    }
    let wide = choice.candidates.iter().take(NODES).map(|c| c.node.chars().count()).max().unwrap_or(4).max(4);
    let _ = writeln!(page, "      rank  {:wide$}  open     distance  fills  has", "node");
    for candidate in choice.candidates.iter().take(NODES) {
        let mark = if candidate.taken { "->" } else { "  " };
        let rank = candidate.rank.map_or_else(|| "-".to_owned(), |rank| rank.to_string());
        let distance = candidate.chord2.map_or_else(|| "unknown".to_owned(), kilometres);
        let open = if candidate.open_now { "open" } else { "closed" };
        let fills = format!("{}/{}", candidate.covers, choice.demands.len());
        let stock: Vec<_> = candidate.stock.iter().map(Qty::to_string).collect();
        let _ = write!(
            page,
            "   {mark} {rank:>4}  {:wide$}  {open:6}  {distance:>9}  {fills:>5}  {}",
            plain(&candidate.node),
            stock.join(" ")
        );
        let failed = failed(candidate);
        let _ = match failed.as_slice() {
            [] => writeln!(page),
            some => writeln!(page, "  left out by {}", some.join(", ")),
        };
    }
    if choice.candidates.len() > NODES {
        let _ = writeln!(page, "      and {} more; --format json lists all", choice.candidates.len() - NODES);
    }
}

/// Why a node was not chosen, from the trace.
fn against(choice: &Choice, node: &str) -> String {
    let Some(candidate) = choice.candidates.iter().find(|c| c.node == node) else {
        return "it is no node of the order's zone, and has none of what was looked for".into();
    };
    if candidate.taken {
        return "it was chosen".into();
    }
    let failed = failed(candidate);
    if !failed.is_empty() {
        return format!("left out by {}", failed.join(", "));
    }
    let winners: Vec<_> = choice.candidates.iter().filter(|c| c.taken).collect();
    let all = choice.demands.len() as u32;
    match winners.as_slice() {
        [] => "nobody was chosen".into(),
        [winner] if winner.covers == all && candidate.covers < all => {
            format!("it fills {} of {all}; {} fills all alone", candidate.covers, plain(&winner.node))
        }
        [winner, ..] if winner.rank < candidate.rank => {
            format!("{} ranks before it: {}", plain(&winner.node), before(winner, candidate))
        }
        several => {
            let names: Vec<_> = several.iter().map(|c| plain(&c.node)).collect();
            format!("{} together need fewer nodes, or fill more", names.join(" and "))
        }
    }
}

/// The first sort of the rule by which `a` comes before `b`.
fn before(a: &Considered, b: &Considered) -> Cow<'static, str> {
    let differs = a.sorts.iter().zip(&b.sorts).find(|(a, b)| a.1 != b.1);
    match differs.map(|((name, _), _)| *name) {
        Some("used") => "the order uses or prefers it".into(),
        Some("preferred") => "the order prefers it".into(),
        Some("open_first") => "it is open".into(),
        Some("distance") => match a.chord2 < b.chord2 || b.chord2.is_none() {
            true => "it is nearer".into(),
            false => "it is farther away".into(),
        },
        Some(sort) => format!("the sort {sort} puts it first").into(),
        None if a.default != b.default => "it is the default node".into(),
        None => "its id comes first".into(),
    }
}

fn failed(candidate: &Considered) -> Vec<&'static str> {
    candidate.filters.iter().filter(|(_, passed)| !passed).map(|(name, _)| *name).collect()
}

fn kilometres(chord2: i64) -> String {
    format!("{:.1} km", geo::metres(chord2) / 1000.0)
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Whole => "one node has everything",
        Verdict::Split => "several nodes together have everything",
        Verdict::Partial => "some of it was found",
        Verdict::Backordered => "some or all is promised beyond stock",
        Verdict::Unfillable => "nothing was found",
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
        #[allow(unreachable_patterns, reason = "later levels add exceptions")]
        other => plain(&format!("{other:?}")),
    }
}

fn state(state: &OrderState) -> Cow<'_, str> {
    state.text()
}

fn unit(unit: Unit) -> String {
    word(&unit)
}

/// The word that JSON has for a value without members.
fn word<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Names come from strangers: nothing in them may steer a terminal.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}
