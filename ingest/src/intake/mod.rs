//! INTAKE: knows every order's id and home zone. It gives ids, drops repeats, keeps what came too early, and
//! passes the rest to the partition of the order's home zone.

mod directory;
mod row;
mod state;

use router_schemas::{
    command::{
        Ask, Assigned, Command, Hash16,
        order::{Arrival, OrderMessage},
    },
    dead_letter::DeadLetter,
    envelope::{self, Meta, ReplyTo, write_postcard},
    event::{Change, Event, Exception, Outcome},
    id::{Identity, OrderId},
    limits,
    position::{Position, Topic},
    refusal::Refusal,
    reply::{Accepted, Answer, Reply},
    row::Row,
    snapshot::{self, SnapshotError},
    stage::{Input, Outputs, Stage, Topology},
};
use row::parked_row;
use state::{Entry, Standing, State, Waiting};

/// The state machine of one partition of `router.intake`.
pub struct Intake {
    topology: Topology,
    partition: u16,
    state: State,
}

/// Version and time of update, and content, as a message states them.
type Said = ((Option<u64>, Option<i64>), Hash16);

/// The record being applied.
struct Cause {
    position: Position,
    meta: Meta,
}

impl Intake {
    /// An intake that has seen nothing.
    pub fn new(topology: Topology, partition: u16) -> Self {
        Self { topology, partition, state: State::default() }
    }

    /// The intake of a snapshot.
    pub fn restore(topology: Topology, partition: u16, snapshot: &[u8]) -> Result<Self, SnapshotError> {
        Ok(Self { topology, partition, state: snapshot::read(snapshot)? })
    }

    fn dispatch(&mut self, cause: &Cause, command: Command, out: &mut Outputs) {
        if let Some(source) = &cause.meta.source
            && self.state.known_source(source)
        {
            return self.close(cause, Outcome::Repeat, None, None, out);
        }
        match command {
            Command::Genesis(_) => {}
            Command::Tick => self.expire_early(cause, out),
            Command::Continue => self.retry_parked(out),
            Command::Reference(published) => {
                if self.state.publish(&published) {
                    self.state.retry_from = Some(Identity::default());
                }
                self.close(cause, Outcome::Applied, None, None, out);
                self.retry_parked(out);
            }
            Command::Forgotten(ask) => {
                if self.state.orders.get(&ask.identity).is_some_and(|e| e.order == ask.order) {
                    self.state.orders.remove(&ask.identity);
                }
                self.close(cause, Outcome::Applied, None, None, out);
            }
            Command::Place(message) => self.place(cause, message, out),
            Command::Amend(message) => self.amend(cause, message, out),
            Command::Cancel(cancel) => {
                let content = cancel.content;
                let versions = (cancel.version, cancel.updated_at);
                let identity = cancel.identity.clone();
                let command = Command::Cancel(cancel);
                self.about_known(cause, &identity, command, Some((versions, content)), out);
            }
            Command::Payment(_) | Command::Delivered(_) => {
                let identity = command.identity().cloned().unwrap_or_default();
                self.about_known(cause, &identity, command, None, out);
            }
            _ => self.refuse(cause, Refusal::WrongZone, command.name(), out),
        }
    }

    fn place(&mut self, cause: &Cause, message: OrderMessage, out: &mut Outputs) {
        let head = &message.head;
        let identity = head.identity.clone();
        let Some(entry) = self.state.orders.get(&identity) else {
            return self.first(cause, identity, message, out);
        };
        match (head.arrival, entry.standing(head.version, head.updated_at, &head.content)) {
            (Arrival::Http, _) if head.content != entry.first => {
                self.refuse(cause, Refusal::Conflict, &identity.external_id, out);
            }
            (Arrival::Http, _) | (Arrival::Raw, Standing::Repeat) => self.repeat(cause, &identity, out),
            (Arrival::Raw, Standing::Older) => self.ignore(cause, &identity, out),
            (Arrival::Raw, Standing::Conflict) => self.bury(cause, &message, out),
            (Arrival::Raw, Standing::Newer) => {
                self.note(&identity, (head.version, head.updated_at), head.content);
                self.pass(cause, &identity, Command::Amend(message), out);
            }
        }
    }

