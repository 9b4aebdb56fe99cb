//! Lines about offers.

use router_schemas::{
    command::{
        Command,
        offer::{Claim, Decline},
        reference::{Published, Reference},
    },
    geo::chord2_of_metres,
    row::{OfferEntry, OfferRow},
    rules::{
        Action, Assignment, Filter, FilterBy, Late, Multi, Offer, Reason, Retry, Routing, Rule, RuleSet,
        Sort, StockEffect,
    },
};
use serde_json::Value;

use super::{
    commands::{key, lines},
    expect::same,
    words::{self, Words},
    world::World,
};

pub const VERBS: &str = "grab, claim, decline; offered, winner, offer, heard, score";

/// The command of a line; `None`: it is none of these.
pub fn command(world: &mut World, verb: &str, words: &mut Words) -> Result<Option<Command>, String> {
    let command = match verb {
        "grab" => {
            let change = Reference::Rules(Box::new(rules(words)?));
            Command::Reference(Published { control: world.records() as u64, change })
        }
        "claim" => {
            let (node, name) = (words.next("node")?, words.next("order")?);
            let order = world.order_id(&name);
            let said = world
                .offers
                .get(&(node.clone(), name.clone()))
                .map_or(0, |o| o["epoch"].as_u64().unwrap_or(0));
            let epoch = words.number("epoch")?.unwrap_or(said as u32);
            let offer = named(world, &name, words)?;
            Command::Claim(Claim { order, offer, node, epoch, key: key(words)? })
        }
        "decline" => {
            let (node, name) = (words.next("node")?, words.next("order")?);
            let (order, reason, key) = (world.order_id(&name), words.next("reason")?, key(words)?);
            let offer = named(world, &name, words)?;
            Command::Decline(Decline { order, offer, node, reason, lines: lines(words)?, key })
        }
        _ => return Ok(None),
    };
    Ok(Some(command))
}

/// The `of`th offer of the order, from 1.
fn named(
    world: &World,
    order: &str,
    words: &mut Words,
) -> Result<Option<router_schemas::id::OfferId>, String> {
    let Some(of) = words.number::<usize>("of")? else { return Ok(None) };
    Ok(Some(row(world, order, of)?.offer))
}

/// A rule set of one rule that offers, and of one behind it where `then` says what it does.
fn rules(words: &mut Words) -> Result<RuleSet, String> {
    let of_km = |km: &String| words::number::<f64>(km).map(|km| chord2_of_metres(km * 1000.0));
    let offer = Offer {
        nodes: words.number("nodes")?,
        rounds: words.number("rounds")?.unwrap_or(1),
        ttl: words.number::<i64>("ttl")?.map(|seconds| seconds * 1000),
        widen: words.list("widen")?.iter().map(of_km).collect::<Result<_, _>>()?,
        whole: words.flag("whole"),
        accept_within: words.number::<i64>("accept")?.map(|seconds| seconds * 1000),
        pick_within: None,
        late: Late::default(),
    };
    let keep_groups = words.flag("keep_groups");
    let multi = Multi { keep_groups, partial: words.flag("partial"), ..Multi::default() };
    let assignment = if words.flag("multi") { Assignment::Multi(multi) } else { Assignment::Single };
    let filters = match words.flag("only_open") {
        true => vec![Filter { exclude: false, by: FilterBy::Open }],
        false => Vec::new(),
    };
    let sorts = vec![Sort::Distance { farther: false }];
    let (ignore_capacity, actions) = (words.flag("ignore_capacity"), vec![Action::Offer(offer)]);
    let grab = Rule {
        id: "grab".into(),
        filters,
        sorts: sorts.clone(),
        assignment: assignment.clone(),
        ignore_capacity,
        actions,
    };
    let (accept_within, pick_within, late) = (None, None, Late::default());
    let then = match words.option("then")?.as_deref() {
        None => None,
        Some("allocate") => Some(Action::Allocate { accept_within, pick_within, late }),
        Some(queue) => Some(Action::Queue(queue.to_owned())),
    };
    let behind = then.map(|action| Rule {
        id: "behind".into(),
        sorts,
        assignment,
        actions: vec![action],
        ..Rule::default()
    });
    let reasons = words.list("reasons")?.iter().map(|r| reason(r)).collect::<Result<_, _>>()?;
    let routing =
        Routing { id: "all".into(), rules: [grab].into_iter().chain(behind).collect(), ..Routing::default() };
    Ok(RuleSet {
        name: "grab".into(),
        version: words.number("version")?.unwrap_or(1),
        zones: vec!["z".into()],
        routings: vec![routing],
        reasons,
        retry: if words.flag("stock_only") { Retry::Stock } else { Retry::AnyChange },
        ..RuleSet::default()
    })
}

/// `NAME[:EFFECT][:cool SECONDS as +N][:pause]`.
fn reason(word: &str) -> Result<Reason, String> {
    let mut parts = word.split(':');
    let mut reason = Reason { id: parts.next().unwrap_or_default().into(), ..Reason::default() };
    for part in parts {
        match part {
            "none" => reason.effect = StockEffect::None,
            "subtract" => reason.effect = StockEffect::Subtract,
            "subtract_atp" => reason.effect = StockEffect::SubtractAtp,
            "zero" => reason.effect = StockEffect::Zero,
            "pause" => reason.pause = true,
            seconds => reason.cool_down = Some(words::number::<i64>(seconds)? * 1000),
        }
    }
    Ok(reason)
}

