//! Kafka as a source: one consumer, to be polled by one thread.
//!
//! Positions are ours: nothing is committed, a restart goes on from the offsets of the snapshot. Queues are bounded.
//! A position whose records the brokers have deleted is an error before the first record, unless gaps are allowed;
//! it is never skipped in silence. Consumer groups use the classic protocol with cooperative-sticky assignment and
//! static membership.

mod assignment;
mod context;
pub mod mock;

use std::collections::BTreeMap;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::TopicPartitionList;

use super::{Batch, Item, Positions, Run, Source, SourceError};
use crate::dead_letter::MAX_PAYLOAD_BYTES;
use crate::decode::{BadRecord, Decoder, Format};
use crate::intern::SignalNames;
use crate::sequencer::PartitionKey;
use context::{Context, Shared};

pub use context::KafkaCounters;
pub(crate) use context::log;

/// How long a question to the brokers may take.
const ASK_TIMEOUT: Duration = Duration::from_secs(15);

/// What to read, and how.
#[derive(Clone, Debug)]
pub struct KafkaSettings {
    /// Brokers to begin with, `host:port`, comma separated.
    pub brokers: String,
    /// Topics and their formats.
    pub topics: Vec<TopicSettings>,
    /// How partitions are found.
    pub membership: Membership,
    /// Where to begin on a partition without a position.
    pub start: StartAt,
    /// Read on from the oldest record where those of a position are gone.
    pub allow_gaps: bool,
    /// Further properties of librdkafka: security, tuning. They win over ours, but for commits.
    pub properties: BTreeMap<String, String>,
}

/// A topic to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSettings {
    /// Its name.
    pub name: String,
    /// The format of its records.
    pub format: Format,
}

/// How partitions are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Membership {
    /// All partitions of the topics, as they are at the start.
    Assign,
    /// Those that the group gives.
    Group {
        /// The group.
        id: String,
        /// A name of this member that outlives restarts, so that a restart moves no partition.
        instance: Option<String>,
    },
}

/// Where to begin on a partition without a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAt {
    /// At the oldest record.
    Oldest,
    /// After the newest record.
    Newest,
}

/// Reads Kafka.
pub struct KafkaSource {
    consumer: Option<BaseConsumer<Context>>,
    shared: Arc<Shared>,
    decoder: Decoder,
    topics: Vec<Topic>,
    settings: KafkaSettings,
    held_back: Vec<PartitionKey>,
}

struct Topic {
    name: Arc<str>,
    format: Format,
}

impl KafkaSource {
    /// Connects and begins: at these positions, and elsewhere as the settings say.
    ///
    /// # Errors
    /// When the brokers cannot be reached, a topic does not exist, or a position is gone.
    pub fn open(settings: KafkaSettings, decoder: Decoder, from: &Positions) -> Result<Self, SourceError> {
        let shared = Arc::new(Shared::new(settings.start));
        let consumer: BaseConsumer<Context> = client_config(&settings)
            .create_with_context(Context::new(Arc::clone(&shared)))
            .map_err(|cause| kafka_error("cannot make a consumer of these properties", cause))?;
        let topics = settings.topics.iter();
        let topics = topics
            .map(|topic| Topic {
                name: topic.name.as_str().into(),
                format: topic.format,
            })
            .collect();
        let mut source = Self {
            consumer: Some(consumer),
            shared,
            decoder,
            topics,
            settings,
            held_back: Vec::new(),
        };
        source.begin(from)?;
        Ok(source)
    }

    fn begin(&mut self, from: &Positions) -> Result<(), SourceError> {
        let consumer = self.consumer()?;
        let begin = assignment::resolve(consumer, &self.topics, &self.settings, from)?;
        self.shared.set_positions(begin.clone());
        match &self.settings.membership {
            Membership::Assign => {
                let list = assignment::list(&begin)?;
                consumer
                    .assign(&list)
                    .map_err(|cause| kafka_error("cannot begin reading", cause))
            }
            Membership::Group { .. } => {
                let names: Vec<&str> = self.topics.iter().map(|topic| &*topic.name).collect();
                consumer
                    .subscribe(&names)
                    .map_err(|cause| kafka_error("cannot join the group", cause))
            }
        }
    }

