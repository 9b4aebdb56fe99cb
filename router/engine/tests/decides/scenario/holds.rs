//! Lines about holds, pools and what platforms are told.

use router_schemas::{
    command::{
        Command,
        hold::{ChannelPolicy, Extend, HoldLine, Release, Reserve},
        reference::{Feed, Published, Quota, Reference},
        stock::Allowance,
    },
    event::Event,
    row::{Ats, HoldState, LegRow, Row},
};
use serde_json::Value;

use super::{
    commands::lines,
    expect::{Held, same},
    words::{self, Words},
    world::World,
};

impl World {
    /// The command of a line about holds; `None`: it is none.
    pub fn hold_command(&mut self, verb: &str, words: &mut Words) -> Result<Option<Command>, String> {
        Ok(Some(match verb {
            "reserve" => {
                let name = words.next("order")?;
                if let Some(channel) = words.option("channel")? {
                    self.channels.insert(name.clone(), channel);
                }
                let (node, beyond_stock) = (words.option("node")?, words.flag("beyond"));
                let (ttl, key) = (self.ttl(words)?, self.key(words)?);
                let mut lines: Vec<HoldLine> =
                    words.rest().iter().map(|word| line(word)).collect::<Result<_, _>>()?;
                for line in &mut lines {
                    line.zone =
                        line.node.as_ref().or(node.as_ref()).and_then(|node| self.elsewhere(node, "z"));
                }
                let (to, identity) = (self.assigned(&name, None), self.identity(&name));
                Command::Reserve(Reserve { to, identity, key, node, region: None, lines, beyond_stock, ttl })
            }
            "extend" => {
                let name = words.next("order")?;
                let (ttl, key) = (self.ttl(words)?, self.key(words)?);
                let (to, identity) = (self.assigned(&name, None), self.identity(&name));
                Command::Extend(Extend { to, identity, key, ttl })
            }
            "release" => {
                let name = words.next("order")?;
                let (key, lines) = (self.key(words)?, lines(words)?);
                let (to, identity) = (self.assigned(&name, None), self.identity(&name));
                Command::Release(Release { to, identity, key, lines })
            }
            "channel_policy" => {
                let (channel, (sku, bucket)) = (words.next("channel")?, words::sku(&words.next("SKU")?));
                let threshold = words.qty("threshold")?.unwrap_or_default();
                let backorder = words.read("backorder", allowance)?.unwrap_or_default();
                Command::ChannelPolicy(ChannelPolicy {
                    channel,
                    zone: "z".into(),
                    sku,
                    bucket,
                    threshold,
                    backorder,
                })
            }
            "quota" => {
                let (channel, (sku, bucket)) = (words.next("channel")?, words::sku(&words.next("SKU")?));
                let share = allowance(&words.next("share")?)?;
                let threshold = words.qty("threshold")?.unwrap_or_default();
                let shares = vec![("z".to_owned(), share)];
                let quota = Quota { channel, sku, bucket, threshold, shares, ..Quota::default() };
                let control = self.records() as u64;
                Command::Reference(Published { control, change: Reference::Quota(quota) })
            }
            _ => return Ok(None),
        }))
    }

    fn ttl(&self, words: &mut Words) -> Result<Option<i64>, String> {
        Ok(words.time("ttl")?.map(|at| at - self.now))
    }

    /// The zone of a node, where it is another than the home zone: intake knows.
    pub fn elsewhere(&self, node: &str, home: &str) -> Option<String> {
        self.nodes.get(node).map(|node| node.zone.clone()).filter(|zone| zone != home)
    }

    /// Names the holds that are legs of others.
    pub(super) fn name_legs(&mut self, events: &[Event]) {
        for row in events.iter().flat_map(|event| &event.rows) {
            let Row::Hold(row) = row else { continue };
            if let Some(of) = &row.leg_of {
                self.orders.insert(format!("{}+{}", self.name_of(of.order), row.zone), row.order);
            }
        }
    }

    /// Whether the engine has the order, and not only a hold for it.
    pub fn order_is_placed(&self, name: &str) -> bool {
        self.known(name).is_ok_and(|id| self.engine.order(id).is_some())
    }
}

/// What a channel's line says of its feed.
pub fn feed(words: &mut Words) -> Result<Option<Feed>, String> {
    let low = words.qty("low")?.unwrap_or_default();
    Ok(words.number::<i64>("every")?.map(|seconds| Feed { every: seconds * 1_000, low }))
}

fn allowance(word: &str) -> Result<Allowance, String> {
    match word {
        "unlimited" => Ok(Allowance::Unlimited),
        word => words::qty(word).map(Allowance::Limited),
    }
}

