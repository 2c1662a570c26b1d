//! Telemetry passed on to Kafka as it came: Envoy's gRPC access log message by message, OTLP export by export.
//!
//! Nothing is decoded into signals here. A record says what its sender said, so whoever reads the topics reads what a
//! receiver of their own would have, and what is read of a message can grow without a new collector.
//!
//! What waits for the brokers is bounded in bytes. As with [`push`](crate::source::push), a sender that may be told to
//! come again waits for room in turn, and its export is queued whole or not at all; of one that sends and forgets what
//! does not fit is dropped, and it never takes room that another already waits for.

mod halves;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use foreshift_domain::GatewayName;
use rdkafka::error::KafkaError;
use rdkafka::producer::BaseRecord;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::producer::{CountedProducer, DeliveryCounters};
use crate::source::push::PushError;
pub(crate) use halves::Export;

/// The most that waits for the brokers, in KiB: some seconds of a large fleet of gateways, and minutes of a small one.
pub const MAX_WAITING_KIB: usize = 128 << 10;
/// The longest record, in bytes: below what brokers take unless they are told otherwise (1 MiB).
pub const MAX_RECORD_BYTES: usize = 900 << 10;
/// Records that librdkafka may queue: more than there is room for, each taking a KiB at least.
const MAX_QUEUED: &str = "200000";
/// And how much: the room, and what librdkafka keeps of each record.
const MAX_QUEUED_KIB: &str = "262144";

/// The topics, by what is written to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardTopics {
    /// Messages of Envoy's gRPC access log.
    pub access_logs: String,
    /// OTLP metrics.
    pub metrics: String,
    /// OTLP logs.
    pub logs: String,
    /// OTLP spans.
    pub traces: String,
}

/// Passes telemetry on.
pub struct Forward {
    producer: CountedProducer<Arc<Room>>,
    room: Arc<Semaphore>,
    capacity_kib: usize,
    topics: ForwardTopics,
}

/// The room that the records of one message take, until the last of them is delivered or given up.
struct Room {
    _permit: OwnedSemaphorePermit,
}

impl Forward {
    /// A producer with these properties. Brokers need not be reachable yet.
    ///
    /// # Errors
    /// When the properties are wrong.
    pub fn connect<'a>(
        brokers: &str,
        topics: ForwardTopics,
        properties: impl IntoIterator<Item = (&'a String, &'a String)>,
    ) -> Result<Self, KafkaError> {
        Self::with_room(brokers, topics, properties, MAX_WAITING_KIB)
    }

    fn with_room<'a>(
        brokers: &str,
        topics: ForwardTopics,
        properties: impl IntoIterator<Item = (&'a String, &'a String)>,
        capacity_kib: usize,
    ) -> Result<Self, KafkaError> {
        let ours = [
            ("client.id", "foreshift-collect"),
            ("enable.idempotence", "true"),
            ("queue.buffering.max.messages", MAX_QUEUED),
            ("queue.buffering.max.kbytes", MAX_QUEUED_KIB),
            // Predictions are made each second: what waits longer to be sent makes them older.
            ("linger.ms", "20"),
            ("compression.type", "zstd"),
        ];
        Ok(Self {
            producer: CountedProducer::connect("collected telemetry", brokers, &ours, properties)?,
            room: Arc::new(Semaphore::new(capacity_kib)),
            capacity_kib,
            topics,
        })
    }

    /// Where each kind goes.
    pub const fn topics(&self) -> &ForwardTopics {
        &self.topics
    }

    /// Queues a message of access logs, or drops it; says whether it is queued. Never waits. Messages of one gateway
    /// keep their order.
    pub fn access_logs(&self, record: &[u8], gateway: Option<&GatewayName>) -> bool {
        let needed = u32::try_from(kib(record.len())).unwrap_or(u32::MAX);
        let Ok(permit) = Arc::clone(&self.room).try_acquire_many_owned(needed) else {
            return false;
        };
        let key = gateway.map(GatewayName::as_str);
        self.send(
            &self.topics.access_logs,
            key,
            record,
            &Arc::new(Room { _permit: permit }),
        )
    }

    /// Queues an export whole, waiting for room at most this long. Exports with the same `key` keep their order.
    ///
    /// # Errors
    /// When there was no room in time, or a part that cannot be split is longer than a record may be.
    pub(crate) async fn export<E: Export>(
        &self,
        topic: &str,
        key: Option<&str>,
        export: E,
        patience: Duration,
    ) -> Result<(), PushError> {
        let records = halves::records(export, MAX_RECORD_BYTES).map_err(|units| PushError::TooLarge {
            units,
            most: MAX_RECORD_BYTES,
        })?;
        let needed: usize = records.iter().map(|record| kib(record.len())).sum();
        let units = match u32::try_from(needed) {
            Ok(units) if needed <= self.capacity_kib => units,
            _ => {
                return Err(PushError::TooLarge {
                    units: needed,
                    most: self.capacity_kib,
                });
            }
        };
        let room = Arc::clone(&self.room).acquire_many_owned(units);
        let permit = match tokio::time::timeout(patience, room).await {
            Err(_) => return Err(PushError::Full),
            Ok(Err(_)) => return Err(PushError::Closed),
            Ok(Ok(permit)) => permit,
        };
        let room = Arc::new(Room { _permit: permit });
        let mut queued = records.iter().map(|record| self.send(topic, key, record, &room));
        // librdkafka has more room than we give out, unless a property says otherwise.
        queued
            .all(|is_queued| is_queued)
            .then_some(())
            .ok_or(PushError::Full)
    }

    fn send(&self, topic: &str, key: Option<&str>, payload: &[u8], room: &Arc<Room>) -> bool {
        let record = BaseRecord::with_opaque_to(topic, Arc::clone(room)).payload(payload);
        self.producer.send(match key {
            Some(key) => record.key(key),
            None => record,
        })
    }

    /// What waits for the brokers, in KiB.
    pub fn waiting_kib(&self) -> usize {
        self.capacity_kib.saturating_sub(self.room.available_permits())
    }

    /// What became of records, since the start.
    pub fn counters(&self) -> DeliveryCounters {
        self.producer.counters()
    }

    /// Waits until what is queued was delivered, at most this long; says whether it was.
    pub fn flush(&self, timeout: Duration) -> bool {
        self.producer.flush(timeout)
    }
}

/// What a record takes of the room: at least one, so that a flood of empty ones is bounded too.
const fn kib(bytes: usize) -> usize {
    bytes / 1_024 + 1
}
