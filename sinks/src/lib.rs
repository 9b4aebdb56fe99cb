//! Rows for queries: the [`Store`] port, its embedded form [`FjallStore`], and the [`follow`]er that keeps it
//! behind `router.events`. A row is a whole image; the later hybrid time wins, so writing one again is harmless.

mod fjall_store;
pub mod follow;
mod found;
mod keys;

use std::{collections::BTreeSet, sync::Arc};

use router_schemas::{
    command::reference::{Reference, Table},
    event::OrderState,
    id::{Identity, OfferId, OrderId},
    position::LogId,
    refusal::Code,
    row::{CellRow, HoldRow, NodeRow, OfferRow, OrderRow, PoolRow, Row},
};

pub use fjall_store::FjallStore;

/// The codes of this crate.
pub const CODES: &[Code] = &[
    Code {
        id: "E2101",
        summary: "the rows cannot be read or written",
        hint: "see the reason; `router run` makes damaged rows again where the log has its start, else put the folder \
               `rows` back from a backup",
    },
    Code {
        id: "E2102",
        summary: "a row does not decode",
        hint: "where `router log ls` shows router.events from 0 on: move the folder `rows` away, and `router run` makes \
               it again; else put it back from a backup",
    },
    Code {
        id: "E2103",
        summary: "an event does not decode, so no rows are written",
        hint: "run a build that knows the log's behaviour level; `router audit` names the record",
    },
    Code {
        id: "E2104",
        summary: "the rows are of another log",
        hint: "put the right folder there, or move it away: `router run` makes it again where the log has its start",
    },
    Code {
        id: "E2105",
        summary: "the rows are ahead of the log",
        hint: "nothing where the log has its start: `router run` makes them again; else put the folder `rows` back from \
               the backup that the log is from",
    },
    Code {
        id: "E2106",
        summary: "another process has the rows open",
        hint: "wait until it ends and try again; nothing is wrong with the rows",
    },
];

/// The store could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The tables.
    #[error(
        "E2101: the rows cannot be read or written: {0}; `router run` makes damaged rows again where the log has its \
         start"
    )]
    Tables(fjall::Error),
    /// Whoever has them open is alone with them.
    #[error("E2106: another process has the rows open; wait until it ends and try again")]
    InUse,
    /// A row that does not decode.
    #[error("E2102: a row does not decode: {0}; move the folder `rows` away: `router run` makes it again")]
    Row(#[from] postcard::Error),
    /// Rows that another log made.
    #[error(
        "E2104: the rows are of log {known}, this log is {log}; put the right folder there, or move `rows` away"
    )]
    OtherLog {
        /// The log of the rows.
        known: LogId,
        /// The log that was to be followed.
        log: LogId,
    },
}

impl From<fjall::Error> for StoreError {
    fn from(error: fjall::Error) -> StoreError {
        match error {
            fjall::Error::Locked => StoreError::InUse,
            other => StoreError::Tables(other),
        }
    }
}

impl StoreError {
    /// True where the rows are not what was written; false where the system or another process is in the way.
    pub fn is_damage(&self) -> bool {
        use std::io::ErrorKind::{InvalidData, NotFound, UnexpectedEof};
        let of_bytes = |e: &std::io::Error| matches!(e.kind(), InvalidData | NotFound | UnexpectedEof);
        match self {
            StoreError::Tables(fjall::Error::Io(error)) => of_bytes(error),
            StoreError::Tables(fjall::Error::Storage(error)) => {
                let source = std::error::Error::source(error).and_then(|e| e.downcast_ref());
                source.is_none_or(of_bytes)
            }
            // A later build may have written it.
            StoreError::Tables(
                fjall::Error::Locked | fjall::Error::Poisoned | fjall::Error::InvalidVersion(Some(_)),
            ) => false,
            StoreError::Tables(_) | StoreError::Row(_) => true,
            StoreError::OtherLog { .. } | StoreError::InUse => false,
        }
    }
}

/// Which orders. Every member that is set must hold.
#[derive(Clone, Debug, Default)]
pub struct OrderFilter {
    /// Derived state.
    pub state: Option<OrderState>,
    /// The channel it came by.
    pub channel: Option<String>,
    /// The platform's id of it, at whichever channel.
    pub external_id: Option<String>,
    /// Home zone.
    pub zone: Option<String>,
    /// A node that has, or had, units of it.
    pub node: Option<String>,
    /// A SKU on one of its lines.
    pub sku: Option<String>,
    /// Created from this time on, ms.
    pub from: Option<i64>,
    /// Created before this time, ms.
    pub to: Option<i64>,
    /// Whose eyes they are for.
    pub seen: Seen,
}

