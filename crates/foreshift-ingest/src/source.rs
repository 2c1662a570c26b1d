//! Where records come from: one abstraction over files, journals and Kafka.

mod csv;
pub mod feed;
mod journal;
mod kafka;
pub mod push;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::decode::BadRecord;
use crate::decoded::Decoded;
use crate::sequencer::PartitionKey;

pub use csv::{CsvProgress, CsvSource};
pub use feed::Feed;
pub use journal::JournalSource;
pub(crate) use kafka::log as kafka_log;
pub use kafka::{KafkaCounters, KafkaSettings, KafkaSource, Membership, StartAt, TopicSettings, mock};

/// Where each partition is to be read on: the offset after the last record read.
pub type Positions = BTreeMap<PartitionKey, i64>;

/// Gives batches of decoded records, in the order of each partition.
pub trait Source: Send {
    /// Waits for records at most `timeout`, and gives back at most about `max` items (a record that holds several
    /// is not split). An empty batch is no end: `Batch::finished` is.
    ///
    /// # Errors
    /// When the source can no longer be read. Records that cannot be decoded are no error: they are in the batch.
    fn poll(&mut self, max: usize, timeout: Duration) -> Result<Batch, SourceError>;

    /// Where each partition stands after what was polled.
    fn positions(&self) -> Positions;

    /// Reads on from these positions; partitions that are not named stay where they are.
    ///
    /// # Errors
    /// When a position cannot be reached.
    fn seek(&mut self, to: &Positions) -> Result<(), SourceError>;

    /// Holds back these partitions, and lets all others flow. A source of one partition need not.
    fn hold_back(&mut self, _partitions: &[PartitionKey]) {}

    /// The partitions that are read.
    fn partitions(&self) -> Vec<PartitionKey>;
}

/// What one poll gave.
#[derive(Debug, Default)]
pub struct Batch {
    /// What came of each partition.
    pub runs: Vec<Run>,
    /// Whether the source has come to its end.
    pub finished: bool,
}

/// What came of one partition.
#[derive(Debug)]
pub struct Run {
    /// The partition.
    pub partition: PartitionKey,
    /// The offset after the last record of this run.
    pub next_offset: i64,
    /// What was decoded, in order.
    pub items: Vec<Item>,
    /// What could not be decoded.
    pub refused: Vec<BadRecord>,
    /// Whether the end of the partition was reached.
    pub caught_up: bool,
}

/// One decoded item and the offset of its record.
#[derive(Debug)]
pub struct Item {
    /// The offset; the line in a file.
    pub offset: i64,
    /// What it holds.
    pub decoded: Decoded,
}

impl Batch {
    /// Items over all partitions.
    pub fn items(&self) -> usize {
        self.runs.iter().map(|run| run.items.len()).sum()
    }
}

/// A source that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A file cannot be read.
    #[error("cannot read {path}")]
    File {
        /// The file.
        path: String,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// A file's first line is not that of a signal CSV.
    #[error("{path} is no signal csv: {why}")]
    Header {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// A journal segment is damaged.
    #[error("cannot read the journal")]
    Journal(#[from] crate::journal::JournalError),
    /// Kafka refused, or cannot be reached.
    #[error("kafka: {what}")]
    Kafka {
        /// What was tried.
        what: String,
        /// Why it failed.
        #[source]
        cause: rdkafka::error::KafkaError,
    },
    /// The records to go on from are no longer there.
    #[error(
        "offset {offset} of {topic}[{partition}] is out of range: its records are gone; \
         start without the snapshot, or allow a gap"
    )]
    OffsetGone {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The offset asked for.
        offset: i64,
    },
    /// A topic does not exist.
    #[error("topic {topic:?} does not exist on the brokers")]
    NoTopic {
        /// The topic.
        topic: String,
    },
}
