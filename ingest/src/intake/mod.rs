//! INTAKE: knows every order's id and home zone. It gives ids, drops repeats, keeps what came too early, and
//! passes the rest to the partition of the order's home zone.

mod directory;
mod early;
mod held;
mod row;
mod state;
mod waiting;
mod write;

use router_schemas::{
    command::{
        Ask, Command,
        order::{Arrival, OrderMessage},
    },
    envelope::{self, Meta},
    event::Outcome,
    id::{Identity, OrderId},
    position::{Position, Topic},
    refusal::Refusal,
    reply::Answer,
    snapshot::{self, SnapshotError},
    stage::{Input, Outputs, Stage, Topology},
};
use row::parked_row;
use state::{Came, Entry, Said, Seen, Standing, State};

/// The state machine of one partition of `router.intake`.
pub struct Intake {
    topology: Topology,
    partition: u16,
    state: State,
}

/// The record being applied.
struct Cause<'a> {
    position: Position,
    meta: Meta,
    payload: &'a [u8],
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

    fn dispatch(&mut self, cause: &Cause<'_>, command: Command, out: &mut Outputs) {
        match cause.meta.source.as_ref().map(|source| self.state.note_source(source)) {
            None | Some(Seen::New) => {}
            // Without a memory of it a repeat would count twice.
            Some(Seen::TooMany) => return self.turn_away(cause, Refusal::Limit, &command, out),
            Some(Seen::Before) => {
                // Whoever waits is answered, as any repeat of a known order is.
                if let Some(identity) = command.identity().filter(|i| self.state.orders.get(i).is_some()) {
                    return self.repeat(cause, identity, out);
                }
                self.answer_all(cause, Answer::Ignored, out);
                return self.close(cause, Outcome::Repeat, None, None, out);
            }
        }
        match command {
            Command::Genesis(_) => {}
            Command::Tick | Command::Continue => self.work(cause, true, out),
            Command::Reference(published) => {
                self.state.publish(&published);
                self.close(cause, Outcome::Applied, None, None, out);
                self.work(cause, false, out);
            }
            Command::Forgotten(ask) => {
                let now = self.state.engine_time;
                let goes = |entry: &Entry| entry.order == ask.order && entry.may_go(now);
                // The platform may have used the name again: only the order that was forgotten goes.
                if self.state.orders.get(&ask.identity).is_some_and(goes) {
                    self.state.orders.remove(&ask.identity);
                }
                self.close(cause, Outcome::Applied, None, None, out);
            }
            Command::Place(message) => self.place(cause, message, out),
            Command::Amend(_) | Command::Cancel(_) | Command::Payment(_) | Command::Delivered(_) => {
                let identity = command.identity().cloned().unwrap_or_default();
                self.about_known(cause, &identity, command, out);
            }
            Command::Reserve(reserve) => self.reserve(cause, reserve, out),
            Command::Extend(_) | Command::Release(_) | Command::Steer(_) => {
                let identity = command.identity().cloned().unwrap_or_default();
                self.about_held(cause, &identity, command, out);
            }
            _ => self.refuse(cause, Refusal::WrongZone, command.name(), out),
        }
    }

    fn place(&mut self, cause: &Cause<'_>, message: OrderMessage, out: &mut Outputs) {
        let identity = message.head.identity.clone();
        let Some(entry) = self.state.orders.get(&identity) else {
            return self.first(cause, identity, message, out);
        };
        if !entry.is_placed() {
            return self.place_held(cause, &identity, message, out);
        }
        let conflict = message.head.content != entry.first;
        let arrival = message.head.arrival;
        let command = Command::Place(message);
        match (arrival, entry.standing(&Said::of(&command))) {
            (Arrival::Http, _) if conflict => self.turn_away(cause, Refusal::Conflict, &command, out),
            (Arrival::Http, _) | (Arrival::Raw, Standing::Repeat) => self.repeat(cause, &identity, out),
            (Arrival::Raw, Standing::Older) => self.ignore(cause, &identity, out),
            // The same version with other content: someone has to look.
            (Arrival::Raw, Standing::Conflict) => self.turn_away(cause, Refusal::Conflict, &command, out),
            (Arrival::Raw, Standing::Newer) => self.pass(cause, &identity, as_amend(command), out),
        }
    }

    fn first(&mut self, cause: &Cause<'_>, identity: Identity, message: OrderMessage, out: &mut Outputs) {
        let Position { topic, partition, offset } = &cause.position;
        let order = OrderId::new(self.topology.log, topic, *partition, *offset);
        let head = &message.head;
        let zone = self.state.home(head);
        if zone.is_none() && !self.state.room_to_park(&identity, cause.payload.len()) {
            return self.turn_away(cause, Refusal::Limit, &Command::Place(message), out);
        }
        let entry = Entry {
            order,
            zone: zone.clone(),
            version: head.version,
            updated_at: head.updated_at,
            first: head.content,
            seen: vec![head.content],
            came: Came::Placed,
        };
        self.state.orders.insert(&identity, entry);
        self.answer(cause, Answer::Accepted(self.accepted(&identity)), out);
        match zone {
            Some(_) => self.forward(&cause.meta, &identity, Command::Place(message), out),
            None => {
                let row = parked_row(order, &message, self.state.engine_time);
                self.park(cause, &identity, &Command::Place(message));
                self.close(cause, Outcome::NoZone, Some(order), row, out);
            }
        }
        self.pass_early(&identity, out);
    }

    /// A command about an order that should be known.
    fn about_known(&mut self, cause: &Cause<'_>, identity: &Identity, command: Command, out: &mut Outputs) {
        let Some(entry) = self.state.orders.get(identity).filter(|entry| entry.takes(&command)) else {
            return self.keep_early(cause, identity, &command, out);
        };
        // Facts are told from each other by the engine, which knows their keys.
        if matches!(command, Command::Amend(_) | Command::Cancel(_)) {
            match entry.standing(&Said::of(&command)) {
                Standing::Repeat => return self.repeat(cause, identity, out),
                Standing::Older => return self.ignore(cause, identity, out),
                // A cancel names the version that it cancels: no contradiction.
                Standing::Conflict if !matches!(command, Command::Cancel(_)) => {
                    return self.turn_away(cause, Refusal::Conflict, &command, out);
                }
                Standing::Conflict | Standing::Newer => {}
            }
        }
        self.pass(cause, identity, command, out);
    }

    /// Passes a command about a known order on, or has it wait behind what waits for that order.
    fn pass(&mut self, cause: &Cause<'_>, identity: &Identity, command: Command, out: &mut Outputs) {
        let held_back = self.state.held_back(identity);
        if held_back && !self.state.room_to_park(identity, cause.payload.len()) {
            return self.turn_away(cause, Refusal::Limit, &command, out);
        }
        if matches!(command, Command::Amend(_) | Command::Cancel(_)) {
            self.note(identity, &Said::of(&command));
        }
        self.answer(cause, Answer::Accepted(self.accepted(identity)), out);
        if held_back {
            self.park(cause, identity, &command);
            // Where the zone is known, the engine writes the outcome a moment later.
            let Entry { order, zone, .. } = &self.state.orders[identity];
            if zone.is_none() {
                self.close(cause, Outcome::NoZone, Some(*order), None, out);
            }
        } else {
            self.forward(&cause.meta, identity, command, out);
        }
    }

    fn repeat(&mut self, cause: &Cause<'_>, identity: &Identity, out: &mut Outputs) {
        let accepted = self.accepted(identity);
        let order = accepted.order;
        let waits_for_outcome = cause.meta.reply.is_some_and(|r| r.outcome);
        if waits_for_outcome && !self.state.held_back(identity) {
            let ask = Command::Ask(Ask { order, identity: identity.clone() });
            self.forward(&cause.meta, identity, ask, out);
        } else {
            self.answer_all(cause, Answer::Repeat(accepted), out);
            self.close(cause, Outcome::Repeat, Some(order), None, out);
        }
    }

    fn ignore(&mut self, cause: &Cause<'_>, identity: &Identity, out: &mut Outputs) {
        self.answer_all(cause, Answer::Ignored, out);
        self.close(cause, Outcome::Ignored, Some(self.state.orders[identity].order), None, out);
    }

    fn note(&mut self, identity: &Identity, said: &Said) {
        if let Some(entry) = self.state.orders.get_mut(identity) {
            entry.take(said);
        }
    }
}

