//! Lines that say what must be.

use std::collections::BTreeMap;

use router_schemas::{
    command::Command,
    event::{Change, Decision, Exception, OrderState, Outcome, Verdict},
    quantity::Qty,
    refusal::Refusal,
    row::{FulfilmentRow, OrderRow},
};
use serde_json::Value;

use super::{
    commands::PAYMENTS,
    offers,
    words::{self, Words},
    world::World,
};

pub type Held = Result<(), String>;
/// Node, line, from stock, on backorder.
type Shares = Vec<(String, String, Qty, Qty)>;

pub fn same<T: PartialEq + std::fmt::Debug>(what: &str, got: T, wanted: T) -> Held {
    if got == wanted { Ok(()) } else { Err(format!("{what} is {got:?}, not {wanted:?}")) }
}

const TOLD: [(&str, ()); 4] =
    [("assigned", ()), ("changed", ()), ("withdrawn", ()), ("cancel_requested", ())];

/// What stands behind `->`.
pub fn outcome(world: &World, about: Option<&str>, then: &str, part: bool) -> Held {
    let mut words = Words::new(then, world.now);
    let first = words.next("outcome")?;
    let got = world.said.outcome;
    let wanted = match first.as_str() {
        "repeat" => Outcome::Repeat,
        "ignored" => Outcome::Ignored,
        "refused" => {
            let known: Vec<_> = Refusal::ALL.iter().map(|refusal| format!("{refusal:?}")).collect();
            let known: Vec<_> = known.iter().map(String::as_str).zip(Refusal::ALL).collect();
            Outcome::Refused(words::one_of(&words.next("reason")?, &known)?)
        }
        _ => Outcome::Applied,
    };
    // A tick that changes nothing leaves no outcome.
    same("the outcome", got.unwrap_or(Outcome::Applied), wanted)?;
    if ["repeat", "ignored", "refused", "applied"].contains(&first.as_str()) {
        return words.end();
    }
    let about =
        about.ok_or_else(|| format!("`{first}` is not known here; allowed: applied, repeat, refused"))?;
    let order = row(world, about)?;
    state_and_shares(&order, &first, words)?;
    match (&order.state, part) {
        (OrderState::Routing, false) => Err("I5: the order is at rest and still being routed".into()),
        _ => Ok(()),
    }
}

/// An expectation; `None`: the word is no expectation.
pub fn expect(world: &World, verb: &str, mut left: Words) -> Option<Held> {
    let words = &mut left;
    let held = match verb {
        "order" => about_order(world, words),
        "line" => line(world, words),
        "at" => at(world, words),
        "cell" => cell(world, words),
        "payment" => payment(world, words),
        "held" | "ats" | "hold" | "leg" | "available" => super::holds::expect(world, verb, words),
        "unknown" => unknown(world, words),
        "orders" => orders(world, words),
        "told" => told(world, words),
        "noticed" => noticed(world, words),
        "alert" => alert(world, words),
        "exception" => exception(world, words),
        "decided" => decided(world, words),
        "forgotten" => forgotten(world, words),
        "steps" => steps(world, words),
        "quiet" => quiet(world),
        _ => match offers::expect(world, verb, words) {
            Some(held) => held,
            None => super::work::expect(world, verb, words)?,
        },
    };
    Some(held.and_then(|()| left.end()))
}

fn row(world: &World, name: &str) -> Result<OrderRow, String> {
    let id = world.known(name)?;
    world.engine.order(id).ok_or_else(|| format!("the engine does not know order {name}"))
}

fn about_order(world: &World, words: &mut Words) -> Held {
    let order = row(world, &words.next("order")?)?;
    let state = words.next("state")?;
    state_and_shares(&order, &state, Words::new(&words.rest().join(" "), world.now))
}

fn state_and_shares(order: &OrderRow, state: &str, mut rest: Words) -> Held {
    state.parse::<OrderState>().map_err(|why| format!("{why}; or applied, repeat, ignored, refused"))?;
    same("the state", &*order.state.text(), state)?;
    if rest.is_empty() {
        return Ok(());
    }
    let text = rest.rest().join(" ");
    let mut wanted = Shares::new();
    for part in text.split(',').filter(|_| text != "nowhere") {
        let mut words = part.split_whitespace();
        let node = words.next().ok_or("a node is missing")?;
        for word in words {
            let (line, qty) = word.split_once(':').ok_or_else(|| format!("`{word}` is no LINE:QTY"))?;
            let (stock, later) = qty.split_once('+').unwrap_or((qty, "0"));
            let stock = if stock.is_empty() { "0" } else { stock };
            wanted.push((node.into(), line.into(), words::qty(stock)?, words::qty(later)?));
        }
    }
    wanted.sort();
    same("what nodes have", shares(order), wanted)
}

