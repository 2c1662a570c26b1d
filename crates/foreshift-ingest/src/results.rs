//! Results to Kafka: weights, predictions, audit. Never waits: a full queue drops, and counts.

use std::time::Duration;

use rdkafka::error::KafkaError;
use rdkafka::producer::BaseRecord;

use crate::producer::{CountedProducer, DeliveryCounters};

/// Records that wait for the brokers: minutes of decisions, seconds of predictions of a large fleet.
const MAX_QUEUED: &str = "100000";
/// The most they may hold together, in KiB.
const MAX_QUEUED_KIB: &str = "131072";

/// Writes results.
pub struct Results(CountedProducer);

impl Results {
    /// A producer. Brokers need not be reachable yet. Records keep their order.
    ///
    /// # Errors
    /// When the properties are wrong.
    pub fn connect<'a>(
        brokers: &str,
        properties: impl IntoIterator<Item = (&'a String, &'a String)>,
    ) -> Result<Self, KafkaError> {
        let ours = [
            ("client.id", "foreshift-results"),
            ("enable.idempotence", "true"),
            ("queue.buffering.max.messages", MAX_QUEUED),
            ("queue.buffering.max.kbytes", MAX_QUEUED_KIB),
            ("linger.ms", "5"),
        ];
        CountedProducer::connect("results", brokers, &ours, properties).map(Self)
    }

    /// Queues a record.
    pub fn send(&self, topic: &str, key: &str, payload: &[u8]) {
        self.0.send(BaseRecord::to(topic).key(key).payload(payload));
    }

    /// Waits until what is queued was delivered, at most this long; says whether it was.
    pub fn flush(&self, timeout: Duration) -> bool {
        self.0.flush(timeout)
    }

    /// Counters, since the start.
    pub fn counters(&self) -> DeliveryCounters {
        self.0.counters()
    }
}
