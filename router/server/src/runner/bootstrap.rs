//! The first thing that happens to a log: its topics and genesis records. On a log that has them: the check that
//! it is the one this runner is configured for.

use router_log::{Isolation, Log, Transaction};
use router_schemas::{
    command::{Command, Genesis},
    envelope::{self, Meta},
    position::{Topic, TopicPartition},
    stage::Topology,
};

use super::RunnerError;

/// The behaviour level that this build starts new logs with, and the highest that it knows.
pub(crate) const LEVEL: u32 = 1;

/// Makes topics and genesis records where they are missing, and checks them where they are there. Must end before
/// anyone else writes.
pub(crate) fn bootstrap(log: &dyn Log, partitions: u16) -> Result<Topology, RunnerError> {
    let topics = [
        (Topic::Intake, partitions),
        (Topic::Commands, partitions),
        (Topic::Control, 1),
        (Topic::Events, partitions),
        (Topic::Replies, partitions),
        (Topic::Assignments, partitions),
        (Topic::Notifications, partitions),
        (Topic::StockAlerts, partitions),
        (Topic::Availability, partitions),
    ];
    for (topic, wanted) in &topics {
        match log.partitions(topic) {
            Some(present) if present != *wanted => {
                return Err(RunnerError::Partitions { topic: topic.clone(), present, wanted: *wanted });
            }
            Some(_) => {}
            None => log.create_topic(topic, *wanted)?,
        }
    }
    let mut genesis = Transaction::default();
    for (topic, count) in &topics[..3] {
        for partition in 0..*count {
            let at = TopicPartition::new(topic.clone(), partition);
            let wanted = Genesis {
                log: log.log_id(),
                topic: topic.code(),
                partition,
                partitions: *count,
                level: LEVEL,
            };
            match log.range(&at) {
                Some(range) if range.end == 0 => {
                    genesis.push(
                        topic,
                        partition,
                        &envelope::to_vec(None, &Meta::default(), &Command::Genesis(wanted)),
                    );
                }
                Some(range) if range.start == 0 => check(log, &at, &wanted)?,
                // Trimmed: a snapshot stands for the genesis record, and carries the log id too.
                _ => {}
            }
        }
    }
    if !genesis.is_empty() {
        let appended = log.append(&genesis)?;
        log.wait_durable(appended.ticket)?;
    }
    Ok(topology(log, partitions))
}

/// What stages have to know of a log that has its topics.
pub(crate) fn topology(log: &dyn Log, partitions: u16) -> Topology {
    let count = |topic, configured| log.partitions(&topic).unwrap_or(configured);
    Topology {
        log: log.log_id(),
        intake: count(Topic::Intake, partitions),
        commands: count(Topic::Commands, partitions),
        events: count(Topic::Events, partitions),
    }
}

fn check(log: &dyn Log, at: &TopicPartition, wanted: &Genesis) -> Result<(), RunnerError> {
    let wrong = |reason: String| RunnerError::Genesis { partition: at.clone(), reason };
    let mut reader = log.reader(vec![(at.clone(), 0)], Isolation::Appended)?;
    let batch = reader.poll(1, 1, std::time::Duration::from_secs(1))?;
    let first = batch
        .as_ref()
        .and_then(|b| b.records.first())
        .ok_or_else(|| wrong("it cannot be read".to_owned()))?;
    match envelope::decode::<Command>(&first.payload) {
        Ok((_, Command::Genesis(found))) if found.level > LEVEL => {
            Err(RunnerError::Level { present: found.level, known: LEVEL })
        }
        Ok((_, Command::Genesis(found))) if (Genesis { level: wanted.level, ..found.clone() }) == *wanted => {
            Ok(())
        }
        Ok((_, Command::Genesis(found))) => Err(wrong(format!(
            "it names log {}, partition {} of {}",
            found.log, found.partition, found.partitions
        ))),
        Ok((_, other)) => Err(wrong(format!("its first record is a {}", other.name()))),
        Err(error) => Err(wrong(error.to_string())),
    }
}
