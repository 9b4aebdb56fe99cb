//! What a stage is: a deterministic state machine that turns the records of one partition into records of
//! others. INTAKE, ENGINE and CONTROL are stages; one runner serves all.

use std::ops::Range;

use serde::Serialize;

use crate::{
    envelope::{self, Meta, Origin, RecordBody},
    position::{LogId, Topic},
};

/// The stages of the router.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StageName {
    /// Gives orders their ids and home zones.
    Intake,
    /// Decides.
    Engine,
    /// Publishes reference material.
    Control,
}

impl StageName {
    /// Every stage.
    pub const ALL: [StageName; 3] = [StageName::Intake, StageName::Engine, StageName::Control];

    /// The topic that it reads.
    pub fn input(self) -> Topic {
        match self {
            StageName::Intake => Topic::Intake,
            StageName::Engine => Topic::Commands,
            StageName::Control => Topic::Control,
        }
    }

    /// Its name as a reader of the log.
    pub fn group(self) -> &'static str {
        match self {
            StageName::Intake => "intake",
            StageName::Engine => "engine",
            StageName::Control => "control",
        }
    }
}

/// One record as a stage sees it.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Its offset in the stage's input partition.
    pub offset: u64,
    /// Append time given by the log, ms.
    pub at: i64,
    /// Set: an operator's word that this record is to be passed over; only outcome and reply are written.
    pub skipped: bool,
    /// The record.
    pub payload: &'a [u8],
}

/// A deterministic state machine over one partition. The same inputs give the same bytes of outputs and the
/// same hash, on every machine, for ever.
pub trait Stage: Send {
    /// Applies one record and appends what it writes to `out`. Never fails: what cannot be decoded becomes a
    /// dead letter and an outcome. Panics only where an invariant is broken; the runner then drops the stage.
    fn apply(&mut self, input: Input<'_>, out: &mut Outputs);

    /// XXH3-64 over the logical content in key order.
    fn state_hash(&self) -> u64;

    /// Appends the whole state to `out`, in the snapshot format of the behaviour level.
    fn snapshot(&self, out: &mut Vec<u8>);

    /// Writes the same bytes as [`Stage::snapshot`]; a stage whose state may be large does not hold them all.
    fn snapshot_to(&self, out: &mut dyn std::io::Write) -> std::io::Result<()> {
        let mut whole = Vec::new();
        self.snapshot(&mut whole);
        out.write_all(&whole)
    }

    /// Named numbers for metrics: open orders, waiting orders, cells.
    fn gauges(&self) -> Vec<(&'static str, u64)>;
}

/// Where an output goes; only topics with a fixed name and dead letters are written by stages.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Target {
    /// The topic.
    pub topic: Topic,
    /// The partition.
    pub partition: u16,
}

/// Form of an output's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// Kind of body, then postcard of meta and body.
    Binary(u8),
    /// The text of a JSON object.
    Json,
}

/// One output, its bytes kept in the arena of [`Outputs`].
#[derive(Clone, Debug)]
pub struct Output {
    /// Where it goes.
    pub target: Target,
    /// Form of the bytes.
    pub form: Form,
    /// Where the bytes lie in the arena.
    range: Range<usize>,
}

/// What a stage wrote, in order. Reused from batch to batch: no allocation in steady state.
#[derive(Debug, Default)]
pub struct Outputs {
    items: Vec<Output>,
    arena: Vec<u8>,
    muted: bool,
}

impl Outputs {
    /// Outputs that are dropped before they are encoded: what a stage costs without them is what it decides.
    pub fn muted() -> Outputs {
        Outputs { muted: true, ..Outputs::default() }
    }

    /// Appends a binary record.
    pub fn push<T: RecordBody>(&mut self, topic: Topic, partition: u16, meta: &Meta, body: &T) {
        self.push_image::<T>(topic, partition, meta, body);
    }

    /// As [`Outputs::push`], from an image that gives the same bytes as the body that it stands for.
    pub fn push_image<T: RecordBody>(
        &mut self,
        topic: Topic,
        partition: u16,
        meta: &Meta,
        body: &impl Serialize,
    ) {
        if self.muted {
            return;
        }
        let start = self.arena.len();
        envelope::write_postcard(meta, &mut self.arena);
        envelope::write_postcard(body, &mut self.arena);
        let range = start..self.arena.len();
        self.items.push(Output { target: Target { topic, partition }, form: Form::Binary(T::KIND), range });
    }

    /// Appends a JSON record; `object` must serialise to a JSON object.
    pub fn push_json<T: Serialize>(&mut self, topic: Topic, partition: u16, object: &T) {
        if self.muted {
            return;
        }
        let start = self.arena.len();
        serde_json::to_writer(&mut self.arena, object).expect("notices serialise, and a Vec takes all");
        let range = start..self.arena.len();
        self.items.push(Output { target: Target { topic, partition }, form: Form::Json, range });
    }

    /// The outputs in the order in which they were pushed.
    pub fn iter(&self) -> impl Iterator<Item = &Output> {
        self.items.iter()
    }

    /// Number of outputs.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Drops what was pushed since `len` outputs were there: what a broken command wrote.
    pub fn truncate(&mut self, len: usize) {
        if let Some(first) = self.items.get(len) {
            self.arena.truncate(first.range.start);
        }
        self.items.truncate(len);
    }

    /// Drops all.
    pub fn clear(&mut self) {
        self.truncate(0);
    }

    /// The bytes of an output as pushed, without origin.
    pub fn bytes(&self, output: &Output) -> &[u8] {
        &self.arena[output.range.clone()]
    }

    /// Appends the record of `output`, with its origin, to `out`.
    pub fn record(&self, output: &Output, origin: &Origin, out: &mut Vec<u8>) {
        match output.form {
            Form::Binary(kind) => envelope::write_record(kind, origin, self.bytes(output), out),
            Form::Json => envelope::encode_json(origin, self.bytes(output), out),
        }
    }
}

/// What a stage has to know of the log it runs on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Topology {
    /// The log.
    pub log: LogId,
    /// Partitions of `router.intake`.
    pub intake: u16,
    /// Partitions of `router.commands`.
    pub commands: u16,
    /// Partitions of `router.events` and of the topics for outside readers.
    pub events: u16,
}
