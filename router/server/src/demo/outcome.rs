//! What the demo prints in the end.

use router_audit::Report;
use serde::Serialize;

use super::offers::Grab;

/// The result. Orders are counted once, by the last decision about them; with offers, by how they stand.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Outcome {
    /// Orders that were sent and acknowledged, repeats left out.
    pub orders: u64,
    /// One store has everything.
    pub allocated: u64,
    /// Several stores together have everything.
    pub split: u64,
    /// Some of it is promised beyond stock.
    pub backordered: u64,
    /// Some or all of it is nowhere.
    pub unfillable: u64,
    /// Cancels that were applied.
    pub cancelled: u64,
    /// Orders that were sent again.
    pub repeats: u64,
    /// Repeats that were answered with another order than the first time.
    pub duplicates: u64,
    /// Acknowledged orders without a row under their id.
    pub lost: u64,
    /// Cells with more promised than there is, by the audit; absent where it was not run.
    pub oversold: Option<u64>,
    /// Violations that the audit found; absent where it was not run.
    pub audit: Option<u64>,
    /// From sent (with a rate: from when it was to be sent) to the store chosen or asked and on disk, µs.
    pub p50_us: u64,
    pub p99_us: u64,
    /// Orders decided, and row images in the tables, each second.
    pub orders_per_s: u64,
    pub rows_per_s: u64,
    /// Offers; absent where none are made.
    #[serde(flatten)]
    pub grab: Option<Grab>,
}

impl Outcome {
    /// True where nothing was lost, doubled, oversold or found, and every offer ended with at most one winner.
    pub fn is_clean(&self) -> bool {
        self.duplicates == 0
            && self.lost == 0
            && self.oversold.unwrap_or(0) == 0
            && self.audit.unwrap_or(0) == 0
            && self.grab.is_none_or(|grab| grab.two_winners == 0 && grab.open_offers == 0)
    }

    /// Takes in what the audit of the folder found.
    pub fn audited(&mut self, report: &Report) {
        self.audit = Some(report.violations);
        self.oversold = Some(report.oversold);
    }
}
