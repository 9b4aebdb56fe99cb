//! INTAKE record by record, as the runner drives it.

mod held;
mod histories;
mod orders;
mod sources;
mod waiting;

use router_schemas::{
    command::{
        Assigned, Command, Hash16,
        order::{
            Arrival, Cancel, Delivered, OrderBody, OrderHead, OrderLine, OrderMessage, PaymentFact, Pin,
            PinKind,
        },
        reference::{Channel, Node, Published, Reference, Region, Zone},
    },
    dead_letter::DeadLetter,
    envelope::{self, Body, Meta, Origin, ReplyTo, Source, write_postcard},
    event::{Change, Event, Outcome},
    id::{Identity, OrderId},
    position::{LogId, Position, Topic},
    quantity::Qty,
    reply::{Accepted, Answer},
    stage::{Form, Input, Output, Outputs, Stage, Topology},
};

use super::Intake;

const TOPOLOGY: Topology = Topology { log: LogId([7; 16]), intake: 4, commands: 4, events: 4 };
const PARTITION: u16 = 2;

/// An intake, fed one record after the other, a second apart.
struct Run {
    intake: Intake,
    next: u64,
    at: i64,
    out: Outputs,
}

/// What a record made it write.
struct Wrote(Vec<(Topic, u16, Meta, Body)>);

impl Run {
    /// With nothing known.
    fn bare() -> Run {
        let intake = Intake::new(TOPOLOGY, PARTITION);
        Run { intake, next: 0, at: 1_000_000, out: Outputs::default() }
    }

    /// With zones `east` (partition 1) and `west` (3), a node in each, a region and a channel for `east`.
    fn new() -> Run {
        let mut run = Run::bare();
        for change in [zone("east", 1), zone("west", 3), node("n-east", "east"), node("n-west", "west")] {
            run.publish(change);
        }
        run.publish(channel("web", Some("east")));
        run
    }

    fn publish(&mut self, change: Reference) -> Wrote {
        self.tell(published(change))
    }

    fn tell(&mut self, command: Command) -> Wrote {
        self.tell_with(Meta::default(), command)
    }

    /// As somebody who waits: for the engine's outcome, or for intake's decision.
    fn ask(&mut self, outcome: bool, command: Command) -> Wrote {
        self.tell_with(Meta { reply: Some(reply_to(outcome)), ..Meta::default() }, command)
    }

    /// As a decoder that read it at this offset of its topic.
    fn sent_by_source(&mut self, offset: u64, command: Command) -> Wrote {
        self.tell_with(Meta { source: Some(source(1, offset, 0)), ..Meta::default() }, command)
    }

    fn tell_with(&mut self, meta: Meta, command: Command) -> Wrote {
        self.record(&envelope::to_vec(None, &meta, &command), false)
    }

    fn record(&mut self, payload: &[u8], skipped: bool) -> Wrote {
        self.out.clear();
        self.intake.apply(Input { offset: self.next, at: self.at, skipped, payload }, &mut self.out);
        self.next += 1;
        self.at = self.at.saturating_add(1_000);
        let origin = Origin { log: TOPOLOGY.log, topic: 1, partition: PARTITION, sequence: 1 };
        let read = |output: &Output| {
            assert!(matches!(output.form, Form::Binary(_)), "intake writes no JSON");
            let mut record = Vec::new();
            self.out.record(output, &origin, &mut record);
            let (meta, body) = envelope::decode_any(&record).unwrap();
            (output.target.topic.clone(), output.target.partition, meta, body)
        };
        Wrote(self.out.iter().map(read).collect())
    }

    fn snapshot(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.intake.snapshot(&mut bytes);
        bytes
    }

    /// The same from its snapshot.
    fn restart(&mut self) {
        let bytes = self.snapshot();
        let hash = self.intake.state_hash();
        self.intake = Intake::restore(TOPOLOGY, PARTITION, &bytes).unwrap();
        assert_eq!((self.intake.state_hash(), self.snapshot()), (hash, bytes));
    }

    fn gauge(&self, name: &str) -> u64 {
        self.intake.gauges().into_iter().find(|(n, _)| *n == name).unwrap().1
    }
}

impl Wrote {
    /// Commands for the engine: partition, meta, command.
    fn commands(&self) -> Vec<(u16, &Meta, &Command)> {
        let to_engine = self.0.iter().filter(|(topic, ..)| *topic == Topic::Commands);
        to_engine
            .filter_map(|(_, partition, meta, body)| match body {
                Body::Command(command) => Some((*partition, meta, &**command)),
                _ => None,
            })
            .collect()
    }

    /// What each command for the engine is, and for which zone.
    fn passed(&self) -> Vec<(&'static str, String)> {
        let zone = |command: &Command| assigned(command).map_or(String::new(), |to| to.zone.clone());
        self.commands().into_iter().map(|(_, _, c)| (c.name(), zone(c))).collect()
    }

    fn answers(&self) -> Vec<Answer> {
        let bodies = self.0.iter().map(|(.., body)| body);
        bodies.filter_map(|b| if let Body::Reply(r) = b { Some(r.answer.clone()) } else { None }).collect()
    }

    fn accepted(&self) -> Accepted {
        match self.answers().as_slice() {
            [Answer::Accepted(accepted)] => accepted.clone(),
            other => panic!("accepted, not {other:?}"),
        }
    }

