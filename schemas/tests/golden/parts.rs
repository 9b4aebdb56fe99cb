//! What stands within records: each variant of each enum, and the blocks that are encoded apart.

use router_schemas::{
    command::{
        order::{Arrival, DeliveryMode, PaymentState, Substitution},
        reference::{RouteWhen, Table},
        stock::{AdjustTarget, Allowance, Basis},
    },
    event::{OrderState, Queue, StockCause, Unit, Verdict},
    quantity::Qty,
    refusal::Refusal,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{every, index::Entry, samples, standing};

fn parts<T>(examples: Vec<(&'static str, T)>) -> impl Iterator<Item = Entry>
where
    T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug + 'static,
{
    examples.into_iter().map(|(name, value)| Entry::part(name, value))
}

pub fn entries() -> Vec<Entry> {
    let blocks = vec![
        Entry::part("order-body", samples::body()),
        Entry::part("order-display", samples::display()),
        Entry::part("sealed-recipient", samples::sealed(0x51)),
        Entry::part("meta-nothing", router_schemas::envelope::Meta::default()),
        Entry::part("meta-everything", samples::meta()),
        Entry::part("position", samples::position()),
        Entry::part("order-id", samples::order()),
        Entry::part("quantity-negative", Qty(-2_500)),
        Entry::part("currency", samples::body().currency),
    ];
    let of_orders = parts(every!(PaymentState {
        "payment-none": PaymentState::None => PaymentState::None,
        "payment-authorised": PaymentState::Authorised => PaymentState::Authorised,
        "payment-captured": PaymentState::Captured => PaymentState::Captured,
        "payment-part-refunded": PaymentState::PartRefunded => PaymentState::PartRefunded,
        "payment-refunded": PaymentState::Refunded => PaymentState::Refunded,
        "payment-failed": PaymentState::Failed => PaymentState::Failed,
        "payment-on-delivery": PaymentState::OnDelivery => PaymentState::OnDelivery,
        "payment-points": PaymentState::Points => PaymentState::Points,
    }))
    .chain(parts(every!(Arrival {
        "arrival-http": Arrival::Http => Arrival::Http,
        "arrival-raw": Arrival::Raw => Arrival::Raw,
    })))
    .chain(parts(every!(DeliveryMode {
        "mode-delivery": DeliveryMode::Delivery => DeliveryMode::Delivery,
        "mode-pickup": DeliveryMode::Pickup => DeliveryMode::Pickup,
        "mode-none": DeliveryMode::None => DeliveryMode::None,
    })))
    .chain(parts(every!(Substitution {
        "substitution-none": Substitution::None => Substitution::None,
        "substitution-ask": Substitution::Ask => Substitution::Ask,
        "substitution-similar": Substitution::Similar => Substitution::Similar,
    })));
    blocks.into_iter().chain(of_orders).chain(of_stock()).chain(of_events()).chain(refusals()).collect()
}

fn of_stock() -> impl Iterator<Item = Entry> {
    parts(every!(Basis {
        "basis-on-hand": Basis::OnHand => Basis::OnHand,
        "basis-available": Basis::Available => Basis::Available,
    }))
    .chain(parts(every!(AdjustTarget {
        "target-on-hand": AdjustTarget::OnHand => AdjustTarget::OnHand,
        "target-blocked": AdjustTarget::Blocked => AdjustTarget::Blocked,
    })))
    .chain(parts(every!(Allowance {
        "allowance-none": Allowance::None => Allowance::None,
        "allowance-limited": Allowance::Limited(_) => Allowance::Limited(Qty(24_000)),
        "allowance-unlimited": Allowance::Unlimited => Allowance::Unlimited,
    })))
    .chain(parts(every!(RouteWhen {
        "route-when-placed": RouteWhen::Placed => RouteWhen::Placed,
        "route-when-authorised": RouteWhen::Authorised => RouteWhen::Authorised,
        "route-when-captured": RouteWhen::Captured => RouteWhen::Captured,
    })))
    .chain(parts(every!(Table {
        "table-zones": Table::Zones => Table::Zones,
        "table-nodes": Table::Nodes => Table::Nodes,
        "table-items": Table::Items => Table::Items,
        "table-channels": Table::Channels => Table::Channels,
        "table-regions": Table::Regions => Table::Regions,
        "table-levels": Table::Levels => Table::Levels,
        "table-incarnations": Table::Incarnations => Table::Incarnations,
        "table-rules": Table::Rules => Table::Rules,
        "table-fees": Table::Fees => Table::Fees,
        "table-quotas": Table::Quotas => Table::Quotas,
    })))
}

fn of_events() -> impl Iterator<Item = Entry> {
    parts(every!(Unit {
        "unit-outside": Unit::Outside => Unit::Outside,
        "unit-open": Unit::Open => Unit::Open,
        "unit-held": Unit::Held => Unit::Held,
        "unit-backordered": Unit::Backordered => Unit::Backordered,
        "unit-allocated": Unit::Allocated => Unit::Allocated,
        "unit-picked": Unit::Picked => Unit::Picked,
        "unit-ready": Unit::Ready => Unit::Ready,
        "unit-shipped": Unit::Shipped => Unit::Shipped,
        "unit-delivered": Unit::Delivered => Unit::Delivered,
        "unit-returned": Unit::Returned => Unit::Returned,
        "unit-cancelled": Unit::Cancelled => Unit::Cancelled,
        "unit-away": Unit::Away => Unit::Away,
    }))
    .chain(parts(every!(Verdict {
        "verdict-whole": Verdict::Whole => Verdict::Whole,
        "verdict-split": Verdict::Split => Verdict::Split,
        "verdict-partial": Verdict::Partial => Verdict::Partial,
        "verdict-backordered": Verdict::Backordered => Verdict::Backordered,
        "verdict-unfillable": Verdict::Unfillable => Verdict::Unfillable,
    })))
    .chain(parts(every!(StockCause {
        "cause-count": StockCause::Count => StockCause::Count,
        "cause-receipt": StockCause::Receipt => StockCause::Receipt,
        "cause-adjustment": StockCause::Adjustment => StockCause::Adjustment,
        "cause-shipment": StockCause::Shipment => StockCause::Shipment,
        "cause-return": StockCause::Return => StockCause::Return,
    })))
    .chain(parts(queues()))
    .chain(parts(states()))
    .chain(parts(standing::offer_states()))
    .chain(parts(standing::hold_states()))
    .chain(parts(standing::hold_causes()))
}

pub fn queues() -> Vec<(&'static str, Queue)> {
    every!(Queue {
        "queue-unfillable": Queue::Unfillable => Queue::Unfillable,
        "queue-unmapped": Queue::Unmapped => Queue::Unmapped,
        "queue-no-zone": Queue::NoZone => Queue::NoZone,
        "queue-pinned": Queue::Pinned => Queue::Pinned,
        "queue-released": Queue::Released => Queue::Released,
        "queue-named": Queue::Named(_) => Queue::Named("by-hand".into()),
    })
}

pub fn states() -> Vec<(&'static str, OrderState)> {
    every!(OrderState {
        "state-review": OrderState::Review => OrderState::Review,
        "state-scheduled": OrderState::Scheduled => OrderState::Scheduled,
        "state-awaiting-payment": OrderState::AwaitingPayment => OrderState::AwaitingPayment,
        "state-confirming": OrderState::Confirming => OrderState::Confirming,
        "state-routing": OrderState::Routing => OrderState::Routing,
        "state-offered": OrderState::Offered => OrderState::Offered,
        "state-parked": OrderState::Parked(_) => OrderState::Parked(Queue::Unfillable),
        "state-in-fulfilment": OrderState::InFulfilment => OrderState::InFulfilment,
        "state-completed": OrderState::Completed => OrderState::Completed,
        "state-cancelled": OrderState::Cancelled => OrderState::Cancelled,
        "state-shipped-after-cancel": OrderState::ShippedAfterCancel => OrderState::ShippedAfterCancel,
    })
}

fn refusals() -> impl Iterator<Item = Entry> {
    parts(every!(Refusal {
        "refusal-conflict": Refusal::Conflict => Refusal::Conflict,
        "refusal-older": Refusal::Older => Refusal::Older,
        "refusal-unknown-order": Refusal::UnknownOrder => Refusal::UnknownOrder,
        "refusal-unknown-line": Refusal::UnknownLine => Refusal::UnknownLine,
        "refusal-closed": Refusal::Closed => Refusal::Closed,
        "refusal-picked": Refusal::Picked => Refusal::Picked,
        "refusal-unknown-node": Refusal::UnknownNode => Refusal::UnknownNode,
        "refusal-unknown-zone": Refusal::UnknownZone => Refusal::UnknownZone,
        "refusal-moved": Refusal::Moved => Refusal::Moved,
        "refusal-stale": Refusal::Stale => Refusal::Stale,
        "refusal-too-many-early": Refusal::TooManyEarly => Refusal::TooManyEarly,
        "refusal-limit": Refusal::Limit => Refusal::Limit,
        "refusal-level": Refusal::Level => Refusal::Level,
        "refusal-undecodable": Refusal::Undecodable => Refusal::Undecodable,
        "refusal-skipped": Refusal::Skipped => Refusal::Skipped,
        "refusal-wrong-zone": Refusal::WrongZone => Refusal::WrongZone,
        "refusal-no-partition": Refusal::NoPartition => Refusal::NoPartition,
        "refusal-no-stock": Refusal::NoStock => Refusal::NoStock,
        "refusal-no-capacity": Refusal::NoCapacity => Refusal::NoCapacity,
        "refusal-taken": Refusal::Taken => Refusal::Taken,
        "refusal-expired": Refusal::Expired => Refusal::Expired,
        "refusal-not-offered": Refusal::NotOffered => Refusal::NotOffered,
        "refusal-invalid": Refusal::Invalid => Refusal::Invalid,
        "refusal-unknown-reason": Refusal::UnknownReason => Refusal::UnknownReason,
        "refusal-whole": Refusal::Whole => Refusal::Whole,
        "refusal-no-hold": Refusal::NoHold => Refusal::NoHold,
    }))
}
