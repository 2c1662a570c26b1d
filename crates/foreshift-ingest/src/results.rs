//! Results to Kafka: weights, predictions, audit. Never waits: a full queue drops, and counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::KafkaError;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};

/// Records that wait for the brokers: minutes of decisions, seconds of predictions of a large fleet.
const MAX_QUEUED: usize = 100_000;
/// The most they may hold together, in KiB.
const MAX_QUEUED_KIB: usize = 128 << 10;

/// Counters, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResultCounters {
    /// Records delivered.
    pub delivered: u64,
    /// Records dropped because the queue was full.
    pub dropped: u64,
    /// Records that the brokers did not take in time.
    pub failed: u64,
}

#[derive(Default)]
struct Counts {
    delivered: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
}

/// Writes results.
pub struct Results {
    producer: ThreadedProducer<Context>,
    counts: Arc<Counts>,
}

struct Context {
    counts: Arc<Counts>,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        crate::source::kafka_log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "librdkafka, results");
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let counter = if result.is_ok() {
            &self.counts.delivered
        } else {
            &self.counts.failed
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl Results {
    /// A producer. Brokers need not be reachable yet. Records keep their order.
    ///
    /// # Errors
    /// When the properties are wrong.
    pub fn connect<'a>(
        brokers: &str,
        properties: impl IntoIterator<Item = (&'a String, &'a String)>,
    ) -> Result<Self, KafkaError> {
        let counts = Arc::new(Counts::default());
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", brokers)
            .set("client.id", "foreshift-results")
            .set("enable.idempotence", "true")
            .set("queue.buffering.max.messages", MAX_QUEUED.to_string())
            .set("queue.buffering.max.kbytes", MAX_QUEUED_KIB.to_string())
            .set("linger.ms", "5")
            .set("log_level", "4");
        for (key, value) in properties {
            config.set(key, value);
        }
        let producer = config.create_with_context(Context {
            counts: Arc::clone(&counts),
        })?;
        Ok(Self { producer, counts })
    }

    /// Queues a record.
    pub fn send(&self, topic: &str, key: &str, payload: &[u8]) {
        if self
            .producer
            .send(BaseRecord::to(topic).key(key).payload(payload))
            .is_err()
        {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until what is queued was delivered, at most this long; says whether it was.
    pub fn flush(&self, timeout: std::time::Duration) -> bool {
        self.producer.flush(timeout).is_ok()
    }

    /// Counters, since the start.
    pub fn counters(&self) -> ResultCounters {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ResultCounters {
            delivered: of(&self.counts.delivered),
            dropped: of(&self.counts.dropped),
            failed: of(&self.counts.failed),
        }
    }
}
