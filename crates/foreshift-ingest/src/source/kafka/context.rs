//! Callbacks of librdkafka: its log, its statistics, and rebalances of a group.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaRespErr;

use super::super::Positions;
use super::StartAt;
use crate::sequencer::PartitionKey;

/// Counters of a consumer. Names in metrics are `foreshift_kafka_<field>`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KafkaCounters {
    /// Records read.
    pub records: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// Items decoded from them.
    pub items: u64,
    /// Parts of them that say nothing that is asked for.
    pub ignored: u64,
    /// Errors that librdkafka reported, most of which it mends by itself.
    pub errors: u64,
    /// Records on the brokers that are still to be read, as of the last statistics.
    pub lag: u64,
}

/// What the consumer and its callbacks share.
pub(super) struct Shared {
    start: StartAt,
    positions: Mutex<Positions>,
    /// Ends of partitions since the last poll, as the statistics gave them.
    ends: Mutex<BTreeMap<PartitionKey, i64>>,
    records: AtomicU64,
    bytes: AtomicU64,
    items: AtomicU64,
    ignored: AtomicU64,
    errors: AtomicU64,
    lag: AtomicU64,
}

/// A thread that panicked while it held the lock leaves whole values: they are replaced at once.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) const fn new(start: StartAt) -> Self {
        Self {
            start,
            positions: Mutex::new(BTreeMap::new()),
            ends: Mutex::new(BTreeMap::new()),
            records: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            items: AtomicU64::new(0),
            ignored: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            lag: AtomicU64::new(0),
        }
    }

    pub(super) fn positions(&self) -> Positions {
        lock(&self.positions).clone()
    }

    pub(super) fn set_positions(&self, positions: Positions) {
        *lock(&self.positions) = positions;
    }

    pub(super) fn advance(&self, read: impl Iterator<Item = (PartitionKey, i64)>) {
        lock(&self.positions).extend(read);
    }

    /// Partitions whose end, as newly heard of, was reached; with the position.
    pub(super) fn caught_up(&self) -> Vec<(PartitionKey, i64)> {
        let ends = std::mem::take(&mut *lock(&self.ends));
        let positions = lock(&self.positions);
        let reached = |key: &PartitionKey, end: i64| positions.get(key).copied().filter(|next| *next >= end);
        ends.into_iter()
            .filter_map(|(key, end)| reached(&key, end).map(|next| (key, next)))
            .collect()
    }

    pub(super) fn count(&self, bytes: usize, items: usize, ignored: u64) {
        self.records.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.items.fetch_add(items as u64, Ordering::Relaxed);
        self.ignored.fetch_add(ignored, Ordering::Relaxed);
    }

    pub(super) fn counters(&self) -> KafkaCounters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        KafkaCounters {
            records: read(&self.records),
            bytes: read(&self.bytes),
            items: read(&self.items),
            ignored: read(&self.ignored),
            errors: read(&self.errors),
            lag: read(&self.lag),
        }
    }

    fn heard(&self, statistics: &Statistics) {
        let mut ends = BTreeMap::new();
        let mut lag = 0_i64;
        let positions = self.positions();
        for (key, next) in &positions {
            let topic = statistics.topics.get(&*key.topic);
            let Some(partition) = topic.and_then(|topic| topic.partitions.get(&key.partition)) else {
                continue;
            };
            // The last stable offset is what a reader of committed records can reach; -1001 is "not known".
            let end = if partition.ls_offset >= 0 {
                partition.ls_offset
            } else {
                partition.hi_offset
            };
            if end >= 0 {
                lag = lag.saturating_add(end.saturating_sub(*next).max(0));
                ends.insert(key.clone(), end);
            }
        }
        self.lag.store(lag.unsigned_abs(), Ordering::Relaxed);
        *lock(&self.ends) = ends;
    }
}

/// Callbacks.
pub(super) struct Context {
    shared: Arc<Shared>,
}

impl Context {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Sets the offsets of newly given partitions to our positions: the group's are never used.
    fn begin_at_ours(&self, list: &mut TopicPartitionList) {
        let positions = self.shared.positions();
        let elsewhere = match self.shared.start {
            StartAt::Oldest => Offset::Beginning,
            StartAt::Newest => Offset::End,
        };
        let given: Vec<(String, i32)> = list
            .elements()
            .iter()
            .map(|element| (element.topic().to_owned(), element.partition()))
            .collect();
        for (topic, partition) in given {
            let key = PartitionKey {
                topic: topic.as_str().into(),
                partition,
            };
            let offset = positions
                .get(&key)
                .map_or(elsewhere, |offset| Offset::Offset(*offset));
            if let Err(error) = list.set_partition_offset(&topic, partition, offset) {
                tracing::error!(%error, topic, partition, "cannot set an offset");
            }
        }
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn stats(&self, statistics: Statistics) {
        self.shared.heard(&statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.shared.errors.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(%error, reason, "librdkafka");
    }
}

/// librdkafka's log into ours.
pub(crate) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error => {
            tracing::error!(target: "librdkafka", facility, message);
        }
        RDKafkaLogLevel::Warning => tracing::warn!(target: "librdkafka", facility, message),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
            tracing::info!(target: "librdkafka", facility, message);
        }
        RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", facility, message),
    }
}

impl ConsumerContext for Context {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, error: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let done = match error {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                self.begin_at_ours(list);
                consumer.incremental_assign(list)
            }
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS => consumer.incremental_unassign(list),
            _ => consumer.unassign(),
        };
        match done {
            Ok(()) => tracing::info!(partitions = list.count(), ?error, "the group moved partitions"),
            Err(error) => tracing::error!(%error, "cannot follow the group"),
        }
    }
}
