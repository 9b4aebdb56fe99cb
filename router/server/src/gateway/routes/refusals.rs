//! What may be refused of each kind of message: by the message itself (422), and by how things stand (409).

use router_schemas::refusal::Refusal::{self, *};

use crate::gateway::write::is_conflict;

/// Refusals that no change of how things stand would take away.
pub(super) fn of(path: &str) -> Vec<Refusal> {
    all(path).iter().copied().filter(|refusal| !is_conflict(*refusal)).collect()
}

/// Refusals of a message that is right.
pub(super) fn conflicts(path: &str) -> Vec<Refusal> {
    all(path).iter().copied().filter(|refusal| is_conflict(*refusal)).collect()
}

fn all(path: &str) -> &'static [Refusal] {
    match path {
        "/v1/orders" | "/v1/amends" => {
            &[Conflict, Older, UnknownOrder, UnknownLine, Closed, Picked, TooManyEarly, Limit, Level]
        }
        "/v1/cancels" | "/v1/payments" | "/v1/deliveries" => {
            &[Older, UnknownOrder, UnknownLine, Closed, Picked, TooManyEarly, Limit, Level]
        }
        "/v1/steers" => &[
            UnknownOrder,
            UnknownLine,
            UnknownNode,
            Closed,
            Invalid,
            TooManyEarly,
            Limit,
            Level,
            NoStock,
            NotOffered,
        ],
        "/v1/reservations" | "/v1/reservations/extensions" | "/v1/releases" => &[
            UnknownOrder,
            UnknownLine,
            UnknownNode,
            Closed,
            Invalid,
            TooManyEarly,
            Limit,
            Level,
            NoStock,
            NoHold,
        ],
        "/v1/offers/claims" => &[UnknownNode, Level, Taken, Expired, NotOffered, NoStock, NoCapacity],
        "/v1/offers/declines" => {
            &[UnknownNode, UnknownLine, UnknownReason, Whole, Limit, Level, Expired, NotOffered]
        }
        "/v1/nodes/requests" => &[UnknownNode, Invalid, Level],
        "/v1/fulfilments/cancel_answers" => &[UnknownNode, UnknownOrder, Closed, Invalid, Level],
        path if path.starts_with("/v1/fulfilments") => &[UnknownNode, UnknownOrder, UnknownLine, Closed],
        path if path.starts_with("/v1/stock") => &[UnknownNode, UnknownZone, Stale],
        _ => &[UnknownZone, Moved, NoPartition],
    }
}
