//! Kafka within the process, for demonstrations and tests: librdkafka's mock cluster.
//!
//! It keeps at most [`KEPT_BYTES`] or [`KEPT_SETS`] sets of messages a partition and drops the oldest past that, so
//! a producer has to be paced by its consumer. Groups take seconds to deliver first: use `Membership::Assign`.

use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};

use super::super::SourceError;
use super::kafka_error;

/// Bytes that a partition keeps.
pub const KEPT_BYTES: usize = 5 << 20;
/// Sets of messages that a partition keeps.
pub const KEPT_SETS: usize = 100_000;

/// An in-process broker; it lives as long as this value.
pub struct MockKafka {
    cluster: MockCluster<'static, DefaultProducerContext>,
}

impl MockKafka {
    /// Starts a broker with these topics and their numbers of partitions.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(topics: &[(&str, i32)]) -> Result<Self, SourceError> {
        let cluster =
            MockCluster::new(1).map_err(|cause| kafka_error("cannot start the mock cluster", cause))?;
        for (topic, partitions) in topics {
            cluster
                .create_topic(topic, *partitions, 1)
                .map_err(|cause| kafka_error("cannot make a topic of the mock cluster", cause))?;
        }
        Ok(Self { cluster })
    }

    /// Its address, for `bootstrap.servers`.
    pub fn brokers(&self) -> String {
        self.cluster.bootstrap_servers()
    }

    /// A producer to it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn producer(&self) -> Result<PlainProducer, SourceError> {
        PlainProducer::connect(&self.brokers())
    }
}

/// Produces bytes to any Kafka; for demonstrations and tests.
pub struct PlainProducer {
    producer: BaseProducer,
}

impl PlainProducer {
    /// Connects.
    ///
    /// # Errors
    /// When the producer cannot be made.
    pub fn connect(brokers: &str) -> Result<Self, SourceError> {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("linger.ms", "5")
            .create()
            .map_err(|cause| kafka_error("cannot make a producer", cause))?;
        Ok(Self { producer })
    }

    /// Sends one record, waiting while the queue is full.
    ///
    /// # Errors
    /// When it cannot be queued.
    pub fn send(&self, topic: &str, partition: i32, payload: &[u8]) -> Result<(), SourceError> {
        let mut record = BaseRecord::<(), [u8]>::to(topic)
            .partition(partition)
            .payload(payload);
        loop {
            record = match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => back,
                Err((cause, _)) => return Err(kafka_error("cannot produce", cause)),
            };
            self.producer.poll(Duration::from_millis(10));
        }
    }

    /// Waits until all is delivered.
    ///
    /// # Errors
    /// When it is not within the time.
    pub fn flush(&self, timeout: Duration) -> Result<(), SourceError> {
        self.producer
            .flush(timeout)
            .map_err(|cause| kafka_error("cannot deliver", cause))
    }
}