/// An expectation; `None`: the word is none of these.
pub fn expect(world: &World, verb: &str, words: &mut Words) -> Option<Result<(), String>> {
    Some(match verb {
        "offered" => offered(world, words),
        "winner" => winner(world, words),
        "offer" => offer(world, words),
        "heard" => heard(world, words),
        "score" => score(world, words),
        _ => return None,
    })
}

fn rows(world: &World, order: &str) -> Result<Vec<OfferRow>, String> {
    Ok(world.engine.offers(world.known(order)?))
}

fn row(world: &World, order: &str, of: usize) -> Result<OfferRow, String> {
    let rows = rows(world, order)?;
    rows.get(of - 1).cloned().ok_or_else(|| format!("order {order} has {} offers", rows.len()))
}

fn open(rows: &[OfferRow]) -> Vec<String> {
    let nodes = rows.iter().flat_map(|row| &row.nodes);
    let mut open: Vec<String> =
        nodes.filter(|(_, entry)| *entry == OfferEntry::Open).map(|(node, _)| node.clone()).collect();
    open.sort();
    open.dedup();
    open
}

fn wanted(list: &str) -> Vec<String> {
    let mut wanted: Vec<String> = list.split(',').map(str::to_owned).filter(|n| n != "nobody").collect();
    wanted.sort();
    wanted
}

/// `offered ORDER A,B|nobody [of N]`.
fn offered(world: &World, words: &mut Words) -> Result<(), String> {
    let (order, list) = (words.next("order")?, words.next("nodes")?);
    let mut rows = rows(world, &order)?;
    if let Some(of) = words.number("of")? {
        rows = vec![row(world, &order, of)?];
    }
    same("who may claim", open(&rows), wanted(&list))
}

/// `winner ORDER A,B|nobody`.
fn winner(world: &World, words: &mut Words) -> Result<(), String> {
    let (order, list) = (words.next("order")?, words.next("nodes")?);
    let mut won: Vec<String> = rows(world, &order)?.into_iter().filter_map(|row| row.winner).collect();
    won.sort();
    same("who has it", won, wanted(&list))
}

/// `offer ORDER N STATE [epoch E] [round R] [LINE:QTY ...]`.
fn offer(world: &World, words: &mut Words) -> Result<(), String> {
    let (order, of) = (words.next("order")?, words::number(&words.next("number")?)?);
    let (row, state) = (row(world, &order, of)?, words.next("state")?);
    same("the state", format!("{:?}", row.state).to_lowercase(), state)?;
    if let Some(epoch) = words.number("epoch")? {
        same("the epoch", row.epoch, epoch)?;
    }
    if let Some(round) = words.number("round")? {
        same("the round", row.round, round)?;
    }
    let lines = words.rest();
    if lines.is_empty() {
        return Ok(());
    }
    let order = world.engine.order(row.order).ok_or("no such order")?;
    let line = |(n, qty): &(u16, _)| format!("{}:{qty}", order.lines[usize::from(*n)].line);
    same("what is offered", row.lines.iter().map(line).collect::<Vec<_>>(), lines)
}

/// `heard NODE nothing`, `heard NODE offered ORDER [LINE:QTY ...]`, `heard NODE closed ORDER REASON`, several apart by
/// commas.
fn heard(world: &World, words: &mut Words) -> Result<(), String> {
    let node = words.next("node")?;
    let list = words.rest().join(" ");
    let wanted: Vec<&str> = list.split(',').map(str::trim).filter(|w| *w != "nothing").collect();
    let text = |v: &Value, field: &str| v[field].as_str().unwrap_or_default().to_owned();
    let mine = world.said.offers.iter().filter(|o| text(o, "node") == node);
    let said = |(n, o): (usize, &Value)| {
        let head = format!("{} {}", text(o, "event"), text(o, "external_id"));
        if o.get("reason").is_some() {
            return format!("{head} {}", text(o, "reason"));
        }
        let short = wanted.get(n).is_some_and(|w| w.split(' ').count() == 2);
        let number = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
        let lines = o["lines"].as_array().cloned().unwrap_or_default();
        let lines: Vec<String> =
            lines.iter().map(|l| format!("{}:{}", text(l, "line"), number(&l["qty"]))).collect();
        if short { head } else { format!("{head} {}", lines.join(" ")) }
    };
    let said: Vec<String> = mine.enumerate().map(said).collect();
    same("what it heard", said, wanted.iter().map(|w| (*w).to_owned()).collect())
}

/// `score NODE FIELD=N ...`: offers, declines, lapses in thousandths, claim_ms.
fn score(world: &World, words: &mut Words) -> Result<(), String> {
    let node = words.next("node")?;
    let row = world.engine.node(&node).ok_or_else(|| format!("no node {node}"))?;
    let known = [
        ("offers", row.offers as i64),
        ("declines", row.declines as i64),
        ("lapses", row.lapses as i64),
        ("claim_ms", row.claim_ms.unwrap_or(-1)),
        ("paused", i64::from(row.paused)),
    ];
    words.rest().iter().try_for_each(|word| {
        let (field, wanted) = word.split_once('=').ok_or_else(|| format!("`{word}` is no FIELD=N"))?;
        same(field, words::one_of(field, &known)?, words::number(wanted)?)
    })
}