    fn first(&mut self, cause: &Cause, identity: Identity, message: OrderMessage, out: &mut Outputs) {
        let Position { topic, partition, offset } = &cause.position;
        let order = OrderId::new(self.topology.log, topic, *partition, *offset);
        let head = &message.head;
        let zone = self.state.home(head);
        let entry = Entry {
            order,
            zone: zone.clone(),
            version: head.version,
            updated_at: head.updated_at,
            first: head.content,
            seen: vec![head.content],
        };
        self.state.orders.insert(&identity, entry);
        self.answer(cause, Answer::Accepted(self.accepted(&identity)), out);
        match zone {
            Some(_) => self.forward(&cause.meta, &identity, Command::Place(message), out),
            None => {
                let row = parked_row(order, &message, self.state.engine_time);
                self.park(&identity, &cause.meta, &Command::Place(message));
                self.close(cause, Outcome::NoZone, Some(order), row, out);
            }
        }
        for early in self.state.take_early(&identity) {
            self.go_on(&identity, early, out);
        }
    }

    fn amend(&mut self, cause: &Cause, message: OrderMessage, out: &mut Outputs) {
        let head = &message.head;
        let identity = head.identity.clone();
        let checked = Some(((head.version, head.updated_at), head.content));
        self.about_known(cause, &identity, Command::Amend(message), checked, out);
    }

    /// A command about an order that should be known. `content`: versions and content by which a repeat is told.
    fn about_known(
        &mut self,
        cause: &Cause,
        identity: &Identity,
        command: Command,
        content: Option<Said>,
        out: &mut Outputs,
    ) {
        let Some(entry) = self.state.orders.get(identity) else {
            return self.early(cause, identity, &command, out);
        };
        if let Some(((version, updated_at), content)) = content {
            match entry.standing(version, updated_at, &content) {
                Standing::Repeat => return self.repeat(cause, identity, out),
                Standing::Older => return self.ignore(cause, identity, out),
                // A cancel names the version that it cancels: no contradiction.
                Standing::Conflict if !matches!(command, Command::Cancel(_)) => {
                    return self.refuse(cause, Refusal::Conflict, &identity.external_id, out);
                }
                Standing::Conflict | Standing::Newer => self.note(identity, (version, updated_at), content),
            }
        }
        self.answer(cause, Answer::Accepted(self.accepted(identity)), out);
        self.pass(cause, identity, command, out);
    }

    fn early(&mut self, cause: &Cause, identity: &Identity, command: &Command, out: &mut Outputs) {
        // Who waits for an outcome is told now that there is none yet.
        let meta = Meta { reply: None, ..cause.meta.clone() };
        let waiting = self.waiting(meta, command);
        if self.state.keep_early(identity, waiting) {
            self.answer_all(cause, Answer::Early, out);
            self.close(cause, Outcome::Early, None, None, out);
        } else {
            self.refuse(cause, Refusal::TooManyEarly, &identity.external_id, out);
        }
    }

    /// What came early, now that its order is there.
    fn go_on(&mut self, identity: &Identity, waiting: Waiting, out: &mut Outputs) {
        let Ok(command) = postcard::from_bytes::<Command>(&waiting.command) else { return };
        let said = match &command {
            Command::Amend(m) => Some((m.head.version, m.head.updated_at, m.head.content)),
            Command::Cancel(c) => Some((c.version, c.updated_at, c.content)),
            _ => None,
        };
        if let Some((version, updated_at, content)) = said {
            let entry = &self.state.orders[identity];
            if matches!(entry.standing(version, updated_at, &content), Standing::Older | Standing::Repeat) {
                return;
            }
            self.note(identity, (version, updated_at), content);
        }
        match self.state.orders[identity].zone {
            Some(_) => self.forward(&waiting.meta, identity, command, out),
            None => self.park(identity, &waiting.meta, &command),
        }
    }

    fn repeat(&mut self, cause: &Cause, identity: &Identity, out: &mut Outputs) {
        let accepted = self.accepted(identity);
        let order = accepted.order;
        let waits_for_outcome = cause.meta.reply.is_some_and(|r| r.outcome);
        if waits_for_outcome && accepted.zone.is_some() {
            let ask = Command::Ask(Ask { order, identity: identity.clone() });
            self.forward(&cause.meta, identity, ask, out);
        } else {
            self.answer_all(cause, Answer::Repeat(accepted), out);
            self.close(cause, Outcome::Repeat, Some(order), None, out);
        }
    }

