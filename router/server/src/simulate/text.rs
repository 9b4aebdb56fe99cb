//! A comparison as a page that a person reads.

use std::fmt::Write;

use serde_json::Value;

use super::{Changed, Measures, Report, Side};
use crate::show::plain;

/// Changed orders that are shown; the JSON form has all.
const SHOWN: usize = 50;

/// Nodes of one decision that are shown.
const CHOSEN: usize = 6;

/// The comparison as text.
pub(crate) fn page(report: &Report) -> String {
    let mut page = String::new();
    let spans: Vec<_> =
        report.stretches.iter().map(|(from, to)| format!("{from} to {}", to.offset)).collect();
    // Writing to a String cannot fail.
    let _ = writeln!(page, "{} commands of {}", report.commands, spans.join(", "));
    let _ = writeln!(page, "\n{:<26}{:>16}{:>16}", "", "as it was", plain(&report.rules));
    for (name, show) in ROWS {
        let _ = writeln!(page, "{name:<26}{:>16}{:>16}", show(&report.as_it_was), show(&report.draft));
    }
    let queues = report.as_it_was.parked.keys().chain(report.draft.parked.keys());
    for queue in queues.collect::<std::collections::BTreeSet<_>>() {
        let of = |measures: &Measures| measures.parked.get(queue).copied().unwrap_or(0);
        let _ = writeln!(page, "{:<26}{:>16}{:>16}", plain(queue), of(&report.as_it_was), of(&report.draft));
    }
    let _ = writeln!(
        page,
        "\nstores: {} steps done by other nodes, {} left out, {} claims by robots; {} messages to zones that took no part",
        report.moved, report.ignored, report.robot_claims, report.not_followed
    );
    let _ = writeln!(page, "\n{} orders at other nodes", report.changed.len());
    report.changed.iter().take(SHOWN).for_each(|changed| order(changed, &mut page));
    if report.changed.len() > SHOWN {
        let _ = writeln!(page, "  … and {} more; --format json has all", report.changed.len() - SHOWN);
    }
    page
}

type Show = fn(&Measures) -> String;

const ROWS: [(&str, Show); 14] = [
    ("orders", |m| m.orders.to_string()),
    ("filled whole", |m| m.filled_orders.to_string()),
    ("fill rate", |m| m.fill_rate.map_or_else(|| "-".into(), |rate| format!("{:.2} %", rate * 100.0))),
    ("splits per order", |m| m.splits_per_order.map_or_else(|| "-".into(), |splits| format!("{splits:.4}"))),
    ("mean distance", |m| m.mean_distance_m.map_or_else(|| "-".into(), |metres| format!("{metres:.0} m"))),
    ("units", |m| m.units.to_string()),
    ("backordered units", |m| m.backordered_units.to_string()),
    ("units in other zones", |m| m.away_units.to_string()),
    ("unfillable", |m| m.unfillable.to_string()),
    ("offered now", |m| m.offered.to_string()),
    ("rounds of offers", |m| m.rounds.to_string()),
    ("claims", |m| m.claims.to_string()),
    ("declines", |m| m.declines.to_string()),
    ("lapses", |m| m.lapses.to_string()),
];

fn order(changed: &Changed, page: &mut String) {
    let _ = writeln!(page, "  {} ({})", changed.order, plain(&changed.identity));
    side("was", &changed.was, page);
    side("draft", &changed.draft, page);
}

fn side(name: &str, side: &Side, page: &mut String) {
    let nodes = if side.nodes.is_empty() { "nowhere".into() } else { plain(&side.nodes.join(", ")) };
    let why = side.reason.as_ref().map(reason).unwrap_or_else(|| "nothing was decided".into());
    let _ = writeln!(page, "    {name:<6} {nodes}  [{}]  {why}", plain(&side.state));
}

fn reason(reason: &Value) -> String {
    let text = |name: &str| plain(reason[name].as_str().unwrap_or_default());
    let number = |name: &str| reason[name].as_u64().unwrap_or(0);
    let version = match number("version") {
        0 => "draft".to_owned(),
        version => version.to_string(),
    };
    let all = reason["chosen"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut chosen: Vec<String> = all
        .iter()
        .take(CHOSEN)
        .map(|chosen| {
            let node = plain(chosen["node"].as_str().unwrap_or_default());
            chosen["metres"].as_f64().map_or(node.clone(), |metres| format!("{node} {metres:.0} m"))
        })
        .collect();
    if all.len() > CHOSEN {
        chosen.push(format!("and {} more", all.len() - CHOSEN));
    }
    format!(
        "{}: rule {} of {}@{version}, {} could be asked, {} could fill it alone: {}",
        text("verdict"),
        text("rule"),
        text("rule_set"),
        number("candidates"),
        number("covering"),
        chosen.join(", ")
    )
}
