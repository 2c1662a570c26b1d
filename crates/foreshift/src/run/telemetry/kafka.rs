//! Kafka, which may come and go. A broker that cannot be reached keeps nobody from serving: connecting happens on a
//! thread of its own and is tried again and again.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

use foreshift_config::{Consume, KafkaConfig, ProcessConfig, SignalKind, TopicConfig, TopicFormat};
use foreshift_ingest::dead_letter::DeadLetters;
use foreshift_ingest::decode::{Decoder, Format};
use foreshift_ingest::sequencer::PartitionKey;
use foreshift_ingest::source::{
    Feed, KafkaSettings, KafkaSource, Membership, Positions, Source, SourceError, StartAt, TopicSettings,
};

use super::{News, STOP};

/// Between two tries to connect.
const RETRY: Duration = Duration::from_secs(2);

/// Kafka as a source, connected or not.
pub(super) struct KafkaLink {
    settings: KafkaSettings,
    decoder: Decoder,
    link: Link,
}

enum Link {
    Down { since: Instant },
    Connecting(Receiver<Result<Opened, SourceError>>),
    Up(Feed),
}

struct Opened {
    feed: Feed,
    partitions: Vec<PartitionKey>,
}

impl KafkaLink {
    pub(super) fn new(config: &KafkaConfig, decoder: Decoder) -> Self {
        Self {
            settings: kafka_settings(config),
            decoder,
            link: Link::Down {
                since: Instant::now() - RETRY,
            },
        }
    }

    /// Waits for news, at most this long. `positions` are where to read on, should a connection begin.
    pub(super) fn next(&mut self, positions: &Positions, timeout: Duration) -> News {
        match &self.link {
            Link::Down { since } if since.elapsed() >= RETRY => self.connect(positions.clone()),
            Link::Down { .. } => std::thread::sleep(timeout),
            Link::Connecting(answer) => match answer.try_recv() {
                Ok(Ok(opened)) => {
                    tracing::info!(partitions = opened.partitions.len(), "reading from kafka");
                    self.link = Link::Up(opened.feed);
                    return News::Connected(opened.partitions);
                }
                Ok(Err(error)) => self.lost(&error),
                Err(TryRecvError::Empty) => std::thread::sleep(timeout),
                Err(TryRecvError::Disconnected) => {
                    self.link = Link::Down {
                        since: Instant::now(),
                    }
                }
            },
            Link::Up(feed) => match feed.next(timeout) {
                Ok(Some(batch)) => return News::Batch(batch),
                Ok(None) => {}
                Err(error) => self.lost(&error),
            },
        }
        News::None
    }

    /// Holds back partitions that run ahead of the others.
    pub(super) fn hold_back(&self, partitions: Vec<PartitionKey>) {
        if let Link::Up(feed) = &self.link {
            feed.hold_back(partitions);
        }
    }

    /// Whether records are being read.
    pub(super) fn is_up(&self) -> bool {
        matches!(self.link, Link::Up(_))
    }

    /// Stops reading.
    pub(super) fn stop(self) {
        if let Link::Up(feed) = self.link {
            drop(feed.stop(STOP));
        }
    }

    fn lost(&mut self, error: &SourceError) {
        let cause = std::error::Error::source(error)
            .map(ToString::to_string)
            .unwrap_or_default();
        tracing::error!(%error, cause, "no telemetry from kafka; trying again");
        if matches!(error, SourceError::OffsetGone { .. }) {
            // The brokers have deleted what was to be read next. Nothing brings it back: go on, having said so.
            self.settings.allow_gaps = true;
        }
        self.link = Link::Down {
            since: Instant::now(),
        };
    }

    fn connect(&mut self, positions: Positions) {
        let (answer, link) = sync_channel(1);
        let (settings, decoder) = (self.settings.clone(), self.decoder.clone());
        let opening = std::thread::Builder::new()
            .name("kafka-connect".into())
            .spawn(move || {
                let opened = KafkaSource::open(settings, decoder, &positions).and_then(|source| {
                    let partitions = source.partitions();
                    let feed = Feed::start("kafka", Box::new(source));
                    let feed = feed.map_err(|cause| SourceError::File {
                        path: "the kafka thread".into(),
                        cause,
                    })?;
                    Ok(Opened { feed, partitions })
                });
                let _ = answer.send(opened);
            });
        self.link = match opening {
            Ok(_) => Link::Connecting(link),
            Err(_) => Link::Down {
                since: Instant::now(),
            },
        };
    }
}

/// A producer for dead letters, where there is Kafka and a topic is named.
pub(crate) fn dead_letters(config: &ProcessConfig) -> anyhow::Result<Option<DeadLetters>> {
    let Some(kafka) = &config.kafka else {
        return Ok(None);
    };
    let Some(topic) = &kafka.dead_letter else {
        return Ok(None);
    };
    let brokers = kafka.brokers.join(",");
    Ok(Some(DeadLetters::connect(&brokers, topic, &properties(kafka))?))
}

/// What the configuration says, as the source takes it.
fn kafka_settings(kafka: &KafkaConfig) -> KafkaSettings {
    let topics = kafka.topics.iter().map(|topic| TopicSettings {
        name: topic.name.clone(),
        format: format_of(topic),
    });
    KafkaSettings {
        brokers: kafka.brokers.join(","),
        topics: topics.collect(),
        membership: match kafka.consume {
            Consume::Assign => Membership::Assign,
            Consume::Group => Membership::Group {
                id: kafka.group_id.clone(),
                instance: kafka.group_instance_id.clone(),
            },
        },
        start: match kafka.start_at {
            foreshift_config::StartAt::Earliest => StartAt::Oldest,
            foreshift_config::StartAt::Latest => StartAt::Newest,
        },
        allow_gaps: false,
        properties: properties(kafka),
    }
}

pub(crate) fn properties(kafka: &KafkaConfig) -> BTreeMap<String, String> {
    kafka
        .properties
        .iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// The format of a topic's records.
pub(crate) fn format_of(topic: &TopicConfig) -> Format {
    match (topic.format, topic.kind_or_usual()) {
        // Found out from the topic's name and each record.
        (TopicFormat::Auto, _) => Format::Auto,
        (TopicFormat::OtlpProto, Some(SignalKind::Metrics)) => Format::OtlpMetricsProto,
        (TopicFormat::OtlpProto, Some(SignalKind::Logs)) => Format::OtlpLogsProto,
        (TopicFormat::OtlpProto, Some(SignalKind::Traces)) => Format::OtlpSpansProto,
        (TopicFormat::OtlpJson, Some(SignalKind::Metrics)) => Format::OtlpMetricsJson,
        (TopicFormat::OtlpJson, Some(SignalKind::Logs)) => Format::OtlpLogsJson,
        (TopicFormat::OtlpJson, Some(SignalKind::Traces)) => Format::OtlpSpansJson,
        (TopicFormat::OtlpProto | TopicFormat::OtlpJson, None) => Format::Auto,
        (TopicFormat::NativeProto, Some(SignalKind::Logs)) => Format::NativeLogProto,
        (TopicFormat::NativeJson, Some(SignalKind::Logs)) => Format::NativeLogJson,
        (TopicFormat::NativeProto, _) => Format::NativeProto,
        (TopicFormat::NativeJson, _) => Format::NativeJson,
        (TopicFormat::EnvoyJson, _) => Format::EnvoyJson,
        (TopicFormat::EnvoyAls, _) => Format::EnvoyAls,
    }
}
