//! Telemetry, from wherever it comes: read from Kafka, sent to our receivers, or both.

mod kafka;

use std::time::{Duration, Instant};

use anyhow::Context;
use foreshift_config::ProcessConfig;
use foreshift_ingest::decode::Decoder;
use foreshift_ingest::sequencer::PartitionKey;
use foreshift_ingest::source::feed::MAX_WAITING;
use foreshift_ingest::source::push::{PushSender, PushSource, is_received};
use foreshift_ingest::source::{Batch, Feed, Positions, Source};

use kafka::KafkaLink;
pub(crate) use kafka::{dead_letters, format_of, properties};

/// How long a source may take to stop; what is not stopped by then is left behind.
const STOP: Duration = Duration::from_secs(2);
/// How long a stop waits for a batch of what was received: longer than its thread polls for one.
const LAST: Duration = Duration::from_millis(200);
/// Of two sources one is waited for at a time: so late the other is looked at.
const TURN: Duration = Duration::from_millis(5);

/// All that telemetry comes from: at least one of both.
pub(crate) struct Telemetry {
    kafka: Option<KafkaLink>,
    received: Option<Feed>,
    /// The way into what `received` reads.
    entrance: Option<PushSender>,
    /// Whether Kafka is asked first: they take turns, so that neither starves the other.
    kafka_first: bool,
}

/// What one wait brought.
pub(crate) enum News {
    /// Nothing.
    None,
    /// Kafka was connected: these partitions are read.
    Connected(Vec<PartitionKey>),
    /// Records.
    Batch(Batch),
}

impl Telemetry {
    /// What the configuration names, and what receivers put in. `positions` are where the last run ended.
    pub(crate) fn new(
        config: &ProcessConfig,
        received: Option<PushSource>,
        positions: &Positions,
        decoder: Decoder,
    ) -> anyhow::Result<Self> {
        let entrance = received.as_ref().map(PushSource::sender);
        let received = match received {
            Some(mut source) => {
                source.seek(positions)?;
                let feed = Feed::start("received", Box::new(source));
                Some(feed.context("cannot start the thread of received telemetry")?)
            }
            None => None,
        };
        Ok(Self {
            kafka: config.kafka.as_ref().map(|kafka| KafkaLink::new(kafka, decoder)),
            received,
            entrance,
            kafka_first: false,
        })
    }

    /// Waits for news, at most this long. `positions` are where to read on, should a connection begin.
    pub(crate) fn next(&mut self, positions: &Positions, timeout: Duration) -> News {
        match (&mut self.kafka, &self.received) {
            (Some(kafka), None) => kafka.next(positions, timeout),
            (None, Some(received)) => next_received(received, timeout),
            (None, None) => {
                std::thread::sleep(timeout);
                News::None
            }
            (Some(kafka), Some(received)) => {
                let until = Instant::now() + timeout;
                let mut turn = Duration::ZERO;
                loop {
                    self.kafka_first = !self.kafka_first;
                    let news = match self.kafka_first {
                        true => kafka.next(positions, turn),
                        false => next_received(received, turn),
                    };
                    // Both are asked without waiting before one is waited for.
                    let left = until.saturating_duration_since(Instant::now());
                    if !matches!(news, News::None) || left.is_zero() {
                        return news;
                    }
                    if !self.kafka_first {
                        turn = left.min(TURN);
                    }
                }
            }
        }
    }

    /// Holds back partitions that run ahead of the others. What is sent to us cannot be held back.
    pub(crate) fn hold_back(&self, mut partitions: Vec<PartitionKey>) {
        if let Some(kafka) = &self.kafka {
            partitions.retain(|key| !is_received(key));
            kafka.hold_back(partitions);
        }
    }

    /// Whether records are being read from Kafka; `None` without it.
    pub(crate) fn kafka_is_up(&self) -> Option<bool> {
        self.kafka.as_ref().map(KafkaLink::is_up)
    }

    /// At a stop: what receivers have taken and nobody has handled yet, batch by batch; `None` when that was all, or
    /// `until` has passed. From the first call on receivers take nothing more, and say so.
    pub(crate) fn rest(&self, until: Instant) -> Option<Batch> {
        self.entrance.as_ref()?.close();
        let feed = self.received.as_ref()?;
        // A batch without items says that the buffer was empty, which those that wait behind it may not have been.
        (0..MAX_WAITING + 2).find_map(|_| {
            let left = until.saturating_duration_since(Instant::now()).min(LAST);
            let batch = feed.next(left).ok().flatten();
            batch.filter(|batch| batch.items() > 0)
        })
    }

    /// Stops reading.
    pub(crate) fn stop(self) {
        if let Some(kafka) = self.kafka {
            kafka.stop();
        }
        if let Some(received) = self.received {
            drop(received.stop(STOP));
        }
    }
}

/// What receivers put in.
fn next_received(feed: &Feed, timeout: Duration) -> News {
    match feed.next(timeout) {
        Ok(Some(batch)) => News::Batch(batch),
        Ok(None) => {
            if feed.is_over() {
                // Its thread is gone, so it no longer waits by itself.
                std::thread::sleep(timeout);
            }
            News::None
        }
        Err(error) => {
            tracing::error!(%error, "received telemetry cannot be read");
            News::None
        }
    }
}

#[cfg(test)]
mod tests;
