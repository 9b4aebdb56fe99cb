//! Who asks and states: platforms, stores and operations, out of chance. They send things twice, late, and out of order,
//! and they remember what they were answered.

use std::collections::{BTreeMap, HashMap};

use router_schemas::{
    command::{
        Command,
        order::{
            Arrival, Cancel, Delivered, LineQty, OrderBody, OrderHead, OrderLine, OrderMessage, PaymentFact,
            PaymentState, Pin, PinKind,
        },
    },
    envelope::{Meta, ReplyTo},
    event::Event,
    geo::UnitVector,
    id::{Identity, OrderId},
    position::{Topic, TopicPartition},
    quantity::Qty,
    reply::{Answer, Reply},
};

use crate::{chance::Chance, ledger::Ledger, stores, world::TOPOLOGY};

/// A command on its way: where to, what goes with it, what.
pub type Sent = (TopicPartition, Meta, Command);

/// Orders that callers remember and change.
const REMEMBERED: usize = 300;

/// Orders that are not closed, beyond which customers give the oldest up.
const UNFINISHED: usize = 150;

/// An order as its platform knows it.
#[derive(Clone)]
struct Known {
    identity: Identity,
    version: u64,
    lines: Vec<(String, String, i64)>,
    reserved_only: bool,
}

/// All callers.
pub struct Callers {
    chance: Chance,
    /// What is sent later: when, in which order.
    later: BTreeMap<(i64, u64), Sent>,
    counter: u64,
    known: Vec<Known>,
    /// The id that each identity was given.
    ids: HashMap<Identity, OrderId>,
    /// Who waits for an answer about which identity.
    waiting: HashMap<[u8; 16], Identity>,
    /// Whether the world's orders pass through offers, parts and so on: all of it.
    stores: stores::Stores,
}

impl Callers {
    /// Callers of a seed.
    pub fn new(mut chance: Chance) -> Callers {
        let stores = stores::Stores::new(chance.fork());
        Callers {
            chance,
            later: BTreeMap::new(),
            counter: 0,
            known: Vec::new(),
            ids: HashMap::new(),
            waiting: HashMap::new(),
            stores,
        }
    }

    /// What is published before anything else.
    pub fn opening(&mut self) -> Vec<Command> {
        self.stores.opening()
    }

    /// What is sent now.
    pub fn act(&mut self, now: i64, ledger: &Ledger) -> Vec<Sent> {
        let mut sent = Vec::new();
        while let Some((key, _)) = self.later.first_key_value().filter(|((at, _), _)| *at <= now) {
            let key = *key;
            sent.extend(self.later.remove(&key));
        }
        let fresh = match self.chance.below(10) {
            0..5 => self.about_order(now, ledger),
            _ => self.stores.act(now, ledger),
        };
        let Some(command) = fresh else { return sent };
        let target = match command.identity() {
            Some(identity) => TopicPartition::new(Topic::Intake, identity.partition(TOPOLOGY.intake)),
            None => match command {
                Command::Reference(_) => TopicPartition::new(Topic::Control, 0),
                _ => TopicPartition::new(Topic::Commands, self.stores.partition(&command)),
            },
        };
        let mut meta = Meta::default();
        if let Some(identity) = command.identity().filter(|_| self.chance.one_in(3)) {
            let mut correlation = [0; 16];
            correlation[..8].copy_from_slice(&self.chance.number().to_le_bytes());
            meta.reply = Some(ReplyTo { partition: 0, correlation, outcome: self.chance.one_in(2) });
            self.waiting.insert(correlation, identity.clone());
            if self.waiting.len() > 10_000 {
                self.waiting.clear();
            }
        }
        // The answer is lost, or nobody waited for it: the same again, a little or much later.
        if self.chance.one_in(8) {
            let at = now + *self.chance.pick(&[10, 2_000, 60_000, 3_600_000]);
            self.send_later(at, (target.clone(), meta.clone(), command.clone()));
        }
        if self.chance.one_in(10) {
            let at = now + self.chance.within(1, 20_000);
            self.send_later(at, (target, meta, command));
        } else {
            sent.push((target, meta, command));
        }
        sent
    }

    fn send_later(&mut self, at: i64, sent: Sent) {
        self.counter += 1;
        self.later.insert((at, self.counter), sent);
    }

    /// An answer: a platform's name of an order never means two orders.
    pub fn answered(&mut self, reply: &Reply) -> Result<(), String> {
        let Some(identity) = self.waiting.get(&reply.correlation).cloned() else { return Ok(()) };
        let order = match &reply.answer {
            Answer::Accepted(accepted) | Answer::Repeat(accepted) => accepted.order,
            Answer::Outcome(outcome) => outcome.order,
            _ => return Ok(()),
        };
        let first = *self.ids.entry(identity.clone()).or_insert(order);
        match first == order {
            true => Ok(()),
            false => Err(format!("I7: {identity} was {first}, and is {order}")),
        }
    }

    /// What the stages did with a record.
    pub fn saw(&mut self, command: Option<&Command>, events: &[Event]) -> Result<(), String> {
        if let Some(Command::Forgotten(ask)) = command {
            // Its name may be used again from now on.
            self.ids.remove(&ask.identity);
        }
        self.stores.saw(command, events)
    }

