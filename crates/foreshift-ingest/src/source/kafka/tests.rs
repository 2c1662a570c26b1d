use foreshift_domain::signal::Observation;

use super::mock::MockKafka;
use super::*;
use crate::decode::envoy::EnvoyKeys;
use crate::decoded::Decoded;

fn settings(brokers: String, topics: &[&str]) -> KafkaSettings {
    let topic = |name: &&str| TopicSettings {
        name: (*name).to_owned(),
        format: Format::Auto,
    };
    KafkaSettings {
        brokers,
        topics: topics.iter().map(topic).collect(),
        membership: Membership::Assign,
        start: StartAt::Oldest,
        allow_gaps: false,
        properties: BTreeMap::new(),
    }
}

fn decoder() -> Decoder {
    Decoder::new(EnvoyKeys::default()).expect("a decoder")
}

fn produce(kafka: &MockKafka, topic: &str, partition: i32, range: std::ops::Range<i32>) {
    let producer = kafka.producer().expect("a producer");
    for number in range {
        let record = format!(r#"{{"time":1700000000,"target":"t{number}","health":"up"}}"#);
        producer.send(topic, partition, record.as_bytes()).expect("sent");
    }
    producer.flush(Duration::from_secs(20)).expect("delivered");
}

/// Reads until so many items and refused records came.
fn read(source: &mut KafkaSource, count: usize) -> (Vec<String>, Vec<BadRecord>) {
    let (mut names, mut refused) = (Vec::new(), Vec::new());
    let until = Instant::now() + Duration::from_secs(30);
    while names.len() + refused.len() < count {
        assert!(Instant::now() < until, "{} of {count} came", names.len());
        let batch = source.poll(100, Duration::from_millis(200)).expect("a batch");
        for run in batch.runs {
            refused.extend(run.refused);
            names.extend(run.items.into_iter().map(|item| match item.decoded {
                Decoded::Signal { signal, .. } if matches!(signal.observation, Observation::Health(_)) => {
                    signal.target.as_str().to_owned()
                }
                other => panic!("{other:?}"),
            }));
        }
    }
    (names, refused)
}

fn names(range: std::ops::Range<i32>) -> Vec<String> {
    range.map(|number| format!("t{number}")).collect()
}

#[test]
fn records_come_in_order_and_reading_goes_on_from_a_position() {
    let kafka = MockKafka::start(&[("signals", 1)]).expect("a broker");
    produce(&kafka, "signals", 0, 0..300);
    let mut source = KafkaSource::open(
        settings(kafka.brokers(), &["signals"]),
        decoder(),
        &Positions::new(),
    )
    .expect("opened");
    assert_eq!(read(&mut source, 300).0, names(0..300));
    let positions = source.positions();
    assert_eq!(positions.values().copied().collect::<Vec<_>>(), vec![300]);
    assert!(source.close(Duration::from_secs(10)));
    produce(&kafka, "signals", 0, 300..310);
    let again = KafkaSource::open(settings(kafka.brokers(), &["signals"]), decoder(), &positions);
    let mut again = again.expect("opened");
    assert_eq!(read(&mut again, 10).0, names(300..310));
    let middle = positions.keys().map(|key| (key.clone(), 305)).collect();
    again.seek(&middle).expect("sought");
    assert_eq!(read(&mut again, 5).0, names(305..310));
}

#[test]
fn bad_records_are_reported_with_their_offset_and_the_good_around_them_are_read() {
    let kafka = MockKafka::start(&[("signals", 1)]).expect("a broker");
    let producer = kafka.producer().expect("a producer");
    for payload in [
        &br#"{"time":1,"target":"a","health":"up"}"#[..],
        b"{broken",
        br#"{"time":1,"target":"b","health":"up"}"#,
    ] {
        producer.send("signals", 0, payload).expect("sent");
    }
    producer.flush(Duration::from_secs(20)).expect("delivered");
    let mut declared = settings(kafka.brokers(), &["signals"]);
    declared.topics[0].format = Format::NativeJson;
    let mut source = KafkaSource::open(declared, decoder(), &Positions::new()).expect("opened");
    let (good, bad) = read(&mut source, 3);
    assert_eq!(good, vec!["a", "b"]);
    assert_eq!(
        bad.iter()
            .map(|record| (record.offset, record.payload.as_slice()))
            .collect::<Vec<_>>(),
        vec![(1, &b"{broken"[..])]
    );
}

#[test]
fn partitions_that_are_held_back_give_nothing_until_they_are_let_go() {
    let kafka = MockKafka::start(&[("signals", 2)]).expect("a broker");
    produce(&kafka, "signals", 0, 0..50);
    produce(&kafka, "signals", 1, 100..150);
    let mut source = KafkaSource::open(
        settings(kafka.brokers(), &["signals"]),
        decoder(),
        &Positions::new(),
    )
    .expect("opened");
    let first = PartitionKey {
        topic: "signals".into(),
        partition: 0,
    };
    source.hold_back(std::slice::from_ref(&first));
    assert_eq!(read(&mut source, 50).0, names(100..150));
    source.hold_back(&[]);
    assert_eq!(read(&mut source, 50).0, names(0..50));
}

#[test]
fn the_end_of_a_partition_is_told() {
    let kafka = MockKafka::start(&[("signals", 1)]).expect("a broker");
    produce(&kafka, "signals", 0, 0..10);
    let mut source = KafkaSource::open(
        settings(kafka.brokers(), &["signals"]),
        decoder(),
        &Positions::new(),
    )
    .expect("opened");
    assert_eq!(read(&mut source, 10).0.len(), 10);
    let until = Instant::now() + Duration::from_secs(20);
    let told = |batch: Batch| {
        batch
            .runs
            .iter()
            .any(|run| run.caught_up && run.next_offset == 10)
    };
    while !told(source.poll(100, Duration::from_millis(200)).expect("a batch")) {
        assert!(Instant::now() < until, "never told");
    }
}

#[test]
fn a_topic_that_is_not_there_and_a_position_that_is_gone_are_clear_errors() {
    let kafka = MockKafka::start(&[("signals", 1)]).expect("a broker");
    produce(&kafka, "signals", 0, 0..10);
    let beyond = Positions::from([(
        PartitionKey {
            topic: "signals".into(),
            partition: 0,
        },
        99,
    )]);
    let refused = KafkaSource::open(settings(kafka.brokers(), &["signals"]), decoder(), &beyond);
    assert!(matches!(
        refused.err(),
        Some(SourceError::OffsetGone { offset: 99, .. })
    ));
    let mut allowed = settings(kafka.brokers(), &["signals"]);
    allowed.allow_gaps = true;
    let mut source = KafkaSource::open(allowed, decoder(), &beyond).expect("opened");
    assert_eq!(read(&mut source, 10).0.len(), 10);
    let mut newest = settings(kafka.brokers(), &["signals"]);
    newest.start = StartAt::Newest;
    let source = KafkaSource::open(newest, decoder(), &Positions::new()).expect("opened");
    assert_eq!(source.positions().values().copied().collect::<Vec<_>>(), vec![10]);
}

#[test]
fn dead_letters_arrive_and_say_where_they_came_from() {
    use rdkafka::message::{Headers, Message};

    use crate::dead_letter::DeadLetters;
    use crate::decode::DecodeError;

    let kafka = MockKafka::start(&[("dead", 1)]).expect("a broker");
    let letters = DeadLetters::connect(&kafka.brokers(), "dead", []).expect("a producer");
    let from = PartitionKey {
        topic: "signals".into(),
        partition: 3,
    };
    let why = DecodeError::Missing { field: "target" };
    let payload = vec![b'x'; MAX_PAYLOAD_BYTES + 1];
    letters.undecodable(
        &from,
        &BadRecord {
            offset: 42,
            why,
            parts: 2,
            payload,
        },
    );
    assert!(letters.flush(Duration::from_secs(20)));
    assert_eq!((letters.counters().queued, letters.counters().dropped), (1, 0));
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", kafka.brokers())
        .set("group.id", "test")
        .create()
        .expect("a consumer");
    let begin = Positions::from([(
        PartitionKey {
            topic: "dead".into(),
            partition: 0,
        },
        0,
    )]);
    consumer
        .assign(&assignment::list(&begin).expect("a list"))
        .expect("assigned");
    let message = consumer
        .poll(Duration::from_secs(20))
        .expect("a letter")
        .expect("no error");
    assert_eq!(message.payload().map(<[u8]>::len), Some(MAX_PAYLOAD_BYTES));
    let headers = message.headers().expect("headers");
    let texts: Vec<(&str, &str)> = headers
        .iter()
        .map(|header| {
            (
                header.key,
                std::str::from_utf8(header.value.unwrap_or_default()).expect("text"),
            )
        })
        .collect();
    assert_eq!(
        texts,
        vec![
            ("foreshift.topic", "signals"),
            ("foreshift.partition", "3"),
            ("foreshift.offset", "42"),
            ("foreshift.reason", "target is missing (and 1 further parts)"),
        ]
    );
}

#[test]
fn letters_that_do_not_fit_are_dropped_and_counted_without_waiting() {
    use crate::dead_letter::{DeadLetters, MAX_QUEUED};
    use crate::sequencer::{Origin, PartitionId, Refusal, Refused};

    // Nobody listens there: nothing leaves the queue.
    let letters = DeadLetters::connect("127.0.0.1:1", "dead", []).expect("a producer");
    let from = PartitionKey {
        topic: "signals".into(),
        partition: 0,
    };
    let origin = Origin {
        partition: PartitionId(0),
        offset: 1,
    };
    let time = foreshift_domain::Timestamp::MAX;
    for _ in 0..MAX_QUEUED + 100 {
        letters.refused(
            &from,
            &Refused {
                origin,
                time,
                why: Refusal::OutOfRange,
            },
        );
    }
    let counters = letters.counters();
    assert_eq!((counters.queued, counters.dropped), (MAX_QUEUED as u64, 100));
}