    fn events(&self) -> Vec<&Event> {
        let bodies = self.0.iter().map(|(.., body)| body);
        bodies.filter_map(|b| if let Body::Event(event) = b { Some(&**event) } else { None }).collect()
    }

    /// The one outcome, where there is one.
    fn outcome(&self) -> Option<Outcome> {
        let outcomes: Vec<_> = self.events().iter().filter_map(|e| e.outcome).collect();
        assert!(outcomes.len() <= 1, "{outcomes:?}");
        outcomes.first().copied()
    }

    /// Dead letters and the names of their topics.
    fn letters(&self) -> Vec<(String, &DeadLetter)> {
        let mut letters = Vec::new();
        for (topic, _, meta, body) in &self.0 {
            if let Body::DeadLetter(letter) = body {
                assert_eq!(meta.reply, None);
                letters.push((topic.name(), letter));
            }
        }
        letters
    }

    fn exceptions(&self) -> usize {
        let exception = |c: &&Change| matches!(c, Change::Exception(_));
        self.events().iter().flat_map(|e| &e.changes).filter(exception).count()
    }

    /// True where it asks to go on.
    fn goes_on(&self) -> bool {
        let own = |(topic, partition, _, body): &(Topic, u16, Meta, Body)| {
            *topic == Topic::Intake
                && *partition == PARTITION
                && matches!(body, Body::Command(c) if **c == Command::Continue)
        };
        self.0.iter().filter(|w| own(w)).count() == 1
    }
}

fn assigned(command: &Command) -> Option<&Assigned> {
    match command {
        Command::Place(m) | Command::Amend(m) => m.to.as_ref(),
        Command::Cancel(c) => c.to.as_ref(),
        Command::Payment(p) => p.to.as_ref(),
        Command::Delivered(d) => d.to.as_ref(),
        Command::Reserve(r) => r.to.as_ref(),
        Command::Extend(e) => e.to.as_ref(),
        Command::Release(r) => r.to.as_ref(),
        Command::Steer(s) => s.to.as_ref(),
        _ => None,
    }
}

fn published(change: Reference) -> Command {
    Command::Reference(Published { control: 0, change })
}

fn zone(id: &str, partition: u16) -> Reference {
    Reference::Zone(Zone { id: id.into(), partition: Some(partition) })
}

fn node(id: &str, zone: &str) -> Reference {
    Reference::Node(Box::new(Node { id: id.into(), zone: zone.into(), enabled: true, ..Node::default() }))
}

fn region(id: &str, zone: &str) -> Reference {
    Reference::Region(Region { id: id.into(), zone: zone.into(), centroid: None })
}

fn channel(id: &str, default_zone: Option<&str>) -> Reference {
    let default_zone = default_zone.map(Into::into);
    Reference::Channel(Channel { id: id.into(), default_zone, ..Channel::default() })
}

fn source(incarnation: u32, offset: u64, index: u32) -> Source {
    Source { id: "orders.web".into(), incarnation, partition: 0, offset, index }
}

fn reply_to(outcome: bool) -> ReplyTo {
    ReplyTo { partition: 9, correlation: [3; 16], outcome }
}

fn identity(id: &str) -> Identity {
    Identity { channel: "web".into(), account: String::new(), external_id: id.into() }
}

/// The hash of a content or of a key.
fn hash(content: u8) -> Hash16 {
    [content; 16]
}

/// An order message of a raw topic.
fn raw(id: &str, version: Option<u64>, content: u8) -> OrderMessage {
    let line = OrderLine { line: "1".into(), sku: "A".into(), qty: Qty::ONE, ..OrderLine::default() };
    let mut body = Vec::new();
    write_postcard(&OrderBody { lines: vec![line], ..OrderBody::default() }, &mut body);
    let identity = identity(id);
    let (content, arrival) = (hash(content), Arrival::Raw);
    OrderMessage {
        to: None,
        head: OrderHead { identity, version, content, arrival, ..OrderHead::default() },
        body,
    }
}

fn http(id: &str, content: u8) -> OrderMessage {
    let mut message = raw(id, None, content);
    message.head.arrival = Arrival::Http;
    message
}

fn place(id: &str, version: u64, content: u8) -> Command {
    Command::Place(raw(id, Some(version), content))
}

fn amend(id: &str, version: u64, content: u8) -> Command {
    Command::Amend(raw(id, Some(version), content))
}

fn cancel(id: &str, version: Option<u64>, content: u8) -> Command {
    Command::Cancel(Cancel { identity: identity(id), version, content: hash(content), ..Cancel::default() })
}

fn paid(id: &str, key: u8) -> Command {
    Command::Payment(PaymentFact { identity: identity(id), key: hash(key), ..PaymentFact::default() })
}

fn delivered(id: &str, key: u8) -> Command {
    Command::Delivered(Delivered { identity: identity(id), key: hash(key), ..Delivered::default() })
}

fn pin(node: &str, hard: bool) -> Option<Pin> {
    let kind = if hard { PinKind::Hard } else { PinKind::Prefer };
    Some(Pin { node: node.into(), kind })
}

/// The id that the record at this offset gives.
fn id_at(offset: u64) -> OrderId {
    OrderId::new(TOPOLOGY.log, &Topic::Intake, PARTITION, offset)
}

fn at(offset: u64) -> Position {
    Position::new(Topic::Intake, PARTITION, offset)
}
