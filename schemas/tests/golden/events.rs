//! `router.events`, `router.replies` and `dlq.<source>`.

use router_schemas::{
    command::{
        order::PaymentState,
        reference::{Reference, Zone},
        stock::Allowance,
    },
    dead_letter::DeadLetter,
    envelope::Meta,
    event::{
        Change, Deadline, Decision, Event, Exception, HoldCause, HoldChange, NodeChange, OfferChange,
        OfferStep, OrderState, Outcome, PartChange, PartStep, Queue, StockCause, StockChange, Unit, Verdict,
    },
    position::{Position, Topic},
    quantity::Qty,
    refusal::Refusal,
    reply::{self, Accepted, Answer, Reply},
    row::{CellRow, FulfilmentRow, HoldRow, LineRow, NodeRow, OrderRow, PoolRow, Row},
};

use crate::{
    asked::offer_id,
    every,
    index::Entry,
    samples::{body, cell, hash, identity, meta, order, origin, part, place, position, totals},
    standing,
};

/// An event for each outcome, change, exception and row.
pub fn entries() -> Vec<Entry> {
    let mut events = vec![("event-nothing", event(None, Vec::new(), Vec::new()))];
    events.push(("event-due-item", Event { item: 256, ..event(None, Vec::new(), Vec::new()) }));
    events.push((
        "event-hybrid-time",
        Event { at: i64::MAX, time: u64::MAX, order: None, ..event(None, Vec::new(), Vec::new()) },
    ));
    let outcomes = outcomes();
    events.extend(outcomes.into_iter().map(|(name, o)| (name, event(Some(o), Vec::new(), Vec::new()))));
    let changes = changes();
    let changes = changes.into_iter().chain(standing::changes());
    events.extend(changes.map(|(name, c)| (name, event(None, vec![c], Vec::new()))));
    let exceptions = exceptions();
    events.extend(
        exceptions.into_iter().map(|(name, e)| (name, event(None, vec![Change::Exception(e)], Vec::new()))),
    );
    let rows = rows().into_iter().chain(standing::rows());
    events.extend(rows.map(|(name, r)| (name, event(None, Vec::new(), vec![r]))));
    let record = |(name, event)| Entry::record(name, Some(origin()), Meta::default(), event);
    events.into_iter().map(record).collect()
}

/// A reply for each answer.
pub fn replies() -> Vec<Entry> {
    let accepted = |zone: Option<&str>| Accepted {
        order: order(),
        zone: zone.map(Into::into),
        position: Position::new(Topic::Intake, 3, 1042),
    };
    let outcome = reply::Outcome {
        order: order(),
        state: OrderState::InFulfilment,
        nodes: vec!["store-7".into(), "store-9".into()],
        repeat: true,
    };
    let examples = every!(Answer {
        "accepted": Answer::Accepted(_) => Answer::Accepted(accepted(Some("east"))),
        "accepted-no-zone": Answer::Accepted(_) => Answer::Accepted(accepted(None)),
        "repeat": Answer::Repeat(_) => Answer::Repeat(accepted(Some("east"))),
        "early": Answer::Early => Answer::Early,
        "ignored": Answer::Ignored => Answer::Ignored,
        "refused": Answer::Refused { .. } => Answer::Refused { refusal: Refusal::Conflict, detail: "SO-7".into() },
        "done": Answer::Done => Answer::Done,
        "outcome": Answer::Outcome(_) => Answer::Outcome(outcome),
        "published": Answer::Published(_) => Answer::Published(99),
    });
    let record = |(name, answer)| {
        let reply = Reply { correlation: hash(0x10), position: position(), answer };
        Entry::record(name, Some(origin()), Meta::default(), reply)
    };
    examples.into_iter().map(record).collect()
}

/// Dead letters.
pub fn dead_letters() -> Vec<Entry> {
    let letter = DeadLetter {
        position: Position::new(Topic::Raw("web".into()), 1, 7),
        code: "E1002".into(),
        pointer: "/lines/0/qty".into(),
        detail: "must be above zero".into(),
        key: hash(0x51),
        bytes: b"{\"id\":\"7\"}".to_vec(),
        resolved: false,
    };
    let resolved = DeadLetter { resolved: true, key: [0; 16], bytes: Vec::new(), ..letter.clone() };
    vec![
        Entry::record("letter", Some(origin()), meta(), letter),
        Entry::record("resolved", None, Meta::default(), resolved),
    ]
}

