//! From Kafka's bytes to recorded inputs, features and probabilities, against reading and decoding alone.

use std::sync::Arc;
use std::time::{Duration as Wait, Instant, SystemTime};

use anyhow::Context;
use foreshift_domain::fallback::Fallback;
use foreshift_domain::{Duration, Timestamp};
use foreshift_engine::Engine;
use foreshift_ingest::decode::envoy::EnvoyKeys;
use foreshift_ingest::decode::{Decoder, Format};
use foreshift_ingest::journal::{Recorder, Retention};
use foreshift_ingest::sequencer::{Outbox, Settings};
use foreshift_ingest::source::mock::PlainProducer;
use foreshift_ingest::source::{
    Batch, Feed, KafkaSettings, KafkaSource, Membership, Positions, Source, StartAt, TopicSettings,
};
use foreshift_ingest::{ClockMode, Intake};
use foreshift_proto::v1;
use prost::Message as _;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::broker::Broker;
use crate::fleet::{self, Traffic};
use crate::{median, rate, row};

const SIGNALS: u64 = 2_000_000;
const PARTITIONS: i32 = 4;
/// Signals in a record: gateways send what they have seen since the last time.
const RECORD_SIZES: [usize; 2] = [100, 10];
const TURNS: usize = 5;
const ASKED: f64 = 0.5;
/// Without a record for this long something is wrong.
const PATIENCE: Wait = Wait::from_secs(30);
const POLL: Wait = Wait::from_millis(20);
/// As in the process's own configuration.
const LATENESS: Duration = Duration::from_secs(2);

/// A topic that holds the fleet's traffic.
struct Topic {
    name: String,
    bytes: u64,
    records: u64,
}

pub(crate) fn measure() -> anyhow::Result<()> {
    println!("\n(b) From Kafka's bytes to recorded inputs and probabilities, median of {TURNS} turns");
    println!(
        "  one Apache Kafka broker on the same cores, {PARTITIONS} partitions, journal on (Parquet, sealed at the end)"
    );
    let dir = tempfile::tempdir()?;
    let broker = Broker::start(&dir.path().join("kafka"), PARTITIONS)?;
    for signals in RECORD_SIZES {
        let topic = produce(&broker, signals)?;
        println!(
            "  {SIGNALS} signals in {} records: {signals} signals, {} bytes a record",
            topic.records,
            topic.bytes / topic.records.max(1)
        );
        compare(&broker.address, &topic)?;
    }
    Ok(())
}

fn compare(brokers: &str, topic: &Topic) -> anyhow::Result<()> {
    let mut bare = Vec::new();
    let mut whole = [Vec::new(), Vec::new()];
    let clocks = [ClockMode::Wall, ClockMode::Event];
    let mut told = String::new();
    for _ in 0..TURNS {
        bare.push(rate(SIGNALS, read_alone(brokers, topic)?));
        for (clock, seen) in clocks.into_iter().zip(&mut whole) {
            let (took, said) = whole_way(brokers, topic, clock)?;
            seen.push(rate(SIGNALS, took));
            told = said;
        }
    }
    let bare = median(bare);
    println!("  {told}");
    row(
        "consume and decode alone, signals a second",
        &format!("{:.2} M", bare / 1e6),
        "",
        None,
    );
    for (name, seen) in ["clock: wall", "clock: event"].into_iter().zip(whole) {
        let seen = median(seen);
        row(
            &format!("the whole way, {name}, signals a second"),
            &format!("{:.2} M", seen / 1e6),
            "",
            None,
        );
        let ratio = seen / bare;
        row(
            &format!("ratio, {name}"),
            &format!("{ratio:.2}"),
            "at least 0.50",
            Some(ratio >= ASKED),
        );
    }
    Ok(())
}

fn produce(broker: &Broker, signals: usize) -> anyhow::Result<Topic> {
    let mut topic = Topic {
        name: format!("signals-{signals}"),
        bytes: 0,
        records: 0,
    };
    broker.make_topic(&topic.name)?;
    let producer = PlainProducer::connect(&broker.address)?;
    let mut traffic = Traffic::new().take(usize::try_from(SIGNALS)?);
    loop {
        let batch: v1::SignalBatch = traffic.by_ref().take(signals).collect();
        if batch.signals.is_empty() {
            break;
        }
        let bytes = batch.encode_to_vec();
        let partition = i32::try_from(topic.records % u64::from(PARTITIONS.unsigned_abs()))?;
        producer.send(&topic.name, partition, &bytes)?;
        topic.bytes += bytes.len() as u64;
        topic.records += 1;
    }
    producer.flush(PATIENCE)?;
    Ok(topic)
}

