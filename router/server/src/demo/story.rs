//! How real invoices and real store places become orders. The data names neither stores nor places, so:
//!
//! - Each chain is a zone and a region, its stores are the nodes.
//! - A customer (an invoice, where it names none) lives by hash in a zone, within 0.05 degrees of one of its stores.
//! - The first store of a zone carries every SKU, another two of five, by hash. A zone has 90 to 150 % of what its
//!   customers will order of a SKU: half at the first store, the rest spread over the others that carry it. Of every
//!   tenth SKU each of them may promise 24 units beyond its stock.
//! - Codes that do not start with a digit (postage, fees, discounts) are services: untracked.
//! - Lines with a quantity below one are no sale and are left out, and invoices that have no others. A price of
//!   zero is a gift and stays; a price below zero is a correction and becomes zero.
//! - An invoice with more lines than an order may have is left out.
//! - A cancellation takes its units from the same customer's latest orders of the SKU; what matches none is left out.
//! - The times of 2010 are left out: an order dated further back than the router remembers goes to review.
//! - Every fiftieth order is sent twice, as platforms do.
//! - Where more orders are wanted than there are invoices, they are played again under new ids.
//!
//! Where stores grab (`grab`):
//!
//! - Two of five stores, by hash, are in the group `grab`; the first store of a zone is not.
//! - Small stores have few whole orders, and nobody is offered what he has not. So the stores that grab carry nearly
//!   every SKU, and each four times as much as others. Of every 64th SKU a zone has two fifths of what it needs.
//! - A central warehouse is a zone of its own, the channel's fallback: of every other SKU it has a fifth of all demand.

use std::collections::{BTreeMap, HashMap};

use flate2::read::GzDecoder;
use router_ingest::{
    json::{Action, Span},
    rules,
};
use router_schemas::limits;
use serde::Deserialize;
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

const STORES: &str = include_str!("../../data/stores.csv");
const INVOICES: &[u8] = include_bytes!("../../data/invoices.ndjson.gz");
/// Which rules the stores go by, where some grab.
const GRAB: &str = include_str!("../../data/grab.toml");
/// The zone of the central warehouse.
const CENTRAL: &str = "central";
/// Orders name this channel.
pub(super) const CHANNEL: &str = "webshop";

/// What is sent, in its order.
#[derive(Default)]
pub(super) struct Story {
    /// Zones, then nodes, then the rest of the reference tables: each group needs the one before.
    pub tables: Vec<Vec<Message>>,
    /// Stock counts and policies.
    pub stock: Vec<Message>,
    /// Orders and cancels.
    pub play: Vec<Play>,
    /// Orders among them, repeats left out.
    pub orders: u64,
    pub stores: usize,
    pub zones: usize,
}

/// What the story is set in.
#[derive(Clone, Copy)]
pub(super) struct Setting {
    /// Partitions that zones may lie in.
    pub partitions: u16,
    /// How long an offer's round lasts; absent: nobody grabs.
    pub ttl: Option<Span>,
}

/// A message of a kind.
pub(super) struct Message {
    pub kind: &'static str,
    pub body: Value,
}

/// One step.
pub(super) enum Play {
    /// An order by its invoice, and whether it was sent before.
    Order {
        id: String,
        body: Value,
        again: bool,
    },
    Cancel(Value),
}

/// What each customer bought of a SKU: order, line, units not yet cancelled.
type Bought<'a> = HashMap<(&'a str, &'a str), Vec<(String, String, i64)>>;

struct Store {
    node: String,
    zone: String,
    name: String,
    at: (f64, f64),
    grabs: bool,
}

#[derive(Deserialize)]
struct Invoice {
    id: String,
    currency: String,
    cancelled: bool,
    /// Null for a buyer without an account.
    customer: Option<String>,
    /// SKU, quantity, unit price.
    lines: Vec<(String, i64, f64)>,
}

/// Stores that grab, where some do.
pub(crate) fn grabbing_stores() -> Vec<String> {
    all_stores(true).into_iter().filter(|store| store.grabs).map(|store| store.node).collect()
}

