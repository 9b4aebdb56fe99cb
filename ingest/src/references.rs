//! Entries of the reference tables.

use jiff::Timestamp;
use router_schemas::command::{
    Command,
    reference::{self, Published, Reference},
};

use crate::{
    bounds::{
        ROOT, few, language, maybe_external, maybe_name, maybe_text, name, names, place, positive, region,
        text, zero_or_more,
    },
    calendar,
    decode::{LIMIT, Rejected, VALUE, reject},
    json::{self, GROUPS},
};

fn published(change: Reference) -> Command {
    Command::Reference(Published { control: 0, change })
}

pub(crate) fn zone(said: json::Zone) -> Result<Command, Rejected> {
    name(ROOT.member("id"), &said.id)?;
    Ok(published(Reference::Zone(reference::Zone { id: said.id, partition: said.partition })))
}

pub(crate) fn channel(said: json::Channel) -> Result<Command, Rejected> {
    let json::Channel { id, default_zone, groups, route_when, feed } = said;
    name(ROOT.member("id"), &id)?;
    maybe_name(ROOT.member("default_zone"), default_zone.as_ref())?;
    names(ROOT.member("groups"), &groups, GROUPS)?;
    let feed = feed.map(|said| {
        let at = ROOT.member("feed");
        if !(1..=86_400).contains(&said.every_s) {
            return Err(reject(VALUE, at.member("every_s"), "must be from 1 to 86400".into()));
        }
        let low = zero_or_more(at.member("low"), said.low)?;
        Ok(reference::Feed { every: i64::from(said.every_s) * 1_000, low })
    });
    Ok(published(Reference::Channel(reference::Channel {
        id,
        feed: feed.transpose()?,
        default_zone,
        groups,
        route_when,
        ..reference::Channel::default()
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
        ..reference::Node::default()
    }))))
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
