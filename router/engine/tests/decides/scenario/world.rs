//! The engine as a scenario drives it: record by record, as the runner would, with all that it wrote kept.

use std::collections::{BTreeMap, VecDeque};

use router_engine::engine::Engine;
use router_schemas::{
    command::{
        Assigned, Command,
        reference::{Node, Published, Reference, Zone},
    },
    envelope::{self, Meta, ReplyTo},
    event::{Change, Event, Outcome},
    id::{Identity, OrderId},
    limits::EFFECT_BYTES,
    position::{LogId, Topic},
    reply::Reply,
    stage::{Input, Outputs, Stage, Topology},
};
use serde_json::Value;

use super::ledger::Ledger;

pub const TOPOLOGY: Topology = Topology { log: LogId([3; 16]), intake: 1, commands: 1, events: 1 };
/// 2026-03-01T08:00 UTC.
const START: i64 = 1_772_352_000_000;

/// One record of the log.
#[derive(Clone)]
struct Record {
    at: i64,
    skipped: bool,
    payload: Vec<u8>,
    /// Topic, partition and bytes of all that applying it wrote.
    wrote: Vec<(Topic, u16, Vec<u8>)>,
}

/// What the last command wrote, continued or not.
#[derive(Default)]
pub struct Said {
    pub steps: usize,
    pub outcome: Option<Outcome>,
    pub events: Vec<Event>,
    pub assignments: Vec<Value>,
    /// What nodes were told of offers.
    pub offers: Vec<Value>,
    pub notices: Vec<Value>,
    pub alerts: Vec<Value>,
    pub replies: Vec<Reply>,
    pub dead_letters: usize,
    /// What went back to intake.
    pub to_intake: Vec<Command>,
    /// What platforms were told they may sell.
    pub available: Vec<Value>,
    /// What control was told.
    pub to_control: Vec<Command>,
}

impl Said {
    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        self.events.iter().flat_map(|event| &event.changes)
    }
}

pub struct World {
    pub engine: Engine,
    pub ledger: Ledger,
    pub now: i64,
    pub said: Said,
    /// The engine asked to continue and nothing did so far.
    pub owes: bool,
    /// What the engine sent to its own partition: parts of orders, and word of them.
    pub sent: VecDeque<(Meta, Command)>,
    pub orders: BTreeMap<String, OrderId>,
    /// The channel that each order came by: a part of its identity.
    pub channels: BTreeMap<String, String>,
    pub nodes: BTreeMap<String, Node>,
    /// The last offer that a node heard of: node, order.
    pub offers: BTreeMap<(String, String), Value>,
    /// All that nodes heard of offers and that nobody took yet.
    pub heard: Vec<Value>,
    /// Orders named so far, forgotten ones included.
    named: u64,
    records: Vec<Record>,
}

impl World {
    /// An engine that knows the zone `z`, and nothing else.
    pub fn new() -> World {
        let mut world = World {
            engine: Engine::new(TOPOLOGY, 0),
            ledger: Ledger::default(),
            now: START,
            said: Said::default(),
            owes: false,
            sent: VecDeque::new(),
            orders: BTreeMap::new(),
            channels: BTreeMap::new(),
            nodes: BTreeMap::new(),
            offers: BTreeMap::new(),
            heard: Vec::new(),
            named: 0,
            records: Vec::new(),
        };
        let zone = Zone { id: "z".into(), partition: Some(0) };
        world.publish(Reference::Zone(zone)).expect("a zone is taken");
        world
    }

