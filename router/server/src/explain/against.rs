//! Why it was not a node: a sentence for each choice, from the trace, and for each step that ended its chances.

use std::{borrow::Cow, collections::BTreeSet};

use router_engine::engine::trace::{Choice, Considered};
use router_schemas::event::{Change, OfferClosed, OfferStep};

use super::{
    Step,
    text::{ordinal, plain},
};

/// Nodes that a sentence names.
const NAMED: usize = 3;

/// Who may claim the order's offers, as far as the story has got.
#[derive(Default)]
pub(super) struct Asked {
    nodes: BTreeSet<String>,
}

impl Asked {
    /// What the events of a step say of the node.
    pub(super) fn against(&mut self, step: &Step, node: &str) -> Option<String> {
        let mut said = Vec::new();
        for told in &step.changes {
            match &told.change {
                Change::Offer(change) => said.extend(self.of_offer(&change.what, node)),
                Change::GivenBack(from, reason, _) if from == node => {
                    said.push(format!("it gave the work back, reason {}", plain(reason)));
                }
                Change::Late(late, _) if late == node => said.push("it was late with its work".to_owned()),
                _ => {}
            }
        }
        (!said.is_empty()).then(|| said.join("; "))
    }

    fn of_offer(&mut self, what: &OfferStep, node: &str) -> Option<String> {
        match what {
            OfferStep::Opened(round, nodes, _) => {
                // A round anew tells all that may claim now.
                self.nodes = nodes.iter().cloned().collect();
                let was = if self.nodes.contains(node) { "it was" } else { "it was not" };
                Some(format!("{was} among those asked in round {round}"))
            }
            OfferStep::Claimed(winner) if winner == node => Some("it claimed it".to_owned()),
            OfferStep::Claimed(winner) => {
                let winner = plain(winner);
                Some(match self.nodes.contains(node) {
                    true => format!("{winner} claimed it first; it was asked too"),
                    false => format!("{winner} claimed it; it was not asked in that round"),
                })
            }
            OfferStep::Declined(who, reason, lines) if who == node => {
                self.nodes.remove(node);
                let some = if lines.is_empty() { "" } else { " some of it" };
                Some(format!("it declined{some}, reason {}", plain(reason)))
            }
            OfferStep::Closed(who, why) if who == node => {
                self.nodes.remove(node);
                Some(match why {
                    OfferClosed::Taken => "another node has it".to_owned(),
                    OfferClosed::NoStock => "it could not fill it any more".to_owned(),
                    OfferClosed::Expired => "its time was over".to_owned(),
                    OfferClosed::Withdrawn => "the offer was taken back".to_owned(),
                    OfferClosed::Declined => "it declined".to_owned(),
                })
            }
            OfferStep::Lapsed if self.nodes.contains(node) => Some("it let the round pass".to_owned()),
            _ => None,
        }
    }
}

/// Why a choice was not for a node.
pub(super) fn of_choice(choice: &Choice, node: &str) -> String {
    let Some(candidate) = choice.candidates.iter().find(|c| c.node == node) else {
        return "it is no node of the order's zone, and has none of what was looked for".into();
    };
    if candidate.taken {
        return "it was chosen".into();
    }
    if candidate.asked {
        let round = choice.round.unwrap_or(1);
        return format!("it was asked in round {round}, as the {}", place(choice, candidate));
    }
    let failed = failed(candidate);
    if !failed.is_empty() {
        let why: Vec<_> = failed.iter().map(|filter| because(filter)).collect();
        return why.join("; ");
    }
    let ranked = format!("it is ranked {}", place(choice, candidate));
    let all = choice.demands.len() as u32;
    if let Some(round) = choice.round {
        let asked: Vec<_> = choice.candidates.iter().filter(|c| c.asked).collect();
        return match candidate.covers < all {
            true => format!("{ranked}, and cannot fill it: {}", lacks(choice, candidate)),
            false => format!("{ranked}; round {round} went to {}", names(&asked)),
        };
    }
    let winners: Vec<_> = choice.candidates.iter().filter(|c| c.taken).collect();
    match winners.as_slice() {
        [] => format!("{ranked}, and nobody was chosen: {}", nothing(choice)),
        [winner] if winner.covers == all && candidate.covers < all => {
            let winner = plain(&winner.node);
            format!("it fills {} of {all}; {winner} fills all alone ({ranked})", candidate.covers)
        }
        [winner, ..] if winner.rank < candidate.rank => {
            format!("{ranked}; {} took it before: {}", plain(&winner.node), before(winner, candidate))
        }
        several => format!("{ranked}; {} together need fewer nodes, or fill more", names(several)),
    }
}

