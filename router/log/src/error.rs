//! What can go wrong with a log: one variant for each step that failed.

use std::{io, path::PathBuf};

use router_schemas::{
    position::{Topic, TopicPartition},
    refusal::Code,
};

/// Why the log could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Another process has the folder.
    #[error("E2001 {folder} is in use by {holder}; stop it, or give another --data-dir")]
    Locked {
        /// The folder.
        folder: PathBuf,
        /// What its lock file says.
        holder: String,
    },
    /// A file of the journal could not be read, written or made.
    #[error("E2002 {step} {path}: {source}")]
    Io {
        /// What was tried.
        step: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Bytes in the middle of the journal are not what was written.
    #[error(
        "E2003 {path} is damaged at byte {byte}: {reason}; restore the file from a backup, or move the data folder \
         away and replay from one that is whole"
    )]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Where.
        byte: u64,
        /// How it shows.
        reason: String,
    },
    /// The journal was closed cleanly, and ends before that point.
    #[error(
        "E2004 {path} ends at byte {byte}, but was closed whole at byte {closed}: acknowledged records are missing; \
         restore the file from a backup"
    )]
    CutShort {
        /// The segment.
        path: PathBuf,
        /// Where it ends now.
        byte: u64,
        /// Where it ended.
        closed: u64,
    },
    /// No such topic or partition.
    #[error("E2005 the log has no {0}")]
    NoPartition(TopicPartition),
    /// The topic is there with another number of partitions.
    #[error("E2006 topic {topic} has {present} partitions, not {wanted}; this number is fixed for ever")]
    PartitionCount {
        /// The topic.
        topic: Topic,
        /// What it has.
        present: u16,
        /// What was asked.
        wanted: u16,
    },
    /// The records asked for were trimmed, or are not there yet.
    #[error("E2007 {partition}@{offset} is outside of what the log holds, {first} to {next}")]
    OutOfRange {
        /// The partition.
        partition: TopicPartition,
        /// What was asked.
        offset: u64,
        /// First kept.
        first: u64,
        /// Next to be written.
        next: u64,
    },
    /// No room on the disk: nothing new is taken until there is.
    #[error("E2008 no room: {0}; free some space, the router goes on by itself")]
    NoRoom(String),
    /// A write failed for good. Nothing after it counts.
    #[error("E2009 the journal stopped: {0}; restart the router after the cause is gone")]
    Failed(String),
    /// Opened for reading only, or closed.
    #[error("E2010 the journal is open for reading only")]
    ReadOnly,
    /// There is no journal.
    #[error("E2011 {0} holds no journal; `router run` makes one")]
    Missing(PathBuf),
}

impl LogError {
    pub(crate) fn io(step: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> LogError {
        let path = path.into();
        move |source| LogError::Io { step, path, source }
    }
}

/// The codes of this crate.
pub const CODES: &[Code] = &[
    Code {
        id: "E2001",
        summary: "another process has the data folder",
        hint: "stop it, or give another --data-dir",
    },
    Code {
        id: "E2002",
        summary: "a file of the journal could not be read or written",
        hint: "see the system's reason behind the path",
    },
    Code {
        id: "E2003",
        summary: "the journal is damaged in the middle",
        hint: "restore the segment from a backup",
    },
    Code {
        id: "E2004",
        summary: "the journal ends before the point at which it was closed",
        hint: "restore the segment from a backup",
    },
    Code { id: "E2005", summary: "no such topic or partition", hint: "`router log ls` shows what there is" },
    Code {
        id: "E2006",
        summary: "a topic has another number of partitions than configured",
        hint: "give the number it was made with",
    },
    Code {
        id: "E2007",
        summary: "a position outside of what the log holds",
        hint: "`router log ls` shows the ranges",
    },
    Code { id: "E2008", summary: "the disk is full", hint: "free some space; the router goes on by itself" },
    Code { id: "E2009", summary: "writing the journal failed", hint: "remove the cause, then restart" },
    Code { id: "E2010", summary: "the journal is open for reading only", hint: "start the router to write" },
    Code { id: "E2011", summary: "the folder holds no journal", hint: "`router run` makes one" },
];
