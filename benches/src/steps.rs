//! Each step: how its input is made, and the step itself. What a step is given and gives is one order.

use std::{hint::black_box, sync::Arc};

use router_log::{Journal, Log, Options, Transaction};
use router_schemas::{
    envelope::{self, Meta},
    event::Event,
    id::Identity,
    position::{LogId, Topic},
};
use router_sinks::{FjallStore, Store};

use crate::{engine, market::Market};

/// A step over prepared input.
pub trait Step {
    /// Makes the input of `count` orders.
    fn prepare(&mut self, count: usize);

    /// Runs over the input, and uses it up.
    fn run(&mut self);
}

/// A step's name, and how it is made.
pub type Named = (String, Box<dyn Fn() -> Box<dyn Step>>);

/// Every step, in the order in which an order goes through them. `cells`: that the engine's markets have.
pub fn all(cells: u32) -> Vec<Named> {
    let mut steps = before();
    steps.extend(engine::all(cells));
    steps.push(("journal".into(), Box::new(|| Box::new(Append::new()))));
    steps.push(("rows".into(), Box::new(|| Box::new(Rows::new()))));
    steps
}

/// What comes before the engine.
fn before() -> Vec<Named> {
    vec![
        named("decode", || {
            Over::new(Market::new(1, 50), Market::messages, |market, message| {
                black_box(market.decode("order.v1", message));
            })
        }),
        named("seal", || {
            Over::new(Market::new(1, 3), Market::messages, |market, message| {
                // Bytes 24 to 36 are the order's number.
                let external_id = String::from_utf8_lossy(&message[24..36]).into_owned();
                let identity = Identity { external_id, ..Identity::default() };
                black_box(market.keys.seal(&identity, &message[200..350])).expect("keys are made");
            })
        }),
        named("encode", || {
            Over::new(Market::new(1, 50), commands, |_, command| {
                black_box(envelope::to_vec(None, &Meta::default(), command));
            })
        }),
        named("intake", || {
            Over::new(Market::new(1, 50), Market::for_intake, |market, record| market.intake(record))
        }),
    ]
}

pub(crate) fn named(name: impl Into<String>, make: impl Fn() -> Box<dyn Step> + 'static) -> Named {
    (name.into(), Box::new(make))
}

/// A step that takes one thing after the other.
pub(crate) struct Over<T> {
    market: Market,
    make: fn(&mut Market, usize) -> Vec<T>,
    take: fn(&mut Market, &T),
    input: Vec<T>,
}

impl<T: 'static> Over<T> {
    #[allow(clippy::new_ret_no_self)]
    pub fn new(
        market: Market,
        make: fn(&mut Market, usize) -> Vec<T>,
        take: fn(&mut Market, &T),
    ) -> Box<dyn Step> {
        Box::new(Over { market, make, take, input: Vec::new() })
    }
}

impl<T> Step for Over<T> {
    fn prepare(&mut self, count: usize) {
        self.input = (self.make)(&mut self.market, count);
    }

    fn run(&mut self) {
        for one in self.input.drain(..) {
            (self.take)(&mut self.market, &one);
        }
    }
}

fn commands(market: &mut Market, count: usize) -> Vec<router_schemas::command::Command> {
    let messages = market.messages(count);
    messages.iter().map(|message| market.decode("order.v1", message)).collect()
}

/// Appends orders, a thousand in a transaction, and waits for the disk.
struct Append {
    market: Market,
    log: Journal,
    input: Vec<Transaction>,
    _folder: tempfile::TempDir,
}

impl Append {
    fn new() -> Append {
        let folder = tempfile::tempdir().expect("the temporary folder takes files");
        let options = Options { create: Some(LogId([7; 16])), ..Options::default() };
        let log = Journal::open(folder.path(), options).expect("a new folder takes a journal");
        log.create_topic(&Topic::Intake, 4).expect("the journal takes a topic");
        Append { market: Market::new(1, 50), log, input: Vec::new(), _folder: folder }
    }
}

impl Step for Append {
    fn prepare(&mut self, count: usize) {
        let records = self.market.for_intake(count);
        let made = records.chunks(1000).map(|chunk| {
            let mut transaction = Transaction::default();
            (0..).zip(chunk).for_each(|(n, record)| transaction.push(&Topic::Intake, n % 4, record));
            transaction
        });
        self.input = made.collect();
    }

    fn run(&mut self) {
        let mut ticket = None;
        for transaction in self.input.drain(..) {
            ticket = Some(self.log.append(&transaction).expect("the journal takes it").ticket);
        }
        if let Some(ticket) = ticket {
            self.log.wait_durable(ticket).expect("the disk takes it");
        }
    }
}

/// Writes the rows of events, a thousand at once.
struct Rows {
    market: Market,
    store: Arc<FjallStore>,
    input: Vec<Vec<u8>>,
    next: u64,
    _folder: tempfile::TempDir,
}

impl Rows {
    fn new() -> Rows {
        let folder = tempfile::tempdir().expect("the temporary folder takes files");
        let store = FjallStore::open(folder.path()).expect("a new folder takes rows");
        Rows {
            market: Market::new(50, 250),
            store: Arc::new(store),
            input: Vec::new(),
            next: 0,
            _folder: folder,
        }
    }
}

impl Step for Rows {
    fn prepare(&mut self, count: usize) {
        self.input = self.market.events(count);
    }

    fn run(&mut self) {
        for chunk in self.input.chunks(1000) {
            let mut rows = Vec::new();
            for record in chunk {
                let (_, event): (_, Event) = envelope::decode(record).expect("events made here decode");
                rows.extend(event.rows.into_iter().map(|row| (event.time, row)));
            }
            self.next += chunk.len() as u64;
            self.store.apply(0, self.next, rows).expect("the store takes rows");
        }
        self.input.clear();
    }
}