/// Why a rule had nobody for it.
pub(super) fn nothing(choice: &Choice) -> String {
    let all = choice.candidates.len();
    let ranked: Vec<_> = choice.candidates.iter().filter(|c| c.rank.is_some()).collect();
    if all == 0 {
        return "the zone has no nodes".into();
    }
    if ranked.is_empty() {
        // Each node counts for the first filter that it did not pass.
        let mut counts: Vec<(&str, usize)> = Vec::new();
        for first in choice.candidates.iter().filter_map(|c| failed(c).first().copied()) {
            match counts.iter_mut().find(|(name, _)| *name == first) {
                Some((_, count)) => *count += 1,
                None => counts.push((first, 1)),
            }
        }
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let counts: Vec<_> = counts.iter().map(|(name, count)| format!("{count} by {name}")).collect();
        let counts =
            if counts.is_empty() { String::new() } else { format!(": left out {}", counts.join(", ")) };
        return format!("none of {all} nodes may be asked{counts}");
    }
    let may = match ranked.len() {
        1 => "the one node that may be asked".to_owned(),
        many => format!("of the {many} nodes that may be asked"),
    };
    let none = if ranked.len() == 1 { "has" } else { "none has" };
    if ranked.iter().all(|c| c.stock.iter().all(|qty| !qty.is_positive())) {
        let any = if ranked.len() == 1 { "none of it" } else { "any of it" };
        return format!("{may} {none} {any}");
    }
    let demands = choice.demands.len();
    let best = ranked.iter().max_by_key(|c| (c.covers, std::cmp::Reverse(c.rank)));
    let best =
        best.map(|c| format!("{} fills {} of {demands}", plain(&c.node), c.covers)).unwrap_or_default();
    match choice.assignment {
        "multi" => format!("{may} together have not enough, or more nodes are needed than the rule allows"),
        "" => format!("{may} has not enough"),
        _ if ranked.iter().any(|c| c.covers as usize == demands) => "what there is is held for others".into(),
        _ => format!("{may} {none} all of it: {best}"),
    }
}

/// Filters that the node did not pass.
pub(super) fn failed(candidate: &Considered) -> Vec<&'static str> {
    candidate.filters.iter().filter(|(_, passed)| !passed).map(|(name, _)| *name).collect()
}

fn place(choice: &Choice, candidate: &Considered) -> String {
    let of = choice.candidates.iter().filter(|c| c.rank.is_some()).count();
    candidate.rank.map_or_else(|| "nowhere".into(), |rank| format!("{} of {of}", ordinal(rank)))
}

fn lacks(choice: &Choice, candidate: &Considered) -> String {
    let pairs = choice.demands.iter().zip(&candidate.stock);
    let lacking = pairs.filter(|((_, _, wanted), has)| *has < wanted);
    let lacking = lacking.map(|((sku, _, wanted), has)| format!("it has {has} of {wanted} {}", plain(sku)));
    lacking.take(NAMED).collect::<Vec<_>>().join(", ")
}

fn names(nodes: &[&Considered]) -> String {
    let shown: Vec<_> = nodes.iter().take(NAMED).map(|c| plain(&c.node)).collect();
    match nodes.len() - shown.len() {
        0 if shown.is_empty() => "nobody".into(),
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Why a filter leaves a node out, in a sentence.
fn because(filter: &str) -> Cow<'static, str> {
    match filter {
        "declined" => "it declined the order before".into(),
        "resting" => "it is resting: paused, giving its work back, or cooling down after a decline".into(),
        "capacity_at_once" => "it is full: it has all the orders that it takes at once".into(),
        "capacity_a_day" => "it is full: it has all the orders that it takes a day".into(),
        "enabled" => "it is disabled".into(),
        "known" => "nobody has published it".into(),
        "zone" => "it is in another zone".into(),
        "delivery_mode" => "it does not serve the order's delivery mode".into(),
        "channel_group" => "the order's channel is not sold from its groups".into(),
        "pin" => "the line is pinned elsewhere".into(),
        "stocked" => "it has never had any of it".into(),
        of_rule => format!("left out by the filter {of_rule}").into(),
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