fn event(outcome: Option<Outcome>, changes: Vec<Change>, rows: Vec<Row>) -> Event {
    Event {
        cause: position(),
        item: 0,
        at: 1_777_888_999_000,
        time: 1_777_888_999_000_123,
        order: Some(order()),
        outcome,
        changes,
        rows,
    }
}

fn outcomes() -> Vec<(&'static str, Outcome)> {
    every!(Outcome {
        "outcome-applied": Outcome::Applied => Outcome::Applied,
        "outcome-repeat": Outcome::Repeat => Outcome::Repeat,
        "outcome-ignored": Outcome::Ignored => Outcome::Ignored,
        "outcome-early": Outcome::Early => Outcome::Early,
        "outcome-no-zone": Outcome::NoZone => Outcome::NoZone,
        "outcome-refused": Outcome::Refused(_) => Outcome::Refused(Refusal::UnknownOrder),
    })
}

fn changes() -> Vec<(&'static str, Change)> {
    let moves = vec![(0, Unit::Open, Unit::Allocated, Qty(5_300)), (1, Unit::Outside, Unit::Open, Qty::ONE)];
    let decision = Decision {
        control: 99,
        rule_set: "default".into(),
        version: 1,
        routing: "default".into(),
        rule: "fewest-splits".into(),
        candidates: 12,
        covering: 0,
        chosen: vec![("store-7".into(), Some(123_456_789_012)), ("store-9".into(), None)],
        verdict: Verdict::Split,
    };
    let stock = StockChange {
        cell: cell(),
        cause: StockCause::Count,
        on_hand: Qty(-1_500),
        blocked: Qty(500),
        stated: Some(Qty(12_500)),
    };
    every!(Change {
        "change-units": Change::Units { .. } => Change::Units { node: Some("store-7".into()), moves },
        "change-units-nowhere": Change::Units { .. } => Change::Units { node: None, moves: Vec::new() },
        "change-decided": Change::Decided(_) => Change::Decided(decision),
        "change-state": Change::State(..) => Change::State(OrderState::Routing, OrderState::Parked(Queue::Unfillable)),
        "change-payment": Change::Payment(..) => Change::Payment(PaymentState::None, PaymentState::Captured, Some(14_015)),
        "change-amended": Change::Amended(_) => Change::Amended(Some(5)),
        "change-stock": Change::Stock(_) => Change::Stock(stock),
        "change-exception": Change::Exception(_) => Change::Exception(Exception::Unmatched),
        "change-recovered": Change::Recovered(_) => Change::Recovered(cell()),
        "change-forgotten": Change::Forgotten(_) => Change::Forgotten(order()),
        // More of these in `standing.rs`.
        "change-hold-lapsed": Change::Hold(_) => Change::Hold(HoldChange { order: order(), cause: HoldCause::Lapsed, moves: Vec::new() }),
        "change-offer": Change::Offer(_) => Change::Offer(OfferChange { offer: offer_id(), epoch: 1, what: OfferStep::Lapsed }),
        "change-node": Change::Node(..) => Change::Node("store-7".into(), NodeChange::Paused(None)),
        "change-cancel-asked": Change::CancelRequested(..) => Change::CancelRequested("store-7".into(), 5),
        "change-cancel-refused": Change::CancelAnswered(..) => Change::CancelAnswered("store-7".into(), false),
        "change-work-accepted": Change::Accepted(_) => Change::Accepted("store-9".into()),
        "change-work-given-back": Change::GivenBack(..) => Change::GivenBack("store-7".into(), "closed".into(), Vec::new()),
        "change-late": Change::Late(..) => Change::Late("store-7".into(), Deadline::Pick),
        "change-part": Change::Part(_) => Change::Part(PartChange { part: part(), zone: "central".into(), what: PartStep::Sent }),
        "change-steered-by-nobody": Change::Steered(..) => Change::Steered("approve".into(), None, None),
    })
}

