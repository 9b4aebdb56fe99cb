//! ENGINE: one partition of `router.commands`. Reserves stock and chooses nodes.

mod amend;
mod cancel;
mod cancel_request;
mod cell;
mod changes;
mod choose;
mod effects;
mod evacuate;
mod feed;
mod field;
mod fulfilment;
mod give_back;
mod hold;
mod images;
mod invariants;
mod lapse;
mod leg;
mod names;
mod nodes;
mod notices;
mod offer;
mod order;
mod part;
mod pause;
mod payment;
mod place;
mod pool;
mod reference;
mod release;
mod relieve;
mod repeats;
mod reserve;
mod roster;
mod route;
mod rows;
mod rules;
mod share;
mod shelf;
mod shown;
mod state;
mod steer;
mod stock;
mod time;
pub mod trace;
mod units;
pub mod views;
mod waiting;
mod whole;
mod work;

use router_schemas::{
    command::{Command, Genesis},
    dead_letter::DeadLetter,
    envelope::{self, Meta},
    event::{Outcome, Queue},
    id::OrderId,
    position::{Position, Topic},
    refusal::Refusal,
    reply::Answer,
    row::{CellRow, NodeRow, OfferRow, OrderRow},
    snapshot::{self, SnapshotError},
    stage::{Input, Outputs, Stage, Topology},
};

pub use rules::query::{Candidate, SortValue};

use self::{
    changes::Work,
    effects::Effects,
    state::{Index, State},
    trace::Trace,
};

/// The state machine of one partition of `router.commands`.
pub struct Engine {
    topology: Topology,
    partition: u16,
    state: State,
    index: Index,
    /// Lists that the next command works with.
    work: Work,
}

/// The behaviour level whose semantics these are.
const LEVEL: u32 = 1;

/// What became of a command, and what its caller is told.
type Verdict = (Outcome, Answer);

impl Engine {
    /// An engine that has seen nothing.
    pub fn new(topology: Topology, partition: u16) -> Self {
        Self { topology, partition, state: State::default(), index: Index::default(), work: Work::default() }
    }

    /// The engine of a snapshot.
    pub fn restore(topology: Topology, partition: u16, snapshot: &[u8]) -> Result<Self, SnapshotError> {
        let mut state: State = snapshot::read(snapshot)?;
        if fault!(DeadlinesNotRestored) {
            state.deadlines.clear();
        }
        if fault!(HoldsNotRestored) {
            state.holds.clear();
        }
        let index = Index::of(&mut state);
        Ok(Self { topology, partition, state, index, work: Work::default() })
    }

    /// An order as it stands; `None`: not known here.
    pub fn order(&self, id: OrderId) -> Option<OrderRow> {
        self.state.orders.get(&id).map(|order| rows::order_row(&self.state, order))
    }

    /// The queue in which what is open of an order is parked, whatever else goes on with it; `None`: nothing is.
    pub fn queue(&self, id: OrderId) -> Option<&Queue> {
        self.state.orders.get(&id).and_then(|order| order.queue.as_ref())
    }

    /// The offers of an order, open or over, as far as they are kept.
    pub fn offers(&self, id: OrderId) -> Vec<OfferRow> {
        let order = self.state.orders.get(&id);
        order.map_or(Vec::new(), |order| {
            order.offers.iter().map(|offer| rows::offer_row(&self.state, order, offer)).collect()
        })
    }

    /// How a node stands; `None`: not known here.
    pub fn node(&self, name: &str) -> Option<NodeRow> {
        self.index.nodes.get(name).map(|node| rows::node_row(&self.state, *node))
    }

    /// The cells of a SKU in this partition.
    pub fn cells(&self, sku: &str) -> Vec<CellRow> {
        let numbers = (0u32..).zip(&self.state.skus).filter(|(_, s)| s.name == sku);
        numbers
            .flat_map(|(n, s)| s.cells.iter().filter_map(move |c| rows::cell_row(&self.state, n, c.node)))
            .collect()
    }