/// All stores; `grab`: two of five grab, and never the first of a zone.
fn all_stores(grab: bool) -> Vec<Store> {
    let mut stores: Vec<Store> = STORES.lines().skip(1).filter_map(store).collect();
    for at in 1..stores.len() {
        let is_first = stores[at].zone != stores[at - 1].zone;
        stores[at].grabs = grab && !is_first && hash(&["grab", &stores[at].node]) % 5 < 2;
    }
    stores
}

/// The story of so many orders: the same every time. `made` hears now and then how many there are.
pub(super) fn story(orders: u64, setting: Setting, mut made: impl FnMut(u64)) -> Story {
    let stores = all_stores(setting.ttl.is_some());
    let mut by_zone: BTreeMap<&str, Vec<&Store>> = BTreeMap::new();
    stores.iter().for_each(|store| by_zone.entry(&store.zone).or_default().push(store));
    let zones: Vec<_> = by_zone.keys().copied().collect();
    let invoices: Vec<Invoice> = serde_json::Deserializer::from_reader(GzDecoder::new(INVOICES))
        .into_iter()
        .map(|invoice| invoice.expect("the demo's own data is whole"))
        .collect();

    let mut story = Story { stores: stores.len(), zones: zones.len(), ..Story::default() };
    let mut demand: BTreeMap<(&str, String), i64> = BTreeMap::new();
    let mut pass = 0;
    while story.orders < orders {
        pass += 1;
        let mut bought = Bought::new();
        for invoice in &invoices {
            if story.orders == orders {
                break;
            }
            let id = if pass == 1 { invoice.id.clone() } else { format!("{}-{pass}", invoice.id) };
            if invoice.cancelled {
                story.play.extend(cancels(invoice, &mut bought));
                continue;
            }
            let who = invoice.customer.as_ref().unwrap_or(&invoice.id);
            // Most customers live where most stores are.
            let zone = zones[[0, 0, 1, 2, 2][hash(&["zone", who]) as usize % 5] % zones.len()];
            let Some(body) = order(invoice, &id, &by_zone[zone], zone, who) else { continue };
            for (index, (sku, qty, _)) in sold(invoice) {
                *demand.entry((zone, sku.clone())).or_default() += qty;
                let lines = bought.entry((who, sku)).or_default();
                lines.push((id.clone(), index.to_string(), *qty));
            }
            story.orders += 1;
            made(story.orders);
            story.play.push(Play::Order { id: id.clone(), body: body.clone(), again: false });
            if story.orders.is_multiple_of(50) {
                story.play.push(Play::Order { id, body, again: true });
            }
        }
    }
    story.tables = tables(&stores, &zones, &demand, setting);
    for ((zone, sku), units) in demand.iter().filter(|((_, sku), _)| tracked(sku)) {
        story.stock.extend(match setting.ttl {
            Some(_) => grab_stock(&by_zone[zone], sku, *units),
            None => stock(&by_zone[zone], sku, *units),
        });
    }
    if let Some(ttl) = setting.ttl {
        story.tables.push(vec![message("rules.v1", grab_rules(&zones, ttl))]);
        story.stock.extend(central_stock(&demand));
    }
    story
}

