//! Snapshots of stage partitions in an object store: a folder, or a service that speaks S3.
//!
//! ```text
//! magic "ORSN" (4) | format (1) | length of the header (u32) | header: postcard of Header
//! the stage's state, to the end | CRC-32 of all before it (u32)
//! ```
//! All numbers little endian; magic, format and CRC stay where they are in every later format. An object is named
//! `<stage>/<partition>/<position>-<copy>.snap`; it is there whole or not at all, and its CRC is checked all the same.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::TryStreamExt;
use object_store::{
    MultipartUpload, ObjectStore, ObjectStoreExt, local::LocalFileSystem, path::Path as ObjectPath,
};
use router_schemas::{
    envelope::write_postcard,
    position::LogId,
    stage::{StageName, Topology},
};
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

use super::{Cell, bootstrap::LEVEL, ledger::Ledger, words::Given};

const MAGIC: [u8; 4] = *b"ORSN";
/// Format of the snapshots that this build writes.
const FORMAT: u8 = 1;
/// Bytes of one slice to a service; those that speak S3 want at least 5 MiB.
const SLICE: usize = 8 << 20;
/// Bytes of one slice to a folder. Each is synced by itself: the journal's own sync may lie on the same disk, and
/// waits for no more than this. Tests have small states, and many slices all the same.
const LOCAL_SLICE: usize = if cfg!(test) { 1000 } else { 1 << 20 };

/// What a snapshot is of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Header {
    pub log: LogId,
    /// Behaviour level that the state was made at.
    pub level: u32,
    /// Group name of the stage.
    pub stage: String,
    pub partition: u16,
    /// Partitions of the stage's input topic: stands for the genesis record once that is trimmed.
    pub partitions: u16,
    /// Offset of the next record to apply.
    pub position: u64,
    /// The greatest append time applied, ms.
    pub time: i64,
    pub state_hash: u64,
    /// Numbers seen and given.
    pub ledger: Ledger,
    /// CONTROL's only: operators' words up to the position.
    pub given: Given,
}

/// Names a snapshot of a partition; later ones are greater.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Name {
    /// Offset of the next record to apply.
    pub position: u64,
    /// More than 0: there is another at the same position. A partition that rests has several all the same, so that
    /// one that is damaged does not leave it without any.
    pub copy: u32,
}

impl std::fmt::Display for Name {
    /// Twenty digits: names sort as positions do.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:020}-{}", self.position, self.copy)
    }
}

/// A snapshot as read: whole, of this log, and of a level that this build knows.
pub(crate) struct Snapshot {
    pub name: Name,
    pub header: Header,
    bytes: bytes::Bytes,
    state: std::ops::Range<usize>,
}

impl Snapshot {
    /// The stage's state.
    pub fn state(&self) -> &[u8] {
        &self.bytes[self.state.clone()]
    }
}

