//! What must have a counterpart: what intake passes on and its command, publications and their copies, replies and
//! outcomes, dead letters and refusals, skips and operators' words. Either side may be seen first.

mod copies;

use std::collections::{BTreeMap, HashMap, HashSet};

use copies::Copies;
use router_schemas::{
    command::{Assigned, Command},
    envelope::{Meta, ReplyTo},
    event::{Event, Outcome},
    id::{Identity, OrderId},
    position::{LogId, Position, Topic},
    refusal::Refusal,
    reply::{Answer, Reply},
    stage::StageName,
};

use crate::{
    lanes::{Lane, Pending},
    report::Report,
};

pub(crate) struct Ties {
    log: LogId,
    intake: u16,
    commands: u16,
    trimmed: bool,
    /// Platform order → our id and its home zone.
    directory: HashMap<u64, (OrderId, Option<u32>)>,
    ids: HashMap<OrderId, u64>,
    zones: Vec<String>,
    /// Zone → its partition, as publications say, and as intake used it.
    published: HashMap<String, u16>,
    used: BTreeMap<String, (u16, Position)>,
    /// Commands kept by intake for later, less those passed on since: by platform order and kind.
    kept: HashMap<(u64, &'static str), (i64, Position)>,
    copies: HashMap<u64, Copies>,
    /// Policies of channels that control passes on, by the hybrid time of their command.
    policies: BTreeMap<u64, (i64, Position)>,
    /// Replies that are to come, or came first; by the record that is answered.
    replies: HashMap<Position, Due>,
    letters: HashMap<Position, i64>,
    skips: HashSet<Position>,
    skipped: Vec<Position>,
    /// Replies about commands that were trimmed.
    unjudged: u64,
}

enum Due {
    Wanted(ReplyTo, Said),
    Came(u16, Reply, Position),
}

/// What a reply has to agree with.
struct Said {
    outcome: Option<Outcome>,
    identity: u64,
    order: Option<OrderId>,
    optional: bool,
}

impl Ties {
    pub fn new(log: LogId, intake: u16, commands: u16, trimmed: bool) -> Ties {
        Ties {
            log,
            intake,
            commands,
            trimmed,
            directory: HashMap::new(),
            ids: HashMap::new(),
            zones: Vec::new(),
            published: HashMap::new(),
            used: BTreeMap::new(),
            kept: HashMap::new(),
            copies: HashMap::new(),
            policies: BTreeMap::new(),
            replies: HashMap::new(),
            letters: HashMap::new(),
            skips: HashSet::new(),
            skipped: Vec::new(),
            unjudged: 0,
        }
    }

    /// One platform order has one id, and the other way about.
    pub fn same_order(
        &mut self,
        identity: &Identity,
        order: OrderId,
        first: bool,
        at: &Position,
        report: &mut Report,
    ) {
        let hash = identity.hash();
        let known = self.directory.entry(hash).or_insert((order, None)).0;
        if known != order {
            report.violated("E2306", at.clone(), || format!("{identity} is {known} and {order}"));
        }
        let other = *self.ids.entry(order).or_insert(hash);
        if first && other != hash {
            report.violated("E2306", at.clone(), || format!("{order} is {identity} and another order"));
        }
    }

