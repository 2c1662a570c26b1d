//! The dead-letter topic: what could not be used, with the place it came from and the reason.
//!
//! The value is the payload, cut to [`MAX_PAYLOAD_BYTES`]; the headers `foreshift.topic`, `foreshift.partition`,
//! `foreshift.offset` and `foreshift.reason` say the rest. Of formats that hold log text the value is empty: such
//! text goes no further than the decoder. It is empty too where the payload looks as if it held a secret, an address or
//! a sentence, since a log record may have come to the wrong topic: the record itself lies where the headers say. What was decoded and then refused for its time has no payload either: it
//! lies where the headers say. Nothing here ever waits: what does not fit into the queue is counted and dropped.

use std::time::Duration;

use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::BaseRecord;

use crate::decode::BadRecord;
use crate::producer::{CountedProducer, DeliveryCounters};
use crate::sequencer::{PartitionKey, Refused};

/// Of a larger payload the beginning is kept: enough to see what it is.
pub const MAX_PAYLOAD_BYTES: usize = 64 << 10;
/// The most letters that wait for the broker.
pub const MAX_QUEUED: usize = 10_000;
/// The most bytes that wait for the broker.
pub const MAX_QUEUED_BYTES: usize = 64 << 20;

/// Sends dead letters.
pub struct DeadLetters {
    producer: CountedProducer,
    topic: String,
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
        let (messages, kib) = (MAX_QUEUED.to_string(), (MAX_QUEUED_BYTES >> 10).to_string());
        let ours = [
            ("client.id", "foreshift-dead-letters"),
            ("queue.buffering.max.messages", messages.as_str()),
            ("queue.buffering.max.kbytes", kib.as_str()),
            ("linger.ms", "50"),
            ("message.timeout.ms", "30000"),
        ];
        Ok(Self {
            producer: CountedProducer::connect("dead letters", brokers, &ours, properties)?,
            topic: topic.to_owned(),
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
        self.producer.send(record);
    }

    /// Counters since the start. Names in metrics are `foreshift_dead_letter_<field>_total`.
    pub fn counters(&self) -> DeliveryCounters {
        self.producer.counters()
    }

    /// Waits until the queue is empty, at most this long; gives back whether it is.
    pub fn flush(&self, timeout: Duration) -> bool {
        self.producer.flush(timeout)
    }
}
