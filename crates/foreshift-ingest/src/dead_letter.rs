//! The dead-letter topic: what could not be used, with the place it came from and the reason.
//!
//! The value is the payload, cut to [`MAX_PAYLOAD_BYTES`]; the headers `foreshift.topic`, `foreshift.partition`,
//! `foreshift.offset` and `foreshift.reason` say the rest. Of formats that hold log text the value is empty: such
//! text goes no further than the decoder. What was decoded and then refused for its time has no payload either: it
//! lies where the headers say. Nothing here ever waits: what does not fit into the queue is counted and dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};

use crate::decode::BadRecord;
use crate::sequencer::{PartitionKey, Refused};

/// Of a larger payload the beginning is kept: enough to see what it is.
pub const MAX_PAYLOAD_BYTES: usize = 64 << 10;
/// The most letters that wait for the broker.
pub const MAX_QUEUED: usize = 10_000;
/// The most bytes that wait for the broker.
pub const MAX_QUEUED_BYTES: usize = 64 << 20;

/// Counters. Names in metrics are `foreshift_dead_letter_<field>_total`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeadLetterCounters {
    /// Letters handed to the producer.
    pub queued: u64,
    /// Letters delivered.
    pub delivered: u64,
    /// Letters dropped because the queue was full.
    pub dropped: u64,
    /// Letters that the broker did not take in time.
    pub failed: u64,
}

/// Sends dead letters.
pub struct DeadLetters {
    producer: ThreadedProducer<Context>,
    topic: String,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    queued: AtomicU64,
    delivered: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
}

struct Context {
    counts: Arc<Counts>,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        crate::source::kafka_log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "librdkafka, dead letters");
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

impl DeadLetters {
    /// A producer to this topic. Brokers need not be reachable yet.
    ///
    /// # Errors
    /// When the properties are wrong.
    pub fn connect<'a>(
        brokers: &str,
        topic: &str,
        properties: impl IntoIterator<Item = (&'a String, &'a String)>,
    ) -> Result<Self, KafkaError> {
        let counts = Arc::new(Counts::default());
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", brokers)
            .set("client.id", "foreshift-dead-letters")
            .set("queue.buffering.max.messages", MAX_QUEUED.to_string())
            .set("queue.buffering.max.kbytes", (MAX_QUEUED_BYTES >> 10).to_string())
            .set("linger.ms", "50")
            .set("message.timeout.ms", "30000")
            .set("log_level", "4");
        for (key, value) in properties {
            config.set(key, value);
        }
        let producer = config.create_with_context(Context {
            counts: Arc::clone(&counts),
        })?;
        Ok(Self {
            producer,
            topic: topic.to_owned(),
            counts,
        })
    }

    /// Sends a record that could not be decoded. Never waits.
    pub fn undecodable(&self, from: &PartitionKey, record: &BadRecord) {
        let reason = match record.parts {
            0 | 1 => record.why.to_string(),
            parts => format!("{} (and {} further parts)", record.why, parts - 1),
        };
        self.send(from, record.offset, &reason, &record.payload);
    }

    /// Sends a record whose time was refused. Never waits.
    pub fn refused(&self, from: &PartitionKey, refused: &Refused) {
        let reason = format!("{}: {} s since 1970", refused.why, refused.time.as_secs_f64());
        self.send(from, refused.origin.offset, &reason, &[]);
    }

    fn send(&self, from: &PartitionKey, offset: i64, reason: &str, payload: &[u8]) {
        let (partition, offset) = (from.partition.to_string(), offset.to_string());
        let headers = OwnedHeaders::new_with_capacity(4)
            .insert(Header {
                key: "foreshift.topic",
                value: Some(&*from.topic),
            })
            .insert(Header {
                key: "foreshift.partition",
                value: Some(&partition),
            })
            .insert(Header {
                key: "foreshift.offset",
                value: Some(&offset),
            })
            .insert(Header {
                key: "foreshift.reason",
                value: Some(reason),
            });
        let payload = payload.get(..MAX_PAYLOAD_BYTES).unwrap_or(payload);
        let record = BaseRecord::<(), [u8]>::to(&self.topic)
            .payload(payload)
            .headers(headers);
        let counter = match self.producer.send(record) {
            Ok(()) => &self.counts.queued,
            Err(_) => &self.counts.dropped,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Counters since the start.
    pub fn counters(&self) -> DeadLetterCounters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        DeadLetterCounters {
            queued: read(&self.counts.queued),
            delivered: read(&self.counts.delivered),
            dropped: read(&self.counts.dropped),
            failed: read(&self.counts.failed),
        }
    }

    /// Waits until the queue is empty, at most this long; gives back whether it is.
    pub fn flush(&self, timeout: Duration) -> bool {
        self.producer.flush(timeout).is_ok()
    }
}
