//! A story as a page that a person reads.

use std::fmt::Write;

use router_engine::engine::{SortValue, trace::Considered};
use router_schemas::{
    event::{Outcome, Verdict},
    geo,
    quantity::Qty,
};

use super::{
    Chosen, Step, Story,
    against::{failed, nothing},
    changes::change,
};
use crate::show::Time;
pub(super) use crate::show::{plain, word};

/// Nodes of one choice that are shown, best first; the JSON form has more.
const NODES: usize = 12;
/// Parts in other zones that are named.
const PARTS: usize = 20;

/// The story as text; with `why_not`, each choice also says why it was not that node.
pub(crate) fn page(story: &Story, why_not: Option<&str>) -> String {
    let mut page = String::new();
    // Writing to a String cannot fail.
    let name = story.name.as_ref().map(|name| format!("  {}", plain(name))).unwrap_or_default();
    let _ = writeln!(page, "order {}{name}", story.order);
    if let Some(part) = &story.part_of {
        let (number, attempt, zone) = (part.part, part.attempt, plain(&part.zone));
        let home = part.order;
        let _ = writeln!(
            page,
            "part {number}, attempt {attempt}, of order {home} of zone {zone}: `router explain {home}`"
        );
    }
    for part in story.parts.iter().take(PARTS) {
        let (number, attempt, zone, there) = (part.part, part.attempt, plain(&part.zone), part.order);
        let state = plain(&part.state.text());
        let _ = writeln!(
            page,
            "its part {number}, attempt {attempt}, is order {there} of zone {zone}, {state} in the end: `router explain {there}`"
        );
    }
    if story.parts.len() > PARTS {
        let _ = writeln!(page, "and {} more parts", story.parts.len() - PARTS);
    }
    if !story.whole {
        let _ = writeln!(page, "(the log before this was trimmed)");
    }
    for (nth, step) in story.steps.iter().enumerate() {
        if nth == super::FIRST && story.left_out > 0 {
            let left_out = story.left_out;
            let _ = writeln!(
                page,
                "\n({left_out} steps are left out; --at POSITION tells the story up to there)"
            );
        }
        self::step(step, nth.checked_sub(1).map(|before| &story.steps[before]), why_not, &mut page);
    }
    page
}

fn step(step: &Step, before: Option<&Step>, why_not: Option<&str>, page: &mut String) {
    head(step, page);
    step.changes.iter().for_each(|told| change(told, step, page));
    for (node, at) in &step.due {
        if before.is_none_or(|before| before.due.get(node) != Some(at)) {
            let _ = writeln!(page, "    {} has until {} in service time", plain(node), time(*at));
        }
    }
    if let Some(why) = &step.untraced {
        let _ = writeln!(page, "    why exactly cannot be told again: {why}");
    }
    for choice in &step.choices {
        self::choice(choice, page);
        if let (Some(node), Some(why)) = (why_not, &choice.why_not) {
            let _ = writeln!(page, "    why not {}: {why}", plain(node));
        }
    }
    // The choice has said it better where there is one.
    if let (Some(node), Some(why), true) = (why_not, &step.why_not, step.choices.is_empty()) {
        let _ = writeln!(page, "    why not {}: {why}", plain(node));
    }
}

