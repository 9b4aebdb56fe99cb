//! Read your writes: whoever was told that an order is taken finds its row, although rows follow the log a little later.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use router_schemas::{
    position::{Topic, TopicPartition},
    row::OrderRow,
    stage::StageName,
};
use router_sinks::StoreError;

use super::{
    Failure, NOT_FOUND,
    problem::{NO_ROWS, NOT_YET},
};
use crate::router::Router;

/// How long a row is waited for.
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(2);

/// What the log holds, stage by stage: what an order that is in it now leads to.
enum Wait {
    Intake(u64),
    Engine(Vec<u64>),
    Rows(Vec<u64>),
    Over,
}

/// The order that `find` finds. Where it finds none, it looks again until the rows show all that the intake partition
/// held at the start.
pub(super) async fn order(
    router: &Router,
    intake: u16,
    find: impl Fn(&Router) -> Result<Option<OrderRow>, StoreError>,
) -> Result<OrderRow, Failure> {
    let find = || find(router).map_err(|error| no_rows(&error));
    if let Some(row) = find()? {
        return Ok(row);
    }
    let started = Instant::now();
    let mut wait = Wait::Intake(end(router, Topic::Intake, intake));
    while started.elapsed() < PATIENCE {
        wait = further(router, intake, wait);
        if let Some(row) = find()? {
            return Ok(row);
        }
        if matches!(wait, Wait::Over) {
            return Err(Failure::new(StatusCode::NOT_FOUND, NOT_FOUND, "no such order"));
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(Failure::new(StatusCode::NOT_FOUND, NOT_YET, NOT_YET.summary))
}

/// The rows could not be read.
pub(super) fn no_rows(error: &StoreError) -> Failure {
    tracing::error!(%error, "rows cannot be read");
    Failure::new(StatusCode::SERVICE_UNAVAILABLE, NO_ROWS, NO_ROWS.summary)
}

fn end(router: &Router, topic: Topic, partition: u16) -> u64 {
    router.log.range(&TopicPartition::new(topic, partition)).map_or(0, |range| range.end)
}

/// A stage that has passed the ends has written what comes of them: those are the ends of the next one.
fn further(router: &Router, intake: u16, wait: Wait) -> Wait {
    let committed = |stage: StageName, partition| {
        let source = TopicPartition::new(stage.input(), partition);
        router.log.committed(stage.group(), &source).unwrap_or(0)
    };
    let ends = |topic: Topic, count| (0..count).map(|p| end(router, topic.clone(), p)).collect();
    let passed = |ends: &[u64], at: &dyn Fn(u16) -> u64| (0..).zip(ends).all(|(p, end)| at(p) >= *end);
    let topology = &router.runner.topology;
    match wait {
        Wait::Intake(end) if committed(StageName::Intake, intake) >= end => {
            Wait::Engine(ends(Topic::Commands, topology.commands))
        }
        Wait::Engine(all) if passed(&all, &|p| committed(StageName::Engine, p)) => {
            Wait::Rows(ends(Topic::Events, topology.events))
        }
        Wait::Rows(all) if passed(&all, &|p| router.store.position(p).unwrap_or(0)) => Wait::Over,
        same => same,
    }
}