    fn ignore(&mut self, cause: &Cause, identity: &Identity, out: &mut Outputs) {
        self.answer_all(cause, Answer::Ignored, out);
        self.close(cause, Outcome::Ignored, Some(self.state.orders[identity].order), None, out);
    }

    fn refuse(&mut self, cause: &Cause, refusal: Refusal, detail: &str, out: &mut Outputs) {
        self.answer_all(cause, Answer::Refused { refusal, detail: detail.into() }, out);
        self.close(cause, Outcome::Refused(refusal), None, None, out);
    }

    /// The same version of an order with other content, from a raw topic: someone has to look.
    fn bury(&mut self, cause: &Cause, message: &OrderMessage, out: &mut Outputs) {
        let code = Refusal::Conflict.code();
        let mut bytes = Vec::new();
        write_postcard(message, &mut bytes);
        let letter = DeadLetter {
            position: cause.position.clone(),
            code: code.id.into(),
            pointer: "/version".into(),
            detail: code.summary.into(),
            key: Hash16::default(),
            bytes,
            resolved: false,
        };
        let source = cause.meta.source.as_ref().map_or("intake", |s| s.id.as_str());
        out.push(Topic::DeadLetter(source.into()), 0, &cause.meta, &letter);
        self.refuse(cause, Refusal::Conflict, &message.head.identity.external_id, out);
    }

    fn pass(&mut self, cause: &Cause, identity: &Identity, command: Command, out: &mut Outputs) {
        if self.state.orders[identity].zone.is_some() {
            self.forward(&cause.meta, identity, command, out);
        } else {
            self.park(identity, &cause.meta, &command);
            self.close(cause, Outcome::NoZone, Some(self.state.orders[identity].order), None, out);
        }
    }

    /// Writes the command to the partition of the order's home zone; the reply address goes along only where
    /// the engine is to answer.
    fn forward(&self, meta: &Meta, identity: &Identity, mut command: Command, out: &mut Outputs) {
        let entry = &self.state.orders[identity];
        let Some(zone) = entry.zone.clone() else { return };
        let partition = self.state.zones.get(&zone).copied().unwrap_or(0);
        let to = Some(Assigned { order: entry.order, zone });
        match &mut command {
            Command::Place(m) | Command::Amend(m) => m.to = to,
            Command::Cancel(c) => c.to = to,
            Command::Payment(p) => p.to = to,
            Command::Delivered(d) => d.to = to,
            _ => {}
        }
        let reply = meta.reply.filter(|r| r.outcome);
        let meta = Meta { reply, carried: self.state.hybrid, ..meta.clone() };
        out.push(Topic::Commands, partition, &meta, &command);
    }

    fn park(&mut self, identity: &Identity, meta: &Meta, command: &Command) {
        let waiting = self.waiting(meta.clone(), command);
        self.state.parked.entry(identity.clone()).or_default().push(waiting);
    }

    fn waiting(&self, meta: Meta, command: &Command) -> Waiting {
        let mut bytes = Vec::new();
        write_postcard(command, &mut bytes);
        Waiting { at: self.state.engine_time, meta, command: bytes }
    }

    /// Looks at parked orders from where the last pass ended, a bounded number, and asks to go on if there
    /// are more.
    fn retry_parked(&mut self, out: &mut Outputs) {
        let Some(from) = self.state.retry_from.take() else { return };
        let parked = self.state.parked.range(from..).map(|(identity, _)| identity.clone());
        let mut batch: Vec<_> = parked.take(limits::ITEMS_PER_COMMAND + 1).collect();
        if batch.len() > limits::ITEMS_PER_COMMAND {
            self.state.retry_from = batch.pop();
        }
        for identity in batch {
            self.retry(&identity, out);
        }
        if self.state.retry_from.is_some() {
            out.push(Topic::Intake, self.partition, &Meta::default(), &Command::Continue);
        }
    }

    fn retry(&mut self, identity: &Identity, out: &mut Outputs) {
        let first = self.state.parked[identity].first();
        let command = first.and_then(|w| postcard::from_bytes::<Command>(&w.command).ok());
        let Some(Command::Place(message)) = command else { return };
        let Some(zone) = self.state.home(&message.head) else { return };
        if let Some(entry) = self.state.orders.get_mut(identity) {
            entry.zone = Some(zone);
        }
        for waiting in self.state.parked.remove(identity).unwrap_or_default() {
            if let Ok(command) = postcard::from_bytes::<Command>(&waiting.command) {
                self.forward(&waiting.meta, identity, command, out);
            }
        }
    }

