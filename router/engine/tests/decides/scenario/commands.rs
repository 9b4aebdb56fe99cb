//! Lines that do something.

use router_schemas::{
    command::{
        Ask, Command, Hash16,
        fulfilment::NodeFact,
        order::{
            Cancel, Delivered, DeliveryMode, LineQty, OrderBody, OrderHead, OrderLine, OrderMessage,
            PaymentFact, PaymentState, Pin, PinKind, Totals,
        },
        reference::{Calendar, Channel, Item, Node, Reference, RouteWhen, Zone},
        stock::{AdjustTarget, Adjustment, Allowance, Basis, CellName, CellPolicy, Count, Movement},
    },
    geo::chord2_of_metres,
    limits::TICK_MS,
};

use super::{
    expect, holds, offers, rules,
    words::{self, Words},
    world::World,
};

const VERBS: &str = "zone, node, pause, resume, item, channel, rules, fees, policy, count, receive, adjust, block, place, amend, \
                     cancel, pay, deliver, ask, reserve, extend, release, channel_policy, quota, pick, ready, ship, \
                     return, time, tick, ticks, continue, pass, alone, each; order, part, line, at, cell, payment, held, ats, hold, \
                     available, unknown, orders, told, noticed, alert, exception, decided, forgotten, steps, quiet, \
                     ranked, valued";

pub const PAYMENTS: [(&str, PaymentState); 8] = [
    ("none", PaymentState::None),
    ("authorised", PaymentState::Authorised),
    ("captured", PaymentState::Captured),
    ("part_refunded", PaymentState::PartRefunded),
    ("refunded", PaymentState::Refunded),
    ("failed", PaymentState::Failed),
    ("on_delivery", PaymentState::OnDelivery),
    ("points", PaymentState::Points),
];
pub const MODES: [(&str, DeliveryMode); 2] =
    [("delivery", DeliveryMode::Delivery), ("pickup", DeliveryMode::Pickup)];

impl World {
    /// Plays one line.
    pub fn line(&mut self, line: &str) -> Result<(), String> {
        if let Some(rest) = line.strip_prefix("each ") {
            let (span, rest) = rest.split_once(' ').ok_or("each A..B LINE")?;
            let (from, to) = span.split_once("..").ok_or("each A..B LINE")?;
            let (from, to): (u64, u64) = (words::number(from)?, words::number(to)?);
            return (from..=to).try_for_each(|n| self.line(&rest.replace("{n}", &n.to_string())));
        }
        let (line, follow) = line.strip_prefix("alone ").map_or((line, true), |rest| (rest, false));
        let (line, then) = line.split_once("->").map_or((line, None), |(line, then)| (line, Some(then)));
        let mut words = Words::new(line, self.now);
        let verb = words.next("command or expectation")?;
        let command = match self.hold_command(&verb, &mut words)? {
            None => self.command(&verb, &mut words)?,
            held => held,
        };
        if let Some(command) = command {
            words.end()?;
            let about = command.identity().map(|identity| identity.external_id.clone());
            let about = about.or_else(|| match &command {
                Command::Picked(f) | Command::Ready(f) | Command::Shipped(f) | Command::Returned(f) => {
                    Some(self.name_of(f.order))
                }
                Command::Accepted(f) | Command::HandedOver(f) => Some(self.name_of(f.order)),
                Command::Claim(c) => Some(self.name_of(c.order)),
                Command::Decline(d) => Some(self.name_of(d.order)),
                Command::CancelAnswer(a) => Some(self.name_of(a.order)),
                _ => None,
            });
            self.apply(&command, follow)?;
            let about = about.filter(|name| self.order_is_placed(name));
            return expect::outcome(self, about.as_deref(), then.unwrap_or("applied"), !follow);
        }
        if then.is_some() {
            return Err(format!("`{verb}` has no outcome"));
        }
        match verb.as_str() {
            "time" => {
                self.now = words::time(&words.next("time")?, self.now)?;
                words.end()
            }
            "ticks" => {
                let until = words::time(&words.next("time")?, self.now)?;
                words.end()?;
                while self.now < until {
                    self.now = until.min(self.now + TICK_MS);
                    self.apply(&Command::Tick, true)?;
                }
                Ok(())
            }
            "ranked" => rules::ranked(self, &mut words).and_then(|()| words.end()),
            "valued" => rules::valued(self, &mut words).and_then(|()| words.end()),
            "pass" => self.pass(words),
            "part" => self.part(words),
            _ => match expect::expect(self, &verb, words) {
                Some(held) => held,
                None => {
                    let (work, offers) = (super::work::VERBS, offers::VERBS);
                    Err(format!("`{verb}` is not known here; allowed: {VERBS}; {work}; {offers}"))
                }
            },
        }
    }

