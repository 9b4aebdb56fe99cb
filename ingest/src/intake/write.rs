//! What INTAKE writes: commands for the home zone, answers, events, dead letters.

use router_schemas::{
    command::{Assigned, Command, Hash16, order::Arrival},
    dead_letter::DeadLetter,
    envelope::{Meta, ReplyTo, Source},
    event::{Event, Outcome},
    id::{Identity, OrderId},
    limits,
    position::{Position, Topic},
    refusal::Refusal,
    reply::{Accepted, Answer, Reply},
    row::Row,
    stage::Outputs,
};

use super::{Cause, Intake, state::State};

/// Bytes of a dead letter beside those of the message.
const LETTER_HEAD: usize = 4096;

impl Intake {
    /// Writes the command to the partition of the order's home zone; the reply address goes along only where
    /// the engine is to answer.
    pub(super) fn forward(&self, meta: &Meta, identity: &Identity, mut command: Command, out: &mut Outputs) {
        let entry = &self.state.orders[identity];
        let Some(zone) = entry.zone.clone() else { return };
        let partition = self.state.zones.get(&zone).copied().unwrap_or(0);
        self.state.name_zones(&mut command, &zone);
        let to = Some(Assigned { order: entry.order, zone });
        match &mut command {
            Command::Place(m) | Command::Amend(m) => m.to = to,
            Command::Cancel(c) => c.to = to,
            Command::Payment(p) => p.to = to,
            Command::Delivered(d) => d.to = to,
            Command::Reserve(r) => r.to = to,
            Command::Extend(e) => e.to = to,
            Command::Release(r) => r.to = to,
            Command::Steer(s) => s.to = to,
            _ => {}
        }
        let reply = meta.reply.filter(|r| r.outcome);
        let meta = Meta { reply, carried: self.state.hybrid, ..meta.clone() };
        out.push(Topic::Commands, partition, &meta, &command);
    }

    pub(super) fn accepted(&self, identity: &Identity) -> Accepted {
        let entry = &self.state.orders[identity];
        let position = entry.order.position().expect("ids are made from positions here");
        Accepted { order: entry.order, zone: entry.zone.clone(), position }
    }

    /// Answers who waits for intake's decision.
    pub(super) fn answer(&self, cause: &Cause<'_>, answer: Answer, out: &mut Outputs) {
        let parked = matches!(&answer, Answer::Accepted(a) if a.zone.is_none());
        if cause.meta.reply.is_some_and(|r| !r.outcome || parked) {
            self.answer_all(cause, answer, out);
        }
    }

    /// Answers whoever waits: no outcome will follow.
    pub(super) fn answer_all(&self, cause: &Cause<'_>, answer: Answer, out: &mut Outputs) {
        if let Some(ReplyTo { partition, correlation, .. }) = cause.meta.reply {
            let reply = Reply { correlation, position: cause.position.clone(), answer };
            out.push(Topic::Replies, partition, &Meta::default(), &reply);
        }
    }

    pub(super) fn refuse(&self, cause: &Cause<'_>, refusal: Refusal, detail: &str, out: &mut Outputs) {
        self.answer_all(cause, Answer::Refused { refusal, detail: detail.into() }, out);
        self.close(cause, Outcome::Refused(refusal), None, None, out);
    }

    /// Refuses a command about an order. A source cannot be told: what it sent is kept as a dead letter.
    pub(super) fn turn_away(
        &self,
        cause: &Cause<'_>,
        refusal: Refusal,
        command: &Command,
        out: &mut Outputs,
    ) {
        let raw = matches!(command, Command::Place(m) | Command::Amend(m)
            if m.head.arrival == Arrival::Raw);
        if raw || cause.meta.source.is_some() {
            self.bury(cause.position.clone(), &cause.meta, command.identity(), refusal, cause.payload, out);
        }
        let name = command.identity().map_or("", |identity| &identity.external_id);
        self.refuse(cause, refusal, name, out);
    }

    /// Writes a dead letter: the record as it lay in the log, personal data sealed as it was.
    pub(super) fn bury(
        &self,
        position: Position,
        meta: &Meta,
        about: Option<&Identity>,
        refusal: Refusal,
        record: &[u8],
        out: &mut Outputs,
    ) {
        let code = refusal.code();
        let most = limits::EFFECT_BYTES - LETTER_HEAD;
        let bytes = &record[..record.len().min(most)];
        let detail = match record.len() {
            whole if whole > most => format!("{}; the first {most} of {whole} bytes follow", code.summary),
            _ => code.summary.into(),
        };
        let letter = DeadLetter {
            position,
            code: code.id.into(),
            pointer: String::new(),
            detail,
            key: Hash16::default(),
            bytes: bytes.to_vec(),
            resolved: false,
        };
        let topic = letters_of(meta.source.as_ref(), about);
        let meta = Meta { reply: None, ..meta.clone() };
        out.push(topic, 0, &meta, &letter);
    }

    pub(super) fn events(&self) -> u16 {
        self.partition % self.topology.events.max(1)
    }

    pub(super) fn event(&self, cause: &Cause<'_>, outcome: Option<Outcome>, order: Option<OrderId>) -> Event {
        let State { engine_time: at, hybrid: time, .. } = self.state;
        let cause = cause.position.clone();
        Event { cause, item: 0, at, time, order, outcome, changes: Vec::new(), rows: Vec::new() }
    }

    pub(super) fn close(
        &self,
        cause: &Cause<'_>,
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

/// Where letters about messages of this source go; without one, of the channel's raw topic. A letter that was sent
/// again names itself as its source, `dlq.orders.web/0@7`, and goes to where it lay.
fn letters_of(source: Option<&Source>, about: Option<&Identity>) -> Topic {
    let topic = match (source, about) {
        (Some(source), _) => {
            let of_letter = source.id.parse::<Position>().map(|p| p.topic).or_else(|_| source.id.parse());
            let letters = of_letter.ok().filter(|t| matches!(t, Topic::DeadLetter(_)));
            letters.or_else(|| format!("dlq.{}", source.id).parse().ok())
        }
        (None, Some(about)) => format!("dlq.orders.{}", about.channel).parse().ok(),
        (None, None) => None,
    };
    topic.unwrap_or_else(|| Topic::DeadLetter("intake".into()))
}
