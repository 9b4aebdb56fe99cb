//! Opening: the lock, the scan of the last segment, and what is refused.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{Read, Seek, Write},
    path::Path,
    sync::{Condvar, Mutex},
};

use router_schemas::position::{LogId, Topic};
use rustix::fs::FlockOperation;

use super::{
    Options, Shared,
    segments::{self, CleanEnd, Sidecar},
    state::{Entry, PartitionState, Segment, State, TopicState},
};
use crate::{
    LogError, LogState, Ticket,
    frame::{self, FrameIndex, HEAD, MAGIC},
};

/// What was found on disk.
pub(crate) struct Recovered {
    log: Option<LogId>,
    state: State,
}

impl Recovered {
    pub fn into_shared(self, folder: &Path, options: Options, read_only: bool) -> Shared {
        let log = self
            .log
            .or(options.create)
            .expect("recover refuses a folder without log and without leave to make one");
        let (watermark, _) = tokio::sync::watch::channel(Ticket(self.state.durable));
        Shared {
            folder: folder.to_owned(),
            log,
            options,
            read_only,
            state: Mutex::new(self.state),
            appended: Condvar::new(),
            settled: Condvar::new(),
            work: Condvar::new(),
            watermark,
            pool: super::pool::Pool::new(),
        }
    }
}

/// Takes the folder's lock: alone, or together with other readers.
pub(crate) fn lock(folder: &Path, alone: bool) -> Result<File, LogError> {
    let path = folder.join("lock");
    let opened = File::options().create(alone).truncate(false).read(true).write(alone).open(&path);
    let mut file = opened.map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => LogError::Missing(folder.to_owned()),
        _ => LogError::Io { step: "cannot open", path: path.clone(), source: e },
    })?;
    let how =
        if alone { FlockOperation::NonBlockingLockExclusive } else { FlockOperation::NonBlockingLockShared };
    if rustix::fs::flock(&file, how).is_err() {
        let mut holder = String::new();
        // The holder's number is a courtesy: without it the refusal stands all the same.
        let _ = (&file).take(64).read_to_string(&mut holder);
        let holder = if holder.trim().is_empty() {
            "another process".into()
        } else {
            format!("process {}", holder.trim())
        };
        return Err(LogError::Locked { folder: folder.to_owned(), holder });
    }
    if alone {
        let note = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            write!(file, "{}", std::process::id())
        };
        // A full disk must not keep a router from starting to read.
        if let Err(error) = note(&mut file) {
            tracing::warn!(%error, "the lock file could not be signed");
        }
    }
    Ok(file)
}

pub(crate) fn recover(folder: &Path, options: &Options, read_only: bool) -> Result<Recovered, LogError> {
    let mut recovered = Recovered { log: None, state: empty() };
    let mut numbers = segments::list(folder)?;
    let clean: Option<CleanEnd> = segments::read_checked(&segments::clean_path(folder));
    drop_unborn(folder, &mut numbers, clean.as_ref(), read_only)?;
    whole(folder, &numbers, clean.as_ref())?;
    for (i, number) in numbers.iter().enumerate() {
        let last = i + 1 == numbers.len();
        match segments::read_checked::<Sidecar>(&segments::sidecar_path(folder, *number)).filter(|_| !last) {
            Some(sidecar) if recovered.fits(&sidecar) => recovered.take_sidecar(folder, *number, sidecar)?,
            _ => recovered.scan(folder, *number, last, clean.as_ref(), read_only)?,
        }
    }
    if recovered.log.is_none() && options.create.is_none() {
        return Err(LogError::Missing(folder.to_owned()));
    }
    if !read_only {
        // From here on the end moves again.
        match fs::remove_file(segments::clean_path(folder)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(LogError::Io {
                    step: "cannot remove",
                    path: segments::clean_path(folder),
                    source: e,
                });
            }
            _ => {}
        }
    }
    recovered.state.durable = recovered.state.next_frame - 1;
    Ok(recovered)
}

fn empty() -> State {
    State {
        topics: Vec::new(),
        commits: Vec::new(),
        segments: VecDeque::new(),
        cache: VecDeque::new(),
        cached_bytes: 0,
        pending: VecDeque::new(),
        pending_bytes: 0,
        next_frame: 1,
        durable: 0,
        log_state: LogState::Running,
        scarce: None,
        closing: false,
    }
}