    /// A record that intake wrote to a partition of `router.commands`.
    pub fn pass(
        &mut self,
        at: &Position,
        lane: &mut Lane,
        meta: &Meta,
        command: &Command,
        report: &mut Report,
    ) {
        let (Some(identity), Some(Assigned { order, zone })) = (command.identity(), assigned(command)) else {
            let said = format!("intake passes no {}", command.name());
            return report.violated("E2311", at.clone(), || said);
        };
        let hash = identity.hash();
        if identity.partition(self.intake) != lane.partition {
            let partition = lane.partition;
            report.violated("E2311", at.clone(), || format!("{identity} is not of intake/{partition}"));
        }
        let Some(offset) = lane.at_time(meta.carried) else {
            if lane.exact {
                let said = format!("nothing of {} was applied at {} µs", lane.stage.input(), meta.carried);
                report.violated("E2311", at.clone(), || said);
            }
            return;
        };
        let cause = lane.at(offset);
        let kind = command.name();
        if let Some(entry) = lane.entry(offset)
            && !entry.done
            && entry.identity == hash
            && may_become(entry.kind, kind)
        {
            entry.done = true;
            let born = OrderId::new(self.log, &Topic::Intake, cause.partition, offset);
            // What was reserved for it gave it its id before.
            let first = !self.directory.contains_key(&hash) && !self.trimmed;
            let names = matches!((entry.kind, kind), ("place", "place") | ("reserve", "reserve"));
            if names && first && order != born {
                report.violated("E2311", at.clone(), || {
                    format!("{order} was placed by {cause}, which is {born}")
                });
            }
            if let Some(to) = entry.reply.filter(|to| !to.outcome) {
                let optional = entry.sourced;
                let said = Said { outcome: None, identity: hash, order: Some(order), optional };
                self.wanted(cause, to, said, report);
            }
        } else {
            // Kept until now, by an outcome of its own.
            self.keep(hash, kind, -1, at);
        }
        if !self.directory.contains_key(&hash) && !matches!(kind, "place" | "reserve") && !self.trimmed {
            report.violated("E2311", at.clone(), || format!("{identity} was not placed before"));
        }
        self.same_order(identity, order, matches!(kind, "place" | "reserve"), at, report);
        if !zone.is_empty() {
            self.zone(hash, &zone, identity, at, report);
        }
    }

    fn zone(&mut self, hash: u64, zone: &str, identity: &Identity, at: &Position, report: &mut Report) {
        let number = self.zones.iter().position(|z| z == zone).unwrap_or_else(|| {
            self.zones.push(zone.to_owned());
            self.zones.len() - 1
        });
        if let Some((_, home)) = self.directory.get_mut(&hash) {
            let home = *home.get_or_insert(number as u32);
            if home != number as u32 {
                let first = &self.zones[home as usize];
                report.violated("E2311", at.clone(), || {
                    format!("{identity} is at home in {first} and in {zone}")
                });
            }
        }
        let partition = self.used.entry(zone.to_owned()).or_insert((at.partition, at.clone())).0;
        if partition != at.partition {
            report.violated("E2311", at.clone(), || format!("zone {zone} lives on commands/{partition}"));
        }
    }

    fn keep(&mut self, identity: u64, kind: &'static str, by: i64, at: &Position) {
        let entry = self.kept.entry((identity, kind)).or_insert((0, at.clone()));
        entry.0 += by;
        if by < 0 {
            entry.1 = at.clone();
        }
        if entry.0 == 0 {
            self.kept.remove(&(identity, kind));
        }
    }

    /// A command's outcome.
    pub fn outcome(
        &mut self,
        stage: StageName,
        at: &Position,
        entry: &Pending,
        event: &Event,
        outcome: Outcome,
        report: &mut Report,
    ) {
        let cause = &event.cause;
        if stage == StageName::Intake && matches!(outcome, Outcome::Early | Outcome::NoZone) {
            self.keep(entry.identity, entry.kind, 1, at);
            if outcome == Outcome::NoZone && entry.kind == "place" {
                report.orders += 1;
                let born = OrderId::new(self.log, &Topic::Intake, cause.partition, cause.offset);
                if event.order != Some(born) {
                    report.violated("E2306", at.clone(), || {
                        format!("{cause} is {born}, not {:?}", event.order)
                    });
                }
                self.directory.entry(entry.identity).or_insert((born, None));
                self.ids.entry(born).or_insert(entry.identity);
                if event.rows.is_empty() {
                    report.violated("E2304", at.clone(), || format!("{born} is accepted and has no row"));
                }
            }
        }
        let policy = (stage, entry.kind) == (StageName::Control, "channel_policy");
        if policy && outcome == Outcome::Applied {
            self.policy(event.time, at, 1);
        }
        if outcome == Outcome::Refused(Refusal::Skipped) {
            self.skipped.push(cause.clone());
            if !event.changes.is_empty() || !event.rows.is_empty() {
                report.violated("E2318", at.clone(), || format!("{cause} was skipped and changed something"));
            }
        }
        let buried = entry.kind == "undecodable" && stage == StageName::Engine;
        if buried && outcome == Outcome::Refused(Refusal::Undecodable) {
            self.letter_of(cause, 1);
        }
        if let Some(to) = entry.reply {
            let order = entry.order.or(event.order);
            let optional = entry.sourced || (stage == StageName::Control && entry.kind != "reference");
            let said = Said { outcome: Some(outcome), identity: entry.identity, order, optional };
            self.wanted(cause.clone(), to, said, report);
        }
    }