fn shares(order: &OrderRow) -> Shares {
    let of = |f: &FulfilmentRow| {
        let line = order.lines[usize::from(f.line)].line.clone();
        (f.node.clone(), line, f.allocated + f.picked + f.ready, f.backordered)
    };
    let mut shares: Shares = order.fulfilments.iter().map(of).collect();
    shares.retain(|(.., stock, later)| !(stock.is_zero() && later.is_zero()));
    shares.sort();
    shares
}

/// `FIELD=Q` words against the fields that there are.
fn fields(words: &mut Words, known: &[(&str, Qty)]) -> Held {
    let rest = words.rest();
    if rest.is_empty() {
        return Err("a FIELD=Q is missing".into());
    }
    rest.iter().try_for_each(|word| {
        let (field, wanted) = word.split_once('=').ok_or_else(|| format!("`{word}` is no FIELD=Q"))?;
        same(field, words::one_of(field, known)?, words::qty(wanted)?)
    })
}

fn line(world: &World, words: &mut Words) -> Held {
    let order = row(world, &words.next("order")?)?;
    let name = words.next("line")?;
    let l = order.lines.iter().find(|l| l.line == name).ok_or_else(|| format!("no line {name}"))?;
    let known = [
        ("ordered", l.ordered),
        ("open", l.open),
        ("held", l.held),
        ("backordered", l.backordered),
        ("allocated", l.allocated),
        ("away", l.away),
        ("shipped", l.shipped),
        ("delivered", l.delivered),
        ("returned", l.returned),
        ("cancelled", l.cancelled),
    ];
    fields(words, &known)
}

fn at(world: &World, words: &mut Words) -> Held {
    let node = words.next("node")?;
    let order = row(world, &words.next("order")?)?;
    let name = words.next("line")?;
    let line = order.lines.iter().position(|l| l.line == name).ok_or_else(|| format!("no line {name}"))?;
    let found = order.fulfilments.iter().find(|f| f.node == node && usize::from(f.line) == line);
    let f = found.cloned().unwrap_or_default();
    let known = [
        ("backordered", f.backordered),
        ("allocated", f.allocated),
        ("picked", f.picked),
        ("ready", f.ready),
        ("shipped", f.shipped),
        ("returned", f.returned),
        ("asked", f.asked),
    ];
    fields(words, &known)
}

fn cell(world: &World, words: &mut Words) -> Held {
    let (node, (sku, bucket)) = (words.next("node")?, words::sku(&words.next("SKU")?));
    let cells = world.engine.cells(&sku);
    let found = cells.iter().find(|c| c.cell.node == node && c.cell.bucket == bucket);
    let c = found.cloned().ok_or_else(|| format!("there is no cell {node} {sku}"))?;
    let known = [
        ("on_hand", c.on_hand),
        ("allocated", c.allocated),
        ("backordered", c.backordered),
        ("blocked", c.blocked),
        ("held", c.held),
        ("safety_stock", c.safety_stock),
        ("atp", c.atp),
    ];
    fields(words, &known)
}

fn payment(world: &World, words: &mut Words) -> Held {
    let order = row(world, &words.next("order")?)?;
    let wanted = words::one_of(&words.next("state")?, &PAYMENTS)?;
    same("the payment", order.payment, wanted)?;
    match words.number("refunded")? {
        Some(refunded) => same("what was refunded", order.refunded, refunded),
        None => Ok(()),
    }
}

fn unknown(world: &World, words: &mut Words) -> Held {
    let id = world.known(&words.next("order")?)?;
    same("that the order is known", world.engine.order(id).is_some(), false)
}

fn orders(world: &World, words: &mut Words) -> Held {
    let state = words.next("state")?;
    let wanted: usize = words::number(&words.next("number")?)?;
    state.parse::<OrderState>()?;
    let got = world.ledger.rows().filter(|row| row.state.text() == state).count();
    same("the number of these orders", got, wanted)
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object[field].as_str().unwrap_or_default()
}

