//! The log as it was at one moment, while it grows on: for an audit of a router that runs.

use std::{collections::HashMap, ops::Range, sync::Arc, time::Duration};

use router_log::{Appended, Isolation, Log, LogError, LogState, Reader, Ticket, Transaction, Trimmed};
use router_schemas::{
    position::{LogId, Topic, TopicPartition},
    stage::StageName,
};
use tokio::sync::watch;

/// A log that ends where the other one ended when this was taken.
pub(crate) struct Cut {
    log: Arc<dyn Log>,
    topics: Vec<(Topic, u16)>,
    ranges: HashMap<TopicPartition, Range<u64>>,
    commits: Vec<(&'static str, TopicPartition, u64)>,
}

impl Cut {
    /// The log now. Progress and records belong together: a stage writes both in one transaction, so what was read
    /// while no progress changed is of one moment. Tried again until it is.
    pub fn take(log: &Arc<dyn Log>) -> Cut {
        loop {
            let before = commits(&**log);
            let topics = log.topics();
            let partitions = topics.iter().flat_map(|(topic, count)| {
                (0..*count).map(move |partition| TopicPartition::new(topic.clone(), partition))
            });
            let ranges: HashMap<_, _> = partitions
                .filter_map(|partition| {
                    let range = log.range(&partition)?;
                    Some((partition, range))
                })
                .collect();
            if commits(&**log) == before {
                return Cut { log: log.clone(), topics, ranges, commits: before };
            }
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    /// Ends of all partitions of a topic.
    pub fn ends(&self, topic: &Topic) -> Vec<u64> {
        let count = self.partitions(topic).unwrap_or(0);
        let end = |p| self.range(&TopicPartition::new(topic.clone(), p)).map_or(0, |range| range.end);
        (0..count).map(end).collect()
    }
}

fn commits(log: &dyn Log) -> Vec<(&'static str, TopicPartition, u64)> {
    let of = |stage: StageName| {
        let count = log.partitions(&stage.input()).unwrap_or(0);
        (0..count).map(move |p| {
            let partition = TopicPartition::new(stage.input(), p);
            let next = log.committed(stage.group(), &partition).unwrap_or(0);
            (stage.group(), partition, next)
        })
    };
    StageName::ALL.into_iter().flat_map(of).collect()
}

impl Log for Cut {
    fn log_id(&self) -> LogId {
        self.log.log_id()
    }

    fn topics(&self) -> Vec<(Topic, u16)> {
        self.topics.clone()
    }

    fn partitions(&self, topic: &Topic) -> Option<u16> {
        self.topics.iter().find(|(known, _)| known == topic).map(|(_, count)| *count)
    }

    fn create_topic(&self, _: &Topic, _: u16) -> Result<(), LogError> {
        Err(LogError::ReadOnly)
    }

    fn append(&self, _: &Transaction) -> Result<Appended, LogError> {
        Err(LogError::ReadOnly)
    }

    fn append_if_room(&self, _: &Transaction) -> Result<Appended, LogError> {
        Err(LogError::ReadOnly)
    }

    fn reader(
        &self,
        from: Vec<(TopicPartition, u64)>,
        isolation: Isolation,
    ) -> Result<Box<dyn Reader>, LogError> {
        self.log.reader(from, isolation)
    }

    fn range(&self, partition: &TopicPartition) -> Option<Range<u64>> {
        self.ranges.get(partition).cloned()
    }

    fn committed(&self, group: &str, partition: &TopicPartition) -> Option<u64> {
        let found = self.commits.iter().find(|(name, at, _)| *name == group && at == partition);
        found.map(|(.., next)| *next)
    }

    fn last(&self) -> Ticket {
        self.log.last()
    }

    fn wait_durable(&self, ticket: Ticket) -> Result<(), LogError> {
        self.log.wait_durable(ticket)
    }

    fn durable(&self) -> watch::Receiver<Ticket> {
        self.log.durable()
    }

    fn trim(
        &self,
        _: &dyn Fn(&TopicPartition) -> u64,
        _: &dyn Fn(&Topic) -> i64,
    ) -> Result<Trimmed, LogError> {
        Err(LogError::ReadOnly)
    }

    fn trimmable(
        &self,
        _: &dyn Fn(&TopicPartition) -> u64,
        _: &dyn Fn(&Topic) -> i64,
    ) -> Vec<(TopicPartition, u64)> {
        Vec::new()
    }

    fn state(&self) -> LogState {
        self.log.state()
    }
}
