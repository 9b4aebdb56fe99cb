//! The Log port: ordered, partitioned topics with transactions that span them, and [`Journal`], its embedded
//! implementation. Stages, followers and the gateway know the port only.

mod error;
mod frame;
mod journal;
mod port;

pub use error::{CODES, LogError};
pub use journal::{Checked, Journal, Options};
pub use port::{
    Appended, Batch, Commit, Isolation, Log, LogState, Reader, Record, Ticket, Transaction, Trimmed, scan,
};