    fn expire_early(&mut self, cause: &Cause, out: &mut Outputs) {
        let before = self.state.engine_time - limits::EARLY_MS;
        let old = self.state.early.iter().filter(|(_, w)| w.first().is_some_and(|w| w.at < before));
        let old: Vec<_> = old.map(|(i, _)| i.clone()).take(limits::ITEMS_PER_COMMAND).collect();
        if old.is_empty() {
            return;
        }
        self.close(cause, Outcome::Applied, None, None, out);
        for (item, identity) in (1..).zip(old) {
            self.state.take_early(&identity);
            let mut event = self.event(cause, None, None);
            event.item = item;
            event.changes.push(Change::Exception(Exception::Unmatched));
            out.push(Topic::Events, self.events(), &Meta::default(), &event);
        }
    }

    fn note(&mut self, identity: &Identity, versions: (Option<u64>, Option<i64>), content: Hash16) {
        if let Some(entry) = self.state.orders.get_mut(identity) {
            entry.take(versions.0, versions.1, content);
        }
    }

    fn accepted(&self, identity: &Identity) -> Accepted {
        let entry = &self.state.orders[identity];
        let position = entry.order.position().expect("ids are made from positions here");
        Accepted { order: entry.order, zone: entry.zone.clone(), position }
    }

    /// Answers who waits for intake's decision.
    fn answer(&self, cause: &Cause, answer: Answer, out: &mut Outputs) {
        let parked = matches!(&answer, Answer::Accepted(a) if a.zone.is_none());
        if cause.meta.reply.is_some_and(|r| !r.outcome || parked) {
            self.answer_all(cause, answer, out);
        }
    }

    /// Answers whoever waits: no outcome will follow.
    fn answer_all(&self, cause: &Cause, answer: Answer, out: &mut Outputs) {
        if let Some(ReplyTo { partition, correlation, .. }) = cause.meta.reply {
            let reply = Reply { correlation, position: cause.position.clone(), answer };
            out.push(Topic::Replies, partition, &Meta::default(), &reply);
        }
    }

    fn events(&self) -> u16 {
        self.partition % self.topology.events.max(1)
    }

    fn event(&self, cause: &Cause, outcome: Option<Outcome>, order: Option<OrderId>) -> Event {
        let State { engine_time: at, hybrid: time, .. } = self.state;
        let cause = cause.position.clone();
        Event { cause, item: 0, at, time, order, outcome, changes: Vec::new(), rows: Vec::new() }
    }

    fn close(
        &self,
        cause: &Cause,
        outcome: Outcome,
        order: Option<OrderId>,
        row: Option<Row>,
        out: &mut Outputs,
    ) {
        let mut event = self.event(cause, Some(outcome), order);
        event.rows.extend(row);
        out.push(Topic::Events, self.events(), &Meta::default(), &event);
    }
}

impl Stage for Intake {
    fn apply(&mut self, input: Input<'_>, out: &mut Outputs) {
        let position = Position::new(Topic::Intake, self.partition, input.offset);
        let decoded = envelope::decode::<Command>(input.payload);
        let carried = decoded.as_ref().map_or(0, |(meta, _)| meta.carried);
        self.state.engine_time = self.state.engine_time.max(input.at);
        let now = self.state.engine_time.max(0) as u64 * 1000;
        self.state.hybrid = (self.state.hybrid + 1).max(now).max(carried + 1);
        match decoded {
            Ok((meta, _)) if input.skipped => {
                self.refuse(&Cause { position, meta }, Refusal::Skipped, "", out);
            }
            Ok((meta, command)) => self.dispatch(&Cause { position, meta }, command, out),
            Err(_) => {
                let cause = Cause { position, meta: Meta::default() };
                self.refuse(&cause, Refusal::Undecodable, "", out);
            }
        }
    }

    fn state_hash(&self) -> u64 {
        snapshot::hash(&self.state)
    }

    fn snapshot(&self, out: &mut Vec<u8>) {
        snapshot::write(&self.state, out);
    }

    fn gauges(&self) -> Vec<(&'static str, u64)> {
        let early = self.state.early_of_channel.values().map(|n| u64::from(*n)).sum();
        vec![
            ("known_orders", self.state.orders.len() as u64),
            ("early", early),
            ("no_zone", self.state.parked.len() as u64),
        ]
    }
}
