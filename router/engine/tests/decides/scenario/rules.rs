//! Lines that publish rules, and ask whom they would ask.
//!
//! ```text
//! rules SET [version N] [zones Z,Y] [retry stock] | SECTION | SECTION ...
//! fees TABLE KM:BASE[+PER_KG] ...
//! ranked A,B for LINES [the words of `place`]     candidates by the first rule, best first; `nobody`
//! valued NODE SORT VALUE for LINES [...]          what that rule's sort says of the node; `nothing`: it abstains
//! ```
//!
//! A section is a routing, a rule of the routing before it (of one named `all` where there is none), or a reason:
//!
//! ```text
//! routing ID [channels A,B] [modes M,N] [priority A..B] [total A..B] [parts yes|no] [sort value,promise] [when captured]
//! rule ID [FILTER ...] [by SORT,SORT] [single | fewest | multi [partial] [splits N] [worth M] [groups]] [full] [do ACTION,ACTION]
//! reason ID [none|subtract|subtract_atp|zero] [cool SECONDS] [pause]
//! ```
//!
//! Filters, `not:` in front excludes: `group:G+H`, `within:KM`, `zone:Z`, `mode:M`, `open`, `least:Q`, `attr:NAME=VALUE`,
//! `all_items`, `area`. Sorts: their names; and `nearest`, `farthest`, `on_hand`, `unallocated`, `atp`, `weeks`, `cost:TABLE`,
//! `attr:NAME`, `attr_down:NAME`, `table:NODE=N+NODE=N`. Actions: `allocate`, `backorder`, `next`, `queue:NAME`, `forward`,
//! `forward:Z+Y`, `cancel:SECONDS`, `offer[:NODES[xROUNDS][@SECONDS]]`.

use router_schemas::{
    command::{
        order::OrderMessage,
        reference::{FeeBand, FeeTable, Reference},
    },
    geo::chord2_of_metres,
    rules::{
        Action, Assignment, Balance, Filter, FilterBy, Late, Multi, Offer, OrderFilter, OrderSort, Reason,
        Retry, Routing, Rule, RuleSet, Sort, StockEffect,
    },
};

use super::{
    commands::{MODES, ROUTE_WHEN},
    words::{self, Words},
    world::World,
};
use router_engine::engine::SortValue;

type Read<T> = Result<T, String>;

/// The rule set of a line.
pub fn rule_set(line: &[String], now: i64) -> Read<Reference> {
    let line = line.join(" ");
    let mut sections = line.split('|');
    let mut words = Words::new(sections.next().unwrap_or_default(), now);
    let mut set = RuleSet {
        name: words.next("rule set")?,
        version: words.number("version")?.unwrap_or(1),
        zones: words.list("zones")?,
        retry: words.read("retry", |w| words::one_of(w, &[("stock", Retry::Stock)]))?.unwrap_or_default(),
        ..RuleSet::default()
    };
    words.end()?;
    for section in sections {
        let mut words = Words::new(section, now);
        match words.next("section")?.as_str() {
            "routing" => set.routings.push(routing(&mut words)?),
            "rule" => {
                if set.routings.is_empty() {
                    set.routings.push(Routing { id: "all".into(), ..Routing::default() });
                }
                let last = set.routings.last_mut().ok_or("no routing")?;
                last.rules.push(rule(&mut words)?);
            }
            "reason" => set.reasons.push(reason(&mut words)?),
            other => return Err(format!("`{other}` is no section; allowed: routing, rule, reason")),
        }
        words.end()?;
    }
    router_engine::rules::check(&set)?;
    Ok(Reference::Rules(Box::new(set)))
}

/// The fee table of a line.
pub fn fees(words: &mut Words) -> Read<Reference> {
    let id = words.next("fee table")?;
    let band = |word: String| {
        let (km, fee) = pair(&word, ':')?;
        let (base, per_kg) = fee.split_once('+').unwrap_or((fee, "0"));
        Ok(FeeBand {
            upto: chord2_of_metres(words::number::<f64>(km)? * 1000.0),
            base: words::number(base)?,
            per_kg: words::number(per_kg)?,
        })
    };
    let bands = words.rest().into_iter().map(band).collect::<Read<_>>()?;
    Ok(Reference::Fees(FeeTable { id, bands }))
}