    /// The command of a line; `None`: it is none.
    fn command(&mut self, verb: &str, words: &mut Words) -> Result<Option<Command>, String> {
        let reference =
            |change| Command::Reference(router_schemas::command::reference::Published { control: 0, change });
        let command = match verb {
            "zone" => reference(Reference::Zone(Zone { id: words.next("zone")?, partition: Some(0) })),
            "node" => {
                let node = node(words)?;
                self.nodes.insert(node.id.clone(), node.clone());
                reference(Reference::Node(Box::new(node)))
            }
            "pause" | "resume" => {
                let name = words.next("node")?;
                let node = self.nodes.get_mut(&name).ok_or_else(|| format!("no node is named {name}"))?;
                node.enabled = verb == "resume";
                reference(Reference::Node(Box::new(node.clone())))
            }
            "item" => reference(Reference::Item(Box::new(Item {
                sku: words.next("SKU")?,
                unit_step: words.qty("step")?.unwrap_or_default(),
                untracked: words.flag("untracked"),
                tolerance: words.number("tolerance")?.unwrap_or_default(),
                weight_g: words.number("weight")?,
                ..Item::default()
            }))),
            "channel" => reference(Reference::Channel(Channel {
                id: words.next("channel")?,
                feed: holds::feed(words)?,
                groups: words.list("groups")?,
                route_when: words.read("route_when", |w| words::one_of(w, &ROUTE_WHEN))?.unwrap_or_default(),
                fallback: words.list("fallback")?,
                default_zone: None,
                cancel_within: words.time("cancel_within")?.map(|at| at - self.now),
                cancel_by_default: words.flag("cancel_by_default"),
                reroute_pinned: words.flag("reroute_pinned"),
            })),
            "rules" => reference(rules::rule_set(&words.rest(), self.now)?),
            "fees" => reference(rules::fees(words)?),
            "policy" => Command::CellPolicy(CellPolicy {
                cell: cell(words)?,
                safety_stock: words.qty("safety")?.unwrap_or_default(),
                backorder: words
                    .read("backorder", |word| match word {
                        "unlimited" => Ok(Allowance::Unlimited),
                        word => words::qty(word).map(Allowance::Limited),
                    })?
                    .unwrap_or_default(),
                out_of_stock: words.flag("out_of_stock"),
                weekly_sales: words.qty("weekly")?,
            }),
            "count" => Command::Count(Count {
                cell: cell(words)?,
                qty: words.next_qty()?,
                basis: words.read("basis", |word| words::one_of(word, &BASES))?.unwrap_or_default(),
                counter: words.option("by")?.unwrap_or_default(),
                sequence: words.number("sequence")?,
                observed_at: words.time("seen")?,
                key: key(words)?,
            }),
            "receive" => {
                Command::Receipt(Movement { cell: cell(words)?, qty: words.next_qty()?, key: key(words)? })
            }
            "adjust" | "block" => Command::Adjustment(Adjustment {
                cell: cell(words)?,
                target: if verb == "block" { AdjustTarget::Blocked } else { AdjustTarget::OnHand },
                delta: words.next_qty()?,
                key: key(words)?,
            }),
            "place" => {
                let name = words.next("order")?;
                self.place_anew(&name);
                Command::Place(self.order(name, words)?)
            }
            "amend" => {
                let name = words.next("order")?;
                Command::Amend(self.order(name, words)?)
            }
            "cancel" => {
                let name = words.next("order")?;
                let (to, identity) = (self.assigned(&name, None), self.identity(&name));
                let content = hash(&format!("cancel {name} {}", self.records()));
                let version = words.number("version")?;
                let ask = words.flag("ask");
                let lines = lines(words)?;
                Command::Cancel(Cancel { to, identity, content, version, lines, updated_at: None, ask })
            }
            "pay" => {
                let name = words.next("order")?;
                let state = words::one_of(&words.next("state")?, &PAYMENTS)?;
                let (amount, key) = (words.number("amount")?, self.key(words)?);
                let (to, identity) = (self.assigned(&name, None), self.identity(&name));
                Command::Payment(PaymentFact { to, identity, key, state, amount, occurred_at: None })
            }
            "deliver" => {
                let name = words.next("order")?;
                let (key, lines) = (self.key(words)?, lines(words)?);
                let (to, identity) = (self.assigned(&name, None), self.identity(&name));
                Command::Delivered(Delivered { to, identity, key, lines, occurred_at: None })
            }
            "ask" => {
                let name = words.next("order")?;
                Command::Ask(Ask { order: self.order_id(&name), identity: self.identity(&name) })
            }
            "pick" | "ready" | "ship" | "return" => {
                let (node, name) = (words.next("node")?, words.next("order")?);
                let (order, key, restock) = (self.order_id(&name), key(words)?, words.flag("restock"));
                let fact =
                    NodeFact { order, node, key, restock, lines: lines(words)?, ..NodeFact::default() };
                match verb {
                    "pick" => Command::Picked(fact),
                    "ready" => Command::Ready(fact),
                    "ship" => Command::Shipped(fact),
                    _ => Command::Returned(fact),
                }
            }
            "tick" => Command::Tick,
            "continue" => Command::Continue,
            _ => match offers::command(self, verb, words)? {
                None => return super::work::command(self, verb, words),
                known => return Ok(known),
            },
        };
        Ok(Some(command))
    }