    /// Plays lines as they stand in a file.
    pub fn play(&mut self, lines: &str) {
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            self.line(line).unwrap_or_else(|why| panic!("{line}: {why}"));
        }
    }

    pub fn publish(&mut self, change: Reference) -> Result<(), String> {
        let control = self.records.len() as u64;
        self.apply(&Command::Reference(Published { control, change }), true)
    }

    /// Applies the command, and unless told otherwise what it asks to continue.
    pub fn apply(&mut self, command: &Command, follow: bool) -> Result<(), String> {
        self.said = Said::default();
        self.step(command, false)?;
        while follow && (self.owes || !self.sent.is_empty()) {
            match self.sent.pop_front() {
                Some((meta, command)) => self.record(&meta, &command, false)?,
                None => self.step(&Command::Continue, false)?,
            }
            if self.said.steps > 20_000 {
                return Err("it asks to continue without end".into());
            }
        }
        Ok(())
    }

    /// Applies the command alone, or passes it over; what it said is added to what was said.
    pub fn step(&mut self, command: &Command, skipped: bool) -> Result<(), String> {
        let reply = Some(ReplyTo { partition: 0, correlation: [9; 16], outcome: true });
        let asked = !matches!(command, Command::Tick | Command::Continue | Command::Reference(_));
        let says = |text: &str| matches!(command, Command::Steer(_)).then(|| text.to_owned());
        let reply = reply.filter(|_| asked);
        let meta = Meta { reply, actor: says("ada"), reason: says("call"), ..Meta::default() };
        self.record(&meta, command, skipped)
    }

    /// Applies a record; what it said is added to what was said.
    pub fn record(&mut self, meta: &Meta, command: &Command, skipped: bool) -> Result<(), String> {
        let payload = envelope::to_vec(None, meta, command);
        self.owes &= !matches!(command, Command::Continue);
        let mut record = Record { at: self.now, skipped, payload, wrote: Vec::new() };
        apply(&mut self.engine, self.records.len() as u64, &mut record);
        self.said.steps += 1;
        let mut events = Vec::new();
        for (topic, _, bytes) in &record.wrote {
            if bytes.len() > EFFECT_BYTES {
                return Err(format!("a record of {} bytes on {topic}", bytes.len()));
            }
            let json = || serde_json::from_slice::<Value>(bytes).map_err(|e| e.to_string());
            match topic {
                Topic::Events => events.push(read::<Event>(bytes)?),
                Topic::Assignments => {
                    let notice = json()?;
                    match notice["type"].as_str() {
                        Some("offer.v1") => self.hear(notice),
                        _ => self.said.assignments.push(notice),
                    }
                }
                Topic::Notifications => self.said.notices.push(json()?),
                Topic::StockAlerts => self.said.alerts.push(json()?),
                Topic::Availability => self.said.available.push(json()?),
                Topic::Control => self.said.to_control.push(read(bytes)?),
                Topic::Replies => self.said.replies.push(read(bytes)?),
                Topic::DeadLetter(_) => self.said.dead_letters += 1,
                Topic::Intake => self.said.to_intake.push(read(bytes)?),
                Topic::Commands => match read::<Command>(bytes)? {
                    Command::Continue if self.owes => return Err("two continues are under way".into()),
                    Command::Continue => self.owes = true,
                    command => self.sent.push_back((meta_of(bytes)?, command)),
                },
                other => return Err(format!("nothing is written to {other} at this level")),
            }
        }
        self.records.push(record);
        self.name_parts(&events);
        self.name_legs(&events);
        let checked = self.ledger.record(command, skipped, &events);
        self.said.outcome = self.said.outcome.or(events.iter().find_map(|event| event.outcome));
        self.said.events.extend(events);
        checked.and_then(|()| self.ledger.agrees_with(&self.engine, false))
    }

    fn hear(&mut self, notice: Value) {
        let text = |field: &str| notice[field].as_str().unwrap_or_default().to_owned();
        if notice["event"] == "offered" {
            self.offers.insert((text("node"), text("external_id")), notice.clone());
        }
        self.heard.push(notice.clone());
        self.said.offers.push(notice);
    }

    /// Plays all records into a fresh engine, and again over a snapshot from the middle.
    pub fn replay(&self) -> Result<(), String> {
        self.ledger.agrees_with(&self.engine, true)?;
        self.replay_over(self.records.len() / 2)
    }

    /// Plays all records again, over a snapshot and restore before the record `cut`.
    pub fn replay_over(&self, cut: usize) -> Result<(), String> {
        let mut fresh = Engine::new(TOPOLOGY, 0);
        let mut restored = None;
        for (offset, record) in self.records.iter().enumerate() {
            if offset == cut {
                let mut snapshot = Vec::new();
                fresh.snapshot(&mut snapshot);
                let engine = Engine::restore(TOPOLOGY, 0, &snapshot).map_err(|e| e.to_string())?;
                let hashes = (fresh.state_hash(), engine.state_hash());
                if hashes.0 != hashes.1 {
                    return Err(format!("the hash differs after a snapshot at {offset}"));
                }
                restored = Some(engine);
            }
            for (engine, what) in [(Some(&mut fresh), "a replay"), (restored.as_mut(), "a restored snapshot")]
            {
                let Some(engine) = engine else { continue };
                let mut again = Record { wrote: Vec::new(), ..record.clone() };
                apply(engine, offset as u64, &mut again);
                if again.wrote != record.wrote {
                    return Err(format!("{what} writes other bytes at record {offset}"));
                }
            }
        }
        let engines = std::iter::once(&fresh).chain(&restored);
        match engines.map(Stage::state_hash).all(|hash| hash == self.engine.state_hash()) {
            true => Ok(()),
            false => Err("a replay ends in another hash".into()),
        }
    }

    pub fn hash(&self) -> u64 {
        self.engine.state_hash()
    }

    pub fn records(&self) -> usize {
        self.records.len()
    }

    /// The order of this name, given an id when it is first named.
    pub fn order_id(&mut self, name: &str) -> OrderId {
        let fresh = OrderId::new(TOPOLOGY.log, &Topic::Intake, 0, self.named);
        let id = *self.orders.entry(name.to_owned()).or_insert(fresh);
        self.named += u64::from(id == fresh);
        id
    }

    /// A placement of a name that was forgotten is a new order.
    pub fn place_anew(&mut self, name: &str) {
        if self.orders.get(name).is_some_and(|id| self.ledger.forgot(*id)) {
            self.orders.remove(name);
        }
    }

    pub fn known(&self, name: &str) -> Result<OrderId, String> {
        self.orders.get(name).copied().ok_or_else(|| format!("no order is named {name}"))
    }

    pub fn name_of(&self, id: OrderId) -> String {
        let found = self.orders.iter().find(|(_, known)| **known == id);
        found.map_or_else(|| id.to_string(), |(name, _)| name.clone())
    }

    pub fn assigned(&mut self, name: &str, zone: Option<String>) -> Option<Assigned> {
        Some(Assigned { order: self.order_id(name), zone: zone.unwrap_or_else(|| "z".into()) })
    }

    pub fn identity(&self, name: &str) -> Identity {
        let channel = self.channels.get(name).cloned().unwrap_or_else(|| "web".into());
        Identity { channel, account: String::new(), external_id: name.to_owned() }
    }
}

fn apply(engine: &mut Engine, offset: u64, record: &mut Record) {
    let mut out = Outputs::default();
    let input = Input { offset, at: record.at, skipped: record.skipped, payload: &record.payload };
    engine.apply(input, &mut out);
    let wrote = |o: &router_schemas::stage::Output| {
        (o.target.topic.clone(), o.target.partition, out.bytes(o).to_vec())
    };
    record.wrote = out.iter().map(wrote).collect();
}

fn meta_of(bytes: &[u8]) -> Result<Meta, String> {
    postcard::take_from_bytes(bytes).map(|(meta, _)| meta).map_err(|e| e.to_string())
}

fn read<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let (_, rest): (Meta, _) = postcard::take_from_bytes(bytes).map_err(|e| e.to_string())?;
    postcard::from_bytes(rest).map_err(|e| e.to_string())
}