fn tables(
    stores: &[Store],
    zones: &[&str],
    demand: &BTreeMap<(&str, String), i64>,
    setting: Setting,
) -> Vec<Vec<Message>> {
    let partitions = usize::from(setting.partitions.max(1));
    let zone = |(index, zone): (usize, &&str)| {
        message("zone.v1", json!({ "id": zone, "partition": index % partitions }))
    };
    let (central, warehouse, fallback) = match setting.ttl {
        Some(_) => {
            let node = json!({ "id": "central-1", "zone": CENTRAL, "name": "Central warehouse" });
            (Some(CENTRAL), Some(message("node.v1", node)), vec![CENTRAL])
        }
        None => (None, None, vec![]),
    };
    let node = |store: &Store| {
        let (latitude, longitude) = store.at;
        message(
            "node.v1",
            json!({ "id": store.node, "zone": store.zone, "name": store.name,
            "latitude": latitude, "longitude": longitude,
            "groups": if store.grabs { vec!["grab"] } else { vec![] } }),
        )
    };
    let region = |zone: &&str| message("region.v1", json!({ "id": zone, "zone": zone }));
    let services: std::collections::BTreeSet<_> =
        demand.keys().map(|(_, sku)| sku).filter(|sku| !tracked(sku)).collect();
    let item = |sku: &String| message("item.v1", json!({ "sku": sku, "untracked": true }));
    let rest = zones.iter().map(region).chain(services.into_iter().map(item));
    let channel = json!({ "id": CHANNEL, "default_zone": zones[0], "fallback": fallback });
    let channel = message("channel.v1", channel);
    vec![
        zones.iter().chain(&central).enumerate().map(zone).collect(),
        stores.iter().map(node).chain(warehouse).collect(),
        rest.chain([channel]).collect(),
    ]
}

/// Counts of a SKU in a zone, and policies.
fn stock(stores: &[&Store], sku: &str, units: i64) -> Vec<Message> {
    let (first, others) = stores.split_first().expect("a zone has stores");
    let wanted = around(units, &first.zone, sku);
    let carry: Vec<_> = others.iter().filter(|s| hash(&["carry", &s.node, sku]) % 5 < 2).collect();
    let each = (wanted / 2 / (carry.len() as i64).max(1)).max(1);
    let rest = (wanted - each * carry.len() as i64).max(1);
    counted(carry.into_iter().map(|store| (store, each)).chain([(first, rest)]), sku)
}

/// As [`stock`], where some stores grab.
fn grab_stock(stores: &[&Store], sku: &str, units: i64) -> Vec<Message> {
    let (first, others) = stores.split_first().expect("a zone has stores");
    let scarce = hash(&["scarce", &first.zone, sku]).is_multiple_of(64);
    let wanted = match scarce {
        true => units * 2 / 5,
        false => around(units, &first.zone, sku),
    };
    let carries = |store: &Store| hash(&["carry", &store.node, sku]) % 50 < if store.grabs { 49 } else { 6 };
    let weight = |store: &Store| if store.grabs { 4 } else { 1 };
    let carry: Vec<_> = others.iter().filter(|store| carries(store)).collect();
    let weights: i64 = carry.iter().map(|store| weight(store)).sum();
    let each = (wanted * 2 / 3 / weights.max(1)).max(1);
    let rest = (wanted / 3).max(1);
    let more = if scarce { 1 } else { 2 };
    counted(carry.into_iter().map(|store| (store, each * weight(store) * more)).chain([(first, rest)]), sku)
}

/// Some ninety to a hundred and fifty hundredths of what is ordered of a SKU in a zone.
fn around(units: i64, zone: &str, sku: &str) -> i64 {
    units * (90 + (hash(&["units", zone, sku]) % 61) as i64) / 100
}

/// What each store has of a SKU, and of some SKUs what it may promise beyond that.
fn counted<'a>(carry: impl Iterator<Item = (&'a &'a Store, i64)>, sku: &str) -> Vec<Message> {
    let mut messages = Vec::new();
    for (store, each) in carry {
        messages.push(message("count.v1", json!({ "node": store.node, "sku": sku, "qty": each })));
        if hash(&["backorder", sku]).is_multiple_of(10) {
            messages.push(message("policy.v1", json!({ "node": store.node, "sku": sku, "backorder": 24 })));
        }
    }
    messages
}

fn central_stock(demand: &BTreeMap<(&str, String), i64>) -> Vec<Message> {
    let mut all: BTreeMap<&str, i64> = BTreeMap::new();
    for ((_, sku), units) in demand.iter().filter(|((_, sku), _)| tracked(sku)) {
        *all.entry(sku).or_default() += units;
    }
    let has = all.into_iter().filter(|(sku, _)| hash(&["central", sku]).is_multiple_of(2));
    let count = |(sku, units): (&str, i64)| {
        message("count.v1", json!({ "node": "central-1", "sku": sku, "qty": (units / 5).max(1) }))
    };
    has.map(count).collect()
}

