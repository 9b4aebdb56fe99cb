//! The names that rule sets may name: what the reference tables have.

use std::collections::{BTreeMap, BTreeSet};

/// What the reference tables have.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Zones.
    pub zones: BTreeSet<String>,
    /// Channels.
    pub channels: BTreeSet<String>,
    /// Fee tables.
    pub fees: BTreeSet<String>,
    /// Nodes.
    pub nodes: BTreeMap<String, KnownNode>,
}

/// What filters and sorts ask of a node.
#[derive(Clone, Debug, Default)]
pub struct KnownNode {
    /// Its groups.
    pub groups: Vec<String>,
    /// Its attributes: name, values.
    pub attributes: BTreeMap<String, Vec<String>>,
}

impl Known {
    pub(super) fn has_group(&self, group: &str) -> bool {
        self.nodes.values().any(|node| node.groups.iter().any(|g| g == group))
    }

    /// Some node has the attribute; with this value, where one is given.
    pub(super) fn has_attribute(&self, name: &str, value: Option<&str>) -> bool {
        let fits = |values: &Vec<String>| value.is_none_or(|value| values.iter().any(|v| v == value));
        self.nodes.values().any(|node| node.attributes.get(name).is_some_and(fits))
    }
}
