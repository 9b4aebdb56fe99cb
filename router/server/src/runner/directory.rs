//! Which partition owns a node: what the gateway has to know to send a fact straight there. Fed with what
//! CONTROL writes, so it is never behind an answer of CONTROL.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use router_engine::control::Control;
use router_schemas::{
    command::{Command, reference::Reference},
    envelope::Meta,
    position::Topic,
    stage::{Output, Outputs, StageName},
};

/// Zones and nodes.
#[derive(Default)]
pub(crate) struct Directory {
    tables: RwLock<Tables>,
}

#[derive(Default)]
struct Tables {
    zones: HashMap<String, u16>,
    nodes: HashMap<String, u16>,
}

impl Directory {
    /// The partition of `router.commands` that owns a node.
    pub fn partition(&self, node: &str) -> Option<u16> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner).nodes.get(node).copied()
    }

    /// The partition of `router.commands` that owns a zone.
    pub fn zone(&self, zone: &str) -> Option<u16> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner).zones.get(zone).copied()
    }

    /// Takes in all that CONTROL knows.
    pub fn fill(&self, control: &Control) {
        let own = |(name, partition): (&str, u16)| (name.to_owned(), partition);
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        tables.zones.extend(control.zones().map(own));
        tables.nodes.extend(control.nodes().map(own));
    }

    /// Takes in what a stage wrote, where it is a copy of CONTROL's to the first partition of intake.
    pub fn note(&self, stage: StageName, outputs: &Outputs, output: &Output) {
        if stage != StageName::Control || output.target.topic != Topic::Intake || output.target.partition != 0
        {
            return;
        }
        let Ok((_, rest)) = postcard::take_from_bytes::<Meta>(outputs.bytes(output)) else { return };
        let Ok(Command::Reference(published)) = postcard::from_bytes(rest) else { return };
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        match published.change {
            Reference::Zone(zone) => {
                tables.zones.insert(zone.id, zone.partition.unwrap_or(0));
            }
            Reference::Node(node) => {
                let partition = tables.zones.get(&node.zone).copied().unwrap_or(0);
                tables.nodes.insert(node.id, partition);
            }
            _ => {}
        }
    }
}
