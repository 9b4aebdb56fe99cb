//! What can go wrong with the stages of a log: starting them, and going on.

use router_log::LogError;
use router_schemas::{
    position::{LogId, Position, Topic, TopicPartition},
    refusal::Code,
    stage::StageName,
};

use super::snapshots::SnapshotsError;

/// The runner could not start, or a partition could not be brought to a position.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunnerError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Snapshots(#[from] SnapshotsError),
    #[error(
        "E2201: {topic} has {present} partitions, {wanted} are configured; a log keeps its count for ever"
    )]
    Partitions { topic: Topic, present: u16, wanted: u16 },
    #[error("E2202: {partition} is no partition of this log: {reason}; put the right folder there")]
    Genesis { partition: TopicPartition, reason: String },
    #[error("E2203: the log runs at behaviour level {present}, this build knows {known}; run a later build")]
    Level { present: u32, known: u32 },
    #[error("E2204: {0}")]
    Stopped(Stopped),
    #[error("E2205: cannot start a thread: {0}")]
    Thread(std::io::Error),
    #[error(
        "E2401: {}/{partition} cannot be brought to {upto}: the log begins at {first}, and no snapshot at or \
         above it is whole; put the folder `snapshots` back from a backup, or the whole data folder",
        stage.group()
    )]
    Uncovered { stage: StageName, partition: u16, first: u64, upto: u64 },
    #[error(
        "E2211: what follows {partition} needs it from {needed} on, and the log begins at {first}; put the folder \
         `rows` back from a backup, or the whole data folder"
    )]
    Behind { partition: TopicPartition, needed: u64, first: u64 },
    #[error("the router ends")]
    Ending,
}

/// Why a stage partition does not go on.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum StopReason {
    #[error("the record belongs to log {0}")]
    Foreign(LogId),
    #[error("number {expected} of {origin} is missing: {found} follows")]
    Gap { origin: TopicPartition, expected: u64, found: u64 },
    #[error("an invariant is broken: {0}")]
    Broken(String),
    #[error("its time is {0} ms ahead of this machine's clock")]
    Ahead(i64),
    #[error("the log: {0}")]
    Log(String),
}

impl StopReason {
    /// True where the machine may be half changed.
    pub fn is_broken(&self) -> bool {
        matches!(self, StopReason::Broken(_))
    }
}

/// A stage partition stopped at this record.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("stopped at {position}: {reason}; nothing behind it is applied. {}", advice(reason, position))]
pub(crate) struct Stopped {
    pub position: Position,
    pub reason: StopReason,
}

fn advice(reason: &StopReason, position: &Position) -> String {
    match reason {
        StopReason::Ahead(_) => {
            format!("It goes on when the clock is there, or with `router accept {position}`")
        }
        StopReason::Log(_) => "See the log's state".into(),
        _ => format!("Report it with this record; `router skip {position} --reason …` passes it over"),
    }
}

/// Why an operator's word was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WordError {
    #[error(
        "E2208: {0} is no record of router.intake, router.commands or router.control; see `router log ls`"
    )]
    Unknown(Position),
    #[error("E2209: nothing is stopped at {0}; /readyz names the records at which something is")]
    NotStopped(Position),
    #[error("E2210: {0} is not stopped for its time, so accepting it changes nothing; see `router skip`")]
    NotAhead(Position),
    #[error(transparent)]
    Log(#[from] LogError),
}

/// The codes of the runner.
pub(crate) const CODES: &[Code] = &[
    Code::new(
        "E2201",
        "a topic has another number of partitions than configured",
        "give the number it was made with",
    ),
    Code::new("E2202", "a partition is not of this log", "put the right folder there"),
    Code::new("E2203", "the log runs at a later behaviour level", "run a later build"),
    Code::new(
        "E2204",
        "a stage stopped while it was brought to where it had been",
        "report it with the record named",
    ),
    Code::new("E2205", "a thread of the stages cannot be started", "see the system's reason"),
    Code::new("E2206", "a thread of the router cannot be started", "see the system's reason"),
    Code::new(
        "E2213",
        "a thread of the router ended by itself",
        "see the router's log, and start the router again",
    ),
    Code::new("E2207", "the operating system gives no random bytes", "see the system's reason"),
    Code::new(
        "E2212",
        "the keys folder is gone, and the log has orders sealed with its keys",
        "put the folder back from where it is, or from a backup",
    ),
    Code::new("E2208", "no such record on a topic that stages read", "`router log ls` shows the ranges"),
    Code::new(
        "E2209",
        "nothing is stopped at that record",
        "/readyz names the records at which something is",
    ),
    Code::new("E2210", "the record is not stopped for its time", "`router skip` passes it over"),
    Code::new(
        "E2211",
        "the log was trimmed beyond what the rows have",
        "put the folder `rows` back from a backup",
    ),
    Code::new(
        "E2401",
        "the log was trimmed and no snapshot covers its start",
        "put the folder `snapshots` back from a backup",
    ),
    Code::new("E2402", "a snapshot is damaged or missing", "nothing, an older one is used; look at the disk"),
    Code::new("E2403", "a snapshot belongs to another log", "put the right folder there"),
    Code::new("E2404", "a snapshot has a format or level that this build does not know", "run a later build"),
    Code::new("E2405", "snapshots cannot be read or written", "see the reason behind the place"),
];