/// A snapshot could not be written, read or used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SnapshotsError {
    #[error("E2402: the snapshot {place} is no good: {reason}; an older one is used where there is one")]
    Damaged { place: String, reason: String },
    #[error(
        "E2403: the snapshot {place} is of log {found}, this is log {expected}; put the right folder there"
    )]
    OtherLog { place: String, found: LogId, expected: LogId },
    #[error("E2404: the snapshot {place} has {what}, which this build does not know; run a later build")]
    Unknown { place: String, what: String },
    #[error("E2405: {step} {place}: {source}")]
    Store { step: &'static str, place: String, source: Box<object_store::Error> },
    #[error("E2405: {step} {place}: {source}")]
    Io { step: &'static str, place: String, source: io::Error },
}

/// Where snapshots are kept.
pub(crate) struct Snapshots {
    store: Arc<dyn ObjectStore>,
    /// Drives the store; none of its work is done by the threads of the gateway.
    runtime: Runtime,
    /// The folder, where it is one: the object store leaves syncing to its user.
    folder: Option<PathBuf>,
}

impl Snapshots {
    /// Snapshots in a folder of this machine, made where it is missing.
    pub fn local(folder: &Path) -> Result<Snapshots, SnapshotsError> {
        let failed = |step| {
            let place = folder.display().to_string();
            move |source| SnapshotsError::Io { step, place, source }
        };
        std::fs::create_dir_all(folder).map_err(failed("cannot make"))?;
        let store = LocalFileSystem::new_with_prefix(folder).map_err(|source| {
            let place = folder.display().to_string();
            SnapshotsError::Store { step: "cannot open", place, source: Box::new(source) }
        })?;
        Snapshots::new(Arc::new(store), Some(folder.to_owned()))
    }

    /// Snapshots in any object store.
    pub fn new(store: Arc<dyn ObjectStore>, folder: Option<PathBuf>) -> Result<Snapshots, SnapshotsError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|source| SnapshotsError::Io {
            step: "cannot start a runtime for",
            place: "snapshots".into(),
            source,
        })?;
        Ok(Snapshots { store, runtime, folder })
    }

    /// Removes what a crash left of snapshots that were being written; such files are never listed. For the owner of
    /// the log only.
    pub fn sweep(&self) -> Result<(), SnapshotsError> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let sweep = |stage: StageName| -> io::Result<()> {
            let Ok(partitions) = std::fs::read_dir(folder.join(stage.group())) else { return Ok(()) };
            for partition in partitions {
                for file in std::fs::read_dir(partition?.path())? {
                    let path = file?.path();
                    if path.file_name().is_some_and(|name| name.as_encoded_bytes().contains(&b'#')) {
                        std::fs::remove_file(path)?;
                    }
                }
            }
            Ok(())
        };
        StageName::ALL.into_iter().try_for_each(sweep).map_err(|source| {
            let place = folder.display().to_string();
            SnapshotsError::Io { step: "cannot clean", place, source }
        })
    }

    /// The snapshots of a partition, the newest first.
    pub fn list(&self, stage: StageName, partition: u16) -> Result<Vec<Name>, SnapshotsError> {
        let prefix = ObjectPath::from(format!("{}/{partition}", stage.group()));
        let listed = self.runtime.block_on(self.store.list(Some(&prefix)).try_collect::<Vec<_>>());
        let listed = listed.map_err(|source| store("cannot list", &prefix, source))?;
        let name = |meta: &object_store::ObjectMeta| {
            let (position, copy) = meta.location.filename()?.strip_suffix(".snap")?.split_once('-')?;
            Some(Name { position: position.parse().ok()?, copy: copy.parse().ok()? })
        };
        let mut names: Vec<_> = listed.iter().filter_map(name).collect();
        names.sort_unstable_by(|a, b| b.cmp(a));
        Ok(names)
    }

    /// Reads a snapshot and checks that it is whole, of this log, and known to this build.
    pub fn read(
        &self,
        topology: &Topology,
        stage: StageName,
        partition: u16,
        name: Name,
    ) -> Result<Snapshot, SnapshotsError> {
        let path = path(stage, partition, name);
        let got = self.runtime.block_on(async { self.store.get(&path).await?.bytes().await });
        let bytes = got.map_err(|source| match source {
            object_store::Error::NotFound { .. } => damaged(&path, "it is missing"),
            source => store("cannot read", &path, source),
        })?;
        let (header, state) = open(&path, &bytes)?;
        let place = path.to_string();
        if header.log != topology.log {
            return Err(SnapshotsError::OtherLog { place, found: header.log, expected: topology.log });
        }
        if header.level > LEVEL {
            let what = format!("behaviour level {}", header.level);
            return Err(SnapshotsError::Unknown { place, what });
        }
        if (header.stage.as_str(), header.partition, header.position)
            != (stage.group(), partition, name.position)
        {
            let Header { stage, partition, position, .. } = header;
            return Err(damaged(&path, &format!("it is of {stage}/{partition}@{position}")));
        }
        Ok(Snapshot { name, header, state, bytes })
    }

    /// Writes a snapshot of the cell, slice by slice; `pause` is told after each how long it took. The name appears
    /// when all of it is on disk.
    pub fn write(
        &self,
        cell: &Cell,
        copy: u32,
        pause: &mut dyn FnMut(Duration),
    ) -> Result<Name, SnapshotsError> {
        let header = cell.header();
        let name = Name { position: header.position, copy };
        let path = path(cell.stage, cell.partition, name);
        let failed = |source| store("cannot write", &path, source);
        let upload = self.runtime.block_on(self.store.put_multipart(&path)).map_err(failed)?;
        let mut slices = Slices {
            runtime: &self.runtime,
            upload,
            slice: Vec::new(),
            most: if self.folder.is_some() { LOCAL_SLICE } else { SLICE },
            target: self.folder.as_ref().map(|folder| folder.join(path.as_ref())),
            crc: crc32fast::Hasher::new(),
            pause,
            failed: None,
        };
        let written = slices.whole(&header, cell);
        let Slices { mut upload, failed: cause, .. } = slices;
        let written = match (cause, written) {
            (Some(source), _) => Err(failed(source)),
            (None, Err(source)) => {
                Err(SnapshotsError::Io { step: "cannot write", place: path.to_string(), source })
            }
            (None, Ok(())) => self.runtime.block_on(upload.complete()).map(|_| ()).map_err(failed),
        };
        if let Err(error) = written {
            // What was begun is no snapshot; the next start removes it if this cannot.
            let _ = self.runtime.block_on(upload.abort());
            return Err(error);
        }
        self.sync(&path)?;
        Ok(name)
    }

    /// A folder's files and names are on disk only when synced.
    fn sync(&self, path: &ObjectPath) -> Result<(), SnapshotsError> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let mut place = folder.join(path.as_ref());
        let synced = (|| loop {
            std::fs::File::open(&place)?.sync_all()?;
            if place == *folder || !place.pop() {
                return Ok(());
            }
        })();
        synced.map_err(|source| SnapshotsError::Io { step: "cannot sync", place: path.to_string(), source })
    }

    /// Removes a snapshot.
    pub fn remove(&self, stage: StageName, partition: u16, name: Name) -> Result<(), SnapshotsError> {
        let path = path(stage, partition, name);
        let removed = self.runtime.block_on(self.store.delete(&path));
        removed.map_err(|source| store("cannot remove", &path, source))
    }
}

