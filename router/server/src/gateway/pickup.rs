//! The pick-up code of an order: its channel shows it to the customer, who says it at the counter. It is made from the
//! order's id and the master key, so nothing has to keep it; the log has no code, and wrong ones are counted here only.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use router_ingest::decode::{self, Rejected};
use router_schemas::{command::Command, id::OrderId, refusal::Code, row::OrderRow};

use super::{Failure, Gateway, caller::Caller, read};
use crate::{router::Router, show::stores::PickupCode};

pub(crate) const WRONG: Code = Code::new(
    "E4021",
    "the pick-up code is not the order's",
    "ask the customer again; nothing was taken. Without a code the hand-over is the store's word alone",
);
pub(crate) const TRIES: Code = Code::new(
    "E4022",
    "too many wrong pick-up codes",
    "come back after the seconds of Retry-After; see who asks for the order",
);

/// Wrong codes of an order within the time, behind which none is looked at.
const MOST: usize = 5;
const WITHIN: Duration = Duration::from_secs(600);
/// Seconds of `Retry-After`.
pub(super) const AFTER: &str = "600";
/// Orders whose wrong codes are remembered; while there are more, no further one gets a try.
const ORDERS: usize = 10_000;

/// When wrong codes were said.
type Tries = BTreeMap<OrderId, Vec<Instant>>;
static TRIED: Mutex<Tries> = Mutex::new(Tries::new());

/// The code, for whoever tells the customer.
pub(super) async fn code(
    State(gateway): State<Gateway>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Failure> {
    let row = read::find(&gateway, id, &caller).await?;
    let code = gateway.router.keys.pickup_code(of_home(&row));
    Ok(Json(PickupCode { order: row.order, code }).into_response())
}

/// The customer knows one order, however many zones fulfil it.
fn of_home(row: &OrderRow) -> OrderId {
    row.part_of.as_ref().map_or(row.order, |(part, _)| part.order)
}

/// Refuses a hand-over whose message has another code than the order's. One without a code is the node's word.
pub(super) async fn check(
    router: &Router,
    caller: &Caller,
    command: &Command,
    message: &[u8],
) -> Result<(), Failure> {
    let Command::HandedOver(fact) = command else { return Ok(()) };
    let Some(said) = decode::pickup_code(message) else { return Ok(()) };
    let order = of_home(&caller.order(router, fact.order).await?);
    let right = same(router.keys.pickup_code(order).as_bytes(), said.as_bytes());
    let mut tried = TRIED.lock().unwrap_or_else(PoisonError::into_inner);
    match judge(&mut tried, order, right, Instant::now()) {
        Judged::Right => Ok(()),
        Judged::Wrong => {
            let (pointer, detail) = ("/code".into(), WRONG.summary.into());
            Err(Failure { status: StatusCode::UNPROCESSABLE_ENTITY, code: WRONG, pointer, detail })
        }
        Judged::TooMany => Err(Failure::new(StatusCode::TOO_MANY_REQUESTS, TRIES, TRIES.summary)),
    }
}

/// Refuses a code where none is checked: a wrong one would pass.
pub(super) fn not_here(command: &Command, message: &[u8]) -> Result<(), Rejected> {
    if matches!(command, Command::HandedOver(_)) && decode::pickup_code(message).is_some() {
        let detail = "a code is checked at /v1/fulfilments/handed_over only".into();
        return Err(Rejected { code: WRONG.id, pointer: "/code".into(), detail, hint: WRONG.hint });
    }
    Ok(())
}

/// Looks at every byte, so that the time says nothing.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |seen, (a, b)| seen | (a ^ b)) == 0
}

#[derive(Debug, PartialEq)]
enum Judged {
    Right,
    Wrong,
    TooMany,
}

fn judge(tried: &mut Tries, order: OrderId, right: bool, now: Instant) -> Judged {
    let counts = |at: &Instant| now.duration_since(*at) < WITHIN;
    if tried.len() >= ORDERS && !tried.contains_key(&order) {
        tried.retain(|_, times| times.iter().any(counts));
        if tried.len() >= ORDERS {
            return Judged::TooMany;
        }
    }
    if let Some(times) = tried.get_mut(&order) {
        times.retain(counts);
        if times.len() >= MOST {
            return Judged::TooMany;
        }
    }
    if !right {
        tried.entry(order).or_default().push(now);
        return Judged::Wrong;
    }
    Judged::Right
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(number: usize) -> OrderId {
        OrderId::from_bits((number as u128) << 8)
    }

    #[test]
    fn after_some_wrong_codes_not_even_the_right_one_counts_for_a_while() {
        let (mut tried, start) = (Tries::new(), Instant::now());
        let mut said =
            |order, right, seconds| judge(&mut tried, order, right, start + Duration::from_secs(seconds));
        assert_eq!(said(order(1), false, 0), Judged::Wrong);
        for second in 100..104 {
            assert_eq!(said(order(1), true, second), Judged::Right);
            assert_eq!(said(order(1), false, second), Judged::Wrong);
        }
        assert_eq!(said(order(1), true, 599), Judged::TooMany);
        assert_eq!(said(order(2), true, 599), Judged::Right, "another order's");
        assert_eq!(said(order(1), false, 600), Judged::Wrong, "the first is long ago");
        assert_eq!(said(order(1), true, 601), Judged::TooMany);
        assert_eq!(said(order(1), true, 703), Judged::Right);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut tried, start) = (Tries::new(), Instant::now());
        for number in 0..ORDERS {
            assert_eq!(judge(&mut tried, order(number), false, start), Judged::Wrong);
        }
        let late = start + WITHIN;
        assert_eq!(judge(&mut tried, order(ORDERS), true, late - Duration::from_secs(1)), Judged::TooMany);
        assert_eq!(judge(&mut tried, order(ORDERS), false, late), Judged::Wrong);
        assert_eq!(tried.len(), 1);
    }
}
