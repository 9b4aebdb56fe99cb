//! A second, naive implementation of the scenario format: maps, loops and no cleverness, so that a difference to the
//! engine is a fault of one of the two. Quantities are thousandths.

mod offers;
mod plan;
mod rank;
mod seen;
mod settle;
mod steps;
mod stock;
mod walk;

use std::collections::{BTreeMap, BTreeSet};

use super::{
    format::{Backorder, Channel, ChannelSku, Node, Rules, Scenario, Status},
    step::{Address, Step},
    subject::{Done, Snapshot, Subject},
};

/// More than any scenario has: stands for what is not limited.
pub const NO_LIMIT: i64 = 1 << 50;

/// Everything that is known.
#[derive(Clone, Default)]
pub struct Model {
    /// Seconds since the beginning.
    now: u64,
    /// Numbers what lapses, in order of making.
    made: u64,
    nodes: BTreeMap<String, Node>,
    /// Node, SKU.
    cells: BTreeMap<(String, String), Cell>,
    untracked: BTreeSet<String>,
    channels: BTreeMap<String, Channel>,
    rules: Rules,
    /// Order, line. What a cell began with has no line: its node stands there.
    holds: BTreeMap<(String, String), Hold>,
    orders: BTreeMap<String, Order>,
    /// In order of placement.
    placed: Vec<String>,
    /// All there ever were.
    offers: Vec<Offer>,
    /// Node → declines, offers.
    score: BTreeMap<String, (i64, i64)>,
    answers: BTreeMap<String, Done>,
    claims_ok: u64,
    by_rule: BTreeMap<String, BTreeSet<String>>,
    completed: BTreeMap<String, BTreeSet<String>>,
    /// Given back by the step that is being done.
    released: BTreeMap<String, i64>,
    /// Orders that gave back something themselves: that is no reason to route them again.
    resting: BTreeSet<String>,
}

#[derive(Clone, Default)]
struct Cell {
    on_hand: i64,
    blocked: i64,
    safety: i64,
    /// Allocated when the scenario began.
    others: i64,
    out_of_stock: bool,
    backorder: Backorder,
    weekly_sales: Option<i64>,
}

#[derive(Clone, PartialEq)]
enum Place {
    Node(String),
    Channel(String),
}

#[derive(Clone)]
struct Hold {
    sku: String,
    qty: i64,
    place: Place,
    /// Void from then on.
    expires: Option<u64>,
    made: u64,
}

#[derive(Clone, Default)]
struct Order {
    channel: String,
    address: Option<Address>,
    preferred: Option<String>,
    lines: Vec<Line>,
    /// In plan order; one for each line and node.
    parts: Vec<Part>,
    queue: Option<String>,
    /// A release gave its units back, and nobody has routed it since.
    given_back: bool,
    /// Nodes that it does not go to any more; of these, those that did not say no: their time was over.
    declined: BTreeSet<String>,
    late: BTreeSet<String>,
}

#[derive(Clone, Default)]
struct Line {
    id: String,
    sku: String,
    price: i64,
    node: Option<String>,
    group: Option<String>,
    /// Neither shipped nor cancelled.
    wanted: i64,
}

/// What a node has of a line.
#[derive(Clone)]
struct Part {
    line: usize,
    node: String,
    on_hand: i64,
    backorder: i64,
    shipped: i64,
}

/// Where a rule stands in the waterfalls.
#[derive(Clone, Copy)]
struct Spot {
    routing: usize,
    rule: usize,
    action: usize,
}

#[derive(Clone)]
struct Offer {
    order: String,
    /// Of its action.
    spot: Spot,
    /// Line, quantity.
    lines: Vec<(usize, i64)>,
    round: u64,
    open: bool,
    /// Those of the round that have not declined.
    entries: BTreeSet<String>,
    /// All that were ever offered it.
    known: BTreeSet<String>,
    winner: Option<String>,
    expires: Option<u64>,
    made: u64,
}

impl Model {
    fn new(scenario: &Scenario) -> Self {
        let mut model = Self { untracked: scenario.untracked.clone(), ..Self::default() };
        model.rules = scenario.rules.clone().unwrap_or_default();
        for node in &scenario.nodes {
            for (sku, cell) in &node.stock {
                for hold in cell.holds.iter().filter(|h| !h.expired) {
                    let key = (hold.order.clone(), format!("{} at {}", sku, node.id));
                    let place = Place::Node(node.id.clone());
                    let held =
                        Hold { sku: sku.clone(), qty: 0, place, expires: None, made: model.next_number() };
                    model.holds.entry(key).or_insert(held).qty += hold.qty.0;
                }
                let key = (node.id.clone(), sku.clone());
                let cell = Cell {
                    on_hand: cell.on_hand.0,
                    blocked: 0,
                    safety: cell.safety_stock.0,
                    others: cell.allocated.0,
                    out_of_stock: cell.status == Status::OutOfStock,
                    backorder: cell.backorder,
                    weekly_sales: cell.weekly_sales.map(|a| a.0),
                };
                model.cells.insert(key, cell);
            }
            model.nodes.insert(node.id.clone(), node.clone());
        }
        let all = || Channel {
            id: "default".into(),
            nodes: scenario.nodes.iter().map(|n| n.id.clone()).collect(),
            skus: BTreeMap::new(),
        };
        for channel in scenario.channels.clone().unwrap_or_else(|| vec![all()]) {
            model.channels.insert(channel.id.clone(), channel);
        }
        model
    }

    fn next_number(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    fn policy(&self, channel: &str, sku: &str) -> ChannelSku {
        self.channels.get(channel).and_then(|c| c.skus.get(sku)).copied().unwrap_or_default()
    }
}

impl Subject for Model {
    fn load(&mut self, scenario: &Scenario) -> Result<(), String> {
        *self = Self::new(scenario);
        Ok(())
    }

    fn apply(&mut self, step: &Step) -> Result<Done, String> {
        Ok(self.step(step))
    }

    fn snapshot(&mut self) -> Result<Snapshot, String> {
        Ok(self.seen())
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{run, tests::SCENARIOS},
        Model,
    };

    #[test]
    fn the_model_passes_every_scenario_that_comes_with_the_format() {
        let scenarios = super::super::read(SCENARIOS).unwrap();
        let mut failed = Vec::new();
        for scenario in &scenarios {
            if let run::Verdict::Failed(problems) = run::run(&mut Model::default(), scenario) {
                failed.push(format!("{}: {problems:#?}", scenario.id));
            }
        }
        assert!(failed.is_empty(), "{}", failed.join("\n"));
        assert_eq!(scenarios.len(), 79);
    }
}
