//! Opening the rows for a router that runs. They are only made of events: rows that are damaged, or of events that the
//! log lost in a crash of the machine, are put aside and made again, as long as the log has its start.

use std::{fs, io, path::Path};

use router_log::Log;
use router_schemas::position::{Topic, TopicPartition};
use router_sinks::{
    FjallStore, StoreError,
    follow::{self, FollowError},
};

use crate::router::RouterError;

/// Opens the rows in `folder`, before the log goes on: afterwards nobody could tell that they were ahead of it.
pub(crate) fn open(folder: &Path, log: &dyn Log) -> Result<FjallStore, RouterError> {
    let opened = FjallStore::open(folder).map_err(FollowError::from);
    let error = match opened.and_then(|store| follow::begin(log, &store).map(|_| store)) {
        Ok(store) => return Ok(store),
        // A fault of the folder, not of the rows: the follower says so until somebody puts the right one there.
        Err(FollowError::Store(StoreError::OtherLog { .. })) => return Ok(FjallStore::open(folder)?),
        Err(error) => error,
    };
    if !is_unusable(&error) || !has_start(log) {
        return Err(error.into());
    }
    let aside = folder.with_extension("unusable");
    let moved = match fs::remove_dir_all(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => fs::rename(folder, &aside),
    };
    if let Err(cause) = moved {
        tracing::error!(%cause, folder = %folder.display(), "the rows could not be put aside");
        return Err(error.into());
    }
    tracing::warn!(%error, aside = %aside.display(), "the rows are made again from the log; those put aside may go");
    Ok(FjallStore::open(folder)?)
}

fn is_unusable(error: &FollowError) -> bool {
    match error {
        FollowError::Ahead(..) => true,
        FollowError::Store(error) => error.is_damage(),
        _ => false,
    }
}

/// True where all events that ever were are in the log.
fn has_start(log: &dyn Log) -> bool {
    let partitions = 0..log.partitions(&Topic::Events).unwrap_or(0);
    let start = |p| log.range(&TopicPartition::new(Topic::Events, p)).map_or(0, |range| range.start);
    partitions.into_iter().all(|p| start(p) == 0)
}