fn exceptions() -> Vec<(&'static str, Exception)> {
    every!(Exception {
        "exception-oversold": Exception::Oversold(..) => Exception::Oversold(cell(), Qty::units(3)),
        "exception-drift": Exception::Drift(..) => Exception::Drift(cell(), Qty(-2_500)),
        "exception-shipped-after-cancel": Exception::ShippedAfterCancel(_) => Exception::ShippedAfterCancel(Qty::ONE),
        "exception-over-shipped": Exception::OverShipped(_) => Exception::OverShipped(Qty(200)),
        "exception-refund-due": Exception::RefundDue(_) => Exception::RefundDue(1_250),
        "exception-catch-weight": Exception::CatchWeight(_) => Exception::CatchWeight(Qty(-200)),
        "exception-unmatched": Exception::Unmatched => Exception::Unmatched,
        "exception-too-late": Exception::TooLate(_) => Exception::TooLate(Qty::units(2)),
        "exception-short": Exception::Short(_) => Exception::Short(Qty(1_500)),
        "exception-shortfall": Exception::Shortfall(_) => Exception::Shortfall(Qty::units(2)),
        "exception-escalated": Exception::Escalated(_) => Exception::Escalated("store-7".into()),
        "exception-rejected": Exception::Rejected(_) => Exception::Rejected("store-7".into()),
        "exception-hold-lapses": Exception::HoldLapses(_) => Exception::HoldLapses(1_777_889_060_000),
    })
}

fn rows() -> Vec<(&'static str, Row)> {
    let zone = Zone { id: "east".into(), partition: Some(3) };
    every!(Row {
        "row-order": Row::Order(_) => Row::Order(Box::new(order_row())),
        "row-cell": Row::Cell(_) => Row::Cell(cell_row()),
        "row-reference": Row::Reference(_) => Row::Reference(Reference::Zone(zone)),
        // Full ones are in `standing.rs`.
        "row-offer-small": Row::Offer(_) => Row::Offer(Box::default()),
        "row-hold-small": Row::Hold(_) => Row::Hold(HoldRow::default()),
        "row-node-small": Row::Node(_) => Row::Node(NodeRow::default()),
        "row-pool-small": Row::Pool(_) => Row::Pool(PoolRow::default()),
    })
}

fn order_row() -> OrderRow {
    let body = body();
    OrderRow {
        order: order(),
        identity: identity(),
        zone: "east".into(),
        state: OrderState::InFulfilment,
        payment: PaymentState::Captured,
        refunded: 1_250,
        version: Some(5),
        created_at: 1_777_887_000_000,
        changed_at: 1_777_888_999_000,
        placed_at: Some(1_777_886_000_000),
        promise: body.promise,
        not_before: body.not_before,
        mode: body.mode,
        to: Some(place()),
        priority: 7,
        currency: body.currency,
        totals: totals(),
        revision: 3,
        lines: vec![line_row()],
        fulfilments: vec![fulfilment_row()],
        display: body.display,
        part_of: Some(standing::part_of()),
        parts: vec![standing::part_row()],
        declined: vec!["store-3".into()],
    }
}

fn line_row() -> LineRow {
    LineRow {
        line: "1".into(),
        sku: "85123A".into(),
        bucket: "2026-05-04".into(),
        ordered: Qty(28_000),
        open: Qty::units(1),
        held: Qty::units(2),
        backordered: Qty::units(3),
        allocated: Qty::units(4),
        away: Qty::units(5),
        shipped: Qty::units(6),
        delivered: Qty::units(2),
        returned: Qty::units(1),
        cancelled: Qty::units(7),
        unit_price: 2_550,
        after_cancel: Qty::units(8),
    }
}

fn fulfilment_row() -> FulfilmentRow {
    FulfilmentRow {
        node: "store-7".into(),
        line: 0,
        backordered: Qty::units(3),
        allocated: Qty::units(2),
        picked: Qty::units(1),
        ready: Qty::units(1),
        shipped: Qty::units(6),
        returned: Qty::units(1),
        accepted: true,
        due: Some(1_777_889_060_000),
        asked: Qty::units(1),
        deadline: Some(1_777_889_061_000),
    }
}

fn cell_row() -> CellRow {
    CellRow {
        cell: cell(),
        on_hand: Qty::units(20),
        allocated: Qty::units(7),
        backordered: Qty::units(3),
        held: Qty::units(1),
        blocked: Qty::units(2),
        safety_stock: Qty::units(2),
        allowance: Allowance::Unlimited,
        out_of_stock: false,
        atp: Qty::units(8),
        weekly_sales: Some(Qty(14_500)),
    }
}
