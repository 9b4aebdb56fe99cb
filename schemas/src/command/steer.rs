//! What operations people ask for an order, through intake, each with an actor and a reason in its record.

use serde::{Deserialize, Serialize};

use super::{Assigned, Hash16, order::LineQty};
use crate::id::Identity;

/// Request: operations takes a hand in an order's way.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Steer {
    /// Set by INTAKE.
    pub to: Option<Assigned>,
    /// The platform's name of the order.
    pub identity: Identity,
    /// Names this request: the same again is a repeat.
    pub key: Hash16,
    /// What is asked.
    pub act: Steering,
}

/// What operations may ask for an order.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub enum Steering {
    /// Route what is open from the first rule on, declines forgotten or not.
    Retry {
        /// Nodes that declined may be asked again.
        forgive: bool,
    },
    /// Take units that are not picked back, and route them again.
    Reroute {
        /// From this node only; absent: from all.
        node: Option<String>,
        /// Lines and quantities; empty: all.
        lines: Vec<LineQty>,
        /// The node may get them again.
        same_node: bool,
    },
    /// Give open units to this node, whatever the rules say; stock is checked.
    Assign {
        /// The node.
        node: String,
        /// Lines and quantities; empty: all that is open.
        lines: Vec<LineQty>,
    },
    /// It has been looked at: it may go on.
    #[default]
    Approve,
}
