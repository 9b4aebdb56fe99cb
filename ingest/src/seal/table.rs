//! The table that keeps what data keys are made from.

use std::{
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock},
};

use router_schemas::command::Hash16;

/// The table of data keys. After a write that failed, on a full disk for one, what is open takes no other one: it is
/// opened again.
pub(super) struct Table {
    folder: PathBuf,
    /// Empty while it cannot be opened again.
    open: RwLock<Option<Open>>,
}

pub(super) struct Open {
    pub database: fjall::Database,
    pub keyspace: fjall::Keyspace,
}

impl Open {
    fn at(folder: &Path) -> Result<Open, fjall::Error> {
        let database = fjall::Database::builder(folder).open()?;
        let keyspace = database.keyspace("data_keys", fjall::KeyspaceCreateOptions::default)?;
        Ok(Open { database, keyspace })
    }
}

impl Table {
    pub fn open(folder: PathBuf) -> Result<Table, fjall::Error> {
        let open = RwLock::new(Some(Open::at(&folder)?));
        Ok(Table { folder, open })
    }

    pub fn get(&self, name: &Hash16) -> Result<Option<fjall::Slice>, fjall::Error> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        open.as_ref().ok_or(fjall::Error::Poisoned)?.keyspace.get(name)
    }

    /// What is open now, to read through.
    pub fn keyspace(&self) -> Option<fjall::Keyspace> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        open.as_ref().map(|open| open.keyspace.clone())
    }

    /// Does the write, and brings it to the disk.
    pub fn write(&self, write: impl FnOnce(&Open) -> Result<(), fjall::Error>) -> Result<(), fjall::Error> {
        let mut kept = self.open.read().unwrap_or_else(PoisonError::into_inner);
        if kept.is_none() {
            drop(kept);
            let mut again = self.open.write().unwrap_or_else(PoisonError::into_inner);
            *again = Some(Open::at(&self.folder)?);
            drop(again);
            kept = self.open.read().unwrap_or_else(PoisonError::into_inner);
        }
        let open = kept.as_ref().ok_or(fjall::Error::Poisoned)?;
        let written = write(open).and_then(|()| open.database.persist(fjall::PersistMode::SyncData));
        drop(kept);
        if written.is_err() {
            let mut again = self.open.write().unwrap_or_else(PoisonError::into_inner);
            // The old one holds the folder's lock.
            *again = None;
            *again = Open::at(&self.folder).ok();
        }
        written
    }
}