fn path(stage: StageName, partition: u16, name: Name) -> ObjectPath {
    ObjectPath::from(format!("{}/{partition}/{name}.snap", stage.group()))
}

fn store(step: &'static str, path: &ObjectPath, source: object_store::Error) -> SnapshotsError {
    SnapshotsError::Store { step, place: path.to_string(), source: Box::new(source) }
}

fn damaged(path: &ObjectPath, reason: &str) -> SnapshotsError {
    SnapshotsError::Damaged { place: path.to_string(), reason: reason.to_owned() }
}

/// Takes the bytes of an object apart. Its checksum comes first: a format is only unknown where it was written so.
fn open(path: &ObjectPath, bytes: &[u8]) -> Result<(Header, std::ops::Range<usize>), SnapshotsError> {
    let short = || damaged(path, "it ends early");
    let (body, crc) = bytes.split_last_chunk::<4>().ok_or_else(short)?;
    if crc32fast::hash(body).to_le_bytes() != *crc {
        return Err(damaged(path, "its checksum does not fit"));
    }
    let (magic, rest) = body.split_first_chunk::<4>().ok_or_else(short)?;
    let (format, rest) = rest.split_first().ok_or_else(short)?;
    if *magic != MAGIC {
        return Err(damaged(path, "it does not begin like a snapshot"));
    }
    if *format != FORMAT {
        return Err(SnapshotsError::Unknown { place: path.to_string(), what: format!("format {format}") });
    }
    let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(short)?;
    let header = rest.get(..u32::from_le_bytes(*length) as usize).ok_or_else(short)?;
    let from = body.len() - rest.len() + header.len();
    let header = postcard::from_bytes(header).map_err(|e| damaged(path, &e.to_string()))?;
    Ok((header, from..body.len()))
}

/// Gathers bytes into slices and sends each when it is full.
struct Slices<'a> {
    runtime: &'a Runtime,
    upload: Box<dyn MultipartUpload>,
    slice: Vec<u8>,
    /// Bytes of a full slice.
    most: usize,
    /// Where the file will be, in a folder.
    target: Option<PathBuf>,
    crc: crc32fast::Hasher,
    pause: &'a mut dyn FnMut(Duration),
    /// Why a slice could not be sent: a writer's own error keeps no cause.
    failed: Option<object_store::Error>,
}

impl Slices<'_> {
    fn whole(&mut self, header: &Header, cell: &Cell) -> io::Result<()> {
        let mut head = Vec::new();
        write_postcard(header, &mut head);
        self.write_all(&MAGIC)?;
        self.write_all(&[FORMAT])?;
        self.write_all(&(head.len() as u32).to_le_bytes())?;
        self.write_all(&head)?;
        // States come byte by byte. Taken apart without a flush: only the last slice may be a short one.
        let mut buffered = io::BufWriter::with_capacity(64 << 10, &mut *self);
        cell.write_state(&mut buffered)?;
        buffered.into_inner().map_err(io::IntoInnerError::into_error)?;
        let crc = self.crc.clone().finalize();
        self.write_all(&crc.to_le_bytes())?;
        self.flush()
    }

    /// Syncs what was written of a file so far. Until it has its name, it lies beside it under one that begins with it
    /// and a `#`.
    fn sync(&self) -> io::Result<()> {
        let Some((folder, name)) = self.target.as_ref().and_then(|t| t.parent().zip(t.file_name())) else {
            return Ok(());
        };
        let staged = [name.as_encoded_bytes(), b"#"].concat();
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_name().as_encoded_bytes().starts_with(&staged) {
                std::fs::File::open(entry.path())?.sync_data()?;
            }
        }
        Ok(())
    }
}

impl Write for Slices<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.most - self.slice.len();
        let taken = &bytes[..bytes.len().min(room)];
        self.slice.extend_from_slice(taken);
        self.crc.update(taken);
        if self.slice.len() == self.most {
            self.flush()?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.slice.is_empty() {
            return Ok(());
        }
        let begun = Instant::now();
        let slice = std::mem::take(&mut self.slice);
        self.runtime.block_on(self.upload.put_part(slice.into())).map_err(|error| {
            let text = error.to_string();
            self.failed = Some(error);
            io::Error::other(text)
        })?;
        self.sync()?;
        (self.pause)(begun.elapsed());
        Ok(())
    }
}