    fn wanted(&mut self, cause: Position, to: ReplyTo, said: Said, report: &mut Report) {
        match self.replies.remove(&cause) {
            Some(Due::Came(partition, reply, at)) => self.agree(&at, partition, &reply, &to, &said, report),
            _ => {
                self.replies.insert(cause, Due::Wanted(to, said));
            }
        }
    }

    /// A reply.
    pub fn reply(&mut self, at: &Position, partition: u16, reply: &Reply, report: &mut Report) {
        match self.replies.remove(&reply.position) {
            Some(Due::Wanted(to, said)) => self.agree(at, partition, reply, &to, &said, report),
            Some(came) => {
                self.replies.insert(reply.position.clone(), came);
                report.violated("E2313", at.clone(), || format!("{} is answered twice", reply.position));
            }
            None => {
                let due = Due::Came(partition, reply.clone(), at.clone());
                self.replies.insert(reply.position.clone(), due);
            }
        }
    }

    fn agree(
        &self,
        at: &Position,
        partition: u16,
        reply: &Reply,
        to: &ReplyTo,
        said: &Said,
        report: &mut Report,
    ) {
        let about = &reply.position;
        if (to.partition, to.correlation) != (partition, reply.correlation) {
            return report
                .violated("E2313", at.clone(), || format!("the answer to {about} went to someone else"));
        }
        let agrees = match (&said.outcome, &reply.answer) {
            (Some(Outcome::Refused(a)), Answer::Refused { refusal, .. }) => a == refusal,
            (Some(Outcome::Refused(_)), _) => false,
            (None, Answer::Accepted(_) | Answer::Repeat(_)) => true,
            (Some(Outcome::Early), answer) => *answer == Answer::Early,
            (Some(Outcome::Ignored), Answer::Ignored | Answer::Outcome(_)) => true,
            (Some(Outcome::NoZone), Answer::Accepted(_) | Answer::Repeat(_)) => true,
            // A repeat gets the first answer again: of one that waits for its order, that it does; or its refusal.
            (
                Some(Outcome::Repeat),
                Answer::Repeat(_)
                | Answer::Done
                | Answer::Outcome(_)
                | Answer::Early
                | Answer::Refused { .. },
            ) => true,
            (Some(Outcome::Applied), Answer::Done | Answer::Outcome(_) | Answer::Published(_)) => true,
            _ => false,
        };
        if !agrees {
            let outcome = said.outcome;
            report.violated("E2313", at.clone(), || {
                format!("{about} came to {outcome:?}, and was answered {}", name(&reply.answer))
            });
        }
        let order = match &reply.answer {
            Answer::Accepted(a) | Answer::Repeat(a) => {
                if !self.trimmed && a.order.position().as_ref() != Some(&a.position) {
                    let said = format!("{about}: {} was not first named by {}", a.order, a.position);
                    report.violated("E2313", at.clone(), || said);
                }
                Some(a.order)
            }
            Answer::Outcome(outcome) => Some(outcome.order),
            _ => None,
        };
        let known = self.directory.get(&said.identity).map(|(order, _)| *order).or(said.order);
        if let (Some(order), Some(known)) = (order, known)
            && order != known
        {
            report.violated("E2313", at.clone(), || format!("{about} is about {known}, answered {order}"));
        }
    }

    /// A dead letter that a stage wrote.
    pub fn letter(&mut self, letter: &router_schemas::dead_letter::DeadLetter) {
        // What intake buries is a refusal that its outcome shows; only bytes that do not decode must be kept.
        if letter.position.topic == Topic::Commands {
            self.letter_of(&letter.position, -1);
        }
    }

    fn letter_of(&mut self, cause: &Position, by: i64) {
        let balance = self.letters.entry(cause.clone()).or_default();
        *balance += by;
        if *balance == 0 {
            self.letters.remove(cause);
        }
    }

    /// An order left memory: its platform may use the name again.
    pub fn forget(&mut self, order: OrderId) {
        let hash = self.ids.remove(&order);
        let is_its = |hash: &u64| self.directory.get(hash).is_some_and(|(of, _)| *of == order);
        hash.filter(is_its).map(|hash| self.directory.remove(&hash));
    }

