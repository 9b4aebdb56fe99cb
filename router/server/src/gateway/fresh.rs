//! Read your writes: whoever was told that an order is taken finds its row, although rows follow the log a little later.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use router_schemas::{
    id::{Identity, OrderId},
    position::{Topic, TopicPartition},
    row::OrderRow,
    stage::StageName,
};
use router_sinks::StoreError;

use super::{
    Failure, NOT_FOUND,
    caller::Caller,
    problem::{NO_ROWS, NOT_YET},
};
use crate::router::Router;

/// How long a row is waited for.
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(2);

/// What the log holds, stage by stage: what an order that is in it now leads to.
enum Wait {
    /// Partition and end.
    Intake(u16, u64),
    Engine(Vec<u64>),
    Rows(Vec<u64>),
    Over,
}

impl Wait {
    fn intake(router: &Router, partition: u16) -> Wait {
        Wait::Intake(partition, end(router, Topic::Intake, partition))
    }

    fn engine(router: &Router) -> Wait {
        Wait::Engine(router.ends(&Topic::Commands))
    }
}

/// The order with this id, if the caller may see it.
pub(super) async fn by_id(router: &Router, id: OrderId, caller: &Caller) -> Result<OrderRow, Failure> {
    let place = id.position().filter(|place| {
        let made = OrderId::new(router.log.log_id(), &place.topic, place.partition, place.offset) == id;
        let source = TopicPartition::new(place.topic.clone(), place.partition);
        made && router.log.range(&source).is_some_and(|range| place.offset < range.end)
    });
    let find = |router: &Router| seen(router, id, caller);
    match place.map(|place| (place.topic, place.partition)) {
        Some((Topic::Intake, partition)) => order(router, Wait::intake(router, partition), find).await,
        // A part of an order from another zone.
        Some((Topic::Commands, _)) => order(router, Wait::engine(router), find).await,
        _ => Err(no_such()),
    }
}

/// The order that a platform knows by this name, if the caller may see it.
pub(super) async fn by_name(
    router: &Router,
    identity: &Identity,
    caller: &Caller,
) -> Result<OrderRow, Failure> {
    if !caller.has_channel(&identity.channel) {
        return Err(no_such());
    }
    let find = |router: &Router| match router.store.order_id(identity)? {
        Some(id) => seen(router, id, caller),
        None => Ok(None),
    };
    let partition = identity.partition(router.runner.topology.intake);
    order(router, Wait::intake(router, partition), find).await
}

/// The row of this order, if the caller may see it.
fn seen(router: &Router, id: OrderId, caller: &Caller) -> Result<Option<OrderRow>, StoreError> {
    match router.store.order(id)? {
        Some(row) if caller.sees(router, &row)? => Ok(Some(row)),
        _ => Ok(None),
    }
}

pub(super) fn no_such() -> Failure {
    Failure::new(StatusCode::NOT_FOUND, NOT_FOUND, "no such order")
}

/// The order that `find` finds. Where it finds none, it looks again until the rows show all that the log held
/// at the start of the wait.
async fn order(
    router: &Router,
    mut wait: Wait,
    find: impl Fn(&Router) -> Result<Option<OrderRow>, StoreError>,
) -> Result<OrderRow, Failure> {
    let find = || find(router).map_err(|error| no_rows(&error));
    if let Some(row) = find()? {
        return Ok(row);
    }
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        wait = further(router, wait);
        if let Some(row) = find()? {
            return Ok(row);
        }
        if matches!(wait, Wait::Over) {
            return Err(no_such());
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
fn further(router: &Router, wait: Wait) -> Wait {
    let committed = |stage: StageName, partition| {
        let source = TopicPartition::new(stage.input(), partition);
        router.log.committed(stage.group(), &source).unwrap_or(0)
    };
    let passed = |ends: &[u64], at: &dyn Fn(u16) -> u64| (0..).zip(ends).all(|(p, end)| at(p) >= *end);
    match wait {
        Wait::Intake(partition, end) if committed(StageName::Intake, partition) >= end => {
            Wait::engine(router)
        }
        Wait::Engine(all) if passed(&all, &|p| committed(StageName::Engine, p)) => {
            Wait::Rows(router.ends(&Topic::Events))
        }
        Wait::Rows(all) if passed(&all, &|p| router.store.position(p).unwrap_or(0)) => Wait::Over,
        same => same,
    }
}