    fn about_order(&mut self, now: i64, ledger: &Ledger) -> Option<Command> {
        let known = self.known.len();
        if let Some(row) = ledger.oldest_beyond(UNFINISHED) {
            // Customers do not wait for ever.
            let (identity, content) = (row.identity.clone(), self.hash());
            let (version, lines, ask) = (Some(u64::MAX), Vec::new(), true);
            return Some(Command::Cancel(Cancel {
                to: None,
                identity,
                version,
                updated_at: None,
                content,
                lines,
                ask,
            }));
        }
        if known < 20 || self.chance.one_in(3) {
            return Some(self.place(now));
        }
        // Mostly about late ones.
        let far = if self.chance.one_in(4) { known as u64 } else { 20 };
        let back = self.chance.below(far);
        let place = known - 1 - back as usize;
        let key = self.hash();
        let mut order = self.known[place].clone();
        let identity = order.identity.clone();
        let lines = self.some_lines(&order);
        let command = match self.chance.below(10) {
            0..3 if !order.reserved_only => {
                order.version += 1;
                for line in &mut order.lines {
                    if self.chance.one_in(2) {
                        line.2 = self.chance.within(0, 4);
                    }
                }
                self.known[place] = order.clone();
                Command::Amend(self.message(&order, now))
            }
            3..6 => {
                order.version += 1;
                self.known[place] = order.clone();
                let ask = self.chance.one_in(3);
                let version = Some(order.version);
                let content = key;
                Command::Cancel(Cancel { to: None, identity, version, updated_at: None, content, lines, ask })
            }
            6..8 => {
                let states = [
                    PaymentState::Authorised,
                    PaymentState::Captured,
                    PaymentState::Failed,
                    PaymentState::PartRefunded,
                    PaymentState::Refunded,
                ];
                let (state, amount) = (*self.chance.pick(&states), self.chance.within(0, 5_000));
                let amount = self.chance.one_in(2).then_some(amount);
                Command::Payment(PaymentFact { to: None, identity, key, state, amount, occurred_at: None })
            }
            8 => Command::Delivered(Delivered { to: None, identity, key, lines, occurred_at: None }),
            _ => {
                let holds = order.reserved_only || self.chance.one_in(2);
                let command = self.stores.about_hold(identity, key, &order.lines, lines, holds);
                if self.chance.one_in(3) {
                    // The cart becomes an order.
                    self.known[place].reserved_only = false;
                    let order = self.known[place].clone();
                    let message = self.message(&order, now);
                    let target = message.head.identity.partition(TOPOLOGY.intake);
                    let target = TopicPartition::new(Topic::Intake, target);
                    self.send_later(now + 5_000, (target, Meta::default(), Command::Place(message)));
                }
                command
            }
        };
        Some(command)
    }

    fn place(&mut self, now: i64) -> Command {
        self.counter += 1;
        let identity = Identity {
            channel: self.chance.pick(&stores::CHANNELS).to_string(),
            account: String::new(),
            external_id: self.counter.to_string(),
        };
        let lines = (0..self.chance.within(1, 4))
            .map(|n| (n.to_string(), self.stores.sku(), self.chance.within(1, 3)))
            .collect();
        let reserved_only = self.chance.one_in(8);
        let order = Known { identity: identity.clone(), version: 1, lines, reserved_only };
        if self.known.len() == REMEMBERED {
            self.known.remove(0);
        }
        self.known.push(order.clone());
        if reserved_only {
            let key = self.hash();
            return self.stores.about_hold(identity, key, &order.lines, Vec::new(), true);
        }
        Command::Place(self.message(&order, now))
    }

    fn message(&mut self, order: &Known, now: i64) -> OrderMessage {
        // What an order says follows from its name and version: a repeat says the same.
        let mut said = Chance::new(order.identity.hash() ^ order.version);
        let pin = |said: &mut Chance, stores: &stores::Stores| {
            let kind = *said.pick(&[PinKind::Prefer, PinKind::Hard, PinKind::Only]);
            said.one_in(12).then(|| Pin { node: stores.node(said), kind })
        };
        let lines: Vec<OrderLine> = order
            .lines
            .iter()
            .filter(|(_, _, qty)| *qty > 0)
            .map(|(line, sku, qty)| OrderLine {
                line: line.clone(),
                sku: sku.clone(),
                qty: Qty::units(*qty),
                unit_price: said.within(0, 2_000),
                group: said.one_in(4).then(|| "kept".to_owned()),
                pin: pin(&mut said, &self.stores),
                ..OrderLine::default()
            })
            .collect();
        let promise = said.within(1, 5) * 86_400_000;
        let body = OrderBody {
            payment: *said.pick(&[PaymentState::None, PaymentState::Captured, PaymentState::OnDelivery]),
            promise: said.one_in(2).then_some((now, now + promise)),
            not_before: said.one_in(15).then_some(now + said.within(1, 600) * 1_000),
            to: UnitVector::from_degrees(said.within(-9, 9) as f64, said.within(-9, 9) as f64),
            priority: *said.pick(&[10, 100, 100, 200]),
            lines,
            ..OrderBody::default()
        };
        let body = postcard::to_stdvec(&body).expect("an order encodes");
        let mut content = [0; 16];
        content[..8]
            .copy_from_slice(&Chance::new(order.identity.hash() ^ order.version << 1).number().to_le_bytes());
        content[8..].copy_from_slice(&order.version.to_le_bytes());
        let head = OrderHead {
            identity: order.identity.clone(),
            version: Some(order.version),
            content,
            pin: pin(&mut said, &self.stores),
            region: said.one_in(3).then(|| self.stores.region(&mut said)),
            arrival: Arrival::Raw,
            ..OrderHead::default()
        };
        OrderMessage { to: None, head, body }
    }

    fn some_lines(&mut self, order: &Known) -> Vec<LineQty> {
        if self.chance.one_in(2) {
            return Vec::new();
        }
        let (line, ..) = self.chance.pick(&order.lines).clone();
        let qty = self.chance.one_in(2).then(|| Qty::units(1));
        vec![LineQty { line, qty }]
    }

    fn hash(&mut self) -> [u8; 16] {
        let mut hash = [0; 16];
        hash[..8].copy_from_slice(&self.chance.number().to_le_bytes());
        hash
    }
}