    /// Applies a record exactly as [`Stage::apply`] does, and tells what every choice made by it looked at, in
    /// the order of the choices: those of due work first. `of`: for this order only.
    pub fn apply_traced(
        &mut self,
        input: Input<'_>,
        out: &mut Outputs,
        of: Option<OrderId>,
    ) -> Vec<trace::Choice> {
        self.run(input, out, Some(Trace { of, choices: Vec::new() })).unwrap_or_default()
    }

    fn decide(&mut self, meta: &Meta, command: Command, effects: &mut Effects<'_>) -> Verdict {
        if self.is_repeat(meta, &command) {
            return (Outcome::Repeat, Answer::Done);
        }
        let key = repeats::request_key(&command);
        if key.is_some_and(|key| self.was_applied(key)) {
            return (Outcome::Repeat, Answer::Done);
        }
        let verdict = self.do_as_asked(meta, command, effects);
        if let (Some(key), Outcome::Applied) = (key, verdict.0) {
            self.note_applied(key);
        }
        verdict
    }

    fn do_as_asked(&mut self, meta: &Meta, command: Command, effects: &mut Effects<'_>) -> Verdict {
        match command {
            Command::Place(message) => self.place(message, effects),
            Command::Amend(message) => self.amend(message, effects),
            Command::Cancel(cancel) => self.cancel(cancel, effects),
            Command::Payment(fact) => self.payment(fact, effects),
            Command::Delivered(fact) => self.delivered(fact, effects),
            Command::Ask(ask) => match self.state.orders.get(&ask.order).and_then(|o| o.first.clone()) {
                Some(first) => (
                    Outcome::Applied,
                    Answer::Outcome(router_schemas::reply::Outcome { repeat: true, ..first }),
                ),
                None => refuse(Refusal::UnknownOrder, &ask.identity.to_string()),
            },
            Command::Count(fact) => self.count(fact, effects),
            Command::Receipt(fact) => self.receipt(fact, effects),
            Command::Adjustment(fact) => self.adjust(fact, effects),
            Command::CellPolicy(policy) => self.cell_policy(policy, effects),
            Command::Picked(fact) => self.picked(fact, effects),
            Command::Ready(fact) => self.ready(fact, effects),
            Command::Shipped(fact) => self.shipped(fact, effects),
            Command::Returned(fact) => self.returned(fact, effects),
            Command::Accepted(fact) => self.accepted(fact, effects),
            Command::HandedOver(fact) => self.handed_over(fact, effects),
            Command::Claim(claim) => self.claim(claim, effects),
            Command::Decline(decline) => self.decline(decline, effects),
            Command::CancelAnswer(answer) => self.cancel_answer(answer, effects),
            Command::Node(request) => self.node_request(request, effects),
            Command::Steer(steer) => self.steer(meta, steer, effects),
            Command::Reference(published) => {
                self.state.control = published.control;
                self.reference(published, effects);
                (Outcome::Applied, Answer::Done)
            }
            Command::Genesis(genesis) => {
                self.check_genesis(&genesis, effects);
                (Outcome::Applied, Answer::Done)
            }
            Command::Tick => {
                self.give_up_shares(effects);
                (Outcome::Applied, Answer::Done)
            }
            Command::Continue => (Outcome::Applied, Answer::Done),
            Command::Part(part) => self.take_part(part, effects),
            Command::PartCancel(cancel) => self.cancel_part(cancel, effects),
            Command::PartReport(report) => self.part_report(report, effects),
            Command::Reserve(asked) => self.reserve(asked, effects),
            Command::Extend(asked) => self.extend(asked, effects),
            Command::Release(asked) => self.release(asked, effects),
            Command::ChannelPolicy(policy) => self.channel_policy(policy, effects),
            Command::Leg(leg) => self.take_leg(leg, effects),
            Command::LegReport(report) => self.leg_report(report, effects),
            Command::ShareKept(_) | Command::Skip(_) | Command::Accept(_) | Command::Forgotten(_) => {
                refuse(Refusal::WrongZone, "this command is not for a zone")
            }
        }
    }

