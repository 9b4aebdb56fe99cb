//! What a node says about offers and about the work it has, and what is said about a node. Direct, to the partition of
//! the node's zone.

use serde::{Deserialize, Serialize};

use super::{Hash16, order::LineQty};
use crate::id::{OfferId, OrderId};

/// Request: the node wants the order it was offered.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Claim {
    /// The order.
    pub order: OrderId,
    /// Which offer; absent: the order's offer to this node.
    pub offer: Option<OfferId>,
    /// Who claims.
    pub node: String,
    /// The epoch of the offer as the node knows it.
    pub epoch: u32,
    /// Names this request.
    pub key: Option<Hash16>,
}

/// Request: the node does not want an offer, or gives back work that it has and has not shipped.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Decline {
    /// The order.
    pub order: OrderId,
    /// Which offer; absent: all of the order's offers to this node, and its work.
    pub offer: Option<OfferId>,
    /// Who declines.
    pub node: String,
    /// Why: one of the rule set's reasons.
    pub reason: String,
    /// Lines and quantities; empty: all.
    pub lines: Vec<LineQty>,
    /// Names this request: the same again is a repeat.
    pub key: Option<Hash16>,
}

/// Request: the node's answer where it was asked to give units back that it has picked.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct CancelAnswer {
    /// The order.
    pub order: OrderId,
    /// Who answers.
    pub node: String,
    /// True: the units are put back and cancelled. False: they will be sent.
    pub granted: bool,
    /// Names this request: the same again is a repeat.
    pub key: Option<Hash16>,
}

/// Request: about a node as a whole.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct NodeRequest {
    /// The node.
    pub node: String,
    /// What is asked.
    pub act: NodeAct,
    /// Names this request: the same again is a repeat.
    pub key: Option<Hash16>,
}

/// What may be asked of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum NodeAct {
    /// Its open offers are withdrawn and it gets no work, until this engine time, ms, or until it is resumed. Work that
    /// it has accepted stays.
    Pause(Option<i64>),
    /// It takes part again.
    #[default]
    Resume,
    /// All its work that is not picked is given back and routed elsewhere.
    Evacuate,
}
