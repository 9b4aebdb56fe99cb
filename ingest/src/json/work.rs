//! What a node says of offers and of its work, what is asked about a node, and what operations ask for an order.

use router_schemas::{
    command::order::LineQty,
    id::{OfferId, OrderId},
    limits::{EXTERNAL_ID_BYTES, LINES, NAME_BYTES},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Instant;

/// `claim.v1`: the node wants the order that it was offered.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub struct Claim {
    /// Our id of the order.
    pub order: OrderId,
    /// Which offer; absent: the order's offer to this node.
    pub offer: Option<OfferId>,
    /// Who claims.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub node: String,
    /// The epoch of the offer as the node was told.
    pub epoch: u32,
    /// Names this request. A winner that asks again gets the first answer with or without.
    #[schemars(length(min = 1, max = EXTERNAL_ID_BYTES))]
    pub key: Option<String>,
}

/// `decline.v1`: the node does not want what it was offered, or gives back work that it has and has not shipped.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub struct Decline {
    /// Our id of the order.
    pub order: OrderId,
    /// Which offer; absent: all of the order's offers to this node, and its work.
    pub offer: Option<OfferId>,
    /// Who declines.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub node: String,
    /// Why: one of the rule set's reasons.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub reason: String,
    /// Lines and quantities; absent: all.
    #[schemars(length(min = 1, max = LINES))]
    pub lines: Option<Vec<LineQty>>,
    /// Names this request: the same again is a repeat. Without it, who names lines twice declines twice.
    #[schemars(length(min = 1, max = EXTERNAL_ID_BYTES))]
    pub key: Option<String>,
}

/// `handed_over.v1`: the customer collected the units at the node.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub struct HandedOver {
    /// Our id of the order.
    pub order: OrderId,
    /// The node that states it.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub node: String,
    /// Lines and quantities; absent: all that the node has of the order.
    #[schemars(length(min = 1, max = LINES))]
    pub lines: Option<Vec<LineQty>>,
    /// When.
    pub occurred_at: Option<Instant>,
    /// Names this fact: the same again is a repeat. The content does where it is absent.
    #[schemars(length(min = 1, max = EXTERNAL_ID_BYTES))]
    pub key: Option<String>,
    /// The pick-up code that the customer said. A wrong one is refused; it is checked here and never kept.
    #[schemars(regex(pattern = "^[0-9]{6}$"))]
    pub code: Option<String>,
}

/// `cancel_answer.v1`: the node was asked to give back units that it has picked, and answers.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub struct CancelAnswer {
    /// Our id of the order.
    pub order: OrderId,
    /// Who answers.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub node: String,
    /// True: the units are put back and cancelled. False: they will be sent.
    pub granted: bool,
    /// Names this request: the same again is a repeat.
    #[schemars(length(min = 1, max = EXTERNAL_ID_BYTES))]
    pub key: Option<String>,
}

/// `node_request.v1`: a node is paused, takes part again, or is evacuated.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub struct NodeRequest {
    /// The node.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub node: String,
    /// What is asked.
    pub act: NodeAct,
    /// Of a pause: when it ends by itself; absent: when the node is resumed.
    pub until: Option<Instant>,
    /// Names this request: the same again is a repeat.
    #[schemars(length(min = 1, max = EXTERNAL_ID_BYTES))]
    pub key: Option<String>,
}

/// What may be asked about a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NodeAct {
    /// It gets no work; its open offers are withdrawn; the work that it has stays.
    Pause,
    /// It takes part again.
    Resume,
    /// All its work that is not picked goes elsewhere.
    Evacuate,
}

/// `steer.v1`: operations take a hand in an order's way. It needs a key, here or as `Idempotency-Key`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub struct Steer {
    /// The channel it came by.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub channel: String,
    /// The seller's account at the channel.
    #[serde(default)]
    #[schemars(length(max = NAME_BYTES))]
    pub account: String,
    /// The platform's id of the order.
    #[schemars(length(min = 1, max = EXTERNAL_ID_BYTES))]
    pub id: String,
    /// What is asked.
    pub act: SteerAct,
    /// Of `assign`: who gets it. Of `reroute`: from whom it is taken; absent: from all.
    #[schemars(length(min = 1, max = NAME_BYTES))]
    pub node: Option<String>,
    /// Of `assign` and `reroute`, lines and quantities; absent: all that can be.
    #[schemars(length(min = 1, max = LINES))]
    pub lines: Option<Vec<LineQty>>,
    /// Of `retry`: nodes that declined may be asked again.
    #[serde(default)]
    pub forgive: bool,
    /// Of `reroute`: the node may get it again.
    #[serde(default)]
    pub same_node: bool,
    /// Names this request: the same again is a repeat.
    #[schemars(length(min = 1, max = EXTERNAL_ID_BYTES))]
    pub key: Option<String>,
}

/// What operations may ask for an order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SteerAct {
    /// Route what is open from the first rule on.
    Retry,
    /// Take units that are not picked back, and route them again.
    Reroute,
    /// Give open units to a node, whatever the rules say; its stock is checked.
    Assign,
    /// It was looked at and may go on.
    Approve,
}