/// `[NAME=]SKU[@BUCKET+BUCKET]:QTY[!NODE]`.
fn line(word: &str) -> Result<HoldLine, String> {
    let (name, rest) = word.split_once('=').map_or((None, word), |(name, rest)| (Some(name), rest));
    let (what, qty) = rest.split_once(':').ok_or_else(|| format!("`{word}` is no line; for example A:3"))?;
    let (qty, node) = qty.split_once('!').map_or((qty, None), |(qty, node)| (qty, Some(node.to_owned())));
    let (sku, buckets) = words::sku(what);
    let buckets = buckets.split('+').filter(|b| !b.is_empty()).map(str::to_owned).collect();
    Ok(HoldLine {
        line: name.unwrap_or(&sku).to_owned(),
        sku,
        buckets,
        qty: words::qty(qty)?,
        node,
        zone: None,
    })
}

const STATES: [(&str, HoldState); 6] = [
    ("confirming", HoldState::Confirming),
    ("held", HoldState::Held),
    ("converted", HoldState::Converted),
    ("released", HoldState::Released),
    ("lapsed", HoldState::Lapsed),
    ("failed", HoldState::Failed),
];

pub fn expect(world: &World, verb: &str, words: &mut Words) -> Held {
    match verb {
        "hold" => {
            let row =
                world.engine.hold(world.known(&words.next("order")?)?).ok_or("nothing was ever held")?;
            same("the hold", row.state, words::one_of(&words.next("state")?, &STATES)?)?;
            match words.time("expires")? {
                Some(at) => same("when it lapses", row.deadline, Some(at)),
                None => Ok(()),
            }
        }
        "leg" => {
            let (name, number): (_, u32) = (words.next("order")?, words::number(&words.next("leg")?)?);
            let row = world.engine.hold(world.known(&name)?).ok_or("nothing was ever held")?;
            let told = |leg: &LegRow| {
                let confirmed = if leg.confirmed { " confirmed" } else { "" };
                let mut text = format!("zone {} attempt {}{confirmed}", leg.zone, leg.attempt);
                for (line, _, _, bucket, qty) in &leg.lines {
                    let at = if bucket.is_empty() { String::new() } else { format!("@{bucket}") };
                    text += &format!(" {line}{at}:{qty}");
                }
                text
            };
            let said = row.legs.iter().find(|leg| leg.leg == number).map_or("none".into(), told);
            same("the leg", said, words.rest().join(" "))
        }
        "held" => {
            let row = world.engine.hold(world.known(&words.next("order")?)?);
            let mut said: Vec<String> = row.map_or(Vec::new(), |row| {
                let one = |(_, node, sku, bucket, qty): &(String, Option<String>, String, String, _)| {
                    let at = if bucket.is_empty() { String::new() } else { format!("@{bucket}") };
                    format!("{} {sku}{at}:{qty}", node.as_deref().unwrap_or("pool"))
                };
                row.lines.iter().map(one).collect()
            });
            said.sort();
            let mut wanted = Vec::new();
            for part in words.rest().join(" ").split(',').filter(|part| part.trim() != "nothing") {
                let mut words = part.split_whitespace();
                let place = words.next().ok_or("a node is missing")?;
                wanted.extend(words.map(|word| format!("{place} {word}")));
            }
            wanted.sort();
            same("what is held", said, wanted)
        }
        "ats" => {
            let (channel, (sku, bucket)) = (words.next("channel")?, words::sku(&words.next("SKU")?));
            let word = words.next("quantity")?;
            let wanted = match word.as_str() {
                "unlimited" => Ats::Unlimited,
                word => Ats::Units(words::qty(word)?),
            };
            let row = world.engine.pool(&channel, "z", &sku, &bucket);
            same("ATS", row.ok_or("there is no such pool")?.ats, wanted)
        }
        _ => {
            let said: Vec<String> = world.said.available.iter().map(told).collect();
            let wanted = words.rest().join(" ");
            let wanted = wanted.split(',').map(|w| w.trim().to_owned()).filter(|w| w != "nothing");
            same("what platforms were told", said, wanted.collect())
        }
    }
}

fn told(record: &Value) -> String {
    let text = |field: &str| record[field].as_str().unwrap_or_default().to_owned();
    let available = match &record["available"] {
        Value::Null => "unlimited".into(),
        Value::String(qty) => qty.clone(),
        qty => qty.to_string(),
    };
    let low = if record["low"] == true { " low" } else { "" };
    format!("{} {} {available}{low}", text("channel"), text("sku"))
}
