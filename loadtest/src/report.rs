//! What was measured, for people and programs.

use std::{collections::BTreeMap, time::Duration};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Times from when an order was due to its answer, µs.
pub(crate) struct Latency(pub Histogram<u64>);

impl Latency {
    /// Takes one in.
    pub fn record(&mut self, took: Duration) {
        self.0.saturating_record(took.as_micros() as u64);
    }
}

/// What became of the orders that were sent.
#[derive(Default)]
pub(crate) struct Sent {
    pub created: u64,
    pub repeats: u64,
    pub refused: u64,
    /// The first answer that was neither.
    pub first_refusal: Option<String>,
    /// Bytes of the orders alone.
    pub bytes: u64,
    pub seconds: f64,
    pub latency: Latency,
}

impl Sent {
    /// Counts an answer that takes nothing.
    pub fn refuse(&mut self, answer: &[u8]) {
        self.refused += 1;
        self.first_refusal.get_or_insert_with(|| String::from_utf8_lossy(answer).into_owned());
    }

    /// Takes another connection's in.
    pub fn add(&mut self, other: Sent) {
        self.created += other.created;
        self.repeats += other.repeats;
        self.refused += other.refused;
        self.bytes += other.bytes;
        self.first_refusal = self.first_refusal.take().or(other.first_refusal);
        self.latency.0.add(&other.latency.0).expect("all have the same bounds");
    }
}

/// The result of a run. Rates are orders a second, CPU is µs an order.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Report {
    pub mode: String,
    pub connections: u16,
    /// 0: as fast as it goes.
    pub rate: u64,
    pub orders: u64,
    pub repeats: u64,
    pub refused: u64,
    pub first_refusal: Option<String>,
    pub bytes_an_order: u64,
    /// Answered, thus on disk.
    pub durable_per_s: f64,
    pub decided_per_s: f64,
    pub rows_per_s: f64,
    pub rows_lag_events: u64,
    pub p50_us: u64,
    pub p99_us: u64,
    pub p999_us: u64,
    pub max_us: u64,
    /// Of the router until all orders are answered.
    pub cpu_to_answers_us: f64,
    /// Of the router until all orders are in the rows.
    pub cpu_to_rows_us: f64,
    /// Of this program.
    pub cpu_load_us: f64,
    /// Of the router, by thread name, until all orders are in the rows.
    pub threads_us: BTreeMap<String, f64>,
    pub resident_before_kib: u64,
    pub resident_after_kib: u64,
    pub resident_bytes_an_order: u64,
    pub resident_bytes_a_cell: u64,
    /// Seconds from start to ready after `kill -9` right behind the load.
    pub restart_cut_s: Option<f64>,
    /// Seconds that an end takes.
    pub end_s: Option<f64>,
    /// From start to ready after an end.
    pub restart_s: Option<f64>,
    /// The same after `kill -9` of a router that did nothing since it was ready.
    pub restart_killed_s: Option<f64>,
    pub violations: Option<u64>,
    pub oversold: Option<u64>,
    pub machine: String,
}

impl Report {
    /// True where nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.refused == 0 && self.violations.unwrap_or(0) == 0 && self.oversold.unwrap_or(0) == 0
    }

    /// For people.
    pub fn text(&self) -> String {
        let loop_ = match self.rate {
            0 => "as fast as it goes".to_owned(),
            rate => format!("{rate} orders/s due"),
        };
        let mut lines = vec![
            format!(
                "{} orders of {} bytes by {} on {} connections, {loop_}; {}",
                self.orders, self.bytes_an_order, self.mode, self.connections, self.machine
            ),
            format!("durable    {:>10.0} orders/s", self.durable_per_s),
            format!("decided    {:>10.0} orders/s", self.decided_per_s),
            format!(
                "rows       {:>10.0} orders/s, at most {} events behind",
                self.rows_per_s, self.rows_lag_events
            ),
            format!(
                "latency    p50 {} µs, p99 {} µs, p99.9 {} µs, largest {} µs",
                self.p50_us, self.p99_us, self.p999_us, self.max_us
            ),
            format!(
                "CPU        {:.2} µs an order until answered, {:.2} until in the rows; sending took {:.2}",
                self.cpu_to_answers_us, self.cpu_to_rows_us, self.cpu_load_us
            ),
        ];
        let threads = self.threads_us.iter().map(|(name, us)| format!("{name} {us:.2}"));
        lines.push(format!("threads    {}", threads.collect::<Vec<_>>().join(", ")));
        lines.push(format!(
            "memory     {} MiB before, {} MiB after; {} bytes an order, {} bytes a stock cell",
            self.resident_before_kib / 1024,
            self.resident_after_kib / 1024,
            self.resident_bytes_an_order,
            self.resident_bytes_a_cell
        ));
        let restarts = (self.restart_cut_s, self.end_s, self.restart_s, self.restart_killed_s);
        if let (Some(cut), Some(end), Some(clean), Some(killed)) = restarts {
            lines.push(format!(
                "restart    {cut:.2} s after kill -9 behind the load, {clean:.2} s after an end (which took {end:.2} s), \
                 {killed:.2} s after kill -9 at rest"
            ));
        }
        match (self.violations, self.oversold) {
            (Some(violations), oversold) => {
                lines.push(format!("audit      {violations} violations, {} oversold", oversold.unwrap_or(0)))
            }
            _ => lines.push("audit      left out".to_owned()),
        }
        if let Some(refusal) = &self.first_refusal {
            lines.push(format!("refused    {} orders, the first: {refusal}", self.refused));
        }
        lines.join("\n")
    }
}