    pub fn skip(&mut self, position: &Position) {
        self.skips.insert(position.clone());
    }

    pub fn close(&mut self, report: &mut Report) {
        let mut kept: Vec<_> = self.kept.drain().filter(|(_, (balance, _))| *balance < 0).collect();
        kept.sort_by(|a, b| a.1.1.cmp(&b.1.1));
        for ((_, kind), (_, at)) in kept.into_iter().filter(|_| !self.trimmed) {
            report.violated("E2311", at, || format!("the {kind} was passed on twice, or never came"));
        }
        for (zone, (partition, at)) in &self.used {
            match self.published.get(zone) {
                Some(home) if home != partition => {
                    report.violated("E2311", at.clone(), || format!("zone {zone} lives on commands/{home}"));
                }
                None if !self.trimmed => {
                    report.violated("E2311", at.clone(), || format!("zone {zone} was never published"));
                }
                _ => {}
            }
        }
        let mut copies: Vec<_> = self.copies.drain().collect();
        copies.sort_by_key(|(control, _)| *control);
        for (control, copies) in copies {
            let at = Position::new(Topic::Control, 0, control);
            let (seen, due) = (copies.seen.len(), copies.due.map(|(_, a, b)| a + b));
            report
                .violated("E2312", at, || format!("{seen} copies were made, {} were due", due.unwrap_or(0)));
        }
        for (time, (_, at)) in std::mem::take(&mut self.policies).into_iter().filter(|_| !self.trimmed) {
            report.violated("E2312", at, || format!("a policy of {time} µs was not passed on, or by nobody"));
        }
        let mut replies: Vec<_> = self.replies.drain().collect();
        replies.sort_by(|a, b| a.0.cmp(&b.0));
        for (about, due) in replies {
            match due {
                Due::Wanted(_, said) if said.optional => {}
                Due::Wanted(..) => {
                    report.violated("E2313", about, || "its caller waits and has no reply".into())
                }
                // Its command was trimmed.
                Due::Came(..) if self.trimmed => self.unjudged += 1,
                Due::Came(_, _, at) => report.violated("E2313", at, || format!("nobody asked for {about}")),
            }
        }
        let mut letters: Vec<_> = self.letters.drain().collect();
        letters.sort();
        for (about, balance) in letters {
            if balance > 0 {
                report.violated("E2317", about, || "it does not decode, and no dead letter keeps it".into());
            } else if !self.trimmed {
                report.violated("E2317", about, || "it has a dead letter, and was not refused for it".into());
            }
        }
        for position in self.skipped.iter().filter(|p| !self.skips.contains(p) && !self.trimmed) {
            report.violated("E2318", position.clone(), || "it was passed over, and nobody said so".into());
        }
        if self.unjudged > 0 {
            let said = format!("{} replies are about commands that were trimmed", self.unjudged);
            report.unchecked.push(said);
        }
    }
}

fn assigned(command: &Command) -> Option<Assigned> {
    match command {
        Command::Place(m) | Command::Amend(m) => m.to.clone(),
        Command::Cancel(c) => c.to.clone(),
        Command::Payment(p) => p.to.clone(),
        Command::Delivered(d) => d.to.clone(),
        Command::Reserve(r) => r.to.clone(),
        Command::Extend(e) => e.to.clone(),
        Command::Release(r) => r.to.clone(),
        Command::Steer(s) => s.to.clone(),
        // It names no zone: it follows its order.
        Command::Ask(a) => Some(Assigned { order: a.order, zone: String::new() }),
        _ => None,
    }
}

/// What intake may make of a command when it passes it on.
fn may_become(command: &str, passed: &str) -> bool {
    command == passed || matches!((command, passed), ("place", "amend" | "ask") | ("amend" | "cancel", "ask"))
}

fn name(answer: &Answer) -> &'static str {
    match answer {
        Answer::Accepted(_) => "accepted",
        Answer::Repeat(_) => "repeat",
        Answer::Early => "early",
        Answer::Ignored => "ignored",
        Answer::Refused { .. } => "refused",
        Answer::Done => "done",
        Answer::Outcome(_) => "an outcome",
        Answer::Published(_) => "published",
    }
}