/// A crash may leave a last segment without its first frame: nothing in it was ever acknowledged.
fn drop_unborn(
    folder: &Path,
    numbers: &mut Vec<u32>,
    clean: Option<&CleanEnd>,
    read_only: bool,
) -> Result<(), LogError> {
    let Some(last) = numbers.last().copied() else { return Ok(()) };
    let path = segments::path(folder, last);
    let file = File::open(&path).map_err(LogError::io("cannot open", &path))?;
    if segments::read_frame(&path, &file, 0).is_ok() {
        return Ok(());
    }
    let bytes = fs::read(&path).map_err(LogError::io("cannot read", &path))?;
    if next_frame_after(&bytes, 0).is_some() {
        return Ok(());
    }
    if let Some(clean) = clean.filter(|c| c.segment == last) {
        return Err(LogError::CutShort { path, byte: 0, closed: clean.bytes });
    }
    numbers.pop();
    if read_only { Ok(()) } else { fs::remove_file(&path).map_err(LogError::io("cannot remove", &path)) }
}

/// Every segment from the first to the last is there, and so is the one at which the journal was closed.
fn whole(folder: &Path, numbers: &[u32], clean: Option<&CleanEnd>) -> Result<(), LogError> {
    if let Some(missing) = numbers.windows(2).find(|pair| pair[1] != pair[0] + 1).map(|pair| pair[0] + 1) {
        let reason = "the segment is missing, and the one behind it is there".into();
        return Err(LogError::Damaged { path: segments::path(folder, missing), byte: 0, reason });
    }
    match clean.filter(|clean| numbers.last().is_none_or(|last| *last < clean.segment)) {
        Some(clean) => Err(LogError::CutShort {
            path: segments::path(folder, clean.segment),
            byte: 0,
            closed: clean.bytes,
        }),
        None => Ok(()),
    }
}

impl Recovered {
    /// True where an index names only what it can: one that does not is made anew from its segment.
    fn fits(&self, sidecar: &Sidecar) -> bool {
        let known = self.state.topics.iter().map(|t| t.partitions.len());
        sidecar.topics.len() >= self.state.topics.len()
            && known.zip(&sidecar.topics).all(|(mine, (_, count))| mine == usize::from(*count))
            && sidecar.topics.iter().all(|(name, _)| name.parse::<Topic>().is_ok())
            && sidecar.partitions.iter().all(|(topic, partition, ..)| {
                sidecar.topics.get(usize::from(*topic)).is_some_and(|(_, count)| partition < count)
            })
            && sidecar.last_frame < u64::MAX
    }

    /// Takes over a closed segment from its index; only its first frame is read.
    fn take_sidecar(&mut self, folder: &Path, number: u32, sidecar: Sidecar) -> Result<(), LogError> {
        let path = segments::path(folder, number);
        let file = File::open(&path).map_err(LogError::io("cannot open", &path))?;
        let bytes = file.metadata().map_err(LogError::io("cannot read", &path))?.len();
        let (_, index) = segments::read_frame(&path, &file, 0)?;
        let damaged = |reason: &str| LogError::Damaged { path: path.clone(), byte: 0, reason: reason.into() };
        self.take_head(&index).map_err(damaged)?;
        let known = self.state.topics.len();
        for (number, (name, partitions)) in (0u16..).zip(&sidecar.topics).skip(known) {
            self.add_topic(number, name, usize::from(*partitions)).map_err(damaged)?;
        }
        for (topic, partition, next, entries) in sidecar.partitions {
            let held = self.partition(topic, partition).map_err(damaged)?;
            if held.entries.is_empty() {
                held.first = entries.first().map_or(next, |e| e.base);
            }
            held.entries.extend(entries);
            held.next = next;
        }
        self.state.segments.push_back(Segment { number, bytes, first_frame: 0, last_at: sidecar.last_at });
        self.state.next_frame = sidecar.last_frame + 1;
        Ok(())
    }

