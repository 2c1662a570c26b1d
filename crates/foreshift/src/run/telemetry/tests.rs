use std::collections::BTreeSet;

use foreshift_domain::Timestamp;
use foreshift_domain::fallback::OutcomeSource;
use foreshift_domain::signal::{Health, Observation, Signal};
use foreshift_ingest::Decoded;
use foreshift_ingest::decode::Parts;
use foreshift_ingest::decode::envoy::EnvoyKeys;
use foreshift_ingest::source::mock::MockKafka;
use foreshift_ingest::source::push::{self, Receiver};

use super::*;

/// Long enough for the slowest machine; a test that passes takes little of it.
const PATIENCE: Duration = Duration::from_secs(60);

fn process(text: &str) -> ProcessConfig {
    foreshift_config::parse_process(text, "f", std::path::Path::new(""), std::iter::empty())
        .unwrap()
        .value
}

fn decoder() -> Decoder {
    Decoder::new(EnvoyKeys::default()).unwrap()
}

fn health() -> Parts {
    let signal = Signal {
        time: Timestamp::from_secs(1_740_830_400),
        target: "eu".into(),
        route: None,
        gateway: None,
        endpoint: None,
        observation: Observation::Health(Health::Up),
    };
    Parts {
        good: vec![Decoded::Signal {
            signal,
            aliases: Vec::new(),
            source: OutcomeSource::EnvoyAccessLog,
        }],
        ..Parts::default()
    }
}

#[test]
fn what_is_sent_and_what_kafka_holds_come_in_side_by_side() {
    let kafka = MockKafka::start(&[("signals", 1)]).unwrap();
    let producer = kafka.producer().unwrap();
    let record = br#"{"time":1740830400,"target":"us","health":"up"}"#;
    producer.send("signals", 0, record).unwrap();
    producer.flush(Duration::from_secs(10)).unwrap();
    let text = format!(
        "kafka:\n  brokers: [\"{}\"]\n  consume: assign\n  topics: [{{name: signals, format: native_json}}]\n\
         receive: {{address: '127.0.0.1:7403'}}\n",
        kafka.brokers().split(',').next().unwrap()
    );
    let (sender, source) = push::channel(100);
    let mut telemetry = Telemetry::new(&process(&text), Some(source), &Positions::new(), decoder()).unwrap();
    sender.put_or_drop(Receiver::AccessLogs, health());

    let until = Instant::now() + PATIENCE;
    let mut seen = BTreeSet::new();
    while seen.len() < 2 && Instant::now() < until {
        if let News::Batch(batch) = telemetry.next(&Positions::new(), Duration::from_millis(20)) {
            let runs = batch.runs.iter().filter(|run| !run.items.is_empty());
            seen.extend(runs.map(|run| run.partition.topic.to_string()));
        }
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["receive/als", "signals"]);
    assert_eq!(telemetry.kafka_is_up(), Some(true));
    telemetry.stop();
}

#[test]
fn without_kafka_nothing_is_said_of_it_and_nothing_is_written_to_it() {
    let process = process("receive: {address: '127.0.0.1:7403'}\n");
    let (sender, source) = push::channel(100);
    let mut telemetry = Telemetry::new(&process, Some(source), &Positions::new(), decoder()).unwrap();
    assert_eq!(telemetry.kafka_is_up(), None);
    assert!(dead_letters(&process).unwrap().is_none());
    assert!(super::super::topics::Topics::connect(&process).unwrap().is_none());
    sender.put_or_drop(Receiver::AccessLogs, health());
    let until = Instant::now() + PATIENCE;
    let mut items = 0;
    while items == 0 && Instant::now() < until {
        if let News::Batch(batch) = telemetry.next(&Positions::new(), Duration::from_millis(20)) {
            items += batch.items();
        }
    }
    assert_eq!(items, 1);
    telemetry.stop();
}

#[test]
fn what_was_taken_before_a_stop_is_handled_and_what_comes_after_is_told_to_come_again() {
    let process = process("receive: {address: '127.0.0.1:7403'}\n");
    let (sender, source) = push::channel(10_000);
    let telemetry = Telemetry::new(&process, Some(source), &Positions::new(), decoder()).unwrap();
    // The thread has polled in between, and says that the buffer was empty.
    for _ in 0..3 {
        assert_eq!(sender.put_or_drop(Receiver::Otlp, health()), 0);
        std::thread::sleep(Duration::from_millis(250));
    }
    for _ in 0..1_000 {
        assert_eq!(sender.put_or_drop(Receiver::Otlp, health()), 0);
    }
    let until = Instant::now() + PATIENCE;
    let rest: usize = std::iter::from_fn(|| telemetry.rest(until))
        .map(|batch| batch.items())
        .sum();
    assert_eq!(rest, 1_003);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let late = runtime.block_on(sender.put_waiting(Receiver::Otlp, health(), PATIENCE));
    assert_eq!(late, Err(push::PushError::Closed));
    telemetry.stop();
}
