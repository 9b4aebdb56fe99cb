//! Entries of the reference tables.

use std::collections::BTreeMap;

use jiff::Timestamp;
use router_schemas::{
    command::{
        Command,
        reference::{self, Published, Reference},
    },
    geo, limits,
};

use crate::{
    bounds::{
        At, ROOT, few, language, maybe_external, maybe_name, maybe_text, money, name, names, place, positive,
        region, text, zero_or_more,
    },
    calendar,
    decode::{LIMIT, Rejected, VALUE, reject},
    json::{self, GROUPS},
    rules,
};

fn published(change: Reference) -> Command {
    Command::Reference(Published { control: 0, change })
}

pub(crate) fn zone(said: json::Zone) -> Result<Command, Rejected> {
    name(ROOT.member("id"), &said.id)?;
    Ok(published(Reference::Zone(reference::Zone { id: said.id, partition: said.partition })))
}

pub(crate) fn channel(said: json::Channel) -> Result<Command, Rejected> {
    name(ROOT.member("id"), &said.id)?;
    maybe_name(ROOT.member("default_zone"), said.default_zone.as_ref())?;
    names(ROOT.member("groups"), &said.groups, GROUPS)?;
    names(ROOT.member("fallback"), &said.fallback, limits::FORWARDS)?;
    if said.cancel_within.is_some_and(|span| span.0 <= 0 || span.0 > limits::TTL_MS) {
        let detail = "must be longer than nothing, and 400 days at most";
        return Err(reject(VALUE, ROOT.member("cancel_within"), detail.into()));
    }
    let feed = said.feed.map(|said| {
        let at = ROOT.member("feed");
        if !(1..=86_400).contains(&said.every_s) {
            return Err(reject(VALUE, at.member("every_s"), "must be from 1 to 86400".into()));
        }
        let low = zero_or_more(at.member("low"), said.low)?;
        Ok(reference::Feed { every: i64::from(said.every_s) * 1_000, low })
    });
    Ok(published(Reference::Channel(reference::Channel {
        id: said.id,
        default_zone: said.default_zone,
        groups: said.groups,
        route_when: said.route_when,
        fallback: said.fallback,
        cancel_within: said.cancel_within.map(|span| span.0),
        cancel_by_default: said.cancel_by_default,
        reroute_pinned: said.reroute_pinned,
        feed: feed.transpose()?,
    })))
}

pub(crate) fn region_entry(said: json::Region) -> Result<Command, Rejected> {
    region(ROOT.member("id"), &said.id)?;
    name(ROOT.member("zone"), &said.zone)?;
    let centroid = place(ROOT, said.latitude, said.longitude)?;
    Ok(published(Reference::Region(reference::Region { id: said.id, zone: said.zone, centroid })))
}

/// `now`: the calendar is compiled from this time on.
pub(crate) fn node(node: json::Node, now: Timestamp) -> Result<Command, Rejected> {
    name(ROOT.member("id"), &node.id)?;
    name(ROOT.member("zone"), &node.zone)?;
    text(ROOT.member("name"), &node.name)?;
    names(ROOT.member("groups"), &node.groups, GROUPS)?;
    let at = ROOT.member("modes");
    few(at, &node.modes, 2)?;
    if node.modes.is_empty() {
        return Err(reject(
            VALUE,
            at,
            "a node serves at least one mode; `enabled` false turns it off".into(),
        ));
    }
    let attributes = attributes(ROOT.member("attributes"), node.attributes)?;
    let area = node.area_km.map(|km| chord2(ROOT.member("area_km"), km)).transpose()?;
    let calendar = node.calendar.map(|said| calendar::compile(ROOT.member("calendar"), &said, now));
    Ok(published(Reference::Node(Box::new(reference::Node {
        place: place(ROOT, node.latitude, node.longitude)?,
        id: node.id,
        zone: node.zone,
        name: node.name,
        enabled: node.enabled,
        default: node.default,
        groups: node.groups,
        modes: node.modes,
        capacity_at_once: node.capacity_at_once,
        capacity_a_day: node.capacity_a_day,
        calendar: calendar.transpose()?,
        sequence: node.sequence,
        attributes,
        area,
    }))))
}

