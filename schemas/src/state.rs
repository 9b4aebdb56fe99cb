//! The derived state of an order, and the queues in which it may wait.

use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::limits;

/// The derived state of an order, by this precedence: the first that holds.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum OrderState {
    /// Someone has to look first.
    Review,
    /// Waits for its time.
    Scheduled,
    /// Waits for its payment.
    AwaitingPayment,
    /// Holds over several zones are being confirmed.
    Confirming,
    /// About to be routed.
    Routing,
    /// Offered to stores.
    Offered,
    /// Waits in a queue: `unfillable`, `unmapped`, `no_zone`, `closed`.
    Parked(Queue),
    /// Nodes work on it.
    InFulfilment,
    /// Everything was shipped.
    Completed,
    /// Nothing was shipped and nothing will be.
    Cancelled,
    /// Units left although they were cancelled, and have not come back. Comes where `Completed` would.
    ShippedAfterCancel,
}

/// The queues that an order may be parked in.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Queue {
    /// No node has it.
    Unfillable,
    /// It names a node or a SKU that is not known.
    Unmapped,
    /// No zone is known for it.
    NoZone,
    /// Its pinned node is closed or full.
    Pinned,
    /// Its units were given back on request: it goes on when someone has it routed.
    Released,
    /// A queue that a rule names.
    Named(String),
}

impl Queue {
    /// As people write it.
    pub fn as_str(&self) -> &str {
        match self {
            Queue::Unfillable => "unfillable",
            Queue::Unmapped => "unmapped",
            Queue::NoZone => "no_zone",
            Queue::Pinned => "pinned",
            Queue::Released => "released",
            Queue::Named(name) => name,
        }
    }
}

impl OrderState {
    /// As people and queries write it; a parked order is `parked:QUEUE`.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            OrderState::Review => "review".into(),
            OrderState::Scheduled => "scheduled".into(),
            OrderState::AwaitingPayment => "awaiting_payment".into(),
            OrderState::Confirming => "confirming".into(),
            OrderState::Routing => "routing".into(),
            OrderState::Offered => "offered".into(),
            OrderState::Parked(queue) => format!("parked:{}", queue.as_str()).into(),
            OrderState::InFulfilment => "in_fulfilment".into(),
            OrderState::Completed => "completed".into(),
            OrderState::Cancelled => "cancelled".into(),
            OrderState::ShippedAfterCancel => "shipped_after_cancel".into(),
        }
    }

    /// Every state but those of queues that rules name.
    pub const ALL: [OrderState; 15] = [
        OrderState::Review,
        OrderState::Scheduled,
        OrderState::AwaitingPayment,
        OrderState::Confirming,
        OrderState::Routing,
        OrderState::Offered,
        OrderState::Parked(Queue::Unfillable),
        OrderState::Parked(Queue::Unmapped),
        OrderState::Parked(Queue::NoZone),
        OrderState::Parked(Queue::Pinned),
        OrderState::Parked(Queue::Released),
        OrderState::InFulfilment,
        OrderState::Completed,
        OrderState::Cancelled,
        OrderState::ShippedAfterCancel,
    ];

    /// True where nothing more will happen by itself.
    pub fn is_closed(&self) -> bool {
        matches!(self, OrderState::Completed | OrderState::Cancelled | OrderState::ShippedAfterCancel)
    }
}

impl fmt::Display for OrderState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text())
    }
}

impl FromStr for OrderState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(known) = Self::ALL.into_iter().find(|s| s.text() == text) {
            return Ok(known);
        }
        match text.strip_prefix("parked:") {
            Some(queue) if !queue.is_empty() && queue.len() <= limits::NAME_BYTES => {
                Ok(OrderState::Parked(Queue::Named(queue.to_owned())))
            }
            _ => {
                let known: Vec<_> = Self::ALL.iter().map(|s| s.text()).collect();
                let text: String = text.chars().take(40).collect();
                Err(format!("{text:?} is no order state; one of {}", known.join(", ")))
            }
        }
    }
}
