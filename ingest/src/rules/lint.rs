//! What is wrong with a rule set that has the right shape: limits, contradictions, what is never reached, what matches
//! nothing.

use std::collections::BTreeMap;

use router_schemas::{
    limits::{
        FORWARDS, MONEY_MAX, NAME_BYTES, NODES_PER_ZONE, OFFERED, QTY_MAX, ROUNDS, RULE_PARTS, RULES,
        RULES_BYTES, TEXT_BYTES, TTL_MS,
    },
    quantity::Qty,
    refusal::Code,
};

use super::{
    CONTRADICTION, Finding, IDLE, Known, LIMIT, NOTHING, TWICE, UNREACHED, VALUE, ZONE,
    convert::{covers, metres, to_log},
    places::step,
};
use crate::json::{Action, Assignment, Filter, Late, Routing, Rule, Rules, Sort, Span};

/// Half the way around the earth, in kilometres: no two places are farther apart.
const HALF_EARTH_KM: f64 = 20_015.0;

pub(super) fn lint(rules: &Rules, known: Option<&Known>) -> Vec<Finding> {
    let mut lint = Lint { known, findings: Vec::new() };
    lint.set(rules);
    let bytes = postcard::to_allocvec(&to_log(rules)).map_or(usize::MAX, |bytes| bytes.len());
    if bytes > RULES_BYTES {
        lint.say(LIMIT, "", format!("the rule set has {bytes} bytes in the log, {RULES_BYTES} are allowed"));
    }
    lint.findings
}

struct Lint<'a> {
    known: Option<&'a Known>,
    findings: Vec<Finding>,
}

