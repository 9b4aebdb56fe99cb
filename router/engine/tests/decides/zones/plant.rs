//! Several partitions as the runner drives them: each reads its own log, and what it writes reaches the logs of others
//! when its batch is committed, in one piece. A crash loses what was not committed; the partition comes back from a
//! snapshot and the log.

use std::collections::BTreeMap;

use router_engine::{control::Control, engine::Engine};
use router_schemas::{
    command::{
        Command,
        reference::{Published, Reference},
    },
    envelope::{self, Meta, Origin},
    event::Event,
    id::OrderId,
    position::{LogId, Topic},
    row::{HoldRow, OrderRow, Row},
    stage::{Input, Outputs, Stage, Topology},
};

pub const PARTITIONS: usize = 3;
pub const TOPOLOGY: Topology =
    Topology { log: LogId([3; 16]), intake: 1, commands: PARTITIONS as u16, events: 1 };
/// More than any history of these tests needs: beyond it, something goes round.
const RECORDS_MOST: usize = 6_000;

/// Bytes that one record made, and where they go.
type Wrote = Vec<(Topic, u16, Vec<u8>)>;

struct Partition {
    engine: Engine,
    /// Append time and bytes.
    log: Vec<(i64, Vec<u8>)>,
    /// What applying each of them wrote.
    wrote: Vec<Wrote>,
    /// Records applied, and of those, records committed.
    applied: usize,
    committed: usize,
    snapshot: (usize, Vec<u8>),
}

pub struct Plant {
    partitions: Vec<Partition>,
    control: Control,
    controlled: u64,
    now: i64,
    /// The last row of every order, as committed.
    pub rows: BTreeMap<OrderId, OrderRow>,
    /// The last row of every hold.
    pub holds: BTreeMap<OrderId, HoldRow>,
}

impl Plant {
    pub fn new() -> Plant {
        let partition = |number| Partition {
            engine: Engine::new(TOPOLOGY, number),
            log: Vec::new(),
            wrote: Vec::new(),
            applied: 0,
            committed: 0,
            snapshot: (0, Vec::new()),
        };
        Plant {
            partitions: (0..PARTITIONS as u16).map(partition).collect(),
            control: Control::new(TOPOLOGY),
            controlled: 0,
            now: 1_000_000,
            rows: BTreeMap::new(),
            holds: BTreeMap::new(),
        }
    }

    /// Through CONTROL: its copies reach all partitions at once.
    pub fn publish(&mut self, change: Reference) {
        let payload =
            envelope::to_vec(None, &Meta::default(), &Command::Reference(Published { control: 0, change }));
        let mut out = Outputs::default();
        let input = Input { offset: self.controlled, at: self.now, skipped: false, payload: &payload };
        self.control.apply(input, &mut out);
        self.controlled += 1;
        let origin = Origin { log: TOPOLOGY.log, topic: Topic::Control.code(), partition: 0, sequence: 1 };
        for output in out.iter().filter(|o| o.target.topic == Topic::Commands) {
            let mut record = Vec::new();
            out.record(output, &origin, &mut record);
            self.append(output.target.partition, record);
        }
    }

    /// From a gateway, or through intake.
    pub fn tell(&mut self, partition: u16, command: &Command) {
        self.append(partition, envelope::to_vec(None, &Meta::default(), command));
    }

    /// Ten minutes later, as far as deadlines go: a tick every half minute.
    pub fn tick(&mut self, partition: u16) {
        for _ in 0..20 {
            self.now += 30_000;
            self.tell(partition, &Command::Tick);
        }
    }

    fn append(&mut self, partition: u16, record: Vec<u8>) {
        self.now += 7;
        let log = &mut self.partitions[usize::from(partition)].log;
        assert!(log.len() < RECORDS_MOST, "something goes round between the zones");
        log.push((self.now, record));
    }

    /// Applies the next record of a partition. False: there is none.
    pub fn apply(&mut self, number: usize) -> bool {
        let partition = &mut self.partitions[number];
        if partition.applied == partition.log.len() {
            return false;
        }
        let wrote = apply(&mut partition.engine, partition.applied, &partition.log);
        match partition.wrote.get(partition.applied) {
            // Applied before a crash: the same again.
            Some(before) => assert!(*before == wrote, "after a crash other bytes are written"),
            None => partition.wrote.push(wrote),
        }
        partition.applied += 1;
        true
    }