/// What was said must be these, neither more nor less.
fn only(said: &[String], wanted: Option<String>) -> Held {
    let wanted: Vec<String> = wanted.into_iter().collect();
    if said == wanted { Ok(()) } else { Err(format!("said was {said:?}, not {wanted:?}")) }
}

fn told(world: &World, words: &mut Words) -> Held {
    let node = words.next("node")?;
    let event = words.next("event")?;
    let mine: Vec<&Value> = world.said.assignments.iter().filter(|a| text(a, "node") == node).collect();
    let said = |a: &&Value| format!("{} {}", text(a, "event"), text(a, "external_id"));
    if event == "nothing" {
        return only(&mine.iter().map(said).collect::<Vec<_>>(), None);
    }
    words::one_of(&event, &TOLD)?;
    let order = words.next("order")?;
    let mine: Vec<&Value> = mine.into_iter().filter(|a| text(a, "external_id") == order).collect();
    let due = words.time("due")?;
    only(&mine.iter().map(said).collect::<Vec<_>>(), Some(format!("{event} {order}")))?;
    if due.is_some() {
        same("its deadline", mine[0]["deadline"].as_i64(), due)?;
    }
    let lines = words.rest();
    if lines.is_empty() {
        return Ok(());
    }
    let number = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    let list = mine[0]["lines"].as_array().cloned().unwrap_or_default();
    let line = |l: &Value| match l.get("backordered") {
        Some(later) => format!("{}:{}+{}", text(l, "line"), number(&l["qty"]), number(later)),
        None => format!("{}:{}", text(l, "line"), number(&l["qty"])),
    };
    same("what it is to send", list.iter().map(line).collect::<Vec<_>>(), lines)
}

fn noticed(world: &World, words: &mut Words) -> Held {
    let (order, event) = (words.next("order")?, words.next("event")?);
    let amount = if words.is_empty() { String::new() } else { format!(" {}", words.next("amount")?) };
    let mine = world.said.notices.iter().filter(|n| text(n, "external_id") == order);
    let said: Vec<String> = mine
        .map(|n| match n.get("amount").and_then(Value::as_i64) {
            Some(amount) => format!("{} {amount}", text(n, "event")),
            None => text(n, "event").to_owned(),
        })
        .collect();
    only(&said, Some(event + &amount).filter(|event| event != "nothing"))
}

fn alert(world: &World, words: &mut Words) -> Held {
    let wanted = words.rest().join(" ");
    let wanted: Vec<&str> = wanted.split(',').map(str::trim).filter(|alert| *alert != "nothing").collect();
    let said = |(n, a): (usize, &Value)| {
        let qty = a["qty"].as_str().map_or_else(|| a["qty"].to_string(), str::to_owned);
        // What is about a pool names its channel.
        let place = if text(a, "node").is_empty() { text(a, "channel") } else { text(a, "node") };
        let whole = format!("{} {place} {}", text(a, "event"), text(a, "sku"));
        // Three words leave the quantity open.
        let short = wanted.get(n).is_some_and(|wanted| wanted.split(' ').count() == 3);
        if short { whole } else { format!("{whole} {qty}") }
    };
    let said: Vec<String> = world.said.alerts.iter().enumerate().map(said).collect();
    same("what was alerted", said, wanted.into_iter().map(str::to_owned).collect())
}

fn exception(world: &World, words: &mut Words) -> Held {
    let said = |change: &Change| match change {
        Change::Exception(Exception::Oversold(cell, qty)) => {
            Some(format!("oversold {} {} {qty}", cell.node, cell.sku))
        }
        Change::Exception(Exception::Drift(cell, qty)) => {
            Some(format!("drift {} {} {qty}", cell.node, cell.sku))
        }
        Change::Exception(Exception::ShippedAfterCancel(qty)) => Some(format!("shipped_after_cancel {qty}")),
        Change::Exception(Exception::OverShipped(qty)) => Some(format!("over_shipped {qty}")),
        Change::Exception(Exception::RefundDue(amount)) => Some(format!("refund_due {amount}")),
        Change::Exception(Exception::CatchWeight(qty)) => Some(format!("catch_weight {qty}")),
        Change::Exception(Exception::Unmatched) => Some("unmatched".into()),
        Change::Exception(Exception::TooLate(qty)) => Some(format!("too_late {qty}")),
        Change::Exception(Exception::Short(qty)) => Some(format!("short {qty}")),
        Change::Exception(Exception::Escalated(node)) => Some(format!("escalated {node}")),
        Change::Exception(Exception::Rejected(node)) => Some(format!("rejected {node}")),
        Change::Exception(Exception::Shortfall(qty)) => Some(format!("shortfall {qty}")),
        Change::Exception(Exception::HoldLapses(_)) => Some("hold_lapses".into()),
        _ => None,
    };
    let said: Vec<String> = world.said.changes().filter_map(said).collect();
    let wanted = words.rest();
    // A kind alone leaves the amount open.
    let said: Vec<String> = match wanted.len() {
        1 => said.iter().map(|s| s.split(' ').next().unwrap_or_default().to_owned()).collect(),
        _ => said,
    };
    let wanted = wanted.join(" ");
    let wanted: Vec<&str> = wanted.split(", ").filter(|wanted| *wanted != "nothing").collect();
    same("the exceptions", said, wanted.into_iter().map(str::to_owned).collect())
}

