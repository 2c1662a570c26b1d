//! A producer that never waits: what does not fit into its queue is dropped and counted.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, ToBytes};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use rdkafka::util::IntoOpaque;

/// What became of records, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeliveryCounters {
    /// Records handed to the producer.
    pub queued: u64,
    /// Records delivered.
    pub delivered: u64,
    /// Records dropped because the queue was full.
    pub dropped: u64,
    /// Records that the brokers did not take in time.
    pub failed: u64,
}

#[derive(Default)]
struct Counts {
    queued: AtomicU64,
    delivered: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
}

/// A producer with its counters. A record may hold something that is let go when it is delivered or given up.
pub(crate) struct CountedProducer<H: IntoOpaque + 'static = ()> {
    producer: ThreadedProducer<Context<H>>,
    counts: Arc<Counts>,
}

struct Context<H> {
    /// What is sent, for the log.
    what: &'static str,
    counts: Arc<Counts>,
    held: PhantomData<fn(H)>,
}

impl<H: 'static> ClientContext for Context<H> {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        crate::source::kafka_log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "librdkafka, {}", self.what);
    }
}

impl<H: IntoOpaque + 'static> ProducerContext for Context<H> {
    type DeliveryOpaque = H;

    fn delivery(&self, result: &DeliveryResult<'_>, _held: H) {
        let counter = match result {
            Ok(_) => &self.counts.delivered,
            Err(_) => &self.counts.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl<H: IntoOpaque + 'static> CountedProducer<H> {
    /// A producer with these properties of ours, over which go those of the user. Brokers need not be reachable yet.
    ///
    /// # Errors
    /// When the properties are wrong.
    pub(crate) fn connect<'a>(
        what: &'static str,
        brokers: &str,
        ours: &[(&str, &str)],
        properties: impl IntoIterator<Item = (&'a String, &'a String)>,
    ) -> Result<Self, KafkaError> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", brokers).set("log_level", "4");
        for (key, value) in ours {
            config.set(*key, *value);
        }
        for (key, value) in properties {
            config.set(key, value);
        }
        let counts = Arc::new(Counts::default());
        let producer = config.create_with_context(Context {
            what,
            counts: Arc::clone(&counts),
            held: PhantomData,
        })?;
        Ok(Self { producer, counts })
    }

    /// Queues a record, or drops it; says whether it is queued.
    pub(crate) fn send<K: ToBytes + ?Sized>(&self, record: BaseRecord<'_, K, [u8], H>) -> bool {
        let is_queued = self.producer.send(record).is_ok();
        let counter = match is_queued {
            true => &self.counts.queued,
            false => &self.counts.dropped,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        is_queued
    }

    /// Waits until the queue is empty, at most this long; gives back whether it is.
    pub(crate) fn flush(&self, timeout: Duration) -> bool {
        self.producer.flush(timeout).is_ok()
    }

    /// Counters since the start.
    pub(crate) fn counters(&self) -> DeliveryCounters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        DeliveryCounters {
            queued: read(&self.counts.queued),
            delivered: read(&self.counts.delivered),
            dropped: read(&self.counts.dropped),
            failed: read(&self.counts.failed),
        }
    }
}
