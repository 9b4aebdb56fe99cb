//! Which numbers a stage partition has seen from each source and given to each target.

use std::collections::BTreeMap;

use router_schemas::{
    envelope::Origin,
    position::{LogId, Topic, TopicPartition},
};
use serde::{Deserialize, Serialize};

use super::StopReason;

/// Numbers by topic code and partition; a fixed topic takes two look-ups and no hash.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Numbers {
    rows: [Vec<u64>; Topic::FIXED.len() + 1],
}

impl Numbers {
    fn last(&mut self, code: u8, partition: u16) -> Option<&mut u64> {
        let row = self.rows.get_mut(usize::from(code))?;
        if row.len() <= usize::from(partition) {
            row.resize(usize::from(partition) + 1, 0);
        }
        row.get_mut(usize::from(partition))
    }
}

/// What the numbers say of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Seen {
    /// To be applied.
    New,
    /// Applied before.
    Repeat,
}

/// The numbers of one stage partition; kept in its snapshot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ledger {
    seen: Numbers,
    written: Numbers,
    /// Written to topics without a code of their own: dead letters.
    written_named: BTreeMap<(String, u16), u64>,
}

impl Ledger {
    /// Judges a record by its origin. Nothing changes before [`Ledger::mark`].
    pub fn judge(&mut self, log: LogId, origin: &Origin) -> Result<Seen, StopReason> {
        if origin.log != log {
            return Err(StopReason::Foreign(origin.log));
        }
        let source = origin.source_topic().zip(self.seen.last(origin.topic, origin.partition));
        // A code nobody gave: as good as a record of another log.
        let Some((topic, last)) = source else { return Err(StopReason::Foreign(origin.log)) };
        match origin.sequence {
            n if n <= *last => Ok(Seen::Repeat),
            n if n == *last + 1 => Ok(Seen::New),
            found => Err(StopReason::Gap {
                origin: TopicPartition::new(topic, origin.partition),
                expected: *last + 1,
                found,
            }),
        }
    }

    /// The record was applied.
    pub fn mark(&mut self, origin: &Origin) {
        if let Some(last) = self.seen.last(origin.topic, origin.partition) {
            *last = origin.sequence;
        }
    }

    /// The next number for a target: 1 for the first record there.
    pub fn number(&mut self, topic: &Topic, partition: u16) -> u64 {
        let last = match topic.code() {
            0 => self.written_named.entry((topic.name(), partition)).or_default(),
            code => self.written.last(code, partition).expect("codes of fixed topics have a row each"),
        };
        *last += 1;
        *last
    }

    /// The last number given to a target; 0: none.
    pub fn written(&self, target: &TopicPartition) -> u64 {
        let last = match target.topic.code() {
            0 => self.written_named.get(&(target.topic.name(), target.partition)),
            code => self
                .written
                .rows
                .get(usize::from(code))
                .and_then(|row| row.get(usize::from(target.partition))),
        };
        last.copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(sequence: u64) -> Origin {
        Origin { log: LogId([7; 16]), topic: Topic::Intake.code(), partition: 2, sequence }
    }

    #[test]
    fn a_repeat_is_dropped_and_a_gap_stops() {
        let mut ledger = Ledger::default();
        let log = LogId([7; 16]);
        assert_eq!(ledger.judge(log, &origin(1)), Ok(Seen::New));
        assert_eq!(ledger.judge(log, &origin(1)), Ok(Seen::New), "judging alone changes nothing");
        ledger.mark(&origin(1));
        assert_eq!(ledger.judge(log, &origin(1)), Ok(Seen::Repeat));
        assert_eq!(ledger.judge(log, &origin(2)), Ok(Seen::New));
        let source = TopicPartition::new(Topic::Intake, 2);
        assert_eq!(
            ledger.judge(log, &origin(3)),
            Err(StopReason::Gap { origin: source, expected: 2, found: 3 })
        );
        assert_eq!(ledger.judge(LogId([8; 16]), &origin(2)), Err(StopReason::Foreign(LogId([7; 16]))));
    }

    #[test]
    fn numbers_are_dense_for_each_target() {
        let mut ledger = Ledger::default();
        let letters = Topic::DeadLetter("orders.web".into());
        let numbers =
            [(Topic::Events, 0), (Topic::Events, 1), (letters.clone(), 0), (Topic::Events, 0), (letters, 0)]
                .map(|(topic, partition)| ledger.number(&topic, partition));
        assert_eq!(numbers, [1, 1, 1, 2, 2]);
        let bytes = postcard::to_stdvec(&ledger).unwrap();
        assert_eq!(postcard::from_bytes::<Ledger>(&bytes).unwrap(), ledger);
    }
}