    /// A log that is not this engine's breaks the partition: it must not be applied to this state.
    fn check_genesis(&self, found: &Genesis, effects: &Effects<'_>) {
        let mine = (self.topology.log, Topic::Commands.code(), self.partition);
        let its = (found.log, found.topic, found.partition);
        assert!(
            mine == its && found.level == LEVEL,
            "{} is the genesis of topic {} partition {} of log {} at level {}; this engine runs partition {} of \
             the commands of log {} at level {LEVEL}. Point it at its own log, or run a build of that level.",
            effects.position,
            found.topic,
            found.partition,
            found.log,
            found.level,
            self.partition,
            self.topology.log,
        );
    }

    /// Applies a record. `trace`: where to put what the choices look at; `None` costs nothing.
    fn run(
        &mut self,
        input: Input<'_>,
        out: &mut Outputs,
        trace: Option<Trace>,
    ) -> Option<Vec<trace::Choice>> {
        let position = Position::new(Topic::Commands, self.partition, input.offset);
        let decoded = envelope::decode::<Command>(input.payload);
        let tick = matches!(&decoded, Ok((_, Command::Tick)));
        let timers = matches!(&decoded, Ok((_, Command::Tick | Command::Continue)));
        let carried = decoded.as_ref().map_or(0, |(meta, _)| meta.carried);
        self.state.clock.advance(input.at, carried, tick);
        let mut effects = Effects::new(out, self.topology, position.clone(), std::mem::take(&mut self.work));
        effects.trace = trace;
        let outcome = match decoded {
            Ok((meta, command)) => {
                let quiet = matches!(command, Command::Genesis(_) | Command::Tick | Command::Continue);
                // Skipped or not, it is not under way any more.
                self.state.continuing &= !matches!(command, Command::Continue);
                if !input.skipped {
                    self.work_off_due(timers, &mut effects);
                }
                let (outcome, answer) = match input.skipped {
                    true => refuse(Refusal::Skipped, ""),
                    false => {
                        effects.awaited = meta.reply.is_some();
                        self.decide(&meta, command, &mut effects)
                    }
                };
                effects.reply(&meta, answer);
                (!quiet || input.skipped).then_some(outcome)
            }
            Err(error) => {
                if !input.skipped {
                    let letter = DeadLetter {
                        position,
                        code: Refusal::Undecodable.code().id.into(),
                        pointer: String::new(),
                        detail: error.to_string(),
                        key: [0; 16],
                        bytes: input.payload.to_vec(),
                        resolved: false,
                    };
                    effects.out.push(Topic::DeadLetter("commands".into()), 0, &Meta::default(), &letter);
                }
                Some(Outcome::Refused(if input.skipped { Refusal::Skipped } else { Refusal::Undecodable }))
            }
        };
        self.note_rises(&mut effects);
        self.tell_homes(&mut effects);
        self.send_last(&mut effects);
        // A skipped record leaves its outcome and its reply, nothing else: the next one asks.
        if !input.skipped {
            self.ask_to_continue(timers, &mut effects);
        }
        self.check_touched(&effects);
        let trace = effects.trace.take().map(|trace| trace.choices);
        self.work = effects.finish(&self.state, outcome);
        trace
    }
}

impl Stage for Engine {
    fn apply(&mut self, input: Input<'_>, out: &mut Outputs) {
        self.run(input, out, None);
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
            ("orders", self.state.orders.len() as u64),
            ("open_orders", self.state.counts.open_orders),
            ("waiting_orders", self.state.counts.waiting_orders),
            ("cells", self.state.counts.cells),
            ("nodes", self.state.nodes.len() as u64),
            ("holds", self.state.counts.holds),
        ]
    }
}

fn refuse(refusal: Refusal, detail: &str) -> Verdict {
    (Outcome::Refused(refusal), Answer::Refused { refusal, detail: detail.to_owned() })
}