fn routing(words: &mut Words) -> Read<Routing> {
    let sorts = [
        ("priority", OrderSort::Priority),
        ("promise", OrderSort::Promise),
        ("value", OrderSort::Value),
        ("arrival", OrderSort::Arrival),
    ];
    Ok(Routing {
        id: words.next("routing")?,
        filter: OrderFilter {
            channels: words.list("channels")?,
            modes: list(&words.list("modes")?, &MODES)?,
            priority: words.read("priority", range)?,
            total: words.read("total", range)?,
            parts: words.read("parts", |w| words::one_of(w, &[("yes", true), ("no", false)]))?,
        },
        sort: list(&words.list("sort")?, &sorts)?,
        route_when: words.read("when", |w| words::one_of(w, &ROUTE_WHEN))?,
        rules: Vec::new(),
    })
}

fn rule(words: &mut Words) -> Read<Rule> {
    let id = words.next("rule")?;
    let sorts = words.list("by")?.iter().map(|word| sort(word)).collect::<Read<_>>()?;
    let actions = words.list("do")?.iter().map(|word| action(word)).collect::<Read<_>>()?;
    let multi = Multi {
        max_splits: words.number("splits")?,
        min_shipment_value: words.number("worth")?,
        keep_groups: words.flag("groups"),
        partial: words.flag("partial"),
    };
    let assignment = match (words.flag("multi"), words.flag("fewest"), words.flag("single")) {
        (true, false, false) => Assignment::Multi(multi),
        (false, true, false) => Assignment::Fewest,
        (false, false, _) if multi == Multi::default() => Assignment::Single,
        _ => return Err("one of single, fewest and multi; the rest is multi's".into()),
    };
    let ignore_capacity = words.flag("full");
    let filters = words.rest().iter().map(|word| filter(word)).collect::<Read<_>>()?;
    Ok(Rule { id, filters, sorts, assignment, ignore_capacity, actions })
}

fn filter(word: &str) -> Read<Filter> {
    let (exclude, word) = word.strip_prefix("not:").map_or((false, word), |rest| (true, rest));
    let (name, value) = word.split_once(':').unwrap_or((word, ""));
    let many = || value.split('+').map(str::to_owned).collect();
    let by = match name {
        "group" => FilterBy::Group(many()),
        "zone" => FilterBy::Zone(many()),
        "mode" => FilterBy::Mode(words::one_of(value, &MODES)?),
        "open" => FilterBy::Open,
        "least" => FilterBy::Minimum(words::qty(value)?),
        "all_items" => FilterBy::AllItems,
        "area" => FilterBy::Area,
        "within" => {
            let metres = words::number::<u32>(value)? * 1000;
            FilterBy::Radius { metres, chord2: chord2_of_metres(f64::from(metres)) }
        }
        "attr" => {
            let (name, value) = pair(value, '=')?;
            FilterBy::Attribute(name.into(), value.into())
        }
        _ => return Err(format!("`{name}` is no filter")),
    };
    Ok(Filter { exclude, by })
}

fn sort(word: &str) -> Read<Sort> {
    let plain = [
        ("sequence", Sort::Sequence),
        ("nearest", Sort::Distance { farther: false }),
        ("farthest", Sort::Distance { farther: true }),
        ("coverage", Sort::Coverage),
        ("default_first", Sort::DefaultFirst),
        ("preferred", Sort::Preferred),
        ("used", Sort::Used),
        ("open_first", Sort::OpenFirst),
        ("on_hand", Sort::InventoryBalance(Balance::OnHand)),
        ("unallocated", Sort::InventoryBalance(Balance::Unallocated)),
        ("atp", Sort::InventoryBalance(Balance::Atp)),
        ("weeks", Sort::WeeksOfSupply),
        ("capacity_left", Sort::CapacityLeft),
        ("decline_rate", Sort::DeclineRate),
        ("time_to_claim", Sort::TimeToClaim),
        ("time_to_ship", Sort::TimeToShip),
    ];
    let (name, value) = word.split_once(':').unwrap_or((word, ""));
    match name {
        "cost" => Ok(Sort::Cost(value.into())),
        "attr" => Ok(Sort::Attribute { name: value.into(), descending: false }),
        "attr_down" => Ok(Sort::Attribute { name: value.into(), descending: true }),
        "table" => {
            let entry = |word: &str| {
                let (node, number) = pair(word, '=')?;
                Ok((node.to_owned(), words::number(number)?))
            };
            let mut ranks: Vec<(String, i64)> = value.split('+').map(entry).collect::<Read<_>>()?;
            ranks.sort();
            Ok(Sort::RankTable(ranks))
        }
        name => words::one_of(name, &plain),
    }
}

