//! Entries of the reference tables.

use std::collections::BTreeMap;

use router_ingest::{json::Span, rules};
use router_schemas::{
    command::{
        order::DeliveryMode,
        reference::{Reference, RouteWhen},
    },
    geo::UnitVector,
    quantity::Qty,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{Fees, Quota, Rules, Time, json};

/// A zone.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ZoneEntry")]
pub(crate) struct Zone {
    id: String,
    /// Its partition of `router.commands`.
    partition: Option<u16>,
}

/// A channel.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ChannelEntry")]
pub(crate) struct Channel {
    id: String,
    default_zone: Option<String>,
    groups: Vec<String>,
    route_when: RouteWhen,
    /// Zones that get what the home zone cannot fill.
    fallback: Vec<String>,
    /// Time in which a node must answer whether it gives picked units back; null: 15 minutes.
    cancel_within: Option<Span>,
    /// What holds where it does not answer. True: the units are cancelled.
    cancel_by_default: bool,
    /// An order that must be served at one node is routed elsewhere when that node declines.
    reroute_pinned: bool,
}

/// A region.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RegionEntry")]
pub(crate) struct Region {
    id: String,
    zone: String,
    latitude: Option<f64>,
    longitude: Option<f64>,
}

/// A node.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "NodeEntry")]
pub(crate) struct Node {
    id: String,
    zone: String,
    name: String,
    enabled: bool,
    default: bool,
    latitude: Option<f64>,
    longitude: Option<f64>,
    groups: Vec<String>,
    modes: Vec<DeliveryMode>,
    capacity_at_once: Option<u32>,
    capacity_a_day: Option<u32>,
    /// Null: always open.
    calendar: Option<Calendar>,
    /// Own number for the sort `sequence`.
    sequence: Option<u32>,
    /// Words that rules ask for.
    attributes: BTreeMap<String, Vec<String>>,
    /// Its delivery area, kilometres around it; null: everywhere.
    area_km: Option<f64>,
}

/// Opening hours as they were compiled.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CompiledCalendar")]
pub(crate) struct Calendar {
    time_zone: String,
    /// Opening intervals that are known.
    intervals: usize,
    /// Behind this time the node counts as always open: publish it again before.
    until: Option<Time>,
}

/// An item.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ItemEntry")]
pub(crate) struct Item {
    sku: String,
    /// The name in no language in particular.
    name: Option<String>,
    names: BTreeMap<String, String>,
    barcode: Option<String>,
    unit_step: Qty,
    weight_g: Option<u32>,
    volume_cm3: Option<u32>,
    category: Option<String>,
    brand: Option<String>,
    handling: Vec<String>,
    untracked: bool,
    /// Thousandths of the quantity.
    tolerance: u16,
}

/// An entry of a reference table.
pub(crate) fn reference(entry: &Reference) -> Value {
    match entry.clone() {
        Reference::Zone(zone) => json(&Zone { id: zone.id, partition: zone.partition }),
        Reference::Channel(channel) => json(&Channel {
            id: channel.id,
            default_zone: channel.default_zone,
            groups: channel.groups,
            route_when: channel.route_when,
            fallback: channel.fallback,
            cancel_within: channel.cancel_within.map(Span),
            cancel_by_default: channel.cancel_by_default,
            reroute_pinned: channel.reroute_pinned,
        }),
        Reference::Region(region) => {
            let (latitude, longitude) = degrees(region.centroid);
            json(&Region { id: region.id, zone: region.zone, latitude, longitude })
        }
        Reference::Node(node) => {
            let (latitude, longitude) = degrees(node.place);
            let calendar = node.calendar.map(|calendar| Calendar {
                time_zone: calendar.time_zone,
                intervals: calendar.open.len(),
                until: calendar.open.last().map(|(_, to)| Time(*to)),
            });
            json(&Node {
                id: node.id,
                zone: node.zone,
                name: node.name,
                enabled: node.enabled,
                default: node.default,
                latitude,
                longitude,
                groups: node.groups,
                modes: node.modes,
                capacity_at_once: node.capacity_at_once,
                capacity_a_day: node.capacity_a_day,
                calendar,
                sequence: node.sequence,
                attributes: node.attributes.into_iter().collect(),
                area_km: node.area.map(rules::km),
            })
        }
        Reference::Item(item) => {
            let mut names: BTreeMap<_, _> = item.names.into_iter().collect();
            json(&Item {
                sku: item.sku,
                name: names.remove(""),
                names,
                barcode: item.barcode,
                unit_step: item.unit_step,
                weight_g: item.weight_g,
                volume_cm3: item.volume_cm3,
                category: item.category,
                brand: item.brand,
                handling: item.handling,
                untracked: item.untracked,
                tolerance: item.tolerance,
            })
        }
        Reference::Rules(set) => json(&Rules::of(&set)),
        Reference::Fees(table) => json(&Fees::of(table)),
        Reference::Quota(quota) => json(&Quota::of(quota)),
        Reference::BehaviourLevel(level) => serde_json::json!({ "level": level }),
        Reference::Incarnation(source, number) => {
            serde_json::json!({ "source": source, "incarnation": number })
        }
    }
}

/// Latitude and longitude, to the 0.001 that was kept.
fn degrees(place: Option<UnitVector>) -> (Option<f64>, Option<f64>) {
    let Some(UnitVector(axes)) = place else { return (None, None) };
    let [x, y, z] = axes.map(f64::from);
    let rounded = |radians: f64| Some((radians.to_degrees() * 1000.0).round() / 1000.0);
    (rounded(z.atan2(x.hypot(y))), rounded(y.atan2(x)))
}