/// The orders that someone may see.
#[derive(Clone, Debug, Default)]
pub enum Seen {
    /// All.
    #[default]
    All,
    /// Those that came by these channels.
    OfChannels(Arc<BTreeSet<String>>),
    /// Those of which these nodes have, or had, units, and these.
    AtNodes {
        /// Names of the nodes.
        nodes: Arc<BTreeSet<String>>,
        /// Orders that are offered to them.
        offered: BTreeSet<OrderId>,
    },
}

impl Seen {
    /// True where the order is among them.
    pub fn takes(&self, row: &OrderRow) -> bool {
        match self {
            Seen::All => true,
            Seen::OfChannels(channels) => channels.contains(&row.identity.channel),
            Seen::AtNodes { nodes, offered } => {
                offered.contains(&row.order) || row.fulfilments.iter().any(|f| nodes.contains(&f.node))
            }
        }
    }
}

impl OrderFilter {
    /// True where the order is asked for.
    pub fn takes(&self, row: &OrderRow) -> bool {
        self.state.as_ref().is_none_or(|s| *s == row.state)
            && self.channel.as_ref().is_none_or(|c| *c == row.identity.channel)
            && self.external_id.as_ref().is_none_or(|id| *id == row.identity.external_id)
            && self.zone.as_ref().is_none_or(|z| *z == row.zone)
            && self.sku.as_ref().is_none_or(|s| row.lines.iter().any(|l| l.sku == *s))
            && self.node.as_ref().is_none_or(|n| row.fulfilments.iter().any(|f| f.node == *n))
            && self.from.is_none_or(|t| row.created_at >= t)
            && self.to.is_none_or(|t| row.created_at < t)
            && self.seen.takes(row)
    }
}

/// Part of an answer.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// Rows, newest first for orders, by key for the rest.
    pub rows: Vec<T>,
    /// Set: there may be more behind this key.
    pub next: Option<Vec<u8>>,
}

/// Where rows are kept.
pub trait Store: Send + Sync {
    /// Notes the log that the rows are of. Rows of another log are refused: [`StoreError::OtherLog`].
    fn bind(&self, log: LogId) -> Result<(), StoreError>;

    /// Writes rows with their hybrid times (µs) and how far a partition of events is followed, together or not at
    /// all. Of two images of a row the later time stays, so rows may come in any order and more than once.
    fn apply(&self, partition: u16, next: u64, rows: Vec<(u64, Row)>) -> Result<(), StoreError>;

    /// Offset of the next event to follow; never goes back.
    fn position(&self, partition: u16) -> Result<u64, StoreError>;

    /// An order.
    fn order(&self, id: OrderId) -> Result<Option<OrderRow>, StoreError>;

    /// The id of the order that a platform knows by this name.
    fn order_id(&self, identity: &Identity) -> Result<Option<OrderId>, StoreError>;

    /// Orders, newest first: those created later, as first stated, then those named later. An order never changes
    /// its place, so pages neither repeat nor miss one. A page ends early where few rows match; `next` then goes on.
    fn orders(
        &self,
        filter: &OrderFilter,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Page<OrderRow>, StoreError>;

    /// Stock cells of a node, or of all; of a SKU, or of all.
    fn cells(
        &self,
        node: Option<&str>,
        sku: Option<&str>,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Page<CellRow>, StoreError>;

    /// A reference table.
    fn references(
        &self,
        table: Table,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Page<Reference>, StoreError>;

    /// One entry of a reference table.
    fn reference(&self, table: Table, key: &str) -> Result<Option<Reference>, StoreError>;

    /// An offer.
    fn offer(&self, id: OfferId) -> Result<Option<OfferRow>, StoreError>;

    /// Offers that this node may claim, or all there were; the first made first.
    fn offers(
        &self,
        node: Option<&str>,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Page<OfferRow>, StoreError>;

    /// Orders of which the node has units that it has not shipped; the first named first.
    fn work(&self, node: &str, after: Option<&[u8]>, limit: usize) -> Result<Page<OrderRow>, StoreError>;

    /// Orders parked in a queue, or in any, in the order in which they are served: by priority, end of the promise,
    /// arrival.
    fn queue(
        &self,
        queue: Option<&str>,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Page<OrderRow>, StoreError>;

    /// What is or was last held for an order.
    fn hold(&self, order: OrderId) -> Result<Option<HoldRow>, StoreError>;

    /// How a node stands; `None`: nothing happened there yet.
    fn node(&self, node: &str) -> Result<Option<NodeRow>, StoreError>;

    /// Pools of a channel, or of all.
    fn pools(
        &self,
        channel: Option<&str>,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Page<PoolRow>, StoreError>;

    /// Every row with its hybrid time, µs.
    fn rows(&self, each: &mut dyn FnMut(u64, Row)) -> Result<(), StoreError>;

    /// Everything, as key and encoded row, in key order: to compare two stores.
    fn dump(&self, each: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), StoreError>;
}