/// On a raw topic the full new state of a known order comes as an order.
fn as_amend(command: Command) -> Command {
    match command {
        Command::Place(message) => Command::Amend(message),
        other => other,
    }
}

impl Stage for Intake {
    fn apply(&mut self, input: Input<'_>, out: &mut Outputs) {
        let position = Position::new(Topic::Intake, self.partition, input.offset);
        let payload = input.payload;
        let decoded = envelope::decode::<Command>(payload);
        let carried = decoded.as_ref().map_or(0, |(meta, _)| meta.carried);
        self.state.engine_time = self.state.engine_time.max(input.at);
        let now = (self.state.engine_time.max(0) as u64).saturating_mul(1000);
        self.state.hybrid = self.state.hybrid.saturating_add(1).max(now).max(carried.saturating_add(1));
        // Skipped or not, it is not under way any more.
        self.state.continuing &= !matches!(decoded, Ok((_, Command::Continue)));
        let cause = |meta| Cause { position, meta, payload };
        match decoded {
            decoded if input.skipped => {
                let meta = decoded.map(|(meta, _)| meta).unwrap_or_default();
                self.refuse(&cause(meta), Refusal::Skipped, "", out);
            }
            Ok((meta, command)) => self.dispatch(&cause(meta), command, out),
            Err(_) => {
                let cause = cause(Meta::default());
                self.bury(cause.position.clone(), &cause.meta, None, Refusal::Undecodable, payload, out);
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

    fn snapshot_to(&self, out: &mut dyn std::io::Write) -> std::io::Result<()> {
        snapshot::write_to(&self.state, out)
    }

    fn gauges(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("known_orders", self.state.orders.len() as u64),
            ("early", self.state.early.len()),
            ("no_zone", self.state.parked.len() as u64),
        ]
    }
}

#[cfg(test)]
mod tests;
