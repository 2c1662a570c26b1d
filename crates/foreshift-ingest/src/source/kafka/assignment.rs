//! Where to begin: positions checked against what the brokers have.

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::super::{Positions, SourceError};
use super::context::Context;
use super::{ASK_TIMEOUT, KafkaSettings, StartAt, Topic, kafka_error};
use crate::sequencer::PartitionKey;

/// The offset to begin at of every partition of the topics.
pub(super) fn resolve(
    consumer: &BaseConsumer<Context>,
    topics: &[Topic],
    settings: &KafkaSettings,
    from: &Positions,
) -> Result<Positions, SourceError> {
    let mut begin = Positions::new();
    for topic in topics {
        for partition in partitions(consumer, &topic.name)? {
            let key = PartitionKey {
                topic: topic.name.clone(),
                partition,
            };
            let watermarks = consumer.fetch_watermarks(&topic.name, partition, ASK_TIMEOUT);
            let (oldest, next) = watermarks.map_err(|cause| kafka_error("cannot ask for offsets", cause))?;
            let offset = match from.get(&key) {
                Some(&offset) if (oldest..=next).contains(&offset) => offset,
                Some(_) if settings.allow_gaps => oldest,
                Some(&offset) => {
                    return Err(SourceError::OffsetGone {
                        topic: topic.name.to_string(),
                        partition,
                        offset,
                    });
                }
                None if settings.start == StartAt::Newest => next,
                None => oldest,
            };
            begin.insert(key, offset);
        }
    }
    Ok(begin)
}

fn partitions(consumer: &BaseConsumer<Context>, topic: &str) -> Result<Vec<i32>, SourceError> {
    let metadata = consumer.fetch_metadata(Some(topic), ASK_TIMEOUT);
    let metadata = metadata.map_err(|cause| kafka_error("cannot reach the brokers", cause))?;
    let found = metadata
        .topics()
        .iter()
        .find(|found| found.name() == topic && found.error().is_none());
    let partitions: Vec<i32> = found
        .map(|found| {
            found
                .partitions()
                .iter()
                .map(|partition| partition.id())
                .collect()
        })
        .unwrap_or_default();
    if partitions.is_empty() {
        return Err(SourceError::NoTopic {
            topic: topic.to_owned(),
        });
    }
    Ok(partitions)
}

/// As librdkafka wants it.
pub(super) fn list(positions: &Positions) -> Result<TopicPartitionList, SourceError> {
    let mut list = TopicPartitionList::new();
    for (key, offset) in positions {
        list.add_partition_offset(&key.topic, key.partition, Offset::Offset(*offset))
            .map_err(|cause| kafka_error("cannot set an offset", cause))?;
    }
    Ok(list)
}
