//! CONTROL: validates reference material and copies it to the partitions that need it, in one transaction.

mod quota;

use std::collections::BTreeMap;

use router_schemas::{
    command::{
        Command,
        reference::{Published, Reference},
    },
    envelope::{self, Meta},
    event::{Event, Outcome},
    position::{Position, Topic},
    refusal::Refusal,
    reply::{Answer, Reply},
    row::Row,
    rules::RuleSet,
    snapshot::{self, SnapshotError},
    stage::{Input, Outputs, Stage, Topology},
};
use serde::{Deserialize, Serialize};

use crate::rules;
use quota::Quotas;

/// The state machine of the one partition of `router.control`.
pub struct Control {
    topology: Topology,
    state: State,
}

#[derive(Default, Serialize, Deserialize)]
struct State {
    engine_time: i64,
    hybrid: u64,
    /// Zone → its partition of `router.commands`.
    zones: BTreeMap<String, u16>,
    /// Node → its zone.
    nodes: BTreeMap<String, String>,
    /// Rule set → its last version.
    rules: BTreeMap<String, u32>,
    quotas: Quotas,
}

impl Control {
    /// A control stage that has seen nothing.
    pub fn new(topology: Topology) -> Self {
        Self { topology, state: State::default() }
    }

    /// The control stage of a snapshot.
    pub fn restore(topology: Topology, snapshot: &[u8]) -> Result<Self, SnapshotError> {
        Ok(Self { topology, state: snapshot::read(snapshot)? })
    }

    /// Every node with the partition of `router.commands` that owns it.
    pub fn nodes(&self) -> impl Iterator<Item = (&str, u16)> {
        let partition = |zone| self.state.zones.get(zone).copied().unwrap_or(0);
        self.state.nodes.iter().map(move |(node, zone)| (node.as_str(), partition(zone)))
    }

    /// Every zone with its partition.
    pub fn zones(&self) -> impl Iterator<Item = (&str, u16)> {
        self.state.zones.iter().map(|(zone, partition)| (zone.as_str(), *partition))
    }

    /// Checks a change and completes it.
    fn admit(&mut self, change: &mut Reference, control: u64) -> Result<(), (Refusal, String)> {
        match change {
            Reference::Zone(zone) => {
                let known = self.state.zones.get(&zone.id).copied();
                let count = |p: u16| self.state.zones.values().filter(|z| **z == p).count();
                let emptiest = (0..self.topology.commands).min_by_key(|p| count(*p)).unwrap_or(0);
                let partition = zone.partition.or(known).unwrap_or(emptiest);
                if known.is_some_and(|k| k != partition) {
                    return Err((Refusal::Moved, zone.id.clone()));
                }
                if partition >= self.topology.commands {
                    return Err((Refusal::NoPartition, format!("{partition} of {}", self.topology.commands)));
                }
                zone.partition = Some(partition);
                self.state.zones.insert(zone.id.clone(), partition);
            }
            Reference::Node(node) => {
                if !self.state.zones.contains_key(&node.zone) {
                    return Err((Refusal::UnknownZone, node.zone.clone()));
                }
                if self.state.nodes.get(&node.id).is_some_and(|zone| *zone != node.zone) {
                    return Err((Refusal::Moved, node.id.clone()));
                }
                self.state.nodes.insert(node.id.clone(), node.zone.clone());
            }
            Reference::Region(region) if !self.state.zones.contains_key(&region.zone) => {
                return Err((Refusal::UnknownZone, region.zone.clone()));
            }
            Reference::Channel(channel) => {
                if let Some(zone) =
                    channel.default_zone.as_ref().filter(|z| !self.state.zones.contains_key(*z))
                {
                    return Err((Refusal::UnknownZone, zone.clone()));
                }
            }
            Reference::Rules(set) => self.admit_rules(set)?,
            Reference::Fees(table) => rules::check_fees(table).map_err(|why| (Refusal::Invalid, why))?,
            Reference::Quota(quota) => {
                let unknown = quota.weights.iter().find(|(zone, _)| !self.state.zones.contains_key(zone));
                if let Some((zone, _)) = unknown {
                    return Err((Refusal::UnknownZone, zone.clone()));
                }
                self.state.quotas.publish(quota, control, self.state.zones.keys());
            }
            Reference::BehaviourLevel(level) if *level != 1 => {
                return Err((Refusal::Level, level.to_string()));
            }
            _ => {}
        }
        Ok(())
    }

    /// Checks a rule set and numbers its version. The built-in set is version 1 of its name.
    fn admit_rules(&mut self, set: &mut RuleSet) -> Result<(), (Refusal, String)> {
        rules::check(set).map_err(|why| (Refusal::Invalid, why))?;
        if let Some(zone) = rules::zones(set).find(|zone| !self.state.zones.contains_key(*zone)) {
            return Err((Refusal::UnknownZone, zone.clone()));
        }
        let built_in = u32::from(set.name == rules::DEFAULT);
        let next = self.state.rules.get(&set.name).copied().unwrap_or(built_in) + 1;
        if set.version != 0 && set.version != next {
            let why = format!("version {} of {}; the next one is {next}", set.version, set.name);
            return Err((Refusal::Invalid, why));
        }
        set.version = next;
        self.state.rules.insert(set.name.clone(), next);
        Ok(())
    }

