//! Events and rows about holds, offers, nodes, pools and parts, with every member set.

use router_schemas::{
    command::{part::PartRef, stock::Allowance},
    event::{
        Change, Deadline, HoldCause, HoldChange, NodeChange, OfferChange, OfferClosed, OfferStep, PartChange,
        PartStep,
    },
    quantity::Qty,
    row::{
        Ats, HoldRow, HoldState, LegOf, LegRow, NodeRow, OfferEntry, OfferRow, OfferState, PartRow, PoolRow,
        Row,
    },
};

use crate::{
    asked::offer_id,
    every,
    samples::{identity, order, part},
};

/// Each change but those of `events.rs`.
pub fn changes() -> Vec<(&'static str, Change)> {
    let node = || String::from("store-7");
    let mut changes = vec![
        ("change-hold", hold(HoldCause::Reserved)),
        ("change-cancel-requested", Change::CancelRequested(node(), 1_777_889_000_000)),
        ("change-cancel-answered", Change::CancelAnswered(node(), true)),
        ("change-accepted", Change::Accepted(node())),
        ("change-given-back", Change::GivenBack(node(), "damaged".into(), vec![(1, Qty(1_500))])),
        (
            "change-steered",
            Change::Steered("retry".into(), Some("ana".into()), Some("asked by phone".into())),
        ),
    ];
    let standings = every!(NodeChange {
        "change-node-paused": NodeChange::Paused(_) => NodeChange::Paused(Some(1_777_888_999_000)),
        "change-node-resumed": NodeChange::Resumed => NodeChange::Resumed,
        "change-node-cools-down": NodeChange::CoolsDown(_) => NodeChange::CoolsDown(1_777_889_000_000),
        "change-node-evacuating": NodeChange::Evacuating => NodeChange::Evacuating,
    });
    changes.extend(standings.into_iter().map(|(name, what)| (name, Change::Node(node(), what))));
    let deadlines = every!(Deadline {
        "change-late-accept": Deadline::Accept => Deadline::Accept,
        "change-late-pick": Deadline::Pick => Deadline::Pick,
        "change-late-ready": Deadline::Ready => Deadline::Ready,
        "change-late-cancel-answer": Deadline::CancelAnswer => Deadline::CancelAnswer,
    });
    changes.extend(deadlines.into_iter().map(|(name, what)| (name, Change::Late(node(), what))));
    let steps = every!(OfferStep {
        "change-offer-opened": OfferStep::Opened(..) => OfferStep::Opened(2, vec![node()], Some(1_777_889_060_000)),
        "change-offer-closed": OfferStep::Closed(..) => OfferStep::Closed(node(), OfferClosed::Taken),
        "change-offer-claimed": OfferStep::Claimed(_) => OfferStep::Claimed(node()),
        "change-offer-declined": OfferStep::Declined(..) => OfferStep::Declined(node(), "damaged".into(), vec![(0, Qty::ONE)]),
        "change-offer-lapsed": OfferStep::Lapsed => OfferStep::Lapsed,
        "change-offer-exhausted": OfferStep::Exhausted => OfferStep::Exhausted,
        "change-offer-withdrawn": OfferStep::Withdrawn => OfferStep::Withdrawn,
    });
    let offer = |what| Change::Offer(OfferChange { offer: offer_id(), epoch: 3, what });
    changes.extend(steps.into_iter().map(|(name, what)| (name, offer(what))));
    let steps = every!(PartStep {
        "change-part-sent": PartStep::Sent => PartStep::Sent,
        "change-part-cancelled": PartStep::Cancelled => PartStep::Cancelled,
        "change-part-reported": PartStep::Reported => PartStep::Reported,
        "change-part-given-back": PartStep::GivenBack => PartStep::GivenBack,
    });
    let part = |what| Change::Part(PartChange { part: part(), zone: "central".into(), what });
    changes.extend(steps.into_iter().map(|(name, what)| (name, part(what))));
    changes
}

fn hold(cause: HoldCause) -> Change {
    let moves = vec![
        (Some("store-7".into()), "85123A".into(), "2026-05-04".into(), Qty(2_500)),
        (None, "85123A".into(), String::new(), Qty(-1_000)),
    ];
    Change::Hold(HoldChange { order: order(), cause, moves })
}

/// Each row but those of `events.rs`.
pub fn rows() -> Vec<(&'static str, Row)> {
    vec![
        ("row-offer", Row::Offer(Box::new(offer_row()))),
        ("row-hold", Row::Hold(hold_row())),
        ("row-node", Row::Node(node_row())),
        ("row-pool", Row::Pool(pool_row(Ats::Units(Qty(2_500))))),
        ("row-pool-unlimited", Row::Pool(pool_row(Ats::Unlimited))),
    ]
}

