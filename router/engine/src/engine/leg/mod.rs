//! Holds over several zones. Home holds what is at its own nodes, asks every other zone for its leg, and confirms when all of
//! them are held: the hold stands when all have confirmed. One that cannot be held, or is lost, ends the whole hold.
//!
//! - `ask.rs`: home asks, confirms, releases, and takes reports.
//! - `here.rs`: a zone holds a leg of another zone's hold.
//!
//! A leg is a hold of its own in its zone, with an id of its own. The greatest attempt counts, in whatever order messages
//! come; a release that comes before its leg is kept as one that is over. Time is home's: what a zone holds lapses there by
//! itself only long after home should have said so.

mod ask;
mod here;

use router_schemas::{
    command::hold::HoldLine,
    id::OrderId,
    quantity::Qty,
    row::{self, HoldState, LegRow},
};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::{Engine, hold::Hold, state::State};

/// Home's order and the number of the leg.
pub type LegKey = (OrderId, u32);

/// How far a leg has come.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stands {
    /// Home asked for it.
    #[default]
    Asked,
    /// It is held.
    Held,
    /// It is held, and home confirmed.
    Confirmed,
    /// The zone keeps it until home says otherwise.
    Kept,
    /// Nothing is held.
    Over,
}

/// A leg as home knows it. It stays in its place when it is over: the next one in that zone is the next attempt.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    pub zone: String,
    pub attempt: u32,
    pub stands: Stands,
    pub beyond_stock: bool,
    pub lines: Vec<Far>,
}

/// A line that is held in another zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Far {
    pub line: String,
    pub node: String,
    /// The SKU in each bucket, each with the whole quantity.
    pub skus: SmallVec<[u32; 1]>,
    pub qty: Qty,
    /// Service time at home at which it lapses, and at which that is told once.
    pub expires: Option<i64>,
    pub alert: Option<i64>,
}

/// Of which hold this one is a leg.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegHere {
    pub of: row::LegOf,
    pub stands: Stands,
}

impl Hold {
    /// Whether nothing is held, here or elsewhere.
    pub fn is_over(&self) -> bool {
        self.lines.is_empty() && self.far().next().is_none()
    }

    /// What is held, or asked for, in other zones.
    pub fn far(&self) -> impl Iterator<Item = &Far> {
        self.legs.iter().flat_map(|leg| &leg.lines)
    }

    /// How it stands while something is held.
    pub fn standing(&self) -> HoldState {
        let kept = |leg: &Leg| leg.lines.is_empty() || leg.stands == Stands::Kept;
        let here = self.leg_of.as_ref().is_none_or(|here| here.stands == Stands::Kept);
        if here && self.legs.iter().all(kept) { HoldState::Held } else { HoldState::Confirming }
    }

    /// Lines here and elsewhere, and the same counted once for each bucket.
    pub fn size(lines: &[super::hold::Held], legs: &[Leg]) -> (usize, usize) {
        let far = || legs.iter().flat_map(|leg| &leg.lines);
        let cells = lines.iter().map(|l| l.skus.len()).chain(far().map(|l| l.skus.len()));
        (lines.len() + far().count(), cells.sum())
    }
}

impl Far {
    /// As the zone is asked for it.
    fn said(&self, state: &State) -> HoldLine {
        let skus = || self.skus.iter().map(|sku| &state.skus[*sku as usize]);
        HoldLine {
            line: self.line.clone(),
            sku: skus().next().map_or(String::new(), |sku| sku.name.clone()),
            buckets: skus().map(|sku| sku.bucket.clone()).filter(|b| !b.is_empty()).collect(),
            qty: self.qty,
            node: Some(self.node.clone()),
            zone: None,
        }
    }
}

impl State {
    /// The legs of a hold, as its row shows them.
    pub fn leg_rows(&self, hold: &Hold) -> Vec<LegRow> {
        let row = |(leg, number): (&Leg, u32)| LegRow {
            leg: number,
            attempt: leg.attempt,
            zone: leg.zone.clone(),
            confirmed: leg.stands == Stands::Kept,
            lines: leg
                .lines
                .iter()
                .flat_map(|far| {
                    far.skus.iter().map(|sku| {
                        let sku = &self.skus[*sku as usize];
                        (far.line.clone(), far.node.clone(), sku.name.clone(), sku.bucket.clone(), far.qty)
                    })
                })
                .collect(),
        };
        hold.legs.iter().zip(1..).filter(|(leg, _)| !leg.lines.is_empty()).map(row).collect()
    }
}

impl Engine {
    /// Whether an order's hold waits for other zones.
    pub(super) fn is_confirming(&self, order: OrderId) -> bool {
        self.state.holds.get(&order).is_some_and(|hold| hold.state == HoldState::Confirming)
    }
}
