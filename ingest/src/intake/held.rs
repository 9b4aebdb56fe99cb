//! What is reserved for orders, placed or not, and other requests about orders that go by keys of their own.

use router_schemas::{
    command::{Command, hold::Reserve, order::OrderMessage},
    event::Outcome,
    id::{Identity, OrderId},
    position::Position,
    refusal::Refusal,
    reply::Answer,
    stage::Outputs,
};

use super::{
    Cause, Intake,
    state::{Came, Entry, Said},
};

impl Intake {
    /// Something is reserved: the first such request gives the order its id and its home zone, for ever.
    pub(super) fn reserve(&mut self, cause: &Cause<'_>, reserve: Reserve, out: &mut Outputs) {
        let identity = reserve.identity.clone();
        if self.state.orders.get(&identity).is_some() {
            return self.about_held(cause, &identity, Command::Reserve(reserve), out);
        }
        // Nothing can be kept where nobody knows where, and who reserves wants to know now.
        let Some(zone) = self.state.home_of_hold(&reserve) else {
            return self.turn_away(cause, Refusal::UnknownZone, &Command::Reserve(reserve), out);
        };
        let Position { topic, partition, offset } = &cause.position;
        let order = OrderId::new(self.topology.log, topic, *partition, *offset);
        let seen = vec![reserve.key];
        let (version, updated_at, first) = (None, None, [0; 16]);
        let entry = Entry { order, zone: Some(zone), version, updated_at, first, seen, came: Came::Reserved };
        self.state.orders.insert(&identity, entry);
        self.answer(cause, Answer::Accepted(self.accepted(&identity)), out);
        self.forward(&cause.meta, &identity, Command::Reserve(reserve), out);
        self.pass_early(&identity, out);
    }

    /// A request about an order, or what is reserved for it: the same key again is a repeat.
    pub(super) fn about_held(
        &mut self,
        cause: &Cause<'_>,
        identity: &Identity,
        command: Command,
        out: &mut Outputs,
    ) {
        let steers = matches!(command, Command::Steer(_));
        let Some(entry) = self.state.orders.get(identity).filter(|entry| entry.is_placed() || !steers) else {
            return self.keep_early(cause, identity, &command, out);
        };
        let said = Said::of(&command);
        if !entry.seen.contains(&said.hash) {
            let room =
                !self.state.held_back(identity) || self.state.room_to_park(identity, cause.payload.len());
            if room {
                self.note(identity, &said);
            }
            return self.pass(cause, identity, command, out);
        }
        let waits_for_outcome = cause.meta.reply.is_some_and(|reply| reply.outcome);
        if waits_for_outcome && !self.state.held_back(identity) {
            // The engine knows its key, and what it answered first.
            self.forward(&cause.meta, identity, command, out);
        } else {
            let accepted = self.accepted(identity);
            let order = accepted.order;
            self.answer_all(cause, Answer::Repeat(accepted), out);
            self.close(cause, Outcome::Repeat, Some(order), None, out);
        }
    }

    /// The order for which something was reserved: it has its id and its zone already.
    pub(super) fn place_held(
        &mut self,
        cause: &Cause<'_>,
        identity: &Identity,
        message: OrderMessage,
        out: &mut Outputs,
    ) {
        let command = Command::Place(message);
        let said = Said::of(&command);
        let now = self.state.engine_time;
        if let Some(entry) = self.state.orders.get_mut(identity) {
            (entry.came, entry.first) = (Came::PlacedLater(now), said.hash);
            entry.take(&said);
        }
        self.answer(cause, Answer::Accepted(self.accepted(identity)), out);
        self.forward(&cause.meta, identity, command, out);
        self.pass_early(identity, out);
    }
}