fn action(word: &str) -> Read<Action> {
    let (name, value) = word.split_once(':').unwrap_or((word, ""));
    let allocate = Action::Allocate { accept_within: None, pick_within: None, late: Late::default() };
    Ok(match name {
        "allocate" => allocate,
        "backorder" => Action::Backorder,
        "next" => Action::NextRule,
        "queue" => Action::Queue(value.into()),
        "forward" if value.is_empty() => Action::Forward(Vec::new()),
        "forward" => Action::Forward(value.split('+').map(str::to_owned).collect()),
        "cancel" => Action::AutoCancel(words::number::<i64>(value)? * 1000),
        "offer" => {
            let (rest, ttl) = value.split_once('@').map_or((value, None), |(rest, ttl)| (rest, Some(ttl)));
            let (nodes, rounds) = rest.split_once('x').unwrap_or((rest, "1"));
            Action::Offer(Offer {
                nodes: Some(nodes).filter(|n| !n.is_empty()).map(words::number).transpose()?,
                rounds: words::number(rounds)?,
                ttl: ttl.map(words::number::<i64>).transpose()?.map(|seconds| seconds * 1000),
                ..Offer::default()
            })
        }
        _ => return Err(format!("`{name}` is no action")),
    })
}

fn reason(words: &mut Words) -> Read<Reason> {
    let id = words.next("reason")?;
    let cool_down = words.number::<i64>("cool")?.map(|seconds| seconds * 1000);
    let pause = words.flag("pause");
    let effects = [
        ("none", StockEffect::None),
        ("subtract", StockEffect::Subtract),
        ("subtract_atp", StockEffect::SubtractAtp),
        ("zero", StockEffect::Zero),
    ];
    let effect = match words.is_empty() {
        true => StockEffect::None,
        false => words::one_of(&words.next("effect")?, &effects)?,
    };
    Ok(Reason { id, effect, cool_down, pause })
}

/// `ranked NODES for LINES`.
pub fn ranked(world: &mut World, words: &mut Words) -> Read<()> {
    let wanted = words.next("nodes")?;
    let found = candidates(world, words)?;
    let found: Vec<String> = found.into_iter().map(|candidate| candidate.node).collect();
    let found = if found.is_empty() { "nobody".to_owned() } else { found.join(",") };
    if found == wanted { Ok(()) } else { Err(format!("the candidates are {found}, not {wanted}")) }
}

/// `valued NODE SORT VALUE for LINES`.
pub fn valued(world: &mut World, words: &mut Words) -> Read<()> {
    let (node, sort, wanted) = (words.next("node")?, words.next("sort")?, words.next("value")?);
    let found = candidates(world, words)?;
    let found = found.into_iter().find(|c| c.node == node).ok_or("it is no candidate")?;
    let value = found.values.into_iter().find(|(name, _)| *name == sort).ok_or("no such sort")?.1;
    let value = match value {
        Some(SortValue::Number(number)) => number.to_string(),
        Some(SortValue::Ratio(over, under)) => format!("{over}/{under}"),
        Some(SortValue::Text(text)) => text,
        None => "nothing".into(),
    };
    if value == wanted { Ok(()) } else { Err(format!("the value is {value}, not {wanted}")) }
}

fn candidates(world: &mut World, words: &mut Words) -> Read<Vec<router_engine::engine::Candidate>> {
    if words.next("for")? != "for" {
        return Err("`for` is missing before the lines".into());
    }
    let message: OrderMessage = world.order("a question".into(), words)?;
    let zone = message.to.as_ref().map_or_else(|| "z".to_owned(), |to| to.zone.clone());
    let before = world.hash();
    let found = world.engine.candidates(&zone, message).map_err(|refusal| format!("{refusal:?}"))?;
    if world.hash() == before { Ok(found) } else { Err("the question changed something".into()) }
}

fn list<T: Clone>(words: &[String], known: &[(&str, T)]) -> Read<Vec<T>> {
    words.iter().map(|word| words::one_of(word, known)).collect()
}

fn range<T: std::str::FromStr>(word: &str) -> Read<(T, T)> {
    let (from, to) = word.split_once("..").ok_or_else(|| format!("`{word}` is no range; write FROM..TO"))?;
    Ok((words::number(from)?, words::number(to)?))
}

fn pair(word: &str, by: char) -> Read<(&str, &str)> {
    word.split_once(by).ok_or_else(|| format!("`{word}` has no `{by}`"))
}
