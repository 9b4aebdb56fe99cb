//! Publications of CONTROL and their copies.

use std::collections::HashSet;

use router_schemas::{
    command::{Command, reference::Reference},
    envelope::{Meta, write_postcard},
    event::Event,
    position::{Position, Topic},
    row::Row,
};
use xxhash_rust::xxh3::xxh3_64;

use super::Ties;
use crate::report::Report;

/// A publication and its copies, as far as they were seen.
#[derive(Default)]
pub(super) struct Copies {
    /// Hash of the change, partitions of `router.intake` and of `router.commands` that get it.
    pub due: Option<(u64, u16, u16)>,
    pub seen: Vec<(u64, Topic, u16)>,
}

impl Ties {
    /// A copy of a publication.
    pub fn copy(&mut self, at: &Position, meta: &Meta, command: &Command, report: &mut Report) {
        // What a channel keeps back in a zone: who states it need not know where the zone lives.
        if let (Command::ChannelPolicy(_), Topic::Commands) = (command, &at.topic) {
            return self.policy(meta.carried, at, -1);
        }
        let Command::Reference(published) = command else {
            return report.violated("E2312", at.clone(), || format!("control copies no {}", command.name()));
        };
        if let Reference::Node(node) = &published.change
            && at.topic == Topic::Commands
        {
            let home = self.used.entry(node.zone.clone()).or_insert((at.partition, at.clone())).0;
            if home != at.partition {
                let said = format!("node {} of zone {} belongs on commands/{}", node.id, node.zone, home);
                report.violated("E2312", at.clone(), || said);
            }
        }
        let copies = self.copies.entry(published.control).or_default();
        copies.seen.push((hash(&published.change), at.topic.clone(), at.partition));
        self.settle(published.control, at, report);
    }

    /// A publication, as its event shows it.
    pub fn published(&mut self, scope: &[(Position, Event)], report: &mut Report) {
        for (at, event) in scope {
            for row in &event.rows {
                let Row::Reference(change) = row else { continue };
                if let Reference::Zone(zone) = change {
                    self.published.insert(zone.id.clone(), zone.partition.unwrap_or(0));
                }
                let all = self.commands;
                let (intake, commands) = match change {
                    Reference::Zone(_) | Reference::Channel(_) | Reference::BehaviourLevel(_) => (true, all),
                    Reference::Node(_) => (true, 1),
                    Reference::Item(_) | Reference::Rules(_) | Reference::Fees(_) | Reference::Quota(_) => {
                        (false, all)
                    }
                    Reference::Region(_) | Reference::Incarnation(..) => (true, 0),
                };
                let intake = if intake { self.intake } else { 0 };
                let copies = self.copies.entry(event.cause.offset).or_default();
                copies.due = Some((hash(change), intake, commands));
                self.settle(event.cause.offset, at, report);
            }
        }
    }

    /// A policy of a channel that came to control at this hybrid time, less its copy.
    pub(super) fn policy(&mut self, time: u64, at: &Position, by: i64) {
        let entry = self.policies.entry(time).or_insert((0, at.clone()));
        entry.0 += by;
        if entry.0 == 0 {
            self.policies.remove(&time);
        }
    }

    fn settle(&mut self, control: u64, at: &Position, report: &mut Report) {
        let Some(copies) = self.copies.get(&control) else { return };
        let Some((wanted, intake, commands)) = copies.due else { return };
        if let Some((found, ..)) = copies.seen.iter().find(|(found, ..)| *found != wanted) {
            let _ = found;
            report.violated("E2312", at.clone(), || format!("a copy differs from control/0@{control}"));
        }
        if copies.seen.len() == usize::from(intake + commands) {
            let distinct: HashSet<_> = copies.seen.iter().map(|(_, topic, p)| (topic, p)).collect();
            let at_intake = distinct.iter().filter(|(topic, _)| **topic == Topic::Intake).count();
            if (at_intake, distinct.len()) != (usize::from(intake), usize::from(intake + commands)) {
                report.violated("E2312", at.clone(), || format!("copies of control/0@{control} went astray"));
            }
            self.copies.remove(&control);
        }
    }
}

fn hash(change: &Reference) -> u64 {
    let mut bytes = Vec::new();
    write_postcard(change, &mut bytes);
    xxh3_64(&bytes)
}