    fn consumer(&self) -> Result<&BaseConsumer<Context>, SourceError> {
        let closed = || kafka_error("the consumer is closed", KafkaError::Canceled);
        self.consumer.as_ref().ok_or_else(closed)
    }

    /// Counters of this consumer.
    pub fn counters(&self) -> KafkaCounters {
        self.shared.counters()
    }

    /// Closes the consumer, but waits no longer than this: a broker that is gone can keep it from closing.
    /// Gives back whether it closed.
    pub fn close(mut self, deadline: Duration) -> bool {
        let Some(consumer) = self.consumer.take() else {
            return true;
        };
        let (done, closed) = mpsc::channel();
        std::thread::spawn(move || {
            drop(consumer);
            let _ = done.send(());
        });
        closed.recv_timeout(deadline).is_ok()
    }

    fn read(&self, max: usize, timeout: Duration, runs: &mut Runs) -> Result<(), SourceError> {
        let consumer = self.consumer()?;
        let until = Instant::now() + timeout;
        let mut names = SignalNames::default();
        while runs.items < max.max(1) {
            // Wait for the first record; after it take what is there.
            let wait = if runs.items == 0 {
                until.saturating_duration_since(Instant::now())
            } else {
                Duration::ZERO
            };
            match consumer.poll(wait) {
                None => return Ok(()),
                Some(Ok(message)) => self.take(&message, runs, &mut names),
                Some(Err(error)) => check(error)?,
            }
        }
        Ok(())
    }

    fn take(&self, message: &impl Message, runs: &mut Runs, names: &mut SignalNames) {
        let name = message.topic();
        let Some(topic) = self.topics.iter().find(|topic| &*topic.name == name) else {
            return;
        };
        let offset = message.offset();
        let run = runs.of(topic, message.partition());
        run.next_offset = offset.saturating_add(1);
        // A record without a payload marks a deletion in a compacted topic.
        let Some(payload) = message.payload() else { return };
        let parts = self.decoder.decode_sharing(topic.format, name, payload, names);
        if let Some(why) = parts.bad.first() {
            let payload = payload.get(..MAX_PAYLOAD_BYTES).unwrap_or(payload);
            run.refused.push(BadRecord {
                offset,
                why: why.clone(),
                parts: parts.bad.len(),
                payload: self.decoder.letter(topic.format, payload),
            });
        }
        let added = parts.good.len();
        let items = parts.good.into_iter();
        run.items.extend(items.map(|decoded| Item { offset, decoded }));
        self.shared.count(payload.len(), added, parts.ignored);
        // Records without items count too, so that a topic full of bad ones cannot make a batch endless.
        runs.items += added.max(1);
    }
}

impl Source for KafkaSource {
    fn poll(&mut self, max: usize, timeout: Duration) -> Result<Batch, SourceError> {
        let mut runs = Runs::default();
        self.read(max, timeout, &mut runs)?;
        let mut found: Vec<Run> = runs.runs;
        let read = found.iter().map(|run| (run.partition.clone(), run.next_offset));
        self.shared.advance(read);
        for (partition, next_offset) in self.shared.caught_up() {
            match found.iter_mut().find(|run| run.partition == partition) {
                Some(run) => run.caught_up = true,
                None => found.push(Run {
                    partition,
                    next_offset,
                    items: Vec::new(),
                    refused: Vec::new(),
                    caught_up: true,
                }),
            }
        }
        Ok(Batch {
            runs: found,
            finished: false,
        })
    }

    fn positions(&self) -> Positions {
        self.shared.positions()
    }

    fn seek(&mut self, to: &Positions) -> Result<(), SourceError> {
        let mut from = self.shared.positions();
        from.extend(to.iter().map(|(key, offset)| (key.clone(), *offset)));
        if let Ok(consumer) = self.consumer() {
            consumer
                .unassign()
                .map_err(|cause| kafka_error("cannot stop reading", cause))?;
        }
        self.held_back.clear();
        self.begin(&from)
    }

