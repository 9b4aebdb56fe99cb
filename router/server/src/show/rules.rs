//! Rule sets, fee tables and quotas.

use std::collections::BTreeMap;

use router_ingest::{json, rules};
use router_schemas::{
    command::{reference, stock::Allowance},
    position::{Position, Topic},
    quantity::Qty,
    rules::RuleSet,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Place, Time};

/// A version of a rule set.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RulesEntry")]
pub(crate) struct Rules {
    name: String,
    /// Number within its name, from 1.
    version: u32,
    /// When it was published; null: built in.
    at: Option<Time>,
    /// The record that published it; null: built in.
    position: Option<Place>,
    /// As people write it: `rules.v1`.
    document: json::Rules,
}

impl Rules {
    pub fn of(set: &RuleSet) -> Rules {
        Rules {
            name: set.name.clone(),
            version: set.version,
            at: set.published.map(|published| Time(published.at)),
            position: set.published.map(|p| Place(Position::new(Topic::Control, 0, p.control))),
            document: rules::of_log(set),
        }
    }
}

/// A fee table.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "FeesEntry")]
pub(crate) struct Fees {
    id: String,
    bands: Vec<Band>,
}

/// A band of a fee table.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "FeesEntryBand")]
pub(crate) struct Band {
    /// Up to so many kilometres.
    km: f64,
    /// Minor units a shipment.
    base: i64,
    /// Minor units a kilogram begun.
    per_kg: i64,
}

impl Fees {
    pub fn of(table: reference::FeeTable) -> Fees {
        let band = |band: &reference::FeeBand| Band {
            km: rules::km(band.upto),
            base: band.base,
            per_kg: band.per_kg,
        };
        Fees { bands: table.bands.iter().map(band).collect(), id: table.id }
    }
}

/// A number of a whole channel for a SKU.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "QuotaEntry")]
pub(crate) struct Quota {
    channel: String,
    sku: String,
    bucket: String,
    /// Kept back in each zone.
    threshold: Qty,
    /// Units beyond stock in all zones together, or `unlimited`.
    backorder: json::Backorder,
    /// Zones and their weights.
    weights: BTreeMap<String, u32>,
    /// Zones and what each may promise beyond stock.
    shares: BTreeMap<String, json::Backorder>,
}

impl Quota {
    pub fn of(quota: reference::Quota) -> Quota {
        Quota {
            channel: quota.channel,
            sku: quota.sku,
            bucket: quota.bucket,
            threshold: quota.threshold,
            backorder: beyond(quota.backorder),
            weights: quota.weights.into_iter().collect(),
            shares: quota.shares.into_iter().map(|(zone, share)| (zone, beyond(share))).collect(),
        }
    }
}

/// What may be promised beyond stock.
pub(super) fn beyond(allowance: Allowance) -> json::Backorder {
    match allowance {
        Allowance::None => json::Backorder::Limited(Qty::ZERO),
        Allowance::Limited(qty) => json::Backorder::Limited(qty),
        Allowance::Unlimited => json::Backorder::Unlimited(json::Unlimited::Unlimited),
    }
}