fn head(step: &Step, page: &mut String) {
    let _ = write!(page, "\n{}  {}  ", time(step.at), step.position);
    let _ = write!(page, "{}", step.command.unwrap_or("(record trimmed)"));
    if let Some(about) = &step.about {
        let _ = write!(page, " {}", plain(about));
    }
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

fn choice(chosen: &Chosen, page: &mut String) {
    let choice = &chosen.choice;
    let demand = |(sku, bucket, qty): &(String, String, Qty)| match bucket.as_str() {
        "" => format!("{qty} {}", plain(sku)),
        bucket => format!("{qty} {} on {}", plain(sku), plain(bucket)),
    };
    let demands: Vec<_> = choice.demands.iter().map(demand).collect();
    let demands = demands.join(", ");
    let decision = &choice.decision;
    let taken = choice.candidates.iter().any(|c| c.taken);
    let end = match choice.round {
        Some(round) => {
            format!("asked in round {round}: {}", choice.candidates.iter().filter(|c| c.asked).count())
        }
        None if taken => verdict(decision.verdict).to_owned(),
        None => format!("nobody: {}", nothing(choice)),
    };
    let _ = match decision.rule.as_str() {
        "" => writeln!(page, "    looked for {demands}: {end}"),
        rule => writeln!(
            page,
            "    rule {} of routing {}, {}@{}{}, looked for {demands}: {end}",
            plain(rule),
            plain(&decision.routing),
            plain(&decision.rule_set),
            decision.version,
            match choice.actions.as_slice() {
                [] => String::new(),
                actions => format!(" ({})", actions.join(", then ")),
            },
        ),
    };
    if let Some(node) = &choice.pinned {
        let _ = writeln!(page, "    nowhere but {}: it is pinned there", plain(node));
    }
    let shown = &choice.candidates[..choice.candidates.len().min(NODES)];
    if shown.is_empty() {
        return;
    }
    let rows: Vec<Vec<String>> = shown.iter().map(|c| row(c, choice.demands.len())).collect();
    let mut heads = vec!["rank", "node"];
    heads.extend(shown[0].sorts.iter().map(|(name, _)| *name));
    heads.extend(beside(&shown[0]).iter().map(|(name, _)| *name));
    heads.extend(["fills", "has"]);
    let wide =
        |n: usize| rows.iter().map(|r| r[n].chars().count()).chain([heads[n].len()]).max().unwrap_or(0);
    let wide: Vec<usize> = (0..heads.len()).map(wide).collect();
    let cell = |(text, wide): (&str, &usize)| format!("{text:>wide$}");
    let line = |cells: Vec<&str>| cells.into_iter().zip(&wide).map(cell).collect::<Vec<_>>().join("  ");
    let _ = writeln!(page, "       {}", line(heads.clone()));
    for (candidate, cells) in shown.iter().zip(&rows) {
        let mark = if candidate.taken || candidate.asked { "->" } else { "  " };
        let _ = write!(page, "    {mark} {}", line(cells.iter().map(String::as_str).collect()));
        let failed = failed(candidate);
        let _ = match failed.as_slice() {
            [] => writeln!(page),
            some => writeln!(page, "  left out by {}", some.join(", ")),
        };
    }
    let more = choice.candidates.len() - shown.len() + chosen.left_out;
    if more > 0 {
        let _ = writeln!(page, "       and {more} more");
    }
}

/// A node of a choice: rank, node, what each sort says of it, where it is, what it has.
fn row(candidate: &Considered, demands: usize) -> Vec<String> {
    let rank = candidate.rank.map_or_else(|| "-".to_owned(), |rank| rank.to_string());
    let mut cells = vec![rank, plain(&candidate.node)];
    let sort = |(name, value): &(&'static str, Option<SortValue>)| {
        value.as_ref().map_or("-".into(), |v| sorted(name, v))
    };
    cells.extend(candidate.sorts.iter().map(sort));
    cells.extend(beside(candidate).into_iter().map(|(_, text)| text));
    cells.push(format!("{}/{demands}", candidate.covers));
    cells.push(candidate.stock.iter().map(Qty::to_string).collect::<Vec<_>>().join(" "));
    cells
}

/// What people want to know of every node, whether the rule sorts by it or not.
fn beside(candidate: &Considered) -> Vec<(&'static str, String)> {
    let open = if candidate.open_now { "open" } else { "closed" };
    let distance = candidate.chord2.map_or_else(|| "unknown".to_owned(), kilometres);
    let all = [("open_first", "hours", open.to_owned()), ("distance", "away", distance)];
    let sorts = |sort: &str| candidate.sorts.iter().any(|(name, _)| *name == sort);
    all.into_iter().filter(|(sort, ..)| !sorts(sort)).map(|(_, head, text)| (head, text)).collect()
}

/// What a sort says of a node, in units that people use.
fn sorted(sort: &str, value: &SortValue) -> String {
    match (sort, value) {
        ("distance", SortValue::Number(chord2)) => kilometres(*chord2),
        ("open_first", SortValue::Number(n)) => if *n == 0 { "open" } else { "closed" }.into(),
        ("used" | "preferred" | "default_first", SortValue::Number(n)) => {
            if *n == 0 { "yes" } else { "no" }.into()
        }
        ("inventory_balance", SortValue::Number(thousandths)) => Qty(*thousandths).to_string(),
        ("capacity_left", SortValue::Number(i64::MAX)) => "no limit".into(),
        ("time_to_claim" | "time_to_ship", SortValue::Number(ms)) => format!("{} s", ms / 1000),
        ("decline_rate", SortValue::Ratio(over, under)) => {
            format!("{:.1} %", 100.0 * *over as f64 / *under as f64)
        }
        ("weeks_of_supply", SortValue::Ratio(over, under)) => {
            format!("{:.1} weeks", *over as f64 / *under as f64)
        }
        (_, SortValue::Number(number)) => number.to_string(),
        (_, SortValue::Ratio(over, under)) => format!("{over}/{under}"),
        (_, SortValue::Text(text)) => plain(text),
    }
}

fn kilometres(chord2: i64) -> String {
    format!("{:.1} km", geo::metres(chord2) / 1000.0)
}

pub(super) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Whole => "one node has everything",
        Verdict::Split => "several nodes together have everything",
        Verdict::Partial => "some of it was found",
        Verdict::Backordered => "some or all is promised beyond stock",
        Verdict::Unfillable => "nothing was found",
    }
}

/// A time in UTC.
pub(super) fn time(at: Time) -> String {
    jiff::Timestamp::from_millisecond(at.0).map_or_else(|_| at.0.to_string(), |t| format!("{t:.3}"))
}

/// `1st`, `2nd`, `3rd`, `4th`.
pub(super) fn ordinal(number: u32) -> String {
    let end = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{end}")
}
