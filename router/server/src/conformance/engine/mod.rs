//! The production engine as the subject of scenarios: one partition with one zone, fed record by record as the runner
//! feeds it. What a scenario asks for goes in as commands, what it checks is read from the engine's events and rows.

mod load;
mod numbers;
mod rules;
mod seen;
mod steps;

use std::collections::{BTreeMap, BTreeSet};

use router_engine::engine::Engine;
use router_schemas::{
    command::{Assigned, Command},
    envelope::{self, Meta, ReplyTo, decode},
    event::Event,
    id::{Identity, OrderId},
    position::{LogId, Topic},
    refusal::Refusal,
    reply::{Answer, Reply},
    stage::{Input, Outputs, Stage, Topology},
};

use self::{numbers::Numbers, seen::Seen};
use super::{
    format::Scenario,
    step::Step,
    subject::{Done, Snapshot, Subject},
};

const TOPOLOGY: Topology = Topology { log: LogId([0xc0; 16]), intake: 1, commands: 1, events: 1 };
/// When scenarios begin, ms: 2026-01-01T00:00Z.
const BEGINNING: i64 = 1_767_225_600_000;

/// The engine, and what was seen of it.
pub struct EngineSubject {
    engine: Engine,
    offset: u64,
    now: i64,
    ids: u64,
    /// Order by name.
    orders: BTreeMap<String, OrderId>,
    placed: BTreeSet<String>,
    /// What was answered to each key.
    answers: BTreeMap<String, Done>,
    /// Channel of each order: an order has one for ever, whichever step names it.
    channels: BTreeMap<String, String>,
    /// Every channel and SKU that a state may be asked for.
    named: (BTreeSet<String>, BTreeSet<String>),
    untracked: BTreeSet<String>,
    enabled: BTreeSet<String>,
    /// Sequences and ranks that the engine has as their places, from the smallest.
    numbers: Numbers,
    /// Seconds that all steps together take.
    lasts: u64,
    seen: Seen,
}

/// What one command led to.
struct Told {
    /// Events of the record itself.
    events: Vec<Event>,
    refused: Option<Refusal>,
    /// Of holds whose time was over, with it or what followed from it: SKU, thousandths.
    lapsed: Vec<(String, i64)>,
}

impl Default for EngineSubject {
    fn default() -> Self {
        EngineSubject {
            engine: Engine::new(TOPOLOGY, 0),
            offset: 0,
            now: BEGINNING,
            ids: 0,
            orders: BTreeMap::new(),
            placed: BTreeSet::new(),
            answers: BTreeMap::new(),
            channels: BTreeMap::new(),
            named: Default::default(),
            untracked: BTreeSet::new(),
            enabled: BTreeSet::new(),
            numbers: Default::default(),
            lasts: 0,
            seen: Seen::default(),
        }
    }
}

impl Subject for EngineSubject {
    fn load(&mut self, scenario: &Scenario) -> Result<(), String> {
        *self = EngineSubject::default();
        self.tell(&Command::Tick);
        self.begin(scenario)
    }

    fn apply(&mut self, step: &Step) -> Result<Done, String> {
        Ok(self.step(step))
    }

    fn snapshot(&mut self) -> Result<Snapshot, String> {
        Ok(self.look())
    }
}

impl EngineSubject {
    /// Applies a command, and all that it asks to continue.
    fn tell(&mut self, command: &Command) -> Told {
        let (mut told, mut more) = self.apply_one(command);
        while let Some(next) = more.pop() {
            let (after, further) = self.apply_one(&next);
            told.lapsed.extend(after.lapsed);
            more.extend(further);
        }
        told
    }

    fn apply_one(&mut self, command: &Command) -> (Told, Vec<Command>) {
        let reply = ReplyTo { partition: 0, correlation: [0; 16], outcome: true };
        let meta = Meta { reply: Some(reply), ..Meta::default() };
        let payload = envelope::to_vec(None, &meta, command);
        let mut outputs = Outputs::default();
        let input = Input { offset: self.offset, at: self.now, skipped: false, payload: &payload };
        self.engine.apply(input, &mut outputs);
        self.offset += 1;
        let (mut events, mut refused, mut more) = (Vec::new(), None, Vec::new());
        let mut whole = Vec::new();
        for output in outputs.iter() {
            whole.clear();
            let origin = envelope::Origin { log: TOPOLOGY.log, topic: 2, partition: 0, sequence: 1 };
            outputs.record(output, &origin, &mut whole);
            match output.target.topic {
                Topic::Events => events.extend(decode::<Event>(&whole).map(|(_, event)| event)),
                Topic::Commands => more.extend(decode::<Command>(&whole).map(|(_, command)| command)),
                Topic::Replies => {
                    if let Ok((_, Reply { answer: Answer::Refused { refusal, .. }, .. })) = decode(&whole) {
                        refused = Some(refusal);
                    }
                }
                _ => {}
            }
        }
        let mut lapsed = Vec::new();
        for event in &events {
            self.seen.take(event);
            lapsed.extend(seen::lapsed(event));
        }
        (Told { events, refused, lapsed }, more)
    }

    fn next_id(&mut self) -> OrderId {
        self.ids += 1;
        OrderId::new(TOPOLOGY.log, &Topic::Intake, 0, self.ids)
    }

    /// The order of that name, where intake would send what is about it.
    fn assigned(&mut self, order: &str) -> Assigned {
        let id = match self.orders.get(order) {
            Some(id) => *id,
            None => {
                let id = self.next_id();
                self.orders.insert(order.to_owned(), id);
                id
            }
        };
        Assigned { order: id, zone: load::ZONE.into() }
    }

    /// The platform's name of the order.
    fn identity(&self, order: &str) -> Identity {
        let channel = self.channels.get(order).map_or(load::DEFAULT, String::as_str);
        Identity { channel: channel.into(), account: String::new(), external_id: order.into() }
    }

    fn fresh_key(&mut self) -> [u8; 16] {
        self.ids += 1;
        let mut key = [0; 16];
        key[..8].copy_from_slice(&self.ids.to_le_bytes());
        key
    }
}