/// Ascending by name, as the map is.
fn attributes(
    at: At<'_>,
    said: BTreeMap<String, json::Words>,
) -> Result<Vec<(String, Vec<String>)>, Rejected> {
    if said.len() > GROUPS {
        return Err(reject(LIMIT, at, format!("has {} entries, {GROUPS} are allowed", said.len())));
    }
    let attribute = |(key, words): (String, json::Words)| {
        name(at, &key)?;
        let values = match words {
            json::Words::One(word) => vec![word],
            json::Words::Several(words) => words,
        };
        names(at.member(&key), &values, GROUPS)?;
        Ok((key, values))
    };
    said.into_iter().map(attribute).collect()
}

/// The squared chord of so many kilometres.
fn chord2(at: At<'_>, km: f64) -> Result<i64, Rejected> {
    match km {
        km if (0.001..=20_015.0).contains(&km) => Ok(geo::chord2_of_metres((km * 1000.0).round())),
        _ => Err(reject(
            VALUE,
            at,
            "must be a metre at least, and half the way around the earth at most".into(),
        )),
    }
}

pub(crate) fn fees(said: json::Fees) -> Result<Command, Rejected> {
    name(ROOT.member("id"), &said.id)?;
    let at = ROOT.member("bands");
    few(at, &said.bands, json::FEE_BANDS)?;
    let mut bands: Vec<reference::FeeBand> = Vec::new();
    for (index, band) in said.bands.iter().enumerate() {
        let at = at.index(index);
        let upto = chord2(at.member("km"), band.km)?;
        if bands.last().is_some_and(|before| before.upto >= upto) {
            let detail = "each band must reach farther than the one before";
            return Err(reject(VALUE, at.member("km"), detail.into()));
        }
        money(at.member("base"), band.base)?;
        money(at.member("per_kg"), band.per_kg)?;
        bands.push(reference::FeeBand { upto, base: band.base, per_kg: band.per_kg });
    }
    Ok(published(Reference::Fees(reference::FeeTable { id: said.id, bands })))
}

/// What stands in the way of publishing a rule set is refused; warnings are `router rules lint`'s to tell.
pub(crate) fn rules(said: &json::Rules) -> Result<Command, Rejected> {
    match rules::check(said, None).into_iter().find(|found| found.severity == rules::Severity::Error) {
        Some(found) => Err(Rejected {
            code: found.code().id,
            pointer: found.pointer,
            detail: found.detail,
            hint: found.hint,
        }),
        None => Ok(published(Reference::Rules(Box::new(rules::to_log(said))))),
    }
}

pub(crate) fn item(item: json::Item) -> Result<Command, Rejected> {
    name(ROOT.member("sku"), &item.sku)?;
    maybe_text(ROOT.member("name"), item.name.as_ref())?;
    let at = ROOT.member("names");
    if item.names.0.len() > GROUPS {
        return Err(reject(LIMIT, at, format!("at most {GROUPS} languages")));
    }
    for (key, said) in &item.names.0 {
        language(at, key)?;
        text(at.member(key), said)?;
    }
    maybe_name(ROOT.member("barcode"), item.barcode.as_ref())?;
    let unit_step = item.unit_step.map(|step| positive(ROOT.member("unit_step"), step)).transpose()?;
    maybe_external(ROOT.member("category"), item.category.as_ref())?;
    maybe_external(ROOT.member("brand"), item.brand.as_ref())?;
    names(ROOT.member("handling"), &item.handling, GROUPS)?;
    if item.tolerance > 1000 {
        return Err(reject(LIMIT, ROOT.member("tolerance"), "at most 1000 thousandths".into()));
    }
    // The first name is the default.
    let default = item.name.map(|name| (String::new(), name));
    Ok(published(Reference::Item(Box::new(reference::Item {
        sku: item.sku,
        names: default.into_iter().chain(item.names.0).collect(),
        barcode: item.barcode,
        unit_step: unit_step.unwrap_or_default(),
        weight_g: item.weight_g,
        volume_cm3: item.volume_cm3,
        category: item.category,
        brand: item.brand,
        handling: item.handling,
        untracked: item.untracked,
        tolerance: item.tolerance,
    }))))
}