    fn hold_back(&mut self, partitions: &[PartitionKey]) {
        if self.held_back == partitions {
            return;
        }
        let Ok(consumer) = self.consumer() else { return };
        let list = |keys: &mut dyn Iterator<Item = &PartitionKey>| {
            let mut list = TopicPartitionList::new();
            keys.for_each(|key| {
                list.add_partition(&key.topic, key.partition);
            });
            list
        };
        let stop = list(&mut partitions.iter().filter(|key| !self.held_back.contains(key)));
        let go = list(&mut self.held_back.iter().filter(|key| !partitions.contains(key)));
        let changed = consumer.pause(&stop).and_then(|()| consumer.resume(&go));
        if let Err(error) = changed {
            tracing::warn!(%error, "cannot hold partitions back");
        }
        self.held_back = partitions.to_vec();
    }

    fn partitions(&self) -> Vec<PartitionKey> {
        self.shared.positions().into_keys().collect()
    }
}

/// What one poll has read so far.
#[derive(Default)]
struct Runs {
    runs: Vec<Run>,
    items: usize,
}

impl Runs {
    /// The run of a partition, kept last: records come in stretches of one partition.
    fn of(&mut self, topic: &Topic, partition: i32) -> &mut Run {
        let is = |run: &Run| run.partition.partition == partition && *run.partition.topic == *topic.name;
        let run = match self.runs.iter().rposition(is) {
            Some(at) => self.runs.swap_remove(at),
            None => Run {
                partition: PartitionKey {
                    topic: Arc::clone(&topic.name),
                    partition,
                },
                next_offset: 0,
                items: Vec::new(),
                refused: Vec::new(),
                caught_up: false,
            },
        };
        self.runs.push_mut(run)
    }
}

/// Whether reading can go on after this error. librdkafka tries again by itself where it can.
fn check(error: KafkaError) -> Result<(), SourceError> {
    match &error {
        KafkaError::PartitionEOF(_) => Ok(()),
        KafkaError::MessageConsumptionFatal(_) => Err(kafka_error("the consumer failed", error)),
        KafkaError::MessageConsumption(
            RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange,
        ) => Err(kafka_error("records were deleted before they were read", error)),
        KafkaError::MessageConsumption(
            RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::TopicAuthorizationFailed,
        ) => Err(kafka_error("a topic is gone or not allowed", error)),
        _ => {
            tracing::warn!(%error, "reading from kafka failed, trying again");
            Ok(())
        }
    }
}

fn kafka_error(what: &str, cause: KafkaError) -> SourceError {
    SourceError::Kafka {
        what: what.to_owned(),
        cause,
    }
}

fn client_config(settings: &KafkaSettings) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &settings.brokers)
        .set("client.id", "foreshift")
        // A consumer that assigns by itself needs a group by name only.
        .set("group.id", "foreshift")
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("isolation.level", "read_committed")
        .set("allow.auto.create.topics", "false")
        .set("socket.keepalive.enable", "true")
        .set("auto.offset.reset", "error")
        // At most 64 MiB wait in the client, fetched 1 MiB a partition and 8 MiB a request at a time.
        .set("queued.max.messages.kbytes", "65536")
        .set("fetch.message.max.bytes", "1048576")
        .set("fetch.max.bytes", "8388608")
        .set("fetch.wait.max.ms", "100")
        // The default of a second stalls a partition whose queue was full for that long.
        .set("fetch.queue.backoff.ms", "10")
        .set("statistics.interval.ms", "1000")
        .set("log_level", "4");
    for (key, value) in &settings.properties {
        config.set(key, value);
    }
    if let Membership::Group { id, instance } = &settings.membership {
        config.set("group.id", id);
        if let Some(instance) = instance {
            config.set("group.instance.id", instance);
        }
    }
    // Positions are ours: a commit by the client could only ever be wrong.
    config
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false");
    config
}

#[cfg(test)]
mod tests;