fn decided(world: &World, words: &mut Words) -> Held {
    let said = |change: &Change| match change {
        Change::Decided(decision) => Some(decision.clone()),
        _ => None,
    };
    let said: Vec<Decision> = world.said.changes().filter_map(said).collect();
    let rule = words.next("rule")?;
    if rule == "nothing" {
        return same("the number of decisions", said.len(), 0);
    }
    let [decision] = &said[..] else { return Err(format!("there were {} decisions", said.len())) };
    let set = words.option("set")?.unwrap_or_else(|| "default".into());
    same("the rule set", decision.rule_set.as_str(), &set)?;
    same("the rule", decision.rule.as_str(), &rule)?;
    let verdicts = [
        ("whole", Verdict::Whole),
        ("split", Verdict::Split),
        ("partial", Verdict::Partial),
        ("backordered", Verdict::Backordered),
        ("unfillable", Verdict::Unfillable),
    ];
    same("the verdict", decision.verdict, words::one_of(&words.next("verdict")?, &verdicts)?)?;
    let chosen: Vec<String> = decision.chosen.iter().map(|(node, _)| node.clone()).collect();
    match words.list("chosen")? {
        none if none.is_empty() => {}
        wanted => same("what was chosen", chosen, wanted)?,
    }
    let counts = BTreeMap::from([("candidates", decision.candidates), ("covering", decision.covering)]);
    counts.into_iter().try_for_each(|(what, got)| match words.number(what)? {
        Some(wanted) => same(what, got, wanted),
        None => Ok(()),
    })
}

fn forgotten(world: &World, words: &mut Words) -> Held {
    let name = words.next("order")?;
    let said: Vec<String> = world
        .said
        .to_intake
        .iter()
        .map(|command| match command {
            Command::Forgotten(ask) => world.name_of(ask.order),
            other => other.name().to_owned(),
        })
        .collect();
    // Intake knows nothing of parts and legs, which are named as their home with a zone behind.
    let at_home = |change: &&Change| match change {
        Change::Forgotten(order) => !world.name_of(*order).contains(['/', '+']),
        _ => false,
    };
    let noted = world.said.changes().filter(at_home).count();
    same("the number of orders that an event calls forgotten", noted, said.len())?;
    only(&said, Some(name).filter(|name| name != "nothing"))
}

fn steps(world: &World, words: &mut Words) -> Held {
    let wanted = words.next("number")?;
    if let Some(most) = wanted.strip_prefix("<=") {
        let steps = world.said.steps;
        let held = steps <= words::number::<usize>(most)?;
        return if held { Ok(()) } else { Err(format!("it took {steps} steps")) };
    }
    match wanted.strip_prefix(">=") {
        Some(least) if world.said.steps >= words::number::<usize>(least)? => Ok(()),
        Some(_) => Err(format!("it took {} steps", world.said.steps)),
        None => same("the number of steps", world.said.steps, words::number(&wanted)?),
    }
}

fn quiet(world: &World) -> Held {
    let said = &world.said;
    let changes: Vec<&Change> = said.changes().collect();
    let spoken = said.offers.len()
        + said.assignments.len()
        + said.notices.len()
        + said.alerts.len()
        + said.to_intake.len();
    match changes.is_empty() && spoken == 0 {
        true => Ok(()),
        false => Err(format!("there were {changes:?} and {spoken} messages")),
    }
}
