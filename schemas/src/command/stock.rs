//! Commands about stock, direct to the partition of the node's zone.

use serde::{Deserialize, Serialize};

use super::Hash16;
use crate::{limits::QTY_MAX, quantity::Qty};

/// A cell: one SKU in one bucket at one node.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct CellName {
    /// The node.
    pub node: String,
    /// The SKU.
    pub sku: String,
    /// Day or seat class; empty: none.
    pub bucket: String,
}

/// Fact: someone counted.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Count {
    /// What was counted.
    pub cell: CellName,
    /// The number found.
    pub qty: Qty,
    /// What the number includes.
    pub basis: Basis,
    /// Who counts: sequences of one source are compared with each other only.
    pub counter: String,
    /// The source's running number.
    pub sequence: Option<u64>,
    /// When it was seen, ms; movements applied later are added on top.
    pub observed_at: Option<i64>,
    /// Names this fact: the same again is a repeat.
    pub key: Option<Hash16>,
}

/// What a counted number includes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// All units there.
    #[default]
    OnHand,
    /// Units there less those already allocated, as far as the source knows them.
    Available,
}

/// Fact: units arrived.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Movement {
    /// Where.
    pub cell: CellName,
    /// How many, above zero.
    pub qty: Qty,
    /// Names this fact: the same again is a repeat.
    pub key: Option<Hash16>,
}

/// Fact: a correction.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Adjustment {
    /// Where.
    pub cell: CellName,
    /// Which number of the cell.
    pub target: AdjustTarget,
    /// Added to it; may be negative. It never goes below zero.
    pub delta: Qty,
    /// Names this fact: the same again is a repeat.
    pub key: Option<Hash16>,
}

/// The number that an adjustment changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AdjustTarget {
    /// Units there.
    #[default]
    OnHand,
    /// Units there that may not be sold: damaged, on display, under inspection.
    Blocked,
}

/// Request: how a cell may be used.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct CellPolicy {
    /// Which cell.
    pub cell: CellName,
    /// Subtracted from what is available.
    pub safety_stock: Qty,
    /// Units that may be backordered beyond stock.
    pub backorder: Allowance,
    /// Set: nothing is available here whatever the count says.
    pub out_of_stock: bool,
    /// Units sold a week, for the sort `weeks_of_supply`.
    pub weekly_sales: Option<Qty>,
}

/// What a cell may backorder.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Allowance {
    /// Nothing.
    #[default]
    None,
    /// So many units.
    Limited(Qty),
    /// Any number.
    Unlimited,
}

impl Allowance {
    /// How many units it allows; any number is as many as there can be.
    pub fn units(self) -> Qty {
        match self {
            Self::None => Qty::ZERO,
            Self::Limited(limit) => limit,
            Self::Unlimited => QTY_MAX,
        }
    }

    /// What allows so many units: the inverse of [`Allowance::units`].
    pub fn of(units: Qty) -> Self {
        match units {
            Qty::ZERO => Self::None,
            QTY_MAX => Self::Unlimited,
            limit => Self::Limited(limit),
        }
    }
}
