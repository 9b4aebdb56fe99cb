//! What is measured, as Prometheus reads it. Hot paths observe once a request or once a batch; all else is looked at
//! when someone asks.

use std::{sync::LazyLock, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

/// What the OpenMetrics text is called.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The measurements of this process.
pub(crate) static TELEMETRY: LazyLock<Telemetry> = LazyLock::new(Telemetry::new);

/// A request that was answered.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct Request {
    pub route: &'static str,
    pub method: &'static str,
    /// `2xx` to `5xx`.
    pub status: &'static str,
}

/// Who appends.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct By {
    pub by: &'static str,
}

/// A kind of thing that is counted.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct Kind {
    pub kind: &'static str,
}

/// A stage and its partition.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct Cell {
    pub stage: String,
    pub partition: String,
}

/// Things of one kind that a stage partition has.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct Items {
    pub stage: String,
    pub partition: String,
    pub kind: &'static str,
}

/// A partition.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct Partition {
    pub partition: String,
}

/// Registry and metrics.
pub(crate) struct Telemetry {
    registry: Registry,
    pub requests: Family<Request, Histogram, fn() -> Histogram>,
    pub decode: Histogram,
    append: Family<By, Histogram, fn() -> Histogram>,
    batch: Family<By, Histogram, fn() -> Histogram>,
    pub turned_away: Family<Kind, Counter>,
    pub positions: Family<Cell, Gauge>,
    pub stopped: Family<Cell, Gauge>,
    pub items: Family<Items, Gauge>,
    pub rows_lag: Family<Partition, Gauge>,
    pub waiting: Gauge,
    pub connections: Gauge,
    pub tokens: Gauge,
    pub tokens_broken: Gauge,
}

/// From 50 µs to about 100 s.
fn request_times() -> Histogram {
    Histogram::new(exponential_buckets(50e-6, 2.0, 22))
}

/// From 10 µs to about 10 s.
fn append_times() -> Histogram {
    Histogram::new(exponential_buckets(10e-6, 2.0, 21))
}

/// From 1 to 4096 records.
fn batch_sizes() -> Histogram {
    Histogram::new(exponential_buckets(1.0, 2.0, 13))
}

impl Telemetry {
    fn new() -> Telemetry {
        let mut registry = Registry::with_prefix("router");
        let telemetry = Telemetry {
            requests: Family::new_with_constructor(request_times),
            decode: Histogram::new(exponential_buckets(1e-6, 2.0, 16)),
            append: Family::new_with_constructor(append_times),
            batch: Family::new_with_constructor(batch_sizes),
            turned_away: Family::default(),
            positions: Family::default(),
            stopped: Family::default(),
            items: Family::default(),
            rows_lag: Family::default(),
            waiting: Gauge::default(),
            connections: Gauge::default(),
            tokens: Gauge::default(),
            tokens_broken: Gauge::default(),
            registry: Registry::default(),
        };
        let t = &telemetry;
        let r = &mut registry;
        let help = "Time from the head of a request to its answer";
        r.register_with_unit("http_request_duration", help, Unit::Seconds, t.requests.clone());
        let help = "Time to read one message and seal what names people";
        r.register_with_unit("decode_duration", help, Unit::Seconds, t.decode.clone());
        let help = "Time to append one batch to the log, without the wait for the disk";
        r.register_with_unit("append_duration", help, Unit::Seconds, t.append.clone());
        r.register("append_batch_records", "Records appended at once", t.batch.clone());
        r.register("turned_away", "Messages that were not taken, by their error code", t.turned_away.clone());
        r.register("stage_position", "Offset of the next record of a stage partition", t.positions.clone());
        r.register("stage_stopped", "1 where a stage partition does not go on", t.stopped.clone());
        r.register("stage_items", "What a stage partition holds, by kind", t.items.clone());
        r.register("rows_lag_events", "Events that the rows do not show yet", t.rows_lag.clone());
        r.register("requests_waiting", "Requests that wait for an answer of a stage", t.waiting.clone());
        r.register("connections", "Open connections to the gateway", t.connections.clone());
        r.register("tokens", "Tokens that callers may send", t.tokens.clone());
        let help = "1 where the tokens could not be read again, and those of before still count";
        r.register("tokens_broken", help, t.tokens_broken.clone());
        Telemetry { registry, ..telemetry }
    }

    /// A batch was appended.
    pub fn appended(&self, by: &'static str, records: usize, took: Duration) {
        self.append.get_or_create(&By { by }).observe(took.as_secs_f64());
        self.batch.get_or_create(&By { by }).observe(records as f64);
    }

    /// All of it as text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = text::encode(&mut text, &self.registry);
        text
    }
}
