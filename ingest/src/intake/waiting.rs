//! What has to wait: messages before their order, orders without a home zone, and the bounded work on both.

use router_schemas::{
    command::Command,
    envelope::{self, Meta, write_postcard},
    event::{Change, Exception, Outcome},
    id::Identity,
    limits,
    position::{Position, Topic},
    refusal::Refusal,
    reply::Answer,
    stage::Outputs,
};

use super::{
    Cause, Intake,
    early::Kept,
    state::{Said, Standing, Waiting},
};

impl Intake {
    /// A message whose order is not known yet.
    pub(super) fn keep_early(
        &mut self,
        cause: &Cause<'_>,
        identity: &Identity,
        command: &Command,
        out: &mut Outputs,
    ) {
        // Who waits for an outcome is told now that there is none yet.
        let waiting = self.waiting(cause, Meta { reply: None, ..cause.meta.clone() }, command);
        let outcome = match self.state.early.keep(identity, waiting) {
            Kept::New => Outcome::Early,
            Kept::Repeat => Outcome::Repeat,
            Kept::TooMany => return self.turn_away(cause, Refusal::TooManyEarly, command, out),
        };
        self.answer_all(cause, Answer::Early, out);
        self.close(cause, outcome, None, None, out);
    }

    /// Passes on what came early, now that its order is there.
    pub(super) fn pass_early(&mut self, identity: &Identity, out: &mut Outputs) {
        for waiting in self.state.early.take(identity) {
            let Ok(command) = postcard::from_bytes::<Command>(&waiting.command) else { continue };
            if !self.state.orders[identity].is_placed()
                && !matches!(command, Command::Extend(_) | Command::Release(_))
            {
                // It waits on: only something was reserved so far.
                self.state.early.keep(identity, waiting);
                continue;
            }
            if matches!(command, Command::Extend(_) | Command::Release(_) | Command::Steer(_)) {
                if self.state.orders[identity].seen.contains(&waiting.said.hash) {
                    continue;
                }
                self.note(identity, &waiting.said);
            }
            if matches!(command, Command::Amend(_) | Command::Cancel(_)) {
                match self.state.orders[identity].standing(&waiting.said) {
                    Standing::Older | Standing::Repeat => continue,
                    Standing::Conflict if matches!(command, Command::Amend(_)) => {
                        self.bury_waiting(Refusal::Conflict, &waiting, &command, out);
                        continue;
                    }
                    Standing::Conflict | Standing::Newer => self.note(identity, &waiting.said),
                }
            }
            if self.state.held_back(identity) {
                self.state.park(identity, waiting);
            } else {
                self.forward(&waiting.meta, identity, command, out);
            }
        }
    }

    /// Keeps a message behind those that wait already.
    pub(super) fn park(&mut self, cause: &Cause<'_>, identity: &Identity, command: &Command) {
        // Without a zone its caller has the answer already, and there may be none for days.
        let zone_known = self.state.orders[identity].zone.is_some();
        let reply = cause.meta.reply.filter(|r| r.outcome && zone_known);
        let waiting = self.waiting(cause, Meta { reply, ..cause.meta.clone() }, command);
        self.state.park(identity, waiting);
    }

    fn waiting(&self, cause: &Cause<'_>, meta: Meta, command: &Command) -> Waiting {
        let mut bytes = Vec::new();
        write_postcard(command, &mut bytes);
        let (at, offset, said) = (self.state.engine_time, cause.position.offset, Said::of(command));
        Waiting { at, offset, meta, said, command: bytes }
    }

    /// Works off what is due, a bounded number of items, and asks to go on if there are more. Only ticks and
    /// continues (`deadlines`) let messages expire.
    pub(super) fn work(&mut self, cause: &Cause<'_>, deadlines: bool, out: &mut Outputs) {
        let mut budget = limits::ITEMS_PER_COMMAND;
        let before = self.state.engine_time.saturating_sub(limits::EARLY_MS);
        if deadlines {
            self.expire_early(cause, before, &mut budget, out);
        }
        while budget > 0 && self.retry_next(&mut budget, out) {}
        let more = self.state.pass.is_some() || deadlines && self.state.early.has_before(before);
        if more && !self.state.continuing {
            self.state.continuing = true;
            out.push(Topic::Intake, self.partition, &Meta::default(), &Command::Continue);
        }
    }

    /// Looks at the next parked order of the pass. False: the pass is over.
    fn retry_next(&mut self, budget: &mut usize, out: &mut Outputs) -> bool {
        let Some(from) = self.state.pass.take() else { return false };
        let Some(mut identity) = self.state.parked.range(from..).next().map(|(i, _)| i.clone()) else {
            self.state.pass = std::mem::take(&mut self.state.again).then(Identity::default);
            return self.state.pass.is_some();
        };
        *budget -= 1;
        if self.find_home(&identity) {
            while self.state.held_back(&identity) {
                self.pass_parked(&identity, out);
                if *budget == 0 || !self.state.held_back(&identity) {
                    break;
                }
                *budget -= 1;
            }
        }
        if !self.state.held_back(&identity) || self.state.orders[&identity].zone.is_none() {
            // The least identity behind this one.
            identity.external_id.push('\0');
        }
        self.state.pass = Some(identity);
        true
    }

    /// True where the home zone of a parked order is known now.
    fn find_home(&mut self, identity: &Identity) -> bool {
        if self.state.orders[identity].zone.is_some() {
            return true;
        }
        let first = self.state.parked[identity].front();
        let command = first.and_then(|w| postcard::from_bytes::<Command>(&w.command).ok());
        let Some(Command::Place(message)) = command else { return false };
        let zone = self.state.home(&message.head);
        let found = zone.is_some();
        if let Some(entry) = self.state.orders.get_mut(identity) {
            entry.zone = zone;
        }
        found
    }

    fn pass_parked(&mut self, identity: &Identity, out: &mut Outputs) {
        let Some(waiting) = self.state.unpark(identity) else { return };
        if let Ok(command) = postcard::from_bytes::<Command>(&waiting.command) {
            self.forward(&waiting.meta, identity, command, out);
        }
    }

    /// Gives up on messages whose order did not come: an exception, and a dead letter for each.
    fn expire_early(&mut self, cause: &Cause<'_>, before: i64, budget: &mut usize, out: &mut Outputs) {
        let mut item = 0;
        while *budget > 0
            && let Some(old) = self.state.early.take_before(before)
        {
            if item == 0 {
                self.close(cause, Outcome::Applied, None, None, out);
            }
            item += 1;
            *budget -= 1;
            let mut event = self.event(cause, None, None);
            event.item = item;
            event.changes.push(Change::Exception(Exception::Unmatched));
            out.push(Topic::Events, self.events(), &Meta::default(), &event);
            for waiting in old {
                if let Ok(command) = postcard::from_bytes::<Command>(&waiting.command) {
                    self.bury_waiting(Refusal::UnknownOrder, &waiting, &command, out);
                }
            }
        }
    }

    fn bury_waiting(&self, refusal: Refusal, waiting: &Waiting, command: &Command, out: &mut Outputs) {
        let position = Position::new(Topic::Intake, self.partition, waiting.offset);
        let record = envelope::to_vec(None, &waiting.meta, command);
        self.bury(position, &waiting.meta, command.identity(), refusal, &record, out);
    }
}