/// The rule set for these zones, with rounds of this length.
fn grab_rules(zones: &[&str], ttl: Span) -> Value {
    let mut said = rules::read(GRAB, None).rules.expect("the demo's own rules are whole");
    said.zones = zones.iter().map(|zone| (*zone).to_owned()).collect();
    for action in said.routings.iter_mut().flat_map(|r| &mut r.rules).flat_map(|r| &mut r.actions) {
        if let Action::Offer { ttl: lasts, .. } = action {
            *lasts = Some(ttl);
        }
    }
    json!(said)
}

fn store(line: &str) -> Option<Store> {
    let [chain, id, name, city, latitude, longitude] = line.split(',').collect::<Vec<_>>()[..] else {
        return None;
    };
    let at = (latitude.parse().ok()?, longitude.parse().ok()?);
    let name = if city.is_empty() { name.to_owned() } else { format!("{name}, {city}") };
    Some(Store { node: format!("{chain}-{id}"), zone: chain.to_owned(), name, at, grabs: false })
}

fn order(invoice: &Invoice, id: &str, stores: &[&Store], zone: &str, who: &str) -> Option<Value> {
    let lines: Vec<_> = sold(invoice)
        .map(|(index, (sku, qty, price))| {
            json!({ "id": index.to_string(), "sku": sku, "qty": qty, "unit_price": minor(*price) })
        })
        .collect();
    let near = stores[hash(&["store", who]) as usize % stores.len()];
    // From -0.05 to 0.05.
    let off = |axis: &str| ((hash(&[axis, who]) % 1001) as f64 - 500.0) / 10_000.0;
    let goods: i64 = sold(invoice).map(|(_, (_, qty, price))| qty * minor(*price)).sum();
    let to = json!({ "name": format!("customer {who}"), "latitude": near.at.0 + off("latitude"),
        "longitude": near.at.1 + off("longitude") });
    (1..=limits::LINES).contains(&lines.len()).then(|| {
        json!({ "channel": CHANNEL, "id": id, "region": zone, "currency": invoice.currency,
             "recipient": to,
            "payment": { "state": "captured" }, "totals": { "goods": goods }, "lines": lines })
    })
}

fn cancels<'a>(invoice: &'a Invoice, bought: &mut Bought<'a>) -> Vec<Play> {
    let mut orders: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let Some(customer) = &invoice.customer else { return Vec::new() };
    for (sku, qty, _) in &invoice.lines {
        let mut left = -qty;
        let lines = bought.entry((customer, sku)).or_default();
        while let Some((order, line, has)) = lines.last_mut().filter(|_| left > 0) {
            let part = left.min(*has);
            orders.entry(order.clone()).or_default().push(json!({ "line": line, "qty": part }));
            left -= part;
            *has -= part;
            if *has == 0 {
                lines.pop();
            }
        }
    }
    let cancel = |(id, lines)| {
        Play::Cancel(json!({ "channel": CHANNEL, "id": id, "key": invoice.id, "lines": lines }))
    };
    orders.into_iter().map(cancel).collect()
}

/// Lines that are sales, with their number on the invoice.
fn sold(invoice: &Invoice) -> impl Iterator<Item = (usize, &(String, i64, f64))> {
    invoice.lines.iter().enumerate().map(|(index, line)| (index + 1, line)).filter(|(_, line)| line.1 > 0)
}

fn minor(price: f64) -> i64 {
    (price.max(0.0) * 100.0).round() as i64
}

fn tracked(sku: &str) -> bool {
    sku.starts_with(|c: char| c.is_ascii_digit())
}

fn message(kind: &'static str, body: Value) -> Message {
    Message { kind, body }
}

fn hash(parts: &[&str]) -> u64 {
    xxh3_64(parts.join("\0").as_bytes())
}