    /// Commits what the partition has applied. False: nothing.
    pub fn commit(&mut self, number: usize) -> bool {
        let partition = &mut self.partitions[number];
        let batch = partition.committed..partition.applied;
        let any = !batch.is_empty();
        partition.committed = partition.applied;
        let wrote: Wrote = partition.wrote[batch].iter().flatten().cloned().collect();
        for (topic, to, bytes) in wrote {
            match topic {
                Topic::Commands => self.append(to, bytes),
                Topic::Events => {
                    let (_, event) = envelope::decode::<Event>(&bytes).expect("an event");
                    for row in event.rows {
                        match row {
                            Row::Order(row) => _ = self.rows.insert(row.order, *row),
                            Row::Hold(row) => _ = self.holds.insert(row.order, row),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        any
    }

    pub fn snapshot(&mut self, number: usize) {
        let partition = &mut self.partitions[number];
        // Of a state that is committed, as the runner does.
        if partition.applied == partition.committed {
            let mut bytes = Vec::new();
            partition.engine.snapshot(&mut bytes);
            partition.snapshot = (partition.applied, bytes);
        }
    }

    /// The partition loses what it did not commit, and is built again.
    pub fn crash(&mut self, number: usize) {
        let partition = &mut self.partitions[number];
        let (at, bytes) = &partition.snapshot;
        partition.engine = match bytes.is_empty() {
            true => Engine::new(TOPOLOGY, number as u16),
            false => Engine::restore(TOPOLOGY, number as u16, bytes).expect("a snapshot of ours"),
        };
        for offset in *at..partition.committed {
            let wrote = apply(&mut partition.engine, offset, &partition.log);
            assert!(wrote == partition.wrote[offset], "a replay writes other bytes at {offset}");
        }
        partition.applied = partition.committed;
    }

    /// A word between zones about a hold comes once more, however late.
    pub fn repeat(&mut self, number: usize) {
        let mut words: Vec<(u16, &Vec<u8>)> = Vec::new();
        for (to, partition) in self.partitions.iter().enumerate().rev().map(|(to, p)| (to as u16, p)) {
            for (_, bytes) in partition.log.iter().filter(|(_, bytes)| is_leg(bytes)) {
                if !words.contains(&(to, bytes)) {
                    words.push((to, bytes));
                }
            }
        }
        if let Some((to, bytes)) = words.get(number % words.len().max(1)) {
            let (to, bytes) = (*to, (*bytes).clone());
            self.append(to, bytes);
        }
    }

    /// Two such words that nobody applied yet come the other way round.
    pub fn swap(&mut self, number: usize) {
        let partition = &mut self.partitions[number];
        let waiting: Vec<usize> =
            (partition.applied..partition.log.len()).filter(|n| is_leg(&partition.log[*n].1)).collect();
        // What was applied before a crash was committed to nobody, and may not change any more.
        if let ([.., one, other], true) = (&waiting[..], partition.wrote.len() <= partition.applied) {
            let bytes = partition.log[*one].1.clone();
            partition.log[*one].1 = std::mem::replace(&mut partition.log[*other].1, bytes);
        }
    }

    /// Lets everything come to rest.
    pub fn rest(&mut self) {
        loop {
            let mut moved = false;
            for number in 0..PARTITIONS {
                while self.apply(number) {
                    moved = true;
                }
                moved |= self.commit(number);
            }
            if !moved {
                return;
            }
        }
    }

    pub fn row(&self, partition: u16, order: OrderId) -> Option<OrderRow> {
        self.partitions[usize::from(partition)].engine.order(order)
    }

    pub fn hold(&self, partition: u16, order: OrderId) -> Option<HoldRow> {
        self.partitions[usize::from(partition)].engine.hold(order)
    }

    pub fn cells(&self, sku: &str) -> Vec<router_schemas::row::CellRow> {
        self.partitions.iter().flat_map(|p| p.engine.cells(sku)).collect()
    }
}

fn is_leg(bytes: &[u8]) -> bool {
    matches!(envelope::decode::<Command>(bytes), Ok((_, Command::Leg(_) | Command::LegReport(_))))
}

fn apply(engine: &mut Engine, offset: usize, log: &[(i64, Vec<u8>)]) -> Wrote {
    let (at, payload) = &log[offset];
    let mut out = Outputs::default();
    engine.apply(Input { offset: offset as u64, at: *at, skipped: false, payload }, &mut out);
    let origin = Origin { log: TOPOLOGY.log, topic: Topic::Commands.code(), partition: 0, sequence: 1 };
    let record = |output: &router_schemas::stage::Output| {
        let mut bytes = Vec::new();
        out.record(output, &origin, &mut bytes);
        (output.target.topic.clone(), output.target.partition, bytes)
    };
    out.iter().map(record).collect()
}