impl Lint<'_> {
    fn say(&mut self, code: Code, pointer: &str, detail: String) {
        self.findings.push(Finding::new(code, pointer.to_owned(), detail));
    }

    fn few<T>(&mut self, at: &str, list: &[T], most: usize) {
        if list.len() > most {
            self.say(LIMIT, at, format!("has {} entries, {most} are allowed", list.len()));
        }
    }

    fn name(&mut self, at: &str, name: &str) {
        if name.is_empty() {
            self.say(VALUE, at, "must not be empty".into());
        } else if name.len() > NAME_BYTES {
            self.say(LIMIT, at, format!("has {} bytes, {NAME_BYTES} are allowed", name.len()));
        } else if name.chars().any(char::is_control) {
            self.say(VALUE, at, "must not hold control characters".into());
        }
    }

    fn names(&mut self, at: &str, names: &[String], most: usize) {
        self.few(at, names, most);
        for (index, name) in names.iter().enumerate() {
            let at = format!("{at}/{index}");
            self.name(&at, name);
            if names[..index].contains(name) {
                self.say(IDLE, &at, format!("{name:?} is named twice"));
            }
        }
    }

    fn zones(&mut self, at: &str, zones: &[String], most: usize) {
        self.names(at, zones, most);
        for (index, zone) in zones.iter().enumerate() {
            if self.known.is_some_and(|known| !known.zones.contains(zone)) {
                self.say(ZONE, &format!("{at}/{index}"), format!("there is no zone {zone:?}"));
            }
        }
    }

    fn span(&mut self, at: &str, span: Option<Span>) {
        match span {
            Some(Span(ms)) if ms <= 0 => self.say(VALUE, at, "must be longer than nothing".into()),
            Some(Span(ms)) if ms > TTL_MS => {
                self.say(LIMIT, at, format!("is longer than {} days", TTL_MS / 86_400_000));
            }
            _ => {}
        }
    }

    fn money(&mut self, at: &str, amount: Option<i64>) {
        if amount.is_some_and(|amount| !(0..=MONEY_MAX).contains(&amount)) {
            self.say(VALUE, at, format!("must be from 0 to {MONEY_MAX} minor units"));
        }
    }

    fn km(&mut self, at: &str, km: f64) {
        if !km.is_finite() || metres(km) == 0 {
            self.say(VALUE, at, "must be a metre at least".into());
        } else if km > HALF_EARTH_KM {
            self.say(VALUE, at, format!("no two places are more than {HALF_EARTH_KM} km apart"));
        }
    }

    /// Names that must differ, with the place of each.
    fn distinct(&mut self, named: impl Iterator<Item = (String, String)>) {
        let mut first: BTreeMap<String, String> = BTreeMap::new();
        for (name, at) in named {
            match first.get(&name) {
                Some(other) => self.say(TWICE, &at, format!("{name:?} is the name of {other} already")),
                None => drop(first.insert(name, at)),
            }
        }
    }

    fn set(&mut self, rules: &Rules) {
        self.name("/name", &rules.name);
        if rules.name.contains('@') {
            self.say(VALUE, "/name", "must not hold an @: it stands before the version".into());
        }
        self.zones("/zones", &rules.zones, RULES);
        if rules.note.as_ref().is_some_and(|note| note.len() > TEXT_BYTES) {
            self.say(LIMIT, "/note", format!("has more than {TEXT_BYTES} bytes"));
        }
        self.few("/routings", &rules.routings, RULES);
        self.few("/reasons", &rules.reasons, RULES);
        if rules.routings.is_empty() {
            self.say(IDLE, "/routings", "without a routing every order is parked as unfillable".into());
        }
        // What has no name is named by its place.
        let id = |id: &Option<String>, what: &str, at: usize| match id {
            Some(id) => id.clone(),
            None => format!("{what}-{}", at + 1),
        };
        let routings = rules.routings.iter().enumerate();
        self.distinct(routings.clone().map(|(n, r)| (id(&r.id, "routing", n), format!("/routings/{n}"))));
        let places = routings.clone().flat_map(|(n, routing)| {
            routing.rules.iter().enumerate().map(move |(m, rule)| (rule, format!("/routings/{n}/rules/{m}")))
        });
        self.distinct(places.enumerate().map(|(n, (rule, at))| (id(&rule.id, "rule", n), at)));
        for (n, routing) in routings {
            let before = &rules.routings[..n];
            if let Some(earlier) = before.iter().position(|earlier| covers(earlier, routing)) {
                let name = id(&before[earlier].id, "routing", earlier);
                let detail = format!("no order comes this far: the routing {name:?} owns them all");
                self.say(UNREACHED, &format!("/routings/{n}"), detail);
            }
            self.routing(&format!("/routings/{n}"), routing);
        }
        let reasons = rules.reasons.iter().enumerate();
        self.distinct(reasons.clone().map(|(n, reason)| (reason.id.clone(), format!("/reasons/{n}"))));
        for (n, reason) in reasons {
            self.name(&format!("/reasons/{n}/id"), &reason.id);
            self.span(&format!("/reasons/{n}/cool_down"), reason.cool_down);
        }
    }

    fn routing(&mut self, at: &str, routing: &Routing) {
        if let Some(id) = &routing.id {
            self.name(&format!("{at}/id"), id);
        }
        let when = &routing.when;
        if routing.channel.is_some() && !when.channels.is_empty() {
            let detail = "`channel` says the same as `when.channels`: give one of them";
            self.say(CONTRADICTION, &format!("{at}/channel"), detail.into());
        }
        self.names(&format!("{at}/when/channels"), &when.channels, RULES);
        let channels = when.channels.iter().enumerate().map(|(n, c)| (format!("{at}/when/channels/{n}"), c));
        for (at, channel) in routing.channel.iter().map(|c| (format!("{at}/channel"), c)).chain(channels) {
            self.name(&at, channel);
            if self.known.is_some_and(|known| !known.channels.contains(channel)) {
                self.say(NOTHING, &at, format!("there is no channel {channel:?}"));
            }
        }
        let backwards = "the least is above the most: no order matches";
        if when.priority.is_some_and(|p| p.min.unwrap_or(0) > p.max.unwrap_or(u8::MAX)) {
            self.say(CONTRADICTION, &format!("{at}/when/priority"), backwards.into());
        }
        if let Some(total) = when.total {
            self.money(&format!("{at}/when/total/min"), total.min);
            self.money(&format!("{at}/when/total/max"), total.max);
            if total.min.unwrap_or(0) > total.max.unwrap_or(MONEY_MAX) {
                self.say(CONTRADICTION, &format!("{at}/when/total"), backwards.into());
            }
        }
        self.few(&format!("{at}/sort"), &routing.sort, RULE_PARTS);
        for (n, sort) in routing.sort.iter().enumerate() {
            if routing.sort[..n].contains(sort) {
                self.say(CONTRADICTION, &format!("{at}/sort/{n}"), "sorts by one thing twice".into());
            }
        }
        self.few(&format!("{at}/rules"), &routing.rules, RULES);
        if routing.rules.is_empty() {
            self.say(IDLE, at, "without a rule its orders are parked as unfillable".into());
        }
        let mut ended = None;
        for (n, rule) in routing.rules.iter().enumerate() {
            let at = format!("{at}/rules/{n}");
            if let Some(end) = &ended {
                let detail = format!("nothing comes this far: {end} parks whatever is open");
                self.say(UNREACHED, &at, detail);
            }
            self.rule(&at, rule);
            let queues = rule
                .actions
                .iter()
                .position(|action| matches!(action, Action::Queue { .. } | Action::NextRule {}));
            if ended.is_none() && queues.is_some_and(|q| matches!(rule.actions[q], Action::Queue { .. })) {
                ended = Some(match &rule.id {
                    Some(id) => format!("the rule {id:?}"),
                    None => "a rule before it".to_owned(),
                });
            }
        }
    }

    fn rule(&mut self, at: &str, rule: &Rule) {
        if let Some(id) = &rule.id {
            self.name(&format!("{at}/id"), id);
        }
        self.few(&format!("{at}/filters"), &rule.filters, RULE_PARTS);
        self.few(&format!("{at}/sorts"), &rule.sorts, RULE_PARTS);
        self.few(&format!("{at}/actions"), &rule.actions, RULE_PARTS);
        for (n, filter) in rule.filters.iter().enumerate() {
            let at = format!("{at}/filters/{n}");
            self.filter(&at, filter);
            for other in &rule.filters[..n] {
                if other == filter {
                    self.say(IDLE, &at, "the same filter stands before it".into());
                } else if excluded(other, filter) || excluded(filter, other) {
                    let detail =
                        "with the filter before it no node passes: what the one asks for the other excludes";
                    self.say(CONTRADICTION, &at, detail.into());
                }
            }
        }
        for (n, sort) in rule.sorts.iter().enumerate() {
            let at = format!("{at}/sorts/{n}");
            self.sort(&at, sort);
            if rule.sorts[..n].contains(sort) {
                self.say(IDLE, &at, "the same sort stands before it".into());
            }
        }
        if let Assignment::Multi { max_splits, min_shipment_value, .. } = &rule.assignment {
            if *max_splits == Some(0) {
                let detail = "a plan of no nodes is none; 1 is the least";
                self.say(VALUE, &format!("{at}/assignment/max_splits"), detail.into());
            }
            self.money(&format!("{at}/assignment/min_shipment_value"), *min_shipment_value);
        }
        if rule.actions.is_empty() {
            self.say(IDLE, at, "a rule without actions does nothing".into());
        }
        let end = |a: &Action| matches!(a, Action::Queue { .. } | Action::NextRule {});
        let end = rule.actions.iter().position(end);
        for (n, action) in rule.actions.iter().enumerate() {
            let at = format!("{at}/actions/{n}");
            match end.filter(|end| *end < n) {
                Some(end) => {
                    let detail = format!("nothing comes this far: action {} ends the rule", end + 1);
                    self.say(UNREACHED, &at, detail);
                }
                None if rule.actions[..n].contains(action) => {
                    self.say(IDLE, &at, "the same action stands before it".into());
                }
                None => {}
            }
            self.action(&at, action);
        }
    }

    fn filter(&mut self, at: &str, filter: &Filter) {
        match filter {
            Filter::Group { any, .. } => {
                let at = format!("{at}/any");
                self.some(&at, any);
                self.names(&at, any, RULES);
                for (n, group) in any.iter().enumerate() {
                    if self.known.is_some_and(|known| !known.has_group(group)) {
                        self.say(NOTHING, &format!("{at}/{n}"), format!("no node is in a group {group:?}"));
                    }
                }
            }
            Filter::Zone { any, .. } => {
                let at = format!("{at}/any");
                self.some(&at, any);
                self.zones(&at, any, RULES);
            }
            Filter::Radius { km, .. } => self.km(&format!("{at}/km"), *km),
            Filter::Minimum { qty, .. } => {
                if *qty <= Qty::ZERO || *qty > QTY_MAX {
                    self.say(VALUE, &format!("{at}/qty"), "must be above zero, and a billion at most".into());
                }
            }
            Filter::Attribute { name, has, .. } => {
                self.name(&format!("{at}/name"), name);
                self.name(&format!("{at}/has"), has);
                match self.known {
                    Some(known) if !known.has_attribute(name, None) => {
                        let detail = format!("no node has an attribute {name:?}");
                        self.say(NOTHING, &format!("{at}/name"), detail);
                    }
                    Some(known) if !known.has_attribute(name, Some(has)) => {
                        let detail = format!("no node's attribute {name:?} has {has:?}");
                        self.say(NOTHING, &format!("{at}/has"), detail);
                    }
                    _ => {}
                }
            }
            Filter::DeliveryMode { .. }
            | Filter::Open { .. }
            | Filter::AllItems { .. }
            | Filter::Area { .. } => {}
        }
    }

    fn some(&mut self, at: &str, any: &[String]) {
        if any.is_empty() {
            self.say(VALUE, at, "must name one at least: of none no node is one".into());
        }
    }

    fn sort(&mut self, at: &str, sort: &Sort) {
        match sort {
            Sort::Cost { table } => {
                let at = format!("{at}/table");
                self.name(&at, table);
                if self.known.is_some_and(|known| !known.fees.contains(table)) {
                    self.say(NOTHING, &at, format!("there is no fee table {table:?}"));
                }
            }
            Sort::Attribute { name, .. } => {
                let at = format!("{at}/name");
                self.name(&at, name);
                if self.known.is_some_and(|known| !known.has_attribute(name, None)) {
                    self.say(NOTHING, &at, format!("no node has an attribute {name:?}"));
                }
            }
            Sort::RankTable { ranks } => {
                let at = format!("{at}/ranks");
                if ranks.len() > NODES_PER_ZONE {
                    let detail = format!("has {} nodes, {NODES_PER_ZONE} are allowed", ranks.len());
                    self.say(LIMIT, &at, detail);
                }
                if ranks.values().all(Option::is_none) {
                    self.say(IDLE, &at, "ranks no node".into());
                }
                for node in ranks.keys() {
                    let at = step(&at, node);
                    self.name(&at, node);
                    if self.known.is_some_and(|known| !known.nodes.contains_key(node)) {
                        self.say(NOTHING, &at, format!("there is no node {node:?}"));
                    }
                }
            }
            _ => {}
        }
    }

    fn action(&mut self, at: &str, action: &Action) {
        let work = |lint: &mut Self, accept: Option<Span>, pick: Option<Span>, late: Late| {
            lint.span(&format!("{at}/accept_within"), accept);
            lint.span(&format!("{at}/pick_within"), pick);
            if late != Late::default() && accept.is_none() && pick.is_none() {
                let detail = "nothing can be late: there is neither accept_within nor pick_within";
                lint.say(IDLE, &format!("{at}/late"), detail.into());
            }
        };
        match action {
            Action::Allocate { accept_within, pick_within, late } => {
                work(self, *accept_within, *pick_within, *late);
            }
            Action::Offer { nodes, rounds, ttl, widen, accept_within, pick_within, late, .. } => {
                work(self, *accept_within, *pick_within, *late);
                self.span(&format!("{at}/ttl"), *ttl);
                if let Some(rounds) = rounds.filter(|rounds| !(1..=ROUNDS).contains(rounds)) {
                    let detail = format!("must be from 1 to {ROUNDS}, not {rounds}");
                    self.say(VALUE, &format!("{at}/rounds"), detail);
                }
                if nodes.is_some_and(|nodes| nodes == 0 || usize::from(nodes) > OFFERED) {
                    self.say(VALUE, &format!("{at}/nodes"), format!("must be from 1 to {OFFERED}"));
                }
                self.widen(at, *nodes, *rounds, widen);
            }
            Action::Forward { zones } => self.zones(&format!("{at}/zones"), zones, FORWARDS),
            Action::Queue { name } => self.name(&format!("{at}/name"), name),
            Action::AutoCancel { after } => self.span(&format!("{at}/after"), Some(*after)),
            Action::NextRule {} | Action::Backorder {} => {}
        }
    }

    fn widen(&mut self, at: &str, nodes: Option<u16>, rounds: Option<u16>, widen: &[f64]) {
        self.few(&format!("{at}/widen"), widen, usize::from(ROUNDS));
        for (n, km) in widen.iter().enumerate() {
            let at = format!("{at}/widen/{n}");
            self.km(&at, *km);
            if n > 0 && *km <= widen[n - 1] {
                self.say(VALUE, &at, "each circle must be wider than the one before".into());
            }
        }
        if !widen.is_empty() && nodes.is_some() {
            let detail = "the circles of `widen` stand in place of `nodes`: give one of them";
            self.say(CONTRADICTION, &format!("{at}/nodes"), detail.into());
        }
        if !widen.is_empty() && rounds.is_some_and(|rounds| usize::from(rounds) < widen.len()) {
            let detail = "there are fewer rounds than circles: the last circles are never drawn";
            self.say(IDLE, &format!("{at}/rounds"), detail.into());
        }
    }
}