    /// Reads a segment frame by frame; of the last one a torn end is cut off.
    fn scan(
        &mut self,
        folder: &Path,
        number: u32,
        last: bool,
        clean: Option<&CleanEnd>,
        read_only: bool,
    ) -> Result<(), LogError> {
        let path = segments::path(folder, number);
        let bytes = fs::read(&path).map_err(LogError::io("cannot read", &path))?;
        self.state.segments.push_back(Segment { number, bytes: 0, first_frame: 0, last_at: i64::MIN });
        let mut byte = 0;
        while byte < bytes.len() {
            match frame::decode(&bytes[byte..]) {
                Ok((head, index)) => {
                    self.take_frame(number, byte, &head, &index).map_err(|reason| LogError::Damaged {
                        path: path.clone(),
                        byte: byte as u64,
                        reason: reason.into(),
                    })?;
                    byte += HEAD + head.length;
                }
                Err(reason) => {
                    let damaged =
                        LogError::Damaged { path: path.clone(), byte: byte as u64, reason: reason.into() };
                    if !last || next_frame_after(&bytes, byte).is_some() {
                        return Err(damaged);
                    }
                    break;
                }
            }
        }
        if let Some(clean) = clean.filter(|c| c.segment == number && c.bytes > byte as u64) {
            return Err(LogError::CutShort { path, byte: byte as u64, closed: clean.bytes });
        }
        if byte < bytes.len() {
            tracing::warn!(path = %path.display(), byte, lost = bytes.len() - byte, "cut a torn end off the journal");
            if !read_only {
                let file =
                    File::options().write(true).open(&path).map_err(LogError::io("cannot open", &path))?;
                file.set_len(byte as u64).map_err(LogError::io("cannot cut", &path))?;
                file.sync_all().map_err(LogError::io("cannot sync", &path))?;
            }
        }
        Ok(())
    }

    /// Takes a frame in; the error says what it names that cannot be, although its checksum fits.
    fn take_frame(
        &mut self,
        segment: u32,
        byte: usize,
        head: &frame::Head,
        index: &FrameIndex,
    ) -> Result<(), &'static str> {
        self.take_head(index)?;
        for (number, name, partitions) in &index.topics {
            self.add_topic(*number, name, usize::from(*partitions))?;
        }
        for group in &index.groups {
            let held = self.partition(group.topic, group.partition)?;
            if held.entries.is_empty() {
                held.first = group.base;
            } else if held.next != group.base {
                return Err("its records do not follow those before them");
            }
            held.entries.push_back(Entry {
                base: group.base,
                frame: head.number,
                segment,
                byte: byte as u32,
            });
            held.next = group.base.checked_add(u64::from(group.count)).ok_or("its offsets are too large")?;
        }
        self.state.note_commits(&index.commits);
        if head.number < self.state.next_frame {
            return Err("its number is not above those before it");
        }
        self.state.next_frame = head.number.checked_add(1).ok_or("its number is too large")?;
        if let Some(held) = self.state.segments.back_mut() {
            held.bytes = (byte + HEAD + head.length) as u64;
            held.last_at = held.last_at.max(head.at);
        }
        Ok(())
    }

    fn take_head(&mut self, index: &FrameIndex) -> Result<(), &'static str> {
        let Some(head) = &index.segment else { return Ok(()) };
        self.log = Some(head.log);
        for (topic, name, next) in &head.topics {
            if self.state.topics.len() <= usize::from(*topic) {
                self.add_topic(*topic, name, next.len())?;
            }
            for (partition, next) in (0u16..).zip(next) {
                let held = self.partition(*topic, partition)?;
                if held.entries.is_empty() {
                    (held.first, held.next) = (*next, *next);
                }
            }
        }
        self.state.note_commits(&head.commits);
        Ok(())
    }

    fn add_topic(&mut self, number: u16, name: &str, partitions: usize) -> Result<(), &'static str> {
        let topic = name.parse::<Topic>().map_err(|_| "it names a topic that none can be")?;
        if usize::from(number) != self.state.topics.len() {
            return Err("it leaves a topic out");
        }
        let partitions = (0..partitions).map(|_| PartitionState::default()).collect();
        self.state.topics.push(TopicState { topic, partitions });
        Ok(())
    }

    fn partition(&mut self, topic: u16, partition: u16) -> Result<&mut PartitionState, &'static str> {
        let topic = self.state.topics.get_mut(usize::from(topic));
        topic
            .and_then(|t| t.partitions.get_mut(usize::from(partition)))
            .ok_or("it names a partition that is not there")
    }
}

/// Place of a whole frame behind `byte`: then the damage before it is not a torn end.
fn next_frame_after(bytes: &[u8], byte: usize) -> Option<usize> {
    let mut from = byte + 1;
    while let Some(step) = bytes.get(from..)?.windows(MAGIC.len()).position(|w| w == MAGIC) {
        if frame::decode(&bytes[from + step..]).is_ok() {
            return Some(from + step);
        }
        from += step + 1;
    }
    None
}