    pub fn order(&mut self, name: String, words: &mut Words) -> Result<OrderMessage, String> {
        let channel = words.option("channel")?;
        let channel = channel.or_else(|| self.channels.get(&name).cloned()).unwrap_or_else(|| "web".into());
        self.channels.insert(name.clone(), channel);
        let pin = words.option("pin")?.map(|node| Pin { node, kind: PinKind::Hard });
        let head = OrderHead {
            identity: self.identity(&name),
            version: words.number("version")?,
            placed_at: words.time("placed")?,
            pin: pin.or(words.option("prefer")?.map(|node| Pin { node, kind: PinKind::Prefer })),
            content: hash(&format!("{name} {}", self.records())),
            ..OrderHead::default()
        };
        let totals = Totals {
            goods: words.number("total")?.unwrap_or_default(),
            discount_seller: words.number("discount")?.unwrap_or_default(),
            ..Totals::default()
        };
        let to = self.assigned(&name, words.option("zone")?);
        let mut body = OrderBody {
            payment: words.read("paid", |word| words::one_of(word, &PAYMENTS))?.unwrap_or_default(),
            totals,
            promise: words.span("promise")?,
            not_before: words.time("not_before")?,
            mode: words.read("mode", |word| words::one_of(word, &MODES))?.unwrap_or_default(),
            to: words.read("to", words::place)?.or_else(|| words::place("0,0").ok()),
            priority: words.number("priority")?.unwrap_or(100),
            ..OrderBody::default()
        };
        body.lines = words.rest().iter().map(|word| order_line(word)).collect::<Result<_, _>>()?;
        if body.lines.is_empty() {
            return Err("an order needs a line, for example A:3".into());
        }
        let home = to.as_ref().map_or("z", |to| &to.zone);
        let pins = body.lines.iter().filter_map(|line| line.pin.as_ref()).chain(&head.pin);
        let elsewhere =
            pins.filter_map(|pin| Some((pin.node.clone(), self.elsewhere(&pin.node, home)?))).collect();
        let head = OrderHead { elsewhere, ..head };
        let body = postcard::to_stdvec(&body).map_err(|e| e.to_string())?;
        Ok(OrderMessage { to, head, body })
    }

    /// The key of a fact that needs one: the same word is the same fact.
    pub fn key(&self, words: &mut Words) -> Result<Hash16, String> {
        Ok(key(words)?.unwrap_or_else(|| hash(&format!("record {}", self.records()))))
    }
}

pub const ROUTE_WHEN: [(&str, RouteWhen); 3] =
    [("placed", RouteWhen::Placed), ("authorised", RouteWhen::Authorised), ("captured", RouteWhen::Captured)];
const BASES: [(&str, Basis); 2] = [("on_hand", Basis::OnHand), ("available", Basis::Available)];

