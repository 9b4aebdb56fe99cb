//! ENGINE: one partition of `router.commands`. Reserves stock and chooses nodes.

mod choose;
mod effects;
mod fulfilment;
mod invariants;
mod orders;
mod state;
mod stock;
mod time;
mod waiting;

use router_schemas::{
    command::{Command, reference::Reference},
    dead_letter::DeadLetter,
    envelope::{self, Meta},
    event::Outcome,
    id::OrderId,
    position::{Position, Topic},
    refusal::Refusal,
    reply::Answer,
    row::{CellRow, OrderRow},
    snapshot::{self, SnapshotError},
    stage::{Input, Outputs, Stage, Topology},
};

use self::{
    effects::Effects,
    state::{Index, State},
};

/// The state machine of one partition of `router.commands`.
pub struct Engine {
    topology: Topology,
    partition: u16,
    state: State,
    index: Index,
}

/// What became of a command, and what its caller is told.
type Verdict = (Outcome, Answer);

impl Engine {
    /// An engine that has seen nothing.
    pub fn new(topology: Topology, partition: u16) -> Self {
        Self { topology, partition, state: State::default(), index: Index::default() }
    }

    /// The engine of a snapshot.
    pub fn restore(topology: Topology, partition: u16, snapshot: &[u8]) -> Result<Self, SnapshotError> {
        let state: State = snapshot::read(snapshot)?;
        let index = Index::of(&state);
        Ok(Self { topology, partition, state, index })
    }

    /// An order as it stands; `None`: not known here.
    pub fn order(&self, id: OrderId) -> Option<OrderRow> {
        self.state.orders.get(&id).map(|order| effects::order_row(&self.state, order))
    }

    /// The cells of a SKU in this partition.
    pub fn cells(&self, sku: &str) -> Vec<CellRow> {
        let numbers = (0u32..).zip(&self.state.skus).filter(|(_, s)| s.name == sku);
        numbers.flat_map(|(n, s)| s.cells.iter().map(move |c| self.state.cell_row(n, c.node))).collect()
    }

    fn decide(&mut self, meta: &Meta, command: Command, effects: &mut Effects<'_>) -> Verdict {
        if self.is_repeat(meta, &command) {
            return (Outcome::Repeat, Answer::Done);
        }
        match command {
            Command::Place(message) => self.place(message, effects),
            Command::Amend(_) => refuse(Refusal::Level, "amendments"),
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
            Command::Reference(published) => {
                self.state.control = published.control;
                self.reference(published.change, effects);
                (Outcome::Applied, Answer::Done)
            }
            Command::Genesis(_) | Command::Tick | Command::Continue => (Outcome::Applied, Answer::Done),
            Command::Part(_) | Command::PartCancel(_) | Command::PartReport(_) => {
                refuse(Refusal::Level, "parts of orders in other zones")
            }
            Command::Skip(_) | Command::Accept(_) | Command::Forgotten(_) => {
                refuse(Refusal::WrongZone, "this command is not for a zone")
            }
        }
    }

    /// Takes a copy of reference material in.
    fn reference(&mut self, change: Reference, effects: &mut Effects<'_>) {
        match change {
            Reference::Zone(zone) => {
                if zone.partition == Some(self.partition) {
                    self.state.zones.insert(zone.id);
                }
            }
            Reference::Node(node) => {
                let number = self.node_number(&node.id);
                let held = &mut self.state.nodes[number as usize];
                held.known = true;
                held.node = *node;
                for sku in 0..self.state.skus.len() as u32 {
                    if self.state.skus[sku as usize].cell(number).is_some() {
                        // What is available there may have changed in either direction.
                        effects.touch_cell(sku, number);
                        self.state.dirty.insert(sku, None);
                    }
                }
            }
            Reference::Item(item) => {
                self.sku_number(&item.sku, "");
                for (number, sku) in (0..).zip(&mut self.state.skus).filter(|(_, sku)| sku.name == item.sku) {
                    sku.item = Some((*item).clone());
                    self.state.dirty.insert(number, None);
                }
            }
            Reference::Channel(channel) => {
                self.state.channels.insert(channel.id.clone(), channel);
                self.state.dirty.extend((0..self.state.skus.len() as u32).map(|sku| (sku, None)));
            }
            Reference::Region(_) | Reference::BehaviourLevel(_) | Reference::Incarnation(..) => {}
        }
    }

    /// The number of a node, giving one to a name that is new.
    fn node_number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.index.nodes.get(name) {
            return *number;
        }
        let number = self.state.nodes.len() as u32;
        self.state.nodes.push(state::NodeState::default());
        self.state.nodes[number as usize].node.id = name.to_owned();
        self.index.nodes.insert(name.to_owned(), number);
        number
    }

    /// The number of a SKU in a bucket, giving one to a name that is new. An item of the SKU serves all buckets.
    fn sku_number(&mut self, name: &str, bucket: &str) -> u32 {
        let key = (name.to_owned(), bucket.to_owned());
        if let Some(number) = self.index.skus.get(&key) {
            return *number;
        }
        let number = self.state.skus.len() as u32;
        let item = match bucket {
            "" => None,
            _ => {
                let plain = self.index.skus.get(&(key.0.clone(), String::new()));
                plain.and_then(|n| self.state.skus[*n as usize].item.clone())
            }
        };
        let fresh =
            state::SkuState { name: key.0.clone(), bucket: key.1.clone(), item, ..Default::default() };
        self.state.skus.push(fresh);
        self.index.skus.insert(key, number);
        number
    }
}

impl Stage for Engine {
    fn apply(&mut self, input: Input<'_>, out: &mut Outputs) {
        let position = Position::new(Topic::Commands, self.partition, input.offset);
        let decoded = envelope::decode::<Command>(input.payload);
        let tick = matches!(&decoded, Ok((_, Command::Tick)));
        let carried = decoded.as_ref().map_or(0, |(meta, _)| meta.carried);
        self.state.clock.advance(input.at, carried, tick);
        let mut effects = Effects::new(out, self.topology, position.clone());
        let outcome = match decoded {
            Ok((meta, command)) => {
                let quiet = matches!(command, Command::Genesis(_) | Command::Tick | Command::Continue);
                // Skipped or not, it is not under way any more.
                self.state.continuing &= !matches!(command, Command::Continue);
                if !input.skipped {
                    self.work_off_due(&mut effects);
                }
                let (outcome, answer) = match input.skipped {
                    true => refuse(Refusal::Skipped, ""),
                    false => self.decide(&meta, command, &mut effects),
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
        // A skipped record leaves its outcome and its reply, nothing else: the next one asks.
        if !input.skipped {
            self.ask_to_continue(&mut effects);
        }
        self.check_touched(&effects);
        effects.finish(&self.state, outcome, &|id| self.order(id));
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
        let open = self.state.orders.values().filter(|o| !o.state.is_closed()).count();
        let cells: usize = self.state.skus.iter().map(|s| s.cells.len()).sum();
        vec![
            ("orders", self.state.orders.len() as u64),
            ("open_orders", open as u64),
            ("cells", cells as u64),
            ("nodes", self.state.nodes.len() as u64),
        ]
    }
}

fn refuse(refusal: Refusal, detail: &str) -> Verdict {
    (Outcome::Refused(refusal), Answer::Refused { refusal, detail: detail.to_owned() })
}