    fn copy(&self, published: &Published, meta: &Meta, out: &mut Outputs) {
        let command = Command::Reference(published.clone());
        let (intake, commands) = match &published.change {
            Reference::Zone(_) | Reference::Channel(_) | Reference::BehaviourLevel(_) => {
                (true, 0..self.topology.commands)
            }
            Reference::Node(node) => {
                let partition = self.state.zones[&node.zone];
                (true, partition..partition + 1)
            }
            Reference::Item(_) | Reference::Rules(_) | Reference::Fees(_) | Reference::Quota(_) => {
                (false, 0..self.topology.commands)
            }
            Reference::Region(_) | Reference::Incarnation(..) => (true, 0..0),
        };
        for partition in 0..if intake { self.topology.intake } else { 0 } {
            out.push(Topic::Intake, partition, meta, &command);
        }
        for partition in commands {
            out.push(Topic::Commands, partition, meta, &command);
        }
    }
}

impl Stage for Control {
    fn apply(&mut self, input: Input<'_>, out: &mut Outputs) {
        self.state.engine_time = self.state.engine_time.max(input.at);
        self.state.hybrid = (self.state.hybrid + 1).max(self.state.engine_time.max(0) as u64 * 1000);
        let position = Position::new(Topic::Control, 0, input.offset);
        let mut rows = Vec::new();
        let (meta, outcome, answer) = match envelope::decode::<Command>(input.payload) {
            Ok((_, Command::Genesis(_))) => return,
            Ok((meta, _)) if input.skipped => (meta, Outcome::Refused(Refusal::Skipped), None),
            Ok((meta, Command::Reference(Published { mut change, .. }))) => {
                match self.admit(&mut change, input.offset) {
                    Ok(()) => {
                        let published = Published { control: input.offset, change };
                        self.copy(&published, &Meta { carried: self.state.hybrid, ..Meta::default() }, out);
                        rows.push(Row::Reference(published.change));
                        (meta, Outcome::Applied, Some(Answer::Published(input.offset)))
                    }
                    Err((refusal, detail)) => {
                        (meta, Outcome::Refused(refusal), Some(Answer::Refused { refusal, detail }))
                    }
                }
            }
            // Who states it knows the zone, and not where it lives.
            Ok((meta, Command::ChannelPolicy(policy))) => match self.state.zones.get(&policy.zone) {
                Some(partition) => {
                    let carried = Meta { carried: self.state.hybrid, ..meta };
                    out.push(Topic::Commands, *partition, &carried, &Command::ChannelPolicy(policy));
                    (Meta::default(), Outcome::Applied, None)
                }
                None => {
                    let refused = (Refusal::UnknownZone, policy.zone);
                    let answer = Answer::Refused { refusal: refused.0, detail: refused.1 };
                    (meta, Outcome::Refused(refused.0), Some(answer))
                }
            },
            Ok((meta, Command::ShareKept(said))) => {
                if let Some(quota) = self.state.quotas.kept(&said, input.offset) {
                    let published = Published { control: input.offset, change: Reference::Quota(quota) };
                    self.copy(&published, &Meta { carried: self.state.hybrid, ..Meta::default() }, out);
                    rows.push(Row::Reference(published.change));
                }
                (meta, Outcome::Applied, None)
            }
            // Read by the runner itself, straight from here.
            Ok((meta, Command::Skip(_) | Command::Accept(_))) => (meta, Outcome::Applied, Some(Answer::Done)),
            Ok((meta, _)) => (meta, Outcome::Refused(Refusal::WrongZone), None),
            Err(_) => (Meta::default(), Outcome::Refused(Refusal::Undecodable), None),
        };
        if let (Some(to), Some(answer)) = (meta.reply, answer) {
            let reply = Reply { correlation: to.correlation, position: position.clone(), answer };
            out.push(Topic::Replies, to.partition, &Meta::default(), &reply);
        }
        let event = Event {
            cause: position,
            item: 0,
            at: self.state.engine_time,
            time: self.state.hybrid,
            order: None,
            outcome: Some(outcome),
            changes: Vec::new(),
            rows,
        };
        out.push(Topic::Events, 0, &Meta::default(), &event);
    }

    fn state_hash(&self) -> u64 {
        snapshot::hash(&self.state)
    }

    fn snapshot(&self, out: &mut Vec<u8>) {
        snapshot::write(&self.state, out);
    }

    fn snapshot_to(&self, out: &mut dyn std::io::Write) -> std::io::Result<()> {
        snapshot::write_to(&self.state, out)
    }

    fn gauges(&self) -> Vec<(&'static str, u64)> {
        vec![("zones", self.state.zones.len() as u64), ("nodes", self.state.nodes.len() as u64)]
    }
}