fn node(words: &mut Words) -> Result<Node, String> {
    let id = words.next("node")?;
    let modes = match words.list("modes")? {
        none if none.is_empty() => vec![DeliveryMode::Delivery],
        modes => modes.iter().map(|mode| words::one_of(mode, &MODES)).collect::<Result<_, _>>()?,
    };
    let (open, midnights) = (words.spans("open")?, words.times("midnights")?);
    let calendar = Calendar { time_zone: String::new(), open, midnights };
    Ok(Node {
        name: id.clone(),
        id,
        zone: words.option("zone")?.unwrap_or_else(|| "z".into()),
        enabled: !words.flag("disabled"),
        default: words.flag("default"),
        place: words.read("at", words::place)?,
        groups: words.list("groups")?,
        modes,
        capacity_at_once: words.number("capacity")?,
        capacity_a_day: words.number("a_day")?,
        calendar: Some(calendar).filter(|c| *c != Calendar::default()),
        sequence: words.number("sequence")?,
        attributes: attributes(words)?,
        area: words.number::<f64>("area")?.map(|km| chord2_of_metres(km * 1000.0)),
    })
}

/// `NAME=VALUE+VALUE`, apart by commas.
fn attributes(words: &mut Words) -> Result<Vec<(String, Vec<String>)>, String> {
    let attribute = |word: String| {
        let (name, values) = word.split_once('=').ok_or_else(|| format!("`{word}` is no NAME=VALUE"))?;
        Ok((name.to_owned(), values.split('+').map(str::to_owned).collect()))
    };
    words.list("attrs")?.into_iter().map(attribute).collect()
}

fn cell(words: &mut Words) -> Result<CellName, String> {
    let (node, (sku, bucket)) = (words.next("node")?, words::sku(&words.next("SKU")?));
    Ok(CellName { node, sku, bucket })
}

pub fn key(words: &mut Words) -> Result<Option<Hash16>, String> {
    Ok(words.option("key")?.map(|word| hash(&word)))
}

/// 16 bytes that stand for a text.
pub fn hash(text: &str) -> Hash16 {
    let fold =
        |start: u64| text.bytes().fold(start, |n, byte| (n ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    let (a, b) = (fold(0xcbf2_9ce4_8422_2325), fold(0x9ae1_6a3b_2f90_404f));
    (u128::from(a) << 64 | u128::from(b)).to_be_bytes()
}

/// `NAME` or `NAME:QTY`, again and again.
pub fn lines(words: &mut Words) -> Result<Vec<LineQty>, String> {
    let line = |word: String| match word.split_once(':') {
        Some((line, qty)) => Ok(LineQty { line: line.into(), qty: Some(words::qty(qty)?) }),
        None => Ok(LineQty { line: word, qty: None }),
    };
    words.rest().into_iter().map(line).collect()
}

/// `[NAME=]SKU[@BUCKET]:QTY[*PRICE][/GROUP][!NODE|?NODE|~NODE][%GROUP]`.
fn order_line(word: &str) -> Result<OrderLine, String> {
    let (name, rest) = word.split_once('=').map_or((None, word), |(name, rest)| (Some(name), rest));
    let (rest, group) =
        rest.split_once('%').map_or((rest, None), |(rest, group)| (rest, Some(group.to_owned())));
    let (what, qty) = rest.split_once(':').ok_or_else(|| format!("`{word}` is no line; for example A:3"))?;
    let (qty, pin) = match qty.find(['!', '?', '~']) {
        Some(place) => {
            let kind = match &qty[place..=place] {
                "!" => PinKind::Hard,
                "~" => PinKind::Only,
                _ => PinKind::Prefer,
            };
            (&qty[..place], Some(Pin { node: qty[place + 1..].into(), kind }))
        }
        None => (qty, None),
    };
    let (qty, group) = match qty.split_once('/') {
        Some((qty, of)) => (qty, Some(of.to_owned())),
        None => (qty, group),
    };
    let (qty, price) = qty.split_once('*').unwrap_or((qty, "0"));
    let (sku, bucket) = words::sku(what);
    Ok(OrderLine {
        line: name.unwrap_or(&sku).to_owned(),
        qty: words::qty(qty)?,
        unit_price: words::number(price)?,
        pin,
        group,
        buckets: Some(bucket).filter(|bucket| !bucket.is_empty()).into_iter().collect(),
        sku,
        ..OrderLine::default()
    })
}