/// True where nobody who passes `asks` passes `excludes` as well, which excludes.
fn excluded(asks: &Filter, excludes: &Filter) -> bool {
    let within = |asked: &[String], out: &[String]| asked.iter().all(|name| out.contains(name));
    match (asks, excludes) {
        (Filter::Group { any, exclude: false }, Filter::Group { any: out, exclude: true })
        | (Filter::Zone { any, exclude: false }, Filter::Zone { any: out, exclude: true }) => {
            within(any, out)
        }
        (Filter::Radius { km, exclude: false }, Filter::Radius { km: out, exclude: true }) => km <= out,
        (
            Filter::DeliveryMode { mode, exclude: false },
            Filter::DeliveryMode { mode: out, exclude: true },
        ) => mode == out,
        (Filter::Open { exclude: false }, Filter::Open { exclude: true })
        | (Filter::AllItems { exclude: false }, Filter::AllItems { exclude: true })
        | (Filter::Area { exclude: false }, Filter::Area { exclude: true }) => true,
        (Filter::Minimum { qty, exclude: false }, Filter::Minimum { qty: out, exclude: true }) => qty >= out,
        (
            Filter::Attribute { name, has, exclude: false },
            Filter::Attribute { name: other, has: out, exclude: true },
        ) => name == other && has == out,
        _ => false,
    }
}