pub fn part_row() -> PartRow {
    PartRow {
        part: 1,
        attempt: 2,
        zone: "central".into(),
        visited: vec!["west".into()],
        report: 3,
        away: vec![(0, Qty(5_300))],
    }
}

pub fn part_of() -> (PartRef, String) {
    (part(), "east".into())
}

fn offer_row() -> OfferRow {
    let closed = |why| OfferEntry::Closed(why);
    OfferRow {
        offer: offer_id(),
        order: order(),
        identity: identity(),
        zone: "east".into(),
        rule: ("spring".into(), 4, "web".into(), "grab".into()),
        epoch: 3,
        round: 2,
        state: OfferState::Claimed,
        created_at: 1_777_888_000_000,
        expires: Some(1_777_889_060_000),
        deadline: Some(1_777_889_061_000),
        lines: vec![(0, Qty(2_500))],
        nodes: vec![
            ("store-1".into(), OfferEntry::Open),
            ("store-2".into(), OfferEntry::Won),
            ("store-3".into(), closed(OfferClosed::Taken)),
            ("store-4".into(), closed(OfferClosed::NoStock)),
            ("store-5".into(), closed(OfferClosed::Expired)),
            ("store-6".into(), closed(OfferClosed::Withdrawn)),
            ("store-7".into(), closed(OfferClosed::Declined)),
        ],
        winner: Some("store-2".into()),
    }
}

fn hold_row() -> HoldRow {
    HoldRow {
        order: order(),
        identity: identity(),
        zone: "east".into(),
        state: HoldState::Lapsed,
        expires: Some(1_777_889_060_000),
        deadline: Some(1_777_889_061_000),
        lines: vec![("1".into(), Some("store-7".into()), "85123A".into(), "2026-05-04".into(), Qty(2_500))],
        legs: vec![LegRow {
            leg: 1,
            attempt: 2,
            zone: "west".into(),
            confirmed: true,
            lines: vec![("2".into(), "store-9".into(), "85123A".into(), String::new(), Qty(1_000))],
        }],
        leg_of: Some(LegOf { order: order(), leg: 1, attempt: 2, home: "east".into() }),
    }
}

fn node_row() -> NodeRow {
    NodeRow {
        node: "store-7".into(),
        paused: true,
        paused_until: Some(1_777_889_060_000),
        cool_until: Some(1_777_889_000_000),
        orders: 12,
        assigned: 30,
        offers: 40_000,
        declines: 3_500,
        lapses: 1_250,
        claim_ms: Some(12_345),
        ship_ms: Some(3_600_000),
    }
}

fn pool_row(ats: Ats) -> PoolRow {
    PoolRow {
        channel: "web".into(),
        zone: "east".into(),
        sku: "85123A".into(),
        bucket: "2026-05-04".into(),
        threshold: Qty::units(3),
        backorder: Allowance::Limited(Qty::units(24)),
        held: Qty(1_500),
        ats,
    }
}

/// What stands within these rows and changes.
pub fn offer_states() -> Vec<(&'static str, OfferState)> {
    every!(OfferState {
        "offer-offered": OfferState::Offered => OfferState::Offered,
        "offer-claimed": OfferState::Claimed => OfferState::Claimed,
        "offer-exhausted": OfferState::Exhausted => OfferState::Exhausted,
        "offer-withdrawn": OfferState::Withdrawn => OfferState::Withdrawn,
    })
}

/// As [`offer_states`].
pub fn hold_states() -> Vec<(&'static str, HoldState)> {
    every!(HoldState {
        "hold-confirming": HoldState::Confirming => HoldState::Confirming,
        "hold-held": HoldState::Held => HoldState::Held,
        "hold-converted": HoldState::Converted => HoldState::Converted,
        "hold-released": HoldState::Released => HoldState::Released,
        "hold-lapsed": HoldState::Lapsed => HoldState::Lapsed,
        "hold-failed": HoldState::Failed => HoldState::Failed,
    })
}

/// As [`offer_states`].
pub fn hold_causes() -> Vec<(&'static str, HoldCause)> {
    every!(HoldCause {
        "hold-cause-reserved": HoldCause::Reserved => HoldCause::Reserved,
        "hold-cause-extended": HoldCause::Extended => HoldCause::Extended,
        "hold-cause-released": HoldCause::Released => HoldCause::Released,
        "hold-cause-lapsed": HoldCause::Lapsed => HoldCause::Lapsed,
        "hold-cause-converted": HoldCause::Converted => HoldCause::Converted,
        "hold-cause-failed": HoldCause::Failed => HoldCause::Failed,
        "hold-cause-confirmed": HoldCause::Confirmed => HoldCause::Confirmed,
    })
}
