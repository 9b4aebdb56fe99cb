//! A log made by hand: each record is written here, with the numbers that a router would have given it. Lines can be
//! changed before they are written.

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use router_log::{Commit, Journal, Log, Options, Transaction};
use router_schemas::{
    command::Command,
    dead_letter::DeadLetter,
    envelope::{self, Meta, Origin, ReplyTo},
    event::{Change, Event, Outcome},
    id::OrderId,
    position::{LogId, Position, Topic, TopicPartition},
    reply::{Answer, Reply},
    row::Row,
    stage::StageName,
};
use serde_json::{Value, json};

pub const LOG: LogId = LogId([7; 16]);
pub const PARTITIONS: u16 = 2;
/// Time of the first transaction, ms; each begins a second after the last.
const BEGINNING: i64 = 1_700_000_000_000;

#[derive(Clone)]
pub enum Body {
    Command(Meta, Box<Command>),
    Event(Box<Event>),
    Reply(Reply),
    Letter(DeadLetter),
    Notice(Value),
    Raw(Vec<u8>),
}

/// A record.
#[derive(Clone)]
pub struct Line {
    pub label: &'static str,
    transaction: i64,
    pub target: TopicPartition,
    pub offset: u64,
    pub source: Option<(Topic, u16)>,
    pub body: Body,
    /// Added to the number that its source gives it.
    pub ahead: u64,
}

impl Line {
    pub fn position(&self) -> Position {
        Position::new(self.target.topic.clone(), self.target.partition, self.offset)
    }

    pub fn event(&mut self) -> &mut Event {
        match &mut self.body {
            Body::Event(event) => event,
            _ => panic!("{} is no event", self.label),
        }
    }

    pub fn notice(&mut self) -> &mut Value {
        match &mut self.body {
            Body::Notice(value) => value,
            _ => panic!("{} is no notice", self.label),
        }
    }

    pub fn reply(&mut self) -> &mut Reply {
        match &mut self.body {
            Body::Reply(reply) => reply,
            _ => panic!("{} is no reply", self.label),
        }
    }

    pub fn command(&mut self) -> (&mut Meta, &mut Command) {
        match &mut self.body {
            Body::Command(meta, command) => (meta, command),
            _ => panic!("{} is no command", self.label),
        }
    }
}

#[derive(Clone, Default)]
pub struct History {
    pub lines: Vec<Line>,
    transaction: i64,
    next: HashMap<TopicPartition, u64>,
    /// Engine time and hybrid time of each record of an input.
    times: HashMap<Position, (i64, u64)>,
    clocks: HashMap<TopicPartition, (i64, u64)>,
    correlations: u64,
    /// Records at the end of a partition that no stage has applied.
    pub unapplied: HashMap<TopicPartition, u64>,
}

impl History {
    /// Begins the next transaction.
    pub fn then(&mut self) -> &mut Self {
        self.transaction += 1;
        self
    }

    /// Lets so many seconds pass.
    pub fn wait(&mut self, seconds: i64) {
        self.transaction += seconds;
    }

    fn push(
        &mut self,
        label: &'static str,
        topic: Topic,
        partition: u16,
        source: Option<(Topic, u16)>,
        body: Body,
    ) -> Position {
        let target = TopicPartition::new(topic, partition);
        let next = self.next.entry(target.clone()).or_default();
        let (offset, transaction) = (*next, self.transaction);
        *next += 1;
        let line = Line { label, transaction, target, offset, source, body, ahead: 0 };
        let position = line.position();
        self.lines.push(line);
        position
    }

    /// A record of a stage's input.
    pub fn input(
        &mut self,
        label: &'static str,
        topic: Topic,
        partition: u16,
        meta: Meta,
        command: Command,
    ) -> Position {
        self.sent(label, topic, partition, None, meta, Body::Command(Meta::default(), Box::new(command)))
    }

    /// As [`History::input`], written by a stage, or not a command at all.
    pub fn sent(
        &mut self,
        label: &'static str,
        topic: Topic,
        partition: u16,
        source: Option<(Topic, u16)>,
        meta: Meta,
        body: Body,
    ) -> Position {
        let at = BEGINNING + self.transaction * 1000;
        let clock = self.clocks.entry(TopicPartition::new(topic.clone(), partition)).or_default();
        clock.0 = clock.0.max(at);
        let carried = if topic == Topic::Control { 0 } else { meta.carried };
        clock.1 = (clock.1 + 1).max(clock.0 as u64 * 1000).max(carried + 1);
        let times = *clock;
        let body = match body {
            Body::Command(_, command) => Body::Command(meta, command),
            other => other,
        };
        let position = self.push(label, topic, partition, source, body);
        self.times.insert(position.clone(), times);
        position
    }

    /// The last record of its partition, which an operator has passed over: its time does not count.
    pub fn passed_over(&mut self, position: &Position) {
        let lane = TopicPartition::new(position.topic.clone(), position.partition);
        let before = Position { offset: position.offset - 1, ..position.clone() };
        let (at, time) = self.times[&before];
        let times = (at, time + 1);
        self.clocks.insert(lane, times);
        self.times.insert(position.clone(), times);
    }

    /// Hybrid time at which a record was applied.
    pub fn time(&self, cause: &Position) -> u64 {
        self.times[cause].1
    }

    pub fn at(&self, cause: &Position) -> i64 {
        self.times[cause].0
    }

    pub fn event(
        &mut self,
        label: &'static str,
        cause: &Position,
        order: Option<OrderId>,
        outcome: Outcome,
        changes: Vec<Change>,
        rows: Vec<Row>,
    ) -> Position {
        let (at, time) = self.times[cause];
        let event =
            Event { cause: cause.clone(), item: 0, at, time, order, outcome: Some(outcome), changes, rows };
        let source = (cause.topic.clone(), cause.partition);
        let partition = cause.partition % PARTITIONS;
        self.push(label, Topic::Events, partition, Some(source), Body::Event(Box::new(event)))
    }

