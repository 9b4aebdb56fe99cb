//! Engines that were brought to a position, and the records that go through them. What they write stays here.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
};

use router_engine::engine::Engine;
use router_schemas::{
    command::Command,
    envelope::{self, Meta, Origin},
    event::{Event, Outcome},
    id::{OfferId, OrderId},
    position::{Position, Topic},
    row::{OfferRow, OfferState, OrderRow, Row},
    stage::{Input, Outputs, Stage, Topology},
};

use super::{SimulateError, tally::Tally};

/// Offsets of commands that no log has: far behind those of any log, so that ids made of them are no order's.
const OWN: u64 = 1 << 46;
/// Commands of the engines' own that follow one record at most.
const FOLLOWING: usize = 100_000;

/// An offer that nodes may claim, and the partition that made it.
pub(super) struct Open {
    pub partition: u16,
    pub row: Box<OfferRow>,
}

/// Engines of some partitions.
pub(super) struct World {
    topology: Topology,
    engines: BTreeMap<u16, Box<Engine>>,
    outputs: Outputs,
    own: u64,
    pub tally: Tally,
    /// Offers that are open.
    pub offers: BTreeMap<(OrderId, OfferId), Open>,
    /// Those that changed since someone asked.
    pub changed: BTreeSet<(OrderId, OfferId)>,
    /// Commands to partitions that take no part.
    pub lost: u64,
}

impl World {
    pub fn new(topology: Topology, engines: BTreeMap<u16, Box<Engine>>) -> World {
        World {
            topology,
            engines,
            outputs: Outputs::default(),
            own: 0,
            tally: Tally::default(),
            offers: BTreeMap::new(),
            changed: BTreeSet::new(),
            lost: 0,
        }
    }

    /// An order as it stands, wherever it is.
    pub fn order(&self, id: OrderId) -> Option<OrderRow> {
        self.engines.values().find_map(|engine| engine.order(id))
    }

    /// An order as a partition has it.
    pub fn order_at(&self, partition: u16, id: OrderId) -> Option<OrderRow> {
        self.engines.get(&partition)?.order(id)
    }

    /// Applies a record of the log; what the engines write to each other is in the log, too.
    pub fn replay(&mut self, partition: u16, input: Input<'_>) -> Result<(), SimulateError> {
        self.apply(partition, input, None).map(drop)
    }

    /// Applies a record, and then whatever the engines write to each other because of it.
    pub fn feed(&mut self, partition: u16, input: Input<'_>) -> Result<Option<Outcome>, SimulateError> {
        let mut following = VecDeque::new();
        let outcome = self.apply(partition, input, Some(&mut following))?;
        for _ in 0..FOLLOWING {
            let Some((partition, payload)) = following.pop_front() else { break };
            let offset = self.next_offset();
            let input = Input { offset, at: input.at, skipped: false, payload: &payload };
            self.apply(partition, input, Some(&mut following))?;
        }
        Ok(outcome)
    }

    /// Feeds a command that no log has.
    pub fn say(
        &mut self,
        partition: u16,
        at: i64,
        command: &Command,
    ) -> Result<Option<Outcome>, SimulateError> {
        let payload = envelope::to_vec(None, &Meta::default(), command);
        let input = Input { offset: self.next_offset(), at, skipped: false, payload: &payload };
        self.feed(partition, input)
    }

    fn next_offset(&mut self) -> u64 {
        self.own += 1;
        OWN + self.own
    }

    /// What became of the command of the record; `None`: it leaves no outcome.
    fn apply(
        &mut self,
        partition: u16,
        input: Input<'_>,
        mut following: Option<&mut VecDeque<(u16, Vec<u8>)>>,
    ) -> Result<Option<Outcome>, SimulateError> {
        let Some(engine) = self.engines.get_mut(&partition) else {
            self.lost += 1;
            return Ok(None);
        };
        let mut outputs = std::mem::take(&mut self.outputs);
        outputs.clear();
        // The copy is given up then, so nobody sees it half changed.
        if catch_unwind(AssertUnwindSafe(|| engine.apply(input, &mut outputs))).is_err() {
            return Err(SimulateError::Broken(Position::new(Topic::Commands, partition, input.offset)));
        }
        let mut outcome = None;
        for output in outputs.iter() {
            let target = &output.target;
            let wanted =
                target.topic == Topic::Events || (target.topic == Topic::Commands && following.is_some());
            if !wanted {
                continue;
            }
            let topic = Topic::Commands.code();
            let origin = Origin { log: self.topology.log, topic, partition, sequence: 0 };
            let mut bytes = Vec::new();
            outputs.record(output, &origin, &mut bytes);
            match &mut following {
                Some(following) if target.topic == Topic::Commands => {
                    following.push_back((target.partition, bytes));
                }
                _ => {
                    if let Ok((_, event)) = envelope::decode::<Event>(&bytes) {
                        outcome = outcome.or(event.outcome);
                        self.note(partition, event);
                    }
                }
            }
        }
        self.outputs = outputs;
        Ok(outcome)
    }

    fn note(&mut self, partition: u16, mut event: Event) {
        for row in std::mem::take(&mut event.rows) {
            match row {
                Row::Offer(row) => {
                    let key = (row.order, row.offer);
                    self.changed.insert(key);
                    match row.state {
                        OfferState::Offered => drop(self.offers.insert(key, Open { partition, row })),
                        _ => drop(self.offers.remove(&key)),
                    }
                }
                Row::Order(row) => self.tally.touch(row.order),
                _ => {}
            }
        }
        self.tally.note(&event);
    }
}