/// What any consumer has to do: poll, and decode the protobuf.
fn read_alone(brokers: &str, topic: &Topic) -> anyhow::Result<Wait> {
    // Fetching as `KafkaSource` does: the loops differ in what they do, not in how they are fed.
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "bare")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("queued.max.messages.kbytes", "65536")
        .set("fetch.message.max.bytes", "1048576")
        .set("fetch.max.bytes", "8388608")
        .set("fetch.wait.max.ms", "100")
        .set("fetch.queue.backoff.ms", "10")
        .create()?;
    consumer.fetch_metadata(Some(&topic.name), PATIENCE)?;
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(&topic.name, partition, Offset::Beginning)?;
    }
    let began = Instant::now();
    consumer.assign(&list)?;
    let mut seen = 0;
    while seen < SIGNALS {
        let message = consumer.poll(PATIENCE).context("no record came")??;
        let batch = v1::SignalBatch::decode(message.payload().unwrap_or_default())?;
        seen += std::hint::black_box(&batch).signals.len() as u64;
    }
    Ok(began.elapsed())
}

/// What `foreshift run` does with a record, without its listeners.
struct Way {
    intake: Intake,
    engine: Engine,
    recorder: Recorder,
    outbox: Outbox,
}

impl Way {
    fn new(fallback: &Arc<Fallback>, clock: ClockMode, journal: &std::path::Path) -> anyhow::Result<Self> {
        let settings = Settings {
            clock,
            bucket: fallback.timing.bucket,
            lateness: LATENESS,
            max_future: Duration::from_secs(300),
            idle_timeout: Duration::from_secs(30),
        };
        Ok(Self {
            intake: Intake::new(settings, fallback),
            engine: Engine::new(1, Arc::clone(fallback), fleet::model(fallback)?),
            recorder: Recorder::open(journal, 1, Retention::default())?,
            outbox: Outbox::default(),
        })
    }

    fn take(&mut self, batch: Batch) -> anyhow::Result<()> {
        self.intake.accept(batch, wall(), &mut self.outbox);
        for sequenced in &self.outbox.ordered {
            let key = sequenced
                .origin
                .and_then(|origin| self.intake.sequencer().key(origin.partition));
            let origin = sequenced.origin.and_then(|origin| Some((key?, origin.offset)));
            self.recorder.record(&sequenced.input, origin)?;
            self.engine.handle(&sequenced.input);
            while let Some(output) = self.engine.poll_output() {
                std::hint::black_box(&output);
            }
        }
        self.outbox.ordered.clear();
        Ok(())
    }
}

fn whole_way(brokers: &str, topic: &Topic, clock: ClockMode) -> anyhow::Result<(Wait, String)> {
    let journal = tempfile::tempdir()?;
    let fallback = fleet::fallback()?;
    let mut way = Way::new(&fallback, clock, journal.path())?;
    let settings = KafkaSettings {
        brokers: brokers.to_owned(),
        topics: vec![TopicSettings {
            name: topic.name.clone(),
            format: Format::NativeProto,
        }],
        membership: Membership::Assign,
        start: StartAt::Oldest,
        allow_gaps: false,
        properties: std::collections::BTreeMap::new(),
    };
    let source = KafkaSource::open(settings, Decoder::new(EnvoyKeys::default())?, &Positions::new())?;
    way.intake.register(&source.partitions(), wall());
    let began = Instant::now();
    let feed = Feed::start("kafka", Box::new(source))?;
    let mut heard = Instant::now();
    while way.intake.counters().items < SIGNALS {
        feed.hold_back(way.intake.ahead(wall()));
        if let Some(batch) = feed.next(POLL)? {
            way.take(batch)?;
            heard = Instant::now();
        }
        anyhow::ensure!(heard.elapsed() < PATIENCE, "no record came");
    }
    way.take(Batch {
        runs: Vec::new(),
        finished: true,
    })?;
    way.recorder.seal()?;
    let took = began.elapsed();
    drop(feed.stop(Wait::from_secs(5)));
    let counters = way.engine.counters();
    anyhow::ensure!(
        counters.signals == SIGNALS,
        "{} of {SIGNALS} signals came",
        counters.signals
    );
    anyhow::ensure!(
        counters.late_signals == 0,
        "{} signals were late",
        counters.late_signals
    );
    let rows = way.recorder.next_seq() - 1;
    let told = format!(
        "{} ticks with {} predictions; {rows} journal rows with clock: event",
        counters.ticks, counters.predictions
    );
    Ok((took, told))
}

fn wall() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