    pub fn reply(&mut self, label: &'static str, cause: &Position, to: ReplyTo, answer: Answer) {
        let reply = Reply { correlation: to.correlation, position: cause.clone(), answer };
        let source = (cause.topic.clone(), cause.partition);
        self.push(label, Topic::Replies, to.partition, Some(source), Body::Reply(reply));
    }

    /// A notice; its position and time are added.
    pub fn notice(&mut self, label: &'static str, topic: Topic, cause: &Position, mut value: Value) {
        value["position"] = json!(cause);
        value["at"] = json!(self.at(cause));
        let source = (cause.topic.clone(), cause.partition);
        self.push(label, topic, cause.partition, Some(source), Body::Notice(value));
    }

    pub fn letter(&mut self, label: &'static str, cause: &Position) {
        let letter = DeadLetter {
            position: cause.clone(),
            code: "E1114".into(),
            pointer: String::new(),
            detail: "it does not decode".into(),
            key: [0; 16],
            bytes: vec![1, 2, 3],
            resolved: false,
        };
        let source = (cause.topic.clone(), cause.partition);
        self.push(label, Topic::DeadLetter("commands".into()), 0, Some(source), Body::Letter(letter));
    }

    /// Someone new who waits for an answer.
    pub fn caller(&mut self, outcome: bool) -> ReplyTo {
        self.correlations += 1;
        ReplyTo { partition: 0, correlation: u128::from(self.correlations).to_le_bytes(), outcome }
    }

    pub fn line(&mut self, label: &str) -> &mut Line {
        self.lines.iter_mut().find(|line| line.label == label).unwrap_or_else(|| panic!("no line {label}"))
    }

    /// Removes a record that no other names.
    pub fn without(&mut self, label: &str) -> Position {
        let place = self.lines.iter().position(|line| line.label == label);
        let line = self.lines.remove(place.unwrap_or_else(|| panic!("no line {label}")));
        for later in self.lines.iter_mut().filter(|l| l.target == line.target && l.offset > line.offset) {
            later.offset -= 1;
        }
        line.position()
    }

    /// Writes a record once more, right behind itself.
    pub fn twice(&mut self, label: &str) -> Position {
        let place = self.lines.iter().position(|line| line.label == label).unwrap();
        let mut again = self.lines[place].clone();
        again.offset += 1;
        for later in self.lines.iter_mut().filter(|l| l.target == again.target && l.offset >= again.offset) {
            later.offset += 1;
        }
        let position = again.position();
        self.lines.insert(place + 1, again);
        position
    }

    /// Writes all of it, and how far the stages are.
    pub fn write(&self, folder: &Path, segment_bytes: u64) -> Journal {
        let now = Arc::new(AtomicI64::new(BEGINNING));
        let clock = now.clone();
        let options = Options {
            create: Some(LOG),
            segment_bytes,
            reserve_bytes: 0,
            clock: Arc::new(move || clock.load(Ordering::Relaxed)),
            ..Options::default()
        };
        let log = Journal::open(folder, options).unwrap();
        for topic in Topic::FIXED.iter().take(8) {
            log.create_topic(topic, if *topic == Topic::Control { 1 } else { PARTITIONS }).unwrap();
        }
        log.create_topic(&Topic::DeadLetter("commands".into()), 1).unwrap();
        let mut numbers = HashMap::<((Topic, u16), TopicPartition), u64>::new();
        let (mut ends, mut transaction) = (HashMap::<TopicPartition, u64>::new(), Transaction::default());
        for (place, line) in self.lines.iter().enumerate() {
            let origin = line.source.as_ref().map(|source| {
                let number = numbers.entry((source.clone(), line.target.clone())).or_default();
                *number += 1 + line.ahead;
                Origin { log: LOG, topic: source.0.code(), partition: source.1, sequence: *number }
            });
            let mut bytes = Vec::new();
            match &line.body {
                Body::Command(meta, command) => {
                    envelope::encode(origin.as_ref(), meta, &**command, &mut bytes)
                }
                Body::Event(event) => {
                    envelope::encode(origin.as_ref(), &Meta::default(), &**event, &mut bytes)
                }
                Body::Reply(reply) => envelope::encode(origin.as_ref(), &Meta::default(), reply, &mut bytes),
                Body::Letter(letter) => {
                    envelope::encode(origin.as_ref(), &Meta::default(), letter, &mut bytes)
                }
                Body::Notice(value) => {
                    envelope::encode_json(&origin.unwrap(), value.to_string().as_bytes(), &mut bytes);
                }
                Body::Raw(raw) => bytes.extend_from_slice(raw),
            }
            transaction.push(&line.target.topic, line.target.partition, &bytes);
            *ends.entry(line.target.clone()).or_default() += 1;
            if self.lines.get(place + 1).is_none_or(|next| next.transaction != line.transaction) {
                now.store(BEGINNING + line.transaction * 1000, Ordering::Relaxed);
                log.append(&transaction).unwrap();
                transaction.clear();
            }
        }
        for (target, end) in ends {
            let stage = StageName::ALL.into_iter().find(|stage| stage.input() == target.topic);
            if let Some(stage) = stage {
                let next = end - self.unapplied.get(&target).copied().unwrap_or(0);
                transaction.commit(Commit { group: stage.group().into(), source: target, next });
            }
        }
        let ticket = log.append(&transaction).unwrap().ticket;
        log.wait_durable(ticket).unwrap();
        log
    }
}
